package registry

import (
	"database/sql"
	"errors"
	"math"
	"time"

	"github.com/mynakit/mynakit/mykey"
)

// damage says that a cell holds what this package never writes there. It is no
// refusal, and no [ErrForm]: nothing that the caller gave is wrong. It does not
// hold the value.
type damage struct{ what, wrong string }

func (e *damage) Error() string { return "damaged table: " + e.what + ": wrong " + e.wrong }

// damaged is for what a form refuses in a cell.
func damaged(err error) error {
	if fe, ok := errors.AsType[*mykey.FormError](err); ok {
		return &damage{fe.Field, string(fe.Rule)}
	}
	return err
}

// cell reads a column of a row. The errors of database/sql's own conversions
// would quote the value.
type cell func(src any) error

// Scan is [sql.Scanner].
func (c cell) Scan(src any) error { return c(src) }

// text reads a value with a form of its own, and NULL as its zero.
func text(dest sql.Scanner) cell {
	return func(src any) error { return damaged(dest.Scan(src)) }
}

// number reads a whole number within its bounds.
func number[T ~int | ~int64 | ~uint8](dest *T, what string, least, most int64) cell {
	return func(src any) error {
		n, ok := src.(int64)
		switch {
		case !ok:
			return &damage{what, string(mykey.RuleType)}
		case n < least || n > most:
			return &damage{what, "range"}
		}
		*dest = T(n)
		return nil
	}
}

// moment reads a time, and NULL as none.
func moment(dest *time.Time) cell {
	return func(src any) error {
		if src == nil {
			*dest = time.Time{}
			return nil
		}
		var ms int64
		err := number(&ms, "time", math.MinInt64, math.MaxInt64)(src)
		*dest = time.UnixMilli(ms).In(jst)
		return err
	}
}

func personNumber(dest *int64) cell { return number(dest, "person", 1, math.MaxInt64) }

func device(dest *Device) cell {
	return number(dest, fieldDevice, int64(DeviceCard), int64(DeviceIPhone))
}

// issuer reads an issuer, and NULL as none.
func issuer(dest *Issuer) cell {
	return func(src any) (err error) {
		*dest = Issuer{}
		switch v := src.(type) {
		case nil:
		case string:
			*dest, err = ParseIssuer(v)
		case []byte:
			*dest, err = ParseIssuer(string(v))
		default:
			err = &damage{fieldIssuer, string(mykey.RuleType)}
		}
		return damaged(err)
	}
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// orNull is millis, with NULL for no time.
func orNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
