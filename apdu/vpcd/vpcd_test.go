package vpcd_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/apdu/vpcd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// card answers each command with its bytes and 9000, and keeps what happened
// to its power.
type card struct {
	mu     sync.Mutex
	events []string
	reply  func(command []byte) ([]byte, error)
}

func (c *card) note(e string) { c.mu.Lock(); c.events = append(c.events, e); c.mu.Unlock() }
func (c *card) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.events...)
}
func (c *card) ATR() []byte { return []byte{0x3B, 0xE0, 0x00, 0xFF, 0x81, 0x31, 0xFE, 0x45, 0x14} }
func (c *card) PowerOn()    { c.note("on") }
func (c *card) PowerOff()   { c.note("off") }
func (c *card) Reset()      { c.note("reset") }
func (c *card) Transmit(command []byte) ([]byte, error) {
	if c.reply != nil {
		return c.reply(command)
	}
	return append(bytes.Clone(command), 0x90, 0x00), nil
}

func listen(t *testing.T) *vpcd.Listener {
	t.Helper()
	l, err := vpcd.Listen("127.0.0.1:0")
	require.NoError(t, err)
	l.SetPatience(time.Minute) // a machine may be busy with other things
	t.Cleanup(func() { l.Close() })
	return l
}

// pair is a card in a listener's slot.
func pair(t *testing.T, c vpcd.Card) (*vpcd.Remote, *vpcd.Slot) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	l := listen(t)
	type inserted struct {
		slot *vpcd.Slot
		err  error
	}
	got := make(chan inserted, 1)
	go func() {
		s, err := vpcd.Insert(ctx, l.Addr().String(), c)
		got <- inserted{s, err}
	}()
	r, err := l.Accept(ctx)
	require.NoError(t, err)
	in := <-got
	require.NoError(t, in.err)
	t.Cleanup(func() { r.Close(); in.slot.Remove() })
	return r, in.slot
}

func TestBothEnds(t *testing.T) {
	c := &card{}
	r, slot := pair(t, c)
	ctx := context.Background()
	assert.Equal(t, c.ATR(), r.ATR())
	for _, n := range []int{4, 5, 255, 256, 257, 5000, 65533} {
		cmd := bytes.Repeat([]byte{0xA5}, n)
		got, err := r.TransmitContext(ctx, []byte("dst"), cmd)
		require.NoError(t, err)
		require.True(t, bytes.Equal(append(append([]byte("dst"), cmd...), 0x90, 0x00), got), "%d bytes", n)
	}
	require.NoError(t, r.Reset(ctx))
	_, err := r.Transmit([]byte{0, 0xA4, 0, 0})
	require.NoError(t, err)
	require.NoError(t, r.Close())
	<-slot.Done()
	assert.ErrorIs(t, slot.Err(), io.EOF)
	assert.Equal(t, []string{"on", "reset", "off", "off"}, c.all())

	_, err = r.Transmit([]byte{0, 0xA4, 0, 0})
	assert.ErrorIs(t, err, vpcd.ErrRemoteLost)
}

func TestCommandsOfControlLengthAreRefused(t *testing.T) {
	r, _ := pair(t, &card{})
	for _, b := range [][]byte{nil, {4}, {0, 0xA4, 4}} {
		_, err := r.Transmit(b)
		assert.ErrorIs(t, err, apdu.ErrCommandLength, "% X would be taken for something else", b)
	}
	_, err := r.Transmit(make([]byte, 70000))
	assert.Error(t, err)
	_, err = r.Transmit([]byte{0, 0xA4, 0, 0})
	assert.NoError(t, err, "a command that was not sent leaves the link whole")
}

// A command without power is answered without the card, which stays.
func TestCommandWithoutPower(t *testing.T) {
	reader, ours := net.Pipe()
	c := &card{}
	served := make(chan error, 1)
	go func() { served <- vpcd.Serve(context.Background(), ours, c) }()
	say := func(message ...byte) {
		t.Helper()
		_, err := reader.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...))
		require.NoError(t, err)
	}
	answer := func() []byte {
		t.Helper()
		var length [2]byte
		_, err := io.ReadFull(reader, length[:])
		require.NoError(t, err)
		b := make([]byte, binary.BigEndian.Uint16(length[:]))
		_, err = io.ReadFull(reader, b)
		require.NoError(t, err)
		return b
	}
	command := []byte{0, 0xA4, 4, 0}
	c.reply = func([]byte) ([]byte, error) { return nil, errors.New("no power") }
	say(1)
	say(0)
	for range 3 {
		say(command...)
		assert.Equal(t, []byte{0x6F, 0x00}, answer())
	}
	say(4)
	assert.Equal(t, c.ATR(), answer())
	c.reply = nil
	for _, power := range []byte{1, 2} {
		say(0)
		say(power)
		say(command...)
		assert.Equal(t, append(bytes.Clone(command), 0x90, 0x00), answer())
	}
	reader.Close()
	assert.ErrorIs(t, <-served, io.EOF)
}

func TestRemoveIsSeen(t *testing.T) {
	r, slot := pair(t, &card{})
	assert.NoError(t, slot.Err())
	slot.Remove()
	slot.Remove()
	assert.ErrorIs(t, slot.Err(), vpcd.ErrRemoved)
	_, err := r.Transmit([]byte{0, 0xA4, 0, 0})
	assert.ErrorIs(t, err, apdu.ErrCardRemoved)
	assert.ErrorIs(t, err, vpcd.ErrRemoteLost)
}

func TestContextEndsTheSlot(t *testing.T) {
	l := listen(t)
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	accepted := make(chan *vpcd.Remote, 1)
	go func() {
		r, err := l.Accept(context.Background())
		assert.NoError(t, err)
		accepted <- r
	}()
	slot, err := vpcd.Insert(ctx, l.Addr().String(), &card{})
	require.NoError(t, err)
	r := <-accepted
	defer r.Close()
	why := errors.New("shop closes")
	cancel(why)
	<-slot.Done()
	assert.ErrorIs(t, slot.Err(), why)
}

// A card that falls silent does not hold the caller beyond its context; the
// link is given up, and says so.
func TestSilentCard(t *testing.T) {
	release := make(chan struct{})
	ctx, cancel := context.WithCancelCause(context.Background())
	c := &card{reply: func([]byte) ([]byte, error) {
		cancel(context.DeadlineExceeded) // in the middle of the exchange
		<-release
		return []byte{0x90, 0x00}, nil
	}}
	r, slot := pair(t, c)
	_, err := r.TransmitContext(ctx, nil, []byte{0, 0xA4, 0, 0})
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	assert.ErrorIs(t, err, vpcd.ErrRemoteLost)
	_, err = r.Transmit([]byte{0, 0xA4, 0, 0})
	assert.ErrorIs(t, err, vpcd.ErrRemoteLost)
	close(release)
	<-slot.Done()
}

func TestCardThatGivesUp(t *testing.T) {
	for name, reply := range map[string]func([]byte) ([]byte, error){
		"error":      func([]byte) ([]byte, error) { return nil, apdu.ErrCardRemoved },
		"no bytes":   func([]byte) ([]byte, error) { return nil, nil },
		"torn reply": func([]byte) ([]byte, error) { return []byte{0x90}, nil },
	} {
		t.Run(name, func(t *testing.T) {
			r, slot := pair(t, &card{reply: reply})
			_, err := r.Transmit([]byte{0, 0xA4, 0, 0})
			assert.ErrorIs(t, err, apdu.ErrCardRemoved)
			<-slot.Done()
			assert.ErrorIs(t, slot.Err(), apdu.ErrCardRemoved)
		})
	}
	r, _ := pair(t, &card{reply: func([]byte) ([]byte, error) { return make([]byte, 70000), nil }})
	got, err := r.Transmit([]byte{0, 0xB0, 0, 0})
	require.NoError(t, err)
	assert.Equal(t, []byte{0x67, 0x00}, got, "a reply that does not fit")
}

// A second card on an occupied slot is accepted by the kernel and never asked
// for anything.
func TestSlotTaken(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("waits five seconds for a slot that stays silent")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") // nobody accepts: a queue
	require.NoError(t, err)
	defer l.Close()
	c := &card{}
	_, err = vpcd.Insert(context.Background(), l.Addr().String(), c)
	assert.ErrorIs(t, err, vpcd.ErrSlotTaken)
	assert.Equal(t, []string{"off"}, c.all())
}

func TestInsertErrors(t *testing.T) {
	l := listen(t)
	addr := l.Addr().String()
	l.Close()
	_, err := vpcd.Insert(context.Background(), addr, &card{})
	assert.ErrorContains(t, err, "no virtual reader")

	queue, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer queue.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err = vpcd.Insert(ctx, queue.Addr().String(), &card{})
	assert.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestBrokenReader(t *testing.T) {
	for name, tt := range map[string]struct {
		bytes []byte
		err   error
	}{
		"empty message":   {[]byte{0, 0}, vpcd.ErrProtocol},
		"unknown control": {[]byte{0, 1, 9}, vpcd.ErrProtocol},
		"torn length":     {[]byte{0}, io.ErrUnexpectedEOF},
		"torn message":    {[]byte{0, 5, 1, 2}, io.ErrUnexpectedEOF},
		"orderly end":     {nil, io.EOF},
	} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := net.Pipe()
			go func() { theirs.Write(tt.bytes); theirs.Close() }()
			c := &card{}
			assert.ErrorIs(t, vpcd.Serve(context.Background(), ours, c), tt.err)
			assert.Equal(t, []string{"off"}, c.all(), "a card that left has no power")
		})
	}
}

// Who connects and is no card is dropped, and the next one is the card.
func TestAcceptPassesOverWhatIsNoCard(t *testing.T) {
	for name, answer := range map[string][]byte{
		"no ATR":       {0, 0},
		"one byte":     {0, 1, 0x3B},
		"endless ATR":  append([]byte{0xFF, 0xFF}, make([]byte, 65535)...),
		"HTTP":         []byte("GET / HTTP/1.1\r\n\r\n"),
		"gone at once": nil,
	} {
		t.Run(name, func(t *testing.T) {
			l := listen(t)
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			peer, err := net.Dial("tcp", l.Addr().String())
			require.NoError(t, err)
			defer peer.Close()
			var wg sync.WaitGroup
			defer wg.Wait()
			wg.Go(func() {
				peer.Write(answer)
				if answer == nil {
					peer.(*net.TCPConn).CloseWrite()
				}
				_, err := io.Copy(io.Discard, peer) // its end, while Accept goes on
				if err != nil {
					assert.ErrorContains(t, err, "reset")
				}
				slot, err := vpcd.Insert(ctx, l.Addr().String(), &card{})
				if assert.NoError(t, err) {
					<-slot.Done()
				}
			})
			r, err := l.Accept(ctx)
			require.NoError(t, err)
			assert.Equal(t, (&card{}).ATR(), r.ATR())
			r.Close()
		})
	}
}

// Peers that keep silent are asked beside the card that comes after them, and
// all of them are let go.
func TestAcceptAmongSilentPeers(t *testing.T) {
	t.Parallel()
	for name, silent := range map[string]int{"one": 1, "more than are asked at a time": 20} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && silent > 1 {
				t.Skip("waits three seconds for the first of the silent to be dropped")
			}
			l := listen(t)
			if silent > 1 { // otherwise the card does not wait for its end
				l.SetPatience(3 * time.Second)
			}
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			var peers []net.Conn
			for range silent {
				peer, err := net.Dial("tcp", l.Addr().String())
				require.NoError(t, err)
				defer peer.Close()
				peers = append(peers, peer)
			}
			// Not by Insert, which may wait less than the queue is long.
			conn, err := net.Dial("tcp", l.Addr().String())
			require.NoError(t, err)
			served := make(chan error, 1)
			go func() { served <- vpcd.Serve(ctx, conn, &card{}) }()
			r, err := l.Accept(ctx)
			require.NoError(t, err)
			r.Close()
			for _, peer := range peers {
				peer.SetReadDeadline(time.Now().Add(20 * time.Second))
				_, err := io.Copy(io.Discard, peer)
				assert.NotErrorIs(t, err, os.ErrDeadlineExceeded, "a silent peer is still connected")
			}
			assert.ErrorIs(t, <-served, io.EOF)
		})
	}
}

// What was dropped is told when no card came, and is not taken for the card.
func TestAcceptTellsWhatItDropped(t *testing.T) {
	l := listen(t)
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	closing := errors.New("shop closes")
	peer, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer peer.Close()
	_, err = peer.Write([]byte{0, 1, 0x3B})
	require.NoError(t, err)
	go func() {
		io.Copy(io.Discard, peer) // until it is dropped
		next, err := net.Dial("tcp", l.Addr().String())
		if assert.NoError(t, err) {
			defer next.Close()
			next.Read(make([]byte, 1)) // it is its turn
		}
		cancel(closing)
	}()
	_, err = l.Accept(ctx)
	assert.ErrorIs(t, err, closing)
	assert.ErrorContains(t, err, "ATR of 1 bytes")
	assert.NotErrorIs(t, err, apdu.ErrCardRemoved)
}

// Two who accept get a card each, and one that waits for its turn can leave.
func TestAcceptByTurns(t *testing.T) {
	l := listen(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	got := make(chan *vpcd.Remote, 2)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			r, err := l.Accept(ctx)
			assert.NoError(t, err)
			got <- r
		})
	}
	impatient, leave := context.WithTimeout(ctx, 20*time.Millisecond)
	defer leave()
	_, err := l.Accept(impatient)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	for range 2 {
		slot, err := vpcd.Insert(ctx, l.Addr().String(), &card{})
		require.NoError(t, err)
		r := <-got
		require.NoError(t, r.Close())
		<-slot.Done()
	}
	wg.Wait()
}

func TestAcceptEndsWithItsListener(t *testing.T) {
	l := listen(t)
	ended := make(chan error, 1)
	go func() {
		_, err := l.Accept(context.Background())
		ended <- err
	}()
	require.NoError(t, l.Close())
	assert.ErrorIs(t, <-ended, net.ErrClosed)
}

func TestAcceptHonoursContext(t *testing.T) {
	l := listen(t)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err := l.Accept(ctx)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = l.Accept(ctx)
	assert.ErrorIs(t, err, context.DeadlineExceeded)

	// A peer that connects and keeps silent.
	conn, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	ctx, cancel = context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err = l.Accept(ctx)
	assert.ErrorIs(t, err, context.DeadlineExceeded)

	// And the listener is of use again.
	go func() {
		if s, err := vpcd.Insert(context.Background(), l.Addr().String(), &card{}); err == nil {
			<-s.Done()
		}
	}()
	r, err := l.Accept(context.Background())
	require.NoError(t, err)
	r.Close()
}

func TestListenOnlyOnLoopback(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", ":0", "[::]:0"} {
		_, err := vpcd.Listen(addr)
		assert.ErrorIs(t, err, vpcd.ErrNotLoopback, addr)
	}
	_, err := vpcd.Listen("nonsense")
	assert.Error(t, err)
	l := listen(t)
	assert.Equal(t, "vpcd://"+l.Addr().String(), l.URL())
}

// A message goes out in one piece: two would cost the peer's delayed
// acknowledgement, 40 ms an exchange.
func TestOneWriteAMessage(t *testing.T) {
	ours, theirs := net.Pipe() // a pipe hands over exactly one write a read
	done := make(chan error, 1)
	go func() { done <- vpcd.Serve(context.Background(), ours, &card{}) }()
	_, err := theirs.Write([]byte{0, 4, 0, 0xA4, 0, 0})
	require.NoError(t, err)
	buf := make([]byte, 100)
	n, err := theirs.Read(buf)
	require.NoError(t, err)
	assert.Equal(t, 8, n)
	assert.Equal(t, uint16(6), binary.BigEndian.Uint16(buf))
	theirs.Close()
	<-done
}

func FuzzServe(f *testing.F) {
	f.Add([]byte{0, 1, 4, 0, 1, 1, 0, 5, 0, 0xB0, 0, 0, 0})
	f.Add([]byte{0xFF, 0xFF, 1})
	f.Fuzz(func(t *testing.T, in []byte) {
		ours, theirs := net.Pipe()
		go io.Copy(io.Discard, theirs)
		go func() { theirs.Write(in); theirs.Close() }()
		if err := vpcd.Serve(context.Background(), ours, &card{}); err == nil {
			t.Fatal("Serve ended without a reason")
		}
	})
}

func BenchmarkExchange(b *testing.B) {
	l, err := vpcd.Listen("127.0.0.1:0")
	require.NoError(b, err)
	defer l.Close()
	go func() {
		if s, err := vpcd.Insert(context.Background(), l.Addr().String(), &card{}); err == nil {
			<-s.Done()
		}
	}()
	r, err := l.Accept(context.Background())
	require.NoError(b, err)
	defer r.Close()
	dst := make([]byte, 0, 300)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.TransmitContext(context.Background(), dst, []byte{0, 0xB0, 0, 0, 0}); err != nil {
			b.Fatal(err)
		}
	}
}
