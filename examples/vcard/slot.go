package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/apdu/vpcd"
	"github.com/mynakit/mynakit/simcard/control"
)

// auto is the address that stands for the first free slot.
const auto = "auto"

// settle is how long PC/SC clients take to see that a card left: pcscd asks
// every 400 ms.
const settle = 500 * time.Millisecond

// A slot is a card with the reader that it goes into.
type slot struct {
	*control.Slot
	candidates []string // addresses; the first that is free is taken
	trace      *slog.Logger

	mu   sync.Mutex
	addr string   // the address that this process holds; "" while it holds none
	held *os.File // what keeps other vcards out of it
}

// Close takes the card out and lets go of the address.
func (s *slot) Close() error {
	err := s.Slot.Close()
	if s.held != nil {
		err = errors.Join(err, s.held.Close())
	}
	return err
}

// reader is the name that PC/SC gives the reader, "" if that is not known.
func (s *slot) reader() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.addr == "" {
		return readerName(s.candidates[0])
	}
	return readerName(s.addr)
}

// readerName is the name of a slot of Debian's vpcd.
func readerName(addr string) string {
	return map[string]string{vpcd.DefaultAddr: "Virtual PCD 00 00", vpcd.SecondAddr: "Virtual PCD 00 01"}[addr]
}

// connect puts the card into the slot that this process holds, or into the
// first that it can hold.
func (s *slot) connect(ctx context.Context, card control.Card) (control.Link, error) {
	if s.trace != nil {
		card = traced{card, apdu.Trace(card, s.trace), s.trace}
	}
	s.mu.Lock()
	addr := s.addr
	s.mu.Unlock()
	if addr != "" {
		return insert(ctx, addr, card)
	}
	var failed error
	for _, candidate := range s.candidates {
		held, err := lock(candidate)
		if err != nil {
			failed = err
			continue
		}
		link, err := insert(ctx, candidate, card)
		if err != nil {
			failed = errors.Join(err, held.Close())
			continue
		}
		s.mu.Lock()
		s.addr, s.held = candidate, held
		s.mu.Unlock()
		return link, nil
	}
	return nil, failed
}

// insert is vpcd.Insert with the error that package control knows.
func insert(ctx context.Context, addr string, card control.Card) (control.Link, error) {
	link, err := vpcd.Insert(ctx, addr, card)
	if errors.Is(err, vpcd.ErrSlotTaken) {
		return nil, fmt.Errorf("%w: %s", control.ErrSlotTaken, addr)
	}
	if err != nil {
		return nil, err // not a nil *vpcd.Slot
	}
	return link, nil
}

// traced is a card whose exchanges are written down, and what its reader does to
// its power.
type traced struct {
	control.Card
	tracer *apdu.Tracer
	log    *slog.Logger
}

func (t traced) PowerOn()  { t.log.Debug("power on"); t.Card.PowerOn() }
func (t traced) PowerOff() { t.log.Debug("power off"); t.Card.PowerOff() }
func (t traced) Reset()    { t.log.Debug("reset"); t.Card.Reset() }

func (t traced) Transmit(command []byte) ([]byte, error) { return t.tracer.Transmit(command) }

func (t traced) TransmitContext(ctx context.Context, dst, command []byte) ([]byte, error) {
	return t.tracer.TransmitContext(ctx, dst, command)
}
