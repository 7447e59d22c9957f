package main

import (
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/assert"

	"github.com/mynakit/mynakit/examples/internal/speak"
	"github.com/mynakit/mynakit/examples/internal/speak/speaktest"
	"github.com/mynakit/mynakit/internal/pgtest"
)

var pg pgtest.Server

// stopping stops the server before testscript.Main ends the process.
type stopping struct{ m *testing.M }

func (s stopping) Run() int {
	os.Setenv("LC_ALL", "C") // the tests read English, but where they say -lang
	defer pg.Stop()
	return s.m.Run()
}

func TestMain(m *testing.M) {
	testscript.Main(stopping{m}, map[string]func(){"mergetool": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata", Cmds: map[string]func(*testscript.TestScript, bool, []string){
		// balances FILE prints the table of balances.
		"balances": func(ts *testscript.TestScript, neg bool, args []string) {
			db := sqlite(ts.MkAbs(args[0]))
			defer db.Close()
			all, err := balances(db)
			ts.Check(err)
			fmt.Fprint(ts.Stdout(), all)
		},
		// dropbalances FILE puts a view in the table's place, which nobody can
		// write to.
		"dropbalances": func(ts *testscript.TestScript, neg bool, args []string) {
			db := sqlite(ts.MkAbs(args[0]))
			defer db.Close()
			_, err := db.Exec("DROP TABLE mergetool_balance; CREATE VIEW mergetool_balance AS SELECT 'mall' AS kind, '' AS holder, 1 AS points")
			ts.Check(err)
		},
		// notenglish checks that the last command said nothing in English. An error of
		// a library follows in brackets, and is in English.
		"notenglish": func(ts *testscript.TestScript, neg bool, args []string) {
			text := ts.ReadFile("stdout") + ts.ReadFile("stderr")
			text = regexp.MustCompile(`（詳細：.*）`).ReplaceAllString(text, "")
			if words := speaktest.English(text); words != "" {
				ts.Fatalf("%q in %s", words, text)
			}
		},
		// aged FILE makes a file a minute old.
		"aged": func(ts *testscript.TestScript, neg bool, args []string) {
			at := time.Now().Add(-time.Minute)
			ts.Check(os.Chtimes(ts.MkAbs(args[0]), at, at))
		},
		// code N COMMAND runs a command and checks its exit code.
		"code": func(ts *testscript.TestScript, neg bool, args []string) {
			err := ts.Exec(args[1], args[2:]...)
			exit, ok := errors.AsType[*exec.ExitError](err)
			if !ok || strconv.Itoa(exit.ExitCode()) != args[0] {
				ts.Fatalf("want exit code %s: %v", args[0], err)
			}
		},
	}})
}

// Each task and each flag is explained in both languages.
func TestHelpInBothLanguages(t *testing.T) {
	notASCII := regexp.MustCompile(`[\p{Hiragana}\p{Katakana}\p{Han}]`)
	ja, en := speak.VoiceIn("ja"), speak.VoiceIn("en")
	for i, task := range tasks(ja) {
		assert.Regexp(t, notASCII, task.about)
		assert.NotRegexp(t, notASCII, tasks(en)[i].about)
		f := flag.NewFlagSet(task.name, flag.ContinueOnError)
		task.prepare(f, nil, ja)
		f.VisitAll(func(v *flag.Flag) {
			assert.Regexp(t, notASCII, v.Usage, "%s -%s", task.name, v.Name)
			assert.Empty(t, speaktest.English(v.Usage), "%s -%s", task.name, v.Name)
		})
		f = flag.NewFlagSet(task.name, flag.ContinueOnError)
		task.prepare(f, nil, en)
		f.VisitAll(func(v *flag.Flag) { assert.NotRegexp(t, notASCII, v.Usage, "%s -%s", task.name, v.Name) })
	}
}

func sqlite(path string) *sql.DB {
	u := url.URL{Path: filepath.ToSlash(path)}
	db, err := sql.Open("sqlite", "file:"+u.EscapedPath()+"?_pragma=busy_timeout(10000)")
	if err != nil {
		panic(err)
	}
	return db
}

// balances gives a line for each holder.
func balances(db *sql.DB) (string, error) {
	rows, err := db.Query("SELECT kind, holder, points FROM mergetool_balance ORDER BY kind, holder")
	if err != nil {
		return "", err
	}
	defer rows.Close()
	var b strings.Builder
	for rows.Next() {
		var kind, holder string
		var points int64
		if err := rows.Scan(&kind, &holder, &points); err != nil {
			return "", err
		}
		fmt.Fprintln(&b, kind, holder, points)
	}
	return b.String(), rows.Err()
}
