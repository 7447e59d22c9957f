package api

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// schema are the agent's own tables, beside the shop's: who its clients are, what
// their keys were used for, and when a terminal was closed. In training the last
// two are others, which begin with a prefix. The statements are those that SQLite
// and PostgreSQL have in common.
func schema(prefix string) []string {
	return []string{
		`CREATE TABLE IF NOT EXISTS agent_client (
			terminal TEXT   NOT NULL,
			name     TEXT   NOT NULL,
			id       TEXT   NOT NULL UNIQUE,
			origin   TEXT   NOT NULL,
			token    TEXT   NOT NULL,
			at       BIGINT NOT NULL,
			PRIMARY KEY (terminal, name)
		)`,
		`CREATE TABLE IF NOT EXISTS ` + prefix + `agent_request (
			client TEXT   NOT NULL,
			name   TEXT   NOT NULL,
			act    TEXT   NOT NULL,
			body   TEXT   NOT NULL,
			object TEXT   UNIQUE,
			answer TEXT   NOT NULL,
			at     BIGINT NOT NULL,
			PRIMARY KEY (client, name)
		)`,
		// Until when a terminal's acts have been counted, in microseconds.
		`CREATE TABLE IF NOT EXISTS ` + prefix + `agent_day (
			terminal TEXT   NOT NULL PRIMARY KEY,
			closed   BIGINT NOT NULL
		)`,
	}
}

// store is the tables.
type store struct {
	db       *sql.DB
	terminal string
	prefix   string              // of the tables that are others in training
	digest   func([]byte) string // of a body, under a key: a ticket's number is guessed from a plain one
}

func openStore(ctx context.Context, db *sql.DB, terminal string, key []byte, training bool) (*store, error) {
	prefix := ""
	if training {
		prefix = "training_"
	}
	s := &store{db: db, terminal: terminal, prefix: prefix, digest: func(body []byte) string {
		mac := hmac.New(sha256.New, key)
		mac.Write(body)
		return hex.EncodeToString(mac.Sum(nil)[:16])
	}}
	for _, statement := range schema(prefix) {
		// Of two programs that create one table at one moment, PostgreSQL refuses
		// the later one; the same statement succeeds then.
		_, err := db.ExecContext(ctx, statement)
		for range 3 {
			if err == nil || ctx.Err() != nil {
				break
			}
			_, err = db.ExecContext(ctx, statement)
		}
		if err != nil {
			return nil, fmt.Errorf("agent: create tables: %w", err)
		}
	}
	return s, nil
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
func (s *store) begin(ctx context.Context, r request) (request, bool, error) {
	result, err := s.db.ExecContext(ctx, `INSERT INTO `+s.prefix+`agent_request (client, name, act, body, object, answer, at)
		VALUES ($1, $2, $3, $4, $5, '', $6) ON CONFLICT (client, name) DO NOTHING`,
		r.client, r.key, string(r.act), r.body, orNull(r.object), time.Now().UnixMilli())
	if err != nil {
		return r, false, fmt.Errorf("agent: write down a request: %w", err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 1 {
		return r, err == nil, err
	}
	before, err := s.find(ctx, r.client, r.key)
	return before, false, err
}

// find returns what is kept of a key, or the refusal request_unknown.
func (s *store) find(ctx context.Context, client, key string) (request, error) {
	return s.one(ctx, "client = $1 AND name = $2", client, key)
}

// object returns the request that made something of a client's, or the refusal
// not_found.
func (s *store) object(ctx context.Context, client, id string) (request, error) {
	r, err := s.one(ctx, "client = $1 AND object = $2", client, id)
	if errors.Is(err, refusal("request_unknown")) {
		err = refusal("not_found")
	}
	return r, err
}

func (s *store) one(ctx context.Context, where string, args ...any) (request, error) {
	var r request
	var object sql.NullString
	var answer string
	err := s.db.QueryRowContext(ctx, "SELECT client, name, act, body, object, answer FROM "+s.prefix+"agent_request WHERE "+where, args...).
		Scan(&r.client, &r.key, &r.act, &r.body, &object, &answer)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return r, refusal("request_unknown")
	case err != nil:
		return r, fmt.Errorf("agent: find a request: %w", err)
	}
	r.object, r.answer = object.String, json.RawMessage(answer)
	return r, nil
}

// done writes down a request's answer, the first for good.
func (s *store) done(ctx context.Context, r request) error {
	_, err := s.db.ExecContext(ctx, `UPDATE `+s.prefix+`agent_request SET answer = $1 WHERE client = $2 AND name = $3 AND answer = ''`,
		string(r.answer), r.client, r.key)
	if err != nil {
		return fmt.Errorf("agent: write down an answer: %w", err)
	}
	return nil
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// clients returns the clients of this terminal.
func (s *store) clients(ctx context.Context) ([]*clientInfo, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT id, name, origin, token FROM agent_client WHERE terminal = $1 ORDER BY name`, s.terminal)
	if err != nil {
		return nil, fmt.Errorf("agent: read clients: %w", err)
	}
	defer rows.Close()
	var all []*clientInfo
	for rows.Next() {
		c := new(clientInfo)
		if err := rows.Scan(&c.id, &c.name, &c.origin, &c.token); err != nil {
			return nil, fmt.Errorf("agent: read clients: %w", err)
		}
		all = append(all, c)
	}
	return all, rows.Err()
}

// addClient adds a client under a new name, and reports false for a name that
// there is.
func (s *store) addClient(ctx context.Context, c *clientInfo) (bool, error) {
	result, err := s.db.ExecContext(ctx, `INSERT INTO agent_client (terminal, name, id, origin, token, at)
		VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (terminal, name) DO NOTHING`, s.terminal, c.name, c.id, c.origin, c.token, time.Now().UnixMilli())
	if err != nil {
		return false, fmt.Errorf("agent: add a client: %w", err)
	}
	n, err := result.RowsAffected()
	return n == 1, err
}

// setToken gives a client another token and origin; "" is no token.
func (s *store) setToken(ctx context.Context, id, token, origin string) error {
	_, err := s.db.ExecContext(ctx, `UPDATE agent_client SET token = $1, origin = $2 WHERE id = $3`, token, origin, id)
	if err != nil {
		return fmt.Errorf("agent: change a client: %w", err)
	}
	return nil
}

// closed returns until when the terminal has been closed, or the zero time.
func (s *store) closed(ctx context.Context) (time.Time, error) {
	var at int64
	err := s.db.QueryRowContext(ctx, "SELECT closed FROM "+s.prefix+"agent_day WHERE terminal = $1", s.terminal).Scan(&at)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return time.Time{}, nil
	case err != nil:
		return time.Time{}, fmt.Errorf("agent: find the last closing: %w", err)
	}
	return time.UnixMicro(at), nil
}

// close closes the terminal from the instant of its last closing up to another, and
// writes down the answer of the request that does so: both or neither. It reports
// false if another closing came between, and has done nothing then.
func (s *store) close(ctx context.Context, since, until time.Time, r request) (closed bool, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("agent: close a terminal: %w", err)
		}
	}()
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer func() { _ = tx.Rollback() }() // which does nothing after a commit
	result, err := tx.ExecContext(ctx, `INSERT INTO `+s.prefix+`agent_day (terminal, closed) VALUES ($1, $2)
		ON CONFLICT (terminal) DO UPDATE SET closed = excluded.closed WHERE `+s.prefix+`agent_day.closed = $3`,
		s.terminal, until.UnixMicro(), since.UnixMicro())
	if err != nil {
		return false, err
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return false, err
	}
	if _, err := tx.ExecContext(ctx, `UPDATE `+s.prefix+`agent_request SET answer = $1 WHERE client = $2 AND name = $3 AND answer = ''`,
		string(r.answer), r.client, r.key); err != nil {
		return false, err
	}
	err = tx.Commit()
	return err == nil, err
}
