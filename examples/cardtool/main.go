// Command cardtool looks at an Individual Number Card (マイナンバーカード) and
// works with it, one task at a time.
//
//	cardtool info                      what the card is, and how many PIN tries are left
//	cardtool pins                      the PIN tries alone; none is spent
//	cardtool serial                    the serial number of a certificate
//	cardtool cert -out auth.pem        a certificate
//	cardtool verify -key auth          check a PIN: a wrong one costs a try
//	cardtool sign -key auth -in FILE -out FILE.sig
//
//	cardtool attributes                name, address, birth date and sex
//	cardtool mynumber                  the My Number
//	cardtool photo -out photo.jp2      the photograph; with -png as PNG
//	cardtool common                    the card's own number, municipality, expiry
//	cardtool passwd -pin text          change a PIN
//	cardtool cms-sign -in FILE -out FILE.p7m
//	cardtool cms-verify -roots CA.pem -in FILE.p7m
//	cardtool survey -reader auto -out report.json
//	                                   what needs no PIN, beside the software card
//	cardtool compare -in trace.txt     a trace of your own beside the software card
//	cardtool phone -listen 192.168.0.10:35963
//	                                   info, with a phone as the reader
//
// Every task takes -reader: sim (a software card, the default), auto (whichever
// PC/SC reader gets a card first), phone (see below), or a reader's name or a
// part of it; -json
// for one JSON object; -trace for the exchanges, secrets masked, on standard
// error; -lang ja or en, without which the environment says. PINs are asked for without echo, or come from -pin-file; they are
// never an argument, which every other user of the machine could read.
//
// With -reader phone a QR code is shown; the app Remote Smart Card Reader on a
// phone scans it and connects the card that is held to the phone. The link is
// plain: whoever connects first is the card, and the PIN can be read on the way.
// It waits on loopback until -listen names an address of this machine that the
// phone can reach. Use a network of your own.
//
// The software card's PINs are 1234 (auth), ABC123 (sign), 2345 (text), 3456
// (common) and 4567 (juki); -kind makes it one that has expired, or a child's, or
// another that comes to a counter. A real reader needs a build with PC/SC: see
// package apdu/pcsc.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/apdu/pcsc"
	"github.com/mynakit/mynakit/examples/internal/console"
	"github.com/mynakit/mynakit/examples/internal/speak"
	"github.com/mynakit/mynakit/examples/internal/version"
	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/jpki/unlock"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/advice"
	"github.com/mynakit/mynakit/simcard"
)

func main() {
	ctx, cancel := context.WithCancelCause(context.Background())
	// Until there is a card to let go of, a signal just ends the program.
	catch := func() {
		caught, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
		context.AfterFunc(caught, func() {
			stop() // a second one ends it, whatever it does
			cancel(context.Cause(caught))
		})
	}
	os.Exit(run(ctx, catch, os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr))
}

// A task is one subcommand.
type task struct {
	name, about string
	// flags adds the task's own flags and gives what runs it.
	flags func(*flag.FlagSet, speak.Voice) func(context.Context, *session) error
	// app is the application that the task starts in; 0 is JPKI.
	app jpki.Application
	// cardless marks a task that works without a card.
	cardless bool
	// more is what there is to know besides the flags.
	more string
}

func tasks(say speak.Voice) []task {
	return []task{
		{name: "info", about: say("カードの種類と、暗証番号の残り回数", "what the card is, and how many PIN tries are left"), flags: infoTask},
		{name: "pins", about: say("暗証番号の残り回数。回数は減りません", "how many PIN tries are left; none is spent"), flags: pinsTask},
		{name: "serial", about: say("電子証明書の発行番号", "the serial number of a certificate"), flags: serialTask},
		{name: "cert", about: say("電子証明書（PEMまたはDER）", "a certificate, as PEM or DER"), flags: certTask},
		{name: "verify", about: say("暗証番号を照合します。違うと残り回数が減ります", "check a PIN; a wrong one costs a try"), flags: verifyTask},
		{name: "sign", about: say("カードの鍵でファイルに署名します", "sign a file with a key of the card"), flags: signTask},
		{name: "attributes", about: say("氏名・住所・生年月日・性別（券面事項入力補助用の暗証番号）", "name, address, birth date and sex (text PIN)"), flags: attributesTask, app: jpki.TextApp},
		{name: "mynumber", about: say("個人番号（券面事項入力補助用の暗証番号）。取得できる者は法律で定められています", "the My Number (text PIN); the law says who may ask"), flags: myNumberTask, app: jpki.TextApp},
		{name: "photo", about: say("顔写真（JPEG 2000またはPNG。照合番号AまたはB）", "the photograph, as JPEG 2000 or PNG (verification number A or B)"), flags: photoTask, app: jpki.VisualApp},
		{name: "common", about: say("カードの製造番号・市区町村コード・有効期限", "the card's own number, municipality and expiry"), flags: commonTask, app: jpki.CommonApp},
		{name: "passwd", about: say("暗証番号を変更します", "change a PIN"), flags: passwdTask},
		{name: "cms-sign", about: say("ファイルに署名し、CMSメッセージ（RFC 5652）にします", "sign a file as a CMS message (RFC 5652)"), flags: cmsSignTask,
			more: say("利用者証明用の電子証明書はクライアント認証専用です。opensslは、-purpose any がないと\n"+
				"\"unsuitable certificate purpose\" として受け付けません。\n"+
				"  openssl cms -verify -inform DER -in FILE.p7m -CAfile authca.pem -purpose any\n"+
				"-key sign のメッセージに -purpose は不要です。",
				"The certificate of the auth key is for client authentication alone. openssl refuses it\n"+
					"with \"unsuitable certificate purpose\" without -purpose any:\n"+
					"  openssl cms -verify -inform DER -in FILE.p7m -CAfile authca.pem -purpose any\n"+
					"A message of -key sign needs no -purpose.")},
		{name: "cms-verify", about: say("CMSメッセージ（DERまたはPEM）を検証します。カードは不要です", "verify a CMS message, DER or PEM; without a card"), flags: cmsVerifyTask, cardless: true},
		{name: "survey", about: say("暗証番号が不要で残り回数の減らない項目をカードに問い合わせ、ソフトウェアカードと比べます", "ask a card what needs no PIN and spends no try, and hold it against the software card"), flags: surveyTask,
			more: say("報告に入るのはステータスワード、タグ、長さだけで、本人の情報は入りません。送り方は\n"+
				"docs/ja/card.md にあります。-in を指定すると、カードの代わりに報告を読み込みます。",
				"The report holds status words, tags and lengths, and nothing of its holder: docs/card.md\n"+
					"says how to send it in. With -in a report is read instead of a card.")},
		{name: "compare", about: say("コマンドと応答の記録を、ソフトウェアカードと比べます", "hold a trace of commands and replies against the software card"), flags: compareTask, cardless: true,
			more: say("記録はテキストです。コマンドを16進数で1行に、ステータスワードまでの応答を次の行に書きます。\n"+
				"空白、コロン、行頭の > や < などの記号は無視します。",
				"The trace is text: a command in hexadecimal on one line, its reply with the status word\n"+
					"on the next. Spaces, colons and marks such as > and < in front are passed over.")},
		{name: "phone", about: say("スマートフォンをカードリーダーにして info を行います（QRコードを表示します）", "info, with a phone as the reader (a QR code is shown)"), flags: phoneTask},
	}
}

const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

// run does one task. It calls catch before the card is powered.
func run(ctx context.Context, catch func(), args []string, getenv func(string) string, stdin *os.File, stdout, stderr io.Writer) int {
	lang := speak.LanguageOf(args, getenv)
	say := speak.VoiceIn(lang)
	if len(args) == 0 {
		usage(stderr, say)
		return exitUsage
	}
	if args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		out := console.To(stdout)
		if usage(out, say); out.Err() != nil {
			fmt.Fprintln(stderr, "cardtool:", explain(lang, out.Err()))
			return exitError
		}
		return exitOK
	}
	if version.Asked(args) {
		out := console.To(stdout)
		if fmt.Fprintln(out, version.Line("cardtool")); out.Err() != nil {
			fmt.Fprintln(stderr, "cardtool:", explain(lang, out.Err()))
			return exitError
		}
		return exitOK
	}
	for _, t := range tasks(say) {
		if t.name != args[0] {
			continue
		}
		f := flag.NewFlagSet("cardtool "+t.name, flag.ContinueOnError)
		f.SetOutput(stderr)
		s := &session{stdin: stdin, stdout: stdout, stderr: stderr, catch: catch, lang: lang, say: say, app: t.app}
		if t.cardless {
			s.outputFlags(f)
		} else {
			s.flags(f)
		}
		do := t.flags(f, say)
		f.Usage = func() { t.usage(f, say) }
		err := speak.Parse(f, args[1:])
		switch {
		case errors.Is(err, flag.ErrHelp):
			return exitOK
		case err == nil && f.NArg() > 0:
			err = speak.Wrong("フラグだけを指定してください。", "takes no arguments but flags")
		case err == nil:
			err = errors.Join(do(ctx, s), s.close())
		}
		if err == nil {
			return exitOK
		}
		fmt.Fprintf(stderr, "%s: %s\n", f.Name(), explain(lang, err))
		if _, ok := errors.AsType[*speak.UsageError](err); ok {
			return exitUsage
		}
		return exitError
	}
	fmt.Fprintf(stderr, say("cardtool: タスク %q はありません\n", "cardtool: no task %q\n"), args[0])
	usage(stderr, say)
	return exitUsage
}

// explain returns what went wrong, and what the person at the reader can do.
func explain(lang string, err error) string {
	if _, ok := errors.AsType[*speak.UsageError](err); ok {
		return speak.Explain(lang, err, advice.Advice{})
	}
	a := shop.Explain(err)
	h := hint(err, time.Now())
	if h.JA != "" {
		a.Do.JA = "\n" + h.JA
	}
	text := speak.Explain(lang, err, a)
	if lang != "ja" && h.EN != "" {
		text += "\n" + h.EN
	}
	return text
}

func usage(w io.Writer, say speak.Voice) {
	fmt.Fprintln(w, say("使い方：cardtool タスク [フラグ]（フラグの一覧は cardtool タスク -h、バージョンは cardtool -version）",
		"usage: cardtool TASK [flags]    (cardtool TASK -h lists the flags, cardtool -version prints the version)"))
	for _, t := range tasks(say) {
		fmt.Fprintf(w, "  %-10s %s\n", t.name, t.about)
	}
	fmt.Fprintln(w, softwarePINs(say))
}

// usage tells what a task does, and its flags.
func (t task) usage(f *flag.FlagSet, say speak.Voice) {
	w := f.Output()
	fmt.Fprintf(w, say("使い方：%s [フラグ]\n%s\n", "usage: %s [flags]\n%s\n"), f.Name(), t.about)
	if t.more != "" {
		fmt.Fprintln(w, t.more)
	}
	if !t.cardless {
		fmt.Fprintln(w, softwarePINs(say))
	}
	fmt.Fprintln(w, say("フラグ：", "flags:"))
	speak.PrintFlags(w, f, say)
}

// softwarePINs may be told to everybody: they protect nobody.
func softwarePINs(say speak.Voice) string {
	return fmt.Sprintf(say("ソフトウェアカードの暗証番号：", "PINs of the software card: ")+"auth %s, sign %s, text %s, common %s, juki %s", simcard.DefaultAuthPIN,
		simcard.DefaultSignPIN, simcard.DefaultTextPIN, simcard.DefaultCommonPIN, simcard.DefaultJukiPIN)
}

// hint tells what the person at the reader can do about an error. It is the zero
// Text where package advice says enough in Japanese and nothing is known in English.
func hint(err error, now time.Time) mykey.Text {
	say := func(ja, en string) mykey.Text { return mykey.Text{JA: ja, EN: en} }
	var pin *jpki.PINError
	var form *jpki.FormatError
	switch {
	case errors.As(err, &form) && (form.PIN == jpki.VisualNumberA || form.PIN == jpki.VisualNumberB):
		return say("顔写真には暗証番号ではなく、カードに記載された照合番号AまたはBを使います。桁数は `cardtool photo -h` で確認してください。",
			"No PIN opens the photograph, but verification number A or B, which stands on the card: `cardtool photo -h` tells their digits.")
	case errors.As(err, &pin) && pin.Blocked:
		var ja, en []string
		for _, way := range unlock.Ways(pin.PIN, now) {
			ja, en = append(ja, way.Text(jpki.Japanese)), append(en, way.Text(jpki.English))
		}
		return say(strings.Join(ja, "\n"), strings.Join(en, "\n"))
	case errors.As(err, &pin):
		return say("番号を確認してから、もう一度入力してください。正しい番号を照合すると、残り回数は元に戻ります。",
			"Check the PIN before the next try: the counter goes back to full only with a right one.")
	case errors.As(err, &form):
		return say("桁数と文字の種類を確認してください。", "")
	case errors.As(err, new(*jpki.LastTryError)):
		return say("番号が確かなときは、-last-try を指定してください。", "Nothing was sent. If you are sure of the PIN, say -last-try.")
	case errors.Is(err, jpki.ErrOutcomeUnknown):
		return say("`cardtool pins` で残り回数を確認してください。", "The card left while it looked at the PIN. `cardtool pins` tells how many tries are left.")
	case errors.As(err, new(*jpki.PINRequiredError)):
		return say("-ask-pin または -pin-file で暗証番号を入力してください。", "Give the PIN: say -ask-pin, or -pin-file FILE.")
	case errors.As(err, new(*jpki.NoApplicationError)):
		return say("スマートフォンと一部のカードには、この情報がありません。", "Phones, and some cards, do not hold this.")
	case errors.Is(err, jpki.ErrReaderLimit):
		return say("別のカードリーダーを使ってください。このカードリーダーの設定では解決しません。", "Use another reader: no setting of this one helps.")
	case errors.Is(err, apdu.ErrCardReset), errors.Is(err, jpki.ErrCardChanged):
		return say("カードを使用中のプログラムを終了してから、やり直してください。照合した暗証番号は無効になっています。",
			"Another program uses the card. Close it and try again; nothing is verified any more.")
	case errors.Is(err, apdu.ErrCardRemoved):
		return say("終わるまで、カードをカードリーダーから動かさないでください。", "Keep the card still on the reader until the task is done.")
	case errors.Is(err, pcsc.ErrSharing):
		return say("カードを使用中のプログラムを終了してから、やり直してください。", "Another program holds the card. Close it and try again.")
	case errors.Is(err, context.DeadlineExceeded):
		return say("カードがセットされなかったか、応答しなくなりました。待つ時間は -wait で指定できます。", "No card came in time, or it stopped answering: see -wait.")
	}
	return mykey.Text{}
}

// oneLine keeps what a reader calls itself from breaking the output.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7F {
			return '?'
		}
		return r
	}, s)
}
