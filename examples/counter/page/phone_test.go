package page_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/examples/counter/page"
	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/simcard/fault"
)

// A phone is asked for its PIN once; then it does all that a card does, until it
// is taken away.
func TestPhone(t *testing.T) {
	for _, kind := range []simcard.Kind{simcard.Android, simcard.IPhone} {
		t.Run(kind.String(), func(t *testing.T) {
			s := newShop(t)
			p := serve(t, s).open(t)
			phone := sample(1, simcard.WithKind(kind))
			p.put(phone, "phone").get("/enrol").sees("スマートフォンを検出しました", "<strong>3</strong>", "上の欄")
			p.send("/phone/pin", "pin", "12a4", "back", "enrol").sees("送信していません", "<strong>3</strong>")
			p.send("/phone/pin", "pin", "9999", "back", "enrol").sees("残り2回", "<strong>2</strong>")
			p.send("/phone/pin", "pin", simcard.DefaultAuthPIN, "back", "enrol").sees("マイキーIDはまだありません", `action="/enrol/pin"`, "カードでマイキーIDを作成していませんか")
			assert.NotContains(t, p.body, "マイナンバーカードを読み取りました")
			require.Equal(t, "/enrol", p.path)
			p.send("/enrol/pin").send("/enrol/offer").send("/enrol/accept").sees("マイキーIDを登録しました")
			id := parse(t, mykey.ParseID, bigCode.FindStringSubmatch(p.body)[1])
			require.NoError(t, s.Grant(t.Context(), id, 5000, "welcome"))
			p.get("/service").send("/service/check", "operator", "000001", "customer", "111").send("/service/register").get("/lookup").sees("111")
			p.get("/issue").send("/issue/check", "points", "100", "until", s.Today().String()).send("/issue/issue").sees("まだ印刷していません")
			assert.Equal(t, 3, phone.Tries(simcard.AuthPIN))

			p.put(sample(2), "new").get("/enrol").sees("マイナンバーカードを読み取りました")
			assert.NotContains(t, p.body, id.String())
			assert.NotContains(t, p.body, "お持ちではありませんか")
			p.put(phone, "phone").get("/")
			assert.NotContains(t, p.body, id.String())
			assert.False(t, phone.Verified(simcard.AuthPIN), "who takes it away takes the PIN with it")
			p.send("/phone/pin", "pin", simcard.DefaultAuthPIN).sees(id.String(), "4,900")
			p.force("/phone/pin", "pin", "9999").sees(id.String())
			assert.Equal(t, 3, phone.Tries(simcard.AuthPIN), "sent twice, it is not asked twice")
		})
	}
}

// The last try of a phone is kept, and a locked one says where to turn, which is
// not the municipality.
func TestPhoneLastTry(t *testing.T) {
	p := serve(t, newShop(t)).open(t)
	phone := sample(1, simcard.WithKind(simcard.Android), simcard.WithTries(simcard.AuthPIN, 2))
	p.put(phone, "phone").get("/")
	p.send("/phone/pin", "pin", "9999").sees("残り1回のため", "スマートフォンのアプリ")
	assert.NotContains(t, p.body, `action="/phone/pin"`)
	p.force("/phone/pin", "pin", simcard.DefaultAuthPIN).sees("残り1回のため", "スマートフォンのアプリ")
	assert.Equal(t, 1, phone.Tries(simcard.AuthPIN))
	assert.NotContains(t, p.body, "窓口")

	p.put(sample(2, simcard.WithKind(simcard.Android), simcard.WithTries(simcard.AuthPIN, 0)), "phone").get("/").sees("ロックされています", "スマートフォンのアプリ")
	p.force("/phone/pin", "pin", simcard.DefaultAuthPIN).sees("ロックされています")
	p.send("/lang", "to", "en").sees("PIN is blocked", "the phone&#39;s own app")
	assert.NotContains(t, p.body, "municipality")

	// The PIN was typed once; a MyKey ID of its own does not ask again.
	phone = sample(3, simcard.WithKind(simcard.Android))
	p.put(phone, "phone").get("/enrol").send("/phone/pin", "pin", simcard.DefaultAuthPIN, "back", "enrol")
	assert.NotContains(t, p.body, `name="pin"`)
	p.send("/enrol/pin").send("/enrol/offer").sees("Candidate")
	assert.Equal(t, 3, phone.Tries(simcard.AuthPIN))
}

// A phone is held for one browser. The next one asks for the PIN again.
func TestPhoneTakenOver(t *testing.T) {
	s := newShop(t)
	term := serve(t, s)
	phone := sample(1, simcard.WithKind(simcard.Android))
	first := term.open(t).put(phone, "phone").get("/")
	first.send("/phone/pin", "pin", simcard.DefaultAuthPIN).sees("マイキーIDはまだありません")
	second := term.open(t)
	second.ask(http.MethodPost, "/take", term.key(), nil)
	second.follow("menu").until(t, "card", "phone\n")
	assert.False(t, phone.Verified(simcard.AuthPIN))
	second.get("/").send("/phone/pin", "pin", simcard.DefaultAuthPIN).sees("マイキーIDはまだありません")
}

// A phone that leaves while it is held is noticed, whatever the reader says: a
// step that meets nobody asks again, and without a step the page finds out.
func TestPhoneLeaves(t *testing.T) {
	s := newShop(t)
	term := serve(t, s)
	p := term.open(t)
	phone := sample(1, simcard.WithKind(simcard.Android))
	p.put(phone, "phone").get("/").send("/phone/pin", "pin", simcard.DefaultAuthPIN).sees("マイキーIDはまだありません")
	events := p.follow("menu")
	events.until(t, "card", "new\n")
	phone.Remove() // and the slot does not know
	events.until(t, "card", "wrong\n")
	phone.Insert()
	events.until(t, "card", "phone\n")
	p.get("/").send("/phone/pin", "pin", simcard.DefaultAuthPIN).sees("マイキーIDはまだありません")
	phone.Remove()
	phone.Insert() // its power was gone for a moment
	p.get("/service").send("/service/check", "operator", "000001", "customer", "111")
	events.until(t, "card", "phone\n")
	p.get("/service").sees("スマートフォンを検出しました", `action="/phone/pin"`)
}

// A phone that is lifted at any exchange of any step costs no try and changes
// nothing by half: put back, it does the steps again.
func TestPhoneLiftedAtEveryExchange(t *testing.T) {
	s := newShop(t)
	p := serve(t, s).open(t)
	phone := sample(1, simcard.WithKind(simcard.Android))
	p.put(phone, "phone").get("/enrol").send("/phone/pin", "pin", simcard.DefaultAuthPIN, "back", "enrol").
		send("/enrol/pin").send("/enrol/offer").send("/enrol/accept")
	steps := func() {
		p.get("/service").force("/phone/pin", "pin", simcard.DefaultAuthPIN, "back", "service")
		p.force("/service/check", "operator", "000001", "customer", "111").force("/service/register")
	}
	for name, do := range map[string]fault.Fault{"before": fault.Remove(), "after": fault.RemoveAfter()} {
		n := 1
		for ; ; n++ {
			card := fault.Wrap(phone, fault.Rule{When: fault.Nth(n), Do: do})
			p.put(card, "")
			steps()
			if card.Applied() == 0 {
				break // the steps were over before
			}
			card.Insert()
			p.put(card, "phone")
			steps()
			p.sees("サービスIDを登録しました")
			require.Equal(t, 3, phone.Tries(simcard.AuthPIN), "%s, exchange %d", name, n)
		}
		assert.Greater(t, n, 10, name)
	}
}

// A phone that is taken away as its holder is recognised does not stay on the
// screen.
func TestPhoneLeavesWhileItIsRead(t *testing.T) {
	s := newShop(t)
	p := serve(t, s).open(t)
	phone := sample(1, simcard.WithKind(simcard.Android))
	var events *stream
	verified := false
	card := fault.Wrap(phone, fault.Rule{
		When: func(_ int, command []byte) bool {
			was := verified && command[1] == 0xB0
			verified = verified || command[1] == 0x20 && len(command) > 5
			return was
		},
		Do: func(ctx context.Context, x *fault.Exchange) ([]byte, error) {
			reply, err := x.Pass(ctx)
			p.term.slot.Remove()
			events.until(t, "card", "none\n")
			return reply, err
		},
	})
	p.put(card, "phone").get("/")
	events = p.follow("menu")
	p.send("/phone/pin", "pin", simcard.DefaultAuthPIN).sees("カードをセットしてください")
	events.stop()
	p.put(sample(2), "new").get("/").sees("マイナンバーカードを読み取りました")
	assert.False(t, phone.Verified(simcard.AuthPIN))
}

// swapReader has a phone, and then, unseen by the page, another card.
type swapReader struct {
	page.Slot
	next    atomic.Pointer[simcard.Card]
	swapped atomic.Bool
}

func (r *swapReader) WaitCard(ctx context.Context) (apdu.Transmitter, error) {
	if card := r.next.Load(); card != nil {
		r.swapped.Store(true)
		card.PowerOn()
		return card, nil
	}
	return r.Slot.WaitCard(ctx)
}

// The PIN of a phone goes to that phone, or nowhere: not to a card or to another
// phone that has come into its place unseen.
func TestPhonePINIsThePhones(t *testing.T) {
	for _, kind := range []simcard.Kind{simcard.Plastic, simcard.Android} {
		t.Run(kind.String(), func(t *testing.T) {
			s := newShop(t)
			reader := new(swapReader)
			term := serve(t, s, func(c *page.Config) { c.Reader = reader })
			term.slot = &reader.Slot
			first := sample(1, simcard.WithKind(simcard.Android))
			p := term.open(t).put(first, "phone").get("/")
			second := sample(2, simcard.WithKind(kind))
			reader.next.Store(second)
			p.send("/phone/pin", "pin", "9999").sees("残り2回")
			assert.Equal(t, 2, first.Tries(simcard.AuthPIN), "the phone is still there")
			form := p.body
			first.Remove()
			p.send("/phone/pin", "pin", "9999")
			assert.Equal(t, 3, second.Tries(simcard.AuthPIN))
			events := p.follow("menu")
			if kind == simcard.Android {
				events.until(t, "card", "phone\n")
			} else {
				events.until(t, "card", "new\n")
			}
			assert.True(t, reader.swapped.Load())
			p.body = form
			p.force("/phone/pin", "pin", "9999").sees("画面を表示したときとは別のカードまたはスマートフォン")
			assert.Equal(t, 3, second.Tries(simcard.AuthPIN), "the form was the first one's")
		})
	}
}

// A phone is held no longer than a visit lasts.
func TestPhoneIsNotHeldForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := shopConfig(t)
		cfg.Clock = nil // that of the bubble
		s := openShop(t, "sqlite", dbtest.SQLite(t.TempDir()), cfg)
		slot := new(page.Slot)
		counter, err := page.New(page.Config{Shop: s, Reader: slot, Terminal: "T-01"})
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- counter.Run(ctx) }()
		cookie := ""
		ask := func(method, path string, form url.Values) string {
			r := httptest.NewRequest(method, "http://127.0.0.1"+path, strings.NewReader(form.Encode()))
			r.RemoteAddr = "127.0.0.1:1"
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Cookie", cookie)
			w := httptest.NewRecorder()
			counter.ServeHTTP(w, r)
			for _, c := range w.Result().Cookies() {
				cookie = c.Name + "=" + c.Value
			}
			return w.Body.String()
		}
		phone := sample(1, simcard.WithKind(simcard.Android))
		slot.Insert(phone)
		synctest.Wait()
		ask(http.MethodGet, counter.Path(), nil)
		m := tokenField.FindStringSubmatch(ask(http.MethodGet, "/", nil))
		require.NotNil(t, m)
		ask(http.MethodPost, "/phone/pin", url.Values{"token": {m[1]}, "pin": {simcard.DefaultAuthPIN}, "card": {"1"}})
		require.True(t, phone.Verified(simcard.AuthPIN))
		const held = 5 * time.Minute
		time.Sleep(held - time.Second)
		require.True(t, phone.Verified(simcard.AuthPIN))
		require.Contains(t, ask(http.MethodGet, "/", nil), "マイキーIDはまだありません")
		time.Sleep(time.Second)
		synctest.Wait()
		assert.False(t, phone.Verified(simcard.AuthPIN))
		assert.Contains(t, ask(http.MethodGet, "/", nil), `action="/phone/pin"`)

		// And not longer than the page runs.
		ask(http.MethodPost, "/phone/pin", url.Values{"token": {m[1]}, "pin": {simcard.DefaultAuthPIN}, "card": {"2"}})
		require.True(t, phone.Verified(simcard.AuthPIN))
		stop()
		require.NoError(t, <-ran)
		assert.False(t, phone.Verified(simcard.AuthPIN))
		assert.ErrorIs(t, func() error { _, err := jpki.Open(t.Context(), phone); return err }(), apdu.ErrCardRemoved, "it has no power")
	})
}

// While a phone lies there that waits for its PIN, or whose PIN is locked, no
// screen asks for a card or says that there is none.
func TestPhoneIsNotContradicted(t *testing.T) {
	s := newShop(t)
	p := serve(t, s).open(t)
	for left, first := range map[int]string{3: "先に、上の欄にスマートフォンの暗証番号を入力してください", 0: "スマートフォンの暗証番号がロックされています"} {
		p.put(sample(uint(20+left), simcard.WithKind(simcard.Android), simcard.WithTries(simcard.AuthPIN, left)), "phone")
		for _, screen := range []string{"/lookup", "/issue", "/service", "/use", "/combine", "/enrol", "/account", "/notice", "/recover"} {
			p.get(screen).sees(first)
			for _, wrong := range []string{"カードリーダーにセットしてください", "カードをセットしてください", "カードがセットされていません", "カードをセットすると"} {
				assert.NotContains(t, p.body, wrong, "%s, %d tries", screen, left)
			}
		}
		p.get("/issue").send("/issue/check", "points", "100", "until", s.Today().String()).sees("スマートフォンの暗証番号", `value="100"`)
		assert.NotContains(t, p.body, "カードがセットされていません")
	}
}
