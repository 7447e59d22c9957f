package apdu_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
)

// script is a card that expects the given commands and gives the given
// replies, "command > reply" a line.
type script struct {
	t    *testing.T
	rest []string
}

func newScript(t *testing.T, lines ...string) *script {
	s := &script{t, lines}
	t.Cleanup(func() { assert.Empty(t, s.rest, "exchanges that did not happen") })
	return s
}

func (s *script) Transmit(command []byte) ([]byte, error) {
	s.t.Helper()
	require.NotEmpty(s.t, s.rest, "unexpected command %X", command)
	want, reply, ok := strings.Cut(s.rest[0], ">")
	require.True(s.t, ok)
	s.rest = s.rest[1:]
	require.Equal(s.t, fmt.Sprintf("%X", unhex(strings.TrimSpace(want))), fmt.Sprintf("%X", command))
	reply = strings.TrimSpace(reply)
	if reply == "gone" {
		return nil, errGone
	}
	return unhex(reply), nil
}

var errGone = errors.New("reader unplugged")

func send(t *testing.T, c *apdu.Channel, cmd apdu.Command) (apdu.Response, error) {
	t.Helper()
	return c.Send(context.Background(), &cmd)
}

func TestChannelPlain(t *testing.T) {
	c := apdu.Channel{Transmitter: newScript(t, "00B0000004 > 30820629 9000")}
	r, err := send(t, &c, apdu.Command{INS: 0xB0, Ne: 4})
	require.NoError(t, err)
	assert.Equal(t, unhex("30820629"), r.Data)
	assert.Equal(t, apdu.Stats{Exchanges: 1, BytesSent: 5, BytesReceived: 6}, c.Stats())
}

func TestChannelStatusError(t *testing.T) {
	c := apdu.Channel{Transmitter: newScript(t, "00B0000004 > 3082 6282")}
	r, err := send(t, &c, apdu.Command{INS: 0xB0, Ne: 4})
	assert.ErrorIs(t, err, apdu.EndOfFile)
	assert.Equal(t, unhex("3082"), r.Data, "the data that came stands beside the error")
	assert.Equal(t, apdu.EndOfFile, r.Status)
}

// Data that came with a 61xx is kept. A known library drops it.
func TestChannelKeepsDataOnMoreData(t *testing.T) {
	c := apdu.Channel{Transmitter: newScript(t,
		"00CA0066 00 > 0102 6103",
		"00C00000 03 > 030405 6101",
		"00C00000 01 > 06 9000")}
	r, err := send(t, &c, apdu.Command{INS: 0xCA, P2: 0x66, Ne: 256})
	require.NoError(t, err)
	assert.Equal(t, unhex("010203040506"), r.Data)
}

func TestChannelWrongLe(t *testing.T) {
	c := apdu.Channel{Transmitter: newScript(t, "00B0000000 > 6C02", "00B0000002 > ABCD 9000")}
	r, err := send(t, &c, apdu.Command{INS: 0xB0, Ne: 256})
	require.NoError(t, err)
	assert.Equal(t, unhex("ABCD"), r.Data)

	c = apdu.Channel{Transmitter: newScript(t, "00B0000000 > 6C02", "00B0000002 > 6C02")}
	_, err = send(t, &c, apdu.Command{INS: 0xB0, Ne: 256})
	assert.ErrorIs(t, err, apdu.WrongLe, "asked once more and no more")

	c = apdu.Channel{Transmitter: newScript(t, "00B0000000 > 6105", "00C0000005 > 6C03", "00C0000003 > 010203 9000")}
	r, err = send(t, &c, apdu.Command{INS: 0xB0, Ne: 256})
	require.NoError(t, err)
	assert.Equal(t, unhex("010203"), r.Data)
}

func TestChannelErrorBehindMoreData(t *testing.T) {
	c := apdu.Channel{Transmitter: newScript(t, "00B0000000 > 0102 6105", "00C0000005 > 6F00")}
	r, err := send(t, &c, apdu.Command{INS: 0xB0, Ne: 256})
	assert.ErrorIs(t, err, apdu.NoPreciseDiagnosis)
	assert.Equal(t, unhex("0102"), r.Data)
}

// A command with a PIN is sent once, whatever the card says.
func TestChannelSendsASecretOnce(t *testing.T) {
	for _, reply := range []string{"6104", "6C04", "6700", "63C2", "6F00", "9000", "gone", "", "90"} {
		t.Run(reply, func(t *testing.T) {
			for _, cmd := range []apdu.Command{
				{INS: 0x20, P2: 0x98, Data: []byte("1234")},
				{INS: 0x24, P1: 1, P2: 0x98, Data: []byte("1234")},
				{CLA: 0x80, INS: 0x32, P2: 0x98, Data: []byte("1234")},
				{INS: 0x20, P2: 0x98, Data: []byte("1234"), Ne: 256, Extended: true},
			} {
				raw, err := cmd.MarshalBinary()
				require.NoError(t, err)
				c := apdu.Channel{Transmitter: newScript(t, fmt.Sprintf("%X > %s", raw, reply))}
				_, err = send(t, &c, cmd)
				assert.Equal(t, reply == "9000", err == nil)
				assert.Equal(t, 1, c.Stats().Exchanges)
				if err != nil {
					assert.NotContains(t, err.Error(), "1234")
				}
			}
		})
	}
	c := apdu.Channel{ShortOnly: true, Transmitter: newScript(t)}
	_, err := send(t, &c, apdu.Command{INS: 0x20, Data: filled(300)})
	assert.ErrorIs(t, err, apdu.ErrCommandRange, "never in pieces")
}

func TestChannelChaining(t *testing.T) {
	data := append(filled(255), append(bytes.Repeat([]byte{0xCD}, 255), 0xEF, 0xEF)...)
	ab, cd := strings.Repeat("AB", 255), strings.Repeat("CD", 255)
	c := apdu.Channel{ShortOnly: true, Transmitter: newScript(t,
		"902A0080 FF "+ab+" > 9000", "902A0080 FF "+cd+" > 9000", "802A0080 02 EFEF 00 > 0102 9000")}
	r, err := send(t, &c, apdu.Command{CLA: 0x80, INS: 0x2A, P2: 0x80, Data: data, Ne: 256})
	require.NoError(t, err)
	assert.Equal(t, unhex("0102"), r.Data)

	c = apdu.Channel{ShortOnly: true, Transmitter: newScript(t, "902A0080 FF "+ab+" > 6884")}
	_, err = send(t, &c, apdu.Command{CLA: 0x80, INS: 0x2A, P2: 0x80, Data: data})
	assert.ErrorIs(t, err, apdu.Status(0x6884))

	// 255 bytes are one command, 256 are two.
	c = apdu.Channel{ShortOnly: true, Transmitter: newScript(t, "802A0080 FF "+ab+" > 9000")}
	_, err = send(t, &c, apdu.Command{CLA: 0x80, INS: 0x2A, P2: 0x80, Data: filled(255), Extended: true})
	require.NoError(t, err)
	c = apdu.Channel{ShortOnly: true, Transmitter: newScript(t, "902A0080 FF "+ab+" > 9000", "802A0080 01 AB > 9000")}
	_, err = send(t, &c, apdu.Command{CLA: 0x80, INS: 0x2A, P2: 0x80, Data: filled(256)})
	require.NoError(t, err)
}

func TestChannelFallsBackToShort(t *testing.T) {
	c := apdu.Channel{Transmitter: newScript(t,
		"00B00000 00 0400 > 6700", "00B00000 00 > 01 9000",
		"00B00000 00 > 02 9000")}
	r, err := send(t, &c, apdu.Command{INS: 0xB0, Ne: 1024})
	require.NoError(t, err)
	assert.Equal(t, unhex("01"), r.Data)
	r, err = send(t, &c, apdu.Command{INS: 0xB0, Ne: 1024})
	require.NoError(t, err, "the card's habit is remembered")
	assert.Equal(t, unhex("02"), r.Data)

	// Where the short form is refused as well, nothing is learned.
	c = apdu.Channel{Transmitter: newScript(t,
		"00B00000 00 0400 > 6700", "00B00000 00 > 6700", "00B00000 00 0400 > 03 9000")}
	_, err = send(t, &c, apdu.Command{INS: 0xB0, Ne: 1024})
	assert.ErrorIs(t, err, apdu.WrongLength)
	r, err = send(t, &c, apdu.Command{INS: 0xB0, Ne: 1024})
	require.NoError(t, err)
	assert.Equal(t, unhex("03"), r.Data)
}

func TestChannelTransportErrors(t *testing.T) {
	c := apdu.Channel{Transmitter: newScript(t, "00B0000004 > gone", "00B0000004 >", "00B0000004 > 90",
		"00B0000004 > 01 6102", "00C0000002 >")}
	_, err := send(t, &c, apdu.Command{INS: 0xB0, Ne: 4})
	assert.ErrorIs(t, err, errGone)
	assert.EqualError(t, err, "apdu: READ BINARY: reader unplugged")
	for range 3 {
		_, err = send(t, &c, apdu.Command{INS: 0xB0, Ne: 4})
		assert.ErrorIs(t, err, apdu.ErrCardRemoved)
	}
}

func TestChannelContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c := apdu.Channel{Transmitter: newScript(t)}
	_, err := c.Send(ctx, &apdu.Command{INS: 0xB0, Ne: 4})
	assert.ErrorIs(t, err, context.Canceled)
}

// hostile is a card that always gives the same reply.
type hostile struct {
	reply []byte
	n     int
}

func (h *hostile) Transmit([]byte) ([]byte, error) { h.n++; return h.reply, nil }

func TestChannelHostileCard(t *testing.T) {
	for _, tt := range []struct {
		name  string
		reply []byte
		limit int
		err   error
	}{
		{"endless 61 without data", unhex("6100"), 2, apdu.ErrTooManyExchanges},
		{"endless 61 with one byte", unhex("AA 6101"), 512, apdu.ErrTooManyExchanges},
		{"endless 61 with much data", append(filled(60000), 0x61, 0x00), 3, apdu.ErrResponseLength},
		{"endless 6C", unhex("6C00"), 2, apdu.WrongLe},
		{"reply of 70,000 bytes", filled(70000), 1, apdu.ErrResponseLength},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := &hostile{reply: tt.reply}
			c := apdu.Channel{Transmitter: h}
			_, err := send(t, &c, apdu.Command{INS: 0xB0, Ne: 256})
			assert.ErrorIs(t, err, tt.err)
			assert.LessOrEqual(t, h.n, tt.limit)
		})
	}
}

// echo answers from memory of its own, appended to the caller's.
type echo struct{ reply []byte }

func (e *echo) Transmit(c []byte) ([]byte, error) { return bytes.Clone(e.reply), nil }
func (e *echo) TransmitContext(_ context.Context, dst, _ []byte) ([]byte, error) {
	return append(dst, e.reply...), nil
}

func TestAppendSend(t *testing.T) {
	c := apdu.Channel{Transmitter: &echo{append(filled(256), 0x90, 0x00)}}
	dst := make([]byte, 3, 1024)
	cmd := &apdu.Command{INS: 0xB0, Ne: 256}
	r, err := c.AppendSend(context.Background(), dst, cmd)
	require.NoError(t, err)
	assert.Len(t, r.Data, 256)
	assert.Equal(t, &dst[:4][3], &r.Data[0], "the data stands in the caller's memory")
	ctx := context.Background()
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		if _, err := c.AppendSend(ctx, dst, cmd); err != nil {
			panic(err)
		}
	}))
}

// Replies come from the fuzzer: whatever they are, a Channel ends, in bounded
// exchanges and memory, and sends a secret once.
func FuzzChannel(f *testing.F) {
	f.Add(byte(0xB0), unhex("02 9000 03 016105 07 0102030405 9000"))
	f.Add(byte(0x20), unhex("02 6104 02 9000"))
	f.Add(byte(0x2A), unhex("02 6700 02 9000 02 6C05 02 9000"))
	f.Fuzz(func(t *testing.T, ins byte, in []byte) {
		card := &pieces{rest: in[:len(in):len(in)]}
		c := apdu.Channel{Transmitter: card}
		cmd := apdu.Command{INS: ins, Data: filled(int(ins) * 2), Ne: 300}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r, err := c.Send(context.Background(), &cmd)
		runtime.ReadMemStats(&after)
		if used, limit := after.TotalAlloc-before.TotalAlloc, uint64(64*len(in)+256<<10); used > limit {
			t.Fatalf("%d bytes allocated for %d", used, len(in))
		}
		if err == nil && r.Status != apdu.OK {
			t.Fatal("success without 9000")
		}
		if cmd.CarriesSecret() && card.n > 1 {
			t.Fatalf("a secret was sent %d times", card.n)
		}
		if len(r.Data) > len(in) {
			t.Fatal("more data than the card gave")
		}
	})
}

// pieces hands out successive pieces of its input, a length byte before each.
type pieces struct {
	rest []byte
	n    int
}

func (p *pieces) Transmit([]byte) ([]byte, error) {
	p.n++
	if len(p.rest) == 0 {
		return nil, errGone
	}
	n := min(int(p.rest[0]), len(p.rest)-1)
	reply := p.rest[1 : 1+n : 1+n]
	p.rest = p.rest[1+n:]
	return reply, nil
}

func BenchmarkChannel(b *testing.B) {
	c := apdu.Channel{Transmitter: &echo{append(filled(256), 0x90, 0x00)}}
	dst := make([]byte, 0, 1024)
	cmd := &apdu.Command{INS: 0xB0, Ne: 256}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.AppendSend(context.Background(), dst, cmd); err != nil {
			b.Fatal(err)
		}
	}
}
