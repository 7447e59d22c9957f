package doccheck

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	root = "../.."
	own  = "github.com/mynakit/mynakit/"
)

// imports are the packages that a snippet may name without importing them.
var imports = map[string]string{
	"context": "context", "fmt": "fmt", "log": "log", "os": "os", "time": "time", "errors": "errors",
	"crypto": "crypto", "tls": "crypto/tls", "sha256": "crypto/sha256", "sql": "database/sql", "slog": "log/slog",
	"apdu": own + "apdu", "tlv": own + "apdu/tlv", "pcsc": own + "apdu/pcsc", "vpcd": own + "apdu/vpcd",
	"jpki": own + "jpki", "cms": own + "jpki/cms", "simcard": own + "simcard", "mykey": own + "mykey",
	"ticket": own + "ticket", "mergefile": own + "mergefile",
}

func markdown(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "*.md"))
	require.NoError(t, err)
	err = filepath.WalkDir(filepath.Join(root, "docs"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".md") {
			files = append(files, path)
		}
		return nil
	})
	require.NoError(t, err)
	require.NotEmpty(t, files)
	return files
}

var fence = regexp.MustCompile("(?ms)^```go\n(.*?)^```$")

func TestSnippetsCompile(t *testing.T) {
	found := 0
	for _, file := range markdown(t) {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for i, m := range fence.FindAllStringSubmatch(string(text), -1) {
			found++
			t.Run(fmt.Sprintf("%s/%d", filepath.Base(file), i+1), func(t *testing.T) {
				t.Parallel()
				out, err := goTool(t, "build", program(m[1]))
				assert.NoError(t, err, "%s", out)
			})
		}
	}
	assert.NotZero(t, found)
}

// The first program of the README prints what it says that it prints.
func TestFirstSnippetRuns(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	require.NoError(t, err)
	m := fence.FindStringSubmatch(string(text))
	require.NotNil(t, m)
	require.LessOrEqual(t, strings.Count(m[1], "\n"), 10, "ten lines")
	out, err := goTool(t, "run", program(m[1]))
	require.NoError(t, err, out)
	assert.Equal(t, "030D45\n", out)
	assert.Contains(t, m[1], strings.TrimSpace(out))
}

// program makes a whole program of a snippet that is the inside of main.
func program(snippet string) string {
	if strings.HasPrefix(snippet, "package ") {
		return snippet
	}
	var b strings.Builder
	b.WriteString("package main\n\nimport (\n")
	for name, path := range imports {
		if !regexp.MustCompile(`\b` + name + `\.[A-Z]`).MatchString(snippet) {
			continue
		}
		fmt.Fprintf(&b, "\t%q\n", path)
	}
	b.WriteString(")\n\nfunc main() {\n" + snippet + "}\n")
	return b.String()
}

// goTool builds or runs a program as if it stood in this module, without
// putting it there.
func goTool(t *testing.T, verb, program string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	source := filepath.Join(dir, "main.go")
	require.NoError(t, os.WriteFile(source, []byte(program), 0o600))
	abs, err := filepath.Abs(".")
	require.NoError(t, err)
	overlay, err := json.Marshal(map[string]map[string]string{
		"Replace": {filepath.Join(abs, "snippet", "main.go"): source},
	})
	require.NoError(t, err)
	overlayFile := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(overlayFile, overlay, 0o600))
	args := []string{verb, "-overlay", overlayFile}
	if verb == "build" {
		args = append(args, "-o", filepath.Join(dir, "out"))
	}
	out, err := exec.CommandContext(t.Context(), "go", append(args, "./snippet")...).CombinedOutput()
	return string(out), err
}

var link = regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)

func TestLinksLeadSomewhere(t *testing.T) {
	for _, file := range markdown(t) {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			_, err := os.Stat(filepath.Join(filepath.Dir(file), m[1]))
			assert.NoError(t, err, "%s links to %s", file, m[1])
		}
	}
}

// The README keeps the two commands that a stranger types first.
func TestTwoCommands(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	require.NoError(t, err)
	head, _, _ := strings.Cut(string(text), "\n## ")
	assert.Contains(t, head, "\ngo run ./examples/counter\n")
	assert.Contains(t, head, "\ngo test ./...\n")
}
