package api

import (
	"bytes"
	"context"
	"crypto/rand"
	"embed"
	"html/template"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

//go:embed window
var windowFiles embed.FS

const (
	// nonceLife is how long an address of the window waits to be opened.
	nonceLife = time.Minute
	// windowBeat is how often the window says that it is there.
	windowBeat = 3 * time.Second
	// windowSilence is how long a window can be silent before it is lost.
	windowSilence = 5 * windowBeat
	// clerkLife is how long the clerk's page can be used.
	clerkLife = 10 * time.Minute
)

// window is what is behind a secret of the agent's window: an address that works
// once, or a page that was opened.
type window struct {
	target  string // "clients", or the id of a proof
	once    bool
	expires time.Time
}

const windowPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// newWindow draws a secret. The lock is held.
func (s *Server) newWindow(w window) string {
	for secret, old := range s.windows {
		if time.Now().After(old.expires) {
			delete(s.windows, secret)
		}
	}
	secret := rand.Text()
	s.windows[secret] = w
	return secret
}

// take returns what is behind a secret, and forgets it if it works once.
func (s *Server) takeWindow(secret string) (window, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w, ok := s.windows[secret] // 130 random bits: that a map compares them early says nothing
	if !ok || time.Now().After(w.expires) {
		return window{}, false
	}
	if w.once {
		delete(s.windows, secret)
	}
	return w, true
}

// openWindow opens a page in the user's browser.
func (s *Server) openWindow(target string) error {
	if s.cfg.Open == nil {
		return refusal("pin_window")
	}
	s.mu.Lock()
	nonce := s.newWindow(window{path.Base(target), true, time.Now().Add(nonceLife)})
	address := s.base
	s.mu.Unlock()
	return s.cfg.Open(address + "/window/" + nonce)
}

// windowForUser is POST /v1/window, by which `agent window` opens the clerk's
// page. Who calls it has read the discovery file.
func (s *Server) windowForUser(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Secret string `json:"secret"`
	}
	if !s.body(w, r, &body) {
		return
	}
	if origin(r) != "" || tokenHash(body.Secret) != tokenHash(s.secret()) {
		s.refuse(w, r, "token_refused")
		return
	}
	if err := s.openWindow("/window/clients"); err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, http.StatusOK, map[string]any{"opened": true})
}

type windowPage struct {
	Secret   string
	Asked    int // how often a PIN was typed
	Question *Question
	Proof    Proof
	Over     bool
	Clerk    bool
	Pairing  *pairingView
	Clients  []clientView
	Gone     bool
}

type pairingView struct {
	Name, Origin, Code string
	Returns            bool
}

type clientView struct {
	Name, Origin string
	Revoked      bool
}

func (s *Server) page(w http.ResponseWriter, status int, p windowPage) {
	t, err := template.ParseFS(windowFiles, "window/window.html")
	var b bytes.Buffer
	if err == nil {
		err = t.Execute(&b, p)
	}
	if err != nil {
		s.cfg.Log.Error("unexpected", "error", err)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", windowPolicy)
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Referrer-Policy", "same-origin") // with less a browser sends Origin: null
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

func (s *Server) asset(w http.ResponseWriter, r *http.Request) {
	http.ServeFileFS(w, r, windowFiles, "window/"+path.Base(r.URL.Path))
}

// openedWindow is GET /window/{nonce}. It works once: whoever finds the address
// in a history or in a list of processes comes too late.
func (s *Server) openedWindow(w http.ResponseWriter, r *http.Request) {
	at, ok := s.takeWindow(r.PathValue("nonce"))
	if !ok || !at.once {
		s.page(w, http.StatusNotFound, windowPage{Gone: true})
		return
	}
	if at.target == "clients" {
		s.mu.Lock()
		secret := s.newWindow(window{at.target, false, time.Now().Add(clerkLife)})
		s.mu.Unlock()
		s.clerkPage(w, secret)
		return
	}
	s.mu.Lock()
	p := s.proof
	if p == nil || p.view.ID != at.target {
		s.mu.Unlock()
		s.page(w, http.StatusNotFound, windowPage{Gone: true})
		return
	}
	p.window = s.newWindow(window{at.target, false, p.view.Expires})
	p.seen = time.Now()
	secret := p.window
	s.mu.Unlock()
	s.pinPage(w, p, secret)
}

// windowLost reports whether the window was there, and has fallen silent.
func (s *Server) windowLost(p *proof) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return p.window != "" && p.view.State == "waiting_pin" && time.Since(p.seen) > windowSilence
}

// pinPage shows what the holder is asked, in the agent's own words.
func (s *Server) pinPage(w http.ResponseWriter, p *proof, secret string) {
	v, asked := s.question(p)
	tries := 0
	if v.TriesLeft != nil {
		tries = *v.TriesLeft
	}
	s.page(w, http.StatusOK, windowPage{Secret: secret, Asked: asked, Proof: v, Over: v.State != "waiting_pin",
		Question: &Question{Client: p.client.name, Act: v.Act, Account: p.account, Points: v.Points, Reader: p.card.reader, Tries: tries, Wrong: v.Error}})
}

// ofWindow returns the proof behind a window's secret, and answers if there is
// none. The request must come from the window itself.
func (s *Server) ofWindow(w http.ResponseWriter, r *http.Request) (*proof, string) {
	secret := r.PathValue("secret")
	at, ok := s.takeWindowIfOpen(secret)
	s.mu.Lock()
	p := s.proof
	ok = ok && p != nil && p.view.ID == at.target && p.window == secret
	s.mu.Unlock()
	if !ok || !ownOrigin(r) {
		s.page(w, http.StatusNotFound, windowPage{Gone: true})
		return nil, ""
	}
	return p, secret
}

// takeWindowIfOpen is takeWindow for pages that were opened: an address that was
// not yet opened stays.
func (s *Server) takeWindowIfOpen(secret string) (window, bool) {
	s.mu.Lock()
	w, ok := s.windows[secret]
	s.mu.Unlock()
	return w, ok && !w.once && time.Now().Before(w.expires)
}

func ownOrigin(r *http.Request) bool { return r.Header.Get("Origin") == "http://"+r.Host }

// windowPIN is the PIN, from the window. It is in no string.
func (s *Server) windowPIN(w http.ResponseWriter, r *http.Request) {
	p, secret := s.ofWindow(w, r)
	if p == nil {
		return
	}
	buf := make([]byte, 256)
	defer clear(buf)
	n, err := io.ReadFull(r.Body, buf)
	if err == nil || n < len("pin=") || !bytes.HasPrefix(buf, []byte("pin=")) {
		s.page(w, http.StatusBadRequest, windowPage{Gone: true})
		return
	}
	// One that is answered, or that the page does not say of, is passed over.
	if asked, err := strconv.Atoi(r.URL.Query().Get("asked")); err == nil {
		s.typed(context.WithoutCancel(r.Context()), p, asked, buf[len("pin="):n])
	}
	s.heard(p)
	s.pinPage(w, p, secret)
}

func (s *Server) heard(p *proof) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.seen = time.Now()
}

// windowCancel is the holder giving up, by the button or by closing the window.
func (s *Server) windowCancel(w http.ResponseWriter, r *http.Request) {
	p, secret := s.ofWindow(w, r)
	if p == nil {
		return
	}
	if s.proofView(p).State == "waiting_pin" {
		s.endProof(p, "cancelled", "holder", nil)
	}
	s.pinPage(w, p, secret)
}

// windowBeats is the window saying that it is there.
func (s *Server) windowBeats(w http.ResponseWriter, r *http.Request) {
	p, _ := s.ofWindow(w, r)
	if p == nil {
		return
	}
	s.heard(p)
	s.answer(w, http.StatusOK, map[string]bool{"over": s.proofView(p).State != "waiting_pin"})
}

// clerkPage lists who may call, and who wants to.
func (s *Server) clerkPage(w http.ResponseWriter, secret string) {
	page := windowPage{Secret: secret, Clerk: true}
	s.clients.mu.Lock()
	if p := s.clients.pairing; p != nil && p.state == "waiting" && time.Now().Before(p.expires) {
		page.Pairing = &pairingView{p.name, p.origin, p.code, p.returns}
	}
	for _, c := range s.clients.all {
		page.Clients = append(page.Clients, clientView{c.name, c.origin, c.token == ""})
	}
	s.clients.mu.Unlock()
	s.page(w, http.StatusOK, page)
}

// windowClients is the clerk's decision.
func (s *Server) windowClients(w http.ResponseWriter, r *http.Request) {
	secret := r.PathValue("secret")
	at, ok := s.takeWindowIfOpen(secret)
	if !ok || at.target != "clients" || !ownOrigin(r) {
		s.page(w, http.StatusNotFound, windowPage{Gone: true})
		return
	}
	var err error
	switch do, what, _ := strings.Cut(r.PostFormValue("do"), " "); do {
	case "allow":
		err = s.clients.decide(r.Context(), what, true)
	case "deny":
		err = s.clients.decide(r.Context(), what, false)
	case "revoke":
		err = s.clients.revoke(r.Context(), what)
	}
	if err != nil {
		s.cfg.Log.Info("the clerk's decision came to nothing", "error", err)
	}
	s.clerkPage(w, secret)
}
