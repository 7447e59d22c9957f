package page_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/examples/counter/page"
	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/ticket"
)

var bigCode = regexp.MustCompile(`class="big code">([A-Z0-9]+)<`)

// A day at the counter with forms and links alone.
func TestADay(t *testing.T) {
	s := newShop(t)
	term := serve(t, s)
	p := term.open(t)
	p.sees("カードをセットしてください", "サービスIDの登録", `data-key="7"`)

	// Enrolment.
	p.put(sample(1), "new").get("/enrol").sees("マイキーIDはまだありません", `name="pin"`)
	p.send("/enrol/pin", "pin", simcard.DefaultAuthPIN).sees("自動生成")
	p.send("/enrol/offer").sees("このマイキーIDで登録", "自動生成：残り2回")
	id := parse(t, mykey.ParseID, bigCode.FindStringSubmatch(p.body)[1])
	p.send("/enrol/accept").sees("マイキーIDを登録しました", id.String())
	p.send("/enrol/end").sees("すでにマイキーIDがあります")
	require.NoError(t, s.Grant(t.Context(), id, 2000, "welcome"))

	// Service IDs.
	p.get("/service").send("/service/check", "operator", "000001", "customer", "１８００ ").sees("1800", "あおば図書館", "登録")
	p.send("/service/register", "pin", simcard.DefaultAuthPIN).sees("サービスIDを登録しました", "1800")
	p.send("/service/end").send("/service/check", "operator", "000002", "customer", "520625").send("/service/register", "pin", simcard.DefaultAuthPIN).sees("520625")
	p.get("/lookup").sees("1800", "520625", "あおば図書館", "あおば商店街")

	// A typing error is set right: the step back.
	p.get("/service").send("/service/check", "operator", "000001", "customer", "180000000011").sees("別の利用カード番号が登録されています", "1800")
	p.send("/service/register", "pin", simcard.DefaultAuthPIN).sees("180000000011")

	// A ticket, printed, printed again, used.
	p.get("/issue").send("/issue/check", "points", "1,500", "until", s.Today().AddDays(30).String()).sees("1,500", "2,000 → 500")
	p.send("/issue/issue", "pin", simcard.DefaultAuthPIN).sees("ポイント券を発行しました", "まだ印刷していません", "発行認印")
	p.get("/print/a4").sees("/print/ticket.svg", `class="a4"`)
	p.get("/print/roll").sees(`class="roll columns48"`)
	p.get("/print/ticket.svg").sees("1,500", "<svg")
	number := regexp.MustCompile(`>(\d{4}-\d{4})<`).FindStringSubmatch(p.body)[1]
	p.get("/issue").send("/issue/reprint").sees("再発行したポイント券です")
	p.get("/print/ticket.svg").sees("再発行（2枚目）")
	p.get("/issue").send("/issue/end").sees("500")

	p.get("/redeem").send("/redeem/inspect", "code", number).sees("1,500", number, "発行認印・利用店舗印")
	p.send("/redeem/redeem").sees("1,500ポイントのポイント券を消し込みました", "利用店舗印", "「値引き」")
	p.send("/redeem/inspect", "code", number).sees("このポイント券は利用できません")

	// The settlement.
	p.get("/settle").sees("T-01", "1,500", "途中の集計です")
	today := s.Today().String()
	p.get("/settle/settlement.csv?from=" + today + "&to=" + today).sees("1500")
	p.get("/settle/details.csv?from="+today+"&to="+today).sees("T-01", "1500")
	p.get("/settle?from=2026-03-02&to=2026-03-01").sees("集計する期間が正しくありません")
	p.get("/settle?from=2026-02-30").sees("日付が正しくありません")

	books, err := s.Books(t.Context())
	require.NoError(t, err)
	assert.True(t, books.Exact())
	c, err := s.Settle(t.Context(), ticket.Period{From: s.Today(), To: s.Today()})
	require.NoError(t, err)
	assert.Equal(t, ticket.Total{Tickets: 1, Points: 1500}, c.Tickets.Redeemed)
}

// In English no Japanese is left, but for names and the switch, which is in the
// language that it leads to.
func TestEnglish(t *testing.T) {
	cfg := shopConfig(t)
	cfg.Operators[0].Name, cfg.Operators[1].Name, cfg.Programmes[0].Name = "Aoba Library", "Aoba Mall", "Aoba city points"
	s := openShop(t, "sqlite", dbtest.SQLite(t.TempDir()), cfg)
	inbox := t.TempDir()
	term := serve(t, s, func(c *page.Config) {
		c.Name, c.Lang, c.Inbox, c.Welcome = "Aoba Mall", page.English, inbox, 2000
		c.Samples = []page.Sample{{Name: "A", Card: sample(3)}}
	})
	p := term.open(t)
	japanese := regexp.MustCompile(`[\p{Hiragana}\p{Katakana}\p{Han}]+`)
	whole := func() *person {
		t.Helper()
		text := strings.Replace(p.body, ">日本語<", "><", 1)
		assert.Empty(t, japanese.FindAllString(text, -1), p.path)
		return p
	}
	for _, screen := range []string{"/", "/service", "/lookup", "/issue", "/redeem", "/merge", "/settle", "/enrol", "/none"} {
		p.get(screen)
		whole()
	}
	p.put(sample(1), "new").get("/enrol")
	whole().send("/enrol/pin", "pin", "9999")
	whole().send("/enrol/pin", "pin", simcard.DefaultAuthPIN)
	whole().send("/enrol/choose", "id", "x")
	whole().send("/enrol/offer")
	whole().send("/enrol/offer")
	whole().send("/enrol/accept").sees("2,000")
	whole().get("/service").send("/service/check", "operator", "000001", "customer", "1")
	whole().send("/service/register", "pin", simcard.DefaultAuthPIN)
	whole().send("/service/end").send("/service/check", "operator", "000001", "customer", "2")
	whole().send("/service/register", "pin", simcard.DefaultAuthPIN)
	whole().get("/lookup")
	whole().get("/issue").send("/issue/check", "points", "9999", "until", s.Today().String())
	whole().send("/issue/check", "points", "500", "until", s.Today().String())
	whole().send("/issue/issue", "pin", simcard.DefaultAuthPIN)
	whole().get("/print/a4")
	whole().get("/print/ticket.svg") // the paper itself is Japanese
	number := ticketNumber.FindStringSubmatch(p.body)[1]
	p.get("/issue").send("/issue/reprint")
	whole().get("/redeem").send("/redeem/inspect", "code", number)
	whole().send("/redeem/redeem")
	whole().send("/redeem/inspect", "code", number)
	file := mergeFile(t, cfg.Keys, 1, 2)
	for name, content := range map[string][]byte{"a.dat": file, "b.dat": file, "c.dat": file[:16]} {
		deliver(t, inbox, name, content)
	}
	whole().get("/merge").send("/merge/look")
	whole().get("/settle")
	whole().get("/settle?from=x")
	whole()
}
