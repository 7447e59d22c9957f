package ledger

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// A sum of points that does not fit stays at the greatest number there is.
func TestPointsDoNotWrap(t *testing.T) {
	for _, tt := range [][3]uint64{{0, 0, 0}, {1, 2, 3}, {math.MaxUint64, 0, math.MaxUint64}, {math.MaxUint64 - 1, 1, math.MaxUint64},
		{math.MaxUint64 - 1, 2, math.MaxUint64}, {math.MaxUint64, math.MaxUint64, math.MaxUint64}, {1, math.MaxUint64, math.MaxUint64}} {
		assert.Equal(t, tt[2], addPoints(tt[0], tt[1]))
	}
}

// SetGroupTime sets how long a group of a receiver may take.
func SetGroupTime(r *Receiver, d time.Duration) { r.groupTime = d }

// A key shows nothing of itself when its methods are called by name.
func TestRedactedByName(t *testing.T) {
	assert.Equal(t, "[redacted]", Key{}.String())
	assert.Equal(t, "[redacted]", fmt.Sprintf("%x", Key{}))
}
