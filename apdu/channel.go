package apdu

import (
	"context"
	"errors"
	"fmt"
)

// maxExchanges bounds what one command may cost: twice what 65,536 bytes need
// in pieces of 256, so that a card which hands out single bytes is left.
const maxExchanges = 512

// ErrTooManyExchanges means that a card went on answering 61xx, without data or
// without end.
var ErrTooManyExchanges = errors.New("apdu: response without end")

// A Channel sends commands to one card. It handles the status words that
// require a further command. A Channel with a Transmitter is ready for use, by
// one goroutine at a time.
//
//   - 61xx: it fetches the rest with GET RESPONSE and appends it.
//   - 6Cxx: it sends the command once more with the Le that the card named.
//   - 67 00 to a command in extended length: it sends the command again in
//     short length, with command chaining for long data. If the short form
//     succeeds, the Channel uses it for all later commands.
//
// Each of these is bounded in exchanges and in bytes. A command that carries a
// secret is sent once, and none of them applies (see [Command.CarriesSecret]).
type Channel struct {
	Transmitter Transmitter

	// ShortOnly keeps every command in short length from the start. Readers
	// of phones often need it.
	ShortOnly bool

	refusesExtended bool
	command         []byte
	stats           Stats
}

// Stats counts what went through a [Channel].
type Stats struct {
	Exchanges     int // commands sent, GET RESPONSE and repeats included
	BytesSent     int // bytes of command APDUs
	BytesReceived int // bytes of response APDUs, status words included
}

// Stats returns the totals since the Channel was created.
func (c *Channel) Stats() Stats { return c.stats }

// Send sends cmd and returns the whole response in new memory. If the status
// word is not 90 00, Send returns the response and a [*StatusError]. Other
// errors are [ErrCommandRange], [ErrCardRemoved], [ErrResponseLength],
// [ErrTooManyExchanges], those of the transport and of the context. Each is
// wrapped with the name of the command.
func (c *Channel) Send(ctx context.Context, cmd *Command) (Response, error) {
	return c.AppendSend(ctx, nil, cmd)
}

// AppendSend is [Channel.Send] with the response appended to dst; Data of the
// response is the part that was appended. It does not allocate if dst has room
// for the data and two more bytes.
func (c *Channel) AppendSend(ctx context.Context, dst []byte, cmd *Command) (Response, error) {
	x := exchange{channel: c, ctx: ctx, start: len(dst)}
	status, dst, err := x.run(dst, cmd)
	r := Response{Data: dst[x.start:], Status: status}
	if err != nil {
		return Response{}, fmt.Errorf("apdu: %s: %w", cmd.Name(), err)
	}
	if status != OK {
		return r, &StatusError{CLA: cmd.CLA, INS: cmd.INS, P1: cmd.P1, P2: cmd.P2, Status: status}
	}
	return r, nil
}

// An exchange is one command with all that follows from it.
type exchange struct {
	channel *Channel
	ctx     context.Context
	start   int // where this response begins in dst
	sent    int // commands sent so far
}

func (x *exchange) run(dst []byte, cmd *Command) (Status, []byte, error) {
	c := x.channel
	extended := cmd.Case() >= Case2E
	if cmd.CarriesSecret() {
		if extended && c.ShortOnly && len(cmd.Data) > MaxShortData {
			return 0, dst, ErrCommandRange // never in pieces
		}
		return x.once(dst, cmd)
	}
	if !extended {
		return x.complete(dst, cmd)
	}
	if c.ShortOnly || c.refusesExtended {
		return x.short(dst, cmd)
	}
	status, out, err := x.complete(dst, cmd)
	if err != nil || status != WrongLength {
		return status, out, err
	}
	status, out, err = x.short(dst, cmd)
	if err == nil && status != WrongLength {
		c.refusesExtended = true
	}
	return status, out, err
}

// short sends cmd in short length: long data by command chaining, ISO/IEC
// 7816-4 section 5.3.3.
func (x *exchange) short(dst []byte, cmd *Command) (Status, []byte, error) {
	part := *cmd
	part.Extended = false
	data := cmd.Data
	for len(data) > MaxShortData {
		part.CLA, part.Ne = cmd.CLA|0x10, 0
		part.Data, data = data[:MaxShortData], data[MaxShortData:]
		status, out, err := x.once(dst, &part)
		if err != nil || status != OK {
			return status, out, err
		}
		dst = out[:x.start] // a link of the chain has no data to give
	}
	part.CLA, part.Data, part.Ne = cmd.CLA, data, min(cmd.Ne, MaxShortNe)
	return x.complete(dst, &part)
}

// complete sends cmd and follows 6Cxx and 61xx.
func (x *exchange) complete(dst []byte, cmd *Command) (Status, []byte, error) {
	status, dst, err := x.exact(dst, cmd)
	for err == nil && status>>8 == 0x61 {
		if len(dst)-x.start > MaxExtendedNe {
			return status, dst, ErrResponseLength
		}
		before := len(dst)
		more := Command{CLA: cmd.CLA &^ 0x10, INS: InsGetResponse, Ne: shortNe(byte(status))}
		status, dst, err = x.exact(dst, &more)
		if err == nil && len(dst) == before && status>>8 == 0x61 {
			return status, dst, ErrTooManyExchanges // no step forward
		}
	}
	if err == nil && len(dst)-x.start > MaxExtendedNe {
		return status, dst, ErrResponseLength
	}
	return status, dst, err
}

// exact sends cmd, and once more with the right Le where the card names it.
func (x *exchange) exact(dst []byte, cmd *Command) (Status, []byte, error) {
	status, out, err := x.once(dst, cmd)
	if err != nil || status>>8 != 0x6C || cmd.Ne == 0 {
		return status, out, err
	}
	again := *cmd
	again.Ne = shortNe(byte(status))
	return x.once(out[:len(dst)], &again)
}

// once is the one place where a command leaves for the card.
func (x *exchange) once(dst []byte, cmd *Command) (Status, []byte, error) {
	c := x.channel
	if x.sent == maxExchanges {
		return 0, dst, ErrTooManyExchanges
	}
	x.sent++
	if err := x.ctx.Err(); err != nil {
		return 0, dst, err
	}
	raw, err := cmd.AppendBinary(c.command[:0])
	if err != nil {
		return 0, dst, err
	}
	c.command = raw
	if cmd.CarriesSecret() {
		defer clear(raw)
	}
	c.stats.Exchanges++
	c.stats.BytesSent += len(raw)
	out, err := Transmit(x.ctx, c.Transmitter, dst, raw)
	if err != nil {
		return 0, dst, err
	}
	reply := out[len(dst):]
	c.stats.BytesReceived += len(reply)
	r, err := ParseResponse(reply)
	if err != nil {
		return 0, dst, err
	}
	return r.Status, out[:len(out)-2], nil
}
