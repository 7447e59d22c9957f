package e2e

import (
	"context"
	"crypto/x509"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/jpki/cms"
	"github.com/mynakit/mynakit/simcard"
)

// Both certificates of every kind of card verify, and what they say of the
// holder is what the holder is.
func TestVerifierOnCards(t *testing.T) {
	ctx := context.Background()
	for n := range uint(12) {
		holder := simcard.SampleHolder(n)
		card := newCard(simcard.WithHolder(holder))
		v, err := jpki.NewVerifier([]*x509.Certificate{card.Authority().Auth().Certificate(), card.Authority().Sign().Certificate()})
		require.NoError(t, err)
		c := open(t, card)
		verified(t, c, jpki.SignPIN, signPIN)
		auth, err := c.Certificate(ctx, jpki.Auth)
		require.NoError(t, err)
		sign, err := c.Certificate(ctx, jpki.Sign)
		require.NoError(t, err)
		_, err = v.Verify(ctx, auth, jpki.Auth)
		require.NoError(t, err)
		got, err := v.Verify(ctx, sign, jpki.Sign)
		require.NoError(t, err)
		data, err := got.HolderData()
		require.NoError(t, err)
		assert.Equal(t, holder.Name, data.Name())
		assert.Equal(t, holder.Address, data.Address())
		assert.EqualValues(t, holder.Sex, data.Sex())
		assert.Equal(t, holder.Birth.Format("2006-01-02"), data.Birth().String())
		era, _, ok := data.Birth().Era()
		require.True(t, ok)
		assert.Equal(t, era, data.BirthEra())
	}
}

// An expired card: the certificate says so, to the day, and the error does not
// say the day, which is a birthday.
func TestVerifierOnExpiredCard(t *testing.T) {
	ctx := context.Background()
	card := newCard(simcard.WithIssued(time.Date(2018, time.May, 1, 0, 0, 0, 0, time.UTC)))
	v, err := jpki.NewVerifier([]*x509.Certificate{card.Authority().Auth().Certificate()})
	require.NoError(t, err)
	cert, err := open(t, card).Certificate(ctx, jpki.Auth)
	require.NoError(t, err)
	_, err = v.VerifyAt(ctx, cert, jpki.Auth, cert.NotAfter)
	require.NoError(t, err)
	_, err = v.VerifyAt(ctx, cert, jpki.Auth, cert.NotAfter.Add(time.Second))
	require.ErrorIs(t, err, jpki.ErrExpired)
	text := fmt.Sprintf("%v %+v", err, err)
	assert.Empty(t, leaks(text, secrets(card)))
	assert.NotContains(t, text, cert.NotAfter.Format("2006"))
}

// Two cards of one holder number: the signature of the one is not that of the
// other.
func TestCMSOfAnotherCard(t *testing.T) {
	ctx := context.Background()
	mine, other := newCard(), newCard(simcard.WithHolder(simcard.SampleHolder(1)))
	v, err := jpki.NewVerifier([]*x509.Certificate{mine.Authority().Sign().Certificate()})
	require.NoError(t, err)
	c := open(t, mine)
	verified(t, c, jpki.SignPIN, signPIN)
	key, err := c.Signer(ctx, jpki.Sign)
	require.NoError(t, err)
	message, err := cms.Sign(ctx, key, signedContent)
	require.NoError(t, err)
	m, err := cms.Verify(ctx, v, jpki.Sign, message)
	require.NoError(t, err)
	require.Equal(t, mine.SignCertificate().Raw, m.Signer.Certificate().Raw)
	require.NotEqual(t, other.SignCertificate().Raw, m.Signer.Certificate().Raw)
	assert.Empty(t, leaks(fmt.Sprintf("%v %+v %#v", m, m, m), secrets(mine)))

	// The card leaves before it signs.
	mine.Remove()
	_, err = cms.Sign(ctx, key, signedContent)
	require.Error(t, err)
	assert.Empty(t, leaks(err.Error(), secrets(mine)))
}
