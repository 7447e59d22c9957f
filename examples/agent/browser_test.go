package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/internal/chromiumtest"
)

// site is the POS's own site, over https, as from the Internet.
func site(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewTLSServer(http.FileServer(http.Dir("clients/browser")))
	t.Cleanup(s.Close)
	return s
}

// TestBrowser has a page of a listed site take points: the clerk lets it in, in
// the agent's window. Without the browser's permission the page says what is to
// be allowed.
func TestBrowser(t *testing.T) {
	for _, allowed := range []bool{true, false} {
		t.Run(fmt.Sprintf("allowed=%v", allowed), func(t *testing.T) {
			pos := site(t)
			home := newHome(t)
			fakeOpen(t)
			options := []chromedp.ExecAllocatorOption{chromedp.Flag("ignore-certificate-errors", true),
				chromedp.Flag("ip-address-space-overrides", strings.TrimPrefix(pos.URL, "https://")+"=public"),
				chromedp.Flag("disable-features", false)}
			if allowed {
				options = append(options, allow(t, pos.URL))
			}
			browser := chromiumtest.Start(t, options...)
			d, _ := start(t, home, "-origin", pos.URL)
			until := func(what string) string {
				t.Helper()
				var text string
				for limit := time.Now().Add(time.Minute); time.Now().Before(limit); time.Sleep(50 * time.Millisecond) {
					text, _ = chromedp.Run(browser, chromedp.Evaluate[string](`document.body.innerText`))
					if strings.Contains(text, what) {
						return text
					}
				}
				require.Fail(t, "not on the page", "%s: %s", what, text)
				return ""
			}
			begin := func() {
				t.Helper()
				require.NoError(t, chromedp.Do(browser, chromedp.Navigate(pos.URL+"/till.html")))
				_, err := chromedp.Run(browser, chromedp.Evaluate[bool](fmt.Sprintf(`document.getElementById("url").value = %q; document.getElementById("begin").click(); true`, d.URL)))
				require.NoError(t, err)
			}
			begin()
			if !allowed {
				assert.Contains(t, until("接続できません"), "ローカルネットワークへのアクセス")
				return
			}
			text := until("この番号を確認")
			code := regexp.MustCompile(`\b[0-9]{4}\n`).FindString(text + "\n")
			require.NotEmpty(t, code, text)
			// The clerk, in the window that the agent has opened.
			names, err := filepath.Glob(filepath.Join(home, "window-*.html"))
			require.NoError(t, err)
			require.NotEmpty(t, names)
			redirect, err := os.ReadFile(names[0])
			require.NoError(t, err)
			address := regexp.MustCompile(`url=(http://[^"]+)`).FindStringSubmatch(string(redirect))[1]
			clerk, cancel := chromedp.NewContext(browser)
			defer cancel()
			require.NoError(t, chromedp.Do(clerk, chromedp.Navigate(address)))
			page, err := chromedp.Run(clerk, chromedp.Evaluate[string](`document.body.innerText`))
			require.NoError(t, err)
			assert.Contains(t, page, strings.TrimSpace(code))
			_, err = chromedp.Run(clerk, chromedp.Evaluate[bool](`document.querySelector('button[value^="allow"]').click(); true`))
			require.NoError(t, err)
			sold := func() {
				t.Helper()
				text := until("完了")
				for _, line := range []string{"MyKey ID ", "used 500 balance 1500", "undone 500", "printed true"} {
					assert.Contains(t, text, line)
				}
			}
			sold()
			begin() // with its token now, by which it knows the agent
			sold()
		})
	}
}

// allow has the browser allow a site to call this computer: by the policy that an
// administrator sets, where the browser can have an /etc/chromium of its own, and
// else by a flag.
func allow(t *testing.T, site string) chromedp.ExecAllocatorOption {
	t.Helper()
	path := chromiumtest.Path(t)
	const alone = "mount -t tmpfs none /etc/chromium" // in a namespace of mounts that ends with the browser
	if err := exec.Command("unshare", "-m", "sh", "-c", alone).Run(); err != nil || !strings.HasPrefix(filepath.Base(path), "chromium") {
		t.Logf("the site is allowed by a flag, and not by the policy: an /etc/chromium of its own needs Chromium and root (%v)", err)
		return chromedp.Flag("disable-features", "LocalNetworkAccessChecks")
	}
	dir := t.TempDir()
	policy, err := json.Marshal(map[string][]string{"LoopbackNetworkAllowedForUrls": {site}, "LocalNetworkAccessAllowedForUrls": {site}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "mynakit.json"), policy, 0o600))
	program := filepath.Join(dir, "browser")
	require.NoError(t, os.WriteFile(program, fmt.Appendf(nil, `#!/bin/sh
exec unshare -m sh -ec '%s && mkdir -p /etc/chromium/policies/managed && cp "$0" /etc/chromium/policies/managed/ && exec "$@"' %q %q "$@"
`, alone, filepath.Join(dir, "mynakit.json"), path), 0o700))
	return chromedp.ExecPath(program)
}

// fakeOpen is what opens files in the user's browser, and does not.
func fakeOpen(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("skipped: the program that opens the window is replaced by one for Linux")
	}
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "xdg-open"), []byte("#!/bin/sh\n"), 0o700))
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}
