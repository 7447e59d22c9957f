package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/mynakit/mynakit/examples/internal/console"
	"github.com/mynakit/mynakit/examples/internal/private"
	"github.com/mynakit/mynakit/examples/internal/speak"
	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/inbox"
	"github.com/mynakit/mynakit/mergefile/ledger"
	"github.com/mynakit/mynakit/mykey"
)

// receiveFlags are the choices of the task receive.
type receiveFlags struct {
	shared
	storage
	scope        string
	inbox        inbox.Config
	once, asJSON bool
	say          speak.Voice
	workers      int
	grace        time.Duration
	operands     []string
	loaded       mergefile.Profile
	merge        *ledger.Receiver
	out          *outcomes
	stdout       *console.Writer
	work         context.Context // ends when the file in hand must be given up
}

func receive(f *flag.FlagSet, out *console.Writer, say speak.Voice) func(context.Context, []string) error {
	r := receiveFlags{stdout: out, say: say}
	r.shared.add(f, say)
	r.storage.add(f, say)
	f.StringVar(&r.scope, "scope", "", say("取引済番号の`範囲`（例：店舗のシステム）。取引済番号は範囲の中で比べます", "whose transaction numbers these are, such as a shop system; numbers are compared within a scope"))
	f.StringVar(&r.inbox.Dir, "inbox", "", say("ファイルを指定する代わりに監視する、受取用`フォルダー`", "watch this `directory` instead of receiving the files that are named"))
	f.StringVar(&r.inbox.Done, "done", "", say("合算済みのファイルを移す`フォルダー`（省略すると受取用フォルダーの名前に -done を付けたもの）", "the `directory` for files that are merged (default: beside the inbox, its name with \"-done\" behind it)"))
	f.StringVar(&r.inbox.Quarantine, "quarantine", "", say("隔離`フォルダー`（省略すると受取用フォルダーの名前に -quarantine を付けたもの）", "the `directory` for files that are refused (default: beside the inbox, its name with \"-quarantine\" behind it)"))
	f.DurationVar(&r.inbox.Settle, "settle", 0, say("この`時間`変化のないファイルを受け取ります。送信元が完成後に名前を変えて置くときは0", "take a file when it has been unchanged for so long; 0 is for senders that rename files into the inbox"))
	f.DurationVar(&r.inbox.Poll, "poll", inbox.DefaultPoll, say("受取用フォルダーを調べる`間隔`の上限", "look into the inbox at least so often"))
	f.BoolVar(&r.inbox.PollOnly, "poll-only", false, say("OSの変更通知を使いません", "do not ask the system for notification"))
	f.BoolVar(&r.once, "once", false, say("受取用フォルダーにあるものを受け取って終了します", "receive what is in the inbox and end"))
	f.Int64Var(&r.inbox.MaxSize, "max-size", mergefile.DefaultMaxSize, say("この`バイト数`より大きいファイルを受け付けません", "refuse files of more `bytes`"))
	f.DurationVar(&r.grace, "grace", 10*time.Second, say("SIGTERMの後、処理中のファイルを続ける`時間`。過ぎると取り消します", "how long the file in hand may still take after SIGTERM; then it is rolled back"))
	f.IntVar(&r.workers, "workers", ledger.DefaultWorkers, say("PostgreSQLで同時に合算するファイルの`数`。それぞれ別の接続を使います", "merge so many files of the inbox at a time on PostgreSQL, each on a connection of its own"))
	f.BoolVar(&r.asJSON, "json", false, say("ファイルごとの結果と合計を、JSONで1行ずつ出力します", "print a line of JSON for each file and for the summary"))
	return func(ctx context.Context, args []string) error {
		if (r.inbox.Dir == "") == (len(args) == 0) || r.inbox.Dir == "" && (r.once || r.inbox.Done != "" || r.inbox.Quarantine != "") {
			return speak.Wrong("ファイルか -inbox のどちらかを指定してください。-once、-done、-quarantine は -inbox と一緒に使います。",
				"give either files or -inbox; -once, -done and -quarantine go with -inbox")
		}
		if i := slices.Index(args, "-"); i >= 0 && slices.Contains(args[i+1:], "-") {
			return speak.Wrong("- は標準入力です。1回しか指定できません。", "- stands for standard input, which is there once")
		}
		r.operands = args
		return r.run(ctx)
	}
}

func (r *receiveFlags) run(ctx context.Context) error {
	p, k, err := r.load()
	if err != nil {
		return err
	}
	r.loaded = p
	db, book, err := r.storage.open(ctx, 0, true, false)
	if err != nil {
		return advise(err)
	}
	defer db.Close()
	if err := db.createBalance(ctx); err != nil {
		return advise(err)
	}
	r.out = &outcomes{asJSON: r.asJSON, to: r.stdout, say: r.say}
	r.merge, err = ledger.NewReceiver(ledger.ReceiverConfig{
		Ledger: book, Profile: p, Keys: k, Scope: r.scope,
		ApplyAll: db.credit,
		Alarm:    r.out.alarm,
		Reader:   mergefile.ReaderOptions{MaxSize: r.inbox.MaxSize},
		List:     5,
		Workers:  r.workers,
	})
	if err != nil {
		return advise(err)
	}
	var stop func()
	r.work, stop = afterwards(ctx, r.grace, r.say)
	defer stop()
	if r.inbox.Dir != "" {
		r.inbox.Sidecar = p.Integrity == mergefile.IntegritySidecar
		if r.inbox.Keys, err = r.fingerprint(); err == nil {
			err = r.watch(ctx)
		}
	} else {
		err = r.named(ctx)
	}
	r.out.summary()
	if err != nil {
		return advise(err)
	}
	return r.out.verdict()
}

// afterwards gives a context that outlives ctx by a time, so that the file in
// hand can be finished. A second signal ends it at once.
func afterwards(ctx context.Context, grace time.Duration, say speak.Voice) (context.Context, func()) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer cancel()
		defer signal.Stop(signals) // one more ends the program
		select {
		case <-ctx.Done():
		case <-work.Done():
			return
		}
		if grace > 0 {
			fmt.Fprintf(os.Stderr, say("mergetool: 終了します。処理中のファイルは最大%v続けます。もう一度シグナルを送ると取り消します。\n",
				"mergetool: ending; a file in hand is finished first, for up to %v; another signal rolls it back\n"), grace)
		}
		late := time.NewTimer(grace)
		defer late.Stop()
		for range 2 { // the first is the one that ended ctx
			select {
			case <-signals:
			case <-late.C:
				return
			case <-work.Done():
				return
			}
		}
	}()
	return work, func() {
		signal.Stop(signals)
		cancel()
		<-ended
	}
}

// named receives the files of the command line, in their order.
func (r *receiveFlags) named(ctx context.Context) error {
	var size int64
	for _, name := range r.operands {
		if info, err := os.Stat(name); err == nil {
			size += info.Size()
		}
	}
	bar := newProgress(r.say("受け取っています", "receiving"), 2*size) // each is read twice
	defer bar.done()
	for i, name := range r.operands {
		if ctx.Err() != nil {
			for _, name := range r.operands[i:] {
				r.out.left(name, errEnded)
			}
			return nil
		}
		err := r.file(name, bar)
		if gone := r.stdout.Err(); gone != nil {
			return gone // nobody hears what became of the next file
		}
		if errors.Is(err, ledger.ErrStopped) || errors.Is(err, mergefile.ErrKey) || needsPerson(err) {
			return err // the next file would fare no better
		}
	}
	return nil
}

var errEnded = speak.Fail("終了の指示を受けました。", "the program was told to end", nil)

// file receives one file of the command line.
func (r *receiveFlags) file(name string, bar progress) error {
	opts, err := readerOptions(name, r.loaded)
	if err != nil {
		r.out.left(name, err)
		return nil
	}
	in, err := openInput(r.work, name)
	if err != nil {
		if r.work.Err() != nil {
			err = errEnded
		}
		r.out.left(name, err)
		return nil
	}
	defer in.Close()
	var src io.Reader = in
	if in.regular {
		src = &countedSection{SectionReader: io.NewSectionReader(in.file, 0, in.size), p: bar}
	}
	report, err := r.merge.Receive(r.work, src, filepath.Base(name), opts.Sidecar)
	switch {
	case err == nil:
		r.out.merged(name, report)
	case ledger.Refused(err):
		r.out.refused(name, err)
	case r.work.Err() != nil && errors.Is(err, r.work.Err()) && !errors.Is(err, ledger.ErrOutcomeUnknown):
		r.out.left(name, errRolledBack) // and only then: a commit that was carried out is not
	default:
		r.out.left(name, err)
	}
	return err
}

var errRolledBack = speak.Fail("終了の指示を受けたため、取り消しました。", "rolled back, because the program was told to end", nil)

// watch receives the files of the inbox.
func (r *receiveFlags) watch(ctx context.Context) error {
	reports := make(map[string]ledger.Report) // of files that are not moved yet
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	r.inbox.ReceiveAll = func(_ context.Context, ds []inbox.Delivery) []error {
		var size int64
		for _, d := range ds {
			size += d.Content.Size()
		}
		bar := newProgress(r.say("受け取っています", "receiving"), 2*size)
		defer bar.done()
		files, errs := make([]ledger.File, len(ds)), make([]error, len(ds))
		for i, d := range ds {
			files[i] = ledger.File{Content: &countedSection{d.Content, bar, ctx}, Name: d.Name, Sidecar: d.Sidecar}
		}
		for i, res := range r.merge.ReceiveAll(r.work, files) {
			if errs[i] = res.Err; res.Err == nil {
				r.out.count(res.Report)
				reports[ds[i].Name] = res.Report
			} else if needsPerson(res.Err) {
				stop(res.Err) // the next file would fare no better
			}
		}
		return errs
	}
	r.inbox.Audit = func(e inbox.Event) {
		switch e.What {
		case inbox.Done:
			r.out.tellMerged(e.Name, reports[e.Name])
			delete(reports, e.Name)
		case inbox.Quarantined:
			r.out.refused(e.Name, e.Err)
		case inbox.Left:
			if r.once {
				r.out.left(e.Name, e.Err)
				break
			}
			r.out.note(e)
		default:
			r.out.note(e)
		}
		if gone := r.stdout.Err(); gone != nil {
			stop(gone) // nobody hears what becomes of the next file
		}
	}
	in, err := inbox.Open(r.inbox)
	if errors.Is(err, fs.ErrNotExist) {
		return speak.Fail("フォルダー "+r.inbox.Dir+" を作成し、自治体ポイント管理クラウドのファイルをそこに置いてください。",
			"make the directory "+r.inbox.Dir+", and let the cloud's files be put there", err)
	}
	if err != nil {
		return err
	}
	defer in.Close()
	if !r.once {
		err := in.Run(ctx)
		if gone := r.stdout.Err(); gone != nil {
			return gone
		}
		if cause := context.Cause(ctx); needsPerson(cause) {
			return cause
		}
		return err
	}
	sum, err := in.Scan(ctx)
	if gone := r.stdout.Err(); gone != nil {
		return gone
	}
	r.out.untold(sum.Left + sum.Waiting)
	if cause := context.Cause(ctx); needsPerson(cause) {
		return cause
	}
	if ctx.Err() != nil {
		return nil // what is left says so
	}
	return err
}

// fingerprint tells keys and secrets apart for whoever has the ledger's key, and
// says nothing of them to others.
func (r *receiveFlags) fingerprint() (string, error) {
	var parts [3][]byte
	for i, name := range []string{r.ledgerKeyFile, r.keyFile, r.secretFile} {
		text, err := private.ReadFile(name)
		if err != nil {
			return "", err
		}
		parts[i] = text
	}
	h := hmac.New(sha256.New, parts[0])
	fmt.Fprintf(h, "mergetool inbox keys %d %s%s", len(parts[1]), parts[1], parts[2])
	return hex.EncodeToString(h.Sum(nil)[:8]), nil
}

// countedSection moves the bar as a file is read. It is not begun when begin has
// ended.
type countedSection struct {
	*io.SectionReader
	p     progress
	begin context.Context // nil once it was begun
}

func (c *countedSection) begun() error {
	if c.begin != nil && c.begin.Err() != nil {
		return errEnded
	}
	c.begin = nil
	return nil
}

func (c *countedSection) Read(b []byte) (int, error) {
	if err := c.begun(); err != nil {
		return 0, err
	}
	n, err := c.SectionReader.Read(b)
	c.p.add(n)
	return n, err
}

func (c *countedSection) ReadAt(b []byte, off int64) (int, error) {
	if err := c.begun(); err != nil {
		return 0, err
	}
	n, err := c.SectionReader.ReadAt(b, off)
	c.p.add(n)
	return n, err
}

// needsPerson reports whether the ledger goes on only when somebody has looked.
func needsPerson(err error) bool {
	_, lost := errors.AsType[*ledger.LostError](err)
	_, unresolved := errors.AsType[*ledger.UnresolvedError](err)
	_, restored := errors.AsType[*ledger.RestoredError](err)
	return lost || unresolved || restored
}

// advised is an error with what can be done about it.
type advised struct {
	error
	do mykey.Text
}

func (e *advised) Error() string { return e.error.Error() + "\n" + e.do.EN }
func (e *advised) Unwrap() error { return e.error }

// advise adds to an error what can be done about it.
func advise(err error) error {
	say := func(ja, en string) error { return &advised{err, mykey.Text{JA: ja, EN: en}} }
	switch {
	case errors.Is(err, ledger.ErrOtherKey):
		return say("合算台帳を作成したときの -ledger-key-file を指定してください。失ったときは、新しいデータベースで新しい合算台帳を作成し、以前のファイルを再送しないでください。",
			"Give the -ledger-key-file that the ledger was begun with. If it is lost, a new ledger needs a new database, and files must not be sent again across the change.")
	case errors.Is(err, inbox.ErrUnverified):
		return say("-profile、-key-file、-key-format、-secret-file が送信元のものか確認してください。隔離フォルダーのファイルを受取用フォルダーに戻し、同じコマンドをもう一度実行してください。",
			"See whether -profile, -key-file, -key-format and -secret-file are those of the sender. Then move the files back from the quarantine directory, and give the same command again.")
	case errors.Is(err, ledger.ErrStopped):
		return say("データベースのディスクを確認し、同じコマンドをもう一度実行してください。合算済みのものは重複として扱います。",
			"Look at the disk under the database. Then give the same command again: what was merged is found to be a duplicate.")
	case errors.Is(err, ledger.ErrReadOnly):
		return say("データベースに書き込めません。書き込めるデータベースを -db で指定するか、書き込めるように設定してください。",
			"The database takes no writes. Name one that does with -db, or let it be written; the same command fails until then.")
	case errors.Is(err, ledger.ErrBusy):
		return say("ほかのプログラムがデータベースを使用中です。合算は行っていません。同じコマンドをもう一度実行してください。",
			"Another program holds the database. Nothing was merged; give the same command again.")
	case errors.Is(err, mergefile.ErrKey):
		return say("-profile、-key-file、-key-format の組み合わせを確認してください。合算は行っていません。",
			"See whether -profile, -key-file and -key-format go together. Nothing was merged.")
	case errors.Is(err, ledger.ErrScope):
		return say("-scope に、取引済番号を付けた店舗または端末の名前を指定してください。",
			"Give -scope the name of the shop or terminal whose numbers these are.")
	case errors.Is(err, ledger.ErrOrder):
		return say("一覧を日時、連番の順に並べ替え、重複を除いてください。",
			"Sort the list by time, then by sequence, and take out what is there twice.")
	case errors.Is(err, ledger.ErrExport):
		return say("元の機器でもう一度書き出し、コピー後の大きさを比べてください。取り込みは行っていません。",
			"Export again on the old machine, and compare the sizes after copying. Nothing was taken over.")
	}
	if lost, ok := errors.AsType[*ledger.LostError](err); ok && lost.Loss.ID != "" {
		return say("mergetool ledger resolve の表示を確認してください。それまで合算は行いません。",
			"See what \"mergetool ledger resolve\" says of it. Until then nothing is merged.")
	}
	if _, ok := errors.AsType[*ledger.UnresolvedError](err); ok {
		return say("mergetool ledger resolve の表示を確認してください。",
			"See what \"mergetool ledger resolve\" says of them.")
	}
	if _, ok := errors.AsType[*ledger.RestoredError](err); ok {
		return say("バックアップを復元したときは、mergetool ledger accept-restore を実行し、その後に合算したファイルを処理済みのフォルダーからもう一度受け取ってください。復元していないときは、-db か -mark が以前と異なります。",
			"If a backup was restored, give \"mergetool ledger accept-restore\", and then receive again the files that were merged since: they are in the inbox's folder of those that are done. If not, -db or -mark is another one than before.")
	}
	if _, ok := errors.AsType[*ledger.SchemaError](err); ok {
		return say("この合算台帳は、新しいバージョンの mergetool で作成されています。そのバージョンを使ってください。",
			"A newer mergetool made this ledger: use that one.")
	}
	return err
}
