// Command table runs the benchmarks of this module several times over and
// writes what they say into docs/proof.md, as a table, and into docs/figures, as
// a plot:
//
//	cd internal/bench && go run ./table
//
// A round runs every line once, so that a neighbour's noise falls on all alike;
// a figure is the median of the rounds. On a machine that others use as well
// -best takes the best of them instead: what others do can only add. With -n the table is printed and
// nothing is written; -raw keeps the lines of all rounds for benchstat; -in
// takes such lines instead of measuring.
//
// The part with the real card stack needs Linux, root, the packages that
// internal/realstack names, and cgo. Where they are missing its line is left
// out, and standard error says so.
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
	"runtime"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "table:", err)
		os.Exit(1)
	}
}

// notes says what a reader of the table has to know.
const notes = `
Times of computation are processor time, the garbage collector's included. The
milliseconds of a tap are modelled, at 848 and at 106 kbit/s, without the card's
own time: what each program sends is replayed on one software card. The ledgers
of others are given the numbers alone; mynakit's figure has opening and
verifying the file in it.
`

func run(ctx context.Context, args []string, out, log io.Writer) error {
	flags := flag.NewFlagSet("table", flag.ContinueOnError)
	flags.SetOutput(log)
	var (
		printOnly = flags.Bool("n", false, "print the table and write nothing")
		rounds    = flags.Int("rounds", 5, "how often everything is run")
		benchtime = flags.String("benchtime", "100ms", "how long a line is run in a round")
		best      = flags.Bool("best", false, "take the best of the rounds and not their median")
		in        = flags.String("in", "", "take the lines of `file` instead of measuring")
		raw       = flags.String("raw", "", "keep the lines of all rounds in `file`")
		root      = flags.String("root", filepath.Join("..", ".."), "the repository")
	)
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return err
	}
	if flags.NArg() > 0 || *rounds < 1 {
		return errors.New("no arguments, and at least one round")
	}
	var lines []byte
	var err error
	if *in != "" {
		lines, err = os.ReadFile(*in)
	} else {
		lines, err = measure(ctx, *root, *rounds, *benchtime, log)
	}
	if err != nil {
		return err
	}
	if *raw != "" {
		if err := os.WriteFile(*raw, lines, 0o644); err != nil {
			return err
		}
	}
	results, err := parse(lines)
	if err != nil {
		return err
	}
	results.best = *best
	table, missing := markdown(rows(), results)
	for _, what := range missing {
		fmt.Fprintln(log, "not measured:", what)
	}
	which, command := "Medians", "go run ./table"
	if *best {
		which, command = "The best", command+" -best"
	}
	table += notes + fmt.Sprintf("\n%s of at least %d rounds on %[4]s, %[5]s, %[6]d cores, written by\n`cd internal/bench && %[3]s`.\n", which, results.rounds(), command, results.cpu, runtime.Version(), runtime.NumCPU())
	if *printOnly {
		_, err := io.WriteString(out, table)
		return err
	}
	figure := filepath.Join("docs", "figures", "growth.svg")
	if err := os.MkdirAll(filepath.Dir(filepath.Join(*root, figure)), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(*root, figure), plot(panels(), results), 0o644); err != nil {
		return err
	}
	table += "\n![How each cost grows with its work](figures/growth.svg)\n"
	page := filepath.Join(*root, "docs", "proof.md")
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	text, err = splice(text, table)
	if err != nil {
		return err
	}
	return os.WriteFile(page, text, 0o644)
}
