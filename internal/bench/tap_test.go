package bench

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/apdu/tlv"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/simcard/link"
)

// A wire is a card at the end of a link, counting what goes over it.
type wire struct {
	card *link.Card
	sent int // bytes both ways
	err  error
}

func newWire(card *simcard.Card, model link.Model) *wire {
	return &wire{card: &link.Card{Next: card, Model: model}}
}

func (w *wire) Transmit(command []byte) ([]byte, error) {
	reply, err := w.card.Transmit(command)
	w.sent += len(command) + len(reply)
	return reply, err
}

// do sends a command of a client that is replayed and gives the data. After an
// error it does nothing.
func (w *wire) do(command ...byte) []byte {
	data, status := w.try(command...)
	if w.err == nil && status != apdu.OK {
		w.err = fmt.Errorf("%X: %w", command, status)
	}
	return data
}

// try is do where the client goes by the status word.
func (w *wire) try(command ...byte) ([]byte, apdu.Status) {
	if w.err != nil {
		return nil, 0
	}
	reply, err := w.Transmit(command)
	if err != nil {
		w.err = err
		return nil, 0
	}
	r, err := apdu.ParseResponse(reply)
	w.err = err
	return r.Data, r.Status
}

// The commands that they all have.

func (w *wire) selectAP() {
	w.do(0x00, 0xA4, 0x04, 0x0C, 0x0A, 0xD3, 0x92, 0xF0, 0x00, 0x26, 0x01, 0x00, 0x00, 0x00, 0x01)
}

func (w *wire) selectEF(id byte) { w.do(0x00, 0xA4, 0x02, 0x0C, 0x02, 0x00, id) }

func (w *wire) read(offset, n int) []byte {
	return w.do(0x00, 0xB0, byte(offset>>8), byte(offset), byte(n))
}

func (w *wire) tries() { w.try(0x00, 0x20, 0x00, 0x80) }

func (w *wire) verify() {
	w.do(append([]byte{0x00, 0x20, 0x00, 0x80, 4}, simcard.DefaultAuthPIN...)...)
}

// digestInfo is what all of them have the card sign: SHA-256, 51 bytes.
func digestInfo() []byte {
	digest := sha256.Sum256([]byte("2,000 points"))
	return append([]byte("\x30\x31\x30\x0D\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"), digest[:]...)
}

func (w *wire) sign(p2 byte) []byte {
	info := digestInfo()
	return w.do(append(append([]byte{0x80, 0x2A, 0x00, p2, byte(len(info))}, info...), 0)...)
}

// pieces reads a file from offset to size.
func (w *wire) pieces(have []byte, size, piece int) []byte {
	for len(have) < size && w.err == nil {
		have = append(have, w.read(len(have), min(piece, size-len(have)))...)
	}
	return have
}

// size tells the size of a DER object from its beginning.
func (w *wire) size(head []byte) int {
	_, h, n, err := tlv.Header(head)
	if w.err == nil {
		w.err = err
	}
	return h + n
}

// A client is a program, with what it sends between the moment when the card
// is there and the certificate in hand, from which it has the serial number;
// and between that moment and a signature. A client that cannot do one has nil
// there. The certificate may have filler behind it.
//
// The sequences are those of the programs' sources. Where a program asks for
// more than it needs, such as a label to tell cards apart, and one can go
// without it, it is left out. Before they present a PIN, mynakit, opensc and
// jpki-signer-android read how many tries are left; the others do not.
type client struct {
	name   string
	serial func(w *wire) []byte
	sign   func(w *wire) []byte
}

func clients() []client {
	keyByEF := func(w *wire) []byte {
		w.selectEF(0x18)
		w.verify()
		w.selectEF(0x17)
		return w.sign(0x80)
	}
	return []client{
		{"myna-go", func(w *wire) []byte { // jpki/myna, branch go
			w.selectAP()
			w.selectEF(0x0A)
			return w.pieces(nil, w.size(w.read(0, 7)), 256)
		}, func(w *wire) []byte {
			w.selectAP()
			return keyByEF(w)
		}},
		{"myna-rs", func(w *wire) []byte { // jpki/myna, branch master
			w.selectAP()
			w.selectEF(0x06)
			w.read(0, 32)
			w.selectEF(0x0A)
			head := w.read(0, 7)
			return w.pieces(head, w.size(head), 256)
		}, func(w *wire) []byte {
			w.selectAP()
			w.selectEF(0x06)
			w.read(0, 32)
			return keyByEF(w)
		}},
		{"opensc", func(w *wire) []byte { // OpenSC, told which driver to take
			openSC(w)
			w.selectEF(0x0A)
			return w.pieces(nil, w.size(w.read(0, 4)), 256)
		}, func(w *wire) []byte {
			openSC(w)
			return keyByEF(w)
		}},
		{"myna-card", func(w *wire) []byte { // soltia48/myna-card
			w.selectAP()
			w.selectEF(0x0A)
			head := w.read(0, 256)
			return w.pieces(head, w.size(head), 256)
		}, func(w *wire) []byte {
			w.selectAP()
			w.do(append([]byte{0x00, 0x20, 0x00, 0x98, 4}, simcard.DefaultAuthPIN...)...)
			return w.sign(0x97)
		}},
		{"jpki-signer-android", func(w *wire) []byte { // lulitech-dev/jpki-signer-android
			w.selectAP()
			w.selectEF(0x0A)
			head := w.read(0, 8)
			return w.pieces(head, w.size(head), 255)
		}, func(w *wire) []byte {
			w.selectAP()
			w.selectEF(0x18)
			w.tries()
			return keyByEF(w)
		}},
		{"readmynumber-plus", func(w *wire) []byte { // dadachi/readmynumber-plus
			w.selectAP()
			w.selectEF(0x18)
			w.verify()
			w.selectEF(0x0A)
			return w.pieces(nil, w.size(w.read(0, 4)), 256)
		}, nil},
		{"pyjpki", func(w *wire) (file []byte) { // meowkawaiijp/pyjpki
			w.selectAP()
			w.selectEF(0x0A)
			for w.err == nil {
				piece, status := w.try(0x00, 0xB0, byte(len(file)>>8), byte(len(file)), 0xFF)
				if status != apdu.OK || len(piece) == 0 {
					break
				}
				file = append(file, piece...)
			}
			return file
		}, func(w *wire) []byte {
			w.selectAP()
			w.selectEF(0x18)
			w.verify()
			w.selectAP()
			w.selectEF(0x17)
			return w.sign(0x80)
		}},
		{"jsapdu", func(w *wire) []byte { // AokiApp/jsapdu
			w.selectAP()
			return w.do(0x00, 0xB0, 0x8A, 0x00, 0x00, 0x00, 0x00)
		}, nil},
	}
}

// openSC is how OpenSC finds out about the two PINs when it connects.
func openSC(w *wire) {
	w.selectAP()
	w.selectEF(0x18)
	w.tries()
	w.selectEF(0x1B)
	w.tries()
}

// ours is this library, through its public API.
func ours(tb testing.TB) client {
	ctx := context.Background()
	pin, err := jpki.NewPIN(jpki.AuthPIN, simcard.DefaultAuthPIN)
	require.NoError(tb, err)
	open := func(w *wire) *jpki.Card {
		card, err := jpki.Open(ctx, w)
		require.NoError(tb, err)
		return card
	}
	return client{"mynakit", func(w *wire) []byte {
		serial, err := open(w).Serial(ctx, jpki.Auth)
		w.err = err
		return serial.Bytes()
	}, func(w *wire) []byte {
		card := open(w)
		if w.err = card.Verify(ctx, pin); w.err != nil {
			return nil
		}
		digest := sha256.Sum256([]byte("2,000 points"))
		signature, err := card.Sign(ctx, jpki.Auth, digest[:], crypto.SHA256)
		w.err = err
		return signature
	}}
}

// BenchmarkTap replays what each client sends on one software card, and tells
// exchanges, bytes both ways, and the milliseconds that these take on the air
// at two rates, without the card's own time. That of ns/op is the software
// card's: it stands in for nothing.
func BenchmarkTap(b *testing.B) {
	all := append([]client{ours(b)}, clients()...)
	for _, c := range all {
		b.Run("serial/"+c.name, func(b *testing.B) { tap(b, paddedCard(b, usualSize), c.serial) })
	}
	for _, c := range all {
		if c.sign != nil {
			b.Run("signature/"+c.name, func(b *testing.B) { tap(b, paddedCard(b, usualSize), c.sign) })
		}
	}
}

// usualSize is that of a certificate for user authentication, in bytes.
const usualSize = 1583

// BenchmarkTapGrowth is the way to the serial number with larger certificates.
func BenchmarkTapGrowth(b *testing.B) {
	for _, size := range []int{1250, usualSize, 2048, 3000, 4000} {
		card := paddedCard(b, size)
		for _, c := range append([]client{ours(b)}, clients()...) {
			b.Run(fmt.Sprintf("bytes=%d/%s", size, c.name), func(b *testing.B) { tap(b, card, c.serial) })
		}
	}
}

func tap(b *testing.B, card *simcard.Card, f func(*wire) []byte) {
	var slow, fast *wire
	for b.Loop() {
		slow, fast = newWire(card, link.Contactless{Rate: link.Rate106}), newWire(card, link.Contactless{Rate: link.Rate848})
		for _, w := range []*wire{slow, fast} {
			card.PowerOff()
			card.PowerOn()
			if len(f(w)) == 0 || w.err != nil {
				b.Fatal(w.err)
			}
		}
	}
	b.ReportMetric(float64(slow.card.Exchanges()), "exchanges")
	b.ReportMetric(float64(slow.sent), "bytes")
	b.ReportMetric(slow.card.Elapsed().Seconds()*1e3, "ms@106")
	b.ReportMetric(fast.card.Elapsed().Seconds()*1e3, "ms@848")
}

// Every sequence comes to the same serial number and to a signature that
// verifies, in as many exchanges as the sources say.
func TestClientsAgree(t *testing.T) {
	const k = (usualSize + 255) / 256
	want := map[string][2]int{ // exchanges to the serial number, to the signature
		"mynakit": {2, 4}, "myna-go": {3 + k, 5}, "myna-rs": {12, 7}, "opensc": {7 + k, 9}, "myna-card": {2 + k, 3},
		"jpki-signer-android": {10, 7}, "readmynumber-plus": {5 + k, 0}, "pyjpki": {2 + 9 + 1, 6}, "jsapdu": {2, 0},
	}
	bytesBoth := map[string]int{"myna-go": 62 + 1610, "myna-rs": 74 + 1639, "myna-card": 57 + 1601}
	for _, c := range append([]client{ours(t)}, clients()...) {
		t.Run(c.name, func(t *testing.T) {
			card := paddedCard(t, usualSize)
			cert := card.AuthCertificate()
			w := newWire(card, nil)
			got := c.serial(w)
			require.NoError(t, w.err)
			if c.name == "mynakit" {
				assert.Equal(t, cert.SerialNumber.Bytes(), got)
			} else {
				require.True(t, bytes.HasPrefix(got, cert.Raw))
				parsed, err := x509.ParseCertificate(got[:w.size(got)])
				require.NoError(t, err)
				assert.Equal(t, cert.SerialNumber, parsed.SerialNumber)
			}
			assert.Equal(t, want[c.name][0], w.card.Exchanges())
			if n, ok := bytesBoth[c.name]; ok {
				assert.Equal(t, n, w.sent)
			}

			if c.sign == nil {
				return
			}
			card.PowerOff()
			card.PowerOn()
			w = newWire(card, nil)
			signature := c.sign(w)
			require.NoError(t, w.err)
			digest := sha256.Sum256([]byte("2,000 points"))
			require.NoError(t, rsa.VerifyPKCS1v15(cert.PublicKey.(*rsa.PublicKey), crypto.SHA256, digest[:], signature))
			assert.Equal(t, want[c.name][1], w.card.Exchanges())
			assert.Equal(t, 3, card.Tries(simcard.AuthPIN))
		})
	}
}
