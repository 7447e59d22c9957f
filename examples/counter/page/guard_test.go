package page_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/examples/counter/page"
)

// ask sends a request as some browser, or something else, might.
func (p *person) ask(method, path, body string, header map[string]string) *http.Response {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), method, p.term.url+path, strings.NewReader(body))
	require.NoError(p.t, err)
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range header {
		if name == "Host" {
			r.Host = value
			continue
		}
		r.Header.Set(name, value)
	}
	resp, err := p.client.Do(r)
	require.NoError(p.t, err)
	raw, err := io.ReadAll(resp.Body)
	require.NoError(p.t, err)
	require.NoError(p.t, resp.Body.Close())
	p.body = string(raw)
	return resp
}

// The answers of all kinds of requests tell the browser the same.
func TestHeaders(t *testing.T) {
	p := serve(t, newShop(t)).open(t)
	for _, path := range []string{"/", "/enrol", "/assets/counter.js", "/assets/counter.css", "/assets/none.js", "/none", "/print/a4", "/settle/details.csv", "/events/none"} {
		resp := p.ask(http.MethodGet, path, "", nil)
		policy := resp.Header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"} {
			assert.Contains(t, policy, part, path)
		}
		assert.NotContains(t, policy, "unsafe", path)
		assert.Equal(t, "nosniff", resp.Header.Get("X-Content-Type-Options"), path)
		assert.Equal(t, "no-referrer", resp.Header.Get("Referrer-Policy"), path)
		assert.Equal(t, "no-store", resp.Header.Get("Cache-Control"), path)
		assert.Equal(t, "same-origin", resp.Header.Get("Cross-Origin-Opener-Policy"), path)
	}
}

func TestCookie(t *testing.T) {
	term := serve(t, newShop(t))
	client := &http.Client{Transport: &http.Transport{}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	resp, err := client.Get(term.url + term.path)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, "/", resp.Header.Get("Location"), "the key leaves the address")
	require.Len(t, resp.Cookies(), 1)
	c := resp.Cookies()[0]
	_, port, err := net.SplitHostPort(strings.TrimPrefix(term.url, "http://"))
	require.NoError(t, err)
	assert.Equal(t, "counter-"+port, c.Name, "two counters on one machine do not share it")
	assert.True(t, c.HttpOnly)
	assert.Equal(t, http.SameSiteStrictMode, c.SameSite)
	assert.GreaterOrEqual(t, len(c.Value), 26)
	assert.Zero(t, c.MaxAge, "it goes with the browser")
}

// Other programs of this machine reach the page. Without the key of the printed
// address they get neither a session nor the terminal.
func TestKey(t *testing.T) {
	term := serve(t, newShop(t))
	p := &person{t: t, term: term, client: &http.Client{Transport: &http.Transport{}}}
	defer p.client.CloseIdleConnections()
	for _, path := range []string{"/", "/issue", "/?key=", "/?key=AAAAAAAAAAAAAAAAAAAAAAAAAA", "/?token=" + strings.TrimPrefix(term.key(), "key=")} {
		resp := p.ask(http.MethodGet, path, "", nil)
		assert.Equal(t, http.StatusConflict, resp.StatusCode, path)
		assert.Empty(t, resp.Cookies(), path)
		assert.NotContains(t, p.body, "/take", path)
		assert.NotContains(t, p.body, strings.TrimPrefix(term.key(), "key="), path)
	}
	clerk := term.open(t)
	require.Equal(t, http.StatusOK, clerk.status)
	for _, body := range []string{"", "a=b", "key=", "key=AAAAAAAAAAAAAAAAAAAAAAAAAA"} {
		resp := p.ask(http.MethodPost, "/take", body, nil)
		assert.Equal(t, http.StatusForbidden, resp.StatusCode, body)
		assert.Empty(t, resp.Cookies())
	}
	assert.Equal(t, http.StatusOK, clerk.get("/").status, "the clerk is still there")
	assert.NotContains(t, term.log.String(), strings.TrimPrefix(term.key(), "key="))
}

// What the counter does not take, and that it changes nothing.
func TestRefusedRequests(t *testing.T) {
	s := newShop(t)
	term := serve(t, s)
	p := term.open(t)
	p.put(sample(1), "new").get("/enrol")
	good := url.Values{"token": {p.token()}, "pin": {"1234"}}.Encode()
	for _, c := range []struct {
		name, method, path, body string
		header                   map[string]string
		status                   int
	}{
		{"no token", "POST", "/enrol/pin", "pin=1234", nil, 403},
		{"wrong token", "POST", "/enrol/pin", "pin=1234&token=AAAAAAAAAAAAAAAAAAAAAAAAAA", nil, 403},
		{"token in the URL", "POST", "/enrol/pin?" + good, "pin=1234", nil, 403},
		{"another site's form", "POST", "/enrol/pin", good, map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{"a page of another port", "POST", "/enrol/pin", good, map[string]string{"Sec-Fetch-Site": "same-site"}, 403},
		{"another origin", "POST", "/enrol/pin", good, map[string]string{"Origin": "http://evil.example"}, 403},
		{"another origin takes over", "POST", "/take", "a=b", map[string]string{"Origin": "http://evil.example"}, 403},
		{"a name that points here", "GET", "/", "", map[string]string{"Host": "rebound.example"}, 421},
		{"a name that begins like ours", "GET", "/", "", map[string]string{"Host": "127.0.0.1.rebound.example"}, 421},
		{"a name with a port", "POST", "/enrol/pin", good, map[string]string{"Host": "rebound.example:80"}, 421},
		{"no name", "GET", "/", "", map[string]string{"Host": "[]"}, 421},
		{"too much", "POST", "/enrol/pin", good + "&x=" + strings.Repeat("x", 17<<10), nil, 413},
		{"half an escape", "POST", "/enrol/pin", "%zz", nil, 400},
		{"a form as a link", "GET", "/enrol/pin?" + good, "", nil, 404},
		{"no such page", "GET", "/admin", "", nil, 404},
		{"out of the assets", "GET", "/assets/..%2fpage.go", "", nil, 404},
		{"the template", "GET", "/templates/menu.html", "", nil, 404},
		{"a folder", "GET", "/assets/", "", nil, 404},
		{"another paper", "GET", "/print/a3", "", nil, 404},
		{"no ticket in hand", "GET", "/print/ticket.svg", "", nil, 404},
		{"no such file", "GET", "/settle/all.csv", "", nil, 404},
		{"no such day", "GET", "/settle/details.csv?from=2026-02-30", "", nil, 400},
		{"loopback by number", "GET", "/", "", map[string]string{"Host": "127.0.0.1"}, 409},
		// To a browser each name is a site with cookies of its own: served, and
		// asked whether to take the terminal over.
		{"loopback by six", "GET", "/", "", map[string]string{"Host": "[::1]:8080"}, 409},
		{"loopback by name", "GET", "/", "", map[string]string{"Host": "localhost:8080"}, 409},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp := p.ask(c.method, c.path, c.body, c.header)
			assert.Equal(t, c.status, resp.StatusCode)
			assert.NotContains(t, p.body, "1234")
			assert.NotContains(t, p.body, "evil.example")
			assert.NotContains(t, p.body, "rebound")
		})
	}
	p.get("/enrol").sees(`name="pin"`, "<strong>3</strong>") // nothing reached the card
}

// Requests from other machines are not answered, whatever they call this one.
func TestOtherMachines(t *testing.T) {
	s := newShop(t)
	for from, status := range map[string]int{
		"192.0.2.7:40000": 403, "[2001:db8::7]:40000": 403, "": 403, "@": 403,
		"127.0.0.1:40000": 303, "[::1]:40000": 303, "[::ffff:127.0.0.1]:40000": 303,
	} {
		counter, err := page.New(page.Config{Shop: s, Reader: new(page.Slot), Terminal: "T-01"})
		require.NoError(t, err)
		r := httptest.NewRequest(http.MethodGet, "http://localhost"+counter.Path(), nil)
		r.RemoteAddr = from
		w := httptest.NewRecorder()
		counter.ServeHTTP(w, r)
		assert.Equal(t, status, w.Code, from)
	}
}

// All that a browser loads for the first screen.
func TestFirstScreenIsSmall(t *testing.T) {
	p := serve(t, newShop(t)).open(t)
	sum := 0
	for _, path := range []string{"/", "/assets/counter.css", "/assets/counter.js", "/assets/icon.svg"} {
		resp := p.ask(http.MethodGet, path, "", nil)
		require.Equal(t, http.StatusOK, resp.StatusCode)
		sum += len(p.body)
	}
	t.Logf("first screen: %d bytes", sum)
	assert.Less(t, sum, 50_000)
}

func TestConfig(t *testing.T) {
	s := newShop(t)
	for name, c := range map[string]page.Config{
		"no shop":             {Reader: new(page.Slot), Terminal: "T-01"},
		"no reader":           {Shop: s, Terminal: "T-01"},
		"no terminal":         {Shop: s, Reader: new(page.Slot)},
		"a terminal's name":   {Shop: s, Reader: new(page.Slot), Terminal: "T 01"},
		"samples and no slot": {Shop: s, Reader: brokenReader{}, Terminal: "T-01", Samples: []page.Sample{{Name: "A", Card: sample(1)}}},
	} {
		_, err := page.New(c)
		assert.ErrorIs(t, err, page.ErrConfig, name)
	}
	_, err := page.New(page.Config{Shop: s, Reader: new(page.Slot), Terminal: "T-01", Inbox: t.TempDir() + "/none"})
	assert.Error(t, err)
}
