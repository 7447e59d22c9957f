package database_test

import (
	"database/sql"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/examples/internal/database"
	"github.com/mynakit/mynakit/examples/internal/private"
	"github.com/mynakit/mynakit/internal/pgtest"
	"github.com/mynakit/mynakit/mergefile/ledger"
)

// Each form has one meaning or none.
func TestWhatIsNoDatabase(t *testing.T) {
	for text, want := range map[string]struct {
		server, password bool
		err              error
	}{
		"postgres://till@server/shop":             {server: true},
		"postgresql:///shop?host=/run/postgresql": {server: true},
		"postgres://till:hunter2@server/shop":     {server: true, password: true},
		"postgres://server/shop?password=hunter2": {server: true, password: true},
		"postgres://till:hunter2 @server/%zz":     {err: database.ErrBroken},
		"host=server dbname=shop":                 {server: true},
		"host = server dbname = shop":             {server: true},
		"dbname=x":                                {server: true},
		" user=till password = hunter2":           {server: true, password: true},
		"service=shop":                            {server: true},
		"points.db":                               {},
		"points":                                  {},
		"./a=b.db":                                {},
		"dir/host=x":                              {},
		"店 100%?.db":                              {},
		"a=b.db":                                  {err: database.ErrForm},
		"hots=server dbname=shop":                 {err: database.ErrForm},
		":memory:":                                {err: database.ErrForm},
		"file:points.db?mode=ro":                  {err: database.ErrForm},
		"FILE:points.db":                          {err: database.ErrForm},
		"mysql://till:hunter2@server/shop":        {err: database.ErrForm},
		"sqlite:///points.db":                     {err: database.ErrForm},
		"dir/":                                    {err: database.ErrForm},
		"":                                        {err: database.ErrForm},
		"a\x00b":                                  {err: database.ErrForm},
	} {
		a, err := database.Parse(text)
		if want.err != nil {
			assert.ErrorIs(t, err, want.err, "%q", text)
			assert.NotContains(t, err.Error(), "hunter2")
			continue
		}
		require.NoError(t, err, "%q", text)
		assert.Equal(t, want.server, a.PostgreSQL(), "%q", text)
		assert.Equal(t, want.password, a.Password, "%q", text)
		assert.Equal(t, want.server, a.File == "", "%q", text)
	}
}

// A file is made where that is wanted, for its owner alone, and nowhere else.
func TestOpen(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	name := "店 100% a=b"
	if runtime.GOOS != "windows" {
		name += "?.db"
	}
	a, err := database.Parse("./" + name)
	require.NoError(t, err)
	_, err = a.Open(t.Context(), false)
	assert.ErrorIs(t, err, fs.ErrNotExist)
	db, err := a.Open(t.Context(), true)
	require.NoError(t, err)
	_, err = db.Exec("CREATE TABLE t (a INT)")
	require.NoError(t, err)
	var mode string
	require.NoError(t, db.QueryRow("PRAGMA journal_mode").Scan(&mode))
	assert.Equal(t, "wal", mode)
	var synchronous int
	require.NoError(t, db.QueryRow("PRAGMA synchronous").Scan(&synchronous))
	assert.Equal(t, 2, synchronous, "FULL")
	require.NoError(t, db.Close())
	info, err := os.Stat(filepath.Join(dir, name))
	require.NoError(t, err)
	assert.NotZero(t, info.Size(), "it is that file and no other")
	if runtime.GOOS != "windows" {
		assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
	db, err = a.Open(t.Context(), false)
	require.NoError(t, err)
	require.NoError(t, db.Close())

	a, err = database.InFile(dir)
	require.NoError(t, err)
	_, err = a.Open(t.Context(), true)
	assert.ErrorIs(t, err, database.ErrForm)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 1)
}

// Connections that several work on at a time are kept for what they do next.
func TestConnectionsAreKept(t *testing.T) {
	var pg pgtest.Server
	defer pg.Stop()
	a, err := database.Parse(pg.DSN(t))
	require.NoError(t, err)
	db, err := a.Open(t.Context(), false)
	require.NoError(t, err)
	defer db.Close()
	var conns []*sql.Conn
	for range ledger.DefaultWorkers {
		c, err := db.Conn(t.Context())
		require.NoError(t, err)
		conns = append(conns, c)
	}
	for _, c := range conns {
		require.NoError(t, c.Close())
	}
	assert.Equal(t, ledger.DefaultWorkers, db.Stats().Idle)
}

// Text is exchanged as UTF-8, whatever the encoding of the database.
func TestEncoding(t *testing.T) {
	var pg pgtest.Server
	defer pg.Stop()
	fields := strings.Fields(pg.Encoded(t, "EUC_JP"))
	host, name := strings.TrimPrefix(fields[0], "host="), strings.TrimPrefix(fields[2], "dbname=")
	a, err := database.Parse("postgres://postgres@/" + name + "?sslmode=disable&host=" + url.QueryEscape(host))
	require.NoError(t, err)
	db, err := a.Open(t.Context(), false)
	require.NoError(t, err)
	defer db.Close()
	var hex string
	require.NoError(t, db.QueryRow("SELECT encode(convert_to($1, 'EUC_JP'), 'hex')", "商店街").Scan(&hex))
	assert.Equal(t, "bea6c5b9b3b9", hex)
}

// Without an address the program's own file is meant; one that others can read is
// refused, whoever named it.
func TestOwn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "shop.db")
	a, err := database.Own("", file)
	require.NoError(t, err)
	assert.Equal(t, file, a.File)
	db, err := a.OpenOwn(t.Context())
	require.NoError(t, err)
	require.NoError(t, db.Close())
	a, err = database.Own("postgres://user@host/shop", file)
	require.NoError(t, err)
	assert.True(t, a.PostgreSQL())
	_, err = database.Own(":memory:", file)
	require.ErrorIs(t, err, database.ErrForm)

	if runtime.GOOS == "windows" {
		t.Skip("Windows has no permissions of this kind")
	}
	require.NoError(t, os.Chmod(file, 0o644))
	for _, text := range []string{"", file} {
		a, err := database.Own(text, file)
		require.NoError(t, err)
		_, err = a.OpenOwn(t.Context())
		_, ok := errors.AsType[*private.Error](err)
		assert.True(t, ok, "%v", err)
	}
}
