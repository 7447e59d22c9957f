// Command cardtool looks at an Individual Number Card (マイナンバーカード) and
// works with it, one task at a time.
//
//	cardtool info                      what the card is, and how many PIN tries are left
//	cardtool pins                      the PIN tries alone; none is spent
//	cardtool serial                    the serial number of a certificate
//	cardtool cert -out auth.pem        a certificate
//	cardtool verify -key auth          check a PIN: a wrong one costs a try
//	cardtool sign -key auth -in FILE -out FILE.sig
//
//	cardtool attributes                name, address, birth date and sex
//	cardtool mynumber                  the My Number
//	cardtool photo -out photo.jp2      the photograph; with -png as PNG
//	cardtool common                    the card's own number, municipality, expiry
//	cardtool passwd -pin text          change a PIN
//	cardtool cms-sign -in FILE -out FILE.p7m
//	cardtool cms-verify -roots CA.pem -in FILE.p7m
//	cardtool survey -reader auto -out report.json
//	                                   what needs no PIN, beside the software card
//	cardtool compare -in trace.txt     a trace of your own beside the software card
//	cardtool phone -listen 192.168.0.10:35963
//	                                   info, with a phone as the reader
//
// Every task takes -reader: sim (a software card, the default), auto (whichever
// PC/SC reader gets a card first), phone (see below), or a reader's name or a
// part of it; -json
// for one JSON object; -trace for the exchanges, secrets masked, on standard
// error. PINs are asked for without echo, or come from -pin-file; they are
// never an argument, which every other user of the machine could read.
//
// With -reader phone a QR code is shown; the app Remote Smart Card Reader on a
// phone scans it and connects the card that is held to the phone. The link is
// plain: whoever connects first is the card, and the PIN can be read on the way.
// It waits on loopback until -listen names an address of this machine that the
// phone can reach. Use a network of your own.
//
// The software card's PINs are 1234 (auth), ABC123 (sign), 2345 (text), 3456
// (common) and 4567 (juki); -kind makes it one that has expired, or a child's, or
// another that comes to a counter. A real reader needs a build with PC/SC: see
// package apdu/pcsc.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/apdu/pcsc"
	"github.com/mynakit/mynakit/examples/internal/console"
	"github.com/mynakit/mynakit/examples/internal/version"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/jpki/unlock"
	"github.com/mynakit/mynakit/simcard"
)

func main() {
	ctx, cancel := context.WithCancelCause(context.Background())
	// Until there is a card to let go of, a signal just ends the program.
	catch := func() {
		caught, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
		context.AfterFunc(caught, func() {
			stop() // a second one ends it, whatever it does
			cancel(context.Cause(caught))
		})
	}
	os.Exit(run(ctx, catch, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// A task is one subcommand.
type task struct {
	name, about string
	// flags adds the task's own flags and gives what runs it.
	flags func(f *flag.FlagSet) func(context.Context, *session) error
	// app is the application that the task starts in; 0 is JPKI.
	app jpki.Application
	// cardless marks a task that works without a card.
	cardless bool
	// more is what there is to know besides the flags.
	more string
}

func tasks() []task {
	return []task{
		{name: "info", about: "what the card is, and how many PIN tries are left", flags: infoTask},
		{name: "pins", about: "how many PIN tries are left; none is spent", flags: pinsTask},
		{name: "serial", about: "the serial number of a certificate", flags: serialTask},
		{name: "cert", about: "a certificate, as PEM or DER", flags: certTask},
		{name: "verify", about: "check a PIN; a wrong one costs a try", flags: verifyTask},
		{name: "sign", about: "sign a file with a key of the card", flags: signTask},
		{name: "attributes", about: "name, address, birth date and sex (text PIN)", flags: attributesTask, app: jpki.TextApp},
		{name: "mynumber", about: "the My Number (text PIN); the law says who may ask", flags: myNumberTask, app: jpki.TextApp},
		{name: "photo", about: "the photograph, as JPEG 2000 or PNG (verification number A or B)", flags: photoTask, app: jpki.VisualApp},
		{name: "common", about: "the card's own number, municipality and expiry", flags: commonTask, app: jpki.CommonApp},
		{name: "passwd", about: "change a PIN", flags: passwdTask},
		{name: "cms-sign", about: "sign a file as a CMS message (RFC 5652)", flags: cmsSignTask,
			more: "The certificate of the auth key is for client authentication alone. openssl refuses it\n" +
				"with \"unsuitable certificate purpose\" without -purpose any:\n" +
				"  openssl cms -verify -inform DER -in FILE.p7m -CAfile authca.pem -purpose any\n" +
				"A message of -key sign needs no -purpose."},
		{name: "cms-verify", about: "verify a CMS message, DER or PEM; without a card", flags: cmsVerifyTask, cardless: true},
		{name: "survey", about: "ask a card what needs no PIN and spends no try, and hold it against the software card", flags: surveyTask,
			more: "The report holds status words, tags and lengths, and nothing of its holder: docs/card.md\n" +
				"says how to send it in. With -in a report is read instead of a card."},
		{name: "compare", about: "hold a trace of commands and replies against the software card", flags: compareTask, cardless: true,
			more: "The trace is text: a command in hexadecimal on one line, its reply with the status word\n" +
				"on the next. Spaces, colons and marks such as > and < in front are passed over."},
		{name: "phone", about: "info, with a phone as the reader (a QR code is shown)", flags: phoneTask},
	}
}

const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

// run does one task. It calls catch before the card is powered.
func run(ctx context.Context, catch func(), args []string, stdin *os.File, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		usage(stderr)
		return exitUsage
	}
	if args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		out := console.To(stdout)
		if usage(out); out.Err() != nil {
			fmt.Fprintln(stderr, "cardtool:", out.Err())
			return exitError
		}
		return exitOK
	}
	if version.Asked(args) {
		out := console.To(stdout)
		if fmt.Fprintln(out, version.Line("cardtool")); out.Err() != nil {
			fmt.Fprintln(stderr, "cardtool:", out.Err())
			return exitError
		}
		return exitOK
	}
	for _, t := range tasks() {
		if t.name != args[0] {
			continue
		}
		f := flag.NewFlagSet("cardtool "+t.name, flag.ContinueOnError)
		f.SetOutput(stderr)
		s := &session{stdin: stdin, stdout: stdout, stderr: stderr, catch: catch, app: t.app}
		if t.cardless {
			s.outputFlags(f)
		} else {
			s.flags(f)
		}
		do := t.flags(f)
		f.Usage = func() { t.usage(f) }
		switch err := f.Parse(args[1:]); {
		case errors.Is(err, flag.ErrHelp):
			return exitOK
		case err != nil:
			return exitUsage
		case f.NArg() > 0:
			fmt.Fprintf(stderr, "cardtool %s: takes no arguments but flags\n", t.name)
			return exitUsage
		}
		err := do(ctx, s)
		err = errors.Join(err, s.close())
		var wrong *usageError
		if errors.As(err, &wrong) {
			fmt.Fprintf(stderr, "cardtool %s: %v\n", t.name, err)
			return exitUsage
		}
		if err != nil {
			fmt.Fprintf(stderr, "cardtool %s: %v\n", t.name, err)
			if h := hint(err, time.Now()); h != "" {
				fmt.Fprintln(stderr, h)
			}
			return exitError
		}
		return exitOK
	}
	fmt.Fprintf(stderr, "cardtool: no task %q\n", args[0])
	usage(stderr)
	return exitUsage
}

func usage(w io.Writer) {
	fmt.Fprintln(w, "usage: cardtool TASK [flags]    (cardtool TASK -h lists the flags, cardtool -version prints the version)")
	for _, t := range tasks() {
		fmt.Fprintf(w, "  %-10s %s\n", t.name, t.about)
	}
	fmt.Fprintln(w, softwarePINs())
}

// usage tells what a task does, and its flags.
func (t task) usage(f *flag.FlagSet) {
	w := f.Output()
	fmt.Fprintf(w, "usage: %s [flags]\n%s\n", f.Name(), t.about)
	if t.more != "" {
		fmt.Fprintln(w, t.more)
	}
	if !t.cardless {
		fmt.Fprintln(w, softwarePINs())
	}
	fmt.Fprintln(w, "flags:")
	f.PrintDefaults()
}

// softwarePINs may be told to everybody: they protect nobody.
func softwarePINs() string {
	return fmt.Sprintf("PINs of the software card: auth %s, sign %s, text %s, common %s, juki %s", simcard.DefaultAuthPIN,
		simcard.DefaultSignPIN, simcard.DefaultTextPIN, simcard.DefaultCommonPIN, simcard.DefaultJukiPIN)
}

// A usageError is a call that cannot be meant.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

// hint tells what the person at the reader can do about an error.
func hint(err error, now time.Time) string {
	var pin *jpki.PINError
	var form *jpki.FormatError
	switch {
	case errors.As(err, &form) && (form.PIN == jpki.VisualNumberA || form.PIN == jpki.VisualNumberB):
		return "No PIN opens the photograph, but verification number A or B, which stands on the card: `cardtool photo -h` tells their digits."
	case errors.As(err, &pin) && pin.Blocked:
		var ways []string
		for _, way := range unlock.Ways(pin.PIN, now) {
			ways = append(ways, way.Text(jpki.English))
		}
		return strings.Join(ways, "\n")
	case errors.As(err, &pin):
		return "Check the PIN before the next try: the counter goes back to full only with a right one."
	case errors.As(err, new(*jpki.LastTryError)):
		return "Nothing was sent. If you are sure of the PIN, say -last-try."
	case errors.Is(err, jpki.ErrOutcomeUnknown):
		return "The card left while it looked at the PIN. `cardtool pins` tells how many tries are left."
	case errors.As(err, new(*jpki.PINRequiredError)):
		return "Give the PIN: say -ask-pin, or -pin-file FILE."
	case errors.As(err, new(*jpki.NoApplicationError)):
		return "Phones, and some cards, do not hold this."
	case errors.Is(err, jpki.ErrReaderLimit):
		return "Use another reader: no setting of this one helps."
	case errors.Is(err, apdu.ErrCardReset), errors.Is(err, jpki.ErrCardChanged):
		return "Another program uses the card. Close it and try again; nothing is verified any more."
	case errors.Is(err, apdu.ErrCardRemoved):
		return "Keep the card still on the reader until the task is done."
	case errors.Is(err, pcsc.ErrSharing):
		return "Another program holds the card. Close it and try again."
	case errors.Is(err, context.DeadlineExceeded):
		return "No card came in time, or it stopped answering: see -wait."
	}
	return ""
}

// oneLine keeps what a reader calls itself from breaking the output.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7F {
			return '?'
		}
		return r
	}, s)
}
