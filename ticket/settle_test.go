package ticket_test

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mynakit/mynakit/ticket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/japanese"
)

func period(t testing.TB, from, to string) ticket.Period {
	return ticket.Period{From: day(t, from), To: day(t, to)}
}

func listed(ds ...ticket.Detail) iter.Seq2[ticket.Detail, error] {
	return func(yield func(ticket.Detail, error) bool) {
		for _, d := range ds {
			if !yield(d, nil) {
				return
			}
		}
	}
}

func TestSettle(t *testing.T) {
	eachStore(t, func(t *testing.T, s tables) {
		ctx := t.Context()
		d := newDesk(t, s, ticket.Config{Policy: ticket.Policy{GraceDays: 3}})
		redeem := func(when string, at_ ticket.Terminal, points int64) ticket.Ticket {
			d.clock.set(at(t, "2026-10-20 12:00:00"))
			tk := d.issue(t, points) // good to 19 November
			d.clock.set(at(t, when))
			r, err := d.Redeem(ctx, ticket.Presentation{Terminal: at_, Code: code(tk.Number)})
			require.NoError(t, err)
			return r.Ticket
		}
		redeem("2026-10-31 23:59:59", shop, 1)
		var november []ticket.Ticket
		november = append(november, redeem("2026-11-01 00:00:00", shop, 10),
			redeem("2026-11-02 09:00:00", shop2, 100), redeem("2026-11-19 23:59:59", shop, 1000))
		d.clock.set(at(t, "2026-11-10 12:00:00"))
		for _, until := range []string{"2026-11-27", "2026-11-28", "2026-11-26"} { // with grace: 30 Nov, 1 Dec, 29 Nov
			_, err := d.Issue(ctx, shop, ticket.Order{Points: 10_000, Until: day(t, until)})
			require.NoError(t, err)
		}
		cancelled := d.issue(t, 5)
		_, err := d.Cancel(ctx, shop, cancelled.Number, "")
		require.NoError(t, err)
		d.clock.set(at(t, "2026-11-30 10:00:00"))
		nov := period(t, "2026-11-01", "2026-11-30")
		got, err := d.Settle(ctx, shop.Scope, nov)
		require.NoError(t, err)
		want := ticket.Settlement{
			Scope: shop.Scope, Period: nov,
			Lines: []ticket.Line{
				{Terminal: "000001", Total: ticket.Total{Tickets: 2, Points: 1010}},
				{Terminal: "000002", Total: ticket.Total{Tickets: 1, Points: 100}},
			},
			Redeemed: ticket.Total{Tickets: 3, Points: 1110},
			Lapsed:   ticket.Total{Tickets: 1, Points: 10_000}, // the one of the 26th and its grace
		}
		assert.Empty(t, cmp.Diff(want, got))

		// A minute after the month has ended its figures stay.
		d.clock.set(at(t, "2026-12-01 00:00:59"))
		got, err = d.Settle(ctx, shop.Scope, nov)
		require.NoError(t, err)
		assert.False(t, got.Final)
		d.clock.set(at(t, "2026-12-01 00:01:00"))
		want.Final = true
		want.Lapsed = ticket.Total{Tickets: 2, Points: 20_000}
		got, err = d.Settle(ctx, shop.Scope, nov)
		require.NoError(t, err)
		assert.Empty(t, cmp.Diff(want, got))

		// The shops add up their own receipts and the file they were sent.
		var own []ticket.Detail
		for _, tk := range november {
			own = append(own, tk.Detail())
		}
		theirs, err := ticket.Tally(shop.Scope, nov, listed(own...))
		require.NoError(t, err)
		assert.Empty(t, got.Compare(theirs))
		for _, enc := range []ticket.Encoding{ticket.UTF8BOM, ticket.ShiftJIS} {
			var file bytes.Buffer
			c := ticket.CSV{Encoding: enc}
			require.NoError(t, c.WriteDetails(&file, d.Details(ctx, shop.Scope, nov)))
			theirs, err = ticket.Tally(shop.Scope, nov, c.ReadDetails(&file))
			require.NoError(t, err)
			assert.Empty(t, got.Compare(theirs))
			assert.Equal(t, got.Redeemed, theirs.Redeemed)
		}
		short, err := ticket.Tally(shop.Scope, nov, listed(own[1:]...))
		require.NoError(t, err)
		assert.Equal(t, []ticket.Difference{{Terminal: "000001", Ours: ticket.Total{Tickets: 2, Points: 1010}, Other: ticket.Total{Tickets: 1, Points: 1000}}},
			got.Compare(short))

		other, err := d.Settle(ctx, far.Scope, nov)
		require.NoError(t, err)
		assert.Zero(t, other.Redeemed)
		assert.Zero(t, other.Lapsed)
		_, err = d.Settle(ctx, shop.Scope, ticket.Period{From: nov.To, To: nov.From})
		assert.ErrorIs(t, err, ticket.ErrPeriod)
		_, err = d.Settle(ctx, "x", nov)
		assert.ErrorIs(t, err, ticket.ErrScope)
	})
}

func TestTallyRefuses(t *testing.T) {
	nov := period(t, "2026-11-01", "2026-11-30")
	good := ticket.Detail{RedeemedAt: at(t, "2026-11-30 23:59:59"), Terminal: "1", Number: number(t, "00000000"), Points: 1, Until: nov.To}
	boom := errors.New("boom")
	for name, tc := range map[string]struct {
		change func(*ticket.Detail)
		want   error
	}{
		"nothing wrong":   {func(d *ticket.Detail) { d.Number = number(t, "99999999") }, nil},
		"twice":           {func(d *ticket.Detail) { d.Terminal = "2" }, ticket.ErrTwice},
		"the next month":  {func(d *ticket.Detail) { d.RedeemedAt = nov.To.End() }, ticket.ErrPeriod},
		"the month past":  {func(d *ticket.Detail) { d.RedeemedAt = nov.From.Start().Add(-1) }, ticket.ErrPeriod},
		"no points":       {func(d *ticket.Detail) { d.Points = 0 }, ticket.ErrPoints},
		"negative points": {func(d *ticket.Detail) { d.Points = -1 }, ticket.ErrPoints},
		"too many points": {func(d *ticket.Detail) { d.Points = 1 << 62 }, ticket.ErrPoints},
		"no terminal":     {func(d *ticket.Detail) { d.Terminal = "" }, ticket.ErrTerminal},
		"no number":       {func(d *ticket.Detail) { d.Number = ticket.Number{} }, ticket.ErrNumber},
	} {
		d := good
		tc.change(&d)
		_, err := ticket.Tally("A", nov, listed(good, d))
		assert.ErrorIs(t, err, tc.want, name)
	}
	_, err := ticket.Tally("A", nov, func(yield func(ticket.Detail, error) bool) { yield(ticket.Detail{}, boom) })
	assert.ErrorIs(t, err, boom)

	// The set of numbers against a map.
	seen := map[ticket.Number]bool{}
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		d := good
		d.Number = number(t, string([]byte{'0', '0', '0', '0', '0', '0' + byte(r.IntN(10)), '0' + byte(r.IntN(10)), '0' + byte(r.IntN(10))}))
		e := good
		e.Number = number(t, "12345678")
		if !seen[d.Number] {
			seen[d.Number] = true
		}
	}
	var ds []ticket.Detail
	for n := range seen {
		d := good
		d.Number = n
		ds = append(ds, d)
	}
	s, err := ticket.Tally("A", nov, listed(ds...))
	require.NoError(t, err)
	assert.Equal(t, int64(len(seen)), s.Redeemed.Tickets)
	for n := range seen {
		d := good
		d.Number = n
		_, err := ticket.Tally("A", nov, listed(append(slices.Clone(ds), d)...))
		require.ErrorIs(t, err, ticket.ErrTwice)
		break
	}
}

var places = map[string]string{"000001": "美術館〜受付", "000002": "=HYPERLINK(\"x\")", "000003": "商店街, \"髙島\"\r\n本店"}

func TestCSV(t *testing.T) {
	s := ticket.Settlement{
		Lines:    []ticket.Line{{Terminal: "000001", Total: ticket.Total{Tickets: 2, Points: 1010}}, {Terminal: "000002", Total: ticket.Total{Tickets: 1, Points: 100}}},
		Redeemed: ticket.Total{Tickets: 3, Points: 1110}, Lapsed: ticket.Total{Tickets: 1, Points: 500},
	}
	place := func(id string) string { return places[id] }
	var utf, sjis bytes.Buffer
	require.NoError(t, ticket.CSV{Place: place}.WriteSettlement(&utf, s))
	assert.Equal(t, "\ufeff端末ID,端末設置場所,取引回数合計,利用ポイント数合計\r\n"+
		"000001,美術館〜受付,2,1010\r\n"+
		"000002,\"'=HYPERLINK(\"\"x\"\")\",1,100\r\n"+
		"合計,,3,1110\r\n失効,,1,500\r\n", utf.String())
	require.NoError(t, ticket.CSV{Encoding: ticket.ShiftJIS, Place: place}.WriteSettlement(&sjis, s))
	back, err := japanese.ShiftJIS.NewDecoder().String(sjis.String())
	require.NoError(t, err)
	assert.Equal(t, strings.ReplaceAll(strings.TrimPrefix(utf.String(), "\ufeff"), "〜", "～"), back)

	details := listed(
		ticket.Detail{RedeemedAt: at(t, "2026-11-30 23:59:59").UTC(), Terminal: "000003", Number: number(t, "00123456"), Points: 500, Until: day(t, "2026-11-30")},
		ticket.Detail{RedeemedAt: at(t, "2026-12-02 00:00:00"), Terminal: "000001", Number: number(t, "98765432"), Points: 1, Until: day(t, "2026-12-01"), Accepted: day(t, "2026-11-30"), Account: "aoba"})
	for _, c := range []ticket.CSV{{Place: place}, {Encoding: ticket.ShiftJIS, Place: place}} {
		var file bytes.Buffer
		require.NoError(t, c.WriteDetails(&file, details))
		for name, r := range map[string]func(io.Reader) io.Reader{
			"whole": func(r io.Reader) io.Reader { return r }, "one byte": iotest.OneByteReader, "data and EOF": iotest.DataErrReader,
		} {
			got := full(t, c.ReadDetails(r(bytes.NewReader(file.Bytes()))))
			want := full(t, details)
			require.Len(t, got, 2, name)
			for i := range got {
				assert.True(t, got[i].RedeemedAt.Equal(want[i].RedeemedAt))
				got[i].RedeemedAt, want[i].RedeemedAt = want[0].RedeemedAt, want[0].RedeemedAt
			}
			assert.Equal(t, want, got)
		}
	}

	// A character that Excel's code page lacks is named by its place.
	places["000004"] = "𠮷野家"
	for _, c := range []ticket.CSV{{Encoding: ticket.ShiftJIS, Place: place}, {Place: func(string) string { return "\xff" }}} {
		err := c.WriteSettlement(io.Discard, ticket.Settlement{Lines: []ticket.Line{{Terminal: "000004"}}})
		var ce *ticket.CSVError
		require.ErrorAs(t, err, &ce)
		assert.ErrorIs(t, err, ticket.ErrUnmappable)
		assert.Equal(t, []int{2, 2}, []int{ce.Line, ce.Column})
	}
	assert.Error(t, ticket.CSV{Encoding: 9}.WriteSettlement(io.Discard, s))
	full := iotest.ErrReader(errors.New("disk"))
	for _, err := range (ticket.CSV{Encoding: ticket.ShiftJIS}).ReadDetails(full) {
		assert.ErrorContains(t, err, "disk")
	}
	for _, err := range (ticket.CSV{Encoding: 9}).ReadDetails(full) {
		assert.Error(t, err)
	}
}

const goodRow = "2026/11/30 23:59:59,000003,,0012-3456,500,2026/11/30,\r\n"

func TestReadDetailsRefuses(t *testing.T) {
	const head = "\ufeff消込日時,端末ID,端末設置場所,発券番号,利用ポイント数,有効期限,受取日\r\n"
	for _, tc := range []struct {
		name, in     string
		line, column int
		want         error
	}{
		{"empty", "", 1, 0, ticket.ErrCSV},
		{"only a mark", "\ufeff", 1, 0, ticket.ErrCSV},
		{"another header", strings.Replace(head, "発券番号", "番号", 1), 1, 4, ticket.ErrCSV},
		{"a field short", head + "2026/11/30 23:59:59,000003\r\n", 2, 0, ticket.ErrCSV},
		{"open quote", head + goodRow + "\"2026/11/30 23:59:59,000003\r\n", 3, 0, ticket.ErrCSV},
		{"no time", head + goodRow + strings.Replace(goodRow, "23:59:59", "25:00:00", 1), 3, 1, ticket.ErrCSV},
		{"terminal", head + strings.Replace(goodRow, "000003", "=1", 1), 2, 2, ticket.ErrTerminal},
		{"number", head + strings.Replace(goodRow, "0012-3456", "12-3456", 1), 2, 4, ticket.ErrNumber},
		{"points", head + strings.Replace(goodRow, ",500,", ",0,", 1), 2, 5, ticket.ErrPoints},
		{"huge points", head + strings.Replace(goodRow, ",500,", ",99999999999999999999,", 1), 2, 5, ticket.ErrPoints},
		{"last day", head + strings.Replace(goodRow, "2026/11/30,", "2026/11/31,", 1), 2, 6, ticket.ErrDate},
		{"taken", head + strings.Replace(goodRow, ",\r\n", ",x\r\n", 1), 2, 7, ticket.ErrDate},
		{"account", head[:len(head)-2] + ",アカウント\r\n" + strings.Replace(goodRow, ",\r\n", ",,\"a\nb\"\r\n", 1), 2, 8, ticket.ErrAccount},
		{"a field more", head + strings.Replace(goodRow, ",\r\n", ",,aoba\r\n", 1), 2, 0, ticket.ErrCSV},
		{"another version", head[:len(head)-2] + ",口座\r\n", 1, 8, ticket.ErrCSV},
		{"a later version", head[:len(head)-2] + ",アカウント,x\r\n", 1, 0, ticket.ErrCSV},
		{"an earlier version", strings.Replace(head, ",受取日", "", 1), 1, 0, ticket.ErrCSV},
		{"no seconds", head + strings.Replace(goodRow, "23:59:59", "23:59", 1), 2, 1, ticket.ErrSpreadsheet},
		{"no seconds, short", head + strings.Replace(goodRow, "2026/11/30 23:59:59", "2026/1/3 9:05", 1), 2, 1, ticket.ErrSpreadsheet},
		{"endless line", head + strings.Repeat("x", 1<<20), 2, 0, ticket.ErrCSV},
		{"endless quote", head + "\"" + strings.Repeat("x\n", 1<<19), 2, 0, ticket.ErrCSV},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var err error
			for _, err = range (ticket.CSV{}).ReadDetails(strings.NewReader(tc.in)) {
			}
			var ce *ticket.CSVError
			require.ErrorAs(t, err, &ce)
			assert.ErrorIs(t, err, tc.want)
			assert.Equal(t, []int{tc.line, tc.column}, []int{ce.Line, ce.Column})
			assert.Less(t, len(err.Error()), 300)
		})
	}
}

// What a spreadsheet does to the file as a whole is mended: the header tells.
func TestReadDetailsMended(t *testing.T) {
	const head = "\ufeff消込日時,端末ID,端末設置場所,発券番号,利用ポイント数,有効期限,受取日\r\n"
	want := full(t, ticket.CSV{}.ReadDetails(strings.NewReader(head+goodRow)))
	sjis, err := japanese.ShiftJIS.NewEncoder().String(head[3:] + goodRow)
	require.NoError(t, err)
	for name, in := range map[string]string{
		"no mark":       head[3:] + goodRow,
		"tabs":          strings.ReplaceAll(head+goodRow, ",", "\t"),
		"empty columns": strings.ReplaceAll(head+goodRow, "\r\n", ",,\r\n"),
		"Shift_JIS":     sjis,
	} {
		assert.Equal(t, want, full(t, ticket.CSV{}.ReadDetails(strings.NewReader(in))), name)
	}
}

// A terminal that lost its zeros is not taken for another.
func TestReadDetailsOfKnownTerminals(t *testing.T) {
	const head = "\ufeff消込日時,端末ID,端末設置場所,発券番号,利用ポイント数,有効期限,受取日\r\n"
	c := ticket.CSV{Known: func(id string) bool { return len(id) == 6 }}
	got := full(t, c.ReadDetails(strings.NewReader(head+goodRow)))
	assert.Equal(t, "000003", got[0].Terminal)
	for _, err := range c.ReadDetails(strings.NewReader(head + strings.Replace(goodRow, "000003", "3", 1))) {
		assert.ErrorIs(t, err, ticket.ErrTerminal)
	}
}

func FuzzReadDetails(f *testing.F) {
	const head = "\ufeff消込日時,端末ID,端末設置場所,発券番号,利用ポイント数,有効期限,受取日\r\n"
	v2 := strings.NewReplacer("受取日", "受取日,アカウント", "2026/11/30,\r", "2026/11/30,,aoba\r").Replace(head + goodRow)
	for _, s := range []string{"", head, v2, head + goodRow, head + goodRow + goodRow, head + "\"\"\"", "\xff\xfe"} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, in []byte, sjis bool) {
		in = in[:len(in):len(in)]
		c := ticket.CSV{}
		if sjis {
			c.Encoding = ticket.ShiftJIS
		}
		var good []ticket.Detail
		allocates(t, 40*len(in)+256<<10, func() {
			for d, err := range c.ReadDetails(bytes.NewReader(in)) {
				if err != nil {
					if _, ok := errors.AsType[*ticket.CSVError](err); !ok {
						t.Fatalf("not a CSVError: %v", err)
					}
					break
				}
				good = append(good, d)
			}
		})
		// What was read is written and read the same.
		var file bytes.Buffer
		if err := c.WriteDetails(&file, listed(good...)); err != nil {
			t.Fatal(err)
		}
		var again []ticket.Detail
		for d, err := range c.ReadDetails(&file) {
			if err != nil {
				t.Fatal(err)
			}
			again = append(again, d)
		}
		for i := range good {
			good[i].RedeemedAt = good[i].RedeemedAt.Truncate(1e9) // a file may have fractions of a second
		}
		if !cmp.Equal(good, again, cmp.Comparer(func(a, b ticket.Number) bool { return a == b })) {
			t.Fatal("does not read back")
		}
	})
}

// Totals of several scopes add up, and what leaves 64 bits is an error.
func TestTotalAdd(t *testing.T) {
	for _, tc := range []struct {
		a, b, want ticket.Total
		err        error
	}{
		{ticket.Total{Tickets: 1, Points: 2}, ticket.Total{Tickets: 3, Points: 4}, ticket.Total{Tickets: 4, Points: 6}, nil},
		{ticket.Total{Points: math.MaxInt64 - 1}, ticket.Total{Points: 1}, ticket.Total{Points: math.MaxInt64}, nil},
		{ticket.Total{Points: math.MaxInt64}, ticket.Total{Points: 1}, ticket.Total{Points: math.MaxInt64}, ticket.ErrSum},
		{ticket.Total{Tickets: math.MaxInt64}, ticket.Total{Tickets: 1}, ticket.Total{Tickets: math.MaxInt64}, ticket.ErrSum},
		{ticket.Total{Points: math.MinInt64}, ticket.Total{Points: -1}, ticket.Total{Points: math.MinInt64}, ticket.ErrSum},
		{ticket.Total{Points: 5}, ticket.Total{Points: -7}, ticket.Total{Points: -2}, nil},
	} {
		got, err := tc.a.Add(tc.b)
		assert.ErrorIs(t, err, tc.err, "%+v", tc)
		assert.Equal(t, tc.want, got)
	}
	// A database that was damaged gives no wrong sum.
	s := fast(t)
	d := newDesk(t, s, ticket.Config{})
	for range 3 {
		d.issue(t, 5)
	}
	_, err := s.db.Exec("UPDATE ticket_ticket SET points = 1 << 62")
	require.NoError(t, err)
	d.clock.set(at(t, "2026-12-31 10:00:00"))
	got, err := d.Settle(t.Context(), shop.Scope, period(t, "2026-12-01", "2026-12-31"))
	assert.ErrorIs(t, err, ticket.ErrPoints)
	assert.Zero(t, got)
}

// A settlement has a line for each terminal, place and account: several
// terminals of a place are one line, it is known who pays, and a part can be
// looked at by itself. A terminal that moves changes nothing of what was.
func TestSettleByPlaceAndAccount(t *testing.T) {
	eachStore(t, func(t *testing.T, s tables) {
		ctx := t.Context()
		d := newDesk(t, s, ticket.Config{})
		at := func(id, place string) ticket.Terminal {
			return ticket.Terminal{ID: id, Scope: shop.Scope, Place: place}
		}
		var own []ticket.Detail
		for _, tc := range []struct {
			at      ticket.Terminal
			account string
			points  int64
		}{
			{at("T1", "美術館"), "aoba", 1}, {at("T2", "美術館"), "aoba", 10}, {at("T2", "商店"), "aoba", 100},
			{at("T2", "商店"), "matsuri", 1000}, {at("T3", ""), "", 10000}, {at("T3", ""), "", 10000},
		} {
			tk, err := d.Issue(ctx, shop, ticket.Order{Points: tc.points, Account: tc.account})
			require.NoError(t, err)
			r, err := d.Redeem(ctx, ticket.Presentation{Terminal: tc.at, Code: code(tk.Number)})
			require.NoError(t, err)
			assert.Equal(t, tc.at.Place, r.Ticket.EndedAtPlace)
			own = append(own, r.Ticket.Detail())
		}
		nov := period(t, "2026-11-01", "2026-11-30")
		got, err := d.Settle(ctx, shop.Scope, nov)
		require.NoError(t, err)
		total := func(tickets, points int64) ticket.Total { return ticket.Total{Tickets: tickets, Points: points} }
		assert.Equal(t, []ticket.Line{
			{Terminal: "T1", Place: "美術館", Account: "aoba", Total: total(1, 1)}, {Terminal: "T2", Place: "商店", Account: "aoba", Total: total(1, 100)},
			{Terminal: "T2", Place: "商店", Account: "matsuri", Total: total(1, 1000)}, {Terminal: "T2", Place: "美術館", Account: "aoba", Total: total(1, 10)},
			{Terminal: "T3", Total: total(2, 20000)},
		}, got.Lines)
		assert.Equal(t, total(6, 21111), got.Redeemed)
		// As an earlier program wrote them.
		_, err = s.db.Exec("UPDATE " + s.table("ticket") + " SET place = NULL, account = NULL WHERE ended_by = 'T3'")
		require.NoError(t, err)
		again, err := d.Settle(ctx, shop.Scope, nov)
		require.NoError(t, err)
		assert.Equal(t, got, again)
		assert.Equal(t, []ticket.TerminalTotal{{Terminal: "T1", Total: total(1, 1)}, {Terminal: "T2", Total: total(3, 1110)}, {Terminal: "T3", Total: total(2, 20000)}}, got.Terminals())
		assert.Equal(t, []ticket.PlaceTotal{{Place: "", Total: total(2, 20000)}, {Place: "商店", Total: total(2, 1100)}, {Place: "美術館", Total: total(2, 11)}}, got.Places())
		assert.Equal(t, []ticket.AccountTotal{{Account: "", Total: total(2, 20000)}, {Account: "aoba", Total: total(3, 111)}, {Account: "matsuri", Total: total(1, 1000)}}, got.Accounts())
		now := d.clock.Now()
		lines, err := d.Between(ctx, shop.Scope, now, now.Add(time.Microsecond))
		require.NoError(t, err)
		assert.Equal(t, got.Lines, lines, "from the first instant")
		lines, err = d.Between(ctx, shop.Scope, now.Add(-time.Hour), now)
		require.NoError(t, err)
		assert.Empty(t, lines, "without the other")
		_, err = d.Between(ctx, shop.Scope, now, now.Add(-1))
		assert.ErrorIs(t, err, ticket.ErrPeriod)
		_, err = d.Between(ctx, "x", now, now)
		assert.ErrorIs(t, err, ticket.ErrScope)
		var file strings.Builder
		require.NoError(t, ticket.CSV{Place: func(string) string { return "本店" }}.WriteSettlement(&file, got))
		assert.Equal(t, []string{"T1,美術館,1,1", "T2,商店,2,1100", "T2,美術館,1,10", "T3,本店,2,20000", "合計,,6,21111", "失効,,0,0", ""},
			strings.Split(file.String(), "\r\n")[1:])
		museum := got.Only(func(l ticket.Line) bool { return l.Place == "美術館" })
		assert.Equal(t, total(2, 11), museum.Redeemed)
		assert.Equal(t, []ticket.AccountTotal{{Account: "aoba", Total: total(2, 11)}}, museum.Accounts())

		theirs, err := ticket.Tally(shop.Scope, nov, listed(own...))
		require.NoError(t, err)
		assert.Equal(t, got.Lines, theirs.Lines)
		own[3].Account = "aoba"
		theirs, err = ticket.Tally(shop.Scope, nov, listed(own...))
		require.NoError(t, err)
		assert.Equal(t, []ticket.Difference{
			{Terminal: "T2", Account: "aoba", Ours: total(2, 110), Other: total(3, 1110)},
			{Terminal: "T2", Account: "matsuri", Ours: total(1, 1000)},
		}, got.Compare(theirs))
		own[3].Account = "a\n"
		_, err = ticket.Tally(shop.Scope, nov, listed(own...))
		assert.ErrorIs(t, err, ticket.ErrAccount)
	})
	assert.ErrorIs(t, ticket.Terminal{ID: "1", Scope: "A", Place: "a\n"}.Check(), ticket.ErrTerminal)
}
