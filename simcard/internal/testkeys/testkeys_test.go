package testkeys

import (
	"crypto/rsa"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestKeysAreWholeAndDifferent(t *testing.T) {
	seen := map[string]bool{}
	for i, key := range slices.Concat(keys, face) {
		key := key()
		require.NoError(t, key.Validate())
		assert.Equal(t, 2048, key.N.BitLen())
		assert.False(t, seen[key.N.String()], "key %d is there twice", i)
		seen[key.N.String()] = true
	}
	for _, file := range []struct {
		der   []byte
		count int
	}{{der, Count}, {faceDER, FaceCount}} {
		rest := file.der
		for range file.count {
			rest = rest[size(rest):]
		}
		assert.Empty(t, rest)
	}
	assert.Same(t, Auth(1), Auth(1+Pairs))
	assert.Same(t, Sign(3), Sign(3+Pairs))
	assert.NotSame(t, Auth(1), Sign(1))
	assert.Same(t, Card(1, CardText), Card(1+Sets, CardText))
	assert.Same(t, face[FaceCount-1](), Card(Sets-1, CardSession))
	assert.NotContains(t, []*rsa.PrivateKey{Face(FaceVisualRoot), Face(FaceCardSubject)}, Card(0, CardVisual))
}
