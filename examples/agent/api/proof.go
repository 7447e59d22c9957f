package api

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/mynakit/mynakit/jpki"
)

const (
	proofIdle = time.Minute      // with nothing typed
	proofLife = 3 * time.Minute  // in all
	proofKept = 64               // ended proofs that can be looked at
	closing   = 20 * time.Second // for what has begun when the agent ends
)

// Proof is a proof as it is sent.
type Proof struct {
	ID        string    `json:"id"`
	Card      string    `json:"card"`
	Act       string    `json:"act"` // use, ticket
	Account   string    `json:"account"`
	Points    int64     `json:"points"`
	State     string    `json:"state"` // waiting_pin, checking, proved, used, refused, cancelled, expired, failed
	By        *string   `json:"by"`    // of cancelled: holder or client
	TriesLeft *int      `json:"tries_left"`
	Expires   time.Time `json:"expires"`
	Error     *Error    `json:"error"` // of what was typed last, or why it ended
}

// over reports whether nothing can come of the proof any more.
func (p Proof) over() bool {
	switch p.State {
	case "waiting_pin", "checking", "proved":
		return false
	}
	return true
}

// proof is the holder proving himself, for one act.
type proof struct {
	client  *clientInfo
	card    *presence
	account string    // its name, as the holder reads it
	window  string    // the window's secret, once it is open; the lock is Server.mu
	seen    time.Time // when the window was heard of last; likewise
	key     string    // the request that it was used for; likewise
	asked   int       // how often a PIN was typed; likewise

	mu    sync.Mutex    // held while a PIN is checked
	moved chan struct{} // gets a value when something was typed
	ended chan struct{} // closed when it is over

	view Proof // the lock is Server.mu
}

// A Question is what a holder is asked, by Config.PIN.
type Question struct {
	Client  string
	Act     string
	Account string
	Points  int64
	Reader  string
	Tries   int
	Wrong   *Error // of the PIN that was typed before, or nil
}

// proofs is POST /v1/proofs.
func (s *Server) proofs(w http.ResponseWriter, r *http.Request, c *clientInfo) {
	var body struct {
		Card    string `json:"card"`
		Act     string `json:"act"`
		Account string `json:"account"`
		Points  int64  `json:"points"`
	}
	if !s.body(w, r, &body) {
		return
	}
	if body.Act != "use" && body.Act != "ticket" || body.Points < 1 {
		s.refuse(w, r, "bad_request")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), callTime)
	defer cancel()
	name, err := s.accountName(body.Account)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	p := &proof{client: c, account: name, moved: make(chan struct{}, 1), ended: make(chan struct{})}
	p.view = Proof{ID: "p-" + rand.Text(), Card: body.Card, Act: body.Act, Account: body.Account, Points: body.Points,
		State: "waiting_pin", Expires: time.Now().Add(proofLife)}
	err = s.with(ctx, body.Card, func(ctx context.Context, at *presence, card *jpki.Card) error {
		p.card = at
		tries, err := card.Tries(ctx, jpki.AuthPIN)
		if err != nil {
			return err
		}
		p.view.TriesLeft = &tries
		switch {
		case tries <= 0:
			return &jpki.PINError{PIN: jpki.AuthPIN, Blocked: true}
		case tries == 1:
			return &jpki.LastTryError{PIN: jpki.AuthPIN}
		}
		return nil
	})
	if err == nil {
		err = s.startProof(p)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, http.StatusAccepted, map[string]any{"proof": s.proofView(p)})
}

func (s *Server) proofView(p *proof) Proof {
	s.mu.Lock()
	defer s.mu.Unlock()
	return p.view
}

// question is proofView, and how often a PIN was typed.
func (s *Server) question(p *proof) (Proof, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return p.view, p.asked
}

// startProof makes p the one proof of this agent, and asks the holder.
func (s *Server) startProof(p *proof) error {
	s.mu.Lock()
	if s.proof != nil && !s.proof.view.over() && (s.proof.view.State != "proved" || s.proof.client != p.client) {
		s.mu.Unlock()
		return refusal("busy")
	}
	before := s.proof
	s.proof = p
	s.ended = append(s.ended, p)
	if len(s.ended) > proofKept {
		s.ended = append([]*proof(nil), s.ended[1:]...)
	}
	s.mu.Unlock()
	if before != nil {
		s.endProof(before, "expired", "", nil) // the same client begins anew
	}
	s.proofChanged(p)
	s.wg.Go(func() { s.runProof(p) })
	if s.cfg.PIN != nil {
		s.wg.Go(func() { s.askPIN(p) })
		return nil
	}
	if err := s.openWindow("/window/pin/" + p.view.ID); err != nil {
		s.cfg.Log.Error("the window did not open", "error", err)
		s.endProof(p, "failed", "", refusal("pin_window"))
		return refusal("pin_window")
	}
	return nil
}

// runProof ends a proof when its card left or its time is over.
func (s *Server) runProof(p *proof) {
	life := time.NewTimer(time.Until(s.proofView(p).Expires))
	defer life.Stop()
	idle := time.NewTimer(proofIdle)
	defer idle.Stop()
	look := time.NewTicker(windowBeat)
	defer look.Stop()
	for {
		select {
		case <-p.moved:
			idle.Reset(proofIdle)
			continue
		case <-idle.C:
			if s.proofView(p).State == "proved" {
				continue // it lasts as long as the visit
			}
			s.endProof(p, "expired", "", refusal("proof_expired"))
		case <-life.C:
			s.endProof(p, "expired", "", refusal("proof_expired"))
		case <-p.card.gone:
			p.mu.Lock() // what is being checked says it better
			p.mu.Unlock()
			s.endProof(p, "failed", "", refusal("card_removed"))
		case <-s.stop:
			s.endProof(p, "failed", "", context.Canceled)
		case <-look.C:
			if !s.windowLost(p) {
				continue
			}
			s.endProof(p, "failed", "", refusal("pin_window"))
		case <-p.ended:
		}
		break
	}
	<-p.ended
	// The card forgets the PIN.
	ctx, cancel := context.WithTimeout(context.Background(), closing)
	defer cancel()
	if p.card.take(ctx) == nil {
		if p.card.held != nil && p.card.held.proof == p {
			p.card.letGo()
		}
		p.card.give()
	}
}

// endProof sets the last state of a proof, once.
func (s *Server) endProof(p *proof, state, by string, why error) {
	s.mu.Lock()
	if p.view.over() {
		s.mu.Unlock()
		return
	}
	p.view.State = state
	if by != "" {
		p.view.By = &by
	}
	if why != nil {
		p.view.Error = explain(why)
	}
	close(p.ended)
	s.mu.Unlock()
	s.proofChanged(p)
}

func (s *Server) proofChanged(p *proof) {
	view := s.proofView(p)
	s.log.add(Event{Type: "proof.changed", Proof: &view, for_: p.client})
}

// setProof changes a proof that is not over, and reports whether it did.
func (s *Server) setProof(p *proof, f func(v *Proof)) bool {
	s.mu.Lock()
	if p.view.over() {
		s.mu.Unlock()
		return false
	}
	f(&p.view)
	s.mu.Unlock()
	s.proofChanged(p)
	return true
}

// typed is a PIN that the holder typed when they were asked for the time after
// asked. It goes to the card once: a button that is pressed twice sends it twice.
// What is wrong with it is in the proof.
func (s *Server) typed(ctx context.Context, p *proof, asked int, typed []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.mu.Lock()
	answered := p.view.State != "waiting_pin" || p.asked != asked
	if !answered {
		p.asked++
	}
	s.mu.Unlock()
	if answered {
		return
	}
	select {
	case p.moved <- struct{}{}:
	default:
	}
	pin, err := jpki.NewPIN(jpki.AuthPIN, typed)
	if err != nil { // nothing was sent
		s.setProof(p, func(v *Proof) { v.Error = explain(err) })
		return
	}
	defer pin.Clear()
	if !s.setProof(p, func(v *Proof) { v.State = "checking" }) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	err = s.check(ctx, p, pin)
	switch e := wrongPIN(err); {
	case err == nil:
		if !s.setProof(p, func(v *Proof) { v.State, v.Error = "proved", nil }) {
			return // it ended meanwhile, and lets the card go
		}
	case e != nil && !e.Blocked && e.Left > 1:
		s.setProof(p, func(v *Proof) { v.State, v.Error, v.TriesLeft = "waiting_pin", explain(err), &e.Left })
	case e != nil:
		s.mu.Lock()
		p.view.TriesLeft = &e.Left
		s.mu.Unlock()
		s.endProof(p, "refused", "", err)
	case isLastTry(err):
		s.endProof(p, "refused", "", err)
	default:
		s.endProof(p, "failed", "", err)
	}
}

func wrongPIN(err error) *jpki.PINError {
	e, _ := errors.AsType[*jpki.PINError](err)
	return e
}

func isLastTry(err error) bool {
	_, ok := errors.AsType[*jpki.LastTryError](err)
	return ok
}

// check has the card verify the PIN and sign, and holds it.
func (s *Server) check(ctx context.Context, p *proof, pin jpki.PIN) error {
	at := p.card
	select {
	case <-at.gone:
		return refusal("card_removed")
	default:
	}
	if err := at.take(ctx); err != nil {
		return err
	}
	defer at.give()
	at.letGo()
	return s.opened(ctx, at, func(contact Contact, card *jpki.Card) (bool, error) {
		v, err := s.cfg.Shop.BeginWithPIN(ctx, card, pin)
		if err != nil {
			return false, err
		}
		at.held = &held{p, contact, card, v}
		return true, nil
	})
}

// askPIN asks by Config.PIN instead of the window.
func (s *Server) askPIN(p *proof) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		<-p.ended
		cancel()
	}()
	for {
		view, asked := s.question(p)
		if view.State != "waiting_pin" {
			return
		}
		pin, err := s.cfg.PIN(ctx, Question{Client: p.client.name, Act: view.Act, Account: p.account, Points: view.Points,
			Reader: p.card.reader, Tries: *view.TriesLeft, Wrong: view.Error})
		switch {
		case ctx.Err() != nil:
			clear(pin)
			return
		case errors.Is(err, ErrNoWindow):
			s.endProof(p, "failed", "", ErrNoWindow)
			return
		case err != nil:
			s.endProof(p, "cancelled", "holder", nil)
			return
		}
		s.typed(ctx, p, asked, pin)
		clear(pin)
	}
}

// proofOf returns a client's proof.
func (s *Server) proofOf(id string, c *clientInfo) (*proof, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.ended {
		if p.view.ID == id && p.client == c {
			return p, nil
		}
	}
	return nil, refusal("not_found")
}

// getProof is GET /v1/proofs/{id}.
func (s *Server) getProof(w http.ResponseWriter, r *http.Request, c *clientInfo) {
	p, err := s.proofOf(r.PathValue("id"), c)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, http.StatusOK, map[string]any{"proof": s.proofView(p)})
}

// cancelProof is DELETE /v1/proofs/{id}.
func (s *Server) cancelProof(w http.ResponseWriter, r *http.Request, c *clientInfo) {
	p, err := s.proofOf(r.PathValue("id"), c)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.endProof(p, "cancelled", "client", nil)
	s.answer(w, http.StatusOK, map[string]any{"proof": s.proofView(p)})
}

// claim takes a proof for a request: for its act, card and account and at most
// its points, and for no other request afterwards.
func (s *Server) claim(id string, c *clientInfo, card, act, account string, points int64, key string) (*proof, error) {
	p, err := s.proofOf(id, c)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v := p.view
	// The time that a computer slept is in no timer, but on the clock.
	if time.Now().Round(0).After(v.Expires.Round(0)) || v.State != "proved" || v.Card != card || v.Act != act || v.Account != account || points > v.Points || p.key != "" && p.key != key {
		return nil, refusal("proof_expired")
	}
	p.key = key
	return p, nil
}
