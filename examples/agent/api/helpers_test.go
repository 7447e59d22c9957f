package api_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"database/sql"
	"encoding/json"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/examples/agent/api"
	"github.com/mynakit/mynakit/examples/agent/readers"
	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/internal/pgtest"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/simcard/control"
)

// agent is one that runs for a test, with a software card in its reader.
type agent struct {
	t      testing.TB
	doc    document
	db     *sql.DB
	shop   *shop.Shop
	cfg    api.Config
	slot   *control.Slot
	server *api.Server
	url    string
	secret string
	opened chan string // addresses of the agent's window
	log    *lines
	stop   func()
}

// lines is a log that tests read.
type lines struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

func parse[T any](t testing.TB, read func(string) (T, error), text string) T {
	t.Helper()
	v, err := read(text)
	require.NoError(t, err)
	return v
}

// engine is a database engine.
type engine struct {
	name string
	open func(t testing.TB) *sql.DB // a new database
}

func engines() []engine {
	return []engine{
		{"SQLite", func(t testing.TB) *sql.DB { return dbtest.Open(t, "sqlite", dbtest.FastSQLite(t.TempDir())) }},
		{"PostgreSQL", func(t testing.TB) *sql.DB { return dbtest.Open(t, "pgx", pg.DSN(t)) }},
	}
}

// onBoth runs a test on both engines.
func onBoth(t *testing.T, test func(t *testing.T, e engine)) {
	t.Helper()
	for _, e := range engines() {
		t.Run(e.name, func(t *testing.T) { test(t, e) })
	}
}

var pg pgtest.Server

func TestMain(m *testing.M) {
	code := m.Run()
	pg.Stop()
	os.Exit(code)
}

// start starts an agent of a new shop on SQLite.
func start(t *testing.T, change ...func(*agent)) *agent {
	t.Helper()
	return engines()[0].start(t, change...)
}

func (e engine) start(t testing.TB, change ...func(*agent)) *agent {
	t.Helper()
	a := &agent{t: t, doc: openDocument(t), opened: make(chan string, 16), log: new(lines)}
	a.db = e.open(t)
	var err error
	cfg := shopConfig(t)
	a.shop, err = shop.Open(t.Context(), a.db, cfg)
	require.NoError(t, err)
	a.slot, err = control.New(control.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, a.slot.Close()) })
	a.slot.Remove(t.Context())
	a.cfg = api.Config{
		Shop: a.shop, DB: a.db, Keys: cfg.Keys, Readers: readers.NewSim(a.slot), Terminal: "TILL-1",
		Origins: []string{"https://pos.example.jp"}, Version: "test", Accounts: []point.Programme{programme(t)},
		Open: func(url string) error { a.opened <- url; return nil },
		Log:  slog.New(slog.NewJSONHandler(a.log, nil)),
	}
	for _, f := range change {
		f(a)
	}
	a.run()
	return a
}

func shopConfig(t testing.TB) shop.Config {
	t.Helper()
	trusted, err := jpki.NewVerifier([]*x509.Certificate{simcard.TestAuthority().Auth().Certificate()})
	require.NoError(t, err)
	library, mall := parse(t, mykey.ParseOperatorID, "000001"), parse(t, mykey.ParseOperatorID, "000002")
	return shop.Config{
		Keys: shop.NewKeys(), Verifier: trusted, Scope: "141305-01", Mall: mall,
		Operators: []shop.Operator{{ID: library, Name: "あおば図書館"}, {ID: mall, Name: "あおば商店街"}},
		Issuer:    "あおば商店街", PointName: accountName,
		Programmes: []point.Programme{programme(t)},
	}
}

// run starts the server, as after a restart if there was one before.
func (a *agent) run() {
	a.t.Helper()
	server, err := api.New(a.t.Context(), a.cfg)
	require.NoError(a.t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(a.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	ready := make(chan struct{})
	go func() {
		defer close(ended)
		assert.NoError(a.t, server.Serve(ctx, func() { close(ready) }, l))
	}()
	<-ready
	a.server = server
	text, err := server.Discovery(1)
	require.NoError(a.t, err)
	var d struct{ URL, Secret string }
	require.NoError(a.t, json.Unmarshal(text, &d))
	a.url, a.secret = d.URL, d.Secret
	a.stop = sync.OnceFunc(func() {
		cancel()
		<-ended
	})
	a.t.Cleanup(a.stop)
}

// enrol gives the holder whose card is in the slot a MyKey ID and points, at
// another terminal.
func (a *agent) enrol(points int64) mykey.ID {
	a.t.Helper()
	ctx := a.t.Context()
	card, err := jpki.Open(ctx, simcard.New())
	require.NoError(a.t, err)
	pin, err := jpki.NewPIN(jpki.AuthPIN, simcard.DefaultAuthPIN)
	require.NoError(a.t, err)
	v, err := a.shop.BeginWithPIN(ctx, card, pin)
	require.NoError(a.t, err)
	defer v.Close()
	_, err = v.Offer(ctx, card)
	require.NoError(a.t, err)
	p, err := v.Accept(ctx, card)
	require.NoError(a.t, err)
	_, err = v.RegisterService(ctx, card, parse(a.t, mykey.ParseServiceID, "000001:1234567"))
	require.NoError(a.t, err)
	if points > 0 {
		require.NoError(a.t, a.shop.Grant(ctx, p.Candidate, points, "welcome"))
	}
	return p.Candidate
}

// pos is a program that calls the agent.
type pos struct {
	*agent
	token  string
	origin string
}

// answer is what a call got.
type answer struct {
	status int
	header http.Header
	raw    string
	body   map[string]any
}

// code returns the code of an error.
func (r answer) code() string {
	e, _ := r.body["error"].(map[string]any)
	code, _ := e["code"].(string)
	return code
}

// get returns what is at a path of the body, such as "use.id".
func (r answer) get(path string) any {
	var at any = r.body
	for name := range strings.SplitSeq(path, ".") {
		m, _ := at.(map[string]any)
		at = m[name]
	}
	return at
}

func (r answer) text(path string) string {
	s, _ := r.get(path).(string)
	return s
}

// client registers a program.
func (a *agent) client(name string) *pos {
	a.t.Helper()
	p := &pos{agent: a}
	r := p.call("POST", "/v1/clients", map[string]any{"name": name, "secret": a.secret})
	require.Equal(a.t, http.StatusCreated, r.status, r.raw)
	p.token = r.text("token")
	return p
}

// call makes a call and checks its answer by the document. headers are pairs.
func (p *pos) call(method, path string, body any, headers ...string) answer {
	p.t.Helper()
	var reader io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		require.NoError(p.t, err)
		reader = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(p.t.Context(), method, p.url+path, reader)
	require.NoError(p.t, err)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if p.token != "" {
		r.Header.Set("Authorization", "Bearer "+p.token)
	}
	if p.origin != "" {
		r.Header.Set("Origin", p.origin)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
			continue
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	return p.do(r)
}

func (p *pos) do(r *http.Request) answer {
	p.t.Helper()
	response, err := http.DefaultClient.Do(r)
	require.NoError(p.t, err)
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	require.NoError(p.t, err)
	a := answer{status: response.StatusCode, header: response.Header, raw: string(raw)}
	kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if kind == "application/json" {
		require.NoError(p.t, json.Unmarshal(raw, &a.body))
	}
	if strings.HasPrefix(r.URL.Path, "/v1/") && r.Method != http.MethodOptions && r.URL.Path != "/v1/window" {
		assert.NoError(p.t, p.doc.check(r.Method, r.URL.Path, a.status, kind, raw))
	}
	return a
}

// await polls for events after an id until one of a type is there, and returns it
// and the last id.
func (p *pos) await(after, kind string) (map[string]any, string) {
	p.t.Helper()
	for limit := time.Now().Add(time.Minute); time.Now().Before(limit); {
		r := p.call("GET", "/v1/events?wait=10&after="+after, nil)
		require.Equal(p.t, http.StatusOK, r.status, r.raw)
		after = r.text("last")
		for _, e := range r.body["events"].([]any) {
			if e := e.(map[string]any); e["type"] == kind {
				return e, after
			}
		}
	}
	require.Fail(p.t, "no event", kind)
	return nil, ""
}

// tap inserts the card and returns its id.
func (p *pos) tap() string {
	p.t.Helper()
	_, last := p.now()
	require.NoError(p.t, p.slot.Insert(p.t.Context()))
	e, _ := p.await(last, "card.inserted")
	return e["card"].(map[string]any)["id"].(string)
}

// now returns the id of the last event.
func (p *pos) now() (map[string]any, string) {
	p.t.Helper()
	r := p.call("GET", "/v1/events", nil)
	require.Equal(p.t, http.StatusOK, r.status, r.raw)
	return r.body["events"].([]any)[0].(map[string]any), r.text("last")
}

// window opens the page that the agent has opened in the browser.
func (a *agent) window() *page {
	a.t.Helper()
	select {
	case url := <-a.opened:
		return (&page{a: a}).get(url)
	case <-time.After(time.Minute):
		require.Fail(a.t, "no window")
		return nil
	}
}

// page is the agent's window in a browser.
type page struct {
	a      *agent
	status int
	html   string
}

func (p *page) get(url string) *page {
	p.a.t.Helper()
	r, err := http.NewRequestWithContext(p.a.t.Context(), "GET", url, nil)
	require.NoError(p.a.t, err)
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	return p.do(r)
}

func (p *page) do(r *http.Request) *page {
	p.a.t.Helper()
	response, err := http.DefaultClient.Do(r)
	require.NoError(p.a.t, err)
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	require.NoError(p.a.t, err)
	p.status, p.html = response.StatusCode, string(raw)
	return p
}

// action is the address of the page's n-th form.
func (p *page) action(n int) string {
	p.a.t.Helper()
	parts := strings.Split(p.html, `action="`)
	require.Greater(p.a.t, len(parts), n+1, p.html)
	path, _, _ := strings.Cut(parts[n+1], `"`)
	return p.a.url + path
}

// send sends a form of the page, as the browser does.
func (p *page) send(form int, body string) *page {
	p.a.t.Helper()
	r, err := http.NewRequestWithContext(p.a.t.Context(), "POST", p.action(form), strings.NewReader(body))
	require.NoError(p.a.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", p.a.url)
	return p.do(r)
}

// proof asks for a proof and has the holder type a PIN.
func (p *pos) proof(card, act string, points int, pins ...string) string {
	p.t.Helper()
	r := p.call("POST", "/v1/proofs", map[string]any{"card": card, "act": act, "account": account, "points": points})
	require.Equal(p.t, http.StatusAccepted, r.status, r.raw)
	w := p.window()
	for _, pin := range pins {
		w.send(0, "pin="+pin)
	}
	return r.text("proof.id")
}

func (p *pos) state(proof string) string {
	p.t.Helper()
	return p.call("GET", "/v1/proofs/"+proof, nil).text("proof.state")
}

const (
	account     = "aoba"
	accountName = "あおば市ポイント"
	authSlot    = jpki.Auth
)

// tapped is the card of the sample holder, at another terminal.
func tapped(t testing.TB) *jpki.Card {
	t.Helper()
	card, err := jpki.Open(t.Context(), simcard.New())
	require.NoError(t, err)
	return card
}

type (
	shopBooks = shop.Books
	ctx       = context.Context
)

func programme(t testing.TB) point.Programme {
	t.Helper()
	p, err := shop.SampleProgramme()
	require.NoError(t, err)
	return p
}
