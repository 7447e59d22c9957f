package ticket

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/mynakit/mynakit/internal/sqldb"
)

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
}, {
	// The end of the last final period.
	"CREATE TABLE {closed} (scope {:text} NOT NULL PRIMARY KEY, through BIGINT NOT NULL)",
	// The attempts of reprints.
	`CREATE TABLE {print} (scope {:text} NOT NULL, number {:text} NOT NULL, terminal {:text} NOT NULL, attempt {:text} NOT NULL,
		PRIMARY KEY (scope, number, terminal, attempt))`,
	"CREATE INDEX {ticket_attempt} ON {ticket} (scope, ended_by, attempt) WHERE attempt IS NOT NULL",
	// When a count was begun, by the database's clock in seconds.
	"ALTER TABLE {miss} ADD COLUMN made BIGINT NOT NULL DEFAULT 0",
	"UPDATE {miss} SET made = CASE WHEN span < 100000 THEN span * 86400 ELSE 0 END", // a span was a day, if not changed
	"DROP INDEX {miss_span}",
	"CREATE INDEX {miss_made} ON {miss} (made)",
}, {
	"ALTER TABLE {ticket} ADD COLUMN account {:text}",
	"ALTER TABLE {ticket} ADD COLUMN payment {:text}",
	"ALTER TABLE {ticket} ADD COLUMN place {:text}", // of ended_by
	"CREATE INDEX {ticket_payment} ON {ticket} (scope, payment) WHERE payment IS NOT NULL",
	// These hold all that a settlement adds up.
	"DROP INDEX {ticket_redeemed}",
	"CREATE INDEX {ticket_settled} ON {ticket} (scope, ended_at, number, ended_by, place, account, points) WHERE state = 2",
	"DROP INDEX {ticket_until}",
	"CREATE INDEX {ticket_live} ON {ticket} (scope, until, number, points) WHERE state = 1",
}, {
	// Set while a ticket waits for its paper.
	"ALTER TABLE {ticket} ADD COLUMN unprinted BIGINT",
	"CREATE INDEX {ticket_unprinted} ON {ticket} (scope, issued_by, issued_at) WHERE unprinted IS NOT NULL",
}, {
	// What one terminal redeemed at one place of one account lies together, in the
	// order of time. A redeemed ticket has a place and an account, or '' for none.
	"UPDATE {ticket} SET place = coalesce(place, ''), account = coalesce(account, '') WHERE state = 2 AND (place IS NULL OR account IS NULL)",
	"CREATE INDEX {ticket_line} ON {ticket} (scope, ended_by, place, account, ended_at, points) WHERE state = 2 AND place IS NOT NULL AND account IS NOT NULL",
	"DROP INDEX {ticket_settled}",
	"CREATE INDEX {ticket_redeemed} ON {ticket} (scope, ended_at, number) WHERE state = 2",
	// Those of a program that was at work while this step was made.
	"CREATE INDEX {ticket_bare} ON {ticket} (scope, ended_at) WHERE state = 2 AND (place IS NULL OR account IS NULL)",
}}}

const columns = `scope, number, state, points, until, issued_at, issued_by, order_key, prints,
	ended_at, ended_by, place, attempt, accepted, replaced_by, replaces, account, payment, unprinted`

// scan reads one row of columns.
func scan(row interface{ Scan(...any) error }) (t Ticket, err error) {
	var until, issued int64
	var ended, accepted, unprinted sql.NullInt64
	var key, by, place, attempt, account, payment sql.NullString
	err = row.Scan(&t.Scope, &t.Number, &t.State, &t.Points, &until, &issued, &t.IssuedBy, &key, &t.Prints,
		&ended, &by, &place, &attempt, &accepted, &t.ReplacedBy, &t.Replaces, &account, &payment, &unprinted)
	if err != nil {
		return Ticket{}, err
	}
	t.Until = dayOf(until)
	t.IssuedAt = instantOf(issued)
	t.OrderKey, t.EndedBy, t.EndedAtPlace, t.Attempt = key.String, by.String, place.String, attempt.String
	t.Account, t.Payment, t.Unprinted = account.String, payment.String, unprinted.Valid
	if ended.Valid {
		t.EndedAt = instantOf(ended.Int64)
	}
	t.Accepted = dayOf(accepted.Int64)
	return t, nil
}

// often are the queries that a counter waits for.
var often = []string{byOrder, byNumber, byNumber + " {:forupdate}", byAttempt, updateTicket, closedThrough, countMiss, uncountMiss, deleteMisses}

const (
	byNumber     = "SELECT " + columns + " FROM {ticket} WHERE scope = ? AND number = ?"
	byAttempt    = "SELECT " + columns + " FROM {ticket} WHERE scope = ? AND ended_by = ? AND attempt = ? AND state = 2 ORDER BY ended_at DESC LIMIT 10"
	byOrder      = "SELECT " + columns + " FROM {ticket} WHERE scope = ? AND order_key = ?"
	byPayment    = "SELECT " + columns + " FROM {ticket} WHERE scope = ? AND payment = ? AND state <> 4" // the latest of those that replaced each other
	updateTicket = `UPDATE {ticket} SET state = ?, prints = ?, ended_at = ?, ended_by = ?, place = ?, account = coalesce(account, ''), attempt = ?, accepted = ?, replaced_by = ?
		WHERE scope = ? AND number = ?`
)

// update stores what can change of a ticket.
func update(ctx context.Context, tx *sqldb.Tx, t Ticket) error {
	var ended any
	if !t.EndedAt.IsZero() {
		ended = t.EndedAt.UnixMicro()
	}
	_, err := tx.Exec(ctx, updateTicket, int64(t.State), t.Prints, ended, orNull(t.EndedBy), t.EndedAtPlace, orNull(t.Attempt),
		orNull(dayNumber(t.Accepted)), t.ReplacedBy, string(t.Scope), t.Number)
	return err
}

// find returns the ticket that query, which takes the scope and one more
// argument, selects.
func find(ctx context.Context, q sqldb.Queries, query string, scope Scope, by any) (Ticket, error) {
	t, err := scan(q.QueryRow(ctx, query, string(scope), by))
	if errors.Is(err, sql.ErrNoRows) {
		return Ticket{}, answer{ErrNotFound}
	}
	return t, err
}

func dayNumber(d Date) int64 { return int64(d.Year)*10000 + int64(d.Month)*100 + int64(d.Day) }

func dayOf(n int64) Date {
	return Date{Year: int(n / 10000), Month: time.Month(n / 100 % 100), Day: int(n % 100)}
}

func instantOf(us int64) time.Time { return time.UnixMicro(us).In(jst) }

// flag stores a bool as 1 or NULL.
func flag(b bool) any {
	if b {
		return int64(1)
	}
	return nil
}

// orNull stores the zero value as NULL.
func orNull[T comparable](v T) any {
	var zero T
	if v == zero {
		return nil
	}
	return v
}
