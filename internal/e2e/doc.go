// Package e2e holds the tests that bring packages together which otherwise do
// not know each other: the client of a card and the software card. Each of the
// two is written from the card's specification by itself, so that a wrong byte
// in one is not excused by the same wrong byte in the other.
//
// There is nothing here but tests.
package e2e
