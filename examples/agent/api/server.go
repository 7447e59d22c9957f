package api

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/ticket"
)

// Config says which agent this is. Shop, DB, Keys, Readers and Terminal must be
// set, and Open or PIN.
type Config struct {
	Shop    *shop.Shop
	DB      *sql.DB   // the shop's; the agent keeps its clients and their keys there
	Keys    shop.Keys // the shop's
	Readers Readers
	// Terminal is the terminal's name (端末ID): see [shop.Shop.Terminal].
	Terminal string
	// Place is where the terminal stands (端末設置場所): a settlement pays by
	// places, and what has none is paid to nobody.
	Place string
	// Origins are the sites whose pages may ask to be let in, such as
	// https://pos.example.jp.
	Origins []string
	Version string
	// Accounts are the programmes whose points are taken here: see
	// [shop.Config.Programmes].
	Accounts []point.Programme
	// Training is [shop.Config.Training]. What keys were used for and when the
	// terminal was closed is kept apart too; who the clients are is not.
	Training bool
	// Open opens an address of the agent in the user's browser. What is behind
	// it works once.
	Open func(url string) error
	// PIN, if set, asks the holder in the place of the window, until ctx ends.
	// ErrNoWindow means that nobody could be asked, and another error that the
	// holder has given up.
	PIN func(ctx context.Context, q Question) ([]byte, error)
	// Printer, if set, prints ESC/POS bytes. Its errors are [ErrPaper],
	// [ErrCover] and [ErrOffline] if nothing was printed.
	Printer func(ctx context.Context, escpos []byte) error
	Log     *slog.Logger // nil discards
}

// ErrConfig means that a Config lacks something.
var ErrConfig = errors.New("agent: shop, database, keys, readers, terminal and a way to ask for PINs must be set")

// ErrNoWindow is returned by [Config.PIN] if the holder cannot be asked.
var ErrNoWindow error = refusal("pin_window")

// Version is that of the calls: it counts incompatible changes.
const Version = 1

//go:embed openapi.json
var openAPI []byte

// OpenAPI returns the description of all calls, an OpenAPI 3.1 document.
func OpenAPI() []byte { return openAPI }

const (
	// maxCalls is how many calls are worked on at one time, beside those that
	// wait for events.
	maxCalls = 64
	// maxConnections bounds the connections, and with them the memory that
	// programs can take which send nothing.
	maxConnections = 512
)

// Server is the agent. Make it with [New] and run it with [Server.Serve].
type Server struct {
	cfg        Config
	at         ticket.Terminal
	instance   string
	secret     func() string // of the discovery file; no dump shows it
	pseudonyms func() []byte // the key of pseudonyms; likewise
	handler    http.Handler
	store      *store
	clients    clients
	log        log
	calls      chan struct{}
	stop       chan struct{}
	wg         sync.WaitGroup

	keys struct { // requests that are being carried out
		mu    sync.Mutex
		inUse map[[2]string]chan struct{}
	}

	redeeming sync.RWMutex // shared by redemptions; a closing waits for them

	mu      sync.Mutex
	base    string
	windows map[string]window
	readers []string
	service error // why there is no readers' service
	cards   []*presence
	count   int // of the cards so far
	proof   *proof
	ended   []*proof // the last ones, the present one included
}

// New opens the agent's tables. The errors are ErrConfig and the database's.
func New(ctx context.Context, cfg Config) (*Server, error) {
	if cfg.Shop == nil || cfg.DB == nil || cfg.Keys.IsZero() || cfg.Readers == nil || cfg.Open == nil && cfg.PIN == nil {
		return nil, ErrConfig
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{cfg: cfg, at: cfg.Shop.Terminal(cfg.Terminal), calls: make(chan struct{}, maxCalls), stop: make(chan struct{}), windows: map[string]window{}}
	s.at.Place = cfg.Place
	if s.at.Check() != nil {
		return nil, ErrConfig
	}
	// Another agent calls the same card otherwise. What a key of a client's was
	// used for is known to whichever agent comes after this one.
	pseudonyms, err := cfg.Keys.Derive("agent pseudonym " + cfg.Terminal)
	if err != nil {
		return nil, err
	}
	digests, err := cfg.Keys.Derive("agent request")
	if err != nil {
		return nil, err
	}
	secret := rand.Text()
	s.secret, s.pseudonyms = func() string { return secret }, func() []byte { return pseudonyms }
	s.instance = strings.ToLower(rand.Text()[:6])
	s.log.instance = s.instance
	s.keys.inUse = map[[2]string]chan struct{}{}
	if s.store, err = openStore(ctx, cfg.DB, cfg.Terminal, digests, cfg.Training); err != nil {
		return nil, err
	}
	s.clients.store = s.store
	if s.clients.all, err = s.store.clients(ctx); err != nil {
		return nil, err
	}
	s.handler = s.limit(s.guard(s.routes()))
	return s, nil
}

// Address returns the agent's address, once [Server.Serve] is ready.
func (s *Server) Address() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.base
}

// Discovery returns the content of the discovery file, which has a secret: what
// programs of the same user need to register.
func (s *Server) Discovery(pid int) ([]byte, error) {
	return json.Marshal(map[string]any{"url": s.Address(), "secret": s.secret(), "pid": pid, "instance": s.instance, "api": Version})
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	open := func(pattern string, f http.HandlerFunc) { mux.HandleFunc(pattern, f) }
	call := func(pattern string, f func(http.ResponseWriter, *http.Request, *clientInfo)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if c := s.clients.of(r); c != nil {
				f(w, r, c)
			} else {
				s.refuse(w, r, "token_refused")
			}
		})
	}
	open("GET /v1/status", s.status)
	open("GET /v1/hello", s.hello)
	open("GET /v1/openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = w.Write(openAPI)
	})
	open("POST /v1/clients", s.register)
	open("POST /v1/pairings", s.pairings)
	open("GET /v1/pairings/{id}", s.pairingState)
	call("GET /v1/events", s.events)
	call("GET /v1/card", s.card)
	call("POST /v1/proofs", s.proofs)
	call("GET /v1/proofs/{id}", s.getProof)
	call("DELETE /v1/proofs/{id}", s.cancelProof)
	s.actRoutes(call)
	open("GET /window/{nonce}", s.openedWindow)
	open("GET /window/window.js", s.asset)
	open("GET /window/window.css", s.asset)
	open("POST /window/pin/{secret}", s.windowPIN)
	open("POST /window/pin/{secret}/cancel", s.windowCancel)
	open("POST /window/pin/{secret}/beat", s.windowBeats)
	open("POST /window/clients/{secret}", s.windowClients)
	open("POST /v1/window", s.windowForUser)
	open("/", func(w http.ResponseWriter, r *http.Request) { s.refuse(w, r, "not_found") })
	return mux
}

// limit bounds how much is worked on at one time. A call for events waits outside
// of it, and has a bound of its own. So does a body that is not here yet: it costs
// memory, which the number of connections bounds.
func (s *Server) limit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.WithContext(context.WithValue(r.Context(), requestKey{}, "q-"+strings.ToLower(rand.Text()[:8])))
		if r.URL.Path == "/v1/events" {
			next.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		defer clear(body) // it may be a PIN
		if err != nil {
			s.refuse(w, r, "bad_request")
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		wait := time.NewTimer(5 * time.Second)
		defer wait.Stop()
		select {
		case s.calls <- struct{}{}:
			defer func() { <-s.calls }()
			began := time.Now()
			seen := &statusWriter{ResponseWriter: w, status: http.StatusOK}
			next.ServeHTTP(seen, r)
			s.cfg.Log.Info("call", "request", requestID(r), "method", r.Method, "call", r.Pattern, "status", seen.status, "us", time.Since(began).Microseconds())
		case <-wait.C:
			s.refuse(w, r, "too_many")
		case <-r.Context().Done():
		}
	})
}

type requestKey struct{}

// requestID is the number of a request in the log.
func requestID(r *http.Request) string {
	id, _ := r.Context().Value(requestKey{}).(string)
	return id
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// body reads a call's body into v, and answers if it is malformed. Unknown fields
// are refused: a misspelt one would be passed over.
func (s *Server) body(w http.ResponseWriter, r *http.Request, v any) bool {
	if !isJSON(r) {
		s.refuse(w, r, "bad_request")
		return false
	}
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if d.Decode(v) != nil {
		s.refuse(w, r, "bad_request")
		return false
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		s.refuse(w, r, "bad_request")
		return false
	}
	return true
}

// status is GET /v1/status.
func (s *Server) status(w http.ResponseWriter, r *http.Request) {
	body := map[string]any{"agent": "mynakit", "api": Version, "instance": s.instance}
	if c := s.clients.of(r); c != nil {
		body["version"], body["terminal"], body["readers"] = s.cfg.Version, s.cfg.Terminal, s.state(c).Readers
		body["training"] = s.cfg.Training
		s.mu.Lock()
		if s.service != nil {
			body["error"] = explain(s.service)
		}
		s.mu.Unlock()
	}
	s.answer(w, http.StatusOK, body)
}

// hello is GET /v1/hello: the agent proves to who calls it that it is the one of
// the discovery file, or the one that the caller's token is of, before either is
// sent. A program of another user can have the port of an agent that was killed.
func (s *Server) hello(w http.ResponseWriter, r *http.Request) {
	nonce, key := r.FormValue("nonce"), []byte(s.secret())
	if n := len(nonce); n < 16 || n > 128 {
		s.refuse(w, r, "bad_request")
		return
	}
	if name := r.FormValue("client"); name != "" {
		// A token outlives the agent and its port: who has an old port could pass
		// the call on to the agent, and its answer back. The address tells.
		key, nonce = s.clients.helloKey(name, origin(r)), nonce+"@"+r.Host
	}
	s.answer(w, http.StatusOK, map[string]any{"proof": HelloProof(key, nonce)})
}

// HelloProof returns what GET /v1/hello answers to a nonce: the HMAC-SHA256 under the
// secret of the discovery file, or another key as the guide describes it.
func HelloProof(key []byte, nonce string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(nonce))
	return mac.Sum(nil)
}

// Serve serves the calls on the listeners, of which the first gives the agent its
// address, and watches the readers, until ctx ends. ready is called once the
// address is known. What is under way is finished.
func (s *Server) Serve(ctx context.Context, ready func(), listeners ...net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.mu.Lock()
	s.base = "http://" + listeners[0].Addr().String()
	s.mu.Unlock()
	srv := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      callTime + 10*time.Second, // events set their own
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), // it names clients and requests
	}
	failed := make(chan error, len(listeners)+1)
	room := make(chan struct{}, maxConnections)
	var wg sync.WaitGroup
	for _, l := range listeners {
		wg.Go(func() {
			if err := srv.Serve(&bounded{l, room}); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("agent: serve: %w", err)
				cancel()
			}
		})
	}
	wg.Go(func() {
		if err := s.watch(ctx); err != nil && ctx.Err() == nil {
			s.mu.Lock()
			s.service = err
			s.mu.Unlock()
			s.cfg.Log.Error("there are no readers", "error", err)
		}
	})
	if ready != nil {
		ready()
	}
	<-ctx.Done()
	s.log.add(Event{Type: "agent.stopping"})
	s.log.end()
	close(s.stop)
	late, done := context.WithTimeout(context.WithoutCancel(ctx), closing)
	defer done()
	if srv.Shutdown(late) != nil {
		_ = srv.Close()
	}
	wg.Wait()
	s.wg.Wait()
	close(failed)
	return <-failed
}

// bounded is a listener with a bound for its connections: those beyond are closed.
type bounded struct {
	net.Listener
	room chan struct{}
}

func (b *bounded) Accept() (net.Conn, error) {
	for {
		c, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case b.room <- struct{}{}:
			return &counted{Conn: c, leave: sync.OnceFunc(func() { <-b.room })}, nil
		default:
			_ = c.Close()
		}
	}
}

type counted struct {
	net.Conn
	leave func()
}

func (c *counted) Close() error {
	c.leave()
	return c.Conn.Close()
}
