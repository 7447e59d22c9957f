package mergefile

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// testLine spells a Standard record from its texts, with a right hash.
func testLine(holder, points, transaction string) string {
	head := holder + "," + points + "," + transaction
	return fmt.Sprintf("%s,%x\r\n", head, md5.Sum([]byte(head+",secret")))
}

func TestStandardGrammar(t *testing.T) {
	c, err := newCodec(Standard(), []byte("secret"))
	require.NoError(t, err)
	good := testLine("520625", "100", "20170512093000000001")
	for _, c2 := range []struct {
		name string
		text string
		ok   bool
	}{
		{"as it should be", good, true},
		{"two", good + testLine("520625", "100", "20170512093000000002"), true},
		{"letters", testLine("aZ09", "1", "20170512093000000001"), true},
		{"32 characters", testLine(strings.Repeat("9", 32), "1", "20170512093000000001"), true},
		{"33 characters", testLine(strings.Repeat("9", 33), "1", "20170512093000000001"), false},
		{"no holder", testLine("", "1", "20170512093000000001"), false},
		{"a space in the holder", testLine("52 0625", "1", "20170512093000000001"), false},
		{"a full-width digit", testLine("52０625", "1", "20170512093000000001"), false},
		{"a half-width kana", testLine("\xb1\xb2\xb3", "1", "20170512093000000001"), false},
		{"a null byte", testLine("5206\x0025", "1", "20170512093000000001"), false},
		{"MD5's own padding", testLine("520625\x80\x00\x00\x00\x00\x00\x00\x00\x30", "1", "20170512093000000001"), false},
		{"no points", testLine("520625", "", "20170512093000000001"), false},
		{"zero points", testLine("520625", "0", "20170512093000000001"), false},
		{"a leading zero", testLine("520625", "0100", "20170512093000000001"), false},
		{"a plus sign", testLine("520625", "+100", "20170512093000000001"), false},
		{"a minus sign", testLine("520625", "-100", "20170512093000000001"), false},
		{"a fraction", testLine("520625", "1.5", "20170512093000000001"), false},
		{"hexadecimal", testLine("520625", "0x10", "20170512093000000001"), false},
		{"nine digits", testLine("520625", "999999999", "20170512093000000001"), true},
		{"ten digits", testLine("520625", "1000000000", "20170512093000000001"), false},
		{"more than 64 bits", testLine("520625", "18446744073709551617", "20170512093000000001"), false},
		{"February 29 of a leap year", testLine("520625", "1", "20240229093000000001"), true},
		{"February 29 of another", testLine("520625", "1", "20230229093000000001"), false},
		{"February 29, 2000", testLine("520625", "1", "20000229093000000001"), true},
		{"February 30", testLine("520625", "1", "20240230093000000001"), false},
		{"April 31", testLine("520625", "1", "20240431093000000001"), false},
		{"December 31", testLine("520625", "1", "20241231235959000001"), true},
		{"month 0", testLine("520625", "1", "20170012093000000001"), false},
		{"month 13", testLine("520625", "1", "20171312093000000001"), false},
		{"day 0", testLine("520625", "1", "20170500093000000001"), false},
		{"hour 24", testLine("520625", "1", "20170512240000000001"), false},
		{"minute 60", testLine("520625", "1", "20170512096000000001"), false},
		{"second 60", testLine("520625", "1", "20170512093060000001"), false},
		{"the year 1999", testLine("520625", "1", "19990512093000000001"), false},
		{"the year 2100", testLine("520625", "1", "21000512093000000001"), false},
		{"a letter in the time", testLine("520625", "1", "2017051209300a000001"), false},
		{"a letter in the sequence", testLine("520625", "1", "2017051209300000000A"), false},
		{"five digits of sequence", testLine("520625", "1", "2017051209300000001"), false},
		{"seven digits of sequence", testLine("520625", "1", "201705120930000000001"), false},
		{"upper-case hash", strings.ToUpper(good[:len(good)-2]) + "\r\n", false},
		{"a hash too short", good[:len(good)-3] + "\r\n", false},
		{"a hash too long", good[:len(good)-2] + "0\r\n", false},
		{"a hash of zeros", "520625,100,20170512093000000001," + strings.Repeat("0", 32) + "\r\n", false},
		{"LF", strings.ReplaceAll(good, "\r\n", "\n"), false},
		{"CR", strings.ReplaceAll(good, "\r\n", "\r"), false},
		{"no line end", good[:len(good)-2], false},
		{"half a line end", good[:len(good)-1], false},
		{"an empty line in front", "\r\n" + good, false},
		{"an empty line behind", good + "\r\n", false},
		{"a byte order mark", "\xef\xbb\xbf" + good, false},
		{"a header row", "holder,points,transaction,hash\r\n" + good, false},
		{"quotes", `"520625",100,20170512093000000001,` + good[32:], false},
		{"a fifth field", good[:len(good)-2] + ",\r\n", false},
		{"three fields", "520625,100,20170512093000000001\r\n", false},
		{"spaces around", " " + good, false},
	} {
		b := []byte(c2.text)
		v := c.read(b[:len(b):len(b)], true, new(hashes), nil)
		assert.Equal(t, c2.ok, v.ok, c2.name)
		// The same in the middle of others, where the short cut takes it.
		if c2.ok {
			continue
		}
		filler := strings.Repeat(good, 3)
		v = c.read([]byte(filler+c2.text+filler), true, new(hashes), nil)
		assert.False(t, v.ok, "%s, between others", c2.name)
	}
}

// The short cut for common layouts and the long way agree on every text.
func FuzzScan(f *testing.F) {
	good := testLine("520625", "100", "20170512093000000001")
	f.Add([]byte(good), uint8(0))
	f.Add([]byte(strings.Repeat(good, 3)), uint8(1))
	f.Add([]byte(strings.ReplaceAll(good, ",", "\t")), uint8(2))
	f.Add([]byte(strings.ToUpper(good)), uint8(3))
	f.Add([]byte(testLine(strings.Repeat("9", 32), "999999999", "20991231235959999999")), uint8(4))
	codecs := scanCodecs(f)
	f.Fuzz(func(t *testing.T, text []byte, which uint8) {
		c := codecs[int(which)%len(codecs)]
		slow := *c
		slow.scans = false
		text = text[:len(text):len(text)]
		var a, b []Record
		va := c.read(text, true, new(hashes), &a)
		vb := slow.read(text, true, new(hashes), &b)
		if va != vb && (va.ok || vb.ok) || va.count != vb.count {
			t.Fatalf("%q: %+v by the short cut, %+v by the long way", text, va, vb)
		}
		if va.ok && fmt.Sprint(a) != fmt.Sprint(b) {
			t.Fatalf("%q: other records", text)
		}
		// Each by itself, with room behind that scan must not look into.
		var fa, fb fields
		var ra, rb Record
		n := c.scan(text, &fa, &ra, true)
		if n == 0 {
			return
		}
		rest, at, _ := slow.next(text, true, &fb, &rb, true)
		if len(text)-len(rest) != n {
			t.Fatalf("%q: scan takes %d bytes, next leaves %d", text, n, len(rest))
		}
		if at != stepDone && at != stepHash || ra != rb || !bytes.Equal(fa.bare[fieldHash], fb.bare[fieldHash]) {
			t.Fatalf("%q: scan accepts what the grammar does not, or reads it otherwise", text)
		}
		if !bytes.Equal(c.input(nil, &fa), slow.input(nil, &fb)) {
			t.Fatalf("%q: another input of the hash", text)
		}
	})
}

func scanCodecs(t testing.TB) []*codec {
	var out []*codec
	for _, change := range []func(*Profile){
		func(*Profile) {},
		func(p *Profile) { *p = Published() },
		func(p *Profile) { p.Layout, p.Hash.Join, p.Hash.SecretJoin = LayoutTSV, "\t", "\t" },
		func(p *Profile) { p.Hash.Text, p.EOL, p.Transaction.Zone = HashHexUpper, EOLLF, ZoneUTC },
		func(p *Profile) { p.Points.ZeroFill, p.Hash.Text, p.Hash.EOL = true, HashHexAny, EOLLF },
		func(p *Profile) { *p = p.WithMyKeyID() },
	} {
		p := Standard()
		change(&p)
		c, err := newCodec(p, []byte("secret"))
		require.NoError(t, err)
		require.True(t, c.scans)
		out = append(out, c)
	}
	return out
}

// Random damage to good text, both ways.
func TestScanAgreesOnDamage(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, c := range scanCodecs(t) {
		var good []byte
		for i := range 3 {
			var h Holder
			h.set(c.p.Holder.Kind, []byte("MY123456"))
			tx, err := NewTransaction(time.Date(2017, 5, 12, 9, 30, 0, 0, time.UTC), uint32(i))
			require.NoError(t, err)
			var ok bool
			good, _, ok = c.appendRecord(good, Record{h, uint64(99 + i), tx})
			require.True(t, ok)
			good = append(good, c.eol...)
		}
		slow := *c
		slow.scans = false
		require.True(t, c.read(good, true, new(hashes), nil).ok)
		require.True(t, slow.read(good, true, new(hashes), nil).ok)
		for range 5_000 {
			text := bytes.Clone(good)
			for range 1 + rnd.IntN(2) {
				i := rnd.IntN(len(text))
				switch rnd.IntN(3) {
				case 0:
					text[i] = byte(rnd.UintN(256))
				case 1:
					text = append(text[:i], text[i+1:]...)
				default:
					text = append(text[:i+1], text[i:]...)
				}
			}
			a, b := c.read(text, true, new(hashes), nil), slow.read(text, true, new(hashes), nil)
			require.Equal(t, b.ok, a.ok, "%q", text)
			require.Equal(t, b.count, a.count, "%q", text)
			if a.ok {
				if c.p.Hash.Text == HashHexAny { // which has more than one spelling
					text, good = bytes.ToLower(text), bytes.ToLower(good)
				}
				require.Equal(t, string(good), string(text), "changed text verifies")
			}
		}
	}
}

func TestDigits8(t *testing.T) {
	for _, v := range []int{0, 1, 9, 10, 12345678, 99999999, 90000009} {
		got, ok := digits8(fmt.Appendf(nil, "%08d", v))
		assert.True(t, ok)
		assert.EqualValues(t, v, got)
	}
	for i := range 8 {
		for c := range 256 {
			b := []byte("12345678")
			b[i] = byte(c)
			_, ok := digits8(b)
			assert.Equal(t, c >= '0' && c <= '9', ok, "%q", b)
		}
	}
}

func TestTimeForms(t *testing.T) {
	for _, form := range []TimeForm{TimeSeconds, TimeMillis, TimeDashes, TimeSlashes, TimeISO} {
		for at := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC); at.Year() <= 2099; at = at.Add(12345678 * time.Second) {
			at := at
			if form == TimeMillis {
				at = at.Add(123 * time.Millisecond)
			}
			text := form.appendTime(nil, at.UnixMilli())
			back, ok := form.parseTime(text)
			require.True(t, ok, "%s", text)
			require.Equal(t, at.UnixMilli(), back)
		}
	}
	at := time.Date(2017, 5, 12, 9, 30, 1, 7e6, time.UTC).UnixMilli()
	assert.Equal(t, "20170512093001007", string(TimeMillis.appendTime(nil, at)))
	assert.Equal(t, "2017-05-12 09:30:01", string(TimeDashes.appendTime(nil, at)))
	assert.Equal(t, "2017/05/12 09:30:01", string(TimeSlashes.appendTime(nil, at)))
	assert.Equal(t, "2017-05-12T09:30:01", string(TimeISO.appendTime(nil, at)))
}

func TestPadding(t *testing.T) {
	for _, p := range []Padding{PaddingPKCS7, PaddingX923, PaddingISO10126, PaddingZero, PaddingSpace} {
		for n := range 33 {
			text := bytes.Repeat([]byte("x"), n)
			padded := paddings.row(p).pad(bytes.Clone(text))
			require.Zero(t, len(padded)%blockSize)
			if len(padded) == 0 {
				continue // zero padding of nothing; a file is never empty
			}
			got, good := paddings.row(p).strip(padded)
			assert.Equal(t, 1, good)
			assert.Equal(t, n, got, "%s of %d", p, n)
		}
	}
	// Every last block of one repeated byte, and every single byte changed.
	for v := range 256 {
		block := bytes.Repeat([]byte{byte(v)}, 16)
		n, good := paddings.row(PaddingPKCS7).strip(block)
		assert.Equal(t, v >= 1 && v <= 16, good == 1, "%d", v)
		if good == 1 {
			assert.Equal(t, 16-v, n)
		}
	}
	for k := 2; k <= 16; k++ {
		for i := range k {
			for _, p := range []Padding{PaddingPKCS7, PaddingX923} {
				block := paddings.row(p).pad(bytes.Repeat([]byte("x"), 16-k))
				block[16-k+i] ^= 0x40
				_, good := paddings.row(p).strip(block)
				assert.Zero(t, good, "%s of %d with byte %d changed", p, k, i)
			}
		}
	}
	_, good := paddings.row(PaddingPKCS7).strip(nil)
	assert.Zero(t, good)
	_, good = paddings.row(PaddingPKCS7).strip(make([]byte, 15))
	assert.Zero(t, good)
}
