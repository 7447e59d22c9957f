package page_test

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
	p.sees("カードを置いてください", "サービスIDの登録", `data-key="7"`)

	// Enrolment.
	p.put(sample(1), "new").get("/enrol").sees("マイキーIDはまだありません", `name="pin"`)
	p.send("/enrol/pin", "pin", simcard.DefaultAuthPIN).sees("自動生成する")
	p.send("/enrol/offer").sees("この番号で登録する", "自動生成の残り: 2")
	id := parse(t, mykey.ParseID, bigCode.FindStringSubmatch(p.body)[1])
	p.send("/enrol/accept").sees("マイキーIDを登録しました", id.String())
	p.send("/enrol/end").sees("すでにマイキーIDがあります")
	require.NoError(t, s.Grant(t.Context(), id, 2000, "welcome"))

	// Service IDs.
	p.get("/service").send("/service/check", "operator", "000001", "customer", "１８００ ").sees("1800", "あおば図書館", "登録する")
	p.send("/service/register").sees("サービスIDを登録しました", "1800")
	p.send("/service/back").send("/service/check", "operator", "000002", "customer", "520625").send("/service/register").sees("520625")
	p.get("/lookup").sees("1800", "520625", "あおば図書館", "あおば商店街")

	// A typing error is set right: the step back.
	p.get("/service").send("/service/check", "operator", "000001", "customer", "180000000011").sees("別の番号が登録されています", "1800")
	p.send("/service/register").sees("180000000011")

	// A ticket, printed, printed again, used.
	p.get("/issue").send("/issue/check", "points", "1,500", "until", s.Today().AddDays(30).String()).sees("1,500", "2,000 → 500")
	p.send("/issue/issue").sees("ポイント券を発行しました", "まだ印刷していません")
	p.get("/print/a4").sees("/print/ticket.svg", `class="a4"`)
	p.get("/print/80mm").sees(`class="roll80"`)
	p.get("/print/ticket.svg").sees("1,500", "<svg")
	number := regexp.MustCompile(`>(\d{4}-\d{4})<`).FindStringSubmatch(p.body)[1]
	p.get("/issue").send("/issue/reprint").sees("再発行の券です")
	p.get("/print/ticket.svg").sees("再発行（2枚目）")
	p.get("/issue").send("/issue/end").sees("500")

	p.get("/redeem").send("/redeem/inspect", "code", number).sees("1,500", number)
	p.send("/redeem/redeem").sees("1,500ポイントの券を消し込みました")
	p.send("/redeem/inspect", "code", number).sees("このポイント券は使えません")

	// The settlement.
	p.get("/settle").sees("T-01", "1,500", "途中の数字です")
	today := s.Today().String()
	p.get("/settle/settlement.csv?from="+today+"&to="+today).sees("T-01", "1500")
	p.get("/settle/details.csv?from="+today+"&to="+today).sees("T-01", "1500")
	p.get("/settle?from=2026-02-30").sees("有効期限が範囲外です")

	books, err := s.Books(t.Context())
	require.NoError(t, err)
	assert.True(t, books.Exact())
	c, err := s.Settle(t.Context(), ticket.Period{From: s.Today(), To: s.Today()})
	require.NoError(t, err)
	assert.Equal(t, ticket.Total{Tickets: 1, Points: 1500}, c.Tickets.Redeemed)
}
