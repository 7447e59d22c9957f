// Package inbox watches a directory for merge files and hands each complete file
// to a receiver that merges it.
//
// [Open] checks the directories. [Inbox.Run] receives files as they come, and
// [Inbox.Scan] receives what is there, for a program that is started from time to
// time. (システム設計書 III.14 ② to ⑥)
//
// # The life of a file
//
// The inbox waits until a file is complete, opens it, calls [Config.Receive] and
// then moves the file: to Done if Receive returned nil, to Quarantine if the file
// was refused. Every refused file is moved to the same Quarantine in the same
// way, so its sender learns nothing about the reason. Only [Config.Audit] is
// told the reason.
//
// Files that wait together are received together by [Config.ReceiveAll], which on
// SQLite makes one sync of the disk for up to 64 files. A file never waits for
// others to come.
//
// The move comes after the commit. The directories are synced once a pass. If a
// move is lost, as in a power cut, the file is received again, and its records
// are found to be duplicates. The receiver's transaction numbers, not the move,
// keep points from being given twice, so two inboxes may share a directory.
//
// # When a file is complete
//
// The best senders write under a temporary name, or in another directory, and
// rename. The zero [Config.Settle] relies on that. Names that begin with a dot or
// end in one of [Config.Temporary] are skipped. For a sender that writes under
// the final name, set Settle to how long size and modification time must stay
// the same. A file that changes while it is received is not moved; it is received
// again when it has come to rest.
//
// A file that fails verification within ten seconds of having been written, and
// an empty file within ten seconds of having been seen, is not refused yet. It
// is received once more when it is older.
//
// A sidecar, name.mac, is handed over with its file and follows it. If the
// profile requires one, set [Config.Sidecar]: the file then waits for it.
//
// # What stays
//
// Only the errors listed under [Config.Receive] send a file to Quarantine. After
// any other error, such as that of a database that cannot be reached, the file
// stays and is tried again after a second, two, four, and so on up to five
// minutes. After three such files in a row, no other file is tried until one has
// succeeded. [ErrStop] and ledger.ErrStopped end the inbox.
//
// If no file has ever been verified under [Config.Keys], the third file that
// fails verification ends the inbox with [ErrUnverified], because a wrong key is
// more likely than three wrong files.
//
// # What is not trusted
//
// Names, types and sizes are not trusted. A name that could mean something to a
// file system or a terminal, a symbolic link, a device, a pipe, or a file larger
// than [Config.MaxSize] is moved to Quarantine without being opened. Links are
// not followed. A file is moved only if it is the one that was read. Directories
// stay where they are.
//
// Done and Quarantine lie outside the watched directory, where its sender cannot
// replace them. They are held open, and on Unix files are moved by these open
// directories and not by path. A moved file loses its executable bits, unless it
// has another name elsewhere: that name keeps its mode. A new name in front of
// the file's own name keeps anything from being overwritten.
//
// Give the watched directory to its sender and the inbox alone, and the directory
// above it, Done and Quarantine to the inbox alone. Nothing is ever deleted from
// Done and Quarantine. Quarantine also holds the file .inbox, which records
// whether the keys have been found right.
package inbox
