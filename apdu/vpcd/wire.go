package vpcd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
)

// Control codes of the reader.
const (
	controlOff   = 0
	controlOn    = 1
	controlReset = 2
	controlATR   = 4
)

// ErrProtocol means that the peer does not speak vpcd's protocol.
var ErrProtocol = errors.New("vpcd: protocol error")

// errTooLong means that a message does not fit the two-byte length.
var errTooLong = errors.New("vpcd: message longer than 65,535 bytes")

// A wire carries messages over one connection. It is for one goroutine.
type wire struct {
	conn     net.Conn
	ackNow   func()
	in, out  []byte
	lenBytes [2]byte
}

func newWire(conn net.Conn) *wire {
	return &wire{conn: conn, ackNow: quickAck(conn), out: make([]byte, 2, 512)}
}

// read returns the next message, of at most limit bytes. It is valid until the next
// read. An orderly end between two messages is io.EOF. One that is announced as
// longer is not waited for.
func (w *wire) read(limit int) ([]byte, error) {
	w.ackNow()
	if _, err := io.ReadFull(w.conn, w.lenBytes[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(w.lenBytes[:]))
	if n > limit {
		return nil, fmt.Errorf("%w: message of %d bytes", ErrProtocol, n)
	}
	if cap(w.in) < n {
		w.in = make([]byte, n)
	}
	w.in = w.in[:n]
	w.ackNow()
	if _, err := io.ReadFull(w.conn, w.in); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return w.in, nil
}

// write sends what compose appends to its argument, as one message and in one
// piece: two would wait for an acknowledgement in between.
func (w *wire) write(compose func(dst []byte) ([]byte, error)) error {
	out, err := compose(w.out[:2])
	if err != nil {
		return err
	}
	w.out = out
	n := len(out) - 2
	if n > math.MaxUint16 {
		return errTooLong
	}
	binary.BigEndian.PutUint16(out, uint16(n))
	_, err = w.conn.Write(out)
	return err
}

// writeBytes sends one message.
func (w *wire) writeBytes(b ...byte) error {
	return w.write(func(dst []byte) ([]byte, error) { return append(dst, b...), nil })
}
