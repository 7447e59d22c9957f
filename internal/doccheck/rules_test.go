package doccheck

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	notOurs  = regexp.MustCompile(`^not ours: \S`)
	notYet   = regexp.MustCompile(`^not yet: \S`)
	testName = regexp.MustCompile(`^(?:([a-z0-9/]+)\.)?((?:Test|Example|Fuzz)\w*)$`)
	ruleSum  = regexp.MustCompile(`(?m)^Rows: (\d+)\. Not ours: (\d+)\. Not yet: (\d+)\.$`)
)

// Each row of docs/rules.md names what keeps the rule and a test of that, both of
// which exist, or says whose the rule is, or that nothing keeps it yet. The
// document says how many rows of each kind it has.
func TestRules(t *testing.T) {
	guide := readDocument(t, "docs/rules.md")
	declared, tests := map[string]map[string]bool{}, map[string]map[string]bool{}
	rows, foreign, missing := 0, 0, 0
	seen := map[string]bool{}
	for _, cells := range allTables(guide) {
		require.Len(t, cells, 3, "%q", cells)
		rule, where, test := cells[0], cells[1], cells[2]
		rows++
		assert.False(t, seen[rule], "two rows: %s", rule)
		seen[rule] = true
		switch {
		case notOurs.MatchString(where):
			foreign++
			assert.Empty(t, test, "%s: a rule that is not ours has no test", rule)
			continue
		case notYet.MatchString(where):
			missing++
			assert.Empty(t, test, "%s: a rule that nothing keeps has no test", rule)
			continue
		}
		names, shown := spans(where), spans(test)
		assert.NotEmpty(t, names, "%s: nothing keeps the rule, and nobody else does", rule)
		assert.NotEmpty(t, shown, "%s: nothing tests the rule", rule)
		first := ""
		for _, word := range names {
			id := identifier.FindStringSubmatch(word)
			if !assert.NotNil(t, id, "%s: %s is no identifier", rule, word) {
				continue
			}
			folder, ok := ruleFolder(id[1])
			if !assert.True(t, ok, "%s: no package %s", rule, id[1]) {
				continue
			}
			if first == "" {
				first = folder
			}
			if declared[folder] == nil {
				declared[folder] = declarations(t, folder)
			}
			assert.True(t, declared[folder][id[2][1:]], "%s: there is no %s", rule, word)
		}
		for _, word := range shown {
			m := testName.FindStringSubmatch(word)
			if !assert.NotNil(t, m, "%s: %s is no test", rule, word) {
				continue
			}
			folder := m[1]
			if folder == "" {
				folder = first
			}
			if tests[folder] == nil {
				tests[folder] = testsOf(t, folder)
			}
			assert.True(t, tests[folder][m[2]], "%s: %s has no %s", rule, folder, m[2])
		}
	}
	sum := ruleSum.FindStringSubmatch(guide.prose)
	require.NotNil(t, sum, "docs/rules.md says how many rows it has")
	for i, n := range []int{rows, foreign, missing} {
		assert.Equal(t, sum[i+1], strconv.Itoa(n), "rows, not ours, not yet")
	}
}

// ruleFolder returns the folder of a package of this module.
func ruleFolder(name string) (string, bool) {
	switch name {
	case "shop":
		return "examples/shop", true
	case "page":
		return "examples/counter/page", true
	}
	return strings.CutPrefix(imports[name], own)
}

// allTables returns the rows of every table of a document, without their heads.
func allTables(d document) (rows [][]string) {
	head := 2
	for line := range strings.Lines(d.prose) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			head = 2
			continue
		}
		if head > 0 {
			head--
			continue
		}
		cells := strings.Split(strings.TrimSuffix(strings.TrimPrefix(line, "|"), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, cells)
	}
	return rows
}

// testsOf lists the tests, examples and fuzz targets of a folder, for whatever
// system they are.
func testsOf(t *testing.T, folder string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(folder), "*_test.go"))
	require.NoError(t, err)
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
				found[fn.Name.Name] = true
			}
		}
	}
	return found
}
