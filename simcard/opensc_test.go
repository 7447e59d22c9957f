package simcard_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/mynakit/mynakit/simcard"
)

// What OpenSC 0.23 sends for pkcs15-tool --read-certificate 1: its probes for
// other cards, then the reading. Every status word and every length counts: a
// probe that succeeds makes OpenSC take the card for another one.
func TestOpenSCConversation(t *testing.T) {
	steps := []step{
		{"00A4040007627601FF000000", "6A82"},
		{"00A4040006A00000000101", "6A82"},
		{"00A404000BE82B0601040181C31F020100", "6A82"},
		{"00A4040C0FD23300000045737445494420763335", "6A82"},
		{"00CADF3005", "6A88"},
		{"00CB3FFF035C017E08", "6D00"},
		{"00A4040009A0000003080000100000", "6A82"},
		{"00A4040009A0000003080000100000", "6A82"},
		{"00A4040C07A000000116DB0000", "6A82"},
		{"00A4040C07A000000079100000", "6A82"},
		{"00A4040C07A000000079010000", "6A82"},
		{"00A4040C07A000000079010100", "6A82"},
		{"00A4040C07A000000079010200", "6A82"},
		{"00A4040C07A000000079010300", "6A82"},
		{"00A4040C07A000000079010400", "6A82"},
		{"00A4040C07A000000079010500", "6A82"},
		{"00A4040C07A000000079010600", "6A82"},
		{"00A4040C07A000000079010700", "6A82"},
		{"00A4040C07A000000079010800", "6A82"},
		{"00A4040C07A000000079010900", "6A82"},
		{"00A4040C07A000000079010A00", "6A82"},
		{"00A4040C07A000000079010B00", "6A82"},
		{"00A4040C07A000000079010C00", "6A82"},
		{"00A4040C07A000000079010D00", "6A82"},
		{"00A4040C07A000000079010E00", "6A82"},
		{"00A4040C07A000000079010F00", "6A82"},
		{"00A404000CF276A288BCFBA69D34F31001", "6A82"},
		{"00A4040009A0000003974254465900", "6A82"},
		{"00A4040006D2760001240100", "6A82"},
		{"00A4040C0AD392F000260100000001", "9000"},
		{"00A4020C020018", "9000"},
		{"00200080", "63C3"},
		{"00A4020C02001B", "9000"},
		{"00200080", "63C5"},
		{"00A4020C02000A", "9000"},
	}

	card := simcard.New()
	size := len(card.AuthCertificate().Raw)
	steps = append(steps, step{"00B0000004", fmt.Sprintf("3082%04X 9000", size-4)})
	offset := 0
	for ; size-offset >= 256; offset += 256 {
		steps = append(steps, step{fmt.Sprintf("00B0%04X00", offset), "256*9000"})
	}
	steps = append(steps, step{fmt.Sprintf("00B0%04X%02X", offset, size-offset), fmt.Sprintf("%d*9000", size-offset)})
	run(t, card, steps)
	assert.Equal(t, 3, card.Tries(simcard.AuthPIN))
	assert.Equal(t, 5, card.Tries(simcard.SignPIN))
}
