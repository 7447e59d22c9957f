package main

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/mynakit/mynakit/examples/internal/database"
	"github.com/mynakit/mynakit/examples/internal/private"
	"github.com/mynakit/mynakit/examples/internal/speak"
	"github.com/mynakit/mynakit/examples/internal/trust"
	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/mergefile/outbox"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
)

// place is where the shop keeps its things.
type place struct {
	dir     string
	files   string // of merge files: live ones would be put aside in training, and the other way round
	keyFile string
	fresh   bool // the keys were made just now
	trusted bool // there are root certificates
	keys    shop.Keys
	db      *sql.DB
	shop    *shop.Shop

	library, mall mykey.OperatorID
}

func (p *place) Close() error { return p.db.Close() }

func (p *place) inbox() string   { return filepath.Join(p.files, "inbox") }
func (p *place) tickets() string { return filepath.Join(p.dir, "tickets") }

// notices is where the letters to holders lie until somebody sends them.
func (p *place) notices() string { return filepath.Join(p.dir, "notices") }

// outbox is where the city's cloud puts the files that it sends.
func (p *place) outbox() string { return filepath.Join(p.files, "outbox") }

// mark is where it is noted what was sent.
func (p *place) mark(o *options) string {
	switch {
	case o.mark == "":
		return filepath.Join(p.files, "sent.mark")
	case o.training:
		return o.mark + ".training" // whose tables are others
	}
	return o.mark
}

// openPlace opens the shop that the flags name, and makes what is missing.
func openPlace(ctx context.Context, o *options) (_ *place, err error) {
	p := &place{dir: o.data}
	if p.dir == "" {
		if p.dir, err = usualFolder(); err != nil {
			return nil, err
		}
	}
	if p.dir, err = filepath.Abs(p.dir); err != nil {
		return nil, err
	}
	p.files = p.dir
	if o.training {
		p.files = filepath.Join(p.dir, "training")
	}
	// For the user alone: keys lie here, and tickets.
	for _, dir := range []string{p.inbox(), p.outbox(), p.tickets(), p.notices()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	p.keyFile = filepath.Join(p.dir, "keys.json")
	if err := p.alone(); err != nil {
		return nil, err
	}
	if p.keys, p.fresh, err = shop.LoadKeys(p.keyFile); err != nil {
		return nil, err
	}
	if p.library, err = mykey.ParseOperatorID("000001"); err != nil {
		return nil, err
	}
	if p.mall, err = mykey.ParseOperatorID("000002"); err != nil {
		return nil, err
	}
	verifier, err := trust.Verifier(o.reader, o.roots)
	if err != nil {
		return nil, err
	}
	p.trusted = verifier != nil
	if p.db, err = openDatabase(ctx, o.db, p.dir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.db.Close())
		}
	}()
	words := linesIn(o.lang)
	city, err := shop.SampleProgramme()
	if err != nil {
		return nil, err
	}
	p.shop, err = shop.Open(ctx, p.db, shop.Config{
		Keys:       p.keys,
		Verifier:   verifier,
		Scope:      "141305-01", // 川崎市, the first association: an example
		Operators:  []shop.Operator{{ID: p.library, Name: string(words.Library)}, {ID: p.mall, Name: string(words.Mall)}},
		Mall:       p.mall,
		Outbox:     p.outbox(),
		Mark:       outbox.FileMark(p.mark(o)),
		Training:   o.training,
		Issuer:     string(words.Mall),
		PointName:  string(words.Points),
		Programmes: []point.Programme{city},
		Clock:      o.now,
		Members:    memberOf(filepath.Join(p.dir, membersFile)),
		Notice:     notices(p.notices(), words, slog.New(slog.NewTextHandler(o.stderr, nil))),
	})
	if o.restored != "" && errors.Is(err, outbox.ErrRestored) {
		err = nil // which is what -restored is for
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// usualFolder is where programs of this user keep their things. Where the
// system names none there is none: a folder that everybody can write to, such as
// that of temporary files, may hold what somebody else has put there.
func usualFolder() (string, error) {
	home, err := os.UserConfigDir()
	if err != nil {
		return "", errNoHome
	}
	return filepath.Join(home, "mynakit", "counter"), nil
}

var errNoHome = errors.New("counter: no home folder")

// alone returns a *private.Error if others can read or change what is in the
// folder. It comes before anything there is believed.
func (p *place) alone() error {
	if err := errors.Join(private.Parent(p.dir), private.Folder(p.tickets()), private.Folder(p.notices())); err != nil {
		return err
	}
	for _, file := range []string{p.keyFile, filepath.Join(p.dir, sqliteFile)} {
		if err := private.File(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// sqliteFile is the database's name in the folder.
const sqliteFile = "shop.db"

// openDatabase opens the database that -db means, or the file in the folder. It
// is asked nothing yet. Both hold live ticket numbers: guard them as money.
func openDatabase(ctx context.Context, at, dir string) (*sql.DB, error) {
	address, err := database.Own(at, filepath.Join(dir, sqliteFile))
	if err != nil {
		return nil, wrongDB(err)
	}
	db, err := address.OpenOwn(ctx)
	if errors.Is(err, database.ErrForm) {
		return nil, wrongDB(err)
	}
	return db, err
}

func wrongDB(err error) error {
	return speak.Wrong("-db には postgres://ユーザー名@ホスト/データベース名、host=… dbname=…、またはファイル名を指定してください。",
		"-db wants postgres://user@host/database, host=… dbname=…, or the name of a file: "+err.Error())
}
