package revoke

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/mynakit/mynakit/jpki"
)

// skew is how far clocks may be apart.
const skew = 5 * time.Minute

// unknown returns the error for everything that is not an answer.
func unknown(format string, args ...any) error {
	return fmt.Errorf("%w: %w", jpki.ErrRevocationUnknown, fmt.Errorf(format, args...))
}

// askable returns the error of a certificate that nobody can be asked about.
func askable(cert, issuer *x509.Certificate) error {
	if cert == nil || cert.SerialNumber == nil || issuer == nil {
		return unknown("no certificate, or none of its issuer")
	}
	return nil
}

// address returns what the caller set, or else the first address for HTTP among
// those that the certificate names.
func address(set string, named []string) (string, error) {
	isHTTP := func(s string) bool {
		u, err := url.Parse(s)
		return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
	}
	if set == "" {
		if i := slices.IndexFunc(named, isHTTP); i >= 0 {
			set = named[i]
		}
	}
	if !isHTTP(set) {
		return "", unknown("no address for HTTP")
	}
	return set, nil
}

// fetch sends a request and reads a reply of at most limit bytes.
func fetch(client *http.Client, r *http.Request, limit int, mediaType string) ([]byte, error) {
	if client == nil {
		return nil, unknown("no HTTP client")
	}
	reply, err := client.Do(r)
	if err != nil {
		// url.Error repeats the address, which may carry a password.
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err
		}
		return nil, unknown("request failed: %w", err)
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		return nil, unknown("HTTP status %d", reply.StatusCode)
	}
	if mediaType != "" {
		if got, _, _ := mime.ParseMediaType(reply.Header.Get("Content-Type")); got != mediaType {
			return nil, unknown("reply is not of type %s", mediaType)
		}
	}
	body, err := io.ReadAll(io.LimitReader(reply.Body, int64(limit)+1))
	switch {
	case err != nil:
		return nil, unknown("reply broken off: %w", err)
	case len(body) > limit:
		return nil, unknown("reply longer than %d bytes", limit)
	}
	return body, nil
}

// within bounds ctx by timeout, or by otherwise where that is not set.
func within(ctx context.Context, timeout, otherwise time.Duration) (context.Context, context.CancelFunc) {
	if timeout <= 0 {
		timeout = otherwise
	}
	return context.WithTimeout(ctx, timeout)
}

func clock(now func() time.Time) time.Time {
	if now == nil {
		return time.Now()
	}
	return now()
}
