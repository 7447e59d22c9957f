package registry

import (
	"context"
	"crypto/x509"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/mynakit/mynakit/internal/secret"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
)

// Grounds are why a card without a MyKey ID of its own is believed to be that of
// a holder whose former certificate has ended. The caller vouches for them.
type Grounds struct {
	// Member is the holder's number with an operator. Its record in the
	// operator's own system has the name and the date of birth that the new card
	// shows in its text application or on its face.
	Member mykey.ServiceID
	// Clerk and Second are the two members of staff who have both looked, in the
	// operator's own words, 1 to 64 bytes each. They are two persons.
	Clerk, Second string
}

func (g Grounds) check() error {
	if _, err := g.Member.MarshalText(); err != nil {
		return err
	}
	for _, who := range []string{g.Clerk, g.Second} {
		switch {
		case who == "":
			return missing("clerk")
		case len(who) > 64:
			return &mykey.FormError{Field: "clerk", Rule: mykey.RuleLength, Pos: 64}
		case !utf8.ValidString(who):
			return &mykey.FormError{Field: "clerk", Rule: mykey.RuleCharacter, Pos: -1}
		}
	}
	if g.Clerk == g.Second {
		return ErrOneClerk
	}
	return nil
}

// RecoveryState is how far a [Recovery] has come.
type RecoveryState uint8

const (
	RecoveryWaiting   RecoveryState = 1 + iota // nothing has changed yet
	RecoveryDone                               // the new card is the holder's
	RecoveryCancelled                          // before it was done
	RecoveryUndone                             // after it was done
)

// String returns one word.
func (s RecoveryState) String() string {
	switch s {
	case RecoveryWaiting:
		return "waiting"
	case RecoveryDone:
		return "done"
	case RecoveryCancelled:
		return "cancelled"
	case RecoveryUndone:
		return "undone"
	}
	return fmt.Sprintf("RecoveryState(%d)", uint8(s))
}

// A Recovery is the binding of a new card to a MyKey ID whose certificate has
// ended, without the authority's word for it ([Config.Former]).
type Recovery struct {
	Number int64 // identifies it in this registry
	State  RecoveryState
	ID     mykey.ID // the holder's, when it was asked for
	Grounds
	Asked time.Time
	// Ready is when the waiting period ends. The next proved presence of the new
	// card after it completes the recovery.
	Ready time.Time
}

// RevokedCertificate returns what the registry has to know of a certificate for
// which [jpki.Verifier.Verify] returned a [*jpki.RevokedError], for
// [Registry.NoteRevoked]. That error is returned for genuine certificates alone,
// so the issuer that the certificate names is its issuer. k is as in
// [CertificateOf].
func RevokedCertificate(cert *x509.Certificate, k jpki.Kind) (Certificate, error) {
	device, err := DeviceOf(k)
	if err != nil {
		return Certificate{}, err
	}
	serial, err := jpki.SerialOf(cert)
	if err != nil {
		return Certificate{}, err
	}
	issuer, err := ParseIssuer(hex.EncodeToString(cert.AuthorityKeyId))
	return Certificate{Serial: serial, Issuer: issuer, NotAfter: cert.NotAfter, Device: device}, err
}

// NoteRevoked records that a certificate was found revoked, for
// [Session.Recover]. A certificate that is not bound changes nothing. Errors are
// a [*mykey.FormError] or the database's, wrapped.
func (r *Registry) NoteRevoked(ctx context.Context, cert Certificate) error {
	if err := cert.check(); err != nil {
		return err
	}
	c := r.keyed(cert)
	return r.update(ctx, "note a revocation", func(ctx context.Context, tx tx) error {
		b, known, err := tx.known(ctx, c)
		if err != nil || !known {
			return err
		}
		now, err := tx.now(ctx)
		if err != nil {
			return err
		}
		_, err = tx.exec(ctx, "UPDATE {certificate} SET revoked = ? WHERE holder = ? AND revoked IS NULL", millis(now), b.stored)
		return err
	})
}

// Recover asks that the session's card become the card of the holder who has
// g.Member, for a holder whose former card cannot be shown any more: it has
// expired, or it was revoked as lost. Nothing is bound yet: [Config.Notice]
// tells the holder, [Config.RecoveryWait] goes by, and the next proved presence
// of the new card completes it. Until then nothing of the holder's can be spent.
// A proved presence of the former card, or [Registry.CancelRecovery], cancels it.
//
// If the session's card has a MyKey ID already, made by mistake, the holder's
// former ID becomes another name of it: see [mykey.ChangeJoined].
//
// Recover returns [ErrNotFound] if nobody has g.Member; [ErrInForce] if a
// certificate of the holder is in force, since then it is shown or renewed;
// [ErrOneClerk]; [ErrRecoveryOpen] if one is waiting for the holder or the card;
// [ErrRecoveryRate]; [ErrNoNotice]; [ErrWrongDevice]; [ErrPINRequired]; the
// refusals of a session; a [*mykey.FormError]; or the database's error, wrapped.
func (s *Session) Recover(ctx context.Context, confirm Presence, g Grounds) (Recovery, error) {
	if err := g.check(); err != nil {
		return Recovery{}, err
	}
	if s.r.cfg.Notice == nil {
		return Recovery{}, ErrNoNotice
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.confirm(confirm); err != nil {
		return Recovery{}, err
	}
	c := s.cert.Reveal()
	var out Recovery
	err := s.r.update(ctx, "ask for a recovery", func(ctx context.Context, tx tx) error {
		person, id, err := tx.find(ctx, g.Member)
		switch {
		case err != nil:
			return err
		case person == 0:
			return ErrNotFound
		case person == s.person:
			return ErrAlreadyEnrolled
		}
		if _, ok, err := tx.lockPerson(ctx, person); err != nil {
			return err
		} else if !ok {
			return ErrNotFound
		}
		now, err := tx.now(ctx)
		if err != nil {
			return err
		}
		if err := tx.ended(ctx, person, c.device, now); err != nil {
			return err
		}
		if n, err := tx.recoveriesOf(ctx, g.Clerk, now.Add(-24*time.Hour)); err != nil {
			return err
		} else if n >= s.r.cfg.RecoveryRate {
			return ErrRecoveryRate
		}
		out = Recovery{State: RecoveryWaiting, ID: id, Grounds: g, Asked: now, Ready: now.Add(s.r.cfg.RecoveryWait)}
		added := false
		if out.Number, added, err = tx.addRecovery(ctx, person, c, out); err != nil {
			return err
		} else if !added {
			return ErrRecoveryOpen
		}
		return tx.q.Call(ctx, "notice of a recovery", func(ctx context.Context, tx *sql.Tx) error { return s.r.cfg.Notice(ctx, tx, out) })
	})
	if err != nil {
		return Recovery{}, err
	}
	return out, nil
}

// complete carries out the recovery that waits for a card, if there is one and
// its time has come. The card has proved itself.
func (r *Registry) complete(ctx context.Context, c keyed) error {
	waiting := false
	err := r.view(ctx, "look for a recovery", func(ctx context.Context, tx tx) (err error) {
		_, _, waiting, err = tx.waitingFor(ctx, c, "")
		return err
	})
	if err != nil || !waiting {
		return err
	}
	return r.update(ctx, "complete a recovery", func(ctx context.Context, tx tx) error {
		rec, person, ok, err := tx.waitingFor(ctx, c, " {:forupdate}")
		if err != nil || !ok {
			return err
		}
		own, enrolled, err := tx.known(ctx, c)
		if err != nil {
			return err
		}
		locked := []int64{person}
		if enrolled {
			locked = []int64{min(person, own.person), max(person, own.person)}
		}
		for _, p := range locked {
			if _, ok, err := tx.lockPerson(ctx, p); err != nil {
				return err
			} else if !ok {
				return tx.endRecovery(ctx, rec.Number, RecoveryCancelled, "")
			}
		}
		now, err := tx.now(ctx)
		if err != nil || now.Before(rec.Ready) {
			return err
		}
		switch err := tx.ended(ctx, person, c.device, now); {
		case errors.Is(err, ErrInForce), errors.Is(err, ErrWrongDevice):
			return tx.endRecovery(ctx, rec.Number, RecoveryCancelled, "") // a certificate has come meanwhile
		case err != nil:
			return err
		}
		if enrolled && own.inForce() {
			if err = tx.keepUndo(ctx, rec.Number, own.person, person); err == nil {
				err = r.join(ctx, tx, own.person, person)
			}
		} else {
			err = addBinding(ctx, tx, person, c)
		}
		if err != nil {
			return err
		}
		return tx.endRecovery(ctx, rec.Number, RecoveryDone, "")
	})
}

// Recoveries returns the recoveries of the person who has id, the newest first.
// Errors are the database's, wrapped.
func (r *Registry) Recoveries(ctx context.Context, id mykey.ID) (out []Recovery, err error) {
	err = r.view(ctx, "read recoveries", func(ctx context.Context, tx tx) error {
		person, _, err := tx.find(ctx, id)
		if err != nil {
			return err
		}
		out, err = tx.recoveries(ctx, person)
		return err
	})
	return out, err
}

// CancelRecovery ends a recovery that is waiting: the holder was told of it and
// has not asked for it. who is kept with it. It returns [ErrNotFound] if none of
// this number is waiting, a [*mykey.FormError] if who is empty, or the database's
// error, wrapped.
func (r *Registry) CancelRecovery(ctx context.Context, number int64, who string) error {
	if who == "" {
		return missing("clerk")
	}
	return r.update(ctx, "cancel a recovery", func(ctx context.Context, tx tx) error {
		rec, _, _, err := tx.recovery(ctx, number)
		switch {
		case err != nil:
			return err
		case rec.State != RecoveryWaiting:
			return ErrNotFound
		}
		return tx.endRecovery(ctx, number, RecoveryCancelled, who)
	})
}

// Join makes the MyKey ID of other another name of the session's: one person had
// made two, with a card and a phone for example. Both prove themselves. What the
// other ID has goes to the session's ID; where both have something that a person
// has once, such as a number with an operator, the session's stays and the
// other's is given up. [Config.Changed] joins what is kept under the two.
//
// Join returns [ErrNotEnrolled] if other has no ID, [ErrSameID] if it is the
// session's, [ErrPINRequired], [ErrExpired], [ErrSuperseded], the refusals of a
// session, a [*mykey.FormError], or the database's error, wrapped.
func (s *Session) Join(ctx context.Context, confirm, other Presence) error {
	if err := other.Certificate.check(); err != nil {
		return err
	}
	switch {
	case !other.Proved:
		return ErrPINRequired
	case s.r.now().After(other.Certificate.NotAfter):
		return ErrExpired
	}
	c := s.r.keyed(other.Certificate)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.confirm(confirm); err != nil {
		return err
	}
	if s.person == 0 {
		return ErrNotEnrolled
	}
	return s.update(ctx, "join two IDs", func(ctx context.Context, tx tx) error {
		b, ok, err := tx.known(ctx, c)
		switch {
		case err != nil:
			return err
		case !ok:
			return ErrNotEnrolled
		case !b.inForce():
			return ErrSuperseded
		case b.person == s.person:
			return ErrSameID
		}
		for _, p := range []int64{min(b.person, s.person), max(b.person, s.person)} {
			if _, ok, err := tx.lockPerson(ctx, p); err != nil {
				return err
			} else if !ok {
				return ErrIDReplaced
			}
		}
		if err := s.lock(ctx, tx); err != nil {
			return err
		}
		return s.r.join(ctx, tx, s.person, b.person)
	})
}

// join gives what the person gone has to the person keep. Both are locked.
func (r *Registry) join(ctx context.Context, tx tx, keep, gone int64) error {
	now, err := tx.now(ctx)
	if err != nil {
		return err
	}
	id, _, err := tx.personID(ctx, keep)
	if err != nil {
		return err
	}
	old, _, err := tx.personID(ctx, gone)
	if err != nil {
		return err
	}
	if err := tx.joinPersons(ctx, keep, gone, now); err != nil {
		return err
	}
	if err := tx.retireID(ctx, old, idAbandoned, id, now); err != nil {
		return err
	}
	return r.changed(ctx, tx, mykey.Change{Kind: mykey.ChangeJoined, Old: old, New: id, At: now})
}

// ended refuses a person who can show a certificate that is in force. The
// device is that of the card that is to take its place.
func (t tx) ended(ctx context.Context, person int64, d Device, now time.Time) error {
	held, err := t.bindings(ctx, person)
	if err != nil {
		return err
	}
	same := false
	for _, b := range held {
		if !b.revoked && !now.After(b.notAfter) {
			return ErrInForce
		}
		same = same || b.device == d
	}
	if len(held) > 0 && !same {
		return ErrWrongDevice
	}
	return nil
}

const selectRecovery = "SELECT number, state, mykey_id, member, clerk, second, asked, ready, person, holder FROM {recovery} "

func scanRecovery(r *Recovery, person *int64, holder *string) []any {
	return []any{&r.Number, number(&r.State, "state of a recovery", int64(RecoveryWaiting), int64(RecoveryUndone)), text(&r.ID), text(&r.Member),
		&r.Clerk, &r.Second, moment(&r.Asked), moment(&r.Ready), personNumber(person), holder}
}

func (t tx) recovery(ctx context.Context, n int64) (r Recovery, person int64, c secret.Box[keyed], err error) {
	var holder string
	_, err = t.one(ctx, selectRecovery+"WHERE number = ? {:forupdate}", []any{n}, scanRecovery(&r, &person, &holder)...)
	return r, person, secret.New(keyed{key: holder}), err
}

// waitingFor returns the recovery that waits for a card.
func (t tx) waitingFor(ctx context.Context, c keyed, lock string) (r Recovery, person int64, found bool, err error) {
	var holder string
	found, err = t.one(ctx, selectRecovery+"WHERE holder = ? AND state = 1"+lock, []any{c.key}, scanRecovery(&r, &person, &holder)...)
	return r, person, found, err
}

func (t tx) recoveries(ctx context.Context, person int64) ([]Recovery, error) {
	return all(ctx, t, func(rows *sql.Rows) (r Recovery, err error) {
		var of int64
		var holder string
		err = rows.Scan(scanRecovery(&r, &of, &holder)...)
		return r, err
	}, selectRecovery+`WHERE person = ? OR holder IN (SELECT c.holder FROM {certificate} c WHERE c.person = ?)
		ORDER BY number DESC`, person, person)
}

func (t tx) recoveriesOf(ctx context.Context, clerk string, since time.Time) (n int, err error) {
	err = t.q.QueryRow(ctx, "SELECT count(*) FROM {recovery} WHERE clerk = ? AND asked > ?", clerk, millis(since)).Scan(&n)
	return n, err
}

// addRecovery inserts a recovery that waits. Of a person and of a card one waits
// at a time.
func (t tx) addRecovery(ctx context.Context, person int64, c keyed, r Recovery) (n int64, added bool, err error) {
	added, err = t.one(ctx, `INSERT INTO {recovery} (state, mykey_id, member, clerk, second, asked, ready, person, holder)
		VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING number`,
		[]any{r.ID, r.Member.String(), r.Clerk, r.Second, millis(r.Asked), millis(r.Ready), person, c.key}, &n)
	return n, added, err
}

func (t tx) endRecovery(ctx context.Context, n int64, to RecoveryState, who string) error {
	now, err := t.now(ctx)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "UPDATE {recovery} SET state = ?, ended = ?, ended_by = ? WHERE number = ?", int64(to), millis(now), who, n)
	return err
}

// cancelRecoveries ends what waits for a person who has shown a certificate that
// is in force.
func (t tx) cancelRecoveries(ctx context.Context, person int64) error {
	now, err := t.now(ctx)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "UPDATE {recovery} SET state = 3, ended = ?, ended_by = '' WHERE person = ? AND state = 1", millis(now), person)
	return err
}

// joinPersons moves what gone has and keep has not, and deletes gone.
func (t tx) joinPersons(ctx context.Context, keep, gone int64, now time.Time) error {
	for _, q := range []struct {
		query string
		args  []any
	}{
		// One certificate of a device is in force.
		{`UPDATE {certificate} SET superseded = ? WHERE person = ? AND superseded IS NULL AND device IN
			(SELECT k.device FROM {certificate} k WHERE k.person = ? AND k.superseded IS NULL)`, []any{millis(now), gone, keep}},
		{`UPDATE {certificate} SET person = ? WHERE person = ?`, []any{keep, gone}},
		{`UPDATE {service} SET person = ? WHERE person = ? AND operator NOT IN (SELECT k.operator FROM {service} k WHERE k.person = ?)`, []any{keep, gone, keep}},
		{`UPDATE {ppid} SET person = ? WHERE person = ? AND operator NOT IN (SELECT k.operator FROM {ppid} k WHERE k.person = ?)`, []any{keep, gone, keep}},
		{`UPDATE {notice} SET person = ? WHERE person = ? AND NOT EXISTS (SELECT 1 FROM {notice} k WHERE k.person = ?)`, []any{keep, gone, keep}},
		{`UPDATE {choice} SET person = ? WHERE person = ? AND campaign NOT IN (SELECT k.campaign FROM {choice} k WHERE k.person = ?)`, []any{keep, gone, keep}},
	} {
		if _, err := t.exec(ctx, q.query, q.args...); err != nil {
			return err
		}
	}
	return t.removePerson(ctx, gone)
}
