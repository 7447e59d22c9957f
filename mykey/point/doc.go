// Package point keeps the points of a city's residents (自治体ポイント): accounts,
// their rules, and a ledger in the program's own database. Most programs need
// [Open], [Ledger.Balances] and [Ledger.Use]; a till that lost an answer needs
// [Ledger.Status] and [Ledger.Cancel].
//
//	points, err := point.Open(ctx, db, point.Config{})
//	balances, err := points.Balances(ctx, id)
//	receipt, err := points.Use(ctx, point.Use{
//		Request: point.Request{Scope: terminal, Name: press},
//		Holder:  id,
//		Account: "aoba",
//		Points:  500,
//	})
//
// The rules are those of the Ministry's outline of operations (マイキープラット
// フォーム システム設計書(活用マニュアル概要), 2017-05-12), cited by section. Where the
// outline is silent, the choice made is stated where it is made. One point is
// worth one yen.
//
// # Accounts
//
// An [Account] is the short code of a [Programme]. There are three kinds:
// points of a municipality (自治体ポイント), points of an event (特定支援イベント
// ポイント), and reserved points (留保ポイント), which a partner's customer has
// transferred here and steers to a programme within some days.
//
// # The ledger
//
// Points lie in lots: so many points of one holder and programme that lapse at
// one instant. The lots are the balance. Each movement is an operation with
// one entry for each lot that it changed. Operations and entries are only ever
// inserted. Lots that have lapsed do not count; nothing has to run at
// midnight.
//
// Each call that moves points carries a [Key] of the caller. A repeated call
// with the same key returns the stored receipt. [Ledger.Cancel] undoes a call
// by its key alone, also a call that has not arrived yet.
//
// # Settlement
//
// [Ledger.Settle] adds up what shops took, [Ledger.SettlePartners] what partners
// transferred, and [Ledger.CloseTill] what one terminal did between two closings.
// The other side comes to the same by [Tally], [TallyPartners] and [TillList].
// The figures of a final period never change: every later operation is dated
// after it.
package point
