package vpcd

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"sync"
	"time"

	"github.com/mynakit/mynakit/apdu"
)

var (
	// ErrNotLoopback is returned when [Listen] gets an address that other machines
	// can reach, without [AllowNetwork].
	ErrNotLoopback = errors.New("vpcd: address is not loopback; the link is plain, so another must be asked for")
	// ErrRemoteLost means that the link to the card broke, or was given up in the
	// middle of an exchange. The [Remote] cannot be used any more.
	ErrRemoteLost = errors.New("vpcd: link to the card is lost")
)

// Bounds of [Listener.Accept].
const (
	// handshakeWait is what a peer gets for its ATR, where a test does not say
	// otherwise. A phone on a poor network needs a part of it.
	handshakeWait = 3 * time.Second
	// headStart is how long a peer has Accept to itself, so that of two cards
	// that come together the second stays in the kernel's queue for the next
	// Accept.
	headStart = 200 * time.Millisecond
	// maxHandshakes is how many peers may owe their ATR at the same time.
	maxHandshakes = 16
)

// A Listener waits for cards as vpcd does.
type Listener struct {
	l    *net.TCPListener
	turn chan struct{} // holds one token: whoever has it accepts
	wait time.Duration // what a peer gets for its ATR
}

// A ListenOption changes what [Listen] accepts.
type ListenOption func(*listenConfig)

type listenConfig struct{ network bool }

// AllowNetwork makes [Listen] accept an address that is not loopback. The PIN
// then travels in the clear over that network.
func AllowNetwork() ListenOption { return func(c *listenConfig) { c.network = true } }

// Listen waits for cards at addr (host:port; port 0 picks a free one). It returns
// an error of the network, or [ErrNotLoopback].
func Listen(addr string, opts ...ListenOption) (*Listener, error) {
	var c listenConfig
	for _, o := range opts {
		o(&c)
	}
	tcp, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("vpcd: %w", err)
	}
	if !c.network && !tcp.IP.IsLoopback() {
		return nil, ErrNotLoopback
	}
	l, err := net.ListenTCP("tcp", tcp)
	if err != nil {
		return nil, fmt.Errorf("vpcd: %w", err)
	}
	turn := make(chan struct{}, 1)
	turn <- struct{}{}
	return &Listener{l, turn, handshakeWait}, nil
}

// Addr returns the address that cards connect to.
func (l *Listener) Addr() net.Addr { return l.l.Addr() }

// URL returns the address as the app expects it in a QR code, vpcd://host:port.
func (l *Listener) URL() string { return "vpcd://" + l.l.Addr().String() }

// Close stops waiting. Cards that are connected stay.
func (l *Listener) Close() error { return l.l.Close() }

// Accept waits for the next card, powers it on and asks for its ATR. The first
// peer that sends an ATR is the card.
//
// A peer that is no card does not end the wait. Accept drops a peer that leaves or
// sends something else than an ATR at once, and a silent peer after 3 seconds. A
// silent peer has Accept to itself for 200 ms. Then others are asked beside it, at
// most 16 at a time. When Accept returns, it drops the peers that still owe their
// ATR.
//
// Accept returns the cause of ctx's end, whose text says why the last peer was
// dropped, or an error of the network. Of several calls at once, each waits for
// the one before.
func (l *Listener) Accept(ctx context.Context) (*Remote, error) {
	select {
	case <-l.turn:
		defer func() { l.turn <- struct{}{} }()
	case <-ctx.Done():
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	var (
		handshakes sync.WaitGroup
		mu         sync.Mutex
		card       *Remote
		dropped    error
	)
	room := make(chan struct{}, maxHandshakes)
	shake := func(conn net.Conn) {
		r, err := l.handshake(waiting, conn)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err != nil && waiting.Err() == nil:
			dropped = err
		case err != nil: // nobody waits for it any longer
		case card != nil:
			_ = r.Close() // it was a moment too late
		default:
			card = r
			stop()
		}
	}
	var failed error
	for {
		// Whoever is in there leaves after l.wait, or when the wait ends.
		room <- struct{}{}
		if failed = context.Cause(waiting); failed != nil {
			break
		}
		var conn net.Conn
		failed = interruptible(waiting, l.l.SetDeadline, func() (err error) {
			conn, err = l.l.Accept()
			return err
		})
		if failed != nil {
			break
		}
		done := make(chan struct{})
		handshakes.Go(func() {
			shake(conn)
			<-room
			close(done)
		})
		select {
		case <-done:
		case <-waiting.Done():
		case <-time.After(headStart):
		}
	}
	stop()
	handshakes.Wait()
	switch {
	case card != nil:
		return card, nil
	case dropped != nil && ctx.Err() != nil:
		// Only as a text: that some peer left is not what happened to the card.
		return nil, fmt.Errorf("vpcd: %w; a peer was dropped: %v", failed, dropped)
	}
	return nil, fmt.Errorf("vpcd: %w", failed)
}

// handshake makes a card of a connection, which it closes where it fails.
func (l *Listener) handshake(ctx context.Context, conn net.Conn) (*Remote, error) {
	ctx, cancel := context.WithTimeout(ctx, l.wait)
	defer cancel()
	r := &Remote{w: newWire(conn)}
	if err := r.start(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return r, nil
}

// A Remote is a card at the other end of a link. It is an
// [apdu.ContextTransmitter]; one exchange runs at a time.
type Remote struct {
	mu   sync.Mutex
	w    *wire
	atr  []byte
	lost error
}

// start powers the card on and reads its ATR.
func (r *Remote) start(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.guard(ctx, func() error {
		if err := r.w.writeBytes(controlOn); err != nil {
			return err
		}
		if err := r.w.writeBytes(controlATR); err != nil {
			return err
		}
		atr, err := r.w.read(33)
		if err == nil && len(atr) < 2 {
			err = fmt.Errorf("%w: ATR of %d bytes", ErrProtocol, len(atr))
		}
		r.atr = append([]byte(nil), atr...)
		return err
	})
}

// ATR returns the card's answer to reset, 2 to 33 bytes, in new memory.
func (r *Remote) ATR() []byte { return append([]byte(nil), r.atr...) }

// Transmit is [apdu.Transmitter.Transmit]. It can wait for ever: prefer
// TransmitContext.
func (r *Remote) Transmit(command []byte) ([]byte, error) {
	return r.TransmitContext(context.Background(), nil, command)
}

// TransmitContext is [apdu.ContextTransmitter.TransmitContext]. After an error,
// the end of ctx among them, the link is given up: [ErrRemoteLost].
func (r *Remote) TransmitContext(ctx context.Context, dst, command []byte) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(command) < 4 {
		return dst, apdu.ErrCommandLength // one byte would be a control code
	}
	out := dst
	err := r.guard(ctx, func() error {
		err := r.w.write(func(b []byte) ([]byte, error) { return append(b, command...), nil })
		clear(r.w.out) // it may have been a PIN
		if err != nil {
			return err
		}
		reply, err := r.w.read(math.MaxUint16)
		if err != nil {
			return err
		}
		out = append(dst, reply...)
		clear(reply)
		return nil
	})
	return out, err
}

// Reset resets the card without taking its power away.
func (r *Remote) Reset(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.guard(ctx, func() error { return r.w.writeBytes(controlReset) })
}

// Close takes the card's power away and ends the link.
func (r *Remote) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lost == nil {
		r.lost = ErrRemoteLost
		r.w.conn.SetWriteDeadline(time.Now().Add(time.Second))
		_ = r.w.writeBytes(controlOff) // a card that left needs no power
	}
	return r.w.conn.Close()
}

// guard runs f under ctx. Any error breaks the link for good: what would come
// next on it could be the answer to this exchange.
func (r *Remote) guard(ctx context.Context, f func() error) error {
	if r.lost != nil {
		return r.lost
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	err := interruptible(ctx, r.w.conn.SetDeadline, f)
	if err == nil {
		return nil
	}
	if errors.Is(err, errTooLong) {
		return err // nothing was sent
	}
	r.lost = ErrRemoteLost
	r.w.conn.Close()
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", ErrRemoteLost, err)
	}
	return fmt.Errorf("%w: %w: %w", apdu.ErrCardRemoved, ErrRemoteLost, err)
}

// interruptible runs f, which blocks on what setDeadline governs, and gets it
// out of there when ctx ends. It leaves no deadline behind.
func interruptible(ctx context.Context, setDeadline func(time.Time) error, f func() error) error {
	set := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(set)
		_ = setDeadline(time.Unix(1, 0))
	})
	err := f()
	if stop() {
		return err
	}
	<-set
	if err != nil {
		err = context.Cause(ctx)
	}
	_ = setDeadline(time.Time{})
	return err
}
