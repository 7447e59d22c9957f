package api

import (
	"net/http"
	"time"
)

// Handler returns what answers the calls.
func (s *Server) Handler() http.Handler { return s.handler }

// Slept has the computer sleep beyond the life of the proof: no timer has noticed.
func (s *Server) Slept() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.proof.view.Expires = time.Now().Add(-time.Second)
}
