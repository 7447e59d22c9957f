package ticket

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"sync"
	"time"
)

// Memory is a [Store] that forgets everything when the program ends. It is
// for tests and demonstrations: a ticket is money. The zero Memory is ready
// for use, by several goroutines.
type Memory struct {
	mu     sync.Mutex
	scopes map[Scope]*memoryScope
	misses map[memoryMiss]int64
}

type memoryScope struct {
	tickets map[Number]Ticket
	orders  map[string]Number
}

type memoryMiss struct {
	subject string
	window  int64
}

func (m *Memory) scope(s Scope) *memoryScope {
	if m.scopes == nil {
		m.scopes = make(map[Scope]*memoryScope)
	}
	if m.scopes[s] == nil {
		m.scopes[s] = &memoryScope{tickets: make(map[Number]Ticket), orders: make(map[string]Number)}
	}
	return m.scopes[s]
}

// Issue implements [Store].
func (m *Memory) Issue(ctx context.Context, d Drafts) (Batch, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return Batch{}, err
	}
	s := m.scope(d.Scope)
	// Nothing is stored before all is known to fit.
	out := Batch{Tickets: slices.Clone(d.Tickets)}
	numbers := make(map[Number]bool)
	orders := make(map[string]Number)
	for i := range out.Tickets {
		t := &out.Tickets[i]
		if n, ok := s.orders[t.OrderKey]; ok {
			if err := d.Same(i, s.tickets[n]); err != nil {
				return Batch{}, err
			}
			*t = s.tickets[n]
			continue
		}
		n, redraws, err := s.free(d.Room.Draw, numbers)
		out.Redraws += redraws
		if err != nil {
			return Batch{}, s.full(d.Scope, d.Room.Limit)
		}
		t.Number = n
		numbers[n] = true
		if t.OrderKey != "" {
			orders[t.OrderKey] = n
		}
		out.New++
	}
	out.Taken = int64(len(s.tickets) + out.New)
	if out.New > 0 && out.Taken > d.Room.Limit {
		return Batch{}, s.full(d.Scope, d.Room.Limit)
	}
	for _, t := range out.Tickets {
		if numbers[t.Number] {
			s.tickets[t.Number] = t
		}
	}
	for key, n := range orders {
		s.orders[key] = n
	}
	return out, nil
}

// free draws a number that neither the scope nor also holds.
func (s *memoryScope) free(draw func() Number, also map[Number]bool) (n Number, redraws int, err error) {
	for redraws = range maxRounds {
		n = draw()
		if _, taken := s.tickets[n]; !taken && !also[n] {
			return n, redraws, nil
		}
	}
	return Number{}, redraws, ErrFull
}

func (s *memoryScope) full(scope Scope, limit int64) error {
	return &FullError{Scope: scope, Taken: int64(len(s.tickets)), Limit: limit}
}

// Find implements [Store].
func (m *Memory) Find(ctx context.Context, scope Scope, n Number) (Ticket, error) {
	return m.Change(ctx, scope, n, func(t Ticket) (Ticket, error) { return t, nil })
}

// Change implements [Store].
func (m *Memory) Change(ctx context.Context, scope Scope, n Number, decide func(Ticket) (Ticket, error)) (Ticket, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return Ticket{}, err
	}
	s := m.scope(scope)
	t, ok := s.tickets[n]
	if !ok {
		return Ticket{}, ErrNotFound
	}
	next, err := decide(t)
	if err != nil {
		return t, err
	}
	s.tickets[n] = next
	return next, nil
}

// Replace implements [Store].
func (m *Memory) Replace(ctx context.Context, scope Scope, n Number, room Room, decide func(Ticket) (old, next Ticket, err error)) (Ticket, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return Ticket{}, err
	}
	s := m.scope(scope)
	t, ok := s.tickets[n]
	if !ok {
		return Ticket{}, ErrNotFound
	}
	old, next, err := decide(t)
	if err != nil {
		return t, err
	}
	if _, taken := s.orders[next.OrderKey]; taken {
		return t, ErrConflict
	}
	fresh, _, err := s.free(room.Draw, nil)
	if err != nil || int64(len(s.tickets)) >= room.Limit {
		return t, s.full(scope, room.Limit)
	}
	next.Number = fresh
	old.ReplacedBy = fresh
	s.tickets[n] = old
	s.tickets[fresh] = next
	if next.OrderKey != "" {
		s.orders[next.OrderKey] = fresh
	}
	return next, nil
}

// Unredeemed implements [Store].
func (m *Memory) Unredeemed(ctx context.Context, scope Scope, until Period) iter.Seq2[Ticket, error] {
	return m.list(ctx, scope, func(t Ticket) bool {
		return t.State == Issued && t.Until.Compare(until.From) >= 0 && t.Until.Compare(until.To) <= 0
	}, func(a, b Ticket) int {
		return cmp.Or(a.Until.Compare(b.Until), a.Number.Compare(b.Number))
	})
}

// Redeemed implements [Store].
func (m *Memory) Redeemed(ctx context.Context, scope Scope, from, to time.Time) iter.Seq2[Ticket, error] {
	return m.list(ctx, scope, func(t Ticket) bool {
		return t.State == Redeemed && !t.EndedAt.Before(from) && t.EndedAt.Before(to)
	}, func(a, b Ticket) int {
		return cmp.Or(a.EndedAt.Compare(b.EndedAt), a.Number.Compare(b.Number))
	})
}

// list yields the tickets that keep keeps, as they are when it starts.
func (m *Memory) list(ctx context.Context, scope Scope, keep func(Ticket) bool, order func(a, b Ticket) int) iter.Seq2[Ticket, error] {
	return func(yield func(Ticket, error) bool) {
		m.mu.Lock()
		var kept []Ticket
		for _, t := range m.scope(scope).tickets {
			if keep(t) {
				kept = append(kept, t)
			}
		}
		m.mu.Unlock()
		slices.SortFunc(kept, order)
		for _, t := range kept {
			if err := ctx.Err(); err != nil {
				yield(Ticket{}, err)
				return
			}
			if !yield(t, nil) {
				return
			}
		}
	}
}

// Misses implements [Store].
func (m *Memory) Misses(ctx context.Context, subjects []string, window int64) ([]int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]int64, len(subjects))
	for i, s := range subjects {
		out[i] = m.misses[memoryMiss{s, window}]
	}
	return out, ctx.Err()
}

// Miss implements [Store].
func (m *Memory) Miss(ctx context.Context, subjects []string, window int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.misses == nil {
		m.misses = make(map[memoryMiss]int64)
	}
	for k := range m.misses {
		if k.window < window-1 {
			delete(m.misses, k)
		}
	}
	for _, s := range subjects {
		m.misses[memoryMiss{s, window}]++
	}
	return nil
}
