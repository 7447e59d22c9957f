package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/mynakit/mynakit/examples/agent/api"
)

// printTo prints on a receipt printer, one paper after the other: host:port of one
// in the network, or the file of its device. A printer in the network is asked
// first whether it can print (DLE EOT 2, offline causes); one that does not answer
// that prints. A device that is offline may keep a write for ever: its end is not
// known then, and it prints nothing more until it has let go.
func printTo(address string) func(context.Context, []byte) error {
	turn := make(chan struct{}, 1)
	return func(ctx context.Context, escpos []byte) error {
		ctx, cancel := context.WithTimeout(ctx, printTime)
		defer cancel()
		select {
		case turn <- struct{}{}:
		case <-ctx.Done():
			return api.ErrOffline
		}
		if _, _, err := net.SplitHostPort(address); err == nil {
			defer func() { <-turn }()
			return toNetwork(ctx, address, escpos)
		}
		var begun atomic.Bool        // to print, or not to
		escpos = bytes.Clone(escpos) // a device may read it when the call has ended
		ended := make(chan error, 1)
		go func() {
			defer func() { <-turn }()
			ended <- toDevice(address, escpos, &begun)
		}()
		select {
		case err := <-ended:
			return err
		case <-ctx.Done():
			if !begun.Swap(true) {
				return api.ErrOffline // it did not open, and nothing will be printed
			}
			return fmt.Errorf("agent: print: %w", ctx.Err())
		}
	}
}

// printTime is how long a paper may take.
const printTime = 5 * time.Second

func toDevice(name string, escpos []byte, begun *atomic.Bool) error {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return api.ErrOffline
	}
	if !begun.Swap(true) {
		_, err = f.Write(escpos)
	}
	return errors.Join(err, f.Close())
}

func toNetwork(ctx context.Context, address string, escpos []byte) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return api.ErrOffline
	}
	defer c.Close()
	if end, ok := ctx.Deadline(); ok {
		if err := c.SetDeadline(end); err != nil {
			return api.ErrOffline
		}
	}
	if err := ready(c); err != nil {
		return err
	}
	if _, err := c.Write(escpos); err != nil {
		return fmt.Errorf("agent: print: %w", err)
	}
	return nil
}

// ready asks a printer why it is offline.
func ready(c net.Conn) error {
	end := time.Now().Add(time.Second)
	if _, err := c.Write([]byte{0x10, 0x04, 0x02}); err != nil {
		return api.ErrOffline
	}
	var state [1]byte
	_ = c.SetReadDeadline(end)
	if n, err := c.Read(state[:]); err != nil || n == 0 {
		return nil // it does not say
	}
	switch {
	case state[0]&0x04 != 0:
		return api.ErrCover
	case state[0]&0x20 != 0:
		return api.ErrPaper
	case state[0]&0x40 != 0:
		return api.ErrOffline
	}
	return nil
}
