package ticket

import (
	"errors"
	"fmt"

	"github.com/mynakit/mynakit/internal/sqldb"
)

// ErrRefused is returned to a counter for every code that does not redeem a
// ticket here and now: the number is unknown, lapsed, redeemed elsewhere,
// cancelled, replaced or another association's, the code is forged or
// unreadable, or there were too many wrong numbers. The error is this value
// itself, so that neither its text nor its chain shows the reason. The reason
// goes to [Config].Audit alone.
var ErrRefused = errors.New("ticket: refused")

// Errors for malformed input of the program's own. None of them holds the
// value.
var (
	ErrNumber     = errors.New("ticket: not a ticket number")             // not eight digits
	ErrCheckDigit = errors.New("ticket: wrong check digit")               // nine digits that do not belong together
	ErrScope      = errors.New("ticket: not a scope")                     // not 1 to MaxScope of A-Z, 0-9 and hyphen
	ErrTerminal   = errors.New("ticket: not a terminal ID")               // not 1 to MaxTerminal of the permitted characters
	ErrPoints     = errors.New("ticket: points out of range")             // zero, negative or beyond the policy
	ErrValidity   = errors.New("ticket: validity out of range")           // a last day that is past, too late or no day at all
	ErrDate       = errors.New("ticket: not a date")                      // not a day of the calendar
	ErrPeriod     = errors.New("ticket: not a period")                    // a first day after the last, or a missing day
	ErrAccount    = errors.New("ticket: not an account")                  // too long, with control characters, or like a formula
	ErrKind       = errors.New("ticket: a terminal of another kind")      // see Config.CheckKinds
	ErrTyped      = errors.New("ticket: a typed number in a transaction") // see Book.In
	ErrKey        = errors.New("ticket: not an order or attempt key")     // too long, or with control characters
	ErrBatch      = errors.New("ticket: too many orders in one batch")    // more than MaxBatch
	ErrPolicy     = errors.New("ticket: policy out of range")             // a limit beyond the library's own
	ErrQR         = errors.New("ticket: not a ticket's QR code")          // another kind of code, or a damaged one
	ErrForged     = errors.New("ticket: QR code with a wrong MAC")        // right form, but no key of ours made it
	ErrSecret     = errors.New("ticket: unusable QR key")                 // a secret too short, or two keys of one ID
	ErrSum        = errors.New("ticket: a sum leaves 64 bits")            // of tickets or points
	ErrCSV        = errors.New("ticket: not a settlement details file")   // see *CSVError for the place
)

// Errors of the issuer's own operations. They are never for a counter's
// screen.
var (
	// ErrNotFound means that the scope has no such ticket.
	ErrNotFound = errors.New("ticket: no such ticket")
	// ErrConflict means that the key was used before for an order with other
	// points, another account or another last day. Nothing was issued.
	ErrConflict = errors.New("ticket: order key used before for another order")
	// ErrState matches every [*StateError].
	ErrState = errors.New("ticket: not possible in this state")
	// ErrFull matches every [*FullError].
	ErrFull = errors.New("ticket: the scope has too many numbers")
	// ErrPaid means that a ticket was paid by [Order].Pay and the book has no
	// [Config].Refund.
	ErrPaid = errors.New("ticket: a paid ticket needs a refund")
	// ErrNoLoss means that there is no loss of this ID.
	ErrNoLoss = errors.New("ticket: no such loss")
	// ErrClock means that the clock of the program is more than a minute
	// before the issue of the ticket. The ticket is unchanged.
	ErrClock = errors.New("ticket: the clock is before the ticket's issue")
)

// Errors of the database.
var (
	// ErrBusy means that another writer was still in the way after
	// [Config].RetryFor. Nothing was written; the call can be repeated.
	ErrBusy = sqldb.ErrBusy
	// ErrOutcomeUnknown means that COMMIT had no answer: all was written or
	// nothing. Repeat the call with the same key or attempt.
	ErrOutcomeUnknown = sqldb.ErrOutcomeUnknown
	// ErrNotDurable is returned by the calls of [Book.In] if a crash could
	// undo the transaction after its commit.
	ErrNotDurable = sqldb.ErrNotDurable
	// ErrTraining is returned when a book in training would take part in a
	// transaction of live points or files, or the other way round.
	ErrTraining = sqldb.ErrMode
	// ErrReadOnly means that the database takes no writes.
	ErrReadOnly = sqldb.ErrReadOnly
)

// A SchemaError reports that a newer program made the tables. [Open] returns
// it and leaves them as they are.
type SchemaError = sqldb.SchemaError

// A LostError reports that a function of the program's, such as [Order].Pay,
// ended the transaction that it was called in. What it wrote may be stored
// although no ticket is. The loss is written down.
type LostError = sqldb.LostError

// An UnresolvedError reports that lost transactions are written down. [Open]
// returns it, and so does every call that runs a function of the program's,
// until a person has looked into them and called [Book.Resolve].
type UnresolvedError = sqldb.UnresolvedError

// A Loss is a lost transaction. Its Step names the payment or refund in which
// the transaction ended. Committed reports whether what was done before that
// end is stored.
type Loss = sqldb.Loss

// A StateError means that a ticket's state does not permit the operation. The
// ticket is unchanged.
type StateError struct {
	Op    Op
	State State // the state the ticket is in
}

// Error returns the operation and the state.
func (e *StateError) Error() string {
	return fmt.Sprintf("ticket: cannot %s a ticket that is %s", e.Op, e.State)
}

// Is reports whether target is [ErrState].
func (e *StateError) Is(target error) bool { return target == ErrState }

// A FullError means that a scope has no room for the order. A number is never
// used twice, so a scope can only fill up. Give the association a second scope.
// Nothing was issued.
type FullError struct {
	Scope Scope
	Taken int64 // numbers in use before this order
	Limit int64 // numbers the policy permits, see Policy.RefuseAt
}

// Error returns the scope and the figures.
func (e *FullError) Error() string {
	return fmt.Sprintf("ticket: scope %s has %d of %d numbers taken", e.Scope, e.Taken, e.Limit)
}

// Is reports whether target is [ErrFull].
func (e *FullError) Is(target error) bool { return target == ErrFull }
