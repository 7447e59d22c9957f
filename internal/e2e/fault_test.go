package e2e

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/simcard"
)

// long asks for everything and not a sample: MYNAKIT_LONG=1.
var long = os.Getenv("MYNAKIT_LONG") != ""

// A fault is one way for an exchange to fail.
type fault struct {
	name string
	// unseen faults befall the command on its way: the card never gets it.
	unseen bool
	// garbles says that the reply is of the right form and wrong content, which
	// no reader of a card can tell at that moment.
	garbles bool
	status  bool // another status word
	reply   func(right []byte) ([]byte, error)
}

var errTransport = errors.New("reader: protocol error")

func faults() []fault {
	gone := func([]byte) ([]byte, error) { return nil, fmt.Errorf("reader: %w", apdu.ErrCardRemoved) }
	broken := func([]byte) ([]byte, error) { return nil, errTransport }
	empty := func([]byte) ([]byte, error) { return nil, nil }
	all := []fault{
		{name: "removed before", unseen: true, reply: gone},
		{name: "removed after", reply: gone},
		{name: "transport error before", unseen: true, reply: broken},
		{name: "transport error after", reply: broken},
		{name: "no bytes, before", unseen: true, reply: empty},
		{name: "no bytes, after", reply: empty},
		{name: "torn to one byte", reply: func(r []byte) ([]byte, error) { return r[:1], nil }},
		{name: "torn within", garbles: true, reply: func(r []byte) ([]byte, error) { return r[:(len(r)+1)/2], nil }},
		{name: "status cut off", garbles: true, reply: func(r []byte) ([]byte, error) { return r[:max(len(r)-2, 0)], nil }},
		{name: "half the data", reply: func(r []byte) ([]byte, error) {
			n := len(r) - 2
			return append(bytes.Clone(r[:n/2]), r[n:]...), nil
		}},
		{name: "one byte of data less", reply: func(r []byte) ([]byte, error) {
			n := max(len(r)-3, 0)
			return append(bytes.Clone(r[:n]), r[len(r)-2:]...), nil
		}},
		{name: "one byte of data more", reply: func(r []byte) ([]byte, error) {
			n := len(r) - 2
			return append(append(bytes.Clone(r[:n]), 0x5A), r[n:]...), nil
		}},
		{name: "70,000 bytes of data", reply: func(r []byte) ([]byte, error) {
			return append(bytes.Repeat([]byte{0x30}, 70000), 0x90, 0x00), nil
		}},
		{name: "shifted", garbles: true, reply: func(r []byte) ([]byte, error) {
			n := len(r) - 2
			if n < 2 {
				return r[:1], nil
			}
			return append(append([]byte{r[n-1]}, r[:n-1]...), r[n:]...), nil
		}},
		{name: "zeroed", garbles: true, reply: func(r []byte) ([]byte, error) {
			return append(make([]byte, len(r)-2), r[len(r)-2:]...), nil
		}},
		{name: "the same bytes all over", garbles: true, reply: func(r []byte) ([]byte, error) {
			return append(bytes.Repeat([]byte{0xFF}, len(r)-2), r[len(r)-2:]...), nil
		}},
	}
	positions := []int{0, 1, 2, 3, 6, 9, 13, 16, 20, 40, 100, 180, 255}
	if long {
		positions = nil
		for i := range 256 {
			positions = append(positions, i)
		}
	}
	for _, at := range positions {
		all = append(all, fault{name: fmt.Sprintf("byte %d garbled", at), garbles: true, reply: func(r []byte) ([]byte, error) {
			r = bytes.Clone(r)
			if at < len(r)-2 {
				r[at] ^= 0x55
			} else {
				r = r[:1]
			}
			return r, nil
		}})
	}
	words := []apdu.Status{
		0x0000, 0x6000, 0x6100, 0x6101, 0x61FF, 0x6200, 0x6282, 0x6283, 0x6300, 0x63C0, 0x63C1, 0x63C2, 0x63CF,
		0x6400, 0x6581, 0x6700, 0x6881, 0x6882, 0x6981, 0x6982, 0x6983, 0x6984, 0x6985, 0x6986, 0x6987, 0x69FC,
		0x6A80, 0x6A81, 0x6A82, 0x6A83, 0x6A86, 0x6A87, 0x6A88, 0x6B00, 0x6C00, 0x6C01, 0x6CFF, 0x6D00, 0x6E00,
		0x6F00, 0x9000, 0x9001, 0x9100, 0xFFFF,
	}
	for _, w := range words {
		sw := []byte{byte(w >> 8), byte(w)}
		// What a card may well answer to a question about its tries.
		answer := w == apdu.OK || w.Is(apdu.Counter) || w == apdu.AuthenticationBlocked || w == apdu.ReferenceDataNotUsable
		all = append(all,
			fault{name: w.String() + " instead", garbles: answer, status: true, reply: func([]byte) ([]byte, error) { return sw, nil }},
			fault{name: w.String() + " behind the data", garbles: answer, status: true, reply: func(r []byte) ([]byte, error) {
				return append(bytes.Clone(r[:len(r)-2]), sw...), nil
			}},
		)
		if long {
			all = append(all, fault{name: w.String() + " unseen", unseen: true, garbles: answer, status: true, reply: func([]byte) ([]byte, error) { return sw, nil }})
		}
	}
	return all
}

// A faulty is a card with one fault at one exchange, or from that one on. It
// keeps count of what a holder would mind.
type faulty struct {
	card     apdu.Transmitter
	fault    fault
	at       int // exchange, from 0; -1: none
	forever  bool
	n        int
	verifies int // VERIFY with a PIN in it
	changes  int // a new PIN
}

func (f *faulty) Transmit(command []byte) ([]byte, error) {
	n := f.n
	f.n++
	if len(command) > 5 && command[1] == apdu.InsVerify {
		f.verifies++
	}
	if command[1] == apdu.InsChangeReferenceData || command[1] == apdu.InsChangeKey {
		f.changes++
	}
	if n != f.at && (!f.forever || n < f.at) {
		return f.card.Transmit(command)
	}
	var right []byte
	if f.fault.unseen {
		right = []byte{0x90, 0x00}
	} else {
		var err error
		if right, err = f.card.Transmit(command); err != nil {
			return nil, err
		}
	}
	return f.fault.reply(right)
}

// Every exchange of every flow fails once in every way, and once for good.
func TestEveryExchangeFails(t *testing.T) {
	all := faults()
	for m, mode := range []struct {
		name   string
		quirks simcard.Quirks
		opts   []jpki.Option
	}{
		{"short identifiers", simcard.Quirks{}, nil},
		{"short identifiers refused", simcard.Quirks{NoShortEF: true}, nil},
		{"without short identifiers", simcard.Quirks{NoShortEF: true, BlockedStatus: apdu.AuthenticationBlocked}, []jpki.Option{jpki.WithoutShortEF()}},
	} {
		t.Run(mode.name, func(t *testing.T) {
			secret := secrets(newCard())
			runs := 0
			for _, f := range flows(t) {
				smooth := &faulty{card: newCard(simcard.WithQuirks(mode.quirks)), at: -1}
				want, wantErr := f.run(context.Background(), smooth, mode.opts...)
				require.Equal(t, strings.HasPrefix(f.name, "wrong") || strings.Contains(f.name, "without PIN"), wantErr != nil, f.name)
				exchanges := smooth.n
				card := newCard(simcard.WithQuirks(mode.quirks))
				for at := range exchanges {
					if !long && at > 4 && at < exchanges-2 {
						continue // the middle of a file is like its beginning
					}
					for i, fault := range all {
						if !long && m > 0 && (at+i)%4 != 0 {
							continue // a fourth, another one at each exchange
						}
						for _, forever := range []bool{false, true} {
							if !long && forever && fault.status {
								continue
							}
							if spent(card) > 0 || strings.HasPrefix(f.name, "change") {
								card = newCard(simcard.WithQuirks(mode.quirks))
							}
							card.PowerOff() // and no PIN is verified
							card.PowerOn()
							bad := &faulty{card: card, fault: fault, at: at, forever: forever}
							got, err := f.run(context.Background(), bad, mode.opts...)
							check(t, outcome{f, fault, at, forever, card, bad, got, want, err, secret})
							runs++
						}
					}
				}
			}
			t.Logf("%d runs", runs)
		})
	}
}

// spent is how many tries a card has lost, of all its PINs.
func spent(card *simcard.Card) int {
	n := 3 + 5 + 3 + 3 + 3 + 5*10
	for pin := simcard.AuthPIN; pin <= simcard.BirthKey; pin++ {
		n -= card.Tries(pin)
	}
	return n
}

type outcome struct {
	flow    flow
	fault   fault
	at      int
	forever bool
	card    *simcard.Card
	bad     *faulty
	got     string
	want    string
	err     error
	secrets []string
}

func check(t *testing.T, o outcome) {
	t.Helper()
	fail := func(format string, args ...any) {
		t.Helper()
		t.Errorf("%s, exchange %d %s (forever %t): %s; error: %v", o.flow.name, o.at, o.fault.name, o.forever, fmt.Sprintf(format, args...), o.err)
	}
	wrong := strings.HasPrefix(o.flow.name, "wrong")
	spent := spent(o.card)
	if spent > 1 || spent == 1 && !wrong {
		fail("%d tries spent", spent)
	}
	if o.bad.verifies > o.flow.pins() {
		fail("VERIFY sent %d times", o.bad.verifies)
	}
	if o.bad.changes > 1 {
		fail("a new PIN sent %d times", o.bad.changes)
	}
	if strings.HasPrefix(o.flow.name, "change") {
		checkChange(t, o, fail)
	}
	if o.bad.n > 2000 {
		fail("%d exchanges", o.bad.n)
	}
	if o.err == nil {
		if o.got == o.want || o.fault.garbles && plausible(o) {
			return
		}
		fail("succeeded with another result")
		return
	}
	var step *jpki.StepError
	if !errors.As(o.err, &step) || step.Step == "" || !strings.Contains(o.err.Error(), step.Step) {
		fail("no step in the error")
	}
	if s := leaks(o.err.Error(), o.secrets); s != "" {
		fail("error holds a secret")
	}
	if spent == 1 && !knows(o.err) {
		fail("a try is spent and the error does not say that it may be")
	}
	if errors.Is(o.err, jpki.ErrOutcomeUnknown) && o.bad.verifies == 0 {
		fail("outcome unknown and no VERIFY was sent")
	}
}

// knows reports whether err tells the holder that a try is or may be gone.
func knows(err error) bool {
	var pin *jpki.PINError
	return errors.Is(err, jpki.ErrOutcomeUnknown) || errors.As(err, &pin)
}

// plausible reports whether a wrong result could not have been told from a
// right one when the bytes arrived: a certificate that its issuer did not
// sign, which verification finds, and what carries no check of its own.
func plausible(o outcome) bool {
	if strings.HasPrefix(o.flow.name, "verified") {
		return false // that is what it means
	}
	if !strings.HasSuffix(o.flow.name, "certificate") || o.flow.name == "has certificate" || o.flow.name == "face certificate" {
		return true
	}
	der, err := hex.DecodeString(o.got)
	if err != nil {
		return false
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return false
	}
	_, err = cert.Verify(x509.VerifyOptions{Roots: o.card.Authority().Roots(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	return err != nil
}

// faultySigner gives a key that is ready to sign, and the card between.
func faultySigner(t *testing.T) (*faulty, *jpki.Card, *jpki.Key) {
	t.Helper()
	bad := &faulty{card: newCard(), at: -1}
	c := open(t, bad)
	verified(t, c, jpki.AuthPIN, authPIN)
	k, err := c.Signer(context.Background(), jpki.Auth)
	require.NoError(t, err)
	return bad, c, k
}

// A signature that was damaged on its way is never given out by a Key: every
// byte of it.
func TestGarbledSignature(t *testing.T) {
	ctx := context.Background()
	bad, _, k := faultySigner(t)
	step := 16
	if long {
		step = 1
	}
	for i := 0; i < 256; i += step {
		bad.at = bad.n
		bad.fault = fault{reply: func(r []byte) ([]byte, error) {
			r = bytes.Clone(r)
			r[i] ^= 1
			return r, nil
		}}
		_, err := k.SignContext(ctx, digest[:], pss)
		require.ErrorIs(t, err, jpki.ErrSignature)
	}
}

// A signature that was cut short is a damaged one, and not one of another kind
// of key. Card.Sign, which does not know the key, refuses it as such.
func TestCutSignature(t *testing.T) {
	ctx := context.Background()
	bad, c, k := faultySigner(t)
	bad.fault = fault{reply: func(r []byte) ([]byte, error) { return append(bytes.Clone(r[:96]), 0x90, 0x00), nil }}
	bad.at = bad.n
	_, err := k.SignContext(ctx, digest[:], crypto.SHA256)
	require.ErrorIs(t, err, jpki.ErrSignature)
	bad.at = bad.n
	_, err = c.Sign(ctx, jpki.Auth, digest[:], crypto.SHA256)
	require.ErrorIs(t, err, errors.ErrUnsupported)
}

// The card that is planned has keys that are not RSA: nobody gets a signature
// that does not hold.
func TestNextGenerationDoesNotSign(t *testing.T) {
	ctx := context.Background()
	c := open(t, newCard(simcard.WithKind(simcard.NextGeneration)))
	verified(t, c, jpki.AuthPIN, authPIN)
	for _, hash := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		signature, err := c.Sign(ctx, jpki.Auth, make([]byte, hash.Size()), hash)
		var unsupported *jpki.UnsupportedError
		if hash == crypto.SHA256 {
			require.ErrorAs(t, err, &unsupported)
		}
		require.Error(t, err)
		require.Empty(t, signature)
	}
	_, err := c.Signer(ctx, jpki.Auth)
	var unsupported *jpki.UnsupportedError
	require.ErrorAs(t, err, &unsupported)
}

// After a lost VERIFY the counter is read before another try, and the last
// try is kept.
func TestLostVerify(t *testing.T) {
	ctx := context.Background()
	for _, name := range []string{"removed after", "torn to one byte", "6F00 instead", "6C00 instead", "transport error after"} {
		for _, f := range faults() {
			if f.name != name {
				continue
			}
			card := newCard()
			bad := &faulty{card: card, fault: f, at: 2}
			c := open(t, bad)
			wrong := mustPIN(t, jpki.AuthPIN, wrongAuthPIN)
			require.ErrorIs(t, c.Verify(ctx, wrong), jpki.ErrOutcomeUnknown)
			require.Equal(t, 2, card.Tries(simcard.AuthPIN))
			left, err := c.Tries(ctx, jpki.AuthPIN)
			require.NoError(t, err)
			require.Equal(t, 2, left)

			bad.at = bad.n + 1 // the next VERIFY, behind its counter
			require.ErrorIs(t, c.Verify(ctx, wrong), jpki.ErrOutcomeUnknown)
			require.Equal(t, 1, card.Tries(simcard.AuthPIN))
			before := bad.verifies
			var last *jpki.LastTryError
			require.ErrorAs(t, c.Verify(ctx, wrong), &last)
			require.Equal(t, before, bad.verifies)
		}
	}
}

// A card that was taken away and put back is another session: nothing works
// until it is opened again, and no try is lost on the way.
func TestCardPutBack(t *testing.T) {
	ctx := context.Background()
	card := newCard()
	c := open(t, card)
	card.Remove()
	_, err := c.Serial(ctx, jpki.Auth)
	require.ErrorIs(t, err, apdu.ErrCardRemoved)
	card.Insert()
	_, err = c.Serial(ctx, jpki.Auth)
	require.Error(t, err)
	require.Error(t, c.Verify(ctx, mustPIN(t, jpki.AuthPIN, wrongAuthPIN)))
	require.Equal(t, 3, card.Tries(simcard.AuthPIN))
	_, err = open(t, card).Serial(ctx, jpki.Auth)
	require.NoError(t, err)
}

// A silent is a reader that falls silent at one exchange: the card has the
// command, the answer does not come, and in the end somebody's patience does.
type silent struct {
	card   apdu.Transmitter
	at, n  int
	cancel context.CancelFunc
	pin    bool // it was a VERIFY with a PIN
}

func (s *silent) Transmit(command []byte) ([]byte, error) {
	return s.TransmitContext(context.Background(), nil, command)
}

func (s *silent) TransmitContext(ctx context.Context, dst, command []byte) ([]byte, error) {
	s.n++
	reply, err := s.card.Transmit(command)
	if s.n-1 != s.at {
		return append(dst, reply...), err
	}
	s.pin = len(command) > 5 && command[1] == apdu.InsVerify
	s.cancel()
	<-ctx.Done()
	return dst, ctx.Err()
}

// Every exchange of every flow falls silent, and the caller's context ends.
func TestEveryExchangeFallsSilent(t *testing.T) {
	for _, f := range flows(t) {
		smooth := &faulty{card: newCard(), at: -1}
		_, _ = f.run(context.Background(), smooth)
		for at := range smooth.n {
			card := newCard()
			ctx, cancel := context.WithCancel(context.Background())
			s := &silent{card: card, at: at, cancel: cancel}
			_, err := f.run(ctx, s)
			require.Equal(t, at+1, s.n, "%s: nothing is sent after it", f.name)
			var step *jpki.StepError
			require.ErrorAs(t, err, &step)
			if f.name == "sign certificate without PIN" && at == 2 {
				continue // it had its answer; this was to see whether the card is a child's
			}
			require.ErrorIs(t, err, context.Canceled, "%s, exchange %d", f.name, at)
			require.Equal(t, s.pin, errors.Is(err, jpki.ErrOutcomeUnknown), "%s, exchange %d", f.name, at)
			require.LessOrEqual(t, spent(card), 1)
		}
	}
}
