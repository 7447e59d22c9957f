package grant

import (
	"context"
	"crypto/rand"
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

// checkClerk refuses a grant that nobody answers for.
func checkClerk(by string) error {
	if by == "" {
		return &mykey.FormError{Field: "by", Rule: mykey.RuleMissing, Pos: -1}
	}
	return checkText("by", by)
}

// Judge judges a tap anew that is [Unknown], [NotListed], [Held] or [NoProgram]:
// after the person has been enrolled or listed, a doubtful time has been looked
// into, or the programme has been set right. The time of the tap is at, as staff
// have found it; if at is zero, the time that [Waiting] has is taken as good. by
// says who judges, and is kept. The errors are a [*mykey.FormError] if by is
// missing or malformed, [ErrNoReceipt], and those of [Office.Receive].
func (o *Office) Judge(ctx context.Context, epoch string, seq int64, at time.Time, by string) (Verdict, error) {
	if err := checkClerk(by); err != nil {
		return "", err
	}
	var v Verdict
	err := o.db.Write(ctx, "judge", func(ctx context.Context, tx *sqldb.Tx) error {
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		j := judging{}
		var was Verdict
		var tapped int64
		err = tx.QueryRow(ctx, "SELECT sealed, programme, session, verdict, tapped FROM {receipt} WHERE epoch = ? AND seq = ? {:forupdate}", epoch, seq).
			Scan(&j.Sealed, &j.Programme, &j.Session, &was, &tapped)
		if errors.Is(err, sql.ErrNoRows) || err == nil && !was.open() {
			return ErrNoReceipt
		}
		if err != nil {
			return err
		}
		if j.at = at; at.IsZero() {
			j.at = time.UnixMicro(tapped)
		}
		if err := o.resolve(ctx, tx, &j); err != nil {
			return err
		}
		if j.v == "" {
			if err = o.judge(ctx, tx, programmes{}, &j, ""); err != nil {
				return err
			}
		}
		v = j.v
		_, err = tx.Exec(ctx, `UPDATE {receipt} SET verdict = ?, mykey = ?, operation = ?, points = ?, sealed = ?, tapped = ?, judged = ?, judged_by = ?
			WHERE epoch = ? AND seq = ?`, string(v), j.id, j.operationID(), j.points, j.sealed(), j.at.UnixMicro(), now.UnixMicro(), by, epoch, seq)
		return err
	})
	return v, err
}

// Grant grants a programme's points to a person who came without the card and
// whose items were compared with the roster (システム設計書 V(7)); see
// [Office.Match]. It comes once for a person, with taps together. by says who
// granted, and is kept. The verdict is [Granted], [Already],
// [NotListed], [Unknown], [Stopped], [Closed] or [NoProgram]. The errors are a
// [*mykey.FormError] for a malformed session or by, a [*LostError], and those of the
// ledger of points and the database.
func (o *Office) Grant(ctx context.Context, programme, session string, id mykey.ID, by string) (Verdict, error) {
	if err := errors.Join(checkText("session", session), checkClerk(by)); err != nil {
		return "", err
	}
	var v Verdict
	err := o.db.Write(ctx, "grant", func(ctx context.Context, tx *sqldb.Tx) error {
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		j := judging{id: id, digest: []byte("by hand"), tapTime: tapTime{at: now}}
		j.Programme, j.Session = programme, session
		if err := o.judge(ctx, tx, programmes{}, &j, ""); err != nil {
			return err
		}
		if v = j.v; v != Granted {
			return nil
		}
		return store(ctx, tx, rand.Text(), j, now, by)
	})
	return v, err
}

// Tally is how many taps of a programme had a verdict, grants by hand among
// them, and the points that were granted.
type Tally struct {
	Verdict Verdict
	Taps    int64
	Points  int64
}

// Tally returns the verdicts of a programme, in the order of their names.
func (o *Office) Tally(ctx context.Context, programme string) ([]Tally, error) {
	var out []Tally
	err := o.db.Read(ctx, "tally", func(ctx context.Context, tx *sqldb.Tx) error {
		rows, err := tx.Query(ctx, `SELECT verdict, count(*), CAST(sum(points) AS BIGINT) FROM {receipt} WHERE programme = ?
			GROUP BY verdict ORDER BY verdict`, programme)
		if err != nil {
			return err
		}
		defer rows.Close()
		out = nil
		for rows.Next() {
			var t Tally
			if err := rows.Scan(&t.Verdict, &t.Taps, &t.Points); err != nil {
				return err
			}
			out = append(out, t)
		}
		return rows.Err()
	})
	return out, err
}

// Gap is what is missing of a device.
type Gap struct {
	Epoch    string
	Terminal string
	Stopped  bool
	Taps     int64     // that the device said it had
	Received int64     // how many came
	Seen     time.Time // when the device sent last, in Japan Standard Time; zero: never
}

// Gaps returns the devices of which taps are missing that they have told of, and
// those that have never sent anything: among them are those that were lost.
func (o *Office) Gaps(ctx context.Context) ([]Gap, error) {
	var out []Gap
	err := o.db.Read(ctx, "gaps", func(ctx context.Context, tx *sqldb.Tx) error {
		rows, err := tx.Query(ctx, `SELECT epoch, terminal, state, taps, n, seen FROM (
				SELECT d.epoch, d.terminal, d.state, d.taps, d.seen, (SELECT count(*) FROM {receipt} r WHERE r.epoch = d.epoch) AS n FROM {device} d) g
			WHERE taps > n OR seen IS NULL ORDER BY terminal, epoch`)
		if err != nil {
			return err
		}
		defer rows.Close()
		out = nil
		for rows.Next() {
			var g Gap
			var state int
			var seen sql.NullInt64
			if err := rows.Scan(&g.Epoch, &g.Terminal, &state, &g.Taps, &g.Received, &seen); err != nil {
				return err
			}
			g.Stopped = state == deviceStopped
			if seen.Valid {
				g.Seen = instant(seen.Int64)
			}
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

func instant(us int64) time.Time { return time.UnixMicro(us).In(time.FixedZone("JST", 9*60*60)) }

// Waiting returns the taps of a programme that staff can judge anew, oldest
// first.
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
			w.Tapped, w.Doubt = instant(tapped), doubt != 0
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

// Mails returns whom to tell of the points of a programme that were granted in
// [from, to), by taps and by hand: those who want a notice of grants, in the
// order of the grants. The error is [ErrNoProgramme].
func (o *Office) Mails(ctx context.Context, programme string, from, to time.Time) ([]Mail, error) {
	if _, err := o.Programme(ctx, programme); err != nil {
		return nil, err
	}
	type grant struct {
		id     mykey.ID
		points int64
	}
	var all []grant
	err := o.db.Read(ctx, "mails", func(ctx context.Context, tx *sqldb.Tx) error {
		rows, err := tx.Query(ctx, `SELECT mykey, points FROM {receipt} WHERE programme = ? AND verdict = ? AND judged >= ? AND judged < ?
			ORDER BY judged, epoch, seq`,
			programme, string(Granted), from.UnixMicro(), to.UnixMicro())
		if err != nil {
			return err
		}
		defer rows.Close()
		all = nil
		for rows.Next() {
			var g grant
			if err := rows.Scan(&g.id, &g.points); err != nil {
				return err
			}
			all = append(all, g)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, err
	}
	var out []Mail
	for _, g := range all {
		profile, err := o.points().Profile(ctx, g.id)
		if err != nil {
			return nil, err
		}
		if profile.Notices&point.NoticeGrant != 0 {
			out = append(out, Mail{profile.Mail, g.points})
		}
	}
	return out, nil
}
