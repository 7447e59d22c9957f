package simcard_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/simcard"
)

const (
	selectText   = "00A4040C 0A D3921000310001010408"
	selectVisual = "00A4040C 0A D3921000310001010402"
	selectCommon = "00A4040C 0A D3921000310001010100"
	selectJuki   = "00A4040C 0A D3921000310001010401"

	verifyText = "00200091 04 32333435"
)

// verify is a VERIFY by short identifier.
func verify(file, value string) string { return change("002000", file, value) }

// change is a command with a short identifier and a value.
func change(header, file, value string) string {
	return header + file + hexOf(string([]byte{byte(len(value))})+value)
}

// The four applications beside JPKI: files, sizes, conditions, counters.
func TestApplications(t *testing.T) {
	holder := simcard.New().Holder()
	a, b, birth := holder.NumberA(), holder.NumberB(), holder.BirthKey()
	wrongA, wrongB := "999999999999", "99999999999999"
	tests := []struct {
		name    string
		options []simcard.Option
		steps   []step
	}{
		{"text: files", nil, []step{
			{selectText, "9000"},
			{"00B0810000", "6982"}, {"00B0820000", "6982"}, {"00B0830000", "6982"},
			{"00B0840000", "256*9000"}, {"00B08400 000000", "568*9000"},
			{"00B08500 000000", "256*9000"}, {"00B0850007", "FF4082009FDF41 9000"}, {"00B0850504", "DF410401 9000"},
			{"00B0860000", "6982"}, {"00B0870000", "6982"}, {"00B0880000", "6982"},
			{"00B0830000", "6982"}, {"00B0890000", "6A82"},
			{"00B0900000", "6981"}, {"00B0910000", "6981"}, {"00B0920000", "6981"}, {"00B0930000", "6981"},
			{"00B0940000", "6981"}, {"00B0950000", "6981"}, {"00B09C0000", "6981"}, {"00B09E0000", "6981"},
			{"00B0960000", "6A82"}, {"00B09D0000", "6A82"},
			{verifyText, "9000"},
			{"00B08100 000000", "17*9000"}, {"00B0810003", "FF100C 9000"}, {"00B0810F00", "FFFF 9000"}, {"00B0811100", "6B00"},
			{"00B08200 000000", "256*9000"}, {"00B0820002", "FF20 9000"},
			{"00B08300 000000", "336*9000"}, {"00B0830005", "FF3082014B 9000"},
			{"00B08600 000000", "269*9000"}, {"00B0860009", "A1820109 9003010001 9000"},
			{"00B08700 000000", "536*9000"}, {"00B0870005", "FF50820213 9000"},
			{"00B0880000", "6982"},
			{"00B0840005", "7F21820233 9000"},
		}},
		{"text: number A", nil, []step{
			{selectText, "9000"},
			{verify("94", a), "9000"},
			{"00B0810001", "FF 9000"}, {"00B0820001", "6982"}, {"00B0830001", "FF 9000"},
			{"00B0860001", "A1 9000"}, {"00B0870001", "FF 9000"}, {"00B0880001", "6982"},
		}},
		{"text: number B", nil, []step{
			{selectText, "9000"},
			{verify("95", b), "9000"},
			{"00B0810001", "6982"}, {"00B0820001", "FF 9000"}, {"00B0830001", "FF 9000"},
			{"00B0860001", "A1 9000"}, {"00B0870001", "FF 9000"},
		}},
		{"text: counters", nil, []step{
			{selectText, "9000"},
			{"00200091", "63C3"}, {"00200092", "63C0"}, {"00200094", "63CA"}, {"00200095", "63CA"},
			{verify("92", "1234"), "6984"},
			{"00200090", "6981"}, {"00200093", "6981"}, {"0020009C", "6981"}, {"00200081", "6981"}, {"00200096", "6A82"},
			{verify("91", "1234"), "63C2"}, // the auth PIN is another
			{verify("94", wrongA), "63C9"}, {verify("95", wrongB), "63C9"}, {verify("95", a), "63C8"},
			{verify("94", b), "63C8"},
			{selectVisual, "9000"},
			{"00200093", "63CA"}, {"00200092", "63CA"}, // counters of their own
			{selectText, "9000"},
			{"00200091", "63C2"}, {"00200094", "63C8"}, {"00200095", "63C8"},
			{verify("91", "2345"), "9000"}, {"00200091", "63C3"},
			{verify("91", "0000"), "63C2"}, {verify("91", "0000"), "63C1"}, {verify("91", "0000"), "63C0"},
			{verifyText, "6984"}, {"00200091", "63C0"},
		}},
		{"text: a wrong one ends only itself", nil, []step{
			{selectText, "9000"},
			{verifyText, "9000"}, {verify("94", a), "9000"},
			{verify("91", "0000"), "63C2"},
			{"00B0810001", "FF 9000"}, {"00B0820001", "6982"},
			{selectJPKI, "9000"}, {selectText, "9000"},
			{"00B0810001", "6982"},
		}},
		{"text: change", nil, []step{
			{selectText, "9000"},
			{change("002401", "91", "5678"), "6982"},
			{verifyText, "9000"},
			{change("002401", "91", "567"), "6A80"},
			{change("002401", "91", "5678"), "9000"},
			{verifyText, "63C2"}, {verify("91", "5678"), "9000"},
			{change("002400", "91", "56782345"), "9000"},
			{verifyText, "9000"},
			{change("803200", "91", "5678"), "6985"},
			{verify("94", a), "9000"}, {verify("95", b), "9000"},
			{change("002401", "94", wrongA), "6985"}, {change("002401", "95", wrongB), "6985"},
			{change("002401", "92", "1234"), "6985"},
			{"00200094", "63CA"},
		}},
		{"text: key", nil, []step{
			{selectText, "9000"},
			{"802A0000 01 00 00", "256*9000"},
			{"802A0093 01 00 00", "256*9000"},
			{"00A4020C 02 0013", "9000"}, {"802A0080 01 00 00", "256*9000"},
			{"802A0091 01 00 00", "6981"}, {"802A0100 01 00 00", "256*9000"}, {"802A0600 01 00 00", "6A86"},
			{"802A0040 01 00 00", "6A86"},
			{"00880093 01 00 00", "6985"},
			{"80AE0000", "6982"}, {verifyText, "9000"}, {"80AE0000", "6A81"},
		}},
		{"visual: files", nil, []step{
			{selectVisual, "9000"},
			{"00B0810001", "6982"}, {"00B0820001", "6982"}, {"00B0850001", "6982"}, {"00B0860001", "6982"},
			{"00B08300 000000", "320*9000"}, {"00B0830005", "FF3082013B 9000"},
			{"00B08400 000000", "568*9000"},
			{"00B0910001", "6981"}, {"00B0920001", "6981"}, {"00B0930001", "6981"}, {"00B0940001", "6981"}, {"00B0950001", "6981"},
			{"00B09A0001", "6981"}, {"00B09C0001", "6981"}, {"00B09E0001", "6981"}, {"00B0870001", "6A82"},
			{verify("91", birth), "9000"},
			{"00B08100 000000", "547*9000"}, {"00B0810005", "FF1082021E 9000"},
			{"00B0820001", "6982"}, {"00B0850001", "6982"}, {"00B0860001", "6982"},
		}},
		{"visual: number A", nil, []step{
			{selectVisual, "9000"},
			{verify("93", a), "9000"},
			{"00B0810001", "6982"}, {"00B0820002", "FF20 9000"}, {"00B0850002", "FF40 9000"},
			{"00B0860000", "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF 9000"},
		}},
		{"visual: number B", nil, []step{
			{selectVisual, "9000"},
			{verify("92", b), "9000"},
			{"00B0810001", "6982"}, {"00B0820002", "FF20 9000"}, {"00B0850002", "6982"}, {"00B0860001", "FF 9000"},
		}},
		{"visual: counters", nil, []step{
			{selectVisual, "9000"},
			{"00200091", "63CA"}, {"00200092", "63CA"}, {"00200093", "63CA"},
			{"00200094", "6981"}, {"0020009C", "6981"}, {"0020009A", "6981"},
			{verify("91", "000000"), "63C9"}, {verify("92", wrongB), "63C9"}, {verify("93", wrongA), "63C9"},
			{verify("93", b), "63C8"}, {verify("92", a), "63C8"},
			{verify("93", a), "9000"}, {"00200093", "63CA"}, {"00200092", "63C8"},
			{change("002401", "93", wrongA), "6985"},
		}},
		{"visual: key", nil, []step{
			{selectVisual, "9000"},
			{"802A0000 01 00 00", "256*9000"}, {"802A009A 01 00 00", "256*9000"}, {"802A0093 01 00 00", "6981"},
			{"0088009A 01 00 00", "6985"}, {"80AE0000", "66F1"},
		}},
		{"common: records", nil, []step{
			{selectCommon, "9000"},
			{"00B2010400", "6986"},
			{"00B2010C00", "30*9000"}, {"00B2010400", "30*9000"}, {"00B2010C02", "011C 9000"},
			{"00B2010D00", "30*9000"}, {"00B2010500", "30*9000"},
			{"00B2020C00", "6A83"}, {"00B2FF0C00", "6A83"}, {"00B2000C00", "6A83"}, {"00B2020D00", "6A83"},
			{"00B2010C", "6700"}, {"00B2010C 01 00 00", "6700"},
			{"00B2010800", "6A86"}, {"00B2010E00", "6A86"}, {"00B2010F00", "6A86"}, {"00B201FC00", "6A86"},
			{"00B2011400", "18*9000"}, {"00B2011402", "0110 9000"},
			{"00B2011C00", "6A82"}, {"00B201E400", "6981"}, {"00B201CC00", "6981"}, {"00B201F400", "6981"},
			{"00B0810000", "6981"}, {"00A4020C 02 0001", "9000"}, {"00B0000000", "6981"}, {"00B2010400", "30*9000"},
			{"00A40200 02 0001 00", "6F07 83020001 880108 9000"},
			{"00B09C0000", "6981"}, {"80AE0000", "66F1"},
			{selectText, "9000"}, {"00B2012400", "6981"}, // not a file of records
		}},
		{"common: PIN", nil, []step{
			{selectCommon, "9000"},
			{"0020009C", "63C3"},
			{change("803200", "9C", "5678"), "6982"},
			{verify("9C", "4567"), "63C2"}, // the one of the resident registry
			{verify("9C", "3456"), "9000"},
			{change("002401", "9C", "5678"), "6985"}, {change("002400", "9C", "34565678"), "6985"},
			{change("803201", "9C", "5678"), "6A86"}, {change("803200", "9C", "567"), "6A80"}, {change("803200", "9C", "ABCD"), "6A80"},
			{"8032009C", "6700"}, {change("803200", "9C", "12345678901234567"), "6700"}, {"8032009C 04 35363738 00", "6700"},
			{change("803200", "81", "5678"), "6981"},
			{"00A4020C 02 001C", "9000"},
			{change("803200", "80", "5678"), "9000"},
			{verify("9C", "3456"), "63C2"}, {verify("9C", "5678"), "9000"},
			{"0032009C 04 35363738", "6D00"},
			{selectJuki, "9000"}, {"0020009C", "63C3"}, {verify("9C", "5678"), "63C2"}, {verify("9C", "4567"), "9000"},
			{change("803200", "9C", "9999"), "9000"}, {verify("9C", "9999"), "9000"},
			{verify("9C", "4567"), "63C2"}, {verify("9C", "4567"), "63C1"}, {verify("9C", "4567"), "63C0"},
			{verify("9C", "9999"), "6984"}, {change("803200", "9C", "9999"), "6984"},
			{"80AE0000", "6982"},
		}},
		{"juki", nil, []step{
			{selectJuki, "9000"},
			{"00B2011400", "18*9000"}, {"00B2021400", "6A83"}, {"00B2010C00", "6A82"}, {"00B0820000", "6981"},
		}},
		{"internal authenticate", nil, []step{
			{selectCommon, "9000"},
			{"00880099 01 00 00", "256*9000"}, {"00880099 000001 00 0000", "256*9000"},
			{"00880099 FF" + strings.Repeat("5A", 255) + "00", "256*9000"},
			{long("00880099", 256, "0000"), "6700"},
			{"00880099 00", "6700"}, {"00880099", "6700"}, {"00880099 01 00", "6700"}, {"00880099 01 00 FF", "6700"},
			{"00880199 01 00 00", "6A86"}, {"00880019 01 00 00", "6A86"}, {"0088009C 01 00 00", "6981"}, {"00880098 01 00 00", "6A82"},
			{"802A0099 01 00 00", "6985"}, {"802A0000 01 00 00", "6A86"},
			{"00A4020C 02 0019", "9000"}, {"00880080 01 00 00", "256*9000"},
			{selectJPKI, "9000"}, {"00880097 01 00 00", "6982"}, {verifyAuth, "9000"}, {"00880097 01 00 00", "6985"},
		}},
		{"challenge", nil, []step{
			{"0084000001", "1*9000"}, {"0084000008", "8*9000"}, {"0084000000", "256*9000"}, {"00840000 000008", "6985"},
			{"0084010008", "6A86"}, {"0084000108", "6A86"}, {"00840000", "6700"}, {"00840000 01 00 08", "6700"},
			{selectVisual, "9000"}, {"0084000010", "16*9000"},
		}},
		{"data objects", nil, []step{
			{"00CA004200", "16*9000"}, {"00CA004500", "15*9000"}, {"00CA006600", "26*9000"}, {"00CA00F000", "3133313031 9000"},
			{"00CA00F200", "8*9000"}, {"00CA00F208", "8*9000"}, {"00CA00F207", "6700"}, {"00CA00F700", "16*9000"},
			{"00CA00F800", "6700"}, {"00CA00F8 000000", "563*9000"}, {"00CA7F2100", "6700"}, {"00CA7F21 000000", "563*9000"},
			{"00CA5F5100", "E000FF8131FE4514 9000"}, {"00CA00F0", "6700"}, {"00CA00F0 01 00 00", "6700"},
			{"00CA000000", "6A88"}, {"00CA00F100", "6A88"}, {"00CAFFFF00", "6A88"}, {"80CA004200", "6D00"},
			{selectCommon, "9000"},
			{"00CA00F000", "6A88"}, {"00CA5F5100", "8*9000"},
			{selectRoot, "9000"}, {"00CA00F000", "5*9000"},
		}},
		{"data objects of other cards", []simcard.Option{
			simcard.WithQuirks(simcard.Quirks{NoLowerCertificate: true, ATRInApplication: true, NoRecordRange: true}),
			simcard.WithATR([]byte{0x3B, 0x88, 0x80, 0x01, 0x00, 0x00, 0x05, 0xE0, 0xB3, 0x81, 0xA1, 0x00, 0x7F}),
		}, []step{
			{"00CA7F21 000000", "6A88"}, {"00CA00F8 000000", "563*9000"}, {"00CA5F5100", "6A88"},
			{selectCommon, "9000"}, {"00CA5F5100", "E000FF8131FE4514 9000"},
			{"00B2010D00", "6A81"}, {"00B2010C00", "30*9000"},
		}},
		{"the ATR that it has", []simcard.Option{simcard.WithATR([]byte{0x3B, 0xC5, 0xFF, 0x81, 0x31, 0xFB, 0x45, 0x80, 0x73, 0xC6, 0x01, 0x00, 0x00})}, []step{
			{"00CA5F5100", "C5FF8131FB458073C6010000 9000"},
		}},
		{"android", []simcard.Option{simcard.WithKind(simcard.Android)}, []step{
			{selectText, "6A82"}, {selectVisual, "6A82"}, {selectCommon, "6A82"}, {selectJuki, "6A82"},
			{"00CA00F000", "6A88"}, {"00CA5F5100", "6A88"}, {"0084000008", "8*9000"},
		}},
		{"juki card", []simcard.Option{simcard.WithKind(simcard.Juki)}, []step{
			{selectText, "6A82"}, {selectVisual, "6A82"}, {selectCommon, "6A82"}, {selectJuki, "9000"}, {"0020009C", "63C3"},
		}},
		{"child", []simcard.Option{simcard.WithKind(simcard.Child)}, []step{
			{selectText, "9000"}, {verifyText, "9000"}, {"00B0810001", "FF 9000"},
		}},
		{"PIN-less", []simcard.Option{simcard.WithKind(simcard.PINLess)}, []step{
			{selectJPKI, "9000"},
			{"00B0860010", hexOf("JPKIAPICCTOKEN2 ") + "9000"}, {"00B0880000", "008F00 9000"},
			{triesAuth, "63C0"}, {triesSign, "63C0"}, {verifyAuth, "6984"}, {"802A0097 01 00 00", "6982"},
			{"00B08A0002", "3082 9000"}, {"00B0810001", "6A82"},
			{selectText, "9000"}, {"00200091", "63C0"}, {verifyText, "6984"},
			{selectCommon, "9000"}, {"0020009C", "63C0"}, {"00B2010C00", "30*9000"},
			{selectJuki, "9000"}, {"0020009C", "63C0"},
			{selectVisual, "9000"}, {"00200093", "63CA"}, {"00200091", "63CA"}, {verify("91", birth), "9000"},
		}},
		{"blocked as 6983", []simcard.Option{
			simcard.WithQuirks(simcard.Quirks{BlockedStatus: apdu.AuthenticationBlocked}), simcard.WithTries(simcard.TextNumberA, 1), simcard.WithTries(simcard.JukiPIN, 0),
		}, []step{
			{selectText, "9000"}, {verify("94", wrongA), "63C0"}, {verify("94", a), "6983"},
			{selectJuki, "9000"}, {change("803200", "9C", "1111"), "6983"},
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for i, s := range test.steps {
				test.steps[i].want = strings.ToUpper(s.want)
			}
			run(t, simcard.New(test.options...), test.steps)
		})
	}
}

func TestTriesOfEveryKind(t *testing.T) {
	all := []simcard.PIN{
		simcard.AuthPIN, simcard.SignPIN, simcard.TextPIN, simcard.CommonPIN, simcard.JukiPIN,
		simcard.TextNumberA, simcard.TextNumberB, simcard.VisualNumberA, simcard.VisualNumberB, simcard.BirthKey,
	}
	for kind, want := range map[simcard.Kind][]int{
		simcard.Plastic:        {3, 5, 3, 3, 3, 10, 10, 10, 10, 10},
		simcard.NextGeneration: {3, 5, 3, 3, 3, 10, 10, 10, 10, 10},
		simcard.Android:        {3, 5, 0, 0, 0, 0, 0, 0, 0, 0},
		simcard.IPhone:         {3, 5, 0, 0, 0, 0, 0, 0, 0, 0},
		simcard.Juki:           {3, 5, 0, 0, 3, 0, 0, 0, 0, 0},
		simcard.Child:          {3, 0, 3, 3, 3, 10, 10, 10, 10, 10},
		simcard.Residence:      {3, 5, 3, 3, 3, 10, 10, 10, 10, 10},
		simcard.PINLess:        {0, 0, 0, 0, 0, 10, 10, 10, 10, 10},
	} {
		card := simcard.New(simcard.WithKind(kind))
		for i, which := range all {
			assert.Equal(t, want[i], card.Tries(which), "%v %d", kind, which)
			assert.False(t, card.Verified(which))
		}
		if want[2] == 3 || kind.String() == "android" {
			card = simcard.New(simcard.WithKind(kind), simcard.WithTries(simcard.TextPIN, 2))
			assert.Equal(t, min(want[2], 2), card.Tries(simcard.TextPIN), "%v", kind)
		}
	}
}

func hexOf(s string) string { return fmt.Sprintf("%X", s) }
