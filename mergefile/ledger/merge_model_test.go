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

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/ledger"
)

// modelMachine is a shop's PC in the hands of chance, and beside it the model
// of what it should hold: which content each number was merged with.
type modelMachine struct {
	t       *testing.T
	dir     string
	profile mergefile.Profile
	key     mergefile.Key
	secret  ledger.Key

	now    time.Time
	path   string // of the database
	db     *sql.DB
	ledger *ledger.Ledger
	crash  int // how many more records Apply takes until the power goes
	copies int

	merged    map[mergefile.Transaction]mergefile.Record
	kept      map[mergefile.Transaction]mergefile.Record // what the ledger still has to know
	forgotten time.Time
	balances  map[string]uint64
	sent      [][]mergefile.Record
	alarms    int
}

var errPower = errors.New("the power is gone")

func (m *modelMachine) open() {
	db, err := sql.Open("sqlite", fmt.Sprintf("file:%s?_pragma=journal_mode(WAL)&_pragma=synchronous(OFF)", filepath.ToSlash(m.path)))
	require.NoError(m.t, err)
	db.SetMaxOpenConns(1)
	require.NoError(m.t, createBalances(context.Background(), db))
	m.db = db
	m.ledger, err = ledger.Open(context.Background(), db, ledger.Config{Key: m.secret, Keep: modelKeep,
		Clock: func() time.Time { return m.now }})
	require.NoError(m.t, err)
}

// powerCut goes on with a copy of the database's files as they are now, which
// is what the next start would find.
func (m *modelMachine) powerCut() {
	m.copies++
	next := filepath.Join(m.dir, fmt.Sprintf("%d.db", m.copies))
	copyDatabase(m.t, m.path, next)
	m.path = next
}

// receive delivers a file and holds the outcome against the model.
func (m *modelMachine) receive(rt *rapid.T, rs []mergefile.Record, crash int) {
	var want ledger.Report
	tooOld := false
	for _, r := range rs {
		was, known := m.kept[r.Transaction]
		switch {
		case r.Transaction.Time().Before(m.forgotten):
			tooOld = true
		case !known:
			want.Merged++
		case was == r:
			want.Duplicates++
		}
		if known && was != r {
			want.Conflicts++
		}
	}
	m.crash = crash
	before := m.db
	r, err := ledger.NewReceiver(ledger.ReceiverConfig{Ledger: m.ledger, Profile: m.profile, Keys: m.key,
		Apply: func(ctx context.Context, tx *sql.Tx, rec mergefile.Record) error {
			if err := credit(ctx, tx, rec); err != nil {
				return err
			}
			if m.crash--; m.crash == 0 {
				m.powerCut()
				return errPower
			}
			return nil
		},
		Alarm: func(context.Context, *ledger.ConflictError) { m.alarms++ }})
	require.NoError(m.t, err)
	file, _ := write(m.t, m.profile, m.key, rs)
	alarms := m.alarms
	rep, err := r.Receive(context.Background(), bytes.NewReader(file), "", nil)

	var conflict *ledger.ConflictError
	var old *ledger.TooOldError
	switch {
	case want.Conflicts > 0:
		if !errors.As(err, &conflict) || rep.Conflicts != want.Conflicts || m.alarms != alarms+1 {
			rt.Fatalf("a conflict gave %v, %+v and %d alarms", err, rep, m.alarms-alarms)
		}
	case tooOld:
		if !errors.As(err, &old) {
			rt.Fatalf("old numbers gave %v", err)
		}
	case crash > 0 && int64(crash) <= want.Merged:
		if !errors.Is(err, errPower) {
			rt.Fatalf("a power cut gave %v", err)
		}
		require.NoError(m.t, before.Close())
		m.open()
	default:
		if err != nil || rep.Merged != want.Merged || rep.Duplicates != want.Duplicates {
			rt.Fatalf("got %+v, %v, want %+v", rep, err, want)
		}
		for _, rec := range rs {
			if _, known := m.kept[rec.Transaction]; !known {
				if _, twice := m.merged[rec.Transaction]; twice {
					rt.Fatalf("%v is merged twice", rec.Transaction)
				}
				m.merged[rec.Transaction], m.kept[rec.Transaction] = rec, rec
				m.balances[rec.Holder.Reveal()] += rec.Points
			}
		}
	}
}

// draw draws records whose numbers are few, so that they meet.
func (m *modelMachine) draw(rt *rapid.T) []mergefile.Record {
	n := rapid.IntRange(1, 6).Draw(rt, "records")
	seen := map[mergefile.Transaction]bool{}
	var rs []mergefile.Record
	for range n {
		at := m.now.Add(-time.Duration(rapid.IntRange(0, 14).Draw(rt, "hours ago")) * time.Hour)
		number, err := mergefile.NewTransaction(at, uint32(rapid.IntRange(0, 3).Draw(rt, "sequence")))
		require.NoError(m.t, err)
		if seen[number] {
			continue
		}
		seen[number] = true
		// The content follows from the number, but for a rare forgery.
		id := int(number.Time().Unix()/3600+int64(number.Sequence())) % 3
		points := uint64(1 + id*10 + int(number.Sequence()))
		if rapid.IntRange(0, 30).Draw(rt, "forged") == 0 {
			points += 1000
		}
		h, err := mergefile.NewMallHolder(fmt.Sprint("m", id))
		require.NoError(m.t, err)
		rs = append(rs, mergefile.Record{Holder: h, Points: points, Transaction: number})
	}
	return rs
}

func (m *modelMachine) check(rt *rapid.T) {
	if got := balancesIn(m.t, m.db); !maps.Equal(got, m.balances) {
		rt.Fatalf("the balances are %v and should be %v", got, m.balances)
	}
}

// Deliveries, repetitions, forgeries, power cuts, time that passes, a ledger
// that forgets and one that moves to another machine, in any order: no number
// is ever merged twice, none that was acknowledged is lost, and the balances
// are the model's.
func TestModel(t *testing.T) {
	n := ""
	switch {
	case long():
		n = "10000"
	case raceDetector:
		n = "10"
	}
	if n != "" {
		setHistories(t, n)
	}
	key := testKey(t)
	secret := ledgerKey(t, ledgerSecret)
	dir := t.TempDir()
	// Most of the time would go into making tables.
	fresh := &modelMachine{t: t, path: filepath.Join(dir, "empty.db"), secret: secret}
	fresh.open()
	require.NoError(t, fresh.db.Close())
	empty, err := os.ReadFile(fresh.path)
	require.NoError(t, err)
	histories, power := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		histories++
		own := filepath.Join(dir, fmt.Sprint(histories))
		require.NoError(t, os.Mkdir(own, 0o700))
		m := &modelMachine{t: t, dir: own, profile: mergefile.Standard(), key: key, secret: secret, now: testStart,
			path:   filepath.Join(own, "0.db"),
			merged: map[mergefile.Transaction]mergefile.Record{}, kept: map[mergefile.Transaction]mergefile.Record{},
			balances: map[string]uint64{}}
		require.NoError(t, os.WriteFile(m.path, empty, 0o600))
		m.open()
		defer func() {
			require.NoError(t, m.db.Close())
			require.NoError(t, os.RemoveAll(own))
			power += m.copies
		}()
		rt.Repeat(map[string]func(*rapid.T){
			"deliver": func(rt *rapid.T) {
				rs := m.draw(rt)
				m.sent = append(m.sent, rs)
				m.receive(rt, rs, 0)
			},
			"deliver again": func(rt *rapid.T) {
				if len(m.sent) == 0 {
					rt.Skip("nothing was sent")
				}
				m.receive(rt, m.sent[rapid.IntRange(0, len(m.sent)-1).Draw(rt, "which")], 0)
			},
			"power cut": func(rt *rapid.T) {
				rs := m.draw(rt)
				m.sent = append(m.sent, rs)
				m.receive(rt, rs, rapid.IntRange(1, 3).Draw(rt, "at record"))
			},
			"time passes": func(rt *rapid.T) {
				m.now = m.now.Add(time.Duration(rapid.IntRange(1, 5).Draw(rt, "hours")) * time.Hour)
			},
			"forget": func(rt *rapid.T) {
				_, err := m.ledger.Forget(context.Background())
				require.NoError(t, err)
				m.forgotten = forgets(maps.Keys(m.kept), m.now, m.forgotten)
				for number := range m.kept {
					if number.Time().Before(m.forgotten) {
						delete(m.kept, number)
					}
				}
			},
			"move": func(rt *rapid.T) {
				var text bytes.Buffer
				require.NoError(t, m.ledger.Export(context.Background(), &text))
				// The balances move by the program's own means.
				_, err := m.db.Exec("DELETE FROM mergefile_number")
				require.NoError(t, err)
				_, err = m.db.Exec("DELETE FROM mergefile_scope")
				require.NoError(t, err)
				_, err = m.ledger.Import(context.Background(), bytes.NewReader(text.Bytes()))
				require.NoError(t, err)
			},
			"": m.check,
		})
	})
	t.Logf("%d histories, %d power cuts", histories, power)
}
