package shop

import (
	"context"
	"errors"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/mykey/registry"
)

// A Member is what the library's or the mall's own system knows of a member. It
// shows nothing of it.
type Member struct {
	open func() (name string, born jpki.Date)
}

// NewMember returns a Member of this name (氏名, as on the card) and date of birth
// (生年月日).
func NewMember(name string, born jpki.Date) Member {
	return Member{func() (string, jpki.Date) { return name, born }}
}

// is reports whether a card's holder is this member.
func (m Member) is(a jpki.Attributes) bool {
	if m.open == nil {
		return false
	}
	name, born := m.open()
	return name != "" && a.Name() == name && a.Birth() == born
}

var (
	// ErrMember means that the card's holder is not the person of the member's
	// record. Which of name and birth date differs is not told.
	ErrMember = errors.New("shop: the card is not that member's")
	// ErrNoMembers means that [Config.Members] is not set.
	ErrNoMembers = errors.New("shop: no member records to compare the card with")
)

// Recover asks that this new card become the card of the holder who has a
// member's number, for a holder whose former card has expired or was found
// revoked and who did not come with its successor known to the verifier. Ask for
// it before a new MyKey ID is made: a second one has none of the points.
//
// The card proves itself with its PIN for user authentication, verified before.
// Then text is presented, the PIN for the text application
// (券面事項入力補助用の暗証番号), and the name and the birth date on the card are
// compared with the member's record. clerk and second are the two members of
// staff who looked. Nothing changes yet: see [registry.Session.Recover].
//
// The errors are ErrNoMembers, ErrMember, those of [Config.Members],
// [registry.Prove], [jpki.Card.Verify], [jpki.Card.VerifiedAttributes] and
// [registry.Session.Recover].
func (v *Visit) Recover(ctx context.Context, card *jpki.Card, text jpki.PIN, member mykey.ServiceID, clerk, second string) (registry.Recovery, error) {
	if v.shop.cfg.Members == nil {
		return registry.Recovery{}, ErrNoMembers
	}
	record, err := v.shop.cfg.Members(ctx, member)
	if err != nil {
		return registry.Recovery{}, err
	}
	p, err := v.prove(ctx, card) // before another application is selected
	if err != nil {
		return registry.Recovery{}, err
	}
	if err := card.Verify(ctx, text); err != nil {
		return registry.Recovery{}, err
	}
	holder, err := v.shop.attributes(ctx, card)
	if err != nil {
		return registry.Recovery{}, err
	}
	if !record.is(holder) {
		return registry.Recovery{}, ErrMember
	}
	return v.session.Recover(ctx, p, registry.Grounds{Member: member, Clerk: clerk, Second: second})
}

// Join makes the MyKey ID of other, a second card or phone of the same person's,
// another name of the visit's. Both have had their PIN verified. The points of
// both are in one account then, and [Config.Twice] is told what was granted to
// both. The errors are those of [registry.Prove] and [registry.Session.Join].
func (v *Visit) Join(ctx context.Context, card, other *jpki.Card) error {
	p, err := v.prove(ctx, card)
	if err != nil {
		return err
	}
	second, err := registry.Prove(ctx, other, v.shop.cfg.Verifier)
	if err != nil {
		return err
	}
	return v.session.Join(ctx, p, second)
}

// attributes reads who the card says its holder is, and has the signature
// checked if [Config.FaceAnchors] can.
func (s *Shop) attributes(ctx context.Context, card *jpki.Card) (jpki.Attributes, error) {
	if s.cfg.FaceAnchors == nil {
		return card.Attributes(ctx)
	}
	v, err := card.VerifiedAttributes(ctx, s.cfg.FaceAnchors)
	return v.Value(), err
}

// Recoveries returns the recoveries of the holder who has a MyKey ID, the newest
// first.
func (s *Shop) Recoveries(ctx context.Context, id mykey.ID) ([]registry.Recovery, error) {
	return s.registry.Recoveries(ctx, id)
}

// CancelRecovery ends a recovery that the holder did not ask for. The errors are
// those of [registry.Registry.CancelRecovery].
func (s *Shop) CancelRecovery(ctx context.Context, number int64, who string) error {
	return s.registry.CancelRecovery(ctx, number, who)
}

// Undone is what became of a recovery that was taken back, and what people have to
// settle.
type Undone struct {
	registry.Undone
	// Short is how many of the holder's points were spent since two MyKey IDs were
	// joined and could not be given back, by account. What was spent after a
	// recovery that joined none stands in the account's history.
	Short map[point.Account]int64
}

// undoing is the key under which a context has the *Undone that is to be filled.
type undoing struct{}

// UndoRecovery takes back a recovery that was a mistake. The errors are those of
// [registry.Registry.UndoRecovery].
func (s *Shop) UndoRecovery(ctx context.Context, number int64, who string) (out Undone, err error) {
	out.Undone, err = s.registry.UndoRecovery(context.WithValue(ctx, undoing{}, &out), number, who)
	return out, err
}

// noteRevoked has the registry remember that the card in the reader was found
// revoked, which makes its MyKey ID eligible for [Visit.Recover].
func (s *Shop) noteRevoked(ctx context.Context, card *jpki.Card) error {
	cert, err := card.Certificate(ctx, jpki.Auth)
	if err != nil {
		return err
	}
	kind, err := card.Kind(ctx)
	if err != nil {
		return err
	}
	c, err := registry.RevokedCertificate(cert, kind)
	if err != nil {
		return err
	}
	return s.registry.NoteRevoked(ctx, c)
}
