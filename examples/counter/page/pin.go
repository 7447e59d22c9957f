package page

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/url"

	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/jpki"
)

// typed is what a form that spends or binds something was sent with: the PIN,
// and the presentation that the form was shown for.
type typed struct {
	seq int
	pin jpki.PIN // unless none was asked for
	// unlocked is a phone's that has had its PIN.
	unlocked bool
}

func (t typed) clear() { t.pin.Clear() }

// pinKey is the key under which a step's context has the PIN of its form.
type pinKey struct{}

// readForm reads a form's body. The PIN in it is taken out before the rest
// becomes strings, which nobody can wipe. wipe overwrites the PIN and the body.
func readForm(body io.Reader) (form url.Values, pin []byte, wipe func(), err error) {
	buf := make([]byte, maxBody+1)
	wipe = func() { clear(buf); clear(pin) }
	n := 0
	for err == nil && n < len(buf) {
		var more int
		more, err = body.Read(buf[n:])
		n += more
	}
	if err == nil {
		err = &http.MaxBytesError{Limit: maxBody}
	}
	if !errors.Is(err, io.EOF) {
		return nil, nil, wipe, err
	}
	rest := make([]byte, 0, n)
	for pair := range bytes.SplitSeq(buf[:n], []byte("&")) {
		value, is := bytes.CutPrefix(pair, []byte("pin="))
		if !is {
			rest = append(append(rest, pair...), '&')
			continue
		}
		if pin, err = unescape(value); err != nil {
			return nil, nil, wipe, err
		}
	}
	form, err = url.ParseQuery(string(rest))
	return form, pin, wipe, err
}

// errEscape means that a form is not encoded as one.
var errEscape = errors.New("page: malformed form")

// unescape decodes a value of a form into bytes of its own.
func unescape(value []byte) ([]byte, error) {
	out := make([]byte, 0, len(value))
	for i := 0; i < len(value); i++ {
		switch c := value[i]; c {
		case '+':
			out = append(out, ' ')
		case '%':
			var b [1]byte
			if i+2 >= len(value) {
				return nil, errEscape
			}
			if _, err := hex.Decode(b[:], value[i+1:i+3]); err != nil {
				return nil, errEscape
			}
			out = append(out, b[0])
			i += 2
		default:
			out = append(out, c)
		}
	}
	return out, nil
}

// typedPIN returns the PIN of a step's form. What is not exactly a PIN is
// refused: a scanned code is never cut to its first four digits.
func typedPIN(ctx context.Context) (jpki.PIN, error) {
	typed, _ := ctx.Value(pinKey{}).([]byte)
	return jpki.NewPIN(jpki.AuthPIN, typed)
}

// pinOf takes PIN and presentation out of a form.
func (p *Page) pinOf(ctx context.Context, form url.Values) (t typed, err error) {
	if t.seq, err = p.presented(ctx, form); err != nil {
		return t, err
	}
	if t.unlocked = p.shown().unlocked; t.unlocked {
		return t, nil
	}
	t.pin, err = typedPIN(ctx)
	return t, err
}

// prove presents a PIN to the card in hand, once it is certain that it is the
// card of the visit and of the form. left is what the session's screen shows of
// its tries.
func (p *Page) prove(ctx context.Context, s *session, card *jpki.Card, visit *shop.Visit, t typed, left *int) error {
	if err := p.still(ctx, card, t.seq); err != nil || t.unlocked {
		return err
	}
	err := visit.Verify(ctx, card, t.pin)
	n := p.tries(ctx, card)
	s.look(func(*work) { *left = n })
	return err
}

// tries returns how many tries of the PIN are left, -1 if the card does not say.
func (p *Page) tries(ctx context.Context, card *jpki.Card) int {
	left, err := card.Tries(ctx, jpki.AuthPIN)
	if err != nil {
		return -1
	}
	return left
}

// showTries shows them.
func (p *Page) showTries(ctx context.Context, card *jpki.Card) {
	left := p.tries(ctx, card)
	if left < 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.in.tries = left
}

// pinField is where a PIN is typed, or why it is not.
type pinField struct {
	Seq      int // the presentation that the form is for
	Tries    int
	Unlocked bool   // a phone that has had its PIN
	What, Do string // why none is asked for; the last try is never offered
}

func newPINField(lang Lang, card cardPanel, tries int) pinField {
	f := pinField{Seq: card.Seq, Tries: tries, Unlocked: card.Phone}
	var err error
	switch {
	case card.Phone:
	case tries == 0:
		err = &jpki.PINError{PIN: jpki.AuthPIN, Blocked: true}
	case tries == 1:
		err = &jpki.LastTryError{PIN: jpki.AuthPIN}
	}
	if err != nil {
		n := explain(lang, err)
		f.What, f.Do = n.What, n.Do
	}
	return f
}
