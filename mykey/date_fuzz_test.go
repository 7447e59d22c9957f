package mykey_test

import (
	"errors"
	"testing"
	"time"

	"github.com/mynakit/mynakit/mykey"
)

// A day that parses is a day of the calendar and writes itself the same; what
// package time takes for one, so does ParseDate.
func FuzzParseDate(f *testing.F) {
	for _, s := range []string{"2026-11-21", "2024-02-29", "2023-02-29", "0000-01-01", "9999-12-31", "2026-1-1", "2026-13-01", "2026-11-31", "", "２０２６-11-21", "2026-11-21 ", "+026-11-21"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		text := string(in[:len(in):len(in)])
		d, err := mykey.ParseDate(text)
		std, stdErr := time.Parse(time.DateOnly, text)
		if (err == nil) != (stdErr == nil && std.Year() >= 1) {
			t.Fatalf("%q: %v, package time: %v", text, err, stdErr)
		}
		var u mykey.Date
		uerr := u.UnmarshalText(in)
		if (uerr == nil) != (err == nil || len(in) == 0) || u != d {
			t.Fatalf("%q: %v by UnmarshalText, %v", text, uerr, err)
		}
		if err != nil {
			if !errors.Is(err, mykey.ErrForm) || !d.IsZero() {
				t.Fatalf("%q: %v, %v", text, d, err)
			}
			return
		}
		if !d.Valid() || d.String() != text {
			t.Fatalf("%q became %q", text, d)
		}
		if !d.End().Equal(d.Start().AddDate(0, 0, 1)) || mykey.DateOf(d.Start()) != d || mykey.DateOf(d.End().Add(-1)) != d {
			t.Fatalf("%q: a day that is not one", text)
		}
	})
}
