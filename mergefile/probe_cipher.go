package mergefile

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
)

// What the prober tries to decrypt a file.

// container is a text form that the whole file is in, and what is in it.
type container struct {
	form CipherForm
	data []byte
}

// containers returns the text forms that the whole file is in, strictly.
func (p *prober) containers() []container {
	out := []container{{CipherForm{Outer: OuterBinary, OuterEOL: EOLNone}, p.file}}
	heads := []CipherForm{{}}
	for _, join := range []string{":", "."} {
		if bytes.Contains(p.file[:min(len(p.file), 48)], []byte(join)) {
			for _, head := range []Outer{OuterHexLower, OuterHexUpper, OuterBase64, "base64-url"} {
				heads = append(heads, CipherForm{OuterIV: head, OuterJoin: join})
			}
		}
	}
	for _, outer := range outers.names()[1:] {
		for _, eol := range eols {
			if !bytes.Contains(p.file, []byte(eol.row)) {
				continue
			}
			for _, head := range heads {
				for _, open := range []bool{false, true} {
					c := Standard().Cipher
					c.Outer, c.OuterEOL, c.OuterOpen, c.OuterIV, c.OuterJoin = outer, eol.name, open, head.OuterIV, head.OuterJoin
					if !c.valid() {
						continue
					}
					if data, ok := c.unwrap(p.file); ok {
						out = append(out, container{c, data})
					}
				}
			}
		}
	}
	return out
}

func (c *CipherForm) valid() bool {
	v := &validation{}
	c.validate(v)
	return len(v.faults) == 0
}

// key tries one way to make a key of what was handed over, with all modes and
// IVs. Keys that were used on the data before are left out.
func (p *prober) key(data []byte, c CipherForm, text []byte, used map[string]bool) {
	form := keyForms.row(c.Key)
	marked := bytes.HasPrefix(data, []byte(saltMark)) && len(data) > blockSize
	if c.Salt != "" && (!form.salted || marked) || c.Salt == "" && !marked && form.rounds > 0 {
		return // PBKDF2 without a salt is nobody's way
	}
	k, err := NewKey(p.opts.KeyID, text, []byte("-"))
	if err != nil {
		return
	}
	var salt []byte
	if marked {
		salt = data[len(saltMark):blockSize]
	} else if salt, err = hex.DecodeString(c.Salt); err != nil {
		return
	}
	key, err := k.aes(&c, salt)
	if err != nil || used[string(key)] {
		return
	}
	used[string(key)] = true
	for _, mode := range modes {
		for _, iv := range ivs {
			c := c
			c.Mode, c.IV, c.Padding = mode.name, iv.name, PaddingPKCS7
			if iv.name == IVFixed {
				if c.FixedIV = strings.ToLower(p.opts.IV); c.FixedIV == zeroIV {
					continue // IVZero it is
				}
			}
			if mode.row.sealed {
				c.Padding = PaddingNone
			}
			if iv.row.salted != (marked && form.salted) || len(p.opts.Name) < iv.row.name || c.OuterIV != "" && iv.name != IVPrefixed || !c.valid() {
				continue
			}
			p.decrypt(data, c, k, key)
		}
	}
}

// decrypt tries one way to decrypt, and the text that comes of it.
func (p *prober) decrypt(data []byte, c CipherForm, k Key, key []byte) {
	var d decryption
	mode, from := modes.row(c.Mode), ivs.row(c.IV)
	if mode.sealed {
		header, err := readEnvelopeHeader(bytes.NewReader(data))
		if err != nil || envelopeKeyID(header) == "" {
			return
		}
		d = decryption{cipherMode: mode}
		if d.seal, err = newSegments(p.ctx, k, &c, header, p.opts.Associated); err != nil {
			return
		}
		data = data[len(header):]
	} else {
		if len(data) <= from.front {
			return
		}
		front := data[:from.front]
		if data = data[from.front:]; from.end {
			whole := append(bytes.Clone(front), data...)
			front, data = whole[len(whole)-from.front:], whole[:len(whole)-from.front]
		}
		block, iv, err := c.use(key, front, p.opts.Name)
		if err != nil {
			return
		}
		d = c.decryption(block, iv)
	}
	// The beginning decides whether it is worth going on.
	sure := mode.sealed
	if !sure {
		head, _, _ := d.inMemory(data[:min(len(data), 4096)], false)
		if kind := packed(head); kind != "" && p.inside == "" {
			p.inside = fmt.Sprintf("%s (%s, IV %s, key %s)", kind, c.Mode, c.IV, c.Key)
		}
		if !probablyText(head) {
			return
		}
		sure = readable(head)
	}
	if p.readable == "" && sure {
		p.readable = fmt.Sprintf("%s, IV %s, key %s", c.Mode, c.IV, c.Key)
		p.chained = (c.Mode == CipherCBC || c.Mode == CipherCFB8 || c.Mode == CipherCFB128) && !from.derived
	}
	// The first padding that fits is the one, unless no padding is what another
	// takes for some.
	for _, padding := range paddings {
		if mode.sealed && padding.name != PaddingNone || mode.blocks && padding.name == PaddingNone {
			continue
		}
		d.padding = padding.row
		text, fault, _ := d.inMemory(data, true)
		if fault != "" || len(text) == 0 {
			continue
		}
		c.Padding = padding.name
		before := len(p.found)
		p.text(text, c, k)
		if p.shape == "" && sure {
			p.shape = shapeOfRecords(text)
		}
		if len(p.found) > before {
			return
		}
	}
}

// probablyText lets through raw hashes, Japanese header rows and UTF-16. What is
// let through wrongly costs a little time.
func probablyText(text []byte) bool {
	return len(text) > 0 && textBytes(text)*2 >= len(text) || bytes.HasPrefix(text, []byte(charsets.row("utf-16le-bom").mark))
}
