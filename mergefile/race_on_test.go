//go:build race

package mergefile_test

// raceDetector says that everything takes ten times as long.
const raceDetector = true
