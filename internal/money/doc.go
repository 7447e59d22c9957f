// Package money proves that the keepers of money agree: the user table, the ledger
// of points, the book of tickets, the outbox of merge files and the mall's ledger,
// joined by their hooks as a program joins them. It holds tests alone.
package money
