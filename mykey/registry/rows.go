package registry

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
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
	idAbandoned idState = 3 // given up in a change or a join; never given out again
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

// bindingRow ties a certificate to a person.
type bindingRow struct {
	stored     string // the key: serial and issuer, or the serial alone
	serial     string
	issuer     Issuer // zero for one from before issuers were kept
	person     int64
	device     Device
	notAfter   time.Time
	bound      time.Time
	superseded time.Time // zero while in force
	revoked    bool      // it was found revoked
}

func (b bindingRow) inForce() bool { return b.superseded.IsZero() }

// noticeRow is the consent to the address-change notice.
type noticeRow struct {
	stored      string // the sign certificate's serial, in stored form
	notAfter    time.Time
	explanation string
	at          time.Time
	reported    time.Time
}

// lookup is the one query of a tap: whose certificate is this? The certificate
// is known by its serial number alone, so there may be two of two issuers, unless
// issuer is not zero. If op is not zero, it also reads the customer ID there.
func (r *Registry) lookup(ctx context.Context, serial string, issuer Issuer, op mykey.OperatorID) (id mykey.ID, customer mykey.CustomerID, err error) {
	q, err := r.db.Queries(ctx)
	if err != nil {
		return id, customer, err
	}
	query, now := lookupByClock, any(r.now().UnixMilli())
	if q.Dialect() == sqldb.PostgreSQL && r.cfg.Clock == nil {
		query, now = lookupByDatabase, nil
	}
	args := []any{now, op, serial}
	if !issuer.IsZero() {
		query += lookupIssued
		args = append(args, issuer.hex)
	}
	rows, err := q.Query(ctx, query+lookupLimit, args...)
	if err != nil {
		return id, customer, err
	}
	defer rows.Close()
	found := 0
	var usable error
	for ; rows.Next(); found++ {
		var notAfter, superseded, now time.Time
		if err := rows.Scan(text(&id), moment(&notAfter), moment(&superseded), moment(&now), text(&customer)); err != nil {
			return id, customer, err
		}
		switch {
		case !superseded.IsZero():
			usable = ErrSuperseded
		case now.After(notAfter):
			usable = ErrExpired
		}
	}
	switch err := rows.Err(); {
	case err != nil:
		return id, customer, err
	case found == 0:
		return id, customer, ErrNotEnrolled
	case found > 1:
		return id, customer, ErrTwoIssuers
	}
	return id, customer, usable
}

// The database's clock decides on PostgreSQL, as everywhere; a NULL argument is
// the database's own time.
const (
	lookupHead = `SELECT p.mykey_id, c.not_after, c.superseded, COALESCE(CAST(? AS BIGINT), `
	lookupTail = `), s.customer
		FROM {certificate} c JOIN {person} p ON p.person = c.person
		LEFT JOIN {service} s ON s.person = p.person AND s.operator = ?
		WHERE c.serial = ?`
	lookupIssued     = " AND (c.issuer = ? OR c.issuer IS NULL)" // of before issuers were kept
	lookupLimit      = " LIMIT 2"
	lookupByClock    = lookupHead + "0" + lookupTail
	lookupByDatabase = lookupHead + "CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS BIGINT)" + lookupTail
)

// tx is the tables inside a transaction. Every method that adds a row reports
// by its bool whether the constraints admitted it; it does not look first.
//
// Writers that touch the same person or the same card take turns, because
// each begins with lockCard or lockPerson. Where both are locked, the card
// comes first.
type tx struct{ q *sqldb.Tx }

// now returns the time as the tables keep it. Where something is decided by it,
// it is read after the locks.
func (t tx) now(ctx context.Context) (time.Time, error) {
	at, err := t.q.Now(ctx)
	return at.Truncate(time.Millisecond).In(jst), err
}

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

// lockCard returns the enrolment counters of a card, zero for a new one. It
// takes over what was left off under the serial number alone by a card that is
// not bound.
func (t tx) lockCard(ctx context.Context, c keyed) (cardRow, error) {
	if err := t.moveCard(ctx, c, `AND finished = 0 AND NOT EXISTS (SELECT 1 FROM {certificate} b WHERE b.holder = {card}.holder)`); err != nil {
		return cardRow{}, err
	}
	_, err := t.exec(ctx, `INSERT INTO {card} (holder, offers, duplicates, duplicate_at, finished)
		VALUES (?, 0, 0, 0, 0) ON CONFLICT (holder) DO NOTHING`, c.key)
	if err != nil {
		return cardRow{}, err
	}
	row, _, err := t.scanCard(ctx, selectCard+" {:forupdate}", c.key)
	return row, err
}

// moveCard puts the enrolment counters that are kept under the serial number
// alone under the key, with the claim on their candidate.
func (t tx) moveCard(ctx context.Context, c keyed, and string) error {
	moved, err := t.exec(ctx, `UPDATE {card} SET holder = ? WHERE holder = ? `+and+`
		AND NOT EXISTS (SELECT 1 FROM {card} k WHERE k.holder = ?)`, c.key, c.serial, c.key)
	if err != nil || !moved {
		return err
	}
	_, err = t.exec(ctx, `UPDATE {mykey_id} SET claimer = ? WHERE claimer = ? AND state = 1
		AND id = (SELECT candidate FROM {card} WHERE holder = ?)`, c.key, c.serial, c.key)
	return err
}

func (t tx) card(ctx context.Context, c keyed) (cardRow, error) {
	row, found, err := t.scanCard(ctx, selectCard, c.key)
	if err == nil && !found {
		row, _, err = t.scanCard(ctx, selectCard+" AND finished = 0", c.serial)
	}
	return row, err
}

func (t tx) scanCard(ctx context.Context, query, stored string) (c cardRow, found bool, err error) {
	var finished int64
	found, err = t.one(ctx, query, []any{stored}, number(&c.offers, "offers", 0, MaxOffers),
		number(&c.duplicates, "duplicate answers", 0, MaxDuplicates), moment(&c.duplicateAt), text(&c.candidate),
		number(&finished, "finished", 0, 1), text(&c.replaces))
	c.finished = finished != 0
	return c, found, err
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

// unlessDamaged returns the outcome of a statement that looked at an ID's state.
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

// retireID ends an ID in use for good. successor is zero after a revocation.
func (t tx) retireID(ctx context.Context, id mykey.ID, to idState, successor mykey.ID, now time.Time) error {
	done, err := t.exec(ctx, "UPDATE {mykey_id} SET state = ?, successor = ?, at = ? WHERE id = ? AND state = 2",
		int64(to), successor, millis(now), id)
	if err == nil && !done { // it is a person's
		err = &damage{fieldID, "state"}
	}
	return err
}

// successor returns what has become of an ID that was in use, and the ID that
// took its place, if any.
func (t tx) successor(ctx context.Context, id mykey.ID) (s idState, next mykey.ID, err error) {
	_, err = t.one(ctx, "SELECT state, successor FROM {mykey_id} WHERE id = ?", []any{id},
		number(&s, "state of a MyKey ID", int64(idReserved), int64(idRevoked)), text(&next))
	return s, next, err
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

// lockPerson returns the person's present ID, and false if there is no such
// person any more.
func (t tx) lockPerson(ctx context.Context, person int64) (id mykey.ID, found bool, err error) {
	found, err = t.one(ctx, "SELECT mykey_id FROM {person} WHERE person = ? {:forupdate}", []any{person}, text(&id))
	return id, found, err
}

// personID returns a person's present ID.
func (t tx) personID(ctx context.Context, person int64) (id mykey.ID, found bool, err error) {
	found, err = t.one(ctx, "SELECT mykey_id FROM {person} WHERE person = ?", []any{person}, text(&id))
	return id, found, err
}

func (t tx) setPersonID(ctx context.Context, person int64, id mykey.ID) error {
	_, err := t.exec(ctx, "UPDATE {person} SET mykey_id = ? WHERE person = ?", id, person)
	return err
}

// removePerson deletes the person with everything bound to it, but for a
// choice that has been kept.
func (t tx) removePerson(ctx context.Context, person int64) error {
	if _, err := t.exec(ctx, "UPDATE {choice} SET person = NULL WHERE person = ?", person); err != nil {
		return err
	}
	for _, table := range []string{"{certificate}", "{service}", "{ppid}", "{notice}", "{person}"} {
		if _, err := t.exec(ctx, "DELETE FROM "+table+" WHERE person = ?", person); err != nil {
			return err
		}
	}
	return nil
}

// find returns the person with this key, or 0.
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

const selectBinding = "SELECT holder, serial, issuer, person, device, not_after, bound, superseded, CASE WHEN revoked IS NULL THEN 0 ELSE 1 END FROM {certificate} WHERE "

func (b *bindingRow) dest() []any {
	return []any{&b.stored, &b.serial, issuer(&b.issuer), personNumber(&b.person), device(&b.device),
		moment(&b.notAfter), moment(&b.bound), moment(&b.superseded), &b.revoked}
}

// binding returns the binding under a key.
func (t tx) binding(ctx context.Context, stored string) (b bindingRow, found bool, err error) {
	found, err = t.one(ctx, selectBinding+"holder = ?", []any{stored}, b.dest()...)
	return b, found, err
}

// known returns the binding of a certificate. One from before issuers were kept
// is the certificate's if it ends at the same time.
func (t tx) known(ctx context.Context, c keyed) (b bindingRow, found bool, err error) {
	if b, found, err = t.binding(ctx, c.key); err != nil || found {
		return b, found, err
	}
	found, err = t.one(ctx, selectBinding+"holder = ? AND issuer IS NULL AND not_after = ?", []any{c.serial, millis(c.notAfter)}, b.dest()...)
	return b, found, err
}

// adopt gives a binding from before issuers were kept the issuer of the
// certificate c, which it was found to be of, and moves what else stood under
// the serial number alone.
func (t tx) adopt(ctx context.Context, b *bindingRow, c keyed) error {
	if !b.issuer.IsZero() || c.issuer.IsZero() {
		return nil
	}
	if _, err := t.exec(ctx, "UPDATE {certificate} SET holder = ?, issuer = ? WHERE holder = ? AND issuer IS NULL",
		c.key, c.issuer.hex, c.serial); err != nil {
		return err
	}
	if _, err := t.exec(ctx, `UPDATE {chooser} SET holder = ? WHERE holder = ?
		AND NOT EXISTS (SELECT 1 FROM {chooser} k WHERE k.holder = ? AND k.campaign = {chooser}.campaign)`, c.key, c.serial, c.key); err != nil {
		return err
	}
	b.stored, b.issuer = c.key, c.issuer
	return t.moveCard(ctx, c, "")
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

// bindings returns the bindings in force of a person.
func (t tx) bindings(ctx context.Context, person int64) ([]bindingRow, error) {
	return all(ctx, t, func(r *sql.Rows) (b bindingRow, err error) {
		err = r.Scan(b.dest()...)
		return b, err
	}, selectBinding+"person = ? AND superseded IS NULL ORDER BY device", person)
}

// addBinding binds a certificate, and reports whether it was nobody's before. A
// certificate that is known is nobody's twice, with an issuer or without.
func (t tx) addBinding(ctx context.Context, person int64, c keyed) (bool, error) {
	now, err := t.now(ctx)
	if err != nil {
		return false, err
	}
	same := "issuer IS NULL AND not_after = ?"
	if c.issuer.IsZero() {
		same = "not_after = ?"
	}
	var issuer any
	if !c.issuer.IsZero() {
		issuer = c.issuer.hex
	}
	return t.exec(ctx, `INSERT INTO {certificate} (holder, serial, issuer, person, device, not_after, bound)
		SELECT CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS BIGINT)
		WHERE NOT EXISTS (SELECT 1 FROM {certificate} k WHERE k.serial = ? AND `+same+`)
		ON CONFLICT DO NOTHING`, c.key, c.serial, issuer, person, int64(c.device), millis(c.notAfter), millis(now), c.serial, millis(c.notAfter))
}

// refreshBinding corrects the expiry of a certificate in force.
func (t tx) refreshBinding(ctx context.Context, stored string, notAfter time.Time) error {
	_, err := t.exec(ctx, "UPDATE {certificate} SET not_after = ? WHERE holder = ?", millis(notAfter), stored)
	return err
}

// supersede ends a binding in force, and reports whether it was.
func (t tx) supersede(ctx context.Context, stored string) (bool, error) {
	now, err := t.now(ctx)
	if err != nil {
		return false, err
	}
	return t.exec(ctx, "UPDATE {certificate} SET superseded = ? WHERE holder = ? AND superseded IS NULL", millis(now), stored)
}

func (t tx) services(ctx context.Context, person int64) ([]mykey.ServiceID, error) {
	return all(ctx, t, func(r *sql.Rows) (s mykey.ServiceID, err error) {
		err = r.Scan(text(&s.Operator), text(&s.Customer))
		return s, err
	}, "SELECT operator, customer FROM {service} WHERE person = ? ORDER BY operator", person)
}

func (t tx) addService(ctx context.Context, person int64, s mykey.ServiceID) (bool, error) {
	now, err := t.now(ctx)
	if err != nil {
		return false, err
	}
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

func (t tx) addPPID(ctx context.Context, person int64, p mykey.PPID) (bool, error) {
	now, err := t.now(ctx)
	if err != nil {
		return false, err
	}
	return t.exec(ctx, "INSERT INTO {ppid} (person, operator, ppid, registered) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
		person, p.Operator(), p.Text(), millis(now))
}

func (t tx) notice(ctx context.Context, person int64) (n noticeRow, found bool, err error) {
	found, err = t.one(ctx, "SELECT holder, not_after, explanation, consented, reported FROM {notice} WHERE person = ?",
		[]any{person}, &n.stored, moment(&n.notAfter), &n.explanation, moment(&n.at), moment(&n.reported))
	return n, found, err
}

func (t tx) addNotice(ctx context.Context, person int64, n noticeRow) (bool, error) {
	return t.exec(ctx, `INSERT INTO {notice} (person, holder, not_after, explanation, consented, reported) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT DO NOTHING`, person, n.stored, millis(n.notAfter), n.explanation, millis(n.at), orNull(n.reported))
}

func (t tx) removeNotice(ctx context.Context, person int64) error {
	_, err := t.exec(ctx, "DELETE FROM {notice} WHERE person = ?", person)
	return err
}

const choiceColumns = "a.campaign, a.service, a.payment_id, a.terms, a.applied, a.done"

func (p *PaymentLink) dest() []any {
	return []any{&p.Campaign, &p.Service, &p.ID, &p.Terms, moment(&p.Applied), moment(&p.Done)}
}

// payments returns the person's choice in each campaign; where there is none, the
// oldest that was kept for one of the person's certificates.
func (t tx) payments(ctx context.Context, person int64) ([]PaymentLink, error) {
	return t.choices(ctx, person, "")
}

// payment returns the person's choice in one campaign.
func (t tx) payment(ctx context.Context, person int64, campaign string) (p PaymentLink, found bool, err error) {
	list, err := t.choices(ctx, person, " AND a.campaign = ?", campaign)
	if len(list) > 0 {
		p = list[0]
	}
	return p, len(list) > 0, err
}

func (t tx) choices(ctx context.Context, person int64, and string, args ...any) ([]PaymentLink, error) {
	args = append([]any{person}, args...)
	list, err := all(ctx, t, func(r *sql.Rows) (p PaymentLink, err error) {
		err = r.Scan(p.dest()...)
		return p, err
	}, `SELECT `+choiceColumns+` FROM (
			SELECT 0 AS kept, c.* FROM {choice} c WHERE c.person = ?`+strings.ReplaceAll(and, "a.", "c.")+`
			UNION ALL
			SELECT 1 AS kept, k.* FROM {certificate} b JOIN {chooser} h ON h.holder = b.holder OR h.holder = b.serial
			JOIN {choice} k ON k.campaign = h.campaign AND k.service = h.service AND k.payment_id = h.payment_id
			WHERE b.person = ?`+strings.ReplaceAll(and, "a.", "k.")+`
		) a ORDER BY a.campaign, a.kept, a.applied, a.service, a.payment_id`, append(args, args...)...)
	return slices.CompactFunc(list, func(a, b PaymentLink) bool { return a.Campaign == b.Campaign }), err
}

func (t tx) addPayment(ctx context.Context, person int64, p PaymentLink) (bool, error) {
	return t.exec(ctx, "INSERT INTO {choice} (campaign, service, payment_id, person, terms, applied, done) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
		p.Campaign, p.Service, p.ID, person, p.Terms, millis(p.Applied), orNull(p.Done))
}

// keepPayments keeps the choices for the person's certificates, before
// removePerson. A certificate for which one of the campaign was kept keeps that
// one.
func (t tx) keepPayments(ctx context.Context, person int64) error {
	list, err := t.payments(ctx, person)
	if err != nil {
		return err
	}
	for _, p := range list {
		if _, err := t.exec(ctx, `INSERT INTO {chooser} (holder, campaign, service, payment_id)
			SELECT holder, CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT) FROM {certificate} WHERE person = ? ON CONFLICT DO NOTHING`,
			p.Campaign, p.Service, p.ID, person); err != nil {
			return err
		}
	}
	return nil
}
