package shop

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/mykey/registry"
)

// Customer is what the clerk's screen shows of a holder.
type Customer struct {
	ID       mykey.ID // zero: the card has no MyKey ID here yet
	Services []mykey.ServiceID
	// Balances are what the holder can spend here, in the order of the platform's
	// page (システム設計書 IV(4)), and the mall's points at the end.
	Balances []point.Balance
	// CityPoints are those of the city's own programme (自治体ポイント).
	CityPoints int64
	// MallPoints (商店街ポイント) are the mall's, and Mall is the holder's member
	// number. Without one they are zero.
	MallPoints int64
	Mall       mykey.CustomerID
}

// Enrolled reports whether the card has a MyKey ID here.
func (c Customer) Enrolled() bool { return !c.ID.IsZero() }

// Recognise returns the customer whose card it is, by the serial number of the
// certificate for user authentication: one exchange after [jpki.Open], and no
// PIN on a card. It proves nothing. Whoever has held the card to a reader can
// copy the number, so it only shows, as a point card would.
//
// If the card is not enrolled, Recognise returns the zero Customer and a nil
// error. The errors are those of [jpki.Card.Serial] (a phone asks for its PIN
// first: [*jpki.PINRequiredError]) and [registry.Registry.Lookup], without
// [registry.ErrNotEnrolled]. If two authorities have issued the number, it reads
// the whole certificate and verifies it.
func (s *Shop) Recognise(ctx context.Context, card *jpki.Card) (Customer, error) {
	serial, err := card.Serial(ctx, jpki.Auth)
	if err != nil {
		return Customer{}, err
	}
	id, err := s.registry.Lookup(ctx, serial)
	switch {
	case errors.Is(err, registry.ErrNotEnrolled):
		return Customer{}, nil
	case errors.Is(err, registry.ErrTwoIssuers):
		v, err := s.Begin(ctx, card)
		if err != nil {
			return Customer{}, err
		}
		defer v.Close()
		if id = v.ID(); id.IsZero() {
			return Customer{}, nil
		}
	case err != nil:
		return Customer{}, err
	}
	return s.Find(ctx, id)
}

// Find returns the customer who has a MyKey ID or a Service ID, without the card:
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
	}
	if c.Balances, err = s.balances(ctx, p); err != nil {
		return Customer{}, fmt.Errorf("shop: read balances: %w", err)
	}
	for _, b := range c.Balances {
		switch b.Account {
		case s.cfg.Programmes[0].Account:
			c.CityPoints = b.Points
		case MallAccount:
			c.MallPoints = b.Points
		}
	}
	return c, nil
}

// A Visit is one holder at one terminal, from the first tap for at most five
// minutes. Its methods take the card that is in the reader now. If that is
// another one, they return [registry.ErrWrongCard] and the visit is over. It is
// safe for use by several goroutines.
//
// A method that spends, binds or changes something has the card sign a new
// challenge. The card does so while the holder's PIN is verified on it; before,
// the method returns a [*jpki.PINRequiredError], and [Visit.Verify] presents the
// PIN. The certificate alone, which any reader gets from a card and anybody can
// replay, spends and changes nothing; see [Config.WithoutPIN].
type Visit struct {
	shop    *Shop
	session *registry.Session

	mu        sync.Mutex
	changing  bool
	enrolment *registry.Enrolment
}

// Begin begins a visit. It reads the certificate and verifies it; no PIN is
// needed, and nothing is proved.
//
// The errors are ErrNoRoots and those of [registry.Show] and
// [registry.Registry.Begin].
func (s *Shop) Begin(ctx context.Context, card *jpki.Card) (*Visit, error) {
	if s.cfg.Verifier == nil {
		return nil, ErrNoRoots
	}
	p, err := registry.Show(ctx, card, s.cfg.Verifier)
	if revoked, ok := errors.AsType[*jpki.RevokedError](err); ok {
		return nil, errors.Join(revoked, s.noteRevoked(ctx, card))
	}
	if err != nil {
		return nil, err
	}
	return s.begin(ctx, p)
}

// BeginWithPIN begins a visit of a holder who typed the PIN for user
// authentication. The card signs a challenge, so it is the card of its
// certificate and no copy. The PIN is the caller's to clear.
//
// The errors are ErrNoRoots and those of [jpki.Card.Verify], among them
// [*jpki.PINError] and [*jpki.LastTryError], of [registry.Prove] and of
// [registry.Registry.Begin].
func (s *Shop) BeginWithPIN(ctx context.Context, card *jpki.Card, pin jpki.PIN) (*Visit, error) {
	if s.cfg.Verifier == nil {
		return nil, ErrNoRoots // before a try is spent
	}
	if err := card.Verify(ctx, pin); err != nil {
		return nil, err
	}
	return s.BeginProved(ctx, card)
}

// BeginProved is BeginWithPIN for a card on which the PIN was verified already. The
// errors are ErrNoRoots and those of [registry.Prove] and
// [registry.Registry.Begin].
func (s *Shop) BeginProved(ctx context.Context, card *jpki.Card) (*Visit, error) {
	if s.cfg.Verifier == nil {
		return nil, ErrNoRoots
	}
	p, err := registry.Prove(ctx, card, s.cfg.Verifier)
	if err != nil {
		return nil, err
	}
	return s.begin(ctx, p)
}

func (s *Shop) begin(ctx context.Context, p registry.Presence) (*Visit, error) {
	session, err := s.registry.Begin(ctx, p)
	if err != nil {
		return nil, err
	}
	return &Visit{shop: s, session: session}, nil
}

// Verify presents the holder's PIN to the card. A card other than the visit's is
// [registry.ErrWrongCard] before anything is sent to it. The last try is never
// sent. The PIN is the caller's to clear.
//
// The other errors are those of [registry.Show] and [jpki.Card.Verify].
func (v *Visit) Verify(ctx context.Context, card *jpki.Card, pin jpki.PIN) error {
	if err := v.same(ctx, card); err != nil {
		return err
	}
	return card.Verify(ctx, pin)
}

// same refuses a card other than the visit's, without its PIN.
func (v *Visit) same(ctx context.Context, card *jpki.Card) error {
	p, err := registry.Show(ctx, card, v.shop.cfg.Verifier)
	if err != nil {
		return err
	}
	_, err = v.session.ConfirmUnproved(ctx, p)
	if errors.Is(err, registry.ErrNotEnrolled) {
		return nil // not yet
	}
	return err
}

// Format prints only the type, whatever the verb: a visit leads to a person.
func (v *Visit) Format(f fmt.State, _ rune) { fmt.Fprint(f, "*shop.Visit") }

// Close ends the visit; every later call returns [registry.ErrSessionOver].
func (v *Visit) Close() { v.session.Close() }

// ID returns the holder's MyKey ID, zero before enrolment.
func (v *Visit) ID() mykey.ID { return v.session.ID() }

// prove has the card in the reader sign. A card other than the visit's is
// refused by the session. One that wants its PIN first is looked at before its
// holder is asked for it.
func (v *Visit) prove(ctx context.Context, card *jpki.Card) (registry.Presence, error) {
	p, err := registry.Prove(ctx, card, v.shop.cfg.Verifier)
	if _, ask := errors.AsType[*jpki.PINRequiredError](err); ask {
		if wrong := v.same(ctx, card); wrong != nil {
			return p, wrong
		}
	}
	return p, err
}

// Offer draws a MyKey ID for the holder to accept or to pass over (自動生成). The
// third is registered without asking, and Progress.Registered says so. The
// errors are those of [registry.Session.Enrol], [registry.Enrolment.Offer] and
// [registry.Prove].
func (v *Visit) Offer(ctx context.Context, card *jpki.Card) (registry.Progress, error) {
	return v.enrol(ctx, card, (*registry.Enrolment).Offer)
}

// Choose asks for a MyKey ID of the holder's own (重複チェック). Where it is free
// it waits for Accept; where it is taken the error is a
// [*registry.DuplicateError], and after three of them [registry.ErrAutomaticOnly].
func (v *Visit) Choose(ctx context.Context, card *jpki.Card, id mykey.ID) (registry.Progress, error) {
	return v.enrol(ctx, card, func(e *registry.Enrolment, ctx context.Context, p registry.Presence) (registry.Progress, error) {
		return e.Check(ctx, p, id)
	})
}

// Accept registers the MyKey ID that was offered or chosen last.
func (v *Visit) Accept(ctx context.Context, card *jpki.Card) (registry.Progress, error) {
	return v.enrol(ctx, card, (*registry.Enrolment).Accept)
}

func (v *Visit) enrol(ctx context.Context, card *jpki.Card, step func(*registry.Enrolment, context.Context, registry.Presence) (registry.Progress, error)) (registry.Progress, error) {
	p, err := v.prove(ctx, card)
	if err != nil {
		return registry.Progress{}, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.enrolment == nil {
		if _, err := v.session.Confirm(ctx, p); err != nil && !errors.Is(err, registry.ErrNotEnrolled) {
			return registry.Progress{}, err
		}
		begin := v.session.Enrol
		if v.changing {
			begin = v.session.ChangeID
		}
		if v.enrolment, err = begin(ctx); err != nil {
			return registry.Progress{}, err
		}
	}
	return step(v.enrolment, ctx, p)
}

// Changing has Offer, Choose and Accept give the visit's holder another MyKey ID in
// the place of the present one (システム設計書 IV(8)). It comes before the first of
// them. It returns [registry.ErrNotEnrolled] if the holder has none.
func (v *Visit) Changing() error {
	if v.ID().IsZero() {
		return registry.ErrNotEnrolled
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.changing = true
	return nil
}

// Change gives the holder the MyKey ID id, of their own choice, in the place of
// the present one (マイキーIDの変更). The points come along. If id is taken, the error
// is a [*registry.DuplicateError]. The other errors are those of
// [registry.Session.ChangeID], [registry.Enrolment.Accept] and [registry.Prove].
func (v *Visit) Change(ctx context.Context, card *jpki.Card, id mykey.ID) (registry.Progress, error) {
	p, err := v.prove(ctx, card)
	if err != nil {
		return registry.Progress{}, err
	}
	if _, err := v.session.Confirm(ctx, p); err != nil {
		return registry.Progress{}, err
	}
	change, err := v.session.ChangeID(ctx)
	if err != nil {
		return registry.Progress{}, err
	}
	if _, err := change.Check(ctx, p, id); err != nil {
		return registry.Progress{}, err
	}
	return change.Accept(ctx, p)
}

// Revoke ends the holder's MyKey ID for good (マイキーIDの失効), and the visit with
// it. Points that are left cannot be spent any more. The errors are those of
// [registry.Session.Revoke] and [registry.Prove].
func (v *Visit) Revoke(ctx context.Context, card *jpki.Card) error {
	p, err := v.prove(ctx, card)
	if err != nil {
		return err
	}
	return v.session.Revoke(ctx, p)
}

// RegisterService ties a customer number of the library or the mall to the
// holder (サービスIDの登録). The clerk has looked the customer up in the library's
// own system before, and compares what comes back with the card in hand. The
// errors are those of [registry.Session.RegisterService] and [registry.Prove].
func (v *Visit) RegisterService(ctx context.Context, card *jpki.Card, id mykey.ServiceID) (mykey.ServiceID, error) {
	p, err := v.prove(ctx, card)
	if err != nil {
		return mykey.ServiceID{}, err
	}
	return v.session.RegisterService(ctx, p, id)
}

// ReplaceService is RegisterService for a number that was typed wrongly before
// (前の画面に戻る).
func (v *Visit) ReplaceService(ctx context.Context, card *jpki.Card, id mykey.ServiceID) (mykey.ServiceID, error) {
	p, err := v.prove(ctx, card)
	if err != nil {
		return mykey.ServiceID{}, err
	}
	return v.session.ReplaceService(ctx, p, id)
}

// Customer returns what the clerk's screen shows of the visit's holder. The
// errors are those of [registry.Session.Person].
func (v *Visit) Customer(ctx context.Context) (Customer, error) {
	p, err := v.session.Person(ctx)
	if err != nil {
		return Customer{}, err
	}
	return v.shop.Find(ctx, p.ID)
}
