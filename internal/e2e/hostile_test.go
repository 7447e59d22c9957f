package e2e

import (
	"bytes"
	"context"
	"crypto"
	"encoding/binary"
	"errors"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/simcard"
)

// everything calls every method of a Card, whatever comes of it, and gives the
// errors.
func everything(ctx context.Context, card apdu.Transmitter, pins []jpki.PIN, opts ...jpki.Option) []error {
	c, err := jpki.Open(ctx, card, opts...)
	errs := []error{err}
	if err != nil {
		return errs
	}
	collect := func(err error) { errs = append(errs, err) }
	_, err = c.Kind(ctx)
	collect(err)
	for _, slot := range []jpki.Slot{jpki.Auth, jpki.Sign, jpki.AuthCA, jpki.SignCA} {
		_, err = c.Serial(ctx, slot)
		collect(err)
		_, err = c.HasCertificate(ctx, slot)
		collect(err)
	}
	for _, pin := range pins {
		_, err = c.Tries(ctx, pin.Kind())
		collect(err)
		collect(c.Verify(ctx, pin))
	}
	for _, slot := range []jpki.Slot{jpki.Auth, jpki.Sign} {
		_, err = c.Sign(ctx, slot, digest[:], crypto.SHA256)
		collect(err)
		_, err = c.Sign(ctx, slot, digest[:], pss)
		collect(err)
		k, err := c.Signer(ctx, slot)
		collect(err)
		if err == nil {
			_, err = k.SignContext(ctx, digest[:], crypto.SHA256)
			collect(err)
		}
	}
	for _, slot := range []jpki.Slot{jpki.AuthCA, jpki.SignCA} {
		_, err = c.Certificate(ctx, slot)
		collect(err)
	}
	for _, err := range everyFace(ctx, c) {
		collect(err)
	}
	return errs
}

func allPINs(t testing.TB) []jpki.PIN {
	return []jpki.PIN{mustPIN(t, jpki.AuthPIN, authPIN), mustPIN(t, jpki.SignPIN, signPIN)}
}

// transmit is a card that is a function.
type transmit func(command []byte) ([]byte, error)

func (f transmit) Transmit(command []byte) ([]byte, error) { return f(command) }

// A card that lies about everything costs a bounded number of exchanges and
// bounded memory, and every call ends with an error that names its step.
func TestHostileCard(t *testing.T) {
	repeat := func(n int, status ...byte) []byte { return append(bytes.Repeat([]byte{0x30}, n), status...) }
	for name, reply := range map[string][]byte{
		"61xx without data":            {0x61, 0x10},
		"61xx, a byte at a time":       {0x30, 0x61, 0x01},
		"61xx, much at a time":         repeat(60000, 0x61, 0x00),
		"6Cxx":                         {0x6C, 0x20},
		"6Cxx with data":               repeat(10, 0x6C, 0x00),
		"oversized":                    repeat(70000, 0x90, 0x00),
		"one byte":                     {0x30, 0x90, 0x00},
		"objects without end":          repeat(256, 0x90, 0x00),
		"a length of 2 GiB":            append([]byte{0x30, 0x84, 0x7F, 0xFF, 0xFF, 0xFF}, repeat(30, 0x90, 0x00)...),
		"a length of 4 GiB":            append([]byte{0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF}, repeat(30, 0x90, 0x00)...),
		"a length of nothing":          append([]byte{0x30, 0x00}, repeat(30, 0x90, 0x00)...),
		"an indefinite length":         append([]byte{0x30, 0x80}, repeat(30, 0x90, 0x00)...),
		"a certificate that goes on":   append([]byte{0x30, 0x82, 0x1F, 0xF0}, repeat(28, 0x90, 0x00)...),
		"the largest and a bit":        append([]byte{0x30, 0x82, 0x1F, 0xFD}, repeat(28, 0x90, 0x00)...),
		"end of file at once":          {0x62, 0x82},
		"always blocked":               {0x69, 0x84},
		"always verified":              {0x90, 0x00},
		"tries for ever":               {0x63, 0xCF},
		"wrong parameters for ever":    {0x6A, 0x86},
		"no such thing for ever":       {0x6A, 0x88},
		"security for ever":            {0x69, 0x82},
		"a status word of another age": {0x00, 0x00},
	} {
		t.Run(name, func(t *testing.T) {
			n, pins := 0, 0
			card := transmit(func(command []byte) ([]byte, error) {
				n++
				if len(command) > 5 && command[1] == apdu.InsVerify {
					pins++
				}
				if command[1] == apdu.InsSelect {
					return []byte{0x90, 0x00}, nil // let it in
				}
				return reply, nil
			})
			for _, err := range everything(context.Background(), card, allPINs(t)) {
				var step *jpki.StepError
				assert.True(t, err == nil || errors.As(err, &step), "%v", err)
			}
			assert.LessOrEqual(t, n, 30000)
			assert.LessOrEqual(t, pins, 2+facePINs)
		})
	}
}

// scriptedCard answers with successive pieces of an input: two bytes of
// length, then so many bytes. When the input ends, the card is gone.
type scriptedCard struct {
	rest      []byte
	exchanges int
	pins      int
}

func (s *scriptedCard) Transmit(command []byte) ([]byte, error) {
	s.exchanges++
	if len(command) > 5 && command[1] == apdu.InsVerify {
		s.pins++
	}
	if len(s.rest) < 2 {
		return nil, nil
	}
	n := min(int(binary.BigEndian.Uint16(s.rest)), len(s.rest)-2)
	reply := s.rest[2 : 2+n : 2+n]
	s.rest = s.rest[2+n:]
	return reply, nil
}

// A transcript takes down what a card answers, in the form that scriptedCard reads.
type transcript struct {
	card      apdu.Transmitter
	out       []byte
	exchanges int
}

func (r *transcript) Transmit(command []byte) ([]byte, error) {
	r.exchanges++
	reply, err := r.card.Transmit(command)
	r.out = binary.BigEndian.AppendUint16(r.out, uint16(len(reply)))
	r.out = append(r.out, reply...)
	return reply, err
}

// The card is the fuzzer. Whatever it answers, every call returns; no more
// than one VERIFY leaves for each time that one is asked for; and memory stays
// within a constant and a multiple of what the card sent.
func FuzzCard(f *testing.F) {
	seeds := 0
	for _, opts := range [][]jpki.Option{nil, {jpki.WithoutShortEF()}} {
		r := &transcript{card: newCard()}
		for _, err := range everything(context.Background(), r, allPINs(f), opts...) {
			if err != nil && !errors.Is(err, errors.ErrUnsupported) {
				var required *jpki.PINRequiredError
				require.ErrorAs(f, err, &required, "%v", err)
			}
		}
		require.Greater(f, len(r.out), 5000)
		f.Add(byte(len(opts)), r.out)
		seeds++
		for _, flow := range flows(f) {
			r := &transcript{card: newCard()}
			_, _ = flow.run(context.Background(), r, opts...)
			require.NotEmpty(f, r.out)
			f.Add(byte(len(opts)), r.out)
			seeds++
		}
	}
	require.Greater(f, seeds, 30)
	pins := allPINs(f)
	f.Fuzz(func(t *testing.T, mode byte, in []byte) {
		var opts []jpki.Option
		if mode&1 != 0 {
			opts = append(opts, jpki.WithoutShortEF())
		}
		card := &scriptedCard{rest: in[:len(in):len(in)]}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		errs := everything(context.Background(), card, pins, opts...)
		runtime.ReadMemStats(&after)
		for _, err := range errs {
			var step *jpki.StepError
			if err != nil && !errors.As(err, &step) {
				t.Fatalf("error without a step: %v", err)
			}
		}
		if card.pins > 2+facePINs {
			t.Fatalf("VERIFY sent %d times", card.pins)
		}
		if most := len(in)/2 + 200; card.exchanges > most {
			t.Fatalf("%d exchanges for %d bytes", card.exchanges, len(in))
		}
		if got, most := after.TotalAlloc-before.TotalAlloc, uint64(1<<20+64*len(in)); got > most {
			t.Fatalf("%d bytes allocated for %d bytes", got, len(in))
		}
	})
}

// The flows have names by which one can be chosen, and do what these say where
// nothing fails. The log is what .ci/fuzz takes the names from.
func TestFlowNames(t *testing.T) {
	seen := map[string]bool{}
	for _, flow := range flows(t) {
		require.False(t, seen[flow.name], "%s: twice", flow.name)
		require.NotContains(t, flow.name, "\n")
		seen[flow.name] = true
		t.Log("flow: " + flow.name)
		if want := map[string]string{
			"message": "signed", "detached message": "signed", "TLS 1.2 handshake": "let in", "TLS 1.3 handshake": "let in",
		}[flow.name]; want != "" {
			got, err := flow.run(context.Background(), newCard())
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
	}
	t.Setenv("MYNAKIT_FLOW", "")
	require.Len(t, chosenFlows(t), len(seen))
	for name := range seen {
		t.Setenv("MYNAKIT_FLOW", name)
		chosen := chosenFlows(t)
		require.Len(t, chosen, 1)
		require.Equal(t, name, chosen[0].name)
	}
}

// chosenFlows is what FuzzFlow works on: every flow, or the one that
// MYNAKIT_FLOW names, which then has all of the fuzzer's time.
func chosenFlows(t testing.TB) []flow {
	all := flows(t)
	name := os.Getenv("MYNAKIT_FLOW")
	if name == "" {
		return all
	}
	i := slices.IndexFunc(all, func(f flow) bool { return f.name == name })
	require.GreaterOrEqual(t, i, 0, "MYNAKIT_FLOW: no flow %q", name)
	return all[i : i+1]
}

// flowSeeds are what three cards say in a flow: as it comes, with other habits,
// and a phone, which has one application.
func flowSeeds(flow flow) []*transcript {
	var seeds []*transcript
	for _, card := range []*simcard.Card{
		newCard(),
		newCard(simcard.WithQuirks(simcard.Quirks{NoShortEF: true, BlockedStatus: apdu.AuthenticationBlocked})),
		newCard(simcard.WithKind(simcard.Android)),
	} {
		r := &transcript{card: card}
		_, _ = flow.run(context.Background(), r)
		seeds = append(seeds, r)
	}
	return seeds
}

// Each seed of FuzzFlow leads its flow, and no other, through all of its
// exchanges.
func TestFlowSeeds(t *testing.T) {
	all := flows(t)
	require.LessOrEqual(t, len(all), 256, "FuzzFlow chooses by a byte")
	for _, flow := range all {
		for i, seed := range flowSeeds(flow) {
			card := &scriptedCard{rest: seed.out}
			_, _ = flow.run(context.Background(), card)
			require.Equal(t, seed.exchanges, card.exchanges, "%s, seed %d", flow.name, i)
			require.Empty(t, card.rest, "%s, seed %d", flow.name, i)
		}
	}
}

// One flow by itself, with a card that is the fuzzer: more of the input reaches
// the later exchanges. What is called verified is what the genuine card says, or
// there is nothing: a fuzzer does not forge signatures. The flow is chosen by the
// first byte, or by MYNAKIT_FLOW for all inputs.
func FuzzFlow(f *testing.F) {
	all := chosenFlows(f)
	genuine := make([]string, len(all))
	for i, flow := range all {
		genuine[i], _ = flow.run(context.Background(), newCard())
		for _, seed := range flowSeeds(flow) {
			require.NotEmpty(f, seed.out)
			f.Add(byte(i), seed.out)
		}
	}
	f.Fuzz(func(t *testing.T, which byte, in []byte) {
		i := int(which) % len(all)
		flow := all[i]
		card := &scriptedCard{rest: in[:len(in):len(in)]}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got, err := flow.run(context.Background(), card)
		runtime.ReadMemStats(&after)
		var step *jpki.StepError
		if err != nil && !errors.As(err, &step) {
			t.Fatalf("%s: error without a step: %v", flow.name, err)
		}
		if err == nil && strings.HasPrefix(flow.name, "verified") && got != genuine[i] {
			t.Fatalf("%s: verified what no card has signed", flow.name)
		}
		if card.pins > flow.pins() {
			t.Fatalf("%s: VERIFY sent %d times", flow.name, card.pins)
		}
		if most := len(in)/2 + 20; card.exchanges > most {
			t.Fatalf("%s: %d exchanges for %d bytes", flow.name, card.exchanges, len(in))
		}
		if got, most := after.TotalAlloc-before.TotalAlloc, uint64(1<<20+64*len(in)); got > most {
			t.Fatalf("%s: %d bytes allocated for %d bytes", flow.name, got, len(in))
		}
	})
}
