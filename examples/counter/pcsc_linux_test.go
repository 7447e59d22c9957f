package main

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/apdu/pcsc"
	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/internal/fakepcscd"
	"github.com/mynakit/mynakit/simcard"
)

// A foreign card lies forgotten on one reader while members use the other, the
// service restarts, and the card of a member can be had again and again.
func TestPCSCReader(t *testing.T) {
	before := goleak.IgnoreCurrent()
	defer func() { assert.NoError(t, dbtest.Leaks(before)) }()
	d := fakepcscd.Start(t, fakepcscd.Config{})
	defer d.Close()
	d.AddReader("Forgotten")
	d.AddReader("Desk")
	d.Insert("Forgotten", simcard.New())
	r := newPCSCReader("auto", time.Minute)
	defer r.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	at := func() string {
		t.Helper()
		c, err := r.WaitCard(ctx)
		require.NoError(t, err)
		defer c.(*contact).Close()
		_, err = apdu.Transmit(ctx, c, nil, []byte{0, 0xA4, 0, 0})
		require.NoError(t, err)
		return c.(*contact).ContextTransmitter.(*pcsc.Card).Reader()
	}
	assert.Equal(t, "Forgotten", at())
	for range 3 {
		left := make(chan error, 1)
		go func() { left <- r.WaitRemoved(ctx) }()
		d.Insert("Desk", simcard.New())
		require.NoError(t, <-left, "another card came")
		assert.Equal(t, "Desk", at())
		assert.Equal(t, "Desk", at(), "it is still there")
		go func() { left <- r.WaitRemoved(ctx) }()
		d.Remove("Desk")
		require.NoError(t, <-left)
		time.Sleep(250 * time.Millisecond) // the same card, if it came sooner
	}
	d.Stop()
	require.Eventually(t, func() bool { _, _, _, err := r.state(); return err != nil }, time.Minute, time.Millisecond)
	_, err := r.WaitCard(ctx)
	assert.ErrorIs(t, err, pcsc.ErrNoService)
	require.NoError(t, d.Resume())
	require.Eventually(t, func() bool { _, _, _, err := r.state(); return err == nil }, time.Minute, time.Millisecond)
	d.Remove("Forgotten")
	d.Insert("Desk", simcard.New())
	assert.Equal(t, "Desk", at())
}

// Of two readers whose names begin alike, the one that is named is used.
func TestPCSCReaderByName(t *testing.T) {
	d := fakepcscd.Start(t, fakepcscd.Config{})
	d.AddReader("Desk")
	d.AddReader("Desk 2")
	exact := newPCSCReader("Desk", time.Minute)
	defer exact.Close()
	assert.True(t, exact.match("Desk"))
	assert.False(t, exact.match("Desk 2"))
	part := newPCSCReader("esk", time.Minute)
	defer part.Close()
	assert.True(t, part.match("Desk 2"))
	none := newPCSCReader("Other", time.Minute)
	defer none.Close()
	_, err := none.WaitCard(t.Context())
	assert.ErrorIs(t, err, pcsc.ErrUnknownReader)
	assert.ErrorContains(t, err, `"Desk 2"`)
}
