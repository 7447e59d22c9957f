package control_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/simcard/control"
)

// A test changes the card over HTTP, as one in another language does, while the
// program under test has the slot as its card.
func ExampleSlot() {
	slot, err := control.New(control.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer slot.Close()
	server := httptest.NewServer(slot)
	defer server.Close()
	call := func(method, path, body string) string {
		request, err := http.NewRequest(method, server.URL+path, strings.NewReader(body))
		if err != nil {
			log.Fatal(err)
		}
		answer, err := server.Client().Do(request)
		if err != nil {
			log.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			log.Fatal(err)
		}
		return string(text)
	}
	call("PUT", "/v1/card", `{"pins":{"auth":{"left":2}}}`)
	call("PUT", "/v1/faults", `[{"do":"remove_after","name":"VERIFY","presented":true}]`)

	ctx := context.Background()
	for _, command := range []string{
		"\x00\xA4\x04\x0C\x0A\xD3\x92\xF0\x00\x26\x01\x00\x00\x00\x01", // SELECT JPKI
		"\x00\x20\x00\x98\x049999",                                     // VERIFY
	} {
		_, err = slot.TransmitContext(ctx, nil, []byte(command))
	}
	fmt.Println(errors.Is(err, apdu.ErrCardRemoved))
	fmt.Println(strings.Count(call("GET", "/v1/log?presented=true", ""), "\n"), "VERIFY")
	fmt.Println(strings.Contains(call("GET", "/v1/card", ""), `"auth":{"value":"1234","left":1,`))
	// Output:
	// true
	// 1 VERIFY
	// true
}
