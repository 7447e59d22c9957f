package api_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/examples/agent/api"
	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/simcard/control"
)

// presented is how often a PIN reached the card.
func (a *agent) presented() int {
	n := 0
	for line := range strings.Lines(a.control("GET", "/v1/log?presented=true", "")) {
		if strings.Contains(line, `"presented":true`) {
			n++
		}
	}
	return n
}

// control steers the software card.
func (a *agent) control(method, path, body string) string {
	server := httptest.NewServer(a.slot)
	defer server.Close()
	r, err := http.NewRequestWithContext(a.t.Context(), method, server.URL+path, strings.NewReader(body))
	require.NoError(a.t, err)
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	require.NoError(a.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(a.t, err)
	require.Equal(a.t, http.StatusOK, response.StatusCode, "%s", text)
	return string(text)
}

// The holder types the PIN in the agent's window, which shows what it is for in
// the agent's own words.
func TestProof(t *testing.T) {
	a := start(t)
	a.enrol(2000)
	till, other := a.client("あおばPOS"), a.client("別のPOS")
	card := till.tap()
	ask := map[string]any{"card": card, "act": "use", "account": account, "points": 500}
	r := till.call("POST", "/v1/proofs", ask)
	require.Equal(t, http.StatusAccepted, r.status, r.raw)
	id := r.text("proof.id")
	assert.Equal(t, "waiting_pin", r.text("proof.state"))
	assert.EqualValues(t, 3, r.get("proof.tries_left"))
	assert.Equal(t, "busy", other.call("POST", "/v1/proofs", ask).code(), "one at a time")
	for _, method := range []string{"GET", "DELETE"} {
		assert.Equal(t, "not_found", other.call(method, "/v1/proofs/"+id, nil).code(), "another client's")
	}
	_, last := other.now()

	address := <-a.opened
	w := (&page{a: a}).get(address)
	for _, text := range []string{"あおばPOS", "500ポイント", accountName, "Software Card 00", "残り3回", "ポイント利用"} {
		assert.Contains(t, w.html, text)
	}
	assert.Equal(t, http.StatusNotFound, (&page{a: a}).get(address).status, "an address works once")
	for _, origin := range []string{"", "null", "https://evil.example", "https://pos.example.jp"} {
		forged, err := http.NewRequestWithContext(t.Context(), "POST", w.action(0), strings.NewReader("pin="+simcard.DefaultAuthPIN))
		require.NoError(t, err)
		if origin != "" {
			forged.Header.Set("Origin", origin)
		}
		assert.NotEqual(t, http.StatusOK, (&page{a: a}).do(forged).status, origin)
	}
	assert.Zero(t, a.presented(), "nothing reached the card")

	for _, malformed := range []string{"", "12", "12345", "abcd", "%31%32%33%34"} {
		w.send(0, "pin="+malformed)
		assert.Contains(t, w.html, "カードには送信していません")
	}
	assert.Zero(t, a.presented())
	w.send(0, "pin=9999")
	assert.Contains(t, w.html, "残り2回")
	assert.Equal(t, 1, a.presented())
	assert.Equal(t, "waiting_pin", till.state(id))
	w.send(0, "pin="+simcard.DefaultAuthPIN)
	assert.Contains(t, w.html, "本人確認が終わりました")
	assert.Equal(t, 2, a.presented())
	assert.Equal(t, "proved", till.state(id))
	w.do(mustRequest(t, "POST", a.url+"/window/pin/x", a.url))
	assert.Equal(t, http.StatusNotFound, w.status)

	events := other.call("GET", "/v1/events?after="+last, nil)
	assert.NotContains(t, events.raw, id, "events of a proof are its client's")
	assert.NotContains(t, a.log.String(), "9999")
	assert.Equal(t, "cancelled", till.call("DELETE", "/v1/proofs/"+id, nil).text("proof.state"))
}

func mustRequest(t *testing.T, method, url, origin string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader("pin="+simcard.DefaultAuthPIN))
	require.NoError(t, err)
	r.Header.Set("Origin", origin)
	return r
}

// A button that is pressed twice sends its form twice, and the card gets the PIN
// once.
func TestPINOnce(t *testing.T) {
	a := start(t)
	a.enrol(2000)
	till := a.client("あおばPOS")
	card := till.tap()
	r := till.call("POST", "/v1/proofs", map[string]any{"card": card, "act": "use", "account": account, "points": 500})
	require.Equal(t, http.StatusAccepted, r.status, r.raw)
	w := a.window()
	first := *w
	w.send(0, "pin=9999")
	assert.Equal(t, 1, a.presented())
	again := first
	again.send(0, "pin=9999")
	assert.Equal(t, 1, a.presented(), "it was answered")
	assert.Contains(t, again.html, "残り2回", "the page as it is now")

	second := *w
	w.send(0, "pin="+simcard.DefaultAuthPIN)
	require.Equal(t, "proved", till.state(r.text("proof.id")))
	for _, page := range []page{first, second} {
		page.send(0, "pin=9999")
		assert.Contains(t, page.html, "本人確認が終わりました")
	}
	assert.Equal(t, 2, a.presented())
	assert.Equal(t, http.StatusCreated, till.spend("1", card, 500, r.text("proof.id")).status)
}

// How a proof ends: who gave up is told from what broke.
func TestProofEnds(t *testing.T) {
	a := start(t)
	a.enrol(2000)
	till := a.client("あおばPOS")
	begin := func(t *testing.T) (string, *page) {
		card := till.tap()
		r := till.call("POST", "/v1/proofs", map[string]any{"card": card, "act": "use", "account": account, "points": 500})
		require.Equal(t, http.StatusAccepted, r.status, r.raw)
		return r.text("proof.id"), a.window()
	}
	ends := func(t *testing.T, id string) answer {
		a.slot.Remove(t.Context())
		return till.call("GET", "/v1/proofs/"+id, nil)
	}
	// left changes the card for one with so many tries. That one is in for a moment,
	// which is over when the agent has told of it: the next tap is not this one.
	left := func(n int) {
		_, last := till.now()
		require.NoError(t, a.slot.Put(t.Context(), control.Setup{PINs: map[simcard.PIN]control.PIN{simcard.AuthPIN: {Left: &n}}}))
		_, last = till.await(last, "card.inserted")
		a.slot.Remove(t.Context())
		till.await(last, "card.removed")
	}
	t.Run("the holder gives up", func(t *testing.T) {
		id, w := begin(t)
		w.send(1, "")
		r := ends(t, id)
		assert.Equal(t, "cancelled", r.text("proof.state"))
		assert.Equal(t, "holder", r.text("proof.by"))
		assert.Equal(t, http.StatusOK, w.status)
	})
	t.Run("the client gives up", func(t *testing.T) {
		id, w := begin(t)
		till.call("DELETE", "/v1/proofs/"+id, nil)
		before := a.presented()
		w.send(0, "pin="+simcard.DefaultAuthPIN)
		assert.Equal(t, before, a.presented(), "nothing is sent for a proof that is over")
		assert.Equal(t, "client", ends(t, id).text("proof.by"))
	})
	t.Run("the card is taken away", func(t *testing.T) {
		id, _ := begin(t)
		_, last := till.now()
		a.slot.Remove(t.Context())
		e, _ := till.await(last, "proof.changed")
		assert.Equal(t, "failed", e["proof"].(map[string]any)["state"])
		assert.Equal(t, "card_removed", till.call("GET", "/v1/proofs/"+id, nil).text("proof.error.code"))
	})
	t.Run("the window does not open", func(t *testing.T) {
		b := start(t, func(a *agent) { a.cfg.Open = func(string) error { return errors.New("no browser") } })
		b.enrol(0)
		till := b.client("POS")
		card := till.tap()
		r := till.call("POST", "/v1/proofs", map[string]any{"card": card, "act": "use", "account": account, "points": 1})
		assert.Equal(t, "pin_window", r.code())
		assert.Equal(t, http.StatusServiceUnavailable, r.status)
	})
	t.Run("the last try is the holder's own", func(t *testing.T) {
		left(2)
		id, w := begin(t)
		before, action := a.presented(), w.action(0)
		w.send(0, "pin=9999")
		assert.Equal(t, before+1, a.presented())
		assert.Equal(t, "refused", till.state(id))
		assert.NotContains(t, w.html, "<form", "there is nothing more to type")
		w.do(mustRequest(t, "POST", action, a.url))
		assert.Equal(t, before+1, a.presented())
		a.slot.Remove(t.Context())
		card := till.tap()
		r := till.call("POST", "/v1/proofs", map[string]any{"card": card, "act": "use", "account": account, "points": 1})
		assert.Equal(t, "pin_last_try", r.code())
		assert.EqualValues(t, 1, r.get("error.tries_left"))
		a.slot.Remove(t.Context())
	})
	t.Run("a blocked PIN", func(t *testing.T) {
		left(0)
		card := till.tap()
		r := till.call("POST", "/v1/proofs", map[string]any{"card": card, "act": "use", "account": account, "points": 1})
		assert.Equal(t, "pin_blocked", r.code())
		assert.Equal(t, http.StatusUnprocessableEntity, r.status)
		a.slot.Remove(t.Context())
	})
	t.Run("the card breaks the exchange", func(t *testing.T) {
		left(3)
		id, w := begin(t)
		a.control("PUT", "/v1/faults", `[{"do":"remove_after","name":"VERIFY","presented":true,"times":1}]`)
		w.send(0, "pin="+simcard.DefaultAuthPIN)
		proof := till.call("GET", "/v1/proofs/"+id, nil)
		assert.Equal(t, "failed", proof.text("proof.state"), "never cancelled")
		assert.Equal(t, "pin_outcome_unknown", proof.text("proof.error.code"))
	})
}

// Without a window the PIN is asked for on the terminal.
func TestProofByTerminal(t *testing.T) {
	pins := []string{"12a4", "9999", simcard.DefaultAuthPIN}
	var asked []api.Question
	a := start(t, func(a *agent) {
		a.cfg.PIN = func(_ context.Context, q api.Question) ([]byte, error) {
			asked = append(asked, q)
			if len(asked) > len(pins) {
				return nil, errors.New("the holder has gone")
			}
			return []byte(pins[len(asked)-1]), nil
		}
	})
	a.enrol(2000)
	till := a.client("あおばPOS")
	card := till.tap()
	_, last := till.now()
	ask := map[string]any{"card": card, "act": "ticket", "account": account, "points": 500}
	id := till.call("POST", "/v1/proofs", ask).text("proof.id")
	for limit := time.Now().Add(time.Minute); till.state(id) != "proved" && time.Now().Before(limit); {
		_, last = till.await(last, "proof.changed")
	}
	assert.Equal(t, "proved", till.state(id))
	require.Len(t, asked, 3)
	assert.Equal(t, "あおばPOS", asked[0].Client)
	assert.Equal(t, 2, asked[2].Tries)
	assert.Equal(t, "pin_wrong", asked[2].Wrong.Code)
	assert.Equal(t, 2, a.presented())

	// The same client begins anew; the holder has gone.
	id = till.call("POST", "/v1/proofs", ask).text("proof.id")
	for till.state(id) == "waiting_pin" {
		_, last = till.await(last, "proof.changed")
	}
	r := till.call("GET", "/v1/proofs/"+id, nil)
	assert.Equal(t, "cancelled", r.text("proof.state"))
	assert.Equal(t, "holder", r.text("proof.by"))
}

// A question that is given up ends, and one that nobody could be asked is no
// holder who gave up.
func TestProofWithoutTerminal(t *testing.T) {
	ended := make(chan struct{})
	wait := true
	a := start(t, func(a *agent) {
		a.cfg.PIN = func(ctx context.Context, _ api.Question) ([]byte, error) {
			if wait {
				<-ctx.Done()
				close(ended)
				return nil, ctx.Err()
			}
			return nil, api.ErrNoWindow
		}
	})
	a.enrol(2000)
	till := a.client("あおばPOS")
	ask := map[string]any{"card": till.tap(), "act": "use", "account": account, "points": 500}
	id := till.call("POST", "/v1/proofs", ask).text("proof.id")
	assert.Equal(t, "client", till.call("DELETE", "/v1/proofs/"+id, nil).text("proof.by"))
	<-ended
	wait = false
	_, last := till.now()
	id = till.call("POST", "/v1/proofs", ask).text("proof.id")
	for till.state(id) == "waiting_pin" {
		_, last = till.await(last, "proof.changed")
	}
	r := till.call("GET", "/v1/proofs/"+id, nil)
	assert.Equal(t, "failed", r.text("proof.state"))
	assert.Equal(t, "pin_window", r.text("proof.error.code"))
}

// The time that a computer sleeps counts.
func TestProofSleeps(t *testing.T) {
	a := start(t)
	a.enrol(2000)
	till := a.client("レジ")
	card := till.tap()
	proof := till.proof(card, "use", 300, simcard.DefaultAuthPIN)
	require.Equal(t, "proved", till.state(proof))
	a.server.Slept()
	assert.Equal(t, "proof_expired", till.spend("1", card, 300, proof).code())
}
