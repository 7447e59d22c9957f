package page_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
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
	"github.com/mynakit/mynakit/examples/counter/shop"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/ticket"
)

// chromium starts a browser without a window, or skips the test; where
// MYNAKIT_REQUIRE contains the word chromium it fails instead.
func chromium(t *testing.T) context.Context {
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		const absent = "Chromium is not installed (Debian packages: chromium, fonts-noto-cjk)"
		if strings.Contains(os.Getenv("MYNAKIT_REQUIRE"), "chromium") {
			t.Fatal(absent)
		}
		t.Skip("skipped: " + absent)
	}
	dir := t.TempDir()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.UserDataDir(filepath.Join(dir, "profile")), chromedp.Env("HOME="+dir), chromedp.WindowSize(1280, 900),
		chromedp.Flag("hide-scrollbars", true), chromedp.Flag("disable-component-update", true),
		// A camera that is a drawing, and a user who says yes.
		chromedp.Flag("use-fake-device-for-media-stream", true), chromedp.Flag("use-fake-ui-for-media-stream", true))
	ctx, end := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	t.Cleanup(end)
	ctx, cancel := chromedp.NewContext(ctx, chromedp.WithErrorf(func(string, ...any) {}))
	t.Cleanup(func() {
		assert.NoError(t, chromedp.Cancel(ctx)) // waits for the browser to end
		cancel()
	})
	require.NoError(t, chromedp.Do(ctx))
	return ctx
}

// tab is a clerk with a keyboard in front of a counter. There is no mouse.
type tab struct {
	t    *testing.T
	ctx  context.Context
	term *terminal
	lang page.Lang
	n    int

	mu       sync.Mutex
	problems []string // what the browser complained of
}

func (term *terminal) tab(t *testing.T, browser context.Context, lang page.Lang) *tab {
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	ctx, late := context.WithTimeout(ctx, 2*time.Minute)
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
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(term.url+"/")))
	return b
}

// until waits until an expression is true in the page.
func (b *tab) until(js, what string) *tab {
	b.t.Helper()
	for limit := time.Now().Add(15 * time.Second); ; time.Sleep(10 * time.Millisecond) {
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
	b.press(kb.Escape).until(`location.pathname === "/" && document.activeElement === document.body`, "the menu")
	b.press(digit).until(`location.pathname !== "/"`, "the screen of "+digit)
	return b
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
	b.picture(name)
	return b
}

func (b *tab) picture(name string) {
	dir := os.Getenv("MYNAKIT_PICTURES")
	if dir == "" {
		return
	}
	b.n++
	shot, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	require.NoError(b.t, err)
	require.NoError(b.t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("counter-%s-%02d-%s.png", b.lang, b.n, name)), shot, 0o600))
}

// pdf prints the page and gives the sizes of its sheets.
func (b *tab) pdf(name string) []string {
	b.t.Helper()
	raw, err := chromedp.Run(b.ctx, chromedp.PrintToPDF(chromedp.PDFPreferCSSPageSize(), chromedp.PDFPrintBackground()))
	require.NoError(b.t, err)
	if dir := os.Getenv("MYNAKIT_PICTURES"); dir != "" {
		require.NoError(b.t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("counter-%s-%s.pdf", b.lang, name)), raw, 0o600))
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

// Every screen, in both languages, with the keyboard alone.
func TestBrowser(t *testing.T) {
	browser := chromium(t)
	t.Run("ja", func(t *testing.T) { dayInBrowser(t, browser, page.Japanese) })
	t.Run("en", func(t *testing.T) { dayInBrowser(t, browser, page.English) })
}

func dayInBrowser(t *testing.T, browser context.Context, lang page.Lang) {
	say := func(ja, en string) string {
		if lang == page.English {
			return en
		}
		return ja
	}
	cfg := shopConfig(t)
	s := openShop(t, "sqlite", sqliteDSN(t), cfg)
	inbox := t.TempDir()
	term := serve(t, s, func(c *page.Config) {
		c.Inbox = inbox
		c.Samples = []page.Sample{{Name: "A", Card: sample(9)}}
	})
	b := term.tab(t, browser, lang)

	// The first screen is Japanese; the switch is on each.
	b.sees("カードを置いてください")
	if lang == page.English {
		b.tabTo("[name=to]").press(kb.Enter).sees("Put the card on the reader")
	}
	b.check("menu")

	// A card shows as it is put there.
	card := sample(1)
	term.slot.Insert(card)
	b.sees(say("マイナンバーカードがあります", "A card is on the reader")).check("menu-new-card")

	// Enrolment, with a slip in the PIN.
	b.menu("7").focus("#pin").check("enrol-pin")
	b.press("0000" + kb.Enter).sees(say("あと2回", "2 tries are left")).focus("#pin").check("enrol-wrong-pin")
	b.press(simcard.DefaultAuthPIN + kb.Enter).focus("[action='/enrol/offer'] button").check("enrol-begin")
	b.press(kb.Enter).focus("[action='/enrol/accept'] button").check("enrol-candidate")
	b.press(kb.Enter).sees(say("マイキーIDを登録しました", "The MyKey ID is registered")).focus("[action='/enrol/end'] button").check("enrol-done")
	text, err := chromedp.Run(b.ctx, chromedp.Text(".big.code"))
	require.NoError(t, err)
	id := parse(t, mykey.ParseID, strings.TrimSpace(text))
	require.NoError(t, s.Grant(t.Context(), id, 20_000, "welcome"))

	// A card that leaves takes what it showed with it.
	term.slot.Remove()
	b.sees(say("カードを置いてください", "Put the card on the reader"))
	term.slot.Insert(card)
	b.sees("20,000")

	// A library card's number from a keyboard-wedge reader.
	b.menu("1").focus("#customer").check("service")
	b.press("180000000011" + kb.Enter).sees(say("あおば図書館", "あおば図書館")).focus("[action='/service/register'] button").check("service-check")
	b.press(kb.Enter).sees(say("サービスIDを登録しました", "The service ID is registered")).check("service-done")
	b.menu("2").sees("180000000011").check("lookup")
	term.slot.Remove()
	b.sees(say("ここに出ます", "show here")).check("lookup-empty")
	term.slot.Insert(card)
	b.sees("180000000011")

	// A ticket.
	b.menu("3").focus("#points").check("issue")
	b.press("99999" + kb.Enter).sees(say("ポイントが足りません", "not enough points")).focus("#points").check("issue-refused")
	b.press("1500" + kb.Enter).focus("[action='/issue/issue'] button").check("issue-check")
	b.press(kb.Enter).sees(say("まだ印刷していません", "not printed yet")).focus("[href='/print/a4']").check("issue-done")
	b.press(kb.Enter).until(`document.images[0]?.complete && document.images[0].naturalWidth > 0`, "the ticket").focus("[data-print]").picture("print-a4")
	assert.Equal(t, []string{"210 x 297 mm"}, b.pdf("print-a4"))
	b.press(kb.Escape).sees(say("再発行", "reissue")).tabTo("[href='/print/80mm']").press(kb.Enter).
		until(`document.images[0]?.complete && location.pathname.endsWith("80mm")`, "the ticket").picture("print-80mm")
	assert.Equal(t, []string{"80 x 166 mm"}, b.pdf("print-80mm"))
	b.press(kb.Escape).sees(say("再発行", "reissue")).tabTo("[action='/issue/reprint'] button").press(kb.Enter).
		sees(say("再発行の券です", "This is the ticket once more")).check("issue-reprint")
	b.tabTo("[action='/issue/end'] button").press(kb.Enter).focus("#points")

	// Redeemed, by what a QR reader types.
	scanned := qrOf(t, s)
	b.menu("4").focus("#code").check("redeem")
	b.press(scanned + kb.Enter).focus("[action='/redeem/redeem'] button").sees("500").check("redeem-check")
	// The reader is used again before the first ticket is done with: its Enter
	// redeems nothing.
	b.press(scanned + kb.Enter).sees(say("この券の処理がまだです", "This ticket comes first")).check("redeem-hold")
	time.Sleep(600 * time.Millisecond) // the clerk looks up: longer than a reader takes
	b.press(kb.Enter).sees(say("500ポイントの券を消し込みました", "A ticket of 500 points is redeemed")).focus("#code").check("redeem-done")
	b.press(scanned + kb.Enter).sees(say("このポイント券は使えません", "This ticket cannot be taken")).focus("#code").check("redeem-refused")

	// Merge files.
	file := mergeFile(t, cfg.Keys, 1, 12)
	deliver(t, inbox, "20261120-aoba.dat", file)
	deliver(t, inbox, "20261120-aoba-2.dat", file)
	deliver(t, inbox, "20261121-aoba.dat", file[:len(file)-16])
	b.menu("5").focus("[action='/merge/look'] button").press(kb.Enter).sees(say("隔離されたファイルがあります", "Files that were put aside"), say("受取済", "received before")).check("merge")

	// The settlement.
	b.menu("6").focus("#from").sees("T-01", "500").check("settle")
	assert.Equal(t, []string{"210 x 297 mm"}, b.pdf("settle"))

	// Another card between the steps is refused.
	b.menu("3").focus("#points").press("100" + kb.Enter).focus("[action='/issue/issue'] button")
	other, _ := enrolled(t, s, 2, 5000)
	term.slot.Insert(other)
	b.sees("5,000").press(kb.Enter).sees(say("前の手順のカードと違うカードです", "not the card that the procedure began with")).check("issue-swapped")

	// The samples, and a locked card.
	blocked := sample(3, simcard.WithTries(simcard.AuthPIN, 0))
	term.slot.Insert(blocked)
	b.menu("7").sees(say("暗証番号がロックされています", "The PIN is blocked"), say("窓口", "municipality")).check("enrol-blocked")
	b.tabTo("[name=sample]").press(kb.Enter).focus("#pin")

	// The program ends: the page says so. What the browser then complains of
	// is that.
	second := term.tab(t, browser, lang)
	second.sees("この端末は、別のブラウザーで使われています").focus("[action='/take'] button").check("taken")
	second.press(kb.Enter).sees("カード")
	b.sees("この端末は、別のブラウザーで使われています")
	for _, tb := range []*tab{b, second} {
		tb.mu.Lock()
		tb.problems = without(tb.problems, "409")
		tb.mu.Unlock()
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
	p.send("/issue/check", "points", "500", "until", s.Today().AddDays(30).String()).send("/issue/issue").get("/print/ticket.svg")
	number := regexp.MustCompile(`>(\d{4}-\d{4})<`).FindStringSubmatch(p.body)[1]
	found, err := s.Inspect(t.Context(), s.Terminal("T-02"), ticket.Code(number))
	require.NoError(t, err)
	slip, err := s.Slip(found)
	require.NoError(t, err)
	return slip.QR
}
