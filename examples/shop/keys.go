package shop

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"

	"github.com/mynakit/mynakit/mergefile"
)

// Identifiers of the keys, which are not secret: they stand in QR codes and
// tell old keys from new ones.
const (
	ticketKeyID = "K1"
	mergeKeyID  = "shop-1"
)

// Keys are a shop's secrets. Make them with [LoadKeys] or [NewKeys]. They
// print as [redacted].
type Keys struct {
	// Behind a function, because fmt does not call Format for a field that is not
	// exported: of a struct with such a field it would print the bytes. So would
	// whatever walks through a pointer.
	open func() *secrets
}

func hide(s *secrets) Keys { return Keys{func() *secrets { return s }} }

type secrets struct {
	pseudonym   []byte // of serial numbers in the database
	ticket      []byte // of QR codes
	merge       []byte // AES-128 key of merge files
	mergeSecret []byte // 特定の文字列, hashed with each record
	ledger      []byte // of what the ledger remembers of merged records
}

var (
	// ErrKeyFile means that a key file is not one, or a damaged one.
	ErrKeyFile = errors.New("shop: not a key file")
	// ErrKeyFileOpen means that other users of the machine can read the key
	// file.
	ErrKeyFileOpen = errors.New("shop: other users can read the key file")
)

// NewKeys draws new keys.
func NewKeys() Keys {
	draw := func(n int) []byte {
		b := make([]byte, n)
		rand.Read(b) // never fails
		return b
	}
	return hide(&secrets{
		pseudonym:   draw(32),
		ticket:      draw(32),
		merge:       draw(16),
		mergeSecret: []byte(rand.Text()), // 130 random bits, in letters that every system can hash
		ledger:      draw(32),
	})
}

// LoadKeys reads the keys from a file, or draws them and writes the file where
// there is none yet; created tells which. The file is for its owner alone. Keep
// it apart from the database, and keep a copy: without it the database finds
// nobody, and with it a thief of the database finds everybody.
//
// The errors are ErrKeyFile, ErrKeyFileOpen and a [*fs.PathError].
func LoadKeys(path string) (k Keys, created bool, err error) {
	k, err = readKeys(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, false, err
	}
	switch err = writeKeys(path, NewKeys()); {
	case err == nil:
		created = true
	case !errors.Is(err, fs.ErrExist): // another program was first: take its keys
		return Keys{}, false, err
	}
	k, err = readKeys(path)
	return k, created && err == nil, err
}

// keyFile is how keys lie in a file; JSON writes bytes in base64.
type keyFile struct {
	Pseudonym   []byte `json:"pseudonym"`
	Ticket      []byte `json:"ticket"`
	Merge       []byte `json:"merge"`
	MergeSecret string `json:"merge_secret"`
	Ledger      []byte `json:"ledger"`
}

func readKeys(path string) (Keys, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Keys{}, err
	}
	// Windows has no such bits; there the folder of the user is the guard.
	if info, err := os.Stat(path); err != nil {
		return Keys{}, err
	} else if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return Keys{}, ErrKeyFileOpen
	}
	var f keyFile
	// What json says of a file that is none may hold part of it.
	if json.Unmarshal(text, &f) != nil ||
		len(f.Pseudonym) < 32 || len(f.Ticket) < 32 || len(f.Merge) != 16 || len(f.MergeSecret) < 16 || len(f.Ledger) < 32 {
		return Keys{}, ErrKeyFile
	}
	return hide(&secrets{f.Pseudonym, f.Ticket, f.Merge, []byte(f.MergeSecret), f.Ledger}), nil
}

// writeKeys writes the file whole under another name and then links it, so that
// nobody reads half of it and of two programs one is first. It never writes
// over keys.
func writeKeys(path string, k Keys) error {
	own := k.open()
	text, err := json.MarshalIndent(keyFile{own.pseudonym, own.ticket, own.merge, string(own.mergeSecret), own.ledger}, "", "\t")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "keys-*.tmp") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := fill(f, text); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	// A file system without links, as on a USB stick.
	if f, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		return err
	}
	return fill(f, text)
}

// fill writes a file and has it on the disk.
func fill(f *os.File, text []byte) error {
	_, err := f.Write(append(text, '\n'))
	return errors.Join(err, f.Sync(), f.Close())
}

// Merge returns the key under which merge files arrive, for the other end of a
// demonstration.
func (k Keys) Merge() (mergefile.Key, error) {
	return mergefile.NewKey(mergeKeyID, k.open().merge, k.open().mergeSecret)
}

// Derive returns 32 bytes for a purpose of the program's own, such as pseudonyms
// that it gives to others: the same for the same keys and purpose, and nothing
// that leads back to them.
func (k Keys) Derive(purpose string) ([]byte, error) {
	return hkdf.Key(sha256.New, k.open().pseudonym, nil, "mynakit shop: "+purpose, 32)
}

// IsZero reports whether there are no keys.
func (k Keys) IsZero() bool { return k.open == nil }

// Equal reports whether k and o are the same keys, in constant time.
func (k Keys) Equal(o Keys) bool {
	if k.IsZero() || o.IsZero() {
		return k.IsZero() == o.IsZero()
	}
	a, b := k.open(), o.open()
	same := 1
	for _, pair := range [][2][]byte{{a.pseudonym, b.pseudonym}, {a.ticket, b.ticket}, {a.merge, b.merge},
		{a.mergeSecret, b.mergeSecret}, {a.ledger, b.ledger}} {
		same &= subtle.ConstantTimeCompare(pair[0], pair[1])
	}
	return same == 1
}

// Format prints [redacted] for every verb.
func (k Keys) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[redacted]") }

// LogValue returns [redacted].
func (k Keys) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// MarshalJSON returns [redacted]: only this package writes a key file.
func (k Keys) MarshalJSON() ([]byte, error) { return []byte(`"[redacted]"`), nil }
