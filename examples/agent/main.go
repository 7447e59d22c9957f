// Command agent is the Individual Number Card, and a shop's points, for programs
// in other languages: they call it over HTTP on the same computer.
//
//	agent -reader auto -roots FILE       real cards; or a reader's name, or a part of it
//	agent -reader sim -samples ADDR      a software card, steered at a second address
//	agent -reader phone -phone ADDR      a phone with the app Remote Smart Card Reader
//	agent window                         the clerk's page: who may call
//	agent install [flags]                start it with the user's session, with these flags
//	agent uninstall                      and leave nothing behind
//
// It runs in the user's session and listens on loopback alone. Programs of the
// same user find it by a file that only they can read; pages of a site that
// -origin names ask the clerk. docs/agent.md is the guide, package api has the
// calls, and examples/agent/clients has programs to copy.
//
// The PIN is typed in the agent's own window. No call, event or log has it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/mynakit/mynakit/examples/agent/api"
	"github.com/mynakit/mynakit/examples/internal/private"
	"github.com/mynakit/mynakit/examples/internal/speak"
	"github.com/mynakit/mynakit/examples/internal/version"
	"github.com/mynakit/mynakit/examples/shop"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// options are the flags.
type options struct {
	reader, roots, db, data, listen, terminal, place, pin, printer, samples, phone string
	origins                                                                        origins
	training                                                                       bool

	getenv         func(string) string
	stdout, stderr io.Writer
}

// origins is a flag that can be given several times.
type origins []string

func (o *origins) String() string { return strings.Join(*o, " ") }

// Set takes one origin, exactly as a browser sends it.
func (o *origins) Set(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || text != u.Scheme+"://"+u.Host || text != strings.ToLower(text) {
		return errors.New("an origin is https://host or https://host:port, without a path")
	}
	*o = append(*o, text)
	return nil
}

func (o *options) flags(f *flag.FlagSet) {
	f.StringVar(&o.reader, "reader", "auto", "`where` the card is: auto, sim, phone, or a PC/SC reader's name or a part of it")
	f.StringVar(&o.roots, "roots", "", "`file` with the root certificates that real cards are verified with")
	f.StringVar(&o.db, "db", "", "a PostgreSQL `URL`, or host=… dbname=…, or an SQLite file; without it the one in the folder")
	f.StringVar(&o.data, "data", "", "`folder` of the shop's keys and database; without it the counter's, or with -reader sim one of the agent's own")
	f.StringVar(&o.listen, "listen", "127.0.0.1:24800", "`address` to listen at, or the next of ten ports")
	f.StringVar(&o.terminal, "terminal", "TILL-1", "`name` of this terminal: letters, digits, full stops, hyphens")
	f.StringVar(&o.place, "place", "", "the `place` where the terminal stands (端末設置場所), by which a settlement adds up")
	f.Var(&o.origins, "origin", "a `site` whose pages may ask to be let in, such as https://pos.example.jp; can be given several times")
	f.StringVar(&o.pin, "pin", "window", "`where` the holder types the PIN: window, or tty for this terminal")
	f.StringVar(&o.printer, "printer", "", "`address` of a receipt printer, host:port, or the file of its device")
	f.StringVar(&o.samples, "samples", "", "with -reader sim, a second loopback `address` that steers the software card")
	f.StringVar(&o.phone, "phone", "127.0.0.1:35963", "`address` where -reader phone waits; any but loopback sends the PIN in the clear over that network")
	f.BoolVar(&o.training, "training", false, "keep everything in tables of its own, for clerks to practise")
}

// usageError is a flag that cannot be.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

// troubleError is what went wrong, and what to do, in English and Japanese, and the
// code to exit with.
type troubleError struct {
	en, ja string
	code   int
}

func (e *troubleError) Error() string { return e.en }

const (
	exitOK      = 0
	exitError   = 1
	exitUsage   = 2
	exitRunning = 3 // there is an agent of this user already
)

func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	command := ""
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		command, args = args[0], args[1:]
	}
	o := &options{getenv: getenv, stdout: stdout, stderr: stderr}
	f := flag.NewFlagSet("agent", flag.ContinueOnError)
	f.SetOutput(stderr)
	o.flags(f)
	f.Usage = func() {
		fmt.Fprintln(stderr, "usage: agent [flags]          be there for programs that call\n"+
			"       agent window           open the clerk's page: who may call\n"+
			"       agent install [flags]  start the agent with the user's session\n"+
			"       agent uninstall        leave nothing behind\nflags:")
		f.PrintDefaults()
	}
	about := f.Bool("version", false, "print the version and end")
	err := speak.Parse(f, args)
	bad, wrong := errors.AsType[*speak.UsageError](err)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case wrong:
		fmt.Fprintln(stderr, "agent:", speak.In(speak.Language(getenv), bad.Text))
		return exitUsage
	case f.NArg() > 0:
		fmt.Fprintf(stderr, "agent: %q is no flag\n", f.Arg(0))
		return exitUsage
	}
	if *about {
		fmt.Fprintln(stdout, version.Line("agent"))
		return exitOK
	}
	if err = o.check(); err == nil {
		switch command {
		case "":
			err = o.serve(ctx)
		case "window":
			err = o.window(ctx)
		case "install":
			err = o.install(ctx, args)
		case "uninstall":
			err = o.uninstall(ctx)
		default:
			err = &usageError{fmt.Sprintf("%q is no command: there are window, install and uninstall", command)}
		}
	}
	if usage, ok := errors.AsType[*usageError](err); ok {
		fmt.Fprintln(stderr, "agent:", usage.text)
		return exitUsage
	}
	trouble, ok := errors.AsType[*troubleError](err)
	if open, not := errors.AsType[*private.Error](err); not {
		trouble, ok = &troubleError{open.Text().EN, open.Text().JA, exitError}, true
	}
	if ok {
		fmt.Fprintf(stderr, "agent: %s\n       %s\n", trouble.en, trouble.ja)
		return trouble.code
	}
	if err != nil {
		a := shop.Explain(err)
		// The error itself, for the system's administrator: it holds no secret.
		fmt.Fprintf(stderr, "agent: %s %s\n       %s%s\n       (%v)\n", a.What.EN, a.Do.EN, a.What.JA, a.Do.JA, err)
		return exitError
	}
	return exitOK
}

func (o *options) check() error {
	host, _, err := net.SplitHostPort(o.listen)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return &usageError{"-listen wants an address of this machine alone, such as 127.0.0.1:24800"}
	}
	if o.pin != "window" && o.pin != "tty" {
		return &usageError{"-pin is window or tty"}
	}
	if o.samples != "" && o.reader != "sim" {
		return &usageError{"-samples goes with -reader sim"}
	}
	if o.getenv(pinVariable) != "" && o.reader != "sim" {
		return &usageError{pinVariable + " goes with -reader sim: the PIN of a card is its holder's"}
	}
	return nil
}

// pinVariable is for tests with a software card: its PIN protects nobody.
const pinVariable = "MYNAKIT_AGENT_PIN"

// serve runs the agent until ctx ends.
func (o *options) serve(ctx context.Context) (err error) {
	h, err := openHome(o.getenv)
	if err != nil {
		return err
	}
	held, err := h.hold()
	if errors.Is(err, errHeld) {
		return h.other(ctx)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, held.Close()) }()
	place, err := o.openPlace(ctx, h)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, place.close()) }()
	log, err := openLog(filepath.Join(h.dir, "agent.log"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	cards, closeCards, err := o.openReaders(ctx, place)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeCards()) }()

	cfg := api.Config{
		Shop: place.shop, DB: place.db, Keys: place.keys, Readers: cards, Terminal: o.terminal, Place: o.place, Origins: o.origins,
		Version: version.Line("agent"), Accounts: place.accounts, Training: o.training, Open: h.openWindow,
		Log: slog.New(slog.NewJSONHandler(log, nil)),
	}
	if o.printer != "" {
		cfg.Printer = printTo(o.printer)
	}
	switch {
	case o.getenv(pinVariable) != "":
		cfg.PIN = fixedPIN(o.getenv(pinVariable))
	case o.pin == "tty":
		cfg.PIN = terminalPIN()
	}
	server, err := api.New(ctx, cfg)
	if errors.Is(err, api.ErrConfig) {
		return &usageError{"-terminal wants letters, digits, full stops and hyphens, -place a name of at most 96 bytes"}
	}
	if err != nil {
		return err
	}
	listeners, err := listen(o.listen)
	if err != nil {
		return err
	}
	var text []byte
	var told error
	defer func() { h.forget(text) }()
	err = server.Serve(ctx, func() {
		if text, told = server.Discovery(os.Getpid()); told == nil {
			text = append(text, '\n')
			told = write(h.discovery, text)
		}
		if told == nil {
			fmt.Fprintf(o.stdout, "%s\n%s\n", server.Address(), h.discovery)
		}
	}, listeners...)
	return errors.Join(err, told)
}

// listen listens at an address, on both loopback addresses, or at the next of ten
// ports that is free on both.
func listen(address string) ([]net.Listener, error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := net.LookupPort("tcp", text)
	if err != nil {
		return nil, &usageError{"-listen wants a port"}
	}
	for n := range 10 {
		next := port + n
		if port == 0 {
			next = 0 // whichever is free, and another each time
		}
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort(host, fmt.Sprint(next))); err != nil {
			continue
		}
		if host != "127.0.0.1" {
			return []net.Listener{l}, nil
		}
		at, _ := l.Addr().(*net.TCPAddr)
		// Somebody else's program must not be what "localhost" leads to.
		six, err6 := net.Listen("tcp", net.JoinHostPort("::1", fmt.Sprint(at.Port)))
		if err6 == nil {
			return []net.Listener{l, six}, nil
		}
		if !errors.Is(err6, syscall.EADDRINUSE) {
			return []net.Listener{l}, nil // there is no IPv6 here
		}
		err = errors.Join(err6, l.Close())
	}
	return nil, err
}
