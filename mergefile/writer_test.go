package mergefile_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/mergefile"
)

// What the writer makes of the standard profile is, to the byte, what fmt and
// the standard library make of it.
func TestStandardToTheByte(t *testing.T) {
	p := mergefile.Standard()
	rs := records(t, p, 2500)
	file, _ := write(t, p, testKey(t), rs)
	require.True(t, bytes.Equal(encryptStandardIV(t, file[:16], standardText(t, rs)), file))
	again, _ := write(t, p, testKey(t), rs)
	assert.NotEqual(t, file[:16], again[:16], "an IV came twice")
}

func TestWriterRefusals(t *testing.T) {
	good := record(t, mergefile.Standard(), 0)
	fraction, err := mergefile.NewTransaction(testStart.Add(7*time.Millisecond), 1)
	require.NoError(t, err)
	wide, err := mergefile.NewTransaction(testStart, 1_000_000)
	require.NoError(t, err)
	early, err := mergefile.NewTransaction(time.Date(2000, 1, 1, 0, 30, 0, 0, time.FixedZone("", 9*3600)), 1)
	require.NoError(t, err)
	long, err := mergefile.NewMallHolder("180000000011")
	require.NoError(t, err)
	for _, c := range []struct {
		field  string
		p      func(*mergefile.Profile)
		change func(*mergefile.Record)
	}{
		{"holder", nil, func(r *mergefile.Record) { r.Holder = mergefile.Holder{} }},
		{"holder", func(p *mergefile.Profile) { *p = p.WithMyKeyID() }, func(*mergefile.Record) {}},
		{"holder", func(p *mergefile.Profile) { p.Holder.Max = 8 }, func(r *mergefile.Record) { r.Holder = long }},
		{"holder", func(p *mergefile.Profile) { p.Holder.Chars = mergefile.CharsDigits }, func(r *mergefile.Record) { r.Holder, _ = mergefile.NewMallHolder("A1") }},
		{"points", nil, func(r *mergefile.Record) { r.Points = 0 }},
		{"points", nil, func(r *mergefile.Record) { r.Points = 1_000_000_000 }},
		{"points", nil, func(r *mergefile.Record) { r.Points = 1 << 63 }},
		{"points", func(p *mergefile.Profile) { p.Points = mergefile.PointsForm{Digits: 2, ZeroFill: true} }, func(r *mergefile.Record) { r.Points = 100 }},
		{"transaction", nil, func(r *mergefile.Record) { r.Transaction = mergefile.Transaction{} }},
		{"transaction", nil, func(r *mergefile.Record) { r.Transaction = fraction }},
		{"transaction", nil, func(r *mergefile.Record) { r.Transaction = wide }},
		// By the clock of UTC this is still 1999.
		{"transaction", func(p *mergefile.Profile) { p.Transaction.Zone = mergefile.ZoneUTC }, func(r *mergefile.Record) { r.Transaction = early }},
	} {
		p := mergefile.Standard()
		if c.p != nil {
			c.p(&p)
		}
		var buf bytes.Buffer
		w, err := mergefile.NewWriter(t.Context(), &buf, p, testKey(t), nil)
		require.NoError(t, err)
		bad := good
		c.change(&bad)
		var fe *mergefile.FieldError
		require.ErrorAs(t, w.Write(bad), &fe)
		assert.Equal(t, c.field, fe.Field)
		assert.NotContains(t, fe.Error(), "520625")
		assert.ErrorIs(t, w.Close(), mergefile.ErrEmpty, "a refused record leaves nothing")
	}

	// A refusal in the middle leaves the file as it was.
	p := mergefile.Standard()
	p.FinalEOL = false
	var buf bytes.Buffer
	w, err := mergefile.NewWriter(t.Context(), &buf, p, testKey(t), nil)
	require.NoError(t, err)
	require.NoError(t, w.Write(good))
	zero := good
	zero.Points = 0
	require.Error(t, w.Write(zero))
	require.ErrorIs(t, w.Write(good), mergefile.ErrDuplicate)
	next := record(t, p, 1)
	require.NoError(t, w.Write(next))
	require.NoError(t, w.Close())
	require.NoError(t, w.Close(), "a second Close is nothing")
	require.ErrorIs(t, w.Write(next), mergefile.ErrClosed)
	got, err := ways[0].read(t.Context(), buf.Bytes(), p, testKey(t), mergefile.ReaderOptions{})
	require.NoError(t, err)
	require.Equal(t, []mergefile.Record{good, next}, got)

	p.Records = mergefile.RecordsOne
	w, err = mergefile.NewWriter(t.Context(), &buf, p, testKey(t), nil)
	require.NoError(t, err)
	require.NoError(t, w.Write(good))
	require.ErrorIs(t, w.Write(next), mergefile.ErrSingle)
	require.NoError(t, w.Close())
}

// Every write fails once; the failure stays.
func TestWriterFailures(t *testing.T) {
	broken := errors.New("the disk is full")
	for _, p := range []mergefile.Profile{mergefile.Standard(), mergefile.Sidecar(), mergefile.Envelope(), mergefile.OpenSSLMD5(), base64Profile()} {
		for fail := 0; ; fail++ {
			if raceDetector && fail > 3 {
				break
			}
			dst := &failing{left: fail, err: broken}
			w, err := mergefile.NewWriter(t.Context(), dst, p, testKey(t), &mergefile.WriterOptions{Sidecar: dst})
			for i := 0; err == nil && i < 3000; i++ {
				err = w.Write(record(t, p, i))
			}
			if err == nil {
				err = w.Close()
			}
			if err == nil {
				assert.Greater(t, fail, 1, "%s wrote nothing", p.Name)
				break
			}
			require.ErrorIs(t, err, broken, "%s, write %d", p.Name, fail)
			if w != nil {
				require.ErrorIs(t, w.Write(record(t, p, 9000)), broken)
				require.ErrorIs(t, w.Close(), broken)
			}
		}
	}
}

func base64Profile() mergefile.Profile {
	p := mergefile.Standard()
	p.Name, p.Cipher.Outer, p.Cipher.OuterEOL = "base64", mergefile.OuterBase64, mergefile.EOLLF
	return p
}

// failing takes a number of writes and then no more.
type failing struct {
	left int
	err  error
}

func (f *failing) Write(p []byte) (int, error) {
	if f.left == 0 {
		return 0, f.err
	}
	f.left--
	return len(p), nil
}

func TestFileNames(t *testing.T) {
	tx, err := mergefile.NewTransaction(testStart, 1)
	require.NoError(t, err)
	for _, c := range []struct {
		form   mergefile.FileNameForm
		change func(*mergefile.Profile)
		want   string
	}{
		{mergefile.FileNameForm{Kind: mergefile.NameAny}, nil, ""},
		{mergefile.FileNameForm{Kind: mergefile.NameFixed, Text: "merge.dat"}, nil, "merge.dat"},
		{mergefile.FileNameForm{Kind: mergefile.NameTransaction, Text: ".dat"}, nil, "20170512093000000001.dat"},
		{mergefile.FileNameForm{Kind: mergefile.NameDay, Text: ".dat"}, nil, "20170512/20170512093000000001.dat"},
		{mergefile.FileNameForm{Kind: mergefile.NameTransaction}, func(p *mergefile.Profile) {
			p.Transaction.Time, p.Transaction.Join, p.Transaction.Digits, p.Transaction.Zone = mergefile.TimeSlashes, " ", 0, mergefile.ZoneUTC
		}, "201705120030001"},
	} {
		p := mergefile.Standard()
		p.FileName = c.form
		if c.change != nil {
			c.change(&p)
		}
		require.NoError(t, p.Validate())
		assert.Equal(t, c.want, p.FileNameFor(tx))
	}
}

// A provisional reader is told apart from others by what it remembers; so is
// the writer: 65,536 numbers in any order, and then rising.
func TestWriterRemembers(t *testing.T) {
	p := mergefile.Standard()
	var sink bytes.Buffer
	w, err := mergefile.NewWriter(t.Context(), &sink, p, testKey(t), nil)
	require.NoError(t, err)
	for i := 65_535; i >= 0; i-- {
		require.NoError(t, w.Write(record(t, p, i)))
	}
	require.ErrorIs(t, w.Write(record(t, p, 65_535)), mergefile.ErrDuplicate)
	require.NoError(t, w.Write(record(t, p, 65_540)))
	require.ErrorIs(t, w.Write(record(t, p, 65_538)), mergefile.ErrUnsorted, "out of order where it cannot be told")
	require.ErrorIs(t, w.Write(record(t, p, 65_535)), mergefile.ErrDuplicate, "one that is remembered")
	require.NoError(t, w.Write(record(t, p, 65_541)))
	require.NoError(t, w.Close())
	got, err := ways[0].read(t.Context(), sink.Bytes(), p, testKey(t), mergefile.ReaderOptions{})
	require.NoError(t, err)
	require.Len(t, got, 65_538)
}
