package mergefile

import "strings"

// FileNameFor returns the name of a file whose first record has the given
// transaction, as the profile's FileName says: with slashes for NameDay, whose
// files lie in a folder for each day, and "" for NameAny, which leaves it to
// the caller. The number is in the profile's spelling, without the characters
// that a file name cannot hold everywhere.
func (p Profile) FileNameFor(first Transaction) string {
	civil := p.Transaction.civil(first)
	switch p.FileName.Kind {
	case NameFixed:
		return p.FileName.Text
	case NameTransaction:
		return p.numberName(civil, first.seq) + p.FileName.Text
	case NameDay:
		return string(TimeForm("YYYYMMDD").appendTime(nil, civil)) + "/" + p.numberName(civil, first.seq) + p.FileName.Text
	}
	return ""
}

func (p Profile) numberName(civil int64, seq uint32) string {
	b := p.Transaction.Time.appendTime(nil, civil)
	b = append(b, p.Transaction.Join...)
	b = appendFixed(b, uint64(seq), max(p.Transaction.Digits, decimalWidth(uint64(seq))))
	return strings.Map(func(r rune) rune {
		if isAlnum(byte(r)) || r == '-' || r == '_' || r == '.' {
			return r
		}
		return -1
	}, string(b))
}
