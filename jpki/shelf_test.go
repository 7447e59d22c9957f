package jpki

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/apdu/tlv"
)

// A shelf is a card of files that are free to read, written by hand from the
// layouts of the card. It has no PINs: those are for the scripts. Keys of files
// are hexadecimal: the end of the AID, a slash, and the identifier.
type shelf struct {
	files   map[string][]byte
	app     string
	current string
	log     []string // commands, as far as they say what is used
}

var (
	shelfOK      = []byte{0x90, 0x00}
	shelfNone    = []byte{0x6A, 0x82}
	shelfNoEF    = []byte{0x69, 0x86}
	shelfBeyond  = []byte{0x6B, 0x00}
	shelfUnknown = []byte{0x6D, 0x00}
)

func (s *shelf) Transmit(command []byte) ([]byte, error) {
	cmd, err := apdu.ParseCommand(command)
	if err != nil {
		return nil, err
	}
	s.log = append(s.log, fmt.Sprintf("%02X %02X%02X", cmd.INS, cmd.P1, cmd.P2))
	switch {
	case cmd.INS == 0xA4 && cmd.P1 == 0x04:
		app := fmt.Sprintf("%X", cmd.Data)[16:]
		for name := range s.files {
			if name[:4] == app {
				s.app, s.current = app, ""
				return shelfOK, nil
			}
		}
		return shelfNone, nil
	case cmd.INS == 0xA4:
		name := fmt.Sprintf("%s/%02X", s.app, cmd.Data[1])
		if _, ok := s.files[name]; !ok {
			return shelfNone, nil
		}
		s.current = name
		return shelfOK, nil
	case cmd.INS == 0xB2:
		if cmd.P2>>3 != 0 {
			s.current = fmt.Sprintf("%s/%02X", s.app, cmd.P2>>3)
		}
		b, ok := s.files[s.current]
		if !ok {
			return shelfNone, nil
		}
		return ok2(b[:min(len(b), cmd.Ne)]), nil
	case cmd.INS == 0xB0:
		offset := int(cmd.P1)<<8 | int(cmd.P2)
		if cmd.P1&0x80 != 0 {
			s.current, offset = fmt.Sprintf("%s/%02X", s.app, cmd.P1&0x1F), int(cmd.P2)
		}
		if s.current == "" {
			return shelfNoEF, nil
		}
		b, ok := s.files[s.current]
		switch {
		case !ok:
			return shelfNone, nil
		case offset >= len(b):
			return shelfBeyond, nil
		}
		return ok2(b[offset:min(offset+cmd.Ne, len(b))]), nil
	}
	return shelfUnknown, nil
}

func ok2(b []byte) []byte { return append(bytes.Clone(b), 0x90, 0x00) }

// object writes an object with a length of two bytes, as cards do where the
// length is not fixed and short.
func object(tag uint16, value ...[]byte) []byte {
	v := bytes.Join(value, nil)
	b := binary.BigEndian.AppendUint16(nil, tag)
	if len(v) < 0x80 {
		b = append(b, byte(len(v)))
	} else {
		b = binary.BigEndian.AppendUint16(append(b, 0x82), uint16(len(v)))
	}
	return append(b, v...)
}

func filled(b []byte, size int) []byte {
	return append(b, bytes.Repeat([]byte{0xFF}, max(0, size-len(b)))...)
}

// faceKeys are the issuer's key and the municipality's.
var faceKeys = sync.OnceValue(func() (k struct{ issuer, signer, other *rsa.PrivateKey }) {
	for _, key := range []**rsa.PrivateKey{&k.issuer, &k.signer, &k.other} {
		var err error
		if *key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			panic(err)
		}
	}
	return k
})

var (
	issuerID = FaceID([]byte("6000033\x08\x05001\x00\x00\x00\x00"))
	signerID = FaceID([]byte("1322121\x08\x05000\x00\x00\x00\x00"))
)

func faceKeyBytes(key *rsa.PublicKey) []byte {
	return append([]byte{0x90, 3, 1, 0, 1, 0x91, 0x82, 1, 0}, key.N.FillBytes(make([]byte, 256))...)
}

func sign(key *rsa.PrivateKey, hash crypto.Hash, data []byte) []byte {
	if hash != 0 {
		sum := sha256.Sum256(data)
		data = sum[:]
	}
	s, err := rsa.SignPKCS1v15(nil, key, hash, data)
	if err != nil {
		panic(err)
	}
	return s
}

// cvCertificate is EF 0004: 568 bytes.
func cvCertificate(issuer *rsa.PrivateKey, subject *rsa.PublicKey) []byte {
	body := bytes.Join([][]byte{issuerID[:], signerID[:], faceKeyBytes(subject)}, nil)
	return object(0x7F21, object(0x5F4E, body), object(0x5F37, sign(issuer, crypto.SHA256, body)))
}

// attributesFile is EF 0002 of the text application.
func attributesFile(name, address, birth, sex string) (file, signed []byte) {
	signed = bytes.Join([][]byte{
		object(0xDF22, []byte(name)), object(0xDF23, []byte(address)),
		object(0xDF24, []byte(birth)), object(0xDF25, []byte(sex)),
	}, nil)
	return object(0xFF20, object(0xDF21, make([]byte, 8)), signed), signed
}

type nameAndAddress struct{ name, address string }

var shortHolder = nameAndAddress{"番号　花子", "千葉県印西市大森２３６４番地２"}

// newShelf makes a card with everything that is verified, all of it right.
func newShelf(h nameAndAddress) *shelf {
	k := faceKeys()
	number := filled(object(0xFF10, []byte(sampleMyNumber)), 17)
	attributes, signed := attributesFile(h.name, h.address, "19800217", "2")
	numberSum, attributesSum := sha256.Sum256(number), sha256.Sum256(signed)
	digests := append(object(0xDF31, numberSum[:]), object(0xDF32, attributesSum[:])...)

	card := faceKeyBytes(&k.other.PublicKey)
	age := append(object(0xDF11, []byte("19800217")), object(0xDF12, card)...)
	picture := append(object(0xDF41, []byte("\x89PNG number")), object(0xDF42, card)...)
	pieces := [][]byte{
		bytes.Join([][]byte{object(0xDF22, []byte("19800217")), object(0xDF23, []byte("2")), object(0xDF24, card)}, nil),
		append(object(0xDF25, []byte("\x89PNG name")), object(0xDF26, bytes.Repeat([]byte("\x89PNG address "), 40))...),
		object(0xDF27, bytes.Repeat([]byte("jP2 photo "), 400)),
	}
	info := unhex("3071 300D 0609 608648016503040201 0500 0460")
	for _, p := range pieces {
		sum := sha256.Sum256(p)
		info = append(info, sum[:]...)
	}
	return &shelf{files: map[string][]byte{
		"0408/01": number,
		"0408/02": filled(attributes, len(attributes)+100),
		"0408/03": object(0xFF30, digests, object(0xDF33, sign(k.signer, crypto.SHA256, digests))),
		"0408/04": filled(cvCertificate(k.issuer, &k.signer.PublicKey), 600),
		// The length is in a longer form than it needs, as on the card.
		"0408/05": filled(append(unhex("FF40 82009F DF4104 01030E01 DF4210"), append(issuerID[:], append(unhex("DF43 820080"), make([]byte, 128)...)...)...), 256),
		"0402/01": object(0xFF10, age, object(0xDF13, sign(k.signer, crypto.SHA256, age))),
		"0402/02": filled(object(0xFF20, object(0xDF21, make([]byte, 18)), bytes.Join(pieces, nil),
			object(0xDF28, sign(k.signer, 0, info)), object(0xDF29, []byte("20350217")), object(0xDF2A, []byte("\x89PNG code"))), 8000),
		"0402/03": object(0xFF30, object(0xDF31, unhex("06030E01")), object(0xDF32, issuerID[:]), object(0xDF33, []byte{0}),
			object(0xDF34, []byte("13221")), object(0xDF35, make([]byte, 272))),
		"0402/04": cvCertificate(k.issuer, &k.signer.PublicKey),
		"0402/05": object(0xFF40, picture, object(0xDF43, sign(k.signer, crypto.SHA256, picture))),
		"0100/01": append([]byte{0x01, 0x1C}, "0123456789012341322120350217"...),
	}}
}

func openShelf(t testing.TB, s *shelf, app Application) *Card {
	t.Helper()
	c, err := Open(context.Background(), s, WithApplication(app))
	require.NoError(t, err)
	return c
}

// tagAt finds the value of an object within a file, to be changed in place.
func tagAt(t testing.TB, file []byte, path ...tlv.Tag) []byte {
	t.Helper()
	v, err := tlv.Find(file, path...)
	require.NoError(t, err)
	return v
}
