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

	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/ticket"
)

// A screen is one page of the counter. Its template is templates/NAME.html.
type screen struct {
	Name   string
	Key    string // the digit that chooses it from the menu, "" for none
	JA, EN string // its name
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
		{Name: "service", Key: "1", JA: "サービスIDの登録", EN: "Register a service ID", data: p.serviceData},
		{Name: "lookup", Key: "2", JA: "サービスIDの照会", EN: "Look up a service ID", data: nothing},
		{Name: "issue", Key: "3", JA: "ポイント券発行", EN: "Issue a point ticket", data: p.issueData},
		{Name: "redeem", Key: "4", JA: "ポイント券消込", EN: "Redeem a point ticket", data: p.redeemData},
		{Name: "merge", Key: "5", JA: "合算ポイント受取", EN: "Receive merged points", data: p.mergeData},
		{Name: "settle", Key: "6", JA: "自治体ポイント集計", EN: "Settlement", data: p.settleData},
		{Name: "enrol", Key: "7", JA: "マイキーIDの作成・登録", EN: "Make a MyKey ID", data: p.enrolData},
		{Name: "taken", JA: "別の画面で使用中", EN: "In use elsewhere", data: nothing},
		{Name: "fault", JA: "受け付けられません", EN: "Not accepted", data: nothing},
	}
	for _, sc := range p.screens {
		sc.in = map[Lang]*template.Template{}
		for _, lang := range []Lang{Japanese, English} {
			t, err := template.New("layout.html").Funcs(p.words(lang)).
				ParseFS(files, "templates/layout.html", "templates/"+sc.Name+".html")
			if err != nil {
				return err
			}
			sc.in[lang] = t
		}
	}
	p.paper = map[Lang]*template.Template{}
	for _, lang := range []Lang{Japanese, English} {
		t, err := template.New("paper.html").Funcs(p.words(lang)).ParseFS(files, "templates/paper.html")
		if err != nil {
			return err
		}
		p.paper[lang] = t
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
		"day": func(d ticket.Date) string {
			if lang == English {
				return d.Start().Format("2 January 2006")
			}
			return d.Japanese()
		},
		"pin":    func(card cardPanel, tries int) pinField { return newPINField(lang, card, tries) },
		"clock":  func(at time.Time) string { return at.In(jst).Format("15:04:05") },
		"number": ticket.Number.Display,
		"quote":  strconv.Quote,
		"points": func(n uint64) string { return thousands(int64(min(n, math.MaxInt64))) },
		"lines":  func(text string) []string { return strings.Split(text, "\n") },
	}
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
	Card    cardPanel
	Notice  *notice
	Samples []Sample
	Data    any
	Status  int
}

// Screen is the screen shown.
func (f *frame) Screen() *screen { return f.screen }

// Title is the screen's name.
func (f *frame) Title() string { return f.Lang.pick(f.screen.JA, f.screen.EN) }

// frame puts together what a screen shows now.
func (p *Page) frame(ctx context.Context, s *session, sc *screen) *frame {
	return p.frameOf(ctx, s, sc, nil)
}

func (p *Page) frameOf(ctx context.Context, s *session, sc *screen, query url.Values) *frame {
	f := &frame{screen: sc, Lang: s.language(), Name: p.cfg.Name, At: p.at.ID, Token: s.token, Screens: p.screens,
		Changes: p.changes.so(), Samples: p.cfg.Samples, Status: http.StatusOK}
	s.look(func(w *work) { w.follow(p.shown()) })
	f.Card = p.panel(f.Lang)
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	data, err := sc.data(ctx, s, query)
	if err != nil {
		f.Notice = explain(f.Lang, err)
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
