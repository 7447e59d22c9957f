package ticket_test

import (
	"bytes"
	"database/sql"
	"database/sql/driver"
	"encoding"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/mynakit/mynakit/internal/secret/secrettest"
	"github.com/mynakit/mynakit/ticket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	_ encoding.TextMarshaler   = ticket.Number{}
	_ encoding.TextUnmarshaler = (*ticket.Number)(nil)
	_ driver.Valuer            = ticket.Number{}
	_ sql.Scanner              = (*ticket.Number)(nil)
)

func TestParseNumber(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"the manual's", "9876-5432", "98765432"},
		{"no hyphen", "98765432", "98765432"},
		{"leading zeros", "0000-0001", "00000001"},
		{"all zeros", "00000000", "00000000"},
		{"all nines", "9999-9999", "99999999"},
		{"full-width digits", "９８７６５４３２", "98765432"},
		{"full width with its hyphen", "９８７６－５４３２", "98765432"},
		{"mixed widths", "９8７6-５4３2", "98765432"},
		{"long-vowel mark", "9876ー5432", "98765432"},
		{"half-width long-vowel mark", "9876ｰ5432", "98765432"},
		{"minus", "9876−5432", "98765432"},
		{"hyphen U+2010", "9876‐5432", "98765432"},
		{"no-break hyphen", "9876\u20115432", "98765432"},
		{"figure dash", "9876\u20125432", "98765432"},
		{"en dash", "9876–5432", "98765432"},
		{"em dash", "9876—5432", "98765432"},
		{"bar", "9876―5432", "98765432"},
		{"ruled line", "9876─5432", "98765432"},
		{"small hyphen", "9876﹣5432", "98765432"},
		{"wave dash", "9876〜5432", "98765432"},
		{"full-width tilde", "9876～5432", "98765432"},
		{"middle dot", "9876・5432", "98765432"},
		{"half-width middle dot", "9876･5432", "98765432"},
		{"full stop", "9876.5432", "98765432"},
		{"full-width full stop", "９８７６．５４３２", "98765432"},
		{"ideographic full stop", "9876。5432", "98765432"},
		{"byte-order mark", "\ufeff9876-5432", "98765432"},
		{"zero-width space", "9876\u200b-\u200b5432", "98765432"},
		{"marks of direction", "\u200e9876\u20115432\u202c", "98765432"},
		{"soft hyphen", "9876\u00ad5432", "98765432"},
		{"spaces around", "  9876-5432\t", "98765432"},
		{"the reader's Enter", "98765432\r\n", "98765432"},
		{"space between", "9876 5432", "98765432"},
		{"full-width space between", "9876　5432", "98765432"},
		{"hyphen with spaces", "9876 - 5432", "98765432"},
		{"empty", "", ""},
		{"blank", "   ", ""},
		{"seven", "9876-543", ""},
		{"nine", "9876-54321", ""},
		{"full stop behind", "98765432.", ""},
		{"full stop elsewhere", "987.65432", ""},
		{"two middle dots", "9876・・5432", ""},
		{"hyphen elsewhere", "987-65432", ""},
		{"two hyphens", "9876--5432", ""},
		{"hyphen in front", "-98765432", ""},
		{"hyphen behind", "98765432-", ""},
		{"space elsewhere", "98 765432", ""},
		{"letter", "9876-543O", ""},
		{"sign", "+9876-5432", ""},
		{"other script's digits", "٩٨٧٦٥٤٣٢", ""},
		{"circled digits", "⑨⑧⑦⑥⑤④③②", ""},
		{"broken UTF-8", "9876-543\xff", ""},
		{"NUL", "9876-543\x00", ""},
		{"endless", strings.Repeat(" ", 1<<20) + "98765432", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n, err := ticket.ParseNumber(tc.in)
			if tc.want == "" {
				require.ErrorIs(t, err, ticket.ErrNumber)
				assert.True(t, n.IsZero())
				if d := strings.TrimSpace(tc.in); d != "" {
					assert.NotContains(t, err.Error(), d)
				}
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tc.want, n.Digits())
			assert.Equal(t, tc.want[:4]+"-"+tc.want[4:], n.Display())
		})
	}
}

func TestCheckDigit(t *testing.T) {
	// Damm's own example: 572 has the check digit 4, and zeros in front
	// change nothing.
	assert.Equal(t, 4, number(t, "0000-0572").CheckDigit())
	assert.Equal(t, "0000-0572-4", number(t, "0000-0572").DisplayChecked())
	for range 300 {
		n := ticket.NewNumber()
		back, err := ticket.ParseCheckedNumber(n.DisplayChecked())
		require.NoError(t, err)
		require.Equal(t, n, back)
		good := []byte(n.Digits() + string('0'+rune(n.CheckDigit())))
		for i := range good {
			for d := byte('0'); d <= '9'; d++ {
				bad := bytes.Clone(good)
				bad[i] = d
				if bytes.Equal(bad, good) {
					continue
				}
				_, err := ticket.ParseCheckedNumber(string(bad))
				require.ErrorIs(t, err, ticket.ErrCheckDigit)
			}
			if i > 0 && good[i] != good[i-1] {
				bad := bytes.Clone(good)
				bad[i], bad[i-1] = bad[i-1], bad[i]
				_, err := ticket.ParseCheckedNumber(string(bad))
				require.ErrorIs(t, err, ticket.ErrCheckDigit)
			}
		}
	}
	for _, in := range []string{"９８７６－５４３２－" + string('０'+rune(number(t, "98765432").CheckDigit()))} {
		n, err := ticket.ParseCheckedNumber(in)
		require.NoError(t, err)
		assert.Equal(t, "98765432", n.Digits())
	}
	for _, in := range []string{"98765432", "9876-5432", "9876-5432-", "9876-54321-0", "9876-5-4321"} {
		_, err := ticket.ParseCheckedNumber(in)
		assert.ErrorIs(t, err, ticket.ErrNumber, in)
	}
}

// A number that slips into a log shows its last two digits at most.
func TestNumberHides(t *testing.T) {
	n := number(t, "9876-5432")
	tk := ticket.Ticket{Scope: "A", Number: n, Replaces: n, Points: 5}
	p := ticket.Presentation{Terminal: shop, Code: ticket.NewCode("9876-5432")}
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "%T|%v", "%08d", "%c", "%U", "%b"} {
		for _, v := range []any{n, &n, tk, &tk, []ticket.Ticket{tk}, map[string]any{"n": n}, p, p.Code, &p, []ticket.Code{p.Code}} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		l := slog.New(h)
		l.Info("x", "n", n, "t", tk, "pt", &tk, "c", p.Code, "p", p)
		l.Info("x", slog.Group("g", "n", n, "t", tk))
	}
	js, err := json.Marshal(p)
	require.NoError(t, err)
	out.Write(js)
	for _, secret := range []string{"987654", "9876-54", "765432", "98765433", "5e30a79"} { // the digits, the stored value, its hex
		assert.NotContains(t, strings.ToLower(out.String()), secret)
	}
	assert.Contains(t, out.String(), "****-**32")

	key := key(t, "K1")
	audit, err := ticket.NewAuditKey([]byte("sixteen bytes of audit"))
	require.NoError(t, err)
	cfg := ticket.Config{Keys: ticket.Keys{key}, AuditKey: audit}
	book := fast(t).open(t, cfg)
	for name, v := range map[string]any{
		"number": n, "ticket": tk, "receipt": ticket.Receipt{Ticket: tk}, "batch": ticket.Batch{Tickets: []ticket.Ticket{tk}},
		"detail": tk.Detail(), "presentation": p, "code": p.Code, "map": map[ticket.Number]int{n: 1},
		"key": key, "keys": ticket.Keys{key}, "audit key": audit, "config": cfg, "book": book,
	} {
		assert.Empty(t, secrettest.Told(v, "98765432", "9876-5432", "a secret of the tests, K1", "sixteen bytes of audit"), name)
	}
	assert.Equal(t, "", ticket.Number{}.String())
}

func TestNumberText(t *testing.T) {
	n := number(t, "0012-3456")
	js, err := json.Marshal(map[ticket.Number]ticket.Number{n: n})
	require.NoError(t, err)
	assert.JSONEq(t, `{"****-**56":"****-**56"}`, string(js), "JSON is for logs too")
	var back map[ticket.Number]ticket.Number
	require.ErrorIs(t, json.Unmarshal(js, &back), ticket.ErrNumber, "and what was hidden is not read back")
	require.NoError(t, json.Unmarshal([]byte(`{"00123456":"00123456"}`), &back))
	assert.Equal(t, map[ticket.Number]ticket.Number{n: n}, back)
	got := n
	for _, bad := range []string{`"0012-3456"`, `"1234567"`, `""`, `12345678`, `"1234567x"`} {
		assert.Error(t, json.Unmarshal([]byte(bad), &got), bad)
		assert.Equal(t, n, got)
	}
	js, err = json.Marshal(ticket.Number{})
	require.NoError(t, err)
	assert.Equal(t, `""`, string(js))

	v, err := n.Value()
	require.NoError(t, err)
	assert.Equal(t, "00123456", v)
	for _, src := range []any{"00123456", []byte("00123456")} {
		var got ticket.Number
		require.NoError(t, got.Scan(src))
		assert.Equal(t, n, got)
	}
	v, err = ticket.Number{}.Value()
	require.NoError(t, err)
	assert.Nil(t, v)
	got = n
	require.NoError(t, got.Scan(nil))
	assert.True(t, got.IsZero())
	got = n
	for _, bad := range []any{int64(123456), "0012-3456", 1.5} {
		assert.ErrorIs(t, got.Scan(bad), ticket.ErrNumber)
		assert.Equal(t, n, got)
	}
	assert.NotEqual(t, ticket.Number{}, number(t, "00000000"), "0000-0000 is a number")
	assert.Equal(t, -1, ticket.Number{}.Compare(number(t, "00000000")))
	assert.Equal(t, "", ticket.Number{}.Display()+ticket.Number{}.DisplayChecked()+ticket.Number{}.Digits())
}

// Every digit of every place comes up as often as the others: chi-square with
// nine degrees of freedom stays under 40 but for a chance of 1 in 130,000.
func TestNumbersAreEven(t *testing.T) {
	const draws = 200_000
	var count [8][10]int
	for range draws {
		for i, c := range ticket.NewNumber().Digits() {
			count[i][c-'0']++
		}
	}
	for place := range count {
		chi := 0.0
		for _, n := range count[place] {
			d := float64(n) - draws/10
			chi += d * d / (draws / 10)
		}
		assert.Less(t, chi, 45.0, "place %d: %v", place, count[place])
	}
}

func FuzzParseNumber(f *testing.F) {
	for _, s := range []string{"9876-5432", "９８７６－５４３２", "98765432\r\n", " 9876 ー 5432 ", "", "9876-543", "9876-5432-1", "\xff\xfe", strings.Repeat("9", 200)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		in = in[:len(in):len(in)]
		var n, c ticket.Number
		var err, cerr error
		allocates(t, 4*len(in)+64<<10, func() {
			n, err = ticket.ParseNumber(string(in))
			c, cerr = ticket.ParseCheckedNumber(string(in))
		})
		if err != nil && !n.IsZero() || cerr != nil && !c.IsZero() {
			t.Fatalf("%q: an error and a number", in)
		}
		if err == nil {
			if cerr == nil {
				t.Fatalf("%q is both a checked and an unchecked number", in)
			}
			if back, err := ticket.ParseNumber(n.Display()); err != nil || back != n {
				t.Fatalf("%q: %q does not read back", in, n.Display())
			}
		}
		if cerr == nil {
			if back, err := ticket.ParseCheckedNumber(c.DisplayChecked()); err != nil || back != c {
				t.Fatalf("%q: %q does not read back", in, c.DisplayChecked())
			}
		}
	})
}

func BenchmarkNewNumber(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		sink = ticket.NewNumber()
	}
}

func BenchmarkParseNumber(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		sink, _ = ticket.ParseNumber("９８７６－５４３２")
	}
}

var sink ticket.Number

func TestNumberAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("skipped: the race detector allocates")
	}
	assert.Zero(t, testing.AllocsPerRun(100, func() { sink = ticket.NewNumber() }))
	assert.Zero(t, testing.AllocsPerRun(100, func() { sink, _ = ticket.ParseNumber("9876-5432") }))
}
