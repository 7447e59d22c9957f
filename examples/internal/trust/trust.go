// Package trust returns whom a program trusts for its -reader and -roots flags.
package trust

import (
	"crypto/x509"
	"fmt"
	"os"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/simcard"
)

// Verifier trusts the software cards' authority if the reader is "sim", and for
// real cards the root certificates in the file roots. It returns nil if that is
// empty: the shop refuses what needs a verifier.
func Verifier(reader, roots string) (*jpki.Verifier, error) {
	if reader == "sim" {
		authority := simcard.TestAuthority()
		return jpki.NewVerifier([]*x509.Certificate{authority.Auth().Certificate(), authority.Sign().Certificate()})
	}
	if roots == "" {
		return nil, nil
	}
	file, err := os.ReadFile(roots)
	if err != nil {
		return nil, err
	}
	certificates, err := jpki.ParseRoots(file)
	if err != nil {
		return nil, fmt.Errorf("-roots: %w", err)
	}
	return jpki.NewVerifier(certificates)
}
