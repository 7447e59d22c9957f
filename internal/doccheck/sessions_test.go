package doccheck

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sessions print what the documents say that they print. Those of one document
// run in one folder, one after another; a block of csv or text before them that
// is named in the line above it ("points.csv:") lies there as a file.
func (p programs) sessions(t *testing.T) {
	ran := 0
	for _, d := range documents(t) {
		if _, translated := original(d.name); translated || len(d.in("console")) == 0 {
			continue
		}
		t.Run(d.name, func(t *testing.T) {
			dir := t.TempDir()
			lines := strings.Split(d.text, "\n")
			for _, b := range d.blocks {
				if m := regexp.MustCompile("^`([a-z]+\\.[a-z]+)`:$").FindStringSubmatch(before(lines, b.line)); m != nil {
					require.NoError(t, os.WriteFile(filepath.Join(dir, m[1]), []byte(b.text), 0o600))
				}
				if b.lang != "console" {
					continue
				}
				for _, exchange := range strings.Split("\n"+b.text, "\n$ ")[1:] {
					command, want, _ := strings.Cut(strings.ReplaceAll(exchange, "\\\n", " "), "\n")
					ran++
					got := p.session(t, dir, command)
					assert.Regexp(t, expected(want), got, "%s:%d: %s", d.name, b.line, command)
				}
			}
		})
	}
	assert.NotZero(t, ran)
}

// before gives the last line with text above a block.
func before(lines []string, first int) string {
	for i := first - 3; i >= 0; i-- {
		if s := strings.TrimSpace(lines[i]); s != "" {
			return s
		}
	}
	return ""
}

// session runs one command, which is of this repository, and gives all that it
// prints.
func (p programs) session(t *testing.T, dir, command string) string {
	t.Helper()
	words := strings.Fields(command)
	require.Greater(t, len(words), 2, command)
	require.Equal(t, []string{"go", "run"}, words[:2], "%s: a session runs programs of this repository alone", command)
	source := filepath.Join(root, filepath.FromSlash(words[2]))
	cmd := exec.CommandContext(t.Context(), p.build(t, source), words[3:]...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		out = append(out, "exit status 1\n"...) // as go run says
	}
	return strings.ReplaceAll(string(out), "\r\n", "\n")
}

// expected makes a pattern of the output in a document.
func expected(want string) string {
	var p strings.Builder
	p.WriteString(`\A`)
	for line := range strings.Lines(strings.TrimRight(want, "\n") + "\n") {
		switch line = strings.TrimRight(line, "\n"); line {
		case "…":
			p.WriteString(`(?:.*\n)*?`)
		case "":
		default:
			p.WriteString(strings.ReplaceAll(regexp.QuoteMeta(line), "…", ".*") + `\n`)
		}
	}
	return p.String() + `\z`
}
