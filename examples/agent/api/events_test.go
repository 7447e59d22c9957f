package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/simcard"
)

// stream is a stream of events, as a browser or a program reads one.
type stream struct {
	t      testing.TB
	status int
	lines  *bufio.Scanner
	close  func()
}

func (p *pos) stream(after string) *stream {
	p.t.Helper()
	ctx, cancel := context.WithCancel(p.t.Context())
	r, err := http.NewRequestWithContext(ctx, "GET", p.url+"/v1/events", nil)
	require.NoError(p.t, err)
	r.Header.Set("Accept", "text/event-stream")
	r.Header.Set("Authorization", "Bearer "+p.token)
	if after != "" {
		r.Header.Set("Last-Event-ID", after)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		cancel()
		return &stream{t: p.t, close: func() {}}
	}
	s := &stream{t: p.t, status: response.StatusCode, lines: bufio.NewScanner(response.Body)}
	s.close = sync.OnceFunc(func() {
		cancel()
		response.Body.Close()
	})
	p.t.Cleanup(s.close)
	return s
}

// next returns the next event.
func (s *stream) next() (id string, e map[string]any) {
	s.t.Helper()
	for s.lines.Scan() {
		line := s.lines.Text()
		if got, ok := strings.CutPrefix(line, "id: "); ok {
			id = got
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			require.NoError(s.t, json.Unmarshal([]byte(data), &e))
			return id, e
		}
	}
	require.NoError(s.t, s.lines.Err())
	return "", nil
}

// A tap, by stream and by long poll: who it is, and nothing of the card that
// could tell more.
func TestTap(t *testing.T) {
	a := start(t)
	id := a.enrol(2000)
	till := a.client("あおばPOS")
	live := till.stream("")
	_, e := live.next()
	assert.Equal(t, "state", e["type"])
	assert.Nil(t, e["state"].(map[string]any)["card"])
	require.NoError(t, a.slot.Insert(t.Context()))
	seen, e := live.next()
	require.Equal(t, "card.inserted", e["type"])
	card := e["card"].(map[string]any)
	assert.Equal(t, "known", card["state"])
	assert.Equal(t, id.String(), card["mykey_id"])
	assert.Equal(t, "plastic", card["kind"])
	assert.Equal(t, []any{map[string]any{"operator": "000001", "name": "あおば図書館", "customer": "1234567"}}, card["services"])
	assert.Equal(t, []any{map[string]any{"account": account, "name": accountName, "points": 2000.0}}, card["balances"])
	assert.Equal(t, card, till.call("GET", "/v1/card", nil).get("card"))
	assert.NoError(t, a.doc.checkBody(a.doc.at("components", "schemas", "Event"), marshal(t, e)))

	polled, last := till.await("", "state")
	assert.Equal(t, card["id"], polled["state"].(map[string]any)["card"].(map[string]any)["id"])
	assert.Equal(t, seen, last)

	a.slot.Remove(t.Context())
	gone, e := live.next()
	assert.Equal(t, "card.removed", e["type"])
	assert.Nil(t, till.call("GET", "/v1/card", nil).get("card"))
	assert.Equal(t, "card_removed", till.call("POST", "/v1/proofs", map[string]any{"card": card["id"], "act": "use", "account": account, "points": 1}).code())
	assert.Equal(t, "not_found", till.call("POST", "/v1/proofs", map[string]any{"card": "c-99", "act": "use", "account": account, "points": 1}).code())

	// Who was away goes on where it was; Last-Event-ID and after are the same.
	_, e = till.stream(seen).next()
	assert.Equal(t, gone, e["id"])
	r := till.call("GET", "/v1/events?after="+seen, nil)
	assert.Equal(t, "card.removed", r.body["events"].([]any)[0].(map[string]any)["type"])
	for _, unknown := range []string{"x", "other-3", seen + "0", "-1"} {
		r := till.call("GET", "/v1/events?after="+unknown, nil)
		assert.Equal(t, "reset", r.body["events"].([]any)[0].(map[string]any)["type"], unknown)
	}

	// No serial number, name or certificate in any of it.
	holder := simcard.SampleHolder(0)
	for _, never := range []string{holder.Name, serialOf(t)} {
		assert.NotContains(t, fmt.Sprint(e, card, polled), never)
		assert.NotContains(t, a.log.String(), never)
	}
	_, last = till.now()
	a.stop()
	_, e = live.next()
	assert.Equal(t, "agent.stopping", e["type"])
	_ = last
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return text
}

func serialOf(t *testing.T) string {
	t.Helper()
	card := tapped(t)
	serial, err := card.Serial(t.Context(), authSlot)
	require.NoError(t, err)
	return serial.Hex()
}

// A burst of calls, slow bodies and more streams than there is room for: memory
// is bounded, and the tap still comes.
func TestFlood(t *testing.T) {
	a := start(t)
	a.enrol(2000)
	till := a.client("あおばPOS")
	live := till.stream("")
	live.next()

	// Bodies that never end.
	for range 100 {
		c, err := net.Dial("tcp", strings.TrimPrefix(a.url, "http://"))
		require.NoError(t, err)
		t.Cleanup(func() { c.Close() })
		fmt.Fprintf(c, "POST /v1/proofs HTTP/1.1\r\nHost: %s\r\nContent-Length: 10000\r\n\r\n{", strings.TrimPrefix(a.url, "http://"))
	}
	many, burst := 300, 2000
	if os.Getenv("MYNAKIT_LONG") != "" {
		many, burst = 1000, 10_000
	}
	var open, refused int
	var streams []*stream
	for range many {
		s := till.stream("")
		streams = append(streams, s)
		if s.status == http.StatusOK {
			open++
		} else {
			refused++
		}
	}
	assert.Less(t, open, 200)
	assert.Greater(t, open, 20)
	assert.Equal(t, many, open+refused)
	for _, s := range streams[open:] {
		s.close()
	}

	caller := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 64, MaxIdleConnsPerHost: 64}}
	defer caller.CloseIdleConnections()
	var wg sync.WaitGroup
	calls := make(chan struct{})
	for range 64 {
		wg.Go(func() {
			for range calls {
				r, err := http.NewRequest("GET", a.url+"/v1/card", nil)
				if err != nil {
					continue
				}
				r.Header.Set("Authorization", "Bearer "+till.token)
				if response, err := caller.Do(r); err == nil {
					response.Body.Close()
				}
			}
		})
	}
	go func() {
		defer close(calls)
		for range burst {
			calls <- struct{}{}
		}
	}()
	require.NoError(t, a.slot.Insert(t.Context()))
	_, e := live.next()
	assert.Equal(t, "card.inserted", e["type"])
	wg.Wait()
	for _, s := range streams {
		s.close()
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	assert.Less(t, m.HeapAlloc, uint64(64<<20))
	assert.NotContains(t, a.log.String(), "panic")
}

// One client takes no other's room: not with streams, nor with bodies that it does
// not send.
func TestNoRoomOfOthers(t *testing.T) {
	a := start(t)
	greedy, till := a.client("欲張りなPOS"), a.client("レジ")
	open := 0
	for range 140 {
		if greedy.stream("").status == http.StatusOK {
			open++
		}
	}
	assert.Greater(t, open, 8)
	assert.Less(t, open, 64)
	_, e := till.stream("").next()
	assert.Equal(t, "state", e["type"])
	for range 80 { // of somebody without a token
		c, err := net.Dial("tcp", strings.TrimPrefix(a.url, "http://"))
		require.NoError(t, err)
		t.Cleanup(func() { c.Close() })
		fmt.Fprintf(c, "POST /v1/clients HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: 10000\r\n\r\n{", strings.TrimPrefix(a.url, "http://"))
	}
	assert.Equal(t, http.StatusOK, till.call("GET", "/v1/card", nil).status)
}

// From the readers' callback to the event at the client nothing waits for a time: it
// takes no longer than to do the same here, with a card and a call, and a moment. On a
// machine that does much else one try may say nothing; what waits fails in all of them.
func TestEventIsQuick(t *testing.T) {
	a := start(t)
	a.enrol(0)
	till := a.client("あおばPOS")
	live := till.stream("")
	live.next()
	here := tapped(t)
	median := func(f func()) time.Duration {
		var took []time.Duration
		for range 15 {
			began := time.Now()
			f()
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		return took[len(took)/2]
	}
	var event, same time.Duration
	for limit := time.Now().Add(time.Minute); ; {
		same = median(func() {
			_, err := a.shop.Recognise(t.Context(), here)
			require.NoError(t, err)
			till.call("GET", "/v1/card", nil)
		})
		event = median(func() {
			require.NoError(t, a.slot.Insert(t.Context()))
			_, e := live.next()
			require.Equal(t, "card.inserted", e["type"])
			a.slot.Remove(t.Context())
			live.next()
		})
		if event < 4*same+100*time.Millisecond || time.Now().After(limit) {
			break
		}
	}
	t.Logf("median of a tap %v, of the same here %v", event, same)
	assert.Less(t, event, 4*same+100*time.Millisecond)
}
