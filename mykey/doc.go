// Package mykey represents the values and rules of the MyKey platform
// (マイキープラットフォーム): MyKey IDs, Service IDs, municipality codes, dates and
// error codes. Most programs need [ParseID] and [ParseServiceID]. The user
// table that ties these values to a person's card is package
// [github.com/mynakit/mynakit/mykey/registry].
//
// The rules are those of the Ministry's outline of operations
// (マイキープラットフォーム システム設計書(活用マニュアル概要), 2017-05-12), cited by
// section. Where it is silent, the comment at the type states the choice.
//
// # Values
//
// An [ID] is a MyKey ID: eight half-width upper-case letters or digits. A
// [ServiceID] is an operator and the number by which that operator knows the
// holder. A [PPID] is the newer identifier that differs from system to system.
// Each of the three is an [Identifier] by which a person can be found. [Municipality]
// is a local government's code, and [ErrorCode] a code that the platform shows. What
// a terminal is, is in package [github.com/mynakit/mynakit/mykey/terminal]; the
// application for a payment service in
// [github.com/mynakit/mynakit/mykey/payment].
//
// The values compare with ==, parse strictly, and convert to and from text,
// JSON and database columns. A text that does not have the required form is
// refused with a [*FormError], which names the broken rule and never holds the
// text.
//
// # What is not here
//
// What the platform keeps for itself: the password log-in of its page
// (システム設計書 I.6⑤), its mails (I.6⑥), the base municipality and the reserved
// points (I.6⑦), the terminals' IDs and passwords (I.3③④).
package mykey
