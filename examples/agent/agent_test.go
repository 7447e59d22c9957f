package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/examples/agent/api"
	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/internal/pgtest"
	"github.com/mynakit/mynakit/simcard"
)

// asAgent has the test binary be the agent.
const asAgent = "AGENT_TEST_RUN"

func TestMain(m *testing.M) {
	if os.Getenv(asAgent) != "" {
		main()
		return
	}
	code := m.Run()
	pg.Stop()
	os.Exit(code)
}

var pg pgtest.Server

// env is an environment for an agent with a home of its own.
func env(home string, more ...string) func(string) string {
	return func(name string) string {
		for _, pair := range append(more, homeVariable+"="+home) {
			if value, ok := strings.CutPrefix(pair, name+"="); ok {
				return value
			}
		}
		return ""
	}
}

// start runs an agent with a software card until the test ends, and returns how
// it is found.
func start(t *testing.T, home string, args ...string) (d discovery, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	var stderr bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, append([]string{"-reader", "sim", "-listen", "127.0.0.1:0"}, args...), env(home, pinVariable+"="+simcard.DefaultAuthPIN), in, &stderr)
		in.Close()
	}()
	lines := bufio.NewScanner(out)
	for lines.Scan() && !strings.HasSuffix(lines.Text(), "agent.json") {
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	stop = sync.OnceFunc(func() {
		cancel()
		assert.Equal(t, exitOK, <-ended, stderr.String())
	})
	t.Cleanup(stop)
	text, err := os.ReadFile(filepath.Join(home, "agent.json"))
	require.NoError(t, err, stderr.String())
	require.NoError(t, json.Unmarshal(text, &d))
	return d, stop
}

func newHome(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "agent")
	require.NoError(t, os.Mkdir(dir, 0o700))
	return dir
}

// The discovery file is this user's alone, and goes with the agent.
func TestDiscovery(t *testing.T) {
	home := newHome(t)
	d, stop := start(t, home)
	info, err := os.Stat(filepath.Join(home, "agent.json"))
	require.NoError(t, err)
	if runtime.GOOS != "windows" {
		assert.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
	}
	assert.Equal(t, api.Version, d.API)
	assert.Equal(t, os.Getpid(), d.PID)
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]"} {
		_, port, err := net.SplitHostPort(strings.TrimPrefix(d.URL, "http://"))
		require.NoError(t, err)
		r, err := http.Get("http://" + host + ":" + port + "/v1/status")
		if host == "[::1]" && err != nil {
			continue // there is no IPv6 here
		}
		require.NoError(t, err)
		r.Body.Close()
		assert.Equal(t, http.StatusOK, r.StatusCode, host)
	}
	var stderr bytes.Buffer
	assert.Equal(t, exitRunning, run(t.Context(), []string{"-reader", "sim"}, env(home), io.Discard, &stderr), "one agent for a user")
	assert.Contains(t, stderr.String(), "running already: "+d.URL)
	assert.Contains(t, stderr.String(), "すでに起動しています（"+d.URL)
	stop()
	left, err := filepath.Glob(filepath.Join(home, "*.json"))
	require.NoError(t, err)
	assert.Empty(t, left)
	log, err := os.ReadFile(filepath.Join(home, "agent.log"))
	require.NoError(t, err)
	for line := range strings.Lines(string(log)) {
		assert.True(t, json.Valid([]byte(line)), line)
	}
	assert.NotContains(t, string(log), d.Secret)
}

// Of agents that one user starts together one is there, and the discovery file is
// its own.
func TestOneAgent(t *testing.T) {
	home := newHome(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	const many = 6
	ended := make(chan int, many)
	var outputs [many]output
	for i := range many {
		go func() {
			ended <- run(ctx, []string{"-reader", "sim", "-listen", "127.0.0.1:0"}, env(home, pinVariable+"="+simcard.DefaultAuthPIN), &outputs[i], &outputs[i])
		}()
	}
	for range many - 1 {
		select {
		case code := <-ended:
			assert.Equal(t, exitRunning, code)
		case <-time.After(time.Minute):
			require.Fail(t, "there is more than one agent")
		}
	}
	h, err := openHome(env(home))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		d, err := h.found()
		return err == nil && d.known(ctx)
	}, time.Minute, 10*time.Millisecond)
	cancel()
	assert.Equal(t, exitOK, <-ended)
	started := 0
	for i := range outputs {
		text := outputs[i].String()
		if strings.Contains(text, h.discovery+"\n") {
			started++
			continue
		}
		assert.Contains(t, text, "An agent of this user is")
		assert.Contains(t, text, "このユーザーのエージェント")
		assert.Contains(t, text, h.discovery)
	}
	assert.Equal(t, 1, started)
	_, err = os.Stat(h.discovery)
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

// An agent leaves the file of another where it is.
func TestForget(t *testing.T) {
	home := newHome(t)
	_, stop := start(t, home)
	name := filepath.Join(home, "agent.json")
	other := fmt.Appendf(nil, `{"url":"http://127.0.0.1:1","secret":"x","pid":%d}`, os.Getpid())
	require.NoError(t, write(name, other))
	stop()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	assert.Equal(t, other, text)
}

// output is a buffer that several goroutines write into.
type output struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (b *output) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.Write(p)
}

func (b *output) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.String()
}

func TestFlags(t *testing.T) {
	for args, text := range map[string]string{
		"-listen 0.0.0.0:1 -reader sim":                   "of this machine alone",
		"-listen 192.0.2.1:1 -reader sim":                 "of this machine alone",
		"-pin page -reader sim":                           "window or tty",
		"-samples 127.0.0.1:0 -reader auto":               "-reader sim",
		"-origin pos.example.jp":                          "an origin is",
		"-origin https://pos.example.jp/":                 "an origin is",
		"-origin null":                                    "an origin is",
		"dance":                                           "no command",
		"-reader sim more":                                "no flag",
		"-reader sim -terminal bad_/name -listen [::1]:0": "letters, digits",
		"-reader sim -listen 127.0.0.1:0 -place " + strings.Repeat("x", 97): "96 bytes",
	} {
		var stderr bytes.Buffer
		assert.Equal(t, exitUsage, run(t.Context(), strings.Fields(args), env(newHome(t)), io.Discard, &stderr), args)
		assert.Contains(t, stderr.String(), text, args)
	}
	var stderr bytes.Buffer
	assert.Equal(t, exitUsage, run(t.Context(), []string{"-reader", "auto"}, env(newHome(t), pinVariable+"=1234"), io.Discard, &stderr))
	assert.Contains(t, stderr.String(), "its holder's", "the PIN of a real card is in no variable")
}

// What is wrong with the machine is said in both languages, and is no wrong usage.
func TestTrouble(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	open := t.TempDir()
	require.NoError(t, os.Chmod(open, 0o777))
	for args, want := range map[string][2]string{
		"window": {"No agent", "起動していません"},
		"-reader sim -samples " + taken.Addr().String(): {"Cannot listen", "待ち受けられません"},
		"-reader sim -data " + open:                     {"Other users can", "ほかのユーザーが"},
	} {
		if runtime.GOOS == "windows" && strings.Contains(args, open) {
			continue // it has no modes
		}
		var stderr bytes.Buffer
		assert.Equal(t, exitError, run(t.Context(), strings.Fields(args), env(newHome(t)), io.Discard, &stderr), args)
		assert.Contains(t, stderr.String(), want[0])
		assert.Contains(t, stderr.String(), want[1])
	}
	killed := newHome(t)
	require.NoError(t, os.WriteFile(filepath.Join(killed, "agent.json"), []byte(`{"url":"http://127.0.0.1:1","secret":"x"}`), 0o600))
	var stderr bytes.Buffer
	assert.Equal(t, exitError, run(t.Context(), []string{"window"}, env(killed), io.Discard, &stderr))
	assert.Contains(t, stderr.String(), "起動していません")
	stderr.Reset()
	assert.Equal(t, exitUsage, run(t.Context(), []string{"-reader", "sim", "-db", t.TempDir()}, env(newHome(t)), io.Discard, &stderr))
	assert.Contains(t, stderr.String(), "is a directory; give the name of a file in it")
}

// A port that is taken, on either loopback address, is passed over.
func TestListen(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	all, err := listen(taken.Addr().String())
	require.NoError(t, err)
	for _, l := range all {
		assert.NotEqual(t, taken.Addr().(*net.TCPAddr).Port, l.Addr().(*net.TCPAddr).Port)
		assert.True(t, l.Addr().(*net.TCPAddr).IP.IsLoopback())
		require.NoError(t, l.Close())
	}
}

// client is a language whose runtime may be missing.
type client struct {
	name, needs string
	programs    []string
	build       func(t *testing.T, dir string) *exec.Cmd
	run         func(dir string) *exec.Cmd
}

func clients() []client {
	return []client{
		{"Python", "python3", []string{"python3"}, nil, func(string) *exec.Cmd { return exec.Command("python3", "clients/python/till.py") }},
		{"Node", "nodejs 18 or later", []string{"node"}, nil, func(string) *exec.Cmd { return exec.Command("node", "clients/node/till.mjs") }},
		{"Java", "default-jdk-headless", []string{"javac", "java"},
			func(_ *testing.T, dir string) *exec.Cmd {
				return exec.Command("javac", "-encoding", "UTF-8", "--release", "8", "-Xlint:-options", "-d", dir, "clients/java/Till.java")
			},
			func(dir string) *exec.Cmd { return exec.Command("java", "-cp", dir, "Till") }},
		{"C#", "mono-mcs mono-runtime libmono-system-web-extensions4.0-cil", []string{"mcs", "mono"},
			func(_ *testing.T, dir string) *exec.Cmd {
				return exec.Command("mcs", "-r:System.Web.Extensions.dll", "-out:"+filepath.Join(dir, "Till.exe"), "clients/csharp/Till.cs")
			},
			func(dir string) *exec.Cmd { return exec.Command("mono", filepath.Join(dir, "Till.exe")) }},
	}
}

// built returns a folder with the program of a client, and skips the test if what
// it needs is not here.
func (c client) built(t *testing.T) (dir string) {
	t.Helper()
	for _, program := range c.programs {
		if _, err := exec.LookPath(program); err != nil {
			if strings.Contains(os.Getenv("MYNAKIT_REQUIRE"), "clients") {
				require.NoError(t, err, "install %s", c.needs)
			}
			t.Skipf("%s is not here: install %s", program, c.needs)
		}
	}
	dir = t.TempDir()
	if c.build != nil {
		out, err := c.build(t, dir).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	return dir
}

// Programs to copy, in the languages of tills: wait for a tap, show who it is,
// have the holder prove it, use 500 points, lose the answer, ask again, undo,
// print. A stranger that has the agent's port is sent neither secret nor token.
func TestClients(t *testing.T) {
	home := newHome(t)
	start(t, home)
	stale, heard := stranger(t)
	for _, c := range clients() {
		t.Run(c.name, func(t *testing.T) {
			dir := c.built(t)
			command := func(home string) *exec.Cmd {
				cmd := c.run(dir)
				cmd.Env = append(os.Environ(), homeVariable+"="+home, "TILL_TOKEN="+filepath.Join(dir, "till.token"), "MONO_REGISTRY_PATH="+dir)
				return cmd
			}
			for range 2 { // the second run has its token already
				out, err := command(stale).CombinedOutput()
				assert.Error(t, err, "%s", out)
				assert.Regexp(t, `^GET /v1/hello\?nonce=\S+ \n$`, heard(), "%s", out)
				out, err = command(home).CombinedOutput()
				require.NoError(t, err, "%s", out)
				for _, line := range []string{"カードをセットしてください。", "MyKey ID ", "used 500 balance 1500", "undone 500"} {
					assert.Contains(t, string(out), line)
				}
				assert.Contains(t, strings.ToLower(string(out)), "printed true")
			}
		})
	}
}

// stranger is another user's program that has taken the port of an agent that was
// killed, and whose file lies in home. heard returns what it was sent since it was
// asked last: a line for each call, with its token and body.
func stranger(t *testing.T) (home string, heard func() string) {
	t.Helper()
	home = newHome(t)
	h, err := openHome(env(home))
	require.NoError(t, err)
	var left discovery
	var l net.Listener
	for tries := 10; l == nil; tries-- {
		cmd := startKilled(t, home, "")
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait()
		left, err = h.found()
		require.NoError(t, err)
		if l, err = net.Listen("tcp", strings.TrimPrefix(left.URL, "http://")); err != nil {
			require.Positive(t, tries, "%v", err) // some other program was quicker
		}
	}
	var mu sync.Mutex
	var all strings.Builder
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		fmt.Fprintf(&all, "%s %s %s%s\n", r.Method, r.URL, r.Header.Get("Authorization"), body)
		mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"instance":%q,"proof":"AAAA","token":"x"}`, left.Instance) // which it has asked the agent for
	})}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-served
	})
	return home, func() string {
		mu.Lock()
		defer mu.Unlock()
		defer all.Reset()
		return all.String()
	}
}

// The file of an agent that was killed is in nobody's way, and who has its port
// since is not taken for it.
func TestStranger(t *testing.T) {
	home, heard := stranger(t)
	var stderr bytes.Buffer
	assert.Equal(t, exitError, run(t.Context(), []string{"window"}, env(home), io.Discard, &stderr))
	assert.Contains(t, stderr.String(), "No agent")
	assert.Regexp(t, `^GET /v1/hello\?nonce=\S+ \n$`, heard())
	d, _ := start(t, home)
	assert.True(t, d.known(t.Context()))
}

// The guide's Python finds the agent and its card.
func TestGuide(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("python3 is not here")
	}
	guide, err := os.ReadFile("../../docs/agent.md")
	require.NoError(t, err)
	_, program, _ := strings.Cut(string(guide), "```python\n")
	program, _, ok := strings.Cut(program, "```\n")
	require.True(t, ok)
	home := newHome(t)
	start(t, home)
	dir := t.TempDir()
	for range 2 { // the second run has its token already
		cmd := exec.CommandContext(t.Context(), "python3", "-", filepath.Join(home, "agent.json"))
		cmd.Dir = dir
		cmd.Stdin = strings.NewReader(program)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		assert.Regexp(t, `^\{.*'card'.*\}\n$`, string(out))
	}
}

func TestClientsAreShort(t *testing.T) {
	names, err := filepath.Glob("clients/*/*")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(names), 4)
	for _, name := range names {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		assert.Less(t, bytes.Count(text, []byte("\n")), 150, name)
		assert.Contains(t, string(text), "/cancel", "%s: every client cancels before it takes other payment", name)
	}
}

// What install writes, uninstall removes, on each system.
func TestInstall(t *testing.T) {
	for _, goos := range []string{"linux", "darwin", "windows"} {
		t.Run(goos, func(t *testing.T) {
			dir := t.TempDir()
			var ran []string
			s := system{goos: goos, config: dir, run: func(_ context.Context, name string, args ...string) error {
				ran = append(ran, name+" "+strings.Join(args, " "))
				if name == "systemctl" || name == "launchctl" {
					return errors.New("no session")
				}
				return nil
			}}
			command := []string{`/opt/my agent/agent`, "-terminal", "TILL-1", "-db", "host=x dbname=100%&<$HOME>"}
			for range 2 { // again, with other flags, is no error
				require.NoError(t, s.install(t.Context(), command))
			}
			assert.Error(t, s.install(t.Context(), []string{"agent", "a\nb"}))
			switch goos {
			case "linux":
				text, err := os.ReadFile(filepath.Join(dir, "systemd/user/default.target.wants/mynakit-agent.service"))
				require.NoError(t, err)
				assert.Contains(t, string(text), `ExecStart="/opt/my agent/agent" "-terminal" "TILL-1" "-db" "host=x dbname=100%%&<$$HOME>"`)
			case "darwin":
				text, err := os.ReadFile(filepath.Join(dir, "Library/LaunchAgents/jp.mynakit.agent.plist"))
				require.NoError(t, err)
				assert.Contains(t, string(text), "<string>/opt/my agent/agent</string>")
				assert.Contains(t, string(text), "100%&amp;&lt;$HOME&gt;")
			case "windows":
				assert.Contains(t, ran[0], `/d "/opt/my agent/agent" "-terminal" "TILL-1"`)
			}
			require.NoError(t, s.uninstall(t.Context()))
			require.NoError(t, s.uninstall(t.Context()), "again is no error")
			var left []string
			require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
				if !d.IsDir() {
					left = append(left, path)
				}
				return err
			}))
			assert.Empty(t, left)
		})
	}
	assert.Equal(t, `"C:\dir\\"`, windowsCommand([]string{`C:\dir\`}))
}

// What the agent kept for itself goes, and what is the shop's stays.
func TestUninstallLeavesNothing(t *testing.T) {
	home := newHome(t)
	_, stop := start(t, home)
	h, err := openHome(env(home))
	require.NoError(t, err)
	require.NoError(t, write(filepath.Join(home, "window-ABC.html"), nil))
	stop()
	held, err := h.end(t.Context())
	require.NoError(t, err)
	require.NoError(t, h.remove(held))
	_, err = os.Stat(home)
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

// A printer in the network says why it does not print.
func TestPrinter(t *testing.T) {
	ctx := t.Context()
	try := func(state int) (printed []byte, err error) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		came := make(chan []byte, 1)
		go func() {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			asked := make([]byte, 3)
			_, _ = io.ReadFull(c, asked)
			if state >= 0 {
				_, _ = c.Write([]byte{byte(state)})
			}
			paper, _ := io.ReadAll(c)
			came <- paper
		}()
		err = printTo(l.Addr().String())(ctx, []byte("paper"))
		printed = <-came
		require.NoError(t, l.Close())
		assert.Equal(t, api.ErrOffline, printTo(l.Addr().String())(ctx, []byte("paper")))
		return printed, err
	}
	for state, want := range map[int]error{-1: nil, 0x12: nil, 0x16: api.ErrCover, 0x32: api.ErrPaper, 0x52: api.ErrOffline} {
		paper, err := try(state)
		for n := 0; n < 20 && err == nil && want != nil; n++ {
			paper, err = try(state) // its answer came too late to be one, on a machine that does much else
		}
		assert.Equal(t, want, err, "%#x", state)
		if want == nil {
			assert.Equal(t, "paper", string(paper))
		} else {
			assert.Empty(t, paper)
		}
	}
	file := filepath.Join(t.TempDir(), "lp0")
	assert.Equal(t, api.ErrOffline, printTo(file)(ctx, nil))
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.NoError(t, printTo(file)(ctx, []byte("paper")))
}

// The agent is killed at any moment of a use; the client asks again by its key,
// and the books are exact.
func TestKill(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) { testKill(t, "") })
	t.Run("PostgreSQL", func(t *testing.T) { testKill(t, pg.DSN(t)) })
}

// startKilled starts an agent as a process of its own, which the test kills.
func startKilled(t *testing.T, home, db string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, "-reader", "sim", "-listen", "127.0.0.1:0", "-db", db)
	cmd.Env = append(os.Environ(), asAgent+"=1", homeVariable+"="+home, pinVariable+"="+simcard.DefaultAuthPIN)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	for lines.Scan() && !strings.HasSuffix(lines.Text(), "agent.json") {
	}
	return cmd
}

func testKill(t *testing.T, db string) {
	rounds := 3
	if os.Getenv("MYNAKIT_LONG") != "" {
		rounds = 200
	}
	home := newHome(t)
	var cmd *exec.Cmd
	var d discovery
	begin := func() {
		cmd = startKilled(t, home, db)
		text, err := os.ReadFile(filepath.Join(home, "agent.json"))
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, &d))
	}
	begin()
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	token := ""
	call := func(method, path, body, key string) (map[string]any, int) {
		r, err := http.NewRequest(method, d.URL+path, strings.NewReader(body))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+token)
		if key != "" {
			r.Header.Set("Idempotency-Key", key)
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			return nil, 0
		}
		defer response.Body.Close()
		var got map[string]any
		if json.NewDecoder(response.Body).Decode(&got) != nil {
			return nil, 0
		}
		return got, response.StatusCode
	}
	made, status := call("POST", "/v1/clients", `{"name":"till","secret":"`+d.Secret+`"}`, "")
	require.Equal(t, http.StatusCreated, status)
	token = made["token"].(string)
	// use proves and uses a point under a key, until it is known to be done.
	proved := func() (card, proof string) {
		for {
			got, _ := call("GET", "/v1/card", "", "")
			c, ok := got["card"].(map[string]any)
			if !ok || c["state"] != "known" {
				_, _ = call("GET", "/v1/events?wait=1&after=x", "", "")
				continue
			}
			card = c["id"].(string)
			got, status := call("POST", "/v1/proofs", `{"card":"`+card+`","act":"use","account":"aoba","points":1}`, "")
			require.Equal(t, http.StatusAccepted, status, got)
			proof = got["proof"].(map[string]any)["id"].(string)
			for {
				got, _ := call("GET", "/v1/proofs/"+proof, "", "")
				if s := got["proof"].(map[string]any)["state"]; s == "proved" {
					return card, proof
				}
			}
		}
	}
	took := 20 * time.Millisecond
	for n := range rounds {
		key := fmt.Sprint("use-", n)
		card, proof := proved()
		delay := time.Duration(int64(took) * int64(n%20) / 15)
		go func(p *os.Process) {
			time.Sleep(delay) // the moment is what varies
			_ = p.Kill()
		}(cmd.Process)
		body := func(card, proof string) string {
			return `{"card":"` + card + `","account":"aoba","points":1,"proof":"` + proof + `"}`
		}
		_, _ = call("POST", "/v1/uses", body(card, proof), key)
		_ = cmd.Wait()
		begin()
		got, status := call("GET", "/v1/requests/"+key, "", "")
		if status == http.StatusNotFound {
			card, proof = proved()
			got, status = call("POST", "/v1/uses", body(card, proof), key)
			require.Equal(t, http.StatusCreated, status, got)
		} else {
			require.Equal(t, http.StatusOK, status, got)
		}
		assert.EqualValues(t, 1, got["use"].(map[string]any)["points"])
		if n%3 == 2 {
			got, status = call("POST", "/v1/requests/"+key+"/cancel", "", "")
			require.Equal(t, http.StatusOK, status, got)
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	books := booksOf(t, filepath.Join(home, "sim"), db)
	assert.True(t, books.Exact(), "%v", books)
	assert.EqualValues(t, rounds-rounds/3, books.Used)
	assert.EqualValues(t, samplePoints-int64(rounds-rounds/3), books.City)
}

func booksOf(t *testing.T, dir, db string) shop.Books {
	t.Helper()
	o := &options{reader: "sim", data: dir, db: db, terminal: "TILL-9", getenv: env(newHome(t))}
	h, err := openHome(o.getenv)
	require.NoError(t, err)
	p, err := o.openPlace(t.Context(), h)
	require.NoError(t, err)
	defer p.close()
	b, err := p.shop.Books(t.Context())
	require.NoError(t, err)
	return b
}
