package jpki_test

import (
	"context"
	"crypto"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/simcard"
)

// A company is a card that another program uses as well: before each command
// that is sent outside of a transaction, it selects the application meanwhile.
type company struct {
	card      *simcard.Card
	meanwhile string // an AID
	inside    atomic.Bool
	begun     int
	verified  int // VERIFY commands with data that were sent
}

func (c *company) Transmit(command []byte) ([]byte, error) {
	if !c.inside.Load() && c.meanwhile != "" {
		if _, err := c.card.Transmit(append([]byte{0, 0xA4, 4, 0x0C, byte(len(c.meanwhile))}, c.meanwhile...)); err != nil {
			return nil, err
		}
	}
	if command[1] == apdu.InsVerify && len(command) > 5 {
		c.verified++
	}
	return c.card.Transmit(command)
}

// A withTransactions is a company that other programs can be kept out of.
type withTransactions struct{ *company }

func (c withTransactions) Transaction(ctx context.Context, f func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !c.inside.CompareAndSwap(false, true) {
		return errors.New("a transaction within a transaction")
	}
	c.begun++
	defer c.inside.Store(false)
	return f()
}

const (
	textAID   = "\xD3\x92\x10\x00\x31\x00\x01\x01\x04\x08"
	visualAID = "\xD3\x92\x10\x00\x31\x00\x01\x01\x04\x02"
	jukiAID   = "\xD3\x92\x10\x00\x31\x00\x01\x01\x04\x01"
	jpkiAID   = "\xD3\x92\xF0\x00\x26\x01\x00\x00\x00\x01"
)

func mustPIN(t *testing.T, kind jpki.PINKind, pin string) jpki.PIN {
	t.Helper()
	p, err := jpki.NewPIN(kind, pin)
	require.NoError(t, err)
	return p
}

// allTries returns the tries left of every PIN and number.
func allTries(card *simcard.Card) (all []int) {
	for _, p := range simcard.PINs() {
		all = append(all, card.Tries(p))
	}
	return all
}

// Another program selects an application before each command of ours. No PIN
// goes to the key of another application, and what belongs together succeeds
// where the transport has transactions.
func TestCompanyOnTheReader(t *testing.T) {
	ctx := t.Context()
	for _, meanwhile := range []string{textAID, visualAID, jukiAID, jpkiAID} {
		for kind, typed := range map[jpki.PINKind]string{
			jpki.AuthPIN: simcard.DefaultAuthPIN, jpki.SignPIN: simcard.DefaultSignPIN,
			jpki.TextPIN: simcard.DefaultTextPIN, jpki.JukiPIN: simcard.DefaultJukiPIN,
		} {
			name := fmt.Sprintf("%s while %x is selected", kind, meanwhile)
			shared := withTransactions{&company{card: simcard.New()}}
			card, err := jpki.Open(ctx, shared)
			require.NoError(t, err, name)
			shared.meanwhile = meanwhile
			before := allTries(shared.card)

			left, err := card.Tries(ctx, kind)
			require.NoError(t, err, name)
			assert.Contains(t, []int{3, 5}, left, name)
			require.NoError(t, card.Verify(ctx, mustPIN(t, kind, typed)), name)
			assert.Equal(t, before, allTries(shared.card), name)
			var wrong *jpki.PINError
			other := mustPIN(t, kind, map[bool]string{false: "9999", true: "XYZ999"}[kind == jpki.SignPIN])
			require.ErrorAs(t, card.Verify(ctx, other), &wrong, name)
			assert.Equal(t, left-1, wrong.Left, name)
			require.NoError(t, card.ChangePIN(ctx, mustPIN(t, kind, typed), other), name)
			assert.Equal(t, before, allTries(shared.card), name)
		}
	}
}

// A transport may lie within another, such as a trace.
func TestCompanyThroughATrace(t *testing.T) {
	ctx := t.Context()
	shared := withTransactions{&company{card: simcard.New()}}
	card, err := jpki.Open(ctx, apdu.Trace(apdu.Trace(shared, slog.New(slog.DiscardHandler)), slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	shared.meanwhile = textAID
	require.NoError(t, card.Verify(ctx, mustPIN(t, jpki.AuthPIN, simcard.DefaultAuthPIN)))
	assert.Equal(t, 1, shared.begun)
}

// What a PIN was for is in one transaction with it.
func TestTransactionHoldsTogether(t *testing.T) {
	ctx := t.Context()
	shared := withTransactions{&company{card: simcard.New()}}
	card, err := jpki.Open(ctx, shared)
	require.NoError(t, err)
	shared.meanwhile = textAID
	digest := sha256.Sum256([]byte("challenge"))
	sign := func(ctx context.Context) error {
		if err := card.Verify(ctx, mustPIN(t, jpki.AuthPIN, simcard.DefaultAuthPIN)); err != nil {
			return err
		}
		_, err := card.Sign(ctx, jpki.Auth, digest[:], crypto.SHA256)
		return err
	}
	require.Error(t, sign(ctx), "outside of a transaction the signature goes astray")
	shared.begun = 0
	require.NoError(t, card.Transaction(ctx, sign))
	assert.Equal(t, 1, shared.begun)
	assert.False(t, shared.inside.Load())

	failed := errors.New("failed")
	assert.ErrorIs(t, card.Transaction(ctx, func(context.Context) error { return failed }), failed)
	ended, cancel := context.WithCancel(ctx)
	cancel()
	require.ErrorIs(t, card.Transaction(ended, func(context.Context) error { t.Error("called"); return nil }), context.Canceled)
	assert.False(t, shared.inside.Load())
}

// Without transactions a count above the rule shows that another application is
// selected: no PIN is sent.
func TestCountAboveTheRule(t *testing.T) {
	ctx := t.Context()
	c := &company{card: simcard.New()}
	card, err := jpki.Open(ctx, c, jpki.WithApplication(jpki.TextApp))
	require.NoError(t, err)
	c.meanwhile = visualAID // its 0011 is the birth date key, with ten tries
	before := allTries(c.card)
	_, err = card.Tries(ctx, jpki.TextPIN)
	require.ErrorIs(t, err, jpki.ErrCardChanged)
	require.ErrorIs(t, card.Verify(ctx, mustPIN(t, jpki.TextPIN, simcard.DefaultTextPIN)), jpki.ErrCardChanged)
	assert.Zero(t, c.verified)
	assert.Equal(t, before, allTries(c.card))
}

// Other programs wait five seconds at most, however long the work takes.
func TestTransactionIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := withTransactions{&company{card: simcard.New()}}
		card, err := jpki.Open(t.Context(), shared)
		require.NoError(t, err)
		require.NoError(t, card.Transaction(t.Context(), func(ctx context.Context) error {
			time.Sleep(4 * time.Second)
			assert.True(t, shared.inside.Load())
			time.Sleep(time.Second)
			synctest.Wait()
			assert.False(t, shared.inside.Load(), "it ends under five seconds")
			_, err := card.Tries(ctx, jpki.AuthPIN)
			return err
		}))
		assert.Equal(t, 2, shared.begun)
	})
}

// A resettable is a card in company that another program resets once, before
// the command of that number. Each command fails until the program has
// reconnected.
type resettable struct {
	withTransactions
	at          int // 0: never
	sent        int
	reset       bool
	reconnected int
	replace     *simcard.Card // takes the place of the card then, if not nil
}

func (r *resettable) Transmit(command []byte) ([]byte, error) {
	r.sent++
	if r.sent == r.at {
		r.reset = true
		r.card.PowerOff()
		r.card.PowerOn()
	}
	if r.reset {
		return nil, fmt.Errorf("reader: %w", apdu.ErrCardReset)
	}
	return r.withTransactions.Transmit(command)
}

func (r *resettable) Reconnect(context.Context) error {
	r.reconnected++
	r.reset = false
	if r.replace != nil {
		r.card = r.replace
	}
	return nil
}

// A reset before the PIN begins the Tap anew, and one after it ends the Tap and
// says why. The PIN is asked for once and sent once.
func TestTapOnAReset(t *testing.T) {
	ctx := t.Context()
	digest := sha256.Sum256([]byte("challenge"))
	for _, first := range []bool{true, false} {
		anew, ended := 0, 0
		for at := 0; at < 40; at++ {
			r := &resettable{withTransactions: withTransactions{&company{card: simcard.New()}}, at: at}
			asked, ran := 0, 0
			order := jpki.CardFirst(jpki.AuthPIN, func(context.Context, int) (jpki.PIN, error) {
				asked++
				return mustPIN(t, jpki.AuthPIN, simcard.DefaultAuthPIN), nil
			})
			if first {
				order = jpki.PINFirst(mustPIN(t, jpki.AuthPIN, simcard.DefaultAuthPIN))
			}
			err := jpki.Tap(ctx, func(context.Context) (apdu.Transmitter, error) { return r, nil }, order,
				func(ctx context.Context, card *jpki.Card) error {
					ran++
					_, err := card.Sign(ctx, jpki.Auth, digest[:], crypto.SHA256)
					return err
				})
			assert.LessOrEqual(t, asked, 1)
			assert.LessOrEqual(t, r.verified, 1)
			assert.LessOrEqual(t, ran, 1)
			assert.False(t, r.inside.Load())
			if at > r.sent {
				require.NoError(t, err)
				break
			}
			switch {
			case at == 0:
				require.NoError(t, err)
			case r.reconnected == 1:
				require.NoError(t, err, "reset at %d", at)
				assert.Equal(t, 1, ran)
				anew++
			default:
				require.ErrorIs(t, err, apdu.ErrCardReset, "reset at %d", at)
				assert.ErrorContains(t, err, "what was selected and verified on it is gone")
				ended++
			}
		}
		assert.GreaterOrEqual(t, anew, 2, "PIN first: %v", first)
		assert.GreaterOrEqual(t, ended, 3, "PIN first: %v", first)
	}
}

// What lies there after the reset has to be the card that the PIN is for.
func TestTapOnAResetOfAnotherCard(t *testing.T) {
	changed := 0
	for at := 2; at < 12; at++ {
		r := &resettable{withTransactions: withTransactions{&company{card: simcard.New()}}, at: at,
			replace: simcard.New(simcard.WithHolder(simcard.SampleHolder(3)))}
		asked := false
		err := jpki.Tap(t.Context(), func(context.Context) (apdu.Transmitter, error) { return r, nil },
			jpki.CardFirst(jpki.AuthPIN, func(context.Context, int) (jpki.PIN, error) {
				asked = r.reconnected == 0 // of the first card's holder
				return mustPIN(t, jpki.AuthPIN, "9999"), nil
			}), func(context.Context, *jpki.Card) error { t.Error("called"); return nil })
		require.Error(t, err)
		if asked && r.reconnected > 0 {
			changed++
			assert.ErrorIs(t, err, jpki.ErrCardChanged)
			assert.Equal(t, 3, r.replace.Tries(simcard.AuthPIN), "the PIN of one card does not go to another")
		}
	}
	assert.NotZero(t, changed)
}

// A card that is reset again and again is left alone in the end, and a transport
// that cannot reconnect is told so at once.
func TestTapGivesUpOnResets(t *testing.T) {
	r := &always{resettable{withTransactions: withTransactions{&company{card: simcard.New()}}}}
	err := jpki.Tap(t.Context(), func(context.Context) (apdu.Transmitter, error) { return r, nil }, jpki.PINOrder{},
		func(context.Context, *jpki.Card) error { return nil })
	require.ErrorIs(t, err, apdu.ErrCardReset)
	assert.Equal(t, 3, r.reconnected)

	err = jpki.Tap(t.Context(), func(context.Context) (apdu.Transmitter, error) { return struct{ apdu.Transmitter }{r}, nil }, jpki.PINOrder{},
		func(context.Context, *jpki.Card) error { return nil })
	require.ErrorIs(t, err, apdu.ErrCardReset)
	assert.Equal(t, 3, r.reconnected)
}

type always struct{ resettable }

func (a *always) Transmit([]byte) ([]byte, error) { return nil, apdu.ErrCardReset }
