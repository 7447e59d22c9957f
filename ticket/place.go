package ticket

import (
	"unicode/utf8"

	"github.com/mynakit/mynakit/internal/table"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/terminal"
)

// Limits of what the caller names, in bytes.
const (
	MaxScope    = 16 // a Scope
	MaxTerminal = mykey.MaxTerminalID
	MaxKey      = 64 // an Order's or a Presentation's key
	MaxAccount  = 64 // an Order's account
	MaxPlace    = 96 // a Terminal's place
)

// A Scope is the association (商店街, 商工会, 自治体) whose tickets share one set
// of numbers: 1 to [MaxScope] characters A to Z, 0 to 9 and hyphen, such as a
// local-government code with a running number, "141305-01". The same number in
// two scopes is two tickets. A terminal reaches only the tickets of its own
// scope.
type Scope string

// Check returns [ErrScope] for a malformed scope.
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

// A Terminal is one registered terminal (端末). The program fills it from its
// own records after it has authenticated the terminal, never from what the
// terminal sends: the scope decides which tickets it can reach.
type Terminal struct {
	// ID is the 端末ID, in the form of [mykey.CheckTerminalID].
	ID    string
	Scope Scope
	// Place is the 端末設置場所, by which a settlement adds up: at most MaxPlace
	// bytes without control characters. It is stored with each redemption, so
	// that a terminal that moves changes no settlement. It may be empty.
	Place string
	// Kind matters only with Config.CheckKinds.
	Kind terminal.Kind
}

// Check returns [ErrTerminal] or [ErrScope] for a malformed terminal.
func (t Terminal) Check() error {
	if !validTerminal(t.ID) || !validText(t.Place, MaxPlace) {
		return ErrTerminal
	}
	return t.Scope.Check()
}

func validTerminal(id string) bool { return mykey.CheckTerminalID(id) == nil }

// validKey reports whether s can be an order's or an attempt's key.
func validKey(s string) bool { return validText(s, MaxKey) }

// validAccount reports whether s can be an account. It must not look like a
// formula, since it stands in files that Excel opens.
func validAccount(s string) bool { return validText(s, MaxAccount) && !table.Formula(s) }

// validText reports whether s has at most max bytes and no control characters.
func validText(s string, max int) bool {
	if len(s) > max || !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return false
		}
	}
	return true
}
