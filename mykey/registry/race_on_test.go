//go:build race

package registry_test

// raceEnabled makes the longest runs shorter: the race detector slows the
// database in pure Go down twentyfold.
const raceEnabled = true
