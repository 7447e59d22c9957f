package main

import (
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
)

// Both languages say everything, with the same things in the same order.
func TestBothLanguagesAreComplete(t *testing.T) {
	en, ja := reflect.ValueOf(english()), reflect.ValueOf(japanese())
	verb := regexp.MustCompile(`%[-0-9.]*[a-z]`)
	kind := func(s string) (verbs string) {
		for _, v := range verb.FindAllString(s, -1) {
			verbs += v[len(v)-1:]
		}
		return verbs
	}
	for i := range en.NumField() {
		name, inEN, inJA := en.Type().Field(i).Name, en.Field(i).String(), ja.Field(i).String()
		assert.NotEmpty(t, inEN, name)
		assert.False(t, strings.ContainsFunc(inEN, func(r rune) bool { return r > unicode.MaxASCII }), "%s: %s", name, inEN)
		if strings.Trim(verb.ReplaceAllString(inEN, ""), " :()") != "" {
			assert.True(t, strings.ContainsFunc(inJA, func(r rune) bool {
				return unicode.In(r, unicode.Hiragana, unicode.Katakana, unicode.Han)
			}), "%s: %q", name, inJA)
		}
		assert.Equal(t, kind(inEN), kind(inJA), name)
	}
}
