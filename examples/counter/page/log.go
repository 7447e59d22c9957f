package page

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/mynakit/mynakit/examples/shop"
)

// log tells of each request what was asked and how it went. The paths of this
// page hold nothing of anybody's; a query is left out all the same.
func (p *Page) log(next http.Handler) http.Handler {
	if p.cfg.Log == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		seen := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(seen, r)
		path := r.URL.Path
		if seen.status == http.StatusNotFound {
			path = "?" // somebody typed it, whatever it is
		}
		p.cfg.Log.LogAttrs(r.Context(), slog.LevelInfo, "request", slog.String("method", r.Method), slog.String("path", path),
			slog.Int("status", seen.status), slog.Duration("took", time.Since(began)))
	})
}

// statusWriter remembers the status.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for [http.ResponseController].
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// told puts an error into words for the screen, and writes it into the log.
func (p *Page) told(ctx context.Context, lang Lang, err error) *notice {
	p.note(ctx, err)
	return explain(lang, err)
}

// note writes an error into the log as it is: the screen has no detail that a clerk
// can do nothing with. No error of the shop's holds a secret, or what somebody typed.
func (p *Page) note(ctx context.Context, err error) {
	_, typed := errors.AsType[*entry](err)
	if err != nil && p.cfg.Log != nil && !typed {
		p.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "told", slog.String("kind", shop.Explain(err).Kind), slog.String("error", err.Error()))
	}
}
