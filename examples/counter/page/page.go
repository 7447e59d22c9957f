package page

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/ticket"
	"github.com/mynakit/mynakit/ticket/paper"
)

//go:embed assets templates
var files embed.FS

// Lang is a language of the screens.
type Lang string

// The languages. The zero Lang is Japanese.
const (
	Japanese Lang = "ja"
	English  Lang = "en"
)

func (l Lang) pick(ja, en string) string {
	if l == English {
		return en
	}
	return ja
}

// Config says which terminal the page is. Shop, Reader and Terminal must be
// set.
type Config struct {
	Shop     *shop.Shop
	Reader   Reader // the terminal's own; a [Slot] takes software cards
	Terminal string // the terminal's name (端末ID): see [shop.Shop.Terminal]
	Name     string // the shop's name, shown on top
	Lang     Lang   // what a browser gets before it chooses

	// Inbox, if set, is the folder that merge files come to: see
	// [shop.Shop.OpenInbox]. Each terminal has its own.
	Inbox string
	// Welcome is how many city points a holder gets with a new MyKey ID
	// (ポイント付与); zero for none.
	Welcome int64
	// Payee, if set, returns the bank account of a place (端末設置場所), and Payout
	// is who orders the transfers, without a day: for the bank's file of what is
	// paid for a settlement. A payer of several accounts takes several pages.
	Payee  func(place string) (point.BankAccount, bool)
	Payout point.Payout
	// Grants are the points that a clerk may give, for the screen ポイント付与.
	Grants []Grant
	// Printer, if set, sends ESC/POS bytes to the terminal's receipt printer.
	// Without one the browser prints.
	Printer func(ctx context.Context, escpos []byte) error
	// Roll is the printer's paper, also of what the browser prints on a roll. The
	// zero Roll is [paper.Roll80mm].
	Roll paper.Roll
	// Place is where the terminal stands (端末設置場所), by which a settlement adds up.
	Place string
	// Samples are software cards that the page itself puts into Reader, which
	// is then a *Slot: for who has no reader.
	Samples []Sample
	// Log, if set, is told of each request: method, path, status and time.
	Log *slog.Logger
}

// A Sample is a software card to choose on the page.
type Sample struct {
	Name string
	Card Card
}

// ErrConfig means that a Config lacks Shop, Reader or a valid Terminal, or has
// Samples without a Slot.
var ErrConfig = errors.New("page: shop, reader and terminal must be set, and samples need a slot")

const (
	// cardWait is how long a step waits for the card to be put back.
	cardWait = 2 * time.Second
	// stepTime bounds one step, its card and its database.
	stepTime = 20 * time.Second
	// readerRest is how long the page waits before it asks a reader that has
	// failed again.
	readerRest = time.Second
	// readerPause is how long a step waits before it asks for a card again that
	// somebody else had.
	readerPause = 50 * time.Millisecond
)

// Page is the counter. It is an [http.Handler], which shows cards while Run
// runs.
type Page struct {
	cfg      Config
	at       ticket.Terminal
	screens  []*screen
	handler  http.Handler
	paper    map[Lang]*template.Template // the print view
	sessions sessions
	key      func() string // in the address that the program prints; no dump shows it
	changes  changes
	again    changes // a phone that was let go is to be looked at again
	arrivals arrivals
	issued   issuedList

	card sync.Mutex // held while somebody works with the card
	held *held      // a phone that stays in hand; the lock is card

	mu   sync.Mutex
	in   inReader
	last struct { // of what was put there last
		seq int
		who jpki.Identity
	}
	shows int // how many cards, and empty readers, there were
}

// New makes the page. The error is ErrConfig, or says why Inbox cannot be used.
func New(cfg Config) (*Page, error) {
	if cfg.Shop == nil || cfg.Reader == nil {
		return nil, ErrConfig
	}
	at := cfg.Shop.Terminal(cfg.Terminal)
	at.Place = cfg.Place
	if at.Check() != nil {
		return nil, ErrConfig
	}
	if _, ok := cfg.Reader.(*Slot); !ok && len(cfg.Samples) > 0 {
		return nil, ErrConfig
	}
	if cfg.Lang != English {
		cfg.Lang = Japanese
	}
	if cfg.Roll != paper.Roll58mm && cfg.Roll != paper.Roll80mm512 {
		cfg.Roll = paper.Roll80mm
	}
	if cfg.Name == "" {
		cfg.Name = cfg.Lang.pick("窓口", "Counter")
	}
	key := rand.Text()
	p := &Page{cfg: cfg, at: at, key: func() string { return key }}
	if err := p.compose(); err != nil {
		return nil, err // a template of this package; its tests show it
	}
	if err := p.openInbox(); err != nil {
		return nil, err
	}
	p.handler = p.log(p.guard(p.routes()))
	return p, nil
}

// Path is the path, with a key, by which a browser gets the terminal:
// http://127.0.0.1:PORT followed by Path. Show it to the clerk alone. Other
// programs of this machine can reach the page too, and get nothing without it.
func (p *Page) Path() string { return "/?key=" + p.key() }

// ServeHTTP is [http.Handler].
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }

// Run watches the reader and shows what is in it, and receives merge files,
// until ctx ends. It gives nil then, and every page that is open is told to ask
// again.
func (p *Page) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { p.watchInbox(ctx) })
	defer wg.Wait()
	defer p.sessions.close()
	defer p.release()
	failed := false
	for ctx.Err() == nil {
		t, err := p.cfg.Reader.WaitCard(ctx)
		if err != nil {
			// A step that waited for the same card may have been first, and has
			// it for itself. Only who fails again has something to say.
			if failed {
				p.show(inReader{err: err})
				rest(ctx, readerRest)
			} else {
				p.card.Lock()
				p.card.Unlock() //lint:ignore SA2001 the step is over
				rest(ctx, readerPause)
			}
			failed = true
			continue
		}
		failed = false
		again := p.again.next()
		in := p.recognise(ctx, t)
		p.show(in)
		seen, stop := context.WithCancel(ctx)
		wg.Go(func() {
			var late <-chan time.Time
			if errors.Is(in.err, apdu.ErrCardRemoved) {
				late = time.After(readerRest) // it may be back, and the reader has not noticed
			}
			select {
			case <-again:
			case <-late:
			case <-seen.Done():
			}
			stop()
		})
		err = p.cfg.Reader.WaitRemoved(seen)
		looked := seen.Err() != nil && ctx.Err() == nil
		stop()
		if looked {
			continue
		}
		p.show(inReader{err: err})
		p.release()
		if err != nil {
			rest(ctx, readerRest)
		}
	}
	return nil
}

func rest(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// Serve serves the page on l, with limits of time on all that a browser sends,
// and runs Run, until ctx ends. Then it waits for the steps that are under way.
// The error is that of l, or nil.
func (p *Page) Serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	srv := &http.Server{
		Handler:           p,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      stepTime + 10*time.Second, // the stream of events sets its own
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), // it names clients and requests
	}
	var wg sync.WaitGroup
	wg.Go(func() { _ = p.Run(ctx) })
	wg.Go(func() {
		<-ctx.Done()
		// Run has ended the session, and with it the streams of events.
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepTime)
		defer cancel()
		if srv.Shutdown(late) != nil {
			_ = srv.Close()
		}
	})
	err := srv.Serve(l)
	cancel()
	wg.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	if p.arrivals.inbox != nil {
		err = errors.Join(err, p.arrivals.inbox.Close())
	}
	return err
}
