package simcard

import (
	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/internal/secret"
)

// maxPIN is the longest PIN that a command carries, in bytes.
const maxPIN = 16

// pinValue returns the value of a PIN, masked. It cuts what is longer than
// maxPIN. The time that == takes on masked values tells nothing about either.
func pinValue[T ~string | ~[]byte](value T) secret.String {
	masked, _ := secret.Mask(value[:min(len(value), maxPIN)])
	return masked
}

// A pin is the value of a PIN with its retry counter.
type pin struct {
	value    secret.String
	limit    int // tries after a right one
	tries    int
	verified bool
	allowed  func(value []byte) bool // what a new value has to be; nil: it cannot be changed
	jicsap   bool                    // changed by CHANGE KEY, not by CHANGE REFERENCE DATA
}

func newPIN(value string, limit int, allowed func([]byte) bool) pin {
	return pin{value: pinValue(value), limit: limit, tries: limit, allowed: allowed}
}

// present compares a value with the PIN. A wrong one takes a try and ends what
// was verified; the right one gives all tries back.
func (p *pin) present(value []byte) apdu.Status {
	if pinValue(value) != p.value {
		p.tries--
		p.verified = false
		return apdu.Counter | apdu.Status(p.tries)
	}
	p.tries = p.limit
	return apdu.OK
}

// pinReference is what VERIFY and CHANGE REFERENCE DATA work on: P2 is 80, the
// current file, or names a file by its short identifier.
func (c *Card) pinReference(p2 byte) (*pin, apdu.Status) {
	f, status := c.reference(p2)
	switch {
	case status != apdu.OK:
		return nil, status
	case f.pin == nil:
		return nil, apdu.CommandIncompatible
	}
	return f.pin, apdu.OK
}

// verify is VERIFY. Without data it asks for the counter and changes nothing.
func (c *Card) verify(cmd *apdu.Command) apdu.Status {
	if cmd.P1 != 0 {
		return apdu.IncorrectP1P2
	}
	// VERIFY never gives data: an Le, even after an otherwise right PIN, is a
	// command of the wrong length and takes no try.
	if cmd.Ne > 0 || len(cmd.Data) > maxPIN {
		return apdu.WrongLength
	}
	p, status := c.pinReference(cmd.P2)
	switch {
	case status != apdu.OK:
		return status
	case len(cmd.Data) == 0:
		return apdu.Counter | apdu.Status(p.tries)
	case p.tries == 0:
		return c.blocked()
	}
	status = p.present(cmd.Data)
	if status == apdu.OK {
		p.verified = true
	}
	return status
}

// changeReferenceData is CHANGE REFERENCE DATA: with P1 01 the new PIN, once
// the old one is verified; with P1 00 the old PIN and the new one after it,
// where a wrong old one takes a try. The card knows where the old one ends by
// the length of the PIN that it has. Neither form is a VERIFY: what was verified
// before stays so, and nothing else becomes so.
func (c *Card) changeReferenceData(cmd *apdu.Command) apdu.Status {
	longest := maxPIN
	switch cmd.P1 {
	case 0x00:
		longest *= 2
	case 0x01:
	default:
		return apdu.IncorrectP1P2
	}
	if cmd.Ne > 0 || len(cmd.Data) == 0 || len(cmd.Data) > longest {
		return apdu.WrongLength
	}
	p, status := c.pinReference(cmd.P2)
	switch {
	case status != apdu.OK:
		return status
	case p.allowed == nil || p.jicsap:
		return apdu.ConditionsNotSatisfied
	case p.tries == 0:
		return c.blocked()
	}
	fresh := cmd.Data
	if cmd.P1 == 0x00 {
		n := min(p.value.Len(), len(cmd.Data))
		if status := p.present(cmd.Data[:n]); status != apdu.OK {
			return status
		}
		fresh = cmd.Data[n:]
	} else if !p.verified {
		return apdu.SecurityStatusNotSatisfied
	}
	if !p.allowed(fresh) {
		return apdu.IncorrectData
	}
	p.value = pinValue(fresh)
	return apdu.OK
}

// changeKey is CHANGE KEY of JICSAP's card specification: the new PIN, once the
// old one is verified. The common and the juki application change theirs by it.
func (c *Card) changeKey(cmd *apdu.Command) apdu.Status {
	if cmd.P1 != 0 {
		return apdu.IncorrectP1P2
	}
	if cmd.Ne > 0 || len(cmd.Data) == 0 || len(cmd.Data) > maxPIN {
		return apdu.WrongLength
	}
	p, status := c.pinReference(cmd.P2)
	switch {
	case status != apdu.OK:
		return status
	case !p.jicsap:
		return apdu.ConditionsNotSatisfied
	case p.tries == 0:
		return c.blocked()
	case !p.verified:
		return apdu.SecurityStatusNotSatisfied
	case !p.allowed(cmd.Data):
		return apdu.IncorrectData
	}
	p.value = pinValue(cmd.Data)
	return apdu.OK
}

// blocked is the answer to a PIN that has no tries left.
func (c *Card) blocked() apdu.Status {
	if c.quirks.BlockedStatus != 0 {
		return c.quirks.BlockedStatus
	}
	return apdu.ReferenceDataNotUsable
}

// isFourDigits: the auth PIN and the PINs beside JPKI.
func isFourDigits(value []byte) bool {
	letters, digits := count(value)
	return letters == 0 && digits == 4 && len(value) == 4
}

// isSignPIN: 6 to 16 of A-Z and 0-9, at least one of each.
func isSignPIN(value []byte) bool {
	letters, digits := count(value)
	return letters > 0 && digits > 0 && letters+digits == len(value) && len(value) >= 6 && len(value) <= maxPIN
}

func count(value []byte) (letters, digits int) {
	for _, b := range value {
		switch {
		case 'A' <= b && b <= 'Z':
			letters++
		case '0' <= b && b <= '9':
			digits++
		}
	}
	return letters, digits
}
