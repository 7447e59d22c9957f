package jpki

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"database/sql/driver"
	"encoding"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	_ encoding.TextMarshaler   = Serial{}
	_ encoding.TextMarshaler   = Pseudonym{}
	_ encoding.TextUnmarshaler = (*Pseudonym)(nil)
	_ driver.Valuer            = Pseudonym{}
	_ sql.Scanner              = (*Pseudonym)(nil)
)

func TestParseSerialText(t *testing.T) {
	most := strings.Repeat("FF", MaxSerial)
	for in, want := range map[string]string{
		"030D45": "030D45", "030d45": "030D45", "30D45": "030D45", "0000030D45": "030D45",
		"1": "01", "80": "80", most: most, "00" + most: most,
		"": "", "0": "", "00": "", "0x30D45": "", "03 0D45": "", "-1": "", "+1": "", "030D4G": "", "０３": "",
		"01" + most: "", strings.Repeat("0", 1<<16): "",
	} {
		s, err := ParseSerial(in)
		assert.Equal(t, want, s.Hex(), "%.50q", in)
		assert.Equal(t, want == "", s.IsZero())
		if want == "" {
			require.ErrorIs(t, err, ErrSerial)
			assert.Equal(t, ErrSerial.Error(), err.Error(), "the text is not quoted")
			continue
		}
		require.NoError(t, err)
		again, err := ParseSerial(s.Hex())
		require.NoError(t, err)
		assert.Equal(t, s == again, true)
		n, ok := new(big.Int).SetString(want, 16)
		require.True(t, ok)
		assert.Zero(t, n.Cmp(s.BigInt()))
		assert.Equal(t, n.Bytes(), s.Bytes())
	}
}

func TestSerialBytesAreCopies(t *testing.T) {
	in := []byte{3, 0x0D, 0x45}
	s, err := SerialFromBytes(in)
	require.NoError(t, err)
	in[0] = 9
	s.Bytes()[0] = 9
	assert.Equal(t, "030D45", s.Hex())
}

func TestSerialComparison(t *testing.T) {
	parse := func(text string) Serial {
		s, err := ParseSerial(text)
		require.NoError(t, err)
		return s
	}
	a, b, c := parse("030D45"), parse("00030d45"), parse("030D46")
	assert.True(t, a == b && a.Equal(b))
	assert.False(t, a == c || a.Equal(c) || a.Equal(Serial{}))
	assert.True(t, Serial{}.Equal(Serial{}))
	assert.Len(t, map[Serial]int{a: 1, b: 2, c: 3}, 2)
}

func TestSerialIsNeverPrinted(t *testing.T) {
	secret := []byte("\x51\x52\x53\x54\x55\x56\x57")
	s, err := SerialFromBytes(secret)
	require.NoError(t, err)
	type row struct {
		hidden Serial
		Shown  Serial
		ptr    *Serial
		any    any
	}
	all := row{s, s, &s, s}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%c", "%U", "%t", "%e"} {
		for _, v := range []any{s, &s, all, &all, []Serial{s}, map[Serial]any{s: s}, []any{all}} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("serial", "serial", s, "ptr", &s, "all", all, "map", map[string]Serial{"s": s})
	}
	b, err := json.Marshal([]any{s, &s, all, map[Serial]int{s: 1}})
	require.NoError(t, err)
	out.Write(b)
	assert.Contains(t, out.String(), "[redacted]")
	for _, form := range []string{string(secret), hex.EncodeToString(secret), new(big.Int).SetBytes(secret).String(),
		strings.Trim(fmt.Sprint(secret), "[]"), base64Of(string(secret))[:8], `Q", "R`, "0x51, 0x52"} {
		if strings.Contains(strings.ToUpper(out.String()), strings.ToUpper(form)) {
			t.Errorf("printed as %q", form)
		}
	}
	assert.Equal(t, "[redacted]", s.String())
}

func TestPseudonym(t *testing.T) {
	s, err := ParseSerial("030D45")
	require.NoError(t, err)
	key := []byte("a key that an integrator has")
	h := hmac.New(sha256.New, key)
	h.Write([]byte{0x03, 0x0D, 0x45})
	p := s.Pseudonym(key)
	// A fixed value: databases hold it, so it must never change.
	assert.Equal(t, hex.EncodeToString(h.Sum(nil)), p.String())
	assert.NotEqual(t, p, s.Pseudonym([]byte("another key")))
	same, err := ParseSerial("00030d45")
	require.NoError(t, err)
	assert.True(t, p == same.Pseudonym(key) && p.Equal(same.Pseudonym(key)))

	again, err := ParsePseudonym(strings.ToUpper(p.String()))
	require.NoError(t, err)
	assert.Equal(t, p, again)
	b, err := json.Marshal(p)
	require.NoError(t, err)
	var back Pseudonym
	require.NoError(t, json.Unmarshal(b, &back))
	assert.Equal(t, p, back)
	v, err := p.Value()
	require.NoError(t, err)
	for _, src := range []any{v, []byte(v.(string))} {
		var back Pseudonym
		require.NoError(t, back.Scan(src))
		assert.Equal(t, p, back)
	}
	for _, src := range []any{nil, 5, "", "00", p.String() + "0", strings.Replace(p.String(), p.String()[:1], "g", 1)} {
		back := p
		require.ErrorIs(t, back.Scan(src), ErrPseudonym)
	}
}
