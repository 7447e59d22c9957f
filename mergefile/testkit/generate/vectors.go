package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/mynakit/mynakit/mergefile"
)

// set collects vectors. Its random bytes come from a fixed seed.
type set struct {
	rnd *rand.ChaCha8
	out map[string][]byte
}

func (s *set) random(n int) []byte {
	b := make([]byte, n)
	s.rnd.Read(b)
	return b
}

// kit gives fresh key material of the form that the profile wants.
func (s *set) kit(p mergefile.Profile) kit {
	k := kit{iv: s.random(16), name: "20170512093000000001.dat", keyID: "k1", secret: fmt.Sprintf("%x", s.random(12))}
	switch p.Cipher.Key {
	case mergefile.KeyHex:
		k.key = fmt.Appendf(nil, "%x", s.random(16))
	case mergefile.KeyBase64:
		k.key = []byte("MDEyMzQ1Njc4OWFiY2RlZg==")
	case "hex-fill":
		k.key = fmt.Appendf(nil, "%x", s.random(8))
	case "text", "sha256-hex", "md5-hex", "sha1", "sha256", "mysql-sha2-256", "mysql-sha2-512", "pbkdf2-sha1",
		mergefile.KeyMySQL, mergefile.KeyMD5, mergefile.KeyEVPMD5, mergefile.KeyEVPSHA256, mergefile.KeyPBKDF2:
		k.key = fmt.Appendf(nil, "a passphrase %x", s.random(6))
	default:
		k.key = s.random(16)
	}
	return k
}

// vector is what add needs.
type vector struct {
	name, verdict, comment string
	p                      mergefile.Profile
	k                      kit
	file                   string
	sidecar                string
	records                []rec // of a valid one
}

func (s *set) add(v vector) {
	profile, err := json.Marshal(v.p)
	if err != nil {
		panic(err)
	}
	var b bytes.Buffer
	line := func(name, value string) { fmt.Fprintf(&b, "%s: %s\n", name, value) }
	line("verdict", v.verdict)
	line("comment", v.comment)
	line("profile", string(profile))
	line("key", fmt.Sprintf("%x", v.k.key))
	line("key-id", v.k.keyID)
	line("secret", fmt.Sprintf("%x", v.k.secret))
	if strings.HasPrefix(string(v.p.Cipher.IV), "file-") {
		line("name", v.k.name)
	}
	if v.sidecar != "" {
		line("sidecar", fmt.Sprintf("%x", v.sidecar))
	}
	if v.verdict == "valid" {
		h := sha256.New()
		for _, r := range v.records {
			ms := ""
			if n := r.at.Nanosecond() / 1e6; n != 0 {
				ms = fmt.Sprintf(".%03d", n)
			}
			fmt.Fprintf(h, "%s,%s,%d,%s%s-%06d\n", v.p.Holder.Kind, r.holder, r.points, r.at.Format("20060102150405"), ms, r.seq)
		}
		line("records", fmt.Sprint(len(v.records)))
		line("sha256", fmt.Sprintf("%x", h.Sum(nil)))
	}
	b.WriteString("\n" + v.file)
	name := v.name + ".vec"
	if _, twice := s.out[name]; twice {
		panic("two vectors named " + name)
	}
	s.out[name] = b.Bytes()
}

var jst = time.FixedZone("JST", 9*60*60)

// recs gives n records of rising numbers.
func recs(p mergefile.Profile, n int) []rec {
	var out []rec
	for i := range n {
		holder := fmt.Sprint(520625 + 7*i)
		if p.Holder.Kind == mergefile.MyKeyID {
			holder = fmt.Sprintf("MY12345%d", i)
		}
		at := time.Date(2017, 5, 12, 9, 30, i, 0, jst)
		if p.Transaction.Time == mergefile.TimeMillis {
			at = at.Add(time.Duration(i+1) * time.Millisecond)
		}
		out = append(out, rec{holder, 100 + i, at, i + 1})
	}
	return out
}

// vectors makes all of them.
func vectors() map[string][]byte {
	s := &set{rnd: rand.NewChaCha8([32]byte([]byte("merge file vectors, first series"))), out: map[string][]byte{}}
	s.valid()
	s.sizes()
	s.cuts()
	s.changes()
	s.padding()
	s.grammar()
	s.headers()
	s.hashes()
	s.keys()
	s.duplicates()
	s.outerText()
	s.sidecars()
	s.envelopes()
	// What came later draws after everything else: the files of before stay as
	// they were.
	s.good("key-md5", 2, func(p *mergefile.Profile) { p.Cipher.Key = mergefile.KeyMD5 })
	s.habits()
	return s.out
}

func japaneseNames() []string {
	return []string{"商店街ポイントID", "合算ポイント数", "取引済番号", "ハッシュ値"}
}

// good makes a good file of n records from the Standard profile, changed.
func (s *set) good(name string, n int, change func(*mergefile.Profile)) {
	p := mergefile.Standard()
	change(&p)
	p.Name = name
	k := s.kit(p)
	rs := recs(p, n)
	v := vector{name: "valid-" + name, verdict: "valid", comment: "a good file", p: p, k: k, records: rs}
	v.file = k.file(p, prolog(p)+body(p, k.secret, rs...))
	if p.Integrity == mergefile.IntegritySidecar {
		v.sidecar = k.sidecar(v.file)
	}
	s.add(v)
}

// valid makes one file for each choice of each axis.
func (s *set) valid() {
	type P = mergefile.Profile
	add := s.good
	for _, preset := range mergefile.Presets() {
		add("preset-"+strings.ToLower(preset.Name), 3, func(p *P) { *p = preset })
		add("preset-"+strings.ToLower(preset.Name)+"-mykey", 1, func(p *P) { *p = preset.WithMyKeyID() })
	}
	for n := 1; n <= 8; n++ {
		// The text grows by 65 bytes a record and so ends at every place of a block.
		add(fmt.Sprintf("records-%d", n), n, func(p *P) {})
	}
	add("one-record", 1, func(p *P) { p.Records = mergefile.RecordsOne })
	add("one-record-no-line-end", 1, func(p *P) {
		p.Records, p.EOL, p.FinalEOL = mergefile.RecordsOne, mergefile.EOLNone, false
	})
	add("no-final-line-end", 3, func(p *P) { p.FinalEOL = false })
	add("lf", 3, func(p *P) { p.EOL = mergefile.EOLLF })
	add("quoted", 2, func(p *P) { p.Layout = mergefile.LayoutCSVQuoted })
	add("quoted-hashed-as-written", 2, func(p *P) { p.Layout, p.Hash.Fields = mergefile.LayoutCSVQuoted, mergefile.HashWritten })
	add("tsv", 2, func(p *P) { p.Layout = mergefile.LayoutTSV })
	add("fixed", 2, func(p *P) { p.Layout, p.Points.ZeroFill = mergefile.LayoutFixed, true })
	add("fixed-no-line-ends", 3, func(p *P) {
		p.Layout, p.Points.ZeroFill, p.EOL, p.FinalEOL = mergefile.LayoutFixed, true, mergefile.EOLNone, false
	})
	add("fixed-raw-hash", 3, func(p *P) { p.Layout, p.Points.ZeroFill, p.Hash.Text = mergefile.LayoutFixed, true, mergefile.HashRaw })
	add("lines", 2, func(p *P) { p.Layout = mergefile.LayoutLines })
	add("key-value", 2, func(p *P) {
		p.Layout, p.Names = mergefile.LayoutKeyValue, []string{"id", "points", "number", "hash"}
	})
	for _, charset := range []mergefile.Charset{mergefile.CharsetCP932, mergefile.CharsetUTF8, mergefile.CharsetUTF8BOM} {
		add("header-"+string(charset), 2, func(p *P) { p.Header, p.Names, p.Charset = true, japaneseNames(), charset })
		add("key-value-"+string(charset), 2, func(p *P) { p.Layout, p.Names, p.Charset = mergefile.LayoutKeyValue, japaneseNames(), charset })
	}
	// Second bytes of CP932 that are a backslash, a bar or a brace; letters that
	// only Microsoft's table has; half-width kana.
	add("header-cp932-edges", 1, func(p *P) {
		p.Header, p.Charset, p.Names = true, mergefile.CharsetCP932, []string{"表ソ能予", "①髙﨑Ⅲ㈱", "ﾎﾟｲﾝﾄ～－", "ポ―ーマ"}
	})
	for _, form := range []mergefile.TimeForm{mergefile.TimeMillis, mergefile.TimeDashes, mergefile.TimeSlashes, mergefile.TimeISO} {
		name := strings.NewReplacer("/", "s", " ", "_", ":", "").Replace(string(form))
		add("time-"+name, 2, func(p *P) { p.Transaction.Time, p.Transaction.Join = form, "-" })
	}
	add("utc", 2, func(p *P) { p.Transaction.Zone = mergefile.ZoneUTC })
	add("sequence-any-width", 2, func(p *P) { p.Transaction.Digits = 0 })
	add("sequence-9", 2, func(p *P) { p.Transaction.Digits, p.Transaction.Join = 9, "_" })
	add("points-18-filled", 2, func(p *P) { p.Points = mergefile.PointsForm{Digits: 18, ZeroFill: true} })
	for _, place := range []mergefile.SecretPlace{mergefile.SecretPrefix, mergefile.SecretBoth, mergefile.SecretBetween} {
		add("secret-"+string(place), 2, func(p *P) { p.Hash.Place = place })
	}
	add("hash-joined-bars", 2, func(p *P) { p.Hash.Join, p.Hash.SecretJoin = "|", "" })
	add("hash-of-echo", 2, func(p *P) { p.Hash.EOL = mergefile.EOLLF })
	for _, text := range []mergefile.HashText{mergefile.HashHexUpper, mergefile.HashHexAny, mergefile.HashBase64} {
		add("hash-"+string(text), 2, func(p *P) { p.Hash.Text = text })
	}
	for _, mode := range []mergefile.CipherMode{mergefile.CipherCTR, mergefile.CipherCFB8, mergefile.CipherCFB128} {
		add("mode-"+string(mode), 2, func(p *P) { p.Cipher.Mode, p.Cipher.Padding = mode, mergefile.PaddingNone })
		add("mode-"+string(mode)+"-padded", 2, func(p *P) { p.Cipher.Mode = mode })
	}
	for _, iv := range []mergefile.IVForm{mergefile.IVZero, mergefile.IVKey, mergefile.IVFileName} {
		add("iv-"+string(iv), 2, func(p *P) { p.Cipher.IV = iv })
	}
	for _, padding := range []mergefile.Padding{mergefile.PaddingX923, mergefile.PaddingISO10126, mergefile.PaddingZero, mergefile.PaddingSpace} {
		add("padding-"+string(padding), 2, func(p *P) { p.Cipher.Padding = padding })
	}
	for _, form := range []mergefile.KeyForm{mergefile.KeyHex, mergefile.KeyBase64, mergefile.KeyMySQL} {
		add("key-"+string(form), 2, func(p *P) { p.Cipher.Key = form })
	}
	add("key-evp-sha256", 2, func(p *P) { p.Cipher.Key, p.Cipher.IV = mergefile.KeyEVPSHA256, mergefile.IVDerived })
	for _, o := range []mergefile.Outer{mergefile.OuterBase64, mergefile.OuterBase64W, mergefile.OuterBase64M, mergefile.OuterHexLower, mergefile.OuterHexUpper} {
		add("outer-"+string(o), 3, func(p *P) { p.Cipher.Outer, p.Cipher.OuterEOL = o, mergefile.EOLLF })
	}
	add("associated", 2, func(p *P) { *p = mergefile.Envelope(); p.Associated = "operator=000001;municipality=141305" })
}

// standard makes a good Standard file of n records to spoil.
func (s *set) standard(n int) (mergefile.Profile, kit, string) {
	p := mergefile.Standard()
	k := s.kit(p)
	return p, k, k.file(p, body(p, k.secret, recs(p, n)...))
}

func (s *set) sizes() {
	p, k, _ := s.standard(1)
	for _, c := range []struct {
		n       int
		verdict string
	}{{0, "size"}, {1, "prefix"}, {15, "prefix"}, {16, "block length"}, {17, "block length"}, {31, "block length"}, {33, "block length"}} {
		s.add(vector{name: fmt.Sprintf("size-%d", c.n), verdict: c.verdict, comment: fmt.Sprintf("%d bytes", c.n), p: p, k: k, file: string(s.random(c.n))})
	}
	s.add(vector{name: "no-records", verdict: "record count", comment: "an IV and a block of padding", p: p, k: k, file: k.encrypt(p.Cipher, strings.Repeat("\x10", 16))})
	p.Records = mergefile.RecordsOne
	s.add(vector{name: "one-record-two", verdict: "record count", comment: "two records where the profile has one", p: p, k: k,
		file: k.file(p, body(p, k.secret, recs(p, 2)...))})
}

func (s *set) cuts() {
	p, k, file := s.standard(3)
	for n := 32; n < len(file); n += 16 {
		s.add(vector{name: fmt.Sprintf("cut-block-%02d", n/16), verdict: "padding", comment: "cut between two blocks", p: p, k: k, file: file[:n]})
	}
	for _, n := range []int{40, 100, len(file) - 1} {
		s.add(vector{name: fmt.Sprintf("cut-byte-%03d", n), verdict: "block length", comment: "cut inside a block", p: p, k: k, file: file[:n]})
	}
	s.add(vector{name: "trailing-byte", verdict: "block length", comment: "one byte too many", p: p, k: k, file: file + "\x00"})
	s.add(vector{name: "trailing-line-end", verdict: "block length", comment: "a line end behind the file", p: p, k: k, file: file + "\r\n"})
	s.add(vector{name: "trailing-block", verdict: "padding", comment: "a block too many", p: p, k: k, file: file + file[16:32]})
	s.add(vector{name: "trailing-file", verdict: "padding", comment: "half of the file twice", p: p, k: k, file: file + file[:48]})
}

// changes spoils single bits and the order of blocks. What becomes of it is
// chance where a block turns into noise; the verdict is then that of a line
// that cannot be read, by its place.
func (s *set) changes() {
	p, k, file := s.standard(3)
	flip := func(at int, mask byte) string {
		b := []byte(file)
		b[at] ^= mask
		return string(b)
	}
	for i := range 6 {
		s.add(vector{name: fmt.Sprintf("flip-iv-holder-%d", i), verdict: "hash", comment: "one bit of the IV: another holder", p: p, k: k, file: flip(i, 1)})
	}
	s.add(vector{name: "flip-iv-points", verdict: "hash", comment: "one bit of the IV: other points", p: p, k: k, file: flip(8, 1)})
	s.add(vector{name: "flip-iv-time", verdict: "field", comment: "one bit of the IV: a year that is none", p: p, k: k, file: flip(11, 2)})
	s.add(vector{name: "flip-iv-delimiter", verdict: "field", comment: "one bit of the IV: no delimiter", p: p, k: k, file: flip(6, 4)})
	s.add(vector{name: "flip-last-block", verdict: "padding", comment: "one bit of the last block", p: p, k: k, file: flip(len(file)-1, 0x80)})
	s.add(vector{name: "flip-before-last", verdict: "padding", comment: "one bit of the block before the last, in the padding", p: p, k: k, file: flip(len(file)-17, 0x40)})
	ecb := mergefile.JavaDefault()
	ke := s.kit(ecb)
	text := body(ecb, ke.secret, recs(ecb, 2)...)
	good := ke.file(ecb, text)
	swapped := good[16:32] + good[:16] + good[32:]
	s.add(vector{name: "ecb-swap", verdict: "field", comment: "two blocks exchanged", p: ecb, k: ke, file: swapped})
	s.add(vector{name: "ecb-repeat", verdict: "field", comment: "a block twice", p: ecb, k: ke, file: good[:16] + good})
	s.add(vector{name: "ecb-drop", verdict: "field", comment: "a block left out", p: ecb, k: ke, file: good[16:]})
	ctr := mergefile.Standard()
	ctr.Cipher.Mode, ctr.Cipher.Padding = mergefile.CipherCTR, mergefile.PaddingNone
	kc := s.kit(ctr)
	good = kc.file(ctr, body(ctr, kc.secret, recs(ctr, 2)...))
	b := []byte(good)
	b[16] ^= 1
	s.add(vector{name: "ctr-flip-holder", verdict: "hash", comment: "one bit of the ciphertext: another holder", p: ctr, k: kc, file: string(b)})
	// A digit of the hash becomes another digit: 0 and 1 differ in one bit.
	if i := strings.LastIndexAny(body(ctr, kc.secret, recs(ctr, 2)...), "01"); i > 0 {
		b = []byte(good)
		b[16+i] ^= 1
		s.add(vector{name: "ctr-flip-hash", verdict: "hash", comment: "one bit of the ciphertext: another hash", p: ctr, k: kc, file: string(b)})
	}
	s.add(vector{name: "ctr-cut", verdict: "line", comment: "the last byte left out", p: ctr, k: kc, file: good[:len(good)-1]})
}

func (s *set) padding() {
	p := mergefile.Standard()
	k := s.kit(p)
	// 65 bytes a record: with three, 13 bytes of padding.
	text := body(p, k.secret, recs(p, 3)...)
	whole := pad(mergefile.PaddingPKCS7, text)
	n := len(whole) - len(text)
	add := func(name, comment, padded string) {
		s.add(vector{name: "padding-" + name, verdict: "padding", comment: comment, p: p, k: k, file: k.encrypt(p.Cipher, padded)})
	}
	for _, last := range []byte{0, 17, 18, 32, 64, 127, 128, 129, 255} {
		add(fmt.Sprintf("last-%03d", last), "a last byte that no padding has", whole[:len(whole)-1]+string([]byte{last}))
	}
	for i := range n - 1 {
		b := []byte(whole)
		b[len(text)+i] ^= 1
		add(fmt.Sprintf("inside-%02d", i), "one byte of the padding is another", string(b))
	}
	full := pad(mergefile.PaddingPKCS7, strings.Repeat("x", 16))
	for i := range 16 {
		b := []byte(full)
		b[16+i] ^= 0x20
		add(fmt.Sprintf("full-block-%02d", i), "one byte of a whole block of padding is another", string(b))
	}
	add("zeros", "zero padding where PKCS#7 is due", pad(mergefile.PaddingZero, text))
	add("spaces", "spaces where PKCS#7 is due", pad(mergefile.PaddingSpace, text))
	add("x923", "ANSI X9.23 where PKCS#7 is due", pad(mergefile.PaddingX923, text))
	add("iso10126", "ISO 10126 where PKCS#7 is due", pad(mergefile.PaddingISO10126, text))
	add("none", "the text ends with its block and has no padding", text[:len(text)/16*16])
	s.add(vector{name: "padding-17", verdict: "line", comment: "a block of padding too many", p: p, k: k,
		file: k.encrypt(p.Cipher, whole+strings.Repeat("\x10", 16))})
	x := p
	x.Cipher.Padding = mergefile.PaddingX923
	s.add(vector{name: "x923-pkcs7", verdict: "padding", comment: "PKCS#7 where ANSI X9.23 is due", p: x, k: k, file: k.encrypt(x.Cipher, whole)})
	z := p
	z.Cipher.Padding = mergefile.PaddingZero
	s.add(vector{name: "zero-too-many", verdict: "line", comment: "a whole block of zeros", p: z, k: k,
		file: k.encrypt(z.Cipher, pad(mergefile.PaddingZero, text)+strings.Repeat("\x00", 16))})
}

func (s *set) grammar() {
	p := mergefile.Standard()
	k := s.kit(p)
	good := recs(p, 1)[0]
	g := texts(p, good)
	// hashed makes a line whose hash is right for whatever its fields are.
	hashed := func(f [3]string) string {
		return recordText(p, [4]string{f[0], f[1], f[2], hashOf(p, k.secret, f)}) + "\r\n"
	}
	add := func(name, verdict, comment, text string) {
		s.add(vector{name: "text-" + name, verdict: verdict, comment: comment, p: p, k: k, file: k.file(p, text)})
	}
	for _, c := range []struct{ name, holder string }{
		{"empty", ""}, {"33-characters", strings.Repeat("9", 33)}, {"space", "520 25"}, {"hyphen", "520-25"},
		{"full-width", "５２０"}, {"kana", "\xb1\xb2\xb3"}, {"nul", "520\x0025"}, {"tab", "520\t25"}, {"quote", `"520625"`},
		{"md5-padding", "520625\x80\x00\x00\x00\x00\x00\x00\x00\x30"}, {"utf-8", "ポイント"}, {"high-bytes", "\xff\xfe\xfd"},
	} {
		add("holder-"+c.name, "field", "a holder outside the grammar, rightly hashed", hashed([3]string{c.holder, g[1], g[2]}))
	}
	for _, c := range []struct{ name, points string }{
		{"empty", ""}, {"zero", "0"}, {"leading-zero", "0100"}, {"plus", "+100"}, {"minus", "-100"}, {"fraction", "1.5"},
		{"exponent", "1e3"}, {"hexadecimal", "0x64"}, {"space", " 100"}, {"full-width", "１００"}, {"10-digits", "1000000000"},
		{"2-to-the-32", "4294967396"}, {"2-to-the-64", "18446744073709551716"}, {"30-digits", strings.Repeat("9", 30)},
	} {
		add("points-"+c.name, "field", "points outside the grammar, rightly hashed", hashed([3]string{g[0], c.points, g[2]}))
	}
	for _, c := range []struct{ name, number string }{
		{"empty", ""}, {"month-00", "20170012093000000001"}, {"month-13", "20171312093000000001"}, {"day-00", "20170500093000000001"},
		{"february-29", "20170229093000000001"}, {"february-30", "20200230093000000001"}, {"april-31", "20170431093000000001"},
		{"hour-24", "20170512240000000001"}, {"minute-60", "20170512096000000001"}, {"second-60", "20170512093060000001"},
		{"year-1999", "19990512093000000001"}, {"year-2100", "21000512093000000001"}, {"year-0000", "00000512093000000001"},
		{"letter", "2017051209300O000001"}, {"short", "2017051209300000001"}, {"long", "201705120930000000001"},
		{"separators", "2017-05-12 09:30:00000001"}, {"sign", "20170512093000-00001"},
	} {
		add("number-"+c.name, "field", "a transaction number outside the grammar, rightly hashed", hashed([3]string{g[0], g[1], c.number}))
	}
	line := hashed(g)
	bare := strings.TrimSuffix(line, "\r\n")
	add("lf", "line", "LF where CRLF is due", bare+"\n")
	add("cr", "line", "CR where CRLF is due", bare+"\r")
	add("no-line-end", "line", "the last line end is missing", bare)
	add("half-line-end", "line", "CR without LF at the end", bare+"\r")
	add("empty-line-first", "field", "an empty line in front", "\r\n"+line)
	add("empty-line-last", "field", "an empty line at the end", line+"\r\n")
	add("spaces-last", "line", "spaces behind the last line", line+"  ")
	add("control-z", "line", "a control-Z behind the last line, as old editors leave it", line+"\x1a")
	add("three-fields", "field", "the hash is missing", g[0]+","+g[1]+","+g[2]+"\r\n")
	add("five-fields", "field", "a field too many", bare+",0\r\n")
	add("semicolons", "field", "semicolons where commas are due", strings.ReplaceAll(line, ",", ";"))
	add("quoted", "field", "quotes where there are none", `"`+strings.Join(strings.Split(bare, ","), `","`)+`"`+"\r\n")
	add("mark", "field", "a byte order mark where there is none", "\xEF\xBB\xBF"+line)
	add("header", "field", "a header row where there is none", "holder,points,transaction,hash\r\n"+line)
	add("utf-16", "field", "UTF-16", doubled(line))
	add("second-line", "field", "a fault in the second line alone", line+hashed([3]string{"52 0625", "100", "20170512093000000002"}))
	my := p.WithMyKeyID()
	for _, holder := range []string{"mykey123", "MY12345", "MY1234567", "MY12345-"} {
		f := [3]string{holder, g[1], g[2]}
		text := recordText(my, [4]string{f[0], f[1], f[2], hashOf(my, k.secret, f)}) + "\r\n"
		s.add(vector{name: "mykey-" + strings.ToLower(holder), verdict: "field", comment: "not a MyKey ID", p: my, k: k, file: k.file(my, text)})
	}
}

func doubled(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteString(s[i:i+1] + "\x00")
	}
	return b.String()
}

func (s *set) headers() {
	p := mergefile.Standard()
	p.Header, p.Names, p.Charset = true, japaneseNames(), mergefile.CharsetCP932
	k := s.kit(p)
	rows := body(p, k.secret, recs(p, 2)...)
	other := func(change func(*mergefile.Profile)) string {
		q := p
		change(&q)
		return prolog(q)
	}
	add := func(name, comment, head string) {
		s.add(vector{name: "header-" + name, verdict: "header row", comment: comment, p: p, k: k, file: k.file(p, head+rows)})
	}
	add("missing", "no header row where one is due", "")
	add("utf-8", "the header row in UTF-8 where CP932 is due", other(func(q *mergefile.Profile) { q.Charset = mergefile.CharsetUTF8 }))
	add("other-names", "other names", other(func(q *mergefile.Profile) { q.Names = []string{"a", "b", "c", "d"} }))
	add("other-order", "the same names in another order", other(func(q *mergefile.Profile) {
		q.Names = []string{q.Names[1], q.Names[0], q.Names[2], q.Names[3]}
	}))
	add("twice-half", "half of the header row", prolog(p)[:10])
	p.Charset = mergefile.CharsetUTF8BOM
	add("mark-missing", "no byte order mark where one is due", other(func(q *mergefile.Profile) { q.Charset = mergefile.CharsetUTF8 }))
	p.Charset = mergefile.CharsetUTF8
	add("mark-added", "a byte order mark where there is none", other(func(q *mergefile.Profile) { q.Charset = mergefile.CharsetUTF8BOM }))
	p.Charset, p.Names = mergefile.CharsetCP932, []string{"a～", "b", "c", "d"}
	add("wave-dash", "another byte pair for a wave dash: 81 50 in place of 81 60", strings.Replace(prolog(p), "\x81\x60", "\x81\x50", 1))
}

func (s *set) hashes() {
	p := mergefile.Standard()
	k := s.kit(p)
	rs := recs(p, 2)
	f, g := texts(p, rs[0]), texts(p, rs[1])
	line := func(f [3]string, hash string) string {
		return recordText(p, [4]string{f[0], f[1], f[2], hash}) + "\r\n"
	}
	right := hashOf(p, k.secret, f)
	add := func(name, verdict, comment, text string) {
		s.add(vector{name: "hash-" + name, verdict: verdict, comment: comment, p: p, k: k, file: k.file(p, text)})
	}
	add("other-secret", "hash", "another secret", line(f, hashOf(p, "not the secret", f)))
	add("no-secret", "hash", "no secret", line(f, hashOf(p, "", f)))
	add("of-other-record", "hash", "the hashes of two records exchanged", line(f, hashOf(p, k.secret, g))+line(g, right))
	add("more-points", "hash", "the points were raised", line([3]string{f[0], "9" + f[1], f[2]}, right))
	add("other-holder", "hash", "the holder was exchanged", line([3]string{g[0], f[1], f[2]}, right))
	add("other-number", "hash", "the number was exchanged", line([3]string{f[0], f[1], g[2]}, right))
	add("second-line", "hash", "the second record was changed", line(f, right)+line([3]string{g[0], "999", g[2]}, hashOf(p, k.secret, g)))
	add("zeros", "hash", "a hash of zeros", line(f, strings.Repeat("0", 32)))
	add("upper-case", "field", "upper case where lower is due", line(f, strings.ToUpper(right + "a")[:32]))
	add("31-digits", "field", "a digit too few", line(f, right[:31]))
	add("33-digits", "field", "a digit too many", line(f, right+"0"))
	add("not-hexadecimal", "field", "a letter that is no digit", line(f, "g"+right[1:]))
	add("empty", "field", "an empty hash", line(f, ""))
	add("base64", "field", "base64 where hexadecimal is due", line(f, "AAAAAAAAAAAAAAAAAAAAAA=="))
	for name, change := range map[string]func(*mergefile.Profile){
		"without-commas":    func(q *mergefile.Profile) { q.Hash.Join, q.Hash.SecretJoin = "", "" },
		"without-one-comma": func(q *mergefile.Profile) { q.Hash.SecretJoin = "" },
		"secret-in-front":   func(q *mergefile.Profile) { q.Hash.Place = mergefile.SecretPrefix },
		"with-line-end":     func(q *mergefile.Profile) { q.Hash.EOL = mergefile.EOLCRLF },
	} {
		q := p
		change(&q)
		add(name, "hash", "the input of the hash joined in another way", line(f, hashOf(q, k.secret, f)))
	}
	b64 := p
	b64.Hash.Text = mergefile.HashBase64
	good := hashOf(b64, k.secret, f)
	s.add(vector{name: "hash-base64-unpadded", verdict: "field", comment: "base64 without its padding", p: b64, k: k, file: k.file(b64, line(f, good[:22]))})
	unused := []byte(good)
	unused[21]++ // the last of four bits that mean nothing
	s.add(vector{name: "hash-base64-unused-bits", verdict: "field", comment: "base64 with a bit set that means nothing", p: b64, k: k, file: k.file(b64, line(f, string(unused)))})

	// The document's words: these two have the same hash, and both are valid.
	pub := mergefile.Published()
	kp := s.kit(pub)
	kp.secret = "S3CRET"
	at := time.Date(2017, 5, 12, 9, 30, 0, 0, jst)
	pub.Transaction.Digits = 4
	for name, r := range map[string]rec{"a": {"520625", 100, at, 1}, "b": {"52062", 5100, at, 1}} {
		s.add(vector{name: "valid-unbound-pair-" + name, verdict: "valid", p: pub, k: kp, records: []rec{r},
			comment: "joined without a delimiter, a and b have one hash", file: kp.file(pub, body(pub, kp.secret, r))})
	}
}

func (s *set) keys() {
	p, k, file := s.standard(2)
	// A wrong key, one that makes padding look wrong and one in 256 that does
	// not: found by trying.
	var seen [2]bool
	for i := 0; !seen[0] || !seen[1]; i++ {
		wrong := k
		wrong.key = s.random(16)
		text := decryptCBC(wrong.key, file)
		n := int(text[len(text)-1])
		right := n >= 1 && n <= 16 && strings.HasSuffix(text, strings.Repeat(string([]byte{byte(n)}), n))
		if right && !seen[1] {
			seen[1] = true
			s.add(vector{name: "key-wrong-padding-right", verdict: "field", comment: "a wrong key, under which the padding happens to be right", p: p, k: wrong, file: file})
		} else if !right && !seen[0] {
			seen[0] = true
			s.add(vector{name: "key-wrong", verdict: "padding", comment: "a wrong key", p: p, k: wrong, file: file})
		}
	}
	wrong := k
	wrong.secret = "another secret altogether"
	s.add(vector{name: "secret-wrong", verdict: "hash", comment: "a wrong secret", p: p, k: wrong, file: file})
	for _, preset := range []mergefile.Profile{mergefile.OpenSSLMD5(), mergefile.OpenSSLPBKDF2()} {
		k := s.kit(preset)
		good := k.file(preset, body(preset, k.secret, recs(preset, 1)...))
		name := strings.ToLower(preset.Name)
		s.add(vector{name: name + "-no-mark", verdict: "prefix", comment: "no Salted__ in front", p: preset, k: k, file: "Pepper__" + good[8:]})
		s.add(vector{name: name + "-cut", verdict: "prefix", comment: "cut inside the salt", p: preset, k: k, file: good[:12]})
		s.add(vector{name: name + "-salt-alone", verdict: "block length", comment: "nothing behind the salt", p: preset, k: k, file: good[:16]})
		bad := []byte(good)
		bad[9] ^= 1
		s.add(vector{name: name + "-other-salt", verdict: "padding", comment: "another salt", p: preset, k: k, file: string(bad)})
	}
}

func (s *set) duplicates() {
	p := mergefile.Standard()
	k := s.kit(p)
	add := func(name, comment string, rs ...rec) {
		s.add(vector{name: "duplicate-" + name, verdict: "duplicate", comment: comment, p: p, k: k, file: k.file(p, body(p, k.secret, rs...))})
	}
	r := recs(p, 5)
	add("record", "a record twice", r[0], r[0])
	same := r[1]
	same.at, same.seq = r[0].at, r[0].seq
	add("number", "a number twice, with another holder", r[0], same)
	more := r[0]
	more.points = 999
	add("points", "a number twice, with other points", r[0], more)
	add("apart", "a number twice, far apart", r[0], r[1], r[2], r[3], r[0])
	add("falling", "a number twice among falling ones", r[4], r[3], r[2], r[4])
	s.add(vector{name: "valid-falling", verdict: "valid", comment: "numbers need not rise", p: p, k: k, records: []rec{r[4], r[2], r[3], r[0]},
		file: k.file(p, body(p, k.secret, r[4], r[2], r[3], r[0]))})
}

func (s *set) outerText() {
	add := func(name, comment string, p mergefile.Profile, k kit, file string) {
		s.add(vector{name: "outer-" + name, verdict: "outer text", comment: comment, p: p, k: k, file: file})
	}
	make := func(o mergefile.Outer, eol mergefile.EOL) (mergefile.Profile, kit, string) {
		p := mergefile.Standard()
		p.Cipher.Outer, p.Cipher.OuterEOL = o, eol
		k := s.kit(p)
		return p, k, k.file(p, body(p, k.secret, recs(p, 2)...))
	}
	p, k, good := make(mergefile.OuterBase64, mergefile.EOLNone)
	add("base64-line-end", "a line end where there is none", p, k, good+"\n")
	add("base64-inside", "a line end inside", p, k, good[:40]+"\n"+good[40:])
	add("base64-character", "a character that is none of base64", p, k, "*"+good[1:])
	add("base64-url", "the alphabet of URLs", p, k, "-"+good[1:])
	add("base64-cut", "the last character missing", p, k, good[:len(good)-1])
	add("base64-twice", "more behind the padding", p, k, strings.TrimRight(good, "=")[:len(good)-4]+"AA=="+good)
	p, k, good = make(mergefile.OuterBase64W, mergefile.EOLLF)
	add("base64-64-crlf", "CRLF where LF is due", p, k, strings.ReplaceAll(good, "\n", "\r\n"))
	add("base64-64-long-line", "a line of more than 64", p, k, strings.Replace(good, "\n", "", 1))
	add("base64-64-short-line", "a line of less than 64 that is not the last", p, k, good[:32]+"\n"+good[32:])
	add("base64-64-no-end", "the last line end missing", p, k, strings.TrimSuffix(good, "\n"))
	add("base64-64-empty-line", "an empty line at the end", p, k, good+"\n")
	p, k, good = make(mergefile.OuterHexLower, mergefile.EOLNone)
	add("hex-upper", "upper case where lower is due", p, k, strings.ToUpper(good))
	add("hex-one-upper", "one digit in upper case", p, k, strings.Replace(good, "a", "A", 1))
	add("hex-odd", "an odd number of digits", p, k, good[:len(good)-1])
	add("hex-letter", "a letter that is no digit", p, k, "g"+good[1:])
	add("hex-space", "a space between digits", p, k, good[:2]+" "+good[2:])
}

func (s *set) sidecars() {
	p := mergefile.Sidecar()
	k := s.kit(p)
	file := k.file(p, body(p, k.secret, recs(p, 2)...))
	mac := k.sidecar(file)
	other := k
	other.key = s.random(16)
	unknown := k
	unknown.keyID = "k2"
	for _, c := range []struct{ name, comment, mac string }{
		{"missing", "no sidecar where one is due", ""},
		{"of-another-file", "the sidecar of another file", k.sidecar(file + "x")},
		{"of-another-key", "the HMAC under another key", other.sidecar(file)},
		{"unknown-key", "a key identifier that is not there", unknown.sidecar(file)},
		{"upper-case", "upper case where lower is due", mac[:18] + strings.ToUpper(mac[18:])},
		{"no-line-end", "no line end", strings.TrimSuffix(mac, "\n")},
		{"crlf", "CRLF where LF is due", strings.TrimSuffix(mac, "\n") + "\r\n"},
		{"cut", "half of the HMAC", mac[:50] + "\n"},
		{"version-2", "a version that does not exist yet", strings.Replace(mac, "mac-1", "mac-2", 1)},
	} {
		s.add(vector{name: "sidecar-" + c.name, verdict: "sidecar", comment: c.comment, p: p, k: k, file: file, sidecar: c.mac})
	}
}

func (s *set) envelopes() {
	p := mergefile.Envelope()
	p.Associated = "operator=000001"
	k := s.kit(p)
	text := body(p, k.secret, recs(p, 3)...)
	good := k.envelope(p, text)
	head := 8 + 1 + 2 + 16
	add := func(name, verdict, comment, file string) {
		s.add(vector{name: "envelope-" + name, verdict: verdict, comment: comment, p: p, k: k, file: file})
	}
	flip := func(at int) string {
		b := []byte(good)
		b[at] ^= 1
		return string(b)
	}
	add("magic", "prefix", "other first bytes", flip(0))
	add("version-2", "prefix", "a version that does not exist yet", good[:7]+"\x02"+good[8:])
	add("key-length-0", "prefix", "no key identifier", good[:8]+"\x00"+good[9:])
	add("key-length-255", "prefix", "a key identifier beyond all bounds", good[:8]+"\xff"+good[9:])
	add("unknown-key", "prefix", "a key identifier that is not there", good[:10]+"2"+good[11:])
	add("cut-header", "prefix", "cut inside the header", good[:head-1])
	add("header-alone", "segment", "nothing behind the header", good[:head])
	add("salt", "segment", "another salt", flip(head-1))
	add("flip-text", "segment", "one bit of the text", flip(head))
	add("flip-tag", "segment", "one bit of the tag", flip(len(good)-1))
	add("cut", "segment", "the last byte left out", good[:len(good)-1])
	add("cut-tag", "segment", "the tag left out", good[:len(good)-16])
	add("trailing", "segment", "a byte behind the end", good+"\x00")
	add("empty", "segment", "a segment without text", k.envelope(p, ""))
	q := p
	q.Associated = "operator=000002"
	add("associated", "segment", "other associated data", k.envelope(q, text))
	q.Associated = ""
	add("no-associated", "segment", "no associated data where some is due", k.envelope(q, text))
	other := k
	other.key = s.random(16)
	add("other-key", "segment", "another key under the same identifier", other.envelope(p, text))
	add("hash", "hash", "rightly sealed, with a wrong hash inside", k.envelope(p, body(p, "another secret", recs(p, 1)...)))
	std := mergefile.Standard()
	add("downgrade", "prefix", "an old file where an envelope is due", k.file(std, text))
	s.add(vector{name: "standard-envelope", verdict: "block length", comment: "an envelope where an old file is due", p: std, k: k, file: good})
}

// habits are good files as other programs make them, and for each of the ways in
// which a text is written a file that has another one.
func (s *set) habits() {
	type P = mergefile.Profile
	for _, text := range []mergefile.HashText{"hex-bigint", "hex-bytes", "hex-dashes", "base64-unpadded"} {
		s.good("habit-hash-"+string(text), 20, func(p *P) { p.Hash.Text = text })
	}
	for _, encoding := range []string{"utf-16le", "utf-16be"} {
		s.good("habit-hash-"+encoding, 2, func(p *P) { p.Hash.Encoding = encoding })
	}
	s.good("habit-hmac", 2, func(p *P) { p.Hash.Place, p.Hash.SecretJoin = "hmac", "" })
	s.good("habit-hash-plain", 2, func(p *P) { p.Points.ZeroFill, p.Hash.Fields = true, "plain" })
	for _, layout := range []mergefile.Layout{"semicolon", "pipe", "comma-space", "holder-quoted", "excel"} {
		s.good("habit-"+string(layout), 2, func(p *P) { p.Layout = layout })
	}
	s.good("habit-trailing-delimiter", 2, func(p *P) { p.TrailingDelimiter = true })
	s.good("habit-fill", 2, func(p *P) { p.Layout, p.Points.ZeroFill, p.Fill = mergefile.LayoutFixed, true, 5 })
	s.good("habit-tail-eol", 2, func(p *P) { p.Tail = "eol" })
	s.good("habit-tail-ctrl-z", 2, func(p *P) { p.Tail = "ctrl-z" })
	s.good("habit-cr", 2, func(p *P) { p.EOL = "cr" })
	s.good("habit-utf-16", 2, func(p *P) { p.Charset, p.Layout = "utf-16le-bom", mergefile.LayoutTSV })
	s.good("habit-two-columns", 2, func(p *P) { p.Transaction.Columns = 2 })
	s.good("habit-three-columns", 2, func(p *P) { p.Transaction.Columns, p.Hash.Join, p.Hash.SecretJoin = 3, "", "" })
	s.good("habit-points-plus", 2, func(p *P) { p.Points.Text = "plus" })
	s.good("habit-points-spaces", 2, func(p *P) { p.Points.Text = "space-fill" })
	s.good("habit-points-commas", 1000, func(p *P) { p.Points.Text, p.Layout = "commas", mergefile.LayoutCSVQuoted })
	s.good("habit-two-digit-year", 2, func(p *P) { p.Transaction.Time = "YYMMDDhhmmss" })
	s.good("habit-outer-url", 2, func(p *P) { p.Cipher.Outer = "base64-url" })
	s.good("habit-outer-twice", 2, func(p *P) { p.Cipher.Outer = "base64-twice" })
	s.good("habit-outer-hex-60", 2, func(p *P) { p.Cipher.Outer, p.Cipher.OuterEOL = "hex-60", mergefile.EOLLF })
	s.good("habit-outer-open", 2, func(p *P) {
		p.Cipher.Outer, p.Cipher.OuterEOL, p.Cipher.OuterOpen = mergefile.OuterBase64M, mergefile.EOLLF, true
	})
	s.good("habit-iv-hex", 2, func(p *P) {
		p.Cipher.OuterIV, p.Cipher.Outer, p.Cipher.OuterJoin = mergefile.OuterHexLower, mergefile.OuterHexLower, ":"
	})
	s.good("habit-iv-base64", 2, func(p *P) {
		p.Cipher.OuterIV, p.Cipher.Outer, p.Cipher.OuterJoin = mergefile.OuterBase64, mergefile.OuterBase64, "."
	})
	s.good("habit-ofb", 2, func(p *P) { p.Cipher.Mode, p.Cipher.Padding = "ofb", mergefile.PaddingNone })
	s.good("habit-padding-iso7816", 2, func(p *P) { p.Cipher.Padding = "iso7816" })
	s.good("habit-nonce", 2, func(p *P) {
		p.Cipher.Mode, p.Cipher.IV, p.Cipher.Padding = mergefile.CipherCTR, "nonce", mergefile.PaddingNone
	})
	for _, iv := range []mergefile.IVForm{"file-date", "file-name-md5"} {
		s.good("habit-iv-"+string(iv), 2, func(p *P) { p.Cipher.IV = iv })
	}
	for _, key := range []mergefile.KeyForm{"text", "hex-fill", "sha256-hex", "md5-hex", "sha1", "sha256", "mysql-sha2-256", "mysql-sha2-512"} {
		s.good("habit-key-"+string(key), 2, func(p *P) { p.Cipher.Key = key })
	}
	s.good("habit-unsalted", 2, func(p *P) { p.Cipher.Key, p.Cipher.IV = mergefile.KeyEVPMD5, "derived-unsalted" })
	s.good("habit-pbkdf2-salt", 2, func(p *P) {
		p.Cipher.Key, p.Cipher.Salt, p.Cipher.Iterations = "pbkdf2-sha1", "736f6d652073616c74", 1000
	})
}
