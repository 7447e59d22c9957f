package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	update := flag.Bool("update", false, "write the list in place of comparing it")
	flag.Parse()
	if err := run(os.Stdout, *update); err != nil {
		fmt.Fprintln(os.Stderr, "api:", err)
		os.Exit(1)
	}
}

// errChanged is returned when the list is not that of the code.
var errChanged = errors.New("the list in docs/api is not that of the code: run .ci/api -update, and CHANGELOG.md says what changed")

func run(out io.Writer, update bool) error {
	root, err := output("", "list", "-m", "-f", "{{.Dir}}")
	if err != nil {
		return err
	}
	dir := filepath.Join(strings.TrimSpace(string(root)), "docs", "api")
	now, err := listing(strings.TrimSpace(string(root)))
	if err != nil {
		return err
	}
	before, err := read(dir)
	if err != nil {
		return err
	}
	if update {
		return write(dir, before, now)
	}
	if !report(out, before, now) {
		return errChanged
	}
	return nil
}

// pkg is what go list says of a package.
type pkg struct {
	ImportPath string
	Export     string // the file with the compiled API
	Module     *struct {
		Path string
		Main bool
	}
	Name string
}

// listing returns the lines of each library package, by the file in docs/api.
func listing(root string) (map[string][]string, error) {
	text, err := output(root, "list", "-export", "-deps", "-json=ImportPath,Export,Module,Name", "./...")
	if err != nil {
		return nil, err
	}
	var own []pkg
	exports := map[string]string{}
	for d := json.NewDecoder(bytes.NewReader(text)); ; {
		var p pkg
		if err := d.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			return nil, err
		}
		exports[p.ImportPath] = p.Export
		if p.Module != nil && p.Module.Main && p.Name != "main" {
			own = append(own, p)
		}
	}
	load := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	lists := map[string][]string{}
	for _, p := range own {
		name := strings.TrimPrefix(p.ImportPath, p.Module.Path+"/")
		if strings.HasPrefix(name, "examples/") || slices.Contains(strings.Split(name, "/"), "internal") {
			continue
		}
		t, err := load.Import(p.ImportPath)
		if err != nil {
			return nil, err
		}
		lists[filepath.FromSlash(name)+".txt"] = declarations(t, p.Module.Path)
	}
	if len(lists) == 0 {
		return nil, errors.New("no package has an API")
	}
	return lists, nil
}

// declarations returns the exported declarations of a package, sorted. The
// module's own packages are named without the module's path.
func declarations(p *types.Package, module string) []string {
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	qualified := func(other *types.Package) string {
		if other == p {
			return ""
		}
		return strings.TrimPrefix(other.Path(), module+"/")
	}
	text := func(t types.Type) string { return types.TypeString(t, qualified) }
	for _, name := range p.Scope().Names() {
		o := p.Scope().Lookup(name)
		if !o.Exported() {
			continue
		}
		switch o := o.(type) {
		case *types.Const:
			kind := " " + text(o.Type())
			if b, ok := o.Type().(*types.Basic); ok && b.Info()&types.IsUntyped != 0 {
				kind = ""
			}
			add("const %s%s = %s", name, kind, o.Val().ExactString())
		case *types.Var:
			add("var %s %s", name, text(o.Type()))
		case *types.Func:
			add("func %s%s", name, signature(o, text))
		case *types.TypeName:
			named, _ := types.Unalias(o.Type()).(*types.Named)
			if o.IsAlias() {
				add("type %s = %s", name, text(types.Unalias(o.Type())))
				// What is found nowhere else belongs to this API.
				if named == nil || !strings.Contains(named.Obj().Pkg().Path(), "/internal/") {
					continue
				}
			}
			full := name + parameters(named.TypeParams(), text)
			switch u := named.Underlying().(type) {
			case *types.Struct:
				add("type %s struct", full)
				for f := range u.Fields() {
					switch {
					case f.Exported() && f.Embedded():
						add("type %s struct, embedded %s", full, text(f.Type()))
					case f.Exported():
						add("type %s struct, %s %s", full, f.Name(), text(f.Type()))
					}
				}
			case *types.Interface:
				add("type %s interface", full)
				for m := range u.Methods() {
					if m.Exported() {
						add("type %s interface, %s%s", full, m.Name(), signature(m, text))
					} else {
						add("type %s interface, unexported methods", full)
					}
				}
			default:
				add("type %s %s", full, text(u))
			}
			if _, is := named.Underlying().(*types.Interface); is {
				continue
			}
			values := types.NewMethodSet(named)
			for s := range types.NewMethodSet(types.NewPointer(named)).Methods() {
				receiver := "*" + name
				if values.Lookup(p, s.Obj().Name()) != nil {
					receiver = name
				}
				if s.Obj().Exported() {
					add("method (%s) %s%s", receiver, s.Obj().Name(), signature(s.Obj().(*types.Func), text))
				}
			}
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

func signature(f *types.Func, text func(types.Type) string) string {
	s := f.Signature()
	return parameters(s.TypeParams(), text) + strings.TrimPrefix(text(withoutNames(s)), "func")
}

// withoutNames returns a signature whose parameters have no names: to give one
// another name changes no API.
func withoutNames(s *types.Signature) *types.Signature {
	bare := func(t *types.Tuple) *types.Tuple {
		var vars []*types.Var
		for v := range t.Variables() {
			vars = append(vars, types.NewParam(token.NoPos, nil, "", v.Type()))
		}
		return types.NewTuple(vars...)
	}
	return types.NewSignatureType(nil, nil, nil, bare(s.Params()), bare(s.Results()), s.Variadic())
}

func parameters(list *types.TypeParamList, text func(types.Type) string) string {
	if list.Len() == 0 {
		return ""
	}
	var out []string
	for p := range list.TypeParams() {
		out = append(out, p.Obj().Name()+" "+text(p.Constraint()))
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// read returns what is in docs/api.
func read(dir string) (map[string][]string, error) {
	lists := map[string][]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		lists[name] = strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
		return err
	})
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return lists, err
}

func write(dir string, before, now map[string][]string) error {
	for name := range before {
		if _, ok := now[name]; !ok {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				return err
			}
		}
	}
	for name, lines := range now {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// report prints the lines that differ and reports whether there are none.
func report(out io.Writer, before, now map[string][]string) (same bool) {
	same = true
	names := map[string]bool{}
	for name := range before {
		names[name] = true
	}
	for name := range now {
		names[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		gone, come := without(before[name], now[name]), without(now[name], before[name])
		if len(gone)+len(come) == 0 {
			continue
		}
		same = false
		fmt.Fprintln(out, filepath.ToSlash(name))
		for _, l := range gone {
			fmt.Fprintln(out, "  -", l)
		}
		for _, l := range come {
			fmt.Fprintln(out, "  +", l)
		}
	}
	return same
}

// without returns the lines of a that b has not.
func without(a, b []string) (out []string) {
	for _, l := range a {
		if !slices.Contains(b, l) {
			out = append(out, l)
		}
	}
	return out
}

// output runs the go command for the one system that the list is of.
func output(dir string, args ...string) ([]byte, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w", args[0], err)
	}
	return text, nil
}
