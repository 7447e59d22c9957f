package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// licences are the texts that are recognised: by phrases that have to be there
// and phrases that must not. Where more than one fits, the first counts.
var licences = []struct {
	id      string
	phrases []string
	not     []string
}{
	{"Apache-2.0", []string{"apache license", "version 2.0, january 2004"}, nil},
	{"MPL-2.0", []string{"mozilla public license", "version 2.0"}, nil},
	{"AGPL-3.0-only", []string{"gnu affero general public license", "version 3"}, nil},
	{"LGPL-3.0-only", []string{"gnu lesser general public license", "version 3"}, nil},
	{"LGPL-2.1-only", []string{"gnu lesser general public license", "version 2.1"}, nil},
	{"GPL-3.0-only", []string{"gnu general public license", "version 3"}, nil},
	{"GPL-2.0-only", []string{"gnu general public license", "version 2"}, nil},
	{"BSL-1.0", []string{"boost software license - version 1.0"}, nil},
	{"Zlib", []string{"provided 'as-is', without any express or implied warranty", "altered source versions must be plainly marked"}, nil},
	{"Unlicense", []string{"this is free and unencumbered software released into the public domain"}, nil},
	{"blessing", []string{"sqlite is public domain", "dedicated to the public domain by the authors"}, nil}, // SPDX's name for SQLite's
	{"CC0-1.0", []string{"cc0 1.0 universal"}, nil},
	{"BSD-4-Clause", []string{bsd, "advertising materials mentioning features"}, nil},
	{"BSD-3-Clause", []string{bsd, "used to endorse or promote products derived from this software"}, nil},
	{"BSD-2-Clause", []string{bsd, "redistributions in binary form must reproduce"}, nil},
	{"ISC", []string{"permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted, provided that"}, nil},
	{"ISC", []string{"permission to use, copy, modify, and distribute this software for any purpose with or without fee is hereby granted, provided that"}, nil},
	{"0BSD", []string{"permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted."}, nil},
	{"MIT-0", []string{mit}, []string{"the above copyright notice and this permission notice"}},
	{"MIT", []string{mit, "the above copyright notice and this permission notice"}, nil},
}

const (
	bsd = "redistribution and use in source and binary forms, with or without modification, are permitted provided that the following conditions are met"
	mit = "permission is hereby granted, free of charge, to any person obtaining a copy of this software"
)

// recognise gives the SPDX identifier of a licence's text, "" for none.
func recognise(text string) string {
	text = strings.ToLower(strings.Join(strings.Fields(strings.NewReplacer("“", `"`, "”", `"`, "’", "'").Replace(text)), " "))
	for _, l := range licences {
		has := func(s string) bool { return strings.Contains(text, s) }
		if !slices.ContainsFunc(l.phrases, func(s string) bool { return !has(s) }) && !slices.ContainsFunc(l.not, has) {
			return l.id
		}
	}
	return ""
}

var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|unlicense)([-.].*)?$`)

// licencesIn gives the licences of a module by the files at its root, sorted.
// One that is not recognised is an error.
func licencesIn(dir string) ([]string, error) {
	texts, err := licenceTexts(dir)
	if err != nil {
		return nil, err
	}
	var ids []string
	for name, text := range texts {
		id := recognise(text)
		if id == "" {
			return nil, fmt.Errorf("%s: no licence that is known here", name)
		}
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// licenceTexts returns the files with licences at the root of a module, of which
// there is at least one. A file that only lists others' licences (3RD-PARTY) is not
// looked at, nor are those of logos.
func licenceTexts(dir string) (map[string]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	texts := make(map[string]string)
	for _, e := range entries {
		name := strings.ToUpper(e.Name())
		if e.IsDir() || !licenceFile.MatchString(name) || strings.Contains(name, "3RD-PARTY") || strings.Contains(name, "LOGO") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		texts[e.Name()] = string(text)
	}
	if len(texts) == 0 {
		return nil, errors.New("no licence")
	}
	return texts, nil
}

// notices writes the licences of the linked modules, whole, with the NOTICE files
// that Apache-2.0 wants passed on.
func notices(out io.Writer, modules []*module, goVersion, goRoot string) error {
	for _, m := range modules {
		dir, version := m.Dir, m.Version
		switch {
		case m.Main:
			continue // its LICENSE is beside
		case m.Path == "std":
			dir, version = besideGo(goRoot), strings.TrimPrefix(goVersion, "go")
		case m.Replace != nil:
			dir, version = m.Replace.Dir, m.Replace.Version
		}
		texts, err := licenceTexts(dir)
		if err != nil {
			return fmt.Errorf("%s: %w", m.Path, err)
		}
		notice, err := os.ReadFile(filepath.Join(dir, "NOTICE"))
		if err == nil {
			texts["NOTICE"] = string(notice)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(texts)) {
			if _, err := fmt.Fprintf(out, "==== %s %s: %s\n\n%s\n\n", m.Path, version, name, strings.TrimSpace(texts[name])); err != nil {
				return err
			}
		}
	}
	return nil
}
