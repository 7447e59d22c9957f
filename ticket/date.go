package ticket

import (
	"time"

	"github.com/mynakit/mynakit/mykey"
)

// jst is Japan Standard Time. It has had no summer time since 1951, so a
// fixed zone serves and no time-zone data need be installed.
var jst = time.FixedZone("JST", 9*60*60)

// A Date is a day of the calendar in Japan Standard Time, see
// [mykey.ParseDate] and [mykey.DateOf].
type Date = mykey.Date

// A Period is a sequence of whole days in Japan, both ends included
// (集計対象期間).
type Period = mykey.Period

// checkPeriod returns ErrPeriod if a day is not valid or From is after To.
func checkPeriod(p Period) error {
	if p.Check() != nil {
		return ErrPeriod
	}
	return nil
}
