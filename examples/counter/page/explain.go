package page

import (
	"errors"
	"strings"
	"time"

	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/jpki/unlock"
	"github.com/mynakit/mynakit/mykey"
)

// entry is what is wrong with something typed on the page, in words.
type entry struct{ what, do mykey.Text }

func (e *entry) Error() string { return "page: " + e.what.EN }

// explain puts an error into words, in one language: what happened and what to
// do. A PIN that is locked comes with the places that unlock it.
func explain(lang Lang, err error) *notice {
	say := func(kind string, what, do mykey.Text) *notice {
		return &notice{Kind: kind, What: lang.pick(what.JA, what.EN), Do: lang.pick(do.JA, do.EN)}
	}
	if typed, ok := errors.AsType[*entry](err); ok {
		return say("warn", typed.what, typed.do)
	}
	if errors.Is(err, errNoCard) {
		return say("warn",
			mykey.Text{JA: "カードリーダーにカードがありません。", EN: "There is no card on the reader."},
			mykey.Text{JA: "マイナンバーカードを置いて、もう一度押してください。", EN: "Put the Individual Number Card on it and press again."})
	}
	a := shop.Explain(err)
	n := say("bad", a.What, a.Do)
	if a.Code != "" {
		n.What += " (" + string(a.Code) + ")"
	}
	if ways := unlockWays(lang, err); len(ways) > 0 {
		n.Do = strings.Join(ways, "\n")
	}
	return n
}

// unlockWays returns where a PIN that err found locked can be reset.
func unlockWays(lang Lang, err error) []string {
	var pin *jpki.PINError
	if !errors.As(err, &pin) || !pin.Blocked && pin.Left > 0 {
		return nil
	}
	var ways []string
	for _, way := range unlock.Ways(pin.PIN, time.Now()) {
		if lang == English {
			ways = append(ways, way.Text(jpki.English))
		} else {
			ways = append(ways, way.Text(jpki.Japanese))
		}
	}
	return ways
}
