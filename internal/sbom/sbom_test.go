package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func generate(t *testing.T, args ...string) (bom, string) {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), append([]string{"-C", "../.."}, args...), &out))
	var b bom
	d := json.NewDecoder(bytes.NewReader(out.Bytes()))
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(&b))
	return b, out.String()
}

func TestBillOfThisModule(t *testing.T) {
	b, text := generate(t, "-version", "v9.9.9")
	assert.Equal(t, "CycloneDX", b.Format)
	assert.Equal(t, "1.5", b.Spec)
	assert.Equal(t, "pkg:golang/github.com/mynakit/mynakit@v9.9.9", b.Metadata.Component.PURL)
	assert.Equal(t, "Apache-2.0", b.Metadata.Component.Licenses[0].License.ID)

	refs := map[string]bool{b.Metadata.Component.Ref: true}
	names := make(map[string]component)
	for i, c := range b.Components {
		assert.False(t, refs[c.Ref], "%s twice", c.Ref)
		refs[c.Ref] = true
		names[c.Name] = c
		assert.Equal(t, "pkg:golang/"+c.Name+"@"+c.Version, c.PURL)
		assert.NotEmpty(t, c.Licenses, c.Name)
		if i > 0 {
			assert.Less(t, b.Components[i-1].Name, c.Name, "sorted")
		}
	}
	crypto := names["golang.org/x/crypto"]
	assert.Equal(t, "BSD-3-Clause", crypto.Licenses[0].License.ID)
	require.NotEmpty(t, crypto.Properties)
	assert.Equal(t, "go:sum", crypto.Properties[0].Name)
	assert.True(t, strings.HasPrefix(crypto.Properties[0].Value, "h1:"))
	assert.Contains(t, crypto.Properties, property{"go:library", "true"})
	assert.Contains(t, crypto.Properties, property{"go:program", "github.com/mynakit/mynakit/examples/cardtool"})
	assert.Contains(t, names, "std")
	for name := range names {
		assert.NotContains(t, name, "testify", "what only tests link is not linked")
	}

	seen := make(map[string]bool)
	for _, d := range b.Dependencies {
		assert.True(t, refs[d.Ref], d.Ref)
		seen[d.Ref] = true
		for _, to := range d.DependsOn {
			assert.True(t, refs[to], "%s depends on %s, which is no component", d.Ref, to)
			assert.NotEqual(t, d.Ref, to)
		}
	}
	assert.Equal(t, refs, seen, "every component has its line")

	_, again := generate(t, "-version", "v9.9.9")
	assert.Equal(t, text, again, "the same sources, the same bytes")
	wd, err := os.Getwd()
	require.NoError(t, err)
	assert.NotContains(t, text, filepath.Dir(filepath.Dir(wd)), "no path of the machine")
}

// A package alone brings what it links and nothing else.
func TestBillOfOnePackage(t *testing.T) {
	b, _ := generate(t, "./apdu/tlv")
	require.Len(t, b.Components, 1)
	assert.Equal(t, "std", b.Components[0].Name)
	assert.Equal(t, []dependency{
		{Ref: "pkg:golang/github.com/mynakit/mynakit", DependsOn: []string{b.Components[0].Ref}},
		{Ref: b.Components[0].Ref},
	}, b.Dependencies)

	with, _ := generate(t, "-tags", "libpcsclite", "./apdu/pcsc")
	without, _ := generate(t, "./apdu/pcsc")
	assert.GreaterOrEqual(t, len(with.Components), len(without.Components))

	err := run(t.Context(), []string{"-C", "../..", "./nosuch"}, &bytes.Buffer{})
	assert.ErrorContains(t, err, "nosuch")
	assert.Error(t, run(t.Context(), []string{"-nosuch"}, &bytes.Buffer{}))
}

const (
	redistribution = `Redistribution and use in source and binary forms, with or without
modification, are permitted provided that the following conditions are
met: * Redistributions in binary form must reproduce the above copyright notice.`
	permission = `Permission is hereby granted, free of charge, to any person obtaining
a copy of this software and associated documentation files`
	notice = " The above copyright notice and this permission notice shall be included."
	ends   = " * Neither the name of X nor the names of its contributors may be\n used to endorse or promote products derived from this software"
)

func TestLicencesAreRecognised(t *testing.T) {
	for want, text := range map[string]string{
		"MIT":           permission + notice,
		"MIT-0":         permission,
		"BSD-2-Clause":  redistribution,
		"BSD-3-Clause":  redistribution + ends,
		"BSD-4-Clause":  redistribution + ends + " All advertising materials mentioning features or use",
		"Apache-2.0":    "   Apache License\n\tVersion 2.0, January 2004",
		"MPL-2.0":       "Mozilla Public License Version 2.0",
		"ISC":           "Permission to use, copy, modify, and/or distribute this software for any\npurpose with or without fee is hereby granted, provided that the above",
		"0BSD":          "Permission to use, copy, modify, and/or distribute this software for any\npurpose with or without fee is hereby granted.",
		"Unlicense":     "This is free and unencumbered software released into the public domain.",
		"blessing":      "SQLite Is Public Domain\n\nAll of it has been dedicated to the public\ndomain by the authors.",
		"CC0-1.0":       "CC0 1.0 Universal",
		"GPL-3.0-only":  "GNU GENERAL PUBLIC LICENSE Version 3, 29 June 2007",
		"LGPL-3.0-only": "GNU LESSER GENERAL PUBLIC LICENSE Version 3",
		"":              "All rights reserved. Ask us.",
	} {
		assert.Equal(t, want, recognise("Copyright (c) 2020 Somebody\n\n"+text+"\n"))
	}
}

func TestLicencesOfAFolder(t *testing.T) {
	for name, tt := range map[string]struct {
		files map[string]string
		want  []string
		err   string
	}{
		"one":                {map[string]string{"LICENSE": permission + notice, "main.go": ""}, []string{"MIT"}, ""},
		"two, sorted":        {map[string]string{"LICENSE": permission + notice, "LICENSE-GO": redistribution + ends}, []string{"BSD-3-Clause", "MIT"}, ""},
		"the same twice":     {map[string]string{"LICENSE.txt": permission + notice, "COPYING": permission + notice}, []string{"MIT"}, ""},
		"another spelling":   {map[string]string{"licence.md": redistribution}, []string{"BSD-2-Clause"}, ""},
		"a list of others'":  {map[string]string{"LICENSE": redistribution, "LICENSE-3RD-PARTY.md": "see there", "LICENSE-LOGO": "a picture"}, []string{"BSD-2-Clause"}, ""},
		"none":               {map[string]string{"README.md": permission + notice}, nil, "no licence"},
		"an unknown one":     {map[string]string{"LICENSE": "Ask us."}, nil, "LICENSE: no licence that is known here"},
		"known and unknown":  {map[string]string{"LICENSE": permission + notice, "LICENSE.other": "Ask us."}, nil, "LICENSE.other"},
		"only a licensed.go": {map[string]string{"licensed.go": permission + notice}, nil, "no licence"},
	} {
		dir := t.TempDir()
		for file, text := range tt.files {
			require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600))
		}
		got, err := licencesIn(dir)
		assert.Equal(t, tt.want, got, name)
		if tt.err == "" {
			assert.NoError(t, err, name)
		} else {
			assert.ErrorContains(t, err, tt.err, name)
		}
	}
	_, err := licencesIn(filepath.Join(t.TempDir(), "none"))
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestReplacedModules(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "LICENSE"), []byte(permission+notice), 0o600))
	m := &module{Path: "example.test/a", Version: "v1.0.0", Dir: "gone",
		Replace: &module{Path: "example.test/b", Version: "v1.2.0+incompatible", Dir: dir, Sum: "h1:x"}}
	c, err := describe(m, "", "go1.26", dir)
	require.NoError(t, err)
	assert.Equal(t, "pkg:golang/example.test/b@v1.2.0%2Bincompatible", c.PURL)
	assert.Equal(t, "example.test/a", c.Name)
	assert.Equal(t, []property{{"go:sum", "h1:x"}}, c.Properties)
	m.Replace.Version = ""
	_, err = describe(m, "", "go1.26", dir)
	assert.ErrorContains(t, err, "replaced by a folder")
	_, err = describe(&module{Path: "example.test/c", Version: "v1.0.0", Dir: t.TempDir()}, "", "go1.26", dir)
	assert.ErrorContains(t, err, "example.test/c: no licence")
}

// Whoever passes a program on passes on these.
func TestNotices(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-C", "../..", "-notices", "./examples/mergetool"}, &out))
	for _, want := range []string{"==== golang.org/x/text v", "==== modernc.org/sqlite v", "==== github.com/jackc/pgx/v5 v", "Redistribution and use in source and binary forms"} {
		assert.Contains(t, out.String(), want)
	}
	assert.NotContains(t, out.String(), "testify", "what only tests link is not linked")
	assert.NotContains(t, out.String(), "==== github.com/mynakit")
}
