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
//	     ├── Shop.BeginWithPIN ──> Visit.Balances, Visit.Use     points at the till
//	     ├── Shop.BeginWithPIN ──> Visit.IssueTicket             points on paper
//	     ├── Shop.BeginWithPIN ──> Visit.Combine                 points for the mall's account
//	     └── Shop.BeginWithPIN ──> Visit.Recover                 a new card for an old holder
//
//	point card ─────> Shop.CombineByNumber                       a sum a day, without the card
//	answer lost ────> Shop.Status, Shop.Cancel, Shop.Refund      by the key alone
//	paper scanned ──> Shop.Inspect ──> Shop.Redeem               once, at any terminal
//	                              └──> Shop.RedeemToPoints       paper into the mall's points
//	file to send ───> Shop.Send                                  again until acknowledged
//	merge file ─────> Shop.Receive, Shop.OpenInbox               once, whole or not at all
//	closing time ───> Shop.CloseTill, Shop.Settle, Shop.Books
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
// There are two kinds, each in a ledger of package point. City points
// (自治体ポイント) belong to a MyKey ID; here the shop's database stands in for the
// city's cloud (自治体ポイント管理クラウド). Mall points (商店街ポイント, [MallAccount])
// belong to the mall's own member number, which is the Service ID of
// [Config.Mall], or, with [Config.ByMyKeyID], to the MyKey ID. A use takes either;
// a ticket takes city points. To make mall points of city points (合算) the city
// takes them and sends the mall a merge file (合算ポイントファイル), which brings them.
//
// Points and what they pay for are one transaction: a use, a ticket and its
// number, a record that is owed to the mall, and what is given back.
//
// # Twice is once
//
// Terminals die in the middle and ask again. A use, a ticket and a merge have a key
// of the caller's ([Order]), a redemption has an attempt, a merged record has its
// transaction number, and the database's unique constraint is what decides. The
// same call after any error returns the answer of the first. A till that does not
// want to ask again calls [Shop.Cancel], which is final also for a call that comes
// later. [Books.Exact] checks the sums.
//
// # Training
//
// With [Config.Training] everything is in tables of its own, holders too. Papers are
// marked, and live shops refuse the tickets and files.
//
// # Errors
//
// What is refused is an error of packages registry, point, ticket, jpki and mergefile,
// or one of this package's. [Explain] puts any of them into words for the clerk,
// what happened and what to do, in Japanese and English. No error holds a PIN,
// a serial number, a ticket number or a member number.
package shop
