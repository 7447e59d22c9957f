// Package inbox watches a directory for merge files and hands each complete
// file, once it is safely open, to a receiver that merges it.
//
// Source: システム設計書(活用マニュアル概要) III.14 ② to ⑥: the cloud's file comes
// to "a particular place in the terminal", is checked there, and only a file
// that passes is merged.
//
// # The life of a file
//
// A file comes into the directory, is seen to be complete, is opened, is given
// to [Config.Receive], and is then moved: to Done when Receive returned nil, to
// Quarantine when the file was refused. Everything that is wrong with a file
// ends in that one quarantine in the same way, so that whoever can put files
// here learns nothing from what becomes of them. The reason goes to
// [Config.Audit] and nowhere else.
//
// The move comes after the commit, and the directories are synced when a look
// at the inbox ends. If a move is lost, as in a power cut, the file is received
// again, and a receiver that keeps transaction numbers then finds
// nothing but duplicates. That, and not the move, is what keeps points from
// being given twice; so two inboxes on one directory do no harm either.
//
// # When a file is complete
//
// Best is a sender that writes under a temporary name (or in a directory
// beside this one) and renames: this is how [mergefile.NewWriter]'s users are
// told to write, and the zero [Config.Settle] relies on it. Names that begin
// with a dot or end in one of [Config.Temporary] are not looked at. For a
// sender that writes under the final name, Settle says how long size and time
// must stay as they are. A file that changes while it is received is never
// moved: it is received again once it has come to rest.
//
// A sidecar, name.mac, is handed over with its file and follows it. If the
// profile demands one, set [Config.Sidecar]: the file then waits for it.
//
// # What is left in place
//
// Only the errors listed under [Config.Receive] send a file to quarantine. Any
// other is taken for trouble that passes, such as a database that is busy or
// away: the file stays, and is tried again after a second, two, four, and so on
// up to five minutes. After three such files in a row the others are not even
// tried until one has gone through. An error that says that the receiver must
// not go on, ledger.ErrStopped or [ErrStop], ends the inbox.
//
// # What is not trusted
//
// Names, types and sizes. A name that could mean something to a file system or
// a terminal, a symbolic link, a device, a pipe, or a file over
// [Config.MaxSize] goes to quarantine without having been opened. Links are not
// followed. What is moved is compared with what was read. A hard link is a file
// like any other, whatever other names it has; those are left alone.
// Directories are left where they are. In Done and Quarantine each file gets a
// new name in front of its own, so that nothing is ever overwritten.
//
// Keep the directory writable for the sender and the inbox alone, and give
// Done and Quarantine to the inbox alone. Nothing is ever deleted from either:
// that is the caller's housekeeping.
package inbox
