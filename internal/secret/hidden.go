package secret

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// Redacted is what a hidden value shows as. A type that is read from text must
// refuse it, so that a document written from a hidden value is not read back.
const Redacted = "[redacted]"

// ErrHidden is returned when a hidden value is to be stored: by encoding/gob or
// as an argument of an SQL statement. Store what Reveal returns, or a record
// type made for it.
var ErrHidden = errors.New("secret: a hidden value is stored by revealing it")

// A Hidden makes the struct that embeds it show as [Redacted] in fmt, log/slog,
// encoding/json, encoding/xml and whatever else uses [encoding.TextMarshaler].
// Encoding that would store the value, which is encoding/gob and database/sql,
// fails with [ErrHidden]; a type that may be stored declares its own Value.
//
// Hidden does not hide the fields of the struct from fmt where the struct is an
// unexported field of another: keep the value in a [Box], [String] or [Uint64].
type Hidden struct{}

// Format writes [Redacted] for every verb.
func (Hidden) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Redacted) }

// String returns [Redacted].
func (Hidden) String() string { return Redacted }

// LogValue returns [Redacted].
func (Hidden) LogValue() slog.Value { return slog.StringValue(Redacted) }

// MarshalText returns [Redacted]. A log must go on when a value in it is
// hidden, so MarshalText does not fail.
func (Hidden) MarshalText() ([]byte, error) { return []byte(Redacted), nil }

// GobEncode fails with [ErrHidden].
func (Hidden) GobEncode() ([]byte, error) { return nil, ErrHidden }

// Value fails with [ErrHidden]. Without it, a driver that stores whatever has
// a text form would store [Redacted].
func (Hidden) Value() (driver.Value, error) { return nil, ErrHidden }
