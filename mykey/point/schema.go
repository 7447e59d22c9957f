package point

import (
	"time"

	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/mynakit/mynakit/mykey"
)

// Times are microseconds since 1970 and days are numbers like 20261128, so that
// both engines keep and order them alike. The last day of points that never
// lapse is never. The identifiers of holders and operations are drawn by the
// program: an identity column is not allowed on a partitioned table of
// PostgreSQL before version 17.
var schema = sqldb.Schema{Name: "point", Steps: [][]string{{
	`CREATE TABLE {programme} (
		id           BIGINT NOT NULL PRIMARY KEY,
		code         {:text} NOT NULL UNIQUE,
		kind         BIGINT NOT NULL,
		name         {:text} NOT NULL,
		municipality {:text},
		expiry       {:text} NOT NULL,
		service_from BIGINT NOT NULL,
		service_to   BIGINT NOT NULL,
		contact      {:text} NOT NULL,
		bank         {:text} NOT NULL,
		closed       BIGINT NOT NULL)`,
	`CREATE TABLE {partner} (
		code {:text} NOT NULL PRIMARY KEY,
		name {:text} NOT NULL,
		link BIGINT NOT NULL)`,
	`CREATE TABLE {holder} (
		id      BIGINT NOT NULL PRIMARY KEY,
		state   BIGINT NOT NULL,
		heir    BIGINT,
		base    BIGINT,
		mail    {:text},
		notices BIGINT NOT NULL)`,
	`CREATE TABLE {alias} (
		mykey  {:text} NOT NULL PRIMARY KEY,
		holder BIGINT NOT NULL)`,
	"CREATE INDEX {alias_holder} ON {alias} (holder)",
	`CREATE TABLE {request} (
		scope     {:text} NOT NULL,
		name      {:text} NOT NULL,
		holder    BIGINT,
		digest    {:blob},
		operation BIGINT,
		PRIMARY KEY (scope, name))`,
	`CREATE TABLE {claim} (
		partner   {:text} NOT NULL,
		reference {:blob} NOT NULL,
		holder    BIGINT NOT NULL,
		operation BIGINT NOT NULL,
		PRIMARY KEY (partner, reference))`,
	`CREATE TABLE {lot} (
		holder    BIGINT NOT NULL,
		programme BIGINT NOT NULL,
		expires   BIGINT NOT NULL,
		points    BIGINT NOT NULL CHECK (points >= 0),
		PRIMARY KEY (holder, programme, expires)) {:withoutrowid}`,
	"CREATE INDEX {lot_due} ON {lot} (expires, holder) WHERE points > 0",
	`CREATE TABLE {operation} (
		holder    BIGINT NOT NULL,
		id        BIGINT NOT NULL,
		kind      {:text} NOT NULL,
		programme BIGINT NOT NULL,
		points    BIGINT NOT NULL CHECK (points >= 0),
		at        BIGINT NOT NULL,
		terminal  {:text} NOT NULL,
		place     {:text} NOT NULL,
		proved    BIGINT NOT NULL,
		partner   {:text},
		reverses  BIGINT,
		scope     {:text},
		name      {:text},
		PRIMARY KEY (holder, id)) {:withoutrowid}`,
	"CREATE INDEX {operation_at} ON {operation} (holder, at)",
	"CREATE INDEX {operation_time} ON {operation} (at)",
	"CREATE INDEX {operation_place} ON {operation} (programme, place, at)",
	"CREATE INDEX {operation_partner} ON {operation} (partner, at) WHERE partner IS NOT NULL",
	"CREATE INDEX {operation_reverses} ON {operation} (holder, reverses) WHERE reverses IS NOT NULL",
	`CREATE TABLE {entry} (
		holder    BIGINT NOT NULL,
		operation BIGINT NOT NULL,
		programme BIGINT NOT NULL,
		expires   BIGINT NOT NULL,
		delta     BIGINT NOT NULL CHECK (delta <> 0),
		after     BIGINT NOT NULL CHECK (after >= 0),
		balance   BIGINT NOT NULL CHECK (balance >= 0),
		PRIMARY KEY (holder, operation, programme, expires)) {:withoutrowid}`,
}, {
	// The end of the last final period; see period.go.
	"CREATE TABLE {closed} (id BIGINT NOT NULL PRIMARY KEY, through BIGINT NOT NULL, horizon BIGINT NOT NULL)",
	"DROP INDEX {operation_place}",
	// What one terminal did at one place lies together, in the order of time:
	// a settlement and a till's closing read what they add up, and nothing else.
	"CREATE INDEX {operation_till} ON {operation} (terminal, kind, place, programme, at, points)",
}, {
	// Whose an ID was when its holder was joined to another, and by which
	// operations the points went there; see part.go.
	`CREATE TABLE {former} (
		mykey  {:text} NOT NULL,
		holder BIGINT NOT NULL,
		heir   BIGINT NOT NULL,
		PRIMARY KEY (mykey, holder, heir))`,
	"CREATE INDEX {former_holder} ON {former} (holder)",
	`CREATE TABLE {handed} (
		holder    BIGINT NOT NULL,
		operation BIGINT NOT NULL,
		PRIMARY KEY (holder, operation))`,
}, {
	// What a holder has spent without proof on the day in Japan that begins at
	// since, so that a use does not add the day up. The day of the last movement
	// can go on when this step is made.
	`CREATE TABLE {unproved} (
		holder BIGINT NOT NULL,
		since  BIGINT NOT NULL,
		points BIGINT NOT NULL,
		PRIMARY KEY (holder, since)) {:withoutrowid}`,
	`INSERT INTO {unproved} (holder, since, points)
		SELECT o.holder, d.since, sum(o.points) FROM {operation} o
		JOIN (SELECT max(at) - (max(at) + 32400000000) % 86400000000 AS since FROM {operation}) d ON o.at >= d.since
		WHERE o.proved = 0 AND o.kind IN ('use', 'ticket', 'merge') GROUP BY o.holder, d.since`,
}}}

// never is the last day of points that do not lapse.
const never = 99991231

func dayNumber(d mykey.Date) int64 {
	if d.IsZero() {
		return never
	}
	return int64(d.Year)*10000 + int64(d.Month)*100 + int64(d.Day)
}

func dayOf(n int64) mykey.Date {
	if n == never {
		return mykey.Date{}
	}
	return mykey.Date{Year: int(n / 10000), Month: time.Month(n / 100 % 100), Day: int(n % 100)}
}

func instantOf(us int64) time.Time { return time.UnixMicro(us).In(jst) }

var jst = time.FixedZone("JST", 9*60*60)
