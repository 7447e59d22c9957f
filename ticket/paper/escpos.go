package paper

import (
	"bytes"
	"strings"

	"golang.org/x/text/encoding/japanese"
)

// A Roll is the width of a receipt printer's paper, in half-width columns.
type Roll int

const (
	Roll80mm    Roll = 48 // 80 mm paper, 576 dots
	Roll80mm512 Roll = 42 // 80 mm paper, 512 dots
	Roll58mm    Roll = 32 // 58 mm paper, 384 dots
)

// The commands, under their names in ESC/POS.
const (
	escInit       = "\x1b@"      // ESC @: as after power-on
	escKatakana   = "\x1bt\x01"  // ESC t 1: bytes A1 to DF are half-width katakana
	fsKanji       = "\x1c&"      // FS &: two-byte characters on
	fsShiftJIS    = "\x1cC\x01"  // FS C 1: in Shift_JIS
	escLeft       = "\x1ba\x00"  // ESC a 0
	escCentre     = "\x1ba\x01"  // ESC a 1
	gsPlain       = "\x1d!\x00"  // GS ! 0: single size
	gsDouble      = "\x1d!\x11"  // GS ! 17: twice as wide and high
	escBold       = "\x1bE\x01"  // ESC E 1
	escLight      = "\x1bE\x00"  // ESC E 0
	escTight      = "\x1b3\x18"  // ESC 3 24: lines touch, so that frames close
	escLoose      = "\x1b2"      // ESC 2: the usual line spacing
	gsCut         = "\x1dVB\x00" // GS V 66 0: feed and cut
	qrModel2      = "\x1d(k\x04\x001A2\x00"
	qrModule      = "\x1d(k\x03\x001C\x06" // six dots, 0.75 mm
	qrLevelQ      = "\x1d(k\x03\x001E2"
	qrPrint       = "\x1d(k\x03\x001Q0"
	qrStoreHead   = "\x1d(k"
	qrStoreMiddle = "1P0"
)

// ESCPOS returns the bytes that make a receipt printer print the ticket and cut
// the paper. The printer draws the QR code. Choose the roll by the printer: a
// wider one than it has breaks the lines. An unknown roll is taken for
// [Roll80mm].
//
// ESCPOS returns [ErrTicket], [ErrQR] or a [*TextError] for a slip that cannot
// be printed, also for a character outside the printer's Shift_JIS. See [Lacks]
// for characters that some printers lack.
func (s Slip) ESCPOS(roll Roll) ([]byte, error) {
	s, err := s.check()
	if err != nil {
		return nil, err
	}
	p := newPrinter(roll)

	p.raw(escCentre, gsDouble)
	p.text("Title", 2, s.Title)
	p.raw(gsPlain)
	p.text("Issuer", 1, s.Issuer)
	if mark := s.reprint(); mark != "" {
		p.text("", 1, mark)
	}
	p.rule()
	p.raw(gsDouble, escBold)
	p.text("", 2, thousands(s.Ticket.Points))
	p.raw(gsPlain, escLight)
	p.text("PointName", 1, s.PointName)
	p.text("", 1, "")
	p.text("", 1, "有効期限　"+s.Ticket.Until.Japanese()+"まで")
	p.text("", 1, "発券番号")
	p.raw(gsDouble)
	p.text("", 2, s.number())
	p.raw(gsPlain)
	if code := s.QR.Reveal(); code != "" {
		if _, err := s.symbol(); err != nil {
			return nil, err // what is not of QR's alphanumeric mode is not ours
		}
		n := len(code) + 3
		p.raw("\n", qrModel2, qrModule, qrLevelQ, qrStoreHead, string([]byte{byte(n), byte(n >> 8)}), qrStoreMiddle, code, qrPrint, "\n")
	}
	p.frames("発行認印", "利用店舗印")
	p.raw(escLeft, "\n")
	for _, n := range notes {
		p.text("", 1, "・"+n)
	}
	p.raw("\n", gsCut)
	if p.err != nil {
		return nil, p.err
	}
	return p.b.Bytes(), nil
}

type printer struct {
	b       bytes.Buffer
	columns int
	err     error
}

func newPrinter(roll Roll) *printer {
	if roll != Roll58mm && roll != Roll80mm512 {
		roll = Roll80mm
	}
	p := &printer{columns: int(roll)}
	p.raw(escInit, escKatakana, fsKanji, fsShiftJIS)
	return p
}

// Lacks returns the characters of a text that some receipt printers lack,
// although they have a code in the printers' Shift_JIS: what is outside
// JIS X 0208, such as ㈱ and 髙. A printer prints a blank or another character
// in their place.
func Lacks(text string) string {
	var out strings.Builder
	for _, r := range sameInShiftJIS.Replace(text) {
		b, err := japanese.ShiftJIS.NewEncoder().String(string(r))
		// 87 has NEC's additions; ED, EE and FA to FC have IBM's.
		if err != nil || b[0] == 0x87 || b[0] == 0xed || b[0] == 0xee || b[0] >= 0xf0 {
			out.WriteRune(r)
		}
	}
	return out.String()
}

func (p *printer) raw(parts ...string) {
	for _, s := range parts {
		p.b.WriteString(s)
	}
}

// sameInShiftJIS writes characters that Unix and Windows tell apart as the
// one that Shift_JIS has.
var sameInShiftJIS = strings.NewReplacer("〜", "～", "−", "－", "‖", "∥", "—", "―", "¢", "￠", "£", "￡", "¬", "￢")

// text prints a text in lines of the paper's width, each character scale
// times as wide. A field without text is no line.
func (p *printer) text(field string, scale int, text string) {
	if text == "" && field != "" {
		return
	}
	out, err := japanese.ShiftJIS.NewEncoder().String(sameInShiftJIS.Replace(text))
	if err != nil {
		if p.err == nil {
			p.err = &TextError{Field: field, Err: ErrCharacter}
		}
		return
	}
	room := p.columns / scale
	for used, i := 0, 0; i < len(out); {
		// A lead byte of Shift_JIS is 81 to 9F or E0 to FC.
		n := 1
		if c := out[i]; c >= 0x81 && c <= 0x9f || c >= 0xe0 {
			n = 2
		}
		if used+n > room {
			p.raw("\n")
			used = 0
		}
		p.raw(out[i : i+n])
		used += n
		i += n
	}
	p.raw("\n")
}

// rule draws a line across the paper.
func (p *printer) rule() { p.text("", 1, strings.Repeat("─", p.columns/2)) }

// pair prints a label on the left and a text on the right. A text that does not
// fit beside its label goes below it.
func (p *printer) pair(field, label, text string) {
	gap := p.columns - width(label) - width(text)
	if gap > 0 {
		p.text(field, 1, label+strings.Repeat(" ", gap)+text)
		return
	}
	p.text(field, 1, label)
	for line := ""; text != ""; line = "" {
		for _, r := range text {
			if width(line)+runeWidth(r) > p.columns {
				break
			}
			line += string(r)
		}
		text = text[len(line):]
		p.text(field, 1, strings.Repeat(" ", p.columns-width(line))+line)
	}
}

// frames draws two frames for seals side by side out of ruled-line
// characters, with their labels in the upper rules.
func (p *printer) frames(left, right string) {
	// In characters as wide as a kanji: two frames and one blank between.
	inner := (p.columns/2-1)/2 - 2
	rule := func(open, label, closed string) string {
		return open + label + strings.Repeat("─", inner-len([]rune(label))) + closed
	}
	p.raw(escTight)
	p.text("", 1, rule("┌", left, "┐")+"　"+rule("┌", right, "┐"))
	side := "│" + strings.Repeat("　", inner) + "│"
	for range 7 { // 21 mm
		p.text("", 1, side+"　"+side)
	}
	p.text("", 1, rule("└", "", "┘")+"　"+rule("└", "", "┘"))
	p.raw(escLoose)
}
