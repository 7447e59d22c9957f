package point

import (
	"time"

	"github.com/mynakit/mynakit/mykey"
)

// Reserve is how long reserved points (留保ポイント) can be steered before they
// move to the holder's base account (システム設計書 I.6⑦). The zero Reserve means
// [ReserveDays].
type Reserve struct {
	Days int // after the day on which the points came
}

const (
	// ReserveDays is the number of days in the platform's operation.
	ReserveDays = 14
	// ReserveDaysPlanned is the number of days in the published outline, which
	// says about three weeks.
	ReserveDaysPlanned = 21
)

// LastDay returns the last day on which points that came at the instant at can
// be steered. On the next day they are due to the base account.
func (r Reserve) LastDay(at time.Time) mykey.Date {
	days := r.Days
	if days == 0 {
		days = ReserveDays
	}
	return mykey.DateOf(at).AddDays(days)
}
