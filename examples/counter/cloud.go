package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// cloud is what brings the files of the city's point cloud (自治体ポイント管理クラウド)
// to the shop. The cloud's own part, numbers and all, is package outbox, which
// the shop's database stands in for.
type cloud struct{ outbox, inbox string }

// mergeFile is a merge file on its way.
type mergeFile struct {
	name    string
	content []byte
}

// take takes the files that have left the cloud.
func (c cloud) take() (files []mergeFile, err error) {
	entries, err := os.ReadDir(c.outbox)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || strings.HasPrefix(e.Name(), ".") {
			continue // not whole yet
		}
		content, err := os.ReadFile(filepath.Join(c.outbox, e.Name()))
		if err != nil {
			return nil, err
		}
		files = append(files, mergeFile{e.Name(), content})
	}
	return files, nil
}

// bring puts a file into the inbox, as a sender should: under another name
// first, so that nobody reads half of it. If the file is lost before, it is still
// in the cloud's folder.
func (c cloud) bring(f mergeFile) error {
	path := filepath.Join(c.inbox, f.name)
	if err := os.WriteFile(path+".tmp", f.content, 0o600); err != nil {
		return err
	}
	// It keeps the time at which the cloud wrote it, as copying tools do.
	written := time.Now().Add(-time.Minute)
	if err := os.Chtimes(path+".tmp", written, written); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}

// forget removes a file from the cloud's folder that has been brought.
func (c cloud) forget(f mergeFile) error { return os.Remove(filepath.Join(c.outbox, f.name)) }

// tampered changes one bit in the middle of a file.
func tampered(f mergeFile) mergeFile {
	f.content = bytes.Clone(f.content)
	f.content[len(f.content)/2] ^= 1
	return f
}
