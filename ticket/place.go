package ticket

import "unicode/utf8"

// Limits of what the caller names, in bytes.
const (
	MaxScope    = 16 // a Scope
	MaxTerminal = 64 // a Terminal's ID
	MaxKey      = 64 // an Order's or a Presentation's key
)

// Scope is the association (商店街, 商工会, 自治体) whose tickets share one set
// of numbers: 1 to [MaxScope] characters A to Z, 0 to 9 and hyphen, such as a
// local-government code with a running number, "141305-01". The same number
// in two scopes is two tickets, and a terminal reaches only its own scope's.
type Scope string

// Check gives [ErrScope] for a malformed scope.
func (s Scope) Check() error {
	if len(s) == 0 || len(s) > MaxScope {
		return ErrScope
	}
	for i := range len(s) {
		c := s[i]
		if !(c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-') {
			return ErrScope
		}
	}
	return nil
}

// Terminal is one registered terminal (端末). The program makes it from what
// it knows of the terminal after it has authenticated it, never from what the
// terminal says of itself: the scope decides which tickets it can reach.
type Terminal struct {
	// ID is the 端末ID: 1 to MaxTerminal ASCII letters, digits, full stops,
	// underscores and hyphens, the first a letter or digit.
	ID    string
	Scope Scope
}

// Check gives [ErrTerminal] or [ErrScope] for a malformed terminal.
func (t Terminal) Check() error {
	if !validTerminal(t.ID) {
		return ErrTerminal
	}
	return t.Scope.Check()
}

func validTerminal(id string) bool {
	for i := range len(id) {
		c := id[i]
		if c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			continue
		}
		if i == 0 || c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return id != "" && len(id) <= MaxTerminal
}

// validKey reports whether s can be an order's or an attempt's key.
func validKey(s string) bool {
	if len(s) > MaxKey || !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return false
		}
	}
	return true
}
