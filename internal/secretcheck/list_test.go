package secretcheck

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/internal/secret"
	"github.com/mynakit/mynakit/internal/secret/secrettest"
)

// No exported type shows a secret. A type that is new is found here and, if it
// has plain fields, fails until somebody has decided: either they are no secret,
// and the type goes to shows in lists.go with the reason, or they are, and go
// into a box of internal/secret.
func TestNoTypeTells(t *testing.T) {
	all := ask(t, exportedTypes(t))
	for name, ways := range all.Told {
		if len(ways) > 0 && tells[name] == "" {
			t.Errorf("%s shows what it holds: %s", name, strings.Join(ways, ", "))
		}
	}
	for _, name := range slices.Concat(slices.Collect(maps.Keys(shows)), slices.Collect(maps.Keys(tells))) {
		if _, there := all.Told[name]; !there {
			t.Errorf("%s is listed, and there is no such type", name)
		}
	}
	for name := range harmless {
		assert.Contains(t, all.Suspicious, name, "listed, and there is no such field")
	}
	for _, field := range all.Suspicious {
		assert.NotEmpty(t, harmless[field], "%s has the name of a secret: if it is none, say why in harmless", field)
	}
}

// findings are what Told and Suspicious return.
type findings struct {
	Told       map[string][]string
	Suspicious []string
}

// ask runs [Told] and [Suspicious] on the types, in a program of its own that imports all their
// packages: a list of types in Go would have to follow each change of each
// package.
func ask(t *testing.T, types []exported) (found findings) {
	t.Helper()
	var program, list strings.Builder
	program.WriteString("package main\n\nimport (\n\t\"encoding/json\"\n\t\"os\"\n\t\"reflect\"\n\n\t\"" + module + "/internal/secretcheck\"\n")
	imported := map[string]string{}
	for _, e := range types {
		if imported[e.dir] == "" {
			imported[e.dir] = fmt.Sprintf("p%d", len(imported))
			fmt.Fprintf(&program, "\t%s %q\n", imported[e.dir], module+"/"+e.dir)
		}
		fmt.Fprintf(&list, "\t\treflect.TypeFor[%s.%s](),\n", imported[e.dir], e.name)
	}
	program.WriteString(")\n\nfunc main() {\n\ttypes := []reflect.Type{\n" + list.String() +
		"\t}\n\tjson.NewEncoder(os.Stdout).Encode(map[string]any{\"Told\": secretcheck.Told(types), \"Suspicious\": secretcheck.Suspicious(types)})\n}\n")

	root, err := filepath.Abs(filepath.Join("..", ".."))
	require.NoError(t, err)
	source, overlay := filepath.Join(t.TempDir(), "main.go"), filepath.Join(t.TempDir(), "overlay.json")
	require.NoError(t, os.WriteFile(source, []byte(program.String()), 0o600))
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, "internal", "secretcheck", "all", "main.go"): source}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(overlay, replace, 0o600))

	cmd := exec.Command("go", "run", "-overlay", overlay, "./internal/secretcheck/all")
	cmd.Dir = root
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	require.NoError(t, cmd.Run(), "%s", &complaints)
	require.NoError(t, json.Unmarshal(out.Bytes(), &found))
	return found
}

// What is in no box is found.
func TestFilledTypesTell(t *testing.T) {
	assert.NotEmpty(t, secrettest.Told(filled(reflect.TypeFor[struct{ pin string }]()), mark))
	assert.NotEmpty(t, secrettest.Told(filled(reflect.TypeFor[struct{ n *struct{ digits [12]byte } }]()), mark))
	assert.NotEmpty(t, secrettest.Told(filled(reflect.TypeFor[map[string]uint32]()), mark))
	assert.Empty(t, secrettest.Told(filled(reflect.TypeFor[struct{ b secret.Box[string] }]()), mark))
}

// exportedTypes returns the exported struct, slice, map and other types of all
// packages that others can import, and of those under examples that are no
// programs. Interfaces and functions hold nothing.
func exportedTypes(t *testing.T) (types []exported) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	require.NoError(t, err)
	require.NoError(t, filepath.WalkDir(root, func(dir string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if dir != root {
			_, other := os.Stat(filepath.Join(dir, "go.mod"))
			if name := d.Name(); other == nil || name == "internal" || name == "testdata" || strings.HasPrefix(name, ".") {
				return fs.SkipDir
			}
		}
		pkg, err := build.ImportDir(dir, 0)
		if err != nil || pkg.Name == "main" {
			return nil // a folder without Go files, or a program
		}
		rel, err := filepath.Rel(root, dir)
		if err != nil {
			return err
		}
		for _, file := range pkg.GoFiles {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, file), nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if _, ok := n.(*ast.FuncDecl); ok {
					return false
				}
				spec, ok := n.(*ast.TypeSpec)
				if !ok || !spec.Name.IsExported() || spec.Assign != token.NoPos {
					return true
				}
				switch spec.Type.(type) {
				case *ast.InterfaceType, *ast.FuncType:
				default:
					name := spec.Name.Name
					if spec.TypeParams != nil {
						name += "[string" + strings.Repeat(", string", spec.TypeParams.NumFields()-1) + "]"
					}
					types = append(types, exported{filepath.ToSlash(rel), name})
				}
				return true
			})
		}
		return nil
	}))
	require.Greater(t, len(types), 200, "the walk finds the packages")
	return types
}

// An exported is an exported type: the directory of its package, and its name
// with type arguments.
type exported struct{ dir, name string }
