package mergefile

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}

// NIST SP 800-38A, F.2.1 and F.2.2 (CBC-AES128), F.1.1 (ECB), F.3.7 (CFB8),
// F.3.13 (CFB128), F.5.1 (CTR), through the code that files go through.
func TestNISTModes(t *testing.T) {
	key := unhex(t, "2b7e151628aed2a6abf7158809cf4f3c")
	iv := unhex(t, "000102030405060708090a0b0c0d0e0f")
	plain := unhex(t, "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"+
		"30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710")
	block, err := aes.NewCipher(key)
	require.NoError(t, err)
	for _, c := range []struct {
		mode       CipherMode
		iv, cipher string
	}{
		{CipherCBC, "", "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2" +
			"73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7"},
		{CipherECB, "", "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf" +
			"43b1cd7f598ece23881b00e3ed0306887b0c785e27e8ad3f8223207104725dd4"},
		{CipherCFB128, "", "3b3fd92eb72dad20333449f8e83cfb4ac8a64537a0b3a93fcde3cdad9f1ce58b" +
			"26751f67a3cbb140b1808cf187a4f4dfc04b05357c5d1c0eeac4c66f9ff7f2e6"},
		{CipherCFB8, "", "3b79424c9c0dd436bace9e0ed4586a4f32b9"},
		{CipherCTR, "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff", "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff" +
			"5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee"},
	} {
		want := unhex(t, c.cipher)
		iv := iv
		if c.iv != "" {
			iv = unhex(t, c.iv)
		}
		plain := plain[:len(want)]
		got := make([]byte, len(want))
		if s := newStream(c.mode, block, iv, true); s != nil {
			s.XORKeyStream(got, want)
			assert.Equal(t, plain, got, "%s decrypts", c.mode)
			newStream(c.mode, block, iv, false).XORKeyStream(got, plain)
			assert.Equal(t, want, got, "%s encrypts", c.mode)
			continue
		}
		blockDecrypter{block, c.mode == CipherCBC}.decrypt(got, want, iv)
		assert.Equal(t, plain, got, "%s decrypts", c.mode)
		// In two pieces, as chunks are.
		prev := iv
		if c.mode == CipherCBC {
			prev = want[16:32]
		}
		blockDecrypter{block, c.mode == CipherCBC}.decrypt(got[32:], want[32:], prev)
		assert.Equal(t, plain, got, "%s decrypts from the middle", c.mode)
		copy(got, plain)
		if c.mode == CipherECB {
			encryptECB(block, got)
		} else {
			cipher.NewCBCEncrypter(block, iv).CryptBlocks(got, got)
		}
		assert.Equal(t, want, got, "%s encrypts", c.mode)
	}
}

// RFC 1321, A.5, through the way a record's hash is written and read.
func TestRFC1321(t *testing.T) {
	c, err := newCodec(Standard(), []byte("s"))
	require.NoError(t, err)
	for text, want := range map[string]string{
		"":                           "d41d8cd98f00b204e9800998ecf8427e",
		"a":                          "0cc175b9c0f1b6a831c399e269772661",
		"abc":                        "900150983cd24fb0d6963f7d28e17f72",
		"message digest":             "f96b697d7cb7938d525a2f31aaf161d0",
		"abcdefghijklmnopqrstuvwxyz": "c3fcd3d76192e4007dfb496cca67e13b",
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789":                   "d174ab98d277d9f5a5611c2c9f419d9f",
		"12345678901234567890123456789012345678901234567890123456789012345678901234567890": "57edf4a22be3c955ac49da2e2107b67a",
	} {
		sum := md5.Sum([]byte(text))
		assert.Equal(t, want, string(c.encodeHash(sum)))
		back, ok := c.decodeHash([]byte(want))
		assert.True(t, ok)
		assert.Equal(t, sum, back)
	}
}

// The border between holder and points is not bound when the document is taken
// literally. 100 points for one member have the hash of 5,100 for another.
func TestUnboundPair(t *testing.T) {
	c, err := newCodec(Published(), []byte("S3CRET"))
	require.NoError(t, err)
	hash := func(c *codec, holder, points string) string {
		f := fields{bare: [4][]byte{[]byte(holder), []byte(points), []byte("201705120930000001")}}
		return string(c.encodeHash(md5.Sum(c.appendInput(nil, &f))))
	}
	assert.Equal(t, "b283ef78821182181c73aa2122e6763b", hash(c, "520625", "100"))
	assert.Equal(t, "b283ef78821182181c73aa2122e6763b", hash(c, "52062", "5100"))
	c, err = newCodec(Standard(), []byte("S3CRET"))
	require.NoError(t, err)
	assert.NotEqual(t, hash(c, "520625", "100"), hash(c, "52062", "5100"))
}

// Every case of Wycheproof's AES-CBC-PKCS5, of all key sizes: the 72 valid ones
// give their message, and the 144 invalid ones, as files, all give the one
// error.
func TestWycheproof(t *testing.T) {
	path := filepath.Join("..", "..", "shared", "testdata", "wycheproof", "aes_cbc_pkcs5_test.json")
	data, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		t.Skip("the Wycheproof vectors are not beside this checkout: " + path)
	}
	require.NoError(t, err)
	var suite struct {
		NumberOfTests int
		TestGroups    []struct {
			Tests []struct {
				TcID                              int
				Comment, Key, IV, Msg, Ct, Result string
			}
		}
	}
	require.NoError(t, json.Unmarshal(data, &suite))
	valid, invalid := 0, 0
	for _, g := range suite.TestGroups {
		for _, c := range g.Tests {
			block, err := aes.NewCipher(unhex(t, c.Key))
			require.NoError(t, err)
			ct := unhex(t, c.Ct)
			text := make([]byte, len(ct))
			blockDecrypter{block, true}.decrypt(text, ct, unhex(t, c.IV))
			n, good := PaddingPKCS7.unpad(text)

			// The same as a file. A vault takes keys of any length of AES.
			key, err := NewVaultKey("", aesVault{block: block}, []byte("secret"))
			require.NoError(t, err)
			file := append(unhex(t, c.IV), ct...)
			_, whole := NewReader(t.Context(), bytes.NewReader(file), Standard(), key, nil)
			_, inPlace := NewReaderInPlace(t.Context(), bytes.Clone(file), Standard(), key, nil)

			switch c.Result {
			case "valid":
				valid++
				assert.Equal(t, 1, good, "case %d: %s", c.TcID, c.Comment)
				assert.Equal(t, c.Msg, hex.EncodeToString(text[:n]), "case %d", c.TcID)
			case "invalid":
				invalid++
				assert.Equal(t, 0, good, "case %d: %s", c.TcID, c.Comment)
			default:
				t.Fatalf("case %d: result %q", c.TcID, c.Result)
			}
			// No message of the suite is a merge file, so that all must be
			// refused, those with right padding in the same words as the others.
			assert.True(t, whole == ErrInvalid && inPlace == ErrInvalid, "case %d: %v, %v", c.TcID, whole, inPlace)
		}
	}
	assert.Equal(t, []int{216, 72, 144}, []int{suite.NumberOfTests, valid, invalid})
}
