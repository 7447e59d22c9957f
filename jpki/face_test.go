package jpki

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
)

// What each call reads, and what it costs.
func TestReadFiles(t *testing.T) {
	ctx := context.Background()
	s := newShelf(shortHolder)
	text, visual := openShelf(t, s, TextApp), openShelf(t, newShelf(shortHolder), VisualApp)
	cost := func(c *Card, want int, f func()) {
		t.Helper()
		before := c.Stats().Exchanges
		f()
		assert.Equal(t, want, c.Stats().Exchanges-before)
	}
	reads := func(c *shelf, file string) int {
		size := bytes.TrimRight(c.files[file], "\xFF")
		return (len(size) + 255) / 256
	}
	s.log = nil
	cost(text, 1, func() {
		n, err := text.MyNumber(ctx)
		require.NoError(t, err)
		assert.Equal(t, sampleMyNumber, n.Digits())
	})
	cost(text, 1, func() {
		a, err := text.Attributes(ctx)
		require.NoError(t, err)
		assert.Equal(t, shortHolder, nameAndAddress{a.Name(), a.Address()})
		assert.Equal(t, "1980-02-17", a.Birth().String())
		assert.Equal(t, Female, a.Sex())
	})
	cost(text, 1, func() {
		i, err := text.TextInfo(ctx)
		require.NoError(t, err)
		assert.Equal(t, TextInfo{1, 3, 0x0E, 1, issuerID}, i)
		assert.Equal(t, "6000033", i.Key.String())
	})
	cost(text, 3, func() {
		c, err := text.FaceCertificate(ctx, TextApp)
		require.NoError(t, err)
		assert.Len(t, c.Raw, 568)
		assert.Equal(t, []FaceID{issuerID, signerID}, []FaceID{c.Issuer, c.Subject})
		assert.True(t, faceKeys().signer.PublicKey.Equal(c.PublicKey))
		again, err := ParseFaceCertificate(c.Raw)
		require.NoError(t, err)
		assert.Equal(t, c, again)
	})
	assert.Equal(t, []string{"B0 8100", "B0 8200", "B0 8500", "B0 8400", "B0 0100", "B0 0200"}, s.log)
	cost(visual, reads(newShelf(shortHolder), "0402/02"), func() {
		f, err := visual.Face(ctx)
		require.NoError(t, err)
		assert.Equal(t, "1980-02-17 2035-02-17 female", f.Birth().String()+" "+f.UnsignedExpiry().String()+" "+f.Sex().String())
		assert.Equal(t, "\x89PNG name", string(f.NamePicture()))
		assert.True(t, strings.HasPrefix(string(f.AddressPicture()), "\x89PNG address "))
		assert.Equal(t, strings.Repeat("jP2 photo ", 400), string(f.Photo()))
		assert.Equal(t, "\x89PNG code", string(f.UnsignedSecurityCodePicture()))
		clear(f.Photo())
		assert.NotEmpty(t, bytes.Trim(f.Photo(), "\x00"), "each call gives a copy")
	})
	cost(visual, 3, func() {
		birth, err := visual.AgeRecord(ctx)
		require.NoError(t, err)
		assert.Equal(t, "1980-02-17", birth.String())
	})
	cost(visual, reads(s, "0402/05"), func() {
		p, err := visual.MyNumberPicture(ctx)
		require.NoError(t, err)
		assert.Equal(t, "\x89PNG number", string(p.PNG()))
	})
	cost(visual, 2, func() {
		i, err := visual.VisualInfo(ctx)
		require.NoError(t, err)
		assert.Equal(t, VisualInfo{[4]byte{6, 3, 14, 1}, issuerID, 0, "13221"}, i)
	})
	cost(visual, 2, func() { // and the application
		d, err := visual.CommonData(ctx)
		require.NoError(t, err)
		assert.Equal(t, "012345678901234 2345678901234 13221 2035-02-17",
			d.Number()+" "+d.ManufacturingNumber()+" "+d.Municipality()+" "+d.Expiry().String())
	})
	assert.Equal(t, CommonApp, visual.Application())
}

// Names and addresses of any size, around every form of a length and every
// edge of a piece: as many exchanges as the object has pieces of 256 bytes.
func TestAttributesOfEverySize(t *testing.T) {
	ctx := context.Background()
	for _, sizes := range [][2]int{{0, 300}, {300, 1300}, {30000, 30003}} {
		for n := sizes[0]; n < sizes[1]; n++ {
			if n > 520 && n < 1000 {
				continue
			}
			h := nameAndAddress{strings.Repeat("あ", n/6) + strings.Repeat("x", n%6), strings.Repeat("県", n/6)}
			file, _ := attributesFile(h.name, h.address, "19991231", "1")
			s := &shelf{files: map[string][]byte{"0408/02": filled(bytes.Clone(file), len(file)+n%3)}}
			c := openShelf(t, s, TextApp)
			a, err := c.Attributes(ctx)
			require.NoError(t, err, "%d", n)
			require.Equal(t, h, nameAndAddress{a.Name(), a.Address()})
			require.Equal(t, 1+(len(file)+255)/256, c.Stats().Exchanges, "%d bytes", len(file))
		}
	}
}

// A file that is not what it should be is an error and gives nothing.
func TestMalformedFiles(t *testing.T) {
	ctx := context.Background()
	calls := map[string]func(*Card) error{
		"0408/01": func(c *Card) error { _, err := c.MyNumber(ctx); return err },
		"0408/02": func(c *Card) error { _, err := c.Attributes(ctx); return err },
		"0408/04": func(c *Card) error { _, err := c.FaceCertificate(ctx, TextApp); return err },
		"0408/05": func(c *Card) error { _, err := c.TextInfo(ctx); return err },
		"0402/01": func(c *Card) error { _, err := c.AgeRecord(ctx); return err },
		"0402/02": func(c *Card) error { _, err := c.Face(ctx); return err },
		"0402/03": func(c *Card) error { _, err := c.VisualInfo(ctx); return err },
		"0402/05": func(c *Card) error { _, err := c.MyNumberPicture(ctx); return err },
		"0100/01": func(c *Card) error { _, err := c.CommonData(ctx); return err },
	}
	right := newShelf(shortHolder)
	for name, call := range calls {
		require.NoError(t, call(openShelf(t, right, JPKIAppOf(name))), name)
		content := bytes.TrimRight(right.files[name], "\xFF")
		for what, file := range map[string][]byte{
			"empty":             {},
			"one byte":          {0xFF},
			"zeros":             make([]byte, 300),
			"filler":            bytes.Repeat([]byte{0xFF}, 300),
			"header alone":      content[:4],
			"header of nothing": append(bytes.Clone(content[:2]), 0),
			"a length of 4 GiB": append(bytes.Clone(content[:2]), 0x84, 0xFF, 0xFF, 0xFF, 0xFF),
			"a length of 64 K":  append(append(bytes.Clone(content[:2]), 0x83, 0x00, 0xFF, 0xFF), make([]byte, 40000)...),
			"indefinite":        append(append(bytes.Clone(content[:2]), 0x80), content[3:]...),
			"another tag":       append([]byte{0x30, 0x11}, content[2:]...),
			"cut by one":        content[:len(content)-1],
			"cut in half":       content[:len(content)/2],
		} {
			s := &shelf{files: map[string][]byte{name: file}}
			err := call(openShelf(t, s, JPKIAppOf(name)))
			require.ErrorIs(t, err, ErrCardData, "%s %s", name, what)
			var step *StepError
			require.ErrorAs(t, err, &step)
		}
	}
	for name, edit := range map[string]func(file []byte){
		"0408/01 check digit":   func(b []byte) { b[14] ^= 1 },
		"0408/02 name, UTF-8":   func(b []byte) { tagAt(t, b, 0xFF20, 0xDF22)[0] = 0xFF },
		"0408/02 address":       func(b []byte) { tagAt(t, b, 0xFF20, 0xDF23)[2] = 0x20 },
		"0408/02 birth":         func(b []byte) { copy(tagAt(t, b, 0xFF20, 0xDF24), "1980021A") },
		"0408/02 day":           func(b []byte) { copy(tagAt(t, b, 0xFF20, 0xDF24), "19800230") },
		"0408/02 sex":           func(b []byte) { tagAt(t, b, 0xFF20, 0xDF25)[0] = 'M' },
		"0408/02 order":         func(b []byte) { b[bytes.Index(b, []byte{0xDF, 0x22})+1] = 0x23 },
		"0408/04 exponent 1":    func(b []byte) { copy(tagAt(t, b, 0x7F21, 0x5F4E)[34:], []byte{0, 0, 1}) },
		"0408/04 even exponent": func(b []byte) { copy(tagAt(t, b, 0x7F21, 0x5F4E)[34:], []byte{1, 0, 2}) },
		"0408/04 even modulus":  func(b []byte) { tagAt(t, b, 0x7F21, 0x5F4E)[296] &^= 1 },
		"0408/04 small modulus": func(b []byte) { tagAt(t, b, 0x7F21, 0x5F4E)[41] = 0 },
		"0402/01 birth":         func(b []byte) { tagAt(t, b, 0xFF10, 0xDF11)[0] = 'x' },
		"0402/02 expiry":        func(b []byte) { tagAt(t, b, 0xFF20, 0xDF29)[7] = 'x' },
		"0402/02 birth":         func(b []byte) { tagAt(t, b, 0xFF20, 0xDF22)[7] = 'x' },
		"0402/02 sex":           func(b []byte) { tagAt(t, b, 0xFF20, 0xDF23)[0] = 'x' },
		"0402/03 municipality":  func(b []byte) { tagAt(t, b, 0xFF30, 0xDF34)[0] = 'x' },
		"0100/01 tag":           func(b []byte) { b[0] = 2 },
		"0100/01 length":        func(b []byte) { b[1] = 27 },
		"0100/01 digit":         func(b []byte) { b[5] = 'x' },
		"0100/01 expiry":        func(b []byte) { copy(b[22:], "20350000") },
	} {
		s := newShelf(shortHolder)
		file := name[:7]
		edit(s.files[file])
		err := calls[file](openShelf(t, s, JPKIAppOf(file)))
		require.ErrorIs(t, err, ErrCardData, name)
		for _, secret := range []string{sampleMyNumber, shortHolder.name, "1980", "0123456"} {
			assert.NotContains(t, err.Error(), secret)
		}
	}
}

// JPKIAppOf is the application of a file on a shelf.
func JPKIAppOf(file string) Application {
	return map[string]Application{"0408": TextApp, "0402": VisualApp, "0100": CommonApp}[file[:4]]
}

// The record with the long form of a length in simple TLV.
func TestCommonRecordForms(t *testing.T) {
	digits := "0123456789012341322120350217"
	d, err := parseCommon(append([]byte{0x01, 0xFF, 0x00, 0x1C}, digits...))
	require.NoError(t, err)
	assert.Equal(t, "13221", d.Municipality())
	for _, b := range [][]byte{nil, {0x01}, append([]byte{0x01, 0xFF, 0x01, 0x1C}, digits...), append([]byte{0x01, 0x1C}, digits[1:]...), append([]byte{0x01, 0x1C}, digits+"0"...)} {
		_, err := parseCommon(b)
		require.ErrorIs(t, err, ErrCardData)
	}
}

// READ RECORD to the byte, with and without a short identifier.
func TestCommonDataCommands(t *testing.T) {
	record := append(append([]byte{0x01, 0x1C}, "0123456789012341322120350217"...), 0x90, 0)
	for _, steps := range [][]step{
		{{selectCommon, done}, {"00B2010C00", record}},
		{{selectCommon, done}, {"00B2010C00", "6A86"}, {"00A4020C020001", done}, {"00B2010400", record}},
	} {
		_, err := play(t, nil, steps...).CommonData(context.Background())
		require.NoError(t, err)
	}
	_, err := play(t, nil, step{selectCommon, done}, step{"00B2010C00", "6A83"}).CommonData(context.Background())
	require.ErrorIs(t, err, apdu.RecordNotFound)
	requireStep(t, err, "read common data")
}

// Which PIN a refusal asks for.
func TestFilesWantPINs(t *testing.T) {
	ctx := context.Background()
	for _, tt := range []struct {
		app, read string
		call      func(*Card) error
		pin       PINKind
	}{
		{selectText, "00B0810000", func(c *Card) error { _, err := c.MyNumber(ctx); return err }, TextPIN},
		{selectText, "00B0820000", func(c *Card) error { _, err := c.Attributes(ctx); return err }, TextPIN},
		{selectVisual, "00B0810000", func(c *Card) error { _, err := c.AgeRecord(ctx); return err }, BirthDateKey},
		{selectVisual, "00B0820000", func(c *Card) error { _, err := c.Face(ctx); return err }, VisualNumberB},
		{selectVisual, "00B0850000", func(c *Card) error { _, err := c.MyNumberPicture(ctx); return err }, VisualNumberA},
	} {
		err := tt.call(play(t, nil, step{tt.app, done}, step{tt.read, "6982"}))
		var required *PINRequiredError
		require.ErrorAs(t, err, &required)
		assert.Equal(t, tt.pin, required.PIN)
		requireStatus(t, err, apdu.SecurityStatusNotSatisfied)
	}
}
