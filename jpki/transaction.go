package jpki

import (
	"context"
	"time"

	"github.com/mynakit/mynakit/apdu"
)

// longestTransaction is how long other programs are kept away at most. Windows
// resets a card if a transaction does nothing for five seconds.
const longestTransaction = 4500 * time.Millisecond

// Transaction keeps other programs away from the card while f runs, such as from
// [Card.Verify] to the signature that the PIN was for. Otherwise a program that
// shares the reader can select another application in between, which ends the
// verified state. The application of the card is selected again first. f gets
// the context ctx; its error is returned as it is.
//
// Others are kept away for 4.5 seconds at most. f then goes on without, so do in
// it what needs the card, and nothing that waits for people or networks.
//
// If the transport has no transactions (see [apdu.Transactor]), Transaction only
// calls f. It returns a [*StepError] if the transaction does not begin or the
// application cannot be selected, and f is not called then.
func (c *Card) Transaction(ctx context.Context, f func(context.Context) error) error {
	release, err := call(ctx, c, "begin transaction", func() (func(), error) { return c.hold(ctx, c.app) })
	if err != nil {
		return err
	}
	defer release()
	return f(ctx)
}

// hold begins a transaction, if the transport has them and none has begun, and
// selects app in it, and 0 for none. The caller has the turn, and calls release
// in the end.
func (c *Card) hold(ctx context.Context, app Application) (release func(), err error) {
	shared, ok := apdu.As[apdu.Transactor](c.channel.Transmitter)
	if !ok || c.holding.Load() {
		return func() {}, nil
	}
	begun, done, ended := make(chan error, 1), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		err := shared.Transaction(ctx, func() error {
			c.holding.Store(true)
			defer c.holding.Store(false)
			begun <- nil
			limit := time.NewTimer(longestTransaction)
			defer limit.Stop()
			select {
			case <-done:
			case <-limit.C:
			}
			return nil
		})
		select {
		case begun <- err:
		default: // it has begun and is over
		}
	}()
	release = func() {
		close(done)
		<-ended
	}
	if err = <-begun; err == nil && app != 0 {
		// Another program may have selected another one. Not by use, which finds
		// that app is selected. What has left is reported by a transport that
		// knows of other programs.
		if c.lost {
			err = errLost()
		} else {
			err = c.selectApplication(ctx, app)
		}
	}
	if err != nil {
		release()
		return nil, err
	}
	return release, nil
}
