package ticket

import (
	"context"
	"errors"

	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/mynakit/mynakit/mykey"
)

// Printed records that a ticket is on paper, after which [Book.Unprinted] no
// longer lists it. It can be repeated. The errors are [ErrScope] and
// [ErrNotFound].
func (b *Book) Printed(ctx context.Context, scope Scope, n Number) error {
	if err := scope.Check(); err != nil {
		return err
	}
	return b.db.Write(ctx, "record printing", func(ctx context.Context, tx *sqldb.Tx) error {
		found, err := tx.Exec(ctx, "UPDATE {ticket} SET unprinted = NULL WHERE scope = ? AND number = ?", string(scope), n)
		if err == nil && found == 0 {
			err = answer{ErrNotFound}
		}
		return err
	})
}

// MaxUnprinted is how many tickets [Book.Unprinted] returns at most.
const MaxUnprinted = 1000

// Unprinted returns the live tickets that were issued at a terminal by orders
// with [Order].ToPrint and are not on paper yet, the earliest first: the
// terminal died, or its printer had no paper. It returns [ErrTerminal] or
// [ErrScope] for a malformed terminal.
func (b *Book) Unprinted(ctx context.Context, at Terminal) ([]Ticket, error) {
	if err := at.Check(); err != nil {
		return nil, err
	}
	var out []Ticket
	err := b.db.Read(ctx, "find unprinted tickets", func(ctx context.Context, tx *sqldb.Tx) error {
		m, err := b.moment(ctx, tx.Queries, at.Scope)
		if err != nil {
			return err
		}
		// until + 0 goes by no index: SQLite takes a range of days for narrower than
		// a terminal, and would read all that is live.
		rows, err := tx.Query(ctx, "SELECT "+columns+` FROM {ticket} WHERE scope = ? AND issued_by = ? AND unprinted IS NOT NULL
			AND state = 1 AND until + 0 >= ? ORDER BY issued_at, number LIMIT ?`, string(at.Scope), at.ID, dayNumber(mykey.DateOf(m.date())), MaxUnprinted)
		if err != nil {
			return err
		}
		defer rows.Close()
		out = nil
		for rows.Next() {
			t, err := scan(rows)
			if err != nil {
				return err
			}
			out = append(out, t)
		}
		return rows.Err()
	})
	return out, err
}

// Paid adds up the tickets that were issued in a scope in a period and paid by
// [Order].Pay, whatever became of them. A ticket that replaces another does not
// count. It returns [ErrScope] or [ErrPeriod] for malformed input.
//
// No index serves Paid, since issue and redemption would have to keep it up: it
// reads all tickets that the scope has ever had, and its time grows with them. It
// is for the closing of a day, not for the till.
func (b *Book) Paid(ctx context.Context, scope Scope, period Period) (t Total, err error) {
	if err := errors.Join(scope.Check(), checkPeriod(period)); err != nil {
		return Total{}, err
	}
	err = b.db.Read(ctx, "add up payments", func(ctx context.Context, tx *sqldb.Tx) error {
		var bad int64
		err := tx.QueryRow(ctx, "SELECT "+sums+" FROM {ticket} WHERE scope = ? AND replaces IS NULL AND payment IS NOT NULL AND issued_at >= ? AND issued_at < ?",
			string(scope), period.From.Start().UnixMicro(), period.To.End().UnixMicro()).Scan(&t.Tickets, &t.Points, &bad)
		if err == nil && bad != 0 {
			err = answer{ErrPoints}
		}
		return err
	})
	return t, err
}

// TakeOver records how a ticket was paid that a program issued before its points
// were kept in this database: the account, if the ticket is live, the key of
// the payment, and whether it waits for its paper. Call it within the
// transaction that takes over the payment; see [Book.In]. It can be repeated.
//
// The errors are [ErrScope], [ErrAccount], [ErrKey], [ErrNotFound], and
// [ErrConflict] if the ticket has another payment.
func (b *Book) TakeOver(ctx context.Context, scope Scope, n Number, account, payment string, unprinted bool) error {
	switch {
	case scope.Check() != nil:
		return ErrScope
	case !validAccount(account):
		return ErrAccount
	case payment == "" || !validKey(payment):
		return ErrKey
	}
	return b.db.Write(ctx, "take over", func(ctx context.Context, tx *sqldb.Tx) error {
		t, _, err := b.lock(ctx, tx, scope, n)
		if err != nil {
			return err
		}
		if t.Payment == payment {
			return nil
		}
		if t.Payment != "" || t.Account != "" {
			return answer{ErrConflict}
		}
		if t.State != Issued {
			account = "" // a settlement may have been made of it
		}
		_, err = tx.Exec(ctx, "UPDATE {ticket} SET account = ?, payment = ?, unprinted = ? WHERE scope = ? AND number = ?",
			orNull(account), payment, flag(unprinted), string(scope), n)
		return err
	})
}
