package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
)

// The parts of CycloneDX 1.5 that are written.
type (
	bom struct {
		Format       string       `json:"bomFormat"`
		Spec         string       `json:"specVersion"`
		Version      int          `json:"version"`
		Metadata     metadata     `json:"metadata"`
		Components   []component  `json:"components"`
		Dependencies []dependency `json:"dependencies"`
	}
	metadata struct {
		Tools     tools     `json:"tools"`
		Component component `json:"component"`
	}
	tools struct {
		Components []component `json:"components"`
	}
	component struct {
		Type       string     `json:"type"`
		Ref        string     `json:"bom-ref,omitempty"`
		Name       string     `json:"name"`
		Version    string     `json:"version,omitempty"`
		Scope      string     `json:"scope,omitempty"`
		Licenses   []licence  `json:"licenses,omitempty"`
		PURL       string     `json:"purl,omitempty"`
		Properties []property `json:"properties,omitempty"`
	}
	licence struct {
		License struct {
			ID string `json:"id"`
		} `json:"license"`
	}
	property struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	dependency struct {
		Ref       string   `json:"ref"`
		DependsOn []string `json:"dependsOn,omitempty"`
	}
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("sbom", flag.ContinueOnError)
	tags := flags.String("tags", "", "build tags, as for go build")
	version := flags.String("version", "", "the version of the module itself, such as v0.1.0")
	texts := flags.Bool("notices", false, "write the licences of what is linked, as text, for who passes the programs on")
	dir := flags.String("C", ".", "a folder of the module")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	patterns := flags.Args()
	if len(patterns) == 0 {
		patterns = []string{"./..."}
	}
	modules, err := linked(ctx, *dir, *tags, patterns)
	if err != nil {
		return err
	}
	env, err := exec.CommandContext(ctx, "go", "env", "GOVERSION", "GOROOT").Output()
	if err != nil {
		return err
	}
	goVersion, goRoot, _ := strings.Cut(strings.TrimSpace(string(env)), "\n")
	if *texts {
		return notices(out, modules, goVersion, goRoot)
	}

	b := bom{Format: "CycloneDX", Spec: "1.5", Version: 1, Components: []component{}, Dependencies: []dependency{}}
	b.Metadata.Tools.Components = []component{{Type: "application", Name: "github.com/mynakit/mynakit/internal/sbom"}}
	refs := make(map[string]string)
	for _, m := range modules {
		c, err := describe(m, *version, goVersion, goRoot)
		if err != nil {
			return err
		}
		refs[m.Path] = c.Ref
		if m.Main {
			b.Metadata.Component = c
		} else {
			b.Components = append(b.Components, c)
		}
	}
	for _, m := range modules {
		d := dependency{Ref: refs[m.Path]}
		for _, path := range m.needs {
			d.DependsOn = append(d.DependsOn, refs[path])
		}
		b.Dependencies = append(b.Dependencies, d)
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(b)
}

// describe makes a module a component.
func describe(m *module, version, goVersion, goRoot string) (component, error) {
	from := m
	if m.Replace != nil {
		from = m.Replace
	}
	c := component{Type: "library", Name: m.Path, Version: from.Version, Scope: "required"}
	dir, sum := from.Dir, from.Sum
	switch {
	case m.Main:
		c.Version, c.Scope = version, ""
	case m.Path == "std":
		c.Version = strings.TrimPrefix(goVersion, "go")
		dir = besideGo(goRoot)
	case m.Replace != nil && from.Version == "":
		return component{}, fmt.Errorf("%s is replaced by a folder: that is no version to name", m.Path)
	}
	c.PURL = "pkg:golang/" + from.Path
	if c.Version != "" {
		c.PURL += "@" + strings.ReplaceAll(c.Version, "+", "%2B")
	}
	c.Ref = c.PURL
	ids, err := licencesIn(dir)
	if err != nil && m.Path == "std" {
		ids, err = []string{"BSD-3-Clause"}, nil // some packagers leave the file out
	}
	if err != nil {
		return component{}, fmt.Errorf("%s: %w", m.Path, err)
	}
	for _, id := range ids {
		var l licence
		l.License.ID = id
		c.Licenses = append(c.Licenses, l)
	}
	if sum != "" {
		c.Properties = append(c.Properties, property{"go:sum", sum})
	}
	if m.library {
		c.Properties = append(c.Properties, property{"go:library", "true"})
	}
	for _, p := range m.programs {
		c.Properties = append(c.Properties, property{"go:program", p})
	}
	return c, nil
}

// besideGo returns the folder with the licence of the Go distribution.
func besideGo(goRoot string) string {
	if _, err := os.Stat(filepath.Join(goRoot, "LICENSE")); err != nil {
		return filepath.Dir(goRoot) // packagers put it beside
	}
	return goRoot
}
