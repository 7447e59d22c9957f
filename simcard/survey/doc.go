// Package survey asks a real card what may be asked without a PIN and without
// risk, and holds its answers against those of the software card.
//
//	report, err := survey.Run(ctx, card, survey.Options{})
//	reference, err := survey.Reference(ctx, report)
//	for _, d := range survey.Compare(report, reference) {
//		fmt.Println(d)
//	}
//
// # What is asked
//
// [Run] selects the applications and each of their files, asks for the counters
// of PINs by VERIFY without data, and reads what is free. It tries the sizes of
// files, long and short reads, and a few commands that cards refuse. It presents
// no PIN and no number, so that no try is spent, and it changes nothing: a
// command that could do either never leaves this package. The licence and the
// residence card's applications are looked for only where [Options] asks.
//
// # What a report holds
//
// Status words, tags, lengths and whether a counter is full. Lengths that can
// differ from holder to holder are ranges. Two cards of one kind whose counters
// are full give the same report, except for the times. No content of a file is in
// it, but for the label of the token, the three bytes that tell which
// certificates there are, and the version of two applications. The ATR of a
// contactless card is cut down to its form, because some readers put the card's
// random number into it.
package survey
