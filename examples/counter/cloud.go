package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/mergefile"
)

// cloud is the city's point cloud (自治体ポイント管理クラウド), as far as a merge file
// goes. It shares the merge key with the shop.
type cloud struct {
	keys  shop.Keys
	inbox string
}

// file writes a merge file with one record, and gives the name that it is to
// have.
func (c cloud) file(ctx context.Context, r mergefile.Record) (name string, file []byte, err error) {
	key, err := c.keys.Merge()
	if err != nil {
		return "", nil, err
	}
	var b bytes.Buffer
	w, err := mergefile.NewWriter(ctx, &b, shop.Profile(), key, nil)
	if err != nil {
		return "", nil, err
	}
	if err := w.Write(r); err != nil {
		return "", nil, err
	}
	if err := w.Close(); err != nil {
		return "", nil, err
	}
	return r.Transaction.String() + ".dat", b.Bytes(), nil
}

// send puts a file into the inbox, as a sender should: under another name
// first, so that nobody reads half of it.
func (c cloud) send(name string, file []byte) error {
	path := filepath.Join(c.inbox, name)
	if err := os.WriteFile(path+".tmp", file, 0o600); err != nil {
		return err
	}
	// It keeps the time at which the cloud wrote it, as copying tools do.
	written := time.Now().Add(-time.Minute)
	if err := os.Chtimes(path+".tmp", written, written); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}

// tampered changes one bit in the middle of a file.
func tampered(file []byte) []byte {
	file = bytes.Clone(file)
	file[len(file)/2] ^= 1
	return file
}
