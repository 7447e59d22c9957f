package ledger_test

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/ledger"
)

// The test binary runs itself as a second program when childEnv is set, to
// lines of what is to be done, a number, the directory of the files, the driver
// and the DSN.
const childEnv = "MYNAKIT_MERGEFILE_CHILD"

func child() int {
	if err := childWork(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func childWork(ctx context.Context) error {
	arg := strings.Split(os.Getenv(childEnv), "\n")
	do, dir, driver, dsn := arg[0], arg[2], arg[3], arg[4]
	n, err := strconv.Atoi(arg[1])
	if err != nil {
		return err
	}
	db, err := sql.Open(driver, dsn)
	var w *dbtest.Hooked
	if do == "stop" {
		w = &dbtest.Hooked{DSN: dsn}
		db, err = sql.OpenDB(w), nil
	}
	if err != nil {
		return err
	}
	defer db.Close()
	secret, err := ledger.NewKey([]byte(ledgerSecret))
	if err != nil {
		return err
	}
	cfg := ledger.Config{Key: secret}
	if n%2 == 1 {
		cfg.Copy = pgxCopy // of no use on SQLite
	}
	book, err := ledger.Open(ctx, db, cfg)
	if err != nil {
		return err
	}
	key, err := mergefile.NewKey("k1", testMaterial, testSecret)
	if err != nil {
		return err
	}
	r, err := ledger.NewReceiver(ledger.ReceiverConfig{Ledger: book, Profile: mergefile.Standard(), Keys: key, ApplyAll: creditAll})
	if err != nil {
		return err
	}
	if do == "stop" {
		at := 0
		w.Set(func(s dbtest.Step) error {
			if at++; at == n {
				fmt.Printf("stop %+v\n", s)
				p, _ := os.FindProcess(os.Getpid())
				_ = p.Kill()
				select {} // until the signal arrives
			}
			return nil
		})
	}
	names, err := filepath.Glob(filepath.Join(dir, "*.dat"))
	if err != nil {
		return err
	}
	if do == "race" {
		rng := rand.New(rand.NewPCG(uint64(n), 7))
		rng.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	}
	if do == "group" {
		return receiveGroup(ctx, r, names)
	}
	var merged, duplicates int64
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		var rep ledger.Report
		for {
			rep, err = r.Receive(ctx, bytes.NewReader(text), filepath.Base(name), nil)
			if !errors.Is(err, ledger.ErrBusy) {
				break
			}
		}
		if err != nil {
			return err
		}
		merged, duplicates = merged+rep.Merged, duplicates+rep.Duplicates
		if do != "race" {
			fmt.Println("done", filepath.Base(name))
		}
	}
	fmt.Println("sum", merged, duplicates)
	return nil
}

// receiveGroup receives all files together and tells the results.
func receiveGroup(ctx context.Context, r *ledger.Receiver, names []string) error {
	var files []ledger.File
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		files = append(files, ledger.File{Content: bytes.NewReader(text), Name: filepath.Base(name)})
	}
	fmt.Println("begin")
	for i, res := range r.ReceiveAll(ctx, files) {
		if res.Err != nil {
			return res.Err
		}
		fmt.Println("done", files[i].Name)
	}
	return nil
}

// start runs the test binary as the child. When the test ends it is killed.
func start(t testing.TB, do string, n int, dir, driver, dsn string) (cmd *exec.Cmd, out *bufio.Scanner) {
	cmd = exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+strings.Join([]string{do, fmt.Sprint(n), dir, driver, dsn}, "\n"))
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // should the test have failed on the way
	return cmd, bufio.NewScanner(stdout)
}

// put writes a merge file into a directory.
func (s *shop) put(t testing.TB, dir, name string, rs []mergefile.Record) {
	text, err := io.ReadAll(s.file(t, rs))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o600))
}

// remembered gives how many of the records' numbers are in the ledger, by one
// look at it. The records' times rise.
func (s *shop) remembered(t testing.TB, rs []mergefile.Record) int {
	first, last := rs[0].Transaction, rs[len(rs)-1].Transaction
	rows, err := s.db.Query(fmt.Sprintf("SELECT at, sequence FROM mergefile_number WHERE at BETWEEN %d AND %d",
		first.Time().UnixMilli(), last.Time().UnixMilli()))
	require.NoError(t, err)
	defer rows.Close()
	type number struct{ at, sequence int64 }
	there := map[number]bool{}
	for rows.Next() {
		var n number
		require.NoError(t, rows.Scan(&n.at, &n.sequence))
		there[n] = true
	}
	require.NoError(t, rows.Err())
	count := 0
	for _, r := range rs {
		if there[number{r.Transaction.Time().UnixMilli(), int64(r.Transaction.Sequence())}] {
			count++
		}
	}
	return count
}

// The program is stopped for good at each call that it makes of the database,
// before it and after it. A file is then merged or it is not, and receiving it
// again merges it once.
func TestStoppedAtEachStep(t *testing.T) {
	dir := t.TempDir()
	rs := records(t, mergefile.Standard(), 120)
	(&shop{profile: mergefile.Standard()}).put(t, dir, "a.dat", rs)
	commits := 0
	for n := 1; ; n++ {
		dsn := dbtest.SQLite(t.TempDir())
		s := openShop(t, dbtest.Open(t, "sqlite", dsn), ledger.Config{})
		cmd, out := start(t, "stop", n, dir, "sqlite", dsn)
		var stop string
		done := false
		for out.Scan() {
			if what, ok := strings.CutPrefix(out.Text(), "stop "); ok {
				stop = what
			}
			done = done || strings.HasPrefix(out.Text(), "done")
		}
		err := cmd.Wait()
		if stop == "" {
			require.NoError(t, err)
			require.True(t, done)
			require.Greater(t, n, 16, "there are so many steps at least")
			break
		}
		require.Error(t, err)
		require.False(t, done)
		there := s.remembered(t, rs)
		if stop == "{What:commit After:true}" {
			commits++
			require.Equal(t, len(rs), there, "%d, %s", n, stop)
			require.Equal(t, sum(rs), s.balances(t))
		} else {
			require.Zero(t, there, "%d, %s", n, stop)
			require.Empty(t, s.balances(t))
		}
		rep, err := s.receiver(t, nil).Receive(t.Context(), s.file(t, rs), "", nil)
		require.NoError(t, err)
		require.EqualValues(t, len(rs)-there, rep.Merged)
		require.Equal(t, sum(rs), s.balances(t))
	}
	require.Equal(t, 1, commits, "one file is one transaction")
}

// A program that merges is killed at a random moment, again and again. What it
// had acknowledged is merged, every other file is merged whole or not at all,
// and the balances are the sum of those that are.
func TestKill(t *testing.T) {
	rounds := 2
	switch {
	case long():
		rounds = 200
	case raceDetector:
		rounds = 1
	}
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			dsn := e.dsn(t)
			s := openShop(t, dbtest.Open(t, e.driver, dsn), ledger.Config{})
			if e.driver == "pgx" {
				rounds = (rounds + 3) / 4 // the server does not die
			}
			rng := rand.New(rand.NewPCG(1, 2))
			balances := map[string]uint64{}
			acknowledged, unheard, halfway := 0, 0, 0
			for round := range rounds {
				dir := t.TempDir()
				files := map[string][]mergefile.Record{}
				var names []string
				next := round * 100_000
				for i := range 12 {
					n := 1 + rng.IntN(40)
					if i%3 == 2 {
						n = 1000 + rng.IntN(1000)
					}
					name := fmt.Sprintf("%02d.dat", i)
					names = append(names, name)
					files[name] = from(t, s.profile, next, n)
					next += n
					s.put(t, dir, name, files[name])
				}
				cmd, out := start(t, "work", 0, dir, e.driver, dsn)
				done := map[string]bool{}
				kill := rng.IntN(len(names))
				for n := 0; ; n++ {
					if n == kill {
						spin(rng.IntN(2_000_000)) // somewhere within the next file
						require.NoError(t, cmd.Process.Kill())
					}
					if !out.Scan() {
						break
					}
					if name, ok := strings.CutPrefix(out.Text(), "done "); ok && files[name] != nil {
						done[name] = true
					}
				}
				if cmd.Wait() == nil { // it was quicker than the kill
					require.Len(t, done, len(names))
				}
				s.settle(t, e)

				for _, name := range names {
					there := s.remembered(t, files[name])
					switch {
					case there == len(files[name]):
						for holder, points := range sum(files[name]) {
							balances[holder] += points
						}
						if done[name] {
							acknowledged++
						} else {
							unheard++
						}
					default:
						require.Zero(t, there, "round %d, %s", round, name)
						require.False(t, done[name], "round %d, %s", round, name)
						halfway++
					}
				}
				require.Equal(t, balances, s.balances(t), "round %d", round)

				// Everything is sent again.
				for _, name := range names {
					r := s.receiver(t, func(c *ledger.ReceiverConfig) { c.Apply, c.ApplyAll = nil, creditAll })
					rep, err := r.Receive(t.Context(), s.file(t, files[name]), name, nil)
					require.NoError(t, err)
					if rep.Merged > 0 {
						require.EqualValues(t, len(files[name]), rep.Merged)
						for holder, points := range sum(files[name]) {
							balances[holder] += points
						}
					}
				}
				require.Equal(t, balances, s.balances(t), "round %d", round)
			}
			t.Logf("%d kills: %d files acknowledged and merged, %d merged and not acknowledged, %d not merged", rounds, acknowledged, unheard, halfway)
			if e.driver == "sqlite" {
				var check string
				require.NoError(t, s.db.QueryRow("PRAGMA integrity_check").Scan(&check))
				require.Equal(t, "ok", check)
			}
		})
	}
}

// A program that receives files together is killed at a random moment of the
// groups. Each file is then merged whole or not at all, and receiving all of them
// again merges the rest once.
func TestKillGroup(t *testing.T) {
	rounds := 2
	switch {
	case long():
		rounds = 100
	case raceDetector:
		rounds = 1
	}
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			dsn := e.dsn(t)
			s := openShop(t, dbtest.Open(t, e.driver, dsn), ledger.Config{})
			rng := rand.New(rand.NewPCG(5, 6))
			var sent []mergefile.Record
			part, none, whole := 0, 0, 0
			for round := range rounds {
				dir := t.TempDir()
				var files [][]mergefile.Record
				for i := range 100 {
					files = append(files, from(t, s.profile, len(sent), 1+i%2))
					sent = append(sent, files[i]...)
					s.put(t, dir, fmt.Sprintf("%04d.dat", i), files[i])
				}
				before := s.balances(t)
				cmd, out := start(t, "group", 0, dir, e.driver, dsn)
				require.True(t, out.Scan())
				require.Equal(t, "begin", out.Text())
				if e.driver == "sqlite" {
					spin(rng.IntN(20_000_000))
				} else {
					spin(rng.IntN(60_000_000))
				}
				require.NoError(t, cmd.Process.Kill())
				done := 0
				for out.Scan() {
					done++
				}
				_ = cmd.Wait() // it may have been quicker than the kill
				s.settle(t, e)

				var merged []mergefile.Record
				var contents [][]byte
				for i, rs := range files {
					switch there := s.remembered(t, rs); there {
					case len(rs):
						merged = append(merged, rs...)
					default:
						require.Zero(t, there, "round %d, file %d", round, i)
						require.Zero(t, done, "the results come after the last commit")
					}
					f, _ := write(t, s.profile, testKey(t), rs)
					contents = append(contents, f)
				}
				want := sum(merged)
				for holder, points := range before {
					want[holder] += points
				}
				require.Equal(t, want, s.balances(t), "round %d", round)
				switch len(merged) {
				case 0:
					none++
				case 150:
					whole++
				default:
					part++
				}

				var again int64
				r := s.receiver(t, func(c *ledger.ReceiverConfig) { c.Apply, c.ApplyAll = nil, creditAll })
				for _, res := range r.ReceiveAll(t.Context(), asFiles(contents)) {
					require.NoError(t, res.Err)
					again += res.Report.Merged
				}
				require.EqualValues(t, 150-len(merged), again)
				require.Equal(t, sum(sent), s.balances(t), "round %d", round)
			}
			t.Logf("%d kills: %d before anything was merged, %d with a part of the files merged, %d after all", rounds, none, part, whole)
		})
	}
}

// settle waits until a server has ended the transactions of a program that was
// killed: the last COMMIT may still be on its way.
func (s *shop) settle(t testing.TB, e engine) {
	if e.driver != "pgx" {
		return
	}
	tx, err := s.db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = tx.Exec("LOCK TABLE mergefile_number")
	require.NoError(t, err)
	require.NoError(t, tx.Rollback())
}

// spin passes a random while, finer than a sleep can be.
func spin(n int) {
	x := 1
	for i := range n {
		x = x*31 + i
	}
	if x == 42 {
		fmt.Print()
	}
}

// Eight programs receive the same files, each of them every file, in an order
// of its own.
func TestManyReceivers(t *testing.T) {
	const programs = 8
	n := 16
	if long() {
		n = 1000
	}
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			dsn := e.dsn(t)
			s := openShop(t, dbtest.Open(t, e.driver, dsn), ledger.Config{})
			dir := t.TempDir()
			var all []mergefile.Record
			rng := rand.New(rand.NewPCG(3, 4))
			for i := range n {
				count := 1
				if i%2 == 0 {
					count = 1 + rng.IntN(60)
				}
				rs := from(t, s.profile, len(all), count)
				all = append(all, rs...)
				if i%5 == 4 {
					// Not in order, and with some of what another file has.
					rs = append(rs, all[max(0, len(all)-count-20):len(all)-count]...)
					slices.Reverse(rs)
				}
				s.put(t, dir, fmt.Sprintf("%04d.dat", i), rs)
			}
			type child struct {
				cmd *exec.Cmd
				out *bufio.Scanner
			}
			var children []child
			for i := range programs {
				cmd, out := start(t, "race", i, dir, e.driver, dsn)
				children = append(children, child{cmd, out})
			}
			var merged int64
			for _, c := range children {
				for c.out.Scan() {
					var m, d int64
					_, err := fmt.Sscanf(c.out.Text(), "sum %d %d", &m, &d)
					require.NoError(t, err)
					merged += m
				}
				require.NoError(t, c.cmd.Wait())
			}
			require.EqualValues(t, len(all), merged, "each record has one winner")
			require.Equal(t, sum(all), s.balances(t))
			require.Equal(t, len(all), s.remembered(t, all))
		})
	}
}
