package jpki_test

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/simcard"
)

// A narrow reader carries replies up to a length, status word included. What is
// longer breaks in it.
type narrow struct {
	*simcard.Card
	limit  int
	broken int
	signed int
}

func (n *narrow) Transmit(command []byte) ([]byte, error) {
	if command[1] == apdu.InsPSO {
		n.signed++
	}
	reply, err := n.Card.Transmit(command)
	if len(reply) > n.limit {
		n.broken++
		return nil, fmt.Errorf("reader: %w", apdu.ErrExchange)
	}
	return reply, err
}

// transmitter hides the other methods of the software card.
type transmitter struct{ apdu.Transmitter }

// A reader that cannot carry 256 bytes reads in smaller pieces, and is found out
// once. What it cannot do, which is to sign, is an error that says so, whether
// the reader was found out before or not.
func TestNarrowReader(t *testing.T) {
	ctx := t.Context()
	digest := sha256.Sum256([]byte("challenge"))
	for _, limit := range []int{257, 256, 255, 200, 130} {
		n := &narrow{Card: simcard.New(), limit: limit}
		card, err := jpki.Open(ctx, transmitter{n})
		require.NoError(t, err)
		require.NoError(t, card.Verify(ctx, mustPIN(t, jpki.AuthPIN, simcard.DefaultAuthPIN)))
		_, err = card.Sign(ctx, jpki.Auth, digest[:], crypto.SHA256)
		require.ErrorIs(t, err, jpki.ErrReaderLimit)
		require.ErrorIs(t, err, apdu.ErrExchange)
		assert.Equal(t, 2, n.broken, "one signature, one read")

		cert, err := card.Certificate(ctx, jpki.Auth)
		require.NoError(t, err)
		assert.True(t, bytes.Equal(n.AuthCertificate().Raw, cert.Raw))
		require.NoError(t, card.Verify(ctx, mustPIN(t, jpki.TextPIN, simcard.DefaultTextPIN)))
		_, err = card.Attributes(ctx)
		require.NoError(t, err)
		require.NoError(t, card.Verify(ctx, mustPIN(t, jpki.VisualNumberB, n.Holder().NumberB())))
		face, err := card.Face(ctx)
		require.NoError(t, err)
		assert.Equal(t, n.Holder().Photo, string(face.Photo()))
		assert.Equal(t, 2, n.broken)

		require.NoError(t, card.Verify(ctx, mustPIN(t, jpki.AuthPIN, simcard.DefaultAuthPIN)))
		_, err = card.Sign(ctx, jpki.Auth, digest[:], crypto.SHA256)
		require.ErrorIs(t, err, jpki.ErrReaderLimit)
		assert.Equal(t, 2, n.signed, "a signature is asked for once")
	}

	n := &narrow{Card: simcard.New(), limit: 258}
	card, err := jpki.Open(ctx, transmitter{n})
	require.NoError(t, err)
	require.NoError(t, card.Verify(ctx, mustPIN(t, jpki.AuthPIN, simcard.DefaultAuthPIN)))
	_, err = card.Sign(ctx, jpki.Auth, digest[:], crypto.SHA256)
	require.NoError(t, err)
	assert.Zero(t, n.broken)
}

// An exchange that breaks for another reason is no limit of the reader's.
func TestBrokenExchange(t *testing.T) {
	ctx := t.Context()
	digest := sha256.Sum256([]byte("challenge"))
	n := &narrow{Card: simcard.New(), limit: 258}
	card, err := jpki.Open(ctx, transmitter{n})
	require.NoError(t, err)
	require.NoError(t, card.Verify(ctx, mustPIN(t, jpki.AuthPIN, simcard.DefaultAuthPIN)))
	n.limit = 1
	_, err = card.Sign(ctx, jpki.Auth, digest[:], crypto.SHA256)
	require.ErrorIs(t, err, apdu.ErrExchange)
	assert.NotErrorIs(t, err, jpki.ErrReaderLimit)
	_, err = card.Certificate(ctx, jpki.Auth)
	require.ErrorIs(t, err, apdu.ErrExchange)
	n.limit = 258
	cert, err := card.Certificate(ctx, jpki.Auth)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(n.AuthCertificate().Raw, cert.Raw))
}
