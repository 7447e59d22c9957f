package control

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/simcard"
)

// A Setup describes a card, as the body of PUT /v1/card does. The zero Setup is
// the plastic card of the first sample holder.
type Setup struct {
	Kind    string              `json:"kind"`              // a name of simcard.SampleNames; "" is "plastic"
	Holder  uint                `json:"holder"`            // the number of the invented holder
	Issued  *time.Time          `json:"issued"`            // when the certificates were issued; nil as with simcard.New
	Revoked *time.Time          `json:"revoked"`           // when they were revoked; nil if they were not
	Licence bool                `json:"licence,omitempty"` // a driving licence is on it too
	ATR     string              `json:"atr,omitempty"`
	Quirks  *Quirks             `json:"quirks,omitempty"`
	PINs    map[simcard.PIN]PIN `json:"pins,omitempty"`
}

// A PIN is what a [Setup] says about a PIN or a number.
type PIN struct {
	Value *string `json:"value"`
	Left  *int    `json:"left"`
}

// Quirks are [simcard.Quirks], with the status word of a blocked PIN as four
// hexadecimal digits.
type Quirks struct {
	simcard.Quirks
	BlockedStatus Status `json:"blocked_status,omitempty"`
}

// A Status is a status word, in JSON four hexadecimal digits.
type Status apdu.Status

// MarshalText returns the four digits.
func (s Status) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%04X", uint16(s)), nil }

// UnmarshalText parses four hexadecimal digits.
func (s *Status) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 16, 16)
	if err != nil || len(text) != 4 {
		return fmt.Errorf("a status word is four hexadecimal digits: %q", text)
	}
	*s = Status(n)
	return nil
}

// card makes the card that s describes, as of the time now. What s says about
// the revocation is the slot's to remember: a card does not know it.
func (s *Setup) card(now time.Time) (*simcard.Card, error) {
	kind := s.Kind
	if kind == "" {
		kind = "plastic"
	}
	options, err := simcard.Sample(kind, s.Holder, now)
	if err != nil {
		return nil, &Error{Code: unknownKind, Text: err.Error(), Field: "kind"}
	}
	options = append(options, simcard.WithClock(func() time.Time { return now }))
	if s.Issued != nil {
		if y := s.Issued.UTC().Year(); y < 1950 || y > 2100 {
			return nil, badField("issued", "outside the years 1950 to 2100")
		}
		options = append(options, simcard.WithIssued(*s.Issued))
	}
	if s.Licence {
		options = append(options, simcard.WithLicence())
	}
	if s.ATR != "" {
		atr, err := hex.DecodeString(s.ATR)
		if err != nil || len(atr) < 2 || len(atr) > 33 {
			return nil, badField("atr", "not an answer to reset of 2 to 33 bytes in hexadecimal")
		}
		options = append(options, simcard.WithATR(atr))
	}
	if s.Quirks != nil {
		q := s.Quirks.Quirks
		q.BlockedStatus = apdu.Status(s.Quirks.BlockedStatus)
		options = append(options, simcard.WithQuirks(q))
	}
	card := simcard.New(options...)
	return card, setPINs(card, s.PINs)
}

// setPINs changes values and counters of a card. If one of them cannot be, none
// is changed.
func setPINs(card *simcard.Card, pins map[simcard.PIN]PIN) error {
	const longest = 16
	for which, p := range pins {
		field := "pins." + which.String()
		tries := card.PIN(which).Tries
		switch {
		case tries == 0:
			return badField(field, "this card has no such PIN")
		case p.Left != nil && (*p.Left < 0 || *p.Left > tries):
			return badField(field+".left", fmt.Sprintf("outside 0 to %d", tries))
		case p.Value != nil && len(*p.Value) > longest:
			return badField(field+".value", fmt.Sprintf("longer than %d bytes", longest))
		}
	}
	for which, p := range pins {
		if p.Value != nil {
			card.SetPIN(which, *p.Value)
		}
		if p.Left != nil {
			card.SetTries(which, *p.Left)
		}
	}
	return nil
}

// revokedAt returns when the certificates of the card were revoked: as s says,
// or for the sample "revoked" the time at which it was made.
func (s *Setup) revokedAt(made time.Time) *time.Time {
	if s.Revoked == nil && s.Kind == "revoked" {
		return &made
	}
	return s.Revoked
}

// A saved is the state of a slot as GET /v1/state returns it: what the card is,
// and what became of its PINs.
type saved struct {
	Vcard int       `json:"vcard"` // the version of this form
	Made  time.Time `json:"made"`  // what the clock said when the card was made
	Setup
	PINs simcard.State `json:"pins"`
}

// savedVersion is the only version there is.
const savedVersion = 1

// parseSaved parses a state. It fails with an *Error.
func parseSaved(text []byte) (*saved, error) {
	var s saved
	if err := decode(text, &s); err != nil {
		return nil, err
	}
	switch {
	case s.Vcard != savedVersion:
		return nil, badField("vcard", fmt.Sprintf("a state of version %d; this program knows version %d", s.Vcard, savedVersion))
	case s.Made.IsZero():
		return nil, badField("made", "missing")
	}
	return &s, nil
}

// card makes the card anew.
func (s *saved) card() (*simcard.Card, error) {
	card, err := s.Setup.card(s.Made)
	if err != nil {
		return nil, err
	}
	card.Restore(s.PINs)
	return card, nil
}

func (s *saved) text() []byte {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		panic("internal error: control: " + err.Error()) // nothing in it can fail
	}
	return append(text, '\n')
}
