package shop_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/outbox"
	"github.com/mynakit/mynakit/ticket"
)

// A database is restored from a backup. Nobody spends what may be spent already,
// until what the mall has merged since was taken again.
func TestRestored(t *testing.T) {
	for _, training := range []bool{false, true} {
		t.Run(map[bool]string{false: "live", true: "training"}[training], func(t *testing.T) {
			ctx, merged := t.Context(), t.TempDir()
			db := dbtest.Open(t, "sqlite", dbtest.SQLite(t.TempDir()))
			cfg := config(t)
			cfg.Training = training
			cfg.Mark = outbox.FileMark(filepath.Join(t.TempDir(), "sent.mark"))
			s := open(t, db, cfg)
			at := s.Terminal("T1")
			card, id := enrolled(t, s, 0) // 2,000 points
			v := withMall(t, s, card, "520625")
			combine := func(key string, points int64) {
				_, err := v.Combine(ctx, card, at, shop.Order{Key: key, Points: points})
				require.NoError(t, err)
				for _, f := range send(t, s, cfg) {
					_, err := s.Receive(ctx, f.reader(), f.name)
					require.NoError(t, err)
					writeFile(t, filepath.Join(merged, f.name), string(f.content))
				}
			}
			combine("k1", 100)
			backup := filepath.Join(t.TempDir(), "t.db")
			_, err := db.ExecContext(ctx, "VACUUM INTO '"+backup+"'")
			require.NoError(t, err)
			combine("k2", 500)
			second, _ := enrolled(t, s, 1) // whom the backup does not know
			v = withMall(t, s, second, "520626")
			card, second = second, card
			combine("k3", 70)
			card = second

			old := dbtest.Open(t, "sqlite", dbtest.SQLite(filepath.Dir(backup)))
			s, err = shop.Open(ctx, old, cfg)
			require.ErrorIs(t, err, outbox.ErrRestored)
			assert.Equal(t, "restored", shop.Explain(err).Kind)
			v, err = s.Begin(ctx, card)
			require.NoError(t, err, "what does not spend goes on")
			spend := func(key string) []error {
				_, use := v.Use(ctx, card, at, shop.Order{Key: key, Points: 1})
				_, issue := v.IssueTicket(ctx, card, at, ticket.Order{Key: key + "t", Points: 1})
				_, combine := v.Combine(ctx, card, at, shop.Order{Key: key + "m", Points: 1})
				return []error{use, issue, combine}
			}
			for _, err := range spend("k4") {
				assert.ErrorIs(t, err, outbox.ErrRestored)
				assert.Equal(t, "restored", shop.Explain(err).Kind)
			}
			broken := filepath.Join(merged, "broken.dat")
			writeFile(t, broken, "no merge file")
			_, err = s.BookAgain(ctx, s.Records(ctx, merged))
			assert.ErrorIs(t, err, mergefile.ErrInvalid)
			assert.ErrorIs(t, spend("k4")[0], outbox.ErrRestored, "and nothing was changed")
			require.NoError(t, os.Remove(broken))

			got, err := s.BookAgain(ctx, s.Records(ctx, merged))
			require.NoError(t, err)
			assert.Equal(t, outbox.Recovery{Again: 2, There: 1}, got.Recovery)
			require.Len(t, got.Unpaid, 1)
			for _, points := range got.Unpaid {
				assert.EqualValues(t, 70, points)
			}
			assert.EqualValues(t, 1400, mustFind(t, s, id).CityPoints)
			assert.Equal(t, []error{nil, nil, nil}, spend("k4"))
			assert.Len(t, send(t, s, cfg), 4, "the three of before, and the new one")
			books, err := s.Books(ctx)
			require.NoError(t, err)
			assert.Len(t, books.Faults, 1, "points that nobody paid for")

			again := open(t, old, cfg)
			got, err = again.BookAgain(ctx, again.Records(ctx, merged))
			require.NoError(t, err)
			assert.Equal(t, outbox.Recovery{There: 3}, got.Recovery)
			assert.EqualValues(t, 1397, mustFind(t, again, id).CityPoints)
		})
	}
}
