package page

import (
	"bytes"
	"context"
	"html/template"
	"log/slog"
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
	// data gives what the template shows.
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

// routes says which path is what.
func (p *Page) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /assets/{file}", p.asset)

	for _, sc := range p.screens {
		switch sc.Name {
		case "taken", "fault":
		case "menu":
			mux.HandleFunc("GET /{$}", p.view(sc))
		default:
			mux.HandleFunc("GET "+sc.Path(), p.view(sc))
		}
	}
	mux.HandleFunc("GET /events/{screen}", p.events)
	mux.HandleFunc("POST /take", p.take)

	post := func(path, screen string, do step) { mux.HandleFunc("POST "+path, p.post(screen, do)) }
	post("/lang", "", p.chooseLang)
	post("/sample", "", p.putSample)
	post("/enrol/pin", "enrol", p.enrolPIN)
	post("/enrol/offer", "enrol", p.enrolOffer)
	post("/enrol/choose", "enrol", p.enrolChoose)
	post("/enrol/accept", "enrol", p.enrolAccept)
	post("/enrol/end", "enrol", p.enrolEnd)
	post("/service/check", "service", p.serviceCheck)
	post("/service/register", "service", p.serviceRegister)
	post("/service/back", "service", p.serviceBack)
	post("/issue/check", "issue", p.issueCheck)
	post("/issue/issue", "issue", p.issueIssue)
	post("/issue/reprint", "issue", p.issueReprint)
	post("/issue/unprinted", "issue", p.issueUnprinted)
	post("/issue/receipt", "issue", p.issueReceipt)
	post("/issue/end", "issue", p.issueEnd)
	post("/redeem/inspect", "redeem", p.redeemInspect)
	post("/redeem/redeem", "redeem", p.redeemRedeem)
	post("/redeem/end", "redeem", p.redeemEnd)
	post("/merge/look", "merge", p.mergeLook)
	mux.HandleFunc("GET /print/{paper}", p.print)
	mux.HandleFunc("GET /print/ticket.svg", p.printSVG)
	mux.HandleFunc("GET /settle/{file}", p.settleFile)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { p.fault(w, r, http.StatusNotFound) })
	return mux
}

// asset is a style, the script or a picture.
func (p *Page) asset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	content, err := files.ReadFile("assets/" + name)
	if err != nil {
		p.fault(w, r, http.StatusNotFound)
		return
	}
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(content))
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

// view is the handler of a screen.
func (p *Page) view(sc *screen) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s := p.sessions.of(r)
		if s == nil {
			if !p.sessions.free() || !visited(r) {
				p.bare(w, r, http.StatusConflict, "taken")
				return
			}
			s = p.sessions.begin(w, p.cfg.Lang)
		}
		s.look(func(w *work) { w.leave(sc.Name) })
		f := p.frameOf(r.Context(), s, sc, r.URL.Query())
		if said := s.said(); said != nil {
			f.Notice = said
		}
		p.write(w, f)
	}
}

// visited reports whether the browser opens a page because somebody asked it to,
// and not another site. It says so in headers that no page can set; browsers
// without them are taken at their word.
func visited(r *http.Request) bool {
	site, dest := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Sec-Fetch-Dest")
	return (site == "" || site == "none" || site == "same-origin") && (dest == "" || dest == "document")
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
// language.
func (p *Page) bare(w http.ResponseWriter, r *http.Request, status int, name string) {
	lang := p.cfg.Lang
	if s := p.sessions.of(r); s != nil {
		lang = s.language()
	}
	p.write(w, &frame{screen: p.screenNamed(name), Lang: lang, Name: p.cfg.Name, At: p.at.ID, Status: status})
}

// fault refuses a request that no screen of the counter sends.
func (p *Page) fault(w http.ResponseWriter, r *http.Request, status int) {
	p.bare(w, r, status, "fault")
}

// take gives the terminal to the browser that asks. The request came from a
// page of this counter: [http.CrossOriginProtection] has seen to it.
func (p *Page) take(w http.ResponseWriter, r *http.Request) {
	if p.sessions.of(r) == nil {
		p.sessions.begin(w, p.cfg.Lang)
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// A step is the work of a form. What it gives is said on the next screen; an
// error is explained there.
type step func(ctx context.Context, s *session, form url.Values) (*notice, error)

// post is the handler of a form: it checks the token, does the step, and sends
// the browser back to a screen, "" for the one that the form names. The step
// goes on to its end when the browser goes away in the middle: what has begun
// with a card and a database is better finished.
func (p *Page) post(screen string, do step) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s := p.sessions.of(r)
		if s == nil {
			http.Redirect(w, r, "/", http.StatusSeeOther) // where it may take the terminal over
			return
		}
		if err := r.ParseForm(); err != nil {
			status := http.StatusBadRequest
			if tooLarge := new(http.MaxBytesError); asError(err, &tooLarge) {
				status = http.StatusRequestEntityTooLarge
			}
			p.fault(w, r, status)
			return
		}
		if !sameToken(r.PostForm.Get("token"), s.token) {
			p.fault(w, r, http.StatusForbidden)
			return
		}
		back := p.screenNamed(screen)
		if back == nil {
			if back = p.screenNamed(r.PostForm.Get("back")); back == nil {
				back = p.screens[0]
			}
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), stepTime)
		defer cancel()
		s.step.Lock()
		said, err := do(ctx, s, r.PostForm)
		s.step.Unlock()
		if err != nil {
			said = explain(s.language(), err)
		}
		if said != nil {
			s.say(*said)
		}
		p.changes.tell()
		http.Redirect(w, r, back.Path(), http.StatusSeeOther)
	}
}

// chooseLang changes the language of the session.
func (p *Page) chooseLang(_ context.Context, s *session, form url.Values) (*notice, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lang = Japanese
	if form.Get("to") == string(English) {
		s.lang = English
	}
	return nil, nil
}

// putSample puts one of the sample cards into the slot, or takes it out.
func (p *Page) putSample(_ context.Context, _ *session, form url.Values) (*notice, error) {
	slot, ok := p.cfg.Reader.(*Slot)
	if !ok {
		return nil, nil
	}
	i, err := strconv.Atoi(form.Get("sample"))
	if err != nil || i < 0 || i >= len(p.cfg.Samples) {
		slot.Remove()
		return nil, nil
	}
	slot.Insert(p.cfg.Samples[i].Card)
	return nil, nil
}

// log tells of each request what was asked and how it went. The paths of this
// page hold nothing of anybody's; a query is left out all the same.
func (p *Page) log(next http.Handler) http.Handler {
	if p.cfg.Log == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		seen := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(seen, r)
		path := r.URL.Path
		if seen.status == http.StatusNotFound {
			path = "?" // somebody typed it, whatever it is
		}
		p.cfg.Log.LogAttrs(r.Context(), slog.LevelInfo, "request", slog.String("method", r.Method), slog.String("path", path),
			slog.Int("status", seen.status), slog.Duration("took", time.Since(began)))
	})
}

// statusWriter remembers the status.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for [http.ResponseController].
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
