package point_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mynakit/mynakit/mykey/point"
	"github.com/stretchr/testify/require"
)

// BenchmarkDetailsCSV is how fast details are written, read and added up, beside
// what encoding/csv and the disk do with the same bytes.
//
//	go test -run '^$' -bench DetailsCSV ./mykey/point
func BenchmarkDetailsCSV(b *testing.B) {
	month := period(b, "2026-11-01", "2026-11-30")
	all := make([]point.Detail, 50_000)
	for i := range all {
		shop := fmt.Sprintf("%06d", i/20%1000)
		all[i] = point.Detail{At: month.From.Start().Add(time.Duration(i) * 50 * time.Second), Kind: point.OpUse, Terminal: shop, Place: "あおば商店 " + shop,
			Account: "aoba", Points: int64(1 + i%1000), Operation: fmt.Sprintf("%016x", uint64(i)*0x9e3779b9)}
		if i%20 == 19 {
			all[i].Kind, all[i].Reverses = point.OpRefund, all[i-1].Operation
		}
	}
	for name, c := range map[string]point.CSV{"UTF-8": {}, "Shift_JIS": {Encoding: point.ShiftJIS}} {
		var buf bytes.Buffer
		require.NoError(b, c.WriteDetails(&buf, listed(all...)))
		file := buf.Bytes()
		run := func(what string, f func() error) {
			b.Run(name+"/"+what, func(b *testing.B) {
				b.SetBytes(int64(len(file)))
				b.ReportAllocs()
				for b.Loop() {
					require.NoError(b, f())
				}
			})
		}
		run("written", func() error { return c.WriteDetails(io.Discard, listed(all...)) })
		run("read", func() error {
			n := 0
			for _, err := range c.ReadDetails(bytes.NewReader(file)) {
				if err != nil {
					return err
				}
				n++
			}
			if n != len(all) {
				return fmt.Errorf("%d details of %d", n, len(all))
			}
			return nil
		})
		run("read and added up", func() error {
			s, err := point.Tally(month, c.ReadDetails(bytes.NewReader(file)))
			if err == nil && len(s.Lines) != 1000 {
				err = fmt.Errorf("%d lines", len(s.Lines))
			}
			return err
		})
		if name != "UTF-8" {
			continue
		}
		rows, err := csv.NewReader(bytes.NewReader(file)).ReadAll()
		require.NoError(b, err)
		run("written by encoding/csv", func() error { return csv.NewWriter(io.Discard).WriteAll(rows) })
		run("read by encoding/csv", func() error {
			r := csv.NewReader(bytes.NewReader(file))
			r.ReuseRecord = true
			for {
				if _, err := r.Read(); err == io.EOF {
					return nil
				} else if err != nil {
					return err
				}
			}
		})
		from := filepath.Join(b.TempDir(), "from.csv")
		require.NoError(b, os.WriteFile(from, file, 0o600))
		run("copied on the disk, synced", func() error {
			in, err := os.Open(from)
			if err != nil {
				return err
			}
			defer in.Close()
			out, err := os.Create(from + ".copy")
			if err != nil {
				return err
			}
			defer out.Close()
			if _, err := io.Copy(out, in); err != nil {
				return err
			}
			return out.Sync()
		})
	}
}
