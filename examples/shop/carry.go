package shop

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/outbox"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/mynakit/mynakit/ticket"
)

// What is in this file takes over what an earlier version of this package kept in
// tables of its own. A program that never had those does not need it.

// ErrCarry means that the tables of an earlier version do not add up, so that
// nothing was taken over. A person has to look at them.
var ErrCarry = errors.New("shop: the accounts of an earlier version do not add up")

// carry takes over the accounts, tickets and records of an earlier version in one
// transaction, and then gives their tables other names: it happens once. Every
// account begins with an opening credit of what it has and what it paid for, and
// pays for it again, so that a ticket can be taken back with its points and a
// terminal that asks again gets its answer.
func (s *Shop) carry(ctx context.Context) error {
	if s.cfg.Training {
		return nil // an earlier version had no training
	}
	if there, err := s.hasTables(ctx, s.db); err != nil || !there {
		return err
	}
	return s.write(ctx, "take over the accounts of an earlier version", func(ctx context.Context, tx *sql.Tx) error {
		if s.postgres {
			// Of two programs that start at once, one waits here.
			if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock(7218831107)"); err != nil {
				return err
			}
		}
		if there, err := s.hasTables(ctx, tx); err != nil || !there {
			return err
		}
		moves, err := readMovements(ctx, tx)
		if err != nil {
			return err
		}
		if err := s.carryAccounts(ctx, tx, moves); err != nil {
			return err
		}
		for _, m := range moves {
			if err := s.carryPaid(ctx, tx, m); err != nil {
				return fmt.Errorf("movement of %s: %w", m.kind, err)
			}
		}
		if err := s.carryEnd(ctx, tx); err != nil {
			return err
		}
		for _, table := range []string{"shop_account", "shop_movement", "shop_unproved"} {
			if there, err := s.hasTable(ctx, tx, table); err != nil || !there {
				if err != nil {
					return err
				}
				continue // of a version before that table
			}
			if _, err := tx.ExecContext(ctx, "ALTER TABLE "+table+" RENAME TO former_"+table); err != nil {
				return err
			}
		}
		return nil
	})
}

type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func (s *Shop) hasTables(ctx context.Context, q querier) (bool, error) {
	return s.hasTable(ctx, q, "shop_movement")
}

func (s *Shop) hasTable(ctx context.Context, q querier, name string) (bool, error) {
	query := "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = $1"
	if s.postgres {
		query = "SELECT count(*) FROM pg_class WHERE oid = to_regclass($1)"
	}
	var n int
	err := q.QueryRowContext(ctx, query, name).Scan(&n)
	return n > 0, err
}

// movement is a row of the earlier table: points that came to an account or left
// it. The key is of its kind, the scope and the caller's key.
type movement struct {
	key, kind, account, ref string
	points                  int64 // negative when they left
	printed                 bool
}

func readMovements(ctx context.Context, tx *sql.Tx) (out []movement, err error) {
	rows, err := tx.QueryContext(ctx, "SELECT movement, kind, account, ref, points, printed FROM shop_movement ORDER BY at, movement")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var m movement
		var printed int64
		if err := rows.Scan(&m.key, &m.kind, &m.account, &m.ref, &m.points, &printed); err != nil {
			return nil, err
		}
		m.printed = printed != 0
		out = append(out, m)
	}
	return out, rows.Err()
}

func readBalances(ctx context.Context, tx *sql.Tx) (map[string]int64, error) {
	rows, err := tx.QueryContext(ctx, "SELECT account, points FROM shop_account")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := make(map[string]int64)
	for rows.Next() {
		var account string
		var points int64
		if err := rows.Scan(&account, &points); err != nil {
			return nil, err
		}
		out[account] = points
	}
	return out, rows.Err()
}

// carryAccounts opens an account for each of the earlier ones, with what it has
// and what carryPaid will take of it, and joins those that were joined.
func (s *Shop) carryAccounts(ctx context.Context, tx *sql.Tx, moves []movement) error {
	begin, err := readBalances(ctx, tx)
	if err != nil {
		return err
	}
	for _, m := range moves {
		switch m.kind {
		case "ticket", "combine", "join":
			begin[m.account] -= m.points
		case "grant":
			begin[m.account] += 0 // one of no points has an account too
		}
	}
	for account, points := range begin {
		if points < 0 {
			return ErrCarry
		}
		kind, name, _ := strings.Cut(account, ":")
		opening := point.Credit{Request: point.Request{Scope: "opening", Name: account}, Points: points, Kind: point.OpOpening}
		switch kind {
		case "city":
			id, err := mykey.ParseID(name)
			if err != nil {
				return err
			}
			if err := s.openAccounts(ctx, tx, id); err != nil {
				return err
			}
			opening.Holder, opening.Account = id, s.cfg.Programmes[0].Account
			if _, err := s.city.In(tx).Credit(ctx, opening); err != nil {
				return err
			}
		case "mall":
			number, err := mykey.ParseCustomerID(name)
			if err != nil {
				return err
			}
			to, err := s.memberByNumber(ctx, tx, number)
			if err == nil {
				_, err = s.credit(ctx, tx, to, opening)
			}
			if err != nil {
				return err
			}
		default:
			return ErrCarry
		}
	}
	for _, m := range moves {
		if err := s.carryOnce(ctx, tx, m); err != nil {
			return err
		}
	}
	for _, m := range moves {
		// "join:" OLD ":" NEW ":out"
		parts := strings.Split(m.key, ":")
		if m.kind != "join" || len(parts) != 4 || parts[3] != "out" {
			continue
		}
		old, oldErr := mykey.ParseID(parts[1])
		to, newErr := mykey.ParseID(parts[2])
		if err := errors.Join(oldErr, newErr); err != nil {
			return err
		}
		if _, err := s.city.In(tx).Join(ctx, old, to); err != nil {
			return err
		}
	}
	return nil
}

// carryOnce keeps a grant that was given from being given again.
func (s *Shop) carryOnce(ctx context.Context, tx *sql.Tx, m movement) error {
	if m.kind != "grant" {
		return nil
	}
	id, err := mykey.ParseID(strings.TrimPrefix(m.account, "city:"))
	if err != nil {
		return err
	}
	// "grant:" ID ":" key
	_, key, _ := strings.Cut(strings.TrimPrefix(m.key, grantScope), ":")
	_, err = s.city.In(tx).Credit(ctx, point.Credit{Request: point.Request{Scope: grantScope + carriedKey(key, 58)}, Once: true,
		Holder: id, Account: s.cfg.Programmes[0].Account, Kind: point.OpOpening})
	return err
}

// carriedKey is a key that an earlier version took, in the form of those of now.
// One of another form nobody can ask for any more.
func carriedKey(key string, most int) string {
	if validKey(key) && len(key) <= most {
		return key
	}
	return fmt.Sprintf("former-%.20x", sha256.Sum256([]byte(key)))
}

// carryPaid has a ticket or a record paid anew.
func (s *Shop) carryPaid(ctx context.Context, tx *sql.Tx, m movement) error {
	if m.kind != "ticket" && m.kind != "combine" {
		return nil
	}
	id, err := mykey.ParseID(strings.TrimPrefix(m.account, "city:"))
	if err != nil {
		return err
	}
	// Kind ":" scope ":" key
	_, rest, _ := strings.Cut(m.key, ":")
	scope, key, ok := strings.Cut(rest, ":")
	if !ok {
		return ErrCarry
	}
	u := point.Use{Request: point.Request{Scope: scope, Name: carriedKey(key, point.MaxRequest)}, Holder: id,
		Account: s.cfg.Programmes[0].Account, Points: -m.points, Proved: true, For: point.OpTicket}
	if m.kind == "combine" {
		u.For = point.OpMerge
	}
	if _, err := s.city.In(tx).Status(ctx, u.Request); err == nil {
		// A ticket and a record of one key: nobody can ask for the later one.
		u.Request.Name = carriedKey(m.key+" ", 0)
	} else if !errors.Is(err, point.ErrNoRequest) {
		return err
	}
	r, err := s.city.In(tx).Use(ctx, u)
	if err != nil {
		return err
	}
	if m.kind == "combine" {
		return s.carryRecord(ctx, tx, m, id, r)
	}
	number, err := ticket.ParseNumber(m.ref)
	if err != nil {
		return err
	}
	return s.book.In(tx).TakeOver(ctx, ticket.Scope(scope), number, string(u.Account), u.Request.Name, !m.printed)
}

// carryRecord takes over a record with its number, since its file may be out.
// Its reference is the transaction number and, but for the earliest, the member
// number.
func (s *Shop) carryRecord(ctx context.Context, tx *sql.Tx, m movement, id mykey.ID, paid point.Receipt) error {
	if s.box == nil {
		return ErrNoOutbox
	}
	number, member, _ := strings.Cut(m.ref, " ")
	r := mergefile.Record{Points: uint64(paid.Points)}
	var err error
	if r.Transaction, err = mergefile.ParseTransaction(number); err != nil {
		return err
	}
	if member == "" && m.printed {
		member = "unknown" // it has been sent, to whoever that was
	}
	if member != "" {
		if r.Holder, err = mergefile.NewMallHolder(member); err != nil {
			return err
		}
	}
	it, err := s.box.In(tx).Adopt(ctx, outbox.Order{Operation: paid.Operation, Subject: id.String(), Points: paid.Points}, r)
	if err == nil && m.printed {
		err = s.box.In(tx).Settle(ctx, it.Scope, it.Number, "earlier version")
	}
	return err
}

// carryEnd compares the balances, and ends the accounts of IDs that were revoked.
func (s *Shop) carryEnd(ctx context.Context, tx *sql.Tx) error {
	want, err := readBalances(ctx, tx)
	if err != nil {
		return err
	}
	for account, points := range want {
		name, ok := strings.CutPrefix(account, "city:")
		if !ok {
			continue
		}
		id, err := mykey.ParseID(name)
		if err != nil {
			return err
		}
		now, err := s.registry.In(tx).Successor(ctx, id)
		if errors.Is(err, registry.ErrRetired) {
			if err := s.city.In(tx).Revoke(ctx, id); err != nil {
				return err
			}
			now = id
		} else if errors.Is(err, registry.ErrNotFound) {
			now = id // points that were granted to an ID that nobody has
		} else if err != nil {
			return err
		}
		if now != id {
			continue // of the account that it was joined to
		}
		have, err := s.city.In(tx).Balances(ctx, id)
		if err != nil {
			return err
		}
		for _, b := range have {
			points -= b.Points
		}
		if points != 0 {
			return ErrCarry
		}
	}
	return nil
}
