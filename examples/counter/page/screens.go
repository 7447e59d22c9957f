package page

import (
	"bytes"
	"context"
	"html/template"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/ticket"
)

// A screen is one page of the counter. Its template is templates/NAME.html.
type screen struct {
	Name   string
	Key    string     // the digit that chooses it from the menu, "" for none
	JA, EN string     // its name
	For    mykey.Text // what it is for, in the menu
	// data returns what the template shows.
	data func(ctx context.Context, s *session, query url.Values) (any, error)
	in   map[Lang]*template.Template
}

// Path is where the screen is.
func (sc *screen) Path() string {
	if sc.Name == "menu" {
		return "/"
	}
	return "/" + sc.Name
}

// compose lists the screens and reads their templates.
func (p *Page) compose() error {
	nothing := func(context.Context, *session, url.Values) (any, error) { return nil, nil }
	p.screens = []*screen{
		{Name: "menu", JA: "メニュー", EN: "Menu", data: p.menuData},
		{Name: "service", Key: "1", JA: "サービスIDの登録", EN: "Register a service ID", data: p.serviceData,
			For: mykey.Text{JA: "図書館や商店街の利用カード番号を登録", EN: "Tie a library or mall card's number to the card"}},
		{Name: "lookup", Key: "2", JA: "サービスIDの照会", EN: "Look up a service ID", data: nothing,
			For: mykey.Text{JA: "カードをセットして利用カード番号を照会", EN: "Tap the card and have the number"}},
		{Name: "issue", Key: "3", JA: "ポイント券発行", EN: "Issue a point ticket", data: p.issueData,
			For: mykey.Text{JA: "ポイントをポイント券にして印刷", EN: "Put points on paper"}},
		{Name: "redeem", Key: "4", JA: "ポイント券消込", EN: "Redeem a point ticket", data: p.redeemData,
			For: mykey.Text{JA: "QRコードまたは発券番号で消し込み", EN: "By QR code or number"}},
		{Name: "merge", Key: "5", JA: "合算ポイント受取", EN: "Receive merged points", data: p.mergeData,
			For: mykey.Text{JA: "届いた合算ポイントファイルを合算", EN: "Merge files that have arrived"}},
		{Name: "settle", Key: "6", JA: "自治体ポイント集計", EN: "Settlement", data: p.settleData,
			For: mykey.Text{JA: "期間の集計表と明細表", EN: "Totals and details of a period"}},
		{Name: "enrol", Key: "7", JA: "マイキーIDの作成・登録", EN: "Make a MyKey ID", data: p.enrolData,
			For: mykey.Text{JA: "暗証番号を入力してマイキーIDを作成・登録", EN: "With the PIN, choose an ID"}},
		{Name: "use", Key: "8", JA: "ポイント利用", EN: "Use points", data: p.useData,
			For: mykey.Text{JA: "レジの「値引き」にポイントを利用", EN: "Points off the bill"}},
		{Name: "combine", Key: "9", JA: "商店街ポイント合算", EN: "Combine with mall points", data: p.combineData,
			For: mykey.Text{JA: "自治体ポイントを商店街ポイントに合算", EN: "City points become the mall's"}},
		{Name: "tickets", Key: "A", JA: "ポイント券の再発行・取消", EN: "Reissue or cancel a ticket", data: p.ticketsData,
			For: mykey.Text{JA: "発行したポイント券を再発行・取消", EN: "A ticket that was issued before"}},
		{Name: "account", Key: "B", JA: "マイキーIDの変更・失効", EN: "Change or revoke a MyKey ID", data: p.accountData,
			For: mykey.Text{JA: "別のマイキーIDに変更、または失効", EN: "Another ID, or none any more"}},
		{Name: "recover", Key: "C", JA: "以前のマイキーIDの引き継ぎ", EN: "Take over an earlier MyKey ID", data: p.recoverData,
			For: mykey.Text{JA: "新しいカードに以前のマイキーIDを引き継ぎ", EN: "A new card for the ID of an earlier one"}},
		{Name: "notice", Key: "D", JA: "住所変更の自動通知", EN: "Notice of address changes", data: p.noticeData,
			For: mykey.Text{JA: "住所変更の自動通知を設定・解除", EN: "Set it, or take it back"}},
		{Name: "grant", Key: "E", JA: "ポイント付与", EN: "Give points", data: p.grantData,
			For: mykey.Text{JA: "ポイント付与事業のポイントを付与", EN: "Points of a grant, once to each person"}},
		{Name: "taken", JA: "別の画面で使用中", EN: "In use elsewhere", data: nothing},
		{Name: "fault", JA: "受け付けられません", EN: "Not accepted", data: nothing},
	}
	p.paper = map[Lang]*template.Template{}
	for _, lang := range []Lang{Japanese, English} {
		common, err := template.New("layout.html").Funcs(p.words(lang)).
			ParseFS(files, "templates/layout.html", "templates/parts.html")
		if err != nil {
			return err
		}
		for _, sc := range p.screens {
			t, err := common.Clone()
			if err != nil {
				return err
			}
			if t, err = t.ParseFS(files, "templates/"+sc.Name+".html"); err != nil {
				return err
			}
			if sc.in == nil {
				sc.in = map[Lang]*template.Template{}
			}
			sc.in[lang] = t
		}
		p.paper[lang], err = template.New("paper.html").Funcs(p.words(lang)).ParseFS(files, "templates/paper.html")
		if err != nil {
			return err
		}
	}
	return nil
}

// words are the functions of the templates in one language. A text stands in
// its template in both languages, side by side.
func (p *Page) words(lang Lang) template.FuncMap {
	jst := time.FixedZone("JST", 9*60*60)
	return template.FuncMap{
		"t":        lang.pick,
		"n":        thousands,
		"operator": func(id mykey.OperatorID) string { return p.cfg.Shop.OperatorName(id) },
		"account":  func(a point.Account) string { return p.accountName(lang, a) },
		"day": func(of interface{ Start() time.Time }) string {
			d := mykey.DateOf(of.Start())
			if lang == English {
				return d.Start().Format("2 January 2006")
			}
			return d.Japanese()
		},
		"pin":    func(card cardPanel, tries int) pinField { return newPINField(lang, card, tries) },
		"clock":  func(at time.Time) string { return at.In(jst).Format("15:04:05") },
		"moment": func(at time.Time) string { return at.In(jst).Format("2006-01-02 15:04") },
		"state":  func(s ticket.State) string { text := stateText(s); return lang.pick(text.JA, text.EN) },
		"number": ticket.Number.Display,
		"quote":  strconv.Quote,
		"points": func(n uint64) string { return thousands(int64(min(n, math.MaxInt64))) },
		"lines":  func(text string) []string { return strings.Split(text, "\n") },
	}
}

// accountName returns the name of a programme's points.
func (p *Page) accountName(lang Lang, a point.Account) string {
	if a == shop.MallAccount {
		return lang.pick("商店街ポイント", "Mall points")
	}
	for _, programme := range p.cfg.Shop.Programmes() {
		if programme.Account == a {
			return programme.Name
		}
	}
	return string(a)
}

// thousands writes n with commas.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func (p *Page) screenNamed(name string) *screen {
	for _, sc := range p.screens {
		if sc.Name == name {
			return sc
		}
	}
	return nil
}

// notice is what a step came to, in words.
type notice struct {
	Kind     string // "good", "warn" or "bad", for the eye
	What, Do string
}

// frame is what every template is given.
type frame struct {
	screen  *screen
	Lang    Lang
	Name    string // the shop's
	At      string // the terminal's
	Token   string
	Screens []*screen
	Changes int
	Query   string // of the address: the stream of events looks at the same
	Card    cardPanel
	Notice  *notice
	Samples []Sample
	Data    any
	Status  int
	// Tries is how many tries of the PIN are left, -1: not known.
	Tries    int
	Training bool
	typed    *typedForm
	failed   error // why there is no Data
}

// Typed returns what was typed into a field of a form that was refused.
func (f *frame) Typed(field string) string {
	if f.typed == nil {
		return ""
	}
	return f.typed.values.Get(field)
}

// Wrong reports whether a field is the one that is at fault.
func (f *frame) Wrong(field string) bool { return f.typed != nil && f.typed.wrong == field }

// Focus reports whether a field has the focus: the one at fault, or else the one
// that is first. No PIN field takes it.
func (f *frame) Focus(field string, first bool) bool {
	if f.typed == nil || f.typed.wrong == "" || f.typed.wrong == "pin" {
		return first
	}
	return f.typed.wrong == field
}

// Asks reports whether the screen may ask for the PIN, or needs none.
func (f *frame) Asks() bool { return newPINField(f.Lang, f.Card, f.Tries).What == "" }

// Screen is the screen shown.
func (f *frame) Screen() *screen { return f.screen }

// Title is the screen's name.
func (f *frame) Title() string { return f.Lang.pick(f.screen.JA, f.screen.EN) }

// frame puts together what a screen shows now, for the query of its address.
func (p *Page) frame(ctx context.Context, s *session, sc *screen, query url.Values) *frame {
	f := &frame{screen: sc, Lang: s.language(), Name: p.cfg.Name, At: p.at.ID, Token: s.token, Screens: p.screens,
		Changes: p.changes.so(), Query: query.Encode(), Samples: p.cfg.Samples, Status: http.StatusOK, Training: p.cfg.Shop.Training()}
	in := p.shown()
	f.Tries = in.tries
	s.look(func(w *work) {
		w.follow(in)
		f.typed = w.typed
		if w.task != nil {
			f.Tries = w.task.triesLeft()
		}
	})
	f.Card = p.panel(f.Lang)
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	data, err := sc.data(ctx, s, query)
	if err != nil {
		f.Notice, f.failed = explain(f.Lang, err), err
		if field := fieldOf(err); field != "" {
			f.typed = &typedForm{wrong: field}
		}
	}
	f.Data = data
	return f
}

// write renders a whole page.
func (p *Page) write(w http.ResponseWriter, f *frame) {
	var b bytes.Buffer
	if err := f.screen.in[f.Lang].ExecuteTemplate(&b, "layout.html", f); err != nil {
		http.Error(w, "template", http.StatusInternalServerError) // the error may quote what was being shown
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(f.Status)
	_, _ = w.Write(b.Bytes())
}

// bare shows a screen without card, token or anything of the session's but its
// language. key is the terminal's, for a browser that has it.
func (p *Page) bare(w http.ResponseWriter, r *http.Request, status int, name, key string) {
	lang := p.cfg.Lang
	if s := p.sessions.of(r); s != nil {
		lang = s.language()
	}
	p.write(w, &frame{screen: p.screenNamed(name), Lang: lang, Name: p.cfg.Name, At: p.at.ID, Status: status, Data: key})
}
