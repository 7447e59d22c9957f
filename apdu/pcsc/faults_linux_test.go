package pcsc

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/internal/fakepcscd"
	"github.com/mynakit/mynakit/simcard"
)

var selectNothing = []byte{0x00, 0xA4, 0x04, 0x0C}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// desk is a daemon with one reader.
func desk(t *testing.T, config fakepcscd.Config) *fakepcscd.Daemon {
	t.Helper()
	d := fakepcscd.Start(t, config)
	d.AddReader("Desk")
	return d
}

// openDesk is a daemon with a card in its reader, connected to.
func openDesk(t *testing.T, config fakepcscd.Config) (*fakepcscd.Daemon, *Card) {
	t.Helper()
	d := desk(t, config)
	d.Insert("Desk", simcard.New())
	c, err := pcscd().open(within(t, time.Minute), "Desk")
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return d, c
}

func TestVersionsThatCannotBeSpoken(t *testing.T) {
	for name, told := range map[string][2]uint32{"4:3": {4, 3}, "4:7": {4, 7}, "5:4": {5, 4}, "3:9": {3, 9}} {
		t.Run(name, func(t *testing.T) {
			d := desk(t, fakepcscd.Config{Reply: func(command uint32, reply []byte) []byte {
				binary.NativeEndian.PutUint32(reply, told[0])
				binary.NativeEndian.PutUint32(reply[4:], told[1])
				binary.NativeEndian.PutUint32(reply[8:], codeStopped)
				return reply
			}})
			_, err := pcscd().readers(within(t, time.Minute))
			assert.ErrorIs(t, err, ErrNoService)
			assert.ErrorContains(t, err, "pcscd speaks version "+name+", this program 4:4 to 4:6")
			assert.Equal(t, 1, d.Dials(), "there is nothing else to ask for")
		})
	}
}

// A daemon that refuses whatever is asked for, and names another version each
// time, is left.
func TestVersionThatMoves(t *testing.T) {
	minor := uint32(4)
	d := desk(t, fakepcscd.Config{Reply: func(command uint32, reply []byte) []byte {
		minor++
		binary.NativeEndian.PutUint32(reply[4:], minor)
		binary.NativeEndian.PutUint32(reply[8:], codeStopped)
		return reply
	}})
	_, err := pcscd().readers(within(t, time.Minute))
	assert.ErrorIs(t, err, ErrNoService)
	assert.LessOrEqual(t, d.Dials(), 3)
}

func TestOtherByteOrder(t *testing.T) {
	for _, order := range []binary.ByteOrder{binary.BigEndian, binary.LittleEndian} {
		d := desk(t, fakepcscd.Config{Minor: 6, Order: order})
		d.Insert("Desk", simcard.New())
		s := stack{establish: func(ctx context.Context) (session, error) { return dialPCSCD(ctx, order) }}
		ctx := within(t, time.Minute)
		reader, err := s.waitCard(ctx)
		require.NoError(t, err)
		c, err := s.open(ctx, reader)
		require.NoError(t, err)
		reply, err := c.Transmit([]byte("\x00\xA4\x04\x0C\x0A\xD3\x92\xF0\x00\x26\x01\x00\x00\x00\x01"))
		require.NoError(t, err)
		assert.Equal(t, "\x90\x00", string(reply))
		require.NoError(t, c.Close())
		d.Close()
	}
}

func TestNoDaemon(t *testing.T) {
	t.Setenv(pcscdSocketVariable, filepath.Join(t.TempDir(), "none"))
	_, err := pcscd().readers(within(t, time.Minute))
	assert.ErrorIs(t, err, ErrNoService)
	assert.NotErrorIs(t, err, ErrDenied)
	_, err = pcscd().open(within(t, time.Minute), "Desk")
	assert.ErrorIs(t, err, ErrNoService)
}

// polkit refuses in two places: a connection is closed without a word, and a
// card is refused.
func TestPolkit(t *testing.T) {
	d := fakepcscd.Start(t, fakepcscd.Config{Deny: true})
	_, err := pcscd().readers(within(t, time.Minute))
	assert.ErrorIs(t, err, ErrDenied)
	assert.ErrorIs(t, err, ErrNoService, "a daemon that ends does the same")
	assert.ErrorContains(t, err, "org.debian.pcsc-lite.access_pcsc")
	d.Close()

	d = desk(t, fakepcscd.Config{})
	d.Insert("Desk", simcard.New())
	d.DenyCard("Desk")
	_, err = pcscd().open(within(t, time.Minute), "Desk")
	assert.ErrorIs(t, err, ErrDenied)
	assert.ErrorContains(t, err, "polkit rule")
}

// lie returns a Config whose daemon lies once in a reply to command.
func lie(command uint32, change func([]byte) []byte) fakepcscd.Config {
	var told atomic.Bool
	return fakepcscd.Config{Reply: func(c uint32, reply []byte) []byte {
		if c == command && told.CompareAndSwap(false, true) {
			return change(reply)
		}
		return reply
	}}
}

func put(at int, w uint32) func([]byte) []byte {
	return func(b []byte) []byte { binary.NativeEndian.PutUint32(b[at:], w); return b }
}

func TestLengthsThatAreLies(t *testing.T) {
	for name, n := range map[string]uint32{"one too many": longestReply + 1, "a gigabyte": 1 << 30, "negative": 1<<32 - 1} {
		t.Run("transmit/"+name, func(t *testing.T) {
			_, c := openDesk(t, lie(fakepcscd.Transmit, put(24, n)))
			_, err := c.TransmitContext(within(t, time.Minute), nil, selectNothing)
			assert.ErrorIs(t, err, ErrProtocol)
			_, err = c.TransmitContext(within(t, time.Minute), nil, selectNothing)
			assert.ErrorIs(t, err, ErrProtocol, "the connection is of no more use")
		})
		t.Run("control/"+name, func(t *testing.T) {
			_, c := openDesk(t, lie(fakepcscd.Control, put(16, n)))
			_, err := c.Control(within(t, time.Minute), ControlCode(1), nil)
			assert.ErrorIs(t, err, ErrProtocol)
		})
		t.Run("attribute/"+name, func(t *testing.T) {
			_, c := openDesk(t, lie(fakepcscd.GetAttribute, put(272, n)))
			_, err := c.Attribute(within(t, time.Minute), 0x00090303)
			assert.ErrorIs(t, err, ErrProtocol)
		})
		t.Run("ATR/"+name, func(t *testing.T) {
			d := desk(t, lie(fakepcscd.Wait, put(176, n)))
			d.Insert("Desk", simcard.New())
			_, err := pcscd().waitCard(within(t, time.Minute))
			assert.ErrorIs(t, err, ErrProtocol)
		})
	}
	t.Run("more announced than sent", func(t *testing.T) {
		ctx, end := ending()
		d, c := openDesk(t, lie(fakepcscd.Transmit, func(reply []byte) []byte {
			time.AfterFunc(50*time.Millisecond, end)
			return put(24, 1000)(reply)
		}))
		_, err := c.TransmitContext(ctx, nil, selectNothing)
		assert.ErrorIs(t, err, ErrGivenUp)
		d.HangUp() // or the rest is waited for behind the caller's back
	})
	t.Run("names without an end", func(t *testing.T) {
		desk(t, fakepcscd.Config{Reply: func(command uint32, reply []byte) []byte {
			if command == fakepcscd.Wait {
				copy(reply, bytes.Repeat([]byte{'n'}, nameSize))
			}
			return reply
		}})
		names, err := pcscd().readers(within(t, time.Minute))
		require.NoError(t, err)
		assert.Equal(t, []string{strings.Repeat("n", nameSize)}, names)
		_, err = pcscd().open(within(t, time.Minute), names[0])
		assert.ErrorIs(t, err, ErrUnknownReader)
	})
}

// A reply that is torn off at any byte: the daemon goes in the middle of it.
func TestDaemonGoesInTheMiddle(t *testing.T) {
	for _, command := range []uint32{fakepcscd.Version, fakepcscd.Establish, fakepcscd.Connect, fakepcscd.Status, fakepcscd.Readers, fakepcscd.Transmit} {
		for _, cut := range []int{0, 1, 4, 11} {
			var d *fakepcscd.Daemon
			config := lie(command, func(b []byte) []byte {
				go d.HangUp()
				return b[:min(cut, len(b)-1)]
			})
			d = desk(t, config)
			d.Insert("Desk", simcard.New())
			ctx := within(t, time.Minute)
			c, err := pcscd().open(ctx, "Desk")
			if command == fakepcscd.Transmit {
				require.NoError(t, err)
				_, err = c.TransmitContext(ctx, nil, selectNothing)
				assert.ErrorIs(t, err, ErrNoService, "command %d cut at %d", command, cut)
				assert.Error(t, c.Close())
			}
			require.ErrorIs(t, err, ErrNoService, "command %d cut at %d", command, cut)
			c, err = pcscd().open(ctx, "Desk")
			require.NoError(t, err, "the next connection is whole")
			require.NoError(t, c.Close())
			d.Close()
		}
	}
}

// A daemon that falls silent holds nobody longer than the context.
func TestSilentDaemon(t *testing.T) {
	for _, command := range []uint32{fakepcscd.Version, fakepcscd.Establish, fakepcscd.Connect, fakepcscd.Status, fakepcscd.Readers} {
		ctx, end := ending()
		d := desk(t, lie(command, func([]byte) []byte { end(); return nil }))
		d.Insert("Desk", simcard.New())
		_, err := pcscd().open(ctx, "Desk")
		assert.ErrorIs(t, err, ErrGivenUp, "command %d", command)
		assert.ErrorIs(t, err, context.DeadlineExceeded, "command %d", command)
		d.Close()
	}
	// A socket that nobody accepts from.
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	defer l.Close()
	t.Setenv(pcscdSocketVariable, path)
	_, err = pcscd().readers(within(t, 30*time.Millisecond))
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = pcscd().readers(within(t, time.Nanosecond))
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	assert.NotErrorIs(t, err, ErrNoService, "the service was not asked")
}

// A card that was given up loses its power as soon as the driver is back.
func TestGivenUpCardLosesItsPower(t *testing.T) {
	wake := make(chan struct{})
	ctx, end := ending()
	d := desk(t, fakepcscd.Config{})
	sim := simcard.New()
	d.Insert("Desk", slow{sim, end, wake})
	c, err := pcscd().open(within(t, time.Minute), "Desk")
	require.NoError(t, err)
	for _, command := range []string{"\x00\xA4\x04\x0C\x0A\xD3\x92\xF0\x00\x26\x01\x00\x00\x00\x01", "\x00\xA4\x02\x0C\x02\x00\x18"} {
		_, err = c.Transmit([]byte(command))
		require.NoError(t, err)
	}
	_, err = c.TransmitContext(ctx, nil, []byte("\x00\x20\x00\x80\x041234"))
	require.ErrorIs(t, err, ErrGivenUp)
	close(wake)
	assert.Eventually(t, func() bool { return d.Open() == 0 }, time.Minute, time.Millisecond)
	assert.False(t, sim.Verified(simcard.AuthPIN))
}

// slow answers VERIFY when it is woken.
type slow struct {
	*simcard.Card
	asked func()
	wake  chan struct{}
}

func (s slow) Transmit(command []byte) ([]byte, error) {
	if command[1] == 0x20 {
		s.asked()
		<-s.wake
	}
	return s.Card.Transmit(command)
}

// The memory that a command with a PIN went through is wiped.
func TestMessageIsWiped(t *testing.T) {
	_, c := openDesk(t, fakepcscd.Config{})
	_, err := c.Transmit([]byte("\x00\x20\x00\x98\x041234"))
	require.NoError(t, err)
	out := c.handle.(*pcscdHandle).out
	assert.NotContains(t, string(out[:cap(out)]), "1234")
}

// An exchange that breaks is a removal only if the card is gone.
func TestBrokenExchange(t *testing.T) {
	d, c := openDesk(t, fakepcscd.Config{})
	d.Swap("Desk", broken{simcard.New(), nil})
	c.Close()
	c, err := pcscd().open(within(t, time.Minute), "Desk")
	require.NoError(t, err)
	_, err = c.TransmitContext(within(t, time.Minute), nil, []byte("\x00\xB0\x00\x00\x00"))
	assert.ErrorIs(t, err, apdu.ErrExchange)
	assert.NotErrorIs(t, err, apdu.ErrCardRemoved)
	began := time.Now()
	_, err = c.TransmitContext(within(t, time.Minute), nil, selectNothing)
	assert.ErrorIs(t, err, apdu.ErrExchange)
	assert.GreaterOrEqual(t, time.Since(began), noticed, "a removal would have been seen by then")
	require.NoError(t, c.Close())

	d.Swap("Desk", broken{simcard.New(), func() { time.AfterFunc(20*time.Millisecond, func() { d.Remove("Desk") }) }})
	c, err = pcscd().open(within(t, time.Minute), "Desk")
	require.NoError(t, err)
	_, err = c.TransmitContext(within(t, time.Minute), nil, selectNothing)
	assert.ErrorIs(t, err, apdu.ErrCardRemoved)
	_ = c.Close()
}

// broken is a card with which every exchange breaks.
type broken struct {
	*simcard.Card
	then func()
}

func (b broken) Transmit([]byte) ([]byte, error) {
	if b.then != nil {
		b.then()
	}
	return nil, fakepcscd.ErrBroken
}

// FuzzReplies: whatever a daemon sends, calls end, with bounded memory.
func FuzzReplies(f *testing.F) {
	f.Add([]byte{}, uint8(0))
	f.Add(bytes.Repeat([]byte{0}, 3000), uint8(3))
	f.Add(bytes.Repeat([]byte{0xFF}, 3000), uint8(5))
	var version []byte
	for _, w := range []uint32{4, 5, codeStopped} {
		version = binary.NativeEndian.AppendUint32(version, w)
	}
	f.Add(version, uint8(0))
	f.Fuzz(func(t *testing.T, replies []byte, whole uint8) {
		ours, theirs := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer theirs.Close()
			go io.Copy(io.Discard, theirs)
			theirs.Write(replies)
		}()
		c := &client{conn: ours, order: binary.NativeEndian}
		ctx := context.Background()
		if whole&1 != 0 {
			_, _ = c.version(ctx, 4)
		}
		if whole&2 != 0 {
			_, _ = c.look(ctx)
			_ = c.changed(ctx)
		}
		h, err := c.connect(ctx, "Desk", false)
		if err != nil {
			h = (*pcscdHandle)(c)
		}
		_, _ = h.transmit(ctx, nil, selectNothing)
		_, _ = h.atr(ctx)
		_, _ = h.attribute(ctx, 1)
		if cap(c.in) > 1<<18 {
			t.Fatal(cap(c.in))
		}
		c.close(ErrClosed)
		<-done
	})
}

// A call that is given up while another program is in a transaction takes the
// card's power when that is over, and not in the middle of it.
func TestGivenUpDuringATransaction(t *testing.T) {
	answer := make(chan struct{})
	given, end := ending()
	var held atomic.Bool
	d := desk(t, fakepcscd.Config{Reply: func(command uint32, reply []byte) []byte {
		if held.Load() && command == fakepcscd.Transmit {
			end()
			<-answer
		}
		return reply
	}})
	d.Insert("Desk", simcard.New())
	ctx := within(t, time.Minute)
	one, err := pcscd().open(ctx, "Desk")
	require.NoError(t, err)
	two, err := pcscd().open(ctx, "Desk")
	require.NoError(t, err)
	require.NoError(t, one.Transaction(ctx, func() error {
		held.Store(true)
		_, err := two.TransmitContext(given, nil, selectNothing)
		assert.ErrorIs(t, err, ErrGivenUp)
		n := d.Count(fakepcscd.Disconnect)
		close(answer)
		require.Eventually(t, func() bool { return d.Count(fakepcscd.Disconnect) > n+2 }, time.Minute, time.Millisecond)
		_, err = one.TransmitContext(ctx, nil, selectNothing)
		return err
	}))
	assert.Eventually(t, func() bool { return d.Open() == 1 }, time.Minute, time.Millisecond)
	_, err = one.TransmitContext(ctx, nil, selectNothing)
	assert.ErrorIs(t, err, ErrReset)
	require.NoError(t, one.Close())
}
