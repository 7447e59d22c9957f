package sqldb

import (
	"context"
	"fmt"
)

// Schema is a set of tables and their history.
type Schema struct {
	// Name tells this schema from others under the same prefix. It has the
	// form of a table-name prefix without the last underscore.
	Name string
	// Steps bring a database from version to version: Steps[0] makes
	// version 1 out of an empty database, Steps[1] makes version 2, and so
	// on. Each step is a list of statements, rewritten by [Dialect.Rewrite].
	// A step that has been released is never changed; a change is a new
	// step.
	Steps [][]string
}

// Version gives the newest version that the steps lead to.
func (s Schema) Version() int { return len(s.Steps) }

// migrate brings the database to the newest version of s. Programs that start
// at the same time take turns: the row of the version table is locked while a
// step runs.
func (d *DB) migrate(ctx context.Context, s Schema) error {
	if !isName(s.Name) {
		return fmt.Errorf("sqldb: malformed schema name %.40q", s.Name)
	}
	// The usual case first, which neither writes nor waits.
	var found int
	err := d.QueryRow(ctx, "SELECT version FROM {schema_version} WHERE name = ?", s.Name).Scan(&found)
	if err == nil && found == len(s.Steps) {
		return nil
	}
	// CREATE TABLE IF NOT EXISTS still fails on PostgreSQL when two sessions
	// create the same table at the same moment.
	race := func(err error) bool { return IsBusy(err) || isCreated(err) }
	err = d.retry(ctx, race, func() error {
		_, err := d.Exec(ctx, `CREATE TABLE IF NOT EXISTS {schema_version} (
			name    {:text} NOT NULL PRIMARY KEY,
			version BIGINT NOT NULL)`)
		return err
	})
	if err != nil {
		return fmt.Errorf("sqldb: create the version table: %w", err)
	}
	for {
		err := d.Write(ctx, func(ctx context.Context, tx *Tx) error {
			_, err := tx.Exec(ctx, "INSERT INTO {schema_version} (name, version) VALUES (?, 0) ON CONFLICT (name) DO NOTHING", s.Name)
			if err != nil {
				return err
			}
			err = tx.QueryRow(ctx, "SELECT version FROM {schema_version} WHERE name = ? {:forupdate}", s.Name).Scan(&found)
			if err != nil || found >= len(s.Steps) {
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
		switch {
		case err != nil:
			return fmt.Errorf("sqldb: schema %q, step %d: %w", s.Name, found+1, err)
		case found > len(s.Steps):
			return &SchemaError{Schema: s.Name, Found: found, Known: len(s.Steps)}
		case found == len(s.Steps):
			return nil
		}
	}
}
