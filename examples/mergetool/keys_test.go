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

// A profile that spells the key itself takes it from the same file as one that
// does not.
func TestSpelledKeys(t *testing.T) {
	const text, inHex, inBase64 = "0123456789abcdef", "30313233343536373839616263646566", "MDEyMzQ1Njc4OWFiY2RlZg=="
	for _, c := range []struct {
		form         mergefile.KeyForm
		format, file string
		want         string // or none
	}{
		{mergefile.KeyRaw, "hex", inHex + "\n", text},
		{mergefile.KeyHex, "hex", inHex + "\n", inHex},
		{mergefile.KeyHex, "raw", inHex + "\n", inHex},
		{mergefile.KeyMySQL, "hex", inHex, text},
		{mergefile.KeyRaw, "base64", inBase64 + "\r\n", text},
		{mergefile.KeyBase64, "base64", inBase64, inBase64},
		{mergefile.KeyBase64, "raw", inBase64, inBase64},
		{mergefile.KeyRaw, "base64", inBase64[:8] + "\n" + inBase64[8:], ""},
		{mergefile.KeyRaw, "base64", "MDEyMzQ1Njc4OWFiY2RlZh==", ""},
		{mergefile.KeyRaw, "hex", inHex[:8] + "\n" + inHex[8:], ""},
	} {
		s := shared{keyFile: keyFile(t, c.file), keyFormat: c.format}
		got, err := s.loadKey(c.form)
		assert.Equal(t, c.want, string(got), "%s %s", c.form, c.format)
		if c.want == "" && assert.Error(t, err) {
			assert.NotContains(t, err.Error(), "3031")
			assert.NotContains(t, err.Error(), "MDEy")
		}
	}
}

func TestSecretFile(t *testing.T) {
	for file, want := range map[string]string{
		"S3CRET": "S3CRET", "S3CRET\n": "S3CRET", "S3CRET\r\n": "S3CRET", " S3CRET\t\n": " S3CRET\t",
		"S3CRET\n\n": "", "S3CRET\r\n\r\n": "", "S3\nCRET": "", "\nS3CRET": "",
	} {
		got, err := readSecret(keyFile(t, file))
		assert.Equal(t, want, string(got), "%q", file)
		if want == "" && assert.Error(t, err, "%q", file) {
			assert.NotContains(t, err.Error(), "CRET")
		}
	}
}
