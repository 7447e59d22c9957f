package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/mynakit/mynakit/examples/internal/speak"
	"github.com/mynakit/mynakit/jpki"
)

// pinState is how a PIN stands.
type pinState struct {
	PIN     string `json:"pin"`
	Left    int    `json:"left"`
	Blocked bool   `json:"blocked"`
	label   string // in Japanese
}

func (s *session) pins(ctx context.Context, kinds ...jpki.PINKind) ([]pinState, error) {
	var all []pinState
	for _, p := range kinds {
		left, err := s.card.Tries(ctx, p)
		if errors.As(err, new(*jpki.NoApplicationError)) {
			continue // a phone
		}
		if err != nil {
			return nil, err
		}
		all = append(all, pinState{p.String(), left, left == 0, p.Label(jpki.Japanese)})
	}
	return all, nil
}

func (s *session) pinLines(pins []pinState) string {
	var b strings.Builder
	for _, p := range pins {
		state := fmt.Sprintf(s.say("残り%d回", "%d tries left"), p.Left)
		if p.Blocked {
			state = s.say("ロックされています", "blocked")
		}
		fmt.Fprintf(&b, s.say("%s：%s\n", "%-11s %s\n"), s.say(p.label, p.PIN+":"), state)
	}
	return b.String()
}

func pinsTask(*flag.FlagSet, speak.Voice) func(context.Context, *session) error {
	return func(ctx context.Context, s *session) error {
		if err := s.open(ctx); err != nil {
			return err
		}
		pins, err := s.pins(ctx, jpki.AuthPIN, jpki.SignPIN, jpki.TextPIN, jpki.JukiPIN, jpki.CommonPIN)
		if err != nil {
			return err
		}
		return s.print(struct {
			PINs []pinState `json:"pins"`
			cost
		}{pins, s.cost()}, s.pinLines(pins))
	}
}

func infoTask(*flag.FlagSet, speak.Voice) func(context.Context, *session) error {
	return func(ctx context.Context, s *session) error {
		if err := s.open(ctx); err != nil {
			return err
		}
		kind, err := s.card.Kind(ctx)
		if err != nil {
			return err
		}
		auth, err := s.card.HasCertificate(ctx, jpki.Auth)
		if err != nil {
			return err
		}
		sign, err := s.card.HasCertificate(ctx, jpki.Sign)
		if err != nil {
			return err
		}
		apps, err := s.card.Applications(ctx)
		if err != nil {
			return err
		}
		names := make([]string, len(apps))
		for i, app := range apps {
			names[i] = app.String()
		}
		pins, err := s.pins(ctx, jpki.AuthPIN, jpki.SignPIN)
		if err != nil {
			return err
		}
		yesNo := map[bool]string{true: s.say("あり", "yes"), false: s.say("なし", "no")}
		text := fmt.Sprintf(s.say("カードリーダー：%s\nATR：%X\n種類：%s\nカードアプリケーション：%s\n利用者証明用電子証明書：%s\n署名用電子証明書：%s\n",
			"reader:   %s\nATR:      %X\nkind:     %s\napplications: %s\nauth certificate: %s\nsign certificate: %s\n"),
			s.readerName(), s.atr, kind, strings.Join(names, ", "), yesNo[auth], yesNo[sign]) + s.pinLines(pins)
		return s.print(struct {
			Reader string     `json:"reader"`
			ATR    string     `json:"atr"`
			Kind   string     `json:"kind"`
			Apps   []string   `json:"applications"`
			Auth   bool       `json:"auth_certificate"`
			Sign   bool       `json:"sign_certificate"`
			PINs   []pinState `json:"pins"`
			cost
		}{oneLine(s.reader), fmt.Sprintf("%X", s.atr), kind.String(), names, auth, sign, pins, s.cost()}, text)
	}
}

// slots are the certificates by the name that a flag gives them.
func slot(name string) (jpki.Slot, error) {
	switch name {
	case "auth":
		return jpki.Auth, nil
	case "sign":
		return jpki.Sign, nil
	case "authca":
		return jpki.AuthCA, nil
	case "signca":
		return jpki.SignCA, nil
	}
	return 0, speak.Wrong(fmt.Sprintf("電子証明書 %q はありません：auth、sign、authca、signca", name),
		fmt.Sprintf("no certificate %q: auth, sign, authca or signca", name))
}

func serialTask(f *flag.FlagSet, say speak.Voice) func(context.Context, *session) error {
	which := f.String("cert", "auth", say("電子証明書の`種類`：auth、sign、authca、signca", "`which` certificate: auth, sign, authca or signca"))
	pin := pinFlags(f, say)
	return func(ctx context.Context, s *session) error {
		slot, err := slot(*which)
		if err != nil {
			return err
		}
		if err := s.open(ctx); err != nil {
			return err
		}
		if err := pin.verifyFor(ctx, s, slot); err != nil {
			return err
		}
		serial, err := s.card.Serial(ctx, slot)
		if err != nil {
			return err
		}
		// The number itself: whoever runs this task asks for it.
		return s.print(struct {
			Serial string `json:"serial"`
			cost
		}{serial.Hex(), s.cost()}, serial.Hex()+"\n")
	}
}

func certTask(f *flag.FlagSet, say speak.Voice) func(context.Context, *session) error {
	which := f.String("cert", "auth", say("電子証明書の`種類`：auth、sign、authca、signca", "`which` certificate: auth, sign, authca or signca"))
	der := f.Bool("der", false, say("PEMではなくDERで書き出します", "write DER and not PEM"))
	out := f.String("out", "", say("電子証明書を書き出す`ファイル`。省略すると標準出力", "write the certificate to `FILE`, and not to standard output"))
	pin := pinFlags(f, say)
	return func(ctx context.Context, s *session) error {
		slot, err := slot(*which)
		if err != nil {
			return err
		}
		if *der && *out == "" && !s.json {
			return speak.Wrong("-der には、-out でファイルを指定してください。", "-der wants -out FILE")
		}
		if err := s.open(ctx); err != nil {
			return err
		}
		if err := pin.verifyFor(ctx, s, slot); err != nil {
			return err
		}
		cert, err := s.card.Certificate(ctx, slot)
		if err != nil {
			return err
		}
		block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
		if *out != "" {
			content := block
			if *der {
				content = cert.Raw
			}
			// The sign certificate holds name and address: for its owner alone.
			if err := os.WriteFile(*out, content, 0o600); err != nil {
				return err
			}
		}
		if s.json {
			return s.print(certObject(cert, string(block), s.cost()), "")
		}
		if *out == "" {
			if _, err := s.stdout.Write(block); err != nil {
				return err
			}
			return s.printCost(s.stderr)
		}
		return s.print(nil, fmt.Sprintf(say("有効期間：%s から %s まで\n%s に書き出しました。\n", "valid %s to %s\nwritten to %s\n"), day(cert.NotBefore), day(cert.NotAfter), *out))
	}
}

type certJSON struct {
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	PEM       string    `json:"pem"`
	cost
}

func certObject(c *x509.Certificate, pem string, cost cost) certJSON {
	return certJSON{c.NotBefore, c.NotAfter, pem, cost}
}

// day gives a date as it is printed on the card: in Japan.
func day(t time.Time) string {
	return t.In(time.FixedZone("JST", 9*60*60)).Format(time.DateOnly)
}
