package point_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// japan is an instant as a clock in Japan shows it, such as 2026-04-01 00:00:00.
func japan(t testing.TB, s string) time.Time {
	t.Helper()
	at, err := time.ParseInLocation(time.DateTime, s, time.FixedZone("JST", 9*60*60))
	require.NoError(t, err)
	return at.UTC() // a server's zone must not matter
}

func day(t testing.TB, s string) mykey.Date {
	t.Helper()
	d, err := mykey.ParseDate(s)
	require.NoError(t, err)
	return d
}

func TestExpiry(t *testing.T) {
	for _, tc := range []struct{ rule, granted, last string }{
		{"never", "2026-11-28 12:00:00", ""},
		{"day:2027-03-31", "2026-11-28 12:00:00", "2027-03-31"},
		{"fiscal-year:0", "2026-03-31 23:59:59", "2026-03-31"},
		{"fiscal-year:0", "2026-04-01 00:00:00", "2027-03-31"},
		{"fiscal-year:1", "2026-11-28 12:00:00", "2028-03-31"},
		{"fiscal-year:1", "2027-01-01 00:00:00", "2028-03-31"},
		{"month-end:1", "2027-01-31 00:00:00", "2027-02-28"},
		{"month-end:12", "2026-02-01 00:00:00", "2027-02-28"},
		{"month-end:12", "2027-02-28 23:59:59", "2028-02-29"},
		{"days:0", "2026-12-31 23:59:59", "2026-12-31"},
		{"days:180", "2026-11-28 00:00:00", "2027-05-27"},
		{"rolling:12", "2028-02-29 10:00:00", "2029-02-28"},
		{"rolling:1", "2026-08-31 10:00:00", "2026-09-30"},
	} {
		e, err := point.ParseExpiry(tc.rule)
		require.NoError(t, err, tc.rule)
		assert.Equal(t, tc.last, e.LastDay(japan(t, tc.granted)).String(), "%s granted %s", tc.rule, tc.granted)

		text, err := json.Marshal(map[string]point.Expiry{"e": e})
		require.NoError(t, err)
		var back map[string]point.Expiry
		require.NoError(t, json.Unmarshal(text, &back))
		assert.Equal(t, e, back["e"])
	}
	for _, bad := range []string{"", "never:1", "day", "day:2027-02-29", "day:2027-3-31", "fiscal-year", "fiscal-year:-1",
		"fiscal-year:101", "month-end:0", "month-end:01", "days:36501", "rolling:0", "rolling:1 ", "sometimes:1", "day:0000-01-01"} {
		_, err := point.ParseExpiry(bad)
		assert.ErrorIs(t, err, mykey.ErrForm, bad)
	}
	_, err := json.Marshal(point.Expiry{Rule: point.Days, N: -1})
	assert.Error(t, err)
}

func TestReserve(t *testing.T) {
	assert.Equal(t, "2026-12-12", point.Reserve{}.LastDay(japan(t, "2026-11-28 23:59:59")).String())
	assert.Equal(t, "2026-12-19", point.Reserve{Days: point.ReserveDaysPlanned}.LastDay(japan(t, "2026-11-28 00:00:00")).String())
}

func TestBankText(t *testing.T) {
	for in, want := range map[string]string{
		"アオバシ カイケイカンリシャ": "ｱｵﾊﾞｼ ｶｲｹｲｶﾝﾘｼﾔ",
		"あおば市場":          "",
		"ﾔﾏﾀﾞ ﾀﾛｳ":       "ﾔﾏﾀﾞ ﾀﾛｳ",
		"カ）ショップ":         "ｶ)ｼﾖﾂﾌﾟ",
		"サーバー":           "ｻ-ﾊﾞ-",
		"ＡＢＣ　ｄｅ":         "ABC DE",
		"ヴィラ":            "ｳﾞｲﾗ",
		"ぱーく1":           "ﾊﾟ-ｸ1",
		"A,B":            "",
		"100%":           "",
		"ワヲン":            "ﾜｦﾝ",
		"a\nb":           "",
	} {
		got, err := point.BankText(in)
		if want == "" {
			assert.ErrorIs(t, err, mykey.ErrForm, in)
			continue
		}
		require.NoError(t, err, in)
		assert.Equal(t, want, got)
		again, err := point.BankText(got)
		require.NoError(t, err)
		assert.Equal(t, got, again, "converted twice")
	}
}

func bank() point.BankAccount {
	return point.BankAccount{BankName: "あおば銀行", BankCode: "0001", BranchName: "本店", BranchCode: "001",
		Type: point.Ordinary, Number: "0012345", Holder: "アオバシ カイケイカンリシャ"}
}

func TestBankAccount(t *testing.T) {
	require.NoError(t, bank().Check())
	for field, spoil := range map[string]func(*point.BankAccount){
		"bank name":      func(b *point.BankAccount) { b.BankName = " " },
		"bank code":      func(b *point.BankAccount) { b.BankCode = "1" },
		"branch name":    func(b *point.BankAccount) { b.BranchName = "本\n店" },
		"branch code":    func(b *point.BankAccount) { b.BranchCode = "00１" },
		"account type":   func(b *point.BankAccount) { b.Type = 3 },
		"account number": func(b *point.BankAccount) { b.Number = "12345678" },
		"account holder": func(b *point.BankAccount) { b.Holder = strings.Repeat("ガ", 16) }, // 32 half-width
		"bank text":      func(b *point.BankAccount) { b.Holder = "山田" },
	} {
		b := bank()
		spoil(&b)
		var form *mykey.FormError
		require.ErrorAs(t, b.Check(), &form, field)
		assert.Equal(t, field, form.Field)
	}
}

func city(t testing.TB) point.Programme {
	m, err := mykey.ParseMunicipality("131016")
	require.NoError(t, err)
	return point.Programme{Account: "aoba", Kind: point.Municipal, Name: "あおば市ポイント",
		Expiry: point.Expiry{Rule: point.FiscalYear, N: 1}, Municipality: m,
		Contact: mykey.Contact{Organisation: "あおば市", Department: "商工課", Person: "見本 花子", PostalCode: "100-0001",
			Address: "あおば市A町1-1", Phone: "03-1234-5678", Mail: "points@city.example.jp"},
		Bank: bank()}
}

func festival(t testing.TB) point.Programme {
	p := city(t)
	p.Account, p.Kind, p.Name, p.Bank = "matsuri", point.Event, "あおば祭り", point.BankAccount{}
	p.Service = mykey.Period{From: day(t, "2026-07-01"), To: day(t, "2026-12-31")}
	return p
}

func TestProgramme(t *testing.T) {
	prefecture, err := mykey.ParseMunicipality("130001")
	require.NoError(t, err)
	require.NoError(t, city(t).Check())
	require.NoError(t, festival(t).Check())
	require.NoError(t, point.Programme{Account: "reserved", Kind: point.Reserved, Name: "留保ポイント"}.Check())
	byPrefecture := festival(t)
	byPrefecture.Municipality = prefecture
	require.NoError(t, byPrefecture.Check(), "a prefecture may set up an event")

	for name, spoil := range map[string]func(*point.Programme){
		"no account":           func(p *point.Programme) { p.Account = "" },
		"capital account":      func(p *point.Programme) { p.Account = "Aoba" },
		"no kind":              func(p *point.Programme) { p.Kind = 0 },
		"no name":              func(p *point.Programme) { p.Name = "　" },
		"no municipality":      func(p *point.Programme) { p.Municipality = mykey.Municipality{} },
		"a prefecture's city":  func(p *point.Programme) { p.Municipality = prefecture },
		"no contact":           func(p *point.Programme) { p.Contact.Phone = "" },
		"odd phone":            func(p *point.Programme) { p.Contact.Phone = "03--1234-5678" },
		"mail with a name":     func(p *point.Programme) { p.Contact.Mail = "A <a@b.example>" },
		"no bank":              func(p *point.Programme) { p.Bank = point.BankAccount{} },
		"a service period":     func(p *point.Programme) { p.Service = festival(t).Service },
		"reserved with a bank": func(p *point.Programme) { p.Kind = point.Reserved },
		"an odd expiry":        func(p *point.Programme) { p.Expiry = point.Expiry{Rule: 99} },
	} {
		p := city(t)
		spoil(&p)
		assert.ErrorIs(t, p.Check(), mykey.ErrForm, name)
	}
	backwards := festival(t)
	backwards.Service = mykey.Period{From: day(t, "2026-12-31"), To: day(t, "2026-07-01")}
	assert.ErrorIs(t, backwards.Check(), mykey.ErrForm)

	all := []point.Programme{city(t), festival(t), byPrefecture}
	from, ok := festival(t).PaidFrom(all)
	assert.True(t, ok)
	assert.Equal(t, bank(), from)
	_, ok = byPrefecture.PaidFrom(all)
	assert.False(t, ok, "no municipality pays for the prefecture")

	assert.Equal(t, "2026-12-31", festival(t).LastDay(japan(t, "2026-11-28 00:00:00")).String(), "the service period ends first")
	assert.True(t, festival(t).Serves(japan(t, "2026-12-31 23:59:59")))
	assert.False(t, festival(t).Serves(japan(t, "2027-01-01 00:00:00")))
	assert.False(t, festival(t).Serves(japan(t, "2026-06-30 23:59:59")))
}

func TestBase(t *testing.T) {
	all := []point.Programme{city(t), festival(t), {Account: "reserved", Kind: point.Reserved, Name: "留保ポイント"}}
	assert.NoError(t, point.CheckBase("aoba", all))
	assert.ErrorIs(t, point.CheckBase("matsuri", all), point.ErrBaseKind)
	assert.ErrorIs(t, point.CheckBase("reserved", all), point.ErrBaseKind)
	assert.ErrorIs(t, point.CheckBase("midori", all), point.ErrNoProgramme, "a municipality without points")

	assert.NoError(t, point.Profile{}.Check(all))
	mail, err := point.ParseMailAddress("a@b.example")
	require.NoError(t, err)
	assert.NotContains(t, fmt.Sprintf("%+v %#v", mail, &struct{ m point.MailAddress }{mail}), "b.example")
	assert.NoError(t, point.Profile{Mail: mail, Notices: point.AllNotices, Base: "aoba"}.Check(all))
	assert.ErrorIs(t, point.Profile{Notices: point.NoticeLapse}.Check(all), mykey.ErrForm, "a notice wants an address")
	_, err = point.ParseMailAddress("a@b.example, c@d.example")
	assert.ErrorIs(t, err, mykey.ErrForm)
	assert.ErrorIs(t, point.Profile{Mail: mail, Notices: 16}.Check(all), mykey.ErrForm)
	assert.ErrorIs(t, point.Profile{Base: "matsuri"}.Check(all), point.ErrBaseKind)
}

func TestSortAndUsable(t *testing.T) {
	balances := []point.Balance{
		{Account: "e1", Kind: point.Event, Points: 10},
		{Account: "m1", Kind: point.Municipal, Points: 900},
		{Account: "base", Kind: point.Municipal, Points: 1},
		{Account: "e2", Kind: point.Event, Points: 700},
		{Account: "m2", Kind: point.Municipal, Points: 900},
		{Account: "r", Kind: point.Reserved, Points: 5},
		{Account: "m3", Kind: point.Municipal, Points: 0},
	}
	point.Sort(balances, "base")
	var order []string
	for _, b := range balances {
		order = append(order, string(b.Account))
	}
	assert.Equal(t, "r base m1 m2 m3 e2 e1", strings.Join(order, " "))

	m := city(t)
	var programmes []point.Programme
	for _, b := range balances {
		p := m
		p.Account, p.Kind = b.Account, b.Kind
		p.Service = mykey.Period{From: day(t, "2026-07-01"), To: day(t, "2026-12-31")}
		if b.Account == "e1" {
			p.Service.To = day(t, "2026-07-02")
		}
		programmes = append(programmes, p)
	}
	order = nil
	for _, b := range point.Usable(balances, programmes, []point.Account{"e1", "e2", "m2", "m3", "r"}, japan(t, "2026-11-28 00:00:00")) {
		order = append(order, string(b.Account))
	}
	assert.Equal(t, "m2 e2", strings.Join(order, " "))
	assert.Empty(t, point.Usable(balances, programmes, nil, japan(t, "2026-11-28 00:00:00")))
}

func TestPartner(t *testing.T) {
	assert.NoError(t, point.Partner{Code: "card-a", Name: "カード会社A", Link: point.LinkCoupon}.Check())
	assert.ErrorIs(t, point.Partner{Code: "card a", Name: "A", Link: point.LinkID}.Check(), mykey.ErrForm)
	assert.ErrorIs(t, point.Partner{Code: "a", Name: "", Link: point.LinkID}.Check(), mykey.ErrForm)
	assert.ErrorIs(t, point.Partner{Code: "a", Name: "A"}.Check(), mykey.ErrForm)
}

func FuzzValues(f *testing.F) {
	for _, s := range []string{"never", "day:2027-03-31", "rolling:12", "aoba", "アオバ", "ｶﾞ"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if e, err := point.ParseExpiry(s); err == nil {
			require.Equal(t, s, e.String())
			e.LastDay(time.Unix(0, 0))
		}
		if a, err := point.ParseAccount(s); err == nil {
			require.Equal(t, s, string(a))
		}
		if b, err := point.BankText(s); err == nil {
			again, err := point.BankText(b)
			require.NoError(t, err)
			require.Equal(t, b, again)
		}
	})
}
