package phone

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/apdu/vpcd"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/simcard"
)

// A phone that has left is noticed, and another may come; two users of the card
// wait for each other, as long as their contexts let them.
func TestPhoneLeaves(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := Listen("127.0.0.1:0", time.Minute, func(string) {})
	require.NoError(t, err)
	address := strings.TrimPrefix(r.listener.URL(), "vpcd://")
	software := simcard.New()
	connect := func() <-chan *vpcd.Slot {
		came := make(chan *vpcd.Slot, 1)
		go func() {
			phone, err := vpcd.Insert(ctx, address, software)
			assert.NoError(t, err)
			came <- phone
		}()
		return came
	}
	card := func() *Contact {
		c, err := r.WaitCard(ctx)
		require.NoError(t, err)
		_, err = jpki.Open(ctx, c)
		require.NoError(t, err)
		return c
	}

	_, err = r.Open(ctx)
	require.ErrorIs(t, err, apdu.ErrCardRemoved)
	came := connect()
	held := card()
	first := <-came
	early, stop := context.WithCancel(ctx)
	stop()
	_, err = r.WaitCard(early)
	assert.ErrorIs(t, err, context.Canceled, "somebody has the card")
	require.NoError(t, held.Close())
	require.NoError(t, held.Close(), "once is enough")
	was := r.last.Load()
	gone, err := r.gone(ctx, was)
	require.NoError(t, err)
	assert.False(t, gone)

	first.Remove()
	<-first.Done()
	require.NoError(t, r.WaitRemoved(ctx))
	_, err = r.Open(ctx)
	require.ErrorIs(t, err, apdu.ErrCardRemoved)
	came = connect()
	require.NoError(t, r.Connect(ctx))
	gone, err = r.gone(ctx, was)
	require.NoError(t, err)
	assert.True(t, gone, "another phone is not the one that left")
	c, err := r.Open(ctx)
	require.NoError(t, err)
	opened, err := jpki.Open(ctx, c)
	require.NoError(t, err)
	pin, err := jpki.NewPIN(jpki.AuthPIN, simcard.DefaultAuthPIN)
	require.NoError(t, err)
	require.NoError(t, opened.Verify(ctx, pin))
	require.True(t, software.Verified(simcard.AuthPIN))
	require.NoError(t, c.Close())
	require.False(t, software.Verified(simcard.AuthPIN), "the next user is not the last one")
	second := <-came
	require.NoError(t, r.Close())
	<-second.Done()
}
