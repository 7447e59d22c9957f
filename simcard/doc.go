// Package simcard is a software Individual Number Card (マイナンバーカード): a
// card that a test gets in one line and that answers, byte for byte, what the
// plastic one answers.
//
//	card := simcard.New()
//	reply, err := card.Transmit(command)
//
// A [*Card] is an [apdu.Transmitter], so it goes wherever a card in a reader
// goes. It needs no reader, no daemon and no set-up, it cannot fail to be made,
// and any number of cards live side by side.
//
// # The card
//
// The card holds applications (AP); an application holds elementary files
// (EF), named by a two-byte identifier. This package has the application of
// the Japanese public key infrastructure, JPKI (公的個人認証):
//
//	AID D392F000260100000001
//
//	0001  certificate for digital signature (署名用)   read: sign PIN
//	0002  certificate of its CA                        read: free
//	0006  token information, 160 bytes                 read: free
//	0008  which certificates are there, 3 bytes        read: free
//	000A  certificate for user authentication          read: free; on a
//	      (利用者証明用)                               phone: auth PIN
//	000B  certificate of its CA                        read: free
//	0017  private key for user authentication          use: auth PIN
//	0018  auth PIN: 4 digits, 3 tries
//	001A  private key for digital signature            use: sign PIN
//	001B  sign PIN: 6 to 16 of A-Z and 0-9, 5 tries
//
// A file of certificates is larger than the certificate: what is left is FF.
//
// The commands are SELECT, READ BINARY, VERIFY, CHANGE REFERENCE DATA and
// COMPUTE DIGITAL SIGNATURE. A PIN stays verified over any number of commands,
// over a warm reset and over another SELECT of the same application. It ends
// with the power and with the SELECT of another application.
//
// # The person
//
// A [Holder] is data. [SampleHolder] makes as many invented ones as a test
// needs. The certificates are issued by a test CA, at first need, in the
// profile of the real ones: names, serial, key usage, policy, the holder's
// attributes as otherNames, an end on the fifth birthday. The CA calls itself
// O=JPKI-TEST and nobody trusts it: see [TestAuthority].
//
// # The keys
//
// [New] takes some ten microseconds because the keys are prepared: they are
// published with this package and protect nothing. Holders share a small
// number of them. A test that needs keys of its own says [WithFreshKeys].
//
// # Where cards differ
//
// [Kind] is what the card is: plastic, a phone, a child's card. [Quirks] are
// the points where cards differ or where nobody has published what they do,
// such as the status word for a blocked PIN.
package simcard
