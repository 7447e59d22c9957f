package jpki

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
)

func TestNewPIN(t *testing.T) {
	for _, tt := range []struct {
		kind PINKind
		in   string
		want string // what the card is sent, in capital letters
		why  FormatReason
	}{
		{AuthPIN, "1234", "1234", 0},
		{AuthPIN, "0000", "0000", 0},
		{AuthPIN, "", "", WrongLength},
		{AuthPIN, "123", "", WrongLength},
		{AuthPIN, "12345", "", WrongLength},
		{AuthPIN, "12a4", "", WrongCharacter},
		{AuthPIN, "12 4", "", WrongCharacter},
		{AuthPIN, "1234\n", "", WrongCharacter},
		{AuthPIN, "-123", "", WrongCharacter},
		{AuthPIN, "123４", "", FullWidth},
		{AuthPIN, "１２３４", "", FullWidth},
		{AuthPIN, "１２３４567", "", FullWidth},
		{AuthPIN, "12三4", "", WrongCharacter},
		{AuthPIN, "12\xEF\xBC", "", WrongCharacter},
		{AuthPIN, "12\u00004", "", WrongCharacter},
		{AuthPIN, strings.Repeat("1", 1<<16), "", WrongLength},
		{SignPIN, "ABC123", "ABC123", 0},
		{SignPIN, "abc123", "ABC123", 0},
		{SignPIN, "aZ09zA", "AZ09ZA", 0},
		{SignPIN, "ABCDEFGH12345678", "ABCDEFGH12345678", 0},
		{SignPIN, "abcde", "", WrongLength},
		{SignPIN, "ABCDEFGH123456789", "", WrongLength},
		{SignPIN, "ABC 123", "", WrongCharacter},
		{SignPIN, "ABC@12", "", WrongCharacter},
		{SignPIN, "ABC[12", "", WrongCharacter},
		{SignPIN, "ABC`12", "", WrongCharacter},
		{SignPIN, "ABC{12", "", WrongCharacter},
		{SignPIN, "ABC/12", "", WrongCharacter},
		{SignPIN, "ABC:12", "", WrongCharacter},
		{SignPIN, "ＡＢＣ１２３", "", FullWidth},
		{SignPIN, "ABC12～", "", FullWidth},
		{SignPIN, "アBC123", "", WrongCharacter},
		{0, "1234", "", UnknownPIN},
		{99, "1234", "", UnknownPIN},
	} {
		t.Run(fmt.Sprintf("%s %.20q", tt.kind, tt.in), func(t *testing.T) {
			for _, pin := range []func() (PIN, error){
				func() (PIN, error) { return NewPIN(tt.kind, tt.in) },
				func() (PIN, error) { return NewPIN(tt.kind, []byte(tt.in)) },
			} {
				p, err := pin()
				if tt.why == 0 {
					require.NoError(t, err)
					assert.Equal(t, tt.kind, p.Kind())
					assert.Equal(t, tt.want, string(p.text()))
					continue
				}
				var format *FormatError
				require.ErrorAs(t, err, &format)
				assert.Equal(t, FormatError{tt.kind, tt.why}, *format)
				assert.Zero(t, p)
				if len(tt.in) > 4 {
					assert.NotContains(t, err.Error(), tt.in)
				}
			}
		})
	}
}

func TestNewPINCopies(t *testing.T) {
	typed := []byte("abc123")
	p, err := NewPIN(SignPIN, typed)
	require.NoError(t, err)
	assert.Equal(t, "abc123", string(typed), "the caller's bytes are left alone")
	clear(typed)
	assert.Equal(t, "ABC123", string(p.text()))
}

func TestPINClear(t *testing.T) {
	p, err := NewPIN(AuthPIN, "1234")
	require.NoError(t, err)
	other, memory := p, p.text()
	p.Clear()
	p.Clear()
	PIN{}.Clear()
	assert.Equal(t, make([]byte, 4), memory)
	for _, p := range []PIN{p, other, {}} {
		var format *FormatError
		require.ErrorAs(t, play(t, nil).Verify(context.Background(), p), &format)
		assert.Equal(t, NoPIN, format.Reason)
	}
}

func TestPINIsNeverPrinted(t *testing.T) {
	pin, err := NewPIN(SignPIN, "SECRET99")
	require.NoError(t, err)
	type form struct {
		hidden PIN
		Shown  PIN
		ptr    *PIN
		list   []PIN
		any    any
	}
	all := form{pin, pin, &pin, []PIN{pin}, pin}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%b", "%c", "%U", "%p", "%T", "%t", "%e"} {
		fmt.Fprintf(&out, verb+"\n", pin)
		fmt.Fprintf(&out, verb+"\n", &pin)
		fmt.Fprintf(&out, verb+"\n", all)
		fmt.Fprintf(&out, verb+"\n", &all)
		fmt.Fprintf(&out, verb+"\n", map[string]any{"pin": all})
		fmt.Fprintf(&out, verb+"\n", fmt.Errorf("%w: "+verb, errLink, pin))
	}
	for _, h := range []slog.Handler{
		slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil),
	} {
		slog.New(h).Info("pin", "pin", pin, "ptr", &pin, "all", all)
	}
	b, err := json.Marshal(map[string]any{"pin": pin, "ptr": &pin, "all": all})
	require.NoError(t, err)
	out.Write(b)
	s := strings.ToUpper(out.String())
	assert.Contains(t, s, "[REDACTED]")
	for _, secret := range []string{"SECRET99", fmt.Sprintf("%X", "SECRET99"), "83 69 67 82", base64Of("SECRET99"), "0X53, 0X45"} {
		if strings.Contains(s, strings.ToUpper(secret)) {
			t.Errorf("printed as %s", secret)
		}
	}
	assert.Equal(t, "[redacted]", fmt.Sprintf("%d", pin))
	assert.Equal(t, "[redacted]", pin.String())
}

func base64Of(s string) string {
	b, _ := json.Marshal([]byte(s))
	return strings.Trim(string(b), `"`)
}

func TestNames(t *testing.T) {
	for got, want := range map[string]string{
		AuthPIN.String(): "auth PIN", SignPIN.String(): "sign PIN", PINKind(7).String(): "PINKind(7)",
		Auth.String(): "auth", SignCA.String(): "sign CA", Slot(7).String(): "Slot(7)",
		fmt.Sprint(KindUnknown, KindPlastic, KindAndroid, KindJuki): "unknown plastic android juki",
		KindIPhone.String(): "iphone", Kind(77).String(): "Kind(77)",
		FullWidth.String(): "full-width characters", FormatReason(77).String(): "FormatReason(77)",
		(&FormatError{AuthPIN, WrongLength}).Error():             "jpki: malformed auth PIN: wrong length: want 4 digits",
		(&FormatError{SignPIN, FullWidth}).Error():               "jpki: malformed sign PIN: full-width characters: want 6 to 16 letters A to Z and digits",
		(&FormatError{0, NoPIN}).Error():                         "jpki: malformed PINKind(0): empty or cleared",
		(&PINError{PIN: AuthPIN, Left: 2}).Error():               "jpki: wrong auth PIN, 2 tries left",
		(&PINError{PIN: SignPIN, Left: 1}).Error():               "jpki: wrong sign PIN, 1 try left",
		(&PINError{PIN: SignPIN, Blocked: true}).Error():         "jpki: sign PIN blocked",
		(&StepError{"verify auth PIN", ErrReply}).Error():        "jpki: verify auth PIN: reply does not fit the command",
		(&LastTryError{SignPIN}).Error():                         "jpki: one try of the sign PIN left, not spent",
		(&PINRequiredError{SignPIN}).Error():                     "jpki: sign PIN has to be verified first",
		(&UnsupportedError{"a signature with SHA-1"}).Error():    "jpki: not supported: a signature with SHA-1",
		fmt.Sprint(AuthCA.PIN(), Sign.PIN(), Slot(0).PIN() == 0): "auth PIN sign PIN true",
	} {
		assert.Equal(t, want, got)
	}
	assert.ErrorIs(t, &UnsupportedError{}, errors.ErrUnsupported)
}

const (
	countAuth  = "00200098"
	countSign  = "0020009B"
	verifyAuth = "00200098 04 31323334"
)

func TestTries(t *testing.T) {
	for _, tt := range []struct {
		reply string
		auth  int
		sign  int
	}{
		{"63C3", 3, 3}, {"63C1", 1, 1}, {"63C0", 0, 0}, {"6983", 0, 0}, {"6984", 0, 0},
		{done, 3, 5}, // verified: the counter is full
	} {
		c := play(t, nil, step{countAuth, tt.reply}, step{countSign, tt.reply})
		auth, err := c.Tries(context.Background(), AuthPIN)
		require.NoError(t, err)
		sign, err := c.Tries(context.Background(), SignPIN)
		require.NoError(t, err)
		assert.Equal(t, []int{tt.auth, tt.sign}, []int{auth, sign}, tt.reply)
	}
	for reply, is := range map[string]error{
		"":          apdu.ErrCardRemoved,
		"63":        apdu.ErrCardRemoved,
		"6300":      apdu.VerificationFailed, // not counted: then no guard either
		"6982":      apdu.SecurityStatusNotSatisfied,
		"6F00":      apdu.NoPreciseDiagnosis,
		"6103":      apdu.MoreData, // and no GET RESPONSE
		"6C03":      apdu.WrongLe,  // and no repeat
		"0163C3":    apdu.ErrResponseLength,
		"0102 9000": apdu.ErrResponseLength,
	} {
		_, err := play(t, nil, step{countAuth, reply}).Tries(context.Background(), AuthPIN)
		require.ErrorIs(t, err, is, reply)
		requireStep(t, err, "count auth PIN tries")
	}
	_, err := play(t, nil).Tries(context.Background(), 9)
	requireStep(t, err, "count PINKind(9) tries")
}

func TestVerify(t *testing.T) {
	pin, err := NewPIN(AuthPIN, "1234")
	require.NoError(t, err)
	count := func(reply any) step { return step{countAuth, reply} }
	verify := func(reply any) step { return step{verifyAuth, reply} }
	selectPIN := step{"00A4020C020018", done}
	wrong := func(left int) error { return &PINError{PIN: AuthPIN, Left: left, Blocked: left == 0} }
	for _, tt := range []struct {
		name  string
		opts  []VerifyOption
		steps []step
		step  string
		err   any // nil, a typed error to equal, or a list to errors.Is
	}{
		{"right", nil, []step{count("63C3"), verify(done)}, "", nil},
		{"right when verified before", nil, []step{count(done), verify(done)}, "", nil},
		{"right at two left", nil, []step{count("63C2"), verify(done)}, "", nil},
		{"without short identifiers", nil, []step{count("6A86"), selectPIN, {"00200080", "63C3"}, {"0020008004 31323334", done}}, "", nil},

		{"wrong", nil, []step{count("63C3"), verify("63C2")}, "verify auth PIN", wrong(2)},
		{"wrong and blocked by it", []VerifyOption{AllowLastTry()}, []step{count("63C1"), verify("63C0")}, "verify auth PIN", wrong(0)},
		{"blocked meanwhile, 6983", nil, []step{count("63C3"), verify("6983")}, "verify auth PIN", wrong(0)},
		{"blocked meanwhile, 6984", nil, []step{count("63C3"), verify("6984")}, "verify auth PIN", wrong(0)},
		{"blocked before, 63C0", []VerifyOption{AllowLastTry()}, []step{count("63C0")}, "verify auth PIN", wrong(0)},
		{"blocked before, 6983", nil, []step{count("6983")}, "verify auth PIN", wrong(0)},
		{"blocked before, 6984", nil, []step{count("6984")}, "verify auth PIN", wrong(0)},

		{"last try is kept", nil, []step{count("63C1")}, "verify auth PIN", &LastTryError{AuthPIN}},
		{"last try is given", []VerifyOption{AllowLastTry()}, []step{count("63C1"), verify(done)}, "", nil},

		{"counter: removed", nil, []step{count("")}, "count auth PIN tries", []error{apdu.ErrCardRemoved}},
		{"counter: torn", nil, []step{count("63")}, "count auth PIN tries", []error{apdu.ErrCardRemoved}},
		{"counter: link", nil, []step{count(errLink)}, "count auth PIN tries", []error{errLink}},
		{"counter: refused", nil, []step{count("6982")}, "count auth PIN tries", []error{apdu.SecurityStatusNotSatisfied}},
		{"counter: refused both ways", nil, []step{count("6A86"), selectPIN, {"00200080", "6A86"}}, "count auth PIN tries", []error{apdu.IncorrectP1P2}},
		{"counter: 61", nil, []step{count("6103")}, "count auth PIN tries", []error{apdu.MoreData}},
		{"counter: 6C", nil, []step{count("6C03")}, "count auth PIN tries", []error{apdu.WrongLe}},

		{"removed", nil, []step{count("63C3"), verify("")}, "verify auth PIN", []error{ErrOutcomeUnknown, apdu.ErrCardRemoved}},
		{"torn", nil, []step{count("63C3"), verify("90")}, "verify auth PIN", []error{ErrOutcomeUnknown, apdu.ErrCardRemoved}},
		{"link", nil, []step{count("63C3"), verify(errLink)}, "verify auth PIN", []error{ErrOutcomeUnknown, errLink}},
		{"6100", nil, []step{count("63C3"), verify("6100")}, "verify auth PIN", []error{ErrOutcomeUnknown, apdu.MoreData}},
		{"6C00", nil, []step{count("63C3"), verify("6C00")}, "verify auth PIN", []error{ErrOutcomeUnknown, apdu.WrongLe}},
		{"6300", nil, []step{count("63C3"), verify("6300")}, "verify auth PIN", []error{ErrOutcomeUnknown, apdu.VerificationFailed}},
		{"6700", nil, []step{count("63C3"), verify("6700")}, "verify auth PIN", []error{ErrOutcomeUnknown, apdu.WrongLength}},
		{"6F00", nil, []step{count("63C3"), verify("6F00")}, "verify auth PIN", []error{ErrOutcomeUnknown, apdu.NoPreciseDiagnosis}},
		{"9100", nil, []step{count("63C3"), verify("9100")}, "verify auth PIN", []error{ErrOutcomeUnknown}},
		{"data and 9000", nil, []step{count("63C3"), verify("019000")}, "verify auth PIN", []error{ErrOutcomeUnknown, ErrReply}},
		{"data and 63C2", nil, []step{count("63C3"), verify("0163C2")}, "verify auth PIN", []error{ErrOutcomeUnknown}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := play(t, nil, tt.steps...).Verify(context.Background(), pin, tt.opts...)
			if tt.err == nil {
				require.NoError(t, err)
				return
			}
			requireStep(t, err, tt.step)
			assert.NotContains(t, err.Error(), "1234")
			list, ok := tt.err.([]error)
			if !ok {
				assert.Equal(t, tt.err, errors.Unwrap(err))
				return
			}
			for _, is := range list {
				assert.ErrorIs(t, err, is)
			}
			assert.Equal(t, list[0] == ErrOutcomeUnknown, errors.Is(err, ErrOutcomeUnknown))
		})
	}
}

// After an unknown outcome the card is asked for its counter before anything
// else.
func TestVerifyAfterUnknownOutcome(t *testing.T) {
	pin, err := NewPIN(SignPIN, "abc123")
	require.NoError(t, err)
	c := play(t, nil,
		step{countSign, "63C5"}, step{"0020009B 06 414243313233", ""},
		step{countSign, "63C4"}, step{"0020009B 06 414243313233", done})
	require.ErrorIs(t, c.Verify(context.Background(), pin), ErrOutcomeUnknown)
	require.NoError(t, c.Verify(context.Background(), pin))
}

// A context that ends between the counter and VERIFY: the card never saw the
// PIN, and the error does not say that it might have.
func TestVerifyContextEndsAfterCounter(t *testing.T) {
	pin, err := NewPIN(AuthPIN, "1234")
	require.NoError(t, err)
	c := play(t, nil)
	ctx, cancel := context.WithCancel(context.Background())
	c.channel.Transmitter = transmitFunc(func(command []byte) ([]byte, error) {
		assert.Len(t, command, 4)
		cancel()
		return []byte{0x63, 0xC3}, nil
	})
	err = c.Verify(ctx, pin)
	require.ErrorIs(t, err, context.Canceled)
	assert.NotErrorIs(t, err, ErrOutcomeUnknown)
	requireStep(t, err, "verify auth PIN")
}

func FuzzNewPIN(f *testing.F) {
	f.Add(uint8(AuthPIN), []byte("1234"))
	f.Add(uint8(SignPIN), []byte("abc123"))
	f.Add(uint8(SignPIN), []byte("ＡＢＣ"))
	f.Fuzz(func(t *testing.T, kind uint8, in []byte) {
		p, err := NewPIN(PINKind(kind), in[:len(in):len(in)])
		if err != nil {
			var format *FormatError
			if !errors.As(err, &format) || p.Kind() != 0 {
				t.Fatal("error without type, or PIN with error")
			}
			return
		}
		r, _ := PINKind(kind).rule()
		if n := len(p.text()); n < r.min || n > r.max || n != len(in) {
			t.Fatalf("%d characters", n)
		}
		if !bytes.EqualFold(p.text(), in) {
			t.Fatal("changed")
		}
	})
}
