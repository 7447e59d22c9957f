package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"slices"
	"time"

	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/ledger"
)

// ledgerFlags are the choices of the task ledger.
type ledgerFlags struct {
	storage
	scope, profile, from, to string
	keepDays                 int
}

func keepLedger(f *flag.FlagSet) func(context.Context, []string) error {
	var l ledgerFlags
	l.storage.add(f)
	f.StringVar(&l.scope, "scope", "", "reconcile: the scope to compare")
	f.StringVar(&l.profile, "profile", "Standard", "reconcile: the profile, for the kind of holders; a preset's `name`, or a JSON file")
	f.StringVar(&l.from, "from", "", "reconcile: the first `time` to compare, as 2017-05-12T00:00:00+09:00")
	f.StringVar(&l.to, "to", "", "reconcile: the `time` to end before")
	f.IntVar(&l.keepDays, "keep-days", 0, "forget: keep the numbers of so many days")
	actions := map[string]struct {
		operands int
		do       func(context.Context, *ledger.Ledger, string) error
	}{
		"show":      {0, l.show},
		"export":    {1, l.export},
		"import":    {1, l.take},
		"reconcile": {1, l.reconcile},
		"forget":    {0, l.forget},
	}
	return func(ctx context.Context, args []string) error {
		if len(args) == 0 {
			return errUsage
		}
		action, ok := actions[args[0]]
		if !ok || len(args) != 1+action.operands || l.keepDays < 0 || (args[0] == "forget") != (l.keepDays > 0) {
			return errUsage
		}
		db, book, err := l.open(ctx, time.Duration(l.keepDays)*24*time.Hour)
		if err != nil {
			return advise(err)
		}
		defer db.Close()
		file := ""
		if len(args) > 1 {
			file = args[1]
		}
		return advise(action.do(ctx, book, file))
	}
}

func (l *ledgerFlags) show(ctx context.Context, book *ledger.Ledger, _ string) error {
	scopes, err := book.Scopes(ctx)
	if err != nil {
		return err
	}
	for _, s := range scopes {
		fmt.Printf("scope %q: %d numbers", s.Name, s.Numbers)
		if s.Numbers > 0 {
			fmt.Printf(" from %v to %v", s.Oldest, s.Newest)
		}
		if !s.Forgotten.IsZero() {
			fmt.Printf(", none before %s", s.Forgotten.Format(time.RFC3339))
		}
		fmt.Println()
	}
	return nil
}

func (l *ledgerFlags) export(ctx context.Context, book *ledger.Ledger, name string) error {
	out, err := create(ctx, name)
	if err != nil {
		return err
	}
	defer out.discard()
	if err := book.Export(ctx, out); err != nil {
		return err
	}
	return out.commit()
}

func (l *ledgerFlags) take(ctx context.Context, book *ledger.Ledger, name string) error {
	in, err := openInput(ctx, name)
	if err != nil {
		return err
	}
	defer in.Close()
	if !in.regular {
		return errors.New("an export is read twice: give the file itself")
	}
	report, err := book.Import(ctx, in.file)
	if c, ok := errors.AsType[*ledger.ConflictError](err); ok {
		for _, r := range c.Records {
			fmt.Println("different", r.Transaction)
		}
	}
	if err != nil {
		return err
	}
	fmt.Printf("numbers %d, new %d\n", report.Numbers, report.New)
	return nil
}

func (l *ledgerFlags) forget(ctx context.Context, book *ledger.Ledger, _ string) error {
	n, err := book.Forget(ctx)
	fmt.Printf("forgotten %d\n", n)
	return err
}

func (l *ledgerFlags) reconcile(ctx context.Context, book *ledger.Ledger, name string) error {
	p, err := loadProfile(l.profile)
	if err != nil {
		return err
	}
	from, err := parseBound(l.from)
	if err != nil {
		return fmt.Errorf("-from: %w", err)
	}
	to, err := parseBound(l.to)
	if err != nil {
		return fmt.Errorf("-to: %w", err)
	}
	in, err := openInput(ctx, name)
	if err != nil {
		return err
	}
	defer in.Close()
	n := 0
	for d, err := range book.Reconcile(ctx, l.scope, from, to, listRows(in, p.Holder.Kind)) {
		if err != nil {
			return err
		}
		fmt.Printf("%v %v\n", d.Kind, d.Transaction)
		n++
	}
	fmt.Printf("differences %d\n", n)
	if n > 0 {
		return exit{exitRefused, errors.New("what is missing here must be sent again; what is different or missing there somebody must look into")}
	}
	return nil
}

// parseBound reads a time; none is the zero time.
func parseBound(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	at, err := parseTime(s)
	if err != nil {
		return at, errors.New("not a time as in 2017-05-12T09:30:00+09:00")
	}
	return at, nil
}

// listRows reads a list of numbers, or of records. Its errors do not show what
// is in it.
func listRows(in io.Reader, kind mergefile.HolderKind) iter.Seq2[mergefile.Record, error] {
	return func(yield func(mergefile.Record, error) bool) {
		rows := newRows(in)
		head, err := rows.Read()
		full := slices.Equal(head, columns())
		if err != nil || !full && !slices.Equal(head, columns()[2:]) {
			yield(mergefile.Record{}, fmt.Errorf("line 1: the header must be %v or %v", columns(), columns()[2:]))
			return
		}
		for {
			row, err := rows.Read()
			if errors.Is(err, io.EOF) {
				return
			}
			var rec mergefile.Record
			if err == nil {
				if full {
					rec, err = parseRow(row, kind)
				} else {
					rec.Transaction, err = parseNumber(row[0], row[1])
				}
				if err != nil {
					line, _ := rows.FieldPos(0)
					err = fmt.Errorf("line %d: %w", line, err)
				}
			}
			if !yield(rec, err) || err != nil {
				return
			}
		}
	}
}
