package speak

import (
	"strings"

	"github.com/mynakit/mynakit/mykey"
)

// Language returns "ja" or "en", as the environment asks for: as POSIX has it,
// the first of three variables that is set decides.
func Language(getenv func(string) string) string {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if value := getenv(name); value != "" {
			if strings.HasPrefix(value, "ja") {
				return "ja"
			}
			return "en"
		}
	}
	return "en"
}

// LanguageOf returns the language of a run before its flags have been parsed: that
// of -lang, or else that of the environment.
func LanguageOf(args []string, getenv func(string) string) string {
	for i, a := range args {
		name, value, given := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(a, "-"), "-"), "=")
		if name != "lang" || !strings.HasPrefix(a, "-") {
			continue
		}
		if !given && i+1 < len(args) {
			value = args[i+1]
		}
		if value == "ja" || value == "en" {
			return value
		}
	}
	return Language(getenv)
}

// In returns a text in a language.
func In(lang string, t mykey.Text) string {
	if lang == "ja" {
		return t.JA
	}
	return t.EN
}

// A Voice returns the one of two texts that is in its language.
type Voice func(ja, en string) string

// VoiceIn returns the Voice of a language.
func VoiceIn(lang string) Voice {
	return func(ja, en string) string { return In(lang, mykey.Text{JA: ja, EN: en}) }
}
