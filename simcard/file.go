package simcard

import (
	"bytes"
	"crypto"
	"slices"

	"github.com/mynakit/mynakit/apdu"
)

// An application (AP, ISO/IEC 7816-4: application DF) is data: a name and
// files. What a command does with a file follows from what the file holds.
type application struct {
	aid []byte

	// files are the elementary files. Their identifiers are 0001 to 001E, so
	// that each is its own short identifier too, and the index here.
	files [32]*file
	pins  []*pin // of the files, to be forgotten together

	defaultKey *file        // the key that P2 00 means, or nil
	objects    []dataObject // what GET DATA gives
	session    session      // how SET SESSION KEY is refused

	// fill adds the files when the application is first selected: a card is
	// made with names alone. It is nil when that is done.
	fill func(*application)
}

// A session is what an application has for secure messaging.
type session uint8

const (
	sessionRefused session = iota // something, that nothing opens
	sessionNone                   // nothing
	sessionText                   // a key, once the PIN is verified
)

// complete adds the files if that has not been done.
func (a *application) complete() {
	if a.fill != nil {
		a.fill(a)
		a.fill = nil
	}
}

func (a *application) add(files ...file) {
	for i := range files {
		f := &files[i]
		a.files[f.id] = f
		if f.pin != nil {
			a.pins = append(a.pins, f.pin)
		}
	}
}

// A file is an elementary file (EF). One with content or records can be read;
// one with a PIN or a key, or with nothing, is an internal file (IEF): it can be selected
// and named, and never read.
type file struct {
	id byte

	content func() []byte // what READ BINARY reads; gives nil if that could not be made
	records [][]byte      // what READ RECORD reads
	read    access

	pin *pin // what VERIFY and CHANGE REFERENCE DATA work on

	key           func() crypto.Signer // what signs
	use           access
	authenticates bool // by INTERNAL AUTHENTICATE, and by nothing else
}

func fixed(content []byte) func() []byte { return func() []byte { return content } }

// An access is the condition for reading a file or using a key. The zero value
// is never met.
type access struct {
	always bool
	pins   []*pin // one of them is to be verified
}

var (
	free  = access{always: true}
	never = access{}
)

func needs(pins ...*pin) access { return access{pins: pins} }

func (a *access) granted() bool {
	if a.always {
		return true
	}
	for _, p := range a.pins {
		if p.verified {
			return true
		}
	}
	return false
}

// enter makes a the current application. The PINs of all others are forgotten.
func (c *Card) enter(a *application) {
	for _, other := range c.apps {
		if other != a || c.quirks.ForgetOnReselect {
			for _, p := range other.pins {
				p.verified = false
			}
		}
	}
	a.complete()
	c.app, c.ef = a, nil
}

// selectFile is SELECT. P1 says by what: 04 a name (AID), 02 a file
// identifier, 00 the root of the card.
func (c *Card) selectFile(cmd *apdu.Command) ([]byte, apdu.Status) {
	switch cmd.P1 {
	case 0x04:
		return c.selectApplication(cmd)
	case 0x02:
		return c.selectElementary(cmd)
	case 0x00:
		// Cards have no master file that could be named: 3F00 is not found.
		// With nothing named, they agree once an application is selected, and
		// stay in it.
		if len(cmd.Data) > 0 {
			return nil, apdu.FileNotFound
		}
		if c.app == c.root {
			return nil, apdu.IncorrectP1P2
		}
		return nil, apdu.OK
	}
	return nil, apdu.IncorrectP1P2
}

// selectApplication finds an application by the beginning of its AID. Bits 1
// and 2 of P2 ask for the first (0), last (1), next (2) or previous (3) one,
// bits 3 and 4 for what to give: control information (0), control parameters
// (1), management data (2) or nothing (3).
func (c *Card) selectApplication(cmd *apdu.Command) ([]byte, apdu.Status) {
	occurrence, give := cmd.P2&0x03, cmd.P2>>2&0x03
	if cmd.P2&0xF0 != 0 {
		return nil, apdu.IncorrectP1P2
	}
	a := c.find(cmd.Data, occurrence)
	if a == nil {
		return nil, apdu.FileNotFound
	}
	if give == 3 && cmd.Ne > 0 {
		return nil, apdu.WrongLength // nothing is to come, and something is expected
	}
	c.enter(a)
	if cmd.Ne == 0 {
		return nil, apdu.OK
	}
	n := byte(len(a.aid))
	b := append(c.scratch[:0], templateTags[give], n+2, 0x84, n)
	b = append(b, a.aid...)
	return b[:min(len(b), cmd.Ne)], apdu.OK
}

// templateTags are the templates that SELECT gives: FCI, FCP, FMD.
var templateTags = [...]byte{0x6F, 0x62, 0x64}

// find returns the first, last, next or previous application whose AID begins
// with prefix. Next and previous count from the current one, if that is such an
// application. No prefix at all fits each.
func (c *Card) find(prefix []byte, occurrence byte) *application {
	const last, next, previous = 1, 2, 3
	apps := c.apps
	if i := slices.Index(apps, c.app); i >= 0 && bytes.HasPrefix(c.app.aid, prefix) {
		switch occurrence {
		case next:
			apps = apps[i+1:]
		case previous:
			apps = apps[:i]
		}
	}
	var found *application
	for _, a := range apps {
		if bytes.HasPrefix(a.aid, prefix) {
			found = a
			if occurrence != last && occurrence != previous {
				break
			}
		}
	}
	return found
}

// selectElementary makes a file of the current application the current one. If
// there is none, the current one stays. It takes any P2.
func (c *Card) selectElementary(cmd *apdu.Command) ([]byte, apdu.Status) {
	if len(cmd.Data) != 2 {
		return nil, apdu.WrongLength
	}
	if cmd.Data[0] != 0 || int(cmd.Data[1]) >= len(c.app.files) || c.app.files[cmd.Data[1]] == nil {
		return nil, apdu.FileNotFound
	}
	give := cmd.P2 >> 2 & 0x03
	if give == 3 && cmd.Ne > 0 {
		return nil, apdu.WrongLength
	}
	c.ef = c.app.files[cmd.Data[1]]
	if cmd.Ne == 0 {
		return nil, apdu.OK
	}
	b := append(c.scratch[:0], templateTags[give], 0)
	if c.ef.content != nil {
		n := len(c.ef.content())
		b = append(b, 0x80, 2, byte(n>>8), byte(n))
	}
	b = append(b, 0x83, 2, 0, c.ef.id, 0x88, 1, c.ef.id<<3)
	b[1] = byte(len(b) - 2)
	return b[:min(len(b), cmd.Ne)], apdu.OK
}

// reference finds the file that p names, a P1 or P2 with bit 8 set: by its
// short identifier, which makes it the current file, or with 80 the current
// file.
func (c *Card) reference(p byte) (*file, apdu.Status) {
	id := p & 0x1F
	switch {
	case p&^0x1F != 0x80, id != 0 && c.quirks.NoShortEF:
		return nil, apdu.IncorrectP1P2
	case id != 0 && c.app.files[id] == nil:
		return nil, apdu.FileNotFound
	case id != 0:
		c.ef = c.app.files[id]
	case c.ef == nil:
		return nil, apdu.NoCurrentEF
	}
	return c.ef, apdu.OK
}

// readBinary is READ BINARY: of the current file from the offset in P1 and P2,
// or of a file named in P1 from the offset in P2.
func (c *Card) readBinary(cmd *apdu.Command) ([]byte, apdu.Status) {
	if len(cmd.Data) > 0 || cmd.Ne == 0 {
		return nil, apdu.WrongLength
	}
	p1, offset := byte(0x80), int(cmd.P1)<<8|int(cmd.P2)
	if cmd.P1&0x80 != 0 {
		p1, offset = cmd.P1, int(cmd.P2)
	}
	f, status := c.reference(p1)
	switch {
	case status != apdu.OK:
		return nil, status
	case f.content == nil:
		return nil, apdu.CommandIncompatible
	case !f.read.granted():
		return nil, apdu.SecurityStatusNotSatisfied
	}
	content := f.content()
	switch {
	case content == nil:
		return nil, apdu.NoPreciseDiagnosis
	case offset >= len(content):
		return nil, apdu.WrongOffset
	}
	content = content[offset:]
	return content[:min(len(content), cmd.Ne)], apdu.OK
}
