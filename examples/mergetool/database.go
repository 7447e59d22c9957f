package main

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mynakit/mynakit/examples/internal/database"
	"github.com/mynakit/mynakit/examples/internal/speak"
	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/ledger"
)

// storage are the flags of the tasks that have a database.
type storage struct {
	address, ledgerKeyFile, mark string
}

func (s *storage) add(f *flag.FlagSet, say speak.Voice) {
	f.StringVar(&s.address, "db", "", say("データベース：SQLiteの`ファイル`、またはパスワードを含まない postgres://… か host=… dbname=…", "the database: the name of an SQLite `file`, or postgres://… or host=… dbname=… without a password"))
	f.StringVar(&s.mark, "mark", "", say("バックアップからの復元を見分ける、データベースの外の`ファイル`（省略するとSQLiteのファイルと並べて、名前に .mark を付けます）",
		"the `file` outside the database by which a restored backup is noticed (default: beside an SQLite file, with .mark behind its name)"))
	f.StringVar(&s.ledgerKeyFile, "ledger-key-file", "", say("合算台帳の鍵を1行で入れた`ファイル`", "the `file` that holds the ledger's secret, on one line"))
}

// open opens the database and the ledger in it. With create it makes the file of
// an SQLite database. unresolved is for the actions that look into a ledger
// which refuses to go on.
func (s *storage) open(ctx context.Context, keep time.Duration, create, unresolved bool) (*store, *ledger.Ledger, error) {
	if s.address == "" || s.ledgerKeyFile == "" {
		return nil, nil, speak.Wrong("-db と -ledger-key-file を指定してください。", "give -db and -ledger-key-file")
	}
	secret, err := readLine(s.ledgerKeyFile)
	if err != nil {
		return nil, nil, err
	}
	key, err := ledger.NewKey(secret)
	if err != nil {
		return nil, nil, speak.Fail(s.ledgerKeyFile+" は合算台帳の鍵として使えません。", s.ledgerKeyFile, err)
	}
	db, err := openStore(ctx, s.address, create)
	if err != nil {
		return nil, nil, err
	}
	cfg := ledger.Config{Key: key, Keep: keep, Unresolved: unresolved}
	if mark := cmp.Or(s.mark, db.besides); mark != "" {
		cfg.Mark = ledger.FileMark(mark)
	}
	book, err := ledger.Open(ctx, db.DB, cfg)
	if err != nil {
		db.Close()
		return nil, nil, err
	}
	db.schema = book.Schema()
	return db, book, nil
}

// store is a database: SQLite or PostgreSQL.
type store struct {
	*sql.DB
	dollar  bool   // a parameter is $1 and not ?1
	schema  string // of PostgreSQL, where the ledger is
	besides string // the file beside an SQLite database that holds its mark
}

// openStore opens the database that -db means.
func openStore(ctx context.Context, text string, create bool) (*store, error) {
	address, err := database.Parse(text)
	if err != nil {
		return nil, wrongDB(err)
	}
	if address.Password {
		return nil, speak.Fail("コマンドラインはほかのユーザーにも見えます。-db にはパスワードを書かず、PGPASSFILE のファイルか PGPASSWORD に入れてください。",
			"-db: every user of the machine can read a command line: put the password into a file that PGPASSFILE names, or into PGPASSWORD, and take it out of the address", nil)
	}
	db, err := address.Open(ctx, create)
	if err != nil {
		return nil, wrongDB(err)
	}
	out := &store{DB: db, dollar: address.PostgreSQL()}
	err = db.PingContext(ctx)
	if out.dollar {
		if err != nil {
			db.Close()
			return nil, speak.Fail("データベースが応答しません。起動しているか、-db が正しいかを確認し、同じコマンドをもう一度実行してください。",
				"the database does not answer; see whether it runs and whether -db is right, and give the same command again", err)
		}
		return out, nil
	}
	out.besides = address.File + ".mark"
	// That it is locked is left to ledger.Open, which tries again.
	const locked = 5 // SQLITE_BUSY
	var lite interface{ Code() int }
	if err != nil && !(errors.As(err, &lite) && lite.Code()&0xFF == locked) {
		db.Close()
		return nil, speak.Fail("-db の "+text+" は、SQLiteのデータベースとして使えません。", "-db: "+text+" cannot be used as an SQLite database", err)
	}
	return out, nil
}

func wrongDB(err error) error {
	return speak.Fail("-db には、SQLiteのファイル名、postgres://ユーザー名@ホスト/データベース名、または host=… dbname=… を指定してください。", "-db", err)
}

// most is more points than anybody will ever have, and less than a column can
// hold.
const most = 1_000_000_000_000_000_000

const balanceTable = "mergetool_balance"

// balance is the name of the table of balances in a statement.
func (db *store) balance() string {
	if db.schema == "" {
		return balanceTable
	}
	return `"` + strings.ReplaceAll(db.schema, `"`, `""`) + `".` + balanceTable
}

// createBalance makes the example's table, in which a program of your own has
// its members. On PostgreSQL it is where it was, or else beside the ledger, and
// not in whatever schema comes first on the search path today.
func (db *store) createBalance(ctx context.Context) error {
	if db.schema != "" {
		if err := db.findBalance(ctx); err != nil {
			return speak.Fail("残高の表を確認できません。", "looking for the table of balances", err)
		}
	}
	_, err := db.ExecContext(ctx, fmt.Sprintf(`CREATE TABLE IF NOT EXISTS %s (
		kind   VARCHAR(8)  NOT NULL,
		holder VARCHAR(32) NOT NULL,
		points BIGINT      NOT NULL CHECK (points BETWEEN 1 AND %d),
		PRIMARY KEY (kind, holder))`, db.balance(), int64(most)))
	if err == nil {
		return nil
	}
	// PostgreSQL refuses the later of two programs that make one table at once.
	rows, there := db.QueryContext(ctx, "SELECT kind FROM "+db.balance()+" WHERE 1 = 0")
	if there != nil {
		return speak.Fail("残高の表を作成できません。", "making the table of balances", err)
	}
	return rows.Close()
}

// findBalance sets db.schema to the one that has the table, if one has it.
func (db *store) findBalance(ctx context.Context) error {
	rows, err := db.QueryContext(ctx, `SELECT n.nspname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relname = $1 AND c.relkind IN ('r', 'p') AND (n.nspname = $2 OR n.nspname = ANY (current_schemas(false)))
		ORDER BY n.nspname`, balanceTable, db.schema)
	if err != nil {
		return err
	}
	defer rows.Close()
	var found []string
	for rows.Next() {
		var schema string
		if err := rows.Scan(&schema); err != nil {
			return err
		}
		found = append(found, schema)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if len(found) > 1 {
		return fmt.Errorf("there is one in schema %q and one in schema %q; take one of them out of the search path", found[0], found[1])
	}
	if len(found) == 1 {
		db.schema = found[0]
	}
	return nil
}

// credit adds the points of a batch to the balances: one row for each holder,
// and all of them in one statement. The order keeps two programs that credit
// the same holders from waiting for each other.
func (db *store) credit(ctx context.Context, tx *sql.Tx, recs []mergefile.Record) error {
	type row struct {
		kind, holder string
		points       uint64
	}
	rows := make([]row, 0, len(recs))
	for _, r := range recs {
		if r.Points > most {
			return speak.Fail("残高の上限を超えるポイント数です。", "more points than a balance can hold", nil)
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
				return speak.Fail("残高の上限を超えるポイント数です。", "more points than a balance can hold", nil)
			}
			continue
		}
		n++
		rows[n] = r
	}
	rows = rows[:n+1]

	var q strings.Builder
	args := make([]any, 0, 3*len(rows))
	mark := '?'
	if db.dollar {
		mark = '$'
	}
	q.WriteString("INSERT INTO " + db.balance() + " (kind, holder, points) VALUES ")
	for i, r := range rows {
		if i > 0 {
			q.WriteByte(',')
		}
		fmt.Fprintf(&q, "(%c%d,%c%d,%c%d)", mark, 3*i+1, mark, 3*i+2, mark, 3*i+3)
		args = append(args, r.kind, r.holder, int64(r.points))
	}
	q.WriteString(" ON CONFLICT (kind, holder) DO UPDATE SET points = " + balanceTable + ".points + excluded.points")
	_, err := tx.ExecContext(ctx, q.String(), args...)
	return err
}
