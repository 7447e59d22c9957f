package dbtest

import (
	"time"

	"go.uber.org/goleak"
)

// Leaks returns an error that names the goroutines that are left when all tests of
// a package are done and its servers have ended. What is on its way out has
// twenty seconds.
func Leaks() error {
	for end := time.Now().Add(20 * time.Second); ; {
		if err := goleak.Find(); err == nil || time.Now().After(end) {
			return err
		}
	}
}
