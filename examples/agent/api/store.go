package api

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"github.com/mynakit/mynakit/internal/sqldb"
)

// The agent's own tables, beside the shop's: who its clients are, and what their
// keys were used for, what is being printed and when a terminal was closed. In
// training the last three are others, whose names begin with a prefix. The tables
// of an agent of before are taken as they are.
var (
	callers = sqldb.Domain{Package: "agent", Own: ownAnswer, Schema: sqldb.Schema{Name: "client", Steps: [][]string{{
		`CREATE TABLE IF NOT EXISTS {client} (
			terminal {:text} NOT NULL,
			name     {:text} NOT NULL,
			id       {:text} NOT NULL UNIQUE,
			origin   {:text} NOT NULL,
			token    {:text} NOT NULL,
			at       BIGINT  NOT NULL,
			PRIMARY KEY (terminal, name)
		)`,
	}}}}
	requests = sqldb.Domain{Package: "agent", Own: ownAnswer, Schema: sqldb.Schema{Name: "request", Steps: [][]string{{
		`CREATE TABLE IF NOT EXISTS {request} (
			client {:text} NOT NULL,
			name   {:text} NOT NULL,
			act    {:text} NOT NULL,
			body   {:text} NOT NULL,
			object {:text} UNIQUE,
			answer {:text} NOT NULL,
			at     BIGINT  NOT NULL,
			PRIMARY KEY (client, name)
		)`,
		// Until when a terminal's acts have been counted, in microseconds.
		`CREATE TABLE IF NOT EXISTS {day} (
			terminal {:text} NOT NULL PRIMARY KEY,
			closed   BIGINT  NOT NULL
		)`,
	}, {
		// What is being printed, and by which key: one at a time. A row stays if it
		// is not known whether the paper came out. The time is in microseconds, and
		// 0 when nobody works on it any more.
		`CREATE TABLE {paper} (
			object {:text} NOT NULL PRIMARY KEY,
			client {:text} NOT NULL,
			name   {:text} NOT NULL,
			at     BIGINT  NOT NULL
		)`,
	}}}}
)

// ownAnswer returns a refusal within an error.
func ownAnswer(err error) error {
	if _, ok := errors.AsType[refusal](err); ok {
		return err
	}
	return nil
}

const (
	addRequest = `INSERT INTO {request} (client, name, act, body, object, answer, at)
		VALUES (?, ?, ?, ?, ?, '', ?) ON CONFLICT (client, name) DO NOTHING`
	oneRequest  = "SELECT client, name, act, body, object, answer FROM {request} WHERE "
	byKey       = oneRequest + "client = ? AND name = ?"
	byObject    = oneRequest + "client = ? AND object = ?"
	setAnswer   = "UPDATE {request} SET answer = ? WHERE client = ? AND name = ? AND answer = ?"
	removePaper = "DELETE FROM {paper} WHERE object = ? AND client = ? AND name = ?"
)

// store is the tables.
type store struct {
	callers  sqldb.Keeper
	requests sqldb.Keeper
	terminal string
	digest   func([]byte) string // of a body, under a key: a ticket's number is guessed from a plain one
}

func openStore(ctx context.Context, db *sql.DB, terminal string, key []byte, training bool) (*store, error) {
	s := &store{terminal: terminal, digest: func(body []byte) string {
		mac := hmac.New(sha256.New, key)
		mac.Write(body)
		return hex.EncodeToString(mac.Sum(nil)[:16])
	}}
	const prefix = "agent_"
	cfg := sqldb.Config{Prefix: prefix, Mode: sqldb.Live, Prepare: []string{addRequest, byKey, byObject, setAnswer}}
	if training {
		cfg.Prefix, cfg.Mode = "training_"+prefix, sqldb.Training
	}
	var err error
	if s.callers, err = callers.Open(ctx, db, sqldb.Config{Prefix: prefix}); err == nil {
		s.requests, err = requests.Open(ctx, db, cfg)
	}
	return s, err
}

// act is what a key is used for.
type act string

const (
	actVoid   act = "void" // cancelled before it came
	actUse    act = "use"
	actRefund act = "refund"
	actTicket act = "ticket"
	actRedeem act = "redemption"
	actPrint  act = "print"
	actClose  act = "close"
)

// request is what is kept of a call that changes something.
type request struct {
	client, key string
	act         act
	body        string // its digest
	object      string // the id of what it made, if anything
	answer      json.RawMessage
}

// begin writes down that a key is in use, before anything is done under it. If it
// was in use before, begin returns what is kept, and false.
func (s *store) begin(ctx context.Context, r request) (kept request, first bool, err error) {
	err = s.requests.Write(ctx, "write down a request", func(ctx context.Context, tx *sqldb.Tx) error {
		kept = r
		n, err := tx.Exec(ctx, addRequest, r.client, r.key, string(r.act), r.body, orNull(r.object), time.Now().UnixMilli())
		if first = n == 1; err != nil || first {
			return err
		}
		kept, err = one(ctx, tx.Queries, byKey, r.client, r.key)
		return err
	})
	return kept, first, err
}

// find returns what is kept of a key, or the refusal request_unknown.
func (s *store) find(ctx context.Context, client, key string) (request, error) {
	r, err := one(ctx, s.requests.DB.Queries, byKey, client, key)
	return r, s.requests.Told("find a request", err)
}

// object returns the request that made something of a client's, or the refusal
// not_found.
func (s *store) object(ctx context.Context, client, id string) (request, error) {
	r, err := one(ctx, s.requests.DB.Queries, byObject, client, id)
	if errors.Is(err, refusal("request_unknown")) {
		err = refusal("not_found")
	}
	return r, s.requests.Told("find a request", err)
}

func one(ctx context.Context, q sqldb.Queries, query string, args ...any) (request, error) {
	var r request
	var object sql.NullString
	var answer string
	err := q.QueryRow(ctx, query, args...).Scan(&r.client, &r.key, &r.act, &r.body, &object, &answer)
	if errors.Is(err, sql.ErrNoRows) {
		err = refusal("request_unknown")
	}
	r.object, r.answer = object.String, json.RawMessage(answer)
	return r, err
}

// done writes down a request's answer, the first for good.
func (s *store) done(ctx context.Context, r request) error {
	return s.requests.Write(ctx, "write down an answer", func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, setAnswer, string(r.answer), r.client, r.key, "")
		return err
	})
}

// void makes a request void of which nothing has come and nothing will, and
// reports whether it did. The key is nobody's meanwhile.
func (s *store) void(ctx context.Context, r request) (done bool, err error) {
	err = s.requests.Write(ctx, "cancel a request", func(ctx context.Context, tx *sqldb.Tx) error {
		n, err := tx.Exec(ctx, "UPDATE {request} SET act = ? WHERE client = ? AND name = ? AND act = ? AND answer = ''",
			string(actVoid), r.client, r.key, string(r.act))
		done = n == 1
		return err
	})
	return done, err
}

// paperTime is how long a print can be under way. An older one is of an agent that
// has died.
const paperTime = 2 * callTime

// notKnown is the answer of a print from before the printer is asked until its end
// is known.
const notKnown = `{"error":"outcome_unknown"}`

// takePaper has a request print something, alone. It is refused with in_progress
// while another prints it, and with outcome_unknown if another did and it is not
// known what became of that, unless again says that somebody has looked.
func (s *store) takePaper(ctx context.Context, object string, r doing, again bool) error {
	return s.requests.Write(ctx, "begin to print", func(ctx context.Context, tx *sqldb.Tx) error {
		var at int64 // of who has it, and -1 of nobody
		err := tx.QueryRow(ctx, `INSERT INTO {paper} AS p (object, client, name, at) VALUES (?, ?, ?, -1)
			ON CONFLICT (object) DO UPDATE SET at = p.at RETURNING at`, object, r.client.id, r.key).Scan(&at)
		if err != nil {
			return err
		}
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		// One from the future is of before a clock was set back.
		since := now.Sub(time.UnixMicro(at))
		switch {
		case at < 0:
		case since >= 0 && since < paperTime:
			return refusal("in_progress")
		case !again:
			return refusal("outcome_unknown")
		}
		if _, err = tx.Exec(ctx, "UPDATE {paper} SET client = ?, name = ?, at = ? WHERE object = ?", r.client.id, r.key, now.UnixMicro(), object); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, setAnswer, notKnown, r.client.id, r.key, "")
		if err == nil && n == 0 {
			err = refusal("in_progress") // by another agent
		}
		return err
	})
}

// endPaper ends what takePaper began: with the answer of a print that came to its
// end, with "" if nothing was printed, and with notKnown. Others may print it then,
// but after notKnown.
func (s *store) endPaper(ctx context.Context, object string, r doing, answer string) error {
	return s.requests.Write(ctx, "end a print", func(ctx context.Context, tx *sqldb.Tx) error {
		end := removePaper
		if answer == notKnown {
			end = "UPDATE {paper} SET at = 0 WHERE object = ? AND client = ? AND name = ?"
		}
		if _, err := tx.Exec(ctx, end, object, r.client.id, r.key); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, setAnswer, answer, r.client.id, r.key, notKnown)
		return err
	})
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// clients returns the clients of this terminal.
func (s *store) clients(ctx context.Context) (all []*clientInfo, err error) {
	err = s.callers.Read(ctx, "read clients", func(ctx context.Context, tx *sqldb.Tx) error {
		rows, err := tx.Query(ctx, "SELECT id, name, origin, token FROM {client} WHERE terminal = ? ORDER BY name", s.terminal)
		if err != nil {
			return err
		}
		defer rows.Close()
		all = nil
		for rows.Next() {
			c := new(clientInfo)
			if err := rows.Scan(&c.id, &c.name, &c.origin, &c.token); err != nil {
				return err
			}
			all = append(all, c)
		}
		return rows.Err()
	})
	return all, err
}

// addClient adds a client under a new name, and reports false for a name that
// there is.
func (s *store) addClient(ctx context.Context, c *clientInfo) (added bool, err error) {
	err = s.callers.Write(ctx, "add a client", func(ctx context.Context, tx *sqldb.Tx) error {
		n, err := tx.Exec(ctx, `INSERT INTO {client} (terminal, name, id, origin, token, at)
			VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (terminal, name) DO NOTHING`, s.terminal, c.name, c.id, c.origin, c.token, time.Now().UnixMilli())
		added = n == 1
		return err
	})
	return added, err
}

// setToken gives a client another token and origin; "" is no token.
func (s *store) setToken(ctx context.Context, id, token, origin string) error {
	return s.callers.Write(ctx, "change a client", func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE {client} SET token = ?, origin = ? WHERE id = ?", token, origin, id)
		return err
	})
}

// closed returns until when the terminal has been closed, or the zero time.
func (s *store) closed(ctx context.Context) (time.Time, error) {
	var at int64
	err := s.requests.DB.QueryRow(ctx, "SELECT closed FROM {day} WHERE terminal = ?", s.terminal).Scan(&at)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return time.Time{}, nil
	case err != nil:
		return time.Time{}, s.requests.Told("find the last closing", err)
	}
	return time.UnixMicro(at), nil
}

// clocksDiffer is by how much the clocks of a database and of its programs may
// differ.
const clocksDiffer = 3 * time.Second

// pastClosing waits until the database's clock is past the last closing, and is
// refused with clock_behind if that takes longer than clocks may differ.
func (s *store) pastClosing(ctx context.Context) error {
	closed, err := s.closed(ctx)
	if err != nil || closed.IsZero() {
		return err
	}
	now, err := s.requests.DB.Now(ctx)
	if err != nil {
		return s.requests.Told("read the clock", err)
	}
	wait := closed.Sub(now)
	switch {
	case wait <= 0:
		return nil
	case wait > clocksDiffer:
		return refusal("clock_behind")
	}
	timer := time.NewTimer(wait + time.Microsecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close closes the terminal from the instant of its last closing up to another, and
// writes down the answer of the request that does so: both or neither. It reports
// false if another closing came between, and has done nothing then.
func (s *store) close(ctx context.Context, since, until time.Time, r request) (closed bool, err error) {
	err = s.requests.Write(ctx, "close a terminal", func(ctx context.Context, tx *sqldb.Tx) error {
		n, err := tx.Exec(ctx, `INSERT INTO {day} AS d (terminal, closed) VALUES (?, ?)
			ON CONFLICT (terminal) DO UPDATE SET closed = excluded.closed WHERE d.closed = ?`,
			s.terminal, until.UnixMicro(), since.UnixMicro())
		if closed = n == 1; err != nil || !closed {
			return err
		}
		_, err = tx.Exec(ctx, setAnswer, string(r.answer), r.client, r.key, "")
		return err
	})
	return closed, err
}
