package link_test

import (
	"context"
	"encoding/hex"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/simcard/link"
)

var _ apdu.ContextTransmitter = (*link.Card)(nil)

const selectJPKI = "\x00\xA4\x04\x0C\x0A\xD3\x92\xF0\x00\x26\x01\x00\x00\x00\x01"

func TestContactless(t *testing.T) {
	// In carrier periods: a bit is 128 of them at 106 kbit/s. A frame is 22 bits
	// and ten for each byte and three more bytes; a turn is 144*16 + 14*128.
	periods := func(bits, turns, perBit int) time.Duration {
		return time.Duration(bits*perBit+turns*4096) * time.Second / 13_560_000
	}
	for _, test := range []struct {
		model          link.Contactless
		command, reply int
		want           time.Duration
	}{
		{link.Contactless{}, 15, 2, periods(22+180+22+50, 1, 128)},
		{link.Contactless{Rate: link.Rate212}, 15, 2, periods(274, 1, 64)},
		{link.Contactless{Rate: link.Rate424}, 15, 2, periods(274, 1, 32)},
		{link.Contactless{Rate: link.Rate848}, 15, 2, periods(274, 1, 16)},
		{link.Contactless{Rate: 200}, 15, 2, periods(274, 1, 16)},
		// 253 bytes fit into a frame of 256, 254 do not: an acknowledgement and
		// another frame.
		{link.Contactless{}, 5, 253, periods(22+80+22+2560, 1, 128)},
		{link.Contactless{}, 5, 254, periods(22+80+22+30+2*22+2540+60, 2, 128)},
		{link.Contactless{}, 254, 2, periods(2*22+2540+60+22+30+22+50, 2, 128)},
		{link.Contactless{FrameSize: 64}, 5, 258, periods(5*22+50+150+5*22+2580+150, 5, 128)},
		{link.Contactless{FrameSize: -1}, 0, 0, periods(22+30+22+30, 1, 128)},
		{link.Contactless{}, -3, -1, periods(22+30+22+30, 1, 128)},
	} {
		assert.Equal(t, test.want, test.model.Time(test.command, test.reply), "%+v %d %d", test.model, test.command, test.reply)
	}
	assert.InDelta(t, 2.889, link.Contactless{}.Time(15, 2).Seconds()*1e3, 0.001, "SELECT: three milliseconds")
}

func TestContact(t *testing.T) {
	bits := func(n, f, d, clock int) time.Duration {
		return time.Duration(n*f/d) * time.Second / time.Duration(clock)
	}
	for _, test := range []struct {
		atr            string
		command, reply int
		want           time.Duration
	}{
		// Guard time FF, blocks of 254 bytes, a byte of 11 bits, 4 bytes around.
		{"3BE000FF8131FE4514", 15, 2, bits(44+(15+4+2+4)*11, 372, 1, 4_000_000)},
		{"3BE000FF8131FE4514", 5, 254, bits(44+(5+4+254+4)*11, 372, 1, 4_000_000)},
		{"3BE000FF8131FE4514", 5, 258, bits(88+(5+4+4+258+8)*11, 372, 1, 4_000_000)},
		// 13: 372 over 4. No guard time is said: 12 bits. FB: 251 bytes.
		{"3BDA13FF8131FB468012392F31C173C601C03B", 15, 2, bits(44+25*11, 372, 4, 4_000_000)},
		// 91: 512 over 1.
		{"3BF59100FF918171FE400042000100D1D6", 15, 2, bits(44+25*11, 512, 1, 4_000_000)},
		// Nothing but T=1: blocks of 32 bytes and 12 bits.
		{"3B8001", 5, 34, bits(88+(5+4+4+34+8)*12, 372, 1, 4_000_000)},
	} {
		atr, err := hex.DecodeString(test.atr)
		require.NoError(t, err)
		m, err := link.ParseATR(atr, 4_000_000)
		require.NoError(t, err, test.atr)
		assert.Equal(t, test.want, m.Time(test.command, test.reply), "%s %+v", test.atr, m)
	}
	crc, err := link.ParseATR([]byte{0x3B, 0x80, 0x81, 0x51, 0x20, 0x01}, 0)
	require.NoError(t, err)
	assert.Equal(t, link.Contact{F: 372, D: 1, Size: 32, CRC: true}, crc)
	assert.Equal(t, bits(44+(5+5+2+5)*12, 372, 1, 4_000_000), crc.Time(5, 2))
	assert.Equal(t, bits(44+(5+4+2+4)*(12+7), 372, 1, 1_000_000), link.Contact{Clock: 1_000_000, Guard: 7}.Time(5, 2))
	for _, bad := range []string{"", "3B", "3B00", "3C80", "3B80", "3B8000", "3B1071", "3B10", "3B901001", "3B8081", "3B907001", "3B90FF01"} {
		atr, err := hex.DecodeString(bad)
		require.NoError(t, err)
		_, err = link.ParseATR(atr, 4_000_000)
		assert.ErrorIs(t, err, link.ErrATR, bad)
	}
}

func FuzzParseATR(f *testing.F) {
	f.Add([]byte("\x3B\xE0\x00\xFF\x81\x31\xFE\x45\x14"))
	f.Add([]byte("\x3B\xF5\x91\x00\xFF\x91\x81\x71\xFE\x40\x00\x42\x00\x01\x00\xD1\xD6"))
	f.Fuzz(func(t *testing.T, atr []byte) {
		m, err := link.ParseATR(atr[:len(atr):len(atr)], 4_000_000)
		if err != nil {
			return
		}
		if m.Size < 1 || m.Size > 254 || m.F < 372 || m.D < 1 || m.Time(5, 2) <= 0 || m.Time(5, 258) <= m.Time(5, 2) {
			t.Fatalf("%+v", m)
		}
	})
}

func TestCard(t *testing.T) {
	model := link.Contactless{Rate: link.Rate424}
	card := &link.Card{Next: simcard.New(), Model: model, Processing: link.Typical}
	_, err := card.Transmit([]byte(selectJPKI))
	require.NoError(t, err)
	assert.Equal(t, model.Time(15, 2)+10*time.Millisecond, card.Elapsed())
	_, err = card.TransmitContext(context.Background(), make([]byte, 1000), []byte("\x00\xB0\x8A\x00\x24"))
	require.NoError(t, err)
	assert.Equal(t, model.Time(15, 2)+model.Time(5, 38)+12*time.Millisecond, card.Elapsed())
	assert.Equal(t, 2, card.Exchanges())

	free := &link.Card{Next: simcard.New()}
	_, err = free.Transmit([]byte(selectJPKI))
	require.NoError(t, err)
	assert.Zero(t, free.Elapsed())

	gone := simcard.New()
	gone.Remove()
	failing := &link.Card{Next: gone, Model: model}
	out, err := failing.TransmitContext(context.Background(), []byte("before"), []byte(selectJPKI))
	assert.ErrorIs(t, err, apdu.ErrCardRemoved)
	assert.Equal(t, "before", string(out))
	assert.Equal(t, model.Time(15, 0), failing.Elapsed())
}

func TestTypical(t *testing.T) {
	for command, want := range map[string]time.Duration{
		"":                             0,
		"\x00\x20":                     0,
		selectJPKI:                     10 * time.Millisecond,
		"\x00\xA4\x02\x0C\x02\x00\x18": 2 * time.Millisecond,
		"\x00\x20\x00\x98":             2 * time.Millisecond,
		"\x00\x20\x00\x98\x041234":     30 * time.Millisecond,
		"\x80\x32\x00\x9C\x041234":     30 * time.Millisecond,
		"\x80\x2A\x00\x97\x01\x00\x00": 350 * time.Millisecond,
		"\x00\xB0\x8A\x00\x00":         2 * time.Millisecond,
	} {
		assert.Equal(t, want, link.Typical([]byte(command)), "%X", command)
	}
}

// With Sleep an exchange takes its time, on the clock of the test.
func TestSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := simcard.New()
		card := &link.Card{Next: inner, Processing: func([]byte) time.Duration { return time.Second }, Sleep: true}
		start := time.Now()
		_, err := card.Transmit([]byte(selectJPKI))
		require.NoError(t, err)
		assert.Equal(t, time.Second, time.Since(start))
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		out, err := card.TransmitContext(ctx, []byte("before"), []byte("\x00\x20\x00\x98\x049999"))
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, "before", string(out))
		assert.Equal(t, time.Second+time.Millisecond, time.Since(start))
		assert.Equal(t, 2, inner.Tries(simcard.AuthPIN), "the card has carried it out")
		_, err = card.TransmitContext(ctx, nil, []byte(selectJPKI))
		assert.True(t, errors.Is(err, context.DeadlineExceeded))
	})
}

func TestConcurrentUse(t *testing.T) {
	card := &link.Card{Next: simcard.New(), Model: link.Contactless{}}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				_, err := card.Transmit([]byte(selectJPKI))
				assert.NoError(t, err)
			}
		})
	}
	wg.Wait()
	assert.Equal(t, 200, card.Exchanges())
	assert.Equal(t, 200*link.Contactless{}.Time(15, 2), card.Elapsed())
}
