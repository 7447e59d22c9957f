package main

import (
	"bytes"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/examples/internal/console"
	"github.com/mynakit/mynakit/examples/internal/speak"
	"github.com/mynakit/mynakit/mergefile"
)

// The prober's few hundred steps have a bar when they take long, without units.
func TestSteps(t *testing.T) {
	var screen bytes.Buffer
	s := steps{to: &screen, began: time.Unix(100, 0)}
	s.at(time.Unix(100, 0), "probing", 0, 300)
	s.at(time.Unix(100, 9e8), "probing", 100, 300)
	assert.Empty(t, screen.String())
	s.at(time.Unix(102, 0), "probing", 150, 300)
	assert.Contains(t, screen.String(), "probing")
	assert.Contains(t, screen.String(), "50%")
	assert.NotContains(t, screen.String(), "B")
	s.done()

	hidden := steps{began: time.Unix(100, 0)}
	hidden.at(time.Unix(200, 0), "probing", 1, 300)
	hidden.done()
}

// A file that is too large is not read to be told so.
func TestTooLargeToDiagnose(t *testing.T) {
	s := newShop(t, "")
	require.NoError(t, os.WriteFile(s.path("large"), nil, 0o600))
	require.NoError(t, os.Truncate(s.path("large"), mergefile.DefaultMaxSize+1))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	assert.Equal(t, exitError, run(t.Context(), []string{"inspect", "-diagnose", "-key-file", s.path("k"), "-secret-file", s.path("s"), s.path("large")}, console.To(os.Stdout), speak.VoiceIn("en")))
	runtime.ReadMemStats(&after)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(16<<20))
}
