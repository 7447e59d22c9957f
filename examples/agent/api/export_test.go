package api

import "net/http"

// Handler returns what answers the calls.
func (s *Server) Handler() http.Handler { return s.handler }
