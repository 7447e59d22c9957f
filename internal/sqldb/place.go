package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// ErrTwoSchemas is returned by [Open] and [Check] if the tables may be meant to
// be in either of two schemas of PostgreSQL's search path. The error names both.
// One of them has to leave the path, or its tables.
var ErrTwoSchemas = errors.New("tables are in two schemas of the search path")

// ErrNoSchema is returned by [Open] and [Check] if no schema of PostgreSQL's
// search path exists.
var ErrNoSchema = errors.New("no schema of the search path exists")

// ErrEncoding is returned by [Open] and [Check] for a connection of PostgreSQL
// whose client_encoding is not UTF-8, as that of a database in EUC_JP or LATIN1
// is by default. Text would be stored as other characters. Set it in the
// connection string: client_encoding=UTF8.
var ErrEncoding = errors.New("the connection's client_encoding is not UTF8 (add client_encoding=UTF8 to the connection string)")

// versionTable is the end of the name of the table by which others of this
// module are recognised, whatever their prefix.
const versionTable = "schema_version"

// place returns the schema of PostgreSQL that holds the tables, or that new
// ones go into. CREATE TABLE by itself uses the first of the search path, which
// is another one as soon as somebody creates a schema of the user's name.
func (d *DB) place(ctx context.Context) (string, error) {
	fail := func(err error) (string, error) { return "", fmt.Errorf("sqldb: look for the tables: %w", err) }
	var first sql.NullString
	var encoding string
	var found []string
	own := false
	err := d.retry(ctx, IsBusy, func() error {
		found, own = nil, false
		if err := d.run.QueryRowContext(ctx, pgPlace).Scan(&first, &encoding); err != nil {
			return err
		}
		rows, err := d.run.QueryContext(ctx, `SELECT n.nspname, c.relname
			FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
			WHERE n.nspname = ANY (current_schemas(false)) AND c.relkind IN ('r', 'p')
			AND right(c.relname, length('schema_version')) = 'schema_version'
			ORDER BY array_position(current_schemas(false), n.nspname), c.relname`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var schema, table string
			if err := rows.Scan(&schema, &table); err != nil {
				return err
			}
			if mine := table == d.base.prefix+versionTable; mine && !own {
				own, found = true, nil
			} else if !mine && own {
				continue
			}
			if len(found) == 0 || found[len(found)-1] != schema {
				found = append(found, schema)
			}
		}
		return rows.Err()
	})
	switch {
	case err != nil:
		return fail(err)
	case encoding != "UTF8" && encoding != "SQL_ASCII":
		return fail(fmt.Errorf("%w: it is %.40q", ErrEncoding, encoding))
	case len(found) > 1:
		return fail(fmt.Errorf("%w: %.80q and %.80q", ErrTwoSchemas, found[0], found[1]))
	case len(found) == 1:
		return found[0], nil
	case first.String == "":
		return fail(ErrNoSchema)
	}
	return first.String, nil
}

// pgPlace returns the first schema of the search path, and the encoding in which
// text is taken. A client in SQL_ASCII leaves it to the database.
const pgPlace = `SELECT current_schema(), upper(CASE current_setting('client_encoding') WHEN 'SQL_ASCII' THEN current_setting('server_encoding')
	ELSE current_setting('client_encoding') END)`

// quoteName returns a name of PostgreSQL's in double quotes.
func quoteName(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
