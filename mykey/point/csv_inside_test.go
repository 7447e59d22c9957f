package point

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// FuzzCSVTime holds the times of a file against those of package time.
func FuzzCSVTime(f *testing.F) {
	for _, s := range []string{"2026/11/01 09:05:07", "2026/02/29 00:00:00", "2024/02/29 23:59:59", "0000/01/01 00:00:00", "2026/13/01 00:00:00",
		"2026/00/10 00:00:00", "2026/01/00 00:00:00", "2026/01/01 24:00:00", "2026/01/01 00:60:00", "2026/01/01 00:00:60", "2026-11-01 09:05:07", "2026/11/01 09:05:7.", ""} {
		f.Add(s, int64(1_793_000_000))
	}
	f.Fuzz(func(t *testing.T, s string, unix int64) {
		want, err := time.ParseInLocation(csvTimeForm, s, jst)
		got, ok := parseTime(s)
		require.Equal(t, err == nil && want.Format(csvTimeForm) == s, ok)
		if ok {
			require.Equal(t, want, got)
		}
		for _, unix := range []int64{unix, unix % (1 << 38)} {
			at := time.Unix(unix, 0)
			require.Equal(t, at.In(jst).Format(csvTimeForm), csvTime(at))
		}
	})
}
