package simcard_test

import (
	"context"
	"crypto/x509"
	"errors"
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
	// serial: 30d45
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

// Somebody else's card: a holder is data.
func ExampleWithHolder() {
	holder := simcard.SampleHolder(7)
	holder.Prefecture, holder.City, holder.Municipality = "Tokyo-to", "Kiyose-shi", "13221"
	card := simcard.New(simcard.WithHolder(holder))
	subject := card.SignCertificate().Subject
	fmt.Println(subject.Country, subject.Locality)
	// Output: [JP] [Tokyo-to Kiyose-shi]
}

// A phone wants its PIN before it shows the certificate.
func ExampleWithKind() {
	card := simcard.New(simcard.WithKind(simcard.Android))
	for _, command := range []string{
		"\x00\xA4\x04\x0C\x0A\xD3\x92\xF0\x00\x26\x01\x00\x00\x00\x01", // SELECT JPKI
		"\x00\xB0\x86\x00\x0F", // READ BINARY, file 06: the label
		"\x00\xB0\x8A\x00\x04", // READ BINARY, file 0A
	} {
		reply, err := card.Transmit([]byte(command))
		fmt.Printf("%q %X %v\n", reply[:len(reply)-2], reply[len(reply)-2:], err)
	}
	// Output:
	// "" 9000 <nil>
	// "JPKIAPGPSETOKEN" 9000 <nil>
	// "" 6982 <nil>
}

// A card that refuses short file identifiers, and says 6983 for a blocked PIN.
func ExampleWithQuirks() {
	card := simcard.New(simcard.WithQuirks(simcard.Quirks{
		BlockedStatus: apdu.AuthenticationBlocked,
		NoShortEF:     true,
	}))
	reply, err := card.Transmit([]byte("\x00\xB0\x8A\x00\x04"))
	fmt.Printf("%X %v\n", reply, err)
	// Output: 6A86 <nil>
}

// A certificate that a program has to refuse: its key usage is wrong.
func ExampleWithAuthProfile() {
	card := simcard.New(simcard.WithAuthProfile(func(c *x509.Certificate) {
		c.KeyUsage = x509.KeyUsageKeyEncipherment
	}))
	fmt.Println(card.AuthCertificate().KeyUsage&x509.KeyUsageDigitalSignature != 0)
	// Output: false
}

// The roots that a test trusts, and only a test.
func ExampleTestAuthority() {
	card := simcard.New()
	_, err := card.AuthCertificate().Verify(x509.VerifyOptions{
		Roots:     simcard.TestAuthority().Roots(),
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	fmt.Println(err)
	// Output: <nil>
}

// A card that is lifted from the reader.
func ExampleCard_Remove() {
	card := simcard.New()
	card.Remove()
	_, err := card.Transmit([]byte{0x00, 0xA4, 0x00, 0x00})
	fmt.Println(errors.Is(err, apdu.ErrCardRemoved))
	card.Insert()
	_, err = card.Transmit([]byte{0x00, 0xA4, 0x00, 0x00})
	fmt.Println(err)
	// Output:
	// true
	// <nil>
}
