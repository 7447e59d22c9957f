package survey_test

import (
	"context"
	"fmt"
	"log"

	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/simcard/survey"
)

// A card is held against the software card of its kind.
func ExampleCompare() {
	ctx := context.Background()
	card := simcard.New(simcard.WithQuirks(simcard.Quirks{NoExtendedLength: true})) // or the card in a reader
	report, err := survey.Run(ctx, card, survey.Options{})
	if err != nil {
		log.Fatal(err)
	}
	reference, err := survey.Reference(ctx, report)
	if err != nil {
		log.Fatal(err)
	}
	for _, d := range survey.Compare(report, reference) {
		if d.Step == "border/read in extended length" {
			fmt.Println(d)
		}
	}
	// Output: border/read in extended length: 6700, the software card: 9000, 129 to 256 bytes, binary (docs/card.md, Commands: Extended length)
}
