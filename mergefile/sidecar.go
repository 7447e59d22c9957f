package mergefile

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// SidecarSuffix is what a sidecar's name has behind its file's name.
const SidecarSuffix = ".mac"

// A sidecar is one line of ASCII: the mark, the key's identifier, and
// HMAC-SHA-256 of the file's bytes in lower-case hexadecimal, with spaces
// between and LF behind. The HMAC's key is HKDF-SHA-256 of the AES key (of the
// passphrase, where there is one) with no salt and the info below, 32 bytes.
const (
	sidecarMark = "mergefile-mac-1"
	sidecarInfo = "mynakit mergefile sidecar 1"
)

// maxSidecar bounds what is looked at.
const maxSidecar = len(sidecarMark) + 1 + maxKeyID + 1 + 2*sha256.Size + 1

func formatSidecar(keyID string, sum []byte) string {
	return fmt.Sprintf("%s %s %x\n", sidecarMark, keyID, sum)
}

// parseSidecar reports ok only for what formatSidecar can have written.
func parseSidecar(b []byte) (keyID string, sum []byte, ok bool) {
	if len(b) > maxSidecar {
		return "", nil, false
	}
	parts := strings.Split(string(b), " ")
	if len(parts) != 3 || parts[1] == "" || !isKeyID(parts[1]) {
		return "", nil, false
	}
	sum, err := hex.DecodeString(strings.TrimSuffix(parts[2], "\n"))
	if err != nil || len(sum) != sha256.Size || formatSidecar(parts[1], sum) != string(b) {
		return "", nil, false
	}
	return parts[1], sum, true
}

// named returns the index of the key with an identifier that is not empty, and
// -1 if there is none.
func (o *opening) named(id string) int {
	return slices.IndexFunc(o.keys, func(k Key) bool { return id != "" && k.ID() == id })
}

// openSidecar begins the MAC of a file whose profile has one. A sidecar that
// is missing or broken, or names a key that is not there, makes the file bad
// like everything else: the MAC is then taken under some key all the same.
func (o *opening) openSidecar(ctx context.Context, s *source) error {
	if o.p.Integrity != IntegritySidecar {
		return nil
	}
	id, sum, _ := parseSidecar(o.opts.Sidecar)
	chosen := o.named(id)
	key, err := o.keys[max(chosen, 0)].derive(ctx, &o.p.Cipher, sidecarInfo)
	if err != nil {
		return err
	}
	s.mac = hmac.New(sha256.New, key)
	s.sum = sum
	s.bad = chosen < 0
	return nil
}

// finish reports whether everything about the file but its records is right, once
// all of it has been read.
func (s *source) finish() bool {
	ok := !s.bad && !s.outer && s.left.N > 0
	if s.mac != nil {
		ok = hmac.Equal(s.mac.Sum(nil), s.sum) && ok
	}
	return ok
}
