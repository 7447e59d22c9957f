package terminal

import "strings"

// Kind is what a terminal does (マイキープラットフォーム等活用端末, システム設計書
// I.3①). A terminal may do several: join them with |.
type Kind uint8

const (
	Service Kind = 1 << iota // (ア) checks Service IDs: library counter, shop with a point system
	Point                    // (イ) takes points: museum counter, shop
	Ticket                   // (ウ) issues point tickets
	Grant                    // (エ) grants points: the municipality's PC and mobile devices

	allKinds = Service | Point | Ticket | Grant
)

// Counted returns the kinds as which a terminal is counted in form I (様式I): one
// that is both (ア) and (イ) counts as (ア) (システム設計書 I.3②). Of other
// combinations the document says nothing, and each kind counts.
func (k Kind) Counted() Kind {
	if k&Service != 0 {
		k &^= Point
	}
	return k & allKinds
}

// String returns the Japanese letters of the kinds: ア, イ, ウ, エ.
func (k Kind) String() string {
	var b strings.Builder
	for i, name := range [...]string{"ア", "イ", "ウ", "エ"} {
		if k&(1<<i) != 0 {
			b.WriteString(name)
		}
	}
	return b.String()
}

// Valid reports whether k is at least one of the four kinds, and nothing beside
// them.
func (k Kind) Valid() bool { return k != 0 && k&^allKinds == 0 }
