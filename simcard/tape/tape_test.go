package tape

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/simcard/fault"
)

var (
	_ apdu.ContextTransmitter = (*Recorder)(nil)
	_ apdu.ContextTransmitter = (*Player)(nil)
)

const (
	selectJPKI   = "\x00\xA4\x04\x0C\x0A\xD3\x92\xF0\x00\x26\x01\x00\x00\x00\x01"
	selectText   = "\x00\xA4\x04\x0C\x0A\xD3\x92\x10\x00\x31\x00\x01\x01\x04\x08"
	selectCommon = "\x00\xA4\x04\x0C\x0A\xD3\x92\x10\x00\x31\x00\x01\x01\x01\x00"
)

// session is a bit of everything.
var session = []string{
	selectJPKI,
	"\x00\xB0\x86\x00\x20", // the label
	"\x00\xB0\x86\x10\x20", // and beyond
	"\x00\xB0\x88\x00\x00",
	"\x00\xB0\x8B\x00\x04",
	"\x00\xA4\x02\x0C\x02\x00\x0A",
	"\x00\xB0\x00\x00\x24",
	"\x00\x20\x00\x98\x049999",
	"\x00\x20\x00\x98\x041234",
	"\x00\x20\x00\x98",
	"\x80\x2A\x00\x97\x05hello\x00",
	"\x80\x2A\x00\x97\x00\x00\x05hello\x01\x00",
	"\x00\x24\x01\x98\x048765",
	selectText,
	"\x00\x20\x00\x91\x042345",
	"\x00\xB0\x81\x00\x11",
	"\x00\xB0\x82\x00\x00",
	selectCommon,
	"\x00\x20\x00\x9C\x043456",
	"\x80\x32\x00\x9C\x044321",
	"\x00\xB2\x01\x0C\x00",
	"\x00\x88\x00\x99\x03abc\x00",
	"\x00\x84\x00\x00\x08",
	"abc",
	"",
}

func record(t *testing.T, keep func(Exchange) bool) (string, []string) {
	t.Helper()
	var out strings.Builder
	recorder := Record(simcard.New(), &out)
	recorder.Keep = keep
	var replies []string
	for _, command := range session {
		reply, err := recorder.Transmit([]byte(command))
		require.NoError(t, err)
		replies = append(replies, string(reply))
	}
	require.NoError(t, recorder.Err())
	return out.String(), replies
}

// What stands on a tape by default, line by line.
func TestRecord(t *testing.T) {
	written, _ := record(t, nil)
	assert.Equal(t, `mynakit tape 1
atr 3BE000FF8131FE4514
> 00A4040C0AD392F000260100000001
< 9000
> 00B0860020
< `+fmt.Sprintf("%X", "JPKIAPICCTOKEN2                 ")+` 9000
> 00B0861020
< [32] 9000
> 00B0880000
< 8F8F00 9000
> 00B08B0004
< `+strings.Split(strings.Split(written, "> 00B08B0004\n< ")[1], " ")[0]+` 9000
> 00A4020C02000A
< 9000
> 00B0000024
< 3082048C30820374A003020102020301010130 [17] 9000
> 00200098 [*]
< 63C2
> 00200098 [*]
< 9000
> 00200098
< 63C3
> 802A0097 [5] Le=256
< [256] 9000
> 802A0097 [5] Le=256 extended
< [256] 9000
> 00240198 [*]
< 9000
> 00A4040C0AD3921000310001010408
< 9000
> 00200091 [*]
< 9000
> 00B0810011
< [17] 9000
> 00B0820000
< [256] 9000
> 00A4040C0AD3921000310001010100
< 9000
> 0020009C [*]
< 9000
> 8032009C [*]
< 9000
> 00B2010C00
< [30] 9000
> 00880099 [3] Le=256
< [256] 9000
> 0084000008
< [8] 9000
> broken [3]
< 6700
> broken [0]
< 6700
`, written)
}

// The secrets, in every form that they could stand there in.
func TestNothingSecretIsRecorded(t *testing.T) {
	holder := simcard.New().Holder()
	for name, keep := range map[string]func(Exchange) bool{"default": nil, "everything": Everything} {
		written, _ := record(t, keep)
		secrets := []string{"9999", "1234", "8765", "2345", "3456", "4321"}
		if keep == nil {
			secrets = append(secrets, holder.NumberA(), holder.Name, "hello", "abc", simcard.New().AuthCertificate().SerialNumber.Text(16))
		}
		for _, secret := range secrets {
			assert.NotContains(t, written, fmt.Sprintf("98 04%X", secret), name)
			assert.NotContains(t, strings.ToUpper(written), fmt.Sprintf("04%X", secret), name)
			if len(secret) > 4 {
				assert.NotContains(t, strings.ToUpper(written), fmt.Sprintf("%X", secret), name)
			}
		}
	}
}

func TestPlay(t *testing.T) {
	written, replies := record(t, Everything)
	player, err := Play(strings.NewReader(written))
	require.NoError(t, err)
	assert.Equal(t, simcard.New().ATR(), player.ATR())
	assert.ErrorIs(t, player.Done(), ErrLeft)
	for i, command := range session {
		command = strings.Replace(command, "\x041234", "\x05abcde", 1) // any PIN will do
		out, err := player.TransmitContext(context.Background(), []byte("before"), []byte(command))
		require.NoError(t, err, "%q", command)
		assert.Equal(t, "before"+replies[i], string(out))
	}
	assert.NoError(t, player.Done())
	_, err = player.Transmit([]byte(selectJPKI))
	var mismatch *MismatchError
	require.ErrorAs(t, err, &mismatch)
	assert.Empty(t, mismatch.Want)
	assert.Equal(t, strings.Count(written, "\n")+1, mismatch.Line)
	assert.ErrorAs(t, player.Done(), &mismatch)

	// Masked, the lengths are right and the bytes are gone.
	written, _ = record(t, nil)
	player, err = Play(iotest.OneByteReader(strings.NewReader(strings.ReplaceAll(written, "\n", "\r\n\r\n# a comment\r\n"))))
	require.NoError(t, err)
	for i, command := range session {
		reply, err := player.Transmit([]byte(command))
		require.NoError(t, err)
		assert.Len(t, reply, len(replies[i]))
	}
	assert.NoError(t, player.Done())
}

func TestMismatch(t *testing.T) {
	const tape = header + "\n\n> 00200098 [*]\n< 9000\n> 802A0097 [5] Le=256\n< [2] 9000\n> broken [3]\n< 6700\n> 00B0860001\n< 4A 9000\n"
	play := func(commands ...string) error {
		player, err := Play(strings.NewReader(tape))
		require.NoError(t, err)
		for _, c := range commands {
			if _, err = player.Transmit([]byte(c)); err != nil {
				_, again := player.Transmit([]byte("\x00\x20\x00\x98\x041234"))
				assert.Equal(t, err, again, "it stays so")
				return err
			}
		}
		return player.Done()
	}
	const pin, sign, broken, read = "\x00\x20\x00\x98\x041234", "\x80\x2A\x00\x97\x05hello\x00", "abc", "\x00\xB0\x86\x00\x01"
	assert.NoError(t, play(pin, sign, broken, read))
	for want, commands := range map[string][]string{
		`tape: line 3: recorded "00200098 [*]", and there came "00200098"`:                   {"\x00\x20\x00\x98"},
		`tape: line 3: recorded "00200098 [*]", and there came "0020009B [*]"`:               {"\x00\x20\x00\x9B\x041234"},
		`tape: line 3: recorded "00200098 [*]", and there came "00200098 [*] Le=256"`:        {pin + "\x00"},
		`tape: line 3: recorded "00200098 [*]", and there came "00200098 [*] extended"`:      {"\x00\x20\x00\x98\x00\x00\x041234"},
		`tape: line 3: recorded "00200098 [*]", and there came "broken [3]"`:                 {broken},
		`tape: line 5: recorded "802A0097 [5] Le=256", and there came "802A0097 [4] Le=256"`: {pin, "\x80\x2A\x00\x97\x04hell\x00"},
		`tape: line 5: recorded "802A0097 [5] Le=256", and there came "00A4040C024142"`:      {pin, "\x00\xA4\x04\x0C\x02AB"},
		`tape: line 7: recorded "broken [3]", and there came "broken [2]"`:                   {pin, sign, "ab"},
		`tape: line 7: recorded "broken [3]", and there came "00B0860001"`:                   {pin, sign, read},
		`tape: line 9: recorded "00B0860001", and there came "00B0860002"`:                   {pin, sign, broken, "\x00\xB0\x86\x00\x02"},
		`tape: line 11: the tape is at its end, and there came "00200098 [*]"`:               {pin, sign, broken, read, pin},
		`tape: not played to its end: 1 exchanges left, from line 9`:                         {pin, sign, broken},
	} {
		assert.EqualError(t, play(commands...), want)
	}
}

// Data that stands on a tape stands in no error.
func TestMismatchOfData(t *testing.T) {
	for tape, command := range map[string]string{
		"> 802A0097024142": "\x80\x2A\x00\x97\x02AC",
		"> 00200098024142": "\x00\x20\x00\x98\x02AC", // written by hand
	} {
		player, err := Play(strings.NewReader(header + "\n" + tape + "\n< 9000"))
		require.NoError(t, err)
		_, err = player.Transmit([]byte(command))
		assert.ErrorContains(t, err, "other data")
		assert.NotContains(t, err.Error(), "4142")
		assert.NotContains(t, err.Error(), "4143")
	}
}

// A card that is lifted, a reader that fails, a reply that is torn.
func TestFailuresAreRecorded(t *testing.T) {
	broken := errors.New("cable with 1234 in its name")
	inner := fault.Wrap(simcard.New(),
		fault.Rule{When: fault.Nth(2), Do: fault.Fail(broken)},
		fault.Rule{When: fault.Nth(3), Do: fault.Torn(1)},
		fault.Rule{When: fault.Nth(4), Do: fault.Pieces(10)},
		fault.Rule{When: fault.Nth(6), Do: fault.RemoveAfter()},
	)
	var out strings.Builder
	recorder := Record(inner, &out)
	commands := []string{selectJPKI, "\x00\xB0\x8A\x00\x04", "\x00\xB0\x8A\x00\x04", "\x00\xB0\x86\x00\x0F", "\x00\xC0\x00\x00\x05", "\x00\x20\x00\x98\x041234", selectJPKI}
	talk := func(card apdu.Transmitter) (errs []error, replies []string) {
		for _, c := range commands {
			reply, err := card.Transmit([]byte(c))
			errs, replies = append(errs, err), append(replies, string(reply))
		}
		return errs, replies
	}
	errs, replies := talk(recorder)
	assert.Equal(t, broken, errs[1])
	assert.Equal(t, header+`
atr 3BE000FF8131FE4514
> 00A4040C0AD392F000260100000001
< 9000
> 00B08A0004
! failed
> 00B08A0004
< torn [1]
> 00B086000F
< 4A504B49415049434354 6105
> 00C0000005
< 4F4B454E32 9000
> 00200098 [*]
! removed
> 00A4040C0AD392F000260100000001
! removed
`, out.String())

	player, err := Play(strings.NewReader(out.String()))
	require.NoError(t, err)
	again, played := talk(player)
	assert.NoError(t, player.Done())
	assert.Equal(t, replies[3:], played[3:])
	assert.Len(t, played[2], 1)
	for i, want := range []error{nil, ErrFailed, nil, nil, nil, apdu.ErrCardRemoved, apdu.ErrCardRemoved} {
		assert.ErrorIs(t, again[i], want)
	}
}

func TestContext(t *testing.T) {
	var out strings.Builder
	recorder := Record(simcard.New(), &out)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := recorder.TransmitContext(ctx, nil, []byte(selectJPKI))
	assert.ErrorIs(t, err, context.Canceled)
	assert.Empty(t, out.String())
	player, err := Play(strings.NewReader(header))
	require.NoError(t, err)
	_, err = player.TransmitContext(ctx, nil, []byte(selectJPKI))
	assert.ErrorIs(t, err, context.Canceled)
	assert.NoError(t, player.Done())
	assert.Nil(t, player.ATR())
}

func TestWriteError(t *testing.T) {
	full := errors.New("disk full")
	recorder := Record(simcard.New(), writer(func(b []byte) (int, error) { return 0, full }))
	reply, err := recorder.Transmit([]byte(selectJPKI))
	require.NoError(t, err)
	assert.Equal(t, "\x90\x00", string(reply))
	assert.Equal(t, full, recorder.Err())
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }

func TestNotATape(t *testing.T) {
	for text, why := range map[string]string{
		"":                                       "line 0: it is empty",
		"\n# nothing\n":                          "line 2: it is empty",
		"mynakit tape 2":                         "line 1: it does not begin with mynakit tape 1",
		header + "\n> 00":                        "line 2: a command without a reply",
		header + "\n> 00\n> 00":                  "line 3: a command without a reply",
		header + "\n< 9000":                      "line 2: a reply without a command",
		header + "\n! removed":                   "line 2: a reply without a command",
		header + "\n00A4":                        "line 2: neither a command nor a reply",
		header + "\n> 0":                         "line 2: not a command",
		header + "\n> 00200098 [0]":              "line 2: not a command",
		header + "\n> 00200098 [x]":              "line 2: not a command",
		header + "\n> 00200098 5":                "line 2: not a command",
		header + "\n> 002000 [5]":                "line 2: not a command",
		header + "\n> 00200098 [5] Le=0":         "line 2: not a command",
		header + "\n> 00200098 [5] Le=65537":     "line 2: not a command",
		header + "\n> 00200098 [5] extended 1":   "line 2: not a command",
		header + "\n> broken [*]":                "line 2: not a command",
		header + "\n> 00\n< 90":                  "line 3: not a reply",
		header + "\n> 00\n< 00 9000 00":          "line 3: not a reply",
		header + "\n> 00\n< [2] 00 9000":         "line 3: not a reply",
		header + "\n> 00\n< 00 [0] 9000":         "line 3: not a reply",
		header + "\n> 00\n< 00 [*] 9000":         "line 3: not a reply",
		header + "\n> 00\n< 00 00 9000":          "line 3: not a reply",
		header + "\n> 00\n< 00 [65536] 9000":     "line 3: not a reply",
		header + "\n> 00\n< 00 [1] [1] 9000":     "line 3: not a reply",
		header + "\n> 00\n< [0] 9000":            "line 3: not a reply",
		header + "\n> 00\n< [*] 9000":            "line 3: not a reply",
		header + "\n> 00\n< [999999] 9000":       "line 3: not a reply",
		header + "\n> 00\n< torn [2]":            "line 3: not a reply",
		header + "\n> 00\n<":                     "line 3: not a reply",
		header + "\n> 00\n! lost":                "line 3: not a reply",
		header + "\natr 3":                       "line 2: not an answer to reset",
		header + "\natr 3B00\natr 3B00":          "line 3: not an answer to reset",
		header + "\n> 00\n< 9000\natr 3B00":      "line 4: not an answer to reset",
		header + "\n" + strings.Repeat("x", 1e6): "line 2: too long",
	} {
		_, err := Play(strings.NewReader(text))
		assert.ErrorIs(t, err, ErrTape, text[:min(len(text), 60)])
		assert.ErrorContains(t, err, why)
	}
	broken := errors.New("broken")
	_, err := Play(iotest.ErrReader(broken))
	assert.ErrorIs(t, err, broken)
}

func TestConcurrentUse(t *testing.T) {
	var out bytes.Buffer
	recorder := Record(simcard.New(), &out)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 25 {
				_, err := recorder.Transmit([]byte(selectJPKI))
				assert.NoError(t, err)
			}
		})
	}
	wg.Wait()
	player, err := Play(&out)
	require.NoError(t, err)
	for range 4 {
		wg.Go(func() {
			for range 25 {
				_, err := player.Transmit([]byte(selectJPKI))
				assert.NoError(t, err)
			}
		})
	}
	wg.Wait()
	assert.NoError(t, player.Done())
}

// FuzzPlay: any text is a tape or an error; a tape plays as it is written, and
// written again it is the same one.
func FuzzPlay(f *testing.F) {
	f.Add(header + "\natr 3B00\n# x\n> 00200098 [*]\n< 63C2\n> 802A0097 [5] Le=256 extended\n< [256] 9000\n> broken [3]\n< torn [1]\n> 00B0860001\n< 4A 9000\n> 00\n! removed\n> 00\n! failed\n")
	f.Add(header + "\n> 00B08A0024\n< 3082048C30820374A003020102020301010130 [17] 9000\n")
	f.Add(header + "\n>\n< 9000\n> 00200098 [65535]\n< [65536] 9000")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Play(strings.NewReader(text))
		if err != nil {
			if !errors.Is(err, ErrTape) || p != nil {
				t.Fatal(err)
			}
			return
		}
		var again strings.Builder
		io.WriteString(&again, header+"\n")
		for i := range p.exchanges {
			fmt.Fprintf(&again, "%v\n%v\n", &p.exchanges[i].command, &p.exchanges[i].reply)
		}
		q, err := Play(strings.NewReader(again.String()))
		if err != nil || len(q.exchanges) != len(p.exchanges) {
			t.Fatalf("%v\n%s", err, again.String())
		}
		for i := range p.exchanges {
			a, b := &p.exchanges[i], &q.exchanges[i]
			if a.command.String() != b.command.String() || a.reply.String() != b.reply.String() {
				t.Fatalf("%v became %v, %v became %v", &a.command, &b.command, &a.reply, &b.reply)
			}
			c := a.command
			if c.raw == nil {
				continue
			}
			// By itself: what was masked before it was not sent.
			out, err := (&Player{exchanges: q.exchanges[i : i+1]}).Transmit(c.raw)
			var mismatch *MismatchError
			if errors.As(err, &mismatch) {
				t.Fatalf("%v does not take its own command: %v", &c, err)
			}
			if err == nil && len(out) != len(a.reply.data)+a.reply.n+2 && !a.reply.torn {
				t.Fatalf("%d bytes for %v", len(out), &a.reply)
			}
		}
	})
}
