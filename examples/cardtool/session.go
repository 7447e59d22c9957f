package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/apdu/pcsc"
	"github.com/mynakit/mynakit/examples/internal/speak"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/simcard"
)

// A session is one task with its card and its output.
type session struct {
	stdin          *os.File
	stdout, stderr io.Writer
	catch          func() // catches signals from here on
	lang           string
	say            speak.Voice // in that language

	readerFlag string
	listen     string
	kind       []simcard.Option
	json       bool
	trace      bool
	wait       time.Duration

	app jpki.Application // that the task starts in; 0 is JPKI

	reader    string // where the card is
	atr       []byte
	card      *jpki.Card
	closeCard func() error
}

func (s *session) outputFlags(f *flag.FlagSet) {
	speak.LangFlag(f, s.say)
	f.BoolVar(&s.json, "json", false, s.say("結果を1つのJSONオブジェクトで出力します", "print one JSON object"))
}

func (s *session) flags(f *flag.FlagSet) {
	s.outputFlags(f)
	f.StringVar(&s.readerFlag, "reader", "sim", s.say("カードの`場所`：sim（ソフトウェアカード）、auto、phone、またはカードリーダーの名前かその一部", "`where` the card is: sim, auto, phone, or a reader's name or a part of it"))
	f.StringVar(&s.listen, "listen", "127.0.0.1:35963", s.say("-reader phone が待ち受ける`アドレス`。この機器の外に開くと、暗証番号が暗号化されずにネットワークを流れます", "`address` where -reader phone waits; any but loopback sends the PIN in the clear over that network"))
	f.Func("kind", s.say("ソフトウェアカードの`種類`：", "`kind` of the software card: ")+strings.Join(simcard.SampleNames(), ", "), func(name string) (err error) {
		s.kind, err = simcard.Sample(name, 0, time.Now())
		return err
	})
	f.BoolVar(&s.trace, "trace", false, s.say("コマンドの送受信を、秘密を伏せて標準エラー出力に書きます", "write the exchanges to standard error, secrets masked"))
	f.DurationVar(&s.wait, "wait", 30*time.Second, s.say("カードとその応答を待つ`時間`", "how `long` to wait for a card and for each of its answers"))
}

// open finds the card. A task calls it once its flags are found in order and
// what it is to sign has been read: nobody is asked for a card in vain.
func (s *session) open(ctx context.Context) error {
	t, err := s.transmitter(ctx)
	if err != nil {
		return err
	}
	var opts []jpki.Option
	if s.app != 0 {
		opts = append(opts, jpki.WithApplication(s.app))
	}
	s.card, err = jpki.Open(ctx, t, opts...)
	return err
}

// transmitter finds the card and leaves it as it is.
func (s *session) transmitter(ctx context.Context) (apdu.Transmitter, error) {
	card, closeCard, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	s.closeCard = closeCard
	s.catch()
	// The limit is for the card; a person who types a PIN takes the time that
	// it takes.
	var t apdu.Transmitter = patient{card, s.wait}
	if s.trace {
		t = apdu.Trace(t, slog.New(slog.NewTextHandler(s.stderr, &slog.HandlerOptions{Level: slog.LevelDebug})))
	}
	return t, nil
}

// readerName is where the card is, for people.
func (s *session) readerName() string {
	if s.readerFlag == "sim" {
		return s.say("ソフトウェアカード", s.reader)
	}
	return oneLine(s.reader)
}

// close lets go of the card, if there is one.
func (s *session) close() error {
	if s.closeCard == nil {
		return nil
	}
	return s.closeCard()
}

// connect gives the card and what ends the connection.
func (s *session) connect(ctx context.Context) (apdu.ContextTransmitter, func() error, error) {
	if s.readerFlag == "sim" {
		card := simcard.New(s.kind...)
		s.reader, s.atr = "software card", card.ATR()
		return card, func() error { return nil }, nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.wait)
	defer cancel()
	if s.readerFlag == "phone" {
		return s.connectPhone(ctx)
	}
	match, err := matching(ctx, s.readerFlag)
	if err != nil {
		return nil, nil, err
	}
	// Nobody else may use a PIN that is verified here: Next opens exclusively, and
	// closing takes the power and with it the PIN.
	var refused error
	card, err := pcsc.Server{Match: match, Patience: -1, Event: func(e pcsc.Event) {
		if e.Kind == pcsc.CardBusy {
			refused = e.Err
			fmt.Fprintf(s.stderr, s.say("%s：ほかのプログラムがカードを使っているため、待っています。（詳細：%v）\n", "%s: waiting for the card: %v\n"), oneLine(e.Reader), e.Err)
		}
	}}.Next(ctx)
	if err != nil && refused != nil {
		err = refused
	}
	if err != nil {
		return nil, nil, err
	}
	s.reader, s.atr = card.Reader(), card.ATR()
	return card, card.Close, nil
}

// matching returns which readers a name means: any for "auto", the reader of
// that name, or those with the name in theirs. It fails if there is none, or no
// service to ask: whoever types a command is not left waiting for that.
func matching(ctx context.Context, name string) (func(reader string) bool, error) {
	all, err := pcsc.Readers(ctx)
	if err != nil || name == "auto" {
		return nil, err
	}
	if slices.Contains(all, name) {
		return func(reader string) bool { return reader == name }, nil
	}
	match := func(reader string) bool { return strings.Contains(reader, name) }
	if !slices.ContainsFunc(all, match) {
		return nil, speak.Fail(fmt.Sprintf("名前に %q を含むカードリーダーはありません。接続中：%q", name, all), fmt.Sprintf("no reader with %q in its name; there are: %q", name, all), nil)
	}
	return match, nil
}

// patient gives the card a limit for each answer.
type patient struct {
	apdu.ContextTransmitter
	wait time.Duration
}

// Unwrap returns the card in its reader, which has transactions.
func (p patient) Unwrap() apdu.Transmitter { return p.ContextTransmitter }

func (p patient) TransmitContext(ctx context.Context, dst, command []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, p.wait)
	defer cancel()
	return p.ContextTransmitter.TransmitContext(ctx, dst, command)
}

// cost is what a task took, part of every JSON object.
type cost struct {
	Exchanges     int `json:"exchanges"`
	BytesSent     int `json:"bytes_sent"`
	BytesReceived int `json:"bytes_received"`
}

func (s *session) cost() cost {
	st := s.card.Stats()
	return cost{st.Exchanges, st.BytesSent, st.BytesReceived}
}

// print writes v as JSON, or text and the cost.
func (s *session) print(v any, text string) error {
	if s.json {
		return s.encode(v)
	}
	if _, err := io.WriteString(s.stdout, text); err != nil {
		return err
	}
	return s.printCost(s.stdout)
}

func (s *session) encode(v any) error {
	e := json.NewEncoder(s.stdout)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

func (s *session) printCost(w io.Writer) error {
	c := s.cost()
	_, err := fmt.Fprintf(w, s.say("（送受信%d回、送信%dバイト、受信%dバイト）\n", "(%d exchanges, %d bytes to the card, %d back)\n"), c.Exchanges, c.BytesSent, c.BytesReceived)
	return err
}
