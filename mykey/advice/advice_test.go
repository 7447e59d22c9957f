package advice_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mergefile/inbox"
	"github.com/mynakit/mynakit/mergefile/ledger"
	"github.com/mynakit/mynakit/mergefile/outbox"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/advice"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/mynakit/mynakit/ticket"
)

type lite int

func (e lite) Error() string { return "engine" }
func (e lite) Code() int     { return int(e) }

type postgres string

func (e postgres) Error() string    { return "engine" }
func (e postgres) SQLState() string { return string(e) }

// What is one error to a program can be several conditions, and the other way.
func TestKinds(t *testing.T) {
	root := fmt.Errorf("%w: %w", jpki.ErrIssuerValidity, jpki.ErrExpired)
	for _, c := range []struct {
		err   error
		kind  string
		retry advice.Retry
		code  mykey.ErrorCode
	}{
		{&jpki.PINError{PIN: jpki.AuthPIN, Left: 2}, "pin_wrong", advice.Holder, ""},
		{&jpki.PINError{PIN: jpki.AuthPIN, Blocked: true}, "pin_blocked", advice.Never, ""},
		{&jpki.PINError{PIN: jpki.AuthPIN}, "pin_blocked", advice.Never, ""},
		{root, "root_expired", advice.Never, ""},
		{&jpki.StepError{Step: "verify auth certificate", Err: root}, "root_expired", advice.Never, ""},
		{jpki.ErrExpired, "certificate_expired", advice.Never, mykey.CodeCertificate},
		{&jpki.StepError{Step: "read", Err: context.DeadlineExceeded}, "timeout", advice.Same, mykey.CodeCardRead},
		{&jpki.StepError{Step: "read", Err: errors.New("x")}, "card_unreadable", advice.Card, ""},
		{jpki.ErrRevocationUnknown, "revocation_unknown", advice.Later, ""},
		{&point.ShortError{Balance: 3}, "balance_short", advice.Change, ""},
		{&point.UndoError{}, "not_undoable", advice.Never, ""},
		{point.ErrProof, "proof_needed", advice.Holder, ""},
		{&registry.DuplicateError{Left: 1}, "id_taken", advice.Change, ""},
		{&ticket.OrderError{Err: ticket.ErrPoints}, "points_range", advice.Change, ""},
		{&ticket.OrderError{Err: &outbox.RestoredError{}}, "restored", advice.Never, ""},
		{fmt.Errorf("%w: %w", ticket.ErrRefused, ticket.ErrNotFound), "ticket_refused", advice.Never, ""},
		{fmt.Errorf("%w: %w", inbox.ErrRefused, &ledger.TooOldError{}), "merge_too_old", advice.Never, ""},
		{&mykey.FormError{Field: "date", Rule: mykey.RuleCharacter, Pos: -1}, "date", advice.Change, ""},
		{registry.ErrBusy, "database_busy", advice.Same, ""},
		{lite(5), "database_busy", advice.Same, ""}, {lite(6 | 1<<8), "database_busy", advice.Same, ""},
		{lite(13), "disk_full", advice.Later, ""}, {lite(14), "database_file", advice.Later, ""},
		{lite(11), "database_damaged", advice.Never, ""}, {lite(10), "disk", advice.Later, ""}, {lite(1), "unexpected", advice.Never, ""},
		{postgres("53100"), "disk_full", advice.Later, ""}, {postgres("40P01"), "database_busy", advice.Same, ""},
		{postgres("25006"), "database_read_only", advice.Never, ""}, {postgres("28P01"), "database_refused", advice.Never, ""},
		{postgres("57P01"), "database_away", advice.Same, ""}, {postgres("XX000"), "unexpected", advice.Never, ""},
		{fs.ErrPermission, "file_permission", advice.Later, ""}, {fs.ErrNotExist, "file_missing", advice.Change, ""},
		{&fs.PathError{Op: "mkdir", Path: "x", Err: fs.ErrNotExist}, "file", advice.Later, ""},
		{&fs.PathError{Op: "mkdir", Path: "x", Err: syscall.ENOTDIR}, "file", advice.Later, ""},
		{&fs.PathError{Op: "read", Path: "x", Err: errors.New("x")}, "file", advice.Later, ""},
		{&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, "network", advice.Same, mykey.CodeNetwork},
		{context.Canceled, "interrupted", advice.Same, ""},
	} {
		a := advice.Explain(fmt.Errorf("at the counter: %w", c.err))
		assert.Equal(t, c.kind, a.Kind, "%v", c.err)
		assert.Equal(t, c.retry, a.Retry, "%v", c.err)
		if c.code != "" {
			assert.Equal(t, c.code, a.Code, "%v", c.err)
		}
		checkTexts(t, c.kind, a)
	}
}

// Whose fault it is: the terminal's date and root certificates are not the
// holder's, and a card that was lifted is not said to be another one.
func TestWhoseFault(t *testing.T) {
	root := advice.Explain(jpki.ErrIssuerValidity)
	assert.NotContains(t, root.Do.JA, "窓口")
	assert.Empty(t, root.Code)
	for _, err := range []error{jpki.ErrExpired, registry.ErrExpired, jpki.ErrNotYetValid} {
		assert.Contains(t, advice.Explain(err).Do.JA, "端末の日付", "%v", err)
	}
	changed := advice.Explain(jpki.ErrCardChanged)
	assert.NotContains(t, changed.What.JA+changed.Do.JA, "別のカード")
	assert.NotContains(t, advice.Explain(ticket.ErrPeriod).What.JA, "有効期限")
	assert.NotContains(t, advice.Explain(ticket.ErrDate).What.JA, "有効期限")
	assert.Equal(t, advice.Explain(ticket.ErrRefused), advice.Explain(fmt.Errorf("%w: %w", ticket.ErrRefused, ticket.ErrForged)), "no reason")
}

// A program's own entries come first, and carry a code if they have one.
func TestOwnEntries(t *testing.T) {
	errPrinter := errors.New("printer: no paper")
	own := []advice.Entry{
		advice.For(advice.Advice{Kind: "printer_paper", Retry: advice.Later, Code: mykey.CodeHelperSend}, errPrinter),
		advice.ForType[*jpki.PINError](advice.Advice{Kind: "ours"}),
	}
	assert.Equal(t, "printer_paper", advice.Explain(fmt.Errorf("print: %w", errPrinter), own...).Kind)
	assert.Equal(t, mykey.CodeHelperSend, advice.Explain(errPrinter, own...).Code)
	assert.Equal(t, "ours", advice.Explain(&jpki.PINError{}, own...).Kind)
	assert.Equal(t, "unexpected", advice.Explain(errPrinter).Kind)
}

func TestRetryNames(t *testing.T) {
	assert.Equal(t, "never same later card holder change never",
		fmt.Sprint(advice.Never, " ", advice.Same, " ", advice.Later, " ", advice.Card, " ", advice.Holder, " ", advice.Change, " ", advice.Retry(99)))
}

func ExampleExplain() {
	err := fmt.Errorf("at the till: %w", &jpki.PINError{PIN: jpki.AuthPIN, Left: 2})
	a := advice.Explain(err)
	fmt.Println(a.What.EN)
	fmt.Println(a.Do.JA)
	fmt.Println(a.Kind, a.Retry)
	// Output:
	// The PIN for user authentication (4 digits) is wrong. Tries left: 2.
	// ご本人が番号を確認してから、もう一度入力してください。
	// pin_wrong holder
}

func ExampleFor() {
	errPaper := errors.New("printer: no paper")
	own := advice.For(advice.Advice{
		Kind:  "printer_paper",
		What:  mykey.Text{JA: "プリンターの用紙がありません。", EN: "The printer is out of paper."},
		Do:    mykey.Text{JA: "用紙を補充してください。", EN: "Put paper in."},
		Retry: advice.Later,
	}, errPaper)
	fmt.Println(advice.Explain(errPaper, own).What.EN)
	// Output: The printer is out of paper.
}
