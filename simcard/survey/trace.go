package survey

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/simcard"
)

// An Exchange is a command and its reply in somebody's trace.
type Exchange struct {
	Line           int // of the command
	Command, Reply []byte
}

// ErrTrace is returned for a text that is not a trace. The error names the line
// and nothing of what stands there: that could be a PIN.
var ErrTrace = errors.New("survey: not a trace of commands and replies in hexadecimal")

// Bounds of a trace.
const (
	maxTrace     = 4 << 20
	maxTraceLine = 4 * apdu.MaxResponse
)

// mark is what programs write in front of a command or a reply.
var mark = regexp.MustCompile(`^(?i)(?:(->|=>|>+|c:|c-?apdu:?|apdu:|command:?|sent:?)|(<-|<=|<+|r:|r-?apdu:?|sw:|response:?|received:?))\s*`)

// plain takes out what stands between digits.
var plain = strings.NewReplacer(" ", "", ":", "", "\t", "")

// ReadTrace parses a trace: a command in hexadecimal on one line and its reply,
// with the status word at its end, on the next. Spaces and colons between the
// digits, and marks such as ">" and "<" in front, are passed over, and so are
// empty lines and lines that begin with "#". It fails with [ErrTrace] and with the
// errors of reading. A trace of more than 4 MiB is refused.
func ReadTrace(r io.Reader) ([]Exchange, error) {
	limited := &io.LimitedReader{R: r, N: maxTrace + 1}
	lines := bufio.NewScanner(limited)
	lines.Buffer(nil, maxTraceLine)
	var list []Exchange
	waits := false // a command for its reply
	n := 0
	for lines.Scan() {
		n++
		text := strings.TrimSpace(lines.Text())
		if text == "" || text[0] == '#' {
			continue
		}
		isCommand, isReply := !waits, waits
		b, err := hex.DecodeString(plain.Replace(text))
		if err != nil {
			m := mark.FindStringSubmatch(text)
			if m == nil {
				return nil, fmt.Errorf("%w: line %d", ErrTrace, n)
			}
			isCommand, isReply = m[1] != "", m[2] != ""
			b, err = hex.DecodeString(plain.Replace(text[len(m[0]):]))
		}
		switch {
		case err != nil, isCommand == waits, isReply != waits, isCommand && len(b) < 4, isReply && len(b) < 2:
			return nil, fmt.Errorf("%w: line %d", ErrTrace, n)
		case isCommand:
			list = append(list, Exchange{Line: n, Command: b})
		default:
			list[len(list)-1].Reply = b
		}
		waits = !waits
	}
	switch err := lines.Err(); {
	case limited.N <= 0, errors.Is(err, bufio.ErrTooLong), err == nil && waits:
		return nil, fmt.Errorf("%w: line %d", ErrTrace, n+1)
	case err != nil:
		return nil, fmt.Errorf("survey: %w", err)
	}
	return list, nil
}

// Replay sends the commands of a trace to a software card, and lists the
// exchanges that it answers in another way: by another status word, another
// length or data of another form. What the data says is not compared, because
// another holder's is another. The card begins with the PINs that the trace
// presents and the tries that it tells of. It fails with the context's error.
func Replay(ctx context.Context, trace []Exchange, options ...simcard.Option) ([]Difference, error) {
	card := simcard.New(options...)
	if err := prepare(ctx, card, trace); err != nil {
		return nil, err
	}
	var list []Difference
	for _, x := range trace {
		reply, err := card.TransmitContext(ctx, nil, x.Command)
		if err != nil {
			return nil, fmt.Errorf("survey: line %d: %w", x.Line, err)
		}
		got, want := answerOf(x.Command, x.Reply), answerOf(x.Command, reply)
		if got != want {
			aid, file := card.Selected()
			list = append(list, Difference{stepOf(x), got, want, FactOf(place(aid, file))})
		}
	}
	return list, nil
}

// stepOf names an exchange by its line and the head of its command.
func stepOf(x Exchange) string {
	name := "malformed command"
	if cmd, err := apdu.ParseCommand(x.Command); err == nil {
		name = cmd.Name()
	}
	return fmt.Sprintf("line %d, %s %X", x.Line, name, x.Command[:4])
}

// place is the step of a survey that a file belongs to.
func place(aid []byte, file uint16) string {
	for _, a := range apps {
		if fmt.Sprintf("%X", aid) == a.aid {
			if file == 0 {
				return a.name
			}
			return fmt.Sprintf("%s/%04X", a.name, file)
		}
	}
	return "manager"
}

// answerOf says what a reply looks like.
func answerOf(command, reply []byte) string {
	r, err := apdu.ParseResponse(reply)
	if err != nil {
		return "torn"
	}
	a := Answer{SW: fmt.Sprintf("%04X", uint16(r.Status))}
	cmd, err := apdu.ParseCommand(command)
	if len(r.Data) > 0 && err == nil {
		a.Length = lengthForm(len(r.Data), cmd.Ne)
		if cmd.INS == apdu.InsSelect || cmd.INS == apdu.InsReadBinary && cmd.P2 == 0 {
			a.Form = form(r.Data)
		}
	}
	return a.String()
}

// prepare gives a card the PINs and the tries with which the trace begins. A
// card of its own follows the trace, to know which PIN a command is about.
func prepare(ctx context.Context, card *simcard.Card, trace []Exchange) error {
	follower := simcard.New(simcard.WithKind(card.Kind()))
	values := map[simcard.PIN]string{}  // that the card took
	wrong := map[simcard.PIN][]string{} // that it refused before
	begun := map[simcard.PIN]bool{}     // whose tries are known
	for _, x := range trace {
		cmd, err := apdu.ParseCommand(x.Command)
		if which, ok := follower.PINOf(x.Command); ok && err == nil && cmd.INS == apdu.InsVerify {
			r, _ := apdu.ParseResponse(x.Reply) // a torn one says nothing
			left, counted := int(r.Status&0x0F), r.Status.Is(apdu.Counter)
			presented := len(cmd.Data) > 0
			_, taken := values[which]
			switch {
			case presented && r.Status == apdu.OK && !taken:
				values[which] = string(cmd.Data)
			case presented && counted && !taken:
				wrong[which] = append(wrong[which], string(cmd.Data))
			}
			if presented && counted {
				left++ // this one was spent
			}
			blocked := r.Status == apdu.ReferenceDataNotUsable || r.Status == apdu.AuthenticationBlocked
			if !begun[which] && (counted || blocked) {
				if blocked {
					left = 0
				}
				card.SetTries(which, left)
			}
			begun[which] = true
		}
		if _, err := follower.TransmitContext(ctx, nil, x.Command); err != nil {
			return fmt.Errorf("survey: line %d: %w", x.Line, err)
		}
	}
	for _, which := range simcard.PINs() {
		value, taken := values[which]
		for n := 0; !taken && slices.Contains(wrong[which], value+card.PIN(which).Reveal()); n++ {
			// What was wrong on the other card is wrong on this one too.
			card.SetPIN(which, fmt.Sprintf("%04d", n))
		}
		if taken {
			card.SetPIN(which, value)
		}
	}
	return nil
}
