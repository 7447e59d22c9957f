package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/mynakit/mynakit/mergefile"
)

const (
	// batchRows is how many records are remembered and applied at a time.
	batchRows = 1000
	// insertRows is how many rows go into one INSERT on SQLite. More are
	// slower: the lists of parameters outgrow the processor's cache.
	insertRows = 100
	// copyRows is how many rows are worth a COPY on PostgreSQL.
	copyRows = 100
)

// rowID is a transaction number as {number} holds it.
type rowID struct {
	milli int64 // since 1970 in UTC
	seq   uint32
}

func rowOf(t mergefile.Transaction) rowID { return rowID{t.UnixMilli(), t.Sequence()} }

// transaction fails for a row that no ledger wrote.
func (id rowID) transaction() (mergefile.Transaction, error) {
	return mergefile.NewTransaction(time.UnixMilli(id.milli), id.seq)
}

func (id rowID) compare(other rowID) int {
	return cmp.Or(cmp.Compare(id.milli, other.milli), cmp.Compare(id.seq, other.seq))
}

// number is a row of {number}: what is remembered of a record.
type number struct {
	t       rowID
	content int64
}

// outcome is what came of a number.
type outcome uint8

const (
	isNew outcome = iota
	isDuplicate
	isConflict
)

// memory puts numbers of one scope into the ledger, in one transaction.
type memory struct {
	tx    *sqldb.Tx
	scope int64
	copy  func(context.Context, *sql.Conn, []string, []string, [][]any) error
	// told makes the engine report which rows it stored (RETURNING), which costs
	// up to half as much as storing them. Of nearly every file all is new, or
	// none, and then their count says enough. So told is set only for a file of
	// which some is new and some is not, once that is known.
	told bool

	full  *sql.Stmt // inserts insertRows rows
	args  []any
	found map[rowID]int64
}

// errSomeNew means that a batch was neither all new nor all old, so that the
// transaction must be done again with told.
var errSomeNew = errors.New("ledger: some numbers are new")

// remember stores up to batchRows different numbers and sets the outcome of
// each. It never looks first: the unique constraint decides, whoever else is at
// work.
func (m *memory) remember(ctx context.Context, ns []number, out []outcome) error {
	var stored int
	var err error
	switch {
	case m.told:
		stored, err = m.insertTold(ctx, ns, out)
	case m.copy != nil && len(ns) >= copyRows:
		stored, err = m.insertCopy(ctx, ns)
	default:
		stored, err = m.insert(ctx, ns)
	}
	switch {
	case err != nil:
		return err
	case stored == len(ns):
		clear(out) // isNew
		return nil
	case m.told:
	case stored > 0:
		return errSomeNew
	default:
		for i := range out {
			out[i] = isDuplicate
		}
	}
	return m.compare(ctx, ns, out)
}

// insertQuery is the INSERT for n rows, without its RETURNING. On PostgreSQL
// it takes three arrays, so that the statement is the same for every n. The
// scope is written into it: a number, and a parameter less in each row.
func (m *memory) insertQuery(n int) string {
	head := "INSERT INTO {number} (scope, at, sequence, content) "
	scope := strconv.FormatInt(m.scope, 10)
	if m.tx.Dialect() == sqldb.PostgreSQL {
		return head + "SELECT " + scope + ", v.* FROM unnest(CAST(? AS bigint[]), CAST(? AS bigint[]), CAST(? AS bigint[])) AS v ON CONFLICT DO NOTHING"
	}
	row := "(" + scope + ",?,?,?)"
	return head + "VALUES " + row + strings.Repeat(","+row, n-1) + " ON CONFLICT DO NOTHING"
}

// insertArgs are the parameters of insertQuery.
func (m *memory) insertArgs(ns []number) []any {
	if m.tx.Dialect() == sqldb.PostgreSQL {
		return []any{
			array(ns, func(n *number) int64 { return n.t.milli }),
			array(ns, func(n *number) int64 { return int64(n.t.seq) }),
			array(ns, func(n *number) int64 { return n.content }),
		}
	}
	m.args = m.args[:0]
	for i := range ns {
		m.args = append(m.args, ns[i].t.milli, int64(ns[i].t.seq), ns[i].content)
	}
	return m.args
}

// array spells an array as PostgreSQL does in text, which every driver can
// pass on.
func array(ns []number, field func(*number) int64) string {
	b := make([]byte, 1, 2+21*len(ns))
	b[0] = '{'
	for i := range ns {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, field(&ns[i]), 10)
	}
	return string(append(b, '}'))
}

// parts divides a batch into what one statement takes.
func (m *memory) parts(ns []number, do func(i int, part []number) error) error {
	size := insertRows
	if m.tx.Dialect() == sqldb.PostgreSQL {
		size = len(ns)
	}
	for i := 0; i < len(ns); i += size {
		if err := do(i, ns[i:min(i+size, len(ns))]); err != nil {
			return err
		}
	}
	return nil
}

// insert stores what is new and returns how many those were.
func (m *memory) insert(ctx context.Context, ns []number) (stored int, err error) {
	err = m.parts(ns, func(_ int, part []number) error {
		var n int64
		var err error
		if len(part) == insertRows {
			n, err = m.insertFull(ctx, part)
		} else {
			n, err = m.tx.Exec(ctx, m.insertQuery(len(part)), m.insertArgs(part)...)
		}
		stored += int(n)
		return err
	})
	return stored, err
}

// insertFull inserts insertRows rows with a statement that is kept ready.
func (m *memory) insertFull(ctx context.Context, part []number) (int64, error) {
	if m.full == nil {
		query, err := m.tx.Rewrite(m.insertQuery(insertRows))
		if err != nil {
			return 0, err
		}
		if m.full, err = m.tx.SQL().PrepareContext(ctx, query); err != nil {
			return 0, err
		}
	}
	res, err := m.full.ExecContext(ctx, m.insertArgs(part)...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// insertCopy stores rows that are all new. COPY knows no ON CONFLICT: it ends
// the transaction if one is not.
func (m *memory) insertCopy(ctx context.Context, ns []number) (int, error) {
	rows := make([][]any, len(ns))
	fields := make([]any, 4*len(ns))
	for i := range ns {
		row := fields[4*i : 4*i+4 : 4*i+4]
		row[0], row[1], row[2], row[3] = m.scope, ns[i].t.milli, int64(ns[i].t.seq), ns[i].content
		rows[i] = row
	}
	err := m.copy(ctx, m.tx.Conn(), []string{m.tx.Schema(), m.tx.Prefix() + "number"}, []string{"scope", "at", "sequence", "content"}, rows)
	if sqldb.IsUnique(err) {
		return 0, errSomeNew
	}
	return len(ns), err
}

// insertTold stores what is new and sets the outcome of each.
func (m *memory) insertTold(ctx context.Context, ns []number, out []outcome) (stored int, err error) {
	err = m.parts(ns, func(first int, part []number) error {
		err := m.query(ctx, part, m.insertQuery(len(part))+" RETURNING at, sequence, content", m.insertArgs(part)...)
		stored += len(m.found)
		for i := range part {
			out[first+i] = isDuplicate
			if _, ok := m.found[part[i].t]; ok {
				out[first+i] = isNew
			}
		}
		return err
	})
	return stored, err
}

// errNumberGone means that a number was there when it was inserted and was not a
// moment later, which nothing that goes through a Ledger can bring about.
var errNumberGone = errors.New("ledger: a number vanished from the ledger meanwhile")

// compare distinguishes duplicates from conflicts among the numbers that were
// there.
func (m *memory) compare(ctx context.Context, ns []number, out []outcome) error {
	return m.parts(ns, func(first int, part []number) error {
		const columns = "SELECT n.at, n.sequence, n.content FROM "
		var query string
		var args []any
		if m.tx.Dialect() == sqldb.PostgreSQL {
			query = columns + `unnest(CAST(? AS bigint[]), CAST(? AS bigint[])) AS v (at, sequence)
				JOIN {number} n ON n.scope = ? AND n.at = v.at AND n.sequence = v.sequence`
			args = append(m.insertArgs(part)[:2], m.scope)
		} else {
			// CROSS JOIN is SQLite's way to say which table goes first.
			query = "WITH v (at, sequence) AS (VALUES (?,?)" + strings.Repeat(",(?,?)", len(part)-1) + ") " + columns +
				"v CROSS JOIN {number} n ON n.scope = ? AND n.at = v.at AND n.sequence = v.sequence"
			for i := range part {
				args = append(args, part[i].t.milli, int64(part[i].t.seq))
			}
			args = append(args, m.scope)
		}
		if err := m.query(ctx, part, query, args...); err != nil {
			return err
		}
		for i := range part {
			content, ok := m.found[part[i].t]
			switch {
			case out[first+i] == isNew:
			case !ok:
				return errNumberGone
			case content != part[i].content:
				out[first+i] = isConflict
			}
		}
		return nil
	})
}

// query gathers rows of time, sequence and content in found.
func (m *memory) query(ctx context.Context, part []number, query string, args ...any) error {
	if m.found == nil {
		m.found = make(map[rowID]int64, len(part))
	}
	clear(m.found)
	rows, err := m.tx.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var t rowID
		var content int64
		if err := rows.Scan(&t.milli, &t.seq, &content); err != nil {
			return err
		}
		m.found[t] = content
	}
	return rows.Err()
}

// close lets go of the statement that belongs to the scope.
func (m *memory) close() {
	if m.full != nil {
		m.full.Close() // its transaction ends in any case
		m.full = nil
	}
}
