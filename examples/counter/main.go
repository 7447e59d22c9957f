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
//	-printer DEVICE     the page's receipt printer, and -roll the width of its paper
//	-data DIR           another folder
//	-mark FILE          where it is noted what was sent, which no backup brings back
//	-restored DIR       after a restore: the merge files that the mall has merged since
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
//	recover.go   members' records, and the letter about a recovery
//	usage.go, printer.go   the flags in two languages; where receipts go
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
	"path/filepath"
	"syscall"
	"time"

	"github.com/mynakit/mynakit/examples/internal/console"
	"github.com/mynakit/mynakit/examples/internal/private"
	"github.com/mynakit/mynakit/examples/internal/speak"
	"github.com/mynakit/mynakit/examples/internal/version"
	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/mergefile/outbox"
	"github.com/mynakit/mynakit/mykey"
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
	place       string
	printer     string
	roll        int
	version     bool
	training    bool
	mark        string
	restored    string
	wait        time.Duration
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
	o.lang = speak.LanguageOf(args, w.getenv)
	f := flag.NewFlagSet("counter", flag.ContinueOnError)
	f.SetOutput(w.stderr)
	o.flags(f, o.lang)
	err := speak.Parse(f, args)
	if errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	var bad *speak.UsageError
	switch {
	case errors.As(err, &bad):
	case f.NArg() > 0:
		bad = speak.Wrong(fmt.Sprintf("%q はフラグではありません。使い方は -help で確認してください。", f.Arg(0)), fmt.Sprintf("%q is no flag", f.Arg(0)))
	case o.samplesAddr != "" && (o.serve == "" || o.reader != "sim"):
		bad = speak.Wrong("-samples は、-serve および -reader sim と一緒に使います。", "-samples goes with -serve and -reader sim")
	case o.printer != "" && o.serve == "":
		bad = speak.Wrong("-printer は、-serve と一緒に使います。", "-printer goes with -serve")
	default:
		if _, err := o.paperRoll(); err != nil {
			errors.As(err, &bad)
		}
	}
	if bad != nil {
		o.tell(bad)
		return exitUsage
	}
	if o.version {
		fmt.Fprintln(out, version.Line("counter"))
	} else {
		err = o.work(ctx)
	}
	if err == nil {
		err = out.Err()
	}
	if err != nil {
		o.tell(err)
		if errors.As(err, &bad) {
			return exitUsage
		}
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
	if o.restored != "" {
		return bookAgain(ctx, o.restored, place, say)
	}
	if o.serve != "" {
		return serve(ctx, o, place, say)
	}
	cards, err := o.openReader()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cards.Close()) }()
	roll, err := o.paperRoll()
	if err != nil {
		return err
	}
	d := &day{
		roll:    roll,
		speaker: say,
		place:   place,
		cards:   cards,
		wait:    o.wait,
		sim:     o.reader == "sim",
		pin:     promptPIN(say.lines, o.lang),
		office:  o.at(place),
		till:    place.shop.Terminal("TILL-2"),
	}
	if err := d.office.Check(); err != nil {
		return errTerminal()
	}
	return d.run(ctx)
}

// tell says what happened and what to do, in the language of the run.
func (o *options) tell(err error) {
	var usage *speak.UsageError
	var address *addressError
	var open *private.Error
	switch {
	case errors.As(err, &usage):
		fmt.Fprintln(o.stderr, "counter:", speak.In(o.lang, usage.Text))
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
		fmt.Fprintln(o.stderr, "counter:", fmt.Sprintf(string(linesIn(o.lang).AddressTaken), address.address))
		o.detail(address.err)
		return
	}
	if errors.Is(err, outbox.ErrRestored) {
		defer fmt.Fprintln(o.stderr, "        ", linesIn(o.lang).HowAgain)
	}
	a := shop.Explain(err)
	what, do := speak.In(o.lang, a.What), speak.In(o.lang, a.Do)
	if a.Code != "" {
		what += speak.In(o.lang, mykey.Text{JA: "（", EN: " ("}) + string(a.Code) + speak.In(o.lang, mykey.Text{JA: "）", EN: ")"})
	}
	fmt.Fprintf(o.stderr, "counter: %s\n         %s\n", what, do)
	o.detail(err)
}

// detail is the error itself, for the system's administrator: it holds no secret.
// It is in English, so in Japanese it goes into a file, if there is a place for one.
func (o *options) detail(err error) {
	if o.lang == "ja" {
		if file := o.logged(err); file != "" {
			fmt.Fprintf(o.stderr, "         （詳細の記録：%s）\n", file)
			return
		}
	}
	fmt.Fprintf(o.stderr, "         (%v)\n", err)
}

// logged writes an error into a file in the folder, and returns the file's name, or
// "" if it cannot.
func (o *options) logged(err error) string {
	dir := o.data
	if dir == "" {
		dir, _ = usualFolder()
	}
	file := filepath.Join(dir, "counter.log")
	if dir == "" || private.Parent(dir) != nil {
		return ""
	}
	f, failed := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if failed != nil {
		return ""
	}
	_, failed = fmt.Fprintf(f, "%s %v\n", o.now().Format(time.RFC3339), err)
	if errors.Join(failed, f.Close()) != nil {
		return ""
	}
	return file
}
