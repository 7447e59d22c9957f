package sqldb_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// onPath returns a data source name with another search path.
func onPath(dsn, path string) string {
	head, rest, _ := strings.Cut(dsn, "search_path=")
	_, rest, _ = strings.Cut(rest, " ")
	return head + "search_path='" + path + "' " + rest
}

func schemaOf(t *testing.T, db *sql.DB) (s string) {
	require.NoError(t, db.QueryRow("SELECT current_schema()").Scan(&s))
	return s
}

// A schema that appears in front of the one with the tables splits nothing.
func TestTablesInOneSchema(t *testing.T) {
	ctx := t.Context()
	dsn := pg.DSN(t)
	db := open(t, "pgx", dsn)
	home := schemaOf(t, db)
	front := home + " front"
	d, err := sqldb.Open(ctx, db, counters, sqldb.Config{})
	require.NoError(t, err)
	assert.Equal(t, home, d.Schema())
	_, err = d.Exec(ctx, insertCounter, "x", 7)
	require.NoError(t, err)

	_, err = db.Exec(fmt.Sprintf(`CREATE SCHEMA "%s"`, front))
	require.NoError(t, err)
	later := open(t, "pgx", onPath(dsn, fmt.Sprintf(`"%s",%s`, front, home)))
	require.Equal(t, front, schemaOf(t, later))
	d, err = sqldb.Open(ctx, later, counters, sqldb.Config{})
	require.NoError(t, err)
	assert.Equal(t, home, d.Schema())
	var n int
	require.NoError(t, d.QueryRow(ctx, "SELECT n FROM {counter}").Scan(&n))
	assert.Equal(t, 7, n)
	_, err = sqldb.Open(ctx, later, counters, sqldb.Config{Prefix: "new_"})
	require.NoError(t, err)
	var tables int
	require.NoError(t, later.QueryRow("SELECT count(*) FROM pg_tables WHERE schemaname = $1", front).Scan(&tables))
	assert.Zero(t, tables, "new tables are beside the old ones")

	// A function of the integrator's has its own search path.
	require.NoError(t, d.Do(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.Exec("CREATE TABLE own (n int)")
		return err
	}))
	var where string
	require.NoError(t, later.QueryRow("SELECT schemaname FROM pg_tables WHERE tablename = 'own' AND schemaname = $1", front).Scan(&where))

	// Tables in both: nobody can tell which are meant.
	_, err = sqldb.Open(ctx, open(t, "pgx", onPath(dsn, `"`+front+`"`)), counters, sqldb.Config{})
	require.NoError(t, err)
	_, err = sqldb.Open(ctx, later, counters, sqldb.Config{})
	assert.ErrorIs(t, err, sqldb.ErrTwoSchemas)
	assert.ErrorContains(t, err, `"`+home+`"`)
	assert.ErrorContains(t, err, `"`+front+`"`)
	assert.ErrorIs(t, sqldb.Check(ctx, later, counters, sqldb.Config{Prefix: "third_"}), sqldb.ErrTwoSchemas)

	_, err = sqldb.Open(ctx, open(t, "pgx", onPath(dsn, "nowhere")), counters, sqldb.Config{})
	assert.ErrorIs(t, err, sqldb.ErrNoSchema)
}

// Indexes have no schema of their own in the statement that creates them.
func TestQualified(t *testing.T) {
	d, err := sqldb.Open(t.Context(), open(t, "pgx", pg.DSN(t)), counters, sqldb.Config{Prefix: "p_"})
	require.NoError(t, err)
	s := `"` + d.Schema() + `".`
	for in, want := range map[string]string{
		"CREATE INDEX {i} ON {t} (a)":                       "CREATE INDEX p_i ON " + s + "p_t (a)",
		"CREATE UNIQUE INDEX {i} ON {t} (a)":                "CREATE UNIQUE INDEX p_i ON " + s + "p_t (a)",
		"create index if not exists {i} on {t} (a)":         "create index if not exists p_i on " + s + "p_t (a)",
		"CREATE TABLE {t} (a INT REFERENCES {u} (a))":       "CREATE TABLE " + s + "p_t (a INT REFERENCES " + s + "p_u (a))",
		"CREATE TABLE IF NOT EXISTS {t} (a INT)":            "CREATE TABLE IF NOT EXISTS " + s + "p_t (a INT)",
		"DROP INDEX {i}":                                    "DROP INDEX " + s + "p_i",
		"INSERT INTO {t} (a) SELECT {u}.a FROM {u}":         "INSERT INTO " + s + "p_t (a) SELECT " + s + "p_u.a FROM " + s + "p_u",
		"SELECT 1 WHERE EXISTS (SELECT 1 FROM {t})":         "SELECT 1 WHERE EXISTS (SELECT 1 FROM " + s + "p_t)",
		"CREATE TABLE {t} AS SELECT 1 WHERE NOT EXISTS {u}": "CREATE TABLE " + s + "p_t AS SELECT 1 WHERE NOT EXISTS " + s + "p_u",
	} {
		out, err := d.Rewrite(in)
		require.NoError(t, err)
		assert.Equal(t, want, out)
	}
	n, err := d.Exec(t.Context(), `INSERT INTO {counter} (name, n) VALUES ('x', 1)
		ON CONFLICT (name) DO UPDATE SET n = {counter}.n + excluded.n`)
	require.NoError(t, err)
	assert.EqualValues(t, 1, n)
}

// Twenty programs that start together on an empty database.
func TestStartTogether(t *testing.T) {
	dsn := pg.DSN(t)
	var wg sync.WaitGroup
	for i := range 20 {
		db := open(t, "pgx", dsn)
		wg.Go(func() {
			for _, prefix := range []string{"a_", "b_", "c_"}[i%2:] {
				_, err := sqldb.Open(t.Context(), db, counters, sqldb.Config{Prefix: prefix, RetryFor: time.Minute})
				assert.NoError(t, err)
			}
		})
	}
	wg.Wait()
}

// Before anything is changed all is looked at.
func TestCheck(t *testing.T) {
	each(t, func(t *testing.T, db *sql.DB) {
		ctx := t.Context()
		old := sqldb.Schema{Name: counters.Name, Steps: counters.Steps[:1]}
		require.NoError(t, sqldb.Check(ctx, db, counters, sqldb.Config{}))
		_, err := db.Exec("SELECT 1 FROM counters_schema_version")
		require.Error(t, err, "nothing was made")
		_, err = sqldb.Open(ctx, db, counters, sqldb.Config{})
		require.NoError(t, err)
		require.NoError(t, sqldb.Check(ctx, db, counters, sqldb.Config{}))
		_, newer := errors.AsType[*sqldb.SchemaError](sqldb.Check(ctx, db, old, sqldb.Config{}))
		assert.True(t, newer)
		assert.ErrorIs(t, sqldb.Check(ctx, db, old, sqldb.Config{Prefix: "A"}), sqldb.ErrPrefix)
	})
}

// A database that takes no writes says so, at once.
func TestReadOnly(t *testing.T) {
	ctx := t.Context()
	check := func(t *testing.T, db *sql.DB) {
		_, err := sqldb.Open(ctx, db, counters, sqldb.Config{Prefix: "none_"})
		assert.ErrorIs(t, err, sqldb.ErrReadOnly, "tables to be made")
		d, err := sqldb.Open(ctx, db, counters, sqldb.Config{RetryFor: time.Hour})
		require.NoError(t, err, "reading is possible")
		err = d.Do(ctx, func(context.Context, *sql.Tx) error { return nil })
		assert.ErrorIs(t, err, sqldb.ErrReadOnly)
		assert.NotErrorIs(t, err, sqldb.ErrBusy)
	}
	t.Run("SQLite", func(t *testing.T) {
		dsn := sqliteDSN(t, 5000)
		_, err := sqldb.Open(ctx, open(t, "sqlite", dsn), counters, sqldb.Config{})
		require.NoError(t, err)
		check(t, open(t, "sqlite", dsn+"&mode=ro"))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		dsn := pg.DSN(t)
		_, err := sqldb.Open(ctx, open(t, "pgx", dsn), counters, sqldb.Config{})
		require.NoError(t, err)
		check(t, open(t, "pgx", dsn+" default_transaction_read_only=on"))
	})
}

// What a role's default takes away from a commit is put back for ours, and for
// somebody else's it is a reason to refuse.
func TestDurable(t *testing.T) {
	ctx := t.Context()
	dsn := pg.DSN(t)
	for setting, want := range map[string]string{"off": "on", "local": "on", "remote_write": "remote_write", "on": "on", "remote_apply": "remote_apply"} {
		t.Run(setting, func(t *testing.T) {
			db := open(t, "pgx", dsn+" synchronous_commit="+setting)
			db.SetMaxOpenConns(1)
			d, err := sqldb.Open(ctx, db, counters, sqldb.Config{})
			require.NoError(t, err)
			current := func(tx *sql.Tx) (s string) {
				require.NoError(t, tx.QueryRow("SHOW synchronous_commit").Scan(&s))
				return s
			}
			require.NoError(t, d.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
				assert.Equal(t, want, current(tx.SQL()))
				return nil
			}))
			require.NoError(t, d.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
				require.NoError(t, tx.Call(ctx, "", func(_ context.Context, tx *sql.Tx) error {
					exec(t, tx, "SET LOCAL synchronous_commit = off")
					return nil
				}))
				assert.Equal(t, "on", current(tx.SQL()), "a function cannot lower it")
				return nil
			}))
			tx, err := db.Begin()
			require.NoError(t, err)
			defer tx.Rollback()
			assert.Equal(t, setting, current(tx), "the connection stays as it was")
			_, err = d.In(ctx, tx)
			if setting != want {
				assert.ErrorIs(t, err, sqldb.ErrNotDurable)
				return
			}
			assert.NoError(t, err)
		})
	}
}

// A password in the wrong place of a connection string is in no error.
func TestNoPassword(t *testing.T) {
	for _, dsn := range []string{
		"host = nowhere password = hunter2 dbname",
		"host=nowhere password='hunter2 hunter2' port=x",
		"host=nowhere password=hunter2 port=99999999",
		"host = nowhere password = 'hunter2",
		"postgres://till:hunter2/x@nowhere/shop",
		"postgres://till:hunter2@nowhere:port/shop",
		"postgres://till@nowhere/shop?password=hunter2&sslmode=bogus",
		"host=127.0.0.1 port=1 user=hunter password=hunter2 connect_timeout=1",
	} {
		db := open(t, "pgx", dsn)
		_, err := sqldb.Open(t.Context(), db, counters, sqldb.Config{})
		require.Error(t, err, dsn)
		for e := err; e != nil; e = errors.Unwrap(e) {
			assert.NotContains(t, fmt.Sprintf("%v %+v %#v", e, e, e), "hunter2")
		}
	}
}

func TestNow(t *testing.T) {
	each(t, func(t *testing.T, db *sql.DB) {
		ctx := t.Context()
		d, err := sqldb.Open(ctx, db, counters, sqldb.Config{})
		require.NoError(t, err)
		now, err := d.Now(ctx)
		require.NoError(t, err)
		assert.WithinDuration(t, time.Now(), now, time.Minute)
		require.NoError(t, d.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
			a, err := tx.Now(ctx)
			require.NoError(t, err)
			for b := a; !b.After(a); { // it goes on within a transaction
				b, err = tx.Now(ctx)
				require.NoError(t, err)
			}
			return nil
		}))
		at := time.Date(2017, 5, 12, 9, 30, 0, 0, time.UTC)
		d, err = sqldb.Open(ctx, db, counters, sqldb.Config{Clock: func() time.Time { return at }})
		require.NoError(t, err)
		now, err = d.Now(ctx)
		require.NoError(t, err)
		assert.Equal(t, at, now)
	})
}

// With a pool of one, nothing in a transaction may ask for a second connection.
func TestPreparedWithPoolOfOne(t *testing.T) {
	each(t, func(t *testing.T, db *sql.DB) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		db.SetMaxOpenConns(1)
		const sum = "SELECT COALESCE(sum(n), 0) FROM {counter}"
		d, err := sqldb.Open(ctx, db, counters, sqldb.Config{Prepare: []string{insertCounter, sum, insertCounter}})
		require.NoError(t, err)
		for i := range 3 {
			require.NoError(t, d.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
				for j := range 3 {
					if _, err := tx.Exec(ctx, insertCounter, fmt.Sprint(i, j), 1); err != nil {
						return err
					}
				}
				return tx.Call(ctx, "", func(context.Context, *sql.Tx) error { return nil })
			}))
		}
		var n int
		require.NoError(t, d.QueryRow(ctx, sum).Scan(&n))
		assert.Equal(t, 9, n)
		require.NoError(t, d.Read(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
			rows, err := tx.Query(ctx, sum)
			require.NoError(t, err)
			defer rows.Close()
			require.True(t, rows.Next())
			return rows.Scan(&n)
		}))
		_, err = sqldb.Open(ctx, db, counters, sqldb.Config{Prepare: []string{"{"}})
		assert.Error(t, err)
	})
}

// Tables of one program are where they are, whatever another has in front of or
// behind them.
func TestOwnTablesInOneSchema(t *testing.T) {
	ctx := t.Context()
	dsn, second := pg.DSN(t), pg.DSN(t)
	one, two := open(t, "pgx", dsn), open(t, "pgx", second)
	a, b := schemaOf(t, one), schemaOf(t, two)
	_, err := sqldb.Open(ctx, one, counters, sqldb.Config{Prefix: "a_"})
	require.NoError(t, err)
	_, err = sqldb.Open(ctx, two, counters, sqldb.Config{Prefix: "b_"})
	require.NoError(t, err)
	for _, path := range []string{a + "," + b, b + "," + a} {
		db := open(t, "pgx", onPath(dsn, path))
		for prefix, want := range map[string]string{"a_": a, "b_": b} {
			d, err := sqldb.Open(ctx, db, counters, sqldb.Config{Prefix: prefix})
			require.NoError(t, err)
			assert.Equal(t, want, d.Schema(), "%s on %s", prefix, path)
		}
		_, err := sqldb.Open(ctx, db, counters, sqldb.Config{Prefix: "c_"})
		assert.ErrorIs(t, err, sqldb.ErrTwoSchemas)
	}
}

// Text goes to a database of any encoding as UTF-8, or not at all.
func TestEncodings(t *testing.T) {
	dsn := pg.Encoded(t, "EUC_JP")
	for _, own := range []string{"", " client_encoding=SQL_ASCII"} {
		db := open(t, "pgx", dsn+own)
		_, err := sqldb.Open(t.Context(), db, counters, sqldb.Config{})
		require.ErrorIs(t, err, sqldb.ErrEncoding)
		assert.ErrorContains(t, err, `"EUC_JP"`)
		assert.ErrorIs(t, sqldb.Check(t.Context(), db, counters, sqldb.Config{}), sqldb.ErrEncoding)
		var tables int
		require.NoError(t, db.QueryRow("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").Scan(&tables))
		assert.Zero(t, tables)
	}
	d, err := sqldb.Open(t.Context(), open(t, "pgx", dsn+" client_encoding=UTF8"), counters, sqldb.Config{})
	require.NoError(t, err)
	_, err = d.Exec(t.Context(), insertCounter, "商店街", 7)
	require.NoError(t, err)
	var stored string
	require.NoError(t, d.QueryRow(t.Context(), "SELECT encode(convert_to(name, 'EUC_JP'), 'hex') FROM {counter} WHERE name = ?", "商店街").Scan(&stored))
	assert.Equal(t, "bea6c5b9b3b9", stored)
	_, err = d.Exec(t.Context(), insertCounter, "🎫", 7)
	assert.ErrorContains(t, err, "no equivalent")

	_, err = sqldb.Open(t.Context(), open(t, "pgx", pg.Encoded(t, "SQL_ASCII")), counters, sqldb.Config{})
	assert.NoError(t, err)
}
