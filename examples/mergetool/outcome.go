package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/mynakit/mynakit/examples/internal/speak"
	"github.com/mynakit/mynakit/mergefile/inbox"
	"github.com/mynakit/mynakit/mergefile/ledger"
)

// outcomes tells what becomes of each file, as text or as JSON, and adds up.
// No holder is in any of it.
type outcomes struct {
	asJSON bool
	to     io.Writer
	say    speak.Voice

	Files      int    `json:"files"`      // merged, refused or left
	Refused    int    `json:"refused"`    // never to be merged
	Left       int    `json:"left"`       // to be tried again
	Merged     int64  `json:"merged"`     // records
	Duplicates int64  `json:"duplicates"` // records
	Points     uint64 `json:"points"`     // of the merged records
}

// line is what JSON tells of a file.
type line struct {
	File       string `json:"file"`
	Outcome    string `json:"outcome"`
	Records    int64  `json:"records,omitempty"`
	Merged     int64  `json:"merged,omitempty"`
	Duplicates int64  `json:"duplicates,omitempty"`
	Points     uint64 `json:"points,omitempty"`
	Error      string `json:"error,omitempty"`
	err        error  // that Error is the text of
}

func (o *outcomes) print(l line) {
	switch {
	case o.asJSON:
		o.json(l)
	case l.err != nil:
		outcome := map[string]string{"refused": "受け付けません", "left": "残っています"}[l.Outcome]
		fmt.Fprintf(o.to, o.say("%q：%s：%s\n", "%q: %s: %s\n"), l.File, o.say(outcome, l.Outcome), explain(o.say, l.err))
	default:
		fmt.Fprintf(o.to, o.say("%q：合算%d件、重複%d件、%dポイント\n", "%q: merged %d, duplicates %d, points %d\n"), l.File, l.Merged, l.Duplicates, l.Points)
	}
}

func (o *outcomes) json(v any) {
	text, err := json.Marshal(v)
	if err == nil {
		fmt.Fprintf(o.to, "%s\n", text)
	}
}

func (o *outcomes) count(r ledger.Report) {
	o.Merged += r.Merged
	o.Duplicates += r.Duplicates
	if o.Points += r.Points; o.Points < r.Points {
		o.Points = math.MaxUint64 // more than can be counted
	}
}

func (o *outcomes) merged(name string, r ledger.Report) {
	o.count(r)
	o.tellMerged(name, r)
}

func (o *outcomes) tellMerged(name string, r ledger.Report) {
	o.Files++
	o.print(line{File: name, Outcome: "merged", Records: r.Records, Merged: r.Merged, Duplicates: r.Duplicates, Points: r.Points})
}

func (o *outcomes) refused(name string, err error) {
	o.Files++
	o.Refused++
	o.print(line{File: name, Outcome: "refused", Error: err.Error(), err: err})
}

func (o *outcomes) left(name string, err error) {
	o.Files++
	o.Left++
	err = advise(err)
	o.print(line{File: name, Outcome: "left", Error: err.Error(), err: err})
}

// untold adds what is left without a word about each.
func (o *outcomes) untold(left int) {
	more := max(0, left-o.Left)
	o.Files += more
	o.Left += more
}

// note tells what happens on the way, to whoever watches.
func (o *outcomes) note(e inbox.Event) {
	if e.Name == "" {
		fmt.Fprintln(os.Stderr, "mergetool:", explain(o.say, e.Err))
		return
	}
	fmt.Fprintf(os.Stderr, "mergetool: %q: %s: %v\n", e.Name, o.what(e.What), explain(o.say, e.Err))
}

// what returns what became of a file in the language of the run.
func (o *outcomes) what(w inbox.What) string {
	return o.say(map[inbox.What]string{
		inbox.Done: "合算済み", inbox.Quarantined: "隔離しました", inbox.Left: "残っています", inbox.Early: "もう一度受け取ります",
		inbox.Changed: "読み込み中に変更されました", inbox.Gone: "ほかのプログラムが移動しました", inbox.Ignored: "受け取りません",
		inbox.Trouble: "フォルダーを読み込めません",
	}[w], string(w))
}

// alarm says what somebody has to look at: one number for two transactions.
func (o *outcomes) alarm(_ context.Context, c *ledger.ConflictError) {
	fmt.Fprintf(os.Stderr, o.say("mergetool: 警告：%q：%d件の取引済番号が、合算済みの同じ取引済番号と異なる内容です。このファイルは合算していません。送信元に確認してください：",
		"mergetool: ALARM: %q: %d of its numbers were merged before with other content, and nothing of it is merged. Ask the sender about"), c.Name, c.Conflicts)
	for _, r := range c.Records {
		fmt.Fprintf(os.Stderr, " %v", r.Transaction)
	}
	if int64(len(c.Records)) < c.Conflicts {
		fmt.Fprint(os.Stderr, o.say(" ほか", " and more"))
	}
	fmt.Fprintln(os.Stderr)
}

func (o *outcomes) summary() {
	if o.asJSON {
		o.json(struct {
			Summary *outcomes `json:"summary"`
		}{o})
		return
	}
	fmt.Fprintf(o.to, o.say("ファイル%d件（受け付けないもの%d件、残り%d件）、レコード合算%d件、重複%d件、%dポイント\n",
		"files %d, refused %d, left %d; records merged %d, duplicates %d; points %d\n"),
		o.Files, o.Refused, o.Left, o.Merged, o.Duplicates, o.Points)
}

// verdict is the exit code.
func (o *outcomes) verdict() error {
	switch {
	case o.Left > 0:
		return exit{exitLeft, speak.Fail("残っているファイルがあります。同じコマンドをもう一度実行してください。", "files are left: give the same command again", nil)}
	case o.Refused > 0:
		return exit{exitRefused, speak.Fail("受け付けないファイルがあります。別に保管し、送信元に再送を依頼してください。", "files were refused: put them aside, and ask the sender for new ones", nil)}
	}
	return nil
}
