package page

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

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
	post("/phone/pin", "", p.phonePIN)
	for _, screen := range []string{"enrol", "account"} {
		post("/"+screen+"/pin", screen, p.enrolPIN(screen))
		post("/"+screen+"/offer", screen, p.enrolOffer(screen))
		post("/"+screen+"/choose", screen, p.enrolChoose(screen))
		post("/"+screen+"/accept", screen, p.enrolAccept(screen))
	}
	post("/account/ask", "account", p.accountAsk)
	post("/account/revoke", "account", p.accountRevoke)
	post("/service/check", "service", p.serviceCheck)
	post("/service/register", "service", p.serviceRegister)
	post("/issue/check", "issue", p.issueCheck)
	post("/issue/issue", "issue", p.issueIssue)
	post("/issue/reprint", "issue", p.issueReprint)
	post("/issue/unprinted", "issue", p.issueUnprinted)
	post("/issue/receipt", "issue", p.issueReceipt)
	post("/use/check", "use", p.useCheck)
	post("/use/use", "use", p.useUse)
	post("/use/undo", "use", p.useUndo)
	post("/use/receipt", "use", p.receiptPrint)
	post("/combine/number", "combine", p.combineNumber)
	post("/combine/check", "combine", p.combineCheck)
	post("/combine/combine", "combine", p.combineCombine)
	post("/grant/give", "grant", p.grantGive)
	post("/redeem/inspect", "redeem", p.redeemInspect)
	post("/redeem/redeem", "redeem", p.redeemRedeem)
	post("/redeem/receipt", "redeem", p.receiptPrint)
	post("/tickets/find", "tickets", p.ticketsFind)
	post("/tickets/recent", "tickets", p.ticketsRecent)
	post("/tickets/reprint", "tickets", p.ticketsReprint)
	post("/tickets/receipt", "tickets", p.issueReceipt)
	post("/tickets/cancel", "tickets", p.ticketsCancel)
	post("/tickets/replace", "tickets", p.ticketsReplace)
	post("/merge/look", "merge", p.mergeLook)
	post("/notice/begin", "notice", p.noticeBegin)
	post("/notice/consent", "notice", p.noticeConsent)
	post("/notice/withdraw", "notice", p.noticeWithdraw)
	post("/recover/begin", "recover", p.recoverBegin)
	post("/recover/finish", "recover", p.recoverFinish)
	post("/recover/ask", "recover", p.recoverAsk)
	post("/recover/undo", "recover", p.recoverUndo)
	for _, sc := range p.screens {
		if sc.Key != "" {
			post("/"+sc.Name+"/end", sc.Name, p.end)
		}
	}
	mux.HandleFunc("GET /print/{paper}", p.print)
	mux.HandleFunc("GET /print/ticket.svg", p.printSVG)
	mux.HandleFunc("GET /print/receipt.svg", p.printReceiptSVG)
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

// view is the handler of a screen.
func (p *Page) view(sc *screen) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s := p.sessions.of(r)
		key := r.URL.Query().Get("key")
		if s == nil {
			if !visited(r) || !sameToken(key, p.key()) {
				p.taken(w, "", false)
				return
			}
			if !p.sessions.free() {
				p.taken(w, key, false)
				return
			}
			p.sessions.begin(w, r, p.cfg.Lang)
		}
		if key != "" { // out of the address and the history
			http.Redirect(w, r, sc.Path(), http.StatusSeeOther)
			return
		}
		s.look(func(w *work) { w.leave(sc.Name) })
		f := p.frame(r.Context(), s, sc, r.URL.Query())
		p.note(r.Context(), f.failed)
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

// A takenView says why a browser does not have the terminal.
type takenView struct {
	Key  string // the terminal's, for a browser that has it
	Used bool   // another browser has it
	Sent bool   // a form was sent, and nothing was done
}

// taken answers a browser that does not have the terminal, or has it no more.
func (p *Page) taken(w http.ResponseWriter, key string, sent bool) {
	screen, used := *p.screenNamed("taken"), !p.sessions.free()
	if !used {
		screen.JA, screen.EN = "手続きの終了", "The session is over"
	}
	p.write(w, &frame{screen: &screen, Lang: p.cfg.Lang, Name: p.cfg.Name, At: p.at.ID, Status: http.StatusConflict,
		Data: takenView{key, used, sent}})
}

// fault refuses a request that no screen of the counter sends.
func (p *Page) fault(w http.ResponseWriter, r *http.Request, status int) {
	p.bare(w, r, status, "fault", "")
}

// take returns the terminal to the browser that asks and has the key. The request
// came from a page of this counter: [http.CrossOriginProtection] has seen to it.
func (p *Page) take(w http.ResponseWriter, r *http.Request) {
	if p.sessions.of(r) == nil {
		if r.ParseForm() != nil || !sameToken(r.PostForm.Get("key"), p.key()) {
			p.fault(w, r, http.StatusForbidden)
			return
		}
		p.sessions.begin(w, r, p.cfg.Lang)
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
			p.taken(w, "", true)
			return
		}
		form, pin, wipe, err := readForm(r.Body)
		defer wipe()
		if err != nil {
			status := http.StatusBadRequest
			if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
				status = http.StatusRequestEntityTooLarge
			}
			p.fault(w, r, status)
			return
		}
		if !sameToken(form.Get("token"), s.token) {
			p.fault(w, r, http.StatusForbidden)
			return
		}
		back := p.screenNamed(screen)
		if back == nil {
			if back = p.screenNamed(form.Get("back")); back == nil {
				back = p.screens[0]
			}
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), stepTime)
		defer cancel()
		s.step.Lock()
		said, err := do(withPINs(ctx, pin), s, form)
		s.step.Unlock()
		in := p.shown()
		s.look(func(w *work) {
			w.typed = nil
			if err != nil {
				w.typed = keep(form, err, in.seq)
			}
		})
		if err != nil {
			said = p.told(ctx, s.language(), err)
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
