package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("mutate", flag.ContinueOnError)
	root := flags.String("root", "", "the module's folder (default: where go.mod is)")
	plan := flags.String("plan", "", "the plan (default internal/mutate/plan.txt)")
	equivalents := flags.String("equivalents", "", "the equivalents (default internal/mutate/equivalent.txt)")
	list := flags.Bool("list", false, "list the mutants and run nothing")
	all := flags.Bool("all", false, "run the equivalents too: each must survive")
	verbose := flags.Bool("v", false, "tell of each mutant")
	slow := flags.Duration("slow", time.Minute, "leave out tests that take longer")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	if *root == "" {
		mod, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
		if err != nil {
			return err
		}
		*root = filepath.Dir(strings.TrimSpace(string(mod)))
	}
	var err error
	if *root, err = filepath.Abs(*root); err != nil {
		return err
	}
	if *plan == "" {
		*plan = filepath.Join(*root, "internal", "mutate", "plan.txt")
	}
	if *equivalents == "" {
		*equivalents = filepath.Join(*root, "internal", "mutate", "equivalent.txt")
	}
	targets, err := readPlan(*plan)
	if err != nil {
		return err
	}
	known, err := readEquivalents(*equivalents)
	if err != nil {
		return err
	}
	if groups := flags.Args(); len(groups) > 0 {
		for _, g := range groups {
			if !slices.ContainsFunc(targets, func(t Target) bool { return t.Group == g }) {
				return fmt.Errorf("no group %s in the plan", g)
			}
		}
		targets = slices.DeleteFunc(targets, func(t Target) bool { return !slices.Contains(groups, t.Group) })
	}
	s := &session{root: *root, out: out, known: known, used: make(map[string]bool), list: *list, all: *all, verbose: *verbose, slow: *slow}
	for _, pkg := range packages(targets) {
		of := slices.DeleteFunc(slices.Clone(targets), func(t Target) bool { return t.Package != pkg })
		if err := s.pkg(ctx, of); err != nil {
			return err
		}
	}
	return s.verdict(targets)
}

// session is one run over several packages.
type session struct {
	root                             string
	out                              io.Writer
	known                            map[string]string
	used                             map[string]bool
	list, all, verbose               bool
	slow                             time.Duration
	total, killed, equal, unexpected int
}

func (s *session) log(format string, args ...any) { fmt.Fprintf(s.out, format+"\n", args...) }

// pkg does the work on one package.
func (s *session) pkg(ctx context.Context, targets []Target) error {
	work, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	began := time.Now()
	b, err := build(ctx, s.root, work, targets, s.log)
	if err != nil {
		return err
	}
	if s.list {
		for _, m := range b.mutants {
			s.log("%s", m.key())
		}
		return nil
	}
	if err := b.survey(ctx, s.slow); err != nil {
		return err
	}
	s.log("%s: %d mutants, %d tests, built and surveyed in %v", targets[0].Package, len(b.mutants), len(b.tests), time.Since(began).Round(time.Second))
	killed, equal := 0, 0
	for _, m := range b.mutants {
		reason, named := s.known[m.key()]
		s.used[m.key()] = true
		if named && !s.all {
			equal++
			continue
		}
		slack := 15 * time.Second
		if named {
			slack = 5 * time.Minute // it ends, and a busy machine must not say otherwise
		}
		o, err := b.run(ctx, m, slack)
		if err != nil {
			return err
		}
		switch {
		case named && o.Killed:
			s.unexpected++
			s.log("KILLED, and named as equivalent  %v  by %s; the reason given: %s", m, o.By, reason)
		case named:
			equal++
		case o.Killed:
			killed++
			if s.verbose {
				s.log("killed  %v  by %s", m, o.By)
			}
		default:
			s.unexpected++
			s.log("SURVIVED  %v  (%s; %d tests pass it)\n\t%s", m, o.By, o.Noticed, m.key())
		}
	}
	s.total += len(b.mutants)
	s.killed += killed
	s.equal += equal
	s.log("%s: %d killed, %d equivalent, %d others, %v", targets[0].Package, killed, equal, len(b.mutants)-killed-equal, time.Since(began).Round(time.Second))
	return nil
}

// verdict is the end: an error where something is not as it should be.
func (s *session) verdict(targets []Target) error {
	if s.list {
		return nil
	}
	for key := range s.known {
		file, _, _ := strings.Cut(key, " | ")
		if slices.ContainsFunc(targets, func(t Target) bool { return t.File == file }) && !s.used[key] {
			s.unexpected++
			s.log("named as equivalent, and there is no such mutant: %s", key)
		}
	}
	s.log("%d mutants: %d killed, %d equivalent, %d to look at", s.total, s.killed, s.equal, s.unexpected)
	if s.unexpected > 0 {
		return errors.New("the tests have gaps")
	}
	return nil
}
