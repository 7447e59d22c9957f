//go:build race

package ticket_test

// The race detector's own allocations would be counted.
const raceDetector = true
