package ticket

import (
	"log/slog"
	"time"
)

// State is where a ticket is in its life.
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

// String gives the English word in lower case.
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

// MarshalText gives [State.String], or [ErrState] for no known state.
func (s State) MarshalText() ([]byte, error) {
	if s < Issued || s > Lapsed {
		return nil, ErrState
	}
	return []byte(s.String()), nil
}

// UnmarshalText reads what MarshalText writes. On error, [ErrState], s is
// unchanged.
func (s *State) UnmarshalText(text []byte) error {
	for v := Issued; v <= Lapsed; v++ {
		if v.String() == string(text) {
			*s = v
			return nil
		}
	}
	return ErrState
}

// Ticket is one point ticket (ポイント券). All its times have microseconds and
// are in Japan Standard Time.
//
// A Ticket prints with its number hidden through fmt, and through log/slog
// when it is an attribute of its own. As JSON it is whole: see [Number].
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

	Attempt    string `json:"attempt,omitempty"`    // [Presentation].Attempt that redeemed it
	Accepted   Date   `json:"accepted,omitzero"`    // the day the shop took it, if a grace rule was used
	ReplacedBy Number `json:"replaced_by,omitzero"` // the new number of a Replaced ticket
	Replaces   Number `json:"replaces,omitzero"`    // the void number this one stands for
}

// LogValue gives the ticket's fields with its numbers hidden.
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

// StateAt gives the state at the instant now, under a grace rule of so many
// days: a ticket that is still Issued when its last day and its days of grace
// are over is Lapsed. No stored state need change for it.
func (t Ticket) StateAt(now time.Time, graceDays int) State {
	if t.State == Issued && !now.Before(t.Until.AddDays(graceDays).End()) {
		return Lapsed
	}
	return t.State
}

// The functions below are the state machine. Each takes a ticket as stored
// and gives it as it is to be stored next, or says why not. They run inside a
// store's transaction, possibly more than once, and have no other effect.

// redeem uses the ticket up. Asked again with the attempt that did it, it
// gives the ticket as it is and true.
func (t Ticket) redeem(p Presentation, now time.Time, graceDays int) (Ticket, bool, Reason) {
	if t.redeemedBy(p) {
		return t, true, ""
	}
	if why := t.usable(p.Accepted, now, graceDays); why != "" {
		return t, false, why
	}
	t.State = Redeemed
	t.EndedAt = now
	t.EndedBy = p.Terminal.ID
	t.Attempt = p.Attempt
	t.Accepted = p.Accepted
	return t, false, ""
}

// redeemedBy reports whether it was this very attempt that redeemed the
// ticket.
func (t Ticket) redeemedBy(p Presentation) bool {
	return t.State == Redeemed && p.Attempt != "" && p.Attempt == t.Attempt && p.Terminal.ID == t.EndedBy
}

// usable gives the reason for which the ticket cannot be redeemed now, or "".
func (t Ticket) usable(accepted Date, now time.Time, graceDays int) Reason {
	switch t.State {
	case Issued:
	case Redeemed:
		return ReasonRedeemed
	case Cancelled:
		return ReasonCancelled
	case Replaced:
		return ReasonReplaced
	default:
		return ReasonUnknown
	}
	if accepted.IsZero() {
		if !now.Before(t.Until.End()) {
			return ReasonLapsed
		}
		return ""
	}
	// The shop took the ticket on an earlier day and brings it in now.
	if t.StateAt(now, graceDays) == Lapsed {
		return ReasonLapsed
	}
	if !accepted.Valid() || accepted.Compare(DateOf(t.IssuedAt)) < 0 ||
		accepted.Compare(t.Until) > 0 || accepted.Compare(DateOf(now)) > 0 {
		return ReasonAccepted
	}
	return ""
}

// cancel takes the ticket back. Cancelling twice is cancelling once.
func (t Ticket) cancel(by string, now time.Time, graceDays int) (Ticket, error) {
	if t.State == Cancelled {
		return t, nil
	}
	if s := t.StateAt(now, graceDays); s != Issued {
		return t, &StateError{Op: OpCancel, State: s}
	}
	t.State = Cancelled
	t.EndedAt = now
	t.EndedBy = by
	return t, nil
}

// reprint counts one more paper of the same number.
func (t Ticket) reprint(now time.Time) (Ticket, error) {
	if s := t.StateAt(now, 0); s != Issued {
		return t, &StateError{Op: OpReprint, State: s}
	}
	t.Prints++
	return t, nil
}

// replace voids the ticket and makes the one that stands for it, whose number
// and predecessor the store fills in.
func (t Ticket) replace(by, key string, now time.Time) (old, next Ticket, err error) {
	if s := t.StateAt(now, 0); s != Issued {
		return t, Ticket{}, &StateError{Op: OpReplace, State: s}
	}
	next = Ticket{Scope: t.Scope, Points: t.Points, Until: t.Until, State: Issued,
		IssuedAt: now, IssuedBy: by, OrderKey: key, Prints: 1, Replaces: t.Number}
	t.State = Replaced
	t.EndedAt = now
	t.EndedBy = by
	return t, next, nil
}
