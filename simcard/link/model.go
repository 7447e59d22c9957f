package link

import (
	"errors"
	"time"

	"github.com/mynakit/mynakit/apdu"
)

// A Model is a link: how long an exchange takes on it, by the sizes of command
// and reply in bytes, the status word included. A size below 0 counts as 0.
type Model interface {
	Time(command, reply int) time.Duration
}

// A Rate is the bit rate of a contactless link, both ways: 13.56 MHz divided by
// 128, and two, four and eight times that. The zero value is the first.
type Rate uint8

// The rates, named by their kilobits per second.
const (
	Rate106 Rate = iota
	Rate212
	Rate424
	Rate848
)

// carrier is the frequency of the field, in hertz.
const carrier = 13_560_000

// ticks is a time in periods of a clock.
func ticks(n int64, hertz int) time.Duration {
	return time.Duration(n) * time.Second / time.Duration(hertz)
}

// Contactless is ISO/IEC 14443 type B. The zero value is 106 kbit/s with
// frames of 256 bytes.
type Contactless struct {
	Rate Rate // above Rate848 it counts as that
	// FrameSize is the largest frame in bytes, with its block's first byte and
	// checksum. 0 is 256, which the cards announce; less than 16 counts as 16.
	FrameSize int
}

const (
	characterB = 10      // bits of a character, ISO/IEC 14443-3 section 7.1.1
	startB     = 10 + 2  // start of frame in bits, at least, section 7.1.4
	endB       = 10      // end of frame in bits, at least, section 7.1.5
	blockB     = 1 + 2   // bytes around the content: PCB and CRC, ISO/IEC 14443-4
	toCardB    = 64 + 80 // TR0 and TR1 in subcarrier periods, at least, section 7.1.6
	fromCardB  = 14      // bits before the reader may send again, at 106 kbit/s, section 7.1.7
)

// Time is the least that an exchange takes.
func (m Contactless) Time(command, reply int) time.Duration {
	size := m.FrameSize
	if size == 0 {
		size = 256
	}
	sent, received, turns := blocks(command, reply, max(size, 16)-blockB)
	bits := 0
	for _, frames := range [...]chain{sent, received} {
		bits += frames.blocks*(startB+endB) + (frames.bytes+frames.blocks*blockB)*characterB
	}
	perBit := 128 >> min(m.Rate, Rate848) // carrier periods
	return ticks(int64(bits)*int64(perBit)+int64(turns)*(toCardB*16+fromCardB*128), carrier)
}

// A chain is what one side sends in an exchange: the bytes of its APDU, and
// how many blocks with those that only acknowledge.
type chain struct{ bytes, blocks int }

// blocks divides an exchange into blocks of at most size bytes. Each block of a
// command but its last, and each of a reply but its last, is acknowledged by an
// empty one. turns is how often the word goes to the card and comes back.
func blocks(command, reply, size int) (sent, received chain, turns int) {
	count := func(n int) int { return max(1, (n+size-1)/size) }
	command, reply = max(command, 0), max(reply, 0)
	c, r := count(command), count(reply)
	turns = c + r - 1
	return chain{command, turns}, chain{reply, turns}, turns
}

// Contact is T=1 of ISO/IEC 7816-3. The zero value is a card without any
// interface bytes at 4 MHz.
type Contact struct {
	Clock int // in hertz; 0 is 4,000,000, a usual one
	F, D  int // the divisor of the clock and the factor; 0 is 372 and 1
	Guard int // extra guard time N in bits, 0 to 255; 255 is T=1's least
	Size  int // most bytes in a block, 1 to 254; 0 is 32, as without an ATR that says more
	CRC   bool
}

// blockGuard is the pause in bits when the other side begins to send, ISO/IEC
// 7816-3 section 11.2.
const blockGuard = 22

// Time is the least that an exchange takes.
func (m Contact) Time(command, reply int) time.Duration {
	or := func(v, zero int) int {
		if v <= 0 {
			return zero
		}
		return v
	}
	character := 12 + max(m.Guard, 0)
	if m.Guard >= 255 {
		character = 11
	}
	around := 3 + 1 // NAD, PCB, LEN and a checksum of one byte
	if m.CRC {
		around++
	}
	sent, received, turns := blocks(command, reply, min(or(m.Size, 32), 254))
	bits := 2 * turns * blockGuard
	for _, b := range [...]chain{sent, received} {
		bits += (b.bytes + b.blocks*around) * character
	}
	return ticks(int64(bits)*int64(or(m.F, 372))/int64(or(m.D, 1)), or(m.Clock, 4_000_000))
}

// ErrATR means that bytes are not an answer to reset, that it has no T=1, or
// that it names a divisor that is reserved.
var ErrATR = errors.New("link: not an answer to reset of a card with T=1")

// The divisors and factors that TA1 names, ISO/IEC 7816-3 tables 7 and 8; 0 is
// reserved.
var (
	divisors = [16]int{372, 372, 558, 744, 1116, 1488, 1860, 0, 0, 512, 768, 1024, 1536, 2048, 0, 0}
	factors  = [16]int{0, 1, 2, 4, 8, 16, 32, 64, 12, 20, 0, 0, 0, 0, 0, 0}
)

// ParseATR returns the link that an answer to reset of a card with contacts
// declares, at a clock in hertz, with divisor and factor as the card offers
// them. It fails with [ErrATR].
func ParseATR(atr []byte, clock int) (Contact, error) {
	m := Contact{Clock: clock, F: 372, D: 1, Size: 32}
	if len(atr) < 2 || atr[0] != 0x3B && atr[0] != 0x3F {
		return Contact{}, ErrATR
	}
	present, rest := atr[1]>>4, atr[2:]
	t1 := false
	take := func(bit int) (byte, bool, error) {
		if present>>bit&1 == 0 {
			return 0, false, nil
		}
		if len(rest) == 0 {
			return 0, false, ErrATR
		}
		b := rest[0]
		rest = rest[1:]
		return b, true, nil
	}
	protocol := byte(0xFF) // of the bytes TA and TC, from the third group on
	for i := 1; ; i++ {
		var at [4]byte
		var is [4]bool
		for bit := range at {
			var err error
			if at[bit], is[bit], err = take(bit); err != nil {
				return Contact{}, err
			}
		}
		switch {
		case i == 1:
			if is[0] {
				m.F, m.D = divisors[at[0]>>4], factors[at[0]&0x0F]
				if m.F == 0 || m.D == 0 {
					return Contact{}, ErrATR
				}
			}
			if is[2] {
				m.Guard = int(at[2])
			}
		case i > 2 && protocol == 1:
			if is[0] {
				m.Size = min(max(int(at[0]), 1), 254)
			}
			if is[2] {
				m.CRC = at[2]&1 != 0
			}
			protocol = 0xFF // the first of them counts
		}
		if !is[3] {
			break
		}
		present, protocol = at[3]>>4, at[3]&0x0F
		t1 = t1 || protocol == 1
	}
	if !t1 {
		return Contact{}, ErrATR
	}
	return m, nil
}

// Typical is how long a card may think: 350 ms for a signature, 30 ms for a PIN
// or a number that it compares or changes, 10 ms to select an application and 2
// ms for all else. AN ASSUMPTION: nobody has published figures. All that
// is reported is that signatures take more than the 300 ms that a phone waits
// by default.
func Typical(command []byte) time.Duration {
	if len(command) < 4 {
		return 0
	}
	switch command[1] {
	case apdu.InsPSO, apdu.InsInternalAuthenticate:
		return 350 * time.Millisecond
	case apdu.InsVerify, apdu.InsChangeReferenceData, apdu.InsChangeKey:
		if len(command) > 4 {
			return 30 * time.Millisecond
		}
	case apdu.InsSelect:
		if command[2] == 0x04 {
			return 10 * time.Millisecond
		}
	}
	return 2 * time.Millisecond
}
