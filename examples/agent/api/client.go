package api

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// clientInfo is a program, or a page, that may call. Its id outlives its token.
type clientInfo struct {
	id     string
	name   string
	origin string // of a page; "" is a program
	token  string // its SHA-256 in hexadecimal digits; "" was revoked
}

// clients are the callers of this terminal. The database has them for good.
type clients struct {
	store *store

	mu      sync.Mutex
	all     []*clientInfo
	pairing *pairing // the one that waits for the clerk
}

const pairingLife = 2 * time.Minute

// pairing is a client that waits to be let in by the clerk.
type pairing struct {
	id      string // secret: who has it gets the token
	code    string // shown by the client and by the agent's window
	name    string
	origin  string
	returns bool // there is a client of this name
	expires time.Time
	state   string // waiting, allowed, denied
	token   string // once it is allowed
}

func tokenHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// of returns the client whose token a request has, or nil. The token of a page
// comes from its origin, and that of a program from no page.
func (cs *clients) of(r *http.Request) *clientInfo {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || token == "" {
		return nil
	}
	hash := tokenHash(token)
	cs.mu.Lock()
	defer cs.mu.Unlock()
	var found *clientInfo
	for _, c := range cs.all {
		if subtle.ConstantTimeCompare([]byte(c.token), []byte(hash)) == 1 {
			found = c
		}
	}
	if found == nil || found.origin != origin(r) {
		return nil
	}
	return found
}

// helloKey is what the agent and a client know and others do not: the SHA-256 of
// the client's token. Of who has no token here it is one that nobody knows, so that
// a stranger does not learn who has.
func (cs *clients) helloKey(name, origin string) []byte {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if c := cs.named(name); c != nil && c.token != "" && c.origin == origin {
		if key, err := hex.DecodeString(c.token); err == nil {
			return key
		}
	}
	return []byte(rand.Text())
}

// validName reports whether a client may be called so: what the holder and the
// clerk read, without what would hide part of it.
func validName(name string) bool {
	n := utf8.RuneCountInString(name)
	return utf8.ValidString(name) && n >= 1 && n <= 40 && strings.TrimSpace(name) == name &&
		!strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) })
}

// named returns the client of a name. The lock is held.
func (cs *clients) named(name string) *clientInfo {
	i := slices.IndexFunc(cs.all, func(c *clientInfo) bool { return c.name == name })
	if i < 0 {
		return nil
	}
	return cs.all[i]
}

// register is POST /v1/clients: a program that can read the discovery file gets a
// token. One whose name is taken waits for the clerk, as a page does.
func (s *Server) register(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Name   string `json:"name"`
		Secret string `json:"secret"`
	}
	if !s.body(w, r, &body) {
		return
	}
	if origin(r) != "" || subtle.ConstantTimeCompare([]byte(body.Secret), []byte(s.secret())) != 1 {
		s.refuse(w, r, "token_refused")
		return
	}
	if !validName(body.Name) {
		s.refuse(w, r, "bad_request")
		return
	}
	token := rand.Text()
	c := &clientInfo{id: rand.Text(), name: body.Name, token: tokenHash(token)}
	added, err := s.clients.add(r.Context(), c)
	switch {
	case err != nil:
		s.fail(w, r, err)
	case !added:
		s.pair(w, r, body.Name)
	default:
		s.cfg.Log.Info("client registered", "name", body.Name)
		s.answer(w, http.StatusCreated, map[string]any{"client": map[string]string{"name": body.Name}, "token": token})
	}
}

func (cs *clients) add(ctx context.Context, c *clientInfo) (bool, error) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.named(c.name) != nil {
		return false, nil
	}
	added, err := cs.store.addClient(ctx, c)
	if err == nil && added {
		cs.all = append(cs.all, c)
	}
	return added, err
}

// pairings is POST /v1/pairings, for pages of listed origins.
func (s *Server) pairings(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Name string `json:"name"`
	}
	if !s.body(w, r, &body) {
		return
	}
	switch {
	case origin(r) == "":
		s.refuse(w, r, "origin_refused") // a program has the discovery file
	case !validName(body.Name):
		s.refuse(w, r, "bad_request")
	default:
		s.pair(w, r, body.Name)
	}
}

// pair asks the clerk, in the agent's window, whether a client may come in.
func (s *Server) pair(w http.ResponseWriter, r *http.Request, name string) {
	digits, err := rand.Int(rand.Reader, big.NewInt(10_000))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	code := digits.String()
	p := &pairing{
		id: rand.Text(), code: strings.Repeat("0", 4-len(code)) + code, name: name, origin: origin(r),
		expires: time.Now().Add(pairingLife), state: "waiting",
	}
	if !s.clients.wait(p) {
		s.refuse(w, r, "busy")
		return
	}
	if err := s.openWindow("/window/clients"); err != nil {
		s.clients.drop(p)
		s.cfg.Log.Error("the window did not open", "error", err)
		s.refuse(w, r, "pin_window")
		return
	}
	s.answer(w, http.StatusAccepted, map[string]any{"pairing": p.public()})
}

// wait makes p the pairing that waits, if there is none.
func (cs *clients) wait(p *pairing) bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.pairing != nil && time.Now().Before(cs.pairing.expires) {
		return false
	}
	p.returns = cs.named(p.name) != nil
	cs.pairing = p
	return true
}

func (cs *clients) drop(p *pairing) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.pairing == p {
		cs.pairing = nil
	}
}

func (p *pairing) public() map[string]any {
	return map[string]any{"id": p.id, "code": p.code, "state": p.state, "expires": p.expires}
}

// pairingState is GET /v1/pairings/{id}. It hands out the token once.
func (s *Server) pairingState(w http.ResponseWriter, r *http.Request) {
	cs := &s.clients
	cs.mu.Lock()
	p := cs.pairing
	if p == nil || subtle.ConstantTimeCompare([]byte(p.id), []byte(r.PathValue("id"))) != 1 || p.origin != origin(r) || time.Now().After(p.expires) {
		cs.mu.Unlock()
		s.refuse(w, r, "not_found")
		return
	}
	body := map[string]any{"pairing": p.public()}
	if p.state != "waiting" {
		cs.pairing = nil
	}
	if p.state == "allowed" {
		body["token"] = p.token
	}
	cs.mu.Unlock()
	s.answer(w, http.StatusOK, body)
}

// decide is the clerk's answer to the pairing that waits, which the window knew
// by its code.
func (cs *clients) decide(ctx context.Context, code string, allow bool) error {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	p := cs.pairing
	if p == nil || p.state != "waiting" || p.code != code || time.Now().After(p.expires) {
		return refusal("not_found")
	}
	if !allow {
		p.state = "denied"
		return nil
	}
	token := rand.Text()
	c := cs.named(p.name)
	if c != nil {
		if err := cs.store.setToken(ctx, c.id, tokenHash(token), p.origin); err != nil {
			return err
		}
		c.token, c.origin = tokenHash(token), p.origin
	} else {
		c = &clientInfo{id: rand.Text(), name: p.name, origin: p.origin, token: tokenHash(token)}
		added, err := cs.store.addClient(ctx, c)
		if err != nil || !added {
			return err
		}
		cs.all = append(cs.all, c)
	}
	p.state, p.token = "allowed", token
	return nil
}

// revoke ends a client's token. The client, and its keys, stay.
func (cs *clients) revoke(ctx context.Context, name string) error {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c := cs.named(name)
	if c == nil {
		return refusal("not_found")
	}
	if err := cs.store.setToken(ctx, c.id, "", c.origin); err != nil {
		return err
	}
	c.token = ""
	return nil
}
