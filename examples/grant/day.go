package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/text/encoding/japanese"

	"github.com/mynakit/mynakit/mykey/grant"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/mykey/registry"
)

const (
	programme = "course"

	invited = 200 // on the roster
	without = 10  // of them, without a MyKey ID in it
	first   = 119 // come to the first device
	second  = 77  // come to the second
	early   = 60  // taps that the second has sent before it is lost
	clerk   = "tanaka"
)

// errTorn ends a day whose books are not true.
var errTorn = errors.New("the books do not agree")

// day is the day, told step by step.
type day struct {
	story
	dir    string
	office *office
	people []*person
	one    *device
	other  *device // will be lost
	lost   []*person
}

func (d *day) close() (err error) {
	for _, v := range []*device{d.one, d.other} {
		if v != nil {
			err = errors.Join(err, v.close())
		}
	}
	if d.office != nil {
		err = errors.Join(err, d.office.db.Close())
	}
	return err
}

func (d *day) run(ctx context.Context) error {
	d.plain(d.Begin, invited)
	for _, step := range []func(context.Context) error{d.roster, d.devices, d.venue, d.loss, d.upload, d.missing, d.found, d.books} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// roster registers the programme and takes over who is invited (V(1), V(4), V(5)).
func (d *day) roster(ctx context.Context) (err error) {
	d.title(d.Roster)
	if d.office, err = openOffice(ctx, d.dir); err != nil {
		return err
	}
	for n := range invited {
		p, err := invite(n)
		if err != nil {
			return err
		}
		d.people = append(d.people, p)
	}
	if err := d.office.enrol(ctx, d.people); err != nil {
		return err
	}
	p := grant.Programme{Code: programme, Account: account, Name: string(d.Course), Department: string(d.Department), Points: 100,
		Roster: true, Items: grant.ItemName | grant.ItemBirth | grant.ItemAddress}
	if err := d.office.SetProgramme(ctx, p); err != nil {
		return err
	}
	d.line(d.Programme, p.Name, p.Department, p.Points)

	// Two slips in the first file.
	file, err := d.file(p, func(n int, row []string) {
		switch n {
		case 3:
			row[1] = "1000"
		case 7:
			row[4] = "昭和65年1月1日"
		}
	})
	if err != nil {
		return err
	}
	_, err = d.office.Import(ctx, programme, grant.ReadRoster(bytes.NewReader(file), p, grant.ShiftJIS))
	bad, ok := errors.AsType[*grant.ImportError](err)
	if !ok {
		return errors.Join(err, errTorn)
	}
	for _, f := range bad.Faults {
		d.line(d.Fault, f.Line, f.Column)
	}
	if file, err = d.file(p, func(int, []string) {}); err != nil {
		return err
	}
	n, err := d.office.Import(ctx, programme, grant.ReadRoster(bytes.NewReader(file), p, grant.ShiftJIS))
	if err != nil {
		return err
	}
	d.line(d.Imported, n, n-without)

	// Those without a MyKey ID come to the office: half of them with the card.
	for i, p := range d.people[:without] {
		e, err := d.match(ctx, p)
		if err != nil {
			return err
		}
		id, declared := p.id, i%2 == 1
		if !declared {
			if id, err = d.office.tap(ctx, p); err != nil {
				return err
			}
		}
		if err := d.office.SetID(ctx, programme, e.Number, id, declared); err != nil {
			return err
		}
	}
	d.line(d.IDsSet, without/2, without/2)
	return nil
}

// file is the roster as a spreadsheet saves it, in Shift_JIS, with slips.
func (d *day) file(p grant.Programme, slip func(n int, row []string)) ([]byte, error) {
	var form bytes.Buffer
	if err := grant.WriteTemplate(&form, p); err != nil {
		return nil, err
	}
	rows, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(form.Bytes(), []byte("\ufeff")))).ReadAll()
	if err != nil {
		return nil, err
	}
	filled := rows[:1]
	for n, who := range d.people {
		v, err := who.identity()
		if err != nil {
			return nil, err
		}
		row := append([]string(nil), rows[1]...)
		if n >= without {
			row[2] = who.id.String()
		}
		row[3], row[4], row[5] = v.Name, fmt.Sprintf("%d年%d月%d日", v.Birth.Year(), v.Birth.Month(), v.Birth.Day()), v.Address
		slip(n, row)
		filled = append(filled, row)
	}
	var text strings.Builder
	w := csv.NewWriter(&text)
	if err := w.WriteAll(filled); err != nil {
		return nil, err
	}
	return japanese.ShiftJIS.NewEncoder().Bytes([]byte(text.String()))
}

// match finds the row of somebody who says name, date of birth and address.
func (d *day) match(ctx context.Context, p *person) (grant.Entry, error) {
	v, err := p.identity()
	if err != nil {
		return grant.Entry{}, err
	}
	v.Name = strings.ReplaceAll(v.Name, "　", " ") // as it is typed at the counter
	return d.office.Match(ctx, programme, v.Hide())
}

// devices sets up two devices (V(2), V(6)).
func (d *day) devices(ctx context.Context) (err error) {
	d.title(d.Devices)
	if d.one, err = carry(ctx, d.office, d.dir, "会場の入口"); err != nil {
		return err
	}
	if d.other, err = carry(ctx, d.office, d.dir, "会場の受付"); err != nil {
		return err
	}
	d.line(d.Synced, d.one.login.ID, d.other.login.ID, invited)
	return nil
}

// venue is the course itself (V(7)).
func (d *day) venue(ctx context.Context) error {
	d.title(d.Venue)
	repeats := 0
	take := func(v *device, all ...*person) error {
		for _, p := range all {
			fresh, err := v.tap(ctx, p)
			if err != nil {
				return err
			}
			if !fresh {
				repeats++
			}
		}
		return nil
	}
	// To the first device comes somebody whom the city does not know, and five
	// tap twice.
	stranger, err := invite(9999)
	if err != nil {
		return err
	}
	if err := take(d.one, append(append([]*person{stranger}, d.people[:first]...), d.people[:5]...)...); err != nil {
		return err
	}
	// To the second come two who have been to the first, and one without the card.
	queue := d.people[first : first+second]
	split := early - 2
	if err := take(d.other, append(append([]*person{}, queue[:split]...), d.people[0], d.people[1])...); err != nil {
		return err
	}
	forgot := d.people[first+second]
	listed, err := d.other.Listed(ctx, programme, forgot.id)
	if err != nil || !listed {
		return errors.Join(err, errTorn)
	}
	if err := d.other.TapID(ctx, programme, "", forgot.id); err != nil {
		return err
	}
	if err := take(d.other, queue[split:]...); err != nil {
		return err
	}
	d.lost = append([]*person{forgot}, queue[split:]...)
	taps := 0
	for _, v := range []*device{d.one, d.other} {
		n, err := v.Open(ctx)
		if err != nil {
			return err
		}
		taps += n
		d.line(d.Taps, v.login.ID, n)
	}
	d.line(d.Total, taps, repeats)
	d.line(d.OnTheAir, float64(max(d.one.longest, d.other.longest))/float64(time.Millisecond))
	return nil
}

// loss: the second device sends some, an answer is lost, and then it is lost.
func (d *day) loss(ctx context.Context) error {
	d.title(d.Loss, d.other.login.ID)
	if _, err := d.other.send(ctx, d.office, early/2, true); err != nil {
		return err
	}
	for i := range 2 {
		if _, err := d.other.send(ctx, d.office, early/2, i == 1); err != nil {
			return err
		}
	}
	d.line(d.Sent, early)
	if err := d.office.terminals.Stop(ctx, d.other.login.ID); err != nil {
		return err
	}
	if err := d.office.Stop(ctx, d.other.Epoch()); err != nil {
		return err
	}
	d.line(d.Stopped)
	return nil
}

// upload: the first device sends what it has; every second answer is lost.
func (d *day) upload(ctx context.Context) error {
	d.title(d.Upload, d.one.login.ID)
	all := map[grant.Verdict]int{}
	chunks, lost := 0, 0
	for {
		s, err := d.one.send(ctx, d.office, 25, chunks%2 == 0)
		if err != nil {
			return err
		}
		if s.taps == 0 {
			break
		}
		if chunks%2 == 0 {
			lost++
		}
		chunks++
		for v, n := range s.verdicts {
			all[v] += n
		}
	}
	d.line(d.Chunks, chunks, lost)
	d.line(d.Verdicts, all[grant.Granted], all[grant.Already], all[grant.Unknown])
	return nil
}

// missing: the report of gaps, and the list on paper.
func (d *day) missing(ctx context.Context) error {
	d.title(d.Missing)
	gaps, err := d.office.Gaps(ctx)
	if err != nil {
		return err
	}
	for _, g := range gaps {
		d.line(d.Gap, g.Terminal, g.Taps, g.Received, g.Taps-g.Received)
	}
	granted := 0
	for _, p := range d.lost {
		e, err := d.match(ctx, p)
		if err != nil {
			return err
		}
		v, err := d.office.Grant(ctx, programme, "", e.ID, clerk)
		if err != nil {
			return err
		}
		if v == grant.Granted {
			granted++
		}
	}
	d.line(d.ByHand, granted)
	return nil
}

// found: the second device comes to light. It cannot log in any more; the staff
// send what is on it.
func (d *day) found(ctx context.Context) error {
	d.title(d.Found, d.other.login.ID)
	if _, err := d.office.terminals.Authenticate(ctx, d.other.login); !errors.Is(err, registry.ErrTerminal) {
		return errors.Join(err, errTorn)
	}
	d.line(d.Refused)
	s, err := d.other.send(ctx, d.office, grant.MaxChunk, false)
	if err != nil {
		return err
	}
	d.line(d.Held, s.taps, s.taps-s.verdicts[grant.Held], s.verdicts[grant.Held])
	waiting, err := d.office.Waiting(ctx, programme)
	if err != nil {
		return err
	}
	already := 0
	for _, w := range waiting {
		if w.Verdict != grant.Held {
			continue
		}
		v, err := d.office.Judge(ctx, w.Epoch, w.Seq, time.Time{}, clerk)
		if err != nil {
			return err
		}
		if v == grant.Already {
			already++
		}
	}
	d.line(d.Judged, already)
	return nil
}

// books says what was granted, and holds it against the ledger, person by person.
func (d *day) books(ctx context.Context) error {
	d.title(d.Books)
	tally, err := d.office.Tally(ctx, programme)
	if err != nil {
		return err
	}
	all := map[grant.Verdict]grant.Tally{}
	for _, t := range tally {
		all[t.Verdict] = t
	}
	granted := all[grant.Granted]
	d.line(d.Tally, granted.Taps, all[grant.Already].Taps, all[grant.Unknown].Taps)
	have := int64(0)
	for n, p := range d.people {
		balances, err := d.office.points.Balances(ctx, p.id)
		if err != nil {
			return err
		}
		var points int64
		for _, b := range balances {
			points += b.Points
		}
		came := n <= first+second
		if came && points != 100 || !came && points != 0 {
			return errTorn
		}
		have += points
	}
	books, err := d.office.points.Books(ctx)
	if err != nil {
		return err
	}
	if len(books.Faults) > 0 || granted.Points != have || books.Operations[point.OpGrant] != have || books.Outstanding[account] != have {
		return errTorn
	}
	d.line(d.Agree, commas(granted.Points), commas(have))
	gaps, err := d.office.Gaps(ctx)
	if err != nil || len(gaps) > 0 {
		return errors.Join(err, errTorn)
	}
	d.line(d.NoGaps)
	mails, err := d.office.Mails(ctx, programme, time.Now().AddDate(0, 0, -1), time.Now().Add(time.Hour))
	if err != nil {
		return err
	}
	d.line(d.Mails, len(mails))
	return nil
}
