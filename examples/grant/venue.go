package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/grant"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/simcard/link"
)

// person is somebody with a card.
type person struct {
	id   mykey.ID
	card *simcard.Card
}

func invite(n int) (*person, error) {
	id, err := mykey.ParseID(fmt.Sprintf("AOBA%04d", n))
	return &person{id, simcard.New(simcard.WithHolder(simcard.SampleHolder(uint(n))))}, err
}

// identity is what the roster has of the person, and what the person says.
func (p *person) identity() (grant.Identity, error) {
	h := p.card.Holder()
	birth, err := jpki.NewDate(h.Birth.Year(), h.Birth.Month(), h.Birth.Day())
	return grant.Identity{Name: h.Name, Birth: birth, Address: h.Address}, err
}

// contact is the card on a reader, at the slowest rate there is. Nobody waits for
// it: what it would take is counted.
func (p *person) contact() *link.Card {
	p.card.PowerOn()
	return &link.Card{Next: p.card, Model: link.Contactless{Rate: link.Rate106}, Processing: link.Typical}
}

// read reads the card as a device does, and returns what that takes.
func (p *person) read(ctx context.Context) (grant.Card, time.Duration, error) {
	contact := p.contact()
	defer p.card.PowerOff()
	card, err := jpki.Open(ctx, contact)
	if err != nil {
		return grant.Card{}, 0, err
	}
	c, err := grant.ReadCard(ctx, card, true)
	return c, contact.Elapsed(), err
}

// device is one at the venue (持ち歩き用ポイント付与機).
type device struct {
	*grant.Device
	login   registry.TerminalLogin
	db      *sql.DB
	longest time.Duration // of a tap on the air
}

// carry sets a device up: the office's public key, the passphrase of the round,
// and MyKey IDs. It has no other secret.
func carry(ctx context.Context, o *office, dir, place string) (_ *device, err error) {
	d := &device{}
	if d.login, err = o.issue(ctx, place); err != nil {
		return nil, err
	}
	if d.db, err = openFile(ctx, filepath.Join(dir, d.login.ID+".db")); err != nil {
		return nil, err
	}
	d.Device, err = grant.OpenDevice(ctx, d.db, grant.DeviceConfig{
		Office: o.key.Public(), Passphrase: grant.NewPassphrase([]byte("typed by the staff at each start"))})
	if err != nil {
		return nil, errors.Join(err, d.db.Close())
	}
	if err = d.sync(ctx, o); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

// sync logs in, gets the list (名簿の同期), and lets the office know the device's
// clock.
func (d *device) sync(ctx context.Context, o *office) error {
	at, err := o.terminals.Authenticate(ctx, d.login)
	if err != nil {
		return err
	}
	if err := o.Register(ctx, at.ID, d.Epoch()); err != nil {
		return err
	}
	ids, err := o.IDs(ctx, programme)
	if err != nil {
		return err
	}
	if err := d.Sync(ctx, programme, ids); err != nil {
		return err
	}
	_, err = d.send(ctx, o, 0, false)
	return err
}

func (d *device) close() error { return errors.Join(d.Close(), d.db.Close()) }

// tap takes somebody with the card. It reports false for a person who has been
// taken already.
func (d *device) tap(ctx context.Context, p *person) (bool, error) {
	c, took, err := p.read(ctx)
	if err != nil {
		return false, err
	}
	d.longest = max(d.longest, took)
	err = d.Tap(ctx, programme, "", c)
	if errors.Is(err, grant.ErrRepeat) {
		return false, nil
	}
	return err == nil, err
}

// sent is what a chunk's answer has said.
type sent struct {
	taps     int
	verdicts map[grant.Verdict]int
}

// send sends one chunk. Where the answer is lost on its way back, the office has
// judged all the same.
func (d *device) send(ctx context.Context, o *office, n int, lost bool) (sent, error) {
	chunk, err := d.Chunk(ctx, n)
	if err != nil {
		return sent{}, err
	}
	answer, err := o.Receive(ctx, chunk)
	if err != nil {
		return sent{}, err
	}
	s := sent{len(chunk.Taps), map[grant.Verdict]int{}}
	if lost {
		return s, nil
	}
	for _, v := range answer.Verdicts {
		s.verdicts[v.Verdict]++
	}
	return s, d.Answer(ctx, answer)
}
