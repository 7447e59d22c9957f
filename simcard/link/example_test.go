package link_test

import (
	"fmt"
	"log"
	"time"

	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/simcard/link"
)

// What a tap costs on the air: the two exchanges that read the serial number
// of a certificate, on every rate.
func ExampleCard() {
	for name, rate := range []link.Rate{link.Rate106, link.Rate212, link.Rate424, link.Rate848} {
		card := &link.Card{Next: simcard.New(), Model: link.Contactless{Rate: rate}}
		for _, command := range []string{
			"\x00\xA4\x04\x0C\x0A\xD3\x92\xF0\x00\x26\x01\x00\x00\x00\x01", // SELECT JPKI
			"\x00\xB0\x8A\x00\x24", // READ BINARY, file 0A, 36 bytes
		} {
			if _, err := card.Transmit([]byte(command)); err != nil {
				log.Fatal(err)
			}
		}
		fmt.Println(106<<name, "kbit/s:", card.Elapsed().Round(10*time.Microsecond))
	}
	// Output:
	// 106 kbit/s: 8.23ms
	// 212 kbit/s: 4.42ms
	// 424 kbit/s: 2.51ms
	// 848 kbit/s: 1.56ms
}

// The same card in a reader with contacts: the answer to reset says how fast
// it is.
func ExampleParseATR() {
	model, err := link.ParseATR(simcard.New().ATR(), 4_000_000)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("READ BINARY, 256 bytes:", model.Time(5, 258).Round(time.Millisecond))
	// Output: READ BINARY, 256 bytes: 294ms
}
