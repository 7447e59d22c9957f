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

// What other programs write, made by such programs: each file is found, and the
// first reading is right. At the end the habits are counted by their axes.
func TestInteropHabits(t *testing.T) {
	seen := map[string]bool{}
	ran := 0
	for _, maker := range []struct {
		name  string
		tools []string
		make  func(t *testing.T, h *habitFiles)
	}{
		{"node", []string{"node"}, func(t *testing.T, h *habitFiles) {
			h.run(t, 26, nil, "node", "habits.js")
		}},
		{"java", []string{"javac", "java"}, func(t *testing.T, h *habitFiles) {
			h.run(t, 13, map[string]string{"gcm": "AES-128-GCM"}, "java", "-XX:TieredStopAtLevel=1", "Habits.java")
		}},
		{"python", []string{"python3", "openssl"}, func(t *testing.T, h *habitFiles) {
			h.run(t, 13, map[string]string{"zip": "a ZIP archive", "gzip": "decrypts to gzip", "xml": "this is XML", "json": "base64 of JSON",
				"sha256": "a SHA-256, not the MD5", "aes256": "this is AES-256"}, "python3", "habits.py")
		}},
		{"php", []string{"php"}, func(t *testing.T, h *habitFiles) {
			h.run(t, 27, map[string]string{"json": "base64 of JSON", "gzip": "decrypts to gzip", "sha256": "a SHA-256, not the MD5", "aes256": "this is AES-256",
				"lines": "one cipher for each record", "quotes": "A later record has quotes"}, "php", "habits.php")
		}},
		{"openssl", []string{"openssl"}, opensslHabits},
	} {
		t.Run(maker.name, func(t *testing.T) {
			if maker.name != "openssl" {
				slowPeer(t)
			}
			tool(t, maker.tools...)
			h := &habitFiles{maker: maker.name, dir: t.TempDir(), seen: seen}
			maker.make(t, h)
			t.Logf("the slowest is %s: %v", h.slow, h.slowest)
			ran++
		})
	}
	if ran < 5 || t.Failed() {
		return // not all of the tools are here
	}
	right, named := 0, 0
	for _, a := range habitAxes {
		name, isNamed := strings.CutSuffix(a.shown, " named")
		assert.True(t, seen[name], "%s: nothing shows it", a.axis)
		if isNamed {
			named++
		} else {
			right++
		}
	}
	t.Logf("%d axes: %d recognised with the first reading right, %d named and not read; %d files in all", len(habitAxes), right, named, len(seen))
}

// habitAxes are the habits that were collected from other programs, each with the
// file that shows it. Those that no profile reads are named by the prober:
// docs/mergefile.md says why.
var habitAxes = []struct{ axis, shown string }{
	{"hash: zeros in front are lost", "java/hash-bigint"},
	{"hash: zeros within are lost", "node/hash-bytes"},
	{"hash: dashes", "python/hash-dashes"},
	{"hash: of UTF-16LE", "node/hash-utf16"},
	{"hash: of UTF-16BE", "java/hash-utf16be"},
	{"hash: HMAC", "php/hash-hmac"},
	{"hash: base64 without =", "node/hash-base64"},
	{"text: semicolons", "python/semicolons"},
	{"text: pipes", "node/pipes"},
	{"text: comma and space", "node/comma-space"},
	{"text: hyphens in the holder", "php/hyphens"},
	{"text: number in two columns", "php/two-columns"},
	{"text: number in three columns", "java/three-columns"},
	{"text: no line end at the end", "php/no-last-end"},
	{"text: two line ends at the end", "node/empty-line"},
	{"text: Ctrl-Z at the end", "node/ctrl-z"},
	{"text: delimiter at the end", "node/trailing"},
	{"text: points filled with spaces", "java/points-spaces"},
	{"text: points with commas", "java/points-commas"},
	{"text: points with a sign", "node/plus"},
	{"text: years of two digits", "java/two-digit-years"},
	{"text: no seconds", "python/minutes"},
	{"text: only the holder in quotes", "python/holder-quoted"},
	{`text: ="520625"`, "node/excel"},
	{"text: UTF-16 with tabs", "node/utf16-file"},
	{"text: CR alone", "node/cr"},
	{"text: fill behind fixed records", "python/fixed-fill"},
	{"container: the last line of base64 is open", "java/mime"},
	{"container: base64url", "php/base64-url"},
	{"container: base64 twice", "php/base64-twice"},
	{"container: IV and a colon", "php/options-0"},
	{"container: IV and a full stop", "node/iv-dot-base64"},
	{"container: IV at the end", "node/iv-behind"},
	{"container: hexadecimal in lines of 60", "python/hex-60"},
	{"container: gzip inside", "php/gzip named"},
	{"container: JSON of a framework", "php/json named"},
	{"cipher: OFB", "openssl/ofb"},
	{"cipher: 0x80 as padding", "java/iso7816"},
	{"cipher: a nonce of 8 bytes", "node/nonce"},
	{"cipher: a date as the IV", "java/20170513"},
	{"cipher: MD5 of the name as the IV", "java/name-md5"},
	{"key: a text that is cut", "php/key-cut"},
	{"key: a text that is filled", "php/key-filled"},
	{"key: hexadecimal text of MD5", "php/key-md5-hex"},
	{"key: hexadecimal text of SHA-256", "php/key-sha256-hex"},
	{"key: 16 bytes of SHA-1", "java/key-sha1"},
	{"key: 16 bytes of SHA-256", "node/key-sha256"},
	{"key: -nosalt", "openssl/nosalt"},
	{"key: PBKDF2 of another digest", "java/pbkdf2-sha512"},
	{"key: PBKDF2 of another count", "openssl/pbkdf2-512"},
	{"key: PBKDF2 with a fixed salt", "java/pbkdf2-sha1"},
	{"key: 16 hexadecimal digits, filled", "openssl/short"},
	{"key: UNHEX(SHA2())", "python/mysql-sha2-256"},
	{"secret: in CP932", "php/secret-cp932"},
	{"secret: in EUC-JP", "python/secret-euc-jp"},
	{"secret: with a BOM", "python/secret-cp932"},
}

// habitFiles are the files that a program makes.
type habitFiles struct {
	maker, dir string
	seen       map[string]bool
	slow       string        // the one that the prober took longest for
	slowest    time.Duration // which was this long
}

// probe is ProbeForDeveloper, and takes the time.
func (h *habitFiles) probe(t *testing.T, habit string, file, key, secret []byte, opts *mergefile.ProbeOptions) ([]mergefile.Probed, error) {
	began := time.Now()
	found, err := mergefile.ProbeForDeveloper(t.Context(), file, key, secret, opts)
	if took := time.Since(began); took > h.slowest {
		h.slow, h.slowest = habit, took
	}
	return found, err
}

// run runs a program of another tool that writes the files of its habits: count
// of them are found and read right, and the rest have their kind named.
func (h *habitFiles) run(t *testing.T, count int, named map[string]string, command ...string) {
	t.Helper()
	if raceDetector {
		t.Skip("the prober takes ten times as long with the race detector")
	}
	script, err := filepath.Abs(filepath.Join("testdata", "interop", command[len(command)-1]))
	require.NoError(t, err)
	peer(t, h.dir, command[0], slices.Concat(command[1:len(command)-1], []string{script, h.dir, string(testMaterial), string(testSecret)})...)
	files, err := filepath.Glob(filepath.Join(h.dir, "*.habit"))
	require.NoError(t, err)
	require.Len(t, files, count)
	for _, name := range files {
		key, err := os.ReadFile(strings.TrimSuffix(name, "habit") + "key")
		if err != nil {
			key = testMaterial
		}
		h.require(t, strings.TrimSuffix(filepath.Base(name), ".habit"), key)
	}
	files, err = filepath.Glob(filepath.Join(h.dir, "*.named"))
	require.NoError(t, err)
	require.Len(t, files, len(named))
	for name, kind := range named {
		file, err := os.ReadFile(filepath.Join(h.dir, name+".named"))
		require.NoError(t, err)
		_, err = h.probe(t, name, file, testMaterial, testSecret, nil)
		h.seen[h.maker+"/"+name] = assert.ErrorContains(t, err, kind, name)
	}
}

// opensslHabits are those of shell scripts: text by printf and md5sum's form,
// encryption by openssl.
func opensslHabits(t *testing.T, h *habitFiles) {
	text := plainText(mergefile.Published(), habitRows(t))
	require.NoError(t, os.WriteFile(filepath.Join(h.dir, "text"), text, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(h.dir, "pass"), append(bytes.Clone(testMaterial), '\n'), 0o600))
	for name, args := range map[string][]string{
		"nosalt":     {"-aes-128-cbc", "-md", "md5", "-nosalt", "-pass", "file:pass"},
		"nosalt-256": {"-aes-128-cbc", "-md", "sha256", "-nosalt", "-pass", "file:pass"},
		"pbkdf2-512": {"-aes-128-cbc", "-pbkdf2", "-md", "sha512", "-iter", "1000", "-pass", "file:pass"},
		"ofb":        {"-aes-128-ofb", "-K", hex.EncodeToString(testMaterial), "-iv", strings.Repeat("0", 32)},
	} {
		peer(t, h.dir, "openssl", append([]string{"enc", "-e", "-in", "text", "-out", name + ".habit"}, args...)...)
		h.require(t, name, testMaterial)
	}
	// Sixteen digits where 32 are due: openssl fills the key with zeros.
	out := filepath.Join(h.dir, "short.habit")
	cmd := exec.CommandContext(t.Context(), "openssl", "enc", "-e", "-aes-128-cbc", "-K", "00112233aabbccdd", "-iv", strings.Repeat("0", 32), "-in", "text", "-out", out)
	cmd.Dir = h.dir
	require.NoError(t, cmd.Run())
	h.require(t, "short", []byte("00112233aabbccdd"))
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

// require finds the profile of a file and reads it.
func (h *habitFiles) require(t *testing.T, habit string, key []byte) {
	t.Helper()
	name := habit + ".habit"
	file, err := os.ReadFile(filepath.Join(h.dir, name))
	require.NoError(t, err)
	secret, err := os.ReadFile(filepath.Join(h.dir, habit+".secret"))
	if err != nil {
		secret = testSecret
	}
	found, err := h.probe(t, habit, file, key, secret, &mergefile.ProbeOptions{Name: name, Salt: hex.EncodeToString([]byte("pepper"))})
	if !assert.NoError(t, err, name) {
		return
	}
	got, err := drain(mergefile.NewReader(t.Context(), bytes.NewReader(file), found[0].Profile, found[0].Key, &mergefile.ReaderOptions{Name: name}))
	require.NoError(t, err, name)
	want := habitRows(t)
	for i, r := range want {
		switch habit {
		case "minutes":
			want[i].Transaction, err = mergefile.NewTransaction(r.Transaction.Time().Truncate(time.Minute), r.Transaction.Sequence())
			require.NoError(t, err)
		case "hyphens":
			number := r.Holder.Reveal()
			require.Equal(t, number[:4]+"-"+number[4:], got[i].Holder.Reveal())
			got[i].Holder = r.Holder
		}
	}
	h.seen[h.maker+"/"+habit] = assert.Equal(t, want, got, name)
}
