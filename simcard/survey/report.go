package survey

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mynakit/mynakit/apdu"
)

// version is the only version of a report that there is.
const version = 1

// labels are what file 0006 of JPKI is known to begin with.
var labels = [...]string{"JPKIAPICCTOKEN2", "JPKIAPICCTOKEN", "JPKIAPGPSETOKEN", "JPKIAPIOSTOKEN"}

// A Report is what a survey found. It is made to be published.
type Report struct {
	Survey       int               `json:"survey"` // the version of this form
	ATR          string            `json:"atr,omitempty"`
	Label        string            `json:"label,omitempty"`        // of the token, or "other"
	Certificates string            `json:"certificates,omitempty"` // file 0008 of JPKI
	Versions     map[string]string `json:"versions,omitempty"`     // of the applications, by file
	Answers      map[string]Answer `json:"answers"`                // by step
}

// An Answer is what a card said to one step.
type Answer struct {
	SW     string `json:"sw,omitempty"`     // the status word; a counter is "63Cx full" or "63Cx not full"
	Length string `json:"length,omitempty"` // of the data, or of the file
	Form   string `json:"form,omitempty"`   // of the data: its tags, or digits, text, FF, binary
	Time   string `json:"time,omitempty"`   // a range
}

// maxReport is the longest report that is read, in bytes.
const maxReport = 1 << 20

// ErrReport is returned for a text that is not a report.
var ErrReport = errors.New("survey: not a report of a survey, or one of a later version")

// Read parses a report, of at most 1 MiB. It fails with [ErrReport] and with the
// errors of reading.
func Read(r io.Reader) (*Report, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxReport+1))
	if err != nil {
		return nil, fmt.Errorf("survey: %w", err)
	}
	var report Report
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if len(text) > maxReport || d.Decode(&report) != nil || report.Survey != version {
		return nil, ErrReport
	}
	return &report, nil
}

// WriteTo writes the report as JSON.
func (r *Report) WriteTo(w io.Writer) (int64, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(r); err != nil {
		return 0, err
	}
	return b.WriteTo(w)
}

// Kind returns the name of the software card that the report is to be held
// against: a name of simcard.SampleNames.
func (r *Report) Kind() string {
	switch {
	case r.Label == "JPKIAPGPSETOKEN":
		return "android"
	case r.Label == "JPKIAPIOSTOKEN":
		return "iphone"
	case r.Label == "JPKIAPICCTOKEN":
		return "juki"
	case r.Certificates == "008F00" && r.Answers["jpki/0018"].SW == notFull && r.Answers["text/0011"].SW == notFull:
		return "pinless"
	case r.Certificates == "008F00":
		return "child"
	case r.Answers[residences[0].name+"/select"].SW == found:
		return "residence"
	}
	return "plastic"
}

// A Difference is one step that two cards answer in different ways.
type Difference struct {
	Step string `json:"step"`
	Got  string `json:"got"`  // "" if it was not asked
	Want string `json:"want"` // what the software card says
	Fact Fact   `json:"fact"`
}

// String returns one line.
func (d Difference) String() string {
	or := func(s string) string {
		if s == "" {
			return "nothing"
		}
		return s
	}
	return fmt.Sprintf("%s: %s, the software card: %s (%s)", d.Step, or(d.Got), or(d.Want), d.Fact)
}

// Compare lists the steps that a card answers in another way than the
// reference, sorted. Times are not compared.
func Compare(got, want *Report) []Difference {
	var list []Difference
	add := func(step, g, w string) {
		if g != w {
			list = append(list, Difference{step, g, w, FactOf(step)})
		}
	}
	steps := maps.Clone(got.Answers)
	maps.Copy(steps, want.Answers)
	for _, step := range slices.Sorted(maps.Keys(steps)) {
		add(step, got.Answers[step].String(), want.Answers[step].String())
	}
	add("jpki/0006 label", got.Label, want.Label)
	add("jpki/0008 certificates", got.Certificates, want.Certificates)
	for _, file := range []string{"text/0005", "visual/0003"} {
		add(file+" version", got.Versions[file], want.Versions[file])
	}
	return list
}

// String returns the answer without its time.
func (a Answer) String() string {
	parts := []string{}
	for _, p := range []string{a.SW, a.Length, a.Form} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, ", ")
}

// statusForm is a status word without the number that some carry.
func statusForm(s apdu.Status) string {
	switch {
	case s>>8 == 0x61, s>>8 == 0x6C:
		return fmt.Sprintf("%02Xxx", byte(s>>8))
	case s.Is(apdu.Counter):
		return "63Cx"
	}
	return fmt.Sprintf("%04X", uint16(s))
}

const (
	found   = "9000"
	isFull  = "63Cx full"
	notFull = "63Cx not full"
)

// counterForm says whether a counter is full. Of a file of which nobody knows
// how many tries it has, it says whether there is one.
func counterForm(step string, left byte) string {
	tries, known := full[step]
	switch {
	case known && left == tries, !known && left > 0:
		return isFull
	}
	return notFull
}

// lengthForm is the length of a reply: as it is if that is what was asked for
// or too short to differ, otherwise a range.
func lengthForm(n, asked int) string {
	const short = 32
	switch {
	case n == 0:
		return ""
	case n == asked || n <= short:
		return fmt.Sprintf("%d bytes", n)
	}
	top := 2 * short
	for top < n {
		top *= 2
	}
	return fmt.Sprintf("%d to %d bytes", top/2+1, top)
}

// sizeForm is the size of a file: as it is where all cards have the same, and
// in steps of 256 bytes where it may follow what is in it.
func sizeForm(n int) string {
	const step, fixed = 256, 640
	if n <= fixed {
		return fmt.Sprintf("file of %d bytes", n)
	}
	top := (n + step - 1) / step * step
	return fmt.Sprintf("file of %d to %d bytes", top-step+1, top)
}

// timeForm is a range of times.
func timeForm(d time.Duration) string {
	limits := []time.Duration{5, 10, 20, 50, 100, 200, 500, 1000}
	for _, ms := range limits {
		if d < ms*time.Millisecond {
			return fmt.Sprintf("under %d ms", ms)
		}
	}
	return "1 s or more"
}

// atrForm is an answer to reset without what may be one card's. That of a
// contactless card is made by the reader, from what the card says of itself and
// at times from its random number.
func atrForm(atr []byte) string {
	switch {
	case len(atr) < 2:
		return ""
	case len(atr) >= 4 && atr[0] == 0x3B && atr[1]&0xF0 == 0x80 && atr[2] == 0x80 && atr[3] == 0x01:
		return fmt.Sprintf("contactless, %d historical bytes", atr[1]&0x0F)
	}
	return fmt.Sprintf("%X", atr)
}

// knownTags are what files are known to begin with. Other bytes are not taken for
// tags: they could be somebody's.
var knownTags = [][]byte{{0x30}, {0xFF}, {0x7F, 0x21}, {0x5F, 0x4E}, {0xA1}, {0x01}, {0x66}, {0xC1}}

// form says what data looks like.
func form(b []byte) string {
	all := func(ok func(byte) bool) bool { return !slices.ContainsFunc(b, func(c byte) bool { return !ok(c) }) }
	switch {
	case all(func(c byte) bool { return c == 0xFF }):
		return "FF"
	case all(func(c byte) bool { return '0' <= c && c <= '9' }):
		return "digits"
	case all(func(c byte) bool { return ' ' <= c && c <= '~' }):
		return "text"
	}
	if slices.ContainsFunc(knownTags, func(tag []byte) bool { return bytes.HasPrefix(b, tag) }) {
		return "objects " + tagsOf(b, 1)
	}
	return "binary"
}

// tagsOf lists the tags of BER-TLV objects, and those within them depth levels
// down, as far as the bytes go. It is "" if they are not such objects.
func tagsOf(b []byte, depth int) string {
	var list []string
	for len(b) > 0 && b[0] != 0xFF || len(b) > 1 && b[0] == 0xFF && b[1]&0x80 == 0 {
		n := 1
		if b[0]&0x1F == 0x1F {
			n = 2
		}
		if len(b) < n+1 || n == 2 && b[1]&0x80 != 0 {
			break
		}
		tag, constructed := fmt.Sprintf("%X", b[:n]), b[0]&0x20 != 0
		length, rest := int(b[n]), b[n+1:]
		if length >= 0x80 {
			count := length & 0x7F
			if count < 1 || count > 2 || len(rest) < count {
				break
			}
			length = 0
			for _, c := range rest[:count] {
				length = length<<8 | int(c)
			}
			rest = rest[count:]
		}
		inner := rest[:min(length, len(rest))]
		if constructed && depth > 0 {
			tag += "(" + tagsOf(inner, depth-1) + ")"
		}
		list = append(list, tag)
		b = rest[len(inner):]
	}
	return strings.Join(list, " ")
}
