package paper_test

import (
	"bytes"
	"context"
	"image"
	"image/draw"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/makiuchi-d/gozxing"
	"github.com/mynakit/mynakit/internal/chromiumtest"
	"github.com/mynakit/mynakit/ticket/paper"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// browse runs the browser without a window and without a network.
func browse(t *testing.T, browser, dir string, args ...string) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, browser, append([]string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
		"--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--disable-dev-shm-usage", "--user-data-dir=" + filepath.Join(dir, "profile")}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// Printed, three tickets make a sheet of A4 and none is cut in two.
func TestPagePrints(t *testing.T) {
	browser, dir := chromiumtest.Path(t), t.TempDir()
	var slips []paper.Slip
	for i := range 6 {
		slips = append(slips, slip(t, "9876-543"+string('0'+rune(i))))
	}
	var page bytes.Buffer
	require.NoError(t, paper.WriteHTML(&page, slips...))
	file, pdf := filepath.Join(dir, "page.html"), filepath.Join(dir, "page.pdf")
	require.NoError(t, os.WriteFile(file, page.Bytes(), 0o600))
	browse(t, browser, dir, "--no-pdf-header-footer", "--print-to-pdf="+pdf, "file://"+filepath.ToSlash(file))
	raw, err := os.ReadFile(pdf)
	require.NoError(t, err)
	assert.Len(t, regexp.MustCompile(`/Type\s*/Page\b`).FindAll(raw, -1), 2, "six tickets on two sheets")
	assert.Regexp(t, `/MediaBox\s*\[0 0 59[45]\.?\d* 84[12]\.?\d*\]`, string(raw), "A4 in points")
}

// The page in a real browser: the QR codes are read from its picture, and the
// frames and texts have left their ink where they belong. MYNAKIT_PICTURES
// names a directory to keep the picture in.
func TestPageRenders(t *testing.T) {
	browser, dir := chromiumtest.Path(t), t.TempDir()
	a, b := slip(t, "9876-5432"), slip(t, "0000-0001")
	b.CheckDigit = true
	b.Ticket.Prints = 2
	b.Ticket.Points = 99_999_999
	b.Issuer = "とても長い名前をもつ地域の商店街振興組合連合会および商工会議所"
	var page bytes.Buffer
	require.NoError(t, paper.WriteHTML(&page, a, b))
	file := filepath.Join(dir, "page.html")
	require.NoError(t, os.WriteFile(file, page.Bytes(), 0o600))

	// A4 at 96 dots an inch is 794 by 1123; drawn twice as fine.
	shot := filepath.Join(dir, "page.png")
	browse(t, browser, dir, "--hide-scrollbars", "--force-device-scale-factor=2", "--window-size=794,1123",
		"--screenshot="+shot, "file://"+filepath.ToSlash(file))
	raw, err := os.ReadFile(shot)
	require.NoError(t, err)
	if keep := os.Getenv("MYNAKIT_PICTURES"); keep != "" {
		require.NoError(t, os.WriteFile(filepath.Join(keep, "page.png"), raw, 0o600))
	}
	img, err := png.Decode(bytes.NewReader(raw))
	require.NoError(t, err)

	// Places on the page in tenths of a millimetre, as on the drawing.
	const dot = 2 * 96 / 254.0
	part := func(ticket, x, y, w, h int) image.Image {
		x0, y0 := 150+x, 120+ticket*880+y
		r := image.Rect(int(float64(x0)*dot), int(float64(y0)*dot), int(float64(x0+w)*dot), int(float64(y0+h)*dot))
		require.True(t, r.In(img.Bounds()), "%v in %v", r, img.Bounds())
		cut := image.NewGray(image.Rect(0, 0, r.Dx(), r.Dy()))
		draw.Draw(cut, cut.Bounds(), img, r.Min, draw.Src)
		return cut
	}
	ink := func(ticket, x, y, w, h int) float64 {
		g := part(ticket, x, y, w, h).(*image.Gray)
		dark := 0
		for _, p := range g.Pix {
			if p < 128 {
				dark++
			}
		}
		return float64(dark) / float64(len(g.Pix))
	}
	for i, s := range []paper.Slip{a, b} {
		assert.Equal(t, s.QR.Reveal(), decode(t, part(i, 1258, 30, 445, 395), gozxing.DecodeHintType_TRY_HARDER), "ticket %d", i)
		for _, frame := range []int{1200, 1490} {
			assert.Zero(t, ink(i, frame+10, 510, 250, 240), "room for the seal")
			assert.Greater(t, ink(i, frame+20, 450, 230, 40), 0.03, "the frame's label")
			assert.Greater(t, ink(i, frame+10, 490, 250, 8), 0.2, "the rule between them")
			assert.Greater(t, ink(i, frame-4, 520, 8, 230), 0.2, "the frame's side")
		}
		assert.Greater(t, ink(i, 60, 250, 600, 130), 0.05, "the points")
		assert.Greater(t, ink(i, 250, 500, 500, 60), 0.05, "the number")
		assert.Zero(t, ink(i, 1150, 20, 40, 760), "the text ends before the frames")
	}
}
