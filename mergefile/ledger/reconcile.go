package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/mynakit/mynakit/mergefile"
)

// ErrOrder is returned by [Ledger.Reconcile] for a list that does not rise from
// each number to the next.
var ErrOrder = errors.New("ledger: the list is not in the rising order of its numbers, or has one twice")

// DifferenceKind is how the ledger and a list differ in a number.
type DifferenceKind uint8

const (
	// MissingHere is a number that the list has and the ledger does not have: its
	// points have not been merged.
	MissingHere DifferenceKind = 1 + iota
	// MissingThere is a number that was merged and is not in the list.
	MissingThere
	// Different is a number that was merged with other content.
	Different
)

// String returns "missing here", "missing there" or "different".
func (k DifferenceKind) String() string {
	switch k {
	case MissingHere:
		return "missing here"
	case MissingThere:
		return "missing there"
	case Different:
		return "different"
	}
	return fmt.Sprintf("no difference kind %d", uint8(k))
}

// Difference is a number in which the ledger and a list differ.
type Difference struct {
	Kind        DifferenceKind
	Transaction mergefile.Transaction
}

// pageRows is how many numbers are read at a time.
const pageRows = 1000

// Reconcile compares the numbers of a scope in the ledger with a list from the
// cloud's side, and yields the differences in the order of their numbers. Memory
// does not grow with either.
//
// The list is in rising order ([mergefile.Transaction.Compare]). A Record that has
// only its Transaction is compared by that. A Record with holder and points is
// compared in full.
//
// Reconcile compares the half-open period [from, to). If from is zero, the period
// begins where the ledger still holds every number. If to is zero, it has no end.
// What the list has outside the period is passed over.
//
// If there is an error, it is in the last pair: [ErrScope], a [*TooOldError] if the
// ledger has forgotten part of the period, [ErrOrder], the list's own error, or
// the driver's, wrapped.
func (l *Ledger) Reconcile(ctx context.Context, scope string, from, to time.Time, list iter.Seq2[mergefile.Record, error]) iter.Seq2[Difference, error] {
	return func(yield func(Difference, error) bool) {
		r := &reconciliation{l: l, yield: yield, digest: l.key.digester()}
		if err := r.run(ctx, scope, from, to, list); err != nil && !r.stopped {
			yield(Difference{}, err)
		}
	}
}

// reconciliation goes along both sides at once.
type reconciliation struct {
	l       *Ledger
	yield   func(Difference, error) bool
	stopped bool
	digest  *digester

	scope int64
	to    int64
	page  []number // what is left of the page
	after rowID    // the last number of the page
	end   bool     // there is no further page
}

func (r *reconciliation) run(ctx context.Context, name string, from, to time.Time, list iter.Seq2[mergefile.Record, error]) error {
	if err := checkScope(name); err != nil {
		return err
	}
	start, err := r.begin(ctx, name, from, to)
	if err != nil {
		return err
	}
	var last mergefile.Transaction
	for rec, err := range list {
		t := rec.Transaction
		switch {
		case err != nil:
			return err
		case last != mergefile.Transaction{} && t.Compare(last) <= 0:
			return ErrOrder
		}
		last = t
		if t.UnixMilli() < start {
			continue
		}
		if t.UnixMilli() >= r.to {
			continue // and not the end, so that the order of all is seen
		}
		n, ok, err := r.upTo(ctx, rowOf(t))
		if err != nil || r.stopped {
			return err
		}
		switch {
		case !ok:
			r.give(MissingHere, t)
		case (rec.Points != 0 || rec.Holder != mergefile.Holder{}) && r.digest.sum(&rec) != n.content:
			r.give(Different, t)
		}
		if r.stopped {
			return nil
		}
	}
	if _, _, err := r.upTo(ctx, rowID{milli: math.MaxInt64}); err != nil || r.stopped {
		return err
	}
	// What was forgotten meanwhile may have been given as missing.
	again, err := r.begin(ctx, name, from, to)
	if err == nil && again != start {
		err = &TooOldError{Forgotten: instant(again)}
	}
	return err
}

// begin finds the scope and returns the period's first millisecond.
func (r *reconciliation) begin(ctx context.Context, name string, from, to time.Time) (start int64, err error) {
	var forgotten int64
	err = r.l.db.QueryRow(ctx, "SELECT id, forgotten FROM {scope} WHERE name = ?", name).Scan(&r.scope, &forgotten)
	if errors.Is(err, sql.ErrNoRows) {
		r.end = true // nothing has ever been merged
	} else if err != nil {
		return 0, fmt.Errorf("ledger: reconcile: %w", err)
	}
	start, r.to = forgotten, math.MaxInt64
	if !from.IsZero() {
		if start = ceilMilli(from); start < forgotten {
			return 0, &TooOldError{Forgotten: instant(forgotten)}
		}
	}
	if !to.IsZero() {
		r.to = ceilMilli(to)
	}
	r.after = rowID{milli: start - 1, seq: math.MaxUint32}
	return start, nil
}

// ceilMilli returns the first whole millisecond that is not before t.
func ceilMilli(t time.Time) int64 {
	ms := t.UnixMilli()
	if time.UnixMilli(ms).Before(t) {
		ms++
	}
	return ms
}

// upTo goes along the ledger's numbers up to t, yields those before it as missing
// there, and returns t's if it is there.
func (r *reconciliation) upTo(ctx context.Context, t rowID) (number, bool, error) {
	for {
		if len(r.page) == 0 {
			if r.end {
				return number{}, false, nil
			}
			if err := r.next(ctx); err != nil {
				return number{}, false, fmt.Errorf("ledger: reconcile: %w", err)
			}
			continue
		}
		n := r.page[0]
		order := n.t.compare(t)
		if order > 0 {
			return number{}, false, nil
		}
		r.page = r.page[1:]
		if order == 0 {
			return n, true, nil
		}
		there, err := n.t.transaction()
		if err != nil {
			return number{}, false, fmt.Errorf("ledger: reconcile: %w", err)
		}
		if r.give(MissingThere, there); r.stopped {
			return number{}, false, nil
		}
	}
}

func (r *reconciliation) give(k DifferenceKind, t mergefile.Transaction) {
	r.stopped = !r.yield(Difference{k, t}, nil)
}

// next reads the next page. No connection is held between pages, so that the
// caller may take as long as it likes over a difference.
func (r *reconciliation) next(ctx context.Context) error {
	rows, err := r.l.db.Query(ctx, `SELECT at, sequence, content FROM {number}
		WHERE scope = ? AND (at, sequence) > (?, ?) AND at < ? ORDER BY at, sequence LIMIT ?`,
		r.scope, r.after.milli, int64(r.after.seq), r.to, pageRows)
	if err != nil {
		return err
	}
	defer rows.Close()
	r.page = make([]number, 0, pageRows)
	for rows.Next() {
		var n number
		if err := rows.Scan(&n.t.milli, &n.t.seq, &n.content); err != nil {
			return err
		}
		r.page = append(r.page, n)
	}
	if r.end = len(r.page) < pageRows; !r.end {
		r.after = r.page[pageRows-1].t
	}
	return rows.Err()
}
