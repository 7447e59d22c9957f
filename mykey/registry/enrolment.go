package registry

import (
	"context"
	"github.com/mynakit/mynakit/mykey"
	"time"
)

// The numbers of the published procedure (システム設計書 I.6④, IV(8)).
const (
	// MaxOffers is how many automatic candidates a procedure gives. The last
	// is registered without asking.
	MaxOffers = 3
	// MaxDuplicates is how many duplicate answers a card is given to
	// candidates of its holder's own. After them only automatic generation
	// is left.
	MaxDuplicates = 3
)

// Enrolment is the procedure by which a holder gets a MyKey ID, the first one
// ([Session.Enrol]) or another in its place ([Session.ChangeID]):
//
//	start ──┬─ Check, free ───────┬─► candidate ─── Accept ──► registered
//	        ├─ Offer, 1st or 2nd ─┘
//	        └─ Offer, 3rd ───────────────────────────────────► registered
//
// From the candidate, another Check or Offer leads to another candidate.
//
// The state is in the store under the card's certificate, not in this value:
// it is the same at every terminal and after a restart, and several Enrolments
// of one card are one procedure. A change of another ID is another procedure,
// and so is a first registration after a change: it begins with no offers, and
// its first step gives up what was left off. The duplicate answers are the
// card's and stay counted. A candidate is kept for the card until it is accepted
// or another takes its place, so what was shown as free is still free when it is
// accepted.
//
// A text that is not of the form of an ID never gets here: [mykey.ParseID] refuses
// it, and no try is counted.
type Enrolment struct {
	s        *Session
	changing bool
}

// Progress is how far an [Enrolment] has come.
type Progress struct {
	Candidate  mykey.ID // the present candidate, or the ID registered; zero if none
	Registered bool     // the procedure has ended
	OffersLeft int      // automatic candidates left; the last is registered at once
	ChecksLeft int      // duplicate answers left; at 0 only automatic generation is
}

func progress(c cardRow) Progress {
	return Progress{
		Candidate:  c.candidate,
		Registered: c.finished,
		OffersLeft: MaxOffers - c.offers,
		ChecksLeft: MaxDuplicates - c.duplicates,
	}
}

// Enrol begins, or takes up again, the registration of a first MyKey ID
// (マイキーIDの作成・登録). The session must have begun with the PIN
// (システム設計書 I.6③). Errors: [ErrSessionOver], [ErrPINRequired],
// [ErrAlreadyEnrolled], or the database's, wrapped.
func (s *Session) Enrol(ctx context.Context) (*Enrolment, error) {
	return s.enrolment(ctx, &Enrolment{s: s})
}

// ChangeID begins, or takes up again, a change of MyKey ID (マイキーIDの変更). The
// session must have begun with the PIN (システム設計書 IV(8)). What is bound to the
// holder stays bound; the old ID is never given to anybody again. Errors:
// [ErrSessionOver], [ErrPINRequired], [ErrNotEnrolled], [ErrIDReplaced],
// [ErrSuperseded], or the database's, wrapped.
func (s *Session) ChangeID(ctx context.Context) (*Enrolment, error) {
	return s.enrolment(ctx, &Enrolment{s: s, changing: true})
}

func (s *Session) enrolment(ctx context.Context, e *Enrolment) (*Enrolment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.open(); err != nil {
		return nil, err
	}
	if !s.proved {
		return nil, ErrPINRequired
	}
	err := s.update(ctx, "begin enrolment", func(ctx context.Context, tx tx) error {
		c, err := tx.lockCard(ctx, s.cert.Reveal())
		if err != nil {
			return err
		}
		if err := e.check(ctx, tx); err != nil {
			return err
		}
		if !c.finished {
			return nil // one was left off, and goes on or is given up by the first step
		}
		c = e.anew(c)
		now, err := tx.now(ctx)
		if err != nil {
			return err
		}
		if !now.Before(c.duplicateAt.Add(s.r.cfg.DuplicateRest)) {
			c.duplicates, c.duplicateAt = 0, time.Time{}
		}
		return tx.putCard(ctx, s.cert.Reveal().key, c)
	})
	if err != nil {
		return nil, err
	}
	return e, nil
}

// leftOff reports whether the card's row is that of another procedure, which has
// not ended. What a procedure is to replace is the session's ID, zero for a
// first registration.
func (e *Enrolment) leftOff(c cardRow) bool { return !c.finished && c.replaces != e.s.id }

// anew is the row with which the procedure begins. The duplicate answers belong
// to the card.
func (e *Enrolment) anew(c cardRow) cardRow {
	return cardRow{duplicates: c.duplicates, duplicateAt: c.duplicateAt, replaces: e.s.id}
}

// giveUp begins the procedure in the place of another one that was left off.
// Its offers must not count: the holder would get an ID without being asked.
func (e *Enrolment) giveUp(ctx context.Context, tx tx, c *cardRow) error {
	left := c.candidate
	*c = e.anew(*c)
	return tx.releaseID(ctx, left, e.s.cert.Reveal().key)
}

// check refuses a first enrolment of a card that is bound and a change on one
// that is not bound as the session knows it. The card is locked.
func (e *Enrolment) check(ctx context.Context, tx tx) error {
	if e.changing {
		if e.s.person == 0 {
			return ErrNotEnrolled
		}
		return e.s.lock(ctx, tx)
	}
	b, bound, err := tx.known(ctx, e.s.cert.Reveal())
	switch {
	case !e.s.former.IsZero():
		return ErrAlreadyEnrolled
	case err != nil:
		return err
	case bound && !b.inForce():
		return ErrSuperseded
	case bound:
		return ErrAlreadyEnrolled
	}
	return nil
}

// Progress returns the state of the procedure. Errors: [ErrSessionOver] or
// the database's, wrapped.
func (e *Enrolment) Progress(ctx context.Context) (Progress, error) {
	e.s.mu.Lock()
	defer e.s.mu.Unlock()
	if err := e.s.open(); err != nil {
		return Progress{}, err
	}
	var c cardRow
	err := e.s.r.view(ctx, "read enrolment", func(ctx context.Context, tx tx) (err error) {
		c, err = tx.card(ctx, e.s.cert.Reveal())
		return err
	})
	if err != nil {
		return Progress{}, err
	}
	if e.leftOff(c) {
		c = e.anew(c)
	}
	return progress(c), nil
}

// Offer draws an automatic candidate that nobody has and keeps it for the card
// (自動生成). The holder may accept it or ask for another. The third is
// registered without asking, and Progress.Registered says so.
//
// Each call before that counts. Where an answer was lost, look at
// [Enrolment.Progress] first: it has the candidate if there was one. Once
// registered, Offer gives the same answer again.
//
// Errors: the refusals of a session ([ErrSessionOver], [ErrWrongCard],
// [ErrExpired], [ErrIDReplaced], [ErrSuperseded], [ErrAlreadyEnrolled]),
// [ErrNoFreeID], or the database's, wrapped.
func (e *Enrolment) Offer(ctx context.Context, confirm Presence) (Progress, error) {
	return e.step(ctx, "offer MyKey ID", confirm, func(ctx context.Context, tx tx, c *cardRow) error {
		id, err := e.draw(ctx, tx)
		if err != nil {
			return err
		}
		if err := e.keep(ctx, tx, c, id); err != nil {
			return err
		}
		c.offers++
		if c.offers < MaxOffers {
			return nil
		}
		_, err = e.register(ctx, tx, c)
		return err
	})
}

// draw claims a generated ID for the card.
func (e *Enrolment) draw(ctx context.Context, tx tx) (mykey.ID, error) {
	// Even in a table of a thousand million, 32 taken IDs in a row do not
	// happen; an alphabet used up must not make an endless loop.
	const most = 32
	now, err := tx.now(ctx)
	if err != nil {
		return mykey.ID{}, err
	}
	for range most {
		id := e.s.r.generate()
		free, err := tx.claimID(ctx, id, e.s.cert.Reveal().key, now, now.Add(-e.s.r.cfg.ClaimLife))
		if err != nil || free {
			return id, err
		}
	}
	return mykey.ID{}, ErrNoFreeID
}

// keep makes id, which has been claimed, the candidate and gives up the one
// before.
func (e *Enrolment) keep(ctx context.Context, tx tx, c *cardRow, id mykey.ID) error {
	if !c.candidate.IsZero() && c.candidate != id {
		if err := tx.releaseID(ctx, c.candidate, e.s.cert.Reveal().key); err != nil {
			return err
		}
	}
	c.candidate = id
	return nil
}

// Check asks whether an ID of the holder's own choice is free (重複チェック). If it
// is, it becomes the candidate and is kept for the card. If it is taken, the
// answer is a [*DuplicateError], and after three of them, whenever and
// wherever they were given to this card, [ErrAutomaticOnly] without looking:
// each such answer tells a stranger of an ID that exists. Where the procedure
// has ended at another terminal meanwhile, nothing is asked, and
// Progress.Registered says so.
//
// Asked again, an ID that is taken counts again. Where an answer was lost, look
// at [Enrolment.Progress] first: ChecksLeft tells whether it was counted. One
// that is free may be asked for again.
//
// Other errors: [ErrSameID], not counted; the refusals of a session as of
// Offer; a [*mykey.FormError] for the zero ID; or the database's, wrapped.
func (e *Enrolment) Check(ctx context.Context, confirm Presence, id mykey.ID) (Progress, error) {
	if id.IsZero() {
		return Progress{}, missing(fieldID)
	}
	var answer error // one that is given only once its count is committed
	p, err := e.step(ctx, "check MyKey ID", confirm, func(ctx context.Context, tx tx, c *cardRow) error {
		answer = nil
		if id == e.s.id {
			return ErrSameID
		}
		if c.duplicates >= MaxDuplicates {
			return ErrAutomaticOnly
		}
		now, err := tx.now(ctx)
		if err != nil {
			return err
		}
		free, err := tx.claimID(ctx, id, e.s.cert.Reveal().key, now, now.Add(-e.s.r.cfg.ClaimLife))
		if err != nil {
			return err
		}
		if free {
			return e.keep(ctx, tx, c, id)
		}
		c.duplicates++
		c.duplicateAt = now
		answer = &DuplicateError{Left: MaxDuplicates - c.duplicates}
		return nil
	})
	if err == nil {
		err = answer
	}
	return p, err
}

// Accept registers the present candidate, with the certificate and its expiry
// (システム設計書 I.6④). It may be repeated when an answer was lost. Errors:
// [ErrNoCandidate]; the refusals of a session as of Offer; or the database's, wrapped.
func (e *Enrolment) Accept(ctx context.Context, confirm Presence) (Progress, error) {
	var answer error
	p, err := e.step(ctx, "register MyKey ID", confirm, func(ctx context.Context, tx tx, c *cardRow) error {
		answer = nil
		if c.candidate.IsZero() {
			return ErrNoCandidate
		}
		done, err := e.register(ctx, tx, c)
		if err == nil && !done {
			c.candidate = mykey.ID{}
			answer = ErrNoCandidate
		}
		return err
	})
	if err == nil {
		err = answer
	}
	return p, err
}

// step runs one step of the procedure on the card's row, with the card locked,
// and stores the row. A procedure that has ended meanwhile gives its result
// and fn is not run.
func (e *Enrolment) step(ctx context.Context, op string, confirm Presence, fn func(context.Context, tx, *cardRow) error) (Progress, error) {
	s := e.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.confirm(confirm); err != nil {
		return Progress{}, err
	}
	var c cardRow
	var person int64
	err := s.update(ctx, op, func(ctx context.Context, tx tx) (err error) {
		person = 0
		if c, err = tx.lockCard(ctx, s.cert.Reveal()); err != nil {
			return err
		}
		if c.finished {
			person, err = e.result(ctx, tx, c)
			return err
		}
		if err = e.check(ctx, tx); err != nil {
			return err
		}
		if e.leftOff(c) {
			if err = e.giveUp(ctx, tx, &c); err != nil {
				return err
			}
		}
		if err = fn(ctx, tx, &c); err != nil {
			return err
		}
		if err = tx.putCard(ctx, s.cert.Reveal().key, c); err != nil || !c.finished {
			return err
		}
		person, err = e.result(ctx, tx, c)
		return err
	})
	if err != nil {
		return Progress{}, err
	}
	if c.finished {
		s.person, s.id = person, c.candidate
	}
	return progress(c), nil
}

// result returns the person to whom the procedure has led.
func (e *Enrolment) result(ctx context.Context, tx tx, c cardRow) (int64, error) {
	person, _, err := tx.find(ctx, c.candidate)
	if err != nil {
		return 0, err
	}
	b, ok, err := tx.known(ctx, e.s.cert.Reveal())
	if err == nil && (!ok || person == 0 || b.person != person) {
		return 0, ErrIDReplaced
	}
	return person, err
}

// register makes the candidate the holder's ID, and reports false if the claim
// on it has lapsed and somebody else has it. check has been passed.
func (e *Enrolment) register(ctx context.Context, tx tx, c *cardRow) (bool, error) {
	s := e.s
	now, err := tx.now(ctx)
	if err != nil {
		return false, err
	}
	done, err := tx.activateID(ctx, c.candidate, s.cert.Reveal().key, now)
	if err != nil || !done {
		return false, err
	}
	c.finished = true
	if e.changing {
		if err := tx.setPersonID(ctx, s.person, c.candidate); err != nil {
			return false, err
		}
		if err := tx.retireID(ctx, s.id, idAbandoned, c.candidate, now); err != nil {
			return false, err
		}
		return true, s.r.changed(ctx, tx, mykey.Change{Kind: mykey.ChangeReplaced, Old: s.id, New: c.candidate, At: now})
	}
	person, err := tx.addPerson(ctx, c.candidate, now)
	if err != nil {
		return false, err
	}
	return true, addBinding(ctx, tx, person, s.cert.Reveal())
}
