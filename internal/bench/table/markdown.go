package main

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A row is one kind of work, and who does it.
type row struct {
	what  string
	group string // the benchmarks' name up to the last part
	// unit is what is compared. more says how a cell tells the rest, if it does.
	unit   string
	higher bool // is better
	cell   func(results, string) string
	ours   string
	others []other
}

// An other is a line to compare with.
type other struct{ label, name string }

func rows() []row {
	return []row{
		{what: "a command APDU of 16 bytes parsed", group: "APDU/parse", unit: "cpu-ns/op", cell: timeAndMemory, ours: "mynakit",
			others: []other{{"skythen/apdu", "skythen"}}},
		{what: "the same encoded, into memory that is there or new", group: "APDU/encode", unit: "cpu-ns/op", cell: timeAndMemory, ours: "mynakit",
			others: []other{{"mynakit, new", "mynakit-new"}, {"skythen/apdu, new", "skythen"}}},
		{what: "BER-TLV: every object of an FCI of 49 bytes", group: "TLV/fci", unit: "cpu-ns/op", cell: timeAndMemory, ours: "mynakit",
			others: []other{{"moov-io/bertlv", "moov"}, {"skythen/bertlv", "skythen"}}},
		{what: "every object of a certificate of 2 kB", group: "TLV/certificate", unit: "cpu-ns/op", cell: timeAndMemory, ours: "mynakit",
			others: []other{{"moov-io/bertlv", "moov"}, {"skythen/bertlv", "skythen"}}},
		{what: "60 kB of nesting, to the innermost of 15,000 objects", group: "TLVNesting/bytes=59829", unit: "cpu-ns/op", cell: timeAndMemory, ours: "mynakit",
			others: []other{{"moov-io/bertlv", "moov"}, {"skythen/bertlv", "skythen"}}},
		{what: "tap to serial number", group: "Tap/serial", unit: "ms@106", cell: exchanges, ours: "mynakit",
			others: []other{{"myna-card", "myna-card"}, {"jpki/myna (Go)", "myna-go"}, {"OpenSC", "opensc"}, {"jsapdu", "jsapdu"}}},
		{what: "tap to signature, the PIN's counter read first", group: "Tap/signature", unit: "ms@106", cell: exchanges, ours: "mynakit",
			others: []other{{"jpki-signer-android", "jpki-signer-android"}, {"OpenSC", "opensc"}, {"without reading it: myna-card", "myna-card"}}},
		{what: "a million merge-file records read and verified", group: "Mergefile/records=1000000", unit: "cpu-ns/op", cell: processorTime, ours: "mynakit",
			others: []other{{"the plain program", "plain"}, {"decryption and MD5 alone", "floor"}}},
		{what: "the same on two cores, by the clock", group: "Mergefile/records=1000000", unit: "ns/op", cell: byTheClock, ours: "mynakit-2cores",
			others: []other{{"the plain program", "plain"}, {"decryption and MD5 alone, on one", "floor"}}},
		{what: "a file of 10,000 records merged exactly once, on SQLite", group: "Ledger/records=10000", unit: "records/s", higher: true, cell: recordsPerSecond, ours: "mynakit",
			others: []other{{"only its INSERTs, 500 rows each", "sqlite-rows"}, {"bbolt", "bbolt"}}},
		{what: "a file of 1,000", group: "Ledger/records=1000", unit: "records/s", higher: true, cell: recordsPerSecond, ours: "mynakit",
			others: []other{{"only its INSERTs", "sqlite-rows"}, {"bbolt", "bbolt"}, {"a transaction for each", "sqlite-one-by-one"}}},
		{what: "software card behind pcscd and vpcd", group: "Bridge", unit: "exchanges/s", higher: true, cell: exchangesPerSecond, ours: "mynakit",
			others: []other{{"naive vpcd client", "naive"}}},
	}
}

// markdown gives the table, and what it cannot tell.
func markdown(rows []row, r results) (table string, missing []string) {
	var b strings.Builder
	b.WriteString("| work | mynakit | others, and how many times mynakit's cost |\n|---|---|---|\n")
	for _, row := range rows {
		ours, ok := r.figure(row.group+"/"+row.ours, row.unit)
		if !ok {
			missing = append(missing, row.what)
			continue
		}
		var cells []string
		for _, o := range row.others {
			name := row.group + "/" + o.name
			theirs, ok := r.figure(name, row.unit)
			if !ok {
				missing = append(missing, row.what+": "+o.label)
				continue
			}
			times := theirs / ours
			if row.higher {
				times = ours / theirs
			}
			cells = append(cells, fmt.Sprintf("%s: %s (%s×)", o.label, row.cell(r, name), significant(times, 2)))
		}
		fmt.Fprintf(&b, "| %s | **%s** | %s |\n", row.what, row.cell(r, row.group+"/"+row.ours), strings.Join(cells, "; "))
	}
	return b.String(), missing
}

// The cells: what a line says, for people.

func timeAndMemory(r results, name string) string {
	ns, _ := r.figure(name, "cpu-ns/op")
	allocs, _ := r.figure(name, "allocs/op")
	size, _ := r.figure(name, "B/op")
	if allocs == 0 {
		return duration(ns*1e-9) + ", 0 allocs"
	}
	return fmt.Sprintf("%s, %s in %s alloc%s", duration(ns*1e-9), amount(size, "B"), count(allocs), plural(allocs))
}

func exchanges(r results, name string) string {
	n, _ := r.figure(name, "exchanges")
	size, _ := r.figure(name, "bytes")
	slow, _ := r.figure(name, "ms@106")
	fast, _ := r.figure(name, "ms@848")
	return fmt.Sprintf("%s exchanges, %s bytes, %s to %s ms", count(n), count(size), significant(fast, 2), significant(slow, 2))
}

func processorTime(r results, name string) string {
	ns, _ := r.figure(name, "cpu-ns/op")
	return duration(ns * 1e-9)
}

func byTheClock(r results, name string) string {
	ns, _ := r.figure(name, "ns/op")
	return duration(ns * 1e-9)
}

func recordsPerSecond(r results, name string) string {
	n, _ := r.figure(name, "records/s")
	return count(rounded(n, 2)) + " records/s"
}

func exchangesPerSecond(r results, name string) string {
	n, _ := r.figure(name, "exchanges/s")
	return count(rounded(n, 2)) + " a second"
}

func plural(n float64) string {
	if n == 1 {
		return ""
	}
	return "s"
}

// duration gives seconds with two digits that say something, and their unit.
func duration(s float64) string {
	unit, scale := "s", 1.0
	switch {
	case s < 0.9995e-6:
		unit, scale = "ns", 1e9
	case s < 0.9995e-3:
		unit, scale = "µs", 1e6
	case s < 0.9995:
		unit, scale = "ms", 1e3
	}
	return significant(s*scale, 2) + " " + unit
}

// amount gives a number with the unit's prefix of a thousand.
func amount(n float64, unit string) string {
	prefix := ""
	for _, p := range []string{"k", "M", "G"} {
		if n < 999.5 {
			break
		}
		n, prefix = n/1e3, p
	}
	return significant(n, 2) + " " + prefix + unit
}

// rounded gives v to as many digits that say something.
func rounded(v float64, digits int) float64 {
	if v == 0 {
		return 0
	}
	scale := math.Pow(10, float64(digits)-1-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*scale) / scale
}

// significant gives v to as many digits that say something, all digits before
// the point, and no zeros behind it.
func significant(v float64, digits int) string {
	if math.Abs(v) >= math.Pow(10, float64(digits)) {
		return count(math.Round(v))
	}
	return strconv.FormatFloat(rounded(v, digits), 'f', -1, 64)
}

// count gives a whole number with its thousands apart.
func count(n float64) string {
	s := strconv.FormatFloat(math.Round(n), 'f', -1, 64)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// The markers that the table stands between.
const (
	begin = "<!-- bench:begin -->"
	end   = "<!-- bench:end -->"
)

// splice puts the table between the markers.
func splice(text []byte, table string) ([]byte, error) {
	head, rest, ok := bytes.Cut(text, []byte(begin))
	_, tail, closed := bytes.Cut(rest, []byte(end))
	if !ok || !closed {
		return nil, errors.New("no place for the table: " + begin + " and " + end)
	}
	return fmt.Appendf(nil, "%s%s\n%s%s%s", head, begin, table, end, tail), nil
}
