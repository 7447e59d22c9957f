package ticket

import (
	"context"
	"iter"
	"time"

	"github.com/mynakit/mynakit/internal/sqldb"
)

// Store keeps tickets. [Memory] and [SQLStore] are the stores of this
// package; a [Book] checks all input before it reaches one.
//
// Each method that writes does so wholly or not at all, and when it has
// returned without an error what it wrote is there to stay.
type Store interface {
	// Issue stores the drafts as new tickets of one scope, all of them or
	// none, each under a number drawn until it is free in the scope.
	Issue(ctx context.Context, d Drafts) (Batch, error)

	// Find gives a ticket as stored, or ErrNotFound.
	Find(ctx context.Context, scope Scope, n Number) (Ticket, error)

	// Change gives the ticket to decide and stores what decide makes of it.
	// No other change of the ticket comes between. decide may run several
	// times; its error is returned as it is, with the ticket unchanged.
	Change(ctx context.Context, scope Scope, n Number, decide func(Ticket) (Ticket, error)) (Ticket, error)

	// Replace is Change for two tickets: it stores next under a free number,
	// and old with that number as its ReplacedBy. Its result is next.
	Replace(ctx context.Context, scope Scope, n Number, room Room, decide func(Ticket) (old, next Ticket, err error)) (Ticket, error)

	// Unredeemed yields the tickets stored as Issued whose last day is in
	// the period, by last day and number.
	Unredeemed(ctx context.Context, scope Scope, until Period) iter.Seq2[Ticket, error]

	// Redeemed yields the tickets redeemed from the one instant up to but
	// not including the other, by time and number.
	Redeemed(ctx context.Context, scope Scope, from, to time.Time) iter.Seq2[Ticket, error]

	// Misses gives how often each subject was counted in the window.
	Misses(ctx context.Context, subjects []string, window int64) ([]int64, error)

	// Miss counts each subject once more and forgets windows before the last.
	Miss(ctx context.Context, subjects []string, window int64) error
}

// Drafts are tickets to be issued: complete but for their numbers.
type Drafts struct {
	Scope   Scope
	Tickets []Ticket
	Room    Room
	// Same gives ErrConflict when ticket i of the drafts is not what the
	// earlier ticket with its order key is.
	Same func(i int, earlier Ticket) error
}

// Room says where new numbers come from and how many a scope may hold.
type Room struct {
	Draw  func() Number
	Limit int64
}

// Batch is what an issue made.
type Batch struct {
	// Tickets are in the order of the orders. A ticket whose order key was
	// seen before is the earlier ticket.
	Tickets []Ticket
	Redraws int   // numbers drawn again because they were taken
	Taken   int64 // numbers in use in the scope afterwards
	New     int   // tickets that are new: the rest repeat earlier orders
}

// maxRounds bounds how often a store draws anew for what collided. A scope is
// at most half full, so each round leaves less than half of the last.
const maxRounds = 64

// Errors of the database that a program may want to tell apart.
var (
	// ErrBusy says that another writer stayed in the way. Nothing was
	// written; the same call may be made again.
	ErrBusy = sqldb.ErrBusy
	// ErrOutcomeUnknown says that the connection broke during COMMIT: all was
	// written or nothing. Make the same call again with the same key.
	ErrOutcomeUnknown = sqldb.ErrOutcomeUnknown
)
