package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/ticket"
)

// maxActs is how many acts GET /v1/day lists.
const maxActs = 500

// Day is what this terminal did since its list was closed last, as it is sent.
type Day struct {
	Since *time.Time `json:"since"`
	Until time.Time  `json:"until"`
	Sums  []Sum      `json:"sums"`
	Acts  []Act      `json:"acts"`
	More  bool       `json:"more"`
}

// Sum is how often something was done, and for how many points.
type Sum struct {
	Kind   string `json:"kind"`
	Count  int64  `json:"count"`
	Points int64  `json:"points"`
}

// Act is one line of the list.
type Act struct {
	Kind    string    `json:"kind"`
	Account string    `json:"account"`
	Points  int64     `json:"points"`
	At      time.Time `json:"at"`
}

type addTill = func(ctx context.Context, at ticket.Terminal, from, to time.Time) (shop.Day, error)

// dayUntil adds up from the last closing to an instant by add, which is
// [shop.Shop.Till] or, to close, CloseTill. final reports whether nothing can come
// any more that would be dated before the instant.
func (s *Server) dayUntil(ctx context.Context, until time.Time, add addTill) (d Day, final bool, err error) {
	since, err := s.store.closed(ctx)
	if err != nil {
		return Day{}, false, err
	}
	d = Day{Until: until, Sums: []Sum{}, Acts: []Act{}}
	from := time.Unix(0, 0)
	if !since.IsZero() {
		d.Since, from = &since, since
	}
	if !until.After(from) {
		return d, true, nil // nothing was done yet
	}
	sums, err := add(ctx, s.at, from, until)
	if err != nil {
		return Day{}, false, err
	}
	for _, of := range []struct {
		prefix string
		sums   []point.KindTotal
	}{{"", sums.City.Kinds}, {"mall_", sums.Mall.Kinds}} {
		for _, k := range of.sums {
			d.Sums = append(d.Sums, Sum{of.prefix + string(k.Kind), k.Count, k.Points})
		}
	}
	if r := sums.Redeemed; r.Tickets > 0 {
		d.Sums = append(d.Sums, Sum{"redemption", r.Tickets, r.Points})
	}
	for act, err := range s.cfg.Shop.Acts(ctx, s.at, from, until) {
		if err != nil {
			return Day{}, false, err
		}
		if len(d.Acts) == maxActs {
			d.More = true
			break
		}
		d.Acts = append(d.Acts, Act{string(act.Kind), string(act.Account), act.Points, act.At})
	}
	return d, sums.City.Final && sums.Mall.Final, nil
}

// day is GET /v1/day.
func (s *Server) day(w http.ResponseWriter, r *http.Request, _ *clientInfo) {
	d, _, err := s.dayUntil(r.Context(), time.Now().Truncate(time.Microsecond), s.cfg.Shop.Till)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, http.StatusOK, map[string]any{"day": d})
}

// closeDay is POST /v1/day/close: up to the instant that the clerk has seen. The
// answer is the list that was closed.
func (s *Server) closeDay(w http.ResponseWriter, r *http.Request, c *clientInfo) {
	var body struct {
		Until time.Time `json:"until"`
	}
	if !s.body(w, r, &body) {
		return
	}
	if body.Until.IsZero() || body.Until.After(time.Now()) {
		s.refuse(w, r, "bad_request")
		return
	}
	s.once(w, r, c, actClose, "", body, http.StatusCreated, func(ctx context.Context, o doing, _ bool) (map[string]any, error) {
		// What is being redeemed may be dated before the instant.
		s.redeeming.Lock()
		defer s.redeeming.Unlock()
		d, final, err := s.dayUntil(ctx, body.Until, s.cfg.Shop.CloseTill)
		answer := map[string]any{"day": d}
		if err != nil || d.Since != nil && !body.Until.After(*d.Since) {
			return answer, err // it was closed later than that
		}
		var since time.Time
		if d.Since != nil {
			since = *d.Since
		}
		text, err := json.Marshal(answer)
		closed := false
		if err == nil && final {
			closed, err = s.store.close(ctx, since, body.Until, request{client: o.client.id, key: o.key, answer: text})
		}
		if err == nil && !closed {
			err = refusal("in_progress") // of another closing, or of an act that began before the instant
		}
		return answer, err
	})
}
