package registry_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"net"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/jpki/unlock"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCodeOf(t *testing.T) {
	wrap := func(err error) error { return fmt.Errorf("at the counter: %w", err) }
	step := func(err error) error { return &jpki.StepError{Step: "verify auth PIN", Err: err} }
	for _, tc := range []struct {
		err  error
		want mykey.ErrorCode
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
		{registry.ErrExpired, mykey.CodeCertificate},
		{registry.ErrSuperseded, mykey.CodeCertificate},
		{registry.ErrAlreadyEnrolled, mykey.CodeReserved},
		{registry.ErrIDReplaced, mykey.CodeReplaced},
		{registry.ErrRetired, mykey.CodeReplaced},
		{registry.ErrWrongCard, ""},
		{&registry.DuplicateError{Left: 1}, ""},
		{&mykey.FormError{Rule: mykey.RuleLength}, ""},
		{registry.Failed("x", registry.ErrBusy), mykey.CodeNetwork},
		{registry.Failed("x", context.Canceled), ""},
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
		got, ok := registry.CodeOf(err)
		assert.Equal(t, tc.want, got, "%v", tc.err)
		assert.Equal(t, tc.want != "", ok, "%v", tc.err)
	}
}

// Every error that packages jpki and apdu export stands here with its code, so
// that a new one is not forgotten: somebody has decided.
func TestCodeOfEveryCardError(t *testing.T) {
	table := map[string]struct {
		err  error
		want mykey.ErrorCode
	}{
		"apdu.ErrCardRemoved":       {apdu.ErrCardRemoved, mykey.CodeCardRead},
		"apdu.ErrCardReset":         {apdu.ErrCardReset, mykey.CodeCardRead},
		"apdu.ErrExchange":          {apdu.ErrExchange, mykey.CodeCardRead},
		"apdu.ErrResponseLength":    {apdu.ErrResponseLength, mykey.CodeCardRead},
		"apdu.ErrTooManyExchanges":  {apdu.ErrTooManyExchanges, mykey.CodeCardRead},
		"apdu.Status":               {apdu.Status(0x6F00), mykey.CodeCardRead},
		"apdu.StatusError":          {&apdu.StatusError{Status: 0x6F00}, mykey.CodeCardRead},
		"apdu.ErrCommandLength":     {apdu.ErrCommandLength, ""}, // the program's mistake
		"apdu.ErrCommandRange":      {apdu.ErrCommandRange, ""},
		"jpki.ErrExpired":           {jpki.ErrExpired, mykey.CodeCertificate},
		"jpki.RevokedError":         {&jpki.RevokedError{}, mykey.CodeCertificate},
		"jpki.ErrCardChanged":       {jpki.ErrCardChanged, mykey.CodeCardRead},
		"jpki.ErrCardData":          {jpki.ErrCardData, mykey.CodeCardRead},
		"jpki.ErrCertificate":       {jpki.ErrCertificate, mykey.CodeCardRead},
		"jpki.ErrChangeUnknown":     {jpki.ErrChangeUnknown, mykey.CodeCardRead},
		"jpki.ErrNotAuthentic":      {jpki.ErrNotAuthentic, mykey.CodeCardRead},
		"jpki.ErrNotJPKI":           {jpki.ErrNotJPKI, mykey.CodeCardRead},
		"jpki.ErrOutcomeUnknown":    {jpki.ErrOutcomeUnknown, mykey.CodeCardRead},
		"jpki.ErrReaderLimit":       {jpki.ErrReaderLimit, mykey.CodeCardRead},
		"jpki.ErrReply":             {jpki.ErrReply, mykey.CodeCardRead},
		"jpki.ErrSignature":         {jpki.ErrSignature, mykey.CodeCardRead},
		"jpki.StepError":            {&jpki.StepError{Step: "read", Err: context.DeadlineExceeded}, mykey.CodeCardRead},
		"jpki.PINError":             {&jpki.PINError{}, ""}, // a try must not be asked for
		"jpki.LastTryError":         {&jpki.LastTryError{}, ""},
		"jpki.PINRequiredError":     {&jpki.PINRequiredError{}, ""},
		"jpki.FormatError":          {&jpki.FormatError{}, ""},
		"unlock.KioskError":         {&unlock.KioskError{}, ""},
		"jpki.NoApplicationError":   {&jpki.NoApplicationError{Application: jpki.VisualApp}, ""}, // read well, and not there
		"jpki.ErrNoCertificate":     {jpki.ErrNoCertificate, ""},
		"jpki.ErrNoHolderData":      {jpki.ErrNoHolderData, ""},
		"jpki.HolderDataError":      {&jpki.HolderDataError{}, ""},
		"jpki.UnsupportedError":     {&jpki.UnsupportedError{}, ""},
		"jpki.ErrDate":              {jpki.ErrDate, ""}, // a text that is none
		"jpki.ErrMyNumber":          {jpki.ErrMyNumber, ""},
		"jpki.ErrSerial":            {jpki.ErrSerial, ""},
		"jpki.ErrPseudonym":         {jpki.ErrPseudonym, ""},
		"jpki.ErrRevocationUnknown": {jpki.ErrRevocationUnknown, ""}, // its cause may have one
		"jpki.ErrNoAnchor":          {jpki.ErrNoAnchor, ""},          // what the program trusts
		"jpki.ErrRoot":              {jpki.ErrRoot, ""},
		"jpki.ErrIssuer":            {jpki.ErrIssuer, ""}, // not to be trusted
		"jpki.ErrIssuerSignature":   {jpki.ErrIssuerSignature, ""},
		"jpki.ErrIssuerValidity":    {fmt.Errorf("%w: %w", jpki.ErrIssuerValidity, jpki.ErrExpired), ""},
		"jpki.ErrNotYetValid":       {jpki.ErrNotYetValid, ""},
		"jpki.ErrKeyUsage":          {jpki.ErrKeyUsage, ""},
		"jpki.ErrPolicy":            {jpki.ErrPolicy, ""},
		"jpki.ErrCA":                {jpki.ErrCA, ""},
		"jpki.ErrCriticalExtension": {jpki.ErrCriticalExtension, ""},
		"jpki.ErrAlgorithm":         {jpki.ErrAlgorithm, ""},
		"jpki.ErrConstraint":        {jpki.ErrConstraint, ""},
	}
	exported := slices.Concat(exportedErrors(t, "apdu"), exportedErrors(t, "jpki"), exportedErrors(t, "jpki/unlock"))
	require.ElementsMatch(t, exported, slices.Collect(maps.Keys(table)))
	for name, tc := range table {
		for _, err := range []error{tc.err, fmt.Errorf("at the counter: %w", tc.err), &jpki.StepError{Step: "x", Err: tc.err}} {
			got, ok := registry.CodeOf(err)
			assert.Equal(t, tc.want, got, name)
			assert.Equal(t, tc.want != "", ok, name)
		}
	}

	// What took too long is the card's affair on a card and else the network's.
	for _, cause := range []error{context.DeadlineExceeded, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}} {
		got, _ := registry.CodeOf(&jpki.StepError{Step: "verify auth certificate", Err: fmt.Errorf("%w: %w", jpki.ErrRevocationUnknown, cause)})
		assert.Equal(t, mykey.CodeNetwork, got, "%v", cause)
	}
	_, ok := registry.CodeOf(&jpki.StepError{Step: "read", Err: context.Canceled})
	assert.False(t, ok)
}

// exportedErrors names the variables Err… of one of the module's packages, and its
// types that are errors.
func exportedErrors(t *testing.T, pkg string) (out []string) {
	files, err := filepath.Glob(filepath.Join("..", "..", pkg, "*.go"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if v, ok := spec.(*ast.ValueSpec); ok && d.Tok == token.VAR {
						for _, n := range v.Names {
							if strings.HasPrefix(n.Name, "Err") {
								out = append(out, path.Base(pkg)+"."+n.Name)
							}
						}
					}
				}
			case *ast.FuncDecl:
				if d.Name.Name != "Error" || d.Recv == nil {
					continue
				}
				recv := d.Recv.List[0].Type
				if p, ok := recv.(*ast.StarExpr); ok {
					recv = p.X
				}
				if n, ok := recv.(*ast.Ident); ok && n.IsExported() {
					out = append(out, path.Base(pkg)+"."+n.Name)
				}
			}
		}
	}
	return out
}
