package paper

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/boombuler/barcode"
	"github.com/boombuler/barcode/qr"
	"github.com/mynakit/mynakit/ticket"
)

// MaxText is the most characters of each of a slip's texts.
const MaxText = 60

// Slip is one ticket as it goes on paper. Only Ticket is required.
type Slip struct {
	// Ticket is the ticket, which must be Issued.
	Ticket ticket.Ticket
	// QR is the text of its QR code, from Book.QR. Without one the paper has
	// the number alone.
	QR string
	// Title heads the paper; empty means ポイント券.
	Title string
	// PointName is the kind of points (ポイント名), such as あおば市ポイント;
	// empty means ポイント.
	PointName string
	// Issuer is who issued it (発行元).
	Issuer string
	// CheckDigit prints the number's check digit behind it.
	CheckDigit bool
}

// ErrTicket says that a ticket cannot be printed: it is not Issued, or lacks
// its number, points or last day.
var ErrTicket = errors.New("paper: not a live ticket")

// ErrQR says that the text of the QR code is another ticket's, or none.
var ErrQR = errors.New("paper: not this ticket's QR code")

// TextError says which text cannot be printed.
type TextError struct {
	Field string // "Title", "PointName" or "Issuer"
	Err   error
}

// Error names the field and the fault.
func (e *TextError) Error() string { return "paper: " + e.Field + ": " + e.Err.Error() }

// Unwrap gives Err.
func (e *TextError) Unwrap() error { return e.Err }

// Faults within a [*TextError].
var (
	ErrTooLong   = errors.New("too long")
	ErrCharacter = errors.New("a character that cannot be printed")
)

// check gives the slip with its defaults filled in, or why it cannot be
// printed.
func (s Slip) check() (Slip, error) {
	t := s.Ticket
	if t.State != ticket.Issued || t.Number.IsZero() || t.Points < 1 || !t.Until.Valid() {
		return s, ErrTicket
	}
	// Only a book's keys can tell a forged code from a true one; that this
	// one is of this ticket can be seen.
	if s.QR != "" && !strings.Contains(s.QR, "."+string(t.Scope)+"."+t.Number.Digits()+".") {
		return s, ErrQR
	}
	if s.Title == "" {
		s.Title = "ポイント券"
	}
	if s.PointName == "" {
		s.PointName = "ポイント"
	}
	for _, f := range []struct{ name, text string }{{"Title", s.Title}, {"PointName", s.PointName}, {"Issuer", s.Issuer}} {
		if utf8.RuneCountInString(f.text) > MaxText {
			return s, &TextError{Field: f.name, Err: ErrTooLong}
		}
		for _, r := range f.text {
			// Control characters would steer a printer; the others are not
			// allowed in XML or not text at all.
			if r < ' ' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError || r == 0xfffe || r == 0xffff {
				return s, &TextError{Field: f.name, Err: ErrCharacter}
			}
		}
	}
	return s, nil
}

// number gives the number as it is printed.
func (s Slip) number() string {
	if s.CheckDigit {
		return s.Ticket.Number.DisplayChecked()
	}
	return s.Ticket.Number.Display()
}

// reprint gives the mark of a paper that is not the first of its ticket, or "".
func (s Slip) reprint() string {
	switch {
	case s.Ticket.Prints > 1:
		return fmt.Sprintf("再発行（%d枚目）", s.Ticket.Prints)
	case !s.Ticket.Replaces.IsZero():
		return "再発行"
	}
	return ""
}

// notes are the rules of use that the paper states.
var notes = [...]string{
	"発行認印のない券は無効です。",
	"券面のポイントは一度に全部をご利用ください。おつりは出ません。",
	"有効期限を過ぎた券は失効し、ご利用いただけません。",
}

// thousands writes n with commas.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// symbol makes the QR code. Level Q restores it when a quarter is hidden by
// a stamp or a fold.
func (s Slip) symbol() (barcode.Barcode, error) {
	code, err := qr.Encode(s.QR, qr.Q, qr.AlphaNumeric)
	if err != nil {
		return nil, ErrQR
	}
	return code, nil
}

// width gives a text's width in half-width columns.
func width(text string) int {
	n := 0
	for _, r := range text {
		n += runeWidth(r)
	}
	return n
}

// runeWidth is 1 for what Japanese fonts set half as wide as a kanji.
func runeWidth(r rune) int {
	if r < 0x80 || r >= 0xff61 && r <= 0xff9f {
		return 1
	}
	return 2
}
