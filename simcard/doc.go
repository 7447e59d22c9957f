// Package simcard is a software Individual Number Card (マイナンバーカード): a
// card that a test gets in one line and that answers, byte for byte, what the
// plastic one answers.
//
//	card := simcard.New()
//	reply, err := card.Transmit(command)
//
// A [*Card] is an [apdu.Transmitter], so it goes wherever a card in a reader
// goes. It needs no reader, no daemon and no set-up. [New] cannot fail, and cards
// are independent of each other.
//
// # The card
//
// A card holds applications (AP), selected by name (AID); an application holds
// elementary files (EF), named by a two-byte identifier. A file is read as bytes
// or as records, or it is internal: a PIN that VERIFY compares, or a key. Before
// any application is selected, the card itself is there.
//
//	JPKI          D392F000260100000001  public key infrastructure (公的個人認証)
//	text          D3921000310001010408  the card's face as text (券面事項入力補助)
//	visual        D3921000310001010402  the card's face as pictures (券面事項確認)
//	common        D3921000310001010100  what the card is (共通カード)
//	juki          D3921000310001010401  resident registry network (住基)
//	card manager  A0000001510000        the card itself
//
// What opens a file stands behind it; "free" is nothing. A and B are 照合番号A and
// 照合番号B, numbers that stand on the card's face: A is the My Number, B is date
// of birth, year of expiry and security code.
//
//	JPKI    0001  certificate for digital signature (署名用)        sign PIN
//	        0002  certificate of its CA                             free
//	        0006  token information, 160 bytes                      free
//	        0008  which certificates are there, 3 bytes             free
//	        000A  certificate for user authentication (利用者証明用) free; on a phone auth PIN
//	        000B  certificate of its CA                             free
//	        0017  private key for user authentication               auth PIN
//	        0018  auth PIN: 4 digits, 3 tries
//	        001A  private key for digital signature                 sign PIN
//	        001B  sign PIN: 6 to 16 of A-Z and 0-9, 5 tries
//	        0005, 0009, 0010, 0016, 0019, 001C and 001E can be selected and
//	        not read: nobody has published what they are for
//
//	text    0001  My Number, 17 bytes                               text PIN, A
//	        0002  name, address, date of birth, sex                 text PIN, B
//	        0003  digests of both, signed, 336 bytes                text PIN, A, B
//	        0004  certificate of who signed, 568 bytes              free
//	        0005  what the application is, 164 bytes in 256         free
//	        0006  public key for session keys, 269 bytes            text PIN, A, B
//	        0007  public half of 0013, signed, 536 bytes            text PIN, A, B
//	        0011  text PIN: 4 digits, 3 tries
//	        0013  the application's private key                     free
//	        0014  A, 0015 B: 10 tries each
//
//	visual  0001  date of birth, signed, 547 bytes                  birth key
//	        0002  birth, sex, name, address, photo, signed; expiry
//	              and security code                                 A, B
//	        0003  what the application is, 320 bytes                free
//	        0004  certificate of who signed, 568 bytes              free
//	        0005  My Number as a picture, signed                    A
//	        0011  birth key, 0012 B, 0013 A: 10 tries each
//	        001A  the application's private key                     free
//
//	common  0001  serial number, municipality, expiry: a record     free
//	        0002  the name of a key: a record                       free
//	        0019  private key of INTERNAL AUTHENTICATE              free
//	        001C  PIN: 4 digits, 3 tries
//
//	juki    0002  as common 0002, 001C as common 001C
//
// A file may be larger than what is in it; the rest is FF. Without an
// application, GET DATA gives the issuer's key (0042), the card's number
// (0045), the municipality (00F0), the expiry (00F2), the contact ATR (5F51),
// two certificates (00F8, 7F21) and some more.
//
// # The commands
//
// SELECT, READ BINARY, READ RECORD, GET DATA and GET CHALLENGE read. VERIFY
// presents a PIN or a number; without data it asks for the counter. CHANGE
// REFERENCE DATA changes the PINs of JPKI and text, CHANGE KEY those of common
// and juki. COMPUTE DIGITAL SIGNATURE and INTERNAL AUTHENTICATE sign. Secure
// messaging is not there.
//
// What is verified stays so over any number of commands, over a warm reset and
// over another SELECT of the same application. It ends with the power and with
// the SELECT of another application.
//
// # The person
//
// A [Holder] is data. [SampleHolder] makes as many invented ones as a test
// needs, [SampleForeigner] foreign residents. [Card.Holder] returns whose card it
// is, with the numbers that open it. The photo is a drawing of nobody; names and
// addresses in pictures are patterns, because there is no font.
//
// # Who stands behind it
//
// An [Authority] issues the certificates of JPKI, at first need, in the profile
// of the real ones: names, serial, key usage, policy, the holder's attributes as
// otherNames, an end on the fifth birthday. Its CAs call themselves
// O=JPKI-TEST. The face of the card is signed by another hierarchy, without
// X.509: [FaceAuthority] has its root keys and describes the signatures. Nobody
// trusts either, but who is told to: see [TestAuthority].
//
// # The keys
//
// [New] takes some ten microseconds because the keys are prepared: they are
// published with this package and protect nothing. Holders share a small
// number of them. [WithFreshKeys] is for a test that needs keys of its own.
//
// # Where cards differ
//
// [Kind] is what the card is: plastic, a phone, a child's card, one without
// PINs. [WithExpired] and [WithRevoked] create a card whose certificates have
// expired or were revoked. [Sample] has all of these by name. [Quirks] are the
// points where cards differ or where nobody has published what they do, such as
// the status word for a blocked PIN. [NextGeneration] is a plan.
//
// # What goes wrong, how long it takes, what was said
//
// The packages below this one are wrappers around any card: fault makes chosen
// exchanges fail, link computes what they cost in time, tape records a session and
// plays it again. Package control steers a software card over HTTP, and survey
// holds a real card against it.
package simcard
