package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/mynakit/mynakit/mergefile"
)

// forgetRows is how many numbers are forgotten in one transaction, so that
// merges need not wait long.
const forgetRows = 2000

// Forget deletes the numbers dated more than [Config].Keep ago, in all scopes,
// and returns how many it deleted. It never deletes a younger one. If Keep is
// zero it does nothing.
//
// What has been forgotten is refused from then on ([*TooOldError]), so that a
// late repetition is never merged again. A wrong clock does little: the time is
// taken to be no later than the scope's newest number, and no more is refused
// than up to the newest number that was deleted. [Ledger.WouldForget] returns
// that beforehand.
//
// It may run beside merges, and be run again after an interruption. While a lost
// merge stands it returns an [*UnresolvedError] and deletes nothing. Its other
// errors are those of a write, see [Receiver.Receive].
func (l *Ledger) Forget(ctx context.Context) (int64, error) {
	if l.keep <= 0 {
		return 0, nil
	}
	losses, err := l.db.Losses(ctx)
	if err == nil && len(losses) > 0 {
		err = &UnresolvedError{Losses: losses} // whoever looks needs the numbers
	}
	if err != nil {
		return 0, fmt.Errorf("ledger: forget: %w", err)
	}
	scopes, err := scopeRows(ctx, l.db.Queries)
	if err != nil {
		return 0, fmt.Errorf("ledger: forget: %w", err)
	}
	var forgotten int64
	for _, s := range scopes {
		n, err := l.forgetScope(ctx, s.id)
		forgotten += n
		if err != nil {
			return forgotten, fmt.Errorf("ledger: forget: %w", err)
		}
	}
	return forgotten, nil
}

// forgetScope first makes it known that numbers are going to be forgotten, and
// then forgets them, in steps.
func (l *Ledger) forgetScope(ctx context.Context, id int64) (forgotten int64, err error) {
	var before int64
	err = l.write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		// On PostgreSQL this waits for the merges under way in the scope.
		err := tx.QueryRow(ctx, "SELECT forgotten FROM {scope} WHERE id = ? {:forupdate}", id).Scan(&before)
		if err != nil {
			return err
		}
		limit, err := l.limit(ctx, tx.Queries, id)
		if err != nil || limit <= before {
			return err
		}
		before = limit
		_, err = tx.Exec(ctx, "UPDATE {scope} SET forgotten = ? WHERE id = ?", limit, id)
		return err
	})
	for err == nil && before > 0 {
		var n int64
		err = l.write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
			last := rowID{milli: before - 1, seq: math.MaxUint32}
			err := tx.QueryRow(ctx, `SELECT at, sequence FROM {number} WHERE scope = ? AND at < ?
				ORDER BY at, sequence LIMIT 1 OFFSET ?`, id, before, forgetRows-1).Scan(&last.milli, &last.seq)
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return err
			}
			n, err = tx.Exec(ctx, "DELETE FROM {number} WHERE scope = ? AND (at, sequence) <= (?, ?)", id, last.milli, int64(last.seq))
			return err
		})
		if err == nil {
			forgotten += n
			if n < forgetRows {
				break
			}
		}
	}
	return forgotten, err
}

// limit returns the end of what can be forgotten of a scope now, or 0 if that is
// nothing. It lies within a second behind a number that is there, so that a wrong
// clock refuses nothing that is to come.
func (l *Ledger) limit(ctx context.Context, q sqldb.Queries, scope int64) (int64, error) {
	newest, ok, err := edge(ctx, q, scope, "DESC")
	if err != nil || !ok {
		return 0, err
	}
	now, err := q.Now(ctx)
	if err != nil {
		return 0, err
	}
	border := min(now.UnixMilli(), newest.milli) - l.keep.Milliseconds()
	var last int64
	err = q.QueryRow(ctx, "SELECT at FROM {number} WHERE scope = ? AND at < ? ORDER BY at DESC LIMIT 1", scope, border).Scan(&last)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return min(border, last-last%1000+1000), err // a whole second, which can be said
}

// Closing is what [Ledger.Forget] would do to a scope.
type Closing struct {
	Scope string
	// Before is the instant before which numbers would be refused.
	Before time.Time
	// Numbers is how many numbers would be deleted.
	Numbers int64
	// Ahead is how many numbers of the scope are dated in the future. If there
	// are any, the clock or the sender's is wrong: find out before forgetting.
	Ahead int64
}

// WouldForget returns what [Ledger.Forget] would do now, for the scopes of which
// it would delete something, by their names. It changes nothing. The error is
// the driver's, wrapped.
func (l *Ledger) WouldForget(ctx context.Context) ([]Closing, error) {
	var out []Closing
	if l.keep <= 0 {
		return nil, nil
	}
	err := l.db.Read(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		out = nil
		scopes, err := scopeRows(ctx, tx.Queries)
		if err != nil {
			return err
		}
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		for _, s := range scopes {
			limit, err := l.limit(ctx, tx.Queries, s.id)
			if err != nil {
				return err
			}
			c := Closing{Scope: s.name}
			limit = max(limit, s.forgotten) // which an interrupted call may have left
			err = tx.QueryRow(ctx, "SELECT count(*) FROM {number} WHERE scope = ? AND at < ?", s.id, limit).Scan(&c.Numbers)
			if err != nil {
				return err
			}
			if c.Numbers == 0 {
				continue
			}
			c.Before = instant(limit)
			err = tx.QueryRow(ctx, "SELECT count(*) FROM {number} WHERE scope = ? AND at > ?", s.id, now.UnixMilli()).Scan(&c.Ahead)
			if err != nil {
				return err
			}
			out = append(out, c)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("ledger: would forget: %w", err)
	}
	return out, nil
}

// edge returns a scope's oldest (ASC) or newest (DESC) number.
func edge(ctx context.Context, q sqldb.Queries, scope int64, order string) (t rowID, ok bool, err error) {
	err = q.QueryRow(ctx, "SELECT at, sequence FROM {number} WHERE scope = ? ORDER BY at "+order+", sequence "+order+" LIMIT 1", scope).
		Scan(&t.milli, &t.seq)
	if errors.Is(err, sql.ErrNoRows) {
		return t, false, nil
	}
	return t, err == nil, err
}

func edgeNumber(ctx context.Context, q sqldb.Queries, scope int64, order string) (mergefile.Transaction, error) {
	t, _, err := edge(ctx, q, scope, order)
	if err != nil {
		return mergefile.Transaction{}, err
	}
	return t.transaction()
}

// scopeRow is a row of {scope}.
type scopeRow struct {
	id, forgotten int64
	name          string
}

// scopeRows lists the scopes by name.
func scopeRows(ctx context.Context, q sqldb.Queries) ([]scopeRow, error) {
	rows, err := q.Query(ctx, "SELECT id, forgotten, name FROM {scope} ORDER BY name")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []scopeRow
	for rows.Next() {
		var s scopeRow
		if err := rows.Scan(&s.id, &s.forgotten, &s.name); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}

// ScopeInfo is what a [Ledger] holds of a scope.
type ScopeInfo struct {
	Name string
	// Numbers is how many numbers are held. Oldest and Newest are zero if there
	// are no numbers.
	Numbers        int64
	Oldest, Newest mergefile.Transaction
	// Forgotten is the instant before which numbers may have been forgotten and
	// are refused. It is the zero time if nothing has been forgotten.
	Forgotten time.Time
}

// Scopes returns what the ledger holds, scope by scope in the order of their
// names. It counts, which takes seconds for many millions of numbers. The error
// is the driver's, wrapped.
func (l *Ledger) Scopes(ctx context.Context) ([]ScopeInfo, error) {
	var out []ScopeInfo
	err := l.db.Read(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		out = nil
		rows, err := scopeRows(ctx, tx.Queries)
		if err != nil {
			return err
		}
		for _, s := range rows {
			info := ScopeInfo{Name: s.name, Forgotten: instant(s.forgotten)}
			if err := tx.QueryRow(ctx, "SELECT count(*) FROM {number} WHERE scope = ?", s.id).Scan(&info.Numbers); err != nil {
				return err
			}
			if info.Numbers > 0 {
				if info.Oldest, err = edgeNumber(ctx, tx.Queries, s.id, "ASC"); err != nil {
					return err
				}
				if info.Newest, err = edgeNumber(ctx, tx.Queries, s.id, "DESC"); err != nil {
					return err
				}
			}
			out = append(out, info)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("ledger: list the scopes: %w", err)
	}
	return out, nil
}

// jst is Japan Standard Time. Japan has had no summer time since 1951.
var jst = time.FixedZone("JST", 9*60*60)

// instant returns the time that a column holds, in which 0 stands for never.
func instant(milli int64) time.Time {
	if milli == 0 {
		return time.Time{}
	}
	return time.UnixMilli(milli).In(jst)
}
