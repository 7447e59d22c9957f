// Package payment has the forms of the マイナポイント application (マイナポイントの申込): what a
// cashless service asks for, and what its page asks of a holder before.
//
// [Rules] is the table of the services. [Rules.Search] finds one by a keyword, and
// [Rules.Check] checks an [Application]. Package registry records it.
//
// A service gives out payment service ID (決済サービスID) and security code on a page of
// its own. [ParseOTP] and [ParsePagePassword] check what is typed there.
package payment
