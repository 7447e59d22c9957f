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

// MaxText is the greatest length of each text of a slip or a receipt, in
// characters.
const MaxText = 60

// A Slip is one ticket as it is printed. Only Ticket is required.
type Slip struct {
	// Ticket is the ticket, which must be Issued.
	Ticket ticket.Ticket
	// QR is the text of the ticket's QR code, from Book.QR. If it is zero, the
	// paper has the number alone.
	QR ticket.Code
	// Title stands at the top; empty means ポイント券.
	Title string
	// PointName is the kind of points (ポイント名), such as あおば市ポイント;
	// empty means ポイント.
	PointName string
	// Issuer is the name of the issuer (発行元).
	Issuer string
	// CheckDigit prints the number's check digit behind it.
	CheckDigit bool
	// Training marks a ticket of a book in training.
	Training bool
}

// ErrTicket is returned if a ticket is not Issued, or lacks its number, points
// or last day.
var ErrTicket = errors.New("paper: not a live ticket")

// ErrQR is returned if the text of the QR code is malformed or another ticket's.
var ErrQR = errors.New("paper: not this ticket's QR code")

// A TextError reports a text that cannot be printed.
type TextError struct {
	Field string // of the Slip or the Receipt, such as "Issuer"
	Err   error
}

// Error returns the field and the fault.
func (e *TextError) Error() string { return "paper: " + e.Field + ": " + e.Err.Error() }

// Unwrap returns Err.
func (e *TextError) Unwrap() error { return e.Err }

// Faults that a [*TextError] wraps.
var (
	ErrTooLong   = errors.New("too long")
	ErrCharacter = errors.New("a character that cannot be printed")
)

// check returns the slip with its defaults filled in.
func (s Slip) check() (Slip, error) {
	t := s.Ticket
	if t.State != ticket.Issued || t.Number.IsZero() || t.Points < 1 || !t.Until.Valid() {
		return s, ErrTicket
	}
	// A forged code is found with a book's keys alone. That the code is of this
	// ticket is seen without.
	if !s.QR.IsZero() && !strings.Contains(s.QR.Reveal(), "."+string(t.Scope)+"."+t.Number.Digits()+".") {
		return s, ErrQR
	}
	if s.Title == "" {
		s.Title = "ポイント券"
	}
	if s.PointName == "" {
		s.PointName = "ポイント"
	}
	return s, checkTexts([]named{{"Title", s.Title}, {"PointName", s.PointName}, {"Issuer", s.Issuer}})
}

// A named text is a field of a slip or of a receipt.
type named struct{ name, text string }

// checkTexts returns a TextError for the first text that cannot be printed.
func checkTexts(texts []named) error {
	for _, f := range texts {
		if utf8.RuneCountInString(f.text) > MaxText {
			return &TextError{Field: f.name, Err: ErrTooLong}
		}
		for _, r := range f.text {
			// Control characters would steer a printer; the others are not
			// allowed in XML or not text at all.
			if r < ' ' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError || r == 0xfffe || r == 0xffff {
				return &TextError{Field: f.name, Err: ErrCharacter}
			}
		}
	}
	return nil
}

// number returns the number as it is printed.
func (s Slip) number() string {
	if s.CheckDigit {
		return s.Ticket.Number.DisplayChecked()
	}
	return s.Ticket.Number.Display()
}

// reprint returns the mark of a paper that is for practice or is not the first of
// its ticket, or "".
func (s Slip) reprint() string {
	switch {
	case s.Training:
		return "【練習】この券は無効です"
	case s.Ticket.Prints > 1:
		return fmt.Sprintf("再発行（%d枚目）", s.Ticket.Prints)
	case !s.Ticket.Replaces.IsZero():
		return "再発行"
	}
	return ""
}

// notes are the rules of use that the paper states.
var notes = [...]string{
	"発行認印（またはサイン）のない券は無効です。",
	"券面のポイントは、一度に全額をご利用ください。おつりは出ません。",
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

// symbol returns the QR code. Level Q restores it if a quarter is hidden by a
// stamp or a fold.
func (s Slip) symbol() (barcode.Barcode, error) {
	code, err := qr.Encode(s.QR.Reveal(), qr.Q, qr.AlphaNumeric)
	if err != nil {
		return nil, ErrQR
	}
	return code, nil
}

// width returns a text's width in half-width columns.
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
