package mergefile_test

import (
	"bytes"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/mergefile"
)

// The habits of Node programs, made by Node: each is found, and read right.
func TestInteropHabitsOfNode(t *testing.T) {
	slowPeer(t)
	tool(t, "node")
	script, err := filepath.Abs(filepath.Join("testdata", "interop", "habits.js"))
	require.NoError(t, err)
	dir := t.TempDir()
	peer(t, dir, "node", script, dir, string(testMaterial), string(testSecret))
	files, err := filepath.Glob(filepath.Join(dir, "*.habit"))
	require.NoError(t, err)
	require.Greater(t, len(files), 20)
	for _, name := range files {
		requireHabit(t, name, testMaterial)
	}
}

// The habits of shell scripts: text by printf and md5sum's form, encryption by
// openssl.
func TestInteropHabitsOfOpenSSL(t *testing.T) {
	tool(t, "openssl")
	dir := t.TempDir()
	text := plainText(mergefile.Published(), habitRows(t))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "text"), text, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "pass"), append(bytes.Clone(testMaterial), '\n'), 0o600))
	for name, args := range map[string][]string{
		"nosalt":     {"-aes-128-cbc", "-md", "md5", "-nosalt", "-pass", "file:pass"},
		"nosalt-256": {"-aes-128-cbc", "-md", "sha256", "-nosalt", "-pass", "file:pass"},
		"pbkdf2-512": {"-aes-128-cbc", "-pbkdf2", "-md", "sha512", "-iter", "1000", "-pass", "file:pass"},
		"ofb":        {"-aes-128-ofb", "-K", hex.EncodeToString(testMaterial), "-iv", strings.Repeat("0", 32)},
	} {
		peer(t, dir, "openssl", append([]string{"enc", "-e", "-in", "text", "-out", name + ".habit"}, args...)...)
		requireHabit(t, filepath.Join(dir, name+".habit"), testMaterial)
	}
	// Sixteen digits where 32 are due: openssl fills the key with zeros.
	out := filepath.Join(dir, "short.habit")
	cmd := exec.CommandContext(t.Context(), "openssl", "enc", "-e", "-aes-128-cbc", "-K", "00112233aabbccdd", "-iv", strings.Repeat("0", 32), "-in", "text", "-out", out)
	cmd.Dir = dir
	require.NoError(t, cmd.Run())
	requireHabit(t, out, []byte("00112233aabbccdd"))
}

func habitRows(t *testing.T) (rs []mergefile.Record) {
	for _, r := range habitRecords(t, t.TempDir()) {
		h, err := mergefile.NewMallHolder(r.holder)
		require.NoError(t, err)
		tx, err := mergefile.NewTransaction(r.at, r.sequence)
		require.NoError(t, err)
		rs = append(rs, mergefile.Record{Holder: h, Points: r.points, Transaction: tx})
	}
	return rs
}

// requireHabit finds the profile of a file and reads it.
func requireHabit(t *testing.T, name string, key []byte) {
	t.Helper()
	file, err := os.ReadFile(name)
	require.NoError(t, err)
	found, err := mergefile.ProbeForDeveloper(t.Context(), file, key, testSecret, &mergefile.ProbeOptions{Salt: hex.EncodeToString([]byte("pepper"))})
	if !assert.NoError(t, err, filepath.Base(name)) {
		return
	}
	got, err := drain(mergefile.NewReader(t.Context(), bytes.NewReader(file), found[0].Profile, found[0].Key, nil))
	require.NoError(t, err, filepath.Base(name))
	assert.Equal(t, habitRows(t), got, filepath.Base(name))
}
