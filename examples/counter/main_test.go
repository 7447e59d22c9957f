package main

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/simcard"
)

func TestRun(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(context.Background(), &out, simcard.New()))
	assert.Contains(t, out.String(), "1. A card is tapped.")
	assert.Contains(t, out.String(), "   2 exchanges, 60 bytes")
	assert.Contains(t, out.String(), "the signature is good")
	assert.NotContains(t, out.String(), simcard.DefaultAuthPIN)
	serial, err := jpki.SerialOf(simcard.New().AuthCertificate())
	require.NoError(t, err)
	assert.NotContains(t, out.String(), serial.Hex())
}

func TestRunWithoutACard(t *testing.T) {
	card := simcard.New()
	card.Remove()
	var out bytes.Buffer
	assert.ErrorIs(t, run(context.Background(), &out, card), apdu.ErrCardRemoved)
}
