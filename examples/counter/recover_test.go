package main

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/mynakit/mynakit/simcard"
)

// Somebody asks that a new card get a holder's MyKey ID. A letter to the holder
// lies in a folder of the program's user alone, and the log says no more than that.
func TestRecoveryNotice(t *testing.T) {
	for lang, says := range map[string]string{"ja": "お心当たりがないときは", "en": "If you have not asked for it"} {
		t.Run(lang, func(t *testing.T) {
			ctx := t.Context()
			var log bytes.Buffer
			clock := time.Now()
			o := &options{world: &world{func(string) string { return "" }, os.Stdout, &log, func() time.Time { return clock }},
				lang: lang, reader: "sim", data: filepath.Join(t.TempDir(), "shop")}
			p, err := openPlace(ctx, o)
			require.NoError(t, err)
			defer func() { assert.NoError(t, p.Close()) }()
			holder := simcard.SampleHolder(0)
			member, err := mykey.ParseServiceID("000001:180000000011")
			require.NoError(t, err)
			visit := func(sim *simcard.Card) (*shop.Visit, *jpki.Card) {
				card, err := jpki.Open(ctx, sim)
				require.NoError(t, err)
				pin, err := jpki.NewPIN(jpki.AuthPIN, simcard.DefaultAuthPIN)
				require.NoError(t, err)
				v, err := p.shop.BeginWithPIN(ctx, card, pin)
				require.NoError(t, err)
				return v, card
			}
			// The earlier card ends soon.
			old := simcard.New(simcard.WithHolder(holder), simcard.WithIssued(clock.AddDate(-4, 0, 0)))
			v, card := visit(old)
			_, err = v.Offer(ctx, card)
			require.NoError(t, err)
			progress, err := v.Accept(ctx, card)
			require.NoError(t, err)
			_, err = v.RegisterService(ctx, card, member)
			require.NoError(t, err)
			clock = old.AuthCertificate().NotAfter.AddDate(0, 0, 1)

			fresh := simcard.New(simcard.WithHolder(holder), simcard.WithIssued(time.Now().AddDate(0, 0, -3)))
			ask := func() (registry.Recovery, error) {
				v, card := visit(fresh)
				defer v.Close()
				text, err := jpki.NewPIN(jpki.TextPIN, simcard.DefaultTextPIN)
				require.NoError(t, err)
				return v.Recover(ctx, card, text, member, "Tanaka", "Suzuki")
			}
			_, err = ask()
			assert.ErrorIs(t, err, registry.ErrNotFound, "there are no members yet")
			file := filepath.Join(p.dir, membersFile)
			write := func(line string) { require.NoError(t, os.WriteFile(file, []byte("\ufeff"+line), 0o600)) }
			write("000001:180000000011," + holder.Name + ",1970-13-45\n")
			_, err = ask()
			assert.ErrorIs(t, err, shop.ErrConfig)
			assert.NotContains(t, err.Error(), holder.Name)
			write("000001:180000000012,somebody,1970-01-01\n000001:180000000011," + holder.Name + "," + holder.Birth.Format(time.DateOnly) + "\n")
			letters := func() []string {
				names, err := filepath.Glob(filepath.Join(p.notices(), "*"))
				require.NoError(t, err)
				return names
			}
			assert.Empty(t, letters())
			r, err := ask()
			require.NoError(t, err)
			require.Len(t, letters(), 1)
			letter, err := os.ReadFile(letters()[0])
			require.NoError(t, err)
			for _, want := range []string{says, member.String(), r.Ready.Format("2006-01-02 15:04")} {
				assert.Contains(t, string(letter), want)
			}
			if runtime.GOOS != "windows" {
				info, err := os.Stat(letters()[0])
				require.NoError(t, err)
				assert.Zero(t, info.Mode().Perm()&0o077)
			}
			assert.Equal(t, 1, strings.Count(log.String(), "\n"), log.String())
			for _, secret := range []string{progress.Candidate.String(), member.Customer.String(), holder.Name, "Tanaka", "Suzuki"} {
				assert.NotContains(t, log.String(), secret)
			}
			for _, secret := range []string{progress.Candidate.String(), holder.Name} {
				assert.NotContains(t, string(letter), secret, "whoever opens the letter of another")
			}

			// Without the letter there is no recovery.
			require.NoError(t, p.shop.CancelRecovery(ctx, r.Number, "Sato"))
			require.NoError(t, os.RemoveAll(p.notices()))
			_, err = ask()
			assert.Error(t, err)
		})
	}
}
