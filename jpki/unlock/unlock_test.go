package unlock_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/jpki/unlock"
)

// inJapan reads a time on a clock in Japan.
func inJapan(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.ParseInLocation("2006-01-02 15:04:05", s, time.FixedZone("", 9*3600))
	require.NoError(t, err)
	return at
}

// The hours to the minute, and the 24 hours to the instant.
func TestCheckKiosk(t *testing.T) {
	for _, tt := range []struct {
		reserved, at string
		why          unlock.KioskReason
	}{
		{"2026-11-21 05:00:00", "2026-11-21 06:29:00", unlock.KioskClosed},
		{"2026-11-21 05:00:00", "2026-11-21 06:29:59", unlock.KioskClosed},
		{"2026-11-21 05:00:00", "2026-11-21 06:30:00", 0},
		{"2026-11-21 05:00:00", "2026-11-21 06:31:00", 0},
		{"2026-11-21 05:00:00", "2026-11-21 22:59:00", 0},
		{"2026-11-21 05:00:00", "2026-11-21 23:00:00", 0},
		{"2026-11-21 05:00:00", "2026-11-21 23:00:01", unlock.KioskClosed},
		{"2026-11-21 05:00:00", "2026-11-21 23:01:00", unlock.KioskClosed},
		{"2026-11-21 05:00:00", "2026-11-22 00:00:00", unlock.KioskClosed},
		{"2026-11-21 12:00:00", "2026-11-21 12:00:00", 0},
		{"2026-11-21 12:00:00", "2026-11-22 11:59:59", 0},
		{"2026-11-21 12:00:00", "2026-11-22 12:00:00", 0},
		{"2026-11-21 12:00:00", "2026-11-22 12:00:01", unlock.ReservationExpired},
		{"2026-11-21 12:00:00", "2026-11-22 12:01:00", unlock.ReservationExpired},
		{"2026-11-21 12:00:00", "2026-11-23 03:00:00", unlock.ReservationExpired},
		{"2026-11-21 12:00:00", "2026-11-21 11:59:59", unlock.ReservationAhead},
		{"2026-11-21 23:30:00", "2026-11-22 06:30:00", 0},
		{"2026-12-31 23:30:00", "2027-01-01 23:00:00", 0},
		{"2028-02-28 23:30:00", "2028-02-29 23:00:00", 0},
	} {
		reserved, at := inJapan(t, tt.reserved), inJapan(t, tt.at)
		for _, zone := range []*time.Location{time.UTC, time.FixedZone("", -11*3600), time.FixedZone("", 14*3600)} {
			err := unlock.CheckKiosk(reserved.In(zone), at.In(zone))
			if tt.why == 0 {
				require.NoError(t, err, "%s %s", tt.reserved, tt.at)
				continue
			}
			var kiosk *unlock.KioskError
			require.ErrorAs(t, err, &kiosk, "%s %s", tt.reserved, tt.at)
			assert.Equal(t, tt.why, kiosk.Reason, "%s %s", tt.reserved, tt.at)
			assert.NotEmpty(t, kiosk.Text(jpki.Japanese))
			assert.Contains(t, kiosk.Error(), kiosk.Text(jpki.English))
		}
	}
	reserved := inJapan(t, "2026-11-21 12:00:00")
	require.NoError(t, unlock.CheckKiosk(reserved, reserved.Add(24*time.Hour)))
	require.Error(t, unlock.CheckKiosk(reserved, reserved.Add(24*time.Hour+1)))
	assert.Equal(t, "KioskReason(9)", (&unlock.KioskError{9}).Text(jpki.Japanese))
}

func TestKioskVisits(t *testing.T) {
	for reserved, want := range map[string]string{
		"2026-11-21 12:00:00": "21 12:00-21 23:00, 22 06:30-22 12:00",
		"2026-11-21 06:30:00": "21 06:30-21 23:00, 22 06:30-22 06:30",
		"2026-11-21 06:29:59": "21 06:30-21 23:00",
		"2026-11-21 03:00:00": "21 06:30-21 23:00",
		"2026-11-21 23:00:00": "21 23:00-21 23:00, 22 06:30-22 23:00",
		"2026-11-21 23:00:01": "22 06:30-22 23:00",
		"2026-11-21 00:00:00": "21 06:30-21 23:00",
	} {
		var got []string
		for _, v := range unlock.KioskVisits(inJapan(t, reserved).UTC()) {
			got = append(got, v.From.Format("02 15:04")+"-"+v.To.Format("02 15:04"))
		}
		assert.Equal(t, want, strings.Join(got, ", "), reserved)
	}
}

// The two ways to ask agree, for every minute of a day as reservation.
func TestKioskVisitsAgree(t *testing.T) {
	day := inJapan(t, "2026-11-21 00:00:00")
	for m := 0; m < 24*60; m += 10 {
		reserved := day.Add(time.Duration(m) * time.Minute)
		visits := unlock.KioskVisits(reserved)
		require.Contains(t, []int{1, 2}, len(visits))
		for n := -60; n < 25*60+60; n += 30 {
			at := reserved.Add(time.Duration(n) * time.Minute)
			within := false
			for _, v := range visits {
				within = within || !at.Before(v.From) && !at.After(v.To)
			}
			require.Equal(t, within, unlock.CheckKiosk(reserved, at) == nil, "%s %s", reserved, at)
		}
	}
}

// What can be unlocked where, by the dates from which notices show it.
func TestWays(t *testing.T) {
	const counter = "municipal counter"
	for _, tt := range []struct {
		pin  jpki.PINKind
		at   string
		want string
	}{
		{jpki.SignPIN, "2022-03-30 23:59:59", counter},
		{jpki.SignPIN, "2022-03-31 00:00:00", "kiosk with auth PIN, " + counter},
		{jpki.SignPIN, "2026-11-21 12:00:00", "kiosk with auth PIN, " + counter},
		{jpki.AuthPIN, "2024-08-06 23:59:59", counter},
		{jpki.AuthPIN, "2024-08-07 00:00:00", "kiosk with sign PIN, " + counter},
		{jpki.TextPIN, "2026-11-21 12:00:00", counter},
		{jpki.JukiPIN, "2026-11-21 12:00:00", counter},
		{jpki.CommonPIN, "2026-11-21 12:00:00", counter},
		{jpki.TextNumberB, "2026-11-21 12:00:00", counter},
		{jpki.VisualNumberA, "2026-11-21 12:00:00", counter},
		{jpki.BirthDateKey, "2026-11-21 12:00:00", counter},
		{0, "2026-11-21 12:00:00", ""},
		{99, "2026-11-21 12:00:00", ""},
	} {
		var got []string
		for _, u := range unlock.Ways(tt.pin, inJapan(t, tt.at).UTC()) {
			s := u.Place.String()
			if u.Other != 0 {
				s += " with " + u.Other.String()
			}
			got = append(got, s)
			assert.Equal(t, tt.pin, u.PIN)
			assert.Equal(t, u.Place == unlock.MunicipalCounter, u.KnownSince.IsZero())
			for _, l := range []jpki.Language{jpki.Japanese, jpki.English, 0} {
				text := u.Text(l)
				assert.Contains(t, text, tt.pin.Label(l))
				if u.Other != 0 {
					assert.Contains(t, text, u.Other.Label(l))
					assert.Contains(t, text, "23:00")
					assert.Contains(t, text, "24")
				}
			}
		}
		assert.Equal(t, tt.want, strings.Join(got, ", "), "%s %s", tt.pin, tt.at)
	}
	assert.Empty(t, unlock.Way{PIN: jpki.AuthPIN}.Text(jpki.English))
	assert.Equal(t, "Place(0) PINKind(0)", fmt.Sprint(unlock.Place(0), " ", jpki.PINKind(0).Label(jpki.Japanese)))
}
