package control

import (
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"
)

// Serve serves slots at a loopback address, in the background until the
// server is closed; its Addr says where. Port 0 is a free one. The calls of the
// first slot are under /v1/, and those of each, counted from 0, under /slots/0/v1/
// and so on. It fails if the address is not a loopback address, and with the
// network's errors.
func Serve(addr string, slots ...*Slot) (*http.Server, error) {
	tcp, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	if !tcp.IP.IsLoopback() {
		return nil, fmt.Errorf("control: %s is not a loopback address: everybody in the network could steer the card", addr)
	}
	listener, err := net.ListenTCP("tcp", tcp)
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	mux := http.NewServeMux()
	for i, s := range slots {
		if i == 0 {
			mux.Handle("/", s)
		}
		prefix := "/slots/" + strconv.Itoa(i)
		mux.Handle(prefix+"/", http.StripPrefix(prefix, s))
	}
	server := &http.Server{Addr: listener.Addr().String(), Handler: mux, ReadHeaderTimeout: time.Minute}
	go server.Serve(listener) // until Close, whose error it returns
	return server, nil
}
