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
			mykey.Text{JA: "カードがセットされていません。", EN: "There is no card on the reader."},
			mykey.Text{JA: "マイナンバーカードをセットして、もう一度押してください。", EN: "Put the Individual Number Card on it and press again."})
	}
	if wantsPIN(err) { // on this page only a phone does
		return say("warn",
			mykey.Text{JA: "スマートフォンの暗証番号の入力が必要です。", EN: "The phone's PIN comes first."},
			mykey.Text{JA: "画面上部の欄に、ご本人が入力してください。スマートフォンは置いたままにします。", EN: "The holder types it at the top of the screen. Leave the phone where it is."})
	}
	a := shop.Explain(err)
	n := say("bad", a.What, a.Do)
	if a.Code != "" {
		n.What += lang.pick("（", " (") + string(a.Code) + lang.pick("）", ")")
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
