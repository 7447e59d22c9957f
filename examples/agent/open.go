package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"github.com/mynakit/mynakit/examples/agent/api"
	"github.com/mynakit/mynakit/examples/agent/readers"
	"github.com/mynakit/mynakit/examples/internal/database"
	"github.com/mynakit/mynakit/examples/internal/private"
	"github.com/mynakit/mynakit/examples/internal/trust"
	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/simcard/control"
)

// place is the shop that the agent is a face of.
type place struct {
	db       *sql.DB
	shop     *shop.Shop
	keys     shop.Keys
	accounts []point.Programme
}

func (p *place) close() error { return p.db.Close() }

// openPlace opens the shop: the counter's, or with a software card one of the
// agent's own, so that a sample never spends real points.
func (o *options) openPlace(ctx context.Context, h *home) (_ *place, err error) {
	h.sweep()
	p := new(place)
	dir := o.data
	if dir == "" {
		dir = filepath.Join(filepath.Dir(h.dir), "counter")
		if o.reader == "sim" {
			dir = filepath.Join(h.dir, "sim")
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := private.Parent(dir); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "shop.db")
	for _, name := range []string{file, filepath.Join(dir, "keys.json")} {
		if err := private.File(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	if p.keys, _, err = shop.LoadKeys(filepath.Join(dir, "keys.json")); err != nil {
		return nil, err
	}
	library, err := mykey.ParseOperatorID("000001")
	if err != nil {
		return nil, err
	}
	mall, err := mykey.ParseOperatorID("000002")
	if err != nil {
		return nil, err
	}
	verifier, err := trust.Verifier(o.reader, o.roots)
	if err != nil {
		return nil, err
	}
	city, err := shop.SampleProgramme()
	if err != nil {
		return nil, err
	}
	p.accounts = []point.Programme{city}
	if p.db, err = o.openDatabase(ctx, file); err != nil {
		return nil, err
	}
	p.shop, err = shop.Open(ctx, p.db, shop.Config{
		Keys: p.keys, Verifier: verifier, Scope: "141305-01", Mall: mall, Programmes: p.accounts, Training: o.training,
		Operators: []shop.Operator{{ID: library, Name: "あおば図書館"}, {ID: mall, Name: "あおば商店街"}},
		Issuer:    "あおば商店街", PointName: city.Name,
	})
	if err == nil && o.reader == "sim" {
		err = enrolSample(ctx, p.shop)
	}
	if err != nil {
		return nil, errors.Join(err, p.db.Close())
	}
	return p, nil
}

func (o *options) openDatabase(ctx context.Context, file string) (*sql.DB, error) {
	address, err := database.Own(o.db, file)
	if err != nil {
		return nil, &usageError{"-db wants postgres://user@host/database, host=… dbname=…, or the name of a file: " + err.Error()}
	}
	db, err := address.OpenOwn(ctx)
	if errors.Is(err, database.ErrForm) {
		return nil, &usageError{"-db: " + err.Error()}
	}
	return db, err
}

// samplePoints are what the sample holder has at first.
const samplePoints = 2000

// enrolSample gives the holder of the software card a MyKey ID and points, at
// another terminal, once.
func enrolSample(ctx context.Context, s *shop.Shop) error {
	card, err := jpki.Open(ctx, simcard.New())
	if err != nil {
		return err
	}
	if c, err := s.Recognise(ctx, card); err != nil || c.Enrolled() {
		return err
	}
	pin, err := jpki.NewPIN(jpki.AuthPIN, simcard.DefaultAuthPIN)
	if err != nil {
		return err
	}
	defer pin.Clear()
	v, err := s.BeginWithPIN(ctx, card, pin)
	if err != nil {
		return err
	}
	defer v.Close()
	if _, err := v.Offer(ctx, card); err != nil {
		return err
	}
	accepted, err := v.Accept(ctx, card)
	if err != nil {
		return err
	}
	return s.Grant(ctx, accepted.Candidate, samplePoints, "welcome")
}

// openReaders returns where the cards come from.
func (o *options) openReaders(ctx context.Context, p *place) (api.Readers, func() error, error) {
	switch o.reader {
	case "sim":
		slot, err := control.New(control.Config{Panel: true})
		if err != nil || o.samples == "" {
			return readers.NewSim(slot), slot.Close, err
		}
		server, err := control.Serve(o.samples, slot)
		if _, ok := errors.AsType[*net.OpError](err); ok {
			return nil, nil, &troubleError{"Cannot listen at " + o.samples + ". If another program has the port, give another one with -samples.",
				o.samples + " で待ち受けられません。ほかのプログラムが使用中のときは、-samples に別のポート番号を指定してください。", exitError}
		}
		if err != nil {
			return nil, nil, &usageError{"-samples wants an address of this machine alone, such as 127.0.0.1:8081: " + err.Error()}
		}
		fmt.Fprintf(o.stdout, "http://%s\n", server.Addr)
		return readers.NewSim(slot), func() error { return errors.Join(server.Close(), slot.Close()) }, nil
	case "phone":
		phone, err := readers.NewPhone(o.phone, o.stderr)
		if err != nil {
			return nil, nil, &usageError{"-phone wants an IP address of this machine that the phone can reach, and a port: " + err.Error()}
		}
		return phone, phone.Close, nil
	}
	return readers.PCSC{Name: o.reader}, func() error { return nil }, nil
}
