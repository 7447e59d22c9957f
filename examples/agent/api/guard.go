package api

import (
	"mime"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// maxBody bounds what a call may send, in bytes.
const maxBody = 16 << 10

// guard is in front of every call. Its checks come in this order: the peer, the
// Host, the Origin, a navigation, a preflight. The token and the body are checked
// behind it, by [Server.call], for they depend on the call.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")

		at, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil || !at.Addr().Unmap().IsLoopback() {
			s.refuse(w, r, "origin_refused")
			return
		}
		// Another site's name that was made to point here (DNS rebinding) comes
		// with that name. An empty Host comes from no browser of today.
		if !slices.Contains(s.hosts(r), r.Host) {
			s.refuse(w, r, "host_refused")
			return
		}
		if origins := r.Header["Origin"]; len(origins) > 0 {
			switch {
			case len(origins) == 1 && origins[0] == "http://"+r.Host: // the agent's own window
			case len(origins) == 1 && slices.Contains(s.cfg.Origins, origins[0]):
				h.Set("Access-Control-Allow-Origin", origins[0])
				h.Set("Access-Control-Expose-Headers", "Retry-After")
				h.Set("Cross-Origin-Resource-Policy", "cross-origin")
			default:
				s.refuse(w, r, "origin_refused")
				return
			}
		}
		h.Add("Vary", "Origin")
		if strings.HasPrefix(r.URL.Path, "/v1") && r.Header.Get("Sec-Fetch-Mode") == "navigate" {
			s.refuse(w, r, "origin_refused")
			return
		}
		if r.Method == http.MethodOptions {
			h.Set("Access-Control-Allow-Methods", "GET, POST, DELETE")
			h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key, Last-Event-ID")
			h.Set("Access-Control-Max-Age", "600")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hosts are the names by which this agent may be called, at the port that the
// request came to.
func (s *Server) hosts(r *http.Request) []string {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok {
		return nil
	}
	port := strconv.Itoa(local.Port)
	return []string{net.JoinHostPort("127.0.0.1", port), net.JoinHostPort("localhost", port), net.JoinHostPort("::1", port)}
}

// origin returns the origin of a page of a listed site, and "" for a program and
// for the agent's own window.
func origin(r *http.Request) string {
	if o := r.Header.Get("Origin"); o != "http://"+r.Host {
		return o
	}
	return ""
}

// isJSON reports whether a body says that it is JSON. A form of another site
// cannot say so without a preflight.
func isJSON(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && kind == "application/json"
}
