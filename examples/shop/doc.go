// Package shop is a shop's whole day with the Individual Number Card
// (マイナンバーカード) and the MyKey platform, as a point-of-sale vendor would write
// it on this library. It is an example: copy it and change it.
//
// # What a shop does
//
//	card tapped ──> Shop.Recognise            who is it? two exchanges, no PIN
//	     │
//	     │                                                       with the PIN:
//	     ├── Shop.BeginWithPIN ──> Visit.Offer, Visit.Accept     a MyKey ID
//	     ├── Shop.BeginWithPIN ──> Visit.RegisterService         library card, point card
//	     ├── Shop.BeginWithPIN ──> Visit.IssueTicket             points on paper
//	     ├── Shop.BeginWithPIN ──> Visit.Combine                 points for the mall's account
//	     └── Shop.BeginWithPIN ──> Visit.Recover                 a new card for an old holder
//
//	paper scanned ──> Shop.Inspect ──> Shop.Redeem               once, at any terminal
//
//	merge file ─────> Shop.Receive, Shop.OpenInbox               once, whole or not at all
//	closing time ───> Shop.Settle, Shop.Books
//
// [Open] puts it on a database/sql handle, SQLite or PostgreSQL, with the
// [Keys] of the shop. Any number of programs may work on one database.
//
// # One visit, one card
//
// A [Visit] is one holder at one terminal. Every call that changes something
// takes the card that is in the reader now, which signs a challenge: another
// person's card is [registry.ErrWrongCard], changes nothing and ends the visit.
// The certificate alone, which anybody can copy, shows a holder and spends
// nothing, unless [Config.WithoutPIN] allows a sum a day.
//
// # Points
//
// There are two kinds. City points (自治体ポイント) belong to a MyKey ID; here the
// shop's database stands in for the city's cloud (自治体ポイント管理クラウド). Mall
// points (商店街ポイント) belong to the mall's own member number, which is the
// Service ID of [Config.Mall]. A ticket takes city points. To make mall points of
// city points (合算) the city takes them and sends the mall a merge file
// (合算ポイントファイル), which brings them.
//
// # Twice is once
//
// Terminals die in the middle and ask again. An order for a ticket has a key, a
// redemption has an attempt, a merged record has its transaction number, and
// the database's unique constraint is what decides. Making the same call again
// after any error is safe: it does what is left to do and gives the same
// answer. [Books.Exact] checks the sums.
//
// # Errors
//
// What is refused is an error of packages registry, ticket, jpki and mergefile, or
// one of this package's. [Explain] puts any of them into words for the clerk,
// what happened and what to do, in Japanese and English. No error holds a PIN,
// a serial number, a ticket number or a member number.
package shop
