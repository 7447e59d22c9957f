package mykey_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"syscall"
	"testing"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseCode(t *testing.T) {
	for _, tc := range []struct {
		in   string
		rule mykey.Rule
	}{
		{"MKCZ802E", ""}, {"MKEC201E", ""}, {"MKZZ999E", ""},
		{"", mykey.RuleLength}, {"MKCZ802", mykey.RuleLength}, {"MKCZ802E ", mykey.RuleLength},
		{"mkcz802e", mykey.RuleCharacter}, {"MKCZ8O2E", mykey.RuleCharacter}, {"MK12802E", mykey.RuleCharacter},
		{"MKCZ802X", mykey.RuleCharacter}, {"E0008", mykey.RuleCharacter},
	} {
		c, err := mykey.ParseCode(tc.in)
		wantRule(t, err, tc.rule)
		if tc.rule == "" {
			assert.Equal(t, tc.in, string(c))
		} else {
			assert.Empty(t, c)
		}
	}
}

func TestKnownCodes(t *testing.T) {
	codes := mykey.KnownCodes()
	want := map[mykey.Code]mykey.Retry{
		"MKCZ802E": mykey.RetryLater, "MKCZ405E": mykey.RetryAction, "MKCZ403E": mykey.RetryNever, "MKCZ302E": mykey.RetryNever,
		"MKCZ372E": mykey.RetryRestart, "MKEC101E": mykey.RetryAction, "MKEC102E": mykey.RetryAction, "MKEC201E": mykey.RetryAction,
	}
	require.Len(t, codes, len(want))
	for c, retry := range want {
		e, ok := codes.Explain(c)
		require.True(t, ok, c)
		assert.Equal(t, retry, e.Retry, c)
		for _, s := range []string{e.Meaning.JA, e.Meaning.EN, e.Remedy.JA, e.Remedy.EN} {
			assert.NotEmpty(t, s, c)
		}
		_, err := mykey.ParseCode(string(c))
		assert.NoError(t, err)
	}
	_, ok := codes.Explain("MKCZ999E")
	assert.False(t, ok)
	codes["MKCZ999E"] = mykey.Explanation{Retry: mykey.RetryLater}
	_, ok = mykey.KnownCodes().Explain("MKCZ999E")
	assert.False(t, ok, "each table is the caller's own")
	assert.Equal(t, "restart", mykey.RetryRestart.String())
	assert.Equal(t, "unknown", mykey.Retry(99).String())
}

func TestCodeOf(t *testing.T) {
	wrap := func(err error) error { return fmt.Errorf("at the counter: %w", err) }
	step := func(err error) error { return &jpki.StepError{Step: "verify auth PIN", Err: err} }
	for _, tc := range []struct {
		err  error
		want mykey.Code
	}{
		{nil, ""},
		{errors.New("something else"), ""},
		{apdu.ErrCardRemoved, mykey.CodeCardRead},
		{step(apdu.ErrCardRemoved), mykey.CodeCardRead},
		{step(&apdu.StatusError{Status: 0x6F00}), mykey.CodeCardRead},
		{jpki.ErrOutcomeUnknown, mykey.CodeCardRead},
		{step(jpki.ErrReply), mykey.CodeCardRead},
		{jpki.ErrNotJPKI, mykey.CodeCardRead},
		{step(&jpki.PINError{PIN: jpki.AuthPIN, Left: 2}), ""},
		{step(&jpki.PINError{PIN: jpki.AuthPIN, Blocked: true}), ""},
		{step(&jpki.LastTryError{PIN: jpki.AuthPIN}), ""},
		{step(&jpki.PINRequiredError{PIN: jpki.AuthPIN}), ""},
		{&jpki.FormatError{PIN: jpki.AuthPIN}, ""},
		{mykey.ErrExpired, mykey.CodeCertificate},
		{mykey.ErrSuperseded, mykey.CodeCertificate},
		{mykey.ErrAlreadyEnrolled, mykey.CodeReserved},
		{mykey.ErrIDReplaced, mykey.CodeReplaced},
		{mykey.ErrRetired, mykey.CodeReplaced},
		{mykey.ErrWrongCard, ""},
		{&mykey.DuplicateError{Left: 1}, ""},
		{&mykey.FormError{Rule: mykey.RuleLength}, ""},
		{&mykey.StoreError{Op: "x", Err: mykey.ErrBusy}, mykey.CodeNetwork},
		{&mykey.StoreError{Op: "x", Err: context.Canceled}, ""},
		{context.DeadlineExceeded, mykey.CodeNetwork},
		{driver.ErrBadConn, mykey.CodeNetwork},
		{&net.DNSError{Err: "no such host"}, mykey.CodeNetwork},
		{&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, mykey.CodeNetwork},
		{&fs.PathError{Op: "open", Path: "x", Err: syscall.ENOTDIR}, ""},
	} {
		err := tc.err
		if err != nil {
			err = wrap(err)
		}
		got, ok := mykey.CodeOf(err)
		assert.Equal(t, tc.want, got, "%v", tc.err)
		assert.Equal(t, tc.want != "", ok, "%v", tc.err)
	}
}
