//go:build race

package mykey_test

// raceEnabled makes the longest runs shorter: the race detector slows the
// database in pure Go down twentyfold.
const raceEnabled = true
