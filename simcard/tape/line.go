package tape

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/mynakit/mynakit/apdu"
)

// header is the first line of a tape.
const header = "mynakit tape 1"

// anyLength stands for a length that is masked too.
const anyLength = -1

// A command is a line that begins with ">".
type command struct {
	raw []byte // the whole of it; nil if its data is masked

	// Of one with masked data: the header, how many bytes of data or anyLength,
	// and what the command says beside.
	head     [4]byte
	n        int
	ne       int
	extended bool

	broken bool // no command at all, of n bytes
}

// masked makes the line for a command whose data is not to be shown.
func masked(c *apdu.Command, n int) command {
	return command{head: [4]byte{c.CLA, c.INS, c.P1, c.P2}, n: n, ne: c.Ne, extended: c.Extended}
}

func (c *command) String() string {
	switch {
	case c.broken:
		return fmt.Sprintf("> broken [%d]", c.n)
	case c.raw != nil:
		return fmt.Sprintf("> %X", c.raw)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "> %X %s", c.head, brackets(c.n))
	if c.ne > 0 {
		fmt.Fprintf(&b, " Le=%d", c.ne)
	}
	if c.extended {
		b.WriteString(" extended")
	}
	return b.String()
}

func brackets(n int) string {
	if n == anyLength {
		return "[*]"
	}
	return fmt.Sprintf("[%d]", n)
}

// matches reports whether a command is the one of the line.
func (c *command) matches(raw []byte) bool {
	if c.raw != nil {
		return bytes.Equal(c.raw, raw)
	}
	cmd, err := apdu.ParseCommand(raw)
	if err != nil || c.broken {
		return err != nil && c.broken && c.n == len(raw)
	}
	return c.head == [4]byte{cmd.CLA, cmd.INS, cmd.P1, cmd.P2} && c.ne == cmd.Ne && c.extended == cmd.Extended &&
		(c.n == len(cmd.Data) || c.n == anyLength && len(cmd.Data) > 0)
}

// A reply is a line that begins with "<" or "!".
type reply struct {
	data   []byte // what is not masked, in front
	n      int    // of masked data, behind it
	status apdu.Status
	torn   bool  // no reply at all: n bytes, 0 or 1
	err    error // ErrFailed or one that wraps apdu.ErrCardRemoved
}

func (r *reply) String() string {
	switch {
	case r.err != nil && errors.Is(r.err, apdu.ErrCardRemoved):
		return "! removed"
	case r.err != nil:
		return "! failed"
	case r.torn:
		return fmt.Sprintf("< torn [%d]", r.n)
	case r.data != nil && r.n > 0:
		return fmt.Sprintf("< %X [%d] %04X", r.data, r.n, uint16(r.status))
	case r.data != nil:
		return fmt.Sprintf("< %X %04X", r.data, uint16(r.status))
	case r.n > 0:
		return fmt.Sprintf("< [%d] %04X", r.n, uint16(r.status))
	}
	return "< " + r.status.String()
}

// play returns the reply; what was masked is FF.
func (r *reply) play(dst []byte) ([]byte, error) {
	if r.err != nil {
		return dst, r.err
	}
	dst = append(dst, r.data...)
	for range r.n {
		dst = append(dst, 0xFF)
	}
	if r.torn {
		return dst, nil
	}
	return append(dst, byte(r.status>>8), byte(r.status)), nil
}

var errLine = errors.New("not a line of a tape")

// parseCommand reads what stands after ">".
func parseCommand(fields []string) (command, error) {
	switch {
	case len(fields) == 0:
		// A command of no bytes.
		return command{broken: true}, nil
	case fields[0] == "broken" && len(fields) == 2:
		n, err := parseBrackets(fields[1])
		return command{broken: true, n: n}, orNil(err == nil && n >= 0)
	case len(fields) == 1:
		raw, err := hex.DecodeString(fields[0])
		return command{raw: raw}, orNil(err == nil && len(raw) > 0)
	}
	var c command
	head, err := hex.DecodeString(fields[0])
	if err != nil || len(head) != 4 {
		return c, errLine
	}
	copy(c.head[:], head)
	if c.n, err = parseBrackets(fields[1]); err != nil || c.n == 0 {
		return c, errLine
	}
	rest := fields[2:]
	if len(rest) > 0 && strings.HasPrefix(rest[0], "Le=") {
		if c.ne, err = strconv.Atoi(rest[0][3:]); err != nil || c.ne < 1 || c.ne > apdu.MaxExtendedNe {
			return c, errLine
		}
		rest = rest[1:]
	}
	if len(rest) > 0 && rest[0] == "extended" {
		c.extended = true
		rest = rest[1:]
	}
	return c, orNil(len(rest) == 0)
}

// parseReply reads what stands after "<".
func parseReply(fields []string) (reply, error) {
	var r reply
	var err error
	if len(fields) == 0 || len(fields) > 3 {
		return r, errLine
	}
	last := fields[len(fields)-1]
	if fields[0] == "torn" {
		r.torn = true
		r.n, err = parseBrackets(last)
		return r, orNil(len(fields) == 2 && err == nil && (r.n == 0 || r.n == 1))
	}
	status, err := hex.DecodeString(last)
	if err != nil || len(status) != 2 {
		return r, errLine
	}
	r.status = apdu.Status(status[0])<<8 | apdu.Status(status[1])
	if len(fields) == 1 {
		return r, nil
	}
	fields = fields[:len(fields)-1]
	if last := fields[len(fields)-1]; strings.HasPrefix(last, "[") {
		if r.n, err = parseBrackets(last); err != nil || r.n <= 0 {
			return r, errLine
		}
		fields = fields[:len(fields)-1]
	}
	if len(fields) == 0 {
		return r, nil
	}
	r.data, err = hex.DecodeString(fields[0])
	return r, orNil(err == nil && len(fields) == 1 && len(r.data) > 0 && len(r.data)+r.n <= apdu.MaxExtendedNe)
}

// parseBrackets reads [n] or [*].
func parseBrackets(s string) (int, error) {
	inner, ok := strings.CutPrefix(s, "[")
	inner, ok2 := strings.CutSuffix(inner, "]")
	if !ok || !ok2 {
		return 0, errLine
	}
	if inner == "*" {
		return anyLength, nil
	}
	n, err := strconv.Atoi(inner)
	if err != nil || n < 0 || n > apdu.MaxResponse {
		return 0, errLine
	}
	return n, nil
}

func orNil(ok bool) error {
	if ok {
		return nil
	}
	return errLine
}
