package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"errors"
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
	"github.com/mynakit/mynakit/examples/internal/speak"
	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mykey"
)

// columns are the header of the CSV.
func columns() []string { return []string{"holder", "points", "transaction_time", "sequence"} }

func seal(f *flag.FlagSet, _ *console.Writer, say speak.Voice) func(context.Context, []string) error {
	var s shared
	s.add(f, say)
	anyLength := f.Bool("any-length", false, say("桁数の異なる会員番号をそのまま受け入れます", "take holders of different numbers of digits as they are"))
	return func(ctx context.Context, args []string) error {
		if len(args) != 2 {
			return errUsage
		}
		p, k, err := s.load()
		if err != nil {
			return err
		}
		if p.Integrity == mergefile.IntegritySidecar && isStream(args[1]) {
			return speak.Fail("サイドカーはファイルと並べて置きます。出力のファイル名を指定してください。", "a sidecar needs a file beside it: name the output", nil)
		}
		in, err := openInput(ctx, args[0])
		if err != nil {
			return err
		}
		defer in.Close()
		out, err := createSpooled(ctx, args[1])
		if err != nil {
			return err
		}
		defer out.discard()
		bar := newProgress(say("封をしています", "sealing"), in.size)
		defer bar.done()

		var mac bytes.Buffer
		opts := &mergefile.WriterOptions{Name: filepath.Base(args[1]), Sidecar: &mac}
		buffered := bufio.NewWriterSize(out, 1<<16)
		w, err := mergefile.NewWriter(ctx, buffered, p, k, opts)
		if err != nil {
			return err
		}
		if err := sealRows(ctx, w, countedReader{in, bar}, p.Holder.Kind, *anyLength); err != nil {
			return err
		}
		if err := errors.Join(w.Close(), buffered.Flush()); err != nil {
			return err
		}
		if mac.Len() > 0 {
			// The sidecar goes first: a file without it would be refused.
			if err := writeWhole(ctx, args[1]+mergefile.SidecarSuffix, mac.Bytes()); err != nil {
				return err
			}
		}
		return out.commit()
	}
}

func writeWhole(ctx context.Context, name string, data []byte) error {
	out, err := create(ctx, name)
	if err != nil {
		return err
	}
	defer out.discard()
	if _, err := out.Write(data); err != nil {
		return err
	}
	return out.commit()
}

func sealRows(ctx context.Context, w *mergefile.Writer, in io.Reader, kind mergefile.HolderKind, anyLength bool) error {
	var lengths digits
	text := bufio.NewReader(in)
	saved := bySpreadsheet(text)
	rows := newRows(text)
	rows.FieldsPerRecord = len(columns())
	head, err := rows.Read()
	if err == nil && !slices.Equal(head, columns()) || errors.Is(err, io.EOF) {
		head := strings.Join(columns(), ",")
		return speak.Fail("1行目：見出しは "+head+" としてください。", "line 1: the header must be "+head, nil)
	}
	for err == nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var row []string
		if row, err = rows.Read(); err != nil {
			break
		}
		line, _ := rows.FieldPos(0)
		rec, err := parseRow(row, kind)
		if err == nil {
			err = w.Write(rec)
		}
		if err != nil {
			return atLine(line, err)
		}
		lengths.add(row[0], line)
	}
	if !errors.Is(err, io.EOF) {
		return badRow(err)
	}
	if anyLength || !saved {
		return nil
	}
	return lengths.check()
}

// bySpreadsheet reports whether a list looks as a spreadsheet saves one: with a
// byte order mark, or with CRLF at the end of its first line.
func bySpreadsheet(text *bufio.Reader) bool {
	head, _ := text.Peek(256) // the header is shorter
	first, _, _ := bytes.Cut(head, []byte("\n"))
	return bytes.HasPrefix(head, []byte("\uFEFF")) || bytes.HasSuffix(first, []byte("\r"))
}

// digits are the lengths of the holders that are a number. A spreadsheet takes
// the zeros from the front of such a one, and what is left may be somebody else.
type digits struct {
	least, most, line int // line is that of the first of the least length
	zero              bool
}

func (d *digits) add(holder string, line int) {
	if strings.Trim(holder, "0123456789") != "" {
		return
	}
	d.zero = d.zero || holder[0] == '0'
	d.most = max(d.most, len(holder))
	if d.least == 0 || len(holder) < d.least {
		d.least, d.line = len(holder), line
	}
}

// check refuses numbers of different lengths of which none begins with a zero.
// Where one does, no spreadsheet was there.
func (d *digits) check() error {
	if d.zero || d.least == d.most {
		return nil
	}
	return speak.Fail(fmt.Sprintf("%d行目：会員番号が%d〜%d桁で、0で始まるものがありません。表計算ソフトが先頭の0を消した可能性があり、別の会員のポイントになるおそれがあります。一覧を作り直すか、-any-length を指定してください。",
		d.line, d.least, d.most), fmt.Sprintf("line %d: holders of %d to %d digits, and none begins with 0: a spreadsheet may have dropped the zeros, and the points would be somebody else's; make the list again, or say -any-length",
		d.line, d.least, d.most), nil)
}

// atLine adds the line to an error, and in Japanese to its text if it has one.
func atLine(line int, err error) error {
	own, ok := errors.AsType[*speak.Failure](err)
	if !ok {
		return speak.Fail(fmt.Sprintf("%d行目が正しくありません。", line), fmt.Sprintf("line %d", line), err)
	}
	return speak.Fail(fmt.Sprintf("%d行目：%s", line, own.Text.JA), fmt.Sprintf("line %d: %v", line, err), nil)
}

// badRow adds Japanese to an error of package csv.
func badRow(err error) error {
	if form, ok := errors.AsType[*csv.ParseError](err); ok {
		return speak.Fail(fmt.Sprintf("%d行目をCSVとして読み込めません。列の数と引用符を確認してください。", form.Line), "", err)
	}
	return err
}

// parseRow reads a row. Its errors do not show what is in it.
func parseRow(row []string, kind mergefile.HolderKind) (rec mergefile.Record, err error) {
	if kind == mergefile.MyKeyID {
		id, perr := mykey.ParseID(row[0])
		if perr != nil {
			return rec, speak.Fail("holder がマイキーIDではありません。", "holder: not a MyKey ID", nil)
		}
		rec.Holder, err = mergefile.NewMyKeyHolder(id)
	} else {
		rec.Holder, err = mergefile.NewMallHolder(row[0])
	}
	if err != nil {
		return rec, err
	}
	if rec.Points, err = strconv.ParseUint(row[1], 10, 64); err != nil {
		return rec, speak.Fail("points が整数ではありません。", "points: not a whole number", nil)
	}
	rec.Transaction, err = parseNumber(row[2], row[3])
	return rec, err
}

// parseTime reads a time of RFC 3339. What time.Parse takes besides is none: an
// hour of one digit, a fraction behind a comma, a zone of 24 hours.
func parseTime(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return t, err
	}
	zone := "00:00"
	if s[len(s)-1] != 'Z' {
		zone = s[len(s)-len(zone):]
	}
	if s[len("2017-05-12T09")] != ':' || strings.Contains(s, ",") || zone > "23:59" || zone[3:] > "59" {
		return t, errors.New("not RFC 3339")
	}
	return t, nil
}

// newRows reads CSV, with the byte order mark in front that Excel puts there.
func newRows(in io.Reader) *csv.Reader {
	text := bufio.NewReader(in)
	if mark, _ := text.Peek(3); string(mark) == "\uFEFF" {
		_, _ = text.Discard(len(mark))
	}
	rows := csv.NewReader(text)
	rows.ReuseRecord = true
	return rows
}

// parseNumber reads the two columns of a transaction number.
func parseNumber(at, sequence string) (mergefile.Transaction, error) {
	t, err := parseTime(at)
	if err != nil {
		return mergefile.Transaction{}, speak.Fail("transaction_time は 2017-05-12T09:30:00+09:00 の形式で書いてください。", "transaction_time: not a time as in 2017-05-12T09:30:00+09:00", nil)
	}
	n, err := strconv.ParseUint(sequence, 10, 32)
	if err != nil {
		return mergefile.Transaction{}, speak.Fail("sequence が整数ではありません。", "sequence: not a whole number", nil)
	}
	return mergefile.NewTransaction(t, uint32(n))
}

func open(f *flag.FlagSet, _ *console.Writer, say speak.Voice) func(context.Context, []string) error {
	var s shared
	s.add(f, say)
	return func(ctx context.Context, args []string) error {
		if len(args) != 2 {
			return errUsage
		}
		p, k, err := s.load()
		if err != nil {
			return err
		}
		r, bar, finish, err := openFile(ctx, args[0], p, k, say("開いています", "opening"))
		if err != nil {
			return err
		}
		defer finish()
		out, err := create(ctx, args[1])
		if err != nil {
			return err
		}
		defer out.discard()
		buffered := bufio.NewWriterSize(out, 1<<16)
		rows := csv.NewWriter(buffered)
		if err := rows.Write(columns()); err != nil {
			return err
		}
		row := make([]string, len(columns()))
		for rec, err := range r.Records() {
			if err != nil {
				return err
			}
			row[0] = rec.Holder.Reveal()
			row[1] = strconv.FormatUint(rec.Points, 10)
			row[2] = rec.Transaction.Time().Format(time.RFC3339Nano)
			row[3] = strconv.FormatUint(uint64(rec.Transaction.Sequence()), 10)
			if err := rows.Write(row); err != nil {
				return err
			}
		}
		rows.Flush()
		if err := errors.Join(rows.Error(), buffered.Flush()); err != nil {
			return err
		}
		bar.done()
		return out.commit()
	}
}

// openFile verifies a merge file, with the sidecar beside it if there is one.
func openFile(ctx context.Context, name string, p mergefile.Profile, k mergefile.Key, about string) (*mergefile.Reader, progress, func(), error) {
	opts, err := readerOptions(name, p)
	if err != nil {
		return nil, progress{}, nil, err
	}
	in, err := openInput(ctx, name)
	if err != nil {
		return nil, progress{}, nil, err
	}
	var bar progress
	var r *mergefile.Reader
	if in.regular {
		bar = newProgress(about, 2*in.size) // it is read twice
		r, err = mergefile.NewReaderAt(ctx, countedReaderAt{in.file, bar}, in.size, p, k, opts)
	} else {
		r, err = mergefile.NewReader(ctx, in, p, k, opts)
	}
	finish := func() {
		bar.done()
		if r != nil {
			r.Close()
		}
		in.Close()
	}
	if err != nil {
		finish()
		return nil, progress{}, nil, err
	}
	return r, bar, finish, nil
}

// readerOptions are for a file of that name. If the profile has a sidecar, it
// is read; that there is none is for the reader to judge, and so is one that is
// too long or no file.
func readerOptions(name string, p mergefile.Profile) (*mergefile.ReaderOptions, error) {
	opts := &mergefile.ReaderOptions{Name: filepath.Base(name)}
	if p.Integrity != mergefile.IntegritySidecar {
		return opts, nil
	}
	const enough = 512 // more than a sidecar can have
	name += mergefile.SidecarSuffix
	if info, err := os.Stat(name); err != nil || !info.Mode().IsRegular() {
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return opts, err
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	opts.Sidecar, err = io.ReadAll(io.LimitReader(file, enough))
	return opts, err
}
