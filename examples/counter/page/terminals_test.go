package page_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/examples/counter/page"
	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/ticket"
)

// clerk works a terminal by HTTP, for tests with many at once: what goes wrong
// is an error and no failed test yet.
type clerk struct {
	client *http.Client
	url    string
	token  string
	card   string // the presentation that the last form was for
	asked  int
}

func (c *clerk) do(method, path string, fields ...string) (string, error) {
	form := url.Values{"token": {c.token}, "card": {c.card}}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	body := ""
	if method == http.MethodPost {
		body = form.Encode()
	}
	r, err := http.NewRequest(method, c.url+path, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	c.asked++
	resp, err := c.client.Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: status %d", method, path, resp.StatusCode)
	}
	if m := tokenField.FindSubmatch(raw); m != nil {
		c.token = string(m[1])
	}
	if m := cardField.FindSubmatch(raw); m != nil {
		c.card = string(m[1])
	}
	return string(raw), err
}

// want is do for an answer that has a text.
func (c *clerk) want(text, method, path string, fields ...string) (string, error) {
	body, err := c.do(method, path, fields...)
	if err == nil && !strings.Contains(body, text) {
		err = fmt.Errorf("%s %s: no %q in the answer: %s", method, path, text, body[max(0, strings.Index(body, "<main>")):])
	}
	return body, err
}

// A code is a ticket's QR code on its way to two terminals, of which one may
// have it.
type code struct {
	text   string
	points int64
}

// ledger is what must come out in the end.
type ledger struct {
	mu       sync.Mutex
	issued   map[string]int64
	taken    map[string]int
	redeemed map[string]*ticket.Total // by terminal
	issues   []time.Duration          // from the button to the next screen
}

func (l *ledger) took(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.issues = append(l.issues, d)
}

func (l *ledger) issue(c code) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.issued[c.text] = c.points
}

func (l *ledger) take(terminal string, c code) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.taken[c.text]++
	if l.redeemed[terminal] == nil {
		l.redeemed[terminal] = new(ticket.Total)
	}
	l.redeemed[terminal].Tickets++
	l.redeemed[terminal].Points += c.points
}

// Many terminals on one database, each with its own program's worth of page,
// shop and connections, a card in its reader and a clerk who issues, prints and
// redeems. Every ticket is presented at two terminals; merge files come to two. In
// the end the settlement is that of the model, to the point. With MYNAKIT_LONG it
// is 20 terminals for three minutes, each with a customer every four seconds, and
// on PostgreSQL the 95th of 100 issues takes less than 250 ms. The software cards
// sign on the same machine.
func TestTerminals(t *testing.T) {
	t.Run("postgres", func(t *testing.T) { terminals(t, "pgx", pg.DSN(t), 250*time.Millisecond) })
	t.Run("sqlite", func(t *testing.T) { terminals(t, "sqlite", dbtest.SQLite(t.TempDir()), 0) })
}

// customerEvery is how often a customer comes to each of many terminals: more often
// than to any counter.
const customerEvery = 4 * time.Second

func terminals(t *testing.T, driver, dsn string, p95 time.Duration) {
	terminals, rounds, lasts := 4, 3, time.Duration(0)
	long := os.Getenv("MYNAKIT_LONG") != ""
	if long {
		terminals, rounds, lasts = 20, 0, 3*time.Minute
	}
	cfg := shopConfig(t)
	cfg.Clock = nil // the database's, as in a shop
	model := &ledger{issued: map[string]int64{}, taken: map[string]int{}, redeemed: map[string]*ticket.Total{}}
	clerks := make([]*clerk, terminals)
	shops := make([]*shop.Shop, terminals)
	inboxes := make([]string, terminals)
	queues := make([]chan code, terminals)
	for i := range terminals {
		db, err := sql.Open(driver, dsn)
		require.NoError(t, err)
		db.SetMaxOpenConns(4)
		t.Cleanup(func() { assert.NoError(t, db.Close()) })
		shops[i], err = shop.Open(t.Context(), db, cfg)
		require.NoError(t, err)
		inboxes[i], queues[i] = t.TempDir(), make(chan code, 1<<16)
		term := serve(t, shops[i], func(c *page.Config) { c.Terminal, c.Inbox = terminalName(i), inboxes[i] })
		card, _ := enrolled(t, shops[i], uint(i+1), 50_000_000)
		term.open(t).put(card, "known")
		jar, err := cookiejar.New(nil)
		require.NoError(t, err)
		clerks[i] = &clerk{client: &http.Client{Jar: jar, Transport: &http.Transport{}}, url: term.url}
		t.Cleanup(clerks[i].client.CloseIdleConnections)
		// The person who put the card there has gone: the clerk takes over.
		_, err = clerks[i].do(http.MethodPost, "/take", "key", strings.TrimPrefix(term.key(), "key="))
		require.NoError(t, err)
	}

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var issuing, working sync.WaitGroup
	errs := make(chan error, terminals)
	began := time.Now()
	issuing.Add(terminals)
	for i := range terminals {
		working.Go(func() {
			c, name := clerks[i], terminalName(i)
			done := false
			finish := func() {
				if !done {
					issuing.Done()
				}
				done = true
			}
			defer finish()
			fail := func(err error) {
				errs <- fmt.Errorf("%s: %w", name, err)
				stop()
			}
			more := func(n int) bool {
				return ctx.Err() == nil && (lasts > 0 && time.Since(began) < lasts || n < rounds)
			}
			var customers <-chan time.Time // nil: the next one is there already
			if long {
				ticker := time.NewTicker(customerEvery)
				defer ticker.Stop()
				customers = ticker.C
			}
			for n := 0; more(n); n++ {
				if customers != nil {
					select {
					case <-customers:
					case <-ctx.Done():
						return
					}
				}
				ticket, err := c.issue(shops[i], name, int64(100+n%7*100+i), model)
				if err != nil {
					fail(err)
					return
				}
				model.issue(ticket)
				for next := range 2 {
					queues[(i+1+next)%terminals] <- ticket
				}
				for len(queues[i]) > 0 {
					if err := c.redeem(<-queues[i], name, model); err != nil {
						fail(err)
						return
					}
				}
				if _, err := c.want("T-", http.MethodGet, "/settle"); err != nil {
					fail(err)
					return
				}
			}
			// All tickets there will ever be are on their way now.
			finish()
			issuing.Wait()
			for len(queues[i]) > 0 && ctx.Err() == nil {
				if err := c.redeem(<-queues[i], name, model); err != nil {
					fail(err)
					return
				}
			}
		})
	}
	// Meanwhile merge files come, each to two terminals.
	merged := 0
	for i := range terminals {
		file := mergeFile(t, cfg.Keys, 1+10*i, 10)
		merged += 10
		deliver(t, inboxes[i], "a.dat", file)
		deliver(t, inboxes[(i+1)%terminals], "b.dat", file)
	}
	working.Wait()
	took := time.Since(began)
	close(errs)
	var all []error
	for err := range errs {
		all = append(all, err)
	}
	require.NoError(t, errors.Join(all...))
	asked := 0
	for _, c := range clerks {
		_, err := c.do(http.MethodPost, "/merge/look")
		require.NoError(t, err)
		asked += c.asked
	}

	// The books.
	require.Len(t, model.taken, len(model.issued), "every ticket was redeemed")
	for _, n := range model.taken {
		assert.Equal(t, 1, n, "and none twice")
	}
	s := shops[0]
	books, err := s.Books(t.Context())
	require.NoError(t, err)
	assert.True(t, books.Exact(), "%+v", books)
	closing, err := s.Settle(t.Context(), ticket.Period{From: s.Today().AddDays(-1), To: s.Today()}) // midnight may have gone by
	require.NoError(t, err)
	assert.Len(t, closing.Tickets.Terminals(), len(model.redeemed))
	var points int64
	for _, total := range closing.Tickets.Terminals() {
		assert.Equal(t, *model.redeemed[total.Terminal], total.Total, total.Terminal)
		points += total.Points
	}
	assert.Equal(t, points, books.Ticketed, "what was taken from the holders is what was redeemed")
	assert.EqualValues(t, merged, closing.Merged.Records, "each merge file once")
	slices.Sort(model.issues)
	at := func(percent int) time.Duration {
		return model.issues[(len(model.issues)-1)*percent/100].Round(time.Millisecond)
	}
	t.Logf("issue: median %s, 95th of 100 %s, slowest %s", at(50), at(95), at(100))
	if long && p95 > 0 {
		assert.Less(t, at(95), p95, "the 95th of 100 issues")
	}
	t.Logf("%d terminals, %s: %d tickets issued, printed and redeemed, %d requests (%.0f/s), no error, books exact",
		terminals, took.Round(time.Millisecond), len(model.issued), asked, float64(asked)/took.Seconds())
}

func terminalName(i int) string { return fmt.Sprintf("T-%02d", i+1) }

// issue issues a ticket and prints it; its QR code is what the paper has.
func (c *clerk) issue(s *shop.Shop, terminal string, points int64, model *ledger) (code, error) {
	if _, err := c.want(`name="points"`, http.MethodGet, "/issue"); err != nil {
		return code{}, err
	}
	if _, err := c.want("/issue/issue", http.MethodPost, "/issue/check", "points", fmt.Sprint(points), "until", s.Today().AddDays(30).String()); err != nil {
		return code{}, err
	}
	began := time.Now()
	if _, err := c.want("ポイント券を発行しました", http.MethodPost, "/issue/issue", "pin", "1234"); err != nil {
		return code{}, err
	}
	model.took(time.Since(began))
	svg, err := c.want("<svg", http.MethodGet, "/print/ticket.svg")
	if err != nil {
		return code{}, err
	}
	number := ticketNumber.FindStringSubmatch(svg)[1]
	t, err := s.Inspect(context.Background(), s.Terminal(terminal), ticket.NewCode(number))
	if err != nil {
		return code{}, err
	}
	slip, err := s.Slip(t)
	if err != nil {
		return code{}, err
	}
	_, err = c.want(`name="points"`, http.MethodPost, "/issue/end")
	return code{slip.QR.Reveal(), points}, err
}

// redeem presents a ticket; whether it was redeemed here, the screen says.
func (c *clerk) redeem(t code, terminal string, model *ledger) error {
	const refused = "このポイント券は利用できません"
	if _, err := c.want(`name="code"`, http.MethodGet, "/redeem"); err != nil {
		return err
	}
	body, err := c.do(http.MethodPost, "/redeem/inspect", "code", t.text)
	if err != nil {
		return err
	}
	if strings.Contains(body, refused) {
		return nil // the other terminal was first
	}
	if body, err = c.do(http.MethodPost, "/redeem/redeem"); err != nil {
		return err
	}
	switch {
	case strings.Contains(body, "ポイントのポイント券を消し込みました"):
		model.take(terminal, t)
	case !strings.Contains(body, refused):
		return fmt.Errorf("neither redeemed nor refused: %s", body[max(0, strings.Index(body, "<main>")):])
	}
	return nil
}
