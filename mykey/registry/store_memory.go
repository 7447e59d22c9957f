package registry

import (
	"cmp"
	"context"
	"github.com/mynakit/mynakit/mykey"
	"slices"
	"sync"
	"time"
)

// NewMemory gives an empty store in memory. It keeps nothing when the program
// ends: it is for tests, demonstrations, and tools that load a table, use it
// and are done. It is safe for use by several goroutines.
func NewMemory() Store {
	return &memory{
		ids:       map[mykey.ID]memID{},
		cards:     map[string]cardRow{},
		persons:   map[int64]mykey.ID{},
		byID:      map[mykey.ID]int64{},
		certs:     map[string]bindingRow{},
		certsOf:   map[int64][]string{},
		servicesM: map[memService]mykey.CustomerID{},
		customers: map[mykey.ServiceID]int64{},
		ppidsM:    map[memService]mykey.PPID{},
		byPPID:    map[mykey.PPID]int64{},
		notices:   map[int64]noticeRow{},
		signs:     map[string]int64{},
		payments:  map[int64]PaymentLink{},
		byPayment: map[memPayment]bool{},
		kept:      map[string]PaymentLink{},
		settings:  map[string]string{},
	}
}

type (
	memID struct {
		state   idState
		claimer string
		at      time.Time
	}
	memService struct {
		person   int64
		operator mykey.OperatorID
	}
	memPayment struct{ service, id string }
)

// memory holds each table as a map, and each further unique constraint as
// another.
type memory struct {
	mu   sync.RWMutex
	undo []func() // how to take back the running transaction, in order

	ids       map[mykey.ID]memID
	cards     map[string]cardRow
	last      int64
	persons   map[int64]mykey.ID
	byID      map[mykey.ID]int64
	certs     map[string]bindingRow
	certsOf   map[int64][]string
	servicesM map[memService]mykey.CustomerID
	customers map[mykey.ServiceID]int64
	ppidsM    map[memService]mykey.PPID
	byPPID    map[mykey.PPID]int64
	notices   map[int64]noticeRow
	signs     map[string]int64
	payments  map[int64]PaymentLink
	byPayment map[memPayment]bool    // taken, also when the person is gone
	kept      map[string]PaymentLink // by certificate, after the person is gone
	settings  map[string]string
}

// set writes a row so that a failed transaction can take it back.
func set[K comparable, V any](m *memory, table map[K]V, k K, v V) {
	m.remember(undoOf(table, k))
	table[k] = v
}

func unset[K comparable, V any](m *memory, table map[K]V, k K) {
	m.remember(undoOf(table, k))
	delete(table, k)
}

func undoOf[K comparable, V any](table map[K]V, k K) func() {
	old, had := table[k]
	return func() {
		if had {
			table[k] = old
		} else {
			delete(table, k)
		}
	}
}

func (m *memory) remember(f func()) { m.undo = append(m.undo, f) }

func (m *memory) update(ctx context.Context, fn func(context.Context, tx) error) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	done := false
	defer func() {
		if !done { // an error, or a panic on its way up
			for _, f := range slices.Backward(m.undo) {
				f()
			}
		}
		clear(m.undo)
		m.undo = m.undo[:0]
	}()
	if err := fn(ctx, m); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	done = true
	return nil
}

func (m *memory) view(ctx context.Context, fn func(context.Context, tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	return fn(ctx, m)
}

func (m *memory) holder(ctx context.Context, stored string) (holderRow, bool, error) {
	if err := ctx.Err(); err != nil {
		return holderRow{}, false, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	row, ok := m.holderRow(stored)
	return row, ok, nil
}

func (m *memory) holderRow(stored string) (holderRow, bool) {
	b, ok := m.certs[stored]
	if !ok {
		return holderRow{}, false
	}
	return holderRow{person: b.person, id: m.persons[b.person], notAfter: b.notAfter, superseded: !b.inForce()}, true
}

func (m *memory) customer(ctx context.Context, stored string, op mykey.OperatorID) (mykey.CustomerID, holderRow, bool, error) {
	if err := ctx.Err(); err != nil {
		return mykey.CustomerID{}, holderRow{}, false, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	row, ok := m.holderRow(stored)
	return m.servicesM[memService{row.person, op}], row, ok, nil
}

func (m *memory) setting(ctx context.Context, name, value string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if v, ok := m.settings[name]; ok {
		return v, nil
	}
	m.settings[name] = value
	return value, nil
}

func (m *memory) lockCard(ctx context.Context, stored string) (cardRow, error) {
	return m.card(ctx, stored)
}

func (m *memory) card(_ context.Context, stored string) (cardRow, error) {
	return m.cards[stored], nil
}

func (m *memory) putCard(_ context.Context, stored string, c cardRow) error {
	set(m, m.cards, stored, c)
	return nil
}

func (m *memory) claimID(_ context.Context, id mykey.ID, stored string, now, stale time.Time) (bool, error) {
	old := m.ids[id]
	free := old.state == idFree || old.state == idReserved && (old.claimer == stored || old.at.Before(stale))
	if free {
		set(m, m.ids, id, memID{idReserved, stored, now})
	}
	return free, nil
}

func (m *memory) releaseID(_ context.Context, id mykey.ID, stored string) error {
	if old := m.ids[id]; old.state == idReserved && old.claimer == stored {
		unset(m, m.ids, id)
	}
	return nil
}

func (m *memory) activateID(_ context.Context, id mykey.ID, stored string, now time.Time) (bool, error) {
	old := m.ids[id]
	if old.state != idReserved || old.claimer != stored {
		return false, nil
	}
	set(m, m.ids, id, memID{state: idActive, at: now})
	return true, nil
}

func (m *memory) retireID(_ context.Context, id mykey.ID, to idState, now time.Time) error {
	if m.ids[id].state == idActive {
		set(m, m.ids, id, memID{state: to, at: now})
	}
	return nil
}

func (m *memory) idState(_ context.Context, id mykey.ID) (idState, error) {
	return m.ids[id].state, nil
}

func (m *memory) addPerson(_ context.Context, id mykey.ID, _ time.Time) (int64, error) {
	m.last++ // never taken back: a gap does no harm
	set(m, m.persons, m.last, id)
	set(m, m.byID, id, m.last)
	return m.last, nil
}

func (m *memory) lockPerson(_ context.Context, person int64) (mykey.ID, bool, error) {
	id, ok := m.persons[person]
	return id, ok, nil
}

func (m *memory) setPersonID(_ context.Context, person int64, id mykey.ID) error {
	unset(m, m.byID, m.persons[person])
	set(m, m.persons, person, id)
	set(m, m.byID, id, person)
	return nil
}

func (m *memory) removePerson(_ context.Context, person int64) error {
	for _, stored := range m.certsOf[person] {
		unset(m, m.certs, stored)
	}
	unset(m, m.certsOf, person)
	for _, s := range m.servicesOf(person) {
		m.dropService(person, s)
	}
	for _, p := range m.ppidsOf(person) {
		unset(m, m.ppidsM, memService{person, p.Operator()})
		unset(m, m.byPPID, p)
	}
	if n, ok := m.notices[person]; ok {
		unset(m, m.signs, n.stored)
		unset(m, m.notices, person)
	}
	unset(m, m.payments, person)
	unset(m, m.byID, m.persons[person])
	unset(m, m.persons, person)
	return nil
}

func (m *memory) find(_ context.Context, key mykey.Key) (int64, mykey.ID, error) {
	var person int64
	switch k := key.(type) {
	case mykey.ID:
		person = m.byID[k]
	case mykey.ServiceID:
		person = m.customers[k]
	case mykey.PPID:
		person = m.byPPID[k]
	}
	return person, m.persons[person], nil
}

func (m *memory) binding(_ context.Context, stored string) (bindingRow, bool, error) {
	b, ok := m.certs[stored]
	return b, ok, nil
}

func (m *memory) bindings(_ context.Context, person int64) ([]bindingRow, error) {
	var out []bindingRow
	for _, stored := range m.certsOf[person] {
		if b := m.certs[stored]; b.inForce() {
			out = append(out, b)
		}
	}
	slices.SortFunc(out, func(a, b bindingRow) int { return cmp.Compare(a.device, b.device) })
	return out, nil
}

func (m *memory) addBinding(_ context.Context, b bindingRow) (bool, error) {
	if _, taken := m.certs[b.stored]; taken {
		return false, nil
	}
	for _, stored := range m.certsOf[b.person] {
		if c := m.certs[stored]; c.inForce() && c.device == b.device {
			return false, nil
		}
	}
	set(m, m.certs, b.stored, b)
	// A new slice: the undo keeps the old one.
	set(m, m.certsOf, b.person, append(slices.Clone(m.certsOf[b.person]), b.stored))
	return true, nil
}

func (m *memory) refreshBinding(_ context.Context, stored string, notAfter time.Time) error {
	if b, ok := m.certs[stored]; ok {
		b.notAfter = notAfter
		set(m, m.certs, stored, b)
	}
	return nil
}

func (m *memory) supersede(_ context.Context, stored string, now time.Time) (bool, error) {
	b, ok := m.certs[stored]
	if !ok || !b.inForce() {
		return false, nil
	}
	b.superseded = now
	set(m, m.certs, stored, b)
	return true, nil
}

func (m *memory) services(_ context.Context, person int64) ([]mykey.ServiceID, error) {
	return m.servicesOf(person), nil
}

// servicesOf looks through the whole table: nobody keeps enough people in
// memory to mind.
func (m *memory) servicesOf(person int64) []mykey.ServiceID {
	var out []mykey.ServiceID
	for k, c := range m.servicesM {
		if k.person == person {
			out = append(out, mykey.ServiceID{Operator: k.operator, Customer: c})
		}
	}
	slices.SortFunc(out, func(a, b mykey.ServiceID) int { return cmp.Compare(a.Operator.String(), b.Operator.String()) })
	return out
}

func (m *memory) addService(_ context.Context, person int64, s mykey.ServiceID, _ time.Time) (bool, error) {
	k := memService{person, s.Operator}
	if _, has := m.servicesM[k]; has {
		return false, nil
	}
	if _, taken := m.customers[s]; taken {
		return false, nil
	}
	set(m, m.servicesM, k, s.Customer)
	set(m, m.customers, s, person)
	return true, nil
}

func (m *memory) removeService(_ context.Context, person int64, op mykey.OperatorID) (bool, error) {
	c, has := m.servicesM[memService{person, op}]
	if has {
		m.dropService(person, mykey.ServiceID{Operator: op, Customer: c})
	}
	return has, nil
}

func (m *memory) dropService(person int64, s mykey.ServiceID) {
	unset(m, m.servicesM, memService{person, s.Operator})
	unset(m, m.customers, s)
}

func (m *memory) ppids(_ context.Context, person int64) ([]mykey.PPID, error) {
	return m.ppidsOf(person), nil
}

func (m *memory) ppidsOf(person int64) []mykey.PPID {
	var out []mykey.PPID
	for k, p := range m.ppidsM {
		if k.person == person {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b mykey.PPID) int { return cmp.Compare(a.String(), b.String()) })
	return out
}

func (m *memory) addPPID(_ context.Context, person int64, p mykey.PPID, _ time.Time) (bool, error) {
	k := memService{person, p.Operator()}
	if _, has := m.ppidsM[k]; has {
		return false, nil
	}
	if _, taken := m.byPPID[p]; taken {
		return false, nil
	}
	set(m, m.ppidsM, k, p)
	set(m, m.byPPID, p, person)
	return true, nil
}

func (m *memory) notice(_ context.Context, person int64) (noticeRow, bool, error) {
	n, ok := m.notices[person]
	return n, ok, nil
}

func (m *memory) addNotice(_ context.Context, person int64, n noticeRow) (bool, error) {
	if _, has := m.notices[person]; has {
		return false, nil
	}
	if _, taken := m.signs[n.stored]; taken {
		return false, nil
	}
	set(m, m.notices, person, n)
	set(m, m.signs, n.stored, person)
	return true, nil
}

func (m *memory) removeNotice(_ context.Context, person int64) error {
	if n, ok := m.notices[person]; ok {
		unset(m, m.signs, n.stored)
		unset(m, m.notices, person)
	}
	return nil
}

func (m *memory) payment(_ context.Context, person int64) (PaymentLink, bool, error) {
	p, ok := m.payments[person]
	if ok {
		return p, true, nil
	}
	for _, stored := range m.certsOf[person] {
		if k, has := m.kept[stored]; has && (!ok || older(k, p)) {
			p, ok = k, true
		}
	}
	return p, ok, nil
}

func older(a, b PaymentLink) bool {
	return cmp.Or(a.Applied.Compare(b.Applied), cmp.Compare(a.Service, b.Service), cmp.Compare(a.ID, b.ID)) < 0
}

func (m *memory) keepPayment(_ context.Context, person int64, p PaymentLink) error {
	for _, stored := range m.certsOf[person] {
		if _, has := m.kept[stored]; !has {
			set(m, m.kept, stored, p)
		}
	}
	return nil
}

func (m *memory) addPayment(_ context.Context, person int64, p PaymentLink) (bool, error) {
	if _, has := m.payments[person]; has {
		return false, nil
	}
	k := memPayment{p.Service, p.ID}
	if m.byPayment[k] {
		return false, nil
	}
	set(m, m.payments, person, p)
	set(m, m.byPayment, k, true)
	return true, nil
}
