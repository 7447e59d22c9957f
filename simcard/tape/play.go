package tape

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/mynakit/mynakit/apdu"
)

var (
	// ErrTape means that a text is not a tape; the error names the line.
	ErrTape = errors.New("tape: not a tape")
	// ErrFailed is played where the reader failed in the recording, otherwise
	// than because the card was gone.
	ErrFailed = errors.New("tape: the reader failed")
	// ErrLeft means that the tape has not been played to its end.
	ErrLeft = errors.New("tape: not played to its end")
)

// A MismatchError is a command that does not stand on the tape at this place.
// Neither text shows data that a recorder would have masked.
type MismatchError struct {
	Line int    // of the tape, from 1; the line after the last at its end
	Want string // the command that stands there; "" at the end of the tape
	Got  string // the one that came
}

// Error names the line and both commands.
func (e *MismatchError) Error() string {
	if e.Want == "" {
		return fmt.Sprintf("tape: line %d: the tape is at its end, and there came %q", e.Line, e.Got)
	}
	if e.Want == e.Got {
		return fmt.Sprintf("tape: line %d: recorded %q, and there came other data with it", e.Line, e.Want)
	}
	return fmt.Sprintf("tape: line %d: recorded %q, and there came %q", e.Line, e.Want, e.Got)
}

// An exchange is two lines of a tape.
type exchange struct {
	line    int
	command command
	reply   reply
}

// A Player is a card that answers as a tape does. It may be used by several
// goroutines, though they will hardly keep to the order.
type Player struct {
	atr       []byte
	exchanges []exchange
	lines     int

	mu   sync.Mutex
	next int
	err  *MismatchError
}

// Play reads a tape, to its end. Empty lines and lines that begin with # are
// passed over. It fails with [ErrTape], and with the errors of reading. A
// reader that is a file may be closed then.
func Play(tape io.Reader) (*Player, error) {
	p := &Player{}
	scanner := bufio.NewScanner(tape)
	scanner.Buffer(nil, 4*apdu.MaxResponse)
	begun, open := false, false
	for scanner.Scan() {
		p.lines++
		text := strings.TrimSpace(scanner.Text())
		if text == "" || text[0] == '#' {
			continue
		}
		if !begun {
			if text != header {
				return nil, p.broken("it does not begin with " + header)
			}
			begun = true
			continue
		}
		if why := p.add(text, &open); why != "" {
			return nil, p.broken(why)
		}
	}
	switch err := scanner.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		p.lines++
		return nil, p.broken("too long")
	case err != nil:
		return nil, fmt.Errorf("tape: %w", err)
	case !begun:
		return nil, p.broken("it is empty")
	case open:
		return nil, p.broken("a command without a reply")
	}
	return p, nil
}

func (p *Player) broken(why string) error {
	return fmt.Errorf("%w: line %d: %s", ErrTape, p.lines, why)
}

// add takes one line. open tells whether a command waits for its reply.
func (p *Player) add(text string, open *bool) (why string) {
	fields := strings.Fields(text[1:])
	switch {
	case strings.HasPrefix(text, "atr "):
		atr, err := hex.DecodeString(strings.TrimSpace(text[4:]))
		if err != nil || len(atr) < 2 || len(atr) > 33 || p.atr != nil || len(p.exchanges) > 0 {
			return "not an answer to reset"
		}
		p.atr = atr
		return ""
	case text[0] == '>':
		if *open {
			return "a command without a reply"
		}
		c, err := parseCommand(fields)
		if err != nil {
			return "not a command"
		}
		p.exchanges = append(p.exchanges, exchange{line: p.lines, command: c})
		*open = true
		return ""
	case text[0] != '<' && text[0] != '!':
		return "neither a command nor a reply"
	case !*open:
		return "a reply without a command"
	}
	*open = false
	var r reply
	var err error
	switch {
	case text[0] == '<':
		r, err = parseReply(fields)
	case slices.Equal(fields, []string{"removed"}):
		r.err = errRemoved
	case slices.Equal(fields, []string{"failed"}):
		r.err = ErrFailed
	default:
		err = errLine
	}
	if err != nil {
		return "not a reply"
	}
	p.exchanges[len(p.exchanges)-1].reply = r
	return ""
}

var errRemoved = fmt.Errorf("tape: %w", apdu.ErrCardRemoved)

// Transmit is [Player.TransmitContext] without a context.
func (p *Player) Transmit(command []byte) ([]byte, error) {
	return p.TransmitContext(context.Background(), nil, command)
}

// TransmitContext returns the reply to the next command of the tape. It fails
// with a [*MismatchError] if command is another one, and from then on always;
// where the recorded exchange failed, with [apdu.ErrCardRemoved] or
// [ErrFailed]; and with the context's error, which leaves the tape where it is.
func (p *Player) TransmitContext(ctx context.Context, dst, command []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return dst, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.err != nil:
		return dst, p.err
	case p.next == len(p.exchanges):
		p.err = &MismatchError{Line: p.lines + 1, Got: describe(command)}
		return dst, p.err
	}
	x := &p.exchanges[p.next]
	if !x.command.matches(command) {
		want := x.command.String()[2:]
		if x.command.raw != nil {
			want = describe(x.command.raw)
		}
		p.err = &MismatchError{Line: x.line, Want: want, Got: describe(command)}
		return dst, p.err
	}
	p.next++
	return x.reply.play(dst)
}

// describe returns a command as a recorder that keeps nothing would write it.
func describe(raw []byte) string {
	cmd, err := apdu.ParseCommand(raw)
	c := command{raw: raw}
	switch {
	case err != nil:
		c = command{broken: true, n: len(raw)}
	case cmd.CarriesSecret() && len(cmd.Data) > 0:
		c = masked(&cmd, anyLength)
	case len(cmd.Data) > 0 && (cmd.INS != apdu.InsSelect || cmd.CLA != 0):
		c = masked(&cmd, len(cmd.Data))
	}
	return c.String()[2:]
}

// ATR returns the answer to reset that stands on the tape, or nil.
func (p *Player) ATR() []byte { return slices.Clone(p.atr) }

// Done reports whether the tape was played, all of it and without a mismatch: nil
// if it was, otherwise the [*MismatchError] or an error that wraps [ErrLeft].
// A test calls it at its end.
func (p *Player) Done() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return p.err
	}
	if left := p.exchanges[p.next:]; len(left) > 0 {
		return fmt.Errorf("%w: %d exchanges left, from line %d", ErrLeft, len(left), left[0].line)
	}
	return nil
}
