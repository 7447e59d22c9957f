package survey

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// An app is an application that a survey looks at.
type app struct {
	name, aid string
}

// The applications, by AID.
var (
	apps = []app{
		{"jpki", "D392F000260100000001"},
		{"text", "D3921000310001010408"},
		{"visual", "D3921000310001010402"},
		{"common", "D3921000310001010100"},
		{"juki", "D3921000310001010401"},
	}
	licence    = app{"licence", "A0000002310600000000000000000000"}
	residences = []app{
		{"residence-1", "D392F0004F0100000000000000000000"},
		{"residence-2", "D392F0004F0200000000000000000000"},
		{"residence-3", "D392F0004F0300000000000000000000"},
		{"residence-4", "D392F0004F0400000000000000000000"},
	}
)

// lastFile is the last file that is looked for; the first is 0001.
const lastFile = 0x1E

// full is how many tries a PIN or a number has when none was spent, as docs/card.md says.
var full = map[string]byte{
	"jpki/0018": 3, "jpki/001B": 5, "text/0011": 3, "common/001C": 3, "juki/001C": 3,
	"text/0014": 10, "text/0015": 10, "visual/0011": 10, "visual/0012": 10, "visual/0013": 10,
}

// objects are the data objects of the card itself, for GET DATA.
var objects = []string{"0042", "0045", "0066", "00F0", "00F2", "00F7", "00F8", "5F51", "7F21"}

// A border is a command at the border of what a card takes.
type border struct {
	name, command string
}

// borders are sent within the JPKI application, in this order. "!" in front of
// a command selects the application anew first.
var borders = []border{
	{"read without a file", "!00B0000001"},
	{"read a file that is missing", "00B09F0001"},
	{"read by short identifier", "00B0860000"},
	{"read one byte", "00B0860001"},
	{"read with Le 255", "00B08600FF"},
	{"read in extended length", "00B08600000000"},
	{"read the last byte", "00B0869F01"},
	{"read behind the end", "00B086A001"},
	{"read at the last offset", "00B07FFF01"},
	{"read without Le", "00B08600"},
	{"select by part of the AID", "00A4040C05D392F00026"},
	{"select with Le", "00A4040C0AD392F00026010000000100"},
	{"select for control information", "00A404000AD392F00026010000000100"},
	{"select nothing", "00A40000"},
	{"select 3F00", "00A4000C023F00"},
	{"select a file that is missing", "00A4020C02001F"},
	{"select an application that is missing", "00A4040C0AD392F0002601000000FF"},
	{"challenge of 8 bytes", "!0084000008"},
	{"challenge in extended length", "00840000000008"},
	{"logical channel", "01A4020C020006"},
	{"secure messaging, select", "0CA4020C020006"},
	{"secure messaging, read", "0CB0860001"},
	{"chaining", "10A4020C020006"},
}

// Options say what a survey also looks for. The zero Options are the usual ones.
type Options struct {
	Licence   bool // the driving licence (マイナ免許証): whether its application is there
	Residence bool // the residence card's applications (特定在留カード): whether they are there

	// Progress, if not nil, is called before each part with its name.
	Progress func(part string)
}

// Plan describes what [Run] does with these options, for the owner of the card
// to read beforehand: in Japanese and in English, a line each.
func (o Options) Plan() (japanese, english []string) {
	japanese = []string{
		"カードアプリケーション（公的個人認証・券面事項入力補助・券面事項確認・共通・住基）と、その中のファイルを選択します。",
		"暗証番号や照合番号は送信しません。残り回数は、データのないVERIFYで確認します。残り回数は減りません。",
		"暗証番号なしで読み取れるファイルを読み取り、長さと形だけを記録します。内容は記録しません。",
		"カードが受け付けないコマンドをいくつか送り、ステータスワードと時間を記録します。カードの内容は変わりません。",
	}
	english = []string{
		"It selects the card's applications (JPKI, text, visual, common, juki) and the files in them.",
		"It sends no PIN and no number. It asks for the counters by VERIFY without data, which spends no try.",
		"It reads the files that are free and notes their lengths and their form, never their content.",
		"It sends a few commands that cards refuse, and notes status words and times. Nothing on the card changes.",
	}
	if o.Licence {
		japanese = append(japanese, "免許証のアプリケーションの有無を確認します。")
		english = append(english, "It looks whether the application of the driving licence is there.")
	}
	if o.Residence {
		japanese = append(japanese, "在留カードのアプリケーションの有無を確認します。")
		english = append(english, "It looks whether the applications of the residence card are there.")
	}
	return japanese, english
}

// bytesOf reads hexadecimal that stands in this package.
func bytesOf(text string) []byte {
	b, err := hex.DecodeString(text)
	if err != nil {
		panic("internal error: survey: " + err.Error())
	}
	return b
}

func selectApp(aid string) []byte {
	return bytesOf(fmt.Sprintf("00A4040C%02X%s", len(aid)/2, aid))
}

// A Fact is a place in docs/card.md that an answer touches.
type Fact struct {
	Section string `json:"section"` // the heading
	Text    string `json:"text"`    // what stands under it
}

// String returns both.
func (f Fact) String() string { return "docs/card.md, " + f.Section + ": " + f.Text }

// facts are the places by the step's name, or its beginning; the longest counts.
var facts = map[string]Fact{
	"":                        {"Status words", "6F00"},
	"manager":                 {"Five applications", "selected by name"},
	"jpki":                    {"Five applications", "`D392F000260100000001`"},
	"text":                    {"Five applications", "`D3921000310001010408`"},
	"visual":                  {"Five applications", "`D3921000310001010402`"},
	"common":                  {"Five applications", "`D3921000310001010100`"},
	"juki":                    {"Five applications", "`D3921000310001010401`"},
	"licence":                 {"Five applications", "selected by name"},
	"residence":               {"Five applications", "selected by name"},
	"jpki/0001":               {"JPKI", "0001"},
	"jpki/0002":               {"JPKI", "0002"},
	"jpki/0005":               {"JPKI", "0005"},
	"jpki/0006":               {"JPKI", "0006"},
	"jpki/0008":               {"JPKI", "0008"},
	"jpki/0009":               {"JPKI", "0009"},
	"jpki/000A":               {"JPKI", "000A"},
	"jpki/000B":               {"JPKI", "000B"},
	"jpki/0010":               {"JPKI", "0010"},
	"jpki/0016":               {"JPKI", "0016"},
	"jpki/0017":               {"JPKI", "0017"},
	"jpki/0018":               {"JPKI", "0018"},
	"jpki/0019":               {"JPKI", "0019"},
	"jpki/001A":               {"JPKI", "001A"},
	"jpki/001B":               {"JPKI", "001B"},
	"jpki/001C":               {"JPKI", "001C"},
	"jpki/001E":               {"JPKI", "001E"},
	"text/0001":               {"The face of the card", "text 0001"},
	"text/0002":               {"The face of the card", "text 0002"},
	"text/0003":               {"The face of the card", "text 0003"},
	"text/0004":               {"The face of the card", "text 0004"},
	"text/0011":               {"PINs and their counters", "text 0011"},
	"text/0014":               {"PINs and their counters", "number A, number B"},
	"text/0015":               {"PINs and their counters", "number A, number B"},
	"visual/0001":             {"The face of the card", "visual 0001"},
	"visual/0002":             {"The face of the card", "visual 0002"},
	"visual/0004":             {"The face of the card", "visual 0004"},
	"visual/0005":             {"The face of the card", "visual 0005"},
	"visual/0011":             {"PINs and their counters", "birth date key"},
	"visual/0012":             {"PINs and their counters", "number A, number B"},
	"visual/0013":             {"PINs and their counters", "number A, number B"},
	"common/0001":             {"The face of the card", "common 0001"},
	"common/001C":             {"PINs and their counters", "common 001C"},
	"juki/001C":               {"PINs and their counters", "juki 001C"},
	"border/read":             {"Commands", "`00 B0`"},
	"border/read in extended": {"Commands", "Extended length"},
	"border/read behind":      {"Status words", "6B00"},
	"border/read at the last": {"Status words", "6B00"},
	"border/read without a":   {"Status words", "6985, 6986"},
	"border/select":           {"Commands", "select an application"},
	"border/select nothing":   {"Commands", "select a file"},
	"border/select 3F00":      {"Commands", "select a file"},
	"border/select a file":    {"Status words", "6A82"},
	"border/challenge":        {"Commands", "Short lengths are enough"},
	"border/logical":          {"Status words", "6D00, 6E00"},
	"border/secure":           {"Status words", "6D00, 6E00"},
	"border/chaining":         {"Status words", "6D00, 6E00"},
}

// FactOf returns the place in docs/card.md that the answer to a step touches.
func FactOf(step string) Fact {
	best, found := "", facts[""]
	for start, f := range facts {
		if strings.HasPrefix(step, start) && len(start) > len(best) {
			best, found = start, f
		}
	}
	return found
}
