package registry

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/mynakit/mynakit/mykey"
)

// idState is where a MyKey ID stands. An ID without a row was never given to
// anyone. The numbers are in the databases of others.
type idState int64

const (
	idFree      idState = 0 // no row
	idReserved  idState = 1 // claimed by a card that is enrolling
	idActive    idState = 2 // a person's
	idAbandoned idState = 3 // given up in a change; never given out again
	idRevoked   idState = 4 // revoked; never valid again
)

// cardRow is how far a card has come in its enrolment.
type cardRow struct {
	offers      int       // automatic candidates given in this procedure
	duplicates  int       // duplicate answers given
	duplicateAt time.Time // when the last was given
	candidate   mykey.ID  // the present candidate; after the end, the ID registered
	finished    bool      // the procedure has ended with a registration
	replaces    mykey.ID  // the ID that the procedure is to replace; zero for a first one
}

// bindingRow ties a certificate, in its stored form, to a person.
type bindingRow struct {
	stored     string
	person     int64
	device     Device
	notAfter   time.Time
	bound      time.Time
	superseded time.Time // zero while in force
}

func (b bindingRow) inForce() bool { return b.superseded.IsZero() }

// holderRow is what a tap needs to know.
type holderRow struct {
	person     int64
	id         mykey.ID
	notAfter   time.Time
	superseded bool
}

// noticeRow is the consent to the address-change notice.
type noticeRow struct {
	stored      string // the sign certificate's serial, in stored form
	notAfter    time.Time
	explanation string
	at          time.Time
}

func (r *Registry) holder(ctx context.Context, stored string) (row holderRow, found bool, err error) {
	var superseded time.Time
	err = r.db.QueryRow(ctx, `SELECT p.person, p.mykey_id, c.not_after, c.superseded
		FROM {certificate} c JOIN {person} p ON p.person = c.person WHERE c.holder = ?`, stored).
		Scan(personNumber(&row.person), text(&row.id), moment(&row.notAfter), moment(&superseded))
	return finishHolder(row, superseded, err)
}

func (r *Registry) customer(ctx context.Context, stored string, op mykey.OperatorID) (customer mykey.CustomerID, row holderRow, found bool, err error) {
	var superseded time.Time
	err = r.db.QueryRow(ctx, `SELECT p.person, p.mykey_id, c.not_after, c.superseded, s.customer
		FROM {certificate} c JOIN {person} p ON p.person = c.person
		LEFT JOIN {service} s ON s.person = p.person AND s.operator = ?
		WHERE c.holder = ?`, op, stored).
		Scan(personNumber(&row.person), text(&row.id), moment(&row.notAfter), moment(&superseded), text(&customer))
	row, found, err = finishHolder(row, superseded, err)
	return customer, row, found, err
}

func finishHolder(row holderRow, superseded time.Time, err error) (holderRow, bool, error) {
	if errors.Is(err, sql.ErrNoRows) {
		return holderRow{}, false, nil
	}
	row.superseded = !superseded.IsZero()
	return row, err == nil, err
}

// tx is the tables inside a transaction. Every method that adds a row reports
// by its bool whether the constraints admitted it; it does not look first.
//
// Writers that touch the same person or the same card take turns, because
// each begins with lockCard or lockPerson. Where both are locked, the card
// comes first.
type tx struct{ q sqldb.Queries }

// exec runs a statement and reports whether it changed a row.
func (t tx) exec(ctx context.Context, query string, args ...any) (bool, error) {
	n, err := t.q.Exec(ctx, query, args...)
	return n > 0, err
}

// one runs a query for one row, and reports whether there was one.
func (t tx) one(ctx context.Context, query string, args []any, dest ...any) (bool, error) {
	err := t.q.QueryRow(ctx, query, args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

const selectCard = "SELECT offers, duplicates, duplicate_at, candidate, finished, replaces FROM {card} WHERE holder = ?"

// setting stores value under name if nothing is there, and returns what is
// there afterwards.
func (t tx) setting(ctx context.Context, name, value string) (stored string, err error) {
	if _, err := t.exec(ctx, "INSERT INTO {setting} (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING", name, value); err != nil {
		return "", err
	}
	err = t.q.QueryRow(ctx, "SELECT value FROM {setting} WHERE name = ?", name).Scan(&stored)
	return stored, err
}

// lockCard gives the enrolment counters of a card, zero for a new one.
func (t tx) lockCard(ctx context.Context, stored string) (cardRow, error) {
	_, err := t.exec(ctx, `INSERT INTO {card} (holder, offers, duplicates, duplicate_at, finished)
		VALUES (?, 0, 0, 0, 0) ON CONFLICT (holder) DO NOTHING`, stored)
	if err != nil {
		return cardRow{}, err
	}
	return t.scanCard(ctx, selectCard+" {:forupdate}", stored)
}

// card is lockCard for a view.
func (t tx) card(ctx context.Context, stored string) (cardRow, error) {
	return t.scanCard(ctx, selectCard, stored)
}

func (t tx) scanCard(ctx context.Context, query, stored string) (cardRow, error) {
	var c cardRow
	var finished int64
	_, err := t.one(ctx, query, []any{stored}, number(&c.offers, "offers", 0, MaxOffers),
		number(&c.duplicates, "duplicate answers", 0, MaxDuplicates), moment(&c.duplicateAt), text(&c.candidate),
		number(&finished, "finished", 0, 1), text(&c.replaces))
	c.finished = finished != 0
	return c, err
}

func (t tx) putCard(ctx context.Context, stored string, c cardRow) error {
	_, err := t.exec(ctx, `UPDATE {card} SET offers = ?, duplicates = ?, duplicate_at = ?, candidate = ?, finished = ?, replaces = ?
		WHERE holder = ?`, c.offers, c.duplicates, millis(c.duplicateAt), c.candidate, bit(c.finished), c.replaces, stored)
	return err
}

// claimID reserves an ID that has never been given to anyone. It also
// succeeds on the card's own claim and on one made before stale.
func (t tx) claimID(ctx context.Context, id mykey.ID, stored string, now, stale time.Time) (bool, error) {
	free, err := t.exec(ctx, `INSERT INTO {mykey_id} (id, state, claimer, at) VALUES (?, 1, ?, ?)
		ON CONFLICT (id) DO UPDATE SET claimer = excluded.claimer, at = excluded.at
		WHERE {mykey_id}.state = 1 AND ({mykey_id}.claimer = excluded.claimer OR {mykey_id}.at < ?)`,
		id, stored, millis(now), millis(stale))
	return t.unlessDamaged(ctx, id, free, err)
}

// unlessDamaged gives the outcome of a statement that looked at an ID's state.
// Where it found another than it asked for, that must be one that there is.
func (t tx) unlessDamaged(ctx context.Context, id mykey.ID, done bool, err error) (bool, error) {
	if err == nil && !done {
		_, err = t.idState(ctx, id)
	}
	return done, err
}

// releaseID gives up the card's claim, if it still has it.
func (t tx) releaseID(ctx context.Context, id mykey.ID, stored string) error {
	_, err := t.exec(ctx, "DELETE FROM {mykey_id} WHERE id = ? AND state = 1 AND claimer = ?", id, stored)
	return err
}

// activateID turns the card's claim into an ID in use.
func (t tx) activateID(ctx context.Context, id mykey.ID, stored string, now time.Time) (bool, error) {
	done, err := t.exec(ctx, "UPDATE {mykey_id} SET state = 2, claimer = NULL, at = ? WHERE id = ? AND state = 1 AND claimer = ?",
		millis(now), id, stored)
	return t.unlessDamaged(ctx, id, done, err)
}

// retireID ends an ID in use for good.
func (t tx) retireID(ctx context.Context, id mykey.ID, to idState, now time.Time) error {
	done, err := t.exec(ctx, "UPDATE {mykey_id} SET state = ?, at = ? WHERE id = ? AND state = 2", int64(to), millis(now), id)
	if err == nil && !done { // it is a person's
		err = &damage{fieldID, "state"}
	}
	return err
}

func (t tx) idState(ctx context.Context, id mykey.ID) (s idState, err error) {
	_, err = t.one(ctx, "SELECT state FROM {mykey_id} WHERE id = ?", []any{id},
		number(&s, "state of a MyKey ID", int64(idReserved), int64(idRevoked)))
	return s, err
}

func (t tx) addPerson(ctx context.Context, id mykey.ID, now time.Time) (person int64, err error) {
	err = t.q.QueryRow(ctx, "INSERT INTO {person} (mykey_id, created) VALUES (?, ?) RETURNING person", id, millis(now)).Scan(&person)
	return person, err
}

// lockPerson gives the person's present ID, and false if there is no such
// person any more.
func (t tx) lockPerson(ctx context.Context, person int64) (id mykey.ID, found bool, err error) {
	found, err = t.one(ctx, "SELECT mykey_id FROM {person} WHERE person = ? {:forupdate}", []any{person}, text(&id))
	return id, found, err
}

func (t tx) setPersonID(ctx context.Context, person int64, id mykey.ID) error {
	_, err := t.exec(ctx, "UPDATE {person} SET mykey_id = ? WHERE person = ?", id, person)
	return err
}

// removePerson deletes the person with everything bound to it, but for a
// choice that has been kept.
func (t tx) removePerson(ctx context.Context, person int64) error {
	if _, err := t.exec(ctx, "UPDATE {application} SET person = NULL WHERE person = ?", person); err != nil {
		return err
	}
	for _, table := range []string{"{certificate}", "{service}", "{ppid}", "{notice}", "{person}"} {
		if _, err := t.exec(ctx, "DELETE FROM "+table+" WHERE person = ?", person); err != nil {
			return err
		}
	}
	return nil
}

// find gives the person with this key, or 0.
func (t tx) find(ctx context.Context, key mykey.Identifier) (person int64, id mykey.ID, err error) {
	dest := []any{personNumber(&person), text(&id)}
	switch k := key.(type) {
	case mykey.ID:
		_, err = t.one(ctx, "SELECT person, mykey_id FROM {person} WHERE mykey_id = ?", []any{k}, dest...)
	case mykey.ServiceID:
		_, err = t.one(ctx, `SELECT p.person, p.mykey_id FROM {service} s JOIN {person} p ON p.person = s.person
			WHERE s.operator = ? AND s.customer = ?`, []any{k.Operator, k.Customer}, dest...)
	case mykey.PPID:
		_, err = t.one(ctx, `SELECT p.person, p.mykey_id FROM {ppid} s JOIN {person} p ON p.person = s.person
			WHERE s.operator = ? AND s.ppid = ?`, []any{k.Operator(), k.Text()}, dest...)
	}
	return person, id, err
}

func (t tx) binding(ctx context.Context, stored string) (bindingRow, bool, error) {
	b := bindingRow{stored: stored}
	found, err := t.one(ctx, "SELECT person, device, not_after, bound, superseded FROM {certificate} WHERE holder = ?",
		[]any{stored}, personNumber(&b.person), device(&b.device), moment(&b.notAfter), moment(&b.bound), moment(&b.superseded))
	return b, found, err
}

// all reads every row of a query into a slice.
func all[T any](ctx context.Context, t tx, scan func(*sql.Rows) (T, error), query string, args ...any) ([]T, error) {
	rows, err := t.q.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

func (t tx) bindings(ctx context.Context, person int64) ([]bindingRow, error) {
	return all(ctx, t, func(r *sql.Rows) (bindingRow, error) {
		b := bindingRow{person: person}
		err := r.Scan(&b.stored, device(&b.device), moment(&b.notAfter), moment(&b.bound))
		return b, err
	}, `SELECT holder, device, not_after, bound FROM {certificate}
		WHERE person = ? AND superseded IS NULL ORDER BY device`, person)
}

func (t tx) addBinding(ctx context.Context, b bindingRow) (bool, error) {
	return t.exec(ctx, `INSERT INTO {certificate} (holder, person, device, not_after, bound) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT DO NOTHING`, b.stored, b.person, int64(b.device), millis(b.notAfter), millis(b.bound))
}

// refreshBinding corrects the expiry of a certificate in force.
func (t tx) refreshBinding(ctx context.Context, stored string, notAfter time.Time) error {
	_, err := t.exec(ctx, "UPDATE {certificate} SET not_after = ? WHERE holder = ?", millis(notAfter), stored)
	return err
}

// supersede ends a binding in force, and reports whether it was.
func (t tx) supersede(ctx context.Context, stored string, now time.Time) (bool, error) {
	return t.exec(ctx, "UPDATE {certificate} SET superseded = ? WHERE holder = ? AND superseded IS NULL", millis(now), stored)
}

func (t tx) services(ctx context.Context, person int64) ([]mykey.ServiceID, error) {
	return all(ctx, t, func(r *sql.Rows) (s mykey.ServiceID, err error) {
		err = r.Scan(text(&s.Operator), text(&s.Customer))
		return s, err
	}, "SELECT operator, customer FROM {service} WHERE person = ? ORDER BY operator", person)
}

func (t tx) addService(ctx context.Context, person int64, s mykey.ServiceID, now time.Time) (bool, error) {
	return t.exec(ctx, "INSERT INTO {service} (person, operator, customer, registered) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
		person, s.Operator, s.Customer, millis(now))
}

func (t tx) removeService(ctx context.Context, person int64, op mykey.OperatorID) (bool, error) {
	return t.exec(ctx, "DELETE FROM {service} WHERE person = ? AND operator = ?", person, op)
}

func (t tx) ppids(ctx context.Context, person int64) ([]mykey.PPID, error) {
	return all(ctx, t, func(r *sql.Rows) (p mykey.PPID, err error) {
		var operator mykey.OperatorID
		var value string
		if err := r.Scan(text(&operator), &value); err != nil {
			return p, err
		}
		p, err = mykey.ParsePPID(operator, value)
		return p, damaged(err)
	}, "SELECT operator, ppid FROM {ppid} WHERE person = ? ORDER BY operator", person)
}

func (t tx) addPPID(ctx context.Context, person int64, p mykey.PPID, now time.Time) (bool, error) {
	return t.exec(ctx, "INSERT INTO {ppid} (person, operator, ppid, registered) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
		person, p.Operator(), p.Text(), millis(now))
}

func (t tx) notice(ctx context.Context, person int64) (n noticeRow, found bool, err error) {
	found, err = t.one(ctx, "SELECT holder, not_after, explanation, consented FROM {notice} WHERE person = ?",
		[]any{person}, &n.stored, moment(&n.notAfter), &n.explanation, moment(&n.at))
	return n, found, err
}

func (t tx) addNotice(ctx context.Context, person int64, n noticeRow) (bool, error) {
	return t.exec(ctx, `INSERT INTO {notice} (person, holder, not_after, explanation, consented) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT DO NOTHING`, person, n.stored, millis(n.notAfter), n.explanation, millis(n.at))
}

func (t tx) removeNotice(ctx context.Context, person int64) error {
	_, err := t.exec(ctx, "DELETE FROM {notice} WHERE person = ?", person)
	return err
}

// payment gives the person's choice; where there is none, the oldest that
// was kept for one of the person's certificates.
func (t tx) payment(ctx context.Context, person int64) (p PaymentLink, found bool, err error) {
	dest := []any{&p.Service, &p.ID, moment(&p.Applied)}
	found, err = t.one(ctx, "SELECT service, payment_id, applied FROM {application} WHERE person = ?", []any{person}, dest...)
	if err != nil || found {
		return p, found, err
	}
	found, err = t.one(ctx, `SELECT a.service, a.payment_id, a.applied
		FROM {certificate} c JOIN {applicant} h ON h.holder = c.holder
		JOIN {application} a ON a.service = h.service AND a.payment_id = h.payment_id
		WHERE c.person = ? ORDER BY a.applied, a.service, a.payment_id LIMIT 1`, []any{person}, dest...)
	return p, found, err
}

func (t tx) addPayment(ctx context.Context, person int64, p PaymentLink) (bool, error) {
	return t.exec(ctx, "INSERT INTO {application} (person, service, payment_id, applied) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
		person, p.Service, p.ID, millis(p.Applied))
}

// keepPayment keeps the choice for the person's certificates, before
// removePerson. A certificate for which one was kept keeps that one.
func (t tx) keepPayment(ctx context.Context, person int64, p PaymentLink) error {
	_, err := t.exec(ctx, `INSERT INTO {applicant} (holder, service, payment_id)
		SELECT holder, ?, ? FROM {certificate} WHERE person = ? ON CONFLICT (holder) DO NOTHING`, p.Service, p.ID, person)
	return err
}
