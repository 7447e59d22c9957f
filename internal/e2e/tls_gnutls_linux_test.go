package e2e

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A card's TLS client works with gnutls-serv, whatever signature scheme that
// prefers. gnutls-serv listens on every address and on no other than a port
// that was chosen, so each runs in a network of its own, where nobody else is.
func TestTLSWithGnuTLS(t *testing.T) {
	gnutls := requireProgram(t, "gnutls-serv", "gnutls")
	const pss, pkcs1 = ":+SIGN-RSA-PSS-RSAE-SHA", ":+SIGN-RSA-SHA"
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		only := map[uint16]string{tls.VersionTLS12: ":-VERS-ALL:+VERS-TLS1.2", tls.VersionTLS13: ":-VERS-ALL:+VERS-TLS1.3"}[version]
		for prefers, works := range map[string]bool{
			"": true, // its own
			pss + "512" + pss + "384" + pss + "256" + pkcs1 + "512" + pkcs1 + "256": true,
			pss + "256":                 true,
			pkcs1 + "512" + pss + "256": true,
			pkcs1 + "384":               version == tls.VersionTLS12, // no scheme of TLS 1.3
			pss + "512":                 false,                       // none that a card does
		} {
			t.Run(tls.VersionName(version)+" "+prefers, func(t *testing.T) {
				card := newCard()
				files, trusted := newServerFiles(t, card.Authority().Auth().Certificate())
				config := cardClient(t, card, trusted)
				priority := "NORMAL" + only
				if prefers != "" {
					// The server's own certificate is ECDSA.
					priority += ":-SIGN-ALL" + prefers + ":+SIGN-ECDSA-SHA256:+SIGN-ECDSA-SECP256R1-SHA256"
				}
				var got uint16
				err := inOwnNetwork(func() error {
					ctx, cancel := context.WithCancel(context.Background())
					defer cancel()
					server := exec.CommandContext(ctx, gnutls, "--http", "--port", "4433", "--priority", priority,
						"--x509certfile", files.cert, "--x509keyfile", files.key, "--x509cafile", files.clientCAs,
						"--require-client-cert", "--verify-client-cert", "--nodb")
					if err := server.Start(); err != nil {
						return err
					}
					defer server.Wait()
					defer cancel()
					conn, err := dialWhenUp("127.0.0.1:4433")
					if err != nil {
						return err
					}
					got, err = get(conn, config)
					return err
				})
				if _, ok := err.(noNetworkError); ok {
					if strings.Contains(os.Getenv("MYNAKIT_REQUIRE"), "gnutls") {
						t.Fatal(err)
					}
					t.Skip(err)
				}
				if !works {
					require.Error(t, err)
					return
				}
				require.NoError(t, err)
				assert.Equal(t, version, got)
			})
		}
	}
}

// dialWhenUp connects to a server that has just been started.
func dialWhenUp(address string) (conn net.Conn, err error) {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if conn, err = net.Dial("tcp4", address); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// A noNetworkError says that this process may not make a network of its own.
type noNetworkError struct{ error }

// inOwnNetwork runs f on a thread whose network has a loopback interface and
// nothing else. What f starts is in it, too.
func inOwnNetwork(f func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends here
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			result <- noNetworkError{fmt.Errorf("no network of one's own: %w", err)}
			return
		}
		if err := loopbackUp(); err != nil {
			result <- noNetworkError{fmt.Errorf("no loopback interface: %w", err)}
			return
		}
		result <- f()
	}()
	return <-result
}

func loopbackUp() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, request)
}
