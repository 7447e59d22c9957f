package mergefile

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/md5"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
)

// What the prober names and no profile reads.

// reached says how far the search came, and what the file is if it is none of
// the specification's.
func (p *prober) reached() string {
	if kind := p.foreign(); kind != "" {
		return kind
	}
	if len(p.file) == 0 {
		return "the file is empty"
	}
	iv := ""
	if p.chained {
		iv = ". A fixed IV that was not handed over would spoil only the beginning: ask for it (32 hexadecimal digits; ProbeOptions.IV, or mergetool probe -iv)"
		if p.opts.IV != "" {
			iv = ". If another IV than the one that was handed over is right, only the beginning is spoilt"
		}
	}
	switch {
	case p.parsed != "":
		return "the file decrypts (" + p.readable + ") and reads as " + p.parsed +
			", but no hash verifies: the secret is another one, or the way of joining is not among those known" + iv
	case p.readable != "":
		return "the file decrypts to readable text (" + p.readable + "), but no layout fits it. The text begins with: " + p.shape + iv
	case p.inside != "":
		return "the file decrypts to " + p.inside + ": unpack it, or have it sent as text"
	}
	return "no way of using the key gives readable text: another key, or an IV that must be handed over (32 hexadecimal digits)"
}

// packed names what a beginning of bytes is, if it is no text.
func packed(b []byte) string {
	for mark, kind := range map[string]string{"PK\x03\x04": "a ZIP archive", "\x1F\x8B\x08": "gzip"} {
		if bytes.HasPrefix(b, []byte(mark)) {
			return kind
		}
	}
	return ""
}

// foreign names a file that is not of AES-128 and MD5, or not encrypted.
func (p *prober) foreign() string {
	text := bytes.TrimSpace(p.file)
	if kind := packed(p.file); kind != "" {
		return "this is " + kind + ": unpack it first"
	}
	switch {
	case !readable(text):
	case bytes.HasPrefix(text, []byte("<")):
		return "this is XML, not a merge file"
	case bytes.HasPrefix(text, []byte("{")) || bytes.HasPrefix(text, []byte("[")):
		return "this is JSON, not a merge file"
	}
	for _, eol := range []string{"", "\n", "\r\n"} {
		if b, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(string(text), eol, "")); err == nil && bytes.HasPrefix(b, []byte("{")) {
			return "this is base64 of JSON, as a framework's encrypter makes it: take iv and value out of it, and send the two as texts with a colon between"
		}
	}
	if p.parsed != "" {
		return ""
	}
	if p.readable != "" && p.sha256() {
		return "field 4 is 64 hexadecimal digits: a SHA-256, not the MD5 of the specification"
	}
	if p.readable != "" || p.inside != "" {
		return ""
	}
	if n := bytes.Count(text, newline) + 1; n > 1 {
		lines := bytes.Split(bytes.ReplaceAll(text, []byte("\r"), nil), newline)
		if a, err := base64.StdEncoding.DecodeString(string(lines[0])); err == nil && len(a)%blockSize == 0 && bytes.HasSuffix(lines[0], []byte("=")) {
			return fmt.Sprintf("each of the %d lines is base64 of its own: one cipher for each record, not one for the file", n)
		}
	}
	for _, o := range p.containers() {
		for _, key := range p.keys {
			if kind := p.stronger(o.data, key); kind != "" {
				return kind
			}
		}
	}
	return ""
}

// sha256 reports whether the text that was found has a hash of 32 bytes.
func (p *prober) sha256() bool { return strings.Contains(p.shape, "64 hex") }

// stronger tries AES-256, and GCM of either size.
func (p *prober) stronger(data, text []byte) string {
	hexed, _ := hex.DecodeString(string(text))
	based, _ := decodeBase64(text)
	long := make([]byte, 32)
	copy(long, text)
	keys := [][]byte{text, hexed, based, digest(sha256.New, text), fmt.Appendf(nil, "%x", digest(md5.New, text)), fmt.Appendf(nil, "%x", digest(sha256.New, text))[:32], long, fit(text)}
	salt := []byte(nil)
	if bytes.HasPrefix(data, []byte(saltMark)) && len(data) > blockSize {
		salt, data = data[len(saltMark):blockSize], data[blockSize:]
	}
	for _, h := range []func() hash.Hash{md5.New, sha256.New} {
		keys = append(keys, evpBytes(h, text, salt, 48))
	}
	if salt != nil {
		for _, n := range []int{10_000, 1000} {
			if b, err := pbkdf2.Key(sha256.New, string(text), salt, n, 48); err == nil {
				keys = append(keys, b)
			}
		}
	}
	fixed, _ := hex.DecodeString(p.opts.IV)
	for _, key := range keys {
		var derived []byte
		if len(key) == 48 {
			key, derived = key[:32], key[32:]
		}
		if len(key) != 32 && len(key) != blockSize {
			continue
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			continue
		}
		if gcm, err := cipher.NewGCM(block); err == nil && len(data) > 28 {
			if _, err := gcm.Open(nil, data[:12], data[12:], nil); err == nil {
				return fmt.Sprintf("this is AES-%d-GCM, with its nonce in front and its tag behind, and not a mode of the specification's time", 8*len(key))
			}
		}
		if len(key) == blockSize {
			continue
		}
		for _, iv := range [][]byte{derived, fixed, make([]byte, blockSize), nil} {
			body := data
			if iv == nil && len(data) > blockSize {
				iv, body = data[:blockSize], data[blockSize:]
			}
			if len(iv) != blockSize {
				continue
			}
			for _, mode := range []CipherMode{CipherCBC, CipherECB, CipherCTR} {
				c := CipherForm{Mode: mode, Padding: PaddingPKCS7}
				d := c.decryption(block, iv)
				if head, fault, _ := d.inMemory(body, true); len(head) > 0 && readable(head) && (fault == "" || mode == CipherCTR) {
					return "this is AES-256 (" + string(mode) + "), not the AES128 of the specification"
				}
			}
		}
	}
	return ""
}

// shapeOfRecords describes the first record, and the first with a quote if that is
// another: programs that quote where they see a need quote some.
func shapeOfRecords(text []byte) string {
	shape := shapeOf(text)
	if i := bytes.IndexByte(text, '"'); i >= 0 && !strings.Contains(shape, `"`) {
		shape += ". A later record has quotes: " + shapeOf(text[bytes.LastIndexByte(text[:i], '\n')+1:])
	}
	return shape
}

// shapeOf describes a text by its kinds of characters, and does not show it.
func shapeOf(text []byte) string {
	text, _, _ = bytes.Cut(text[:min(len(text), 400)], newline)
	var out []string
	for i := 0; i < len(text) && len(out) < 24; {
		kind := kindOf(text[i])
		j := i
		for j < len(text) && kindOf(text[j]) == kind {
			j++
		}
		// Digits and letters a to f together may be a number in hexadecimal.
		k := i
		for k < len(text) && (hexDigit(text[k], false) < 16 || hexDigit(text[k], true) < 16) {
			k++
		}
		switch {
		case (k-i == 32 || k-i == 40 || k-i == 64) && k > j:
			j = k
			out = append(out, fmt.Sprintf("%d hex", j-i))
		case kind == "":
			out = append(out, string(text[i:i+1]))
			j = i + 1
		default:
			out = append(out, fmt.Sprintf("%d %s", j-i, kind))
		}
		i = j
	}
	return strings.Join(out, " ")
}

// kindOf returns the kind of a character, and "" for one that stands for itself.
func kindOf(c byte) string {
	switch {
	case c-'0' <= 9:
		return "digits"
	case isAlnum(c):
		return "letters"
	case c >= 0x80 || c < ' ' && c != '\t':
		return "other bytes"
	}
	return ""
}
