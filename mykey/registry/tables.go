package registry

import "github.com/mynakit/mynakit/internal/sqldb"

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
}, {
	// A serial number counts within its issuer. serial is the number as holder
	// was; holder is now serial and issuer for whatever is bound from here on.
	`ALTER TABLE {certificate} ADD COLUMN serial {:text}`,
	`ALTER TABLE {certificate} ADD COLUMN issuer {:text}`,
	`UPDATE {certificate} SET serial = holder`,
	`CREATE INDEX {certificate_serial} ON {certificate} (serial)`,
}, {
	// Which ID took the place of one. Of changes before this step the last of
	// each card is known.
	`ALTER TABLE {mykey_id} ADD COLUMN successor {:text}`,
	`UPDATE {mykey_id} SET successor = (SELECT c.candidate FROM {card} c WHERE c.replaces = {mykey_id}.id AND c.finished = 1)
		WHERE state = 3 AND 1 = (SELECT count(*) FROM {card} c WHERE c.replaces = {mykey_id}.id AND c.finished = 1)`,
}, {
	`ALTER TABLE {certificate} ADD COLUMN revoked BIGINT`,
	// person has no foreign key: a recovery stays on record when a person goes.
	`CREATE TABLE {recovery} (
		number   {:serial},
		state    BIGINT NOT NULL,
		mykey_id {:text} NOT NULL,
		member   {:text} NOT NULL,
		clerk    {:text} NOT NULL,
		second   {:text} NOT NULL,
		asked    BIGINT NOT NULL,
		ready    BIGINT NOT NULL,
		person   BIGINT NOT NULL,
		holder   {:text} NOT NULL,
		ended    BIGINT,
		ended_by {:text}
	)`,
	`CREATE UNIQUE INDEX {recovery_person} ON {recovery} (person) WHERE state = 1`,
	`CREATE UNIQUE INDEX {recovery_holder} ON {recovery} (holder) WHERE state = 1`,
	`CREATE INDEX {recovery_clerk} ON {recovery} (clerk, asked)`,
}, {
	// An application for each campaign, with its state. What was before this step
	// is of the campaign without a name, and done.
	`CREATE TABLE {choice} (
		campaign   {:text} NOT NULL,
		service    {:text} NOT NULL,
		payment_id {:text} NOT NULL,
		person     BIGINT REFERENCES {person} (person),
		terms      {:text} NOT NULL,
		applied    BIGINT NOT NULL,
		done       BIGINT,
		PRIMARY KEY (campaign, service, payment_id),
		UNIQUE (person, campaign)
	) {:withoutrowid}`,
	`CREATE TABLE {chooser} (
		holder     {:text} NOT NULL,
		campaign   {:text} NOT NULL,
		service    {:text} NOT NULL,
		payment_id {:text} NOT NULL,
		PRIMARY KEY (holder, campaign),
		FOREIGN KEY (campaign, service, payment_id) REFERENCES {choice} (campaign, service, payment_id)
	) {:withoutrowid}`,
	`INSERT INTO {choice} (campaign, service, payment_id, person, terms, applied, done)
		SELECT '', service, payment_id, person, '', applied, applied FROM {application}`,
	`INSERT INTO {chooser} (holder, campaign, service, payment_id) SELECT holder, '', service, payment_id FROM {applicant}`,
	`DROP TABLE {applicant}`,
	`DROP TABLE {application}`,
	// When somebody acted on a revoked sign certificate.
	`ALTER TABLE {notice} ADD COLUMN reported BIGINT`,
}, {
	// What somebody had whom a recovery joined to another, as an export has it, so
	// that it can be undone. It goes when the ID of kept is revoked.
	`CREATE TABLE {undo} (
		recovery BIGINT NOT NULL PRIMARY KEY,
		kept     BIGINT NOT NULL,
		former   {:text} NOT NULL
	)`,
	`CREATE INDEX {undo_kept} ON {undo} (kept)`,
}}}
