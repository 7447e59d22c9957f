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
)

// phoneReader is a phone with the app Remote Smart Card Reader: it scans a QR
// code, connects, and the card that is held to it is the card. One link serves
// the day; when it is lost the code is shown again.
type phoneReader struct {
	listener *vpcd.Listener
	wait     time.Duration
	screen   io.Writer

	mu   sync.Mutex
	card *vpcd.Remote
}

func newPhoneReader(address string, wait time.Duration, screen io.Writer) (*phoneReader, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, &usageError{"-listen wants host:port"}
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		return nil, &usageError{"-listen wants the IP address of this machine that the phone can reach: the QR code has to name it"}
	}
	// To name another address than loopback is to ask for it.
	l, err := vpcd.Listen(address, vpcd.AllowNetwork())
	if err != nil {
		return nil, &addressError{address, err}
	}
	return &phoneReader{listener: l, wait: wait, screen: screen}, nil
}

func (r *phoneReader) WaitCard(ctx context.Context) (apdu.Transmitter, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.card != nil {
		// A warm start: what the last user selected is gone. It fails when the
		// phone has left, and then another may come.
		if err := r.card.Reset(ctx); err == nil {
			return r.contact(), nil
		}
		r.card.Close() // it has left
		r.card = nil
	}
	fmt.Fprintln(r.screen, r.listener.URL())
	qrterminal.GenerateHalfBlock(r.listener.URL(), qrterminal.L, r.screen)
	card, err := r.listener.Accept(ctx)
	if err != nil {
		return nil, err
	}
	r.card = card
	return r.contact(), nil
}

// contact gives the phone's card. The link stays: a card takes no power from a
// phone that is put away.
func (r *phoneReader) contact() *contact {
	return &contact{ContextTransmitter: r.card, closer: func() error { return nil }, wait: r.wait}
}

// WaitRemoved asks now and then: the link does not tell.
func (r *phoneReader) WaitRemoved(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
		if r.gone(ctx) {
			return nil
		}
	}
}

func (r *phoneReader) gone(ctx context.Context) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.card == nil {
		return true
	}
	// GET CHALLENGE of the card itself changes nothing that is selected.
	_, err := r.card.TransmitContext(ctx, nil, []byte{0x00, 0x84, 0x00, 0x00, 0x08})
	if err == nil || ctx.Err() != nil {
		return false
	}
	r.card.Close() // it has left
	r.card = nil
	return true
}

// Close ends the link. A phone that has gone already is an orderly end too.
func (r *phoneReader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.listener.Close()
	if r.card != nil {
		if e := r.card.Close(); !errors.Is(e, net.ErrClosed) {
			err = errors.Join(err, e)
		}
		r.card = nil
	}
	return err
}
