package simcard_test

import (
	"bytes"
	"maps"
	"testing"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/simcard"
)

// conversations are the seeds of FuzzCard: commands, each with its length in
// one byte before it.
var conversations = [][]string{
	{"\x00\xA4\x04\x0C\x0A\xD3\x92\xF0\x00\x26\x01\x00\x00\x00\x01", "\x00\xB0\x8A\x00\x00", "\x00\xB0\x00\x00\x04"},
	{"\x00\xA4\x04\x00\x02\xD3\x92\x00", "\x00\x20\x00\x98\x041234", "\x80\x2A\x00\x97\x01\x00\x00", "\x00\x24\x01\x98\x045678"},
	{"\x00\xA4\x04\x00\x01\xD3", "\x00\xA4\x02\x0C\x02\x00\x18", "\x00\x20\x00\x80", "\x00\x20\x00\x80\x049999", "\x00\x24\x00\x80\x0812345678"},
	{"\x00\xA4\x04\x00\x01\xD3", "\x00\x20\x00\x9B\x06ABC123", "\x00\xB0\x81\x00\x00\x00\x00", "\x80\x2A\x05\x9A\x01\x00\x00"},
	{"\x00\xA4\x04\x0C\x01\xA0", "\x00\xA4\x00\x00", "\x04\xB0\x00\x00\x00", "\x10\xB0\x00\x00\x00", ""},
	{textAID, "\x00\x20\x00\x91\x042345", "\x00\xB0\x81\x00\x00", "\x00\xB0\x82\x00\x00", "\x00\xB0\x83\x00\x00\x00\x00", "\x00\x24\x01\x91\x045678", "\x80\x2A\x00\x00\x01\x00\x00"},
	{visualAID, "\x00\x20\x00\x93\x0C000000000000", "\x00\xB0\x82\x00\x00", "\x00\x20\x00\x91\x06600412", "\x00\xB0\x81\x00\x00\x00\x00", "\x80\xAE\x00\x00"},
	{commonAID, "\x00\xB2\x01\x0C\x00", "\x00\xB2\x01\x05\x00", "\x00\x20\x00\x9C\x043456", "\x80\x32\x00\x9C\x045678", "\x00\x88\x00\x99\x01\x00\x00"},
	{"\x00\xCA\x00\xF8\x00\x00\x00", "\x00\xCA\x5F\x51\x00", "\x00\x84\x00\x00\x08", "\x00\xA4\x04\x00\x0A\xD3\x92\x10\x00\x31\x00\x01\x01\x04\x01", "\x00\xB2\x01\x14\x00"},
}

const (
	textAID   = "\x00\xA4\x04\x0C\x0A\xD3\x92\x10\x00\x31\x00\x01\x01\x04\x08"
	visualAID = "\x00\xA4\x04\x0C\x0A\xD3\x92\x10\x00\x31\x00\x01\x01\x04\x02"
	commonAID = "\x00\xA4\x04\x0C\x0A\xD3\x92\x10\x00\x31\x00\x01\x01\x01\x00"
)

// limits are all PINs and numbers, with the tries of a new card.
var limits = map[simcard.PIN]int{
	simcard.AuthPIN: 3, simcard.SignPIN: 5,
	simcard.TextPIN: 3, simcard.CommonPIN: 3, simcard.JukiPIN: 3, simcard.BirthKey: 10,
	simcard.TextNumberA: 10, simcard.TextNumberB: 10, simcard.VisualNumberA: 10, simcard.VisualNumberB: 10,
}

// FuzzCard is an unknown program at the card: whatever it sends, the card
// answers, within what was asked for, and its counters do what they must.
func FuzzCard(f *testing.F) {
	for _, conversation := range conversations {
		var input []byte
		for _, command := range conversation {
			input = append(append(input, byte(len(command))), command...)
		}
		f.Add(input)
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		card := simcard.New()
		tries := maps.Clone(limits)
		signatures := 0 // the only command that takes time
		for len(input) > 0 && signatures < 4 {
			n := min(int(input[0]), len(input)-1)
			command := input[1 : 1+n : 1+n]
			input = input[1+n:]
			if n > 2 && (command[1] == apdu.InsPSO || command[1] == apdu.InsInternalAuthenticate) {
				signatures++
			}

			sent := bytes.Clone(command)
			reply, err := card.Transmit(command)
			if err != nil {
				t.Fatalf("% X: %v", command, err)
			}
			if !bytes.Equal(sent, command) {
				t.Fatalf("% X: the card wrote into the command", sent)
			}
			if len(reply) < 2 {
				t.Fatalf("% X: reply of %d bytes", command, len(reply))
			}
			status := apdu.Status(reply[len(reply)-2])<<8 | apdu.Status(reply[len(reply)-1])
			if status != apdu.OK && len(reply) > 2 {
				t.Fatalf("% X: %v with data", command, status)
			}
			cmd, parseErr := apdu.ParseCommand(command)
			if parseErr != nil && status != apdu.WrongLength {
				t.Fatalf("% X: %v to what is no command", command, status)
			}
			if len(reply)-2 > cmd.Ne {
				t.Fatalf("% X: %d bytes, more than asked for", command, len(reply)-2)
			}

			// At most one counter moves, by one or back to its limit, and only for
			// a command that presents a value.
			presents := cmd.CLA == 0 && len(cmd.Data) > 0 && (cmd.INS == apdu.InsVerify || cmd.INS == apdu.InsChangeReferenceData && cmd.P1 == 0)
			moved := 0
			for which, limit := range limits {
				now, before := card.Tries(which), tries[which]
				if now != before {
					moved++
				}
				switch {
				case now > before && (!presents || now != limit || before == 0 || status != apdu.OK && status != apdu.IncorrectData):
					t.Fatalf("% X: tries of %d rose from %d to %d with %v", command, which, before, now, status)
				case now < before && (!presents || now != before-1 || status != apdu.Counter|apdu.Status(now)):
					t.Fatalf("% X: tries of %d fell from %d to %d with %v", command, which, before, now, status)
				case card.Verified(which) && now != limit:
					t.Fatalf("% X: %d verified with %d tries left", command, which, now)
				}
				tries[which] = now
			}
			if moved > 1 {
				t.Fatalf("% X: moved %d counters", command, moved)
			}
			jpki := card.Verified(simcard.AuthPIN) || card.Verified(simcard.SignPIN)
			text := card.Verified(simcard.TextPIN) || card.Verified(simcard.TextNumberA) || card.Verified(simcard.TextNumberB)
			visual := card.Verified(simcard.BirthKey) || card.Verified(simcard.VisualNumberA) || card.Verified(simcard.VisualNumberB)
			if jpki && text || jpki && visual || text && visual || (jpki || text || visual) && (card.Verified(simcard.CommonPIN) || card.Verified(simcard.JukiPIN)) {
				t.Fatalf("% X: verified in two applications", command)
			}
		}
		// A card that was blocked stays so over power; one that was not is used
		// as before.
		card.PowerOff()
		card.PowerOn()
		for which, left := range tries {
			if card.Tries(which) != left || card.Verified(which) {
				t.Fatal("power changed the counter or kept the PIN")
			}
		}
	})
}
