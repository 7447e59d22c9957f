package api_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/japanese"

	"github.com/mynakit/mynakit/examples/agent/api"
	"github.com/mynakit/mynakit/simcard"
)

// printer counts papers, and can be given a fault.
type printer struct {
	mu     sync.Mutex
	papers [][]byte
	fault  error
	during func() // called while it prints
}

func (p *printer) print(_ ctx, escpos []byte) error {
	p.mu.Lock()
	fault, during := p.fault, p.during
	if fault == nil {
		p.papers = append(p.papers, slices.Clone(escpos))
	}
	p.mu.Unlock()
	if during != nil {
		during()
	}
	return fault
}

func (p *printer) set(fault error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = fault
}

func (p *printer) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.papers)
}

// ticket issues a ticket and returns its id.
func (p *pos) ticket(key, card string, points int) string {
	p.t.Helper()
	proof := p.proof(card, "ticket", points, simcard.DefaultAuthPIN)
	r := p.call("POST", "/v1/tickets", map[string]any{"card": card, "account": account, "points": points, "proof": proof}, "Idempotency-Key", key)
	require.Equal(p.t, http.StatusCreated, r.status, r.raw)
	return r.text("ticket.id")
}

func (p *pos) print(key, ticket string, more ...any) answer {
	p.t.Helper()
	body := map[string]any{"ticket": ticket}
	for i := 0; i < len(more); i += 2 {
		body[more[i].(string)] = more[i+1]
	}
	return p.call("POST", "/v1/prints", body, "Idempotency-Key", key)
}

// Of many keys that would print one ticket at one moment one does, also with two
// agents on one database.
func TestPrintOnce(t *testing.T) { onBoth(t, testPrintOnce) }

func testPrintOnce(t *testing.T, e engine) {
	var p printer
	a := e.start(t, func(a *agent) { a.cfg.Printer = p.print })
	a.enrol(2000)
	till := a.client("窓口")
	card := till.tap()
	for n, as := range []string{"paper", "escpos"} {
		id := till.ticket(fmt.Sprint("t", n), card, 100)
		// Another agent of this terminal, as after a mistake in its installation.
		twin := *a
		twin.run()
		before := p.count()
		var printed atomic.Int64
		var wg sync.WaitGroup
		for i := range 12 {
			of := &pos{agent: []*agent{a, &twin}[i%2], token: till.token}
			wg.Go(func() {
				key := fmt.Sprint("p", n, "-", i)
				r := of.print(key, id, "as", as)
				for r.code() == "in_progress" {
					time.Sleep(5 * time.Millisecond) // SQLite has no turns: who never rests keeps others out
					r = of.print(key, id, "as", as)
				}
				if r.status == http.StatusOK {
					printed.Add(1)
				} else {
					assert.Equal(t, "printed_before", r.code(), r.raw)
				}
			})
		}
		wg.Wait()
		twin.stop()
		assert.EqualValues(t, 1, printed.Load(), as)
		assert.Equal(t, before+1-n, p.count(), as)
	}
}

// A printer that dies in the middle: nobody prints the ticket again but who says
// that they have looked, and that paper is marked. The keys are as they were after
// a restart.
func TestPrinterDies(t *testing.T) { onBoth(t, testPrinterDies) }

func testPrinterDies(t *testing.T, e engine) {
	var p printer
	a := e.start(t, func(a *agent) { a.cfg.Printer = p.print })
	a.enrol(2000)
	till := a.client("窓口")
	card := till.tap()
	id := till.ticket("t", card, 100)
	p.set(api.ErrPaper)
	assert.Equal(t, "printer_paper", till.print("p1", id).code())
	assert.Equal(t, "request_unknown", till.call("GET", "/v1/requests/p1", nil).code())
	p.set(errors.New("the cable was pulled"))
	assert.Equal(t, "outcome_unknown", till.print("p1", id).code(), "with paper, by the same key")
	p.set(nil)
	again := func() {
		for _, key := range []string{"p1", "p2"} {
			assert.Equal(t, "outcome_unknown", till.print(key, id).code(), key)
		}
		assert.Equal(t, "outcome_unknown", till.call("GET", "/v1/requests/p1", nil).code())
		assert.Equal(t, "outcome_unknown", till.call("POST", "/v1/requests/p1/cancel", nil).code())
	}
	again()
	a.stop()
	a.run()
	again()
	assert.Zero(t, p.count())
	assert.Len(t, till.call("GET", "/v1/tickets?printed=false", nil).body["tickets"], 1)
	r := till.print("p3", id, "again", true)
	require.Equal(t, http.StatusOK, r.status, r.raw)
	require.Equal(t, 1, p.count())
	assert.Contains(t, string(p.papers[0]), sjis(t, "再発行"))
	assert.Equal(t, "outcome_unknown", till.print("p1", id).code(), "never twice")
	assert.Equal(t, "printed_before", till.print("p4", id).code())
	assert.Equal(t, true, till.print("p3", id, "again", true).get("repeated"))
	assert.Equal(t, "not_undoable", till.call("POST", "/v1/requests/p3/cancel", nil).code())
	assert.Equal(t, true, till.call("POST", "/v1/requests/p4/cancel", nil).get("void"), "it printed nothing, and will not")
	assert.Equal(t, "request_void", till.print("p4", id, "again", true).code())
	assert.Equal(t, 1, p.count())
}

// An agent that dies while it prints: its ticket is nobody's for a moment, and then
// as after a printer that died.
func TestAgentDiesPrinting(t *testing.T) { onBoth(t, testAgentDiesPrinting) }

func testAgentDiesPrinting(t *testing.T, e engine) {
	var p printer
	a := e.start(t, func(a *agent) { a.cfg.Printer = p.print })
	a.enrol(2000)
	till := a.client("窓口")
	card := till.tap()
	id := till.ticket("t", card, 100)
	// What it has written down when it prints is what is left of it.
	type row struct {
		object, client, name string
		at                   int64
	}
	var left row
	p.during = func() {
		assert.NoError(t, a.db.QueryRow("SELECT object, client, name, at FROM agent_paper").Scan(&left.object, &left.client, &left.name, &left.at))
		var kept string
		assert.NoError(t, a.db.QueryRow("SELECT answer FROM agent_request WHERE name = 'p1'").Scan(&kept))
		assert.Contains(t, kept, "outcome_unknown")
	}
	require.Equal(t, http.StatusOK, till.print("p1", id).status)
	p.during = nil
	require.Equal(t, "p1", left.name)
	exec := func(query string) {
		t.Helper()
		_, err := a.db.Exec(query)
		require.NoError(t, err)
	}
	var none int
	require.NoError(t, a.db.QueryRow("SELECT count(*) FROM agent_paper").Scan(&none))
	assert.Zero(t, none)
	lost := func(at int64) {
		exec("DELETE FROM agent_paper")
		exec(fmt.Sprintf("INSERT INTO agent_paper (object, client, name, at) VALUES ('%s', '%s', 'p1', %d)", left.object, left.client, at))
	}
	exec("UPDATE ticket_ticket SET unprinted = 1")
	exec(`UPDATE agent_request SET answer = '{"error":"outcome_unknown"}' WHERE name = 'p1'`)
	a.stop()
	a.run()
	lost(time.Now().UnixMicro())
	assert.Equal(t, "in_progress", till.print("p2", id).code(), "for all that is known")
	for _, at := range []int64{left.at - 3600e6, left.at + 3600e6} { // also if a clock was set back
		lost(at)
		for _, key := range []string{"p1", "p2"} {
			assert.Equal(t, "outcome_unknown", till.print(key, id).code(), key)
		}
	}
	lost(left.at - 3600e6)
	assert.Equal(t, http.StatusOK, till.print("p3", id, "again", true).status)
	assert.Equal(t, 2, p.count())
}

func sjis(t *testing.T, s string) string {
	t.Helper()
	b, err := japanese.ShiftJIS.NewEncoder().String(s)
	require.NoError(t, err)
	return strings.TrimSpace(b)
}
