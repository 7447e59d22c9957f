package registry

import (
	"context"
	"github.com/mynakit/mynakit/mykey"
	"time"
)

// Store keeps a registry's tables: [NewMemory] or [OpenSQL]. The rules are not
// here but in [Registry]; a store knows rows, constraints and transactions.
type Store interface {
	// update runs fn in a transaction that commits when fn returns nil. fn
	// may be run again from its start.
	update(ctx context.Context, fn func(ctx context.Context, tx tx) error) error
	// view runs fn on one consistent state. fn must not write.
	view(ctx context.Context, fn func(ctx context.Context, tx tx) error) error
	// holder is the one query of a tap: whose certificate is this?
	holder(ctx context.Context, stored string) (holderRow, bool, error)
	// customer is holder's sequel at an operator's counter.
	customer(ctx context.Context, stored string, op mykey.OperatorID) (mykey.CustomerID, holderRow, bool, error)
	// setting stores value under name if nothing is there, and gives what is
	// there afterwards.
	setting(ctx context.Context, name, value string) (string, error)
}

// tx is the tables inside a transaction. Every method that adds a row reports
// by its bool whether the constraints let it in; it does not look first.
//
// Writers that touch the same person or the same card take turns, because
// each begins with lockCard or lockPerson. Where both are locked, the card
// comes first.
type tx interface {
	// lockCard gives the enrolment counters of a card, zero for a new one.
	lockCard(ctx context.Context, stored string) (cardRow, error)
	// card is lockCard for a view.
	card(ctx context.Context, stored string) (cardRow, error)
	putCard(ctx context.Context, stored string, c cardRow) error

	// claimID reserves an ID that has never been given to anyone. It also
	// succeeds on the card's own claim and on one made before stale.
	claimID(ctx context.Context, id mykey.ID, stored string, now, stale time.Time) (bool, error)
	// releaseID gives up the card's claim, if it still has it.
	releaseID(ctx context.Context, id mykey.ID, stored string) error
	// activateID turns the card's claim into an ID in use.
	activateID(ctx context.Context, id mykey.ID, stored string, now time.Time) (bool, error)
	// retireID ends an ID in use for good.
	retireID(ctx context.Context, id mykey.ID, to idState, now time.Time) error
	idState(ctx context.Context, id mykey.ID) (idState, error)

	addPerson(ctx context.Context, id mykey.ID, now time.Time) (int64, error)
	// lockPerson gives the person's present ID, and false if there is no such
	// person any more.
	lockPerson(ctx context.Context, person int64) (mykey.ID, bool, error)
	setPersonID(ctx context.Context, person int64, id mykey.ID) error
	// removePerson deletes the person with everything bound to it, but for a
	// choice that has been kept.
	removePerson(ctx context.Context, person int64) error
	// find gives the person with this key, or 0.
	find(ctx context.Context, key mykey.Key) (int64, mykey.ID, error)

	binding(ctx context.Context, stored string) (bindingRow, bool, error)
	bindings(ctx context.Context, person int64) ([]bindingRow, error)
	addBinding(ctx context.Context, b bindingRow) (bool, error)
	// refreshBinding corrects the expiry of a certificate in force.
	refreshBinding(ctx context.Context, stored string, notAfter time.Time) error
	// supersede ends a binding in force, and reports whether it was.
	supersede(ctx context.Context, stored string, now time.Time) (bool, error)

	services(ctx context.Context, person int64) ([]mykey.ServiceID, error)
	addService(ctx context.Context, person int64, s mykey.ServiceID, now time.Time) (bool, error)
	removeService(ctx context.Context, person int64, op mykey.OperatorID) (bool, error)

	ppids(ctx context.Context, person int64) ([]mykey.PPID, error)
	addPPID(ctx context.Context, person int64, p mykey.PPID, now time.Time) (bool, error)

	notice(ctx context.Context, person int64) (noticeRow, bool, error)
	addNotice(ctx context.Context, person int64, n noticeRow) (bool, error)
	removeNotice(ctx context.Context, person int64) error

	// payment gives the person's choice; where there is none, the oldest that
	// was kept for one of the person's certificates.
	payment(ctx context.Context, person int64) (PaymentLink, bool, error)
	addPayment(ctx context.Context, person int64, p PaymentLink) (bool, error)
	// keepPayment keeps the choice for the person's certificates, before
	// removePerson. A certificate for which one was kept keeps that one.
	keepPayment(ctx context.Context, person int64, p PaymentLink) error
}

// idState is where a MyKey ID stands. An ID without a row was never given to
// anyone. The numbers are in the databases of others.
type idState int64

const (
	idFree      idState = 0 // no row
	idReserved  idState = 1 // claimed by a card that is enrolling
	idActive    idState = 2 // a person's
	idAbandoned idState = 3 // given up in a change; never given out again
	idRevoked   idState = 4 // revoked; never valid again
)

// cardRow is how far a card has come in its enrolment.
type cardRow struct {
	offers      int       // automatic candidates given in this procedure
	duplicates  int       // duplicate answers given
	duplicateAt time.Time // when the last was given
	candidate   mykey.ID  // the present candidate; after the end, the ID registered
	finished    bool      // the procedure has ended with a registration
	replaces    mykey.ID  // the ID that the procedure is to replace; zero for a first one
}

// bindingRow ties a certificate, in its stored form, to a person.
type bindingRow struct {
	stored     string
	person     int64
	device     Device
	notAfter   time.Time
	bound      time.Time
	superseded time.Time // zero while in force
}

func (b bindingRow) inForce() bool { return b.superseded.IsZero() }

// holderRow is what a tap needs to know.
type holderRow struct {
	person     int64
	id         mykey.ID
	notAfter   time.Time
	superseded bool
}

// noticeRow is the consent to the address-change notice.
type noticeRow struct {
	stored      string // the sign certificate's serial, in stored form
	notAfter    time.Time
	explanation string
	at          time.Time
}
