package revoke

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/jpki"
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

// A certificate whose distribution points cannot be read is covered by no list,
// and that is said. Points of another kind are no points.
func TestMalformedDistributionPoints(t *testing.T) {
	for text, want := range map[string]int{
		"": -1, "30": -1, "0500": -1, "3001": -1, "30020500": -1, "3003300130": 0,
		"30043002A000":                                     -1, // a name that is none
		"30063004A002A000":                                 -1,
		"300730 05A003810101":                              -1,
		"3009 3007 A005 A003 860178":                       1,
		"3009 3007 A005 A003 8601":                         -1,
		"300b 3009 A005 A003 860178 8100":                  0, // for some reasons only
		"3006 3004 8102 0780":                              0,
		"3000":                                             0,
		"3010 3007 A005 A003 860178 3005 A003 A001 86":     -1,
		"3012 3007 A005 A003 860178 3007 A005 A003 860179": 2,
	} {
		der, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
		require.NoError(t, err)
		points, err := distributionPoints(&x509.Certificate{Extensions: []pkix.Extension{
			{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: []byte("another")},
			{Id: asn1.ObjectIdentifier{2, 5, 29, 31}, Value: der},
		}})
		if want < 0 {
			require.ErrorIs(t, err, jpki.ErrRevocationUnknown, text)
			require.Empty(t, points, text)
			continue
		}
		require.NoError(t, err, text)
		require.Len(t, points, want, text)
	}
}
