package mergefile

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// aesVault stands for an HSM: it gives the cipher and what is derived, and
// never the key.
type aesVault struct {
	block cipher.Block
	key   []byte
	err   error
}

func (v aesVault) Block(context.Context) (cipher.Block, error) { return v.block, v.err }

func (v aesVault) Derive(_ context.Context, info string) ([]byte, error) {
	if v.err != nil {
		return nil, v.err
	}
	return hkdf.Key(sha256.New, v.key, nil, info, 32)
}

func TestVaultAndRawKeyAreOne(t *testing.T) {
	material := []byte("0123456789abcdef")
	secret := []byte("a secret of some length")
	raw, err := NewKey("k", material, secret)
	require.NoError(t, err)
	block, err := aes.NewCipher(material)
	require.NoError(t, err)
	held, err := NewVaultKey("k", aesVault{block: block, key: material}, secret)
	require.NoError(t, err)
	for _, p := range []Profile{Standard(), JavaDefault(), Sidecar(), Envelope()} {
		for _, pair := range [][2]Key{{raw, held}, {held, raw}} {
			var file, mac bytes.Buffer
			w, err := NewWriter(t.Context(), &file, p, pair[0], &WriterOptions{Sidecar: &mac})
			require.NoError(t, err)
			h, err := NewMallHolder("520625")
			require.NoError(t, err)
			tx, err := NewTransaction(time.Date(2017, 5, 12, 0, 30, 0, 0, time.UTC), 1)
			require.NoError(t, err)
			require.NoError(t, w.Write(Record{h, 100, tx}))
			require.NoError(t, w.Close())
			r, err := NewReader(t.Context(), &file, p, pair[1], &ReaderOptions{Sidecar: mac.Bytes()})
			require.NoError(t, err, p.Name)
			require.NoError(t, r.Close())
		}
	}

	p := Standard()
	p.Cipher.IV = IVKey
	_, err = NewWriter(t.Context(), &bytes.Buffer{}, p, held, nil)
	assert.ErrorIs(t, err, ErrKey, "a vault does not give its key for an IV")
	away := errors.New("the HSM is away")
	broken, err := NewVaultKey("k", aesVault{block: block, err: away}, secret)
	require.NoError(t, err)
	for _, p := range []Profile{Standard(), Sidecar(), Envelope()} {
		_, err = NewWriter(t.Context(), &bytes.Buffer{}, p, broken, &WriterOptions{Sidecar: &bytes.Buffer{}})
		assert.ErrorIs(t, err, away)
		_, err = NewReader(t.Context(), strings.NewReader("x"), p, broken, nil)
		assert.ErrorIs(t, err, away)
	}
}

func TestKeyForms(t *testing.T) {
	secret := []byte("s")
	same := func(form KeyForm, material string) []byte {
		k, err := NewKey("", []byte(material), secret)
		require.NoError(t, err)
		b, err := k.aes(&CipherForm{Key: form}, nil)
		require.NoError(t, err)
		return b
	}
	want := []byte("0123456789abcdef")
	assert.Equal(t, want, same(KeyRaw, "0123456789abcdef"))
	assert.Equal(t, want, same(KeyHex, "30313233343536373839616263646566"))
	assert.Equal(t, want, same(KeyBase64, "MDEyMzQ1Njc4OWFiY2RlZg=="))
	assert.Equal(t, want, same(KeyMySQL, "0123456789abcdef"))
	assert.Equal(t, []byte{'0' ^ 'X', '1' ^ 'Y', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'},
		same(KeyMySQL, "0123456789abcdefXY"), "MySQL folds what is longer")
	assert.Equal(t, append([]byte("abc"), make([]byte, 13)...), same(KeyMySQL, "abc"), "and fills what is shorter")

	// RFC 1321, A.5.
	assert.Equal(t, unhex(t, "f96b697d7cb7938d525a2f31aaf161d0"), same(KeyMD5, "message digest"))

	for form, bad := range map[KeyForm][]string{
		KeyRaw:    {"0123456789abcde", "0123456789abcdef0"},
		KeyHex:    {"3031", "zz313233343536373839616263646566", "3031323334353637383961626364656"},
		KeyBase64: {"MDEyMzQ1Njc4OWFiY2RlZg", "MDEyMzQ1Njc4OWFiY2RlZh==", "MDEyMw==", "MDEyMzQ1\nNjc4OWFiY2RlZg==", "MDEyMzQ1Njc4OWFiY2RlZg==\r\n"},
	} {
		for _, material := range bad {
			k, err := NewKey("", []byte(material), secret)
			require.NoError(t, err)
			p := Standard()
			p.Cipher.Key = form
			_, err = NewReader(t.Context(), strings.NewReader(""), p, k, nil)
			assert.ErrorIs(t, err, ErrKey)
			assert.NotContains(t, err.Error(), material[:4], "a key in an error")
			_, err = NewWriter(t.Context(), &bytes.Buffer{}, p, k, nil)
			assert.ErrorIs(t, err, ErrKey)
		}
	}
	for form, bad := range map[SecretForm][]string{SecretHex: {"zz"}, SecretBase64: {"?", "c2Vj\ncmV0"}, SecretCP932: {"𠮷野"}} {
		for _, secret := range bad {
			k, err := NewKey("", want, []byte(secret))
			require.NoError(t, err)
			p := Standard()
			p.Hash.Secret = form
			_, err = NewWriter(t.Context(), &bytes.Buffer{}, p, k, nil)
			assert.ErrorIs(t, err, ErrKey)
		}
	}
}

func TestKeyArguments(t *testing.T) {
	good := []byte("0123456789abcdef")
	for _, c := range []struct {
		id               string
		material, secret []byte
	}{
		{"k", nil, good},
		{"k", good, nil},
		{"k", make([]byte, 5000), good},
		{"k", good, make([]byte, 2000)},
		{"a space", good, good},
		{strings.Repeat("k", 33), good, good},
	} {
		_, err := NewKey(c.id, c.material, c.secret)
		assert.ErrorIs(t, err, ErrKey)
	}
	_, err := NewVaultKey("k", nil, good)
	assert.ErrorIs(t, err, ErrKey)
	k, err := NewKey("", good, good)
	require.NoError(t, err)
	for _, source := range []KeySource{nil, Ring(nil), Ring{Key{}}, Ring(make([]Key, 17))} {
		_, err := NewReader(t.Context(), strings.NewReader(""), Standard(), source, nil)
		assert.ErrorIs(t, err, ErrKey)
	}
	_, err = NewWriter(t.Context(), &bytes.Buffer{}, Envelope(), k, nil)
	assert.ErrorIs(t, err, ErrKey, "an envelope names its key")
	_, err = NewWriter(t.Context(), &bytes.Buffer{}, Sidecar(), k, &WriterOptions{Sidecar: &bytes.Buffer{}})
	assert.ErrorIs(t, err, ErrKey, "a sidecar names its key")
	_, err = NewWriter(t.Context(), &bytes.Buffer{}, Sidecar(), k, nil)
	assert.ErrorIs(t, err, ErrKey, "a sidecar must go somewhere")
	p := Standard()
	p.Cipher.IV = IVFileName
	_, err = NewWriter(t.Context(), &bytes.Buffer{}, p, k, nil)
	assert.ErrorIs(t, err, ErrName)
	_, err = NewReader(t.Context(), strings.NewReader(""), p, k, &ReaderOptions{Name: "short.dat"})
	assert.ErrorIs(t, err, ErrName)
}

// Nothing that prints shows a key, a secret or a holder.
func TestNothingPrints(t *testing.T) {
	k, err := NewKey("kid", []byte("KEYKEYKEYKEYKEY!"), []byte("SECRETSECRETSECRET"))
	require.NoError(t, err)
	h, err := NewMallHolder("HOLDER520625")
	require.NoError(t, err)
	tx, err := NewTransaction(time.Date(2017, 5, 12, 0, 30, 0, 0, time.UTC), 1)
	require.NoError(t, err)
	r := Record{h, 100, tx}
	ring := Ring{k}
	var out bytes.Buffer
	for _, v := range []any{k, &k, ring, h, &h, r, &r, []Record{r}, map[string]Record{"a": r}, struct{ K Key }{k}, struct{ k Key }{k}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		fmt.Fprintln(&out, v)
		j, err := json.Marshal(v)
		require.NoError(t, err)
		out.Write(j)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "v", v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("m", "v", v)
	}
	for _, s := range []string{"KEYKEY", "SECRET", "HOLDER", "520625"} {
		for _, spelled := range []string{s, fmt.Sprintf("%x", s), fmt.Sprintf("%X", s), strings.Trim(fmt.Sprint([]byte(s)), "[]")} {
			assert.False(t, strings.Contains(out.String(), spelled), "%q is in the output", spelled)
		}
	}
	assert.Contains(t, out.String(), "[redacted]")
}

// The work that a profile asks of a passphrase is bounded, and whoever waits for
// a ring of them can leave after each.
func TestDerivationsEnd(t *testing.T) {
	p := OpenSSLPBKDF2()
	most := keyForms.row(KeyPBKDF2).rounds
	p.Cipher.Iterations = most + 1
	var e *ProfileError
	require.ErrorAs(t, p.Validate(), &e)
	assert.Equal(t, "cipher.iterations", e.Axis)

	p.Cipher.Iterations = most
	ctx, cancel := context.WithCancel(t.Context())
	var ring Ring
	for range maxKeys {
		k, err := NewKey("", []byte("a passphrase"), []byte("secret"))
		require.NoError(t, err)
		ring = append(ring, k)
	}
	cancelled := stopAfterFirst{ring: ring, cancel: cancel}
	_, err := NewReader(ctx, strings.NewReader("Salted__12345678"+strings.Repeat("x", 160)), p, cancelled, nil)
	assert.ErrorIs(t, err, context.Canceled)
	assert.NotErrorIs(t, err, ErrInvalid)
}

// stopAfterFirst ends the context when the keys have been fetched.
type stopAfterFirst struct {
	ring   Ring
	cancel context.CancelFunc
}

func (s stopAfterFirst) Keys(ctx context.Context) ([]Key, error) {
	s.cancel()
	return s.ring, nil
}
