package mergefile_test

import (
	"testing"

	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/testkit"
)

// A transaction number has one fixed spelling.
func FuzzParseTransaction(f *testing.F) {
	for _, s := range []string{"20170512093000-000001", "20170512093000.123-000001", "20170512093000-1234567", "20170512093000-123456789", "20170512093000-0000001",
		"20170512093000.000-000001", "20230229093000-000001", "", "-", "20170512093000", "20170512093000-", "19990512093000-000001"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		text := string(in[:len(in):len(in)])
		tx, err := mergefile.ParseTransaction(text)
		var u mergefile.Transaction
		if uerr := u.UnmarshalText(in); uerr != err || u != tx {
			t.Fatalf("%q: %v, %v", text, uerr, err)
		}
		if err != nil {
			if err != mergefile.ErrTransaction || tx != (mergefile.Transaction{}) {
				t.Fatalf("%q: %v with %v", text, tx, err)
			}
			return
		}
		if tx.String() != text {
			t.Fatalf("%q became %q", text, tx)
		}
		var k mergefile.HolderKind
		if k.UnmarshalText(in) == nil {
			t.Fatalf("%q is a number and a kind", text)
		}
	})
}

// A vector that parses can be run: whatever is in it, reading ends.
func FuzzVector(f *testing.F) {
	for i, v := range seeds(f) {
		if i%15 != 0 {
			continue
		}
		text, err := testkit.FS.ReadFile("vectors/" + v.Name + ".vec")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		v, err := testkit.Parse(in[:len(in):len(in)])
		if err != nil {
			return
		}
		if len(v.File) > len(in) || v.Profile.Cipher.Iterations > 1000 {
			return // slow by intent
		}
		o := *v.Options()
		o.Workers = 1
		for _, w := range ways[2:4] {
			_, _ = w.read(t.Context(), v.File, v.Profile, v.Key, o)
		}
	})
}
