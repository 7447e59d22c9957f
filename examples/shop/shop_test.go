package shop_test

import (
	"context"
	"crypto/x509"
	"database/sql"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/internal/pgtest"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/ticket"
)

var pg pgtest.Server

func TestMain(m *testing.M) {
	code := m.Run()
	pg.Stop()
	os.Exit(code)
}

// eachEngine runs f on an empty database of each engine.
func eachEngine(t *testing.T, f func(t *testing.T, db *sql.DB)) {
	t.Run("SQLite", func(t *testing.T) {
		f(t, dbtest.Open(t, "sqlite", dbtest.FastSQLite(t.TempDir())))
	})
	t.Run("PostgreSQL", func(t *testing.T) { f(t, dbtest.Open(t, "pgx", pg.DSN(t))) })
}

func parse[T any](t testing.TB, read func(string) (T, error), text string) T {
	t.Helper()
	v, err := read(text)
	require.NoError(t, err)
	return v
}

// config is a shop that trusts the software cards' authority.
func config(t testing.TB) shop.Config {
	t.Helper()
	trusted, err := jpki.NewVerifier([]*x509.Certificate{simcard.TestAuthority().Auth().Certificate()})
	require.NoError(t, err)
	library, mall := parse(t, mykey.ParseOperatorID, "000001"), parse(t, mykey.ParseOperatorID, "000002")
	city, err := shop.SampleProgramme()
	require.NoError(t, err)
	return shop.Config{
		Keys:      shop.NewKeys(),
		Verifier:  trusted,
		Scope:     "141305-01",
		Operators: []shop.Operator{{ID: library, Name: "あおば図書館"}, {ID: mall, Name: "あおば商店街"}},
		Mall:      mall,
		Issuer:    "あおば商店街",
		PointName: "あおば市ポイント",

		Programmes: []point.Programme{city},
		Outbox:     t.TempDir(),
		RetryFor:   time.Minute, // as those who want one row at once may need
	}
}

func open(t testing.TB, db *sql.DB, cfg shop.Config) *shop.Shop {
	t.Helper()
	s, err := shop.Open(t.Context(), db, cfg)
	require.NoError(t, err)
	return s
}

func tap(t testing.TB, card *simcard.Card) *jpki.Card {
	t.Helper()
	c, err := jpki.Open(t.Context(), card)
	require.NoError(t, err)
	return c
}

func authPIN(t testing.TB, digits string) jpki.PIN {
	t.Helper()
	pin, err := jpki.NewPIN(jpki.AuthPIN, digits)
	require.NoError(t, err)
	return pin
}

// enrolled gives the card of a holder with a MyKey ID, a mall card and points.
func enrolled(t testing.TB, s *shop.Shop, holder uint) (*jpki.Card, mykey.ID) {
	t.Helper()
	return enrolledOn(t, s, simcard.New(simcard.WithHolder(simcard.SampleHolder(holder))))
}

func enrolledOn(t testing.TB, s *shop.Shop, sim *simcard.Card) (*jpki.Card, mykey.ID) {
	t.Helper()
	ctx := t.Context()
	card := tap(t, sim)
	v, err := s.BeginWithPIN(ctx, card, authPIN(t, simcard.DefaultAuthPIN))
	require.NoError(t, err)
	defer v.Close()
	_, err = v.Offer(ctx, card)
	require.NoError(t, err)
	p, err := v.Accept(ctx, card)
	require.NoError(t, err)
	require.True(t, p.Registered)
	require.NoError(t, s.Grant(ctx, p.Candidate, 2000, "welcome"))
	return card, p.Candidate
}

// lately is today, and yesterday: midnight may have gone by since the test began.
func lately(s *shop.Shop) ticket.Period {
	return ticket.Period{From: s.Today().AddDays(-1), To: s.Today()}
}

func exact(t testing.TB, s *shop.Shop) shop.Books {
	t.Helper()
	b, err := s.Books(context.WithoutCancel(t.Context()))
	require.NoError(t, err)
	assert.True(t, b.Exact(), "%+v", b)
	return b
}

func TestADay(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *sql.DB) {
		ctx := t.Context()
		cfg := config(t)
		s := open(t, db, cfg)
		card := tap(t, simcard.New())

		who, err := s.Recognise(ctx, card)
		require.NoError(t, err)
		assert.False(t, who.Enrolled())
		assert.Equal(t, 2, card.Stats().Exchanges)

		v, err := s.BeginWithPIN(ctx, card, authPIN(t, simcard.DefaultAuthPIN))
		require.NoError(t, err)
		for n := 1; n <= registry.MaxOffers; n++ {
			p, err := v.Offer(ctx, card)
			require.NoError(t, err)
			assert.Equal(t, registry.MaxOffers-n, p.OffersLeft)
			assert.Equal(t, n == registry.MaxOffers, p.Registered, "the third is registered without asking")
		}
		require.NoError(t, s.Grant(ctx, v.ID(), 2000, "welcome"))
		require.NoError(t, s.Grant(ctx, v.ID(), 2000, "welcome"), "a second time changes nothing")
		assert.ErrorIs(t, s.Grant(ctx, v.ID(), 3000, "welcome"), point.ErrRequestReused)
		assert.ErrorIs(t, s.Grant(ctx, v.ID(), 1, "a key with spaces"), shop.ErrOrderKey)
		assert.Equal(t, "*shop.Visit *shop.Visit *shop.Shop", fmt.Sprintf("%+v %#v %+v", v, v, s))
		v.Close()

		mall := mykey.ServiceID{Operator: cfg.Mall, Customer: parse(t, mykey.ParseCustomerID, "520625")}
		v, err = s.Begin(ctx, card)
		require.NoError(t, err)
		back, err := v.RegisterService(ctx, card, mall)
		require.NoError(t, err)
		assert.Equal(t, mall, back)

		office, till := s.Terminal("OFFICE-1"), s.Terminal("TILL-2")
		order := ticket.Order{Points: 500, Key: "sale-1"}
		paid, err := v.IssueTicket(ctx, card, office, order)
		require.NoError(t, err)
		again, err := v.IssueTicket(ctx, card, office, order)
		require.NoError(t, err)
		assert.Equal(t, paid, again, "the same order is the same ticket")
		_, err = v.IssueTicket(ctx, card, office, ticket.Order{Points: 600, Key: "sale-1"})
		assert.ErrorIs(t, err, ticket.ErrConflict)
		_, err = v.IssueTicket(ctx, card, office, ticket.Order{Points: 1501, Key: "sale-2"})
		assert.ErrorIs(t, err, point.ErrShort)
		_, err = v.IssueTicket(ctx, card, office, ticket.Order{Points: 1})
		assert.ErrorIs(t, err, shop.ErrOrderKey)

		who, err = s.Recognise(ctx, card)
		require.NoError(t, err)
		assert.Equal(t, shop.Customer{ID: v.ID(), Services: []mykey.ServiceID{mall}, CityPoints: 1500, Mall: mall.Customer, Balances: who.Balances}, who)
		require.Len(t, who.Balances, 1)
		assert.EqualValues(t, 1500, who.Balances[0].Points)
		found, err := s.Find(ctx, mall)
		require.NoError(t, err)
		assert.Equal(t, who, found)

		left, err := s.Unprinted(ctx, office)
		require.NoError(t, err)
		assert.Equal(t, []ticket.Ticket{paid}, left)
		slip, err := s.Slip(paid)
		require.NoError(t, err)
		_, err = slip.SVG()
		require.NoError(t, err)
		require.NoError(t, s.Printed(ctx, paid))
		paid.Unprinted = false
		again, err = v.IssueTicket(ctx, card, office, order)
		require.NoError(t, err)
		assert.Equal(t, paid, again)
		left, err = s.Unprinted(ctx, office)
		require.NoError(t, err)
		assert.Empty(t, left)

		shown, err := s.Inspect(ctx, till, slip.QR)
		require.NoError(t, err)
		assert.EqualValues(t, 500, shown.Points)
		for range 2 {
			_, err = s.Redeem(ctx, till, slip.QR, "press 1")
			require.NoError(t, err, "the same attempt is answered again")
		}
		_, err = s.Redeem(ctx, till, slip.QR, "press 2")
		assert.ErrorIs(t, err, ticket.ErrRefused)

		day, err := s.Settle(ctx, lately(s))
		require.NoError(t, err)
		assert.Equal(t, ticket.Total{Tickets: 1, Points: 500}, day.Issued)
		assert.Equal(t, ticket.Total{Tickets: 1, Points: 500}, day.Tickets.Redeemed)
		assert.Equal(t, shop.Books{Granted: 2000, Ticketed: 500, City: 1500}, exact(t, s))

		// The next day, another program on the same database.
		cfg.Clock = func() time.Time { return time.Now().AddDate(0, 0, 1) }
		next := open(t, db, cfg)
		who, err = next.Recognise(ctx, card)
		require.NoError(t, err)
		assert.EqualValues(t, 1500, who.CityPoints)
	})
}

func TestCardSwappedBetweenSteps(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *sql.DB) {
		ctx := t.Context()
		s := open(t, db, config(t))
		mine, _ := enrolled(t, s, 0)
		other, _ := enrolled(t, s, 1)
		library := parse(t, mykey.ParseServiceID, "000001:1111111")

		steps := map[string]func(v *shop.Visit) error{
			"register": func(v *shop.Visit) error { _, err := v.RegisterService(ctx, other, library); return err },
			"replace":  func(v *shop.Visit) error { _, err := v.ReplaceService(ctx, other, library); return err },
			"ticket": func(v *shop.Visit) error {
				_, err := v.IssueTicket(ctx, other, s.Terminal("T1"), ticket.Order{Points: 100, Key: "k"})
				return err
			},
		}
		for name, step := range steps {
			v, err := s.Begin(ctx, mine)
			require.NoError(t, err)
			assert.ErrorIs(t, step(v), registry.ErrWrongCard, name)
			_, err = v.Customer(ctx)
			assert.ErrorIs(t, err, registry.ErrSessionOver, name)
		}
		// Between the PIN and the choice of the ID.
		fresh, third := tap(t, simcard.New(simcard.WithHolder(simcard.SampleHolder(2)))), tap(t, simcard.New(simcard.WithHolder(simcard.SampleHolder(3))))
		v, err := s.BeginWithPIN(ctx, fresh, authPIN(t, simcard.DefaultAuthPIN))
		require.NoError(t, err)
		_, err = v.Offer(ctx, third)
		assert.ErrorIs(t, err, registry.ErrWrongCard)
		assert.Equal(t, shop.Books{Granted: 4000, City: 4000}, exact(t, s))
	})
}

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

// A ticket that nobody has paid for is given to nobody: the order of its key is
// refused and takes nothing.
func TestUnpaidTicket(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *sql.DB) {
		ctx := t.Context()
		s := open(t, db, config(t))
		card, _ := enrolled(t, s, 0)
		at := s.Terminal("T1")
		book, err := ticket.Open(ctx, db, ticket.Config{})
		require.NoError(t, err)
		for _, account := range []string{"", "aoba"} {
			key := "half-" + account
			_, err = book.Issue(ctx, at, ticket.Order{Points: 500, Key: key, Account: account})
			require.NoError(t, err)
			v, err := s.Begin(ctx, card)
			require.NoError(t, err)
			_, err = v.IssueTicket(ctx, card, at, ticket.Order{Points: 500, Key: key})
			assert.ErrorIs(t, err, ticket.ErrConflict)
		}
		left, err := s.Unprinted(ctx, at)
		require.NoError(t, err)
		assert.Empty(t, left)
		assert.EqualValues(t, 2000, exact(t, s).City)
	})
}

// Who asks at many terminals at once spends no more than there is.
func TestNoOverdraft(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *sql.DB) {
		s := open(t, db, config(t))
		card, _ := enrolled(t, s, 0) // 2,000 points
		v, err := s.Begin(t.Context(), card)
		require.NoError(t, err)
		var wg sync.WaitGroup
		var sold atomic.Int64
		for n := range 8 {
			wg.Go(func() {
				_, err := v.IssueTicket(t.Context(), card, s.Terminal(fmt.Sprint("T", n)), ticket.Order{Points: 300, Key: fmt.Sprint("sale-", n)})
				if err == nil {
					sold.Add(1)
				} else {
					assert.ErrorIs(t, err, point.ErrShort)
				}
			})
		}
		wg.Wait()
		assert.EqualValues(t, 6, sold.Load())
		assert.Equal(t, shop.Books{Granted: 2000, Ticketed: 1800, City: 200}, exact(t, s))
	})
}

func TestRootsAreNeeded(t *testing.T) {
	cfg := config(t)
	cfg.Verifier = nil
	s := open(t, dbtest.Open(t, "sqlite", dbtest.SQLite(t.TempDir())), cfg)
	sim := simcard.New()
	card := tap(t, sim)
	_, err := s.Begin(t.Context(), card)
	assert.ErrorIs(t, err, shop.ErrNoRoots)
	_, err = s.BeginWithPIN(t.Context(), card, authPIN(t, "9999"))
	assert.ErrorIs(t, err, shop.ErrNoRoots)
	assert.Equal(t, 3, sim.Tries(simcard.AuthPIN), "no try was spent")
	_, err = s.Recognise(t.Context(), card)
	assert.NoError(t, err)

	// Another authority's card, with the same names on its certificates.
	s = open(t, dbtest.Open(t, "sqlite", dbtest.SQLite(t.TempDir())), config(t))
	forged := tap(t, simcard.New(simcard.WithAuthority(simcard.NewAuthority(time.Now().AddDate(-1, 0, 0)))))
	_, err = s.Begin(t.Context(), forged)
	assert.ErrorIs(t, err, jpki.ErrIssuer)
	assert.Contains(t, shop.Explain(err).What.EN, "cannot be trusted")
}
