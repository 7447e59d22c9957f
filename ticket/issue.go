package ticket

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/mynakit/mynakit/mykey"
)

// An Order is for one ticket.
type Order struct {
	// Points is what the ticket is worth: 1 to Policy.MaxPoints.
	Points int64
	// Until is the last day on which the ticket can be redeemed: today at the
	// earliest, Policy.MaxDays from today at the latest. The zero Date means
	// the latest.
	Until Date
	// Key, if not empty, makes the order safe to repeat: a second order with
	// the same key in the same scope returns the ticket of the first. It has
	// at most MaxKey bytes and no control characters.
	Key string
	// Account is whose points the ticket is made of, such as a programme's
	// code, so that a settlement can tell who pays: at most MaxAccount bytes
	// without control characters, and not with =, +, - or @ in front. It may
	// be empty.
	Account string
	// ToPrint has [Book.Unprinted] list the ticket until [Book.Printed] says that
	// it is on paper, so that a terminal that died in between finds it again.
	ToPrint bool
	// Pay, if not nil, takes the points in the transaction that issues the
	// ticket. It is called before the number is drawn, so that an order that
	// cannot be paid leaves nothing. It is not called for an order that repeats
	// an earlier one. An order with Pay needs a Key; see [Config].Refund. Pay
	// must not end the transaction.
	Pay func(ctx context.Context, tx *sql.Tx, t Ticket) error
}

// An OrderError reports which order of a batch was at fault. Nothing of the
// batch was issued.
type OrderError struct {
	Index int   // in the slice of orders
	Err   error // ErrPoints, ErrValidity, ErrKey, ErrAccount, ErrConflict or Pay's
}

// Error returns the fault and the order's index.
func (e *OrderError) Error() string { return fmt.Sprintf("%v (order %d)", e.Err, e.Index) }

// Unwrap returns Err.
func (e *OrderError) Unwrap() error { return e.Err }

// A Batch is the result of [Book.IssueBatch].
type Batch struct {
	// Tickets are in the order of the orders. A ticket whose order key was
	// used before is the earlier ticket.
	Tickets []Ticket
	Redraws int   // numbers drawn again because they were taken
	Taken   int64 // numbers in use in the scope afterwards
	New     int   // tickets that are new; the others repeat earlier orders
}

// Issue issues one ticket at a terminal (ポイント券発行). The number is random
// and differs from every other number of the terminal's scope.
//
// Issue returns [ErrTerminal] or [ErrScope] for a malformed terminal, and
// [ErrKind] for one of another kind. It returns an [*OrderError] with [ErrPoints], [ErrValidity], [ErrKey] or
// [ErrConflict], [ErrAccount] or the error of [Order].Pay for an order that
// cannot be filled, and a [*FullError] for a scope without room. After any error but [ErrOutcomeUnknown], nothing was
// issued. After a lost answer, repeat the call with the same [Order].Key.
func (b *Book) Issue(ctx context.Context, at Terminal, o Order) (Ticket, error) {
	batch, err := b.IssueBatch(ctx, at, []Order{o})
	if err != nil {
		return Ticket{}, err
	}
	return batch.Tickets[0], nil
}

// IssueBatch issues up to [MaxBatch] tickets in one transaction, all or none.
// It returns the errors of [Book.Issue], and [ErrBatch] for too many orders.
func (b *Book) IssueBatch(ctx context.Context, at Terminal, orders []Order) (Batch, error) {
	if err := b.checkOrders(at, orders); err != nil || len(orders) == 0 {
		return Batch{}, err
	}
	var out Batch
	var err error
	for range 3 {
		err = b.db.Write(ctx, "issue", func(ctx context.Context, tx *sqldb.Tx) (err error) {
			out, err = b.issue(ctx, tx, at, orders)
			return err
		})
		if !errors.Is(err, errPaidTwice) {
			break
		}
	}
	if err != nil {
		return Batch{}, err
	}
	b.noteIssue(ctx, at, out)
	return out, nil
}

// errPaidTwice rolls back a payment for an order that another call of the same
// key has filled meanwhile. The next try finds its ticket.
var errPaidTwice = fmt.Errorf("%w: the same order, at the same time", ErrBusy)

func (b *Book) noteIssue(ctx context.Context, at Terminal, batch Batch) {
	e := Event{Op: OpIssue, Terminal: at, Count: batch.New}
	if before := batch.Taken - int64(batch.New); batch.Taken/b.policy.WarnAt > before/b.policy.WarnAt {
		e.Filling = batch.Taken
	}
	var n Number
	if len(batch.Tickets) == 1 {
		n = batch.Tickets[0].Number
		e.Points = batch.Tickets[0].Points
	}
	b.note(ctx, e, n)
}

// checkOrders checks what needs no clock and no database.
func (b *Book) checkOrders(at Terminal, orders []Order) error {
	if err := b.checkIssuer(at); err != nil {
		return err
	}
	if len(orders) > MaxBatch {
		return ErrBatch
	}
	keys := make(map[string]bool)
	for i, o := range orders {
		var err error
		switch {
		case o.Points < 1 || o.Points > b.policy.MaxPoints:
			err = ErrPoints
		case !o.Until.IsZero() && !o.Until.Valid():
			err = ErrValidity
		case !validKey(o.Key) || o.Pay != nil && o.Key == "":
			err = ErrKey
		case !validAccount(o.Account):
			err = ErrAccount
		case o.Key != "" && keys[o.Key]:
			err = ErrConflict
		}
		if err != nil {
			return &OrderError{Index: i, Err: err}
		}
		if o.Key != "" {
			keys[o.Key] = true
		}
	}
	return nil
}

// issue fills orders that checkOrders has passed.
func (b *Book) issue(ctx context.Context, tx *sqldb.Tx, at Terminal, orders []Order) (Batch, error) {
	m, err := b.begin(ctx, tx, at.Scope)
	if err != nil {
		return Batch{}, err
	}
	now := m.date()
	today := mykey.DateOf(now)
	latest := today.AddDays(b.policy.MaxDays)
	out := Batch{Tickets: make([]Ticket, len(orders))}
	for i, o := range orders {
		t := Ticket{Scope: at.Scope, Points: o.Points, Until: o.Until, State: Issued,
			IssuedAt: now, IssuedBy: at.ID, OrderKey: o.Key, Prints: 1, Account: o.Account, Unprinted: o.ToPrint}
		if t.Until.IsZero() {
			t.Until = latest
		}
		if t.Until.Compare(today) < 0 || t.Until.Compare(latest) > 0 {
			return Batch{}, answer{&OrderError{Index: i, Err: ErrValidity}}
		}
		out.Tickets[i] = t
	}
	same := func(i int, earlier Ticket) error {
		o := orders[i]
		if earlier.Points != o.Points || earlier.Account != o.Account || !o.Until.IsZero() && earlier.Until != o.Until {
			return answer{&OrderError{Index: i, Err: ErrConflict}}
		}
		if out.Tickets[i].Payment != "" {
			return errPaidTwice
		}
		return nil
	}
	paid := false
	for i, o := range orders {
		if o.Pay != nil {
			if err := b.pay(ctx, tx, o, &out.Tickets[i]); err != nil {
				if own := own(err); own != nil && !sqldb.IsBusy(own) {
					err = answer{&OrderError{Index: i, Err: own}}
				}
				return Batch{}, err
			}
			paid = paid || out.Tickets[i].Payment != ""
		}
	}
	if paid {
		// To pay may have taken until after midnight.
		if m, err = b.moment(ctx, tx.Queries, at.Scope); err != nil {
			return Batch{}, err
		}
		for i := range out.Tickets {
			t := &out.Tickets[i]
			if t.IssuedAt = m.date(); t.Until.Compare(mykey.DateOf(t.IssuedAt)) < 0 {
				return Batch{}, answer{&OrderError{Index: i, Err: ErrValidity}}
			}
		}
	}
	return out, b.store(ctx, tx, at.Scope, &out, same)
}

// pay has an order paid, unless it was filled before.
func (b *Book) pay(ctx context.Context, tx *sqldb.Tx, o Order, t *Ticket) error {
	_, err := find(ctx, tx.Queries, byOrder, t.Scope, o.Key)
	if !errors.Is(err, ErrNotFound) {
		return err // where it is there, store finds it again
	}
	err = tx.Call(ctx, "payment of "+o.Key, func(ctx context.Context, sqlTx *sql.Tx) error {
		return answered(o.Pay(ctx, sqlTx, *t))
	})
	t.Payment = o.Key
	return err
}

// maxRounds bounds how often numbers are drawn anew for what collided. A
// scope is at most half full, so each round leaves less than half of the last.
const maxRounds = 64

// insertRows is how many tickets go into one INSERT: their parameters stay
// under SQLite's 32,766 and PostgreSQL's 65,535, and more gain no speed.
const insertRows = 1000

// store inserts the tickets of out under free numbers. Where an order key is
// taken, the ticket becomes the earlier one, if same accepts it.
func (b *Book) store(ctx context.Context, tx *sqldb.Tx, scope Scope, out *Batch, same func(i int, earlier Ticket) error) error {
	waiting := make([]int, len(out.Tickets)) // indexes of tickets not yet stored
	for i := range waiting {
		waiting[i] = i
	}
	for round := 0; len(waiting) > 0; round++ {
		if round == maxRounds {
			return b.full(ctx, tx, scope)
		}
		var again []int
		for len(waiting) > 0 {
			part := waiting[:min(len(waiting), insertRows)]
			waiting = waiting[len(part):]
			left, err := b.storeSome(ctx, tx, out, part, same)
			if err != nil {
				return err
			}
			again = append(again, left...)
		}
		out.Redraws += len(again)
		waiting = again
	}
	if out.New == 0 {
		return nil
	}
	// Last, because PostgreSQL holds this row from here to the commit.
	err := tx.QueryRow(ctx, `INSERT INTO {fill} (scope, taken) VALUES (?, ?)
		ON CONFLICT (scope) DO UPDATE SET taken = {fill}.taken + excluded.taken RETURNING taken`,
		string(scope), out.New).Scan(&out.Taken)
	if err == nil && out.Taken > b.policy.RefuseAt {
		err = answer{&FullError{Scope: scope, Taken: out.Taken - int64(out.New), Limit: b.policy.RefuseAt}}
	}
	return err
}

// storeSome draws numbers for the tickets of out at the indexes part and
// inserts them. It returns the indexes whose numbers were taken.
func (b *Book) storeSome(ctx context.Context, tx *sqldb.Tx, out *Batch, part []int, same func(i int, earlier Ticket) error) (again []int, err error) {
	tickets := make([]*Ticket, 0, len(part))
	drawn := make(map[Number]bool, len(part))
	var fresh []int // the indexes of tickets
	for _, i := range part {
		t := &out.Tickets[i]
		t.Number = b.draw()
		if drawn[t.Number] {
			again = append(again, i)
			continue
		}
		drawn[t.Number] = true
		tickets, fresh = append(tickets, t), append(fresh, i)
	}
	taken, err := insert(ctx, tx, tickets)
	if err != nil {
		return nil, err
	}
	out.New += len(fresh) - len(taken)
	for _, j := range taken {
		t := &out.Tickets[fresh[j]]
		if t.OrderKey != "" {
			earlier, err := find(ctx, tx.Queries, byOrder, t.Scope, t.OrderKey)
			if err == nil {
				if err := same(fresh[j], earlier); err != nil {
					return nil, err
				}
				*t = earlier
				continue
			}
			if !errors.Is(err, ErrNotFound) {
				return nil, err
			}
		}
		again = append(again, fresh[j])
	}
	return again, nil
}

// full returns the FullError of a scope in which no free number was drawn.
func (b *Book) full(ctx context.Context, tx *sqldb.Tx, scope Scope) error {
	e := &FullError{Scope: scope, Limit: b.policy.RefuseAt}
	err := tx.QueryRow(ctx, "SELECT taken FROM {fill} WHERE scope = ?", string(scope)).Scan(&e.Taken)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	return answer{e}
}

// insert stores tickets of one scope, whose numbers differ, and returns the
// indexes of those that were not stored because their numbers or order keys
// are taken. Only those come back from the engine: to be told of each that was
// stored costs half as much as to store it.
func insert(ctx context.Context, tx *sqldb.Tx, tickets []*Ticket) (taken []int, err error) {
	args := make([]any, 0, 11*len(tickets))
	for _, t := range tickets {
		args = append(args, string(t.Scope), t.Number, t.Points, dayNumber(t.Until),
			t.IssuedAt.UnixMicro(), t.IssuedBy, orNull(t.OrderKey), t.Replaces, orNull(t.Account), orNull(t.Payment), flag(t.Unprinted))
	}
	const (
		into   = "INSERT INTO {ticket} (scope, number, state, points, until, issued_at, issued_by, order_key, prints, replaces, account, payment, unprinted) "
		ignore = " ON CONFLICT DO NOTHING"
	)
	if tx.Dialect() == sqldb.PostgreSQL {
		// One statement, all of which sees the table as it was before.
		rows, err := tx.Query(ctx, `WITH draft (scope, number, points, until, issued_at, issued_by, order_key, replaces, account, payment, unprinted) AS (
				VALUES (?::text,?::text,?::bigint,?::bigint,?::bigint,?::text,?::text,?::text,?::text,?::text,?::bigint)`+strings.Repeat(",(?,?,?,?,?,?,?,?,?,?,?)", len(tickets)-1)+`),
			stored AS (`+into+`SELECT scope, number, 1, points, until, issued_at, issued_by, order_key, 1, replaces, account, payment, unprinted FROM draft`+ignore+` RETURNING number)
			SELECT number FROM draft WHERE number NOT IN (SELECT number FROM stored)`, args...)
		return notStored(tickets, rows, err)
	}
	// SQLite has one writer, and a new row the greatest rowid.
	var last int64
	if err := tx.QueryRow(ctx, "SELECT coalesce(max(rowid), 0) FROM {ticket}").Scan(&last); err != nil {
		return nil, err
	}
	const row = "(?,?,1,?,?,?,?,?,1,?,?,?,?)"
	n, err := tx.Exec(ctx, into+"VALUES "+row+strings.Repeat(","+row, len(tickets)-1)+ignore, args...)
	if err != nil || n == int64(len(tickets)) {
		return nil, err
	}
	args = args[:0]
	for _, t := range tickets {
		args = append(args, t.Number)
	}
	rows, err := tx.Query(ctx, `WITH draft (number) AS (VALUES (?)`+strings.Repeat(",(?)", len(tickets)-1)+`)
		SELECT number FROM draft WHERE NOT EXISTS (
			SELECT 1 FROM {ticket} WHERE scope = ? AND {ticket}.number = draft.number AND {ticket}.rowid > ?)`,
		append(args, string(tickets[0].Scope), last)...)
	return notStored(tickets, rows, err)
}

// notStored reads numbers and returns the indexes of their tickets.
func notStored(tickets []*Ticket, rows *sql.Rows, err error) (taken []int, _ error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	missing := make(map[Number]bool)
	for rows.Next() {
		var n Number
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		missing[n] = true
	}
	for i, t := range tickets {
		if missing[t.Number] {
			taken = append(taken, i)
		}
	}
	return taken, rows.Err()
}
