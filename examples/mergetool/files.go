package main

import (
	"context"
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
	file *os.File    // temporary
	name string      // what it will be called
	stop func() bool // keeps the context from removing it
}

// create begins an output, which goes away with ctx. "-" is standard output,
// which cannot be taken back.
func create(ctx context.Context, name string) (*output, error) {
	if name == "-" {
		return &output{Writer: endableWriter{ctx, os.Stdout}}, nil
	}
	file, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { os.Remove(file.Name()) })
	return &output{Writer: file, file: file, name: name, stop: stop}, nil
}

// commit puts the output in its place.
func (o *output) commit() error {
	if o.file == nil {
		return nil
	}
	if err := errors.Join(o.file.Sync(), o.file.Close()); err != nil {
		return err
	}
	if !o.stop() {
		return context.Canceled
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
		o.stop()
		o.file.Close()
		os.Remove(o.file.Name())
	}
}

// input is a file to read. Where that may wait for ever, as on a terminal or a
// FIFO, it ends with the context.
type input struct {
	io.Reader
	file    *os.File
	regular bool
	size    int64 // of a regular file
}

func openInput(ctx context.Context, name string) (*input, error) {
	file := os.Stdin
	if name != "-" {
		var err error
		// A FIFO is opened when somebody opens its other end.
		if file, err = await(ctx, func() (*os.File, error) { return os.Open(name) }); err != nil {
			return nil, err
		}
	}
	in := &input{Reader: file, file: file}
	if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
		in.regular, in.size = true, info.Size()
		return in, nil
	}
	r, w := io.Pipe()
	go func() {
		_, err := io.Copy(w, file)
		w.CloseWithError(err)
	}()
	context.AfterFunc(ctx, func() { w.CloseWithError(ctx.Err()) })
	in.Reader = r
	return in, nil
}

func (in *input) Close() {
	if r, ok := in.Reader.(*io.PipeReader); ok {
		r.Close()
	}
	in.file.Close()
}

// await gives what do gives, or the context's error if that comes first; do is
// then left to itself.
func await[T any](ctx context.Context, do func() (T, error)) (T, error) {
	type outcome struct {
		v   T
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		v, err := do()
		done <- outcome{v, err}
	}()
	select {
	case o := <-done:
		return o.v, o.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// endableWriter ends with its context although nobody reads what is written.
// Nothing may be written after an error.
type endableWriter struct {
	ctx context.Context
	dst io.Writer
}

func (w endableWriter) Write(b []byte) (int, error) {
	return await(w.ctx, func() (int, error) { return w.dst.Write(b) })
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
