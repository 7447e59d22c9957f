// Package database opens the database that a program's -db flag means. The
// form of the text alone decides what it means, and a text that could mean two
// things is refused, so that no program merges into a stray file.
//
//	postgres://user@host/shop    PostgreSQL
//	host=server dbname=shop      PostgreSQL
//	points.db, ./a=b, C:\x.db    an SQLite file
//	:memory:, file:x?mode=ro     refused
//
// Programs call [Parse] and then [Address.Open], or [Own] and [Address.OpenOwn]
// for a database of their own. A program links the drivers that this package
// imports: pgx and modernc.org/sqlite.
package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/mynakit/mynakit/examples/internal/private"
)

// Address is what a text means.
type Address struct {
	// File is the path of an SQLite file, and empty for PostgreSQL.
	File string
	// Password reports whether the text holds a password, which every user of
	// the machine can read on a command line.
	Password bool

	dsn string
}

// PostgreSQL reports whether a is the address of a PostgreSQL server.
func (a Address) PostgreSQL() bool { return a.File == "" }

// Errors of Parse. No part of a text that may hold a password is in them.
var (
	// ErrForm is returned for a text that is none of the forms.
	ErrForm = errors.New("this is neither the name of a file nor the address of a database")
	// ErrBroken is returned for a PostgreSQL address that cannot be read.
	ErrBroken = errors.New("this is no address of a database: postgres://user@host/database")
)

// setting is the beginning of an address in the form name = value.
var (
	setting  = regexp.MustCompile(`^\s*([A-Za-z_]+)\s*=`)
	password = regexp.MustCompile(`(?i)(^|\s)(ssl)?password\s*=`)
	scheme   = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*://`)
)

// settings are the names with which an address in the form name = value begins.
func settings() []string {
	return []string{"host", "hostaddr", "port", "dbname", "database", "user", "password", "passfile", "service", "servicefile",
		"sslmode", "sslcert", "sslkey", "sslrootcert", "sslpassword", "connect_timeout", "application_name", "options",
		"search_path", "target_session_attrs", "channel_binding", "require_auth", "krbsrvname", "timezone"}
}

// maxIdle is enough for what a program does at a time, such as merging files.
const maxIdle = 10

// Parse returns what a text means. It returns [ErrForm] or [ErrBroken],
// wrapped with what to write instead.
func Parse(text string) (Address, error) {
	name := setting.FindStringSubmatch(text)
	switch {
	case text == "" || strings.ContainsRune(text, 0):
		return Address{}, ErrForm
	case strings.HasPrefix(text, "postgres://") || strings.HasPrefix(text, "postgresql://"):
		u, err := url.Parse(text)
		if err != nil {
			return Address{}, ErrBroken // without the text, which may hold a password
		}
		_, has := u.User.Password()
		return Address{dsn: text, Password: has || u.Query().Has("password") || u.Query().Has("sslpassword")}, nil
	case scheme.MatchString(text):
		return Address{}, fmt.Errorf("%w: of addresses there are postgres:// and host=… dbname=…; an SQLite file is given by its name", ErrForm)
	case strings.HasPrefix(text, ":"):
		return Address{}, fmt.Errorf("%w: a database in memory is gone with the program; give the name of a file", ErrForm)
	case strings.HasPrefix(strings.ToLower(text), "file:"):
		return Address{}, fmt.Errorf("%w: give the name of the file alone, without file: and what is behind ?", ErrForm)
	case name != nil && slices.Contains(settings(), strings.ToLower(name[1])):
		return Address{dsn: text, Password: password.MatchString(text)}, nil
	case name != nil:
		return Address{}, fmt.Errorf("%w: a PostgreSQL server is host=… dbname=…, and a file with = in its name is ./…=…", ErrForm)
	case strings.HasSuffix(text, "/") || strings.HasSuffix(text, string(filepath.Separator)):
		return Address{}, fmt.Errorf("%w: this is a directory; give the name of a file in it", ErrForm)
	}
	path, err := filepath.Abs(text)
	if err != nil {
		return Address{}, err
	}
	return Address{File: path, dsn: dsn(path)}, nil
}

// InFile returns the address of an SQLite file, whatever is in its name.
func InFile(path string) (Address, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return Address{}, err
	}
	return Address{File: path, dsn: dsn(path)}, nil
}

// Own returns the address of a database that a program keeps for itself: what
// text means, or the SQLite file if text is empty.
func Own(text, file string) (Address, error) {
	if text == "" {
		return InFile(file)
	}
	return Parse(text)
}

// dsn has a commit on the disk before it is acknowledged, readers that do not
// wait for writers, and writers that wait for each other.
func dsn(path string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // C:/…
	}
	return (&url.URL{Scheme: "file", Path: path}).String() + "?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"
}

// Open opens the database. With create it makes the file of an SQLite one that
// is not there, readable to its owner alone; without, such a file is
// fs.ErrNotExist. Open asks the database nothing yet: see PingContext.
func (a Address) Open(_ context.Context, create bool) (*sql.DB, error) {
	if a.PostgreSQL() {
		cfg, err := pgx.ParseConfig(a.dsn)
		if err != nil {
			return nil, ErrBroken // pgx's error shows the text
		}
		// Statements that are prepared on one connection are missing on the next
		// behind a pooler in transaction mode, such as PgBouncer.
		if !strings.Contains(a.dsn, "default_query_exec_mode") {
			cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
		}
		cfg.RuntimeParams["client_encoding"] = "UTF8" // whatever the database's own
		db := stdlib.OpenDB(*cfg)
		// By itself the pool keeps two, and a program whose work is done by several
		// opens the others again and again. What is not needed any more goes.
		db.SetMaxIdleConns(maxIdle)
		db.SetConnMaxIdleTime(time.Minute)
		return db, nil
	}
	info, err := os.Stat(a.File)
	switch {
	case err == nil && info.IsDir():
		return nil, fmt.Errorf("%w: %s is a directory; give the name of a file in it", ErrForm, a.File)
	case errors.Is(err, fs.ErrNotExist) && !create:
		return nil, fmt.Errorf("there is no database %s: %w", a.File, fs.ErrNotExist)
	}
	// SQLite would make a file that others can read, and its further files are
	// as the first.
	f, err := os.OpenFile(a.File, os.O_RDWR|os.O_CREATE, 0o600)
	if errors.Is(err, fs.ErrPermission) {
		f, err = os.Open(a.File) // one that may only be read says so when it is written to
	}
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	return sql.Open("sqlite", a.dsn)
}

// OpenOwn is Open for a database whose file nobody else may read, since it holds
// live ticket numbers. It creates the file, and returns a [*private.Error] for one
// that others can read or change.
func (a Address) OpenOwn(ctx context.Context) (*sql.DB, error) {
	if !a.PostgreSQL() {
		if err := private.File(a.File); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return a.Open(ctx, true)
}
