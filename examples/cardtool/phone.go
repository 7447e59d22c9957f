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
	"github.com/mynakit/mynakit/examples/internal/speak"
)

// connectPhone shows where to connect to and waits for the phone that does.
func (s *session) connectPhone(ctx context.Context) (apdu.ContextTransmitter, func() error, error) {
	host, port, err := net.SplitHostPort(s.listen)
	if err != nil {
		return nil, nil, speak.Wrong("-listen には、ホストとポートを指定してください（例：192.0.2.5:35963）。", "-listen wants host:port")
	}
	ip := net.ParseIP(host)
	if ip == nil || ip.IsUnspecified() {
		return nil, nil, speak.Wrong("-listen には、スマートフォンから接続できるこの機器のIPアドレスを指定してください。QRコードに入れるためです。",
			"-listen wants the IP address of this machine that the phone can reach: the QR code has to name it")
	}
	// To name another address than loopback is to ask for it.
	l, err := vpcd.Listen(s.listen, vpcd.AllowNetwork())
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	fmt.Fprintf(s.stderr, "%s%s\n", invitation(s.say, ip, port), l.URL())
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
func invitation(say speak.Voice, ip net.IP, port string) string {
	text := say("アプリ Remote Smart Card Reader でこのQRコードを読み取り、カードをスマートフォンにかざしてください。\n",
		"Scan this with the app Remote Smart Card Reader, and hold the card to the phone.\n")
	if ip.IsLoopback() {
		text = say("このアドレスにはスマートフォンから接続できません。-listen アドレス:"+port+" で、スマートフォンと同じ\n"+
			"ネットワークにあるこの機器のアドレスを指定してください。そのあと、アプリ Remote Smart Card Reader で\n"+
			"QRコードを読み取り、カードをスマートフォンにかざしてください。\n",
			"Only this machine can reach this address, and no phone: say -listen ADDRESS:"+port+
				",\nwith the address of this machine in the phone's network. Then scan the code with\n"+
				"the app Remote Smart Card Reader, and hold the card to the phone.\n")
	}
	return text + say("この通信は暗号化されません。暗証番号も流れるため、専用のネットワークでお使いください。\n",
		"The link is plain, and the PIN travels on it: use a network of your own.\n")
}

func phoneTask(f *flag.FlagSet, say speak.Voice) func(context.Context, *session) error {
	f.Set("reader", "phone")
	return infoTask(f, say)
}
