package page_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"database/sql"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/examples/counter/page"
	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/internal/pgtest"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/simcard"
)

var pg pgtest.Server

func TestMain(m *testing.M) {
	code := m.Run()
	pg.Stop()
	os.Exit(code)
}

func parse[T any](t testing.TB, read func(string) (T, error), text string) T {
	t.Helper()
	v, err := read(text)
	require.NoError(t, err)
	return v
}

// keys are those of all shops of these tests, so that their databases can be copies.
var keys = shop.NewKeys()

// shopConfig is a shop that trusts the software cards' authority.
func shopConfig(t testing.TB) shop.Config {
	t.Helper()
	trusted, err := jpki.NewVerifier([]*x509.Certificate{simcard.TestAuthority().Auth().Certificate(), simcard.TestAuthority().Sign().Certificate()})
	require.NoError(t, err)
	library, mall := parse(t, mykey.ParseOperatorID, "000001"), parse(t, mykey.ParseOperatorID, "000002")
	city, err := shop.SampleProgramme()
	require.NoError(t, err)
	return shop.Config{
		Keys:      keys,
		Verifier:  trusted,
		Scope:     "141305-01",
		Operators: []shop.Operator{{ID: library, Name: "あおば図書館"}, {ID: mall, Name: "あおば商店街"}},
		Mall:      mall,
		Issuer:    "あおば商店街振興組合",
		PointName: "あおば市ポイント",
		Clock:     clock,

		Programmes: []point.Programme{city},
	}
}

// clock goes as the system's does, but was noon in Japan when the tests began: no day
// of theirs ends at midnight.
func clock() time.Time { return noon.Add(time.Since(began)) }

var (
	began = time.Now()
	noon  = mykey.DateOf(began).Start().Add(12 * time.Hour)
)

func openShop(t testing.TB, driver, dsn string, cfg shop.Config) *shop.Shop {
	t.Helper()
	s, err := shop.Open(t.Context(), dbtest.Open(t, driver, dsn), cfg)
	require.NoError(t, err)
	return s
}

// empty is the database of a shop in which nothing has happened.
var empty = dbtest.Ready{Make: func(t testing.TB, db *sql.DB) {
	_, err := shop.Open(t.Context(), db, shopConfig(t))
	require.NoError(t, err)
}}

// newShop is a shop with a database file of its own.
func newShop(t testing.TB) *shop.Shop {
	t.Helper()
	return openShop(t, "sqlite", empty.FastSQLite(t), shopConfig(t))
}

// terminal is a counter that is being served.
type terminal struct {
	shop *shop.Shop
	slot *page.Slot
	url  string
	path string // with the key
	log  *syncBuffer
}

// serve serves a counter until the test ends.
func serve(t testing.TB, s *shop.Shop, change ...func(*page.Config)) *terminal {
	t.Helper()
	term := &terminal{shop: s, slot: new(page.Slot), log: new(syncBuffer)}
	cfg := page.Config{Shop: s, Reader: term.slot, Terminal: "T-01", Name: "あおば商店街", Log: slog.New(slog.NewTextHandler(term.log, nil))}
	for _, f := range change {
		f(&cfg)
	}
	p, err := page.New(cfg)
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	term.url, term.path = "http://"+listener.Addr().String(), p.Path()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- p.Serve(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		assert.NoError(t, <-done)
	})
	return term
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// key is what a browser takes the terminal over with.
func (term *terminal) key() string { return strings.TrimPrefix(term.path, "/?") }

// person is somebody at a browser without script: forms and links.
type person struct {
	t      testing.TB
	term   *terminal
	client *http.Client
	body   string // of the page in front of them
	status int
	path   string
	asked  []string // every URL
	seen   strings.Builder
}

func (term *terminal) open(t testing.TB) *person {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	p := &person{t: t, term: term, client: &http.Client{Jar: jar, Transport: &http.Transport{}}}
	p.client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		p.asked = append(p.asked, r.URL.String())
		return nil
	}
	t.Cleanup(p.client.CloseIdleConnections)
	p.get(term.path)
	return p
}

func (p *person) do(r *http.Request, err error) {
	p.t.Helper()
	require.NoError(p.t, err)
	p.asked = append(p.asked, r.URL.String())
	resp, err := p.client.Do(r)
	require.NoError(p.t, err)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	require.NoError(p.t, err)
	p.body, p.status, p.path = string(raw), resp.StatusCode, resp.Request.URL.Path
	p.seen.Write(raw)
}

func (p *person) get(path string) *person {
	p.t.Helper()
	p.do(http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.term.url+path, nil))
	return p
}

var tokenField = regexp.MustCompile(`name="token" value="([A-Z0-9]+)"`)

var cardField = regexp.MustCompile(`name="card" value="([0-9]+)"`)

func (p *person) token() string {
	p.t.Helper()
	m := tokenField.FindStringSubmatch(p.body)
	require.NotNil(p.t, m, "no form on %s", p.path)
	return m[1]
}

// send sends a form of the page in front: names and values in turn.
func (p *person) send(path string, fields ...string) *person {
	p.t.Helper()
	require.Contains(p.t, p.body, `action="`+path+`"`, "the page has such a form")
	return p.force(path, fields...)
}

// force sends a form that the page may not have any more, as by a second press
// of a button.
func (p *person) force(path string, fields ...string) *person {
	p.t.Helper()
	form := url.Values{"token": {p.token()}}
	if m := cardField.FindStringSubmatch(p.body); m != nil {
		form.Set("card", m[1])
	}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.term.url+path, strings.NewReader(form.Encode()))
	if err == nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	p.do(r, err)
	return p
}

// sees asserts that the page has a text.
func (p *person) sees(texts ...string) *person {
	p.t.Helper()
	for _, text := range texts {
		if !assert.True(p.t, strings.Contains(p.body, text), "%s: no %q", p.path, text) && strings.Contains(p.body, "<body") {
			p.t.Log(p.body[strings.Index(p.body, "<body"):])
		}
	}
	return p
}

// stream follows the events of a screen.
type stream struct {
	events chan event
	stop   context.CancelFunc
}

type event struct{ name, data string }

func (p *person) follow(screen string) *stream {
	p.t.Helper()
	ctx, stop := context.WithCancel(p.t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.term.url+"/events/"+screen, nil)
	require.NoError(p.t, err)
	resp, err := p.client.Do(r)
	require.NoError(p.t, err)
	require.Equal(p.t, "text/event-stream; charset=utf-8", resp.Header.Get("Content-Type"))
	s := &stream{events: make(chan event, 100), stop: stop}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer resp.Body.Close()
		var e event
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			switch name, value, _ := strings.Cut(lines.Text(), ":"); {
			case name == "event":
				e.name = strings.TrimSpace(value)
			case name == "data":
				e.data += strings.TrimPrefix(value, " ") + "\n"
			case lines.Text() == "" && e.name != "":
				s.events <- e
				e = event{}
			}
		}
		close(s.events)
	}()
	p.t.Cleanup(func() {
		stop()
		<-done
	})
	return s
}

// until gives the first event whose name and data are as wanted.
func (s *stream) until(t testing.TB, name, text string) event {
	t.Helper()
	for late := time.After(time.Minute); ; {
		select {
		case e, open := <-s.events:
			if !open {
				require.Fail(t, "the stream ended", "before %s with %q", name, text)
			}
			if e.name == name && strings.Contains(e.data, text) {
				return e
			}
		case <-late:
			require.Fail(t, "not in the stream", "%s with %q", name, text)
		}
	}
}

// put puts a card on the reader and waits until the page shows it, as of the
// kind that is not "".
func (p *person) put(card page.Card, kind string) *person {
	p.t.Helper()
	p.term.slot.Remove()
	s := p.follow("menu")
	s.until(p.t, "card", "none\n")
	p.term.slot.Insert(card)
	if kind != "" {
		kind += "\n"
	}
	s.until(p.t, "card", kind)
	s.stop()
	return p
}

// sample gives the card of an invented holder.
func sample(n uint, opts ...simcard.Option) *simcard.Card {
	return simcard.New(append([]simcard.Option{simcard.WithHolder(simcard.SampleHolder(n))}, opts...)...)
}

// enrolled gives a card whose holder has a MyKey ID and points.
func enrolled(t testing.TB, s *shop.Shop, n uint, points int64) (*simcard.Card, mykey.ID) {
	t.Helper()
	sim := sample(n)
	card, err := jpki.Open(t.Context(), sim)
	require.NoError(t, err)
	pin, err := jpki.NewPIN(jpki.AuthPIN, simcard.DefaultAuthPIN)
	require.NoError(t, err)
	v, err := s.BeginWithPIN(t.Context(), card, pin)
	require.NoError(t, err)
	defer v.Close()
	_, err = v.Offer(t.Context(), card)
	require.NoError(t, err)
	progress, err := v.Accept(t.Context(), card)
	require.NoError(t, err)
	if points > 0 {
		require.NoError(t, s.Grant(t.Context(), progress.Candidate, points, "welcome"))
	}
	sim.PowerOff()
	return sim, progress.Candidate
}
