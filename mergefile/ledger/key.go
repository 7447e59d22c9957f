package ledger

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/mynakit/mynakit/internal/secret"
	"github.com/mynakit/mynakit/mergefile"
)

var (
	// ErrKey is returned for a secret of the wrong length, and if a key or a key
	// source is missing.
	ErrKey = errors.New("ledger: unusable key")
	// ErrOtherKey means that a ledger or an export was made under another
	// [Key], so that nothing in it can be compared.
	ErrOtherKey = errors.New("ledger: the ledger is kept under another key")
)

// Key is the secret under which a [Ledger] holds what was in a record. The ledger
// keeps a keyed digest of the content, so that a copy of its tables does not
// reveal whose points they were. A Key prints as [redacted].
type Key struct {
	secret.Hidden
	secrets secret.Box[*secrets]
}

type secrets struct {
	content  cipher.Block
	transfer []byte
	check    []byte
}

// NewKey returns the key that a secret of 16 to 4096 bytes stands for. Use random
// bytes. The secret stays the same as long as the ledger lives, and is the same
// on every machine that shares the ledger or takes it over. NewKey returns
// [ErrKey] if the length is out of range. It keeps no reference to material.
func NewKey(material []byte) (Key, error) {
	if len(material) < 16 || len(material) > 4096 {
		return Key{}, fmt.Errorf("%w: a ledger's secret is 16 to 4096 bytes", ErrKey)
	}
	expand := func(purpose string, n int) ([]byte, error) {
		return hkdf.Key(sha256.New, material, nil, "mynakit mergefile ledger "+purpose+" 1", n)
	}
	content, err1 := expand("content", aes.BlockSize)
	transfer, err2 := expand("transfer", sha256.Size)
	check, err3 := expand("check", 8)
	if err := errors.Join(err1, err2, err3); err != nil {
		return Key{}, fmt.Errorf("%w: %w", ErrKey, err)
	}
	block, err := aes.NewCipher(content)
	if err != nil {
		return Key{}, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return Key{secrets: secret.New(&secrets{block, transfer, check})}, nil
}

// check distinguishes keys and does not reveal them.
func (k Key) check() string { return hex.EncodeToString(k.secrets.Reveal().check) }

// digester computes the digest of a record's content: 64 bits of CBC-MAC under
// AES-128. For messages of one length that is as good as random to whoever does
// not have the key, and it takes a tenth of the time of an HMAC. A record is such
// a message, since its fields have fixed places.
//
// A digest is compared with that of the one other record which has the same
// number, and nobody without the key can look for a content to a digest. So 64
// bits are plenty: a conflict is taken for a duplicate, and skipped, once in
// 2^64.
type digester struct {
	block cipher.Block
	msg   [64]byte
	mac   [aes.BlockSize]byte
}

func (k Key) digester() *digester { return &digester{block: k.secrets.Reveal().content} }

func (d *digester) sum(r *mergefile.Record) int64 {
	holder := r.Holder.Reveal()
	d.msg[0], d.msg[1] = byte(r.Holder.Kind()), byte(len(holder))
	clear(d.msg[2+copy(d.msg[2:34], holder) : 34])
	binary.BigEndian.PutUint64(d.msg[34:], r.Points)
	binary.BigEndian.PutUint64(d.msg[42:], uint64(r.Transaction.UnixMilli()))
	binary.BigEndian.PutUint32(d.msg[50:], r.Transaction.Sequence())
	clear(d.mac[:])
	for i := 0; i < len(d.msg); i += aes.BlockSize {
		subtle.XORBytes(d.mac[:], d.mac[:], d.msg[i:i+aes.BlockSize])
		d.block.Encrypt(d.mac[:], d.mac[:])
	}
	return int64(binary.BigEndian.Uint64(d.mac[:]))
}
