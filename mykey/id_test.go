package mykey_test

import (
	"database/sql"
	"database/sql/driver"
	"encoding"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/mynakit/mynakit/mykey"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	_ encoding.TextMarshaler   = mykey.ID{}
	_ encoding.TextAppender    = mykey.ID{}
	_ encoding.TextUnmarshaler = (*mykey.ID)(nil)
	_ driver.Valuer            = mykey.ID{}
	_ sql.Scanner              = (*mykey.ID)(nil)
)

func TestParseID(t *testing.T) {
	for _, tc := range []struct {
		name, in string
		fold     bool
		want     string
		rule     mykey.Rule
		pos      int
	}{
		{name: "the manual's first", in: "MY123456", want: "MY123456"},
		{name: "the manual's second", in: "KEY34567", want: "KEY34567"},
		{name: "all digits", in: "00000000", want: "00000000"},
		{name: "empty", in: "", rule: mykey.RuleLength},
		{name: "seven", in: "MY12345", rule: mykey.RuleLength, pos: 7},
		{name: "nine", in: "MY1234567", rule: mykey.RuleLength, pos: 8},
		{name: "lower case", in: "mykey123", rule: mykey.RuleLowerCase},
		{name: "lower case folded", in: "mykey123", fold: true, want: "MYKEY123"},
		{name: "full width", in: "ＭＹ１２３４５６", rule: mykey.RuleFullWidth},
		{name: "full width folded", in: "ＭＹ１２３４５６", fold: true, want: "MY123456"},
		{name: "full-width lower case", in: "ｍy123456", rule: mykey.RuleFullWidth},
		{name: "lower case, then full width", in: "mｙ123456", rule: mykey.RuleLowerCase},
		{name: "full-width lower case folded", in: "ｍy123456", fold: true, want: "MY123456"},
		{name: "space", in: "MY 12345", fold: true, rule: mykey.RuleCharacter, pos: 2},
		{name: "full-width space", in: "MY\u300012345", fold: true, rule: mykey.RuleCharacter, pos: 2},
		{name: "hyphen", in: "MY12-456", fold: true, rule: mykey.RuleCharacter, pos: 4},
		{name: "full-width hyphen", in: "MY12－456", fold: true, rule: mykey.RuleCharacter, pos: 4},
		{name: "half-width kana", in: "MYｶ12345", fold: true, rule: mykey.RuleCharacter, pos: 2},
		{name: "Kelvin sign is not K", in: "\u212aEY34567", fold: true, rule: mykey.RuleCharacter},
		{name: "Cyrillic look-alike", in: "МY123456", fold: true, rule: mykey.RuleCharacter},
		{name: "combining mark", in: "MY12345\u0301", fold: true, rule: mykey.RuleCharacter, pos: 7},
		{name: "NUL", in: "MY12345\x00", fold: true, rule: mykey.RuleCharacter, pos: 7},
		{name: "broken UTF-8", in: "MY12345\xff", fold: true, rule: mykey.RuleCharacter, pos: 7},
		{name: "trailing newline", in: "MY123456\n", fold: true, rule: mykey.RuleLength, pos: 8},
	} {
		t.Run(tc.name, func(t *testing.T) {
			parse := mykey.ParseID
			if tc.fold {
				parse = mykey.ParseIDFold
			}
			id, err := parse(tc.in)
			if tc.rule == "" {
				require.NoError(t, err)
				assert.Equal(t, tc.want, id.String())
				return
			}
			var fe *mykey.FormError
			require.ErrorAs(t, err, &fe)
			assert.ErrorIs(t, err, mykey.ErrForm)
			assert.Equal(t, tc.rule, fe.Rule)
			assert.Equal(t, tc.pos, fe.Pos)
			assert.True(t, id.IsZero())
			if len(tc.in) >= mykey.IDLen {
				assert.NotContains(t, err.Error(), tc.in)
			}
		})
	}
}

// The letter O and the digit 0 name different people, whatever is folded.
func TestIDNeverFoldsLookAlikes(t *testing.T) {
	for _, pair := range [][2]string{{"OOOOOOOO", "00000000"}, {"IIIIIIII", "11111111"}, {"oｏOＯoooo", "0０000000"}} {
		a, err := mykey.ParseIDFold(pair[0])
		require.NoError(t, err)
		b, err := mykey.ParseIDFold(pair[1])
		require.NoError(t, err)
		assert.NotEqual(t, a, b)
	}
}

func TestIDText(t *testing.T) {
	id, err := mykey.ParseID("MY123456")
	require.NoError(t, err)
	out, err := json.Marshal(map[mykey.ID]mykey.ID{id: id})
	require.NoError(t, err)
	assert.JSONEq(t, `{"MY123456":"MY123456"}`, string(out))

	var back map[mykey.ID]mykey.ID
	require.NoError(t, json.Unmarshal(out, &back))
	assert.Equal(t, map[mykey.ID]mykey.ID{id: id}, back)

	got := id
	assert.ErrorIs(t, json.Unmarshal([]byte(`"my123456"`), &got), mykey.ErrForm)
	assert.ErrorIs(t, json.Unmarshal([]byte(`""`), &got), mykey.ErrForm)
	assert.Equal(t, id, got, "a failed read leaves the value alone")

	_, err = json.Marshal(mykey.ID{})
	assert.ErrorIs(t, err, mykey.ErrForm)
	out, err = json.Marshal(struct {
		ID mykey.ID `json:"id,omitzero"`
	}{})
	require.NoError(t, err)
	assert.Equal(t, `{}`, string(out))
}

func TestIDColumn(t *testing.T) {
	id, err := mykey.ParseID("MY123456")
	require.NoError(t, err)
	v, err := id.Value()
	require.NoError(t, err)
	for _, src := range []any{v, []byte("MY123456")} {
		var got mykey.ID
		require.NoError(t, got.Scan(src))
		assert.Equal(t, id, got)
	}
	v, err = mykey.ID{}.Value()
	require.NoError(t, err)
	assert.Nil(t, v)
	got := id
	require.NoError(t, got.Scan(nil))
	assert.True(t, got.IsZero())
	for _, bad := range []any{int64(12345678), "MY12345 ", 1.5, true} {
		got = id
		assert.ErrorIs(t, got.Scan(bad), mykey.ErrForm, "%v", bad)
		assert.Equal(t, id, got)
	}
}

func TestIDCompare(t *testing.T) {
	a, _ := mykey.ParseID("0AAAAAAA")
	b, _ := mykey.ParseID("AAAAAAAA")
	assert.Equal(t, -1, a.Compare(b))
	assert.Equal(t, 1, b.Compare(a))
	assert.Equal(t, 0, a.Compare(a))
	assert.Equal(t, -1, mykey.ID{}.Compare(a))
}

func FuzzParseID(f *testing.F) {
	seeds := []string{"MY123456", "mykey123", "ＭＹ１２３４５６", "", "MY12345", "MY1234567", "\xff\xfe", "МY123456", strings.Repeat("A", 4096)}
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		in = in[:len(in):len(in)]
		id, err := mykey.ParseIDFold(string(in))
		strict, serr := mykey.ParseID(string(in))
		if err != nil {
			var fe *mykey.FormError
			if !errors.As(err, &fe) || fe.Pos < 0 || fe.Pos > len(in) {
				t.Fatalf("error %v of %q", err, in)
			}
			if !id.IsZero() || serr == nil {
				t.Fatalf("%q: refused folded, yet id %q, strict error %v", in, id, serr)
			}
			return
		}
		// What is accepted is its own strict form, and a text that is
		// strictly valid is never altered by a fold.
		again, err := mykey.ParseID(id.String())
		if err != nil || again != id {
			t.Fatalf("%q gave %q, which reads back as %q, %v", in, id, again, err)
		}
		if serr == nil && strict.String() != string(in) {
			t.Fatalf("strict parse changed %q to %q", in, strict)
		}
	})
}
