package outbox_test

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/outbox"
	"github.com/stretchr/testify/require"
)

// The test binary is a cloud when childEnv is set, to the driver, the DSN, the
// folder and the mark, with line ends between: it adds and sends for ever.
const childEnv = "MYNAKIT_OUTBOX_CHILD"

func childConfig(dir, mark string) outbox.Config {
	return outbox.Config{Profile: mergefile.Standard(), Keys: fileKey, Dir: dir, Acks: ackKey, Mark: outbox.FileMark(mark), Repeat: time.Nanosecond,
		Holder: func(context.Context, *sql.Tx, outbox.Item) (mergefile.Holder, error) {
			return mergefile.NewMallHolder("520625")
		}}
}

func child() int {
	args := strings.Split(os.Getenv(childEnv), "\n")
	err := func() error {
		ctx := context.Background()
		db, err := sql.Open(args[0], args[1])
		if err != nil {
			return err
		}
		defer db.Close()
		o, err := outbox.Open(ctx, db, childConfig(args[2], args[3]))
		if err != nil {
			return err
		}
		for n := 0; ; n++ {
			or := outbox.Order{Operation: args[4] + fmt.Sprint("-", n), Subject: "HANAKO01", Points: int64(1 + n%50)}
			if _, err := o.Add(ctx, or); err != nil {
				return err
			}
			fmt.Println("added", or.Points)
			if n%3 == 2 {
				if _, err := o.Send(ctx); err != nil {
					return err
				}
				fmt.Println("sent 0")
			}
		}
	}()
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// The sender is killed at any moment, files are lost on the way, and the
// receiver is killed by coming late and twice: in the end both books are equal.
func TestKill(t *testing.T) {
	rounds := 4
	if os.Getenv("MYNAKIT_LONG") != "" {
		rounds = 200
	}
	for _, engine := range []string{"sqlite", "pgx"} {
		t.Run(engine, func(t *testing.T) {
			dsn := dbtest.SQLite(t.TempDir())
			if engine == "pgx" {
				dsn = pg.DSN(t)
			}
			db, ctx := dbtest.Open(t, engine, dsn), t.Context()
			dir, mark := t.TempDir(), filepath.Join(t.TempDir(), "sent.mark")
			o, err := outbox.Open(ctx, db, childConfig(dir, mark))
			require.NoError(t, err)
			m := openMall(t, mergefile.Standard(), "")
			acknowledged := int64(0)
			for round := range rounds {
				cmd := exec.Command(os.Args[0])
				cmd.Env = append(os.Environ(), childEnv+"="+strings.Join([]string{engine, dsn, dir, mark, fmt.Sprint("r", round)}, "\n"))
				cmd.Stderr = os.Stderr
				stdout, err := cmd.StdoutPipe()
				require.NoError(t, err)
				require.NoError(t, cmd.Start())
				t.Cleanup(func() { _ = cmd.Process.Kill() })
				out := bufio.NewScanner(stdout)
				stop := rand.IntN(20) + 1
				for n := 1; out.Scan(); n++ {
					var what string
					var points int64
					_, err := fmt.Sscan(out.Text(), &what, &points)
					require.NoError(t, err)
					acknowledged += points
					if n == stop {
						time.AfterFunc(time.Duration(rand.IntN(5000))*time.Microsecond, func() { _ = cmd.Process.Kill() })
					}
				}
				_ = cmd.Wait() // killed
				lose(t, dir)
				for _, ack := range m.take(t, dir, "") {
					if rand.IntN(3) > 0 { // some acknowledgements are lost too
						require.NoError(t, o.Acknowledge(ctx, ack))
					}
				}
			}
			for {
				_, err := o.Send(ctx)
				require.NoError(t, err)
				for _, ack := range m.take(t, dir, "") {
					require.NoError(t, o.Acknowledge(ctx, ack))
				}
				books, err := o.Books(ctx)
				require.NoError(t, err)
				if books.Open+books.Pending == 0 {
					require.Equal(t, books.Points, m.points(t))
					require.GreaterOrEqual(t, books.Points, acknowledged, "what was acknowledged is there")
					break
				}
			}
		})
	}
}

// lose removes a part of the files, and what a killed writer left.
func lose(t testing.TB, dir string) {
	for _, name := range files(t, dir) {
		if strings.HasSuffix(name, ".tmp") || rand.IntN(4) == 0 {
			require.NoError(t, os.Remove(filepath.Join(dir, name)))
		}
	}
}
