package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
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
