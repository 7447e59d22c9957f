package apdu_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
)

func traced(t *testing.T, next apdu.Transmitter, level slog.Level) (*apdu.Tracer, *bytes.Buffer) {
	var out bytes.Buffer
	h := slog.NewTextHandler(&out, &slog.HandlerOptions{Level: level,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "took" {
				return slog.Attr{}
			}
			return a
		}})
	return apdu.Trace(next, slog.New(h)), &out
}

func TestTraceMasks(t *testing.T) {
	tr, out := traced(t, newScript(t,
		"00A4040C 0A D392F000260100000001 > 9000",
		"00200098 04 31323334 > 63C2",
		"00B08A00 04 > DEADBEEF 9000",
		"00A4040C00 > 6F02 8400 9000",
		"5E5E5E > 6700",
		"00B0000004 > 90",
		"00B0000004 > gone"), slog.LevelDebug)
	for _, c := range []string{"00A4040C0AD392F000260100000001", "002000980431323334", "00B08A0004", "00A4040C00", "5E5E5E", "00B0000004"} {
		_, err := tr.Transmit(unhex(c))
		require.NoError(t, err)
	}
	_, err := tr.TransmitContext(context.Background(), nil, unhex("00B0000004"))
	require.ErrorIs(t, err, errGone)
	assert.Equal(t, `level=DEBUG msg=SELECT command="00 A4 04 0C Lc=10 D392F000260100000001" response=9000
level=DEBUG msg=VERIFY command="00 20 00 98 Lc=4 [4 bytes redacted]" response=63C2
level=DEBUG msg="READ BINARY" command="00 B0 8A 00 Le=4" response="[4 bytes redacted] 9000"
level=DEBUG msg=SELECT command="00 A4 04 0C Le=256" response="6F028400 9000"
level=DEBUG msg="malformed command" command="[3 bytes redacted]" response=6700
level=DEBUG msg="READ BINARY" command="00 B0 00 00 Le=4" response="[1 bytes redacted] (apdu: card removed or reply torn)"
level=DEBUG msg="READ BINARY" command="00 B0 00 00 Le=4" error="reader unplugged"
`, out.String())
}

// No instruction but SELECT shows data, so that one unknown to this package
// cannot show a secret.
func TestTraceMasksEveryInstruction(t *testing.T) {
	for ins := range 256 {
		if ins == apdu.InsSelect {
			continue
		}
		tr, out := traced(t, &echo{unhex("4142434445 9000")}, slog.LevelDebug)
		_, err := tr.Transmit([]byte{0x80, byte(ins), 0, 0, 4, '1', '2', '3', '4', 0})
		require.NoError(t, err)
		for _, secret := range []string{"1234", "31323334", "ABCDE", "4142"} {
			assert.NotContains(t, out.String(), secret, "INS %02X", ins)
		}
	}
}

func TestTraceOffCostsNothing(t *testing.T) {
	tr, out := traced(t, &echo{unhex("01 9000")}, slog.LevelInfo)
	dst := make([]byte, 0, 16)
	ctx := context.Background()
	cmd := unhex("00B0000004")
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		if _, err := tr.TransmitContext(ctx, dst, cmd); err != nil {
			panic(err)
		}
	}))
	assert.Empty(t, out.String())
}

// A command or a response that a program logs by itself shows no data either.
func TestCommandIsSilent(t *testing.T) {
	verify := apdu.Command{INS: apdu.InsVerify, P2: 0x98, Data: []byte("73918264")}
	reply := apdu.Response{Data: []byte("73918264"), Status: apdu.OK}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		assert.Equal(t, "VERIFY 00 20 00 98 Lc=8 [8 bytes redacted]", fmt.Sprintf(verb, verify))
		assert.Equal(t, "[8 bytes redacted] 9000", fmt.Sprintf(verb, reply))
	}
	assert.Equal(t, "SELECT 00 A4 00 00 Lc=2 3F00 Le=256", fmt.Sprint(&apdu.Command{INS: apdu.InsSelect, Data: []byte{0x3F, 0}, Ne: 256}))
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("exchange", "command", verify, "response", reply)
	assert.Contains(t, log.String(), `"command":"VERIFY 00 20 00 98 Lc=8 [8 bytes redacted]","response":"[8 bytes redacted] 9000"`)
}
