package apdu

import "context"

// A Transmitter is a card in a reader: it takes one encoded command APDU and
// gives the encoded response. [scard.Card] is one as it stands.
//
// The reply belongs to the caller. An error means that it is unknown whether
// the card saw the command.
//
// [scard.Card]: https://pkg.go.dev/github.com/ebfe/scard#Card.Transmit
type Transmitter interface {
	Transmit(command []byte) ([]byte, error)
}

// A ContextTransmitter is a Transmitter that can give up when a context ends,
// and that writes into memory of the caller's. [Channel] uses it where a
// Transmitter has it.
type ContextTransmitter interface {
	Transmitter

	// TransmitContext sends command and appends the reply to dst. On an error
	// it gives dst back as it was. command must not overlap dst.
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

// Transmit sends command through t and appends the reply to dst. Where t is a
// [ContextTransmitter] it honours ctx during the exchange, otherwise only
// before it: PC/SC cannot stop an exchange that runs.
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
