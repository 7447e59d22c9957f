package shop_test

import (
	"context"
	"crypto/x509"
	"database/sql"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/ticket"
)

// lostCards is a revocation list.
type lostCards struct{ serials map[jpki.Serial]bool }

func (l *lostCards) CheckRevocation(_ context.Context, cert, _ *x509.Certificate) error {
	if s, err := jpki.SerialOf(cert); err == nil && l.serials[s] {
		return &jpki.RevokedError{}
	}
	return nil
}

// A holder comes with a renewed card, the former one lost. After the notice and
// the waiting period the points are there; a stranger with a card of their own
// gets nothing.
func TestRecover(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *sql.DB) {
		ctx := t.Context()
		cfg := config(t)
		lost := &lostCards{serials: map[jpki.Serial]bool{}}
		trusted, err := jpki.NewVerifier([]*x509.Certificate{simcard.TestAuthority().Auth().Certificate()}, jpki.WithRevocation(lost))
		require.NoError(t, err)
		cfg.Verifier = trusted
		var mu sync.Mutex
		now := time.Now()
		cfg.Clock = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
		member := parse(t, mykey.ParseServiceID, "000001:180000000011")
		holder := simcard.SampleHolder(0)
		born, err := jpki.NewDate(holder.Birth.Year(), holder.Birth.Month(), holder.Birth.Day())
		require.NoError(t, err)
		var notices []registry.Recovery
		cfg.Notice = func(_ context.Context, _ *sql.Tx, r registry.Recovery) error {
			notices = append(notices, r)
			return nil
		}
		s := open(t, db, cfg)
		text, err := jpki.NewPIN(jpki.TextPIN, simcard.DefaultTextPIN)
		require.NoError(t, err)
		visit := func(sim *simcard.Card) (*shop.Visit, *jpki.Card) {
			card := tap(t, sim)
			v, err := s.BeginWithPIN(ctx, card, authPIN(t, simcard.DefaultAuthPIN))
			require.NoError(t, err)
			return v, card
		}
		old, id := enrolled(t, s, 0)
		v, err := s.Begin(ctx, old)
		require.NoError(t, err)
		_, err = v.RegisterService(ctx, old, member)
		require.NoError(t, err)

		renewed := simcard.New(simcard.WithHolder(holder), simcard.WithIssued(time.Now().AddDate(0, 0, -3)))
		v, card := visit(renewed)
		require.True(t, v.ID().IsZero())
		_, err = v.Recover(ctx, card, text, member, "clerk 1", "clerk 2")
		assert.ErrorIs(t, err, shop.ErrNoMembers)
		cfg.Members = func(_ context.Context, id mykey.ServiceID) (shop.Member, error) {
			if id != member {
				return shop.Member{}, registry.ErrNotFound
			}
			return shop.NewMember(holder.Name, born), nil
		}
		s = open(t, db, cfg)
		v, card = visit(renewed)
		_, err = v.Recover(ctx, card, text, member, "clerk 1", "clerk 2")
		assert.ErrorIs(t, err, registry.ErrInForce)

		serial, err := jpki.SerialOf(simcard.New(simcard.WithHolder(holder)).AuthCertificate())
		require.NoError(t, err)
		lost.serials[serial] = true
		_, err = s.Begin(ctx, old)
		var revoked *jpki.RevokedError
		require.ErrorAs(t, err, &revoked, "the lost card is found revoked")

		// Somebody else's card, with the right number typed.
		stranger, theirs := visit(simcard.New(simcard.WithHolder(simcard.SampleHolder(7))))
		_, err = stranger.Recover(ctx, theirs, text, member, "clerk 1", "clerk 2")
		assert.ErrorIs(t, err, shop.ErrMember)
		_, err = stranger.Recover(ctx, theirs, text, parse(t, mykey.ParseServiceID, "000001:404"), "clerk 1", "clerk 2")
		assert.ErrorIs(t, err, registry.ErrNotFound)

		v, card = visit(renewed)
		r, err := v.Recover(ctx, card, text, member, "clerk 1", "clerk 2")
		require.NoError(t, err)
		require.Len(t, notices, 1)
		assert.Equal(t, id, notices[0].ID)
		v, card = visit(renewed)
		_, err = v.IssueTicket(ctx, card, s.Terminal("T1"), ticket.Order{Points: 1, Key: "too-early"})
		assert.ErrorIs(t, err, registry.ErrNotEnrolled)
		mu.Lock()
		now = now.AddDate(0, 0, 7)
		mu.Unlock()
		v, card = visit(renewed)
		assert.Equal(t, id, v.ID())
		_, err = v.IssueTicket(ctx, card, s.Terminal("T1"), ticket.Order{Points: 500, Key: "sale"})
		require.NoError(t, err)

		_, err = s.UndoRecovery(ctx, r.Number, "the manager")
		require.NoError(t, err)
		v, _ = visit(renewed)
		assert.True(t, v.ID().IsZero())
		who, err := s.Find(ctx, member)
		require.NoError(t, err)
		assert.EqualValues(t, 1500, who.CityPoints, "what was not spent is there")
		exact(t, s)
	})
}

// A recovery that joined two MyKey IDs is undone: what a ticket of before is worth
// goes back to whom it was, and what people have to settle is said.
func TestUndoJoinedRecovery(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *sql.DB) {
		ctx := t.Context()
		cfg := config(t)
		lost := &lostCards{serials: map[jpki.Serial]bool{}}
		trusted, err := jpki.NewVerifier([]*x509.Certificate{simcard.TestAuthority().Auth().Certificate()}, jpki.WithRevocation(lost))
		require.NoError(t, err)
		cfg.Verifier = trusted
		now := time.Now()
		cfg.Clock = func() time.Time { return now }
		cfg.Notice = func(context.Context, *sql.Tx, registry.Recovery) error { return nil }
		holder := simcard.SampleHolder(0)
		born, err := jpki.NewDate(holder.Birth.Year(), holder.Birth.Month(), holder.Birth.Day())
		require.NoError(t, err)
		member := parse(t, mykey.ParseServiceID, "000001:180000000011")
		cfg.Members = func(context.Context, mykey.ServiceID) (shop.Member, error) {
			return shop.NewMember(holder.Name, born), nil
		}
		s := open(t, db, cfg)
		till := s.Terminal("T1")

		old, id := enrolled(t, s, 0) // with 2,000 points
		v, err := s.Begin(ctx, old)
		require.NoError(t, err)
		_, err = v.RegisterService(ctx, old, member)
		require.NoError(t, err)
		issued, err := v.IssueTicket(ctx, old, till, ticket.Order{Points: 500, Key: "before"})
		require.NoError(t, err)
		simOther := simcard.New(simcard.WithHolder(holder), simcard.WithIssued(time.Now().AddDate(0, 0, -3)))
		other, otherID := enrolledOn(t, s, simOther) // with 2,000 points of its own
		serial, err := jpki.SerialOf(simcard.New(simcard.WithHolder(holder)).AuthCertificate())
		require.NoError(t, err)
		lost.serials[serial] = true
		_, err = s.Begin(ctx, old)
		require.Error(t, err)

		visit := func() *shop.Visit {
			v, err := s.BeginWithPIN(ctx, other, authPIN(t, simcard.DefaultAuthPIN))
			require.NoError(t, err)
			return v
		}
		text, err := jpki.NewPIN(jpki.TextPIN, simcard.DefaultTextPIN)
		require.NoError(t, err)
		r, err := visit().Recover(ctx, other, text, member, "clerk 1", "clerk 2")
		require.NoError(t, err)
		now = now.AddDate(0, 0, 7)
		v = visit()
		who, err := s.Find(ctx, id)
		require.ErrorIs(t, err, registry.ErrRetired)
		who, err = s.Find(ctx, otherID)
		require.NoError(t, err)
		require.EqualValues(t, 3500, who.CityPoints)
		_, err = v.IssueTicket(ctx, other, till, ticket.Order{Points: 2300, Key: "after"})
		require.NoError(t, err)

		u, err := s.UndoRecovery(ctx, r.Number, "the manager")
		require.NoError(t, err)
		assert.Equal(t, shop.Undone{Undone: registry.Undone{ID: id, From: otherID}, Short: map[point.Account]int64{"aoba": 300}}, u)
		_, err = s.CancelTicket(ctx, till, issued.Number, "undo")
		require.NoError(t, err)
		for holder, want := range map[mykey.ID]int64{id: 1700, otherID: 0} {
			who, err := s.Find(ctx, holder)
			require.NoError(t, err)
			assert.Equal(t, want, who.CityPoints, "%v", holder == id)
		}
		found, err := s.Find(ctx, member)
		require.NoError(t, err)
		assert.Equal(t, id, found.ID)
		exact(t, s)
	})
}

// Two MyKey IDs of one person: the points of one are moved by a pair of
// movements, and what was granted to both is reported.
func TestJoinedAccounts(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *sql.DB) {
		ctx := t.Context()
		cfg := config(t)
		var twice []shop.Twice
		cfg.Twice = func(_ context.Context, _ *sql.Tx, got shop.Twice) error { twice = append(twice, got); return nil }
		s := open(t, db, cfg)
		phone, old := enrolledOn(t, s, simcard.New(simcard.WithHolder(simcard.SampleHolder(0)), simcard.WithKind(simcard.Android)))
		require.NoError(t, s.Grant(ctx, old, 300, "only-here"))
		card, id := enrolled(t, s, 0)
		v, err := s.Begin(ctx, card)
		require.NoError(t, err)
		require.NoError(t, v.Join(ctx, card, phone))
		assert.Equal(t, []shop.Twice{{Old: old, New: id, Grants: []string{"welcome"}}}, twice)
		who, err := s.Recognise(ctx, phone)
		require.NoError(t, err)
		assert.Equal(t, id, who.ID, "the phone is the holder's as before")
		assert.EqualValues(t, 4300, who.CityPoints)
		require.NoError(t, s.Grant(ctx, id, 2000, "welcome"))
		b := exact(t, s)
		assert.EqualValues(t, 4300, b.City)
		require.NoError(t, s.Grant(ctx, id, 300, "only-here"))
		assert.EqualValues(t, 4300, exact(t, s).City, "what was granted under either ID is not granted again")
	})
}
