package paper

import (
	"bytes"
	"fmt"
	"html"
	"image/color"
	"io"
	"strings"
)

// The drawing is 180 mm by 80 mm, in tenths of a millimetre.
const (
	svgWidth  = 1800
	svgHeight = 800
)

// fonts are those that the systems bring along; none is fetched.
const fonts = "'Noto Sans CJK JP','Noto Sans JP','Hiragino Sans','Hiragino Kaku Gothic ProN','Yu Gothic','YuGothic','Meiryo','IPAGothic','MS PGothic',sans-serif"

// SVG returns a drawing of the ticket, 180 mm wide and 80 mm high. It returns
// [ErrTicket], [ErrQR] or a [*TextError] for a slip that cannot be printed.
func (s Slip) SVG() ([]byte, error) {
	s, err := s.check()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="180mm" height="80mm" viewBox="0 0 %d %d" role="img" font-family="%s" fill="#000">`+"\n",
		svgWidth, svgHeight, fonts)
	b.WriteString(`<rect x="5" y="5" width="1790" height="790" rx="24" fill="#fff" stroke="#000" stroke-width="4"/>` + "\n")
	d := drawing{&b}

	const left, column = 60, 1080 // the text column
	d.text(left, 122, 66, column, "start", "bold", s.Title)
	if mark := s.reprint(); mark != "" {
		d.text(left+column, 112, 38, 330, "end", "bold", mark)
	}
	d.text(left, 184, 34, column, "start", "normal", s.Issuer)
	d.line(left, 212, left+column, 212, 3)

	// The points: the figure large, its kind beside it wherever the font
	// ends the figure.
	figure, kind, big := thousands(s.Ticket.Points), s.PointName, 150
	small := fit(kind, 50, column-fit(figure, big, column*2/3)*width(figure)*62/100-30)
	fmt.Fprintf(&b, `<text x="%d" y="372"><tspan font-size="%d" font-weight="bold">%s</tspan><tspan dx="24" font-size="%d">%s</tspan></text>`+"\n",
		left, fit(figure, big, column*2/3), figure, small, html.EscapeString(kind))

	d.text(left, 462, 34, 200, "start", "normal", "有効期限")
	d.text(left+190, 464, 46, column-190, "start", "bold", s.Ticket.Until.Japanese()+"まで")
	d.text(left, 546, 34, 200, "start", "normal", "発券番号")
	d.text(left+190, 552, 66, column-190, "start", "bold", s.number())
	d.line(left, 590, left+column, 590, 3)
	for i, n := range notes {
		d.text(left, 642+44*i, 28, column, "start", "normal", "・"+n)
	}

	d.frame(1200, 440, 270, "発行認印")
	d.frame(1490, 440, 270, "利用店舗印")
	if !s.QR.IsZero() {
		if err := s.qr(&b, 1298, 45, 365); err != nil {
			return nil, err
		}
	}
	b.WriteString("</svg>\n")
	return b.Bytes(), nil
}

type drawing struct{ b *bytes.Buffer }

// text sets a line of text, smaller than size if it would not fit in room.
func (d drawing) text(x, y, size, room int, anchor, weight, text string) {
	if text == "" {
		return
	}
	fmt.Fprintf(d.b, `<text x="%d" y="%d" font-size="%d" text-anchor="%s" font-weight="%s">%s</text>`+"\n",
		x, y, fit(text, size, room), anchor, weight, html.EscapeString(text))
}

// fit returns the font size, at most size, at which the text fits into room. A
// column is half an em; the half-width characters of some fonts are wider.
func fit(text string, size, room int) int {
	if w := width(text); w*size*55/100 > room {
		return max(room*100/(w*55), 1)
	}
	return size
}

func (d drawing) line(x1, y1, x2, y2, w int) {
	fmt.Fprintf(d.b, `<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="#000" stroke-width="%d"/>`+"\n", x1, y1, x2, y2, w)
}

// frame draws a frame for a seal, its label above the room for the seal.
func (d drawing) frame(x, y, side int, label string) {
	const head = 54
	fmt.Fprintf(d.b, `<rect x="%d" y="%d" width="%d" height="%d" fill="none" stroke="#000" stroke-width="3"/>`+"\n", x, y, side, head+side)
	d.line(x, y+head, x+side, y+head, 3)
	d.text(x+side/2, y+39, 32, side-20, "middle", "normal", label)
}

// qr draws the QR code with its white margin of four modules into a square.
func (s Slip) qr(b *bytes.Buffer, x, y, side int) error {
	code, err := s.symbol()
	if err != nil {
		return err
	}
	const quiet = 4
	n := code.Bounds().Dx()
	fmt.Fprintf(b, `<svg x="%d" y="%d" width="%d" height="%d" viewBox="0 0 %d %d" shape-rendering="crispEdges"><rect width="100%%" height="100%%" fill="#fff"/><path d="`,
		x, y, side, side, n+2*quiet, n+2*quiet)
	for row := range n {
		for col := 0; col < n; {
			end := col
			for end < n && code.At(end, row) == color.Black {
				end++
			}
			if end > col {
				fmt.Fprintf(b, "M%d %dh%dv1h-%dz", col+quiet, row+quiet, end-col, end-col)
			}
			col = end + 1
		}
	}
	b.WriteString(`"/></svg>` + "\n")
	return nil
}

// pageHead begins the page. It may load nothing but its own style.
const pageHead = `<!DOCTYPE html>
<html lang="ja">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>ポイント券</title>
<style>
@page { size: A4 portrait; margin: 12mm 15mm; }
html, body { margin: 0; padding: 0; background: #fff; }
svg.slip { display: block; width: 180mm; height: 80mm; margin: 0 0 8mm; break-inside: avoid; }
@media screen { body { padding: 12mm 15mm; width: 180mm; } }
</style>
</head>
<body>
`

// WriteHTML writes a page of tickets, ready for printing three to a sheet of
// A4. It returns the errors of [Slip.SVG] and writes nothing if one of the
// tickets cannot be printed. Other errors are those of w.
func WriteHTML(w io.Writer, slips ...Slip) error {
	var page strings.Builder
	page.WriteString(pageHead)
	for _, s := range slips {
		svg, err := s.SVG()
		if err != nil {
			return err
		}
		page.WriteString(`<svg class="slip"`)
		page.Write(bytes.TrimPrefix(svg, []byte("<svg")))
	}
	page.WriteString("</body>\n</html>\n")
	_, err := io.WriteString(w, page.String())
	return err
}
