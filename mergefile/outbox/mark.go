package outbox

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/mynakit/mynakit/internal/mark"
	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/mynakit/mynakit/mergefile"
)

// Mark keeps, outside the database, short texts of what was sent. It must not be
// restored together with the database, so it does not belong into the same
// backup. [FileMark] returns one in a file.
type Mark = mark.Mark

// FileMark returns a [Mark] in a file, which is created when something is first
// sent. Each call of [Outbox.Send] that writes files adds a line of 41 bytes for
// every 64 files. Several programs may share one file.
func FileMark(path string) Mark { return mark.File(path) }

var (
	// ErrMark is returned by [Outbox.Send] if the mark could not be advanced.
	// No file of that batch was made visible; the call can be repeated.
	ErrMark = errors.New("outbox: the mark outside the database could not be advanced")
	// ErrRestored is matched by every [*RestoredError].
	ErrRestored = errors.New("outbox: the database is older than its mark")
)

// RestoredError means that the database does not hold what was noted in the
// [Mark]: it was restored from a backup, or a standby that was behind has taken
// over. Nothing is added or sent until [Outbox.Recover] is called.
type RestoredError struct {
	Missing int       // how many notes are missing
	Since   time.Time // the earliest of them: what was sent since then is to be asked of the receivers
}

// Error returns the time since which the database is incomplete.
func (e *RestoredError) Error() string {
	return fmt.Sprintf("%v: it lacks what was sent since %s", ErrRestored, e.Since.In(jst).Format(time.RFC3339))
}

// Is reports whether target is [ErrRestored].
func (e *RestoredError) Is(target error) bool { return target == ErrRestored }

// marked is the mark with the outbox's table of notes.
type marked struct{ *mark.Marked }

const selectNotes = "SELECT token FROM {sent} WHERE token"

func openMark(ctx context.Context, m Mark) (*marked, error) {
	k, err := mark.Open(ctx, m)
	if err != nil {
		return nil, fmt.Errorf("outbox: %w", err)
	}
	return &marked{k}, nil
}

// compare returns a [*RestoredError] if the database is older than the mark.
func (m *marked) compare(ctx context.Context, q sqldb.Queries) error {
	missing, err := m.Missing(ctx, q, selectNotes)
	if err != nil || len(missing) == 0 {
		return err
	}
	e := &RestoredError{Missing: len(missing)}
	for _, token := range missing {
		if at, ok := mark.TokenTime(token); ok && (e.Since.IsZero() || at.Before(e.Since)) {
			e.Since = at
		}
	}
	return e
}

func (m *marked) note(ctx context.Context, token string) error {
	if err := m.Note(ctx, token); err != nil {
		return fmt.Errorf("%w: %w", ErrMark, err)
	}
	return nil
}

// Compare returns a [*RestoredError] if the database does not hold what was noted
// in [Config.Mark]. Add and Send do so by themselves. Call it in the transactions
// that spend the same points otherwise, within [Outbox.In]: what was spent since the
// backup is not known there. Without a Mark it returns nil.
func (o *Outbox) Compare(ctx context.Context) error {
	if o.mark == nil {
		return nil
	}
	return o.db.Read(ctx, "compare", o.compare)
}

func (o *Outbox) compare(ctx context.Context, tx *sqldb.Tx) error {
	if o.mark == nil {
		return nil
	}
	return o.mark.compare(ctx, tx.Queries)
}

func insertToken(ctx context.Context, tx *sqldb.Tx, now time.Time) (string, error) {
	token := mark.NewToken(now)
	_, err := tx.Exec(ctx, "INSERT INTO {sent} (token) VALUES (?)", token)
	return token, err
}

// Known is a record that a receiver has merged, as its books show.
type Known struct {
	Scope  string
	Record mergefile.Record
}

// Recovery is what [Outbox.Recover] did.
type Recovery struct {
	Again int // records that were booked again
	There int // records that the database still held
	// Differ are numbers that the database holds with other content: they were
	// used again before anybody noticed. A person has to look.
	Differ []mergefile.Transaction
}

// Recover makes an older database usable after a [*RestoredError]. known are the
// records that the receivers have merged since RestoredError.Since, or earlier
// ones too. A record that the database lacks becomes an item that is done, under
// the operation "restored:" and its scope and number, [Config.Again] takes its
// points once more, and its scope's counter goes past it. All of it is one
// transaction, or nothing is.
//
// What was sent and is in nobody's books yet is not known to anybody: wait until
// the receivers have merged what they have, or ask for files that are under way
// to be removed.
//
// The errors are [ErrConfig] without Config.Again or a Mark, those of known and
// of Config.Again, a [*LostError], and those of the database.
func (o *Outbox) Recover(ctx context.Context, known iter.Seq2[Known, error]) (Recovery, error) {
	var out Recovery
	if o.mark == nil || o.cfg.Again == nil {
		return out, fmt.Errorf("%w: Recover needs Again and a Mark", ErrConfig)
	}
	err := o.db.Write(ctx, "recover", func(ctx context.Context, tx *sqldb.Tx) error {
		out = Recovery{}
		missing, err := o.mark.Missing(ctx, tx.Queries, selectNotes)
		if err != nil {
			return err
		}
		for k, err := range known {
			if err == nil {
				err = o.rebook(ctx, tx, k, &out)
			}
			if err != nil {
				return err
			}
		}
		for _, token := range missing {
			if _, err := tx.Exec(ctx, "INSERT INTO {sent} (token) VALUES (?) ON CONFLICT (token) DO NOTHING", token); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}
