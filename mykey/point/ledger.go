package point

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/mynakit/mynakit/mykey"
)

// MaxPoints is the greatest number of points of one operation, and the greatest
// balance of a holder in one programme. A million of such balances sum up
// without leaving 63 bits.
const MaxPoints = 999_999_999_999

// Config is how a ledger behaves. The zero Config is usable.
type Config struct {
	// Prefix is put before the name of every table, so that the tables can be
	// in the program's own database: a lower-case letter, then lower-case
	// letters, digits and underscores, at most 24. Empty means "point_", and
	// "training_point_" with Training.
	Prefix string
	// RetryFor is how long a transaction is tried again while another is in its
	// way. Then the call returns [ErrBusy]. Zero means ten seconds; a negative
	// value means one try.
	RetryFor time.Duration
	// Unresolved opens the ledger although lost transactions are written down, for
	// [Ledger.Losses] and [Ledger.Resolve].
	Unresolved bool
	// Clock is for tests. Nil is the database's clock on PostgreSQL, read after
	// the locks, and the system's clock on SQLite.
	Clock func() time.Time
	// Reserve is how long reserved points can be steered.
	Reserve Reserve
	// Unproved is how many points a holder can spend on a day in Japan without
	// having proved himself: with a card whose PIN was not asked for, or with
	// a point card. A copy of a card spends this sum. Zero allows none.
	Unproved int64
	// Training keeps everything in tables of their own, for clerks to practise.
	// Receipts say so, and no transaction joins it with tickets or outgoing
	// files that are not in training: see [ErrTraining].
	Training bool
	// Undo, if not nil, is called by [Ledger.Cancel], in its transaction and
	// with the holder locked, for an operation that paid for something: a
	// ticket or a merge (合算). It takes the thing back, or returns an error
	// if that is not possible any more: Cancel returns it in an [*UndoError], and
	// as it is if it is a keeper's for what the database could not do. If Undo is
	// nil, those operations cannot be cancelled.
	Undo func(ctx context.Context, tx *sql.Tx, paid Receipt) error
}

// Ledger keeps the points of holders in a database. It is safe for use by
// several goroutines, and several programs may share one database.
type Ledger struct {
	db     sqldb.Keeper
	cfg    Config
	flight *flight
}

// flight is the set of requests that this process carries out now.
type flight struct {
	mu  sync.Mutex
	now map[Request]int
}

func (f *flight) enter(r Request) (leave func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now[r]++
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.now[r]--; f.now[r] == 0 {
			delete(f.now, r)
		}
	}
}

func (f *flight) has(r Request) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now[r] > 0
}

// Open creates or upgrades the tables in db and returns the ledger. The engine
// is SQLite 3.35 or later or PostgreSQL 12 or later. Open SQLite with
// journal_mode=WAL and synchronous=FULL: with less, a use that the till was told
// of may be gone after a power cut. Open does not take over db.
//
// Open returns [ErrPoints] for a negative Unproved, a [*SchemaError], an
// [*UnresolvedError], or the driver's error, wrapped.
func Open(ctx context.Context, db *sql.DB, cfg Config) (*Ledger, error) {
	if cfg.Unproved < 0 || cfg.Reserve.Days < 0 {
		return nil, ErrPoints
	}
	d, err := domain.Open(ctx, db, cfg.database())
	if err != nil {
		return nil, err
	}
	return &Ledger{db: d, cfg: cfg, flight: &flight{now: map[Request]int{}}}, nil
}

// Op is the kind of an operation.
type Op string

// The kinds of operations.
const (
	OpUse      Op = "use"      // ポイント利用
	OpTicket   Op = "ticket"   // ポイント券発行
	OpMerge    Op = "merge"    // 商店街ポイント合算
	OpRefund   Op = "refund"   // points given back
	OpGrant    Op = "grant"    // ポイント付与
	OpPartner  Op = "partner"  // 地域経済応援ポイントの移行
	OpOpening  Op = "opening"  // balance taken over from another system
	OpSteer    Op = "steer"    // 留保ポイントの移行, by the holder
	OpDue      Op = "due"      // 留保ポイントの移行, to the base account by itself
	OpLapse    Op = "lapse"    // 失効
	OpRestore  Op = "restore"  // a lapse that was written too early, put back
	OpClawback Op = "clawback" // a grant taken back
	OpJoin     Op = "join"     // points of one ID moved to another of the same person
)

// spends reports whether k takes points from its holder for something that the
// holder gets, which is what can be refunded.
func (k Op) spends() bool { return k == OpUse || k == OpTicket || k == OpMerge }

// Receipt is what the ledger answers to a call that moved points.
type Receipt struct {
	Request   Request // zero for what the ledger does by itself
	Operation string  // identifies the operation in the ledger: 16 hexadecimal digits, in training with "training:" before them
	Kind      Op
	Account   Account
	Points    int64     // how many points were moved
	Balance   int64     // of the account, right after the operation
	At        time.Time // in Japan Standard Time
	Terminal  string
	Place     string // 端末設置場所 at the time
	Proved    bool   // whether the holder proved himself
	Undone    int64  // how many points have been given back since
	Lapsed    int64  // of a refund: how many points went to lots that have lapsed
	Void      bool   // of [Ledger.Cancel]: the request never came and never will be carried out
	Repeated  bool   // the request had been carried out before
	Training  bool
}

// state is the state of a holder's accounts.
type state int64

const (
	live    state = 1 + iota
	stopped       // by the issuer
	revoked       // the MyKey ID was revoked
	joined        // the points were moved to another holder
)

// Do runs f in a durable transaction, and again from its start if another
// transaction was in the way. Within f, [Ledger.In] and the In of other keepers
// join it. f must not end the transaction.
//
// The errors are those of f, [ErrBusy], [ErrOutcomeUnknown], a [*LostError] if f
// ended the transaction, and the driver's, wrapped.
func (l *Ledger) Do(ctx context.Context, f func(ctx context.Context, tx *sql.Tx) error) error {
	return l.db.Do(ctx, f)
}

// In returns the ledger within somebody else's transaction of the same database:
// its calls are carried out when that transaction commits. None of them is tried
// again. Of a call that fails nothing stands, and the transaction can go on.
//
// A call returns [ErrNotDurable] if the transaction would not be durable.
func (l *Ledger) In(tx *sql.Tx) *Ledger {
	in := *l
	in.db = l.db.In(tx)
	return &in
}

var domain = sqldb.Domain{Package: "point", Schema: schema, NoLoss: ErrNoLoss, Own: sqldb.Among(
	ErrPoints, ErrRequest, ErrRequestReused, ErrRequestVoid, ErrInFlight, ErrNoRequest, ErrNoHolder, ErrIDTaken, ErrSameHolder,
	ErrStopped, ErrClosed, ErrKind, ErrNotUndoable, ErrRefund, ErrProof, ErrClaimed, ErrClock, ErrOverflow, ErrProgrammeChanged,
	ErrShort, ErrNoProgramme, ErrBaseKind, ErrSum, mykey.ErrForm)}

// newID draws an identifier of a holder or an operation.
func newID() int64 { return rand.Int64N(1<<63-1) + 1 }

// operation is a row of {operation} before it is written.
type operation struct {
	holder, id int64
	kind       Op
	programme  int64
	points     int64
	at         int64
	terminal   string
	place      string
	proved     bool
	partner    string
	reverses   int64
	reserved   int64 // the programme of reserved points, if it is changed; its lots count whatever their day
	request    Request
}

// change is what an operation does to one lot.
type change struct {
	programme, expires, delta int64
}

// The statements of a use, and what is asked for often.
const (
	// The holder is locked before the time is read.
	insertRequest = `INSERT INTO {request} (scope, name, holder, digest, operation)
		SELECT CAST(? AS TEXT), CAST(? AS TEXT), h.id, CAST(? AS {:blob}), CAST(? AS BIGINT)
		FROM {alias} a JOIN {holder} h ON h.id = a.holder WHERE a.mykey = ? AND h.state <= ? {:forupdate}
		ON CONFLICT (scope, name) DO NOTHING RETURNING holder, coalesce(CAST(? AS BIGINT), {:clock}), ` + selectClosed
	selectLots = `SELECT p.id, p.kind, p.expiry, p.service_from, p.service_to, p.closed, l.expires, l.points
		FROM {programme} p LEFT JOIN {lot} l ON l.holder = ? AND l.programme = p.id AND (l.expires >= ? OR p.kind = 3) AND l.points > 0
		WHERE p.code = ? ORDER BY l.expires`
	takeLot = "UPDATE {lot} SET points = points - ? WHERE holder = ? AND programme = ? AND expires = ? AND points >= ? RETURNING points"
	fillLot = `INSERT INTO {lot} (holder, programme, expires, points) VALUES (?, ?, ?, ?)
		ON CONFLICT (holder, programme, expires) DO UPDATE SET points = {lot}.points + excluded.points RETURNING points`
	addUnproved = `INSERT INTO {unproved} (holder, since, points) VALUES (?, ?, ?)
		ON CONFLICT (holder, since) DO UPDATE SET points = {unproved}.points + excluded.points RETURNING points`
	insertOperation = `INSERT INTO {operation} (holder, id, kind, programme, points, at, terminal, place, proved, partner, reverses, scope, name)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	insertEntry     = "INSERT INTO {entry} (holder, operation, programme, expires, delta, after, balance) VALUES (?, ?, ?, ?, ?, ?, ?)"
	selectRequest   = "SELECT holder, operation, digest FROM {request} WHERE scope = ? AND name = ?"
	selectOperation = `SELECT o.kind, p.code, o.points, o.at, o.terminal, o.place, o.proved, o.scope, o.name,
			coalesce((SELECT max(e.balance) FROM {entry} e WHERE e.holder = o.holder AND e.operation = o.id AND e.programme = o.programme), 0),
			CAST(coalesce((SELECT sum(r.points) FROM {operation} r WHERE r.holder = o.holder AND r.reverses = o.id), 0) AS BIGINT)
		FROM {operation} o JOIN {programme} p ON p.id = o.programme WHERE o.holder = ? AND o.id = ?`
	selectNow = "SELECT coalesce(CAST(? AS BIGINT), {:clock}), " + selectClosed
)

// post writes the operation: lots first, relatively, then the operation and its
// entries. The holder is locked. balances holds the balance of each programme
// that is changed, before the operation; only lots that count are in it.
func (l *Ledger) post(ctx context.Context, tx *sqldb.Tx, op operation, changes []change, balances map[int64]int64) error {
	today := dayNumber(mykey.DateOf(instantOf(op.at)))
	after := make([]int64, len(changes))
	for i, c := range changes {
		var err error
		if c.delta < 0 {
			err = tx.QueryRow(ctx, takeLot, -c.delta, op.holder, c.programme, c.expires, -c.delta).Scan(&after[i])
			if errors.Is(err, sql.ErrNoRows) {
				err = errors.New("a lot changed although its holder was locked")
			}
		} else {
			err = tx.QueryRow(ctx, fillLot, op.holder, c.programme, c.expires, c.delta).Scan(&after[i])
		}
		if err != nil {
			return err
		}
		if c.expires >= today || c.programme == op.reserved {
			balances[c.programme] += c.delta
		}
		if after[i] > MaxPoints || balances[c.programme] > MaxPoints {
			return ErrOverflow
		}
	}
	_, err := tx.Exec(ctx, insertOperation, op.holder, op.id, string(op.kind), op.programme, op.points, op.at, op.terminal, op.place, number(op.proved),
		orNull(op.partner), orNull(op.reverses), orNull(op.request.Scope), orNull(op.request.Name))
	if err != nil {
		return err
	}
	for i, c := range changes {
		_, err := tx.Exec(ctx, insertEntry, op.holder, op.id, c.programme, c.expires, c.delta, after[i], balances[c.programme])
		if err != nil {
			return err
		}
	}
	return nil
}

func number(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// orNull stores the zero value as NULL.
func orNull[T comparable](v T) any {
	var zero T
	if v == zero {
		return nil
	}
	return v
}

// lot is a row of {lot}.
type lot struct{ expires, points int64 }

// lots returns the programme of an account and the holder's lots in it that
// count on the day, soonest first, with their sum. Reserved points count until
// they are moved.
func lots(ctx context.Context, tx *sqldb.Tx, holder int64, a Account, today int64) (p programme, list []lot, sum int64, err error) {
	rows, err := tx.Query(ctx, selectLots, holder, today, string(a))
	if err != nil {
		return programme{}, nil, 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var expires, points sql.NullInt64
		if err := p.scan(rows, &expires, &points); err != nil {
			return programme{}, nil, 0, err
		}
		if points.Valid {
			list = append(list, lot{expires.Int64, points.Int64})
			sum += points.Int64
		}
	}
	if err := rows.Err(); err != nil {
		return programme{}, nil, 0, err
	}
	if p.id == 0 {
		return programme{}, nil, 0, ErrNoProgramme
	}
	return p, list, sum, nil
}

// sortChanges orders the changes by programme and day, which is the order in
// which lots are locked.
func sortChanges(changes []change) {
	slices.SortFunc(changes, func(a, b change) int {
		return cmp.Or(cmp.Compare(a.programme, b.programme), cmp.Compare(a.expires, b.expires))
	})
}
