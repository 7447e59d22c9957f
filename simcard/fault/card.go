package fault

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/mynakit/mynakit/apdu"
)

// A Rule describes which exchanges go wrong, and how.
type Rule struct {
	// When chooses the exchanges. nil chooses every exchange.
	When When
	// Do is what happens. nil is nothing: the exchange goes to the card, and
	// rules after this one do not see it.
	Do Fault
	// Times is how often at most the rule is applied; 0 is without limit.
	Times int
}

// A When reports whether a rule means an exchange, by the exchange's number,
// from 1, and its command. It must not keep the command.
type When func(n int, command []byte) bool

// Nth is the n-th exchange since the card was wrapped.
func Nth(n int) When { return func(m int, _ []byte) bool { return m == n } }

// From is the n-th exchange and all after it.
func From(n int) When { return func(m int, _ []byte) bool { return m >= n } }

// Ins is every command with that instruction byte, such as [apdu.InsVerify].
func Ins(ins byte) When {
	return func(_ int, command []byte) bool { return len(command) > 1 && command[1] == ins }
}

// An Exchange is one command on its way.
type Exchange struct {
	N       int    // its number, from 1
	Command []byte // the command APDU; not to be changed or kept

	card   *Card
	served bool // by GET RESPONSE, without the card underneath
}

// Pass sends the command to the card and returns its reply, in new memory. If
// [Pieces] has left data for GET RESPONSE, Pass returns that data instead.
func (x *Exchange) Pass(ctx context.Context) ([]byte, error) {
	reply, served, err := x.card.pass(ctx, nil, x.Command)
	x.served = served
	return reply, err
}

// A Fault carries out an exchange in its own way. What it returns is what the
// program gets. It may run while another does, if the program uses the card so.
type Fault func(ctx context.Context, x *Exchange) (reply []byte, err error)

// A Card is a card with faults. Make one with [Wrap]. It is an
// [apdu.ContextTransmitter], and may be used by several goroutines.
type Card struct {
	next apdu.Transmitter

	mu      sync.Mutex
	rules   []Rule // Times is what is left of them, -1 for none
	n       int
	applied int
	removed bool
	gone    chan struct{} // closed when the card is removed
	rest    []byte        // what GET RESPONSE is to give, with the status word
	piece   int           // how much of it at a time
}

// Wrap puts rules before a card. For each exchange the first rule that means
// it is applied; without one the exchange is passed on as it is.
func Wrap(card apdu.Transmitter, rules ...Rule) *Card {
	return &Card{next: card, rules: slices.Clone(rules), gone: make(chan struct{})}
}

// SetRules replaces all rules, while the card is in use too. An exchange that a
// former rule holds up goes on under it. The exchanges are counted on, so
// [Nth] still counts from [Wrap].
func (c *Card) SetRules(rules ...Rule) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rules = slices.Clone(rules)
}

// Exchanges returns the number of exchanges so far, failed ones included.
func (c *Card) Exchanges() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

// Applied returns how many times a rule was applied. A test that expects a fault
// should look: a rule that means no exchange fails nothing.
func (c *Card) Applied() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.applied
}

// Remove takes the card away: every exchange fails with an error that wraps
// [apdu.ErrCardRemoved], one that waits too, until [Card.Insert]. A card
// underneath that can be removed itself, such as a [simcard.Card], is, and so
// loses what was verified.
//
// [simcard.Card]: https://pkg.go.dev/github.com/mynakit/mynakit/simcard#Card
func (c *Card) Remove() {
	c.mu.Lock()
	if !c.removed {
		c.removed, c.rest = true, nil
		close(c.gone)
	}
	c.mu.Unlock()
	if r, ok := c.next.(interface{ Remove() }); ok {
		r.Remove()
	}
}

// Insert puts the card back.
func (c *Card) Insert() {
	c.mu.Lock()
	if c.removed {
		c.removed, c.gone = false, make(chan struct{})
	}
	c.mu.Unlock()
	// Last: the card underneath may tell somebody, who then finds it.
	if r, ok := c.next.(interface{ Insert() }); ok {
		r.Insert()
	}
}

// errRemoved is what every exchange gives while the card is away.
var errRemoved = fmt.Errorf("fault: %w", apdu.ErrCardRemoved)

// Transmit is [Card.TransmitContext] without a context: a card that is silent
// is so until it is removed.
func (c *Card) Transmit(command []byte) ([]byte, error) {
	return c.TransmitContext(context.Background(), nil, command)
}

// TransmitContext carries out one exchange by the rules. It fails as they say,
// with the errors of the card underneath, and with the context's.
func (c *Card) TransmitContext(ctx context.Context, dst, command []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return dst, err
	}
	c.mu.Lock()
	c.n++
	x := &Exchange{N: c.n, Command: command, card: c}
	if c.removed {
		c.mu.Unlock()
		return dst, errRemoved
	}
	rule := c.match(x)
	c.mu.Unlock()
	if rule == nil || rule.Do == nil {
		out, _, err := c.pass(ctx, dst, command)
		return out, err
	}
	reply, err := rule.Do(ctx, x)
	if err != nil {
		return dst, err
	}
	return append(dst, reply...), nil
}

// match finds the rule for an exchange and counts it.
func (c *Card) match(x *Exchange) *Rule {
	for i := range c.rules {
		r := &c.rules[i]
		if r.Times < 0 || r.When != nil && !r.When(x.N, x.Command) {
			continue
		}
		if r.Times > 0 {
			if r.Times--; r.Times == 0 {
				r.Times = -1
			}
		}
		c.applied++
		applied := *r
		return &applied
	}
	return nil
}

// pass sends a command to the card underneath, or serves GET RESPONSE from what
// is left.
func (c *Card) pass(ctx context.Context, dst, command []byte) (out []byte, served bool, err error) {
	c.mu.Lock()
	if c.rest != nil {
		cmd, err := apdu.ParseCommand(command)
		if err == nil && cmd.INS == apdu.InsGetResponse && cmd.Ne > 0 {
			dst = append(dst, c.nextPiece(min(cmd.Ne, c.piece))...)
			c.mu.Unlock()
			return dst, true, nil
		}
		c.rest = nil
	}
	c.mu.Unlock()
	out, err = apdu.Transmit(ctx, c.next, dst, command)
	return out, false, err
}

// nextPiece cuts n bytes of data off the rest, and says how much is left.
func (c *Card) nextPiece(n int) []byte {
	data := len(c.rest) - 2
	if n >= data {
		reply := c.rest
		c.rest = nil
		return reply
	}
	reply := slices.Clone(c.rest[:n])
	c.rest = c.rest[n:]
	left := min(data-n, apdu.MaxShortNe)
	return append(reply, 0x61, byte(left))
}

// ATR returns the answer to reset of the card underneath, or nil where it has
// none. With [Card.PowerOn], [Card.PowerOff] and [Card.Reset] a card with
// faults can be put where a whole card is wanted, into a virtual reader.
func (c *Card) ATR() []byte {
	if a, ok := c.next.(interface{ ATR() []byte }); ok {
		return a.ATR()
	}
	return nil
}

// PowerOn switches the power of the card underneath on, if it has such a method.
func (c *Card) PowerOn() {
	if p, ok := c.next.(interface{ PowerOn() }); ok {
		p.PowerOn()
	}
}

// PowerOff takes its power.
func (c *Card) PowerOff() {
	if p, ok := c.next.(interface{ PowerOff() }); ok {
		p.PowerOff()
	}
}

// Reset is its warm reset.
func (c *Card) Reset() {
	if p, ok := c.next.(interface{ Reset() }); ok {
		p.Reset()
	}
}
