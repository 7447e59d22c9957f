package grant

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"time"

	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
)

// sessionKey is a session's name in the ledger's requests, which take no spaces.
func sessionKey(session string) string {
	sum := sha256.Sum256([]byte(session))
	return hex.EncodeToString(sum[:8])
}

// Judge judges a tap anew that is [Unknown], [NotListed] or [Held]: after the
// person has been enrolled or listed, or a doubtful time has been looked into.
// by says who, and is kept. The time is taken as good. The errors are
// [ErrNoReceipt] and those of [Office.Receive].
func (o *Office) Judge(ctx context.Context, epoch string, seq int64, by string) (Verdict, error) {
	if by == "" || checkText("by", by) != nil {
		return "", &mykey.FormError{Field: "by", Rule: mykey.RuleMissing, Pos: -1}
	}
	var v Verdict
	err := o.db.Write(ctx, "judge", func(ctx context.Context, tx *sqldb.Tx) error {
		j := judging{}
		var was Verdict
		var tapped int64
		err := tx.QueryRow(ctx, "SELECT sealed, programme, session, verdict, tapped FROM {receipt} WHERE epoch = ? AND seq = ? {:forupdate}", epoch, seq).
			Scan(&j.Sealed, &j.Programme, &j.Session, &was, &tapped)
		if errors.Is(err, sql.ErrNoRows) || err == nil && was != Unknown && was != Held && was != NotListed {
			return ErrNoReceipt
		}
		if err != nil {
			return err
		}
		j.at = time.UnixMicro(tapped)
		operation := ""
		if err := o.resolve(ctx, tx, &j); err != nil {
			return err
		}
		if j.v == "" {
			if operation, err = o.judge(ctx, tx, &j, by); err != nil {
				return err
			}
		}
		v = j.v
		var sealed, op any
		if v == Unknown || v == Held || v == NotListed {
			sealed = j.Sealed
		}
		if operation != "" {
			op = operation
		}
		_, err = tx.Exec(ctx, "UPDATE {receipt} SET verdict = ?, mykey = ?, operation = ?, sealed = ?, judged_by = ? WHERE epoch = ? AND seq = ?",
			string(v), j.id, op, sealed, by, epoch, seq)
		return err
	})
	return v, err
}

// Grant grants a programme's points to a person who came without the card and
// whose items were compared with the roster (システム設計書 V(7)). It comes once for
// a person, with taps together. The verdict is [Granted], [Already],
// [NotListed], [Unknown], [Stopped], [Closed] or [NoProgram].
func (o *Office) Grant(ctx context.Context, programme, session string, id mykey.ID, by string) (Verdict, error) {
	if err := errors.Join(checkText("session", session), checkText("by", by)); err != nil {
		return "", err
	}
	j := judging{id: id}
	err := o.db.Write(ctx, "grant", func(ctx context.Context, tx *sqldb.Tx) error {
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		j = judging{id: id, at: now}
		j.Programme, j.Session = programme, session
		_, err = o.judge(ctx, tx, &j, by)
		return err
	})
	return j.v, err
}

// Gap is what is missing of a device.
type Gap struct {
	Epoch    string
	Terminal string
	Stopped  bool
	Top      int64 // the greatest number that the device has told of
	Received int64 // how many taps came
}

// Gaps returns the devices of which taps are missing that they have told of,
// such as one that was lost.
func (o *Office) Gaps(ctx context.Context) ([]Gap, error) {
	var out []Gap
	err := o.db.Read(ctx, "gaps", func(ctx context.Context, tx *sqldb.Tx) error {
		rows, err := tx.Query(ctx, `SELECT epoch, terminal, state, top, n FROM (
				SELECT d.epoch, d.terminal, d.state, d.top, (SELECT count(*) FROM {receipt} r WHERE r.epoch = d.epoch) AS n FROM {device} d) g
			WHERE top > n ORDER BY epoch`)
		if err != nil {
			return err
		}
		defer rows.Close()
		out = nil
		for rows.Next() {
			var g Gap
			var state int
			if err := rows.Scan(&g.Epoch, &g.Terminal, &state, &g.Top, &g.Received); err != nil {
				return err
			}
			g.Stopped = state == deviceStopped
			out = append(out, g)
		}
		return rows.Err()
	})
	return out, err
}

// Waiting is a tap that staff can judge anew.
type Waiting struct {
	Epoch   string
	Seq     int64
	Verdict Verdict
	Tapped  time.Time
	Doubt   bool // the time is in doubt
}

// Waiting returns the taps of a programme that are unknown, not on the roster or
// held, oldest first.
func (o *Office) Waiting(ctx context.Context, programme string) ([]Waiting, error) {
	var out []Waiting
	err := o.db.Read(ctx, "waiting", func(ctx context.Context, tx *sqldb.Tx) error {
		rows, err := tx.Query(ctx, `SELECT epoch, seq, verdict, tapped, doubt FROM {receipt}
			WHERE programme = ? AND sealed IS NOT NULL ORDER BY received, epoch, seq`, programme)
		if err != nil {
			return err
		}
		defer rows.Close()
		out = nil
		for rows.Next() {
			var w Waiting
			var tapped, doubt int64
			if err := rows.Scan(&w.Epoch, &w.Seq, &w.Verdict, &tapped, &doubt); err != nil {
				return err
			}
			w.Tapped, w.Doubt = time.UnixMicro(tapped).In(time.FixedZone("JST", 9*60*60)), doubt != 0
			out = append(out, w)
		}
		return rows.Err()
	})
	return out, err
}

// Mail is one person to be told that the points were granted (システム設計書 V(8)).
type Mail struct {
	Address point.MailAddress
	Points  int64
}

// Mails returns whom to tell of the grants of a programme that were received in
// [from, to): those who want a notice of grants, in the order of receipt.
func (o *Office) Mails(ctx context.Context, programme string, from, to time.Time) ([]Mail, error) {
	p, err := o.Programme(ctx, programme)
	if err != nil {
		return nil, err
	}
	var ids []mykey.ID
	err = o.db.Read(ctx, "mails", func(ctx context.Context, tx *sqldb.Tx) error {
		rows, err := tx.Query(ctx, `SELECT mykey FROM {receipt} WHERE programme = ? AND verdict = ? AND received >= ? AND received < ? ORDER BY received, seq`,
			programme, string(Granted), from.UnixMicro(), to.UnixMicro())
		if err != nil {
			return err
		}
		defer rows.Close()
		ids = nil
		for rows.Next() {
			var id mykey.ID
			if err := rows.Scan(&id); err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, err
	}
	var out []Mail
	for _, id := range ids {
		profile, err := o.cfg.Points.Profile(ctx, id)
		if err != nil {
			return nil, err
		}
		if profile.Notices&point.NoticeGrant != 0 {
			out = append(out, Mail{profile.Mail, p.Points})
		}
	}
	return out, nil
}
