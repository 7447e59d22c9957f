package simcard_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/mynakit/mynakit/simcard"
)

// The four applications beside JPKI as the reference has them, written down a
// second time: which value a file compares, and which of them open which file.
type modelEntry struct {
	app   string // how it is selected
	file  byte
	which simcard.PIN
	limit int
	value string
	by    byte // what changes it: 24, 32 or nothing
}

type modelRead struct {
	app  string
	file byte
	open []simcard.PIN // none: free
}

func modelOf(h simcard.Holder) ([]modelEntry, []modelRead) {
	const juki = "\x00\xA4\x04\x0C\x0A\xD3\x92\x10\x00\x31\x00\x01\x01\x04\x01"
	a, b := h.NumberA(), h.NumberB()
	return []modelEntry{
			{textAID, 0x11, simcard.TextPIN, 3, "2345", 0x24},
			{textAID, 0x14, simcard.TextNumberA, 10, a, 0},
			{textAID, 0x15, simcard.TextNumberB, 10, b, 0},
			{visualAID, 0x11, simcard.BirthKey, 10, h.BirthKey(), 0},
			{visualAID, 0x12, simcard.VisualNumberB, 10, b, 0},
			{visualAID, 0x13, simcard.VisualNumberA, 10, a, 0},
			{commonAID, 0x1C, simcard.CommonPIN, 3, "3456", 0x32},
			{juki, 0x1C, simcard.JukiPIN, 3, "4567", 0x32},
		}, []modelRead{
			{textAID, 0x01, []simcard.PIN{simcard.TextPIN, simcard.TextNumberA}},
			{textAID, 0x02, []simcard.PIN{simcard.TextPIN, simcard.TextNumberB}},
			{textAID, 0x03, []simcard.PIN{simcard.TextPIN, simcard.TextNumberA, simcard.TextNumberB}},
			{textAID, 0x04, nil}, {textAID, 0x05, nil},
			{textAID, 0x06, []simcard.PIN{simcard.TextPIN, simcard.TextNumberA, simcard.TextNumberB}},
			{textAID, 0x07, []simcard.PIN{simcard.TextPIN, simcard.TextNumberA, simcard.TextNumberB}},
			{visualAID, 0x01, []simcard.PIN{simcard.BirthKey}},
			{visualAID, 0x02, []simcard.PIN{simcard.VisualNumberA, simcard.VisualNumberB}},
			{visualAID, 0x03, nil}, {visualAID, 0x04, nil},
			{visualAID, 0x05, []simcard.PIN{simcard.VisualNumberA}},
			{visualAID, 0x06, []simcard.PIN{simcard.VisualNumberA, simcard.VisualNumberB}},
		}
}

func TestApplicationsAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		card := simcard.New()
		entries, reads := modelOf(card.Holder())
		tries, verified := map[simcard.PIN]int{}, map[simcard.PIN]bool{}
		for _, e := range entries {
			tries[e.which] = e.limit
		}
		current := ""
		send := func(command string) string {
			reply, err := card.Transmit([]byte(command))
			if err != nil {
				t.Fatal(err)
			}
			return fmt.Sprintf("%X", reply[len(reply)-2:])
		}
		expect := func(want, got string) {
			t.Helper()
			if got != want {
				t.Fatalf("got %s, want %s", got, want)
			}
		}
		which := rapid.IntRange(0, len(entries)-1)
		enter := func(app string) {
			expect("9000", send(app))
			if app != current {
				clear(verified)
			}
			current = app
		}
		t.Repeat(map[string]func(*rapid.T){
			"select": func(t *rapid.T) { enter(entries[which.Draw(t, "of")].app) },
			"verify": func(t *rapid.T) {
				e := &entries[which.Draw(t, "of")]
				enter(e.app)
				value := rapid.SampledFrom([]string{e.value, e.value, "0000", entries[0].value, "99999999999999"}).Draw(t, "value")
				got := send("\x00\x20\x00" + string([]byte{0x80 | e.file, byte(len(value))}) + value)
				switch {
				case tries[e.which] == 0:
					expect("6984", got)
				case value == e.value:
					expect("9000", got)
					tries[e.which], verified[e.which] = e.limit, true
				default:
					tries[e.which]--
					verified[e.which] = false
					expect(fmt.Sprintf("63C%X", tries[e.which]), got)
				}
			},
			"counter": func(t *rapid.T) {
				e := &entries[which.Draw(t, "of")]
				enter(e.app)
				expect(fmt.Sprintf("63C%X", tries[e.which]), send("\x00\x20\x00"+string([]byte{0x80 | e.file})))
			},
			"change": func(t *rapid.T) {
				e := &entries[which.Draw(t, "of")]
				enter(e.app)
				fresh := rapid.SampledFrom([]string{"7777", "8888", "abcd"}).Draw(t, "value")
				ins := rapid.SampledFrom([]byte{0x24, 0x32}).Draw(t, "by")
				command := map[byte]string{0x24: "\x00\x24\x01", 0x32: "\x80\x32\x00"}[ins]
				got := send(command + string([]byte{0x80 | e.file, 4}) + fresh)
				switch {
				case ins != e.by:
					expect("6985", got)
				case tries[e.which] == 0:
					expect("6984", got)
				case !verified[e.which]:
					expect("6982", got)
				case fresh == "abcd":
					expect("6A80", got)
				default:
					expect("9000", got)
					e.value = fresh
				}
			},
			"read": func(t *rapid.T) {
				r := rapid.SampledFrom(reads).Draw(t, "file")
				enter(r.app)
				open := len(r.open) == 0
				for _, p := range r.open {
					open = open || verified[p]
				}
				want := map[bool]string{true: "9000", false: "6982"}[open]
				expect(want, send("\x00\xB0"+string([]byte{0x80 | r.file})+"\x00\x01"))
			},
			"leave": func(t *rapid.T) { enter("\x00\xA4\x04\x0C\x07\xA0\x00\x00\x01\x51\x00\x00") },
			"power": func(t *rapid.T) {
				card.PowerOff()
				card.PowerOn()
				clear(verified)
				current = ""
			},
			"": func(t *rapid.T) {
				for _, e := range entries {
					if card.Tries(e.which) != tries[e.which] || card.Verified(e.which) != verified[e.which] {
						t.Fatalf("%d: card has %d %v, model %d %v", e.which, card.Tries(e.which), card.Verified(e.which), tries[e.which], verified[e.which])
					}
				}
			},
		})
	})
}
