// Command counter is the whole day of a shop, from the first tap of a card to
// the settlement. It needs Go and nothing else:
//
//	go run ./examples/counter            the day, told on the console
//	go run ./examples/counter -lang ja   the same in Japanese
//
// Without flags the card is a software card and the database an SQLite file in
// a folder of the user's own, which the first line names. Run it again: the
// holder is known, the ledger remembers. The parts can be real ones:
//
//	-reader auto        whichever PC/SC reader gets a card first; or a reader's
//	                    name, or a part of it
//	-reader phone       a phone with the app Remote Smart Card Reader, by QR code
//	-roots FILE         the root certificates of J-LIS, for real cards
//	-db postgres://…    a database that several terminals share
//	-serve ADDR         the counter as a web page, such as 127.0.0.1:8080
//	-data DIR           another folder
//	-training           practice, in tables of its own
//
// The shop itself is package shop, for copying. What is here is around it:
//
//	day.go    the story: enrol.go, use.go, ticket.go, merge.go and settle.go are its steps
//	cloud.go  what the city's cloud does in it
//	speak.go  what is said, in two languages
//	open.go   the folder, the database, the keys
//	reader.go, phone.go, pin.go   where cards and PINs come from
//	paper.go  what is printed
//	serve.go  the web page, which is package page
//
// No PIN, serial number or key is ever printed. The folder holds keys, a database
// and tickets on paper, and a ticket is money. On Unix the program makes them
// readable to their owner alone, and does not start if others can read or change
// them. On Windows it checks nothing: see who has access to the folder.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/mynakit/mynakit/examples/internal/console"
	"github.com/mynakit/mynakit/examples/internal/private"
	"github.com/mynakit/mynakit/examples/internal/version"
	"github.com/mynakit/mynakit/examples/shop"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// Whoever reads the output may go away: that is an error like another, and
	// what was begun is finished.
	signal.Ignore(syscall.SIGPIPE)
	code := system().run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// world is what the program has around it.
type world struct {
	getenv         func(string) string
	stdout, stderr io.Writer
	now            func() time.Time
}

func system() *world { return &world{os.Getenv, os.Stdout, os.Stderr, time.Now} }

// options are the flags, and the world that they are about.
type options struct {
	*world

	lang        string
	data        string
	db          string
	reader      string
	roots       string
	listen      string
	serve       string
	samplesAddr string
	terminal    string
	training    bool
	wait        time.Duration
}

func (o *options) flags(f *flag.FlagSet) {
	f.StringVar(&o.lang, "lang", "", "`language`: ja or en; without it as the environment says")
	f.StringVar(&o.data, "data", "", "`folder` for database, keys, tickets and inbox; without it one of the user's own")
	f.StringVar(&o.db, "db", "", "a PostgreSQL `URL`, or host=… dbname=…, or another SQLite file instead of the one in the folder; a password is better in PGPASSWORD or .pgpass")
	f.StringVar(&o.reader, "reader", "sim", "`where` the card is: sim, auto, phone, or a PC/SC reader's name or a part of it")
	f.StringVar(&o.roots, "roots", "", "`file` with the root certificates that real cards are verified with")
	f.StringVar(&o.listen, "listen", "127.0.0.1:35963", "`address` where -reader phone waits; any but loopback sends the PIN in the clear over that network")
	f.StringVar(&o.serve, "serve", "", "`address` of the web page, such as 127.0.0.1:8080")
	f.StringVar(&o.samplesAddr, "samples", "", "with -serve, a second page that steers the sample cards, at this loopback `address`, such as 127.0.0.1:8081")
	f.StringVar(&o.terminal, "terminal", "OFFICE-1", "`name` of this terminal: letters, digits, full stops, hyphens")
	f.BoolVar(&o.training, "training", false, "practise: everything is in tables of its own and marked, and live shops refuse its tickets and files")
	f.DurationVar(&o.wait, "wait", time.Minute, "how `long` to wait for a card and each of its answers")
}

const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

// run does what the arguments say and returns the exit code. A day that nobody
// could read is no success.
func (w *world) run(ctx context.Context, args []string) int {
	out := console.To(w.stdout)
	o := options{world: &world{w.getenv, out, w.stderr, w.now}}
	f := flag.NewFlagSet("counter", flag.ContinueOnError)
	f.SetOutput(w.stderr)
	o.flags(f)
	about := f.Bool("version", false, "print the version and end")
	switch err := f.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage
	case f.NArg() > 0:
		fmt.Fprintf(w.stderr, "counter: %q is no flag\n", f.Arg(0))
		return exitUsage
	case o.samplesAddr != "" && (o.serve == "" || o.reader != "sim"):
		fmt.Fprintln(w.stderr, "counter: -samples goes with -serve and -reader sim")
		return exitUsage
	case o.lang == "":
		o.lang = console.Language(w.getenv)
	case o.lang != "ja" && o.lang != "en":
		fmt.Fprintln(w.stderr, "counter: -lang is ja or en")
		return exitUsage
	}
	var err error
	if *about {
		fmt.Fprintln(out, version.Line("counter"))
	} else {
		err = o.work(ctx)
	}
	if err == nil {
		err = out.Err()
	}
	if err != nil {
		o.tell(err)
		return exitError
	}
	return exitOK
}

func (o *options) work(ctx context.Context) (err error) {
	say := speaker{lang: o.lang, lines: linesIn(o.lang), out: o.stdout}
	place, err := openPlace(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, place.Close()) }()
	if o.serve != "" {
		return serve(ctx, o, place, say)
	}
	cards, err := o.openReader()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cards.Close()) }()
	d := &day{
		speaker: say,
		place:   place,
		cards:   cards,
		wait:    o.wait,
		sim:     o.reader == "sim",
		pin:     promptPIN(say.lines, o.lang),
		office:  place.shop.Terminal(o.terminal),
		till:    place.shop.Terminal("TILL-2"),
	}
	if err := d.office.Check(); err != nil {
		return &usageError{"-terminal wants letters, digits, full stops and hyphens"}
	}
	return d.run(ctx)
}

// usageError is a flag that cannot be. Its text is for whoever typed it.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

// tell says what happened and what to do, in the language of the run.
func (o *options) tell(err error) {
	var usage *usageError
	var address *addressError
	var open *private.Error
	switch {
	case errors.As(err, &usage):
		fmt.Fprintln(o.stderr, "counter:", usage.text)
		return
	case errors.Is(err, errNoHome):
		fmt.Fprintln(o.stderr, "counter:", linesIn(o.lang).NoHome)
		return
	case errors.As(err, &open) && open.Foreign:
		fmt.Fprintln(o.stderr, "counter:", fmt.Sprintf(string(linesIn(o.lang).Foreign), open.Path))
		return
	case errors.As(err, &open):
		fmt.Fprintln(o.stderr, "counter:", fmt.Sprintf(string(linesIn(o.lang).NotAlone), open.Path, open.Mode))
		return
	case errors.As(err, &address):
		fmt.Fprintln(o.stderr, "counter:", fmt.Sprintf(string(linesIn(o.lang).AddressTaken), address.address, address.err))
		return
	}
	a := shop.Explain(err)
	what, do := in(o.lang, a.What), in(o.lang, a.Do)
	if a.Code != "" {
		what += " [" + string(a.Code) + "]"
	}
	// The error itself, for the system's administrator: it holds no secret.
	fmt.Fprintf(o.stderr, "counter: %s\n         %s\n         (%v)\n", what, do, err)
}
