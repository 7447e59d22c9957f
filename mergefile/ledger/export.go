package ledger

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/mynakit/mynakit/mergefile"
)

// ErrExport is returned by [Ledger.Import] for a file that is not the export of a
// ledger, or is damaged, cut short or changed.
var ErrExport = errors.New("ledger: not a whole and unchanged export of a ledger")

// An export is lines of text, each ended by LF:
//
//	mynakit-ledger 1 0123456789abcdef           version, and which key
//	scope 0 "mall"                              forgotten before (ms since 1970), name
//	20170512093000-000001 0123456789abcdef      number, digest of the content
//	end 1 <64 hexadecimal digits>               how many numbers; HMAC-SHA-256
//
// Scopes are in the order of their names, and numbers rise in each. The HMAC is
// over everything in front of it. Every export has one spelling only.
const (
	exportMark = "mynakit-ledger 1 "
	exportLine = 1024 // longer than any line can be
)

// Export writes all numbers of the ledger, as of one moment, for a change of
// machine or a second copy. The export is bound to the ledger's key:
// [Ledger.Import] refuses a copy that was changed. It contains no holder.
//
// Stop receiving here before the new machine starts, or a number may be merged
// on both. Export returns w's error or the driver's, wrapped.
func (l *Ledger) Export(ctx context.Context, w io.Writer) error {
	begun := false
	err := l.db.Read(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		if begun {
			return errors.New("another writer was in the way") // w cannot be taken back
		}
		begun = true
		mac := hmac.New(sha256.New, l.key.secrets.Reveal().transfer)
		out := bufio.NewWriterSize(w, 1<<16)
		e := &exporter{w: io.MultiWriter(out, mac)}
		if err := e.all(ctx, tx, l.key); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(out, "%x\n", mac.Sum(nil)); err != nil {
			return err
		}
		return out.Flush()
	})
	if err != nil {
		return fmt.Errorf("ledger: export: %w", err)
	}
	return nil
}

type exporter struct {
	w     io.Writer
	line  []byte
	count int64
}

func (e *exporter) all(ctx context.Context, tx *sqldb.Tx, key Key) error {
	if _, err := io.WriteString(e.w, exportMark+key.check()+"\n"); err != nil {
		return err
	}
	scopes, err := scopeRows(ctx, tx.Queries)
	if err != nil {
		return err
	}
	for _, s := range scopes {
		if _, err := io.WriteString(e.w, scopeLine(s.name, s.forgotten)); err != nil {
			return err
		}
		if err := e.numbers(ctx, tx, s.id); err != nil {
			return err
		}
	}
	_, err = io.WriteString(e.w, endLine(e.count))
	return err
}

func (e *exporter) numbers(ctx context.Context, tx *sqldb.Tx, scope int64) error {
	rows, err := tx.Query(ctx, "SELECT at, sequence, content FROM {number} WHERE scope = ? ORDER BY at, sequence", scope)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var n number
		if err := rows.Scan(&n.t.milli, &n.t.seq, &n.content); err != nil {
			return err
		}
		e.count++
		if e.line, err = n.appendLine(e.line[:0]); err != nil {
			return err
		}
		if _, err := e.w.Write(e.line); err != nil {
			return err
		}
	}
	return rows.Err()
}

func scopeLine(name string, forgotten int64) string {
	return "scope " + strconv.FormatInt(forgotten, 10) + " " + strconv.Quote(name) + "\n"
}

func (n number) appendLine(dst []byte) ([]byte, error) {
	t, err := n.t.transaction()
	if err != nil {
		return nil, err
	}
	if dst, err = t.AppendText(dst); err != nil {
		return nil, err
	}
	dst = append(dst, ' ')
	content := strconv.FormatUint(uint64(n.content), 16)
	return append(append(append(dst, "0000000000000000"[len(content):]...), content...), '\n'), nil
}

// endLine is the last line up to the HMAC.
func endLine(count int64) string { return "end " + strconv.FormatInt(count, 10) + " " }

// ImportReport is the outcome of [Ledger.Import].
type ImportReport struct {
	// Numbers is how many numbers the export holds, and New how many of them
	// the ledger did not know.
	Numbers, New int64
}

// Import takes over what [Ledger.Export] wrote, in one transaction, and keeps
// what the ledger knows already. It may be done again. Of what either side has
// forgotten, the later date holds, and nothing from before it is taken over.
//
// The export is read twice, from its current offset on: it is verified whole
// before anything else is done. Memory does not grow with it.
//
// The errors are [ErrExport]; [ErrOtherKey] if it was made under another key;
// a [*ConflictError], whose records have no holder and no points, if a number
// is known with other content, and then nothing is taken over; r's own; and
// those of a write, see [Receiver.Receive].
func (l *Ledger) Import(ctx context.Context, r io.ReadSeeker) (ImportReport, error) {
	start, err := r.Seek(0, io.SeekCurrent)
	if err != nil {
		return ImportReport{}, fmt.Errorf("ledger: import: %w", err)
	}
	if err := readExport(ctx, r, l.key, func(string, int64) error { return nil }, func(number) error { return nil }); err != nil {
		return ImportReport{}, err
	}
	var m *importer
	err = l.remember(ctx, "import", func(ctx context.Context, tx *sqldb.Tx, memory memory) error {
		if _, err := r.Seek(start, io.SeekStart); err != nil {
			return err
		}
		m = &importer{ctx: ctx, tx: tx, memory: memory}
		defer m.memory.close()
		err := readExport(ctx, r, l.key, m.scope, m.number)
		if err == nil {
			err = m.flush()
		}
		if err == nil && m.conflict.Conflicts > 0 {
			err = &m.conflict
		}
		return err
	})
	if err == nil {
		return m.report, nil
	}
	if errors.Is(err, ErrExport) {
		return ImportReport{}, ErrExport
	}
	if c, ok := errors.AsType[*ConflictError](err); ok {
		return ImportReport{}, c
	}
	return ImportReport{}, fmt.Errorf("ledger: import: %w", err)
}

// importer puts what an export holds into the ledger.
type importer struct {
	ctx       context.Context
	tx        *sqldb.Tx
	name      string
	forgotten int64
	memory    memory
	batch     []number
	report    ImportReport
	conflict  ConflictError
}

func (m *importer) scope(name string, forgotten int64) error {
	if err := m.flush(); err != nil {
		return err
	}
	m.memory.close()
	id, known, err := hold(m.ctx, m.tx, name, true)
	if err != nil {
		return err
	}
	m.name, m.memory.scope = name, id
	m.forgotten = max(forgotten, known)
	if forgotten > known {
		_, err = m.tx.Exec(m.ctx, "UPDATE {scope} SET forgotten = ? WHERE id = ?", forgotten, id)
	}
	return err
}

func (m *importer) number(n number) error {
	m.report.Numbers++
	if n.t.milli < m.forgotten {
		return nil
	}
	m.batch = append(m.batch, n)
	if len(m.batch) < batchRows {
		return nil
	}
	return m.flush()
}

func (m *importer) flush() error {
	if len(m.batch) == 0 {
		return nil
	}
	out := make([]outcome, len(m.batch))
	if err := m.memory.remember(m.ctx, m.batch, out); err != nil {
		return err
	}
	for i, o := range out {
		switch o {
		case isNew:
			m.report.New++
		case isConflict:
			if m.conflict.Conflicts == 0 {
				m.conflict.Scope = m.name
			}
			m.conflict.Conflicts++
			if len(m.conflict.Records) < DefaultList {
				t, err := m.batch[i].t.transaction()
				if err != nil {
					return err
				}
				m.conflict.Records = append(m.conflict.Records, mergefile.Record{Transaction: t})
			}
		}
	}
	m.batch = m.batch[:0]
	return nil
}

// readExport goes over an export. Nothing that it passes on may be used before
// it has returned nil.
func readExport(ctx context.Context, r io.Reader, key Key, scope func(name string, forgotten int64) error, each func(number) error) error {
	in := bufio.NewReaderSize(r, exportLine)
	next := func() ([]byte, error) {
		line, err := in.ReadSlice('\n')
		if err == io.EOF || err == bufio.ErrBufferFull {
			return nil, ErrExport
		}
		if err != nil {
			return nil, fmt.Errorf("ledger: import: %w", err)
		}
		return line, nil
	}
	line, err := next()
	if err != nil {
		return err
	}
	check, ok := bytes.CutPrefix(line, []byte(exportMark))
	if !ok || len(check) != len(key.check())+1 {
		return ErrExport
	}
	if string(check) != key.check()+"\n" {
		return ErrOtherKey
	}
	mac := hmac.New(sha256.New, key.secrets.Reveal().transfer)
	mac.Write(line)
	var (
		count, lines int64
		inScope      bool
		name         string
		last         rowID
	)
	for {
		if lines++; lines%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		line, err := next()
		if err != nil {
			return err
		}
		switch line[0] {
		case 'e':
			end := endLine(count)
			if !bytes.HasPrefix(line, []byte(end)) {
				return ErrExport
			}
			io.WriteString(mac, end)
			want := append(hex.AppendEncode(nil, mac.Sum(nil)), '\n')
			if !hmac.Equal(line[len(end):], want) {
				return ErrExport
			}
			if _, err := in.ReadByte(); err != io.EOF {
				return ErrExport // something behind it
			}
			return nil
		case 's':
			s, forgotten, ok := parseScopeLine(string(line))
			if !ok || inScope && s <= name {
				return ErrExport
			}
			inScope, name, last = true, s, rowID{}
			mac.Write(line)
			if err := scope(name, forgotten); err != nil {
				return err
			}
		default:
			n, ok := parseNumberLine(line)
			if !ok || !inScope || last != (rowID{}) && n.t.compare(last) <= 0 {
				return ErrExport
			}
			last = n.t
			count++
			mac.Write(line)
			if err := each(n); err != nil {
				return err
			}
		}
	}
}

// parseScopeLine reads what scopeLine wrote, and nothing else.
func parseScopeLine(line string) (name string, forgotten int64, ok bool) {
	parts := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 3)
	if len(parts) != 3 {
		return "", 0, false
	}
	forgotten, err1 := strconv.ParseInt(parts[1], 10, 64)
	name, err2 := strconv.Unquote(parts[2])
	if err1 != nil || err2 != nil || checkScope(name) != nil || scopeLine(name, forgotten) != line {
		return "", 0, false
	}
	return name, forgotten, forgotten >= 0 && forgotten < maxForgotten
}

// maxForgotten is the end of the last year that a number can be of.
const maxForgotten = 4_102_444_800_000

// parseNumberLine reads what appendLine wrote, and nothing else.
func parseNumberLine(line []byte) (number, bool) {
	text, hexed, ok := strings.Cut(string(line), " ")
	if !ok || len(hexed) != 17 || hexed[16] != '\n' {
		return number{}, false
	}
	t, err := mergefile.ParseTransaction(text)
	if err != nil {
		return number{}, false
	}
	var content uint64
	for _, c := range []byte(hexed[:16]) {
		switch {
		case c-'0' <= 9:
			c -= '0'
		case c-'a' <= 5:
			c -= 'a' - 10
		default:
			return number{}, false
		}
		content = content<<4 | uint64(c)
	}
	return number{rowOf(t), int64(content)}, true
}
