package simcard_test

import (
	"bytes"
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
		// The PINs of this moment: a change that succeeds moves them on.
		pin := [2][]byte{[]byte(simcard.DefaultAuthPIN), []byte(simcard.DefaultSignPIN)}
		limit := [2]int{3, 5}
		tries := limit
		signatures := 0 // the only command that takes time
		for len(input) > 0 && signatures < 4 {
			n := min(int(input[0]), len(input)-1)
			command := input[1 : 1+n : 1+n]
			input = input[1+n:]
			if n > 2 && command[1] == apdu.InsPSO {
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

			for i, which := range []simcard.PIN{simcard.AuthPIN, simcard.SignPIN} {
				now := card.Tries(which)
				presents := cmd.CLA == 0 && len(cmd.Data) > 0 && (cmd.INS == apdu.InsVerify || cmd.INS == apdu.InsChangeReferenceData && cmd.P1 == 0)
				right := presents && bytes.HasPrefix(cmd.Data, pin[i])
				switch {
				case now > tries[i] && !right, now > limit[i]:
					t.Fatalf("% X: tries rose from %d to %d", command, tries[i], now)
				case now > tries[i] && tries[i] == 0:
					t.Fatalf("% X: a blocked PIN came back", command)
				case now < tries[i] && (!presents || tries[i]-now > 1):
					t.Fatalf("% X: tries fell from %d to %d", command, tries[i], now)
				case now < tries[i] && status != apdu.Counter|apdu.Status(now):
					t.Fatalf("% X: a try was taken and the answer was %v", command, status)
				case card.Verified(which) && now != limit[i]:
					t.Fatalf("% X: verified with %d tries left", command, now)
				}
				tries[i] = now
			}
			if cmd.INS == apdu.InsChangeReferenceData && status == apdu.OK {
				// Which of the two it was: the one whose rules the new PIN keeps.
				fresh := cmd.Data
				i := 0
				if len(fresh) >= 6 && cmd.P1 == 1 || cmd.P1 == 0 && bytes.HasPrefix(fresh, pin[1]) && len(fresh) >= len(pin[1])+6 {
					i = 1
				}
				if cmd.P1 == 0 {
					fresh = fresh[len(pin[i]):]
				}
				pin[i] = bytes.Clone(fresh)
			}
		}
		// A card that was blocked stays so over power; one that was not is used
		// as before.
		card.PowerOff()
		card.PowerOn()
		for i, which := range []simcard.PIN{simcard.AuthPIN, simcard.SignPIN} {
			if card.Tries(which) != tries[i] || card.Verified(which) {
				t.Fatal("power changed the counter or kept the PIN")
			}
		}
	})
}
