package main

import (
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/simcard"
)

// With a decoder installed, the photograph is a PNG that Go reads, and nothing
// else is left behind.
func TestPhotoAsPNG(t *testing.T) {
	if _, err := exec.LookPath("opj_decompress"); err != nil {
		if strings.Contains(os.Getenv("MYNAKIT_REQUIRE"), "openjpeg") {
			t.Fatal(err)
		}
		t.Skip("opj_decompress is not installed")
	}
	dir := t.TempDir()
	number, out := filepath.Join(dir, "number"), filepath.Join(dir, "photo.png")
	require.NoError(t, os.WriteFile(number, []byte(simcard.New().Holder().NumberA()), 0o600))
	_, stderr, code := tool(t, "photo", "-number-file", number, "-png", "-out", out)
	require.Zero(t, code, stderr)
	f, err := os.Open(out)
	require.NoError(t, err)
	defer f.Close()
	picture, err := png.Decode(f)
	require.NoError(t, err)
	assert.Greater(t, picture.Bounds().Dx(), 32)
	left, err := filepath.Glob(filepath.Join(dir, ".photo-*"))
	require.NoError(t, err)
	assert.Empty(t, left)
}

// Without a decoder the task ends before the card is touched; a decoder that
// fails, or writes nothing, ends it as well.
func TestPhotoWithoutDecoder(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the decoders that fail are scripts")
	}
	dir := t.TempDir()
	number := filepath.Join(dir, "number")
	require.NoError(t, os.WriteFile(number, []byte(simcard.New().Holder().NumberA()), 0o600))
	args := []string{"photo", "-number-file", number, "-png", "-out", filepath.Join(dir, "photo.png")}
	t.Setenv("PATH", dir)
	_, stderr, code := tool(t, args...)
	assert.Equal(t, exitUsage, code)
	assert.Contains(t, stderr, "libopenjp2-tools")
	if runtime.GOOS == "windows" {
		t.Skip("the decoders below are shell scripts")
	}
	for script, want := range map[string]string{"exit 1": "does not decode", "exit 0": "wrote nothing"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "opj_decompress"), []byte("#!/bin/sh\n"+script+"\n"), 0o700))
		_, stderr, code = tool(t, args...)
		assert.Equal(t, exitError, code)
		assert.Contains(t, stderr, want)
		assert.NoFileExists(t, filepath.Join(dir, "photo.png"))
	}
}
