package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A day of taps leaves the memory as it was.
func TestDayOfTaps(t *testing.T) {
	taps := 100
	if os.Getenv("MYNAKIT_LONG") != "" {
		taps = 5000
	}
	home := newHome(t)
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, "-reader", "sim", "-listen", "127.0.0.1:0", "-samples", "127.0.0.1:0")
	cmd.Env = append(os.Environ(), asAgent+"=1", homeVariable+"="+home, "GOGC=100")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan())
	card := lines.Text()
	for lines.Scan() && !strings.HasSuffix(lines.Text(), "agent.json") {
	}
	call := registered(t, home)
	after := ""
	await := func(kind string) {
		for {
			got := call("GET", "/v1/events?wait=10&after="+after, "")
			after = got["last"].(string)
			for _, e := range got["events"].([]any) {
				if e.(map[string]any)["type"] == kind {
					return
				}
			}
		}
	}
	await("state")
	// The card that is in at first: one that leaves before it was seen never came.
	if call("GET", "/v1/card", "")["card"] == nil {
		await("card.inserted")
	}
	early := 0
	for n := range taps {
		call("POST", card+"/v1/card/remove", "")
		await("card.removed")
		call("POST", card+"/v1/card/insert", "")
		await("card.inserted")
		if n == taps/5 {
			early = resident(cmd.Process.Pid)
		}
	}
	late := resident(cmd.Process.Pid)
	if late == 0 {
		t.Skip("this system does not tell how much memory a program has")
	}
	t.Logf("%d taps: %d kB after a fifth of them, %d kB at the end", taps, early, late)
	// The race detector and the tests' own code are in this program too.
	assert.Less(t, late, early*5/4+8<<10)
}

// registered registers a till with the agent of a home, and returns how to call it:
// by a path at the agent, or by a whole address.
func registered(t *testing.T, home string) func(method, url, body string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(home, "agent.json"))
	require.NoError(t, err)
	var d discovery
	require.NoError(t, json.Unmarshal(text, &d))
	token := ""
	call := func(method, url, body string) map[string]any {
		t.Helper()
		if strings.HasPrefix(url, "/") {
			url = d.URL + url
		}
		r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/json")
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		response, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		defer response.Body.Close()
		var got map[string]any
		require.NoError(t, json.NewDecoder(response.Body).Decode(&got))
		require.Less(t, response.StatusCode, 300, "%v", got)
		return got
	}
	token = call("POST", "/v1/clients", `{"name":"till","secret":"`+d.Secret+`"}`)["token"].(string)
	return call
}

// resident returns how much memory a process has, in kB, or 0.
func resident(pid int) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		var kb int
		if _, err := fmt.Sscanf(line, "VmRSS: %d kB", &kb); err == nil {
			return kb
		}
	}
	return 0
}
