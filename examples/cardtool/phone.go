package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"

	"github.com/mdp/qrterminal/v3"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/apdu/vpcd"
)

// connectPhone shows where to connect to and waits for the phone that does.
func (s *session) connectPhone(ctx context.Context) (apdu.ContextTransmitter, func() error, error) {
	host, port, err := net.SplitHostPort(s.listen)
	if err != nil {
		return nil, nil, &usageError{"-listen wants host:port"}
	}
	ip := net.ParseIP(host)
	if ip == nil || ip.IsUnspecified() {
		return nil, nil, &usageError{"-listen wants the IP address of this machine that the phone can reach: the QR code has to name it"}
	}
	// To name another address than loopback is to ask for it.
	l, err := vpcd.Listen(s.listen, vpcd.AllowNetwork())
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	fmt.Fprintf(s.stderr, "%s%s\n", invitation(ip, port), l.URL())
	qrterminal.GenerateHalfBlock(l.URL(), qrterminal.L, s.stderr)
	phone, err := l.Accept(ctx)
	if err != nil {
		return nil, nil, err
	}
	s.reader, s.atr = "phone", phone.ATR()
	return phone, func() error {
		// A phone that has gone already is an orderly end too.
		if err := phone.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	}, nil
}

// invitation says what to do with the code below it, and what it is to do so.
func invitation(ip net.IP, port string) string {
	text := "Scan this with the app Remote Smart Card Reader, and hold the card to the phone.\n"
	if ip.IsLoopback() {
		text = "Only this machine can reach this address, and no phone: say -listen ADDRESS:" + port +
			",\nwith the address of this machine in the phone's network. Then scan the code with\n" +
			"the app Remote Smart Card Reader, and hold the card to the phone.\n"
	}
	return text + "The link is plain, and the PIN travels on it: use a network of your own.\n"
}

func phoneTask(f *flag.FlagSet) func(context.Context, *session) error {
	f.Set("reader", "phone")
	return infoTask(f)
}
