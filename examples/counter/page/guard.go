package page

import (
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// maxBody bounds what a form may send, in bytes. The longest is a ticket's QR
// code with its token.
const maxBody = 16 << 10

// contentPolicy lets a page load its own style, script and pictures, and
// nothing else: no inline script or style, no frame around it, no form that
// goes elsewhere.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// guard is in front of every screen. It says who may speak to the counter, and
// tells the browser what it may do with the answer.
func (p *Page) guard(next http.Handler) http.Handler {
	origin := http.NewCrossOriginProtection()
	origin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.fault(w, r, http.StatusForbidden)
	}))
	next = origin.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY") // for browsers without frame-ancestors
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(self), microphone=(), geolocation=(), usb=(), serial=()")
		h.Set("Cache-Control", "no-store") // and so the browser's Back asks again

		switch {
		case !loopbackClient(r):
			// A PIN is typed here. It leaves the machine by no network.
			p.fault(w, r, http.StatusForbidden)
		case !localHost(r.Host):
			// Another site's name that was made to point here (DNS rebinding)
			// would have the browser take that site for this one.
			p.fault(w, r, http.StatusMisdirectedRequest)
		default:
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			next.ServeHTTP(w, r)
		}
	})
}

// loopbackClient reports whether the request came from this machine.
func loopbackClient(r *http.Request) bool {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && at.Addr().Unmap().IsLoopback()
}

// localHost reports whether the browser thinks that it speaks to this machine.
// Numbers are what no name server can change.
func localHost(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.Trim(name, "[]")
	if strings.EqualFold(name, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.Unmap().IsLoopback()
}

// sameToken compares in constant time.
func sameToken(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
