package main

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// switchboard is the file that is added to a package under test.
//
//go:embed switchboard.txt
var switchboard string

// A bench is a package with all its mutants built into its test binary.
type bench struct {
	dir     string // of the package
	binary  string
	mutants []Mutant
	tests   []test
	long    []string // names of tests
	flags   []string // of the test binary
	log     func(format string, args ...any)
}

// test is one test, and what it would notice.
type test struct {
	name  string
	takes time.Duration
	notes []byte // by mutant: 1 where the mutant changes what happens in the test
	long  bool   // run with MYNAKIT_LONG=1
}

// build compiles the tests of a package of the module at root, with the
// mutants of targets, into work.
func build(ctx context.Context, root, work string, targets []Target, log func(string, ...any)) (*bench, error) {
	pkg := targets[0].Package
	b := &bench{dir: filepath.Join(root, pkg), binary: filepath.Join(work, "package.test"), log: log}
	overlay := map[string]string{}
	next, name := 1, ""
	for i, t := range targets {
		path := filepath.Join(root, t.File)
		source, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if _, twice := overlay[path]; twice {
			return nil, fmt.Errorf("%s is in the plan twice", t.File)
		}
		broken, mutants, err := mutate(t.File, source, t.Functions, next)
		if err != nil {
			return nil, err
		}
		if name == "" {
			name = packageName(source)
		}
		next += len(mutants)
		b.long = append(b.long, t.Long...)
		b.mutants = append(b.mutants, mutants...)
		overlay[path] = filepath.Join(work, fmt.Sprintf("%d.go", i))
		if err := os.WriteFile(overlay[path], broken, 0o600); err != nil {
			return nil, err
		}
	}
	board := strings.ReplaceAll(strings.Replace(switchboard, "PACKAGE", name, 1), "LIMIT", fmt.Sprint(next+1))
	overlay[filepath.Join(b.dir, "mutate_switchboard.go")] = filepath.Join(work, "switchboard.go")
	if err := os.WriteFile(filepath.Join(work, "switchboard.go"), []byte(board), 0o600); err != nil {
		return nil, err
	}
	list, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(work, "overlay.json"), list, 0o600); err != nil {
		return nil, err
	}
	c := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-overlay", filepath.Join(work, "overlay.json"), "-o", b.binary, pkg)
	c.Dir = root
	if out, err := c.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s does not build with its mutants: %w\n%s", pkg, err, out)
	}
	return b, nil
}

func packageName(source []byte) string {
	for line := range strings.Lines(string(source)) {
		if name, ok := strings.CutPrefix(line, "package "); ok {
			return strings.TrimSpace(name)
		}
	}
	return ""
}

// survey runs each test by itself, without a mutant, to see what it notices. A
// test that takes longer than most is left out of the work on mutants.
func (b *bench) survey(ctx context.Context, most time.Duration) error {
	// Failures are what is wanted here: the tree is not to be littered with
	// notes of how they came about.
	if b.command(ctx, nil, "-rapid.nofailfile", "-test.list", "^$").Run() == nil {
		b.flags = append(b.flags, "-rapid.nofailfile")
	}
	out, err := b.command(ctx, nil, "-test.list", ".").Output()
	if err != nil {
		return fmt.Errorf("%s: listing tests: %w", b.dir, err)
	}
	notes := filepath.Join(filepath.Dir(b.binary), "notes")
	for name := range strings.Lines(string(out)) {
		name = strings.TrimSpace(name)
		if strings.HasPrefix(name, "Benchmark") || name == "" {
			continue
		}
		if err := os.WriteFile(notes, make([]byte, len(b.mutants)+2), 0o600); err != nil {
			return err
		}
		limited, cancel := context.WithTimeout(ctx, 5*most)
		began := time.Now()
		long := slices.Contains(b.long, name)
		out, err := b.command(limited, append(environment(long), "MUTATE_NOTES="+notes), "-test.run", "^"+name+"$", "-test.count=1").CombinedOutput()
		cancel()
		takes := time.Since(began)
		if err != nil {
			return fmt.Errorf("%s: %s fails with nothing broken: %w\n%s", b.dir, name, err, out)
		}
		if takes > most {
			b.log("%s takes %v and is left out", name, takes.Round(time.Second/10))
			continue
		}
		seen, err := os.ReadFile(notes)
		if err != nil {
			return err
		}
		if bytes.IndexByte(seen, 1) >= 0 {
			b.tests = append(b.tests, test{name, takes, seen, long})
		}
	}
	slices.SortStableFunc(b.tests, func(x, y test) int {
		if x.long != y.long {
			if y.long {
				return -1
			}
			return 1
		}
		return cmp.Compare(x.takes, y.takes)
	})
	if len(b.tests) == 0 {
		return fmt.Errorf("%s: no test notices anything", b.dir)
	}
	return nil
}

func environment(long bool) []string {
	if long {
		return []string{"MYNAKIT_LONG=1"}
	}
	return nil
}

// command is a run of the test binary. A mutant can make a loop endless: memory
// is bounded where the system can, and time by ctx.
func (b *bench) command(ctx context.Context, env []string, args ...string) *exec.Cmd {
	args = append(slices.Clone(b.flags), args...)
	c := exec.CommandContext(ctx, b.binary, args...)
	if sh, err := exec.LookPath("sh"); err == nil {
		c = exec.CommandContext(ctx, sh, append([]string{"-c", `ulimit -v 12000000; exec "$0" "$@"`, b.binary}, args...)...)
	}
	c.Dir = b.dir
	c.Env = append(os.Environ(), env...)
	c.WaitDelay = 5 * time.Second
	withItsChildren(c)
	return c
}

// Outcome is what became of a mutant.
type Outcome struct {
	Mutant  Mutant
	Killed  bool
	By      string // the first test that failed, or why no test did
	Noticed int    // how many tests the mutant makes a difference to
}

// batches are how long the first runs of tests take together; the rest is one.
var batches = []time.Duration{time.Second, 8 * time.Second}

// run tries one mutant on the tests that would notice it. What takes longer than
// they do by themselves, several times over and slack, does not end.
func (b *bench) run(ctx context.Context, m Mutant, slack time.Duration) (Outcome, error) {
	o := Outcome{Mutant: m, By: "no test comes to where it matters"}
	var names []string
	var takes time.Duration
	long := false
	flush := func() error {
		if len(names) == 0 || o.Killed {
			return nil
		}
		limited, cancel := context.WithTimeout(ctx, slack+8*takes)
		defer cancel()
		out, err := b.command(limited, append(environment(long), fmt.Sprintf("MUTATE_ON=%d", m.ID)),
			"-test.run", "^("+strings.Join(names, "|")+")$", "-test.count=1", "-test.failfast").CombinedOutput()
		names, takes = nil, 0
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) && limited.Err() == nil && !errors.Is(err, exec.ErrWaitDelay) {
			return err
		}
		if err != nil {
			o.Killed, o.By = true, firstFailure(out, limited.Err() != nil)
		}
		return nil
	}
	batch := 0
	for _, t := range b.tests {
		if t.notes[m.ID] == 0 {
			continue
		}
		o.Noticed++
		if o.Killed {
			continue // they are counted all the same
		}
		o.By = "every test passes"
		// The quick ones together, then the others: what starts a database for
		// its tests starts one for all of them.
		if full := batch < len(batches) && takes+t.takes > batches[batch]; takes > 0 && (full || t.long != long) {
			if err := flush(); err != nil {
				return o, err
			}
			batch++
		}
		long = t.long
		if !o.Killed {
			names, takes = append(names, t.name), takes+t.takes
		}
	}
	err := flush()
	return o, err
}

func firstFailure(out []byte, late bool) string {
	for line := range strings.Lines(string(out)) {
		if name, ok := strings.CutPrefix(line, "--- FAIL: "); ok {
			name, _, _ = strings.Cut(name, " ")
			return name
		}
	}
	switch {
	case late:
		return "it does not end"
	case bytes.Contains(out, []byte("panic: ")), bytes.Contains(out, []byte("fatal error: ")):
		return "a panic"
	}
	return "a failure of the test program"
}
