package mykey_test

import (
	"database/sql"
	"encoding/json"
	"strings"
	"testing"

	"github.com/mynakit/mynakit/mykey"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"
)

// rules and application are the form that two services ask for.
func wantRule(t *testing.T, err error, rule mykey.Rule) {
	t.Helper()
	if rule == "" {
		assert.NoError(t, err)
		return
	}
	var fe *mykey.FormError
	require.ErrorAs(t, err, &fe)
	assert.ErrorIs(t, err, mykey.ErrForm)
	assert.Equal(t, rule, fe.Rule)
	assert.NotEmpty(t, fe.Error())
}

func TestServiceIDForm(t *testing.T) {
	for _, tc := range []struct {
		in   string
		rule mykey.Rule
	}{
		{"000001:1111111", ""}, {"000002:180000000011", ""}, {"000001:0", ""}, {"000001:a-B9", ""},
		{"000001:" + strings.Repeat("9", mykey.MaxCustomerID), ""},
		{"000001:" + strings.Repeat("9", mykey.MaxCustomerID+1), mykey.RuleLength},
		{"000001:", mykey.RuleLength},
		{"000001", mykey.RuleMissing},
		{"", mykey.RuleMissing},
		{"1:1111111", mykey.RuleLength},
		{"0000001:1", mykey.RuleLength},
		{"00000x:1", mykey.RuleCharacter},
		{"０00001:1", mykey.RuleFullWidth},
		{"000001:１", mykey.RuleFullWidth},
		{"000001:1 2", mykey.RuleCharacter},
		{"000001:1:2", mykey.RuleCharacter},
		{"000001:会員", mykey.RuleCharacter},
		{"-00001:1", mykey.RuleCharacter},
	} {
		got, err := mykey.ParseServiceID(tc.in)
		wantRule(t, err, tc.rule)
		if tc.rule == "" {
			assert.Equal(t, tc.in, got.String())
		} else {
			assert.True(t, got.IsZero(), tc.in)
		}
	}
	zero, err := mykey.ParseServiceID("000001:007")
	require.NoError(t, err)
	other, err := mykey.ParseServiceID("000001:7")
	require.NoError(t, err)
	assert.NotEqual(t, zero, other, "a leading zero belongs to the number")
}

func TestPPIDForm(t *testing.T) {
	op, err := mykey.ParseOperatorID("000001")
	require.NoError(t, err)
	for _, tc := range []struct {
		in   string
		rule mykey.Rule
	}{
		{"a", ""}, {"AbC/+=:~!", ""}, {strings.Repeat("x", mykey.MaxPPID), ""},
		{strings.Repeat("x", mykey.MaxPPID+1), mykey.RuleLength},
		{"", mykey.RuleLength}, {"a b", mykey.RuleCharacter}, {"a\x7f", mykey.RuleCharacter}, {"識別子", mykey.RuleCharacter},
	} {
		p, err := mykey.ParsePPID(op, tc.in)
		wantRule(t, err, tc.rule)
		if tc.rule == "" {
			assert.Equal(t, tc.in, p.Text())
			assert.Equal(t, op, p.Operator())
		}
	}
	_, err = mykey.ParsePPID(mykey.OperatorID{}, "a")
	wantRule(t, err, mykey.RuleMissing)
}

func TestMunicipality(t *testing.T) {
	for _, tc := range []struct {
		in   string
		rule mykey.Rule
	}{
		{"010006", ""}, {"011011", ""}, {"092011", ""}, {"141305", ""}, {"131016", ""}, {"271004", ""}, {"472018", ""},
		{"011010", mykey.RuleCheckDigit}, {"131017", mykey.RuleCheckDigit}, {"310116", mykey.RuleCheckDigit},
		{"13101", mykey.RuleLength}, {"1310160", mykey.RuleLength}, {"", mykey.RuleLength},
		{"000000", mykey.RulePrefecture}, {"480002", mykey.RulePrefecture}, {"990000", mykey.RulePrefecture},
		{"13101x", mykey.RuleCharacter}, {"１３１０１６", mykey.RuleFullWidth}, {"+31016", mykey.RuleCharacter},
	} {
		m, err := mykey.ParseMunicipality(tc.in)
		wantRule(t, err, tc.rule)
		if tc.rule != "" {
			assert.True(t, m.IsZero())
			continue
		}
		assert.Equal(t, tc.in, m.String())
		five, err := mykey.ParseMunicipality5(tc.in[:5])
		require.NoError(t, err)
		assert.Equal(t, m, five, "the five-digit form gains the check digit")
		assert.Equal(t, tc.in[:5], five.Five())
	}
	for _, bad := range []string{"131016", "1310", "00101", "48000", "1310x"} {
		_, err := mykey.ParseMunicipality5(bad)
		assert.ErrorIs(t, err, mykey.ErrForm, bad)
	}
	m, err := mykey.ParseMunicipality("141305")
	require.NoError(t, err)
	assert.Equal(t, 14, m.Prefecture())
	assert.Equal(t, "神奈川県", m.PrefectureName())
	assert.False(t, m.IsPrefecture())
	assert.Equal(t, 0, mykey.Municipality{}.Prefecture())
	assert.Equal(t, "", mykey.Municipality{}.PrefectureName())

	// Every number has one check digit, and it is the Ministry's.
	for n := range 47_000 {
		five := []byte{'0' + byte((n+1000)/10000), '0' + byte((n+1000)/1000%10), '0' + byte(n/100%10), '0' + byte(n/10%10), '0' + byte(n%10)}
		sum := 0
		for i, d := range five {
			sum += (6 - i) * int(d-'0')
		}
		want := 11 - sum%11
		if sum < 11 {
			want = 11 - sum
		}
		m, err := mykey.ParseMunicipality5(string(five))
		require.NoError(t, err)
		require.Equal(t, byte('0'+want%10), m.String()[5], "%s", five)
	}
}

func TestMunicipalityTable(t *testing.T) {
	table, err := mykey.ReadMunicipalities(strings.NewReader("団体コード,名称\n131016,東京都千代田区,x\n011011,\"北海道札幌市中央区\"\n131016,東京都千代田区\n"))
	require.NoError(t, err)
	name := func(s string) (string, error) {
		m, err := mykey.ParseMunicipality(s)
		require.NoError(t, err)
		return table.Name(m)
	}
	got, err := name("011011")
	require.NoError(t, err)
	assert.Equal(t, "北海道札幌市中央区", got)
	got, err = name("470007")
	require.NoError(t, err)
	assert.Equal(t, "沖縄県", got)
	_, err = name("141305")
	assert.ErrorIs(t, err, mykey.ErrUnknownMunicipality, "valid in form, and it says so")
	assert.NotErrorIs(t, err, mykey.ErrForm)
	assert.Len(t, mykey.Prefectures(), 47)

	for _, bad := range []string{
		"131016,東京都\n", "131016,東京都,,トウキョウト,\n", "\ufeff131016\n", "\ufeff131017,千代田区\n",
		"131016,a\n131016,b\n", "131016\n", "131016,\n", "131017,a\n", "131016,a\ncode,b\n", "131016,\"a\n",
		strings.Repeat("131016,a\n", 10_000+1),
		"131016,\"" + strings.Repeat("x", 5<<20),
	} {
		_, err := mykey.ReadMunicipalities(strings.NewReader(bad))
		assert.Error(t, err, "%.30q", bad)
	}
	_, err = mykey.ReadMunicipalities(strings.NewReader("131016,a\n131017,b\n"))
	assert.ErrorContains(t, err, "line 2")
	assert.ErrorIs(t, err, mykey.ErrForm)
}

// The Ministry's own list, and either form as a spreadsheet writes it, with a
// byte order mark.
func TestMunicipalityForms(t *testing.T) {
	for name, tc := range map[string]struct {
		in   string
		want map[string]string
	}{
		"the Ministry's list": {
			"団体コード,\"都道府県名\n（漢字）\",\"市区町村名\n（漢字）\",\"都道府県名\n（カナ）\",\"市区町村名\n（カナ）\"\r\n" +
				"130001,東京都,,ﾄｳｷｮｳﾄ,\r\n131016,東京都,千代田区,ﾄｳｷｮｳﾄ,ﾁﾖﾀﾞｸ\r\n132063,東京都,府中市,ﾄｳｷｮｳﾄ,ﾌﾁｭｳｼ\r\n342084,広島県,府中市,ﾋﾛｼﾏｹﾝ,ﾌﾁｭｳｼ\r\n",
			map[string]string{"130001": "東京都", "131016": "東京都千代田区", "132063": "東京都府中市", "342084": "広島県府中市"},
		},
		"the same with a mark and no heading": {
			"\ufeff131016,東京都,千代田区\n010006,北海道,\n",
			map[string]string{"131016": "東京都千代田区", "010006": "北海道"},
		},
		"code and name with a mark":                 {"\ufeff131016,千代田区\n141305,川崎市\n", map[string]string{"131016": "千代田区", "141305": "川崎市"}},
		"code and name with a mark and heading":     {"\ufeff団体コード,名称\n131016,千代田区\n", map[string]string{"131016": "千代田区"}},
		"code, name and something else":             {"131016,東京都千代田区,特別区\n130001,東京都,本庁\n", map[string]string{"131016": "東京都千代田区", "130001": "東京都"}},
		"of another prefecture's name, not its own": {"131016,京都府,x\n", map[string]string{"131016": "京都府"}},
		"nothing":      {"", nil},
		"a mark alone": {"\ufeff", nil},
	} {
		table, err := mykey.ReadMunicipalities(strings.NewReader(tc.in))
		require.NoError(t, err, name)
		want := mykey.Prefectures()
		for code, text := range tc.want {
			m, err := mykey.ParseMunicipality(code)
			require.NoError(t, err)
			want[m] = text
		}
		assert.Equal(t, want, table, name)
	}
}

func TestOperatorTable(t *testing.T) {
	table, err := mykey.ReadOperators(strings.NewReader("\ufeffID付与事業者ID,ID付与事業者名\r\n000002,あおば商店街,x\r\n000001,川崎市立図書館\r\n000002,あおば商店街\r\n"))
	require.NoError(t, err)
	var menu []string
	for o, name := range table.All() {
		menu = append(menu, o.String()+" "+name)
		found, err := table.Named(name)
		require.NoError(t, err)
		assert.Equal(t, o, found)
		again, err := table.Name(o)
		require.NoError(t, err)
		assert.Equal(t, name, again)
	}
	assert.Equal(t, []string{"000001 川崎市立図書館", "000002 あおば商店街"}, menu)
	for range table.All() {
		break
	}
	other, err := mykey.ParseOperatorID("000003")
	require.NoError(t, err)
	_, err = table.Name(other)
	assert.ErrorIs(t, err, mykey.ErrUnknownOperator)
	_, err = table.Named("あおば")
	assert.ErrorIs(t, err, mykey.ErrUnknownOperator)
	table[other] = "あおば商店街"
	_, err = table.Named("あおば商店街")
	assert.ErrorIs(t, err, mykey.ErrUnknownOperator, "of two nobody knows which")

	for name, in := range map[string]string{
		"five digits": "00001,a\n", "no name": "000001\n", "an empty name": "000001, \n", "two names": "000001,a\n000001,b\n",
		"one name twice": "000001,a\n000002,a\n", "a control character": "000001,a\x07\n", "no UTF-8": "000001,\x82\xa0\n",
		"too many": strings.Repeat("000001,a\n", 100_000+1), "too long": "000001,\"" + strings.Repeat("a", 5<<20),
	} {
		_, err := mykey.ReadOperators(strings.NewReader(in))
		assert.Error(t, err, name)
	}
}

func TestCheckTerminalID(t *testing.T) {
	for s, rule := range map[string]mykey.Rule{
		"000002": "", "T.1_a-B": "", strings.Repeat("9", mykey.MaxTerminalID): "",
		"": mykey.RuleMissing, strings.Repeat("9", mykey.MaxTerminalID+1): mykey.RuleLength,
		"=1": mykey.RuleCharacter, "-1": mykey.RuleCharacter, ".1": mykey.RuleCharacter, "1 2": mykey.RuleCharacter,
		"端末": mykey.RuleCharacter, "１": mykey.RuleCharacter, "1\n": mykey.RuleCharacter,
	} {
		wantRule(t, mykey.CheckTerminalID(s), rule)
	}
}

// Every typed value survives text, JSON and a database column, refuses what
// is not its form, and is then unchanged.
func TestValueRoundTrips(t *testing.T) {
	roundTrip[mykey.OperatorID](t, "000001", "00001")
	roundTrip[mykey.CustomerID](t, "007", "0 7")
	roundTrip[mykey.ServiceID](t, "000001:007", "000001;007")
	roundTrip[mykey.PPID](t, "000001:a:b", "000001:a b")
	roundTrip[mykey.Municipality](t, "131016", "131017")
	roundTrip[mykey.ID](t, "MY123456", "my123456")
}

func roundTrip[T interface {
	comparable
	String() string
	IsZero() bool
	MarshalText() ([]byte, error)
}, P interface {
	*T
	UnmarshalText([]byte) error
	sql.Scanner
}](t *testing.T, good, bad string) {
	t.Helper()
	var v, zero T
	require.NoError(t, P(&v).UnmarshalText([]byte(good)))
	require.Equal(t, good, v.String())
	out, err := json.Marshal(map[string]T{"x": v})
	require.NoError(t, err)
	var back map[string]T
	require.NoError(t, json.Unmarshal(out, &back))
	require.Equal(t, v, back["x"])

	was := v
	for _, src := range []any{bad, []byte(bad), int64(1), 1.5, true, "", good + "\x00"} {
		require.Error(t, P(&v).Scan(src), "%v", src)
		require.Equal(t, was, v)
	}
	require.Error(t, P(&v).UnmarshalText([]byte(bad)))
	require.Equal(t, was, v)

	db, err := sql.Open("sqlite", ":memory:")
	require.NoError(t, err)
	defer db.Close()
	for _, want := range []T{v, zero} {
		var got T
		require.NoError(t, db.QueryRow("SELECT ?", any(want)).Scan(P(&got)))
		require.Equal(t, want, got)
	}
	require.True(t, zero.IsZero())
	require.False(t, v.IsZero())
	require.Empty(t, zero.String())
	_, err = zero.MarshalText()
	require.ErrorIs(t, err, mykey.ErrForm)
}
