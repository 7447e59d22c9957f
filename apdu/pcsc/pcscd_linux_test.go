package pcsc_test

import (
	"testing"

	"github.com/mynakit/mynakit/apdu/vpcd"
	"github.com/mynakit/mynakit/internal/fakepcscd"
	"github.com/mynakit/mynakit/internal/readertest"
	"github.com/mynakit/mynakit/simcard"
)

func TestConformance(t *testing.T) {
	for name, config := range versions() {
		t.Run(name, func(t *testing.T) {
			readertest.Conform(t, func(t *testing.T) readertest.World {
				d := fakepcscd.Start(t, config)
				d.AddReader("Another")
				d.AddReader("Desk 00 00")
				return readertest.World{
					Reader:     "Desk 00 00",
					Attributes: map[uint32][]byte{0x00090303: simcard.New().ATR()},
					Insert: func(t *testing.T, card vpcd.Card) func() {
						d.Insert("Desk 00 00", card)
						return func() { d.Remove("Desk 00 00") }
					},
				}
			})
		})
	}
}
