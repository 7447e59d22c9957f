package shop

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/ticket"
)

// The accounts are the part of a shop's database that the library knows nothing
// of. Every movement of points has a key that comes once, so a program that
// asks twice moves them once; an account's points are the sum of its movements.
// The statements are those that SQLite and PostgreSQL have in common.
var schema = []string{
	`CREATE TABLE IF NOT EXISTS shop_account (
		account TEXT   NOT NULL PRIMARY KEY,
		points  BIGINT NOT NULL CHECK (points >= 0)
	)`,
	`CREATE TABLE IF NOT EXISTS shop_movement (
		movement TEXT   NOT NULL PRIMARY KEY,
		kind     TEXT   NOT NULL,
		account  TEXT   NOT NULL,
		points   BIGINT NOT NULL,
		ref      TEXT   NOT NULL,
		terminal TEXT   NOT NULL,
		at       BIGINT NOT NULL,
		printed  BIGINT NOT NULL
	)`,
	// What a holder has spent on a day without having proved to be there.
	`CREATE TABLE IF NOT EXISTS shop_unproved (
		account TEXT   NOT NULL,
		day     TEXT   NOT NULL,
		points  BIGINT NOT NULL,
		PRIMARY KEY (account, day)
	)`,
	`CREATE INDEX IF NOT EXISTS shop_movement_account ON shop_movement (account)`,
	`CREATE INDEX IF NOT EXISTS shop_movement_at ON shop_movement (at)`,
}

// createAccounts creates the tables of accounts. Of two programs that create one
// at the same moment, PostgreSQL refuses the later one, IF NOT EXISTS or not;
// when it is refused the table is there, and the same statement succeeds.
func (s *Shop) createAccounts(ctx context.Context) error {
	for _, statement := range schema {
		_, err := s.db.ExecContext(ctx, statement)
		for range 3 {
			if err == nil || ctx.Err() != nil {
				break
			}
			_, err = s.db.ExecContext(ctx, statement)
		}
		if err != nil {
			return fmt.Errorf("shop: create tables: %w", err)
		}
	}
	return nil
}

// What a movement is for.
const (
	kindGrant   = "grant"   // city points given
	kindTicket  = "ticket"  // city points put on paper
	kindCombine = "combine" // city points that leave for the mall
	kindMerge   = "merge"   // mall points out of a merge file
	kindJoin    = "join"    // city points from one MyKey ID of a person to the other
)

// movement is points that come to an account, or leave it.
type movement struct {
	key      string // comes once
	kind     string
	account  string
	points   int64  // negative when they leave
	ref      string // a ticket's number, or a transaction number
	terminal string
}

func cityAccount(id mykey.ID) string             { return "city:" + id.String() }
func mallAccount(member mykey.CustomerID) string { return "mall:" + member.String() }

var (
	// ErrBalance means that the holder has fewer points than asked for.
	ErrBalance = errors.New("shop: not enough points")
	// ErrRepeat means that the key of a call was used before for something
	// else. Nothing was done.
	ErrRepeat = errors.New("shop: the key was used before for something else")
)

// move carries out a movement, once: a second one of the same key and content
// changes nothing. If m.ref is drawn at random, m gets the first one's. move
// reports whether it was the first.
func move(ctx context.Context, tx *sql.Tx, m *movement, at int64) (bool, error) {
	result, err := tx.ExecContext(ctx, `INSERT INTO shop_movement (movement, kind, account, points, ref, terminal, at, printed)
		VALUES ($1, $2, $3, $4, $5, $6, $7, 0) ON CONFLICT (movement) DO NOTHING`,
		m.key, m.kind, m.account, m.points, m.ref, m.terminal, at)
	if err != nil {
		return false, err
	}
	if n, err := result.RowsAffected(); err != nil {
		return false, err
	} else if n == 0 {
		before := movement{key: m.key, terminal: m.terminal} // another terminal may ask for the same
		err := tx.QueryRowContext(ctx, `SELECT kind, account, points, ref FROM shop_movement WHERE movement = $1`, m.key).
			Scan(&before.kind, &before.account, &before.points, &before.ref)
		if m.kind == kindCombine {
			m.ref = before.ref
		}
		if err == nil && before != *m {
			err = ErrRepeat
		}
		return false, err
	}
	if m.points >= 0 {
		_, err = tx.ExecContext(ctx, `INSERT INTO shop_account (account, points) VALUES ($1, $2)
			ON CONFLICT (account) DO UPDATE SET points = shop_account.points + excluded.points`, m.account, m.points)
		return err == nil, err
	}
	result, err = tx.ExecContext(ctx, `UPDATE shop_account SET points = points + $1 WHERE account = $2 AND points + $1 >= 0`, m.points, m.account)
	if err != nil {
		return false, err
	}
	if n, err := result.RowsAffected(); err != nil || n == 1 {
		return err == nil, err
	}
	return false, ErrBalance
}

// write runs fn in a durable transaction, and again when another was in the way.
func (s *Shop) write(ctx context.Context, what string, fn func(ctx context.Context, tx *sql.Tx) error) error {
	if err := s.registry.Do(ctx, fn); err != nil {
		return fmt.Errorf("shop: %s: %w", what, err)
	}
	return nil
}

// Grant gives city points to a holder (ポイント付与). key names this one grant, such
// as "welcome": the same for the same holder changes nothing the second time.
// points is at least 1. The errors are ErrRepeat, [ticket.ErrPoints], or the
// database's.
func (s *Shop) Grant(ctx context.Context, to mykey.ID, points int64, key string) error {
	if points < 1 || points > ticket.MaxPoints {
		return ticket.ErrPoints
	}
	m := &movement{key: grantKey(to, key), kind: kindGrant, account: cityAccount(to), points: points}
	return s.write(ctx, "grant points", func(ctx context.Context, tx *sql.Tx) error {
		_, err := move(ctx, tx, m, s.now().UnixMilli())
		return err
	})
}

// balance returns the points of an account, 0 for one that never had any.
func (s *Shop) balance(ctx context.Context, account string) (points int64, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT points FROM shop_account WHERE account = $1`, account).Scan(&points)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		err = fmt.Errorf("shop: read balance: %w", err)
	}
	return points, err
}

// Books are the sums of all accounts and of all movements, at one moment.
type Books struct {
	Granted  int64 // city points given
	Ticketed int64 // city points put on tickets
	Combined int64 // city points that left for the mall
	City     int64 // city points that holders have
	Merged   int64 // mall points that came in merge files
	Mall     int64 // mall points that members have
	Torn     int64 // accounts that differ from the sum of their movements
}

// Exact reports whether the books balance.
func (b Books) Exact() bool {
	return b.Granted-b.Ticketed-b.Combined == b.City && b.Merged == b.Mall && b.Torn == 0
}

// Books adds everything up, in one statement and so at one moment. It reads
// all movements there ever were. The error is the database's.
func (s *Shop) Books(ctx context.Context) (Books, error) {
	var b Books
	err := s.db.QueryRowContext(ctx, `SELECT
		CAST((SELECT COALESCE(SUM(points), 0) FROM shop_movement WHERE kind = 'grant') AS BIGINT),
		CAST((SELECT COALESCE(-SUM(points), 0) FROM shop_movement WHERE kind = 'ticket') AS BIGINT),
		CAST((SELECT COALESCE(-SUM(points), 0) FROM shop_movement WHERE kind = 'combine') AS BIGINT),
		CAST((SELECT COALESCE(SUM(points), 0) FROM shop_account WHERE account LIKE 'city:%') AS BIGINT),
		CAST((SELECT COALESCE(SUM(points), 0) FROM shop_movement WHERE kind = 'merge') AS BIGINT),
		CAST((SELECT COALESCE(SUM(points), 0) FROM shop_account WHERE account LIKE 'mall:%') AS BIGINT),
		(SELECT COUNT(*) FROM shop_account a WHERE points <>
			(SELECT COALESCE(SUM(m.points), 0) FROM shop_movement m WHERE m.account = a.account))`).
		Scan(&b.Granted, &b.Ticketed, &b.Combined, &b.City, &b.Merged, &b.Mall, &b.Torn)
	if err != nil {
		err = fmt.Errorf("shop: add up the books: %w", err)
	}
	return b, err
}
