package pcsc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
)

// What Close does to a card depends on who else may be using it, and on whether
// the card can be made to forget.
func TestCloseInCompany(t *testing.T) {
	ok, refused := []byte{0x90, 0x00}, []byte{0x6A, 0x82}
	type reply struct {
		b   []byte
		err error
	}
	for name, c := range map[string]struct {
		opts    []OpenOption
		replies []reply
		want    []string
	}{
		"exclusive": {[]OpenOption{Exclusive()}, nil,
			[]string{"connect exclusive=true", "disconnect 0"}},
		"shared": {nil, []reply{{ok, nil}},
			[]string{"connect exclusive=false", "select", "disconnect 2"}},
		"shared, with an answer by 61xx": {nil, []reply{{[]byte{0x61, 0x10}, nil}},
			[]string{"connect exclusive=false", "select", "disconnect 2"}},
		"a card without a card manager loses its power": {nil, []reply{{refused, nil}},
			[]string{"connect exclusive=false", "select", "disconnect 0"}},
		"a reset by another program leaves PINs verified": {nil, []reply{{nil, newError("transmit", 0x80100068)}, {ok, nil}},
			[]string{"connect exclusive=false", "select", "reconnect exclusive=false", "select", "disconnect 2"}},
		"reset again and again": {nil, []reply{{nil, newError("transmit", 0x80100068)}, {nil, newError("transmit", 0x80100068)}},
			[]string{"connect exclusive=false", "select", "reconnect exclusive=false", "select", "reconnect exclusive=false", "disconnect 0"}},
		"a card that left": {nil, []reply{{nil, newError("transmit", 0x80100069)}},
			[]string{"connect exclusive=false", "select", "disconnect 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &service{cards: map[string][]byte{"A": atr}}
			n := 0
			s.transmit = func(command []byte) ([]byte, error) {
				if !bytes.Equal(command, []byte(selectCardManager)) {
					return nil, fmt.Errorf("% X", command)
				}
				s.note("select")
				n++
				return c.replies[n-1].b, c.replies[n-1].err
			}
			card, err := s.stack().open(context.Background(), "A", c.opts...)
			require.NoError(t, err)
			require.NoError(t, card.Close())
			assert.Equal(t, c.want, s.noted())
			assert.Zero(t, s.open())
		})
	}
}

// Windows resets a card whose transaction idles for five seconds.
func TestTransactionDoesNotIdle(t *testing.T) {
	s := &service{cards: map[string][]byte{"A": atr}}
	on := s.stack()
	on.idle = 30 * time.Millisecond
	card, err := on.open(context.Background(), "A", Exclusive())
	require.NoError(t, err)
	asked := func() int { s.mu.Lock(); defer s.mu.Unlock(); return s.asked }
	before := asked()
	require.NoError(t, card.Transaction(context.Background(), func() error {
		assert.Eventually(t, func() bool { return asked() >= before+3 }, time.Minute, time.Millisecond)
		_, err := card.Transmit(selectMF)
		return err
	}))
	after := asked()
	time.Sleep(2 * on.idle)
	assert.Equal(t, after, asked(), "outside of a transaction nothing is asked")
	require.NoError(t, card.Close())
}

var selectMF = []byte{0x00, 0xA4, 0x00, 0x00}

func TestReconnectControlAttribute(t *testing.T) {
	ctx := context.Background()
	s := &service{cards: map[string][]byte{"A": atr}}
	card, err := s.stack().open(ctx, "A", Exclusive())
	require.NoError(t, err)
	require.NoError(t, card.Reconnect(ctx))
	reply, err := card.Control(ctx, 0x42000D48, []byte{1, 2})
	require.NoError(t, err)
	assert.Equal(t, []byte{0x42, 0x00, 0x0D, 0x48, 1, 2}, reply)
	value, err := card.Attribute(ctx, 0x00010100)
	require.NoError(t, err)
	assert.Equal(t, []byte{0x00, 0x01, 0x01, 0x00}, value)
	require.NoError(t, card.SetAttribute(ctx, 7, []byte{8}))
	require.NoError(t, card.Close())
	assert.Equal(t, []string{"connect exclusive=true", "reconnect exclusive=true", "set attribute 7 08", "disconnect 0"}, s.noted())
	for _, err := range []error{
		card.Reconnect(ctx), card.SetAttribute(ctx, 7, nil),
		second(card.Attribute(ctx, 7)), second(card.Control(ctx, 7, nil)),
		card.Transaction(ctx, func() error { return errors.New("entered") }),
	} {
		assert.ErrorIs(t, err, ErrClosed)
	}
}

func second[T any](_ T, err error) error { return err }

// Through a library too, an exchange that breaks is not a removal.
func TestBrokenExchangeOfALibrary(t *testing.T) {
	s := &service{cards: map[string][]byte{"A": atr}, transmit: func([]byte) ([]byte, error) {
		return nil, newError("transmit", 0x80100016)
	}}
	card, err := s.stack().open(context.Background(), "A", Exclusive())
	require.NoError(t, err)
	_, err = card.Transmit([]byte{0x00, 0xB0, 0x00, 0x00, 0x00})
	assert.ErrorIs(t, err, apdu.ErrExchange)
	var e *Error
	require.ErrorAs(t, err, &e)
	assert.EqualValues(t, uint32(0x80100016), e.Code)
	require.NoError(t, card.Close())
}
