package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/internal/pgtest"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/simcard"
)

var (
	pg     pgtest.Server
	update = flag.Bool("update", false, "write what the day says into testdata")
)

// asProgram makes the test binary the program itself, for tests that kill it.
const asProgram = "MYNAKIT_TEST_COUNTER"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(system().run(context.Background(), os.Args[1:]))
	}
	ownUmask()
	code := m.Run()
	pg.Stop()
	os.Exit(code)
}

// long is for what takes more time than a change should wait for.
func long() bool { return os.Getenv("MYNAKIT_LONG") == "1" }

// now is a clock that goes, but for all runs of a test within one day, even at
// midnight.
func now() time.Time { return began.Add(time.Duration(ticks.Add(1)) * time.Microsecond) }

var (
	began = time.Now()
	ticks atomic.Int64
)

// counter runs the program and gives its exit code and what it said.
func counter(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	w := &world{func(string) string { return "" }, &out, &errs, now}
	code = w.run(ctx, args)
	return code, out.String(), errs.String()
}

// mustCounter runs the program and wants it to end well.
func mustCounter(t testing.TB, args ...string) string {
	t.Helper()
	code, out, errs := counter(context.WithoutCancel(t.Context()), args...)
	require.Zero(t, code, "%s%s", out, errs)
	assert.Empty(t, errs)
	return out
}

// settled replaces what differs from run to run.
func settled(out, dir string) string {
	out = strings.ReplaceAll(out, dir, "FOLDER")
	out = strings.ReplaceAll(out, string(filepath.Separator), "/")
	for _, r := range []struct{ was, is string }{
		{`\b[0-9]{14}-[0-9]{6}\.dat`, "NUMBER.dat"},
		{`ticket-[0-9-]{22}\.`, "ticket-TIME."},
		{`use-[0-9a-f]{16}\.`, "use-OPERATION."},
		{`\b[0-9]{4}-[0-9]{2}-[0-9]{2}\b|[0-9]{4}年[0-9]{1,2}月[0-9]{1,2}日`, "DAY"},
		{`\b[A-HJ-NP-Z2-9]{8}\b`, "MYKEY-ID"},
	} {
		out = regexp.MustCompile(r.was).ReplaceAllString(out, r.is)
	}
	return out
}

// The whole day, twice on one database, in both languages. To see what it
// says, look into testdata; to change it, run the test with -update.
func TestDayTwice(t *testing.T) {
	for _, lang := range []string{"en", "ja"} {
		t.Run(lang, func(t *testing.T) {
			before := goleak.IgnoreCurrent()
			defer func() { assert.NoError(t, dbtest.Leaks(before)) }()
			name := "a folder, 100% ours?"
			if runtime.GOOS == "windows" {
				name = "a folder, 100% ours#" // ? is for patterns there
			}
			dir := filepath.Join(t.TempDir(), name)
			for _, which := range []string{"first", "second"} {
				got := settled(mustCounter(t, "-lang", lang, "-data", dir), dir)
				golden := filepath.Join("testdata", which+"."+lang+".txt")
				if *update {
					require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
				}
				want, err := os.ReadFile(golden)
				require.NoError(t, err)
				if diff := cmp.Diff(strings.ReplaceAll(string(want), "\r\n", "\n"), got); diff != "" {
					t.Errorf("%s: (-want +got)\n%s", golden, diff)
				}
			}
			// What lies in the folder is its owner's alone.
			papers, err := filepath.Glob(filepath.Join(dir, "tickets", "*"))
			require.NoError(t, err)
			require.Len(t, papers, 6)
			if runtime.GOOS == "windows" {
				return // where the folder of the user is the guard
			}
			for _, name := range append(papers, filepath.Join(dir, "keys.json"), filepath.Join(dir, "shop.db")) {
				info, err := os.Stat(name)
				require.NoError(t, err)
				assert.Zero(t, info.Mode().Perm()&0o077, name)
			}
		})
	}
}

// The points run out on the third day, and the city grants more.
func TestManyDays(t *testing.T) {
	dir := t.TempDir()
	for range 4 {
		mustCounter(t, "-data", dir)
	}
	out := mustCounter(t, "-data", dir)
	assert.Contains(t, out, "Books: 6,000 points granted = 1,000 used + 2,500 on tickets + 1,500 to the mall + 1,000 with holders.")
	assert.Contains(t, out, "Books: 1,500 points merged = 1,500 with the mall's members. Both are exact.")
}

func TestNothingSecretIsPrinted(t *testing.T) {
	dir := t.TempDir()
	said := mustCounter(t, "-data", dir) + mustCounter(t, "-data", dir, "-lang", "ja")
	card := simcard.New()
	serial, err := jpki.SerialOf(card.AuthCertificate())
	require.NoError(t, err)
	h := card.Holder()
	secrets := map[string]string{
		"serial":    serial.Hex(),
		"PIN":       simcard.DefaultAuthPIN,
		"My Number": h.MyNumber.Digits(),
		"name":      h.Name,
		"address":   h.Address,
	}
	keys, err := os.ReadFile(filepath.Join(dir, "keys.json"))
	require.NoError(t, err)
	for n, key := range regexp.MustCompile(`"([^"]{20,})"`).FindAllSubmatch(keys, -1) {
		secrets[fmt.Sprint("key ", n)] = string(key[1])
	}
	require.Len(t, secrets, 10)
	pages, err := filepath.Glob(filepath.Join(dir, "tickets", "*.html"))
	require.NoError(t, err)
	require.Len(t, pages, 2)
	for _, name := range pages {
		page, err := os.ReadFile(name)
		require.NoError(t, err)
		secrets["number of "+name] = string(regexp.MustCompile(`\b[0-9]{4}-[0-9]{4}\b`).Find(page))
	}
	for name, secret := range secrets {
		require.NotEmpty(t, secret, name)
		// As a word of its own: four digits come up in any number.
		found, err := regexp.MatchString(`(^|[^0-9A-Za-z])`+regexp.QuoteMeta(secret)+`($|[^0-9A-Za-z])`, said)
		require.NoError(t, err)
		assert.False(t, found, name)
	}
}

// Terminals on one PostgreSQL, each with its own folder and the shop's keys.
func TestTerminalsShareADatabase(t *testing.T) {
	dsn := pg.DSN(t)
	first := t.TempDir()
	said := mustCounter(t, "-data", first, "-db", dsn)
	// One holder with one balance, at four terminals at once: enough for all.
	id, err := mykey.ParseID(regexp.MustCompile(`MyKey ID ([0-9A-Z]{8})\n`).FindStringSubmatch(said)[1])
	require.NoError(t, err)
	p, err := openPlace(t.Context(), &options{world: system(), lang: "en", reader: "sim", data: first, db: dsn})
	require.NoError(t, err)
	require.NoError(t, p.shop.Grant(t.Context(), id, 10_000, "for-the-test"))
	require.NoError(t, p.Close())
	keys, err := os.ReadFile(filepath.Join(first, "keys.json"))
	require.NoError(t, err)

	var wg sync.WaitGroup
	for n := range 4 {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "keys.json"), keys, 0o600))
		wg.Go(func() {
			code, out, errs := counter(t.Context(), "-data", dir, "-db", dsn, "-terminal", fmt.Sprint("OFFICE-", n+2))
			assert.Zero(t, code, "%s%s", out, errs)
		})
	}
	wg.Wait()
	out := mustCounter(t, "-data", first, "-db", dsn)
	assert.Contains(t, out, "3,000 on tickets + 1,800 to the mall")
	assert.Contains(t, out, "1,800 points merged = 1,800 with")
	assert.Contains(t, out, "6 redeemed    3,000 points")
}

func BenchmarkDay(b *testing.B) {
	for b.Loop() {
		code, _, errs := counter(b.Context(), "-data", b.TempDir())
		require.Zero(b, code, errs)
	}
}
