package speak

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/mynakit/mynakit/mykey"
)

// A UsageError is a call that cannot be meant, in words for whoever typed it.
type UsageError struct{ Text mykey.Text }

func (e *UsageError) Error() string { return e.Text.EN }

// Wrong returns a UsageError.
func Wrong(ja, en string) *UsageError { return &UsageError{mykey.Text{JA: ja, EN: en}} }

// LangFlag adds the flag -lang. [LanguageOf] reads it.
func LangFlag(f *flag.FlagSet, say Voice) {
	f.Func("lang", say("`言語`：ja または en。省略すると環境変数に従います", "`language`: ja or en; without it as the environment says"), func(text string) error {
		if text != "ja" && text != "en" {
			return errors.New("-lang is ja or en")
		}
		return nil
	})
}

// Parse parses args as f.Parse does and prints nothing but the usage for -h, after
// which it returns flag.ErrHelp. Any other error is a *UsageError of one line, which
// names the flag, the nearest one if there is no such flag, and -h.
func Parse(f *flag.FlagSet, args []string) error {
	usage, out := f.Usage, f.Output()
	f.Usage = func() {}
	f.SetOutput(io.Discard) // which has it in English, with the whole list
	err := f.Parse(args)
	f.SetOutput(out)
	f.Usage = usage
	switch {
	case errors.Is(err, flag.ErrHelp):
		usage()
		return err
	case err != nil:
		return badFlag(f, err)
	}
	return nil
}

// Of the errors of package flag there is only the text.
var (
	undefined = regexp.MustCompile(`^flag provided but not defined: -(.*)$`)
	flagName  = regexp.MustCompile(`(?:flag|for|argument:) -([-\w]+)`)
)

func badFlag(f *flag.FlagSet, err error) *UsageError {
	if m := undefined.FindStringSubmatch(err.Error()); m != nil {
		ja, en := "フラグ -"+m[1]+" はありません。", "there is no flag -"+m[1]+"; "
		if near := nearest(f, m[1]); near != "" {
			ja += "-" + near + " ではありませんか。"
			en += "did you mean -" + near + "? "
		}
		return Wrong(ja+"一覧は -h で表示します。", en+"-h lists them")
	}
	ja := "フラグの指定が正しくありません。"
	if m := flagName.FindStringSubmatch(err.Error()); m != nil {
		ja = "フラグ -" + m[1] + " の指定が正しくありません"
		if known := f.Lookup(m[1]); known != nil {
			_, about := flag.UnquoteUsage(known)
			ja += "（" + about + "）"
		}
		ja += "。"
	}
	return Wrong(ja+"一覧は -h で表示します。", err.Error()+"; -h lists the flags")
}

// nearest returns the flag that name was meant to be: one that it is the beginning
// of, or one that it misses by a letter, or by two if it is longer than five.
func nearest(f *flag.FlagSet, name string) string {
	best, least := "", 2
	if len(name) > 5 {
		least = 3
	}
	f.VisitAll(func(v *flag.Flag) {
		d := distance(name, v.Name)
		if len(name) > 1 && strings.HasPrefix(v.Name, name) {
			d = 1
		}
		if d < least && d < len(v.Name) {
			best, least = v.Name, d
		}
	})
	return best
}

// distance returns how many letters have to be added, left out, exchanged or
// swapped with their neighbour to make b of a.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		for j := range rows[i] {
			switch {
			case i == 0:
				rows[i][j] = j
			case j == 0:
				rows[i][j] = i
			case a[i-1] == b[j-1]:
				rows[i][j] = rows[i-1][j-1]
			default:
				rows[i][j] = 1 + min(rows[i-1][j-1], rows[i-1][j], rows[i][j-1])
				if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
					rows[i][j] = min(rows[i][j], 1+rows[i-2][j-2])
				}
			}
		}
	}
	return rows[len(a)][len(b)]
}

// PrintFlags lists the flags, explained in the language in which they were added.
func PrintFlags(w io.Writer, f *flag.FlagSet, say Voice) {
	f.VisitAll(func(v *flag.Flag) {
		name, text := flag.UnquoteUsage(v)
		fmt.Fprintf(w, "  -%s", v.Name)
		if name != "" {
			fmt.Fprintf(w, " %s", name)
		}
		fmt.Fprintf(w, "\n    \t%s", text)
		switch v.DefValue {
		case "", "false", "0", "0s":
		default:
			fmt.Fprintf(w, say("（初期値：%s）", " (default %s)"), v.DefValue)
		}
		fmt.Fprintln(w)
	})
}
