package simcard

import "github.com/mynakit/mynakit/apdu"

// Instructions with CLA 80 that nobody but the card has a use for.
const (
	insCheckTerminal = 0xA2
	insSetSessionKey = 0xAE
	insUnknown       = 0xFC // there on cards, and what it does is not known
)

// respond carries out one command. What it gives is valid until the next one.
func (c *Card) respond(command []byte) ([]byte, apdu.Status) {
	cmd, err := apdu.ParseCommand(command)
	if err != nil {
		return nil, apdu.WrongLength
	}
	if status := checkClass(cmd.CLA, cmd.INS); status != apdu.OK {
		return nil, status
	}
	if cmd.Extended && c.quirks.NoExtendedLength {
		return nil, apdu.WrongLength
	}
	switch uint16(cmd.CLA)<<8 | uint16(cmd.INS) {
	case 0x00<<8 | apdu.InsSelect:
		return c.selectFile(&cmd)
	case 0x00<<8 | apdu.InsReadBinary:
		return c.readBinary(&cmd)
	case 0x00<<8 | apdu.InsReadRecord:
		return c.readRecord(&cmd)
	case 0x00<<8 | apdu.InsGetData:
		return c.getData(&cmd)
	case 0x00<<8 | apdu.InsGetChallenge:
		return c.getChallenge(&cmd)
	case 0x00<<8 | apdu.InsInternalAuthenticate:
		return c.internalAuthenticate(&cmd)
	case 0x00<<8 | apdu.InsVerify:
		return nil, c.verify(&cmd)
	case 0x00<<8 | apdu.InsChangeReferenceData:
		return nil, c.changeReferenceData(&cmd)
	case 0x80<<8 | apdu.InsChangeKey:
		return nil, c.changeKey(&cmd)
	case 0x80<<8 | insCheckTerminal:
		return nil, checkTerminal(&cmd)
	case 0x80<<8 | insUnknown:
		if !c.kind.data().phone {
			return nil, apdu.WrongLength
		}
	case 0x80<<8 | insSetSessionKey:
		return nil, c.setSessionKey()
	case 0x80<<8 | apdu.InsPSO:
		return c.computeSignature(&cmd)
	}
	return nil, apdu.InsNotSupported
}

// checkClass returns OK for the two classes that the card has, 00 and 80, and
// otherwise the reason why not.
func checkClass(cla, ins byte) apdu.Status {
	switch {
	case cla == 0x00, cla == 0x80:
		return apdu.OK
	case cla&0xC0 == 0x40: // ISO/IEC 7816-4 table 3: channels 4 to 19
		return apdu.ChannelNotSupported
	case cla&0x60 != 0:
		return apdu.ClaNotSupported
	case cla&0x03 != 0:
		return apdu.ChannelNotSupported
	case cla&0x0C == 0: // bit 5 is what is left
		return apdu.ChainingNotSupported
	case ins == apdu.InsReadBinary, ins == apdu.InsVerify:
		return apdu.SecureMessagingNoSession
	}
	return apdu.SecureMessagingUnsupported
}
