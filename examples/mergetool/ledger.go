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
	"github.com/mynakit/mynakit/examples/internal/speak"
	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/ledger"
)

// ledgerFlags are the choices of the task ledger.
type ledgerFlags struct {
	storage
	scope, profile, from, to string
	keepDays                 int
	dryRun                   bool
	say                      speak.Voice
	out                      *console.Writer
}

func keepLedger(f *flag.FlagSet, out *console.Writer, say speak.Voice) func(context.Context, []string) error {
	l := ledgerFlags{out: out, say: say}
	l.storage.add(f, say)
	f.StringVar(&l.scope, "scope", "", say("reconcile：照合する`範囲`（scope）", "reconcile: the scope to compare"))
	f.StringVar(&l.profile, "profile", "Standard", say("reconcile：会員番号の種類を示すプロファイル。プリセットの`名前`、またはJSONファイル", "reconcile: the profile, for the kind of holders; a preset's `name`, or a JSON file"))
	f.StringVar(&l.from, "from", "", say("reconcile：照合を始める`日時`（例：2017-05-12T00:00:00+09:00）", "reconcile: the first `time` to compare, as 2017-05-12T00:00:00+09:00"))
	f.StringVar(&l.to, "to", "", say("reconcile：照合を終える`日時`（その時点は含みません）", "reconcile: the `time` to end before"))
	f.BoolVar(&l.dryRun, "dry-run", false, say("forget：消去せずに、消去される件数だけを表示します", "forget: say what would be forgotten, and forget nothing"))
	f.IntVar(&l.keepDays, "keep-days", 0, say("forget：この`日数`より新しい取引済番号を残します", "forget: keep the numbers of so many days"))
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
		known := strings.Join(slices.Sorted(maps.Keys(actions)), ", ")
		if len(args) == 0 {
			return speak.Wrong("操作を指定してください："+known, "give an ACTION: "+known)
		}
		action, ok := actions[args[0]]
		few := args[0] == "resolve" && len(args) == 1 // which lists
		switch {
		case !ok:
			return speak.Wrong(fmt.Sprintf("操作 %q はありません：%s", args[0], known), fmt.Sprintf("no action %q; there are %s", args[0], known))
		case l.keepDays < 0 || (args[0] == "forget") != (l.keepDays > 0):
			return speak.Wrong("-keep-days は forget と一緒に、1以上で指定してください。", "-keep-days goes with forget, which needs it, and is 1 or more")
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
		l.out.Printf(l.say("範囲 %q：取引済番号%d件", "scope %q: %d numbers"), s.Name, s.Numbers)
		if s.Numbers > 0 {
			l.out.Printf(l.say("（%vから%vまで）", " from %v to %v"), s.Oldest, s.Newest)
		}
		if !s.Forgotten.IsZero() {
			l.out.Printf(l.say("、%sより前は消去済み", ", none before %s"), s.Forgotten.Format(time.RFC3339))
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
		return speak.Fail("書き出しファイルは2回読み込みます。ファイルそのものを指定してください。", "an export is read twice: give the file itself", nil)
	}
	report, err := book.Import(ctx, in.file)
	if c, ok := errors.AsType[*ledger.ConflictError](err); ok {
		for _, r := range c.Records {
			l.out.Println(l.say("内容の不一致", "different"), r.Transaction)
		}
	}
	if err != nil {
		return err
	}
	l.out.Printf(l.say("取引済番号%d件、うち新規%d件\n", "numbers %d, new %d\n"), report.Numbers, report.New)
	return nil
}

func (l *ledgerFlags) forget(ctx context.Context, book *ledger.Ledger, _ string) error {
	would, err := book.WouldForget(ctx)
	if err != nil {
		return err
	}
	for _, c := range would {
		l.out.Printf(l.say("範囲 %q：取引済番号%d件が%sより前です。消去すると、それより前のファイルは受け付けません。\n",
			"scope %q: %d numbers from before %s; what comes from before that is refused from then on\n"),
			c.Scope, c.Numbers, c.Before.Format(time.RFC3339))
		if c.Ahead > 0 {
			l.out.Printf(l.say("範囲 %q：取引済番号%d件の日付が未来です。この機器か送信元の時計を確認してください。\n",
				"scope %q: %d numbers are dated in the future: see whether this clock or the sender's is wrong\n"), c.Scope, c.Ahead)
		}
	}
	if l.dryRun {
		return nil
	}
	n, err := book.Forget(ctx)
	l.out.Printf(l.say("消去%d件\n", "forgotten %d\n"), n)
	return err
}

// resolve lists what was lost and what there is to be looked at, or takes one
// off the list.
func (l *ledgerFlags) resolve(ctx context.Context, book *ledger.Ledger, id string) error {
	if id != "" {
		if err := book.Resolve(ctx, id); err != nil {
			return err
		}
		l.out.Printf(l.say("解決済み %s\n", "resolved %s\n"), id)
		return nil
	}
	losses, err := book.Losses(ctx)
	if err != nil {
		return err
	}
	for _, loss := range losses {
		step := loss.Step
		if step == "" {
			step = l.say("不明（プログラムが途中で終了したため）", "not known, since the program died")
		}
		l.out.Printf(l.say("%s\n  ファイル：%q\n  検出日時：%s\n  失われた箇所：%s\n", "%s\n  file: %q\n  found at: %s\n  lost at: %s\n"), loss.ID, loss.Work, loss.At.Format(time.RFC3339), step)
		if loss.Committed {
			l.out.Println(l.say("  それより前のレコードと取引済番号は確定しており、合算済みです。同じ手順のレコードは、残高に反映されたかどうか不明です。",
				"  The records before that, and their numbers, were committed: they count as merged. Records of the same step may or may not have been credited."))
		} else {
			l.out.Println(l.say("  それより前のレコードは取引済番号とともに取り消されており、未合算です。同じ手順でその後に残高に反映したものは、取り消されていません。",
				"  The records before that were rolled back, and their numbers with them: they count as new. What was credited after that, in the same step, was not rolled back."))
		}
	}
	l.out.Printf(l.say("失われた処理%d件\n", "lost %d\n"), len(losses))
	if len(losses) > 0 {
		l.out.Println(l.say("各ファイルの会員の残高（mergetool open）を、表 "+balanceTable+"（kind、holder、points）またはお使いの表、および以前のバックアップと比べてください。"+
			"残高を直してから、mergetool ledger resolve ID を実行してください。その後、ファイルをもう一度受け取れます。",
			"Compare the balances of the holders in each file (mergetool open) with those in "+balanceTable+
				" (kind, holder, points), or in your own table, and with a backup from before. Correct them, then give: mergetool ledger resolve ID. After that the file can be received again."))
	}
	return nil
}

func (l *ledgerFlags) acceptRestore(ctx context.Context, book *ledger.Ledger, _ string) error {
	if err := book.AcceptRestore(ctx); err != nil {
		return err
	}
	l.out.Println(l.say("復元を受け入れました。バックアップの後に合算したすべてのファイルを、処理済みのフォルダーからもう一度受け取ってください。バックアップにあるものは重複として扱います。",
		"accepted; now receive again all files that were merged since the backup was made, from the inbox's folder of those that are done: what the backup held is found to be a duplicate"))
	return nil
}

func (l *ledgerFlags) reconcile(ctx context.Context, book *ledger.Ledger, name string) error {
	p, err := loadProfile(l.profile)
	if err != nil {
		return err
	}
	from, err := parseBound(l.from)
	if err != nil {
		return speak.Fail("-from は 2017-05-12T09:30:00+09:00 の形式で指定してください。", "-from: "+err.Error(), nil)
	}
	to, err := parseBound(l.to)
	if err != nil {
		return speak.Fail("-to は 2017-05-12T09:30:00+09:00 の形式で指定してください。", "-to: "+err.Error(), nil)
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
		l.out.Printf("%v %v\n", l.kind(d.Kind), d.Transaction)
		n++
	}
	l.out.Printf(l.say("違い%d件\n", "differences %d\n"), n)
	if n > 0 {
		return exit{exitRefused, speak.Fail("台帳にないものは、再送を依頼してください。一覧にないものと内容の不一致は、担当者が確認してください。",
			"what is missing here must be sent again; what is different or missing there somebody must look into", nil)}
	}
	return nil
}

// kind returns a kind of difference in the language of the run.
func (l *ledgerFlags) kind(k ledger.DifferenceKind) string {
	switch k {
	case ledger.MissingHere:
		return l.say("台帳になし", k.String())
	case ledger.MissingThere:
		return l.say("一覧になし", k.String())
	}
	return l.say("内容の不一致", k.String())
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
			all, few := strings.Join(columns(), ","), strings.Join(columns()[2:], ",")
			yield(mergefile.Record{}, speak.Fail("1行目：見出しは "+all+" または "+few+" としてください。", "line 1: the header must be "+all+" or "+few, nil))
			return
		}
		for {
			row, err := rows.Read()
			if errors.Is(err, io.EOF) {
				return
			}
			var rec mergefile.Record
			if err != nil {
				err = badRow(err)
			} else {
				if full {
					rec, err = parseRow(row, kind)
				} else {
					rec.Transaction, err = parseNumber(row[0], row[1])
				}
				if err != nil {
					line, _ := rows.FieldPos(0)
					err = atLine(line, err)
				}
			}
			if !yield(rec, err) || err != nil {
				return
			}
		}
	}
}
