package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"time"

	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/mynakit/mynakit/mergefile"
)

// DefaultList is how many records of each outcome a [Report] lists if
// [ReceiverConfig].List is zero.
const DefaultList = 1000

// ReceiverConfig holds the choices of a [Receiver]: which files it reads and what
// it does with their records.
type ReceiverConfig struct {
	// Ledger holds what has been merged, in the database that Apply writes to.
	Ledger *Ledger
	// Profile and Keys are for reading the files.
	Profile mergefile.Profile
	Keys    mergefile.KeySource
	// Scope is the name of whoever gives out the numbers, such as a shop system
	// or an association. Two numbers are the same only within one scope. If each
	// shop or each terminal counts for itself under the profile, each needs a
	// scope and a Receiver of its own. The empty string is a scope as well.
	Scope string

	// Apply credits one record, and ApplyAll up to a thousand at once, which is
	// faster. Set one of the two. They are called with records that are new, in
	// the order of the file, in the transaction that remembers the numbers. They
	// must not end that transaction, see [LostError]. If they return an error,
	// the whole file is rolled back.
	//
	// They may be called again for the same file, as when another writer was in
	// the way, each time in a new transaction. So they must have no effect
	// outside tx. The slice is valid until ApplyAll returns.
	Apply    func(ctx context.Context, tx *sql.Tx, rec mergefile.Record) error
	ApplyAll func(ctx context.Context, tx *sql.Tx, recs []mergefile.Record) error

	// Alarm, if not nil, is called once for a file with a conflict, after the
	// rollback and before Receive or ReceiveAll returns.
	Alarm func(ctx context.Context, c *ConflictError)
	// Reader holds the bounds for reading. Its Name and Sidecar are not used.
	Reader mergefile.ReaderOptions
	// List bounds how many records of each outcome a Report lists. Zero means
	// DefaultList; with a negative value it lists no records.
	List int
	// Workers is how many files ReceiveAll merges at a time on PostgreSQL, each on
	// a connection of its own. Zero means DefaultWorkers. Apply and ApplyAll are
	// called by as many goroutines. Let the *sql.DB keep as many connections
	// (SetMaxIdleConns): by itself it keeps two, and opens others again and again.
	Workers int
}

// Receiver merges files, each exactly once. It is safe for use by several
// goroutines.
type Receiver struct {
	cfg       ReceiverConfig
	groupTime time.Duration // see ReceiveAll; a test sets another
}

// NewReceiver returns a Receiver. It returns [ErrKey] without keys, the error of
// [mergefile.Profile.Validate], [ErrScope], or an error that names what else is
// missing.
func NewReceiver(cfg ReceiverConfig) (*Receiver, error) {
	switch {
	case cfg.Ledger == nil:
		return nil, errors.New("ledger: a receiver needs a ledger")
	case cfg.Keys == nil:
		return nil, fmt.Errorf("%w: no key source", ErrKey)
	case (cfg.Apply == nil) == (cfg.ApplyAll == nil):
		return nil, errors.New("ledger: a receiver needs one of Apply and ApplyAll")
	}
	if err := cfg.Profile.Validate(); err != nil {
		return nil, err
	}
	if err := checkScope(cfg.Scope); err != nil {
		return nil, err
	}
	if s := cfg.Profile.Transaction.Scope; cfg.Scope == "" && s != mergefile.ScopeCloud {
		return nil, fmt.Errorf("%w: each %s counts for itself under this profile, and needs a scope of its own", ErrScope, s)
	}
	if cfg.List == 0 {
		cfg.List = DefaultList
	}
	if cfg.Workers <= 0 {
		cfg.Workers = DefaultWorkers
	}
	return &Receiver{cfg: cfg, groupTime: groupTime}, nil
}

// Report is the outcome of a file. Each record of a file that was merged is
// counted in one of Merged and Duplicates. Of a file with a conflict nothing was
// merged, and what was new in it is not counted.
type Report struct {
	// KeyID is the identifier of the key that the file was under.
	KeyID string
	// Records is how many records the file has.
	Records int64
	// Merged is how many were new and have been applied.
	Merged int64
	// Duplicates is how many had been merged before, with the same content.
	Duplicates int64
	// Conflicts is how many numbers had been merged before with other content.
	// If there is one, nothing of the file was merged.
	Conflicts int64
	// Points is the sum of the points of the merged records. It is no greater
	// than math.MaxInt64, see [ErrSum].
	Points uint64

	// The first records of each outcome, in the order of the file, at most
	// ReceiverConfig.List. Apply is called with all merged records.
	MergedRecords, DuplicateRecords, ConflictRecords []mergefile.Record
}

// ConflictError means that a file holds numbers that have been merged before
// with other content: somebody gave one number to two transactions, or changed
// a file and knows the keys. Nothing of the file was merged.
type ConflictError struct {
	// Name is the file's name, as the caller gave it.
	Name string
	// Scope is the receiver's.
	Scope string
	// Conflicts is how many numbers are in conflict.
	Conflicts int64
	// Records are the first of them, with the content that was refused. The
	// content that was merged is where Apply stored it.
	Records []mergefile.Record
}

// Error returns how many numbers are in conflict. It contains no name and no
// holder.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("ledger: %d of the file's numbers have been merged with other content; nothing was merged", e.Conflicts)
}

// TooOldError means that a file holds numbers from a time that the ledger has
// forgotten, so that nobody can tell whether they have been merged. Nothing of
// the file was merged. [Ledger.Reconcile] returns it for a period that begins
// before that time.
type TooOldError struct {
	// Records is how many of the file's records are too old, and First the
	// number of the first of them.
	Records int64
	First   mergefile.Transaction
	// Forgotten is the instant before which the ledger may have forgotten.
	Forgotten time.Time
}

// Error returns how many records are too old.
func (e *TooOldError) Error() string {
	text := "ledger: the ledger has forgotten the numbers from before " + e.Forgotten.Format("2006-01-02 15:04:05")
	if e.Records > 0 {
		text += fmt.Sprintf(", and %d of the file's are; nothing was merged", e.Records)
	}
	return text
}

// ErrSum is returned by [Receiver.Receive] for a file whose new records add up to
// more points than 64 bits with a sign hold, which is what databases keep.
// Nothing of the file was merged.
var ErrSum = errors.New("ledger: the points of the file's new records add up to more than 9223372036854775807")

// ApplyError is an error of the program's own Apply or ApplyAll. Nothing of the
// file was merged.
type ApplyError struct{ Err error }

// Error returns the text of the program's error.
func (e *ApplyError) Error() string { return "apply: " + e.Err.Error() }

// Unwrap returns the program's error.
func (e *ApplyError) Unwrap() error { return e.Err }

// Refused reports whether an error of [Receiver.Receive] is about the file and
// will be the same next time, so that the file belongs into quarantine:
// [mergefile.ErrInvalid], [ErrSum], a [*ConflictError] or a [*TooOldError].
func Refused(err error) bool {
	if _, ok := errors.AsType[*LostError](err); ok {
		return false // whatever the function's own error says
	}
	if errors.Is(err, mergefile.ErrInvalid) || errors.Is(err, ErrSum) {
		return true
	}
	if _, ok := errors.AsType[*ConflictError](err); ok {
		return true
	}
	_, ok := errors.AsType[*TooOldError](err)
	return ok
}

// Receive verifies a whole file, as [mergefile.NewReader] does, and then merges it
// in one transaction: it inserts the transaction numbers under their unique
// constraint, applies the records whose numbers are new, and commits
// (システム設計書 III.14 ④ to ⑥). If Receive returns nil, the file is merged and
// stays merged. It may be called again for the same file at any time.
//
// The name is the file's, with slashes if the profile's FileName has a folder.
// It is compared with the name that the profile prescribes. The sidecar is for a
// profile that has one, and nil for others.
//
// If Receive returns an error, nothing was merged, unless it is ErrOutcomeUnknown,
// ErrMark or a LostError. [Refused] reports which errors are for quarantine:
//
//   - [mergefile.ErrInvalid], itself: put the file into quarantine.
//   - [*ConflictError]: put the file into quarantine; somebody must look. The
//     Report, empty with any other error, has the counts.
//   - [*TooOldError], [ErrSum]: put the file into quarantine.
//   - [*ApplyError]: the program's own error. Try again if that makes sense.
//   - [ErrBusy]: try again later.
//   - [ErrOutcomeUnknown]: receive the file again. What was merged is found to be
//     a duplicate.
//   - [ErrStopped]: the disk failed. Open database and ledger anew.
//   - [ErrMark]: the file is merged. Receive it again, so that it is noted.
//   - [ErrEnded]: Apply passed over an error. Correct Apply.
//   - [ErrReadOnly]: the database takes no writes.
//   - [*LostError]: the transaction was lost in Apply. From then on the error is
//     an [*UnresolvedError], until a person has looked.
//   - [*RestoredError]: the database is older than it was.
//   - Any other error is the context's or the driver's, wrapped, or src's own:
//     try again later.
func (r *Receiver) Receive(ctx context.Context, src io.Reader, name string, sidecar []byte) (Report, error) {
	res := r.one(ctx, File{Content: src, Name: name, Sidecar: sidecar})
	r.alarm(ctx, res.Err)
	return res.Report, res.Err
}

// one is Receive without its Alarm.
func (r *Receiver) one(ctx context.Context, f File) Result {
	m, err := r.verify(ctx, f)
	if err != nil {
		return Result{Err: err}
	}
	defer m.file.Close()
	return r.alone(ctx, m)
}

// verify reads the whole of a file.
func (r *Receiver) verify(ctx context.Context, f File) (*merge, error) {
	if err := r.cfg.Ledger.stopped(); err != nil {
		return nil, err
	}
	opts := r.cfg.Reader
	opts.Name, opts.Sidecar = path.Base(f.Name), f.Sidecar
	file, err := mergefile.NewReader(ctx, f.Content, r.cfg.Profile, r.cfg.Keys, &opts)
	if errors.Is(err, mergefile.ErrName) && f.Name != "" {
		return nil, mergefile.ErrInvalid // whoever named the file did it, not the program
	}
	if err != nil {
		return nil, err
	}
	if err := r.checkName(file, f.Name); err != nil {
		file.Close()
		return nil, err
	}
	return &merge{cfg: &r.cfg, file: file, name: f.Name, digest: r.cfg.Ledger.key.digester()}, nil
}

// alone merges a verified file in a transaction of its own.
func (r *Receiver) alone(ctx context.Context, m *merge) Result {
	err := r.cfg.Ledger.remember(ctx, cmp.Or(m.name, unnamed), m.run)
	return m.result(err)
}

// unnamed stands for the name of a file that has none.
const unnamed = "a file without a name"

// result returns what Receive returns for the error of the merge.
func (m *merge) result(err error) Result {
	if err == nil {
		return Result{Report: m.report}
	}
	if _, ok := errors.AsType[*ApplyError](err); !ok {
		if errors.Is(err, mergefile.ErrInvalid) {
			return Result{Err: mergefile.ErrInvalid} // the content is no longer what was verified
		}
		if c, ok := errors.AsType[*ConflictError](err); ok {
			c.Name = m.name
			return Result{m.report, c}
		}
		if old, ok := errors.AsType[*TooOldError](err); ok {
			return Result{Err: old}
		}
	}
	return Result{Err: fmt.Errorf("ledger: merge: %w", err)}
}

// alarm calls Alarm for a conflict.
func (r *Receiver) alarm(ctx context.Context, err error) {
	if _, ok := errors.AsType[*ApplyError](err); ok || r.cfg.Alarm == nil {
		return
	}
	if c, ok := errors.AsType[*ConflictError](err); ok {
		r.cfg.Alarm(ctx, c)
	}
}

// checkName returns [mergefile.ErrInvalid] for a file that does not have the name
// that its profile prescribes.
func (r *Receiver) checkName(file *mergefile.Reader, name string) error {
	if r.cfg.Profile.FileName.Kind == mergefile.NameAny {
		return nil
	}
	for first, err := range file.Records() {
		if err != nil {
			return err
		}
		want := r.cfg.Profile.FileNameFor(first.Transaction)
		if name != want && name != path.Base(want) {
			return mergefile.ErrInvalid
		}
		break
	}
	return nil
}

// merge is the merging of one file.
type merge struct {
	cfg    *ReceiverConfig
	file   *mergefile.Reader
	name   string
	digest *digester
	report Report
	// grouped is set when other files are in the transaction.
	grouped bool

	tx        *sqldb.Tx
	memory    memory
	forgotten int64
	old       TooOldError
	batch     []mergefile.Record
	fresh     []mergefile.Record
	numbers   []number
	outcomes  []outcome
}

// run does all of it in a transaction. It may be called again.
func (m *merge) run(ctx context.Context, tx *sqldb.Tx, memory memory) error {
	m.report = Report{KeyID: m.file.KeyID(), Records: m.file.Len()}
	m.tx, m.old, m.batch = tx, TooOldError{}, m.batch[:0]
	// A file of many records has its scope alone: in whatever order its numbers
	// come and Apply takes its own locks, no other merge can be in a circle
	// with it. A file of one record takes its locks one after the other in the
	// order that all such files do, so that these need not wait.
	id, forgotten, err := hold(ctx, tx, m.cfg.Scope, m.file.Len() > 1)
	if err != nil {
		return err
	}
	m.memory, m.memory.scope, m.forgotten = memory, id, forgotten
	defer m.memory.close()

	for rec, err := range m.file.Records() {
		if err != nil {
			return err
		}
		if m.batch = append(m.batch, rec); len(m.batch) == batchRows {
			if err := m.flush(ctx); err != nil {
				return err
			}
		}
	}
	if err := m.flush(ctx); err != nil {
		return err
	}
	switch {
	case m.report.Conflicts > 0:
		m.report.Merged, m.report.Points, m.report.MergedRecords = 0, 0, nil
		return &ConflictError{Scope: m.cfg.Scope, Conflicts: m.report.Conflicts, Records: m.report.ConflictRecords}
	case m.old.Records > 0:
		m.old.Forgotten = instant(m.forgotten)
		return &m.old
	case m.report.Points > math.MaxInt64:
		return ErrSum
	}
	return nil
}

// flush merges a batch. Once it is certain that the file will be refused,
// nothing is applied any more, and the rest is only looked through.
func (m *merge) flush(ctx context.Context) error {
	if len(m.batch) == 0 {
		return nil
	}
	m.numbers = m.numbers[:0]
	kept := m.batch[:0]
	for _, rec := range m.batch {
		// What is too old cannot be judged, and may be going this moment.
		if rec.Transaction.UnixMilli() < m.forgotten {
			if m.old.Records == 0 {
				m.old.First = rec.Transaction
			}
			m.old.Records++
			continue
		}
		kept = append(kept, rec)
		m.numbers = append(m.numbers, number{rowOf(rec.Transaction), m.digest.sum(&rec)})
	}
	m.batch = kept
	if len(m.batch) == 0 {
		return nil
	}
	m.outcomes = append(m.outcomes[:0], make([]outcome, len(m.batch))...)
	if err := m.memory.remember(ctx, m.numbers, m.outcomes); err != nil {
		return err
	}
	m.fresh = m.fresh[:0]
	for i, o := range m.outcomes {
		rec := m.batch[i]
		switch o {
		case isNew:
			m.report.Merged++
			m.report.Points = addPoints(m.report.Points, rec.Points)
			m.report.MergedRecords = m.list(m.report.MergedRecords, rec)
			m.fresh = append(m.fresh, rec)
		case isDuplicate:
			m.report.Duplicates++
			m.report.DuplicateRecords = m.list(m.report.DuplicateRecords, rec)
		case isConflict:
			m.report.Conflicts++
			m.report.ConflictRecords = m.list(m.report.ConflictRecords, rec)
		}
	}
	m.batch = m.batch[:0]
	if m.report.Conflicts > 0 || m.old.Records > 0 || m.report.Points > math.MaxInt64 || len(m.fresh) == 0 {
		return nil
	}
	return m.apply(ctx)
}

// apply gives the new records of a batch to the program's function. What the
// transaction may be lost at is noted for whoever has to look into it.
func (m *merge) apply(ctx context.Context) error {
	call := func(step string, fn func(ctx context.Context, tx *sql.Tx) error) error {
		return m.tx.Call(ctx, step, func(ctx context.Context, tx *sql.Tx) error {
			if err := fn(ctx, tx); err != nil {
				return &ApplyError{err}
			}
			return nil
		})
	}
	before := m.report.Merged - int64(len(m.fresh))
	of := ""
	if m.grouped {
		of = fmt.Sprintf(" of the file %q", m.name)
	}
	if m.cfg.ApplyAll != nil {
		step := fmt.Sprintf("the %d records from %v to %v, after %d others%s", len(m.fresh),
			m.fresh[0].Transaction, m.fresh[len(m.fresh)-1].Transaction, before, of)
		return call(step, func(ctx context.Context, tx *sql.Tx) error { return m.cfg.ApplyAll(ctx, tx, m.fresh) })
	}
	for i, rec := range m.fresh {
		step := fmt.Sprintf("record %v, after %d others%s", rec.Transaction, before+int64(i), of)
		if err := call(step, func(ctx context.Context, tx *sql.Tx) error { return m.cfg.Apply(ctx, tx, rec) }); err != nil {
			return err
		}
	}
	return nil
}

// list keeps the first records of an outcome.
func (m *merge) list(l []mergefile.Record, rec mergefile.Record) []mergefile.Record {
	if len(l) < m.cfg.List {
		l = append(l, rec)
	}
	return l
}

func addPoints(sum, points uint64) uint64 {
	if points > math.MaxUint64-sum {
		return math.MaxUint64
	}
	return sum + points
}
