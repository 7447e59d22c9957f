package ticket

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// Limits that no [Policy] can widen.
const (
	MaxDays   = 30         // of validity, the day of issue not counted
	MaxPoints = 99_999_999 // on one ticket
	MaxBatch  = 10_000     // orders in one call of IssueBatch
)

// Policy is what an issuer may decide. The zero Policy is the strict reading
// of the design document.
type Policy struct {
	// MaxDays is the longest validity, 1 to 30 days; zero means 30. A ticket
	// of n days that is issued on day D is good to the end of day D+n.
	MaxDays int
	// MaxPoints is the most points on one ticket; zero means the package's
	// MaxPoints.
	MaxPoints int64
	// GraceDays is for how many days after the last day of a ticket it can
	// still be redeemed by a caller who states, as
	// [Presentation].Accepted, that a shop took it in time: 0 to 90.
	// Zero, no grace, is the document's own rule.
	GraceDays int
	// WarnAt is the count of numbers in use in a scope from which an audit
	// event tells of its filling; zero means 1 % of [Space].
	WarnAt int64
	// RefuseAt is the count of numbers in use in a scope beyond which
	// nothing is issued; zero means 10 % of [Space], and half is the most.
	RefuseAt int64
	// Throttle bounds wrong numbers.
	Throttle Throttle
}

func (p Policy) withDefaults() (Policy, error) {
	if p.MaxDays == 0 {
		p.MaxDays = MaxDays
	}
	if p.MaxPoints == 0 {
		p.MaxPoints = MaxPoints
	}
	if p.WarnAt == 0 {
		p.WarnAt = Space / 100
	}
	if p.RefuseAt == 0 {
		p.RefuseAt = Space / 10
	}
	bad := ""
	switch {
	case p.MaxDays < 1 || p.MaxDays > MaxDays:
		bad = "MaxDays"
	case p.MaxPoints < 1 || p.MaxPoints > MaxPoints:
		bad = "MaxPoints"
	case p.GraceDays < 0 || p.GraceDays > 90:
		bad = "GraceDays"
	case p.WarnAt < 1:
		bad = "WarnAt"
	case p.RefuseAt < 1 || p.RefuseAt > Space/2:
		bad = "RefuseAt"
	}
	if bad != "" {
		return p, fmt.Errorf("%w: %s", ErrPolicy, bad)
	}
	var err error
	p.Throttle, err = p.Throttle.withDefaults()
	return p, err
}

// Config is what a [Book] works with. The zero Config is usable, without QR
// codes.
type Config struct {
	Policy Policy
	// Keys seal and open QR codes. Without a key there are none and every
	// code that looks like one is refused.
	Keys Keys
	// Audit, if set, is called once for each operation that came to an
	// answer, in the caller's goroutine. It must not hold the counter up.
	Audit func(context.Context, Event)
	// AuditKey, if set, keys [Event].Ref. It is copied.
	AuditKey []byte
	// Clock tells the time; nil means time.Now.
	Clock func() time.Time
}

// Book is an issuer's book of tickets: it issues, reprints, replaces and
// cancels, answers the counters, and settles. It is safe for use by several
// goroutines, and several programs may keep a Book on the same database.
type Book struct {
	store   Store
	cfg     Config
	policy  Policy
	guesses guesses
}

// NewBook makes a book on a store. The errors are [ErrPolicy], which no store
// at all also is, and [ErrSecret].
func NewBook(store Store, cfg Config) (*Book, error) {
	if store == nil {
		return nil, fmt.Errorf("%w: no store", ErrPolicy)
	}
	policy, err := cfg.Policy.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := cfg.Keys.check(); err != nil {
		return nil, err
	}
	cfg.Keys = append(Keys(nil), cfg.Keys...)
	cfg.AuditKey = append([]byte(nil), cfg.AuditKey...)
	return &Book{
		store:   store,
		cfg:     cfg,
		policy:  policy,
		guesses: guesses{limit: policy.Throttle, store: store},
	}, nil
}

// now gives the time as a store keeps it.
func (b *Book) now() time.Time {
	now := time.Now
	if b.cfg.Clock != nil {
		now = b.cfg.Clock
	}
	return instantOf(now().UnixMicro())
}

func (b *Book) room() Room { return Room{Draw: NewNumber, Limit: b.policy.RefuseAt} }

// Order asks for one ticket.
type Order struct {
	// Points is what the ticket is worth: 1 to Policy.MaxPoints.
	Points int64
	// Until is the last day on which it can be redeemed: today at the
	// earliest, Policy.MaxDays from today at the latest. The zero Date means
	// the latest.
	Until Date
	// Key, if not empty, makes the order safe to repeat: a second order with
	// the same key in the same scope gives the ticket of the first. At most
	// MaxKey bytes without control characters.
	Key string
}

// OrderError says which order of a batch was at fault. Nothing of the batch
// was issued.
type OrderError struct {
	Index int   // in the slice of orders
	Err   error // ErrPoints, ErrValidity, ErrKey or ErrConflict
}

// Error names the order's place and the fault.
func (e *OrderError) Error() string { return fmt.Sprintf("%v (order %d)", e.Err, e.Index) }

// Unwrap gives Err.
func (e *OrderError) Unwrap() error { return e.Err }

// Issue issues one ticket at a terminal (ポイント券発行). The number is
// random and differs from every other of the terminal's scope; that is the
// store's unique constraint's doing, so it holds between programs too.
//
// The errors are [ErrTerminal], [ErrScope]; an [*OrderError] of [ErrPoints],
// [ErrValidity], [ErrKey] or [ErrConflict]; a [*FullError]; or the store's.
// In every case but [ErrOutcomeUnknown] nothing was issued. After a lost
// answer ask again with the same [Order].Key.
func (b *Book) Issue(ctx context.Context, at Terminal, o Order) (Ticket, error) {
	batch, err := b.IssueBatch(ctx, at, []Order{o})
	if err != nil {
		return Ticket{}, err
	}
	return batch.Tickets[0], nil
}

// IssueBatch issues up to [MaxBatch] tickets in one transaction, all or none.
// It can return what [Book.Issue] can, and [ErrBatch].
func (b *Book) IssueBatch(ctx context.Context, at Terminal, orders []Order) (Batch, error) {
	if err := at.Check(); err != nil {
		return Batch{}, err
	}
	if len(orders) > MaxBatch {
		return Batch{}, ErrBatch
	}
	now := b.now()
	today := DateOf(now)
	latest := today.AddDays(b.policy.MaxDays)
	tickets := make([]Ticket, len(orders))
	keys := make(map[string]bool)
	for i, o := range orders {
		t := Ticket{Scope: at.Scope, Points: o.Points, Until: o.Until, State: Issued,
			IssuedAt: now, IssuedBy: at.ID, OrderKey: o.Key, Prints: 1}
		if t.Until.IsZero() {
			t.Until = latest
		}
		var err error
		switch {
		case t.Points < 1 || t.Points > b.policy.MaxPoints:
			err = ErrPoints
		case !t.Until.Valid() || t.Until.Compare(today) < 0 || t.Until.Compare(latest) > 0:
			err = ErrValidity
		case !validKey(o.Key):
			err = ErrKey
		case o.Key != "" && keys[o.Key]:
			err = ErrConflict
		}
		if err != nil {
			return Batch{}, &OrderError{Index: i, Err: err}
		}
		if o.Key != "" {
			keys[o.Key] = true
		}
		tickets[i] = t
	}
	if len(tickets) == 0 {
		return Batch{}, nil
	}
	same := func(i int, earlier Ticket) error {
		o := orders[i]
		if earlier.Points != o.Points || !o.Until.IsZero() && earlier.Until != o.Until {
			return &OrderError{Index: i, Err: ErrConflict}
		}
		return nil
	}
	batch, err := b.store.Issue(ctx, Drafts{Scope: at.Scope, Tickets: tickets, Room: b.room(), Same: same})
	if err != nil {
		return Batch{}, err
	}
	e := Event{Op: OpIssue, Terminal: at, Count: batch.New}
	if before := batch.Taken - int64(batch.New); batch.Taken/b.policy.WarnAt > before/b.policy.WarnAt {
		e.Filling = batch.Taken
	}
	var n Number
	if len(batch.Tickets) == 1 {
		n = batch.Tickets[0].Number
		e.Points = batch.Tickets[0].Points
	}
	b.note(ctx, e, n)
	return batch, nil
}

// QR gives the text of the ticket's QR code: see [Keys.Seal].
func (b *Book) QR(t Ticket) (string, error) { return b.cfg.Keys.Seal(t.Scope, t.Number) }

// Find gives a ticket to somebody who may know everything of it, such as the
// issuer's back office: when and where it was redeemed, what replaced it. Its
// State is as of now. The errors are [ErrNotFound], or the store's.
func (b *Book) Find(ctx context.Context, scope Scope, n Number) (Ticket, error) {
	t, err := b.store.Find(ctx, scope, n)
	if err != nil {
		return Ticket{}, err
	}
	t.State = t.StateAt(b.now(), b.policy.GraceDays)
	return t, nil
}

// Reprint records that a live ticket is put on paper once more under the same
// number (再発行), and gives it for printing. Both papers redeem, whichever
// comes first: where the first paper may be in other hands, use
// [Book.Replace]. The errors are [ErrTerminal], [ErrScope], [ErrNotFound], a
// [*StateError], or the store's.
func (b *Book) Reprint(ctx context.Context, at Terminal, n Number) (Ticket, error) {
	return b.change(ctx, OpReprint, at, n, func(t Ticket) (Ticket, error) { return t.reprint(b.now()) })
}

// Cancel takes a ticket back before use (取消); what becomes of its points is
// the caller's business. Cancelling a cancelled ticket changes nothing and is
// no error. The errors are as for [Book.Reprint].
func (b *Book) Cancel(ctx context.Context, at Terminal, n Number) (Ticket, error) {
	return b.change(ctx, OpCancel, at, n, func(t Ticket) (Ticket, error) {
		return t.cancel(at.ID, b.now(), b.policy.GraceDays)
	})
}

func (b *Book) change(ctx context.Context, op Op, at Terminal, n Number, decide func(Ticket) (Ticket, error)) (Ticket, error) {
	if err := at.Check(); err != nil {
		return Ticket{}, err
	}
	t, err := b.store.Change(ctx, at.Scope, n, decide)
	if err != nil {
		return Ticket{}, err
	}
	b.note(ctx, Event{Op: op, Terminal: at, Points: t.Points}, n)
	return t, nil
}

// Replace voids a live ticket and issues a new number for the same points and
// the same last day (再発行), and gives the new ticket. With a key, as in
// [Order], it can be repeated after a lost answer. The errors are as for
// [Book.Reprint], and [ErrKey], [ErrConflict] and [*FullError].
func (b *Book) Replace(ctx context.Context, at Terminal, n Number, key string) (Ticket, error) {
	if err := at.Check(); err != nil {
		return Ticket{}, err
	}
	if !validKey(key) {
		return Ticket{}, ErrKey
	}
	var successor Number
	t, err := b.store.Replace(ctx, at.Scope, n, b.room(), func(t Ticket) (Ticket, Ticket, error) {
		successor = t.ReplacedBy
		return t.replace(at.ID, key, b.now())
	})
	if errors.Is(err, ErrState) && key != "" && !successor.IsZero() {
		if made, ferr := b.store.Find(ctx, at.Scope, successor); ferr == nil && made.OrderKey == key {
			return made, nil
		}
	}
	if err != nil {
		return Ticket{}, err
	}
	b.note(ctx, Event{Op: OpReplace, Terminal: at, Points: t.Points}, n)
	return t, nil
}

// Unredeemed yields a scope's tickets that were not redeemed, cancelled or
// replaced and whose last day lies in the period, by last day and number,
// with their State as of now. With a period that begins today it is the list
// of what is about to lapse, for the shops to bring in what they hold; with
// one that is over it is the sweep of what has lapsed. The errors are
// [ErrScope], [ErrPeriod], or the store's; an error ends the sequence.
func (b *Book) Unredeemed(ctx context.Context, scope Scope, until Period) iter.Seq2[Ticket, error] {
	return func(yield func(Ticket, error) bool) {
		if err := errors.Join(scope.Check(), until.Check()); err != nil {
			yield(Ticket{}, err)
			return
		}
		now := b.now()
		for t, err := range b.store.Unredeemed(ctx, scope, until) {
			t.State = t.StateAt(now, b.policy.GraceDays)
			if !yield(t, err) || err != nil {
				return
			}
		}
	}
}
