package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/ledger"
)

func export(t testing.TB, l *ledger.Ledger) []byte {
	var buf bytes.Buffer
	require.NoError(t, l.Export(t.Context(), &buf))
	return buf.Bytes()
}

// From each engine to each.
func TestTransfer(t *testing.T) {
	for _, from := range engines {
		for _, to := range engines {
			t.Run(from.name+" to "+to.name, func(t *testing.T) {
				s := openShop(t, dbtest.Open(t, from.driver, from.dsn(t)), ledger.Config{Keep: day})
				rs := records(t, s.profile, 1200)
				for i := 1000; i < len(rs); i++ {
					rs[i] = later(t, rs[i], 3*day)
				}
				for _, scope := range []string{"", "商店街 \"1\"", "mall"} {
					r := s.receiver(t, func(c *ledger.ReceiverConfig) {
						c.Scope, c.Apply, c.ApplyAll = scope, nil, creditAll
					})
					_, err := r.Receive(t.Context(), s.file(t, rs), "", nil)
					require.NoError(t, err)
					if scope == "" {
						_, err = s.ledger.Forget(t.Context())
						require.NoError(t, err)
					}
				}
				text := export(t, s.ledger)
				assert.True(t, strings.HasPrefix(string(text), "mynakit-ledger 1 "))
				assert.NotContains(t, string(text), rs[0].Holder.Reveal())

				d := openShop(t, dbtest.Open(t, to.driver, to.dsn(t)), ledger.Config{Keep: day})
				rep, err := d.ledger.Import(t.Context(), bytes.NewReader(text))
				require.NoError(t, err)
				assert.Equal(t, ledger.ImportReport{Numbers: 2600, New: 2600}, rep)
				assert.Equal(t, string(text), string(export(t, d.ledger)), "all of it is there, and reads the same")
				rep, err = d.ledger.Import(t.Context(), bytes.NewReader(text))
				require.NoError(t, err)
				assert.Equal(t, ledger.ImportReport{Numbers: 2600}, rep, "once more changes nothing")
				assert.Equal(t, string(text), string(export(t, d.ledger)))

				// On the new machine the old files are what they were.
				r := d.receiver(t, func(c *ledger.ReceiverConfig) { c.Scope = "mall" })
				got, err := r.Receive(t.Context(), d.file(t, rs), "", nil)
				require.NoError(t, err)
				assert.EqualValues(t, 1200, got.Duplicates)
				_, err = d.receiver(t, nil).Receive(t.Context(), d.file(t, rs), "", nil)
				var old *ledger.TooOldError
				assert.ErrorAs(t, err, &old)

				// What each side has merged since comes together.
				more := []mergefile.Record{later(t, rs[0], 40*day)}
				_, err = r.Receive(t.Context(), d.file(t, more), "", nil)
				require.NoError(t, err)
				rep, err = s.ledger.Import(t.Context(), bytes.NewReader(export(t, d.ledger)))
				require.NoError(t, err)
				assert.Equal(t, ledger.ImportReport{Numbers: 2601, New: 1}, rep)
				assert.Equal(t, string(export(t, d.ledger)), string(export(t, s.ledger)))
			})
		}
	}
}

// What one of the two has forgotten does not come back with the other's copy.
func TestImportOfWhatIsForgotten(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *shop) {
		old := records(t, s.profile, 3)
		young := []mergefile.Record{later(t, old[0], 9*day)}
		all := append(append([]mergefile.Record(nil), old...), young...)
		_, err := s.receiver(t, nil).Receive(t.Context(), s.file(t, all), "", nil)
		require.NoError(t, err)
		copied := export(t, s.ledger)

		d := openShop(t, dbtest.Open(t, "sqlite", dbtest.SQLite(t.TempDir())), ledger.Config{Keep: day})
		other := append([]mergefile.Record{later(t, old[2], time.Second)}, young...)
		_, err = d.receiver(t, nil).Receive(t.Context(), d.file(t, other), "", nil)
		require.NoError(t, err)
		n, err := d.ledger.Forget(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		before := export(t, d.ledger)
		rep, err := d.ledger.Import(t.Context(), bytes.NewReader(copied))
		require.NoError(t, err)
		assert.Equal(t, ledger.ImportReport{Numbers: 4}, rep)
		assert.Equal(t, string(before), string(export(t, d.ledger)))

		// And the other way: what was forgotten there is refused here too.
		_, err = s.ledger.Import(t.Context(), bytes.NewReader(before))
		require.NoError(t, err)
		_, err = s.receiver(t, nil).Receive(t.Context(), s.file(t, old), "", nil)
		var tooOld *ledger.TooOldError
		assert.ErrorAs(t, err, &tooOld)
	})
}

func TestImportConflict(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *shop) {
		rs := records(t, s.profile, 1200)
		all := func(c *ledger.ReceiverConfig) { c.Apply, c.ApplyAll = nil, creditAll }
		_, err := s.receiver(t, all).Receive(t.Context(), s.file(t, rs), "", nil)
		require.NoError(t, err)
		other := openShop(t, dbtest.Open(t, "sqlite", dbtest.SQLite(t.TempDir())), ledger.Config{})
		changed := append([]mergefile.Record(nil), rs...)
		changed[1100].Points++
		changed = append(changed, later(t, rs[0], day))
		_, err = other.receiver(t, all).Receive(t.Context(), s.file(t, changed), "", nil)
		require.NoError(t, err)
		before := export(t, s.ledger)
		rep, err := s.ledger.Import(t.Context(), bytes.NewReader(export(t, other.ledger)))
		require.Equal(t, &ledger.ConflictError{Conflicts: 1, Records: numbersOf(rs[1100:1101])}, err)
		assert.Zero(t, rep)
		assert.Equal(t, string(before), string(export(t, s.ledger)), "nothing was taken over")
	})
}

// small is a ledger whose export the tests take apart.
func small(t testing.TB) *shop {
	s := openShop(t, dbtest.Open(t, "sqlite", dbtest.SQLite(t.TempDir())), ledger.Config{})
	_, err := s.receiver(t, nil).Receive(t.Context(), s.file(t, records(t, s.profile, 3)), "", nil)
	require.NoError(t, err)
	return s
}

// Every byte of an export counts.
func TestImportDamaged(t *testing.T) {
	s := small(t)
	good := export(t, s.ledger)
	d := openShop(t, dbtest.Open(t, "sqlite", dbtest.SQLite(t.TempDir())), ledger.Config{})
	refused := func(text []byte, about ...any) {
		t.Helper()
		rep, err := d.ledger.Import(t.Context(), bytes.NewReader(text))
		if err == nil || !errors.Is(err, ledger.ErrExport) && !errors.Is(err, ledger.ErrOtherKey) {
			t.Errorf("%v: %v", fmt.Sprint(about...), err)
		}
		assert.Zero(t, rep)
	}
	for i := range good {
		refused(good[:i:i], "cut at ", i)
		for _, flip := range []byte{1, 0x20, 0x80} {
			bad := bytes.Clone(good)
			bad[i] ^= flip
			refused(bad, "byte ", i, " changed by ", flip)
		}
	}
	lines := strings.SplitAfter(string(good), "\n")
	for i := range lines {
		without := append(append([]string(nil), lines[:i]...), lines[i+1:]...)
		if i < len(lines)-1 {
			refused([]byte(strings.Join(without, "")), "line ", i, " gone")
			twice := append(append([]string(nil), lines[:i+1]...), lines[i:]...)
			refused([]byte(strings.Join(twice, "")), "line ", i, " twice")
		}
	}
	refused(append(bytes.Clone(good), '\n'), "longer")
	refused([]byte(strings.Repeat("x", 5000)), "no line")
	scopes, err := d.ledger.Scopes(t.Context())
	require.NoError(t, err)
	assert.Empty(t, scopes)

	// Another key: it says so, since somebody has to find the right one.
	stranger, err := ledger.Open(t.Context(), dbtest.Open(t, "sqlite", dbtest.SQLite(t.TempDir())), ledger.Config{Key: ledgerKey(t, "another secret altogether")})
	require.NoError(t, err)
	_, err = stranger.Import(t.Context(), bytes.NewReader(good))
	assert.ErrorIs(t, err, ledger.ErrOtherKey)
}

type seeker struct{ *bytes.Reader }

func (s seeker) Read(p []byte) (int, error) { return iotest.ErrReader(errStick).Read(p) }

var errStick = errors.New("the stick was pulled out")

func TestTransferErrors(t *testing.T) {
	s := small(t)
	good := export(t, s.ledger)
	_, err := s.ledger.Import(t.Context(), seeker{bytes.NewReader(good)})
	assert.ErrorIs(t, err, errStick, "a failure to read is not a bad export")
	assert.NotErrorIs(t, err, ledger.ErrExport)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.ledger.Import(ctx, bytes.NewReader(good))
	assert.ErrorIs(t, err, context.Canceled)
	assert.ErrorIs(t, s.ledger.Export(ctx, &bytes.Buffer{}), context.Canceled)
	assert.ErrorIs(t, s.ledger.Export(t.Context(), failingWriter{}), errStick)
	_, err = s.ledger.Import(t.Context(), bytes.NewReader(good))
	assert.NoError(t, err)
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errStick }

// Whatever an export holds, reading it ends, takes little memory, and either
// fails or takes over exactly what it says.
func FuzzImport(f *testing.F) {
	s := small(f)
	good := export(f, s.ledger)
	lines := strings.SplitAfter(string(good), "\n")
	f.Add(good)
	f.Add([]byte(lines[0]))
	f.Add([]byte(lines[0] + lines[1] + lines[1]))
	f.Add([]byte(lines[0] + "scope 1 \"\\u00e9\"\n"))
	f.Add([]byte(lines[0] + lines[1] + "20170512093000-000001 000000000000000g\n"))
	f.Add([]byte(lines[0] + "end 0 " + strings.Repeat("0", 64) + "\n"))
	f.Add([]byte(lines[0] + "end 99999999999999999999 "))
	f.Add(bytes.Repeat([]byte("x"), 2000))
	db := dbtest.Open(f, "sqlite", ":memory:")
	db.SetMaxOpenConns(1)
	l, err := ledger.Open(f.Context(), db, ledger.Config{Key: ledgerKey(f, ledgerSecret), Clock: time.Now})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, in []byte) {
		in = in[:len(in):len(in)]
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := l.Import(t.Context(), bytes.NewReader(in))
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > uint64(1<<20+50*len(in)) {
			t.Fatalf("%d bytes allocated for %d", n, len(in))
		}
		if err == nil {
			if got := export(t, l); !bytes.Equal(got, in) && !bytes.Equal(in, good) {
				t.Fatalf("%q was taken over as %q", in, got)
			}
		} else if !errors.Is(err, ledger.ErrExport) && !errors.Is(err, ledger.ErrOtherKey) {
			t.Fatal(err)
		}
	})
}
