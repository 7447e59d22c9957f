//go:build windows || (darwin && cgo) || (cgo && pcsc && !darwin)

package pcsc

import (
	"errors"
	"sync"

	"github.com/ebfe/scard"
)

func system() stack {
	return stack{establish: func() (session, error) {
		ctx, err := scard.EstablishContext()
		if err != nil {
			return nil, wrap("establish", err)
		}
		return scardSession{ctx}, nil
	}}
}

// wrap turns a code of the library's into an *Error.
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

type scardSession struct{ ctx *scard.Context }

func (s scardSession) readers() ([]string, error) {
	names, err := s.ctx.ListReaders()
	if errors.Is(err, scard.ErrNoReadersAvailable) {
		return nil, nil
	}
	return names, wrap("list readers", err)
}

// statusCall keeps two calls of GetStatusChange apart. The library pins the
// reader's name for the C side in a map under that name: of two calls for one
// reader at once, the first would go on with memory that is free.
var statusCall sync.Mutex

func (s scardSession) status(reader string) (status, error) {
	states := []scard.ReaderState{{Reader: reader, CurrentState: scard.StateUnaware}}
	statusCall.Lock()
	err := s.ctx.GetStatusChange(states, 0)
	statusCall.Unlock()
	if err != nil && !errors.Is(err, scard.ErrTimeout) {
		return status{}, wrap("reader status", err)
	}
	got := states[0].EventState
	if got&(scard.StateUnknown|scard.StateIgnore) != 0 {
		return status{}, newError("reader status", uint32(scard.ErrUnknownReader))
	}
	if got&scard.StatePresent == 0 || got&scard.StateMute != 0 || len(states[0].Atr) == 0 {
		return status{}, nil
	}
	return status{atr: states[0].Atr}, nil
}

func (s scardSession) connect(reader string, exclusive bool) (handle, error) {
	mode := scard.ShareShared
	if exclusive {
		mode = scard.ShareExclusive
	}
	card, err := s.ctx.Connect(reader, mode, scard.ProtocolAny)
	if err != nil {
		return nil, wrap("connect", err)
	}
	return scardHandle{card}, nil
}

func (s scardSession) release() error { return wrap("release", s.ctx.Release()) }

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
