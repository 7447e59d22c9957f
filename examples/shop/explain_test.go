package shop_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/apdu/pcsc"
	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/simcard/fault"
	"github.com/mynakit/mynakit/ticket"
)

// The shop's own errors and those of readers have texts; package advice has the
// others.
func TestExplainEveryKind(t *testing.T) {
	own := map[string]error{
		"pcsc.ErrUnavailable": pcsc.ErrUnavailable, "pcsc.ErrNoService": pcsc.ErrNoService, "pcsc.ErrDenied": pcsc.ErrDenied,
		"pcsc.ErrUnknownReader": pcsc.ErrUnknownReader, "pcsc.ErrNoCard": pcsc.ErrNoCard, "pcsc.ErrSharing": pcsc.ErrSharing,
		"pcsc.ErrUnresponsive": pcsc.ErrUnresponsive, "pcsc.ErrReset": pcsc.ErrReset, "pcsc.ErrGivenUp": pcsc.ErrGivenUp,
		"pcsc.ErrClosed": pcsc.ErrClosed, "pcsc.ErrProtocol": pcsc.ErrProtocol, "pcsc.ErrStop": pcsc.ErrStop,
		"point.ErrShort": point.ErrShort, "shop.ErrNoOutbox": shop.ErrNoOutbox, "shop.ErrCarry": shop.ErrCarry, "shop.ErrNoMember": shop.ErrNoMember,
		"shop.ErrKeyFile": shop.ErrKeyFile, "shop.ErrKeyFileOpen": shop.ErrKeyFileOpen, "shop.ErrMember": shop.ErrMember,
		"shop.ErrNoMembers": shop.ErrNoMembers, "shop.ErrConfig": shop.ErrConfig, "shop.ErrNoRoots": shop.ErrNoRoots,
		"shop.ErrOrderKey": shop.ErrOrderKey,
	}
	for pkg, pattern := range map[string]string{"pcsc": "../../apdu/pcsc/*.go", "shop": "*.go"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, name := range files {
			source, err := os.ReadFile(name)
			require.NoError(t, err)
			for _, m := range regexp.MustCompile(`(?m)^(?:var |\t)(Err[A-Z]\w*)\s*(?:error )?=`).FindAllStringSubmatch(string(source), -1) {
				assert.Contains(t, own, pkg+"."+m[1], "an error without a text")
			}
		}
	}
	for name, err := range own {
		a := shop.Explain(fmt.Errorf("at the counter: %w", err))
		assert.NotEqual(t, "unexpected", a.Kind, name)
		assert.True(t, strings.HasSuffix(a.What.JA, "。") && strings.HasSuffix(a.Do.JA, "。"), name)
		for _, text := range []string{a.What.EN, a.Do.EN} {
			assert.NotEmpty(t, text, name)
			assert.False(t, strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxLatin1 }), "%s: %s", name, text)
		}
	}
	assert.Equal(t, "unexpected", shop.Explain(errors.New("a fault that nobody has thought of")).Kind)
	assert.Equal(t, "card_removed", shop.Explain(apdu.ErrCardRemoved).Kind, "as readers say it too")
}

// Faults of the database, made to happen, say what they are.
func TestExplainDatabase(t *testing.T) {
	told := func(err error) string { return shop.Explain(err).What.EN }

	t.Run("full", func(t *testing.T) {
		db := dbtest.Open(t, "sqlite", dbtest.SQLite(t.TempDir()))
		db.SetMaxOpenConns(1) // the limit belongs to the connection
		s := open(t, db, config(t))
		card, _ := enrolled(t, s, 0)
		v, err := s.Begin(t.Context(), card)
		require.NoError(t, err)
		var pages int
		require.NoError(t, db.QueryRow("PRAGMA page_count").Scan(&pages))
		_, err = db.Exec(fmt.Sprintf("PRAGMA max_page_count = %d", pages+1))
		require.NoError(t, err)

		at, sold := s.Terminal("T1"), int64(0)
		order := func() ticket.Order { return ticket.Order{Points: 1, Key: fmt.Sprint("sale-", sold)} }
		for err == nil {
			if _, err = v.IssueTicket(t.Context(), card, at, order()); err == nil {
				sold++
			}
		}
		assert.Contains(t, told(err), "disk is full")
		assert.EqualValues(t, sold, exact(t, s).Ticketed)
		_, err = db.Exec("PRAGMA max_page_count = 100000")
		require.NoError(t, err)
		_, err = v.IssueTicket(t.Context(), card, at, order())
		require.NoError(t, err, "the same again, with room")
		assert.EqualValues(t, sold+1, exact(t, s).Ticketed)
	})
	t.Run("locked", func(t *testing.T) {
		dir := t.TempDir()
		cfg := config(t)
		cfg.RetryFor = time.Millisecond
		db := dbtest.Open(t, "sqlite", dbtest.ImpatientSQLite(dir))
		s := open(t, db, cfg)
		card, id := enrolled(t, s, 0)
		holder, err := s.Begin(t.Context(), card)
		require.NoError(t, err)
		other := dbtest.Open(t, "sqlite", dbtest.SQLite(dir)+"&_txlock=immediate")
		hold, err := other.Begin()
		require.NoError(t, err)
		err = s.Grant(t.Context(), id, 5, "more")
		require.Error(t, err)
		assert.Contains(t, told(err), "Another program holds the database")
		fresh := tap(t, simcard.New(simcard.WithHolder(simcard.SampleHolder(1))))
		v, err := s.BeginWithPIN(t.Context(), fresh, authPIN(t, simcard.DefaultAuthPIN))
		require.NoError(t, err)
		_, err = v.Offer(t.Context(), fresh)
		require.ErrorIs(t, err, registry.ErrBusy)
		assert.Contains(t, told(err), "Another program holds the database")
		_, err = holder.IssueTicket(t.Context(), card, s.Terminal("T1"), ticket.Order{Points: 1, Key: "sale"})
		require.ErrorIs(t, err, ticket.ErrBusy)
		assert.Contains(t, told(err), "Another program holds the database")
		require.NoError(t, hold.Rollback())
		require.NoError(t, s.Grant(t.Context(), id, 5, "more"), "the same again")
		assert.Equal(t, shop.Books{Granted: 2005, City: 2005}, exact(t, s))
	})
	t.Run("newer", func(t *testing.T) {
		db := dbtest.Open(t, "sqlite", dbtest.SQLite(t.TempDir()))
		open(t, db, config(t))
		tables, err := db.Query(`SELECT name FROM sqlite_master WHERE name LIKE '%schema%' AND type = 'table'`)
		require.NoError(t, err)
		defer tables.Close()
		var names []string
		for tables.Next() {
			var name string
			require.NoError(t, tables.Scan(&name))
			names = append(names, name)
		}
		require.NoError(t, tables.Err())
		require.NotEmpty(t, names)
		_, err = db.Exec("UPDATE " + names[0] + " SET version = 99")
		require.NoError(t, err)
		_, err = shop.Open(t.Context(), db, config(t))
		require.Error(t, err)
		assert.Contains(t, told(err), "newer version")
	})
	t.Run("absent", func(t *testing.T) {
		db := dbtest.Open(t, "sqlite", dbtest.SQLite(filepath.Join(t.TempDir(), "no", "such", "folder")))
		_, err := shop.Open(t.Context(), db, config(t))
		require.Error(t, err)
		assert.Contains(t, told(err), "cannot be opened")
	})
	t.Run("not a database", func(t *testing.T) {
		dir := t.TempDir()
		writeFile(t, filepath.Join(dir, "t.db"), strings.Repeat("this is no database. ", 500))
		db := dbtest.Open(t, "sqlite", dbtest.SQLite(dir))
		_, err := shop.Open(t.Context(), db, config(t))
		require.Error(t, err)
		assert.Contains(t, told(err), "damaged")
	})
	t.Run("server away", func(t *testing.T) {
		db := dbtest.Open(t, "pgx", "postgres://clerk:a-long-password@127.0.0.1:1/shop?connect_timeout=2")
		_, err := shop.Open(t.Context(), db, config(t))
		require.Error(t, err)
		assert.Contains(t, told(err), "no connection")
		assert.NotContains(t, err.Error(), "a-long-password")
	})
}

// A card that is lifted at any exchange of any step leaves the books as they
// were or as they should be, and the step can be made again.
func TestCardLiftedAtEveryExchange(t *testing.T) {
	s := open(t, dbtest.Open(t, "sqlite", dbtest.SQLite(t.TempDir())), config(t))
	ctx := t.Context()
	_, _ = enrolled(t, s, 0)
	visit := func(card apdu.Transmitter, key string) error {
		c, err := jpki.Open(ctx, card)
		if err != nil {
			return err
		}
		v, err := s.BeginWithPIN(ctx, c, authPIN(t, simcard.DefaultAuthPIN))
		if err != nil {
			return err
		}
		defer v.Close()
		if _, err := v.RegisterService(ctx, c, parse(t, mykey.ParseServiceID, "000001:1111111")); err != nil {
			return err
		}
		_, err = v.IssueTicket(ctx, c, s.Terminal("T1"), ticket.Order{Points: 1, Key: key})
		return err
	}
	whole := fault.Wrap(simcard.New())
	require.NoError(t, visit(whole, "whole"))
	for n := range whole.Exchanges() {
		key := fmt.Sprint("order-", n)
		for name, do := range map[string]fault.Fault{"before": fault.Remove(), "after": fault.RemoveAfter()} {
			sim := simcard.New()
			torn := fault.Wrap(sim, fault.Rule{When: fault.Nth(n + 1), Do: do})
			err := visit(torn, key)
			require.Error(t, err, "exchange %d, %s", n+1, name)
			assert.NotContains(t, shop.Explain(err).What.EN, "unexpected", "%v", err)
			torn.Insert()
			require.NoError(t, visit(torn, key), "the same again")
		}
	}
	assert.EqualValues(t, 1+whole.Exchanges(), exact(t, s).Ticketed, "each order once")
}
