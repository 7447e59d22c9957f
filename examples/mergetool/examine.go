package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mynakit/mynakit/examples/internal/console"
	"github.com/mynakit/mynakit/examples/internal/private"
	"github.com/mynakit/mynakit/examples/internal/speak"
	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/testkit"
)

func inspect(f *flag.FlagSet, out *console.Writer, say speak.Voice) func(context.Context, []string) error {
	var s shared
	s.add(f, say)
	diagnose := f.Bool("diagnose", false, say("正しくないファイルの、どこが違うかを表示します（開発者用）", "say what is wrong with an invalid file; for developers"))
	return func(ctx context.Context, args []string) error {
		if len(args) != 1 {
			return errUsage
		}
		p, k, err := s.load()
		if err != nil {
			return err
		}
		var r *mergefile.Reader
		if *diagnose {
			if r, err = diagnosed(ctx, args[0], p, k); err != nil {
				return err
			}
			defer r.Close()
		} else {
			var finish func()
			if r, _, finish, err = openFile(ctx, args[0], p, k, say("確認しています", "inspecting")); err != nil {
				return err
			}
			defer finish()
		}
		var points uint64
		var first, last mergefile.Transaction
		n := 0
		for rec, err := range r.Records() {
			if err != nil {
				return err
			}
			if n == 0 || rec.Transaction.Compare(first) < 0 {
				first = rec.Transaction
			}
			if n == 0 || rec.Transaction.Compare(last) > 0 {
				last = rec.Transaction
			}
			points += rec.Points
			n++
		}
		out.Printf(say("正しいファイルです\nプロファイル：%s\n鍵：%s\nレコード：%d件\nポイント：%d\n最初：%v\n最後：%v\n",
			"valid\nprofile  %s\nkey      %s\nrecords  %d\npoints   %d\nfirst    %v\nlast     %v\n"), p.Name, r.KeyID(), r.Len(), points, first, last)
		return nil
	}
}

// diagnosed opens a file, and says what is wrong with an invalid one. A stream is
// there once, so all of it is in memory.
func diagnosed(ctx context.Context, name string, p mergefile.Profile, k mergefile.Key) (*mergefile.Reader, error) {
	data, err := readAll(ctx, name)
	if err != nil {
		return nil, err
	}
	opts, err := readerOptions(name, p)
	if err != nil {
		return nil, err
	}
	if err := mergefile.DiagnoseForDeveloper(ctx, data, p, k, opts); err != nil {
		return nil, err
	}
	return mergefile.NewReaderAt(ctx, bytes.NewReader(data), int64(len(data)), p, k, opts)
}

func lint(f *flag.FlagSet, out *console.Writer, say speak.Voice) func(context.Context, []string) error {
	var s shared
	s.add(f, say) // key and secret are judged if they are given
	asJSON := f.Bool("json", false, say("代わりに、プロファイルをJSONで出力します", "print the profile as JSON instead"))
	return func(_ context.Context, args []string) error {
		if len(args) != 0 {
			return errUsage
		}
		p, err := loadProfile(s.profile)
		if err != nil {
			return err
		}
		if *asJSON {
			text, err := json.MarshalIndent(p, "", "  ")
			if err == nil {
				out.Println(string(text))
			}
			return err
		}
		keys, err := s.judged(p)
		if err != nil {
			return err
		}
		danger := false
		for _, finding := range p.Lint(keys...) {
			out.Println(finding)
			danger = danger || finding.Severity == mergefile.SeverityDanger
		}
		if danger {
			return speak.Fail("このプロファイルは、このままでは危険です。", "the profile is dangerous as it stands", nil)
		}
		return nil
	}
}

// judged gives the key and the secret for Lint to look at. For what is not
// given there is something that it finds no fault with.
func (s *shared) judged(p mergefile.Profile) ([]mergefile.Key, error) {
	if s.keyFile == "" && s.secretFile == "" {
		return nil, nil
	}
	var random [16]byte
	rand.Read(random[:])
	secret := fmt.Appendf(nil, "%x", random) // text in each form of a secret
	var err error
	if s.secretFile != "" {
		if secret, err = readSecret(s.secretFile); err != nil {
			return nil, err
		}
	}
	var k mergefile.Key
	if s.keyFile == "" {
		k, err = mergefile.NewVaultKey(s.keyID, unseen{}, secret)
	} else {
		var material []byte
		if material, err = s.loadKey(p.Cipher.Key); err != nil {
			return nil, err
		}
		k, err = mergefile.NewKey(s.keyID, material, secret)
	}
	return []mergefile.Key{k}, err
}

// unseen is a key that cannot be looked at.
type unseen struct{ mergefile.Vault }

func probe(f *flag.FlagSet, out *console.Writer, say speak.Voice) func(context.Context, []string) error {
	var s shared
	s.addKeys(f, say)
	f.Lookup("key-format").DefValue = ""
	s.keyFormat = ""
	iv := f.String("iv", "", say("受け取ったIV（16進数`32桁`）", "the IV that was handed over, 32 hexadecimal `digits`"))
	salt := f.String("salt", "", say("ファイルに含まれない場合に、受け取ったソルト（`16進数`）", "the salt that was handed over, in hexadecimal `digits`, if files do not hold one"))
	associated := f.String("associated", "", say("封筒の付加`文字列`", "the associated `text` of an envelope"))
	var iterations []int
	f.Func("iterations", say("1000、10000、100000のほかに試す、PBKDF2の`回数`。複数回指定できます", "a `count` to try with PBKDF2, besides 1000, 10000 and 100000; may be given again"), func(text string) error {
		n, err := strconv.Atoi(text)
		iterations = append(iterations, n)
		return err
	})
	name := f.String("out", "", say("すべてのプロファイルで同じレコードを読めたとき、最も確からしいプロファイルをJSONで書き出す`ファイル`", "write the likeliest profile to this `file`, as JSON, if all profiles read the same records"))
	return func(ctx context.Context, args []string) error {
		if len(args) != 1 {
			return errUsage
		}
		if s.keyFile == "" || s.secretFile == "" {
			return errKeys
		}
		var key []byte
		var err error
		switch s.keyFormat {
		case "", "raw": // with a line end that counts, or does not
			key, err = private.ReadFile(s.keyFile)
		default:
			key, err = s.loadKey(mergefile.KeyRaw)
		}
		if err != nil {
			return err
		}
		secret, err := private.ReadFile(s.secretFile)
		if err != nil {
			return err
		}
		file, err := readAll(ctx, args[0])
		if err != nil {
			return err
		}
		opts := &mergefile.ProbeOptions{Name: filepath.Base(args[0]), IV: *iv, Salt: *salt, KeyID: s.keyID, Associated: *associated, Iterations: iterations}
		bar := newSteps()
		opts.Progress = func(done, total int) { bar.at(time.Now(), say("調べています", "probing"), done, total) }
		found, err := mergefile.ProbeForDeveloper(ctx, file, key, secret, opts)
		bar.done()
		if err != nil {
			return err
		}
		first := map[int]int{} // of each reading
		for i, r := range found {
			choices := say("か所", "choices")
			if r.Distance == 1 {
				choices = say("か所", "choice")
			}
			switch {
			case r.Distance == 0:
				out.Printf(say("%d. %s そのもの、レコード%d件%s\n", "%d. %s itself, %d records%s\n"), i+1, r.Nearest, r.Records, s.howToGive(ctx, say, r, file, opts.Name))
			default:
				out.Printf(say("%d. %s と%d%sで異なる、レコード%d件%s\n", "%d. like %s but for %d %s, %d records%s\n"), i+1, r.Nearest, r.Distance, choices, r.Records, s.howToGive(ctx, say, r, file, opts.Name))
			}
			if as, ok := first[r.Reading]; ok {
				differs, err := difference(found[as].Profile, r.Profile)
				if err != nil {
					return err
				}
				out.Printf(say("   読み方%d：%d と次の項目だけ異なる：%s\n", "   reading %d, as %d but for %s\n"), r.Reading, as+1, differs)
				continue
			}
			first[r.Reading] = i
			text, err := json.MarshalIndent(r.Profile, "   ", "  ")
			if err != nil {
				return err
			}
			out.Printf(say("   読み方%d：%s\n   %s\n", "   reading %d: %s\n   %s\n"), r.Reading, r.Split, text)
		}
		for _, q := range mergefile.Questions(found) {
			out.Printf(say("送信元への確認：%[1]s\n", "ask: %s\n     %s\n"), q.Japanese, q.English)
		}
		if slices.ContainsFunc(found, func(r mergefile.Probed) bool { return r.Reading > 1 }) {
			return exit{exitUnclear, speak.Fail("このファイルの読み方は1つに決まりません。別のファイルで確かめるか、送信元に確認してください。何も書き出していません。",
				"the file can be read in more than one way, and only one is right: probe a second file, or ask the other end. Nothing was written", nil)}
		}
		if *name == "" {
			return nil
		}
		text, err := json.MarshalIndent(found[0].Profile, "", "  ")
		if err != nil {
			return err
		}
		if err := writeWhole(ctx, *name, append(text, '\n')); err != nil || isStream(*name) {
			return err
		}
		out.Printf(say("%s にプロファイル1を書き出しました。\n", "%s has profile 1\n"), *name)
		return nil
	}
}

// difference lists the fields of b that a has otherwise.
func difference(a, b mergefile.Profile) (string, error) {
	var fields [2]map[string]string
	for i, p := range []mergefile.Profile{a, b} {
		text, err := json.Marshal(p)
		if err != nil {
			return "", err
		}
		var tree map[string]any
		if err := json.Unmarshal(text, &tree); err != nil {
			return "", err
		}
		fields[i] = map[string]string{}
		flatten(fields[i], "", tree)
	}
	var out []string
	for name, value := range fields[1] {
		if fields[0][name] != value {
			out = append(out, name+": "+value)
		}
	}
	for name := range fields[0] {
		if _, ok := fields[1][name]; !ok {
			out = append(out, "no "+name)
		}
	}
	slices.Sort(out)
	return strings.Join(out, ", "), nil
}

// flatten adds the values of a tree, as JSON, under names such as "hash.text".
func flatten(into map[string]string, name string, v any) {
	if tree, ok := v.(map[string]any); ok {
		for key, below := range tree {
			flatten(into, strings.TrimPrefix(name+"."+key, "."), below)
		}
		return
	}
	into[name] = fmt.Sprintf("%#v", v)
}

// howToGive says under which -key-format the other tasks take the key and the
// secret as they lie in their files.
func (s shared) howToGive(ctx context.Context, say speak.Voice, r mergefile.Probed, file []byte, name string) string {
	formats := []string{"hex", "base64", "raw"}
	if s.keyFormat != "" {
		formats = []string{s.keyFormat}
	}
	secret, err := readSecret(s.secretFile)
	if err != nil {
		formats = nil
	}
	for _, s.keyFormat = range formats {
		material, err := s.loadKey(r.Profile.Cipher.Key)
		if err != nil {
			continue
		}
		k, err := mergefile.NewKey(s.keyID, material, secret)
		if err != nil {
			continue
		}
		opened, err := mergefile.NewReaderAt(ctx, bytes.NewReader(file), int64(len(file)), r.Profile, k, &mergefile.ReaderOptions{Name: name})
		if err == nil {
			opened.Close()
			return say("、", ", ") + "-key-format " + s.keyFormat
		}
	}
	return say("。どの -key-format でも、この鍵と特定の文字列になりません。どちらかのファイルの改行を含むためです", "; no -key-format gives this key and this secret: a line end in one of the files is a part of it")
}

func vectors(f *flag.FlagSet, out *console.Writer, say speak.Voice) func(context.Context, []string) error {
	name := f.String("out", "", say("テストベクターを実行せずに書き出す`フォルダー`", "write the vectors into this `directory` instead of running them"))
	return func(ctx context.Context, args []string) error {
		if len(args) != 0 {
			return errUsage
		}
		if *name != "" {
			sub, err := fs.Sub(testkit.FS, "vectors")
			if err != nil {
				return err
			}
			return os.CopyFS(*name, sub)
		}
		all, err := testkit.Vectors()
		if err != nil {
			return err
		}
		wrong := 0
		for _, v := range all {
			var records []mergefile.Record
			r, err := mergefile.NewReader(ctx, bytes.NewReader(v.File), v.Profile, v.Key, v.Options())
			if err == nil {
				for rec := range r.Records() {
					records = append(records, rec)
				}
				r.Close()
			}
			if err := v.Check(records, err); err != nil {
				out.Println(err)
				wrong++
			}
		}
		out.Printf(say("テストベクター%d件、不一致%d件\n", "%d vectors, %d wrong\n"), len(all), wrong)
		if wrong > 0 {
			return speak.Fail("結果が一致しないテストベクターがあります。", "vectors failed", nil)
		}
		return nil
	}
}

func readAll(ctx context.Context, name string) ([]byte, error) {
	in, err := openInput(ctx, name)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	errLarge := speak.Fail("ファイルが大きすぎます。", "the file is too large", nil)
	if in.size > mergefile.DefaultMaxSize {
		return nil, errLarge
	}
	if in.regular {
		data := make([]byte, in.size)
		_, err := io.ReadFull(in, data)
		return data, err
	}
	data, err := io.ReadAll(io.LimitReader(in, mergefile.DefaultMaxSize+1))
	if err == nil && len(data) > mergefile.DefaultMaxSize {
		err = errLarge
	}
	return data, err
}
