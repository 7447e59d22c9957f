//go:build ignore

// Command generate draws the photo and writes it as photo.jp2. The drawing is
// arithmetic, nobody's picture: a head and shoulders before a bright wall. The
// compression is done by opj_compress of OpenJPEG (Debian: libopenjp2-tools),
// version 2.5.0 when photo.jp2 was made.
package main

import (
	"fmt"
	"log"
	"math"
	"os"
	"os/exec"
	"path/filepath"
)

const width, height = 192, 240

func main() {
	pgm := fmt.Appendf(nil, "P5\n%d %d\n255\n", width, height)
	for y := range height {
		for x := range width {
			pgm = append(pgm, grey(float64(x)/width, float64(y)/height))
		}
	}
	dir, err := os.MkdirTemp("", "photo")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	drawn := filepath.Join(dir, "photo.pgm")
	if err := os.WriteFile(drawn, pgm, 0o644); err != nil {
		log.Fatal(err)
	}
	// Five resolutions, irreversible, 24:1: some two kilobytes.
	compress := exec.Command("opj_compress", "-i", drawn, "-o", "photo.jp2", "-I", "-n", "5", "-r", "24")
	if out, err := compress.CombinedOutput(); err != nil {
		log.Fatalf("%v: %s", err, out)
	}
}

// grey is the brightness of a point, both coordinates from 0 to 1.
func grey(x, y float64) byte {
	inside := func(cx, cy, rx, ry float64) bool {
		return math.Pow((x-cx)/rx, 2)+math.Pow((y-cy)/ry, 2) < 1
	}
	v := 225 - 25*y
	if inside(0.5, 1.05, 0.42, 0.32) { // shoulders
		v = 70 + 30*x
	}
	if inside(0.5, 0.74, 0.10, 0.12) { // neck
		v = 165
	}
	if inside(0.5, 0.42, 0.25, 0.32) { // hair
		v = 45 + 20*x
	}
	if inside(0.5, 0.47, 0.20, 0.26) { // face
		v = 200 - 40*math.Abs(x-0.45)
	}
	if inside(0.42, 0.44, 0.025, 0.016) || inside(0.58, 0.44, 0.025, 0.016) { // eyes
		v = 30
	}
	if inside(0.5, 0.54, 0.015, 0.03) { // nose
		v = 165
	}
	if inside(0.5, 0.62, 0.06, 0.012) { // mouth
		v = 110
	}
	return byte(v)
}
