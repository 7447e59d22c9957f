//go:build race

package ledger_test

// raceDetector says that everything takes ten times as long.
const raceDetector = true
