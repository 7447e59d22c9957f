package doccheck

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	code       = regexp.MustCompile("`([^`\n]+)`")
	identifier = regexp.MustCompile(`^([a-z]+)((?:\.[A-Z]\w*)+)$`)
	place      = regexp.MustCompile(`^\.?[\w-]+(/[\w.-]+)*(\.go)?$`)
)

// Files, folders and identifiers that docs/architecture.md names exist.
func TestArchitecture(t *testing.T) {
	guide := readDocument(t, "docs/architecture.md")
	var files, names int
	declared := map[string]map[string]bool{}
	for _, m := range code.FindAllStringSubmatch(guide.prose, -1) {
		word := m[1]
		if id := identifier.FindStringSubmatch(word); id != nil {
			folder, ok := strings.CutPrefix(imports[id[1]], own)
			if !ok {
				continue // of the standard library
			}
			if declared[id[1]] == nil {
				declared[id[1]] = declarations(t, folder)
			}
			assert.True(t, declared[id[1]][id[2][1:]], "docs/architecture.md names %s", word)
			names++
			continue
		}
		if place.MatchString(word) && (strings.Contains(word, "/") || imports[word] != "") && word != "database/sql" {
			path := word
			if !strings.Contains(word, "/") {
				path = strings.TrimPrefix(imports[word], own)
			}
			_, err := os.Stat(filepath.Join(root, path))
			assert.NoError(t, err, "docs/architecture.md names %s", word)
			files++
		}
	}
	assert.Greater(t, files, 30)
	assert.Greater(t, names, 12)

	// And every package that others import has its row.
	rows := ""
	for _, row := range table(t, guide, "The rooms") {
		rows += row[0]
	}
	for _, r := range allRooms(t) {
		top := strings.HasPrefix(r.pkg, "simcard/") || strings.HasPrefix(r.pkg, "mergefile/testkit/")
		if r.library() && !top {
			assert.Contains(t, rows, "`"+r.pkg+"`", "docs/architecture.md has no room for %s", r.pkg)
		}
	}
}

// declarations lists what a package declares, and methods and fields behind their
// type.
func declarations(t *testing.T, folder string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	files, err := filepath.Glob(filepath.Join(root, folder, "*.go"))
	require.NoError(t, err)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				name := d.Name.Name
				if d.Recv != nil {
					of := d.Recv.List[0].Type
					if star, ok := of.(*ast.StarExpr); ok {
						of = star.X
					}
					if id, ok := of.(*ast.Ident); ok {
						name = id.Name + "." + name
					}
				}
				found[name] = true
			case *ast.GenDecl:
				for _, s := range d.Specs {
					switch s := s.(type) {
					case *ast.TypeSpec:
						found[s.Name.Name] = true
						if fields, ok := s.Type.(*ast.StructType); ok {
							for _, f := range fields.Fields.List {
								for _, id := range f.Names {
									found[s.Name.Name+"."+id.Name] = true
								}
							}
						}
					case *ast.ValueSpec:
						for _, id := range s.Names {
							found[id.Name] = true
						}
					}
				}
			}
		}
	}
	return found
}
