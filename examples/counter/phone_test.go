package main

import (
	"bufio"
	"context"
	"encoding/pem"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mynakit/mynakit/apdu/vpcd"
	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/simcard"
)

// A day with the reader that is a phone, and root certificates from a file: a
// software card connects to what the QR code says. The certificates of an
// Android phone are themselves such a card, and tell nobody without the PIN.
func TestDayWithAPhone(t *testing.T) {
	for _, kind := range []simcard.Kind{simcard.Plastic, simcard.Android} {
		t.Run(kind.String(), func(t *testing.T) {
			before := goleak.IgnoreCurrent()
			defer func() { assert.NoError(t, dbtest.Leaks(before)) }()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			dir := t.TempDir()
			roots := filepath.Join(dir, "roots.pem")
			require.NoError(t, os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{
				Type: "CERTIFICATE", Bytes: simcard.TestAuthority().Auth().Certificate().Raw,
			}), 0o600))

			screen, drawn := io.Pipe()
			var out strings.Builder
			w := &world{stdout: &out, stderr: drawn, now: now}
			o := &options{world: w, lang: "en", data: dir, reader: "phone", listen: "127.0.0.1:0", roots: roots, wait: time.Minute}
			ended := make(chan error, 1)
			go func() {
				ended <- func() error {
					p, err := openPlace(ctx, o)
					if err != nil {
						return err
					}
					defer p.Close()
					cards, err := o.openReader()
					if err != nil {
						return err
					}
					defer cards.Close()
					return (&day{
						speaker: speaker{lang: "en", lines: english(), out: &out}, place: p, cards: cards, wait: time.Minute,
						office: p.shop.Terminal("OFFICE-1"), till: p.shop.Terminal("TILL-2"),
						pin: func(_ context.Context, left int) (jpki.PIN, error) {
							assert.Equal(t, 3, left)
							return jpki.NewPIN(jpki.AuthPIN, simcard.DefaultAuthPIN)
						},
					}).run(ctx)
				}()
				drawn.Close()
			}()
			lines := bufio.NewScanner(screen)
			address, told := "", ""
			for address == "" && lines.Scan() {
				told += lines.Text()
				if after, ok := strings.CutPrefix(lines.Text(), "vpcd://"); ok {
					address = after
				}
			}
			require.NotEmpty(t, address)
			assert.Contains(t, told, "no phone: say -listen")
			assert.Contains(t, told, "The link is plain")
			rest := make(chan string, 1)
			go func() {
				b, _ := io.ReadAll(screen)
				rest <- string(b)
			}()
			phone, err := vpcd.Insert(ctx, address, simcard.New(simcard.WithKind(kind)))
			require.NoError(t, err)
			require.NoError(t, <-ended, out.String())
			<-phone.Done()
			code := <-rest
			assert.Contains(t, code, "█")
			assert.NotContains(t, code, "vpcd://", "the code is shown once: one link serves the day")
			assert.Contains(t, out.String(), "Both are exact.")
			assert.NotContains(t, out.String(), "on the air", "a real reader's time is measured")
		})
	}
}
