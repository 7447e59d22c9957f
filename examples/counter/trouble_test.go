package main

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/simcard/fault"
)

// openShopDB opens a run's database beside the run.
func openShopDB(t testing.TB, dir string) *sql.DB {
	t.Helper()
	db, err := openDatabase(t.Context(), "", dir)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	return db
}

// What goes wrong says what it is and what to do, in either language, and the
// program ends with 1.
func TestTroubleIsTold(t *testing.T) {
	ready := func(t *testing.T) string {
		dir := t.TempDir()
		mustCounter(t, "-data", dir)
		return dir
	}
	sentence := regexp.MustCompile(`[A-Za-z]+[,;:.]? +[A-Za-z]+[,;:.]? +[A-Za-z]+`)
	for _, c := range []struct {
		name   string
		args   func(t *testing.T) []string
		en, ja string // what is said
		again  bool   // the books can be looked at afterwards
	}{
		{"a file where the folder should be", func(t *testing.T) []string {
			file := filepath.Join(t.TempDir(), "file")
			require.NoError(t, os.WriteFile(file, nil, 0o600))
			return []string{"-data", filepath.Join(file, "counter")}
		}, "folder cannot be used", "フォルダーを使えません", false},
		{"a folder that cannot be written", func(t *testing.T) []string {
			if runtime.GOOS == "windows" || os.Geteuid() == 0 {
				t.Skip("whoever runs this may write everywhere")
			}
			dir := t.TempDir()
			require.NoError(t, os.Chmod(dir, 0o500))
			return []string{"-data", dir}
		}, "There is no permission", "権限がありません", false},
		{"a database of a newer version", func(t *testing.T) []string {
			dir := ready(t)
			db := openShopDB(t, dir)
			var table string
			require.NoError(t, db.QueryRow(`SELECT name FROM sqlite_master WHERE name LIKE '%schema%' AND type = 'table'`).Scan(&table))
			_, err := db.Exec("UPDATE " + table + " SET version = 99")
			require.NoError(t, err)
			return []string{"-data", dir}
		}, "newer version", "新しいバージョン", false},
		{"a file that is no database", func(t *testing.T) []string {
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "shop.db"), []byte(strings.Repeat("no database ", 1000)), 0o600))
			return []string{"-data", dir}
		}, "damaged, or is none", "壊れているか", false},
		{"the keys of another shop", func(t *testing.T) []string {
			dir := ready(t)
			require.NoError(t, os.Remove(filepath.Join(dir, "keys.json")))
			return []string{"-data", dir}
		}, "another key file", "別の鍵ファイル", false},
		{"a damaged key file", func(t *testing.T) []string {
			dir := ready(t)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "keys.json"), []byte(`{"pseudonym": "c2hvcnQ="}`), 0o600))
			return []string{"-data", dir}
		}, "key file is damaged", "鍵ファイルが壊れています", false},
		{"keys that others can read", func(t *testing.T) []string {
			if runtime.GOOS == "windows" {
				t.Skip("Windows has other permissions")
			}
			dir := ready(t)
			require.NoError(t, os.Chmod(filepath.Join(dir, "keys.json"), 0o644))
			return []string{"-data", dir}
		}, "can read or change", "ほかのユーザーが", false},
		{"a server that is away", func(t *testing.T) []string {
			return []string{"-data", t.TempDir(), "-db", "postgres://clerk:open-sesame-42@127.0.0.1:1/shop?connect_timeout=5"}
		}, "There is no connection", "サーバーに接続できません", false},
		{"a database that the server does not have", func(t *testing.T) []string {
			absent := regexp.MustCompile(`dbname=\S+`).ReplaceAllString(pg.DSN(t), "dbname=nobody_made_this")
			require.Contains(t, absent, "nobody_made_this")
			return []string{"-data", t.TempDir(), "-db", absent}
		}, "does not let us in", "接続できないか、権限がありません", false},
		{"a database of another kind", func(t *testing.T) []string {
			return []string{"-data", t.TempDir(), "-db", "mysql://clerk:open-sesame-42@127.0.0.1/shop"}
		}, "-db wants postgres://", "-db には postgres://", false},
		{"a port that is taken", func(t *testing.T) []string {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			t.Cleanup(func() { l.Close() })
			return []string{"-data", ready(t), "-serve", l.Addr().String()}
		}, "Cannot wait at 127.0.0.1", "待ち受けられません", true},
		{"a port for the samples that is taken", func(t *testing.T) []string {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			t.Cleanup(func() { l.Close() })
			return []string{"-data", ready(t), "-serve", "127.0.0.1:0", "-samples", l.Addr().String()}
		}, "Cannot wait at 127.0.0.1", "待ち受けられません", true},
		{"a folder as the database", func(t *testing.T) []string {
			return []string{"-data", t.TempDir(), "-db", t.TempDir()}
		}, "-db wants postgres://", "-db には postgres://", false},
		{"a page for the whole network", func(t *testing.T) []string {
			return []string{"-data", t.TempDir(), "-serve", "0.0.0.0:0"}
		}, "-serve wants an address of this machine", "-serve には、この端末だけで使えるアドレス", false},
		{"sample cards for the whole network", func(t *testing.T) []string {
			return []string{"-data", t.TempDir(), "-serve", "127.0.0.1:0", "-samples", "0.0.0.0:0"}
		}, "-samples wants an address of this machine", "-samples には、この端末だけで使えるアドレス", false},
		{"a terminal that cannot be", func(t *testing.T) []string {
			return []string{"-data", t.TempDir(), "-terminal", "till no. 2"}
		}, "-terminal wants letters", "-terminal には英数字", false},
		{"roots that are none", func(t *testing.T) []string {
			return []string{"-data", t.TempDir(), "-reader", "auto", "-roots", filepath.Join(t.TempDir(), "none.pem")}
		}, "is not there", "見つかりません", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := c.args(t)
			for lang, want := range map[string]string{"en": c.en, "ja": c.ja} {
				code, _, errs := counter(t.Context(), append(args, "-lang", lang)...)
				if strings.Contains(c.en, " wants ") {
					assert.Equal(t, exitUsage, code)
				} else {
					assert.Equal(t, exitError, code)
				}
				assert.Contains(t, errs, want)
				assert.NotContains(t, errs, "open-sesame-42")
				assert.NotContains(t, errs, "unforeseen")
				assert.NotContains(t, errs, "予期しない")
				if lang == "ja" && (strings.Contains(errs, "詳細の記録") || !strings.Contains(errs, "(")) {
					assert.Empty(t, sentence.FindString(errs), "in English")
				}
				if lang == "ja" && c.name == "a damaged key file" {
					assert.Contains(t, errs, "詳細の記録")
					log, err := os.ReadFile(filepath.Join(args[1], "counter.log"))
					require.NoError(t, err)
					assert.Contains(t, string(log), shop.ErrKeyFile.Error())
				}
			}
			if c.again {
				mustCounter(t, "-data", args[1])
			}
		})
	}
}

// Whether the program is built with PC/SC or not, and whether its service runs
// or not: a reader that is not there is told.
func TestReaderThatIsNotThere(t *testing.T) {
	code, out, errs := counter(t.Context(), "-data", t.TempDir(), "-reader", "No Such Reader 9")
	assert.Equal(t, exitError, code)
	assert.Contains(t, out, "Put the card on the reader.")
	assert.NotContains(t, errs, "unforeseen")
	assert.Regexp(t, "PC/SC|pcscd|reader is not there", errs)
}

func TestFlagsThatAreNone(t *testing.T) {
	for _, args := range [][]string{{"-lang", "fr"}, {"-nonsense"}, {"shop.db"}, {"-samples", "127.0.0.1:0"}} {
		code, out, errs := counter(t.Context(), args...)
		assert.Equal(t, exitUsage, code, args)
		assert.Empty(t, out)
		assert.NotEmpty(t, errs)
	}
	code, _, errs := counter(t.Context(), "-help")
	assert.Zero(t, code)
	assert.Contains(t, errs, "-serve")
}

// Another program holds the database for longer than ours waits.
func TestLockedDatabase(t *testing.T) {
	if !long() {
		t.Skip("waits a quarter of a minute: MYNAKIT_LONG=1")
	}
	dir := t.TempDir()
	mustCounter(t, "-data", dir)
	db := openShopDB(t, dir)
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	require.NoError(t, err)
	code, out, errs := counter(t.Context(), "-data", dir)
	assert.Equal(t, exitError, code, out)
	assert.Contains(t, errs, "Another program holds the database")
	_, err = conn.ExecContext(t.Context(), "ROLLBACK")
	require.NoError(t, err)
	assert.Contains(t, mustCounter(t, "-data", dir), "1,000 on tickets + 600 to the mall")
}

// faultyReader has a card that goes wrong in one exchange of the day.
type faultyReader struct{ card *fault.Card }

func (r faultyReader) WaitCard(context.Context) (apdu.Transmitter, error) {
	r.card.PowerOn()
	return r.card, nil
}
func (r faultyReader) WaitRemoved(context.Context) error { return nil }
func (r faultyReader) Close() error                      { return nil }

// The card is lifted at some exchange, or the reader unplugged: the day ends
// with words, and the next run, with the card back, goes on to exact books.
func TestCardLiftedDuringTheDay(t *testing.T) {
	dir := t.TempDir()
	play := func(card *fault.Card) (string, error) {
		var out strings.Builder
		w := &world{stdout: &out, stderr: io.Discard, now: now}
		o := &options{world: w, lang: "en", data: dir, reader: "sim", terminal: "OFFICE-1"}
		p, err := openPlace(t.Context(), o)
		require.NoError(t, err)
		defer p.Close()
		d := &day{
			speaker: speaker{lang: "en", lines: english(), out: &out},
			place:   p, cards: faultyReader{card}, wait: time.Minute, sim: true,
			office: p.shop.Terminal("OFFICE-1"), till: p.shop.Terminal("TILL-2"),
		}
		return out.String(), d.run(t.Context())
	}
	for n := 1; ; n += 5 {
		card := fault.Wrap(simcard.New(), fault.Rule{When: fault.Nth(n), Do: fault.RemoveAfter()})
		_, err := play(card)
		if card.Applied() == 0 {
			require.NoError(t, err, "the day has %d exchanges", card.Exchanges())
			require.Greater(t, n, 15)
			break
		}
		require.ErrorIs(t, err, apdu.ErrCardRemoved, "exchange %d", n)
	}
	assert.Contains(t, mustCounter(t, "-data", dir), "Both are exact.")
}

// The program is killed after any line that it says, again and again on one
// database. Each run goes on from the one before, and in the end every point is
// where it should be and none is owed.
func TestKilledAnywhere(t *testing.T) {
	lines := strings.Count(mustCounter(t, "-data", t.TempDir()), "\n")
	every := 7
	if long() {
		every = 1
	}
	dir := t.TempDir()
	for n := 1; n < lines; n += every {
		killed(t, n, dir)
	}
	out := mustCounter(t, "-data", dir)
	var granted, used, tickets, mall, rest, merged, members int
	books := strings.ReplaceAll(out[strings.Index(out, "Books:"):], ",", "")
	_, err := fmt.Sscanf(books, "Books: %d points granted = %d used + %d on tickets + %d to the mall + %d with holders.\n   Books: %d points merged = %d with",
		&granted, &used, &tickets, &mall, &rest, &merged, &members)
	require.NoError(t, err, books)
	assert.Equal(t, granted, used+tickets+mall+rest)
	assert.Equal(t, mall, merged, "nothing is on its way any more")
	assert.Equal(t, merged, members)

	// What was redeemed was paid for, and what was paid for is redeemed or on
	// a paper that is still good.
	db := openShopDB(t, dir)
	var live, redeemed int
	require.NoError(t, db.QueryRow(`SELECT SUM(CASE WHEN state = 1 THEN points ELSE 0 END), SUM(CASE WHEN state = 2 THEN points ELSE 0 END)
		FROM ticket_ticket WHERE payment IS NOT NULL`).Scan(&live, &redeemed))
	assert.Equal(t, tickets, live+redeemed)
	var unpaid int
	require.NoError(t, db.QueryRow("SELECT COUNT(*) FROM ticket_ticket WHERE payment IS NULL").Scan(&unpaid))
	assert.Zero(t, unpaid)
}

// killed starts the program and kills it when it has said n lines. What it does
// in that moment is left to chance.
func killed(t *testing.T, n int, dir string) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, "-lang", "en", "-data", dir)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	said := bufio.NewScanner(out)
	for i := 0; i < n && said.Scan(); i++ {
	}
	_ = cmd.Process.Kill() // it may have come to its end
	_, _ = io.Copy(io.Discard, out)
	_ = cmd.Wait()
	require.Empty(t, errs.String(), "after %d lines", n)
}

// The page is there, and ends when it is told to, with what is under way done.
func TestServe(t *testing.T) {
	before := goleak.IgnoreCurrent()
	defer func() { assert.NoError(t, dbtest.Leaks(before)) }()
	ctx, stop := context.WithCancel(t.Context())
	read, write := io.Pipe()
	ended := make(chan int, 1)
	var errs strings.Builder
	dir := t.TempDir()
	go func() {
		w := &world{func(string) string { return "ja_JP.UTF-8" }, write, &errs, time.Now}
		ended <- w.run(ctx, []string{"-data", dir, "-serve", "127.0.0.1:0", "-samples", "127.0.0.1:0"})
		write.Close()
	}()
	lines := bufio.NewScanner(read)
	var urls []string
	for len(urls) < 2 && lines.Scan() {
		urls = append(urls, regexp.MustCompile(`http://\S+`).FindAllString(lines.Text(), 1)...)
	}
	require.Len(t, urls, 2)
	samples, url := urls[0], urls[1]
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	client := &http.Client{Jar: jar, Transport: &http.Transport{DisableKeepAlives: true}}
	post := func(url string) {
		t.Helper()
		r, err := http.NewRequest(http.MethodPost, url, nil)
		require.NoError(t, err)
		answer, err := client.Do(r)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		assert.Equal(t, http.StatusOK, answer.StatusCode)
	}
	post(samples + "/slots/3/v1/card/insert")
	answer, err := client.Get(samples + "/slots/3/v1/card")
	require.NoError(t, err)
	card, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	assert.Contains(t, string(card), `"kind":"android","holder":3,"inserted":true`, "the page's sample phone")
	answer, err = client.Get(url)
	require.NoError(t, err)
	page, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	assert.Equal(t, http.StatusOK, answer.StatusCode)
	assert.Contains(t, string(page), `lang="ja"`)
	stop()
	_, _ = io.Copy(io.Discard, read)
	assert.Zero(t, <-ended, errs.String())
}

// Without root certificates a real card is recognised and not enrolled, and
// nobody types a PIN for nothing.
func TestNoRoots(t *testing.T) {
	var out strings.Builder
	card := simcard.New()
	o := &options{world: &world{stdout: &out, stderr: io.Discard, now: now}, lang: "en", data: t.TempDir(), reader: "auto"}
	p, err := openPlace(t.Context(), o)
	require.NoError(t, err)
	defer p.Close()
	d := &day{
		speaker: speaker{lang: "en", lines: english(), out: &out},
		place:   p, cards: faultyReader{fault.Wrap(card)}, wait: time.Minute,
		office: p.shop.Terminal("OFFICE-1"), till: p.shop.Terminal("TILL-2"),
		pin: func(context.Context, int) (jpki.PIN, error) {
			t.Error("the PIN was asked for")
			return jpki.PIN{}, nil
		},
	}
	assert.ErrorIs(t, d.run(t.Context()), shop.ErrNoRoots)
	assert.Contains(t, out.String(), "2 exchanges, 60 bytes")
	assert.Equal(t, 3, card.Tries(simcard.AuthPIN))
}
