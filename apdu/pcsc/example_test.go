package pcsc_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/mynakit/mynakit/apdu/pcsc"
)

// Wait half a minute for a card in any reader, and keep others away from it.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	reader, err := pcsc.WaitCard(ctx)
	if err != nil {
		log.Fatal(err)
	}
	card, err := pcsc.Open(ctx, reader, pcsc.Exclusive())
	if err != nil {
		log.Fatal(err)
	}
	defer card.Close()
	reply, err := card.TransmitContext(ctx, nil, []byte{0x00, 0xA4, 0x04, 0x0C})
	fmt.Printf("%s: %X %v\n", reader, reply, err)
}

func ExampleReaders() {
	readers, err := pcsc.Readers(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range readers {
		fmt.Println(name)
	}
}

func ExampleWatch() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	for event, err := range pcsc.Watch(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(event.Kind, event.Reader)
	}
}
