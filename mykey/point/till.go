package point

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/mynakit/mynakit/internal/sqldb"
)

// KindTotal is what one terminal did of one kind.
type KindTotal struct {
	Kind Op
	Total
}

// TillClosing is the account of one terminal from one closing to the next
// (レジ締め).
type TillClosing struct {
	Terminal string
	From, To time.Time   // To is not included
	Kinds    []KindTotal // by kind; operations of no point are left out
	Final    bool        // whether the figures can no longer change
	Training bool
}

// CloseTill adds up what a terminal did from the instant of its last closing up
// to but not including that of this one, as the till says: a business day may
// end after midnight. If to is not to come, the account is final, and what the
// terminal does from now on belongs to the next one. On PostgreSQL CloseTill
// then waits for the operations that are under way, at most [Config.RetryFor].
//
// The errors are [ErrPeriod] if to is not after from, and [ErrSum].
func (l *Ledger) CloseTill(ctx context.Context, terminal string, from, to time.Time) (TillClosing, error) {
	if !from.Before(to) {
		return TillClosing{}, ErrPeriod
	}
	final, err := l.finish(ctx, to, 0)
	if err != nil {
		return TillClosing{}, l.db.Told("close a till", err)
	}
	c := TillClosing{Terminal: terminal, From: from, To: to, Final: final, Training: l.cfg.Training}
	err = l.db.Read(ctx, "close a till", func(ctx context.Context, tx *sqldb.Tx) error {
		sums := map[Op]*Total{} // the function may run again
		err := eachTill(ctx, tx, &terminal, func(k till) error {
			var t Total
			err := tx.QueryRow(ctx, sumTill, k.terminal, string(k.kind), k.place, k.programme, from.UnixMicro(), to.UnixMicro()).Scan(&t.Count, &t.Points)
			if err != nil || t.Count == 0 {
				return err
			}
			if sums[k.kind] == nil {
				sums[k.kind] = &Total{}
			}
			return sums[k.kind].add(t)
		})
		c.Kinds = kindTotals(sums)
		return err
	})
	if err != nil {
		return TillClosing{}, err
	}
	return c, nil
}

func kindTotals(sums map[Op]*Total) (out []KindTotal) {
	for _, k := range slices.Sorted(maps.Keys(sums)) {
		out = append(out, KindTotal{k, *sums[k]})
	}
	return out
}

// TillDetails yields what a terminal did from one instant up to but not
// including another, of every kind, by time. Memory does not grow with it. An
// error ends the sequence.
func (l *Ledger) TillDetails(ctx context.Context, terminal string, from, to time.Time) iter.Seq2[Detail, error] {
	return l.details(ctx, "o.terminal = ?", from, to, terminal)
}

// TillList adds up a till's own list of receipts, to be compared with the
// ledger's account of it. Receipts of other terminals and times, void ones and
// those of no point are left out, and one that is there twice counts once. The
// error is [ErrSum].
func TillList(terminal string, from, to time.Time, receipts iter.Seq[Receipt]) (TillClosing, error) {
	c := TillClosing{Terminal: terminal, From: from, To: to}
	sums := map[Op]*Total{}
	seen := map[string]bool{}
	for r := range receipts {
		if r.Terminal != terminal || r.At.Before(from) || !r.At.Before(to) || r.Void || r.Points == 0 || seen[r.Operation] {
			continue
		}
		seen[r.Operation] = true
		if sums[r.Kind] == nil {
			sums[r.Kind] = &Total{}
		}
		if err := sums[r.Kind].add(Total{1, r.Points}); err != nil {
			return TillClosing{}, err
		}
	}
	c.Kinds = kindTotals(sums)
	return c, nil
}

// KindDifference is a kind of which two accounts of a till do not agree.
type KindDifference struct {
	Kind        Op
	Ours, Other Total
}

// Compare returns the kinds whose totals differ. [CompareDetails] finds the
// transactions behind a difference.
func (c TillClosing) Compare(other TillClosing) []KindDifference {
	both := map[Op]*KindDifference{}
	at := func(k Op) *KindDifference {
		if both[k] == nil {
			both[k] = &KindDifference{Kind: k}
		}
		return both[k]
	}
	for _, k := range c.Kinds {
		at(k.Kind).Ours = k.Total
	}
	for _, k := range other.Kinds {
		at(k.Kind).Other = k.Total
	}
	var out []KindDifference
	for _, k := range slices.Sorted(maps.Keys(both)) {
		if d := *both[k]; d.Ours != d.Other {
			out = append(out, d)
		}
	}
	return out
}

// DetailDifference is a transaction that two lists do not have alike. The zero
// Detail stands for one that a list does not have.
type DetailDifference struct {
	Ours, Other Detail
}

// CompareDetails returns the transactions that are in one of two lists alone, or
// differ in kind, terminal, account, points or second, by time. Places are not
// compared. Memory grows with the lists: compare a day of a till, or the line of
// a settlement, and not a city's year. The error is that of a sequence.
func CompareDetails(ours, other iter.Seq2[Detail, error]) ([]DetailDifference, error) {
	both := map[string]*DetailDifference{}
	for i, side := range [...]iter.Seq2[Detail, error]{ours, other} {
		for d, err := range side {
			if err != nil {
				return nil, err
			}
			if both[d.Operation] == nil {
				both[d.Operation] = &DetailDifference{}
			}
			if i == 0 {
				both[d.Operation].Ours = d
			} else {
				both[d.Operation].Other = d
			}
		}
	}
	var out []DetailDifference
	for _, d := range both {
		a, b := d.Ours, d.Other
		if a.Kind != b.Kind || a.Terminal != b.Terminal || a.Account != b.Account || a.Points != b.Points || a.At.Unix() != b.At.Unix() {
			out = append(out, *d)
		}
	}
	when := func(d DetailDifference) Detail {
		if d.Ours.Operation == "" {
			return d.Other
		}
		return d.Ours
	}
	slices.SortFunc(out, func(a, b DetailDifference) int {
		return cmp.Or(when(a).At.Compare(when(b).At), cmp.Compare(when(a).Operation, when(b).Operation))
	})
	return out, nil
}
