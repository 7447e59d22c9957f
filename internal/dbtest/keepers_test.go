package dbtest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/internal/pgtest"
	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/ledger"
	"github.com/mynakit/mynakit/mergefile/outbox"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/grant"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/mynakit/mynakit/ticket"
)

var pg pgtest.Server

func TestMain(m *testing.M) {
	code := m.Run()
	pg.Stop()
	os.Exit(code)
}

// keeper is what all that keep something in a database have in common.
type keeper interface {
	Do(ctx context.Context, fn func(ctx context.Context, tx *sql.Tx) error) error
	Losses(ctx context.Context) ([]sqldb.Loss, error)
	Resolve(ctx context.Context, id string) error
}

// way is how a keeper is opened, and what its tables are called.
type way struct {
	name, prefix string
	noLoss       error
	open         func(db *sql.DB, prefix string, retryFor time.Duration, unresolved bool) (keeper, error)
	check        func(db *sql.DB) error
}

// keepers returns all of them.
func keepers(t *testing.T) []way {
	ctx := t.Context()
	secret := []byte("a secret of the tests, 32 bytes.")
	ticketKey, err := ticket.NewKey("A", secret)
	require.NoError(t, err)
	ledgerKey, err := ledger.NewKey(secret)
	require.NoError(t, err)
	fileKey, err := mergefile.NewKey("k1", secret[:16], secret)
	require.NoError(t, err)
	grantKey, err := grant.NewKey(secret)
	require.NoError(t, err)
	out := outbox.Config{Profile: mergefile.Standard(), Keys: fileKey, Dir: t.TempDir(),
		Holder: func(context.Context, *sql.Tx, outbox.Item) (mergefile.Holder, error) { return mergefile.Holder{}, nil }}
	return []way{
		{"registry", "mykey_", registry.ErrNoLoss, func(db *sql.DB, prefix string, retryFor time.Duration, unresolved bool) (keeper, error) {
			return registry.Open(ctx, db, registry.Config{Serials: registry.Pseudonyms(secret), Prefix: prefix, RetryFor: retryFor, Unresolved: unresolved})
		}, func(db *sql.DB) error { return registry.Check(ctx, db, registry.Config{}) }},
		{"ticket", "ticket_", ticket.ErrNoLoss, func(db *sql.DB, prefix string, retryFor time.Duration, unresolved bool) (keeper, error) {
			return ticket.Open(ctx, db, ticket.Config{Keys: ticket.Keys{ticketKey}, Prefix: prefix, RetryFor: retryFor, Unresolved: unresolved})
		}, func(db *sql.DB) error { return ticket.Check(ctx, db, ticket.Config{}) }},
		{"point", "point_", point.ErrNoLoss, func(db *sql.DB, prefix string, retryFor time.Duration, unresolved bool) (keeper, error) {
			return point.Open(ctx, db, point.Config{Prefix: prefix, RetryFor: retryFor, Unresolved: unresolved})
		}, func(db *sql.DB) error { return point.Check(ctx, db, point.Config{}) }},
		{"ledger", "mergefile_", ledger.ErrNoLoss, func(db *sql.DB, prefix string, retryFor time.Duration, unresolved bool) (keeper, error) {
			return ledger.Open(ctx, db, ledger.Config{Key: ledgerKey, Prefix: prefix, RetryFor: retryFor, Unresolved: unresolved})
		}, func(db *sql.DB) error { return ledger.Check(ctx, db, ledger.Config{}) }},
		{"outbox", "outbox_", outbox.ErrNoLoss, func(db *sql.DB, prefix string, retryFor time.Duration, unresolved bool) (keeper, error) {
			out := out
			out.Prefix, out.RetryFor, out.Unresolved = prefix, retryFor, unresolved
			return outbox.Open(ctx, db, out)
		}, func(db *sql.DB) error { return outbox.Check(ctx, db, outbox.Config{}) }},
		{"grant", "grant_", grant.ErrNoLoss, func(db *sql.DB, prefix string, retryFor time.Duration, unresolved bool) (keeper, error) {
			points, err := point.Open(ctx, db, point.Config{RetryFor: retryFor})
			if err != nil {
				return nil, err
			}
			return grant.Open(ctx, db, grant.Config{Points: points, Key: grantKey, Prefix: prefix, RetryFor: retryFor, Unresolved: unresolved,
				Resolve: func(context.Context, *sql.Tx, grant.Card) (mykey.ID, error) { return mykey.ID{}, nil }})
		}, func(db *sql.DB) error { return grant.Check(ctx, db, grant.Config{}) }},
	}
}

// All keepers do the same where a program's function ends their transaction,
// where a newer program has been at work, where a database takes no writes and
// where another is in the way.
func TestKeepers(t *testing.T) {
	for _, engine := range []string{"SQLite", "PostgreSQL"} {
		for _, k := range keepers(t) {
			t.Run(k.name+" on "+engine, func(t *testing.T) {
				ctx := t.Context()
				driver, dsn := "sqlite", dbtest.ImpatientSQLite(t.TempDir())
				if engine == "PostgreSQL" {
					driver, dsn = "pgx", pg.DSN(t)
				}
				db := dbtest.Open(t, driver, dsn)
				open := func(unresolved bool) (keeper, error) { return k.open(db, "", 0, unresolved) }
				require.NoError(t, k.check(db), "nothing is there yet")
				_, err := db.Exec("SELECT name FROM " + k.prefix + "schema_version")
				require.Error(t, err, "and Check made nothing")
				it, err := open(false)
				require.NoError(t, err)
				require.NoError(t, k.check(db))
				_, err = k.open(db, "No!", 0, false)
				assert.ErrorIs(t, err, sqldb.ErrPrefix)
				_, err = k.open(db, "other_", 0, false)
				require.NoError(t, err)

				nothing := func(context.Context, *sql.Tx) error { return nil }
				require.NoError(t, it.Do(ctx, nothing))
				boom := errors.New("boom")
				assert.ErrorIs(t, it.Do(ctx, func(context.Context, *sql.Tx) error { return boom }), boom)

				// A function ends the transaction.
				err = it.Do(ctx, func(_ context.Context, tx *sql.Tx) error { _, err := tx.Exec("COMMIT"); return err })
				_, lost := errors.AsType[*sqldb.LostError](err)
				require.True(t, lost, "%v", err)
				stands := func(err error) bool { _, ok := errors.AsType[*sqldb.UnresolvedError](err); return ok }
				assert.True(t, stands(it.Do(ctx, nothing)))
				_, err = open(false)
				assert.True(t, stands(err), "%v", err)
				again, err := open(true)
				require.NoError(t, err)
				losses, err := again.Losses(ctx)
				require.NoError(t, err)
				require.Len(t, losses, 1)
				assert.True(t, losses[0].Committed)
				assert.ErrorIs(t, again.Resolve(ctx, "another"), k.noLoss)
				require.NoError(t, again.Resolve(ctx, losses[0].ID))
				require.NoError(t, it.Do(ctx, nothing))

				// Another program has the database to itself.
				busy, err := k.open(db, "", time.Millisecond, false)
				require.NoError(t, err)
				other, err := db.Begin()
				require.NoError(t, err)
				defer other.Rollback()
				if engine == "SQLite" {
					_, err = other.Exec("DELETE FROM " + k.prefix + "unfinished")
				} else {
					_, err = other.Exec("LOCK TABLE " + k.prefix + "unfinished IN ACCESS EXCLUSIVE MODE")
				}
				require.NoError(t, err)
				assert.ErrorIs(t, busy.Do(ctx, nothing), sqldb.ErrBusy)
				require.NoError(t, other.Rollback())

				// A database that takes no writes, which can still be opened.
				if engine == "SQLite" {
					dsn += "&mode=ro"
				} else {
					dsn += " default_transaction_read_only=on"
				}
				readOnly := dbtest.Open(t, driver, dsn)
				if r, err := k.open(readOnly, "", 0, false); err == nil {
					err = r.Do(ctx, nothing)
					assert.ErrorIs(t, err, sqldb.ErrReadOnly)
					assert.NotErrorIs(t, err, sqldb.ErrBusy)
				} else {
					assert.ErrorIs(t, err, sqldb.ErrReadOnly)
				}

				// A newer program has been at work.
				_, err = db.Exec("UPDATE " + k.prefix + "schema_version SET version = 99 WHERE name <> 'transaction'")
				require.NoError(t, err)
				for _, err := range []error{k.check(db), func() error { _, err := open(false); return err }()} {
					newer, ok := errors.AsType[*sqldb.SchemaError](err)
					require.True(t, ok, "%v", err)
					assert.Equal(t, 99, newer.Found)
				}
			})
		}
	}
}

// Programs of all kinds start together on one empty database.
func TestKeepersStartTogether(t *testing.T) {
	for _, engine := range []string{"SQLite", "PostgreSQL"} {
		t.Run(engine, func(t *testing.T) {
			driver, dsn := "sqlite", dbtest.FastSQLite(t.TempDir())
			if engine == "PostgreSQL" {
				driver, dsn = "pgx", pg.DSN(t)
			}
			done := make(chan error)
			n := 0
			for range 4 {
				for _, k := range keepers(t) {
					db := dbtest.Open(t, driver, dsn)
					n++
					go func() {
						_, err := k.open(db, "", time.Minute, false)
						if err != nil {
							err = fmt.Errorf("%s: %w", k.name, err)
						}
						done <- err
					}()
				}
			}
			for range n {
				assert.NoError(t, <-done)
			}
		})
	}
}
