package simcard_test

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"image"
	"image/color"
	"image/png"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/simcard"
)

// at cuts a piece out by offset and length, and compares what stands before it.
func at(t *testing.T, b []byte, offset int, header string, n int) []byte {
	t.Helper()
	want, err := hex.DecodeString(strings.ReplaceAll(header, " ", ""))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(b), offset+len(want)+n)
	require.Equal(t, want, b[offset:offset+len(want)])
	return b[offset+len(want) : offset+len(want)+n]
}

// key reads the 265 bytes of a public key.
func key(t *testing.T, b []byte) *rsa.PublicKey {
	t.Helper()
	require.Len(t, b, 265)
	exponent := at(t, b, 0, "9003", 3)
	modulus := at(t, b, 5, "91820100", 256)
	require.Equal(t, []byte{1, 0, 1}, exponent)
	return &rsa.PublicKey{N: new(big.Int).SetBytes(modulus), E: 65537}
}

func verifies(key *rsa.PublicKey, data, signature []byte) error {
	digest := sha256.Sum256(data)
	return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature)
}

// cv checks a certificate of 563 bytes, without its 7F21, and gives the key in
// it.
func cv(t *testing.T, b []byte, anchor simcard.FaceAnchor, subject string) *rsa.PublicKey {
	t.Helper()
	require.Len(t, b, 563)
	body := at(t, b, 0, "5F4E820129", 297)
	signature := at(t, b, 302, "5F37820100", 256)
	require.Equal(t, anchor.ID[:], body[:16])
	require.Equal(t, subject, string(body[16:23])+"/"+string(body[25:28]))
	require.NoError(t, verifies(anchor.Key, body, signature))
	return key(t, body[32:])
}

func read(t *testing.T, card *simcard.Card, app, file, value string, id byte) []byte {
	t.Helper()
	steps := []step{{app, "9000"}}
	if value != "" {
		steps = append(steps, step{verify(file, value), "9000"})
	}
	run(t, card, steps)
	return readFile(t, card, id)
}

func decodePNG(t *testing.T, b []byte) *image.Paletted {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(b))
	require.NoError(t, err)
	p, ok := img.(*image.Paletted)
	require.True(t, ok)
	require.Equal(t, byte(1), b[24], "bits per pixel, in the header")
	return p
}

var faceHolder = simcard.Holder{
	Name: "髙木　花子", Address: "東京都清瀬市中里５丁目８４２番地", Sex: simcard.Female,
	Birth:        time.Date(1980, time.February, 17, 0, 0, 0, 0, time.UTC),
	Expiry:       time.Date(2035, time.February, 17, 0, 0, 0, 0, time.UTC),
	SecurityCode: "2285", Municipality: "13221",
}

func faceCard(t *testing.T, options ...simcard.Option) *simcard.Card {
	t.Helper()
	holder := faceHolder
	var err error
	holder.MyNumber, err = simcard.ParseMyNumber("614106526000")
	require.NoError(t, err)
	return simcard.New(append([]simcard.Option{simcard.WithHolder(holder)}, options...)...)
}

// The text application against the reference, byte for byte, and its
// signatures as a verifier checks them.
func TestTextFiles(t *testing.T) {
	card := faceCard(t)
	anchor := card.Authority().CardFace().Text()
	assert.Equal(t, "6000033/001", anchor.ID.String())

	number := read(t, card, selectText, "94", "614106526000", 1)
	assert.Equal(t, "\xFF\x10\x0C614106526000\xFF\xFF", string(number))

	// name: 5 characters, address: 16 characters, of three bytes each
	attributes := read(t, card, selectText, "95", "55021720352285", 2)
	require.Len(t, attributes, 256)
	assert.Equal(t, []byte{0x00, 0x0E, 0x00, 0x20, 0x00, 0x53, 0x00, 0x5E}, at(t, attributes, 0, "FF205F DF2108", 8))
	assert.Equal(t, "髙木　花子", string(at(t, attributes, 0x0E, "DF220F", 15)))
	assert.Equal(t, "東京都清瀬市中里５丁目８４２番地", string(at(t, attributes, 0x20, "DF2330", 48)))
	assert.Equal(t, "19800217", string(at(t, attributes, 0x53, "DF2408", 8)))
	assert.Equal(t, "2", string(at(t, attributes, 0x5E, "DF2501", 1)))
	assert.Equal(t, bytes.Repeat([]byte{0xFF}, 256-0x62), attributes[0x62:])

	certificate := read(t, card, selectText, "", "", 4)
	require.Len(t, certificate, 568)
	issuer := cv(t, at(t, certificate, 0, "7F21820233", 563), anchor, "1322131/000")

	signed := readFileAfter(t, card, 3)
	require.Len(t, signed, 336)
	ofNumber, ofAttributes := sha256.Sum256(number), sha256.Sum256(attributes[0x0E:0x62])
	assert.Equal(t, ofNumber[:], at(t, signed, 0, "FF3082014B DF3120", 32), "over the 17 bytes of the file")
	assert.Equal(t, ofAttributes[:], at(t, signed, 40, "DF3220", 32), "without the table")
	signature := at(t, signed, 75, "DF33820100", 256)
	assert.NoError(t, verifies(issuer, signed[5:75], signature))

	basics := read(t, card, selectText, "", "", 5)
	require.Len(t, basics, 256)
	assert.Equal(t, []byte{1, 3, 0x0E, 1}, at(t, basics, 0, "FF4082009F DF4104", 4))
	assert.Equal(t, "6000034\x08\x05001\x00\x00\x00\x00", string(at(t, basics, 12, "DF4210", 16)))
	assert.Equal(t, bytes.Repeat([]byte{0xFF}, 96), at(t, basics, 31, "DF43820080", 128)[32:])
	assert.Equal(t, bytes.Repeat([]byte{0xFF}, 92), basics[164:])

	delivery := readFileAfter(t, card, 6)
	require.Len(t, delivery, 269)
	key(t, at(t, delivery, 0, "A1820109", 265))

	own := readFileAfter(t, card, 7)
	require.Len(t, own, 536)
	public := key(t, at(t, own, 0, "FF50820213 DF51820109", 265))
	assert.NoError(t, verifies(issuer, own[5:275], at(t, own, 275, "DF52820100", 256)))
	reply := send(t, card, "802A0300 04 74657374 00")
	b, err := hex.DecodeString(reply[:512])
	require.NoError(t, err)
	assert.NoError(t, verifies(public, []byte("test"), b), "the key of file 0013")
}

// readFileAfter reads a file of the current application after its PIN.
func readFileAfter(t *testing.T, card *simcard.Card, id byte) []byte {
	t.Helper()
	run(t, card, []step{{verifyText, "9000"}})
	return readFile(t, card, id)
}

// The visual application likewise.
func TestVisualFiles(t *testing.T) {
	card := faceCard(t)
	anchor := card.Authority().CardFace().Visual()
	assert.Equal(t, "6000023/001", anchor.ID.String())
	certificate := read(t, card, selectVisual, "", "", 4)
	require.Len(t, certificate, 568)
	issuer := cv(t, at(t, certificate, 0, "7F21820233", 563), anchor, "1322121/000")

	age := read(t, card, selectVisual, "91", "550217", 1)
	require.Len(t, age, 547)
	assert.Equal(t, "19800217", string(at(t, age, 0, "FF1082021E DF1108", 8)))
	own := at(t, age, 16, "DF12820109", 265)
	public := key(t, own)
	signature := at(t, age, 286, "DF13820100", 256)
	assert.NoError(t, verifies(issuer, age[5:286], signature))
	assert.Error(t, verifies(public, age[5:286], signature), "not by the card's own key")
	reply := send(t, card, "802A0300 04 74657374 00")
	b, err := hex.DecodeString(reply[:512])
	require.NoError(t, err)
	assert.NoError(t, verifies(public, []byte("test"), b), "the key of file 001A")

	number := read(t, card, selectVisual, "93", "614106526000", 5)
	// The picture has over 127 bytes and under 256: 81 n.
	n := int(at(t, number, 5, "DF4181", 1)[0])
	img := decodePNG(t, number[9:9+n])
	assert.Equal(t, image.Rect(0, 0, 72, 12), img.Bounds())
	assert.Equal(t, own, at(t, number, 9+n, "DF42820109", 265))
	assert.NoError(t, verifies(issuer, number[5:9+n+270], at(t, number, 9+n+270, "DF43820100", 256)))
	require.Len(t, number, 5+4+n+270+261)

	face := read(t, card, selectVisual, "92", "55021720352285", 2)
	require.Zero(t, len(face)%256)
	table := at(t, face, 5, "DF2112", 18)
	require.Equal(t, []byte{0xFF, 0x20, 0x82}, face[:3])
	size := int(face[3])<<8 | int(face[4])
	for _, filler := range face[5+size:] {
		require.Equal(t, byte(0xFF), filler)
	}
	var parts [9][]byte
	starts := [10]int{9: 5 + size}
	for i := range 9 {
		starts[i] = int(table[2*i])<<8 | int(table[2*i+1])
	}
	require.Equal(t, 26, starts[0])
	for i := range 9 {
		parts[i] = face[starts[i]:starts[i+1]]
		require.Equal(t, []byte{0xDF, 0x22 + byte(i)}, parts[i][:2])
	}
	assert.Equal(t, "19800217", string(at(t, parts[0], 0, "DF2208", 8)))
	assert.Equal(t, "2", string(at(t, parts[1], 0, "DF2301", 1)))
	assert.Equal(t, own, at(t, parts[2], 0, "DF24820109", 265))
	signature = at(t, parts[6], 0, "DF28820100", 256)
	assert.Equal(t, "20350217", string(at(t, parts[7], 0, "DF2908", 8)))

	// The DigestInfo with three digests, as the public key gives it back.
	em := new(big.Int).Exp(new(big.Int).SetBytes(signature), big.NewInt(65537), issuer.N).FillBytes(make([]byte, 256))
	info := em[256-115:]
	assert.Equal(t, append([]byte{0, 1}, append(bytes.Repeat([]byte{0xFF}, 256-115-3), 0)...), em[:256-115])
	digests := at(t, info, 0, "3071 300D 06096086480165030402010500 0460", 96)
	for i, want := range [][]byte{face[starts[0]:starts[3]], face[starts[3]:starts[5]], face[starts[5]:starts[6]]} {
		sum := sha256.Sum256(want)
		assert.Equal(t, sum[:], digests[32*i:32*i+32], "digest %d", i+1)
	}

	value := func(i int) []byte { // the value after a length of one, two or three bytes
		p := parts[i][2:]
		if p[0] < 0x80 {
			return p[1:]
		}
		return p[1+p[0]&0x7F:]
	}
	assert.Equal(t, image.Rect(0, 0, 5*24, 24), decodePNG(t, value(3)).Bounds())
	assert.Equal(t, image.Rect(0, 0, 16*24, 24), decodePNG(t, value(4)).Bounds())
	assert.Equal(t, image.Rect(0, 0, 24, 12), decodePNG(t, value(8)).Bounds())
	assert.Equal(t, "\x00\x00\x00\x0CjP  \r\n\x87\n\x00\x00\x00\x14ftypjp2 ", string(value(5)[:24]))
	assert.Equal(t, card.Holder().Photo, string(value(5)))

	basics := read(t, card, selectVisual, "", "", 3)
	require.Len(t, basics, 320)
	assert.Equal(t, []byte{6, 3, 0x0E, 1}, at(t, basics, 0, "FF3082013B DF3104", 4))
	assert.Equal(t, "6000024\x08\x05001\x00\x00\x00\x00", string(at(t, basics, 12, "DF3210", 16)))
	assert.Equal(t, []byte{0}, at(t, basics, 31, "DF3301", 1))
	assert.Equal(t, "13221", string(at(t, basics, 35, "DF3405", 5)))
	assert.Equal(t, "6900025\x08\x05001\x00\x00\x00\x00", string(at(t, basics, 43, "DF35820110", 272)[:16]))
}

// The numbers that are drawn can be read, dot by dot.
func TestDigitPictures(t *testing.T) {
	card := faceCard(t)
	number := read(t, card, selectVisual, "93", "614106526000", 5)
	img := decodePNG(t, number[9:9+int(number[8])])
	var one strings.Builder // the second digit
	for y := range 12 {
		for x := 6; x < 12; x++ {
			if img.At(x, y) == (color.Gray16{}) || img.ColorIndexAt(x, y) == 1 {
				one.WriteByte('#')
			} else {
				one.WriteByte('.')
			}
		}
		one.WriteByte('\n')
	}
	assert.Equal(t, `......
......
..#...
.##...
..#...
..#...
..#...
..#...
.###..
......
......
......
`, one.String())
}

func TestRecordsAndDataObjects(t *testing.T) {
	card := faceCard(t)
	reply := send(t, card, "00CA00F8 000000")
	upper, err := hex.DecodeString(reply)
	require.NoError(t, err)
	anchor := card.Authority().CardFace().Manager()
	assert.Equal(t, "6000020\x08\x05001\x00\x00\x00\xA8", string(anchor.ID[:]))
	middle := cv(t, upper[:563], anchor, "6000021/001")
	lower, err := hex.DecodeString(send(t, card, "00CA7F21 000000"))
	require.NoError(t, err)
	var middleID simcard.KeyID
	copy(middleID[:], upper[5+16:])
	cv(t, lower[:563], simcard.FaceAnchor{ID: middleID, Key: middle}, "1322111/000")
	assert.Equal(t, hexOf(string(middleID[:]))+"9000", send(t, card, "00CA00F700"))
	assert.Equal(t, hexOf("13221")+"9000", send(t, card, "00CA00F000"))
	assert.Equal(t, hexOf("20350217")+"9000", send(t, card, "00CA00F200"))

	run(t, card, []step{{selectCommon, "9000"}})
	record, err := hex.DecodeString(send(t, card, "00B2010C00"))
	require.NoError(t, err)
	assert.Regexp(t, `^\x01\x1C[0-9]{15}1322120350217$`, string(record[:len(record)-2]))
	reference := send(t, card, "00B2011400")
	run(t, card, []step{{selectJuki, "9000"}, {"00B2011400", reference}})

	run(t, card, []step{{selectCommon, "9000"}})
	signature, err := hex.DecodeString(send(t, card, "00880099 03 414243 00"))
	require.NoError(t, err)
	assert.NoError(t, verifies(card.InternalKey(), []byte("ABC"), signature[:256]))
}

// Another authority's keys are others, and so are a card's own fresh ones.
func TestFaceOfAnotherAuthority(t *testing.T) {
	issued := time.Date(2026, time.April, 1, 0, 0, 0, 0, time.UTC)
	authority := simcard.NewAuthority(issued)
	card := faceCard(t, simcard.WithAuthority(authority))
	certificate := read(t, card, selectText, "", "", 4)
	cv(t, certificate[5:], authority.CardFace().Text(), "1322131/000")
	test := simcard.TestAuthority().CardFace().Text()
	assert.Equal(t, test.ID, authority.CardFace().Text().ID)
	assert.Error(t, verifies(test.Key, certificate[10:307], certificate[312:]))
	assert.Len(t, simcard.TestAuthority().CardFace().Anchors(), 3)

	fresh := faceCard(t, simcard.WithFreshKeys())
	assert.NotEqual(t, faceCard(t).InternalKey(), fresh.InternalKey())
	assert.NotEqual(t, key(t, readOwnKey(t, faceCard(t))), key(t, readOwnKey(t, fresh)))
	assert.Nil(t, simcard.New(simcard.WithKind(simcard.Android)).InternalKey())
}

func readOwnKey(t *testing.T, card *simcard.Card) []byte {
	return at(t, read(t, card, selectVisual, "91", "550217", 1), 16, "DF12820109", 265)
}

// What does not fit is refused and breaks nothing else.
func TestFaceThatDoesNotFit(t *testing.T) {
	holder := faceHolder
	holder.Photo = strings.Repeat("x", 40_000)
	holder.Name = strings.Repeat("名", 12_000)
	card := simcard.New(simcard.WithHolder(holder))
	run(t, card, []step{
		{selectVisual, "9000"}, {verify("93", card.Holder().NumberA()), "9000"}, {"00B0820001", "6F00"}, {"00B0850001", "FF9000"},
		{selectText, "9000"}, {verifyText, "9000"}, {"00B0820001", "6F00"}, {"00B0810001", "FF9000"}, {"00B0830001", "FF9000"},
	})
	holder.Photo = strings.Repeat("x", 28_000)
	card = simcard.New(simcard.WithHolder(simcard.Holder{Photo: holder.Photo, Municipality: "abc", Name: "\xFF", Birth: time.Date(12345, 1, 1, 0, 0, 0, 0, time.UTC)}))
	run(t, card, []step{
		{selectVisual, "9000"}, {verify("93", card.Holder().NumberA()), "9000"}, {"00B0820002", "FF209000"}, {"00B0840000", "256*9000"},
		{"00B08300 000140", "320*9000"}, {verify("91", "000000"), "9000"},
		{selectText, "9000"}, {verifyText, "9000"}, {"00B0820E06", "DF2203EFBFBD9000"},
		{"00CA5F5100", "8*9000"},
	})
}

// The photo against a real decoder, where there is one.
func TestPhotoDecodes(t *testing.T) {
	decoder, err := exec.LookPath("opj_decompress")
	if err != nil {
		t.Skip("opj_decompress is not here (Debian: libopenjp2-tools)")
	}
	dir := t.TempDir()
	in, out := filepath.Join(dir, "photo.jp2"), filepath.Join(dir, "photo.pgm")
	require.NoError(t, os.WriteFile(in, []byte(simcard.New().Holder().Photo), 0o600))
	report, err := exec.Command(decoder, "-i", in, "-o", out).CombinedOutput()
	require.NoError(t, err, "%s", report)
	picture, err := os.ReadFile(out)
	require.NoError(t, err)
	fields := strings.Fields(string(picture[:min(len(picture), 200)]))
	assert.Equal(t, "P5", fields[0])
	assert.GreaterOrEqual(t, len(picture), 192*240)
	assert.Greater(t, len(bytes.Trim(picture, string(picture[len(picture)-1:]))), 192*240/2, "not one grey")
}

// Names and addresses of any length: the length takes one, two or three bytes,
// and the table still tells where each object begins.
func TestLongAttributes(t *testing.T) {
	for _, n := range []int{0, 1, 42, 43, 85, 86, 1000} {
		holder := faceHolder
		holder.Name, holder.Address = strings.Repeat("長", n), strings.Repeat("い", n)
		card := simcard.New(simcard.WithHolder(holder))
		content := read(t, card, selectText, "91", simcard.DefaultTextPIN, 2)
		require.Zero(t, len(content)%256)
		length := func(n int) []byte {
			switch {
			case n < 0x80:
				return []byte{byte(n)}
			case n < 0x100:
				return []byte{0x81, byte(n)}
			}
			return []byte{0x82, byte(n >> 8), byte(n)}
		}
		want := [][]byte{
			append(append([]byte{0xDF, 0x22}, length(3*n)...), holder.Name...),
			append(append([]byte{0xDF, 0x23}, length(3*n)...), holder.Address...),
			[]byte("\xDF\x24\x0819800217"),
			[]byte("\xDF\x25\x012"),
		}
		inner := len(bytes.Join(want, nil)) + 11
		front := append([]byte{0xFF, 0x20}, length(inner)...)
		require.Equal(t, append(front, 0xDF, 0x21, 0x08), content[:len(front)+3])
		offset := len(front) + 11
		for i, object := range want {
			at := content[len(front)+3+2*i:]
			require.Equal(t, offset, int(at[0])<<8|int(at[1]), "%d characters, object %d", n, i)
			require.Equal(t, object, content[offset:offset+len(object)])
			offset += len(object)
		}
		digests := readFileAfter(t, card, 3)
		sum := sha256.Sum256(bytes.Join(want, nil))
		require.Equal(t, sum[:], digests[43:75])
	}
}

// The picture of a text is that of no other text.
func TestTextPictures(t *testing.T) {
	seen := map[string]string{}
	for _, name := range []string{"", "試", "験", "試験", "験試", "試　験", "試験太郎", strings.Repeat("長", 17), strings.Repeat("長", 16)} {
		holder := faceHolder
		holder.Name = name
		card := simcard.New(simcard.WithHolder(holder))
		face := read(t, card, selectVisual, "93", card.Holder().NumberA(), 2)
		start := int(face[8+2*3])<<8 | int(face[9+2*3])
		rest := face[start:]
		require.Equal(t, []byte{0xDF, 0x25}, rest[:2])
		i := bytes.Index(rest[:10], []byte("\x89PNG"))
		require.Positive(t, i)
		img := decodePNG(t, rest[i:])
		n := max(1, len([]rune(name)))
		assert.Equal(t, image.Rect(0, 0, min(n, 16)*24, (n+15)/16*24), img.Bounds())
		key := string(img.Pix) + img.Bounds().String()
		assert.NotContains(t, seen, key, name)
		seen[key] = name
	}
}
