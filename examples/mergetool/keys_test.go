package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/mergefile"
)

// keyFile makes a file.
func keyFile(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(name, []byte(content), 0o600))
	return name
}

// Where a line end counts as part of a raw key, and where it does not.
func TestRawKeys(t *testing.T) {
	const sixteen = "0123456789abcdef"
	for _, c := range []struct {
		form       mergefile.KeyForm
		file, want string
	}{
		{mergefile.KeyRaw, sixteen, sixteen},
		{mergefile.KeyRaw, sixteen + "\n", sixteen},
		{mergefile.KeyRaw, sixteen + "\r\n", sixteen},
		{mergefile.KeyRaw, sixteen[1:] + "\n", sixteen[1:] + "\n"},
		{mergefile.KeyRaw, sixteen[1:] + "\n\n", sixteen[1:] + "\n"},
		{mergefile.KeyRaw, sixteen[1:] + "\r\n", sixteen[1:] + "\r"},
		{mergefile.KeyRaw, sixteen + "\n\n", sixteen + "\n\n"}, // too long, and said so later
		{mergefile.KeyMySQL, sixteen[1:] + "\n", sixteen[1:]},
		{mergefile.KeyMySQL, sixteen[1:] + "\r\n", sixteen[1:]},
		{mergefile.KeyMySQL, sixteen, sixteen},
		{mergefile.KeyEVPMD5, sixteen[1:] + "\n", sixteen[1:]},
		{mergefile.KeyEVPSHA256, sixteen[1:] + "\n", sixteen[1:]},
		{mergefile.KeyPBKDF2, sixteen[1:] + "\n", sixteen[1:]},
		{mergefile.KeyPBKDF2, sixteen[1:] + "\n\n", sixteen[1:] + "\n"},
	} {
		s := shared{keyFile: keyFile(t, c.file), keyFormat: "raw"}
		got, err := s.loadKey(c.form)
		require.NoError(t, err)
		assert.Equal(t, c.want, string(got), "%s %q", c.form, c.file)
	}
}
