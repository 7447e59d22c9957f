package revoke

import (
	"encoding/asn1"
	"encoding/hex"
	"testing"
)

// Beside encoding/asn1: what is taken for a distribution point is one to it too,
// with nothing behind it, and none of the marks of a list that says only part.
func FuzzIssuingPoint(f *testing.F) {
	for _, seed := range []string{"3000", "300BA009A0078605687474703A", "3003810101FF", "300381010130", "3003820101", "3003840101FF",
		"3003850101FF", "300383010100", "300a8101018201018301ff", "30028100", "3080", "300BA009A0078605687474703A00", "3006A004A0028200"} {
		b, err := hex.DecodeString(seed[:len(seed)/2*2])
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	type issuingPoint struct {
		Point    asn1.RawValue `asn1:"optional,tag:0"`
		User     asn1.RawValue `asn1:"optional,tag:1"`
		CA       asn1.RawValue `asn1:"optional,tag:2"`
		Reasons  asn1.RawValue `asn1:"optional,tag:3"`
		Indirect asn1.RawValue `asn1:"optional,tag:4"`
		Attr     asn1.RawValue `asn1:"optional,tag:5"`
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		in = in[:len(in):len(in)]
		points, err := parseIssuingPoint(in)
		if err != nil {
			if points != nil {
				t.Fatal("points with an error")
			}
			return
		}
		var outer asn1.RawValue
		if _, err := asn1.Unmarshal(in, &outer); err != nil || !outer.IsCompound || outer.Tag != asn1.TagSequence {
			t.Fatalf("%X: %v", in, err)
		}
		size := 0
		for _, p := range points {
			var name asn1.RawValue
			if rest, err := asn1.Unmarshal(p, &name); err != nil || len(rest) > 0 {
				t.Fatalf("%X: the name %X: %v", in, p, err)
			}
			size += len(p)
		}
		if size > len(in) {
			t.Fatalf("%X: more came out than was in", in)
		}
		var p issuingPoint
		if _, err := asn1.Unmarshal(in, &p); err != nil {
			return // a tag in another class, say
		}
		for _, mark := range []asn1.RawValue{p.CA, p.Indirect, p.Attr} {
			if len(mark.Bytes) == 1 && mark.Bytes[0] != 0 {
				t.Fatalf("%X: a partial list is taken for a whole one", in)
			}
		}
		if len(p.Reasons.FullBytes) > 0 {
			t.Fatalf("%X: a list for some reasons is taken for one for all", in)
		}
	})
}
