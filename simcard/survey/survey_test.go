package survey_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/simcard/survey"
)

// text is a report without its times.
func text(t *testing.T, r *survey.Report) string {
	t.Helper()
	for step, a := range r.Answers {
		assert.NotEmpty(t, a.SW+a.Length, step)
		a.Time = ""
		r.Answers[step] = a
	}
	var b strings.Builder
	_, err := r.WriteTo(&b)
	require.NoError(t, err)
	return b.String()
}

func run(t *testing.T, options ...simcard.Option) *survey.Report {
	t.Helper()
	r, err := survey.Run(t.Context(), simcard.New(options...), survey.Options{Licence: true, Residence: true})
	require.NoError(t, err)
	return r
}

// Two holders of one kind give the same report, to the byte; and a report has
// nothing of its holder in it.
func TestTwoHoldersGiveTheSameReport(t *testing.T) {
	for _, kind := range simcard.SampleNames() {
		var first string
		for _, n := range []uint{1, 2, 7, 99, 12345} {
			options, err := simcard.Sample(kind, n, time.Now())
			require.NoError(t, err)
			issued := time.Date(2020+int(n%5), time.Month(1+n%12), 3, 0, 0, 0, 0, time.UTC)
			card := simcard.New(append(options, simcard.WithIssued(issued))...)
			report, err := survey.Run(t.Context(), card, survey.Options{})
			require.NoError(t, err)
			got := text(t, report)
			if first == "" {
				first = got
			}
			assert.Equal(t, first, got, "%s, holder %d", kind, n)
			h := card.Holder()
			for name, secret := range map[string]string{
				"My Number": h.MyNumber.Digits(), "number B": h.NumberB(), "name": h.Name, "address": h.Address,
				"municipality": h.Municipality, "birth": h.Birth.Format("20060102"),
				"serial":      fmt.Sprintf("%X", card.AuthCertificate().SerialNumber.Bytes()),
				"certificate": fmt.Sprintf("%X", card.AuthCertificate().Raw[15:40]),
			} {
				assert.NotContains(t, got, secret, "%s: %s", kind, name)
			}
		}
		again, err := survey.Read(strings.NewReader(first))
		require.NoError(t, err)
		assert.Equal(t, first, text(t, again))
	}
}

// Files of any content give the same form as long as they are as long: what is
// no known structure is not described.
func TestContentIsNotShown(t *testing.T) {
	forms := map[string]bool{}
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		card := transmit(func(command []byte) ([]byte, error) {
			if command[1] == apdu.InsReadBinary && command[3] == 0 {
				b := []byte{0x05} // never a tag that is known
				for range 40 {
					b = append(b, byte(r.IntN(255)))
				}
				return append(b, 0x90, 0x00), nil
			}
			return []byte{0x90, 0x00}, nil
		})
		report, err := survey.Run(t.Context(), card, survey.Options{})
		require.NoError(t, err)
		forms[text(t, report)] = true
	}
	assert.Len(t, forms, 1)
}

type transmit func([]byte) ([]byte, error)

func (f transmit) Transmit(command []byte) ([]byte, error) { return f(command) }

// No command can spend a try or change the card.
func TestHarmless(t *testing.T) {
	for _, kind := range simcard.SampleNames() {
		options, err := simcard.Sample(kind, 0, time.Now())
		require.NoError(t, err)
		card := simcard.New(options...)
		card.SetTries(simcard.AuthPIN, 1)
		before, n := card.State(), 0
		_, err = survey.Run(t.Context(), transmit(func(command []byte) ([]byte, error) {
			n++
			cmd, err := apdu.ParseCommand(command)
			require.NoError(t, err)
			switch {
			case cmd.INS == apdu.InsSelect, cmd.INS == apdu.InsReadBinary, cmd.INS == apdu.InsReadRecord,
				cmd.INS == apdu.InsGetData, cmd.INS == apdu.InsGetChallenge:
			case cmd.INS == apdu.InsVerify && len(command) == 4:
			default:
				t.Errorf("%X", command)
			}
			return card.Transmit(command)
		}), survey.Options{Licence: true, Residence: true})
		require.NoError(t, err)
		assert.Equal(t, before, card.State())
		assert.Less(t, n, 900, "exchanges of "+kind)
	}
}

// The kind is found from the report, and a card of that kind answers as the
// software card does; one with other habits is told by what they are.
func TestCompare(t *testing.T) {
	for kind, options := range map[string][]simcard.Option{
		"plastic": nil, "android": {simcard.WithKind(simcard.Android)}, "iphone": {simcard.WithKind(simcard.IPhone)},
		"juki": {simcard.WithKind(simcard.Juki)}, "child": {simcard.WithKind(simcard.Child)}, "pinless": {simcard.WithKind(simcard.PINLess)},
		"residence": {simcard.WithKind(simcard.Residence), simcard.WithLicence()},
	} {
		report := run(t, options...)
		assert.Equal(t, kind, report.Kind())
		reference, err := survey.Reference(t.Context(), report)
		require.NoError(t, err)
		assert.Empty(t, survey.Compare(report, reference), kind)
	}
	for name, want := range map[string]struct {
		quirks simcard.Quirks
		step   string
	}{
		"short identifiers": {simcard.Quirks{NoShortEF: true}, "border/read by short identifier"},
		"extended length":   {simcard.Quirks{NoExtendedLength: true}, "border/read in extended length"},
		"older":             {simcard.Quirks{NoLowerCertificate: true}, "manager/object 7F21"},
		"contact ATR":       {simcard.Quirks{ATRInApplication: true}, "manager/object 5F51"},
	} {
		report := run(t, simcard.WithQuirks(want.quirks))
		reference, err := survey.Reference(t.Context(), report)
		require.NoError(t, err)
		list := survey.Compare(report, reference)
		steps := map[string]bool{}
		for _, d := range list {
			steps[d.Step] = true
			assert.Contains(t, d.String(), "docs/card.md, ")
		}
		assert.True(t, steps[want.step], "%s: %v", name, list)
	}
	spent := run(t, simcard.WithTries(simcard.AuthPIN, 2))
	reference, err := survey.Reference(t.Context(), spent)
	require.NoError(t, err)
	require.Len(t, survey.Compare(spent, reference), 1)
	assert.Equal(t, "jpki/0018: 63Cx not full, the software card: 63Cx full (docs/card.md, JPKI: 0018)", survey.Compare(spent, reference)[0].String())
	one := run(t, simcard.WithTries(simcard.AuthPIN, 1))
	assert.Equal(t, text(t, spent), text(t, one), "how many are left is not told")
}

// Each step's fact stands in docs/card.md, under the heading that it names.
func TestFacts(t *testing.T) {
	page, err := os.ReadFile("../../docs/card.md")
	require.NoError(t, err)
	sections := map[string]string{}
	for part := range strings.SplitSeq(string(page), "\n## ") {
		heading, body, _ := strings.Cut(part, "\n")
		sections[heading] = body
	}
	for step := range run(t).Answers {
		fact := survey.FactOf(step)
		require.Contains(t, sections, fact.Section, step)
		assert.Contains(t, sections[fact.Section], fact.Text, step)
		assert.NotEqual(t, survey.FactOf(""), fact, "%s touches no fact", step)
	}
}

// A contactless ATR is made by the reader, at times from the card's random
// number.
func TestATR(t *testing.T) {
	for atr, want := range map[string]string{
		"\x3B\xE0\x00\xFF\x81\x31\xFE\x45\x14":                     "3BE000FF8131FE4514",
		"\x3B\x88\x80\x01\x12\x34\x56\x78\xB3\x81\xA1\x00\x7F":     "contactless, 8 historical bytes",
		"\x3B\x80\x80\x01\x01":                                     "contactless, 0 historical bytes",
		"\x3B\x8C\x80\x01\x50\xAA\xBB\xCC\xDD\x00\x00\x00\x00\x81": "contactless, 12 historical bytes",
	} {
		assert.Equal(t, want, run(t, simcard.WithATR([]byte(atr))).ATR)
	}
}

// Whatever a card answers, the survey ends, without a panic.
func TestHostileCard(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 2))
		n := 0
		card := transmit(func([]byte) ([]byte, error) {
			if n++; n > 5000 {
				t.Fatal("it does not end")
			}
			b := make([]byte, 2+r.IntN(300))
			for i := range b {
				b[i] = byte(r.Uint32())
			}
			if r.IntN(2) == 0 {
				copy(b[len(b)-2:], "\x90\x00")
			}
			return b, nil
		})
		report, err := survey.Run(t.Context(), card, survey.Options{Licence: true, Residence: true})
		require.NoError(t, err)
		reference, err := survey.Reference(t.Context(), report)
		require.NoError(t, err)
		assert.NotEmpty(t, survey.Compare(report, reference))
	}
	gone := errors.New("gone")
	for stop := range 40 {
		n := 0
		card := simcard.New()
		_, err := survey.Run(t.Context(), transmit(func(command []byte) ([]byte, error) {
			if n++; n > stop*20 {
				return nil, gone
			}
			return card.Transmit(command)
		}), survey.Options{})
		if n > stop*20 {
			assert.ErrorIs(t, err, gone)
		} else {
			assert.NoError(t, err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := survey.Run(ended, simcard.New(), survey.Options{})
	assert.ErrorIs(t, err, context.Canceled)
}

func TestRead(t *testing.T) {
	for _, bad := range []string{"", "{}", `{"survey":2}`, `{"survey":1,"name":"見本 花子"}`, strings.Repeat(" ", 1<<20) + `{"survey":1}`} {
		_, err := survey.Read(strings.NewReader(bad))
		assert.ErrorIs(t, err, survey.ErrReport)
	}
	_, err := survey.Read(bytes.NewReader([]byte(`{"survey":1,"label":"JPKIAPIOSTOKEN"}`)))
	assert.NoError(t, err)
}

func TestPlan(t *testing.T) {
	few, _ := survey.Options{}.Plan()
	japanese, english := survey.Options{Licence: true, Residence: true}.Plan()
	assert.Len(t, japanese, len(few)+2)
	assert.Len(t, english, len(japanese))
	assert.Contains(t, strings.Join(english, "\n"), "spends no try")
	assert.Contains(t, strings.Join(japanese, "\n"), "残り回数は減りません")
}
