package inbox

import "errors"

// Event is what became of a file, for an audit log. It holds no part of the
// file's content.
type Event struct {
	What What
	// Name is the file's name in the directory, as the sender chose it: print
	// it with %q. It is empty for Trouble.
	Name string
	// Target is the path that the file was moved to, for Done and
	// Quarantined.
	Target string
	// Err is the reason: the receiver's error or one of this package's. It is
	// nil for Done.
	Err error
}

// What says what became of a file.
type What string

const (
	// Done: merged, and moved to Done.
	Done What = "done"
	// Quarantined: refused, and moved to Quarantine.
	Quarantined What = "quarantined"
	// Left: receiving or moving it failed in a way that passes; it is tried
	// again. If it was moving that failed, the file is not received again.
	Left What = "left"
	// Early: it was refused within seconds of having been written, or was empty
	// and had just come. It is received again when it is ten seconds old.
	Early What = "early"
	// Changed: it changed while it was read. It is received again.
	Changed What = "changed"
	// Gone: it was received, and another had moved it by then.
	Gone What = "gone"
	// Ignored: it is a directory and stays. This is told once.
	Ignored What = "ignored"
	// Trouble: the directory cannot be read, or not be watched.
	Trouble What = "trouble"
)

var (
	// ErrStop ends the inbox when Receive's error wraps it, or
	// ledger.ErrStopped: the receiver must not be used any more. The file
	// stays where it is.
	ErrStop = errors.New("inbox: stopped by the receiver")
	// ErrUnverified ends the inbox, with ErrStop, if no file has been verified
	// and three were refused: a key or the secret is more likely wrong than all
	// of them. The third file stays where it is. The first two are in
	// Quarantine; move them back when the keys are right.
	ErrUnverified = errors.New("inbox: three files were refused and none has been verified: a key or the secret is more likely wrong than all files")
	// ErrRefused sends a file to quarantine when Receive's error wraps it.
	ErrRefused = errors.New("inbox: the file is refused")

	// The reasons for a file to go to quarantine without having been received.
	// Only Audit hears them.
	ErrName       = errors.New("inbox: the file's name is not printable, or too long, or has a character with a meaning")
	ErrNotRegular = errors.New("inbox: not a regular file")
	ErrTooLarge   = errors.New("inbox: the file is larger than MaxSize")
	ErrLone       = errors.New("inbox: a sidecar whose file did not come")

	// errChanged and errGone are the reasons of Changed and Gone.
	errChanged = errors.New("inbox: the file changed while it was read")
	errGone    = errors.New("inbox: another has moved the file")
	// errCount is the reason of Left for a group that ReceiveAll does not answer
	// for.
	errCount = errors.New("inbox: ReceiveAll must return an error, or nil, for each file")
	// errDirectory is the reason of Ignored.
	errDirectory = errors.New("inbox: a directory")
)
