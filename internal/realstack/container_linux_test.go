package realstack

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const container = "../../examples/vcard/container/"

// namespace is what a container has of its own: processes, a loopback, /run/pcscd.
const namespace = `
set -eu
perl -MSocket -e 'socket(my $s, PF_INET, SOCK_DGRAM, 0) or die $!; my $r = pack("a16 s x22", "lo", 1); ioctl($s, 0x8914, $r) or die $!'
mount -t tmpfs tmpfs /run/pcscd
until_seen() { for _ in $(seq 1000); do timeout 20 opensc-tool -l 2>/dev/null | grep -q "$1" && return; sleep 0.1; done; echo "never seen: $1"; exit 1; }
call() { exec 3<>/dev/tcp/127.0.0.1/40100; printf '%s /v1/%s HTTP/1.1\r\nHost: 127.0.0.1:40100\r\nContent-Length: 0\r\nConnection: close\r\n\r\n' "$1" "$2" >&3; cat <&3; exec 3>&-; }
`

// inNamespace runs a script where nothing of this machine's card stack is.
func inNamespace(t *testing.T, script string) string {
	t.Helper()
	needStack(t)
	bin := t.TempDir()
	output(t, "go", "build", "-o", filepath.Join(bin, "vcard"), "../../examples/vcard")
	start, err := os.ReadFile(container + "start")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(bin, "start"), start, 0o700))
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child", "bash", "-c", namespace+script)
	cmd.Dir = bin
	cmd.Env = append(os.Environ(), "PATH="+bin+":/usr/sbin:"+os.Getenv("PATH"), "LC_ALL=C", "TMPDIR="+bin)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

// The container recipe: what the Dockerfile copies is there, what it installs is
// what these tests run on, and its entry point with its arguments does what the
// guide says, twice, the second time after a kill that left its files.
func TestContainer(t *testing.T) {
	needStack(t)
	file, err := os.ReadFile(container + "Dockerfile")
	require.NoError(t, err)
	for _, m := range regexp.MustCompile(`(?m)^COPY ([a-z]\S*/\S*) `).FindAllStringSubmatch(string(file), -1) {
		assert.FileExists(t, "../../"+m[1])
	}
	build := regexp.MustCompile(`go build \S+ -o \S+ (\S+)`).FindStringSubmatch(string(file))
	require.NotNil(t, build)
	assert.FileExists(t, "../../"+build[1]+"/main.go")
	install := regexp.MustCompile(`--no-install-recommends (.*?) &&`).FindStringSubmatch(string(file))
	require.NotNil(t, install)
	for _, p := range strings.Fields(install[1]) {
		assert.Contains(t, output(t, "dpkg-query", "-W", "-f=${Status}", p), "ok installed")
	}
	entry := regexp.MustCompile(`ENTRYPOINT \["(.*)"\]`).FindStringSubmatch(string(file))
	args := regexp.MustCompile(`CMD \[(.*)\]`).FindStringSubmatch(string(file))
	require.NotNil(t, entry)
	require.NotNil(t, args)
	command := entry[1] + " " + strings.NewReplacer(`", "`, " ", `"`, "").Replace(args[1])

	out := inNamespace(t, `
touch /run/pcscd/pcscd.comm; echo $$ >/run/pcscd/pcscd.pid # as of a daemon that was killed, whose number is another's now
`+command+` >first &
main=$!
until_seen '^0 *Yes'
cat first
call GET card | tail -n 1
kill $main; wait $main || echo "ended: $?"
! pgrep -x 'pcscd|vcard'
`)
	assert.Contains(t, out, `"control":"http://127.0.0.1:40100","reader":"Virtual PCD 00 00"`)
	assert.Contains(t, out, `"inserted":true,"powered":`)
	assert.Contains(t, out, "ended: ")
}

// pcscd ends and comes back, and the card with it.
func TestDaemonRestarts(t *testing.T) {
	out := inNamespace(t, `
options=--foreground; pcscd --help 2>&1 | grep -q -- --disable-polkit && options="$options --disable-polkit"
vcard -control 127.0.0.1:40100 >first 2>told &
card=$!
for _ in 1 2 3; do
	pcscd $options >/dev/null 2>&1 & daemon=$!
	until_seen '^0 *Yes'
	kill $daemon; wait $daemon || true
done
for _ in $(seq 2000); do # the card learns of it by the connection that ends
	call GET card | tail -n 1 >now
	grep -q '"inserted":false' now && break
	sleep 0.05
done
cat now told
kill $card; wait $card
`)
	assert.Contains(t, out, "went away; the card goes in again when it is back")
	assert.Contains(t, out, `"inserted":false`)
}
