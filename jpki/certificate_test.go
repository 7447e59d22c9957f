package jpki

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
)

var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// testCertificate makes a certificate of more than size bytes.
func testCertificate(t testing.TB, key crypto.Signer, size int) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(0x30D45),
		Subject:      pkix.Name{Country: []string{"JP"}, CommonName: "TESTHOLDER"},
		NotBefore:    time.Date(2025, 10, 27, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(2030, 2, 17, 0, 0, 0, 0, time.UTC),
		ExtraExtensions: []pkix.Extension{{
			Id: []int{1, 2, 392, 200149, 1}, Value: make([]byte, size),
		}},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return cert
}

func rsaCertificate(t testing.TB, size int) *x509.Certificate {
	return testCertificate(t, testKey(), size)
}

const (
	serialHead = "3082062B 30820513 A003020102 0203 030D45 300D06092A864886F70D01010B0500 30 8181"
	readSerial = "00B08A00 24"
)

func TestSerial(t *testing.T) {
	head := unhex(serialHead)
	assert.Len(t, head, serialPrefix)
	pinRequired := step{"00B08800 03", "8F8F009000"}
	for _, tt := range []struct {
		name  string
		opts  []Option
		steps []step
	}{
		{"by short identifier", nil, []step{{readSerial, ok(head)}}},
		{"short reply", nil, []step{{readSerial, ok(head[:20])}}},
		{"short file", nil, []step{{readSerial, append(head[:20:20], 0x62, 0x82)}}},
		{"card names another Le", nil, []step{{readSerial, "6C14"}, {"00B08A00 14", ok(head[:20])}}},
		{"card gives it in pieces", nil, []step{{readSerial, append(head[:20:20], 0x61, 0x10)}, {"00C00000 10", ok(head[20:])}}},
		{"without short identifiers", []Option{WithoutShortEF()},
			[]step{{"00A4020C02000A", done}, {"00B00000 24", ok(head)}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := play(t, tt.opts, tt.steps...)
			serial, err := c.Serial(context.Background(), Auth)
			require.NoError(t, err)
			assert.Equal(t, "030D45", serial.Hex())
		})
	}
	for _, tt := range []struct {
		name  string
		steps []step
		is    error
	}{
		{"PIN wanted", []step{{readSerial, "6982"}, pinRequired}, apdu.SecurityStatusNotSatisfied},
		{"nothing behind the PIN", []step{{readSerial, "6982"}, {"00B08800 03", "8F00009000"}}, ErrNoCertificate},
		{"no file", []step{{readSerial, "6A82"}, {"00A4020C02000A", "6A82"}}, ErrNoCertificate},
		{"filler", []step{{readSerial, ok(bytes.Repeat([]byte{0xFF}, 36))}}, ErrNoCertificate},
		{"zeros", []step{{readSerial, ok(make([]byte, 36))}}, ErrNoCertificate},
		{"empty", []step{{readSerial, done}}, ErrCertificate},
		{"too long", []step{{readSerial, ok(append(head[:36:36], 0))}}, apdu.ErrResponseLength},
		{"removed", []step{{readSerial, ""}}, apdu.ErrCardRemoved},
		{"torn", []step{{readSerial, "90"}}, apdu.ErrCardRemoved},
		{"link lost", []step{{readSerial, errLink}}, errLink},
		{"cut in the number", []step{{readSerial, ok(head[:17])}}, ErrCertificate},
		{"other status", []step{{readSerial, "6F00"}}, apdu.NoPreciseDiagnosis},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := play(t, nil, tt.steps...)
			serial, err := c.Serial(context.Background(), Auth)
			require.ErrorIs(t, err, tt.is)
			requireStep(t, err, "read serial of auth certificate")
			assert.True(t, serial.IsZero())
		})
	}
}

func TestPINRequired(t *testing.T) {
	c := play(t, nil,
		step{"00B08100 00", "6982"}, step{"00B08800 03", "8F8F009000"},
		step{"00B08100 24", "6982"}, step{"00B08800 03", ""}, // gone: the PIN is still what was wanted
		step{"00B08200 24", "6982"})
	for _, slot := range []Slot{Sign, Sign, SignCA} {
		var err error
		if c.Stats().Exchanges == 1 {
			_, err = c.Certificate(context.Background(), slot)
		} else {
			_, err = c.Serial(context.Background(), slot)
		}
		var required *PINRequiredError
		require.ErrorAs(t, err, &required)
		assert.Equal(t, SignPIN, required.PIN)
		assert.NotErrorIs(t, err, ErrNoCertificate)
	}
}

// What a card without short identifiers may answer to them, and that it is
// asked once.
func TestShortEFRefused(t *testing.T) {
	head := unhex(serialHead)
	for _, word := range []string{"6700", "6981", "6986", "6A81", "6A82", "6A86", "6A88", "6B00", "6D00"} {
		t.Run(word, func(t *testing.T) {
			c := play(t, nil,
				step{readSerial, word},
				step{"00A4020C02000A", done}, step{"00B00000 24", ok(head)},
				step{"00A4020C02000A", done}, step{"00B00000 24", ok(head)},
				step{"00A4020C020018", done}, step{"00200080", "63C3"})
			for range 2 {
				serial, err := c.Serial(context.Background(), Auth)
				require.NoError(t, err)
				assert.Equal(t, "030D45", serial.Hex())
			}
			left, err := c.Tries(context.Background(), AuthPIN)
			require.NoError(t, err)
			assert.Equal(t, 3, left)
		})
	}
	t.Run("not remembered for a file that is not there", func(t *testing.T) {
		c := play(t, nil,
			step{readSerial, "6A82"}, step{"00A4020C02000A", "6A82"},
			step{"00B08B00 24", ok(head)})
		_, err := c.Serial(context.Background(), Auth)
		require.ErrorIs(t, err, ErrNoCertificate)
		_, err = c.Serial(context.Background(), AuthCA)
		require.NoError(t, err)
	})
	t.Run("not remembered for a card that refuses both", func(t *testing.T) {
		c := play(t, nil,
			step{readSerial, "6D00"}, step{"00A4020C02000A", done}, step{"00B00000 24", "6D00"},
			step{readSerial, ok(head)})
		_, err := c.Serial(context.Background(), Auth)
		requireStatus(t, err, apdu.InsNotSupported)
		_, err = c.Serial(context.Background(), Auth)
		require.NoError(t, err)
	})
}

func TestParseSerial(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"long form lengths", serialHead, "030D45"},
		{"lengths of one byte", "3050 3040 A003020102 020101 300D", "01"},
		{"lengths of 81", "3081C0 3081A0 A003020102 02020080 300D", "80"},
		{"20 bytes", "3082062B 30820513 A003020102 0214 7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF 30", "7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"},
		{"20 bytes and a zero", "3082062B 30820513 A003020102 0215 00FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF", "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"},
		{"nothing behind it", "3082062B 30820513 A003020102 0203030D45", "030D45"},

		{"empty", "", ""},
		{"outer tag", "3182062B 30820513 A003020102 0203030D45 300D", ""},
		{"outer length indefinite", "3080 30820513 A003020102 0203030D45 300D", ""},
		{"outer length cut", "308206", ""},
		{"outer length too great", "30822000 30820513 A003020102 0203030D45 300D", ""},
		{"outer length of four bytes", "30847FFFFFF0 30820513 A003020102 0203030D45 300D", ""},
		{"inner tag", "3082062B 31820513 A003020102 0203030D45 300D", ""},
		{"inner length not within the outer", "3082062B 30820627 A003020102 0203030D45 300D", ""},
		{"inner length huge", "3082062B 30847FFFFF00 A003020102 0203030D45 300D", ""},
		{"inner length cut", "3082062B 3082", ""},
		{"version missing", "3082062B 30820513 0203030D45 300D06092A864886F70D01010B0500", ""},
		{"version 1", "3082062B 30820513 A003020100 0203030D45 300D", ""},
		{"version cut", "3082062B 30820513 A00302", ""},
		{"serial tag", "3082062B 30820513 A003020102 0403030D45 300D", ""},
		{"serial empty", "3082062B 30820513 A003020102 0200 300D", ""},
		{"serial zero", "3082062B 30820513 A003020102 020100 300D", ""},
		{"serial negative", "3082062B 30820513 A003020102 0203830D45 300D", ""},
		{"serial cut", "3082062B 30820513 A003020102 0204030D45", ""},
		{"serial of 21 bytes", "3082062B 30820513 A003020102 0215 01FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF", ""},
		{"serial beyond the inner object", "3050 3007 A003020102 0203030D45 300D", ""},
		{"no signature algorithm behind it", "3082062B 30820513 A003020102 0203030D45 310D", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			serial, err := parseSerial(unhex(tt.in))
			assert.Equal(t, tt.want, serial.Hex())
			assert.Equal(t, tt.want == "", err != nil)
			if err != nil {
				assert.ErrorIs(t, err, ErrCertificate)
			}
		})
	}
}

// Every prefix of the head gives the number or an error, and every flipped bit
// before the number is noticed or leaves the number alone.
func TestParseSerialDamaged(t *testing.T) {
	head := unhex(serialHead)
	for n := range head {
		_, err := parseSerial(head[:n:n])
		assert.Equal(t, n < 18, err != nil, "%d bytes", n)
	}
	for i := range 15 {
		for bit := range 8 {
			b := bytes.Clone(head)
			b[i] ^= 1 << bit
			if serial, err := parseSerial(b); err == nil {
				assert.Equal(t, "030D45", serial.Hex(), "byte %d bit %d", i, bit)
			}
		}
	}
}

func FuzzParseSerial(f *testing.F) {
	f.Add(unhex(serialHead))
	f.Add(rsaCertificate(f, 1).Raw)
	f.Add(unhex("3050 3040 A003020102 020101 300D"))
	f.Add(unhex("3082062B 30820513 A003020102 0215 00FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"))
	f.Fuzz(func(t *testing.T, in []byte) {
		in = in[:len(in):len(in)]
		var serial Serial
		var err error
		bounded(t, 64<<10, func() { serial, err = parseSerial(in) })
		if (err == nil) == serial.IsZero() {
			t.Fatalf("serial %t, error %v", !serial.IsZero(), err)
		}
		// Whatever the standard library takes for a certificate has the same
		// number for us.
		cert, e := x509.ParseCertificate(in)
		if e != nil || len(in) > maxCertificate {
			return
		}
		want, e := SerialOf(cert)
		if e == nil && cert.Version == 3 && serial != want {
			t.Fatal("serial differs from crypto/x509")
		}
	})
}

func TestSerialOf(t *testing.T) {
	serial, err := SerialOf(rsaCertificate(t, 1))
	require.NoError(t, err)
	assert.Equal(t, "030D45", serial.Hex())
	for _, cert := range []*x509.Certificate{
		nil, {}, {SerialNumber: new(big.Int)}, {SerialNumber: big.NewInt(-1)},
		{SerialNumber: new(big.Int).Lsh(big.NewInt(1), 160)},
	} {
		_, err := SerialOf(cert)
		assert.ErrorIs(t, err, ErrSerial)
	}
}

// readAll scripts the reads of a file by short identifier, as the card that
// holds file answers them.
func readAll(short byte, der, file []byte) []step {
	var steps []step
	for at := 0; at < len(der); {
		n := min(256, len(der)-at)
		if at == 0 {
			n = 256
			steps = append(steps, step{fmt.Sprintf("00B0%02X0000", 0x80|short), ok(file[:min(n, len(file))])})
		} else {
			steps = append(steps, step{fmt.Sprintf("00B0%04X%02X", at, byte(n)), ok(file[at : at+n])})
		}
		at += n
	}
	return steps
}

func TestCertificate(t *testing.T) {
	for _, tt := range []struct {
		slot  Slot
		short byte
		size  int
	}{{Auth, 0x0A, 1}, {Auth, 0x0A, 600}, {Sign, 0x01, 1000}, {AuthCA, 0x0B, 300}, {SignCA, 0x02, 4000}} {
		want := rsaCertificate(t, tt.size)
		file := append(bytes.Clone(want.Raw), bytes.Repeat([]byte{0xFF}, 300)...)
		steps := readAll(tt.short, want.Raw, file)
		assert.Len(t, steps, (len(want.Raw)+255)/256)
		c := play(t, nil, steps...)
		got, err := c.Certificate(context.Background(), tt.slot)
		require.NoError(t, err)
		assert.Equal(t, want.Raw, got.Raw)
	}
}

// The number of reads is right at the edges of the pieces, and the last read
// asks for what is left and no more.
func TestCertificatePieces(t *testing.T) {
	base := len(rsaCertificate(t, 512).Raw)
	for _, size := range []int{1023, 1024, 1025, 1279, 1280, 1281} {
		cert := rsaCertificate(t, 512+size-base)
		require.Len(t, cert.Raw, size)
		for _, filler := range []int{0, 1, 255, 256} {
			file := append(bytes.Clone(cert.Raw), bytes.Repeat([]byte{0xFF}, filler)...)
			steps := readAll(0x0A, cert.Raw, file)
			require.Len(t, steps, (size+255)/256)
			_, err := play(t, nil, steps...).Certificate(context.Background(), Auth)
			require.NoError(t, err)
		}
	}
}

func TestCertificateSmallerThanOnePiece(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	for _, reply := range [][]byte{ok(der), append(bytes.Clone(der), 0x62, 0x82)} {
		cert, err := play(t, nil, step{"00B08A0000", reply}).Certificate(context.Background(), Auth)
		require.NoError(t, err)
		assert.Equal(t, der, cert.Raw)
	}
}

func TestCertificateFromBadFiles(t *testing.T) {
	der := rsaCertificate(t, 1).Raw
	first, second, third := der[:256], der[256:512], der[512:]
	garbled := bytes.Clone(der)
	garbled[len(der)/2] ^= 0xFF // within the key
	r1, r2 := "00B08A0000", "00B0010000"
	r3 := fmt.Sprintf("00B00200%02X", byte(len(third)))
	longer := bytes.Clone(der)
	binary.BigEndian.PutUint16(longer[2:], uint16(len(der)-4+2))
	r3longer := fmt.Sprintf("00B00200%02X", byte(len(third)+2))
	for _, tt := range []struct {
		name  string
		steps []step
		is    error
	}{
		{"filler", []step{{r1, ok(bytes.Repeat([]byte{0xFF}, 256))}}, ErrNoCertificate},
		{"empty", []step{{r1, done}}, ErrCertificate},
		{"one byte", []step{{r1, "309000"}}, ErrCertificate},
		{"no certificate", []step{{r1, ok(bytes.Repeat([]byte{0x41}, 256))}}, ErrCertificate},
		{"longer than any", []step{{r1, ok(append(unhex("30822000"), first[4:]...))}}, ErrCertificate},
		{"longer than an int", []step{{r1, ok(append(unhex("3084FFFFFFFF"), first[6:]...))}}, ErrCertificate},
		{"indefinite", []step{{r1, ok(append(unhex("3080"), first[2:]...))}}, ErrCertificate},
		{"file ends early", []step{{r1, ok(first)}, {r2, "6B00"}}, ErrCertificate},
		{"file ends early, 6282", []step{{r1, ok(first)}, {r2, append(bytes.Clone(second[:9]), 0x62, 0x82)}, {fmt.Sprintf("00B00109%02X", byte(min(256, len(der)-265))), "6282"}}, ErrCertificate},
		{"reads nothing", []step{{r1, ok(first)}, {r2, done}}, ErrCertificate},
		{"reply too long", []step{{r1, ok(first)}, {r2, ok(append(bytes.Clone(second), 0))}}, apdu.ErrResponseLength},
		{"first reply too long", []step{{r1, ok(append(bytes.Clone(first), 0))}}, apdu.ErrResponseLength},
		{"last reply too long", []step{{r1, ok(first)}, {r2, ok(second)}, {r3, ok(append(bytes.Clone(third), 0))}}, apdu.ErrResponseLength},
		{"filler within", []step{{r1, ok(longer[:256])}, {r2, ok(second)}, {r3longer, ok(append(bytes.Clone(third), 0xFF, 0xFF))}}, ErrCertificate},
		{"removed", []step{{r1, ok(first)}, {r2, ""}}, apdu.ErrCardRemoved},
		{"refused", []step{{r1, ok(first)}, {r2, "6F00"}}, apdu.NoPreciseDiagnosis},
		{"shifted", []step{{r1, ok(first)}, {r2, ok(append([]byte{0}, second[:255]...))}, {r3, ok(third)}}, ErrCertificate},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cert, err := play(t, nil, tt.steps...).Certificate(context.Background(), Auth)
			require.ErrorIs(t, err, tt.is)
			requireStep(t, err, "read auth certificate")
			assert.Nil(t, cert)
		})
	}
	// A damaged certificate is refused where it cannot be parsed, and where it
	// can, its own signature tells.
	cert, err := play(t, nil, readAll(0x0A, garbled, garbled)...).Certificate(context.Background(), Auth)
	if err == nil {
		require.Error(t, cert.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature))
	}
}

// A card that never gives what it promised is left after a bounded number of
// commands.
func TestCertificateFromEndlessFile(t *testing.T) {
	for name, reply := range map[string]func(n int) []byte{
		"a byte at a time":     func(n int) []byte { return [][]byte{unhex("30821F00 9000"), unhex("00 9000")}[min(n, 1)] },
		"61xx without end":     func(n int) []byte { return []byte{0x30, 0x61, 0x01} },
		"61xx without data":    func(n int) []byte { return []byte{0x61, 0x01} },
		"6Cxx without end":     func(n int) []byte { return []byte{0x6C, 0x01} },
		"an oversized segment": func(n int) []byte { return append(make([]byte, 70000), 0x90, 0) },
		"oversized 61xx":       func(n int) []byte { return append(make([]byte, 60000), 0x61, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			c := play(t, nil)
			n := 0
			c.channel.Transmitter = transmitFunc(func([]byte) ([]byte, error) {
				n++
				return reply(n - 1), nil
			})
			_, err := c.Certificate(context.Background(), Auth)
			requireStep(t, err, "read auth certificate")
			assert.LessOrEqual(t, n, 1024)
		})
	}
}

// Some cards read by short identifier and yet have no current file afterwards.
func TestShortEFDoesNotSelect(t *testing.T) {
	cert := rsaCertificate(t, 1)
	steps := readAll(0x0A, cert.Raw, append(bytes.Clone(cert.Raw), bytes.Repeat([]byte{0xFF}, 256)...))
	for _, word := range []string{"6986", "6981"} {
		s := append([]step{}, steps[0],
			step{steps[1].command, word}, step{"00A4020C02000A", done})
		s = append(s, steps[1:]...)
		s = append(s, step{"00A4020C020006", done}, step{"00B00000 20", ok([]byte("JPKIAPICCTOKEN2                 "))})
		c := play(t, nil, s...)
		got, err := c.Certificate(context.Background(), Auth)
		require.NoError(t, err)
		assert.Equal(t, cert.Raw, got.Raw)
		kind, err := c.Kind(context.Background())
		require.NoError(t, err)
		assert.Equal(t, KindPlastic, kind)
	}
}

func TestHasCertificate(t *testing.T) {
	const read = "00B08800 03"
	for _, tt := range []struct {
		reply      string
		auth, sign bool
	}{{"8F8F00 9000", true, true}, {"008F00 9000", true, false}, {"8F0000 9000", false, true}} {
		c := play(t, nil, step{read, tt.reply}, step{read, tt.reply})
		auth, err := c.HasCertificate(context.Background(), Auth)
		require.NoError(t, err)
		sign, err := c.HasCertificate(context.Background(), Sign)
		require.NoError(t, err)
		assert.Equal(t, tt.auth, auth)
		assert.Equal(t, tt.sign, sign)
	}
	c := play(t, nil, step{read, "8F9000"}, step{read, "6A82"}, step{"00A4020C020008", "6A82"})
	_, err := c.HasCertificate(context.Background(), Auth)
	require.ErrorIs(t, err, ErrReply)
	_, err = c.HasCertificate(context.Background(), Auth)
	requireStatus(t, err, apdu.FileNotFound)
	assert.NotErrorIs(t, err, ErrNoCertificate)
	for _, slot := range []Slot{0, AuthCA, SignCA, 9} {
		_, err = c.HasCertificate(context.Background(), slot)
		var unsupported *UnsupportedError
		require.ErrorAs(t, err, &unsupported)
		requireStep(t, err, "look for "+slot.String()+" certificate")
	}
}

func TestKind(t *testing.T) {
	for label, want := range map[string]Kind{
		"JPKIAPICCTOKEN2                 ":                   KindPlastic,
		"JPKIAPICCTOKEN2" + strings.Repeat("\x00", 16) + " ": KindPlastic,
		"JPKIAPGPSETOKEN                 ":                   KindAndroid,
		"JPKIAPIOSTOKEN                  ":                   KindIPhone,
		"JPKIAPICCTOKEN                  ":                   KindJuki,
		"JPKIAPNEWTOKEN                  ":                   KindUnknown,
		"JPKIAPICCTOKEN22                ":                   KindUnknown,
		"jpkiapicctoken2                 ":                   KindUnknown,
		strings.Repeat("\xFF", 32):                           KindUnknown,
	} {
		steps := []step{{"00B08600 20", ok([]byte(label))}}
		kind, err := play(t, nil, steps...).Kind(context.Background())
		require.NoError(t, err)
		assert.Equal(t, want, kind, "%q", label)
	}
	for reply, is := range map[string]error{
		"": apdu.ErrCardRemoved, "90": apdu.ErrCardRemoved, done: ErrReply, "6982": apdu.SecurityStatusNotSatisfied,
		"4A504B494150494343544F4B454E 9000": ErrReply, // cut short before the 2
	} {
		_, err := play(t, nil, step{"00B08600 20", reply}).Kind(context.Background())
		require.ErrorIs(t, err, is)
		requireStep(t, err, "read token information")
	}
	_, err := play(t, nil, step{"00B08600 20", "6A82"}, step{"00A4020C020006", "6A82"}).Kind(context.Background())
	requireStatus(t, err, apdu.FileNotFound)
}
