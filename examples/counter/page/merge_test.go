package page_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/examples/counter/page"
	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/mergefile"
)

// mergeFile writes a file of so many records, as the city's cloud would.
func mergeFile(t testing.TB, keys shop.Keys, from, records int) []byte {
	t.Helper()
	key, err := keys.Merge()
	require.NoError(t, err)
	var b bytes.Buffer
	w, err := mergefile.NewWriter(t.Context(), &b, shop.Profile(), key, nil)
	require.NoError(t, err)
	holder, err := mergefile.NewMallHolder("520625")
	require.NoError(t, err)
	for i := range records {
		number, err := mergefile.NewTransaction(time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC), uint32(from+i))
		require.NoError(t, err)
		require.NoError(t, w.Write(mergefile.Record{Holder: holder, Points: 100, Transaction: number}))
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

// deliver puts a file into an inbox under its name at once, whole.
func deliver(t testing.TB, inbox, name string, file []byte) {
	t.Helper()
	tmp := filepath.Join(inbox, "."+name)
	require.NoError(t, os.WriteFile(tmp, file, 0o600))
	written := time.Now().Add(-time.Minute)
	require.NoError(t, os.Chtimes(tmp, written, written))
	require.NoError(t, os.Rename(tmp, filepath.Join(inbox, name)))
}

func TestMergeInbox(t *testing.T) {
	cfg := shopConfig(t)
	s := openShop(t, "sqlite", dbtest.SQLite(t.TempDir()), cfg)
	inbox := t.TempDir()
	term := serve(t, s, func(c *page.Config) { c.Inbox = inbox })
	p := term.open(t).get("/merge").sees("ファイルはまだ届いていません")
	p.send("/merge/look").sees("新しいファイルはありません")

	file := mergeFile(t, cfg.Keys, 1, 3)
	deliver(t, inbox, "a.dat", file)
	p.send("/merge/look").sees("&#34;a.dat&#34;", "合算</span>", ">300<")
	deliver(t, inbox, "a-again.dat", file)
	p.send("/merge/look").sees("&#34;a-again.dat&#34;", "合算済み</span>")
	assert.NotContains(t, p.body, "隔離</span>")

	tampered := bytes.Clone(file)
	tampered[len(tampered)/2] ^= 1
	deliver(t, inbox, "bad.dat", tampered)
	p.send("/merge/look").sees("&#34;bad.dat&#34;", "隔離</span>", "隔離されたファイルがあります（1件）")

	books, err := s.Books(t.Context())
	require.NoError(t, err)
	assert.True(t, books.Exact())
	assert.EqualValues(t, 300, books.Merged)

	// Without a folder the screen says so.
	other := serve(t, s, func(c *page.Config) { c.Terminal = "T-02" })
	other.open(t).get("/merge").sees("合算ポイントを受け取る設定になっていません")
}

// A file that comes by itself shows by itself.
func TestMergeShows(t *testing.T) {
	cfg := shopConfig(t)
	s := openShop(t, "sqlite", dbtest.SQLite(t.TempDir()), cfg)
	inbox := t.TempDir()
	term := serve(t, s, func(c *page.Config) { c.Inbox = inbox })
	p := term.open(t)
	events := p.follow("merge")
	deliver(t, inbox, "a.dat", mergeFile(t, cfg.Keys, 1, 3))
	events.until(t, "live", "a.dat")
}
