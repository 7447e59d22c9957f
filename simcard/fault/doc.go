// Package fault makes chosen exchanges with a card fail: the card is removed, it
// does not answer, its replies are torn, garbled, late or in pieces.
//
//	card := fault.Wrap(simcard.New(), fault.Rule{
//		When: fault.Ins(apdu.InsVerify),
//		Do:   fault.RemoveAfter(),
//	})
//
// A [Card] wraps any [apdu.Transmitter] and is one itself, so it stands in a
// program's place for a reader. An exchange is one command and its reply; they
// are counted from 1.
//
// # Before and after
//
// What a program must get right is whether the card has seen the command. A
// PIN that was lost on its way out cost no try; one whose answer was lost may
// have. Each way to fail is on one side:
//
//	the card sees nothing:   Remove, Fail, Status, Silence
//	the card has done it:    RemoveAfter, Vanish, FailAfter, Overrule, Torn, Half, Long, Garble
//	nothing is lost:         Delay, Pieces, RightLe
//
// # Every exchange, every way
//
// The strength of it is the loop: run a flow once without rules, take
// [Card.Exchanges], and run it again for each n and each fault with a Rule on
// [Nth] n. Then look at the counters of the card.
//
// # Own faults
//
// A [Fault] is a function. It gets the exchange, passes it to the card or does
// not, and returns the reply.
package fault
