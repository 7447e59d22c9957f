package mergefile

import (
	"bytes"
	"context"
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
	"errors"
	"fmt"
	"hash"

	"golang.org/x/text/encoding/japanese"

	"github.com/mynakit/mynakit/internal/secret"
)

// ErrKey is returned when a key or secret cannot serve under the profile: it is
// missing, of the wrong length, or not in the text form that the profile
// names. It is about the caller's configuration and never about a file.
var ErrKey = errors.New("mergefile: the key or the secret does not fit the profile")

// A Key is what the two ends of a merge file share: AES key material and the
// hash secret (特定の文字列), under an identifier of their choice. It shows as
// [redacted], and it is its own [KeySource].
type Key struct {
	secret.Hidden
	m secret.Box[*keyMaterial]
}

type keyMaterial struct {
	id       string
	material []byte
	vault    Vault
	secret   []byte
}

// NewKey returns a key of its material and the hash secret.
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

// A Vault keeps an AES-128 key where the program cannot read it, in a KMS or
// an HSM.
type Vault interface {
	// Block does AES-128 with the key, block by block. It must be safe for
	// concurrent use, as the standard library's is.
	Block(ctx context.Context) (cipher.Block, error)
	// Derive returns 32 bytes of HKDF-SHA-256 with the key as input, no salt, and
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

func newKey(m *keyMaterial, hashSecret []byte) (Key, error) {
	if len(m.id) > maxKeyID || !isKeyID(m.id) {
		return Key{}, fmt.Errorf("%w: a key identifier is up to %d of A-Z a-z 0-9 . - _", ErrKey, maxKeyID)
	}
	if len(hashSecret) == 0 || len(hashSecret) > 1024 {
		return Key{}, fmt.Errorf("%w: a secret is 1 to 1024 bytes", ErrKey)
	}
	m.secret = bytes.Clone(hashSecret)
	return Key{m: secret.New(m)}, nil
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

// ID returns the key's identifier, which is not secret.
func (k Key) ID() string {
	if k.m.IsZero() {
		return ""
	}
	return k.m.Reveal().id
}

// Keys returns the key alone, so that a Key is a [KeySource].
func (k Key) Keys(context.Context) ([]Key, error) { return []Key{k}, nil }

// A KeySource provides the keys for a file. A [Key] is one; a [Ring] is one for
// rotation; a program that fetches its keys from a KMS writes its own.
type KeySource interface {
	// Keys returns the keys, newest first. Files are written with the first and
	// read with any: the one under which a file's first record verifies, or
	// the one that an envelope names. It is called once for each file.
	Keys(ctx context.Context) ([]Key, error)
}

// A Ring is a row of keys, the newest first: to rotate, put the new key in front
// and take the old one away when no file under it can arrive any more.
type Ring []Key

// Keys returns the keys of the ring.
func (r Ring) Keys(context.Context) ([]Key, error) { return r, nil }

// Training returns the keys of source for practice: the same but for the hash
// secret (特定の文字列), which follows from theirs. A file that is written with them
// is read with them, and a receiver that has the keys of source alone refuses
// it with [ErrInvalid].
func Training(source KeySource) KeySource { return practice{source} }

type practice struct{ KeySource }

// Keys returns the keys for practice.
func (p practice) Keys(ctx context.Context) ([]Key, error) {
	live, err := p.KeySource.Keys(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]Key, len(live))
	for i, k := range live {
		if k.m.IsZero() {
			continue
		}
		m := *k.m.Reveal()
		sum := hmac.New(sha256.New, m.secret)
		sum.Write([]byte("mynakit training"))
		// Hexadecimal digits are a text in every form that a profile names.
		m.secret = []byte(hex.EncodeToString(sum.Sum(nil)))
		out[i] = Key{m: secret.New(&m)}
	}
	return out, nil
}

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
		if k.m.IsZero() {
			return nil, fmt.Errorf("%w: a zero Key", ErrKey)
		}
	}
	return keys, nil
}

// keyForm is how key material becomes an AES key.
type keyForm struct {
	// derive returns the 16 bytes of the key, and for a salted form the 16 of
	// the IV behind them.
	derive     func(material []byte, c *CipherForm, salt []byte) ([]byte, error)
	salted     bool // the salt is in front of the file
	passphrase bool // any text serves
	risk       risk
	rounds     int // the greatest work factor, if it has one: under half a second
}

// keyForms are the choices of CipherForm.Key.
var keyForms = table[KeyForm, keyForm]{
	{KeyRaw, keyForm{derive: plain(func(m []byte) []byte { return m })}},
	{KeyHex, keyForm{derive: func(m []byte, _ *CipherForm, _ []byte) ([]byte, error) { return hex.DecodeString(string(m)) }}},
	{KeyBase64, keyForm{derive: func(m []byte, _ *CipherForm, _ []byte) ([]byte, error) { return decodeBase64(m) }}},
	{KeyMySQL, keyForm{risk: risk{SeverityWarning, LintFoldedKey, "the key is folded by XOR: a text longer than 16 characters gives a weaker key than its length promises."}, derive: plain(foldKey)}},
	{KeyMD5, keyForm{risk: fastHash, passphrase: true, derive: plain(func(m []byte) []byte { return digest(md5.New, m) })}},
	{"text", keyForm{risk: partOfKey, derive: plain(fit)}}, // PHP cuts a longer text, and fills a shorter one with zeros
	{"hex-fill", keyForm{risk: partOfKey, derive: func(m []byte, _ *CipherForm, _ []byte) ([]byte, error) { // openssl enc -K
		b, err := hex.DecodeString(string(m))
		return fit(b), err
	}}},
	{"sha256-hex", keyForm{risk: partOfKey, passphrase: true, derive: plain(func(m []byte) []byte { return fit(fmt.Appendf(nil, "%x", digest(sha256.New, m))) })}},
	{"md5-hex", keyForm{risk: partOfKey, passphrase: true, derive: plain(func(m []byte) []byte { return fit(fmt.Appendf(nil, "%x", digest(md5.New, m))) })}},
	{"sha1", keyForm{risk: fastHash, passphrase: true, derive: plain(func(m []byte) []byte { return fit(digest(sha1.New, m)) })}},
	{"sha256", keyForm{risk: fastHash, passphrase: true, derive: plain(func(m []byte) []byte { return fit(digest(sha256.New, m)) })}},
	{"mysql-sha2-256", keyForm{risk: fastHash, passphrase: true, derive: plain(func(m []byte) []byte { return foldKey(digest(sha256.New, m)) })}}, // UNHEX(SHA2(…, 256))
	{"mysql-sha2-512", keyForm{risk: fastHash, passphrase: true, derive: plain(func(m []byte) []byte { return foldKey(digest(sha512.New, m)) })}},
	{KeyEVPMD5, keyForm{risk: fastHash, passphrase: true, salted: true, derive: evp(md5.New)}},
	{KeyEVPSHA256, keyForm{risk: fastHash, passphrase: true, salted: true, derive: evp(sha256.New)}},
	{KeyPBKDF2, keyForm{passphrase: true, salted: true, derive: stretched(sha256.New), rounds: 600_000}},
	{"pbkdf2-sha1", keyForm{passphrase: true, salted: true, derive: stretched(sha1.New), rounds: 250_000}},
	{"pbkdf2-sha512", keyForm{passphrase: true, salted: true, derive: stretched(sha512.New), rounds: 200_000}},
}

func plain(f func([]byte) []byte) func([]byte, *CipherForm, []byte) ([]byte, error) {
	return func(m []byte, _ *CipherForm, _ []byte) ([]byte, error) { return f(m), nil }
}

// fit cuts b to 16 bytes, or fills it with zeros.
func fit(b []byte) []byte {
	out := make([]byte, blockSize)
	copy(out, b)
	return out
}

func digest(h func() hash.Hash, b []byte) []byte {
	d := h()
	d.Write(b)
	return d.Sum(nil)
}

// evp is OpenSSL's EVP_BytesToKey with one round: each digest takes in the one
// before, the passphrase and the salt.
func evp(h func() hash.Hash) func([]byte, *CipherForm, []byte) ([]byte, error) {
	return func(m []byte, _ *CipherForm, salt []byte) ([]byte, error) {
		return evpBytes(h, m, salt, 2*blockSize), nil
	}
}

func evpBytes(h func() hash.Hash, m, salt []byte, n int) []byte {
	var out, last []byte
	for len(out) < n {
		last = digest(h, bytes.Join([][]byte{last, m, salt}, nil))
		out = append(out, last...)
	}
	return out[:n]
}

// stretched is PBKDF2.
func stretched(h func() hash.Hash) func([]byte, *CipherForm, []byte) ([]byte, error) {
	return func(m []byte, c *CipherForm, salt []byte) ([]byte, error) {
		return pbkdf2.Key(h, string(m), salt, c.Iterations, 2*blockSize)
	}
}

// cipher turns the material into a cipher and finds the IV, as the profile
// says, for a file with the given bytes in front of its ciphertext.
func (k Key) cipher(ctx context.Context, c *CipherForm, front []byte, name string) (block cipher.Block, iv []byte, err error) {
	// A derivation can take long, and there may be one for each key of a ring.
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	vault := k.m.Reveal().vault
	if vault == nil {
		key, err := k.aes(c, c.salt(front))
		if err != nil {
			return nil, nil, err
		}
		return c.use(key, front, name)
	}
	if c.Key != KeyRaw || c.IV == IVKey {
		return nil, nil, fmt.Errorf("%w: a vault serves raw keys alone", ErrKey)
	}
	if block, err = vault.Block(ctx); err != nil {
		return nil, nil, fmt.Errorf("mergefile: opening the vault: %w", err)
	}
	if block.BlockSize() != blockSize {
		return nil, nil, fmt.Errorf("%w: the vault's cipher is not AES", ErrKey)
	}
	iv, err = c.findIV(front, nil, name)
	return block, iv, err
}

// salt returns the salt of a file with the given bytes in front of its
// ciphertext.
func (c *CipherForm) salt(front []byte) []byte {
	if ivs.row(c.IV).salted {
		return front[len(saltMark):]
	}
	salt, _ := hex.DecodeString(c.Salt) // Validate has looked at it
	return salt
}

// use makes the bytes of a key ready: 16, and those of the IV that came with
// them.
func (c *CipherForm) use(key, front []byte, name string) (cipher.Block, []byte, error) {
	derived := key[blockSize:]
	if c.IV == IVKey {
		derived = key
	}
	block, err := aes.NewCipher(key[:blockSize])
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	iv, err := c.findIV(front, derived, name)
	return block, iv, err
}

func (c *CipherForm) findIV(front, derived []byte, name string) ([]byte, error) {
	from := ivs.row(c.IV)
	if len(name) < from.name {
		return nil, ErrName
	}
	return from.find(c, front, derived, name)
}

// aes returns the bytes of the AES key, and for the salted forms those of the
// IV behind them.
func (k Key) aes(c *CipherForm, salt []byte) ([]byte, error) {
	form := keyForms.row(c.Key)
	key, err := form.derive(k.m.Reveal().material, c, salt)
	want := blockSize
	if form.salted {
		want = 2 * blockSize
	}
	switch {
	case err != nil:
		// The decoder's own words would quote characters of the key.
		return nil, fmt.Errorf("%w: the key is not in the text form that the profile names", ErrKey)
	case len(key) != want:
		return nil, fmt.Errorf("%w: an AES-128 key is 16 bytes, not %d", ErrKey, len(key))
	}
	return key, nil
}

// decodeBase64 decodes text of one spelling. The decoder itself would step over
// line ends.
func decodeBase64(text []byte) ([]byte, error) {
	if bytes.ContainsAny(text, "\r\n") {
		return nil, errors.New("a line end")
	}
	return base64.StdEncoding.Strict().DecodeString(string(text))
}

// foldKey is MySQL's way to make 16 bytes of a key of any length.
func foldKey(m []byte) []byte {
	key := make([]byte, blockSize)
	for i, c := range m {
		key[i%blockSize] ^= c
	}
	return key
}

// derive returns the 32-byte key of an envelope or a sidecar: HKDF-SHA-256 over
// the AES key, so that one leaked derived key tells nothing of the other two.
func (k Key) derive(ctx context.Context, c *CipherForm, info string) ([]byte, error) {
	if vault := k.m.Reveal().vault; vault != nil {
		b, err := vault.Derive(ctx, info)
		if err != nil {
			return nil, fmt.Errorf("mergefile: deriving a key in the vault: %w", err)
		}
		if len(b) != sha256.Size {
			return nil, fmt.Errorf("%w: the vault derived %d bytes, not 32", ErrKey, len(b))
		}
		return b, nil
	}
	ikm := k.m.Reveal().material
	if !keyForms.row(c.Key).salted {
		var err error
		if ikm, err = k.aes(c, nil); err != nil {
			return nil, err
		}
	}
	return hkdf.Key(sha256.New, ikm, nil, info, sha256.Size)
}

// secretForms are the choices of HashForm.Secret.
var secretForms = table[SecretForm, func([]byte) ([]byte, error)]{
	{SecretRaw, func(s []byte) ([]byte, error) { return s, nil }},
	{SecretHex, func(s []byte) ([]byte, error) { return hex.DecodeString(string(s)) }},
	{SecretBase64, decodeBase64},
	{SecretCP932, func(s []byte) ([]byte, error) { return CharsetCP932.encode(string(s)) }},
	{"euc-jp", func(s []byte) ([]byte, error) { return japanese.EUCJP.NewEncoder().Bytes(s) }},
}

// secretBytes returns the hash secret as the profile spells it.
func (k Key) secretBytes(form SecretForm) ([]byte, error) {
	b, err := secretForms.row(form)(k.m.Reveal().secret)
	if err != nil || len(b) == 0 {
		return nil, fmt.Errorf("%w: the secret is not in the text form that the profile names", ErrKey)
	}
	return b, nil
}
