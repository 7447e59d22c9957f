package tape

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/simcard/fault"
)

// recordAndPlay records commands to the JPKI application and gives the tape and
// the data of the replies that are played from it.
func recordAndPlay(t *testing.T, card *simcard.Card, rules []fault.Rule, commands ...string) (string, [][]byte) {
	t.Helper()
	var out strings.Builder
	recorder := Record(fault.Wrap(card, rules...), &out)
	commands = append([]string{selectJPKI}, commands...)
	for _, c := range commands {
		_, err := recorder.Transmit([]byte(c))
		require.NoError(t, err)
	}
	require.NoError(t, recorder.Err())
	player, err := Play(strings.NewReader(out.String()))
	require.NoError(t, err)
	var replies [][]byte
	for _, c := range commands {
		reply, err := player.Transmit([]byte(c))
		require.NoError(t, err)
		replies = append(replies, reply[:len(reply)-2])
	}
	require.NoError(t, player.Done())
	return out.String(), replies[1:]
}

// Whatever the pieces in which a program reads a certificate from its
// beginning, they join to the same head: its own but for the number.
func TestHeadOfCertificate(t *testing.T) {
	const (
		selectAuth = "\x00\xA4\x02\x0C\x02\x00\x0A"
		signPIN    = "\x00\x20\x00\x9B\x06ABC123"
	)
	card := simcard.New()
	auth := card.AuthCertificate()
	for name, tt := range map[string]struct {
		raw      []byte
		rules    []fault.Rule
		commands []string
		join     []int // which replies make up the file
	}{
		"at once":                          {auth.Raw, nil, []string{"\x00\xB0\x8A\x00\x24"}, []int{0}},
		"all that goes":                    {auth.Raw, nil, []string{"\x00\xB0\x8A\x00\x00", "\x00\xB0\x01\x00\x00"}, []int{0, 1}},
		"by short identifier, again":       {auth.Raw, nil, []string{"\x00\xB0\x8A\x00\x10", "\x00\xB0\x8A\x10\x10"}, []int{0, 1}},
		"selected":                         {auth.Raw, nil, []string{selectAuth, "\x00\xB0\x00\x00\x24"}, []int{1}},
		"seven bytes, and the rest":        {auth.Raw, nil, []string{selectAuth, "\x00\xB0\x00\x00\x07", "\x00\xB0\x00\x07\x00"}, []int{1, 2}},
		"four bytes, and all of it":        {auth.Raw, nil, []string{selectAuth, "\x00\xB0\x00\x00\x04", "\x00\xB0\x00\x00\x00"}, []int{2}},
		"three, cut within the number":     {auth.Raw, nil, []string{selectAuth, "\x00\xB0\x00\x00\x10", "\x00\xB0\x00\x10\x01", "\x00\xB0\x00\x11\x20"}, []int{1, 2, 3}},
		"the current file in short form":   {auth.Raw, nil, []string{selectAuth, "\x00\xB0\x80\x00\x24"}, []int{1}},
		"in pieces by GET RESPONSE":        {auth.Raw, []fault.Rule{{When: fault.Nth(2), Do: fault.Pieces(16)}}, []string{"\x00\xB0\x8A\x00\x24", "\x00\xC0\x00\x00\x10", "\x00\xC0\x00\x00\x04"}, []int{0, 1, 2}},
		"the one for signature":            {card.SignCertificate().Raw, nil, []string{signPIN, "\x00\xB0\x81\x00\x24"}, []int{1}},
		"after the other, whole":           {card.SignCertificate().Raw, nil, []string{signPIN, "\x00\xB0\x8A\x00\x24", "\x00\xB0\x81\x00\x24"}, []int{2}},
		"byte for byte, as far as it goes": {auth.Raw, nil, eachByte(36), indices(1, 36)},
	} {
		t.Run(name, func(t *testing.T) {
			written, replies := recordAndPlay(t, simcard.New(), tt.rules, tt.commands...)
			var got []byte
			for _, i := range tt.join {
				got = append(got, replies[i]...)
			}
			require.Greater(t, len(got), 20)
			// 30 82 .... 30 82 .... A0 03 02 01 02, then the number.
			n := int(tt.raw[14])
			want := append(bytes.Clone(tt.raw[:15]), bytes.Repeat([]byte{1}, n)...)
			want = append(want, 0x30)
			want = append(want, bytes.Repeat([]byte{0xFF}, len(got)-len(want))...)
			assert.Equal(t, want, got)
			assertNothingOf(t, written, tt.raw, 15)
		})
	}
}

func eachByte(n int) []string {
	commands := []string{"\x00\xA4\x02\x0C\x02\x00\x0A"}
	for i := range n {
		commands = append(commands, string([]byte{0x00, 0xB0, 0x00, byte(i), 0x01}))
	}
	return commands
}

func indices(from, n int) (all []int) {
	for i := range n {
		all = append(all, from+i)
	}
	return all
}

// assertNothingOf asserts that nothing of raw from its serial number on stands
// in a text: not the number, and no six bytes in a row.
func assertNothingOf(t *testing.T, text string, raw []byte, from int) {
	t.Helper()
	n := int(raw[from-1])
	assert.NotContains(t, text, fmt.Sprintf("%X", raw[from:from+n]), "the number")
	for i := from; i+6 <= len(raw); i++ {
		if strings.Contains(text, fmt.Sprintf("%X", raw[i:i+6])) {
			t.Fatalf("bytes %d to %d of the certificate", i, i+6)
		}
	}
}

// What stands in the middle of a file, with nothing known of its beginning, is
// masked whole; and so is what only looks like the same file.
func TestNoHeadWithoutTheBeginning(t *testing.T) {
	for name, commands := range map[string][]string{
		"from the middle":               {"\x00\xB0\x8A\x0A\x20"},
		"with a gap":                    {"\x00\xB0\x8A\x00\x04", "\x00\xB0\x8A\x08\x20"},
		"after another file":            {"\x00\xB0\x8A\x00\x0F", "\x00\xB0\x8B\x00\x24", "\x00\xB0\x8A\x0F\x20"},
		"after another select":          {"\x00\xB0\x8A\x00\x0F", selectText, selectJPKI, "\x00\xB0\x8A\x0F\x20"},
		"beyond the head":               {"\x00\xB0\x8A\x00\x24", "\x00\xB0\x8A\x24\x20"},
		"a file that is no certificate": {"\x00\xB0\x86\x20\x40"},
	} {
		_, replies := recordAndPlay(t, simcard.New(), nil, commands...)
		last := replies[len(replies)-1]
		assert.Equal(t, bytes.Repeat([]byte{0xFF}, len(last)), last, name)
		require.NotEmpty(t, last, name)
	}
}

// A short identifier that the card refused names no file: what is current is
// still the one before.
func TestRefusedShortIdentifier(t *testing.T) {
	card := simcard.New(simcard.WithQuirks(simcard.Quirks{NoShortEF: true}))
	_, replies := recordAndPlay(t, card, nil,
		"\x00\xA4\x02\x0C\x02\x00\x1B", "\x00\x20\x00\x80\x06ABC123", "\x00\xA4\x02\x0C\x02\x00\x01",
		"\x00\xB0\x8B\x00\x24", // 6A86
		"\x00\xB0\x00\x00\x00", // the certificate that names its holder
		"\x00\xB0\x01\x00\x00") // and on
	require.Len(t, replies[4], 256)
	assert.Equal(t, bytes.Repeat([]byte{0xFF}, 256), replies[4])
	assert.Equal(t, bytes.Repeat([]byte{0xFF}, 256), replies[5])
}

// The label of the token is public and its serial number is not, in whatever
// pieces they come.
func TestTokenInPieces(t *testing.T) {
	_, replies := recordAndPlay(t, simcard.New(), []fault.Rule{{When: fault.Nth(2), Do: fault.Pieces(32)}},
		"\x00\xB0\x86\x00\xA0", "\x00\xC0\x00\x00\x20", "\x00\xC0\x00\x00\x20", "\x00\xC0\x00\x00\x20", "\x00\xC0\x00\x00\x20")
	assert.Equal(t, "JPKIAPICCTOKEN2", strings.TrimSpace(string(replies[0])))
	for _, r := range replies[1:] {
		assert.Equal(t, bytes.Repeat([]byte{0xFF}, 32), r)
	}
}

// Bytes that are not the head of a certificate end it there.
func TestCertificateHead(t *testing.T) {
	const head = "\x30\x82\x04\x8C\x30\x82\x03\x74\xA0\x03\x02\x01\x02\x02"
	ones := strings.Repeat("\x01", 21)
	for in, want := range map[string]string{
		"":                         "",
		"\x31\x03abc":              "",
		"\x30\x80abc":              "\x30",
		"\x30\x85abc":              "\x30",
		"\x30\x84ab":               "\x30\x84ab",
		"\x30\x03\x31":             "\x30\x03",
		"\x30\x03\x30\x01\x02":     "\x30\x03\x30\x01", // version 1 has no version
		head[:12] + "\x09":         head[:12],
		head:                       head,
		head + "\x00abc":           head,
		head + "\x16" + ones + "a": head,
		head + "\x03ab":            head + "\x03\x01\x01",
		head + "\x03abc":           head + "\x03\x01\x01\x01",
		head + "\x03abcd":          head + "\x03\x01\x01\x01",
		head + "\x03abc\x30\x0D":   head + "\x03\x01\x01\x01\x30",
		head + "\x15" + strings.Repeat("z", 21) + "\x30": head + "\x15" + ones + "\x30",
	} {
		assert.Equal(t, want, string(certificateHead([]byte(in))), "%q", in)
	}
}
