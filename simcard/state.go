package simcard

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/internal/secret"
)

// A PINState is the state of one PIN or number of a card. It prints as
// [redacted].
type PINState struct {
	hidden
	value secret.String

	Left     int // tries left, 0 if the PIN is blocked
	Tries    int // tries after a right value; 0 if the card does not have this PIN
	Verified bool
}

// Reveal returns what VERIFY compares, and "" if no value was ever set.
func (s PINState) Reveal() string { return s.value.Reveal() }

// A State is what a card keeps without power and its commands can change: the
// values and the counters of its PINs and numbers. States can be compared with
// ==. The zero State belongs to no card.
//
// Printed through fmt or log/slog a State is "[redacted]". As JSON it is an
// object with the values in the clear, because a saved card needs them:
//
//	{"auth":{"value":"1234","left":3},"sign":{"value":"ABC123","left":5}}
type State struct {
	hidden
	pins [pins]savedPIN
}

// A savedPIN is a PIN in a [State]. It does not exist if there is false.
type savedPIN struct {
	value secret.String
	tries int
	there bool
}

// ErrState is returned for a text that is not a [State], or if a name in it is
// not that of a [PIN]. The text is not in the error.
var ErrState = errors.New("simcard: not the state of a card")

type jsonPIN struct {
	Value string `json:"value"`
	Left  int    `json:"left"`
}

// MarshalJSON returns the JSON object of s.
func (s State) MarshalJSON() ([]byte, error) {
	m := map[PIN]jsonPIN{}
	for i, p := range s.pins {
		if p.there {
			m[PIN(i)] = jsonPIN{p.value.Reveal(), p.tries}
		}
	}
	return json.Marshal(m)
}

// UnmarshalJSON parses what [State.MarshalJSON] returns. It fails with
// [ErrState] and then leaves s alone.
func (s *State) UnmarshalJSON(text []byte) error {
	var m map[PIN]jsonPIN
	if json.Unmarshal(text, &m) != nil {
		return ErrState
	}
	var parsed State
	for which, p := range m {
		if p.Left < 0 || p.Left > 15 || len(p.Value) > maxPIN {
			return ErrState
		}
		parsed.pins[which] = savedPIN{pinValue(p.Value), p.Left, true}
	}
	*s = parsed
	return nil
}

// State returns the values and counters as they are now.
func (c *Card) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	var s State
	for i := range c.pins {
		if p := &c.pins[i]; p.limit > 0 {
			s.pins[i] = savedPIN{p.value, p.tries, true}
		}
	}
	return s
}

// WithState sets the values and counters of s, as [Card.State] has returned
// them. PINs that s does not name, and those that the card does not
// have, are left alone.
func WithState(s State) Option {
	return func(c *config) { c.saved = s }
}

// Restore sets the values and counters of s while the card runs, as [WithState]
// does for a new card. No PIN is verified after it.
func (c *Card) Restore(s State) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.restore(&s)
	for i := range c.pins {
		c.pins[i].verified = false
	}
}

// restore sets what a saved state says.
func (c *Card) restore(s *State) {
	for i := range s.pins {
		if saved, p := &s.pins[i], &c.pins[i]; saved.there && p.limit > 0 {
			p.value, p.tries = saved.value, min(max(saved.tries, 0), p.limit)
		}
	}
}

// PIN returns the state of a PIN or a number. It is the zero PINState if the
// card does not have it.
func (c *Card) PIN(which PIN) PINState {
	c.mu.Lock()
	defer c.mu.Unlock()
	if which >= pins || c.pins[which].limit == 0 {
		return PINState{}
	}
	p := &c.pins[which]
	return PINState{value: p.value, Left: p.tries, Tries: p.limit, Verified: p.verified}
}

// SetPIN sets the value of a PIN or a number while the card runs. The counter
// stays, and what is verified stays verified. A value of more than 16 bytes is
// cut there. A PIN that the card does not have is left alone.
func (c *Card) SetPIN(which PIN, value string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if which < pins && c.pins[which].limit > 0 {
		c.pins[which].value = pinValue(value)
	}
}

// SetTries sets how many tries of a PIN or a number are left while the card
// runs. Numbers out of range are moved to the nearest, as with [WithTries]. A
// PIN that is blocked in this way is no longer verified.
func (c *Card) SetTries(which PIN, left int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if which >= pins {
		return
	}
	p := &c.pins[which]
	p.tries = min(max(left, 0), p.limit)
	if p.tries == 0 {
		p.verified = false
	}
}

// Powered reports whether the card is in the reader and has power.
func (c *Card) Powered() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.powered && !c.removed
}

// PINOf returns the PIN or number that a command would present or change if it
// came now, such as AuthPIN for VERIFY after the selection of its file. It
// reports false for any other command, and for one that names no PIN.
func (c *Card) PINOf(command []byte) (PIN, bool) {
	cmd, err := apdu.ParseCommand(command)
	if err != nil || !cmd.CarriesSecret() {
		return 0, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.ef
	if id := cmd.P2 & 0x1F; id != 0 {
		f = c.app.files[id]
	}
	if f == nil || f.pin == nil || cmd.P2&^0x1F != 0x80 {
		return 0, false
	}
	for i := range c.pins {
		if f.pin == &c.pins[i] {
			return PIN(i), true
		}
	}
	return 0, false
}

// Selected returns the AID of the current application and the identifier of the
// current file. The AID is that of the card itself before an application is
// selected, and the identifier is 0 if no file is current.
func (c *Card) Selected() (aid []byte, file uint16) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ef != nil {
		file = uint16(c.ef.id)
	}
	return bytes.Clone(c.app.aid), file
}

// WithClock sets the clock. Without [WithIssued] its year is that of the
// certificates' issue. Serial numbers do not depend on it. nil is
// the system's clock.
func WithClock(now func() time.Time) Option {
	return func(c *config) { c.clock = now }
}

var (
	_ encoding.TextMarshaler   = PIN(0)
	_ encoding.TextUnmarshaler = (*PIN)(nil)
)

// pinNames are the names of the PINs in JSON and in flags.
var pinNames = [pins]string{
	AuthPIN: "auth", SignPIN: "sign", TextPIN: "text", CommonPIN: "common", JukiPIN: "juki",
	TextNumberA: "text_number_a", TextNumberB: "text_number_b",
	VisualNumberA: "visual_number_a", VisualNumberB: "visual_number_b", BirthKey: "birth_key",
	LicencePIN: "licence",
}

// String returns the name of the PIN in lower case, such as "auth" or
// "text_number_a".
func (p PIN) String() string {
	if p < pins {
		return pinNames[p]
	}
	return fmt.Sprintf("PIN(%d)", uint8(p))
}

// MarshalText returns what String does.
func (p PIN) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText parses a name that String returns. It leaves p alone when it
// fails.
func (p *PIN) UnmarshalText(text []byte) error {
	for i, name := range pinNames {
		if name == string(text) {
			*p = PIN(i)
			return nil
		}
	}
	return fmt.Errorf("simcard: no such PIN: %q", text)
}

// PINs returns all PINs and numbers, in the order of their values.
func PINs() []PIN {
	all := make([]PIN, pins)
	for i := range all {
		all[i] = PIN(i)
	}
	return all
}
