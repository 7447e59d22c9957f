package main

import (
	"context"
	"errors"
	"net"
	"os"
	"time"

	"github.com/mynakit/mynakit/examples/internal/speak"
	"github.com/mynakit/mynakit/ticket/paper"
)

// printerTime bounds what a printer takes for one paper.
const printerTime = 15 * time.Second

// paperRoll is the roll that -roll means.
func (o *options) paperRoll() (paper.Roll, error) {
	switch roll := paper.Roll(o.roll); roll {
	case paper.Roll58mm, paper.Roll80mm512, paper.Roll80mm:
		return roll, nil
	}
	return 0, speak.Wrong("-roll には 32、42、48 のいずれかを指定してください。", "-roll is 32, 42 or 48")
}

// sendTo returns what sends bytes to the printer that -printer means: a device or
// a file, to whose end they are written, or host:port.
func sendTo(printer string) func(context.Context, []byte) error {
	if _, _, err := net.SplitHostPort(printer); err == nil {
		return func(ctx context.Context, escpos []byte) error {
			ctx, cancel := context.WithTimeout(ctx, printerTime)
			defer cancel()
			var d net.Dialer
			conn, err := d.DialContext(ctx, "tcp", printer)
			if err != nil {
				return err
			}
			late, _ := ctx.Deadline()
			if err := conn.SetDeadline(late); err != nil {
				return errors.Join(err, conn.Close())
			}
			_, err = conn.Write(escpos)
			return errors.Join(err, conn.Close())
		}
	}
	return func(_ context.Context, escpos []byte) error {
		f, err := os.OpenFile(printer, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			return err
		}
		_, err = f.Write(escpos)
		return errors.Join(err, f.Close())
	}
}
