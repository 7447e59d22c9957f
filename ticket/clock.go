package ticket

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/mynakit/mynakit/internal/sqldb"
)

// A moment is what decides about time in one scope.
type moment struct {
	now    time.Time
	closed time.Time // the end of the scope's last final period
}

// date returns the time under which a change is stored. It never lies in a
// final period: a slower clock, such as that of a server that took over, dates
// its changes at the first instant after the period.
func (m moment) date() time.Time {
	if m.now.Before(m.closed) {
		return m.closed
	}
	return m.now
}

// moment reads the clock that decides and the end of the final periods.
func (b *Book) moment(ctx context.Context, q sqldb.Queries, scope Scope) (moment, error) {
	var through int64
	if err := q.QueryRow(ctx, closedThrough, string(scope)).Scan(&through); err != nil {
		return moment{}, err
	}
	now, err := q.Now(ctx)
	return moment{now: instantOf(now.UnixMicro()), closed: instantOf(through)}, err
}

const closedThrough = "SELECT coalesce(max(through), 0) FROM {closed} WHERE scope = ?"

// begin begins a change in a scope: no period of it becomes final until the
// transaction has ended. The time is read after the lock, so that a period
// that became final meanwhile is respected.
func (b *Book) begin(ctx context.Context, tx *sqldb.Tx, scope Scope) (moment, error) {
	if err := b.lockPeriods(ctx, tx, scope, "pg_advisory_xact_lock_shared"); err != nil {
		return moment{}, err
	}
	return b.moment(ctx, tx.Queries, scope)
}

// lockPeriods locks the periods of a scope until the transaction ends. On
// SQLite, the one writer has locked all.
func (b *Book) lockPeriods(ctx context.Context, tx *sqldb.Tx, scope Scope, lock string) error {
	if tx.Dialect() != sqldb.PostgreSQL {
		return nil
	}
	sum := sha256.Sum256([]byte("mynakit point ticket periods\x00" + tx.Prefix() + "\x00" + string(scope)))
	_, err := tx.Exec(ctx, "SELECT "+lock+"(?)", int64(binary.BigEndian.Uint64(sum[:])))
	return err
}

// settleMargin is how long after its end a period becomes final. It leaves
// room for the clocks of several programs on one SQLite database.
const settleMargin = time.Minute

// final reports whether the period of a scope that ends at end is final, and
// makes it final if it is over.
func (b *Book) final(ctx context.Context, scope Scope, end time.Time) (bool, error) {
	over := func(m moment) bool { return !m.closed.Before(end) || !m.now.Before(end.Add(settleMargin)) }
	q, err := b.db.Queries(ctx)
	if err != nil {
		return false, err
	}
	m, err := b.moment(ctx, q, scope)
	if err != nil || !over(m) || !m.closed.Before(end) {
		return over(m), err
	}
	final := false
	err = b.db.Write(ctx, "settle", func(ctx context.Context, tx *sqldb.Tx) error {
		// This waits for every change that is under way.
		if err := b.lockPeriods(ctx, tx, scope, "pg_advisory_xact_lock"); err != nil {
			return err
		}
		m, err := b.moment(ctx, tx.Queries, scope)
		if final = over(m); err != nil || !final || !m.closed.Before(end) {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO {closed} (scope, through) VALUES (?, ?)
			ON CONFLICT (scope) DO UPDATE SET through = excluded.through`, string(scope), end.UnixMicro())
		return err
	})
	return final, err
}

// look returns a ticket as it is stored, and the moment.
func (b *Book) look(ctx context.Context, scope Scope, n Number) (Ticket, moment, error) {
	return b.lookBy(ctx, byNumber, scope, n)
}

func (b *Book) lookBy(ctx context.Context, query string, scope Scope, by any) (Ticket, moment, error) {
	q, err := b.db.Queries(ctx)
	if err != nil {
		return Ticket{}, moment{}, err
	}
	t, err := find(ctx, q, query, scope, by)
	if err != nil {
		return Ticket{}, moment{}, err
	}
	m, err := b.moment(ctx, q, scope)
	return t, m, err
}

// lock returns a ticket that nobody else changes until the transaction ends,
// and the moment, read after the locks.
func (b *Book) lock(ctx context.Context, tx *sqldb.Tx, scope Scope, n Number) (Ticket, moment, error) {
	if err := b.lockPeriods(ctx, tx, scope, "pg_advisory_xact_lock_shared"); err != nil {
		return Ticket{}, moment{}, err
	}
	t, err := find(ctx, tx.Queries, byNumber+" {:forupdate}", scope, n)
	if err != nil {
		return Ticket{}, moment{}, err
	}
	m, err := b.moment(ctx, tx.Queries, scope)
	return t, m, err
}
