package page

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/width"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/mynakit/mynakit/ticket"
)

// A typedForm is what a refused form was sent with: the screen shows it again, so
// that only what is wrong has to be typed anew. No PIN is in it.
type typedForm struct {
	seq    int // the presentation that was there, 0 for none
	values url.Values
	wrong  string // the field that is at fault, or ""
}

// A fieldError is an error in one field of a form.
type fieldError struct {
	field string
	err   error
}

func (e *fieldError) Error() string { return e.err.Error() }

func (e *fieldError) Unwrap() error { return e.err }

// inField says which field an error is about.
func inField(field string, err error) error {
	if err == nil {
		return nil
	}
	return &fieldError{field, err}
}

// fieldOf returns the field that an error is about, or "".
func fieldOf(err error) string {
	if at, ok := errors.AsType[*fieldError](err); ok {
		return at.field
	}
	_, pin := errors.AsType[*jpki.PINError](err)
	_, format := errors.AsType[*jpki.FormatError](err)
	switch {
	case pin, format:
		return "pin"
	case errors.Is(err, point.ErrShort), errors.Is(err, ticket.ErrPoints), errors.Is(err, point.ErrPoints):
		return "points"
	case errors.Is(err, ticket.ErrValidity):
		return "until"
	case errors.Is(err, registry.ErrDuplicate):
		return "id"
	case errors.Is(err, registry.ErrCustomerTaken):
		return "customer"
	}
	return ""
}

// keep returns what the screen shows again of a form that was refused. A scanned
// code is not kept: nobody corrects it, and the next one comes behind it.
func keep(form url.Values, err error, seq int) *typedForm {
	values := url.Values{}
	for name, v := range form {
		switch name {
		case "token", "card", "back":
			continue
		case "code":
			if strings.ContainsFunc(form.Get(name), letter) {
				continue
			}
		}
		values[name] = v
	}
	return &typedForm{seq, values, fieldOf(err)}
}

func letter(r rune) bool {
	return r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r >= 'Ａ' && r <= 'ｚ'
}

// pointsOf reads points as people type them.
func pointsOf(form url.Values) (int64, error) {
	typed := strings.ReplaceAll(width.Narrow.String(strings.TrimSpace(form.Get("points"))), ",", "")
	points, err := strconv.ParseInt(typed, 10, 64)
	if err != nil || points < 1 || points > ticket.MaxPoints {
		return 0, inField("points", ticket.ErrPoints)
	}
	return points, nil
}

// typedCode returns a card's number as the card has it, of what a keyboard or a
// keyboard-wedge reader gave: without what a reader puts around it (blanks,
// control characters, characters that are not seen, the identifier of the kind
// of code), and in half width, as an input method does not leave it.
func typedCode(text string) string {
	around := func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }
	text = strings.TrimFunc(text, around)
	text = width.Narrow.String(strings.NewReplacer("ー", "-", "−", "-", "‐", "-").Replace(text))
	if len(text) > 3 && text[0] == ']' { // ISO/IEC 15424
		text = strings.TrimFunc(text[3:], around)
	}
	return text
}
