package point

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/mynakit/mynakit/mykey"
)

// programme is what an operation needs of a row of {programme}.
type programme struct {
	id     int64
	kind   Kind
	expiry Expiry
	from   int64 // service period of an event
	to     int64
	closed bool
}

// scan reads a row that begins with id, kind, expiry, service_from, service_to,
// closed, and goes on with more.
func (p *programme) scan(row interface{ Scan(...any) error }, more ...any) error {
	var expiry string
	var closed int64
	err := row.Scan(append([]any{&p.id, &p.kind, &expiry, &p.from, &p.to, &closed}, more...)...)
	if err != nil {
		return err
	}
	p.closed = closed != 0
	p.expiry, err = ParseExpiry(expiry)
	if err != nil || !p.kind.Valid() {
		return errors.New("a programme's row is not of its form")
	}
	return nil
}

// serves reports whether the programme's points can be spent on the day.
func (p programme) serves(today int64) bool {
	return !p.closed && (p.kind == Municipal || p.kind == Mall || p.kind == Event && p.from <= today && today <= p.to)
}

// lastDay is [Programme.LastDay] as a number.
func (p programme) lastDay(at time.Time) int64 {
	day := dayNumber(p.expiry.LastDay(at))
	if p.kind == Event {
		return min(day, p.to)
	}
	return day
}

// SetProgramme adds a programme, or changes the one of the same account. Name,
// expiry, contact, bank account and service period can change; the new expiry
// is for points that come from then on. The errors are those of
// [Programme.Check] and [ErrProgrammeChanged].
func (l *Ledger) SetProgramme(ctx context.Context, p Programme) error {
	if err := p.Check(); err != nil {
		return err
	}
	contact, err := json.Marshal(p.Contact)
	if err != nil {
		return err
	}
	bank, err := json.Marshal(p.Bank)
	if err != nil {
		return err
	}
	var from, to int64
	if !p.Service.IsZero() {
		from, to = dayNumber(p.Service.From), dayNumber(p.Service.To)
	}
	return l.db.Write(ctx, "set a programme", func(ctx context.Context, tx *sqldb.Tx) error {
		// Without a target: the table has two keys, and of two programs that add the
		// programme at once one may meet the other at either.
		id := programmeID(p.Account)
		n, err := tx.Exec(ctx, `INSERT INTO {programme} (id, code, kind, name, municipality, expiry, service_from, service_to, contact, bank, closed)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0) ON CONFLICT DO NOTHING`,
			id, string(p.Account), int64(p.Kind), p.Name, p.Municipality, p.Expiry.String(), from, to, string(contact), string(bank))
		if err != nil || n > 0 {
			return err
		}
		n, err = tx.Exec(ctx, `UPDATE {programme} SET name = ?, expiry = ?, service_from = ?, service_to = ?, contact = ?, bank = ?
			WHERE id = ? AND code = ? AND kind = ? AND coalesce(municipality, '') = coalesce(?, '')`,
			p.Name, p.Expiry.String(), from, to, string(contact), string(bank), id, string(p.Account), int64(p.Kind), p.Municipality)
		if err == nil && n == 0 {
			err = ErrProgrammeChanged
		}
		return err
	})
}

// programmeID is the programme's number in the tables, which is the same in
// every database: two ledgers that are joined, or parts of one, agree.
func programmeID(a Account) int64 {
	h := fnv.New64a()
	h.Write([]byte(a))
	return int64(h.Sum64() >> 1)
}

// CloseProgramme closes a programme, or opens it again: its points are neither
// spent nor granted while it is closed. Refunds are accepted. The error is
// [ErrNoProgramme].
func (l *Ledger) CloseProgramme(ctx context.Context, a Account, closed bool) error {
	return l.db.Write(ctx, "close a programme", func(ctx context.Context, tx *sqldb.Tx) error {
		n, err := tx.Exec(ctx, "UPDATE {programme} SET closed = ? WHERE code = ?", number(closed), string(a))
		if err == nil && n == 0 {
			err = ErrNoProgramme
		}
		return err
	})
}

// Programmes returns the programmes, those that are closed too, by account.
func (l *Ledger) Programmes(ctx context.Context) ([]Programme, error) {
	var out []Programme
	err := l.db.Read(ctx, "list the programmes", func(ctx context.Context, tx *sqldb.Tx) (err error) {
		out, err = programmes(ctx, tx)
		return err
	})
	return out, err
}

func programmes(ctx context.Context, tx *sqldb.Tx) ([]Programme, error) {
	rows, err := tx.Query(ctx, `SELECT code, kind, name, municipality, expiry, service_from, service_to, contact, bank FROM {programme} ORDER BY code`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Programme
	for rows.Next() {
		var p Programme
		var expiry, contact, bank string
		var from, to int64
		if err := rows.Scan(&p.Account, &p.Kind, &p.Name, &p.Municipality, &expiry, &from, &to, &contact, &bank); err != nil {
			return nil, err
		}
		if p.Expiry, err = ParseExpiry(expiry); err != nil {
			return nil, fmt.Errorf("expiry of %s: %w", p.Account, err)
		}
		if from != 0 {
			p.Service = mykey.Period{From: dayOf(from), To: dayOf(to)}
		}
		if err := errors.Join(json.Unmarshal([]byte(contact), &p.Contact), json.Unmarshal([]byte(bank), &p.Bank)); err != nil {
			return nil, fmt.Errorf("contact or bank account of %s: %w", p.Account, err)
		}
		out = append(out, p)
	}
	return out, rows.Err()
}

// SetPartner adds a partner, or changes the one of the same code. The errors
// are those of [Partner.Check].
func (l *Ledger) SetPartner(ctx context.Context, p Partner) error {
	if err := p.Check(); err != nil {
		return err
	}
	return l.db.Write(ctx, "set a partner", func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO {partner} (code, name, link) VALUES (?, ?, ?)
			ON CONFLICT (code) DO UPDATE SET name = excluded.name, link = excluded.link`, p.Code, p.Name, int64(p.Link))
		return err
	})
}

// Partners returns the partners by code.
func (l *Ledger) Partners(ctx context.Context) (out []Partner, err error) {
	err = l.db.Read(ctx, "list the partners", func(ctx context.Context, tx *sqldb.Tx) error {
		rows, err := tx.Query(ctx, "SELECT code, name, link FROM {partner} ORDER BY code")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var p Partner
			if err := rows.Scan(&p.Code, &p.Name, &p.Link); err != nil {
				return err
			}
			out = append(out, p)
		}
		return rows.Err()
	})
	return out, err
}
