//go:build unix

package main

import (
	"context"
	"errors"
	"io"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// console is the terminal that the program was started on, in raw mode: nothing is
// echoed, and each key comes by itself.
type console struct {
	fd     int
	before *term.State
}

// errBackground is a program that does not have the terminal: one that asks there
// all the same is stopped by the system, with all that it does.
var errBackground = errors.New("the program is in the background")

func openConsole() (*console, error) {
	// A read that does not wait can be given up. The setting is this opening's and
	// not that of a shell on the same terminal.
	fd, err := unix.Open("/dev/tty", unix.O_RDWR|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	front, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
	if err == nil && front != unix.Getpgrp() {
		err = errBackground
	}
	c := &console{fd: fd}
	if err == nil {
		c.before, err = term.MakeRaw(fd)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	c.drain() // what was typed before the question is no answer to it
	return c, nil
}

// next returns the next byte that is typed.
func (c *console) next(ctx context.Context) (byte, error) {
	var b [1]byte
	defer clear(b[:])
	for {
		n, err := unix.Read(c.fd, b[:])
		switch {
		case n == 1:
			return b[0], nil
		case err == nil:
			return 0, io.EOF // the terminal has gone
		case !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR):
			return 0, err
		}
		if err := pause(ctx); err != nil {
			return 0, err
		}
	}
}

func (c *console) write(ctx context.Context, text string) error {
	for b := []byte(text); len(b) > 0; {
		n, err := unix.Write(c.fd, b)
		b = b[max(n, 0):]
		if err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
			return err
		}
		if err != nil {
			if err := pause(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// drain discards what was typed and not read: a part of a PIN is not for whoever
// reads the terminal next.
func (c *console) drain() {
	var b [maxTyped]byte
	defer clear(b[:])
	for range 1000 { // a terminal that never stops is no reason to stay
		if n, err := unix.Read(c.fd, b[:]); n <= 0 && !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// close leaves the terminal as it was.
func (c *console) close() {
	_, _ = unix.Write(c.fd, []byte("\r\n"))
	c.drain()
	_ = term.Restore(c.fd, c.before)
	_ = unix.Close(c.fd)
}

// pause waits for a moment in which nobody notices that it is not at once.
func pause(ctx context.Context) error {
	t := time.NewTimer(20 * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
