package olddb

import (
	"crypto/x509"
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/ticket"
)

func TestCounter(t *testing.T) {
	each(t, "counter", func(t *testing.T, db *sql.DB, w want) {
		ctx := t.Context()
		file := filepath.Join(t.TempDir(), "keys.json")
		copyFile(t, "testdata/counter-keys.json", file)
		keys, made, err := shop.LoadKeys(file)
		must(keys, err)(t)
		assert.False(t, made)
		verifier := must(jpki.NewVerifier([]*x509.Certificate{simcard.TestAuthority().Auth().Certificate()}))(t)
		s := must(shop.Open(ctx, db, shop.Config{
			Keys:       keys,
			Verifier:   verifier,
			Scope:      office.Scope,
			Mall:       must(mykey.ParseOperatorID("000002"))(t),
			Programmes: []point.Programme{must(shop.SampleProgramme())(t)},
			Outbox:     t.TempDir(),
			Clock:      clock,
		}))(t)
		office, till := s.Terminal(office.ID), s.Terminal(till.ID)

		card := must(jpki.Open(ctx, simcard.New()))(t)
		who := must(s.Recognise(ctx, card))(t)
		assert.Equal(t, w.Counter.ID, who.ID.String())
		assert.Equal(t, "520625", who.Mall.String())
		assert.EqualValues(t, 300, who.CityPoints)
		assert.EqualValues(t, 600, who.MallPoints)
		books := shop.Books{Opening: 2000, Ticketed: 1100, Combined: 600, City: 300, MallOpening: 600, Mall: 600}
		assert.Equal(t, books, must(s.Books(ctx))(t))

		receipt := must(s.Redeem(ctx, till, ticket.NewCode(w.Counter.LiveQR), "press 1"))(t)
		assert.Equal(t, w.Counter.Live, receipt.Ticket.Number.Digits())
		day := must(s.Settle(ctx, ticket.Period{From: s.Today(), To: s.Today()}))(t)
		assert.Equal(t, ticket.Total{Tickets: 3, Points: 1100}, day.Issued)
		assert.Equal(t, ticket.Total{Tickets: 3, Points: 1100}, day.Tickets.Redeemed)
		assert.Zero(t, day.Merged, "no file has come since")

		// The same order again is the same ticket, and takes nothing more.
		visit := must(s.BeginWithPIN(ctx, card, must(jpki.NewPIN(jpki.AuthPIN, simcard.DefaultAuthPIN))(t)))(t)
		again := must(visit.IssueTicket(ctx, card, office, ticket.Order{Points: 100, Key: "kept"}))(t)
		assert.Equal(t, w.Counter.Live, again.Number.Digits())
		assert.Equal(t, books, must(s.Books(ctx))(t))
	})
}
