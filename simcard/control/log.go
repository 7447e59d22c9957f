package control

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/simcard"
)

// A Line is one line of the log.
type Line struct {
	N     int64     `json:"n"` // counted from 1
	At    time.Time `json:"at"`
	Event string    `json:"event"` // exchange, power_on, power_off, reset, inserted, removed, mark, …
	*Exchange
	Text string `json:"text,omitempty"` // of a mark, or why
	Lost int64  `json:"lost,omitempty"` // of "lost": how many lines are no longer kept
}

// An Exchange is what the log says about a command and its reply. It has no
// data of either.
type Exchange struct {
	Name      string       `json:"name"`           // in ISO/IEC 7816-4
	Head      string       `json:"head"`           // CLA, INS, P1, P2
	PIN       *simcard.PIN `json:"pin,omitempty"`  // that is presented, changed or asked for
	Presented bool         `json:"presented"`      // it is VERIFY with data
	App       string       `json:"app,omitempty"`  // the application that is current afterwards
	File      string       `json:"file,omitempty"` // and the file
	Lc        int          `json:"lc"`             // bytes of data that were sent
	Le        int          `json:"le"`             // bytes of data that were expected
	Length    int          `json:"length"`         // bytes of data that came
	CardSW    *string      `json:"card_sw"`        // what the card did; null: it never saw the command
	SW        *string      `json:"sw"`             // what left for the reader; null: nothing did
	Fault     string       `json:"fault,omitempty"`
	Micros    int64        `json:"us"`
}

// exchangeKey is the key of an *Exchange in a context.
type exchangeKey struct{}

func newExchange(card *simcard.Card, command []byte) *Exchange {
	cmd, err := apdu.ParseCommand(command)
	if err != nil {
		return &Exchange{Name: "malformed command", Lc: len(command)}
	}
	x := &Exchange{
		Name: cmd.Name(), Head: fmt.Sprintf("%02X%02X%02X%02X", cmd.CLA, cmd.INS, cmd.P1, cmd.P2),
		Lc: len(cmd.Data), Le: cmd.Ne,
		Presented: cmd.INS == apdu.InsVerify && len(cmd.Data) > 0,
	}
	if which, ok := card.PINOf(command); ok {
		x.PIN = &which
	}
	return x
}

// apps are the names of the applications, by AID.
var apps = map[string]string{
	"\xD3\x92\xF0\x00\x26\x01\x00\x00\x00\x01":                         "jpki",
	"\xD3\x92\x10\x00\x31\x00\x01\x01\x04\x08":                         "text",
	"\xD3\x92\x10\x00\x31\x00\x01\x01\x04\x02":                         "visual",
	"\xD3\x92\x10\x00\x31\x00\x01\x01\x01\x00":                         "common",
	"\xD3\x92\x10\x00\x31\x00\x01\x01\x04\x01":                         "juki",
	"\xA0\x00\x00\x02\x31\x06\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00": "licence",
}

// at notes where the card is.
func (x *Exchange) at(card *simcard.Card) {
	aid, file := card.Selected()
	x.App = apps[string(aid)]
	if file != 0 {
		x.File = fmt.Sprintf("%04X", file)
	}
}

func statusOfReply(reply []byte) *string {
	r, err := apdu.ParseResponse(reply)
	text := fmt.Sprintf("%04X", uint16(r.Status))
	if err != nil {
		text = fmt.Sprintf("torn at %d", len(reply))
	}
	return &text
}

// A logbook keeps the last lines.
type logbook struct {
	keep int

	mu     sync.Mutex
	lines  []Line // a ring: line n is at n modulo keep
	next   int64  // the number of the next line
	grown  chan struct{}
	closed bool
}

func newLogbook(keep int) *logbook { return &logbook{keep: keep, next: 1, grown: make(chan struct{})} }

func (b *logbook) event(event, text string) int64 { return b.add(Line{Event: event, Text: text}) }

func (b *logbook) add(l Line) int64 {
	l.At = time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	l.N = b.next
	b.next++
	if len(b.lines) < b.keep {
		b.lines = append(b.lines, l)
	} else {
		b.lines[(l.N-1)%int64(b.keep)] = l
	}
	close(b.grown)
	b.grown = make(chan struct{})
	return l.N
}

// close ends all waiting.
func (b *logbook) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	close(b.grown)
	b.grown = make(chan struct{})
}

// after returns the lines after number n that match, in their order. If there
// are none it waits for one. Where lines were dropped the first says so.
func (b *logbook) after(ctx context.Context, n int64, wait time.Duration, match func(*Line) bool) []Line {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		b.mu.Lock()
		var found []Line
		first := max(n+1, b.next-int64(len(b.lines)))
		if first > n+1 {
			found = append(found, Line{N: first - 1, At: time.Now(), Event: "lost", Lost: first - 1 - n})
		}
		for i := first; i < b.next; i++ {
			if l := &b.lines[(i-1)%int64(b.keep)]; match(l) {
				found = append(found, *l)
			}
		}
		// What was looked at need not be looked at again, unless to say what
		// was lost.
		if len(found) == 0 {
			n = max(n, b.next-1)
		}
		grown, closed := b.grown, b.closed
		b.mu.Unlock()
		if len(found) > 0 || closed {
			return found
		}
		select {
		case <-grown:
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// last returns the number of the last line, 0 if there is none.
func (b *logbook) last() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.next - 1
}
