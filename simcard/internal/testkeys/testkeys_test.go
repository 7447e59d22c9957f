package testkeys

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestKeysAreWholeAndDifferent(t *testing.T) {
	seen := map[string]bool{}
	for i := range keys {
		key := keys[i]()
		require.NoError(t, key.Validate())
		assert.Equal(t, 2048, key.N.BitLen())
		assert.False(t, seen[key.N.String()], "key %d is there twice", i)
		seen[key.N.String()] = true
	}
	rest := der
	for range Count {
		rest = rest[size(rest):]
	}
	assert.Empty(t, rest)
	assert.Same(t, Auth(1), Auth(1+Pairs))
	assert.Same(t, Sign(3), Sign(3+Pairs))
	assert.NotSame(t, Auth(1), Sign(1))
}
