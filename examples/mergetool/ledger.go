package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mynakit/mynakit/examples/internal/console"
	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/ledger"
)

// ledgerFlags are the choices of the task ledger.
type ledgerFlags struct {
	storage
	scope, profile, from, to string
	keepDays                 int
	dryRun                   bool
	out                      *console.Writer
}

func keepLedger(f *flag.FlagSet, out *console.Writer) func(context.Context, []string) error {
	l := ledgerFlags{out: out}
	l.storage.add(f)
	f.StringVar(&l.scope, "scope", "", "reconcile: the scope to compare")
	f.StringVar(&l.profile, "profile", "Standard", "reconcile: the profile, for the kind of holders; a preset's `name`, or a JSON file")
	f.StringVar(&l.from, "from", "", "reconcile: the first `time` to compare, as 2017-05-12T00:00:00+09:00")
	f.StringVar(&l.to, "to", "", "reconcile: the `time` to end before")
	f.BoolVar(&l.dryRun, "dry-run", false, "forget: say what would be forgotten, and forget nothing")
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
		// These two look into a ledger that refuses to go on.
		"resolve":        {1, l.resolve},
		"accept-restore": {0, l.acceptRestore},
	}
	return func(ctx context.Context, args []string) error {
		if len(args) == 0 {
			return misuse("give an ACTION: " + strings.Join(slices.Sorted(maps.Keys(actions)), ", "))
		}
		action, ok := actions[args[0]]
		few := args[0] == "resolve" && len(args) == 1 // which lists
		switch {
		case !ok:
			return misuse(fmt.Sprintf("no action %q; there are %s", args[0], strings.Join(slices.Sorted(maps.Keys(actions)), ", ")))
		case l.keepDays < 0 || (args[0] == "forget") != (l.keepDays > 0):
			return misuse("-keep-days goes with forget, which needs it, and is 1 or more")
		}
		if len(args) != 1+action.operands && !few {
			return errUsage
		}
		db, book, err := l.open(ctx, time.Duration(l.keepDays)*24*time.Hour, args[0] == "import",
			args[0] == "resolve" || args[0] == "accept-restore")
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
		l.out.Printf("scope %q: %d numbers", s.Name, s.Numbers)
		if s.Numbers > 0 {
			l.out.Printf(" from %v to %v", s.Oldest, s.Newest)
		}
		if !s.Forgotten.IsZero() {
			l.out.Printf(", none before %s", s.Forgotten.Format(time.RFC3339))
		}
		l.out.Println()
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
			l.out.Println("different", r.Transaction)
		}
	}
	if err != nil {
		return err
	}
	l.out.Printf("numbers %d, new %d\n", report.Numbers, report.New)
	return nil
}

func (l *ledgerFlags) forget(ctx context.Context, book *ledger.Ledger, _ string) error {
	would, err := book.WouldForget(ctx)
	if err != nil {
		return err
	}
	for _, c := range would {
		l.out.Printf("scope %q: %d numbers from before %s; what comes from before that is refused from then on\n",
			c.Scope, c.Numbers, c.Before.Format(time.RFC3339))
		if c.Ahead > 0 {
			l.out.Printf("scope %q: %d numbers are dated in the future: see whether this clock or the sender's is wrong\n", c.Scope, c.Ahead)
		}
	}
	if l.dryRun {
		return nil
	}
	n, err := book.Forget(ctx)
	l.out.Printf("forgotten %d\n", n)
	return err
}

// resolve lists what was lost and what there is to be looked at, or takes one
// off the list.
func (l *ledgerFlags) resolve(ctx context.Context, book *ledger.Ledger, id string) error {
	if id != "" {
		if err := book.Resolve(ctx, id); err != nil {
			return err
		}
		l.out.Printf("resolved %s\n", id)
		return nil
	}
	losses, err := book.Losses(ctx)
	if err != nil {
		return err
	}
	for _, loss := range losses {
		step := loss.Step
		if step == "" {
			step = "not known, since the program died"
		}
		l.out.Printf("%s\n  file: %q\n  found at: %s\n  lost at: %s\n", loss.ID, loss.Work, loss.At.Format(time.RFC3339), step)
		if loss.Committed {
			l.out.Printf("  The records before that, and their numbers, were committed: they count as merged. Records of the same step may or may not have been credited.\n")
		} else {
			l.out.Printf("  The records before that were rolled back, and their numbers with them: they count as new. What was credited after that, in the same step, was not rolled back.\n")
		}
	}
	l.out.Printf("lost %d\n", len(losses))
	if len(losses) > 0 {
		l.out.Printf("Compare the balances of the holders in each file (mergetool open) with those in " + balanceTable +
			" (kind, holder, points), or in your own table, and with a backup from before. Correct them, then give: mergetool ledger resolve ID. After that the file can be received again.\n")
	}
	return nil
}

func (l *ledgerFlags) acceptRestore(ctx context.Context, book *ledger.Ledger, _ string) error {
	if err := book.AcceptRestore(ctx); err != nil {
		return err
	}
	l.out.Println("accepted; now receive again all files that were merged since the backup was made, from the inbox's folder of those that are done: what the backup held is found to be a duplicate")
	return nil
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
		l.out.Printf("%v %v\n", d.Kind, d.Transaction)
		n++
	}
	l.out.Printf("differences %d\n", n)
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
			yield(mergefile.Record{}, fmt.Errorf("line 1: the header must be %s or %s", strings.Join(columns(), ","), strings.Join(columns()[2:], ",")))
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
