package page_test

import (
	"context"
	"crypto/x509"
	"database/sql"
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
	cfg.Clock = func() time.Time { return time.Now().AddDate(0, 0, int(later.Load())) }
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
}

// attr returns the value behind a piece of HTML.
func attr(t *testing.T, body, before string) string {
	t.Helper()
	_, rest, ok := strings.Cut(body, before)
	require.True(t, ok, before)
	value, _, _ := strings.Cut(rest, `"`)
	return value
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
