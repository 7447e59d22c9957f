package page

import (
	"log/slog"
	"net/http"
	"time"
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
