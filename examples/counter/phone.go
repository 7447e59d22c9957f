package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/mdp/qrterminal/v3"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/apdu/vpcd"
	"github.com/mynakit/mynakit/mykey"
)

// phoneReader is a phone with the app Remote Smart Card Reader: it scans a QR
// code, connects, and the card that is held to it is the card. One link serves
// the day; when it is lost the code is shown again.
type phoneReader struct {
	listener *vpcd.Listener
	wait     time.Duration
	screen   io.Writer
	lang     string

	turn chan struct{} // holds one token: whoever has it has the card
	card *vpcd.Remote  // belongs to whose turn it is
}

func newPhoneReader(address string, wait time.Duration, screen io.Writer, lang string) (*phoneReader, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, wrong("-listen には、ホストとポートを指定してください（例：192.0.2.5:35963）。", "-listen wants host:port")
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		return nil, wrong("-listen には、スマートフォンから接続できるこの機器のIPアドレスを指定してください。QRコードに入れるためです。",
			"-listen wants the IP address of this machine that the phone can reach: the QR code has to name it")
	}
	// To name another address than loopback is to ask for it.
	l, err := vpcd.Listen(address, vpcd.AllowNetwork())
	if err != nil {
		return nil, &addressError{address, err}
	}
	r := &phoneReader{listener: l, wait: wait, screen: screen, lang: lang, turn: make(chan struct{}, 1)}
	r.turn <- struct{}{}
	return r, nil
}

// take waits for its turn, give ends it.
func (r *phoneReader) take(ctx context.Context) error {
	select {
	case <-r.turn:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *phoneReader) give() { r.turn <- struct{}{} }

// WaitCard gives the card to one user after the other; Close passes it on. The
// link stays: nobody takes the power from a card at a phone.
func (r *phoneReader) WaitCard(ctx context.Context) (apdu.Transmitter, error) {
	if err := r.take(ctx); err != nil {
		return nil, err
	}
	if err := r.connect(ctx); err != nil {
		r.give()
		return nil, err
	}
	var once sync.Once
	return &contact{ContextTransmitter: r.card, wait: r.wait, closer: func() error {
		once.Do(r.give)
		return nil
	}}, nil
}

// connect makes sure that there is a card.
func (r *phoneReader) connect(ctx context.Context) error {
	if r.card != nil {
		if r.alive(ctx) {
			return nil
		}
		r.lose() // another may come
	}
	if a, ok := r.listener.Addr().(*net.TCPAddr); ok && a.IP.IsLoopback() {
		fmt.Fprintf(r.screen, in(r.lang, mykey.Text{
			JA: "このアドレスにはスマートフォンから接続できません。-listen ADDRESS:%d のように、この機器のアドレス\n（スマートフォンと同じネットワーク）を指定してください。\n",
			EN: "Only this machine can reach this address, and no phone: say -listen ADDRESS:%d,\nwith the address of this machine in the phone's network.\n"}), a.Port)
	}
	fmt.Fprintln(r.screen, in(r.lang, mykey.Text{
		JA: "この通信は暗号化されません。暗証番号も流れるため、お店専用のネットワークでお使いください。",
		EN: "The link is plain, and the PIN travels on it: use a network of your own."}))
	fmt.Fprintln(r.screen, r.listener.URL())
	qrterminal.GenerateHalfBlock(r.listener.URL(), qrterminal.L, r.screen)
	card, err := r.listener.Accept(ctx)
	if err != nil {
		return err
	}
	r.card = card
	return nil
}

// lose ends a link whose other end has left: how that ends is of no interest.
func (r *phoneReader) lose() {
	_ = r.card.Close()
	r.card = nil
}

// WaitRemoved asks now and then, when nobody works with the card: the link does
// not tell.
func (r *phoneReader) WaitRemoved(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
		if gone, err := r.gone(ctx); gone || err != nil {
			return err
		}
	}
}

func (r *phoneReader) gone(ctx context.Context) (bool, error) {
	if err := r.take(ctx); err != nil {
		return false, err
	}
	defer r.give()
	if r.card == nil {
		return true, nil
	}
	if r.alive(ctx) {
		return false, nil
	}
	r.lose()
	return true, ctx.Err()
}

// alive asks the card for a random number (GET CHALLENGE), which changes
// nothing. Any answer will do.
func (r *phoneReader) alive(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, r.wait)
	defer cancel()
	_, err := r.card.TransmitContext(ctx, nil, []byte{0x00, 0x84, 0x00, 0x00, 0x08})
	return err == nil
}

// Close ends the link, when the last user of the card has closed it. A phone
// that has gone already is an orderly end too.
func (r *phoneReader) Close() error {
	<-r.turn
	defer r.give()
	err := r.listener.Close()
	if r.card != nil {
		if e := r.card.Close(); !errors.Is(e, net.ErrClosed) {
			err = errors.Join(err, e)
		}
		r.card = nil
	}
	return err
}
