package registry

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/mynakit/mynakit/mykey"
)

// An export is a text of lines, each a JSON object: a header, the persons in the
// order in which they were registered, the MyKey IDs that are nobody's, the
// applications of people who are gone, how far each card has come, and the number of
// lines before. A version adds fields and never changes what one means, so that an
// older export is read as it was meant.
const (
	exportFormat  = "mynakit registry"
	exportVersion = 1
	exportPage    = 200     // persons read at a time
	maxExportLine = 1 << 20 // bytes
)

type exportLine struct {
	Format  string `json:"format,omitempty"`
	Version int    `json:"version,omitempty"`
	Serials string `json:"serials,omitempty"` // which form and key

	Person *exportPerson `json:"person,omitempty"`
	ID     *exportID     `json:"id,omitempty"`
	Choice *exportChoice `json:"application,omitempty"`
	Card   *exportCard   `json:"card,omitempty"`
	End    *int          `json:"end,omitempty"`
}

type exportPerson struct {
	ID           mykey.ID            `json:"id"`
	Created      int64               `json:"created"`
	Certificates []exportCertificate `json:"certificates,omitempty"`
	Services     []exportService     `json:"services,omitempty"`
	PPIDs        []exportPPID        `json:"ppids,omitempty"`
	Notice       *exportNotice       `json:"notice,omitempty"`
	Choices      []exportChoice      `json:"applications,omitempty"`
}

type exportCertificate struct {
	Serial     string `json:"serial"`
	Issuer     string `json:"issuer,omitempty"`
	Device     Device `json:"device"`
	NotAfter   int64  `json:"notAfter"`
	Bound      int64  `json:"bound"`
	Superseded *int64 `json:"superseded,omitempty"`
	Revoked    *int64 `json:"revoked,omitempty"`
}

type exportService struct {
	Operator   mykey.OperatorID `json:"operator"`
	Customer   mykey.CustomerID `json:"customer"`
	Registered int64            `json:"registered"`
}

type exportPPID struct {
	Operator   mykey.OperatorID `json:"operator"`
	Value      string           `json:"ppid"`
	Registered int64            `json:"registered"`
}

type exportNotice struct {
	Key         string `json:"sign"` // serial, or serial and issuer
	NotAfter    int64  `json:"notAfter"`
	Explanation string `json:"explanation"`
	Consented   int64  `json:"consented"`
	Reported    *int64 `json:"reported,omitempty"`
}

type exportChoice struct {
	Campaign string   `json:"campaign,omitempty"`
	Service  string   `json:"service"`
	ID       string   `json:"paymentServiceID"`
	Terms    string   `json:"terms,omitempty"`
	Applied  int64    `json:"applied"`
	Done     *int64   `json:"done,omitempty"`
	Holders  []string `json:"holders,omitempty"` // keys of the certificates of somebody who is gone
}

type exportID struct {
	ID        mykey.ID `json:"id"`
	State     idState  `json:"state"`
	Claimer   string   `json:"claimer,omitempty"`
	Successor mykey.ID `json:"successor,omitzero"`
	At        int64    `json:"at"`
}

type exportCard struct {
	Key         string   `json:"key"`
	Offers      int      `json:"offers,omitempty"`
	Duplicates  int      `json:"duplicates,omitempty"`
	DuplicateAt int64    `json:"duplicateAt,omitempty"`
	Candidate   mykey.ID `json:"candidate,omitzero"`
	Finished    bool     `json:"finished,omitempty"`
	Replaces    mykey.ID `json:"replaces,omitzero"`
}

// ErrExport is wrapped in an [*ImportError] for a line that is not of an export, or
// of one of a newer version, and is returned for an export that ends before its end.
var ErrExport error = refusal("not an export of a user table, or a part of one")

// Export writes the whole user table as it is at one moment: people with their
// certificates, Service IDs, PPIDs, consents and applications, the IDs that were
// given up or revoked with their successors, and how far each card has come.
// [Registry.ImportExport] reads it, on either engine. Recoveries are not exported.
//
// Serial numbers are written in the registry's form, and the key is not: guard the
// text as the database. Memory does not grow with the table. Export returns the
// error of w, or the database's, wrapped.
func (r *Registry) Export(ctx context.Context, w io.Writer) error {
	out := bufio.NewWriter(w)
	enc := json.NewEncoder(out)
	var own, before error
	n := 0
	err := r.view(ctx, "export", func(ctx context.Context, tx tx) (err error) {
		// A table that was busy is read again, and what is written cannot be taken
		// back.
		if n > 0 {
			return before
		}
		defer func() { before = err }()
		put := func(l exportLine) error {
			n++
			own = enc.Encode(l)
			return own
		}
		if err := put(exportLine{Format: exportFormat, Version: exportVersion, Serials: r.cfg.Serials.mark}); err != nil {
			return err
		}
		for after := int64(0); ; {
			page, last, err := tx.exportPersons(ctx, after, exportPage)
			if err != nil {
				return err
			}
			if len(page) == 0 {
				break
			}
			after = last
			for _, p := range page {
				if err := put(exportLine{Person: p}); err != nil {
					return err
				}
			}
		}
		if err := each(ctx, tx, `SELECT id, state, claimer, successor, at FROM {mykey_id} WHERE state <> 2 ORDER BY id`, func(rows *sql.Rows) error {
			var e exportID
			var claimer sql.NullString
			if err := rows.Scan(text(&e.ID), number(&e.State, "state of a MyKey ID", int64(idReserved), int64(idRevoked)), &claimer, text(&e.Successor), &e.At); err != nil {
				return err
			}
			e.Claimer = claimer.String
			return put(exportLine{ID: &e})
		}); err != nil {
			return err
		}
		if err := tx.exportGone(ctx, put); err != nil {
			return err
		}
		if err := each(ctx, tx, "SELECT holder, offers, duplicates, duplicate_at, candidate, finished, replaces FROM {card} ORDER BY holder", func(rows *sql.Rows) error {
			var e exportCard
			var finished int64
			if err := rows.Scan(&e.Key, number(&e.Offers, "offers", 0, MaxOffers), number(&e.Duplicates, "duplicate answers", 0, MaxDuplicates), &e.DuplicateAt,
				text(&e.Candidate), number(&finished, "finished", 0, 1), text(&e.Replaces)); err != nil {
				return err
			}
			e.Finished = finished != 0
			return put(exportLine{Card: &e})
		}); err != nil {
			return err
		}
		lines := n
		return put(exportLine{End: &lines})
	})
	if own != nil {
		return own
	}
	if err != nil {
		return err
	}
	return out.Flush()
}

// each calls f for every row of a query.
func each(ctx context.Context, t tx, query string, f func(*sql.Rows) error, args ...any) error {
	rows, err := t.q.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// exportPersons returns the persons after a number, at most so many, and the
// number of the last.
func (t tx) exportPersons(ctx context.Context, after int64, most int) (page []*exportPerson, last int64, err error) {
	of := map[int64]*exportPerson{}
	err = each(ctx, t, "SELECT person, mykey_id, created FROM {person} WHERE person > ? ORDER BY person LIMIT ?", func(rows *sql.Rows) error {
		p := new(exportPerson)
		if err := rows.Scan(personNumber(&last), text(&p.ID), &p.Created); err != nil {
			return err
		}
		of[last] = p
		page = append(page, p)
		return nil
	}, after, most)
	if err != nil || len(page) == 0 {
		return nil, 0, err
	}
	for _, q := range []struct {
		query string
		scan  func(rows *sql.Rows) (int64, func(*exportPerson), error)
	}{
		{"serial, issuer, device, not_after, bound, superseded, revoked FROM {certificate} {} person, bound, holder", func(rows *sql.Rows) (n int64, add func(*exportPerson), err error) {
			var c exportCertificate
			var i Issuer
			err = rows.Scan(&n, &c.Serial, issuer(&i), device(&c.Device), &c.NotAfter, &c.Bound, &c.Superseded, &c.Revoked)
			c.Issuer = i.hex
			return n, func(p *exportPerson) { p.Certificates = append(p.Certificates, c) }, err
		}},
		{"operator, customer, registered FROM {service} {} person, operator", func(rows *sql.Rows) (n int64, add func(*exportPerson), err error) {
			var s exportService
			err = rows.Scan(&n, text(&s.Operator), text(&s.Customer), &s.Registered)
			return n, func(p *exportPerson) { p.Services = append(p.Services, s) }, err
		}},
		{"operator, ppid, registered FROM {ppid} {} person, operator", func(rows *sql.Rows) (n int64, add func(*exportPerson), err error) {
			var s exportPPID
			err = rows.Scan(&n, text(&s.Operator), &s.Value, &s.Registered)
			return n, func(p *exportPerson) { p.PPIDs = append(p.PPIDs, s) }, err
		}},
		{"holder, not_after, explanation, consented, reported FROM {notice} {} person", func(rows *sql.Rows) (n int64, add func(*exportPerson), err error) {
			s := new(exportNotice)
			err = rows.Scan(&n, &s.Key, &s.NotAfter, &s.Explanation, &s.Consented, &s.Reported)
			return n, func(p *exportPerson) { p.Notice = s }, err
		}},
		{"campaign, service, payment_id, terms, applied, done FROM {choice} {} person, campaign", func(rows *sql.Rows) (n int64, add func(*exportPerson), err error) {
			var s exportChoice
			err = rows.Scan(&n, &s.Campaign, &s.Service, &s.ID, &s.Terms, &s.Applied, &s.Done)
			return n, func(p *exportPerson) { p.Choices = append(p.Choices, s) }, err
		}},
	} {
		query := "SELECT person, " + strings.Replace(q.query, "{}", "WHERE person > ? AND person <= ? ORDER BY", 1)
		if err := each(ctx, t, query, func(rows *sql.Rows) error {
			n, add, err := q.scan(rows)
			if err == nil && of[n] != nil {
				add(of[n])
			}
			return err
		}, after, last); err != nil {
			return nil, 0, err
		}
	}
	return page, last, nil
}

// exportGone writes the applications of those who are gone, with the certificates
// that they had.
func (t tx) exportGone(ctx context.Context, put func(exportLine) error) error {
	var now *exportChoice
	flush := func() error {
		if now == nil {
			return nil
		}
		return put(exportLine{Choice: now})
	}
	err := each(ctx, t, `SELECT c.campaign, c.service, c.payment_id, c.terms, c.applied, c.done, h.holder FROM {choice} c
		LEFT JOIN {chooser} h ON h.campaign = c.campaign AND h.service = c.service AND h.payment_id = c.payment_id
		WHERE c.person IS NULL ORDER BY c.campaign, c.service, c.payment_id, h.holder`, func(rows *sql.Rows) error {
		var e exportChoice
		var holder sql.NullString
		if err := rows.Scan(&e.Campaign, &e.Service, &e.ID, &e.Terms, &e.Applied, &e.Done, &holder); err != nil {
			return err
		}
		if now == nil || now.Campaign != e.Campaign || now.Service != e.Service || now.ID != e.ID {
			if err := flush(); err != nil {
				return err
			}
			now = &e
		}
		if holder.Valid {
			now.Holders = append(now.Holders, holder.String)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return flush()
}

// ImportExport reads what [Registry.Export] wrote, of this version or an earlier
// one: all of it or, on any error, nothing. It reads src from its start, and again
// if another transaction was in the way. The registry may have people of its own.
//
// ImportExport returns [ErrSerialForm] if the export is of another form or another
// key of the serial numbers; [ErrExport] if src is no export, or not whole; an
// [*ImportError] that names the line, from 0, and wraps ErrExport, a
// [*mykey.FormError], [ErrDuplicate], [ErrCertificateTaken], [ErrCustomerTaken],
// [ErrPPIDTaken], [ErrSignTaken] or [ErrPaymentTaken]; the error of src; or the
// database's, wrapped.
func (r *Registry) ImportExport(ctx context.Context, src io.ReadSeeker) error {
	var own error
	err := r.update(ctx, "import", func(ctx context.Context, tx tx) error {
		if _, own = src.Seek(0, io.SeekStart); own != nil {
			return own
		}
		in := bufio.NewScanner(src)
		in.Buffer(nil, maxExportLine)
		n, ended := 0, false
		for ; in.Scan(); n++ {
			if ended {
				return &ImportError{n, ErrExport}
			}
			err := importLine(ctx, tx, in.Bytes(), n, r.cfg.Serials.mark, &ended)
			switch {
			case refused(err) != nil && err != ErrSerialForm:
				return &ImportError{n, err}
			case err != nil:
				return err
			}
		}
		if errors.Is(in.Err(), bufio.ErrTooLong) {
			return &ImportError{n, ErrExport}
		}
		if own = in.Err(); own != nil {
			return own
		}
		if !ended {
			return ErrExport
		}
		return nil
	})
	if own != nil && err != nil {
		return own
	}
	return err
}

func importLine(ctx context.Context, tx tx, line []byte, n int, mark string, ended *bool) error {
	var l exportLine
	if err := json.Unmarshal(line, &l); err != nil {
		if fe, ok := errors.AsType[*mykey.FormError](err); ok {
			return fe
		}
		return ErrExport
	}
	if n == 0 {
		switch {
		case l.Format != exportFormat || l.Version < 1 || l.Version > exportVersion:
			return ErrExport
		case l.Serials != mark:
			return ErrSerialForm
		}
		return nil
	}
	switch {
	case l.Person != nil:
		return tx.importPerson(ctx, *l.Person)
	case l.ID != nil:
		return tx.importID(ctx, *l.ID)
	case l.Choice != nil:
		return tx.importGone(ctx, *l.Choice)
	case l.Card != nil:
		return tx.importCard(ctx, *l.Card)
	case l.End != nil && *l.End == n:
		*ended = true
		return nil
	}
	return ErrExport
}

// add inserts a row, or returns the refusal of what is there already.
func (t tx) add(ctx context.Context, taken error, query string, args ...any) error {
	added, err := t.exec(ctx, query+" ON CONFLICT DO NOTHING", args...)
	if err == nil && !added {
		return taken
	}
	return err
}

// checkKeys refuses what no serial number of either form and no issuer is.
func checkKeys(keys ...string) error {
	for _, key := range keys {
		serial, issuer, has := strings.Cut(key, ".")
		if _, err := hex.DecodeString(serial); err != nil || serial == "" || len(serial) > 64 {
			return ErrExport
		}
		if has {
			if _, err := ParseIssuer(issuer); err != nil {
				return ErrExport
			}
		}
	}
	return nil
}

func (t tx) importPerson(ctx context.Context, p exportPerson) error {
	if p.ID.IsZero() {
		return missing(fieldID)
	}
	if err := t.add(ctx, ErrDuplicate, "INSERT INTO {mykey_id} (id, state, at) VALUES (?, 2, ?)", p.ID, p.Created); err != nil {
		return err
	}
	var person int64
	if err := t.q.QueryRow(ctx, "INSERT INTO {person} (mykey_id, created) VALUES (?, ?) RETURNING person", p.ID, p.Created).Scan(&person); err != nil {
		return err
	}
	for _, c := range p.Certificates {
		key, issuer := c.Serial, any(nil)
		if c.Issuer != "" {
			key, issuer = c.Serial+"."+c.Issuer, c.Issuer
		}
		if err := checkKeys(c.Serial, key); err != nil {
			return err
		}
		if !c.Device.valid() || strings.Contains(c.Serial, ".") {
			return ErrExport
		}
		// As in addBinding: one that is known is nobody's twice, with an issuer or
		// without.
		same := "not_after = ?"
		if issuer != nil {
			same += " AND issuer IS NULL"
		}
		if taken, err := t.one(ctx, "SELECT person FROM {certificate} WHERE serial = ? AND "+same, []any{c.Serial, c.NotAfter}, new(int64)); err != nil {
			return err
		} else if taken {
			return ErrCertificateTaken
		}
		if err := t.add(ctx, ErrCertificateTaken, `INSERT INTO {certificate} (holder, serial, issuer, person, device, not_after, bound, superseded, revoked)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`, key, c.Serial, issuer, person, int64(c.Device), c.NotAfter, c.Bound, c.Superseded, c.Revoked); err != nil {
			return err
		}
	}
	for _, s := range p.Services {
		if _, err := (mykey.ServiceID{Operator: s.Operator, Customer: s.Customer}).MarshalText(); err != nil {
			return err
		}
		if err := t.add(ctx, ErrCustomerTaken, "INSERT INTO {service} (person, operator, customer, registered) VALUES (?, ?, ?, ?)",
			person, s.Operator, s.Customer, s.Registered); err != nil {
			return err
		}
	}
	for _, s := range p.PPIDs {
		ppid, err := mykey.ParsePPID(s.Operator, s.Value)
		if err != nil {
			return err
		}
		if err := t.add(ctx, ErrPPIDTaken, "INSERT INTO {ppid} (person, operator, ppid, registered) VALUES (?, ?, ?, ?)",
			person, s.Operator, ppid.Text(), s.Registered); err != nil {
			return err
		}
	}
	if s := p.Notice; s != nil {
		if err := errors.Join(checkKeys(s.Key), checkExplanation(s.Explanation)); err != nil {
			return err
		}
		if err := t.add(ctx, ErrSignTaken, "INSERT INTO {notice} (person, holder, not_after, explanation, consented, reported) VALUES (?, ?, ?, ?, ?, ?)",
			person, s.Key, s.NotAfter, s.Explanation, s.Consented, s.Reported); err != nil {
			return err
		}
	}
	for _, c := range p.Choices {
		if err := t.importChoice(ctx, c, person); err != nil {
			return err
		}
	}
	return nil
}

func (t tx) importChoice(ctx context.Context, c exportChoice, person any) error {
	if err := (PaymentLink{Campaign: c.Campaign, Service: c.Service, ID: c.ID, Terms: c.Terms, Applied: time.UnixMilli(c.Applied)}).check(); err != nil {
		return err
	}
	return t.add(ctx, ErrPaymentTaken, "INSERT INTO {choice} (campaign, service, payment_id, person, terms, applied, done) VALUES (?, ?, ?, ?, ?, ?, ?)",
		c.Campaign, c.Service, c.ID, person, c.Terms, c.Applied, c.Done)
}

func (t tx) importGone(ctx context.Context, c exportChoice) error {
	if err := checkKeys(c.Holders...); err != nil {
		return err
	}
	if err := t.importChoice(ctx, c, nil); err != nil {
		return err
	}
	for _, h := range c.Holders {
		if err := t.add(ctx, ErrPaymentTaken, "INSERT INTO {chooser} (holder, campaign, service, payment_id) VALUES (?, ?, ?, ?)",
			h, c.Campaign, c.Service, c.ID); err != nil {
			return err
		}
	}
	return nil
}

func (t tx) importID(ctx context.Context, e exportID) error {
	switch {
	case e.ID.IsZero():
		return missing(fieldID)
	case e.State != idReserved && e.State != idAbandoned && e.State != idRevoked, (e.State == idReserved) != (e.Claimer != ""):
		return ErrExport
	}
	var claimer any
	if e.Claimer != "" {
		if err := checkKeys(e.Claimer); err != nil {
			return err
		}
		claimer = e.Claimer
	}
	return t.add(ctx, ErrDuplicate, "INSERT INTO {mykey_id} (id, state, claimer, successor, at) VALUES (?, ?, ?, ?, ?)",
		e.ID, int64(e.State), claimer, e.Successor, e.At)
}

func (t tx) importCard(ctx context.Context, e exportCard) error {
	if e.Offers < 0 || e.Offers > MaxOffers || e.Duplicates < 0 || e.Duplicates > MaxDuplicates {
		return ErrExport
	}
	if err := checkKeys(e.Key); err != nil {
		return err
	}
	return t.add(ctx, ErrCertificateTaken, `INSERT INTO {card} (holder, offers, duplicates, duplicate_at, candidate, finished, replaces)
		VALUES (?, ?, ?, ?, ?, ?, ?)`, e.Key, e.Offers, e.Duplicates, e.DuplicateAt, e.Candidate, bit(e.Finished), e.Replaces)
}
