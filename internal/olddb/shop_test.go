package olddb

import (
	"bytes"
	"context"
	"crypto/x509"
	"database/sql"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mergefile/outbox"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/ticket"
)

// A shop that kept accounts in tables of its own goes on with ledgers: once, with
// every balance, ticket, record and key as it was.
func TestShop(t *testing.T) {
	each(t, "shop", func(t *testing.T, db *sql.DB, _ want) {
		ctx := t.Context()
		var w struct{ Live, Unprinted, Used, Unsent, Sent string }
		ext := map[bool]string{true: "sqlite", false: "sql"}[strings.Contains(t.Name(), "SQLite")]
		require.NoError(t, json.Unmarshal(must(os.ReadFile("testdata/shop-want."+ext+".json"))(t), &w))
		file := filepath.Join(t.TempDir(), "keys.json")
		copyFile(t, "testdata/shop-keys.json", file)
		keys, _, err := shop.LoadKeys(file)
		require.NoError(t, err)
		now := noon
		cfg := shop.Config{
			Keys:       keys,
			Verifier:   must(jpki.NewVerifier([]*x509.Certificate{simcard.TestAuthority().Auth().Certificate()}))(t),
			Scope:      office.Scope,
			Mall:       must(mykey.ParseOperatorID("000002"))(t),
			Programmes: []point.Programme{must(shop.SampleProgramme())(t)},
			WithoutPIN: 100,
			Clock:      func() time.Time { return now },
		}
		_, err = shop.Open(ctx, db, cfg)
		require.ErrorIs(t, err, shop.ErrNoOutbox, "there are records to be sent")
		cfg.Outbox = t.TempDir()

		// A row that does not add up, and all is left as it was.
		_, err = db.Exec("UPDATE shop_movement SET points = 1000 WHERE kind = 'ticket' AND account = 'city:NOW33333'")
		require.NoError(t, err)
		_, err = shop.Open(ctx, db, cfg)
		require.ErrorIs(t, err, shop.ErrCarry)
		_, err = db.Exec("UPDATE shop_movement SET points = -1000 WHERE kind = 'ticket' AND account = 'city:NOW33333'")
		require.NoError(t, err)

		books := shop.Books{Opening: 8000, Ticketed: 2770, Combined: 540, City: 4690, MallOpening: 300, Mall: 300}
		var s *shop.Shop
		for range 2 { // the second time there is nothing to take over
			s = must(shop.Open(ctx, db, cfg))(t)
			b := must(s.Books(ctx))(t)
			assert.Equal(t, books, b)
			assert.True(t, b.Exact())
		}
		for id, points := range map[string]int64{"HANAKO22": 730, "CARD2222": 3300, "NOW33333": 0} {
			assert.Equal(t, points, must(s.Find(ctx, must(mykey.ParseID(id))(t)))(t).CityPoints, id)
		}
		assert.EqualValues(t, 300, must(s.Find(ctx, must(mykey.ParseID("HANAKO22"))(t)))(t).MallPoints)

		// No grant comes again, whatever ID the person had then.
		for id, key := range map[string]string{"HANAKO22": "welcome", "CARD2222": "welcome", "NOW33333": "welcome"} {
			assert.ErrorIs(t, s.Grant(ctx, must(mykey.ParseID(id))(t), 2000, key), point.ErrRequestReused, id)
		}

		// Tickets are what they were; an order that is asked for again is paid.
		office, till := s.Terminal(office.ID), s.Terminal(till.ID)
		waiting := must(s.Unprinted(ctx, office))(t)
		require.Len(t, waiting, 2, "one of them was never said to be printed")
		assert.Contains(t, []string{waiting[0].Number.Digits(), waiting[1].Number.Digits()}, w.Unprinted)
		card := must(jpki.Open(ctx, simcard.New()))(t)
		v := must(s.BeginWithPIN(ctx, card, must(jpki.NewPIN(jpki.AuthPIN, simcard.DefaultAuthPIN))(t)))(t)
		again := must(v.IssueTicket(ctx, card, office, ticket.Order{Points: 150, Key: "sale-2"}))(t)
		assert.Equal(t, w.Live, again.Number.Digits())
		_, err = v.IssueTicket(ctx, card, office, ticket.Order{Points: 50, Key: "half"})
		assert.ErrorIs(t, err, ticket.ErrConflict, "nobody paid for that one")
		_, err = v.IssueTicket(ctx, card, office, ticket.Order{Points: 100, Key: "sale 3"})
		assert.ErrorIs(t, err, shop.ErrOrderKey, "the form of an earlier version's keys")
		assert.Equal(t, books, must(s.Books(ctx))(t))
		assert.EqualValues(t, 150, must(s.Status(ctx, office, "sale-2"))(t).Points)

		// A ticket of then is taken back with its points.
		back := must(s.CancelTicket(ctx, office, must(ticket.ParseNumber(w.Unprinted))(t), "press-9"))(t)
		assert.Equal(t, ticket.Cancelled, back.Ticket.State)
		must(s.Cancel(ctx, till, "sale-2"))(t)
		assert.EqualValues(t, 730+100+150, must(s.Find(ctx, v.ID()))(t).CityPoints)
		_, err = s.Cancel(ctx, till, "sale-1")
		assert.ErrorIs(t, err, point.ErrNotUndoable, "it was redeemed")

		// Records go out under their own numbers: those that were sent not again.
		combined := must(v.Combine(ctx, card, office, shop.Order{Points: 200, Key: "merge-2"}))(t)
		assert.Equal(t, w.Unsent, combined.Number.String())
		combined = must(v.Combine(ctx, card, office, shop.Order{Points: 300, Key: "merge-1"}))(t)
		assert.Equal(t, w.Sent, combined.Number.String())
		sent := must(s.Send(ctx))(t)
		assert.Equal(t, outbox.Sent{Files: 2}, sent, "also that of an ID that was revoked since")
		for _, e := range must(os.ReadDir(cfg.Outbox))(t) {
			report := must(s.Receive(context.WithoutCancel(ctx), bytes.NewReader(must(os.ReadFile(filepath.Join(cfg.Outbox, e.Name())))(t)), e.Name()))(t)
			assert.EqualValues(t, 1, report.Merged)
		}
		assert.Empty(t, must(s.Unacknowledged(ctx, 10))(t))
		b := must(s.Books(ctx))(t)
		assert.True(t, b.Exact(), "%+v", b)
		assert.EqualValues(t, 540, b.Mall)
	})
}
