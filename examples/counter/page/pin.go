package page

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/url"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
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

// pinKey is the key under which a step's context has the PINs of its form.
type pinKey struct{}

// pins are a form's: that for user authentication, and that of a second kind.
type pins struct{ auth, second []byte }

func withPINs(ctx context.Context, p pins) context.Context {
	return context.WithValue(ctx, pinKey{}, p)
}

// readForm reads a form's body. The PINs in it are taken out before the rest
// becomes strings, which nobody can wipe. wipe overwrites the PINs and the body.
func readForm(body io.Reader) (form url.Values, typed pins, wipe func(), err error) {
	buf := make([]byte, maxBody+1)
	wipe = func() { clear(buf); clear(typed.auth); clear(typed.second) }
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
		return nil, typed, wipe, err
	}
	rest := make([]byte, 0, n)
	for pair := range bytes.SplitSeq(buf[:n], []byte("&")) {
		into := &typed.auth
		value, is := bytes.CutPrefix(pair, []byte("pin="))
		if !is {
			into = &typed.second
			value, is = bytes.CutPrefix(pair, []byte("pin2="))
		}
		if !is {
			rest = append(append(rest, pair...), '&')
			continue
		}
		clear(*into) // one that came twice
		if *into, err = unescape(value); err != nil {
			return nil, typed, wipe, err
		}
	}
	form, err = url.ParseQuery(string(rest))
	return form, typed, wipe, err
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
	typed, _ := ctx.Value(pinKey{}).(pins)
	return jpki.NewPIN(jpki.AuthPIN, typed.auth)
}

// secondPIN returns the second PIN of a step's form.
func secondPIN(ctx context.Context, kind jpki.PINKind) (jpki.PIN, error) {
	typed, _ := ctx.Value(pinKey{}).(pins)
	return jpki.NewPIN(kind, typed.second)
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
// card of the visit and of the form.
func (p *Page) prove(ctx context.Context, s *session, card *jpki.Card, pr *procedure, t typed) error {
	if err := p.still(ctx, card, t.seq); err != nil || t.unlocked {
		return err
	}
	err := pr.visit.Verify(ctx, card, t.pin)
	n := p.tries(ctx, card)
	s.look(func(*work) { pr.tries = n })
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
		err = &entry{
			mykey.Text{JA: "残り1回です。ロックを防ぐため、この画面からは暗証番号を送信しません。", EN: "One try is left. So that the card is not blocked, no PIN is sent from this screen."},
			mykey.Text{JA: "お住まいの市区町村の窓口をご案内ください。", EN: "The municipality's counter resets it."}}
	}
	if err != nil {
		n := explain(lang, err)
		f.What, f.Do = n.What, n.Do
	}
	return f
}
