package mergefile

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"

	"github.com/mynakit/mynakit/mykey"
)

// MaxHolderLen is the greatest length of a holder's identifier, in bytes.
// The identifier lives inside the [Holder], so that a [Record] is one value
// without pointers and reading needs no memory for it.
const MaxHolderLen = 32

// redacted is what a secret or a holder prints as.
const redacted = "[redacted]"

// ErrHolder says that a holder's identifier cannot stand in a merge file at
// all: it is empty, longer than [MaxHolderLen], or has a character outside
// A-Z, a-z and 0-9. A [Profile] may narrow this further.
var ErrHolder = errors.New("mergefile: a holder is 1 to 32 letters and digits")

// Record is one line of a merge file (連携情報): a holder is to be given points
// under a transaction number.
// Source: システム設計書(活用マニュアル概要) III.14, III.15, III.17.
//
// A Record is comparable: two records are the same exactly when == says so.
// It prints without its holder.
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
	dst = append(dst, r.Holder.bytes()...)
	dst = append(dst, ',')
	dst = strconv.AppendUint(dst, r.Points, 10)
	dst = append(dst, ',')
	return r.Transaction.append(dst)
}

// String gives points and transaction; the holder is redacted.
func (r Record) String() string {
	return redacted + " " + strconv.FormatUint(r.Points, 10) + " " + r.Transaction.String()
}

// Format prints as [Record.String] under every verb.
func (r Record) Format(f fmt.State, _ rune) { io.WriteString(f, r.String()) }

// LogValue logs points and transaction; the holder is redacted.
func (r Record) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("holder", redacted),
		slog.Uint64("points", r.Points),
		slog.String("transaction", r.Transaction.String()),
	)
}

// HolderKind says which of the two identifiers a holder is known by.
type HolderKind uint8

const (
	// MallPointID is the member number of the shopping mall's own point system
	// (商店街ポイントID, III.14 and III.15).
	MallPointID HolderKind = iota
	// MyKeyID is the MyKey ID (マイキーID, III.17), where the mall's system
	// stores that instead.
	MyKeyID
)

// String gives "mall" or "mykey".
func (k HolderKind) String() string {
	if k == MyKeyID {
		return "mykey"
	}
	return "mall"
}

// MarshalText gives the name of the kind, as [HolderKind.String] does.
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

// Holder identifies the person whose points are merged. It is comparable and
// prints as [redacted]; [Holder.Reveal] gives the identifier.
type Holder struct {
	kind HolderKind
	n    uint8
	id   [MaxHolderLen]byte
}

// NewMallHolder makes a holder out of a mall point ID, 1 to 32 letters and
// digits. The error is [ErrHolder].
func NewMallHolder(id string) (Holder, error) {
	if len(id) == 0 || len(id) > MaxHolderLen {
		return Holder{}, ErrHolder
	}
	for i := range len(id) {
		if !isAlnum(id[i]) {
			return Holder{}, ErrHolder
		}
	}
	h := Holder{kind: MallPointID, n: uint8(len(id))}
	copy(h.id[:], id)
	return h, nil
}

// NewMyKeyHolder makes a holder out of a MyKey ID. The error is [ErrHolder],
// for an ID that was never set.
func NewMyKeyHolder(id mykey.ID) (Holder, error) {
	parsed, err := mykey.ParseID(id.String())
	if err != nil || parsed != id {
		return Holder{}, ErrHolder
	}
	h := Holder{kind: MyKeyID}
	h.n = uint8(copy(h.id[:], id.String()))
	return h, nil
}

// Kind says which identifier the holder is.
func (h Holder) Kind() HolderKind { return h.kind }

// Reveal gives the identifier itself, whichever kind it is; "" for the zero
// Holder. It is personal data.
func (h Holder) Reveal() string { return string(h.bytes()) }

// RevealMyKeyID gives the MyKey ID, and false if the holder is not known by
// one.
func (h Holder) RevealMyKeyID() (mykey.ID, bool) {
	if h.kind != MyKeyID {
		return mykey.ID{}, false
	}
	id, err := mykey.ParseID(h.Reveal())
	return id, err == nil
}

func (h *Holder) bytes() []byte { return h.id[:h.n] }

// String gives "[redacted]".
func (h Holder) String() string { return redacted }

// Format prints "[redacted]" under every verb.
func (h Holder) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// LogValue logs "[redacted]".
func (h Holder) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON gives "[redacted]" as a JSON string.
func (h Holder) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

func isAlnum(c byte) bool {
	return c-'0' <= 9 || c-'A' <= 25 || c-'a' <= 25
}
