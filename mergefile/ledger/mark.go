package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mynakit/mynakit/internal/mark"
	"github.com/mynakit/mynakit/internal/sqldb"
)

// Mark keeps, outside the database, a list of short texts. [FileMark] returns
// one in a file. A Mark must not be restored together with the database, so it
// does not belong into the same backup.
type Mark = mark.Mark

// MarkLen is how many of the last texts of a [Mark] are compared with the
// database. It is more than the merges that one program makes at a time.
const MarkLen = mark.Len

// FileMark returns a [Mark] in a file, which is created when a merge is first
// noted. Each merge adds a line of 41 bytes. Several programs may append to one
// file. The file stays readable to its owner alone.
func FileMark(path string) Mark { return mark.File(path) }

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

// marked is the mark with the ledger's table of merges.
type marked struct{ *mark.Marked }

const selectMerges = "SELECT token FROM {merge} WHERE token"

func openMark(ctx context.Context, m Mark) (*marked, error) {
	k, err := mark.Open(ctx, m)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return &marked{k}, nil
}

// compare returns a [*RestoredError] if the database is older than the mark.
func (m *marked) compare(ctx context.Context, q sqldb.Queries) error {
	missing, err := m.Missing(ctx, q, selectMerges)
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
	if err := m.Note(ctx, token); err != nil {
		return fmt.Errorf("%w: %w", ErrMark, err)
	}
	return nil
}

// insertToken inserts a row for a merge. Tokens rise, so that new ones go to the
// end of the tree.
func insertToken(ctx context.Context, tx *sqldb.Tx) (string, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return "", err
	}
	token := mark.NewToken(now)
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
		missing, err := l.mark.Missing(ctx, tx.Queries, selectMerges)
		if err != nil {
			return err
		}
		for _, token := range missing {
			at, _ := mark.TokenTime(token)
			_, err := tx.Exec(ctx, "INSERT INTO {merge} (token, at) VALUES (?, ?) ON CONFLICT (token) DO NOTHING", token, at.UnixMilli())
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
