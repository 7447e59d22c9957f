package control

import (
	"fmt"
	"time"

	"github.com/mynakit/mynakit/simcard/link"
)

// A Speed is the body of PUT /v1/link: how fast the card is. The zero Speed is
// a card that takes no time.
type Speed struct {
	Rate    int  `json:"rate,omitempty"`     // of the contactless link in kbit/s: 106, 212, 424 or 848
	Sleep   bool `json:"sleep,omitempty"`    // exchanges take that time; otherwise it is only added up
	DelayMS int  `json:"delay_ms,omitempty"` // each exchange takes so many milliseconds more, with sleep or without
}

// rates are the rates of package link.
var rates = map[int]link.Rate{106: link.Rate106, 212: link.Rate212, 424: link.Rate424, 848: link.Rate848}

// SetSpeed sets how fast the card is, as PUT /v1/link does. What was added up
// begins again at nothing. It fails with an [*Error].
func (s *Slot) SetSpeed(speed Speed) error {
	if speed.DelayMS < 0 || speed.DelayMS > int(longestDelay.Milliseconds()) {
		return badField("delay_ms", fmt.Sprintf("outside 0 to %d", longestDelay.Milliseconds()))
	}
	card := &link.Card{Next: s.faults, Sleep: speed.Sleep || speed.DelayMS > 0}
	if speed.Rate != 0 {
		rate, ok := rates[speed.Rate]
		if !ok {
			return badField("rate", "not 106, 212, 424 or 848")
		}
		card.Model = link.Contactless{Rate: rate}
	}
	if delay := time.Duration(speed.DelayMS) * time.Millisecond; delay > 0 {
		card.Processing = func([]byte) time.Duration { return delay }
	}
	s.change(func() { s.linkSpec = speed })
	s.link.Store(card)
	return nil
}
