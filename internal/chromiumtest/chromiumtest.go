// Package chromiumtest starts a real browser without a window for a test, and
// checks the pages in it with axe-core. Only tests import it.
//
//	browser := chromiumtest.Start(t)
//	tab, cancel := chromedp.NewContext(browser)
//
// Where Chromium is not installed, the test is skipped with the names of the
// packages to install, or fails if the environment variable MYNAKIT_REQUIRE
// contains the word chromium.
package chromiumtest

import (
	"context"
	_ "embed" // the script that runs axe
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// Path returns the path of the browser's program, or skips the test.
func Path(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	absent(t, "chromium", "Chromium is not installed (Debian packages: chromium, fonts-noto-cjk)")
	return ""
}

func absent(t testing.TB, word, what string) {
	t.Helper()
	if strings.Contains(os.Getenv("MYNAKIT_REQUIRE"), word) {
		t.Fatal(what)
	}
	t.Skip("skipped: " + what)
}

// Start starts a browser with a profile of its own, which ends with the test, or
// skips the test. The options come after those that every test wants.
func Start(t testing.TB, more ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	path, dir := Path(t), folder(t)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.UserDataDir(filepath.Join(dir, "profile")), chromedp.Env("HOME="+dir),
		chromedp.WSURLReadTimeout(2*time.Minute), // the first start of all takes its time
		chromedp.Flag("hide-scrollbars", true), chromedp.Flag("disable-component-update", true))
	ctx, end := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), append(options, more...)...)
	t.Cleanup(end)
	ctx, cancel := chromedp.NewContext(ctx, chromedp.WithErrorf(func(string, ...any) {}))
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil { // waits for the browser to end
			t.Errorf("end Chromium: %v", err)
		}
		cancel()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	return ctx
}

// folder returns an empty folder that ends with the test. Not t.TempDir, which
// fails the test if there is something new in it meanwhile: what the browser has
// started may write for a moment after the browser has ended.
func folder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "chromium-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
			err := os.RemoveAll(dir)
			if err == nil {
				return
			}
			if time.Since(began) > time.Minute {
				t.Errorf("remove the browser's profile: %v", err)
				return
			}
		}
	})
	return dir
}

//go:embed violations.js
var violations string

// Axe is axe-core, which finds what keeps people from using a page.
type Axe struct{ script string }

// FindAxe returns the axe-core that .ci/axe/package.json names, or skips the
// test if it is not installed there; if MYNAKIT_REQUIRE contains the word axe,
// the test fails.
func FindAxe(t testing.TB) Axe {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil || dir == filepath.Dir(dir) {
			break
		}
	}
	script, err := os.ReadFile(filepath.Join(dir, ".ci", "axe", "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		absent(t, "axe", "axe-core is not installed (npm ci --ignore-scripts --prefix .ci/axe)")
	}
	return Axe{string(script)}
}

// Violations returns what axe-core finds on the page in a tab: one line for each
// rule and element. The rules are those of WCAG 2.2, levels A and AA, and
// axe-core's own good practice. The zero Axe finds nothing.
func (a Axe) Violations(tab context.Context) ([]string, error) {
	if a.script == "" {
		return nil, nil
	}
	return chromedp.Run(tab, chromedp.Evaluate[[]string](a.script+"\n"+violations, chromedp.EvalAwaitPromise))
}
