package point

import (
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/mynakit/mynakit/mykey"
)

// Use is what a till asks for when a holder pays with points (ポイント利用, システム
// 設計書 II.11①).
type Use struct {
	Request  Request
	Holder   mykey.Identifier // see [Ledger.Enrol]
	Account  Account
	Points   int64
	AtMost   bool   // take what is there, up to Points
	Terminal string // 端末ID, see [mykey.CheckTerminalID]; may be empty
	Place    string // 端末設置場所 as of now; may be empty
	Proved   bool   // whether the holder proved himself with the PIN; see [Config.Unproved]
	// For is the kind of the operation: [OpUse] if empty, [OpTicket] or
	// [OpMerge] for the keepers of tickets and outgoing files, which call Use
	// in their transaction.
	For Op
}

func (u Use) kind() Op {
	if u.For == "" {
		return OpUse
	}
	return u.For
}

func (u Use) check() error {
	switch {
	case u.Points <= 0 || u.Points > MaxPoints:
		return ErrPoints
	case !u.kind().spends():
		return ErrKind
	case nameOf(u.Holder) == "":
		return ErrNoHolder
	}
	return errors.Join(checkWhere(u.Terminal, u.Place), u.Request.check())
}

// checkWhere checks the terminal's ID and the place, both of which may be empty.
func checkWhere(terminal, place string) error {
	if terminal != "" {
		if err := mykey.CheckTerminalID(terminal); err != nil {
			return err
		}
	}
	if place == "" {
		return nil
	}
	return checkName("place", place)
}

// Use takes points of a holder. It is one transaction of five statements, two
// more for each further lot and one more without proof. Repeated with the same
// Request, it returns the stored receipt and sets Repeated.
//
// The errors are [ErrPoints], [ErrKind], a [*mykey.FormError] and [ErrRequest]
// for a malformed Use; [ErrRequestReused] and [ErrRequestVoid]; [ErrNoHolder]
// and [ErrStopped]; [ErrNoProgramme], [ErrKind] and [ErrClosed]; [ErrProof]; and
// a [*ShortError]. None of them moved a point.
func (l *Ledger) Use(ctx context.Context, u Use) (Receipt, error) {
	if err := u.check(); err != nil {
		return Receipt{}, err
	}
	defer l.flight.enter(u.Request)()
	var out Receipt
	err := l.db.Write(ctx, "use", func(ctx context.Context, tx *sqldb.Tx) (err error) {
		out, err = l.use(ctx, tx, u)
		return err
	})
	return out, err
}

func (l *Ledger) use(ctx context.Context, tx *sqldb.Tx, u Use) (Receipt, error) {
	sum := digest(u.kind(), []string{string(u.Account)}, u.Points, number(u.AtMost))
	op := operation{id: newID(), kind: u.kind(), terminal: u.Terminal, place: u.Place, proved: u.Proved, request: u.Request}
	r, done, err := l.claim(ctx, tx, &op, u.Holder, live, sum)
	if err != nil || done {
		return r, err
	}
	today := dayNumber(mykey.DateOf(instantOf(op.at)))
	p, list, balance, err := lots(ctx, tx, op.holder, u.Account, today)
	switch {
	case err != nil:
		return Receipt{}, err
	case p.kind == Reserved:
		return Receipt{}, ErrKind
	case !p.serves(today):
		return Receipt{}, ErrClosed
	}
	op.programme, op.points = p.id, u.Points
	if balance < u.Points {
		if !u.AtMost {
			return Receipt{}, &ShortError{Balance: balance}
		}
		op.points = balance
	}
	if !u.Proved {
		if err := l.addUnproved(ctx, tx, op); err != nil {
			return Receipt{}, err
		}
	}
	changes := take(p, list, op.points, op.at)
	if err := l.post(ctx, tx, op, changes, map[int64]int64{p.id: balance}); err != nil {
		return Receipt{}, err
	}
	return l.receipt(op, u.Account, balance-op.points), nil
}

// take returns the changes that take points from the lots, soonest expiry
// first. Of a rolling programme, what is left moves to the new last day.
func take(p programme, list []lot, points, at int64) []change {
	return roll(p, list, takeLots(p, list, points), at)
}

func takeLots(p programme, list []lot, points int64) (out []change) {
	left := points
	for _, lot := range list {
		n := min(left, lot.points)
		if n == 0 {
			break
		}
		out = append(out, change{p.id, lot.expires, -n})
		left -= n
	}
	return out
}

// roll moves what the changes leave in the lots of a rolling programme to the
// last day that this movement gives it.
func roll(p programme, list []lot, changes []change, at int64) []change {
	if p.expiry.Rule != Rolling {
		return changes
	}
	deltas := map[int64]int64{}
	left := map[int64]int64{}
	for _, lot := range list {
		left[lot.expires] = lot.points
	}
	for _, c := range changes {
		deltas[c.expires] += c.delta
		left[c.expires] += c.delta
	}
	day := p.lastDay(instantOf(at))
	for expires, points := range left {
		if expires < day && points > 0 {
			deltas[expires] -= points
			deltas[day] += points
		}
	}
	var out []change
	for expires, delta := range deltas {
		if delta != 0 {
			out = append(out, change{p.id, expires, delta})
		}
	}
	sortChanges(out)
	return out
}

// addUnproved adds to the holder's day without proof, and returns [ErrProof] if it
// exceeds what the shop allows: then nothing of the use stands. The holder is locked.
func (l *Ledger) addUnproved(ctx context.Context, tx *sqldb.Tx, op operation) error {
	if op.points > l.cfg.Unproved {
		return ErrProof
	}
	day := mykey.DateOf(instantOf(op.at))
	var spent int64
	err := tx.QueryRow(ctx, addUnproved, op.holder, day.Start().UnixMicro(), op.points).Scan(&spent)
	if err == nil && spent > l.cfg.Unproved {
		err = ErrProof
	}
	return err
}

// claim writes the request of op, locks the holder of the MyKey ID and sets
// op.holder and op.at. If the request was made before, claim returns the stored
// receipt and true. least is the worst state that the holder may be in.
func (l *Ledger) claim(ctx context.Context, tx *sqldb.Tx, op *operation, id mykey.Identifier, worst state, digest []byte) (Receipt, bool, error) {
	// Twice, since the ID may have been joined to another holder while the
	// statement waited for the lock.
	for range 2 {
		var closed int64
		err := tx.QueryRow(ctx, insertRequest,
			op.request.Scope, op.request.Name, digest, op.id, nameOf(id), int64(worst), tx.NowArg()).Scan(&op.holder, &op.at, &closed)
		if op.at = dated(op.at, closed); err == nil {
			return Receipt{}, false, nil
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return Receipt{}, false, err
		}
	}
	// The request is there, or the holder is not, or is stopped.
	holder, state, err := findHolder(ctx, tx, id)
	if err != nil && !errors.Is(err, ErrNoHolder) {
		return Receipt{}, false, err
	}
	s, findErr := findRequest(ctx, tx, op.request)
	switch {
	case errors.Is(findErr, ErrNoRequest):
		if err == nil && state > worst {
			err = ErrStopped
		}
		if err == nil {
			err = errors.New("a request was neither written nor found")
		}
		return Receipt{}, false, err
	case findErr != nil:
		return Receipt{}, false, findErr
	}
	if s.holder.Valid && s.holder.Int64 != holder {
		// One holder with two numbers, if the first was joined to the second.
		to, err := heir(ctx, tx, s.holder.Int64)
		if err != nil {
			return Receipt{}, false, err
		}
		if to == holder {
			holder = s.holder.Int64
		}
	}
	if err := s.agrees(holder, digest); err != nil {
		return Receipt{}, false, err
	}
	r, err := l.find(ctx, tx, s.holder.Int64, s.operation.Int64)
	r.Repeated = true
	return r, true, err
}

func findHolder(ctx context.Context, tx *sqldb.Tx, id mykey.Identifier) (holder int64, s state, err error) {
	err = tx.QueryRow(ctx, "SELECT h.id, h.state FROM {alias} a JOIN {holder} h ON h.id = a.holder WHERE a.mykey = ?", nameOf(id)).
		Scan(&holder, &s)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNoHolder
	}
	return holder, s, err
}

// receipt is the answer for an operation that was just written.
func (l *Ledger) receipt(op operation, a Account, balance int64) Receipt {
	return Receipt{Request: op.request, Operation: l.operationName(op.id), Kind: op.kind, Account: a, Points: op.points, Balance: balance,
		At: instantOf(op.at), Terminal: op.terminal, Place: op.place, Proved: op.proved, Training: l.cfg.Training}
}

// trained stands before the identifier of an operation of a ledger in training,
// by which package outbox knows it.
const trained = "training:"

func operationText(id int64) string {
	return hex.EncodeToString(binary.BigEndian.AppendUint64(make([]byte, 0, 8), uint64(id)))
}

// operationName is the identifier as callers get it.
func (l *Ledger) operationName(id int64) string {
	if l.cfg.Training {
		return trained + operationText(id)
	}
	return operationText(id)
}

// parseOperation reads what operationName returned.
func (l *Ledger) parseOperation(s string) (int64, error) {
	id, err := strconv.ParseInt(strings.TrimPrefix(s, trained), 16, 64)
	if err != nil || l.operationName(id) != s || id <= 0 {
		return 0, ErrNoRequest
	}
	return id, nil
}

// find returns the receipt of an operation in the ledger.
func (l *Ledger) find(ctx context.Context, tx *sqldb.Tx, holder, id int64) (Receipt, error) {
	var at, proved int64
	var scope, name sql.NullString
	r := Receipt{Operation: l.operationName(id), Training: l.cfg.Training}
	err := tx.QueryRow(ctx, selectOperation, holder, id).
		Scan(&r.Kind, &r.Account, &r.Points, &at, &r.Terminal, &r.Place, &proved, &scope, &name, &r.Balance, &r.Undone)
	if err != nil {
		return Receipt{}, fmt.Errorf("the operation of a request: %w", err)
	}
	r.At, r.Proved = instantOf(at), proved != 0
	r.Request = Request{scope.String, name.String}
	return r, nil
}

// Status returns the receipt of a request. The errors are [ErrRequest];
// [ErrInFlight] while the request is being carried out; [ErrRequestVoid] if it
// was cancelled before it came; and [ErrNoRequest], which promises nothing.
func (l *Ledger) Status(ctx context.Context, r Request) (Receipt, error) {
	if err := r.check(); err != nil {
		return Receipt{}, err
	}
	if l.flight.has(r) {
		return Receipt{}, ErrInFlight
	}
	var out Receipt
	err := l.db.Read(ctx, "status", func(ctx context.Context, tx *sqldb.Tx) error {
		s, err := findRequest(ctx, tx, r)
		if err != nil {
			return err
		}
		if !s.operation.Valid {
			return ErrRequestVoid
		}
		out, err = l.find(ctx, tx, s.holder.Int64, s.operation.Int64)
		return err
	})
	if err == nil {
		out.Repeated = true
	}
	return out, err
}
