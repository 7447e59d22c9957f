package jpki

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/mynakit/mynakit/apdu"
)

// A Card represents one card in a reader. [Open] returns one. Each method
// selects the [Application] that it needs, unless that is selected already.
// Selecting an application ends the verified state of PINs in the previous one.
//
// Methods may be called from several goroutines. They run one at a time, and a
// call that waits returns when its context ends. Goroutines that work in
// different applications end each other's verified PINs; their calls then fail
// with a [*PINRequiredError].
type Card struct {
	turn    chan struct{} // holds a token while a call runs
	channel apdu.Channel
	app     Application // selected, 0: unknown
	held    Application // the last that is known to have been selected
	lost    bool        // the link has failed; see use
	tapped  bool        // within a Tap, which watches for power losses; see stillSelected
	shortEF bool        // the card takes short EF identifiers, as far as known
	most    int         // bytes that the reader carries in one reply, as far as known

	holding atomic.Bool // in a transaction; see hold

	mu    sync.Mutex
	stats apdu.Stats  // as of the last call that ended
	shown Application // app then
}

// An Option changes how [Open] and the Card work.
type Option func(*Card)

// WithoutShortEF selects each file before it is used, and does not use short EF
// identifiers (短縮EF識別子). Without this option a Card notices that its card
// refuses them, at the cost of one command.
func WithoutShortEF() Option { return func(c *Card) { c.shortEF = false } }

// Open selects the JPKI application of the card behind t. It takes one exchange,
// and a second one if the card answers 6F00, as some do to the first command
// after power-on.
//
// Open returns a [*StepError]. It wraps [ErrNotJPKI] if the card has no JPKI
// application, and with [WithApplication] a [*NoApplicationError] if the card
// does not have that application.
func Open(ctx context.Context, t apdu.Transmitter, opts ...Option) (*Card, error) {
	c := newCard(t, opts)
	if err := c.open(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

func newCard(t apdu.Transmitter, opts []Option) *Card {
	c := &Card{
		turn: make(chan struct{}, 1),
		// Every file and signature of the card fits short length, and readers
		// and phones cannot be relied on for more.
		channel: apdu.Channel{Transmitter: t, ShortOnly: true},
		app:     JPKIApp,
		shortEF: true,
		most:    apdu.MaxShortNe,
	}
	for _, opt := range opts {
		opt(c)
	}
	return c
}

// open selects the application of the options. Nobody else knows c yet.
func (c *Card) open(ctx context.Context) error {
	if err := c.selectApplication(ctx, c.app); err != nil {
		return &StepError{"select application", err}
	}
	c.stats, c.shown = c.channel.Stats(), c.app
	return nil
}

// Stats returns the totals of exchanges and bytes since [Open], which is
// included, as of the last call that ended. It does not wait for a running call.
func (c *Card) Stats() apdu.Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stats
}

// begin waits for this caller's turn. A channel and not a mutex, so that a
// caller behind a card that has fallen silent can still leave.
func (c *Card) begin(ctx context.Context) error {
	select {
	case c.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// end passes the turn to the next caller.
func (c *Card) end() {
	c.mu.Lock()
	c.stats, c.shown = c.channel.Stats(), c.app
	c.mu.Unlock()
	<-c.turn
}

// send sends cmd. More data than was asked for is [apdu.ErrResponseLength].
func (c *Card) send(ctx context.Context, cmd *apdu.Command) (apdu.Response, error) {
	r, err := c.transmit(ctx, cmd)
	most := cmd.Ne
	if cmd.INS == apdu.InsPSO {
		most = maxSignature // a long signature comes by 61xx, whatever Le was
	}
	if len(r.Data) > most {
		return apdu.Response{}, fmt.Errorf("apdu: %s: %w", cmd.Name(), apdu.ErrResponseLength)
	}
	return r, err
}

// A file is an elementary file: its identifier in the low byte, its application
// in the high one. Identifiers are 0001 to 001E throughout, so that the low byte
// is the short identifier too.
type file uint16

// Files of the applications other than JPKI, to be joined with an identifier.
const (
	inText   = file(TextApp-JPKIApp) << 8
	inVisual = file(VisualApp-JPKIApp) << 8
	inCommon = file(CommonApp-JPKIApp) << 8
	inJuki   = file(JukiApp-JPKIApp) << 8
)

func (f file) app() Application { return JPKIApp + Application(f>>8) }

// sendTo sends cmd, which works on the current file, to f in its application:
// by short identifier in one exchange, or after SELECT EF if the card refuses
// that.
func (c *Card) sendTo(ctx context.Context, f file, cmd apdu.Command) (apdu.Response, error) {
	if err := c.use(ctx, f.app()); err != nil {
		return apdu.Response{}, err
	}
	return c.sendHere(ctx, f, cmd)
}

// sendHere is sendTo for a file of the application that is selected.
func (c *Card) sendHere(ctx context.Context, f file, cmd apdu.Command) (apdu.Response, error) {
	if c.shortEF {
		short := cmd
		f.addTo(&short)
		r, err := c.send(ctx, &short)
		if !refused(err) {
			return r, err
		}
	}
	if err := c.selectEF(ctx, f); err != nil {
		return apdu.Response{}, err
	}
	r, err := c.send(ctx, &cmd)
	if !refused(err) {
		c.shortEF = false // the long way works where the short one did not
	}
	return r, err
}

// addTo names f in cmd: in P1 of READ BINARY, beside the mode in P2 of READ
// RECORD, in P2 of everything else.
func (f file) addTo(cmd *apdu.Command) {
	switch cmd.INS {
	case apdu.InsReadBinary:
		cmd.P1 = 0x80 | byte(f)
	case apdu.InsReadRecord:
		cmd.P2 |= byte(f) << 3
	default:
		cmd.P2 = 0x80 | byte(f)
	}
}

func (c *Card) selectEF(ctx context.Context, f file) error {
	_, err := c.transmit(ctx, &apdu.Command{
		INS: apdu.InsSelect, P1: 0x02, P2: 0x0C, Data: []byte{0, byte(f)},
	})
	return err
}

// refused reports whether err may mean that the card does not know short
// identifiers. For such a card READ BINARY 8A00 is an offset beyond any file, a
// command without a current file, or one on a file of the wrong kind. VERIFY 98 is
// the number of a key that it does not have. A card without the file answers in the
// same way, and SELECT EF fails then as well.
//
// 6982 (verify a PIN first) and 6983, 6984 (blocked) come from a card that
// found the file.
func refused(err error) bool {
	return statusIn(err, apdu.WrongLength, apdu.CommandIncompatible, apdu.NoCurrentEF,
		apdu.FunctionNotSupported, apdu.FileNotFound, apdu.IncorrectP1P2,
		apdu.ReferencedDataNotFound, apdu.WrongOffset, apdu.InsNotSupported)
}

// statusIn reports whether err is a card's answer with one of these words.
func statusIn(err error, words ...apdu.Status) bool {
	var s *apdu.StatusError
	if !errors.As(err, &s) {
		return false
	}
	for _, w := range words {
		if s.Status == w {
			return true
		}
	}
	return false
}
