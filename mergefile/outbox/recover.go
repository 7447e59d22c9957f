package outbox

import (
	"context"
	"database/sql"
	"errors"

	"github.com/mynakit/mynakit/internal/sqldb"
)

// rebook books one record of [Outbox.Recover].
func (o *Outbox) rebook(ctx context.Context, tx *sqldb.Tx, k Known, out *Recovery) error {
	number := k.Record.Transaction
	it, err := lockNumber(ctx, tx, k.Scope, number)
	switch {
	case err == nil && (it.Written.IsZero() || it.record != k.Record):
		out.Differ = append(out.Differ, number)
		return nil
	case err == nil:
		out.There++
		return settle(ctx, tx, it, "recovered")
	case !errors.Is(err, ErrNoItem):
		return err
	}
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	at, sequence := number.Time().UnixMicro(), int64(number.Sequence())
	operation := "restored:" + scopeText(k.Scope) + ":" + number.String()
	_, err = tx.Exec(ctx, `INSERT INTO {item} (scope, at, sequence, operation, subject, points, holder, written, sent, acked, acked_by)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, k.Scope, at, sequence, operation, "restored", int64(k.Record.Points),
		formatHolder(k.Record.Holder), at, at, now.UnixMicro(), "recovered")
	if err != nil {
		return err
	}
	if err := o.pass(ctx, tx, k.Scope, at, sequence); err != nil {
		return err
	}
	err = tx.Call(ctx, "again "+number.String(), func(ctx context.Context, tx *sql.Tx) error { return o.cfg.Again(ctx, tx, k.Scope, k.Record) })
	if err == nil {
		out.Again++
	}
	return err
}

// pass moves a scope's counter past a number.
func (o *Outbox) pass(ctx context.Context, tx *sqldb.Tx, scope string, at, sequence int64) error {
	size, offset := period(o.cfg.Profile.Transaction.Reset)
	_, err := tx.Exec(ctx, `INSERT INTO {counter} (scope, at, last) VALUES (?, ?, ?) ON CONFLICT (scope) DO UPDATE SET
		last = CASE
			WHEN (excluded.at + CAST(? AS BIGINT)) / CAST(? AS BIGINT) > ({counter}.at + CAST(? AS BIGINT)) / CAST(? AS BIGINT) THEN excluded.last
			WHEN (excluded.at + CAST(? AS BIGINT)) / CAST(? AS BIGINT) < ({counter}.at + CAST(? AS BIGINT)) / CAST(? AS BIGINT) OR excluded.last < {counter}.last THEN {counter}.last
			ELSE excluded.last END,
		at = CASE WHEN excluded.at > {counter}.at THEN excluded.at ELSE {counter}.at END`,
		scope, at, sequence, offset, size, offset, size, offset, size, offset, size)
	return err
}
