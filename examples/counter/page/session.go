package page

import (
	"crypto/rand"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// idle is how long a browser that says nothing keeps the terminal.
	idle = 15 * time.Minute
)

// A session is one browser at this terminal. There is one at a time, as there
// is one card reader: who takes the terminal over ends the session before.
type session struct {
	id    string
	token string        // goes with every form, so that no other page can send one
	over  chan struct{} // closed when another browser has taken the terminal over

	// step is held from the beginning of a form's work to its end, so that a
	// form sent twice is worked on once after the other.
	step sync.Mutex

	mu     sync.Mutex
	used   time.Time
	lang   Lang
	notice *notice // what the next screen says first
	work   work    // what the steps of a screen hand to each other
}

// sessions keeps the one session of the terminal.
type sessions struct {
	mu  sync.Mutex
	now *session
}

// cookieName is different for each port: browsers send a cookie to all ports of
// a host, and two counters on one machine would end each other's sessions.
func cookieName(r *http.Request) string {
	if _, port, err := net.SplitHostPort(r.Host); err == nil {
		return "counter-" + port
	}
	return "counter"
}

// of returns the session of a request's cookie, or nil.
func (ss *sessions) of(r *http.Request) *session {
	c, err := r.Cookie(cookieName(r))
	if err != nil {
		return nil
	}
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.now == nil || !sameToken(c.Value, ss.now.id) {
		return nil
	}
	ss.now.touch()
	return ss.now
}

// free reports whether no browser is at the terminal.
func (ss *sessions) free() bool {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.now == nil || ss.now.idle()
}

// begin returns the terminal to a browser. The session before, with the card
// that it was about and what it had typed, is over.
func (ss *sessions) begin(w http.ResponseWriter, r *http.Request, lang Lang) *session {
	s := &session{id: rand.Text(), token: rand.Text(), over: make(chan struct{}), used: time.Now(), lang: lang}
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.end()
	ss.now = s
	// No Secure: the counter is on loopback without TLS. The cookie lasts as
	// long as the browser.
	http.SetCookie(w, &http.Cookie{Name: cookieName(r), Value: s.id, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
	return s
}

// end closes the present session. The lock is held.
func (ss *sessions) end() {
	if ss.now == nil {
		return
	}
	close(ss.now.over)
	ss.now.mu.Lock()
	ss.now.work.leave("")
	ss.now.mu.Unlock()
	ss.now = nil
}

// close ends the session for good.
func (ss *sessions) close() {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.end()
}

func (s *session) touch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used = time.Now()
}

func (s *session) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.used) > idle
}

// language returns the language that the browser has chosen.
func (s *session) language() Lang {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lang
}

// say leaves word for the next screen.
func (s *session) say(n notice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notice = &n
}

// said returns that word, once.
func (s *session) said() *notice {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.notice
	s.notice = nil
	return n
}

// look runs f with what the session's screens have in hand. f must be short.
func (s *session) look(f func(w *work)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.work)
}
