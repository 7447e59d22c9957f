package apdu

import "errors"

// MaxResponse is the longest response APDU: 65,536 bytes of data and the
// status word.
const MaxResponse = MaxExtendedNe + 2

var (
	// ErrCardRemoved is returned when the card did not answer: it was taken from
	// the reader or the field, or its reply was cut short. PC/SC reports a card
	// that leaves in the middle of an exchange as success with no bytes, so a
	// reply without a status word is this error.
	ErrCardRemoved = errors.New("apdu: card removed or reply torn")
	// ErrCardReset is returned when somebody else reset the card or took its
	// power: the selected application and every verified PIN are gone.
	ErrCardReset = errors.New("apdu: card was reset, what was selected and verified on it is gone")
	// ErrExchange is returned when an exchange broke although the card is, as far
	// as the reader knows, still there. It is unknown whether the card saw the
	// command. A reader that cannot carry 256 bytes in one reply causes it.
	ErrExchange = errors.New("apdu: exchange broke in the reader")
	// ErrResponseLength is returned when a reply is longer than a response APDU
	// can be, or longer than Le allows.
	ErrResponseLength = errors.New("apdu: response too long")
)

// A Response is a response APDU.
type Response struct {
	Data   []byte // 0 to 65,536 bytes
	Status Status
}

// ParseResponse splits a reply into data and status word. Data of the result
// points into b. It fails with [ErrCardRemoved] if b is shorter than two bytes,
// and with [ErrResponseLength] if b is longer than [MaxResponse].
func ParseResponse(b []byte) (Response, error) {
	n := len(b) - 2
	if n < 0 {
		return Response{}, ErrCardRemoved
	}
	if n > MaxExtendedNe {
		return Response{}, ErrResponseLength
	}
	return Response{Data: b[:n:n], Status: Status(b[n])<<8 | Status(b[n+1])}, nil
}

// AppendBinary appends the encoded response to dst. It fails with
// [ErrResponseLength] if Data is longer than 65,536 bytes.
func (r Response) AppendBinary(dst []byte) ([]byte, error) {
	if len(r.Data) > MaxExtendedNe {
		return dst, ErrResponseLength
	}
	dst = append(dst, r.Data...)
	return append(dst, byte(r.Status>>8), byte(r.Status)), nil
}
