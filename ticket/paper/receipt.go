package paper

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/mynakit/mynakit/ticket"
)

// A ReceiptKind is what a [Receipt] is about.
type ReceiptKind uint8

// The kinds of receipts.
const (
	Use        ReceiptKind = 1 + iota // points were used at a till (ポイント利用)
	Undo                              // a use was taken back
	Redemption                        // a ticket was redeemed (ポイント券消込)
	MallUse                           // points of the mall were used (商店街ポイント)
)

// title returns what stands at the top, and figure what stands before the
// points.
func (k ReceiptKind) title() (title, figure string) {
	switch k {
	case Use:
		return "ポイントご利用控え", "利用ポイント"
	case Undo:
		return "ポイントご利用取消控え", "取消ポイント"
	case Redemption:
		return "ポイント券消込控え", "消込ポイント"
	case MallUse:
		return "商店街ポイントご利用控え", "利用ポイント"
	}
	return "", ""
}

// A Receipt is a record on paper of what happened to points (控え). It is for
// the till and for the holder, and no invoice. Kind, Points and At are
// required.
type Receipt struct {
	Kind      ReceiptKind
	Points    int64
	At        time.Time     // printed in Japan Standard Time
	PointName string        // ポイント名; may be empty
	Issuer    string        // who runs the points or the shop; may be empty
	Terminal  string        // 端末ID; may be empty
	Place     string        // 端末設置場所; may be empty
	Reference string        // identifies the operation; may be empty
	Ticket    ticket.Number // of a redemption; its last two digits are printed
	Balance   *int64        // points left; nil prints none
	Lapsed    int64         // of an undo: points that lapsed as they came back
	Repeated  bool          // the receipt was printed before
	Training  bool          // nothing happened: a clerk practised
}

// Redeemed returns the receipt of a redemption.
func Redeemed(r ticket.Receipt) Receipt {
	t := r.Ticket
	return Receipt{Kind: Redemption, Points: t.Points, At: t.EndedAt, Terminal: t.EndedBy, Place: t.EndedAtPlace, Ticket: t.Number, Repeated: r.Repeated}
}

// ErrReceipt is returned if a receipt lacks its kind, points or time.
var ErrReceipt = errors.New("paper: not a receipt")

func (r Receipt) check() error {
	if title, _ := r.Kind.title(); title == "" || r.Points < 1 || r.At.IsZero() || r.Lapsed < 0 || r.Balance != nil && *r.Balance < 0 {
		return ErrReceipt
	}
	return checkTexts([]named{{"PointName", r.PointName}, {"Issuer", r.Issuer}, {"Terminal", r.Terminal}, {"Place", r.Place}, {"Reference", r.Reference}})
}

// marks returns what distinguishes the paper from another.
func (r Receipt) marks() (out []string) {
	if r.Training {
		out = append(out, "【練習】この控えは無効です")
	}
	if r.Repeated {
		out = append(out, "再印刷")
	}
	return out
}

// A row is a line of a receipt. Its field is of the receipt, for errors.
type row struct{ field, label, text string }

func (r Receipt) rows() (out []row) {
	add := func(field, label, text string) {
		if text != "" {
			out = append(out, row{field, label, text})
		}
	}
	japan := time.FixedZone("JST", 9*60*60)
	add("", "日時", r.At.In(japan).Format("2006/01/02 15:04:05"))
	add("Place", "端末設置場所", r.Place)
	add("Terminal", "端末ID", r.Terminal)
	add("", "発券番号", r.Ticket.String())
	add("Reference", "受付番号", r.Reference)
	add("PointName", "ポイント名", r.PointName)
	_, figure := r.Kind.title()
	add("", figure, thousands(r.Points))
	if r.Lapsed > 0 {
		add("", "うち失効", thousands(r.Lapsed))
	}
	if r.Balance != nil {
		add("", "ポイント残高", thousands(*r.Balance))
	}
	return out
}

// ESCPOS returns the bytes that make a receipt printer print the receipt and
// cut the paper; see [Slip.ESCPOS] for the roll. It returns [ErrReceipt] or a
// [*TextError] for a receipt that cannot be printed.
func (r Receipt) ESCPOS(roll Roll) ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	p := newPrinter(roll)
	title, _ := r.Kind.title()
	p.raw(escCentre, escBold)
	p.text("", 1, title)
	p.raw(escLight)
	p.text("Issuer", 1, r.Issuer)
	for _, mark := range r.marks() {
		p.text("", 1, mark)
	}
	p.raw(escLeft)
	p.rule()
	for _, l := range r.rows() {
		p.pair(l.field, l.label, l.text)
	}
	p.rule()
	p.raw("\n", gsCut)
	if p.err != nil {
		return nil, p.err
	}
	return p.b.Bytes(), nil
}

// SVG returns a drawing of the receipt, 72 mm wide. It returns [ErrReceipt] or
// a [*TextError] for a receipt that cannot be printed.
func (r Receipt) SVG() ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	const w, margin, step = 720, 20, 50
	var body bytes.Buffer
	d := drawing{&body}
	y := 70
	title, _ := r.Kind.title()
	d.text(w/2, y, 44, w-2*margin, "middle", "bold", title)
	for _, text := range append([]string{r.Issuer}, r.marks()...) {
		if text != "" {
			y += step
			d.text(w/2, y, 30, w-2*margin, "middle", "normal", text)
		}
	}
	y += step / 2
	d.line(margin, y, w-margin, y, 2)
	for _, l := range r.rows() {
		y += step
		label := width(l.label)*15 + 20
		d.text(margin, y, 30, label, "start", "normal", l.label)
		d.text(w-margin, y, 30, w-2*margin-label, "end", "bold", l.text)
	}
	y += step / 2
	d.line(margin, y, w-margin, y, 2)
	y += margin
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="72mm" height="%d.%dmm" viewBox="0 0 %d %d" role="img" font-family="%s" fill="#000">`+"\n",
		y/10, y%10, w, y, fonts)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", w, y)
	_, _ = body.WriteTo(&b)
	b.WriteString("</svg>\n")
	return b.Bytes(), nil
}
