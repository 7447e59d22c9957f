package apdu

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// A Tracer writes every exchange to a log and passes it on unchanged. [Trace]
// returns one. It is a [ContextTransmitter], whatever it wraps.
//
// The log shows the header of every command, Le, the lengths, the status word
// and the data of SELECT. For PINs, keys, hashes, signatures and everything
// that is read from a file it shows the number of bytes. A command that cannot
// be parsed shows its length.
type Tracer struct {
	next Transmitter
	log  *slog.Logger
}

// Trace returns a Tracer around t. Each exchange becomes one record at
// [slog.LevelDebug] with the attributes command, response, took and, if it
// failed, error.
func Trace(t Transmitter, log *slog.Logger) *Tracer {
	return &Tracer{next: t, log: log}
}

// Unwrap returns the Transmitter that Trace was given; see [As].
func (t *Tracer) Unwrap() Transmitter { return t.next }

// Transmit is [Transmitter.Transmit] with a record in the log.
func (t *Tracer) Transmit(command []byte) ([]byte, error) {
	return t.TransmitContext(context.Background(), nil, command)
}

// TransmitContext is [ContextTransmitter.TransmitContext] with a record in the
// log.
func (t *Tracer) TransmitContext(ctx context.Context, dst, command []byte) ([]byte, error) {
	if !t.log.Enabled(ctx, slog.LevelDebug) {
		return Transmit(ctx, t.next, dst, command)
	}
	start := time.Now()
	out, err := Transmit(ctx, t.next, dst, command)
	took := time.Since(start)
	name, c, open := describeCommand(command)
	if err != nil {
		t.log.LogAttrs(ctx, slog.LevelDebug, name, slog.String("command", c),
			slog.Duration("took", took), slog.String("error", err.Error()))
		return out, err
	}
	t.log.LogAttrs(ctx, slog.LevelDebug, name, slog.String("command", c),
		slog.String("response", describeResponse(out[len(dst):], open)), slog.Duration("took", took))
	return out, nil
}

// describeCommand returns the name and the masked form of a command, and
// whether the data of its response may be shown.
func describeCommand(b []byte) (name, masked string, open bool) {
	c, err := ParseCommand(b)
	if err != nil {
		return "malformed command", redactedBytes(len(b)), false
	}
	return c.Name(), c.masked(), c.INS == InsSelect
}

// masked returns the header, the lengths, and the data of SELECT alone.
func (c *Command) masked() string {
	s := fmt.Sprintf("%02X %02X %02X %02X", c.CLA, c.INS, c.P1, c.P2)
	if len(c.Data) > 0 {
		s += fmt.Sprintf(" Lc=%d ", len(c.Data))
		if c.INS == InsSelect {
			s += fmt.Sprintf("%X", c.Data)
		} else {
			s += redactedBytes(len(c.Data))
		}
	}
	if c.Ne > 0 {
		s += fmt.Sprintf(" Le=%d", c.Ne)
	}
	return s
}

// Format writes the name of the command and what a [Tracer] shows of it, for
// every verb. The data, which may be a PIN, are in Data.
func (c Command) Format(f fmt.State, _ rune) { fmt.Fprint(f, c.Name(), " ", c.masked()) }

// LogValue returns the text that Format writes.
func (c Command) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(c)) }

func describeResponse(b []byte, open bool) string {
	r, err := ParseResponse(b)
	switch {
	case err != nil:
		return redactedBytes(len(b)) + " (" + err.Error() + ")"
	case len(r.Data) > 0 && open:
		return fmt.Sprintf("%X %s", r.Data, r.Status.String())
	}
	return r.masked()
}

// masked returns the number of bytes of data, and the status word.
func (r Response) masked() string {
	if len(r.Data) == 0 {
		return r.Status.String()
	}
	return redactedBytes(len(r.Data)) + " " + r.Status.String()
}

// Format writes the number of bytes of data and the status word, for every verb.
// The data, which may be personal, are in Data.
func (r Response) Format(f fmt.State, _ rune) { fmt.Fprint(f, r.masked()) }

// LogValue returns the text that Format writes.
func (r Response) LogValue() slog.Value { return slog.StringValue(r.masked()) }

func redactedBytes(n int) string { return fmt.Sprintf("[%d bytes redacted]", n) }
