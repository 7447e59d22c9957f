package api_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/examples/agent/api"
	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/ticket"
)

// spend asks for a use under a key.
func (p *pos) spend(key, card string, points int, proof string) answer {
	p.t.Helper()
	body := map[string]any{"card": card, "account": account, "points": points}
	if proof != "" {
		body["proof"] = proof
	}
	return p.call("POST", "/v1/uses", body, "Idempotency-Key", key)
}

// A day at a till: prove, use, lose the answer, ask again, give back in parts,
// cancel.
func TestUse(t *testing.T) { onBoth(t, testUse) }

func testUse(t *testing.T, e engine) {
	a := e.start(t)
	a.enrol(2000)
	till := a.client("あおばPOS")
	card := till.tap()
	assert.Equal(t, "proof_needed", till.spend("k0", card, 500, "").code(), "a card alone spends nothing")
	assert.Equal(t, "request_unknown", till.call("GET", "/v1/requests/k0", nil).code())
	assert.Equal(t, "key_missing", till.call("POST", "/v1/uses", map[string]any{"card": card, "account": account, "points": 5}).code())
	assert.Equal(t, "key_missing", till.spend("a key", card, 5, "").code())

	proof := till.proof(card, "use", 500, simcard.DefaultAuthPIN)
	require.Equal(t, "proved", till.state(proof))
	_, last := till.now()
	for _, c := range []answer{
		till.spend("k1", card, 501, proof),
		till.call("POST", "/v1/tickets", map[string]any{"card": card, "account": account, "points": 500, "proof": proof}, "Idempotency-Key", "k2"),
	} {
		assert.Equal(t, "proof_expired", c.code(), "a proof is for an act and a greatest sum")
	}
	assert.Equal(t, "not_found", a.client("別のPOS").spend("k1", card, 500, proof).code(), "and for its client")

	r := till.spend("use-1", card, 500, proof)
	require.Equal(t, http.StatusCreated, r.status, r.raw)
	assert.Equal(t, false, r.get("repeated"))
	assert.EqualValues(t, 1500, r.get("use.balance"))
	use := r.text("use.id")
	assert.Equal(t, "used", till.state(proof))
	changed, _ := till.await(last, "card.changed")
	assert.EqualValues(t, 1500, changed["card"].(map[string]any)["balances"].([]any)[0].(map[string]any)["points"])
	assert.Equal(t, "proof_expired", till.spend("use-2", card, 1, proof).code(), "a proof is used up once")

	again := till.spend("use-1", card, 500, proof)
	assert.Equal(t, http.StatusCreated, again.status)
	assert.Equal(t, true, again.get("repeated"))
	assert.Equal(t, use, again.text("use.id"))
	assert.Equal(t, "key_reused", till.spend("use-1", card, 400, proof).code())
	assert.Equal(t, "key_reused", till.call("POST", "/v1/redemptions", map[string]any{"code": "12345678"}, "Idempotency-Key", "use-1").code())

	// Without the card, after a restart, by the key alone.
	a.slot.Remove(t.Context())
	a.stop()
	a.run()
	r = till.call("GET", "/v1/requests/use-1", nil)
	assert.Equal(t, use, r.text("use.id"))

	refund := func(key string, points int) answer {
		return till.call("POST", "/v1/uses/"+use+"/refunds", map[string]any{"points": points}, "Idempotency-Key", key)
	}
	r = refund("back-1", 100)
	require.Equal(t, http.StatusCreated, r.status, r.raw)
	assert.EqualValues(t, 1600, r.get("refund.balance"))
	assert.Equal(t, true, refund("back-1", 100).get("repeated"))
	assert.Equal(t, "refund", refund("back-2", 401).code())
	assert.EqualValues(t, 100, till.call("GET", "/v1/requests/use-1", nil).get("use.refunded"))

	r = till.call("POST", "/v1/requests/use-1/cancel", nil)
	require.Equal(t, http.StatusOK, r.status, r.raw)
	assert.Equal(t, false, r.get("void"))
	assert.EqualValues(t, 500, r.get("use.refunded"))
	assert.Equal(t, http.StatusOK, till.call("POST", "/v1/requests/use-1/cancel", nil).status, "again")
	r = till.call("POST", "/v1/requests/back-1/cancel", nil)
	assert.Equal(t, "not_undoable", r.code())
	assert.NotNil(t, r.body["answer"])
	assert.True(t, a.exact().Exact())
	assert.EqualValues(t, 2000, a.exact().City)
}

func (a *agent) exact() shopBooks {
	a.t.Helper()
	b, err := a.shop.Books(a.t.Context())
	require.NoError(a.t, err)
	return b
}

// A cancel is final in every order of arrival.
func TestCancelComesFirst(t *testing.T) { onBoth(t, testCancelComesFirst) }

func testCancelComesFirst(t *testing.T, e engine) {
	a := e.start(t)
	a.enrol(2000)
	till := a.client("あおばPOS")
	card := till.tap()
	r := till.call("POST", "/v1/requests/early/cancel", nil)
	assert.Equal(t, true, r.get("void"))
	assert.Equal(t, "request_void", till.call("GET", "/v1/requests/early", nil).code())
	proof := till.proof(card, "use", 500, simcard.DefaultAuthPIN)
	assert.Equal(t, "request_void", till.spend("early", card, 500, proof).code())
	a.stop()
	a.run()
	assert.Equal(t, true, till.call("POST", "/v1/requests/early/cancel", nil).get("void"))

	// One that came and was refused.
	_, last := till.now()
	a.slot.Remove(t.Context())
	till.await(last, "card.removed")
	card = till.tap()
	assert.Equal(t, "proof_needed", till.spend("refused", card, 500, "").code())
	assert.Equal(t, true, till.call("POST", "/v1/requests/refused/cancel", nil).get("void"))
	proof = till.proof(card, "use", 500, simcard.DefaultAuthPIN)
	assert.Equal(t, "request_void", till.spend("refused", card, 500, proof).code())
	assert.EqualValues(t, 2000, a.exact().City)
}

// Two programs share one agent: neither sees the other's keys, and equal keys do
// not collide.
func TestTwoPrograms(t *testing.T) { onBoth(t, testTwoPrograms) }

func testTwoPrograms(t *testing.T, e engine) {
	a := e.start(t)
	a.enrol(2000)
	one, two := a.client("レジ1"), a.client("レジ2")
	card := one.tap()
	for _, till := range []*pos{one, two} {
		proof := till.proof(card, "use", 300, simcard.DefaultAuthPIN)
		r := till.spend("1", card, 300, proof)
		require.Equal(t, http.StatusCreated, r.status, r.raw)
		assert.Equal(t, false, r.get("repeated"))
	}
	assert.EqualValues(t, 1400, a.exact().City)
	proof := one.proof(card, "use", 100, simcard.DefaultAuthPIN)
	use := one.spend("2", card, 100, proof).text("use.id")
	assert.Equal(t, "request_unknown", two.call("GET", "/v1/requests/2", nil).code())
	assert.Equal(t, "not_found", two.call("POST", "/v1/uses/"+use+"/refunds", map[string]any{"points": 1}, "Idempotency-Key", "r").code())
	assert.Equal(t, "not_found", two.call("POST", "/v1/prints", map[string]any{"use": use}, "Idempotency-Key", "p").code())
	assert.Equal(t, true, two.call("POST", "/v1/requests/2/cancel", nil).get("void"), "a key of two's own")
	assert.EqualValues(t, 0, one.call("GET", "/v1/requests/2", nil).get("use.refunded"))

	// A PIN that was typed for one spends nothing for the other.
	one.proof(card, "use", 100, simcard.DefaultAuthPIN)
	assert.Equal(t, "busy", two.spend("3", card, 100, "").code())
	assert.EqualValues(t, 1300, a.exact().City)
}

// A ticket's number is in the bytes of its paper, and nowhere else.
func TestTicket(t *testing.T) { onBoth(t, testTicket) }

func testTicket(t *testing.T, e engine) {
	var paper [][]byte
	var printer error
	a := e.start(t, func(a *agent) {
		a.cfg.Printer = func(_ ctx, escpos []byte) error {
			if printer == nil {
				paper = append(paper, escpos)
			}
			return printer
		}
	})
	a.enrol(2000)
	till, other := a.client("窓口"), a.client("別の窓口")
	card := till.tap()
	proof := till.proof(card, "ticket", 500, simcard.DefaultAuthPIN)
	order := map[string]any{"card": card, "account": account, "points": 500, "proof": proof}
	_, last := till.now()
	r := till.call("POST", "/v1/tickets", order, "Idempotency-Key", "t1")
	require.Equal(t, http.StatusCreated, r.status, r.raw)
	id := r.text("ticket.id")
	assert.Equal(t, false, r.get("ticket.printed"))
	till.await(last, "ticket.unprinted")
	assert.Len(t, till.call("GET", "/v1/tickets?printed=false", nil).body["tickets"], 1)
	assert.Empty(t, other.call("GET", "/v1/tickets?printed=false", nil).body["tickets"], "another client's")

	print := func(key string, more ...any) answer {
		body := map[string]any{"ticket": id}
		for i := 0; i < len(more); i += 2 {
			body[more[i].(string)] = more[i+1]
		}
		return till.call("POST", "/v1/prints", body, "Idempotency-Key", key)
	}
	printer = api.ErrPaper
	assert.Equal(t, "printer_paper", print("p1").code())
	printer = nil
	assert.Equal(t, http.StatusOK, print("p1").status, "with paper, by the same key")
	assert.Equal(t, true, print("p1").get("repeated"))
	assert.Len(t, paper, 1, "the same key never prints twice")
	assert.Empty(t, till.call("GET", "/v1/tickets?printed=false", nil).body["tickets"])
	assert.Equal(t, "printed_before", print("p2").code())
	printer = fmt.Errorf("the cable was pulled in the middle")
	assert.Equal(t, "outcome_unknown", print("p3", "again", true).code())
	printer = nil
	assert.Equal(t, "outcome_unknown", print("p3", "again", true).code(), "never twice")
	assert.Equal(t, http.StatusOK, print("p4", "again", true).status)
	assert.Len(t, paper, 2)
	handed := print("p5", "again", true, "as", "escpos")
	data, err := base64.StdEncoding.DecodeString(handed.text("print.data"))
	require.NoError(t, err)
	number := numberOn(t, data)

	assert.Equal(t, "ticket_refused", till.call("POST", "/v1/tickets/inspect", map[string]any{"code": "00000000"}).code())
	shown := till.call("POST", "/v1/tickets/inspect", map[string]any{"code": number})
	assert.EqualValues(t, 500, shown.get("ticket.points"), shown.raw)
	r = other.call("POST", "/v1/redemptions", map[string]any{"code": number}, "Idempotency-Key", "d1")
	require.Equal(t, http.StatusCreated, r.status, r.raw)
	assert.EqualValues(t, 500, r.get("redemption.points"))
	assert.Equal(t, true, other.call("POST", "/v1/redemptions", map[string]any{"code": number}, "Idempotency-Key", "d1").get("repeated"))
	assert.Equal(t, "ticket_refused", other.call("POST", "/v1/redemptions", map[string]any{"code": number}, "Idempotency-Key", "d2").code())
	assert.Equal(t, "not_undoable", other.call("POST", "/v1/requests/d1/cancel", nil).code())
	assert.Equal(t, "not_undoable", till.call("POST", "/v1/requests/t1/cancel", nil).code(), "it was redeemed")

	rows, err := a.db.Query("SELECT name || ' ' || act || ' ' || body || ' ' || answer FROM agent_request")
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var kept string
		require.NoError(t, rows.Scan(&kept))
		assert.NotContains(t, kept, number)
		assert.NotContains(t, kept, number[:4]+"-"+number[4:])
		assert.NotContains(t, kept, "data")
	}
	require.NoError(t, rows.Err())
	assert.NotContains(t, a.log.String(), number)
	assert.True(t, a.exact().Exact())
}

// numberOn reads the number from a paper's bytes, as a person does.
func numberOn(t *testing.T, escpos []byte) string {
	t.Helper()
	for i := range len(escpos) - 9 {
		s := string(escpos[i : i+9])
		if s[4] == '-' && strings.IndexFunc(s[:4]+s[5:], func(r rune) bool { return r < '0' || r > '9' }) < 0 {
			return s[:4] + s[5:]
		}
	}
	require.Fail(t, "no number on the paper")
	return ""
}

// A live ticket is taken back with its points.
func TestTicketCancelled(t *testing.T) { onBoth(t, testTicketCancelled) }

func testTicketCancelled(t *testing.T, e engine) {
	a := e.start(t)
	a.enrol(2000)
	till := a.client("窓口")
	card := till.tap()
	proof := till.proof(card, "ticket", 500, simcard.DefaultAuthPIN)
	r := till.call("POST", "/v1/tickets", map[string]any{"card": card, "account": account, "points": 500, "proof": proof, "until": a.shop.Today().AddDays(1).String()}, "Idempotency-Key", "t1")
	require.Equal(t, http.StatusCreated, r.status, r.raw)
	assert.EqualValues(t, 1500, a.exact().City)
	r = till.call("POST", "/v1/requests/t1/cancel", nil)
	require.Equal(t, http.StatusOK, r.status, r.raw)
	assert.EqualValues(t, 2000, a.exact().City)
}

// What is used, given back and redeemed through the agent is settled under the
// place where its terminal stands.
func TestPlace(t *testing.T) { onBoth(t, testPlace) }

func testPlace(t *testing.T, e engine) {
	const place = "あおば市場 2号店"
	a := e.start(t, func(a *agent) { a.cfg.Place = place })
	from := a.shop.Today()
	a.enrol(2000)
	till := a.client("レジ")
	card := till.tap()
	use := till.spend("1", card, 500, till.proof(card, "use", 500, simcard.DefaultAuthPIN)).text("use.id")
	r := till.call("POST", "/v1/uses/"+use+"/refunds", map[string]any{"points": 100}, "Idempotency-Key", "2")
	require.Equal(t, http.StatusCreated, r.status, r.raw)
	id := till.ticket("3", card, 200)
	data, err := base64.StdEncoding.DecodeString(till.print("4", id, "as", "escpos").text("print.data"))
	require.NoError(t, err)
	r = till.call("POST", "/v1/redemptions", map[string]any{"code": numberOn(t, data)}, "Idempotency-Key", "5")
	require.Equal(t, http.StatusCreated, r.status, r.raw)
	c, err := a.shop.Settle(t.Context(), ticket.Period{From: from, To: a.shop.Today()})
	require.NoError(t, err)
	lines := c.Points.Places()
	require.Len(t, lines, 1)
	assert.Equal(t, place, lines[0].Place)
	assert.EqualValues(t, 500-100+200, lines[0].Sum().Points)
	data, err = base64.StdEncoding.DecodeString(till.call("POST", "/v1/prints", map[string]any{"use": use, "as": "escpos"}, "Idempotency-Key", "6").text("print.data"))
	require.NoError(t, err)
	assert.Contains(t, string(data), sjis(t, "あおば市場"))
}

// closeDay closes the list of a terminal. What began before the instant is waited for,
// and where that takes longer than a call, or another closes it, it is asked again.
func (p *pos) closeDay(key string, body map[string]any) answer {
	p.t.Helper()
	for {
		r := p.call("POST", "/v1/day/close", body, "Idempotency-Key", key)
		if r.code() != "in_progress" {
			return r
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// The list of a terminal, from one closing to the next.
func TestDay(t *testing.T) { onBoth(t, testDay) }

func testDay(t *testing.T, e engine) {
	a := e.start(t)
	a.enrol(2000)
	till := a.client("レジ")
	card := till.tap()
	proof := till.proof(card, "use", 300, simcard.DefaultAuthPIN)
	require.Equal(t, http.StatusCreated, till.spend("1", card, 300, proof).status)
	r := till.call("GET", "/v1/day", nil)
	require.Equal(t, http.StatusOK, r.status, r.raw)
	assert.Nil(t, r.get("day.since"))
	assert.Contains(t, r.get("day.sums"), map[string]any{"kind": "use", "count": 1.0, "points": 300.0})
	require.Len(t, r.get("day.acts"), 1)
	closed := till.closeDay("close-1", map[string]any{"until": r.text("day.until")})
	require.Equal(t, http.StatusCreated, closed.status, closed.raw)
	assert.Contains(t, closed.get("day.sums"), map[string]any{"kind": "use", "count": 1.0, "points": 300.0}, "the list that was closed")
	r = till.call("GET", "/v1/day", nil)
	assert.Equal(t, closed.text("day.until"), r.text("day.since"))
	assert.Empty(t, r.get("day.sums"))
	later := time.Now().Add(time.Hour).Format(time.RFC3339)
	assert.Equal(t, "bad_request", till.closeDay("close-2", map[string]any{"until": later}).code())
}

// To look at the list changes nothing: with a clock that is ahead for a moment it
// would date all that comes.
func TestDayIsOnlyLookedAt(t *testing.T) { onBoth(t, testDayIsOnlyLookedAt) }

func testDayIsOnlyLookedAt(t *testing.T, e engine) {
	a := e.start(t)
	a.enrol(2000)
	till := a.client("レジ")
	card := till.tap()
	require.Equal(t, http.StatusCreated, till.spend("1", card, 300, till.proof(card, "use", 300, simcard.DefaultAuthPIN)).status)
	final := func() (n int) {
		require.NoError(t, a.db.QueryRow("SELECT (SELECT count(*) FROM point_closed) + (SELECT count(*) FROM mall_point_closed)").Scan(&n))
		return n
	}
	before := final()
	r := till.call("GET", "/v1/day", nil)
	assert.Contains(t, r.get("day.sums"), map[string]any{"kind": "use", "count": 1.0, "points": 300.0}, r.raw)
	assert.Equal(t, before, final())
}

// A ticket is not redeemed before the last closing, by whatever clock: no list would
// have it.
func TestRedeemedAfterClosing(t *testing.T) { onBoth(t, testRedeemedAfterClosing) }

func testRedeemedAfterClosing(t *testing.T, e engine) {
	a := e.start(t)
	a.enrol(2000)
	till := a.client("レジ")
	card := till.tap()
	code := func(n string) string {
		data, err := base64.StdEncoding.DecodeString(till.print("p"+n, till.ticket("t"+n, card, 100), "as", "escpos").text("print.data"))
		require.NoError(t, err)
		return numberOn(t, data)
	}
	redeem := func(key, code string) answer {
		return till.call("POST", "/v1/redemptions", map[string]any{"code": code}, "Idempotency-Key", key)
	}
	closed := func(at time.Time) {
		_, err := a.db.Exec(fmt.Sprintf("INSERT INTO agent_day (terminal, closed) VALUES ('TILL-1', %d) ON CONFLICT (terminal) DO UPDATE SET closed = excluded.closed", at.UnixMicro()))
		require.NoError(t, err)
	}
	number := code("1")
	closed(time.Now().Add(time.Hour)) // by a clock that was set back since
	assert.Equal(t, "clock_behind", redeem("1", number).code())
	soon := time.Now().Add(200 * time.Millisecond) // by a clock that is ahead of the database's
	closed(soon)
	r := redeem("1", number)
	require.Equal(t, http.StatusCreated, r.status, r.raw)
	at, err := time.Parse(time.RFC3339, r.text("redemption.at"))
	require.NoError(t, err)
	assert.False(t, at.Before(soon.Truncate(time.Microsecond)), "%v before %v", at, soon)
}

// What is asked for again while the database cannot say what became of it is not
// told as something that was never done.
func TestAgainWithoutDatabase(t *testing.T) { onBoth(t, testAgainWithoutDatabase) }

func testAgainWithoutDatabase(t *testing.T, e engine) {
	a := e.start(t)
	a.enrol(2000)
	till := a.client("レジ")
	card := till.tap()
	proof := till.proof(card, "use", 300, simcard.DefaultAuthPIN)
	require.Equal(t, http.StatusCreated, till.spend("1", card, 300, proof).status)
	on := till.proof(card, "ticket", 500, simcard.DefaultAuthPIN)
	issue := func() answer {
		return till.call("POST", "/v1/tickets", map[string]any{"card": card, "account": account, "points": 500, "proof": on}, "Idempotency-Key", "2")
	}
	require.Equal(t, http.StatusCreated, issue().status)
	for table, again := range map[string]func() answer{
		"point_request": func() answer { return till.spend("1", card, 300, proof) },
		"ticket_ticket": issue,
	} {
		_, err := a.db.Exec("ALTER TABLE " + table + " RENAME TO away")
		require.NoError(t, err)
		assert.GreaterOrEqual(t, again().status, http.StatusInternalServerError, table)
		_, err = a.db.Exec("ALTER TABLE away RENAME TO " + table)
		require.NoError(t, err)
		assert.Equal(t, true, again().get("repeated"), table)
	}
	assert.EqualValues(t, 1200, a.exact().City)
}

// What is closed is in one list: of two programs that close one, and if the agent
// dies before it has answered.
func TestDayIsClosedOnce(t *testing.T) { onBoth(t, testDayIsClosedOnce) }

func testDayIsClosedOnce(t *testing.T, e engine) {
	a := e.start(t)
	a.enrol(2000)
	till := a.client("レジ")
	card := till.tap()
	proof := till.proof(card, "use", 300, simcard.DefaultAuthPIN)
	require.Equal(t, http.StatusCreated, till.spend("1", card, 300, proof).status)
	until := till.call("GET", "/v1/day", nil).text("day.until")
	others := []*pos{till, a.client("レジ2"), a.client("レジ3"), a.client("レジ4")}
	answers := make([]answer, len(others))
	var wg sync.WaitGroup
	for i, p := range others {
		wg.Go(func() {
			answers[i] = p.closeDay("close", map[string]any{"until": until})
		})
	}
	wg.Wait()
	listed := 0
	for _, r := range answers {
		if sums, _ := r.get("day.sums").([]any); len(sums) > 0 {
			listed++
		}
	}
	assert.Equal(t, 1, listed, "%v", answers)

	// The answer is kept with the closing.
	begin, end := "CREATE TRIGGER die BEFORE UPDATE ON agent_request BEGIN SELECT RAISE(ABORT, 'gone'); END", "DROP TRIGGER die"
	if e.name == "PostgreSQL" {
		begin = `CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'gone'; END $$;
			CREATE TRIGGER die BEFORE UPDATE ON agent_request FOR EACH ROW EXECUTE FUNCTION die()`
		end = "DROP TRIGGER die ON agent_request"
	}
	_, err := a.db.Exec(begin)
	require.NoError(t, err)
	proof = till.proof(card, "use", 200, simcard.DefaultAuthPIN)
	require.Equal(t, http.StatusCreated, till.spend("2", card, 200, proof).status)
	body := map[string]any{"until": till.call("GET", "/v1/day", nil).text("day.until")}
	lost := till.closeDay("close-2", body)
	assert.GreaterOrEqual(t, lost.status, http.StatusInternalServerError, lost.raw)
	_, err = a.db.Exec(end)
	require.NoError(t, err)
	a.stop()
	a.run()
	r := till.closeDay("close-2", body)
	assert.Contains(t, r.get("day.sums"), map[string]any{"kind": "use", "count": 1.0, "points": 200.0}, r.raw)
}

// An agent in training closes no live list, and its keys are not those of a live
// one on the same database.
func TestTraining(t *testing.T) { onBoth(t, testTraining) }

func testTraining(t *testing.T, e engine) {
	a := e.start(t)
	a.enrol(2000)
	till := a.client("レジ")
	card := till.tap()
	proof := till.proof(card, "use", 300, simcard.DefaultAuthPIN)
	use := till.spend("1", card, 300, proof).text("use.id")
	require.NotEmpty(t, use)
	live := a.cfg
	a.stop()
	a.slot.Remove(t.Context())

	cfg := shopConfig(t)
	cfg.Keys, cfg.Training = live.Keys, true
	var err error
	a.cfg.Shop, err = shop.Open(t.Context(), a.db, cfg)
	require.NoError(t, err)
	a.cfg.Training = true
	a.run()
	assert.Equal(t, "request_unknown", till.call("GET", "/v1/requests/1", nil).code())
	assert.Equal(t, "not_found", till.call("POST", "/v1/uses/"+use+"/refunds", map[string]any{"points": 1}, "Idempotency-Key", "r").code())
	assert.Equal(t, true, till.call("POST", "/v1/requests/2/cancel", nil).get("void"))
	until := till.call("GET", "/v1/day", nil)
	assert.Empty(t, until.get("day.sums"))
	r := till.closeDay("close", map[string]any{"until": until.text("day.until")})
	require.Equal(t, http.StatusCreated, r.status, r.raw)
	a.stop()

	a.cfg = live
	a.run()
	assert.Equal(t, "request_unknown", till.call("GET", "/v1/requests/2", nil).code())
	r = till.call("GET", "/v1/day", nil)
	assert.Nil(t, r.get("day.since"))
	assert.Contains(t, r.get("day.sums"), map[string]any{"kind": "use", "count": 1.0, "points": 300.0})
}
