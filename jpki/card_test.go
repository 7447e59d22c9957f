package jpki

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
)

func TestOpen(t *testing.T) {
	for _, tt := range []struct {
		name  string
		steps []step
		is    error // nil: opens
	}{
		{"selects in one exchange", []step{{selectJPKI, done}}, nil},
		{"asks again after 6F00", []step{{selectJPKI, "6F00"}, {selectJPKI, done}}, nil},
		{"and only once", []step{{selectJPKI, "6F00"}, {selectJPKI, "6F00"}}, apdu.NoPreciseDiagnosis},
		{"takes an unasked-for FCI", []step{{selectJPKI, "6F00 9000"}}, nil},
		{"another card", []step{{selectJPKI, "6A82"}}, ErrNotJPKI},
		{"another card after 6F00", []step{{selectJPKI, "6F00"}, {selectJPKI, "6A82"}}, ErrNotJPKI},
		{"a card without SELECT", []step{{selectJPKI, "6D00"}}, ErrNotJPKI},
		{"a card of another class", []step{{selectJPKI, "6E00"}}, ErrNotJPKI},
		{"another refusal", []step{{selectJPKI, "6985"}}, apdu.ConditionsNotSatisfied},
		{"removed", []step{{selectJPKI, ""}}, apdu.ErrCardRemoved},
		{"torn", []step{{selectJPKI, "90"}}, apdu.ErrCardRemoved},
		{"dead link", []step{{selectJPKI, errLink}}, errLink},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &script{t: t, steps: tt.steps}
			c, err := Open(context.Background(), s)
			assert.Equal(t, len(tt.steps), s.next)
			if tt.is == nil {
				require.NoError(t, err)
				assert.Equal(t, len(tt.steps), c.Stats().Exchanges)
				return
			}
			assert.Nil(t, c)
			require.ErrorIs(t, err, tt.is)
			requireStep(t, err, "select application")
			assert.Equal(t, tt.is == ErrNotJPKI, isNotJPKI(err))
		})
	}
}

func isNotJPKI(err error) bool {
	return statusIn(err, apdu.FileNotFound, apdu.InsNotSupported, apdu.ClaNotSupported)
}

func TestContextEndsBeforeTheCard(t *testing.T) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := Open(ended, &script{t: t})
	require.ErrorIs(t, err, context.Canceled)
	requireStep(t, err, "select application")

	c := play(t, nil)
	pin, err := NewPIN(AuthPIN, "1234")
	require.NoError(t, err)
	for name, call := range map[string]func() error{
		"read serial of auth certificate": func() error { _, err := c.Serial(ended, Auth); return err },
		"read auth certificate":           func() error { _, err := c.Certificate(ended, Auth); return err },
		"look for auth certificate":       func() error { _, err := c.HasCertificate(ended, Auth); return err },
		"read token information":          func() error { _, err := c.Kind(ended); return err },
		"count auth PIN tries":            func() error { _, err := c.Tries(ended, AuthPIN); return err },
	} {
		err := call()
		require.ErrorIs(t, err, context.Canceled, name)
		requireStep(t, err, name)
	}
	assert.ErrorIs(t, c.Verify(ended, pin), context.Canceled)
	assert.Equal(t, 1, c.Stats().Exchanges)
}

// A silent reader blocks the call that waits for it, and nobody else's
// deadline.
func TestWaitingCallerCanLeave(t *testing.T) {
	c := play(t, nil)
	entered, release := make(chan struct{}), make(chan struct{})
	c.channel.Transmitter = transmitFunc(func([]byte) ([]byte, error) {
		close(entered)
		<-release
		return []byte{0x63, 0xC3}, nil
	})
	var wg sync.WaitGroup
	wg.Go(func() {
		left, err := c.Tries(context.Background(), AuthPIN)
		assert.NoError(t, err)
		assert.Equal(t, 3, left)
	})
	<-entered
	assert.Equal(t, 1, c.Stats().Exchanges, "Stats does not wait")
	ctx, cancel := context.WithCancel(context.Background())
	wg.Go(func() {
		_, err := c.Kind(ctx)
		assert.ErrorIs(t, err, context.Canceled)
		close(release)
	})
	cancel()
	wg.Wait()
}

type transmitFunc func([]byte) ([]byte, error)

func (f transmitFunc) Transmit(command []byte) ([]byte, error) { return f(command) }
