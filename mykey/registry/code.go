package registry

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"syscall"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
)

// CodeOf returns the published code for an error of packages jpki and apdu, of
// the registry or of a network connection, and false where none was published
// for it.
//
// A wrong or blocked PIN has none, nor has a typing error: the remedy for
// [mykey.CodeCardRead] would be to try again, and a PIN has few tries. Show what
// [*jpki.PINError] says. A certificate that is not to be trusted has none
// either, and one that the card does not have.
//
//	[ErrExpired], [ErrSuperseded], [jpki.ErrExpired],
//	[*jpki.RevokedError]                                 CodeCertificate
//	[jpki.ErrIssuerValidity]                             none: the root has expired, not the card
//	[ErrAlreadyEnrolled]                                 CodeReserved
//	[ErrIDReplaced], [ErrRetired]                        CodeReplaced
//	[apdu.ErrCardRemoved], [apdu.ErrCardReset],
//	[apdu.ErrExchange], [apdu.ErrResponseLength],
//	[apdu.ErrTooManyExchanges], [*apdu.StatusError],
//	[jpki.ErrCardChanged], [jpki.ErrOutcomeUnknown],
//	[jpki.ErrChangeUnknown], [jpki.ErrReply],
//	[jpki.ErrCardData], [jpki.ErrCertificate],
//	[jpki.ErrSignature], [jpki.ErrNotAuthentic],
//	[jpki.ErrNotJPKI], [jpki.ErrReaderLimit]             CodeCardRead
//	a [*jpki.StepError] whose time ran out               CodeCardRead
//	the database's, another timeout, a [net.Error]        CodeNetwork
//	[jpki.ErrRevocationUnknown]                          CodeNetwork for such a cause, or none
//
// Errors of package pcsc have the code of what they wrap: a card that was taken
// away is [apdu.ErrCardRemoved]. The others, of readers and their service, have
// none.
func CodeOf(err error) (mykey.ErrorCode, bool) {
	as := func(target error) bool { return errors.Is(err, target) }
	switch {
	case err == nil, isPIN(err):
		return "", false
	case as(jpki.ErrIssuerValidity):
		return "", false // comes with jpki.ErrExpired, and no counter renews a root
	case as(ErrExpired), as(ErrSuperseded), isEnded(err):
		return mykey.CodeCertificate, true
	case as(ErrAlreadyEnrolled):
		return mykey.CodeReserved, true
	case as(ErrIDReplaced), as(ErrRetired):
		return mykey.CodeReplaced, true
	case refused(err) != nil:
		return "", false
	case isCard(err):
		return mykey.CodeCardRead, true
	case as(context.Canceled):
		return "", false // the user went away
	case isNetwork(err):
		return mykey.CodeNetwork, true
	}
	return "", false
}

// isEnded reports whether package jpki says that a certificate is at its end.
func isEnded(err error) bool {
	if errors.Is(err, jpki.ErrExpired) {
		return true
	}
	_, ok := errors.AsType[*jpki.RevokedError](err)
	return ok
}

func isPIN(err error) bool {
	// The outcome of a PIN whose card went away is a matter of the card.
	if errors.Is(err, jpki.ErrOutcomeUnknown) {
		return false
	}
	if _, ok := errors.AsType[*jpki.PINError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*jpki.LastTryError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*jpki.PINRequiredError](err); ok {
		return true
	}
	_, ok := errors.AsType[*jpki.FormatError](err)
	return ok
}

func isCard(err error) bool {
	for _, target := range []error{apdu.ErrCardRemoved, apdu.ErrCardReset, apdu.ErrExchange, apdu.ErrResponseLength, apdu.ErrTooManyExchanges,
		jpki.ErrOutcomeUnknown, jpki.ErrChangeUnknown, jpki.ErrCardChanged, jpki.ErrReply, jpki.ErrCardData,
		jpki.ErrCertificate, jpki.ErrSignature, jpki.ErrNotAuthentic, jpki.ErrNotJPKI, jpki.ErrReaderLimit} {
		if errors.Is(err, target) {
			return true
		}
	}
	if _, ok := errors.AsType[apdu.Status](err); ok { // in every *apdu.StatusError
		return true
	}
	// Where the time of a step ran out, a card or a reader was silent; but for
	// revocation, which is asked of a server.
	_, ok := errors.AsType[*jpki.StepError](err)
	return ok && errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, jpki.ErrRevocationUnknown)
}

func isNetwork(err error) bool {
	if _, ok := errors.AsType[*sqldb.StoreError](err); ok {
		return true
	}
	if e, ok := errors.AsType[net.Error](err); ok {
		// The system's own error numbers have the methods of a net.Error, also
		// those of files; what is of a network comes in a *net.OpError.
		if _, number := e.(syscall.Errno); !number {
			return true
		}
	}
	for _, target := range []error{context.DeadlineExceeded, driver.ErrBadConn, sql.ErrConnDone, io.ErrUnexpectedEOF} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}
