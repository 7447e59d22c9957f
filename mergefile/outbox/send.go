package outbox

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"runtime"
	"time"

	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mykey"
)

// Sent is what [Outbox.Send] did.
type Sent struct {
	Files   int // made visible now
	Waiting int // written and not acknowledged, whose file is not due again
	Failed  int // left for the next call; each has an [Event]
}

// batch is how many items are fixed in one transaction and noted together.
const batch = 64

// outgoing is an item on its way into a file.
type outgoing struct {
	Item
	at, sequence int64
	record       mergefile.Record
}

// Send writes the files that are due: of items that are new, and of those that
// are not acknowledged after [Config.Repeat]. It can be called at any time and
// by several programs; a file that is still there is left as it is.
//
// The errors are a [*RestoredError], [ErrMark], a [*LostError], and those of the
// database and of the keys. An item whose holder is unknown or whose file
// cannot be written stays for the next call, and the others go on.
func (o *Outbox) Send(ctx context.Context) (Sent, error) {
	var out Sent
	var last outgoing
	for {
		items, more, err := o.fix(ctx, &last, &out)
		if err != nil {
			return out, err
		}
		var done []outgoing
		for _, it := range items {
			if err := o.file(ctx, it); err != nil {
				if ctx.Err() != nil {
					return out, fmt.Errorf("outbox: send: %w", err)
				}
				out.Failed++
				o.audit(ctx, Event{Scope: it.Scope, Number: it.Number, What: NotSent, Err: err})
				continue
			}
			done = append(done, it)
		}
		if err := o.noteSent(ctx, done); err != nil {
			return out, err
		}
		out.Files += len(done)
		if !more {
			return out, nil
		}
	}
}

// fix fixes the records of the next items after last, and notes outside the
// database that they are about to be sent.
func (o *Outbox) fix(ctx context.Context, last *outgoing, out *Sent) (items []outgoing, more bool, err error) {
	var open []outgoing
	var now time.Time
	err = o.db.Read(ctx, "send", func(ctx context.Context, tx *sqldb.Tx) (err error) {
		if err := o.compare(ctx, tx); err != nil {
			return err
		}
		if now, err = tx.Now(ctx); err == nil {
			open, err = openItems(ctx, tx, *last)
		}
		return err
	})
	if err != nil {
		return nil, false, err
	}
	for _, it := range open {
		*last = it
		if it.Written.IsZero() {
			// Each in a transaction of its own, so that one function that fails
			// does not keep the others.
			it, err = o.fixHolder(ctx, it)
			if errors.Is(err, ErrNoItem) {
				continue // withdrawn meanwhile
			}
			if _, lost := errors.AsType[*LostError](err); lost || ctx.Err() != nil {
				return nil, false, err
			}
			if err != nil {
				out.Failed++
				o.audit(ctx, Event{Scope: it.Scope, Number: it.Number, What: NoHolder, Err: err})
				continue
			}
		} else if !it.Sent.IsZero() && now.Sub(it.Sent) < o.cfg.Repeat {
			out.Waiting++
			continue
		}
		items = append(items, it)
	}
	more = len(open) == batch
	if o.mark == nil || len(items) == 0 {
		return items, more, nil
	}
	var token string
	err = o.db.Write(ctx, "send", func(ctx context.Context, tx *sqldb.Tx) (err error) {
		if err := o.compare(ctx, tx); err != nil {
			return err
		}
		token, err = insertToken(ctx, tx, now)
		return err
	})
	if err == nil {
		err = o.mark.note(ctx, token)
	}
	return items, more, err
}

// openItems returns the next items that are not acknowledged.
func openItems(ctx context.Context, tx *sqldb.Tx, after outgoing) ([]outgoing, error) {
	rows, err := tx.Query(ctx, `SELECT scope, at, sequence, operation, subject, points, written, sent, holder FROM {item}
		WHERE acked IS NULL AND (scope, at, sequence) > (?, ?, ?) ORDER BY scope, at, sequence LIMIT ?`,
		after.Scope, after.at, after.sequence, batch)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []outgoing
	for rows.Next() {
		var it outgoing
		var written, sent sql.NullInt64
		var holder sql.NullString
		if err := rows.Scan(&it.Scope, &it.at, &it.sequence, &it.Operation, &it.Subject, &it.Points, &written, &sent, &holder); err != nil {
			return nil, err
		}
		it.Written, it.Sent = instantOf(written), instantOf(sent)
		if it.Number, err = numberOf(it.at, it.sequence); err != nil {
			return nil, err
		}
		it.record = mergefile.Record{Points: uint64(it.Points), Transaction: it.Number}
		if holder.Valid {
			if it.record.Holder, err = parseHolder(holder.String); err != nil {
				return nil, err
			}
		}
		out = append(out, it)
	}
	return out, rows.Err()
}

// fixHolder asks who gets the points and writes it down.
func (o *Outbox) fixHolder(ctx context.Context, it outgoing) (outgoing, error) {
	fixed := it
	err := o.db.Write(ctx, "send", func(ctx context.Context, tx *sqldb.Tx) error {
		var err error
		if fixed, err = lockNumber(ctx, tx, it.Scope, it.Number); err != nil || !fixed.Written.IsZero() {
			return err
		}
		err = tx.Call(ctx, "holder of "+it.Number.String(), func(ctx context.Context, tx *sql.Tx) (err error) {
			fixed.record.Holder, err = o.cfg.Holder(ctx, tx, fixed.Item)
			return err
		})
		if err != nil {
			return err
		}
		// A record that the profile cannot write must not be fixed.
		if _, _, err := o.encode(ctx, fixed); err != nil {
			return err
		}
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "UPDATE {item} SET holder = ?, written = ? WHERE scope = ? AND at = ? AND sequence = ?",
			formatHolder(fixed.record.Holder), now.UnixMicro(), it.Scope, it.at, it.sequence)
		return err
	})
	if err != nil {
		return it, err
	}
	return fixed, nil
}

// A holder is stored with a letter of its kind before it.
func formatHolder(h mergefile.Holder) string {
	if h.Kind() == mergefile.MyKeyID {
		return "I" + h.Reveal()
	}
	return "M" + h.Reveal()
}

func parseHolder(s string) (mergefile.Holder, error) {
	switch {
	case len(s) > 1 && s[0] == 'I':
		id, err := mykey.ParseID(s[1:])
		if err != nil {
			return mergefile.Holder{}, err
		}
		return mergefile.NewMyKeyHolder(id)
	case len(s) > 1 && s[0] == 'M':
		return mergefile.NewMallHolder(s[1:])
	}
	return mergefile.Holder{}, errors.New("a holder is not of its form")
}

// name is the path of an item's file in the outbox's folder.
func (o *Outbox) name(it outgoing) string {
	name := o.cfg.Profile.FileNameFor(it.Number)
	if name == "" {
		name = it.Number.String() + ".dat"
	}
	return path.Join(it.Scope, name)
}

// encode returns an item's file and its sidecar.
func (o *Outbox) encode(ctx context.Context, it outgoing) (file, sidecar []byte, err error) {
	var b, side bytes.Buffer
	opts := &mergefile.WriterOptions{Name: path.Base(o.name(it))}
	if o.cfg.Profile.Integrity == mergefile.IntegritySidecar {
		opts.Sidecar = &side
	}
	w, err := mergefile.NewWriter(ctx, &b, o.cfg.Profile, o.cfg.Keys, opts)
	if err != nil {
		return nil, nil, err
	}
	if err := errors.Join(w.Write(it.record), w.Close()); err != nil {
		return nil, nil, err
	}
	return b.Bytes(), side.Bytes(), nil
}

// file makes an item's file visible, if it is not there.
func (o *Outbox) file(ctx context.Context, it outgoing) error {
	root, err := os.OpenRoot(o.cfg.Dir)
	if err != nil {
		return err
	}
	defer root.Close()
	name := o.name(it)
	if _, err := root.Lstat(name); err == nil {
		return nil
	}
	file, sidecar, err := o.encode(ctx, it)
	if err != nil {
		return err
	}
	dir := path.Dir(name)
	if err := root.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if sidecar != nil {
		if err := place(root, name+mergefile.SidecarSuffix, sidecar); err != nil {
			return err
		}
	}
	if err := place(root, name, file); err != nil {
		return err
	}
	return syncDir(root, dir)
}

// place writes a file under a temporary name, which begins with a dot, and
// renames it when it is on the disk.
func place(root *os.Root, name string, content []byte) error {
	temporary := path.Join(path.Dir(name), "."+rand.Text()+".tmp")
	f, err := root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = root.Rename(temporary, name)
	}
	if err != nil {
		if gone := root.Remove(temporary); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
	}
	return err
}

// syncDir waits until the names in a directory are on the disk.
func syncDir(root *os.Root, dir string) error {
	if runtime.GOOS == "windows" {
		return nil // a directory cannot be synced there
	}
	d, err := root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (o *Outbox) noteSent(ctx context.Context, items []outgoing) error {
	if len(items) == 0 {
		return nil
	}
	return o.db.Write(ctx, "send", func(ctx context.Context, tx *sqldb.Tx) error {
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		for _, it := range items {
			_, err := tx.Exec(ctx, "UPDATE {item} SET sent = ? WHERE scope = ? AND at = ? AND sequence = ?", now.UnixMicro(), it.Scope, it.at, it.sequence)
			if err != nil {
				return err
			}
		}
		return nil
	})
}
