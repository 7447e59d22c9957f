//go:build windows || (darwin && cgo) || (linux && cgo && libpcsclite)

package pcsc

import (
	"errors"
	"runtime"
	"time"

	"github.com/ebfe/scard"
)

func system() stack {
	s := overLibrary(func() (library, error) {
		ctx, err := scard.EstablishContext()
		if err != nil {
			return nil, wrap("establish", err)
		}
		return &scardContext{ctx: ctx}, nil
	})
	if runtime.GOOS == "windows" {
		s.idle = windowsIdle
	}
	return s
}

// windowsIdle is how long Windows 8 and later let a transaction idle before they
// reset the card.
const windowsIdle = 5 * time.Second

// wrap returns the *Error for a code of the library.
func wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	var code scard.Error
	if errors.As(err, &code) {
		return newError(op, uint32(code))
	}
	return &Error{Op: op, kind: err}
}

type scardContext struct {
	ctx    *scard.Context
	states states
	seen   []scard.ReaderState // what status saw since readers was called
}

func (s *scardContext) readers() ([]string, error) {
	s.seen = s.seen[:0]
	names, err := s.ctx.ListReaders()
	if errors.Is(err, scard.ErrNoReadersAvailable) {
		return nil, nil
	}
	return names, wrap("list readers", err)
}

func (s *scardContext) status(name string) (reader, error) {
	asked := []scard.ReaderState{{Reader: name, CurrentState: scard.StateUnaware}}
	err := s.states.look(s.ctx, asked)
	if err != nil && !errors.Is(err, scard.ErrTimeout) {
		return reader{}, wrap("reader status", err)
	}
	got := asked[0].EventState
	if got&(scard.StateUnknown|scard.StateIgnore) != 0 {
		return reader{}, newError("reader status", uint32(scard.ErrUnknownReader))
	}
	s.seen = append(s.seen, scard.ReaderState{Reader: name, CurrentState: got &^ scard.StateChanged})
	// The upper half counts the cards that came and left.
	r := reader{name: name, present: got&scard.StatePresent != 0, events: uint32(got) >> 16}
	if r.present && got&scard.StateMute == 0 && len(asked[0].Atr) > 0 {
		r.atr = asked[0].Atr
	}
	return r, nil
}

func (s *scardContext) wait(limit time.Duration) {
	if len(s.seen) > 0 {
		s.states.wait(s.ctx, s.seen, limit)
	}
}

func (s *scardContext) cancel() { s.states.cancel(s.ctx) }

func (s *scardContext) connect(reader string, exclusive bool) (libraryHandle, error) {
	card, err := s.ctx.Connect(reader, scardMode(exclusive), scard.ProtocolAny)
	if err != nil {
		return nil, wrap("connect", err)
	}
	return scardHandle{card}, nil
}

func scardMode(exclusive bool) scard.ShareMode {
	if exclusive {
		return scard.ShareExclusive
	}
	return scard.ShareShared
}

func (s *scardContext) release() error {
	s.states.release()
	return wrap("release", s.ctx.Release())
}

type scardHandle struct{ card *scard.Card }

func (h scardHandle) transmit(command []byte) ([]byte, error) {
	reply, err := h.card.Transmit(command)
	return reply, wrap("transmit", err)
}

func (h scardHandle) begin() error { return wrap("begin transaction", h.card.BeginTransaction()) }
func (h scardHandle) end() error {
	return wrap("end transaction", h.card.EndTransaction(scard.LeaveCard))
}

func (h scardHandle) disconnect(d Disposition) error {
	what := scard.UnpowerCard
	switch d {
	case Leave:
		what = scard.LeaveCard
	case Reset:
		what = scard.ResetCard
	case Eject:
		what = scard.EjectCard
	}
	return wrap("disconnect", h.card.Disconnect(what))
}

func (h scardHandle) atr() ([]byte, error) {
	st, err := h.card.Status()
	if err != nil {
		return nil, wrap("status", err)
	}
	return st.Atr, nil
}

func (h scardHandle) reconnect(exclusive bool) error {
	for _, initialization := range []scard.Disposition{scard.LeaveCard, scard.ResetCard} {
		if err := h.card.Reconnect(scardMode(exclusive), scard.ProtocolAny, initialization); err != nil {
			return wrap("reconnect", err)
		}
		// A card that somebody took the power from is left without. A reset gives it
		// power; one that is not needed would make the others reconnect in their turn.
		st, err := h.card.Status()
		if err != nil || powered(st.State) {
			return wrap("status", err)
		}
	}
	return nil
}

// powered reports whether a state is one of a card with power: in bits, or on
// Windows in steps.
func powered(s scard.State) bool {
	if runtime.GOOS == "windows" {
		return s >= 4
	}
	return s&scard.Powered != 0
}

func (h scardHandle) control(code uint32, data []byte) ([]byte, error) {
	reply, err := h.card.Control(code, data)
	return reply, wrap("control", err)
}

func (h scardHandle) attribute(id uint32) ([]byte, error) {
	value, err := h.card.GetAttrib(scard.Attrib(id))
	return value, wrap("get attribute", err)
}

func (h scardHandle) setAttribute(id uint32, value []byte) error {
	if len(value) == 0 {
		return newError("set attribute", 0x80100004) // the library takes the address of its first byte
	}
	return wrap("set attribute", h.card.SetAttrib(scard.Attrib(id), value))
}
