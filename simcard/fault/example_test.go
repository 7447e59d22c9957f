package fault_test

import (
	"errors"
	"fmt"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/simcard/fault"
)

// The card is lifted when it has seen the PIN and before it could answer: a
// program cannot know what became of the try, and must not send it again.
func ExampleWrap() {
	inner := simcard.New()
	card := fault.Wrap(inner, fault.Rule{When: fault.Ins(apdu.InsVerify), Do: fault.RemoveAfter()})
	_, err := card.Transmit([]byte("\x00\xA4\x04\x0C\x0A\xD3\x92\xF0\x00\x26\x01\x00\x00\x00\x01"))
	fmt.Println(err)
	_, err = card.Transmit([]byte("\x00\x20\x00\x98\x049999"))
	fmt.Println(errors.Is(err, apdu.ErrCardRemoved), inner.Tries(simcard.AuthPIN))
	// Output:
	// <nil>
	// true 2
}

// Every exchange of a flow fails once: here a flow of two, and each fault
// shows.
func ExampleNth() {
	flow := func(card apdu.Transmitter) error {
		for _, command := range []string{
			"\x00\xA4\x04\x0C\x0A\xD3\x92\xF0\x00\x26\x01\x00\x00\x00\x01", // SELECT JPKI
			"\x00\xB0\x86\x00\x0F", // READ BINARY, file 06
		} {
			reply, err := card.Transmit([]byte(command))
			if err != nil {
				return err
			}
			r, err := apdu.ParseResponse(reply)
			if err != nil {
				return err
			}
			if r.Status != apdu.OK {
				return r.Status
			}
		}
		return nil
	}
	whole := fault.Wrap(simcard.New())
	fmt.Println(flow(whole), whole.Exchanges())
	for n := range whole.Exchanges() {
		err := flow(fault.Wrap(simcard.New(), fault.Rule{When: fault.Nth(n + 1), Do: fault.Torn(1)}))
		fmt.Println(err)
	}
	// Output:
	// <nil> 2
	// apdu: card removed or reply torn
	// apdu: card removed or reply torn
}
