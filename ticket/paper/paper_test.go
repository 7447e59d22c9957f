package paper_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"image"
	"image/color"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
	"github.com/mynakit/mynakit/ticket"
	"github.com/mynakit/mynakit/ticket/paper"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/japanese"
	"pgregory.net/rapid"
)

func keys(t require.TestingT) ticket.Keys {
	k, err := ticket.NewKey("K1", []byte("a secret of the tests"))
	require.NoError(t, err)
	return ticket.Keys{k}
}

func slip(t require.TestingT, number string) paper.Slip {
	n, err := ticket.ParseNumber(number)
	require.NoError(t, err)
	tk := ticket.Ticket{Scope: "141305-01", Number: n, Points: 1500, Until: ticket.Date{Year: 2026, Month: 12, Day: 21}, State: ticket.Issued, Prints: 1}
	text, err := keys(t).Seal(tk.Scope, n)
	require.NoError(t, err)
	return paper.Slip{Ticket: tk, QR: ticket.NewCode(text), Issuer: "あおば商店街振興組合", PointName: "あおば市ポイント"}
}

// texts gives the character data of an XML document, and fails if it is none.
func texts(t require.TestingT, doc []byte) string {
	var out strings.Builder
	d := xml.NewDecoder(bytes.NewReader(doc))
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return out.String()
		}
		require.NoError(t, err)
		if c, ok := tok.(xml.CharData); ok {
			out.Write(c)
		}
	}
}

func TestSVG(t *testing.T) {
	s := slip(t, "0076-5432")
	svg, err := s.SVG()
	require.NoError(t, err)
	got := texts(t, svg)
	for _, want := range []string{"ポイント券", "あおば商店街振興組合", "1,500", "あおば市ポイント", "2026年12月21日まで", "0076-5432", "発行認印", "利用店舗印"} {
		assert.Contains(t, got, want)
	}
	assert.NotContains(t, got, "再発行")
	assert.NotRegexp(t, `http|href|url\(|@import|<image|<use`, strings.Replace(string(svg), `xmlns="http://www.w3.org/2000/svg"`, "", 1), "nothing is fetched")

	s.CheckDigit = true
	s.Ticket.Prints = 2
	svg, err = s.SVG()
	require.NoError(t, err)
	assert.Contains(t, texts(t, svg), s.Ticket.Number.DisplayChecked())
	assert.Contains(t, texts(t, svg), "再発行（2枚目）")
	s.Ticket.Prints = 1
	s.Ticket.Replaces = s.Ticket.Number
	svg, err = s.SVG()
	require.NoError(t, err)
	assert.Contains(t, texts(t, svg), "再発行")

	// Texts stay texts.
	s.Issuer = `</text><script>alert("x")</script>&amp;'`
	svg, err = s.SVG()
	require.NoError(t, err)
	assert.Contains(t, texts(t, svg), s.Issuer)
	assert.NotContains(t, string(svg), "<script")
}

// modules draws the modules of the drawing's path.
func modules(t require.TestingT, svg []byte) image.Image {
	m := regexp.MustCompile(`viewBox="0 0 (\d+) \d+" shape-rendering="crispEdges"><rect [^>]*/><path d="([^"]*)"`).FindSubmatch(svg)
	require.NotNil(t, m)
	n, err := strconv.Atoi(string(m[1]))
	require.NoError(t, err)
	const scale = 6
	img := image.NewGray(image.Rect(0, 0, n*scale, n*scale))
	for i := range img.Pix {
		img.Pix[i] = 255
	}
	for _, run := range strings.Split(strings.TrimSuffix(string(m[2]), "z"), "z") {
		var x, y, w, back int
		_, err := fmt.Sscanf(run, "M%d %dh%dv1h%d", &x, &y, &w, &back)
		require.NoError(t, err)
		require.Equal(t, -w, back)
		for px := x * scale; px < (x+w)*scale; px++ {
			for py := y * scale; py < (y+1)*scale; py++ {
				img.SetGray(px, py, color.Gray{})
			}
		}
	}
	return img
}

// decode reads a QR code with another library. The hint says whether to look
// for it in the picture or that the picture is nothing else.
func decode(t require.TestingT, img image.Image, hint gozxing.DecodeHintType) string {
	bmp, err := gozxing.NewBinaryBitmapFromImage(img)
	require.NoError(t, err)
	res, err := qrcode.NewQRCodeReader().Decode(bmp, map[gozxing.DecodeHintType]any{hint: true})
	require.NoError(t, err)
	return res.GetText()
}

// What is drawn, another library reads back, and the keys open it.
func TestQRReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := slip(t, rapid.StringMatching(`[0-9]{8}`).Draw(t, "number"))
		s.Ticket.Scope = ticket.Scope(rapid.StringMatching(`[A-Z0-9-]{1,16}`).Draw(t, "scope"))
		sealed, err := keys(t).Seal(s.Ticket.Scope, s.Ticket.Number)
		require.NoError(t, err)
		s.QR = ticket.NewCode(sealed)
		svg, err := s.SVG()
		require.NoError(t, err)
		text := decode(t, modules(t, svg), gozxing.DecodeHintType_PURE_BARCODE)
		require.Equal(t, sealed, text)
		scope, n, err := keys(t).Open(text)
		require.NoError(t, err)
		require.Equal(t, s.Ticket.Scope, scope)
		require.Equal(t, s.Ticket.Number, n)
	})
}

func TestRefuses(t *testing.T) {
	good := slip(t, "9876-5432")
	for name, tc := range map[string]struct {
		change func(*paper.Slip)
		want   error
	}{
		"redeemed":            {func(s *paper.Slip) { s.Ticket.State = ticket.Redeemed }, paper.ErrTicket},
		"lapsed":              {func(s *paper.Slip) { s.Ticket.State = ticket.Lapsed }, paper.ErrTicket},
		"zero":                {func(s *paper.Slip) { s.Ticket = ticket.Ticket{} }, paper.ErrTicket},
		"no number":           {func(s *paper.Slip) { s.Ticket.Number = ticket.Number{} }, paper.ErrTicket},
		"no points":           {func(s *paper.Slip) { s.Ticket.Points = 0 }, paper.ErrTicket},
		"no day":              {func(s *paper.Slip) { s.Ticket.Until = ticket.Date{} }, paper.ErrTicket},
		"another ticket's QR": {func(s *paper.Slip) { s.QR = slip(t, "9876-5433").QR }, paper.ErrQR},
		"another scope's QR":  {func(s *paper.Slip) { s.Ticket.Scope = "B" }, paper.ErrQR},
		"a QR of lower case":  {func(s *paper.Slip) { s.QR = ticket.NewCode(strings.ToLower(s.QR.Reveal()) + "." + s.QR.Reveal()) }, paper.ErrQR},
		"an endless QR":       {func(s *paper.Slip) { s.QR = ticket.NewCode(s.QR.Reveal() + strings.Repeat("A", 1<<16)) }, paper.ErrQR},
		"control character":   {func(s *paper.Slip) { s.Issuer = "a\x1b@" }, paper.ErrCharacter},
		"line feed":           {func(s *paper.Slip) { s.Title = "a\nb" }, paper.ErrCharacter},
		"broken UTF-8":        {func(s *paper.Slip) { s.PointName = "\xff" }, paper.ErrCharacter},
		"not XML":             {func(s *paper.Slip) { s.PointName = "\uffff" }, paper.ErrCharacter},
		"long":                {func(s *paper.Slip) { s.Issuer = strings.Repeat("あ", paper.MaxText+1) }, paper.ErrTooLong},
	} {
		s := good
		tc.change(&s)
		_, err := s.SVG()
		assert.ErrorIs(t, err, tc.want, name)
		_, err = s.ESCPOS(paper.Roll80mm)
		assert.ErrorIs(t, err, tc.want, name)
		var out bytes.Buffer
		assert.ErrorIs(t, paper.WriteHTML(&out, good, s), tc.want, name)
		assert.Zero(t, out.Len(), "nothing of a page that is not whole")
		if te, ok := errors.AsType[*paper.TextError](err); ok {
			assert.NotEmpty(t, te.Field)
		}
		if err != nil {
			assert.NotContains(t, err.Error(), "9876")
		}
	}
}

// receipt is what a printer makes of the bytes: the text, and the QR data.
type receipt struct {
	lines   []string // with the characters of double width as they are
	columns int      // of the widest line, in half-width columns
	qr      string
	cut     bool
}

// printed runs the bytes through the part of ESC/POS that a ticket needs.
// Anything else fails the test, as it would print rubbish.
func printed(t require.TestingT, b []byte) receipt {
	var r receipt
	kanji, sjis, scale := false, false, 1
	var line []byte
	stored := ""
	has := func(prefix string) bool {
		if bytes.HasPrefix(b, []byte(prefix)) {
			b = b[len(prefix):]
			return true
		}
		return false
	}
	used := 0
	for len(b) > 0 {
		switch {
		case has("\x1b@"):
			kanji, sjis, scale = false, false, 1
		case has("\x1bt\x01"), has("\x1ba\x00"), has("\x1ba\x01"), has("\x1bE\x00"), has("\x1bE\x01"), has("\x1b3\x18"), has("\x1b2"):
		case has("\x1c&"):
			kanji = true
		case has("\x1cC\x01"):
			sjis = true
		case has("\x1d!\x00"):
			scale = 1
		case has("\x1d!\x11"):
			scale = 2
		case has("\x1dVB\x00"):
			r.cut = true
		case has("\x1d(k"):
			n := int(b[0]) + int(b[1])<<8
			f := b[2 : 2+n]
			b = b[2+n:]
			require.Equal(t, byte('1'), f[0], "a QR code")
			switch f[1] {
			case 'A':
				require.Equal(t, "2\x00", string(f[2:]), "model 2")
			case 'C':
				require.Len(t, f, 3)
				require.True(t, f[2] >= 1 && f[2] <= 16)
			case 'E':
				require.Len(t, f, 3)
				require.True(t, f[2] >= '0' && f[2] <= '3')
			case 'P':
				require.Equal(t, byte('0'), f[2])
				stored = string(f[3:])
			case 'Q':
				require.Equal(t, "1Q0", string(f))
				r.qr = stored
			default:
				require.Fail(t, "an unknown function of QR codes")
			}
		case has("\n"):
			text, err := japanese.ShiftJIS.NewDecoder().Bytes(line)
			require.NoError(t, err)
			r.lines = append(r.lines, string(text))
			line, used = nil, 0
		default:
			require.True(t, b[0] >= 0x20 && b[0] != 0x7f, "an unknown command %x", b[:min(len(b), 8)])
			n := 1
			if b[0] >= 0x81 && b[0] <= 0x9f || b[0] >= 0xe0 {
				require.True(t, kanji && sjis)
				n = 2
			}
			line = append(line, b[:n]...)
			used += n * scale
			r.columns = max(r.columns, used)
			b = b[n:]
		}
	}
	require.Empty(t, line)
	return r
}

func TestESCPOS(t *testing.T) {
	s := slip(t, "9876-5432")
	for _, roll := range []paper.Roll{paper.Roll80mm, paper.Roll80mm512, paper.Roll58mm} {
		b, err := s.ESCPOS(roll)
		require.NoError(t, err)
		r := printed(t, b)
		all := strings.Join(r.lines, "\n")
		for _, want := range []string{"ポイント券", "あおば商店街振興組合", "1,500", "あおば市ポイント", "2026年12月21日まで", "9876-5432", "┌発行認印─", "┌利用店舗印", "券面の"} {
			assert.Contains(t, all, want)
		}
		assert.Equal(t, s.QR.Reveal(), r.qr)
		assert.True(t, r.cut)
		assert.Equal(t, int(roll), r.columns, "a rule fills the paper and nothing runs over")
		// The sides of the frames stand under their corners.
		for i, l := range r.lines {
			if strings.HasPrefix(l, "┌") {
				for _, below := range r.lines[i+1 : i+9] {
					assert.Equal(t, len([]rune(l)), len([]rune(below)))
				}
			}
		}
	}
	b, err := s.ESCPOS(0)
	require.NoError(t, err)
	assert.Equal(t, 48, printed(t, b).columns)

	s.CheckDigit = true
	s.Ticket.Prints = 3
	s.QR = ticket.Code{}
	s.Issuer = "〜−Café のはずが長いほうの名前の商店街、折り返して印字される名前の商店街"
	_, err = s.ESCPOS(paper.Roll58mm)
	var te *paper.TextError
	require.ErrorAs(t, err, &te, "é is not in Shift_JIS")
	assert.Equal(t, "Issuer", te.Field)
	s.Issuer = strings.ReplaceAll(s.Issuer, "é", "e")
	b, err = s.ESCPOS(paper.Roll58mm)
	require.NoError(t, err)
	r := printed(t, b)
	assert.Empty(t, r.qr)
	assert.Equal(t, 32, r.columns)
	all := strings.Join(r.lines, "")
	assert.Contains(t, all, "～－Cafe のはずが長いほうの名前の商店街、折り返して印字される名前の商店街")
	assert.Contains(t, all, s.Ticket.Number.DisplayChecked())
	assert.Contains(t, all, "再発行（3枚目）")
}

// Whatever the texts are, the paper is well-formed and the printer is not
// steered.
func FuzzSlip(f *testing.F) {
	for _, s := range []string{"", "ポイント券", "<b>&\"'", "\x1b@\x1dV", "\xff", "ｱｲｳ", "𠮷", strings.Repeat("長", 60)} {
		f.Add([]byte(s), []byte(s), []byte("x"))
	}
	f.Fuzz(func(t *testing.T, title, name, issuer []byte) {
		s := slip(t, "9876-5432")
		s.Title, s.PointName, s.Issuer = string(title), string(name), string(issuer)
		svg, err := s.SVG()
		if err != nil {
			var te *paper.TextError
			require.ErrorAs(t, err, &te)
			return
		}
		require.Contains(t, texts(t, svg), s.Issuer)
		require.Less(t, len(svg), 40_000)
		b, err := s.ESCPOS(paper.Roll80mm)
		if err != nil {
			require.ErrorIs(t, err, paper.ErrCharacter)
			return
		}
		r := printed(t, b)
		require.Equal(t, s.QR.Reveal(), r.qr)
		require.LessOrEqual(t, r.columns, 48)
	})
}

// Characters outside JIS X 0208 are found before they are missing on paper.
func TestLacks(t *testing.T) {
	assert.Equal(t, "㈱髙①", paper.Lacks("㈱あおば商店街 髙島屋①〜−ｱA"))
	assert.Equal(t, "é𠮷", paper.Lacks("é𠮷"))
	assert.Empty(t, paper.Lacks("ポイント券 1,500 あおば商店街振興組合～－"))
}
