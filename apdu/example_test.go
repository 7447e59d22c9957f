package apdu_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/mynakit/mynakit/apdu"
)

func ExampleCommand() {
	cmd := apdu.Command{INS: apdu.InsReadBinary, P1: 0x8A, Ne: 36}
	b, err := cmd.MarshalBinary()
	fmt.Printf("%X %s case %s %v\n", b, cmd.Name(), cmd.Case(), err)
	// Output: 00B08A0024 READ BINARY case 2S <nil>
}

func ExampleParseCommand() {
	cmd, err := apdu.ParseCommand([]byte("\x00\xA4\x04\x0C\x0A\xD3\x92\xF0\x00\x26\x01\x00\x00\x00\x01"))
	fmt.Printf("%s %X %v\n", cmd.Name(), cmd.Data, err)
	// Output: SELECT D392F000260100000001 <nil>
}

func ExampleParseResponse() {
	r, err := apdu.ParseResponse([]byte{0x63, 0xC2})
	tries, ok := r.Status.Counter()
	fmt.Println(r.Status, tries, ok, err)
	// Output: 63C2 2 tries left 2 true <nil>
}

func ExampleStatusError() {
	var err error = &apdu.StatusError{INS: apdu.InsSelect, P1: 4, P2: 0x0C, Status: apdu.FileNotFound}
	fmt.Println(err)
	fmt.Println(errors.Is(err, apdu.FileNotFound))
	// Output:
	// apdu: SELECT (00 A4 04 0C): 6A82 file or application not found
	// true
}

// anyCard stands for a reader in these examples.
type anyCard struct{}

func (anyCard) Transmit(command []byte) ([]byte, error) {
	if command[1] == apdu.InsGetResponse {
		return []byte("world\x90\x00"), nil
	}
	return []byte("hello \x61\x05"), nil
}

// A Channel fetches what the card holds back and joins it.
func ExampleChannel() {
	c := apdu.Channel{Transmitter: anyCard{}}
	r, err := c.Send(context.Background(), &apdu.Command{INS: apdu.InsGetData, Ne: 256})
	fmt.Printf("%s %v %+v\n", r.Data, err, c.Stats())
	// Output: hello world <nil> {Exchanges:2 BytesSent:10 BytesReceived:15}
}

func ExampleTrace() {
	log := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "took" {
				return slog.Attr{}
			}
			return a
		},
	}))
	card := apdu.Trace(anyCard{}, log)
	card.Transmit([]byte{0x00, apdu.InsVerify, 0x00, 0x98, 0x04, '1', '2', '3', '4'})
	// Output: level=DEBUG msg=VERIFY command="00 20 00 98 Lc=4 [4 bytes redacted]" response="[6 bytes redacted] 6105"
}
