package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/mynakit/mynakit/examples/internal/speak"
	"github.com/mynakit/mynakit/jpki"
)

// What these tasks print is what the card says. A program that relies on it
// calls the Verified methods with the keys of those who issue cards.

func attributesTask(f *flag.FlagSet, say speak.Voice) func(context.Context, *session) error {
	pin := pinFlags(f, say)
	return func(ctx context.Context, s *session) error {
		if err := s.open(ctx); err != nil {
			return err
		}
		if err := pin.verify(ctx, s, jpki.TextPIN); err != nil {
			return err
		}
		a, err := s.card.Attributes(ctx)
		if err != nil {
			return err
		}
		return s.print(struct {
			Name    string `json:"name"`
			Address string `json:"address"`
			Birth   string `json:"birth"`
			Sex     string `json:"sex"`
			cost
		}{a.Name(), a.Address(), a.Birth().String(), a.Sex().String(), s.cost()},
			fmt.Sprintf(s.say("氏名：%s\n住所：%s\n生年月日：%s\n性別：%s\n", "name:    %s\naddress: %s\nbirth:   %s\nsex:     %s\n"),
				oneLine(a.Name()), oneLine(a.Address()), a.Birth(), s.sex(a.Sex())))
	}
}

// sex returns a sex in the session's language.
func (s *session) sex(x jpki.Sex) string {
	switch x {
	case jpki.Male:
		return s.say("男", x.String())
	case jpki.Female:
		return s.say("女", x.String())
	}
	return s.say("不明", x.String())
}

func myNumberTask(f *flag.FlagSet, say speak.Voice) func(context.Context, *session) error {
	pin := pinFlags(f, say)
	return func(ctx context.Context, s *session) error {
		if err := s.open(ctx); err != nil {
			return err
		}
		if err := pin.verify(ctx, s, jpki.TextPIN); err != nil {
			return err
		}
		n, err := s.card.MyNumber(ctx)
		if err != nil {
			return err
		}
		return s.print(struct {
			MyNumber string `json:"my_number"`
			cost
		}{n.Digits(), s.cost()}, n.Digits()+"\n")
	}
}

func photoTask(f *flag.FlagSet, say speak.Voice) func(context.Context, *session) error {
	numberFile := f.String("number-file", "", say("照合番号A（個人番号12桁）またはB（14桁：生年月日の和暦YYMMDD、有効期限の西暦YYYY、セキュリティコード）を、`ファイル`の1行目から読み取ります。省略すると入力を求めます",
		"read verification number A (the My Number, 12 digits) or B (14 digits: birth date YYMMDD with the Japanese year, expiry YYYY, security code) from the first line of `FILE`; without it, it is asked for"))
	// What the other tasks call the file with the secret.
	pinFile := f.String("pin-file", "", say("-number-file と同じです。`ファイル`の番号が、顔写真の暗証番号にあたります", "another name of -number-file: the number in `FILE` is the PIN of the photograph"))
	out := f.String("out", "", say("顔写真（JPEG 2000）を書き出す`ファイル`", "write the photograph, JPEG 2000, to `FILE`"))
	asPNG := f.Bool("png", false, say("JPEG 2000ではなくPNGで書き出します。opj_decompress（Debianでは libopenjp2-tools）のインストールが必要です", "write PNG and not JPEG 2000; opj_decompress decodes it, which has to be installed (Debian: libopenjp2-tools)"))
	lastTry := f.Bool("last-try", false, say("残り1回でも照合します。違うとロックされます", "verify the number even if one try is left, at the risk of locking it"))
	return func(ctx context.Context, s *session) error {
		if *out == "" {
			return speak.Wrong("顔写真はバイナリです。-out でファイルを指定してください。", "a photograph is binary: say -out FILE")
		}
		if *numberFile != "" && *pinFile != "" {
			return speak.Wrong("-number-file と -pin-file は同じです。どちらかを指定してください。", "-number-file and -pin-file are the same: say one of them")
		}
		decoder := ""
		if *asPNG {
			var err error
			if decoder, err = exec.LookPath("opj_decompress"); err != nil {
				return speak.Wrong("-png には opj_decompress（Debianでは libopenjp2-tools）が必要です。インストールしてください。",
					"-png wants opj_decompress, which is not installed (Debian: libopenjp2-tools)")
			}
		}
		if err := s.open(ctx); err != nil {
			return err
		}
		number, err := readSecret(ctx, s, *numberFile+*pinFile, say("照合番号AまたはB", "verification number A or B"))
		if err != nil {
			return err
		}
		defer clear(number)
		kind := jpki.VisualNumberA
		if len(number) > 12 {
			kind = jpki.VisualNumberB
		}
		pin, err := jpki.NewPIN(kind, number)
		if err != nil {
			return err
		}
		defer pin.Clear()
		if err := s.card.Verify(ctx, pin, (&pinInput{lastTry: *lastTry}).options()...); err != nil {
			return err
		}
		face, err := s.card.Face(ctx)
		if err != nil {
			return err
		}
		photo := face.Photo()
		if decoder != "" {
			if photo, err = decodePhoto(ctx, decoder, photo, filepath.Dir(*out)); err != nil {
				return err
			}
		}
		if err := os.WriteFile(*out, photo, 0o600); err != nil {
			return err
		}
		return s.print(struct {
			Bytes int `json:"bytes"`
			cost
		}{len(photo), s.cost()}, fmt.Sprintf(say("顔写真（%dバイト）を %s に書き出しました。\n", "photograph of %d bytes written to %s\n"), len(photo), *out))
	}
}

// maxPNG bounds what is taken from the decoder.
const maxPNG = 16 << 20

// decodePhoto returns the photograph as PNG. The decoder reads and writes files
// alone; both lie in a folder of its own beside the result, and are gone
// afterwards.
func decodePhoto(ctx context.Context, decoder string, jp2 []byte, beside string) (png []byte, err error) {
	dir, err := os.MkdirTemp(beside, ".photo-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	in, out := filepath.Join(dir, "photo.jp2"), filepath.Join(dir, "photo.png")
	if err := os.WriteFile(in, jp2, 0o600); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := exec.CommandContext(ctx, decoder, "-quiet", "-i", in, "-o", out).Run(); err != nil {
		return nil, speak.Fail("opj_decompress で顔写真を変換できませんでした。", "opj_decompress does not decode the photograph", err)
	}
	f, err := os.Open(out)
	if err != nil {
		return nil, speak.Fail("opj_decompress は何も書き出しませんでした。", "opj_decompress wrote nothing", err)
	}
	defer f.Close()
	png, err = io.ReadAll(io.LimitReader(f, maxPNG+1))
	if err == nil && len(png) > maxPNG {
		err = speak.Fail("opj_decompress が書き出したファイルが大きすぎます。", "opj_decompress wrote too much", nil)
	}
	return png, err
}

func commonTask(*flag.FlagSet, speak.Voice) func(context.Context, *session) error {
	return func(ctx context.Context, s *session) error {
		if err := s.open(ctx); err != nil {
			return err
		}
		d, err := s.card.CommonData(ctx)
		if err != nil {
			return err
		}
		return s.print(struct {
			Manufacturing string `json:"manufacturing_number"`
			Municipality  string `json:"municipality"`
			Expiry        string `json:"expiry"`
			cost
		}{d.ManufacturingNumber(), d.Municipality(), d.Expiry().String(), s.cost()},
			fmt.Sprintf(s.say("製造番号：%s\n市区町村コード：%s\n有効期限：%s\n", "manufacturing number: %s\nmunicipality:         %s\nexpiry:               %s\n"),
				d.ManufacturingNumber(), d.Municipality(), d.Expiry()))
	}
}

func passwdTask(f *flag.FlagSet, say speak.Voice) func(context.Context, *session) error {
	which := f.String("pin", "", say("暗証番号の`種類`：auth、sign、text、juki、common", "`which` PIN: auth, sign, text, juki or common"))
	pin := pinFlags(f, say)
	newFile := f.String("new-pin-file", "", say("新しい暗証番号を`ファイル`の1行目から読み取ります。省略すると2回入力を求めます", "read the new PIN from the first line of `FILE`; without it, it is asked for twice"))
	return func(ctx context.Context, s *session) error {
		kind, ok := map[string]jpki.PINKind{"auth": jpki.AuthPIN, "sign": jpki.SignPIN, "text": jpki.TextPIN,
			"juki": jpki.JukiPIN, "common": jpki.CommonPIN}[*which]
		if !ok {
			return speak.Wrong(fmt.Sprintf("暗証番号の種類 %q はありません：-pin には auth、sign、text、juki、common のいずれかを指定してください。", *which),
				fmt.Sprintf("no PIN %q: -pin auth, sign, text, juki or common", *which))
		}
		if err := s.open(ctx); err != nil {
			return err
		}
		old, err := readPIN(ctx, s, pin.file, kind, say("現在の", "old ")+s.pinName(kind))
		if err != nil {
			return err
		}
		defer old.Clear()
		to, err := newPIN(ctx, s, *newFile, kind)
		if err != nil {
			return err
		}
		defer to.Clear()
		if err := s.card.ChangePIN(ctx, old, to, pin.options()...); err != nil {
			return err
		}
		return s.print(struct {
			PIN     string `json:"pin"`
			Changed bool   `json:"changed"`
			cost
		}{kind.String(), true, s.cost()}, s.pinName(kind)+say("を変更しました。\n", " is changed\n"))
	}
}

// newPIN asks twice, for a slip of the finger would lock the holder out.
func newPIN(ctx context.Context, s *session, file string, kind jpki.PINKind) (jpki.PIN, error) {
	first, err := readSecret(ctx, s, file, s.say("新しい", "new ")+s.pinName(kind))
	if err != nil {
		return jpki.PIN{}, err
	}
	defer clear(first)
	if file == "" {
		again, err := readSecret(ctx, s, "", s.say("新しい", "new ")+s.pinName(kind)+s.say("（もう一度）", " again"))
		if err != nil {
			return jpki.PIN{}, err
		}
		defer clear(again)
		if string(first) != string(again) {
			return jpki.PIN{}, speak.Wrong("2回入力した新しい暗証番号が一致しません。変更していません。", "the two new PINs differ; nothing was changed")
		}
	}
	return jpki.NewPIN(kind, first)
}
