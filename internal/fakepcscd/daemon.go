// Package fakepcscd is a small pcscd for tests: the daemon's socket protocol
// with readers and cards that a test moves, and with the faults that a real
// daemon cannot be asked for. It knows versions 4:4 to 4:6 and both byte orders.
//
//	d := fakepcscd.Start(t, fakepcscd.Config{})
//	d.AddReader("Desk")
//	d.Insert("Desk", simcard.New())
//
// Start sets PCSCLITE_CSOCK_NAME, by which package pcsc, and the system's library
// too, find the daemon. What a real daemon does where the protocol leaves a choice
// was measured with pcscd 1.9.9.
package fakepcscd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mynakit/mynakit/apdu/vpcd"
)

// A Config is what a Daemon speaks. The zero value is a daemon as of 2018 to
// 2024: version 4:4 and no other, in the machine's byte order.
type Config struct {
	Minor   uint32           // of its version; 0: 4
	Lenient bool             // takes every minor version from 4 to its own
	Order   binary.ByteOrder // nil: the machine's
	// Reply, if not nil, may change a reply before it is sent. nil sends none.
	Reply func(command uint32, reply []byte) []byte
	// Deny closes every connection without a word, as polkit's refusal does.
	Deny bool
}

// Commands, for Config.Reply.
const (
	Establish    = 1
	Release      = 2
	Connect      = 4
	Reconnect    = 5
	Disconnect   = 6
	Begin        = 7
	End          = 8
	Transmit     = 9
	Control      = 10
	Status       = 11
	Cancel       = 13
	GetAttribute = 15
	SetAttribute = 16
	Version      = 17
	Readers      = 18
	Wait         = 19
	StopWaiting  = 20
)

// Result codes.
const (
	cancelled   = 0x80100002
	removedCard = 0x80100069
	resetCard   = 0x80100068
	sharing     = 0x8010000B
	noCard      = 0x8010000C
	noReader    = 0x80100009
	mute        = 0x80100066
	denied      = 0x8010006A
	stopped     = 0x8010001E
	broke       = 0x80100016
)

// A Daemon is a running fake.
type Daemon struct {
	config Config
	path   string

	mu      sync.Mutex
	ln      net.Listener
	readers []*slot
	clients map[*client]bool
	next    uint32         // handle
	counts  map[uint32]int // commands so far
	dials   int            // connections so far
	work    sync.WaitGroup
}

// A slot is a reader.
type slot struct {
	name    string
	card    vpcd.Card
	atr     []byte
	events  uint32
	powered bool
	denied  bool
	foreign bool // another program holds it exclusively
	handles map[uint32]*handle
	owner   *handle // of a transaction
}

type handle struct {
	id             uint32
	slot           *slot
	client         *client
	exclusive      bool
	reset, removed bool
}

type client struct {
	d       *Daemon
	conn    net.Conn
	writing sync.Mutex
	waiting bool
	context uint32 // 0 before it is established
	handles map[uint32]*handle
}

// directory is where a daemon of this process has its socket. It is always the
// same one, because the system's library reads the variable once; and that of no
// process before this one, which may have left its own behind.
var directory = fmt.Sprintf("fakepcscd-%d-%x", os.Getpid(), rand.Uint32())

// Start starts a daemon for the length of a test, one at a time.
func Start(t testing.TB, config Config) *Daemon {
	t.Helper()
	if config.Minor == 0 {
		config.Minor = 4
	}
	if config.Order == nil {
		config.Order = binary.NativeEndian
	}
	// Not t.TempDir, which may be too long a path for a socket.
	dir := filepath.Join(os.TempDir(), directory)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	d := &Daemon{config: config, path: filepath.Join(dir, "comm"), clients: map[*client]bool{}, counts: map[uint32]int{}, next: 100}
	if err := d.Resume(); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PCSCLITE_CSOCK_NAME", d.path)
	t.Cleanup(d.Close)
	return d
}

// Close ends the daemon for good, so that the test can start another one.
func (d *Daemon) Close() {
	d.Stop()
	d.work.Wait()
	os.RemoveAll(filepath.Dir(d.path))
}

// Stop ends the daemon: its socket goes, and every connection with it. Readers
// and cards stay where they are, without power.
func (d *Daemon) Stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ln == nil {
		return
	}
	d.ln.Close()
	d.ln = nil
	d.hangUp()
	for _, s := range d.readers {
		s.events = 0
	}
}

func (d *Daemon) hangUp() {
	for c := range d.clients {
		c.conn.Close()
		d.forget(c)
	}
}

// HangUp closes every connection and goes on listening.
func (d *Daemon) HangUp() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hangUp()
}

// Resume starts a daemon again that was stopped.
func (d *Daemon) Resume() error {
	ln, err := net.Listen("unix", d.path)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ln = ln
	d.work.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			d.mu.Lock()
			d.dials++
			if d.ln != ln || d.config.Deny {
				d.mu.Unlock()
				conn.Close()
				continue
			}
			c := &client{d: d, conn: conn, handles: map[uint32]*handle{}}
			d.clients[c] = true
			d.mu.Unlock()
			d.work.Go(c.serve)
		}
	})
	return nil
}

// Dials returns how many connections there were.
func (d *Daemon) Dials() int { d.mu.Lock(); defer d.mu.Unlock(); return d.dials }

// Open returns how many connections there are.
func (d *Daemon) Open() int { d.mu.Lock(); defer d.mu.Unlock(); return len(d.clients) }

// Count returns how often a command came.
func (d *Daemon) Count(command uint32) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.counts[command]
}

// AddReader plugs a reader in.
func (d *Daemon) AddReader(name string) {
	d.change(func() { d.readers = append(d.readers, &slot{name: name, handles: map[uint32]*handle{}}) })
}

// RemoveReader unplugs a reader, with its card if there is one.
func (d *Daemon) RemoveReader(name string) {
	d.change(func() {
		d.takeOut(d.slot(name))
		d.readers = slices.DeleteFunc(d.readers, func(s *slot) bool { return s.name == name })
	})
}

// Insert puts a card into a reader. A card without an ATR does not answer.
func (d *Daemon) Insert(reader string, card vpcd.Card) {
	d.change(func() {
		s := d.slot(reader)
		s.card = card
		s.events++
		s.on()
	})
}

// Remove takes the card out of a reader.
func (d *Daemon) Remove(reader string) { d.change(func() { d.takeOut(d.slot(reader)) }) }

// Swap puts another card in the place of the one in a reader, and announces both
// changes at once.
func (d *Daemon) Swap(reader string, card vpcd.Card) {
	d.change(func() {
		s := d.slot(reader)
		d.takeOut(s)
		s.card = card
		s.events++
		s.on()
	})
}

// Hold makes another program hold a reader exclusively, or let go of it.
func (d *Daemon) Hold(reader string, held bool) {
	d.change(func() { d.slot(reader).foreign = held })
}

// ResetCard resets the card in a reader for another program.
func (d *Daemon) ResetCard(reader string) {
	d.change(func() {
		s := d.slot(reader)
		s.card.Reset()
		s.tell(nil)
	})
}

// DenyCard makes connections to a reader end as polkit's refusal does.
func (d *Daemon) DenyCard(reader string) { d.change(func() { d.slot(reader).denied = true }) }

// Announce tells who waits that something changed, whether or not it did.
func (d *Daemon) Announce() { d.change(func() {}) }

// change runs f and announces what it did.
func (d *Daemon) change(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
	for c := range d.clients {
		if c.waiting {
			c.waiting = false
			c.write(Wait, c.words(0, 0))
		}
	}
}

func (d *Daemon) slot(name string) *slot {
	for _, s := range d.readers {
		if s.name == name {
			return s
		}
	}
	return &slot{}
}

func (d *Daemon) takeOut(s *slot) {
	if s.card == nil {
		return
	}
	s.card.PowerOff()
	s.card, s.atr, s.powered, s.owner = nil, nil, false, nil
	s.events++
	for _, h := range s.handles {
		h.removed = true
	}
}

func (s *slot) on() {
	s.card.PowerOn()
	s.powered = true
	s.atr = s.card.ATR()
}

// tell makes every handle but one void, as a reset or a loss of power does.
func (s *slot) tell(but *handle) {
	for _, h := range s.handles {
		if h != but {
			h.reset = true
		}
	}
}

// forget lets go of what belongs to a connection.
func (d *Daemon) forget(c *client) {
	delete(d.clients, c)
	for _, h := range c.handles {
		d.disconnect(h, 1)
	}
}

func (d *Daemon) disconnect(h *handle, disposition uint32) {
	s := h.slot
	delete(s.handles, h.id)
	delete(h.client.handles, h.id)
	if s.owner == h {
		s.owner = nil
	}
	if h.removed || s.card == nil {
		return
	}
	switch disposition {
	case 1:
		s.card.Reset()
		s.tell(h)
	case 2, 3:
		s.card.PowerOff()
		s.powered = false
		s.tell(h)
	}
}

func (c *client) serve() {
	defer func() {
		c.d.mu.Lock()
		c.d.forget(c)
		c.d.mu.Unlock()
		c.conn.Close()
	}()
	for {
		var head [8]byte
		if _, err := io.ReadFull(c.conn, head[:]); err != nil {
			return
		}
		size, command := c.d.config.Order.Uint32(head[:]), c.d.config.Order.Uint32(head[4:])
		if size > 1<<16 {
			return
		}
		body := make([]byte, size)
		if _, err := io.ReadFull(c.conn, body); err != nil {
			return
		}
		c.d.mu.Lock()
		c.d.counts[command]++
		c.d.mu.Unlock()
		if c.answer(command, body) != nil {
			return
		}
	}
}

// words returns 32-bit words as bytes.
func (c *client) words(words ...uint32) []byte {
	var b []byte
	for _, w := range words {
		b = append(b, 0, 0, 0, 0)
		c.d.config.Order.PutUint32(b[len(b)-4:], w)
	}
	return b
}

func (c *client) write(command uint32, reply []byte) error {
	if f := c.d.config.Reply; f != nil {
		reply = f(command, reply)
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	_ = c.conn.SetWriteDeadline(time.Now().Add(time.Minute))
	_, err := c.conn.Write(reply)
	return err
}

var errGone = errors.New("the client broke the protocol")

// sizes of the bodies that real daemons insist on.
var sizes = map[uint32]int{Version: 12, Establish: 12, Release: 8, Connect: 152, Reconnect: 24, Disconnect: 12,
	Begin: 8, End: 12, Transmit: 32, Control: 24, Status: 8, Cancel: 8, GetAttribute: 280, SetAttribute: 280,
	Readers: 0, Wait: 0, StopWaiting: 0}

func (c *client) answer(command uint32, body []byte) error {
	d, order := c.d, c.d.config.Order
	if size, known := sizes[command]; !known || size != len(body) {
		return errGone
	}
	at := func(i int) uint32 { return order.Uint32(body[4*i:]) }
	put := func(i int, w uint32) { order.PutUint32(body[4*i:], w) }
	last := len(body)/4 - 1
	done := func(code uint32) error {
		put(last, code)
		return c.write(command, body)
	}
	switch command {
	case Transmit, Control:
		return c.exchange(command, body)
	case Version:
		code := uint32(0)
		if at(0) != 4 || at(1) != d.config.Minor && !(d.config.Lenient && at(1) >= 4 && at(1) <= d.config.Minor) {
			code = stopped
		}
		put(0, 4)
		if !d.config.Lenient || code != 0 {
			put(1, d.config.Minor)
		}
		return done(code)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch command {
	case Establish:
		d.next++
		c.context = d.next
		put(1, d.next)
		return done(0)
	case Release:
		return done(0)
	case Readers:
		return c.write(command, d.states())
	case Wait:
		c.waiting = true
		return c.write(command, d.states())
	case StopWaiting:
		if c.waiting {
			c.waiting = false
			return c.write(command, c.words(0, 0))
		}
		return nil
	case Cancel:
		for other := range d.clients {
			if other.context == at(0) && other.waiting {
				other.waiting = false
				other.write(Wait, c.words(0, cancelled))
			}
		}
		return done(0)
	case Connect:
		name := body[4:132]
		if i := slices.Index(name, 0); i >= 0 {
			name = name[:i]
		}
		h, code := d.connect(c, string(name), order.Uint32(body[132:]) == 1)
		if code == 0 {
			order.PutUint32(body[140:], h.id)
			order.PutUint32(body[144:], 2)
		}
		return done(code)
	}
	h := c.handles[at(0)]
	if h == nil {
		return errGone // as pcscd does
	}
	code := h.code()
	switch command {
	case Reconnect:
		if code == resetCard || code == 0 {
			code = 0
			if at(3) != 0 {
				if !h.slot.powered {
					h.slot.on()
				} else {
					h.slot.card.Reset()
				}
				h.slot.tell(h)
			}
			h.reset = false
			put(4, 2)
		}
	case Disconnect:
		if code != sharing {
			d.disconnect(h, at(1))
			code = 0
		}
	case Begin:
		if code == 0 {
			h.slot.owner = h
		}
	case End:
		if code == 0 {
			h.slot.owner = nil
		}
	case GetAttribute:
		switch {
		case code != 0:
		case at(1) == 0x00090303:
			copy(body[8:], h.slot.atr)
			put(68, uint32(len(h.slot.atr)))
		default:
			code = broke
		}
	case SetAttribute:
		if code == 0 && at(1) != 0x00090303 {
			code = broke
		}
	}
	return done(code)
}

// code returns why a call on h fails, or 0.
func (h *handle) code() uint32 {
	switch s := h.slot; {
	case h.removed:
		return removedCard
	case s.owner != nil && s.owner != h:
		return sharing
	case h.reset:
		return resetCard
	}
	return 0
}

func (d *Daemon) connect(c *client, name string, exclusive bool) (*handle, uint32) {
	s := d.slot(name)
	switch {
	case s.name == "":
		return nil, noReader
	case s.denied:
		return nil, denied
	case s.card == nil:
		return nil, noCard
	case s.foreign, exclusive && len(s.handles) > 0:
		return nil, sharing
	}
	for _, h := range s.handles {
		if h.exclusive {
			return nil, sharing
		}
	}
	if !s.powered {
		s.on()
	}
	if s.atr == nil {
		return nil, mute
	}
	d.next++
	h := &handle{id: d.next, slot: s, client: c, exclusive: exclusive}
	s.handles[h.id] = h
	c.handles[h.id] = h
	return h, 0
}

// exchange answers a command to the card or to the driver. It holds no lock while
// the card works.
func (c *client) exchange(command uint32, body []byte) error {
	d, order := c.d, c.d.config.Order
	size := order.Uint32(body[8:])
	if command == Transmit {
		size = order.Uint32(body[12:])
	}
	if size > 1<<17 {
		return errGone
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(c.conn, data); err != nil {
		return err
	}
	d.mu.Lock()
	h := c.handles[order.Uint32(body)]
	if h == nil {
		d.mu.Unlock()
		return errGone
	}
	code, card := h.code(), h.slot.card
	d.mu.Unlock()
	var reply []byte
	if code == 0 {
		if command == Control {
			reply = append(slices.Clone(body[4:8]), data...)
		} else if r, err := card.Transmit(data); errors.Is(err, ErrBroken) {
			code = broke
		} else {
			reply = r // none, if the card left: pcscd calls that success
		}
	}
	lengthAt := 16
	if command == Transmit {
		lengthAt = 24
	}
	order.PutUint32(body[lengthAt:], uint32(len(reply)))
	order.PutUint32(body[len(body)-4:], code)
	if code != 0 {
		reply = nil
	}
	return c.write(command, append(body, reply...))
}

// ErrBroken, returned by a card, is an exchange that breaks in the reader.
var ErrBroken = errors.New("the exchange broke")

// states returns the structures of 16 readers.
func (d *Daemon) states() []byte {
	const size = 184
	b := make([]byte, 16*size)
	for i, s := range d.readers[:min(len(d.readers), 16)] {
		r := b[i*size:]
		copy(r, s.name)
		state := uint32(2)
		if s.card != nil {
			state = 4
			if s.atr == nil {
				state |= 8
			} else if s.powered {
				state |= 16 | 64
			}
		}
		d.config.Order.PutUint32(r[128:], s.events)
		d.config.Order.PutUint32(r[132:], state)
		d.config.Order.PutUint32(r[136:], uint32(len(s.handles)))
		copy(r[140:], s.atr)
		d.config.Order.PutUint32(r[176:], uint32(len(s.atr)))
	}
	return b
}
