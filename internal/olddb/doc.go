// Package olddb holds databases that earlier versions of this module wrote, and
// tests that open copies of them with the present code. Each number, ID, ticket
// and balance has to be found as it was left.
//
// testdata/README.md describes the files.
package olddb
