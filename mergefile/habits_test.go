package mergefile_test

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/mergefile"
)

// habitRecord is a record of a habit's file.
type habitRecord struct {
	holder   string
	points   uint64
	at       time.Time
	sequence uint32
}

// habitRecords reads what is in a habit's file.
func habitRecords(t *testing.T, dir string) (out []habitRecord) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "expect"))
	if os.IsNotExist(err) {
		text, err = []byte("520625,100,2017-05-12T09:30:00+09:00,1\n180000000011,5100,2017-05-12T09:30:01+09:00,2\n1111111,30,2017-05-12T23:59:59+09:00,3\n"), nil
	}
	require.NoError(t, err)
	rows, err := csv.NewReader(strings.NewReader(string(text))).ReadAll()
	require.NoError(t, err)
	for _, row := range rows {
		points, err := strconv.ParseUint(row[1], 10, 64)
		require.NoError(t, err)
		at, err := time.Parse(time.RFC3339, row[2])
		require.NoError(t, err)
		sequence, err := strconv.ParseUint(row[3], 10, 32)
		require.NoError(t, err)
		out = append(out, habitRecord{row[0], points, at.UTC(), uint32(sequence)})
	}
	return out
}

// unread are the habits that the prober names and no profile reads.
var unread = map[string]string{"o10": "gzip"}

// Files that other programs made are found, and the first reading is right.
func TestHabits(t *testing.T) {
	shared := filepath.Join("..", "..", "shared", "testdata", "habits")
	dirs, err := filepath.Glob(filepath.Join(shared, "*", "key.txt"))
	require.NoError(t, err)
	if len(dirs) == 0 {
		t.Skip("the files of other programs are not beside this checkout: " + shared)
	}
	for _, path := range dirs {
		dir := filepath.Dir(path)
		name := filepath.Base(dir)
		t.Run(name, func(t *testing.T) {
			read := func(file string) []byte {
				b, err := os.ReadFile(filepath.Join(dir, file))
				require.NoError(t, err)
				return b
			}
			opts := &mergefile.ProbeOptions{Name: strings.TrimSpace(string(read("name")))}
			if args := strings.Fields(string(read("probe.args"))); len(args) == 2 && args[0] == "-iv" {
				opts.IV = args[1]
			}
			file := read(opts.Name)
			start := time.Now()
			found, err := mergefile.ProbeForDeveloper(t.Context(), file, read("key.txt"), read("secret.txt"), opts)
			t.Logf("%v: %s", time.Since(start), read("desc"))
			if kind := unread[name]; kind != "" {
				require.ErrorContains(t, err, kind)
				return
			}
			require.NoError(t, err)
			r, err := mergefile.NewReader(t.Context(), strings.NewReader(string(file)), found[0].Profile, found[0].Key, &mergefile.ReaderOptions{Name: opts.Name})
			require.NoError(t, err)
			defer r.Close()
			var got []habitRecord
			for rec, err := range r.Records() {
				require.NoError(t, err)
				got = append(got, habitRecord{rec.Holder.Reveal(), rec.Points, rec.Transaction.Time().UTC(), rec.Transaction.Sequence()})
			}
			if name == "y22" { // a holder is what stands in the file, hyphens and all
				require.Equal(t, "5206-25", got[0].holder)
				for i := range got {
					got[i].holder = strings.ReplaceAll(got[i].holder, "-", "")
				}
			}
			assert.Equal(t, habitRecords(t, dir), got, "%s", found[0].Split)
		})
	}
}
