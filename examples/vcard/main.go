// Command vcard puts a software Individual Number Card (マイナンバーカード) into
// the PC/SC daemon of this machine, so that any program that uses cards can use
// it: OpenSC, OpenSSL, ssh, a browser, yours.
//
//	apt-get install pcscd vsmartcard-vpcd
//	pcscd                      # or: systemctl start pcscd
//	go run ./examples/vcard -panel
//	pkcs15-tool -D
//
// PINs are 1234 (user authentication), ABC123 (digital signature), 2345 (card-face
// text), 3456 (common application) and 4567 (resident register). The card stays in
// until Ctrl-C or SIGTERM. If the slot is taken, or pcscd is not there or ends, vcard
// says so on standard error and goes on trying. -kind puts in one that has expired,
// or a child's, or another that comes to a counter.
//
// # Steering it
//
// With -control, tests in any language change the card, take it away, make
// exchanges fail and read what the card saw, over HTTP on loopback: see package
// simcard/control and docs/simulator.md. The first line on standard output tells
// where:
//
//	{"control":"http://127.0.0.1:40123","reader":"Virtual PCD 00 00","pid":4711,"slots":[…]}
//
// -panel is -control with a page for people at that address. -state keeps the card
// in a file, which is replaced before an answer leaves that follows a change: a try
// that was lost stays lost, even if vcard is killed. -wait prints the line only
// when the reader has powered the card, so that clients see it.
//
// # Many cards
//
// -addr may be given several times, once for each slot. The card in the next slot
// is of the next holder, its calls are under /slots/1, and its state is in FILE.1.
// "-addr auto" is the first of vpcd's two slots that no other vcard has.
//
// # Certificates
//
// -certs writes the card's certificates as auth.pem, authca.pem, sign.pem and
// signca.pem, and the lists of what their CAs have revoked, as auth.crl and
// sign.crl: with -kind revoked, this card. The certificates are from a test CA
// that nobody trusts, and the private keys are public. -clock pins the time of
// issue, so that every byte of them is the same in every run.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/mynakit/mynakit/apdu/vpcd"
	"github.com/mynakit/mynakit/examples/internal/version"
	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/simcard/control"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		if !errors.Is(err, errUsage) { // which has been explained already
			fmt.Fprintln(os.Stderr, "vcard:", err)
			os.Exit(1)
		}
		os.Exit(2)
	}
}

// errUsage means that the flags are wrong.
var errUsage = errors.New("usage")

// options are the flags.
type options struct {
	addrs   []string
	kind    string
	holder  uint
	certs   string
	trace   bool
	control string
	panel   bool
	state   string
	wait    bool
	clock   time.Time
	version bool
	stderr  io.Writer
}

func parse(args []string, stderr io.Writer) (*options, error) {
	stderr = &inTurn{w: stderr}
	o := &options{stderr: stderr}
	f := flag.NewFlagSet("vcard", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Func("addr", "`address` where vpcd waits for the card, or auto; several are several slots (default "+vpcd.DefaultAddr+")", func(addr string) error {
		if _, _, err := net.SplitHostPort(addr); err != nil && addr != auto {
			return errors.New("the address of vpcd is host:port, such as " + vpcd.DefaultAddr)
		}
		o.addrs = append(o.addrs, addr)
		return nil
	})
	f.StringVar(&o.kind, "kind", "plastic", "`kind` of card: "+strings.Join(simcard.SampleNames(), ", "))
	f.UintVar(&o.holder, "holder", 0, "`number` of the invented holder")
	f.StringVar(&o.certs, "certs", "", "write the card's certificates, and the lists of revoked ones, to `DIR`")
	f.BoolVar(&o.trace, "trace", false, "write the exchanges to standard error, secrets masked")
	f.StringVar(&o.control, "control", "", "serve the control API at this loopback `address`, such as 127.0.0.1:0 for a free port")
	f.BoolVar(&o.panel, "panel", false, "serve the control API with a page for people")
	f.StringVar(&o.state, "state", "", "keep the card in `FILE`")
	f.BoolVar(&o.wait, "wait", false, "print the first line only when clients can see the card")
	f.Func("clock", "`time` at which the card is made, as 2026-04-01T00:00:00+09:00, instead of now", func(text string) (err error) {
		o.clock, err = time.Parse(time.RFC3339, text)
		return err
	})
	f.BoolVar(&o.version, "version", false, "print the version and end")
	f.Usage = func() {
		fmt.Fprintf(stderr, "usage: vcard [flags]\nputs a software card into pcscd; PINs: %s\nflags:\n", pins())
		f.PrintDefaults()
	}
	switch err := f.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return nil, err
	case err != nil:
		return nil, errUsage
	case f.NArg() > 0:
		fmt.Fprintln(stderr, "vcard: takes no arguments but flags")
		return nil, errUsage
	case !slices.Contains(simcard.SampleNames(), o.kind):
		fmt.Fprintf(stderr, "vcard: there is no kind of card %q; known are %s\n", o.kind, strings.Join(simcard.SampleNames(), ", "))
		return nil, errUsage
	}
	if len(o.addrs) == 0 {
		o.addrs = []string{vpcd.DefaultAddr}
	}
	if o.panel && o.control == "" {
		o.control = "127.0.0.1:0"
	}
	return o, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	if o.version {
		_, err := fmt.Fprintln(stdout, version.Line("vcard"))
		return err
	}
	slots := make([]*slot, len(o.addrs))
	removed := ""
	defer func() {
		for _, s := range slots {
			if s != nil {
				err = errors.Join(err, s.Close())
			}
		}
		if err == nil && removed != "" {
			_, err = io.WriteString(stdout, removed)
		}
	}()
	for i := range slots {
		if slots[i], err = o.open(i); err != nil {
			return err
		}
	}
	if o.certs != "" {
		if err := writeCertificates(o.certs, slots[0].Slot); err != nil {
			return err
		}
	}
	base := ""
	if o.control != "" {
		served := make([]*control.Slot, len(slots))
		for i, s := range slots {
			served[i] = s.Slot
		}
		server, err := control.Serve(o.control, served...)
		if err != nil {
			return err
		}
		defer server.Close()
		base = "http://" + server.Addr
	}
	for i, s := range slots {
		if !o.wait && o.addrs[i] != auto && base != "" {
			continue
		}
		if _, err := s.WaitInserted(ctx); err != nil {
			return nil // told to end while it waited
		}
	}
	if base != "" {
		err = json.NewEncoder(stdout).Encode(announce(base, slots, o.panel))
	} else {
		_, err = fmt.Fprintf(stdout, "%s card inserted at %s; PINs, as far as it has them: %s; Ctrl-C removes it\n", o.kind, strings.Join(o.addrs, ", "), pins())
	}
	if err != nil {
		return err
	}
	<-ctx.Done()
	if base == "" {
		removed = "card removed\n"
	}
	return nil
}

// pins may be told to everybody: they protect nobody.
func pins() string {
	return fmt.Sprintf("auth %s, sign %s, text %s, common %s, juki %s", simcard.DefaultAuthPIN, simcard.DefaultSignPIN,
		simcard.DefaultTextPIN, simcard.DefaultCommonPIN, simcard.DefaultJukiPIN)
}

// inTurn writes for several slots, and for their traces, one after the other.
type inTurn struct {
	mu sync.Mutex
	w  io.Writer
}

func (w *inTurn) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.w.Write(p)
}

// open makes the i-th slot.
func (o *options) open(i int) (*slot, error) {
	s := &slot{candidates: []string{o.addrs[i]}}
	if o.addrs[i] == auto {
		s.candidates = []string{vpcd.DefaultAddr, vpcd.SecondAddr}
	}
	if o.trace {
		s.trace = slog.New(slog.NewTextHandler(o.stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	cfg := control.Config{
		Card:    control.Setup{Kind: o.kind, Holder: o.holder + uint(i)},
		Connect: s.connect,
		Settle:  settle,
		Reader:  s.reader,
		Panel:   o.panel,
		State:   o.state,
		Notify:  func(text string) { fmt.Fprintf(o.stderr, "vcard: slot %d: %s\n", i, text) },
	}
	if o.state != "" && i > 0 {
		cfg.State += "." + strconv.Itoa(i)
	}
	if !o.clock.IsZero() {
		cfg.Clock = func() time.Time { return o.clock }
	}
	var err error
	if s.Slot, err = control.New(cfg); err != nil {
		return nil, err
	}
	return s, nil
}

// A place is what the first line says about a slot.
type place struct {
	Control string `json:"control"`
	Reader  string `json:"reader"`
}

// announce returns the first line.
func announce(base string, slots []*slot, panel bool) any {
	line := struct {
		place
		Panel string  `json:"panel,omitempty"` // the page for people
		PID   int     `json:"pid"`
		Slots []place `json:"slots"`
	}{place: place{base, slots[0].reader()}, PID: os.Getpid()}
	if panel {
		line.Panel = base + "/"
	}
	for i, s := range slots {
		line.Slots = append(line.Slots, place{base + "/slots/" + strconv.Itoa(i), s.reader()})
	}
	return line
}

// writeCertificates leaves out what the card does not have, and takes away what
// another card left there.
func writeCertificates(dir string, slot *control.Slot) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, name := range control.AuthorityFiles() {
		file := filepath.Join(dir, name)
		content := slot.AuthorityFile(name)
		var err error
		if content == nil {
			if err = os.Remove(file); errors.Is(err, fs.ErrNotExist) {
				err = nil
			}
		} else {
			err = os.WriteFile(file, content, 0o644)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
