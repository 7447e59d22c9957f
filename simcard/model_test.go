package simcard_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/mynakit/mynakit/simcard"
)

// A model is the card's state as the reference describes it, written down a
// second time and in another way: sets and numbers, no files.
type model struct {
	card     *simcard.Card
	inside   bool // the JPKI application is current
	file     byte // the current file, 0 for none
	pin      [2]string
	tries    [2]int
	verified [2]bool
	reselect bool // re-selecting forgets
}

var (
	modelLimit  = [2]int{3, 5}
	modelFile   = [2]byte{0x18, 0x1B}
	modelKey    = [2]byte{0x17, 0x1A}
	modelValues = [2][]string{{"1234", "0000", "123"}, {"ABC123", "abc123", "ZZZ999"}}
)

func (m *model) expect(t *rapid.T, want, format string, args ...any) {
	t.Helper()
	if got := fmt.Sprintf(format, args...); got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
}

func (m *model) send(t *rapid.T, command string) string {
	t.Helper()
	reply, err := m.card.Transmit([]byte(command))
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%X", reply[len(reply)-2:])
}

func (m *model) forget() { m.verified = [2]bool{} }

// name returns P2 for a file, by its short identifier or by selecting it.
func (m *model) name(t *rapid.T, file byte) byte {
	if !rapid.Bool().Draw(t, "by short identifier") {
		m.send(t, "\x00\xA4\x02\x0C\x02\x00"+string([]byte{file}))
		if m.inside {
			m.file = file
		}
		return 0x80
	}
	if m.inside {
		m.file = file
	}
	return 0x80 | file
}

// missing is the answer to a file that is not there.
func (m *model) missing(p2 byte) string {
	if p2 == 0x80 {
		return "6986"
	}
	return "6A82"
}

func TestCardAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{tries: modelLimit, pin: [2]string{"1234", "ABC123"}, reselect: rapid.Bool().Draw(t, "re-selecting forgets")}
		m.card = simcard.New(simcard.WithQuirks(simcard.Quirks{ForgetOnReselect: m.reselect}))
		which := rapid.IntRange(0, 1)
		t.Repeat(map[string]func(*rapid.T){
			"select": func(t *rapid.T) {
				m.expect(t, "9000", "%s", m.send(t, "\x00\xA4\x04\x0C\x0A\xD3\x92\xF0\x00\x26\x01\x00\x00\x00\x01"))
				if m.reselect {
					m.forget()
				}
				m.inside, m.file = true, 0
			},
			"select another": func(t *rapid.T) {
				m.expect(t, "9000", "%s", m.send(t, "\x00\xA4\x04\x0C\x07\xA0\x00\x00\x01\x51\x00\x00"))
				m.forget()
				m.inside, m.file = false, 0
			},
			"select unknown": func(t *rapid.T) {
				m.expect(t, "6A82", "%s", m.send(t, "\x00\xA4\x04\x0C\x02\xD2\x76"))
			},
			"verify": func(t *rapid.T) {
				i := which.Draw(t, "pin")
				value := rapid.SampledFrom(modelValues[i]).Draw(t, "value")
				p2 := m.name(t, modelFile[i])
				got := m.send(t, "\x00\x20\x00"+string([]byte{p2, byte(len(value))})+value)
				switch {
				case !m.inside:
					m.expect(t, m.missing(p2), "%s", got)
				case m.tries[i] == 0:
					m.expect(t, "6984", "%s", got)
				case value == m.pin[i]:
					m.expect(t, "9000", "%s", got)
					m.tries[i], m.verified[i] = modelLimit[i], true
				default:
					m.tries[i]--
					m.verified[i] = false
					m.expect(t, fmt.Sprintf("63C%d", m.tries[i]), "%s", got)
				}
			},
			"counter": func(t *rapid.T) {
				i := which.Draw(t, "pin")
				p2 := m.name(t, modelFile[i])
				got := m.send(t, "\x00\x20\x00"+string([]byte{p2}))
				if !m.inside {
					m.expect(t, m.missing(p2), "%s", got)
					return
				}
				m.expect(t, fmt.Sprintf("63C%d", m.tries[i]), "%s", got)
			},
			"change": func(t *rapid.T) {
				i := which.Draw(t, "pin")
				fresh := rapid.SampledFrom(modelValues[i]).Draw(t, "value")
				allowed := fresh != "123" && fresh != "abc123"
				p2 := m.name(t, modelFile[i])
				got := m.send(t, "\x00\x24\x01"+string([]byte{p2, byte(len(fresh))})+fresh)
				switch {
				case !m.inside:
					m.expect(t, m.missing(p2), "%s", got)
				case m.tries[i] == 0:
					m.expect(t, "6984", "%s", got)
				case !m.verified[i]:
					m.expect(t, "6982", "%s", got)
				case !allowed:
					m.expect(t, "6A80", "%s", got)
				default:
					m.expect(t, "9000", "%s", got)
					m.pin[i] = fresh
				}
			},
			"sign": func(t *rapid.T) {
				i := which.Draw(t, "key")
				p2 := m.name(t, modelKey[i])
				// One byte too many for the padding: the answer tells whether the
				// key could be used, without the time that a signature takes.
				got := m.send(t, "\x80\x2A\x00"+string([]byte{p2})+"\x00\x00\xF6"+string(make([]byte, 246))+"\x00\x00")
				switch {
				case !m.inside:
					m.expect(t, m.missing(p2), "%s", got)
				case !m.verified[i]:
					m.expect(t, "6982", "%s", got)
				default:
					m.expect(t, "6700", "%s", got)
				}
			},
			"read": func(t *rapid.T) {
				file := rapid.SampledFrom([]byte{0x01, 0x06, 0x09, 0x0A, 0x18, 0x1C, 0x1D}).Draw(t, "file")
				if rapid.Bool().Draw(t, "current") {
					file = 0
				}
				got := m.send(t, "\x00\xB0"+string([]byte{0x80 | file})+"\x00\x01")
				switch {
				case !m.inside && file != 0, file == 0x1D:
					m.expect(t, "6A82", "%s", got)
					return
				case file != 0:
					m.file = file
				}
				want := "9000"
				switch m.file {
				case 0:
					want = "6986"
				case 0x01:
					if !m.verified[1] {
						want = "6982"
					}
				case 0x09:
					want = "6982"
				case 0x17, 0x18, 0x1A, 0x1B, 0x1C:
					want = "6981"
				}
				m.expect(t, want, "%s", got)
			},
			"power": func(t *rapid.T) {
				m.card.PowerOff()
				m.card.PowerOn()
				m.forget()
				m.inside, m.file = false, 0
			},
			"reset": func(t *rapid.T) {
				m.card.Reset()
				m.inside, m.file = false, 0
			},
			"take out and put in": func(t *rapid.T) {
				m.card.Remove()
				m.card.Insert()
				m.forget()
				m.inside, m.file = false, 0
			},
			"": func(t *rapid.T) {
				for i, which := range []simcard.PIN{simcard.AuthPIN, simcard.SignPIN} {
					if m.card.Tries(which) != m.tries[i] || m.card.Verified(which) != m.verified[i] {
						t.Fatalf("PIN %d: card has %d %v, model %d %v", i, m.card.Tries(which), m.card.Verified(which), m.tries[i], m.verified[i])
					}
				}
			},
		})
	})
}
