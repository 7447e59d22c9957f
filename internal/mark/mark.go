// Package mark keeps, outside a database, short texts of what the database did
// last, so that one that was restored from an older state is noticed. The
// keepers' tables hold the same texts: those that the mark has and the table
// lacks are what was lost.
package mark

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mynakit/mynakit/internal/sqldb"
)

// Mark keeps a list of short texts.
type Mark interface {
	// Read returns the texts in the order in which they were noted, at least
	// the last [Len], or all if there are fewer. None is no error.
	Read(ctx context.Context) ([]string, error)
	// Note adds a text, and returns when it is safe from a crash.
	Note(ctx context.Context, text string) error
}

// Len is how many of the last texts are compared with the database. It is more
// than one program notes at a time.
const Len = 64

// Marked is a [Mark], and what it held last. It is safe for use by several
// goroutines.
type Marked struct {
	mark Mark
	mu   sync.Mutex
	last []string
}

// Open reads a mark.
func Open(ctx context.Context, m Mark) (*Marked, error) {
	texts, err := m.Read(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the mark: %w", err)
	}
	return &Marked{mark: m, last: slices.Clone(texts[max(0, len(texts)-Len):])}, nil
}

func (m *Marked) texts() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last
}

// Missing returns those of the last texts that the database does not hold. The
// query selects the column of texts, up to its WHERE, such as "SELECT token FROM
// {merge} WHERE token".
func (m *Marked) Missing(ctx context.Context, q sqldb.Queries, query string) ([]string, error) {
	texts := m.texts()
	if len(texts) == 0 {
		return nil, nil
	}
	args := make([]any, len(texts))
	for i, s := range texts {
		args[i] = s
	}
	rows, err := q.Query(ctx, query+" IN (?"+strings.Repeat(",?", len(texts)-1)+")", args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	there := make(map[string]bool, len(texts))
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		there[s] = true
	}
	var missing []string
	for _, s := range texts {
		if !there[s] {
			missing = append(missing, s)
		}
	}
	return missing, rows.Err()
}

// Note adds a text, whether or not ctx is done: what it is of has happened.
func (m *Marked) Note(ctx context.Context, text string) error {
	if err := m.mark.Note(context.WithoutCancel(ctx), text); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	// A new slice: somebody may be comparing the old one.
	m.last = append(slices.Clone(m.last[max(0, len(m.last)+1-Len):]), text)
	return nil
}

// NewToken draws a text of a moment. Texts rise with time, so that new ones go
// to the end of an index.
func NewToken(now time.Time) string {
	return fmt.Sprintf("%013d-%s", max(0, now.UnixMilli()), rand.Text())
}

const tokenLen = 13 + 1 + 26

// TokenTime returns the time of a text of [NewToken]. It reports whether the
// text has that form.
func TokenTime(s string) (time.Time, bool) {
	if len(s) != tokenLen || s[13] != '-' {
		return time.Time{}, false
	}
	for _, c := range []byte(s[14:]) {
		if !(c >= 'A' && c <= 'Z' || c >= '2' && c <= '7') {
			return time.Time{}, false
		}
	}
	at, err := strconv.ParseInt(s[:13], 10, 64)
	return time.UnixMilli(at), err == nil && at >= 0
}

// File returns a [Mark] in a file, which is created with the first text. Each
// text adds a line of 41 bytes. Several programs may append to one file. The
// file stays readable to its owner alone.
func File(path string) Mark { return &fileMark{path: path} }

type fileMark struct {
	path string
	mu   sync.Mutex
}

// Read returns the texts of the file's last lines. Lines that are no text of
// Note, such as one that a crash cut short, are passed over.
func (m *fileMark) Read(context.Context) ([]string, error) {
	f, err := os.Open(m.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	tail := int64(2 * Len * (tokenLen + 1))
	text, err := io.ReadAll(io.NewSectionReader(f, max(0, info.Size()-tail), tail))
	if err != nil {
		return nil, err
	}
	var out []string
	for line := range bytes.Lines(text) {
		token, ended := strings.CutSuffix(string(line), "\n")
		if _, ok := TokenTime(token); ok && ended {
			out = append(out, token)
		}
	}
	return out, nil
}

// Note appends a line and waits until it is on the disk.
func (m *fileMark) Note(_ context.Context, text string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, err := os.Stat(m.path)
	created := errors.Is(err, os.ErrNotExist)
	f, err := os.OpenFile(m.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	line := text + "\n"
	if cut, err := cutShort(f); err != nil {
		return errors.Join(err, f.Close())
	} else if cut {
		line = "\n" + line
	}
	_, err = f.WriteString(line)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil || !created || runtime.GOOS == "windows" {
		return err
	}
	// The entry in the directory has to be on the disk as well.
	dir, err := os.Open(filepath.Dir(m.path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// cutShort reports whether a file's last line has no end.
func cutShort(f *os.File) (bool, error) {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return false, err
	}
	last := make([]byte, 1)
	_, err = f.ReadAt(last, info.Size()-1)
	return last[0] != '\n', err
}
