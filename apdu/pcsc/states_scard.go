//go:build (darwin && cgo) || (linux && cgo && libpcsclite)

package pcsc

import (
	"sync"
	"time"

	"github.com/ebfe/scard"
)

// states asks for the states of readers. The library pins a reader's name for the
// C side in a map under that name: of two calls for one name at once, the first
// would go on with memory that is free.
type states struct{}

var (
	lookCall sync.Mutex // held while a look is under way
	waitCall sync.Mutex // held while a wait is under way
)

func (states) look(ctx *scard.Context, asked []scard.ReaderState) error {
	lookCall.Lock()
	defer lookCall.Unlock()
	return ctx.GetStatusChange(asked, 0)
}

// wait does not wait if this program does so already elsewhere.
func (states) wait(ctx *scard.Context, seen []scard.ReaderState, limit time.Duration) {
	if !waitCall.TryLock() {
		return
	}
	defer waitCall.Unlock()
	for i := range seen {
		seen[i].Reader += "\x00wait" // the same name to C, another than a look's to the map
	}
	_ = ctx.GetStatusChange(seen, limit) // what it means, the next look shows
}

func (states) cancel(ctx *scard.Context) { _ = ctx.Cancel() }
func (states) release()                  {}
