package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu/vpcd"
	"github.com/mynakit/mynakit/internal/chromiumtest"
)

// A tab is a tester in front of the panel.
type tab struct {
	*testing.T
	ctx      context.Context
	mu       sync.Mutex
	problems []string // what the browser complained of
}

func openTab(t *testing.T, browser context.Context, url string) *tab {
	ctx, cancel := chromedp.NewContext(browser)
	t.Cleanup(cancel)
	ctx, late := context.WithTimeout(ctx, 5*time.Minute)
	t.Cleanup(late)
	b := &tab{T: t, ctx: ctx}
	require.NoError(t, chromedp.Do(ctx))
	heard := chromedp.Console(ctx)
	go func() {
		for m, err := range heard {
			if err != nil {
				return
			}
			if m.Type != chromedp.ConsoleDebug && m.Type != chromedp.ConsoleInfo {
				b.mu.Lock()
				b.problems = append(b.problems, fmt.Sprintf("%s: %s", m.Type, m.Text))
				b.mu.Unlock()
			}
		}
	}()
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(url)))
	return b
}

func (b *tab) run(js string) {
	b.Helper()
	_, err := chromedp.Run(b.ctx, chromedp.Evaluate[any](js+"; null"))
	require.NoError(b, err, js)
}

// until waits until an expression is true in the page.
func (b *tab) until(js string) {
	b.Helper()
	for limit := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](js))
		if err == nil && ok {
			return
		}
		if time.Now().After(limit) {
			text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string]("document.body.innerText"))
			b.Fatalf("never true: %s (%v); the page says:\n%s", js, err, text)
		}
	}
}

// says waits until an element shows a text.
func (b *tab) says(selector, text string) {
	b.Helper()
	b.until(fmt.Sprintf("[...document.querySelectorAll(%q)].some((e) => e.innerText.includes(%q))", selector, text))
}

// picture keeps what the page looks like, where MYNAKIT_PICTURES says.
func (b *tab) picture(name string) {
	dir := os.Getenv("MYNAKIT_PICTURES")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	require.NoError(b, err)
	require.NoError(b, os.MkdirAll(dir, 0o755))
	require.NoError(b, os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644))
}

// A tester picks a card, tears an exchange, takes the card away, and sees what
// it did. A page of another origin can do none of it.
func TestPanel(t *testing.T) {
	browser := chromiumtest.Start(t, chromedp.WindowSize(1280, 1000))
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	pcscd, err := vpcd.Listen("127.0.0.1:0")
	require.NoError(t, err)
	defer pcscd.Close()
	first, _ := start(t, ctx, "-addr", pcscd.Addr().String(), "-panel")
	reader, err := pcscd.Accept(ctx)
	require.NoError(t, err)
	defer func() { reader.Close() }()
	send := func(command string) string {
		reply, err := reader.TransmitContext(ctx, nil, []byte(command))
		if err != nil {
			return "gone"
		}
		return fmt.Sprintf("%X", reply[max(0, len(reply)-2):])
	}
	const (
		selectJPKI = "\x00\xA4\x04\x0C\x0A\xD3\x92\xF0\x00\x26\x01\x00\x00\x00\x01"
		readSerial = "\x00\xB0\x8A\x00\x24"
		wrongPIN   = "\x00\x20\x00\x98\x049999"
		rightPIN   = "\x00\x20\x00\x98\x041234"
	)
	b := openTab(t, browser, first.Slots[0].Control+"/?lang=ja")
	b.says("#state", "マイナンバーカード – カードリーダーにセットされています (通電中)")
	b.says("#serials", "auth 30d45")

	// The exchanges go by, in two languages, and the counter with them.
	send(selectJPKI)
	send(readSerial)
	require.Equal(t, "63C2", send(wrongPIN))
	b.says("#log .name", "VERIFY 照合 / present a PIN")
	b.says("#log li", "利用者証明用電子証明書")
	b.says("#log .sw", "63C2 残り2回")
	b.says("tr[data-pin=auth] .left", "残り2回")
	require.Equal(t, "9000", send(rightPIN))
	b.says("tr[data-pin=auth].verified .left", "照合済み")
	b.picture("panel-ja")
	shown, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("document.querySelector('#log').innerText"))
	require.NoError(t, err)
	assert.NotContains(t, shown, "9999")

	// Tear at the third exchange: the form is set for it.
	b.run(`document.querySelector('#fault').requestSubmit()`)
	b.says("#rules", "応答が途切れる · 3回目 · 0回起きました")
	require.Equal(t, "9000", send(selectJPKI))
	require.Equal(t, "9000", send(readSerial))
	require.Equal(t, "gone", send(readSerial), "vpcd knows no reply of one byte but by the end of the card")
	b.says("#rules .applied", "1回起きました")
	b.says("#log .fault .sw", "応答が1バイトで途切れました")
	reader.Close()
	reader, err = pcscd.Accept(ctx) // the card is put back
	require.NoError(t, err)
	b.run(`document.querySelector('#clear').click()`)
	b.until(`document.querySelectorAll('#rules li').length === 0`)

	// Another card.
	accepted := make(chan *vpcd.Remote, 1)
	accept := func() {
		r, err := pcscd.Accept(ctx)
		assert.NoError(t, err)
		accepted <- r
	}
	go accept()
	b.run(`document.querySelector('#kind').value = 'child'; document.querySelector('#change').requestSubmit()`)
	for send(selectJPKI) != "gone" { // the form is on its way; a reader that closes before would get the old card again
		time.Sleep(5 * time.Millisecond)
	}
	reader.Close()
	reader = <-accepted
	require.NotNil(t, reader)
	b.says("#state", "15歳未満のマイナンバーカード – カードリーダーにセットされています")

	// Blocked by hand.
	b.run(`const i = document.querySelector('#left-auth'); i.value = 0; i.dispatchEvent(new Event('change'))`)
	b.says("tr[data-pin=auth].blocked .left", "ロックされています")
	send(selectJPKI)
	require.Equal(t, "6984", send(rightPIN))

	// Taken away and put back, in English.
	b.run(`document.querySelector('#lang').click()`)
	b.says("#log .sw", "6984 blocked")
	b.run(`document.querySelector('#remove').click()`)
	b.says("#state", "child's card – Taken out")
	assert.Equal(t, "gone", send(selectJPKI))
	reader.Close()
	go accept()
	b.until(`!document.querySelector('#insert').disabled`)
	b.run(`document.querySelector('#insert').click()`)
	reader = <-accepted
	require.NotNil(t, reader)
	b.says("#state", "child's card – In the reader")
	b.says("tr[data-pin=auth].blocked .left", "blocked")
	b.says("#log .event", "card taken out / カードが外れました")
	b.picture("panel-en")
	b.mu.Lock()
	assert.Empty(t, b.problems, "what the browser complained of")
	b.mu.Unlock()

	// A page of somebody else, with the call that a form can make and the one
	// that fetch can.
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `<!doctype html><script>
const go = (mode) => fetch(%q, {method: 'POST', mode}).catch(() => 0);
Promise.all([go('cors'), go('no-cors')]).then(() => { document.title = 'done' });
</script>`, first.Control+"/v1/card/remove")
	}))
	defer evil.Close()
	b.run("location.href = " + fmt.Sprintf("%q", evil.URL))
	b.until(`document.title === 'done'`)
	assert.Equal(t, "9000", send(selectJPKI), "the card is still in")
}
