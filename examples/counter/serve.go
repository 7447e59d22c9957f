package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"github.com/mynakit/mynakit/examples/counter/page"
	"github.com/mynakit/mynakit/examples/internal/speak"
	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/simcard/control"
	"github.com/mynakit/mynakit/ticket"
)

// addressError says that the program cannot wait at an address.
type addressError struct {
	address string
	err     error
}

func (e *addressError) Error() string { return fmt.Sprintf("wait at %s: %v", e.address, e.err) }

func (e *addressError) Unwrap() error { return e.err }

// serve is the counter as a web page, until ctx ends. A PIN is typed there, so
// it is for browsers on this machine.
func serve(ctx context.Context, o *options, p *place, say speaker) (err error) {
	host, _, err := net.SplitHostPort(o.serve)
	if err != nil {
		return speak.Wrong("-serve には、ホストとポートを指定してください（例：127.0.0.1:8080）。", "-serve wants host:port, such as 127.0.0.1:8080")
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return speak.Wrong("-serve には、この端末だけで使えるアドレス（例：127.0.0.1:8080）を指定してください。画面で暗証番号を入力するためです。",
			"-serve wants an address of this machine alone, such as 127.0.0.1:8080: PINs are typed on the page")
	}
	roll, err := o.paperRoll()
	if err != nil {
		return err
	}
	cfg := page.Config{
		Shop:     p.shop,
		Roll:     roll,
		Place:    o.place,
		Grants:   []page.Grant{{Key: "walk-2026", Name: string(say.Walk), Points: 100}},
		Terminal: o.terminal,
		Name:     string(say.Mall),
		Lang:     page.Lang(o.lang),
		Inbox:    p.inbox(),
		Welcome:  grantPoints,
		Log:      slog.New(slog.NewTextHandler(o.stderr, nil)),
	}
	if o.printer != "" {
		cfg.Printer = sendTo(o.printer)
	}
	if o.reader == "sim" {
		cfg.Reader = new(page.Slot)
		var stop func() error
		if cfg.Samples, stop, err = o.samples(say); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stop()) }()
	} else {
		cards, err := o.openReader()
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, cards.Close()) }()
		cfg.Reader = cards
	}
	counter, err := page.New(cfg)
	if err != nil {
		return errTerminal()
	}
	l, err := net.Listen("tcp", o.serve)
	if err != nil {
		return &addressError{o.serve, err}
	}
	say.plain(say.KeptIn, p.dir)
	if p.fresh {
		say.plain(say.NewKeys, p.keyFile)
	}
	say.plain(say.URL, l.Addr().String()+counter.Path())
	return counter.Serve(ctx, l)
}

// sampleHolders is how many of the sample cards are plastic; the last is a phone.
const sampleHolders = 3

// A sampleCard is a software card that can be steered from outside.
type sampleCard struct{ *control.Slot }

func (c sampleCard) Insert() { _ = c.Slot.Insert(context.Background()) } // it has no reader that could refuse it
func (c sampleCard) Remove() { c.Slot.Remove(context.Background()) }

// samples are cards to put into the page's reader with a click. With -samples
// their tries, their faults and what they saw are on a page of their own.
func (o *options) samples(say speaker) (cards []page.Sample, stop func() error, err error) {
	setups := make([]control.Setup, sampleHolders, sampleHolders+1)
	for n := range setups {
		setups[n].Holder = uint(n)
	}
	setups = append(setups, control.Setup{Kind: simcard.Android.String(), Holder: sampleHolders})
	var slots []*control.Slot
	for n, setup := range setups {
		slot, err := control.New(control.Config{Card: setup, Panel: true})
		if err != nil {
			return nil, nil, err
		}
		slot.Remove(context.Background())
		slots = append(slots, slot)
		name := simcard.SampleHolder(uint(n)).Name
		if setup.Kind != "" {
			name = string(say.Phone)
		}
		cards = append(cards, page.Sample{Name: name, Card: sampleCard{slot}})
	}
	if o.samplesAddr == "" {
		return cards, func() error { return nil }, nil
	}
	server, err := control.Serve(o.samplesAddr, slots...)
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return nil, nil, &addressError{o.samplesAddr, err}
	}
	if err != nil {
		return nil, nil, speak.Wrong("-samples には、この端末だけで使えるアドレス（例：127.0.0.1:8081）を指定してください。",
			"-samples wants an address of this machine alone, such as 127.0.0.1:8081: "+err.Error())
	}
	say.plain(say.SamplesURL, server.Addr)
	return cards, server.Close, nil
}

// at is the terminal that the flags name.
func (o *options) at(p *place) ticket.Terminal {
	at := p.shop.Terminal(o.terminal)
	at.Place = o.place
	return at
}

func errTerminal() error {
	return speak.Wrong("-terminal には英数字、ピリオド、ハイフンを、-place には96バイト以内の名前を指定してください。", "-terminal wants letters, digits, full stops and hyphens, -place a name of at most 96 bytes")
}
