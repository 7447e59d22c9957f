package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A Target is a file to break, or some functions of it.
type Target struct {
	Group     string
	Package   string // relative to the module, such as ./jpki
	File      string // relative to the module
	Functions []string
	Long      []string // tests that are run with MYNAKIT_LONG=1
}

// readPlan reads lines of a group, a package, and files of it, each of which
// may have functions behind a colon:
//
//	pin ./jpki verify.go pin.go:NewPIN,fullWidth
//
// A word long=Test names a test that is run with MYNAKIT_LONG=1.
func readPlan(name string) ([]Target, error) {
	var plan []Target
	err := lines(name, func(line string) error {
		words := strings.Fields(line)
		if len(words) < 3 {
			return fmt.Errorf("want a group, a package and files: %s", line)
		}
		var long []string
		for _, w := range words[2:] {
			if test, ok := strings.CutPrefix(w, "long="); ok {
				long = append(long, test)
			}
		}
		for _, w := range words[2:] {
			if strings.HasPrefix(w, "long=") {
				continue
			}
			file, functions, _ := strings.Cut(w, ":")
			t := Target{Group: words[0], Package: words[1], File: filepath.ToSlash(filepath.Join(words[1], file)), Long: long}
			if functions != "" {
				t.Functions = strings.Split(functions, ",")
			}
			plan = append(plan, t)
		}
		return nil
	})
	return plan, err
}

// readEquivalents reads lines of file, function, text, kind and reason, with a
// bar between them, and gives the reasons by [Mutant.key]. Where a function has
// the same text more than once, the second is called "text #2".
func readEquivalents(name string) (map[string]string, error) {
	list := make(map[string]string)
	err := lines(name, func(line string) error {
		i := strings.LastIndex(line, " | ")
		if i < 0 || strings.Count(line, " | ") < 4 || strings.TrimSpace(line[i+3:]) == "" {
			return fmt.Errorf("want file | function | text | kind | reason: %s", line)
		}
		key := line[:i]
		if _, twice := list[key]; twice {
			return fmt.Errorf("twice: %s", key)
		}
		list[key] = line[i+3:]
		return nil
	})
	return list, err
}

// lines calls use for each line that is neither empty nor a comment.
func lines(name string, use func(string) error) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := use(line); err != nil {
			return fmt.Errorf("%s:%d: %w", name, i+1, err)
		}
	}
	return nil
}

// packages gives the packages of a plan in their order.
func packages(plan []Target) []string {
	var out []string
	for _, t := range plan {
		if !slices.Contains(out, t.Package) {
			out = append(out, t.Package)
		}
	}
	return out
}
