// Package link computes how long exchanges with a card take. It has models of the
// wire and of the air between reader and card, from their standards.
//
//	card := &link.Card{Next: simcard.New(), Model: link.Contactless{Rate: link.Rate106}}
//	… a program uses card …
//	fmt.Println(card.Elapsed())
//
// By default nobody waits: [Card.Elapsed] is what the exchanges would have
// taken, so that a test prints and compares milliseconds and ends at once. With
// [Card.Sleep] they take it.
//
// # What is in the model
//
// [Contactless] is ISO/IEC 14443 type B, which the Individual Number Card is:
// characters of ten bits, the start and the end of a frame, checksums, the
// pauses between the two sides, and blocks that are acknowledged where an APDU
// does not fit in one. [Contact] is T=1 of ISO/IEC 7816-3: characters of eleven
// or twelve bits, blocks of up to 254 bytes, the guard times. [ParseATR] finds
// its figures in the answer to reset.
//
// The times are the least that the standards allow. Real readers add to them:
// USB, their drivers, PC/SC. So a model compares two ways to do a thing, and is
// a bound for one.
//
// # The card itself
//
// What a card needs to think is [Card.Processing], nothing by default.
// [Typical] has figures for it, which are an assumption.
package link
