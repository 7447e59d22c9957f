package e2e

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/jpki/revoke"
	"github.com/mynakit/mynakit/simcard"
)

// A program that asks by OCSP, and wants its nonce back, has its answer from the
// test authority.
func TestOCSPWithNonce(t *testing.T) {
	ctx := context.Background()
	now := time.Now()
	revoked := newCard(simcard.WithHolder(simcard.SampleHolder(7)), simcard.WithRevoked(now.Add(-time.Hour)))
	for slot, issuer := range map[jpki.Slot]*simcard.Issuer{
		jpki.Auth: simcard.TestAuthority().Auth(), jpki.Sign: simcard.TestAuthority().Sign(),
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			request, err := io.ReadAll(r.Body)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			answer, err := issuer.OCSP(request, now, revoked.Revocations()...)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			w.Header().Set("Content-Type", "application/ocsp-response")
			w.Write(answer)
		}))
		defer server.Close()
		checker := &revoke.OCSP{URL: server.URL, Client: server.Client(), RequireNonce: true}
		for _, card := range []*simcard.Card{newCard(), revoked} {
			c := open(t, card)
			if slot == jpki.Sign {
				verified(t, c, jpki.SignPIN, signPIN)
			}
			cert, err := c.Certificate(ctx, slot)
			require.NoError(t, err)
			err = checker.CheckRevocation(ctx, cert, issuer.Certificate())
			if card != revoked {
				require.NoError(t, err, "%s", slot)
				continue
			}
			var told *jpki.RevokedError
			require.ErrorAs(t, err, &told)
		}
	}
}
