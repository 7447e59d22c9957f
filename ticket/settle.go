package ticket

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"
)

// Detail is one redeemed ticket as the settlement lists it (明細).
type Detail struct {
	RedeemedAt time.Time
	Terminal   string // the ID of the terminal that redeemed it
	Number     Number
	Points     int64
	Until      Date // the ticket's last day
	Accepted   Date // the day the shop took it, where a grace rule was used
}

// Detail gives the ticket as a settlement's line. It is meant for a ticket
// that is Redeemed, such as a [Receipt]'s, so that a shop can [Tally] what it
// was told itself.
func (t Ticket) Detail() Detail {
	return Detail{RedeemedAt: t.EndedAt, Terminal: t.EndedBy, Number: t.Number, Points: t.Points, Until: t.Until, Accepted: t.Accepted}
}

// Total is a count of tickets and the sum of their points.
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

// TerminalTotal is what one terminal redeemed.
type TerminalTotal struct {
	Terminal string
	Total
}

// Settlement is what a period comes to (集計表): what the municipality pays
// to the shops for the points they took (精算).
type Settlement struct {
	Scope     Scope
	Period    Period
	Terminals []TerminalTotal // by terminal ID; those without redemptions are not listed
	Redeemed  Total           // over all terminals
	// Lapsed is of the tickets whose last day, with days of grace, lies in
	// the period and has gone by without redemption. Nothing is paid for
	// them. It is zero in a settlement made by Tally.
	Lapsed Total
	// Final reports whether the figures of the period can no longer change.
	Final bool
}

// Settle adds up a period of a scope. If the period ended a minute ago or
// earlier, Settle makes it final: later changes of tickets are dated after it,
// whatever the clock of the program that makes them.
//
// Settle returns [ErrScope] or [ErrPeriod] for malformed input.
func (b *Book) Settle(ctx context.Context, scope Scope, period Period) (Settlement, error) {
	if err := errors.Join(scope.Check(), period.Check()); err != nil {
		return Settlement{}, err
	}
	final, err := b.final(ctx, scope, period.To.End())
	if err != nil {
		return Settlement{}, failed("settle", err)
	}
	s, err := Tally(scope, period, b.Details(ctx, scope, period))
	if err != nil {
		return Settlement{}, err
	}
	s.Final = final
	last := Period{From: period.From.AddDays(-b.policy.GraceDays), To: period.To.AddDays(-b.policy.GraceDays)}
	for t, err := range b.Unredeemed(ctx, scope, last) {
		if err != nil {
			return Settlement{}, err
		}
		if t.State == Lapsed {
			if err := s.Lapsed.add(t.Points); err != nil {
				return Settlement{}, err
			}
		}
	}
	return s, nil
}

// Details yields what was redeemed in a period of a scope, by time and
// number. The errors are [ErrScope], [ErrPeriod], or the store's; an error
// ends the sequence.
func (b *Book) Details(ctx context.Context, scope Scope, period Period) iter.Seq2[Detail, error] {
	return func(yield func(Detail, error) bool) {
		if err := errors.Join(scope.Check(), period.Check()); err != nil {
			yield(Detail{}, err)
			return
		}
		for t, err := range b.redeemed(ctx, scope, period) {
			if err != nil {
				yield(Detail{}, failed("details", err))
				return
			}
			if !yield(t.Detail(), nil) {
				return
			}
		}
	}
}

// ErrTwice is returned by [Tally] when two details have one number.
var ErrTwice = errors.New("ticket: a ticket is listed twice")

// Tally adds details up, from whatever side: [Book.Settle] does it with the
// issuer's, and a shop with its own receipts or with the file it was sent
// (see [ReadDetails]). Two sides that list the same redemptions come to the
// same figures, and [Settlement.Compare] shows where they do not. Memory
// grows with the number of terminals, and by at most 15 MB with the tickets.
//
// The errors are [ErrScope] and [ErrPeriod]; for a detail, [ErrPeriod] when
// it lies outside the period, [ErrPoints], [ErrTerminal], [ErrNumber] or
// [ErrTwice]; or what the sequence gave.
func Tally(scope Scope, period Period, details iter.Seq2[Detail, error]) (Settlement, error) {
	if err := errors.Join(scope.Check(), period.Check()); err != nil {
		return Settlement{}, err
	}
	s := Settlement{Scope: scope, Period: period}
	byTerminal := make(map[string]*Total)
	var seen numberSet
	for d, err := range details {
		switch {
		case err != nil:
		case !period.contains(d.RedeemedAt):
			err = fmt.Errorf("%w: a redemption outside it", ErrPeriod)
		case d.Points < 1 || d.Points > MaxPoints:
			err = ErrPoints
		case !validTerminal(d.Terminal):
			err = ErrTerminal
		case d.Number.IsZero():
			err = ErrNumber
		case !seen.add(d.Number):
			err = ErrTwice
		}
		if err != nil {
			return Settlement{}, err
		}
		t := byTerminal[d.Terminal]
		if t == nil {
			t = new(Total)
			byTerminal[d.Terminal] = t
		}
		if err := errors.Join(t.add(d.Points), s.Redeemed.add(d.Points)); err != nil {
			return Settlement{}, err
		}
	}
	for id, t := range byTerminal {
		s.Terminals = append(s.Terminals, TerminalTotal{Terminal: id, Total: *t})
	}
	slices.SortFunc(s.Terminals, func(a, b TerminalTotal) int { return cmp.Compare(a.Terminal, b.Terminal) })
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

// Difference is a terminal for which two settlements do not agree.
type Difference struct {
	Terminal    string
	Ours, Other Total
}

// Compare gives the terminals whose redeemed totals differ, by terminal ID.
// None means that both sides agree to the ticket and the point.
func (s Settlement) Compare(other Settlement) []Difference {
	both := make(map[string]*Difference)
	at := func(id string) *Difference {
		if both[id] == nil {
			both[id] = &Difference{Terminal: id}
		}
		return both[id]
	}
	for _, t := range s.Terminals {
		at(t.Terminal).Ours = t.Total
	}
	for _, t := range other.Terminals {
		at(t.Terminal).Other = t.Total
	}
	var out []Difference
	for _, d := range both {
		if d.Ours != d.Other {
			out = append(out, *d)
		}
	}
	slices.SortFunc(out, func(a, b Difference) int { return cmp.Compare(a.Terminal, b.Terminal) })
	return out
}
