package shop

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/registry"
)

// Customer is what the clerk's screen shows of a holder.
type Customer struct {
	ID         mykey.ID // zero: the card has no MyKey ID here yet
	Services   []mykey.ServiceID
	CityPoints int64 // 自治体ポイント
	// MallPoints (商店街ポイント) are those of Mall, the holder's member number.
	// Without one they are zero.
	MallPoints int64
	Mall       mykey.CustomerID
}

// Enrolled tells whether the card has a MyKey ID here.
func (c Customer) Enrolled() bool { return !c.ID.IsZero() }

// Recognise tells whose card it is, by the serial number of the certificate for
// user authentication: one exchange after [jpki.Open], and no PIN on a card.
// Nothing is proved by it, for a serial number can be copied: it finds the
// customer's number, as a point card would.
//
// A card that is not enrolled is no error; it gives the zero Customer. The
// errors are those of [jpki.Card.Serial] (a phone asks for its PIN first:
// [*jpki.PINRequiredError]) and [registry.Registry.Lookup], but for
// [registry.ErrNotEnrolled].
func (s *Shop) Recognise(ctx context.Context, card *jpki.Card) (Customer, error) {
	serial, err := card.Serial(ctx, jpki.Auth)
	if err != nil {
		return Customer{}, err
	}
	id, err := s.registry.Lookup(ctx, serial)
	if errors.Is(err, registry.ErrNotEnrolled) {
		return Customer{}, nil
	}
	if err != nil {
		return Customer{}, err
	}
	return s.Find(ctx, id)
}

// Find gives the customer who has a MyKey ID or a Service ID, without the card:
// the mall's point card on a keyboard-wedge reader, say (システム設計書 III.15). The
// errors are those of [registry.Registry.Find].
func (s *Shop) Find(ctx context.Context, key mykey.Identifier) (Customer, error) {
	p, err := s.registry.Find(ctx, key)
	if err != nil {
		return Customer{}, err
	}
	c := Customer{ID: p.ID, Services: p.Services}
	if mall, ok := p.Service(s.cfg.Mall); ok {
		c.Mall = mall.Customer
		if c.MallPoints, err = s.balance(ctx, mallAccount(c.Mall)); err != nil {
			return Customer{}, err
		}
	}
	c.CityPoints, err = s.balance(ctx, cityAccount(c.ID))
	return c, err
}

// Visit is one holder at one terminal, from the first tap for at most five
// minutes. Its methods take the card that is in the reader now: another one is
// [registry.ErrWrongCard], and the visit is over. It is safe for use by several
// goroutines.
type Visit struct {
	shop    *Shop
	session *registry.Session
	tap     registry.Tap // how it began

	mu        sync.Mutex
	enrolment *registry.Enrolment
}

// Begin begins a visit without a PIN: enough to register a Service ID or to
// issue a ticket. It reads the certificate and verifies it.
//
// The errors are ErrNoRoots, those of [jpki.Card.Certificate], of
// [jpki.Verifier.Verify] and of [registry.Registry.Begin].
func (s *Shop) Begin(ctx context.Context, card *jpki.Card) (*Visit, error) {
	if s.cfg.Verifier == nil {
		return nil, ErrNoRoots
	}
	cert, err := card.Certificate(ctx, jpki.Auth)
	if err != nil {
		return nil, err
	}
	verified, err := s.cfg.Verifier.Verify(ctx, cert, jpki.Auth)
	if err != nil {
		return nil, err
	}
	return s.begin(ctx, card, verified, false)
}

// BeginWithPIN begins a visit of a holder who typed the PIN for user
// authentication: what [Visit.Offer] and [Visit.Choose] demand. The card signs
// a challenge, so it is the card of its certificate and no copy. The PIN is
// the caller's to clear.
//
// The errors are those of [jpki.Card.Verify], among them [*jpki.PINError] and
// [*jpki.LastTryError], of [jpki.Card.Signer] and of Begin.
func (s *Shop) BeginWithPIN(ctx context.Context, card *jpki.Card, pin jpki.PIN) (*Visit, error) {
	if s.cfg.Verifier == nil {
		return nil, ErrNoRoots // before a try is spent
	}
	if err := card.Verify(ctx, pin); err != nil {
		return nil, err
	}
	key, err := card.Signer(ctx, jpki.Auth)
	if err != nil {
		return nil, err
	}
	verified, err := s.cfg.Verifier.Verify(ctx, key.Certificate(), jpki.Auth)
	if err != nil {
		return nil, err
	}
	challenge := sha256.Sum256([]byte("mynakit counter: " + rand.Text()))
	// The key checks the signature before it gives it out.
	if _, err := key.SignContext(ctx, challenge[:], crypto.SHA256); err != nil {
		return nil, err
	}
	return s.begin(ctx, card, verified, true)
}

func (s *Shop) begin(ctx context.Context, card *jpki.Card, cert *jpki.VerifiedCertificate, pin bool) (*Visit, error) {
	serial, err := cert.Serial()
	if err != nil {
		return nil, err
	}
	kind, err := card.Kind(ctx)
	if err != nil {
		return nil, err
	}
	device, err := registry.DeviceOf(kind)
	if err != nil {
		return nil, err
	}
	v := &Visit{shop: s, tap: registry.Tap{
		Certificate: registry.Certificate{Serial: serial, NotAfter: cert.Certificate().NotAfter, Device: device},
		PINVerified: pin,
	}}
	if v.session, err = s.registry.Begin(ctx, v.tap); err != nil {
		return nil, err
	}
	return v, nil
}

// Format prints only the type, whatever the verb: a visit leads to a person.
func (v *Visit) Format(f fmt.State, _ rune) { fmt.Fprint(f, "*shop.Visit") }

// Close ends the visit; every later call gives [registry.ErrSessionOver].
func (v *Visit) Close() { v.session.Close() }

// ID gives the holder's MyKey ID, zero before enrolment.
func (v *Visit) ID() mykey.ID { return v.session.ID() }

// confirm reads the card that is in the reader now. Where it is another one,
// the session refuses the tap.
func (v *Visit) confirm(ctx context.Context, card *jpki.Card) (registry.Tap, error) {
	serial, err := card.Serial(ctx, jpki.Auth)
	if err != nil {
		return registry.Tap{}, err
	}
	tap := v.tap
	tap.Certificate.Serial = serial
	if serial != v.tap.Certificate.Serial {
		tap.PINVerified = false
	}
	return tap, nil
}

// payer gives the holder whose points are to be spent, if the card is still
// the one of the visit. The session has no call of its own for that.
func (v *Visit) payer(ctx context.Context, card *jpki.Card) (registry.Person, error) {
	p, err := v.session.Person(ctx) // also that the visit is not over
	if err != nil {
		return registry.Person{}, err
	}
	tap, err := v.confirm(ctx, card)
	if err != nil {
		return registry.Person{}, err
	}
	if tap.Certificate.Serial != v.tap.Certificate.Serial {
		v.Close()
		return registry.Person{}, registry.ErrWrongCard
	}
	return p, nil
}

// Offer draws a MyKey ID for the holder to accept or to pass over (自動生成). The
// third is registered without asking, and Progress.Registered says so. The
// errors are those of [registry.Session.Enrol], [registry.Enrolment.Offer] and
// [jpki.Card.Serial].
func (v *Visit) Offer(ctx context.Context, card *jpki.Card) (registry.Progress, error) {
	return v.enrol(ctx, card, (*registry.Enrolment).Offer)
}

// Choose asks for a MyKey ID of the holder's own (重複チェック). Where it is free
// it waits for Accept; where it is taken the error is a
// [*registry.DuplicateError], and after three of them [registry.ErrAutomaticOnly].
func (v *Visit) Choose(ctx context.Context, card *jpki.Card, id mykey.ID) (registry.Progress, error) {
	return v.enrol(ctx, card, func(e *registry.Enrolment, ctx context.Context, tap registry.Tap) (registry.Progress, error) {
		return e.Check(ctx, tap, id)
	})
}

// Accept registers the MyKey ID that was offered or chosen last.
func (v *Visit) Accept(ctx context.Context, card *jpki.Card) (registry.Progress, error) {
	return v.enrol(ctx, card, (*registry.Enrolment).Accept)
}

func (v *Visit) enrol(ctx context.Context, card *jpki.Card, step func(*registry.Enrolment, context.Context, registry.Tap) (registry.Progress, error)) (registry.Progress, error) {
	tap, err := v.confirm(ctx, card)
	if err != nil {
		return registry.Progress{}, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.enrolment == nil {
		if v.enrolment, err = v.session.Enrol(ctx); err != nil {
			return registry.Progress{}, err
		}
	}
	return step(v.enrolment, ctx, tap)
}

// RegisterService ties a customer number of the library or the mall to the
// holder (サービスIDの登録). The clerk has looked the customer up in the library's
// own system before, and compares what comes back with the card in hand. The
// errors are those of [registry.Session.RegisterService] and [jpki.Card.Serial].
func (v *Visit) RegisterService(ctx context.Context, card *jpki.Card, id mykey.ServiceID) (mykey.ServiceID, error) {
	tap, err := v.confirm(ctx, card)
	if err != nil {
		return mykey.ServiceID{}, err
	}
	return v.session.RegisterService(ctx, tap, id)
}

// ReplaceService is RegisterService for a number that was typed wrongly before
// (前の画面に戻る).
func (v *Visit) ReplaceService(ctx context.Context, card *jpki.Card, id mykey.ServiceID) (mykey.ServiceID, error) {
	tap, err := v.confirm(ctx, card)
	if err != nil {
		return mykey.ServiceID{}, err
	}
	return v.session.ReplaceService(ctx, tap, id)
}

// Customer gives what the clerk's screen shows of the visit's holder. The
// errors are those of [registry.Session.Person].
func (v *Visit) Customer(ctx context.Context) (Customer, error) {
	p, err := v.session.Person(ctx)
	if err != nil {
		return Customer{}, err
	}
	return v.shop.Find(ctx, p.ID)
}
