package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/examples/internal/speak/speaktest"
)

// What is wrong with the arguments is said in the language of the run, and so is
// how to use the program.
func TestUsageInJapanese(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
		code int
	}{
		{[]string{"-help"}, "窓口の画面のアドレス", exitOK},
		{[]string{"-nope"}, "フラグ -nope はありません", exitUsage},
		{[]string{"-wait", "soon"}, "フラグ -wait の指定が正しくありません", exitUsage},
		{[]string{"-serve"}, "フラグ -serve の指定が正しくありません", exitUsage},
		{[]string{"day"}, "フラグではありません", exitUsage},
		{[]string{"-roll", "40"}, "32、42、48", exitUsage},
		{[]string{"-samples", "127.0.0.1:0"}, "-samples は", exitUsage},
		{[]string{"-printer", "lp0"}, "-printer は", exitUsage},
		{[]string{"-serve", "8080"}, "ホストとポート", exitUsage},
		{[]string{"-reader", "phone", "-listen", "35963"}, "ホストとポート", exitUsage},
		{[]string{"-reader", "phone", "-listen", "0.0.0.0:0"}, "スマートフォンから接続できる", exitUsage},
	} {
		code, out, errs := counter(t.Context(), append([]string{"-lang", "ja", "-data", t.TempDir()}, c.args...)...)
		assert.Equal(t, c.code, code, "%q", c.args)
		assert.Contains(t, errs, c.want)
		assert.Empty(t, speaktest.English(out+errs), "%q: %s%s", c.args, out, errs)
		code, _, errs = counter(t.Context(), append([]string{"-lang=en", "-data", t.TempDir()}, c.args...)...)
		assert.Equal(t, c.code, code)
		assert.NotRegexp(t, `[\p{Hiragana}\p{Katakana}\p{Han}]`, errs)
	}
	code, _, errs := counter(t.Context(), "-lang", "fr")
	assert.Equal(t, exitUsage, code)
	assert.Contains(t, errs, "-lang is ja or en")
}

// The warning that the PIN travels in the clear is in the shop's language.
func TestPhoneWarnsInJapanese(t *testing.T) {
	var screen bytes.Buffer
	r, err := newPhoneReader("127.0.0.1:0", time.Minute, &screen, "ja")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, r.Connect(ctx), context.Canceled)
	require.NoError(t, r.Close())
	assert.Contains(t, screen.String(), "この通信は暗号化されません。暗証番号も流れるため")
	assert.Contains(t, screen.String(), "このアドレスにはスマートフォンから接続できません")
	assert.Empty(t, speaktest.English(screen.String()))
}

// Bytes go to the printer's address, or to the end of its device.
func TestPrinter(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	got := make(chan []byte, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			got <- nil
			return
		}
		defer conn.Close()
		b, _ := io.ReadAll(conn)
		got <- b
	}()
	require.NoError(t, sendTo(l.Addr().String())(t.Context(), []byte("\x1b@paper")))
	assert.Equal(t, "\x1b@paper", string(<-got))

	device := filepath.Join(t.TempDir(), "lp0")
	require.Error(t, sendTo(device)(t.Context(), []byte("x")), "a device is not made")
	require.NoError(t, os.WriteFile(device, nil, 0o600))
	require.NoError(t, sendTo(device)(t.Context(), []byte("one")))
	require.NoError(t, sendTo(device)(t.Context(), []byte("two")))
	b, err := os.ReadFile(device)
	require.NoError(t, err)
	assert.Equal(t, "onetwo", string(b))
}

// -roll decides how wide the day's tickets are.
func TestRoll(t *testing.T) {
	for roll, rule := range map[string]int{"32": 32, "42": 42, "48": 48} {
		dir := t.TempDir()
		mustCounter(t, "-lang", "ja", "-data", dir, "-roll", roll)
		files, err := filepath.Glob(filepath.Join(dir, "tickets", "ticket-*.escpos"))
		require.NoError(t, err)
		require.NotEmpty(t, files)
		b, err := os.ReadFile(files[0])
		require.NoError(t, err)
		widest := 0
		for bytes.Contains(b, bytes.Repeat([]byte("\x84\x9f"), widest+1)) { // ─ in Shift_JIS, two columns
			widest++
		}
		assert.Equal(t, rule, 2*widest, "the rule goes across the paper of %s columns", roll)
	}
}
