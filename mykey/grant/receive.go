package grant

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
)

// Verdict is what became of a tap. Every verdict is final for the device; staff
// can judge [Unknown], [NotListed], [Held] and [NoProgram] anew.
type Verdict string

// The verdicts.
const (
	Granted   Verdict = "granted"       // the points are credited
	Already   Verdict = "already"       // the person had them before
	Unknown   Verdict = "unknown"       // no MyKey ID, no accounts, or a tap that cannot be opened
	NotListed Verdict = "not on roster" // the programme grants to its roster alone
	Stopped   Verdict = "stopped"       // the accounts are stopped, or the ID was revoked
	Closed    Verdict = "closed"        // tapped outside the period, or after the programme was closed
	Held      Verdict = "held"          // the tap's time is in doubt, or the device was stopped
	NoProgram Verdict = "no programme"  // of no programme of the office, or its account takes no points now
)

// open reports whether staff can judge a tap of this verdict anew, for which
// what is sealed is kept.
func (v Verdict) open() bool {
	return v == Unknown || v == NotListed || v == Held || v == NoProgram
}

// Answer is the office's answer to a [Chunk].
type Answer struct {
	Epoch    string
	Verdicts []Judged
	// Conflict means that the office has another tap under one of the numbers:
	// the device was restored from a backup. See [ErrConflict].
	Conflict bool
}

// Judged is a tap's number and verdict.
type Judged struct {
	Seq     int64
	Verdict Verdict
}

var (
	// ErrEpoch is returned by [Office.Receive] for an epoch that is not
	// registered.
	ErrEpoch = errors.New("grant: the device is not registered")
	// ErrChunk is returned for a chunk that is too long or out of order.
	ErrChunk = errors.New("grant: malformed chunk")
	// ErrStopped is returned by [Office.Register] for an epoch that was stopped.
	ErrStopped = errors.New("grant: the device was stopped")
	// ErrNoReceipt is returned for a tap that the office has not received, or
	// whose verdict cannot be changed.
	ErrNoReceipt = errors.New("grant: no such tap, or its verdict is final")
)

// The states of a device.
const (
	deviceLive = 1 + iota
	deviceStopped
)

// Doubt is how far a device's clock may be off, or disagree with its own measure
// of time, before the time of a tap is in doubt.
const Doubt = 5 * time.Minute

// Register admits a device's epoch, for a terminal that has been authenticated
// (端末ID). It can be repeated. Register a device before its round: a tap from
// before that counts as one of a doubtful clock. The error is [ErrStopped].
func (o *Office) Register(ctx context.Context, terminal, epoch string) error {
	if err := errors.Join(mykey.CheckTerminalID(terminal), checkText("epoch", epoch)); err != nil {
		return err
	}
	return o.db.Write(ctx, "register a device", func(ctx context.Context, tx *sqldb.Tx) error {
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO {device} (epoch, terminal, state, top, taps, registered) VALUES (?, ?, ?, 0, 0, ?)
			ON CONFLICT (epoch) DO NOTHING`, epoch, terminal, deviceLive, now.UnixMicro())
		if err != nil {
			return err
		}
		var state int
		err = tx.QueryRow(ctx, "SELECT state FROM {device} WHERE epoch = ?", epoch).Scan(&state)
		if err == nil && state != deviceLive {
			err = ErrStopped
		}
		return err
	})
}

// Stop stops a device that was lost. What it sends from then on is held. The
// error is [ErrEpoch].
func (o *Office) Stop(ctx context.Context, epoch string) error {
	return o.db.Write(ctx, "stop a device", func(ctx context.Context, tx *sqldb.Tx) error {
		n, err := tx.Exec(ctx, "UPDATE {device} SET state = ? WHERE epoch = ?", deviceStopped, epoch)
		if err == nil && n == 0 {
			err = ErrEpoch
		}
		return err
	})
}

// group is how many taps are judged in one transaction. PostgreSQL slows down
// where a transaction has very many savepoints.
const group = 50

// Receive judges the taps of a chunk and returns a verdict for each of them. A
// tap is judged once: a chunk that comes again, in whole or in parts, gets the
// stored verdicts. The points are credited in the transaction that stores the
// verdict. If Receive fails, send the chunk again.
//
// What was tapped in time is granted, however late it comes. The time of a tap
// is that of now, less what the device's own measure of time says has passed
// since. That measure stands still while the device sleeps: if the device's
// clock says that more than [Doubt] longer has passed, the tap may have been at
// either time. If the device's program was started anew in between, the time is
// the device's clock, corrected by how far that is off now. It is in doubt if the
// clock is off by more than [Doubt], or if it lies before the device was
// registered, or before its last call, at which the tap was not there yet.
//
// A tap is held if its time is in doubt, the programme has a period or was
// closed, and the time decides.
//
// The errors are [ErrChunk], [ErrEpoch], a [*LostError], and those of the ledger
// of points and the database.
func (o *Office) Receive(ctx context.Context, c Chunk) (Answer, error) {
	out := Answer{Epoch: c.Epoch}
	if err := c.check(); err != nil {
		return Answer{}, err
	}
	for rest := slices.Clone(c.Taps); ; {
		taps := rest[:min(group, len(rest))]
		rest = rest[len(taps):]
		var judged []Judged
		err := o.db.Write(ctx, "receive", func(ctx context.Context, tx *sqldb.Tx) (err error) {
			judged, out.Conflict, err = o.receive(ctx, tx, c, taps, len(rest) == 0)
			return err
		})
		if err != nil {
			return Answer{}, err
		}
		out.Verdicts = append(out.Verdicts, judged...)
		if out.Conflict || len(rest) == 0 {
			return out, nil
		}
	}
}

func (c Chunk) check() error {
	if len(c.Taps) > MaxChunk || c.Count < int64(len(c.Taps)) || c.Count > c.Top {
		return ErrChunk
	}
	last := int64(0)
	for _, t := range c.Taps {
		if t.Seq <= last || t.Seq > c.Top || len(t.Sealed) > 256 || checkText("programme code", t.Programme) != nil || checkText("session", t.Session) != nil || len(t.Boot) > MaxText {
			return ErrChunk
		}
		last = t.Seq
	}
	return nil
}

// judging is a tap on its way to a verdict.
type judging struct {
	Tapped
	digest []byte
	tapTime
	id mykey.ID
	v  Verdict

	operation string // of the ledger of points
	points    int64  // granted
}

// receive judges some of the taps of a chunk. With the last of them it stores
// what the device says of itself.
func (o *Office) receive(ctx context.Context, tx *sqldb.Tx, c Chunk, taps []Tapped, last bool) (out []Judged, conflict bool, err error) {
	var state int
	var terminal string
	var top int64
	var registered int64
	var seen sql.NullInt64
	err = tx.QueryRow(ctx, "SELECT state, terminal, top, registered, seen FROM {device} WHERE epoch = ? {:forupdate}", c.Epoch).
		Scan(&state, &terminal, &top, &registered, &seen)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, ErrEpoch
	}
	if err != nil {
		return nil, false, err
	}
	now, err := tx.Now(ctx)
	if err != nil {
		return nil, false, err
	}
	receipts, err := receiptsOf(ctx, tx, c.Epoch, taps)
	if err != nil {
		return nil, false, err
	}
	var fresh []judging
	for _, t := range taps {
		switch r, stored := receipts[t.Seq]; {
		case !stored:
			j := judging{Tapped: t, digest: t.digest()}
			var after time.Time
			if seen.Valid && t.Seq > top {
				after = time.UnixMicro(seen.Int64)
			}
			j.tapTime = timeOf(c, t, now, after, time.UnixMicro(registered))
			if state != deviceLive {
				j.v = Held
			}
			fresh = append(fresh, j)
		case !bytes.Equal(r.digest, t.digest()):
			return out, true, nil
		default:
			out = append(out, Judged{t.Seq, r.v})
		}
	}
	// Who they are comes first, since the holders are locked in one order.
	for i := range fresh {
		if fresh[i].v != Held {
			if err := o.resolve(ctx, tx, &fresh[i]); err != nil {
				return nil, false, err
			}
		}
	}
	slices.SortStableFunc(fresh, func(a, b judging) int { return cmp.Or(a.id.Compare(b.id), cmp.Compare(a.Seq, b.Seq)) })
	found := programmes{}
	for i := range fresh {
		if fresh[i].v == "" {
			if err := o.judge(ctx, tx, found, &fresh[i], terminal); err != nil {
				return nil, false, err
			}
		}
		if err := store(ctx, tx, c.Epoch, fresh[i], now, nil); err != nil {
			return nil, false, err
		}
		out = append(out, Judged{fresh[i].Seq, fresh[i].v})
	}
	slices.SortFunc(out, func(a, b Judged) int { return cmp.Compare(a.Seq, b.Seq) })
	if last {
		_, err = tx.Exec(ctx, `UPDATE {device} SET seen = ?, top = CASE WHEN top < ? THEN ? ELSE top END,
			taps = CASE WHEN taps < ? THEN ? ELSE taps END WHERE epoch = ?`, now.UnixMicro(), c.Top, c.Top, c.Count, c.Count, c.Epoch)
	}
	return out, false, err
}

// receipt is what is stored of a tap.
type receipt struct {
	digest []byte
	v      Verdict
}

// someReceipts has a place for each tap of a group, so that the statement is the
// same for all.
var someReceipts = "SELECT seq, digest, verdict FROM {receipt} WHERE epoch = ? AND seq IN (?" + strings.Repeat(", ?", group-1) + ")"

// receiptsOf returns the receipts of a group of taps, by their numbers: a chunk
// that comes again is one query for a group and not one for a tap.
func receiptsOf(ctx context.Context, tx *sqldb.Tx, epoch string, taps []Tapped) (map[int64]receipt, error) {
	if len(taps) == 0 {
		return nil, nil
	}
	args := []any{epoch}
	for i := range group {
		args = append(args, taps[min(i, len(taps)-1)].Seq)
	}
	rows, err := tx.Query(ctx, someReceipts, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := make(map[int64]receipt, len(taps))
	for rows.Next() {
		var seq int64
		var r receipt
		if err := rows.Scan(&seq, &r.digest, &r.v); err != nil {
			return nil, err
		}
		out[seq] = r
	}
	return out, rows.Err()
}

// tapTime is when a tap was, by the office's clock. If that is in doubt, it may
// have been at the time other, or, if that is zero, at any time.
type tapTime struct {
	at    time.Time
	doubt bool
	other time.Time
}

// timeOf returns the time of a tap. It was not there yet at the time after,
// unless that is zero, and hardly before its device was registered.
func timeOf(c Chunk, t Tapped, now, after, registered time.Time) tapTime {
	impossible := func(at time.Time) bool {
		return at.After(now) || !after.IsZero() && at.Before(after.Add(-Doubt))
	}
	if t.Boot == c.Boot && t.Since <= c.Since && t.Since >= 0 {
		at, other := now.Add(t.Since-c.Since), now.Add(t.Wall.Sub(c.Wall))
		if at.Sub(other) > Doubt && !impossible(other) {
			return tapTime{at, true, other}
		}
		return tapTime{at: at}
	}
	off := now.Sub(c.Wall)
	at := t.Wall.Add(off)
	return tapTime{at: at, doubt: off > Doubt || off < -Doubt || impossible(at) || at.Before(registered.Add(-Doubt))}
}

// resolve finds the MyKey ID of a tap, or decides that there is none.
func (o *Office) resolve(ctx context.Context, tx *sqldb.Tx, j *judging) error {
	w, err := o.cfg.Key.open(j.Sealed)
	if err != nil {
		j.v = Unknown
		return nil
	}
	if j.id = w.id; !j.id.IsZero() {
		return nil
	}
	err = tx.Call(ctx, "look up a card", func(ctx context.Context, tx *sql.Tx) (err error) {
		j.id, err = o.cfg.Resolve(ctx, tx, w.card)
		return err
	})
	if err == nil && j.id.IsZero() {
		j.v = Unknown
	}
	return err
}

// counts reports whether a tap at a time counts for the programme.
func (p programmeRow) counts(at time.Time) bool {
	return (p.closed.IsZero() || at.Before(p.closed)) && (p.Period.IsZero() || p.Period.Contains(at))
}

// programmes are those that were read for a group of taps.
type programmes map[string]programmeRow

func (m programmes) find(ctx context.Context, tx *sqldb.Tx, code string) (programmeRow, error) {
	if p, ok := m[code]; ok {
		return p, nil
	}
	p, err := findProgramme(ctx, tx, code)
	if err == nil {
		m[code] = p
	}
	return p, err
}

// judge gives a tap whose person is known its verdict, and the points. found
// holds the programmes of the taps before. terminal is the device's, or empty if
// a person judges.
func (o *Office) judge(ctx context.Context, tx *sqldb.Tx, found programmes, j *judging, terminal string) error {
	p, err := found.find(ctx, tx, j.Programme)
	if errors.Is(err, ErrNoProgramme) || err == nil && p.Sessions != (j.Session != "") {
		j.v = NoProgram
		return nil
	}
	if err != nil {
		return err
	}
	limited := !p.closed.IsZero() || !p.Period.IsZero()
	switch {
	case j.doubt && limited && (j.other.IsZero() || p.counts(j.other) != p.counts(j.at)):
		j.v = Held
		return nil
	case !p.counts(j.at):
		j.v = Closed
		return nil
	}
	if p.Roster {
		var n int
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM {roster} WHERE programme = ? AND mykey = ?", p.Code, j.id.String()).Scan(&n); err != nil {
			return err
		}
		if n == 0 {
			j.v = NotListed
			return nil
		}
	}
	r, err := o.credit(ctx, tx, p.Programme, j.Session, j.id, terminal)
	j.operation = r.Operation
	switch {
	case err == nil && r.Repeated, errors.Is(err, point.ErrRequestReused): // by the points of before
		j.v = Already
	case err == nil:
		j.v, j.points = Granted, p.Points
	case errors.Is(err, point.ErrNoHolder):
		j.v = Unknown
	case errors.Is(err, point.ErrStopped):
		j.v = Stopped
	case errors.Is(err, point.ErrClosed), errors.Is(err, point.ErrNoProgramme), errors.Is(err, point.ErrOverflow), errors.Is(err, point.ErrRequestVoid):
		j.v = NoProgram
	default:
		return err
	}
	return nil
}

// credit grants the points, once for a holder and programme, or session.
func (o *Office) credit(ctx context.Context, tx *sqldb.Tx, p Programme, session string, id mykey.ID, terminal string) (point.Receipt, error) {
	scope := "grant:" + p.Code
	if session != "" {
		scope += ":" + sessionKey(session)
	}
	return o.cfg.Points.In(tx.SQL()).Credit(ctx, point.Credit{Request: point.Request{Scope: scope}, Once: true,
		Holder: id, Account: p.Account, Points: p.Points, Kind: point.OpGrant, Terminal: terminal})
}

// sealed returns what is stored of the sealed person: until staff have judged
// the tap, it is kept.
func (j judging) sealed() any {
	if j.v.open() {
		return j.Sealed
	}
	return nil
}

func (j judging) operationID() any {
	if j.operation == "" {
		return nil
	}
	return j.operation
}

// store writes a receipt. by is the clerk of a grant by hand, or nil.
func store(ctx context.Context, tx *sqldb.Tx, epoch string, j judging, now time.Time, by any) error {
	_, err := tx.Exec(ctx, `INSERT INTO {receipt} (epoch, seq, digest, sealed, programme, session, verdict, mykey, operation, points, tapped, doubt, received, judged, judged_by)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, epoch, j.Seq, j.digest, j.sealed(), j.Programme, j.Session, string(j.v), j.id, j.operationID(), j.points,
		j.at.UnixMicro(), flag(j.doubt), now.UnixMicro(), now.UnixMicro(), by)
	return err
}
