package page_test

import (
	"encoding/hex"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/ticket"
)

// A whole day, with everything written down that leaves the program: what is
// secret is in no URL and no log, the PIN and the card's numbers on no page at
// all, and nothing of it in front of another browser.
func TestSecretsStay(t *testing.T) {
	s := newShop(t)
	term := serve(t, s)
	p := term.open(t)
	const pin = "8264"
	card := sample(5, simcard.WithPIN(simcard.AuthPIN, pin))
	p.put(card, "new").get("/enrol")
	p.send("/enrol/pin", "pin", "82640")
	p.send("/enrol/pin", "pin", pin).send("/enrol/choose", "id", "QUIETKEY").send("/enrol/accept").sees("QUIETKEY")
	id := parse(t, mykey.ParseID, "QUIETKEY")
	require.NoError(t, s.Grant(t.Context(), id, 5000, "welcome"))
	const customer = "77318842900155"
	p.get("/service").send("/service/check", "operator", "000001", "customer", customer).send("/service/register", "pin", pin).get("/lookup").sees(customer)
	p.get("/issue").send("/issue/check", "points", "1000", "until", s.Today().String()).send("/issue/issue", "pin", pin).get("/print/ticket.svg")
	number := ticketNumber.FindStringSubmatch(p.body)[1]
	p.get("/redeem").send("/redeem/inspect", "code", "1"+number)
	p.send("/redeem/inspect", "code", number)
	live, err := s.Inspect(t.Context(), s.Terminal("T-01"), ticket.NewCode(number))
	require.NoError(t, err)
	slip, err := s.Slip(live)
	require.NoError(t, err)
	p.send("/redeem/redeem").get("/settle").get("/" + number) // a number typed where the address goes
	p.put(sample(6, simcard.WithKind(simcard.Android), simcard.WithPIN(simcard.AuthPIN, pin)), "phone").get("/")
	p.send("/phone/pin", "pin", "82640").send("/phone/pin", "pin", pin).sees("マイキーIDはまだありません")
	mine := p.seen.String()

	stranger := term.open(t)
	for _, path := range []string{"/enrol", "/service", "/lookup", "/issue", "/redeem", "/settle", "/merge", "/print/a4", "/print/ticket.svg", "/settle/details.csv", "/none"} {
		stranger.get(path)
	}
	theirs := stranger.seen.String()
	log := term.log.String()
	urls := strings.Join(p.asked, "\n")
	require.Contains(t, log, "/enrol/pin")
	require.Contains(t, urls, "/redeem/redeem")

	serial, err := jpki.SerialOf(card.AuthCertificate())
	require.NoError(t, err)
	holder := card.Holder()
	never := map[string]string{ // nowhere
		"PIN": pin, "serial": serial.Hex(), "my number": holder.MyNumber.Digits(), "name": holder.Name, "address": holder.Address,
		"QR code": slip.QR.Reveal(), "sign PIN": simcard.DefaultSignPIN,
	}
	hidden := map[string]string{ // on the clerk's pages alone
		"MyKey ID": id.String(), "customer": customer, "number": number, "digits": strings.ReplaceAll(number, "-", ""),
		"cookie": cookieOf(t, p), "token": tokenField.FindStringSubmatch(mine)[1],
	}
	whole := func(text, word string) bool {
		return regexp.MustCompile(`(?i)(^|[^0-9A-Za-z])` + regexp.QuoteMeta(word) + `($|[^0-9A-Za-z])`).MatchString(text)
	}
	for what, word := range never {
		require.NotEmpty(t, word, what)
		assert.False(t, whole(mine, word), "%s on a page", what)
		hidden[what] = word
	}
	for what, word := range hidden {
		assert.False(t, whole(theirs, word), "%s in front of another browser", what)
		assert.False(t, whole(log, word), "%s in the log", what)
		if what != "number" { // which this test itself has put into an address
			assert.False(t, whole(urls, word), "%s in a URL", what)
		}
	}
	assert.False(t, strings.Contains(mine+theirs+log, hex.EncodeToString(serial.Bytes())))
}

func cookieOf(t *testing.T, p *person) string {
	t.Helper()
	at, err := url.Parse(p.term.url)
	require.NoError(t, err)
	cookies := p.client.Jar.Cookies(at)
	require.Len(t, cookies, 1)
	return cookies[0].Value
}
