package ticket

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/mynakit/mynakit/internal/secret"
)

// The QR payload, all in the characters of QR's alphanumeric mode:
//
//	MPT1.K1.141305-01.98765432.ABCDEFGHIJKLMNOP
//	│    │  │         │        └ MAC: 80 bits of HMAC-SHA-256 in base32
//	│    │  │         └ ticket number
//	│    │  └ scope
//	│    └ the key's ID
//	└ version
//
// The MAC is taken over macDomain and all that stands before its full stop,
// so a payload has one spelling and no part of it can be changed.
const (
	qrVersion = "MPT1"
	macDomain = "mynakit point ticket QR\x00"
	macBytes  = 10
	maxKeyID  = 4
	maxQR     = len(qrVersion) + 1 + maxKeyID + 1 + MaxScope + 1 + 8 + 1 + macBytes*8/5
)

var macText = base32.StdEncoding.WithPadding(base32.NoPadding)

// MinSecret is the least length in bytes of a QR key's secret.
const MinSecret = 16

// A Key is a secret key for the MAC of QR codes. It shows as [redacted].
type Key struct {
	secret.Hidden
	box secret.Box[macKey]
}

type macKey struct {
	id     string
	secret [sha256.Size]byte // a hash of what the caller gave, of one length
}

// NewKey returns a key with an ID of 1 to 4 characters A to Z and 0 to 9, which
// is printed in each QR code, and a secret of at least [MinSecret] random
// bytes, which is copied. Otherwise it returns [ErrSecret].
func NewKey(id string, bytes []byte) (Key, error) {
	if !validKeyID(id) || len(bytes) < MinSecret {
		return Key{}, ErrSecret
	}
	return Key{box: secret.New(macKey{id: id, secret: sha256.Sum256(bytes)})}, nil
}

func validKeyID(id string) bool {
	for i := range len(id) {
		if c := id[i]; !(c >= 'A' && c <= 'Z' || c >= '0' && c <= '9') {
			return false
		}
	}
	return id != "" && len(id) <= maxKeyID
}

// ID returns the key's ID, or "" for the zero Key.
func (k Key) ID() string { return k.box.Reveal().id }

func (k Key) mac(head string) [macBytes]byte {
	open := k.box.Reveal()
	h := hmac.New(sha256.New, open.secret[:])
	_, _ = io.WriteString(h, macDomain)
	_, _ = io.WriteString(h, head)
	return [macBytes]byte(h.Sum(nil))
}

// Keys is a set of keys with different IDs. The first seals new QR codes; all
// of them open what was sealed before. To change the key while tickets are
// out, put the new key first and drop the old one 30 days later.
type Keys []Key

func (ks Keys) check() error {
	for i, k := range ks {
		if k.ID() == "" {
			return fmt.Errorf("%w: a zero Key", ErrSecret)
		}
		for _, other := range ks[:i] {
			if other.ID() == k.ID() {
				return fmt.Errorf("%w: two keys with the ID %s", ErrSecret, k.ID())
			}
		}
	}
	return nil
}

// Seal returns the text of a ticket's QR code, at most 60 characters of QR's
// alphanumeric mode. It returns [ErrSecret] if there is no key, and [ErrScope]
// or [ErrNumber] for malformed input.
func (ks Keys) Seal(scope Scope, n Number) (string, error) {
	if len(ks) == 0 || ks[0].ID() == "" {
		return "", ErrSecret
	}
	if err := scope.Check(); err != nil {
		return "", err
	}
	if n.IsZero() {
		return "", ErrNumber
	}
	head := strings.Join([]string{qrVersion, ks[0].ID(), string(scope), n.Digits()}, ".")
	mac := ks[0].mac(head)
	return head + "." + macText.EncodeToString(mac[:]), nil
}

// Open reads the text of a QR code and returns its scope and number if one of
// the keys sealed it. What a keyboard-wedge reader does to a text is undone:
// blanks, control characters and characters that are not seen around it, the
// symbology identifier ]Q0 to ]Q6 in front of it, small letters (the keyboard's
// CapsLock was on), and full-width characters (its input method was).
//
// Open returns [ErrQR] for a text of another form, and [ErrForged] for a wrong
// MAC or an unknown key. Neither holds the text. A counter's screen must show
// them alike, as [Book.Inspect] and [Book.Redeem] do.
func (ks Keys) Open(text string) (Scope, Number, error) {
	text = scanned(text)
	if len(text) > maxQR {
		return "", Number{}, ErrQR
	}
	parts := strings.Split(text, ".")
	if len(parts) != 5 || parts[0] != qrVersion || !validKeyID(parts[1]) {
		return "", Number{}, ErrQR
	}
	scope := Scope(parts[2])
	var n Number
	if scope.Check() != nil || n.UnmarshalText([]byte(parts[3])) != nil {
		return "", Number{}, ErrQR
	}
	if len(parts[4]) != macText.EncodedLen(macBytes) {
		return "", Number{}, ErrQR
	}
	head := text[:len(text)-len(parts[4])-1]
	// A key that is not ours costs the same work and gives the same answer.
	var key Key
	for _, k := range ks {
		if k.ID() == parts[1] {
			key = k
		}
	}
	// Texts are compared, because base32 decodes more than one to the same
	// bytes.
	mac := key.mac(head)
	want := macText.EncodeToString(mac[:])
	if subtle.ConstantTimeCompare([]byte(parts[4]), []byte(want)) != 1 || key.ID() == "" {
		return "", Number{}, ErrForged
	}
	return scope, n, nil
}

// maxScanned is the greatest length in bytes of what is looked at of a scanned
// text: each character as a full-width one, and some around it.
const maxScanned = 3*maxQR + 32

// scanned returns a text as the QR code has it. A text that is longer than any
// reader's is returned as it is.
func scanned(text string) string {
	if len(text) > maxScanned {
		return text
	}
	text = strings.TrimFunc(text, unseen)
	text = strings.Map(func(r rune) rune {
		switch {
		case r >= '！' && r <= '～':
			r -= '！' - '!'
		case isHyphen(r) && r > unicode.MaxASCII:
			// What an input method makes of a full stop and of a hyphen.
			if r == '。' || r == '｡' || r == '・' || r == '･' {
				r = '.'
			} else {
				r = '-'
			}
		}
		if r >= 'a' && r <= 'z' {
			r -= 'a' - 'A'
		}
		return r
	}, text)
	if len(text) > 3 && text[:2] == "]Q" && text[2] >= '0' && text[2] <= '6' { // ISO/IEC 15424
		text = strings.TrimFunc(text[3:], unseen)
	}
	return text
}

// unseen reports whether a reader may have put a character around what it read.
func unseen(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
}

// isQR reports whether a text is a QR code's, not a typed number, by its first
// letter. A damaged code is not taken for a guess.
func isQR(text string) bool {
	text = scanned(text)
	return text != "" && (text[0] >= 'A' && text[0] <= 'Z' || text[0] == ']')
}
