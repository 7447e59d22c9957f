package pcsc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mynakit/mynakit/apdu"
)

const (
	// lookEvery is how often a wait on a library looks at the readers. In between
	// the library waits for cards by itself. Readers that are plugged in meanwhile
	// it sees on some systems only. A look costs microseconds.
	lookEvery = 100 * time.Millisecond
	// cancelEvery is how often a wait is cancelled that goes on nevertheless.
	cancelEvery = 5 * time.Millisecond
)

// A library is a PC/SC context of a library whose calls cannot be stopped.
type library interface {
	readers() ([]string, error)
	// status looks at a reader without waiting.
	status(name string) (reader, error)
	// wait returns when a reader is no longer as status last saw it, after limit
	// at the latest, and at once if it cannot wait.
	wait(limit time.Duration)
	// cancel ends a wait that has begun.
	cancel()
	connect(reader string, exclusive bool) (libraryHandle, error)
	release() error
}

// A libraryHandle is a connection to a card through a library.
type libraryHandle interface {
	transmit(command []byte) ([]byte, error)
	begin() error
	end() error
	disconnect(Disposition) error
	atr() ([]byte, error)
	reconnect(exclusive bool) error
	control(code uint32, data []byte) ([]byte, error)
	attribute(id uint32) ([]byte, error)
	setAttribute(id uint32, value []byte) error
}

// overLibrary returns the stack that runs on a library.
func overLibrary(establish func() (library, error)) stack {
	return stack{establish: func(ctx context.Context) (session, error) {
		lib, err := giveUp(ctx, establish, func(lib library, err error) {
			if err == nil {
				_ = lib.release()
			}
		})
		if err != nil {
			return nil, err
		}
		return &librarySession{lib: lib}, nil
	}}
}

type librarySession struct {
	lib   library
	gone  bool      // a call was given up: whoever ends it releases lib
	early time.Time // when changed last returned before lookEvery was over
}

// letGo is what becomes of a session whose call was given up, when that call
// ends. Errors have nobody to go to.
func (s *librarySession) letGo() { _ = s.lib.release() }

func (s *librarySession) note(err error) {
	if errors.Is(err, ErrGivenUp) {
		s.gone = true
	}
}

func (s *librarySession) look(ctx context.Context) ([]reader, error) {
	readers, err := giveUp(ctx, func() ([]reader, error) { return lookAt(s.lib) }, func([]reader, error) { s.letGo() })
	s.note(err)
	return readers, err
}

func lookAt(lib library) ([]reader, error) {
	names, err := lib.readers()
	if err != nil {
		return nil, err
	}
	now := make([]reader, 0, len(names))
	for _, name := range names {
		r, err := lib.status(name)
		if errors.Is(err, ErrUnknownReader) {
			continue // unplugged since
		}
		if err != nil {
			return nil, err
		}
		now = append(now, r)
	}
	return now, nil
}

func (s *librarySession) changed(ctx context.Context) error {
	began := time.Now()
	ended := make(chan struct{})
	go func() { defer close(ended); s.lib.wait(lookEvery) }()
	select {
	case <-ended:
	case <-ctx.Done():
		s.endWait(ctx, ended)
		return context.Cause(ctx)
	}
	if time.Since(began) >= lookEvery {
		return nil
	}
	// A reader that is never quiet, or a library that cannot wait, makes for two
	// looks in lookEvery and no more.
	err := pause(ctx, lookEvery-time.Since(s.early))
	s.early = time.Now()
	return err
}

// endWait cancels a wait. If the service hangs, the session is given up.
func (s *librarySession) endWait(ctx context.Context, ended <-chan struct{}) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), 2*lookEvery)
	defer stop()
	_, err := begun(ctx, func() (struct{}, error) {
		for {
			s.lib.cancel() // which is lost if the wait has not begun yet
			select {
			case <-ended:
				return struct{}{}, nil
			case <-time.After(cancelEvery):
			}
		}
	}, func(struct{}, error) { s.letGo() })
	s.note(err)
}

func (s *librarySession) connect(ctx context.Context, reader string, exclusive bool) (handle, error) {
	h, err := giveUp(ctx, func() (libraryHandle, error) { return s.lib.connect(reader, exclusive) },
		func(h libraryHandle, err error) {
			if err == nil {
				_ = h.disconnect(Unpower)
			}
			s.letGo()
		})
	s.note(err)
	if err != nil {
		return nil, err
	}
	return &overLibraryHandle{s, h}, nil
}

func (s *librarySession) release(ctx context.Context) error {
	if s.gone {
		return nil
	}
	s.gone = true
	// A limit of its own: who leaves because ctx has ended leaves nothing open.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), letGoLimit)
	defer cancel()
	_, err := begun(ctx, func() (struct{}, error) { return struct{}{}, s.lib.release() }, func(struct{}, error) {})
	return err
}

// An overLibraryHandle bounds the calls of a library's handle by contexts.
type overLibraryHandle struct {
	session *librarySession
	lib     libraryHandle
}

// call runs f on the handle. If it is given up, the card loses its power when
// the driver comes back.
func (h *overLibraryHandle) call(ctx context.Context, f func() ([]byte, error)) ([]byte, error) {
	out, err := giveUp(ctx, f, func(_ []byte, err error) {
		_ = h.lib.disconnect(afterwards(Unpower, err))
		h.session.letGo()
	})
	h.session.note(err)
	return out, err
}

func (h *overLibraryHandle) do(ctx context.Context, f func() error) error {
	_, err := h.call(ctx, func() ([]byte, error) { return nil, f() })
	return err
}

func (h *overLibraryHandle) transmit(ctx context.Context, dst, command []byte) ([]byte, error) {
	// A copy: a call that is given up goes on reading it.
	command = append([]byte(nil), command...)
	reply, err := h.call(ctx, func() ([]byte, error) {
		defer clear(command) // it may hold a PIN
		reply, err := h.lib.transmit(command)
		if err == nil && len(reply) < 2 {
			err = apdu.ErrCardRemoved // PC/SC calls this success
		}
		return reply, err
	})
	if err != nil {
		return dst, err
	}
	return append(dst, reply...), nil
}

func (h *overLibraryHandle) begin(ctx context.Context) error { return h.do(ctx, h.lib.begin) }
func (h *overLibraryHandle) end(ctx context.Context) error   { return h.do(ctx, h.lib.end) }

func (h *overLibraryHandle) atr(ctx context.Context) ([]byte, error) { return h.call(ctx, h.lib.atr) }

func (h *overLibraryHandle) reconnect(ctx context.Context, exclusive bool) error {
	return h.do(ctx, func() error { return h.lib.reconnect(exclusive) })
}

func (h *overLibraryHandle) control(ctx context.Context, code uint32, data []byte) ([]byte, error) {
	data = append([]byte(nil), data...)
	return h.call(ctx, func() ([]byte, error) {
		defer clear(data) // a reader with a PIN pad may be told a PIN
		return h.lib.control(code, data)
	})
}

func (h *overLibraryHandle) attribute(ctx context.Context, id uint32) ([]byte, error) {
	return h.call(ctx, func() ([]byte, error) { return h.lib.attribute(id) })
}

func (h *overLibraryHandle) setAttribute(ctx context.Context, id uint32, value []byte) error {
	value = append([]byte(nil), value...)
	return h.do(ctx, func() error { return h.lib.setAttribute(id, value) })
}

func (h *overLibraryHandle) disconnect(ctx context.Context, d Disposition) error {
	_, err := begun(ctx, func() (struct{}, error) { return struct{}{}, h.lib.disconnect(d) },
		func(struct{}, error) { h.session.letGo() })
	h.session.note(err)
	return err
}

// giveUp runs f, which cannot be stopped. If ctx ends first, it returns
// [ErrGivenUp] and leaves the result, if there ever is one, to late. If ctx has
// ended already, f is not run.
func giveUp[T any](ctx context.Context, f func() (T, error), late func(T, error)) (T, error) {
	if ctx.Err() != nil {
		var none T
		return none, ctx.Err()
	}
	return begun(ctx, f, late)
}

// begun is giveUp that runs f even if ctx has ended.
func begun[T any](ctx context.Context, f func() (T, error), late func(T, error)) (T, error) {
	if ctx.Done() == nil {
		return f()
	}
	type result struct {
		v   T
		err error
	}
	done := make(chan result)
	left := make(chan struct{})
	go func() {
		v, err := f()
		select {
		case done <- result{v, err}:
		case <-left:
			late(v, err)
		}
	}()
	select {
	case r := <-done:
		return r.v, r.err
	case <-ctx.Done():
		close(left)
		var none T
		return none, givenUp(ctx)
	}
}

// givenUp returns the error of a call whose context ended in the middle.
func givenUp(ctx context.Context) error { return fmt.Errorf("%w: %w", ErrGivenUp, context.Cause(ctx)) }

// pause waits for d, or returns the cause of ctx's end.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
