package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The committed vectors are what this program writes, all of them and no more.
func TestCommittedVectors(t *testing.T) {
	want := vectors()
	assert.GreaterOrEqual(t, len(want), 200)
	committed, err := filepath.Glob(filepath.Join("..", "vectors", "*.vec"))
	require.NoError(t, err)
	assert.Len(t, committed, len(want))
	for name, data := range want {
		got, err := os.ReadFile(filepath.Join("..", "vectors", name))
		require.NoError(t, err)
		assert.True(t, string(data) == string(got), "%s is not what the generator writes", name)
	}
}
