// Command vcard puts a software Individual Number Card (マイナンバーカード) into
// the PC/SC daemon of this machine, so that any program that uses cards can use
// it: OpenSC, OpenSSL, ssh, a browser, yours.
//
//	apt-get install pcscd vsmartcard-vpcd
//	pcscd                      # or: systemctl start pcscd
//	go run ./examples/vcard -panel
//	pkcs15-tool -D
//
// PINs are 1234 (user authentication), ABC123 (digital signature), 2345 (card-face
// text), 3456 (common application) and 4567 (resident register). The card stays in
// until Ctrl-C or SIGTERM. If the slot is taken, or pcscd is not there or ends, vcard
// says so on standard error and goes on trying. -kind puts in one that has expired,
// or a child's, or another that comes to a counter.
// -lang is ja or en; without it the environment says which.
//
// # Steering it
//
// With -control, tests in any language change the card, take it away, make
// exchanges fail and read what the card saw, over HTTP on loopback: see package
// simcard/control and docs/simulator.md. The first line on standard output tells
// where:
//
//	{"control":"http://127.0.0.1:40123","reader":"Virtual PCD 00 00","pid":4711,"slots":[…]}
//
// -panel is -control with a page for people at that address. -state keeps the card
// in a file, which is replaced before an answer leaves that follows a change: a try
// that was lost stays lost, even if vcard is killed. -wait prints the line only
// when the reader has powered the card, so that clients see it.
//
// # Many cards
//
// -addr may be given several times, once for each slot. The card in the next slot
// is of the next holder, its calls are under /slots/1, and its state is in FILE.1.
// "-addr auto" is the first of vpcd's two slots that no other vcard has.
//
// # Certificates
//
// -certs writes the card's certificates as auth.pem, authca.pem, sign.pem and
// signca.pem, and the lists of what their CAs have revoked, as auth.crl and
// sign.crl: with -kind revoked, this card. The certificates are from a test CA
// that nobody trusts, and the private keys are public. -clock pins the time of
// issue, so that every byte of them is the same in every run.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/mynakit/mynakit/apdu/vpcd"
	"github.com/mynakit/mynakit/examples/internal/speak"
	"github.com/mynakit/mynakit/examples/internal/version"
	"github.com/mynakit/mynakit/mykey/advice"
	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/simcard/control"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return
	}
	lang := speak.LanguageOf(os.Args[1:], os.Getenv)
	fmt.Fprintln(os.Stderr, "vcard:", speak.Explain(lang, err, advice.Explain(err)))
	if _, ok := errors.AsType[*speak.UsageError](err); ok {
		os.Exit(2)
	}
	os.Exit(1)
}

// options are the flags.
type options struct {
	addrs   []string
	kind    string
	holder  uint
	certs   string
	trace   bool
	control string
	panel   bool
	state   string
	wait    bool
	clock   time.Time
	version bool
	stderr  io.Writer
	say     speak.Voice
}

func parse(args []string, getenv func(string) string, stderr io.Writer) (*options, error) {
	stderr = &inTurn{w: stderr}
	say := speak.VoiceIn(speak.LanguageOf(args, getenv))
	o := &options{stderr: stderr, say: say}
	f := flag.NewFlagSet("vcard", flag.ContinueOnError)
	f.SetOutput(stderr)
	speak.LangFlag(f, say)
	f.Func("addr", say("vpcdがカードを待つ`アドレス`、または auto。複数回指定すると、その数のスロットになります（初期値：",
		"`address` where vpcd waits for the card, or auto; several are several slots (default ")+vpcd.DefaultAddr+say("）", ")"), func(addr string) error {
		if _, _, err := net.SplitHostPort(addr); err != nil && addr != auto {
			return errors.New("the address of vpcd is host:port, such as " + vpcd.DefaultAddr)
		}
		o.addrs = append(o.addrs, addr)
		return nil
	})
	kinds := strings.Join(simcard.SampleNames(), ", ")
	f.StringVar(&o.kind, "kind", "plastic", say("カードの`種類`：", "`kind` of card: ")+kinds)
	f.UintVar(&o.holder, "holder", 0, say("架空の利用者の`番号`", "`number` of the invented holder"))
	f.StringVar(&o.certs, "certs", "", say("カードの電子証明書と失効リストを書き出す`フォルダー`", "write the card's certificates, and the lists of revoked ones, to `DIR`"))
	f.BoolVar(&o.trace, "trace", false, say("コマンドの送受信を、秘密を伏せて標準エラー出力に書きます", "write the exchanges to standard error, secrets masked"))
	f.StringVar(&o.control, "control", "", say("操作用APIを待ち受ける、この端末だけの`アドレス`（例：空きポートなら 127.0.0.1:0）", "serve the control API at this loopback `address`, such as 127.0.0.1:0 for a free port"))
	f.BoolVar(&o.panel, "panel", false, say("操作用APIと、人が操作する画面を開きます", "serve the control API with a page for people"))
	f.StringVar(&o.state, "state", "", say("カードの状態を保存する`ファイル`", "keep the card in `FILE`"))
	f.BoolVar(&o.wait, "wait", false, say("プログラムからカードが見えるようになってから、最初の行を出力します", "print the first line only when clients can see the card"))
	f.Func("clock", say("カードを作成した`日時`（例：2026-04-01T00:00:00+09:00）。省略すると現在", "`time` at which the card is made, as 2026-04-01T00:00:00+09:00, instead of now"), func(text string) (err error) {
		o.clock, err = time.Parse(time.RFC3339, text)
		return err
	})
	f.BoolVar(&o.version, "version", false, say("バージョンを表示して終了します", "print the version and end"))
	f.Usage = func() {
		fmt.Fprintf(stderr, say("使い方：vcard [フラグ]\npcscdにソフトウェアカードをセットします。暗証番号：%s\nフラグ：\n", "usage: vcard [flags]\nputs a software card into pcscd; PINs: %s\nflags:\n"), pins())
		speak.PrintFlags(stderr, f, say)
	}
	switch err := speak.Parse(f, args); {
	case err != nil:
		return nil, err
	case f.NArg() > 0:
		return nil, speak.Wrong("フラグだけを指定してください。", "takes no arguments but flags")
	case !slices.Contains(simcard.SampleNames(), o.kind):
		return nil, speak.Wrong(fmt.Sprintf("カードの種類 %q はありません：%s", o.kind, kinds), fmt.Sprintf("there is no kind of card %q; known are %s", o.kind, kinds))
	}
	if len(o.addrs) == 0 {
		o.addrs = []string{vpcd.DefaultAddr}
	}
	if o.panel && o.control == "" {
		o.control = "127.0.0.1:0"
	}
	return o, nil
}

func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) (err error) {
	o, err := parse(args, getenv, stderr)
	if err != nil {
		return err
	}
	if o.version {
		_, err := fmt.Fprintln(stdout, version.Line("vcard"))
		return err
	}
	slots := make([]*slot, len(o.addrs))
	removed := ""
	defer func() {
		for _, s := range slots {
			if s != nil {
				err = errors.Join(err, s.Close())
			}
		}
		if err == nil && removed != "" {
			_, err = io.WriteString(stdout, removed)
		}
	}()
	for i := range slots {
		if slots[i], err = o.open(i); err != nil {
			return err
		}
	}
	if o.certs != "" {
		if err := writeCertificates(o.certs, slots[0].Slot); err != nil {
			return err
		}
	}
	base := ""
	if o.control != "" {
		served := make([]*control.Slot, len(slots))
		for i, s := range slots {
			served[i] = s.Slot
		}
		server, err := control.Serve(o.control, served...)
		if err != nil {
			return speak.Fail("-control には、この端末だけで使える空いているアドレス（例：127.0.0.1:0）を指定してください。", "-control", err)
		}
		defer server.Close()
		base = "http://" + server.Addr
	}
	for i, s := range slots {
		if !o.wait && o.addrs[i] != auto && base != "" {
			continue
		}
		if _, err := s.WaitInserted(ctx); err != nil {
			return nil // told to end while it waited
		}
	}
	if base != "" {
		err = json.NewEncoder(stdout).Encode(announce(base, slots, o.panel))
	} else {
		_, err = fmt.Fprintf(stdout, o.say("%s のカードを %s にセットしました。暗証番号（カードにあるもの）：%s。Ctrl+Cで取り外します。\n",
			"%s card inserted at %s; PINs, as far as it has them: %s; Ctrl-C removes it\n"), o.kind, strings.Join(o.addrs, ", "), pins())
	}
	if err != nil {
		return err
	}
	<-ctx.Done()
	if base == "" {
		removed = o.say("カードを取り外しました。\n", "card removed\n")
	}
	return nil
}

// pins may be told to everybody: they protect nobody.
func pins() string {
	return fmt.Sprintf("auth %s, sign %s, text %s, common %s, juki %s", simcard.DefaultAuthPIN, simcard.DefaultSignPIN,
		simcard.DefaultTextPIN, simcard.DefaultCommonPIN, simcard.DefaultJukiPIN)
}

// inTurn writes for several slots, and for their traces, one after the other.
type inTurn struct {
	mu sync.Mutex
	w  io.Writer
}

func (w *inTurn) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.w.Write(p)
}

// open makes the i-th slot.
func (o *options) open(i int) (*slot, error) {
	s := &slot{candidates: []string{o.addrs[i]}}
	if o.addrs[i] == auto {
		s.candidates = []string{vpcd.DefaultAddr, vpcd.SecondAddr}
	}
	if o.trace {
		s.trace = slog.New(slog.NewTextHandler(o.stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	cfg := control.Config{
		Card:    control.Setup{Kind: o.kind, Holder: o.holder + uint(i)},
		Connect: s.connect,
		Settle:  settle,
		Reader:  s.reader,
		Panel:   o.panel,
		State:   o.state,
		Notify:  func(text string) { o.notice(i, text) },
	}
	if o.state != "" && i > 0 {
		cfg.State += "." + strconv.Itoa(i)
	}
	if !o.clock.IsZero() {
		cfg.Clock = func() time.Time { return o.clock }
	}
	var err error
	if s.Slot, err = control.New(cfg); err != nil {
		return nil, speak.Fail("カードを用意できません。-state のファイルを確認してください。", "the card cannot be made", err)
	}
	return s, nil
}

// notice tells what has become of the card in the i-th slot. Package control knows
// it in English.
func (o *options) notice(i int, text string) {
	ja := "カードをセットできないため、繰り返し試みます。（詳細：" + text + "）"
	switch text {
	case control.NoticeIn:
		ja = "カードをセットしました。"
	case control.NoticeAway:
		ja = "カードリーダーとの接続が切れました。復帰すると、カードをセットし直します。"
	}
	fmt.Fprintf(o.stderr, o.say("vcard: スロット%d：%s\n", "vcard: slot %d: %s\n"), i, o.say(ja, text))
}

// A place is what the first line says about a slot.
type place struct {
	Control string `json:"control"`
	Reader  string `json:"reader"`
}

// announce returns the first line.
func announce(base string, slots []*slot, panel bool) any {
	line := struct {
		place
		Panel string  `json:"panel,omitempty"` // the page for people
		PID   int     `json:"pid"`
		Slots []place `json:"slots"`
	}{place: place{base, slots[0].reader()}, PID: os.Getpid()}
	if panel {
		line.Panel = base + "/"
	}
	for i, s := range slots {
		line.Slots = append(line.Slots, place{base + "/slots/" + strconv.Itoa(i), s.reader()})
	}
	return line
}

// writeCertificates leaves out what the card does not have, and takes away what
// another card left there.
func writeCertificates(dir string, slot *control.Slot) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, name := range control.AuthorityFiles() {
		file := filepath.Join(dir, name)
		content := slot.AuthorityFile(name)
		var err error
		if content == nil {
			if err = os.Remove(file); errors.Is(err, fs.ErrNotExist) {
				err = nil
			}
		} else {
			err = os.WriteFile(file, content, 0o644)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
