package grant

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/mynakit/mynakit/mykey"
)

// DeviceConfig is how a device behaves.
type DeviceConfig struct {
	// Office is the key that taps are sealed to.
	Office PublicKey
	// Passphrase is the round's, typed at each start. It is used once and not
	// kept.
	Passphrase Passphrase
	// Clock and Since are for tests. Nil is the system's clock, and the time
	// since the device was opened, which no change of the clock moves.
	Clock func() time.Time
	Since func() time.Duration
}

// Device is what is carried to the venue (持ち歩き用ポイント付与アプリ). It has a
// database of its own, on SQLite. Open it with synchronous=FULL, so that what
// [Device.Tap] has returned is on the disk. A Device is safe for use by several
// goroutines.
type Device struct {
	db     sqldb.Keeper
	cfg    DeviceConfig
	key    repeatKey
	mu     sync.Mutex // of epoch
	epoch  string
	boot   string // of this run, since the time since its start means nothing in another
	opened time.Time
}

var (
	// ErrPassphrase is returned by [OpenDevice] for a passphrase that is not the
	// one with which the device was set up, or that is empty.
	ErrPassphrase = errors.New("grant: not the passphrase of this device")
	// ErrRepeat is returned by [Device.Tap] for a person who has been taken
	// already (受付済み).
	ErrRepeat = errors.New("grant: taken already")
	// ErrConflict is returned by [Device.Answer] when the office has other taps
	// under the device's numbers, since the device was restored from a backup.
	// What it has is kept under a new epoch and is sent again.
	ErrConflict = errors.New("grant: the device was restored; its taps are sent under a new epoch")
)

var deviceSchema = sqldb.Schema{Name: "round", Steps: [][]string{{
	`CREATE TABLE {install} (
		id    BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
		epoch {:text} NOT NULL,
		salt  {:blob} NOT NULL,
		check_value {:blob} NOT NULL)`,
	`CREATE TABLE {tap} (
		seq       {:serial},
		epoch     {:text} NOT NULL,
		programme {:text} NOT NULL,
		session   {:text} NOT NULL,
		sealed    {:blob} NOT NULL,
		mark      {:blob},
		wall      BIGINT NOT NULL,
		boot      {:text} NOT NULL,
		since     BIGINT NOT NULL,
		verdict   {:text})`,
	"CREATE UNIQUE INDEX {tap_once} ON {tap} (programme, session, mark) WHERE mark IS NOT NULL",
	"CREATE INDEX {tap_open} ON {tap} (epoch, seq) WHERE verdict IS NULL",
	"CREATE TABLE {known} (programme {:text} NOT NULL, mark {:blob} NOT NULL, PRIMARY KEY (programme, mark))",
}}}

var deviceDomain = sqldb.Domain{Package: "grant", Schema: deviceSchema, Own: sqldb.Among(ErrPassphrase, ErrRepeat, ErrConflict, mykey.ErrForm)}

// OpenDevice creates or upgrades the tables in db and returns the device. The
// first call sets the device up under its passphrase. Call [Device.Close] at
// the end.
//
// The errors are [ErrPassphrase], a [*SchemaError], and the driver's, wrapped.
func OpenDevice(ctx context.Context, db *sql.DB, cfg DeviceConfig) (*Device, error) {
	if cfg.Passphrase.s.IsZero() {
		return nil, ErrPassphrase
	}
	q, err := deviceDomain.Open(ctx, db, sqldb.Config{})
	if err != nil {
		return nil, err
	}
	d := &Device{db: q, cfg: cfg, boot: rand.Text(), opened: time.Now()}
	d.cfg.Passphrase = Passphrase{}
	err = d.db.Write(ctx, "open a device", func(ctx context.Context, tx *sqldb.Tx) error {
		var salt, check []byte
		err := tx.QueryRow(ctx, "SELECT epoch, salt, check_value FROM {install}").Scan(&d.epoch, &salt, &check)
		if errors.Is(err, sql.ErrNoRows) {
			d.epoch, salt = rand.Text(), random(saltLen)
			d.key = newRepeatKey(cfg.Passphrase.s.Reveal(), salt)
			_, err = tx.Exec(ctx, "INSERT INTO {install} (id, epoch, salt, check_value) VALUES (1, ?, ?, ?)", d.epoch, salt, d.key.check())
			return err
		}
		if err != nil {
			return err
		}
		if d.key = newRepeatKey(cfg.Passphrase.s.Reveal(), salt); !hmac.Equal(check, d.key.check()) {
			return ErrPassphrase
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// Close forgets the key of the passphrase. The device must not be used after
// that. It does not close the database.
func (d *Device) Close() error {
	d.key.wipe()
	return nil
}

func (d *Device) now() (wall time.Time, since time.Duration) {
	wall, since = time.Now(), time.Since(d.opened)
	if d.cfg.Clock != nil {
		wall = d.cfg.Clock()
	}
	if d.cfg.Since != nil {
		since = d.cfg.Since()
	}
	return wall, since
}

// Epoch identifies the device, until it is restored, to [Office.Register].
func (d *Device) Epoch() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.epoch
}

// Sync stores the MyKey IDs of a programme's roster, which [Office.IDs]
// returned, in place of those that the device had. It stores them as MACs under
// the passphrase's key: who finds the device cannot read them.
func (d *Device) Sync(ctx context.Context, programme string, ids []mykey.ID) error {
	return d.db.Write(ctx, "sync", func(ctx context.Context, tx *sqldb.Tx) error {
		if _, err := tx.Exec(ctx, "DELETE FROM {known} WHERE programme = ?", programme); err != nil {
			return err
		}
		for _, id := range ids {
			if _, err := tx.Exec(ctx, "INSERT INTO {known} (programme, mark) VALUES (?, ?) ON CONFLICT DO NOTHING", programme, d.key.of(who{id: id})); err != nil {
				return err
			}
		}
		return nil
	})
}

// Listed reports whether a MyKey ID is on the synced list of a programme, for
// people who come without the card.
func (d *Device) Listed(ctx context.Context, programme string, id mykey.ID) (bool, error) {
	var n int
	err := d.db.DB.QueryRow(ctx, "SELECT count(*) FROM {known} WHERE programme = ? AND mark = ?", programme, d.key.of(who{id: id})).Scan(&n)
	return n > 0, d.db.Told("look up", err)
}

// Tap takes a card for a programme, and for a session of it if it has sessions.
// When Tap returns nil, the tap is on the disk: show it only then. The error for
// a person who was taken already is [ErrRepeat].
func (d *Device) Tap(ctx context.Context, programme, session string, c Card) error {
	return d.tap(ctx, programme, session, who{card: c})
}

// TapID takes a person without the card, by the MyKey ID.
func (d *Device) TapID(ctx context.Context, programme, session string, id mykey.ID) error {
	if id.IsZero() {
		return &mykey.FormError{Field: "MyKey ID", Rule: mykey.RuleMissing, Pos: -1}
	}
	return d.tap(ctx, programme, session, who{id: id})
}

func (d *Device) tap(ctx context.Context, programme, session string, w who) error {
	if err := errors.Join(checkText("programme code", programme), checkText("session", session)); err != nil {
		return err
	}
	wall, since := d.now()
	sealed, err := w.seal(d.cfg.Office)
	if err != nil {
		return fmt.Errorf("grant: tap: %w", err)
	}
	mark := d.key.of(w)
	return d.db.Write(ctx, "tap", func(ctx context.Context, tx *sqldb.Tx) error {
		n, err := tx.Exec(ctx, `INSERT INTO {tap} (epoch, programme, session, sealed, mark, wall, boot, since) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT DO NOTHING`, d.Epoch(), programme, session, sealed, mark, wall.UnixMicro(), d.boot, since.Microseconds())
		if err == nil && n == 0 {
			err = ErrRepeat
		}
		return err
	})
}

// Tapped is a tap as it is sent. It holds nothing that a stranger can read.
type Tapped struct {
	Seq       int64
	Programme string
	Session   string
	Sealed    []byte
	Wall      time.Time     // the device's clock at the tap
	Boot      string        // the run of the device's program
	Since     time.Duration // since the start of that run
}

// Chunk is what a device sends at once: taps without a verdict.
type Chunk struct {
	Epoch string
	Top   int64 // the greatest number that the device has given in this epoch
	Count int64 // how many taps it has of this epoch, with a verdict or not
	Taps  []Tapped
	Wall  time.Time // the device's clock now
	Boot  string
	Since time.Duration
}

// MaxChunk is the greatest number of taps in a [Chunk].
const MaxChunk = 500

// digest is what the office keeps of a tap, to tell another one under the same
// number.
func (t Tapped) digest() []byte {
	h := sha256.New()
	for _, b := range [][]byte{[]byte(t.Programme), []byte(t.Session), t.Sealed, []byte(t.Boot)} {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(b))))
		h.Write(b)
	}
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(t.Wall.UnixMicro())))
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(t.Since.Microseconds())))
	return h.Sum(nil)
}

// Chunk returns at most n taps that have no verdict, oldest first, at most
// [MaxChunk]. A chunk without taps still lets the office know how many there
// were: send one at the end of a round, and before it.
func (d *Device) Chunk(ctx context.Context, n int) (Chunk, error) {
	c := Chunk{Epoch: d.Epoch(), Boot: d.boot}
	err := d.db.Read(ctx, "make a chunk", func(ctx context.Context, tx *sqldb.Tx) error {
		c.Taps = nil
		if err := tx.QueryRow(ctx, "SELECT coalesce(max(seq), 0), count(*) FROM {tap} WHERE epoch = ?", c.Epoch).Scan(&c.Top, &c.Count); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `SELECT seq, programme, session, sealed, wall, boot, since FROM {tap}
			WHERE epoch = ? AND verdict IS NULL ORDER BY seq LIMIT ?`, c.Epoch, min(max(n, 0), MaxChunk))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var t Tapped
			var wall, since int64
			if err := rows.Scan(&t.Seq, &t.Programme, &t.Session, &t.Sealed, &wall, &t.Boot, &since); err != nil {
				return err
			}
			t.Wall, t.Since = time.UnixMicro(wall), time.Duration(since)*time.Microsecond
			c.Taps = append(c.Taps, t)
		}
		return rows.Err()
	})
	c.Wall, c.Since = d.now()
	c.Wall = time.UnixMicro(c.Wall.UnixMicro())
	return c, err
}

// Answer stores the office's verdicts. What is answered is final: its mark is
// deleted, so that the device holds nothing by which a person could be known
// again. If the office found a conflict, Answer begins a new epoch and returns
// [ErrConflict]; register the new epoch, and send again.
func (d *Device) Answer(ctx context.Context, a Answer) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if a.Epoch != d.epoch {
		return nil // of an epoch that is over
	}
	next := rand.Text()
	err := d.db.Write(ctx, "answer", func(ctx context.Context, tx *sqldb.Tx) error {
		for _, v := range a.Verdicts {
			if _, err := tx.Exec(ctx, "UPDATE {tap} SET verdict = ?, mark = NULL WHERE seq = ? AND epoch = ? AND verdict IS NULL", string(v.Verdict), v.Seq, d.epoch); err != nil {
				return err
			}
		}
		if !a.Conflict {
			return nil
		}
		if _, err := tx.Exec(ctx, "UPDATE {install} SET epoch = ?", next); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "UPDATE {tap} SET epoch = ? WHERE verdict IS NULL", next)
		return err
	})
	if err != nil || !a.Conflict {
		return err
	}
	d.epoch = next
	return ErrConflict
}

// Open returns how many taps have no verdict yet.
func (d *Device) Open(ctx context.Context) (int, error) {
	var n int
	err := d.db.DB.QueryRow(ctx, "SELECT count(*) FROM {tap} WHERE verdict IS NULL").Scan(&n)
	return n, d.db.Told("count", err)
}
