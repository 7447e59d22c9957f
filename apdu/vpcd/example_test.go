package vpcd_test

import (
	"context"
	"fmt"

	"github.com/mynakit/mynakit/apdu/vpcd"
)

// Put a software card into the first slot of a pcscd. Here a Listener stands
// in for pcscd; a program gives vpcd.DefaultAddr.
func ExampleInsert() {
	ctx := context.Background()
	pcscd, err := vpcd.Listen("127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pcscd.Close()
	go func() {
		reader, err := pcscd.Accept(ctx)
		if err != nil {
			return
		}
		defer reader.Close()
		reader.Transmit([]byte{0x00, 0xA4, 0x04, 0x0C})
	}()

	slot, err := vpcd.Insert(ctx, pcscd.Addr().String(), &card{}) // a *simcard.Card, say
	if err != nil {
		fmt.Println(err)
		return
	}
	<-slot.Done() // until the reader goes away
	fmt.Println(slot.Err())
	// Output: EOF
}

// Wait for the card that a phone holds.
func ExampleListen() {
	ctx := context.Background()
	l, err := vpcd.Listen("127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()
	go vpcd.Insert(ctx, l.Addr().String(), &card{}) // the phone, having read l.URL()

	phone, err := l.Accept(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer phone.Close()
	reply, err := phone.Transmit([]byte{0x00, 0xA4, 0x04, 0x0C})
	fmt.Printf("%X %v\n", reply, err)
	// Output: 00A4040C9000 <nil>
}
