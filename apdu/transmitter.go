package apdu

import "context"

// A Transmitter is a card in a reader. Transmit sends one encoded command APDU
// and returns the encoded response, which the caller owns. After an error it is
// unknown whether the card received the command. [scard.Card] is a Transmitter.
//
// [scard.Card]: https://pkg.go.dev/github.com/ebfe/scard#Card.Transmit
type Transmitter interface {
	Transmit(command []byte) ([]byte, error)
}

// A ContextTransmitter is a Transmitter that honours a context and writes into
// memory of the caller. [Channel] uses these abilities if a Transmitter has
// them.
type ContextTransmitter interface {
	Transmitter

	// TransmitContext sends command and appends the reply to dst. On an error
	// it returns dst unchanged. command must not overlap dst.
	TransmitContext(ctx context.Context, dst, command []byte) ([]byte, error)
}

// A Transactor is a Transmitter of a card that other programs can use as well.
type Transactor interface {
	Transmitter

	// Transaction keeps other programs from the card while f runs. It waits for
	// its turn as long as ctx allows, and does not call f if that fails.
	Transaction(ctx context.Context, f func() error) error
}

// A Reconnector is a Transmitter that can take up its card again after
// [ErrCardReset]. Nothing is selected and no PIN is verified on it then.
type Reconnector interface {
	Transmitter
	Reconnect(ctx context.Context) error
}

// As returns t as a T such as a [Transactor], or what t wraps. A Transmitter that
// wraps another one has the method Unwrap() Transmitter. As reports false if none
// of them is a T.
func As[T any](t Transmitter) (found T, ok bool) {
	for t != nil {
		if found, ok = t.(T); ok {
			return found, true
		}
		wrapper, is := t.(interface{ Unwrap() Transmitter })
		if !is {
			break
		}
		t = wrapper.Unwrap()
	}
	return found, false
}

// Transmit sends command through t and appends the reply to dst. If t is a
// [ContextTransmitter], it honours ctx during the exchange, and otherwise only
// before it.
func Transmit(ctx context.Context, t Transmitter, dst, command []byte) ([]byte, error) {
	if ct, ok := t.(ContextTransmitter); ok {
		return ct.TransmitContext(ctx, dst, command)
	}
	if err := ctx.Err(); err != nil {
		return dst, err
	}
	reply, err := t.Transmit(command)
	if err != nil {
		return dst, err
	}
	return append(dst, reply...), nil
}
