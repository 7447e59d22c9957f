package outbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/mynakit/mynakit/mergefile"
)

// Order is something to be sent.
type Order struct {
	// Scope is whose sequence the number comes from, as the profile says: one
	// for all, or one for each shop or terminal. It names the folder too. Empty
	// is a scope as well.
	Scope string
	// Operation identifies the movement of points that this is for. It comes
	// once: the same operation returns the item that it has. One that begins with
	// "training:" is of points in training.
	Operation string
	// Subject is whose points these are, for [Config.Holder] to find the holder
	// by: a MyKey ID.
	Subject string
	Points  int64 // at least 1
}

func (or Order) check(p mergefile.Profile) error {
	for i := range len(or.Scope) {
		c := or.Scope[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			return ErrOrder
		}
	}
	most := int64(1)
	for range min(p.Points.Digits, 18) {
		most *= 10
	}
	if len(or.Scope) > MaxScope || !isText(or.Operation) || !isText(or.Subject) || or.Points < 1 || or.Points >= most {
		return ErrOrder
	}
	return nil
}

// check refuses an order that is malformed, or of points in the other mode.
func (o *Outbox) check(or Order) error {
	if err := or.check(o.cfg.Profile); err != nil {
		return err
	}
	if strings.HasPrefix(or.Operation, "training:") != o.cfg.Training {
		return ErrTraining
	}
	return nil
}

// Adopt takes over an item that another program has numbered and may have sent:
// the record goes out under its own number, again if it has to, and the sequence
// of the scope goes past it. A record without a holder gets one when it is sent;
// any other is fixed, and the item cannot be withdrawn. Adopt is repeatable.
//
// The errors are [ErrOrder], [ErrTraining], and [ErrReused] if the operation or
// the number is that of another item.
func (o *Outbox) Adopt(ctx context.Context, or Order, r mergefile.Record) (Item, error) {
	if err := o.check(or); err != nil {
		return Item{}, err
	}
	if r.Points != uint64(or.Points) || r.Transaction == (mergefile.Transaction{}) {
		return Item{}, ErrOrder
	}
	var out Item
	err := o.db.Write(ctx, "adopt", func(ctx context.Context, tx *sqldb.Tx) error {
		at, sequence := r.Transaction.Time().UnixMicro(), int64(r.Transaction.Sequence())
		var holder, written any
		if r.Holder != (mergefile.Holder{}) {
			holder, written = formatHolder(r.Holder), at
		}
		n, err := tx.Exec(ctx, `INSERT INTO {item} (scope, at, sequence, operation, subject, points, holder, written)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`, or.Scope, at, sequence, or.Operation, or.Subject, or.Points, holder, written)
		if err != nil {
			return err
		}
		if out, err = find(ctx, tx, or.Operation); err != nil || out.Number != r.Transaction {
			if err == nil || errors.Is(err, ErrNoItem) {
				err = ErrReused
			}
			return err
		}
		if n == 0 {
			_, err = same(out, or, nil)
			return err
		}
		return o.pass(ctx, tx, or.Scope, at, sequence)
	})
	return out, err
}

// isText reports whether s is 1 to [MaxOperation] bytes of printable ASCII.
func isText(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7F {
			return false
		}
	}
	return s != "" && len(s) <= MaxOperation
}

// Item is something that is sent, or is to be sent.
type Item struct {
	Scope     string
	Number    mergefile.Transaction // 取引済番号
	Operation string
	Subject   string
	Points    int64
	Written   time.Time // when the record was fixed; zero: it can be withdrawn
	Sent      time.Time // when the file was last made visible; zero: never
	Acked     time.Time // when the receiver's word came; zero: not yet
	AckedBy   string    // who settled it, if it was a person
}

// The number is drawn from the row of the scope, whose time never goes back. A
// period is a number of microseconds from an offset on, within which the
// sequence goes on.
const (
	takeNumber = `INSERT INTO {counter} (scope, at, last)
		SELECT CAST(? AS TEXT), (coalesce(CAST(? AS BIGINT), {:clock}) / CAST(? AS BIGINT)) * CAST(? AS BIGINT), 1 WHERE true
		ON CONFLICT (scope) DO UPDATE SET
			last = CASE WHEN excluded.at <= {counter}.at OR (excluded.at + CAST(? AS BIGINT)) / CAST(? AS BIGINT) = ({counter}.at + CAST(? AS BIGINT)) / CAST(? AS BIGINT)
				THEN {counter}.last + 1 ELSE 1 END,
			at = CASE WHEN excluded.at > {counter}.at THEN excluded.at ELSE {counter}.at END
		RETURNING at, last`
	insertItem = "INSERT INTO {item} (scope, at, sequence, operation, subject, points) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (operation) DO NOTHING"
	selectItem = "SELECT scope, at, sequence, operation, subject, points, written, sent, acked, acked_by FROM {item} WHERE operation = ?"
)

// period returns how long a sequence goes on, in microseconds, and the offset
// by which a day begins in Japan.
func period(r mergefile.SequenceReset) (size, offset int64) {
	switch r {
	case mergefile.ResetSecond:
		return time.Second.Microseconds(), 0
	case mergefile.ResetDay:
		return 24 * time.Hour.Microseconds(), 9 * time.Hour.Microseconds()
	}
	return 1<<62 - 1, 0
}

// step is the time that a profile can write, in microseconds.
func step(p mergefile.Profile) int64 {
	if p.Transaction.Time == mergefile.TimeMillis {
		return time.Millisecond.Microseconds()
	}
	return time.Second.Microseconds()
}

// Add gives an order its number. It is repeatable: the same operation returns
// the item that it has. If the transaction is rolled back, the number is free
// again. Within a larger transaction, call Add last.
//
// The errors are [ErrOrder], [ErrTraining], [ErrReused], [ErrFull] and a
// [*RestoredError].
func (o *Outbox) Add(ctx context.Context, or Order) (Item, error) {
	if err := o.check(or); err != nil {
		return Item{}, err
	}
	var out Item
	for range 3 {
		err := o.db.Write(ctx, "add", func(ctx context.Context, tx *sqldb.Tx) (err error) {
			if err := o.compare(ctx, tx); err != nil {
				return err
			}
			out, err = o.add(ctx, tx, or)
			return err
		})
		if !errors.Is(err, errMeanwhile) {
			return out, err
		}
	}
	return Item{}, fmt.Errorf("%w: add: %w", ErrBusy, errMeanwhile)
}

// errMeanwhile is returned by add if another program was faster with the same
// operation. The number is given back, and made again the call finds the item.
var errMeanwhile = errors.New("the operation was added meanwhile")

func (o *Outbox) add(ctx context.Context, tx *sqldb.Tx, or Order) (Item, error) {
	if it, err := find(ctx, tx, or.Operation); !errors.Is(err, ErrNoItem) {
		return same(it, or, err)
	}
	at, sequence, err := o.number(ctx, tx, or.Scope)
	if err != nil {
		return Item{}, err
	}
	n, err := tx.Exec(ctx, insertItem, or.Scope, at, sequence, or.Operation, or.Subject, or.Points)
	if err == nil && n == 0 {
		err = errMeanwhile
	}
	if err != nil {
		return Item{}, err
	}
	number, err := numberOf(at, sequence)
	return Item{Scope: or.Scope, Number: number, Operation: or.Operation, Subject: or.Subject, Points: or.Points}, err
}

// number draws the next number of a scope.
func (o *Outbox) number(ctx context.Context, tx *sqldb.Tx, scope string) (at, sequence int64, err error) {
	size, offset := period(o.cfg.Profile.Transaction.Reset)
	unit := step(o.cfg.Profile)
	err = tx.QueryRow(ctx, takeNumber, scope, tx.NowArg(), unit, unit, offset, size, offset, size).Scan(&at, &sequence)
	if err == nil && sequence > most(o.cfg.Profile) {
		err = ErrFull
	}
	return at, sequence, err
}

// most is the greatest sequence number that a profile can write.
func most(p mergefile.Profile) int64 {
	digits := p.Transaction.Digits
	if digits == 0 {
		digits = 9
	}
	n := int64(1)
	for range digits {
		n *= 10
	}
	return n - 1
}

func numberOf(at, sequence int64) (mergefile.Transaction, error) {
	return mergefile.NewTransaction(time.UnixMicro(at), uint32(sequence))
}

// same returns an item that is there, if it is of this order.
func same(it Item, or Order, err error) (Item, error) {
	if err == nil && (it.Scope != or.Scope || it.Subject != or.Subject || it.Points != or.Points) {
		return Item{}, ErrReused
	}
	return it, err
}

func find(ctx context.Context, tx *sqldb.Tx, operation string) (Item, error) {
	it, err := scanItem(tx.QueryRow(ctx, selectItem, operation))
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNoItem
	}
	return it, err
}

func scanItem(row interface{ Scan(...any) error }) (it Item, err error) {
	var at, sequence int64
	var written, sent, acked sql.NullInt64
	var by sql.NullString
	if err := row.Scan(&it.Scope, &at, &sequence, &it.Operation, &it.Subject, &it.Points, &written, &sent, &acked, &by); err != nil {
		return Item{}, err
	}
	it.Written, it.Sent, it.Acked, it.AckedBy = instantOf(written), instantOf(sent), instantOf(acked), by.String
	it.Number, err = numberOf(at, sequence)
	return it, err
}

var jst = time.FixedZone("JST", 9*60*60)

func instantOf(us sql.NullInt64) time.Time {
	if !us.Valid {
		return time.Time{}
	}
	return time.UnixMicro(us.Int64).In(jst)
}

// Find returns the item of an operation. The error is [ErrNoItem].
func (o *Outbox) Find(ctx context.Context, operation string) (Item, error) {
	var it Item
	err := o.db.Read(ctx, "find", func(ctx context.Context, tx *sqldb.Tx) (err error) {
		it, err = find(ctx, tx, operation)
		return err
	})
	return it, err
}

// Withdraw takes an item back that is not written yet, for a refund in the same
// transaction. Its number is not used again. Withdrawing twice returns
// [ErrNoItem].
//
// The errors are [ErrNoItem] and [ErrWritten].
func (o *Outbox) Withdraw(ctx context.Context, operation string) error {
	return o.db.Write(ctx, "withdraw", func(ctx context.Context, tx *sqldb.Tx) error {
		it, err := lockItem(ctx, tx, operation)
		if err != nil {
			return err
		}
		if !it.Written.IsZero() {
			return ErrWritten
		}
		_, err = tx.Exec(ctx, "DELETE FROM {item} WHERE operation = ?", operation)
		return err
	})
}

func lockItem(ctx context.Context, tx *sqldb.Tx, operation string) (Item, error) {
	it, err := scanItem(tx.QueryRow(ctx, selectItem+" {:forupdate}", operation))
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNoItem
	}
	return it, err
}
