package mykey

// MaxTerminalID is the greatest length of a terminal ID, in bytes.
const MaxTerminalID = 64

// CheckTerminalID returns a [*FormError] unless s is a terminal ID (端末ID): 1 to
// [MaxTerminalID] ASCII letters, digits, full stops, underscores and hyphens, of
// which the first is a letter or digit. The published documents set no form. This
// one goes into file names and spreadsheets as it is.
func CheckTerminalID(s string) error {
	const field = "terminal ID"
	if s == "" {
		return &FormError{Field: field, Rule: RuleMissing, Pos: -1}
	}
	for i := range len(s) {
		switch c := s[i]; {
		case i >= MaxTerminalID:
			return &FormError{Field: field, Rule: RuleLength, Pos: i}
		case !isAlnum(c) && (i == 0 || c != '.' && c != '_' && c != '-'):
			return &FormError{Field: field, Rule: RuleCharacter, Pos: i}
		}
	}
	return nil
}
