// Package api is the agent: the Individual Number Card and a shop's points over
// HTTP on loopback, for programs in other languages. openapi.json describes the
// calls, docs/agent.md how to use them.
//
//	server.go            who runs it, what bounds it
//	guard.go             who may call: peer, Host, Origin, navigation, preflight
//	client.go            clients, their tokens, and the clerk who lets them in
//	cards.go, events.go  what is in the readers, and the log of what changes
//	proof.go, window.go  the holder, who types a PIN in the agent's own window
//	acts.go              keys that hold for ever: uses, refunds, look-up, cancel
//	ticket.go, print.go, day.go
//	store.go             the tables beside the shop's
//	errors.go            texts, in both languages, of package advice
//
// A PIN is typed in the window, or asked for by [Config.PIN]. No call, event or log
// has it.
package api
