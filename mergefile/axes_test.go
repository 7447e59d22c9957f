package mergefile_test

import (
	"bytes"
	"errors"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/mergefile"
)

// The end of a text can fall on either side of the border between two chunks.
func TestTailsAtTheBorderOfChunks(t *testing.T) {
	for _, p := range allAxes() {
		if p.Tail == "" && p.Charset != "utf-16le-bom" {
			continue
		}
		t.Run(p.Name, func(t *testing.T) {
			per := len(mustWrite(t, p, 30)) - len(mustWrite(t, p, 14)) // 16 records
			around := 64 << 10 * 16 / per
			for n := around - 3; n <= around+3; n++ {
				rs := records(t, p, n)
				// A holder of another length moves the end by a byte.
				for i := range 6 {
					var err error
					rs[0].Holder, err = mergefile.NewMallHolder("5206251234567"[:6+i])
					require.NoError(t, err)
					file, _ := write(t, p, testKey(t), rs)
					for _, workers := range []int{1, 2} {
						got, err := drain(mergefile.NewReader(t.Context(), bytes.NewReader(file), p, testKey(t), &mergefile.ReaderOptions{Workers: workers}))
						require.NoError(t, err, "%d records", n)
						require.Equal(t, rs, got)
					}
				}
			}
		})
	}
}

func mustWrite(t *testing.T, p mergefile.Profile, n int) []byte {
	file, _ := write(t, p, testKey(t), records(t, p, n))
	return file
}

// An IV at the end of the file is read where the file can be read at random, and
// from a stream that is spooled.
func TestIVAtTheEnd(t *testing.T) {
	p := mergefile.Standard()
	p.Cipher.IV = "suffixed"
	for _, n := range []int{1, 3, 20_000} {
		rs := records(t, p, n)
		file, _ := write(t, p, testKey(t), rs)
		got, err := drain(mergefile.NewReader(t.Context(), bytes.NewReader(file), p, testKey(t), nil))
		require.NoError(t, err)
		require.Equal(t, rs, got)
		if n < 10 {
			got, err = drain(mergefile.NewReader(t.Context(), iotest.OneByteReader(bytes.NewReader(file)), p, testKey(t), nil))
			require.NoError(t, err)
			require.Equal(t, rs, got)
			require.NoError(t, mergefile.DiagnoseForDeveloper(t.Context(), file, p, testKey(t), nil))
			// The same bytes with the IV in front are a file of the other kind.
			other := mergefile.Standard()
			moved := append(bytes.Clone(file[len(file)-16:]), file[:len(file)-16]...)
			got, err = drain(mergefile.NewReader(t.Context(), bytes.NewReader(moved), other, testKey(t), nil))
			require.NoError(t, err)
			require.Equal(t, rs, got)
		}
		for cut := 1; cut < 20; cut++ {
			_, err = mergefile.NewReader(t.Context(), bytes.NewReader(file[cut:]), p, testKey(t), nil)
			requireInvalid(t, err)
		}
	}
	_, err := mergefile.NewReader(t.Context(), bytes.NewReader(nil), p, testKey(t), nil)
	requireInvalid(t, err)
	var e *mergefile.ProfileError
	_, err = mergefile.NewProvisionalReader(t.Context(), bytes.NewReader(nil), p, testKey(t), nil)
	require.ErrorAs(t, err, &e)
	assert.Equal(t, "cipher.iv", e.Axis)
}

// A time without seconds holds whole minutes, and a hash without the zeros in
// front has one spelling.
func TestLossySpellings(t *testing.T) {
	p := mergefile.Standard()
	p.Transaction.Time = "YYYY/MM/DD hh:mm"
	rs := records(t, p, 1)
	file, _ := write(t, p, testKey(t), rs)
	got, err := drain(mergefile.NewReader(t.Context(), bytes.NewReader(file), p, testKey(t), nil))
	require.NoError(t, err)
	require.Equal(t, rs, got)
	late := later(t, rs[0], time.Second)
	w, err := mergefile.NewWriter(t.Context(), new(bytes.Buffer), p, testKey(t), nil)
	require.NoError(t, err)
	var fe *mergefile.FieldError
	require.ErrorAs(t, w.Write(late), &fe)
	assert.Equal(t, "transaction", fe.Field)

	p = mergefile.Standard()
	p.Hash.Text = "hex-bigint"
	short := 0
	for i := range 64 {
		r := record(t, p, i)
		file, _ := write(t, p, testKey(t), []mergefile.Record{r})
		got, err := drain(mergefile.NewReader(t.Context(), bytes.NewReader(file), p, testKey(t), nil))
		require.NoError(t, err)
		require.Equal(t, []mergefile.Record{r}, got)
		_, err = mergefile.NewReader(t.Context(), bytes.NewReader(file), mergefile.Standard(), testKey(t), nil)
		if errors.Is(err, mergefile.ErrInvalid) {
			short++
		}
	}
	assert.Positive(t, short, "no hash of 64 begins with a zero")
}

// later returns a record of another time.
func later(t *testing.T, r mergefile.Record, d time.Duration) mergefile.Record {
	var err error
	r.Transaction, err = mergefile.NewTransaction(r.Transaction.Time().Add(d), r.Transaction.Sequence())
	require.NoError(t, err)
	return r
}

// What the prober cannot read it names, and shows nothing of it.
func TestProbeNamesTheForeign(t *testing.T) {
	probe := func(file, key []byte) string {
		_, err := mergefile.ProbeForDeveloper(t.Context(), file, key, testSecret, nil)
		var e *mergefile.ProbeError
		require.ErrorAs(t, err, &e)
		assert.NotContains(t, e.Reached, "520625")
		return e.Reached
	}
	text := standardText(t, records(t, mergefile.Standard(), 3))
	for file, want := range map[string]string{
		"PK\x03\x04 and more": "ZIP", "<?xml version='1.0'?><a/>": "XML", `{"records":[]}`: "JSON",
	} {
		assert.Contains(t, probe([]byte(file), testMaterial), want)
	}
	strong, iv := []byte("0123456789abcdef0123456789abcdef"), []byte("fedcba9876543210")
	assert.Contains(t, probe(sealCBC(t, strong, iv, text), strong), "AES-256")
	assert.Contains(t, probe(sealGCM(t, strong, text), strong), "AES-256-GCM")
	assert.Contains(t, probe(sealGCM(t, testMaterial, text), testMaterial), "AES-128-GCM")
	odd := bytes.ReplaceAll(text, []byte(","), []byte(" ~ "))
	assert.Contains(t, probe(encryptStandard(t, odd), testMaterial), "6 digits   ~")
	long := bytes.ReplaceAll(text, []byte("\r\n"), []byte("0123456789abcdef0123456789abcdef\r\n"))
	assert.Contains(t, probe(encryptStandard(t, long), testMaterial), "SHA-256")
}

// Where a file can be read in two ways, both are told, and what to ask.
func TestProbeTellsReadingsApart(t *testing.T) {
	probe := func(p mergefile.Profile, rs []mergefile.Record) ([]mergefile.Probed, []mergefile.Question) {
		file, _ := write(t, p, testKey(t), rs)
		found, err := mergefile.ProbeForDeveloper(t.Context(), file, testMaterial, testSecret, nil)
		require.NoError(t, err)
		return found, mergefile.Questions(found)
	}
	readings := func(found []mergefile.Probed) (n int) {
		for _, f := range found {
			n = max(n, f.Reading)
		}
		return n
	}
	p := mergefile.Standard()
	found, ask := probe(p, records(t, p, 5))
	assert.Equal(t, 1, readings(found))
	assert.Empty(t, ask)

	p.Layout, p.Points.ZeroFill, p.Hash.Join, p.Hash.SecretJoin = mergefile.LayoutFixed, true, "", ""
	p.Holder.Max, p.Hash.Fields = 8, mergefile.HashWritten
	rs := records(t, p, 3)
	for i := range rs {
		var err error
		rs[i].Holder, err = mergefile.NewMallHolder([]string{"52062501", "18000011", "00111111"}[i])
		require.NoError(t, err)
	}
	found, ask = probe(p, rs)
	assert.Greater(t, readings(found), 1)
	assert.Equal(t, 8, found[0].Profile.Holder.Max)
	require.NotEmpty(t, ask)
	assert.Contains(t, ask[0].English, "wide")
	assert.Contains(t, ask[0].Japanese, "固定長")
	for _, f := range found {
		assert.NotContains(t, f.Split, "52062501")
	}

	p = mergefile.Standard()
	p.Transaction.Zone = mergefile.ZoneUTC
	found, ask = probe(p, records(t, p, 3)) // half past nine in Japan
	assert.Equal(t, mergefile.ZoneUTC, found[0].Profile.Transaction.Zone)
	assert.Equal(t, 2, readings(found))
	assert.Contains(t, ask[0].English, "UTC")

	p = mergefile.Standard()
	p.Transaction.Digits = 0
	found, ask = probe(p, records(t, p, 1))
	assert.Zero(t, found[0].Profile.Transaction.Digits)
	assert.NotEmpty(t, ask)
	assert.Empty(t, mergefile.Questions(nil))
}

// What each habit weakens is said.
func TestLintOfHabits(t *testing.T) {
	type P = mergefile.Profile
	for name, tt := range map[string]struct {
		change func(*P)
		code   mergefile.LintCode
	}{
		"zeros lost within":   {func(p *P) { p.Hash.Text = "hex-bytes" }, mergefile.LintHashCase},
		"plain points":        {func(p *P) { p.Points.ZeroFill, p.Hash.Fields = true, "plain" }, mergefile.LintHashCase},
		"ofb":                 {func(p *P) { p.Cipher.Mode = "ofb" }, mergefile.LintMalleable},
		"a date as iv":        {func(p *P) { p.Cipher.IV = "file-date" }, mergefile.LintFixedIV},
		"the name's md5":      {func(p *P) { p.Cipher.IV = "file-name-md5" }, mergefile.LintFixedIV},
		"no salt":             {func(p *P) { p.Cipher.Key, p.Cipher.IV = mergefile.KeyEVPMD5, "derived-unsalted" }, mergefile.LintFixedIV},
		"a key that is cut":   {func(p *P) { p.Cipher.Key = "text" }, mergefile.LintWeakKey},
		"hexadecimal as text": {func(p *P) { p.Cipher.Key = "sha256-hex" }, mergefile.LintWeakKey},
		"one round":           {func(p *P) { p.Cipher.Key = "sha1" }, mergefile.LintPassphrase},
		"one salt":            {func(p *P) { p.Cipher.Key, p.Cipher.Salt, p.Cipher.Iterations = "pbkdf2-sha1", "00", 200_000 }, mergefile.LintPassphrase},
		"no seconds":          {func(p *P) { p.Transaction.Time = "YYYYMMDDhhmm" }, mergefile.LintSequence},
		"hyphens in both":     {func(p *P) { p.Holder.Chars, p.Hash.Join = "alnum-hyphen", "-" }, mergefile.LintUnbound},
	} {
		p := mergefile.Standard()
		before := hasFinding(p.Lint(), tt.code)
		tt.change(&p)
		require.NoError(t, p.Validate(), name)
		assert.False(t, before, name)
		assert.True(t, hasFinding(p.Lint(), tt.code), name)
	}
}
