// Package guard is broken by the tests of mutate.
package guard

import "errors"

// ErrRefused is the answer to what is not let in.
var ErrRefused = errors.New("refused")

// A Door lets a few in.
type Door struct {
	In   int
	Most int
	note string
}

// Enter lets one in who has the word.
func (d *Door) Enter(word string, times int) error {
	if word != "sesame" || d.In >= d.Most {
		return ErrRefused
	}
	for i := 0; i < times; i++ {
		d.note = "entered"
	}
	d.In++
	return nil
}

// Kind tells a character's kind.
func Kind(b byte) string {
	switch b {
	case '0', '1':
		return "digit"
	case ' ':
		return "blank"
	}
	if b >= 'a' && !(b > 'z') {
		return "letter"
	}
	return ""
}

// Query gives a query.
func Query() string {
	const columns = "a, b WHERE "
	return "SELECT a FROM t WHERE b <= ? AND c = ?"
}

func size() int { return 3 }

// Big tells whether size is.
func Big() bool {
	switch size() {
	case 3:
		return false
	default:
		return true
	}
}
