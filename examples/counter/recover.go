package main

import (
	"context"
	"database/sql"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mynakit/mynakit/examples/internal/private"
	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/registry"
)

// membersFile stands for the library's and the mall's own system: a line for each
// member, with Service ID, name and date of birth.
//
//	000001:180000000011,見本 一郎,1970-01-23
const membersFile = "members.csv"

// memberOf reads a member's record from the file. Without the file nobody is a
// member. It is read as it is when a recovery is asked for.
func memberOf(file string) func(context.Context, mykey.ServiceID) (shop.Member, error) {
	return func(_ context.Context, id mykey.ServiceID) (shop.Member, error) {
		f, err := private.Open(file)
		if errors.Is(err, fs.ErrNotExist) {
			return shop.Member{}, registry.ErrNotFound
		}
		if err != nil {
			return shop.Member{}, err
		}
		defer f.Close()
		lines := csv.NewReader(f)
		lines.FieldsPerRecord = 3
		for {
			line, err := lines.Read()
			if errors.Is(err, io.EOF) {
				return shop.Member{}, registry.ErrNotFound
			}
			if err != nil {
				return shop.Member{}, errMembers // the error may quote the line
			}
			if strings.TrimPrefix(line[0], "\ufeff") != id.String() {
				continue
			}
			born, err := time.Parse(time.DateOnly, line[2])
			if err != nil {
				return shop.Member{}, errMembers
			}
			day, err := jpki.NewDate(born.Year(), born.Month(), born.Day())
			if err != nil {
				return shop.Member{}, errMembers
			}
			return shop.NewMember(line[1], day), nil
		}
	}
}

// errMembers means that a line of the file is not of its form.
var errMembers = fmt.Errorf("%w: %s: a line is not number, name and date of birth", shop.ErrConfig, membersFile)

// notices returns what tells a holder of a recovery: a letter in a folder, for
// somebody to send to the address that the operator has, never to one that was
// given at the counter. The log says that there is one, and nothing of the holder.
//
// The letter is written before the transaction commits. If that fails there is one
// too many, which is better than none.
func notices(dir string, words lines, log *slog.Logger) func(context.Context, *sql.Tx, registry.Recovery) error {
	return func(ctx context.Context, _ *sql.Tx, r registry.Recovery) error {
		const form = "2006-01-02 15:04"
		letter := fmt.Sprintf(string(words.Notice), r.Member, r.Number, r.Asked.Format(form), r.Ready.Format(form))
		name := filepath.Join(dir, fmt.Sprintf("recovery-%d.txt", r.Number))
		if err := writeWhole(name, []byte(letter)); err != nil {
			return err
		}
		log.LogAttrs(ctx, slog.LevelInfo, "a letter to a holder is to be sent", slog.Int64("recovery", r.Number), slog.Time("ready", r.Ready))
		return nil
	}
}

// writeWhole writes a file of which nobody sees a part, and which is on the disk
// when it returns.
func writeWhole(name string, content []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), ".new-") // readable to its owner alone
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
