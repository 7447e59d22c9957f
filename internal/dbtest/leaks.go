package dbtest

import (
	"time"

	"go.uber.org/goleak"
)

// Leaks returns an error that names the goroutines that are left when a test, or all
// tests of a package, are done and their servers have ended. What is on its way out
// has twenty seconds. The options are goleak's: what was there before a test is its
// IgnoreCurrent.
func Leaks(options ...goleak.Option) error {
	for end := time.Now().Add(20 * time.Second); ; {
		if err := goleak.Find(options...); err == nil || time.Now().After(end) {
			return err
		}
	}
}
