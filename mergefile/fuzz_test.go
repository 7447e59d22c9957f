package mergefile_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/testkit"
)

// seeds gives the vectors, and fails if there are none: a fuzzer without seeds
// finds nothing and says so to nobody.
func seeds(f *testing.F) []testkit.Vector {
	vs, err := testkit.Vectors()
	if err != nil || len(vs) == 0 {
		f.Fatal("no seeds", err)
	}
	return vs
}

// Whatever the file and the profile, all ways in agree, in bounded time and
// memory, and what they accept is written again with the same content.
func FuzzReaders(f *testing.F) {
	vs := seeds(f)
	for i, v := range vs {
		f.Add(v.File, uint16(i))
	}
	profiles := make([]testkit.Vector, len(vs))
	copy(profiles, vs)
	f.Fuzz(func(t *testing.T, file []byte, which uint16) {
		v := profiles[int(which)%len(profiles)]
		file = file[:len(file):len(file)]
		o := *v.Options()
		o.Workers = 1
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		want, err := ways[0].read(t.Context(), file, v.Profile, v.Key, o)
		runtime.ReadMemStats(&after)
		// The buffers, and 64 bytes for each record of at least 30.
		if grown := after.TotalAlloc - before.TotalAlloc; grown > uint64(1<<20+40*len(file)) {
			t.Fatalf("%d bytes allocated for a file of %d", grown, len(file))
		}
		if err != nil && err != mergefile.ErrInvalid {
			t.Fatalf("%v (%T)", err, err)
		}
		for _, w := range ways[2:] {
			got, other := w.read(t.Context(), file, v.Profile, v.Key, o)
			if other != err || len(got) != len(want) {
				t.Fatalf("%s: %d records and %v, whole: %d and %v", w.name, len(got), other, len(want), err)
			}
			for i := range got {
				if got[i] != want[i] {
					t.Fatalf("%s: another record %d", w.name, i)
				}
			}
		}
		diagnosis := mergefile.DiagnoseForDeveloper(t.Context(), file, v.Profile, v.Key, &o)
		if (diagnosis == nil) != (err == nil) {
			t.Fatalf("the reader says %v, the diagnosis %v", err, diagnosis)
		}
		if err != nil {
			return
		}
		again, mac := write(t, v.Profile, v.Key, want)
		o.Sidecar = mac
		got, err := ways[0].read(t.Context(), again, v.Profile, v.Key, o)
		if err != nil || len(got) != len(want) {
			t.Fatalf("written again: %d records, %v", len(got), err)
		}
	})
}

// The text inside, encrypted rightly: the fuzzer works on the grammar and not
// on the cipher. What verifies is what the writer writes, to the byte.
func FuzzText(f *testing.F) {
	for _, v := range seeds(f) {
		f.Add(v.File)
	}
	f.Add([]byte("520625,100,20170512093000000001,00000000000000000000000000000000\r\n"))
	k, err := mergefile.NewKey("k1", testMaterial, testSecret)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		file := encryptStandard(t, text)
		rs, err := ways[2].read(t.Context(), file, mergefile.Standard(), k, mergefile.ReaderOptions{})
		if err != nil {
			if err != mergefile.ErrInvalid {
				t.Fatal(err)
			}
			return
		}
		if !bytes.Equal(standardText(t, rs), text) {
			t.Fatalf("%q verifies and has another spelling", text)
		}
	})
}

// A profile that parses is written and parsed again as the same, and serves.
func FuzzProfile(f *testing.F) {
	for _, p := range allAxes() {
		b, err := json.Marshal(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	k, err := mergefile.NewKey("k1", testMaterial, testSecret)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := mergefile.ParseProfile(data[:len(data):len(data)])
		if err != nil {
			return
		}
		p.Lint(k)
		b, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		back, err := mergefile.ParseProfile(b)
		if err != nil {
			t.Fatalf("%s does not parse again: %v", b, err)
		}
		if b2, _ := json.Marshal(back); !bytes.Equal(b, b2) {
			t.Fatalf("%s becomes %s", b, b2)
		}
		if p.Cipher.Iterations > 10_000 {
			return // slow by intent
		}
		var file, mac bytes.Buffer
		w, err := mergefile.NewWriter(t.Context(), &file, p, k, &mergefile.WriterOptions{Name: fileName, Sidecar: &mac})
		if err != nil {
			if errors.Is(err, mergefile.ErrKey) {
				return // the key or the secret is in another text form
			}
			t.Fatal(err)
		}
		h, err := mergefile.NewMallHolder("52062500"[:min(max(p.Holder.Min, 1), 8)])
		if err != nil {
			t.Fatal(err)
		}
		tx, err := mergefile.NewTransaction(testStart, 1)
		if err != nil {
			t.Fatal(err)
		}
		rec := mergefile.Record{Holder: h, Points: 1, Transaction: tx}
		if w.Write(rec) != nil {
			return // the profile's grammar is for other records
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		for _, way := range ways {
			got, err := way.read(t.Context(), file.Bytes(), p, k, mergefile.ReaderOptions{Name: fileName, Sidecar: mac.Bytes()})
			if err != nil || len(got) != 1 || got[0] != rec {
				t.Fatalf("%s: %v, %v under %s", way.name, got, err, b)
			}
		}
	})
}

// The prober ends, and what it finds is so.
func FuzzProbe(f *testing.F) {
	for i, v := range seeds(f) {
		if i%20 == 0 {
			f.Add(v.File)
		}
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		if len(file) > 4096 {
			return
		}
		start := time.Now()
		found, err := mergefile.ProbeForDeveloper(t.Context(), file[:len(file):len(file)], testMaterial, testSecret, nil)
		if took := time.Since(start); took > 20*time.Second {
			t.Fatalf("%v for %d bytes", took, len(file))
		}
		var pe *mergefile.ProbeError
		if err != nil && !errors.As(err, &pe) {
			t.Fatal(err)
		}
		for _, p := range found {
			if _, err := drain(mergefile.NewReader(t.Context(), bytes.NewReader(file), p.Profile, p.Key, nil)); err != nil {
				t.Fatal(err)
			}
		}
	})
}
