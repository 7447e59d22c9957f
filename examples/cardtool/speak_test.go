package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/apdu/pcsc"
	"github.com/mynakit/mynakit/examples/internal/speak"
	"github.com/mynakit/mynakit/examples/internal/speak/speaktest"
	"github.com/mynakit/mynakit/jpki"
)

// notEnglish checks what a run in Japanese printed. An error of a library follows
// in brackets, and is in English; openssl says what it says.
func notEnglish(t *testing.T, text, about string) {
	t.Helper()
	text = regexp.MustCompile(`（詳細：.*）`).ReplaceAllString(text, "")
	text = strings.ReplaceAll(text, `"unsuitable certificate purpose"`, "")
	text = regexp.MustCompile(`(?m)^  openssl .*$`).ReplaceAllString(text, "")
	assert.Empty(t, speaktest.English(text), "%s: %s", about, text)
}

var notASCII = regexp.MustCompile(`[\p{Hiragana}\p{Katakana}\p{Han}]`)

func TestHelpInJapanese(t *testing.T) {
	out, errs, code := tool(t, "help", "-lang", "ja")
	require.Equal(t, exitOK, code)
	assert.Contains(t, out, "使い方：cardtool タスク")
	notEnglish(t, out+errs, "help")
	for _, task := range tasks(speak.VoiceIn("ja")) {
		_, errs, code := tool(t, task.name, "-lang", "ja", "-h")
		require.Equal(t, exitOK, code)
		assert.Contains(t, errs, task.about)
		notEnglish(t, errs, task.name)
		_, errs, code = tool(t, task.name, "-lang", "en", "-h")
		require.Equal(t, exitOK, code)
		assert.NotRegexp(t, notASCII, errs, task.name)
	}
}

func TestUsageInJapanese(t *testing.T) {
	for args, want := range map[string]string{
		"nonsense -lang ja":      `タスク "nonsense" はありません`,
		"serial extra":           "フラグだけを指定してください。",
		"serial -ceert auth":     "-cert ではありませんか",
		"serial -kind blue":      "フラグ -kind の指定が正しくありません（ソフトウェアカードの種類：plastic",
		"serial -cert other":     `電子証明書 "other" はありません`,
		"cert -der":              "-der には、-out",
		"verify -key other":      `鍵 "other" はありません`,
		"sign":                   "署名はバイナリです。",
		"sign -out x -hash md5":  `ハッシュ "md5" はありません`,
		"photo":                  "顔写真はバイナリです。",
		"passwd -pin all":        `暗証番号の種類 "all" はありません`,
		"cms-sign":               "メッセージはバイナリです。",
		"cms-verify":             "信頼する証明書がありません。",
		"compare":                "-in で記録のファイル",
		"compare -in x -kind no": `カードの種類 "no" はありません`,
		"phone -listen 35963":    "ホストとポート",
		"phone -listen :35963":   "スマートフォンから接続できる",
	} {
		task, rest, _ := strings.Cut(args, " ")
		_, errs, code := tool(t, append([]string{task, "-lang", "ja"}, strings.Fields(rest)...)...)
		assert.Equal(t, exitUsage, code, args)
		assert.Contains(t, errs, want)
		notEnglish(t, errs, args)
		_, errs, code = tool(t, append([]string{task, "-lang=en"}, strings.Fields(rest)...)...)
		assert.Equal(t, exitUsage, code, args)
		assert.NotRegexp(t, notASCII, errs, args)
	}
	_, errs, code := tool(t, "serial", "-nonsense")
	assert.Equal(t, exitUsage, code)
	assert.Equal(t, "cardtool serial: there is no flag -nonsense; -h lists them\n", errs)
}

// The tasks themselves, with their answers, and one that fails.
func TestTasksInJapanese(t *testing.T) {
	dir := t.TempDir()
	pin := func(name, pin string) string {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, []byte(pin), 0o600))
		return file
	}
	auth, text, number, empty := pin("auth", "1234"), pin("text", "2345"), pin("number", "123456789018"), pin("empty", "\n")
	out := filepath.Join(dir, "out")
	for args, want := range map[string]string{
		"info":                         "種類：plastic",
		"pins":                         "利用者証明用電子証明書の暗証番号（数字4桁）：残り3回",
		"serial":                       "（送受信2回、",
		"cert -out " + out:             "有効期間：",
		"verify -pin-file " + auth:     "を照合しました。",
		"attributes -pin-file " + text: "性別：",
		"common":                       "製造番号：",
		"passwd -pin text -pin-file " + text + " -new-pin-file " + auth: "を変更しました。",
		"sign -pin-file " + auth + " -in " + auth + " -out " + out:      "署名（256バイト）を",
		"cms-sign -pin-file " + auth + " -in " + auth + " -out " + out:  "メッセージ（",
		"survey -yes -out " + out:                                       "違い：",
	} {
		stdout, errs, code := tool(t, append(strings.Fields(args), "-lang", "ja")...)
		assert.Equal(t, exitOK, code, "%s: %s", args, errs)
		assert.Contains(t, stdout+errs, want, args)
		notEnglish(t, stdout+errs, args)
	}
	for args, want := range map[string]string{
		"verify -pin-file " + text:                          "が違います。残り2回です。\n番号を確認してから、",
		"verify -key sign -pin-file " + text:                "暗証番号の形式が正しくありません。カードには送信していません。\n桁数と",
		"verify -pin-file " + empty:                         "1行目に暗証番号を",
		"verify -pin-file nowhere":                          "ファイルまたはフォルダーが見つかりません。",
		"serial -kind android":                              "-ask-pin または -pin-file",
		"mynumber -kind pinless -pin-file " + text:          "暗証番号がロックされています。",
		"photo -out x -number-file " + auth:                 "照合番号AまたはBを使います。",
		"photo -out x -kind android -number-file " + number: "スマートフォンと一部のカード",
		"survey -out x":                                     "カードには何も送信していません。",
	} {
		stdout, errs, code := tool(t, append(strings.Fields(args), "-lang", "ja")...)
		assert.Equal(t, exitError, code, args)
		assert.Contains(t, errs, want, args)
		notEnglish(t, stdout+errs, args)
	}
	// What programs read is the same in both languages.
	for _, args := range []string{"info -json", "pins -json", "serial -json", "cert -json", "common -json", "verify -json -pin-file " + auth} {
		ja, _, _ := tool(t, append(strings.Fields(args), "-lang", "ja")...)
		en, _, _ := tool(t, append(strings.Fields(args), "-lang", "en")...)
		assert.Equal(t, en, ja)
	}
	var said strings.Builder
	for _, address := range []string{"127.0.0.1", "192.0.2.5"} {
		io.WriteString(&said, invitation(speak.VoiceIn("ja"), net.ParseIP(address), "35963"))
	}
	assert.Contains(t, said.String(), "この通信は暗号化されません。")
	// The name of the app stays.
	notEnglish(t, strings.ReplaceAll(said.String(), "Remote Smart Card Reader", ""), "phone")
}

// What can go wrong with readers and cards is said in Japanese too.
func TestHintsInJapanese(t *testing.T) {
	for _, err := range []error{
		&jpki.PINError{PIN: jpki.AuthPIN, Blocked: true},
		&jpki.LastTryError{PIN: jpki.AuthPIN},
		fmt.Errorf("%w: %w", jpki.ErrOutcomeUnknown, apdu.ErrCardRemoved),
		&jpki.PINRequiredError{PIN: jpki.SignPIN},
		jpki.ErrReaderLimit, jpki.ErrCardChanged, apdu.ErrCardReset, apdu.ErrCardRemoved,
		pcsc.ErrSharing, pcsc.ErrNoService, pcsc.ErrNoCard,
		context.DeadlineExceeded,
		errors.New("of a kind that nobody knows"),
	} {
		text := explain("ja", fmt.Errorf("step: %w", err))
		assert.Regexp(t, notASCII, text)
		notEnglish(t, text, err.Error())
	}
}
