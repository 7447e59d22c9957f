package page

import (
	"bytes"
	"io"
	"net/url"
)

// ReadForm is for tests of what is left of a PIN.
func ReadForm(body io.Reader) (form url.Values, pin, second []byte, wipe func(), err error) {
	form, typed, wipe, err := readForm(body)
	return form, typed.auth, typed.second, wipe, err
}

// Told is a screen that tells of an error.
func (p *Page) Told(lang Lang, err error) (html string, failed error) {
	sc := p.screenNamed("lookup")
	var b bytes.Buffer
	failed = sc.in[lang].ExecuteTemplate(&b, "layout.html", &frame{screen: sc, Lang: lang, Notice: explain(lang, err)})
	return b.String(), failed
}
