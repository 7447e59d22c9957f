package apdu_test

import (
	"io"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/mynakit/mynakit/apdu"
)

type closer struct{ closed bool }

func (c *closer) Transmit([]byte) ([]byte, error) { return []byte{0x90, 0}, nil }
func (c *closer) Close() error                    { c.closed = true; return nil }

// What a transport can do is found through what wraps it.
func TestAs(t *testing.T) {
	c := &closer{}
	traced := apdu.Trace(apdu.Trace(c, slog.New(slog.DiscardHandler)), slog.New(slog.DiscardHandler))
	found, ok := apdu.As[io.Closer](traced)
	assert.True(t, ok)
	assert.Same(t, c, found)
	itself, ok := apdu.As[apdu.ContextTransmitter](traced)
	assert.True(t, ok)
	assert.Same(t, traced, itself)
	_, ok = apdu.As[apdu.Transactor](traced)
	assert.False(t, ok)
	_, ok = apdu.As[io.Closer](nil)
	assert.False(t, ok)
	_, ok = apdu.As[io.Closer](apdu.Trace(nil, slog.New(slog.DiscardHandler)))
	assert.False(t, ok)
}
