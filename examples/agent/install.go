package main

import (
	"bytes"
	"context"
	"embed"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"text/template"
	"time"
)

//go:embed install
var installFiles embed.FS

// system is where one system looks for what it starts with a user's session.
type system struct {
	goos   string
	config string // ~/.config, or the home folder on macOS
	run    func(ctx context.Context, name string, args ...string) error
}

func thisSystem() (system, error) {
	s := system{goos: runtime.GOOS, run: func(ctx context.Context, name string, args ...string) error {
		return exec.CommandContext(ctx, name, args...).Run()
	}}
	var err error
	if s.goos == "darwin" {
		s.config, err = os.UserHomeDir()
	} else {
		s.config, err = os.UserConfigDir()
	}
	return s, err
}

// unit returns the file that starts the agent, and the link that enables it, if
// the system has them.
func (s system) unit() (file, link string) {
	switch s.goos {
	case "darwin":
		return filepath.Join(s.config, "Library", "LaunchAgents", "jp.mynakit.agent.plist"), ""
	case "windows":
		return "", ""
	}
	dir := filepath.Join(s.config, "systemd", "user")
	return filepath.Join(dir, "mynakit-agent.service"), filepath.Join(dir, "default.target.wants", "mynakit-agent.service")
}

// runKey is where Windows looks, for this user.
const runKey = `HKCU\Software\Microsoft\Windows\CurrentVersion\Run`

// install has the system start this very file with the user's session, with these
// flags, and starts it now if the system can.
func (o *options) install(ctx context.Context, args []string) error {
	s, err := thisSystem()
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := s.install(ctx, append([]string{self}, args...)); err != nil {
		return err
	}
	fmt.Fprintln(o.stdout, "installed; it starts with your session")
	return nil
}

func (s system) install(ctx context.Context, command []string) error {
	for _, arg := range command {
		if strings.ContainsAny(arg, "\x00\r\n\"") {
			return &usageError{"a flag with a line break or a quotation mark cannot be installed"}
		}
	}
	if s.goos == "windows" {
		return s.run(ctx, "reg", "add", runKey, "/v", "mynakit-agent", "/t", "REG_SZ", "/d", windowsCommand(command), "/f")
	}
	file, link := s.unit()
	t, err := template.New(filepath.Base(file)).ParseFS(installFiles, "install/"+filepath.Base(file))
	if err != nil {
		return err
	}
	var b bytes.Buffer
	escaped := make([]string, len(command))
	for i, arg := range command {
		var x bytes.Buffer
		if err := xml.EscapeText(&x, []byte(arg)); err != nil {
			return err
		}
		escaped[i] = x.String()
	}
	if err := t.Execute(&b, struct {
		Command   string
		Arguments []string
	}{systemdCommand(command), escaped}); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	if err := write(file, b.Bytes()); err != nil {
		return err
	}
	if s.goos == "darwin" {
		_ = s.run(ctx, "launchctl", "bootstrap", fmt.Sprintf("gui/%d", os.Getuid()), file) // or with the next session
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
		return err
	}
	if err := os.Symlink(file, link); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if s.run(ctx, "systemctl", "--user", "daemon-reload") == nil { // without a session of systemd, with the next
		_ = s.run(ctx, "systemctl", "--user", "restart", "mynakit-agent.service")
	}
	return nil
}

// systemdCommand quotes a command for ExecStart.
func systemdCommand(command []string) string {
	quoted := make([]string, len(command))
	for i, arg := range command {
		quoted[i] = `"` + strings.NewReplacer(`\`, `\\`, `%`, `%%`, `$`, `$$`).Replace(arg) + `"`
	}
	return strings.Join(quoted, " ")
}

// windowsCommand quotes a command as Windows reads one. A backslash before the
// last quotation mark would take its meaning.
func windowsCommand(command []string) string {
	quoted := make([]string, len(command))
	for i, arg := range command {
		end := len(arg) - len(strings.TrimRight(arg, `\`))
		quoted[i] = `"` + arg + strings.Repeat(`\`, end) + `"`
	}
	return strings.Join(quoted, " ")
}

// uninstall ends the agent, and removes what starts it and all that it has kept
// for itself: discovery file, log. The shop's database and keys are the
// shop's, and stay.
func (o *options) uninstall(ctx context.Context) error {
	s, err := thisSystem()
	if err != nil {
		return err
	}
	h, err := openHome(o.getenv)
	if err != nil {
		return err
	}
	if err := s.uninstall(ctx); err != nil {
		return err
	}
	held, err := h.end(ctx)
	if err != nil {
		return err
	}
	if err := h.remove(held); err != nil {
		return err
	}
	fmt.Fprintln(o.stdout, "uninstalled")
	return nil
}

func (s system) uninstall(ctx context.Context) error {
	if s.goos == "windows" {
		if s.run(ctx, "reg", "query", runKey, "/v", "mynakit-agent") != nil {
			return nil // it was not installed
		}
		return s.run(ctx, "reg", "delete", runKey, "/v", "mynakit-agent", "/f")
	}
	file, link := s.unit()
	if s.goos == "darwin" {
		_ = s.run(ctx, "launchctl", "bootout", fmt.Sprintf("gui/%d/jp.mynakit.agent", os.Getuid())) // it may not run
	} else {
		_ = s.run(ctx, "systemctl", "--user", "stop", "mynakit-agent.service") // likewise
	}
	for _, name := range []string{link, file} {
		if name == "" {
			continue
		}
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		_ = os.Remove(filepath.Dir(name)) // if it is empty now
	}
	if s.goos == "linux" {
		_ = s.run(ctx, "systemctl", "--user", "daemon-reload") // there may be no session
	}
	return nil
}

// end stops the agent that runs, waits until it has gone, and holds the folder so
// that no other begins.
func (h *home) end(ctx context.Context) (held *os.File, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for asked := false; ; {
		if held, err = h.hold(); !errors.Is(err, errHeld) {
			return held, err
		}
		// The process of a file that was left behind may be any program's.
		if d, err := h.found(); err == nil && !asked && d.known(ctx) {
			if err := interrupt(d.PID); err != nil {
				return nil, err
			}
			asked = true
		}
		select {
		case <-ctx.Done():
			return nil, errors.New("the agent does not end")
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func interrupt(pid int) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	if runtime.GOOS == "windows" {
		err = p.Kill() // what it has begun, its keys find again
	} else {
		err = p.Signal(os.Interrupt)
	}
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	return err
}

// remove removes the agent's own files, and its folder if nothing else is in it.
// held is what end has returned.
func (h *home) remove(held *os.File) error {
	defer held.Close()
	h.sweep()
	for _, name := range []string{"agent.json", "agent.log", "agent.log.1"} {
		if err := os.Remove(filepath.Join(h.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := os.RemoveAll(filepath.Join(h.dir, "sim")); err != nil { // the software card's shop, which is none
		return err
	}
	// Windows removes no file that is open.
	if err := errors.Join(held.Close(), os.Remove(filepath.Join(h.dir, lockName))); err != nil {
		return err
	}
	if os.Remove(h.dir) == nil {
		_ = os.Remove(filepath.Dir(h.dir)) // if the counter has nothing there
	}
	return nil
}
