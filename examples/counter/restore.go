package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// bookAgain completes a database that was restored, with the merge files that
// the mall has merged since: first the city's side, which takes the points again,
// then the mall's, which this database has too.
func bookAgain(ctx context.Context, dir string, p *place, say speaker) error {
	got, err := p.shop.BookAgain(ctx, p.shop.Records(ctx, dir))
	if err != nil {
		return err
	}
	say.plain(say.BookedAgain, got.Again)
	for number, points := range got.Unpaid {
		say.plain(say.Unpaid, number.String(), points)
	}
	for _, number := range got.Differ {
		say.plain(say.Differ, number.String())
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var failed []error // such as of a member whom the database does not know; the others go on
	for _, f := range files {
		if !strings.HasPrefix(f.Name(), ".") && !f.IsDir() {
			failed = append(failed, receiveFile(ctx, p, filepath.Join(dir, f.Name())))
		}
	}
	return errors.Join(failed...)
}

func receiveFile(ctx context.Context, p *place, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() // it was read
	_, err = p.shop.Receive(ctx, f, filepath.Base(path))
	return err
}
