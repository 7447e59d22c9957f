package doccheck

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The table of dependencies names what go.mod requires directly, and says
// rightly how far each is linked.
func TestDependencies(t *testing.T) {
	var mod struct {
		Require []struct {
			Path     string
			Indirect bool
		}
	}
	require.NoError(t, json.Unmarshal(goList(t, "mod", "edit", "-json"), &mod))
	var direct []string
	for _, r := range mod.Require {
		if !r.Indirect {
			direct = append(direct, r.Path)
		}
	}
	// Each package of this module, with what it imports outside of its tests.
	imported := map[string]string{}
	for line := range strings.Lines(string(goList(t, "list", "-e", "-tags", "libpcsclite", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./..."))) {
		f := strings.Fields(line)
		imported[f[0]] = " " + strings.Join(f[1:], " ")
	}
	// linked gives how far a module is linked, and the packages that do it,
	// without what stands before their names.
	linked := func(module string) (where string, by []string) {
		found := map[string][]string{}
		for pkg, uses := range imported {
			if !strings.Contains(uses+" ", " "+module+" ") && !strings.Contains(uses, " "+module+"/") {
				continue
			}
			p := strings.TrimPrefix(pkg, own)
			switch example, ok := strings.CutPrefix(p, "examples/"); {
			case ok:
				found["example"] = append(found["example"], example)
			case !strings.HasPrefix(p, "internal/") && !strings.HasPrefix(p, "mergefile/testkit/generate"):
				found["library"] = append(found["library"], p)
			}
		}
		for _, where := range []string{"library", "example"} {
			if len(found[where]) > 0 {
				return where, found[where]
			}
		}
		return "tests", nil
	}
	var named []string
	for _, row := range table(t, readDocument(t, "docs/dependencies.md"), "Modules") {
		require.Len(t, row, 4, "module, what it is for, licence, where it is linked")
		module := strings.Trim(row[0], "`")
		named = append(named, module)
		assert.NotEmpty(t, row[1], module)
		assert.NotEmpty(t, row[2], module)
		where, names, _ := strings.Cut(row[3], ":")
		names, _, _ = strings.Cut(names, "(")
		into, by := linked(module)
		assert.Equal(t, into, where, "%s is linked into", module)
		for _, pkg := range by {
			assert.True(t, slices.ContainsFunc(strings.Split(names, ","), func(n string) bool {
				n = strings.TrimSpace(n)
				return pkg == n || strings.HasPrefix(pkg, n+"/")
			}), "%s is linked into %s %s, and the table says %q", module, into, pkg, names)
		}
	}
	assert.ElementsMatch(t, direct, named, "the direct requirements of go.mod")
}

// goList runs the go command in the root of the module and gives its output,
// the same on every system.
func goList(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=1")
	var failure bytes.Buffer
	cmd.Stderr = &failure
	out, err := cmd.Output()
	require.NoError(t, err, "go %v: %s", args, failure.String())
	return out
}
