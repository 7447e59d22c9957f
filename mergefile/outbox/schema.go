package outbox

import (
	"github.com/mynakit/mynakit/internal/sqldb"
)

// Times are microseconds since 1970. An item's at is the time of its number, cut
// to what the profile writes. holder is set when the record is fixed, and
// written at the same time; sent is when the file was last made visible.
var schema = sqldb.Schema{Name: "outbox", Steps: [][]string{{
	`CREATE TABLE {counter} (
		scope {:text} NOT NULL PRIMARY KEY,
		at    BIGINT NOT NULL,
		last  BIGINT NOT NULL)`,
	`CREATE TABLE {item} (
		scope     {:text} NOT NULL,
		at        BIGINT NOT NULL,
		sequence  BIGINT NOT NULL,
		operation {:text} NOT NULL UNIQUE,
		subject   {:text} NOT NULL,
		points    BIGINT NOT NULL CHECK (points > 0),
		holder    {:text},
		written   BIGINT,
		sent      BIGINT,
		acked     BIGINT,
		acked_by  {:text},
		PRIMARY KEY (scope, at, sequence))`,
	"CREATE INDEX {item_open} ON {item} (scope, at, sequence) WHERE acked IS NULL",
	"CREATE TABLE {sent} (token {:text} NOT NULL PRIMARY KEY)",
}}}
