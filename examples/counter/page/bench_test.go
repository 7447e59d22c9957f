package page_test

import (
	"testing"
	"time"
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
