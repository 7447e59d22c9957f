package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/mynakit/mynakit/examples/agent/api"
	"github.com/mynakit/mynakit/examples/internal/private"
)

// home is the agent's own folder, of this user alone.
type home struct {
	dir       string
	discovery string // the file by which programs find the agent
}

// homeVariable names another folder.
const homeVariable = "MYNAKIT_AGENT"

// openHome creates the folder. Programs look for the discovery file in the same
// places: see docs/agent.md.
func openHome(getenv func(string) string) (*home, error) {
	dir := getenv(homeVariable)
	if dir == "" {
		base, err := os.UserConfigDir() // ~/.config, ~/Library/Application Support, %AppData%
		if err != nil {
			return nil, err
		}
		dir = filepath.Join(base, "mynakit", "agent")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := private.Folder(dir); err != nil {
		return nil, err
	}
	return &home{dir: dir, discovery: filepath.Join(dir, "agent.json")}, nil
}

// write writes a file for its owner alone, whole or not at all.
func write(name string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), "new-*.tmp") // 0600
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// lockName is the file that the agent of the folder holds locked. It has no content.
const lockName = "agent.lock"

// errHeld means that somebody has a file locked.
var errHeld = errors.New("the file is locked")

// hold makes this process the one agent of the folder, until the file is closed or
// the process ends in any way. It returns errHeld if there is another.
func (h *home) hold() (*os.File, error) {
	name := filepath.Join(h.dir, lockName)
	for {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, err
		}
		if err = lock(f); err == nil {
			var mine, there os.FileInfo
			if mine, err = f.Stat(); err == nil {
				there, err = os.Stat(name)
			}
			if err == nil && os.SameFile(mine, there) {
				return f, nil
			}
		}
		_ = f.Close()
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		// It was removed after it was opened, by an uninstall.
	}
}

// other is the trouble of an agent that is not the only one of its folder.
func (h *home) other(ctx context.Context) *troubleError {
	d, err := h.found()
	if err != nil || !d.known(ctx) {
		return &troubleError{"An agent of this user is just starting or ending. Its file is " + h.discovery + ". Wait a moment and try again.",
			"このユーザーのエージェントが起動中または終了中です（" + h.discovery + "）。少し待ってから、やり直してください。", exitRunning}
	}
	return &troubleError{fmt.Sprintf("An agent of this user is running already: %s, process %d, found by %s. Use it, or end it first.", d.URL, d.PID, h.discovery),
		fmt.Sprintf("このユーザーのエージェントは、すでに起動しています（%s、プロセス %d、%s）。そのまま使うか、終了してから起動してください。", d.URL, d.PID, h.discovery), exitRunning}
}

// forget removes the discovery file, if it is the one with this text.
func (h *home) forget(text []byte) {
	if there, err := os.ReadFile(h.discovery); err == nil && bytes.Equal(there, text) {
		_ = os.Remove(h.discovery)
	}
}

// discovery is what the discovery file holds.
type discovery struct {
	URL, Secret, Instance string
	PID, API              int
}

// found reads the discovery file.
func (h *home) found() (d discovery, err error) {
	text, err := private.ReadFile(h.discovery)
	if err == nil {
		err = json.Unmarshal(text, &d)
	}
	return d, err
}

// answerTime is how long an agent may take to show that it is one: a machine that
// has much else to do, as when a session begins, is slow. Where nobody listens there
// is nothing to wait for.
const answerTime = 20 * time.Second

// known reports whether who listens at the address is the agent that wrote the
// file: it knows the secret. Another program may have the port of one that was killed.
func (d discovery) known(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	nonce := rand.Text()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, d.URL+"/v1/hello?nonce="+nonce, nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	var hello struct {
		Proof []byte `json:"proof"`
	}
	return json.NewDecoder(io.LimitReader(response.Body, 1<<10)).Decode(&hello) == nil && hmac.Equal(hello.Proof, api.HelloProof([]byte(d.Secret), nonce))
}

// window opens the clerk's page of the agent that runs.
func (o *options) window(ctx context.Context) error {
	h, err := openHome(o.getenv)
	if err != nil {
		return err
	}
	d, err := h.found()
	if err != nil || !d.known(ctx) { // a file of one that was killed may lie there
		return &troubleError{"No agent of this user is running. Start it first.", "エージェントが起動していません。先に起動してください。", exitError}
	}
	body, err := json.Marshal(map[string]string{"secret": d.Secret})
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL+"/v1/window", bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the agent answered %s", response.Status)
	}
	return nil
}

var redirect = template.Must(template.New("").Parse(`<!doctype html><meta charset="utf-8"><title>mynakit</title>
<meta http-equiv="refresh" content="0; url={{.}}">
`))

// redirectLife is how long the file lies there: the address in it works once, and
// for a minute.
const redirectLife = time.Minute

// openWindow opens an address in the user's browser. The address is in a file
// that this user alone can read, and not among the browser's arguments, which
// everybody can.
func (h *home) openWindow(url string) error {
	var page bytes.Buffer
	if err := redirect.Execute(&page, url); err != nil {
		return err
	}
	name := filepath.Join(h.dir, "window-"+rand.Text()[:8]+".html")
	if err := write(name, page.Bytes()); err != nil {
		return err
	}
	remove := sync.OnceFunc(func() { _ = os.Remove(name) })
	time.AfterFunc(redirectLife, remove)
	var cmd *exec.Cmd
	switch runtime.GOOS {
	case "windows":
		cmd = exec.Command("rundll32", "url.dll,FileProtocolHandler", name)
	case "darwin":
		cmd = exec.Command("open", name)
	default:
		cmd = exec.Command("xdg-open", name)
	}
	if err := cmd.Start(); err != nil {
		remove()
		return err
	}
	go func() { _ = cmd.Wait() }()
	return nil
}

// sweep removes what an agent that was killed has left.
func (h *home) sweep() {
	for _, pattern := range []string{"window-*.html", "new-*.tmp"} {
		names, _ := filepath.Glob(filepath.Join(h.dir, pattern)) // the pattern is a good one
		for _, name := range names {
			_ = os.Remove(name)
		}
	}
}

// maxLog is the size at which the log begins anew. One is kept beside it.
const maxLog = 5 << 20

// logFile is the log: JSON lines, at most twice maxLog.
type logFile struct {
	name string

	mu   sync.Mutex
	f    *os.File
	size int64
}

func openLog(name string) (*logFile, error) {
	l := &logFile{name: name}
	return l, l.open()
}

func (l *logFile) open() (err error) {
	if l.f, err = os.OpenFile(l.name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600); err != nil {
		return err
	}
	info, err := l.f.Stat()
	if err == nil {
		l.size = info.Size()
	}
	return err
}

func (l *logFile) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size+int64(len(b)) > maxLog {
		if err := errors.Join(l.f.Close(), os.Rename(l.name, l.name+".1"), l.open()); err != nil {
			return 0, err
		}
	}
	n, err := l.f.Write(b)
	l.size += int64(n)
	return n, err
}

func (l *logFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.f.Close()
}
