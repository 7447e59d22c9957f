package simcard_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"image/png"
	"log"
	"math/big"
	"time"

	"golang.org/x/crypto/ocsp"

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

// The four attributes (基本4情報), opened by 照合番号B from the card's face.
func ExampleHolder_NumberB() {
	holder := simcard.SampleHolder(0)
	holder.Expiry = time.Date(2034, time.April, 12, 0, 0, 0, 0, time.UTC)
	card := simcard.New(simcard.WithHolder(holder))
	numberB := holder.NumberB()
	fmt.Println(numberB)
	for _, command := range []string{
		"\x00\xA4\x04\x0C\x0A\xD3\x92\x10\x00\x31\x00\x01\x01\x04\x08", // SELECT text
		"\x00\x20\x00\x95\x0E" + numberB,                               // VERIFY, file 15
		"\x00\xB0\x82\x11\x0F",                                         // READ BINARY, file 02, the name
	} {
		reply, err := card.Transmit([]byte(command))
		fmt.Printf("%s %X %v\n", reply[:len(reply)-2], reply[len(reply)-2:], err)
	}
	// Output:
	// 60041220342468
	//  9000 <nil>
	//  9000 <nil>
	// 試験　太郎 9000 <nil>
}

// The age record (年齢情報) and its signature, as a verifier checks it: the root
// that it was given certifies the key in file 0004, and that key has signed.
func ExampleAuthority_CardFace() {
	card := simcard.New()
	read := func(command string) []byte {
		reply, err := card.Transmit([]byte(command))
		if err != nil {
			log.Fatal(err)
		}
		return reply[:len(reply)-2]
	}
	read("\x00\xA4\x04\x0C\x0A\xD3\x92\x10\x00\x31\x00\x01\x01\x04\x02") // SELECT visual
	read("\x00\x20\x00\x91\x06" + card.Holder().BirthKey())              // VERIFY, file 11
	record := read("\x00\xB0\x81\x00\x00\x00\x00")                       // file 01
	certificate := read("\x00\xB0\x84\x00\x00\x00\x00")                  // file 04

	// 7F21 { 5F4E { issuer, subject, 90 exponent, 91 modulus }, 5F37 signature }
	root := card.Authority().CardFace().Visual()
	body, signature := certificate[10:307], certificate[312:]
	digest := sha256.Sum256(body)
	fmt.Println(root.ID, bytes.HasPrefix(body, root.ID[:]), rsa.VerifyPKCS1v15(root.Key, crypto.SHA256, digest[:], signature))

	// FF10 { DF11 date, DF12 key, DF13 signature over both }
	issuer := &rsa.PublicKey{N: new(big.Int).SetBytes(body[len(body)-256:]), E: 65537}
	digest = sha256.Sum256(record[5:286])
	fmt.Println(rsa.VerifyPKCS1v15(issuer, crypto.SHA256, digest[:], record[291:]))
	fmt.Printf("%s\n", record[8:16])
	// Output:
	// 6000023/001 true <nil>
	// <nil>
	// 19850412
}

// A certificate that was revoked: the authority says so when it is asked.
func ExampleWithRevoked() {
	now := time.Date(2026, time.May, 1, 12, 0, 0, 0, time.UTC)
	card := simcard.New(simcard.WithRevoked(now.Add(-time.Hour)))
	ca := card.Authority().Auth()

	request, err := ocsp.CreateRequest(card.AuthCertificate(), ca.Certificate(), nil)
	if err != nil {
		log.Fatal(err)
	}
	der, err := ca.OCSP(request, now, card.Revocations()...)
	if err != nil {
		log.Fatal(err)
	}
	answer, err := ocsp.ParseResponse(der, ca.Certificate())
	fmt.Println(answer.Status == ocsp.Revoked, answer.RevokedAt.Format(time.TimeOnly), err)

	list, err := ca.CRL(now, card.Revocations()...)
	if err != nil {
		log.Fatal(err)
	}
	crl, err := x509.ParseRevocationList(list)
	fmt.Println(len(crl.RevokedCertificateEntries), err)
	// Output:
	// true 11:00:00 <nil>
	// 1 <nil>
}

// A card that has run out.
func ExampleWithExpired() {
	card := simcard.New(simcard.WithExpired())
	fmt.Println(card.AuthCertificate().NotAfter.Before(time.Now()), card.Holder().Expiry.Before(time.Now()))
	// Output: true true
}

// A foreign resident: a name in Latin letters, dates of the Gregorian calendar.
func ExampleSampleForeigner() {
	card := simcard.New(simcard.WithHolder(simcard.SampleForeigner(0)))
	fmt.Println(card.Holder().Name, card.Holder().BirthKey())
	// Output: SPECIMEN ALEX 851002
}

// A My Number is read, checked, and not printed.
func ExampleParseMyNumber() {
	number, err := simcard.ParseMyNumber("614106526000")
	fmt.Println(number, number.Digits()[8:], err)
	_, err = simcard.ParseMyNumber("614106526001")
	fmt.Println(err)
	// Output:
	// [redacted] 6000 <nil>
	// simcard: not an Individual Number: twelve digits, the last a check digit
}

// The My Number as the picture on the card.
func ExampleCard_Holder() {
	card := simcard.New()
	var picture []byte
	for _, command := range []string{
		"\x00\xA4\x04\x0C\x0A\xD3\x92\x10\x00\x31\x00\x01\x01\x04\x02", // SELECT visual
		"\x00\x20\x00\x93\x0C" + card.Holder().NumberA(),               // VERIFY, file 13
		"\x00\xB0\x85\x09\x00",                                         // READ BINARY, file 05, behind the tags
	} {
		reply, err := card.Transmit([]byte(command))
		if err != nil {
			log.Fatal(err)
		}
		picture = reply
	}
	config, err := png.DecodeConfig(bytes.NewReader(picture))
	fmt.Println(config.Width, config.Height, err)
	// Output: 72 12 <nil>
}
