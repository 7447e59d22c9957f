package main

import (
	"bytes"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The whole, on a package whose tests are known to have gaps.
func TestGapsAreFound(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a test binary")
	}
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	plan := write("plan.txt", "# the fixture\nguard ./internal/mutate/testdata/guard guard.go\n")
	run := func(equivalents string, args ...string) (string, error) {
		var out bytes.Buffer
		err := run(t.Context(), slices.Concat([]string{"-root", "../..", "-plan", plan, "-equivalents", write("equivalent.txt", equivalents)}, args), &out)
		return out.String(), err
	}
	survivors := func(out string) (keys []string) {
		for line := range strings.Lines(out) {
			if key, ok := strings.CutPrefix(line, "\t"); ok {
				keys = append(keys, strings.TrimPrefix(strings.TrimSpace(key), "internal/mutate/testdata/guard/guard.go | "))
			}
		}
		return keys
	}
	out, err := run("")
	require.Error(t, err)
	require.Equal(t, []string{
		`Door.Enter | i < times | false`, // the loop does nothing that anybody sees
		`Door.Enter | i < times | boundary`,
		`Door.Enter | d.note = "entered" | removed`,
		`Kind | b >= 'a' | boundary`, // no test has an a
		`Kind | b > 'z' | boundary`,  // nor a z
		`Big | case 3 | true`,        // it is always 3
	}, survivors(out), out)
	assert.Contains(t, out, "6 to look at")

	// With all of them explained it is content; with -all too.
	var explained strings.Builder
	for _, key := range survivors(out) {
		explained.WriteString("internal/mutate/testdata/guard/guard.go | " + key + " | the fixture has this gap\n")
	}
	for _, args := range [][]string{nil, {"-all"}} {
		out, err = run(explained.String(), args...)
		require.NoError(t, err, out)
		assert.Contains(t, out, "6 equivalent, 0 to look at")
	}

	// The list of equivalents has to be true.
	out, err = run(explained.String() + "internal/mutate/testdata/guard/guard.go | Kind | gone | true | it was here once\n")
	require.Error(t, err)
	assert.Contains(t, out, "there is no such mutant")
	out, err = run(explained.String()+"internal/mutate/testdata/guard/guard.go | Door.Enter | word != \"sesame\" | false | not so\n", "-all")
	require.Error(t, err)
	assert.Contains(t, out, "KILLED, and named as equivalent")

	_, err = run("", "nothing")
	require.ErrorContains(t, err, "no group nothing")
	out, err = run("", "-list", "guard")
	require.NoError(t, err)
	assert.Contains(t, out, "guard.go | Query | OM t WHERE b <= ? AND c | sql")
}

// A file with everything in it that is rewritten still parses, line for line.
func TestRewritingKeepsTheLanguage(t *testing.T) {
	source := `package p

import "strings"

type s struct{ n int; f func() bool; m map[string]int }

func (x *s) a(b []byte, k any) (bool, error) {
	if !(len(b) > 3 && (b[0] == '(' || !x.f())) || strings.Contains("a < b", "<") {
		x.n++
	}
	for i, j := 0, 1; i < j && x.f(); i++ {
		x.m["k"] += i
		switch y := len(b); y {
		case 1, 2:
			delete(x.m, "k")
		case x.n:
			break
		default:
		}
	}
	switch {
	case x.n < 1, x.n >= 5:
		panic("no")
	}
	switch strings.ToLower("A") {
	case "a":
		return x.n <= 3, nil
	}
	switch k.(type) {
	case int:
		x.n = 3
	}
	for x.f() {
	}
	const c = "WHERE a < b"
	go func() { x.n = len(b); if x.n == 0 { return } }()
	_ = map[bool]string{1 > x.n: "DELETE FROM {t} WHERE a < ? AND b IS NOT NULL"}
	return x.f() && x.n > 3, nil
}
`
	out, mutants, err := mutate("p.go", []byte(source), nil, 1)
	require.NoError(t, err)
	_, err = parser.ParseFile(token.NewFileSet(), "p.go", out, 0)
	require.NoError(t, err, "%s", out)
	assert.Equal(t, strings.Count(source, "\n"), strings.Count(string(out), "\n"), "line numbers stay")
	assert.Contains(t, string(out), "const c = \"WHERE a < b\"\n")
	assert.Contains(t, string(out), "\t\tpanic(\"no\")\n")
	kinds := make(map[Kind]int)
	for i, m := range mutants {
		kinds[m.Kind]++
		assert.Equal(t, i+1, m.ID)
		assert.Equal(t, "s.a", m.Function)
	}
	assert.Equal(t, map[Kind]int{True: 17, False: 18, Boundary: 7, Removed: 5, SQL: 2}, kinds)

	only, some, err := mutate("p.go", []byte("package p\nfunc a(n int) bool { return n > 1 }\nfunc b(n int) bool { return n > 1 }\n"), []string{"b"}, 7)
	require.NoError(t, err)
	assert.Len(t, some, 3)
	assert.Contains(t, string(only), "func a(n int) bool { return n > 1 }\nfunc b(n int) bool { return mutantOutcome(7, mutantGreater(9, n , 1)) }")
	_, _, err = mutate("p.go", []byte("package p\n"), []string{"gone"}, 1)
	assert.ErrorContains(t, err, "gone")
	_, _, err = mutate("p.go", []byte("package"), nil, 1)
	assert.Error(t, err)
}

func TestFilesThatCannotBeRead(t *testing.T) {
	for _, text := range []string{"pin ./jpki\n", "pin\n"} {
		path := filepath.Join(t.TempDir(), "plan.txt")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := readPlan(path)
		assert.Error(t, err, text)
	}
	for _, text := range []string{"a | b | c | true\n", "a | b | c | true | \n", "a | b | c | true | why\na | b | c | true | why\n"} {
		path := filepath.Join(t.TempDir(), "equivalent.txt")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := readEquivalents(path)
		assert.Error(t, err, text)
	}
	_, err := readPlan(filepath.Join(t.TempDir(), "none"))
	assert.ErrorIs(t, err, os.ErrNotExist)
}

// The plan and the equivalents of this module name what there is.
func TestPlanIsTrue(t *testing.T) {
	plan, err := readPlan("plan.txt")
	require.NoError(t, err)
	known, err := readEquivalents("equivalent.txt")
	require.NoError(t, err)
	keys := make(map[string]bool)
	for _, p := range plan {
		source, err := os.ReadFile(filepath.Join("..", "..", p.File))
		require.NoError(t, err)
		_, mutants, err := mutate(p.File, source, p.Functions, 1)
		require.NoError(t, err)
		assert.NotEmpty(t, mutants, p.File)
		for _, m := range mutants {
			keys[m.key()] = true
		}
	}
	for key := range known {
		assert.True(t, keys[key], "no such mutant: %s", key)
	}
}
