package jpki_test

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu/tlv"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/simcard"
)

// arc is 1.2.392.200149.8.5.5, encoded.
const arc = "\x2A\x83\x08\x8C\x9B\x55\x08\x05\x05"

func object(tag tlv.Tag, parts ...string) string {
	return string(tlv.Append(nil, tag, []byte(strings.Join(parts, ""))))
}

func otherName(n byte, value string) string {
	return object(0xA0, object(0x06, arc, string(rune(n))), object(0xA0, object(0x0C, value)))
}

// sample is the holder data of nobody, in the order that cards have.
func sample() []string {
	return []string{
		otherName(1, "見本　花子"), otherName(4, "319800217"), otherName(3, "2"),
		otherName(5, "東京都千代田区"), otherName(2, "10000"), otherName(6, "0000001"),
	}
}

func certWith(san string) *x509.Certificate {
	return &x509.Certificate{Extensions: []pkix.Extension{
		{Id: asn1.ObjectIdentifier{2, 5, 29, 15}, Value: []byte{1}},
		{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: []byte(san)},
	}}
}

func TestHolderData(t *testing.T) {
	born := time.Date(1980, time.February, 17, 0, 0, 0, 0, time.UTC)
	h := simcard.SampleHolder(3)
	h.Name, h.NameSubstitutes, h.Birth, h.Sex = "髙木　花子", "10000", born, simcard.Female
	template := h.SignTemplate(issuedAt)
	cert, err := generation()[1].Sign().Issue(template, holderKey().Public())
	require.NoError(t, err)
	verified, err := newVerifier(t, rootsOf(generation()[1])).Verify(context.Background(), cert, jpki.Sign)
	require.NoError(t, err)
	got, err := verified.HolderData()
	require.NoError(t, err)
	assert.False(t, got.IsZero())
	assert.Equal(t, "髙木　花子", got.Name())
	assert.Equal(t, []bool{true, false, false, false, false}, got.NameSubstitutes())
	assert.Equal(t, h.Address, got.Address())
	assert.NotContains(t, got.AddressSubstitutes(), true)
	assert.Len(t, got.AddressSubstitutes(), len([]rune(h.Address)))
	assert.Equal(t, jpki.Female, got.Sex())
	assert.Equal(t, "1980-02-17", got.Birth().String())
	assert.Equal(t, jpki.Showa, got.BirthEra())

	got.NameSubstitutes()[0] = false
	assert.True(t, got.NameSubstitutes()[0], "what is given is new memory")
}

// The order is the CA's affair.
func TestHolderDataAnyOrder(t *testing.T) {
	names := append(sample(), object(0x82, "counter.test"), object(0xA4, object(0x30)), object(0xA0, object(0x06, "\x2A\x03"), object(0xA0, object(0x05))))
	want, err := jpki.HolderDataOf(certWith(object(0x30, names...)))
	require.NoError(t, err)
	for range len(names) {
		names = append(names[1:], names[0])
		for _, order := range [][]string{names, reversed(names)} {
			got, err := jpki.HolderDataOf(certWith(object(0x30, order...)))
			require.NoError(t, err)
			assert.Equal(t, want.Name(), got.Name())
			assert.Equal(t, want.Address(), got.Address())
			assert.Equal(t, want.Birth(), got.Birth())
			assert.Equal(t, want.Sex(), got.Sex())
			assert.Equal(t, []bool{true, false, false, false, false}, got.NameSubstitutes())
			assert.Equal(t, []bool{false, false, false, false, false, false, true}, got.AddressSubstitutes())
		}
	}
}

func reversed(s []string) []string {
	r := slices.Clone(s)
	slices.Reverse(r)
	return r
}

func TestHolderDataFields(t *testing.T) {
	for _, tt := range []struct {
		n     byte
		value string
		field jpki.HolderField // 0: fine
	}{
		{4, "319800217", 0}, {4, "518680125", 0}, {4, "019800200", 0}, {4, "319800000", 0}, {4, "000000000", 0}, {4, "300000000", 0},
		{4, "619800217", jpki.HolderBirth}, {4, "319800230", jpki.HolderBirth}, {4, "3198002171", jpki.HolderBirth}, {4, "", jpki.HolderBirth},
		{4, "319801317", jpki.HolderBirth}, {4, "３19800217", jpki.HolderBirth}, {4, "3-9800217", jpki.HolderBirth},
		{3, "0", 0}, {3, "1", 0}, {3, "2", 0}, {3, "9", 0}, {3, "5", 0},
		{3, "", jpki.HolderSex}, {3, "12", jpki.HolderSex}, {3, "x", jpki.HolderSex},
		{2, "", 0}, {2, "0", 0}, {2, strings.Repeat("1", 4096), 0}, {2, "2", jpki.HolderNameSubstitutes}, {6, "0 1", jpki.HolderAddressSubstitutes},
		{1, "", 0}, {1, strings.Repeat("あ", 1365), 0}, {1, strings.Repeat("あ", 1366), jpki.HolderName}, {1, "\xFF", jpki.HolderName},
		{5, strings.Repeat("a", 4097), jpki.HolderAddress},
	} {
		t.Run(fmt.Sprintf("%d %.12s", tt.n, tt.value), func(t *testing.T) {
			names := sample()
			names[slices.Index([]byte{1, 4, 3, 5, 2, 6}, tt.n)] = otherName(tt.n, tt.value)
			_, err := jpki.HolderDataOf(certWith(object(0x30, names...)))
			if tt.field == 0 {
				require.NoError(t, err)
				return
			}
			var of *jpki.HolderDataError
			require.ErrorAs(t, err, &of)
			assert.Equal(t, tt.field, of.Field)
			assert.Contains(t, err.Error(), tt.field.String())
		})
	}
}

func TestHolderDataErrors(t *testing.T) {
	names := sample()
	without := func(i int) []string { return slices.Delete(sample(), i, i+1) }
	for _, tt := range []struct {
		name, san, want string
	}{
		{"no name", object(0x30, without(0)...), "holder data: name missing"},
		{"no birth", object(0x30, without(1)...), "holder data: date of birth missing"},
		{"no sex", object(0x30, without(2)...), "holder data: sex missing"},
		{"no address", object(0x30, without(3)...), "holder data: address missing"},
		{"no substitutes", object(0x30, names[:4]...), ""},
		{"name twice", object(0x30, append(sample(), otherName(1, "別人"))...), "holder data: name twice"},
		{"empty name twice", object(0x30, append(without(0), otherName(1, ""), otherName(1, ""))...), "holder data: name twice"},
		{"not a sequence", object(0x31, names...), "holder data malformed"},
		{"empty", "", "holder data malformed"},
		{"more behind", object(0x30, names...) + "\x00", "holder data malformed"},
		{"cut off", object(0x30, names...)[:100], "holder data malformed"},
		{"a name cut off", object(0x30, names[0][:10]), "holder data malformed"},
		{"indefinite length", "\x30\x80" + names[0] + "\x00\x00", "holder data malformed"},
		{"more within a name", object(0x30, append(without(0), object(0xA0, object(0x06, arc, "\x01"), object(0xA0, object(0x0C, "x")), "\x05\x00"))...), "holder data malformed"},
		{"another kind of string", object(0x30, append(without(0), object(0xA0, object(0x06, arc, "\x01"), object(0xA0, object(0x13, "x"))))...), "holder data: name malformed"},
		{"two strings", object(0x30, append(without(0), object(0xA0, object(0x06, arc, "\x01"), object(0xA0, object(0x0C, "x"), object(0x0C, "y"))))...), "holder data: name malformed"},
		{"unknown field", object(0x30, append(sample(), otherName(7, "x"))...), ""},
		{"unknown field of another form", object(0x30, append([]string{object(0xA0, object(0x06, arc, "\x07"), object(0x0C, "x"), object(0x0C, "y"))}, sample()...)...), ""},
		{"unknown object identifier without a value", object(0x30, append([]string{object(0xA0, object(0x06, "\x2A\x03"))}, sample()...)...), ""},
		{"field 0", object(0x30, append(sample(), otherName(0, "x"))...), ""},
		{"no otherNames", object(0x30, object(0x82, "counter.test")), "certificate has no holder data"},
		{"nothing", object(0x30), "certificate has no holder data"},
		{"too long", object(0x30, append(sample(), object(0x82, strings.Repeat("a", 17000)))...), "holder data too long"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := jpki.HolderDataOf(certWith(tt.san))
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, "jpki: "+tt.want)
			assert.True(t, got.IsZero())
		})
	}
	for _, cert := range []*x509.Certificate{nil, {}, issue(t, jpki.Auth, nil)} {
		_, err := jpki.HolderDataOf(cert)
		require.ErrorIs(t, err, jpki.ErrNoHolderData)
	}
	assert.Equal(t, "HolderField(9)", jpki.HolderField(9).String())
}

func TestHolderDataIsNeverPrinted(t *testing.T) {
	data, err := jpki.HolderDataOf(certWith(object(0x30, sample()...)))
	require.NoError(t, err)
	inside := struct {
		Data   jpki.HolderData
		hidden jpki.HolderData
	}{data, data}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "data", data, "inside", inside)
	j, err := json.Marshal(inside)
	require.NoError(t, err)
	texts := []string{log.String(), string(j), data.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		texts = append(texts, fmt.Sprintf(verb, data), fmt.Sprintf(verb, &data), fmt.Sprintf(verb, inside), fmt.Sprintf(verb, &inside))
	}
	for _, text := range texts {
		assert.Contains(t, text, "[redacted]")
		// An address that some verb prints holds any few digits.
		assert.NotRegexp(t, `\b1980\b`, text)
		for _, secret := range []string{"見本", "千代田", "19800217", "1980-02-17", fmt.Sprintf("%x", "見本"), fmt.Sprintf("%X", "見本")} {
			assert.NotContains(t, text, secret)
		}
	}
	var nobody jpki.HolderData
	assert.True(t, nobody.IsZero())
	assert.Empty(t, nobody.Name()+nobody.Address())
	assert.Equal(t, jpki.SexUnknown, nobody.Sex())
	assert.True(t, nobody.Birth().IsZero())
	assert.Empty(t, nobody.NameSubstitutes())
}

// Whatever a certificate says, it is read in time and memory in proportion to
// its length, and what is refused gives nothing.
func FuzzHolderData(f *testing.F) {
	f.Add([]byte(object(0x30, sample()...)))
	f.Add([]byte(object(0x30, reversed(sample())...)))
	f.Add([]byte(object(0x30, object(0x82, "counter.test"))))
	f.Add([]byte(object(0x30, otherName(1, "x"), otherName(1, "y"))))
	f.Add([]byte("\x30\x80\x00\x00"))
	f.Fuzz(func(t *testing.T, san []byte) {
		cert := certWith(string(san))
		cert.Extensions[1].Value = san[:len(san):len(san)]
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		data, err := jpki.HolderDataOf(cert)
		runtime.ReadMemStats(&after)
		if used, limit := after.TotalAlloc-before.TotalAlloc, uint64(8*len(san)+64<<10); used > limit {
			t.Fatalf("%d bytes for %d", used, len(san))
		}
		if err != nil {
			if !data.IsZero() {
				t.Fatal("data with an error")
			}
			return
		}
		if len(data.Name())+len(data.Address())+len(data.NameSubstitutes())+len(data.AddressSubstitutes()) > len(san) {
			t.Fatal("more came out than was in")
		}
	})
}
