package tape_test

import (
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/simcard/tape"
)

// A tape by default: what the card is, and nothing about whose it is.
func ExampleRecord() {
	recorder := tape.Record(simcard.New(), os.Stdout)
	for _, command := range []string{
		"\x00\xA4\x04\x0C\x0A\xD3\x92\xF0\x00\x26\x01\x00\x00\x00\x01", // SELECT JPKI
		"\x00\xB0\x88\x00\x00",     // READ BINARY, file 08: which certificates
		"\x00\xB0\x8A\x00\x24",     // READ BINARY, file 0A: a certificate
		"\x00\x20\x00\x98\x041234", // VERIFY
	} {
		if _, err := recorder.Transmit([]byte(command)); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// mynakit tape 1
	// atr 3BE000FF8131FE4514
	// > 00A4040C0AD392F000260100000001
	// < 9000
	// > 00B0880000
	// < 8F8F00 9000
	// > 00B08A0024
	// < 3082048C30820374A003020102020301010130 [17] 9000
	// > 00200098 [*]
	// < 9000
}

// A card out of a text, and a program that says something else to it.
func ExamplePlay() {
	card, err := tape.Play(strings.NewReader(`mynakit tape 1
> 00A4040C0AD392F000260100000001
< 9000
> 00200098 [*]
< 63C2
`))
	if err != nil {
		log.Fatal(err)
	}
	reply, err := card.Transmit([]byte("\x00\xA4\x04\x0C\x0A\xD3\x92\xF0\x00\x26\x01\x00\x00\x00\x01"))
	fmt.Printf("%X %v\n", reply, err)
	_, err = card.Transmit([]byte("\x00\x20\x00\x9B\x06ABC123"))
	fmt.Println(err)
	// Output:
	// 9000 <nil>
	// tape: line 4: recorded "00200098 [*]", and there came "0020009B [*]"
}
