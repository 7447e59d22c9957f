package point

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"time"

	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/mynakit/mynakit/mykey"
)

const selectBalances = `SELECT h.base, p.id, p.code, p.kind, p.name, l.expires, l.points
	FROM {alias} a JOIN {holder} h ON h.id = a.holder
	LEFT JOIN {lot} l ON l.holder = h.id AND l.points > 0
	LEFT JOIN {programme} p ON p.id = l.programme AND (l.expires >= ? OR p.kind = 3)
	WHERE a.mykey = ? ORDER BY l.programme, l.expires`

// Balances returns what a holder has, in the order of [Sort]. Programmes in
// which the holder has no points are left out. It reads no history.
//
// The error is [ErrNoHolder].
func (l *Ledger) Balances(ctx context.Context, id mykey.Identifier) ([]Balance, error) {
	var out []Balance
	err := l.db.Read(ctx, "balances", func(ctx context.Context, tx *sqldb.Tx) error {
		today, err := l.today(ctx, tx)
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, selectBalances, today, nameOf(id))
		if err != nil {
			return err
		}
		defer rows.Close()
		found := false
		var base Account
		out = nil
		for rows.Next() {
			found = true
			var baseID, programme, kind, expires, points *int64
			var code, name *string
			if err := rows.Scan(&baseID, &programme, &code, &kind, &name, &expires, &points); err != nil {
				return err
			}
			if code == nil {
				continue // a lot that has lapsed, or none
			}
			if baseID != nil && *baseID == *programme {
				base = Account(*code)
			}
			if n := len(out); n == 0 || out[n-1].Account != Account(*code) {
				out = append(out, Balance{Account: Account(*code), Kind: Kind(*kind), Name: *name})
				if *expires != never {
					out[n].NextDay, out[n].NextPoints = dayOf(*expires), *points
				}
			}
			out[len(out)-1].Points += *points
		}
		if err := rows.Err(); err != nil {
			return err
		}
		if !found {
			return ErrNoHolder
		}
		Sort(out, base)
		return nil
	})
	return out, err
}

// today returns the day in Japan by the ledger's clock.
func (l *Ledger) today(ctx context.Context, tx *sqldb.Tx) (int64, error) {
	now, err := tx.Now(ctx)
	return dayNumber(mykey.DateOf(now)), err
}

// Movement is an operation in a holder's history (利用履歴, システム設計書 IV(4)).
type Movement struct {
	Operation string // identifies the operation; see [Receipt.Operation]
	Kind      Op
	At        time.Time // in Japan Standard Time
	Place     string
	Partner   string
	Reverses  string // the operation that this one gives back, if any
	Changes   []Change
}

// Change is what a movement did to one account of the holder.
type Change struct {
	Account Account
	Points  int64 // added; negative if taken
	Balance int64 // of the account, right after the movement
}

// MaxHistory is the greatest number of movements that one call of
// [Ledger.History] returns.
const MaxHistory = 1000

// History returns at most limit movements of a holder, newest first, that come
// after the operation after in that order: the last one of the previous page,
// or "" for the first page.
//
// The errors are [ErrNoHolder] and [ErrNoRequest] if the holder has no such
// operation.
func (l *Ledger) History(ctx context.Context, id mykey.Identifier, after string, limit int) ([]Movement, error) {
	limit = min(max(limit, 1), MaxHistory)
	var from int64
	if after != "" {
		var err error
		if from, err = l.parseOperation(after); err != nil {
			return nil, err
		}
	}
	var out []Movement
	err := l.db.Read(ctx, "history", func(ctx context.Context, tx *sqldb.Tx) error {
		holder, _, err := findHolder(ctx, tx, id)
		if err != nil {
			return err
		}
		until := int64(math.MaxInt64)
		if after != "" {
			err := tx.QueryRow(ctx, "SELECT at FROM {operation} WHERE holder = ? AND id = ?", holder, from).Scan(&until)
			if errors.Is(err, sql.ErrNoRows) {
				return ErrNoRequest
			}
			if err != nil {
				return err
			}
		}
		rows, err := tx.Query(ctx, `SELECT o.id, o.kind, o.at, o.place, coalesce(o.partner, ''), coalesce(o.reverses, 0), p.code, e.delta, e.balance
			FROM (SELECT * FROM {operation} WHERE holder = ? AND (at, id) < (?, ?) ORDER BY at DESC, id DESC LIMIT ?) o
			LEFT JOIN {entry} e ON e.holder = o.holder AND e.operation = o.id
			LEFT JOIN {programme} p ON p.id = e.programme
			ORDER BY o.at DESC, o.id DESC, e.programme, e.expires`, holder, until, from, limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		out = nil
		var last int64
		for rows.Next() {
			var op, at, reverses int64
			var m Movement
			var code *Account
			var delta, balance *int64
			if err := rows.Scan(&op, &m.Kind, &at, &m.Place, &m.Partner, &reverses, &code, &delta, &balance); err != nil {
				return err
			}
			if op != last {
				last = op
				m.Operation, m.At = l.operationName(op), instantOf(at)
				if reverses != 0 {
					m.Reverses = l.operationName(reverses)
				}
				out = append(out, m)
			}
			if code == nil {
				continue
			}
			changes := &out[len(out)-1].Changes
			if n := len(*changes); n == 0 || (*changes)[n-1].Account != *code {
				*changes = append(*changes, Change{Account: *code, Balance: *balance})
			}
			(*changes)[len(*changes)-1].Points += *delta
		}
		return rows.Err()
	})
	return out, err
}
