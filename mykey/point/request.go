package point

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/mynakit/mynakit/internal/sqldb"
)

// Request names one call of a program, so that the call is carried out once,
// however often it is made. A repeated call with the same Request and the same
// content returns the stored receipt.
type Request struct {
	Scope string // whose name it is, such as a terminal's ID; see [MaxRequest]
	Name  string // drawn by the caller for each press of a button, such as 16 random bytes in hex
}

// MaxRequest is the greatest length of the scope and of the name of a
// [Request]: 1 to 64 bytes of printable ASCII without spaces.
const MaxRequest = 64

func (r Request) check() error {
	for _, s := range [...]string{r.Scope, r.Name} {
		if s == "" || len(s) > MaxRequest {
			return ErrRequest
		}
		for i := range len(s) {
			if s[i] <= ' ' || s[i] >= 0x7F {
				return ErrRequest
			}
		}
	}
	return nil
}

// digest is what a repeated request must agree with: what is asked for, not
// where and when. The holder is compared by the row and not by the MyKey ID,
// which may have changed in between.
func digest(kind Op, texts []string, numbers ...int64) []byte {
	h := sha256.New()
	for _, s := range append([]string{string(kind)}, texts...) {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(s))))
		h.Write([]byte(s))
	}
	for _, n := range numbers {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(n)))
	}
	return h.Sum(nil)
}

// stored is a row of {request}.
type stored struct {
	holder, operation sql.NullInt64 // none of a void request
	digest            []byte
}

func findRequest(ctx context.Context, tx *sqldb.Tx, r Request) (stored, error) {
	var s stored
	err := tx.QueryRow(ctx, selectRequest, r.Scope, r.Name).
		Scan(&s.holder, &s.operation, &s.digest)
	if errors.Is(err, sql.ErrNoRows) {
		return stored{}, ErrNoRequest
	}
	if err == nil && s.holder.Valid != s.operation.Valid {
		err = fmt.Errorf("point: a request with a holder and no operation, or the other way round")
	}
	return s, err
}

// agrees returns nil if the stored request was for the same content and,
// unless holder is 0, for the same holder.
func (s stored) agrees(holder int64, digest []byte) error {
	switch {
	case !s.operation.Valid:
		return ErrRequestVoid
	case subtle.ConstantTimeCompare(s.digest, digest) == 0, holder != 0 && s.holder.Int64 != holder:
		return ErrRequestReused
	}
	return nil
}
