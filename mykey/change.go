package mykey

import (
	"fmt"
	"time"
)

// A ChangeKind is what has become of a MyKey ID.
type ChangeKind uint8

const (
	// ChangeReplaced means that the holder has New in the place of Old
	// (マイキーIDの変更).
	ChangeReplaced ChangeKind = 1 + iota
	// ChangeRevoked means that Old was ended for good (マイキーIDの失効). New is
	// zero.
	ChangeRevoked
	// ChangeJoined means that one person had both, and that Old is now another
	// name of New. What is kept under Old and under New belongs together.
	ChangeJoined
	// ChangeParted means that a join of Old and New was undone: they are two
	// persons' IDs again. What came from under Old goes back there.
	ChangeParted
)

// String returns "replaced", "revoked", "joined" or "parted".
func (k ChangeKind) String() string {
	switch k {
	case ChangeReplaced:
		return "replaced"
	case ChangeRevoked:
		return "revoked"
	case ChangeJoined:
		return "joined"
	case ChangeParted:
		return "parted"
	}
	return fmt.Sprintf("ChangeKind(%d)", uint8(k))
}

// A Change is what the user table tells whoever keeps something under a MyKey
// ID, in the transaction that changes the ID: accounts, tickets, loans. The old
// ID is never given to anybody else.
type Change struct {
	Kind ChangeKind
	Old  ID
	New  ID // zero if Old was revoked
	At   time.Time
}
