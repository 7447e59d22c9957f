package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mynakit/mynakit/apdu/vpcd"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/simcard"
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
	assert.Contains(t, lines.Text(), "auth 1234, sign ABC123, text 2345, common 3456, juki 4567")
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
	require.NoError(t, os.WriteFile(filepath.Join(dir, "sign.pem"), []byte("another card's"), 0o600))
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

// A slot that is taken lets a card connect and asks it nothing.
func TestEndsWhileItWaits(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	var out bytes.Buffer
	go func() { done <- run(ctx, []string{"-addr", taken.Addr().String()}, &out, io.Discard) }()
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
	require.ErrorIs(t, run(context.Background(), []string{"-h"}, io.Discard, &help), flag.ErrHelp)
	assert.Contains(t, help.String(), "auth 1234, sign ABC123, text 2345, common 3456, juki 4567")
	for _, name := range simcard.SampleNames() {
		assert.Regexp(t, `kind of card: .*\b`+name+`\b`, help.String())
	}
}

// The list of the CA tells what the card does not: that it was revoked.
func TestRevoked(t *testing.T) {
	for name, want := range map[string]int{"plastic": 0, "revoked": 1} {
		opts, err := simcard.Sample(name, 0, time.Now())
		require.NoError(t, err)
		dir := t.TempDir()
		card := simcard.New(opts...)
		require.NoError(t, writeCertificates(dir, card))
		for file, issuer := range map[string]*simcard.Issuer{"auth.crl": card.Authority().Auth(), "sign.crl": card.Authority().Sign()} {
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
	for _, args := range [][]string{{"-kind", "blue"}, {"extra"}, {"-addr", "127.0.0.1:1"}} {
		assert.Error(t, run(context.Background(), args, io.Discard, io.Discard))
	}
}
