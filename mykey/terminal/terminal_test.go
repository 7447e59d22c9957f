package terminal_test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/terminal"
)

func wantRule(t testing.TB, err error, rule mykey.Rule) {
	t.Helper()
	fe, ok := errors.AsType[*mykey.FormError](err)
	require.True(t, ok, "%v", err)
	assert.Equal(t, rule, fe.Rule)
}

func TestKinds(t *testing.T) {
	both := terminal.Service | terminal.Point
	assert.Equal(t, terminal.Service, both.Counted())
	assert.Equal(t, terminal.Point, terminal.Point.Counted())
	assert.Equal(t, "アイウエ", (both | terminal.Ticket | terminal.Grant).String())
	assert.True(t, both.Valid())
	assert.False(t, terminal.Kind(0).Valid())
	assert.False(t, (both | 16).Valid())
}

func TestFingerprint(t *testing.T) {
	v := terminal.Values{CPU: "BFEBFBFF000306C3", Board: "PF2X", Machine: "{8a1b}", Install: "0f3c"}
	plain, err := terminal.FingerprintWindows(v, terminal.JoinPlain)
	require.NoError(t, err)
	assert.Equal(t, "98e24ce1f295652332400bc4cb644940eb801c665d36a7511a1fb1497d73a7ee", plain.String())
	prefixed, err := terminal.FingerprintWindows(v, terminal.JoinPrefixed)
	require.NoError(t, err)
	assert.Equal(t, "6cfb719a4c002e8b7b9f6fa05495557080550f8e273ceb05cd223acaf35bbea2", prefixed.String(), "the documented form, to the byte")
	assert.False(t, plain.Equal(prefixed))
	assert.True(t, plain.Equal(plain))

	// Moving a character across a border is another terminal, but not to the
	// plain form.
	moved := v
	moved.CPU, moved.Board = v.CPU+"P", v.Board[1:]
	p2, err := terminal.FingerprintWindows(moved, terminal.JoinPlain)
	require.NoError(t, err)
	assert.Equal(t, plain, p2)
	p3, err := terminal.FingerprintWindows(moved, terminal.JoinPrefixed)
	require.NoError(t, err)
	assert.NotEqual(t, prefixed, p3)

	for _, drop := range []func(*terminal.Values){
		func(v *terminal.Values) { v.CPU = "" }, func(v *terminal.Values) { v.Board = "" },
		func(v *terminal.Values) { v.Machine = "" }, func(v *terminal.Values) { v.Install = "" },
	} {
		less := v
		drop(&less)
		_, err = terminal.FingerprintWindows(less, terminal.JoinPrefixed)
		wantRule(t, err, mykey.RuleMissing)
	}
	// FIPS 180-2, appendix B.1.
	android, err := terminal.FingerprintAndroid("abc")
	require.NoError(t, err)
	assert.Equal(t, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", android.String())
	_, err = terminal.FingerprintAndroid("")
	wantRule(t, err, mykey.RuleMissing)

	back, err := terminal.ParseFingerprint(strings.ToUpper(android.String()))
	require.NoError(t, err)
	assert.Equal(t, android, back)
	_, err = terminal.ParseFingerprint("ba78")
	wantRule(t, err, mykey.RuleLength)
	_, err = terminal.ParseFingerprint(strings.Repeat("g", 64))
	wantRule(t, err, mykey.RuleCharacter)
}

// A fingerprint survives text, JSON and a database column, refuses what is not its
// form, and is then unchanged.
func TestFingerprintIsStored(t *testing.T) {
	good := strings.Repeat("0a", 32)
	var v, zero terminal.Fingerprint
	require.NoError(t, v.UnmarshalText([]byte(good)))
	require.Equal(t, good, v.String())
	out, err := json.Marshal(map[string]terminal.Fingerprint{"x": v})
	require.NoError(t, err)
	var back map[string]terminal.Fingerprint
	require.NoError(t, json.Unmarshal(out, &back))
	require.Equal(t, v, back["x"])

	was := v
	for _, src := range []any{"0a", []byte("0a"), int64(1), 1.5, true, "", good + "\x00"} {
		require.Error(t, v.Scan(src), "%v", src)
		require.Equal(t, was, v)
	}
	wantRule(t, v.Scan(int64(1)), mykey.RuleType)
	require.Error(t, v.UnmarshalText([]byte("0a")))
	require.Equal(t, was, v)

	db, err := sql.Open("sqlite", ":memory:")
	require.NoError(t, err)
	defer db.Close()
	for _, want := range []terminal.Fingerprint{v, zero} {
		var got terminal.Fingerprint
		require.NoError(t, db.QueryRow("SELECT ?", want).Scan(&got))
		require.Equal(t, want, got)
		require.NoError(t, got.Scan([]byte(good)))
		require.Equal(t, v, got)
	}
	require.True(t, zero.IsZero())
	require.False(t, v.IsZero())
}

func FuzzParseFingerprint(f *testing.F) {
	for _, s := range []string{strings.Repeat("0a", 32), strings.Repeat("F0", 32), "", "0a", "\xff\xfe", strings.Repeat("g", 64), strings.Repeat("０", 64)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		fp, err := terminal.ParseFingerprint(in)
		if err == nil && !strings.EqualFold(fp.String(), in) {
			t.Fatalf("%q became %q", in, fp)
		}
		var fe *mykey.FormError
		if err != nil && (!errors.As(err, &fe) || fe.Rule == "" || fe.Pos > len(in)) {
			t.Fatalf("%q: %v", in, err)
		}
		if err != nil && len(in) > 8 && strings.Contains(err.Error(), in) {
			t.Fatalf("the error shows the text: %v", err)
		}
	})
}

func ExampleFingerprintWindows() {
	values := terminal.Values{CPU: "BFEBFBFF000306C3", Board: "PF2X", Machine: "{8a1b}", Install: "0f3c"}
	fp, err := terminal.FingerprintWindows(values, terminal.JoinPrefixed)
	fmt.Println(fp, err)
	// Output: 6cfb719a4c002e8b7b9f6fa05495557080550f8e273ceb05cd223acaf35bbea2 <nil>
}

func ExampleKind_Counted() {
	// The till of a shop with a point system is (ア) and (イ), and counts as (ア).
	till := terminal.Service | terminal.Point
	fmt.Println(till, till.Counted())
	// Output: アイ ア
}
