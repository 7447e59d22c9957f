package page_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/internal/dbtest"
)

// A card put into the slot, until the event that shows it has come through the
// open stream of a browser: two exchanges with the card, the look-up, the
// screen's HTML. The browser itself comes on top; TestBrowser logs that.
func BenchmarkTap(b *testing.B) {
	for _, c := range []struct {
		name, kind string
	}{{"known", "known\n"}, {"new", "new\n"}} {
		b.Run(c.name, func(b *testing.B) {
			s := newShop(b)
			term := serve(b, s)
			card := sample(1)
			if c.name == "known" {
				card, _ = enrolled(b, s, 1, 5000)
			}
			events := term.open(b).follow("menu")
			events.until(b, "card", "none\n")
			var slowest time.Duration
			for b.Loop() {
				began := time.Now()
				term.slot.Insert(card)
				events.until(b, "card", c.kind)
				slowest = max(slowest, time.Since(began))
				b.StopTimer()
				term.slot.Remove()
				events.until(b, "card", "none\n")
				b.StartTimer()
			}
			b.ReportMetric(float64(slowest.Microseconds())/1000, "ms-slowest")
		})
	}
}

// A whole screen, from the request to its last byte, beside a hundred thousand
// live tickets of 200 terminals, with a card on the reader.
func BenchmarkScreens(b *testing.B) {
	db := dbtest.Open(b, "sqlite", dbtest.FastSQLite(b.TempDir()))
	s, err := shop.Open(b.Context(), db, shopConfig(b))
	require.NoError(b, err)
	_, err = db.ExecContext(b.Context(), `WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 100000)
		INSERT INTO ticket_ticket (scope, number, state, points, until, issued_at, issued_by, prints, account)
		SELECT '141305-01', printf('%08d', n * 271 % 100000000), 1, 500, $1, $2 + n, 'OFFICE-' || n % 200, 1, 'aoba' FROM n`,
		20991231, time.Now().UnixMilli())
	require.NoError(b, err)
	card, _ := enrolled(b, s, 1, 5000)
	p := serve(b, s).open(b).put(card, "known")
	for _, path := range []string{"/", "/issue", "/use", "/redeem", "/tickets", "/settle"} {
		b.Run(fmt.Sprintf("%q", path), func(b *testing.B) {
			for b.Loop() {
				p.get(path)
				require.Equal(b, 200, p.status)
			}
		})
	}
}
