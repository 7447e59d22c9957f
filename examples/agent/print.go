package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/mynakit/mynakit/examples/agent/api"
)

// printTo prints on a receipt printer: host:port of one in the network, or the
// file of its device. A printer in the network is asked first whether it can
// print (DLE EOT 2, offline causes); one that does not answer that prints.
func printTo(address string) func(context.Context, []byte) error {
	return func(ctx context.Context, escpos []byte) error {
		if _, _, err := net.SplitHostPort(address); err != nil {
			f, err := os.OpenFile(address, os.O_WRONLY, 0)
			if err != nil {
				return api.ErrOffline
			}
			_, err = f.Write(escpos)
			if closed := f.Close(); err == nil {
				err = closed
			}
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
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
