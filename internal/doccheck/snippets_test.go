package doccheck

import (
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const own = "github.com/mynakit/mynakit/"

// imports are the packages that a snippet may name without importing them.
var imports = map[string]string{
	"bytes": "bytes", "context": "context", "crypto": "crypto", "errors": "errors", "exec": "os/exec",
	"filepath": "path/filepath", "fmt": "fmt", "hex": "encoding/hex", "http": "net/http", "url": "net/url", "io": "io", "log": "log",
	"os": "os", "rand": "crypto/rand", "rsa": "crypto/rsa", "sha256": "crypto/sha256", "signal": "os/signal",
	"slog": "log/slog", "sql": "database/sql", "strings": "strings", "testing": "testing", "time": "time",
	"tls": "crypto/tls", "x509": "crypto/x509",
	"apdu": own + "apdu", "tlv": own + "apdu/tlv", "pcsc": own + "apdu/pcsc", "vpcd": own + "apdu/vpcd",
	"jpki": own + "jpki", "cms": own + "jpki/cms", "revoke": own + "jpki/revoke", "unlock": own + "jpki/unlock", "point": own + "mykey/point", "grant": own + "mykey/grant", "terminal": own + "mykey/terminal",
	"simcard": own + "simcard", "fault": own + "simcard/fault", "link": own + "simcard/link", "tape": own + "simcard/tape",
	"control": own + "simcard/control", "survey": own + "simcard/survey", "advice": own + "mykey/advice", "httptest": "net/http/httptest",
	"mykey": own + "mykey", "registry": own + "mykey/registry", "payment": own + "mykey/payment", "ticket": own + "ticket", "paper": own + "ticket/paper",
	"mergefile": own + "mergefile", "ledger": own + "mergefile/ledger", "inbox": own + "mergefile/inbox", "outbox": own + "mergefile/outbox",
}

var prints = regexp.MustCompile(`(?m)^\s*// Output:`)

// declares tells declarations from statements.
func declares(text string) bool {
	_, err := parser.ParseFile(token.NewFileSet(), "", "package p\n"+text, parser.SkipObjectResolution)
	return err == nil
}

// Snippets stand in a module of their own that requires this one, as a user's
// program does. The first of the README is ten lines and prints what it says.
func TestSnippets(t *testing.T) {
	t.Parallel()
	dir := snippetModule(t)
	found := 0
	for _, d := range documents(t) {
		if _, ok := original(d.name); ok {
			continue // the same code: see TestTranslations
		}
		for i, b := range d.in("go") {
			found++
			id := regexp.MustCompile(`[^a-z]`).ReplaceAllString(strings.ToLower(strings.TrimSuffix(d.name, ".md")), "")
			folder, file := id, fmt.Sprintf("s%d_test.go", i+1)
			if strings.HasPrefix(b.text, "package ") {
				folder = fmt.Sprintf("%s%d", id, i+1)
			}
			if d.name == "README.md" && i == 0 {
				require.LessOrEqual(t, strings.Count(b.text, "\n"), 10, "ten lines")
				require.Contains(t, b.text, "// 030D45")
				b.text += "// Output: 030D45\n"
			}
			require.NoError(t, os.MkdirAll(filepath.Join(dir, folder), 0o700))
			require.NoError(t, os.WriteFile(filepath.Join(dir, folder, file), []byte(program(id, d.name, i+1, b)), 0o600))
		}
	}
	require.Greater(t, found, 2)
	cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-vet=off", "./...")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// snippetModule makes an empty module with the dependencies of this one.
func snippetModule(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	module, err := filepath.Abs(root)
	require.NoError(t, err)
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	sum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)
	this := strings.TrimSuffix(own, "/")
	text := strings.Replace(string(mod), "module "+this+"\n", "module snippets\n", 1) +
		fmt.Sprintf("\nrequire %s v0.0.0\n\nreplace %s => %q\n", this, this, module)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte(text), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.sum"), sum, 0o600))
	return dir
}

// program makes a source file of a snippet, in which lines are those of the
// document.
func program(pkg, name string, n int, b block) string {
	at := fmt.Sprintf("//line %s:%d\n", name, b.line)
	if strings.HasPrefix(b.text, "package ") {
		return at + b.text
	}
	var s strings.Builder
	fmt.Fprintf(&s, "package %s\n\n", pkg)
	if !strings.HasPrefix(b.text, "import") {
		s.WriteString("import (\n")
		for name, path := range imports {
			if regexp.MustCompile(`\b` + name + `\.[A-Z]`).MatchString(b.text) {
				fmt.Fprintf(&s, "\t%q\n", path)
			}
		}
		s.WriteString(")\n\n")
	}
	switch {
	case declares(b.text):
		s.WriteString(at + b.text)
	case prints.MatchString(b.text):
		fmt.Fprintf(&s, "func Example_s%d() {\n%s%s}\n", n, at, b.text)
	default:
		fmt.Fprintf(&s, "func _() {\n%s%s}\n", at, b.text)
	}
	return s.String()
}
