package api_test

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Who may not call learns nothing and changes nothing.
func TestGuard(t *testing.T) {
	a := start(t)
	a.enrol(2000)
	till := a.client("あおばPOS")
	card := till.tap()
	stranger := &pos{agent: a}
	const evil = "https://evil.example"

	for name, c := range map[string]struct {
		headers []string
		code    string
		status  int
	}{
		"another origin":              {[]string{"Origin", evil}, "origin_refused", http.StatusForbidden},
		"a page in a file":            {[]string{"Origin", "null"}, "origin_refused", http.StatusForbidden},
		"a listed site's other port":  {[]string{"Origin", "https://pos.example.jp:8443"}, "origin_refused", http.StatusForbidden},
		"a listed site in plain":      {[]string{"Origin", "http://pos.example.jp"}, "origin_refused", http.StatusForbidden},
		"a rebound name":              {[]string{"Host", "evil.example"}, "host_refused", http.StatusMisdirectedRequest},
		"a rebound name, same origin": {[]string{"Host", "evil.example:80", "Origin", "http://evil.example:80"}, "host_refused", http.StatusMisdirectedRequest},
		"another port":                {[]string{"Host", "127.0.0.1:1"}, "host_refused", http.StatusMisdirectedRequest},
		"a navigation":                {[]string{"Sec-Fetch-Mode", "navigate"}, "origin_refused", http.StatusForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			for _, path := range []string{"/v1/status", "/v1/card", "/v1/events", "/v1/openapi.json"} {
				r := till.call("GET", path, nil, c.headers...)
				assert.Equal(t, c.status, r.status, path)
				assert.Equal(t, c.code, r.code(), path)
				assert.Empty(t, r.header.Get("Access-Control-Allow-Origin"), path)
				assert.NotContains(t, r.raw, "TILL-1", path)
			}
			r := till.call("POST", "/v1/proofs", map[string]any{"card": card, "act": "use", "account": "city", "points": 1}, c.headers...)
			assert.Equal(t, c.status, r.status)
		})
	}
	t.Run("an empty Host", func(t *testing.T) {
		c, err := net.Dial("tcp", strings.TrimPrefix(a.url, "http://"))
		require.NoError(t, err)
		defer c.Close()
		_, err = fmt.Fprintf(c, "GET /v1/status HTTP/1.1\r\nHost:\r\n\r\n")
		require.NoError(t, err)
		r, err := http.ReadResponse(bufio.NewReader(c), nil)
		require.NoError(t, err)
		defer r.Body.Close()
		assert.Equal(t, http.StatusMisdirectedRequest, r.StatusCode)
	})
	t.Run("two Origins", func(t *testing.T) {
		r, err := http.NewRequestWithContext(t.Context(), "GET", a.url+"/v1/status", nil)
		require.NoError(t, err)
		r.Header["Origin"] = []string{"https://pos.example.jp", evil}
		assert.Equal(t, http.StatusForbidden, stranger.do(r).status)
	})
	t.Run("a form", func(t *testing.T) {
		for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "application/jsonx"} {
			for path, with := range map[string]string{"/v1/proofs": till.token, "/v1/clients": ""} {
				r, err := http.NewRequestWithContext(t.Context(), "POST", a.url+path, strings.NewReader(`{"name":"x","secret":"`+a.secret+`"}`))
				require.NoError(t, err)
				if kind != "" {
					r.Header.Set("Content-Type", kind)
				}
				if with != "" {
					r.Header.Set("Authorization", "Bearer "+with)
				}
				got := stranger.do(r)
				assert.Equal(t, http.StatusBadRequest, got.status, kind)
				assert.Equal(t, "bad_request", got.code(), kind)
			}
		}
	})
	t.Run("without a token", func(t *testing.T) {
		for _, c := range []string{"GET /v1/card", "GET /v1/events", "POST /v1/proofs", "GET /v1/proofs/p-1", "DELETE /v1/proofs/p-1"} {
			method, path, _ := strings.Cut(c, " ")
			for _, token := range []string{"", "x", strings.ToLower(till.token), till.token + "x", a.secret} {
				stranger.token = token
				r := stranger.call(method, path, map[string]any{})
				assert.Equal(t, http.StatusUnauthorized, r.status, c)
			}
		}
		stranger.token = ""
		r := stranger.call("GET", "/v1/status", nil)
		assert.Len(t, r.body, 3, "no more than what this is")
		for _, secret := range []string{"", "x", till.token} {
			r := stranger.call("POST", "/v1/clients", map[string]any{"name": "x", "secret": secret})
			assert.Equal(t, "token_refused", r.code())
		}
	})
	t.Run("a program's token from a page, and a page's from a program", func(t *testing.T) {
		r := till.call("GET", "/v1/card", nil, "Origin", "https://pos.example.jp")
		assert.Equal(t, http.StatusUnauthorized, r.status)
	})
	t.Run("what is malformed", func(t *testing.T) {
		for _, body := range []any{"text", []int{1}, map[string]any{"card": card, "act": "use", "account": "city", "points": 1, "pin": "1234"},
			map[string]any{"card": card, "act": "anything", "account": "city", "points": 1}, map[string]any{"card": strings.Repeat("x", 20_000)}} {
			assert.Equal(t, "bad_request", till.call("POST", "/v1/proofs", body).code())
		}
		assert.Equal(t, http.StatusNotFound, till.call("GET", "/v1/nothing", nil).status)
	})
	state, _ := till.now()
	assert.Nil(t, state["state"].(map[string]any)["proof"], "nothing was begun")
	left, err := http.Get(a.url + "/v1/card") // without a token
	require.NoError(t, err)
	left.Body.Close()
	assert.Equal(t, http.StatusUnauthorized, left.StatusCode)
}

// A page of a listed origin is let in by the clerk, who compares a code.
func TestPairing(t *testing.T) { onBoth(t, testPairing) }

func testPairing(t *testing.T, e engine) {
	a := e.start(t)
	site := &pos{agent: a, origin: "https://pos.example.jp"}
	r := site.call("OPTIONS", "/v1/uses", nil, "Access-Control-Request-Method", "POST")
	assert.Equal(t, http.StatusNoContent, r.status)
	assert.Equal(t, "https://pos.example.jp", r.header.Get("Access-Control-Allow-Origin"))
	assert.Contains(t, r.header.Values("Vary"), "Origin")
	assert.Contains(t, r.header.Get("Access-Control-Allow-Headers"), "Idempotency-Key")

	program := &pos{agent: a}
	assert.Equal(t, "origin_refused", program.call("POST", "/v1/pairings", map[string]any{"name": "レジ"}).code(), "a program has the discovery file")
	assert.Equal(t, "token_refused", site.call("POST", "/v1/clients", map[string]any{"name": "レジ", "secret": a.secret}).code())

	r = site.call("POST", "/v1/pairings", map[string]any{"name": "レジ"})
	require.Equal(t, http.StatusAccepted, r.status, r.raw)
	id, code := r.text("pairing.id"), r.text("pairing.code")
	assert.Equal(t, "busy", site.call("POST", "/v1/pairings", map[string]any{"name": "別のレジ"}).code(), "one at a time")
	assert.Equal(t, "waiting", site.call("GET", "/v1/pairings/"+id, nil).text("pairing.state"))
	assert.Equal(t, "not_found", program.call("GET", "/v1/pairings/"+id, nil).code(), "another origin's")

	address := <-a.opened
	w := (&page{a: a}).get(address)
	require.Equal(t, http.StatusOK, w.status)
	for _, text := range []string{"レジ", "https://pos.example.jp", code} {
		assert.Contains(t, w.html, text)
	}
	assert.Equal(t, http.StatusNotFound, (&page{a: a}).get(address).status, "an address works once")
	// Another page, which cannot read the clerk's, cannot decide for the clerk.
	forged, err := http.NewRequestWithContext(t.Context(), "POST", w.action(0), strings.NewReader("do=allow+"+code))
	require.NoError(t, err)
	forged.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	assert.Equal(t, http.StatusNotFound, (&page{a: a}).do(forged).status)
	assert.Equal(t, "waiting", site.call("GET", "/v1/pairings/"+id, nil).text("pairing.state"))

	w.send(0, url.Values{"do": {"allow " + code}}.Encode())
	r = site.call("GET", "/v1/pairings/"+id, nil)
	assert.Equal(t, "allowed", r.text("pairing.state"))
	site.token = r.text("token")
	require.NotEmpty(t, site.token)
	assert.Equal(t, "not_found", site.call("GET", "/v1/pairings/"+id, nil).code(), "the token is handed out once")
	r = site.call("GET", "/v1/card", nil)
	assert.Equal(t, http.StatusOK, r.status)
	assert.Equal(t, "https://pos.example.jp", r.header.Get("Access-Control-Allow-Origin"))
	program.token = site.token
	assert.Equal(t, http.StatusUnauthorized, program.call("GET", "/v1/card", nil).status, "bound to its origin")

	// The token is kept as its digest, and the clerk can end it.
	var kept string
	require.NoError(t, a.db.QueryRow("SELECT token FROM agent_client").Scan(&kept))
	assert.NotContains(t, kept, site.token)
	w.send(0, url.Values{"do": {"revoke レジ"}}.Encode())
	assert.Equal(t, http.StatusUnauthorized, site.call("GET", "/v1/card", nil).status)

	t.Run("denied", func(t *testing.T) {
		site.token = ""
		r := site.call("POST", "/v1/pairings", map[string]any{"name": "レジ"})
		w := a.window()
		assert.Contains(t, w.html, "前の登録は使えなくなります")
		w.send(0, url.Values{"do": {"deny " + r.text("pairing.code")}}.Encode())
		r = site.call("GET", "/v1/pairings/"+r.text("pairing.id"), nil)
		assert.Equal(t, "denied", r.text("pairing.state"))
		assert.Nil(t, r.body["token"])
	})
}

// A client that has lost its token gets its identity back when the clerk allows
// it, and the old token ends.
func TestClientReturns(t *testing.T) { onBoth(t, testClientReturns) }

func testClientReturns(t *testing.T, e engine) {
	a := e.start(t)
	first := a.client("あおばPOS")
	other := a.client("別のPOS")
	var before string
	require.NoError(t, a.db.QueryRow("SELECT id FROM agent_client WHERE name = 'あおばPOS'").Scan(&before))
	a.stop()
	a.run()
	assert.Equal(t, http.StatusOK, first.call("GET", "/v1/card", nil).status, "tokens outlive the agent")

	again := &pos{agent: a}
	r := again.call("POST", "/v1/clients", map[string]any{"name": "あおばPOS", "secret": a.secret})
	require.Equal(t, http.StatusAccepted, r.status, r.raw)
	assert.Equal(t, http.StatusOK, first.call("GET", "/v1/card", nil).status, "until the clerk allows it")
	a.window().send(0, url.Values{"do": {"allow " + r.text("pairing.code")}}.Encode())
	r = again.call("GET", "/v1/pairings/"+r.text("pairing.id"), nil)
	again.token = r.text("token")
	assert.Equal(t, http.StatusOK, again.call("GET", "/v1/card", nil).status)
	assert.Equal(t, http.StatusUnauthorized, first.call("GET", "/v1/card", nil).status)
	assert.Equal(t, http.StatusOK, other.call("GET", "/v1/card", nil).status)
	var after string
	require.NoError(t, a.db.QueryRow("SELECT id FROM agent_client WHERE name = 'あおばPOS'").Scan(&after))
	assert.Equal(t, before, after)
}

// Who calls is shown that this is the agent of the discovery file, or of a token,
// and learns nothing else.
func TestHello(t *testing.T) {
	const origin, nonce = "https://pos.example.jp", "0123456789abcdef"
	a := start(t)
	program, site := a.client("あおばPOS"), &pos{agent: a, origin: origin}
	r := site.call("POST", "/v1/pairings", map[string]any{"name": "画面"})
	a.window().send(0, url.Values{"do": {"allow " + r.text("pairing.code")}}.Encode())
	site.token = site.call("GET", "/v1/pairings/"+r.text("pairing.id"), nil).text("token")
	require.NotEmpty(t, site.token)

	hello := func(p *pos, query string) string {
		t.Helper()
		stranger := &pos{agent: a, origin: p.origin}
		r := stranger.call("GET", "/v1/hello?nonce="+nonce+query, nil)
		require.Equal(t, http.StatusOK, r.status, r.raw)
		return r.text("proof")
	}
	proof := func(key []byte, at string) string {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(nonce + at))
		return base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	token := func(p *pos) string {
		key := sha256.Sum256([]byte(p.token))
		return proof(key[:], strings.Replace(a.url, "http://", "@", 1))
	}
	page, till := "&client="+url.QueryEscape("画面"), "&client="+url.QueryEscape("あおばPOS")
	assert.Equal(t, proof([]byte(a.secret), ""), hello(program, ""))
	assert.Equal(t, token(site), hello(site, page))
	assert.Equal(t, token(program), hello(program, till))
	for _, wrong := range []string{hello(program, page), hello(site, till), hello(site, "&client=x")} {
		assert.Len(t, wrong, 44, "whether there is such a client is not told")
		assert.NotContains(t, []string{proof([]byte(a.secret), ""), token(site), token(program)}, wrong)
	}
	assert.NotEqual(t, hello(site, "&client=x"), hello(site, "&client=x"))

	before := a.secret
	a.stop()
	a.run()
	assert.NotEqual(t, proof([]byte(before), ""), hello(program, ""), "an agent that came after is another")
	assert.Equal(t, token(site), hello(site, page), "the token is the same")
	require.Equal(t, http.StatusOK, program.call("POST", "/v1/window", map[string]any{"secret": a.secret}).status)
	a.window().send(0, url.Values{"do": {"revoke 画面"}}.Encode())
	assert.NotEqual(t, token(site), hello(site, page))
	for _, n := range []string{"", "0123456789abcde", strings.Repeat("0", 129)} {
		assert.Equal(t, "bad_request", program.call("GET", "/v1/hello?nonce="+n, nil).code())
	}
}
