package outbox

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/mynakit/mynakit/internal/secret"
	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/mynakit/mynakit/mergefile"
)

// AckKey is the secret by which a receiver's acknowledgement is known to be
// his. Both ends have it. The zero AckKey accepts nothing.
type AckKey struct {
	secret.Hidden
	key secret.Box[[]byte]
}

// MinAckSecret is the least length of the secret of an [AckKey], in bytes.
const MinAckSecret = 16

// NewAckKey returns the key of a secret of at least [MinAckSecret] random
// bytes, of which it keeps a copy. The error is [ErrConfig].
func NewAckKey(random []byte) (AckKey, error) {
	if len(random) < MinAckSecret {
		return AckKey{}, fmt.Errorf("%w: the secret of acknowledgements is too short", ErrConfig)
	}
	return AckKey{key: secret.New(append([]byte(nil), random...))}, nil
}

const ackMark = "mynakit-ack-1"

// Seal returns the acknowledgement of a record, for the receiver to send back
// when the merge is committed: one line of ASCII, with the scope, the number and
// a MAC (HMAC-SHA-256) over both and over the record.
func (k AckKey) Seal(scope string, r mergefile.Record) string {
	return fmt.Sprintf("%s %s %s %x\n", ackMark, scopeText(scope), r.Transaction, k.sum(scope, r))
}

func (k AckKey) sum(scope string, r mergefile.Record) []byte {
	m := hmac.New(sha256.New, k.key.Reveal())
	m.Write([]byte(ackMark + "\x00" + scope + "\x00"))
	m.Write(r.AppendCanonical(nil))
	return m.Sum(nil)
}

// scopeText writes the empty scope as a dot, which no scope holds.
func scopeText(scope string) string {
	if scope == "" {
		return "."
	}
	return scope
}

// Acknowledge accepts a receiver's acknowledgement, with which an item is done.
// It can be repeated. Whatever is wrong with it is [ErrAck]; the reason goes to
// [Config.Audit], since a wrong acknowledgement means that somebody else writes
// in the receiver's name, or that the books differ.
func (o *Outbox) Acknowledge(ctx context.Context, ack string) error {
	event := Event{What: BadAck}
	err := o.db.Write(ctx, "acknowledge", func(ctx context.Context, tx *sqldb.Tx) error {
		fields := strings.Split(strings.TrimSuffix(ack, "\n"), " ")
		if len(ack) > 512 || len(fields) != 4 || fields[0] != ackMark || o.cfg.Acks.key.IsZero() {
			event.Err = errors.New("not an acknowledgement, or no key")
			return ErrAck
		}
		number, err := mergefile.ParseTransaction(fields[2])
		sum, hexErr := hex.DecodeString(fields[3])
		if err != nil || hexErr != nil {
			event.Err = errors.Join(err, hexErr)
			return ErrAck
		}
		scope := fields[1]
		if scope == "." {
			scope = ""
		}
		event.Scope, event.Number = scope, number
		it, err := lockNumber(ctx, tx, scope, number)
		if errors.Is(err, ErrNoItem) || err == nil && it.Written.IsZero() {
			event.Err = errors.New("no such item was sent")
			return ErrAck
		}
		if err != nil {
			return err
		}
		if !hmac.Equal(sum, o.cfg.Acks.sum(scope, it.record)) {
			event.Err = errors.New("not authentic, or the receiver has other content")
			return ErrAck
		}
		return settle(ctx, tx, it, "")
	})
	if errors.Is(err, ErrAck) {
		o.audit(ctx, event)
	}
	return err
}

// Settle marks an item as done without an acknowledgement: a person has seen in
// the receiver's books that the record is there. by says who, and is kept. The
// errors are [ErrNoItem] and [ErrOrder] if by is empty or too long, or the item
// was never written.
func (o *Outbox) Settle(ctx context.Context, scope string, number mergefile.Transaction, by string) error {
	if !isText(by) {
		return ErrOrder
	}
	return o.db.Write(ctx, "settle", func(ctx context.Context, tx *sqldb.Tx) error {
		it, err := lockNumber(ctx, tx, scope, number)
		if err != nil {
			return err
		}
		if it.Written.IsZero() {
			return ErrOrder
		}
		return settle(ctx, tx, it, by)
	})
}

func settle(ctx context.Context, tx *sqldb.Tx, it outgoing, by string) error {
	if !it.Acked.IsZero() {
		return nil
	}
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	var who any
	if by != "" {
		who = by
	}
	_, err = tx.Exec(ctx, "UPDATE {item} SET acked = ?, acked_by = ? WHERE scope = ? AND at = ? AND sequence = ?",
		now.UnixMicro(), who, it.Scope, it.at, it.sequence)
	return err
}

// lockNumber locks and returns the item of a number.
func lockNumber(ctx context.Context, tx *sqldb.Tx, scope string, number mergefile.Transaction) (outgoing, error) {
	var it outgoing
	var written, sent, acked sql.NullInt64
	var holder sql.NullString
	it.Scope, it.Number = scope, number
	it.at, it.sequence = number.Time().UnixMicro(), int64(number.Sequence())
	err := tx.QueryRow(ctx, `SELECT operation, subject, points, written, sent, acked, holder FROM {item}
		WHERE scope = ? AND at = ? AND sequence = ? {:forupdate}`, scope, it.at, it.sequence).
		Scan(&it.Operation, &it.Subject, &it.Points, &written, &sent, &acked, &holder)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNoItem
	}
	if err != nil {
		return outgoing{}, err
	}
	it.Written, it.Sent, it.Acked = instantOf(written), instantOf(sent), instantOf(acked)
	it.record = mergefile.Record{Points: uint64(it.Points), Transaction: number}
	if holder.Valid {
		it.record.Holder, err = parseHolder(holder.String)
	}
	return it, err
}
