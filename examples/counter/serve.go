package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"github.com/mynakit/mynakit/examples/counter/page"
	"github.com/mynakit/mynakit/simcard"
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
		return &usageError{"-serve wants host:port, such as 127.0.0.1:8080"}
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return &usageError{"-serve wants an address of this machine alone, such as 127.0.0.1:8080: PINs are typed on the page"}
	}
	cfg := page.Config{
		Shop:     p.shop,
		Terminal: o.terminal,
		Name:     string(say.Mall),
		Lang:     page.Lang(o.lang),
		Inbox:    p.inbox(),
		Welcome:  grantPoints,
		Log:      slog.New(slog.NewTextHandler(o.stderr, nil)),
	}
	if o.reader == "sim" {
		cfg.Reader = new(page.Slot)
		cfg.Samples = samples(say)
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
		return &usageError{"-terminal wants letters, digits, full stops and hyphens"}
	}
	l, err := net.Listen("tcp", o.serve)
	if err != nil {
		return &addressError{o.serve, err}
	}
	say.plain(say.Kept, p.dir)
	if p.fresh {
		say.plain(say.NewKeys, p.keyFile)
	}
	say.plain(say.URL, l.Addr())
	return counter.Serve(ctx, l)
}

// samples are cards to put into the page's reader with a click.
func samples(say speaker) []page.Sample {
	var cards []page.Sample
	for n := range uint(3) {
		holder := simcard.SampleHolder(n)
		cards = append(cards, page.Sample{Name: holder.Name, Card: simcard.New(simcard.WithHolder(holder))})
	}
	return append(cards, page.Sample{Name: string(say.Phone), Card: simcard.New(simcard.WithHolder(simcard.SampleHolder(3)), simcard.WithKind(simcard.Android))})
}
