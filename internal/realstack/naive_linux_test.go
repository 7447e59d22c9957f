package realstack

import (
	"encoding/binary"
	"io"
	"net"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu/vpcd"
	"github.com/mynakit/mynakit/simcard"
)

// naive is the program that one writes from vpcd's protocol: lengths, bodies
// and four control bytes over a connection. It is right, and it acknowledges
// what it gets when the system thinks of it.
func naive(conn net.Conn, card *simcard.Card) error {
	send := func(b []byte) error {
		_, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...))
		return err
	}
	for {
		var head [2]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return err
		}
		body := make([]byte, binary.BigEndian.Uint16(head[:]))
		if _, err := io.ReadFull(conn, body); err != nil {
			return err
		}
		if len(body) != 1 {
			reply, err := card.Transmit(body)
			if err != nil {
				return err
			}
			if err := send(reply); err != nil {
				return err
			}
			continue
		}
		switch body[0] {
		case 0:
			card.PowerOff()
		case 1:
			card.PowerOn()
		case 2:
			card.Reset()
		case 4:
			if err := send(card.ATR()); err != nil {
				return err
			}
		}
	}
}

// insertNaive is insert with the naive program.
func insertNaive(t testing.TB, card *simcard.Card) {
	t.Helper()
	conn, err := net.Dial("tcp", vpcd.DefaultAddr)
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- naive(conn, card) }()
	t.Cleanup(func() {
		conn.Close()
		<-ended
		waitSlot(t, "No")
	})
	waitSlot(t, "Yes")
}

// BenchmarkBridge is an exchange through pcsc, pcscd and vpcd with the two
// programs at the other end of the connection.
func BenchmarkBridge(b *testing.B) {
	needStack(b)
	if os.Getenv("MYNAKIT_LONG") != "1" {
		b.Skip("set MYNAKIT_LONG=1 to wait for the naive program")
	}
	b.Run("mynakit", func(b *testing.B) { insert(b, simcard.New()); exchanges(b) })
	b.Run("naive", func(b *testing.B) { insertNaive(b, simcard.New()); exchanges(b) })
}

// exchanges reads 36 bytes of a certificate over and over.
func exchanges(b *testing.B) {
	card := open(b)
	reply, err := card.Transmit([]byte("\x00\xA4\x04\x0C\x0A\xD3\x92\xF0\x00\x26\x01\x00\x00\x00\x01"))
	require.NoError(b, err)
	require.Equal(b, "\x90\x00", string(reply))
	for b.Loop() {
		reply, err := card.Transmit([]byte("\x00\xB0\x8A\x00\x24"))
		if err != nil || len(reply) != 38 {
			b.Fatal(len(reply), err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "exchanges/s")
}
