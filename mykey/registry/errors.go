package registry

import (
	"errors"
	"fmt"

	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/mynakit/mynakit/mykey"
)

// refusal is the type of the errors that state a rule, as against those of a
// database that does not work.
type refusal string

func (r refusal) Error() string { return "registry: " + string(r) }

// What the registry refuses. Each is found with [errors.Is], and each leaves
// the registry as it was.
var (
	// ErrNotEnrolled: no MyKey ID is bound to this card.
	ErrNotEnrolled error = refusal("no MyKey ID is bound to this card")
	// ErrAlreadyEnrolled: a MyKey ID is bound to this card already. See
	// [mykey.CodeReserved].
	ErrAlreadyEnrolled error = refusal("a MyKey ID is bound to this card already")
	// ErrNotFound: no person has this key.
	ErrNotFound error = refusal("nobody has this key")
	// ErrRetired: the MyKey ID was revoked, or given up in a change. It is
	// never valid again, for anybody.
	ErrRetired error = refusal("the MyKey ID has been revoked or given up")
	// ErrIDReplaced: since the session began, the holder has got another
	// MyKey ID or has lost this one. Begin again. See [mykey.CodeReplaced].
	ErrIDReplaced error = refusal("the holder's MyKey ID is no longer what it was when the session began")
	// ErrTwoIssuers: two certificates of two issuers have this serial number.
	// Read the certificate and call [Registry.Begin], which compares the issuer.
	ErrTwoIssuers error = refusal("two certificates of two issuers have this serial number")
	// ErrExpired: the certificate has expired. See [mykey.CodeCertificate].
	ErrExpired error = refusal("the certificate has expired")
	// ErrSuperseded: a reissued certificate has taken the place of this one.
	ErrSuperseded error = refusal("a newer certificate has taken the place of this one")
	// ErrCertificateTaken: the certificate is bound to another person, or is
	// a former one of somebody's.
	ErrCertificateTaken error = refusal("the certificate is bound already")
	// ErrWrongDevice: the certificate is not of the same device as the one whose
	// place it is to take. A card does not replace a phone:
	// [Session.AddCertificate] binds it beside the phone.
	ErrWrongDevice error = refusal("not of the same device as the certificate it is to replace")

	// ErrWrongCard: the card at the confirm step is not the card the session
	// began with. The session is over: somebody else is at the terminal.
	ErrWrongCard error = refusal("not the card this session began with")
	// ErrSessionOver: the session was closed, or has lasted longer than
	// [Config.SessionLife].
	ErrSessionOver error = refusal("the session is over")
	// ErrInForce: the holder has a certificate in force. It is shown at the
	// counter, or renewed; nobody else's card takes its place.
	ErrInForce error = refusal("a certificate of the holder is in force")
	// ErrOneClerk: two members of staff have to look, and one was named twice.
	ErrOneClerk error = refusal("a recovery needs two members of staff")
	// ErrRecoveryOpen: a recovery is waiting already for the holder or the card.
	ErrRecoveryOpen error = refusal("a recovery is waiting already")
	// ErrRecoveryRate: the clerk has asked for as many recoveries as
	// [Config.RecoveryRate] allows.
	ErrRecoveryRate error = refusal("too many recoveries by one member of staff")
	// ErrNoNotice: [Config.Notice] is nil, so no holder can be told.
	ErrNoNotice error = refusal("no way to tell the holder is configured")
	// ErrJoined: two MyKey IDs were joined, and cannot be taken apart any more.
	ErrJoined error = refusal("the MyKey ID has been joined with another")

	// ErrPINRequired: the card in the reader must prove itself for this: see
	// [Presence].
	ErrPINRequired error = refusal("the card must have accepted its PIN and signed for this")

	// ErrDuplicate is matched by every [*DuplicateError].
	ErrDuplicate error = refusal("the MyKey ID is taken")
	// ErrAutomaticOnly: three duplicate answers have been given for this
	// card; only automatic candidates are left (システム設計書 I.6④).
	ErrAutomaticOnly error = refusal("three duplicates: only automatic generation is left")
	// ErrSameID: the candidate is the holder's present ID.
	ErrSameID error = refusal("this is the holder's present MyKey ID")
	// ErrNoCandidate: there is no candidate to accept, or it was kept so long
	// that it has lapsed and somebody else has it.
	ErrNoCandidate error = refusal("there is no candidate to accept")
	// ErrNoFreeID: generation met taken IDs again and again.
	ErrNoFreeID error = refusal("no free MyKey ID was found")

	// ErrServiceExists: the holder has another customer ID with this
	// operator. [Session.ReplaceService] overwrites it.
	ErrServiceExists error = refusal("the holder has another customer ID with this operator")
	// ErrCustomerTaken: the customer ID belongs to another person.
	ErrCustomerTaken error = refusal("the customer ID belongs to another person")
	// ErrPPIDTaken: the holder has another PPID for this system, or another
	// person has this one.
	ErrPPIDTaken error = refusal("another PPID for this system, or another person's")
	// ErrConsent: the sign certificate's serial number may be kept only after
	// the holder was told what for (システム設計書 II.9②).
	ErrConsent error = refusal("the explanation that was shown must be recorded with the consent")
	// ErrSignTaken: the sign certificate is recorded for another person.
	ErrSignTaken error = refusal("the sign certificate is recorded for another person")
	// ErrAlreadyApplied: the holder has chosen a payment service, which
	// cannot be changed.
	ErrAlreadyApplied error = refusal("the holder has chosen a payment service already")
	// ErrPaymentTaken: the payment service ID is another person's, or was one's
	// whose MyKey ID has been revoked.
	ErrPaymentTaken error = refusal("the payment service ID belongs to another person")

	// ErrSerialForm: no [SerialForm] was chosen, its key is too short, or the
	// table was made with another form or another key.
	ErrSerialForm error = refusal("no usable form of serial numbers, or not the one this table was made with")
)

// DuplicateError is the answer that a candidate of the holder's own is taken.
type DuplicateError struct {
	Left int // how many more such answers the card may be given, 0 to 2
}

// Error returns how many are left.
func (e *DuplicateError) Error() string {
	return fmt.Sprintf("registry: the MyKey ID is taken; %d more tries of one's own", e.Left)
}

// Is reports whether target is [ErrDuplicate].
func (e *DuplicateError) Is(target error) bool { return target == ErrDuplicate }

// ImportError names the record that made [Registry.Import] refuse them all.
type ImportError struct {
	Index int // counted from 0
	Err   error
}

// Error returns index and cause.
func (e *ImportError) Error() string { return fmt.Sprintf("registry: record %d: %v", e.Index, e.Err) }

// Unwrap returns the cause.
func (e *ImportError) Unwrap() error { return e.Err }

var domain = sqldb.Domain{Package: "registry", Schema: schema, Own: refused, NoLoss: ErrNoLoss}

// refused returns err if it states a rule.
func refused(err error) error {
	_, rule := errors.AsType[refusal](err)
	if rule || errors.Is(err, ErrDuplicate) || errors.Is(err, mykey.ErrForm) {
		return err
	}
	return nil
}

// The fields that a [*mykey.FormError] of this package names.
const (
	fieldID   = "MyKey ID"
	fieldPPID = "PPID"
)

// missing is the error for a value that the caller left out.
func missing(field string) error {
	return &mykey.FormError{Field: field, Rule: mykey.RuleMissing, Pos: -1}
}
