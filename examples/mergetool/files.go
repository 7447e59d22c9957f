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

// output is a file that appears whole or not at all, or a stream, which cannot
// be taken back.
type output struct {
	io.Writer
	ctx     context.Context
	name    string      // what it will be called
	file    *os.File    // temporary
	stop    func() bool // keeps the context from removing it
	spooled bool        // the name is a stream's, and gets what is in the file
	stream  *os.File
}

// create begins an output, which goes away with ctx. A file that is there stays
// until commit, and one that is a link stays a link. "-", a FIFO and a device
// are written to as they are.
func create(ctx context.Context, name string) (*output, error) {
	o := &output{ctx: ctx}
	if isStream(name) {
		return o, o.openStream(name)
	}
	o.name = linked(name)
	// Not filepath.Dir, which would take a/.. for nothing where a is a link.
	dir, base := filepath.Split(o.name)
	if dir == "" {
		dir = "."
	}
	var err error
	if o.file, err = os.CreateTemp(dir, "."+base+".*"); err != nil {
		return nil, err
	}
	o.Writer = o.file
	temp := o.file.Name()
	o.stop = context.AfterFunc(ctx, func() { os.Remove(temp) })
	return o, nil
}

// createSpooled is create for what is not known to be good before its end: a
// stream gets all of it or nothing. What is written lies on the disk meanwhile,
// so that it is for what is encrypted.
func createSpooled(ctx context.Context, name string) (*output, error) {
	if !isStream(name) {
		return create(ctx, name)
	}
	file, err := os.CreateTemp("", "mergetool-*.spool")
	if err != nil {
		return nil, err
	}
	// Where a name may go before its file does, nothing can leave it behind.
	os.Remove(file.Name())
	return &output{Writer: file, ctx: ctx, name: name, file: file, spooled: true}, nil
}

// isStream says whether there is something of that name that is no file.
func isStream(name string) bool {
	if name == "-" {
		return true
	}
	info, err := os.Stat(name)
	return err == nil && !info.Mode().IsRegular()
}

// linked follows links to the name that is none, whether there is a file or
// not.
func linked(name string) string {
	for range 40 { // as many as the system follows
		target, err := os.Readlink(name)
		if err != nil {
			break
		}
		if !filepath.IsAbs(target) {
			dir, _ := filepath.Split(name)
			target = dir + target
		}
		name = target
	}
	return name
}

func (o *output) openStream(name string) error {
	o.stream = os.Stdout
	if name != "-" {
		var err error
		if o.stream, err = await(o.ctx, func() (*os.File, error) { return os.OpenFile(name, os.O_WRONLY, 0) }); err != nil {
			return err
		}
	}
	o.Writer = endableWriter{o.ctx, o.stream}
	return nil
}

// commit puts the output in its place.
func (o *output) commit() error {
	switch {
	case o.stream != nil:
		return o.closeStream()
	case o.spooled:
		if _, err := o.file.Seek(0, io.SeekStart); err != nil {
			return err
		}
		if err := o.openStream(o.name); err != nil {
			return err
		}
		_, err := io.Copy(o.Writer, o.file)
		return errors.Join(err, o.closeStream())
	}
	if err := errors.Join(o.file.Sync(), o.file.Close()); err != nil {
		return err
	}
	if !o.stop() {
		return o.ctx.Err()
	}
	err := os.Rename(o.file.Name(), o.name)
	if err == nil {
		o.file = nil
	}
	return err
}

// closeStream says what only shows when a stream is closed.
func (o *output) closeStream() error {
	if o.stream == nil || o.stream == os.Stdout {
		return nil
	}
	err := o.stream.Close()
	o.stream = nil
	return err
}

// discard removes what was not committed.
func (o *output) discard() {
	_ = o.closeStream()
	if o.file != nil {
		if o.stop != nil {
			o.stop()
		}
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

// steps counts what takes long as a whole and not for its bytes, on a bar that
// comes when it has taken a while.
type steps struct {
	to    io.Writer // nil where nobody would see it
	began time.Time
	progress
}

func newSteps() *steps {
	s := &steps{began: time.Now()}
	if term.IsTerminal(int(os.Stderr.Fd())) {
		s.to = os.Stderr
	}
	return s
}

func (s *steps) at(now time.Time, about string, done, total int) {
	if s.to == nil || s.bar == nil && now.Sub(s.began) < time.Second {
		return
	}
	if s.bar == nil {
		s.bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(s.to), progressbar.OptionSetDescription(about),
			progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
	}
	_ = s.bar.Set(done) // a bar that cannot be drawn is no reason to stop
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
