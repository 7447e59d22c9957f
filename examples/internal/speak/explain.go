package speak

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mynakit/mynakit/examples/internal/private"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/advice"
)

// A Failure is an error of a program itself, in two languages.
type Failure struct {
	Text mykey.Text
	Err  error // the cause, or nil
}

// Fail returns a Failure. Its cause may be nil. If en is "", the cause says enough in
// English.
func Fail(ja, en string, cause error) *Failure { return &Failure{mykey.Text{JA: ja, EN: en}, cause} }

func (e *Failure) Error() string {
	switch {
	case e.Err == nil:
		return e.Text.EN
	case e.Text.EN == "":
		return e.Err.Error()
	}
	return e.Text.EN + ": " + e.Err.Error()
}

func (e *Failure) Unwrap() error { return e.Err }

// Explain returns an error in a language. In English that is its own text. In
// Japanese it is that of the UsageError or the Failure that it is, or what a says
// has happened and what to do. Texts of libraries are in English alone: then a line
// follows that has the error itself.
func Explain(lang string, err error, a advice.Advice) string {
	if lang != "ja" {
		return err.Error()
	}
	if usage, ok := errors.AsType[*UsageError](err); ok {
		return usage.Text.JA
	}
	if open, ok := errors.AsType[*private.Error](err); ok {
		return open.Text().JA
	}
	text := a.What.JA + a.Do.JA
	if a.Code != "" {
		text = fmt.Sprintf("%s（%s）%s", a.What.JA, a.Code, a.Do.JA)
	}
	if own, ok := errors.AsType[*Failure](err); ok {
		if text = own.Text.JA; own.Err == nil {
			return text
		}
	}
	return text + "\n（詳細：" + strings.ReplaceAll(err.Error(), "\n", " ") + "）"
}
