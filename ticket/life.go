package ticket

import (
	"log/slog"
	"time"

	"github.com/mynakit/mynakit/mykey"
)

// A State is the state of a ticket.
//
//	         ┌─ redeem ──> Redeemed
//	Issued ──┼─ cancel ──> Cancelled
//	         ├─ replace ─> Replaced (and a new ticket is Issued)
//	         └─ the clock ─> Lapsed
//
// Every state but Issued is final.
type State uint8

const (
	Issued    State = 1 + iota // live (発行済): can be redeemed
	Redeemed                   // used up and to be settled (消込済)
	Cancelled                  // taken back by the issuer before use
	Replaced                   // void, because a new number was given out for it (再発行)
	Lapsed                     // its last day went by without redemption (失効)
)

// String returns the English word in lower case.
func (s State) String() string {
	switch s {
	case Issued:
		return "issued"
	case Redeemed:
		return "redeemed"
	case Cancelled:
		return "cancelled"
	case Replaced:
		return "replaced"
	case Lapsed:
		return "lapsed"
	}
	return "in no known state"
}

// MarshalText returns [State.String]. It returns [ErrState] for an unknown
// state.
func (s State) MarshalText() ([]byte, error) {
	if s < Issued || s > Lapsed {
		return nil, ErrState
	}
	return []byte(s.String()), nil
}

// UnmarshalText parses the result of MarshalText. Otherwise it returns
// [ErrState] and leaves s unchanged.
func (s *State) UnmarshalText(text []byte) error {
	for v := Issued; v <= Lapsed; v++ {
		if v.String() == string(text) {
			*s = v
			return nil
		}
	}
	return ErrState
}

// A Ticket is one point ticket (ポイント券). All its times have microseconds and
// are in Japan Standard Time.
//
// Everything that prints, logs or encodes a Ticket shows its numbers as
// [Number] does. [Ticket.Reveal] returns what can be sent as JSON.
type Ticket struct {
	Scope    Scope     `json:"scope"`
	Number   Number    `json:"number"`
	Points   int64     `json:"points"`         // the whole of it is spent at once
	Until    Date      `json:"until"`          // the last day (有効期限), inclusive
	State    State     `json:"state"`          // at the moment of the answer
	IssuedAt time.Time `json:"issued_at"`      // when
	IssuedBy string    `json:"issued_by"`      // the terminal's ID
	OrderKey string    `json:"key,omitempty"`  // [Order].Key
	Prints   int64     `json:"prints"`         // how many times it was put on paper, 1 at issue
	EndedAt  time.Time `json:"ended,omitzero"` // when it was redeemed, cancelled or replaced
	EndedBy  string    `json:"by,omitempty"`   // the terminal's ID

	// EndedAtPlace is the terminal's 端末設置場所 at that time.
	EndedAtPlace string `json:"place,omitempty"`
	// Account is [Order].Account: whose points the ticket is made of.
	Account string `json:"account,omitempty"`
	// Payment is the key of the order that was paid by [Order].Pay. A ticket
	// that replaces another keeps it.
	Payment string `json:"payment,omitempty"`
	// Unprinted is set from an order with [Order].ToPrint until [Book.Printed].
	Unprinted bool `json:"unprinted,omitempty"`

	Attempt    string `json:"attempt,omitempty"`    // [Presentation].Attempt that redeemed it
	Accepted   Date   `json:"accepted,omitzero"`    // the day the shop took it, if a grace rule was used
	ReplacedBy Number `json:"replaced_by,omitzero"` // the new number of a Replaced ticket
	Replaces   Number `json:"replaces,omitzero"`    // the void number this one stands for
}

// LogValue returns the ticket's main fields, with its number hidden.
func (t Ticket) LogValue() slog.Value {
	attrs := []slog.Attr{
		slog.String("scope", string(t.Scope)),
		slog.Any("number", t.Number),
		slog.Int64("points", t.Points),
		slog.String("until", t.Until.String()),
		slog.String("state", t.State.String()),
	}
	if t.State == Redeemed {
		attrs = append(attrs, slog.Time("at", t.EndedAt), slog.String("by", t.EndedBy))
	}
	return slog.GroupValue(attrs...)
}

// A Revealed is a ticket with its numbers as digits, for JSON between a shop's
// own programs. It is money: do not log it.
type Revealed struct {
	Ticket
	Number     string `json:"number"`
	ReplacedBy string `json:"replaced_by,omitempty"`
	Replaces   string `json:"replaces,omitempty"`
}

// Reveal returns the ticket with its numbers as digits.
func (t Ticket) Reveal() Revealed {
	return Revealed{Ticket: t, Number: t.Number.Digits(), ReplacedBy: t.ReplacedBy.Digits(), Replaces: t.Replaces.Digits()}
}

// Hide returns the ticket with its numbers hidden again. It returns [ErrNumber]
// if r has no number or a malformed one.
func (r Revealed) Hide() (Ticket, error) {
	t := r.Ticket
	t.ReplacedBy, t.Replaces = Number{}, Number{}
	if err := t.Number.UnmarshalText([]byte(r.Number)); err != nil {
		return Ticket{}, err
	}
	if r.ReplacedBy != "" {
		if err := t.ReplacedBy.UnmarshalText([]byte(r.ReplacedBy)); err != nil {
			return Ticket{}, err
		}
	}
	if r.Replaces != "" {
		if err := t.Replaces.UnmarshalText([]byte(r.Replaces)); err != nil {
			return Ticket{}, err
		}
	}
	return t, nil
}

// StateAt returns the state at the instant now, under a grace rule of so many
// days. A ticket that is still Issued when its last day and its days of grace
// are over is Lapsed, although it is stored as Issued.
func (t Ticket) StateAt(now time.Time, graceDays int) State {
	if t.State == Issued && !now.Before(t.Until.AddDays(graceDays).End()) {
		return Lapsed
	}
	return t.State
}

// clockSlack is how far a clock may lie behind that of the program that issued
// the ticket.
const clockSlack = time.Minute

// dated returns the time of a change of the ticket, which is never before its
// issue, or [ErrClock].
func (t Ticket) dated(m moment) (time.Time, error) {
	if m.now.Before(t.IssuedAt.Add(-clockSlack)) {
		return time.Time{}, ErrClock
	}
	if now := m.date(); !now.Before(t.IssuedAt) {
		return now, nil
	}
	return t.IssuedAt, nil
}

// change returns the time of a change that the issuer makes to a live ticket,
// or a [*StateError] or [ErrClock].
func (t Ticket) change(op Op, m moment, graceDays int) (time.Time, error) {
	now, err := t.dated(m)
	if s := t.StateAt(m.date(), graceDays); s != Issued {
		return now, &StateError{Op: op, State: s}
	}
	return now, err
}

// endedBy reports whether this very attempt of the terminal ended the ticket.
func (t Ticket) endedBy(at Terminal, attempt string) bool {
	return attempt != "" && attempt == t.Attempt && at.ID == t.EndedBy
}

// redeem returns the ticket as redeemed by p. If this attempt redeemed it
// before, it returns the ticket as it is and true.
func (t Ticket) redeem(p Presentation, m moment, graceDays int) (Ticket, bool, Reason) {
	if t.State == Redeemed && t.endedBy(p.Terminal, p.Attempt) {
		return t, true, ""
	}
	now, why := t.usable(p.Accepted, m, graceDays)
	if why != "" {
		return t, false, why
	}
	t.State = Redeemed
	t.EndedAt = now
	t.EndedBy = p.Terminal.ID
	t.EndedAtPlace = p.Terminal.Place
	t.Attempt = p.Attempt
	t.Accepted = p.Accepted
	return t, false, ""
}

// usable returns the time of a redemption at the moment, or the reason for
// which there can be none.
func (t Ticket) usable(accepted Date, m moment, graceDays int) (time.Time, Reason) {
	now, err := t.dated(m)
	switch t.State {
	case Issued:
	case Redeemed:
		return now, ReasonRedeemed
	case Cancelled:
		return now, ReasonCancelled
	case Replaced:
		return now, ReasonReplaced
	default:
		return now, ReasonUnknown
	}
	if err != nil {
		return now, ReasonClock
	}
	if accepted.IsZero() {
		if !now.Before(t.Until.End()) {
			return now, ReasonLapsed
		}
		return now, ""
	}
	// The shop took the ticket on an earlier day and brings it in now.
	if t.StateAt(now, graceDays) == Lapsed {
		return now, ReasonLapsed
	}
	if !accepted.Valid() || accepted.Compare(mykey.DateOf(t.IssuedAt)) < 0 ||
		accepted.Compare(t.Until) > 0 || accepted.Compare(mykey.DateOf(now)) > 0 {
		return now, ReasonAccepted
	}
	return now, ""
}
