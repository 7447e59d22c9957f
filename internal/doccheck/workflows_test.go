package doccheck

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	uses   = regexp.MustCompile(`(?m)^[\s-]*uses:\s*(.*)$`)
	pinned = regexp.MustCompile(`^[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
	script = regexp.MustCompile(`(?:^|\s)(\.ci/\w+)`)
)

// A tag can be moved, a commit cannot: whatever a workflow runs is pinned.
func TestWorkflowsArePinned(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, ".github", "workflows", "*"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		name := filepath.Base(file)
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		text := string(raw)
		found := uses.FindAllStringSubmatch(text, -1)
		assert.NotEmpty(t, found, name)
		for _, m := range found {
			assert.Regexp(t, pinned, strings.TrimSpace(m[1]), name)
		}
		// Nothing may be written but where a job says so itself. One does: it makes the
		// draft of a release, and runs nothing of the repository or of others.
		assert.Regexp(t, `(?m)^permissions:\n  contents: read\n`, text, name)
		reading, writing, draft := strings.Cut(text, "\n  draft:\n")
		assert.Equal(t, name == "release.yml", draft, name)
		assert.NotRegexp(t, `(?m):\s*write(-all)?\s*$`, reading, name)
		assert.NotRegexp(t, `(?m)uses:|\.ci/|\bgo (run|build|test)\b`, writing, name)
		assert.Equal(t, draft, strings.Contains(writing, "      contents: write\n"), name)
		assert.Equal(t, strings.Count(writing, "contents: write"), strings.Count(writing, "write"), name)
		assert.NotContains(t, text, "pull_request_target", name)
		assert.NotContains(t, text, "secrets.", name)
		assert.Equal(t, strings.Count(text, "actions/checkout@"), strings.Count(text, "persist-credentials: false"), name)
		for _, m := range script.FindAllStringSubmatch(text, -1) {
			assert.FileExists(t, filepath.Join(root, m[1]), name)
		}
	}
}
