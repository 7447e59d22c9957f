package jpki

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
		why          KioskReason
	}{
		{"2026-11-21 05:00:00", "2026-11-21 06:29:00", KioskClosed},
		{"2026-11-21 05:00:00", "2026-11-21 06:29:59", KioskClosed},
		{"2026-11-21 05:00:00", "2026-11-21 06:30:00", 0},
		{"2026-11-21 05:00:00", "2026-11-21 06:31:00", 0},
		{"2026-11-21 05:00:00", "2026-11-21 22:59:00", 0},
		{"2026-11-21 05:00:00", "2026-11-21 23:00:00", 0},
		{"2026-11-21 05:00:00", "2026-11-21 23:00:01", KioskClosed},
		{"2026-11-21 05:00:00", "2026-11-21 23:01:00", KioskClosed},
		{"2026-11-21 05:00:00", "2026-11-22 00:00:00", KioskClosed},
		{"2026-11-21 12:00:00", "2026-11-21 12:00:00", 0},
		{"2026-11-21 12:00:00", "2026-11-22 11:59:59", 0},
		{"2026-11-21 12:00:00", "2026-11-22 12:00:00", 0},
		{"2026-11-21 12:00:00", "2026-11-22 12:00:01", ReservationExpired},
		{"2026-11-21 12:00:00", "2026-11-22 12:01:00", ReservationExpired},
		{"2026-11-21 12:00:00", "2026-11-23 03:00:00", ReservationExpired},
		{"2026-11-21 12:00:00", "2026-11-21 11:59:59", ReservationAhead},
		{"2026-11-21 23:30:00", "2026-11-22 06:30:00", 0},
		{"2026-12-31 23:30:00", "2027-01-01 23:00:00", 0},
		{"2028-02-28 23:30:00", "2028-02-29 23:00:00", 0},
	} {
		reserved, at := inJapan(t, tt.reserved), inJapan(t, tt.at)
		for _, zone := range []*time.Location{time.UTC, time.FixedZone("", -11*3600), time.FixedZone("", 14*3600)} {
			err := CheckKiosk(reserved.In(zone), at.In(zone))
			if tt.why == 0 {
				require.NoError(t, err, "%s %s", tt.reserved, tt.at)
				continue
			}
			var kiosk *KioskError
			require.ErrorAs(t, err, &kiosk, "%s %s", tt.reserved, tt.at)
			assert.Equal(t, tt.why, kiosk.Reason, "%s %s", tt.reserved, tt.at)
			assert.NotEmpty(t, kiosk.Text(Japanese))
			assert.Contains(t, kiosk.Error(), kiosk.Text(English))
		}
	}
	reserved := inJapan(t, "2026-11-21 12:00:00")
	require.NoError(t, CheckKiosk(reserved, reserved.Add(24*time.Hour)))
	require.Error(t, CheckKiosk(reserved, reserved.Add(24*time.Hour+1)))
	assert.Equal(t, "KioskReason(9)", (&KioskError{9}).Text(Japanese))
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
		for _, v := range KioskVisits(inJapan(t, reserved).UTC()) {
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
		visits := KioskVisits(reserved)
		require.Contains(t, []int{1, 2}, len(visits))
		for n := -60; n < 25*60+60; n += 30 {
			at := reserved.Add(time.Duration(n) * time.Minute)
			within := false
			for _, v := range visits {
				within = within || !at.Before(v.From) && !at.After(v.To)
			}
			require.Equal(t, within, CheckKiosk(reserved, at) == nil, "%s %s", reserved, at)
		}
	}
}

// What can be unlocked where, by the dates from which notices show it.
func TestUnlockWays(t *testing.T) {
	const counter = "municipal counter"
	for _, tt := range []struct {
		pin  PINKind
		at   string
		want string
	}{
		{SignPIN, "2022-03-30 23:59:59", counter},
		{SignPIN, "2022-03-31 00:00:00", "kiosk with auth PIN, " + counter},
		{SignPIN, "2026-11-21 12:00:00", "kiosk with auth PIN, " + counter},
		{AuthPIN, "2024-08-06 23:59:59", counter},
		{AuthPIN, "2024-08-07 00:00:00", "kiosk with sign PIN, " + counter},
		{TextPIN, "2026-11-21 12:00:00", counter},
		{JukiPIN, "2026-11-21 12:00:00", counter},
		{CommonPIN, "2026-11-21 12:00:00", counter},
		{TextNumberB, "2026-11-21 12:00:00", counter},
		{VisualNumberA, "2026-11-21 12:00:00", counter},
		{BirthDateKey, "2026-11-21 12:00:00", counter},
		{0, "2026-11-21 12:00:00", ""},
		{99, "2026-11-21 12:00:00", ""},
	} {
		var got []string
		for _, u := range UnlockWays(tt.pin, inJapan(t, tt.at).UTC()) {
			s := u.Place.String()
			if u.Other != 0 {
				s += " with " + u.Other.String()
			}
			got = append(got, s)
			assert.Equal(t, tt.pin, u.PIN)
			assert.Equal(t, u.Place == MunicipalCounter, u.KnownSince.IsZero())
			for _, l := range []Language{Japanese, English, 0} {
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
	assert.Empty(t, Unlock{PIN: AuthPIN}.Text(English))
	assert.Equal(t, "UnlockPlace(0) PINKind(0)", fmt.Sprint(UnlockPlace(0), " ", PINKind(0).Label(Japanese)))
}
