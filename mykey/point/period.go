package point

import (
	"context"
	"time"

	"github.com/mynakit/mynakit/internal/sqldb"
)

// Periods become final: what is added up of a final period never changes, since
// no operation is dated in it any more.
//
// {closed} holds the end of the last final period. Every operation reads it with
// the clock, in the statement that has the holder's lock, and is dated at that
// end if its clock is behind, as that of a server that took over may be.
//
// That leaves the operations that were under way while a period was closed. On
// SQLite there are none: the one writer closes. On PostgreSQL an operation reads
// the clock when it has its transaction number. Those whose number is below the
// horizon, which is the number of the transaction that closed, may have read the
// clock before it, and the period is final when all of them have ended. Those
// with a later number read a later clock. No use waits for a lock of all uses, as it would
// with an advisory lock.

// selectClosed is the end of the last final period, within another statement.
const selectClosed = "coalesce((SELECT max(through) FROM {closed}), 0)"

// dated is the time under which an operation is stored.
func dated(now, closed int64) int64 { return max(now, closed) }

// settleMargin is how long after its end a period becomes final. It leaves room
// for the clocks of several programs on one SQLite database, and for one that
// was set back.
const settleMargin = time.Minute

// closing is what decides whether a period is final.
type closing struct {
	now, through, horizon int64
	oldest, next          int64 // the lowest transaction number under way, and the one after the last that ended; 0 on SQLite
}

// final reports whether nothing in the period that ends at end changes any more.
func (c closing) final(end int64) bool { return c.through >= end && c.horizon <= c.oldest }

func readClosing(ctx context.Context, q sqldb.Queries) (c closing, err error) {
	numbers := "0, 0"
	if q.Dialect() == sqldb.PostgreSQL {
		numbers = "txid_snapshot_xmin(txid_current_snapshot()), txid_snapshot_xmax(txid_current_snapshot())"
	}
	err = q.QueryRow(ctx, "SELECT coalesce(CAST(? AS BIGINT), {:clock}), "+selectClosed+`,
		coalesce((SELECT max(horizon) FROM {closed}), 0), `+numbers, q.NowArg()).Scan(&c.now, &c.through, &c.horizon, &c.oldest, &c.next)
	return c, err
}

// finish makes the periods that end at end or before final, if the end is at
// least margin ago, and reports whether they are. On PostgreSQL it waits for the
// operations that were under way, as long as [Config.RetryFor] says. Within
// somebody else's transaction it changes nothing and does not wait.
func (l *Ledger) finish(ctx context.Context, end time.Time, margin time.Duration) (bool, error) {
	us := end.UnixMicro()
	q, err := l.db.Queries(ctx)
	if err != nil {
		return false, err
	}
	if l.db.Tx != nil {
		c, err := readClosing(ctx, q)
		return c.final(us), err
	}
	patience := l.cfg.RetryFor
	if patience == 0 {
		patience = sqldb.DefaultRetryFor
	}
	const first, most = time.Millisecond, 100 * time.Millisecond
	for until, wait := time.Now().Add(patience), first; ; wait = min(2*wait, most) {
		c, err := readClosing(ctx, q)
		if err != nil || c.final(us) {
			return err == nil, err
		}
		if c.through < us && c.now < end.Add(margin).UnixMicro() {
			return false, nil
		}
		// A horizon that no transaction here has reached is that of another server,
		// from which the tables were copied.
		if c.through < us || c.horizon > c.next {
			if err := l.closeThrough(ctx, max(us, c.through)); err != nil {
				return false, err
			}
			continue
		}
		if time.Now().After(until) {
			return false, nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return false, ctx.Err()
		}
	}
}

func (l *Ledger) closeThrough(ctx context.Context, through int64) error {
	return l.db.DB.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		horizon := "0"
		if tx.Dialect() == sqldb.PostgreSQL {
			horizon = "txid_current()"
		}
		// The clock was read before this transaction got its number.
		_, err := tx.Exec(ctx, `INSERT INTO {closed} (id, through, horizon) SELECT 1, CAST(? AS BIGINT), `+horizon+` WHERE true
			ON CONFLICT (id) DO UPDATE SET through = excluded.through, horizon = excluded.horizon WHERE {closed}.through <= excluded.through`, through)
		return err
	})
}
