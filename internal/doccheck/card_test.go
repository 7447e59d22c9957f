package doccheck

import (
	"encoding/hex"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/simcard"
)

// The guide to the card and the software card say the same: names of
// applications, what is free to read and what is not, tries.
func TestCardGuide(t *testing.T) {
	guide := readDocument(t, "docs/card.md")
	aids := map[string]string{}
	for _, row := range table(t, guide, "Five applications") {
		name := regexp.MustCompile(`\((\w+)\)`).FindStringSubmatch(row[0])
		require.NotNil(t, name, "%q", row[0])
		aids[name[1]] = strings.Trim(row[1], "`")
	}
	require.Len(t, aids, 5)
	ask := func(app string, command ...byte) apdu.Status {
		t.Helper()
		aid, err := hex.DecodeString(aids[app])
		require.NoError(t, err)
		card := simcard.New()
		var status apdu.Status
		for _, c := range [][]byte{append([]byte{0x00, 0xA4, 0x04, 0x0C, byte(len(aid))}, aid...), command} {
			reply, err := card.Transmit(c)
			require.NoError(t, err)
			r, err := apdu.ParseResponse(reply)
			require.NoError(t, err)
			if status = r.Status; len(c) > 5 {
				require.Equal(t, apdu.OK, status, "SELECT %s", app)
			}
		}
		return status
	}
	file := func(digits string) byte {
		t.Helper()
		id, err := strconv.ParseUint(digits, 16, 8)
		require.NoError(t, err)
		return byte(id)
	}

	check := func(app, id, opener string) {
		read := []byte{0x00, 0xB0, 0x80 | file(id), 0x00, 0x04}
		if app == "common" {
			read = []byte{0x00, 0xB2, 0x01, file(id)<<3 | 4, 0x00}
		}
		status := ask(app, read...)
		if strings.HasPrefix(opener, "free") {
			assert.Equal(t, apdu.OK, status, "%s %s is free", app, id)
		} else {
			assert.Contains(t, []apdu.Status{0x6981, 0x6982}, status, "%s %s is not free", app, id)
		}
	}
	for _, row := range table(t, guide, "JPKI") {
		check("JPKI", row[0], row[2])
	}
	for _, row := range table(t, guide, "The face of the card") {
		app, id, _ := strings.Cut(row[0], " ")
		check(app, id, row[2])
	}

	counters := 0
	for _, row := range table(t, guide, "PINs and their counters") {
		for _, key := range regexp.MustCompile(`(JPKI|text|juki|common) (00\w\w)`).FindAllStringSubmatch(row[0], -1) {
			counters++
			tries, err := strconv.Atoi(row[2])
			require.NoError(t, err)
			assert.Equal(t, apdu.Status(0x63C0+tries), ask(key[1], 0x00, 0x20, 0x00, 0x80|file(key[2])), key[0])
		}
	}
	assert.Equal(t, 5, counters)
}

// The AIDs that the guide to phones lists are those of the software card: a wrong
// one in an app is found out by its users.
func TestPhoneGuide(t *testing.T) {
	card := simcard.New(simcard.WithKind(simcard.Residence), simcard.WithLicence())
	rows := table(t, readDocument(t, "docs/phone.md"), "The list of applications")
	require.Len(t, rows, 7)
	for _, row := range rows {
		aid, err := hex.DecodeString(strings.Trim(row[1], "`"))
		require.NoError(t, err, row[0])
		reply, err := card.Transmit(append([]byte{0x00, 0xA4, 0x04, 0x0C, byte(len(aid))}, aid...))
		require.NoError(t, err)
		assert.Equal(t, []byte{0x90, 0x00}, reply, "SELECT %s", row[0])
	}
}
