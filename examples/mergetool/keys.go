package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/mynakit/mynakit/examples/internal/console"
	"github.com/mynakit/mynakit/examples/internal/private"
	"github.com/mynakit/mynakit/examples/internal/speak"
	"github.com/mynakit/mynakit/mergefile"
)

// shared are the flags that most tasks have.
type shared struct {
	profile, keyFile, keyFormat, keyID, secretFile string
}

func (s *shared) add(f *flag.FlagSet, say speak.Voice) {
	f.StringVar(&s.profile, "profile", "Standard", say("プロファイル：プリセットの`名前`、またはJSONファイル", "a preset's `name`, or a JSON file"))
	s.addKeys(f, say)
}

func (s *shared) addKeys(f *flag.FlagSet, say speak.Voice) {
	f.StringVar(&s.keyFile, "key-file", "", say("鍵の`ファイル`", "the `file` that holds the key"))
	f.StringVar(&s.keyFormat, "key-format", "hex", say("鍵ファイルの`表記`：hex、base64、またはプロファイルに任せる raw。末尾の改行は鍵に含みません（そのままAESの鍵になる、16バイトのrawファイルを除く）",
		"how the file spells the key: hex, base64, or raw, which leaves it to the profile; a line end behind the key does not count, but in a raw file of 16 bytes, which is an AES key as it is"))
	f.StringVar(&s.keyID, "key-id", "k1", say("封筒とサイドカーに書く、鍵の`識別子`", "the key's identifier, for envelopes and sidecars"))
	f.StringVar(&s.secretFile, "secret-file", "", say("改ざん検知用ハッシュ値の特定の文字列を1行で入れた`ファイル`。末尾の改行は含みません", "the `file` that holds the hash secret, one line; a line end behind it is not a part of it"))
}

var errKeys = speak.Wrong("-key-file と -secret-file を指定してください。", "give -key-file and -secret-file")

func (s *shared) load() (p mergefile.Profile, k mergefile.Key, err error) {
	if s.keyFile == "" || s.secretFile == "" {
		return p, k, errKeys
	}
	if p, err = loadProfile(s.profile); err != nil {
		return p, k, err
	}
	material, err := s.loadKey(p.Cipher.Key)
	if err != nil {
		return p, k, err
	}
	secret, err := readSecret(s.secretFile)
	if err != nil {
		return p, k, err
	}
	k, err = mergefile.NewKey(s.keyID, material, secret)
	return p, k, err
}

func loadProfile(name string) (mergefile.Profile, error) {
	if p, ok := mergefile.Preset(name); ok {
		return p, nil
	}
	data, err := os.ReadFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return mergefile.Profile{}, speak.Fail(fmt.Sprintf("%q というプリセットもファイルもありません。", name), fmt.Sprintf("no preset and no file is named %q", name), nil)
	case err != nil:
		return mergefile.Profile{}, err
	}
	p, err := mergefile.ParseProfile(data)
	if err != nil {
		err = speak.Fail("プロファイル "+name+" が正しくありません。", "profile "+name, errors.New(strings.ReplaceAll(err.Error(), "\n", "; "))) // a fault each
	}
	return p, err
}

// loadKey reads the key for a profile's key form. No error of it says what is
// in the file.
func (s *shared) loadKey(form mergefile.KeyForm) ([]byte, error) {
	data, err := private.ReadFile(s.keyFile)
	if err != nil {
		return nil, err
	}
	line := trimLine(data)
	if s.keyFormat != "raw" && hasMark(data) {
		return nil, marked(s.keyFile)
	}
	switch s.keyFormat {
	case "hex":
		if data, err = hex.DecodeString(string(line)); err != nil {
			return nil, speak.Fail(s.keyFile+" は16進数ではありません。-key-format を確認してください。", s.keyFile+" is not hexadecimal: see -key-format", nil)
		}
		if form == mergefile.KeyHex && len(data) == rawKeySize {
			return line, nil // the profile decodes it
		}
	case "base64":
		// The decoder would step over line ends.
		data, err = base64.StdEncoding.Strict().DecodeString(string(line))
		if err != nil || bytes.ContainsAny(line, "\r\n") {
			return nil, speak.Fail(s.keyFile+" は1行のbase64ではありません。-key-format を確認してください。", s.keyFile+" is not base64 on one line: see -key-format", nil)
		}
		if form == mergefile.KeyBase64 && len(data) == rawKeySize {
			return line, nil
		}
	case "raw":
		if form == mergefile.KeyRaw {
			return rawKey(data), nil
		}
		data = line
	default:
		return nil, errFormat
	}
	return data, nil
}

var errFormat = speak.Wrong("-key-format には hex、base64、raw のいずれかを指定してください。", "-key-format is hex, base64 or raw")

const rawKeySize = 16

// rawKey takes off the line end behind 16 bytes, and nothing else: a key may
// itself end in what looks like one. So a file of 16 bytes is the key.
func rawKey(data []byte) []byte {
	if len(data) > rawKeySize && len(trimLine(data)) <= rawKeySize {
		return data[:rawKeySize]
	}
	return data
}

// readLine reads a file without the line end that an editor leaves.
func readLine(name string) ([]byte, error) {
	data, err := private.ReadFile(name)
	if err == nil && hasMark(data) {
		err = marked(name)
	}
	return trimLine(data), err
}

// marked is the error for a file that begins with a byte order mark.
func marked(name string) error {
	return speak.Fail(name+" の先頭に、エディターが付けたバイト順マーク（BOM）があります。BOMなしで保存し直してください。",
		name+" begins with a byte order mark (BOM), which an editor put there: save it without one", nil)
}

// hasMark reports whether a text begins with the byte order mark of UTF-8 or
// UTF-16.
func hasMark(text []byte) bool {
	return bytes.HasPrefix(text, []byte("\xEF\xBB\xBF")) || bytes.HasPrefix(text, []byte("\xFF\xFE")) || bytes.HasPrefix(text, []byte("\xFE\xFF"))
}

// readSecret reads a hash secret. One line end behind it does not count, and one
// that does would be a mistake that nobody sees.
func readSecret(name string) ([]byte, error) {
	secret, err := readLine(name)
	if err == nil && bytes.ContainsAny(secret, "\r\n") {
		return nil, speak.Fail(name+" は1行ではありません。", name+" is more than one line", nil)
	}
	return secret, err
}

func trimLine(b []byte) []byte {
	b = bytes.TrimSuffix(b, []byte("\n"))
	return bytes.TrimSuffix(b, []byte("\r"))
}

// keygen writes a new key and new secrets, all random, and shows none.
func keygen(f *flag.FlagSet, _ *console.Writer, say speak.Voice) func(context.Context, []string) error {
	var s shared
	s.addKeys(f, say)
	ledgerKeyFile := f.String("ledger-key-file", "", say("合算台帳の鍵を書き出す`ファイル`", "the `file` for the secret of a ledger"))
	return func(_ context.Context, args []string) error {
		if len(args) != 0 || s.keyFile == "" && s.secretFile == "" && *ledgerKeyFile == "" {
			return speak.Wrong("-key-file、-secret-file、-ledger-key-file のいずれかを指定してください。ほかに使えるのは -key-format だけです。",
				"give -key-file, -secret-file or -ledger-key-file, and nothing else but -key-format")
		}
		var key, secret [16]byte
		var ledger [32]byte
		rand.Read(key[:])
		rand.Read(secret[:])
		rand.Read(ledger[:])
		var text []byte
		switch s.keyFormat {
		case "hex":
			text = fmt.Appendf(nil, "%x\n", key)
		case "base64":
			text = append(base64.StdEncoding.AppendEncode(nil, key[:]), '\n')
		case "raw":
			text = key[:]
		default:
			return errFormat
		}
		if s.keyFile != "" {
			if err := writeNew(s.keyFile, text); err != nil {
				return err
			}
		}
		if s.secretFile != "" {
			if err := writeNew(s.secretFile, fmt.Appendf(nil, "%x\n", secret)); err != nil {
				return err
			}
		}
		if *ledgerKeyFile != "" {
			return writeNew(*ledgerKeyFile, fmt.Appendf(nil, "%x\n", ledger))
		}
		return nil
	}
}

// writeNew writes a file that its owner alone may read. It never replaces one:
// a key that is gone takes its files with it.
func writeNew(name string, data []byte) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	return errors.Join(err, file.Sync(), file.Close())
}
