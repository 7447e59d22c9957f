package page_test

import (
	"context"
	"crypto/x509"
	"database/sql"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/examples/counter/page"
	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/ticket/paper"
)

// Another MyKey ID takes the place of the first (システム設計書 IV(8)), and then none
// does (IV(9)).
func TestAccount(t *testing.T) {
	s := newShop(t)
	card, old := enrolled(t, s, 1, 5000)
	p := serve(t, s).open(t).get("/account").sees("カードリーダーにセットしてください")
	p.put(sample(2), "new").get("/account").sees("マイキーIDがまだありません")
	p.put(card, "known").get("/account").sees("マイキーIDの変更", "ポイントとサービスIDは")
	p.send("/account/pin", "pin", "9999").sees("残り2回")
	p.send("/account/pin", "pin", simcard.DefaultAuthPIN).sees("希望のマイキーIDを入力")
	p.send("/account/choose", "id", "aoba 26").sees("8桁です", `value="aoba 26"`, `aria-invalid="true"`)
	p.send("/account/choose", "id", "AOBA2026").sees("このマイキーIDに変更").send("/account/accept").sees("マイキーIDを変更しました", "AOBA2026")
	p.send("/account/end").sees("AOBA2026", "5,000")
	_, err := s.Find(t.Context(), old)
	assert.Error(t, err)

	p.send("/account/ask").sees("有効には戻せません")
	p.send("/account/revoke", "pin", simcard.DefaultAuthPIN).sees("失効の確認がされていません")
	p.send("/account/revoke", "sure", "yes", "pin", "9999").sees("残り2回", `value="yes" checked`)
	p.send("/account/revoke", "sure", "yes", "pin", simcard.DefaultAuthPIN).sees("マイキーIDを失効しました", "マイキーIDはまだありません")
	_, err = s.Find(t.Context(), parse(t, mykey.ParseID, "AOBA2026"))
	assert.Error(t, err)
	p.force("/account/revoke", "sure", "yes", "pin", simcard.DefaultAuthPIN).sees(`class="notice`)
}

// A ticket is found again after the next customer, by its paper and by the list
// of the terminal; printed once more, replaced, and shown when it is used up.
func TestTickets(t *testing.T) {
	s := newShop(t)
	card, _ := enrolled(t, s, 1, 5000)
	p := serve(t, s, func(c *page.Config) { c.Roll = paper.Roll58mm }).open(t).put(card, "known")
	p.get("/issue").send("/issue/check", "points", "1000", "until", s.Today().String()).send("/issue/issue", "pin", simcard.DefaultAuthPIN).get("/print/ticket.svg")
	number := ticketNumber.FindStringSubmatch(p.body)[1]
	p.get("/print/roll").sees(`class="roll columns32"`).get("/issue").send("/issue/end")

	p.get("/tickets").send("/tickets/find", "code", "0000-0001").sees("ポイント券が見つかりません", `value="0000-0001"`)
	p.send("/tickets/find", "code", number).sees("1,000", "発行済み")
	assert.NotContains(t, p.body, number, "the number is on the paper alone")
	p.send("/tickets/reprint").sees("再発行したポイント券です").get("/print/ticket.svg").sees(number, "再発行（2枚目）")
	p.get("/tickets").sees("A4で印刷").get("/").get("/tickets")
	p.send("/tickets/recent", "at", attr(t, p.body, `name="at" value="`)).sees("発行済み", "2枚")
	p.send("/tickets/replace").sees("新しい発券番号で再発行しました").get("/print/ticket.svg")
	next := ticketNumber.FindStringSubmatch(p.body)[1]
	require.NotEqual(t, number, next)
	p.get("/redeem").send("/redeem/inspect", "code", number).sees("このポイント券は利用できません")
	p.send("/redeem/inspect", "code", next).send("/redeem/redeem").sees("消し込みました", "/print/receipt")
	p.get("/print/receipt").sees("/print/receipt.svg").get("/print/receipt.svg").sees("ポイント券消込控え", "1,000")
	p.get("/").get("/tickets").send("/tickets/find", "code", next).sees("消込済み")
	assert.NotContains(t, p.body, "/tickets/reprint")
	p.force("/tickets/reprint").sees("このポイント券は再発行できません")
	p.send("/tickets/end").send("/tickets/find", "code", number).sees("再発行済み")
}

// The notice of address changes is set with the PIN for digital signature, after
// its explanation, and taken back.
func TestNotice(t *testing.T) {
	s := newShop(t)
	card, _ := enrolled(t, s, 1, 0)
	p := serve(t, s).open(t).put(card, "known").get("/notice").send("/notice/begin")
	p.sees("設定なし", "署名用電子証明書の発行番号を取得し、利用します", `name="pin2"`)
	p.send("/notice/consent", "pin", simcard.DefaultAuthPIN, "pin2", "12345").sees("形式が正しくありません")
	p.send("/notice/consent", "pin", simcard.DefaultAuthPIN, "pin2", "WRONG99").sees("署名用電子証明書の暗証番号", "残り4回")
	p.send("/notice/consent", "pin", simcard.DefaultAuthPIN, "pin2", simcard.DefaultSignPIN).sees("住所変更の自動通知を設定しました")
	p.send("/notice/end").send("/notice/begin").sees("設定済み")
	p.send("/notice/withdraw", "pin", simcard.DefaultAuthPIN).sees("住所変更の自動通知を解除しました")
	p.send("/notice/end").send("/notice/begin").sees("設定なし")
}

// lostCards are revoked, by their serial numbers.
type lostCards struct {
	mu      sync.Mutex
	serials map[jpki.Serial]bool
}

func (l *lostCards) CheckRevocation(_ context.Context, cert, _ *x509.Certificate) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s, err := jpki.SerialOf(cert); err == nil && l.serials[s] {
		return &jpki.RevokedError{}
	}
	return nil
}

// A holder whose card was reported lost comes with another: two members of staff
// look, and after the waiting period the new card has the MyKey ID.
func TestRecover(t *testing.T) {
	cfg := shopConfig(t)
	lost := &lostCards{serials: map[jpki.Serial]bool{}}
	var err error
	cfg.Verifier, err = jpki.NewVerifier([]*x509.Certificate{simcard.TestAuthority().Auth().Certificate()}, jpki.WithRevocation(lost))
	require.NoError(t, err)
	var later atomic.Int64 // days
	cfg.Clock = func() time.Time { return clock().AddDate(0, 0, int(later.Load())) }
	member := simcard.SampleHolder(1)
	born, err := jpki.NewDate(member.Birth.Year(), member.Birth.Month(), member.Birth.Day())
	require.NoError(t, err)
	cfg.Members = func(_ context.Context, id mykey.ServiceID) (shop.Member, error) {
		if id.Customer.String() != "520625" {
			return shop.Member{}, registry.ErrNotFound
		}
		return shop.NewMember(member.Name, born), nil
	}
	var told atomic.Int64
	cfg.Notice = func(context.Context, *sql.Tx, registry.Recovery) error { told.Add(1); return nil }
	s := openShop(t, "sqlite", dbtest.FastSQLite(t.TempDir()), cfg)
	p := serve(t, s).open(t)
	old, id := enrolled(t, s, 1, 700)
	p.put(old, "known").get("/service").send("/service/check", "operator", "000002", "customer", "]A0\x02520625\ufeff").send("/service/register", "pin", simcard.DefaultAuthPIN).sees("サービスIDを登録しました", ">520625<")
	fresh := simcard.New(simcard.WithHolder(member), simcard.WithIssued(time.Now().AddDate(0, 0, -3)))

	p.put(fresh, "new").get("/recover").send("/recover/begin").sees("担当者2人で")
	ask := func(clerk, second, customer string) *person {
		return p.send("/recover/ask", "operator", "000002", "customer", customer, "clerk", clerk, "second", second,
			"pin", simcard.DefaultAuthPIN, "pin2", simcard.DefaultTextPIN)
	}
	ask("田中", "田中", "520625").sees("引き継ぎには担当者が2人必要です", `value="田中" aria-invalid="true"`, `value="520625"`)
	ask("田中", "鈴木", "520626").sees("登録されていません")
	ask("田中", "鈴木", "520625").sees("登録されている電子証明書は有効です")
	serial, err := jpki.SerialOf(old.AuthCertificate())
	require.NoError(t, err)
	lost.mu.Lock()
	lost.serials[serial] = true
	lost.mu.Unlock()
	p.put(old, "").get("/recover").send("/recover/begin").sees("失効しています")
	p.put(fresh, "new").get("/recover").send("/recover/begin")
	ask("田中", "鈴木", "520625").sees("引き継ぎを受け付けました", "待機期間の終わり")
	assert.EqualValues(t, 1, told.Load())
	p.send("/recover/end").sees("カード読取")
	p.send("/recover/finish", "pin", simcard.DefaultAuthPIN).sees("待機期間が終わっていません")
	later.Store(20)
	p.send("/recover/finish", "pin", simcard.DefaultAuthPIN).sees("引き継ぎが完了しました", id.String(), ">700<")

	// The holder knows nothing of it.
	p.send("/recover/undo", "number", "第一号", "who", "佐藤").sees("形式が正しくありません", `value="佐藤"`)
	p.send("/recover/undo", "number", "1", "who", " ").sees(`id="who" name="who" maxlength="60" required autocomplete="off" value=" " aria-invalid="true" autofocus`, "担当者の名前を入力してください")
	p.send("/recover/undo", "number", "404", "who", "佐藤").sees("登録されていません")
	p.send("/recover/undo", "number", "１", "who", "佐藤").sees("引き継ぎを取り消しました", "取消までに利用されたポイントは戻りません")
	who, err := s.Find(t.Context(), id)
	require.NoError(t, err)
	assert.EqualValues(t, 700, who.CityPoints)

	// It is asked for with a card that has an ID of its own, and cancelled in time;
	// then it is done, and undone after points were spent and the number was taken.
	p.put(sample(9), "new") // so that the page is done with the card before
	fresh.Insert()
	card, err := jpki.Open(t.Context(), fresh)
	require.NoError(t, err)
	pin, err := jpki.NewPIN(jpki.AuthPIN, simcard.DefaultAuthPIN)
	require.NoError(t, err)
	v, err := s.BeginWithPIN(t.Context(), card, pin)
	require.NoError(t, err)
	_, err = v.Offer(t.Context(), card)
	require.NoError(t, err)
	own, err := v.Accept(t.Context(), card)
	require.NoError(t, err)
	v.Close()
	require.NoError(t, s.Grant(t.Context(), own.Candidate, 50, "welcome"))
	fresh.PowerOff()
	p.put(fresh, "known")
	for n := 2; n <= 3; n++ {
		p.get("/recover").send("/recover/begin")
		ask("田中", "鈴木", "520625").sees("引き継ぎを受け付けました")
		p.send("/recover/end")
		if n == 2 {
			p.send("/recover/undo", "number", "2", "who", "佐藤").sees("引き継ぎの受付を取り消しました", "変わっていません")
		}
	}
	p.send("/recover/finish", "pin", simcard.DefaultAuthPIN).sees("待機期間が終わっていません")
	later.Store(40)
	p.send("/recover/finish", "pin", simcard.DefaultAuthPIN).sees("引き継ぎが完了しました", own.Candidate.String(), ">750<")
	p.get("/use").send("/use/check", "points", "100").sees("750 → 650").send("/use/use", "pin", simcard.DefaultAuthPIN).sees("650")
	p.get("/recover").send("/recover/undo", "number", "3", "who", "佐藤").
		sees("2つのマイキーIDを分けました", "利用されたため戻せないポイント：あおば市ポイント 50ポイント。")
	who, err = s.Find(t.Context(), id)
	require.NoError(t, err)
	assert.EqualValues(t, 650, who.CityPoints)
}

// attr returns the value behind a piece of HTML.
func attr(t *testing.T, body, before string) string {
	t.Helper()
	_, rest, ok := strings.Cut(body, before)
	require.True(t, ok, before)
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

// withEvent is a shop with the points of an event beside the city's, whose first
// holder has both, and a member number of the mall.
func withEvent(t *testing.T, change func(*shop.Config)) (*shop.Shop, *simcard.Card, mykey.ID) {
	t.Helper()
	cfg := shopConfig(t)
	cfg.Outbox = t.TempDir()
	event, s0 := cfg.Programmes[0], mykey.DateOf(clock()).AddDays(-1)
	event.Account, event.Kind, event.Name = "event1", point.Event, "あおば祭ポイント"
	event.Service = mykey.Period{From: s0, To: s0.AddDays(90)}
	cfg.Programmes = append(cfg.Programmes, event)
	if change != nil {
		change(&cfg)
	}
	s := openShop(t, "sqlite", dbtest.FastSQLite(t.TempDir()), cfg)
	card, id := enrolled(t, s, 1, 3000)
	if len(s.Programmes()) > 1 {
		require.NoError(t, s.GrantTo(t.Context(), id, "event1", 500, "festival"))
	}
	return s, card, id
}

// Points are used at the till (画面28 to 31): the account is chosen, a wrong amount
// is taken back, and both are on paper.
func TestUse(t *testing.T) {
	s, card, id := withEvent(t, nil)
	var sent [][]byte
	p := serve(t, s, func(c *page.Config) {
		c.Printer = func(_ context.Context, b []byte) error { sent = append(sent, b); return nil }
		c.Place = "あおば商店街事務所"
	}).open(t).get("/use").sees("カードリーダーにセットしてください")
	p.put(card, "known").get("/use").sees(`value="event1"`, "あおば祭ポイント", `name="points"`)
	p.send("/use/check", "account", "event1", "points", "501").sees("ポイントが足りません", `value="501" aria-invalid="true"`, `value="event1" checked`)
	p.send("/use/check", "account", "event1", "points", "０").sees("ポイント数が正しくありません")
	p.send("/use/check", "account", "event1", "points", "４８０").sees("あおば祭ポイント", "500 → 20")
	p.send("/use/use", "pin", "9999").sees("残り2回")
	p.send("/use/use", "pin", simcard.DefaultAuthPIN).sees("480ポイントを利用しました", "レジの「値引き」", "レシート印字")
	p.send("/use/receipt").get("/print/receipt").sees("/print/receipt.svg").get("/print/receipt.svg").sees("ポイントご利用控え", "480", "あおば商店街事務所")
	require.Len(t, sent, 1)
	p.get("/use").send("/use/undo").sees("480ポイントの利用を取り消しました")
	p.force("/use/undo") // pressed twice
	assert.NotContains(t, p.body, "/use/undo")
	p.get("/print/receipt.svg").sees("ポイントご利用取消控え")
	who, err := s.Find(t.Context(), id)
	require.NoError(t, err)
	assert.EqualValues(t, 3500, who.Balances[0].Points+who.Balances[1].Points)
	p.get("/use").send("/use/end").send("/use/check", "points", "1000").sees("3,000 → 2,000").send("/use/use", "pin", simcard.DefaultAuthPIN)
	p.term.slot.Remove() // the clerk still sees what was done
	p.get("/use").sees("1,000").get("/settle").sees("あおば商店街事務所", "1,000")
	p.get("/settle/settlement.csv").sees("あおば商店街事務所", "1000")
}

// Points become the mall's (画面37 to 39), by card and by the point card alone.
func TestCombine(t *testing.T) {
	s, card, id := withEvent(t, func(c *shop.Config) { c.WithoutPIN = 300 })
	p := serve(t, s).open(t).put(card, "known")
	p.get("/combine").send("/combine/check", "points", "100").sees("商店街ポイントIDが登録されていません", `value="100"`)
	p.get("/service").send("/service/check", "operator", "000002", "customer", "520625").send("/service/register", "pin", simcard.DefaultAuthPIN)
	p.get("/combine").send("/combine/check", "points", "1,000").sees("3,000 → 2,000", "520625").send("/combine/combine", "pin", simcard.DefaultAuthPIN).
		sees("1,000ポイントの合算を受け付けました", "取引済番号")
	p.force("/combine/combine", "pin", simcard.DefaultAuthPIN).sees("取引済番号")
	p.send("/combine/end")
	p.term.slot.Remove()
	p.get("/combine").send("/combine/number", "customer", "99").sees("登録されていません", `value="99"`)
	p.send("/combine/number", "customer", "]A0520625").sees("2,000", "520625").send("/combine/check", "points", "250").sees("2,000 → 1,750").send("/combine/combine").sees("250ポイントの合算を受け付けました")
	p.send("/combine/end").send("/combine/number", "customer", "520625").send("/combine/check", "points", "100").send("/combine/combine").sees(`class="notice bad"`) // more than a point card may
	who, err := s.Find(t.Context(), id)
	require.NoError(t, err)
	assert.EqualValues(t, 1750, who.CityPoints)
}

// A clerk gives points of a grant, once to each person.
func TestGrant(t *testing.T) {
	s, card, id := withEvent(t, nil)
	p := serve(t, s, func(c *page.Config) {
		c.Grants = []page.Grant{{Key: "walk-2026", Name: "ウォーキング教室", Points: 100}, {Key: "fair-2026", Name: "あおば祭", Account: "event1", Points: 30}}
	}).open(t).put(card, "known").get("/grant").sees("ウォーキング教室", "あおば祭")
	p.send("/grant/give", "grant", "walk-2026").sees("100ポイントを付与しました", "3,100")
	p.send("/grant/give", "grant", "walk-2026").sees("付与済みです", "3,100")
	p.send("/grant/give", "grant", "fair-2026").sees("30ポイントを付与しました", "530", `value="fair-2026" checked`)
	p.force("/grant/give", "grant", "walk-2026", "card", "99").sees("別のカード")
	p.put(sample(2), "new").get("/grant").sees("マイキーIDがまだありません")
	who, err := s.Find(t.Context(), id)
	require.NoError(t, err)
	assert.EqualValues(t, 3100, who.CityPoints)
	serve(t, s, func(c *page.Config) { c.Terminal = "T-09" }).open(t).get("/grant").sees("ポイント付与事業が設定されていません")
}

// A ticket that is taken back gives its points back; its paper must be at hand.
func TestCancelTicket(t *testing.T) {
	s, card, id := withEvent(t, nil)
	p := serve(t, s).open(t).put(card, "known")
	p.get("/issue").send("/issue/check", "account", "event1", "points", "200", "until", s.Today().String()).sees("500 → 300").send("/issue/issue", "pin", simcard.DefaultAuthPIN).get("/print/ticket.svg")
	number := ticketNumber.FindStringSubmatch(p.body)[1]
	p.get("/issue").send("/issue/end").get("/tickets").send("/tickets/find", "code", number)
	p.send("/tickets/cancel").sees("ポイント券の回収が確認されていません")
	p.send("/tickets/cancel", "sure", "yes").sees("ポイント券を取り消しました", "200ポイントを利用者に戻しました", "取消済み", ">500<")
	p.get("/redeem").send("/redeem/inspect", "code", number).sees("このポイント券は利用できません")
	who, err := s.Find(t.Context(), id)
	require.NoError(t, err)
	assert.EqualValues(t, 3000, who.CityPoints)
}

// A clerk practises: every screen says so, and so does the paper.
func TestTraining(t *testing.T) {
	s, card, _ := withEvent(t, func(c *shop.Config) { c.Training = true })
	p := serve(t, s).open(t).put(card, "known").get("/").sees("練習モードです")
	p.get("/use").send("/use/check", "points", "10").send("/use/use", "pin", simcard.DefaultAuthPIN).sees("練習モードです").get("/print/receipt.svg").sees("【練習】")
	p.get("/issue").send("/issue/check", "points", "10", "until", s.Today().String()).send("/issue/issue", "pin", simcard.DefaultAuthPIN).get("/print/ticket.svg").sees("練習")
}

// Another program holds the SQLite file for longer than anybody waits: every
// screen, form, print and download says so in words, and none is an error of the
// server's. When it lets go, everything goes on.
func TestBusyInWords(t *testing.T) {
	cfg := shopConfig(t)
	cfg.RetryFor = 10 * time.Millisecond
	dsn := dbtest.ImpatientSQLite(t.TempDir())
	s := openShop(t, "sqlite", dsn, cfg)
	card, _ := enrolled(t, s, 1, 5000)
	p := serve(t, s).open(t).put(card, "known")
	p.get("/issue").send("/issue/check", "points", "1000", "until", s.Today().String()).send("/issue/issue", "pin", simcard.DefaultAuthPIN).sees("まだ印刷していません")

	db := dbtest.Open(t, "sqlite", dsn)
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.ExecContext(t.Context(), "BEGIN EXCLUSIVE")
	require.NoError(t, err)
	looked := 0
	see := func() {
		looked++
		assert.Less(t, p.status, 500, p.path)
	}
	p.get("/print/ticket.svg").sees("<svg")
	see()
	p.get("/issue").sees("データベースを、ほかのプログラムが使用中です")
	for _, screen := range []string{"/print/a4", "/print/roll", "/", "/service", "/lookup", "/issue", "/redeem", "/tickets", "/merge", "/enrol", "/account", "/notice", "/recover", "/settle"} {
		p.get(screen)
		see()
	}
	p.get("/settle")
	for _, form := range [][]string{
		{"/issue/check", "points", "100", "until", s.Today().String()}, {"/issue/unprinted"}, {"/service/check", "operator", "000001", "customer", "1"},
		{"/redeem/inspect", "code", "1234-5678"}, {"/tickets/find", "code", "1234-5678"}, {"/account/ask"}, {"/notice/begin"},
		{"/account/pin", "pin", simcard.DefaultAuthPIN}, {"/enrol/pin", "pin", simcard.DefaultAuthPIN}, {"/merge/look"},
	} {
		p.force(form[0], form[1:]...)
		see()
	}
	p.get("/settle/settlement.csv")
	see()
	_, err = conn.ExecContext(t.Context(), "ROLLBACK")
	require.NoError(t, err)
	require.Greater(t, looked, 20)
	p.get("/").sees("印刷していないポイント券があります（1枚）").get("/issue").send("/issue/unprinted").get("/print/ticket.svg").sees("1,000").get("/").get("/")
	assert.NotContains(t, p.body, "印刷していない")
}

// What the city pays for a month that is over is a file for the bank, a transfer
// for each place.
func TestPayout(t *testing.T) {
	var ahead atomic.Int64
	s, card, _ := withEvent(t, func(c *shop.Config) {
		c.Clock = func() time.Time { return clock().AddDate(0, 0, int(ahead.Load())) }
		c.Programmes = c.Programmes[:1]
	})
	p := serve(t, s, func(c *page.Config) {
		c.Place = "あおば商店街事務所"
		bank := point.BankAccount{BankName: "ｱｵﾊﾞ", BankCode: "9999", BranchName: "ﾎﾝﾃﾝ", BranchCode: "001", Type: point.Ordinary, Number: "0000001", Holder: "ｱｵﾊﾞｼﾖｳﾃﾝｶﾞｲ"}
		c.Payout = point.Payout{Orderer: "0000000001", Name: "ｱｵﾊﾞｼ", From: bank}
		c.Payee = func(place string) (point.BankAccount, bool) { return bank, place == "あおば商店街事務所" }
	}).open(t).put(card, "known")
	day := s.Today().String()
	p.get("/use").send("/use/check", "points", "1200").send("/use/use", "pin", simcard.DefaultAuthPIN)
	p.get("/settle").sees("途中の集計です")
	assert.NotContains(t, p.body, "transfers.txt")
	p.get("/settle/transfers.txt?from=" + day + "&to=" + day + "&day=" + day).sees("集計期間")
	ahead.Store(2)
	p.get("/settle?from="+day+"&to="+day).sees("1,200", "総合振込ファイルダウンロード")
	p.get("/settle/transfers.txt?from=" + day + "&to=" + day + "&day=" + day)
	require.Equal(t, http.StatusOK, p.status)
	_, transfers, err := point.ReadTransfers(strings.NewReader(p.body))
	require.NoError(t, err)
	n := 0
	for transfer, err := range transfers {
		require.NoError(t, err)
		assert.EqualValues(t, 1200, transfer.Yen)
		n++
	}
	assert.Equal(t, 1, n)
}
