package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// output is a file that appears whole or not at all.
type output struct {
	io.Writer
	file *os.File
	name string
}

// create begins an output. "-" is standard output, which cannot be taken back.
func create(name string) (*output, error) {
	if name == "-" {
		return &output{Writer: os.Stdout}, nil
	}
	file, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return nil, err
	}
	return &output{Writer: file, file: file, name: name}, nil
}

// commit puts the output in its place.
func (o *output) commit() error {
	if o.file == nil {
		return nil
	}
	if err := errors.Join(o.file.Sync(), o.file.Close()); err != nil {
		return err
	}
	err := os.Rename(o.file.Name(), o.name)
	if err == nil {
		o.file = nil
	}
	return err
}

// discard removes what was not committed.
func (o *output) discard() {
	if o.file != nil {
		o.file.Close()
		os.Remove(o.file.Name())
	}
}

func openInput(name string) (*os.File, error) {
	if name == "-" {
		return os.Stdin, nil
	}
	return os.Open(name)
}

// longFile is the size from which a progress bar is worth its place.
const longFile = 4 << 20

// progress counts bytes on a bar, or nothing where nobody would see it.
type progress struct{ bar *progressbar.ProgressBar }

func newProgress(about string, size int64) progress {
	if size < longFile || !term.IsTerminal(int(os.Stderr.Fd())) {
		return progress{}
	}
	return progress{progressbar.NewOptions64(size, progressbar.OptionSetWriter(os.Stderr), progressbar.OptionShowBytes(true),
		progressbar.OptionSetDescription(about), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())}
}

func (p progress) add(n int) {
	if p.bar != nil {
		_ = p.bar.Add(n) // a bar that cannot be drawn is no reason to stop
	}
}

func (p progress) done() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}

// countedReaderAt moves the bar as the file is read.
type countedReaderAt struct {
	src io.ReaderAt
	p   progress
}

func (c countedReaderAt) ReadAt(b []byte, off int64) (int, error) {
	n, err := c.src.ReadAt(b, off)
	c.p.add(n)
	return n, err
}

type countedReader struct {
	src io.Reader
	p   progress
}

func (c countedReader) Read(b []byte) (int, error) {
	n, err := c.src.Read(b)
	c.p.add(n)
	return n, err
}
