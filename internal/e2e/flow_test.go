package e2e

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/jpki/cms"
	"github.com/mynakit/mynakit/simcard"
)

// PINs that cannot stand in an error or a trace by chance.
const (
	authPIN      = "7391"
	signPIN      = "QZ8842XWK"
	textPIN      = "5937"
	jukiPIN      = "8164"
	commonPIN    = "9473"
	wrongAuthPIN = "6280"
	wrongSignPIN = "VV7713JJP"
	wrongTextPIN = "4829"
	newPIN       = "2716"
	newSignPIN   = "KM55PQ90"
)

var digest = sha256.Sum256([]byte("what is signed"))

var pss = &rsa.PSSOptions{Hash: crypto.SHA256, SaltLength: rsa.PSSSaltLengthEqualsHash}

func newCard(opts ...simcard.Option) *simcard.Card {
	return simcard.New(append([]simcard.Option{
		simcard.WithPIN(simcard.AuthPIN, authPIN), simcard.WithPIN(simcard.SignPIN, signPIN),
		simcard.WithPIN(simcard.TextPIN, textPIN), simcard.WithPIN(simcard.JukiPIN, jukiPIN),
		simcard.WithPIN(simcard.CommonPIN, commonPIN),
	}, opts...)...)
}

func mustPIN(t testing.TB, kind jpki.PINKind, secret string) jpki.PIN {
	t.Helper()
	pin, err := jpki.NewPIN(kind, secret)
	require.NoError(t, err)
	return pin
}

func open(t testing.TB, card apdu.Transmitter, opts ...jpki.Option) *jpki.Card {
	t.Helper()
	c, err := jpki.Open(context.Background(), card, opts...)
	require.NoError(t, err)
	return c
}

func verified(t testing.TB, c *jpki.Card, kind jpki.PINKind, secret string) {
	t.Helper()
	require.NoError(t, c.Verify(context.Background(), mustPIN(t, kind, secret)))
}

// A flow is something a program does with a card, from the tap on. What it
// gives is a text, so that two runs can be compared.
type flow struct {
	name string
	run  func(ctx context.Context, card apdu.Transmitter, opts ...jpki.Option) (string, error)
}

// flows is everything that jpki does. Each begins with Open.
func flows(t testing.TB) []flow {
	pins := map[string]jpki.PIN{}
	for secret, kind := range map[string]jpki.PINKind{
		authPIN: jpki.AuthPIN, wrongAuthPIN: jpki.AuthPIN, signPIN: jpki.SignPIN, wrongSignPIN: jpki.SignPIN,
	} {
		pins[secret] = mustPIN(t, kind, secret)
	}
	var all []flow
	add := func(name string, run func(context.Context, *jpki.Card) (string, error)) {
		all = append(all, flow{name, func(ctx context.Context, card apdu.Transmitter, opts ...jpki.Option) (string, error) {
			c, err := jpki.Open(ctx, card, opts...)
			if err != nil {
				return "", err
			}
			return run(ctx, c)
		}})
	}
	certificate := func(slot jpki.Slot, pin string) func(context.Context, *jpki.Card) (string, error) {
		return func(ctx context.Context, c *jpki.Card) (string, error) {
			if pin != "" {
				if err := c.Verify(ctx, pins[pin]); err != nil {
					return "", err
				}
			}
			cert, err := c.Certificate(ctx, slot)
			if err != nil {
				return "", err
			}
			return hex.EncodeToString(cert.Raw), nil
		}
	}
	verify := func(pin string) func(context.Context, *jpki.Card) (string, error) {
		return func(ctx context.Context, c *jpki.Card) (string, error) {
			return "", c.Verify(ctx, pins[pin])
		}
	}
	sign := func(slot jpki.Slot, pin string, opts crypto.SignerOpts) func(context.Context, *jpki.Card) (string, error) {
		return func(ctx context.Context, c *jpki.Card) (string, error) {
			if err := c.Verify(ctx, pins[pin]); err != nil {
				return "", err
			}
			k, err := c.Signer(ctx, slot)
			if err != nil {
				return "", err
			}
			_, err = k.SignContext(ctx, digest[:], opts)
			return "signed", err
		}
	}
	serial := func(slot jpki.Slot, pin string) func(context.Context, *jpki.Card) (string, error) {
		return func(ctx context.Context, c *jpki.Card) (string, error) {
			if pin != "" {
				if err := c.Verify(ctx, pins[pin]); err != nil {
					return "", err
				}
			}
			s, err := c.Serial(ctx, slot)
			return s.Hex(), err
		}
	}
	add("serial", serial(jpki.Auth, ""))
	add("serial of sign", serial(jpki.Sign, signPIN))
	add("auth certificate", certificate(jpki.Auth, ""))
	add("sign certificate", certificate(jpki.Sign, signPIN))
	add("auth CA certificate", certificate(jpki.AuthCA, ""))
	add("sign CA certificate", certificate(jpki.SignCA, ""))
	add("sign certificate without PIN", certificate(jpki.Sign, ""))
	add("kind", func(ctx context.Context, c *jpki.Card) (string, error) {
		k, err := c.Kind(ctx)
		return k.String(), err
	})
	add("has certificate", func(ctx context.Context, c *jpki.Card) (string, error) {
		has, err := c.HasCertificate(ctx, jpki.Sign)
		return fmt.Sprint(has), err
	})
	add("tries", func(ctx context.Context, c *jpki.Card) (string, error) {
		left, err := c.Tries(ctx, jpki.SignPIN)
		return fmt.Sprint(left), err
	})
	add("verify auth PIN", verify(authPIN))
	add("verify sign PIN", verify(signPIN))
	add("wrong auth PIN", verify(wrongAuthPIN))
	add("wrong sign PIN", verify(wrongSignPIN))
	add("sign with auth key", sign(jpki.Auth, authPIN, crypto.SHA256))
	add("sign with sign key, PSS", sign(jpki.Sign, signPIN, pss))
	message := func(sign func(context.Context, *jpki.Key) ([]byte, error), verify func([]byte) error) func(context.Context, *jpki.Card) (string, error) {
		return func(ctx context.Context, c *jpki.Card) (string, error) {
			if err := c.Verify(ctx, pins[signPIN]); err != nil {
				return "", err
			}
			k, err := c.Signer(ctx, jpki.Sign)
			if err != nil {
				return "", err
			}
			der, err := sign(ctx, k)
			if err != nil {
				return "", err
			}
			if err := verify(der); err != nil {
				return "signed under a certificate that nobody has issued", nil
			}
			return "signed", nil
		}
	}
	v, err := jpki.NewVerifier([]*x509.Certificate{simcard.TestAuthority().Auth().Certificate(), simcard.TestAuthority().Sign().Certificate()})
	require.NoError(t, err)
	add("message", message(func(ctx context.Context, k *jpki.Key) ([]byte, error) { return cms.Sign(ctx, k, signedContent) },
		func(der []byte) error {
			_, err := cms.Verify(context.Background(), v, jpki.Sign, der)
			return err
		}))
	add("detached message", message(func(ctx context.Context, k *jpki.Key) ([]byte, error) { return cms.SignDetached(ctx, k, signedContent) },
		func(der []byte) error {
			_, err := cms.VerifyDetached(context.Background(), v, jpki.Sign, der, signedContent)
			return err
		}))
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		server, client := tlsConfigs(t, simcard.TestAuthority().Roots(), version)
		add(tls.VersionName(version)+" handshake", func(ctx context.Context, c *jpki.Card) (string, error) {
			if err := c.Verify(ctx, pins[authPIN]); err != nil {
				return "", err
			}
			k, err := c.Signer(ctx, jpki.Auth)
			if err != nil {
				return "", err
			}
			key := &witness{Key: k.WithContext(ctx)}
			client := client.Clone()
			client.Certificates = []tls.Certificate{{Certificate: [][]byte{k.Certificate().Raw}, PrivateKey: key, Leaf: k.Certificate()}}
			_, serverErr, clientErr := shake(server, client)
			switch {
			case key.err != nil:
				return "", key.err
			case serverErr != nil || clientErr != nil:
				return "let in nobody", nil // for a certificate that was damaged on its way
			}
			return "let in", nil
		})
	}
	add("sign without PIN", func(ctx context.Context, c *jpki.Card) (string, error) {
		_, err := c.Sign(ctx, jpki.Auth, digest[:], crypto.SHA256)
		return "signed", err
	})
	return append(all, faceFlows(t)...)
}

// A witness keeps the error of a key, of which crypto/tls passes on the text.
type witness struct {
	*jpki.Key
	err error
}

func (w *witness) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	signature, err := w.Key.Sign(rand, digest, opts)
	if err != nil {
		w.err = err
	}
	return signature, err
}

// secrets is everything about a card that must not be found in a text, in the
// forms in which it could stand there.
func secrets(card *simcard.Card) []string {
	holder := simcard.SampleHolder(0)
	raw := []string{authPIN, signPIN, wrongAuthPIN, wrongSignPIN, textPIN, jukiPIN, commonPIN,
		wrongTextPIN, newPIN, newSignPIN, card.Holder().NumberA(), card.Holder().NumberB(), card.Holder().BirthKey(),
		cardNumber(card), holder.Name, holder.Address, holder.Birth.Format("20060102"),
		card.AuthCertificate().Subject.CommonName, card.SignCertificate().Subject.CommonName}
	forms := []string{}
	for _, s := range raw {
		forms = append(forms, s, hex.EncodeToString([]byte(s)), strings.Trim(fmt.Sprint([]byte(s)), "[]"))
		if len(s) > 4 {
			forms = append(forms, base64.RawStdEncoding.EncodeToString([]byte(s))[:len(s)])
		}
	}
	for _, c := range []interface{ Bytes() []byte }{card.AuthCertificate().SerialNumber, card.SignCertificate().SerialNumber} {
		forms = append(forms, hex.EncodeToString(c.Bytes()), strings.Trim(fmt.Sprint(c.Bytes()), "[]"))
	}
	forms = append(forms, card.AuthCertificate().SerialNumber.String(), card.SignCertificate().SerialNumber.String())
	return forms
}

// leaks gives the first of the secrets that stands in text, or "".
func leaks(text string, secrets []string) string {
	text = strings.ToUpper(text)
	for _, s := range secrets {
		if strings.Contains(text, strings.ToUpper(s)) {
			return s
		}
	}
	return ""
}

func TestLeaksFindsSecrets(t *testing.T) {
	card := newCard()
	all := secrets(card)
	require.Greater(t, len(all), 30)
	for _, text := range []string{
		"PIN " + authPIN + " is wrong", fmt.Sprintf("%x", "1"+signPIN), fmt.Sprintf("% X", []byte{1}) + fmt.Sprint([]byte(authPIN)),
		fmt.Sprintf("serial %X", card.AuthCertificate().SerialNumber.Bytes()), card.SignCertificate().SerialNumber.String(),
		simcard.SampleHolder(0).Name, base64.StdEncoding.EncodeToString([]byte(signPIN)),
	} {
		require.NotEmpty(t, leaks(text, all), "%q", text)
	}
	require.Empty(t, leaks("apdu: VERIFY (00 20 00 98): 63C2 2 tries left", all))
}
