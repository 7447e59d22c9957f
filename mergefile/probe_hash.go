package mergefile

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// How the prober finds what the hash is taken over.

// delimiters are those that are met in the input of a hash, the empty one first:
// it is what the document says.
func delimiters() []string {
	return []string{"", ",", "\t", "|", ":", ";", "-", "_", " ", "&", "/", ".", "+", "#", "\n", "\r\n"}
}

// probeHash is a way of taking the hash under which the first record verifies.
type probeHash struct {
	form   HashForm
	secret []byte // as it goes into a Key
}

// hash searches for the input of the hash, on the first record, and keeps the
// profiles under which the whole file verifies.
func (p *prober) hash(body []byte, q Profile, k Key) {
	var f fields
	c, _, at := p.first(body, q, &f)
	if at != stepDone {
		return
	}
	if p.parsed == "" {
		p.parsed = string(q.Layout)
	}
	id := fmt.Sprintf("%q %q %q %s %q %s", f.bare, f.written, c.behind, q.Hash.Text, c.delim, q.Points.Text)
	ways, known := p.hashed[id]
	if !known {
		ways = p.hashForms(c, &f)
		p.hashed[id] = ways
	}
	for _, way := range ways {
		q.Hash = way.form
		if p.confirm(q, k.m.Reveal().material, way.secret) {
			return
		}
	}
}

// hashForms returns the ways of taking the hash under which a record verifies,
// the likeliest first.
func (p *prober) hashForms(c *codec, f *fields) (out []probeHash) {
	var room [sumLen]byte
	var input []byte
	want := string(f.bare[fieldHash])
	if c.hash.fold {
		want = strings.ToLower(want)
	}
	kinds := []HashFields{HashBare}
	if fmt.Sprintf("%q", f.bare[:fieldHash]) != fmt.Sprintf("%q", f.written[:fieldHash]) {
		kinds = append(kinds, HashWritten)
	}
	// The first record may have too few points for a comma.
	if c.p.Points.Text == "commas" || string(pointsDigits(f.bare[fieldPoints])) != string(f.bare[fieldPoints]) {
		kinds = append(kinds, hashPlain)
	}
	encodings, ends := hashEncodings.names(), []EOL{EOLNone, EOLLF, EOLCRLF}
	if c.fixed {
		encodings, ends = encodings[:1], ends[:2]
	}
	for _, s := range p.secretForms() {
		if len(out) > 0 && len(s.text) > len(out[0].secret) {
			break // without its line end the secret does as well
		}
		for _, encoding := range encodings {
			c.p.Hash.Encoding = encoding
			c.setSecret(s.bytes)
			for _, place := range secretPlaces {
				for _, join := range delimiters() {
					if place == SecretBetween && join != "" {
						continue // the secret is what joins
					}
					for _, secretJoin := range delimiters() {
						if place == secretKey && (secretJoin != "" || encoding != "") {
							continue
						}
						for _, kind := range kinds {
							for _, eol := range ends {
								h := HashForm{Join: join, SecretJoin: secretJoin, Place: place, Secret: s.form, Fields: kind, EOL: eol, Text: c.p.Hash.Text, Encoding: encoding}
								c.p.Hash, c.tail = h, eol.bytes()
								input = c.appendInput(input[:0], f)
								if sum := c.sum(input); string(c.hash.append(room[:0], &sum)) == want {
									out = append(out, probeHash{h, s.text})
								}
							}
						}
					}
				}
			}
		}
	}
	return out
}

type probeSecret struct {
	form  SecretForm
	text  []byte // as it goes into a Key
	bytes []byte
}

// secretForms returns each spelling of the secret whose bytes are not those of
// one before.
func (p *prober) secretForms() []probeSecret {
	var out []probeSecret
	for _, text := range p.secrets {
		k, err := NewKey("", []byte("-"), text)
		if err != nil {
			continue
		}
		for _, form := range secretForms.names() {
			b, err := k.secretBytes(form)
			if err == nil && !slices.ContainsFunc(out, func(s probeSecret) bool { return bytes.Equal(s.bytes, b) }) {
				out = append(out, probeSecret{form, text, b})
			}
		}
	}
	return out
}
