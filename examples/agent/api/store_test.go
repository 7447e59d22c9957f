package api_test

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/simcard"
)

// The tables of an agent of before are taken as they are.
func TestTablesOfBefore(t *testing.T) { onBoth(t, testTablesOfBefore) }

func testTablesOfBefore(t *testing.T, e engine) {
	token := sha256.Sum256([]byte("kept"))
	a := e.start(t, func(a *agent) {
		for _, query := range []string{
			`CREATE TABLE agent_client (terminal TEXT NOT NULL, name TEXT NOT NULL, id TEXT NOT NULL UNIQUE, origin TEXT NOT NULL, token TEXT NOT NULL,
				at BIGINT NOT NULL, PRIMARY KEY (terminal, name))`,
			`CREATE TABLE agent_request (client TEXT NOT NULL, name TEXT NOT NULL, act TEXT NOT NULL, body TEXT NOT NULL, object TEXT UNIQUE,
				answer TEXT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (client, name))`,
			`CREATE TABLE agent_day (terminal TEXT NOT NULL PRIMARY KEY, closed BIGINT NOT NULL)`,
			`INSERT INTO agent_client VALUES ('TILL-1', 'レジ', 'x', '', '` + hex.EncodeToString(token[:]) + `', 1)`,
			`INSERT INTO agent_request VALUES ('x', 'early', 'void', '', NULL, '', 1)`,
		} {
			_, err := a.db.Exec(query)
			require.NoError(t, err)
		}
	})
	till := &pos{agent: a, token: "kept"}
	assert.Equal(t, "request_void", till.call("GET", "/v1/requests/early", nil).code())
	a.stop()
	a.run()
	assert.Equal(t, "request_void", till.call("GET", "/v1/requests/early", nil).code())
}

// What the agent writes down outlives a machine that fails, whatever the database's
// own setting.
func TestDurable(t *testing.T) {
	db := dbtest.Open(t, "pgx", pg.DSN(t)+" synchronous_commit=off")
	a := engine{"PostgreSQL", func(testing.TB) *sql.DB { return db }}.start(t)
	_, err := db.Exec(`CREATE TABLE seen (setting TEXT);
		CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NEW; END $$;
		CREATE TRIGGER see BEFORE INSERT OR UPDATE ON agent_request FOR EACH ROW EXECUTE FUNCTION see();
		CREATE TRIGGER see BEFORE INSERT OR UPDATE ON agent_client FOR EACH ROW EXECUTE FUNCTION see();
		CREATE TRIGGER see BEFORE INSERT OR UPDATE ON agent_paper FOR EACH ROW EXECUTE FUNCTION see();
		CREATE TRIGGER see BEFORE INSERT OR UPDATE ON agent_day FOR EACH ROW EXECUTE FUNCTION see()`)
	require.NoError(t, err)
	a.enrol(2000)
	till := a.client("レジ")
	card := till.tap()
	proof := till.proof(card, "use", 300, simcard.DefaultAuthPIN)
	r := till.spend("1", card, 300, proof)
	require.Equal(t, http.StatusCreated, r.status, r.raw)
	r = till.call("POST", "/v1/prints", map[string]any{"use": r.text("use.id"), "as": "escpos"}, "Idempotency-Key", "p")
	require.Equal(t, http.StatusOK, r.status, r.raw)
	r = till.closeDay("c", map[string]any{"until": till.call("GET", "/v1/day", nil).text("day.until")})
	require.Equal(t, http.StatusCreated, r.status, r.raw)
	var all, durable int
	require.NoError(t, db.QueryRow("SELECT count(*), count(*) FILTER (WHERE setting = 'on') FROM seen").Scan(&all, &durable))
	assert.GreaterOrEqual(t, all, 6)
	assert.Equal(t, all, durable)
}
