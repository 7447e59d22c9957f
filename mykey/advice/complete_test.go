package advice_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/apdu/tlv"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/jpki/cms"
	"github.com/mynakit/mynakit/jpki/revoke"
	"github.com/mynakit/mynakit/jpki/unlock"
	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/inbox"
	"github.com/mynakit/mynakit/mergefile/ledger"
	"github.com/mynakit/mynakit/mergefile/outbox"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/advice"
	"github.com/mynakit/mynakit/mykey/grant"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/mynakit/mynakit/ticket"
	"github.com/mynakit/mynakit/ticket/paper"
)

// errCause is an error that the catalogue does not know, inside of one that it does.
var errCause = errors.New("a fault that nobody has thought of")

// known returns every exported error of the packages that the catalogue is for.
// TestComplete compares it with docs/api, the list of all that is exported.
func known() map[string]error {
	return map[string]error{
		// apdu
		"apdu.StatusError":         &apdu.StatusError{},
		"apdu.ErrCardRemoved":      apdu.ErrCardRemoved,
		"apdu.ErrCardReset":        apdu.ErrCardReset,
		"apdu.ErrCommandLength":    apdu.ErrCommandLength,
		"apdu.ErrCommandRange":     apdu.ErrCommandRange,
		"apdu.ErrExchange":         apdu.ErrExchange,
		"apdu.ErrResponseLength":   apdu.ErrResponseLength,
		"apdu.ErrTooManyExchanges": apdu.ErrTooManyExchanges,
		"apdu.Status":              apdu.Status(0x6A82),

		// apdu/tlv
		"apdu/tlv.ErrDepth":     tlv.ErrDepth,
		"apdu/tlv.ErrLength":    tlv.ErrLength,
		"apdu/tlv.ErrNotFound":  tlv.ErrNotFound,
		"apdu/tlv.ErrTag":       tlv.ErrTag,
		"apdu/tlv.ErrTruncated": tlv.ErrTruncated,

		// jpki
		"jpki.FormatError":          &jpki.FormatError{},
		"jpki.HolderDataError":      &jpki.HolderDataError{},
		"jpki.LastTryError":         &jpki.LastTryError{},
		"jpki.NoApplicationError":   &jpki.NoApplicationError{},
		"jpki.PINError":             &jpki.PINError{},
		"jpki.PINRequiredError":     &jpki.PINRequiredError{},
		"jpki.RevokedError":         &jpki.RevokedError{},
		"jpki.StepError":            &jpki.StepError{Err: errCause},
		"jpki.UnsupportedError":     &jpki.UnsupportedError{},
		"jpki.ErrAlgorithm":         jpki.ErrAlgorithm,
		"jpki.ErrCA":                jpki.ErrCA,
		"jpki.ErrCardChanged":       jpki.ErrCardChanged,
		"jpki.ErrCardData":          jpki.ErrCardData,
		"jpki.ErrCertificate":       jpki.ErrCertificate,
		"jpki.ErrChangeUnknown":     jpki.ErrChangeUnknown,
		"jpki.ErrConstraint":        jpki.ErrConstraint,
		"jpki.ErrCriticalExtension": jpki.ErrCriticalExtension,
		"jpki.ErrDate":              jpki.ErrDate,
		"jpki.ErrExpired":           jpki.ErrExpired,
		"jpki.ErrIssuer":            jpki.ErrIssuer,
		"jpki.ErrIssuerSignature":   jpki.ErrIssuerSignature,
		"jpki.ErrIssuerValidity":    jpki.ErrIssuerValidity,
		"jpki.ErrKeyUsage":          jpki.ErrKeyUsage,
		"jpki.ErrMyNumber":          jpki.ErrMyNumber,
		"jpki.ErrNoAnchor":          jpki.ErrNoAnchor,
		"jpki.ErrNoCertificate":     jpki.ErrNoCertificate,
		"jpki.ErrNoHolderData":      jpki.ErrNoHolderData,
		"jpki.ErrNotAuthentic":      jpki.ErrNotAuthentic,
		"jpki.ErrNotJPKI":           jpki.ErrNotJPKI,
		"jpki.ErrNotYetValid":       jpki.ErrNotYetValid,
		"jpki.ErrOutcomeUnknown":    jpki.ErrOutcomeUnknown,
		"jpki.ErrPolicy":            jpki.ErrPolicy,
		"jpki.ErrPseudonym":         jpki.ErrPseudonym,
		"jpki.ErrReaderLimit":       jpki.ErrReaderLimit,
		"jpki.ErrReply":             jpki.ErrReply,
		"jpki.ErrRevocationUnknown": jpki.ErrRevocationUnknown,
		"jpki.ErrRoot":              jpki.ErrRoot,
		"jpki.ErrSerial":            jpki.ErrSerial,
		"jpki.ErrSignature":         jpki.ErrSignature,

		// jpki/cms
		"jpki/cms.ErrContent":     cms.ErrContent,
		"jpki/cms.ErrMessage":     cms.ErrMessage,
		"jpki/cms.ErrNotAccepted": cms.ErrNotAccepted,
		"jpki/cms.ErrSignature":   cms.ErrSignature,
		"jpki/cms.ErrSigner":      cms.ErrSigner,
		"jpki/cms.ErrSigningTime": cms.ErrSigningTime,

		// jpki/revoke
		"jpki/revoke.ErrList":        revoke.ErrList,
		"jpki/revoke.ErrPartialList": revoke.ErrPartialList,
		"jpki/revoke.ErrStaleList":   revoke.ErrStaleList,

		// jpki/unlock
		"jpki/unlock.KioskError": &unlock.KioskError{Reason: unlock.KioskClosed},

		// mergefile
		"mergefile.FieldError":     &mergefile.FieldError{},
		"mergefile.ProbeError":     &mergefile.ProbeError{},
		"mergefile.ProfileError":   &mergefile.ProfileError{},
		"mergefile.RecordError":    &mergefile.RecordError{},
		"mergefile.ErrClosed":      mergefile.ErrClosed,
		"mergefile.ErrDuplicate":   mergefile.ErrDuplicate,
		"mergefile.ErrEmpty":       mergefile.ErrEmpty,
		"mergefile.ErrHolder":      mergefile.ErrHolder,
		"mergefile.ErrInvalid":     mergefile.ErrInvalid,
		"mergefile.ErrKey":         mergefile.ErrKey,
		"mergefile.ErrName":        mergefile.ErrName,
		"mergefile.ErrSingle":      mergefile.ErrSingle,
		"mergefile.ErrTransaction": mergefile.ErrTransaction,
		"mergefile.ErrUnfinished":  mergefile.ErrUnfinished,
		"mergefile.ErrUnsorted":    mergefile.ErrUnsorted,

		// mergefile/inbox
		"mergefile/inbox.ErrLone":       inbox.ErrLone,
		"mergefile/inbox.ErrName":       inbox.ErrName,
		"mergefile/inbox.ErrNotRegular": inbox.ErrNotRegular,
		"mergefile/inbox.ErrRefused":    inbox.ErrRefused,
		"mergefile/inbox.ErrRunning":    inbox.ErrRunning,
		"mergefile/inbox.ErrStop":       inbox.ErrStop,
		"mergefile/inbox.ErrTooLarge":   inbox.ErrTooLarge,
		"mergefile/inbox.ErrUnverified": inbox.ErrUnverified,

		// mergefile/ledger
		"mergefile/ledger.ApplyError":        &ledger.ApplyError{Err: errCause},
		"mergefile/ledger.ConflictError":     &ledger.ConflictError{},
		"mergefile/ledger.LostError":         &ledger.LostError{},
		"mergefile/ledger.RestoredError":     &ledger.RestoredError{},
		"mergefile/ledger.SchemaError":       &ledger.SchemaError{},
		"mergefile/ledger.TooOldError":       &ledger.TooOldError{},
		"mergefile/ledger.UnresolvedError":   &ledger.UnresolvedError{},
		"mergefile/ledger.ErrBusy":           ledger.ErrBusy,
		"mergefile/ledger.ErrEnded":          ledger.ErrEnded,
		"mergefile/ledger.ErrExport":         ledger.ErrExport,
		"mergefile/ledger.ErrKey":            ledger.ErrKey,
		"mergefile/ledger.ErrMark":           ledger.ErrMark,
		"mergefile/ledger.ErrNoLoss":         ledger.ErrNoLoss,
		"mergefile/ledger.ErrNotDurable":     ledger.ErrNotDurable,
		"mergefile/ledger.ErrOrder":          ledger.ErrOrder,
		"mergefile/ledger.ErrOtherKey":       ledger.ErrOtherKey,
		"mergefile/ledger.ErrOutcomeUnknown": ledger.ErrOutcomeUnknown,
		"mergefile/ledger.ErrReadOnly":       ledger.ErrReadOnly,
		"mergefile/ledger.ErrScope":          ledger.ErrScope,
		"mergefile/ledger.ErrStopped":        ledger.ErrStopped,
		"mergefile/ledger.ErrSum":            ledger.ErrSum,
		"mergefile/ledger.ErrTwice":          ledger.ErrTwice,
		"mergefile/ledger.ErrTwoSchemas":     ledger.ErrTwoSchemas,

		// mergefile/outbox
		"mergefile/outbox.LostError":         &outbox.LostError{},
		"mergefile/outbox.RestoredError":     &outbox.RestoredError{},
		"mergefile/outbox.SchemaError":       &outbox.SchemaError{},
		"mergefile/outbox.UnresolvedError":   &outbox.UnresolvedError{},
		"mergefile/outbox.ErrAck":            outbox.ErrAck,
		"mergefile/outbox.ErrBusy":           outbox.ErrBusy,
		"mergefile/outbox.ErrConfig":         outbox.ErrConfig,
		"mergefile/outbox.ErrFull":           outbox.ErrFull,
		"mergefile/outbox.ErrMark":           outbox.ErrMark,
		"mergefile/outbox.ErrNoItem":         outbox.ErrNoItem,
		"mergefile/outbox.ErrNoLoss":         outbox.ErrNoLoss,
		"mergefile/outbox.ErrNotDurable":     outbox.ErrNotDurable,
		"mergefile/outbox.ErrTraining":       outbox.ErrTraining,
		"mergefile/outbox.ErrOrder":          outbox.ErrOrder,
		"mergefile/outbox.ErrOutcomeUnknown": outbox.ErrOutcomeUnknown,
		"mergefile/outbox.ErrRestored":       outbox.ErrRestored,
		"mergefile/outbox.ErrReused":         outbox.ErrReused,
		"mergefile/outbox.ErrWritten":        outbox.ErrWritten,

		// mykey
		"mykey.FormError":              &mykey.FormError{},
		"mykey.ErrForm":                mykey.ErrForm,
		"mykey.ErrUnknownMunicipality": mykey.ErrUnknownMunicipality,
		"mykey.ErrUnknownOperator":     mykey.ErrUnknownOperator,

		// mykey/grant
		"mykey/grant.ImportError":       &grant.ImportError{},
		"mykey/grant.LostError":         &grant.LostError{},
		"mykey/grant.RowError":          &grant.RowError{Err: errCause},
		"mykey/grant.SchemaError":       &grant.SchemaError{},
		"mykey/grant.UnresolvedError":   &grant.UnresolvedError{},
		"mykey/grant.ErrBusy":           grant.ErrBusy,
		"mykey/grant.ErrChunk":          grant.ErrChunk,
		"mykey/grant.ErrColumns":        grant.ErrColumns,
		"mykey/grant.ErrConfig":         grant.ErrConfig,
		"mykey/grant.ErrConflict":       grant.ErrConflict,
		"mykey/grant.ErrEpoch":          grant.ErrEpoch,
		"mykey/grant.ErrIDTaken":        grant.ErrIDTaken,
		"mykey/grant.ErrNoLoss":         grant.ErrNoLoss,
		"mykey/grant.ErrNoMatch":        grant.ErrNoMatch,
		"mykey/grant.ErrNoProgramme":    grant.ErrNoProgramme,
		"mykey/grant.ErrNoReceipt":      grant.ErrNoReceipt,
		"mykey/grant.ErrNoRow":          grant.ErrNoRow,
		"mykey/grant.ErrNotDurable":     grant.ErrNotDurable,
		"mykey/grant.ErrOther":          grant.ErrOther,
		"mykey/grant.ErrOutcomeUnknown": grant.ErrOutcomeUnknown,
		"mykey/grant.ErrPassphrase":     grant.ErrPassphrase,
		"mykey/grant.ErrProgramme":      grant.ErrProgramme,
		"mykey/grant.ErrRepeat":         grant.ErrRepeat,
		"mykey/grant.ErrStopped":        grant.ErrStopped,

		// mykey/point
		"mykey/point.LostError":           &point.LostError{},
		"mykey/point.SchemaError":         &point.SchemaError{},
		"mykey/point.ShortError":          &point.ShortError{},
		"mykey/point.UndoError":           &point.UndoError{},
		"mykey/point.UnresolvedError":     &point.UnresolvedError{},
		"mykey/point.ErrBaseKind":         point.ErrBaseKind,
		"mykey/point.ErrBusy":             point.ErrBusy,
		"mykey/point.ErrClaimed":          point.ErrClaimed,
		"mykey/point.ErrClock":            point.ErrClock,
		"mykey/point.ErrClosed":           point.ErrClosed,
		"mykey/point.ErrIDTaken":          point.ErrIDTaken,
		"mykey/point.ErrInFlight":         point.ErrInFlight,
		"mykey/point.ErrKind":             point.ErrKind,
		"mykey/point.ErrNoHolder":         point.ErrNoHolder,
		"mykey/point.ErrNoLoss":           point.ErrNoLoss,
		"mykey/point.ErrNoProgramme":      point.ErrNoProgramme,
		"mykey/point.ErrNoRequest":        point.ErrNoRequest,
		"mykey/point.ErrNotDurable":       point.ErrNotDurable,
		"mykey/point.ErrTraining":         point.ErrTraining,
		"mykey/point.ErrNotUndoable":      point.ErrNotUndoable,
		"mykey/point.ErrOutcomeUnknown":   point.ErrOutcomeUnknown,
		"mykey/point.ErrOverflow":         point.ErrOverflow,
		"mykey/point.ErrPoints":           point.ErrPoints,
		"mykey/point.ErrProgrammeChanged": point.ErrProgrammeChanged,
		"mykey/point.ErrProof":            point.ErrProof,
		"mykey/point.ErrRefund":           point.ErrRefund,
		"mykey/point.ErrRequest":          point.ErrRequest,
		"mykey/point.ErrRequestReused":    point.ErrRequestReused,
		"mykey/point.ErrRequestVoid":      point.ErrRequestVoid,
		"mykey/point.ErrSameHolder":       point.ErrSameHolder,
		"mykey/point.ErrShort":            point.ErrShort,
		"mykey/point.ErrOrder":            point.ErrOrder,
		"mykey/point.ErrPeriod":           point.ErrPeriod,
		"mykey/point.ErrSum":              point.ErrSum,
		"mykey/point.ErrTwice":            point.ErrTwice,
		"mykey/point.ErrTransfer":         point.ErrTransfer,
		"mykey/point.ErrNotPayable":       point.ErrNotPayable,
		"mykey/point.TransferError":       &point.TransferError{},
		"mykey/point.ErrCSV":              point.ErrCSV,
		"mykey/point.ErrSpreadsheet":      point.ErrSpreadsheet,
		"mykey/point.ErrUnmappable":       point.ErrUnmappable,
		"mykey/point.CSVError":            &point.CSVError{},
		"mykey/point.ErrStopped":          point.ErrStopped,

		// mykey/registry
		"mykey/registry.DuplicateError":      &registry.DuplicateError{},
		"mykey/registry.ImportError":         &registry.ImportError{Err: errCause},
		"mykey/registry.LostError":           &registry.LostError{},
		"mykey/registry.SchemaError":         &registry.SchemaError{},
		"mykey/registry.UnresolvedError":     &registry.UnresolvedError{},
		"mykey/registry.ErrAlreadyApplied":   registry.ErrAlreadyApplied,
		"mykey/registry.ErrAlreadyEnrolled":  registry.ErrAlreadyEnrolled,
		"mykey/registry.ErrAutomaticOnly":    registry.ErrAutomaticOnly,
		"mykey/registry.ErrBusy":             registry.ErrBusy,
		"mykey/registry.ErrCertificateTaken": registry.ErrCertificateTaken,
		"mykey/registry.ErrConsent":          registry.ErrConsent,
		"mykey/registry.ErrCustomerTaken":    registry.ErrCustomerTaken,
		"mykey/registry.ErrDuplicate":        registry.ErrDuplicate,
		"mykey/registry.ErrExpired":          registry.ErrExpired,
		"mykey/registry.ErrIDReplaced":       registry.ErrIDReplaced,
		"mykey/registry.ErrExport":           registry.ErrExport,
		"mykey/registry.ErrRevocationList":   registry.ErrRevocationList,
		"mykey/registry.ErrInForce":          registry.ErrInForce,
		"mykey/registry.ErrIssueReused":      registry.ErrIssueReused,
		"mykey/registry.ErrOfficeTerminal":   registry.ErrOfficeTerminal,
		"mykey/registry.ErrTerminal":         registry.ErrTerminal,
		"mykey/registry.ErrTerminalUsed":     registry.ErrTerminalUsed,
		"mykey/registry.ErrJoined":           registry.ErrJoined,
		"mykey/registry.ErrNoCandidate":      registry.ErrNoCandidate,
		"mykey/registry.ErrNoFreeID":         registry.ErrNoFreeID,
		"mykey/registry.ErrNoLoss":           registry.ErrNoLoss,
		"mykey/registry.ErrNoNotice":         registry.ErrNoNotice,
		"mykey/registry.ErrNotDurable":       registry.ErrNotDurable,
		"mykey/registry.ErrNotEnrolled":      registry.ErrNotEnrolled,
		"mykey/registry.ErrNotFound":         registry.ErrNotFound,
		"mykey/registry.ErrOneClerk":         registry.ErrOneClerk,
		"mykey/registry.ErrOutcomeUnknown":   registry.ErrOutcomeUnknown,
		"mykey/registry.ErrPINRequired":      registry.ErrPINRequired,
		"mykey/registry.ErrPPIDTaken":        registry.ErrPPIDTaken,
		"mykey/registry.ErrPaymentTaken":     registry.ErrPaymentTaken,
		"mykey/registry.ErrReadOnly":         registry.ErrReadOnly,
		"mykey/registry.ErrRecoveryOpen":     registry.ErrRecoveryOpen,
		"mykey/registry.ErrRecoveryRate":     registry.ErrRecoveryRate,
		"mykey/registry.ErrRetired":          registry.ErrRetired,
		"mykey/registry.ErrSameID":           registry.ErrSameID,
		"mykey/registry.ErrSerialForm":       registry.ErrSerialForm,
		"mykey/registry.ErrServiceExists":    registry.ErrServiceExists,
		"mykey/registry.ErrSessionOver":      registry.ErrSessionOver,
		"mykey/registry.ErrSignTaken":        registry.ErrSignTaken,
		"mykey/registry.ErrSuperseded":       registry.ErrSuperseded,
		"mykey/registry.ErrTwoIssuers":       registry.ErrTwoIssuers,
		"mykey/registry.ErrWrongCard":        registry.ErrWrongCard,
		"mykey/registry.ErrWrongDevice":      registry.ErrWrongDevice,

		// ticket
		"ticket.CSVError":          &ticket.CSVError{},
		"ticket.FullError":         &ticket.FullError{},
		"ticket.LostError":         &ticket.LostError{},
		"ticket.OrderError":        &ticket.OrderError{Err: errCause},
		"ticket.SchemaError":       &ticket.SchemaError{},
		"ticket.StateError":        &ticket.StateError{},
		"ticket.UnresolvedError":   &ticket.UnresolvedError{},
		"ticket.ErrAccount":        ticket.ErrAccount,
		"ticket.ErrBatch":          ticket.ErrBatch,
		"ticket.ErrBusy":           ticket.ErrBusy,
		"ticket.ErrCSV":            ticket.ErrCSV,
		"ticket.ErrCheckDigit":     ticket.ErrCheckDigit,
		"ticket.ErrClock":          ticket.ErrClock,
		"ticket.ErrConflict":       ticket.ErrConflict,
		"ticket.ErrDate":           ticket.ErrDate,
		"ticket.ErrForged":         ticket.ErrForged,
		"ticket.ErrFull":           ticket.ErrFull,
		"ticket.ErrKey":            ticket.ErrKey,
		"ticket.ErrKind":           ticket.ErrKind,
		"ticket.ErrNoLoss":         ticket.ErrNoLoss,
		"ticket.ErrNotDurable":     ticket.ErrNotDurable,
		"ticket.ErrTraining":       ticket.ErrTraining,
		"ticket.ErrNotFound":       ticket.ErrNotFound,
		"ticket.ErrNumber":         ticket.ErrNumber,
		"ticket.ErrOutcomeUnknown": ticket.ErrOutcomeUnknown,
		"ticket.ErrPaid":           ticket.ErrPaid,
		"ticket.ErrPeriod":         ticket.ErrPeriod,
		"ticket.ErrPoints":         ticket.ErrPoints,
		"ticket.ErrPolicy":         ticket.ErrPolicy,
		"ticket.ErrQR":             ticket.ErrQR,
		"ticket.ErrReadOnly":       ticket.ErrReadOnly,
		"ticket.ErrRefused":        ticket.ErrRefused,
		"ticket.ErrScope":          ticket.ErrScope,
		"ticket.ErrSecret":         ticket.ErrSecret,
		"ticket.ErrSpreadsheet":    ticket.ErrSpreadsheet,
		"ticket.ErrState":          ticket.ErrState,
		"ticket.ErrSum":            ticket.ErrSum,
		"ticket.ErrTerminal":       ticket.ErrTerminal,
		"ticket.ErrTwice":          ticket.ErrTwice,
		"ticket.ErrTyped":          ticket.ErrTyped,
		"ticket.ErrUnmappable":     ticket.ErrUnmappable,
		"ticket.ErrValidity":       ticket.ErrValidity,

		// ticket/paper
		"ticket/paper.TextError":    &paper.TextError{Err: errCause},
		"ticket/paper.ErrCharacter": paper.ErrCharacter,
		"ticket/paper.ErrQR":        paper.ErrQR,
		"ticket/paper.ErrReceipt":   paper.ErrReceipt,
		"ticket/paper.ErrTicket":    paper.ErrTicket,
		"ticket/paper.ErrTooLong":   paper.ErrTooLong,
	}
}

// linkedByFew are packages whose errors a program registers by itself: readers,
// and software cards, which no counter has.
var linkedByFew = []string{"apdu/pcsc", "apdu/vpcd", "simcard"}

// exported returns the names of the errors that docs/api lists.
func exported(t *testing.T) (names []string) {
	t.Helper()
	const api = "../../docs/api"
	value := regexp.MustCompile(`(?m)^(?:var|const) (Err\w+)`)
	kind := regexp.MustCompile(`(?m)^method \(\*?(\w+)\) Error\(\) string`)
	require.NoError(t, filepath.WalkDir(api, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		list, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		pkg, err := filepath.Rel(api, strings.TrimSuffix(path, ".txt"))
		pkg = filepath.ToSlash(pkg)
		if slices.ContainsFunc(linkedByFew, func(p string) bool { return pkg == p || strings.HasPrefix(pkg, p+"/") }) {
			return err
		}
		for _, m := range append(value.FindAllSubmatch(list, -1), kind.FindAllSubmatch(list, -1)...) {
			names = append(names, pkg+"."+string(m[1]))
		}
		return err
	}))
	require.Greater(t, len(names), 200)
	return names
}

// Every exported error has a text of its own, in both languages.
func TestComplete(t *testing.T) {
	errs := known()
	for _, name := range exported(t) {
		assert.Contains(t, errs, name, "add it to known, and an entry to the catalogue")
	}
	for name, err := range errs {
		a := advice.Explain(fmt.Errorf("at the counter: %w", err))
		assert.NotEqual(t, "unexpected", a.Kind, name)
		checkTexts(t, name, a)
	}
	unexpected := advice.Explain(errCause)
	assert.Equal(t, "unexpected", unexpected.Kind)
	checkTexts(t, "unexpected", unexpected)
	assert.Zero(t, advice.Explain(nil))
}

func checkTexts(t *testing.T, name string, a advice.Advice) {
	t.Helper()
	assert.Regexp(t, `^[a-z_]+$`, a.Kind, name)
	for _, text := range []string{a.What.JA, a.Do.JA} {
		assert.True(t, strings.ContainsFunc(text, func(r rune) bool { return unicode.In(r, unicode.Hiragana) }), "%s: %q", name, text)
		assert.True(t, strings.HasSuffix(text, "。"), "%s: %s", name, text)
		for sentence := range strings.SplitSeq(text, "。") {
			assert.LessOrEqual(t, len([]rune(sentence)), 60, "%s: %s", name, sentence)
		}
		for _, never := range []string{"(", ")", "お客様", "係員", "下さい", "確かめ", "はじめから", "間違え"} {
			assert.NotContains(t, text, never, name)
		}
	}
	for _, text := range []string{a.What.EN, a.Do.EN} {
		assert.NotEmpty(t, text, name)
		assert.False(t, strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxLatin1 }), "%s: %s", name, text)
	}
}
