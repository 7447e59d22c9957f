// Package speaktest is for tests of what the programs say in Japanese.
package speaktest

import "regexp"

// English returns a sentence, or the beginning of one, that is left over in a
// Japanese text, and "" if there is none.
func English(text string) string {
	return regexp.MustCompile(`[A-Za-z]{2,} [a-z]{2,} [a-z]{2,}`).FindString(text)
}
