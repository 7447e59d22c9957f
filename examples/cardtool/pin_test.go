package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFirstLine(t *testing.T) {
	for text, want := range map[string]string{
		"1234":                              "1234",
		"1234\n":                            "1234",
		"1234\r\n":                          "1234",
		"1234\r":                            "1234",
		"1234\nand what else is in it\n":    "1234",
		"1234\r\n\r\n5678":                  "1234",
		strings.Repeat("1", 255) + "\n":     strings.Repeat("1", 255),
		"A\n" + strings.Repeat("1", 100000): "A",
	} {
		for name, r := range map[string]io.Reader{
			"at once":     strings.NewReader(text),
			"in pieces":   iotest.OneByteReader(strings.NewReader(text)),
			"with an end": iotest.DataErrReader(strings.NewReader(text)),
		} {
			got, err := firstLine(r)
			require.NoError(t, err, name)
			assert.Equal(t, want, string(got), name)
		}
	}
	for text, want := range map[string]string{
		"":                       "empty",
		"\n1234":                 "empty",
		"\r\n":                   "empty",
		strings.Repeat("1", 257): "too long",
	} {
		_, err := firstLine(strings.NewReader(text))
		assert.ErrorContains(t, err, want)
	}
	broken := errors.New("the disk is gone")
	_, err := firstLine(io.MultiReader(strings.NewReader("12"), iotest.ErrReader(broken)))
	assert.ErrorIs(t, err, broken, "a part of a PIN is none")
}

// The line after the PIN stays where it is, for who reads next.
func TestFirstLineReadsNoFurther(t *testing.T) {
	r := bytes.NewBufferString("1234\n5678\n")
	for _, want := range []string{"1234", "5678"} {
		got, err := firstLine(r)
		require.NoError(t, err)
		assert.Equal(t, want, string(got))
	}
}

// What a pipe gives first is not all of the PIN.
func TestPINInPieces(t *testing.T) {
	if _, err := os.Stat("/dev/fd/0"); err != nil || runtime.GOOS == "windows" {
		t.Skip("no files for what is open here")
	}
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	got := make(chan []byte, 1)
	go func() {
		line, err := readLine(fmt.Sprintf("/dev/fd/%d", r.Fd()))
		assert.NoError(t, err)
		got <- line
	}()
	_, err = w.WriteString("ABC123")
	require.NoError(t, err)
	_, err = w.WriteString("456\n")
	require.NoError(t, err)
	assert.Equal(t, "ABC123456", string(<-got))
	require.NoError(t, w.Close())
}
