// Package testkit holds test vectors for merge files: more than two hundred
// small files, each with at most one fault, and what a reader must make of it.
//
// # For whom
//
// For everyone who reads merge files, in whatever language: [FS] is a plain
// tree of files, and their form is simple. For Go, [Vectors] parses them.
//
// # The form of a vector
//
// A vector is a file of "name: value" lines, an empty line, and the merge file
// itself, to the last byte. The names are:
//
//	verdict  "valid", or the class of the one fault (see [Vector])
//	comment  what the vector is about
//	profile  the profile as JSON, on one line
//	key      key material in hexadecimal
//	key-id   its identifier
//	secret   the hash secret in hexadecimal
//	name     the merge file's name, if the profile needs it
//	sidecar  the sidecar in hexadecimal, if there is one
//	records  the number of records, if valid
//	sha256   SHA-256 of the records, if valid: each as AppendCanonical spells
//	         it, with LF behind
//
// To whoever sends files, a reader must show all faults alike: one error, one
// text, one time. The class is for the reader's own tests.
//
// The vectors are made by the program in the folder generate, with a fixed
// seed and without the package that they test.
package testkit

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/mynakit/mynakit/mergefile"
)

// FS holds the vectors as files vectors/NAME.vec.
//
//go:embed vectors/*.vec
var FS embed.FS

// Valid is the verdict on a file without a fault.
const Valid = "valid"

// Vector is one merge file and what is to be made of it.
type Vector struct {
	// Name is the vector's file name without suffix.
	Name string
	// Verdict is Valid, or the text of the [mergefile.Fault] that
	// [mergefile.DiagnoseForDeveloper] must find; a reader must then give
	// [mergefile.ErrInvalid].
	Verdict string
	Comment string
	Profile mergefile.Profile
	Key     mergefile.Key
	// FileName and Sidecar go into the reader's options.
	FileName string
	Sidecar  []byte
	// File is the merge file itself. Its capacity is its length.
	File []byte
	// Records and SHA256 are of a valid file.
	Records int64
	SHA256  [sha256.Size]byte
}

// Vectors parses all vectors, in the order of their names.
func Vectors() ([]Vector, error) {
	entries, err := fs.ReadDir(FS, "vectors")
	if err != nil {
		return nil, err
	}
	var out []Vector
	for _, e := range entries {
		data, err := fs.ReadFile(FS, "vectors/"+e.Name())
		if err != nil {
			return nil, err
		}
		v, err := Parse(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.Name(), err)
		}
		v.Name = strings.TrimSuffix(e.Name(), ".vec")
		out = append(out, v)
	}
	return out, nil
}

// Parse reads one vector, without its Name.
func Parse(data []byte) (Vector, error) {
	head, body, ok := strings.Cut(string(data), "\n\n")
	if !ok {
		return Vector{}, errors.New("testkit: no empty line behind the head")
	}
	v := Vector{File: []byte(body)}
	v.File = v.File[:len(v.File):len(v.File)]
	var material, secret []byte
	var keyID string
	for line := range strings.SplitSeq(head, "\n") {
		name, value, ok := strings.Cut(line, ": ")
		if !ok {
			return Vector{}, fmt.Errorf("testkit: not a line of a head: %q", line)
		}
		var err error
		switch name {
		case "verdict":
			v.Verdict = value
		case "comment":
			v.Comment = value
		case "profile":
			v.Profile, err = mergefile.ParseProfile([]byte(value))
		case "key":
			material, err = hex.DecodeString(value)
		case "key-id":
			keyID = value
		case "secret":
			secret, err = hex.DecodeString(value)
		case "name":
			v.FileName = value
		case "sidecar":
			v.Sidecar, err = hex.DecodeString(value)
		case "records":
			v.Records, err = strconv.ParseInt(value, 10, 64)
		case "sha256":
			var sum []byte
			sum, err = hex.DecodeString(value)
			if copy(v.SHA256[:], sum) != sha256.Size {
				err = errors.New("testkit: a SHA-256 is 32 bytes")
			}
		default:
			err = fmt.Errorf("testkit: unknown name %q", name)
		}
		if err != nil {
			return Vector{}, err
		}
	}
	var err error
	v.Key, err = mergefile.NewKey(keyID, material, secret)
	return v, err
}

// Options gives the reader's options for the vector.
func (v Vector) Options() *mergefile.ReaderOptions {
	return &mergefile.ReaderOptions{Name: v.FileName, Sidecar: v.Sidecar}
}

// Check says what is wrong with a reading of the vector: the records it gave,
// and the error it ended with.
func (v Vector) Check(records []mergefile.Record, err error) error {
	if v.Verdict != Valid {
		if err != mergefile.ErrInvalid {
			return fmt.Errorf("%s: got %v, want the error that all invalid files have", v.Name, err)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", v.Name, err)
	}
	h := sha256.New()
	for _, r := range records {
		h.Write(append(r.AppendCanonical(nil), '\n'))
	}
	if int64(len(records)) != v.Records || [sha256.Size]byte(h.Sum(nil)) != v.SHA256 {
		return fmt.Errorf("%s: other records than expected", v.Name)
	}
	return nil
}
