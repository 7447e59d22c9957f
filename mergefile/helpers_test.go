package mergefile_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mykey"
)

var (
	testMaterial = []byte("0123456789abcdef")
	testSecret   = []byte("correct horse battery staple 42!")
	testStart    = time.Date(2017, 5, 12, 9, 30, 0, 0, time.FixedZone("JST", 9*60*60))
)

func testKey(t testing.TB) mergefile.Key {
	t.Helper()
	return makeKey(t, "k1", testMaterial, testSecret)
}

func makeKey(t testing.TB, id string, material, secret []byte) mergefile.Key {
	t.Helper()
	k, err := mergefile.NewKey(id, material, secret)
	require.NoError(t, err)
	return k
}

// record makes the i-th of a row of records with rising numbers. Tests make
// hundreds of thousands, so it has no helpers on the way that succeeds.
func record(t testing.TB, p mergefile.Profile, i int) mergefile.Record {
	var h mergefile.Holder
	var err error
	if p.Holder.Kind == mergefile.MyKeyID {
		var id mykey.ID
		if id, err = mykey.ParseID(fmt.Sprintf("MY%06d", i%1_000_000)); err == nil {
			h, err = mergefile.NewMyKeyHolder(id)
		}
	} else {
		h, err = mergefile.NewMallHolder(strconv.Itoa(520625 + i%100_000))
	}
	at := testStart.Add(time.Duration(i/7) * time.Second)
	if p.Transaction.Time == mergefile.TimeMillis {
		at = at.Add(time.Duration(i%7) * time.Millisecond)
	}
	tx, terr := mergefile.NewTransaction(at, uint32(i%7))
	if err := errors.Join(err, terr); err != nil {
		t.Helper()
		t.Fatal(err)
	}
	return mergefile.Record{Holder: h, Points: uint64(1 + i*37%900), Transaction: tx}
}

func records(t testing.TB, p mergefile.Profile, n int) []mergefile.Record {
	t.Helper()
	rs := make([]mergefile.Record, n)
	for i := range rs {
		rs[i] = record(t, p, i)
	}
	return rs
}

// fileName serves the profile that takes its IV from there.
const fileName = "20170512093000000001.dat"

// write gives the file and its sidecar.
func write(t testing.TB, p mergefile.Profile, k mergefile.KeySource, rs []mergefile.Record) (file, mac []byte) {
	t.Helper()
	var buf, side bytes.Buffer
	w, err := mergefile.NewWriter(t.Context(), &buf, p, k, &mergefile.WriterOptions{Name: fileName, Sidecar: &side})
	require.NoError(t, err)
	for _, r := range rs {
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	require.NoError(t, w.Close())
	return buf.Bytes(), side.Bytes()
}

// way is one of the roads into the package.
type way struct {
	name string
	read func(ctx context.Context, file []byte, p mergefile.Profile, k mergefile.KeySource, o mergefile.ReaderOptions) ([]mergefile.Record, error)
}

// ways are all of them. Each gets the file in a slice without room behind it.
var ways = []way{
	{"whole", func(ctx context.Context, file []byte, p mergefile.Profile, k mergefile.KeySource, o mergefile.ReaderOptions) ([]mergefile.Record, error) {
		return drain(mergefile.NewReader(ctx, bytes.NewReader(file), p, k, &o))
	}},
	{"byte by byte", func(ctx context.Context, file []byte, p mergefile.Profile, k mergefile.KeySource, o mergefile.ReaderOptions) ([]mergefile.Record, error) {
		return drain(mergefile.NewReader(ctx, iotest.OneByteReader(bytes.NewReader(file)), p, k, &o))
	}},
	{"random access", func(ctx context.Context, file []byte, p mergefile.Profile, k mergefile.KeySource, o mergefile.ReaderOptions) ([]mergefile.Record, error) {
		o.Workers = 1
		return drain(mergefile.NewReaderAt(ctx, bytes.NewReader(file), int64(len(file)), p, k, &o))
	}},
	{"provisional", func(ctx context.Context, file []byte, p mergefile.Profile, k mergefile.KeySource, o mergefile.ReaderOptions) ([]mergefile.Record, error) {
		r, err := mergefile.NewProvisionalReader(ctx, iotest.DataErrReader(iotest.OneByteReader(bytes.NewReader(file))), p, k, &o)
		if err != nil {
			return nil, err
		}
		var got []mergefile.Record
		var last error
		for rec, err := range r.Records() {
			if err != nil {
				last = err
				break
			}
			got = append(got, rec)
		}
		err = r.Close()
		if !errors.Is(last, err) {
			return nil, fmt.Errorf("Records ended with %v and Close with %v", last, err)
		}
		if err != nil {
			return nil, err
		}
		return got, nil
	}},
}

func drain(r *mergefile.Reader, err error) ([]mergefile.Record, error) {
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var got []mergefile.Record
	for rec, err := range r.Records() {
		if err != nil {
			return nil, err
		}
		got = append(got, rec)
	}
	if int64(len(got)) != r.Len() {
		return nil, fmt.Errorf("Len says %d, Records gave %d", r.Len(), len(got))
	}
	return got, nil
}

// requireInvalid wants the one error, with nothing in or around it.
func requireInvalid(t testing.TB, err error, about ...any) {
	t.Helper()
	if err != mergefile.ErrInvalid {
		t.Fatalf("%v: got %v (%T), want ErrInvalid itself", fmt.Sprint(about...), err, err)
	}
}

// allAxes gives profiles that between them take every value of every axis.
func allAxes() []mergefile.Profile {
	ps := mergefile.Presets()
	vary := func(name string, change func(p *mergefile.Profile)) {
		p := mergefile.Standard()
		p.Name = name
		change(&p)
		ps = append(ps, p)
	}
	names := []string{"商店街ポイントID", "合算ポイント数", "取引済番号", "ハッシュ値"}
	type P = mergefile.Profile
	vary("mykey", func(p *P) { *p = p.WithMyKeyID() })
	vary("one record", func(p *P) { p.Records = mergefile.RecordsOne })
	vary("one record, no line end", func(p *P) {
		p.Records, p.EOL, p.FinalEOL = mergefile.RecordsOne, mergefile.EOLNone, false
	})
	vary("no final line end", func(p *P) { p.FinalEOL = false })
	vary("lf", func(p *P) { p.EOL = mergefile.EOLLF })
	vary("quoted with header in cp932", func(p *P) {
		p.Layout, p.Header, p.Names, p.Charset = mergefile.LayoutCSVQuoted, true, names, mergefile.CharsetCP932
		p.Hash.Fields = mergefile.HashWritten
	})
	vary("tsv with header in utf-8", func(p *P) {
		p.Layout, p.Header, p.Names, p.Charset = mergefile.LayoutTSV, true, names, mergefile.CharsetUTF8
		p.Hash.Join, p.Hash.SecretJoin = "\t", "\t"
	})
	vary("csv with header and byte order mark", func(p *P) {
		p.Header, p.Names, p.Charset = true, names, mergefile.CharsetUTF8BOM
	})
	vary("fixed", func(p *P) {
		p.Layout, p.Points.ZeroFill, p.Holder.Max = mergefile.LayoutFixed, true, 12
		p.Hash.Join, p.Hash.Fields = "", mergefile.HashWritten
	})
	vary("fixed without line ends", func(p *P) {
		p.Layout, p.Points.ZeroFill, p.EOL, p.FinalEOL = mergefile.LayoutFixed, true, mergefile.EOLNone, false
	})
	vary("fixed, raw hash", func(p *P) {
		p.Layout, p.Points.ZeroFill, p.Hash.Text = mergefile.LayoutFixed, true, mergefile.HashRaw
	})
	vary("fixed, raw hash, no final line end", func(p *P) {
		p.Layout, p.Points.ZeroFill, p.Hash.Text, p.FinalEOL = mergefile.LayoutFixed, true, mergefile.HashRaw, false
	})
	vary("one record, raw hash", func(p *P) { p.Records, p.Hash.Text = mergefile.RecordsOne, mergefile.HashRaw })
	vary("quoted, raw hash", func(p *P) {
		p.Records, p.Hash.Text, p.Layout = mergefile.RecordsOne, mergefile.HashRaw, mergefile.LayoutCSVQuoted
	})
	vary("lines", func(p *P) { p.Layout = mergefile.LayoutLines })
	vary("lines, no final line end", func(p *P) { p.Layout, p.FinalEOL, p.EOL = mergefile.LayoutLines, false, mergefile.EOLLF })
	vary("key-value in cp932", func(p *P) {
		p.Layout, p.Names, p.Charset, p.Hash.Fields = mergefile.LayoutKeyValue, names, mergefile.CharsetCP932, mergefile.HashWritten
	})
	for _, chars := range []mergefile.HolderChars{mergefile.CharsDigits, mergefile.CharsUpper} {
		vary("holder "+string(chars), func(p *P) { p.Holder.Chars = chars })
	}
	vary("zero-filled points", func(p *P) { p.Points = mergefile.PointsForm{Digits: 18, ZeroFill: true} })
	for _, form := range []mergefile.TimeForm{mergefile.TimeMillis, mergefile.TimeDashes, mergefile.TimeSlashes, mergefile.TimeISO} {
		vary("time "+string(form), func(p *P) { p.Transaction.Time, p.Transaction.Join = form, "-" })
	}
	vary("utc, variable sequence", func(p *P) { p.Transaction.Zone, p.Transaction.Digits = mergefile.ZoneUTC, 0 })
	vary("sequence of 3", func(p *P) { p.Transaction.Digits, p.Transaction.Join = 3, "_" })
	for _, place := range []mergefile.SecretPlace{mergefile.SecretPrefix, mergefile.SecretBoth, mergefile.SecretBetween} {
		vary("secret "+string(place), func(p *P) { p.Hash.Place, p.Hash.SecretJoin = place, "|" })
	}
	vary("hash of an echo", func(p *P) { p.Hash.EOL = mergefile.EOLLF })
	vary("secret in cp932", func(p *P) { p.Hash.Secret = mergefile.SecretCP932 })
	for _, text := range []mergefile.HashText{mergefile.HashHexUpper, mergefile.HashHexAny, mergefile.HashBase64} {
		vary("hash "+string(text), func(p *P) { p.Hash.Text = text })
	}
	for _, mode := range []mergefile.CipherMode{mergefile.CipherCTR, mergefile.CipherCFB8, mergefile.CipherCFB128} {
		vary("mode "+string(mode), func(p *P) { p.Cipher.Mode, p.Cipher.Padding = mode, mergefile.PaddingNone })
		vary("padded mode "+string(mode), func(p *P) { p.Cipher.Mode = mode })
	}
	vary("iv zero", func(p *P) { p.Cipher.IV = mergefile.IVZero })
	vary("iv fixed", func(p *P) {
		p.Cipher.IV, p.Cipher.FixedIV = mergefile.IVFixed, "000102030405060708090a0b0c0d0e0f"
	})
	vary("iv key", func(p *P) { p.Cipher.IV = mergefile.IVKey })
	vary("iv from the name", func(p *P) { p.Cipher.IV = mergefile.IVFileName })
	for _, pad := range []mergefile.Padding{mergefile.PaddingZero, mergefile.PaddingSpace, mergefile.PaddingX923, mergefile.PaddingISO10126} {
		vary("padding "+string(pad), func(p *P) { p.Cipher.Padding = pad })
	}
	vary("key of md5", func(p *P) { p.Cipher.Key = mergefile.KeyMD5 })
	vary("evp-sha256", func(p *P) { p.Cipher.Key, p.Cipher.IV = mergefile.KeyEVPSHA256, mergefile.IVDerived })
	vary("ecb with a passphrase", func(p *P) {
		p.Cipher.Key, p.Cipher.IV, p.Cipher.Mode = mergefile.KeyEVPMD5, mergefile.IVDerived, mergefile.CipherECB
	})
	for _, outer := range []mergefile.Outer{mergefile.OuterBase64, mergefile.OuterBase64W, mergefile.OuterBase64M, mergefile.OuterHexLower, mergefile.OuterHexUpper} {
		vary("outer "+string(outer), func(p *P) { p.Cipher.Outer, p.Cipher.OuterEOL = outer, mergefile.EOLCRLF })
	}
	vary("outer base64 without line end", func(p *P) { p.Cipher.Outer = mergefile.OuterBase64 })
	vary("sidecar over base64", func(p *P) { p.Cipher.Outer, p.Integrity = mergefile.OuterBase64, mergefile.IntegritySidecar })
	// The habits of other programs.
	for _, text := range []mergefile.HashText{"hex-bigint", "hex-bytes", "hex-dashes", "base64-unpadded"} {
		vary("hash "+string(text), func(p *P) { p.Hash.Text = text })
	}
	for _, encoding := range []string{"utf-16le", "utf-16be"} {
		vary("hash of "+encoding, func(p *P) { p.Hash.Encoding = encoding })
	}
	vary("hmac", func(p *P) { p.Hash.Place, p.Hash.SecretJoin = "hmac", "" })
	vary("hash of plain points", func(p *P) { p.Points = mergefile.PointsForm{Digits: 9, ZeroFill: true}; p.Hash.Fields = "plain" })
	vary("secret in euc-jp", func(p *P) { p.Hash.Secret = "euc-jp" })
	for _, layout := range []mergefile.Layout{"semicolon", "pipe", "comma-space", "holder-quoted", "excel"} {
		vary("layout "+string(layout), func(p *P) { p.Layout = layout })
		vary("layout "+string(layout)+" with header", func(p *P) { p.Layout, p.Header, p.Names, p.Charset = layout, true, names, mergefile.CharsetUTF8 })
	}
	vary("trailing delimiter", func(p *P) { p.TrailingDelimiter = true })
	vary("trailing delimiter, no final line end", func(p *P) { p.TrailingDelimiter, p.FinalEOL = true, false })
	vary("fill behind", func(p *P) { p.Layout, p.Points.ZeroFill, p.Fill = mergefile.LayoutFixed, true, 7 })
	vary("an empty line behind", func(p *P) { p.Tail = "eol" })
	vary("ctrl-z behind", func(p *P) { p.Tail = "ctrl-z" })
	vary("ctrl-z, no final line end", func(p *P) { p.Tail, p.FinalEOL = "ctrl-z", false })
	vary("cr alone", func(p *P) { p.EOL = "cr" })
	vary("lines ended by cr", func(p *P) { p.EOL, p.Layout = "cr", mergefile.LayoutLines })
	vary("utf-16", func(p *P) { p.Charset, p.Layout = "utf-16le-bom", mergefile.LayoutTSV })
	vary("utf-16 with header and tail", func(p *P) { p.Charset, p.Header, p.Names, p.Tail = "utf-16le-bom", true, names, "eol" })
	vary("two columns", func(p *P) { p.Transaction.Columns = 2 })
	vary("three columns", func(p *P) { p.Transaction.Columns, p.Transaction.Time, p.Hash.Join = 3, mergefile.TimeDashes, "|" })
	vary("three columns with header", func(p *P) {
		p.Transaction.Columns, p.Header, p.Names = 3, true, []string{"id", "points", "date", "time", "sequence", "hash"}
	})
	for _, text := range []string{"space-fill", "plus"} {
		vary("points "+text, func(p *P) { p.Points = mergefile.PointsForm{Digits: 9, Text: text} })
	}
	vary("points with commas", func(p *P) {
		p.Points, p.Layout = mergefile.PointsForm{Digits: 9, Text: "commas"}, mergefile.LayoutCSVQuoted
	})
	vary("points with commas and semicolons", func(p *P) { p.Points, p.Layout = mergefile.PointsForm{Digits: 9, Text: "commas"}, "semicolon" })
	vary("fixed, points filled with spaces", func(p *P) {
		p.Layout, p.Points = mergefile.LayoutFixed, mergefile.PointsForm{Digits: 9, Text: "space-fill"}
	})
	vary("two-digit years", func(p *P) { p.Transaction.Time = "YYMMDDhhmmss" })
	vary("holders with hyphens", func(p *P) { p.Holder.Chars = "alnum-hyphen" })
	for _, outer := range []mergefile.Outer{"base64-twice", "base64-url"} {
		vary("outer "+string(outer), func(p *P) { p.Cipher.Outer = outer })
	}
	vary("outer hex-60", func(p *P) { p.Cipher.Outer, p.Cipher.OuterEOL = "hex-60", mergefile.EOLLF })
	vary("outer base64-76 without its end", func(p *P) {
		p.Cipher.Outer, p.Cipher.OuterEOL, p.Cipher.OuterOpen = mergefile.OuterBase64M, mergefile.EOLCRLF, true
	})
	vary("iv and text in hex", func(p *P) {
		p.Cipher.Outer, p.Cipher.OuterIV, p.Cipher.OuterJoin = mergefile.OuterHexLower, mergefile.OuterHexLower, ":"
	})
	vary("iv in hex, text in base64", func(p *P) {
		p.Cipher.Outer, p.Cipher.OuterIV, p.Cipher.OuterJoin = mergefile.OuterBase64, mergefile.OuterHexLower, ":"
	})
	vary("iv and text in base64-url", func(p *P) {
		p.Cipher.Outer, p.Cipher.OuterIV, p.Cipher.OuterJoin = "base64-url", "base64-url", "."
	})
	vary("ofb", func(p *P) { p.Cipher.Mode, p.Cipher.Padding = "ofb", mergefile.PaddingNone })
	vary("padding iso7816", func(p *P) { p.Cipher.Padding = "iso7816" })
	vary("nonce", func(p *P) {
		p.Cipher.Mode, p.Cipher.IV, p.Cipher.Padding = mergefile.CipherCTR, "nonce", mergefile.PaddingNone
	})
	for _, iv := range []mergefile.IVForm{"file-date", "file-name-md5"} {
		vary("iv "+string(iv), func(p *P) { p.Cipher.IV = iv })
	}
	for _, key := range []mergefile.KeyForm{"text", "sha256-hex", "md5-hex", "sha1", "sha256", "mysql-sha2-256", "mysql-sha2-512"} {
		vary("key "+string(key), func(p *P) { p.Cipher.Key = key })
	}
	vary("evp without salt", func(p *P) { p.Cipher.Key, p.Cipher.IV = mergefile.KeyEVPMD5, "derived-unsalted" })
	vary("pbkdf2 with a salt of both ends", func(p *P) {
		p.Cipher.Key, p.Cipher.IV, p.Cipher.Salt, p.Cipher.Iterations = "pbkdf2-sha1", mergefile.IVPrefixed, "736f6d652073616c74", 1000
	})
	vary("pbkdf2-sha512", func(p *P) {
		p.Cipher.Key, p.Cipher.IV, p.Cipher.Iterations = "pbkdf2-sha512", mergefile.IVDerived, 1000
	})
	vary("envelope in hex", func(p *P) {
		*p = mergefile.Envelope()
		p.Name, p.Cipher.Outer, p.Associated = "envelope in hex", mergefile.OuterHexLower, "operator=000001;municipality=141305"
	})
	return ps
}
