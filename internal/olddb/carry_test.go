package olddb

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
)

// The program stops at any step while it takes over the accounts of then, before
// it is made or with its answer lost. Started again, it takes them over once.
func TestShopStopsWhileItTakesOver(t *testing.T) {
	ctx := t.Context()
	file := filepath.Join(t.TempDir(), "keys.json")
	copyFile(t, "testdata/shop-keys.json", file)
	keys, _, err := shop.LoadKeys(file)
	require.NoError(t, err)
	cfg := shop.Config{
		Keys:       keys,
		Scope:      office.Scope,
		Mall:       must(mykey.ParseOperatorID("000002"))(t),
		Programmes: []point.Programme{must(shop.SampleProgramme())(t)},
		Outbox:     t.TempDir(),
		Clock:      clock,
	}
	injected := errors.New("injected: the power is gone")
	run := func(fail int) (steps int) {
		dir := t.TempDir()
		copyFile(t, "testdata/shop.sqlite", filepath.Join(dir, "t.db"))
		h := &dbtest.Hooked{DSN: dbtest.FastSQLite(dir)}
		db := sql.OpenDB(h)
		defer func() { assert.NoError(t, db.Close()) }()
		h.Set(func(s dbtest.Step) error {
			if s.After && (s.What == "begin" || s.What == "row") {
				return nil
			}
			if steps++; steps == fail {
				return injected
			}
			return nil
		})
		_, err := shop.Open(ctx, db, cfg)
		h.Set(nil)
		if fail == 0 {
			require.NoError(t, err)
		}
		s := must(shop.Open(ctx, db, cfg))(t)
		b := must(s.Books(ctx))(t)
		require.Equal(t, shop.Books{Opening: 8000, Ticketed: 2770, Combined: 540, City: 4690, MallOpening: 300, Mall: 300}, b, "after step %d failed", fail)
		return steps
	}
	steps := run(0)
	stride := steps / 12
	if os.Getenv("MYNAKIT_LONG") == "1" {
		stride = 7
	}
	for n := steps; n > 0; n -= stride {
		run(n)
	}
}
