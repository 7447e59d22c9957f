package simcard

import (
	"encoding/binary"
	"fmt"

	"github.com/mynakit/mynakit/simcard/internal/testkeys"
)

var (
	// aidCommon is 共通カード (common AP): what the card is, apart from whose.
	aidCommon = []byte{0xD3, 0x92, 0x10, 0x00, 0x31, 0x00, 0x01, 0x01, 0x01, 0x00}
	// aidJuki is 住基 (juki AP): the resident registry network, for the counters
	// of municipalities.
	aidJuki = []byte{0xD3, 0x92, 0x10, 0x00, 0x31, 0x00, 0x01, 0x01, 0x04, 0x01}
)

// fillCommon lays out the common application. Its readable files hold records.
func (c *Card) fillCommon(app *application) {
	f := c.face
	app.add(
		file{id: 0x0001, read: free, records: [][]byte{record(0x01, f.identity())}},
		file{id: 0x0002, read: free, records: [][]byte{f.keyReference()}},
		file{id: 0x0019, key: f.signer(testkeys.CardInternal), use: free, authenticates: true},
		file{id: 0x001C, pin: &c.pins[CommonPIN]},
		file{id: 0x001E},
	)
}

// fillJuki lays out the resident registry application.
func (c *Card) fillJuki(app *application) {
	app.add(
		file{id: 0x0002, read: free, records: [][]byte{c.face.keyReference()}},
		file{id: 0x001C, pin: &c.pins[JukiPIN]},
	)
}

// record is one record in simple TLV: a tag of one byte, a length of one. The
// records here are short.
func record(tag byte, value []byte) []byte {
	return append([]byte{tag, byte(len(value))}, value...)
}

// identity is 28 digits: serial number, municipality, expiry.
func (f *face) identity() []byte { return []byte(f.number() + f.code() + day(f.holder.Expiry)) }

// number is the card's serial number, 15 digits.
func (f *face) number() string {
	return fmt.Sprintf("40000%010d", binary.BigEndian.Uint32(f.seed[24:]))
}

// keyReference is record 1 of file 0002, the same in both applications: the
// name of a key, which one is not known. That its tag is 01 is an assumption.
func (f *face) keyReference() []byte {
	id := keyID("6000010", "001", 0)
	return record(0x01, id[:])
}
