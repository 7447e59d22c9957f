package ticket

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/mynakit/mynakit/internal/sqldb"
)

// SQLStore is a [Store] in SQLite or PostgreSQL. It is safe for use by
// several goroutines, and several programs may share one database. The
// database holds the live numbers, which reprints need: guard it, and its
// backups, as money.
type SQLStore struct {
	db *sqldb.DB
}

// SQLConfig says how to use a database. The zero SQLConfig is usable.
type SQLConfig struct {
	// Prefix goes before the name of every table, so that they can live in
	// the program's own database: a lower-case letter, then lower-case
	// letters, digits and underscores, at most 24. Empty means "ticket_".
	Prefix string
	// RetryFor bounds how long a write is tried again while another is in its
	// way; then it gives [ErrBusy]. Zero means ten seconds; a negative value
	// means one try.
	RetryFor time.Duration
}

// OpenSQL creates or upgrades the tables and gives the store. The engine
// behind db, which the program opened with a driver of its choice, is SQLite
// 3.35 or later or PostgreSQL 12 or later. Open SQLite with
// journal_mode=WAL and synchronous=FULL: with less, a ticket that the counter
// has taken may be live again after a power cut.
//
// The store does not close db. The errors are the driver's, wrapped, or say
// that the engine or the prefix will not do, or that a newer program made the
// tables.
func OpenSQL(ctx context.Context, db *sql.DB, cfg SQLConfig) (*SQLStore, error) {
	d, err := sqldb.Open(ctx, db, schema, sqldb.Config{Prefix: cfg.Prefix, RetryFor: cfg.RetryFor})
	if err != nil {
		return nil, fmt.Errorf("ticket: open the store: %w", err)
	}
	return &SQLStore{db: d}, nil
}

// Times are microseconds since 1970 and days are numbers like 20261121, so
// that both engines keep and order them alike. State has the values of
// [State]; the two partial indexes name them, as a partial index must.
var schema = sqldb.Schema{Name: "ticket", Steps: [][]string{{
	`CREATE TABLE {ticket} (
		scope       {:text} NOT NULL,
		number      {:text} NOT NULL,
		state       BIGINT NOT NULL,
		points      BIGINT NOT NULL CHECK (points > 0),
		until       BIGINT NOT NULL,
		issued_at   BIGINT NOT NULL,
		issued_by   {:text} NOT NULL,
		order_key   {:text},
		prints      BIGINT NOT NULL,
		ended_at    BIGINT,
		ended_by    {:text},
		attempt     {:text},
		accepted    BIGINT,
		replaced_by {:text},
		replaces    {:text},
		PRIMARY KEY (scope, number))`,
	"CREATE UNIQUE INDEX {ticket_order} ON {ticket} (scope, order_key) WHERE order_key IS NOT NULL",
	"CREATE INDEX {ticket_until} ON {ticket} (scope, until, number) WHERE state = 1",
	"CREATE INDEX {ticket_redeemed} ON {ticket} (scope, ended_at, number) WHERE state = 2",
	"CREATE TABLE {fill} (scope {:text} NOT NULL PRIMARY KEY, taken BIGINT NOT NULL)",
	"CREATE TABLE {miss} (subject {:text} NOT NULL, span BIGINT NOT NULL, n BIGINT NOT NULL, PRIMARY KEY (subject, span))",
	"CREATE INDEX {miss_span} ON {miss} (span)",
}}}

const columns = `scope, number, state, points, until, issued_at, issued_by, order_key, prints,
	ended_at, ended_by, attempt, accepted, replaced_by, replaces`

// scan reads one row of columns.
func scan(row interface{ Scan(...any) error }) (t Ticket, err error) {
	var until, issued int64
	var ended, accepted sql.NullInt64
	var key, by, attempt sql.NullString
	err = row.Scan(&t.Scope, &t.Number, &t.State, &t.Points, &until, &issued, &t.IssuedBy, &key, &t.Prints,
		&ended, &by, &attempt, &accepted, &t.ReplacedBy, &t.Replaces)
	if err != nil {
		return Ticket{}, err
	}
	t.Until = dayOf(until)
	t.IssuedAt = instantOf(issued)
	t.OrderKey, t.EndedBy, t.Attempt = key.String, by.String, attempt.String
	if ended.Valid {
		t.EndedAt = instantOf(ended.Int64)
	}
	t.Accepted = dayOf(accepted.Int64)
	return t, nil
}

func dayNumber(d Date) int64 { return int64(d.Year)*10000 + int64(d.Month)*100 + int64(d.Day) }

func dayOf(n int64) Date {
	return Date{int(n / 10000), time.Month(n / 100 % 100), int(n % 100)}
}

func instantOf(us int64) time.Time { return time.UnixMicro(us).In(jst) }

// orNull stores the zero value as NULL.
func orNull[T comparable](v T) any {
	var zero T
	if v == zero {
		return nil
	}
	return v
}

// insertRows is how many tickets go into one INSERT: their parameters stay
// under SQLite's 32,766 and PostgreSQL's 65,535, and more gain no speed.
const insertRows = 1000

// insert stores tickets of one scope, whose numbers differ, and tells which,
// by index, were not stored because their numbers or order keys are taken.
// Only those come back from the engine: to be told of each that was stored
// costs half as much as to store it.
func insert(ctx context.Context, tx *sqldb.Tx, tickets []*Ticket) (taken []int, err error) {
	args := make([]any, 0, 8*len(tickets))
	for _, t := range tickets {
		args = append(args, string(t.Scope), t.Number.Digits(), t.Points, dayNumber(t.Until),
			t.IssuedAt.UnixMicro(), t.IssuedBy, orNull(t.OrderKey), orNull(t.Replaces.Digits()))
	}
	const (
		into   = "INSERT INTO {ticket} (scope, number, state, points, until, issued_at, issued_by, order_key, prints, replaces) "
		ignore = " ON CONFLICT DO NOTHING"
	)
	if tx.Dialect() == sqldb.PostgreSQL {
		// One statement, all of which sees the table as it was before.
		rows, err := tx.Query(ctx, `WITH draft (scope, number, points, until, issued_at, issued_by, order_key, replaces) AS (
				VALUES (?::text,?::text,?::bigint,?::bigint,?::bigint,?::text,?::text,?::text)`+strings.Repeat(",(?,?,?,?,?,?,?,?)", len(tickets)-1)+`),
			stored AS (`+into+`SELECT scope, number, 1, points, until, issued_at, issued_by, order_key, 1, replaces FROM draft`+ignore+` RETURNING number)
			SELECT number FROM draft WHERE number NOT IN (SELECT number FROM stored)`, args...)
		return notStored(tickets, rows, err)
	}
	// SQLite has one writer, and a new row the greatest rowid.
	var last int64
	if err := tx.QueryRow(ctx, "SELECT coalesce(max(rowid), 0) FROM {ticket}").Scan(&last); err != nil {
		return nil, err
	}
	const row = "(?,?,1,?,?,?,?,?,1,?)"
	n, err := tx.Exec(ctx, into+"VALUES "+row+strings.Repeat(","+row, len(tickets)-1)+ignore, args...)
	if err != nil || n == int64(len(tickets)) {
		return nil, err
	}
	args = args[:0]
	for _, t := range tickets {
		args = append(args, t.Number.Digits())
	}
	rows, err := tx.Query(ctx, `WITH draft (number) AS (VALUES (?)`+strings.Repeat(",(?)", len(tickets)-1)+`)
		SELECT number FROM draft WHERE NOT EXISTS (
			SELECT 1 FROM {ticket} WHERE scope = ? AND {ticket}.number = draft.number AND {ticket}.rowid > ?)`,
		append(args, string(tickets[0].Scope), last)...)
	return notStored(tickets, rows, err)
}

// notStored reads numbers and gives the indexes of their tickets.
func notStored(tickets []*Ticket, rows *sql.Rows, err error) (taken []int, _ error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	missing := make(map[Number]bool)
	for rows.Next() {
		var n Number
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		missing[n] = true
	}
	for i, t := range tickets {
		if missing[t.Number] {
			taken = append(taken, i)
		}
	}
	return taken, rows.Err()
}

// Issue implements [Store].
func (s *SQLStore) Issue(ctx context.Context, d Drafts) (Batch, error) {
	var out Batch
	err := s.db.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		out = Batch{Tickets: append([]Ticket(nil), d.Tickets...)}
		waiting := make([]int, len(d.Tickets)) // indexes of tickets not yet stored
		for i := range waiting {
			waiting[i] = i
		}
		for round := 0; len(waiting) > 0; round++ {
			if round == maxRounds {
				return s.full(ctx, tx, d.Scope, d.Room.Limit)
			}
			var again []int
			for len(waiting) > 0 {
				part := waiting[:min(len(waiting), insertRows)]
				waiting = waiting[len(part):]
				left, err := issueSome(ctx, tx, d, &out, part)
				if err != nil {
					return err
				}
				again = append(again, left...)
			}
			out.Redraws += len(again)
			waiting = again
		}
		if out.New == 0 {
			return nil
		}
		// Last, because PostgreSQL holds this row from here to the commit.
		err := tx.QueryRow(ctx, `INSERT INTO {fill} (scope, taken) VALUES (?, ?)
			ON CONFLICT (scope) DO UPDATE SET taken = {fill}.taken + excluded.taken RETURNING taken`,
			string(d.Scope), out.New).Scan(&out.Taken)
		if err == nil && out.Taken > d.Room.Limit {
			err = &FullError{Scope: d.Scope, Taken: out.Taken - int64(out.New), Limit: d.Room.Limit}
		}
		return err
	})
	if err != nil {
		return Batch{}, err
	}
	return out, nil
}

// issueSome draws numbers for the tickets of out at the indexes part and
// stores them. It gives the indexes whose numbers were taken.
func issueSome(ctx context.Context, tx *sqldb.Tx, d Drafts, out *Batch, part []int) (again []int, err error) {
	tickets := make([]*Ticket, 0, len(part))
	drawn := make(map[Number]bool, len(part))
	keyed := false
	var fresh []int // the indexes of tickets
	for _, i := range part {
		t := &out.Tickets[i]
		t.Number = d.Room.Draw()
		if drawn[t.Number] {
			again = append(again, i)
			continue
		}
		drawn[t.Number] = true
		tickets, fresh = append(tickets, t), append(fresh, i)
		keyed = keyed || t.OrderKey != ""
	}
	taken, err := insert(ctx, tx, tickets)
	if err != nil {
		return nil, err
	}
	out.New += len(fresh) - len(taken)
	for _, j := range taken {
		i := fresh[j]
		if keyed && out.Tickets[i].OrderKey != "" {
			earlier, err := scan(tx.QueryRow(ctx, "SELECT "+columns+" FROM {ticket} WHERE scope = ? AND order_key = ?",
				string(d.Scope), out.Tickets[i].OrderKey))
			if err == nil {
				if err := d.Same(i, earlier); err != nil {
					return nil, err
				}
				out.Tickets[i] = earlier
				continue
			}
			if !errors.Is(err, sql.ErrNoRows) {
				return nil, err
			}
		}
		again = append(again, i)
	}
	return again, nil
}

func (s *SQLStore) full(ctx context.Context, tx *sqldb.Tx, scope Scope, limit int64) error {
	e := &FullError{Scope: scope, Limit: limit}
	err := tx.QueryRow(ctx, "SELECT taken FROM {fill} WHERE scope = ?", string(scope)).Scan(&e.Taken)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	return e
}

const byNumber = "SELECT " + columns + " FROM {ticket} WHERE scope = ? AND number = ?"

func find(ctx context.Context, q sqldb.Queries, query string, scope Scope, n Number) (Ticket, error) {
	t, err := scan(q.QueryRow(ctx, query, string(scope), n.Digits()))
	if errors.Is(err, sql.ErrNoRows) {
		return Ticket{}, ErrNotFound
	}
	return t, err
}

// Find implements [Store].
func (s *SQLStore) Find(ctx context.Context, scope Scope, n Number) (Ticket, error) {
	return find(ctx, s.db.Queries, byNumber, scope, n)
}

// update stores what can change of a ticket.
func update(ctx context.Context, tx *sqldb.Tx, t Ticket) error {
	var ended any
	if !t.EndedAt.IsZero() {
		ended = t.EndedAt.UnixMicro()
	}
	_, err := tx.Exec(ctx, `UPDATE {ticket} SET state = ?, prints = ?, ended_at = ?, ended_by = ?, attempt = ?, accepted = ?, replaced_by = ?
		WHERE scope = ? AND number = ?`, int64(t.State), t.Prints, ended, orNull(t.EndedBy), orNull(t.Attempt),
		orNull(dayNumber(t.Accepted)), orNull(t.ReplacedBy.Digits()), string(t.Scope), t.Number.Digits())
	return err
}

// Change implements [Store].
func (s *SQLStore) Change(ctx context.Context, scope Scope, n Number, decide func(Ticket) (Ticket, error)) (Ticket, error) {
	// A refusal is the answer to most of what an attacker or a double press
	// sends, and it needs neither a lock nor a transaction.
	t, err := s.Find(ctx, scope, n)
	if err != nil {
		return Ticket{}, err
	}
	next, err := decide(t)
	if err != nil || next == t {
		return t, err
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		t, err := find(ctx, tx.Queries, byNumber+" {:forupdate}", scope, n)
		if err != nil {
			return err
		}
		next, err = decide(t)
		if err != nil || next == t {
			return err
		}
		return update(ctx, tx, next)
	})
	if err != nil {
		return t, err
	}
	return next, nil
}

// Replace implements [Store].
func (s *SQLStore) Replace(ctx context.Context, scope Scope, n Number, room Room, decide func(Ticket) (old, next Ticket, err error)) (Ticket, error) {
	var made Ticket
	err := s.db.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		t, err := find(ctx, tx.Queries, byNumber+" {:forupdate}", scope, n)
		if err != nil {
			return err
		}
		old, next, err := decide(t)
		if err != nil {
			return err
		}
		d := Drafts{Scope: scope, Tickets: []Ticket{next}, Room: room, Same: func(int, Ticket) error { return ErrConflict }}
		out := Batch{Tickets: d.Tickets}
		for round := 0; out.New == 0; round++ {
			if round == maxRounds {
				return s.full(ctx, tx, scope, room.Limit)
			}
			if _, err := issueSome(ctx, tx, d, &out, []int{0}); err != nil {
				return err
			}
		}
		made = out.Tickets[0]
		old.ReplacedBy = made.Number
		if err := update(ctx, tx, old); err != nil {
			return err
		}
		var taken int64
		err = tx.QueryRow(ctx, "UPDATE {fill} SET taken = taken + 1 WHERE scope = ? RETURNING taken", string(scope)).Scan(&taken)
		if err == nil && taken > room.Limit {
			err = &FullError{Scope: scope, Taken: taken - 1, Limit: room.Limit}
		}
		return err
	})
	if err != nil {
		return Ticket{}, err
	}
	return made, nil
}

// Unredeemed implements [Store].
func (s *SQLStore) Unredeemed(ctx context.Context, scope Scope, until Period) iter.Seq2[Ticket, error] {
	return s.pages(ctx, `SELECT `+columns+` FROM {ticket}
		WHERE scope = ? AND state = 1 AND until <= ? AND (until, number) > (?, ?)
		ORDER BY until, number LIMIT ?`,
		scope, dayNumber(until.To), dayNumber(until.From), func(t Ticket) int64 { return dayNumber(t.Until) })
}

// Redeemed implements [Store].
func (s *SQLStore) Redeemed(ctx context.Context, scope Scope, from, to time.Time) iter.Seq2[Ticket, error] {
	return s.pages(ctx, `SELECT `+columns+` FROM {ticket}
		WHERE scope = ? AND state = 2 AND ended_at < ? AND (ended_at, number) > (?, ?)
		ORDER BY ended_at, number LIMIT ?`,
		scope, to.UnixMicro(), from.UnixMicro(), func(t Ticket) int64 { return t.EndedAt.UnixMicro() })
}

// pageRows is how many tickets are read at a time.
const pageRows = 500

// pages yields the rows of a query page by page, so that no connection is
// held while the caller works on a ticket, and memory does not grow. The
// query takes the scope, the end, and the key and number to start behind.
func (s *SQLStore) pages(ctx context.Context, query string, scope Scope, end, key int64, keyOf func(Ticket) int64) iter.Seq2[Ticket, error] {
	return func(yield func(Ticket, error) bool) {
		number := "" // before every number
		for {
			page, err := s.page(ctx, query, string(scope), end, key, number, pageRows)
			if err != nil {
				yield(Ticket{}, err)
				return
			}
			for _, t := range page {
				if !yield(t, nil) {
					return
				}
			}
			if len(page) < pageRows {
				return
			}
			last := page[len(page)-1]
			key, number = keyOf(last), last.Number.Digits()
		}
	}
}

func (s *SQLStore) page(ctx context.Context, query string, args ...any) ([]Ticket, error) {
	rows, err := s.db.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var page []Ticket
	for rows.Next() {
		t, err := scan(rows)
		if err != nil {
			return nil, err
		}
		page = append(page, t)
	}
	return page, rows.Err()
}

// Misses implements [Store].
func (s *SQLStore) Misses(ctx context.Context, subjects []string, window int64) ([]int64, error) {
	out := make([]int64, len(subjects))
	args := []any{window}
	for _, subject := range subjects {
		args = append(args, subject)
	}
	marks := strings.TrimSuffix(strings.Repeat("?,", len(subjects)), ",")
	rows, err := s.db.Query(ctx, "SELECT subject, n FROM {miss} WHERE span = ? AND subject IN ("+marks+")", args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var subject string
		var n int64
		if err := rows.Scan(&subject, &n); err != nil {
			return nil, err
		}
		for i := range subjects {
			if subjects[i] == subject {
				out[i] = n
			}
		}
	}
	return out, rows.Err()
}

// Miss implements [Store].
func (s *SQLStore) Miss(ctx context.Context, subjects []string, window int64) error {
	return s.db.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		for _, subject := range subjects {
			_, err := tx.Exec(ctx, `INSERT INTO {miss} (subject, span, n) VALUES (?, ?, 1)
				ON CONFLICT (subject, span) DO UPDATE SET n = {miss}.n + 1`, subject, window)
			if err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, "DELETE FROM {miss} WHERE span < ?", window-1)
		return err
	})
}
