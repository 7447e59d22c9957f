package simcard_test

import (
	"bytes"
	"encoding/asn1"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
	"golang.org/x/crypto/ocsp"

	"github.com/mynakit/mynakit/simcard"
)

// The nonce of a request stands in the answer to the byte, where it has a length
// that RFC 8954 allows.
func TestOCSPNonce(t *testing.T) {
	now := time.Date(2026, time.May, 1, 12, 0, 0, 0, time.UTC)
	ca := simcard.TestAuthority().Auth()
	cert := simcard.New().AuthCertificate()
	plain, err := ocsp.CreateRequest(cert, ca.Certificate(), nil)
	require.NoError(t, err)
	other := derExtension(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 4}, []byte("\x30\x00"))
	nonce := func(b []byte) []byte {
		value, err := asn1.Marshal(b)
		require.NoError(t, err)
		return derExtension(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}, value)
	}
	long := bytes.Repeat([]byte{0xA5}, 32)
	for name, tt := range map[string]struct {
		extensions [][]byte
		want       []byte // nil: none in the answer
		malformed  bool
	}{
		"none":           {nil, nil, false},
		"another one":    {[][]byte{other}, nil, false},
		"one byte":       {[][]byte{nonce([]byte{7})}, []byte{7}, false},
		"32 bytes":       {[][]byte{nonce(long)}, long, false},
		"behind another": {[][]byte{other, nonce(long)}, long, false},
		"33 bytes":       {[][]byte{nonce(append([]byte{1}, long...))}, nil, true},
		"no bytes":       {[][]byte{nonce(nil)}, nil, true},
		"not in OCTETS":  {[][]byte{derExtension(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}, []byte{1, 2, 3, 4})}, nil, true},
		"no extension":   {[][]byte{{0x05, 0x00}}, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			der, err := ca.OCSP(withExtensions(t, plain, tt.extensions), now)
			require.NoError(t, err)
			answer, err := ocsp.ParseResponseForCert(der, cert, ca.Certificate())
			if tt.malformed {
				require.Equal(t, ocsp.ResponseError{Status: ocsp.Malformed}, err)
				return
			}
			require.NoError(t, err, "the signature holds")
			assert.Equal(t, ocsp.Good, answer.Status)
			assert.Equal(t, tt.want, nonceIn(t, answer.TBSResponseData))
		})
	}
}

// derExtension is one extension.
func derExtension(id asn1.ObjectIdentifier, value []byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(id)
		b.AddASN1OctetString(value)
	})
	return b.BytesOrPanic()
}

// withExtensions puts extensions into an OCSP request that has none.
func withExtensions(t *testing.T, plain []byte, extensions [][]byte) []byte {
	if extensions == nil {
		return plain
	}
	s := cryptobyte.String(plain)
	var tbs cryptobyte.String
	require.True(t, s.ReadASN1(&s, cbasn1.SEQUENCE) && s.ReadASN1(&tbs, cbasn1.SEQUENCE))
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddBytes(tbs)
			b.AddASN1(cbasn1.Tag(2).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(bytes.Join(extensions, nil)) })
			})
		})
	})
	return b.BytesOrPanic()
}

// nonceIn reads the nonce out of a ResponseData: RFC 6960 section 4.2.1, its
// last part.
func nonceIn(t *testing.T, data []byte) []byte {
	var parts []asn1.RawValue
	rest, err := asn1.Unmarshal(data, &parts)
	require.NoError(t, err)
	require.Empty(t, rest)
	last := parts[len(parts)-1]
	if last.Class != asn1.ClassContextSpecific || last.Tag != 1 || len(parts) == 1 {
		return nil
	}
	var extensions []struct {
		ID    asn1.ObjectIdentifier
		Value []byte
	}
	_, err = asn1.Unmarshal(last.Bytes, &extensions)
	require.NoError(t, err)
	require.Len(t, extensions, 1)
	require.Equal(t, "1.3.6.1.5.5.7.48.1.2", extensions[0].ID.String())
	var nonce []byte
	_, err = asn1.Unmarshal(extensions[0].Value, &nonce)
	require.NoError(t, err)
	return nonce
}
