package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/examples/internal/phone"
	"github.com/mynakit/mynakit/examples/internal/speak"
	"github.com/mynakit/mynakit/mykey"
)

// phoneReader is a phone as the reader. One link serves the day; when it is lost
// the code is shown again.
type phoneReader struct {
	*phone.Phone
	wait time.Duration
}

func newPhoneReader(address string, wait time.Duration, screen io.Writer, lang string) (*phoneReader, error) {
	r := &phoneReader{wait: wait}
	var err error
	r.Phone, err = phone.Listen(address, wait, func(url string) {
		if a, ok := r.Addr().(*net.TCPAddr); ok && a.IP.IsLoopback() {
			fmt.Fprintf(screen, speak.In(lang, mykey.Text{
				JA: "このアドレスにはスマートフォンから接続できません。-listen ADDRESS:%d のように、この機器のアドレス\n（スマートフォンと同じネットワーク）を指定してください。\n",
				EN: "Only this machine can reach this address, and no phone: say -listen ADDRESS:%d,\nwith the address of this machine in the phone's network.\n"}),

				a.Port)
		}
		fmt.Fprintln(screen, speak.In(lang, phone.Warning()))
		phone.Show(screen, url)
	})
	switch {
	case errors.Is(err, phone.ErrForm):
		return nil, speak.Wrong("-listen には、ホストとポートを指定してください（例：192.0.2.5:35963）。", "-listen wants host:port")
	case errors.Is(err, phone.ErrHost):
		return nil, speak.Wrong("-listen には、スマートフォンから接続できるこの機器のIPアドレスを指定してください。QRコードに入れるためです。",
			"-listen wants the IP address of this machine that the phone can reach: the QR code has to name it")
	case err != nil:
		return nil, &addressError{address, err}
	}
	return r, nil
}

// WaitCard measures the time of the card that the phone gives.
func (r *phoneReader) WaitCard(ctx context.Context) (apdu.Transmitter, error) {
	c, err := r.Phone.WaitCard(ctx)
	if err != nil {
		return nil, err
	}
	return &contact{ContextTransmitter: c, wait: r.wait, closer: c.Close}, nil
}
