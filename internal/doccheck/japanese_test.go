package doccheck

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var comment = regexp.MustCompile(`(?m)[ \t]*//.*$|[ \t]+# .*$`)

// Both READMEs say the same: their code is the same but for comments, and so
// is what stands as code in their tables and where their links lead. Figures
// stand in one of them alone, or they would differ one day.
func TestReadmesAreTheSame(t *testing.T) {
	en, ja := readDocument(t, "README.md"), readDocument(t, "README.ja.md")
	require.Len(t, ja.blocks, len(en.blocks), "README.ja.md has to follow README.md")
	for i := range en.blocks {
		assert.Equal(t, en.blocks[i].lang, ja.blocks[i].lang)
		assert.Equal(t, comment.ReplaceAllString(en.blocks[i].text, ""), comment.ReplaceAllString(ja.blocks[i].text, ""))
	}
	assert.Equal(t, strings.Count(en.prose, "\n## "), strings.Count(ja.prose, "\n## "), "the same sections")
	enRows, jaRows := rows(en), rows(ja)
	if assert.Len(t, jaRows, len(enRows), "tables have the same rows: README.ja.md has to follow README.md") {
		for i := range enRows {
			assert.Equal(t, spans(enRows[i]), spans(jaRows[i]), "%s", jaRows[i])
			assert.Equal(t, targets(enRows[i]), targets(jaRows[i]), "%s", jaRows[i])
			assert.Equal(t, strings.Count(enRows[i], "|"), strings.Count(jaRows[i], "|"), "%s", jaRows[i])
		}
	}
}

func rows(d document) []string {
	var found []string
	figures := false
	for line := range strings.Lines(d.prose) {
		if strings.HasPrefix(line, "## ") {
			figures = line == "## Figures\n"
		}
		if strings.HasPrefix(line, "|") && !figures {
			found = append(found, line)
		}
	}
	return found
}

func targets(row string) []string {
	var found []string
	for _, m := range regexp.MustCompile(`\]\(([^)]+)\)`).FindAllStringSubmatch(row, -1) {
		target, _, _ := strings.Cut(m[1], "#")
		found = append(found, strings.Replace(target, "docs/ja/", "docs/", 1))
	}
	return found
}
