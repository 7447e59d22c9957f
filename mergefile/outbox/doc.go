// Package outbox is the sending side of merge files (合算ポイントファイル): it numbers
// what is to be merged, writes each record into a file of its own, and repeats
// that until the receiver has acknowledged it. Most programs need [Open],
// [Outbox.Add] in the transaction that takes the points, and [Outbox.Send].
//
// Source: システム設計書(活用マニュアル概要) III.14 ① and ②, III.15, III.17.
//
//	box, err := outbox.Open(ctx, db, outbox.Config{Profile: profile, Keys: key, Dir: dir, Holder: memberNumber})
//	err = points.Do(ctx, func(ctx context.Context, tx *sql.Tx) error {
//		paid, err := points.In(tx).Use(ctx, point.Use{For: point.OpMerge, …})
//		if err != nil {
//			return err
//		}
//		_, err = box.In(tx).Add(ctx, outbox.Order{Operation: paid.Operation, Subject: id.String(), Points: paid.Points})
//		return err
//	})
//	sent, err := box.Send(ctx)
//
// # The life of an item
//
// Add gives an item its transaction number (取引済番号). The number is the last
// lock of the transaction, so that one that is rolled back leaves no gap. Until
// the item is written, [Outbox.Withdraw] takes it back.
//
// Send fixes the holder, commits that the item is written, advances the mark,
// and only then makes the file visible, under a name that follows from the
// number. From then on the record of that number never changes. A file that
// was lost on the way is written again: the receiver finds it to be a
// duplicate, or merges it.
//
// An item is done when the receiver's acknowledgement has come, or a person
// has seen in the receiver's books that the record is there.
//
// # A restored database
//
// A database that was restored from a backup would use its numbers again. What
// was sent is noted outside the database before a file becomes visible
// ([Mark]). If the database lacks what was noted, nothing is added or sent until
// [Outbox.Recover] has booked again what the receivers know.
package outbox
