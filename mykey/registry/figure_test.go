package registry_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A million people, each with an ID of their own. What it costs to find one of
// them among ten thousand, a hundred thousand and all is logged and held
// against no bound; TestLookupPlan asserts what the growth follows from. Without
// MYNAKIT_LONG=1 it is five thousand.
func TestMillion(t *testing.T) {
	sizes := []int{500, 5_000}
	if raceEnabled {
		sizes = []int{500}
	} else if long() {
		sizes = []int{10_000, 100_000, 1_000_000}
	}
	db := openDB(t, "sqlite", dbtest.SQLite(t.TempDir()))
	reg, err := registry.Open(t.Context(), db, registry.Config{Serials: registry.Pseudonyms(pseudonymKey), Clock: func() time.Time { return epoch }})
	require.NoError(t, err)

	const batch = 5000
	n, redrawn := 0, 0
	for _, size := range sizes {
		began := time.Now()
		from := n
		for n < size {
			recs := make([]registry.ImportRow, min(batch, size-n))
			for i := range recs {
				recs[i] = registry.ImportRow{ID: registry.NewID(registry.ClearAlphabet), Certificates: []registry.Certificate{tap(n + i).Certificate}}
			}
			for {
				err := reg.Import(t.Context(), recs)
				var ie *registry.ImportError
				if errors.As(err, &ie) && errors.Is(err, registry.ErrDuplicate) {
					recs[ie.Index].ID = registry.NewID(registry.ClearAlphabet)
					redrawn++
					continue
				}
				require.NoError(t, err)
				break
			}
			n += len(recs)
		}
		took := time.Since(began)

		rng := rand.New(rand.NewPCG(1, uint64(size)))
		times := make([]time.Duration, 2000)
		for i := range times {
			s := serial(rng.IntN(n))
			start := time.Now()
			_, err := reg.Lookup(t.Context(), s)
			times[i] = time.Since(start)
			require.NoError(t, err)
		}
		slices.Sort(times)
		t.Logf("%9d people: %.0f registered a second; look-up by serial %v median, %v at 99 %%",
			n, float64(n-from)/took.Seconds(), times[len(times)/2], times[len(times)*99/100])
	}
	var persons, ids int
	require.NoError(t, db.QueryRow("SELECT count(*), count(DISTINCT mykey_id) FROM mykey_person").Scan(&persons, &ids))
	assert.Equal(t, n, persons)
	assert.Equal(t, n, ids, "no duplicate")
	t.Logf("%d IDs were drawn a second time", redrawn)
}

// A look-up is a search in a tree on every step of its way, never a walk
// through a table. That is what keeps its cost at the logarithm.
func TestLookupPlan(t *testing.T) {
	db := openDB(t, "sqlite", dbtest.SQLite(t.TempDir()))
	_, err := registry.Open(t.Context(), db, registry.Config{Serials: registry.PlainSerials()})
	require.NoError(t, err)
	for _, q := range []string{
		"SELECT p.mykey_id FROM mykey_certificate c JOIN mykey_person p ON p.person = c.person WHERE c.holder = 'x'",
		"SELECT s.customer FROM mykey_certificate c JOIN mykey_person p ON p.person = c.person LEFT JOIN mykey_service s ON s.person = p.person AND s.operator = 'x' WHERE c.holder = 'x'",
		"SELECT p.person FROM mykey_service s JOIN mykey_person p ON p.person = s.person WHERE s.operator = 'x' AND s.customer = 'x'",
		"SELECT p.person FROM mykey_ppid s JOIN mykey_person p ON p.person = s.person WHERE s.operator = 'x' AND s.ppid = 'x'",
		"SELECT person FROM mykey_person WHERE mykey_id = 'x'",
		"SELECT holder FROM mykey_certificate WHERE person = 1 AND superseded IS NULL ORDER BY device",
	} {
		rows, err := db.Query("EXPLAIN QUERY PLAN " + q)
		require.NoError(t, err)
		for rows.Next() {
			var a, b, c int
			var detail string
			require.NoError(t, rows.Scan(&a, &b, &c, &detail))
			assert.True(t, strings.HasPrefix(detail, "SEARCH"), "%s\n%s", q, detail)
		}
		require.NoError(t, rows.Err())
		rows.Close()
	}
}

// What a look-up costs on one connection.
func BenchmarkLookup(b *testing.B) {
	for _, e := range engines {
		b.Run(e.name, func(b *testing.B) {
			eng := e.make(b)
			eng.db.SetMaxOpenConns(1) // a library's program has no more
			reg, err := registry.Open(b.Context(), eng.db, registry.Config{Serials: registry.Pseudonyms(pseudonymKey), Prefix: eng.prefix})
			require.NoError(b, err)
			var recs []registry.ImportRow
			for i := range 1000 {
				recs = append(recs, registry.ImportRow{ID: id(b, fmt.Sprintf("B%07d", i)), Certificates: []registry.Certificate{tap(i).Certificate},
					Services: []mykey.ServiceID{service(b, fmt.Sprintf("000001:%d", i))}})
			}
			require.NoError(b, reg.Import(b.Context(), recs))
			op := service(b, "000001:1").Operator
			b.Run("ID", func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if _, err := reg.Lookup(b.Context(), serial(i%1000)); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run("issued", func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if _, err := reg.LookupIssued(b.Context(), serial(i%1000), issuer); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run("service", func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if _, err := reg.LookupService(b.Context(), serial(i%1000), op); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}
