package ticket

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

// A Detail is one redeemed ticket as the settlement lists it (明細).
type Detail struct {
	RedeemedAt time.Time
	Terminal   string // the ID of the terminal that redeemed it
	Place      string // the terminal's 端末設置場所 at that time
	Account    string // whose points the ticket was made of
	Number     Number
	Points     int64
	Until      Date // the ticket's last day
	Accepted   Date // the day the shop took it, if a grace rule was used
}

// Detail returns the ticket as a settlement's line. It is meant for a redeemed
// ticket, such as a [Receipt]'s, so that a shop can [Tally] its own receipts.
func (t Ticket) Detail() Detail {
	return Detail{RedeemedAt: t.EndedAt, Terminal: t.EndedBy, Place: t.EndedAtPlace, Account: t.Account,
		Number: t.Number, Points: t.Points, Until: t.Until, Accepted: t.Accepted}
}

// A Total is a number of tickets and the sum of their points.
type Total struct {
	Tickets int64
	Points  int64
}

// Add returns the sum of two totals, such as those of two scopes. It returns
// [ErrSum] if a sum leaves 64 bits.
func (t Total) Add(other Total) (Total, error) {
	sum := Total{Tickets: t.Tickets + other.Tickets, Points: t.Points + other.Points}
	if sum.Tickets < t.Tickets != (other.Tickets < 0) || sum.Points < t.Points != (other.Points < 0) {
		return t, ErrSum
	}
	return sum, nil
}

// add adds one ticket.
func (t *Total) add(points int64) (err error) {
	*t, err = t.Add(Total{Tickets: 1, Points: points})
	return err
}

// A Line is what one terminal redeemed at one place of the tickets of one
// account.
type Line struct {
	Terminal string
	Place    string
	Account  string
	Total
}

// A TerminalTotal is what one terminal redeemed.
type TerminalTotal struct {
	Terminal string
	Total
}

// A PlaceTotal is what was redeemed at one place, by all its terminals.
type PlaceTotal struct {
	Place string
	Total
}

// An AccountTotal is what was redeemed of the tickets of one account.
type AccountTotal struct {
	Account string
	Total
}

// A Settlement is the result of a period (集計表): what is paid to the shops
// for the points they took (精算).
type Settlement struct {
	Scope    Scope
	Period   Period
	Lines    []Line // by terminal, place and account; those without redemptions are not listed
	Redeemed Total  // the sum of the lines
	// Lapsed is the total of the tickets whose last day, with days of grace,
	// lies in the period and has gone by without redemption. Nothing is paid
	// for them. It is zero in a settlement made by Tally.
	Lapsed Total
	// Final reports whether the figures of the period can no longer change.
	Final bool
}

// Terminals returns the totals by terminal.
func (s Settlement) Terminals() (out []TerminalTotal) {
	for id, t := range s.by(func(l Line) string { return l.Terminal }) {
		out = append(out, TerminalTotal{id, t})
	}
	return out
}

// Places returns the totals by place (端末設置場所). Terminals without a place
// share the line of the empty place.
func (s Settlement) Places() (out []PlaceTotal) {
	for place, t := range s.by(func(l Line) string { return l.Place }) {
		out = append(out, PlaceTotal{place, t})
	}
	return out
}

// Accounts returns the totals by account, so that it is known who pays.
func (s Settlement) Accounts() (out []AccountTotal) {
	for account, t := range s.by(func(l Line) string { return l.Account }) {
		out = append(out, AccountTotal{account, t})
	}
	return out
}

// Only returns the part of the settlement whose lines keep accepts, such as
// those of one place. Its Lapsed is zero.
func (s Settlement) Only(keep func(Line) bool) Settlement {
	out := Settlement{Scope: s.Scope, Period: s.Period, Final: s.Final}
	for _, l := range s.Lines {
		if keep(l) {
			out.Lines = append(out.Lines, l)
			out.Redeemed, _ = out.Redeemed.Add(l.Total) // a part of a sum that was made
		}
	}
	return out
}

// by adds the lines up by a key, and yields the totals by key.
func (s Settlement) by(key func(Line) string) iter.Seq2[string, Total] {
	sums := make(map[string]Total)
	for _, l := range s.Lines {
		sums[key(l)], _ = sums[key(l)].Add(l.Total) // a part of a sum that was made
	}
	return func(yield func(string, Total) bool) {
		for _, k := range slices.Sorted(maps.Keys(sums)) {
			if !yield(k, sums[k]) {
				return
			}
		}
	}
}

// Settle adds up a period of a scope. If the period ended at least a minute ago,
// the settlement is final: every later change of a ticket is dated after the
// period, whatever the clock of the program.
//
// Settle returns [ErrScope] or [ErrPeriod] for malformed input.
func (b *Book) Settle(ctx context.Context, scope Scope, period Period) (Settlement, error) {
	if err := errors.Join(scope.Check(), checkPeriod(period)); err != nil {
		return Settlement{}, err
	}
	final, err := b.final(ctx, scope, period.To.End())
	if err != nil {
		return Settlement{}, domain.Told("settle", err)
	}
	s := Settlement{Scope: scope, Period: period, Final: final}
	err = b.db.Read(ctx, "settle", func(ctx context.Context, tx *sqldb.Tx) (err error) {
		s.Lines, s.Redeemed, err = addUp(ctx, tx.Queries, scope, period.From.Start(), period.To.End())
		if err == nil {
			s.Lapsed, err = b.lapsed(ctx, tx.Queries, scope, period)
		}
		return err
	})
	if err != nil {
		return Settlement{}, err
	}
	return s, nil
}

// Between returns the lines of what was redeemed in a scope from one instant up
// to but not including another, by terminal, place and account. With the times
// of two closings of a till it is the till's account (レジ締め), whatever its
// business day is.
//
// Between returns [ErrScope] for a malformed scope, and [ErrPeriod] if to is
// before from.
func (b *Book) Between(ctx context.Context, scope Scope, from, to time.Time) ([]Line, error) {
	if err := scope.Check(); err != nil {
		return nil, err
	}
	if to.Before(from) {
		return nil, ErrPeriod
	}
	var lines []Line
	err := b.db.Read(ctx, "add up", func(ctx context.Context, tx *sqldb.Tx) (err error) {
		lines, _, err = addUp(ctx, tx.Queries, scope, from, to)
		return err
	})
	return lines, err
}

// sums are the columns of a total, and the number of rows that cannot be added
// up: a damaged database gives no sum that overflows.
const sums = `count(*), CAST(coalesce(sum(CASE WHEN points <= 99999999 THEN points ELSE 0 END), 0) AS BIGINT),
	CAST(coalesce(sum(CASE WHEN points BETWEEN 1 AND 99999999 THEN 0 ELSE 1 END), 0) AS BIGINT)`

// redeemedIn are the redeemed tickets of a scope and a span of time.
const redeemedIn = "scope = ? AND state = 2 AND ended_at >= ? AND ended_at < ?"

// addUp adds up what was redeemed, all of it in the database: a year is not
// carried through the program. It steps from one terminal, place and account to
// the next, by the index in which each lies together, and reads what is of the
// span alone: nothing has to be sorted.
func addUp(ctx context.Context, q sqldb.Queries, scope Scope, from, to time.Time) (lines []Line, sum Total, err error) {
	totals := make(map[Line]Total) // by lines without totals
	add := func(l Line, t Total, bad int64) (err error) {
		if bad != 0 {
			return answer{ErrPoints}
		}
		if sum, err = sum.Add(t); err != nil {
			return answer{err}
		}
		totals[l], _ = totals[l].Add(t) // a part of a sum that was made
		return nil
	}
	var l Line
	for first := ">="; ; first = ">" {
		err := q.QueryRow(ctx, `SELECT ended_by, place, account FROM {ticket} WHERE scope = ? AND state = 2 AND place IS NOT NULL AND account IS NOT NULL
			AND (ended_by, place, account) `+first+` (?, ?, ?) ORDER BY ended_by, place, account LIMIT 1`,
			string(scope), l.Terminal, l.Place, l.Account).Scan(&l.Terminal, &l.Place, &l.Account)
		if errors.Is(err, sql.ErrNoRows) {
			break
		}
		var t Total
		var bad int64
		if err == nil {
			err = q.QueryRow(ctx, `SELECT `+sums+` FROM {ticket} WHERE `+redeemedIn+` AND place IS NOT NULL AND account IS NOT NULL
				AND ended_by = ? AND place = ? AND account = ?`,
				string(scope), from.UnixMicro(), to.UnixMicro(), l.Terminal, l.Place, l.Account).Scan(&t.Tickets, &t.Points, &bad)
		}
		if err == nil && t.Tickets > 0 {
			err = add(l, t, bad)
		}
		if err != nil {
			return nil, Total{}, err
		}
	}
	rows, err := q.Query(ctx, `SELECT coalesce(ended_by, ''), coalesce(place, ''), coalesce(account, ''), `+sums+` FROM {ticket}
		WHERE `+redeemedIn+` AND (place IS NULL OR account IS NULL) GROUP BY 1, 2, 3`, string(scope), from.UnixMicro(), to.UnixMicro())
	if err != nil {
		return nil, Total{}, err
	}
	defer rows.Close()
	for rows.Next() {
		var l Line
		var t Total
		var bad int64
		err := rows.Scan(&l.Terminal, &l.Place, &l.Account, &t.Tickets, &t.Points, &bad)
		if err == nil {
			err = add(l, t, bad)
		}
		if err != nil {
			return nil, Total{}, err
		}
	}
	for l, t := range totals {
		l.Total = t
		lines = append(lines, l)
	}
	sortLines(lines)
	return lines, sum, errors.Join(rows.Err(), rows.Close())
}

func sortLines(lines []Line) {
	slices.SortFunc(lines, func(a, b Line) int {
		return cmp.Or(cmp.Compare(a.Terminal, b.Terminal), cmp.Compare(a.Place, b.Place), cmp.Compare(a.Account, b.Account))
	})
}

// lapsed adds up the tickets whose last day of grace lies in the period and is
// over.
func (b *Book) lapsed(ctx context.Context, q sqldb.Queries, scope Scope, period Period) (t Total, err error) {
	m, err := b.moment(ctx, q, scope)
	if err != nil {
		return Total{}, err
	}
	last := period.To
	if yesterday := mykey.DateOf(m.date()).AddDays(-1); yesterday.Compare(last) < 0 {
		last = yesterday
	}
	grace := -b.policy.GraceDays
	var bad int64
	err = q.QueryRow(ctx, "SELECT "+sums+" FROM {ticket} WHERE scope = ? AND state = 1 AND until >= ? AND until <= ?",
		string(scope), dayNumber(period.From.AddDays(grace)), dayNumber(last.AddDays(grace))).Scan(&t.Tickets, &t.Points, &bad)
	if err == nil && bad != 0 {
		err = answer{ErrPoints}
	}
	return t, err
}

// Details yields what was redeemed in a period of a scope, by time and number.
// It yields [ErrScope] or [ErrPeriod] for malformed input. An error ends the
// sequence.
func (b *Book) Details(ctx context.Context, scope Scope, period Period) iter.Seq2[Detail, error] {
	return func(yield func(Detail, error) bool) {
		if err := errors.Join(scope.Check(), checkPeriod(period)); err != nil {
			yield(Detail{}, err)
			return
		}
		for t, err := range b.redeemed(ctx, scope, period) {
			if err != nil {
				yield(Detail{}, domain.Told("details", err))
				return
			}
			if !yield(t.Detail(), nil) {
				return
			}
		}
	}
}

// ErrTwice is returned by [Tally] if two details have the same number.
var ErrTwice = errors.New("ticket: a ticket is listed twice")

// Tally adds details up, as [Book.Settle] does with the issuer's. A shop does
// it with its own receipts or with the file it was sent (see
// [CSV.ReadDetails]). Two sides that list the same redemptions have the same
// figures, and [Settlement.Compare] returns where they differ. Memory grows
// with the number of lines, and by at most 15 MB with the tickets.
//
// Tally returns [ErrScope] or [ErrPeriod] for malformed input. For a detail it
// returns [ErrPeriod] if it lies outside the period, [ErrPoints],
// [ErrTerminal], [ErrAccount], [ErrNumber] or [ErrTwice], or the sequence's
// error.
func Tally(scope Scope, period Period, details iter.Seq2[Detail, error]) (Settlement, error) {
	if err := errors.Join(scope.Check(), checkPeriod(period)); err != nil {
		return Settlement{}, err
	}
	s := Settlement{Scope: scope, Period: period}
	lines := make(map[Line]*Total) // by lines without totals
	var seen numberSet
	for d, err := range details {
		switch {
		case err != nil:
		case !period.Contains(d.RedeemedAt):
			err = fmt.Errorf("%w: a redemption outside it", ErrPeriod)
		case d.Points < 1 || d.Points > MaxPoints:
			err = ErrPoints
		case !validTerminal(d.Terminal) || !validText(d.Place, MaxPlace):
			err = ErrTerminal
		case !validAccount(d.Account):
			err = ErrAccount
		case d.Number.IsZero():
			err = ErrNumber
		case !seen.add(d.Number):
			err = ErrTwice
		}
		if err != nil {
			return Settlement{}, err
		}
		line := Line{Terminal: d.Terminal, Place: d.Place, Account: d.Account}
		t := lines[line]
		if t == nil {
			t = new(Total)
			lines[line] = t
		}
		if err := errors.Join(t.add(d.Points), s.Redeemed.add(d.Points)); err != nil {
			return Settlement{}, err
		}
	}
	for line, t := range lines {
		line.Total = *t
		s.Lines = append(s.Lines, line)
	}
	sortLines(s.Lines)
	return s, nil
}

// numberSet is a set of numbers of at most one bit for each there is.
type numberSet map[uint32]*[64]uint64

// add puts n into the set and reports whether it was new.
func (s *numberSet) add(n Number) bool {
	if *s == nil {
		*s = make(numberSet)
	}
	v := n.reveal()
	block := (*s)[v>>12]
	if block == nil {
		block = new([64]uint64)
		(*s)[v>>12] = block
	}
	word, bit := v>>6&63, uint64(1)<<(v&63)
	if block[word]&bit != 0 {
		return false
	}
	block[word] |= bit
	return true
}

// A Difference is a terminal and an account for which two settlements do not
// agree.
type Difference struct {
	Terminal    string
	Account     string
	Ours, Other Total
}

// Compare returns the terminals and accounts whose redeemed totals differ, by
// terminal and account. If there is none, both sides agree to the ticket and
// the point. Places are not compared: a shop may name its own otherwise.
func (s Settlement) Compare(other Settlement) []Difference {
	type key struct{ terminal, account string }
	both := make(map[key]*Difference)
	at := func(l Line) *Difference {
		k := key{l.Terminal, l.Account}
		if both[k] == nil {
			both[k] = &Difference{Terminal: l.Terminal, Account: l.Account}
		}
		return both[k]
	}
	for _, l := range s.Lines {
		d := at(l)
		d.Ours, _ = d.Ours.Add(l.Total) // a part of a sum that was made
	}
	for _, l := range other.Lines {
		d := at(l)
		d.Other, _ = d.Other.Add(l.Total)
	}
	var out []Difference
	for _, d := range both {
		if d.Ours != d.Other {
			out = append(out, *d)
		}
	}
	slices.SortFunc(out, func(a, b Difference) int {
		return cmp.Or(cmp.Compare(a.Terminal, b.Terminal), cmp.Compare(a.Account, b.Account))
	})
	return out
}
