package mykey_test

import (
	"bytes"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/mynakit/mynakit/mykey"
)

// What any of the strict parsers accepts, it writes back to the byte; what it
// refuses, it refuses with a rule and a place within the text.
func FuzzParsers(f *testing.F) {
	seeds := []string{"MY123456", "000001", "180000000011", "000001:180000000011", "000001:a/b+c=", "131016", "011011", "13101",
		"MKCZ405E", strings.Repeat("0a", 32), "", "：", "０００００１", "000001:", ":", "\xff\xfe\xfd", "000001:" + strings.Repeat("9", 40)}
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		raw = raw[:len(raw):len(raw)]
		in := string(raw)
		text := func(v interface{ String() string }, err error) (string, error) { return v.String(), err }
		for name, parse := range map[string]func() (string, error){
			"ID":         func() (string, error) { return text(mykey.ParseID(in)) },
			"OperatorID": func() (string, error) { return text(mykey.ParseOperatorID(in)) },
			"CustomerID": func() (string, error) { return text(mykey.ParseCustomerID(in)) },
			"ServiceID":  func() (string, error) { return text(mykey.ParseServiceID(in)) },
			"PPID": func() (string, error) {
				var p mykey.PPID
				err := p.UnmarshalText(raw)
				return p.String(), err
			},
			"Municipality":  func() (string, error) { return text(mykey.ParseMunicipality(in)) },
			"Code":          func() (string, error) { c, err := mykey.ParseErrorCode(in); return string(c), err },
			"Municipality5": func() (string, error) { m, err := mykey.ParseMunicipality5(in); return m.Five(), err },
		} {
			got, err := parse()
			if err == nil && got != in {
				t.Fatalf("%s: %q became %q", name, in, got)
			}
			var fe *mykey.FormError
			if err != nil && (!errors.As(err, &fe) || fe.Rule == "" || fe.Pos > len(in)) {
				t.Fatalf("%s: %q: %v", name, in, err)
			}
			if err != nil && len(in) > 8 && strings.Contains(err.Error(), in) {
				t.Fatalf("%s: the error shows the text: %v", name, err)
			}
		}
	})
}

func FuzzReadMunicipalities(f *testing.F) {
	for _, s := range []string{"131016,千代田区\n", "code,name\n131016,a\r\n011011,\"b\nc\"\n", "", "131016", "\"", "131016,a\n131016,b\n", "\xef\xbb\xbf131016,a\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		in = in[:len(in):len(in)]
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		table, err := mykey.ReadMunicipalities(bytes.NewReader(in))
		runtime.ReadMemStats(&after)
		if spent := after.TotalAlloc - before.TotalAlloc; spent > uint64(256*len(in))+1<<18 {
			t.Fatalf("%d bytes of table took %d bytes of memory", len(in), spent)
		}
		if (err == nil) != (table != nil) {
			t.Fatalf("%v, %v", table, err)
		}
		if err == nil && len(table) < 47 {
			t.Fatalf("only %d names", len(table))
		}
		for m, name := range table {
			if m.IsZero() || name == "" {
				t.Fatalf("%q: %q", m, name)
			}
		}
	})
}

func FuzzReadOperators(f *testing.F) {
	for _, s := range []string{"000001,library\n", "number,name\n000001,a\r\n000002,\"b\nc\"\n", "", "000001", "\"", "000001,a\n000002,a\n", "\xef\xbb\xbf000001,a\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		table, err := mykey.ReadOperators(bytes.NewReader(in))
		if (err == nil) != (table != nil) {
			t.Fatalf("%v, %v", table, err)
		}
		for o, name := range table.All() {
			if found, err := table.Named(name); err != nil || found != o || o.IsZero() {
				t.Fatalf("%q: %q", o, name)
			}
		}
	})
}
