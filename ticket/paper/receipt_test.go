package paper_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/ticket"
	"github.com/mynakit/mynakit/ticket/paper"
)

func receiptOf(kind paper.ReceiptKind) paper.Receipt {
	left := int64(12_345)
	return paper.Receipt{Kind: kind, Points: 1500, At: time.Date(2026, 11, 21, 15, 4, 5, 0, time.UTC), PointName: "あおば市ポイント",
		Issuer: "あおば商店街振興組合", Terminal: "000002", Place: "あおば美術館", Reference: "0123456789abcdef", Balance: &left}
}

// On paper of each width a receipt has its title, its figures on the right, and
// never the name of an invoice.
func TestReceipts(t *testing.T) {
	for kind, title := range map[paper.ReceiptKind]string{
		paper.Use: "ポイントご利用控え", paper.Undo: "ポイントご利用取消控え", paper.Redemption: "ポイント券消込控え", paper.MallUse: "商店街ポイントご利用控え",
	} {
		r := receiptOf(kind)
		svg, err := r.SVG()
		require.NoError(t, err)
		drawn := texts(t, svg)
		for _, roll := range []paper.Roll{paper.Roll80mm, paper.Roll80mm512, paper.Roll58mm} {
			b, err := r.ESCPOS(roll)
			require.NoError(t, err)
			got := printed(t, b)
			all := strings.Join(got.lines, "\n")
			assert.Equal(t, title, got.lines[0])
			for _, want := range []string{title, "あおば商店街振興組合", "2026/11/22 00:04:05", "あおば美術館", "000002", "0123456789abcdef", "あおば市ポイント", "1,500", "12,345"} {
				assert.Contains(t, all, want)
				assert.Contains(t, drawn, want)
			}
			assert.True(t, got.cut)
			assert.Equal(t, int(roll), got.columns, "a rule fills the paper and nothing runs over")
			for _, l := range got.lines {
				if strings.HasPrefix(l, "ポイント残高") {
					assert.Equal(t, int(roll), columns(l), "figures stand on the right")
					assert.True(t, strings.HasSuffix(l, " 12,345"))
				}
			}
			for _, never := range []string{"領収", "請求", "再印刷", "練習", "失効", "発券番号"} {
				assert.NotContains(t, all, never)
				assert.NotContains(t, drawn, never)
			}
		}
	}
}

// columns is the width of a line in half-width columns.
func columns(line string) (n int) {
	for _, r := range line {
		n++
		if r > 0x7f {
			n++
		}
	}
	return n
}

func TestReceiptOfRedemption(t *testing.T) {
	tk := slip(t, "9876-5432").Ticket
	tk.State, tk.EndedAt, tk.EndedBy, tk.EndedAtPlace = ticket.Redeemed, time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC), "000002", "あおば美術館"
	r := paper.Redeemed(ticket.Receipt{Ticket: tk, Repeated: true})
	r.Training = true
	b, err := r.ESCPOS(paper.Roll58mm)
	require.NoError(t, err)
	all := strings.Join(printed(t, b).lines, "\n")
	for _, want := range []string{"ポイント券消込控え", "再印刷", "【練習】", "****-**32", "1,500", "2026/11/21 12:00:00", "あおば美術館"} {
		assert.Contains(t, all, want)
	}
	assert.NotContains(t, all, "9876")
	assert.NotContains(t, all, "残高")
}

// What is too long for the paper is broken, not lost; what came back and lapsed
// is on it.
func TestReceiptBreaksLines(t *testing.T) {
	r := receiptOf(paper.Undo)
	r.Lapsed = 200
	r.Place = strings.Repeat("長い名前の", 12)
	b, err := r.ESCPOS(paper.Roll58mm)
	require.NoError(t, err)
	got := printed(t, b)
	assert.Equal(t, 32, got.columns)
	all := strings.ReplaceAll(strings.Join(got.lines, ""), " ", "")
	assert.Contains(t, all, r.Place)
	assert.Contains(t, all, "うち失効200")
}

func TestReceiptRefuses(t *testing.T) {
	less := int64(-1)
	for name, tc := range map[string]struct {
		spoil func(*paper.Receipt)
		want  error
	}{
		"no kind":          {func(r *paper.Receipt) { r.Kind = 0 }, paper.ErrReceipt},
		"another kind":     {func(r *paper.Receipt) { r.Kind = 5 }, paper.ErrReceipt},
		"no points":        {func(r *paper.Receipt) { r.Points = 0 }, paper.ErrReceipt},
		"no time":          {func(r *paper.Receipt) { r.At = time.Time{} }, paper.ErrReceipt},
		"less than none":   {func(r *paper.Receipt) { r.Balance = &less }, paper.ErrReceipt},
		"lapsed":           {func(r *paper.Receipt) { r.Lapsed = -1 }, paper.ErrReceipt},
		"steers a printer": {func(r *paper.Receipt) { r.Place = "\x1b@" }, paper.ErrCharacter},
		"too long":         {func(r *paper.Receipt) { r.Reference = strings.Repeat("1", 61) }, paper.ErrTooLong},
	} {
		r := receiptOf(paper.Use)
		tc.spoil(&r)
		_, err := r.SVG()
		assert.ErrorIs(t, err, tc.want, name)
		_, err = r.ESCPOS(paper.Roll80mm)
		assert.ErrorIs(t, err, tc.want, name)
	}
	r := receiptOf(paper.Use)
	r.Place = "Café"
	_, err := r.ESCPOS(paper.Roll80mm)
	assert.ErrorIs(t, err, paper.ErrCharacter, "é is not in Shift_JIS")
	svg, err := r.SVG()
	require.NoError(t, err)
	assert.Contains(t, texts(t, svg), "Café")
}
