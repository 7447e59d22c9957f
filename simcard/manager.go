package simcard

import (
	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/simcard/internal/testkeys"
)

// A dataObject is what GET DATA gives for a tag.
type dataObject struct {
	tag     uint16
	content func() []byte
}

// tagContactATR is there with an application selected too, unlike all others.
const tagContactATR = 0x5F51

// fillManager sets the data objects of the card itself.
func (c *Card) fillManager(app *application) {
	f := c.face
	app.objects = []dataObject{
		{0x0042, fixed(cardRootID[:])},                // the issuer's key
		{0x0045, fixed([]byte(f.number()))},           // the card's number
		{0x0066, fixed(cardRecognition)},              // what GlobalPlatform calls card recognition data
		{0x00F0, fixed([]byte(f.code()))},             // the municipality
		{0x00F2, fixed([]byte(day(f.holder.Expiry)))}, // the last day of the card
		{0x00F7, fixed(cardMiddleID[:])},              // the key that 00F8 certifies
		{0x00F8, once(f.upperChain)},                  // root to intermediate
		{tagContactATR, fixed(f.atr)},
	}
	if !c.quirks.NoLowerCertificate {
		app.objects = append(app.objects, dataObject{0x7F21, once(f.lowerChain)})
	}
}

// cardRecognition is object 66 of GlobalPlatform: version 2.2 of its card
// specification.
var cardRecognition = []byte{
	0x66, 0x18, 0x73, 0x16,
	0x06, 0x07, 0x2A, 0x86, 0x48, 0x86, 0xFC, 0x6B, 0x01,
	0x60, 0x0B, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xFC, 0x6B, 0x02, 0x02, 0x02,
}

// GET DATA gives CV certificates without their outermost tag and length.
const cvHeader = 5

func (f *face) upperChain() []byte {
	return f.authority().certificate(cardRootID, testkeys.FaceCardRoot, cardMiddleID, testkeys.FaceIntermediate)[cvHeader:]
}

func (f *face) lowerChain() []byte {
	return f.authority().certificate(cardMiddleID, testkeys.FaceIntermediate, f.subjectID("11"), testkeys.FaceCardSubject)[cvHeader:]
}

// getData is GET DATA: the object that P1 and P2 name. One that is longer than
// the command lets it be is refused; the card does not say how long it is.
func (c *Card) getData(cmd *apdu.Command) ([]byte, apdu.Status) {
	tag := uint16(cmd.P1)<<8 | uint16(cmd.P2)
	var object *dataObject
	from := c.app
	if tag == tagContactATR {
		if c.app == c.root && c.quirks.ATRInApplication {
			return nil, apdu.ReferencedDataNotFound
		}
		from = c.root
	}
	from.complete()
	for i := range from.objects {
		if from.objects[i].tag == tag {
			object = &from.objects[i]
		}
	}
	if object == nil {
		return nil, apdu.ReferencedDataNotFound
	}
	content := object.content()
	if len(cmd.Data) > 0 || cmd.Ne < len(content) {
		return nil, apdu.WrongLength
	}
	return content, apdu.OK
}

// defaultContactATR is the answer to reset of a card with contacts: T=1, IFSC
// 254, no historical bytes.
var defaultContactATR = []byte{0x3B, 0xE0, 0x00, 0xFF, 0x81, 0x31, 0xFE, 0x45, 0x14}

// contactATR is what object 5F51 says, the ATR without its first byte. A card
// whose own ATR is one that readers make for the contactless interface (3B 8n
// 80 01) says the default.
func contactATR(atr []byte) []byte {
	if len(atr) < 4 || atr[1]&0xF0 == 0x80 && atr[2] == 0x80 && atr[3] == 0x01 {
		atr = defaultContactATR
	}
	return atr[1:]
}
