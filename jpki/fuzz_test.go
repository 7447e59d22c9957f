package jpki

import (
	"bytes"
	"encoding/pem"
	"errors"
	"runtime"
	"strings"
	"testing"
)

// bounded fails if f allocates more than limit bytes.
func bounded(t *testing.T, limit int, f func()) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > uint64(limit) {
		t.Fatalf("%d bytes allocated, %d allowed", used, limit)
	}
}

// Whatever a file of trust anchors holds: certificates or an error, whole
// certificates, and memory in proportion. PEM and DER of the same certificates
// give the same ones.
func FuzzParseRoots(f *testing.F) {
	cert := rsaCertificate(f, 1).Raw
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	for _, seed := range [][]byte{cert, text, append(text, text...), append([]byte("a comment\n"), text...), text[:len(text)/2],
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: cert}), []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), {0x30, 0x80}, nil} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		in = in[:len(in):len(in)]
		bounded(t, 256*len(in)+256<<10, func() {
			roots, err := ParseRoots(in)
			if (err == nil) != (len(roots) > 0) || err != nil && !errors.Is(err, ErrRoot) {
				t.Fatalf("%d certificates, %v", len(roots), err)
			}
			for _, root := range roots {
				if len(root.Raw) > len(in) {
					t.Fatal("a certificate longer than the file")
				}
				again, err := ParseRoots(root.Raw)
				if err != nil || len(again) != 1 || !bytes.Equal(again[0].Raw, root.Raw) {
					t.Fatal("a certificate that does not parse again")
				}
				_ = checkRoot(root)
			}
		})
	})
}

// The text forms of serial numbers and pseudonyms read back as they were.
func FuzzParseIdentifiers(f *testing.F) {
	for _, seed := range []string{"030D45", "0", "", "00", "30d45", strings.Repeat("f", 42), strings.Repeat("f", 43), strings.Repeat("0a", 32), strings.Repeat("0", 64), "0x1", "１", "+1", "-1"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		text := string(in[:len(in):len(in)])
		bounded(t, 8*len(in)+64<<10, func() {
			s, err := ParseSerial(text)
			if (err == nil) == s.IsZero() || err != nil && err != ErrSerial {
				t.Fatalf("%q: %t, %v", text, s.IsZero(), err)
			}
			if err == nil {
				if again, err := ParseSerial(s.Hex()); err != nil || again != s {
					t.Fatalf("%q: does not read back", text)
				}
				if strings.TrimLeft(strings.ToLower(text), "0") != strings.TrimLeft(strings.ToLower(s.Hex()), "0") {
					t.Fatalf("%q: another number", text)
				}
			}
			p, err := ParsePseudonym(text)
			if err == nil && p.String() != strings.ToLower(text) || err != nil && (err != ErrPseudonym || p != (Pseudonym{})) {
				t.Fatalf("%q: %v, %v", text, p, err)
			}
		})
	})
}
