package control_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/crypto/ocsp"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/simcard/control"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var _ control.Card = (*control.Slot)(nil)

const (
	selectJPKI = "\x00\xA4\x04\x0C\x0A\xD3\x92\xF0\x00\x26\x01\x00\x00\x00\x01"
	readSerial = "\x00\xB0\x8A\x00\x24"
	wrongPIN   = "\x00\x20\x00\x98\x049999"
	rightPIN   = "\x00\x20\x00\x98\x041234"
	askTries   = "\x00\x20\x00\x98"
)

// A bench is a slot behind its API.
type bench struct {
	*testing.T
	slot *control.Slot
	url  string
}

func newBench(t *testing.T, cfg control.Config) *bench {
	t.Helper()
	slot, err := control.New(cfg)
	require.NoError(t, err)
	server := httptest.NewServer(slot)
	t.Cleanup(func() {
		assert.NoError(t, slot.Close())
		server.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return &bench{t, slot, server.URL}
}

// call gives the status and the body.
func (b *bench) call(method, path, body string) (int, string) {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), method, b.url+path, strings.NewReader(body))
	require.NoError(b, err)
	return b.do(r)
}

func (b *bench) do(r *http.Request) (int, string) {
	b.Helper()
	response, err := http.DefaultClient.Do(r)
	require.NoError(b, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(b, err)
	return response.StatusCode, string(text)
}

// ok is a call that must succeed; it gives the JSON value.
func (b *bench) ok(method, path, body string) map[string]any {
	b.Helper()
	status, text := b.call(method, path, body)
	require.Equal(b, http.StatusOK, status, text)
	var v map[string]any
	require.NoError(b, json.Unmarshal([]byte(text), &v), text)
	return v
}

// refused is a call that must fail in a certain way.
func (b *bench) refused(method, path, body string, status int, code, field string) {
	b.Helper()
	got, text := b.call(method, path, body)
	assert.Equal(b, status, got, "%s %s %s: %s", method, path, body, text)
	var v struct {
		Error struct{ Code, Text, Field string }
	}
	require.NoError(b, json.Unmarshal([]byte(text), &v), text)
	assert.Equal(b, code, v.Error.Code, text)
	assert.Equal(b, field, v.Error.Field, text)
	assert.NotEmpty(b, v.Error.Text)
}

func (b *bench) send(command string) string {
	b.Helper()
	reply, err := b.slot.Transmit([]byte(command))
	require.NoError(b, err)
	return fmt.Sprintf("%X", reply[max(0, len(reply)-2):])
}

func (b *bench) log(query string) (lines []control.Line) {
	b.Helper()
	status, text := b.call("GET", "/v1/log"+query, "")
	require.Equal(b, http.StatusOK, status, text)
	for line := range strings.Lines(text) {
		var l control.Line
		require.NoError(b, json.Unmarshal([]byte(line), &l), line)
		lines = append(lines, l)
	}
	return lines
}

func get(t *testing.T, v any, path ...string) any {
	t.Helper()
	for _, name := range path {
		m, ok := v.(map[string]any)
		require.True(t, ok, "no object around %s", name)
		v = m[name]
	}
	return v
}

func TestCard(t *testing.T) {
	b := newBench(t, control.Config{Reader: func() string { return "in process" }})
	v := b.ok("GET", "/v1/card", "")
	assert.Equal(t, "plastic", get(t, v, "card", "kind"))
	assert.Equal(t, "in process", v["reader"])
	assert.Equal(t, map[string]any{"value": "1234", "left": 3.0, "tries": 3.0, "verified": false}, get(t, v, "card", "pins", "auth"))
	assert.Equal(t, "30d45", get(t, v, "card", "serials", "auth"))
	assert.Equal(t, simcard.SampleHolder(0).MyNumber.Digits(), get(t, v, "card", "person", "my_number"))

	v = b.ok("PUT", "/v1/card", `{"kind":"android","holder":7,"pins":{"auth":{"value":"5678","left":2}},"quirks":{"blocked_status":"6983","no_short_ef":true},"atr":"3B8001"}`)
	assert.Equal(t, "android", get(t, v, "card", "kind"))
	assert.Equal(t, 7.0, get(t, v, "card", "holder"))
	assert.Equal(t, true, get(t, v, "card", "inserted"))
	assert.Equal(t, "3B8001", get(t, v, "card", "atr"))
	assert.NotContains(t, get(t, v, "card", "pins"), "text", "a phone has no text PIN")
	assert.Equal(t, "9000", b.send(selectJPKI))
	assert.Equal(t, "6A86", b.send(askTries), "the quirk")
	assert.Equal(t, "9000", b.send("\x00\xA4\x02\x0C\x02\x00\x18"))
	assert.Equal(t, "63C2", b.send("\x00\x20\x00\x80"))
	assert.Equal(t, "9000", b.send("\x00\x20\x00\x80\x045678"))

	v = b.ok("PATCH", "/v1/card", `{"pins":{"auth":{"left":0}}}`)
	assert.Equal(t, 0.0, get(t, v, "card", "pins", "auth", "left"))
	assert.Equal(t, "5678", get(t, v, "card", "pins", "auth", "value"))
	assert.Equal(t, false, get(t, v, "card", "pins", "auth", "verified"))
	assert.Equal(t, "6983", b.send("\x00\x20\x00\x80\x045678"))

	for range 2 { // repeating changes nothing
		v = b.ok("POST", "/v1/card/remove", "")
		assert.Equal(t, false, get(t, v, "card", "inserted"))
		assert.Equal(t, false, get(t, v, "card", "powered"))
		_, err := b.slot.Transmit([]byte(selectJPKI))
		assert.ErrorIs(t, err, apdu.ErrCardRemoved)
	}
	for range 2 {
		v = b.ok("POST", "/v1/card/insert", "")
		assert.Equal(t, true, get(t, v, "card", "inserted"))
		assert.Equal(t, 0.0, get(t, v, "card", "pins", "auth", "left"), "the same card")
	}
	assert.Equal(t, []string{"removed", "inserted", "changed", "removed", "inserted"}, events(b.log(""), "power_on", "exchange"))

	v = b.ok("POST", "/v1/reset", "")
	assert.Equal(t, "plastic", get(t, v, "card", "kind"))
	assert.Equal(t, 3.0, get(t, v, "card", "pins", "auth", "left"))
}

// events are the events of a log, without some.
func events(lines []control.Line, without ...string) (list []string) {
	for _, l := range lines {
		if !strings.Contains(" "+strings.Join(without, " ")+" ", " "+l.Event+" ") {
			list = append(list, l.Event)
		}
	}
	return list
}

// The panel has a word for everything that the API names.
func TestPanelWords(t *testing.T) {
	words, err := os.ReadFile("panel/words.js")
	require.NoError(t, err)
	names := append(simcard.SampleNames(), control.FaultNames()...)
	for _, which := range simcard.PINs() {
		names = append(names, which.String())
	}
	for _, name := range names {
		assert.Regexp(t, `(?m)^  '?`+regexp.QuoteMeta(name)+`'?: \['`, string(words), name)
	}
}

// Every kind can be made, and every quirk set.
func TestAllCards(t *testing.T) {
	b := newBench(t, control.Config{})
	names := b.ok("GET", "/v1/names", "")
	kinds := names["kinds"].([]any)
	assert.Len(t, kinds, len(simcard.SampleNames()))
	for _, kind := range kinds {
		v := b.ok("PUT", "/v1/card", fmt.Sprintf(`{"kind":%q}`, kind))
		assert.Equal(t, kind, get(t, v, "card", "kind"))
		assert.NotEmpty(t, get(t, v, "card", "serials", "auth"))
		assert.Equal(t, "9000", b.send(selectJPKI), kind)
	}
	for f := range reflect.TypeFor[simcard.Quirks]().Fields() {
		snake := strings.ToLower(regexp.MustCompile(`([a-z])([A-Z])`).ReplaceAllString(f.Name, "${1}_$2"))
		snake = strings.NewReplacer("atrin", "atr_in").Replace(snake)
		value := "true"
		if f.Name == "BlockedStatus" {
			value = `"6983"`
		}
		b.ok("PUT", "/v1/card", fmt.Sprintf(`{"quirks":{%q:%s}}`, snake, value))
		state := b.ok("GET", "/v1/state", "")
		assert.Len(t, get(t, state, "quirks"), 1, f.Name)
	}
	v := b.ok("PUT", "/v1/card", `{"kind":"residence","licence":true,"pins":{"licence":{"left":9}}}`)
	assert.Equal(t, 9.0, get(t, v, "card", "pins", "licence", "left"))
	b.refused("PUT", "/v1/card", `{"pins":{"licence":{"left":9}}}`, 400, "bad_request", "pins.licence")
	assert.Len(t, names["pins"], len(simcard.PINs()))
	assert.Len(t, names["faults"], len(control.FaultNames()))
}

func TestRefused(t *testing.T) {
	b := newBench(t, control.Config{})
	before := b.ok("GET", "/v1/card", "")["card"]
	for _, c := range []struct {
		method, path, body string
		status             int
		code, field        string
	}{
		{"PUT", "/v1/card", `{"kind":"blue"}`, 422, "unknown_kind", "kind"},
		{"PUT", "/v1/card", `{"colour":"blue"}`, 400, "bad_request", ""},
		{"PUT", "/v1/card", `{"holder":-1}`, 400, "bad_request", "holder"},
		{"PUT", "/v1/card", `{} {}`, 400, "bad_request", ""},
		{"PUT", "/v1/card", ``, 400, "bad_request", ""},
		{"PUT", "/v1/card", `{"pins":{"blue":{}}}`, 400, "bad_request", ""},
		{"PUT", "/v1/card", `{"pins":{"auth":{"left":4}}}`, 400, "bad_request", "pins.auth.left"},
		{"PUT", "/v1/card", `{"kind":"juki","pins":{"text":{"left":1}}}`, 400, "bad_request", "pins.text"},
		{"PUT", "/v1/card", `{"pins":{"auth":{"value":"12345678901234567"}}}`, 400, "bad_request", "pins.auth.value"},
		{"PUT", "/v1/card", `{"atr":"3B"}`, 400, "bad_request", "atr"},
		{"PUT", "/v1/card", `{"issued":"1066-10-14T00:00:00Z"}`, 400, "bad_request", "issued"},
		{"PUT", "/v1/card", `{"quirks":{"blocked_status":"69"}}`, 400, "bad_request", ""},
		{"PATCH", "/v1/card", `{"pins":{"auth":{"left":-1}}}`, 400, "bad_request", "pins.auth.left"},
		{"PATCH", "/v1/card", `{"revoked":"soon"}`, 400, "bad_request", "revoked"},
		{"PATCH", "/v1/card", `{"kind":"juki"}`, 400, "bad_request", ""},
		{"PUT", "/v1/faults", `[{"do":"explode"}]`, 422, "unknown_fault", "0.do"},
		{"PUT", "/v1/faults", `[{"do":"remove"},{"do":"status"}]`, 400, "bad_request", "1.sw"},
		{"PUT", "/v1/faults", `[{"do":"torn"}]`, 400, "bad_request", "0.bytes"},
		{"PUT", "/v1/faults", `[{"do":"torn","bytes":70000}]`, 400, "bad_request", "0.bytes"},
		{"PUT", "/v1/faults", `[{"do":"garble","at":0,"mask":0}]`, 400, "bad_request", "0.mask"},
		{"PUT", "/v1/faults", `[{"do":"delay","ms":600001}]`, 400, "bad_request", "0.ms"},
		{"PUT", "/v1/faults", `[{"do":"remove","nth":-1}]`, 400, "bad_request", "0"},
		{"PUT", "/v1/link", `{"rate":300}`, 400, "bad_request", "rate"},
		{"PUT", "/v1/link", `{"delay_ms":-1}`, 400, "bad_request", "delay_ms"},
		{"PUT", "/v1/clock", `{"now":"0001-01-01T00:00:00Z"}`, 400, "bad_request", "now"},
		{"PUT", "/v1/clock", `{"now":"noon"}`, 400, "bad_request", ""},
		{"PUT", "/v1/state", `{"vcard":2}`, 400, "bad_request", "vcard"},
		{"PUT", "/v1/state", `{"vcard":1}`, 400, "bad_request", "made"},
		{"PUT", "/v1/state", `{"vcard":1,"made":"2026-01-01T00:00:00Z","kind":"blue"}`, 422, "unknown_kind", "kind"},
		{"POST", "/v1/marks", `{"text":"` + strings.Repeat("x", 1001) + `"}`, 400, "bad_request", "text"},
		{"POST", "/v1/marks", `{"txt":"x"}`, 400, "bad_request", ""},
		{"POST", "/v1/ocsp", `hello`, 400, "bad_request", ""},
		{"GET", "/v1/log?after=-1", ``, 400, "bad_request", "after"},
		{"GET", "/v1/log?after=1000", ``, 400, "bad_request", "after"},
		{"GET", "/v1/log?wait=x", ``, 400, "bad_request", "wait"},
		{"GET", "/v1/log?presented=maybe", ``, 400, "bad_request", "presented"},
		{"GET", "/v1/log?nam=VERIFY", ``, 400, "bad_request", "nam"},
		{"GET", "/v1/authority/root.pem", ``, 404, "not_found", ""},
		{"GET", "/v1/blue", ``, 404, "not_found", ""},
		{"DELETE", "/v1/card", ``, 404, "not_found", ""},
		{"GET", "/", ``, 404, "not_found", ""},
		{"PUT", "/v1/card", `"` + strings.Repeat("x", 64<<10) + `"`, 413, "too_long", ""},
	} {
		b.refused(c.method, c.path, c.body, c.status, c.code, c.field)
	}
	assert.Equal(t, before, b.ok("GET", "/v1/card", "")["card"], "and nothing has changed")
	assert.Empty(t, events(b.log("")))
}

// Who is not a program of this machine is refused before anything is done.
func TestGuard(t *testing.T) {
	b := newBench(t, control.Config{})
	port := b.url[strings.LastIndex(b.url, ":")+1:]
	for _, c := range []struct {
		name, host, header, value string
		want                      int
	}{
		{"plain", "", "", "", 200},
		{"by name", "localhost:" + port, "", "", 200},
		{"own page", "", "Origin", "http://127.0.0.1:" + port, 200},
		{"rebound name", "evil.example:" + port, "", "", 421},
		{"other port", "127.0.0.1:1", "", "", 421},
		{"empty", " ", "", "", 421},
		{"other origin", "", "Origin", "https://evil.example", 403},
		{"null origin", "", "Origin", "null", 403},
		{"same host by another name", "localhost:" + port, "Origin", "http://127.0.0.1:" + port, 403},
		{"cross-site navigation", "", "Sec-Fetch-Site", "cross-site", 403},
		{"same site, other port", "", "Sec-Fetch-Site", "same-site", 403},
		{"typed by a person", "", "Sec-Fetch-Site", "none", 200},
	} {
		r, err := http.NewRequest("POST", b.url+"/v1/card/insert", nil)
		require.NoError(t, err)
		if c.host != "" {
			r.Host = strings.TrimSpace(c.host)
			if r.Host == "" {
				r.Host = "example"
			}
		}
		if c.header != "" {
			r.Header.Set(c.header, c.value)
		}
		status, text := b.do(r)
		assert.Equal(t, c.want, status, "%s: %s", c.name, text)
	}
	away := httptest.NewRequest("GET", "http://127.0.0.1/v1/card", nil) // from 192.0.2.1
	answer := httptest.NewRecorder()
	b.slot.ServeHTTP(answer, away)
	assert.Equal(t, 403, answer.Code)
}

// Each way to fail of package fault has a name here, and does what it says.
func TestAllFaults(t *testing.T) {
	files, err := filepath.Glob("../fault/*.go")
	require.NoError(t, err)
	declared := map[string]bool{"pass": true}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv != nil || !fn.Name.IsExported() || fn.Type.Results == nil {
				continue
			}
			if result, ok := fn.Type.Results.List[0].Type.(*ast.Ident); ok && result.Name == "Fault" {
				declared[strings.ToLower(regexp.MustCompile(`([a-z])([A-Z])`).ReplaceAllString(fn.Name.Name, "${1}_$2"))] = true
			}
		}
	}
	known := map[string]bool{}
	for _, name := range control.FaultNames() {
		known[name] = true
	}
	assert.Equal(t, declared, known)

	for name, want := range map[string]struct {
		more, reply, cardSW, sw string
		err                     error
		removed                 bool
	}{
		"remove":       {"", "", "null", "null", apdu.ErrCardRemoved, true},
		"remove_after": {"", "", `"63C2"`, "null", apdu.ErrCardRemoved, true},
		"vanish":       {"", "", `"63C2"`, `"torn at 0"`, nil, true},
		"fail":         {"", "", "null", "null", errAny, false},
		"fail_after":   {"", "", `"63C2"`, "null", errAny, false},
		"status":       {`,"sw":"6F00"`, "\x6F\x00", "null", `"6F00"`, nil, false},
		"overrule":     {`,"sw":"9000"`, "\x90\x00", `"63C2"`, `"9000"`, nil, false},
		"torn":         {`,"bytes":1`, "\x63", `"63C2"`, `"torn at 1"`, nil, false},
		"half":         {"", "\x63", `"63C2"`, `"torn at 1"`, nil, false},
		"long":         {"", "\x63\xC2", `"63C2"`, `"63C2"`, nil, false},
		"garble":       {`,"at":-1,"mask":15`, "\x63\xCD", `"63C2"`, `"63CD"`, nil, false},
		"pieces":       {`,"bytes":1`, "\x63\xC2", `"63C2"`, `"63C2"`, nil, false},
		"right_le":     {"", "\x63\xC2", `"63C2"`, `"63C2"`, nil, false},
		"delay":        {`,"ms":1`, "\x63\xC2", `"63C2"`, `"63C2"`, nil, false},
		"silence":      {"", "", "null", "null", context.Canceled, false},
		"pass":         {"", "\x63\xC2", `"63C2"`, `"63C2"`, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, control.Config{})
			b.send(selectJPKI)
			status, text := b.call("PUT", "/v1/faults", fmt.Sprintf(`[{"do":%q,"name":"VERIFY","presented":true,"times":1%s}]`, name, want.more))
			require.Equal(t, 200, status, text)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if name == "silence" {
				go func() { // it is broken off when the fault holds it up
					for b.slot.Faults()[0].Applied == 0 && ctx.Err() == nil {
						time.Sleep(time.Millisecond)
					}
					cancel()
				}()
			}
			reply, err := b.slot.TransmitContext(ctx, nil, []byte(wrongPIN))
			switch {
			case want.err == errAny:
				assert.Error(t, err)
			default:
				assert.ErrorIs(t, err, want.err)
			}
			assert.Equal(t, want.reply, string(reply))
			assert.Equal(t, !want.removed, get(t, b.ok("GET", "/v1/card", ""), "card", "inserted"))
			_, text = b.call("GET", "/v1/log?presented=true", "")
			assert.Contains(t, text, `"card_sw":`+want.cardSW+`,"sw":`+want.sw)
			assert.Contains(t, text, fmt.Sprintf(`"fault":%q`, name))
			_, text = b.call("GET", "/v1/faults", "")
			assert.Contains(t, text, `"applied":1`)
			left := 3.0
			if want.cardSW != "null" {
				left = 2
			}
			assert.Equal(t, left, get(t, b.ok("GET", "/v1/card", ""), "card", "pins", "auth", "left"))
		})
	}
}

var errAny = errors.New("any")

// Which exchanges a rule means.
func TestFaultsMean(t *testing.T) {
	b := newBench(t, control.Config{})
	set := func(body string) {
		t.Helper()
		status, text := b.call("PUT", "/v1/faults", body)
		require.Equal(t, 200, status, text)
	}
	replies := func(commands ...string) (list []string) {
		for _, c := range commands {
			list = append(list, b.send(c))
		}
		return list
	}
	b.send(selectJPKI)
	set(`[{"do":"status","sw":"6F01","nth":3}]`)
	assert.Equal(t, []string{"9000", "9000", "6F01", "9000"}, replies(readSerial, readSerial, readSerial, readSerial))
	set(`[{"do":"status","sw":"6F01","nth":3}]`)
	assert.Equal(t, []string{"9000", "9000", "6F01"}, replies(readSerial, readSerial, readSerial), "counted anew")
	set(`[{"do":"status","sw":"6F01","name":"VERIFY","from":2,"times":2}]`)
	assert.Equal(t, []string{"63C3", "9000", "6F01", "6F01", "63C3"}, replies(askTries, readSerial, askTries, askTries, askTries))
	set(`[{"do":"pass","name":"READ BINARY"},{"do":"status","sw":"6F01"}]`)
	assert.Equal(t, []string{"9000", "6F01"}, replies(readSerial, askTries))
	set(`[{"do":"status","sw":"6F01","presented":false}]`)
	assert.Equal(t, []string{"6F01", "63C2", "9000", "6F01"}, replies(askTries, wrongPIN, rightPIN, "\x00"), "a malformed command presents nothing")

	_, listed := b.call("GET", "/v1/faults", "")
	status, again := b.call("PUT", "/v1/faults", listed) // what was got can be put
	assert.Equal(t, 200, status, again)
	set(`[]`)
	assert.Equal(t, []string{"9000"}, replies(readSerial))
	set(`[{"do":"remove","name":"VERIFY"}]`)
	b.ok("PUT", "/v1/card", `{"kind":"child"}`)
	b.send(selectJPKI)
	_, err := b.slot.Transmit([]byte(askTries))
	assert.ErrorIs(t, err, apdu.ErrCardRemoved, "the rules stay when the card is changed")
}

// The log holds heads and lengths, and nothing of what was sent or read.
func TestLog(t *testing.T) {
	b := newBench(t, control.Config{Lines: 50})
	b.send(selectJPKI)
	mark := int64(b.ok("POST", "/v1/marks", `{"text":"now the wrong PIN"}`)["n"].(float64))
	b.send(wrongPIN)
	b.send(askTries)
	b.send(readSerial)

	lines := b.log(fmt.Sprintf("?after=%d&name=VERIFY&presented=true", mark))
	require.Len(t, lines, 1, "exactly one VERIFY")
	l := lines[0]
	assert.Equal(t, "00200098", l.Head)
	assert.Equal(t, simcard.AuthPIN, *l.PIN)
	assert.Equal(t, 4, l.Lc)
	assert.Equal(t, "63C2", *l.CardSW)
	assert.Equal(t, "jpki", l.App)
	assert.Equal(t, "0018", l.File)
	assert.Len(t, b.log(fmt.Sprintf("?after=%d&event=exchange", mark)), 3)
	read := b.log(fmt.Sprintf("?after=%d&name=READ+BINARY", mark))[0]
	assert.Equal(t, 0x24, read.Length)
	assert.Equal(t, 0x24, read.Le)
	assert.Equal(t, "000A", read.File)
	assert.Equal(t, "now the wrong PIN", b.log("?event=mark")[0].Text)

	_, text := b.call("GET", "/v1/log", "")
	assert.NotContains(t, text, "9999")
	assert.NotContains(t, text, "39393939")
	assert.NotContains(t, strings.ToLower(text), "030d45")

	// What is waited for comes at once.
	got := make(chan []control.Line, 1)
	last := int64(b.ok("GET", "/v1/card", "")["log"].(float64))
	go func() { got <- b.log(fmt.Sprintf("?after=%d&event=removed&wait=60", last)) }()
	b.send(askTries) // and what is not waited for does not end it
	b.ok("POST", "/v1/card/remove", "")
	assert.Equal(t, []string{"removed"}, events(<-got))
	assert.Empty(t, b.log(fmt.Sprintf("?after=%d&event=mark", last)), "without wait it answers at once")

	b.ok("POST", "/v1/card/insert", "")
	for range 60 {
		b.send(askTries)
	}
	lines = b.log("?after=1")
	assert.Equal(t, "lost", lines[0].Event)
	assert.EqualValues(t, lines[1].N-2, lines[0].Lost)
	assert.Len(t, lines, 51)
}

// A state is the card: what was restored answers as what was saved.
func TestState(t *testing.T) {
	b := newBench(t, control.Config{})
	b.ok("PUT", "/v1/card", `{"kind":"revoked","holder":3,"pins":{"sign":{"value":"XYZ789"}}}`)
	b.send(selectJPKI)
	b.send(wrongPIN)
	_, state := b.call("GET", "/v1/state", "")
	before := b.ok("GET", "/v1/card", "")["card"]
	certificate := b.slot.AuthorityFile("auth.pem")
	b.ok("PUT", "/v1/card", `{"kind":"juki"}`)
	after := b.ok("PUT", "/v1/state", state)["card"]
	assert.Equal(t, before, after)
	assert.Equal(t, certificate, b.slot.AuthorityFile("auth.pem"))
	assert.Len(t, revocationsOf(t, b, "auth.crl"), 1, "revoked it stays")
}

func revocationsOf(t *testing.T, b *bench, name string) []x509.RevocationListEntry {
	t.Helper()
	status, text := b.call("GET", "/v1/authority/"+name, "")
	require.Equal(t, 200, status, text)
	block, _ := pem.Decode([]byte(text))
	require.NotNil(t, block)
	list, err := x509.ParseRevocationList(block.Bytes)
	require.NoError(t, err)
	return list.RevokedCertificateEntries
}

// The file has a try that was lost before its reply leaves.
func TestStateFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state.json")
	slot, err := control.New(control.Config{State: file, Card: control.Setup{Kind: "child", Holder: 5}})
	require.NoError(t, err)
	_, err = slot.Transmit([]byte(selectJPKI))
	require.NoError(t, err)
	for left := 2; left >= 0; left-- {
		reply, err := slot.Transmit([]byte(wrongPIN))
		require.NoError(t, err)
		assert.Equal(t, []byte{0x63, 0xC0 + byte(left)}, reply)
		// No Close: this is a kill. Another process goes on from the file.
		next, err := control.New(control.Config{State: file})
		require.NoError(t, err)
		assert.Equal(t, "9000", fmt.Sprintf("%X", must(next.Transmit([]byte(selectJPKI)))))
		assert.Equal(t, []byte{0x63, 0xC0 + byte(left)}, must(next.Transmit([]byte(askTries))))
		require.NoError(t, next.Close())
	}
	require.NoError(t, slot.Close())

	for _, bad := range []string{`{"vcard":2}`, `no state`, ``} {
		require.NoError(t, os.WriteFile(file, []byte(bad), 0o600))
		_, err := control.New(control.Config{State: file})
		assert.Error(t, err, bad)
		kept, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Equal(t, bad, string(kept), "it is left for a person to look at")
	}
	left, err := filepath.Glob(file + ".*")
	require.NoError(t, err)
	assert.Empty(t, left)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestStateCannotBeSaved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "here")
	require.NoError(t, os.Mkdir(dir, 0o700))
	slot, err := control.New(control.Config{State: filepath.Join(dir, "state")})
	require.NoError(t, err)
	defer slot.Close()
	must(slot.Transmit([]byte(selectJPKI)))
	require.NoError(t, os.RemoveAll(dir))
	assert.Equal(t, []byte{0x65, 0x81}, must(slot.Transmit([]byte(wrongPIN))), "memory failure, ISO/IEC 7816-4")
	require.NoError(t, os.Mkdir(dir, 0o700))
	assert.Equal(t, []byte{0x63, 0xC1}, must(slot.Transmit([]byte(wrongPIN))), "the first try stays counted")
}

// The clock decides what is issued, and what the authority says.
func TestClockAndAuthority(t *testing.T) {
	b := newBench(t, control.Config{Clock: func() time.Time { return time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC) }})
	assert.Equal(t, false, b.ok("GET", "/v1/clock", "")["set"])
	v := b.ok("PUT", "/v1/clock", `{"now":"2031-04-01T00:00:00+09:00"}`)
	assert.Equal(t, "2031-04-01T00:00:00+09:00", v["now"])
	b.ok("PUT", "/v1/card", `{}`)
	certificate := func(name string) *x509.Certificate {
		status, text := b.call("GET", "/v1/authority/"+name, "")
		require.Equal(t, 200, status, text)
		block, _ := pem.Decode([]byte(text))
		require.NotNil(t, block)
		c, err := x509.ParseCertificate(block.Bytes)
		require.NoError(t, err)
		return c
	}
	auth, ca := certificate("auth.pem"), certificate("authca.pem")
	assert.NoError(t, auth.CheckSignatureFrom(ca))
	assert.Equal(t, 2031, auth.NotBefore.In(time.FixedZone("JST", 9*60*60)).Year())

	status := func(name, of string) int {
		request, err := ocsp.CreateRequest(certificate(of), certificate(name), nil)
		require.NoError(t, err)
		code, text := b.call("POST", "/v1/ocsp", string(request))
		require.Equal(t, 200, code, text)
		answer, err := ocsp.ParseResponse([]byte(text), certificate(name))
		require.NoError(t, err)
		assert.Equal(t, 2031, answer.ThisUpdate.Year())
		return answer.Status
	}
	assert.Equal(t, ocsp.Good, status("authca.pem", "auth.pem"))
	assert.Equal(t, ocsp.Good, status("signca.pem", "sign.pem"))
	assert.Empty(t, revocationsOf(t, b, "auth.crl"))
	b.ok("PATCH", "/v1/card", `{"revoked":"2031-03-01T00:00:00+09:00"}`)
	assert.Equal(t, ocsp.Revoked, status("authca.pem", "auth.pem"))
	assert.Equal(t, ocsp.Revoked, status("signca.pem", "sign.pem"))
	assert.Len(t, revocationsOf(t, b, "sign.crl"), 1)
	b.ok("PATCH", "/v1/card", `{"revoked":"2031-05-01T00:00:00+09:00"}`)
	assert.Equal(t, ocsp.Good, status("authca.pem", "auth.pem"), "in a month")
	b.ok("PATCH", "/v1/card", `{"revoked":null}`)
	assert.Empty(t, revocationsOf(t, b, "sign.crl"))

	b.ok("PUT", "/v1/card", `{"kind":"expired"}`)
	assert.True(t, certificate("auth.pem").NotAfter.Before(time.Date(2031, 4, 1, 0, 0, 0, 0, time.UTC)))
	b.ok("PUT", "/v1/card", `{"kind":"child"}`)
	b.refused("GET", "/v1/authority/sign.pem", "", 404, "not_found", "")
	b.ok("PUT", "/v1/clock", `{"now":null}`)
	assert.Equal(t, "2026-04-01T00:00:00Z", b.ok("GET", "/v1/clock", "")["now"])
}

func TestSpeed(t *testing.T) {
	b := newBench(t, control.Config{})
	v := b.ok("PUT", "/v1/link", `{"rate":106}`)
	assert.Equal(t, 106.0, v["rate"])
	b.send(selectJPKI)
	b.send(readSerial)
	v = b.ok("GET", "/v1/link", "")
	assert.Equal(t, 2.0, v["exchanges"])
	assert.InDelta(t, 8.2, v["elapsed_ms"], 0.1, "as docs/simulator.md says")
	b.ok("PUT", "/v1/link", `{"delay_ms":30}`)
	start := time.Now()
	b.send(readSerial)
	assert.GreaterOrEqual(t, time.Since(start), 30*time.Millisecond)
	b.ok("PUT", "/v1/link", `{}`)
	b.send(readSerial)
	assert.Equal(t, 0.0, b.ok("GET", "/v1/link", "")["elapsed_ms"])
}

// A reader is what Connect of these tests connects to.
type reader struct {
	mu    sync.Mutex
	err   error
	links []*plug
	asked int
}

// A plug is a card in it.
type plug struct {
	card control.Card
	done chan struct{}
	once sync.Once
}

func (p *plug) Remove()               { p.once.Do(func() { p.card.PowerOff(); close(p.done) }) }
func (p *plug) Done() <-chan struct{} { return p.done }
func (p *plug) Err() error            { return nil }

func (r *reader) connect(ctx context.Context, card control.Card) (control.Link, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	if r.err != nil {
		return nil, r.err
	}
	card.PowerOn()
	card.ATR() // as pcscd does
	p := &plug{card: card, done: make(chan struct{})}
	r.links = append(r.links, p)
	return p, nil
}

func (r *reader) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
}

func (r *reader) last() (*plug, int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.links) == 0 {
		return nil, 0
	}
	return r.links[len(r.links)-1], len(r.links)
}

// A card that is changed while its reader is still being connected goes in, and
// nothing is told of a reader that failed.
func TestChangedWhileConnecting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{}
		first := true
		slot, err := control.New(control.Config{
			Connect: func(ctx context.Context, card control.Card) (control.Link, error) {
				if first {
					first = false
					<-ctx.Done()
					return nil, ctx.Err()
				}
				return r.connect(ctx, card)
			},
			Notify: func(text string) { assert.Equal(t, "the card is in the reader", text) },
		})
		require.NoError(t, err)
		defer slot.Close()
		synctest.Wait()
		require.NoError(t, slot.Put(t.Context(), control.Setup{Kind: "expired"}))
		_, n := r.last()
		assert.Equal(t, 1, n)
	})
}

// A slot keeps its card in a reader that is away, taken, or comes and goes.
func TestReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{err: errors.New("nobody listens")}
		var mu sync.Mutex
		var lines []string
		told := func() []string {
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			return lines
		}
		slot, err := control.New(control.Config{Connect: r.connect, Settle: 500 * time.Millisecond, Notify: func(s string) {
			mu.Lock()
			defer mu.Unlock()
			lines = append(lines, s)
		}})
		require.NoError(t, err)
		time.Sleep(time.Minute)
		assert.Equal(t, []string{"nobody listens"}, told(), "told once")
		assert.ErrorContains(t, slot.Insert(t.Context()), "no_vpcd")
		r.fail(fmt.Errorf("slot 0: %w", control.ErrSlotTaken))
		time.Sleep(time.Second)
		assert.ErrorContains(t, slot.Insert(t.Context()), "slot_taken")
		r.fail(nil)
		left, err := slot.WaitInserted(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []string{"nobody listens", "slot 0: control: another card is in the slot", "the card is in the reader"}, told())
		link, n := r.last()
		assert.Equal(t, 1, n)

		link.Remove() // pcscd ends
		time.Sleep(2 * time.Second)
		link, n = r.last()
		assert.Equal(t, 2, n, "in again")
		assert.Contains(t, told()[3], "went away")

		// Removed and inserted: each half a second from the other.
		start := time.Now()
		slot.Remove(t.Context())
		assert.Equal(t, 500*time.Millisecond, time.Since(start))
		<-link.Done()
		time.Sleep(time.Minute)
		_, n = r.last()
		assert.Equal(t, 2, n, "taken out it stays out")
		require.NoError(t, slot.Insert(t.Context()))
		_, n = r.last()
		assert.Equal(t, 3, n)
		start = time.Now()
		require.NoError(t, slot.Put(t.Context(), control.Setup{Kind: "iphone"}))
		assert.Equal(t, 500*time.Millisecond, time.Since(start))

		// A fault takes it out in the middle of an exchange, of which the reader is
		// told by an error.
		require.NoError(t, slot.SetFaults(control.Fault{Do: "remove_after"}))
		link, n = r.last()
		_, err = link.card.TransmitContext(t.Context(), nil, []byte(selectJPKI))
		assert.ErrorIs(t, err, apdu.ErrCardRemoved)
		<-left
		require.NoError(t, slot.SetFaults())
		start = time.Now()
		require.NoError(t, slot.Insert(t.Context()))
		_, after := r.last()
		assert.Equal(t, n+1, after, "inserted is not what was there before")
		assert.Equal(t, 500*time.Millisecond, time.Since(start))
		<-link.Done()

		// A command without power gets a status word, and the card stays in.
		link, _ = r.last()
		link.card.PowerOff()
		reply, err := link.card.TransmitContext(t.Context(), nil, []byte(selectJPKI))
		require.NoError(t, err)
		assert.Equal(t, []byte{0x6F, 0x00}, reply)
		link.card.PowerOn()
		reply, err = link.card.TransmitContext(t.Context(), nil, []byte(selectJPKI))
		require.NoError(t, err)
		assert.Equal(t, []byte{0x90, 0x00}, reply)

		require.NoError(t, slot.Close())
		<-link.Done()
	})
}

// A reader that uses the card has it, whether or not Connect has returned; and
// the log says so before it says what the reader did.
func TestReaderIsQuick(t *testing.T) {
	r := &reader{}
	var slot *control.Slot
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { slot.ServeHTTP(w, r) }))
	defer server.Close()
	ask := func(path string) string {
		answer, err := http.Get(server.URL + path)
		require.NoError(t, err)
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		return string(text)
	}
	made := make(chan struct{})
	shown := make(chan struct{})
	slot, err := control.New(control.Config{Connect: func(ctx context.Context, card control.Card) (control.Link, error) {
		<-made
		link, err := r.connect(ctx, card)
		if _, err := card.Transmit([]byte(selectJPKI)); err != nil {
			return nil, err
		}
		shown <- struct{}{} // the test's goroutine asks
		<-shown
		return link, err
	}})
	require.NoError(t, err)
	close(made)
	<-shown
	assert.Contains(t, ask("/v1/card"), `"inserted":true`)
	shown <- struct{}{}
	_, err = slot.WaitInserted(t.Context())
	require.NoError(t, err)
	_, after, found := strings.Cut(ask("/v1/log"), `"event":"inserted"`)
	require.True(t, found)
	assert.Contains(t, after, `"event":"power_on"`)
	assert.Contains(t, after, `"event":"exchange"`)
	assert.NotContains(t, after, `"event":"inserted"`)
	require.NoError(t, slot.Close())
}

// A card that was changed for another so quickly that nobody saw the slot empty
// has left all the same.
func TestLeft(t *testing.T) {
	slot, err := control.New(control.Config{})
	require.NoError(t, err)
	for _, change := range []func(){
		func() {
			slot.Remove(t.Context())
			require.NoError(t, slot.Insert(t.Context()))
		},
		func() { require.NoError(t, slot.Put(t.Context(), control.Setup{Kind: "iphone"})) },
	} {
		left, err := slot.WaitInserted(t.Context())
		require.NoError(t, err)
		again, err := slot.WaitInserted(t.Context())
		require.NoError(t, err)
		assert.Equal(t, left, again, "the same card")
		change()
		select {
		case <-left:
		default:
			assert.Fail(t, "it has left")
		}
	}
	slot.Remove(t.Context())
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = slot.WaitInserted(ended)
	assert.ErrorIs(t, err, context.Canceled)
	require.NoError(t, slot.Close())
}

// Commands, changes of the card and readers of the log at the same time.
func TestTogether(t *testing.T) {
	r := &reader{}
	b := newBench(t, control.Config{Connect: r.connect, State: filepath.Join(t.TempDir(), "state"), Lines: 100})
	_, err := b.slot.WaitInserted(t.Context())
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for _, command := range []string{selectJPKI, readSerial, wrongPIN, rightPIN} {
		wg.Go(func() {
			for ctx.Err() == nil {
				_, _ = b.slot.TransmitContext(ctx, nil, []byte(command))
			}
		})
	}
	wg.Go(func() {
		for n := int64(0); ctx.Err() == nil; {
			for _, l := range b.log(fmt.Sprintf("?after=%d&wait=1", n)) {
				assert.Greater(t, l.N, n)
				n = l.N
			}
		}
	})
	for i := range 30 {
		b.ok("PUT", "/v1/card", fmt.Sprintf(`{"holder":%d}`, i))
		b.ok("PATCH", "/v1/card", `{"pins":{"auth":{"left":1}}}`)
		_, _ = b.call("PUT", "/v1/faults", `[{"do":"remove","nth":2}]`)
		_, _ = b.call("PUT", "/v1/faults", `[]`)
		b.ok("POST", "/v1/card/remove", "")
		// An exchange on its way may still take the card out by a former rule.
		for get(t, b.ok("POST", "/v1/card/insert", ""), "card", "inserted") != true {
		}
		b.ok("GET", "/v1/state", "")
	}
	stop()
	b.ok("POST", "/v1/marks", "") // wakes who waits for the log
	wg.Wait()
}
