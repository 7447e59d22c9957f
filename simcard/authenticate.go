package simcard

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"

	"github.com/mynakit/mynakit/apdu"
)

// getChallenge is GET CHALLENGE: as many random bytes as Le says, 1 to 256. The
// card does not keep them; nothing here asks for them back.
func (c *Card) getChallenge(cmd *apdu.Command) ([]byte, apdu.Status) {
	switch {
	case cmd.P1 != 0 || cmd.P2 != 0:
		return nil, apdu.IncorrectP1P2
	case len(cmd.Data) > 0 || cmd.Ne == 0:
		return nil, apdu.WrongLength
	case cmd.Extended:
		return nil, apdu.ConditionsNotSatisfied
	}
	b := make([]byte, cmd.Ne)
	rand.Read(b) // never fails
	return b, apdu.OK
}

// internalAuthenticate is INTERNAL AUTHENTICATE: RSA PKCS #1 v1.5 with SHA-256
// over a challenge of 1 to 255 bytes, by a key that is made for it.
func (c *Card) internalAuthenticate(cmd *apdu.Command) ([]byte, apdu.Status) {
	if cmd.P1 != 0 {
		return nil, apdu.IncorrectP1P2
	}
	f, status := c.reference(cmd.P2)
	switch {
	case status != apdu.OK:
		return nil, status
	case f.key == nil:
		return nil, apdu.CommandIncompatible
	case !f.use.granted():
		return nil, apdu.SecurityStatusNotSatisfied
	case !f.authenticates:
		return nil, apdu.ConditionsNotSatisfied
	}
	key := f.key()
	if len(cmd.Data) == 0 || len(cmd.Data) > apdu.MaxShortData || cmd.Ne < signatureSize(key) {
		return nil, apdu.WrongLength
	}
	digest := sha256.Sum256(cmd.Data)
	signature, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return nil, apdu.NoPreciseDiagnosis
	}
	return signature, apdu.OK
}

// checkTerminal is what a terminal begins with that shows its CV certificate, to
// be checked under a CA's key (JPKI 0016). Known is that P2 is C1, with P1 00 or
// 06, and that the certificate comes in extended length. There is none that
// this card would trust; that it says 6A80 then is an assumption, for what real
// ones say of a certificate has not been published.
func checkTerminal(cmd *apdu.Command) apdu.Status {
	const certificate = 307 // bytes
	switch {
	case cmd.P1 != 0x00 && cmd.P1 != 0x06, cmd.P2 != 0xC1:
		return apdu.IncorrectP1P2
	case len(cmd.Data) != certificate || cmd.Ne > 0:
		return apdu.WrongLength
	}
	return apdu.IncorrectData
}

// setSessionKey is SET SESSION KEY, the start of secure messaging, which this
// card does not have. It refuses as cards do where the application has none
// either (66F1), or where something else is to be done first (6982). The text
// application, once its PIN is verified, says 6A81, which no real card does.
func (c *Card) setSessionKey() apdu.Status {
	switch c.app.session {
	case sessionNone:
		return apdu.NoKeyDelivery
	case sessionText:
		if c.pins[TextPIN].verified {
			return apdu.FunctionNotSupported
		}
	}
	return apdu.SecurityStatusNotSatisfied
}
