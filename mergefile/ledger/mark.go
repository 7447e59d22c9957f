package ledger

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

// Mark keeps, outside the database, a list of short texts. [FileMark] returns
// one in a file. A Mark must not be restored together with the database, so it
// does not belong into the same backup.
type Mark interface {
	// Read returns the texts in the order in which they were noted, at least
	// the last [MarkLen], or all if there are fewer. None is no error.
	Read(ctx context.Context) ([]string, error)
	// Note adds a text, and returns when it is safe from a crash.
	Note(ctx context.Context, text string) error
}

// MarkLen is how many of the last texts of a [Mark] are compared with the
// database. It is more than the merges that one program makes at a time.
const MarkLen = 64

// ErrMark is returned by [Receiver.Receive] and [Ledger.Import] when the merge
// is in the database and could not be noted in the [Mark]. Receive the file
// again: it is found to be a duplicate, and is noted then.
var ErrMark = errors.New("ledger: the merge is in the database, and the mark outside of it could not be advanced")

// RestoredError means that the database does not hold merges that it held when
// they were noted in the [Mark]: it was restored from a backup, a standby that
// was behind has taken over, or it is another database. Nothing is merged until
// [Ledger.AcceptRestore] is called.
type RestoredError struct {
	// Missing is how many of the last noted merges are missing.
	Missing int
	// Until is the time of the last merge of a program with a Mark that the
	// database holds, and the zero time if it holds none. All files that were
	// merged after it have to be received again.
	Until time.Time
}

// Error returns the time up to which the database is known to be complete.
func (e *RestoredError) Error() string {
	since := "its beginning"
	if !e.Until.IsZero() {
		since = e.Until.Format(time.RFC3339)
	}
	return fmt.Sprintf("the database is older than its mark: it lacks merges since %s; accept that, and receive the files since then again", since)
}

// marked is a Mark, and what it held last.
type marked struct {
	mark Mark
	mu   sync.Mutex
	last []string
}

func openMark(ctx context.Context, m Mark) (*marked, error) {
	texts, err := m.Read(ctx)
	if err != nil {
		return nil, fmt.Errorf("ledger: read the mark: %w", err)
	}
	return &marked{mark: m, last: slices.Clone(texts[max(0, len(texts)-MarkLen):])}, nil
}

func (m *marked) texts() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last
}

// missing returns those of the last merges that the database does not hold.
func (m *marked) missing(ctx context.Context, q sqldb.Queries) ([]string, error) {
	texts := m.texts()
	if len(texts) == 0 {
		return nil, nil
	}
	args := make([]any, len(texts))
	for i, s := range texts {
		args[i] = s
	}
	rows, err := q.Query(ctx, "SELECT token FROM {merge} WHERE token IN (?"+strings.Repeat(",?", len(texts)-1)+")", args...)
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

// compare returns a [*RestoredError] if the database is older than the mark.
func (m *marked) compare(ctx context.Context, q sqldb.Queries) error {
	missing, err := m.missing(ctx, q)
	if err != nil || len(missing) == 0 {
		return err
	}
	e := &RestoredError{Missing: len(missing)}
	var at int64
	if err := q.QueryRow(ctx, "SELECT COALESCE(max(at), 0) FROM {merge}").Scan(&at); err != nil {
		return err
	}
	e.Until = instant(at)
	return e
}

// note is called after the commit and before anybody is told of it: what the
// mark holds has happened, and what was told is in the mark.
func (m *marked) note(ctx context.Context, token string) error {
	// The merge has happened, so that it is too late to be cancelled.
	if err := m.mark.Note(context.WithoutCancel(ctx), token); err != nil {
		return fmt.Errorf("%w: %w", ErrMark, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	// A new slice: somebody may be comparing the old one.
	m.last = append(slices.Clone(m.last[max(0, len(m.last)+1-MarkLen):]), token)
	return nil
}

// insertToken inserts a row for a merge. Tokens rise, so that new ones go to the
// end of the tree.
func insertToken(ctx context.Context, tx *sqldb.Tx) (string, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return "", err
	}
	token := fmt.Sprintf("%013d-%s", max(0, now.UnixMilli()), rand.Text())
	_, err = tx.Exec(ctx, "INSERT INTO {merge} (token, at) VALUES (?, ?)", token, now.UnixMilli())
	return token, err
}

// AcceptRestore makes an older database usable after a [*RestoredError]. The
// order of the way back is: call AcceptRestore, then receive all files again
// that were merged after RestoredError.Until, which an inbox keeps in its folder
// Done. What the backup held is found to be a duplicate, and the rest is merged,
// so both ledger and balances are as they were. Keep the files in Done longer
// than the oldest backup that may be restored.
//
// Each program with a Mark of its own has to accept for itself.
func (l *Ledger) AcceptRestore(ctx context.Context) error {
	if l.mark == nil {
		return errors.New("ledger: accept a restore: the ledger has no mark")
	}
	err := l.write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		missing, err := l.mark.missing(ctx, tx.Queries)
		if err != nil {
			return err
		}
		for _, token := range missing {
			at, _ := tokenTime(token)
			_, err := tx.Exec(ctx, "INSERT INTO {merge} (token, at) VALUES (?, ?) ON CONFLICT (token) DO NOTHING", token, at)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("ledger: accept a restore: %w", err)
	}
	return nil
}

const tokenLen = 13 + 1 + 26

// tokenTime returns the time of a token in milliseconds since 1970. It reports
// whether the text has the form of a token.
func tokenTime(s string) (int64, bool) {
	if len(s) != tokenLen || s[13] != '-' {
		return 0, false
	}
	for _, c := range []byte(s[14:]) {
		if !(c >= 'A' && c <= 'Z' || c >= '2' && c <= '7') {
			return 0, false
		}
	}
	at, err := strconv.ParseInt(s[:13], 10, 64)
	return at, err == nil && at >= 0
}

// FileMark returns a [Mark] in a file, which is created when a merge is first
// noted. Each merge adds a line of 41 bytes. Several programs may append to one
// file. The file stays readable to its owner alone.
func FileMark(path string) Mark { return &fileMark{path: path} }

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
	tail := int64(2 * MarkLen * (tokenLen + 1))
	text, err := io.ReadAll(io.NewSectionReader(f, max(0, info.Size()-tail), tail))
	if err != nil {
		return nil, err
	}
	var out []string
	for line := range bytes.Lines(text) {
		token, ended := strings.CutSuffix(string(line), "\n")
		if _, ok := tokenTime(token); ok && ended {
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
