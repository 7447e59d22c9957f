// Package secret hides values from everything that prints, logs or encodes:
// keys and PINs, holders, serial numbers, live ticket numbers.
//
// Most types need two declarations: [Hidden] embedded, so that the type itself
// shows as [Redacted], and a field that keeps the value out of reach of what
// looks inside:
//
//	type Key struct {
//		secret.Hidden
//		mac secret.Box[[]byte]
//	}
//
//	type Serial struct {
//		secret.Hidden
//		octets secret.String
//	}
//
// Package fmt prints unexported fields of a struct without calling their
// methods, and so does every dumper that works by reflection. Methods alone
// therefore hide nothing within somebody else's struct. The fields do:
//
//   - [Box] keeps any value behind a closure. Nothing reads what a closure has
//     captured. Boxes are not comparable; [Equal] compares them in constant time.
//   - [String] and [Uint64] hold a value enciphered under a key of the process.
//     They are comparable, serve as map keys and hold no pointers.
//
// # What a dump of masked values shows
//
// The key is drawn once in each process and never leaves it. The cipher is a
// pseudorandom permutation: AES on one block, and four Feistel rounds of AES on
// two. Equal values have equal ciphertexts, which is what == needs. Somebody who
// sees ciphertexts of the process learns which values are equal and how long a
// String is. Knowing some values does not help to read the others; with a fixed
// pad, which would be cheaper, one known value would reveal all.
//
// The comparison with == is not in constant time, and does not have to be: how
// far two ciphertexts agree is unrelated to their values.
//
// # What this package does not protect from
//
// The value and the key lie in the memory of the process: a core dump, a
// debugger and swap space hold them. Reveal returns an ordinary copy.
package secret
