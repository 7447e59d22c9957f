package mergefile

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/mynakit/mynakit/internal/secret"
	"github.com/mynakit/mynakit/mykey"
)

// MaxHolderLen is the greatest length of a holder's identifier, in bytes.
// The identifier lives inside the [Holder], so that a [Record] is one value
// without pointers and reading needs no memory for it.
const MaxHolderLen = secret.MaxString

// ErrHolder is returned for a holder's identifier that cannot stand in a merge
// file at all: it is empty, longer than [MaxHolderLen], or has a character outside
// A-Z, a-z, 0-9 and, between those, hyphens. A [Profile] may narrow this
// further.
var ErrHolder = errors.New("mergefile: a holder is 1 to 32 letters and digits, with hyphens between")

// A Record is one line of a merge file (連携情報): a holder is to be given points
// under a transaction number.
// Source: システム設計書(活用マニュアル概要) III.14, III.15, III.17.
//
// Records are equal with == exactly when their contents are. A Record shows
// without its holder.
type Record struct {
	// Holder is field 1: who gets the points.
	Holder Holder
	// Points is field 2 (合算ポイント数): a whole number, at least 1.
	Points uint64
	// Transaction is field 3 (取引済番号), which no two records share.
	Transaction Transaction
}

// AppendCanonical appends the record's content in one spelling that does not
// depend on a profile: kind, holder, points and transaction, joined by commas.
// Two records are equal exactly when these bytes are equal, so it serves to
// tell a repeated record (same number, same content) from a conflict (same
// number, other content). The bytes hold the holder's identifier: treat them
// like it.
func (r Record) AppendCanonical(dst []byte) []byte {
	dst = append(dst, r.Holder.kind.String()...)
	dst = append(dst, ',')
	dst = r.Holder.id.AppendTo(dst)
	dst = append(dst, ',')
	dst = strconv.AppendUint(dst, r.Points, 10)
	dst = append(dst, ',')
	return r.Transaction.append(dst)
}

// A HolderKind is one of the two identifiers that a holder is known by.
type HolderKind uint8

const (
	// MallPointID is the member number of the shopping mall's own point system
	// (商店街ポイントID, III.14 and III.15).
	MallPointID HolderKind = iota
	// MyKeyID is the MyKey ID (マイキーID, III.17), where the mall's system
	// stores that instead.
	MyKeyID
)

// String returns "mall" or "mykey".
func (k HolderKind) String() string {
	if k == MyKeyID {
		return "mykey"
	}
	return "mall"
}

// MarshalText returns the name of the kind, as [HolderKind.String] does.
func (k HolderKind) MarshalText() ([]byte, error) {
	if k > MyKeyID {
		return nil, fmt.Errorf("mergefile: no holder kind %d", uint8(k))
	}
	return []byte(k.String()), nil
}

// UnmarshalText accepts "mall" and "mykey".
func (k *HolderKind) UnmarshalText(text []byte) error {
	switch string(text) {
	case "mall":
		*k = MallPointID
	case "mykey":
		*k = MyKeyID
	default:
		return fmt.Errorf("mergefile: no holder kind %q", text)
	}
	return nil
}

// A Holder identifies the person whose points are merged. It is comparable and
// shows as [redacted]; [Holder.Reveal] returns the identifier.
type Holder struct {
	secret.Hidden
	kind HolderKind
	id   secret.String
}

// NewMallHolder returns the holder with a mall point ID, 1 to 32 letters and
// digits with hyphens between. It returns [ErrHolder] for another text.
func NewMallHolder(id string) (h Holder, err error) {
	if len(id) == 0 || len(id) > MaxHolderLen {
		return Holder{}, ErrHolder
	}
	for i := range len(id) {
		if !isHolder(id[i]) || id[i] == '-' && (i == 0 || i == len(id)-1) {
			return Holder{}, ErrHolder
		}
	}
	h.set(MallPointID, []byte(id))
	return h, nil
}

// NewMyKeyHolder returns the holder with a MyKey ID. It returns [ErrHolder] for
// an ID that was never set.
func NewMyKeyHolder(id mykey.ID) (h Holder, err error) {
	parsed, err := mykey.ParseID(id.String())
	if err != nil || parsed != id {
		return Holder{}, ErrHolder
	}
	h.set(MyKeyID, []byte(id.String()))
	return h, nil
}

// set makes h the holder with an identifier of up to MaxHolderLen bytes.
func (h *Holder) set(kind HolderKind, id []byte) {
	h.kind = kind
	h.id.Set(id)
}

// Kind returns which identifier the holder is known by.
func (h Holder) Kind() HolderKind { return h.kind }

// Reveal returns the identifier itself, whichever kind it is; "" for the zero
// Holder. It is personal data.
func (h Holder) Reveal() string { return h.id.Reveal() }

// RevealMyKeyID returns the MyKey ID, and false if the holder is not known by
// one.
func (h Holder) RevealMyKeyID() (mykey.ID, bool) {
	if h.kind != MyKeyID {
		return mykey.ID{}, false
	}
	id, err := mykey.ParseID(h.Reveal())
	return id, err == nil
}
