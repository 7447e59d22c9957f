package ledger_test

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/mergefile"
)

var (
	testMaterial = []byte("0123456789abcdef")
	testSecret   = []byte("correct horse battery staple 42!")
	testStart    = time.Date(2017, 5, 12, 9, 30, 0, 0, time.FixedZone("JST", 9*60*60))
)

// fileName serves the profile that takes its IV from there.
const fileName = "20170512093000000001.dat"

func testKey(t testing.TB) mergefile.Key {
	t.Helper()
	k, err := mergefile.NewKey("k1", testMaterial, testSecret)
	require.NoError(t, err)
	return k
}

// records creates n records with rising numbers.
func records(t testing.TB, p mergefile.Profile, n int) []mergefile.Record {
	t.Helper()
	return from(t, p, 0, n)
}

// from creates the n records from the i-th on.
func from(t testing.TB, p mergefile.Profile, i, n int) []mergefile.Record {
	t.Helper()
	rs := make([]mergefile.Record, n)
	for j := range rs {
		rs[j] = record(t, p, i+j)
	}
	return rs
}

// record creates the i-th of them. Tests create hundreds of thousands, so it has no
// helpers on the way that succeeds.
func record(t testing.TB, p mergefile.Profile, i int) mergefile.Record {
	h, err := mergefile.NewMallHolder(strconv.Itoa(520625 + i%100_000))
	tx, terr := mergefile.NewTransaction(testStart.Add(time.Duration(i/7)*time.Second), uint32(i%7))
	if err := errors.Join(err, terr); err != nil || p.Holder.Kind != mergefile.MallPointID {
		t.Helper()
		t.Fatal(err, p.Holder.Kind)
	}
	return mergefile.Record{Holder: h, Points: uint64(1 + i*37%900), Transaction: tx}
}

// write returns the file and its sidecar.
func write(t testing.TB, p mergefile.Profile, k mergefile.KeySource, rs []mergefile.Record) (file, mac []byte) {
	t.Helper()
	var buf, side bytes.Buffer
	w, err := mergefile.NewWriter(t.Context(), &buf, p, k, &mergefile.WriterOptions{Name: fileName, Sidecar: &side})
	require.NoError(t, err)
	for _, r := range rs {
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	require.NoError(t, w.Close())
	return buf.Bytes(), side.Bytes()
}

// requireInvalid wants the one error, with nothing in or around it.
func requireInvalid(t testing.TB, err error, about ...any) {
	t.Helper()
	if err != mergefile.ErrInvalid {
		t.Fatalf("%v: got %v (%T), want ErrInvalid itself", fmt.Sprint(about...), err, err)
	}
}

var errDisk = errors.New("the disk fails")

// media is a file that turns into another, or fails, once all of it has been
// read.
type media struct {
	content []byte
	then    []byte // from the second pass on, if not nil
	fails   error  // in the second pass
	read    int64
}

func (m *media) ReadAt(p []byte, at int64) (int, error) {
	content := m.content
	if m.read >= int64(len(content)) {
		if m.fails != nil {
			return 0, m.fails
		}
		if m.then != nil {
			content = m.then
		}
	}
	n, err := bytes.NewReader(content).ReadAt(p, at)
	m.read += int64(n)
	return n, err
}
