package simcard

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFifthBirthday(t *testing.T) {
	for _, test := range []struct{ birth, issued, want string }{
		{"1980-02-17", "2025-10-27T12:00:00+09:00", "2030-02-17"},
		{"1980-02-17", "2026-02-16T23:59:59+09:00", "2030-02-17"},
		{"1980-02-17", "2026-02-17T00:00:00+09:00", "2031-02-17"}, // issued on a birthday: five more
		{"1980-02-17", "2026-02-18T00:00:00+09:00", "2031-02-17"},
		{"1980-02-17", "2026-02-16T15:00:00Z", "2031-02-17"}, // already the 17th in Japan
		{"1980-12-31", "2026-01-01T00:00:00+09:00", "2030-12-31"},
		{"1980-01-01", "2026-12-31T00:00:00+09:00", "2031-01-01"},
		{"2000-02-29", "2025-10-27T12:00:00+09:00", "2030-02-28"},
		{"2000-02-29", "2027-03-01T12:00:00+09:00", "2032-02-29"},
		{"0001-01-01", "2025-10-27T12:00:00+09:00", "2030-10-27"}, // not known
	} {
		birth, err := time.Parse("2006-01-02", test.birth)
		require.NoError(t, err)
		issued, err := time.Parse(time.RFC3339, test.issued)
		require.NoError(t, err)
		h := Holder{Birth: birth}
		assert.Equal(t, test.want+"T23:59:59+09:00", h.fifthBirthday(issued).Format(time.RFC3339), "%+v", test)
	}
}

func TestBirthCode(t *testing.T) {
	for date, want := range map[string]string{
		"2019-05-01": "520190501", // Reiwa
		"2019-04-30": "420190430",
		"1989-01-08": "419890108", // Heisei
		"1989-01-07": "319890107",
		"1926-12-25": "319261225", // Showa
		"1926-12-24": "219261224",
		"1912-07-30": "219120730", // Taisho
		"1912-07-29": "119120729",
		"1868-01-25": "118680125", // Meiji
		"1868-01-24": "018680124",
		"0001-01-01": "000000000", // not known
	} {
		birth, err := time.Parse("2006-01-02", date)
		require.NoError(t, err)
		assert.Equal(t, want, (&Holder{Birth: birth}).birthCode(), date)
	}
}

func TestHolderFromJSON(t *testing.T) {
	var h Holder
	require.NoError(t, json.Unmarshal([]byte(`{"Name":"試験　太郎","Birth":"1980-02-17T00:00:00+09:00","Sex":1}`), &h))
	assert.Equal(t, "試験　太郎", h.Name)
	assert.Equal(t, Male, h.Sex)
	assert.Equal(t, "319800217", h.birthCode())
	out, err := json.Marshal(h)
	require.NoError(t, err)
	assert.Equal(t, `"[redacted]"`, string(out))
}

func TestSampleHolder(t *testing.T) {
	for n := range uint(500) {
		h := SampleHolder(n)
		assert.True(t, h == SampleHolder(n), n)
		assert.False(t, h == SampleHolder(n+1), n)
		assert.Regexp(t, `^\p{Han}{2}　\p{Han}+$`, h.Name)
		assert.Regexp(t, `^東京都千代田区霞が関９丁目[０-９]+番[０-９]+号$`, h.Address)
		assert.Contains(t, []Sex{Male, Female}, h.Sex)
		assert.True(t, h.Birth.Before(time.Date(2020, 1, 1, 0, 0, 0, 0, jst)))
	}
}
