package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/apdu/vpcd"
	"github.com/mynakit/mynakit/examples/internal/speak"
	"github.com/mynakit/mynakit/examples/internal/speak/speaktest"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey/advice"
	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/simcard/control"
)

// asProgram is set where the test binary is to be the program.
const asProgram = "MYNAKIT_VCARD_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

func TestCardInAReader(t *testing.T) {
	pcscd, err := vpcd.Listen("127.0.0.1:0")
	require.NoError(t, err)
	defer pcscd.Close()
	dir := filepath.Join(t.TempDir(), "certs")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	outReader, out := io.Pipe()
	lines := bufio.NewScanner(outReader)
	var trace bytes.Buffer
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"-addr", pcscd.Addr().String(), "-certs", dir, "-trace"}, noEnv, out, &trace)
		out.Close()
	}()
	reader, err := pcscd.Accept(ctx)
	require.NoError(t, err)
	card, err := jpki.Open(ctx, reader)
	require.NoError(t, err)
	cert, err := card.Certificate(ctx, jpki.Auth)
	require.NoError(t, err)
	require.True(t, lines.Scan())
	assert.Contains(t, lines.Text(), "plastic card inserted")
	assert.Contains(t, lines.Text(), "auth 1234, sign ABC123, text 2345, common 3456, juki 4567")
	require.NoError(t, reader.Reset(ctx))
	_, err = reader.Transmit([]byte{0, 0xA4, 0, 0}) // by its reply the reset has been seen
	require.NoError(t, err)
	cancel() // SIGTERM, Ctrl-C
	require.True(t, lines.Scan())
	assert.Equal(t, "card removed", lines.Text())
	assert.False(t, lines.Scan())
	assert.NoError(t, <-done)
	reader.Close()
	assert.Contains(t, trace.String(), "READ BINARY")
	for _, event := range []string{"power on", "power off", "reset"} {
		assert.Contains(t, trace.String(), event)
	}

	for _, name := range []string{"auth", "sign", "authca", "signca"} {
		b, err := os.ReadFile(filepath.Join(dir, name+".pem"))
		require.NoError(t, err)
		block, _ := pem.Decode(b)
		require.NotNil(t, block)
		got, err := x509.ParseCertificate(block.Bytes)
		require.NoError(t, err)
		if name == "auth" {
			assert.True(t, got.Equal(cert), "the file and the card agree")
		}
	}
}

// A reader that goes away is waited for, and told of; another card's
// certificates are taken away.
func TestReaderGoesAway(t *testing.T) {
	pcscd, err := vpcd.Listen("127.0.0.1:0")
	require.NoError(t, err)
	defer pcscd.Close()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "sign.pem"), []byte("another card's"), 0o600))
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	done := make(chan error, 1)
	var told lines
	go func() {
		done <- run(ctx, []string{"-addr", pcscd.Addr().String(), "-kind", "child", "-certs", dir}, noEnv, io.Discard, &told)
	}()
	for range 3 {
		reader, err := pcscd.Accept(ctx)
		require.NoError(t, err)
		_, err = jpki.Open(ctx, reader)
		require.NoError(t, err)
		reader.Close()
	}
	cancel()
	assert.NoError(t, <-done)
	assert.Contains(t, told.String(), "reader went away")
	assert.NoFileExists(t, filepath.Join(dir, "sign.pem"), "a child has no certificate for digital signature")
}

// lines is a buffer that is written and read at the same time.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start runs vcard with -control and gives what its first line says.
func start(t *testing.T, ctx context.Context, args ...string) (first struct {
	Control, Reader, Panel string
	PID                    int
	Slots                  []struct{ Control, Reader string }
}, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	in, out := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, append([]string{"-control", "127.0.0.1:0"}, args...), noEnv, out, io.Discard)
		out.Close()
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		assert.NoError(t, <-done)
		http.DefaultClient.CloseIdleConnections()
	})
	t.Cleanup(stop)
	line, err := bufio.NewReader(in).ReadBytes('\n')
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(line, &first), "%s", line)
	return first, stop
}

func call(t *testing.T, method, url, body string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.StatusCode, "%s", text)
	return string(text)
}

// Two slots of one process are steered apart; a kill gives no try back.
func TestControl(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var pcscds [2]*vpcd.Listener
	for i := range pcscds {
		var err error
		pcscds[i], err = vpcd.Listen("127.0.0.1:0")
		require.NoError(t, err)
		defer pcscds[i].Close()
	}
	state := filepath.Join(t.TempDir(), "state")
	args := []string{"-addr", pcscds[0].Addr().String(), "-addr", pcscds[1].Addr().String(), "-state", state, "-clock", "2026-04-01T00:00:00+09:00"}
	first, stop := start(t, ctx, args...)
	assert.Equal(t, os.Getpid(), first.PID)
	require.Len(t, first.Slots, 2)

	var readers [2]*vpcd.Remote
	accept := func(i int) *jpki.Card {
		t.Helper()
		var err error
		readers[i], err = pcscds[i].Accept(ctx)
		require.NoError(t, err)
		card, err := jpki.Open(ctx, readers[i])
		require.NoError(t, err)
		return card
	}
	one, two := accept(0), accept(1)
	a, err := one.Serial(ctx, jpki.Auth)
	require.NoError(t, err)
	b, err := two.Serial(ctx, jpki.Auth)
	require.NoError(t, err)
	assert.False(t, a.Equal(b), "the next holder")
	wrong, err := jpki.NewPIN(jpki.AuthPIN, "9999")
	require.NoError(t, err)
	var refused *jpki.PINError
	require.ErrorAs(t, one.Verify(ctx, wrong), &refused)
	assert.Contains(t, call(t, "GET", first.Control+"/v1/card", ""), `"auth":{"value":"1234","left":2,`)
	assert.Contains(t, call(t, "GET", first.Slots[1].Control+"/v1/card", ""), `"auth":{"value":"1234","left":3,`)

	call(t, "POST", first.Slots[1].Control+"/v1/card/remove", "")
	_, err = two.Serial(ctx, jpki.Auth)
	assert.ErrorIs(t, err, apdu.ErrCardRemoved)
	_, err = one.Serial(ctx, jpki.Auth)
	assert.NoError(t, err, "the other card stays")

	certificate := call(t, "GET", first.Control+"/v1/authority/auth.pem", "")
	stop()
	for _, r := range readers {
		r.Close()
	}
	first, _ = start(t, ctx, args...)
	one = accept(0)
	defer readers[0].Close()
	tries, err := one.Tries(ctx, jpki.AuthPIN)
	require.NoError(t, err)
	assert.Equal(t, 2, tries)
	assert.Equal(t, certificate, call(t, "GET", first.Control+"/v1/authority/auth.pem", ""), "pinned")
}

// With -wait the first line comes when the reader has seen the card. A second
// process keeps off the slot of the first.
func TestWait(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	pcscd, err := vpcd.Listen("127.0.0.1:0")
	require.NoError(t, err)
	defer pcscd.Close()
	accepted := make(chan *vpcd.Remote, 1)
	go func() {
		r, _ := pcscd.Accept(ctx)
		accepted <- r
	}()
	first, _ := start(t, ctx, "-addr", pcscd.Addr().String(), "-wait", "-panel")
	reader := <-accepted
	require.NotNil(t, reader)
	defer reader.Close()
	assert.Contains(t, call(t, "GET", first.Control+"/v1/card", ""), `"inserted":true,"powered":true`)
	assert.Equal(t, first.Control+"/", first.Panel)
	assert.Contains(t, call(t, "GET", first.Panel, ""), "<!doctype html>")

	var told lines
	waiting, end := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- run(waiting, []string{"-addr", pcscd.Addr().String()}, noEnv, io.Discard, &told) }()
	assert.Eventually(t, func() bool { return strings.Contains(told.String(), "another vcard has it") }, time.Minute, time.Millisecond)
	end()
	assert.NoError(t, <-done)
}

// A slot that is taken lets a card connect and asks it nothing.
func TestEndsWhileItWaits(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	var out bytes.Buffer
	go func() { done <- run(ctx, []string{"-addr", taken.Addr().String()}, noEnv, &out, io.Discard) }()
	conn, err := taken.Accept()
	require.NoError(t, err)
	defer conn.Close()
	cancel() // SIGTERM, Ctrl-C
	assert.NoError(t, <-done)
	assert.Empty(t, out.String(), "no card was in")
}

// The help names each kind of card, and the PINs. That each is the card that its
// name says, package simcard tests.
func TestKinds(t *testing.T) {
	var help bytes.Buffer
	require.ErrorIs(t, run(context.Background(), []string{"-h"}, noEnv, io.Discard, &help), flag.ErrHelp)
	assert.Contains(t, help.String(), "auth 1234, sign ABC123, text 2345, common 3456, juki 4567")
	for _, name := range simcard.SampleNames() {
		assert.Regexp(t, `kind of card: .*\b`+name+`\b`, help.String())
	}
}

// The list of the CA tells what the card does not: that it was revoked.
func TestRevoked(t *testing.T) {
	for name, want := range map[string]int{"plastic": 0, "revoked": 1} {
		dir := t.TempDir()
		slot, err := control.New(control.Config{Card: control.Setup{Kind: name}})
		require.NoError(t, err)
		require.NoError(t, writeCertificates(dir, slot))
		require.NoError(t, slot.Close())
		authority := simcard.TestAuthority()
		for file, issuer := range map[string]*simcard.Issuer{"auth.crl": authority.Auth(), "sign.crl": authority.Sign()} {
			b, err := os.ReadFile(filepath.Join(dir, file))
			require.NoError(t, err)
			block, _ := pem.Decode(b)
			require.NotNil(t, block)
			list, err := x509.ParseRevocationList(block.Bytes)
			require.NoError(t, err)
			assert.NoError(t, list.CheckSignatureFrom(issuer.Certificate()))
			assert.Len(t, list.RevokedCertificateEntries, want, name)
		}
	}
}

func TestBadCalls(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "state")
	require.NoError(t, os.WriteFile(bad, []byte("no state"), 0o600))
	for _, args := range [][]string{{"-kind", "blue"}, {"extra"}, {"-clock", "noon"}, {"-addr", "nowhere"}, {"-nosuch"}, {"-lang", "fr"}} {
		var printed bytes.Buffer
		assert.ErrorAs(t, run(context.Background(), args, noEnv, &printed, &printed), new(*speak.UsageError), args)
		assert.Empty(t, printed.String(), "one line says it, not the list of flags")
	}
	for _, args := range [][]string{{"-state", bad}, {"-control", "192.0.2.1:0"}, {"-control", "127.0.0.1"}} {
		err := run(context.Background(), args, noEnv, io.Discard, io.Discard)
		assert.Error(t, err, args)
		assert.False(t, errors.As(err, new(*speak.UsageError)), args)
	}
}

func noEnv(string) string { return "" }

// In Japanese it speaks no English: not in its help, nor of what is wrong, nor of
// what becomes of the card.
func TestJapanese(t *testing.T) {
	var printed bytes.Buffer
	require.ErrorIs(t, run(t.Context(), []string{"-lang", "ja", "-h"}, noEnv, &printed, &printed), flag.ErrHelp)
	assert.Contains(t, printed.String(), "ソフトウェアカードをセットします")
	for args, want := range map[string]string{
		"-kind blue":           `カードの種類 "blue" はありません`,
		"extra":                "フラグだけを指定してください。",
		"-clock noon":          "フラグ -clock の指定が正しくありません",
		"-pannel":              "-panel ではありませんか",
		"-control 192.0.2.1:0": "-control には、この端末だけで使える",
	} {
		err := run(t.Context(), strings.Fields("-lang ja "+args), noEnv, &printed, &printed)
		require.Error(t, err, args)
		text, _, _ := strings.Cut(speak.Explain("ja", err, advice.Explain(err)), "\n（詳細：") // which is a library's
		assert.Contains(t, text, want)
		printed.WriteString(text)
	}
	o := &options{stderr: &printed, say: speak.VoiceIn("ja")}
	o.notice(0, "the card is in the reader")
	o.notice(1, "the reader went away; the card goes in again when it is back")
	// A notice may be among it that no reader was there, with the library's reason.
	own := regexp.MustCompile(`（詳細：[^）]*）`).ReplaceAllString(printed.String(), "")
	assert.Empty(t, speaktest.English(own), own)

	// With a reader, up to the end.
	pcscd, err := vpcd.Listen("127.0.0.1:0")
	require.NoError(t, err)
	defer pcscd.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var told bytes.Buffer
	outReader, out := io.Pipe()
	lines := bufio.NewScanner(outReader)
	done := make(chan error, 1)
	japanese := func(name string) string { return map[string]string{"LANG": "ja_JP.UTF-8"}[name] }
	go func() {
		done <- run(ctx, []string{"-addr", pcscd.Addr().String()}, japanese, out, &told)
		out.Close()
	}()
	reader, err := pcscd.Accept(t.Context())
	require.NoError(t, err)
	_, err = jpki.Open(t.Context(), reader)
	require.NoError(t, err)
	require.True(t, lines.Scan())
	assert.Contains(t, lines.Text(), "plastic のカードを")
	assert.Empty(t, speaktest.English(lines.Text()), lines.Text())
	cancel()
	require.True(t, lines.Scan())
	assert.Equal(t, "カードを取り外しました。", lines.Text())
	require.NoError(t, <-done)
	assert.Contains(t, told.String(), "スロット0：カードをセットしました。\n")
	assert.Empty(t, speaktest.English(told.String()), told.String())
}
