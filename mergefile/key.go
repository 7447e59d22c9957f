package mergefile

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/md5"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"log/slog"
)

const blockSize = aes.BlockSize

// ErrKey says that a key or secret cannot serve under the profile: it is
// missing, of the wrong length, or not in the text form that the profile
// names. It is about the caller's configuration and never about a file.
var ErrKey = errors.New("mergefile: the key or the secret does not fit the profile")

// Key is what the two ends of a merge file share: AES key material and the
// hash secret (特定の文字列), under an identifier of their choice. It prints as
// [redacted] and is its own [KeySource].
type Key struct {
	// A function, because fmt looks through everything else: a Key in an
	// unexported field is printed without its methods being asked.
	m func() *keyMaterial
}

type keyMaterial struct {
	id       string
	material []byte
	vault    Vault
	secret   []byte
}

// NewKey makes a key out of its material and the hash secret.
//
// The material is what the profile's Cipher.Key names: 16 bytes for KeyRaw, a
// text of them for KeyHex and KeyBase64, a passphrase for the others. The
// identifier is 0 to 32 characters of A-Z, a-z, 0-9, dot, dash and underscore;
// only an envelope and a sidecar need one. Both slices are copied. The error is
// [ErrKey]; whether material and profile go together is seen when a file is
// opened.
func NewKey(id string, material, secret []byte) (Key, error) {
	if len(material) == 0 || len(material) > 4096 {
		return Key{}, fmt.Errorf("%w: key material is 1 to 4096 bytes", ErrKey)
	}
	return newKey(&keyMaterial{id: id, material: append([]byte(nil), material...)}, secret)
}

// Vault keeps an AES-128 key where the program cannot read it, in a KMS or
// an HSM.
type Vault interface {
	// Block does AES-128 with the key, block by block. It must be safe for
	// concurrent use, as the standard library's is.
	Block(ctx context.Context) (cipher.Block, error)
	// Derive gives 32 bytes of HKDF-SHA-256 with the key as input, no salt, and
	// the given info. Envelope and sidecar need it; a vault that is used for
	// neither may return an error.
	Derive(ctx context.Context, info string) ([]byte, error)
}

// NewVaultKey is [NewKey] for a key inside a vault. It serves profiles with
// KeyRaw, except that the key cannot be its own IV (IVKey).
func NewVaultKey(id string, v Vault, secret []byte) (Key, error) {
	if v == nil {
		return Key{}, fmt.Errorf("%w: no vault", ErrKey)
	}
	return newKey(&keyMaterial{id: id, vault: v}, secret)
}

func newKey(m *keyMaterial, secret []byte) (Key, error) {
	if len(m.id) > maxKeyID || !isKeyID(m.id) {
		return Key{}, fmt.Errorf("%w: a key identifier is up to %d of A-Z a-z 0-9 . - _", ErrKey, maxKeyID)
	}
	if len(secret) == 0 || len(secret) > 1024 {
		return Key{}, fmt.Errorf("%w: a secret is 1 to 1024 bytes", ErrKey)
	}
	m.secret = append([]byte(nil), secret...)
	return Key{func() *keyMaterial { return m }}, nil
}

const maxKeyID = 32

func isKeyID(id string) bool {
	for i := range len(id) {
		if c := id[i]; !isAlnum(c) && c != '.' && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// ID gives the key's identifier, which is not secret.
func (k Key) ID() string {
	if k.m == nil {
		return ""
	}
	return k.m().id
}

// Keys gives the key alone, so that a Key is a [KeySource].
func (k Key) Keys(context.Context) ([]Key, error) { return []Key{k}, nil }

// String gives "[redacted]".
func (k Key) String() string { return redacted }

// Format prints "[redacted]" under every verb.
func (k Key) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// LogValue logs "[redacted]".
func (k Key) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON gives "[redacted]" as a JSON string.
func (k Key) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// KeySource gives the keys for a file. A [Key] is one; a [Ring] is one for
// rotation; a program that fetches its keys from a KMS writes its own.
type KeySource interface {
	// Keys gives the keys, newest first. Files are written with the first and
	// read with any: the one under which a file's first record verifies, or
	// the one that an envelope names. It is called once for each file.
	Keys(ctx context.Context) ([]Key, error)
}

// Ring is a row of keys, the newest first: to rotate, put the new key in front
// and take the old one away when no file under it can arrive any more.
type Ring []Key

// Keys gives the ring's keys.
func (r Ring) Keys(context.Context) ([]Key, error) { return r, nil }

// maxKeys bounds the work that one file can cause.
const maxKeys = 16

func fetchKeys(ctx context.Context, source KeySource) ([]Key, error) {
	if source == nil {
		return nil, fmt.Errorf("%w: no key source", ErrKey)
	}
	keys, err := source.Keys(ctx)
	if err != nil {
		return nil, fmt.Errorf("mergefile: fetching keys: %w", err)
	}
	if len(keys) == 0 || len(keys) > maxKeys {
		return nil, fmt.Errorf("%w: 1 to %d keys are needed", ErrKey, maxKeys)
	}
	for _, k := range keys {
		if k.m == nil {
			return nil, fmt.Errorf("%w: a zero Key", ErrKey)
		}
	}
	return keys, nil
}

// salted says whether the key comes from a passphrase and a salt.
func (f KeyForm) salted() bool {
	return f == KeyEVPMD5 || f == KeyEVPSHA256 || f == KeyPBKDF2
}

// resolved is a key made ready for one file.
type resolved struct {
	block cipher.Block
	iv    []byte // of IVDerived and IVKey
}

// resolve turns the material into a cipher, as the profile says. The salt is
// of the salted forms alone.
func (k Key) resolve(ctx context.Context, form CipherForm, salt []byte) (resolved, error) {
	if k.m().vault != nil {
		if form.Key != KeyRaw || form.IV == IVKey {
			return resolved{}, fmt.Errorf("%w: a vault serves raw keys alone", ErrKey)
		}
		block, err := k.m().vault.Block(ctx)
		if err != nil {
			return resolved{}, fmt.Errorf("mergefile: opening the vault: %w", err)
		}
		if block.BlockSize() != blockSize {
			return resolved{}, fmt.Errorf("%w: the vault's cipher is not AES", ErrKey)
		}
		return resolved{block: block}, nil
	}
	key, err := k.raw(form, salt)
	if err != nil {
		return resolved{}, err
	}
	var iv []byte
	if form.Key.salted() {
		key, iv = key[:blockSize], key[blockSize:]
	} else if form.IV == IVKey {
		iv = key
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return resolved{}, fmt.Errorf("%w: %d bytes for AES-128", ErrKey, len(key))
	}
	return resolved{block: block, iv: iv}, nil
}

// raw gives the 16 bytes of the AES key, and for the salted forms 16 of the IV
// behind them.
func (k Key) raw(form CipherForm, salt []byte) ([]byte, error) {
	m := k.m().material
	switch form.Key {
	case KeyRaw:
		return aes128(m, nil)
	case KeyHex:
		b, err := hex.DecodeString(string(m))
		return aes128(b, err)
	case KeyBase64:
		b, err := decodeBase64(m)
		return aes128(b, err)
	case KeyMySQL:
		return foldKey(m), nil
	case KeyMD5:
		sum := md5.Sum(m)
		return sum[:], nil
	case KeyEVPMD5:
		return evpBytesToKey(md5.New(), m, salt, 2*blockSize), nil
	case KeyEVPSHA256:
		return evpBytesToKey(sha256.New(), m, salt, 2*blockSize), nil
	case KeyPBKDF2:
		b, err := pbkdf2.Key(sha256.New, string(m), salt, form.Iterations, 2*blockSize)
		if err != nil {
			return nil, fmt.Errorf("%w: PBKDF2: %w", ErrKey, err)
		}
		return b, nil
	}
	return nil, fmt.Errorf("%w: no key form %q", ErrKey, string(form.Key))
}

// decodeBase64 decodes text of one spelling. The decoder itself would step over
// line ends.
func decodeBase64(text []byte) ([]byte, error) {
	if bytes.ContainsAny(text, "\r\n") {
		return nil, errors.New("a line end")
	}
	return base64.StdEncoding.Strict().DecodeString(string(text))
}

func aes128(b []byte, err error) ([]byte, error) {
	if err != nil {
		// The decoder's own words would quote characters of the key.
		return nil, fmt.Errorf("%w: the key is not in the text form that the profile names", ErrKey)
	}
	if len(b) != blockSize {
		return nil, fmt.Errorf("%w: an AES-128 key is 16 bytes, not %d", ErrKey, len(b))
	}
	return b, nil
}

// foldKey is MySQL's way to make 16 bytes of a key of any length.
func foldKey(m []byte) []byte {
	key := make([]byte, blockSize)
	for i, c := range m {
		key[i%blockSize] ^= c
	}
	return key
}

// evpBytesToKey is OpenSSL's EVP_BytesToKey with one round: each digest takes
// in the one before, the passphrase and the salt, until there are n bytes.
func evpBytesToKey(h hash.Hash, pass, salt []byte, n int) []byte {
	var out, last []byte
	for len(out) < n {
		h.Reset()
		h.Write(last)
		h.Write(pass)
		h.Write(salt)
		last = h.Sum(nil)
		out = append(out, last...)
	}
	return out[:n]
}

// derive gives the 32-byte key of an envelope or a sidecar: HKDF-SHA-256 over
// the AES key, so that one leaked derived key tells nothing of the other two.
func (k Key) derive(ctx context.Context, form CipherForm, info string) ([]byte, error) {
	if k.m().vault != nil {
		b, err := k.m().vault.Derive(ctx, info)
		if err != nil {
			return nil, fmt.Errorf("mergefile: deriving a key in the vault: %w", err)
		}
		if len(b) != sha256.Size {
			return nil, fmt.Errorf("%w: the vault derived %d bytes, not 32", ErrKey, len(b))
		}
		return b, nil
	}
	ikm := k.m().material
	if !form.Key.salted() {
		var err error
		if ikm, err = k.raw(form, nil); err != nil {
			return nil, err
		}
	}
	return hkdf.Key(sha256.New, ikm, nil, info, sha256.Size)
}

// secretBytes gives the hash secret as the profile spells it.
func (k Key) secretBytes(form SecretForm) ([]byte, error) {
	s := k.m().secret
	var b []byte
	var err error
	switch form {
	case SecretCP932:
		b, err = CharsetCP932.encode(string(s))
	case SecretHex:
		b, err = hex.DecodeString(string(s))
	case SecretBase64:
		b, err = decodeBase64(s)
	default:
		b = s
	}
	if err != nil || len(b) == 0 {
		return nil, fmt.Errorf("%w: the secret is not in the text form that the profile names", ErrKey)
	}
	return b, nil
}
