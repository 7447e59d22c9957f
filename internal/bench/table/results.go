package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Results are what benchmarks printed: for each line's name and each unit, one
// value a round.
type results struct {
	values map[string]map[string][]float64
	cpu    string
	best   bool // of the rounds counts, and not their median
}

// procs is how many processors a benchmark had, which is printed behind its
// name.
var procs = regexp.MustCompile(`-\d+$`)

// parse reads what "go test -bench" prints, once or several times.
func parse(text []byte) (results, error) {
	r := results{values: map[string]map[string][]float64{}, cpu: "unknown processor"}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		line := lines.Text()
		if cpu, ok := strings.CutPrefix(line, "cpu:"); ok {
			r.cpu = strings.TrimSpace(cpu)
			continue
		}
		fields := strings.Fields(line)
		if len(fields) < 4 || len(fields)%2 != 0 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := procs.ReplaceAllString(strings.TrimPrefix(fields[0], "Benchmark"), "")
		if r.values[name] == nil {
			r.values[name] = map[string][]float64{}
		}
		for i := 2; i < len(fields); i += 2 {
			v, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return results{}, fmt.Errorf("not a benchmark's line: %s", line)
			}
			r.values[name][fields[i+1]] = append(r.values[name][fields[i+1]], v)
		}
	}
	if err := lines.Err(); err != nil {
		return results{}, err
	}
	if len(r.values) == 0 {
		return results{}, errors.New("no benchmark has run")
	}
	return r, nil
}

// figure gives the median over the rounds, or the best, and whether there is
// one. More is better of what is told by the second.
func (r results) figure(name, unit string) (float64, bool) {
	v := slices.Clone(r.values[name][unit])
	if len(v) == 0 {
		return 0, false
	}
	slices.Sort(v)
	switch {
	case r.best && strings.HasSuffix(unit, "/s"):
		return v[len(v)-1], true
	case r.best:
		return v[0], true
	}
	n := len(v) / 2
	if len(v)%2 == 0 {
		return (v[n-1] + v[n]) / 2, true
	}
	return v[n], true
}

// rounds is how many rounds there were, at the least: small work is done more
// often.
func (r results) rounds() (n int) {
	for _, units := range r.values {
		for _, v := range units {
			if n == 0 || len(v) < n {
				n = len(v)
			}
		}
	}
	return n
}

// A point is a size of the work, and what it costs.
type point struct{ x, y float64 }

// series gives the figures of "group/parameter=x/who" for all x, in their
// order.
func (r results) series(group, who, unit string) (out []point) {
	for name := range r.values {
		rest, ok := strings.CutPrefix(name, group+"/")
		if !ok {
			continue
		}
		size, ok := strings.CutSuffix(rest, "/"+who)
		if !ok {
			continue
		}
		_, number, _ := strings.Cut(size, "=")
		x, err := strconv.ParseFloat(number, 64)
		if err != nil {
			continue
		}
		if y, ok := r.figure(name, unit); ok {
			out = append(out, point{x, y})
		}
	}
	slices.SortFunc(out, func(a, b point) int {
		if a.x < b.x {
			return -1
		}
		return 1
	})
	return out
}
