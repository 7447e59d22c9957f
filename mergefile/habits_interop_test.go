package mergefile_test

import (
	"bytes"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/mergefile"
)

// The habits of Node programs, made by Node: each is found, and read right.
func TestInteropHabitsOfNode(t *testing.T) {
	slowPeer(t)
	tool(t, "node")
	requireHabits(t, 26, nil, "node", "habits.js")
}

// The habits of Java programs, made by javax.crypto.
func TestInteropHabitsOfJava(t *testing.T) {
	slowPeer(t)
	tool(t, "javac", "java")
	requireHabits(t, 13, map[string]string{"gcm": "AES-128-GCM"}, "java", "-XX:TieredStopAtLevel=1", "Habits.java")
}

// The habits of Python programs, made by its standard library and openssl.
func TestInteropHabitsOfPython(t *testing.T) {
	slowPeer(t)
	tool(t, "python3", "openssl")
	requireHabits(t, 13, map[string]string{"zip": "a ZIP archive", "gzip": "decrypts to gzip", "xml": "this is XML", "json": "base64 of JSON",
		"sha256": "a SHA-256, not the MD5", "aes256": "this is AES-256"}, "python3", "habits.py")
}

// requireHabits runs a program of another tool that writes the files of its
// habits: count of them are found and read right, and the rest have their kind
// named.
func requireHabits(t *testing.T, count int, named map[string]string, command ...string) {
	t.Helper()
	if raceDetector {
		t.Skip("the prober takes ten times as long with the race detector")
	}
	script, err := filepath.Abs(filepath.Join("testdata", "interop", command[len(command)-1]))
	require.NoError(t, err)
	dir := t.TempDir()
	peer(t, dir, command[0], slices.Concat(command[1:len(command)-1], []string{script, dir, string(testMaterial), string(testSecret)})...)
	files, err := filepath.Glob(filepath.Join(dir, "*.habit"))
	require.NoError(t, err)
	require.Len(t, files, count)
	for _, name := range files {
		key, err := os.ReadFile(strings.TrimSuffix(name, "habit") + "key")
		if err != nil {
			key = testMaterial
		}
		requireHabit(t, name, key)
	}
	for name, kind := range named {
		file, err := os.ReadFile(filepath.Join(dir, name+".named"))
		require.NoError(t, err)
		_, err = mergefile.ProbeForDeveloper(t.Context(), file, testMaterial, testSecret, nil)
		assert.ErrorContains(t, err, kind, name)
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
	secret, err := os.ReadFile(strings.TrimSuffix(name, "habit") + "secret")
	if err != nil {
		secret = testSecret
	}
	name = filepath.Base(name)
	found, err := mergefile.ProbeForDeveloper(t.Context(), file, key, secret, &mergefile.ProbeOptions{Name: name, Salt: hex.EncodeToString([]byte("pepper"))})
	if !assert.NoError(t, err, name) {
		return
	}
	got, err := drain(mergefile.NewReader(t.Context(), bytes.NewReader(file), found[0].Profile, found[0].Key, &mergefile.ReaderOptions{Name: name}))
	require.NoError(t, err, name)
	want := habitRows(t)
	if name == "minutes.habit" {
		for i, r := range want {
			want[i].Transaction, err = mergefile.NewTransaction(r.Transaction.Time().Truncate(time.Minute), r.Transaction.Sequence())
			require.NoError(t, err)
		}
	}
	assert.Equal(t, want, got, name)
}
