package point

import (
	"context"
	"database/sql"
	"errors"

	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/mynakit/mynakit/mykey"
)

// Enrol opens accounts for a MyKey ID, with what the holder has chosen. In the
// ledger of a mall that knows its members by their numbers (商店街ポイントID), it is
// for a Service ID. If the ID has accounts, Enrol changes nothing and returns nil. The errors are those
// of [Profile.Check].
func (l *Ledger) Enrol(ctx context.Context, id mykey.Identifier, p Profile) error {
	if nameOf(id) == "" {
		return ErrNoHolder
	}
	return l.db.Write(ctx, "enrol", func(ctx context.Context, tx *sqldb.Tx) error {
		base, err := checkProfile(ctx, tx, p)
		if err != nil {
			return err
		}
		holder := newID()
		n, err := tx.Exec(ctx, "INSERT INTO {alias} (mykey, holder) VALUES (?, ?) ON CONFLICT (mykey) DO NOTHING", nameOf(id), holder)
		if err != nil || n == 0 {
			return err
		}
		_, err = tx.Exec(ctx, "INSERT INTO {holder} (id, state, base, mail, notices) VALUES (?, ?, ?, ?, ?)",
			holder, int64(live), orNull(base), orNull(p.Mail.Reveal()), int64(p.Notices))
		return err
	})
}

// nameOf is what the tables call a holder: a MyKey ID, or a Service ID, which
// has a colon. It is empty for what is neither.
func nameOf(id mykey.Identifier) string {
	switch id := id.(type) {
	case mykey.ID:
		return id.String()
	case mykey.ServiceID:
		if !id.IsZero() {
			return id.String()
		}
	}
	return ""
}

func checkProfile(ctx context.Context, tx *sqldb.Tx, p Profile) (base int64, err error) {
	all, err := programmes(ctx, tx)
	if err != nil {
		return 0, err
	}
	if err := p.Check(all); err != nil {
		return 0, err
	}
	if p.Base != "" {
		base = programmeID(p.Base)
	}
	return base, nil
}

// Profile returns what a holder has chosen. The error is [ErrNoHolder].
func (l *Ledger) Profile(ctx context.Context, id mykey.ID) (Profile, error) {
	var p Profile
	err := l.db.Read(ctx, "read a profile", func(ctx context.Context, tx *sqldb.Tx) error {
		var base, mail sql.NullString
		err := tx.QueryRow(ctx, `SELECT p.code, h.mail, h.notices FROM {alias} a JOIN {holder} h ON h.id = a.holder
			LEFT JOIN {programme} p ON p.id = h.base WHERE a.mykey = ?`, id.String()).Scan(&base, &mail, &p.Notices)
		if errors.Is(err, sql.ErrNoRows) {
			err = ErrNoHolder
		}
		if err == nil && mail.Valid {
			p.Mail, err = ParseMailAddress(mail.String)
		}
		p.Base = Account(base.String)
		return err
	})
	return p, err
}

// SetProfile stores what a holder has chosen (システム設計書 IV(7)). The errors are
// those of [Profile.Check] and [ErrNoHolder].
func (l *Ledger) SetProfile(ctx context.Context, id mykey.ID, p Profile) error {
	return l.db.Write(ctx, "set a profile", func(ctx context.Context, tx *sqldb.Tx) error {
		base, err := checkProfile(ctx, tx, p)
		if err != nil {
			return err
		}
		holder, _, err := lockHolder(ctx, tx, id)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "UPDATE {holder} SET base = ?, mail = ?, notices = ? WHERE id = ?",
			orNull(base), orNull(p.Mail.Reveal()), int64(p.Notices), holder)
		return err
	})
}

// lockHolder locks the holder of a MyKey ID.
func lockHolder(ctx context.Context, tx *sqldb.Tx, id mykey.ID) (holder int64, s state, err error) {
	err = tx.QueryRow(ctx, "SELECT h.id, h.state FROM {alias} a JOIN {holder} h ON h.id = a.holder WHERE a.mykey = ? {:forupdate}", id.String()).
		Scan(&holder, &s)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNoHolder
	}
	return holder, s, err
}

// Stop stops a holder's accounts, or opens them again. While they are stopped
// nothing is spent or credited; refunds are accepted. A revoked MyKey ID stays
// revoked. The error is [ErrNoHolder].
func (l *Ledger) Stop(ctx context.Context, id mykey.ID, stop bool) error {
	return l.db.Write(ctx, "stop", func(ctx context.Context, tx *sqldb.Tx) error {
		holder, was, err := lockHolder(ctx, tx, id)
		if err != nil {
			return err
		}
		to := live
		if stop {
			to = stopped
		}
		if was > stopped {
			return ErrStopped
		}
		_, err = tx.Exec(ctx, "UPDATE {holder} SET state = ? WHERE id = ?", int64(to), holder)
		return err
	})
}

// Rename gives a holder another MyKey ID (マイキーIDの変更, システム設計書 IV(8)). The
// old ID stays an alias, so that a till that looks up a request under it finds
// its answer. The errors are [ErrNoHolder] and [ErrIDTaken].
func (l *Ledger) Rename(ctx context.Context, old, new mykey.ID) error {
	return l.db.Write(ctx, "rename", func(ctx context.Context, tx *sqldb.Tx) error { return rename(ctx, tx, old, new) })
}

func rename(ctx context.Context, tx *sqldb.Tx, old, new mykey.ID) error {
	holder, _, err := lockHolder(ctx, tx, old)
	if err != nil {
		return err
	}
	n, err := tx.Exec(ctx, "INSERT INTO {alias} (mykey, holder) VALUES (?, ?) ON CONFLICT (mykey) DO NOTHING", new.String(), holder)
	if err != nil || n == 1 {
		return err
	}
	other, _, err := findHolder(ctx, tx, new)
	if err == nil && other != holder {
		err = ErrIDTaken
	}
	return err
}

// Revoke ends a holder's accounts with the MyKey ID (マイキーIDの失効, システム設計書
// IV(9)). The points stay where they are and lapse in their time; refunds are
// accepted. If the ID has no accounts, Revoke returns nil.
func (l *Ledger) Revoke(ctx context.Context, id mykey.ID) error {
	return l.db.Write(ctx, "revoke", func(ctx context.Context, tx *sqldb.Tx) error { return revoke(ctx, tx, id) })
}

func revoke(ctx context.Context, tx *sqldb.Tx, id mykey.ID) error {
	holder, was, err := lockHolder(ctx, tx, id)
	switch {
	case errors.Is(err, ErrNoHolder):
		return nil
	case err != nil || was >= revoked:
		return err
	}
	_, err = tx.Exec(ctx, "UPDATE {holder} SET state = ? WHERE id = ?", int64(revoked), holder)
	return err
}

// Changed follows a change of a MyKey ID, in the transaction in which the user
// table makes it. It is the Changed of the registry's Config:
//
//	registry.Config{Changed: func(ctx context.Context, tx *sql.Tx, c mykey.Change) error {
//		_, err := points.In(tx).Changed(ctx, c)
//		return err
//	}}
//
// An ID that was replaced or joined takes its accounts along, one that was
// revoked ends them, and one that was parted has its own again, as [Ledger.Part]
// does it. For an ID without accounts Changed does nothing. What it returns is of
// use for IDs that were joined or parted: grants that came twice, and points that
// are short.
func (l *Ledger) Changed(ctx context.Context, c mykey.Change) (Joined, error) {
	var out Joined
	err := l.db.Write(ctx, "change of a MyKey ID", func(ctx context.Context, tx *sqldb.Tx) (err error) {
		out = Joined{}
		if c.Kind == mykey.ChangeRevoked {
			return revoke(ctx, tx, c.Old)
		}
		if c.Kind == mykey.ChangeParted {
			out, err = l.partChanged(ctx, tx, c)
			return err
		}
		old, _, err := findHolder(ctx, tx, c.Old)
		if errors.Is(err, ErrNoHolder) {
			return nil
		}
		if err != nil {
			return err
		}
		other, _, err := findHolder(ctx, tx, c.New)
		switch {
		case errors.Is(err, ErrNoHolder) && c.Kind == mykey.ChangeJoined:
			return lend(ctx, tx, c.Old, c.New)
		case errors.Is(err, ErrNoHolder):
			return rename(ctx, tx, c.Old, c.New)
		case err != nil || other == old:
			return err
		}
		out, err = l.join(ctx, tx, c.Old, c.New)
		return err
	})
	return out, err
}
