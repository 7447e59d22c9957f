package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/md5"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

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
	switch p.Points.Text {
	case "plus":
		points = "+" + points
	case "space-fill":
		points = fmt.Sprintf("%*d", p.Points.Digits, r.points)
	case "commas":
		if r.points >= 1000 { // and less than a million
			points = fmt.Sprintf("%d,%03d", r.points/1000, r.points%1000)
		}
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
		"YYMMDDhhmmss":        "060102150405",
		"YYYYMMDDhhmm":        "200601021504",
		"YYYY/MM/DD hh:mm":    "2006/01/02 15:04",
	}[p.Transaction.Time]
	if p.Transaction.Columns == 3 {
		form = strings.NewReplacer("0215", "02;15", "02 15", "02;15").Replace(form)
	}
	number := strings.ReplaceAll(at.Format(form), ".", "") + p.Transaction.Join
	if p.Transaction.Columns > 1 {
		number += ";" // between columns; delimiter puts in the layout's own
	}
	if p.Transaction.Digits == 0 {
		number += fmt.Sprint(r.seq)
	} else {
		number += fmt.Sprintf("%0*d", p.Transaction.Digits, r.seq)
	}
	return [3]string{r.holder, points, number}
}

func lineEnd(e mergefile.EOL) string {
	return map[mergefile.EOL]string{mergefile.EOLLF: "\n", mergefile.EOLCRLF: "\r\n", "cr": "\r"}[e]
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
	case "holder-quoted":
		if i == 0 {
			return `"` + text + `"`
		}
	case "excel":
		if i == 0 {
			return `="` + text + `"`
		}
	}
	return text
}

// delimiter stands between the fields of a line.
func delimiter(p mergefile.Profile) string {
	if d := map[mergefile.Layout]string{mergefile.LayoutTSV: "\t", "semicolon": ";", "pipe": "|", "comma-space": ", "}[p.Layout]; d != "" {
		return d
	}
	return ","
}

// wide spells ASCII and the names in UTF-16.
func wide(s string, big bool) string {
	var b strings.Builder
	for _, u := range utf16.Encode([]rune(s)) {
		pair := []byte{byte(u), byte(u >> 8)}
		if big {
			pair[0], pair[1] = pair[1], pair[0]
		}
		b.Write(pair)
	}
	return b.String()
}

// hashOf gives field 4 of fields 1 to 3.
func hashOf(p mergefile.Profile, secret string, f [3]string) string {
	if p.Hash.Fields == mergefile.HashWritten {
		for i := range f {
			f[i] = written(p, i, f[i])
		}
	}
	if p.Hash.Fields == "plain" {
		f[1] = strings.TrimLeft(strings.NewReplacer("+", "", ",", "", " ", "").Replace(f[1]), "0")
	}
	if p.Hash.Fields == mergefile.HashBare && p.Points.Text == "space-fill" {
		f[1] = strings.TrimLeft(f[1], " ")
	}
	s := p.Hash.SecretJoin
	all := append(f[:2:2], strings.Split(f[2], ";")...)
	joined := strings.Join(all, p.Hash.Join)
	var input string
	switch p.Hash.Place {
	case mergefile.SecretSuffix:
		input = joined + s + secret
	case mergefile.SecretPrefix:
		input = secret + s + joined
	case mergefile.SecretBoth:
		input = secret + s + joined + s + secret
	case mergefile.SecretBetween:
		input = strings.Join(all, s+secret+s)
	case "hmac":
		input = joined
	}
	input += lineEnd(p.Hash.EOL)
	if p.Hash.Encoding != "" {
		input = wide(input, p.Hash.Encoding == "utf-16be")
	}
	sum := md5.Sum([]byte(input))
	if p.Hash.Place == "hmac" {
		mac := hmac.New(md5.New, []byte(secret))
		mac.Write([]byte(input))
		sum = [16]byte(mac.Sum(nil))
	}
	switch p.Hash.Text {
	case mergefile.HashHexUpper:
		return fmt.Sprintf("%X", sum)
	case mergefile.HashBase64:
		return base64.StdEncoding.EncodeToString(sum[:])
	case mergefile.HashRaw:
		return string(sum[:])
	case "hex-bigint":
		return new(big.Int).SetBytes(sum[:]).Text(16)
	case "hex-bytes":
		text := ""
		for _, b := range sum {
			text += strconv.FormatUint(uint64(b), 16)
		}
		return text
	case "hex-dashes":
		return strings.ReplaceAll(fmt.Sprintf("% X", sum), " ", "-")
	case "base64-unpadded":
		return base64.RawStdEncoding.EncodeToString(sum[:])
	}
	return fmt.Sprintf("%x", sum)
}

// recordText puts four fields together, without the record's end.
func recordText(p mergefile.Profile, f [4]string) string {
	for i := range f {
		f[i] = written(p, i, f[i])
	}
	sep := delimiter(p)
	f[2] = strings.ReplaceAll(f[2], ";", sep)
	switch p.Layout {
	case mergefile.LayoutFixed:
		sep = ""
	case mergefile.LayoutLines, mergefile.LayoutKeyValue:
		sep = lineEnd(p.EOL)
	}
	text := strings.Join(f[:], sep)
	if p.TrailingDelimiter {
		text += sep
	}
	return text + strings.Repeat(" ", p.Fill)
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
	switch p.Tail {
	case "eol":
		s += lineEnd(p.EOL)
	case "ctrl-z":
		s += "\x1A"
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
	case "iso7816":
		return text + "\x80" + strings.Repeat("\x00", n-1)
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
	first16 := func(b []byte) []byte { return append(bytes.Clone(b), make([]byte, 16)...)[:16] }
	sha := func(b []byte) []byte { s := sha256.Sum256(b); return s[:] }
	fold := func(b []byte) []byte {
		out := make([]byte, 16)
		for i, c := range b {
			out[i%16] ^= c
		}
		return out
	}
	if c.IV == "derived-unsalted" {
		a := md5.Sum(k.key)
		b := md5.Sum(append(a[:], k.key...))
		return a[:], b[:], ""
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
	switch c.Key {
	case "text":
		key = first16(k.key)
	case "hex-fill":
		b, _ := hex.DecodeString(string(k.key))
		key = first16(b)
	case "sha256-hex":
		key = fmt.Appendf(nil, "%x", sha(k.key))[:16]
	case "md5-hex":
		key = fmt.Appendf(nil, "%x", md5.Sum(k.key))[:16]
	case "sha1":
		s := sha1.Sum(k.key)
		key = s[:16]
	case "sha256":
		key = sha(k.key)[:16]
	case "mysql-sha2-256":
		key = fold(sha(k.key))
	case "mysql-sha2-512":
		s := sha512.Sum512(k.key)
		key = fold(s[:])
	case "pbkdf2-sha1":
		salt, _ := hex.DecodeString(c.Salt)
		key, _ = pbkdf2.Key(sha1.New, string(k.key), salt, c.Iterations, 16)
	}
	switch c.IV {
	case "nonce":
		return key, append(bytes.Clone(iv[:8]), make([]byte, 8)...), string(iv[:8])
	case "file-date":
		return key, first16([]byte(k.name[:8])), ""
	case "file-name-md5":
		s := md5.Sum([]byte(k.name))
		return key, s[:], ""
	case mergefile.IVPrefixed, "suffixed":
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
	case "ofb":
		reg := bytes.Clone(iv)
		for i, b := range in {
			if i%16 == 0 {
				block.Encrypt(reg, reg)
			}
			out[i] = b ^ reg[i%16]
		}
	}
	if c.IV == "suffixed" {
		return string(out) + front
	}
	return front + string(out)
}

// outer writes the text form around bytes.
func outer(c mergefile.CipherForm, b string) string {
	eol := lineEnd(c.OuterEOL)
	if c.OuterIV != "" {
		head := c
		head.Outer, head.OuterEOL, head.OuterIV = c.OuterIV, mergefile.EOLNone, ""
		body := c
		body.OuterIV = ""
		return outer(head, b[:16]) + c.OuterJoin + outer(body, b[16:])
	}
	switch c.Outer {
	case "base64-url":
		return base64.RawURLEncoding.EncodeToString([]byte(b)) + eol
	case "base64-twice":
		return base64.StdEncoding.EncodeToString([]byte(base64.StdEncoding.EncodeToString([]byte(b))))
	case mergefile.OuterHexLower:
		return fmt.Sprintf("%x", b) + eol
	case mergefile.OuterHexUpper:
		return fmt.Sprintf("%X", b) + eol
	case mergefile.OuterBinary:
		return b
	}
	text := base64.StdEncoding.EncodeToString([]byte(b))
	if c.Outer == "hex-60" {
		text = fmt.Sprintf("%x", b)
	}
	width := map[mergefile.Outer]int{mergefile.OuterBase64W: 64, mergefile.OuterBase64M: 76, "hex-60": 60}[c.Outer]
	if width == 0 {
		return text + eol
	}
	var out strings.Builder
	for len(text) > 0 {
		n := min(width, len(text))
		out.WriteString(text[:n] + eol)
		text = text[n:]
	}
	if c.OuterOpen {
		return strings.TrimSuffix(out.String(), eol)
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
	if p.Charset == "utf-16le-bom" {
		text = "\xFF\xFE" + wide(text, false)
	}
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
