package sqldb

import (
	"context"
	"database/sql"
	"errors"
)

// Domain is what a package that keeps something says of itself.
type Domain struct {
	Package string // its name, which goes before the errors of the database
	Schema  Schema
	// Own returns the package's own answer within an error, which the caller
	// gets as it is, and nil for an error of the database.
	Own func(err error) error
	// NoLoss is the error of [Keeper.Resolve] when there is no such loss.
	NoLoss error
}

// Among returns a function for [Domain.Own]: an error that is one of answers is
// the package's own.
func Among(answers ...error) func(error) error {
	return func(err error) error {
		for _, a := range answers {
			if errors.Is(err, a) {
				return err
			}
		}
		return nil
	}
}

// StoreError is the error of a call that the database could not carry out. It
// wraps the driver's error.
type StoreError struct {
	Package, Act string
	Err          error
}

// Error returns package, act and cause.
func (e *StoreError) Error() string { return e.Package + ": " + e.Act + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *StoreError) Unwrap() error { return e.Err }

// Told returns the error of a call: the package's own answer as it is, and an
// error of the database as a [*StoreError] with the name of the act.
func (d *Domain) Told(act string, err error) error {
	if err == nil {
		return nil
	}
	if own := d.Own(err); own != nil {
		return own
	}
	if s, ok := err.(*StoreError); ok && s.Package == d.Package {
		return err // told by a call within
	}
	return &StoreError{d.Package, act, err}
}

// Open opens the package's tables, as [Open] does.
func (d *Domain) Open(ctx context.Context, db *sql.DB, cfg Config) (Keeper, error) {
	opened, err := Open(ctx, db, d.Schema, cfg)
	return Keeper{Domain: d, DB: opened}, d.Told("open", err)
}

// Check is [Check] for the package's tables.
func (d *Domain) Check(ctx context.Context, db *sql.DB, cfg Config) error {
	return d.Told("check", Check(ctx, db, d.Schema, cfg))
}

// Keeper runs the calls of a package that keeps something, each in a transaction
// of its own or all in somebody else's. It is safe for use by several goroutines.
type Keeper struct {
	*Domain
	DB *DB
	Tx *sql.Tx // somebody else's transaction; nil if each call has its own
}

// In returns the keeper within somebody else's transaction, see [DB.In].
func (k Keeper) In(tx *sql.Tx) Keeper {
	k.Tx = tx
	return k
}

// Do runs an integrator's function in a durable transaction, see [DB.Do]. It
// returns the function's error as it is.
func (k Keeper) Do(ctx context.Context, fn Func) error {
	own, err := Own(fn, func(fn Func) error { return k.DB.Do(ctx, fn) })
	if own {
		return err
	}
	return k.Told("transaction", err)
}

// Func is a function of the integrator's that runs in a transaction.
type Func = func(ctx context.Context, tx *sql.Tx) error

// Own calls run with fn, and reports whether the error that run returned is the
// one that fn returned last.
func Own(fn Func, run func(fn Func) error) (own bool, err error) {
	var last *callers
	err = run(func(ctx context.Context, tx *sql.Tx) error {
		last = nil
		if err := fn(ctx, tx); err != nil {
			last = &callers{err}
			return last
		}
		return nil
	})
	if last != nil && err == error(last) {
		return true, last.error
	}
	return false, err
}

// callers marks an error of the caller's. Its own type may be one that cannot be
// compared.
type callers struct{ error }

func (c *callers) Unwrap() error { return c.error }

// Write runs fn in a durable transaction, see [DB.Write]. In somebody else's
// transaction it runs once, and of a call that fails nothing stands. act is for
// the error's text.
func (k Keeper) Write(ctx context.Context, act string, fn func(ctx context.Context, tx *Tx) error) error {
	if k.Tx == nil {
		return k.Told(act, k.DB.Write(ctx, fn))
	}
	tx, err := k.DB.In(ctx, k.Tx)
	if err == nil {
		err = tx.Whole(ctx, func() error { return fn(ctx, tx) })
	}
	return k.Told(act, err)
}

// Read runs fn on one snapshot, or in somebody else's transaction.
func (k Keeper) Read(ctx context.Context, act string, fn func(ctx context.Context, tx *Tx) error) error {
	if k.Tx != nil {
		return k.Write(ctx, act, fn)
	}
	return k.Told(act, k.DB.Read(ctx, fn))
}

// Queries returns what reads without a transaction, or in somebody else's.
func (k Keeper) Queries(ctx context.Context) (Queries, error) {
	if k.Tx == nil {
		return k.DB.Queries, nil
	}
	tx, err := k.DB.In(ctx, k.Tx)
	if err != nil {
		return Queries{}, err
	}
	return tx.Queries, nil
}

// Losses returns the lost transactions that are written down, the earliest
// first.
func (k Keeper) Losses(ctx context.Context) ([]Loss, error) {
	losses, err := k.DB.Losses(ctx)
	return losses, k.Told("list lost transactions", err)
}

// Resolve deletes a loss, or returns [Domain.NoLoss].
func (k Keeper) Resolve(ctx context.Context, id string) error {
	err := k.DB.Resolve(ctx, id)
	if errors.Is(err, sql.ErrNoRows) {
		return k.NoLoss
	}
	return k.Told("resolve a lost transaction", err)
}
