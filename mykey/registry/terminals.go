package registry

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/bcrypt"

	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/mynakit/mynakit/internal/table"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/terminal"
)

// Limits of terminals.
const (
	MaxIssue = 1000 // terminals in one call of Terminals.Issue
	MaxPlace = 96   // of a place, in bytes, as on a ticket
	maxKey   = 64   // of the key of an issue, in bytes
)

// A Terminal is a terminal that uses the platform (マイキープラットフォーム等活用端末), as
// form I has it and as it is issued (システム設計書 I.3).
type Terminal struct {
	ID           string // 端末ID; empty before it is issued
	Municipality mykey.Municipality
	Kind         terminal.Kind
	// Place is the 端末設置場所: 1 to MaxPlace bytes, without control characters
	// and not with =, +, - or @ in front.
	Place string
	// Operator is the ID-issuing operator, of kind (ア) alone. It may be left for
	// the registration.
	Operator mykey.OperatorID `json:",omitzero"`
	// Mobile is for kind (エ) alone: one of the municipality's mobile devices
	// (ポイント付与用モバイル端末), and not its one PC (ポイント管理用業務用端末).
	Mobile bool
}

// office reports whether t is the PC of which a municipality has one.
func (t Terminal) office() bool { return t.Kind&terminal.Grant != 0 && !t.Mobile }

func (t Terminal) check() error {
	wrong := func(field string, rule mykey.Rule) error { return &mykey.FormError{Field: field, Rule: rule, Pos: -1} }
	service := t.Kind&terminal.Service != 0
	switch {
	case t.Municipality.IsZero():
		return missing("municipality code")
	case t.Kind == 0:
		return missing("terminal kind")
	case !t.Kind.Valid():
		return wrong("terminal kind", mykey.RuleUnknown)
	case strings.TrimSpace(t.Place) == "":
		return missing("place")
	case !utf8.ValidString(t.Place) || strings.ContainsFunc(t.Place, unicode.IsControl) || table.Formula(t.Place):
		return wrong("place", mykey.RuleCharacter)
	case len(t.Place) > MaxPlace:
		return wrong("place", mykey.RuleLength)
	case !service && !t.Operator.IsZero():
		return wrong(fieldOperator, mykey.RuleNotAllowed)
	case t.Mobile && t.Kind&terminal.Grant == 0:
		return wrong("mobile terminal", mykey.RuleNotAllowed)
	}
	return nil
}

const fieldOperator = "operator ID"

// TerminalState is how far a terminal has come.
type TerminalState uint8

const (
	TerminalIssued     TerminalState = 1 + iota // it has ID and password
	TerminalRegistered                          // its manager has registered it
	TerminalStopped                             // it is lost or no longer used, and for good
)

// String returns "issued", "registered" or "stopped".
func (s TerminalState) String() string {
	switch s {
	case TerminalIssued:
		return "issued"
	case TerminalRegistered:
		return "registered"
	case TerminalStopped:
		return "stopped"
	}
	return fmt.Sprintf("TerminalState(%d)", uint8(s))
}

// A TerminalEntry is what the book knows of a terminal.
type TerminalEntry struct {
	Terminal
	State       TerminalState
	Issued      time.Time
	Registered  time.Time            // zero before the registration
	Fingerprint terminal.Fingerprint // 端末識別情報; zero before the registration
	Contact     mykey.Contact        // 連絡先; zero before the registration
	Stopped     time.Time            // zero unless it was stopped
	ReplacedBy  string               // the ID of the terminal that took its place, if any
}

// What a book of terminals refuses. Each leaves the book as it was.
var (
	// ErrTerminal is returned for a login that is refused, for whatever reason:
	// unknown ID, wrong password, another fingerprint, a terminal that is not
	// registered or was stopped, or too many wrong passwords. The error is this
	// value itself. The reason goes to [TerminalConfig.Refused].
	ErrTerminal error = refusal("the terminal is refused")
	// ErrTerminalUsed: the terminal has been registered, which is done once, or was
	// stopped.
	ErrTerminalUsed error = refusal("the terminal has been registered or stopped")
	// ErrOfficeTerminal: the municipality has its one PC of kind (エ) already.
	ErrOfficeTerminal error = refusal("the municipality has its PC for grants already")
	// ErrIssueReused: the key was used before for an issue of other terminals.
	ErrIssueReused error = refusal("the key was used before for other terminals")
)

// TerminalConfig holds the choices of [OpenTerminals]. The zero TerminalConfig is
// usable.
type TerminalConfig struct {
	// Operators, if not nil, has every operator that a terminal may name.
	Operators mykey.OperatorTable
	// Tries is how many wrong passwords a terminal may have in a Window; then its
	// logins are refused until the window ends. Zero means 10 in 24 hours. They are
	// counted in the database. Logins with a registered terminal's own fingerprint
	// have a count to themselves, so that nobody without it can lock a till out.
	Tries  int
	Window time.Duration
	// Refused, if not nil, is called for each login that is refused, with the ID
	// if it has the form of one, and the reason. It must return quickly.
	Refused func(ctx context.Context, terminal string, why TerminalRefusal)

	// Prefix, RetryFor and Clock are as in [Config]. An empty Prefix means
	// "terminal_".
	Prefix   string
	RetryFor time.Duration
	Clock    func() time.Time
}

// A TerminalRefusal is why a login was refused. It is for the office, never for
// the terminal.
type TerminalRefusal string

const (
	RefusedUnknown     TerminalRefusal = "unknown terminal"
	RefusedPassword    TerminalRefusal = "wrong password"
	RefusedFingerprint TerminalRefusal = "another device"
	RefusedState       TerminalRefusal = "not registered, or stopped"
	RefusedTries       TerminalRefusal = "too many wrong passwords"
)

// Terminals is the book of terminals (様式I, 様式II, システム設計書 I.3 to I.5), beside
// the user table or alone. It is safe for use by several goroutines, and by several
// programs on one database.
type Terminals struct {
	db   sqldb.Keeper
	cfg  TerminalConfig
	cost int // of bcrypt
}

// terminalSchema is the tables. Times are milliseconds since 1970 UTC.
var terminalSchema = sqldb.Schema{Name: "terminal", Steps: [][]string{{
	`CREATE TABLE {issue} (
		name   {:text} NOT NULL PRIMARY KEY,
		digest {:text} NOT NULL
	)`,
	`CREATE TABLE {terminal} (
		id           {:text} NOT NULL PRIMARY KEY,
		issue        {:text} NOT NULL,
		line         BIGINT NOT NULL,
		municipality {:text} NOT NULL,
		kind         BIGINT NOT NULL,
		place        {:text} NOT NULL,
		operator     {:text},
		mobile       BIGINT NOT NULL,
		office       BIGINT NOT NULL,
		state        BIGINT NOT NULL,
		password     {:text} NOT NULL,
		issued       BIGINT NOT NULL,
		registered   BIGINT,
		fingerprint  {:text},
		contact      {:text},
		stopped      BIGINT,
		replaced_by  {:text},
		UNIQUE (issue, line)
	)`,
	`CREATE UNIQUE INDEX {terminal_office} ON {terminal} (municipality) WHERE office = 1 AND state <> 3`,
	`CREATE INDEX {terminal_municipality} ON {terminal} (municipality, id)`,
	`CREATE TABLE {number} (
		municipality {:text} NOT NULL PRIMARY KEY,
		n            BIGINT NOT NULL
	)`,
	// At most two rows for a terminal, and one for all IDs that are unknown.
	`CREATE TABLE {try} (
		subject {:text} NOT NULL PRIMARY KEY,
		since   BIGINT NOT NULL,
		n       BIGINT NOT NULL
	)`,
}}}

var terminals = sqldb.Domain{Package: "registry", Schema: terminalSchema, Own: refused, NoLoss: ErrNoLoss}

// OpenTerminals opens the book of terminals in db, after it has created the tables
// or brought older ones up to date; see [Open]. The error wraps a [*SchemaError] if
// a newer program made the tables, or is the database's, wrapped.
func OpenTerminals(ctx context.Context, db *sql.DB, cfg TerminalConfig) (*Terminals, error) {
	if cfg.Tries <= 0 {
		cfg.Tries = 10
	}
	if cfg.Window <= 0 {
		cfg.Window = 24 * time.Hour
	}
	cfg.Window = max(cfg.Window, time.Second)
	d, err := terminals.Open(ctx, db, cfg.database())
	if err != nil {
		return nil, err
	}
	// A password of 60 random bits needs no more than the default.
	return &Terminals{db: d, cfg: cfg, cost: bcrypt.DefaultCost}, nil
}

// CheckTerminals returns the error with which [OpenTerminals] would refuse to bring
// the tables up to date, and changes nothing; see [Check].
func CheckTerminals(ctx context.Context, db *sql.DB, cfg TerminalConfig) error {
	return terminals.Check(ctx, db, cfg.database())
}

func (cfg TerminalConfig) database() sqldb.Config {
	return sqldb.Config{Prefix: cfg.Prefix, RetryFor: cfg.RetryFor, Clock: cfg.Clock}
}

func (b *Terminals) update(ctx context.Context, op string, fn func(ctx context.Context, tx tx) error) error {
	return b.db.Write(ctx, op, func(ctx context.Context, t *sqldb.Tx) error { return fn(ctx, tx{t}) })
}

// An IssuedTerminal is a line of form II (様式II): the one place where the password
// is to be seen.
type IssuedTerminal struct {
	Terminal
	Password mykey.Secret // 端末パスワード: twelve characters
}

// Issue gives terminals IDs and passwords, in the order of planned, at most
// [MaxIssue] in one transaction. The IDs are the municipality's code, a hyphen and
// a running number. The book keeps a hash of each password (bcrypt), so nobody
// sees a password again.
//
// key names the issue, in 1 to 64 bytes of the caller's. If an answer was lost,
// repeat the call: the same terminals get new passwords, as long as none of them
// has been registered or stopped.
//
// Issue returns a [*mykey.FormError]; [mykey.ErrUnknownOperator], wrapped;
// [ErrOfficeTerminal] for a second PC of kind (エ); [ErrIssueReused];
// [ErrTerminalUsed] for a repeated issue; or the database's error, wrapped.
func (b *Terminals) Issue(ctx context.Context, key string, planned []Terminal) ([]IssuedTerminal, error) {
	switch {
	case key == "":
		return nil, missing("key of the issue")
	case len(key) > maxKey || len(planned) > MaxIssue:
		return nil, &mykey.FormError{Field: "issue", Rule: mykey.RuleLength, Pos: -1}
	case !utf8.ValidString(key) || strings.ContainsFunc(key, unicode.IsControl):
		return nil, &mykey.FormError{Field: "key of the issue", Rule: mykey.RuleCharacter, Pos: -1}
	}
	for _, t := range planned {
		if t.ID != "" {
			return nil, &mykey.FormError{Field: "terminal ID", Rule: mykey.RuleNotAllowed, Pos: -1}
		}
		if err := b.check(t); err != nil {
			return nil, err
		}
	}
	h := sha256.New()
	for _, t := range planned {
		fmt.Fprintf(h, "%s %d %q %s %t\n", t.Municipality, t.Kind, t.Place, t.Operator, t.Mobile)
	}
	return b.issue(ctx, "issue terminals", "issue "+key, hex.EncodeToString(h.Sum(nil)), planned, "")
}

// check is Terminal.check with the table of operators.
func (b *Terminals) check(t Terminal) error {
	if err := t.check(); err != nil {
		return err
	}
	return b.checkOperator(t.Operator)
}

func (b *Terminals) checkOperator(o mykey.OperatorID) error {
	if o.IsZero() || b.cfg.Operators == nil {
		return nil
	}
	_, err := b.cfg.Operators.Name(o)
	return err
}

// issue inserts terminals, or gives those that the issue of this name inserted new
// passwords. If replaces is not empty, the one terminal takes its place.
func (b *Terminals) issue(ctx context.Context, op, name, digest string, planned []Terminal, replaces string) ([]IssuedTerminal, error) {
	// It takes time to hash, so it is done before the transaction.
	passwords, hashes, err := newPasswords(ctx, len(planned), b.cost)
	if err != nil {
		return nil, fmt.Errorf("registry: %s: %w", op, err)
	}
	var out []IssuedTerminal
	err = b.update(ctx, op, func(ctx context.Context, tx tx) error {
		out = make([]IssuedTerminal, len(planned))
		for i, t := range planned {
			out[i] = IssuedTerminal{Terminal: t, Password: passwords[i]}
		}
		fresh, err := tx.exec(ctx, "INSERT INTO {issue} (name, digest) VALUES (?, ?) ON CONFLICT (name) DO NOTHING", name, digest)
		if err != nil {
			return err
		}
		if !fresh {
			return reissue(ctx, tx, name, digest, out, hashes)
		}
		if replaces == "" {
			return insertTerminals(ctx, tx, name, out, hashes)
		}
		old, err := stop(ctx, tx, replaces)
		if err != nil {
			return err
		}
		out[0].Terminal = old.Terminal
		if err := insertTerminals(ctx, tx, name, out, hashes); err != nil {
			return err
		}
		_, err = tx.exec(ctx, "UPDATE {terminal} SET replaced_by = ? WHERE id = ?", out[0].ID, replaces)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// reissue replaces the passwords of terminals that nobody has registered.
func reissue(ctx context.Context, tx tx, name, digest string, out []IssuedTerminal, hashes []string) error {
	var before string
	if err := tx.q.QueryRow(ctx, "SELECT digest FROM {issue} WHERE name = ? {:forupdate}", name).Scan(&before); err != nil {
		return err
	}
	if before != digest {
		return ErrIssueReused
	}
	issued, err := all(ctx, tx, func(r *sql.Rows) (t TerminalEntry, err error) {
		t, _, err = scanTerminal(r)
		return t, err
	}, selectTerminal+"issue = ? ORDER BY line", name)
	if err != nil {
		return err
	}
	if len(issued) != len(out) {
		return &damage{"terminals of an issue", "number"}
	}
	for i, t := range issued {
		out[i].Terminal = t.Terminal
		if changed, err := tx.exec(ctx, "UPDATE {terminal} SET password = ? WHERE id = ? AND state = 1", hashes[i], t.ID); err != nil {
			return err
		} else if !changed {
			return ErrTerminalUsed
		}
	}
	return nil
}

func insertTerminals(ctx context.Context, tx tx, name string, out []IssuedTerminal, hashes []string) error {
	now, err := tx.now(ctx)
	if err != nil {
		return err
	}
	for i := range out {
		t := &out[i].Terminal
		var n int64
		if err := tx.q.QueryRow(ctx, `INSERT INTO {number} (municipality, n) VALUES (?, 1)
			ON CONFLICT (municipality) DO UPDATE SET n = {number}.n + 1 RETURNING n`, t.Municipality).Scan(&n); err != nil {
			return err
		}
		t.ID = fmt.Sprintf("%s-%05d", t.Municipality, n)
		added, err := tx.exec(ctx, `INSERT INTO {terminal} (id, issue, line, municipality, kind, place, operator, mobile, office, state, password, issued)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?) ON CONFLICT DO NOTHING`, t.ID, name, i, t.Municipality, int64(t.Kind), t.Place, t.Operator,
			bit(t.Mobile), bit(t.office()), hashes[i], millis(now))
		if err != nil {
			return err
		}
		if !added && t.office() {
			return ErrOfficeTerminal
		}
		if !added {
			return &damage{"number of a terminal", "value: it is taken"}
		}
	}
	return nil
}

// Stop ends a terminal for good: it is lost, or no longer used. Nobody logs in with
// it again, and its ID is never issued again. To stop it again changes nothing.
// Stop returns [ErrNotFound], or the database's error, wrapped.
func (b *Terminals) Stop(ctx context.Context, id string) error {
	if mykey.CheckTerminalID(id) != nil {
		return ErrNotFound
	}
	return b.update(ctx, "stop terminal", func(ctx context.Context, tx tx) error {
		_, err := stop(ctx, tx, id)
		return err
	})
}

// stop locks a terminal and stops it, unless it is. It returns it as it was.
func stop(ctx context.Context, tx tx, id string) (TerminalEntry, error) {
	t, _, err := tx.terminal(ctx, id, " {:forupdate}")
	if err != nil {
		return t, err
	}
	if t.ID == "" {
		return t, ErrNotFound
	}
	now, err := tx.now(ctx)
	if err != nil {
		return t, err
	}
	_, err = tx.exec(ctx, "UPDATE {terminal} SET state = 3, stopped = COALESCE(stopped, ?) WHERE id = ?", millis(now), id)
	return t, err
}

// Replace stops a terminal and issues another of the same municipality, kind,
// place and operator, with an ID and a password of its own. If an answer was lost,
// repeat the call: the same new terminal gets a new password, as long as it is
// neither registered nor stopped.
//
// Replace returns [ErrNotFound]; [ErrTerminalUsed] for a repeated call;
// [ErrOfficeTerminal] if another PC of kind (エ) was issued after the terminal was
// stopped; or the database's error, wrapped.
func (b *Terminals) Replace(ctx context.Context, id string) (IssuedTerminal, error) {
	if mykey.CheckTerminalID(id) != nil {
		return IssuedTerminal{}, ErrNotFound
	}
	out, err := b.issue(ctx, "replace terminal", "replace "+id, "", make([]Terminal, 1), id)
	if err != nil {
		return IssuedTerminal{}, err
	}
	return out[0], nil
}

// Find returns a terminal, or [ErrNotFound], or the database's error, wrapped.
func (b *Terminals) Find(ctx context.Context, id string) (TerminalEntry, error) {
	if mykey.CheckTerminalID(id) != nil {
		return TerminalEntry{}, ErrNotFound
	}
	var t TerminalEntry
	err := b.db.Read(ctx, "find terminal", func(ctx context.Context, q *sqldb.Tx) (err error) {
		if t, _, err = (tx{q}).terminal(ctx, id, ""); err == nil && t.ID == "" {
			err = ErrNotFound
		}
		return err
	})
	if err != nil {
		return TerminalEntry{}, err
	}
	return t, nil
}

// List returns the terminals of a municipality in the order of their IDs, those
// that were stopped among them: the municipality's staff check the contacts
// (連絡先情報の入力確認, システム設計書 I.5). It returns the database's error, wrapped.
func (b *Terminals) List(ctx context.Context, m mykey.Municipality) ([]TerminalEntry, error) {
	var out []TerminalEntry
	err := b.db.Read(ctx, "list terminals", func(ctx context.Context, q *sqldb.Tx) (err error) {
		out, err = all(ctx, tx{q}, func(r *sql.Rows) (t TerminalEntry, err error) {
			t, _, err = scanTerminal(r)
			return t, err
		}, selectTerminal+"municipality = ? ORDER BY id", m)
		return err
	})
	return out, err
}

const selectTerminal = `SELECT id, municipality, kind, place, operator, mobile, state, password, issued, registered, fingerprint, contact, stopped, replaced_by
	FROM {terminal} WHERE `

// terminal returns a terminal and the hash of its password, and a zero one if there
// is none.
func (t tx) terminal(ctx context.Context, id, and string) (e TerminalEntry, hash string, err error) {
	e, hash, err = scanTerminal(t.q.QueryRow(ctx, selectTerminal+"id = ?"+and, id))
	if errors.Is(err, sql.ErrNoRows) {
		return TerminalEntry{}, "", nil
	}
	return e, hash, err
}

func scanTerminal(row interface{ Scan(dest ...any) error }) (t TerminalEntry, hash string, err error) {
	var mobile int64
	var contact, by sql.NullString
	err = row.Scan(&t.ID, text(&t.Municipality), number(&t.Kind, "terminal kind", 1, 15), &t.Place, text(&t.Operator), number(&mobile, "mobile", 0, 1),
		number(&t.State, "state of a terminal", 1, 3), &hash, moment(&t.Issued), moment(&t.Registered), text(&t.Fingerprint), &contact, moment(&t.Stopped), &by)
	if err != nil {
		return t, "", err
	}
	t.Mobile, t.ReplacedBy = mobile != 0, by.String
	if contact.Valid && json.Unmarshal([]byte(contact.String), &t.Contact) != nil {
		return t, "", &damage{"contact", "form"}
	}
	return t, hash, nil
}

// contactText is a contact as the tables keep it.
func contactText(c mykey.Contact) string {
	text, _ := json.Marshal(c) // seven texts, which cannot fail
	return string(text)
}

// newPasswords draws n passwords and hashes them.
func newPasswords(ctx context.Context, n, cost int) ([]mykey.Secret, []string, error) {
	passwords, hashes, errs := make([]mykey.Secret, n), make([]string, n), make([]error, n)
	var wg sync.WaitGroup
	turn := make(chan struct{}, 4)
	for i := range n {
		// Twelve of 32 characters: 60 bits.
		text := draw(ClearAlphabet, 12, random)
		passwords[i] = mykey.NewSecret(text)
		turn <- struct{}{}
		wg.Go(func() {
			defer func() { <-turn }()
			if errs[i] = ctx.Err(); errs[i] != nil {
				return
			}
			var h []byte
			h, errs[i] = bcrypt.GenerateFromPassword([]byte(text), cost)
			hashes[i] = string(h)
		})
	}
	wg.Wait()
	return passwords, hashes, errors.Join(errs...)
}
