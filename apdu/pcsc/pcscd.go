//go:build linux

package pcsc

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"time"

	"github.com/mynakit/mynakit/apdu"
)

// The protocol of pcscd: messages over a Unix stream socket, in words of 32 bits
// in the machine's own byte order. A request is the size of its body, a command
// and the body. The reply is the same body with its result fields filled in, the
// last of them an SCARD_ code.
const (
	pcscdSocket = "/run/pcscd/pcscd.comm"
	// pcscdSocketVariable names another socket, as it does for libpcsclite.
	pcscdSocketVariable = "PCSCLITE_CSOCK_NAME"

	pcscdMajor      = 4
	pcscdFirstMinor = 4
	pcscdLastMinor  = 6
)

const (
	pcscdEstablish    = 1
	pcscdConnect      = 4
	pcscdReconnect    = 5
	pcscdDisconnect   = 6
	pcscdBegin        = 7
	pcscdEnd          = 8
	pcscdTransmit     = 9
	pcscdControl      = 10
	pcscdStatus       = 11
	pcscdGetAttribute = 15
	pcscdSetAttribute = 16
	pcscdVersion      = 17
	pcscdReaders      = 18
	pcscdWait         = 19
)

const (
	word = 4
	// A reader's structure, of which pcscd always sends as many as it has room
	// for: name, count of events, state, sharing, ATR, its length, protocol.
	readerSize    = 128 + 3*word + atrSize + 2*word
	readerSlots   = 16
	nameSize      = 128
	atrSize       = 36 // of which 33 are used
	longestATR    = 33
	attributeSize = 264

	statePresent = 4
	stateMute    = 8 // "swallowed": there, and does not answer
	statePowered = 16

	// longestReply is what a reply may have: 65,536 bytes, the status word, and
	// what pcscd itself adds.
	longestReply = 65536 + 12
)

// Bounds of the client.
const (
	// askAgain is how often a call is tried again that another program's
	// transaction keeps out. pcscd refuses at once and has no queue.
	askAgain = 5 * time.Millisecond
	// lateLimit is what a call that was given up still gets, so that the card can
	// be powered down behind it.
	lateLimit = 30 * time.Second
)

// pcscd returns the stack that talks to the daemon itself.
func pcscd() stack {
	return stack{establish: func(ctx context.Context) (session, error) {
		return dialPCSCD(ctx, binary.NativeEndian)
	}}
}

// A client is one connection to pcscd, and by that a context of it, with one
// card at most. It is for one goroutine at a time.
type client struct {
	conn  net.Conn
	order binary.ByteOrder
	out   []byte
	in    []byte // what has come of the current reply
	dead  error  // set when the connection is of no more use

	context  uint32
	card     uint32
	protocol uint32
	reader   string
}

// dialPCSCD connects, and asks for the version that pcscd speaks.
func dialPCSCD(ctx context.Context, order binary.ByteOrder) (*client, error) {
	path := os.Getenv(pcscdSocketVariable)
	if path == "" {
		path = pcscdSocket
	}
	minor := uint32(pcscdFirstMinor)
	for {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "unix", path)
		if err != nil {
			return nil, dialError(ctx, err)
		}
		c := &client{conn: conn, order: order}
		told, err := c.version(ctx, minor)
		if err == nil {
			return c, nil
		}
		c.close(err)
		// A daemon that speaks one version alone names it with its refusal. It
		// never names a lower one than it refused.
		if told <= minor || told > pcscdLastMinor {
			return nil, err
		}
		minor = told
	}
}

// dialError returns what a socket that cannot be reached means.
func dialError(ctx context.Context, err error) error {
	kind := ErrNoService
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		<-ctx.Done() // its deadline, which the dial may notice first
		return context.Cause(ctx)
	case errors.Is(err, fs.ErrPermission):
		kind = ErrDenied
	}
	return &Error{Op: "establish", kind: fmt.Errorf("%w: %w", kind, err)}
}

// version asks for a version. If pcscd refuses it, version returns the one that
// pcscd speaks.
func (c *client) version(ctx context.Context, minor uint32) (told uint32, err error) {
	reply, err := c.words(ctx, "establish", pcscdVersion, pcscdMajor, minor, 0)
	var code *Error
	switch {
	case err == nil:
		return minor, nil
	case errors.As(err, &code) && code.Code == codeStopped && reply != nil:
		major, told := c.order.Uint32(reply), c.order.Uint32(reply[word:])
		code.kind = fmt.Errorf("%w: pcscd speaks version %d:%d, this program %d:%d to %d:%d", ErrNoService,
			major, told, pcscdMajor, pcscdFirstMinor, pcscdMajor, pcscdLastMinor)
		if major != pcscdMajor {
			told = 0
		}
		return told, err
	case errors.Is(err, ErrNoService) && ctx.Err() == nil:
		// It accepted the connection and closed it without a word.
		return 0, &Error{Op: "establish", kind: fmt.Errorf("%w: pcscd closed the connection: it ends, or %w", ErrNoService, ErrDenied)}
	}
	return 0, err
}

// close ends the connection; err is what later calls return.
func (c *client) close(err error) {
	if c.dead == nil {
		c.dead = err
		c.conn.Close()
	}
}

// message begins a request in c.out.
func (c *client) message(command uint32, words ...uint32) {
	c.out = append(c.out[:0], 0, 0, 0, 0, 0, 0, 0, 0)
	c.order.PutUint32(c.out[word:], command)
	for _, w := range words {
		c.addWord(w)
	}
}

func (c *client) addWord(w uint32) {
	c.out = append(c.out, 0, 0, 0, 0)
	c.order.PutUint32(c.out[len(c.out)-word:], w)
}

// seal sets the size of the request. What comes behind the body is not counted.
func (c *client) seal() { c.order.PutUint32(c.out, uint32(len(c.out)-2*word)) }

// call sends the request in c.out and has read fetch the reply. late, if not
// nil, takes the connection over if ctx ends in the middle.
func (c *client) call(ctx context.Context, op string, read func() error, late func()) error {
	if c.dead != nil {
		return c.dead
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	c.in = c.in[:0]
	var err error
	ended := c.interruptible(ctx, func() {
		if _, err = c.conn.Write(c.out); err == nil {
			err = read()
		}
	})
	clear(c.out) // it may have held a PIN
	switch {
	case err == nil:
		return nil
	case ended && errors.Is(err, os.ErrDeadlineExceeded):
		err = givenUp(ctx)
		if late == nil {
			c.close(err)
			return err
		}
		c.dead = err
		go late()
	case errors.Is(err, ErrProtocol):
		err = &Error{Op: op, kind: err}
		c.close(err)
	default:
		err = &Error{Op: op, kind: fmt.Errorf("%w: %w", ErrNoService, err)}
		c.close(err)
	}
	return err
}

// interruptible runs f, which blocks on the connection, and gets it out of there
// when ctx ends. It reports whether ctx has ended.
func (c *client) interruptible(ctx context.Context, f func()) bool {
	if ctx.Done() == nil {
		f()
		return false
	}
	set := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(set)
		_ = c.conn.SetDeadline(time.Unix(1, 0))
	})
	f()
	if stop() {
		return false
	}
	<-set
	_ = c.conn.SetDeadline(time.Time{})
	return true
}

// need reads until n bytes of the reply have come. A deadline in the middle
// loses nothing.
func (c *client) need(n int) error {
	if cap(c.in) < n {
		c.in = append(make([]byte, 0, max(n, 1024)), c.in...)
	}
	for len(c.in) < n {
		m, err := c.conn.Read(c.in[len(c.in):n])
		c.in = c.in[:len(c.in)+m]
		if err != nil && len(c.in) < n {
			return err
		}
	}
	return nil
}

// result returns the error that the last word of a reply stands for.
func (c *client) result(op string, reply []byte) error {
	if code := c.order.Uint32(reply[len(reply)-word:]); code != 0 {
		return newError(op, code)
	}
	return nil
}

// words sends a request of words and returns the reply, of the same size, and
// the error that its last word stands for.
func (c *client) words(ctx context.Context, op string, command uint32, words ...uint32) ([]byte, error) {
	return c.tryAgain(ctx, command, func() ([]byte, error) {
		c.message(command, words...)
		c.seal()
		return c.fixed(ctx, op, len(words)*word)
	})
}

// fixed sends the request in c.out and reads a reply of a fixed size.
func (c *client) fixed(ctx context.Context, op string, size int) ([]byte, error) {
	read := func() error { return c.need(size) }
	outcome := func() error { return c.result(op, c.in) }
	if err := c.call(ctx, op, read, c.behind(read, outcome)); err != nil {
		return nil, err
	}
	return c.in, outcome()
}

// tryAgain calls f until no other program keeps it out. Connecting is not tried
// again: who connects has to know. The context's error then is not ErrGivenUp:
// nothing is under way.
func (c *client) tryAgain(ctx context.Context, command uint32, f func() ([]byte, error)) ([]byte, error) {
	for {
		out, err := f()
		var code *Error
		if command == pcscdConnect || !errors.As(err, &code) || code.Code != codeSharing {
			return out, err
		}
		if err := pause(ctx, askAgain); err != nil {
			return nil, err
		}
	}
}

// behind returns what becomes of a connection whose call on a card was given up:
// when the reply comes after all, the card loses its power. outcome returns the
// error that the reply stands for. If there is no card yet, behind returns nil.
func (c *client) behind(read, outcome func() error) func() {
	if c.card == 0 {
		return nil
	}
	return func() {
		defer c.conn.Close()
		_ = c.conn.SetDeadline(time.Now().Add(lateLimit))
		if read() != nil {
			return
		}
		d := afterwards(Unpower, outcome())
		for err := error(ErrSharing); errors.Is(err, ErrSharing); time.Sleep(askAgain) {
			// Not while another program is in a transaction, which this would break.
			c.message(pcscdDisconnect, c.card, dispositions[d], 0)
			c.seal()
			c.in = c.in[:0]
			if _, err = c.conn.Write(c.out); err == nil {
				err = c.need(3 * word)
			}
			if err == nil {
				err = c.result("disconnect", c.in)
			}
		}
	}
}

func (c *client) look(ctx context.Context) ([]reader, error) {
	return c.readers(ctx, pcscdWait)
}

// readers reads the readers' structures. With pcscdWait, the next change is
// announced from then on.
func (c *client) readers(ctx context.Context, command uint32) ([]reader, error) {
	c.message(command)
	c.seal()
	read := func() error { return c.need(readerSlots * readerSize) }
	if err := c.call(ctx, "list readers", read, c.behind(read, func() error { return nil })); err != nil {
		return nil, err
	}
	var readers []reader
	for b := range slices.Chunk(c.in, readerSize) {
		name, _, _ := bytes.Cut(b[:nameSize], []byte{0})
		if len(name) == 0 {
			continue
		}
		rest := b[nameSize:]
		state := c.order.Uint32(rest[word:])
		r := reader{name: string(name), events: c.order.Uint32(rest), present: state&statePresent != 0, powered: state&statePowered != 0}
		atr := rest[3*word:]
		n := c.order.Uint32(atr[atrSize:])
		if n > longestATR {
			err := &Error{Op: "list readers", kind: fmt.Errorf("%w: ATR of %d bytes", ErrProtocol, n)}
			c.close(err)
			return nil, err
		}
		if r.present && state&stateMute == 0 && n > 0 {
			r.atr = bytes.Clone(atr[:n])
		}
		readers = append(readers, r)
	}
	return readers, nil
}

// changed waits for the announcement that look asked for. A wait that ends
// leaves the connection closed, which withdraws it.
func (c *client) changed(ctx context.Context) error {
	if c.dead != nil {
		return c.dead
	}
	var err error
	c.in = c.in[:0]
	ended := c.interruptible(ctx, func() { err = c.need(2 * word) })
	switch {
	case err == nil:
		return nil
	case ended && errors.Is(err, os.ErrDeadlineExceeded):
		err = context.Cause(ctx)
	default:
		err = &Error{Op: "wait", kind: fmt.Errorf("%w: %w", ErrNoService, err)}
	}
	c.close(err)
	return err
}

func (c *client) connect(ctx context.Context, reader string, exclusive bool) (handle, error) {
	if len(reader) >= nameSize || reader == "" {
		return nil, newError("connect", 0x80100009)
	}
	reply, err := c.words(ctx, "establish", pcscdEstablish, 2, 0, 0)
	if err != nil {
		return nil, err
	}
	c.context = c.order.Uint32(reply[word:])
	c.message(pcscdConnect, c.context)
	c.out = append(c.out, reader...)
	c.out = append(c.out, make([]byte, nameSize-len(reader))...)
	for _, w := range []uint32{shareMode(exclusive), anyProtocol, 0, 0, 0} {
		c.addWord(w)
	}
	c.seal()
	reply, err = c.fixed(ctx, "connect", 6*word+nameSize)
	if err != nil {
		return nil, err
	}
	card := reply[3*word+nameSize:]
	c.card, c.protocol, c.reader = c.order.Uint32(card), c.order.Uint32(card[word:]), reader
	return (*pcscdHandle)(c), nil
}

func (c *client) release(context.Context) error {
	c.close(ErrClosed) // pcscd lets go of what belongs to the connection
	return nil
}

const anyProtocol = 3 // T=0 or T=1

func shareMode(exclusive bool) uint32 {
	if exclusive {
		return 1
	}
	return 2
}

// dispositions are the numbers of winscard.h.
var dispositions = map[Disposition]uint32{Leave: 0, Reset: 1, Unpower: 2, Eject: 3}

// A pcscdHandle is a client that is connected to a card.
type pcscdHandle client

func (h *pcscdHandle) client() *client { return (*client)(h) }

func (h *pcscdHandle) transmit(ctx context.Context, dst, command []byte) ([]byte, error) {
	const (
		body    = 8 * word
		pciSize = 16
	)
	c := h.client()
	out, err := c.tryAgain(ctx, pcscdTransmit, func() ([]byte, error) {
		c.message(pcscdTransmit, c.card, c.protocol, pciSize, uint32(len(command)), anyProtocol, pciSize, longestReply, 0)
		c.seal()
		c.out = append(c.out, command...)
		return c.variable(ctx, "transmit", body, 6, 2)
	})
	if err != nil {
		return dst, err
	}
	dst = append(dst, out...)
	clear(out) // it may be personal data, and this memory is kept
	return dst, nil
}

// variable sends the request in c.out, and reads a reply whose body is followed
// by as many bytes as the body's word at says. Less than least mean that the card
// has left.
func (c *client) variable(ctx context.Context, op string, body, at, least int) ([]byte, error) {
	read := func() error {
		if err := c.need(body); err != nil {
			return err
		}
		if c.order.Uint32(c.in[body-word:]) != 0 {
			return nil
		}
		n := c.order.Uint32(c.in[at*word:])
		if n > longestReply {
			return fmt.Errorf("%w: reply of %d bytes", ErrProtocol, n)
		}
		return c.need(body + int(n))
	}
	outcome := func() error {
		if err := c.result(op, c.in[:body]); err != nil {
			return err
		}
		if len(c.in) < body+least {
			return apdu.ErrCardRemoved
		}
		return nil
	}
	if err := c.call(ctx, op, read, c.behind(read, outcome)); err != nil {
		return nil, err
	}
	return c.in[body:], outcome()
}

func (h *pcscdHandle) begin(ctx context.Context) error {
	_, err := h.client().words(ctx, "begin transaction", pcscdBegin, h.card, 0)
	return err
}

func (h *pcscdHandle) end(ctx context.Context) error {
	_, err := h.client().words(ctx, "end transaction", pcscdEnd, h.card, dispositions[Leave], 0)
	return err
}

func (h *pcscdHandle) atr(ctx context.Context) ([]byte, error) {
	c := h.client()
	if _, err := c.words(ctx, "status", pcscdStatus, c.card, 0); err != nil {
		return nil, err
	}
	r, err := h.state(ctx)
	if err == nil && r.atr == nil {
		err = newError("status", 0x80100069)
	}
	return r.atr, err
}

// state returns what the reader of the card holds.
func (h *pcscdHandle) state(ctx context.Context) (reader, error) {
	c := h.client()
	readers, err := c.readers(ctx, pcscdReaders)
	if i := slices.IndexFunc(readers, func(r reader) bool { return r.name == c.reader }); i >= 0 {
		return readers[i], nil
	}
	return reader{}, err
}

func (h *pcscdHandle) reconnect(ctx context.Context, exclusive bool) error {
	c := h.client()
	for _, initialization := range []Disposition{Leave, Reset} {
		reply, err := c.words(ctx, "reconnect", pcscdReconnect, c.card, shareMode(exclusive), anyProtocol, dispositions[initialization], 0, 0)
		if err != nil {
			return err
		}
		c.protocol = c.order.Uint32(reply[4*word:])
		// pcscd leaves a card without power that somebody took the power from, and
		// says that all is well. A reset gives it power; one that is not needed
		// would only make the others reconnect in their turn.
		if r, err := h.state(ctx); err != nil || r.powered {
			return err
		}
	}
	return nil
}

func (h *pcscdHandle) control(ctx context.Context, code uint32, data []byte) ([]byte, error) {
	c := h.client()
	out, err := c.tryAgain(ctx, pcscdControl, func() ([]byte, error) {
		c.message(pcscdControl, c.card, code, uint32(len(data)), longestReply, 0, 0)
		c.seal()
		c.out = append(c.out, data...)
		return c.variable(ctx, "control", 6*word, 4, 0)
	})
	return bytes.Clone(out), err
}

func (h *pcscdHandle) attribute(ctx context.Context, id uint32) ([]byte, error) {
	value, err := h.client().attributes(ctx, "get attribute", pcscdGetAttribute, id, nil, attributeSize)
	return bytes.Clone(value), err
}

func (h *pcscdHandle) setAttribute(ctx context.Context, id uint32, value []byte) error {
	if len(value) > attributeSize {
		return newError("set attribute", 0x80100004)
	}
	_, err := h.client().attributes(ctx, "set attribute", pcscdSetAttribute, id, value, uint32(len(value)))
	return err
}

// attributes gets or sets an attribute of the reader.
func (c *client) attributes(ctx context.Context, op string, command, id uint32, value []byte, size uint32) ([]byte, error) {
	reply, err := c.tryAgain(ctx, command, func() ([]byte, error) {
		c.message(command, c.card, id)
		c.out = append(c.out, value...)
		c.out = append(c.out, make([]byte, attributeSize-len(value))...)
		c.addWord(size)
		c.addWord(0)
		c.seal()
		return c.fixed(ctx, op, 4*word+attributeSize)
	})
	if err != nil {
		return nil, err
	}
	n := c.order.Uint32(reply[2*word+attributeSize:])
	if n > attributeSize {
		err := &Error{Op: op, kind: fmt.Errorf("%w: attribute of %d bytes", ErrProtocol, n)}
		c.close(err)
		return nil, err
	}
	return reply[2*word:][:n], nil
}

func (h *pcscdHandle) disconnect(ctx context.Context, d Disposition) error {
	c := h.client()
	// Begun in any case; within a limit of its own where ctx has ended.
	if ctx.Err() != nil {
		c.message(pcscdDisconnect, c.card, dispositions[d], 0)
		c.seal()
		_ = c.conn.SetDeadline(time.Now().Add(askAgain))
		_, _ = c.conn.Write(c.out)
		err := givenUp(ctx)
		c.close(err)
		return err
	}
	card := c.card
	c.card = 0 // a connection that is closed after this takes the card along
	_, err := c.words(ctx, "disconnect", pcscdDisconnect, card, dispositions[d], 0)
	return err
}
