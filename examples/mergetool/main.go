// Command mergetool makes, reads and examines merge files (合算ポイントファイル).
//
//	mergetool keygen  -key-file k.hex -secret-file s.txt
//	mergetool seal    -profile Standard -key-file k.hex -secret-file s.txt in.csv out.bin
//	mergetool open    -profile Standard -key-file k.hex -secret-file s.txt in.bin out.csv
//	mergetool inspect -profile Standard -key-file k.hex -secret-file s.txt in.bin
//	mergetool lint    -profile Published -secret-file s.txt
//	mergetool probe   -key-file k.txt -secret-file s.txt in.bin
//	mergetool vectors
//
// A profile is the name of a preset or a JSON file; "lint -json" prints one to
// start from. Keys and secrets come from files and are never an argument, which
// every other user of the machine could read, and never printed. "-" as a file
// is standard input or output. The CSV has the header
// holder,points,transaction_time,sequence, with RFC 3339 times.
//
// open writes nothing unless the whole file is valid. It says the same of every
// invalid file; "inspect -diagnose" and "probe" say more, and belong on a
// developer's desk.
//
// The exit code is 0 for success, 1 for an invalid file or a failure, and 2 for
// wrong usage.
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
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

// A task is one subcommand.
type task struct {
	name, operands, about string
	// prepare adds the task's flags and gives what runs it on its operands.
	prepare func(*flag.FlagSet) func(context.Context, []string) error
}

func tasks() []task {
	return []task{
		{"keygen", "", "make a new key and a new secret", keygen},
		{"seal", "IN.csv OUT", "make a merge file of a CSV", seal},
		{"open", "IN OUT.csv", "verify a merge file and write it as CSV", open},
		{"inspect", "IN", "verify a merge file and say what is in it, without holders", inspect},
		{"lint", "", "say what is risky about a profile", lint},
		{"probe", "IN", "find the profile of a merge file", probe},
		{"vectors", "", "run the test vectors, or write them out", vectors},
	}
}

// errUsage has been explained already.
var errUsage = errors.New("usage")

func run(ctx context.Context, args []string) int {
	if len(args) == 0 {
		usage(os.Stderr)
		return exitUsage
	}
	for _, t := range tasks() {
		if t.name != args[0] {
			continue
		}
		f := flag.NewFlagSet(t.name, flag.ContinueOnError)
		f.Usage = func() {
			fmt.Fprintf(f.Output(), "usage: mergetool %s [flags] %s\n%s\n", t.name, t.operands, t.about)
			f.PrintDefaults()
		}
		do := t.prepare(f)
		switch err := f.Parse(args[1:]); {
		case errors.Is(err, flag.ErrHelp):
			return exitOK
		case err != nil:
			return exitUsage
		}
		switch err := do(ctx, f.Args()); {
		case err == nil:
			return exitOK
		case errors.Is(err, errUsage):
			f.Usage()
			return exitUsage
		default:
			fmt.Fprintln(os.Stderr, "mergetool:", err)
			return exitError
		}
	}
	if args[0] == "help" || args[0] == "-h" || args[0] == "-help" || args[0] == "--help" {
		usage(os.Stdout)
		return exitOK
	}
	usage(os.Stderr)
	return exitUsage
}

func usage(w io.Writer) {
	fmt.Fprintln(w, "usage: mergetool TASK [flags] [files]")
	for _, t := range tasks() {
		fmt.Fprintf(w, "  %-8s %s\n", t.name, t.about)
	}
	fmt.Fprintln(w, `"mergetool TASK -help" lists the flags of a task.`)
}
