package page_test

import (
	"database/sql"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/examples/counter/page"
	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/simcard"
)

// small is what a statement may read whole: a programme's few rows, what is there
// only when something went wrong, and rows that are no table's. "a" is one
// person's choices.
var small = regexp.MustCompile(`^(\w+_(programme|unfinished|schema_version)\b.*|CONSTANT ROW|\d+-ROW VALUES CLAUSE|a)$`)

// Every statement of every screen goes by an index: what grows for years makes no
// screen slower. The settlement reads its period, by the index of the time.
func TestNothingScans(t *testing.T) {
	cfg := shopConfig(t)
	cfg.Outbox, cfg.WithoutPIN = t.TempDir(), 100
	dsn := dbtest.FastSQLite(t.TempDir())
	hooked := &dbtest.Hooked{DSN: dsn}
	db := sql.OpenDB(hooked)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	s, err := shop.Open(t.Context(), db, cfg)
	require.NoError(t, err)
	card, _ := enrolled(t, s, 1, 9000)
	inbox := t.TempDir()
	deliver(t, inbox, "a.dat", mergeFile(t, cfg.Keys, 1, 2))

	var mu sync.Mutex
	seen := map[string]bool{}
	hooked.Set(func(step dbtest.Step) error {
		mu.Lock()
		defer mu.Unlock()
		seen[step.What] = true
		return nil
	})
	p := serve(t, s, func(c *page.Config) {
		c.Inbox = inbox
		c.Grants = []page.Grant{{Key: "walk-2026", Name: "W", Points: 5}}
	}).open(t).put(card, "known")
	pin := simcard.DefaultAuthPIN
	p.get("/service").send("/service/check", "operator", "000002", "customer", "520625").send("/service/register", "pin", pin)
	p.get("/lookup").get("/issue").send("/issue/check", "points", "100", "until", s.Today().String()).send("/issue/issue", "pin", pin).get("/print/ticket.svg")
	number := ticketNumber.FindStringSubmatch(p.body)[1]
	p.get("/issue").send("/issue/reprint").send("/issue/end").get("/tickets").send("/tickets/find", "code", number).send("/tickets/replace").get("/print/ticket.svg")
	number = ticketNumber.FindStringSubmatch(p.body)[1]
	p.get("/redeem").send("/redeem/inspect", "code", number).send("/redeem/redeem")
	p.get("/use").send("/use/check", "points", "100").send("/use/use", "pin", pin).send("/use/undo").sees("取り消しました")
	p.get("/combine").send("/combine/check", "points", "100").send("/combine/combine", "pin", pin).send("/combine/end").send("/combine/number", "customer", "520625").sees("ポイントの種類")
	p.get("/grant").send("/grant/give", "grant", "walk-2026").get("/merge").send("/merge/look").get("/settle").get("/settle/uses.csv").get("/settle/details.csv")
	p.get("/notice").send("/notice/begin").get("/account").send("/account/pin", "pin", pin).send("/account/choose", "id", "AOBA2026").send("/account/accept").sees("変更しました")
	p.get("/")
	hooked.Set(nil)

	parameter := regexp.MustCompile(`\$\d+|\?\d*`)
	looked := 0
	for _, statement := range slices.Sorted(maps.Keys(seen)) {
		if !regexp.MustCompile(`(?i)^\s*(SELECT|WITH|UPDATE|DELETE|INSERT)`).MatchString(statement) {
			continue
		}
		looked++
		args := make([]any, len(parameter.FindAllString(statement, -1)))
		if strings.Contains(statement, "$") || regexp.MustCompile(`\?\d`).MatchString(statement) {
			distinct := map[string]bool{}
			for _, name := range parameter.FindAllString(statement, -1) {
				distinct[name] = true
			}
			args = make([]any, len(distinct))
		}
		rows, err := db.Query("EXPLAIN QUERY PLAN "+statement, args...)
		require.NoError(t, err, statement)
		for rows.Next() {
			var id, parent, unused int
			var detail string
			require.NoError(t, rows.Scan(&id, &parent, &unused, &detail))
			if strings.Contains(statement, "unprinted IS NOT NULL") && strings.HasPrefix(detail, "SEARCH ") {
				assert.Contains(t, detail, "ticket_unprinted", "the menu reads all that is live: %s", statement)
			}
			table, scan := strings.CutPrefix(detail, "SCAN ")
			if scan && !small.MatchString(table) {
				assert.Fail(t, "a whole table is read", "%s\n%s", detail, statement)
			}
		}
		require.NoError(t, rows.Err())
		require.NoError(t, rows.Close())
	}
	require.Greater(t, looked, 60, "the statements of a day")
}
