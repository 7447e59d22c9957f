package ledger_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/ledger"
)

// badDay is a shop whose Apply misbehaves by chance, whose processes die and
// whose clock jumps, and beside it the model of what it should hold. The content
// of a record follows from its number, so that there are no conflicts.
type badDay struct {
	t       *testing.T
	rt      *rapid.T
	server  bool // PostgreSQL
	path    string
	db      *sql.DB
	cfg     ledger.Config
	ledger  *ledger.Ledger
	profile mergefile.Profile
	key     mergefile.Key

	real time.Time
	skew time.Duration // of the shop's clock

	all       map[mergefile.Transaction]mergefile.Record
	kept      map[mergefile.Transaction]bool // in the ledger
	gone      map[mergefile.Transaction]bool // forgotten
	forgotten time.Time
	sent      [][]mergefile.Record
	lost      bool              // a loss stands
	balances  map[string]uint64 // of the model, or as they were when it was lost

	losses, deaths *int
}

func (m *badDay) open() {
	if m.server {
		m.db.Close() // a new program has connections of its own
	}
	driver, dsn := "sqlite", fmt.Sprintf("file:%s?_pragma=journal_mode(WAL)&_pragma=synchronous(OFF)", filepath.ToSlash(m.path))
	if m.server {
		driver, dsn = "pgx", m.path
	}
	db, err := sql.Open(driver, dsn)
	require.NoError(m.rt, err)
	db.SetMaxOpenConns(1)
	m.db = db
	cfg := m.cfg
	cfg.Clock = func() time.Time { return m.real.Add(m.skew) }
	m.ledger, err = ledger.Open(context.Background(), db, cfg)
	var stands *ledger.UnresolvedError
	if m.lost = errors.As(err, &stands); m.lost {
		cfg.Unresolved = true
		m.ledger, err = ledger.Open(context.Background(), db, cfg)
	}
	require.NoError(m.rt, err)
}

// die goes on with what the next start would find. On SQLite that is a copy of
// the files as they are, on PostgreSQL the server ends the session.
func (m *badDay) die(tx *sql.Tx) {
	*m.deaths++
	if m.server {
		_, _ = tx.Exec("SELECT pg_terminate_backend(pg_backend_pid())")
		return
	}
	next := m.path + "+"
	copyDatabase(m.rt, m.path, next)
	m.path = next
}

// draw draws a file of a few records whose numbers are few, so that they meet.
func (m *badDay) draw() []mergefile.Record {
	seen := map[mergefile.Transaction]bool{}
	var rs []mergefile.Record
	for range rapid.IntRange(1, 5).Draw(m.rt, "records") {
		at := m.real.Add(-time.Duration(rapid.IntRange(0, 14).Draw(m.rt, "hours ago")) * time.Hour)
		number, err := mergefile.NewTransaction(at, uint32(rapid.IntRange(0, 2).Draw(m.rt, "sequence")))
		require.NoError(m.rt, err)
		if seen[number] {
			continue
		}
		seen[number] = true
		id := number.Time().Unix()/3600%3 + 10
		h, err := mergefile.NewMallHolder(fmt.Sprint("m", id))
		require.NoError(m.rt, err)
		rec := mergefile.Record{Holder: h, Points: uint64(id) + uint64(number.Sequence())*100, Transaction: number}
		m.all[number] = rec
		rs = append(rs, rec)
	}
	m.sent = append(m.sent, rs)
	return rs
}

// receive delivers a file to an Apply that misbehaves or not.
func (m *badDay) receive(rs []mergefile.Record, misbehaves bool) {
	deed := -1
	at, dies, goesOn, all := 0, false, false, false
	if misbehaves {
		for deed < 0 || m.server && misdeeds[deed].on == "SQLite" {
			deed = rapid.IntRange(0, len(misdeeds)).Draw(m.rt, "misdeed") - 1
			if deed < 0 {
				break // it only dies
			}
		}
		at = rapid.IntRange(1, 3).Draw(m.rt, "at record")
		dies = deed < 0 || rapid.Bool().Draw(m.rt, "dies")
		goesOn = rapid.Bool().Draw(m.rt, "goes on")
		all = rapid.Bool().Draw(m.rt, "all at once")
	}
	fired, before := false, m.db
	errPassedOn := errors.New("something failed")
	apply := func(ctx context.Context, tx *sql.Tx, rec mergefile.Record) error {
		if fired && dies {
			return errPassedOn // nobody is there any more
		}
		err := credit(ctx, tx, rec)
		if at--; at != 0 || !misbehaves {
			return err
		}
		fired = true
		if deed >= 0 {
			misdeeds[deed].do(m.rt, tx)
		}
		switch {
		case dies:
			m.die(tx)
			return errPassedOn
		case goesOn:
			_ = credit(ctx, tx, rec) // once more, perhaps outside of everything
			return nil
		}
		return errPassedOn
	}
	cfg := ledger.ReceiverConfig{Ledger: m.ledger, Profile: m.profile, Keys: m.key, Apply: apply}
	if all {
		cfg.Apply, cfg.ApplyAll = nil, func(ctx context.Context, tx *sql.Tx, recs []mergefile.Record) (err error) {
			for _, rec := range recs {
				if err = apply(ctx, tx, rec); err != nil && !goesOn {
					return err
				}
			}
			return err
		}
	}
	r, err := ledger.NewReceiver(cfg)
	require.NoError(m.rt, err)
	file, _ := write(m.t, m.profile, m.key, rs)
	tooOld := false
	merged := int64(0)
	for _, rec := range rs {
		tooOld = tooOld || rec.Transaction.Time().Before(m.forgotten)
		if !m.kept[rec.Transaction] {
			merged++
		}
	}
	rep, err := r.Receive(context.Background(), bytes.NewReader(file), "", nil)

	var stands *ledger.UnresolvedError
	var lost *ledger.LostError
	var old *ledger.TooOldError
	switch {
	case m.lost:
		require.ErrorAs(m.rt, err, &stands)
	case tooOld:
		require.ErrorAs(m.rt, err, &old)
	case !fired:
		require.NoError(m.rt, err)
		require.Equal(m.rt, merged, rep.Merged)
		require.Equal(m.rt, int64(len(rs))-merged, rep.Duplicates)
		for _, rec := range rs {
			if !m.kept[rec.Transaction] {
				require.False(m.rt, m.gone[rec.Transaction], "%v is merged twice", rec.Transaction)
				m.kept[rec.Transaction] = true
				m.balances[rec.Holder.Reveal()] += rec.Points
			}
		}
	default:
		require.Error(m.rt, err, "an end that nobody asked for is an error")
		require.Zero(m.rt, rep)
		commits := deed >= 0 && (misdeeds[deed].name == "COMMIT" || misdeeds[deed].name == "tx.Commit")
		if dies {
			if !m.server {
				require.NoError(m.rt, before.Close())
				m.db = nil
			}
			m.open()
		} else if errors.As(err, &lost) {
			require.NoError(m.rt, lost.Unnoted)
			m.lost = true
		}
		require.True(m.rt, m.lost || !commits, "what was committed stands until somebody has looked")
		if m.lost {
			*m.losses++
			m.balances = balancesIn(m.rt, m.db)
		}
	}
}

func (m *badDay) check() {
	if got := balancesIn(m.rt, m.db); !maps.Equal(got, m.balances) {
		m.rt.Fatalf("the balances are %v and should be %v", got, m.balances)
	}
	if m.lost {
		return
	}
	var n int
	require.NoError(m.rt, m.db.QueryRow("SELECT count(*) FROM mergefile_number").Scan(&n))
	require.Equal(m.rt, len(m.kept), n)
}

// resolve is the person who looks: the balances become what the numbers add up
// to, whatever was done in the transactions that were lost.
func (m *badDay) resolve() {
	ctx := context.Background()
	clear(m.kept)
	sums := map[string]uint64{}
	for number, rec := range m.all {
		there, err := m.ledger.Has(ctx, "", number)
		require.NoError(m.rt, err)
		if there {
			m.kept[number] = true
		}
		if there || m.gone[number] {
			sums[rec.Holder.Reveal()] += rec.Points
		}
	}
	_, err := m.db.Exec("DELETE FROM balance")
	require.NoError(m.rt, err)
	for holder, points := range sums {
		_, err := m.db.Exec(fmt.Sprintf("INSERT INTO balance (holder, points) VALUES ('%s', %d)", holder, points))
		require.NoError(m.rt, err)
	}
	m.balances = sums
	losses, err := m.ledger.Losses(ctx)
	require.NoError(m.rt, err)
	require.NotEmpty(m.rt, losses)
	for _, l := range losses {
		require.NoError(m.rt, m.ledger.Resolve(ctx, l.ID))
	}
	m.lost = false
}

func (m *badDay) forget() {
	_, err := m.ledger.Forget(context.Background())
	if m.lost {
		var stands *ledger.UnresolvedError
		require.ErrorAs(m.rt, err, &stands)
		return
	}
	require.NoError(m.rt, err)
	m.forgotten = forgets(maps.Keys(m.kept), m.real.Add(m.skew), m.forgotten)
	for number := range m.kept {
		if number.Time().Before(m.forgotten) {
			delete(m.kept, number)
			m.gone[number] = true
		}
	}
}

// An Apply that ends its transaction in every way, goes on or passes the error
// on, programs that die in it, clocks that jump by years, restarts and people
// who resolve, in any order: what was lost is always found out, nothing goes on
// until it is resolved, no number is merged twice, and the balances are the
// model's.
func TestBadDay(t *testing.T) {
	histories := map[string]string{"SQLite": "40", "PostgreSQL": "15"}
	switch {
	case long():
		histories = map[string]string{"SQLite": "10000", "PostgreSQL": "10000"}
	case raceDetector:
		histories = map[string]string{"SQLite": "10", "PostgreSQL": "5"}
	}
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			setHistories(t, histories[e.name])
			dir := t.TempDir()
			key, secret := testKey(t), ledgerKey(t, ledgerSecret)
			server := e.name == "PostgreSQL"
			dsn := dbtest.FastSQLite(dir)
			if server {
				dsn = e.dsn(t)
			}
			// Most of the time would go into making tables.
			fresh := dbtest.Open(t, e.driver, dsn)
			openShop(t, fresh, ledger.Config{})
			var empty []byte
			if !server {
				_, err := fresh.Exec("PRAGMA wal_checkpoint(TRUNCATE)")
				require.NoError(t, err)
				empty, err = os.ReadFile(filepath.Join(dir, "t.db"))
				require.NoError(t, err)
			}
			n, losses, deaths := 0, 0, 0
			rapid.Check(t, func(rt *rapid.T) {
				n++
				m := &badDay{t: t, rt: rt, server: server, path: dsn, db: fresh, cfg: ledger.Config{Key: secret, Keep: modelKeep},
					profile: mergefile.Standard(), key: key, real: testStart,
					all: map[mergefile.Transaction]mergefile.Record{}, kept: map[mergefile.Transaction]bool{},
					gone: map[mergefile.Transaction]bool{}, balances: map[string]uint64{}, losses: &losses, deaths: &deaths}
				if server {
					_, err := fresh.Exec("TRUNCATE balance, mergefile_scope, mergefile_number, mergefile_unfinished")
					require.NoError(rt, err)
					m.db = dbtest.Open(t, e.driver, dsn)
				} else {
					own := filepath.Join(dir, fmt.Sprint(n))
					require.NoError(rt, os.Mkdir(own, 0o700))
					defer os.RemoveAll(own)
					m.path = filepath.Join(own, "t.db")
					require.NoError(rt, os.WriteFile(m.path, empty, 0o600))
				}
				m.open()
				defer func() { m.db.Close() }()
				rt.Repeat(map[string]func(*rapid.T){
					"deliver":   func(rt *rapid.T) { m.rt = rt; m.receive(m.draw(), false) },
					"misbehave": func(rt *rapid.T) { m.rt = rt; m.receive(m.draw(), true) },
					"deliver again": func(rt *rapid.T) {
						if len(m.sent) == 0 {
							rt.Skip("nothing was sent")
						}
						m.rt = rt
						m.receive(m.sent[rapid.IntRange(0, len(m.sent)-1).Draw(rt, "which")], rapid.Bool().Draw(rt, "misbehaves"))
					},
					"time passes": func(rt *rapid.T) {
						m.real = m.real.Add(time.Duration(rapid.IntRange(1, 5).Draw(rt, "hours")) * time.Hour)
					},
					"the clock jumps": func(rt *rapid.T) {
						m.skew = time.Duration(rapid.IntRange(-4000, 4000).Draw(rt, "days")) * day
					},
					"forget": func(rt *rapid.T) { m.rt = rt; m.forget() },
					"restart": func(rt *rapid.T) {
						m.rt = rt
						was := m.lost
						require.NoError(rt, m.db.Close())
						m.open()
						require.Equal(rt, was, m.lost, "a restart resolves nothing")
					},
					"resolve": func(rt *rapid.T) {
						if !m.lost {
							rt.Skip("nothing was lost")
						}
						m.rt = rt
						m.resolve()
					},
					"": func(rt *rapid.T) { m.rt = rt; m.check() },
				})
			})
			t.Logf("%d histories, %d losses, %d deaths", n, losses, deaths)
			if n >= 40 { // a few may have none: one history in two has
				assert.NotZero(t, losses)
			}
		})
	}
}
