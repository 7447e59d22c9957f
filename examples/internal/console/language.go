package console

import "strings"

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
