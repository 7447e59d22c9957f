package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/mynakit/mynakit/mergefile/inbox"
	"github.com/mynakit/mynakit/mergefile/ledger"
)

// outcomes tells what becomes of each file, as text or as JSON, and adds up.
// No holder is in any of it.
type outcomes struct {
	asJSON bool
	to     io.Writer

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
}

func (o *outcomes) print(l line) {
	switch {
	case o.asJSON:
		o.json(l)
	case l.Error != "":
		fmt.Fprintf(o.to, "%q: %s: %s\n", l.File, l.Outcome, l.Error)
	default:
		fmt.Fprintf(o.to, "%q: merged %d, duplicates %d, points %d\n", l.File, l.Merged, l.Duplicates, l.Points)
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
	o.print(line{File: name, Outcome: "refused", Error: err.Error()})
}

func (o *outcomes) left(name string, err error) {
	o.Files++
	o.Left++
	o.print(line{File: name, Outcome: "left", Error: advise(err).Error()})
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
		fmt.Fprintln(os.Stderr, "mergetool:", e.Err)
		return
	}
	fmt.Fprintf(os.Stderr, "mergetool: %q: %s: %v\n", e.Name, e.What, e.Err)
}

// alarm says what somebody has to look at: one number for two transactions.
func (o *outcomes) alarm(_ context.Context, c *ledger.ConflictError) {
	fmt.Fprintf(os.Stderr, "mergetool: ALARM: %q: %d of its numbers were merged before with other content, and nothing of it is merged. Ask the sender about", c.Name, c.Conflicts)
	for _, r := range c.Records {
		fmt.Fprintf(os.Stderr, " %v", r.Transaction)
	}
	if int64(len(c.Records)) < c.Conflicts {
		fmt.Fprint(os.Stderr, " and more")
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
	fmt.Fprintf(o.to, "files %d, refused %d, left %d; records merged %d, duplicates %d; points %d\n",
		o.Files, o.Refused, o.Left, o.Merged, o.Duplicates, o.Points)
}

// verdict is the exit code.
func (o *outcomes) verdict() error {
	switch {
	case o.Left > 0:
		return exit{exitLeft, errors.New("files are left: give the same command again")}
	case o.Refused > 0:
		return exit{exitRefused, errors.New("files were refused: put them aside, and ask the sender for new ones")}
	}
	return nil
}
