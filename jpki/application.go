package jpki

import (
	"context"
	"errors"
	"fmt"

	"github.com/mynakit/mynakit/apdu"
)

// An Application is one of the applications on the card (AP). A card works with
// one at a time: selecting another ends the state of every PIN verified in the
// one before.
type Application uint8

// The applications of an Individual Number Card. A phone has only JPKIApp. This
// package does not read LicenceApp and ResidenceApp; [Card.Applications] returns
// whether a card has them.
const (
	JPKIApp      Application = iota + 1 // certificates and keys (公的個人認証AP)
	TextApp                             // My Number and the four attributes as text (券面事項入力補助AP)
	VisualApp                           // what is printed on the card, as pictures (券面事項確認AP)
	CommonApp                           // the card's own number, its municipality and expiry (共通カードAP)
	JukiApp                             // for the resident register (住基AP)
	LicenceApp                          // a driver's licence (マイナ免許証), on some cards since 2025-03-24
	ResidenceApp                        // a residence card (特定在留カード), on some cards since 2026-06-14
)

// aid returns the application identifier, and "" for an Application that is none
// of the constants.
func (a Application) aid() string {
	switch a {
	case JPKIApp:
		return "\xD3\x92\xF0\x00\x26\x01\x00\x00\x00\x01"
	case TextApp:
		return "\xD3\x92\x10\x00\x31\x00\x01\x01\x04\x08"
	case VisualApp:
		return "\xD3\x92\x10\x00\x31\x00\x01\x01\x04\x02"
	case CommonApp:
		return "\xD3\x92\x10\x00\x31\x00\x01\x01\x01\x00"
	case JukiApp:
		return "\xD3\x92\x10\x00\x31\x00\x01\x01\x04\x01"
	case LicenceApp:
		return "\xA0\x00\x00\x02\x31\x06" + tenZeros
	case ResidenceApp:
		return "\xD3\x92\xF0\x00\x4F\x01" + tenZeros
	}
	return ""
}

const tenZeros = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// String returns "JPKI", "text", "visual", "common", "juki", "licence" or
// "residence".
func (a Application) String() string {
	switch a {
	case JPKIApp:
		return "JPKI"
	case TextApp:
		return "text"
	case VisualApp:
		return "visual"
	case CommonApp:
		return "common"
	case JukiApp:
		return "juki"
	case LicenceApp:
		return "licence"
	case ResidenceApp:
		return "residence"
	}
	return fmt.Sprintf("Application(%d)", uint8(a))
}

// A NoApplicationError is returned when the card does not have an application:
// it is a phone, which has only [JPKIApp], or another card. For [JPKIApp],
// [errors.Is] finds [ErrNotJPKI] in it.
type NoApplicationError struct{ Application Application }

// Error returns a text with the name of the application.
func (e *NoApplicationError) Error() string {
	if e.Application == JPKIApp {
		return ErrNotJPKI.Error()
	}
	return fmt.Sprintf("jpki: no %s application on the card", e.Application)
}

// Is reports whether target is [ErrNotJPKI] and the application is JPKI.
func (e *NoApplicationError) Is(target error) bool {
	return target == ErrNotJPKI && e.Application == JPKIApp
}

// WithApplication makes [Open] select app instead of [JPKIApp]. It saves an
// exchange if the program uses only app. All methods still work: each selects
// the application that it needs.
func WithApplication(app Application) Option { return func(c *Card) { c.app = app } }

// Applications returns which of the applications known here the card has, by
// selecting each. It takes seven exchanges and no PIN. All other calls work on a
// residence card and on a card with a driver's licence as well. [JPKIApp] is
// selected afterwards, and no PIN is verified any more.
func (c *Card) Applications(ctx context.Context) ([]Application, error) {
	return call(ctx, c, "look for applications", func() ([]Application, error) {
		if err := c.use(ctx, JPKIApp); err != nil { // a lost card stays lost
			return nil, err
		}
		if c.tapped {
			if err := c.stillSelected(ctx); err != nil {
				return nil, err
			}
		}
		has := []Application{JPKIApp}
		for app := TextApp; app <= ResidenceApp; app++ {
			err := c.selectApplication(ctx, app)
			switch _, none := errors.AsType[*NoApplicationError](err); {
			case err == nil:
				has = append(has, app)
			case !none:
				return nil, err
			}
		}
		return has, c.selectApplication(ctx, JPKIApp)
	})
}

// Application returns the application that was selected when the last call
// ended, and 0 if a failure has left that unknown. PINs of other applications
// are not verified. It does not wait for a running call.
func (c *Card) Application() Application {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.shown
}

// use selects app, unless it is selected.
//
// After the link has failed the card behind it may be another. What was
// selected is not selected there, so that commands go nowhere; to select would
// be to begin with that other card under the name of this one.
func (c *Card) use(ctx context.Context, app Application) error {
	switch {
	case c.app == app:
		return nil
	case c.lost:
		return errLost()
	case c.tapped:
		if err := c.stillSelected(ctx); err != nil {
			return err
		}
	}
	return c.selectApplication(ctx, app)
}

// errLost is the error for a card whose link has failed before.
func errLost() error { return fmt.Errorf("%w: open the card again", apdu.ErrCardRemoved) }

func (c *Card) selectApplication(ctx context.Context, app Application) error {
	c.app = 0
	cmd := apdu.Command{INS: apdu.InsSelect, P1: 0x04, P2: 0x0C, Data: []byte(app.aid())}
	if len(cmd.Data) == 0 {
		return &UnsupportedError{app.String()}
	}
	_, err := c.transmit(ctx, &cmd)
	if errors.Is(err, apdu.NoPreciseDiagnosis) {
		_, err = c.transmit(ctx, &cmd)
	}
	if statusIn(err, apdu.FileNotFound, apdu.FunctionNotSupported, apdu.IncorrectP1P2,
		apdu.InsNotSupported, apdu.ClaNotSupported) {
		return fmt.Errorf("%w: %w", &NoApplicationError{app}, err)
	}
	if err == nil {
		c.app, c.held = app, app
	}
	return err
}

// transmit sends cmd. If the exchange fails, it is unknown from then on which card
// is behind the link. A card that then answers that nothing is selected, or that
// there is no such file, has lost its power or is another one. Its answer is not
// about the card that was opened.
func (c *Card) transmit(ctx context.Context, cmd *apdu.Command) (apdu.Response, error) {
	before := c.channel.Stats().Exchanges
	r, err := c.channel.Send(ctx, cmd)
	var status *apdu.StatusError
	if err != nil && !errors.As(err, &status) && c.channel.Stats().Exchanges > before {
		c.lost = true
	}
	if c.lost && statusIn(err, apdu.FileNotFound, apdu.NoCurrentEF, apdu.NoPreciseDiagnosis) {
		// Not within: who looks for that status would take it for the file's.
		err = fmt.Errorf("%w: open the card again (%v)", apdu.ErrCardRemoved, err)
	}
	return r, err
}
