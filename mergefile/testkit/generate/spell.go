package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/md5"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"golang.org/x/text/encoding/japanese"

	"github.com/mynakit/mynakit/mergefile"
)

// rec is a record in the texts that the fields are made of.
type rec struct {
	holder string
	points int
	at     time.Time // Japan Standard Time
	seq    int
}

// texts spells fields 1 to 3, bare.
func texts(p mergefile.Profile, r rec) [3]string {
	points := fmt.Sprint(r.points)
	if p.Points.ZeroFill {
		points = fmt.Sprintf("%0*d", p.Points.Digits, r.points)
	}
	at := r.at
	if p.Transaction.Zone == mergefile.ZoneUTC {
		at = at.UTC()
	}
	form := map[mergefile.TimeForm]string{
		mergefile.TimeSeconds: "20060102150405",
		mergefile.TimeMillis:  "20060102150405.000",
		mergefile.TimeDashes:  "2006-01-02 15:04:05",
		mergefile.TimeSlashes: "2006/01/02 15:04:05",
		mergefile.TimeISO:     "2006-01-02T15:04:05",
	}[p.Transaction.Time]
	number := strings.ReplaceAll(at.Format(form), ".", "") + p.Transaction.Join
	if p.Transaction.Digits == 0 {
		number += fmt.Sprint(r.seq)
	} else {
		number += fmt.Sprintf("%0*d", p.Transaction.Digits, r.seq)
	}
	return [3]string{r.holder, points, number}
}

func lineEnd(e mergefile.EOL) string {
	return map[mergefile.EOL]string{mergefile.EOLLF: "\n", mergefile.EOLCRLF: "\r\n"}[e]
}

// encoded spells a name of a field.
func encoded(p mergefile.Profile, name string) string {
	if p.Charset != mergefile.CharsetCP932 {
		return name
	}
	s, err := japanese.ShiftJIS.NewEncoder().String(name)
	if err != nil {
		panic(err) // the names below are constants
	}
	// The encoder knows two letters of the names by NEC's selection; CP932, as
	// Windows and Java write it, by IBM's extension.
	return strings.NewReplacer("\xee\xe0", "\xfb\xfc", "\xed\x95", "\xfa\xb1").Replace(s)
}

// written dresses a bare field as the layout has it.
func written(p mergefile.Profile, i int, text string) string {
	switch p.Layout {
	case mergefile.LayoutCSVQuoted:
		return `"` + text + `"`
	case mergefile.LayoutFixed:
		if i == 0 {
			return fmt.Sprintf("%-*s", p.Holder.Max, text)
		}
	case mergefile.LayoutKeyValue:
		return encoded(p, p.Names[i]) + "=" + text
	}
	return text
}

// hashOf gives field 4 of fields 1 to 3.
func hashOf(p mergefile.Profile, secret string, f [3]string) string {
	if p.Hash.Fields == mergefile.HashWritten {
		for i := range f {
			f[i] = written(p, i, f[i])
		}
	}
	s := p.Hash.SecretJoin
	joined := strings.Join(f[:], p.Hash.Join)
	var input string
	switch p.Hash.Place {
	case mergefile.SecretSuffix:
		input = joined + s + secret
	case mergefile.SecretPrefix:
		input = secret + s + joined
	case mergefile.SecretBoth:
		input = secret + s + joined + s + secret
	case mergefile.SecretBetween:
		input = strings.Join(f[:], s+secret+s)
	}
	sum := md5.Sum([]byte(input + lineEnd(p.Hash.EOL)))
	switch p.Hash.Text {
	case mergefile.HashHexUpper:
		return fmt.Sprintf("%X", sum)
	case mergefile.HashBase64:
		return base64.StdEncoding.EncodeToString(sum[:])
	case mergefile.HashRaw:
		return string(sum[:])
	}
	return fmt.Sprintf("%x", sum)
}

// recordText puts four fields together, without the record's end.
func recordText(p mergefile.Profile, f [4]string) string {
	for i := range f {
		f[i] = written(p, i, f[i])
	}
	sep := ","
	switch p.Layout {
	case mergefile.LayoutTSV:
		sep = "\t"
	case mergefile.LayoutFixed:
		sep = ""
	case mergefile.LayoutLines, mergefile.LayoutKeyValue:
		sep = lineEnd(p.EOL)
	}
	return strings.Join(f[:], sep)
}

// prolog is the byte order mark and the header row.
func prolog(p mergefile.Profile) string {
	s := ""
	if p.Charset == mergefile.CharsetUTF8BOM {
		s = "\xEF\xBB\xBF"
	}
	if p.Header {
		var f [4]string
		for i := range f {
			f[i] = encoded(p, p.Names[i])
		}
		s += recordText(p, f) + lineEnd(p.EOL)
	}
	return s
}

// body spells whole records.
func body(p mergefile.Profile, secret string, rs ...rec) string {
	var out []string
	for _, r := range rs {
		f := texts(p, r)
		out = append(out, recordText(p, [4]string{f[0], f[1], f[2], hashOf(p, secret, f)}))
	}
	s := strings.Join(out, lineEnd(p.EOL))
	if p.FinalEOL {
		s += lineEnd(p.EOL)
	}
	return s
}

// pad pads text to whole blocks.
func pad(p mergefile.Padding, text string) string {
	n := 16 - len(text)%16
	switch p {
	case mergefile.PaddingPKCS7:
		return text + strings.Repeat(string(rune(n)), n)
	case mergefile.PaddingX923:
		return text + strings.Repeat("\x00", n-1) + string(rune(n))
	case mergefile.PaddingISO10126:
		return text + "0123456789abcdef"[:n-1] + string(rune(n))
	case mergefile.PaddingZero:
		return text + strings.Repeat("\x00", n%16)
	case mergefile.PaddingSpace:
		return text + strings.Repeat(" ", n%16)
	}
	return text
}

// kit is key material and what is random, in place of a random source.
type kit struct {
	key    []byte // AES key, or passphrase
	iv     []byte // 16 bytes: IV, or salt
	name   string
	keyID  string
	secret string
}

// keyIV gives the AES key and the IV that go with a profile, and what stands
// in front of the file.
func (k kit) keyIV(c mergefile.CipherForm) (key, iv []byte, front string) {
	key, iv = k.key, k.iv
	salted := func(derived []byte) ([]byte, []byte, string) {
		return derived[:16], derived[16:32], "Salted__" + string(k.iv[:8])
	}
	switch c.Key {
	case mergefile.KeyHex:
		key, _ = hex.DecodeString(string(k.key))
	case mergefile.KeyBase64:
		key, _ = base64.StdEncoding.DecodeString(string(k.key))
	case mergefile.KeyMySQL:
		key = make([]byte, 16)
		for i, b := range k.key {
			key[i%16] ^= b
		}
	case mergefile.KeyMD5:
		sum := md5.Sum(k.key)
		key = sum[:]
	case mergefile.KeyEVPMD5:
		in := append(bytes.Clone(k.key), k.iv[:8]...)
		a := md5.Sum(in)
		b := md5.Sum(append(a[:], in...))
		return salted(append(a[:], b[:]...))
	case mergefile.KeyEVPSHA256:
		a := sha256.Sum256(append(bytes.Clone(k.key), k.iv[:8]...))
		return salted(a[:])
	case mergefile.KeyPBKDF2:
		b, err := pbkdf2.Key(sha256.New, string(k.key), k.iv[:8], c.Iterations, 32)
		if err != nil {
			panic(err)
		}
		return salted(b)
	}
	switch c.IV {
	case mergefile.IVPrefixed:
		front = string(iv)
	case mergefile.IVZero:
		iv = make([]byte, 16)
	case mergefile.IVFixed:
		iv, _ = hex.DecodeString(c.FixedIV)
	case mergefile.IVKey:
		iv = key
	case mergefile.IVFileName:
		iv = []byte(k.name[:16])
	}
	return key, iv, front
}

// encrypt encrypts text that is padded already.
func (k kit) encrypt(c mergefile.CipherForm, text string) string {
	key, iv, front := k.keyIV(c)
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	in := []byte(text)
	out := make([]byte, len(in))
	switch c.Mode {
	case mergefile.CipherCBC:
		cipher.NewCBCEncrypter(block, iv).CryptBlocks(out, in)
	case mergefile.CipherECB:
		for i := 0; i < len(in); i += 16 {
			block.Encrypt(out[i:], in[i:])
		}
	case mergefile.CipherCTR:
		cipher.NewCTR(block, iv).XORKeyStream(out, in)
	case mergefile.CipherCFB8:
		reg := bytes.Clone(iv)
		for i, b := range in {
			var e [16]byte
			block.Encrypt(e[:], reg)
			out[i] = b ^ e[0]
			reg = append(reg[1:], out[i])
		}
	case mergefile.CipherCFB128:
		reg := iv
		for i := 0; i < len(in); i += 16 {
			var e [16]byte
			block.Encrypt(e[:], reg)
			for j := i; j < min(i+16, len(in)); j++ {
				out[j] = in[j] ^ e[j-i]
			}
			reg = out[i:min(i+16, len(in))]
		}
	}
	return front + string(out)
}

// outer writes the text form around bytes.
func outer(c mergefile.CipherForm, b string) string {
	eol := lineEnd(c.OuterEOL)
	switch c.Outer {
	case mergefile.OuterHexLower:
		return fmt.Sprintf("%x", b) + eol
	case mergefile.OuterHexUpper:
		return fmt.Sprintf("%X", b) + eol
	case mergefile.OuterBinary:
		return b
	}
	text := base64.StdEncoding.EncodeToString([]byte(b))
	width := map[mergefile.Outer]int{mergefile.OuterBase64W: 64, mergefile.OuterBase64M: 76}[c.Outer]
	if width == 0 {
		return text + eol
	}
	var out strings.Builder
	for len(text) > 0 {
		n := min(width, len(text))
		out.WriteString(text[:n] + eol)
		text = text[n:]
	}
	return out.String()
}

// envelope seals text in an envelope of one segment.
func (k kit) envelope(p mergefile.Profile, text string) string {
	master, err := hkdf.Key(sha256.New, k.key, nil, "mynakit mergefile envelope 1", 32)
	if err != nil {
		panic(err)
	}
	header := "MKMERGE\x01" + string(rune(len(k.keyID))) + k.keyID + string(k.iv)
	bound := []byte(header + p.Associated)
	mac := hmac.New(sha256.New, master)
	mac.Write(bound)
	block, err := aes.NewCipher(mac.Sum(nil)[:16])
	if err != nil {
		panic(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	nonce := append(make([]byte, 11), 1)
	return header + string(gcm.Seal(nil, nonce, []byte(text), bound))
}

// sidecar gives the sidecar of a file.
func (k kit) sidecar(file string) string {
	key, err := hkdf.Key(sha256.New, k.key, nil, "mynakit mergefile sidecar 1", 32)
	if err != nil {
		panic(err)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(file))
	return fmt.Sprintf("mergefile-mac-1 %s %x\n", k.keyID, mac.Sum(nil))
}

// file does all of it.
func (k kit) file(p mergefile.Profile, text string) string {
	if p.Cipher.Mode == mergefile.CipherEnvelope {
		return outer(p.Cipher, k.envelope(p, text))
	}
	return outer(p.Cipher, k.encrypt(p.Cipher, pad(p.Cipher.Padding, text)))
}

// decryptCBC decrypts a file with its IV in front, padding and all.
func decryptCBC(key []byte, file string) string {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	out := make([]byte, len(file)-16)
	cipher.NewCBCDecrypter(block, []byte(file[:16])).CryptBlocks(out, []byte(file[16:]))
	return string(out)
}
