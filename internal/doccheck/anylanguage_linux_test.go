package doccheck

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// bed starts pcscd in namespaces of its own, puts the card in, and runs the
// script $1 when OpenSC sees it.
const bed = `
set -eu
# SIOCSIFFLAGS with IFF_UP: iproute2 is not everywhere, perl is part of Debian.
perl -MSocket -e 'socket(my $s, PF_INET, SOCK_DGRAM, 0) or die $!; my $r = pack("a16 s x22", "lo", 1); ioctl($s, 0x8914, $r) or die $!'
mkdir -p /run/pcscd
mount -t tmpfs tmpfs /run/pcscd
polkit=; pcscd --help 2>&1 | grep -q -- --disable-polkit && polkit=--disable-polkit
pcscd --foreground $polkit >pcscd.log 2>&1 &
daemon=$!
until_seen() { for _ in $(seq 1000); do timeout 20 opensc-tool -l 2>/dev/null | grep -q "$1" && return; sleep 0.05; done; cat pcscd.log; exit 1; }
until_seen 'Virtual PCD'
"$VCARD" $FLAGS &
card=$!
until_seen '^0 *Yes'
status=0
timeout 300 bash -eux "$1" || status=$?
kill $card; wait $card
kill $daemon; wait $daemon || true
exit $status
`

// anyLanguage runs what the guide types into a terminal, on a real PC/SC stack.
func (p programs) anyLanguage(t *testing.T) {
	if why := noStack(); why != "" {
		if strings.Contains(os.Getenv("MYNAKIT_REQUIRE"), "pcsc") {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	guide := readDocument(t, "docs/simulator.md")
	shell := guide.in("sh")
	require.Len(t, shell, 4, "one block that starts, one that steers, one for pytest, one that uses the card")
	_, flags, ok := strings.Cut(shell[0].text, "\nvcard ")
	require.True(t, ok, "the block that starts it ends in vcard and its flags")
	dir := t.TempDir()
	script := shell[1].text + shell[3].text
	inPython := guide.in("python")
	require.Len(t, inPython, 2)
	_, first, _ := strings.Cut(readFile(t, "examples/vcard/recipes/python/test_first.py"), "\n\n")
	assert.Equal(t, first, inPython[0].text, "the guide shows the recipe, which internal/realstack runs")
	python := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", "import smartcard").Run() == nil
	if python {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "serial.py"), []byte(inPython[1].text), 0o600))
		script += "/usr/bin/python3 serial.py\n"
	} else {
		t.Log("without python3-pyscard: the guide's Python is not run")
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "script"), []byte(script), 0o600))

	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child", "bash", "-c", bed, "bed", "script")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "VCARD="+p.build(t, filepath.Join(root, "examples", "vcard")), "FLAGS="+strings.TrimSpace(flags))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, want := range []string{"Virtual PCD 00 00", "Tries left     : 3", "Verified OK",
		`"control":"http://127.0.0.1:40100","reader":"Virtual PCD 00 00"`, `"kind":"expired"`, `"left":1,"tries":3`, `"applied":0`, `"kind":"plastic"`} {
		assert.Contains(t, string(out), want)
	}
	if python {
		assert.Contains(t, string(out), "\n030d45\n")
	}
}

// noStack tells why there is no PC/SC stack to be had; "" when there is one.
func noStack() string {
	for _, p := range []string{"unshare", "perl", "pcscd", "opensc-tool", "pkcs15-tool", "pkcs11-tool", "openssl", "curl"} {
		if _, err := exec.LookPath(p); err != nil {
			return fmt.Sprintf("%s not found: apt-get install pcscd vsmartcard-vpcd opensc opensc-pkcs11 openssl curl", p)
		}
	}
	if os.Getuid() != 0 {
		return "not root: the test needs namespaces of its own"
	}
	if out, err := exec.Command("unshare", "--mount", "--net", "--pid", "--fork", "true").CombinedOutput(); err != nil {
		return fmt.Sprintf("no namespaces here: %v: %s", err, out)
	}
	return ""
}
