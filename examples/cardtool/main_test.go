package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/apdu/pcsc"
	"github.com/mynakit/mynakit/examples/internal/speak"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/jpki/unlock"
	"github.com/mynakit/mynakit/simcard"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"cardtool": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata", Setup: func(env *testscript.Env) error {
		// The year of the card's expiry, which moves on with the calendar, is in it.
		number := simcard.New().Holder().NumberB()
		err := os.WriteFile(filepath.Join(env.WorkDir, "numberB"), []byte(number+"\n"), 0o600)
		// The files of a script are extracted for everybody to read.
		files, _ := filepath.Glob(filepath.Join(env.WorkDir, "*"))
		for _, f := range files {
			if info, serr := os.Stat(f); serr == nil && info.Mode().IsRegular() {
				err = errors.Join(err, os.Chmod(f, 0o600))
			}
		}
		return err
	}})
}

func noEnv(string) string { return "" }

// tool runs one task on the software card and gives what it printed.
func tool(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errOut bytes.Buffer
	devNull, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer devNull.Close()
	code = run(context.Background(), func() {}, args, noEnv, devNull, &out, &errOut)
	return out.String(), errOut.String(), code
}

func TestSerialCost(t *testing.T) {
	out, _, code := tool(t, "serial", "-json")
	require.Zero(t, code)
	var got struct {
		Serial        string
		Exchanges     int
		BytesSent     int `json:"bytes_sent"`
		BytesReceived int `json:"bytes_received"`
	}
	require.NoError(t, json.Unmarshal([]byte(out), &got))
	assert.NotEmpty(t, got.Serial)
	assert.Equal(t, 2, got.Exchanges)
	assert.LessOrEqual(t, got.BytesSent+got.BytesReceived, 90)
}

func TestSignatureMatchesCertificate(t *testing.T) {
	dir := t.TempDir()
	pinFile := filepath.Join(dir, "pin")
	require.NoError(t, os.WriteFile(pinFile, []byte("1234\r\n"), 0o600))
	data := filepath.Join(dir, "data")
	require.NoError(t, os.WriteFile(data, []byte("to be signed"), 0o600))

	out, _, code := tool(t, "cert", "-json")
	require.Zero(t, code)
	var cert certJSON
	require.NoError(t, json.Unmarshal([]byte(out), &cert))
	block, _ := pem.Decode([]byte(cert.PEM))
	require.NotNil(t, block)
	parsed, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)

	for _, check := range []bool{false, true} {
		out, stderr, code := tool(t, "sign", "-json", "-pin-file", pinFile, "-in", data, fmt.Sprintf("-check=%v", check))
		require.Zero(t, code, stderr)
		var got struct {
			Signature string
			Exchanges int
		}
		require.NoError(t, json.Unmarshal([]byte(out), &got))
		signature, err := base64.StdEncoding.DecodeString(got.Signature)
		require.NoError(t, err)
		digest := sha256.Sum256([]byte("to be signed"))
		assert.NoError(t, rsa.VerifyPKCS1v15(parsed.PublicKey.(*rsa.PublicKey), crypto.SHA256, digest[:], signature))
		if !check {
			assert.Equal(t, 4, got.Exchanges)
		}
	}
}

// Who tries the software card finds its PINs wherever they look for help.
func TestHelpTellsThePINs(t *testing.T) {
	help, _, code := tool(t, "help")
	require.Zero(t, code)
	texts := map[string]string{"help": help}
	for _, task := range tasks(speak.VoiceIn("en")) {
		if task.cardless {
			continue
		}
		_, texts[task.name], code = tool(t, task.name, "-h")
		require.Zero(t, code)
		assert.Contains(t, texts[task.name], task.about)
	}
	for name, text := range texts {
		for _, pin := range []string{"auth 1234", "sign ABC123", "text 2345", "common 3456", "juki 4567"} {
			assert.Contains(t, text, pin, name)
		}
	}
}

// Each kind that the help names is a card, and each of the simulator's is named.
func TestKinds(t *testing.T) {
	_, help, code := tool(t, "info", "-h")
	require.Zero(t, code)
	for _, kind := range []string{"plastic", "android", "iphone", "juki", "child", "pinless", "residence",
		"next-generation-plan", "expired", "revoked", "foreign-resident"} {
		assert.Regexp(t, `kind of the software card: .*\b`+kind+`\b`, help)
		_, stderr, code := tool(t, "info", "-kind", kind)
		assert.Zero(t, code, "%s: %s", kind, stderr)
	}
}

// A message in PEM is the message.
func TestVerifyPEM(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, content, 0o600))
		return path
	}
	roots := file("roots", pem.EncodeToMemory(&pem.Block{
		Type: "CERTIFICATE", Bytes: simcard.TestAuthority().Auth().Certificate().Raw,
	}))
	// What is signed looks like PEM: the message is DER all the same.
	content := file("content", pem.EncodeToMemory(&pem.Block{Type: "CMS", Bytes: []byte("no message")}))
	signed := filepath.Join(dir, "der")
	_, stderr, code := tool(t, "cms-sign", "-pin-file", file("pin", []byte("1234")), "-in", content, "-out", signed)
	require.Zero(t, code, stderr)
	der, err := os.ReadFile(signed)
	require.NoError(t, err)

	cms := pem.EncodeToMemory(&pem.Block{Type: "CMS", Bytes: der})
	for name, message := range map[string][]byte{
		"DER":                  der,
		"CMS":                  cms,
		"PKCS7":                pem.EncodeToMemory(&pem.Block{Type: "PKCS7", Bytes: der}),
		"lines of Windows":     bytes.ReplaceAll(cms, []byte("\n"), []byte("\r\n")),
		"a text before it":     append([]byte("signed at the counter\n"), cms...),
		"empty lines after it": append(bytes.Clone(cms), "\n\n"...),
	} {
		_, stderr, code := tool(t, "cms-verify", "-roots", roots, "-in", file("message", message))
		assert.Zero(t, code, "%s: %s", name, stderr)
	}
	for want, message := range map[string][]byte{
		"neither DER nor PEM":        []byte("MIME-Version: 1.0\n"),
		"neither CMS nor PKCS7":      pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		"goes on after":              append(bytes.Clone(cms), cms...),
		"unless it is told -outform": cms[:len(cms)/2],
	} {
		_, stderr, code := tool(t, "cms-verify", "-roots", roots, "-in", file("message", message))
		assert.Equal(t, exitError, code, want)
		assert.Contains(t, stderr, want)
	}
}

// Nothing that a task prints beside its answer holds a PIN or a serial.
func TestTraceHoldsNoSecret(t *testing.T) {
	dir := t.TempDir()
	pinFile := filepath.Join(dir, "pin")
	require.NoError(t, os.WriteFile(pinFile, []byte("1234\n"), 0o600))
	serial, _, code := tool(t, "serial")
	require.Zero(t, code)
	hex := serial[:bytes.IndexByte([]byte(serial), '\n')]
	for _, args := range [][]string{
		{"serial", "-json", "-trace"},
		{"info", "-trace"},
		{"verify", "-trace", "-pin-file", pinFile},
		{"sign", "-trace", "-json", "-pin-file", pinFile, "-in", pinFile},
		{"cert", "-trace", "-out", filepath.Join(dir, "c")},
	} {
		_, stderr, code := tool(t, args...)
		require.Zero(t, code, stderr)
		assert.Contains(t, stderr, "SELECT")
		assert.NotContains(t, stderr, "1234")
		assert.NotContains(t, stderr, "31323334")
		assert.NotContains(t, stderr, hex)
	}
}

func TestHints(t *testing.T) {
	for text, err := range map[string]error{
		"municipality":    &jpki.PINError{PIN: jpki.AuthPIN, Blocked: true},
		"before the next": &jpki.PINError{PIN: jpki.AuthPIN, Left: 2},
		"-last-try":       &jpki.LastTryError{PIN: jpki.AuthPIN},
		"cardtool pins":   fmt.Errorf("%w: %w", jpki.ErrOutcomeUnknown, apdu.ErrCardRemoved),
		"-ask-pin":        &jpki.PINRequiredError{PIN: jpki.SignPIN},
		"still":           apdu.ErrCardRemoved,
		"Another program": pcsc.ErrSharing,
		"-wait":           context.DeadlineExceeded,
	} {
		assert.Contains(t, hint(fmt.Errorf("step: %w", err), time.Now()).EN, text)
	}
	assert.Empty(t, hint(os.ErrNotExist, time.Now()))
	// Which PINs a kiosk resets, and since when, the library knows.
	now := time.Date(2026, time.November, 21, 12, 0, 0, 0, time.UTC)
	for pin, kiosk := range map[jpki.PINKind]bool{jpki.AuthPIN: true, jpki.SignPIN: true, jpki.TextPIN: false, jpki.CommonPIN: false} {
		text := hint(&jpki.PINError{PIN: pin, Blocked: true}, now).EN
		assert.Equal(t, kiosk, strings.Contains(text, "kiosk"), pin)
		for _, way := range unlock.Ways(pin, now) {
			assert.Contains(t, text, way.Text(jpki.English))
		}
	}
	assert.Equal(t, "ACR?[2J 00", oneLine("ACR\x1b[2J 00"))
}
