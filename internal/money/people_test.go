package money_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// A person is a holder as the model knows him.
type person struct {
	id      mykey.ID
	past    []mykey.ID // IDs that he had, or that were joined with his
	member  mykey.ServiceID
	points  int64
	card    int  // in force
	lost    bool // the card was found revoked, so that nobody can use it
	revoked bool // his MyKey ID was
	gone    bool // joined to another
}

// people are the persons of the user table, and all cards that were ever seen.
type people struct {
	reg        *registry.Registry
	all        []*person
	cards      map[int]*person // whose a bound card is
	stale      map[int]bool    // another has taken the bound card's place
	formers    map[int]int     // what the authority says: which card a card replaces
	ids        int
	last       int // the last card
	recoveries []*recovery
}

// A recovery waits, or was done.
type recovery struct {
	number       int64
	of           *person
	card, was    int // the new card, and the one that it replaced
	ready        time.Time
	done, joined bool
	had          *former // what a join took
}

// former is a person before he was joined to another.
type former struct {
	kept   *person
	points int64
	stale  map[int]bool     // his cards
	spent  map[*spend]int64 // what was not given back
	shaky  bool             // some of it came back from a further join
}

// formerly returns what is there of a person.
func (w *world) formerly(p, kept *person) *former {
	f := &former{kept: kept, points: p.points, stale: map[int]bool{}, spent: map[*spend]int64{}}
	for card, of := range w.cards {
		if of == p {
			f.stale[card] = w.stale[card]
		}
	}
	for _, s := range w.spent {
		if s.by == p {
			f.spent[s] = s.left
		}
	}
	return f
}

// parted gives a person what a join took from him, as far as it is there.
func (w *world) parted(rt *rapid.T, r *recovery) {
	p, f := r.of, r.had
	owed := f.points
	for s, left := range f.spent {
		owed += left - s.left
		s.by = p
	}
	back := min(owed, f.kept.points)
	if f.shaky {
		balances, err := w.points.Balances(context.Background(), p.id)
		require.NoError(rt, err)
		back = 0
		for _, b := range balances {
			back += b.Points
		}
		require.LessOrEqual(rt, back, owed)
	}
	p.points = back
	f.kept.points -= back
	for _, o := range w.recoveries {
		if o.joined && o.had.kept == p && (back < owed || f.shaky) {
			o.had.shaky = true
		}
	}
	for card, stale := range f.stale {
		w.cards[card], w.stale[card] = p, stale
	}
	f.kept.past = slices.DeleteFunc(f.kept.past, func(id mykey.ID) bool { return id == p.id || slices.Contains(p.past, id) })
	p.gone, p.lost = false, true
	w.all = append(w.all, p)
	w.close(r)
}

func (w *world) openRegistry() {
	var err error
	w.reg, err = registry.Open(context.Background(), w.db, registry.Config{
		Prefix: w.prefix + "mykey_", Serials: registry.PlainSerials(), Clock: w.now, RecoveryWait: 24 * time.Hour, RecoveryRate: 1000,
		Former: func(_ context.Context, s jpki.Serial, i registry.Issuer) (jpki.Serial, registry.Issuer, error) {
			for card, former := range w.formers {
				if serial(card) == s {
					return serial(former), i, nil
				}
			}
			return jpki.Serial{}, i, nil
		},
		Changed: func(ctx context.Context, tx *sql.Tx, c mykey.Change) error {
			if _, err := w.points.In(tx).Changed(ctx, c); err != nil {
				return err
			}
			return w.misbehave(ctx, tx)
		},
		Notice: func(ctx context.Context, tx *sql.Tx, _ registry.Recovery) error { return w.misbehave(ctx, tx) },
	})
	require.NoError(w.t, err)
}

func serial(card int) jpki.Serial {
	return must(jpki.ParseSerial(fmt.Sprintf("%08X", 0x030D0000+card)))
}

var issuer = must(registry.ParseIssuer("5a17d0e14a5f0a1e9bb0a4a94ec2f4c2a7b0c1d2"))

// tap is a card that has proved itself.
func tap(card int) registry.Presence {
	return registry.Presence{Proved: true, Certificate: registry.Certificate{Serial: serial(card), Issuer: issuer,
		NotAfter: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC), Device: registry.DeviceCard}}
}

func (w *world) newID() mykey.ID {
	w.ids++
	return must(mykey.ParseID(fmt.Sprintf("HAN%05d", w.ids)))
}

func (w *world) newCard() int {
	w.last++
	return w.last
}

// someone draws a person that the condition is true of, or nil.
func (w *world) someone(rt *rapid.T, of func(p *person) bool) *person {
	var fit []*person
	for _, p := range w.all {
		if of(p) {
			fit = append(fit, p)
		}
	}
	if len(fit) == 0 {
		return nil
	}
	return fit[rapid.IntRange(0, len(fit)-1).Draw(rt, "person")]
}

// anyone draws a person, most of the time one whose ID was not revoked.
func (w *world) anyone(rt *rapid.T) *person {
	if rapid.IntRange(0, 4).Draw(rt, "live") > 0 {
		if p := w.someone(rt, live); p != nil {
			return p
		}
	}
	return w.all[rapid.IntRange(0, len(w.all)-1).Draw(rt, "any person")]
}

func live(p *person) bool { return !p.revoked }

// here is true of a person who can show his card.
func here(p *person) bool { return !p.revoked && !p.lost }

// enrol makes a MyKey ID and its accounts, in one transaction.
func (w *world) enrol(ctx context.Context, card int) error {
	p := &person{id: w.newID(), card: card}
	p.member = must(mykey.ParseServiceID(fmt.Sprintf("000001:%d", w.ids)))
	err := w.points.Do(ctx, func(ctx context.Context, tx *sql.Tx) error {
		s, err := w.reg.In(tx).Begin(ctx, tap(card))
		if err != nil {
			return err
		}
		e, err := s.Enrol(ctx)
		if err != nil {
			return err
		}
		if _, err := e.Check(ctx, tap(card), p.id); err != nil {
			return err
		}
		if _, err := e.Accept(ctx, tap(card)); err != nil {
			return err
		}
		if _, err := s.RegisterService(ctx, tap(card), p.member); err != nil {
			return err
		}
		if err := w.points.In(tx).Enrol(ctx, p.id, point.Profile{}); err != nil {
			return err
		}
		return w.misbehave(ctx, tx)
	})
	if err == nil {
		w.all = append(w.all, p)
		w.cards[card] = p
	}
	return err
}

// use has a person spend points: with the card where it is there.
func (w *world) use(ctx context.Context, p *person, u point.Use) error {
	if p.lost || p.revoked {
		_, err := w.points.Use(ctx, u)
		return err
	}
	s, err := w.begin(ctx, p.card)
	if err != nil {
		return err
	}
	return w.points.Do(ctx, func(ctx context.Context, tx *sql.Tx) error {
		holder, err := s.In(tx).Confirm(ctx, tap(p.card))
		if err != nil {
			return err
		}
		u.Holder = holder.ID
		if _, err := w.points.In(tx).Use(ctx, u); err != nil {
			return err
		}
		return w.misbehave(ctx, tx)
	})
}

// moved makes the model's person next that of all that was the person's.
func (w *world) moved(p, next *person) {
	next.past = append(append(next.past, p.id), p.past...)
	next.points += p.points
	for card, of := range w.cards {
		if of == p {
			w.cards[card] = next
		}
	}
	for _, s := range w.spent {
		if s.by == p {
			s.by = next
		}
	}
	w.stale[p.card] = true
	p.gone = true
	w.all = slices.DeleteFunc(w.all, func(q *person) bool { return q == p })
}

// begin begins a session with a card. It completes the recovery that waits for
// the card, and ends those that wait for the card's holder.
func (w *world) begin(ctx context.Context, card int) (*registry.Session, error) {
	s, err := w.reg.Begin(ctx, tap(card))
	if err != nil {
		return nil, err
	}
	for _, r := range slices.Clone(w.recoveries) {
		own := w.cards[card]
		ready := !w.now().Before(r.ready)
		switch {
		case r.card != card || r.done:
		case r.of.revoked || r.of.gone || ready && !r.of.lost:
			w.close(r)
		case !ready:
		case own != nil:
			r.had = w.formerly(r.of, own)
			w.moved(r.of, own)
			r.done, r.joined = true, true
		default:
			r.done, r.was = true, r.of.card
			w.takes(r.of, card)
		}
	}
	if p := w.cards[card]; p != nil {
		for _, r := range slices.Clone(w.recoveries) {
			if r.of == p && !r.done {
				w.close(r)
			}
		}
	}
	return s, nil
}

func (w *world) close(r *recovery) {
	w.recoveries = slices.DeleteFunc(w.recoveries, func(o *recovery) bool { return o == r })
}

// visit makes one call of the user table.
func (w *world) visit(rt *rapid.T, act string, allowed func(err error, answers ...error)) {
	ctx := context.Background()
	switch act {
	case "enrol":
		if len(w.all) >= 5 {
			return
		}
		card := w.newCard()
		for c := 1; c < card; c++ { // a card whose ID was revoked is as good as new
			if w.cards[c] == nil && !w.waits(c) && w.formers[c] == 0 && rapid.Bool().Draw(rt, "known card") {
				card = c
				break
			}
		}
		allowed(w.enrol(ctx, card))
	case "change":
		p := w.someone(rt, here)
		if p == nil {
			return
		}
		next := w.newID()
		s, err := w.begin(ctx, p.card)
		if allowed(err); err != nil {
			return
		}
		e, err := s.ChangeID(ctx)
		require.NoError(rt, err)
		_, err = e.Check(ctx, tap(p.card), next)
		require.NoError(rt, err)
		_, err = e.Accept(ctx, tap(p.card))
		allowed(err)
		if err == nil {
			p.past, p.id = append(p.past, p.id), next
		}
	case "revoke":
		p := w.someone(rt, live)
		if p == nil || len(w.all) < 2 {
			return
		}
		var err error
		if p.lost || rapid.Bool().Draw(rt, "at the counter") {
			err = w.reg.Revoke(ctx, p.id)
		} else {
			var s *registry.Session
			s, err = w.begin(ctx, p.card)
			if allowed(err); err != nil {
				return
			}
			err = s.Revoke(ctx, tap(p.card))
		}
		allowed(err)
		if err == nil {
			p.revoked = true
			for card, of := range w.cards {
				if of == p {
					delete(w.cards, card)
					delete(w.stale, card)
				}
			}
		}
	case "rebind":
		p := w.someone(rt, live)
		if p == nil {
			return
		}
		card := w.newCard()
		var s *registry.Session
		var err error
		if rapid.Bool().Draw(rt, "the authority knows") {
			w.formers[card] = p.card
			s, err = w.begin(ctx, card)
		} else {
			require.NoError(rt, w.reg.NoteRevoked(ctx, tap(p.card).Certificate))
			p.lost = true
			if s, err = w.begin(ctx, card); err == nil {
				var found registry.Person
				found, err = w.reg.Find(ctx, p.id)
				require.NoError(rt, err)
				require.Len(rt, found.Certificates, 1)
				err = s.Rebind(ctx, tap(card), found.Certificates[0].Ref)
			}
		}
		require.NoError(rt, err)
		require.Equal(rt, p.id, s.ID())
		w.takes(p, card)
	case "recover":
		p := w.someone(rt, live)
		if p == nil {
			return
		}
		card := w.newCard()
		if q := w.someone(rt, here); q != nil && q != p && rapid.Bool().Draw(rt, "has made a second ID") {
			card = q.card
		}
		require.NoError(rt, w.reg.NoteRevoked(ctx, tap(p.card).Certificate))
		p.lost = true
		s, err := w.begin(ctx, card)
		if allowed(err); err != nil || p.gone {
			return
		}
		waits := slices.ContainsFunc(w.recoveries, func(r *recovery) bool { return !r.done && (r.of == p || r.card == card) })
		r, err := s.Recover(ctx, tap(card), registry.Grounds{Member: p.member, Clerk: "A", Second: "B"})
		if waits {
			require.ErrorIs(rt, err, registry.ErrRecoveryOpen)
			return
		}
		allowed(err)
		if err == nil {
			w.recoveries = append(w.recoveries, &recovery{number: r.Number, of: p, card: card, ready: r.Ready})
		}
	case "second ID":
		// A recovery for somebody who has made one, from its beginning to its end.
		if len(w.all) < 2 {
			if err := w.enrol(ctx, w.newCard()); err != nil {
				allowed(err)
				return
			}
		}
		p := w.someone(rt, live)
		q := w.someone(rt, func(q *person) bool { return here(q) && q != p })
		if p == nil || q == nil || w.waits(q.card) || slices.ContainsFunc(w.recoveries, func(r *recovery) bool { return !r.done && r.of == p }) {
			return
		}
		require.NoError(rt, w.reg.NoteRevoked(ctx, tap(p.card).Certificate))
		p.lost = true
		s, err := w.begin(ctx, q.card)
		if allowed(err); err != nil {
			return
		}
		r, err := s.Recover(ctx, tap(q.card), registry.Grounds{Member: p.member, Clerk: "A", Second: "B"})
		if allowed(err); err != nil {
			return
		}
		w.recoveries = append(w.recoveries, &recovery{number: r.Number, of: p, card: q.card, ready: r.Ready})
		w.us.Store(r.Ready.UnixMicro())
		_, err = w.begin(ctx, q.card)
		allowed(err)
	case "come back":
		if len(w.recoveries) > 0 {
			r := w.aRecovery(rt)
			if w.stale[r.card] {
				return
			}
			s, err := w.begin(ctx, r.card)
			allowed(err)
			if p := w.cards[r.card]; err == nil && p != nil {
				require.Equal(rt, p.id, s.ID())
			} else if err == nil {
				require.True(rt, s.ID().IsZero(), "nothing of it can be spent")
			}
		}
	case "undo recovery":
		if len(w.recoveries) > 0 {
			r := w.aRecovery(rt)
			if last := w.recoveries[len(w.recoveries)-1]; rapid.Bool().Draw(rt, "the last") {
				r = last
			}
			w.undo(rt, r, allowed)
		}
	case "cancel recovery":
		if len(w.recoveries) > 0 {
			r := w.aRecovery(rt)
			if err := w.reg.CancelRecovery(ctx, r.number, "C"); r.done {
				require.ErrorIs(rt, err, registry.ErrNotFound)
			} else {
				require.NoError(rt, err)
				w.close(r)
			}
		}
	case "join":
		p := w.someone(rt, here)
		if p == nil {
			return
		}
		q := w.someone(rt, func(q *person) bool { return here(q) && q != p })
		if q == nil {
			return
		}
		s, err := w.begin(ctx, p.card)
		if allowed(err); err != nil || p.gone || q.gone {
			return
		}
		err = s.Join(ctx, tap(p.card), tap(q.card))
		allowed(err)
		if err == nil {
			w.moved(q, p)
		}
	}
}

// takes gives a person a new card in the place of the former one.
func (w *world) takes(p *person, card int) {
	w.stale[p.card] = true
	w.cards[card], p.card, p.lost = p, card, false
}

func (w *world) aRecovery(rt *rapid.T) *recovery {
	return w.recoveries[rapid.IntRange(0, len(w.recoveries)-1).Draw(rt, "recovery")]
}

func (w *world) waits(card int) bool {
	return slices.ContainsFunc(w.recoveries, func(r *recovery) bool { return r.card == card && !r.done })
}

func (w *world) undo(rt *rapid.T, r *recovery, allowed func(err error, answers ...error)) {
	_, err := w.reg.UndoRecovery(context.Background(), r.number, "C")
	switch p := r.of; {
	case !r.done:
		require.ErrorIs(rt, err, registry.ErrNotFound)
	case r.joined && !r.had.kept.gone && !r.had.kept.revoked:
		allowed(err)
		if err == nil {
			w.parted(rt, r)
		}
	case r.joined || p.gone || p.revoked:
		require.ErrorIs(rt, err, registry.ErrJoined)
	case p.card != r.card:
		require.ErrorIs(rt, err, registry.ErrIDReplaced)
	default:
		require.NoError(rt, err)
		delete(w.cards, r.card)
		delete(w.stale, r.was)
		p.card, p.lost = r.was, true
		w.close(r)
	}
}

// known compares the user table and the accounts with the model.
func (w *world) known(rt *rapid.T) {
	ctx := context.Background()
	for card := 1; card <= w.last; card++ {
		id, err := w.reg.Lookup(ctx, serial(card))
		switch p := w.cards[card]; {
		case p == nil:
			require.ErrorIs(rt, err, registry.ErrNotEnrolled, "card %d", card)
		case w.stale[card]:
			require.ErrorIs(rt, err, registry.ErrSuperseded, "card %d", card)
		default:
			require.NoError(rt, err)
			require.Equal(rt, p.id, id, "card %d", card)
		}
	}
	for _, p := range w.all {
		for _, id := range append(p.past, p.id) {
			now, err := w.reg.Successor(ctx, id)
			if p.revoked {
				require.ErrorIs(rt, err, registry.ErrRetired)
				continue
			}
			require.NoError(rt, err)
			require.Equal(rt, p.id, now)
		}
		balances, err := w.points.Balances(ctx, p.id)
		require.NoError(rt, err)
		var sum int64
		for _, b := range balances {
			sum += b.Points
		}
		require.Equal(rt, p.points, sum, "%v", p.id)
	}
}

// What a function of the program's own may do.
const (
	behaves = iota
	fails
	panics
	ends // the transaction
	dies
)

// misbehave is what every function of the program's own does at its end.
func (w *world) misbehave(ctx context.Context, tx *sql.Tx) error {
	if w.whim != behaves {
		w.did = w.whim
	}
	switch w.whim {
	case fails:
		return errWhim
	case panics:
		panic(errWhim)
	case ends:
		return tx.Rollback()
	case dies:
		w.die(ctx, tx)
		panic(errWhim) // nothing more is done
	}
	return nil
}

// resolve is what a person does when a transaction was lost: everything of it
// was rolled back, so there is nothing to correct.
func (w *world) resolve(rt *rapid.T) {
	ctx := context.Background()
	for _, keeper := range []interface {
		Losses(ctx context.Context) ([]sqldb.Loss, error)
		Resolve(ctx context.Context, id string) error
	}{w.points, w.book, w.box, w.reg, w.mallLedger} {
		losses, err := keeper.Losses(ctx)
		require.NoError(rt, err)
		for _, l := range losses {
			require.False(rt, l.Committed)
			require.NoError(rt, keeper.Resolve(ctx, l.ID))
		}
	}
}

// lost reports whether err says that a transaction was not the keeper's any
// more.
func lost(err error) bool {
	_, lost := errors.AsType[*sqldb.LostError](err)
	return lost || errors.Is(err, sqldb.ErrEnded) || errors.Is(err, sql.ErrTxDone)
}
