package tape

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/mynakit/mynakit/apdu"
)

// An Exchange is what [Recorder.Keep] decides about.
type Exchange struct {
	// Application is the AID by which the current application was selected, as
	// the program gave it; nil if none was. File is the identifier of the
	// current file, 0 if there is none.
	Application []byte
	File        uint16

	// Command is what was sent, without the data if that is a secret. To a GET
	// RESPONSE it is the command before it, whose data it fetches.
	Command apdu.Command
	Reply   apdu.Response

	fetched int // bytes that came before, in replies to the same command
}

// offset is where in its file the data of a READ BINARY begins.
func (x *Exchange) offset() int {
	if x.Command.P1 >= 0x80 {
		return int(x.Command.P2) + x.fetched
	}
	return int(x.Command.P1)<<8 + int(x.Command.P2) + x.fetched
}

// A Recorder passes exchanges on to a card and writes them down. Make one with
// [Record]. It may be used by several goroutines: one exchange follows another.
type Recorder struct {
	// Keep reports whether the data of an exchange may be written down, both
	// ways. nil is [Public]. It is to be set before the first exchange, and must
	// not keep what it gets. Data that presents or sets a PIN or a key it does
	// not decide about. Of a certificate that it does not let through the head
	// is written down all the same, with a substitute for the serial number.
	Keep func(Exchange) bool

	next apdu.Transmitter

	mu      sync.Mutex
	out     io.Writer
	started bool
	err     error
	at      Exchange // where the card is
	reading reading
}

// Record creates a recorder of what goes to card. It writes a line at a time to
// out, the first with the first exchange.
func Record(card apdu.Transmitter, out io.Writer) *Recorder {
	return &Recorder{next: card, out: out}
}

// Err returns the first error that writing met, if any. Exchanges go on without
// being written down after it.
func (r *Recorder) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Transmit is [Recorder.TransmitContext] without a context.
func (r *Recorder) Transmit(command []byte) ([]byte, error) {
	return r.TransmitContext(context.Background(), nil, command)
}

// TransmitContext carries out one exchange and writes it down. It fails with
// the errors of the card underneath; a command that the card did not get,
// because the context had ended before, is not written down.
func (r *Recorder) TransmitContext(ctx context.Context, dst, command []byte) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return dst, err
	}
	if !r.started {
		r.started = true
		r.write(header)
		if a, ok := r.next.(interface{ ATR() []byte }); ok {
			if atr := a.ATR(); len(atr) > 0 {
				r.write(fmt.Sprintf("atr %X", atr))
			}
		}
	}
	out, err := apdu.Transmit(ctx, r.next, dst, command)
	sent, got := r.lines(command, out[len(dst):], err)
	r.write(sent.String())
	r.write(got.String())
	return out, err
}

func (r *Recorder) write(line string) {
	if r.err == nil {
		_, r.err = io.WriteString(r.out, line+"\n")
	}
}

// lines makes the two lines of an exchange.
func (r *Recorder) lines(sent, got []byte, err error) (command, reply) {
	cmd, parseErr := apdu.ParseCommand(sent)
	var answer reply
	response, responseErr := apdu.ParseResponse(got)
	switch {
	case err != nil && errors.Is(err, apdu.ErrCardRemoved):
		answer.err = apdu.ErrCardRemoved
	case err != nil:
		answer.err = ErrFailed
	case responseErr != nil:
		answer.torn, answer.n = true, min(len(got), 1)
	default:
		answer.status, answer.n = response.Status, len(response.Data)
	}
	if parseErr != nil {
		return command{broken: true, n: len(sent)}, answer
	}

	if cmd.INS != apdu.InsGetResponse || r.at.Command.INS == 0 {
		r.at.fetched = 0
		r.at.Command = cmd
		r.at.Command.Data = slices.Clone(cmd.Data)
		if cmd.CarriesSecret() {
			r.at.Command.Data = nil
		}
	}
	r.at.Reply = response
	r.follow(&cmd, err == nil && (response.Status == apdu.OK || len(response.Data) > 0))

	keep := r.Keep
	if keep == nil {
		keep = Public
	}
	kept := keep(r.at)
	head := r.reading.head(&r.at)
	r.at.fetched += len(response.Data)
	r.at.Reply = apdu.Response{}
	switch {
	case answer.torn:
	case kept && answer.n > 0:
		answer.data, answer.n = slices.Clone(response.Data), 0
	case len(head) > 0:
		answer.data, answer.n = head, answer.n-len(head)
	}
	switch {
	case len(cmd.Data) == 0 || cmd.INS == apdu.InsSelect && cmd.CLA == 0:
		return command{raw: slices.Clone(sent)}, answer
	case cmd.CarriesSecret():
		return masked(&cmd, anyLength), answer
	case !kept:
		return masked(&cmd, len(cmd.Data)), answer
	}
	return command{raw: slices.Clone(sent)}, answer
}

// follow keeps track of where the card is, from what it was asked.
func (r *Recorder) follow(cmd *apdu.Command, ok bool) {
	// short is a file that was named by its short identifier. Where the card did
	// not agree, nobody knows which one is current.
	short := func(id byte) {
		r.at.File = 0
		if ok {
			r.at.File = uint16(id)
		}
	}
	switch {
	case cmd.INS == apdu.InsSelect && cmd.P1 == 0x04 && ok:
		r.at.Application, r.at.File = slices.Clone(cmd.Data), 0
		r.reading.forget()
	case cmd.INS == apdu.InsSelect && cmd.P1 == 0x02 && len(cmd.Data) == 2 && ok:
		r.at.File = uint16(cmd.Data[0])<<8 | uint16(cmd.Data[1])
	case cmd.INS == apdu.InsReadBinary && cmd.P1 > 0x80:
		short(cmd.P1 & 0x1F)
	case cmd.INS == apdu.InsReadRecord && cmd.P2>>3 != 0:
		short(cmd.P2 >> 3)
	case cmd.P2 > 0x80 && (cmd.INS == apdu.InsPSO || cmd.INS == apdu.InsInternalAuthenticate || cmd.CarriesSecret()):
		short(cmd.P2 & 0x1F)
	}
}

// Public keeps data that does not identify a person or a card: the replies to
// SELECT, which certificates JPKI has (file 0008), the certificates of its CAs
// (0002, 000B) and the label at the front of 0006.
func Public(x Exchange) bool {
	switch x.Command.INS {
	case apdu.InsSelect:
		return true
	case apdu.InsReadBinary:
		if string(x.Application) != aidJPKI {
			return false
		}
		switch x.File {
		case 0x0002, 0x0008, 0x000B:
			return true
		case 0x0006:
			return x.offset()+len(x.Reply.Data) <= 32 // the label; a serial number follows later
		}
	}
	return false
}

// Everything keeps all data but PINs and keys. It is for software cards.
func Everything(Exchange) bool { return true }
