package advice_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/internal/errorlist"
	"github.com/mynakit/mynakit/mykey/advice"
)

// linkedByFew are packages whose errors a program registers by itself: readers,
// and software cards, which no counter has.
var linkedByFew = []string{"apdu/pcsc", "apdu/vpcd", "simcard"}

// exported returns the names of the errors that docs/api lists.
func exported(t *testing.T) (names []string) {
	t.Helper()
	const api = "../../docs/api"
	value := regexp.MustCompile(`(?m)^(?:var|const) (Err\w+)`)
	kind := regexp.MustCompile(`(?m)^method \(\*?(\w+)\) Error\(\) string`)
	require.NoError(t, filepath.WalkDir(api, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		list, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		pkg, err := filepath.Rel(api, strings.TrimSuffix(path, ".txt"))
		pkg = filepath.ToSlash(pkg)
		if slices.ContainsFunc(linkedByFew, func(p string) bool { return pkg == p || strings.HasPrefix(pkg, p+"/") }) {
			return err
		}
		for _, m := range append(value.FindAllSubmatch(list, -1), kind.FindAllSubmatch(list, -1)...) {
			names = append(names, pkg+"."+string(m[1]))
		}
		return err
	}))
	require.Greater(t, len(names), 200)
	return names
}

// Every exported error has a text of its own, in both languages.
func TestComplete(t *testing.T) {
	errs := errorlist.All()
	for _, name := range exported(t) {
		assert.Contains(t, errs, name, "add it to internal/errorlist, and an entry to the catalogue")
	}
	for name, err := range errs {
		a := advice.Explain(fmt.Errorf("at the counter: %w", err))
		assert.NotEqual(t, "unexpected", a.Kind, name)
		checkTexts(t, name, a)
	}
	unexpected := advice.Explain(errorlist.ErrCause)
	assert.Equal(t, "unexpected", unexpected.Kind)
	checkTexts(t, "unexpected", unexpected)
	assert.Zero(t, advice.Explain(nil))
}

func checkTexts(t *testing.T, name string, a advice.Advice) {
	t.Helper()
	assert.Regexp(t, `^[a-z_]+$`, a.Kind, name)
	for _, text := range []string{a.What.JA, a.Do.JA} {
		assert.True(t, strings.ContainsFunc(text, func(r rune) bool { return unicode.In(r, unicode.Hiragana) }), "%s: %q", name, text)
		assert.True(t, strings.HasSuffix(text, "。"), "%s: %s", name, text)
		for sentence := range strings.SplitSeq(text, "。") {
			assert.LessOrEqual(t, len([]rune(sentence)), 60, "%s: %s", name, sentence)
		}
		for _, never := range []string{"(", ")", "お客様", "係員", "下さい", "確かめ", "はじめから", "間違え"} {
			assert.NotContains(t, text, never, name)
		}
	}
	for _, text := range []string{a.What.EN, a.Do.EN} {
		assert.NotEmpty(t, text, name)
		assert.False(t, strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxLatin1 }), "%s: %s", name, text)
	}
}
