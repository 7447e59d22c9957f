package jpki

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"math/big"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func issuerAnchor(t testing.TB) *FaceAnchors {
	t.Helper()
	var a FaceAnchors
	require.NoError(t, a.AddIssuer(issuerID, &faceKeys().issuer.PublicKey))
	return &a
}

// verifications are the calls that verify, by the file that they verify. Each
// gives whether it came with a value.
func verifications(ctx context.Context) map[string]func(*Card, *FaceAnchors) (bool, error) {
	return map[string]func(*Card, *FaceAnchors) (bool, error){
		"0408/01": func(c *Card, a *FaceAnchors) (bool, error) {
			v, err := c.VerifiedMyNumber(ctx, a)
			return !v.IsZero() || v.Value().Digits() != "" || v.Signer() != FaceID{}, err
		},
		"0408/02": func(c *Card, a *FaceAnchors) (bool, error) {
			v, err := c.VerifiedAttributes(ctx, a)
			return !v.IsZero() || v.Value().Name() != "" || v.Signer() != FaceID{}, err
		},
		"0402/01": func(c *Card, a *FaceAnchors) (bool, error) {
			v, err := c.VerifiedAgeRecord(ctx, a)
			return !v.IsZero() || !v.Value().IsZero() || v.Signer() != FaceID{}, err
		},
		"0402/02": func(c *Card, a *FaceAnchors) (bool, error) {
			v, err := c.VerifiedFace(ctx, a)
			return !v.IsZero() || v.Value().Photo() != nil || v.Signer() != FaceID{}, err
		},
		"0402/05": func(c *Card, a *FaceAnchors) (bool, error) {
			v, err := c.VerifiedMyNumberPicture(ctx, a)
			return !v.IsZero() || v.Value().PNG() != nil || v.Signer() != FaceID{}, err
		},
	}
}

func TestVerified(t *testing.T) {
	ctx := context.Background()
	anchors := issuerAnchor(t)
	text, visual := openShelf(t, newShelf(shortHolder), TextApp), openShelf(t, newShelf(shortHolder), VisualApp)

	number, err := text.VerifiedMyNumber(ctx, anchors)
	require.NoError(t, err)
	assert.Equal(t, sampleMyNumber, number.Value().Digits())
	assert.Equal(t, 1+1+2+3, text.Stats().Exchanges)
	assert.Equal(t, signerID, number.Signer())
	attributes, err := text.VerifiedAttributes(ctx, anchors)
	require.NoError(t, err)
	assert.Equal(t, shortHolder.name, attributes.Value().Name())

	face, err := visual.VerifiedFace(ctx, anchors)
	require.NoError(t, err)
	assert.NotEmpty(t, face.Value().Photo())
	birth, err := visual.VerifiedAgeRecord(ctx, anchors)
	require.NoError(t, err)
	assert.Equal(t, "1980-02-17", birth.Value().String())
	picture, err := visual.VerifiedMyNumberPicture(ctx, anchors)
	require.NoError(t, err)
	assert.Equal(t, "\x89PNG number", string(picture.Value().PNG()))
}

// Every bit that is covered counts, in every file: whichever byte is changed,
// there is no value. What is not covered is named.
func TestEveryChangedByteIsFound(t *testing.T) {
	ctx := context.Background()
	anchors := issuerAnchor(t)
	signature := map[string]string{"0408/01": "0408/03", "0408/02": "0408/03"}
	covers := verifications(ctx)
	for file, verify := range covers {
		for _, at := range []string{file, signature[file], file[:5] + "04"} {
			if at == "" {
				continue
			}
			right := newShelf(shortHolder)
			size := len(right.files[at])
			content := len(bytes.TrimRight(right.files[at], "\xFF"))
			step := 1
			if size > 600 {
				step = 7
			}
			for i := 0; i < size; i += step {
				if i >= content && at != "0408/01" {
					break // filler, and only My Number's is covered
				}
				s := &shelf{files: map[string][]byte{}}
				for name, b := range right.files {
					s.files[name] = b
				}
				b := bytes.Clone(right.files[at])
				b[i] ^= 0x10
				s.files[at] = b
				got, err := verify(openShelf(t, s, JPKIAppOf(file)), anchors)
				if err == nil {
					require.True(t, uncovered(t, file, at, right.files[at], i), "%s: byte %d of %s", file, i, at)
					continue
				}
				require.False(t, got, "%s: a value with an error", file)
			}
		}
	}
}

// uncovered reports whether byte i of a file is one that no signature covers:
// the offsets (DF21), the expiry and the security code of a face.
func uncovered(t *testing.T, file, at string, b []byte, i int) bool {
	if at != file || file != "0408/02" && file != "0402/02" {
		return false
	}
	offsets := tagAt(t, b, 0xFF20, 0xDF21)
	if start := bytes.Index(b, []byte{0xDF, 0x21}) + 3; i >= start && i < start+len(offsets) {
		return true
	}
	return file == "0402/02" && i >= bytes.Index(b, []byte{0xDF, 0x29})
}

// The digest of the attributes leaves DF21 out, that of My Number has the
// filler in. The one rule in place of the other does not verify.
func TestDigestsAreNotAlike(t *testing.T) {
	ctx := context.Background()
	k := faceKeys()
	anchors := issuerAnchor(t)
	sign := func(s *shelf, number, attributes []byte) {
		n, a := sha256.Sum256(number), sha256.Sum256(attributes)
		digests := append(object(0xDF31, n[:]), object(0xDF32, a[:])...)
		s.files["0408/03"] = object(0xFF30, digests, object(0xDF33, sign(k.signer, crypto.SHA256, digests)))
	}
	s := newShelf(shortHolder)
	number := s.files["0408/01"]
	whole, signed := attributesFile(shortHolder.name, shortHolder.address, "19800217", "2")

	sign(s, number, signed)
	_, err := openShelf(t, s, TextApp).VerifiedMyNumber(ctx, anchors)
	require.NoError(t, err)
	sign(s, number[:15], signed)
	_, err = openShelf(t, s, TextApp).VerifiedMyNumber(ctx, anchors)
	require.ErrorIs(t, err, ErrNotAuthentic)
	for _, wrong := range [][]byte{whole, whole[3:], whole[4:], append(bytes.Clone(signed), 0xFF)} {
		sign(s, number, wrong)
		_, err = openShelf(t, s, TextApp).VerifiedAttributes(ctx, anchors)
		require.ErrorIs(t, err, ErrNotAuthentic)
	}
	// Digests of the right data in each other's place.
	sign(s, signed, number)
	for _, verify := range []string{"0408/01", "0408/02"} {
		_, err = verifications(ctx)[verify](openShelf(t, s, TextApp), anchors)
		require.ErrorIs(t, err, ErrNotAuthentic)
	}
}

// A face is not signed as other files are: an ordinary signature over the same
// bytes, or over the 96 bytes hashed, does not verify.
func TestFaceSignatureForm(t *testing.T) {
	k := faceKeys()
	s := newShelf(shortHolder)
	f := s.files["0402/02"]
	_, signed, err := parseFace(f)
	require.NoError(t, err)
	a, b, c := sha256.Sum256(signed.data), sha256.Sum256(signed.texts), sha256.Sum256(signed.photo)
	sums := bytes.Join([][]byte{a[:], b[:], c[:]}, nil)
	info := append(unhex("3071 300D 0609 608648016503040201 0500 0460"), sums...)
	require.True(t, signsFace(&k.signer.PublicKey, signedFace{signed.data, signed.texts, signed.photo, sign(k.signer, 0, info)}))
	for name, signature := range map[string][]byte{
		"hash of the sums":   sign(k.signer, crypto.SHA256, sums),
		"hash of everything": sign(k.signer, crypto.SHA256, bytes.Join([][]byte{signed.data, signed.texts, signed.photo}, nil)),
		"sums without head":  sign(k.signer, 0, sums),
		"info and a byte":    sign(k.signer, 0, append(info, 0)),
		"another's":          sign(k.other, 0, info),
		"none":               nil,
		"short":              signed.signature[1:],
	} {
		assert.False(t, signsFace(&k.signer.PublicKey, signedFace{signed.data, signed.texts, signed.photo, signature}), name)
	}
}

// Who vouches for the key.
func TestFaceAnchors(t *testing.T) {
	ctx := context.Background()
	k := faceKeys()
	cert := func(issuer *rsa.PrivateKey) *FaceCertificate {
		c, err := ParseFaceCertificate(cvCertificate(issuer, &k.signer.PublicKey))
		require.NoError(t, err)
		return c
	}
	var byIssuer, byOtherIssuer, byWrongKey, bySigner, byOtherSigner, twoKeys FaceAnchors
	require.NoError(t, byIssuer.AddIssuer(issuerID, &k.issuer.PublicKey))
	require.NoError(t, byOtherIssuer.AddIssuer(signerID, &k.issuer.PublicKey))
	require.NoError(t, byWrongKey.AddIssuer(issuerID, &k.other.PublicKey))
	require.NoError(t, bySigner.AddSigner(cert(k.other)))
	require.NoError(t, byOtherSigner.AddSigner(&FaceCertificate{Subject: signerID, PublicKey: &k.other.PublicKey}))
	require.NoError(t, twoKeys.AddIssuer(issuerID, &k.other.PublicKey))
	require.NoError(t, twoKeys.AddIssuer(issuerID, &k.issuer.PublicKey))
	for _, tt := range []struct {
		name    string
		anchors *FaceAnchors
		want    error
	}{
		{"issuer", &byIssuer, nil},
		{"issuer of another name", &byOtherIssuer, ErrNoAnchor},
		{"issuer with another key", &byWrongKey, ErrNotAuthentic},
		{"signer", &bySigner, nil},
		{"signer with another key", &byOtherSigner, ErrNoAnchor},
		{"two keys of one name", &twoKeys, nil},
		{"nothing", &FaceAnchors{}, ErrNoAnchor},
		{"nil", nil, ErrNoAnchor},
	} {
		require.ErrorIs(t, tt.anchors.Verify(cert(k.issuer)), tt.want, tt.name)
		for file, verify := range verifications(ctx) {
			s := newShelf(shortHolder)
			c := openShelf(t, s, JPKIAppOf(file))
			got, err := verify(c, tt.anchors)
			require.ErrorIs(t, err, tt.want, tt.name)
			assert.Equal(t, tt.want == nil, got)
			if tt.anchors.empty() {
				assert.Equal(t, 1, c.Stats().Exchanges, "the card is not troubled")
			}
		}
	}
	require.ErrorIs(t, byIssuer.Verify(nil), ErrNoAnchor)
	require.ErrorIs(t, byIssuer.Verify(&FaceCertificate{Issuer: issuerID, PublicKey: &k.signer.PublicKey}), ErrNotAuthentic)

	// A certificate of the card's own making, with the right names in it.
	forged := newShelf(shortHolder)
	forged.files["0408/04"] = cvCertificate(k.other, &k.signer.PublicKey)
	_, err := openShelf(t, forged, TextApp).VerifiedAttributes(ctx, &byIssuer)
	require.ErrorIs(t, err, ErrNotAuthentic)

	var unsupported *UnsupportedError
	small := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 1023, 1), E: 65537}
	for _, key := range []*rsa.PublicKey{nil, {}, small, {N: k.issuer.N, E: 1}, {N: k.issuer.N, E: 65536}} {
		require.ErrorAs(t, new(FaceAnchors).AddIssuer(issuerID, key), &unsupported)
		require.ErrorAs(t, new(FaceAnchors).AddSigner(&FaceCertificate{PublicKey: key}), &unsupported)
	}
	require.ErrorAs(t, new(FaceAnchors).AddSigner(nil), &unsupported)
	_, err = openShelf(t, newShelf(shortHolder), TextApp).FaceCertificate(ctx, JukiApp)
	require.ErrorAs(t, err, &unsupported)
	assert.Equal(t, "00000000000000000000000000000000", FaceID{}.String())
}

// Two cards' files under one name: the digests of one do not vouch for the
// other, though the same key signed both.
func TestMixedCards(t *testing.T) {
	ctx := context.Background()
	a, b := newShelf(shortHolder), newShelf(nameAndAddress{"別人　太郎", "東京都"})
	a.files["0408/02"] = b.files["0408/02"]
	_, err := openShelf(t, a, TextApp).VerifiedAttributes(ctx, issuerAnchor(t))
	require.ErrorIs(t, err, ErrNotAuthentic)
	_, err = openShelf(t, a, TextApp).VerifiedMyNumber(ctx, issuerAnchor(t))
	require.NoError(t, err)
}

// Whatever the files hold: no panic, no value beside an error, memory in
// proportion.
func FuzzCardFiles(f *testing.F) {
	right := newShelf(shortHolder)
	n := 0
	for name, b := range right.files {
		f.Add(b)
		f.Add(append([]byte(name), b...))
		n += len(b)
	}
	if n < 5000 {
		f.Fatal("seeds without content")
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		in = in[:len(in):len(in)]
		bounded(t, 64*len(in)+256<<10, func() {
			_, _, _ = parseAttributes(in)
			_, _, _ = parseFace(in)
			_, _ = parseMyNumberFile(in)
			_, _ = parseCommon(in)
			_, _ = ParseFaceCertificate(in)
		})
		if a, signed, err := parseAttributes(in); (err == nil) == a.IsZero() || err == nil && len(signed) >= len(in) {
			t.Fatal("attributes")
		}
		if v, s, err := parseFace(in); (err == nil) == v.IsZero() || err != nil && s.signature != nil {
			t.Fatal("face")
		}
		if n, err := parseMyNumberFile(in); (err == nil) == n.IsZero() {
			t.Fatal("My Number")
		}
		if d, err := parseCommon(in); (err == nil) == d.IsZero() || err == nil && len(d.Number()) != 15 {
			t.Fatal("common data")
		}
		c, err := ParseFaceCertificate(in)
		if (err == nil) == (c == nil) {
			t.Fatal("certificate")
		}
		if err == nil {
			again, err := ParseFaceCertificate(c.Raw)
			if err != nil || again.Subject != c.Subject || !again.PublicKey.Equal(c.PublicKey) {
				t.Fatal("certificate does not parse again")
			}
		}
	})
}
