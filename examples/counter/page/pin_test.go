package page_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/examples/counter/page"
)

// seen is a body that remembers where it was read to.
type seen struct {
	io.Reader
	into [][]byte
}

func (s *seen) Read(b []byte) (int, error) {
	s.into = append(s.into, b)
	return s.Reader.Read(b)
}

// The PIN of a form is bytes, in no string, and nothing is left of it.
func TestFormIsWiped(t *testing.T) {
	body := &seen{Reader: strings.NewReader("token=abc&pin=48%31%35&card=3&pin2=A%42c&pinhead=9&id=A+B%21")}
	form, pin, second, wipe, err := page.ReadForm(body)
	require.NoError(t, err)
	assert.Equal(t, "4815", string(pin))
	assert.Equal(t, "abc", form.Get("token"))
	assert.Equal(t, "9", form.Get("pinhead"))
	assert.Equal(t, "A B!", form.Get("id"))
	assert.False(t, form.Has("pin"))
	assert.Equal(t, "ABc", string(second))
	assert.False(t, form.Has("pin2"))
	wipe()
	assert.Equal(t, make([]byte, 4), pin)
	assert.Equal(t, make([]byte, 3), second)
	for _, b := range body.into {
		assert.Zero(t, len(bytes.Trim(b, "\x00")))
	}

	for _, bad := range []string{"pin=%zz", "pin=%4", "a=%zz"} {
		_, _, _, wipe, err := page.ReadForm(strings.NewReader(bad))
		assert.Error(t, err, bad)
		wipe()
	}
	_, _, _, wipe, err = page.ReadForm(strings.NewReader("pin=" + strings.Repeat("1", 17<<10)))
	var long *http.MaxBytesError
	assert.ErrorAs(t, err, &long)
	wipe()
	broken := errors.New("the browser went away")
	_, _, _, _, err = page.ReadForm(io.MultiReader(strings.NewReader("pin=12"), errReader{broken}))
	assert.ErrorIs(t, err, broken)
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }
