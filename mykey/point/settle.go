package point

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/mynakit/mynakit/mykey"
)

// Total is a number of transactions and the sum of their points.
type Total struct {
	Count  int64
	Points int64
}

// maxTotal bounds every sum, so that three of them stay within 64 bits.
const maxTotal = 1 << 60

// ErrSum is returned when a sum of points leaves its range.
var ErrSum = errors.New("point: the sum is too great")

func (t *Total) add(o Total) error {
	t.Count += o.Count
	t.Points += o.Points
	if min(t.Count, t.Points) < 0 || max(t.Count, t.Points) > maxTotal || min(o.Count, o.Points) < 0 {
		return ErrSum
	}
	return nil
}

// Line is what one terminal took at one place of the points of one account.
type Line struct {
	Terminal string
	Place    string // 端末設置場所 at the time
	Account  Account
	Uses     Total // ポイント利用, those of no point left out
	Tickets  Total // ポイント券消込; see [Settlement.With]
	Refunds  Total // points of uses that were given back, by the day and the terminal of the refund
}

// Sum returns the number of transactions (取引回数合計), which is that of uses and
// tickets, and their points without those that were given back (利用ポイント数合計).
// The points are negative if more was given back than taken.
func (l Line) Sum() Total {
	return Total{l.Uses.Count + l.Tickets.Count, l.Uses.Points + l.Tickets.Points - l.Refunds.Points}
}

func (l *Line) add(o Line) error {
	return errors.Join(l.Uses.add(o.Uses), l.Tickets.add(o.Tickets), l.Refunds.add(o.Refunds))
}

// key is the line without its totals.
func (l Line) key() Line { return Line{Terminal: l.Terminal, Place: l.Place, Account: l.Account} }

// Settlement is what a municipality pays to shops and museums for a period
// (自治体から店舗・美術館等への精算, システム設計書 VI②). One point is one yen.
type Settlement struct {
	Period   mykey.Period
	Lines    []Line // by terminal, place and account
	Final    bool   // whether the figures of the period can no longer change
	Training bool   // of a ledger for practice: nothing is paid
}

// Sum returns the totals of all lines.
func (s Settlement) Sum() (sum Line) {
	for _, l := range s.Lines {
		_ = sum.add(l) // the sum was made when the settlement was
	}
	return sum
}

// Places returns a line for each place and account: several terminals of one
// place are one line. Terminals without a place share the line of the empty
// place.
func (s Settlement) Places() []Line {
	return s.by(func(l Line) Line { return Line{Place: l.Place, Account: l.Account} })
}

// Accounts returns a line for each account, so that it is known who pays.
func (s Settlement) Accounts() []Line {
	return s.by(func(l Line) Line { return Line{Account: l.Account} })
}

// Only returns the settlement of the lines that keep accepts, such as those of
// one place or one account.
func (s Settlement) Only(keep func(Line) bool) Settlement {
	s.Lines = slices.DeleteFunc(slices.Clone(s.Lines), func(l Line) bool { return !keep(l) })
	return s
}

// With returns the settlement with further lines, such as those of the tickets
// that were redeemed in the period. final reports whether those are final. The
// error is [ErrSum].
//
//	for _, l := range tickets.Lines {
//		lines = append(lines, point.Line{Terminal: l.Terminal, Place: l.Place, Account: point.Account(l.Account),
//			Tickets: point.Total{Count: l.Tickets, Points: l.Points}})
//	}
//	s, err = s.With(lines, tickets.Final)
func (s Settlement) With(lines []Line, final bool) (Settlement, error) {
	s.Lines = slices.Concat(s.Lines, lines)
	s.Final = s.Final && final
	var err error
	s.Lines, err = addLines(slices.Values(s.Lines), Line.key)
	return s, err
}

// by adds the lines up by what key leaves of them.
func (s Settlement) by(key func(Line) Line) []Line {
	out, _ := addLines(slices.Values(s.Lines), key) // parts of a sum that was made
	return out
}

// addLines adds lines up by key, in the order of keys. The sum of all must be in
// its range.
func addLines(lines iter.Seq[Line], key func(Line) Line) ([]Line, error) {
	sums := map[Line]*Line{}
	var all Line
	for l := range lines {
		k := key(l)
		sum := sums[k]
		if sum == nil {
			sum = new(Line)
			*sum = k
			sums[k] = sum
		}
		if err := errors.Join(sum.add(l), all.add(l)); err != nil {
			return nil, ErrSum
		}
	}
	out := make([]Line, 0, len(sums))
	for _, l := range sums {
		out = append(out, *l)
	}
	slices.SortFunc(out, compareLines)
	return out, nil
}

func compareLines(a, b Line) int {
	return cmp.Or(cmp.Compare(a.Terminal, b.Terminal), cmp.Compare(a.Place, b.Place), cmp.Compare(a.Account, b.Account))
}

// Difference is a terminal and an account for which two settlements do not
// agree.
type Difference struct {
	Terminal    string
	Account     Account
	Ours, Other Line // of all places
}

// Compare returns the terminals and accounts whose totals differ, by terminal
// and account. If there is none, both sides agree to the transaction and the
// point. Places are not compared: a shop may name its own otherwise.
func (s Settlement) Compare(other Settlement) []Difference {
	key := func(l Line) Line { return Line{Terminal: l.Terminal, Account: l.Account} }
	both := map[Line]*Difference{}
	for i, side := range [...]Settlement{s, other} {
		for _, l := range side.by(key) {
			k := l.key()
			if both[k] == nil {
				both[k] = &Difference{Terminal: k.Terminal, Account: k.Account, Ours: k, Other: k}
			}
			if i == 0 {
				both[k].Ours = l
			} else {
				both[k].Other = l
			}
		}
	}
	maps.DeleteFunc(both, func(_ Line, d *Difference) bool { return d.Ours == d.Other })
	out := make([]Difference, 0, len(both))
	for _, d := range both {
		out = append(out, *d)
	}
	slices.SortFunc(out, func(a, b Difference) int { return compareLines(a.Ours, b.Ours) })
	return out
}

// Settle adds a period up: uses and what was given back, by terminal, place and
// account. Redeemed tickets are joined by [Settlement.With]. If the period ended
// at least a minute ago, the settlement is final: every later operation is dated
// after the period, whatever the clock of the program. On PostgreSQL Settle then
// waits for the operations that are under way, at most [Config.RetryFor].
//
// The errors are a [*mykey.FormError] for a malformed period, and [ErrSum].
func (l *Ledger) Settle(ctx context.Context, period mykey.Period) (Settlement, error) {
	if err := period.Check(); err != nil {
		return Settlement{}, err
	}
	final, err := l.finish(ctx, period.To.End(), settleMargin)
	if err != nil {
		return Settlement{}, l.db.Told("settle", err)
	}
	s := Settlement{Period: period, Final: final, Training: l.cfg.Training}
	err = l.db.Read(ctx, "settle", func(ctx context.Context, tx *sqldb.Tx) error {
		accounts, err := accountsByID(ctx, tx)
		if err != nil {
			return err
		}
		var lines []Line // the function may run again
		add := func(k till) error {
			line := Line{Terminal: k.terminal, Place: k.place, Account: accounts[k.programme]}
			sum, query := &line.Uses, sumTill
			switch k.kind {
			case OpUse:
			case OpRefund:
				sum, query = &line.Refunds, sumRefunds
			default:
				return nil
			}
			err := tx.QueryRow(ctx, query, k.terminal, string(k.kind), k.place, k.programme, period.From.Start().UnixMicro(), period.To.End().UnixMicro()).
				Scan(&sum.Count, &sum.Points)
			if err == nil && sum.Count > 0 {
				lines = append(lines, line)
			}
			return err
		}
		if err := eachTill(ctx, tx, nil, add); err != nil {
			return err
		}
		s.Lines, err = addLines(slices.Values(lines), Line.key)
		return err
	})
	if err != nil {
		return Settlement{}, err
	}
	return s, nil
}

// till is what the index {operation_till} keeps together: the operations of one
// kind, at one terminal and place and of one programme.
type till struct {
	terminal  string
	kind      Op
	place     string
	programme int64
}

const (
	nextTill = `SELECT terminal, kind, place, programme FROM {operation}
		WHERE (terminal, kind, place, programme) > (?, ?, ?, ?) ORDER BY terminal, kind, place, programme LIMIT 1`
	sumTill = `SELECT count(*), CAST(coalesce(sum(points), 0) AS BIGINT) FROM {operation}
		WHERE terminal = ? AND kind = ? AND place = ? AND programme = ? AND at >= ? AND at < ? AND points > 0`
	// Tickets and merges that were taken back were no uses.
	sumRefunds = `SELECT count(*), CAST(coalesce(sum(o.points), 0) AS BIGINT) FROM {operation} o
		JOIN {operation} u ON u.holder = o.holder AND u.id = o.reverses AND u.kind = 'use'
		WHERE o.terminal = ? AND o.kind = ? AND o.place = ? AND o.programme = ? AND o.at >= ? AND o.at < ? AND o.points > 0`
)

// eachTill calls f for everything that the index keeps together, of one terminal
// if only is not nil. It steps from one to the next and reads no operation
// between: there are as many steps as terminals, kinds and accounts.
func eachTill(ctx context.Context, tx *sqldb.Tx, only *string, f func(till) error) error {
	k := till{programme: -1}
	if only != nil {
		k.terminal = *only
	}
	for {
		err := tx.QueryRow(ctx, nextTill, k.terminal, string(k.kind), k.place, k.programme).Scan(&k.terminal, &k.kind, &k.place, &k.programme)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil || only != nil && k.terminal != *only {
			return err
		}
		if err := f(k); err != nil {
			return err
		}
	}
}

func accountsByID(ctx context.Context, tx *sqldb.Tx) (map[int64]Account, error) {
	rows, err := tx.Query(ctx, "SELECT id, code FROM {programme}")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[int64]Account{}
	for rows.Next() {
		var id int64
		var a Account
		if err := rows.Scan(&id, &a); err != nil {
			return nil, err
		}
		out[id] = a
	}
	return out, rows.Err()
}

// Detail is one transaction as a settlement lists it (明細). It names no holder.
type Detail struct {
	At        time.Time
	Kind      Op // [OpUse], [OpRefund], or [OpTicket] for a ticket that was redeemed
	Terminal  string
	Place     string
	Account   Account
	Points    int64
	Operation string // see [Receipt.Operation]; of a ticket its number
	Reverses  string // of a refund: the operation of the use
}

// Detail returns the receipt as a settlement's line, so that a shop can [Tally]
// its own receipts.
func (r Receipt) Detail() Detail {
	return Detail{At: r.At, Kind: r.Kind, Terminal: r.Terminal, Place: r.Place, Account: r.Account, Points: r.Points, Operation: r.Operation}
}

// check returns what is wrong with a detail of a settlement.
func (d Detail) check() error {
	switch {
	case d.Points < 1 || d.Points > MaxPoints:
		return ErrPoints
	case d.Kind != OpUse && d.Kind != OpRefund && d.Kind != OpTicket:
		return ErrKind
	case d.Operation == "":
		return ErrNoRequest
	}
	_, err := ParseAccount(string(d.Account))
	return errors.Join(err, checkWhere(d.Terminal, d.Place))
}

// Details yields the uses of a period and what was given back of uses, by time.
// Memory does not grow with the period. An error ends the sequence. For a
// malformed period it is a [*mykey.FormError].
func (l *Ledger) Details(ctx context.Context, period mykey.Period) iter.Seq2[Detail, error] {
	if err := period.Check(); err != nil {
		return func(yield func(Detail, error) bool) { yield(Detail{}, err) }
	}
	return l.details(ctx, `(o.kind = 'use' OR o.kind = 'refund' AND u.kind = 'use')`, period.From.Start(), period.To.End())
}

func (l *Ledger) details(ctx context.Context, where string, from, to time.Time, args ...any) iter.Seq2[Detail, error] {
	return pages(ctx, l, "o.kind, o.terminal, o.place, o.points, coalesce(o.reverses, 0)", where, from, to,
		func(d *Detail) []any {
			return []any{&d.Kind, &d.Terminal, &d.Place, &d.Points, (*operationScan)(&d.Reverses)}
		}, func(d *Detail, at time.Time, operation string, account Account) {
			d.At, d.Operation, d.Account = at, operation, account
			if d.Reverses != "" && l.cfg.Training {
				d.Reverses = trained + d.Reverses
			}
		}, args...)
}

// operationScan reads the number of an operation as its text.
type operationScan string

// Scan implements [sql.Scanner].
func (o *operationScan) Scan(v any) error {
	id, ok := v.(int64)
	if !ok {
		return errors.New("the number of an operation is not of its form")
	}
	if id != 0 {
		*o = operationScan(operationText(id))
	}
	return nil
}

// pageRows is how many rows are read at a time, some 2 MB.
const pageRows = 10_000

// pages yields operations by time, page by page, so that no connection is held
// while the caller works, and memory does not grow. An operation is o, and the one
// that it reverses u.
func pages[T any](ctx context.Context, l *Ledger, columns, where string, from, to time.Time,
	dest func(*T) []any, name func(v *T, at time.Time, operation string, account Account), args ...any) iter.Seq2[T, error] {
	query := "SELECT o.at, o.holder, o.id, o.programme, " + columns + ` FROM {operation} o
		LEFT JOIN {operation} u ON u.holder = o.holder AND u.id = o.reverses
		WHERE o.points > 0 AND ` + where + ` AND o.at >= ? AND o.at < ? AND (o.at, o.holder, o.id) > (?, ?, ?) ORDER BY o.at, o.holder, o.id LIMIT ?`
	return func(yield func(T, error) bool) {
		at, holder, id := from.UnixMicro(), int64(-1), int64(0)
		var page []T
		for {
			err := l.db.Read(ctx, "details", func(ctx context.Context, tx *sqldb.Tx) error {
				page = page[:0] // the function may run again
				accounts, err := accountsByID(ctx, tx)
				if err != nil {
					return err
				}
				nextAt, nextHolder, nextID := at, holder, id
				rows, err := tx.Query(ctx, query, append(slices.Clone(args), at, to.UnixMicro(), at, holder, id, pageRows)...)
				if err != nil {
					return err
				}
				defer rows.Close()
				var v, none T
				var programme int64
				into := append([]any{&nextAt, &nextHolder, &nextID, &programme}, dest(&v)...)
				for rows.Next() {
					v = none
					if err := rows.Scan(into...); err != nil {
						return err
					}
					name(&v, instantOf(nextAt), l.operationName(nextID), accounts[programme])
					page = append(page, v)
				}
				if err := rows.Err(); err != nil {
					return err
				}
				at, holder, id = nextAt, nextHolder, nextID
				return nil
			})
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, v := range page {
				if !yield(v, nil) {
					return
				}
			}
			if len(page) < pageRows {
				return
			}
		}
	}
}

var (
	// ErrPeriod is returned by [Tally] for a detail outside the period.
	ErrPeriod = errors.New("point: outside the period")
	// ErrOrder is returned by [Tally] for details that are not in the order of
	// time.
	ErrOrder = errors.New("point: not in the order of time")
	// ErrTwice is returned by [Tally] if a transaction is listed twice.
	ErrTwice = errors.New("point: a transaction is listed twice")
)

// Tally adds details up as [Ledger.Settle] does, for the other side: a shop does
// it with its own receipts, or with the file that it was sent (see
// [CSV.ReadDetails]). Details come in the order of time. [Settlement.Compare]
// returns where two sides differ. Memory grows with the number of lines alone.
//
// For a detail Tally returns [ErrPeriod], [ErrOrder], [ErrTwice], [ErrPoints],
// [ErrKind] or a [*mykey.FormError]; it returns [ErrSum], or the sequence's
// error.
func Tally(period mykey.Period, details iter.Seq2[Detail, error]) (Settlement, error) {
	if err := period.Check(); err != nil {
		return Settlement{}, err
	}
	s := Settlement{Period: period}
	var failed error
	n := 0
	lines := func(yield func(Line) bool) {
		var last time.Time
		now := map[string]bool{} // the operations of one instant
		for d, err := range details {
			n++
			switch {
			case err != nil:
			case !period.Contains(d.At):
				err = ErrPeriod
			case d.At.Before(last):
				err = ErrOrder
			default:
				if err = d.check(); err != nil {
					break
				}
				if d.At.After(last) {
					clear(now)
				}
				if now[d.Operation] {
					err = ErrTwice
				}
				last, now[d.Operation] = d.At, true
			}
			if err != nil {
				failed = err
				return
			}
			line := Line{Terminal: d.Terminal, Place: d.Place, Account: d.Account}
			one := Total{1, d.Points}
			switch d.Kind {
			case OpUse:
				line.Uses = one
			case OpTicket:
				line.Tickets = one
			case OpRefund:
				line.Refunds = one
			}
			if !yield(line) {
				return
			}
		}
	}
	var err error
	if s.Lines, err = addLines(lines, Line.key); failed != nil {
		err = failed
	}
	if err != nil {
		return Settlement{}, fmt.Errorf("%w (detail %d)", err, n)
	}
	return s, nil
}
