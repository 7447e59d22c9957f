package simcard

import (
	"bytes"
	"crypto/sha256"
	"image"
	"image/color"
	"image/png"
	"unicode/utf8"
)

// The pictures on the card are PNG with one bit per pixel. There is no font
// here: digits are drawn from a table of dots, and any other character is a
// pattern of its own, the same wherever the character stands, so that a test
// sees whether a picture is the right one and no eye is deceived.

// ink is white paper and black ink.
var ink = color.Palette{color.White, color.Black}

// Sizes in pixels. A digit fills a cell of 6 by 12, so that the twelve of a My
// Number are 72 wide and the four of a security code 24, as on cards.
const (
	digitWidth, digitHeight = 6, 12
	glyphSize               = 24
	glyphsPerLine           = 16
)

// digitDots are the ten digits, 5 by 7: a row is five bits, the left one first.
var digitDots = [10][7]byte{
	{0x0E, 0x11, 0x13, 0x15, 0x19, 0x11, 0x0E},
	{0x04, 0x0C, 0x04, 0x04, 0x04, 0x04, 0x0E},
	{0x0E, 0x11, 0x01, 0x02, 0x04, 0x08, 0x1F},
	{0x1F, 0x02, 0x04, 0x02, 0x01, 0x11, 0x0E},
	{0x02, 0x06, 0x0A, 0x12, 0x1F, 0x02, 0x02},
	{0x1F, 0x10, 0x1E, 0x01, 0x01, 0x11, 0x0E},
	{0x06, 0x08, 0x10, 0x1E, 0x11, 0x11, 0x0E},
	{0x1F, 0x01, 0x02, 0x04, 0x08, 0x08, 0x08},
	{0x0E, 0x11, 0x11, 0x0E, 0x11, 0x11, 0x0E},
	{0x0E, 0x11, 0x11, 0x0F, 0x01, 0x02, 0x0C},
}

// digitPicture draws a line of digits in places cells. What is no digit stays
// white, and what is too much is left out.
func digitPicture(digits string, places int) []byte {
	img := image.NewPaletted(image.Rect(0, 0, places*digitWidth, digitHeight), ink)
	for i := range min(len(digits), places) {
		if digits[i] < '0' || digits[i] > '9' {
			continue
		}
		for y, row := range digitDots[digits[i]-'0'] {
			for x := range 5 {
				img.SetColorIndex(i*digitWidth+x, 2+y, row>>(4-x)&1)
			}
		}
	}
	return encode(img)
}

// textPicture draws a text in lines of 16 characters, each a pattern of 24 by
// 24 pixels. A text without characters is one empty cell.
func textPicture(text string) []byte {
	n := utf8.RuneCountInString(text)
	lines := max(1, (n+glyphsPerLine-1)/glyphsPerLine)
	img := image.NewPaletted(image.Rect(0, 0, min(max(n, 1), glyphsPerLine)*glyphSize, lines*glyphSize), ink)
	i := 0
	for _, r := range text {
		drawGlyph(img, i%glyphsPerLine*glyphSize, i/glyphsPerLine*glyphSize, r)
		i++
	}
	return encode(img)
}

// drawGlyph fills eight by eight dots of two pixels, with a margin of four;
// which of them are black comes from a hash of the character, and the right
// half is the left one in a mirror.
func drawGlyph(img *image.Paletted, left, top int, r rune) {
	if r == ' ' || r == '\u3000' {
		return
	}
	pattern := sha256.Sum256([]byte(string(r)))
	for y := range 16 {
		for x := range 16 {
			column := min(x/2, 7-x/2)
			img.SetColorIndex(left+4+x, top+4+y, pattern[y/2]>>column&1)
		}
	}
}

func encode(img image.Image) []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		return nil // only for pictures without pixels, or over 2^31 of them
	}
	return b.Bytes()
}
