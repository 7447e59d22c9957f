package fault_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/apdu/vpcd"
	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/simcard/fault"
)

var (
	_ apdu.ContextTransmitter = (*fault.Card)(nil)
	_ vpcd.Card               = (*fault.Card)(nil)
)

const (
	selectJPKI = "\x00\xA4\x04\x0C\x0A\xD3\x92\xF0\x00\x26\x01\x00\x00\x00\x01"
	readCA     = "\x00\xB0\x8B\x00\x00"
	readLabel  = "\x00\xB0\x86\x00\x0F"
	wrongPIN   = "\x00\x20\x00\x98\x049999"
	counter    = "\x00\x20\x00\x98"
)

func send(t *testing.T, card apdu.Transmitter, command string) string {
	t.Helper()
	reply, err := card.Transmit([]byte(command))
	require.NoError(t, err)
	return string(reply)
}

// On which side of the card a fault lies: its counter tells.
func TestSides(t *testing.T) {
	broken := errors.New("cable")
	for _, test := range []struct {
		name    string
		fault   fault.Fault
		reply   string
		err     error
		tries   int
		removed bool
	}{
		{"remove", fault.Remove(), "", apdu.ErrCardRemoved, 3, true},
		{"remove after", fault.RemoveAfter(), "", apdu.ErrCardRemoved, 2, true},
		{"vanish", fault.Vanish(), "", nil, 2, true},
		{"fail", fault.Fail(broken), "", broken, 3, false},
		{"fail after", fault.FailAfter(broken), "", broken, 2, false},
		{"status", fault.Status(0x6F00), "\x6F\x00", nil, 3, false},
		{"overrule", fault.Overrule(0x9000), "\x90\x00", nil, 2, false},
		{"torn", fault.Torn(1), "\x63", nil, 2, false},
		{"torn to nothing", fault.Torn(-5), "", nil, 2, false},
		{"torn too late", fault.Torn(5), "\x63\xC2", nil, 2, false},
		{"garbled", fault.Garble(0, 0x0F), "\x6C\xC2", nil, 2, false},
		{"garbled from the end", fault.Garble(-1, 0xFF), "\x63\x3D", nil, 2, false},
		{"garbled beside", fault.Garble(2, 0xFF), "\x63\xC2", nil, 2, false},
		{"garbled before", fault.Garble(-3, 0xFF), "\x63\xC2", nil, 2, false},
		{"pieces", fault.Pieces(1), "\x63\xC2", nil, 2, false},
		{"right Le", fault.RightLe(), "\x63\xC2", nil, 2, false},
		{"nothing", nil, "\x63\xC2", nil, 2, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			inner := simcard.New()
			card := fault.Wrap(inner, fault.Rule{When: fault.Ins(apdu.InsVerify), Do: test.fault})
			send(t, card, selectJPKI)
			dst := []byte("before")
			out, err := card.TransmitContext(context.Background(), dst, []byte(wrongPIN))
			assert.ErrorIs(t, err, test.err)
			assert.Equal(t, "before"+test.reply, string(out))
			assert.Equal(t, test.tries, inner.Tries(simcard.AuthPIN))
			assert.Equal(t, 2, card.Exchanges())
			assert.Equal(t, 1, card.Applied())

			_, err = card.Transmit([]byte(readLabel))
			if !test.removed {
				assert.NoError(t, err)
				return
			}
			assert.ErrorIs(t, err, apdu.ErrCardRemoved, "it stays away")
			_, err = inner.Transmit([]byte(readLabel))
			assert.ErrorIs(t, err, apdu.ErrCardRemoved, "the card underneath too")
			card.Insert()
			assert.Equal(t, "\x69\x86", send(t, card, "\x00\xB0\x00\x00\x01"), "and has lost where it was")
			assert.Equal(t, 4, card.Exchanges())
		})
	}
}

func TestWhen(t *testing.T) {
	status := func(s apdu.Status) fault.Fault { return fault.Status(s) }
	card := fault.Wrap(simcard.New(),
		fault.Rule{When: fault.Nth(2), Do: status(0x6F01)},
		fault.Rule{When: fault.Ins(apdu.InsReadBinary), Do: status(0x6F02), Times: 2},
		fault.Rule{When: fault.Nth(6)}, // the sixth is spared
		fault.Rule{When: fault.From(5), Do: status(0x6F03)},
	)
	var got []string
	for range 7 {
		got = append(got, fmt.Sprintf("%X", send(t, card, readLabel)))
	}
	assert.Equal(t, []string{"6F02", "6F01", "6F02", "6A82", "6F03", "6A82", "6F03"}, got)
	assert.Equal(t, 6, card.Applied())
	always := fault.Wrap(simcard.New(), fault.Rule{Do: status(0x6F04)})
	assert.Equal(t, "\x6F\x04", send(t, always, ""))
}

// Rules are exchanged while the card is in use: by a fault itself, and while an
// exchange waits under an older one.
func TestSetRules(t *testing.T) {
	inner := simcard.New()
	card := fault.Wrap(inner, fault.Rule{Do: fault.Status(0x6F01), Times: 1})
	assert.Equal(t, "\x6F\x01", send(t, card, selectJPKI))
	assert.Equal(t, "\x90\x00", send(t, card, selectJPKI), "spent")
	card.SetRules(fault.Rule{When: fault.Nth(4), Do: fault.Status(0x6F02)}, fault.Rule{Do: fault.Status(0x6F03), Times: 1})
	assert.Equal(t, "\x6F\x03", send(t, card, selectJPKI))
	assert.Equal(t, "\x6F\x02", send(t, card, selectJPKI), "the fourth since Wrap")
	assert.Equal(t, 3, card.Applied())

	entered := make(chan struct{})
	card.SetRules(fault.Rule{Do: func(ctx context.Context, x *fault.Exchange) ([]byte, error) {
		close(entered)
		return fault.Silence()(ctx, x)
	}})
	held := make(chan error, 1)
	go func() { _, err := card.Transmit([]byte(wrongPIN)); held <- err }()
	<-entered
	card.SetRules()
	assert.Equal(t, "\x90\x00", send(t, card, selectJPKI), "no rule any more")
	card.Remove()
	assert.ErrorIs(t, <-held, apdu.ErrCardRemoved, "silent until the card went")
	assert.Equal(t, 3, inner.Tries(simcard.AuthPIN))
}

// A reply in pieces is the reply, for a channel that follows them, whatever
// their size; and GET RESPONSE can fail like anything else.
func TestPieces(t *testing.T) {
	plain := simcard.New()
	send(t, plain, selectJPKI)
	want := []byte(send(t, plain, readCA))
	for _, n := range []int{-1, 0, 1, 7, 128, 255, 256, 300} {
		card := fault.Wrap(simcard.New(), fault.Rule{Do: fault.Pieces(n)})
		send(t, card, selectJPKI)
		channel := apdu.Channel{Transmitter: card}
		r, err := channel.Send(context.Background(), &apdu.Command{INS: apdu.InsReadBinary, P1: 0x8B, Ne: 256})
		require.NoError(t, err, n)
		assert.Equal(t, want[:256], r.Data)
		switch {
		case n >= 256:
			assert.Equal(t, 2, card.Exchanges())
		case n > 0:
			assert.Equal(t, 1+(256+n-1)/n, card.Exchanges(), n)
		default:
			assert.Equal(t, 3, card.Exchanges())
		}
	}
	card := fault.Wrap(simcard.New(),
		fault.Rule{When: fault.Ins(apdu.InsGetResponse), Do: fault.Status(0x6F00), Times: 1},
		fault.Rule{When: fault.Ins(apdu.InsReadBinary), Do: fault.Pieces(10), Times: 1})
	send(t, card, selectJPKI)
	assert.Equal(t, "JPKIAPICCT\x61\x05", send(t, card, readLabel))
	assert.Equal(t, "\x6F\x00", send(t, card, "\x00\xC0\x00\x00\x05"))
	assert.Equal(t, "OK\x61\x03", send(t, card, "\x00\xC0\x00\x00\x02"))
	assert.Equal(t, "EN2\x90\x00", send(t, card, "\x00\xC0\x00\x00\x00"))
	assert.Equal(t, "\x6D\x00", send(t, card, "\x00\xC0\x00\x00\x00"), "nothing waits")
	card = fault.Wrap(simcard.New(), fault.Rule{When: fault.Nth(2), Do: fault.Pieces(10)})
	send(t, card, selectJPKI)
	send(t, card, readLabel)
	send(t, card, counter)
	assert.Equal(t, "\x6D\x00", send(t, card, "\x00\xC0\x00\x00\x00"), "another command forgets it")
}

func TestRightLe(t *testing.T) {
	card := fault.Wrap(simcard.New(), fault.Rule{Do: fault.RightLe()})
	send(t, card, selectJPKI)
	assert.Equal(t, "\x6C\xA0", send(t, card, "\x00\xB0\x86\x00\x00"))
	assert.Equal(t, 162, len(send(t, card, "\x00\xB0\x86\x00\xA0")))
	assert.Equal(t, 258, len(send(t, card, readCA)))
	assert.Equal(t, 162, len(send(t, card, "\x00\xB0\x86\x00\x00\x00\x00")), "not in extended length")
	channel := apdu.Channel{Transmitter: card}
	r, err := channel.Send(context.Background(), &apdu.Command{INS: apdu.InsReadBinary, P1: 0x86, Ne: 256})
	require.NoError(t, err)
	assert.Len(t, r.Data, 160)
}

// Waiting is for the time, for the context or for the card's going, and no
// longer. The clock of the test is its own.
func TestWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := simcard.New()
		card := fault.Wrap(inner,
			fault.Rule{When: fault.Nth(2), Do: fault.Delay(3 * time.Second)},
			fault.Rule{When: fault.Nth(3), Do: fault.Delay(time.Hour)},
			fault.Rule{When: fault.From(4), Do: fault.Silence()},
		)
		send(t, card, selectJPKI)
		start := time.Now()
		assert.Equal(t, "\x63\xC2", send(t, card, wrongPIN))
		assert.Equal(t, 3*time.Second, time.Since(start))

		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		start = time.Now()
		out, err := card.TransmitContext(ctx, []byte("before"), []byte(wrongPIN))
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, "before", string(out))
		assert.Equal(t, time.Minute, time.Since(start))
		assert.Equal(t, 2, inner.Tries(simcard.AuthPIN), "the card has not seen it")

		_, err = card.TransmitContext(ctx, nil, []byte(wrongPIN))
		assert.ErrorIs(t, err, context.DeadlineExceeded, "not even begun")
		assert.Equal(t, 3, card.Exchanges())

		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := card.Transmit([]byte(wrongPIN))
			assert.ErrorIs(t, err, apdu.ErrCardRemoved)
		})
		synctest.Wait()
		card.Remove()
		wg.Wait()
		card.Remove() // twice is once
		card.Insert()
		card.Insert()
		assert.Equal(t, 2, inner.Tries(simcard.AuthPIN))
	})
}

// plainTransmitter has nothing but Transmit.
type plainTransmitter func([]byte) ([]byte, error)

func (f plainTransmitter) Transmit(command []byte) ([]byte, error) { return f(command) }

// What is underneath may be less than a card, and its errors come through.
func TestUnderneath(t *testing.T) {
	broken := errors.New("broken")
	for name, f := range fault.All() {
		card := fault.Wrap(plainTransmitter(func([]byte) ([]byte, error) { return nil, broken }), fault.Rule{Do: f})
		_, err := card.Transmit([]byte{0, 0, 0, 0})
		switch name {
		case "removed", "reader fails":
			assert.ErrorIs(t, err, apdu.ErrCardRemoved)
		case "refused", "wrong length", "not allowed", "empty success":
			assert.NoError(t, err)
		default:
			assert.ErrorIs(t, err, broken, name)
		}
		for _, reply := range [][]byte{nil, {}, {0x90}, {0x90, 0x00}} {
			card := fault.Wrap(plainTransmitter(func([]byte) ([]byte, error) { return reply, nil }), fault.Rule{Do: f})
			_, err := card.Transmit(nil)
			if err != nil {
				assert.ErrorIs(t, err, apdu.ErrCardRemoved, name)
			}
		}
	}
	for _, f := range []fault.Fault{fault.Pieces(1), fault.RightLe(), fault.FailAfter(errors.New("other"))} {
		card := fault.Wrap(plainTransmitter(func([]byte) ([]byte, error) { return nil, broken }), fault.Rule{Do: f})
		_, err := card.Transmit(nil)
		assert.ErrorIs(t, err, broken)
	}
	card := fault.Wrap(plainTransmitter(func([]byte) ([]byte, error) { return []byte{1}, nil }))
	card.PowerOn()
	card.PowerOff()
	card.Reset()
	card.Remove()
	card.Insert()
	assert.Nil(t, card.ATR())
	assert.Equal(t, "\x01", send(t, card, "x"))
}

func TestPowerGoesThrough(t *testing.T) {
	inner := simcard.New()
	card := fault.Wrap(inner)
	assert.Equal(t, inner.ATR(), card.ATR())
	send(t, card, selectJPKI)
	card.Reset()
	assert.Equal(t, "\x6A\x82", send(t, card, readLabel))
	card.PowerOff()
	_, err := card.Transmit([]byte(readLabel))
	assert.ErrorIs(t, err, apdu.ErrCardRemoved)
	card.PowerOn()
	assert.Equal(t, "\x90\x00", send(t, card, selectJPKI))
}

// A fault of one's own.
func TestOwnFault(t *testing.T) {
	card := fault.Wrap(simcard.New(), fault.Rule{When: fault.Nth(2), Do: func(ctx context.Context, x *fault.Exchange) ([]byte, error) {
		assert.Equal(t, 2, x.N)
		assert.Equal(t, readLabel, string(x.Command))
		first, err := x.Pass(ctx)
		if err != nil {
			return nil, err
		}
		return append(bytes.ToLower(first[:15]), first[15:]...), nil
	}})
	send(t, card, selectJPKI)
	assert.Equal(t, "jpkiapicctoken2\x90\x00", send(t, card, readLabel))
}

// Many at once: what is counted is counted, and nobody waits for another.
func TestConcurrentUse(t *testing.T) {
	card := fault.Wrap(simcard.New(), fault.Rule{Do: fault.Pieces(3), Times: 50}, fault.Rule{Do: fault.Delay(time.Microsecond), Times: 50})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 25 {
				_, err := card.Transmit([]byte(readLabel))
				assert.NoError(t, err)
			}
		})
	}
	wg.Wait()
	assert.Equal(t, 200, card.Exchanges())
	assert.Equal(t, 100, card.Applied())
}

// teller is a card that tells when it is in.
type teller struct {
	*simcard.Card
	in func()
}

func (c teller) Insert() {
	c.Card.Insert()
	c.in()
}

// Whoever is told that the card is in finds it.
func TestInsertIsWhole(t *testing.T) {
	var card *fault.Card
	told := 0
	card = fault.Wrap(teller{simcard.New(), func() {
		told++
		_, err := card.Transmit([]byte{0x00, 0xA4, 0x04, 0x00})
		assert.NoError(t, err)
	}})
	card.Remove()
	card.Insert()
	assert.Equal(t, 1, told)
}
