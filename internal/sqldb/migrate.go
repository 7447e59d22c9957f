package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
)

// Schema is a set of tables and their history.
type Schema struct {
	// Name distinguishes this schema from others under the same prefix. It has
	// the form of a table-name prefix without the last underscore.
	Name string
	// Steps bring a database from version to version: Steps[0] makes
	// version 1 out of an empty database, Steps[1] makes version 2, and so
	// on. Each step is a list of statements, rewritten by [Queries.Rewrite].
	// A step that has been released is never changed; a change is a new
	// step.
	Steps [][]string
}

// Version returns the newest version that the steps lead to.
func (s Schema) Version() int { return len(s.Steps) }

// behind returns those of the schemas that are not at their newest version. It
// returns a [*SchemaError] if one is newer, and then none may be changed.
func (d *DB) behind(ctx context.Context, schemas ...Schema) (old []Schema, err error) {
	there, err := d.hasVersions(ctx)
	if err != nil {
		return nil, fmt.Errorf("sqldb: look at the schema: %w", err)
	}
	for _, s := range schemas {
		if !isName(s.Name) {
			return nil, fmt.Errorf("sqldb: malformed schema name %.40q", s.Name)
		}
		found := 0
		if there {
			if found, err = d.version(ctx, d.Queries, s, ""); err != nil {
				return nil, err
			}
		}
		if found < len(s.Steps) {
			old = append(old, s)
		}
	}
	return old, nil
}

// hasVersions reports whether the version table exists.
func (d *DB) hasVersions(ctx context.Context) (bool, error) {
	query, args := "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?", []any{d.base.prefix + versionTable}
	if d.base.dialect == PostgreSQL {
		query = `SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
			WHERE c.relname = ? AND n.nspname = ?`
		args = append(args, d.base.schema)
	}
	var n int
	err := d.retry(ctx, IsBusy, func() error { return d.QueryRow(ctx, query, args...).Scan(&n) })
	return n > 0, err
}

// version returns the version of a schema in the database, 0 if it is not
// there, and a [*SchemaError] if it is newer than its steps.
func (d *DB) version(ctx context.Context, q Queries, s Schema, lock string) (found int, err error) {
	err = d.retry(ctx, func(err error) bool { return q.tx == nil && IsBusy(err) }, func() error {
		return q.QueryRow(ctx, "SELECT version FROM {schema_version} WHERE name = ?"+lock, s.Name).Scan(&found)
	})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("sqldb: schema %q: %w", s.Name, err)
	case found > len(s.Steps):
		return 0, &SchemaError{Schema: s.Name, Found: found, Known: len(s.Steps)}
	}
	return found, nil
}

// migrate brings the schemas to their newest versions, once all have been
// looked at. Programs that start at the same time take turns.
func (d *DB) migrate(ctx context.Context, schemas ...Schema) error {
	// The usual case first, which neither writes nor waits.
	old, err := d.behind(ctx, schemas...)
	if err != nil || len(old) == 0 {
		return err
	}
	if d.base.dialect == SQLite {
		// Before the first transaction, which takes its lock by this table.
		err := d.retry(ctx, IsBusy, func() error {
			_, err := d.Exec(ctx, createVersions)
			return err
		})
		if err != nil {
			return fmt.Errorf("sqldb: create the version table: %w", readOnly(err))
		}
	}
	for _, s := range old {
		for current := false; !current; {
			current, err = d.step(ctx, s)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

const createVersions = `CREATE TABLE IF NOT EXISTS {schema_version} (
	name    {:text} NOT NULL PRIMARY KEY,
	version BIGINT NOT NULL)`

// step makes one step of a schema, and reports whether there is no further one.
func (d *DB) step(ctx context.Context, s Schema) (current bool, err error) {
	found := 0
	err = d.Write(ctx, func(ctx context.Context, tx *Tx) error {
		if d.base.dialect == PostgreSQL {
			// CREATE TABLE IF NOT EXISTS fails when two sessions create the same
			// table at the same moment. The lock is there before any table is.
			if _, err := tx.Exec(ctx, fmt.Sprintf("SELECT pg_advisory_xact_lock(%d)", d.migrationLock())); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, createVersions); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, "INSERT INTO {schema_version} (name, version) VALUES (?, 0) ON CONFLICT (name) DO NOTHING", s.Name)
		if err != nil {
			return err
		}
		found, err = d.version(ctx, tx.Queries, s, " {:forupdate}")
		if err != nil || found == len(s.Steps) {
			return err
		}
		for i, stmt := range s.Steps[found] {
			if _, err := tx.Exec(ctx, stmt); err != nil {
				return fmt.Errorf("statement %d: %w", i+1, err)
			}
		}
		_, err = tx.Exec(ctx, "UPDATE {schema_version} SET version = ? WHERE name = ?", found+1, s.Name)
		return err
	})
	if _, ok := errors.AsType[*SchemaError](err); err != nil && !ok {
		return false, fmt.Errorf("sqldb: schema %q, step %d: %w", s.Name, found+1, err)
	}
	return found+1 >= len(s.Steps), err
}

// migrationLock is the key of an advisory lock, which belongs to a database.
// That others may have the same only makes them wait.
func (d *DB) migrationLock() int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte("mynakit " + d.base.schema)) // cannot fail
	return int64(h.Sum64())
}
