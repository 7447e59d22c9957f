package doccheck

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"go/scanner"
	"go/token"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "record that the Japanese documents follow the English ones as they are")

// lookedAt keeps a digest of each English section, as it was when somebody last
// compared its translation with it.
const lookedAt = "docs/ja/looked-at.txt"

// untranslated are the documents below docs that are English alone: what is
// measured and proved, and what no test comes to.
var untranslated = []string{"docs/coverage.md", "docs/proof.md"}

// A pair is an English document and its translation.
type pair struct{ en, ja document }

// pairs returns every document that has a translation, by its name.
func pairs(t *testing.T) map[string]pair {
	t.Helper()
	there := map[string]document{}
	for _, d := range documents(t) {
		there[d.name] = d
	}
	found := map[string]pair{}
	for name, d := range there {
		if en, ok := original(name); ok {
			require.Contains(t, there, en, "%s translates nothing", name)
			found[en] = pair{there[en], d}
		}
	}
	require.NotEmpty(t, found)
	return found
}

// original returns the document that name translates, and reports whether name
// is a translation.
func original(name string) (string, bool) {
	if guide, ok := strings.CutPrefix(name, "docs/ja/"); ok {
		return "docs/" + guide, true
	}
	if readme, ok := strings.CutSuffix(name, ".ja.md"); ok {
		return readme + ".md", true
	}
	return "", false
}

// Every guide is there in both languages.
func TestGuidesAreTranslated(t *testing.T) {
	there := pairs(t)
	for _, d := range documents(t) {
		if path.Dir(d.name) == "docs" && !slices.Contains(untranslated, d.name) {
			assert.Contains(t, there, d.name, "%s has no translation", d.name)
		}
	}
}

// A translation says what its original says: the same headings, the same code
// but for comments, tables of the same shape with the same code, the same names
// in the text, and links that lead to the same places.
func TestTranslations(t *testing.T) {
	there := pairs(t)
	for _, p := range there {
		t.Run(p.ja.name, func(t *testing.T) {
			en, ja := p.en.sections(), p.ja.sections()
			require.Equal(t, outline(en), outline(ja), "levels of the headings: %s has to follow %s\n%s\n%s",
				p.ja.name, p.en.name, titles(en), titles(ja))
			for i := range en {
				where := fmt.Sprintf("%s:%d %q, from %q", p.ja.name, ja[i].line, ja[i].heading, en[i].heading)
				if assert.Len(t, ja[i].blocks, len(en[i].blocks), "%s: blocks of code", where) {
					for n, b := range en[i].blocks {
						assert.Equal(t, b.lang, ja[i].blocks[n].lang, where)
						assert.Equal(t, withoutComments(t, b), withoutComments(t, ja[i].blocks[n]), where)
					}
				}
				assert.Equal(t, cells(en[i].prose), cells(ja[i].prose), "%s: code in tables", where)
				assert.Equal(t, names(en[i].prose), names(ja[i].prose), "%s: code in the text", where)
				assert.Equal(t, leads(t, there, p.en, en[i].prose, true), leads(t, there, p.ja, ja[i].prose, false), "%s: links", where)
			}
			assert.Contains(t, leads(t, nil, p.en, p.en.prose, false), p.ja.name, "%s leads to its translation", p.en.name)
			assert.Contains(t, leads(t, nil, p.ja, p.ja.prose, false), p.en.name, "%s leads to its original", p.ja.name)
		})
	}
}

// An English section that has changed fails until somebody has compared its
// translation with it.
//
//	go test -run TranslationsAreCurrent ./internal/doccheck           # which ones
//	go test -run TranslationsAreCurrent ./internal/doccheck -update   # when that is done
func TestTranslationsAreCurrent(t *testing.T) {
	there := pairs(t)
	var now strings.Builder
	seen := map[string]bool{}
	file := filepath.Join(root, filepath.FromSlash(lookedAt))
	before, err := os.ReadFile(file)
	if !*update {
		require.NoError(t, err)
	}
	for line := range strings.Lines(string(before)) {
		seen[strings.TrimSpace(line)] = true
	}
	for _, name := range slices.Sorted(maps.Keys(there)) {
		en, ja := there[name].en.sections(), there[name].ja.sections()
		for i, s := range en {
			sum := sha256.Sum256([]byte(strings.Join(strings.Fields(s.text), " ")))
			line := fmt.Sprintf("%x %s %s", sum[:6], name, s.heading)
			now.WriteString(strings.TrimSpace(line) + "\n")
			if !*update && !seen[strings.TrimSpace(line)] && i < len(ja) {
				t.Errorf("%s:%d %q has changed: see whether %s:%d %q still says the same, then\n"+
					"go test -run TranslationsAreCurrent ./internal/doccheck -update",
					name, s.line, s.heading, there[name].ja.name, ja[i].line, ja[i].heading)
			}
		}
	}
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(now.String()), 0o644))
		return
	}
	if !t.Failed() {
		assert.Equal(t, now.String(), strings.ReplaceAll(string(before), "\r\n", "\n"), "%s has sections that are gone: -update", lookedAt)
	}
}

// What the rules above compare, and what they do not.
func TestWithoutComments(t *testing.T) {
	for _, c := range []struct{ lang, a, b string }{
		{"go", "x := 1 // one\n", "x := 1 // 一\n"},
		{"go", "// f is one.\nfunc f() {}\n", "// f は1つ。\nfunc f() {}\n"},
		{"sh", "a -b   # c\n# d\n", "a -b # e\n# f\n"},
	} {
		assert.Equal(t, withoutComments(t, block{lang: c.lang, text: c.a}), withoutComments(t, block{lang: c.lang, text: c.b}), c.a)
	}
	for _, c := range []struct{ lang, a, b string }{
		{"go", "f()\n// Output: 1\n", "f()\n// Output: 2\n"},
		{"go", "f()\n// Output:\n// a\n// b\n", "f()\n// Output:\n// a\n// c\n"},
		{"go", `f("a // b")` + "\n", `f("a // c")` + "\n"},
		{"go", "f(1)\n", "f(2)\n"},
		{"go", "f(`\n\ta`)\n", "f(`\n\tb`)\n"},
		{"sh", "curl a#b\n", "curl a#c\n"},
		{"csv", "a,b # c\n", "a,b # d\n"},
		{"console", "$ a\nb // c\n", "$ a\nb // d\n"},
	} {
		assert.NotEqual(t, withoutComments(t, block{lang: c.lang, text: c.a}), withoutComments(t, block{lang: c.lang, text: c.b}), c.a)
	}
}

// A section is what stands below a heading, up to the next one. The first
// section of a document is what stands above the first heading.
type section struct {
	heading string
	level   int
	line    int
	text    string // heading and code included
	prose   string
	blocks  []block
}

func (d document) sections() []section {
	found := []section{{line: 1}}
	blocks := d.blocks
	inCode := false
	n := 0
	for line := range strings.Lines(d.text) {
		n++
		s := &found[len(found)-1]
		m := heading.FindStringSubmatch(line)
		switch {
		case strings.HasPrefix(line, "```"):
			if inCode = !inCode; inCode {
				s.blocks = append(s.blocks, blocks[0])
				blocks = blocks[1:]
			}
		case !inCode && m != nil:
			found = append(found, section{heading: m[1], level: strings.IndexByte(line, ' '), line: n})
			s = &found[len(found)-1]
		case !inCode:
			s.prose += line
		}
		s.text += line
	}
	return found
}

func outline(sections []section) (levels []int) {
	for _, s := range sections {
		levels = append(levels, s.level)
	}
	return levels
}

func titles(sections []section) string {
	var all []string
	for _, s := range sections {
		all = append(all, s.heading)
	}
	return strings.Join(all, " | ")
}

var (
	shellComment = regexp.MustCompile(`(?m)[ \t]+# .*$|^# .*$`)
	slashComment = regexp.MustCompile(`(?m)[ \t]+// .*$`)
)

// withoutComments returns code without what a translation may change: comments,
// but for the output that an example prints.
func withoutComments(t *testing.T, b block) string {
	t.Helper()
	switch b.lang {
	case "go":
		return strings.Join(goTokens(t, b), "\n")
	case "kotlin", "swift":
		return slashComment.ReplaceAllString(b.text, "")
	case "sh", "python", "":
		return shellComment.ReplaceAllString(b.text, "")
	case "day": // of the counter, in both languages: see TestReadmeIsShort
		return strings.Repeat("\n", strings.Count(b.text, "\n"))
	}
	return b.text
}

// goTokens returns the tokens of Go code, and of its comments those from
// "// Output:" on, and those that are the output after it.
func goTokens(t *testing.T, b block) []string {
	t.Helper()
	var s scanner.Scanner
	files := token.NewFileSet()
	source := []byte(b.text)
	s.Init(files.AddFile("", files.Base(), len(source)), source, func(at token.Position, message string) {
		t.Errorf("a block of code, line %d: %s", at.Line, message)
	}, scanner.ScanComments)
	var found []string
	printed := false
	for {
		_, tok, text := s.Scan()
		switch {
		case tok == token.EOF:
			return found
		case tok == token.COMMENT:
			if printed = printed || prints.MatchString(text); printed {
				found = append(found, text)
			}
		case tok == token.SEMICOLON && text == "\n":
		default:
			found = append(found, tok.String()+" "+text)
		}
	}
}

// cells returns the tables of a text: for each cell of each row its code, sorted,
// for languages differ in the order of words.
func cells(prose string) [][][]string {
	var all [][][]string
	for line := range strings.Lines(prose) {
		if !strings.HasPrefix(line, "|") {
			continue
		}
		var row [][]string
		for cell := range strings.SplitSeq(strings.Trim(strings.TrimSpace(line), "|"), "|") {
			code := spans(cell)
			slices.Sort(code)
			row = append(row, code)
		}
		all = append(all, row)
	}
	return all
}

// names returns what stands as code in a text, each once.
func names(prose string) []string {
	found := spans(prose)
	slices.Sort(found)
	return slices.Compact(found)
}

var (
	within  = regexp.MustCompile(`\]\(([^)#:\s]*)(?:#([^)\s]+))?\)`)
	outside = regexp.MustCompile(`\]\(([a-z]+:[^)\s]+)\)`)
)

// leads returns where the links of a part of a document lead, each once, but for
// those between a document and its translation. Those to a document that is
// translated become links to its translation if translate is set.
func leads(t *testing.T, there map[string]pair, d document, prose string, translate bool) []string {
	t.Helper()
	var found []string
	for _, m := range outside.FindAllStringSubmatch(prose, -1) {
		found = append(found, m[1])
	}
	for _, m := range within.FindAllStringSubmatch(prose, -1) {
		target, anchor := d.name, m[2]
		if m[1] != "" {
			target = path.Join(path.Dir(d.name), m[1])
		}
		other, mine := original(d.name)
		if there != nil && (mine && target == other || !mine && target != d.name && there[d.name].ja.name == target) {
			continue
		}
		if p, ok := there[target]; ok && translate {
			target = p.ja.name
			if i := slices.Index(anchors(p.en), anchor); i >= 0 && i < len(anchors(p.ja)) {
				anchor = anchors(p.ja)[i]
			}
		}
		if anchor != "" {
			target += "#" + anchor
		}
		found = append(found, target)
	}
	slices.Sort(found)
	return slices.Compact(found)
}
