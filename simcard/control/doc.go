// Package control steers a software card over HTTP, so that a test in any
// language can change the card, take it away, make exchanges fail and ask what
// the card saw.
//
//	slot, err := control.New(control.Config{})
//	…
//	defer slot.Close()
//	server := httptest.NewServer(slot)
//
// A [Slot] is one place for a card. It is an [http.Handler], and an
// [apdu.ContextTransmitter] that answers as the card that is in it. Command
// vcard puts one into the PC/SC daemon, where [Config.Connect] says how.
//
// # The calls
//
//	PUT    /v1/card        make this card, in place of what is in
//	GET    /v1/card        the card with its PINs
//	PATCH  /v1/card        change tries, PIN values, the revocation
//	POST   /v1/card/remove, /v1/card/insert
//	GET    /v1/faults      PUT: the whole list of rules
//	GET    /v1/link        PUT: speed or delay
//	GET    /v1/clock       PUT: the time for certificates, lists and answers
//	GET    /v1/log         JSON lines; after, event, name, presented, wait
//	POST   /v1/marks       a mark in the log
//	GET    /v1/state       PUT: restore
//	POST   /v1/reset       everything as it was at the start
//	GET    /v1/authority/… auth.pem, sign.pem, authca.pem, signca.pem, auth.crl, sign.crl
//	POST   /v1/ocsp        an OCSP request in DER
//	GET    /v1/names       what kinds, PINs, faults and commands are called
//
// docs/simulator.md shows each of them.
//
// # Who may call
//
// Only programs on the same machine: the peer must be a loopback address, the
// Host must be that of the server, and a request from a web page of another
// origin is refused. There is no token, because the PINs of a software card
// protect nobody. The log never holds data of a command or of a reply.
package control
