package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// A part is some benchmarks that are run together.
type part struct {
	name    string
	dir     string   // of the package, below the repository
	tags    string   // to build with
	pattern string   // what is run
	time    string   // benchtime; "" is what the caller says
	times   int      // in a round; 0 is once
	env     []string // beside the environment
	may     bool     // be missing
}

func parts() []part {
	bench := filepath.Join("internal", "bench")
	return []part{
		// Work of nanoseconds fits between two of a neighbour's turns.
		{name: "commands and objects", dir: bench, pattern: "^Benchmark(APDU|APDUGrowth|TLV|TLVSiblings)$", time: "5ms", times: 10},
		{name: "nesting, files and ledgers", dir: bench, pattern: "^Benchmark(TLVNesting|Mergefile|Ledger)$"},
		// The figures of a tap do not depend on time.
		{name: "taps", dir: bench, pattern: "^Benchmark(Tap|TapGrowth)$", time: "1x"},
		{name: "the real card stack", dir: filepath.Join("internal", "realstack"),
			pattern: "^BenchmarkBridge$", time: "100x", env: []string{"MYNAKIT_LONG=1"}, may: true},
	}
}

// measure builds each part once and runs all of them in rounds. It gives what
// they print.
func measure(ctx context.Context, root string, rounds int, benchtime string, log io.Writer) ([]byte, error) {
	dir, err := os.MkdirTemp("", "mynakit-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	var built []part
	var binaries []string
	for i, p := range parts() {
		binary := filepath.Join(dir, strconv.Itoa(i)+".test")
		cmd := exec.CommandContext(ctx, "go", "test", "-c", "-tags", p.tags, "-o", binary, ".")
		cmd.Dir = filepath.Join(root, p.dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			err = fmt.Errorf("build %s: %w\n%s", p.name, err, out)
			if !p.may {
				return nil, err
			}
			fmt.Fprintln(log, err)
			continue
		}
		built, binaries = append(built, p), append(binaries, binary)
	}
	var all bytes.Buffer
	for round := range rounds {
		for i, p := range built {
			fmt.Fprintf(log, "round %d of %d: %s\n", round+1, rounds, p.name)
			if p.time == "" {
				p.time = benchtime
			}
			for range max(p.times, 1) {
				out, err := runPart(ctx, root, binaries[i], p)
				if err != nil {
					if !p.may {
						return nil, err
					}
					fmt.Fprintln(log, err)
				}
				all.Write(out)
			}
		}
	}
	return all.Bytes(), nil
}

// runPart runs the benchmarks of a part once.
func runPart(ctx context.Context, root, binary string, p part) ([]byte, error) {
	cmd := exec.CommandContext(ctx, binary, "-test.run=^$", "-test.bench="+p.pattern, "-test.benchtime="+p.time, "-test.timeout=30m")
	cmd.Dir = filepath.Join(root, p.dir)
	cmd.Env = append(os.Environ(), p.env...)
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s%s", err, out, exit.Stderr)
		}
		return nil, fmt.Errorf("run %s: %w", p.name, err)
	}
	return out, nil
}
