package registry_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/internal/pgtest"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/payment"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/stretchr/testify/require"
)

var pg pgtest.Server

func TestMain(m *testing.M) {
	code := m.Run()
	pg.Stop()
	os.Exit(code)
}

// long reports whether the runs that measure are wanted. They need -timeout 40m.
func long() bool { return os.Getenv("MYNAKIT_LONG") == "1" }

// engine is a database that can be opened again, as by a program that was
// restarted or by another one.
type engine struct {
	name, prefix string
	driver, dsn  string
	db           *sql.DB // one that is open throughout
}

// open opens a registry on a handle of its own.
func (e engine) open(t testing.TB, cfg registry.Config) (*registry.Registry, error) {
	cfg.Prefix = e.prefix
	return registry.Open(t.Context(), openDB(t, e.driver, e.dsn), cfg)
}

func openDB(t testing.TB, driver, dsn string) *sql.DB {
	db := dbtest.Open(t, driver, dsn)
	if driver == "pgx" {
		db.SetMaxOpenConns(20)
	}
	return db
}

func newEngine(t testing.TB, name, prefix, driver, dsn string) engine {
	return engine{name: name, prefix: prefix, driver: driver, dsn: dsn, db: openDB(t, driver, dsn)}
}

func sqliteEngine(t testing.TB) engine {
	return newEngine(t, "SQLite", "mykey_", "sqlite", dbtest.FastSQLite(t.TempDir()))
}

func postgresEngine(t testing.TB) engine {
	return newEngine(t, "PostgreSQL", "city_", "pgx", pg.DSN(t))
}

var engines = []struct {
	name string
	make func(testing.TB) engine
}{{"SQLite", sqliteEngine}, {"PostgreSQL", postgresEngine}}

// epoch is the day on which the tests begin.
var epoch = time.Date(2026, 4, 1, 9, 0, 0, 0, time.FixedZone("JST", 9*60*60))

// world is a registry on one engine, with a clock of its own.
type world struct {
	*testing.T
	eng   engine
	cfg   registry.Config
	reg   *registry.Registry
	mu    sync.Mutex
	clock time.Time
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
}

var pseudonymKey = []byte("a key of thirty-two random bytes")

// patience is as long as 64 who want one row may need, one after the other, on a
// machine on which much else runs.
const patience = time.Minute

func newWorld(t *testing.T, eng engine, more ...func(*registry.Config)) *world {
	w := &world{T: t, eng: eng, clock: epoch}
	w.cfg = registry.Config{Serials: registry.Pseudonyms(pseudonymKey), Clock: w.now, RetryFor: patience}
	for _, f := range more {
		f(&w.cfg)
	}
	w.restart()
	return w
}

// restart is what a restart of the program is to the registry.
func (w *world) restart() {
	reg, err := w.eng.open(w.T, w.cfg)
	require.NoError(w, err)
	w.reg = reg
}

// conform runs a test of the registry's behaviour on every engine.
func conform(t *testing.T, f func(w *world), more ...func(*registry.Config)) {
	t.Helper()
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) { f(newWorld(t, e.make(t), more...)) })
	}
}

func serial(n int) jpki.Serial {
	s, err := jpki.ParseSerial(fmt.Sprintf("%08X", 0x030D0000+n))
	if err != nil {
		panic(err)
	}
	return s
}

// issuer is the authority of all cards but those that say otherwise.
var issuer = mustIssuer("5a17d0e14a5f0a1e9bb0a4a94ec2f4c2a7b0c1d2")

func mustIssuer(s string) registry.Issuer {
	i, err := registry.ParseIssuer(s)
	if err != nil {
		panic(err)
	}
	return i
}

// formers is a verifier's service that knows which certificate replaced which.
func formers(former func(jpki.Serial) (jpki.Serial, error)) func(context.Context, jpki.Serial, registry.Issuer) (jpki.Serial, registry.Issuer, error) {
	return func(_ context.Context, s jpki.Serial, i registry.Issuer) (jpki.Serial, registry.Issuer, error) {
		old, err := former(s)
		return old, i, err
	}
}

// tap is the n-th person's card, with the PIN given.
func tap(n int) registry.Presence { return tapOf(n, registry.DeviceCard) }

func tapOf(n int, d registry.Device) registry.Presence {
	return registry.Presence{Certificate: registry.Certificate{Serial: serial(n), Issuer: issuer, NotAfter: epoch.AddDate(5, 0, 0), Device: d}, Proved: true}
}

func withoutPIN(t registry.Presence) registry.Presence {
	t.Proved = false
	return t
}

func id(t testing.TB, s string) mykey.ID {
	v, err := mykey.ParseID(s)
	require.NoError(t, err)
	return v
}

func service(t testing.TB, s string) mykey.ServiceID {
	v, err := mykey.ParseServiceID(s)
	require.NoError(t, err)
	return v
}

// rules and application are the form that two services ask for.
var rules = payment.Rules{"waon": paymentRule, "pay": paymentRule}

var paymentRule = payment.Rule{
	ID:    payment.TextRule{Min: 1, Max: 16, Chars: payment.Digits},
	Codes: []payment.TextRule{{Min: 4, Max: 4, Chars: payment.Digits}},
	Phone: true,
}

func application(service, payID string) payment.Application {
	return payment.Application{Service: service, PaymentServiceID: payID,
		SecurityCodes: []mykey.Secret{mykey.NewSecret("9753")}, PhoneLast4: mykey.NewSecret("2468")}
}

func (w *world) begin(tp registry.Presence) *registry.Session {
	w.Helper()
	s, err := w.reg.Begin(w.Context(), tp)
	require.NoError(w, err)
	return s
}

// applied gives the application of a person in the campaign without a name, or nil.
func applied(p registry.Person) *registry.PaymentLink {
	if l, ok := p.Payment(""); ok {
		return &l
	}
	return nil
}

// candidate gives the n-th person's session and enrolment, with an ID that is
// free kept for the card.
func (w *world) candidate(n int, s string) (*registry.Session, *registry.Enrolment) {
	w.Helper()
	sess := w.begin(tap(n))
	e, err := sess.Enrol(w.Context())
	require.NoError(w, err)
	_, err = e.Check(w.Context(), tap(n), id(w, s))
	require.NoError(w, err)
	return sess, e
}

// enrolled gives the n-th person's session after registration of an ID.
func (w *world) enrolled(n int, s string) *registry.Session {
	w.Helper()
	sess, e := w.candidate(n, s)
	p, err := e.Accept(w.Context(), tap(n))
	require.NoError(w, err)
	require.True(w, p.Registered)
	require.Equal(w, s, sess.ID().String())
	return sess
}

func (w *world) find(k mykey.Identifier) registry.Person {
	w.Helper()
	p, err := w.reg.Find(w.Context(), k)
	require.NoError(w, err)
	return p
}

// lost has the n-th person's card found revoked.
func (w *world) lost(n int) {
	w.Helper()
	require.NoError(w, w.reg.NoteRevoked(w.Context(), tap(n).Certificate))
}

// lookup gives the ID of the n-th person's card.
func (w *world) lookup(n int) string {
	w.Helper()
	got, err := w.reg.Lookup(w.Context(), serial(n))
	require.NoError(w, err)
	return got.String()
}

// race lets 64 goroutines loose at the same moment and gives their errors.
func race(ctx context.Context, f func(ctx context.Context, i int) error) [64]error {
	var errs [64]error
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range errs {
		wg.Go(func() {
			<-start
			errs[i] = f(ctx, i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}
