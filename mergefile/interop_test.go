package mergefile_test

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/mergefile"
)

// tool finds another implementation. Without it the test is skipped, unless
// the environment says that it must be there.
func tool(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			message := name + " is not installed, so that nothing was compared with it"
			if strings.Contains(os.Getenv("MYNAKIT_REQUIRE"), "interop") {
				t.Fatal(message)
			}
			t.Skip(message)
		}
	}
}

// peer runs another implementation in dir.
func peer(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s %v: %s", name, args, out)
}

// interopRecords are the records that every peer writes: the two of III.14's
// examples in our tests.
func interopRecords(t *testing.T) []mergefile.Record {
	t.Helper()
	rs := records(t, mergefile.Standard(), 2)
	rs[0].Points, rs[1].Points = 100, 5100
	return rs
}

// exchange is one peer under one profile, there and back. The peer knows a
// profile by its name and does the whole of it: text, hash, encryption.
func exchange(t *testing.T, p mergefile.Profile, key string, dir string, seal, open func(profile, in, out string)) {
	t.Run(p.Name, func(t *testing.T) {
		k := makeKey(t, "k1", []byte(key), testSecret)
		rs := interopRecords(t)
		var rows strings.Builder
		for _, r := range rs {
			rows.WriteString(rowOf(r) + "\n")
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, "rows"), []byte(rows.String()), 0o600))

		// Theirs opens here.
		seal(p.Name, "rows", "theirs.bin")
		theirs, err := os.ReadFile(filepath.Join(dir, "theirs.bin"))
		require.NoError(t, err)
		for _, w := range ways {
			got, err := w.read(t.Context(), theirs, p, k, mergefile.ReaderOptions{})
			require.NoError(t, err, w.name)
			require.Equal(t, rs, got)
		}

		// Ours opens there, to the byte.
		ours, _ := write(t, p, k, rs)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "ours.bin"), ours, 0o600))
		open(p.Name, "ours.bin", "ours.rows")
		got, err := os.ReadFile(filepath.Join(dir, "ours.rows"))
		require.NoError(t, err)
		require.Equal(t, rows.String(), string(got))

		// And where nothing is random, both files are one.
		if p.Cipher.Mode == mergefile.CipherECB || p.Cipher.IV == mergefile.IVFixed {
			require.True(t, bytes.Equal(theirs, ours), "theirs %x, ours %x", theirs, ours)
		}
	})
}

// rowOf spells a record without its hash.
func rowOf(r mergefile.Record) string {
	return fmt.Sprintf("%s,%d,%s%06d", r.Holder.Reveal(), r.Points, r.Transaction.Time().Format("20060102150405"), r.Transaction.Sequence())
}

// plainText spells records as the literal presets have them.
func plainText(p mergefile.Profile, rs []mergefile.Record) []byte {
	var b bytes.Buffer
	for _, r := range rs {
		row := rowOf(r)
		hash := fmt.Sprintf("%x", md5.Sum([]byte(strings.ReplaceAll(row, ",", "")+string(testSecret))))
		if p.Hash.Text == mergefile.HashHexUpper {
			hash = strings.ToUpper(hash)
		}
		eol := "\r\n"
		if p.EOL == mergefile.EOLLF {
			eol = "\n"
		}
		b.WriteString(row + "," + hash + eol)
	}
	return b.Bytes()
}

func interopProfiles() []mergefile.Profile {
	return []mergefile.Profile{mergefile.Standard(), mergefile.Published(), mergefile.JavaDefault(), mergefile.DotNetDefault(),
		mergefile.OpenSSLMD5(), mergefile.OpenSSLPBKDF2(), mergefile.MySQL()}
}

// interopKey is longer than 16 bytes where the profile takes any length.
func interopKey(p mergefile.Profile) string {
	if p.Cipher.Key == mergefile.KeyRaw {
		return string(testMaterial)
	}
	return "a longer passphrase, of 38 characters."
}

// slowPeer skips what starts a virtual machine dozens of times.
func slowPeer(t *testing.T) {
	t.Helper()
	if os.Getenv("MYNAKIT_LONG") != "1" && !strings.Contains(os.Getenv("MYNAKIT_REQUIRE"), "interop") {
		t.Skip("takes half a minute: set MYNAKIT_LONG=1 or MYNAKIT_REQUIRE=interop")
	}
}

func TestInteropJava(t *testing.T) {
	slowPeer(t)
	tool(t, "javac", "java")
	dir := t.TempDir()
	source, err := os.ReadFile(filepath.Join("testdata", "interop", "Merge.java"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "Merge.java"), source, 0o600))
	peer(t, dir, "javac", "-encoding", "UTF-8", "Merge.java")
	for _, p := range interopProfiles() {
		key := interopKey(p)
		run := func(task string) func(profile, in, out string) {
			return func(profile, in, out string) {
				peer(t, dir, "java", "-XX:TieredStopAtLevel=1", "-cp", ".", "Merge", task, profile, key, string(testSecret), in, out)
			}
		}
		exchange(t, p, key, dir, run("seal"), run("open"))
	}
}

func TestInteropNode(t *testing.T) {
	slowPeer(t)
	tool(t, "node")
	dir := t.TempDir()
	script, err := filepath.Abs(filepath.Join("testdata", "interop", "merge.js"))
	require.NoError(t, err)
	for _, p := range append(interopProfiles(), mergefile.Envelope()) {
		key := interopKey(p)
		run := func(task string) func(profile, in, out string) {
			return func(profile, in, out string) {
				peer(t, dir, "node", script, task, profile, key, string(testSecret), in, out)
			}
		}
		exchange(t, p, key, dir, run("seal"), run("open"))
	}
}

// openssl enc does the encryption; the text is spelled here with fmt, as a
// shell script would with md5sum.
func TestInteropOpenSSL(t *testing.T) {
	tool(t, "openssl")
	rs := interopRecords(t)
	dir := t.TempDir()
	hexKey := hex.EncodeToString(testMaterial)
	const pass = "a longer passphrase, of 38 characters."
	folded := make([]byte, 16)
	for i := range len(pass) {
		folded[i%16] ^= pass[i]
	}
	iv := strings.Repeat("5a", 16)
	fixed := mergefile.DotNetDefault()
	fixed.Cipher.FixedIV = iv
	ctr := mergefile.Published()
	ctr.Name, ctr.Cipher.Mode, ctr.Cipher.IV, ctr.Cipher.FixedIV, ctr.Cipher.Padding = "ctr", mergefile.CipherCTR, mergefile.IVFixed, iv, mergefile.PaddingNone
	cfb8, cfb := ctr, ctr
	cfb8.Name, cfb8.Cipher.Mode = "cfb8", mergefile.CipherCFB8
	cfb.Name, cfb.Cipher.Mode = "cfb", mergefile.CipherCFB128
	sha := mergefile.OpenSSLMD5()
	sha.Name, sha.Cipher.Key = "openssl since 1.1.0", mergefile.KeyEVPSHA256
	hashed := fixed
	hashed.Name, hashed.Cipher.Key = "key of md5", mergefile.KeyMD5
	wrapped := mergefile.OpenSSLPBKDF2()
	wrapped.Name, wrapped.Cipher.Outer, wrapped.Cipher.OuterEOL = "openssl enc -a", mergefile.OuterBase64W, mergefile.EOLLF
	for _, c := range []struct {
		p     mergefile.Profile
		key   string
		args  []string
		exact bool // nothing is random
	}{
		{mergefile.JavaDefault(), string(testMaterial), []string{"-aes-128-ecb", "-K", hexKey}, true},
		{mergefile.MySQL(), pass, []string{"-aes-128-ecb", "-K", hex.EncodeToString(folded)}, true},
		{fixed, string(testMaterial), []string{"-aes-128-cbc", "-K", hexKey, "-iv", iv}, true},
		{hashed, pass, []string{"-aes-128-cbc", "-K", opensslMD5(t, pass), "-iv", iv}, true},
		{ctr, string(testMaterial), []string{"-aes-128-ctr", "-K", hexKey, "-iv", iv}, true},
		{cfb8, string(testMaterial), []string{"-aes-128-cfb8", "-K", hexKey, "-iv", iv}, true},
		{cfb, string(testMaterial), []string{"-aes-128-cfb", "-K", hexKey, "-iv", iv}, true},
		{mergefile.OpenSSLMD5(), pass, []string{"-aes-128-cbc", "-md", "md5", "-pass", "file:pass"}, false},
		{sha, pass, []string{"-aes-128-cbc", "-pass", "file:pass"}, false},
		{mergefile.OpenSSLPBKDF2(), pass, []string{"-aes-128-cbc", "-pbkdf2", "-pass", "file:pass"}, false},
		{wrapped, pass, []string{"-aes-128-cbc", "-pbkdf2", "-a", "-pass", "file:pass"}, false},
	} {
		t.Run(c.p.Name, func(t *testing.T) {
			require.NoError(t, c.p.Validate())
			require.NoError(t, os.WriteFile(filepath.Join(dir, "pass"), []byte(pass+"\n"), 0o600))
			text := plainText(c.p, rs)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "text"), text, 0o600))
			peer(t, dir, "openssl", append([]string{"enc", "-e", "-in", "text", "-out", "theirs.bin"}, c.args...)...)
			theirs, err := os.ReadFile(filepath.Join(dir, "theirs.bin"))
			require.NoError(t, err)
			k := makeKey(t, "k1", []byte(c.key), testSecret)
			for _, w := range ways {
				got, err := w.read(t.Context(), theirs, c.p, k, mergefile.ReaderOptions{})
				require.NoError(t, err, w.name)
				require.Equal(t, rs, got)
			}
			ours, _ := write(t, c.p, k, rs)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "ours.bin"), ours, 0o600))
			peer(t, dir, "openssl", append([]string{"enc", "-d", "-in", "ours.bin", "-out", "back"}, c.args...)...)
			back, err := os.ReadFile(filepath.Join(dir, "back"))
			require.NoError(t, err)
			require.Equal(t, string(text), string(back))
			if c.exact {
				require.True(t, bytes.Equal(theirs, ours))
			}
		})
	}

	// The sidecar: HKDF and HMAC by openssl give the same line.
	t.Run("Sidecar", func(t *testing.T) {
		ours, mac := write(t, mergefile.Sidecar(), testKey(t), rs)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "ours.bin"), ours, 0o600))
		out, err := exec.CommandContext(t.Context(), "openssl", "kdf", "-keylen", "32", "-kdfopt", "digest:SHA256", "-kdfopt", "hexkey:"+hexKey,
			"-kdfopt", "info:mynakit mergefile sidecar 1", "HKDF").Output()
		require.NoError(t, err)
		derived := strings.ToLower(strings.ReplaceAll(strings.TrimSpace(string(out)), ":", ""))
		cmd := exec.CommandContext(t.Context(), "openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt", "hexkey:"+derived, "-r", "ours.bin")
		cmd.Dir = dir
		out, err = cmd.Output()
		require.NoError(t, err)
		sum, _, _ := strings.Cut(string(out), " ")
		require.Equal(t, "mergefile-mac-1 k1 "+sum+"\n", string(mac))
	})
}

// opensslMD5 gives the MD5 of a text in hexadecimal, by openssl.
func opensslMD5(t *testing.T, text string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "openssl", "dgst", "-md5", "-r")
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.Output()
	require.NoError(t, err)
	sum, _, _ := strings.Cut(string(out), " ")
	return sum
}
