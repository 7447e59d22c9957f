package mergefile

import (
	"bytes"
	"cmp"
	"crypto/aes"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

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
		front, form := []byte{}, CipherForm{Mode: c.mode, IV: IVFixed, FixedIV: hex.EncodeToString(iv), Padding: PaddingNone, Key: KeyRaw}
		k, err := NewKey("", key, []byte("s"))
		require.NoError(t, err)
		d, err := newDecryption(t.Context(), &Profile{Cipher: form}, k, front, "")
		require.NoError(t, err)
		got, fault, _ := d.inMemory(want, true)
		assert.Empty(t, fault)
		assert.Equal(t, plain, got, "%s decrypts", c.mode)
		// In two pieces, as chunks are.
		d.restart()
		got = nil
		prev := d.iv
		for _, piece := range [][]byte{want[:16], want[16:]} {
			seg := &segment{cipher: piece, text: make([]byte, carryRoom+len(piece))}
			d.prepare(seg, &prev)
			n, ok := d.decrypt(seg)
			assert.True(t, ok)
			got = append(got, seg.text[carryRoom:carryRoom+n]...)
		}
		assert.Equal(t, plain[:len(got)], got, "%s decrypts piece by piece", c.mode)
		e, front, err := newEncryption(t.Context(), &Profile{Cipher: form}, k, "")
		require.NoError(t, err)
		assert.Empty(t, front)
		assert.Equal(t, want, e.encrypt(bytes.Clone(plain), true), "%s encrypts", c.mode)
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
		assert.Equal(t, want, string(c.hash.append(nil, &sum)))
		assert.True(t, c.hash.spells([]byte(want)))
		h := new(hashes)
		h.begin(c)
		h.add(append(h.next(), text...), []byte(want), true)
		assert.True(t, h.right())
	}
}

// The border between holder and points is not bound when the document is taken
// literally. 100 points for one member have the hash of 5,100 for another.
func TestUnboundPair(t *testing.T) {
	c, err := newCodec(Published(), []byte("S3CRET"))
	require.NoError(t, err)
	hash := func(c *codec, holder, points string) string {
		f := fields{bare: [4][]byte{[]byte(holder), []byte(points), []byte("201705120930000001")}}
		sum := md5.Sum(c.appendInput(nil, &f))
		return string(c.hash.append(nil, &sum))
	}
	assert.Equal(t, "b283ef78821182181c73aa2122e6763b", hash(c, "520625", "100"))
	assert.Equal(t, "b283ef78821182181c73aa2122e6763b", hash(c, "52062", "5100"))
	c, err = newCodec(Standard(), []byte("S3CRET"))
	require.NoError(t, err)
	assert.NotEqual(t, hash(c, "520625", "100"), hash(c, "52062", "5100"))
}

// Each pair is two records whose hashes are one, and Lint says so of the
// profile. Next to each are profiles that differ little, of which it is silent:
// there, no text is that of two records.
func TestUnboundPairs(t *testing.T) {
	type P = Profile
	anySequence := func(p *P) { p.Transaction.Digits = 0 }
	for _, tt := range []struct {
		name   string
		change func(*P)
		pair   [2][3]string
		secret string // the usual one if empty
		bound  []func(*P)
	}{
		{"holder and points", func(p *P) {},
			[2][3]string{{"520625", "100", "201705120930000001"}, {"52062", "5100", "201705120930000001"}}, "",
			[]func(*P){
				func(p *P) { p.Holder.Min, p.Holder.Max = 6, 6 },
				func(p *P) { p.Points.ZeroFill = true },
				func(p *P) { p.Points.Digits = 1 },
				func(p *P) { p.Hash.Join = "-" },
				func(p *P) { p.Layout, p.Hash.Fields = LayoutCSVQuoted, HashWritten },
				func(p *P) { p.Hash.Place = SecretBetween },
			}},
		{"holder and points, the number marked", func(p *P) { p.Transaction.Time, p.Transaction.Digits = TimeDashes, 0 },
			[2][3]string{{"520625", "100", "2017-05-12 09:30:001"}, {"52062", "5100", "2017-05-12 09:30:001"}}, "",
			[]func(*P){func(p *P) { p.Points.ZeroFill = true }, func(p *P) { p.Holder.Min = p.Holder.Max }}},
		{"as written, without quotes", func(p *P) { p.Hash.Fields, p.Layout = HashWritten, LayoutLines },
			[2][3]string{{"520625", "100", "201705120930000001"}, {"52062", "5100", "201705120930000001"}}, "", nil},
		{"points and number", func(p *P) { *p = p.WithMyKeyID(); anySequence(p) },
			[2][3]string{{"MY123456", "100", "20201201121050123456"}, {"MY123456", "10020", "201201121050123456"}}, "",
			[]func(*P){
				func(p *P) { p.Points.Digits = 2 },
				func(p *P) { p.Points.ZeroFill = true },
				func(p *P) { p.Transaction.Digits = 6 },
				func(p *P) { p.Transaction.Join = "-" },
				func(p *P) { p.Transaction.Time = TimeISO },
				func(p *P) { p.Hash.Join = "," },
			}},
		{"points and number with milliseconds", func(p *P) { *p = p.WithMyKeyID(); anySequence(p); p.Transaction.Time = TimeMillis; p.Points.Digits = 3 },
			[2][3]string{{"MY123456", "1", "202012011210501234567"}, {"MY123456", "120", "2012011210501234567"}}, "",
			[]func(*P){func(p *P) { p.Points.Digits = 2 }}},
		{"holder and number", func(p *P) {
			anySequence(p)
			p.Holder.Min, p.Holder.Max = 6, 8
			p.Points = PointsForm{Digits: 4, ZeroFill: true}
		},
			[2][3]string{{"520625", "0100", "20201201121050123456"}, {"52062501", "0020", "201201121050123456"}}, "",
			[]func(*P){func(p *P) { p.Holder.Max = 7 }, func(p *P) { p.Transaction.Digits = 8 }}},
		{"holder and number, one digit", func(p *P) { anySequence(p); p.Holder.Min, p.Holder.Max = 2, 5; p.Points.Digits = 1 },
			[2][3]string{{"52", "7", "201205101210051234"}, {"52720", "1", "205101210051234"}}, "",
			[]func(*P){func(p *P) { p.Holder.Max = 4 }}},
		{"a secret of digits between", func(p *P) { p.Hash.Place = SecretBetween },
			[2][3]string{{"A", "47115", "20170512093000000001"}, {"A4711", "5", "20170512093000000001"}}, "4711",
			[]func(*P){func(p *P) { p.Hash.SecretJoin = ":" }, func(p *P) { p.Points.ZeroFill = true }}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			secret := []byte(tt.secret)
			if len(secret) == 0 {
				secret = []byte("8f1d0c3ab94e7725")
			}
			key, err := NewKey("k", []byte("0123456789abcdef"), secret)
			require.NoError(t, err)
			unbound := func(p Profile) bool {
				return slices.ContainsFunc(p.Lint(key), func(f Finding) bool { return f.Code == LintUnbound && f.Severity == SeverityDanger })
			}
			p := Published()
			if p.Transaction.Digits = 6; tt.pair[0][2] == "201705120930000001" {
				p.Transaction.Digits = 4
			}
			tt.change(&p)
			require.NoError(t, p.Validate())
			assert.True(t, unbound(p))
			c, err := newCodec(p, secret)
			require.NoError(t, err)
			var inputs [2]string
			for i, texts := range tt.pair {
				f := fields{}
				for j, text := range texts {
					f.bare[j], f.written[j] = []byte(text), []byte(text)
				}
				var r Record
				_, ok := c.parse(&f, &r)
				require.True(t, ok, "%q", texts)
				inputs[i] = string(c.appendInput(nil, &f))
			}
			assert.NotEqual(t, tt.pair[0], tt.pair[1])
			assert.Equal(t, inputs[0], inputs[1])

			for i, change := range tt.bound {
				q := p
				change(&q)
				require.NoError(t, q.Validate())
				assert.False(t, unbound(q), "%d", i)
				requireOneReading(t, q, secret)
			}
		})
	}
}

// requireOneReading wants no hash input of random records to be that of
// another record, however the text is divided.
func requireOneReading(t *testing.T, p Profile, secret []byte) {
	t.Helper()
	c, err := newCodec(p, secret)
	require.NoError(t, err)
	rnd := rand.New(rand.NewPCG(1, 2))
	digits := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte('0' + rnd.IntN(3))
		}
		return string(b)
	}
	fill := func(texts [3]string) (f fields) {
		for i, text := range texts {
			f.bare[i], f.written[i] = []byte(text), c.write(nil, field(i), []byte(text))
		}
		return f
	}
	seen := 0 // times are such that a part of one is likely to be another
	for range 1500 {
		at := time.Date(2012+8*rnd.IntN(2), 1+time.Month(rnd.IntN(12)), 1+rnd.IntN(12), rnd.IntN(24), rnd.IntN(24), rnd.IntN(60), rnd.IntN(1000)*1e6, time.UTC)
		number := string(p.Transaction.Time.appendTime(nil, at.UnixMilli())) + p.Transaction.Join + digits(cmp.Or(p.Transaction.Digits, 1+rnd.IntN(9)))
		points := digits(1 + rnd.IntN(p.Points.Digits))
		if p.Points.ZeroFill {
			points = digits(p.Points.Digits)
		}
		f := fill([3]string{digits(p.Holder.Min + rnd.IntN(p.Holder.Max-p.Holder.Min+1)), points, number})
		var r Record
		if _, ok := c.parse(&f, &r); !ok {
			continue
		}
		seen++
		input := string(c.appendInput(nil, &f))
		// The same characters, divided in every way.
		all := string(f.bare[0]) + string(f.bare[1]) + string(f.bare[2])
		for i := p.Holder.Min; i <= min(p.Holder.Max, len(all)); i++ {
			for j := i + 1; j <= min(i+p.Points.Digits, len(all)); j++ {
				g := fill([3]string{all[:i], all[i:j], all[j:]})
				if _, ok := c.parse(&g, &r); ok && string(c.appendInput(nil, &g)) == input {
					require.Equal(t, f.bare, g.bare)
				}
			}
		}
	}
	require.Greater(t, seen, 100)
}

// Every case of Wycheproof's AES-CBC-PKCS5, of all key sizes: the 72 valid ones
// give their message, and the 144 invalid ones, as files, all give the one
// error.
func TestWycheproof(t *testing.T) {
	// The vectors are not ours, and lie beside a checkout where there are any:
	// where that folder is, they must be in it.
	shared := filepath.Join("..", "..", "shared")
	if _, err := os.Stat(shared); os.IsNotExist(err) {
		t.Skip("the Wycheproof vectors are not beside this checkout: " + shared)
	}
	data, err := os.ReadFile(filepath.Join(shared, "testdata", "wycheproof", "aes_cbc_pkcs5_test.json"))
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
			// The same as a file. A vault takes keys of any length of AES.
			key, err := NewVaultKey("", aesVault{block: block}, []byte("secret"))
			require.NoError(t, err)
			file := append(unhex(t, c.IV), ct...)
			_, whole := NewReader(t.Context(), bytes.NewReader(file), Standard(), key, nil)
			form := Standard().Cipher
			d, err := newDecryption(t.Context(), &Profile{Cipher: form}, key, unhex(t, c.IV), "")
			require.NoError(t, err)
			text, fault, _ := d.inMemory(ct, true)

			switch c.Result {
			case "valid":
				valid++
				assert.Empty(t, fault, "case %d: %s", c.TcID, c.Comment)
				assert.Equal(t, c.Msg, hex.EncodeToString(text), "case %d", c.TcID)
			case "invalid":
				invalid++
				assert.NotEmpty(t, fault, "case %d: %s", c.TcID, c.Comment)
			default:
				t.Fatalf("case %d: result %q", c.TcID, c.Result)
			}
			// No message of the suite is a merge file, so that all must be
			// refused, those with right padding in the same words as the others.
			assert.True(t, whole == ErrInvalid, "case %d: %v", c.TcID, whole)
		}
	}
	assert.Equal(t, []int{216, 72, 144}, []int{suite.NumberOfTests, valid, invalid})
}
