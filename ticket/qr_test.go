package ticket_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/mynakit/mynakit/ticket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/width"
)

func TestQR(t *testing.T) {
	k1, k2 := key(t, "K1"), key(t, "K2")
	n := number(t, "0076-5432")
	text, err := ticket.Keys{k1}.Seal("141305-01", n)
	require.NoError(t, err)
	// Fixed for good: a printed ticket must stay readable.
	// The MAC was computed with Python's hmac and base64 modules.
	assert.Equal(t, "MPT1.K1.141305-01.00765432.PKA7AUV3YKMESMEE", text)
	assert.Empty(t, strings.Trim(text, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"), "QR's alphanumeric mode")

	for _, keys := range []ticket.Keys{{k1}, {k2, k1}, {k1, k2}} {
		for _, in := range []string{
			text, text + "\r\n", " " + text + "\t",
			strings.ToLower(text), width.Widen.String(text), width.Widen.String(strings.ToLower(text)), // CapsLock, an input method
			strings.NewReplacer(".", "。", "-", "ー").Replace(text),
			"]Q1" + text, "]q1" + strings.ToLower(text), "\x02" + text + "\x03\r", "\ufeff" + text, "\u00a0" + text + "\u00a0",
			"\x02]Q3" + text + "\x03", "\u200b" + text + "\u3000", width.Widen.String("]Q1" + text),
		} {
			scope, got, err := keys.Open(in)
			require.NoError(t, err)
			assert.Equal(t, ticket.Scope("141305-01"), scope)
			assert.Equal(t, n, got)
		}
	}
	for _, keys := range []ticket.Keys{{}, {k2}} {
		_, _, err := keys.Open(text)
		assert.ErrorIs(t, err, ticket.ErrForged)
	}
	// A key of the same ID and another secret.
	imp, err := ticket.NewKey("K1", []byte("a secret of the forger's own"))
	require.NoError(t, err)
	forged, err := ticket.Keys{imp}.Seal("141305-01", n)
	require.NoError(t, err)
	_, _, err = ticket.Keys{k1}.Open(forged)
	assert.ErrorIs(t, err, ticket.ErrForged)

	// Any one character changed, added or taken away: never accepted.
	for i := range text {
		for _, c := range "0A2Z.-" {
			bad := text[:i] + string(c) + text[i+1:]
			if bad == text {
				continue
			}
			_, got, err := ticket.Keys{k1, k2}.Open(bad)
			assert.Error(t, err, bad)
			assert.True(t, got.IsZero())
			_, _, err = ticket.Keys{k1, k2}.Open(text[:i] + string(c) + text[i:])
			assert.Error(t, err)
		}
		_, _, err = ticket.Keys{k1}.Open(text[:i] + text[i+1:])
		assert.Error(t, err)
		_, _, err = ticket.Keys{k1}.Open(text[:i])
		assert.Error(t, err)
	}
	for _, bad := range []string{text + "2", text[:30] + "\n" + text[30:], "", "MPT1", "MPT2" + text[4:], "]Q7" + text, "]C1" + text, "]Q1", "]Q1]Q1" + text, text[:30] + "\u200b" + text[30:], text + text, text + ".", strings.Repeat("A", 1<<20), "https://example.jp/"} {
		_, _, err := ticket.Keys{k1}.Open(bad)
		assert.ErrorIs(t, err, ticket.ErrQR)
	}
	for _, tc := range []struct {
		keys  ticket.Keys
		scope ticket.Scope
		n     ticket.Number
		want  error
	}{{nil, "A", n, ticket.ErrSecret}, {ticket.Keys{k1}, "a", n, ticket.ErrScope}, {ticket.Keys{k1}, "A", ticket.Number{}, ticket.ErrNumber}} {
		_, err := tc.keys.Seal(tc.scope, tc.n)
		assert.ErrorIs(t, err, tc.want)
	}
}

func TestKey(t *testing.T) {
	secret := []byte("sixteen bytes!!!")
	for _, id := range []string{"", "k1", "KEY12", "K.", "鍵"} {
		_, err := ticket.NewKey(id, secret)
		assert.ErrorIs(t, err, ticket.ErrSecret, id)
	}
	_, err := ticket.NewKey("K1", secret[:15])
	assert.ErrorIs(t, err, ticket.ErrSecret)
	k, err := ticket.NewKey("K1", secret)
	require.NoError(t, err)
	assert.Equal(t, "K1", k.ID())
	a, err := ticket.Keys{k}.Seal("A", number(t, "12345678"))
	require.NoError(t, err)
	clear(secret)
	b, err := ticket.Keys{k}.Seal("A", number(t, "12345678"))
	require.NoError(t, err)
	assert.Equal(t, a, b, "the caller may wipe the secret")

	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		for _, v := range []any{k, &k, ticket.Keys{k}, struct{ K ticket.Key }{k}} {
			line := fmt.Sprintf(verb, v)
			assert.Contains(t, line, "[redacted]", verb)
			out.WriteString(line)
		}
	}
	l := slog.New(slog.NewJSONHandler(&out, nil))
	l.Info("x", "k", k, "ks", ticket.Keys{k}, "cfg", struct{ Keys ticket.Keys }{ticket.Keys{k}})
	js, err := json.Marshal(ticket.Keys{k})
	require.NoError(t, err)
	assert.Equal(t, `["[redacted]"]`, string(js))
	assert.NotContains(t, out.String(), "sixteen")
	assert.NotContains(t, out.String(), "K1", "not even the ID: nothing of it")
}

func FuzzOpenQR(f *testing.F) {
	k1, k2 := key(f, "K1"), key(f, "K2")
	text, err := ticket.Keys{k1}.Seal("141305-01", number(f, "98765432"))
	if err != nil {
		f.Fatal(err)
	}
	other, err := ticket.Keys{key(f, "K3")}.Seal("141305-01", number(f, "98765432"))
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{text, other, text + "\r\n", text[:20], "]Q1" + strings.ToLower(text), width.Widen.String(text), "", "....", strings.Repeat(".", 60), "\xff"} {
		f.Add([]byte(s))
	}
	keys := ticket.Keys{k2, k1}
	f.Fuzz(func(t *testing.T, in []byte) {
		in = in[:len(in):len(in)]
		var scope ticket.Scope
		var n ticket.Number
		var err error
		allocates(t, 2*len(in)+64<<10, func() { scope, n, err = keys.Open(string(in)) })
		if err != nil {
			if scope != "" || !n.IsZero() {
				t.Fatal("an error and a value")
			}
			return
		}
		// Whatever a keyboard made of it, its letters and digits are those that
		// were sealed.
		letters := func(text string) string {
			return strings.Map(func(r rune) rune {
				if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
					return r
				}
				return -1
			}, strings.ToUpper(width.Narrow.String(text)))
		}
		got := letters(string(in))
		for _, k := range keys {
			again, _ := (ticket.Keys{k}).Seal(scope, n)
			if head, ok := strings.CutSuffix(got, letters(again)); ok && (head == "" || len(head) == 2 && head[0] == 'Q') {
				return
			}
		}
		t.Fatalf("%q was accepted, and nobody sealed it", in)
	})
}

func BenchmarkOpenQR(b *testing.B) {
	keys := ticket.Keys{key(b, "K1")}
	text, err := keys.Seal("141305-01", number(b, "98765432"))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		_, sink, _ = keys.Open(text)
	}
}
