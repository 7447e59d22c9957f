package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
)

// The day behind PgBouncer in transaction mode, where each transaction may run
// on another connection.
func TestPooler(t *testing.T) {
	dsn, dir := pg.Pooled(t), filepath.Join(t.TempDir(), "shop")
	for range 2 {
		out := mustCounter(t, "-lang", "en", "-data", dir, "-db", dsn)
		assert.Contains(t, out, "TILL-2")
	}
}
