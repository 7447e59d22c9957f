package money_test

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/internal/pgtest"
	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/ledger"
	"github.com/mynakit/mynakit/mergefile/outbox"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/ticket"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var pg pgtest.Server

func TestMain(m *testing.M) {
	code := m.Run()
	pg.Stop()
	if code == 0 {
		if err := dbtest.Leaks(); err != nil {
			fmt.Fprintln(os.Stderr, "goroutines left behind:", err)
			code = 1
		}
	}
	os.Exit(code)
}

const scope = "141305-01"

var (
	office  = ticket.Terminal{ID: "000001", Scope: scope, Place: "あおば美術館"}
	museum  = ticket.Terminal{ID: "000002", Scope: scope, Place: "商工会"}
	fileKey = must(mergefile.NewKey("k1", []byte("0123456789abcdef"), []byte("correct horse battery staple 42!")))
	ackKey  = must(outbox.NewAckKey([]byte("a secret of the tests, acks")))
	errWhim = errors.New("the program has changed its mind")
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// world is a city's cloud, its tills, and a mall, in the hands of chance.
type world struct {
	t      *testing.T
	db     *sql.DB
	dir    string // of the files
	prefix string
	us     atomic.Int64
	whim   int                            // what the program's own functions do
	did    int                            // what one of them has done in this step
	die    func(context.Context, *sql.Tx) // as a program does

	points     *point.Ledger
	book       *ticket.Book
	box        *outbox.Outbox
	mall       *ledger.Receiver
	mallDB     *sql.DB
	mallLedger *ledger.Ledger
	people

	n       int
	granted int64
	uses    []point.Request   // of every kind
	spent   map[string]*spend // by the request's name
	tickets []ticket.Ticket
	acks    []string
}

// A spend is what was taken from a person under one request.
type spend struct {
	by   *person
	left int64 // not given back
}

// paid is called when points were taken.
func (w *world) paid(p *person, r point.Request, points int64) {
	p.points -= points
	w.spent[r.Name] = &spend{p, points}
}

// undone is called when all that a request took was given back.
func (w *world) undone(name string) {
	if s := w.spent[name]; s != nil {
		s.by.points += s.left
		s.left = 0
	}
}

func (w *world) now() time.Time { return time.UnixMicro(w.us.Load()) }

// open opens the keepers as a program does at its start.
func (w *world) open() {
	ctx := context.Background()
	var err error
	w.points, err = point.Open(ctx, w.db, point.Config{Prefix: w.prefix + "point_", Clock: w.now,
		Undo: func(ctx context.Context, tx *sql.Tx, paid point.Receipt) error {
			var err error
			if paid.Kind == point.OpMerge {
				err = w.box.In(tx).Withdraw(ctx, paid.Operation)
			} else {
				_, err = w.book.In(tx).CancelPaid(ctx, office, paid.Request.Name, "undo")
			}
			if err != nil {
				return err
			}
			return w.misbehave(ctx, tx)
		}})
	require.NoError(w.t, err)
	w.book, err = ticket.Open(ctx, w.db, ticket.Config{Prefix: w.prefix + "ticket_", Clock: w.now, RetryFor: time.Minute,
		Refund: func(ctx context.Context, tx *sql.Tx, t ticket.Ticket, at ticket.Terminal) error {
			if _, err := w.points.In(tx).Cancel(ctx, point.Request{Scope: scope, Name: t.Payment}, point.At{Terminal: at.ID, Place: at.Place}); err != nil {
				return err
			}
			return w.misbehave(ctx, tx)
		}})
	require.NoError(w.t, err)
	w.box, err = outbox.Open(ctx, w.db, outbox.Config{Prefix: w.prefix + "outbox_", Clock: w.now, Profile: mergefile.Standard(), Keys: fileKey,
		Dir: w.dir, Acks: ackKey,
		Holder: func(ctx context.Context, tx *sql.Tx, _ outbox.Item) (mergefile.Holder, error) {
			return must(mergefile.NewMallHolder("520625")), w.misbehave(ctx, tx)
		}})
	require.NoError(w.t, err)
	w.openRegistry()
}

func (w *world) openMall() {
	ctx := context.Background()
	var err error
	w.mallLedger, err = ledger.Open(ctx, w.mallDB, ledger.Config{Prefix: w.prefix + "mall_", Key: must(ledger.NewKey([]byte("a secret of the tests, mall"))), Clock: w.now})
	require.NoError(w.t, err)
	w.mall, err = ledger.NewReceiver(ledger.ReceiverConfig{Ledger: w.mallLedger, Profile: mergefile.Standard(), Keys: fileKey,
		Apply: func(ctx context.Context, tx *sql.Tx, r mergefile.Record) error {
			_, err := tx.ExecContext(ctx, fmt.Sprintf("UPDATE %scredit SET points = points + %d", w.prefix, r.Points))
			if err != nil {
				return err
			}
			return w.misbehave(ctx, tx)
		}})
	require.NoError(w.t, err)
}

func (w *world) start(rt require.TestingT) {
	ctx := context.Background()
	w.us.Store(time.Date(2026, 7, 1, 10, 0, 0, 0, time.FixedZone("JST", 9*60*60)).UnixMicro())
	_, err := w.mallDB.Exec("CREATE TABLE " + w.prefix + "credit (points BIGINT NOT NULL)")
	require.NoError(rt, err)
	_, err = w.mallDB.Exec("INSERT INTO " + w.prefix + "credit (points) VALUES (0)")
	require.NoError(rt, err)
	w.open()
	w.openMall()
	m := must(mykey.ParseMunicipality("131016"))
	require.NoError(rt, w.points.SetProgramme(ctx, point.Programme{Account: "aoba", Kind: point.Municipal, Name: "あおば市ポイント", Municipality: m,
		Contact: mykey.Contact{Organisation: "あおば市", Person: "見本 花子", PostalCode: "100-0001", Address: "A町1-1", Phone: "03-1234-5678", Mail: "p@city.example.jp"},
		Bank:    point.BankAccount{BankName: "あおば銀行", BankCode: "0001", BranchName: "本店", BranchCode: "001", Type: point.Ordinary, Number: "0012345", Holder: "アオバシ"}}))
	w.spent, w.cards, w.stale, w.formers = map[string]*spend{}, map[int]*person{}, map[int]bool{}, map[int]int{}
	require.NoError(rt, w.enrol(ctx, w.newCard()))
}

func (w *world) request() point.Request {
	w.n++
	return point.Request{Scope: scope, Name: fmt.Sprintf("r%d", w.n)}
}

// step makes one call. What it may answer is checked; what it did, the books
// tell.
func (w *world) step(rt *rapid.T, power func()) {
	ctx := context.Background()
	points := rapid.Int64Range(1, 400).Draw(rt, "points")
	w.us.Add(1000)
	w.whim, w.did = rapid.SampledFrom([]int{dies, ends, panics, fails, fails, behaves, behaves, behaves, behaves, behaves,
		behaves, behaves, behaves, behaves, behaves, behaves, behaves, behaves, behaves, behaves}).Draw(rt, "whim"), behaves
	defer func() {
		w.whim = behaves
		if r := recover(); r != nil && r != any(errWhim) {
			panic(r)
		}
		switch w.did {
		case ends:
			w.resolve(rt)
		case dies:
			power()
		}
	}()
	allowed := func(err error, answers ...error) {
		if err == nil || w.did == ends && lost(err) {
			return
		}
		for _, a := range append(answers, errWhim, ticket.ErrClock) {
			if errors.Is(err, a) {
				return
			}
		}
		require.NoError(rt, err)
	}
	switch act := rapid.SampledFrom([]string{"grant", "use", "use", "ticket", "ticket", "merge", "merge", "cancel", "cancel", "cancel ticket",
		"redeem", "replace", "send", "send", "receive", "receive", "lose", "acknowledge", "clock", "clock", "power", "early",
		"enrol", "enrol", "change", "revoke", "rebind", "recover", "recover", "second ID", "second ID", "come back", "come back", "come back", "undo recovery", "undo recovery", "cancel recovery", "join"}).Draw(rt, "act"); act {
	case "grant":
		p := w.anyone(rt)
		_, err := w.points.Credit(ctx, point.Credit{Request: w.request(), Holder: p.id, Account: "aoba", Points: points, Kind: point.OpGrant})
		if p.revoked {
			require.ErrorIs(rt, err, point.ErrStopped)
			return
		}
		require.NoError(rt, err)
		w.granted += points
		p.points += points
	case "use":
		r, p := w.request(), w.anyone(rt)
		w.uses = append(w.uses, r)
		err := w.use(ctx, p, point.Use{Request: r, Holder: p.id, Account: "aoba", Points: points, Proved: true, Terminal: office.ID})
		allowed(err, point.ErrShort, point.ErrStopped)
		if err == nil {
			w.paid(p, r, points)
		}
	case "early":
		// Its cancel was faster.
		r := w.request()
		_, err := w.points.Cancel(ctx, r, point.At{})
		require.NoError(rt, err)
		_, err = w.points.Use(ctx, point.Use{Request: r, Holder: w.all[0].id, Account: "aoba", Points: points, Proved: true})
		require.ErrorIs(rt, err, point.ErrRequestVoid)
	case "ticket":
		r, p := w.request(), w.anyone(rt)
		w.uses = append(w.uses, r)
		t, err := w.book.Issue(ctx, office, ticket.Order{Points: points, Account: "aoba", Key: r.Name,
			Pay: func(ctx context.Context, tx *sql.Tx, t ticket.Ticket) error {
				_, err := w.points.In(tx).Use(ctx, point.Use{Request: point.Request{Scope: scope, Name: t.OrderKey}, Holder: p.id, Account: "aoba", Points: t.Points,
					Proved: true, Terminal: t.IssuedBy, For: point.OpTicket})
				if err != nil {
					return err
				}
				return w.misbehave(ctx, tx)
			}})
		allowed(err, point.ErrShort, point.ErrStopped)
		if err == nil {
			w.paid(p, r, points)
			w.tickets = append(w.tickets, t)
		}
	case "merge":
		r, p := w.request(), w.anyone(rt)
		w.uses = append(w.uses, r)
		err := w.points.Do(ctx, func(ctx context.Context, tx *sql.Tx) error {
			paid, err := w.points.In(tx).Use(ctx, point.Use{Request: r, Holder: p.id, Account: "aoba", Points: points, Proved: true, Terminal: office.ID, For: point.OpMerge})
			if err == nil {
				_, err = w.box.In(tx).Add(ctx, outbox.Order{Operation: paid.Operation, Subject: p.id.String(), Points: paid.Points})
			}
			if err != nil {
				return err
			}
			return w.misbehave(ctx, tx)
		})
		allowed(err, point.ErrShort, point.ErrStopped)
		if err == nil {
			w.paid(p, r, points)
		}
	case "cancel":
		if len(w.uses) > 0 {
			r := w.uses[rapid.IntRange(0, len(w.uses)-1).Draw(rt, "request")]
			_, err := w.points.Cancel(ctx, r, point.At{Terminal: office.ID})
			allowed(err, point.ErrNotUndoable)
			if err == nil {
				w.undone(r.Name)
			}
		}
	case "cancel ticket":
		if t := w.pick(rt); t != nil {
			_, err := w.book.Cancel(ctx, office, t.Number, fmt.Sprint("c", w.n))
			allowed(err, ticket.ErrNotFound, ticket.ErrState)
			if err == nil {
				w.undone(t.OrderKey)
			}
		}
	case "redeem":
		if t := w.pick(rt); t != nil {
			_, err := w.book.Redeem(ctx, ticket.Presentation{Terminal: museum, Code: ticket.NewCode(t.Number.Digits()), Attempt: fmt.Sprint("a", rapid.IntRange(0, 3).Draw(rt, "attempt"))})
			allowed(err, ticket.ErrRefused)
		}
	case "replace":
		if t := w.pick(rt); t != nil {
			w.n++
			r, err := w.book.Replace(ctx, office, t.Number, fmt.Sprint("x", w.n))
			allowed(err, ticket.ErrNotFound, ticket.ErrState)
			if err == nil {
				r.Ticket.OrderKey = t.OrderKey // the key of its payment
				w.tickets = append(w.tickets, r.Ticket)
			}
		}
	case "send":
		_, err := w.box.Send(ctx)
		allowed(err)
	case "receive":
		w.receive(rt)
	case "lose":
		for _, name := range w.files(rt) {
			if rapid.Bool().Draw(rt, "lost") {
				require.NoError(rt, os.Remove(filepath.Join(w.dir, name)))
			}
		}
	case "acknowledge":
		for _, ack := range w.acks {
			if rapid.Bool().Draw(rt, "arrives") {
				require.NoError(rt, w.box.Acknowledge(ctx, ack))
			}
		}
		w.acks = nil
	case "clock":
		w.us.Add(rapid.SampledFrom([]int64{-600, 0, 1, 60, 3600, 86400, 86400, 40 * 86400}).Draw(rt, "seconds") * 1_000_000)
	case "power":
		power()
	default:
		w.visit(rt, act, allowed)
	}
}

func (w *world) pick(rt *rapid.T) *ticket.Ticket {
	if len(w.tickets) == 0 {
		return nil
	}
	return &w.tickets[rapid.IntRange(0, len(w.tickets)-1).Draw(rt, "ticket")]
}

func (w *world) files(rt *rapid.T) (out []string) {
	all, err := os.ReadDir(w.dir)
	require.NoError(rt, err)
	for _, f := range all {
		if !strings.HasSuffix(f.Name(), ".tmp") {
			out = append(out, f.Name())
		}
	}
	return out
}

func (w *world) receive(rt *rapid.T) {
	for _, name := range w.files(rt) {
		path := filepath.Join(w.dir, name)
		f, err := os.Open(path)
		require.NoError(rt, err)
		report, err := func() (ledger.Report, error) {
			defer func() { require.NoError(rt, f.Close()) }()
			return w.mall.Receive(context.Background(), f, name, nil)
		}()
		if errors.Is(err, errWhim) || w.did == ends && lost(err) {
			return // the files stay
		}
		require.NoError(rt, err)
		if !rapid.Bool().Draw(rt, "twice") {
			require.NoError(rt, os.Remove(path))
		}
		for _, r := range append(report.MergedRecords, report.DuplicateRecords...) {
			w.acks = append(w.acks, ackKey.Seal("", r))
		}
	}
}

// whole joins the books of all keepers in one snapshot.
func (w *world) whole(rt *rapid.T) {
	ctx := context.Background()
	tx, err := w.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	require.NoError(rt, err)
	defer func() { _ = tx.Rollback() }()
	books, err := w.points.In(tx).Books(ctx)
	require.NoError(rt, err)
	require.Empty(rt, books.Faults)
	out, err := w.box.In(tx).Books(ctx)
	require.NoError(rt, err)

	// What each kind took, less what went back.
	net := map[string]int64{}
	rows, err := tx.QueryContext(ctx, fmt.Sprintf(`SELECT o.kind, CAST(sum(o.points - coalesce((SELECT sum(r.points) FROM %[1]soperation r
		WHERE r.holder = o.holder AND r.reverses = o.id), 0)) AS BIGINT) FROM %[1]soperation o WHERE o.kind IN ('use', 'ticket', 'merge') GROUP BY o.kind`, w.prefix+"point_"))
	require.NoError(rt, err)
	for rows.Next() {
		var kind string
		var n int64
		require.NoError(rt, rows.Scan(&kind, &n))
		net[kind] = n
	}
	require.NoError(rt, rows.Err())
	require.NoError(rt, rows.Close())
	require.Equal(rt, w.granted, books.Outstanding["aoba"]+net["use"]+net["ticket"]+net["merge"], "every point is somewhere")
	require.Equal(rt, net["merge"], out.Points, "the outbox has what was paid for")
	// Tickets that were paid and neither cancelled nor replaced.
	var tickets int64
	require.NoError(rt, tx.QueryRowContext(ctx, fmt.Sprintf("SELECT CAST(coalesce(sum(points), 0) AS BIGINT) FROM %sticket WHERE state IN (%d, %d)",
		w.prefix+"ticket_", ticket.Issued, ticket.Redeemed)).Scan(&tickets))
	require.Equal(rt, net["ticket"], tickets, "the book has what was paid for")
	var credited int64
	require.NoError(rt, w.mallDB.QueryRow("SELECT points FROM "+w.prefix+"credit").Scan(&credited))
	require.LessOrEqual(rt, credited, out.Points, "the mall has nothing that was not taken")
}

// drain lets everything arrive.
func (w *world) drain(rt *rapid.T) {
	ctx := context.Background()
	for {
		w.us.Add(time.Hour.Microseconds())
		_, err := w.box.Send(ctx)
		require.NoError(rt, err)
		w.receive(rt)
		for _, ack := range w.acks {
			require.NoError(rt, w.box.Acknowledge(ctx, ack))
		}
		w.acks = nil
		books, err := w.box.Books(ctx)
		require.NoError(rt, err)
		if books.Open+books.Pending == 0 {
			var credited int64
			require.NoError(rt, w.mallDB.QueryRow("SELECT points FROM "+w.prefix+"credit").Scan(&credited))
			require.Equal(rt, books.Points, credited, "both books are equal")
			return
		}
	}
}

// TestModel runs random histories of all keepers: functions that fail, panic or
// end the transaction when the points are taken already, programs that die in
// them and between, files and acknowledgements that are lost or come twice, clocks
// that jump, cancels in every order of arrival, and holders who enrol, change,
// lose and join their MyKey IDs. The sums, each holder's points and each card's ID
// are true at every step.
func TestModel(t *testing.T) {
	checks := flag.Lookup("rapid.checks")
	if was := checks.Value.String(); was == checks.DefValue {
		n := "20"
		if os.Getenv("MYNAKIT_LONG") != "" {
			n = "10000"
		}
		require.NoError(t, checks.Value.Set(n))
		defer func() { _ = checks.Value.Set(was) }()
	}
	run := func(rt *rapid.T, w *world, power func()) {
		w.start(rt)
		for range rapid.IntRange(5, 40).Draw(rt, "steps") {
			w.step(rt, power)
			w.whole(rt)
			w.known(rt)
		}
		w.drain(rt)
	}
	t.Run("SQLite", func(t *testing.T) {
		rapid.Check(t, func(rt *rapid.T) {
			dir, err := os.MkdirTemp(t.TempDir(), "")
			require.NoError(rt, err)
			w := &world{t: t, dir: filepath.Join(dir, "files")}
			copies := 0
			place := func() string { return filepath.Join(dir, fmt.Sprint(copies)) }
			require.NoError(rt, errors.Join(os.Mkdir(w.dir, 0o700), os.Mkdir(place(), 0o700)))
			w.db, err = sql.Open("sqlite", dbtest.FastSQLite(place()))
			require.NoError(rt, err)
			defer func() { _ = w.db.Close() }()
			w.die = func(context.Context, *sql.Tx) {
				from := place()
				copies++
				require.NoError(rt, copyDir(from, place()))
			}
			w.mallDB, err = sql.Open("sqlite", dbtest.FastSQLite(w.dir+"-mall"))
			require.NoError(rt, err)
			require.NoError(rt, os.Mkdir(w.dir+"-mall", 0o700))
			defer w.mallDB.Close()
			run(rt, w, func() {
				if w.did != dies {
					w.die(nil, nil)
				}
				require.NoError(rt, w.db.Close())
				w.db, err = sql.Open("sqlite", dbtest.FastSQLite(place()))
				require.NoError(rt, err)
				w.open()
			})
		})
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		db := dbtest.Open(t, "pgx", pg.DSN(t))
		var n int
		fmt.Sscan(checks.Value.String(), &n)
		require.NoError(t, checks.Value.Set(fmt.Sprint(max(3, n/10))))
		round := 0
		rapid.Check(t, func(rt *rapid.T) {
			round++
			dir, err := os.MkdirTemp(t.TempDir(), "")
			require.NoError(rt, err)
			w := &world{t: t, db: db, mallDB: db, dir: dir, prefix: fmt.Sprintf("r%d_", round)}
			w.die = func(ctx context.Context, tx *sql.Tx) {
				_, _ = tx.ExecContext(ctx, "SELECT pg_terminate_backend(pg_backend_pid())")
			}
			run(rt, w, func() { w.open() })
		})
	})
}

// copyDir copies the files of a database as they are, as the next start would
// find them.
func copyDir(from, to string) error {
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	for _, name := range []string{"t.db", "t.db-wal"} {
		content, err := os.ReadFile(filepath.Join(from, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), content, 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Sixteen tills order tickets against points that are enough for a few: as many
// tickets as were paid, and no ghost.
func TestSixteenOrders(t *testing.T) {
	for _, engine := range []string{"sqlite", "pgx"} {
		t.Run(engine, func(t *testing.T) {
			dsn := dbtest.FastSQLite(t.TempDir())
			if engine == "pgx" {
				dsn = pg.DSN(t)
			}
			w := &world{t: t, db: dbtest.Open(t, engine, dsn), dir: t.TempDir(), prefix: "w_"}
			w.mallDB = w.db
			w.start(t)
			ctx := t.Context()
			_, err := w.points.Credit(ctx, point.Credit{Request: w.request(), Holder: w.all[0].id, Account: "aoba", Points: 1000, Kind: point.OpGrant})
			require.NoError(t, err)
			var wg sync.WaitGroup
			var issued atomic.Int64
			for i := range 16 {
				wg.Go(func() {
					_, err := w.book.Issue(ctx, office, ticket.Order{Points: 300, Account: "aoba", Key: fmt.Sprint("k", i),
						Pay: func(ctx context.Context, tx *sql.Tx, t ticket.Ticket) error {
							_, err := w.points.In(tx).Use(ctx, point.Use{Request: point.Request{Scope: scope, Name: t.OrderKey}, Holder: w.all[0].id,
								Account: "aoba", Points: t.Points, Proved: true, For: point.OpTicket})
							return err
						}})
					if err == nil {
						issued.Add(1)
					} else if !errors.Is(err, point.ErrShort) {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			require.EqualValues(t, 3, issued.Load())
			var rows int
			require.NoError(t, w.db.QueryRow("SELECT count(*) FROM w_ticket_ticket").Scan(&rows))
			require.Equal(t, 3, rows)
			balances, err := w.points.Balances(ctx, w.all[0].id)
			require.NoError(t, err)
			require.EqualValues(t, 100, balances[0].Points)
		})
	}
}
