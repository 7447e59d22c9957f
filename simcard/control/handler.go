package control

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"github.com/mynakit/mynakit/simcard"
)

// longestWait is the longest that GET /v1/log waits.
const longestWait = 60 * time.Second

// longestMark is the longest text of a mark, in bytes: the log keeps many.
const longestMark = 1000

//go:embed panel
var panel embed.FS

// handler returns the routes of the API, guarded.
func (s *Slot) handler() http.Handler {
	mux := http.NewServeMux()
	call := func(pattern string, f func(r *http.Request, body []byte) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
			if err != nil {
				refuse(w, &Error{Code: requestTooLong, Text: "the body is longer than 64 KiB, or broke off"})
				return
			}
			answer, err := f(r, body)
			if err != nil {
				refuse(w, err)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			e := json.NewEncoder(w)
			e.SetEscapeHTML(false)
			_ = e.Encode(answer) // the peer may be gone
		})
	}
	call("PUT /v1/card", s.putCard)
	call("GET /v1/card", func(*http.Request, []byte) (any, error) { return s.look(), nil })
	call("PATCH /v1/card", s.patchCard)
	call("POST /v1/card/remove", func(r *http.Request, _ []byte) (any, error) {
		s.Remove(r.Context())
		return s.look(), nil
	})
	call("POST /v1/card/insert", func(r *http.Request, _ []byte) (any, error) {
		err := s.Insert(r.Context())
		return s.look(), err
	})
	call("PUT /v1/faults", func(_ *http.Request, body []byte) (any, error) {
		var faults []Fault
		if err := decode(body, &faults); err != nil {
			return nil, err
		}
		err := s.SetFaults(faults...)
		return s.Faults(), err
	})
	call("GET /v1/faults", func(*http.Request, []byte) (any, error) { return s.Faults(), nil })
	call("PUT /v1/link", func(_ *http.Request, body []byte) (any, error) {
		var speed Speed
		if err := decode(body, &speed); err != nil {
			return nil, err
		}
		err := s.SetSpeed(speed)
		return s.lookLink(), err
	})
	call("GET /v1/link", func(*http.Request, []byte) (any, error) { return s.lookLink(), nil })
	call("PUT /v1/clock", s.putClock)
	call("GET /v1/clock", func(*http.Request, []byte) (any, error) { return s.lookClock(), nil })
	call("POST /v1/marks", func(_ *http.Request, body []byte) (any, error) {
		var mark struct {
			Text string `json:"text"`
		}
		if len(body) > 0 {
			if err := decode(body, &mark); err != nil {
				return nil, err
			}
		}
		if len(mark.Text) > longestMark {
			return nil, badField("text", fmt.Sprintf("longer than %d bytes", longestMark))
		}
		return map[string]int64{"n": s.log.event("mark", mark.Text)}, nil
	})
	call("GET /v1/state", func(*http.Request, []byte) (any, error) {
		return s.snapshot(s.card.Load().State()), nil
	})
	call("PUT /v1/state", s.putState)
	call("POST /v1/reset", s.reset)
	call("GET /v1/names", func(*http.Request, []byte) (any, error) {
		return map[string]any{"kinds": simcard.SampleNames(), "pins": simcard.PINs(), "faults": FaultNames()}, nil
	})
	mux.HandleFunc("GET /v1/log", s.getLog)
	mux.HandleFunc("GET /v1/authority/{file}", s.getAuthority)
	mux.HandleFunc("POST /v1/ocsp", s.postOCSP)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, &Error{Code: notFound, Text: "no call " + r.Method + " " + r.URL.Path})
	})
	if s.cfg.Panel {
		mux.Handle("GET /{$}", http.HandlerFunc(servePanel))
		mux.Handle("GET /panel/", http.FileServerFS(panel))
	}
	return guard(mux)
}

func servePanel(w http.ResponseWriter, r *http.Request) {
	http.ServeFileFS(w, r, panel, "panel/panel.html")
}

// guard lets programs of this machine in, and web pages of the same origin.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'")
		peer, err := netip.ParseAddrPort(r.RemoteAddr)
		switch {
		case err != nil || !peer.Addr().Unmap().IsLoopback():
			refuse(w, &Error{Code: originRefused, Text: "only programs on the same machine may call"})
		case !isOwnHost(r):
			refuse(w, &Error{Code: hostRefused, Text: "this is not the server that the Host names"})
		case !isOwnOrigin(r):
			refuse(w, &Error{Code: originRefused, Text: "web pages of other origins may not call"})
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// isOwnHost reports whether the Host is an address of this server: a name that
// somebody has pointed at it is not.
func isOwnHost(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	_, port, err := net.SplitHostPort(local.String())
	if err != nil {
		return false
	}
	for _, name := range [...]string{"127.0.0.1", "localhost", "::1"} {
		if r.Host == net.JoinHostPort(name, port) || port == "80" && r.Host == name {
			return true
		}
	}
	return false
}

// isOwnOrigin reports whether a request comes from no web page, or from one of
// this server.
func isOwnOrigin(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
	default:
		return false
	}
	origins := r.Header.Values("Origin")
	return len(origins) == 0 || len(origins) == 1 && origins[0] == "http://"+r.Host
}

// refuse sends an error.
func refuse(w http.ResponseWriter, err error) {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Code: stateNotSaved, Text: err.Error()} // all that is left
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(statusOf[e.Code])
	_ = json.NewEncoder(w).Encode(map[string]*Error{"error": e})
}

// A cardView is the card as GET /v1/card shows it.
type cardView struct {
	Kind     string              `json:"kind"`
	Holder   uint                `json:"holder"`
	Inserted bool                `json:"inserted"` // false while the reader does not have it
	Powered  bool                `json:"powered"`
	ATR      string              `json:"atr"`
	Issued   *time.Time          `json:"issued"`
	Revoked  *time.Time          `json:"revoked"`
	Serials  map[string]string   `json:"serials"` // of the certificates auth and sign, in hexadecimal
	Person   person              `json:"person"`
	PINs     map[simcard.PIN]pin `json:"pins"`
}

// A person is the invented holder. Nobody else can be on the card of a slot.
type person struct {
	Name         string `json:"name"`
	Address      string `json:"address"`
	Birth        string `json:"birth"` // YYYY-MM-DD
	Sex          int    `json:"sex"`   // as on the card: 1 male, 2 female
	MyNumber     string `json:"my_number"`
	NumberB      string `json:"number_b"`
	Expiry       string `json:"expiry"`
	SecurityCode string `json:"security_code"`
}

type pin struct {
	Value    string `json:"value"`
	Left     int    `json:"left"`
	Tries    int    `json:"tries"`
	Verified bool   `json:"verified"`
}

// look returns the card, and how long the log is.
func (s *Slot) look() any {
	card := s.card.Load()
	s.mu.Lock()
	view := cardView{
		Kind: s.setup.Kind, Holder: s.setup.Holder, Issued: s.setup.Issued, Revoked: s.revoked,
		Inserted: s.in && (s.cfg.Connect == nil || s.arrived),
	}
	s.mu.Unlock()
	view.Powered = view.Inserted && card.Powered()
	view.ATR = hexOf(card.ATR())
	view.Serials = map[string]string{}
	if c := card.AuthCertificate(); c != nil {
		view.Serials["auth"] = c.SerialNumber.Text(16)
	}
	if c := card.SignCertificate(); c != nil {
		view.Serials["sign"] = c.SerialNumber.Text(16)
	}
	h := card.Holder()
	view.Person = person{
		Name: h.Name, Address: h.Address, Birth: h.Birth.Format(time.DateOnly), Sex: int(h.Sex),
		MyNumber: h.MyNumber.Digits(), NumberB: h.NumberB(), Expiry: h.Expiry.Format(time.DateOnly), SecurityCode: h.SecurityCode,
	}
	view.PINs = map[simcard.PIN]pin{}
	for _, which := range simcard.PINs() {
		if p := card.PIN(which); p.Tries > 0 {
			view.PINs[which] = pin{p.Reveal(), p.Left, p.Tries, p.Verified}
		}
	}
	reader := ""
	if s.cfg.Reader != nil {
		reader = s.cfg.Reader()
	}
	return map[string]any{"card": view, "log": s.log.last(), "reader": reader}
}

func (s *Slot) putCard(r *http.Request, body []byte) (any, error) {
	var setup Setup
	if err := decode(body, &setup); err != nil {
		return nil, err
	}
	if err := s.Put(r.Context(), setup); err != nil {
		return nil, err
	}
	return s.look(), nil
}

func (s *Slot) patchCard(_ *http.Request, body []byte) (any, error) {
	var patch struct {
		PINs    map[simcard.PIN]PIN `json:"pins"`
		Revoked json.RawMessage     `json:"revoked"` // a time, or null
	}
	if err := decode(body, &patch); err != nil {
		return nil, err
	}
	s.op.Lock()
	defer s.op.Unlock()
	var revoked *time.Time
	if patch.Revoked != nil {
		if err := decode(patch.Revoked, &revoked); err != nil {
			return nil, badField("revoked", "neither a time of RFC 3339 nor null")
		}
	}
	if err := setPINs(s.card.Load(), patch.PINs); err != nil {
		return nil, err
	}
	if patch.Revoked != nil {
		s.change(func() { s.revoked = revoked })
	}
	s.log.event("changed", "")
	if err := s.save(true); err != nil {
		return nil, err
	}
	return s.look(), nil
}

func (s *Slot) lookLink() any {
	card := s.link.Load()
	s.mu.Lock()
	defer s.mu.Unlock()
	return struct {
		Speed
		Exchanges int     `json:"exchanges"`
		ElapsedMS float64 `json:"elapsed_ms"` // what they take on the link
	}{s.linkSpec, card.Exchanges(), float64(card.Elapsed().Microseconds()) / 1000}
}

func (s *Slot) putClock(_ *http.Request, body []byte) (any, error) {
	var clock struct {
		Now *time.Time `json:"now"`
	}
	if err := decode(body, &clock); err != nil {
		return nil, err
	}
	if clock.Now != nil {
		if y := clock.Now.UTC().Year(); y < 1950 || y > 2100 {
			return nil, badField("now", "outside the years 1950 to 2100")
		}
	}
	s.change(func() { s.clock = clock.Now })
	return s.lookClock(), nil
}

func (s *Slot) lookClock() any {
	s.mu.Lock()
	set := s.clock != nil
	s.mu.Unlock()
	return map[string]any{"now": s.now(), "set": set}
}

func (s *Slot) putState(r *http.Request, body []byte) (any, error) {
	kept, err := parseSaved(body)
	if err != nil {
		return nil, err
	}
	if _, err := kept.card(); err != nil {
		return nil, err
	}
	s.op.Lock()
	defer s.op.Unlock()
	if err := s.exchangeCard(r.Context(), func() error { return s.restore(kept) }); err != nil {
		return nil, err
	}
	return s.look(), nil
}

func (s *Slot) reset(r *http.Request, _ []byte) (any, error) {
	s.op.Lock()
	defer s.op.Unlock()
	if err := errors.Join(s.SetFaults(), s.SetSpeed(Speed{})); err != nil {
		return nil, err
	}
	s.change(func() { s.clock = nil })
	if err := s.exchangeCard(r.Context(), func() error { return s.make(s.cfg.Card) }); err != nil {
		return nil, err
	}
	return s.look(), nil
}

// getLog answers with JSON lines.
func (s *Slot) getLog(w http.ResponseWriter, r *http.Request) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		refuse(w, badField("", "the query cannot be read"))
		return
	}
	number := func(name string, most int64) (n int64) {
		if text := q.Get(name); text != "" && err == nil {
			if n, err = strconv.ParseInt(text, 10, 64); err != nil || n < 0 {
				err = badField(name, "not a number of 0 or more")
			}
		}
		return min(n, most)
	}
	after := number("after", 1<<62)
	wait := time.Duration(number("wait", int64(longestWait/time.Second))) * time.Second
	presented, known := q["presented"], map[string]bool{"after": true, "wait": true, "event": true, "name": true, "presented": true}
	for name, values := range q {
		if !known[name] || len(values) > 1 {
			err = badField(name, "not a parameter of the log, or given twice")
		}
	}
	if len(presented) == 1 && presented[0] != "true" && presented[0] != "false" {
		err = badField("presented", "neither true nor false")
	}
	if last := s.log.last(); err == nil && after > last {
		err = badField("after", fmt.Sprintf("the log has %d lines: it is another one than that which you have followed", last))
	}
	if err != nil {
		refuse(w, err)
		return
	}
	lines := s.log.after(r.Context(), after, wait, func(l *Line) bool {
		switch {
		case q.Has("event") && l.Event != q.Get("event"):
			return false
		case q.Has("name") && (l.Exchange == nil || l.Name != q.Get("name")):
			return false
		case q.Has("presented") && (l.Exchange == nil || strconv.FormatBool(l.Presented) != presented[0]):
			return false
		}
		return true
	})
	w.Header().Set("Content-Type", "application/x-ndjson")
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	for i := range lines {
		if e.Encode(&lines[i]) != nil {
			return // the peer is gone
		}
	}
}
