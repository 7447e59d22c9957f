package e2e

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/simcard"
)

func TestSerialCost(t *testing.T) {
	for _, tt := range []struct {
		name      string
		quirks    simcard.Quirks
		opts      []jpki.Option
		exchanges int
	}{
		{"by short identifier", simcard.Quirks{}, nil, 2},
		{"known to refuse short identifiers", simcard.Quirks{NoShortEF: true}, []jpki.Option{jpki.WithoutShortEF()}, 3},
		{"found to refuse short identifiers", simcard.Quirks{NoShortEF: true}, nil, 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for n := range uint(20) {
				card := newCard(simcard.WithQuirks(tt.quirks), simcard.WithHolder(simcard.SampleHolder(n)))
				c := open(t, card, tt.opts...)
				serial, err := c.Serial(context.Background(), jpki.Auth)
				require.NoError(t, err)
				assert.Equal(t, card.AuthCertificate().SerialNumber, serial.BigInt())
				stats := c.Stats()
				assert.Equal(t, tt.exchanges, stats.Exchanges)
				assert.LessOrEqual(t, stats.BytesSent+stats.BytesReceived, 90)
			}
		})
	}
}

// A serial of any length that the law of certificates allows comes out of the
// same 36 bytes.
func TestSerialOfEveryLength(t *testing.T) {
	for size := 1; size <= jpki.MaxSerial; size++ {
		for _, first := range []byte{0x01, 0x7F, 0x80, 0xFF} {
			if size == jpki.MaxSerial && first >= 0x80 {
				continue // 21 octets in DER: crypto/x509 does not issue them
			}
			want := bytes.Repeat([]byte{0xA5}, size)
			want[0] = first
			card := newCard(simcard.WithAuthProfile(func(c *x509.Certificate) { c.SerialNumber.SetBytes(want) }))
			c := open(t, card)
			serial, err := c.Serial(context.Background(), jpki.Auth)
			require.NoError(t, err)
			assert.Equal(t, want, serial.Bytes())
			assert.Equal(t, 2, c.Stats().Exchanges)
		}
	}
}

func TestCertificates(t *testing.T) {
	for _, quirks := range []simcard.Quirks{{}, {NoShortEF: true}, {NoExtendedLength: true}} {
		card := newCard(simcard.WithQuirks(quirks))
		c := open(t, card)
		verified(t, c, jpki.SignPIN, signPIN)
		for slot, want := range map[jpki.Slot]*x509.Certificate{
			jpki.Auth: card.AuthCertificate(), jpki.Sign: card.SignCertificate(),
			jpki.AuthCA: card.Authority().Auth().Certificate(), jpki.SignCA: card.Authority().Sign().Certificate(),
		} {
			before := c.Stats().Exchanges
			got, err := c.Certificate(context.Background(), slot)
			require.NoError(t, err)
			assert.Equal(t, want.Raw, got.Raw)
			reads := (len(want.Raw) + 255) / 256
			if quirks.NoShortEF {
				reads++ // SELECT EF
			}
			assert.Equal(t, reads, c.Stats().Exchanges-before, "%s, %d bytes", slot, len(want.Raw))
			serial, err := c.Serial(context.Background(), slot)
			require.NoError(t, err)
			want, err := jpki.SerialOf(want)
			require.NoError(t, err)
			assert.Equal(t, want, serial)
		}
	}
}

// Every size of certificate around the size of a piece.
func TestCertificateSizes(t *testing.T) {
	for pad := range 300 {
		card := newCard(simcard.WithAuthProfile(func(c *x509.Certificate) {
			c.Subject.CommonName = "N"
			c.OCSPServer = []string{"http://" + string(bytes.Repeat([]byte{'o'}, pad)) + ".test"}
		}))
		want := card.AuthCertificate()
		require.NotNil(t, want)
		c := open(t, card)
		got, err := c.Certificate(context.Background(), jpki.Auth)
		require.NoError(t, err)
		require.Equal(t, want.Raw, got.Raw)
		require.Equal(t, 1+(len(want.Raw)+255)/256, c.Stats().Exchanges)
	}
}

func TestKinds(t *testing.T) {
	for sim, want := range map[simcard.Kind]jpki.Kind{
		simcard.Plastic: jpki.KindPlastic, simcard.Child: jpki.KindPlastic, simcard.Juki: jpki.KindJuki,
		simcard.Android: jpki.KindAndroid, simcard.IPhone: jpki.KindIPhone,
	} {
		c := open(t, newCard(simcard.WithKind(sim)))
		kind, err := c.Kind(context.Background())
		require.NoError(t, err)
		assert.Equal(t, want, kind)
		assert.Equal(t, 2, c.Stats().Exchanges)
	}
}

// A phone gives the certificate for user authentication behind its PIN only.
func TestPhone(t *testing.T) {
	for _, kind := range []simcard.Kind{simcard.Android, simcard.IPhone} {
		card := newCard(simcard.WithKind(kind))
		c := open(t, card)
		_, err := c.Serial(context.Background(), jpki.Auth)
		var required *jpki.PINRequiredError
		require.ErrorAs(t, err, &required)
		assert.Equal(t, jpki.AuthPIN, required.PIN)
		verified(t, c, jpki.AuthPIN, authPIN)
		serial, err := c.Serial(context.Background(), jpki.Auth)
		require.NoError(t, err)
		assert.Equal(t, card.AuthCertificate().SerialNumber, serial.BigInt())
	}
}

// A child has no certificate for digital signature, and is not asked for the
// PIN of one.
func TestChild(t *testing.T) {
	c := open(t, newCard(simcard.WithKind(simcard.Child)))
	has, err := c.HasCertificate(context.Background(), jpki.Sign)
	require.NoError(t, err)
	assert.False(t, has)
	has, err = c.HasCertificate(context.Background(), jpki.Auth)
	require.NoError(t, err)
	assert.True(t, has)
	_, err = c.Certificate(context.Background(), jpki.Sign)
	require.ErrorIs(t, err, jpki.ErrNoCertificate)
	_, err = c.Signer(context.Background(), jpki.Sign)
	require.ErrorIs(t, err, jpki.ErrNoCertificate)
	_, err = c.Serial(context.Background(), jpki.Auth)
	require.NoError(t, err)
}

func TestSignCertificateWantsPIN(t *testing.T) {
	c := open(t, newCard())
	_, err := c.Certificate(context.Background(), jpki.Sign)
	var required *jpki.PINRequiredError
	require.ErrorAs(t, err, &required)
	assert.Equal(t, jpki.SignPIN, required.PIN)
	_, err = c.Sign(context.Background(), jpki.Auth, digest[:], crypto.SHA256)
	require.ErrorAs(t, err, &required)
	assert.Equal(t, jpki.AuthPIN, required.PIN)
}

// Tap to signature, the counter read first: four exchanges.
func TestSignatureCost(t *testing.T) {
	for _, tt := range []struct {
		quirks    simcard.Quirks
		opts      []jpki.Option
		exchanges int
	}{
		{simcard.Quirks{}, nil, 4},
		{simcard.Quirks{NoShortEF: true}, []jpki.Option{jpki.WithoutShortEF()}, 6},
		{simcard.Quirks{NoShortEF: true}, nil, 7},
	} {
		card := newCard(simcard.WithQuirks(tt.quirks))
		c := open(t, card, tt.opts...)
		verified(t, c, jpki.AuthPIN, authPIN)
		signature, err := c.Sign(context.Background(), jpki.Auth, digest[:], crypto.SHA256)
		require.NoError(t, err)
		assert.Equal(t, tt.exchanges, c.Stats().Exchanges)
		require.NoError(t, rsa.VerifyPKCS1v15(card.AuthCertificate().PublicKey.(*rsa.PublicKey), crypto.SHA256, digest[:], signature))
	}
}

func TestSignatures(t *testing.T) {
	message := []byte("what is signed")
	d384, d512 := sha512.Sum384(message), sha512.Sum512(message)
	card := newCard()
	c := open(t, card)
	verified(t, c, jpki.AuthPIN, authPIN)
	verified(t, c, jpki.SignPIN, signPIN)
	for slot, cert := range map[jpki.Slot]*x509.Certificate{jpki.Auth: card.AuthCertificate(), jpki.Sign: card.SignCertificate()} {
		k, err := c.Signer(context.Background(), slot)
		require.NoError(t, err)
		assert.Equal(t, cert.Raw, k.Certificate().Raw)
		assert.True(t, cert.PublicKey.(*rsa.PublicKey).Equal(k.Public()))
		for algorithm, sign := range map[x509.SignatureAlgorithm]func() ([]byte, error){
			x509.SHA256WithRSA:    func() ([]byte, error) { return k.Sign(nil, digest[:], crypto.SHA256) },
			x509.SHA384WithRSA:    func() ([]byte, error) { return k.Sign(nil, d384[:], crypto.SHA384) },
			x509.SHA512WithRSA:    func() ([]byte, error) { return k.Sign(nil, d512[:], crypto.SHA512) },
			x509.SHA256WithRSAPSS: func() ([]byte, error) { return k.Sign(nil, digest[:], pss) },
		} {
			signature, err := sign()
			require.NoError(t, err)
			require.NoError(t, cert.CheckSignature(algorithm, message, signature), "%s %s", slot, algorithm)
		}
	}
}

func TestCardWithoutPSS(t *testing.T) {
	c := open(t, newCard(simcard.WithQuirks(simcard.Quirks{NoPSS: true})))
	verified(t, c, jpki.AuthPIN, authPIN)
	_, err := c.Sign(context.Background(), jpki.Auth, digest[:], pss)
	var unsupported *jpki.UnsupportedError
	require.ErrorAs(t, err, &unsupported)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	_, err = c.Sign(context.Background(), jpki.Auth, digest[:], crypto.SHA256)
	require.NoError(t, err)
}

func TestPINs(t *testing.T) {
	ctx := context.Background()
	for _, kind := range []struct {
		pin          jpki.PINKind
		sim          simcard.PIN
		right, wrong string
		full         int
	}{
		{jpki.AuthPIN, simcard.AuthPIN, authPIN, wrongAuthPIN, 3},
		{jpki.SignPIN, simcard.SignPIN, signPIN, wrongSignPIN, 5},
	} {
		for _, quirks := range []simcard.Quirks{{}, {NoShortEF: true}, {BlockedStatus: apdu.AuthenticationBlocked}} {
			card := newCard(simcard.WithQuirks(quirks))
			c := open(t, card)
			right, wrong := mustPIN(t, kind.pin, kind.right), mustPIN(t, kind.pin, kind.wrong)
			tries := func(want int) {
				t.Helper()
				got, err := c.Tries(ctx, kind.pin)
				require.NoError(t, err)
				assert.Equal(t, want, got)
				assert.Equal(t, want, card.Tries(kind.sim))
			}
			var pin *jpki.PINError
			var last *jpki.LastTryError

			tries(kind.full)
			for left := kind.full - 1; left >= 1; left-- {
				require.ErrorAs(t, c.Verify(ctx, wrong), &pin)
				assert.Equal(t, jpki.PINError{PIN: kind.pin, Left: left}, *pin)
				tries(left)
			}
			for _, p := range []jpki.PIN{wrong, right} {
				require.ErrorAs(t, c.Verify(ctx, p), &last)
				assert.Equal(t, kind.pin, last.PIN)
				tries(1)
			}
			require.NoError(t, c.Verify(ctx, right, jpki.AllowLastTry()))
			tries(kind.full)

			for range kind.full - 1 {
				require.Error(t, c.Verify(ctx, wrong))
			}
			tries(1)
			require.ErrorAs(t, c.Verify(ctx, wrong, jpki.AllowLastTry()), &pin)
			assert.Equal(t, jpki.PINError{PIN: kind.pin, Blocked: true}, *pin)
			tries(0)
			require.ErrorAs(t, c.Verify(ctx, right, jpki.AllowLastTry()), &pin)
			assert.True(t, pin.Blocked)
			assert.False(t, card.Verified(kind.sim))
		}
	}
}

// The password for signature is kept in capital letters; a holder may type it
// otherwise.
func TestSignPINInLowerCase(t *testing.T) {
	card := newCard()
	verified(t, open(t, card), jpki.SignPIN, "qz8842xwk")
	assert.True(t, card.Verified(simcard.SignPIN))
}

func TestNotJPKI(t *testing.T) {
	_, err := jpki.Open(context.Background(), answers{0x6A, 0x82})
	require.ErrorIs(t, err, jpki.ErrNotJPKI)
	removed := newCard()
	removed.Remove()
	_, err = jpki.Open(context.Background(), removed)
	require.ErrorIs(t, err, apdu.ErrCardRemoved)
}

// answers is a card that says one thing.
type answers []byte

func (a answers) Transmit([]byte) ([]byte, error) { return bytes.Clone(a), nil }

// Callers of one Card take turns. Run with the race detector.
func TestConcurrentUse(t *testing.T) {
	card := newCard()
	c := open(t, card)
	verified(t, c, jpki.AuthPIN, authPIN)
	k, err := c.Signer(context.Background(), jpki.Auth)
	require.NoError(t, err)
	pin := mustPIN(t, jpki.AuthPIN, authPIN)
	want, err := jpki.SerialOf(card.AuthCertificate())
	require.NoError(t, err)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				serial, err := c.Serial(context.Background(), jpki.Auth)
				assert.NoError(t, err)
				assert.Equal(t, want == serial, true)
				_, err = c.Certificate(context.Background(), jpki.AuthCA)
				assert.NoError(t, err)
				assert.NoError(t, c.Verify(context.Background(), pin))
				_, err = k.Sign(nil, digest[:], crypto.SHA256)
				assert.NoError(t, err)
				c.Stats()
			}
		})
	}
	wg.Wait()
}

// Every flow with tracing on, right and wrong, and nothing of the holder's in
// the trace.
func TestTraceHoldsNoSecret(t *testing.T) {
	var out bytes.Buffer
	drop := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "took" {
			return slog.Attr{} // digits that change
		}
		return a
	}
	options := &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: drop}
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, options), slog.NewJSONHandler(&out, options)} {
		log := slog.New(handler)
		for _, quirks := range []simcard.Quirks{{}, {NoShortEF: true}} {
			for _, f := range flows(t) {
				card := newCard(simcard.WithQuirks(quirks))
				c := apdu.Trace(card, log)
				result, err := f.run(context.Background(), c)
				log.Debug("done", "flow", f.name, "error", err, "bytes", len(result))
			}
		}
	}
	card := newCard()
	c := open(t, card)
	serial, err := c.Serial(context.Background(), jpki.Auth)
	require.NoError(t, err)
	pin := mustPIN(t, jpki.SignPIN, signPIN)
	log := slog.New(slog.NewJSONHandler(&out, options))
	log.Info("values", "serial", serial, "pin", pin, "both", []any{serial, pin})
	require.NoError(t, json.NewEncoder(&out).Encode([]any{serial, pin, map[string]any{"serial": serial}}))
	fmt.Fprintf(&out, "%v %+v %#v %s %x %d", serial, serial, pin, pin, pin, serial)

	assert.Greater(t, out.Len(), 10000)
	assert.Contains(t, out.String(), "VERIFY")
	assert.Contains(t, out.String(), "D392F000260100000001")
	assert.Empty(t, leaks(out.String(), secrets(card)))
}

// What the two packages agree on without sharing a constant: a message signed
// on the card verifies in the standard library, by way of certificates that
// chain to the test authority.
func TestCertificatesChain(t *testing.T) {
	card := newCard()
	c := open(t, card)
	cert, err := c.Certificate(context.Background(), jpki.Auth)
	require.NoError(t, err)
	_, err = cert.Verify(x509.VerifyOptions{Roots: card.Authority().Roots(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	require.NoError(t, err)
	sum := sha256.Sum256(cert.RawTBSCertificate)
	ca, err := c.Certificate(context.Background(), jpki.AuthCA)
	require.NoError(t, err)
	require.NoError(t, rsa.VerifyPKCS1v15(ca.PublicKey.(*rsa.PublicKey), crypto.SHA256, sum[:], cert.Signature))
}
