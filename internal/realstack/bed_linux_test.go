package realstack

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/mynakit/mynakit/apdu/vpcd"
	"github.com/mynakit/mynakit/simcard"
)

const (
	inBed  = "MYNAKIT_REALSTACK_BED" // set in the process that has the namespaces
	driver = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so"
	module = "opensc-pkcs11.so"
	reader = "Virtual PCD 00 00"
)

// stackDown tells why there is no stack to test on; "" when there is one.
var stackDown string

func TestMain(m *testing.M) {
	switch stackDown = missing(); {
	case stackDown != "":
	case os.Getenv(inBed) == "":
		// Once more, with namespaces: a private /run/pcscd, a private loopback.
		code, err := again()
		if err == nil {
			os.Exit(code)
		}
		stackDown = fmt.Sprintf("no namespaces here: %v", err)
	default:
		if err := makeBed(); err != nil {
			fmt.Fprintln(os.Stderr, "realstack:", err)
			os.Exit(1)
		}
		code := m.Run()
		stopDaemon()
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// missing tells what is not installed.
func missing() string {
	var absent []string
	for _, p := range []string{"pcscd", "opensc-tool", "pkcs15-tool", "pkcs11-tool", "openssl", "ssh-keygen", "ssh-agent"} {
		if _, err := exec.LookPath(p); err != nil {
			absent = append(absent, p)
		}
	}
	if _, err := os.Stat(driver); err != nil {
		absent = append(absent, "vpcd")
	}
	if len(absent) > 0 {
		return fmt.Sprintf("%s not found: apt-get install pcscd vsmartcard-vpcd opensc opensc-pkcs11 openssl openssh-client", strings.Join(absent, ", "))
	}
	if os.Getuid() != 0 {
		return "not root: the tests need namespaces of their own"
	}
	return ""
}

// again runs this test binary within its own mount and network namespaces.
func again() (int, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Env = append(os.Environ(), inBed+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	go func() {
		for s := range stop {
			cmd.Process.Signal(s)
		}
	}()
	err = cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 0, err
	}
	return cmd.ProcessState.ExitCode(), nil
}

// makeBed sets the namespaces up and starts pcscd in them.
func makeBed() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	if err := os.MkdirAll("/run/pcscd", 0o755); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", "/run/pcscd", "tmpfs", 0, ""); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	if err := loopbackUp(); err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	return startDaemon()
}

// stopDaemon ends the pcscd that runs, and returns when it has ended.
var stopDaemon func()

// startDaemon starts pcscd and waits for its reader.
func startDaemon() error {
	args := []string{"--foreground"}
	if help, _ := exec.Command("pcscd", "--help").CombinedOutput(); bytes.Contains(help, []byte("--disable-polkit")) {
		args = append(args, "--disable-polkit")
	}
	var log bytes.Buffer
	cmd := exec.Command("pcscd", args...)
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	stopDaemon = func() {
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			cmd.Process.Kill()
			<-ended
		}
	}
	// The daemon being alive is not the reader being there.
	deadline := time.After(time.Minute)
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		out, _ := exec.CommandContext(ctx, "opensc-tool", "-l").CombinedOutput()
		cancel()
		if bytes.Contains(out, []byte("Virtual PCD")) {
			return nil
		}
		select {
		case <-ended:
			return fmt.Errorf("pcscd ended: %s", log.String())
		case <-deadline:
			stopDaemon()
			return fmt.Errorf("no virtual reader: %s%s", out, log.String())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr)
}

// needStack skips the test where there is no stack, and fails it where there
// has to be one.
func needStack(t testing.TB) {
	t.Helper()
	if stackDown == "" {
		return
	}
	if strings.Contains(os.Getenv("MYNAKIT_REQUIRE"), "pcsc") {
		t.Fatal(stackDown)
	}
	t.Skip(stackDown)
}

// insert puts a card into the first slot for the length of the test.
func insert(t testing.TB, card vpcd.Card) *vpcd.Slot {
	t.Helper()
	needStack(t)
	// Not the test's context: that ends before the clean-up, in which clients
	// still close the card. pcscd takes a card that is powered down after it
	// left for absent at once, and then misses the next one.
	slot, err := vpcd.Insert(context.Background(), vpcd.DefaultAddr, card)
	require.NoError(t, err)
	t.Cleanup(func() {
		slot.Remove()
		waitSlot(t, "No") // or the next test would see this card
	})
	waitSlot(t, "Yes")
	return slot
}

// waitSlot waits until OpenSC sees a card in the first reader, or none.
func waitSlot(t testing.TB, card string) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		out := output(t, "opensc-tool", "-l")
		for line := range strings.Lines(out) {
			if f := strings.Fields(line); len(f) > 2 && f[0] == "0" && f[1] == card {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("the reader never says %q: %s", card, out)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// command runs a program and gives what it printed, and its error.
func command(t testing.TB, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute) // some are built first
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		t.Fatalf("%s %q did not end: %s", name, args, out)
	}
	return string(out), err
}

// output is command where an error fails the test.
func output(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := command(t, name, args...)
	require.NoError(t, err, "%s %q: %s", name, args, out)
	return out
}

// publicKey writes the public key of a certificate for openssl.
func publicKey(t *testing.T, cert *x509.Certificate) string {
	t.Helper()
	dir := t.TempDir()
	der, pub := filepath.Join(dir, "cert.der"), filepath.Join(dir, "pub.pem")
	require.NoError(t, os.WriteFile(der, cert.Raw, 0o600))
	output(t, "openssl", "x509", "-inform", "DER", "-in", der, "-pubkey", "-noout", "-out", pub)
	return pub
}

// file writes a file for one test.
func file(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, content, 0o600))
	return path
}

var _ vpcd.Card = (*simcard.Card)(nil)
