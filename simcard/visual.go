package simcard

import (
	"crypto"

	"github.com/mynakit/mynakit/simcard/internal/testkeys"
)

// aidVisual is 券面事項確認 (visual AP): the face of the card as pictures, signed.
var aidVisual = []byte{0xD3, 0x92, 0x10, 0x00, 0x31, 0x00, 0x01, 0x01, 0x04, 0x02}

// fillVisual lays out the application.
func (c *Card) fillVisual(app *application) {
	f := c.face
	birth, a, b := &c.pins[BirthKey], &c.pins[VisualNumberA], &c.pins[VisualNumberB]
	app.add(
		file{id: 0x0001, read: needs(birth), content: once(f.visualAge)},
		file{id: 0x0002, read: needs(a, b), content: once(f.visualFace)},
		file{id: 0x0003, read: free, content: once(f.visualBasics)},
		file{id: 0x0004, read: free, content: once(f.visualCertificate)},
		file{id: 0x0005, read: needs(a), content: once(f.visualNumber)},
		file{id: 0x0006, read: needs(a, b), content: fixed(unknown16)},
		file{id: 0x0011, pin: birth},
		file{id: 0x0012, pin: b},
		file{id: 0x0013, pin: a},
		file{id: 0x0014},
		file{id: 0x0015},
		file{id: 0x001A, key: f.signer(testkeys.CardVisual), use: free},
		file{id: 0x001C},
		file{id: 0x001E},
	)
	app.defaultKey = app.files[0x1A]
}

// visualAge is file 0001, the age record: the date of birth and the card's
// key, signed.
func (f *face) visualAge() []byte {
	birth := object(0xDF11, []byte(day(f.holder.Birth)))
	key := object(0xDF12, f.public(testkeys.CardVisual))
	return object(0xFF10, birth, key, object(0xDF13, signature(f.authority().keys[testkeys.FaceVisualIssuer](), birth, key)))
}

// visualFace is file 0002: what the face of the card shows. The signature is
// over three digests in one: of birth, sex and key; of the pictures of name and
// address; of the photo. Expiry and security code are not signed.
func (f *face) visualFace() []byte {
	birth := object(0xDF22, []byte(day(f.holder.Birth)))
	sex := object(0xDF23, f.sexDigit())
	key := object(0xDF24, f.public(testkeys.CardVisual))
	name := object(0xDF25, textPicture(f.holder.Name))
	address := object(0xDF26, textPicture(f.holder.Address))
	photo := object(0xDF27, []byte(f.holder.Photo))

	// A DigestInfo as for SHA-256, but of 96 bytes.
	info := []byte{
		0x30, 0x71, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65,
		0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x60,
	}
	for _, digest := range [][32]byte{digestOf(birth, sex, key), digestOf(name, address), digestOf(photo)} {
		info = append(info, digest[:]...)
	}
	b := withTable(0xFF20, 0xDF21, [][]byte{
		birth, sex, key, name, address, photo,
		object(0xDF28, signed(f.authority().keys[testkeys.FaceVisualIssuer](), crypto.Hash(0), info)),
		object(0xDF29, []byte(day(f.holder.Expiry))),
		object(0xDF2A, digitPicture(f.holder.SecurityCode, 4)),
	})
	if len(b) > largestFile {
		return nil
	}
	return filled(b, 256)
}

// visualBasics is file 0003. What the 256 bytes at its end are nobody has
// published.
func (f *face) visualBasics() []byte {
	opaque := make([]byte, 0, 256)
	for i := range byte(8) {
		sum := digestOf([]byte("DF35"), []byte{i}, f.seed[:])
		opaque = append(opaque, sum[:]...)
	}
	return object(0xFF30,
		object(0xDF31, []byte{0x06, 0x03, 0x0E, 0x01}),
		object(0xDF32, visualBaseID[:]),
		object(0xDF33, []byte{0x00}),
		object(0xDF34, []byte(f.code())),
		object(0xDF35, opaqueID[:], opaque),
	)
}

// visualCertificate is file 0004: the CV certificate of the key that has
// signed files 0001, 0002 and 0005.
func (f *face) visualCertificate() []byte {
	return f.authority().certificate(visualRootID, testkeys.FaceVisualRoot, f.subjectID("21"), testkeys.FaceVisualIssuer)
}

// visualNumber is file 0005: the My Number as a picture, and the card's key,
// signed.
func (f *face) visualNumber() []byte {
	picture := object(0xDF41, digitPicture(f.holder.MyNumber.Digits(), 12))
	key := object(0xDF42, f.public(testkeys.CardVisual))
	return object(0xFF40, picture, key, object(0xDF43, signature(f.authority().keys[testkeys.FaceVisualIssuer](), picture, key)))
}
