package control

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"io"
	"net/http"
	"sort"
	"strings"

	"golang.org/x/crypto/ocsp"

	"github.com/mynakit/mynakit/simcard"
)

func hexOf(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) }

// AuthorityFiles returns the names of the files under /v1/authority/, sorted.
func AuthorityFiles() []string {
	names := []string{"auth.crl", "sign.crl"}
	for name := range certificates {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// certificates are the certificates of a card and of its authority.
var certificates = map[string]func(*simcard.Card) *x509.Certificate{
	"auth.pem":   (*simcard.Card).AuthCertificate,
	"sign.pem":   (*simcard.Card).SignCertificate,
	"authca.pem": func(c *simcard.Card) *x509.Certificate { return c.Authority().Auth().Certificate() },
	"signca.pem": func(c *simcard.Card) *x509.Certificate { return c.Authority().Sign().Certificate() },
}

// AuthorityFile returns a file of [AuthorityFiles], in PEM: a certificate of the
// card or of its authority, or a list of what a CA has revoked as of the time on
// the slot's clock. It returns nil for a certificate that the card does not
// have and for a name that is not one of these.
func (s *Slot) AuthorityFile(name string) []byte {
	card := s.card.Load()
	if certificate, ok := certificates[name]; ok {
		if c := certificate(card); c != nil {
			return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
		}
		return nil
	}
	issuers := map[string]*simcard.Issuer{"auth.crl": card.Authority().Auth(), "sign.crl": card.Authority().Sign()}
	issuer, ok := issuers[name]
	if !ok {
		return nil
	}
	list, err := issuer.CRL(s.now(), s.revocations()...)
	if err != nil {
		return nil
	}
	return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: list})
}

// revocations are the card's certificates if they were revoked by now.
func (s *Slot) revocations() []simcard.Revocation {
	s.mu.Lock()
	at := s.revoked
	s.mu.Unlock()
	if at == nil || at.After(s.now()) {
		return nil
	}
	return s.card.Load().RevocationsAt(*at)
}

func (s *Slot) getAuthority(w http.ResponseWriter, r *http.Request) {
	content := s.AuthorityFile(r.PathValue("file"))
	if content == nil {
		refuse(w, &Error{Code: notFound, Text: "no such file, or the card has no such certificate; known are " + strings.Join(AuthorityFiles(), ", ")})
		return
	}
	w.Header().Set("Content-Type", "application/x-pem-file")
	_, _ = w.Write(content)
}

// postOCSP answers for the CA that the request is about.
func (s *Slot) postOCSP(w http.ResponseWriter, r *http.Request) {
	request, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		refuse(w, &Error{Code: requestTooLong, Text: "the body is longer than 64 KiB, or broke off"})
		return
	}
	authority := s.card.Load().Authority()
	answer, err := authority.Auth().OCSP(request, s.now(), s.revocations()...)
	if err == nil && bytes.Equal(answer, ocsp.UnauthorizedErrorResponse) {
		answer, err = authority.Sign().OCSP(request, s.now(), s.revocations()...)
	}
	if err != nil {
		refuse(w, badField("", "not an OCSP request in DER"))
		return
	}
	w.Header().Set("Content-Type", "application/ocsp-response")
	_, _ = w.Write(answer)
}
