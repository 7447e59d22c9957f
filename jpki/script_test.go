package jpki

import (
	"context"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
)

// A script is a card that expects exactly these commands, in this order, and
// gives these replies. Spaces are there for the reader.
type script struct {
	t     *testing.T
	steps []step
	next  int
}

type step struct {
	command string // hexadecimal
	reply   any    // hexadecimal, []byte, or an error
}

const (
	selectJPKI = "00A4040C 0A D392F000260100000001"
	done       = "9000"
)

var errLink = errors.New("link lost")

func (s *script) Transmit(command []byte) ([]byte, error) {
	s.t.Helper()
	if s.next == len(s.steps) {
		s.t.Errorf("command %X beyond the script", command)
		return nil, errLink
	}
	st := s.steps[s.next]
	s.next++
	assert.Equal(s.t, compact(st.command), strings.ToUpper(hex.EncodeToString(command)), "exchange %d", s.next)
	switch r := st.reply.(type) {
	case error:
		return nil, r
	case []byte:
		return append([]byte{}, r...), nil
	default:
		return unhex(r.(string)), nil
	}
}

func compact(s string) string { return strings.ReplaceAll(s, " ", "") }

func unhex(s string) []byte {
	b, err := hex.DecodeString(compact(s))
	if err != nil {
		panic(err)
	}
	return b
}

// ok is data with 9000 behind it.
func ok(data []byte) []byte { return append(append([]byte{}, data...), 0x90, 0) }

// play makes a card that is open, with a script for what follows. Every step
// has to be used up when the test ends.
func play(t *testing.T, opts []Option, steps ...step) *Card {
	t.Helper()
	s := &script{t: t, steps: append([]step{{selectJPKI, done}}, steps...)}
	c, err := Open(context.Background(), s, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { assert.Equal(t, len(s.steps), s.next, "exchanges used") })
	return c
}

// requireStep asserts that err names a step.
func requireStep(t *testing.T, err error, want string) {
	t.Helper()
	var s *StepError
	require.ErrorAs(t, err, &s)
	assert.Equal(t, want, s.Step)
	assert.Contains(t, err.Error(), want)
}

func requireStatus(t *testing.T, err error, want apdu.Status) {
	t.Helper()
	var s *apdu.StatusError
	require.ErrorAs(t, err, &s)
	assert.Equal(t, want, s.Status)
}
