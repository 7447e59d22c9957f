package mergefile

import (
	"crypto/md5"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What the grammar takes where a profile is not the standard one: each text has
// a right hash, so that nothing but the grammar can refuse it.
func TestGrammarOfOtherProfiles(t *testing.T) {
	const day = "20170512093000"
	for _, tt := range []struct {
		name                string
		change              func(*Profile)
		points, transaction string
		ok                  bool
	}{
		{"filled with zeros", zeroFill(6), "000100", day + "000001", true},
		{"filled and full", zeroFill(6), "999999", day + "000001", true},
		{"filled too little", zeroFill(6), "00100", day + "000001", false},
		{"filled too much", zeroFill(6), "0000100", day + "000001", false},
		{"not filled", zeroFill(6), "100", day + "000001", false},
		{"filled with blanks", zeroFill(6), "   100", day + "000001", false},
		{"no points, filled", zeroFill(6), "000000", day + "000001", false},
		{"a letter, filled", zeroFill(6), "00010a", day + "000001", false},

		{"joined", join("-"), "100", day + "-000001", true},
		{"joined by another", join("-"), "100", day + "_000001", false},
		{"not joined", join("-"), "100", day + "000001", false},
		{"joined twice", join("-"), "100", day + "--00001", false},
		{"joined and short", join("-"), "100", day + "-00001", false},
		{"joined, a letter in the time", join("-"), "100", "2017051209300a-000001", false},
		{"joined, a letter in the sequence", join("-"), "100", day + "-00000a", false},

		{"any width: 1", anyWidth, "100", day + "1", true},
		{"any width: 0", anyWidth, "100", day + "0", true},
		{"any width: 10", anyWidth, "100", day + "10", true},
		{"any width: 9 digits", anyWidth, "100", day + "999999999", true},
		{"any width: 10 digits", anyWidth, "100", day + "1000000000", false},
		{"any width: a zero in front", anyWidth, "100", day + "01", false},
		{"any width: zeros", anyWidth, "100", day + "00", false},
		{"any width: none", anyWidth, "100", day, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := Standard()
			tt.change(&p)
			c, err := newCodec(p, []byte("secret"))
			require.NoError(t, err)
			text := []byte(testLine("520625", tt.points, tt.transaction))
			text = text[:len(text):len(text)]
			var out []Record
			assert.Equal(t, tt.ok, c.read(text, true, new(hashes), &out).ok)
			out = nil
			assert.Equal(t, tt.ok, c.read(text, true, nil, &out).ok)
		})
	}
}

func zeroFill(n int) func(*Profile) {
	return func(p *Profile) { p.Points.Digits, p.Points.ZeroFill = n, true }
}

func join(s string) func(*Profile) {
	return func(p *Profile) { p.Transaction.Join = s }
}

func anyWidth(p *Profile) { p.Transaction.Digits = 0 }

// Sixteen bytes have one spelling in base64, and no other text is taken for
// them.
func TestBase64HashHasOneSpelling(t *testing.T) {
	p := Standard()
	p.Hash.Text = HashBase64
	c, err := newCodec(p, []byte("secret"))
	require.NoError(t, err)
	sum := md5.Sum([]byte("x"))
	good := base64.StdEncoding.EncodeToString(sum[:])
	assert.True(t, c.hash.spells([]byte(good)))
	assert.Equal(t, good, string(c.hash.append(nil, &sum)))
	for _, bad := range []string{
		base64.StdEncoding.EncodeToString(make([]byte, 18)), // 24 characters, 18 bytes
		base64.StdEncoding.EncodeToString(make([]byte, 17)),
		base64.StdEncoding.EncodeToString(make([]byte, 15)) + "\r\n\r\n", // a decoder skips line ends
		base64.StdEncoding.EncodeToString(make([]byte, 15)) + "\n\n\n\n",
		"\n\n\n\n" + base64.StdEncoding.EncodeToString(make([]byte, 15)),
		strings.Repeat("A", 21) + "B==", // bits that are not all used
		strings.Repeat("A", 20) + "A===",
		strings.Repeat("=", 24), strings.Repeat("\n", 24),
		good[:22] + "=", good + "=", good[:22],
		strings.Repeat("_", 22) + "==", // the alphabet for addresses
	} {
		assert.False(t, c.hash.spells([]byte(bad)), "%q", bad)
	}
}

// Every character that is no digit of a hash is found, at every place.
func TestHexHashDigits(t *testing.T) {
	for text, allowed := range map[HashText]string{
		HashHexLower: "0123456789abcdef", HashHexUpper: "0123456789ABCDEF", HashHexAny: "0123456789abcdefABCDEF",
	} {
		p := Standard()
		p.Hash.Text = text
		c, err := newCodec(p, []byte("secret"))
		require.NoError(t, err)
		for i := range 32 {
			for b := range 256 {
				in := []byte(strings.Repeat("0", 32))
				in[i] = byte(b)
				require.Equal(t, strings.IndexByte(allowed, byte(b)) >= 0, c.hash.spells(in), "%s: %q", text, in)
			}
		}
	}
}

// Pieces of text are judged each by itself: what a piece is called does not
// hang on those that the same goroutine has seen before.
func TestOnePieceDoesNotColourTheNext(t *testing.T) {
	c, err := newCodec(Standard(), []byte("secret"))
	require.NoError(t, err)
	line := func(i int) string { return testLine("520625", "100", fmt.Sprintf("20170512093000%06d", i)) }
	good, bad := line(1), strings.Replace(line(2), "100", "101", 1)
	h := new(hashes)
	for i, tt := range []struct {
		text string
		ok   bool
	}{
		{good, true}, {bad, false}, {good, true}, {good + line(2), true}, {good + line(2) + line(3), true},
		{bad + line(3), false}, {line(3), true}, {good + bad, false}, {good + line(2) + line(3), true},
		{bad, false}, {bad, false}, {good + line(2), true},
	} {
		assert.Equal(t, tt.ok, c.read([]byte(tt.text), true, h, nil).ok, "piece %d", i)
	}
}

// Hashes are taken two at a time, of inputs that may be of different lengths,
// an odd one at the end: a wrong one is found wherever it stands.
func TestHashesInPairs(t *testing.T) {
	lengths := []int{0, 1, 54, 55, 56, 63, 64, 65, 118, 119, 120, 128, 600}
	input := func(n, salt int) []byte {
		b := make([]byte, n, n+128)
		for i := range b {
			b[i] = byte(i*7 + salt)
		}
		return b
	}
	judge := func(wrong int, inputs ...[]byte) bool {
		h := new(hashes)
		form := hashTexts.row(HashHexLower)
		h.begin(&codec{hash: form})
		for i, in := range inputs {
			sum := md5.Sum(in)
			if i == wrong {
				sum[(i*5+len(in))%md5.Size] ^= 1 << (len(in) % 8)
			}
			h.add(append(h.next(), in...), form.append(nil, &sum), true)
		}
		return h.right()
	}
	for _, a := range lengths {
		require.True(t, judge(-1, input(a, 1)))
		require.False(t, judge(0, input(a, 1)))
		for _, b := range lengths {
			require.True(t, judge(-1, input(a, 1), input(b, 2)), "%d and %d", a, b)
			require.True(t, judge(-1, input(a, 1), input(b, 2), input(a, 3)), "%d and %d", a, b)
			for wrong := range 3 {
				require.False(t, judge(wrong, input(a, 1), input(b, 2), input(a, 3)), "%d and %d: %d", a, b, wrong)
			}
			require.False(t, judge(0, input(a, 1), input(b, 2)))
			require.False(t, judge(1, input(a, 1), input(b, 2)))
		}
	}
	// A record that the grammar has refused is wrong, whatever its hash is.
	h := new(hashes)
	form := hashTexts.row(HashHexLower)
	h.begin(&codec{hash: form})
	sum := md5.Sum(nil)
	h.add(h.next(), form.append(nil, &sum), false)
	require.False(t, h.right())
}

// Records of one file whose inputs take different numbers of MD5 blocks.
func TestRecordsOfDifferentLengths(t *testing.T) {
	c, err := newCodec(Standard(), []byte("secret"))
	require.NoError(t, err)
	var text string
	for i := range 40 {
		text += testLine(strings.Repeat("7", 1+i*13%32), strings.Repeat("9", 1+i%9), fmt.Sprintf("20170512093000%06d", i))
	}
	require.True(t, c.read([]byte(text), true, new(hashes), nil).ok)
	for i := range text {
		changed := []byte(text)
		changed[i] ^= 1
		require.False(t, c.read(changed, true, new(hashes), nil).ok, "byte %d", i)
	}
}

// A line that has no fields is wrong: the fields of the line before it do not
// stand in for them.
func TestLineWithoutFields(t *testing.T) {
	for name, change := range map[string]func(*Profile){
		"standard":      func(*Profile) {},
		"secret first":  func(p *Profile) { p.Hash.Place = SecretPrefix },
		"secret within": func(p *Profile) { p.Hash.Place = SecretBetween },
		"tabs":          func(p *Profile) { p.Layout = LayoutTSV },
		"quoted":        func(p *Profile) { p.Layout = LayoutCSVQuoted },
		"lines":         func(p *Profile) { p.Layout = LayoutLines },
		"joined":        join("-"),
	} {
		t.Run(name, func(t *testing.T) {
			p := Standard()
			change(&p)
			c, err := newCodec(p, []byte("secret"))
			require.NoError(t, err)
			var h Holder
			h.set(p.Holder.Kind, []byte("520625"))
			tx, err := NewTransaction(time.Date(2017, 5, 12, 9, 30, 0, 0, time.UTC), 1)
			require.NoError(t, err)
			good, _, ok := c.appendRecord(nil, Record{h, 100, tx})
			require.True(t, ok)
			good = append(good, c.eol...)
			require.True(t, c.read(good, true, new(hashes), nil).ok)
			for _, bad := range []string{strings.Repeat("x", 60) + c.eol, strings.Repeat("1", 70) + c.eol, c.eol, strings.Repeat(c.eol, c.ends)} {
				for _, text := range []string{string(good) + bad, string(good) + bad + string(good), bad + string(good)} {
					require.False(t, c.read([]byte(text), true, new(hashes), nil).ok, "%q", text)
					var out []Record
					require.False(t, c.read([]byte(text), true, nil, &out).ok, "%q", text)
				}
			}
		})
	}
}

// A piece without a record is as right as one can be.
func TestEmptyPiece(t *testing.T) {
	c, err := newCodec(Standard(), []byte("secret"))
	require.NoError(t, err)
	v := c.read(nil, true, new(hashes), nil)
	assert.True(t, v.ok)
	assert.Zero(t, v.count)
}

// However a row of numbers is cut into pieces, the verdict on the whole is that
// of a plain look at it.
func TestVerdictOfPieces(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	seen := map[bool]int{}
	for range 20_000 {
		row := make([]Transaction, rnd.IntN(6))
		for i := range row {
			row[i] = Transaction{milli: int64(rnd.IntN(4)) - 1, seq: uint32(rnd.IntN(4))}
		}
		if rnd.IntN(2) == 0 {
			slices.SortFunc(row, Transaction.Compare)
		}
		want := verdict{ok: true, rising: true, count: int64(len(row))}
		for i, tx := range row {
			if i == 0 || want.highest.Compare(tx) < 0 {
				want.highest = tx
			}
			if i > 0 && row[i-1].Compare(tx) >= 0 {
				want.rising = false
			}
		}
		if len(row) > 0 {
			want.first = row[0]
		}
		seen[want.rising]++
		total := verdict{ok: true, rising: true}
		for rest, empty := row, 0; len(rest) > 0 || empty < 1; {
			n := rnd.IntN(len(rest) + 1)
			if n == 0 {
				empty++
			}
			piece := verdict{ok: rnd.IntN(20) > 0, rising: true}
			want.ok = want.ok && piece.ok
			for _, tx := range rest[:n] {
				piece.add(tx)
			}
			total.join(piece)
			rest = rest[n:]
		}
		require.Equal(t, want, total, "%v", row)
	}
	require.Greater(t, min(seen[true], seen[false]), 1000)
}

// Quotes belong where they belong, and fields of fixed width end with the
// record.
func TestQuotedAndFixed(t *testing.T) {
	verifies := func(p Profile, text string) bool {
		c, err := newCodec(p, []byte("secret"))
		require.NoError(t, err)
		b := []byte(text)
		return c.read(b[:len(b):len(b)], true, new(hashes), nil).ok
	}
	p := Standard()
	p.Layout, p.Hash.Fields = LayoutCSVQuoted, HashBare
	sum := fmt.Sprintf("%x", md5.Sum([]byte("520625,100,20170512093000000001,secret")))
	good := `"520625","100","20170512093000000001","` + sum + "\"\r\n"
	require.True(t, verifies(p, good))
	for _, bad := range []string{
		strings.Replace(good, `","`, `";"`, 1), strings.Replace(good, `","`, `""`, 1), strings.Replace(good, `","`, `" ,"`, 1),
		strings.Replace(good, `"520625"`, `520625`, 1), strings.Replace(good, `"520625"`, `"520625`, 1), strings.Replace(good, `"520625"`, `520625"`, 1),
		strings.Replace(good, sum+`"`, sum, 1), strings.Replace(good, sum+`"`, sum+`'`, 1), strings.Replace(good, `"100"`, `"1""00"`, 1),
		strings.Replace(good, `"100",`, `"100"`, 1), `"` + "\r\n", `""` + "\r\n", `"",""` + "\r\n", good[:len(good)-2] + `,""` + "\r\n",
	} {
		require.False(t, verifies(p, bad), "%q", bad)
	}

	p = Standard()
	p.Layout, p.Points.Digits, p.Points.ZeroFill = LayoutFixed, 6, true
	p.Hash.Fields = HashBare
	require.NoError(t, p.Validate())
	holder := "520625" + strings.Repeat(" ", p.Holder.Max-6)
	sum = fmt.Sprintf("%x", md5.Sum([]byte("520625,000100,20170512093000000001,secret")))
	good = holder + "000100" + "20170512093000000001" + sum + "\r\n"
	require.True(t, verifies(p, good))
	require.True(t, verifies(p, good) && !verifies(p, good+good[:20]))
	for _, bad := range []string{
		good[:len(good)-2] + " \r\n", " " + good, strings.Replace(good, "520625 ", " 520625", 1), good[:len(good)-3] + "\r\n",
		strings.Replace(good, "000100", "000 00", 1), good[:len(good)-2], good[:len(good)-2] + "\n\n",
	} {
		require.False(t, verifies(p, bad), "%q", bad)
	}
}

// Called by name too, what is secret does not show itself.
func TestRedactedByName(t *testing.T) {
	for _, v := range []fmt.Stringer{Key{}, Holder{}} {
		assert.Equal(t, "[redacted]", v.String())
		assert.Equal(t, "[redacted]", fmt.Sprintf("%x", v))
	}
	assert.Empty(t, Key{}.ID())
}
