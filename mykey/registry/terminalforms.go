package registry

import (
	"cmp"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/mynakit/mynakit/internal/table"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/terminal"
)

// A TerminalCount is a line of form I (マイキープラットフォーム等活用端末一覧, 様式I): how many
// terminals of one kind stand at a place (システム設計書 I.3②).
type TerminalCount struct {
	Kind     terminal.Kind // one of the four
	Place    string        // 端末設置場所
	Operator string        // ID付与事業者名, of kind (ア) alone
	Mobile   bool          // of kind (エ): mobile devices
	Count    int
}

// CountTerminals counts terminals for form I by kind, place and operator, in this
// order. Each counts as [terminal.Kind.Counted] says: one that is both (ア) and
// (イ) counts as (ア). operators has the operators' names.
//
// CountTerminals returns a [*mykey.FormError] for a malformed terminal, and for one
// of kind (ア) without operator, and [mykey.ErrUnknownOperator], wrapped.
func CountTerminals(terminals []Terminal, operators mykey.OperatorTable) ([]TerminalCount, error) {
	n := map[TerminalCount]int{}
	for _, t := range terminals {
		if err := t.check(); err != nil {
			return nil, err
		}
		for k := terminal.Service; k <= terminal.Grant; k <<= 1 {
			if t.Kind.Counted()&k == 0 {
				continue
			}
			line := TerminalCount{Kind: k, Place: t.Place, Mobile: t.Mobile && k == terminal.Grant}
			if k == terminal.Service {
				if t.Operator.IsZero() {
					return nil, missing(fieldOperator)
				}
				var err error
				if line.Operator, err = operators.Name(t.Operator); err != nil {
					return nil, err
				}
			}
			n[line]++
		}
	}
	out := make([]TerminalCount, 0, len(n))
	for line, count := range n {
		line.Count = count
		out = append(out, line)
	}
	slices.SortFunc(out, func(a, b TerminalCount) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(bit(a.Mobile), bit(b.Mobile)), strings.Compare(a.Place, b.Place), strings.Compare(a.Operator, b.Operator))
	})
	return out, nil
}

// WriteFormI writes form I as CSV: a header and a line for each count, in UTF-8
// with a byte order mark and CRLF line ends, as Excel opens it. It returns the
// error of w.
func WriteFormI(w io.Writer, counts []TerminalCount) error {
	lines := [][]string{{"区分", "端末の設置場所", "ID付与事業者名", "端末台数"}}
	for _, c := range counts {
		lines = append(lines, []string{kindText(c.Kind, c.Mobile), c.Place, c.Operator, strconv.Itoa(c.Count)})
	}
	return writeForm(w, lines)
}

// WriteFormII writes form II (端末ID・端末パスワード一覧, 様式II) as CSV, in the form of
// [WriteFormI]. It has the passwords in the clear: the file goes to the
// municipality's staff and nowhere else. operators has the operators' names, and
// may be nil if no terminal has one.
//
// WriteFormII returns [mykey.ErrUnknownOperator], wrapped, before it writes, or the
// error of w.
func WriteFormII(w io.Writer, issued []IssuedTerminal, operators mykey.OperatorTable) error {
	lines := [][]string{{"全国地方公共団体コード", "端末ID", "端末パスワード", "区分", "端末の設置場所", "ID付与事業者名"}}
	for _, t := range issued {
		operator := ""
		if !t.Operator.IsZero() {
			var err error
			if operator, err = operators.Name(t.Operator); err != nil {
				return err
			}
		}
		lines = append(lines, []string{t.Municipality.String(), t.ID, t.Password.Reveal(), kindText(t.Kind, t.Mobile), t.Place, operator})
	}
	return writeForm(w, lines)
}

func kindText(k terminal.Kind, mobile bool) string {
	switch {
	case mobile:
		return k.String() + "（モバイル端末）"
	case k&terminal.Grant != 0:
		return k.String() + "（業務用端末）"
	}
	return k.String()
}

func writeForm(w io.Writer, lines [][]string) error {
	out := table.NewWriter(w, table.UTF8BOM)
	for _, line := range lines {
		for i, s := range line {
			line[i] = table.Plain(s) // a name; a place that looks like a formula is refused
		}
		if err := out.Write(line...); err != nil {
			return err
		}
	}
	return out.Close()
}
