package doccheck

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The guide for a POS lists every error of the registry: a till has to do something
// about each.
func TestErrorsOfTheRegistry(t *testing.T) {
	_, text, ok := strings.Cut(readDocument(t, "docs/pos.md").text, "\n### Errors of the registry\n")
	require.True(t, ok)
	text, _, _ = strings.Cut(text, "\n## ")
	api := readFile(t, "docs/api/mykey/registry.txt")
	errors := regexp.MustCompile(`(?m)^(?:var (Err\w+)|type (\w+Error) struct$)`).FindAllStringSubmatch(api, -1)
	require.Greater(t, len(errors), 30)
	for _, m := range errors {
		switch name := m[1] + m[2]; name {
		case "DuplicateError": // is ErrDuplicate
		case "ErrNoLoss": // an office's call, beside Losses and Resolve
		default:
			assert.Regexp(t, "(?m)^\\| [^|]*`(\\*registry\\.)?"+name+"`", text, name)
		}
	}
}
