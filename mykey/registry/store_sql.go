package registry

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"time"

	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/mynakit/mynakit/mykey"
)

// SQLConfig says where in a database the tables are. The zero SQLConfig is
// usable.
type SQLConfig struct {
	// Prefix goes before the name of every table, so that they can live in a
	// database with others: a lower-case letter, then lower-case letters,
	// digits and underscores, at most 24 bytes. Empty means "mykey_".
	Prefix string
	// RetryFor bounds how long a write is tried again while another is in its
	// way; then it gives [ErrBusy]. Zero means ten seconds; a negative value
	// means one try.
	RetryFor time.Duration
}

var (
	// ErrBusy is within a [*StoreError] when other writers were in the way
	// for all of [SQLConfig.RetryFor].
	ErrBusy = sqldb.ErrBusy
	// ErrOutcomeUnknown is within a [*StoreError] when the connection broke
	// during COMMIT. Make the same call again: if the first was carried out,
	// the second finds so and changes nothing.
	ErrOutcomeUnknown = sqldb.ErrOutcomeUnknown
)

// SchemaError is within the [*StoreError] of [OpenSQL] for a database made by a
// newer version of this package.
type SchemaError = sqldb.SchemaError

// OpenSQL gives a store in a SQL database, after it has created the tables or
// brought older ones up to date. db is SQLite through any driver, or
// PostgreSQL through pgx (github.com/jackc/pgx/v5/stdlib); which of them is
// found out. Closing db stays with the caller.
//
// Open SQLite with journal_mode(WAL), synchronous(FULL) and a busy_timeout, so
// that an acknowledged registration survives a power cut and readers do not
// wait.
//
// The error is a [*StoreError].
func OpenSQL(ctx context.Context, db *sql.DB, cfg SQLConfig) (Store, error) {
	d, err := sqldb.Open(ctx, db, schema, sqldb.Config{Prefix: cfg.Prefix, RetryFor: cfg.RetryFor})
	if err != nil {
		return nil, &StoreError{Op: "open store", Err: err}
	}
	return &sqlStore{db: d}, nil
}

// schema is the tables. Times are milliseconds since 1970 UTC.
//
// mykey_id holds every MyKey ID ever given out, and is never deleted from but
// for claims that came to nothing; that is what keeps an ID from being given
// out twice.
var schema = sqldb.Schema{Name: "mykey", Steps: [][]string{{
	`CREATE TABLE {mykey_id} (
		id      {:text} NOT NULL PRIMARY KEY,
		state   BIGINT NOT NULL,
		claimer {:text},
		at      BIGINT NOT NULL
	) {:withoutrowid}`,
	`CREATE TABLE {person} (
		person   {:serial},
		mykey_id {:text} NOT NULL UNIQUE REFERENCES {mykey_id} (id),
		created  BIGINT NOT NULL
	)`,
	`CREATE TABLE {certificate} (
		holder     {:text} NOT NULL PRIMARY KEY,
		person     BIGINT NOT NULL REFERENCES {person} (person),
		device     BIGINT NOT NULL,
		not_after  BIGINT NOT NULL,
		bound      BIGINT NOT NULL,
		superseded BIGINT
	) {:withoutrowid}`,
	`CREATE INDEX {certificate_person} ON {certificate} (person)`,
	`CREATE UNIQUE INDEX {certificate_current} ON {certificate} (person, device) WHERE superseded IS NULL`,
	`CREATE TABLE {service} (
		person     BIGINT NOT NULL REFERENCES {person} (person),
		operator   {:text} NOT NULL,
		customer   {:text} NOT NULL,
		registered BIGINT NOT NULL,
		PRIMARY KEY (person, operator),
		UNIQUE (operator, customer)
	) {:withoutrowid}`,
	`CREATE TABLE {ppid} (
		person     BIGINT NOT NULL REFERENCES {person} (person),
		operator   {:text} NOT NULL,
		ppid       {:text} NOT NULL,
		registered BIGINT NOT NULL,
		PRIMARY KEY (person, operator),
		UNIQUE (operator, ppid)
	) {:withoutrowid}`,
	`CREATE TABLE {notice} (
		person      BIGINT NOT NULL PRIMARY KEY REFERENCES {person} (person),
		holder      {:text} NOT NULL UNIQUE,
		not_after   BIGINT NOT NULL,
		explanation {:text} NOT NULL,
		consented   BIGINT NOT NULL
	)`,
	`CREATE TABLE {payment} (
		person     BIGINT NOT NULL PRIMARY KEY REFERENCES {person} (person),
		service    {:text} NOT NULL,
		payment_id {:text} NOT NULL,
		applied    BIGINT NOT NULL,
		UNIQUE (service, payment_id)
	)`,
	`CREATE TABLE {card} (
		holder       {:text} NOT NULL PRIMARY KEY,
		offers       BIGINT NOT NULL,
		duplicates   BIGINT NOT NULL,
		duplicate_at BIGINT NOT NULL,
		candidate    {:text},
		finished     BIGINT NOT NULL
	) {:withoutrowid}`,
	`CREATE TABLE {setting} (
		name  {:text} NOT NULL PRIMARY KEY,
		value {:text} NOT NULL
	)`,
}, {
	// The choice of a payment service outlives the person: application has it
	// once for all, and applicant for each certificate of a person who is gone.
	`CREATE TABLE {application} (
		service    {:text} NOT NULL,
		payment_id {:text} NOT NULL,
		person     BIGINT UNIQUE REFERENCES {person} (person),
		applied    BIGINT NOT NULL,
		PRIMARY KEY (service, payment_id)
	) {:withoutrowid}`,
	`CREATE TABLE {applicant} (
		holder     {:text} NOT NULL PRIMARY KEY,
		service    {:text} NOT NULL,
		payment_id {:text} NOT NULL,
		FOREIGN KEY (service, payment_id) REFERENCES {application} (service, payment_id)
	) {:withoutrowid}`,
	`INSERT INTO {application} (service, payment_id, person, applied)
		SELECT service, payment_id, person, applied FROM {payment}`,
	`DROP TABLE {payment}`,
	// Which ID a card's procedure is to replace. What was left off before this
	// step counts as a first registration.
	`ALTER TABLE {card} ADD COLUMN replaces {:text}`,
}}}

type sqlStore struct{ db *sqldb.DB }

func (s *sqlStore) update(ctx context.Context, fn func(context.Context, tx) error) error {
	return s.db.Write(ctx, func(ctx context.Context, t *sqldb.Tx) error { return fn(ctx, sqlTx{t.Queries}) })
}

func (s *sqlStore) view(ctx context.Context, fn func(context.Context, tx) error) error {
	return s.db.Read(ctx, func(ctx context.Context, t *sqldb.Tx) error { return fn(ctx, sqlTx{t.Queries}) })
}

func (s *sqlStore) holder(ctx context.Context, stored string) (row holderRow, found bool, err error) {
	var superseded time.Time
	err = s.db.QueryRow(ctx, `SELECT p.person, p.mykey_id, c.not_after, c.superseded
		FROM {certificate} c JOIN {person} p ON p.person = c.person WHERE c.holder = ?`, stored).
		Scan(personNumber(&row.person), text(&row.id), moment(&row.notAfter), moment(&superseded))
	return finishHolder(row, superseded, err)
}

func (s *sqlStore) customer(ctx context.Context, stored string, op mykey.OperatorID) (customer mykey.CustomerID, row holderRow, found bool, err error) {
	var superseded time.Time
	err = s.db.QueryRow(ctx, `SELECT p.person, p.mykey_id, c.not_after, c.superseded, s.customer
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

func (s *sqlStore) setting(ctx context.Context, name, value string) (stored string, err error) {
	err = s.db.Write(ctx, func(ctx context.Context, t *sqldb.Tx) error {
		if _, err := t.Exec(ctx, "INSERT INTO {setting} (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING", name, value); err != nil {
			return err
		}
		return t.QueryRow(ctx, "SELECT value FROM {setting} WHERE name = ?", name).Scan(&stored)
	})
	return stored, err
}

// damage says that a cell holds what this package never writes there. It is no
// refusal, and no [ErrForm]: nothing that the caller gave is wrong. It does not
// hold the value.
type damage struct{ what, wrong string }

func (e *damage) Error() string { return "damaged table: " + e.what + ": wrong " + e.wrong }

// damaged is for what a form refuses in a cell.
func damaged(err error) error {
	if fe, ok := errors.AsType[*mykey.FormError](err); ok {
		return &damage{fe.Field, string(fe.Rule)}
	}
	return err
}

// cell reads a column of a row. The errors of database/sql's own conversions
// would quote the value.
type cell func(src any) error

// Scan is [sql.Scanner].
func (c cell) Scan(src any) error { return c(src) }

// text reads a value with a form of its own, and NULL as its zero.
func text(dest sql.Scanner) cell {
	return func(src any) error { return damaged(dest.Scan(src)) }
}

// number reads a whole number within its bounds.
func number[T ~int | ~int64 | ~uint8](dest *T, what string, least, most int64) cell {
	return func(src any) error {
		n, ok := src.(int64)
		switch {
		case !ok:
			return &damage{what, string(mykey.RuleType)}
		case n < least || n > most:
			return &damage{what, "range"}
		}
		*dest = T(n)
		return nil
	}
}

// moment reads a time, and NULL as none.
func moment(dest *time.Time) cell {
	return func(src any) error {
		if src == nil {
			*dest = time.Time{}
			return nil
		}
		var ms int64
		err := number(&ms, "time", math.MinInt64, math.MaxInt64)(src)
		*dest = time.UnixMilli(ms).In(jst)
		return err
	}
}

func personNumber(dest *int64) cell { return number(dest, "person", 1, math.MaxInt64) }

func device(dest *Device) cell {
	return number(dest, fieldDevice, int64(DeviceCard), int64(DeviceIPhone))
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

type sqlTx struct{ q sqldb.Queries }

// exec runs a statement and reports whether it changed a row.
func (t sqlTx) exec(ctx context.Context, query string, args ...any) (bool, error) {
	n, err := t.q.Exec(ctx, query, args...)
	return n > 0, err
}

// one runs a query for one row, and reports whether there was one.
func (t sqlTx) one(ctx context.Context, query string, args []any, dest ...any) (bool, error) {
	err := t.q.QueryRow(ctx, query, args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

const selectCard = "SELECT offers, duplicates, duplicate_at, candidate, finished, replaces FROM {card} WHERE holder = ?"

func (t sqlTx) lockCard(ctx context.Context, stored string) (cardRow, error) {
	_, err := t.exec(ctx, `INSERT INTO {card} (holder, offers, duplicates, duplicate_at, finished)
		VALUES (?, 0, 0, 0, 0) ON CONFLICT (holder) DO NOTHING`, stored)
	if err != nil {
		return cardRow{}, err
	}
	return t.scanCard(ctx, selectCard+" {:forupdate}", stored)
}

func (t sqlTx) card(ctx context.Context, stored string) (cardRow, error) {
	return t.scanCard(ctx, selectCard, stored)
}

func (t sqlTx) scanCard(ctx context.Context, query, stored string) (cardRow, error) {
	var c cardRow
	var finished int64
	_, err := t.one(ctx, query, []any{stored}, number(&c.offers, "offers", 0, MaxOffers),
		number(&c.duplicates, "duplicate answers", 0, MaxDuplicates), moment(&c.duplicateAt), text(&c.candidate),
		number(&finished, "finished", 0, 1), text(&c.replaces))
	c.finished = finished != 0
	return c, err
}

func (t sqlTx) putCard(ctx context.Context, stored string, c cardRow) error {
	_, err := t.exec(ctx, `UPDATE {card} SET offers = ?, duplicates = ?, duplicate_at = ?, candidate = ?, finished = ?, replaces = ?
		WHERE holder = ?`, c.offers, c.duplicates, millis(c.duplicateAt), c.candidate, bit(c.finished), c.replaces, stored)
	return err
}

func (t sqlTx) claimID(ctx context.Context, id mykey.ID, stored string, now, stale time.Time) (bool, error) {
	free, err := t.exec(ctx, `INSERT INTO {mykey_id} (id, state, claimer, at) VALUES (?, 1, ?, ?)
		ON CONFLICT (id) DO UPDATE SET claimer = excluded.claimer, at = excluded.at
		WHERE {mykey_id}.state = 1 AND ({mykey_id}.claimer = excluded.claimer OR {mykey_id}.at < ?)`,
		id, stored, millis(now), millis(stale))
	return t.unlessDamaged(ctx, id, free, err)
}

// unlessDamaged gives the outcome of a statement that looked at an ID's state.
// Where it found another than it asked for, that must be one that there is.
func (t sqlTx) unlessDamaged(ctx context.Context, id mykey.ID, done bool, err error) (bool, error) {
	if err == nil && !done {
		_, err = t.idState(ctx, id)
	}
	return done, err
}

func (t sqlTx) releaseID(ctx context.Context, id mykey.ID, stored string) error {
	_, err := t.exec(ctx, "DELETE FROM {mykey_id} WHERE id = ? AND state = 1 AND claimer = ?", id, stored)
	return err
}

func (t sqlTx) activateID(ctx context.Context, id mykey.ID, stored string, now time.Time) (bool, error) {
	done, err := t.exec(ctx, "UPDATE {mykey_id} SET state = 2, claimer = NULL, at = ? WHERE id = ? AND state = 1 AND claimer = ?",
		millis(now), id, stored)
	return t.unlessDamaged(ctx, id, done, err)
}

func (t sqlTx) retireID(ctx context.Context, id mykey.ID, to idState, now time.Time) error {
	done, err := t.exec(ctx, "UPDATE {mykey_id} SET state = ?, at = ? WHERE id = ? AND state = 2", int64(to), millis(now), id)
	if err == nil && !done { // it is a person's
		err = &damage{fieldID, "state"}
	}
	return err
}

func (t sqlTx) idState(ctx context.Context, id mykey.ID) (s idState, err error) {
	_, err = t.one(ctx, "SELECT state FROM {mykey_id} WHERE id = ?", []any{id},
		number(&s, "state of a MyKey ID", int64(idReserved), int64(idRevoked)))
	return s, err
}

func (t sqlTx) addPerson(ctx context.Context, id mykey.ID, now time.Time) (person int64, err error) {
	err = t.q.QueryRow(ctx, "INSERT INTO {person} (mykey_id, created) VALUES (?, ?) RETURNING person", id, millis(now)).Scan(&person)
	return person, err
}

func (t sqlTx) lockPerson(ctx context.Context, person int64) (id mykey.ID, found bool, err error) {
	found, err = t.one(ctx, "SELECT mykey_id FROM {person} WHERE person = ? {:forupdate}", []any{person}, text(&id))
	return id, found, err
}

func (t sqlTx) setPersonID(ctx context.Context, person int64, id mykey.ID) error {
	_, err := t.exec(ctx, "UPDATE {person} SET mykey_id = ? WHERE person = ?", id, person)
	return err
}

func (t sqlTx) removePerson(ctx context.Context, person int64) error {
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

func (t sqlTx) find(ctx context.Context, key mykey.Key) (person int64, id mykey.ID, err error) {
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

func (t sqlTx) binding(ctx context.Context, stored string) (bindingRow, bool, error) {
	b := bindingRow{stored: stored}
	found, err := t.one(ctx, "SELECT person, device, not_after, bound, superseded FROM {certificate} WHERE holder = ?",
		[]any{stored}, personNumber(&b.person), device(&b.device), moment(&b.notAfter), moment(&b.bound), moment(&b.superseded))
	return b, found, err
}

// all reads every row of a query into a slice.
func all[T any](ctx context.Context, t sqlTx, scan func(*sql.Rows) (T, error), query string, args ...any) ([]T, error) {
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

func (t sqlTx) bindings(ctx context.Context, person int64) ([]bindingRow, error) {
	return all(ctx, t, func(r *sql.Rows) (bindingRow, error) {
		b := bindingRow{person: person}
		err := r.Scan(&b.stored, device(&b.device), moment(&b.notAfter), moment(&b.bound))
		return b, err
	}, `SELECT holder, device, not_after, bound FROM {certificate}
		WHERE person = ? AND superseded IS NULL ORDER BY device`, person)
}

func (t sqlTx) addBinding(ctx context.Context, b bindingRow) (bool, error) {
	return t.exec(ctx, `INSERT INTO {certificate} (holder, person, device, not_after, bound) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT DO NOTHING`, b.stored, b.person, int64(b.device), millis(b.notAfter), millis(b.bound))
}

func (t sqlTx) refreshBinding(ctx context.Context, stored string, notAfter time.Time) error {
	_, err := t.exec(ctx, "UPDATE {certificate} SET not_after = ? WHERE holder = ?", millis(notAfter), stored)
	return err
}

func (t sqlTx) supersede(ctx context.Context, stored string, now time.Time) (bool, error) {
	return t.exec(ctx, "UPDATE {certificate} SET superseded = ? WHERE holder = ? AND superseded IS NULL", millis(now), stored)
}

func (t sqlTx) services(ctx context.Context, person int64) ([]mykey.ServiceID, error) {
	return all(ctx, t, func(r *sql.Rows) (s mykey.ServiceID, err error) {
		err = r.Scan(text(&s.Operator), text(&s.Customer))
		return s, err
	}, "SELECT operator, customer FROM {service} WHERE person = ? ORDER BY operator", person)
}

func (t sqlTx) addService(ctx context.Context, person int64, s mykey.ServiceID, now time.Time) (bool, error) {
	return t.exec(ctx, "INSERT INTO {service} (person, operator, customer, registered) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
		person, s.Operator, s.Customer, millis(now))
}

func (t sqlTx) removeService(ctx context.Context, person int64, op mykey.OperatorID) (bool, error) {
	return t.exec(ctx, "DELETE FROM {service} WHERE person = ? AND operator = ?", person, op)
}

func (t sqlTx) ppids(ctx context.Context, person int64) ([]mykey.PPID, error) {
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

func (t sqlTx) addPPID(ctx context.Context, person int64, p mykey.PPID, now time.Time) (bool, error) {
	return t.exec(ctx, "INSERT INTO {ppid} (person, operator, ppid, registered) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
		person, p.Operator(), p.Text(), millis(now))
}

func (t sqlTx) notice(ctx context.Context, person int64) (n noticeRow, found bool, err error) {
	found, err = t.one(ctx, "SELECT holder, not_after, explanation, consented FROM {notice} WHERE person = ?",
		[]any{person}, &n.stored, moment(&n.notAfter), &n.explanation, moment(&n.at))
	return n, found, err
}

func (t sqlTx) addNotice(ctx context.Context, person int64, n noticeRow) (bool, error) {
	return t.exec(ctx, `INSERT INTO {notice} (person, holder, not_after, explanation, consented) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT DO NOTHING`, person, n.stored, millis(n.notAfter), n.explanation, millis(n.at))
}

func (t sqlTx) removeNotice(ctx context.Context, person int64) error {
	_, err := t.exec(ctx, "DELETE FROM {notice} WHERE person = ?", person)
	return err
}

func (t sqlTx) payment(ctx context.Context, person int64) (p PaymentLink, found bool, err error) {
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

func (t sqlTx) addPayment(ctx context.Context, person int64, p PaymentLink) (bool, error) {
	return t.exec(ctx, "INSERT INTO {application} (person, service, payment_id, applied) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
		person, p.Service, p.ID, millis(p.Applied))
}

func (t sqlTx) keepPayment(ctx context.Context, person int64, p PaymentLink) error {
	_, err := t.exec(ctx, `INSERT INTO {applicant} (holder, service, payment_id)
		SELECT holder, ?, ? FROM {certificate} WHERE person = ? ON CONFLICT (holder) DO NOTHING`, p.Service, p.ID, person)
	return err
}
