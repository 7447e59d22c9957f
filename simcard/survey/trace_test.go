package survey_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/simcard/survey"
)

// trace is what a card answers to commands, as somebody's program writes it.
func trace(t *testing.T, card *simcard.Card, commands ...string) string {
	t.Helper()
	var b strings.Builder
	for _, c := range commands {
		reply, err := card.Transmit([]byte(c))
		require.NoError(t, err)
		fmt.Fprintf(&b, "%X\n%X\n", c, reply)
	}
	return b.String()
}

var session = []string{
	"\x00\xA4\x04\x0C\x0A\xD3\x92\xF0\x00\x26\x01\x00\x00\x00\x01",
	"\x00\xB0\x86\x00\x20", "\x00\xB0\x8A\x00\x00", "\x00\x20\x00\x98", "\x00\x20\x00\x98\x041111",
	"\x00\x20\x00\x98\x044711", "\x00\x20\x00\x98", "\x00\xA4\x02\x0C\x02\x00\x01", "\x00\xB0\x00\x00\x00",
	"\x00\x20\x00\x9B\x06ABC123", "\x00\xB0\x81\x00\x00",
}

// A trace of another holder's card, with other PINs and a try spent, is what
// the software card says.
func TestReplay(t *testing.T) {
	other := []simcard.Option{simcard.WithHolder(simcard.SampleHolder(41)), simcard.WithPIN(simcard.AuthPIN, "4711"),
		simcard.WithTries(simcard.AuthPIN, 2), simcard.WithPIN(simcard.SignPIN, "ZZZ999")}
	text := trace(t, simcard.New(other...), session...)
	list, err := survey.ReadTrace(strings.NewReader(text))
	require.NoError(t, err)
	differences, err := survey.Replay(t.Context(), list)
	require.NoError(t, err)
	assert.Empty(t, differences, "the sign PIN that was wrong there is the default here")

	// A card with a habit, and one of another kind.
	text = trace(t, simcard.New(append(other, simcard.WithQuirks(simcard.Quirks{NoShortEF: true}))...), session[:3]...)
	list, err = survey.ReadTrace(strings.NewReader(text))
	require.NoError(t, err)
	differences, err = survey.Replay(t.Context(), list)
	require.NoError(t, err)
	require.Len(t, differences, 2)
	assert.Equal(t, "line 3, READ BINARY 00B08600: 6A86, the software card: 9000, 32 bytes, text (docs/card.md, JPKI: 0006)", differences[0].String())
	for _, d := range differences {
		assert.NotContains(t, d.String(), "4711")
	}
	text = trace(t, simcard.New(append(other, simcard.WithTries(simcard.AuthPIN, 0))...), session...)
	list, err = survey.ReadTrace(strings.NewReader(text))
	require.NoError(t, err)
	differences, err = survey.Replay(t.Context(), list)
	require.NoError(t, err)
	assert.Empty(t, differences, "blocked there, blocked here")
	differences, err = survey.Replay(t.Context(), list, simcard.WithKind(simcard.Android))
	require.NoError(t, err)
	assert.NotEmpty(t, differences, "a phone does not give its certificate away")
}

func TestReadTrace(t *testing.T) {
	want := []survey.Exchange{{Line: 2, Command: []byte{0, 0xA4, 0, 0}, Reply: []byte{0x6A, 0x86}}}
	for _, text := range []string{
		"\n00A40000\n6A86\n", "# a till\n> 00 A4 00 00\n< 6A 86", "#\nAPDU: 00:a4:00:00\nSW: 6a:86\n", "\nC-APDU: 00A40000\n\nR-APDU 6A86",
		"\n-> 00A40000\n<- 6A86",
	} {
		got, err := survey.ReadTrace(strings.NewReader(text))
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	for text, line := range map[string]int{
		"00A40000": 2, "00A4\n6A86": 1, "00A40000\n6A": 2, "hello": 1, "< 6A86": 1, "> 00A40000\n> 00A40000": 2,
		"00200098 04 1234567": 1, "\n\n" + strings.Repeat("0", 500_000): 3,
	} {
		_, err := survey.ReadTrace(strings.NewReader(text))
		require.ErrorIs(t, err, survey.ErrTrace)
		assert.ErrorContains(t, err, fmt.Sprintf("line %d", line))
		assert.NotContains(t, err.Error(), "1234567")
	}
	empty, err := survey.ReadTrace(strings.NewReader(""))
	assert.NoError(t, err)
	assert.Empty(t, empty)
	_, err = survey.ReadTrace(strings.NewReader(strings.Repeat("00A40000\n6A86\n", 400_000)))
	assert.ErrorIs(t, err, survey.ErrTrace)
}

// Any bytes as a trace, on any card.
func FuzzReplay(f *testing.F) {
	f.Add("00A4040C0AD392F000260100000001\n9000\n0020009804 31323334\n63C1\n")
	f.Add("> 00200080\n< 63C3")
	f.Add("00A4040C0AD3921000310001010408\n9000\n0020009104 32333435\n6984\n00B0820000\n6982")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := survey.ReadTrace(strings.NewReader(text))
		if err != nil {
			return
		}
		if _, err := survey.Replay(t.Context(), list); err != nil {
			t.Fatal(err)
		}
	})
}
