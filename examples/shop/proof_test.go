package shop_test

import (
	"database/sql"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mergefile/outbox"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/ticket"
)

// wantsPIN asserts that err asks for the PIN.
func wantsPIN(t testing.TB, err error, msg ...any) {
	t.Helper()
	var required *jpki.PINRequiredError
	assert.ErrorAs(t, err, &required, msg...)
}

// Whoever has what any reader gets from a card without a PIN spends nothing,
// binds nothing and changes nothing.
func TestCopySpendsNothing(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *sql.DB) {
		ctx := t.Context()
		s := open(t, db, config(t))
		_, id := enrolled(t, s, 0)
		at := s.Terminal("T1")
		// The card itself without its PIN is as good as any copy of it.
		copied := tap(t, simcard.New(simcard.WithHolder(simcard.SampleHolder(0))))
		v, err := s.Begin(ctx, copied)
		require.NoError(t, err)
		require.Equal(t, id, v.ID(), "it shows")
		member := parse(t, mykey.ParseServiceID, "000002:666666")
		_, err = v.IssueTicket(ctx, copied, at, ticket.Order{Points: 1, Key: "sale"})
		wantsPIN(t, err)
		_, err = v.Combine(ctx, copied, at, shop.Order{Points: 1, Key: "merge"})
		wantsPIN(t, err)
		_, err = v.RegisterService(ctx, copied, member)
		wantsPIN(t, err)
		_, err = v.ReplaceService(ctx, copied, member)
		wantsPIN(t, err)
		who, err := s.Recognise(ctx, copied)
		require.NoError(t, err)
		assert.Equal(t, shop.Customer{ID: id, CityPoints: 2000, Balances: who.Balances}, who)
		tickets, err := s.Settle(ctx, lately(s))
		require.NoError(t, err)
		assert.Zero(t, tickets.Issued, "no ticket is left behind")

		// With the PIN, as often as the card keeps its state, and no longer.
		require.NoError(t, v.Verify(ctx, copied, authPIN(t, simcard.DefaultAuthPIN)))
		for n := range 2 {
			_, err = v.IssueTicket(ctx, copied, at, ticket.Order{Points: 1, Key: fmt.Sprint("sale-", n)})
			require.NoError(t, err)
		}
		again := tap(t, simcard.New(simcard.WithHolder(simcard.SampleHolder(0)))) // lifted and put back
		_, err = v.IssueTicket(ctx, again, at, ticket.Order{Points: 1, Key: "sale-3"})
		wantsPIN(t, err, "an earlier proof is not carried over")
		assert.EqualValues(t, 2, exact(t, s).Ticketed)
	})
}

// A shop may let a holder spend a sum a day without the PIN. It is counted under
// the holder's lock, at all terminals together, and what comes again counts once.
func TestSumWithoutPIN(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *sql.DB) {
		ctx := t.Context()
		cfg := config(t)
		cfg.WithoutPIN = 100
		now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.FixedZone("JST", 9*60*60))
		var mu sync.Mutex
		cfg.Clock = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
		s := open(t, db, cfg)
		first, _ := enrolled(t, s, 0)
		begun, err := s.Begin(ctx, first)
		require.NoError(t, err)
		_, err = begun.RegisterService(ctx, first, parse(t, mykey.ParseServiceID, "000002:520625"))
		require.NoError(t, err)
		at := s.Terminal("T1")
		var wg sync.WaitGroup
		spent := make(chan error, 12)
		for n := range 12 {
			card := tap(t, simcard.New(simcard.WithHolder(simcard.SampleHolder(0))))
			v, err := s.Begin(ctx, card)
			require.NoError(t, err)
			wg.Go(func() {
				var err error
				for range 2 { // as after a lost answer
					_, err = v.IssueTicket(ctx, card, at, ticket.Order{Points: 20, Key: fmt.Sprint("sale-", n)})
				}
				spent <- err
			})
		}
		wg.Wait()
		close(spent)
		paid := 0
		for err := range spent {
			if err == nil {
				paid++
				continue
			}
			wantsPIN(t, err)
		}
		assert.Equal(t, 5, paid)
		assert.EqualValues(t, 100, exact(t, s).Ticketed)

		card := tap(t, simcard.New(simcard.WithHolder(simcard.SampleHolder(0))))
		v, err := s.Begin(ctx, card)
		require.NoError(t, err)
		_, err = v.Combine(ctx, card, at, shop.Order{Points: 1, Key: "merge"})
		wantsPIN(t, err, "it is one sum for all")
		_, err = v.RegisterService(ctx, card, parse(t, mykey.ParseServiceID, "000001:520625"))
		wantsPIN(t, err, "binding is never without")
		mu.Lock()
		now = now.AddDate(0, 0, 1)
		mu.Unlock()
		v, err = s.Begin(ctx, card)
		require.NoError(t, err)
		_, err = v.IssueTicket(ctx, card, at, ticket.Order{Points: 101, Key: "too-much"})
		wantsPIN(t, err)
		_, err = v.IssueTicket(ctx, card, at, ticket.Order{Points: 100, Key: "the-next-day"})
		require.NoError(t, err)
		require.NoError(t, v.Verify(ctx, card, authPIN(t, simcard.DefaultAuthPIN)))
		_, err = v.IssueTicket(ctx, card, at, ticket.Order{Points: 500, Key: "with-the-PIN"})
		require.NoError(t, err)
		assert.EqualValues(t, 700, exact(t, s).Ticketed)
	})
}

// A changed MyKey ID takes the points along, the unsent records, and what was
// granted to it.
func TestChangedID(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *sql.DB) {
		ctx := t.Context()
		cfg := config(t)
		s := open(t, db, cfg)
		card, old := enrolled(t, s, 0)
		v, err := s.Begin(ctx, card)
		require.NoError(t, err)
		_, err = v.RegisterService(ctx, card, parse(t, mykey.ParseServiceID, "000002:520625"))
		require.NoError(t, err)
		at := s.Terminal("T1")
		record, err := v.Combine(ctx, card, at, shop.Order{Points: 300, Key: "merge-1"})
		require.NoError(t, err)

		p, err := v.Change(ctx, card, parse(t, mykey.ParseID, "NEW22222"))
		require.NoError(t, err)
		assert.True(t, p.Registered)
		who, err := s.Recognise(ctx, card)
		require.NoError(t, err)
		assert.Equal(t, "NEW22222", who.ID.String())
		assert.EqualValues(t, 1700, who.CityPoints)
		waiting, err := s.Unacknowledged(ctx, 10)
		require.NoError(t, err)
		require.Len(t, waiting, 1)
		assert.Equal(t, record.Number, waiting[0].Number)
		require.NoError(t, s.Grant(ctx, who.ID, 2000, "welcome"), "granted already")
		assert.EqualValues(t, 1700, exact(t, s).City)
		_, err = s.Find(ctx, old)
		assert.Error(t, err)

		// A holder who is gone holds up nobody else's records.
		card2, _ := enrolled(t, s, 1)
		v2, err := s.Begin(ctx, card2)
		require.NoError(t, err)
		_, err = v2.RegisterService(ctx, card2, parse(t, mykey.ParseServiceID, "000002:520626"))
		require.NoError(t, err)
		second, err := v2.Combine(ctx, card2, at, shop.Order{Points: 100, Key: "merge-2"})
		require.NoError(t, err)
		require.NoError(t, v.Revoke(ctx, card))
		sent, err := s.Send(ctx)
		require.NoError(t, err)
		assert.Equal(t, outbox.Sent{Files: 1, Failed: 1}, sent)
		files, err := os.ReadDir(cfg.Outbox)
		require.NoError(t, err)
		require.Len(t, files, 1)
		assert.Contains(t, files[0].Name(), second.Number.String())
		exact(t, s)
	})
}
