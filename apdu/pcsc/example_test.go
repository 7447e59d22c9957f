package pcsc_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"time"

	"github.com/mynakit/mynakit/apdu/pcsc"
)

// A till: every card that comes to a reader is opened, one after another.
func ExampleServer_Serve() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	till := pcsc.Server{Event: func(e pcsc.Event) { fmt.Println(e.Kind, e.Reader, e.Err) }}
	err := till.Serve(ctx, func(ctx context.Context, card *pcsc.Card) error {
		ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
		defer cancel()
		reply, err := card.TransmitContext(ctx, nil, []byte{0x00, 0xA4, 0x04, 0x0C})
		fmt.Printf("%s: %X\n", card.Reader(), reply)
		return err
	})
	fmt.Println(err) // context canceled
}

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
