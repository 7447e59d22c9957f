package ticket_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/mykey/terminal"
	"github.com/mynakit/mynakit/ticket"
)

// purse is a book whose tickets are paid out of a ledger of points in the same
// database.
type purse struct {
	*desk
	ledger  *point.Ledger
	holder  mykey.ID
	refund  error                  // what the refund fails with
	during  func(tx *sql.Tx) error // is called by the refund, if not nil
	refunds int

	db       *sql.DB
	postgres bool
}

func openPurse(t testing.TB, db *sql.DB, points int64) *purse {
	ctx := t.Context()
	p := &purse{db: db, postgres: strings.Contains(t.Name(), "PostgreSQL")}
	var err error
	c := &clock{now: at(t, "2026-11-21 10:00:00")}
	p.ledger, err = point.Open(ctx, db, point.Config{Clock: c.Now, RetryFor: time.Minute,
		Undo: func(ctx context.Context, tx *sql.Tx, paid point.Receipt) error {
			_, err := p.In(tx).CancelPaid(ctx, ticket.Terminal{Scope: ticket.Scope(paid.Request.Scope), ID: paid.Terminal}, paid.Request.Name, "undo")
			return err
		}})
	require.NoError(t, err)
	p.desk = newDesk(t, tables{db: db}, ticket.Config{RetryFor: time.Minute,
		Refund: func(ctx context.Context, tx *sql.Tx, tk ticket.Ticket, at ticket.Terminal) error {
			p.refunds++
			if p.during != nil {
				if err := p.during(tx); err != nil {
					return err
				}
			}
			_, err := p.ledger.In(tx).Cancel(ctx, point.Request{Scope: string(tk.Scope), Name: tk.Payment}, point.At{Terminal: at.ID})
			return errors.Join(err, p.refund)
		}})
	p.holder, err = grant(ctx, p.ledger, points)
	require.NoError(t, err)
	return p
}

func (p *purse) order(key string, points int64) ticket.Order {
	return ticket.Order{Points: points, Key: key, Account: "aoba", Pay: func(ctx context.Context, tx *sql.Tx, t ticket.Ticket) error {
		_, err := p.ledger.In(tx).Use(ctx, point.Use{Request: point.Request{Scope: string(t.Scope), Name: t.OrderKey}, Holder: p.holder,
			Account: point.Account(t.Account), Points: t.Points, Terminal: t.IssuedBy, Proved: true, For: point.OpTicket})
		return err
	}}
}

// balance returns the holder's points, and fails if they and the live tickets
// are not what there was.
func (p *purse) whole(t testing.TB, all int64) (balance int64) {
	t.Helper()
	list, err := p.ledger.Balances(t.Context(), p.holder)
	require.NoError(t, err)
	for _, b := range list {
		balance += b.Points
	}
	sum := balance
	for _, tk := range full(t, p.Unredeemed(t.Context(), shop.Scope, period(t, "2026-01-01", "2027-12-31"))) {
		require.Equal(t, "aoba", tk.Account)
		sum += tk.Points
	}
	require.Equal(t, all, sum, "points and tickets together")
	p.audit(t)
	return balance
}

// audit compares the books of the tickets and of the points at one instant.
func (p *purse) audit(t testing.TB) {
	t.Helper()
	ctx := t.Context()
	opts := &sql.TxOptions{ReadOnly: true}
	if p.postgres {
		opts.Isolation = sql.LevelRepeatableRead
	}
	tx, err := p.db.BeginTx(ctx, opts)
	require.NoError(t, err)
	defer func() { _ = tx.Rollback() }()
	tickets, err := p.In(tx).Books(ctx)
	require.NoError(t, err)
	points, err := p.ledger.In(tx).Books(ctx)
	require.NoError(t, err)
	assert.Empty(t, tickets.Faults)
	assert.Empty(t, points.Faults)
	assert.Equal(t, points.Operations[point.OpTicket]-points.Operations[point.OpRefund], tickets.Paid["aoba"].Points)
}

func eachDB(t *testing.T, f func(t *testing.T, db *sql.DB)) {
	t.Run("SQLite", func(t *testing.T) { f(t, dbtest.Open(t, "sqlite", dbtest.FastSQLite(t.TempDir()))) })
	t.Run("PostgreSQL", func(t *testing.T) { f(t, dbtest.Open(t, "pgx", pg.DSN(t))) })
}

// A ticket and its payment are one transaction, and so are its end and the
// refund.
func TestPaidTicket(t *testing.T) {
	eachDB(t, func(t *testing.T, db *sql.DB) {
		ctx := t.Context()
		p := openPurse(t, db, 1000)
		tk, err := p.Issue(ctx, shop, p.order("one", 400))
		require.NoError(t, err)
		assert.Equal(t, []string{"aoba", "one"}, []string{tk.Account, tk.Payment})
		assert.EqualValues(t, 600, p.whole(t, 1000))
		again, err := p.Issue(ctx, shop, p.order("one", 400))
		require.NoError(t, err)
		assert.Equal(t, tk, again)
		assert.EqualValues(t, 600, p.whole(t, 1000), "a repeat is not paid again")

		_, err = p.Issue(ctx, shop, p.order("two", 601))
		assert.ErrorIs(t, err, point.ErrShort)
		oe, ok := errors.AsType[*ticket.OrderError](err)
		require.True(t, ok)
		assert.Equal(t, 0, oe.Index)
		_, err = p.IssueBatch(ctx, shop, []ticket.Order{p.order("three", 300), p.order("four", 301)})
		assert.ErrorIs(t, err, point.ErrShort)
		oe, _ = errors.AsType[*ticket.OrderError](err)
		assert.Equal(t, 1, oe.Index)
		assert.EqualValues(t, 600, p.whole(t, 1000), "who has too little leaves no ticket")
		for want, o := range map[error]ticket.Order{ticket.ErrKey: p.order("", 1), ticket.ErrAccount: {Points: 1, Account: "=a"}} {
			_, err = p.Issue(ctx, shop, o)
			assert.ErrorIs(t, err, want)
		}
		other := p.order("one", 400)
		other.Account = "other"
		_, err = p.Issue(ctx, shop, other)
		assert.ErrorIs(t, err, ticket.ErrConflict)

		// Replaced, it is still the payment of the first.
		r, err := p.Replace(ctx, shop, tk.Number, "new number")
		require.NoError(t, err)
		assert.Equal(t, []string{"aoba", "one"}, []string{r.Ticket.Account, r.Ticket.Payment})
		p.refund = errors.New("not today")
		_, err = p.Cancel(ctx, shop, r.Ticket.Number, "c")
		assert.ErrorIs(t, err, p.refund)
		assert.EqualValues(t, 600, p.whole(t, 1000))
		p.refund, p.refunds = nil, 0
		for range 2 {
			r, err = p.Cancel(ctx, shop, r.Ticket.Number, "c")
			require.NoError(t, err)
			assert.EqualValues(t, 1000, p.whole(t, 1000))
		}
		assert.True(t, r.Repeated)
		assert.Equal(t, 1, p.refunds, "a ticket that is not live is not refunded")
		tk, err = p.Issue(ctx, shop, p.order("seven", 1))
		require.NoError(t, err)
		_, err = newDesk(t, tables{db: db}, ticket.Config{}).Cancel(ctx, shop, tk.Number, "")
		assert.ErrorIs(t, err, ticket.ErrPaid, "its points would be gone")
		_, err = p.Cancel(ctx, shop, tk.Number, "")
		require.NoError(t, err)

		// Undone by the payment's key.
		tk, err = p.Issue(ctx, shop, p.order("five", 100))
		require.NoError(t, err)
		r, err = p.Replace(ctx, shop, tk.Number, "new number 2")
		require.NoError(t, err)
		for range 2 {
			_, err = p.ledger.Cancel(ctx, point.Request{Scope: string(shop.Scope), Name: "five"}, point.At{})
			require.NoError(t, err)
			assert.EqualValues(t, 1000, p.whole(t, 1000))
			last := p.events[len(p.events)-1]
			digits := r.Ticket.Number.Digits()
			assert.Equal(t, []string{string(ticket.OpCancel), digits[len(digits)-2:]}, []string{string(last.Op), last.Tail}, "the audit knows which ticket it was")
		}
		found, err := p.Find(ctx, shop.Scope, r.Ticket.Number)
		require.NoError(t, err)
		assert.Equal(t, ticket.Cancelled, found.State)

		// What is redeemed is neither cancelled nor undone.
		tk, err = p.Issue(ctx, shop, p.order("six", 100))
		require.NoError(t, err)
		redeemed, err := p.Redeem(ctx, ticket.Presentation{Terminal: shop2, Code: code(tk.Number)})
		require.NoError(t, err)
		assert.Equal(t, "aoba", redeemed.Ticket.Account)
		p.refunds = 0
		_, err = p.Cancel(ctx, shop, tk.Number, "c")
		assert.ErrorIs(t, err, ticket.ErrState)
		assert.Zero(t, p.refunds)
		_, err = p.ledger.Cancel(ctx, point.Request{Scope: string(shop.Scope), Name: "six"}, point.At{})
		assert.ErrorIs(t, err, ticket.ErrState)
		assert.EqualValues(t, 900, p.whole(t, 900))
		_, err = p.CancelPaid(ctx, shop, "never", "c")
		assert.ErrorIs(t, err, ticket.ErrNotFound)
	})
}

// While the points of a cancelled ticket are given back, another call of the same
// attempt comes through. The answer is a repeated one, and of the second refund
// nothing stands.
func TestCancelledMeanwhile(t *testing.T) {
	ctx := t.Context()
	p := openPurse(t, dbtest.Open(t, "pgx", pg.DSN(t)), 1000)
	_, err := p.db.Exec("CREATE TABLE refunded (id INTEGER)")
	require.NoError(t, err)
	tk, err := p.Issue(ctx, shop, p.order("one", 400))
	require.NoError(t, err)
	note := func(tx *sql.Tx) error { _, err := tx.Exec("INSERT INTO refunded VALUES (1)"); return err }
	p.during = func(tx *sql.Tx) error {
		p.during = note
		first, err := p.Cancel(ctx, shop, tk.Number, "c")
		assert.False(t, first.Repeated)
		return errors.Join(err, note(tx))
	}
	r, err := p.Cancel(ctx, shop, tk.Number, "c")
	require.NoError(t, err)
	assert.True(t, r.Repeated)
	assert.Equal(t, ticket.Cancelled, r.Ticket.State)
	assert.EqualValues(t, 1000, p.whole(t, 1000))
	var refunded int
	require.NoError(t, p.db.QueryRow("SELECT count(*) FROM refunded").Scan(&refunded))
	assert.Equal(t, 1, refunded)
}

// Sixteen orders at once against too few points: what is paid is there, and
// nothing else. Then all are cancelled, by their numbers and by their payments
// at once.
func TestPaidTogether(t *testing.T) {
	eachDB(t, func(t *testing.T, db *sql.DB) {
		ctx := t.Context()
		p := openPurse(t, db, 1000)
		var mu sync.Mutex
		var wg sync.WaitGroup
		var tickets []ticket.Ticket
		for i := range 32 {
			wg.Go(func() {
				tk, err := p.Issue(ctx, shop, p.order(fmt.Sprint("order", i/2), 150)) // each twice
				if errors.Is(err, point.ErrShort) {
					return
				}
				if assert.NoError(t, err) {
					mu.Lock()
					defer mu.Unlock()
					tickets = append(tickets, tk)
				}
			})
		}
		for range 5 {
			wg.Go(func() { p.audit(t) }) // in the middle
		}
		wg.Wait()
		assert.EqualValues(t, 100, p.whole(t, 1000))
		assert.Len(t, full(t, p.Unredeemed(ctx, shop.Scope, period(t, "2026-01-01", "2027-12-31"))), 6)
		for _, tk := range tickets {
			for i := range 3 {
				wg.Go(func() {
					_, err := p.Cancel(ctx, shop, tk.Number, fmt.Sprint("c", i))
					if !errors.Is(err, ticket.ErrState) {
						assert.NoError(t, err)
					}
				})
			}
			wg.Go(func() {
				_, err := p.ledger.Cancel(ctx, point.Request{Scope: string(shop.Scope), Name: tk.Payment}, point.At{})
				if !errors.Is(err, ticket.ErrState) {
					assert.NoError(t, err)
				}
			})
		}
		wg.Wait()
		assert.EqualValues(t, 1000, p.whole(t, 1000))
	})
}

// The same calls in somebody else's transaction stand or fall with it.
func TestIn(t *testing.T) {
	eachDB(t, func(t *testing.T, db *sql.DB) {
		ctx := t.Context()
		p := openPurse(t, db, 1000)
		_, err := db.Exec("CREATE TABLE sold (what VARCHAR(20) NOT NULL)")
		require.NoError(t, err)
		live := p.issue(t, 7)
		text, err := p.QR(live)
		require.NoError(t, err)
		outOfTea := errors.New("out of tea")
		var made ticket.Ticket
		sell := func(end error) error {
			return p.Do(ctx, func(ctx context.Context, tx *sql.Tx) error {
				in := p.In(tx)
				r, err := in.Redeem(ctx, ticket.Presentation{Terminal: shop2, Code: ticket.NewCode(text), Attempt: "tea"})
				if err != nil {
					return err
				}
				assert.EqualValues(t, 7, r.Ticket.Points)
				_, err = in.Redeem(ctx, ticket.Presentation{Terminal: shop2, Code: code(live.Number), Attempt: "tea"})
				assert.ErrorIs(t, err, ticket.ErrTyped)
				if made, err = in.Issue(ctx, shop, p.order("in", 10)); err != nil {
					return err
				}
				// A call that fails leaves nothing, and the transaction goes on.
				_, err = in.Issue(ctx, shop, p.order("too-much", 5000))
				assert.ErrorIs(t, err, point.ErrShort)
				_, err = in.Cancel(ctx, shop, live.Number, "")
				assert.ErrorIs(t, err, ticket.ErrState)
				seen, err := in.Find(ctx, shop.Scope, made.Number)
				if err != nil {
					return err
				}
				assert.Equal(t, made, seen)
				if _, err := tx.ExecContext(ctx, "INSERT INTO sold (what) VALUES ('tea')"); err != nil {
					return err
				}
				return end
			})
		}
		require.Equal(t, outOfTea, sell(outOfTea))
		_, err = p.Find(ctx, shop.Scope, made.Number)
		assert.ErrorIs(t, err, ticket.ErrNotFound)
		still, err := p.Find(ctx, shop.Scope, live.Number)
		require.NoError(t, err)
		assert.Equal(t, ticket.Issued, still.State)
		require.NoError(t, sell(nil))
		still, err = p.Find(ctx, shop.Scope, live.Number)
		require.NoError(t, err)
		assert.Equal(t, ticket.Redeemed, still.State)
		assert.EqualValues(t, 990, p.whole(t, 1000))
	})
}

// A transaction that would not survive a crash is refused.
func TestInNotDurable(t *testing.T) {
	s := openSQL(t, "pgx", pg.DSN(t))
	b := s.open(t, ticket.Config{})
	tx, err := s.db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer func() { _ = tx.Rollback() }()
	_, err = tx.Exec("SET LOCAL synchronous_commit = off")
	require.NoError(t, err)
	_, err = b.In(tx).Issue(t.Context(), shop, ticket.Order{Points: 1})
	assert.ErrorIs(t, err, ticket.ErrNotDurable)
}

// A Pay that ends the transaction is found out, and nothing goes on until a
// person has looked.
func TestPayEndsTheTransaction(t *testing.T) {
	eachDB(t, func(t *testing.T, db *sql.DB) {
		ctx := t.Context()
		b, err := ticket.Open(ctx, db, ticket.Config{})
		require.NoError(t, err)
		order := ticket.Order{Points: 5, Key: "k", Pay: func(ctx context.Context, tx *sql.Tx, _ ticket.Ticket) error {
			return tx.Commit()
		}}
		_, err = b.Issue(ctx, shop, order)
		lost, ok := errors.AsType[*ticket.LostError](err)
		require.True(t, ok, "%v", err)
		assert.Equal(t, "payment of k", lost.Loss.Step)
		order.Pay = func(context.Context, *sql.Tx, ticket.Ticket) error { return nil }
		for _, err := range []error{second(b.Issue(ctx, shop, order)), second(ticket.Open(ctx, db, ticket.Config{}))} {
			_, ok = errors.AsType[*ticket.UnresolvedError](err)
			assert.True(t, ok, "%v", err)
		}
		b, err = ticket.Open(ctx, db, ticket.Config{Unresolved: true})
		require.NoError(t, err)
		losses, err := b.Losses(ctx)
		require.NoError(t, err)
		require.Len(t, losses, 1)
		assert.ErrorIs(t, b.Resolve(ctx, "another"), ticket.ErrNoLoss)
		require.NoError(t, b.Resolve(ctx, losses[0].ID))
		tk, err := b.Issue(ctx, shop, order)
		require.NoError(t, err)
		assert.Equal(t, "k", tk.Payment)
	})
}

// Each rule of the books finds what breaks it.
func TestBooksFindFaults(t *testing.T) {
	eachStore(t, func(t *testing.T, s tables) {
		ctx := t.Context()
		d := newDesk(t, s, ticket.Config{})
		pay := func(context.Context, *sql.Tx, ticket.Ticket) error { return nil }
		for i, key := range []string{"a", "b", "c", "d"} {
			_, err := d.Issue(ctx, shop, ticket.Order{Points: int64(i + 1), Key: key, Account: "aoba", Pay: pay})
			require.NoError(t, err)
		}
		live := full(t, d.Unredeemed(ctx, shop.Scope, period(t, "2026-01-01", "2026-12-31")))
		_, err := d.Redeem(ctx, ticket.Presentation{Terminal: shop, Code: code(live[0].Number)})
		require.NoError(t, err)
		_, err = d.Replace(ctx, shop, live[1].Number, "r")
		require.NoError(t, err)
		_, err = d.CancelPaid(ctx, shop, live[2].Payment, "c")
		require.NoError(t, err)
		whole, err := d.Books(ctx)
		require.NoError(t, err)
		assert.Equal(t, ticket.Books{Paid: map[string]ticket.Total{"aoba": {Tickets: 3, Points: 10 - live[2].Points}}}, whole)
		for _, tc := range []struct{ fault, spoil, mend string }{
			{"as many numbers", "UPDATE {fill} SET taken = taken + 1", "UPDATE {fill} SET taken = taken - 1"},
			{"a successor", "UPDATE {ticket} SET points = points + 1 WHERE state = 4", "UPDATE {ticket} SET points = points - 1 WHERE state = 4"},
			{"one ticket", "UPDATE {ticket} SET payment = '" + live[3].Payment + "' WHERE state = 2", "UPDATE {ticket} SET payment = '" + live[0].Payment + "' WHERE state = 2"},
			{"is live", "UPDATE {ticket} SET state = 7 WHERE state = 3", "UPDATE {ticket} SET state = 3 WHERE state = 7"},
			{"after its issue", "UPDATE {ticket} SET ended_at = ended_at - 1 WHERE state = 2", "UPDATE {ticket} SET ended_at = ended_at + 1 WHERE state = 2"},
			{"in their range", "UPDATE {ticket} SET points = points + 100000000 WHERE state = 2", "UPDATE {ticket} SET points = points - 100000000 WHERE state = 2"},
		} {
			exec := func(q string) {
				q = strings.NewReplacer("{fill}", s.table("fill"), "{ticket}", s.table("ticket")).Replace(q)
				_, err := s.db.Exec(q)
				require.NoError(t, err)
			}
			exec(tc.spoil)
			got, err := d.Books(ctx)
			require.NoError(t, err)
			if assert.Len(t, got.Faults, 1, tc.fault) {
				assert.Contains(t, got.Faults[0], tc.fault)
			}
			exec(tc.mend)
			got, err = d.Books(ctx)
			require.NoError(t, err)
			assert.Equal(t, whole, got)
		}
	})
}

// Two calls of one order that both come to pay: the one that is later with its
// ticket takes its payment back and has the other's ticket.
func TestPaidMeanwhile(t *testing.T) {
	s := openSQL(t, "pgx", pg.DSN(t)) // SQLite has one writer
	ctx := t.Context()
	_, err := s.db.Exec("CREATE TABLE paid (who VARCHAR(8))")
	require.NoError(t, err)
	pay := func(who string) func(context.Context, *sql.Tx, ticket.Ticket) error {
		return func(ctx context.Context, tx *sql.Tx, _ ticket.Ticket) error {
			_, err := tx.ExecContext(ctx, "INSERT INTO paid VALUES ($1)", who)
			return err
		}
	}
	first, other := newDesk(t, s, ticket.Config{}), newDesk(t, s, ticket.Config{})
	var theirs ticket.Ticket
	calls := 0
	mine, err := first.Issue(ctx, shop, ticket.Order{Points: 5, Key: "k", Pay: func(ctx context.Context, tx *sql.Tx, tk ticket.Ticket) (err error) {
		if calls++; calls == 1 {
			theirs, err = other.Issue(t.Context(), shop, ticket.Order{Points: 5, Key: "k", Pay: pay("other")})
		}
		return errors.Join(err, pay("first")(ctx, tx, tk))
	}})
	require.NoError(t, err)
	assert.Equal(t, theirs.Number, mine.Number)
	assert.Equal(t, 1, calls, "the second try finds the ticket")
	var n int
	var who string
	require.NoError(t, s.db.QueryRow("SELECT count(*), max(who) FROM paid").Scan(&n, &who))
	assert.Equal(t, 1, n)
	assert.Equal(t, "other", who)
}

// A payment that takes until after midnight: the ticket has the later date, and one
// that would have lapsed by then is neither issued nor paid for, whatever else is in
// the batch.
func TestPayUntilAfterMidnight(t *testing.T) {
	eachStore(t, func(t *testing.T, s tables) {
		ctx := t.Context()
		d := newDesk(t, s, ticket.Config{})
		evening, after := at(t, "2026-11-21 23:59:59"), at(t, "2026-11-22 00:00:01")
		today := mykey.DateOf(evening)
		slow := func(context.Context, *sql.Tx, ticket.Ticket) error { d.clock.set(after); return nil }
		quick := func(context.Context, *sql.Tx, ticket.Ticket) error { return nil }

		d.clock.set(evening)
		old := ticket.Order{Points: 1, Key: "old", Pay: quick}
		_, err := d.Issue(ctx, shop, old)
		require.NoError(t, err)
		for _, orders := range [][]ticket.Order{
			{{Points: 2, Key: "new", Until: today, Pay: slow}},
			{{Points: 2, Key: "new", Until: today, Pay: slow}, old}, // whose payment was made before
		} {
			d.clock.set(evening)
			_, err = d.IssueBatch(ctx, shop, orders)
			assert.ErrorIs(t, err, ticket.ErrValidity)
			books, err := d.Books(ctx)
			require.NoError(t, err)
			assert.Equal(t, int64(1), books.Paid[""].Points, "the old one alone")
		}
		d.clock.set(evening)
		tk, err := d.Issue(ctx, shop, ticket.Order{Points: 2, Key: "new", Until: today.AddDays(1), Pay: slow})
		require.NoError(t, err, "it is good on its last day")
		assert.True(t, tk.IssuedAt.Equal(after), "%v", tk.IssuedAt)
	})
}

// inTheWay is what a database says when another transaction is in the way.
type inTheWay struct{}

func (inTheWay) Error() string    { return "another is in the way" }
func (inTheWay) SQLState() string { return "40001" }

// A payment that another transaction is in the way of is tried again, and
// after that it is busy: nobody was refused.
func TestPayIsBusy(t *testing.T) {
	eachStore(t, func(t *testing.T, s tables) {
		// One try: how many fit into a short time depends on the machine.
		d := newDesk(t, s, ticket.Config{RetryFor: -1})
		calls := 0
		order := ticket.Order{Points: 1, Key: "k", Pay: func(context.Context, *sql.Tx, ticket.Ticket) error {
			calls++
			return inTheWay{}
		}}
		_, err := d.Issue(t.Context(), shop, order)
		assert.ErrorIs(t, err, ticket.ErrBusy)
		assert.ErrorIs(t, err, inTheWay{})
		assert.Equal(t, 1, calls)
		_, refused := errors.AsType[*ticket.OrderError](err)
		assert.False(t, refused)
		order.Pay = func(context.Context, *sql.Tx, ticket.Ticket) error {
			if calls++; calls < 4 {
				return inTheWay{}
			}
			return nil
		}
		_, err = newDesk(t, s, ticket.Config{RetryFor: time.Minute}).Issue(t.Context(), shop, order)
		assert.NoError(t, err)
		assert.Equal(t, 4, calls)
	})
}

// Where the program says so, only terminals of their kind issue and redeem.
func TestKinds(t *testing.T) {
	d := newDesk(t, fast(t), ticket.Config{CheckKinds: true})
	ctx := t.Context()
	kinds := func(k terminal.Kind) ticket.Terminal {
		return ticket.Terminal{ID: "1", Scope: shop.Scope, Kind: k}
	}
	issuer := kinds(terminal.Ticket)
	for k := range terminal.Kind(16) {
		at := kinds(k)
		tk, err := d.Issue(ctx, issuer, ticket.Order{Points: 1})
		require.NoError(t, err)
		spare, err := d.Issue(ctx, issuer, ticket.Order{Points: 1})
		require.NoError(t, err)
		issues, redeems := ticket.ErrKind, ticket.ErrKind
		if k&terminal.Ticket != 0 {
			issues = nil
		}
		if k&(terminal.Ticket|terminal.Point) != 0 {
			redeems = nil
		}
		p := ticket.Presentation{Terminal: at, Code: code(tk.Number)}
		for _, got := range []struct{ want, err error }{
			{issues, second(d.Issue(ctx, at, ticket.Order{Points: 1}))}, {issues, second(d.Reprint(ctx, at, spare.Number, ""))},
			{issues, second(d.Cancel(ctx, at, spare.Number, ""))}, {redeems, second(d.Inspect(ctx, p))},
		} {
			assert.ErrorIs(t, got.err, got.want, "%v", k)
		}
		if issues == nil {
			r, err := d.Replace(ctx, at, tk.Number, "")
			require.NoError(t, err)
			p.Code = code(r.Ticket.Number)
		} else {
			assert.ErrorIs(t, second(d.Replace(ctx, at, tk.Number, "")), ticket.ErrKind)
		}
		assert.ErrorIs(t, second(d.Redeem(ctx, p)), redeems, "%v", k)
	}
	free := newDesk(t, fast(t), ticket.Config{})
	_, err := free.Issue(ctx, kinds(0), ticket.Order{Points: 1})
	assert.NoError(t, err, "the program did not say so")
}
