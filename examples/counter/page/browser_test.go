package page_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/examples/counter/page"
	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/internal/chromiumtest"
	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/ticket"
)

// start starts the browser, with a camera that is a drawing and a user who says
// yes. The browser's own reader of QR codes is there as a name alone on most
// systems.
func start(t *testing.T) context.Context {
	return chromiumtest.Start(t, chromedp.WindowSize(1280, 900), chromedp.Flag("enable-blink-features", "BarcodeDetector"),
		chromedp.Flag("use-fake-device-for-media-stream", true), chromedp.Flag("use-fake-ui-for-media-stream", true))
}

// tab is a clerk with a keyboard in front of a counter. There is no mouse.
type tab struct {
	t     *testing.T
	ctx   context.Context
	term  *terminal
	lang  page.Lang
	axe   chromiumtest.Axe
	n     int
	width int64

	mu       sync.Mutex
	problems []string // what the browser complained of
}

func (term *terminal) tab(t *testing.T, browser context.Context, lang page.Lang) *tab {
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	ctx, late := context.WithTimeout(ctx, 5*time.Minute)
	t.Cleanup(late)
	b := &tab{t: t, ctx: ctx, term: term, lang: lang}
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
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		assert.Empty(t, b.problems, "what the browser complained of")
	})
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(term.url+term.path)))
	return b
}

// run runs a script in the page, as an extension of the browser might: the
// page's own policy is not asked.
func (b *tab) run(js string) {
	b.t.Helper()
	_, err := chromedp.Run(b.ctx, chromedp.Evaluate[any](js+"; null"))
	require.NoError(b.t, err)
}

// until waits until an expression is true in the page.
func (b *tab) until(js, what string) *tab {
	b.t.Helper()
	for limit := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		// Between two pages there is nothing to ask, which is an error.
		ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](`document.readyState === "complete" && (`+js+`)`))
		if err == nil && ok {
			return b
		}
		if time.Now().After(limit) {
			text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`location.pathname + " [" + (document.activeElement?.outerHTML ?? "").slice(0, 200) + "] " + document.body.innerText`))
			b.picture("failed")
			require.Fail(b.t, "not on the page", "%s\n%v\n%s", what, err, text)
		}
	}
}

// sees waits for texts on the page.
func (b *tab) sees(texts ...string) *tab {
	b.t.Helper()
	for _, text := range texts {
		b.until(fmt.Sprintf("document.body.innerText.includes(%q)", text), text)
	}
	return b
}

// focus waits until the keyboard is where a clerk expects it.
func (b *tab) focus(css string) *tab {
	b.t.Helper()
	return b.until(fmt.Sprintf("document.activeElement.matches(%q)", css), "the focus on "+css)
}

// press sends keys.
func (b *tab) press(keys string) *tab {
	b.t.Helper()
	require.NoError(b.t, chromedp.Do(b.ctx, chromedp.KeyEvent(keys)))
	return b
}

// send sends keys of which the last leads to another page, and waits until that
// one is there. What is then looked for is not found on the page before; and a
// picture of a page that is being left never comes.
func (b *tab) send(keys string) *tab {
	b.t.Helper()
	b.run(`window.left = true`)
	return b.press(keys).until(`!window.left`, "another page")
}

// scan is what a keyboard-wedge reader does into a field, in one stroke.
func (b *tab) scan(text string) *tab {
	b.t.Helper()
	b.run(fmt.Sprintf(`document.execCommand("insertText", false, %q)`, text))
	return b.send(kb.Enter)
}

// stroke sends keys as a scanner does, all in one moment by the page's clock,
// however long the browser takes on a machine that does much else.
func (b *tab) stroke(keys string) *tab {
	b.t.Helper()
	b.run(`window.moment = performance.now(); performance.now = () => window.moment`)
	b.press(keys)
	// The clock goes on, unless the page was left and has taken this one along.
	_, _ = chromedp.Run(b.ctx, chromedp.Evaluate[bool](`delete performance.now`))
	return b
}

// tabTo presses Tab until something has the focus.
func (b *tab) tabTo(css string) *tab {
	b.t.Helper()
	for range 30 {
		b.press(kb.Tab)
		ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](fmt.Sprintf("document.activeElement.matches(%q)", css)))
		require.NoError(b.t, err)
		if ok {
			visible, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](`getComputedStyle(document.activeElement).outlineStyle === "solid"`))
			require.NoError(b.t, err)
			assert.True(b.t, visible, "%s shows that it has the focus", css)
			return b
		}
	}
	b.picture("failed")
	require.Fail(b.t, "no way there by Tab", css)
	return b
}

// menu goes to a screen by its digit, from wherever.
func (b *tab) menu(digit string) *tab {
	b.t.Helper()
	b.send(kb.Escape).until(`location.pathname === "/" && document.activeElement === document.body`, "the menu")
	return b.send(digit).until(`location.pathname !== "/"`, "the screen of "+digit)
}

// check looks for faults of the page as such, and keeps its picture where
// MYNAKIT_PICTURES says.
func (b *tab) check(name string) *tab {
	b.t.Helper()
	faults, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]string](`(() => {
		const faults = [];
		if (document.documentElement.scrollWidth > innerWidth) faults.push("wider than the window");
		for (const i of document.querySelectorAll("input:not([type=hidden]), select"))
			if (!i.labels.length) faults.push("no label: " + i.name);
		for (const b of document.querySelectorAll("button, a"))
			if (!b.textContent.trim()) faults.push("nothing to read: " + b.outerHTML);
		const ids = [...document.querySelectorAll("[id]")].map(e => e.id);
		if (new Set(ids).size !== ids.length) faults.push("an id twice");
		if (document.querySelectorAll("h1").length !== 1) faults.push("not one heading");
		if (document.querySelector("[style], style, [onclick]")) faults.push("inline style or script");
		return faults;
	})()`))
	require.NoError(b.t, err)
	assert.Empty(b.t, faults, name)
	violations, err := b.axe.Violations(b.ctx)
	require.NoError(b.t, err)
	assert.Empty(b.t, violations, "%s: what axe finds", name)
	b.until(`!document.getElementById("notice") || document.getElementById("say").textContent.includes(document.querySelector("#notice .what").textContent)`,
		"what the last step came to, for who listens")
	b.picture(name)
	return b
}

func (b *tab) picture(name string) {
	dir := os.Getenv("MYNAKIT_PICTURES")
	if dir == "" {
		return
	}
	b.n++
	ctx, late := context.WithTimeout(b.ctx, time.Minute)
	defer late()
	shot, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	require.NoError(b.t, err)
	require.NoError(b.t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("counter-%s-%d-%02d-%s.png", b.lang, b.width, b.n, name)), shot, 0o600))
}

// pdf prints the page and gives the sizes of its sheets.
func (b *tab) pdf(name string) []string {
	b.t.Helper()
	raw, err := chromedp.Run(b.ctx, chromedp.PrintToPDF(chromedp.PDFPreferCSSPageSize(), chromedp.PDFPrintBackground()))
	require.NoError(b.t, err)
	if dir := os.Getenv("MYNAKIT_PICTURES"); dir != "" {
		require.NoError(b.t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("counter-%s-%d-%s.pdf", b.lang, b.width, name)), raw, 0o600))
	}
	var sizes []string
	for _, m := range regexp.MustCompile(`/MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)`).FindAllStringSubmatch(string(raw), -1) {
		mm := func(points string) float64 {
			v, err := strconv.ParseFloat(points, 64)
			require.NoError(b.t, err)
			return math.Round(v * 25.4 / 72)
		}
		sizes = append(sizes, fmt.Sprintf("%.0f x %.0f mm", mm(m[1]), mm(m[2])))
	}
	return sizes
}

// Every screen with the keyboard and a scanner alone, in both languages and at
// three widths: a phone's, a tablet's and a counter's. What goes wrong at the
// counter is walked through in Japanese. With MYNAKIT_LONG everything is, in all
// six.
func TestBrowser(t *testing.T) {
	browser := start(t)
	var axe chromiumtest.Axe
	t.Run("axe", func(t *testing.T) { axe = chromiumtest.FindAxe(t) })
	long := os.Getenv("MYNAKIT_LONG") != ""
	for _, day := range []struct {
		lang  page.Lang
		width int64
		full  bool
		short bool // also without MYNAKIT_LONG
	}{{page.Japanese, 390, true, true}, {page.Japanese, 768, false, false}, {page.Japanese, 1280, true, false},
		{page.English, 390, true, false}, {page.English, 768, false, false}, {page.English, 1280, false, true}} {
		if day.short || long {
			t.Run(fmt.Sprintf("%s-%d", day.lang, day.width), func(t *testing.T) {
				axe := axe
				if !day.full && !long {
					axe = chromiumtest.Axe{} // the same screens again, in another language
				}
				dayInBrowser(t, browser, axe, day.lang, day.width, day.full || long)
			})
		}
	}
}

// walk is a day of one clerk.
type walk struct {
	*tab
	cfg   shop.Config
	inbox string
	card  *simcard.Card
	full  bool // also what goes wrong
}

func (w *walk) say(ja, en string) string {
	if w.lang == page.English {
		return en
	}
	return ja
}

func dayInBrowser(t *testing.T, browser context.Context, axe chromiumtest.Axe, lang page.Lang, width int64, full bool) {
	w := &walk{cfg: shopConfig(t), inbox: t.TempDir(), card: sample(1), full: full}
	w.cfg.Outbox, w.cfg.WithoutPIN = t.TempDir(), 100
	term := serve(t, openShop(t, "sqlite", dbtest.SQLite(t.TempDir()), w.cfg), func(c *page.Config) {
		c.Inbox = w.inbox
		c.Grants = []page.Grant{{Key: "walk-2026", Name: "ウォーキング教室", Points: 250}}
		c.Samples = []page.Sample{{Name: "A", Card: sample(9)}}
	})
	w.tab = term.tab(t, browser, lang)
	w.tab.axe, w.tab.width = axe, width
	require.NoError(t, chromedp.Do(w.ctx, chromedp.EmulateViewport(width, 900)))

	// The first screen is Japanese; the switch is on each.
	w.sees("カードをセットしてください")
	if lang == page.English {
		w.tabTo("[name=to]").send(kb.Enter).sees("Put the card on the reader")
	}
	w.check("menu")

	w.enrol()
	w.service()
	w.issue()
	w.redeem()
	w.merge()
	w.use()
	w.combine()
	w.grant()
	w.tickets()
	w.notice()
	w.account()
	w.recover()
	w.menu("6").focus("#from").sees("T-01", "500").check("settle")
	if full {
		assert.Equal(t, []string{"210 x 297 mm"}, w.pdf("settle"))
		w.scanner()
		w.swap()
		w.phone()
		w.blocked()
		w.takeOver(browser)
	}
}

func (w *walk) enrol() {
	// A card shows as it is put there.
	w.run(`new MutationObserver(() => { window.shown ??= Date.now() }).observe(document.getElementById("card"), { childList: true })`)
	inserted := time.Now()
	w.term.slot.Insert(w.card)
	w.sees(w.say("マイナンバーカードを読み取りました", "A card is on the reader"))
	shown, err := chromedp.Run(w.ctx, chromedp.Evaluate[int64](`window.shown`))
	require.NoError(w.t, err)
	w.t.Logf("a card shows in the browser %d ms after it was inserted", shown-inserted.UnixMilli())
	w.check("menu-new-card")
	w.menu("7").sees(w.say("暗証番号", "PIN")).check("enrol-pin")
	if w.full {
		w.tabTo("#pin").send("0000" + kb.Enter).sees(w.say("残り2回", "Tries left: 2")).check("enrol-wrong-pin")
	}
	w.tabTo("#pin").send(simcard.DefaultAuthPIN + kb.Enter).focus("[action='/enrol/offer'] button").check("enrol-begin")
	w.send(kb.Enter).focus("[action='/enrol/accept'] button").check("enrol-candidate")
	w.send(kb.Enter).sees(w.say("マイキーIDを登録しました", "The MyKey ID is registered")).focus("[action='/enrol/end'] button").check("enrol-done")
	text, err := chromedp.Run(w.ctx, chromedp.Text(".big.code"))
	require.NoError(w.t, err)
	id := parse(w.t, mykey.ParseID, strings.TrimSpace(text))
	require.NoError(w.t, w.term.shop.Grant(w.t.Context(), id, 20_000, "welcome"))

	// A card that leaves takes what it showed with it.
	w.term.slot.Remove()
	w.sees(w.say("カードをセットしてください", "Put the card on the reader"))
	w.term.slot.Insert(w.card)
	w.sees("20,000")
}

func (w *walk) service() {
	w.menu("1").focus("#customer").check("service")
	w.scan("180000000011").sees("あおば図書館").focus("[action='/service/register'] button").check("service-check")
	w.tabTo("#pin").send(simcard.DefaultAuthPIN + kb.Enter).sees(w.say("サービスIDを登録しました", "The service ID is registered")).check("service-done")
	w.menu("2").sees("180000000011").check("lookup")
	w.term.slot.Remove()
	w.sees(w.say("ここに表示されます", "show here")).check("lookup-empty")
	w.term.slot.Insert(w.card)
	w.sees("180000000011")
}

func (w *walk) issue() {
	const shown = `document.images[0]?.complete && document.images[0].naturalWidth > 0`
	w.menu("3").focus("#points").check("issue")
	if w.full {
		w.send("99999" + kb.Enter).sees(w.say("ポイントが足りません", "not enough points")).focus("#points").check("issue-refused")
	}
	w.send("1500" + kb.Enter).focus("[action='/issue/issue'] button").check("issue-check")
	w.tabTo("#pin").send(simcard.DefaultAuthPIN + kb.Enter).sees(w.say("まだ印刷していません", "not printed yet")).focus("[href='/print/a4']").check("issue-done")
	w.send(kb.Enter).until(shown, "the ticket").focus("[data-print]").picture("print-a4")
	assert.Equal(w.t, []string{"210 x 297 mm"}, w.pdf("print-a4"))
	w.send(kb.Escape).sees(w.say("再発行", "reissue")).tabTo("[href='/print/roll']").send(kb.Enter).
		until(shown+` && location.pathname.endsWith("roll")`, "the ticket on a roll").picture("print-80mm")
	assert.Equal(w.t, []string{"80 x 166 mm"}, w.pdf("print-80mm"))
	w.send(kb.Escape).sees(w.say("再発行", "reissue")).tabTo("[action='/issue/reprint'] button").send(kb.Enter).
		sees(w.say("再発行したポイント券です", "This is the ticket once more")).check("issue-reprint")
	w.tabTo("[action='/issue/end'] button").send(kb.Enter).focus("#points")
}

func (w *walk) redeem() {
	scanned := qrOf(w.t, w.term.shop)
	w.menu("4").focus("#code").check("redeem")
	if w.full {
		w.camera(scanned)
	}
	w.scan(scanned).focus("[action='/redeem/redeem'] button").sees("500").check("redeem-check")
	if w.full {
		// The reader is used again before the first ticket is done with: its
		// Enter redeems nothing. That of a clerk, who has looked up first, does.
		w.stroke("12345678" + kb.Enter).sees(w.say("このポイント券の処理が終わっていません", "This ticket comes first")).check("redeem-hold")
		w.run(`window.then = performance.now()`)
		w.until(`performance.now() - window.then > 500`, "a moment")
	}
	w.send(" ").sees(w.say("500ポイントのポイント券を消し込みました", "A ticket of 500 points is redeemed")).focus("#code").check("redeem-done")
	w.tabTo("[href='/print/receipt']").send(kb.Enter).until(`document.images[0]?.complete && document.images[0].naturalWidth > 0`, "the receipt").check("redeem-receipt")
	w.send(kb.Escape).focus("#code")
	w.scan(scanned).sees(w.say("このポイント券は利用できません", "This ticket cannot be taken")).focus("#code").check("redeem-refused")
}

// camera reads the QR code with the camera: first in a browser that cannot, and
// then in one that can.
func (w *walk) camera(scanned string) {
	w.tabTo("#camera").press(kb.Enter).sees(w.say("カメラを使えません", "camera cannot be used")).focus("#code").check("redeem-no-camera")
	w.run(fmt.Sprintf(`BarcodeDetector.getSupportedFormats = async () => ["qr_code"];
		BarcodeDetector.prototype.detect = async video => video.videoWidth > 0 ? [{ rawValue: %q }] : []`, scanned))
	w.tabTo("#camera").send(kb.Enter).focus("[action='/redeem/redeem'] button").sees("500")
	w.tabTo("[action='/redeem/end'] button").send(kb.Enter).focus("#code")
}

func (w *walk) merge() {
	file := mergeFile(w.t, w.cfg.Keys, 1, 12)
	deliver(w.t, w.inbox, "20261120-aoba.dat", file)
	deliver(w.t, w.inbox, "20261120-aoba-2.dat", file)
	deliver(w.t, w.inbox, "20261121-aoba.dat", file[:len(file)-16])
	w.menu("5").focus("[action='/merge/look'] button").send(kb.Enter).
		sees(w.say("隔離されたファイルがあります", "Files that were put aside"), w.say("合算済み", "merged before")).check("merge")
}

// use takes points at the till, and takes a wrong amount back.
func (w *walk) use() {
	w.menu("8").focus("#points").check("use")
	w.send("999999" + kb.Enter).sees(w.say("ポイントが足りません", "not enough points")).focus("#points").check("use-short")
	w.send("300" + kb.Enter).focus("[action='/use/use'] button").check("use-check")
	w.tabTo("#pin").send(simcard.DefaultAuthPIN + kb.Enter).sees(w.say("300ポイントを利用しました", "300 points are used")).focus("[action='/use/end'] button").check("use-done")
	w.tabTo("[action='/use/undo'] button").send(kb.Enter).sees(w.say("利用を取り消しました", "is taken back"), "18,500").check("use-undone")
	w.focus("[action='/use/end'] button").send(kb.Enter).focus("#points")
}

// combine makes mall points of city points, by the card and by the point card.
func (w *walk) combine() {
	w.menu("1").tabTo("#operator").press(kb.ArrowDown).press(kb.Tab).focus("#customer").send("520625" + kb.Enter).focus("[action='/service/register'] button")
	w.tabTo("#pin").send(simcard.DefaultAuthPIN + kb.Enter).sees(w.say("サービスIDを登録しました", "The service ID is registered"))
	w.menu("9").focus("#points").check("combine")
	w.send("200" + kb.Enter).focus("[action='/combine/combine'] button").check("combine-check")
	w.tabTo("#pin").send(simcard.DefaultAuthPIN+kb.Enter).sees(w.say("200ポイントの合算を受け付けました", "200 points leave for the mall"), "18,300").check("combine-done")
	w.send(kb.Enter).focus("#points").tabTo("#customer").scan("520625").focus("#points").check("combine-number")
	w.send("50" + kb.Enter).focus("[action='/combine/combine'] button").check("combine-number-check")
	w.run(`window.then = performance.now()`)
	w.until(`performance.now() - window.then > 500`, "a moment")
	w.send(kb.Enter).sees(w.say("50ポイントの合算を受け付けました", "50 points leave for the mall"), "18,250")
}

func (w *walk) grant() {
	w.menu("e").focus("[action='/grant/give'] button").check("grant")
	w.send(kb.Enter).sees(w.say("250ポイントを付与しました", "250 points are given"), "18,500").check("grant-done")
	w.send(kb.Enter).sees(w.say("付与済みです", "has it already"))
}

// tickets finds a ticket again after the next customer has come, and prints it
// once more.
func (w *walk) tickets() {
	w.menu("a").focus("#code").check("tickets")
	w.send("00000000" + kb.Enter).sees(w.say("ポイント券が見つかりません", "There is no such ticket")).focus("#code").check("tickets-none")
	w.tabTo("[name=at]").send(kb.Enter).focus("[action='/tickets/reprint'] button").check("tickets-found")
	w.tabTo("[action='/tickets/replace'] button").send(kb.Enter).sees(w.say("新しい発券番号で再発行しました", "A ticket with a new number")).check("tickets-replaced")
	w.tabTo("[action='/tickets/end'] button").send(kb.Enter).focus("#code")
}

func (w *walk) notice() {
	w.menu("d").focus("[action='/notice/begin'] button").check("notice")
	w.send(kb.Enter).sees(w.say("署名用電子証明書の発行番号を取得し", "serial number of your certificate")).check("notice-explained")
	w.tabTo("#pin").press(simcard.DefaultAuthPIN).press(kb.Tab).focus("#pin2").send(simcard.DefaultSignPIN + kb.Enter).
		sees(w.say("住所変更の自動通知を設定しました", "The notice of address changes is set")).focus("[action='/notice/end'] button").check("notice-done")
	w.send(kb.Enter).focus("[action='/notice/begin'] button").send(kb.Enter).sees(w.say("設定済み", "set"))
	w.tabTo("#pin").send(simcard.DefaultAuthPIN + kb.Enter).sees(w.say("解除しました", "taken back"))
}

// account gives the holder another MyKey ID, and revokes that of somebody else.
func (w *walk) account() {
	w.menu("b").sees(w.say("マイキーIDの変更", "Change the MyKey ID")).check("account")
	w.tabTo("#pin").send(simcard.DefaultAuthPIN + kb.Enter).focus("[action='/account/offer'] button").check("account-choose")
	w.tabTo("#id").send("aoba2026" + kb.Enter).sees("AOBA2026").focus("[action='/account/accept'] button")
	w.send(kb.Enter).sees(w.say("マイキーIDを変更しました", "The MyKey ID is changed")).check("account-changed")
	w.send(kb.Enter).sees("AOBA2026")
	other, _ := enrolled(w.t, w.term.shop, 11, 30)
	w.term.slot.Insert(other)
	w.sees("30").tabTo("[action='/account/ask'] button").send(kb.Enter).focus("[name=sure]").check("account-revoke")
	w.press(" ").tabTo("#pin").send(simcard.DefaultAuthPIN + kb.Enter).sees(w.say("マイキーIDを失効しました", "The MyKey ID is revoked")).check("account-revoked")
	w.term.slot.Insert(w.card)
	w.sees("AOBA2026")
}

func (w *walk) recover() {
	w.term.slot.Insert(sample(12))
	w.sees(w.say("マイキーIDはまだありません", "no MyKey ID yet"))
	w.menu("c").focus("[action='/recover/begin'] button").check("recover")
	w.send(kb.Enter).focus("#customer").check("recover-ask")
	w.press("520625").press(kb.Tab).press("A").press(kb.Tab).focus("#second").press("B").tabTo("#pin").press(simcard.DefaultAuthPIN).press(kb.Tab).
		send(simcard.DefaultTextPIN + kb.Enter).sees(w.say("引き継ぎの設定がされていません", "not set up")).check("recover-refused")
	w.term.slot.Insert(w.card)
	w.sees("AOBA2026")
}

// visit opens a screen by its address, also while a form is on its way.
func (w *walk) visit(path string) {
	require.Eventually(w.t, func() bool {
		if chromedp.Do(w.ctx, chromedp.Navigate(w.term.url+path)) != nil {
			return false // the form's answer came between
		}
		at, err := chromedp.Run(w.ctx, chromedp.Evaluate[string]("location.pathname"))
		return err == nil && at == path
	}, time.Minute, time.Millisecond)
}

// scanner reads a code on every screen, with each kind of card on the reader, as
// fast as a scanner types and with its Enter. No PIN field has the focus, and no
// try is spent.
func (w *walk) scanner() {
	fresh, phone := sample(5), sample(6, simcard.WithKind(simcard.Android))
	scan := func(where string) {
		w.until(`document.activeElement.type !== "password"`, "no PIN field that a scanner types into: "+where)
		w.stroke("180000000011" + kb.Enter)
		w.until(`document.activeElement.type !== "password"`, "nor after it: "+where)
	}
	for kind, card := range map[string]*simcard.Card{"known": w.card, "new": fresh, "phone": phone} {
		w.term.slot.Insert(card)
		w.until(fmt.Sprintf("document.getElementById('card')?.className === %q", kind), kind)
		for _, path := range []string{"/", "/service", "/lookup", "/issue", "/redeem", "/merge", "/settle", "/enrol"} {
			w.visit(path)
			scan(kind + " " + path)
		}
		if kind != "known" {
			continue
		}
		// Where a PIN is asked for, and the button has the focus.
		w.visit("/")
		w.menu("3").focus("#points").send("100" + kb.Enter).focus("[action='/issue/issue'] button")
		scan("a ticket to be issued")
		w.sees(w.say("読み取ったコードでは進みません", "A scanned code does not go on"))
		w.menu("1").focus("#customer").scan("180000000012").focus("[action='/service/register'] button")
		scan("a number to be registered")
		w.sees(w.say("読み取ったコードでは進みません", "A scanned code does not go on"))
		// And where a hand has put the focus into the PIN field.
		w.tabTo("#pin").send("180000000011" + kb.Enter).sees(w.say("送信していません", "nothing was sent"))
	}
	w.tabTo("[name=to]").send(kb.Enter)
	w.tabTo("[name=to]").send(kb.Enter)
	for _, card := range []*simcard.Card{w.card, fresh, phone} {
		assert.Equal(w.t, 3, card.Tries(simcard.AuthPIN))
	}
	w.term.slot.Insert(w.card)
	w.until("document.getElementById('card')?.className === 'known'", "the card")
}

// swap puts another card there between two steps.
func (w *walk) swap() {
	w.menu("3").focus("#points").send("100" + kb.Enter).focus("[action='/issue/issue'] button")
	other, _ := enrolled(w.t, w.term.shop, 2, 5000)
	w.term.slot.Insert(other)
	w.sees("5,000").focus("#points").check("issue-swapped") // nothing of the first holder's is left
}

// phone is a holder who has no card at hand: the PIN is asked for where the
// clerk is, on whatever screen, and the phone's MyKey ID is made with it.
func (w *walk) phone() {
	w.send(kb.Escape).sees(w.say("消込", "Redeem"))
	w.term.slot.Insert(sample(8, simcard.WithKind(simcard.Android)))
	w.sees(w.say("スマートフォンを検出しました", "A phone is on the reader")).check("menu-phone")
	w.tabTo("#phone-pin").send(simcard.DefaultAuthPIN + kb.Enter).sees(w.say("マイキーIDはまだありません", "no MyKey ID yet")).check("menu-phone-new")
	w.menu("7").tabTo("[action='/enrol/pin'] button").send(kb.Enter).focus("[action='/enrol/offer'] button")
	w.term.slot.Remove()
	w.sees(w.say("カードをセットしてください", "Put the card on the reader"))
}

// blocked is a card whose PIN is locked; then a sample card is put there by its
// button.
func (w *walk) blocked() {
	w.term.slot.Insert(sample(3, simcard.WithTries(simcard.AuthPIN, 0)))
	w.menu("7").sees(w.say("暗証番号がロックされています", "The PIN is blocked"), w.say("窓口", "municipality")).check("enrol-blocked")
	w.tabTo("[name=sample]").send(kb.Enter).sees(w.say("必ずご本人が入力してください", "The holder types it"))
}

// takeOver opens a second browser. The first one says so by itself.
func (w *walk) takeOver(browser context.Context) {
	const taken = "この端末は、別のブラウザーで使用中です"
	second := w.term.tab(w.t, browser, w.lang)
	second.sees(taken).focus("[action='/take'] button").check("taken")
	second.send(kb.Enter).sees("カード")
	w.sees(taken)
	// Each browser complains of the status of that page.
	for _, b := range []*tab{w.tab, second} {
		b.mu.Lock()
		b.problems = without(b.problems, "409")
		b.mu.Unlock()
	}
}

// without leaves out the complaints about a status, which is the answer wanted.
func without(problems []string, status string) (left []string) {
	for _, p := range problems {
		if !strings.Contains(p, "status of "+status) {
			left = append(left, p)
		}
	}
	return left
}

// qrOf issues a ticket elsewhere and gives what is in its QR code.
func qrOf(t *testing.T, s *shop.Shop) string {
	t.Helper()
	card, _ := enrolled(t, s, 7, 1000)
	other := serve(t, s, func(c *page.Config) { c.Terminal = "T-02" })
	p := other.open(t).put(card, "known").get("/issue")
	p.send("/issue/check", "points", "500", "until", s.Today().AddDays(30).String()).send("/issue/issue", "pin", simcard.DefaultAuthPIN).get("/print/ticket.svg")
	number := regexp.MustCompile(`>(\d{4}-\d{4})<`).FindStringSubmatch(p.body)[1]
	found, err := s.Inspect(t.Context(), s.Terminal("T-02"), ticket.NewCode(number))
	require.NoError(t, err)
	slip, err := s.Slip(found)
	require.NoError(t, err)
	return slip.QR.Reveal()
}
