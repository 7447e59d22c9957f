// Command grant is the day of a venue at which a city grants points to whoever
// comes (いわゆる行政ポイントの付与), from the roster to books that are true:
//
//	go run ./examples/grant            the day, told on the console
//	go run ./examples/grant -lang ja   the same in Japanese
//
// It needs Go and nothing else. The people are 200 software cards, read as real
// ones are, the office and the two devices have an SQLite file each, and all of
// it lies in a folder that is gone at the end.
//
//	day.go     the story: what goes wrong is that answers are lost, and a device
//	office.go  the city's database: user table, terminals, points, grants
//	venue.go   the devices, and the people with their cards
//	speak.go   what is said, in two languages
//
// No serial number, name or key is printed.
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

	"github.com/mynakit/mynakit/examples/internal/console"
	"github.com/mynakit/mynakit/examples/internal/speak"
	"github.com/mynakit/mynakit/examples/internal/version"
	"github.com/mynakit/mynakit/mykey/advice"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	signal.Ignore(syscall.SIGPIPE) // an error like another: the folder is removed all the same
	code := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

// run does what the arguments say and returns the exit code. A day that nobody
// could read is no success.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	f := flag.NewFlagSet("grant", flag.ContinueOnError)
	f.SetOutput(stderr)
	lang := speak.LanguageOf(args, getenv)
	say := speak.VoiceIn(lang)
	speak.LangFlag(f, say)
	about := f.Bool("version", false, say("バージョンを表示して終了します", "print the version and end"))
	f.Usage = func() {
		fmt.Fprintln(stderr, say("grant の使い方：", "Usage of grant:"))
		speak.PrintFlags(stderr, f, say)
	}
	err := speak.Parse(f, args)
	if err == nil && f.NArg() > 0 {
		err = speak.Wrong("フラグは -version と -lang です。", "the flags are -version and -lang")
	}
	switch usage, ok := errors.AsType[*speak.UsageError](err); {
	case ok:
		fmt.Fprintln(stderr, "grant:", speak.In(lang, usage.Text))
		return exitUsage
	case err != nil: // flag.ErrHelp
		return exitOK
	}
	out := console.To(stdout)
	if *about {
		fmt.Fprintln(out, version.Line("grant"))
	} else {
		err = work(ctx, lang, out)
	}
	err = errors.Join(err, out.Err())
	if err == nil {
		return exitOK
	}
	a := advice.Explain(err)
	// The error itself, for the system's administrator: it holds no secret.
	fmt.Fprintf(stderr, "grant: %s\n       %s\n       (%v)\n", speak.In(lang, a.What), speak.In(lang, a.Do), err)
	return exitError
}

func work(ctx context.Context, lang string, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "mynakit-grant-") // its owner's alone
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	d := &day{story: story{lines: linesIn(lang), out: out}, dir: dir}
	defer func() { err = errors.Join(d.close(), err) }()
	return d.run(ctx)
}
