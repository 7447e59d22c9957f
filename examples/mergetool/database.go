package main

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/ledger"
)

// storage are the flags of the tasks that have a database.
type storage struct {
	address, ledgerKeyFile string
}

func (s *storage) add(f *flag.FlagSet) {
	f.StringVar(&s.address, "db", "", "the database: the name of an SQLite `file`, or a postgres:// address without a password")
	f.StringVar(&s.ledgerKeyFile, "ledger-key-file", "", "the `file` that holds the ledger's secret, on one line")
}

// open opens the database and the ledger in it.
func (s *storage) open(ctx context.Context, keep time.Duration) (*database, *ledger.Ledger, error) {
	if s.address == "" || s.ledgerKeyFile == "" {
		return nil, nil, errUsage
	}
	secret, err := readLine(s.ledgerKeyFile)
	if err != nil {
		return nil, nil, err
	}
	key, err := ledger.NewKey(secret)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", s.ledgerKeyFile, err)
	}
	db, err := openDatabase(ctx, s.address)
	if err != nil {
		return nil, nil, err
	}
	book, err := ledger.Open(ctx, db.DB, ledger.Config{Key: key, Keep: keep})
	if err != nil {
		db.Close()
		return nil, nil, err
	}
	return db, book, nil
}

// database is SQLite or PostgreSQL.
type database struct {
	*sql.DB
	mark byte // in front of a parameter's number
}

// openDatabase opens a database, and makes the file of an SQLite one, which
// only its owner may read: it holds who has how many points.
func openDatabase(ctx context.Context, address string) (*database, error) {
	if strings.HasPrefix(address, "postgres://") || strings.HasPrefix(address, "postgresql://") {
		u, err := url.Parse(address)
		if err != nil {
			return nil, errors.New("-db: this is no address of a database: postgres://user@host/database")
		}
		if _, has := u.User.Password(); has || u.Query().Has("password") {
			return nil, errors.New("-db: every user of the machine can read a command line: put the password into a file that PGPASSFILE names, or into PGPASSWORD, and take it out of the address")
		}
		db, err := sql.Open("pgx", address)
		if err != nil {
			return nil, err
		}
		if err := db.PingContext(ctx); err != nil {
			db.Close()
			return nil, fmt.Errorf("the database does not answer; see whether it runs and whether -db is right, and give the same command again: %w", err)
		}
		return &database{db, '$'}, nil
	}
	path, err := filepath.Abs(address)
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := file.Close(); err != nil {
		return nil, err
	}
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // C:/…
	}
	dsn := (&url.URL{Scheme: "file", Path: path}).String()
	db, err := sql.Open("sqlite", dsn+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		return nil, err
	}
	// That it is locked is left to OpenLedger, which tries again.
	const locked = 5 // SQLITE_BUSY
	var lite interface{ Code() int }
	if err := db.PingContext(ctx); err != nil && !(errors.As(err, &lite) && lite.Code()&0xFF == locked) {
		db.Close()
		return nil, fmt.Errorf("-db: %s cannot be used as an SQLite database: %w", address, err)
	}
	return &database{db, '?'}, nil
}

// most is more points than anybody will ever have, and less than a column can
// hold.
const most = 1_000_000_000_000_000_000

// createBalance makes the example's table, in which a program of your own has
// its members.
func (db *database) createBalance(ctx context.Context) error {
	_, err := db.ExecContext(ctx, fmt.Sprintf(`CREATE TABLE IF NOT EXISTS mergetool_balance (
		kind   VARCHAR(8)  NOT NULL,
		holder VARCHAR(32) NOT NULL,
		points BIGINT      NOT NULL CHECK (points BETWEEN 1 AND %d),
		PRIMARY KEY (kind, holder))`, int64(most)))
	if err == nil {
		return nil
	}
	// PostgreSQL refuses the later of two programs that make one table at once.
	rows, there := db.QueryContext(ctx, "SELECT kind FROM mergetool_balance WHERE 1 = 0")
	if there != nil {
		return fmt.Errorf("making the table of balances: %w", err)
	}
	return rows.Close()
}

// credit adds the points of a batch to the balances: one row for each holder,
// and all of them in one statement. The order keeps two programs that credit
// the same holders from waiting for each other.
func (db *database) credit(ctx context.Context, tx *sql.Tx, recs []mergefile.Record) error {
	type row struct {
		kind, holder string
		points       uint64
	}
	rows := make([]row, 0, len(recs))
	for _, r := range recs {
		if r.Points > most {
			return errors.New("more points than a balance can hold")
		}
		rows = append(rows, row{r.Holder.Kind().String(), r.Holder.Reveal(), r.Points})
	}
	slices.SortFunc(rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.holder, b.holder))
	})
	n := 0
	for _, r := range rows[1:] {
		if last := &rows[n]; r.kind == last.kind && r.holder == last.holder {
			if last.points += r.points; last.points > most {
				return errors.New("more points than a balance can hold")
			}
			continue
		}
		n++
		rows[n] = r
	}
	rows = rows[:n+1]

	var q strings.Builder
	args := make([]any, 0, 3*len(rows))
	q.WriteString("INSERT INTO mergetool_balance (kind, holder, points) VALUES ")
	for i, r := range rows {
		if i > 0 {
			q.WriteByte(',')
		}
		fmt.Fprintf(&q, "(%c%d,%c%d,%c%d)", db.mark, 3*i+1, db.mark, 3*i+2, db.mark, 3*i+3)
		args = append(args, r.kind, r.holder, int64(r.points))
	}
	q.WriteString(" ON CONFLICT (kind, holder) DO UPDATE SET points = mergetool_balance.points + excluded.points")
	_, err := tx.ExecContext(ctx, q.String(), args...)
	return err
}
