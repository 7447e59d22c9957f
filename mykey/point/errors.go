package point

import (
	"errors"
	"fmt"

	"github.com/mynakit/mynakit/internal/sqldb"
)

// What the ledger refuses. Each is found with [errors.Is], and each leaves the
// ledger as it was.
var (
	// ErrPoints is returned for a number of points that is zero, negative or
	// greater than [MaxPoints].
	ErrPoints = errors.New("point: points out of range")
	// ErrRequest is returned for a [Request] whose scope or name is empty, too
	// long or not printable ASCII.
	ErrRequest = errors.New("point: malformed request")
	// ErrRequestReused is returned when a request was made before with other
	// content or for another holder.
	ErrRequestReused = errors.New("point: request used before for something else")
	// ErrRequestVoid is returned for a request that was cancelled before it
	// came. A new request is needed.
	ErrRequestVoid = errors.New("point: request cancelled before it came")
	// ErrInFlight is returned by [Ledger.Status] for a request that is being
	// carried out. The caller asks again.
	ErrInFlight = errors.New("point: request in progress")
	// ErrNoRequest is returned for a request that the ledger does not know. It
	// promises nothing: the request may arrive later. Only [Ledger.Cancel] is
	// final.
	ErrNoRequest = errors.New("point: no such request")
	// ErrNoHolder is returned for a MyKey ID without accounts.
	ErrNoHolder = errors.New("point: no accounts under this MyKey ID")
	// ErrIDTaken is returned by [Ledger.Rename] for a MyKey ID that has accounts
	// of its own. See [Ledger.Join].
	ErrIDTaken = errors.New("point: the MyKey ID has accounts of its own")
	// ErrStopped is returned when the holder's accounts are stopped, or the
	// MyKey ID was revoked. Refunds are accepted all the same.
	ErrStopped = errors.New("point: the holder's accounts are stopped")
	// ErrClosed is returned for a programme that is closed, or, to spend, for
	// an event outside its service period.
	ErrClosed = errors.New("point: the programme is closed or outside its service period")
	// ErrKind is returned for an account of the wrong kind, such as reserved
	// points at a till.
	ErrKind = errors.New("point: not possible with points of this kind")
	// ErrNotUndoable is matched by every [*UndoError].
	ErrNotUndoable = errors.New("point: cannot be undone")
	// ErrRefund is returned for a refund of more points than are left of the
	// use, or of something that is no use.
	ErrRefund = errors.New("point: more than is left of the use")
	// ErrProof is returned when the holder has not proved himself and the sum
	// that the shop allows without proof, by holder and day, is used up.
	ErrProof = errors.New("point: the holder must prove himself for this sum")
	// ErrClaimed is returned for a coupon or a partner's reference that has
	// been taken by another request.
	ErrClaimed = errors.New("point: coupon or reference taken before")
	// ErrClock is returned by [Ledger.Sweep] and [Ledger.Due] when the clock is more
	// than a day past the newest operation and nobody has confirmed it.
	ErrClock = errors.New("point: the clock is far past the newest operation")
	// ErrOverflow is returned when a balance would leave its range.
	ErrOverflow = errors.New("point: the balance would be too great")
	// ErrProgrammeChanged is returned by [Ledger.SetProgramme] for a change of
	// kind or municipality, which would change what was granted.
	ErrProgrammeChanged = errors.New("point: the kind or municipality of a programme does not change")
)

var (
	// ErrBusy is returned when another transaction was in the way for longer
	// than [Config.RetryFor]. Nothing was changed; the same call can be made
	// again. It is never a matter of the balance.
	ErrBusy = sqldb.ErrBusy
	// ErrOutcomeUnknown is returned when the database did not say whether it
	// committed. The same call with the same [Request] gives the answer.
	ErrOutcomeUnknown = sqldb.ErrOutcomeUnknown
)

// ErrNotDurable is returned by a call of [Ledger.In] for a transaction that a
// crash could undo after its commit, because synchronous_commit is off or local.
var ErrNotDurable = sqldb.ErrNotDurable

// ErrTraining is returned when a ledger in training would take part in a
// transaction of a keeper that is not, or the other way round.
var ErrTraining = sqldb.ErrMode

type (
	// SchemaError is returned by [Open] for tables that a newer program made.
	SchemaError = sqldb.SchemaError
	// LostError is returned when a function of the program's, in a transaction of
	// the ledger, ended the transaction. What was changed until then may stand or
	// not. It is written down, and nothing goes on until a person has looked.
	LostError = sqldb.LostError
	// UnresolvedError is returned by [Open] while a lost transaction is written
	// down.
	UnresolvedError = sqldb.UnresolvedError
)

// ShortError is returned when the balance is less than the points. It matches
// [ErrShort].
type ShortError struct {
	Balance int64 // what can be spent
}

// ErrShort is matched by every [*ShortError].
var ErrShort = errors.New("point: not enough points")

// Error returns the text of [ErrShort], without the balance.
func (e *ShortError) Error() string { return ErrShort.Error() }

// Is reports whether target is [ErrShort].
func (e *ShortError) Is(target error) bool { return target == ErrShort }

// UndoError is returned by [Ledger.Cancel] for what cannot be undone, such as a
// ticket that was redeemed. It matches [ErrNotUndoable].
type UndoError struct {
	Receipt Receipt // the stored answer
	Err     error   // the reason, if there is one more than the kind of operation
}

// Error returns the kind of the operation and the reason.
func (e *UndoError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%v: %s: %v", ErrNotUndoable, e.Receipt.Kind, e.Err)
	}
	return fmt.Sprintf("%v: %s", ErrNotUndoable, e.Receipt.Kind)
}

// Is reports whether target is [ErrNotUndoable].
func (e *UndoError) Is(target error) bool { return target == ErrNotUndoable }

// Unwrap returns the reason.
func (e *UndoError) Unwrap() error { return e.Err }
