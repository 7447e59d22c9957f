package simcard

import "github.com/mynakit/mynakit/simcard/internal/testkeys"

// aidText is 券面事項入力補助 (text AP): the face of the card as text, for forms.
var aidText = []byte{0xD3, 0x92, 0x10, 0x00, 0x31, 0x00, 0x01, 0x01, 0x04, 0x08}

// fillText lays out the application.
func (c *Card) fillText(app *application) {
	f := c.face
	four, a, b := &c.pins[TextPIN], &c.pins[TextNumberA], &c.pins[TextNumberB]
	app.add(
		file{id: 0x0001, read: needs(four, a), content: once(f.textNumber)},
		file{id: 0x0002, read: needs(four, b), content: once(f.textAttributes)},
		file{id: 0x0003, read: needs(four, a, b), content: once(f.textSigned)},
		file{id: 0x0004, read: free, content: once(f.textCertificate)},
		file{id: 0x0005, read: free, content: once(f.textBasics)},
		file{id: 0x0006, read: needs(four, a, b), content: once(func() []byte { return object(0xA1, f.public(testkeys.CardSession)) })},
		file{id: 0x0007, read: needs(four, a, b), content: once(f.textKey)},
		file{id: 0x0008, read: never, content: fixed(unknown16)},
		file{id: 0x0010},
		file{id: 0x0011, pin: four},
		file{id: 0x0012, pin: &pin{}}, // cards are issued with it blocked
		file{id: 0x0013, key: f.signer(testkeys.CardText), use: free},
		file{id: 0x0014, pin: a},
		file{id: 0x0015, pin: b},
		file{id: 0x001C},
		file{id: 0x001E},
	)
	app.defaultKey = app.files[0x13]
}

// textNumber is file 0001: the My Number, 15 bytes, and two of FF.
func (f *face) textNumber() []byte {
	return append(object(0xFF10, []byte(f.holder.MyNumber.Digits())), 0xFF, 0xFF)
}

// textObjects are name, address, date of birth and sex (基本4情報).
func (f *face) textObjects() [][]byte {
	return [][]byte{
		object(0xDF22, []byte(valid(f.holder.Name))),
		object(0xDF23, []byte(valid(f.holder.Address))),
		object(0xDF24, []byte(day(f.holder.Birth))),
		object(0xDF25, f.sexDigit()),
	}
}

// textAttributes is file 0002: the four attributes, and in front of them a
// table of where each begins, counted from the start of the file.
func (f *face) textAttributes() []byte {
	b := withTable(0xFF20, 0xDF21, f.textObjects())
	if len(b) > largestFile {
		return nil
	}
	return filled(b, 256)
}

// textSigned is file 0003: digests of files 0001 and 0002 and a signature over
// them. The first is over all bytes of its file, FF too; the second over the
// objects of its file without the table.
func (f *face) textSigned() []byte {
	number, attributes := digestOf(f.textNumber()), digestOf(f.textObjects()...)
	digests := append(object(0xDF31, number[:]), object(0xDF32, attributes[:])...)
	return object(0xFF30, digests, object(0xDF33, signature(f.authority().keys[testkeys.FaceTextIssuer](), digests)))
}

// textCertificate is file 0004: the CV certificate of the key that has signed
// files 0003 and 0007.
func (f *face) textCertificate() []byte {
	return f.authority().certificate(textRootID, testkeys.FaceTextRoot, f.subjectID("31"), testkeys.FaceTextIssuer)
}

// textBasics is file 0005. Its lengths are written in three bytes where two
// would do. What the 128 bytes of DF43 are nobody has published.
func (f *face) textBasics() []byte {
	opaque := make([]byte, 0, 128)
	sum := digestOf([]byte("DF43"), f.seed[:])
	opaque = append(opaque, sum[:]...)
	b := []byte{0xFF, 0x40, 0x82, 0x00, 0x9F}
	b = append(b, object(0xDF41, []byte{0x01, 0x03, 0x0E, 0x01})...)
	b = append(b, object(0xDF42, textBaseID[:])...)
	b = append(b, 0xDF, 0x43, 0x82, 0x00, 0x80)
	b = append(b, filled(opaque, 128)...)
	return filled(b, 256)
}

// textKey is file 0007: the public half of key 0013, signed.
func (f *face) textKey() []byte {
	key := object(0xDF51, f.public(testkeys.CardText))
	return object(0xFF50, key, object(0xDF52, signature(f.authority().keys[testkeys.FaceTextIssuer](), key)))
}
