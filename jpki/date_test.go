package jpki

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func mustDate(t testing.TB, s string) Date {
	t.Helper()
	d, err := ParseDate(s)
	require.NoError(t, err)
	return d
}

func TestParseDate(t *testing.T) {
	for in, want := range map[string]string{
		"19800217": "1980-02-17", "20000229": "2000-02-29", "99991231": "9999-12-31", "00010101": "0001-01-01",
		"19450000": "1945-00-00", "19450800": "1945-08-00",
	} {
		d, err := ParseDate(in)
		require.NoError(t, err, in)
		assert.Equal(t, want, d.String())
		assert.Equal(t, in[6:] != "00", d.Complete())
	}
	for _, in := range []string{
		"", "1980021", "198002170", "1980-02-17", "19800230", "19000229", "19801301", "19800132", "19451300",
		"19450012", "00000000", "00001231", "１９８０0217", "1980021 ", "+1980217", "99999999999999999999999",
	} {
		d, err := ParseDate(in)
		require.ErrorIs(t, err, ErrDate, in)
		assert.True(t, d.IsZero())
	}
	assert.Empty(t, Date{}.String())
	assert.False(t, Date{}.Complete())
}

func TestNewDate(t *testing.T) {
	d, err := NewDate(2024, time.February, 29)
	require.NoError(t, err)
	assert.Equal(t, []int{2024, 2, 29}, []int{d.Year(), int(d.Month()), d.Day()})
	for _, bad := range [][3]int{{0, 1, 1}, {10000, 1, 1}, {2023, 2, 29}, {2024, 0, 1}, {2024, 13, 1}, {2024, 1, 0}, {2024, 4, 31}, {2024, 1, 32}} {
		_, err := NewDate(bad[0], time.Month(bad[1]), bad[2])
		require.ErrorIs(t, err, ErrDate, "%v", bad)
	}
}

// The day on which an era changed belongs to the new one.
func TestEra(t *testing.T) {
	for _, tt := range []struct {
		date string
		era  Era
		year int
	}{
		{"18680124", 0, 0}, {"18680125", Meiji, 1}, {"19120729", Meiji, 45}, {"19120730", Taisho, 1},
		{"19261224", Taisho, 15}, {"19261225", Showa, 1}, {"19800217", Showa, 55}, {"19890107", Showa, 64},
		{"19890108", Heisei, 1}, {"20190430", Heisei, 31}, {"20190501", Reiwa, 1}, {"20261121", Reiwa, 8},
		{"19800000", Showa, 55}, {"19890200", Heisei, 1}, {"19890000", 0, 0}, {"19890100", 0, 0}, {"19261200", 0, 0},
	} {
		era, year, ok := mustDate(t, tt.date).Era()
		assert.Equal(t, tt.era, era, tt.date)
		assert.Equal(t, tt.year, year, tt.date)
		assert.Equal(t, tt.era != 0, ok, tt.date)
	}
	_, _, ok := Date{}.Era()
	assert.False(t, ok)
	assert.Equal(t, "Meiji Taisho Showa Heisei Reiwa Era(9)", fmt.Sprint(Meiji, " ", Taisho, " ", Showa, " ", Heisei, " ", Reiwa, " ", Era(9)))
	assert.Equal(t, "明治大正昭和平成令和", Meiji.Japanese()+Taisho.Japanese()+Showa.Japanese()+Heisei.Japanese()+Reiwa.Japanese()+Era(9).Japanese())
}

func TestDateCompare(t *testing.T) {
	order := []string{"19791231", "19800000", "19800100", "19800101", "19800217", "19810101"}
	for i, a := range order {
		for j, b := range order {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			assert.Equal(t, want, mustDate(t, a).Compare(mustDate(t, b)), "%s %s", a, b)
		}
	}
}

// The day in Japan begins at 15:00 UTC.
func TestDateOf(t *testing.T) {
	assert.Equal(t, "2026-11-21", DateOf(time.Date(2026, 11, 21, 14, 59, 59, 0, time.UTC)).String())
	assert.Equal(t, "2026-11-22", DateOf(time.Date(2026, 11, 21, 15, 0, 0, 0, time.UTC)).String())
	assert.True(t, DateOf(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero())
}

func TestSex(t *testing.T) {
	for in, want := range map[string]Sex{"0": SexUnknown, "1": Male, "2": Female, "3": SexUnknown, "9": SexNotApplicable} {
		got, ok := parseSex([]byte(in))
		assert.True(t, ok)
		assert.Equal(t, want, got)
	}
	for _, in := range []string{"", "12", "A", "\xff"} {
		_, ok := parseSex([]byte(in))
		assert.False(t, ok, "%q", in)
	}
	assert.Equal(t, "unknown male female not applicable Sex(7)", fmt.Sprint(SexUnknown, " ", Male, " ", Female, " ", SexNotApplicable, " ", Sex(7)))
	assert.Equal(t, "男女適用不能不明", Male.Japanese()+Female.Japanese()+SexNotApplicable.Japanese()+SexUnknown.Japanese())
}

func FuzzParseDate(f *testing.F) {
	for _, s := range []string{"19800217", "19450000", "20000230", ""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		in = in[:len(in):len(in)]
		d, err := ParseDate(string(in))
		if err != nil {
			if !d.IsZero() {
				t.Fatal("a date with an error")
			}
			return
		}
		if back := fmt.Sprintf("%04d%02d%02d", d.Year(), d.Month(), d.Day()); back != string(in) {
			t.Fatalf("%q became %q", in, back)
		}
		if era, year, ok := d.Era(); ok && (era < Meiji || era > Reiwa || year < 1) {
			t.Fatalf("%v: %v %d", d, era, year)
		}
	})
}
