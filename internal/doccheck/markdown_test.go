package doccheck

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = "../.."

// A document is one Markdown file.
type document struct {
	name   string // from the root, with slashes
	text   string // with code blocks
	prose  string // without
	blocks []block
}

// A block is a fenced block of code.
type block struct {
	lang string
	line int // of its first line of code
	text string
}

// documents gives every Markdown file of the repository's own.
func documents(t *testing.T) []document {
	t.Helper()
	var docs []document
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || d.Name() == "testdata" || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if !d.IsDir() && strings.HasSuffix(path, ".md") {
			docs = append(docs, read(t, path))
		}
		return nil
	})
	require.NoError(t, err)
	require.NotEmpty(t, docs)
	return docs
}

// readDocument gives one file, named from the root.
func readDocument(t *testing.T, name string) document {
	t.Helper()
	return read(t, filepath.Join(root, filepath.FromSlash(name)))
}

func read(t *testing.T, path string) document {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	name, err := filepath.Rel(root, path)
	require.NoError(t, err)
	d := document{name: filepath.ToSlash(name), text: strings.ReplaceAll(string(raw), "\r\n", "\n")}
	var prose, code strings.Builder
	open := false
	var b block
	n := 0
	for line := range strings.Lines(d.text) {
		n++
		lang, fence := strings.CutPrefix(strings.TrimRight(line, "\n"), "```")
		switch {
		case fence && !open:
			open, b = true, block{lang: lang, line: n + 1}
			code.Reset()
		case fence:
			require.Empty(t, lang, "%s:%d: a fence inside a block", d.name, n)
			open = false
			b.text = code.String()
			d.blocks = append(d.blocks, b)
		case open:
			code.WriteString(line)
		default:
			prose.WriteString(line)
		}
	}
	require.False(t, open, "%s: a block does not end", d.name)
	d.prose = prose.String()
	return d
}

// in gives the blocks in a language.
func (d document) in(lang string) []block {
	var found []block
	for _, b := range d.blocks {
		if b.lang == lang {
			found = append(found, b)
		}
	}
	return found
}

var span = regexp.MustCompile("`([^`\n]+)`")

// spanCommand is what in prose is a command and not a name.
var spanCommand = regexp.MustCompile(`^(?:[A-Z][A-Z_]+=\S+ )*(?:go (?:run|test|build|get) |cd |\.ci/|apt-get )`)

// spans gives what stands as code within text.
func spans(text string) []string {
	var found []string
	for _, m := range span.FindAllStringSubmatch(text, -1) {
		found = append(found, m[1])
	}
	return found
}

// commands gives the commands of a document, from its blocks and its prose: a
// command of several lines as one, prompts and comments removed.
func (d document) commands() []string {
	var found []string
	add := func(line string) {
		line = strings.TrimSpace(line)
		if before, _, ok := strings.Cut(line, " # "); ok {
			line = strings.TrimSpace(before)
		}
		if line != "" && !strings.HasPrefix(line, "#") {
			found = append(found, line)
		}
	}
	for _, b := range d.blocks {
		text := strings.ReplaceAll(b.text, "\\\n", " ")
		for line := range strings.Lines(text) {
			prompted, ok := strings.CutPrefix(line, "$ ")
			switch {
			case ok:
				add(prompted)
			case b.lang == "" && !strings.Contains(text, "$ "), b.lang == "sh":
				add(line)
			}
		}
	}
	for _, s := range spans(d.prose) {
		if spanCommand.MatchString(s) {
			add(s)
		}
	}
	return found
}

// table gives the rows of the first table under a heading, without head and
// rule; each row is its cells.
func table(t *testing.T, d document, heading string) [][]string {
	t.Helper()
	_, text, ok := strings.Cut(d.prose, "\n## "+heading+"\n")
	require.True(t, ok, "%s has no heading %q", d.name, heading)
	text, _, _ = strings.Cut(text, "\n## ")
	var rows [][]string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "|") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, cells)
	}
	require.Greater(t, len(rows), 2, "%s: no table under %q", d.name, heading)
	return rows[2:]
}
