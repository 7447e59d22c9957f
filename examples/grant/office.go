package main

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"database/sql"
	"encoding/hex"
	"errors"
	"path/filepath"

	"github.com/mynakit/mynakit/examples/internal/database"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/grant"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/mynakit/mynakit/mykey/terminal"
	"github.com/mynakit/mynakit/simcard"
)

// office is the city's side: user table, book of terminals, points and grants in
// one database.
type office struct {
	*grant.Office
	db        *sql.DB
	users     *registry.Registry
	terminals *registry.Terminals
	points    *point.Ledger
	key       grant.Key
	city      mykey.Municipality
	contact   mykey.Contact
}

// account is the short name of the city's points.
const account = "aoba"

func openOffice(ctx context.Context, dir string) (_ *office, err error) {
	o := &office{}
	if o.db, err = openFile(ctx, filepath.Join(dir, "office.db")); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, o.db.Close())
		}
	}()
	// A city keeps these keys apart from the database.
	pseudonyms, seal := make([]byte, 32), make([]byte, 32)
	_, _ = rand.Read(pseudonyms) // never fails
	_, _ = rand.Read(seal)
	if o.key, err = grant.NewKey(seal); err != nil {
		return nil, err
	}
	if o.points, err = point.Open(ctx, o.db, point.Config{}); err != nil {
		return nil, err
	}
	if o.users, err = registry.Open(ctx, o.db, registry.Config{
		Serials: registry.Pseudonyms(pseudonyms),
		Changed: func(ctx context.Context, tx *sql.Tx, c mykey.Change) error {
			_, err := o.points.In(tx).Changed(ctx, c)
			return errors.Join(err, o.In(tx).Changed(ctx, c))
		},
	}); err != nil {
		return nil, err
	}
	if o.Office, err = grant.Open(ctx, o.db, grant.Config{Points: o.points, Key: o.key, Resolve: o.resolve}); err != nil {
		return nil, err
	}
	if o.terminals, err = registry.OpenTerminals(ctx, o.db, registry.TerminalConfig{}); err != nil {
		return nil, err
	}
	if o.city, err = mykey.ParseMunicipality("131016"); err != nil {
		return nil, err
	}
	o.contact = mykey.Contact{Organisation: "あおば市", Person: "見本 花子", PostalCode: "100-0001", Address: "A町1-1", Phone: "03-1234-5678", Mail: "points@city.example.jp"}
	return o, o.points.SetProgramme(ctx, point.Programme{Account: account, Kind: point.Municipal, Name: "あおば市ポイント", Municipality: o.city,
		Contact: o.contact,
		Bank:    point.BankAccount{BankName: "あおば銀行", BankCode: "0001", BranchName: "本店", BranchCode: "001", Type: point.Ordinary, Number: "0012345", Holder: "アオバシ"}})
}

// resolve finds whose card was tapped, in the transaction that grants. A card of
// which nobody knows anything is no error.
func (o *office) resolve(ctx context.Context, tx *sql.Tx, c grant.Card) (mykey.ID, error) {
	issuer, err := registry.ParseIssuer(hex.EncodeToString(c.Issuer))
	if err != nil {
		return mykey.ID{}, nil
	}
	id, err := o.users.In(tx).LookupIssued(ctx, c.Serial, issuer)
	for _, unusable := range []error{registry.ErrNotEnrolled, registry.ErrSuperseded, registry.ErrExpired} {
		if errors.Is(err, unusable) {
			return mykey.ID{}, nil
		}
	}
	return id, err
}

// enrol takes people over who have a MyKey ID already. Every third wants a mail
// when points are granted.
func (o *office) enrol(ctx context.Context, people []*person) error {
	verifier, err := jpki.NewVerifier([]*x509.Certificate{simcard.TestAuthority().Auth().Certificate()})
	if err != nil {
		return err
	}
	var rows []registry.ImportRow
	for _, p := range people {
		card, err := jpki.Open(ctx, p.contact())
		if err != nil {
			return err
		}
		shown, err := registry.Show(ctx, card, verifier)
		if err != nil {
			return err
		}
		rows = append(rows, registry.ImportRow{ID: p.id, Certificates: []registry.Certificate{shown.Certificate}})
	}
	return o.users.Do(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := o.users.In(tx).Import(ctx, rows); err != nil {
			return err
		}
		for i, p := range people {
			profile := point.Profile{}
			if i%3 == 0 {
				mail, err := point.ParseMailAddress("someone@example.jp")
				if err != nil {
					return err
				}
				profile = point.Profile{Mail: mail, Notices: point.NoticeGrant}
			}
			if err := o.points.In(tx).Enrol(ctx, p.id, profile); err != nil {
				return err
			}
		}
		return nil
	})
}

// issue issues the terminal ID of a mobile terminal (エ, 様式II), and registers the
// phone that has it.
func (o *office) issue(ctx context.Context, place string) (registry.TerminalLogin, error) {
	issued, err := o.terminals.Issue(ctx, place, []registry.Terminal{{Municipality: o.city, Kind: terminal.Grant, Mobile: true, Place: place}})
	if err != nil {
		return registry.TerminalLogin{}, err
	}
	phone, err := terminal.FingerprintAndroid(rand.Text()) // drawn when the app is installed
	if err != nil {
		return registry.TerminalLogin{}, err
	}
	login := registry.TerminalLogin{ID: issued[0].ID, Password: issued[0].Password, Fingerprint: phone}
	_, err = o.terminals.Register(ctx, login, o.contact, mykey.OperatorID{})
	return login, err
}

// tap finds the MyKey ID of somebody who comes to the office with the card.
func (o *office) tap(ctx context.Context, p *person) (id mykey.ID, err error) {
	c, _, err := p.read(ctx)
	if err != nil {
		return id, err
	}
	err = o.Do(ctx, func(ctx context.Context, tx *sql.Tx) (err error) {
		id, err = o.resolve(ctx, tx, c)
		return err
	})
	return id, err
}

func openFile(ctx context.Context, path string) (*sql.DB, error) {
	file, err := database.InFile(path)
	if err != nil {
		return nil, err
	}
	return file.Open(ctx, true)
}
