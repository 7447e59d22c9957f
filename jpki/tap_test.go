package jpki

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
)

// The beginnings of two certificates, whose serial numbers are 01 and 02.
const (
	serialOne   = "3082060030820500A003020102020101 30000000000000000000000000000000000000009000"
	serialTwo   = "3082060030820500A003020102020102 30000000000000000000000000000000000000009000"
	readToken   = "00B08600A0"
	availableNo = "8F00009000"
)

func token(label string) string {
	return strings.ToUpper(hexOf(label+strings.Repeat(" ", 160-len(label)))) + done
}

func hexOf(s string) string {
	const digits = "0123456789ABCDEF"
	b := make([]byte, 0, 2*len(s))
	for i := range len(s) {
		b = append(b, digits[s[i]>>4], digits[s[i]&15])
	}
	return string(b)
}

// closing is a transmitter that can be closed.
type closing struct {
	*script
	closed int
}

func (c *closing) Close() error { c.closed++; return errors.New("card is gone, and nobody minds") }

func TestTap(t *testing.T) {
	count, verify := step{countAuth, "63C3"}, step{verifyAuth, done}
	first, second := step{readSerial, serialOne}, step{readSerial, serialTwo}
	pin := mustPIN(t, AuthPIN, "1234")
	cleared := mustPIN(t, AuthPIN, "1234")
	cleared.Clear()
	errHolder := errors.New("holder went away")
	asks := 0
	ask := func(left int, p func() PIN, err error) func(context.Context, int) (PIN, error) {
		return func(_ context.Context, got int) (PIN, error) {
			asks++
			assert.Equal(t, left, got)
			return p(), err
		}
	}
	typed := func() PIN { return mustPIN(t, AuthPIN, "1234") }
	work := step{"00B0860020", token("JPKIAPICCTOKEN2")[:64] + done}
	run := func(ctx context.Context, c *Card) error { _, err := c.Kind(ctx); return err }
	for _, tt := range []struct {
		name  string
		order PINOrder
		steps []step
		asks  int
		step  string // "": no error
		is    error
	}{
		{"no PIN", PINOrder{}, []step{first, work, first}, 0, "", nil},
		{"PIN first", PINFirst(pin), []step{first, count, verify, work, first}, 0, "", nil},
		{"card first", CardFirst(AuthPIN, ask(3, typed, nil)), []step{first, count, first, count, verify, work, first}, 1, "", nil},

		{"another card at the end", PINFirst(pin), []step{first, count, verify, work, second}, 0, "check that the card is the same", ErrCardChanged},
		{"put back at the end", PINFirst(pin), []step{first, count, verify, work, {readSerial, "6986"}, {"00A4020C02000A", "6A82"}}, 0, "check that the card is the same", ErrCardChanged},
		{"lifted at the end", PINFirst(pin), []step{first, count, verify, work, {readSerial, ""}}, 0, "check that the card is the same", apdu.ErrCardRemoved},
		{"another card under the hand", CardFirst(AuthPIN, ask(3, typed, nil)), []step{first, count, second}, 1, "check that the card is the same", ErrCardChanged},
		{"lifted while typing", CardFirst(AuthPIN, ask(3, typed, nil)), []step{first, count, {readSerial, ""}}, 1, "check that the card is the same", apdu.ErrCardRemoved},
		{"lifted in VERIFY", PINFirst(pin), []step{first, count, {verifyAuth, ""}}, 0, "verify auth PIN", ErrOutcomeUnknown},
		{"lifted in run", PINFirst(pin), []step{first, count, verify, {work.command, ""}}, 0, "read token information", apdu.ErrCardRemoved},
		{"lifted at once", PINFirst(pin), []step{{readSerial, ""}}, 0, "identify card", apdu.ErrCardRemoved},
		{"wrong", PINFirst(pin), []step{first, count, {verifyAuth, "63C2"}}, 0, "verify auth PIN", nil},

		{"blocked, nobody is asked", CardFirst(AuthPIN, ask(3, typed, nil)), []step{first, {countAuth, "63C0"}}, 0, "verify auth PIN", nil},
		{"one left, nobody is asked", CardFirst(AuthPIN, ask(3, typed, nil)), []step{first, {countAuth, "63C1"}}, 0, "verify auth PIN", nil},
		{"one left and allowed", CardFirst(AuthPIN, ask(1, typed, nil), AllowLastTry()), []step{first, {countAuth, "63C1"}, first, {countAuth, "63C1"}, verify, work, first}, 1, "", nil},
		{"holder goes away", CardFirst(AuthPIN, ask(3, func() PIN { return PIN{} }, errHolder)), []step{first, count}, 1, "ask for auth PIN", errHolder},
		{"holder types another PIN", CardFirst(AuthPIN, ask(3, func() PIN { return mustPIN(t, TextPIN, "1234") }, nil)), []step{first, count}, 1, "ask for auth PIN", nil},
		{"counter lost", CardFirst(AuthPIN, ask(3, typed, nil)), []step{first, {countAuth, ""}}, 0, "count auth PIN tries", apdu.ErrCardRemoved},
	} {
		t.Run(tt.name, func(t *testing.T) {
			asks = 0
			s := &closing{script: &script{t: t, steps: append([]step{{selectJPKI, done}}, tt.steps...)}}
			err := Tap(context.Background(), func(context.Context) (apdu.Transmitter, error) { return s, nil }, tt.order, run)
			assert.Equal(t, len(s.steps), s.next, "exchanges used")
			assert.Equal(t, 1, s.closed)
			assert.Equal(t, tt.asks, asks)
			if tt.step == "" {
				require.NoError(t, err)
				return
			}
			requireStep(t, err, tt.step)
			if tt.is != nil {
				require.ErrorIs(t, err, tt.is)
			}
		})
	}

	// What no card can satisfy is refused before anybody waits for one.
	for name, order := range map[string]PINOrder{
		"zero PIN": PINFirst(PIN{}), "cleared PIN": PINFirst(cleared), "unknown kind": CardFirst(9, ask(3, typed, nil)), "nobody to ask": CardFirst(AuthPIN, nil),
	} {
		err := Tap(context.Background(), func(context.Context) (apdu.Transmitter, error) {
			t.Errorf("%s: waited", name)
			return nil, errLink
		}, order, run)
		var format *FormatError
		require.ErrorAs(t, err, &format, name)
	}
	for _, err := range []error{
		Tap(context.Background(), func(context.Context) (apdu.Transmitter, error) { return nil, errLink }, PINOrder{}, run),
		Tap(context.Background(), func(context.Context) (apdu.Transmitter, error) { return nil, nil }, PINOrder{}, run),
	} {
		requireStep(t, err, "wait for card")
	}
	err := Tap(context.Background(), func(context.Context) (apdu.Transmitter, error) {
		return &script{t: t, steps: []step{{selectJPKI, "6A82"}}}, nil
	}, PINOrder{}, run)
	require.ErrorIs(t, err, ErrNotJPKI)
}

// Before each change of the application one exchange sees to it that the one
// before is still selected.
func TestTapLooksBeforeItLeaves(t *testing.T) {
	const (
		selectText   = "00A4040C 0A D3921000310001010408"
		selectVisual = "00A4040C 0A D3921000310001010402"
		selectCommon = "00A4040C 0A D3921000310001010100"
		selectJuki   = "00A4040C 0A D3921000310001010401"
		lookJPKI     = "00B0860001"
		lookText     = "00B0850001"
		lookVisual   = "00B0830001"
		lookJuki     = "0020009C"
	)
	ctx := context.Background()
	record := step{"00B2010C00", hexOf("\x01\x1C"+"0123456789012341322120350217") + done}
	first := step{readSerial, serialOne}
	count := func(kind PINKind) func(c *Card) error {
		return func(c *Card) error { _, err := c.Tries(ctx, kind); return err }
	}
	common := func(c *Card) error { _, err := c.CommonData(ctx); return err }
	for _, tt := range []struct {
		name  string
		run   []func(c *Card) error
		steps []step
		is    error
	}{
		{"through all", []func(c *Card) error{count(TextPIN), count(BirthDateKey), common, count(JukiPIN)}, []step{
			{lookJPKI, "4A9000"}, {selectText, done}, {"00200091", "63C3"},
			{lookText, "FF9000"}, {selectVisual, done}, {"00200091", "63CA"},
			{lookVisual, "FF9000"}, {selectCommon, done}, record,
			record, {selectJuki, done}, {"0020009C", "63C3"},
			{lookJuki, "63C3"}, {selectJPKI, done}, first,
		}, nil},
		{"none where nothing is left", []func(c *Card) error{count(AuthPIN), count(SignPIN)},
			[]step{{countAuth, "63C3"}, {"0020009B", "63C5"}, first}, nil},
		{"juki PIN verified", []func(c *Card) error{count(JukiPIN)},
			[]step{{lookJPKI, "4A9000"}, {selectJuki, done}, {"0020009C", "63C3"}, {lookJuki, done}, {selectJPKI, done}, first}, nil},
		{"juki PIN blocked", []func(c *Card) error{count(JukiPIN)},
			[]step{{lookJPKI, "4A9000"}, {selectJuki, done}, {"0020009C", "6984"}, {lookJuki, "6984"}, {selectJPKI, done}, first}, nil},
		{"juki gone", []func(c *Card) error{count(JukiPIN)},
			[]step{{lookJPKI, "4A9000"}, {selectJuki, done}, {"0020009C", "63C3"}, {lookJuki, "6D00"}, {"00A4020C02001C", "6D00"}}, ErrCardChanged},
		{"text gone", []func(c *Card) error{count(TextPIN)},
			[]step{{lookJPKI, "4A9000"}, {selectText, done}, {"00200091", "63C3"}, {lookText, "6982"}}, ErrCardChanged},
		{"first command after power-on", []func(c *Card) error{count(TextPIN)},
			[]step{{lookJPKI, "4A9000"}, {selectText, done}, {"00200091", "63C3"}, {lookText, "6F00"}}, ErrCardChanged},
		{"nothing to read", []func(c *Card) error{count(TextPIN)},
			[]step{{lookJPKI, "4A9000"}, {selectText, done}, {"00200091", "63C3"}, {lookText, done}}, ErrCardChanged},
		{"lifted", []func(c *Card) error{count(TextPIN)},
			[]step{{lookJPKI, "4A9000"}, {selectText, done}, {"00200091", "63C3"}, {lookText, ""}}, apdu.ErrCardRemoved},
		{"an application that is not there", []func(c *Card) error{common, common},
			[]step{{lookJPKI, "4A9000"}, {selectCommon, "6A82"}, {lookJPKI, "4A9000"}, {selectCommon, "6A82"}, {lookJPKI, "4A9000"}, {selectJPKI, done}, first}, nil},
		{"lifted after it", []func(c *Card) error{common},
			[]step{{lookJPKI, "4A9000"}, {selectCommon, "6A82"}, {lookJPKI, "6986"}, {"00A4020C020006", "6A82"}}, ErrCardChanged},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &script{t: t, steps: append([]step{{selectJPKI, done}, first}, tt.steps...)}
			err := Tap(ctx, func(context.Context) (apdu.Transmitter, error) { return s, nil }, PINOrder{}, func(_ context.Context, c *Card) error {
				for _, f := range tt.run {
					_ = f(c)
				}
				return nil
			})
			assert.Equal(t, len(s.steps), s.next, "exchanges used")
			require.ErrorIs(t, err, tt.is)
			if tt.is != nil {
				requireStep(t, err, "check that the card is the same")
			}
		})
	}
}

// The error of run comes as it stands, and nothing follows it.
func TestTapRunFails(t *testing.T) {
	errOwn := errors.New("the program's own")
	s := &closing{script: &script{t: t, steps: []step{{selectJPKI, done}, {readSerial, serialOne}}}}
	err := Tap(context.Background(), func(context.Context) (apdu.Transmitter, error) { return s, nil }, PINOrder{},
		func(context.Context, *Card) error { return errOwn })
	assert.Equal(t, errOwn, err)
	assert.Equal(t, 2, s.next)
	assert.Equal(t, 1, s.closed)
}

// A PIN that was typed for the tap is wiped, one that the caller brought is
// not: the holder may have to hold the card once more.
func TestTapClearsWhatWasTyped(t *testing.T) {
	run := func(context.Context, *Card) error { return nil }
	var typed PIN
	brought := mustPIN(t, AuthPIN, "1234")
	for _, order := range []PINOrder{PINFirst(brought), CardFirst(AuthPIN, func(context.Context, int) (PIN, error) {
		typed = mustPIN(t, AuthPIN, "1234")
		return typed, nil
	})} {
		steps := []step{{selectJPKI, done}, {readSerial, serialOne}, {countAuth, "63C3"}}
		if order.ask != nil {
			steps = append(steps, step{readSerial, serialOne}, step{countAuth, "63C3"})
		}
		s := &script{t: t, steps: append(steps, step{verifyAuth, ""})}
		require.ErrorIs(t, Tap(context.Background(), func(context.Context) (apdu.Transmitter, error) { return s, nil }, order, run), ErrOutcomeUnknown)
	}
	assert.Empty(t, typed.text())
	assert.NotEmpty(t, brought.text())
}

// A phone shows no certificate before its PIN. Until then it is told by its
// token information alone, and from then on by the certificate.
func TestIdentityOfAPhone(t *testing.T) {
	hidden := []step{{readSerial, "6982"}, {"00B0880003", "8F8F009000"}}
	android := step{readToken, token("JPKIAPGPSETOKEN")}
	pin := mustPIN(t, AuthPIN, "1234")
	tap := func(order PINOrder, run func(context.Context, *Card) error, steps ...step) error {
		s := &script{t: t, steps: append([]step{{selectJPKI, done}}, steps...)}
		err := Tap(context.Background(), func(context.Context) (apdu.Transmitter, error) { return s, nil }, order, run)
		assert.Equal(t, len(s.steps), s.next)
		return err
	}
	nothing := func(context.Context, *Card) error { return nil }
	first, second := step{readSerial, serialOne}, step{readSerial, serialTwo}
	count, verify := step{countAuth, "63C3"}, step{verifyAuth, done}

	require.NoError(t, tap(PINFirst(pin), nothing, append(hidden, android, count, verify, first, first)...))
	require.ErrorIs(t, tap(PINFirst(pin), nothing, append(hidden, android, count, verify, first, second)...), ErrCardChanged)
	require.ErrorIs(t, tap(PINFirst(pin), nothing, append(append(hidden, android, count, verify, first), hidden...)...), ErrCardChanged)
	require.NoError(t, tap(PINOrder{}, nothing, append(hidden, android, android)...))
	require.ErrorIs(t, tap(PINOrder{}, nothing, append(hidden, android, step{readToken, token("JPKIAPIOSTOKEN")})...), ErrCardChanged)
	// run verifies the PIN by itself.
	require.NoError(t, tap(PINOrder{}, func(ctx context.Context, c *Card) error { return c.Verify(ctx, pin) },
		append(hidden, android, count, verify, android)...))
	require.NoError(t, tap(CardFirst(AuthPIN, func(context.Context, int) (PIN, error) { return mustPIN(t, AuthPIN, "1234"), nil }), nothing,
		append(hidden, android, count, android, count, verify, first, first)...))

	c := play(t, nil, append(hidden, android)...)
	id, err := c.Identity(context.Background())
	require.NoError(t, err)
	assert.True(t, id.Weak())
	_, err = play(t, nil, append(hidden, step{readToken, "4A509000"})...).Identity(context.Background())
	require.ErrorIs(t, err, ErrReply)
}

// A card without a certificate for user authentication is told by its number,
// and a token with neither by what it calls itself.
func TestIdentityWithoutCertificate(t *testing.T) {
	record := hexOf("\x01\x1C"+"0123456789012341322120350217") + done
	none := []step{{readSerial, "6982"}, {"00B0880003", availableNo}}
	c := play(t, nil, append(none, step{selectCommon, done}, step{"00B2010C00", record})...)
	id, err := c.Identity(context.Background())
	require.NoError(t, err)
	assert.False(t, id.Weak())
	c = play(t, nil, append(none, step{selectCommon, "6A82"}, step{selectJPKI, done}, step{readToken, token("JPKIAPICCTOKEN2")})...)
	weak, err := c.Identity(context.Background())
	require.NoError(t, err)
	assert.True(t, weak.Weak())
	assert.NotEqual(t, id, weak)
	_, err = play(t, nil, append(none, step{selectCommon, done}, step{"00B2010C00", "6F00"})...).Identity(context.Background())
	requireStep(t, err, "identify card")
	requireStatus(t, err, apdu.NoPreciseDiagnosis)
}
