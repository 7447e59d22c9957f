package jpki

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu/tlv"
)

// contents takes a file of objects apart.
func contents(t *testing.T, file []byte) (outer uint16, objects [][]byte) {
	t.Helper()
	tag, content, _, err := tlv.Next(file)
	require.NoError(t, err)
	for len(content) > 0 {
		_, _, after, err := tlv.Next(content)
		require.NoError(t, err)
		objects = append(objects, content[:len(content)-len(after)])
		content = after
	}
	return uint16(tag), objects
}

// Cards of later years have objects that are not known today, between the known
// ones too, and may have them in another order. What is known is found.
func TestUnknownObjectsPass(t *testing.T) {
	ctx := context.Background()
	k := faceKeys()
	anchors := issuerAnchor(t)
	for _, unknown := range [][]byte{object(0xDF7E, []byte("フリガナ")), object(0xDF26, []byte("ﾌﾘｶﾞﾅ")), object(0xDF34, nil), {0xC1, 1, 1}} {
		for at := range 7 {
			s := newShelf(shortHolder)
			insert := func(file string, sign func(objects [][]byte) [][]byte) {
				tag, objects := contents(t, s.files[file])
				if _, _, _, err := tlv.Next(unknown); err != nil {
					t.Fatal(err)
				}
				objects = slices.Insert(objects, min(at, len(objects)-1), unknown)
				if at == 6 {
					slices.Reverse(objects[:len(objects)-1]) // the signature stays behind
				}
				s.files[file] = object(tag, sign(objects)...)
			}
			signed := func(objects [][]byte) [][]byte {
				last := len(objects) - 1
				tag, _, _, err := tlv.Next(objects[last])
				require.NoError(t, err)
				objects[last] = object(uint16(tag), sign(k.signer, crypto.SHA256, bytes.Join(objects[:last], nil)))
				return objects
			}
			var digest [sha256.Size]byte
			insert("0408/02", func(objects [][]byte) [][]byte {
				digest = sha256.Sum256(bytes.Join(slices.DeleteFunc(slices.Clone(objects), func(o []byte) bool { return o[1] == 0x21 && o[0] == 0xDF }), nil))
				return objects
			})
			copy(tagAt(t, s.files["0408/03"], 0xFF30, 0xDF32), digest[:])
			insert("0408/03", signed)
			text := openShelf(t, s, TextApp)
			a, err := text.VerifiedAttributes(ctx, anchors)
			require.NoError(t, err, "%X at %d", unknown, at)
			assert.Equal(t, shortHolder, nameAndAddress{a.Value().Name(), a.Value().Address()})
			n, err := text.VerifiedMyNumber(ctx, anchors)
			require.NoError(t, err)
			assert.Equal(t, sampleMyNumber, n.Value().Digits())

			insert("0402/01", signed)
			insert("0402/05", signed)
			visual := openShelf(t, s, VisualApp)
			birth, err := visual.VerifiedAgeRecord(ctx, anchors)
			require.NoError(t, err)
			assert.Equal(t, "1980-02-17", birth.Value().String())
			picture, err := visual.VerifiedMyNumberPicture(ctx, anchors)
			require.NoError(t, err)
			assert.Equal(t, "\x89PNG number", string(picture.Value().PNG()))
		}
	}
	// A face has objects of most numbers already.
	for at := range 11 {
		s := newShelf(shortHolder)
		tag, objects := contents(t, s.files["0402/02"])
		s.files["0402/02"] = object(tag, slices.Insert(objects, min(at, len(objects)), object(0xDF2B, []byte("later")))...)
		face, err := openShelf(t, s, VisualApp).VerifiedFace(ctx, anchors)
		require.NoError(t, err, "%d", at)
		assert.NotEmpty(t, face.Value().Photo())
	}
}

// An object that stands twice is one too many, whichever comes first.
func TestObjectTwice(t *testing.T) {
	ctx := context.Background()
	s := newShelf(shortHolder)
	tag, objects := contents(t, s.files["0408/02"])
	for i, o := range objects {
		for at := range len(objects) + 1 {
			twice := slices.Insert(slices.Clone(objects), at, o)
			s.files["0408/02"] = object(tag, twice...)
			_, err := openShelf(t, s, TextApp).Attributes(ctx)
			require.ErrorIs(t, err, ErrCardData, "object %d at %d", i, at)
		}
	}
}

// The signature of one file, with what it signs, put in front of other objects
// vouches for none of them.
func TestSignatureOfAnotherFile(t *testing.T) {
	ctx := context.Background()
	anchors := issuerAnchor(t)
	right := newShelf(shortHolder)
	_, age := contents(t, right.files["0402/01"])
	_, picture := contents(t, right.files["0402/05"])
	_, digests := contents(t, right.files["0408/03"])
	retag := func(o []byte, tag uint16) []byte {
		_, v, _, err := tlv.Next(o)
		require.NoError(t, err)
		return object(tag, v)
	}
	other := object(0xDF11, []byte("19400101"))
	s := newShelf(shortHolder)
	s.files["0402/01"] = object(0xFF10, picture[0], picture[1], retag(picture[2], 0xDF13), other, age[1])
	_, err := openShelf(t, s, VisualApp).VerifiedAgeRecord(ctx, anchors)
	require.ErrorIs(t, err, ErrCardData)

	s = newShelf(shortHolder)
	s.files["0402/05"] = object(0xFF40, age[0], age[1], retag(age[2], 0xDF43), object(0xDF41, []byte("\x89PNG other")), picture[1])
	_, err = openShelf(t, s, VisualApp).VerifiedMyNumberPicture(ctx, anchors)
	require.ErrorIs(t, err, ErrCardData)

	s = newShelf(shortHolder)
	sum := sha256.Sum256(filled(object(0xFF10, []byte("614106526000")), 17))
	s.files["0408/03"] = object(0xFF30, picture[0], picture[1], retag(picture[2], 0xDF33), object(0xDF31, sum[:]), digests[1])
	_, err = openShelf(t, s, TextApp).VerifiedMyNumber(ctx, anchors)
	require.ErrorIs(t, err, ErrCardData)
}
