package simcard_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/mynakit/mynakit/simcard"
)

const (
	selectLicence   = "00A4040C10 A0000002310600000000000000000000"
	selectResidence = "00A4040C10 D392F0004F0100000000000000000000"
)

// A licence is an application with a free file and a PIN of ten tries.
func TestLicence(t *testing.T) {
	run(t, simcard.New(simcard.WithLicence()), []step{
		{selectLicence, "9000"},
		{"00B09A0003", "C10101 9000"},
		{"00200086", "63CA"},
		{"0020008604 31313131", "63C9"},
		{"0020008604 35363738", "9000"},
		{"00200086", "63CA"},
		{"00A4020C02 001A", "9000"},
		{"00B0000000", "C10101 9000"},
		{"00A4040C10 A0000002310600000000000000000001", "6A82"},
	})
	for _, options := range [][]simcard.Option{nil, {simcard.WithLicence(), simcard.WithKind(simcard.Android)}, {simcard.WithLicence(), simcard.WithKind(simcard.Juki)}} {
		run(t, simcard.New(options...), []step{{selectLicence, "6A82"}})
	}
	assert.Zero(t, simcard.New().Tries(simcard.LicencePIN))
	assert.Equal(t, 10, simcard.New(simcard.WithLicence()).Tries(simcard.LicencePIN))
	assert.Equal(t, 2, simcard.New(simcard.WithLicence(), simcard.WithTries(simcard.LicencePIN, 2)).Tries(simcard.LicencePIN))
}

// A residence card is an Individual Number Card with an application more.
func TestResidenceCard(t *testing.T) {
	card := simcard.New(simcard.WithKind(simcard.Residence))
	run(t, card, []step{
		{selectResidence, "9000"},
		{"00A4040C10 D392F0004F0400000000000000000000", "9000"},
		{"00A4040C10 D392F0004F0500000000000000000000", "6A82"},
		{selectText, "9000"},
		{"00200091", "63C3"},
	})
	assert.True(t, card.Holder().Foreign)
	run(t, simcard.New(), []step{{selectResidence, "6A82"}})
}
