package simcard

import (
	"fmt"
	"strings"
	"time"
)

// The samples that are not a kind but a plastic card to which something
// happened, or of another holder.
const (
	sampleExpired   = "expired"
	sampleRevoked   = "revoked"
	sampleForeigner = "foreign-resident"
)

// SampleNames returns the names that [Sample] knows: those of the kinds, and
// "expired", "revoked" and "foreign-resident". The slice is new.
func SampleNames() []string {
	names := make([]string, 0, len(kinds)+3)
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return append(names, sampleExpired, sampleRevoked, sampleForeigner)
}

// Sample returns the options of a card that comes to a counter, by its name in
// [SampleNames]. The card is of the invented holder of that number; 0 is the
// usual holder of that kind, of a child's card a child. A card that is revoked
// was revoked at the time now.
func Sample(name string, holder uint, now time.Time) ([]Option, error) {
	if name == sampleForeigner {
		return []Option{WithHolder(SampleForeigner(holder))}, nil
	}
	var options []Option
	switch {
	case holder == 0:
	case name == Residence.String():
		options = append(options, WithHolder(SampleForeigner(holder)))
	default:
		options = append(options, WithHolder(SampleHolder(holder)))
	}
	switch name {
	case sampleExpired:
		return append(options, WithExpired()), nil
	case sampleRevoked:
		return append(options, WithRevoked(now)), nil
	}
	var kind Kind
	if err := kind.UnmarshalText([]byte(name)); err != nil {
		return nil, fmt.Errorf("%w; there are %s", err, strings.Join(SampleNames(), ", "))
	}
	return append(options, WithKind(kind)), nil
}
