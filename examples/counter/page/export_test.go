package page

import (
	"io"
	"net/url"
)

// ReadForm is for tests of what is left of a PIN.
func ReadForm(body io.Reader) (form url.Values, pin, second []byte, wipe func(), err error) {
	form, typed, wipe, err := readForm(body)
	return form, typed.auth, typed.second, wipe, err
}
