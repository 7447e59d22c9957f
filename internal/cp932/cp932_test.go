package cp932_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/japanese"

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

// The table has for each character what the encoder has for it, with Microsoft's
// choice where the tables differ.
func TestEncodeAll(t *testing.T) {
	enc, dec := japanese.ShiftJIS.NewEncoder(), japanese.ShiftJIS.NewDecoder()
	ibm := map[string]string{} // what IBM's extension has, by character
	for lead := byte(0xFA); lead <= 0xFC; lead++ {
		for trail := 0xFC; trail >= 0x40; trail-- {
			pair := string([]byte{lead, byte(trail)})
			if text, err := dec.String(pair); err == nil && len([]rune(text)) == 1 {
				ibm[text] = pair
			}
		}
	}
	has := 0
	for r := rune(0); r <= 0x1FFFF; r++ {
		if r >= 0xD800 && r < 0xE000 {
			continue // no characters
		}
		text := string(r)
		want, err := enc.String(cp932.Same(text))
		if err == nil && r >= 0x80 && (want[0] == 0xED || want[0] == 0xEE) && ibm[text] != "" {
			want = ibm[text]
		}
		got, gotErr := cp932.Encode(text)
		if err != nil || r == '¥' || r == '‾' { // which would read back as others
			require.Error(t, gotErr, "%U", r)
			continue
		}
		require.NoError(t, gotErr, "%U", r)
		require.Equal(t, want, string(got), "%U", r)
		has++
	}
	assert.Greater(t, has, 7000)
	assert.Equal(t, "a～\xff－", cp932.Same("a〜\xff−"))
	_, err := cp932.Encode("あ\xe3")
	assert.ErrorContains(t, err, "character 2")
}

func BenchmarkAppend(b *testing.B) {
	const text = "2026/11/01 09:05:07,利用,000002,あおば商店 000002,aoba,1500,#0123456789012345"
	out := make([]byte, 0, 200)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := cp932.Append(out, text); err != nil {
			b.Fatal(err)
		}
	}
}
