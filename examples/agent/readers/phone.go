package readers

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
	"github.com/mynakit/mynakit/examples/agent/api"
)

// PhoneName is the name of the reader that a phone is.
const PhoneName = "Phone"

// Phone is a phone with the app Remote Smart Card Reader: it scans a QR code,
// connects, and the card that is held to it is the card.
type Phone struct {
	listener *vpcd.Listener
	screen   io.Writer

	turn sync.Mutex // held by whoever talks to the card
	card *vpcd.Remote
}

// NewPhone waits for phones at an address. The QR code is shown on screen.
func NewPhone(address string, screen io.Writer) (*Phone, error) {
	host, _, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err != nil || ip == nil || ip.IsUnspecified() {
		return nil, errors.New("the QR code has to name an address of this machine")
	}
	// To name another address than loopback is to ask for it.
	l, err := vpcd.Listen(address, vpcd.AllowNetwork())
	return &Phone{listener: l, screen: screen}, err
}

// Serve shows the code, and reports the card at the phone until the link is lost;
// then it shows the code again.
func (r *Phone) Serve(ctx context.Context, w api.Watcher) error {
	w.Service(nil)
	for {
		fmt.Fprintln(r.screen, "この通信は暗号化されません。暗証番号も流れるため、お店専用のネットワークでお使いください。")
		fmt.Fprintln(r.screen, "The link is plain, and the PIN travels on it: use a network of your own.")
		fmt.Fprintln(r.screen, r.listener.URL())
		qrterminal.GenerateHalfBlock(r.listener.URL(), qrterminal.L, r.screen)
		card, err := r.listener.Accept(ctx)
		if err != nil {
			return err
		}
		r.turn.Lock()
		r.card = card
		r.turn.Unlock()
		w.Reader(PhoneName, true)
		if contact, err := r.Open(ctx, PhoneName); err == nil {
			w.Card(ctx, PhoneName, contact)
			_ = contact.Close() // it gives the turn back
		}
		for r.alive(ctx) {
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
		w.Removed(PhoneName)
		w.Reader(PhoneName, false)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// alive asks the card for a random number (GET CHALLENGE), which changes nothing,
// when nobody talks to it: the link does not tell.
func (r *Phone) alive(ctx context.Context) bool {
	if !r.turn.TryLock() {
		return ctx.Err() == nil // somebody talks to it
	}
	defer r.turn.Unlock()
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	if _, err := r.card.TransmitContext(ctx, nil, []byte{0x00, 0x84, 0x00, 0x00, 0x08}); err == nil {
		return true
	}
	_ = r.card.Close() // its other end has left
	r.card = nil
	return false
}

// Open gives the card to one user after the other.
func (r *Phone) Open(context.Context, string) (api.Contact, error) {
	r.turn.Lock()
	if r.card == nil {
		r.turn.Unlock()
		return nil, apdu.ErrCardRemoved
	}
	return &phoneContact{r.card, sync.OnceFunc(r.turn.Unlock)}, nil
}

// Close ends the link.
func (r *Phone) Close() error {
	r.turn.Lock()
	defer r.turn.Unlock()
	err := r.listener.Close()
	if r.card != nil {
		if e := r.card.Close(); !errors.Is(e, net.ErrClosed) {
			err = errors.Join(err, e)
		}
		r.card = nil
	}
	return err
}

type phoneContact struct {
	apdu.ContextTransmitter
	done func()
}

// forget selects the card manager, which ends the application and with it a
// verified PIN.
var forget = []byte{0x00, 0xA4, 0x04, 0x00, 0x00}

// Close makes the card forget a PIN: the link stays, and nobody takes the power
// from a card at a phone.
func (c *phoneContact) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	_, err := c.TransmitContext(ctx, nil, forget)
	c.done()
	return err
}
