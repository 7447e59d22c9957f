package control_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mynakit/mynakit/simcard/control"
)

// Any body to any call: it is answered, with JSON, and the card goes on.
func FuzzCall(f *testing.F) {
	f.Add(uint8(0), `{"kind":"android","holder":7,"pins":{"auth":{"value":"5678","left":2}},"quirks":{"blocked_status":"6983"},"atr":"3B80"}`)
	f.Add(uint8(1), `{"pins":{"sign":{"left":0}},"revoked":"2031-04-01T00:00:00+09:00"}`)
	f.Add(uint8(2), `[{"do":"torn","bytes":1,"name":"SELECT","nth":1},{"do":"garble","at":-1,"mask":255}]`)
	f.Add(uint8(3), `{"rate":106}`)
	f.Add(uint8(4), `{"now":"2031-04-01T00:00:00+09:00"}`)
	f.Add(uint8(5), `{"vcard":1,"kind":"child","holder":0,"made":"2026-04-01T00:00:00Z","issued":null,"revoked":null,"pins":{"auth":{"value":"1","left":1}}}`)
	f.Add(uint8(6), `{"text":"mark"}`)
	calls := []struct{ method, path string }{
		{"PUT", "card"}, {"PATCH", "card"}, {"PUT", "faults"}, {"PUT", "link"}, {"PUT", "clock"}, {"PUT", "state"}, {"POST", "marks"}, {"POST", "ocsp"},
	}
	f.Fuzz(func(t *testing.T, which uint8, body string) {
		slot, err := control.New(control.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer slot.Close()
		c := calls[int(which)%len(calls)]
		r := httptest.NewRequest(c.method, "http://127.0.0.1:80/v1/"+c.path, strings.NewReader(body))
		r.RemoteAddr = "127.0.0.1:4711"
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}))
		answer := httptest.NewRecorder()
		slot.ServeHTTP(answer, r)
		if c.path != "ocsp" && !json.Valid(answer.Body.Bytes()) {
			t.Fatalf("%d: %q", answer.Code, answer.Body)
		}
		short, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		defer cancel()
		for range 3 {
			_, _ = slot.TransmitContext(short, nil, []byte(selectJPKI)) // under whatever faults
		}
		if err := errors.Join(slot.SetFaults(), slot.SetSpeed(control.Speed{})); err != nil {
			t.Fatal(err)
		}
		if err := slot.Insert(t.Context()); err != nil {
			t.Fatal(err)
		}
		reply, err := slot.Transmit([]byte(selectJPKI))
		if err != nil || string(reply) != "\x90\x00" {
			t.Fatalf("%X %v", reply, err)
		}
	})
}
