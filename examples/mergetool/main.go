// Command mergetool makes, reads and examines merge files (合算ポイントファイル),
// and merges them, each exactly once, into a database.
//
//	mergetool keygen  -key-file k.hex -secret-file s.txt -ledger-key-file l.hex
//	mergetool seal    -profile Standard -key-file k.hex -secret-file s.txt in.csv out.bin
//	mergetool open    -profile Standard -key-file k.hex -secret-file s.txt in.bin out.csv
//	mergetool inspect -profile Standard -key-file k.hex -secret-file s.txt in.bin
//	mergetool lint    -profile Published -secret-file s.txt
//	mergetool probe   -key-file k.txt -secret-file s.txt in.bin
//	mergetool vectors
//	mergetool receive -key-file k.hex -secret-file s.txt -ledger-key-file l.hex -db points.db in.bin
//	mergetool ledger  -ledger-key-file l.hex -db points.db show
//
// A profile is the name of a preset or a JSON file; "lint -json" prints one to
// start from. Keys and secrets come from files and are never an argument, which
// every other user of the machine could read, and never printed. A line end
// behind one is no part of it, but in a raw file of 16 bytes, which is an AES
// key as it is. "-" as a file is standard input or output. The CSV has the header
// holder,points,transaction_time,sequence, with RFC 3339 times.
//
// open writes nothing unless the whole file is valid, and seal nothing unless
// every row is right. In a list that a spreadsheet may have saved, with a byte
// order mark or CRLF, seal refuses holders that are numbers of different lengths
// if none begins with 0: a spreadsheet turns 000123 into 123, who may be somebody
// else. Open says the same of every
// invalid file; "inspect -diagnose" and "probe" say more, and belong on a
// developer's desk.
//
// # Receiving
//
// receive merges files into a database. -db is the name of an SQLite file, which
// is made if it is not there, or the address of a PostgreSQL server, postgres://…
// or host=… dbname=…, whose password comes from PGPASSFILE or PGPASSWORD. A text
// that could mean something else is refused. A file is merged
// whole or not at all, and a record that was merged before is skipped, so the
// same command may be given again after whatever happened. The points go into
// mergetool_balance (kind, holder, points), a table that stands for your
// members.
//
//	mergetool receive … -db points.db monday.bin tuesday.bin
//	mergetool receive … -db points.db -inbox from-cloud -once
//	mergetool receive … -db postgres://till@server/shop -inbox from-cloud
//
// With -inbox it watches a directory until SIGTERM, or takes what is there with
// -once. Files must be renamed into the directory when they are complete; for a
// sender that does not, say -settle 30s. Merged files are moved to
// from-cloud-done, refused ones to from-cloud-quarantine. A file that is refused
// within ten seconds of having been written is read once more when it is older.
// If the first three files are refused and none has ever been verified, receive
// stops: the key or the secret is more likely wrong than all of them. Any number
// of programs may share an inbox and a database.
//
// Files that wait in the inbox are merged together: on SQLite in one transaction,
// on PostgreSQL several at a time (-workers).
//
// After SIGTERM or Ctrl-C the files in hand are finished, or rolled back if that
// takes longer than -grace; a second signal rolls back at once.
//
// With -lang ja, or as the environment says, it speaks Japanese. JSON, CSV and exit
// codes are the same in both languages.
//
// Each file gives one line, and a summary the last, in JSON with -json. A
// transaction number that comes again with other content is an alarm on
// standard error. Holders and keys are in no output.
//
// # The ledger
//
// The ledger, in the same database, knows every number that was merged.
//
//	mergetool ledger … show                 what it remembers
//	mergetool ledger … export FILE          write it out, for a change of machine
//	mergetool ledger … import FILE          take it over
//	mergetool ledger … reconcile LIST.csv   compare it with a list from the cloud's side
//	mergetool ledger … -keep-days 400 forget    -dry-run says what would be forgotten
//	mergetool ledger … resolve [ID]         what was lost, and that somebody has seen to it
//	mergetool ledger … accept-restore       go on with a restored backup
//
// The list has the header transaction_time,sequence, or that of the other CSV
// to compare holders and points, too, and rises by number. Never forget before
// the time in which a file may still be sent again has passed.
//
// If the transaction of a merge was lost, as by a trigger of yours that rolls
// back, nothing is merged any more. resolve lists at which records that was and
// what to compare; resolve ID ends it.
//
// # Backup and restore
//
// Beside an SQLite file, or where -mark says, is a small file that knows the
// last merges. It does not belong into the backup of the database. By it receive
// notices that the database was restored, or that a standby which was behind has
// taken over, and refuses. The way back:
//
//	mergetool ledger … accept-restore
//	mergetool receive … done/*
//
// Keep the files in done for longer than the oldest backup that you would
// restore.
//
// # Exit codes
//
//	0  success; for receive: every file is merged
//	1  an invalid file or a failure
//	2  wrong usage
//	3  receive: files were refused, as they will be again; ledger reconcile: there are differences
//	4  receive: files are left; give the same command again
//	5  probe: the file can be read in more than one way, and nothing was written
//
// A watch without -once ends with 0 when it is told to end.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/mynakit/mynakit/examples/internal/console"
	"github.com/mynakit/mynakit/examples/internal/speak"
	"github.com/mynakit/mynakit/examples/internal/version"
	"github.com/mynakit/mynakit/mykey/advice"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the next signal ends the program by itself
	// Whoever reads the output may go away: that is an error like another, after
	// which temporary files are removed.
	signal.Ignore(syscall.SIGPIPE)
	out := console.To(os.Stdout)
	say := speak.VoiceIn(speak.LanguageOf(os.Args[1:], os.Getenv))
	code := run(ctx, os.Args[1:], out, say)
	if err := out.Close(); err != nil && code == exitOK {
		fmt.Fprintln(os.Stderr, "mergetool:", explain(say, err))
		code = exitError
	}
	stop()
	os.Exit(code)
}

const (
	exitOK      = 0
	exitError   = 1
	exitUsage   = 2
	exitRefused = 3
	exitLeft    = 4
	exitUnclear = 5
)

// exit is an error with an exit code of its own.
type exit struct {
	code int
	error
}

func (e exit) Unwrap() error { return e.error }

// A task is one subcommand.
type task struct {
	name, operands, about string
	// ending is how long the task has to end when it is told to; 0 is for as
	// long as it takes.
	ending time.Duration
	// prepare adds the task's flags and gives what runs it on its operands.
	prepare func(*flag.FlagSet, *console.Writer, speak.Voice) func(context.Context, []string) error
}

func tasks(say speak.Voice) []task {
	return []task{
		{"keygen", "", say("新しい鍵と特定の文字列を作成します", "make a new key and a new secret"), time.Second, keygen},
		{"seal", "IN.csv OUT", say("CSVから合算ポイントファイルを作成します", "make a merge file of a CSV"), time.Second, seal},
		{"open", "IN OUT.csv", say("合算ポイントファイルを検証し、CSVで書き出します", "verify a merge file and write it as CSV"), time.Second, open},
		{"inspect", "IN", say("合算ポイントファイルを検証し、会員番号を除いて内容を表示します", "verify a merge file and say what is in it, without holders"), time.Second, inspect},
		{"lint", "", say("プロファイルの弱い点を調べます", "say what is risky about a profile"), time.Second, lint},
		{"probe", "IN", say("合算ポイントファイルの形式を特定します", "find the profile of a merge file"), time.Second, probe},
		{"vectors", "", say("テストベクターを実行するか、書き出します", "run the test vectors, or write them out"), time.Second, vectors},
		{"receive", "[FILE ...]", say("ファイルをデータベースに1回だけ合算します", "merge files into a database, each exactly once"), 0, receive},
		{"ledger", "ACTION [FILE]", say("合算台帳の表示、書き出し、取り込み、照合、消去、復旧を行います", "show, export, import, reconcile, forget or put right what was merged"), 10 * time.Second, keepLedger},
	}
}

// errUsage means that files are missing or too many: the line of usage says it.
var errUsage = errors.New("usage")

func run(ctx context.Context, args []string, out *console.Writer, say speak.Voice) int {
	if len(args) == 0 {
		usage(os.Stderr, say)
		return exitUsage
	}
	if version.Asked(args) {
		fmt.Fprintln(out, version.Line("mergetool"))
		return exitOK
	}
	for _, t := range tasks(say) {
		if t.name != args[0] {
			continue
		}
		f := flag.NewFlagSet(t.name, flag.ContinueOnError)
		speak.LangFlag(f, say)
		f.Usage = func() {
			fmt.Fprintf(f.Output(), say("使い方：mergetool %s [フラグ] %s\n%s\n", "usage: mergetool %s [flags] %s\n%s\n"), t.name, t.operands, t.about)
			speak.PrintFlags(f.Output(), f, say)
		}
		do := t.prepare(f, out, say)
		err := speak.Parse(f, args[1:])
		if errors.Is(err, flag.ErrHelp) {
			return exitOK
		}
		if err == nil {
			err = t.run(ctx, do, f.Args())
		}
		if err == nil {
			err = out.Err()
		}
		switch {
		case err == nil:
			return exitOK
		case ctx.Err() != nil && errors.Is(err, context.Canceled):
			fmt.Fprintln(os.Stderr, say("mergetool: 終了の指示を受けたため、途中で終了しました。", "mergetool: told to end before it was done"))
			return exitError
		case errors.Is(err, errUsage):
			fmt.Fprintf(os.Stderr, say("使い方：mergetool %s [フラグ] %s\nフラグの一覧は mergetool %s -h で表示します。\n",
				"usage: mergetool %s [flags] %s\n\"mergetool %s -help\" lists the flags.\n"), t.name, t.operands, t.name)
			return exitUsage
		}
		fmt.Fprintln(os.Stderr, "mergetool:", explain(say, err))
		if _, ok := errors.AsType[*speak.UsageError](err); ok {
			return exitUsage
		}
		if own, ok := errors.AsType[exit](err); ok {
			return own.code
		}
		return exitError
	}
	if args[0] == "help" || args[0] == "-h" || args[0] == "-help" || args[0] == "--help" {
		usage(out, say)
		return exitOK
	}
	fmt.Fprintf(os.Stderr, say("mergetool: タスク %q はありません\n", "mergetool: no task %q\n"), args[0])
	usage(os.Stderr, say)
	return exitUsage
}

// run runs the task until it is done, or has been told to end and does not.
func (t task) run(ctx context.Context, do func(context.Context, []string) error, args []string) error {
	done := make(chan error, 1)
	go func() { done <- do(ctx, args) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	if t.ending == 0 {
		return <-done
	}
	late := time.NewTimer(t.ending)
	defer late.Stop()
	select {
	case err := <-done:
		return err
	case <-late.C:
		return ctx.Err()
	}
}

func usage(w io.Writer, say speak.Voice) {
	fmt.Fprintln(w, say("使い方：mergetool タスク [フラグ] [ファイル]", "usage: mergetool TASK [flags] [files]"))
	for _, t := range tasks(say) {
		fmt.Fprintf(w, "  %-8s %s\n", t.name, t.about)
	}
	fmt.Fprintln(w, say("タスクのフラグの一覧は mergetool タスク -h で表示します。", `"mergetool TASK -help" lists the flags of a task.`))
}

// explain returns what went wrong, and what can be done about it, in the language
// of say.
func explain(say speak.Voice, err error) string {
	lang := say("ja", "en")
	a := advice.Explain(err)
	if own, ok := errors.AsType[*advised](err); ok && lang == "ja" {
		a.Do.JA = own.do.JA
		err = own.error // what to do is in a already
	}
	return speak.Explain(lang, err, a)
}
