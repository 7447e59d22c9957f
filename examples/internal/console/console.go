// Package console is a program's standard output that remembers its first error,
// so that the program does not report success when nobody got its answer, as
// into a full disk or a closed pipe.
//
// A program makes a [Writer] with [To], prints to it without looking at each
// error, and asks [Writer.Close] before it reports success.
package console

import (
	"fmt"
	"io"
	"os"
	"sync"
)

// A Writer writes to another writer until that fails. It is safe for use by
// several goroutines.
type Writer struct {
	dst io.Writer

	mu    sync.Mutex
	err   error
	wrote bool
}

// To returns a Writer to dst.
func To(dst io.Writer) *Writer { return &Writer{dst: dst} }

// Write writes p. After an error it writes nothing more and returns that error.
func (w *Writer) Write(p []byte) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return 0, w.err
	}
	w.wrote = true
	if n, err = w.dst.Write(p); err != nil {
		w.err = fmt.Errorf("the output could not be written: %w", err)
	}
	return n, w.err
}

// Printf prints as [fmt.Printf] does.
func (w *Writer) Printf(format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }

// Println prints as [fmt.Println] does.
func (w *Writer) Println(args ...any) { _, _ = fmt.Fprintln(w, args...) }

// Err returns the first error.
func (w *Writer) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// Close closes the destination if it is a file that was written to, which is
// when some file systems tell of an error, and returns the first error.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if f, ok := w.dst.(*os.File); ok && w.wrote && w.err == nil {
		if err := f.Close(); err != nil {
			w.err = fmt.Errorf("the output could not be written: %w", err)
		}
	}
	return w.err
}
