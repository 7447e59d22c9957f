package ticket_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/ticket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The test binary runs itself as a second program when childEnv is set, to
// what is to be done, a blank, the driver, a blank and the DSN.
const childEnv = "MYNAKIT_TICKET_CHILD"

const racers = 64

func child() int {
	do, rest, _ := strings.Cut(os.Getenv(childEnv), " ")
	driver, dsn, _ := strings.Cut(rest, " ")
	err := func() error {
		db, err := sql.Open(driver, dsn)
		if err != nil {
			return err
		}
		defer db.Close()
		db.SetMaxOpenConns(16)
		db.SetMaxIdleConns(16)
		k, err := ticket.NewKey("K1", []byte("a secret of the tests, K1"))
		if err != nil {
			return err
		}
		b, err := ticket.Open(context.Background(), db, ticket.Config{Keys: ticket.Keys{k}, RetryFor: patience})
		if err != nil {
			return err
		}
		switch do {
		case "race":
			return childRace(b)
		case "work":
			return childWork(b)
		}
		return errors.New("what?")
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// start runs the test binary as the child. When the test ends it is killed.
func start(t *testing.T, do, driver, dsn string) (cmd *exec.Cmd, in io.WriteCloser, out *bufio.Scanner) {
	cmd = exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+do+" "+driver+" "+dsn)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // should the test have failed on the way
	return cmd, in, bufio.NewScanner(stdout)
}

// race lets 64 goroutines redeem one ticket and gives the attempts that won.
func race(b *ticket.Book, who string, c ticket.Code) (won []string, err error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range racers {
		wg.Go(func() {
			attempt := fmt.Sprint(who, i)
			_, rerr := b.Redeem(context.Background(), ticket.Presentation{
				Terminal: ticket.Terminal{ID: attempt, Scope: shop.Scope}, Code: c, Attempt: attempt})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case rerr == nil:
				won = append(won, attempt)
			case rerr != ticket.ErrRefused:
				err = errors.Join(err, rerr)
			}
		})
	}
	wg.Wait()
	return won, err
}

func childRace(b *ticket.Book) error {
	fmt.Println("ready")
	codes := bufio.NewScanner(os.Stdin)
	for codes.Scan() {
		won, err := race(b, "child", ticket.NewCode(codes.Text()))
		if err != nil {
			return err
		}
		fmt.Println("won", strings.Join(won, " "))
	}
	return codes.Err()
}

// Of 64 goroutines in each of two programs one redeems the ticket.
func TestOneWinner(t *testing.T) {
	rounds := 15
	if long() {
		rounds = 1000
	}
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			dsn := e.dsn(t)
			db := dbtest.Open(t, e.driver, dsn)
			db.SetMaxOpenConns(16)
			db.SetMaxIdleConns(16)
			b, err := ticket.Open(t.Context(), db, ticket.Config{Keys: ticket.Keys{key(t, "K1")}, RetryFor: patience})
			require.NoError(t, err)
			cmd, in, out := start(t, "race", e.driver, dsn)
			defer func() {
				in.Close()
				assert.NoError(t, cmd.Wait())
			}()
			require.True(t, out.Scan())

			began := time.Now()
			childWins, points := 0, int64(0)
			for i := range rounds {
				tk, err := b.Issue(t.Context(), shop, ticket.Order{Points: int64(i + 1)})
				require.NoError(t, err)
				points += tk.Points
				text, err := b.QR(tk)
				require.NoError(t, err)
				_, err = fmt.Fprintln(in, text)
				require.NoError(t, err)
				won, err := race(b, "parent", ticket.NewCode(text))
				require.NoError(t, err)
				require.True(t, out.Scan())
				theirs := strings.Fields(strings.TrimPrefix(out.Text(), "won"))
				childWins += len(theirs)
				won = append(won, theirs...)
				require.Len(t, won, 1, "round %d", i)
				now, err := b.Find(t.Context(), shop.Scope, tk.Number)
				require.NoError(t, err)
				require.Equal(t, won[0], now.EndedBy)
			}
			got, err := b.Settle(t.Context(), shop.Scope, ticket.Period{From: mykey.DateOf(began), To: mykey.DateOf(time.Now())})
			require.NoError(t, err)
			assert.Equal(t, ticket.Total{Tickets: int64(rounds), Points: points}, got.Redeemed)
			t.Logf("%d rounds of 2 x %d in %v, %d won by the other program", rounds, racers, time.Since(began).Round(time.Millisecond), childWins)
		})
	}
}

const workers = 4

// childWork issues and redeems for as long as it lives. Before and after each
// step it says so, in one write.
func childWork(b *ticket.Book) error {
	var run string
	if _, err := fmt.Scanln(&run); err != nil {
		return err
	}
	errs := make(chan error)
	for w := range workers {
		go func() {
			for i := 0; ; i++ {
				key := fmt.Sprintf("%s-%d-%d", run, w, i)
				if err := childStep(b, key, int64(i%97+1)); err != nil {
					errs <- err
					return
				}
			}
		}()
	}
	return <-errs
}

func childStep(b *ticket.Book, key string, points int64) error {
	ctx := context.Background()
	fmt.Printf("issue %s %d\n", key, points)
	tk, err := b.Issue(ctx, shop, ticket.Order{Points: points, Key: key})
	if err != nil {
		return err
	}
	text, err := b.QR(tk)
	if err != nil {
		return err
	}
	fmt.Printf("issued %s %s\n", key, text)
	if points%3 == 0 {
		return nil // not every ticket is used
	}
	fmt.Printf("redeem %s %s\n", key, text)
	_, err = b.Redeem(ctx, ticket.Presentation{Terminal: shop, Code: ticket.NewCode(text), Attempt: key})
	if err != nil {
		return err
	}
	fmt.Printf("redeemed %s %s\n", key, text)
	return nil
}

// A program that issues and redeems is killed again and again. What it had
// acknowledged is there; what it had not is finished by asking again with the
// same keys; and then the settlement is the sum of the acknowledgements.
func TestKill(t *testing.T) {
	rounds := 4
	if long() {
		rounds = 200
	}
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			ctx := t.Context()
			dsn := e.dsn(t)
			began := time.Now()
			points := map[string]int64{} // by key, of every order that was begun
			codes := map[string]string{} // by key, of every ticket acknowledged
			redeemed := map[string]bool{}
			resent, already := 0, 0
			for round := range rounds {
				cmd, in, out := start(t, "work", e.driver, dsn)
				_, err := fmt.Fprintf(in, "run%d\n", round)
				require.NoError(t, err)
				stop := 1 + (round*37)%61 // how many lines until the kill
				redeeming := map[string]bool{}
				issuing := map[string]bool{}
				for n := 0; out.Scan(); n++ {
					if n == stop {
						require.NoError(t, cmd.Process.Kill())
					}
					f := strings.Fields(out.Text())
					if len(f) != 3 {
						break // the last line may be torn
					}
					switch f[0] {
					case "issue":
						var p int64
						_, err := fmt.Sscan(f[2], &p)
						require.NoError(t, err)
						points[f[1]] = p
						issuing[f[1]] = true
					case "issued":
						codes[f[1]] = f[2]
						delete(issuing, f[1])
					case "redeem":
						redeeming[f[1]] = true
					case "redeemed":
						redeemed[f[1]] = true
						delete(redeeming, f[1])
					}
				}
				require.Error(t, cmd.Wait(), "it was killed")
				in.Close()

				db := dbtest.Open(t, e.driver, dsn)
				b, err := ticket.Open(ctx, db, ticket.Config{Keys: ticket.Keys{key(t, "K1")}, RetryFor: patience})
				require.NoError(t, err)
				for k := range issuing {
					before := len(full(t, b.Unredeemed(ctx, shop.Scope, ticket.Period{From: mykey.DateOf(began), To: mykey.DateOf(began).AddDays(40)})))
					tk, err := b.Issue(ctx, shop, ticket.Order{Points: points[k], Key: k})
					require.NoError(t, err)
					after := len(full(t, b.Unredeemed(ctx, shop.Scope, ticket.Period{From: mykey.DateOf(began), To: mykey.DateOf(began).AddDays(40)})))
					resent++
					already += 1 - (after - before)
					codes[k], err = b.QR(tk)
					require.NoError(t, err)
				}
				for k := range redeeming {
					r, err := b.Redeem(ctx, ticket.Presentation{Terminal: shop, Code: ticket.NewCode(codes[k]), Attempt: k})
					require.NoError(t, err)
					resent++
					if r.Repeated {
						already++
					}
					redeemed[k] = true
				}
				var want ticket.Total
				numbers := map[string]int64{}
				for k := range redeemed {
					want.Tickets++
					want.Points += points[k]
					_, n, err := ticket.Keys{key(t, "K1")}.Open(codes[k])
					require.NoError(t, err)
					numbers[n.Digits()] = points[k]
				}
				p := ticket.Period{From: mykey.DateOf(began), To: mykey.DateOf(time.Now())}
				got, err := b.Settle(ctx, shop.Scope, p)
				require.NoError(t, err)
				require.Equal(t, want, got.Redeemed, "round %d", round)
				listed := map[string]int64{}
				for _, d := range full(t, b.Details(ctx, shop.Scope, p)) {
					listed[d.Number.Digits()] = d.Points
				}
				require.Equal(t, numbers, listed)
				live := 0
				for _, tk := range full(t, b.Unredeemed(ctx, shop.Scope, ticket.Period{From: p.From, To: p.To.AddDays(30)})) {
					require.Equal(t, points[tk.OrderKey], tk.Points)
					text, err := b.QR(tk)
					require.NoError(t, err)
					require.Equal(t, codes[tk.OrderKey], text)
					live++
				}
				require.Equal(t, len(codes)-len(redeemed), live, "every ticket issued, and no other")
				for k := range redeeming {
					_, err := b.Redeem(ctx, ticket.Presentation{Terminal: shop2, Code: ticket.NewCode(codes[k]), Attempt: k})
					require.Same(t, ticket.ErrRefused, err)
				}
				require.NoError(t, db.Close())
			}
			t.Logf("%d kills, %d tickets, %d redeemed; %d calls had no answer, of which %d had been carried out; %v",
				rounds, len(codes), len(redeemed), resent, already, time.Since(began).Round(time.Millisecond))
			if e.name == "SQLite" {
				var check string
				db := dbtest.Open(t, e.driver, dsn)
				require.NoError(t, db.QueryRow("PRAGMA integrity_check").Scan(&check))
				assert.Equal(t, "ok", check)
				assert.FileExists(t, filepath.Join(filepath.Dir(strings.TrimPrefix(dsn, "file:")), "t.db"))
			}
		})
	}
}
