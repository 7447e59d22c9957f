package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mynakit/mynakit/apdu/vpcd"
	"github.com/mynakit/mynakit/jpki"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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
		done <- run(ctx, []string{"-addr", pcscd.Addr().String(), "-certs", dir, "-trace"}, out, &trace)
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
	cancel() // SIGTERM, Ctrl-C
	require.True(t, lines.Scan())
	assert.Equal(t, "card removed", lines.Text())
	assert.False(t, lines.Scan())
	assert.NoError(t, <-done)
	reader.Close()
	assert.Contains(t, trace.String(), "READ BINARY")

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

func TestReaderGoesAway(t *testing.T) {
	pcscd, err := vpcd.Listen("127.0.0.1:0")
	require.NoError(t, err)
	defer pcscd.Close()
	dir := t.TempDir()
	done := make(chan error, 1)
	go func() {
		done <- run(context.Background(), []string{"-addr", pcscd.Addr().String(), "-kind", "child", "-certs", dir}, io.Discard, io.Discard)
	}()
	reader, err := pcscd.Accept(context.Background())
	require.NoError(t, err)
	reader.Close()
	assert.ErrorContains(t, <-done, "reader is gone")
	assert.NoFileExists(t, filepath.Join(dir, "sign.pem"), "a child has no certificate for digital signature")
}

func TestBadCalls(t *testing.T) {
	for _, args := range [][]string{{"-kind", "blue"}, {"extra"}, {"-addr", "127.0.0.1:1"}} {
		assert.Error(t, run(context.Background(), args, io.Discard, io.Discard))
	}
}
