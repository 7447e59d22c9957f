package simcard

import "github.com/mynakit/mynakit/apdu"

// readRecord is READ RECORD: P1 is the number of a record, from 1. Bits 4 to 8
// of P2 name the file by its short identifier, or with 0 the current one; the
// others ask for that record (4) or for it and all after it (5).
func (c *Card) readRecord(cmd *apdu.Command) ([]byte, apdu.Status) {
	if len(cmd.Data) > 0 || cmd.Ne == 0 {
		return nil, apdu.WrongLength
	}
	all := false
	switch cmd.P2 & 0x07 {
	case 4:
	case 5:
		if c.quirks.NoRecordRange {
			return nil, apdu.FunctionNotSupported
		}
		all = true
	default:
		return nil, apdu.IncorrectP1P2
	}
	if cmd.P2>>3 == 0x1F { // reserved, ISO/IEC 7816-4 section 7.3.2
		return nil, apdu.IncorrectP1P2
	}
	f, status := c.reference(0x80 | cmd.P2>>3)
	switch {
	case status != apdu.OK:
		return nil, status
	case f.records == nil:
		return nil, apdu.CommandIncompatible
	case !f.read.granted():
		return nil, apdu.SecurityStatusNotSatisfied
	case cmd.P1 == 0 || int(cmd.P1) > len(f.records):
		return nil, apdu.RecordNotFound
	}
	data := f.records[cmd.P1-1]
	if all {
		data = c.scratch[:0]
		for _, r := range f.records[cmd.P1-1:] {
			data = append(data, r...)
		}
	}
	return data[:min(len(data), cmd.Ne)], apdu.OK
}
