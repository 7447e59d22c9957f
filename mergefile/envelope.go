package mergefile

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
)

// The envelope, version 1:
//
//	8 bytes   "MKMERGE" and the version, 1
//	1 byte    length n of the key identifier, 1 to 32
//	n bytes   key identifier
//	16 bytes  salt, random
//	then segments of 65,536 bytes of text, each with a 16-byte tag behind it;
//	the last segment is the only one that may be shorter, and is never empty.
//
// The envelope key is HKDF-SHA-256 of the AES key with no salt and the info
// "mynakit mergefile envelope 1", 32 bytes. The file's own AES-128-GCM key is
// the first 16 bytes of HMAC-SHA-256, under the envelope key, of the header
// (everything in front of the segments) and the associated data. The nonce of a
// segment is its number, from 0, as 11 bytes big-endian, and a byte that is 1
// for the last segment and else 0; its additional data is header and associated
// data. So segments cannot be moved, dropped, repeated, cut off or added, and
// key identifier, version and associated data cannot be exchanged.
const (
	envelopeMagic   = "MKMERGE\x01"
	envelopeInfo    = "mynakit mergefile envelope 1"
	saltLen         = 16
	segmentOverhead = 16
)

// segments seals and opens the segments of one envelope.
type segments struct {
	gcm    cipher.AEAD
	header []byte // and the associated data
}

func newSegments(ctx context.Context, k Key, c *CipherForm, header []byte, associated string) (*segments, error) {
	master, err := k.derive(ctx, c, envelopeInfo)
	if err != nil {
		return nil, err
	}
	bound := append(append([]byte(nil), header...), associated...)
	mac := hmac.New(sha256.New, master)
	mac.Write(bound)
	block, err := aes.NewCipher(mac.Sum(nil)[:blockSize])
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	return &segments{gcm: gcm, header: bound}, err
}

func segmentNonce(index int64, last bool) (nonce [12]byte) {
	for i := range 8 {
		nonce[10-i] = byte(index >> (8 * i))
	}
	if last {
		nonce[11] = 1
	}
	return nonce
}

// open decrypts a segment into dst. If it is not authentic, dst is zeros of
// the length that the text would have.
func (s *segments) open(dst, src []byte, index int64, last bool) (int, bool) {
	n := max(len(src)-segmentOverhead, 0)
	nonce := segmentNonce(index, last)
	if _, err := s.gcm.Open(dst[:0], nonce[:], src, s.header); err != nil || n == 0 {
		clear(dst[:n])
		return n, false
	}
	return n, true
}

// seal encrypts a segment behind dst.
func (s *segments) seal(dst, text []byte, index int64, last bool) []byte {
	nonce := segmentNonce(index, last)
	return s.gcm.Seal(dst, nonce[:], text, s.header)
}

// envelopeHeader returns the header of a new file.
func envelopeHeader(keyID string) ([]byte, error) {
	if keyID == "" {
		return nil, fmt.Errorf("%w: an envelope needs a key identifier", ErrKey)
	}
	var salt [saltLen]byte
	rand.Read(salt[:])
	h := append([]byte(envelopeMagic), byte(len(keyID)))
	h = append(h, keyID...)
	return append(h, salt[:]...), nil
}

// envelopeKey returns the index of the key that the header names. A file that
// names none of the keys is bad, and the first one does the work.
func (o *opening) envelopeKey(s *source) int {
	chosen := o.named(envelopeKeyID(s.front))
	s.bad = s.bad || chosen < 0
	return max(chosen, 0)
}

// readEnvelopeHeader returns what stands where a header should.
func readEnvelopeHeader(src io.Reader) ([]byte, error) {
	header := make([]byte, len(envelopeMagic)+1, len(envelopeMagic)+1+maxKeyID+saltLen)
	n, err := io.ReadFull(src, header)
	if err == nil && header[n-1] >= 1 && header[n-1] <= maxKeyID && string(header[:n-1]) == envelopeMagic {
		header = header[:n+int(header[n-1])+saltLen]
		_, err = io.ReadFull(src, header[n:])
	}
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		clear(header[:1]) // cut short, and no header
		err = nil
	}
	return header, err
}

// envelopeKeyID returns the key identifier in a header, and "" if it is none.
func envelopeKeyID(header []byte) string {
	const at = len(envelopeMagic) + 1
	if string(header[:at-1]) != envelopeMagic || len(header) != at+int(header[at-1])+saltLen {
		return ""
	}
	if id := string(header[at : len(header)-saltLen]); isKeyID(id) {
		return id
	}
	return ""
}
