package chromiumtest_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/internal/chromiumtest"
)

// A page with three faults has three violations, and one without has none.
func TestViolations(t *testing.T) {
	axe := chromiumtest.FindAxe(t)
	browser := chromiumtest.Start(t)
	tab, cancel := chromedp.NewContext(browser)
	defer cancel()
	look := func(body string) string {
		page := `data:text/html,<!doctype html><html lang="en"><head><title>A page</title></head><body><main><h1>A page</h1>` + body + `</main></body></html>`
		require.NoError(t, chromedp.Do(tab, chromedp.Navigate(page)))
		found, err := axe.Violations(tab)
		require.NoError(t, err)
		return strings.Join(found, "\n")
	}
	assert.Empty(t, look(`<p>Good.</p>`))
	bad := look(`<img src="x.png"><p style="color:%23bbb">Pale</p><input name="a"><button style="width:10px;height:10px;padding:0;font-size:5px" aria-label="a"></button><button style="width:10px;height:10px;padding:0" aria-label="b"></button>`)
	for _, rule := range []string{"image-alt:", "color-contrast:", "label:", "target-size:"} {
		assert.Contains(t, bad, rule)
	}
}
