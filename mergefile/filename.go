package mergefile

import "strings"

// FileNameFor returns the name of a file whose first record has the given
// transaction, as the profile's FileName says: with slashes for NameDay, whose
// files lie in a folder for each day, and "" for NameAny, which leaves it to
// the caller. The number is in the profile's spelling, without the characters
// that a file name cannot hold everywhere.
func (p Profile) FileNameFor(first Transaction) string {
	number, _ := p.Transaction.append(nil, first)
	name := strings.Map(func(r rune) rune {
		if isHolder(byte(r)) || r == '_' || r == '.' {
			return r
		}
		return -1
	}, string(number)) + p.FileName.Text
	switch p.FileName.Kind {
	case NameFixed:
		return p.FileName.Text
	case NameTransaction:
		return name
	case NameDay:
		return string(TimeForm("YYYYMMDD").appendTime(nil, p.Transaction.civil(first))) + "/" + name
	}
	return ""
}
