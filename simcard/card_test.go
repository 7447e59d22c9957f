package simcard_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/apdu/vpcd"
	"github.com/mynakit/mynakit/simcard"
)

var (
	_ apdu.ContextTransmitter = (*simcard.Card)(nil)
	_ vpcd.Card               = (*simcard.Card)(nil)
)

const (
	selectJPKI = "00A4040C 0A D392F000260100000001"
	selectRoot = "00A4040C 07 A0000001510000"
	verifyAuth = "00200098 04 31323334"
	verifySign = "0020009B 06 414243313233"
	wrongAuth  = "00200098 04 39393939"
	wrongSign  = "0020009B 06 393939393939"
	triesAuth  = "00200098"
	triesSign  = "0020009B"
)

// send returns the reply to a command, both in hex.
func send(t testing.TB, card apdu.Transmitter, command string) string {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(command, " ", ""))
	assert.NoError(t, err)
	reply, err := card.Transmit(b)
	assert.NoError(t, err)
	return strings.ToUpper(hex.EncodeToString(reply))
}

// A step is a command and what the card has to answer. In the answer, "n*"
// in front stands for n bytes of data that are not looked at.
type step struct{ command, want string }

func run(t *testing.T, card apdu.Transmitter, steps []step) {
	t.Helper()
	for i, s := range steps {
		got := send(t, card, s.command)
		want := strings.ReplaceAll(s.want, " ", "")
		if n, status, ok := strings.Cut(want, "*"); ok {
			got = fmt.Sprintf("%d*%s", len(got)/2-2, got[len(got)-4:])
			want = n + "*" + status
		}
		assert.Equal(t, want, got, "step %d: %s", i+1, s.command)
	}
}

var allKinds = []simcard.Kind{
	simcard.Plastic, simcard.Android, simcard.IPhone, simcard.Juki, simcard.Child, simcard.PINLess, simcard.Residence, simcard.NextGeneration,
}

// long is an APDU with n bytes of data, in extended length.
func long(header string, n int, ne string) string {
	return header + fmt.Sprintf("00%04X", n) + strings.Repeat("5A", n) + ne
}

func TestCommands(t *testing.T) {
	const (
		fciJPKI = "6F0C 840A D392F000260100000001"
		hash    = "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F"
	)
	quirk := func(q simcard.Quirks) []simcard.Option { return []simcard.Option{simcard.WithQuirks(q)} }
	kind := func(k simcard.Kind) []simcard.Option { return []simcard.Option{simcard.WithKind(k)} }
	tests := []struct {
		name    string
		options []simcard.Option
		steps   []step
	}{
		{"select application", nil, []step{
			{"00A4040C 0A D392F000260100000001", "9000"},
			{"00A40400 0A D392F000260100000001 00", fciJPKI + "9000"},
			{"00A40400 0A D392F000260100000001", "9000"},
			{"00A40400 0A D392F000260100000001 04", "6F0C840A 9000"},
			{"00A40400 00000A D392F000260100000001 0000", fciJPKI + "9000"},
			{"00A40404 0A D392F000260100000001 00", "620C 840A D392F000260100000001 9000"},
			{"00A40408 0A D392F000260100000001 00", "640C 840A D392F000260100000001 9000"},
			{"00A4040C 0A D392F000260100000001 00", "6700"}, // nothing is to come, something is asked for
			{"00A40401 0A D392F000260100000001 00", fciJPKI + "9000"},
			{"00A40403 0A D392F000260100000001 00", "6A82"}, // no other before it
			{"00A4040D 0A D392F000260100000002", "6A82"},
			{"00A4040F 0A D392F000260100000002", "6A82"},
			{"00A4041C 0A D392F000260100000001", "6A86"},
			{"00A4010C 02 0018", "6A86"},
			{"00A4030C 02 0018", "6A86"},
		}},
		{"select application by a part of its name", nil, []step{
			{"00A40400 02 D392 00", fciJPKI + "9000"},
			{"00A4040E 0A D392F000260100000001", "6A82"}, // no next one
			{"00A40402 02 D392 00", "6F0C 840A D3921000310001010408 9000"},
			{"00A40402 02 D392 00", "6F0C 840A D3921000310001010402 9000"},
			{"00A40402 02 D392 00", "6F0C 840A D3921000310001010100 9000"},
			{"00A40402 02 D392 00", "6F0C 840A D3921000310001010401 9000"},
			{"00A40402 02 D392 00", "6A82"},
			{"00A40403 02 D392 00", "6F0C 840A D3921000310001010100 9000"},
			{"00A40403 02 D392 00", "6F0C 840A D3921000310001010402 9000"},
			{"00A40401 02 D392 00", "6F0C 840A D3921000310001010401 9000"},
			{"00A4040C 01 A0", "9000"},
			{"00A40403 01 D3 00", "6F0C 840A D3921000310001010401 9000"}, // the current one does not fit: the last
			{"00A4040C 01 A0", "9000"},
			{"00A40402 01 D3 00", fciJPKI + "9000"}, // the current one does not fit: the first
			{"00A40400 00", "6F098407 A0000001510000 9000"},
			{"00A40402 00", fciJPKI + "9000"}, // any next one
			{"00A4040C 0A D3921000310001010401", "9000"},
			{"00A40402 00", "6A82"},
			{"00A40402 01 A0 00", "6F098407 A0000001510000 9000"},
		}},
		{"unknown and foreign applications", nil, []step{
			{selectJPKI, "9000"},
			{"00A4040C 0B D392F00026010000000100", "6A82"}, // longer than the name
			{"00A4040C 0A D392F000260100000002", "6A82"},
			{"00A40400 0A D392F000260100000002 00", "6A82"},
			{"00A40400 0A D392F000260100000002", "6A82"},
			{"00A4040C 0A D392F000260100000002 00", "6A82"},
			{"00A4040C 10 A000000308000010000100A000000308", "6A82"},
			{"00A4020C 02 0018", "9000"}, // still in JPKI
		}},
		{"no application", nil, []step{
			{"00A40000", "6A86"},
			{"00A4000C 02 3F00", "6A82"},
			{"00A4020C 02 000A", "6A82"},
			{"00B0000000", "6986"},
			{"00B08A0000", "6A82"},
			{"00200080", "6986"},
			{triesAuth, "6A82"},
			{"802A0080 01 00 00", "6986"},
			{"802A0097 01 00 00", "6A82"},
			{selectJPKI, "9000"},
			{"00A40000", "9000"},
			{"00A4000000", "9000"},
			{"00A40000 02 3F00", "6A82"},
			{triesAuth, "63C3"}, // still in JPKI
			{selectRoot, "9000"},
			{"00A40000", "6A86"},
			{triesAuth, "6A82"},
		}},
		{"select file", nil, []step{
			{selectJPKI, "9000"},
			{"00B0000004", "6986"},
			{"00A4020C 02 0006", "9000"},
			{"00A4020C 02 0007", "6A82"},
			{"00A4020C 02 0106", "6A82"},
			{"00A4020C 02 00FF", "6A82"},
			{"00A4020C 02 3F00", "6A82"},
			{"00A4020C 01 06", "6700"},
			{"00A4020C 03 000600", "6700"},
			{"00A4020C", "6700"},
			{"00B0000004", "4A504B49 9000"}, // still file 0006
			{"00A40200 02 0008", "9000"},
			{"00A402FF 02 0008", "9000"},
			{"00A40200 02 0008 00", "6F0B 80020003 83020008 880140 9000"},
			{"00A40204 02 000A 00", "620B 80020800 8302000A 880150 9000"},
			{"00A40200 02 0018 00", "6F07 83020018 8801C0 9000"},
			{"00A4020C 02 0008 00", "6700"},
			{selectJPKI, "9000"},
			{"00B0000004", "6986"}, // no file after another SELECT of the application
		}},
		{"every file can be selected", nil, []step{
			{selectJPKI, "9000"},
			{"00A4020C 02 0001", "9000"}, {"00A4020C 02 0002", "9000"}, {"00A4020C 02 0006", "9000"},
			{"00A4020C 02 0008", "9000"}, {"00A4020C 02 0009", "9000"}, {"00A4020C 02 000A", "9000"},
			{"00A4020C 02 000B", "9000"}, {"00A4020C 02 0016", "9000"}, {"00A4020C 02 0017", "9000"},
			{"00A4020C 02 0018", "9000"}, {"00A4020C 02 001A", "9000"}, {"00A4020C 02 001B", "9000"},
			{"00A4020C 02 0000", "6A82"}, {"00A4020C 02 001F", "6A82"}, {"00A4020C 02 0020", "6A82"},
		}},
		{"read", nil, []step{
			{selectJPKI, "9000"},
			{"00A4020C 02 0008", "9000"},
			{"00B0000000", "8F8F00 9000"},
			{"00B0000001", "8F 9000"},
			{"00B0000100", "8F00 9000"},
			{"00B0000200", "00 9000"},
			{"00B0000300", "6B00"},
			{"00B07FFF00", "6B00"},
			{"00B00000", "6700"},
			{"00B00000 01 00 00", "6700"},
			{"00B00000 000000", "8F8F00 9000"},
			{"00B00000 000002", "8F8F 9000"},
			{"00B0A00000", "6A86"},
			{"00B0C80000", "6A86"},
			{"00B08A0004", "3082048C 9000"},
			{"00B0000000", "256*9000"}, // the short identifier made 000A the current file
			{"00B007FF00", "FF 9000"},
			{"00B0080000", "6B00"},
			{"00B0800004", "3082048C 9000"}, // 80: the current file
			{"00B08AFE04", "4*9000"},
			{"00B08A00 000000", "2048*9000"},
			{"00B08A00 000801", "2048*9000"},
			{"00B08A00 0007FF", "2047*9000"},
			{"00B0870000", "6A82"},
			{"00B0000104", "82048C30 9000"}, // and 000A stays it
		}},
		{"access to files", nil, []step{
			{selectJPKI, "9000"},
			{"00B0820004", "4*9000"},
			{"00B08B0004", "4*9000"},
			{"00B0860000", "160*9000"},
			{"00B0810004", "6982"},
			{"00B0890000", "6982"},
			{"00B0960000", "6981"}, {"00B0970000", "6981"}, {"00B0980000", "6981"}, {"00B09A0000", "6981"}, {"00B09B0000", "6981"},
			{verifyAuth, "9000"},
			{"00B0810004", "6982"},
			{verifySign, "9000"},
			{"00B0810004", "4*9000"},
			{"00B0810000", "256*9000"},
			{"00B0890000", "6982"}, // nothing opens it
		}},
		{"no short identifiers", quirk(simcard.Quirks{NoShortEF: true}), []step{
			{selectJPKI, "9000"},
			{"00B08A0004", "6A86"},
			{triesAuth, "6A86"},
			{verifyAuth, "6A86"},
			{"802A0097 01 00 00", "6A86"},
			{"00A4020C 02 0018", "9000"},
			{"00200080", "63C3"},
			{"00200080 04 31323334", "9000"},
			{"00A4020C 02 0017", "9000"},
			{"802A0080 01 00 00", "256*9000"},
			{"00A4020C 02 000A", "9000"},
			{"00B0000004", "3082048C 9000"},
		}},
		{"no extended length", quirk(simcard.Quirks{NoExtendedLength: true}), []step{
			{"00A40400 00000A D392F000260100000001", "6700"},
			{selectJPKI, "9000"},
			{"00B08A00 000000", "6700"},
			{"00B08A0000", "256*9000"},
		}},
		{"counter", nil, []step{
			{selectJPKI, "9000"},
			{triesAuth, "63C3"},
			{triesSign, "63C5"},
			{"00200080", "63C5"}, // the short identifier made 001B the current file
			{"00A4020C 02 0018", "9000"},
			{"00200080", "63C3"},
			{"0020008000", "6700"},
			{"00200080 04 31323334 00", "6700"},
			{"00200080 11 3132333431323334313233343132333431", "6700"},
			{"00200180", "6A86"},
			{"00200000", "6A86"},
			{"00200018", "6A86"},
			{"002000D8", "6A86"},
			{"0020008A", "6981"},
			{"00200097 04 31323334", "6981"},
			{"00200087", "6A82"},
			{triesAuth, "63C3"},
		}},
		{"verify", nil, []step{
			{selectJPKI, "9000"},
			{verifyAuth, "9000"},
			{triesAuth, "63C3"}, // asking does not end it and does not answer 9000
			{"802A0097 01 00 00", "256*9000"},
			{"802A0097 01 00 00", "256*9000"},
			{wrongAuth, "63C2"},
			{"802A0097 01 00 00", "6982"}, // a wrong PIN ends it
			{triesAuth, "63C2"},
			{"00200098 05 3132333435", "63C1"}, // of the wrong length is wrong
			{"00200098 000004 31323334", "9000"},
			{triesAuth, "63C3"},
			{"00200098 10 31323334000000000000000000000000", "63C2"}, // no padding
			{"00200098 01 31", "63C1"},
			{"00200098 03 313233", "63C0"},
			{triesAuth, "63C0"},
			{verifyAuth, "6984"},
			{wrongAuth, "6984"},
			{triesAuth, "63C0"},
			{triesSign, "63C5"}, // each counts for itself
			{"0020009B 06 616263313233", "63C4"},
			{verifySign, "9000"},
			{triesSign, "63C5"},
		}},
		{"blocked as 6983", []simcard.Option{
			simcard.WithQuirks(simcard.Quirks{BlockedStatus: apdu.AuthenticationBlocked}),
			simcard.WithTries(simcard.AuthPIN, 1),
			simcard.WithTries(simcard.SignPIN, 0),
		}, []step{
			{selectJPKI, "9000"},
			{wrongAuth, "63C0"},
			{verifyAuth, "6983"},
			{verifySign, "6983"},
			{"0024019B 06 414243313233", "6983"},
			{"0024009B 0C 414243313233414243313234", "6983"},
			{triesSign, "63C0"},
		}},
		{"sign: lengths", nil, []step{
			{selectJPKI, "9000"},
			{verifyAuth, "9000"},
			{long("802A0097", 245, "0000"), "256*9000"},
			{long("802A0097", 246, "0000"), "6700"},
			{"802A0097 01 00 00", "256*9000"},
			{"802A0097 00", "6700"},
			{"802A0097", "6700"},
			{"802A0097 01 00", "6700"}, // no Le
			{"802A0097 01 00 FF", "6700"},
			{"802A0297 20" + hash + "00", "256*9000"},
			{"802A0297 1F" + hash[2:] + "00", "6700"},
			{"802A0297 21" + hash + "00 00", "6700"},
			{"802A0497 20" + hash + "00", "256*9000"},
			{"802A0497 1F" + hash[2:] + "00", "6700"},
			{"802A0197 01 00 00", "256*9000"},
			{"802A0397 01 00 00", "256*9000"},
			{"802A0597 01 00 00", "256*9000"},
			{long("802A0197", 3000, "0000"), "256*9000"},
			{long("802A0397", 3000, "0000"), "256*9000"},
			{long("802A0597", 3000, "0000"), "256*9000"},
			{"802A0197 00", "6700"},
			{"802A0397 00", "6700"},
			{"802A0597 00", "6700"},
			{"802A0697 01 00 00", "6A86"},
			{"802AFF97 01 00 00", "6A86"},
			{"802A0000 01 00 00", "6A86"},
			{"802A009D 01 00 00", "6A82"},
			{"802A0098 01 00 00", "6981"},
			{"802A008A 01 00 00", "6981"},
			{"802A0096 01 00 00", "6981"},
		}},
		{"sign: access", nil, []step{
			{selectJPKI, "9000"},
			{"802A0097 01 00 00", "6982"},
			{"802A009A 01 00 00", "6982"},
			{verifyAuth, "9000"},
			{"802A0097 01 00 00", "256*9000"},
			{"802A0080 01 00 00", "256*9000"},
			{"802A009A 01 00 00", "6982"},
			{verifySign, "9000"},
			{"802A009A 01 00 00", "256*9000"},
			{"802A0080 01 00 00", "256*9000"},
			{"802A0097 01 00 00", "256*9000"},
		}},
		{"no PSS", quirk(simcard.Quirks{NoPSS: true}), []step{
			{selectJPKI, "9000"},
			{verifyAuth, "9000"},
			{"802A0497 20" + hash + "00", "6A86"},
			{"802A0597 01 00 00", "6A86"},
			{"802A0397 01 00 00", "256*9000"},
		}},
		{"change", nil, []step{
			{selectJPKI, "9000"},
			{"00240198 04 35363738", "6982"},
			{verifyAuth, "9000"},
			{"00240198 04 3536373A", "6A80"},
			{"00240198 03 353637", "6A80"},
			{"00240198 05 3536373839", "6A80"},
			{"00240198", "6700"},
			{"00240198 04 35363738 00", "6700"},
			{"00240198 11 3132333435363738393031323334353637", "6700"},
			{"00240298 04 35363738", "6A86"},
			{"00240118 04 35363738", "6A86"},
			{"0024018A 04 35363738", "6981"},
			{"00A4020C 02 0018", "9000"},
			{"00240180 04 35363738", "9000"},
			{"802A0097 01 00 00", "256*9000"}, // still verified
			{verifyAuth, "63C2"},
			{"00200098 04 35363738", "9000"},
		}},
		{"change the sign PIN", nil, []step{
			{selectJPKI, "9000"},
			{verifySign, "9000"},
			{"0024019B 05 4142433132", "6A80"},
			{"0024019B 06 616263313233", "6A80"}, // lower case
			{"0024019B 06 414243414243", "6A80"}, // no digit
			{"0024019B 06 313233313233", "6A80"}, // no letter
			{"0024019B 06 414243313220", "6A80"},
			{"0024019B 10 41424331323334353637383930313233", "9000"},
			{"0020009B 10 41424331323334353637383930313233", "9000"},
			{verifySign, "63C4"},
		}},
		{"change with the old PIN", nil, []step{
			{selectJPKI, "9000"},
			{"00240098 08 3132333435363738", "9000"},
			{triesAuth, "63C3"},
			{"802A0097 01 00 00", "6982"}, // that was no VERIFY
			{"00240098 08 3132333435363738", "63C2"},
			{"00240098 02 3536", "63C1"},
			{"00240098 04 35363738", "6A80"}, // the old one is right, the new one missing
			{triesAuth, "63C3"},
			{"00240098 08 353637383132333A", "6A80"},
			{"00240098 08 3536373831323334", "9000"},
			{verifyAuth, "9000"},
			{"00240098 21" + strings.Repeat("31", 33), "6700"},
			{"00240098 08 3939393931323334", "63C2"},
			{"00240098 08 3939393931323334", "63C1"},
			{"00240098 08 3939393931323334", "63C0"},
			{"802A0097 01 00 00", "6982"},
			{"00240098 08 3132333435363738", "6984"},
		}},
		{"a PIN ends with another application", nil, []step{
			{selectJPKI, "9000"},
			{verifyAuth, "9000"},
			{selectJPKI, "9000"},
			{"802A0097 01 00 00", "256*9000"}, // not with the same one
			{"00A4040C 0A D392F000260100000002", "6A82"},
			{"802A0097 01 00 00", "256*9000"}, // not with one that is not there
			{"00A40000", "9000"},
			{"802A0097 01 00 00", "256*9000"},
			{selectRoot, "9000"},
			{selectJPKI, "9000"},
			{"802A0097 01 00 00", "6982"},
		}},
		{"a PIN ends with the same application", quirk(simcard.Quirks{ForgetOnReselect: true}), []step{
			{selectJPKI, "9000"},
			{verifyAuth, "9000"},
			{"802A0097 01 00 00", "256*9000"},
			{selectJPKI, "9000"},
			{"802A0097 01 00 00", "6982"},
		}},
		{"class", nil, []step{
			{selectJPKI, "9000"},
			{"01B08A0004", "6881"}, {"02A4040C", "6881"}, {"0320009800", "6881"}, {"8120009800", "6881"},
			{"40B08A0004", "6881"}, {"7FB08A0004", "6881"},
			{"04A4040C 0A D392F000260100000001", "6882"}, {"08A4040C", "6882"}, {"0CA4040C", "6882"},
			{"04B08A0004", "69FC"}, {"08200098 04 31323334", "69FC"}, {"0CB08A0004", "69FC"},
			{"0C240198 04 31323334", "6882"}, {"8C2A0097 01 00 00", "6882"},
			{"10B08A0004", "6884"}, {"902A0097 01 00", "6884"}, {"10200098 02 3132", "6884"},
			{"20B08A0004", "6E00"}, {"3FB08A0004", "6E00"}, {"A0A40000", "6E00"}, {"C0A40000", "6E00"}, {"FFB08A0004", "6E00"},
			{triesAuth, "63C3"},
		}},
		{"instruction", nil, []step{
			{"00CADF3005", "6A88"}, {"00CB3FFF 03 5C017E 08", "6D00"},
			{selectJPKI, "9000"},
			{"00C0000000", "6D00"}, {"002A9E9A 01 00 00", "6D00"},
			{"80A4040C", "6D00"}, {"80200098", "6D00"}, {"00210098", "6D00"}, {"00B1000000", "6D00"},
			{"00D6000001FF", "6D00"}, {"00E4000000", "6D00"}, {"002C0098", "6D00"},
		}},
		{"what nobody uses", nil, []step{
			{selectJPKI, "9000"},
			{"80A20000", "6A86"}, {"80A200AE", "6A86"}, {"80A28000", "6A86"}, {"80A200B6", "6A86"}, {"80A201C1 01 00", "6A86"},
			{"80A200C1", "6700"}, {"80A206C1", "6700"}, {"80A200C1 01 00", "6700"}, {"80A200C100", "6700"},
			{"80A206C1 00 0132" + strings.Repeat("7F", 306), "6700"}, {"80A206C1 00 0134" + strings.Repeat("7F", 308), "6700"},
			{"80A206C1 00 0133" + strings.Repeat("7F", 307), "6A80"}, {"80A200C1 00 0133" + strings.Repeat("7F", 307), "6A80"},
			{"80FC0000", "6700"}, {"80FC0000 01 00", "6700"}, {"80FC010203", "6700"},
			{"00A200C1", "6D00"}, {"00FC0000", "6D00"},
		}},
		{"what nobody uses, on a phone", kind(simcard.IPhone), []step{
			{selectJPKI, "9000"}, {"80FC0000", "6D00"}, {"80A200C1", "6700"},
		}},
		{"files of no known use", nil, filesOfNoKnownUse()},
		{"files of no known use, on a phone", kind(simcard.Android), filesOfNoKnownUse()},
		{"not a command", nil, []step{
			{"", "6700"}, {"00", "6700"}, {"00A404", "6700"},
			{"00A4040C 0A D392", "6700"}, {"00A4040C 02 D392 0000", "6700"},
			{"00A40400 0000", "6700"}, {"00A40400 00000000", "6700"}, {"00A40400 000002 D3", "6700"},
		}},
		{"android", kind(simcard.Android), []step{
			{selectRoot, "6A82"},
			{"00A40000", "6A86"},
			{"00A4040C 0A D3921000310001010408", "6A82"},
			{"00A4040C 0A D3921000310001010402", "6A82"},
			{selectJPKI, "9000"},
			{"00B0860010", hex.EncodeToString([]byte("JPKIAPGPSETOKEN ")) + "9000"},
			{"00B0880000", "8F8F00 9000"},
			{"00B08A0004", "6982"},
			{"00B08B0004", "4*9000"},
			{"0024019B 01 00", "6982"},
			{verifyAuth, "9000"},
			{"00B08A0004", "4*9000"},
			{"802A0097 01 00 00", "256*9000"},
		}},
		{"iphone", kind(simcard.IPhone), []step{
			{selectJPKI, "9000"},
			{"00B0860010", hex.EncodeToString([]byte("JPKIAPIOSTOKEN  ")) + "9000"},
			{"00B0880000", "8F8F00 9000"},
			{"00B08A0004", "6982"},
		}},
		{"juki", kind(simcard.Juki), []step{
			{selectJPKI, "9000"},
			{"00B0860010", hex.EncodeToString([]byte("JPKIAPICCTOKEN  ")) + "9000"},
		}},
		{"child", kind(simcard.Child), []step{
			{selectJPKI, "9000"},
			{"00B0860010", hex.EncodeToString([]byte("JPKIAPICCTOKEN2 ")) + "9000"},
			{"00B0880000", "008F00 9000"},
			{"00B0810004", "6A82"},
			{"00A4020C 02 0001", "6A82"},
			{"00B0820004", "4*9000"},
			{triesSign, "63C0"},
			{verifySign, "6984"},
			{"802A009A 01 00 00", "6A82"},
			{"00B08A0004", "4*9000"},
			{verifyAuth, "9000"},
			{"802A0097 01 00 00", "256*9000"},
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

func TestTokenInfo(t *testing.T) {
	for kind, label := range map[simcard.Kind]string{
		simcard.Plastic: "JPKIAPICCTOKEN2",
		simcard.Android: "JPKIAPGPSETOKEN",
		simcard.IPhone:  "JPKIAPIOSTOKEN",
		simcard.Juki:    "JPKIAPICCTOKEN",
		simcard.Child:   "JPKIAPICCTOKEN2",
	} {
		card := simcard.New(simcard.WithKind(kind))
		send(t, card, selectJPKI)
		reply, err := card.Transmit([]byte{0x00, 0xB0, 0x86, 0x00, 0x00})
		require.NoError(t, err)
		require.Len(t, reply, 160+2)
		info := reply[:160]
		assert.Equal(t, fmt.Sprintf("%-32s", label), string(info[:32]))
		assert.Equal(t, strings.Repeat("0", 31)+"1", string(info[32:64]), "manufacturer")
		assert.Equal(t, "E16R01NJ        ", string(info[64:80]), "model")
		assert.Regexp(t, `^[0-9]{16}$`, string(info[80:96]), "serial number")
		assert.Equal(t, "0000040D"+
			"00000001"+"00000000"+"00000001"+"00000000"+
			"00000010"+"00000006"+
			"FFFFFFFF"+"FFFFFFFF"+"FFFFFFFF"+"FFFFFFFF",
			strings.ToUpper(hex.EncodeToString(info[96:140])))
		assert.Equal(t, "03"+"01"+strings.Repeat("9", 16), string(info[140:]))
	}
}

// The life of a card in a reader: what power, reset and removal do to the
// application, the file and the PINs.
func TestPower(t *testing.T) {
	card := simcard.New()
	sign := "802A0097 01 00 00"
	verified := func() {
		t.Helper()
		run(t, card, []step{{selectJPKI, "9000"}, {verifyAuth, "9000"}, {sign, "256*9000"}})
		require.True(t, card.Verified(simcard.AuthPIN))
		require.False(t, card.Verified(simcard.SignPIN))
	}

	verified()
	card.Reset()
	assert.True(t, card.Verified(simcard.AuthPIN))
	run(t, card, []step{
		{"00A40000", "6A86"}, // no application
		{"00B0000001", "6986"},
		{selectJPKI, "9000"},
		{sign, "256*9000"}, // and the PIN is still there
	})

	card.PowerOn() // it has power
	run(t, card, []step{{sign, "256*9000"}})

	card.PowerOff()
	assert.False(t, card.Verified(simcard.AuthPIN))
	reply, err := card.Transmit([]byte{0, 0xA4, 0, 0})
	assert.ErrorIs(t, err, apdu.ErrCardRemoved)
	assert.Nil(t, reply)
	card.PowerOn()
	run(t, card, []step{{"00A40000", "6A86"}, {selectJPKI, "9000"}, {sign, "6982"}})

	verified()
	card.PowerOff()
	card.Reset() // gives power
	run(t, card, []step{{selectJPKI, "9000"}, {sign, "6982"}})

	verified()
	run(t, card, []step{{wrongSign, "63C4"}})
	card.Remove()
	assert.False(t, card.Verified(simcard.AuthPIN))
	for _, try := range []func(){func() {}, card.PowerOn, card.Reset} {
		try()
		out, err := card.TransmitContext(context.Background(), []byte("before"), []byte{0, 0xA4, 0, 0})
		assert.ErrorIs(t, err, apdu.ErrCardRemoved)
		assert.Equal(t, "before", string(out))
	}
	card.Insert()
	run(t, card, []step{{"00A40000", "6A86"}, {selectJPKI, "9000"}, {sign, "6982"}, {triesSign, "63C4"}})
}

func TestContext(t *testing.T) {
	card := simcard.New()
	send(t, card, selectJPKI)
	ctx, cancel := context.WithCancel(context.Background())
	out, err := card.TransmitContext(ctx, []byte("before"), []byte("\x00\x20\x00\x98\x049999"))
	require.NoError(t, err)
	assert.Equal(t, "before\x63\xC2", string(out))
	cancel()
	out, err = card.TransmitContext(ctx, []byte("before"), []byte("\x00\x20\x00\x98\x049999"))
	assert.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, "before", string(out))
	assert.Equal(t, 2, card.Tries(simcard.AuthPIN), "the card must not have seen it")
}

// Replies are the caller's: to write into one must not reach the card.
func TestRepliesAreFresh(t *testing.T) {
	card := simcard.New()
	for _, command := range []string{"00A40400 0A D392F000260100000001 00", "00B08A0000", "00A40200 02 000A 00"} {
		want := send(t, card, command)
		b, err := hex.DecodeString(strings.ReplaceAll(command, " ", ""))
		require.NoError(t, err)
		reply, err := card.Transmit(b)
		require.NoError(t, err)
		clear(reply[:cap(reply)])
		assert.Equal(t, want, send(t, card, command))
	}
	atr := card.ATR()
	clear(atr)
	assert.NotEqual(t, atr, card.ATR())
}

func TestATR(t *testing.T) {
	assert.Equal(t, "3be000ff8131fe4514", hex.EncodeToString(simcard.New().ATR()))
	assert.Equal(t, "3b80800101", hex.EncodeToString(simcard.New(simcard.WithKind(simcard.Android)).ATR()))
	own := []byte{0x3B, 0x00}
	card := simcard.New(simcard.WithATR(own))
	own[0] = 0
	assert.Equal(t, "3b00", hex.EncodeToString(card.ATR()))
}

func TestOptions(t *testing.T) {
	t.Run("PIN", func(t *testing.T) {
		card := simcard.New(simcard.WithPIN(simcard.AuthPIN, "8765"), simcard.WithPIN(simcard.SignPIN, "0123456789ABCDEFG"), simcard.WithPIN(7, "1"))
		run(t, card, []step{
			{selectJPKI, "9000"},
			{verifyAuth, "63C2"},
			{"00200098 04 38373635", "9000"},
			{"0020009B 10 30313233343536373839414243444546", "9000"}, // cut at 16
		})
	})
	t.Run("tries", func(t *testing.T) {
		for left, want := range map[int]int{-1: 0, 0: 0, 1: 1, 3: 3, 4: 3} {
			card := simcard.New(simcard.WithTries(simcard.AuthPIN, left), simcard.WithTries(200, 1))
			assert.Equal(t, want, card.Tries(simcard.AuthPIN))
			assert.Equal(t, 5, card.Tries(simcard.SignPIN))
		}
		card := simcard.New(simcard.WithTries(simcard.AuthPIN, 1))
		run(t, card, []step{{selectJPKI, "9000"}, {triesAuth, "63C1"}, {verifyAuth, "9000"}, {triesAuth, "63C3"}})
		assert.Zero(t, card.Tries(200))
		assert.False(t, card.Verified(200))
	})
	t.Run("kind", func(t *testing.T) {
		assert.Equal(t, simcard.Plastic, simcard.New().Kind())
		assert.Equal(t, simcard.Plastic, simcard.New(simcard.WithKind(99)).Kind())
		assert.Equal(t, "Kind(99)", simcard.Kind(99).String())
		for _, k := range allKinds {
			text, err := k.MarshalText()
			require.NoError(t, err)
			var back simcard.Kind
			require.NoError(t, back.UnmarshalText(text))
			assert.Equal(t, k, back)
			assert.Equal(t, k, simcard.New(simcard.WithKind(k)).Kind())
		}
		k := simcard.IPhone
		assert.Error(t, k.UnmarshalText([]byte("Plastic")))
		assert.Equal(t, simcard.IPhone, k)
	})
}

func TestNothingSecretIsPrinted(t *testing.T) {
	holder := simcard.SampleHolder(3)
	card := simcard.New(simcard.WithHolder(holder), simcard.WithPIN(simcard.AuthPIN, "8765"), simcard.WithPIN(simcard.SignPIN, "QWERTY42"))
	send(t, card, selectJPKI)
	send(t, card, "00200098 04 38373635")
	var out bytes.Buffer
	// Times and addresses are digits too, and any four digits come up in them.
	timeless := &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}
	address := regexp.MustCompile(`0x[0-9a-f]+|[0-9a-f]{12,}`)
	logger := slog.New(slog.NewJSONHandler(&out, timeless))
	texts := slog.New(slog.NewTextHandler(&out, timeless))
	for _, v := range []any{card, holder, &holder, struct{ C *simcard.Card }{card}, struct{ H simcard.Holder }{holder}, card.Holder(), holder.MyNumber, struct{ N simcard.MyNumber }{holder.MyNumber}, card.Authority(), []any{card, holder}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		logger.Info("card", "value", v)
		texts.Info("card", "value", v)
		if j, err := json.Marshal(v); err == nil {
			out.Write(j)
		}
	}
	card.PowerOff()
	_, err := card.Transmit([]byte("\x00\x20\x00\x98\x048765"))
	fmt.Fprintf(&out, "%v %+v %#v\n", err, err, err)
	serial := card.AuthCertificate().SerialNumber
	for _, secret := range []string{
		"8765", "38373635", "QWERTY42", hex.EncodeToString([]byte("QWERTY42")),
		holder.Name, holder.Address, holder.Birth.Format("20060102"), holder.Birth.Format("2006-01-02"),
		serial.Text(16), serial.Text(10),
		holder.NumberA(), holder.SecurityCode, card.Holder().NumberB(), card.Holder().BirthKey(), hexOf(holder.NumberA()),
		card.Holder().Expiry.Format("2006-01-02"), simcard.DefaultTextPIN, simcard.DefaultCommonPIN, simcard.DefaultJukiPIN,
	} {
		printed := strings.ToLower(out.String())
		if len(secret) == 4 || len(secret) == 6 {
			printed = address.ReplaceAllString(printed, "")
		}
		assert.NotContains(t, printed, strings.ToLower(secret))
	}
	assert.Contains(t, out.String(), "simcard.Card(plastic)")
	assert.Contains(t, out.String(), "[redacted]")
	assert.Equal(t, "simcard.Card(nil)", fmt.Sprint((*simcard.Card)(nil)))
}

// One card, many goroutines: each exchange is whole.
func TestConcurrentUse(t *testing.T) {
	card := simcard.New(simcard.WithFreshKeys())
	want := [2]string{}
	send(t, card, selectJPKI)
	want[0], want[1] = send(t, card, "00B08A0000"), send(t, card, "00B08B0000")
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 200 {
				switch (g + i) % 6 {
				case 0:
					assert.Equal(t, want[0], send(t, card, "00B08A0000"))
				case 1:
					assert.Equal(t, want[1], send(t, card, "00B08B0000"))
				case 2:
					assert.Equal(t, "9000", send(t, card, verifyAuth))
				case 3:
					assert.Equal(t, "63C3", send(t, card, triesAuth))
				case 4:
					assert.NotNil(t, card.AuthCertificate())
					assert.Equal(t, 3, card.Tries(simcard.AuthPIN))
				case 5:
					assert.Equal(t, "9000", send(t, card, selectJPKI))
				}
			}
		})
	}
	for range 20 {
		wg.Go(func() { assert.NotNil(t, simcard.New().AuthCertificate()) })
	}
	wg.Wait()
}

// New must not generate or sign anything: it stays far below a millisecond.
// Time is measured by BenchmarkNew; what is asserted is its cause.
func TestNewIsCheap(t *testing.T) {
	allocations := testing.AllocsPerRun(100, func() { simcard.New() })
	assert.Less(t, allocations, 150.0)
}

func TestNoAllocation(t *testing.T) {
	card := simcard.New()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	dst := make([]byte, 0, 4096)
	for _, command := range []string{
		selectJPKI, "00A40400 0A D392F000260100000001 00", "00A4020C 02 000A", "00A40200 02 000A 00",
		selectText, selectVisual, selectCommon, "00B2010C00", "00B2010D00", "00B2011400", "00CA5F5100", selectRoot, "00CA00F000", "00CA00F8 000000",
		selectText, verifyText, "00B08100 000000", "00B08200 000000", "00B08300 000000", "00A4020C 02 0004", "00B0000000", "80320091 04 32333435",
		selectJPKI, "00A4020C 02 000A", "00B0000000", "00B08A0024", "00B08A00 000000", "00B0870000", verifyAuth, triesAuth, "00CA0000",
	} {
		b, err := hex.DecodeString(strings.ReplaceAll(command, " ", ""))
		require.NoError(t, err)
		assert.Zero(t, testing.AllocsPerRun(100, func() {
			if _, err := card.TransmitContext(ctx, dst, b); err != nil {
				t.Error(err)
			}
		}), command)
	}
	b := []byte{0x00, 0xB0, 0x8A, 0x00, 0x00}
	assert.Equal(t, 1.0, testing.AllocsPerRun(100, func() {
		if _, err := card.Transmit(b); err != nil {
			t.Error(err)
		}
	}), "Transmit makes the reply and nothing else")
}

// filesOfNoKnownUse can be selected and named, and give nothing.
func filesOfNoKnownUse() []step {
	steps := []step{{selectJPKI, "9000"}}
	for _, id := range []string{"05", "10", "19", "1C", "1E"} {
		var n byte
		fmt.Sscanf(id, "%X", &n)
		short := fmt.Sprintf("%02X", 0x80|n)
		steps = append(steps, []step{
			{"00A4020C 02 00" + id, "9000"}, {"00B0000010", "6981"}, {"00B2010400", "6981"}, {"00200080", "6981"},
			{"00B0" + short + "0010", "6981"}, {"002000" + short, "6981"}, {"002000" + short + "0431323334", "6981"},
			{"802A00" + short + "010000", "6981"},
		}...)
	}
	return steps
}
