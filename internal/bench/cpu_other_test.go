//go:build !unix

package bench

import "time"

var start = time.Now()

// cpuTime is the clock's time where there is nothing better.
func cpuTime() time.Duration { return time.Since(start) }
