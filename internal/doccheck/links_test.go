package doccheck

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
)

var (
	link    = regexp.MustCompile(`\]\(([^)#:\s]*)(?:#([^)\s]+))?\)`)
	heading = regexp.MustCompile(`(?m)^#{1,6} +(.+?) *$`)
)

func TestLinksLeadSomewhere(t *testing.T) {
	found := 0
	for _, d := range documents(t) {
		for _, m := range link.FindAllStringSubmatch(d.prose, -1) {
			found++
			target := d.name
			if m[1] != "" {
				target = path.Join(path.Dir(d.name), m[1])
				_, err := os.Stat(filepath.Join(root, filepath.FromSlash(target)))
				assert.NoError(t, err, "%s links to %s", d.name, m[1])
				if err != nil {
					continue
				}
			}
			if m[2] != "" && strings.HasSuffix(target, ".md") {
				assert.Contains(t, anchors(readDocument(t, target)), m[2], "%s links to %s", d.name, m[0])
			}
		}
	}
	assert.NotZero(t, found)
}

// anchors gives the names that headings have as targets of links: lower case,
// a dash for each space, nothing for punctuation.
func anchors(d document) []string {
	var names []string
	for _, m := range heading.FindAllStringSubmatch(d.prose, -1) {
		text := link.ReplaceAllString(m[1], "]")
		names = append(names, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, text))
	}
	return names
}

// Whoever starts at a README finds every guide.
func TestGuidesAreLinked(t *testing.T) {
	for _, readme := range []string{"README.md", "README.ja.md"} {
		there := map[string]document{}
		for _, d := range documents(t) {
			there[d.name] = d
		}
		reached := map[string]bool{}
		next := []string{readme}
		for len(next) > 0 {
			name := next[0]
			next = next[1:]
			if reached[name] {
				continue
			}
			reached[name] = true
			for _, m := range link.FindAllStringSubmatch(there[name].prose, -1) {
				next = append(next, path.Join(path.Dir(name), m[1]))
			}
		}
		for name := range there {
			if strings.HasPrefix(name, "docs/") {
				assert.True(t, reached[name], "nothing leads from %s to %s", readme, name)
			}
		}
	}
}
