package mergefile

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/japanese"
)

// ProbeOptions are what is known besides file, key and secret. The zero value
// is for when nothing is.
type ProbeOptions struct {
	// Name is the file's name without directories, for profiles that take the
	// IV from it.
	Name string
	// IV is the IV that both ends agreed on, 32 hexadecimal digits, if one was
	// handed over.
	IV string
	// KeyID and Associated are for envelopes.
	KeyID      string
	Associated string
	// Salt is the salt that both ends agreed on, in hexadecimal, for a key of a
	// passphrase.
	Salt string
	// Iterations are counts to try with KeyPBKDF2, besides 1,000, 10,000 and
	// 100,000: up to 16, each 1 to 600,000.
	Iterations []int
	// Progress, if not nil, is told how many ways to decrypt have been tried,
	// of how many.
	Progress func(done, total int)
}

// Probed is a profile under which a file verifies.
type Probed struct {
	Profile Profile
	// Key is made of the key and the secret in the spelling that fits.
	Key Key
	// Records is the number of records in the file.
	Records int64
	// Distance is the number of axes in which the profile differs from the
	// nearest preset, which Nearest names, if its files do: how the key was
	// spelled does not count. The less, the likelier.
	Distance int
	Nearest  string
	// Reading is the number of the reading, from 1: profiles with the same
	// number read the same records from the file. If there is a second reading,
	// the file alone does not tell which one is meant.
	Reading int
	// Split is how the first record divides, in words that do not show it.
	Split string

	reading [sha256.Size]byte
	points  uint64
	filled  bool // all points have a zero in front
	night   bool // a record is of the night
}

// ProbeError says that no profile was found, and how far the search came.
type ProbeError struct {
	// Reached says the most that was achieved, in words.
	Reached string
}

func (e *ProbeError) Error() string { return "mergefile: no profile found: " + e.Reached }

// ProbeForDeveloper searches all axes of a profile for those under which a real
// file verifies, given the key and the secret in whatever text they were handed
// over: raw, hexadecimal, base64 or a passphrase, with or without a line end
// behind. It gives the profiles it finds, the likeliest first; where a file
// cannot tell two readings apart (is 20 digits a time to the second and six
// digits of sequence, or to the millisecond and three?) it gives both, and a
// second file, or the other end, must decide. MD5 is the judge, so what is
// found is not found by chance.
//
// The error is a [*ProbeError] if nothing verifies, and a [*ProfileError] if the
// IV or the counts of the options are none. One record is enough, and
// takes well under a second.
//
// This is a tool for the day on which an integrator was given "AES128 and MD5"
// and nothing else. It tells as much about a file as can be told, so it has no
// place where files arrive.
func ProbeForDeveloper(ctx context.Context, file, key, secret []byte, opts *ProbeOptions) ([]Probed, error) {
	p := &prober{ctx: ctx, file: file, keys: spellings(key), secrets: spellings(secret), found: map[string]Probed{}, hashed: map[string][]probeHash{}}
	if opts != nil {
		p.opts = *opts
	}
	if len(key) == 0 || len(secret) == 0 {
		return nil, fmt.Errorf("%w: key and secret are both needed", ErrKey)
	}
	if err := p.opts.validate(); err != nil {
		return nil, err
	}
	if err := p.run(); err != nil {
		return nil, err
	}
	if len(p.found) == 0 {
		return nil, &ProbeError{Reached: p.reached()}
	}
	out := slices.SortedFunc(maps.Values(p.found), func(a, b Probed) int {
		order := cmp.Or(
			// A profile that takes a record for a header row has fewer.
			cmp.Compare(b.Records, a.Records),
			number(a.night)-number(b.night))
		likelier := likelihood(a.Profile) - likelihood(b.Profile)
		if a.Profile.Layout == LayoutFixed && b.Profile.Layout == LayoutFixed {
			// Zeros in front of points belong to the points.
			order = cmp.Or(order, likelier, number(b.filled)-number(a.filled), cmp.Compare(a.points, b.points), b.Profile.Points.Digits-a.Profile.Points.Digits)
		}
		return cmp.Or(order, a.Distance-b.Distance, likelier, strings.Compare(fmt.Sprint(a.Profile), fmt.Sprint(b.Profile)))
	})
	readings := map[[sha256.Size]byte]int{}
	for i := range out {
		n := readings[out[i].reading]
		if n == 0 {
			n = len(readings) + 1
			readings[out[i].reading] = n
		}
		out[i].Reading = n
	}
	return out, nil
}

func (o ProbeOptions) validate() error {
	v := &validation{}
	iv, err := hex.DecodeString(o.IV)
	v.when(o.IV != "" && (err != nil || len(iv) != blockSize), "cipher.fixed_iv", "32 hexadecimal digits are needed")
	salt, err := hex.DecodeString(o.Salt)
	v.when(err != nil || len(salt) > 64, "cipher.salt", "up to 128 hexadecimal digits are needed")
	v.when(len(o.Iterations) > 16 || slices.ContainsFunc(o.Iterations, func(n int) bool { return n < 1 || n > keyForms.row(KeyPBKDF2).rounds }),
		"cipher.iterations", fmt.Sprintf("up to 16 counts of 1 to %d are tried", keyForms.row(KeyPBKDF2).rounds))
	return errors.Join(v.faults...)
}

// spellings returns what was handed over, without what an editor leaves in front
// and behind, in UTF-8, and as it is.
func spellings(b []byte) [][]byte {
	trimmed := bytes.TrimPrefix(bytes.TrimRight(b, "\r\n"), []byte("\xEF\xBB\xBF"))
	out := [][]byte{trimmed}
	add := func(b []byte) {
		if len(b) > 0 && !slices.ContainsFunc(out, func(a []byte) bool { return bytes.Equal(a, b) }) {
			out = append(out, b)
		}
	}
	if !utf8.Valid(trimmed) {
		for _, e := range []encoding.Encoding{japanese.ShiftJIS, japanese.EUCJP} {
			if text, err := e.NewDecoder().Bytes(trimmed); err == nil && !bytes.ContainsRune(text, utf8.RuneError) {
				add(text)
			}
		}
	}
	if add(b); len(trimmed) == 0 {
		return out[1:]
	}
	return out
}

type prober struct {
	ctx     context.Context
	file    []byte
	keys    [][]byte
	secrets [][]byte
	opts    ProbeOptions
	found   map[string]Probed
	hashed  map[string][]probeHash // by fields and text of the hash

	readable string // how the file was decrypted to readable text
	chained  bool   // in a way in which a wrong IV spoils no more than the beginning
	parsed   string // and how that divided into fields
	shape    string // of the text that was found
	inside   string // what the file decrypts to, if it is no text
}

func (p *prober) run() error {
	containers := p.containers()
	var keys []CipherForm
	for _, form := range keyForms {
		counts := []int{0}
		if form.row.rounds > 0 {
			counts = append([]int{10_000, 1000, 100_000}, p.opts.Iterations...)
		}
		for _, n := range counts {
			if c := (CipherForm{Key: form.name, Iterations: min(n, form.row.rounds)}); !slices.Contains(keys, c) {
				keys = append(keys, c)
			}
		}
	}
	done, total := 0, len(containers)*len(p.keys)*len(keys)
	for _, o := range containers {
		used := map[string]bool{}
		for _, key := range p.keys {
			for _, c := range keys {
				if err := p.ctx.Err(); err != nil {
					return err
				}
				if p.opts.Progress != nil {
					p.opts.Progress(done, total)
				}
				done++
				c.Outer, c.OuterEOL, c.OuterOpen, c.OuterIV, c.OuterJoin = o.form.Outer, o.form.OuterEOL, o.form.OuterOpen, o.form.OuterIV, o.form.OuterJoin
				p.key(o.data, c, key, used)
				if c.Salt = strings.ToLower(p.opts.Salt); c.Salt != "" {
					p.key(o.data, c, key, used)
				}
			}
		}
	}
	if p.opts.Progress != nil {
		p.opts.Progress(total, total)
	}
	return nil
}

// confirm reads the whole file under the profile, as a reader would.
func (p *prober) confirm(q Profile, key, secret []byte) bool {
	k, err := NewKey(p.opts.KeyID, key, secret)
	if err != nil {
		return false
	}
	q.FileName = FileNameForm{Kind: NameAny}
	rs := p.read(q, k)
	if rs == nil {
		return false
	}
	p.keep(q, k, rs)
	// Eight upper-case characters, a letter among them, look like a MyKey ID;
	// eight digits more like a member's number.
	letter := func(r Record) bool {
		return strings.ContainsFunc(r.Holder.Reveal(), func(c rune) bool { return c >= 'A' })
	}
	if (q.Layout != LayoutFixed || q.Holder.Max == 8) && slices.ContainsFunc(rs, letter) {
		if rs := p.read(q.WithMyKeyID(), k); rs != nil {
			p.keep(q.WithMyKeyID(), k, rs)
		}
	}
	// Shops are closed at night: times of the night that are times of the day on
	// another clock are those of that clock.
	if q.Transaction.Zone = ZoneUTC; slices.ContainsFunc(rs, asleep) {
		if rs := p.read(q, k); rs != nil && !slices.ContainsFunc(rs, asleep) {
			p.keep(q, k, rs)
		}
	}
	return true
}

// asleep reports whether a record is of a time at which no shop is open.
func asleep(r Record) bool { return r.Transaction.Time().Hour() < 6 }

// read returns the file's records, and nil if it is not valid under the profile.
func (p *prober) read(q Profile, k Key) (rs []Record) {
	r, err := NewReaderAt(p.ctx, bytes.NewReader(p.file), int64(len(p.file)), q, k, &ReaderOptions{Name: p.opts.Name, Workers: 1})
	if err != nil {
		return nil
	}
	defer r.Close()
	for rec, err := range r.Records() {
		if err != nil {
			return nil
		}
		rs = append(rs, rec)
	}
	return rs
}

// keep adds what was found.
func (p *prober) keep(q Profile, k Key, rs []Record) {
	found := Probed{Profile: q, Key: k, Records: int64(len(rs)), filled: true}
	found.Distance, found.Nearest = nearestPreset(q)
	h := sha256.New()
	for _, r := range rs {
		r.Holder.kind = MallPointID // which of the two it is does not change who
		h.Write(r.AppendCanonical(nil))
		found.points += r.Points
		found.filled = found.filled && decimalWidth(r.Points) < q.Points.Digits
		found.night = found.night || asleep(r)
	}
	found.reading = [sha256.Size]byte(h.Sum(nil))
	first := rs[0]
	found.Split = fmt.Sprintf("holder %s; points %d digits; time %s and a sequence of %d digits", shapeOf([]byte(first.Holder.Reveal())),
		decimalWidth(first.Points), q.Transaction.Time, max(q.Transaction.Digits, decimalWidth(uint64(first.Transaction.seq))))
	id, _ := json.Marshal(q)
	p.found[string(id)] = found
}

// A Question is to be put to the other end, whose answer settles which of several
// profiles is meant.
type Question struct {
	Japanese, English string
}

// Questions returns what a file leaves open of the profiles that were found: how
// their readings differ, and what the one record of a file cannot tell. A second
// file can be the answer, too.
func Questions(found []Probed) (out []Question) {
	if len(found) == 0 {
		return nil
	}
	differs := func(axis func(Profile) any) bool {
		return slices.ContainsFunc(found, func(f Probed) bool { return f.Reading > 1 && axis(f.Profile) != axis(found[0].Profile) })
	}
	ask := func(when bool, japanese, english string) {
		if when {
			out = append(out, Question{japanese, english})
		}
	}
	one := found[0].Records == 1
	ask(differs(func(p Profile) any { return p.Transaction.Zone }),
		"取引日時は日本標準時ですか、協定世界時（UTC）ですか。",
		"Are the times of transactions Japan Standard Time or UTC?")
	ask(differs(func(p Profile) any { return p.Holder.Max*100 + p.Points.Digits }),
		"利用カード番号と合算ポイント数は、それぞれ何桁の固定長ですか。",
		"How many characters wide are the holder and the points?")
	ask(differs(func(p Profile) any { return string(p.Transaction.Time) + p.Transaction.Join }) || one && !strings.Contains(string(found[0].Profile.Transaction.Time), "-"),
		"取引済番号のうち、取引日時は何桁で、連番は何桁ですか。連番は先頭を0で埋めた固定長ですか。",
		"How many digits of the transaction number are the time, and how many the sequence? Is the sequence filled with zeros to one width?")
	ask(one, "1ファイルに複数の取引が入ることはありますか。その例をいただけますか。",
		"Can a file hold more than one record? Could you send such a file?")
	return out
}

// nearestPreset counts the axes in which a profile differs from each preset.
func nearestPreset(p Profile) (int, string) {
	best, name := 1<<30, ""
	for _, preset := range Presets() {
		if p.Holder.Kind == MyKeyID {
			preset = preset.WithMyKeyID()
		}
		if n := differences(reflect.ValueOf(p.sameFiles()), reflect.ValueOf(preset.sameFiles())); n < best {
			best, name = n, preset.Name
		}
	}
	return best, name
}

func differences(a, b reflect.Value) (n int) {
	switch {
	case a.Kind() == reflect.Struct:
		for i := range a.NumField() {
			n += differences(a.Field(i), b.Field(i))
		}
	case !reflect.DeepEqual(a.Interface(), b.Interface()):
		n = 1
	}
	return n
}

// sameFiles gives one and the same profile for all that make the same files of
// the same key: an IV of zeros has two names, the charset is that of names which
// are not there, and how the key was spelled is not seen.
func (p Profile) sameFiles() Profile {
	p.Name = ""
	if p.Cipher.IV == IVFixed && p.Cipher.FixedIV == zeroIV {
		p.Cipher.IV, p.Cipher.FixedIV = IVZero, ""
	}
	if len(p.Names) == 0 && p.Charset != CharsetUTF8BOM {
		p.Charset = CharsetASCII
	}
	if p.Cipher.Key == KeyHex || p.Cipher.Key == KeyBase64 {
		p.Cipher.Key = KeyRaw
	}
	return p
}

// likelihood breaks ties: the less, the likelier.
func likelihood(p Profile) int {
	form := 2
	if i := slices.Index(timeForms[:2], p.Transaction.Time); i >= 0 {
		form = i
	}
	// Sixteen bytes that are folded are the same sixteen.
	return 4*form + 2*number(p.Holder.Kind != MyKeyID) + number(p.Cipher.Key == KeyMySQL)
}

// number is 1 for true.
func number(b bool) int {
	if b {
		return 1
	}
	return 0
}
