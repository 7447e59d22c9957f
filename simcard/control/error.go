package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// The codes of an [Error].
const (
	badRequest     = "bad_request"
	notFound       = "not_found"
	slotTaken      = "slot_taken"
	unknownKind    = "unknown_kind"
	unknownFault   = "unknown_fault"
	noVpcd         = "no_vpcd"
	hostRefused    = "host_refused"
	originRefused  = "origin_refused"
	stateNotSaved  = "state_not_saved"
	requestTooLong = "too_long"
)

// statusOf are the HTTP status codes of the codes.
var statusOf = map[string]int{
	badRequest: http.StatusBadRequest, notFound: http.StatusNotFound,
	slotTaken: http.StatusConflict, unknownKind: http.StatusUnprocessableEntity, unknownFault: http.StatusUnprocessableEntity,
	noVpcd: http.StatusServiceUnavailable, hostRefused: http.StatusMisdirectedRequest, originRefused: http.StatusForbidden,
	stateNotSaved: http.StatusInternalServerError, requestTooLong: http.StatusRequestEntityTooLarge,
}

// An Error is a refusal, as it is sent: {"error":{"code","text","field"}}.
type Error struct {
	Code  string `json:"code"`
	Text  string `json:"text"`
	Field string `json:"field,omitempty"`
}

// Error returns the code, the field and the text.
func (e *Error) Error() string {
	if e.Field != "" {
		return fmt.Sprintf("control: %s: %s: %s", e.Code, e.Field, e.Text)
	}
	return fmt.Sprintf("control: %s: %s", e.Code, e.Text)
}

func badField(field, text string) error { return &Error{Code: badRequest, Text: text, Field: field} }

// ErrSlotTaken is what [Config.Connect] returns, or wraps, if another card is in
// the reader.
var ErrSlotTaken = errors.New("control: another card is in the slot")

// maxBody is the longest body of a request, in bytes.
const maxBody = 64 << 10

// decode parses one JSON value that has only fields of v.
func decode(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		if _, err = d.Token(); err == io.EOF {
			return nil
		}
		err = errors.New("more than one JSON value")
	}
	e := &Error{Code: badRequest, Text: strings.TrimPrefix(err.Error(), "json: ")}
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		e.Field, e.Text = kind.Field, "not the JSON type that this field has"
	}
	var own *Error
	if errors.As(err, &own) {
		e = own
	}
	return e
}
