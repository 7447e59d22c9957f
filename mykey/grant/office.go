package grant

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
)

// Config is how an office behaves.
type Config struct {
	// Prefix is put before the name of every table: a lower-case letter, then
	// lower-case letters, digits and underscores, at most 24. Empty means
	// "grant_".
	Prefix string
	// RetryFor is how long a transaction is tried again while another is in its
	// way. Zero means ten seconds; a negative value means one try.
	RetryFor time.Duration
	// Clock is for tests. Nil is the database's clock on PostgreSQL and the
	// system's clock on SQLite.
	Clock func() time.Time

	// Points is the ledger that the points are credited in, in the same
	// database.
	Points *point.Ledger
	// Key opens what devices have sealed; see [NewKey].
	Key Key
	// Resolve returns the MyKey ID of a card that a device has read, and the
	// zero ID if the card has none: the registry's look-up, and where the issuer
	// was read too, a comparison of it. It is called in the transaction that
	// credits the points and must not end it.
	Resolve func(ctx context.Context, tx *sql.Tx, c Card) (mykey.ID, error)
	// Unresolved opens the office although lost transactions are written down,
	// for [Office.Losses] and [Office.Resolve].
	Unresolved bool
}

// Card is what a device read of a card, see [ReadCard]. The issuer is empty if the
// certificate was not read.
type Card struct {
	Serial jpki.Serial
	Issuer []byte // the issuer's key identifier
}

// ReadCard reads a card for [Device.Tap]. Without issuer it reads the serial
// number alone, in two exchanges. With issuer it reads the certificate: serial
// numbers count within an issuer, and the office can compare both. It sends no
// PIN. The errors are those of [jpki.Card.Serial] and [jpki.Card.Certificate].
func ReadCard(ctx context.Context, c *jpki.Card, issuer bool) (Card, error) {
	if !issuer {
		serial, err := c.Serial(ctx, jpki.Auth)
		return Card{Serial: serial}, err
	}
	cert, err := c.Certificate(ctx, jpki.Auth)
	if err != nil {
		return Card{}, err
	}
	serial, err := jpki.SerialOf(cert)
	return Card{Serial: serial, Issuer: cert.AuthorityKeyId}, err
}

// Office keeps programmes, rosters, devices and what was received, in a
// database. It is safe for use by several goroutines, and several programs may
// share one database.
type Office struct {
	db  sqldb.Keeper
	cfg Config
}

var (
	// ErrConfig is returned by [Open] without a ledger of points, a key, or
	// Resolve.
	ErrConfig = errors.New("grant: no ledger of points, key or look-up of cards")
	// ErrNoProgramme is returned for a programme that the office does not have.
	ErrNoProgramme = errors.New("grant: no such programme")
	// ErrNoRow is returned for a row that the roster does not have.
	ErrNoRow = errors.New("grant: no such row in the roster")
	// ErrIDTaken is returned when a MyKey ID is set for a second row of a
	// roster.
	ErrIDTaken = errors.New("grant: the MyKey ID is of another row of this roster")
	// ErrNoMatch is returned by [Office.Match] when not exactly one row agrees
	// in all of the programme's items.
	ErrNoMatch = errors.New("grant: not exactly one row of this roster agrees in all items of the programme")

	// ErrBusy is returned when another transaction was in the way for longer
	// than [Config.RetryFor]. Nothing was changed.
	ErrBusy = sqldb.ErrBusy
	// ErrOutcomeUnknown is returned when the database did not say whether it
	// committed. The same call can be made again.
	ErrOutcomeUnknown = sqldb.ErrOutcomeUnknown
	// ErrNotDurable is returned by a call of [Office.In] for a transaction that a
	// crash could undo after its commit.
	ErrNotDurable = sqldb.ErrNotDurable
)

type (
	// SchemaError is returned by [Open] and [OpenDevice] for tables that a newer
	// program made.
	SchemaError = sqldb.SchemaError
	// LostError is returned when Config.Resolve, or a function of [Office.Do],
	// ended the transaction. It is written down, and nothing goes on until a
	// person has looked.
	LostError = sqldb.LostError
	// UnresolvedError is returned by [Open] while a lost transaction is written
	// down. See [Office.Resolve].
	UnresolvedError = sqldb.UnresolvedError
)

// Days are texts like 2026-11-28 and times microseconds since 1970. A row's
// texts are as the roster has them. sealed is kept until the tap is judged. A
// receipt of number 0 is a grant by hand.
var officeSchema = sqldb.Schema{Name: "grant", Steps: [][]string{{
	`CREATE TABLE {programme} (
		code       {:text} NOT NULL PRIMARY KEY,
		account    {:text} NOT NULL,
		name       {:text} NOT NULL,
		department {:text} NOT NULL,
		points     BIGINT NOT NULL CHECK (points > 0),
		remark     {:text} NOT NULL,
		sessions   BIGINT NOT NULL,
		roster     BIGINT NOT NULL,
		items      BIGINT NOT NULL,
		first_day  {:text} NOT NULL,
		last_day   {:text} NOT NULL,
		closed_at  BIGINT)`,
	`CREATE TABLE {roster} (
		programme {:text} NOT NULL,
		row_no    BIGINT NOT NULL,
		mykey     {:text},
		declared  BIGINT NOT NULL,
		name      {:text} NOT NULL,
		birth     {:text} NOT NULL,
		address   {:text} NOT NULL,
		sex       BIGINT NOT NULL,
		phone     {:text} NOT NULL,
		mail      {:text} NOT NULL,
		remark    {:text} NOT NULL,
		PRIMARY KEY (programme, row_no))`,
	"CREATE UNIQUE INDEX {roster_mykey} ON {roster} (programme, mykey) WHERE mykey IS NOT NULL",
	`CREATE TABLE {device} (
		epoch    {:text} NOT NULL PRIMARY KEY,
		terminal {:text} NOT NULL,
		state    BIGINT NOT NULL,
		top      BIGINT NOT NULL,
		taps     BIGINT NOT NULL,
		registered BIGINT NOT NULL,
		seen     BIGINT)`,
	`CREATE TABLE {receipt} (
		epoch     {:text} NOT NULL,
		seq       BIGINT NOT NULL,
		digest    {:blob} NOT NULL,
		sealed    {:blob},
		programme {:text} NOT NULL,
		session   {:text} NOT NULL,
		verdict   {:text} NOT NULL,
		mykey     {:text},
		operation {:text},
		points    BIGINT NOT NULL,
		tapped    BIGINT NOT NULL,
		doubt     BIGINT NOT NULL,
		received  BIGINT NOT NULL,
		judged    BIGINT NOT NULL,
		judged_by {:text},
		PRIMARY KEY (epoch, seq))`,
	"CREATE INDEX {receipt_verdict} ON {receipt} (programme, verdict, judged)",
}, {
	// Which ID a row had before that was joined with another.
	`CREATE TABLE {former} (
		programme {:text} NOT NULL,
		row_no    BIGINT NOT NULL,
		mykey     {:text} NOT NULL,
		joined    {:text} NOT NULL,
		PRIMARY KEY (programme, row_no, mykey))`,
	"CREATE INDEX {former_joined} ON {former} (joined)",
}}}

// Open creates or upgrades the tables in db and returns the office. The engine
// is SQLite 3.35 or later or PostgreSQL 12 or later. Open SQLite with
// journal_mode=WAL and synchronous=FULL. Open does not take over db.
//
// The errors are [ErrConfig], a [*SchemaError], an [*UnresolvedError], and the
// driver's, wrapped.
func Open(ctx context.Context, db *sql.DB, cfg Config) (*Office, error) {
	if cfg.Points == nil || cfg.Key.IsZero() || cfg.Resolve == nil {
		return nil, ErrConfig
	}
	d, err := officeDomain.Open(ctx, db, cfg.database())
	if err != nil {
		return nil, err
	}
	return &Office{db: d, cfg: cfg}, nil
}

var officeDomain = sqldb.Domain{Package: "grant", Schema: officeSchema, NoLoss: ErrNoLoss, Own: sqldb.Among(
	ErrNoProgramme, ErrNoRow, ErrIDTaken, ErrNoMatch, ErrProgramme, ErrEpoch, ErrChunk, ErrStopped, ErrNoReceipt,
	mykey.ErrForm, ErrColumns, ErrOther, errLine)}

// points returns the ledger of points, in the transaction that the office is in.
func (o *Office) points() *point.Ledger {
	if o.db.Tx == nil {
		return o.cfg.Points
	}
	return o.cfg.Points.In(o.db.Tx)
}

// SetProgramme adds a programme or changes the one of the same code. The errors
// are those of [Programme.Check] and [ErrProgramme].
func (o *Office) SetProgramme(ctx context.Context, p Programme) error {
	if err := p.Check(); err != nil {
		return err
	}
	all, err := o.points().Programmes(ctx)
	if err != nil {
		return err
	}
	if _, err := p.Of(all); err != nil {
		return err
	}
	return o.db.Write(ctx, "set a programme", func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO {programme} (code, account, name, department, points, remark, sessions, roster, items, first_day, last_day)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (code) DO UPDATE SET account = excluded.account, name = excluded.name,
			department = excluded.department, points = excluded.points, remark = excluded.remark, sessions = excluded.sessions,
			roster = excluded.roster, items = excluded.items, first_day = excluded.first_day, last_day = excluded.last_day`,
			p.Code, string(p.Account), p.Name, p.Department, p.Points, p.Remark, flag(p.Sessions), flag(p.Roster), int64(p.Items),
			p.Period.From.String(), p.Period.To.String())
		return err
	})
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// CloseProgramme closes a programme now: taps from before that are still
// granted when they come. Closing twice keeps the first time. The error is
// [ErrNoProgramme].
func (o *Office) CloseProgramme(ctx context.Context, code string) error {
	return o.db.Write(ctx, "close a programme", func(ctx context.Context, tx *sqldb.Tx) error {
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		n, err := tx.Exec(ctx, "UPDATE {programme} SET closed_at = coalesce(closed_at, ?) WHERE code = ?", now.UnixMicro(), code)
		if err == nil && n == 0 {
			err = ErrNoProgramme
		}
		return err
	})
}

// programmeRow is a programme, and when it was closed.
type programmeRow struct {
	Programme
	closed time.Time
}

// Programme returns a programme. The error is [ErrNoProgramme].
func (o *Office) Programme(ctx context.Context, code string) (Programme, error) {
	var p programmeRow
	err := o.db.Read(ctx, "read a programme", func(ctx context.Context, tx *sqldb.Tx) (err error) {
		p, err = findProgramme(ctx, tx, code)
		return err
	})
	return p.Programme, err
}

func findProgramme(ctx context.Context, tx *sqldb.Tx, code string) (p programmeRow, err error) {
	var sessions, roster int64
	var first, last string
	var closed sql.NullInt64
	p.Code = code
	err = tx.QueryRow(ctx, `SELECT account, name, department, points, remark, sessions, roster, items, first_day, last_day, closed_at
		FROM {programme} WHERE code = ?`, code).
		Scan(&p.Account, &p.Name, &p.Department, &p.Points, &p.Remark, &sessions, &roster, &p.Items, &first, &last, &closed)
	if errors.Is(err, sql.ErrNoRows) {
		return programmeRow{}, ErrNoProgramme
	}
	if err != nil {
		return programmeRow{}, err
	}
	p.Sessions, p.Roster = sessions != 0, roster != 0
	if closed.Valid {
		p.closed = time.UnixMicro(closed.Int64)
	}
	return p, errors.Join(p.Period.From.UnmarshalText([]byte(first)), p.Period.To.UnmarshalText([]byte(last)))
}

// MaxFaults is the greatest number of faults that [Office.Import] lists.
const MaxFaults = 1000

// ImportError lists what is wrong with a roster file. Nothing was taken over.
type ImportError struct {
	Faults []*RowError // in the order of the file, at most [MaxFaults]
	More   bool        // there are more
}

// Error returns how many faults there are, and the first.
func (e *ImportError) Error() string {
	return fmt.Sprintf("grant: the roster has %d faults; the first: %v", len(e.Faults), e.Faults[0])
}

// Import adds the rows to the roster of a programme, all or none of them, and
// returns how many. rows are of [ReadRoster]. A MyKey ID that the roster has
// already, or twice in the file, is a fault.
//
// The errors are [ErrNoProgramme], an [*ImportError], and rows' own.
func (o *Office) Import(ctx context.Context, code string, rows iter.Seq2[Row, error]) (int, error) {
	n := 0
	err := o.db.Write(ctx, "import a roster", func(ctx context.Context, tx *sqldb.Tx) error {
		n = 0
		var next int64
		if _, err := findProgramme(ctx, tx, code); err != nil {
			return err
		}
		// The programme's row is locked, so that two imports take turns.
		if err := tx.QueryRow(ctx, "SELECT points FROM {programme} WHERE code = ? {:forupdate}", code).Scan(&next); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, "SELECT coalesce(max(row_no), 0) FROM {roster} WHERE programme = ?", code).Scan(&next); err != nil {
			return err
		}
		bad := &ImportError{}
		for row, err := range rows {
			fault, isFault := errors.AsType[*RowError](err)
			if err != nil && !isFault {
				return err
			}
			if err == nil { // also after a fault, so that an ID that is there twice is found
				var added bool
				if added, err = insertRow(ctx, tx, code, next+1, row, false); err != nil {
					return err
				}
				next++
				n++
				if !added {
					fault = &RowError{Line: row.Line, Column: columns[2], Err: ErrIDTaken}
				}
			}
			if fault != nil {
				if len(bad.Faults) == MaxFaults {
					bad.More = true
					break
				}
				bad.Faults = append(bad.Faults, fault)
			}
		}
		if len(bad.Faults) > 0 {
			return bad
		}
		return nil
	})
	if err != nil {
		if bad, ok := errors.AsType[*ImportError](err); ok {
			err = bad
		}
		return 0, err
	}
	return n, nil
}

// insertRow reports false if the MyKey ID is of another row.
func insertRow(ctx context.Context, tx *sqldb.Tx, code string, number int64, row Row, declared bool) (bool, error) {
	v := row.Person.Reveal()
	n, err := tx.Exec(ctx, `INSERT INTO {roster} (programme, row_no, mykey, declared, name, birth, address, sex, phone, mail, remark)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		code, number, row.ID, flag(declared), v.Name, v.Birth.String(), v.Address, int64(v.Sex), v.Phone, v.Mail, v.Remark)
	return n == 1, err
}

// Entry is a row of a roster as the office has it.
type Entry struct {
	Number   int64
	ID       mykey.ID // zero until it is known
	Declared bool     // whether the ID was told and not tapped
	Person   Person
}

// Add adds one row (個別入力). The errors are [ErrNoProgramme], [ErrIDTaken] and a
// [*mykey.FormError] for an item that is missing or malformed.
func (o *Office) Add(ctx context.Context, code string, id mykey.ID, p Person) (int64, error) {
	var number int64
	err := o.db.Write(ctx, "add to a roster", func(ctx context.Context, tx *sqldb.Tx) error {
		programme, err := findProgramme(ctx, tx, code)
		if err != nil {
			return err
		}
		if err := p.Reveal().check(programme.Items); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, "SELECT points FROM {programme} WHERE code = ? {:forupdate}", code).Scan(&number); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, "SELECT coalesce(max(row_no), 0) + 1 FROM {roster} WHERE programme = ?", code).Scan(&number); err != nil {
			return err
		}
		added, err := insertRow(ctx, tx, code, number, Row{ID: id, Person: p}, !id.IsZero())
		if err == nil && !added {
			err = ErrIDTaken
		}
		return err
	})
	return number, err
}

// SetID sets the MyKey ID of a row: declared is false if it came by a tap of the
// card, and true if the person told it (システム設計書 V(5)). The errors are
// [ErrNoRow] and [ErrIDTaken].
func (o *Office) SetID(ctx context.Context, code string, number int64, id mykey.ID, declared bool) error {
	return o.db.Write(ctx, "set an ID", func(ctx context.Context, tx *sqldb.Tx) error {
		var other int64
		err := tx.QueryRow(ctx, "SELECT row_no FROM {roster} WHERE programme = ? AND mykey = ?", code, id.String()).Scan(&other)
		switch {
		case err == nil && other != number:
			return ErrIDTaken
		case err != nil && !errors.Is(err, sql.ErrNoRows):
			return err
		}
		n, err := tx.Exec(ctx, "UPDATE {roster} SET mykey = ?, declared = ? WHERE programme = ? AND row_no = ?", id, flag(declared), code, number)
		if sqldb.IsUnique(err) {
			return ErrIDTaken
		}
		if err == nil && n == 0 {
			err = ErrNoRow
		}
		return err
	})
}

// Search returns the rows of a programme's roster that match: the MyKey ID, if
// it is not zero, and the items of p that are set (システム設計書 V(5), V(7)). With
// neither it returns all rows. It compares as [Identity.Matches] does.
func (o *Office) Search(ctx context.Context, code string, id mykey.ID, p Person) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		want := p.Reveal()
		items := want.has()
		more, begun := true, false
		err := o.db.Read(ctx, "search a roster", func(ctx context.Context, tx *sqldb.Tx) error {
			if begun {
				return errors.New("the database was busy in the middle of the roster")
			}
			if _, err := findProgramme(ctx, tx, code); err != nil {
				return err
			}
			rows, err := tx.Query(ctx, `SELECT row_no, mykey, declared, name, birth, address, sex, phone, mail, remark FROM {roster}
				WHERE programme = ? ORDER BY row_no`, code)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var e Entry
				var v Identity
				var declared int64
				var birth string
				if err := rows.Scan(&e.Number, &e.ID, &declared, &v.Name, &birth, &v.Address, &v.Sex, &v.Phone, &v.Mail, &v.Remark); err != nil {
					return err
				}
				if birth != "" {
					if v.Birth, err = ParseDay(birth); err != nil {
						return err
					}
				}
				if !id.IsZero() && e.ID != id || items != 0 && !v.Matches(want, items) {
					continue
				}
				e.Declared, e.Person = declared != 0, v.Hide()
				begun = true
				if more = yield(e, nil); !more {
					return nil
				}
			}
			return rows.Err()
		})
		if err != nil && more {
			yield(Entry{}, err)
		}
	}
}

// Match returns the row of a person who came without the card (システム設計書
// V(7)): the only one that agrees with p in each of the programme's items, as
// [Identity.Matches] compares. If the row has no MyKey ID yet, set it before
// [Office.Grant]. The errors are [ErrNoProgramme] and [ErrNoMatch], which is
// also returned if the programme has no items.
func (o *Office) Match(ctx context.Context, code string, p Person) (Entry, error) {
	programme, err := o.Programme(ctx, code)
	if err != nil {
		return Entry{}, err
	}
	found, n := Entry{}, 0
	for e, err := range o.Search(ctx, code, mykey.ID{}, Person{}) {
		if err != nil {
			return Entry{}, err
		}
		if e.Person.Reveal().Matches(p.Reveal(), programme.Items) {
			found = e
			n++
		}
	}
	if n != 1 {
		return Entry{}, ErrNoMatch
	}
	return found, nil
}

// Changed follows a change of a MyKey ID in all rosters, in the transaction in
// which the user table makes it. Call it in the Changed of the registry's Config,
// beside that of the ledger of points:
//
//	registry.Config{Changed: func(ctx context.Context, tx *sql.Tx, c mykey.Change) error {
//		_, err := points.In(tx).Changed(ctx, c)
//		return errors.Join(err, office.In(tx).Changed(ctx, c))
//	}}
//
// An ID that was revoked stays in its row. If both IDs of a person are in one
// roster, the row of the former one loses it. An ID that was parted is in its rows
// again, except those that have got another ID since.
func (o *Office) Changed(ctx context.Context, c mykey.Change) error {
	if c.Kind == mykey.ChangeRevoked {
		return nil
	}
	type statement struct {
		query string
		args  []any
	}
	before, now := c.Old.String(), c.New.String()
	todo := []statement{
		{`UPDATE {roster} SET mykey = NULL WHERE mykey = ?
			AND programme IN (SELECT programme FROM {roster} WHERE mykey = ?)`, []any{before, now}},
		{"UPDATE {roster} SET mykey = ? WHERE mykey = ?", []any{now, before}},
		{"UPDATE {former} SET joined = ? WHERE joined = ?", []any{now, before}},
	}
	switch c.Kind {
	case mykey.ChangeJoined:
		todo = slices.Insert(todo, 0, statement{`INSERT INTO {former} (programme, row_no, mykey, joined)
			SELECT programme, row_no, mykey, CAST(? AS TEXT) FROM {roster} WHERE mykey = ?
			ON CONFLICT (programme, row_no, mykey) DO UPDATE SET joined = excluded.joined`, []any{now, before}})
	case mykey.ChangeParted:
		todo = []statement{
			{`UPDATE {roster} SET mykey = ? WHERE (mykey IS NULL OR mykey = ?) AND EXISTS (SELECT 1 FROM {former} f
				WHERE f.programme = {roster}.programme AND f.row_no = {roster}.row_no AND f.mykey = ? AND f.joined = ?)`, []any{before, now, before, now}},
			{"DELETE FROM {former} WHERE mykey = ? AND joined = ?", []any{before, now}},
		}
	}
	return o.db.Write(ctx, "change of a MyKey ID", func(ctx context.Context, tx *sqldb.Tx) error {
		for _, s := range todo {
			if _, err := tx.Exec(ctx, s.query, s.args...); err != nil {
				return err
			}
		}
		return nil
	})
}

// IDs returns the MyKey IDs of a programme's roster: all that a device gets of
// it (システム設計書 V(6)).
func (o *Office) IDs(ctx context.Context, code string) ([]mykey.ID, error) {
	var out []mykey.ID
	err := o.db.Read(ctx, "list the IDs of a roster", func(ctx context.Context, tx *sqldb.Tx) error {
		if _, err := findProgramme(ctx, tx, code); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, "SELECT mykey FROM {roster} WHERE programme = ? AND mykey IS NOT NULL ORDER BY mykey", code)
		if err != nil {
			return err
		}
		defer rows.Close()
		out = nil
		for rows.Next() {
			var id mykey.ID
			if err := rows.Scan(&id); err != nil {
				return err
			}
			out = append(out, id)
		}
		return rows.Err()
	})
	return out, err
}
