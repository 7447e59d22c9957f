package mykey_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/mynakit/mynakit/mykey"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDate(t *testing.T) {
	for _, s := range []string{"2026-11-28", "2028-02-29", "0001-01-01", "9999-12-31"} {
		d, err := mykey.ParseDate(s)
		require.NoError(t, err)
		assert.True(t, d.Valid())
		assert.Equal(t, s, d.String())
		text, err := json.Marshal(d)
		require.NoError(t, err)
		var back mykey.Date
		require.NoError(t, json.Unmarshal(text, &back))
		assert.Equal(t, d, back)
	}
	for _, s := range []string{"", "2026-02-29", "2026-11-31", "2026-1-01", "0000-01-01", "2026/11/28", "2026-11-28 "} {
		_, err := mykey.ParseDate(s)
		assert.ErrorIs(t, err, mykey.ErrForm, s)
	}
	d := mykey.Date{Year: 2026, Month: time.November, Day: 28}
	assert.Equal(t, d, mykey.DateOf(time.Date(2026, 11, 27, 15, 0, 0, 0, time.UTC)), "Japan is nine hours ahead")
	assert.Equal(t, d.AddDays(-1), mykey.DateOf(time.Date(2026, 11, 27, 14, 59, 59, 999999999, time.UTC)))
	assert.Equal(t, "2026年11月28日", d.Japanese())
	assert.Equal(t, "2027-03-01", d.AddDays(93).String())
	assert.Equal(t, 24*time.Hour, d.End().Sub(d.Start()))
	assert.Equal(t, -1, mykey.Date{}.Compare(d))

	for _, tc := range []struct {
		from string
		n    int
		want string
	}{{"2026-01-31", 1, "2026-02-28"}, {"2028-01-31", 1, "2028-02-29"}, {"2026-12-15", 1, "2027-01-15"}, {"2026-03-31", -1, "2026-02-28"}, {"2026-01-15", -1, "2025-12-15"}} {
		from, err := mykey.ParseDate(tc.from)
		require.NoError(t, err)
		assert.Equal(t, tc.want, from.AddMonths(tc.n).String())
	}

	var zero mykey.Date
	assert.Equal(t, "", zero.String())
	assert.Equal(t, "", zero.Japanese())
	require.NoError(t, zero.UnmarshalText(nil))
	_, err := mykey.Date{Year: 2026, Month: 13, Day: 1}.MarshalText()
	assert.ErrorIs(t, err, mykey.ErrForm)
	kept := d
	assert.Error(t, kept.UnmarshalText([]byte("2026-02-30")))
	assert.Equal(t, d, kept)

	p := mykey.Period{From: d, To: d}
	require.NoError(t, p.Check())
	assert.True(t, p.Contains(d.Start()))
	assert.True(t, p.Contains(d.End().Add(-1)))
	assert.False(t, p.Contains(d.End()))
	assert.False(t, p.Contains(d.Start().Add(-1)))
	assert.ErrorIs(t, mykey.Period{From: d, To: d.AddDays(-1)}.Check(), mykey.ErrForm)
	assert.ErrorIs(t, mykey.Period{From: d}.Check(), mykey.ErrForm)
	assert.True(t, mykey.Period{}.IsZero())
}

func TestMail(t *testing.T) {
	for _, s := range []string{"taro@xx.jp", "a.b+c@sub.example.co.jp", "a..b.@docomo.example.jp", "x@a-b.example"} {
		assert.NoError(t, mykey.CheckMail(s), s)
	}
	for _, s := range []string{"", "@", "taro", "taro@", "@xx.jp", "taro@jp", "taro@xx..jp", "taro@-xx.jp", "taro@xx.jp-", "a@b@c.jp", "ta ro@xx.jp",
		"taro@xx.jp ", "<taro@xx.jp>", "太郎@xx.jp", "taro@xx.jp,b@c.jp", "a@b.jp\r\nBcc: c@d.jp", "a@" + strings.Repeat("b", 64) + ".jp", strings.Repeat("a", 250) + "@xx.jp"} {
		assert.ErrorIs(t, mykey.CheckMail(s), mykey.ErrForm, s)
	}
}

func TestContact(t *testing.T) {
	good := mykey.Contact{Organisation: "あおば市", Department: "商工課", Person: "見本 花子", PostalCode: "1000001",
		Address: "あおば市A町1-1", Phone: "090-1234-5678", Mail: "points@city.example.jp"}
	require.NoError(t, good.Check())
	for _, tc := range []struct {
		field string
		spoil func(*mykey.Contact)
		rule  mykey.Rule
	}{
		{"organisation", func(c *mykey.Contact) { c.Organisation = "" }, mykey.RuleMissing},
		{"department", func(c *mykey.Contact) { c.Department = "a\x00" }, mykey.RuleCharacter},
		{"person", func(c *mykey.Contact) { c.Person = string(make([]rune, 201)) }, mykey.RuleCharacter},
		{"postal code", func(c *mykey.Contact) { c.PostalCode = "100001" }, mykey.RuleLength},
		{"postal code", func(c *mykey.Contact) { c.PostalCode = "１００−０００１" }, mykey.RuleFullWidth},
		{"phone", func(c *mykey.Contact) { c.Phone = "1234567890" }, mykey.RuleCharacter},
		{"phone", func(c *mykey.Contact) { c.Phone = "03-1234-567" }, mykey.RuleLength},
		{"phone", func(c *mykey.Contact) { c.Phone = "03-1234-5678-" }, mykey.RuleCharacter},
		{"phone", func(c *mykey.Contact) { c.Phone = "０３-1234-5678" }, mykey.RuleFullWidth},
		{"mail", func(c *mykey.Contact) { c.Mail = "city.example.jp" }, mykey.RuleCharacter},
		{"mail", func(c *mykey.Contact) { c.Mail = "a@b.example\r\nBcc: c@d.example" }, mykey.RuleCharacter},
	} {
		c := good
		tc.spoil(&c)
		var form *mykey.FormError
		require.ErrorAs(t, c.Check(), &form, tc.field)
		assert.Equal(t, tc.field, form.Field)
		assert.Equal(t, tc.rule, form.Rule, tc.field)
	}
}
