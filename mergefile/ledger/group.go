package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/mynakit/mynakit/mergefile"
)

// DefaultWorkers is how many files [Receiver.ReceiveAll] merges at a time on
// PostgreSQL if [ReceiverConfig].Workers is zero.
const DefaultWorkers = 8

const (
	// groupFiles and groupTime close a group, so that other writers are not kept
	// waiting.
	groupFiles = 64
	groupTime  = 50 * time.Millisecond
)

// A File is a merge file for [Receiver.ReceiveAll]. Its fields are the arguments
// of [Receiver.Receive].
type File struct {
	Content io.Reader
	Name    string
	Sidecar []byte
}

// A Result is what [Receiver.Receive] returns for a file.
type Result struct {
	Report Report
	Err    error
}

// ReceiveAll merges files that wait together, and returns a Result for each, at
// the file's place. Each file is merged whole or not at all, as by
// [Receiver.Receive], and its Result is returned after the commit.
//
// On SQLite the files share transactions, each within a savepoint of its own, so
// that a group costs one sync of the disk. A file that is refused, or whose Apply
// returns an error, costs only itself. A group is closed after 64 files or 50
// milliseconds of work. If a whole group fails, nothing of it was merged, and its
// files are merged one by one. On PostgreSQL [ReceiverConfig].Workers files are
// merged at a time.
//
// If a transaction was lost to Apply ([*LostError]), or nothing can be merged
// for another reason, the remaining files are not tried and have that error.
func (r *Receiver) ReceiveAll(ctx context.Context, files []File) []Result {
	results := make([]Result, len(files))
	if r.cfg.Ledger.db.Dialect() == sqldb.PostgreSQL {
		r.beside(ctx, files, results)
	} else {
		r.grouped(ctx, files, results)
	}
	for _, res := range results {
		r.alarm(ctx, res.Err)
	}
	return results
}

// beside merges files by several goroutines.
func (r *Receiver) beside(ctx context.Context, files []File, results []Result) {
	var mu sync.Mutex
	next := 0
	var halted error
	take := func() (i int, ok bool) {
		mu.Lock()
		defer mu.Unlock()
		if halted != nil || next == len(files) {
			return 0, false
		}
		next++
		return next - 1, true
	}
	var workers sync.WaitGroup
	for range min(r.cfg.Workers, len(files)) {
		workers.Go(func() {
			for i, ok := take(); ok; i, ok = take() {
				results[i] = r.one(ctx, files[i])
				if halts(ctx, results[i].Err) {
					mu.Lock()
					halted = results[i].Err
					mu.Unlock()
				}
			}
		})
	}
	workers.Wait()
	for i := next; i < len(files); i++ {
		results[i].Err = halted
	}
}

// grouped merges files by groups. A lone file is merged as by Receive.
func (r *Receiver) grouped(ctx context.Context, files []File, results []Result) {
	var halted error
	for i := 0; i < len(files); {
		if halted != nil {
			results[i].Err = halted
			i++
			continue
		}
		// Files are read and verified before the transaction begins.
		var group []*merge
		var places []int
		for began := time.Now(); i < len(files) && len(group) < groupFiles && (len(group) == 0 || time.Since(began) < r.groupTime); i++ {
			m, err := r.verify(ctx, files[i])
			if err != nil {
				if results[i].Err = err; halts(ctx, err) {
					halted = err
					i++
					break
				}
				continue
			}
			group, places = append(group, m), append(places, i)
		}
		for done := 0; done < len(group); {
			if halted != nil {
				results[places[done]].Err = halted
				done++
				continue
			}
			some := r.together(ctx, group[done:])
			for j, res := range some {
				results[places[done+j]] = res
				if halts(ctx, res.Err) {
					halted = res.Err
				}
			}
			done += len(some)
		}
		for _, m := range group {
			m.file.Close()
		}
	}
}

// together merges the first files of a group in one transaction, as many as its
// time allows, and returns their results.
func (r *Receiver) together(ctx context.Context, group []*merge) []Result {
	if len(group) == 1 {
		group[0].grouped = false
		return []Result{r.alone(ctx, group[0])}
	}
	var errs []error
	work := fmt.Sprintf("%d files, the first %q", len(group), group[0].name)
	err := r.cfg.Ledger.remember(ctx, work, func(ctx context.Context, tx *sqldb.Tx, mem memory) error {
		errs = errs[:0]
		began := time.Now()
		for _, m := range group {
			if len(errs) > 0 && time.Since(began) >= r.groupTime {
				break
			}
			m.grouped = true
			one := func(told bool) error {
				mem.told = told
				return tx.Whole(ctx, func() error { return m.run(ctx, tx, mem) })
			}
			err := one(false)
			if errors.Is(err, errSomeNew) {
				err = one(true)
			}
			if !costsOnlyItself(err) {
				return err
			}
			errs = append(errs, err)
		}
		return nil
	})
	if err == nil {
		results := make([]Result, len(errs))
		for i, err := range errs {
			results[i] = group[i].result(err)
		}
		return results
	}
	// Nothing of the group was merged, and what was found of its files may not
	// hold for each alone.
	results := make([]Result, len(group))
	if halts(ctx, err) || errors.Is(err, ErrOutcomeUnknown) || errors.Is(err, ErrMark) {
		for i := range results {
			results[i] = group[i].result(err)
		}
		return results
	}
	var halted error
	for i, m := range group {
		if halted != nil {
			results[i].Err = halted
			continue
		}
		m.grouped = false
		if results[i] = r.alone(ctx, m); halts(ctx, results[i].Err) {
			halted = results[i].Err
		}
	}
	return results
}

// costsOnlyItself reports whether a transaction goes on without the file that had
// this error, all of whose statements were undone.
func costsOnlyItself(err error) bool {
	if err == nil || Refused(err) {
		return true
	}
	if errors.Is(err, ErrEnded) {
		return false
	}
	if _, lost := errors.AsType[*LostError](err); lost {
		return false
	}
	// An ApplyError may wrap the engine's own, after which only the engine knows
	// what is left of the transaction.
	applied, ok := errors.AsType[*ApplyError](err)
	return ok && !errors.Is(applied.Err, context.Canceled) && !errors.Is(applied.Err, context.DeadlineExceeded) && !sqldb.IsBusy(applied.Err) && !sqldb.IsIO(applied.Err)
}

// halts reports whether the next file would have the same error.
func halts(ctx context.Context, err error) bool {
	if err == nil {
		return false
	}
	if errors.Is(err, ErrStopped) || errors.Is(err, ErrBusy) || errors.Is(err, ErrReadOnly) || ctx.Err() != nil && errors.Is(err, ctx.Err()) ||
		errors.Is(err, mergefile.ErrKey) {
		return true
	}
	if _, ok := errors.AsType[*LostError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*UnresolvedError](err); ok {
		return true
	}
	_, ok := errors.AsType[*RestoredError](err)
	return ok
}
