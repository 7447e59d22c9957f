package page

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// changes wakes everybody who waits when something on a screen may be different.
type changes struct {
	mu    sync.Mutex
	count int
	wait  chan struct{}
}

// so returns how many changes there were.
func (c *changes) so() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count
}

// next returns what is closed at the next change.
func (c *changes) next() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wait == nil {
		c.wait = make(chan struct{})
	}
	return c.wait
}

func (c *changes) tell() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count++
	if c.wait != nil {
		close(c.wait)
		c.wait = nil
	}
}

// heartbeat is how often an idle stream says that it is there, and so finds out
// whether the browser is.
const heartbeat = 15 * time.Second

// events streams the card and the screen, as HTML, whenever they are different
// from what the browser has.
func (p *Page) events(w http.ResponseWriter, r *http.Request) {
	s := p.sessions.of(r)
	sc := p.screenNamed(r.PathValue("screen"))
	if s == nil || sc == nil {
		w.WriteHeader(http.StatusNoContent) // which tells the browser not to ask again
		return
	}
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	out := http.NewResponseController(w)
	_ = out.SetReadDeadline(time.Time{}) // the server's is for a request's arrival; a recorder has none
	var card, live []byte
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	send := func(text string) bool {
		_ = out.SetWriteDeadline(time.Now().Add(2 * heartbeat))
		if _, err := w.Write([]byte(text)); err != nil {
			return false
		}
		return out.Flush() == nil
	}
	if !send("retry: 1000\n\n") {
		return
	}
	first := true
	query := r.URL.Query()
	query.Del("at")
	for {
		next := p.changes.next() // before looking, so that nothing is missed
		f := p.frame(r.Context(), s, sc, query)
		f.Notice = nil // said once, by the page
		nowCard, nowLive := p.part(f, "card"), p.part(f, "main")
		var b strings.Builder
		if first || !bytes.Equal(card, nowCard) {
			event(&b, "card", f.Card.Kind+"\n"+string(nowCard))
		}
		// The page came with the screen as it was a moment ago. What has not
		// changed since is not sent, for it would take what is being typed.
		if !first && !bytes.Equal(live, nowLive) || first && r.FormValue("at") != strconv.Itoa(f.Changes) {
			event(&b, "live", string(nowLive))
		}
		card, live, first = nowCard, nowLive, false
		if b.Len() > 0 && !send(b.String()) {
			return
		}
		select {
		case <-next:
		case <-beat.C:
			s.touch() // a page that is open is in use
			if !send(": here\n\n") {
				return
			}
		case <-s.over:
			send("event: over\ndata:\n\n")
			return
		case <-r.Context().Done():
			return
		}
	}
}

// event writes one event; its lines are the data's.
func event(b *strings.Builder, name, data string) {
	fmt.Fprintf(b, "event: %s\n", name)
	for line := range strings.Lines(data) {
		fmt.Fprintf(b, "data: %s\n", strings.TrimRight(line, "\r\n"))
	}
	b.WriteString("\n")
}

// part renders one template of a frame.
func (p *Page) part(f *frame, name string) []byte {
	var b bytes.Buffer
	if err := f.screen.in[f.Lang].ExecuteTemplate(&b, name, f); err != nil {
		return nil // the browser keeps what it has
	}
	return b.Bytes()
}
