package speak_test

import (
	"bytes"
	"errors"
	"flag"
	"io/fs"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/mynakit/mynakit/examples/internal/private"
	"github.com/mynakit/mynakit/examples/internal/speak"
	"github.com/mynakit/mynakit/mykey/advice"
)

func TestLanguage(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want string
	}{
		{nil, "en"},
		{map[string]string{"LANG": "ja_JP.UTF-8"}, "ja"},
		{map[string]string{"LANG": "ja"}, "ja"},
		{map[string]string{"LANG": "C.UTF-8"}, "en"},
		{map[string]string{"LANG": "ja_JP.UTF-8", "LC_ALL": "C"}, "en"},
		{map[string]string{"LANG": "en_US", "LC_MESSAGES": "ja_JP"}, "ja"},
	} {
		assert.Equal(t, c.want, speak.Language(func(name string) string { return c.env[name] }), "%v", c.env)
	}
}

func TestLanguageOf(t *testing.T) {
	japanese := func(name string) string { return map[string]string{"LANG": "ja_JP.UTF-8"}[name] }
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "ja"},
		{[]string{"-lang", "en"}, "en"},
		{[]string{"task", "--lang=en"}, "en"},
		{[]string{"-lang", "fr"}, "ja"},
		{[]string{"lang", "en"}, "ja"},
		{[]string{"-lang"}, "ja"},
	} {
		assert.Equal(t, c.want, speak.LanguageOf(c.args, japanese), "%q", c.args)
	}
}

// What is wrong with a flag is one line, which names it, the nearest one, and -h.
func TestParse(t *testing.T) {
	for _, c := range []struct {
		args   []string
		ja, en string
	}{
		{[]string{"-reeder", "x"}, "フラグ -reeder はありません。-reader ではありませんか。一覧は -h で表示します。", "there is no flag -reeder; did you mean -reader? -h lists them"},
		{[]string{"--raeder=x"}, "フラグ -raeder はありません。-reader ではありませんか。一覧は -h で表示します。", "there is no flag -raeder; did you mean -reader? -h lists them"},
		{[]string{"-read"}, "フラグ -read はありません。-reader ではありませんか。一覧は -h で表示します。", "there is no flag -read; did you mean -reader? -h lists them"},
		{[]string{"-uot", "x"}, "フラグ -uot はありません。-out ではありませんか。一覧は -h で表示します。", "there is no flag -uot; did you mean -out? -h lists them"},
		{[]string{"-printer", "x"}, "フラグ -printer はありません。一覧は -h で表示します。", "there is no flag -printer; -h lists them"},
		{[]string{"-x"}, "フラグ -x はありません。一覧は -h で表示します。", "there is no flag -x; -h lists them"},
		{[]string{"-reader"}, "フラグ -reader の指定が正しくありません（カードの場所）。一覧は -h で表示します。", "flag needs an argument: -reader; -h lists the flags"},
		{[]string{"-wait", "soon"}, "フラグ -wait の指定が正しくありません（待つ時間）。一覧は -h で表示します。", `invalid value "soon" for flag -wait: parse error; -h lists the flags`},
		{[]string{"-json=si"}, "フラグ -json の指定が正しくありません（JSON）。一覧は -h で表示します。", `invalid boolean value "si" for -json: parse error; -h lists the flags`},
		{[]string{"-=x"}, "フラグの指定が正しくありません。一覧は -h で表示します。", "bad flag syntax: -=x; -h lists the flags"},
	} {
		for lang, want := range map[string]string{"ja": c.ja, "en": c.en} {
			f, out := flags(lang)
			err := speak.Parse(f, c.args)
			usage, ok := errors.AsType[*speak.UsageError](err)
			if assert.True(t, ok, "%q: %v", c.args, err) {
				assert.Equal(t, want, speak.In(lang, usage.Text))
			}
			assert.Empty(t, out.String(), "the caller says it")
		}
	}
	f, _ := flags("en")
	assert.ErrorContains(t, speak.Parse(f, []string{"-lang", "fr"}), "-lang is ja or en")
}

func TestHelp(t *testing.T) {
	f, out := flags("ja")
	assert.ErrorIs(t, speak.Parse(f, []string{"-h"}), flag.ErrHelp)
	assert.Equal(t, `usage
  -json
    	JSON
  -lang 言語
    	言語：ja または en。省略すると環境変数に従います
  -out ファイル
    	出力ファイル
  -reader 場所
    	カードの場所（初期値：sim）
  -wait 時間
    	待つ時間（初期値：1m0s）
`, out.String())
	f, _ = flags("ja")
	assert.NoError(t, speak.Parse(f, []string{"-lang", "ja", "-json", "rest"}))
	assert.Equal(t, []string{"rest"}, f.Args())
}

func flags(lang string) (*flag.FlagSet, *bytes.Buffer) {
	out := new(bytes.Buffer)
	say := speak.VoiceIn(lang)
	f := flag.NewFlagSet("test", flag.ContinueOnError)
	f.SetOutput(out)
	speak.LangFlag(f, say)
	f.String("reader", "sim", say("カードの`場所`", "`where` the card is"))
	f.String("out", "", say("出力`ファイル`", "output"))
	f.Duration("wait", time.Minute, say("待つ`時間`", "how `long`"))
	f.Bool("json", false, "JSON")
	f.Usage = func() {
		out.WriteString("usage\n")
		speak.PrintFlags(out, f, say)
	}
	return f, out
}

func TestExplain(t *testing.T) {
	in := func(lang string, err error) string { return speak.Explain(lang, err, advice.Explain(err)) }
	missing := &fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist}
	wrong := speak.Wrong("どちらかです。", "one or the other")
	own := speak.Fail("x は1行ではありません。", "x is more than one line", nil)
	caused := speak.Fail("x は使えません。", "x cannot be used", missing)
	for _, c := range []struct {
		err    error
		ja, en string
	}{
		{missing, "ファイルまたはフォルダーが見つかりません。指定した名前を確認してください。\n（詳細：open x: file does not exist）", "open x: file does not exist"},
		{&private.Error{Path: "x", Mode: 0o600}, "ほかのユーザーが x を読み書きできます。所有者だけが使えるように変更してください（chmod 600）。", "other users can read or change x: give it to its owner alone (chmod 600)"},
		{wrong, "どちらかです。", "one or the other"},
		{own, "x は1行ではありません。", "x is more than one line"},
		{caused, "x は使えません。\n（詳細：x cannot be used: open x: file does not exist）", "x cannot be used: open x: file does not exist"},
	} {
		assert.Equal(t, c.ja, in("ja", c.err))
		assert.Equal(t, c.en, in("en", c.err))
	}
	assert.ErrorIs(t, caused, fs.ErrNotExist)
}
