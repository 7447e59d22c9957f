// Package phone waits for a phone with the app Remote Smart Card Reader: it scans
// a QR code and connects, and the card that is held to it is the card. One link
// serves for many cards, until the phone leaves.
//
// A program makes a [Phone] with [Listen]. Either it calls [Phone.WaitCard]
// wherever it needs a card, or it calls [Phone.Connect] in one place and
// [Phone.Open] in others.
package phone

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mdp/qrterminal/v3"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/apdu/vpcd"
	"github.com/mynakit/mynakit/mykey"
)

// Errors of Listen. Other errors are those of [net.Listen].
var (
	// ErrForm means that an address is not host:port.
	ErrForm = errors.New("an address is host:port")
	// ErrHost means that an address names no IP address of this machine. The QR
	// code has to.
	ErrHost = errors.New("the QR code has to name an address of this machine")
)

// Phone is a reader.
type Phone struct {
	listener *vpcd.Listener
	wait     time.Duration
	show     func(url string)

	turn chan struct{}               // holds one token: whoever has it has the card
	card *vpcd.Remote                // belongs to whose turn it is
	last atomic.Pointer[vpcd.Remote] // that connected
}

// Listen waits for phones at an address. wait bounds each answer of a card. show
// is called with what the phone has to be told; see [Show].
func Listen(address string, wait time.Duration, show func(url string)) (*Phone, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, ErrForm
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		return nil, ErrHost
	}
	// To name another address than loopback is to ask for it.
	l, err := vpcd.Listen(address, vpcd.AllowNetwork())
	if err != nil {
		return nil, err
	}
	p := &Phone{listener: l, wait: wait, show: show, turn: make(chan struct{}, 1)}
	p.give()
	return p, nil
}

// Warning is what is said to whoever connects a phone.
func Warning() mykey.Text {
	return mykey.Text{
		JA: "この通信は暗号化されません。暗証番号も流れるため、お店専用のネットワークでお使いください。",
		EN: "The link is plain, and the PIN travels on it: use a network of your own.",
	}
}

// Show writes the address and its QR code.
func Show(w io.Writer, url string) {
	fmt.Fprintln(w, url)
	qrterminal.GenerateHalfBlock(url, qrterminal.L, w)
}

// Addr returns the address that phones connect to.
func (p *Phone) Addr() net.Addr { return p.listener.Addr() }

// take waits for its turn, give ends it.
func (p *Phone) take(ctx context.Context) error {
	select {
	case <-p.turn:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *Phone) give() { p.turn <- struct{}{} }

// Connect shows the code and waits for a phone. It is for one goroutine at a
// time; [Phone.Open] needs not wait for it.
func (p *Phone) Connect(ctx context.Context) error {
	card, err := p.accept(ctx)
	if err != nil {
		return err
	}
	if err := p.take(ctx); err != nil {
		return errors.Join(err, card.Close())
	}
	defer p.give()
	p.card = card
	return nil
}

func (p *Phone) accept(ctx context.Context) (*vpcd.Remote, error) {
	p.show(p.listener.URL())
	card, err := p.listener.Accept(ctx)
	if err != nil {
		return nil, err
	}
	p.last.Store(card)
	return card, nil
}

// Open gives the card to one user after the other; Close passes it on. Without a
// phone the error is [apdu.ErrCardRemoved].
func (p *Phone) Open(ctx context.Context) (*Contact, error) {
	if err := p.take(ctx); err != nil {
		return nil, err
	}
	if p.card == nil {
		p.give()
		return nil, apdu.ErrCardRemoved
	}
	return p.contact(), nil
}

// WaitCard is Open that connects a phone if there is none, or if the last one has
// left.
func (p *Phone) WaitCard(ctx context.Context) (*Contact, error) {
	if err := p.take(ctx); err != nil {
		return nil, err
	}
	if p.card != nil && !p.alive(ctx) {
		p.lose()
	}
	if p.card == nil {
		card, err := p.accept(ctx)
		if err != nil {
			p.give()
			return nil, err
		}
		p.card = card
	}
	return p.contact(), nil
}

// lose ends a link whose other end has left: how that ends is of no interest.
func (p *Phone) lose() {
	_ = p.card.Close()
	p.card = nil
}

// WaitRemoved waits until the phone that is connected has left, or another has
// come in its place. It asks now and then, when nobody works with the card: the
// link does not tell.
func (p *Phone) WaitRemoved(ctx context.Context) error {
	was := p.last.Load()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
		if gone, err := p.gone(ctx, was); gone || err != nil {
			return err
		}
	}
}

func (p *Phone) gone(ctx context.Context, was *vpcd.Remote) (bool, error) {
	if err := p.take(ctx); err != nil {
		return false, err
	}
	defer p.give()
	if p.card == nil || p.card != was {
		return true, nil
	}
	if p.alive(ctx) {
		return false, nil
	}
	p.lose()
	return true, ctx.Err()
}

// alive asks the card for a random number (GET CHALLENGE), which changes
// nothing. Any answer will do.
func (p *Phone) alive(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, p.wait)
	defer cancel()
	_, err := p.card.TransmitContext(ctx, nil, []byte{0x00, 0x84, 0x00, 0x00, 0x08})
	return err == nil
}

// Close ends the link, when the last user of the card has closed it. A phone
// that has gone already is an orderly end too.
func (p *Phone) Close() error {
	<-p.turn
	defer p.give()
	err := p.listener.Close()
	if p.card != nil {
		if e := p.card.Close(); !errors.Is(e, net.ErrClosed) {
			err = errors.Join(err, e)
		}
		p.card = nil
	}
	return err
}

// A Contact is the card for one user.
type Contact struct {
	apdu.ContextTransmitter
	close func() error
}

func (p *Phone) contact() *Contact {
	card := p.card
	return &Contact{card, sync.OnceValue(func() error {
		defer p.give()
		ctx, cancel := context.WithTimeout(context.Background(), p.wait)
		defer cancel()
		// The card manager is selected, which ends the application and with it a
		// verified PIN. The link stays: nobody takes the power from a card at a
		// phone.
		_, err := card.TransmitContext(ctx, nil, []byte{0x00, 0xA4, 0x04, 0x00, 0x00})
		return err
	})}
}

// Close has the card forget a PIN and passes it on. Its error means that the card
// has left.
func (c *Contact) Close() error { return c.close() }
