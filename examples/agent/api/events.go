package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// kept is how many events can be asked for later.
	kept = 256
	// maxStreams is how many calls may wait for events at one time, and
	// maxClientStreams how many of one client.
	maxStreams       = 128
	maxClientStreams = 32
	// heartbeat is how often a stream that has nothing to say says so.
	heartbeat = 15 * time.Second
	// maxWait is the longest that a call for events waits.
	maxWait = 30
)

// Event is one change, as it is sent.
type Event struct {
	ID   string    `json:"id"`
	Type string    `json:"type"`
	At   time.Time `json:"at"`
	// One of these, or none.
	Reader *string     `json:"reader,omitempty"`
	Card   *Card       `json:"card,omitempty"`
	Proof  *Proof      `json:"proof,omitempty"`
	Ticket *Ticket     `json:"ticket,omitempty"`
	State  *Present    `json:"state,omitempty"`
	for_   *clientInfo // whose it is alone; nil: everybody's
}

// Present is the present state, with which whoever comes new begins.
type Present struct {
	Readers []string `json:"readers"`
	Card    *Card    `json:"card"`
	Proof   *Proof   `json:"proof"`
}

// log is the one log of events. The zero log is empty.
type log struct {
	instance string

	mu      sync.Mutex
	n       int64   // the number of the last event
	events  []Event // the last of them
	changed chan struct{}
	waiting map[*clientInfo]int
	total   int // of waiting
	over    bool
}

func (l *log) id(n int64) string { return l.instance + "-" + strconv.FormatInt(n, 10) }

// add appends an event and wakes who waits.
func (l *log) add(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n++
	e.ID, e.At = l.id(l.n), time.Now()
	if len(l.events) == kept {
		copy(l.events, l.events[1:])
		l.events = l.events[:kept-1]
	}
	l.events = append(l.events, e)
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// end wakes everybody for good.
func (l *log) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// after returns a client's events after an id, the id of the last event there is,
// and what is closed when there are more. ok is false for an id that is not of
// this log, or whose successors are no longer kept.
func (l *log) after(id string, c *clientInfo) (events []Event, last string, more <-chan struct{}, over, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed == nil {
		l.changed = make(chan struct{})
		if l.over {
			close(l.changed)
		}
	}
	last, more, over = l.id(l.n), l.changed, l.over
	number, found := strings.CutPrefix(id, l.instance+"-")
	n, err := strconv.ParseInt(number, 10, 64)
	if !found || err != nil || n < l.n-int64(len(l.events)) || n > l.n {
		return nil, last, more, over, false
	}
	for _, e := range l.events[int64(len(l.events))-(l.n-n):] {
		if e.for_ == nil || e.for_ == c {
			events = append(events, e)
		}
	}
	return events, last, more, over, true
}

// enter counts a client's call that waits, and reports whether there is room for it.
func (l *log) enter(c *clientInfo) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.total >= maxStreams || l.waiting[c] >= maxClientStreams {
		return false
	}
	if l.waiting == nil {
		l.waiting = map[*clientInfo]int{}
	}
	l.waiting[c]++
	l.total++
	return true
}

func (l *log) leave(c *clientInfo) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total--
	if l.waiting[c]--; l.waiting[c] == 0 {
		delete(l.waiting, c)
	}
}

// events is GET /v1/events. It is the only call that waits.
func (s *Server) events(w http.ResponseWriter, r *http.Request, c *clientInfo) {
	if !s.log.enter(c) {
		s.refuse(w, r, "too_many")
		return
	}
	defer s.log.leave(c)
	after := r.URL.Query().Get("after")
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		after = id
	}
	if strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
		s.stream(w, r, c, after)
		return
	}
	wait, err := strconv.Atoi(r.URL.Query().Get("wait"))
	if r.URL.Query().Get("wait") != "" && (err != nil || wait < 0) {
		s.refuse(w, r, "bad_request")
		return
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add((maxWait + 10) * time.Second))
	end := time.After(time.Duration(min(wait, maxWait)) * time.Second)
	for {
		events, last, more, over, ok := s.log.after(after, c)
		if !ok {
			events = []Event{s.present(after, c)}
		}
		if len(events) == 0 && !over {
			select {
			case <-more:
				continue
			case <-end:
			case <-r.Context().Done():
				return
			}
		}
		if events == nil {
			events = []Event{}
		}
		s.answer(w, http.StatusOK, map[string]any{"events": events, "last": last})
		return
	}
}

// present is what comes first for whoever has nothing yet, or asks after an event
// that is not known any more.
func (s *Server) present(after string, c *clientInfo) Event {
	e := Event{Type: "state", At: time.Now(), State: s.state(c)}
	if after != "" {
		e.Type = "reset"
	}
	return e
}

func (s *Server) stream(w http.ResponseWriter, r *http.Request, c *clientInfo, after string) {
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	out := http.NewResponseController(w)
	_ = out.SetReadDeadline(time.Time{}) // the server's is for a request's arrival
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	send := func(text string) bool {
		_ = out.SetWriteDeadline(time.Now().Add(heartbeat))
		_, err := w.Write([]byte(text))
		return err == nil && out.Flush() == nil
	}
	if !send("retry: 1000\n\n") {
		return
	}
	for {
		events, last, more, over, ok := s.log.after(after, c)
		if !ok {
			first := s.present(after, c)
			first.ID = last
			events = []Event{first}
		}
		var b strings.Builder
		for _, e := range events {
			text, err := json.Marshal(e)
			if err != nil {
				return
			}
			fmt.Fprintf(&b, "id: %s\nevent: %s\ndata: %s\n\n", e.ID, e.Type, text)
		}
		after = last
		if b.Len() > 0 && !send(b.String()) || over {
			return
		}
		select {
		case <-more:
		case <-beat.C:
			if s.clients.of(r) != c || !send(": here\n\n") {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}
