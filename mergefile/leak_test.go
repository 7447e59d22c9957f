package mergefile_test

import (
	"runtime/debug"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// Files of a megabyte come and go while little stays. Collected as often as is
	// usual, that is a fifth of what the larger tests take.
	debug.SetGCPercent(400)
	goleak.VerifyTestMain(m)
}
