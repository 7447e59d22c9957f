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

// Nothing of a guide is out of reach of somebody who starts at the README.
func TestGuidesAreLinked(t *testing.T) {
	for _, readme := range []string{"README.md", "README.ja.md"} {
		text := readDocument(t, readme).prose
		for _, d := range documents(t) {
			if strings.HasPrefix(d.name, "docs/") {
				assert.Contains(t, text, "]("+d.name, "%s does not link to %s", readme, d.name)
			}
		}
	}
}
