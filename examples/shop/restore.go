package shop

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/outbox"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/mykey/registry"
)

// restoredScope is the scope of the request by which points are taken again.
const restoredScope = "restored"

// BookedAgain is what [Shop.BookAgain] did.
type BookedAgain struct {
	outbox.Recovery
	// Unpaid are points that the mall has and that the database took from
	// nobody: the holder is unknown, stopped or has too few. [Shop.Books] shows
	// them as a fault, for people to settle.
	Unpaid map[mergefile.Transaction]int64
}

// BookAgain completes a database that was restored from a backup, for which the
// error was a [*outbox.RestoredError]. known are the records that the mall has
// merged since: of each that the database lacks, the points are taken from the
// holder once more, of the city's own programme first. It is one transaction.
//
// Wait until the mall has merged what is under way. The errors are ErrNoOutbox,
// those of known, and those of [outbox.Outbox.Recover].
func (s *Shop) BookAgain(ctx context.Context, known iter.Seq2[mergefile.Record, error]) (BookedAgain, error) {
	if s.box == nil {
		return BookedAgain{}, ErrNoOutbox
	}
	cfg, err := s.outboxConfig()
	if err != nil {
		return BookedAgain{}, err
	}
	out := BookedAgain{Unpaid: map[mergefile.Transaction]int64{}}
	cfg.Again = func(ctx context.Context, tx *sql.Tx, _ string, r mergefile.Record) error {
		left, err := s.takeAgain(ctx, tx, r)
		delete(out.Unpaid, r.Transaction) // of a transaction before, which was repeated
		if left > 0 {
			out.Unpaid[r.Transaction] = left
		}
		return err
	}
	box, err := outbox.Open(ctx, s.db, cfg)
	if err != nil && !errors.Is(err, outbox.ErrRestored) {
		return BookedAgain{}, err
	}
	out.Recovery, err = box.Recover(ctx, func(yield func(outbox.Known, error) bool) {
		for r, err := range known {
			if !yield(outbox.Known{Record: r}, err) {
				return
			}
		}
	})
	if err != nil {
		return BookedAgain{}, err
	}
	return out, nil
}

// takeAgain takes the points of a record from its holder, and returns how many
// could not be taken.
func (s *Shop) takeAgain(ctx context.Context, tx *sql.Tx, r mergefile.Record) (left int64, err error) {
	left = int64(r.Points) // 18 digits at most
	holder, err := s.ofRecord(ctx, tx, r.Holder)
	if errors.Is(err, registry.ErrNotFound) || errors.Is(err, registry.ErrRetired) {
		return left, nil
	}
	if err != nil {
		return 0, err
	}
	for i, p := range s.cfg.Programmes {
		if left == 0 {
			break
		}
		got, err := s.city.In(tx).Use(ctx, point.Use{Request: point.Request{Scope: restoredScope, Name: fmt.Sprint(r.Transaction, ".", i)},
			Holder: holder.ID, Account: p.Account, Points: left, AtMost: true, Proved: true, For: point.OpMerge})
		switch {
		case errors.Is(err, point.ErrNoHolder), errors.Is(err, point.ErrStopped), errors.Is(err, point.ErrClosed):
		case err != nil:
			return 0, err
		default:
			left -= got.Points
		}
	}
	return left, nil
}

// ofRecord returns the person that a record is of.
func (s *Shop) ofRecord(ctx context.Context, tx *sql.Tx, h mergefile.Holder) (registry.Person, error) {
	if id, ok := h.RevealMyKeyID(); ok {
		id, err := s.registry.In(tx).Successor(ctx, id)
		if err != nil {
			return registry.Person{}, err
		}
		return s.registry.In(tx).Find(ctx, id)
	}
	number, err := mykey.ParseCustomerID(h.Reveal())
	if err != nil {
		return registry.Person{}, err
	}
	return s.registry.In(tx).Find(ctx, mykey.ServiceID{Operator: s.cfg.Mall, Customer: number})
}

// Records reads all merge files of a folder, for [Shop.BookAgain]: that of files
// which the mall has merged. Files whose names begin with a full stop are left out.
// A pair with an error is the last.
func (s *Shop) Records(ctx context.Context, dir string) iter.Seq2[mergefile.Record, error] {
	return func(yield func(mergefile.Record, error) bool) {
		files, err := os.ReadDir(dir)
		if err != nil {
			yield(mergefile.Record{}, err)
			return
		}
		for _, f := range files {
			if strings.HasPrefix(f.Name(), ".") || f.IsDir() {
				continue
			}
			records, err := s.records(ctx, filepath.Join(dir, f.Name()))
			if err != nil {
				yield(mergefile.Record{}, fmt.Errorf("%q: %w", f.Name(), err))
				return
			}
			for _, r := range records {
				if !yield(r, nil) {
					return
				}
			}
		}
	}
}

func (s *Shop) records(ctx context.Context, path string) (out []mergefile.Record, err error) {
	keys, err := s.mergeKeys()
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // it was read
	in, err := mergefile.NewReader(ctx, f, s.profile(), keys, &mergefile.ReaderOptions{Name: filepath.Base(path)})
	if err != nil {
		return nil, err
	}
	for r, err := range in.Records() {
		if err != nil {
			return nil, errors.Join(err, in.Close())
		}
		out = append(out, r)
	}
	return out, in.Close()
}
