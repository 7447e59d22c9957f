package api

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/mynakit/mynakit/ticket"
)

// actRoutes are the calls that change points, tickets or paper.
func (s *Server) actRoutes(call func(string, func(http.ResponseWriter, *http.Request, *clientInfo))) {
	call("POST /v1/uses", s.uses)
	call("POST /v1/uses/{id}/refunds", s.refunds)
	call("GET /v1/day", s.day)
	call("POST /v1/day/close", s.closeDay)
	call("POST /v1/tickets", s.tickets)
	call("GET /v1/tickets", s.unprinted)
	call("POST /v1/tickets/inspect", s.inspect)
	call("POST /v1/redemptions", s.redemptions)
	call("POST /v1/prints", s.prints)
	call("GET /v1/requests/{key}", s.request)
	call("POST /v1/requests/{key}/cancel", s.cancel)
}

// orderKey is what the shop's ledgers know a client's key by: two clients' equal
// keys do not meet there, nor those of the counter.
func orderKey(client, key string) string { return short("order", client, key) }

func short(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:20]))
}

// objectID is the id of what a request made.
func objectID(prefix, orderKey string) string { return prefix + short("object", orderKey) }

// doing is one call that changes something, from the moment that its key is
// written down.
type doing struct {
	client *clientInfo
	key    string
	order  string // the key for the shop
	object string
}

// validKey reports whether a header can be a key.
func validKey(key string) bool {
	return len(key) >= 1 && len(key) <= 64 && !strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' })
}

// enter marks a key as in flight, and waits for whoever is before. leave ends it.
func (s *Server) enterKey(ctx context.Context, c *clientInfo, key string) (leave func(), err error) {
	id := [2]string{c.id, key}
	for {
		s.keys.mu.Lock()
		before := s.keys.inUse[id]
		if before == nil {
			done := make(chan struct{})
			s.keys.inUse[id] = done
			s.keys.mu.Unlock()
			return func() {
				s.keys.mu.Lock()
				delete(s.keys.inUse, id)
				s.keys.mu.Unlock()
				close(done)
			}, nil
		}
		s.keys.mu.Unlock()
		select {
		case <-before:
		case <-ctx.Done():
			return nil, refusal("in_progress")
		}
	}
}

// inFlight reports whether a key is being worked on.
func (s *Server) inFlight(c *clientInfo, key string) bool {
	s.keys.mu.Lock()
	defer s.keys.mu.Unlock()
	return s.keys.inUse[[2]string{c.id, key}] != nil
}

// once carries out a call under its key: the first answer is kept, and given
// again. body is what the key is for. do is called again for a key whose answer
// is not kept here, and must then give the answer of the first time, with
// "repeated".
func (s *Server) once(w http.ResponseWriter, r *http.Request, c *clientInfo, what act, prefix string, body any, status int,
	do func(ctx context.Context, d doing, again bool) (map[string]any, error)) {
	key := r.Header.Get("Idempotency-Key")
	if !validKey(key) || len(r.Header["Idempotency-Key"]) != 1 {
		s.refuse(w, r, "key_missing")
		return
	}
	// What has begun is finished, also when the caller has gone: it asks again.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), callTime)
	defer cancel()
	leave, err := s.enterKey(ctx, c, key)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	defer leave()
	text, err := json.Marshal(body)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	d := doing{client: c, key: key, order: orderKey(c.id, key)}
	if prefix != "" {
		d.object = objectID(prefix, d.order)
	}
	q := request{client: c.id, key: key, act: what, body: s.store.digest(append([]byte(r.URL.Path+"\n"), text...)), object: d.object}
	kept, first, err := s.store.begin(ctx, q)
	switch {
	case err != nil:
		s.fail(w, r, err)
		return
	case !first && kept.act == actVoid:
		s.refuse(w, r, "request_void")
		return
	case !first && (kept.act != q.act || kept.body != q.body):
		s.refuse(w, r, "key_reused")
		return
	case !first && len(kept.answer) > 0:
		var answer map[string]any
		if err := json.Unmarshal(kept.answer, &answer); err != nil {
			s.fail(w, r, err)
			return
		}
		if code, ok := answer["error"].(string); ok {
			s.refuse(w, r, refusal(code))
			return
		}
		answer["repeated"] = true
		s.answer(w, status, answer)
		return
	}
	answer, err := do(ctx, d, !first)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if what != actUse && what != actTicket && what != actPrint { // the others keep theirs with what they did
		if q.answer, err = json.Marshal(answer); err == nil {
			err = s.store.done(ctx, q)
		}
		if err != nil {
			// It is done, and whoever asks again is told what is known.
			s.cfg.Log.Error("an answer was not written down", "request", requestID(r), "error", err)
		}
	}
	if answer["repeated"] == nil {
		answer["repeated"] = false
	}
	s.answer(w, status, answer)
}

// Use is a use of points as it is sent.
type Use struct {
	ID       string    `json:"id"`
	Account  string    `json:"account"`
	Points   int64     `json:"points"`
	Balance  int64     `json:"balance"`
	At       time.Time `json:"at"`
	Refunded int64     `json:"refunded"`
	Training bool      `json:"training"`
}

func useOf(id string, r point.Receipt) Use {
	return Use{ID: id, Account: string(r.Account), Points: r.Points, Balance: r.Balance, At: r.At, Refunded: r.Undone, Training: r.Training}
}

// customer is a holder as the agent shows one.
type customer struct {
	ID       mykey.ID
	Services []Service
	Balances []Balance
}

func (s *Server) recogniseHolder(ctx context.Context, card *jpki.Card) (customer, error) {
	c, err := s.cfg.Shop.Recognise(ctx, card)
	if err != nil {
		return customer{}, err
	}
	return s.customerOf(c), nil
}

func (s *Server) customerOf(c shop.Customer) customer {
	out := customer{ID: c.ID, Services: []Service{}, Balances: []Balance{}}
	for _, id := range c.Services {
		for _, o := range s.cfg.Shop.Operators() {
			if o.ID == id.Operator {
				out.Services = append(out.Services, Service{id.Operator, o.Name, id.Customer})
			}
		}
	}
	for _, b := range c.Balances {
		out.Balances = append(out.Balances, Balance{string(b.Account), b.Name, b.Points})
	}
	return out
}

// accountName returns what the holder reads of an account.
func (s *Server) accountName(account string) (string, error) {
	for _, p := range s.cfg.Accounts {
		if string(p.Account) == account {
			return p.Name, nil
		}
	}
	return "", refusal("bad_request")
}

// visit runs f with the card of an id and a visit of its holder: that of the
// proof, or one of a card that has proved nothing.
func (s *Server) visit(ctx context.Context, d doing, card, proofID, act, account string, points int64,
	f func(ctx context.Context, v *shop.Visit, card *jpki.Card) error) error {
	var claimed *proof
	if proofID != "" {
		var err error
		if claimed, err = s.claim(proofID, d.client, card, act, account, points, d.key); err != nil {
			return err
		}
	}
	err := s.with(ctx, card, func(ctx context.Context, at *presence, card *jpki.Card) error {
		if at.held != nil && at.held.proof != claimed {
			return refusal("busy") // the PIN that is verified is for another act
		}
		if claimed == nil {
			v, err := s.cfg.Shop.Begin(ctx, card)
			if err != nil {
				return err
			}
			defer v.Close()
			err = f(ctx, v, card)
			if _, ask := errors.AsType[*jpki.PINRequiredError](err); ask {
				err = refusal("proof_needed")
			}
			return err
		}
		if at.held == nil {
			return refusal("proof_expired")
		}
		return f(ctx, at.held.visit, card)
	})
	if err == nil && claimed != nil {
		s.endProof(claimed, "used", "", nil)
	}
	if errors.Is(err, registry.ErrSessionOver) {
		err = refusal("proof_expired")
	}
	return err
}

// balanceIs reports what a card's holder has under an account after a use.
func (s *Server) balanceIs(id string, r point.Receipt) {
	p, err := s.presentCard(id)
	if err != nil {
		return // it has left
	}
	s.mu.Lock()
	c := p.view
	s.mu.Unlock()
	c.Balances = slices.Clone(c.Balances)
	for i := range c.Balances {
		if c.Balances[i].Account == string(r.Account) {
			c.Balances[i].Points = r.Balance
		}
	}
	p.show(s, c)
}

// refresh reports a card whose balances have changed.
func (s *Server) refresh(ctx context.Context, id string) {
	p, err := s.presentCard(id)
	if err != nil {
		return // it has left
	}
	s.mu.Lock()
	c := p.view
	s.mu.Unlock()
	if c.MyKeyID == nil {
		return
	}
	if who, err := s.cfg.Shop.Find(ctx, *c.MyKeyID); err == nil {
		if now := s.customerOf(who).Balances; !slices.Equal(now, c.Balances) {
			c.Balances = now
			p.show(s, c)
		}
	}
}

// refreshAll is refresh for what was done without a card, to whichever holder.
func (s *Server) refreshAll(ctx context.Context) {
	s.mu.Lock()
	cards := slices.Clone(s.cards)
	s.mu.Unlock()
	for _, p := range cards {
		s.refresh(ctx, p.id)
	}
}

// uses is POST /v1/uses.
func (s *Server) uses(w http.ResponseWriter, r *http.Request, c *clientInfo) {
	var body struct {
		Card    string `json:"card"`
		Account string `json:"account"`
		Points  int64  `json:"points"`
		Proof   string `json:"proof"`
	}
	if !s.body(w, r, &body) {
		return
	}
	if _, err := s.accountName(body.Account); err != nil {
		s.fail(w, r, err)
		return
	}
	// The same use may be asked for with the card put back and proved anew.
	same := []any{body.Account, body.Points}
	s.once(w, r, c, actUse, "u-", same, http.StatusCreated, func(ctx context.Context, d doing, again bool) (map[string]any, error) {
		if again {
			receipt, err := s.cfg.Shop.Status(ctx, s.at, d.order)
			if !errors.Is(err, point.ErrNoRequest) { // else the proof, which is used up, would be what is wrong
				return map[string]any{"use": useOf(d.object, receipt), "repeated": true}, err
			}
		}
		var use Use
		err := s.visit(ctx, d, body.Card, body.Proof, "use", body.Account, body.Points, func(ctx context.Context, v *shop.Visit, card *jpki.Card) error {
			receipt, err := v.Use(ctx, card, s.at, shop.Order{Key: d.order, Account: point.Account(body.Account), Points: body.Points})
			if use = useOf(d.object, receipt); err == nil {
				s.balanceIs(body.Card, receipt)
			}
			return err
		})
		return map[string]any{"use": use}, err
	})
}

// Refund is what was given back, as it is sent.
type Refund struct {
	ID       string    `json:"id"`
	Use      string    `json:"use"`
	Points   int64     `json:"points"`
	Balance  int64     `json:"balance"`
	Lapsed   int64     `json:"lapsed"`
	At       time.Time `json:"at"`
	Training bool      `json:"training"`
}

// refunds is POST /v1/uses/{id}/refunds. It needs no card.
func (s *Server) refunds(w http.ResponseWriter, r *http.Request, c *clientInfo) {
	var body struct {
		Points int64 `json:"points"`
	}
	if !s.body(w, r, &body) {
		return
	}
	id := r.PathValue("id")
	of, err := s.store.object(r.Context(), c.id, id)
	if err == nil && of.act != actUse {
		err = refusal("not_found")
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.once(w, r, c, actRefund, "r-", body.Points, http.StatusCreated, func(ctx context.Context, d doing, _ bool) (map[string]any, error) {
		defer s.refreshAll(ctx)
		receipt, err := s.cfg.Shop.Refund(ctx, s.at, shop.Refund{Key: d.order, Of: orderKey(c.id, of.key), Points: body.Points})
		return map[string]any{"refund": Refund{d.object, id, receipt.Points, receipt.Balance, receipt.Lapsed, receipt.At, receipt.Training}}, err
	})
}

// request is GET /v1/requests/{key}.
func (s *Server) request(w http.ResponseWriter, r *http.Request, c *clientInfo) {
	key := r.PathValue("key")
	if s.inFlight(c, key) {
		s.refuse(w, r, "in_progress")
		return
	}
	kept, err := s.store.find(r.Context(), c.id, key)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answer, err := s.answerOf(r.Context(), kept)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, http.StatusOK, answer)
}

// answerOf returns the answer that a key got, from what is kept or, for an agent
// that died in between, from the ledger.
func (s *Server) answerOf(ctx context.Context, kept request) (map[string]any, error) {
	if kept.act == actVoid {
		return nil, refusal("request_void")
	}
	order := orderKey(kept.client, kept.key)
	receipt, err := s.cfg.Shop.Status(ctx, s.at, order)
	if errors.Is(err, point.ErrRequestVoid) {
		return nil, refusal("request_void")
	}
	if kept.act == actUse && err == nil { // as it is now, with what was given back
		return map[string]any{"use": useOf(kept.object, receipt)}, nil
	}
	if kept.act == actTicket { // as it is now, on paper or not
		t, err := s.cfg.Shop.Ticket(ctx, s.at, order)
		if errors.Is(err, ticket.ErrNotFound) {
			err = refusal("request_unknown")
		}
		return map[string]any{"ticket": s.ticketOf(t)}, err
	}
	if len(kept.answer) == 0 {
		switch {
		case err != nil && !errors.Is(err, point.ErrNoRequest):
			return nil, err
		case kept.act == actRedeem:
			return nil, refusal("outcome_unknown")
		}
		return nil, refusal("request_unknown") // the same call gives the answer, if there is one
	}
	var answer map[string]any
	err = json.Unmarshal(kept.answer, &answer)
	if code, ok := answer["error"].(string); ok {
		return nil, refusal(code)
	}
	return answer, err
}

// notUndoable is the answer to a cancel that comes too late.
type notUndoable struct{ answer map[string]any }

func (e *notUndoable) Error() string { return refusal("not_undoable").Error() }

// Is reports whether target is the code.
func (e *notUndoable) Is(target error) bool { return target == refusal("not_undoable") }

// cancel is POST /v1/requests/{key}/cancel. It is final: what has not come will
// be refused, also by an agent that is started anew.
func (s *Server) cancel(w http.ResponseWriter, r *http.Request, c *clientInfo) {
	key := r.PathValue("key")
	if !validKey(key) {
		s.refuse(w, r, "bad_request")
		return
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		s.refuse(w, r, "bad_request")
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), callTime)
	defer cancel()
	leave, err := s.enterKey(ctx, c, key)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	defer leave()
	answer, err := s.undo(ctx, c, key)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, http.StatusOK, answer)
}

func (s *Server) undo(ctx context.Context, c *clientInfo, key string) (map[string]any, error) {
	void := map[string]any{"void": true}
	kept, first, err := s.store.begin(ctx, request{client: c.id, key: key, act: actVoid})
	if err != nil {
		return nil, err
	}
	if first || kept.act == actVoid {
		return void, nil
	}
	switch kept.act {
	case actUse, actTicket, actRefund:
	default:
		if kept.act == actPrint || kept.act == actClose { // of which nothing is done without an answer
			if done, err := s.store.void(ctx, kept); err != nil || done {
				return void, err
			}
		}
		answer, err := s.answerOf(ctx, kept)
		if err == nil {
			err = &notUndoable{answer}
		}
		return nil, err
	}
	defer s.refreshAll(ctx)
	receipt, err := s.cfg.Shop.Cancel(ctx, s.at, orderKey(c.id, key))
	switch {
	case errors.Is(err, point.ErrNotUndoable):
		answer, stored := s.answerOf(ctx, kept)
		if stored != nil {
			return nil, fmt.Errorf("%w: %w", refusal("not_undoable"), stored)
		}
		return nil, &notUndoable{answer}
	case err != nil:
		return nil, err
	case receipt.Void:
		return void, nil
	}
	answer, err := s.answerOf(ctx, kept) // as it is now
	if err == nil {
		answer["void"] = false
	}
	return answer, err
}
