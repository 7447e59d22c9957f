package cp932_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/internal/cp932"
)

func TestEncode(t *testing.T) {
	for text, want := range map[string]string{
		"points":   "points",
		"ソ表能":      "\x83\x5c\x95\x5c\x94\x5c", // a backslash as second byte
		"〜～":       "\x81\x60\x81\x60",
		"髙﨑":       "\xfb\xfc\xfa\xb1", // IBM's extension
		"①Ⅲ㈱":      "\x87\x40\x87\x56\x87\x8a",
		"ﾎﾟ":       "\xce\xdf",
		"￠¢￡£￢¬―—": "\x81\x91\x81\x91\x81\x92\x81\x92\x81\xca\x81\xca\x81\x5c\x81\x5c",
	} {
		got, err := cp932.Encode(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, string(got), text)
	}
	for _, text := range []string{"𠮷", "¥", "‾", "é", "\xff"} {
		_, err := cp932.Encode(text)
		assert.Error(t, err, text)
	}
}
