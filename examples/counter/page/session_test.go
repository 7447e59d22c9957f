package page_test

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/apdu/pcsc"
	"github.com/mynakit/mynakit/examples/counter/page"
	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/jpki/unlock"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/ticket"
)

// A terminal has one browser. The next is asked, and then the first is out,
// with all that it had in hand.
func TestTakeOver(t *testing.T) {
	s := newShop(t)
	term := serve(t, s)
	card, id := enrolled(t, s, 1, 5000)
	first := term.open(t).put(card, "known")
	first.get("/issue").send("/issue/check", "points", "100", "until", s.Today().String())
	events := first.follow("issue")

	second := term.open(t)
	assert.Equal(t, http.StatusConflict, second.status)
	second.sees("別のブラウザーで使用中です")
	assert.NotContains(t, second.body, id.String())
	second.get("/lookup")
	assert.Equal(t, http.StatusConflict, second.status)
	resp := second.ask(http.MethodGet, "/events/menu", "", nil)
	assert.Equal(t, http.StatusNoContent, resp.StatusCode, "which ends an EventSource")
	resp = second.ask(http.MethodGet, "/print/ticket.svg", "", nil)
	assert.Equal(t, http.StatusNotFound, resp.StatusCode)

	resp = second.ask(http.MethodPost, "/take", term.key(), nil)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	second.get("/issue").sees(id.String(), `name="points"`)
	assert.NotContains(t, second.body, "/issue/issue", "the first one's ticket is not the second one's")
	events.until(t, "over", "")
	first.force("/issue/issue", "pin", simcard.DefaultAuthPIN)
	assert.Equal(t, http.StatusConflict, first.status)
	books, err := s.Books(t.Context())
	require.NoError(t, err)
	assert.Zero(t, books.Ticketed)
}

// A browser whose session is over, in the middle of a sale or since yesterday, is
// told so, and that what it sent was not done.
func TestSessionIsOver(t *testing.T) {
	s := newShop(t)
	card, id := enrolled(t, s, 1, 5000)
	term := serve(t, s)
	first := term.open(t).put(card, "known")
	first.get("/use").send("/use/check", "points", "100")
	second := term.open(t)
	require.Equal(t, http.StatusOK, second.ask(http.MethodPost, "/take", term.key(), nil).StatusCode)
	first.force("/use/use", "pin", simcard.DefaultAuthPIN).sees("今の操作は行っていません", "別のブラウザーで使用中")
	assert.Equal(t, 409, first.status)
	who, err := s.Find(t.Context(), id)
	require.NoError(t, err)
	assert.EqualValues(t, 5000, who.CityPoints)

	// The program was started anew; nobody else is at the terminal.
	term.url = serve(t, s, func(c *page.Config) { c.Terminal = "T-02" }).url
	first.get("/").sees("この画面での手続きは終了しています", "プログラムが表示したアドレス")
	assert.NotContains(t, first.body, "使用中")
}

// A page of another site that has the browser load the counter gets nothing,
// and does not take the terminal either.
func TestEmbedded(t *testing.T) {
	term := serve(t, newShop(t))
	p := &person{t: t, term: term, client: &http.Client{}}
	defer p.client.CloseIdleConnections()
	for _, header := range []map[string]string{
		{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"},
		{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"},
		{"Sec-Fetch-Site": "none", "Sec-Fetch-Dest": "iframe"},
	} {
		resp := p.ask(http.MethodGet, term.path, "", header)
		assert.Equal(t, http.StatusConflict, resp.StatusCode)
		assert.Empty(t, resp.Cookies())
	}
	assert.Equal(t, http.StatusOK, term.open(t).status)
}

// Another card between two steps is refused at each, and changes nothing.
func TestSwappedCard(t *testing.T) {
	s := newShop(t)
	mine, _ := enrolled(t, s, 1, 5000)
	other, otherID := enrolled(t, s, 2, 5000)
	term := serve(t, s)
	p := term.open(t)
	p.put(mine, "known").get("/service").send("/service/check", "operator", "000001", "customer", "111")
	const another = "画面を表示したときとは別のカード"
	p.put(other, "known").send("/service/register", "pin", simcard.DefaultAuthPIN).sees(another, `name="customer"`)
	found, err := s.Find(t.Context(), otherID)
	require.NoError(t, err)
	assert.Empty(t, found.Services)

	p.put(mine, "known").get("/issue").send("/issue/check", "points", "100", "until", s.Today().String())
	p.put(other, "known").send("/issue/issue", "pin", simcard.DefaultAuthPIN).sees(another, `name="points"`)
	assert.Equal(t, 3, other.Tries(simcard.AuthPIN), "no PIN was sent to it")

	// And of somebody without a MyKey ID.
	stranger := sample(3)
	p.put(stranger, "new").get("/enrol").send("/enrol/pin", "pin", simcard.DefaultAuthPIN).send("/enrol/offer")
	p.put(sample(4), "new").send("/enrol/accept").sees(another)
	p.put(stranger, "new").get("/enrol").sees(`name="pin"`)

	// The same card, lifted and put back, goes on.
	p.send("/enrol/pin", "pin", simcard.DefaultAuthPIN).send("/enrol/offer")
	term.slot.Remove()
	p.send("/enrol/accept").sees("カードがセットされていません")
	p.put(stranger, "new").get("/enrol").sees("暗証番号をもう一度入力してください")
	p.send("/enrol/pin", "pin", simcard.DefaultAuthPIN).send("/enrol/accept").sees("マイキーIDを登録しました")

	books, err := s.Books(t.Context())
	require.NoError(t, err)
	assert.Zero(t, books.Ticketed)
}

// A PIN goes to the card that its form was shown for and to no other, and not to
// one that needs none.
func TestPINOfAnotherCard(t *testing.T) {
	s := newShop(t)
	mine, theirs := sample(1), sample(2)
	known, _ := enrolled(t, s, 3, 5000)
	p := serve(t, s).open(t)
	form := func() string { return p.put(mine, "new").get("/enrol").body }
	const another = "画面を表示したときとは別のカード"
	for _, card := range []*simcard.Card{theirs, known} {
		shown := form()
		p.put(card, "")
		p.body = shown
		p.send("/enrol/pin", "pin", "9999").sees(another)
		p.body = shown
		p.send("/enrol/pin", "pin", "9999").sees(another)
		assert.Equal(t, 3, card.Tries(simcard.AuthPIN))
	}
	// Of a card that has a MyKey ID, whatever the form says.
	p.put(known, "known").get("/enrol").sees("すでにマイキーIDがあります")
	p.get("/issue").send("/issue/check", "points", "100", "until", s.Today().String())
	p.force("/enrol/pin", "pin", "9999").sees("すでにマイキーIDがあります")
	assert.Equal(t, 3, known.Tries(simcard.AuthPIN))
	// A form without a presentation is nobody's.
	p.body = strings.ReplaceAll(form(), `name="card"`, `name="c"`)
	p.send("/enrol/pin", "pin", "9999").sees(another)
	assert.Equal(t, 3, mine.Tries(simcard.AuthPIN))
	// The card lifted and put back is the same.
	shown := form()
	p.put(mine, "new")
	p.body = shown
	p.send("/enrol/pin", "pin", simcard.DefaultAuthPIN).sees("自動生成")
}

// What is typed where the PIN belongs and is none goes nowhere: a scanned code
// is not cut to its first digits.
func TestScannedCodeIsNoPIN(t *testing.T) {
	s := newShop(t)
	known, _ := enrolled(t, s, 1, 5000)
	fresh, phone := sample(2), sample(3, simcard.WithKind(simcard.Android))
	p := serve(t, s).open(t)
	codes := []string{"180000000011", "12345", "123", "1234 ", " 1234", "１２３４", "1234\r\n", "12a4", ""}
	for _, code := range codes {
		p.put(fresh, "new").get("/enrol").send("/enrol/pin", "pin", code).sees(`class="notice bad"`)
		p.put(phone, "phone").get("/").send("/phone/pin", "pin", code).sees(`class="notice bad"`)
		p.put(known, "known").get("/issue").send("/issue/check", "points", "100", "until", s.Today().String())
		p.send("/issue/issue", "pin", code).sees(`class="notice bad"`)
		p.get("/service").send("/service/check", "operator", "000001", "customer", "111").send("/service/register", "pin", code).sees(`class="notice bad"`)
	}
	for _, card := range []*simcard.Card{known, fresh, phone} {
		assert.Equal(t, 3, card.Tries(simcard.AuthPIN))
	}
	for _, path := range []string{"/enrol", "/issue", "/service", "/"} {
		assert.NotRegexp(t, `name="pin"[^>]*(maxlength|autofocus)`, p.get(path).body)
	}
}

// The last try is the holder's: no screen asks for it, and none sends it.
func TestLastTryIsNotOffered(t *testing.T) {
	s := newShop(t)
	known, _ := enrolled(t, s, 1, 5000)
	p := serve(t, s).open(t)
	p.put(known, "known")
	check := func() {
		p.get("/issue").send("/issue/check", "points", "100", "until", s.Today().String())
	}
	check()
	for range 2 {
		p.send("/issue/issue", "pin", "9999")
	}
	assert.NotContains(t, p.body, `name="pin"`)
	p.sees("この画面からは暗証番号を送信しません")
	p.force("/issue/issue", "pin", simcard.DefaultAuthPIN)
	p.get("/")
	check()
	assert.NotContains(t, p.body, `name="pin"`)
	p.get("/service").send("/service/check", "operator", "000001", "customer", "111")
	assert.NotContains(t, p.body, `name="pin"`)
	p.force("/service/register", "pin", simcard.DefaultAuthPIN)
	assert.Equal(t, 1, known.Tries(simcard.AuthPIN))
	fresh := sample(2, simcard.WithTries(simcard.AuthPIN, 1))
	p.put(fresh, "new").get("/enrol")
	assert.NotContains(t, p.body, `name="pin"`)
	p.force("/enrol/pin", "pin", simcard.DefaultAuthPIN)
	assert.Equal(t, 1, fresh.Tries(simcard.AuthPIN))
	books, err := s.Books(t.Context())
	require.NoError(t, err)
	assert.Zero(t, books.Ticketed)
}

// Whatever belongs to a holder leaves the screen with the card.
func TestHolderLeavesWithTheCard(t *testing.T) {
	s := newShop(t)
	known, id := enrolled(t, s, 1, 5000)
	other, _ := enrolled(t, s, 2, 5000)
	term := serve(t, s)
	p := term.open(t)
	fresh := sample(3)
	for name, finish := range map[string]func() string{
		"enrolled": func() string {
			p.put(fresh, "").get("/enrol")
			if strings.Contains(p.body, `name="pin"`) {
				p.send("/enrol/pin", "pin", simcard.DefaultAuthPIN).send("/enrol/offer").send("/enrol/accept")
				return bigCode.FindStringSubmatch(p.body)[1]
			}
			return ""
		},
		"registered": func() string {
			p.put(known, "known").get("/service").send("/service/check", "operator", "000001", "customer", "77001177").send("/service/register", "pin", simcard.DefaultAuthPIN)
			return "77001177"
		},
		"to be registered": func() string {
			p.put(known, "known").get("/service").send("/service/check", "operator", "000002", "customer", "88001188")
			return "88001188"
		},
		"to be issued": func() string {
			p.put(known, "known").get("/issue").send("/issue/check", "points", "1234", "until", s.Today().String())
			return "1,234"
		},
	} {
		t.Run(name, func(t *testing.T) {
			mark := finish()
			require.NotEmpty(t, mark)
			p.sees(mark)
			screen := p.path
			term.slot.Remove()
			p.follow("menu").until(t, "card", "none\n")
			assert.NotContains(t, p.get(screen).body, mark)
			assert.NotContains(t, p.body, id.String())
			p.put(other, "known").get(screen)
			assert.NotContains(t, p.body, mark)
			assert.NotContains(t, p.body, id.String())
			p.put(known, "known").get(screen)
			assert.NotContains(t, p.body, mark, "it does not come back after another's card")
		})
	}
}

func TestWrongPIN(t *testing.T) {
	s := newShop(t)
	term := serve(t, s)
	p := term.open(t)
	card := sample(1)
	p.put(card, "new").get("/enrol")
	p.send("/enrol/pin", "pin", "12３4").sees("カードには送信していません", "<strong>3</strong>")
	p.send("/enrol/pin", "pin", "9999").sees("残り2回です", "<strong>2</strong>")
	p.send("/enrol/pin", "pin", "9998").sees("残り1回です")
	p.send("/enrol/pin", "pin", "9997").sees("カードに送信しませんでした")
	assert.Equal(t, 1, card.Tries(simcard.AuthPIN))

	blocked := sample(2, simcard.WithTries(simcard.AuthPIN, 0))
	p.put(blocked, "new").get("/enrol").sees("暗証番号がロックされています", unlock.Ways(jpki.AuthPIN, parse(t, mykey.ParseDate, "2026-11-21").Start())[0].Text(jpki.Japanese))
	p.send("/lang", "to", "en", "back", "enrol").sees("The PIN is blocked", "municipality")
	p.force("/enrol/pin", "pin", simcard.DefaultAuthPIN).sees("The PIN is blocked", "counter of the municipality")
}

// Of a ticket that cannot be taken the screen says one thing, whatever the
// reason.
func TestRefusalIsOne(t *testing.T) {
	s := newShop(t)
	card, _ := enrolled(t, s, 1, 5000)
	p := serve(t, s).open(t).put(card, "known")
	p.get("/issue").send("/issue/check", "points", "100", "until", s.Today().String()).send("/issue/issue", "pin", simcard.DefaultAuthPIN).get("/print/ticket.svg")
	number := ticketNumber.FindStringSubmatch(p.body)[1]
	used, err := s.Inspect(t.Context(), s.Terminal("T-01"), ticket.NewCode(number))
	require.NoError(t, err)
	slip, err := s.Slip(used)
	require.NoError(t, err)
	p.get("/redeem").send("/redeem/inspect", "code", slip.QR.Reveal()).sees(number).send("/redeem/redeem")

	var first string
	for _, code := range []string{number, slip.QR.Reveal(), slip.QR.Reveal()[:len(slip.QR.Reveal())-1] + "A", "0000-0001", "12", "<script>", strings.Repeat("9", 200)} {
		p.send("/redeem/inspect", "code", code).sees("このポイント券は利用できません")
		main := p.body[strings.Index(p.body, "<main>"):]
		// But for what was typed, which stays; what was scanned does not.
		main = regexp.MustCompile(`(name="code" .*value=")[^"]*`).ReplaceAllString(main, "$1")
		assert.NotContains(t, p.body, "MPT1.")
		if first == "" {
			first = main
		}
		assert.Equal(t, first, main, "for all codes the same")
	}
}

var ticketNumber = regexp.MustCompile(`>(\d{4}-\d{4})<`)

// A button that is pressed twice, and a form that is sent again later, do their
// work once.
func TestTwice(t *testing.T) {
	s := newShop(t)
	card, _ := enrolled(t, s, 1, 5000)
	term := serve(t, s)
	p := term.open(t).put(card, "known")
	p.get("/issue").send("/issue/check", "points", "1000", "until", s.Today().String())
	form := "token=" + p.token() + "&pin=" + simcard.DefaultAuthPIN + "&card=" + cardField.FindStringSubmatch(p.body)[1]
	client := &http.Client{Jar: p.client.Jar, Transport: p.client.Transport}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, term.url+"/issue/issue", strings.NewReader(form))
			if !assert.NoError(t, err) {
				return
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			resp, err := client.Do(r)
			if assert.NoError(t, err) {
				assert.NoError(t, resp.Body.Close())
			}
		})
	}
	wg.Wait()
	p.get("/issue").sees("まだ印刷していません").get("/print/ticket.svg")
	number := ticketNumber.FindStringSubmatch(p.body)[1]
	p.get("/redeem").send("/redeem/inspect", "code", number).send("/redeem/redeem").sees("1,000ポイントのポイント券を消し込みました")
	p.force("/redeem/redeem").sees("1,000ポイントのポイント券を消し込みました")
	c, err := s.Settle(t.Context(), ticket.Period{From: s.Today(), To: s.Today()})
	require.NoError(t, err)
	assert.Equal(t, ticket.Total{Tickets: 1, Points: 1000}, c.Issued)
	assert.Equal(t, ticket.Total{Tickets: 1, Points: 1000}, c.Tickets.Redeemed)
}

// A terminal that dies between the points and the paper says so when it is
// back.
func TestDies(t *testing.T) {
	s := newShop(t)
	card, _ := enrolled(t, s, 1, 5000)
	p := serve(t, s).open(t).put(card, "known")
	p.get("/issue").send("/issue/check", "points", "1000", "until", s.Today().String()).send("/issue/issue", "pin", simcard.DefaultAuthPIN).sees("まだ印刷していません")

	again := serve(t, s).open(t).sees("印刷していないポイント券があります（1枚）")
	again.get("/issue").send("/issue/unprinted").sees("1,000", "まだ印刷していません").get("/print/ticket.svg").sees("1,000")
	assert.NotContains(t, again.body, "再発行", "it is the first paper")
	again.get("/")
	assert.NotContains(t, again.body, "印刷していない")
}

func TestReceiptPrinter(t *testing.T) {
	s := newShop(t)
	card, _ := enrolled(t, s, 1, 5000)
	var printed []byte
	broken := true
	p := serve(t, s, func(c *page.Config) {
		c.Printer = func(_ context.Context, escpos []byte) error {
			if broken {
				return errors.New("no paper")
			}
			printed = escpos
			return nil
		}
	}).open(t).put(card, "known")
	p.get("/issue").send("/issue/check", "points", "1000", "until", s.Today().String()).send("/issue/issue", "pin", simcard.DefaultAuthPIN)
	p.send("/issue/receipt").sees("レシートプリンターで印刷できませんでした", "まだ印刷していません")
	broken = false
	p.send("/issue/receipt")
	assert.NotContains(t, p.body, "まだ印刷していません")
	assert.Equal(t, "\x1b@", string(printed[:2]), "ESC @ begins a page of a receipt printer")
}

// brokenReader is a reader that was unplugged.
type brokenReader struct{}

func (brokenReader) WaitCard(context.Context) (apdu.Transmitter, error) {
	return nil, pcsc.ErrUnknownReader
}
func (brokenReader) WaitRemoved(context.Context) error { return pcsc.ErrUnknownReader }

func TestReaderUnplugged(t *testing.T) {
	s := newShop(t)
	_, id := enrolled(t, s, 1, 5000)
	p := serve(t, s, func(c *page.Config) { c.Reader = brokenReader{} }).open(t)
	p.follow("menu").until(t, "card", "カードリーダーが見つかりません")
	// What needs no card goes on.
	p.get("/settle").sees("この期間の利用・消込はありません")
	p.get("/service").send("/service/check", "operator", "000001", "customer", "1").sees("カードリーダーが見つかりません")
	assert.NotContains(t, p.body, id.String())
}

// otherCard is a chip card that knows nothing of what it is asked.
type otherCard struct{ *simcard.Card }

func (otherCard) Transmit([]byte) ([]byte, error) { return []byte{0x6A, 0x82}, nil }

func (otherCard) TransmitContext(_ context.Context, dst, _ []byte) ([]byte, error) {
	return append(dst, 0x6A, 0x82), nil
}

// Cards that are no use say why, and the next one is as welcome as ever.
func TestOtherCards(t *testing.T) {
	s := newShop(t)
	p := serve(t, s).open(t)
	p.put(otherCard{sample(1)}, "wrong").get("/lookup").sees("マイナンバーカードではありません")
	p.put(sample(1, simcard.WithKind(simcard.PINLess)), "new").get("/enrol").sees("暗証番号がロックされています")
	p.put(sample(1, simcard.WithExpired()), "new").get("/enrol").send("/enrol/pin", "pin", simcard.DefaultAuthPIN).sees("有効期限が切れています", "端末の日付を確認してください")
	p.put(sample(1), "new").get("/enrol").send("/enrol/pin", "pin", simcard.DefaultAuthPIN).sees("自動生成")
}

// A database that another program holds: the screen says so, nothing is done,
// and the button pressed again does it once.
func TestDatabaseBusy(t *testing.T) {
	cfg := shopConfig(t)
	cfg.RetryFor = 100 * time.Millisecond
	dsn := dbtest.ImpatientSQLite(t.TempDir())
	s := openShop(t, "sqlite", dsn, cfg)
	card, id := enrolled(t, s, 1, 0)
	p := serve(t, s).open(t).put(card, "known")
	p.get("/service").send("/service/check", "operator", "000001", "customer", "180000000011")

	other, err := sql.Open("sqlite", dsn+"&_txlock=immediate")
	require.NoError(t, err)
	defer other.Close()
	holds, err := other.Begin()
	require.NoError(t, err)
	p.send("/service/register", "pin", simcard.DefaultAuthPIN).sees("データベースを、ほかのプログラムが使用中です", "180000000011")
	require.NoError(t, holds.Rollback())
	p.send("/service/register", "pin", simcard.DefaultAuthPIN).sees("サービスIDを登録しました")
	found, err := s.Find(t.Context(), id)
	require.NoError(t, err)
	assert.Len(t, found.Services, 1)
}

// A stream of events stays for as long as the browser does.
func TestStreamStays(t *testing.T) {
	if os.Getenv("MYNAKIT_LONG") == "" {
		t.Skip("skipped: half a minute; set MYNAKIT_LONG=1")
	}
	p := serve(t, newShop(t)).open(t)
	events := p.follow("menu")
	events.until(t, "live", "") // at first it sends all there is
	select {
	case e, open := <-events.events:
		require.True(t, open, "the server has ended the stream")
		require.Fail(t, "an event for nothing", "%v", e)
	case <-time.After(35 * time.Second): // longer than all limits of time that the server has
	}
	p.term.slot.Insert(sample(1))
	events.until(t, "card", "new\n")
}

// The samples go into the reader by a button.
func TestSamples(t *testing.T) {
	s := newShop(t)
	p := serve(t, s, func(c *page.Config) {
		c.Samples = []page.Sample{{Name: "見本 花子", Card: sample(1)}, {Name: "見本 太郎", Card: sample(2)}}
	}).open(t).sees("見本 花子", "見本 太郎")
	events := p.follow("menu")
	p.send("/sample", "sample", "1")
	events.until(t, "card", "new\n")
	p.send("/sample", "sample", "out")
	events.until(t, "card", "none\n")
	p.send("/sample", "sample", "7")
}

// At the end nobody is left behind: no goroutine, and no browser that waits.
func TestServeEnds(t *testing.T) {
	s := newShop(t)
	before := goleak.IgnoreCurrent()
	slot := new(page.Slot)
	p, err := page.New(page.Config{Shop: s, Reader: slot, Terminal: "T-01", Inbox: t.TempDir()})
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Serve(ctx, l) }()
	term := &terminal{shop: s, slot: slot, url: "http://" + l.Addr().String(), path: p.Path()}
	t.Run("browser", func(t *testing.T) {
		clerk := term.open(t)
		events := clerk.follow("menu")
		slot.Insert(sample(1))
		events.until(t, "card", "new\n")
		stop()
		events.until(t, "over", "")
		assert.NoError(t, <-done)
	})
	assert.NoError(t, dbtest.Leaks(before))

	// A listener that is closed by somebody else is an error.
	l, err = net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	assert.Error(t, p.Serve(t.Context(), l))
	assert.NoError(t, dbtest.Leaks(before))
}

// The candidates of an enrolment: the rules of the platform on the screen.
func TestEnrolment(t *testing.T) {
	s := newShop(t)
	_, taken := enrolled(t, s, 9, 0)
	p := serve(t, s).open(t).put(sample(1), "new").get("/enrol").send("/enrol/pin", "pin", simcard.DefaultAuthPIN)
	p.send("/enrol/choose", "id", "abc").sees("8桁です")
	p.send("/enrol/choose", "id", strings.ToLower(taken.String())).sees("このマイキーIDは、すでに使われています")
	p.send("/enrol/choose", "id", "aoba2026").sees("AOBA2026", "このマイキーIDで登録")
	p.send("/enrol/offer").sees("自動生成：残り2回")
	p.send("/enrol/offer").sees("自動生成は残り1回です")
	p.send("/enrol/offer").sees("マイキーIDを登録しました")
	id := parse(t, mykey.ParseID, bigCode.FindStringSubmatch(p.body)[1])
	found, err := s.Find(t.Context(), id)
	require.NoError(t, err)
	assert.Equal(t, id, found.ID)
	p.force("/enrol/offer") // sent again: the same answer
	p.sees(id.String())
}
