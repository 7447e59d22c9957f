package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
)

// A module is one that is linked.
type module struct {
	Path    string
	Version string
	Dir     string
	Sum     string // as in go.sum
	Main    bool
	Replace *module

	programs []string // packages main that link it
	library  bool     // whether a package that others can import links it
	needs    []string // paths of the modules that it imports, and "std"
}

// goPackage is what go list tells of a package.
type goPackage struct {
	ImportPath string
	Name       string
	Standard   bool
	DepOnly    bool
	Imports    []string
	Deps       []string
	Module     *module
	Error      *struct{ Err string }
}

// linked finds the modules that the packages matching patterns link, in the
// order of their paths, the main module first.
func linked(ctx context.Context, dir string, tags string, patterns []string) ([]*module, error) {
	args := append([]string{"list", "-deps", "-e=false", "-tags=" + tags,
		"-json=ImportPath,Name,Standard,DepOnly,Imports,Deps,Module,Error"}, patterns...)
	c := exec.CommandContext(ctx, "go", args...)
	c.Dir = dir
	out, err := c.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return nil, fmt.Errorf("go list: %w\n%s", err, exit.Stderr)
		}
		return nil, err
	}
	packages := make(map[string]*goPackage)
	var roots []*goPackage
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		if p.Error != nil {
			return nil, fmt.Errorf("%s: %s", p.ImportPath, p.Error.Err)
		}
		packages[p.ImportPath] = &p
		if !p.DepOnly {
			roots = append(roots, &p)
		}
	}
	modules := make(map[string]*module)
	// of gives the module of a package.
	of := func(path string) *module {
		p := packages[path]
		if p == nil {
			return nil // "C" and "unsafe"
		}
		if p.Standard || p.Module == nil {
			if modules["std"] == nil {
				modules["std"] = &module{Path: "std"}
			}
			return modules["std"]
		}
		if modules[p.Module.Path] == nil {
			modules[p.Module.Path] = p.Module
		}
		return modules[p.Module.Path]
	}
	for path, p := range packages {
		m := of(path)
		for _, i := range p.Imports {
			if to := of(i); to != nil && to != m && !slices.Contains(m.needs, to.Path) {
				m.needs = append(m.needs, to.Path)
			}
		}
	}
	for _, root := range roots {
		for _, path := range append([]string{root.ImportPath}, root.Deps...) {
			m := of(path)
			switch {
			case m == nil || m.Main:
			case root.Name != "main":
				m.library = m.library || !strings.Contains(root.ImportPath+"/", "/internal/")
			case !slices.Contains(m.programs, root.ImportPath):
				m.programs = append(m.programs, root.ImportPath)
			}
		}
	}
	var list []*module
	for _, m := range modules {
		slices.Sort(m.needs)
		slices.Sort(m.programs)
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b *module) int {
		if a.Main != b.Main {
			if a.Main {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Path, b.Path)
	})
	return list, nil
}
