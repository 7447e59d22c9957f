package advice

import (
	"errors"

	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/registry"
)

// Advice is what a clerk and a program need to know of an error.
type Advice struct {
	// Kind is a stable word for programs, such as "card_removed". Texts may
	// change, kinds do not.
	Kind string
	// What is what happened, and Do what the clerk does about it.
	What, Do mykey.Text
	// Retry is what has to be different for the call to be made again.
	Retry Retry
	// Code is the platform's own code for the error, or "".
	Code mykey.ErrorCode
}

// Retry is what has to happen before the same call can succeed. The zero Retry
// is [Never].
type Retry uint8

const (
	Never  Retry = iota // the same call fails again
	Same                // nothing: the same call, with the same key
	Later               // time, or somebody at the machine
	Card                // the card has to be put back, or another one
	Holder              // the holder has to prove himself again
	Change              // another input, with a new key
)

// String returns one lower-case word.
func (r Retry) String() string {
	switch r {
	case Same:
		return "same"
	case Later:
		return "later"
	case Card:
		return "card"
	case Holder:
		return "holder"
	case Change:
		return "change"
	}
	return "never"
}

// An Entry is the advice for one kind of error.
type Entry struct {
	Match func(error) bool
	Advice
}

// For returns the entry for errors that [errors.Is] finds to be any of targets.
func For(a Advice, targets ...error) Entry {
	return Entry{func(err error) bool {
		for _, target := range targets {
			if errors.Is(err, target) {
				return true
			}
		}
		return false
	}, a}
}

// ForType returns the entry for errors that [errors.As] finds to be of type E.
func ForType[E error](a Advice) Entry {
	return Entry{func(err error) bool {
		_, ok := errors.AsType[E](err)
		return ok
	}, a}
}

// Explain returns the advice for an error. The entries of own are looked through
// first, in their order, and then the catalogue. An error that neither knows has
// the kind "unexpected". The zero Advice is returned for a nil error.
//
// If the entry has no Code, Explain sets that of [registry.CodeOf].
func Explain(err error, own ...Entry) Advice {
	if err == nil {
		return Advice{}
	}
	a := find(err, own)
	if a.Code == "" {
		a.Code, _ = registry.CodeOf(err)
	}
	return a
}

func find(err error, own []Entry) Advice {
	for _, entry := range own {
		if entry.Match(err) {
			return entry.Advice
		}
	}
	if a, ok := wrongPIN(err); ok {
		return a
	}
	if a, ok := kiosk(err); ok {
		return a
	}
	// What wraps comes before what is wrapped: a database's error may come
	// with a network's, and a step of the card names its cause.
	for _, topic := range []func() []Entry{stores, card, holder, points, grants, tickets, mergeFiles, orders} {
		for _, entry := range topic() {
			if entry.Match(err) {
				return entry.Advice
			}
		}
	}
	if a, ok := engine(err); ok {
		return a
	}
	for _, entry := range system() {
		if entry.Match(err) {
			return entry.Advice
		}
	}
	return say("unexpected", Never,
		"予期しないエラーが発生しました。", "時刻を控えて、システム担当者に連絡してください。",
		"Something unexpected went wrong.", "Note the time and tell the system administrator.")
}

func say(kind string, retry Retry, whatJA, doJA, whatEN, doEN string) Advice {
	return Advice{Kind: kind, Retry: retry, What: mykey.Text{JA: whatJA, EN: whatEN}, Do: mykey.Text{JA: doJA, EN: doEN}}
}

// program is the advice where a program or its settings are wrong, and nobody at
// the counter can help.
func program() Advice {
	return say("program", Never,
		"プログラムまたは設定に誤りがあります。", "処理は行っていません。システム担当者に連絡してください。",
		"The program or its settings are wrong.", "Nothing was done. Tell the system administrator.")
}
