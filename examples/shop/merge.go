package shop

import (
	"context"
	"database/sql"
	"io"

	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/inbox"
	"github.com/mynakit/mynakit/mergefile/ledger"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
)

// Profile is the form of the merge files that the shop takes and that leave it.
// Agree with the other end; package mergefile says on what.
func Profile() mergefile.Profile { return mergefile.Standard() }

// profile is Profile for what the mall knows its members by.
func (s *Shop) profile() mergefile.Profile {
	if s.cfg.ByMyKeyID {
		return Profile().WithMyKeyID()
	}
	return Profile()
}

func (s *Shop) openReceiver(ctx context.Context) (*ledger.Receiver, error) {
	secret, err := ledger.NewKey(s.cfg.Keys.open().ledger)
	if err != nil {
		return nil, err
	}
	book, err := ledger.Open(ctx, s.db, ledger.Config{Prefix: s.prefix("mergefile_"), Key: secret, RetryFor: s.cfg.RetryFor, Clock: s.cfg.Clock})
	if err != nil {
		return nil, err
	}
	keys, err := s.mergeKeys()
	if err != nil {
		return nil, err
	}
	return ledger.NewReceiver(ledger.ReceiverConfig{
		Ledger:  book,
		Profile: s.profile(),
		Keys:    keys,
		Scope:   string(s.cfg.Scope),
		Apply:   s.merged,
	})
}

// mergeKeys are the keys that merge files are read with.
func (s *Shop) mergeKeys() (mergefile.KeySource, error) {
	key, err := s.cfg.Keys.Merge()
	if err != nil || !s.cfg.Training {
		return key, err
	}
	return mergefile.Training(key), nil
}

// merged gives a member the points of a merged record, in the transaction that
// remembers the record: both or neither.
func (s *Shop) merged(ctx context.Context, tx *sql.Tx, r mergefile.Record) error {
	var to mykey.Identifier
	if id, ok := r.Holder.RevealMyKeyID(); ok {
		to = id
	} else {
		number, err := mykey.ParseCustomerID(r.Holder.Reveal())
		if err != nil {
			return err
		}
		if to, err = s.memberByNumber(ctx, tx, number); err != nil {
			return err
		}
	}
	number := r.Transaction.String()
	reference, err := point.ParseReference(string(s.cfg.Scope) + ":" + number)
	if err != nil {
		return err
	}
	_, err = s.credit(ctx, tx, to, point.Credit{Request: point.Request{Scope: "merge:" + string(s.cfg.Scope), Name: number},
		Points: int64(r.Points), Kind: point.OpPartner, Partner: partnerCity, Reference: reference}) // 18 digits at most
	return err
}

// Receive verifies a merge file and merges it in one transaction
// (合算ポイント受取). A file that comes again is no error: its records are
// Report.Duplicates and nothing moves. The errors are those of
// [ledger.Receiver.Receive]; [ledger.Refused] tells which of them are
// the file's own fault.
func (s *Shop) Receive(ctx context.Context, file io.Reader, name string) (ledger.Report, error) {
	r, err := s.receiver.Receive(ctx, file, name, nil)
	if err == nil {
		err = s.acknowledge(ctx, r)
	}
	return r, err
}

// Arrival is a merge file that came to the inbox, and what became of it.
type Arrival struct {
	Name string // the sender's choice: print it with %q
	// Report is what Receive gave, the zero Report for a file that was refused
	// unread, such as a link or one that is too large.
	Report ledger.Report
	// Target is the path that the file was moved to, "" if it stays and is
	// tried again.
	Target string
	// Err is nil for a file that was merged, or had been before.
	Err error
}

// OpenInbox watches a folder for merge files: see package inbox, whose Scan and
// Run do the work. tell, if not nil, is called with each file when it has been
// dealt with. Merged files are moved to the folder beside it that ends in
// "-done", refused ones to that which ends in "-quarantine". Close the inbox when
// it is no longer needed.
func (s *Shop) OpenInbox(dir string, tell func(Arrival)) (*inbox.Inbox, error) {
	reports := make(map[string]ledger.Report) // of files that tell has not heard of
	return inbox.Open(inbox.Config{
		Dir:  dir,
		Keys: mergeKeyID,
		ReceiveAll: func(ctx context.Context, ds []inbox.Delivery) []error {
			files, errs := make([]ledger.File, len(ds)), make([]error, len(ds))
			for i, d := range ds {
				files[i] = ledger.File{Content: d.Content, Name: d.Name}
			}
			for i, r := range s.receiver.ReceiveAll(ctx, files) {
				if r.Err == nil {
					r.Err = s.acknowledge(ctx, r.Report) // else the file is looked at again
				}
				reports[ds[i].Name], errs[i] = r.Report, r.Err
			}
			return errs
		},
		Audit: func(e inbox.Event) {
			switch e.What {
			case inbox.Done, inbox.Quarantined, inbox.Left:
				if tell != nil {
					tell(Arrival{Name: e.Name, Report: reports[e.Name], Target: e.Target, Err: e.Err})
				}
				delete(reports, e.Name)
			}
		},
	})
}
