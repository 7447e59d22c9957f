package point_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var errInjected = errors.New("injected: the disk is full")

// Each step of each call fails once, before it is made and after it was made.
// The call says so. Made again, it comes to the same books as if nothing had
// failed.
func TestEveryStatementFails(t *testing.T) {
	type world struct {
		*bench
		used    point.Use
		granted point.Request
		next    point.Request
	}
	calls := map[string]func(ctx context.Context, w *world) error{
		"use": func(ctx context.Context, w *world) error {
			_, err := w.Use(ctx, point.Use{Request: w.next, Holder: id(t, hanako), Account: "aoba", Points: 120, Proved: true})
			return err
		},
		"use without proof": func(ctx context.Context, w *world) error {
			_, err := w.Use(ctx, point.Use{Request: w.next, Holder: id(t, hanako), Account: "aoba", Points: 5})
			return err
		},
		"credit": func(ctx context.Context, w *world) error {
			ref, err := point.ParseReference("C-9")
			require.NoError(t, err)
			_, err = w.Credit(ctx, point.Credit{Request: w.next, Holder: id(t, hanako), Account: "reserved", Points: 7, Kind: point.OpPartner, Partner: "card-a", Reference: ref})
			return err
		},
		"cancel": func(ctx context.Context, w *world) error {
			_, err := w.Cancel(ctx, w.used.Request, point.At{})
			return err
		},
		"void": func(ctx context.Context, w *world) error { _, err := w.Cancel(ctx, w.next, point.At{}); return err },
		"refund": func(ctx context.Context, w *world) error {
			_, err := w.Refund(ctx, point.Refund{Request: w.next, Of: w.used.Request, Points: 30})
			return err
		},
		"steer": func(ctx context.Context, w *world) error {
			_, err := w.Steer(ctx, point.Steer{Request: w.next, Holder: id(t, hanako), From: "reserved", To: "aoba", Points: 20})
			return err
		},
		"clawback": func(ctx context.Context, w *world) error {
			_, err := w.Clawback(ctx, point.Clawback{Request: w.next, Of: w.granted})
			return err
		},
		"rename": func(ctx context.Context, w *world) error { return w.Rename(ctx, id(t, hanako), id(t, "HANAKO77")) },
		"revoke": func(ctx context.Context, w *world) error { return w.Revoke(ctx, id(t, hanako)) },
		"enrol": func(ctx context.Context, w *world) error {
			return w.Enrol(ctx, id(t, taro), point.Profile{Base: "aoba"})
		},
		"sweep": func(ctx context.Context, w *world) error {
			w.clock.Set(japan(t, "2029-01-01 00:00:00"))
			defer w.clock.Set(japan(t, "2026-11-28 10:00:00"))
			for {
				s, err := w.Sweep(ctx, true)
				if err != nil || !s.More {
					return err
				}
			}
		},
		"status":   func(ctx context.Context, w *world) error { _, err := w.Status(ctx, w.used.Request); return err },
		"balances": func(ctx context.Context, w *world) error { _, err := w.Balances(ctx, id(t, hanako)); return err },
		"history":  func(ctx context.Context, w *world) error { _, err := w.History(ctx, id(t, hanako), "", 10); return err },
		"settle": func(ctx context.Context, w *world) error {
			w.clock.Set(japan(t, "2026-12-01 00:01:00"))
			defer w.clock.Set(japan(t, "2026-11-28 10:00:00"))
			s, err := w.Settle(ctx, period(t, "2026-11-01", "2026-11-30"))
			if err == nil {
				require.True(t, s.Final)
				require.EqualValues(t, 60, s.Sum().Uses.Points)
			}
			return err
		},
		"settle partners": func(ctx context.Context, w *world) error {
			_, err := w.SettlePartners(ctx, period(t, "2026-11-01", "2026-11-30"))
			return err
		},
		"close till": func(ctx context.Context, w *world) error {
			_, err := w.CloseTill(ctx, "000002", japan(t, "2026-11-28 00:00:00"), w.clock.Now())
			return err
		},
		"details": func(ctx context.Context, w *world) (err error) {
			for _, err = range w.Details(ctx, period(t, "2026-11-01", "2026-11-30")) {
			}
			return err
		},
		"books": func(ctx context.Context, w *world) error { _, err := w.Books(ctx); return err },
	}
	one := func(call func(ctx context.Context, w *world) error, database func(t *testing.T) *dbtest.Hooked) func(t *testing.T) {
		return func(t *testing.T) {
			ctx := t.Context()
			run := func(step int, after bool) (fired bool, books point.Books, balances []point.Balance) {
				hooked := database(t)
				db := sql.OpenDB(hooked)
				defer func() { require.NoError(t, db.Close()) }()
				w := &world{bench: open(t, db, point.Config{Unproved: 10, RetryFor: -1})}
				p := city(t)
				p.Expiry = point.Expiry{}
				w.grant(t, "aoba", 100)
				require.NoError(t, w.SetProgramme(ctx, p))
				w.granted = w.grant(t, "aoba", 100)
				w.reserve(t, 50)
				w.used, w.next = w.use(t, 60), point.Request{Scope: "next", Name: "1"}
				_, err := w.Use(ctx, w.used)
				require.NoError(t, err)
				n := step
				hooked.Set(func(s dbtest.Step) error {
					if s.After != after || after && (s.What == "row" || s.What == "begin") {
						return nil
					}
					if after && s.What != "commit" && os.Getenv("MYNAKIT_LONG") == "" {
						return nil // the ordinary run takes the one that matters most
					}
					if n--; n == 0 {
						fired = true
						return errInjected
					}
					return nil
				})
				err = call(ctx, w)
				hooked.Set(nil)
				if fired {
					// What fails on the way back, such as a rollback, may pass unseen.
					if err == nil {
						require.True(t, after, "step %d failed and nobody said so", step)
					} else {
						require.ErrorIs(t, err, errInjected, "step %d", step)
					}
					require.NoError(t, call(ctx, w), "made again after step %d", step)
				} else {
					require.NoError(t, err)
				}
				who := id(t, hanako)
				balances, err = w.Balances(ctx, who)
				require.NoError(t, err)
				return fired, w.whole(t), balances
			}
			_, books, balances := run(0, false)
			for _, after := range []bool{false, true} {
				for step := 1; ; step++ {
					fired, gotBooks, got := run(step, after)
					if !fired {
						require.True(t, after || step > 1, "no step of the call was counted")
						break
					}
					require.Equal(t, balances, got, "step %d", step)
					require.Equal(t, books, gotBooks, "step %d", step)
				}
			}
		}
	}
	tables := dbtest.Ready{Make: func(t testing.TB, db *sql.DB) {
		_, err := point.Open(t.Context(), db, point.Config{})
		require.NoError(t, err)
	}}
	for name, call := range calls {
		t.Run(name, one(call, func(t *testing.T) *dbtest.Hooked { return &dbtest.Hooked{DSN: tables.FastSQLite(t)} }))
	}
	if os.Getenv("MYNAKIT_LONG") == "" {
		return
	}
	dsn := inPartitions.dsn(t)
	emptied := func(t *testing.T) *dbtest.Hooked {
		empty(t, dbtest.Open(t, "pgx", dsn))
		return &dbtest.Hooked{Engine: stdlib.GetDefaultDriver(), DSN: dsn}
	}
	for name, call := range calls {
		t.Run(name+" in partitions", one(call, emptied))
	}
}

// empty deletes what is in the tables of a ledger on PostgreSQL, but for their
// version.
func empty(t testing.TB, db *sql.DB) {
	t.Helper()
	for _, name := range []string{"programme", "partner", "holder", "alias", "request", "claim", "lot", "operation", "entry", "closed", "unfinished"} {
		_, err := db.ExecContext(t.Context(), "DELETE FROM point_"+name)
		require.NoError(t, err)
	}
}

// The test binary is a till when childEnv is set, to the driver, a blank and
// the DSN: it uses points, gives some back and cancels some, and says what was
// acknowledged.
const childEnv = "MYNAKIT_POINT_CHILD"

func child() int {
	driver, dsn, _ := strings.Cut(os.Getenv(childEnv), " ")
	err := func() error {
		ctx := context.Background()
		db, err := sql.Open(driver, dsn)
		if err != nil {
			return err
		}
		defer db.Close()
		l, err := point.Open(ctx, db, point.Config{})
		if err != nil {
			return err
		}
		who, err := mykey.ParseID(hanako)
		if err != nil {
			return err
		}
		fmt.Println("ready")
		in := bufio.NewScanner(os.Stdin)
		for in.Scan() {
			name := in.Text()
			r := point.Request{Scope: "till", Name: name}
			if _, err := l.Use(ctx, point.Use{Request: r, Holder: who, Account: "aoba", Points: 10, Proved: true}); err != nil {
				return err
			}
			fmt.Println("used", name)
			if _, err := l.Refund(ctx, point.Refund{Request: point.Request{Scope: "till", Name: name + "r"}, Of: r, Points: 3}); err != nil {
				return err
			}
			fmt.Println("refunded", name)
			if _, err := l.Cancel(ctx, r, point.At{}); err != nil {
				return err
			}
			fmt.Println("cancelled", name)
		}
		return in.Err()
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// A till is killed at any moment. What was acknowledged stands, nothing stands
// twice, and the books are whole.
func TestKill(t *testing.T) {
	rounds := 4
	if os.Getenv("MYNAKIT_LONG") != "" {
		rounds = 200
	}
	synced := kind{"SQLite", "sqlite", func(t testing.TB) string { return dbtest.SQLite(t.TempDir()) }}
	for _, k := range []kind{synced, onPostgreSQL, inPartitions} {
		t.Run(k.name, func(t *testing.T) {
			engine, dsn := k.driver, k.dsn(t)
			db := dbtest.Open(t, engine, dsn)
			b, ctx := open(t, db, point.Config{}), t.Context()
			b.clock.Set(time.Now()) // the child's
			b.grant(t, "aoba", 1_000_000)
			want := int64(1_000_000)
			if engine == "pgx" {
				dsn += " application_name=till"
			}
			// ended waits until a server has ended what a killed child had asked for: the
			// last COMMIT may still be on its way.
			ended := func() {
				for n := 1; engine == "pgx" && n > 0; {
					require.NoError(t, db.QueryRowContext(ctx, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'till'").Scan(&n))
				}
			}
			for round := range rounds {
				cmd := exec.Command(os.Args[0])
				cmd.Env = append(os.Environ(), childEnv+"="+engine+" "+dsn)
				cmd.Stderr = os.Stderr
				in, err := cmd.StdinPipe()
				require.NoError(t, err)
				stdout, err := cmd.StdoutPipe()
				require.NoError(t, err)
				require.NoError(t, cmd.Start())
				t.Cleanup(func() { _ = cmd.Process.Kill() })
				out := bufio.NewScanner(stdout)
				require.True(t, out.Scan())
				require.Equal(t, "ready", out.Text())
				go func() {
					for i := 0; ; i++ {
						if _, err := fmt.Fprintf(in, "k%d-%d\n", round, i); err != nil {
							return
						}
					}
				}()
				acknowledged := map[string]string{}
				last := 0
				stop := rand.IntN(30) + 1 // killed after so many answers, wherever it then is
				for out.Scan() {
					what, name, _ := strings.Cut(out.Text(), " ")
					acknowledged[name] = what
					if last++; last == stop {
						time.AfterFunc(time.Duration(rand.IntN(3000))*time.Microsecond, func() { _ = cmd.Process.Kill() })
					}
				}
				_ = cmd.Wait() // killed
				ended()

				// Each request that was made, and the one after, is looked up.
				for i := range len(acknowledged) + 1 {
					name := fmt.Sprintf("k%d-%d", round, i)
					r, err := b.Status(ctx, point.Request{Scope: "till", Name: name})
					if errors.Is(err, point.ErrNoRequest) {
						require.Empty(t, acknowledged[name], "acknowledged and lost: %s", name)
						continue
					}
					require.NoError(t, err)
					switch acknowledged[name] {
					case "refunded":
						require.GreaterOrEqual(t, r.Undone, int64(3), name)
					case "cancelled":
						require.EqualValues(t, 10, r.Undone, name)
					}
					want -= r.Points - r.Undone
				}
				require.Equal(t, want, b.balance(t, "aoba"))
			}
			b.whole(t)
			assert.Positive(t, b.whole(t).Operations[point.OpUse])
		})
	}
}
