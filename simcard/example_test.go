package simcard_test

import (
	"context"
	"fmt"
	"time"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/simcard"
)

func ExampleNew() {
	card := simcard.New()

	ctx := context.Background()
	channel := apdu.Channel{Transmitter: card}
	jpki := []byte{0xD3, 0x92, 0xF0, 0x00, 0x26, 0x01, 0x00, 0x00, 0x00, 0x01}
	_, err := channel.Send(ctx, &apdu.Command{INS: apdu.InsSelect, P1: 0x04, P2: 0x0C, Data: jpki})
	fmt.Println("SELECT:", err)

	// File 000A by its short identifier, 4 bytes: how long the certificate is.
	head, err := channel.Send(ctx, &apdu.Command{INS: apdu.InsReadBinary, P1: 0x80 | 0x0A, Ne: 4})
	fmt.Printf("READ BINARY: % X %v\n", head.Data[:2], err)
	fmt.Println("serial:", card.AuthCertificate().SerialNumber.Text(16))
	// Output:
	// SELECT: <nil>
	// READ BINARY: 30 82 <nil>
	// serial: bdd0d798
}

// A card whose PIN has one try left, and what a wrong one does.
func ExampleWithTries() {
	card := simcard.New(simcard.WithTries(simcard.AuthPIN, 1))
	for _, command := range []string{
		"\x00\xA4\x04\x0C\x0A\xD3\x92\xF0\x00\x26\x01\x00\x00\x00\x01", // SELECT JPKI
		"\x00\x20\x00\x98\x04" + "0000",                                // VERIFY, file 18
		"\x00\x20\x00\x98\x04" + simcard.DefaultAuthPIN,
	} {
		reply, err := card.Transmit([]byte(command))
		fmt.Printf("%X %v\n", reply, err)
	}
	fmt.Println("tries left:", card.Tries(simcard.AuthPIN))
	// Output:
	// 9000 <nil>
	// 63C0 <nil>
	// 6984 <nil>
	// tries left: 0
}

// A certificate that has expired: the card was issued long ago.
func ExampleWithIssued() {
	card := simcard.New(simcard.WithIssued(time.Date(2018, time.May, 7, 10, 0, 0, 0, time.UTC)))
	fmt.Println(card.AuthCertificate().NotAfter.Format(time.RFC3339))
	// Output: 2023-04-12T14:59:59Z
}
