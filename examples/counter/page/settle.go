package page

import (
	"cmp"
	"context"
	"net/http"
	"net/url"

	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/ticket"
)

// settleView is the settlement of a period (システム設計書 VI).
type settleView struct {
	From, To string // as they were typed
	Period   ticket.Period
	Done     bool
	Closing  shop.Closing
}

// period reads the two days of a query; without them it is today.
func (p *Page) period(query url.Values) (ticket.Period, error) {
	today := p.cfg.Shop.Today()
	period := ticket.Period{From: today, To: today}
	for _, day := range []struct {
		name string
		at   *ticket.Date
	}{{"from", &period.From}, {"to", &period.To}} {
		if text := query.Get(day.name); text != "" {
			d, err := ticket.ParseDate(text)
			if err != nil {
				return period, inField(day.name, err)
			}
			*day.at = d
		}
	}
	return period, inField("to", period.Check())
}

func (p *Page) settleData(ctx context.Context, _ *session, query url.Values) (any, error) {
	period, err := p.period(query)
	v := settleView{Period: period, From: cmp.Or(query.Get("from"), period.From.String()), To: cmp.Or(query.Get("to"), period.To.String())}
	if err != nil {
		return v, err
	}
	v.Closing, err = p.cfg.Shop.Settle(ctx, period)
	v.Done = err == nil
	return v, err
}

// settleFile returns the settlement as a file, 集計表 or 明細表.
func (p *Page) settleFile(w http.ResponseWriter, r *http.Request) {
	s := p.sessions.of(r)
	if s == nil {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	period, err := p.period(r.URL.Query())
	if err != nil {
		p.fault(w, r, http.StatusBadRequest)
		return
	}
	name := r.PathValue("file")
	ctx, cancel := context.WithTimeout(r.Context(), stepTime)
	defer cancel()
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="`+period.From.String()+"_"+period.To.String()+"_"+name+`"`)
	switch name {
	case "settlement.csv":
		c, failed := p.cfg.Shop.Settle(ctx, period)
		if failed != nil {
			w.Header().Del("Content-Disposition")
			s.say(*explain(s.language(), failed))
			http.Redirect(w, r, "/settle", http.StatusSeeOther)
			return
		}
		err = ticket.CSV{}.WriteSettlement(w, c.Tickets)
	case "details.csv":
		err = ticket.CSV{}.WriteDetails(w, p.cfg.Shop.Details(ctx, period))
	default:
		w.Header().Del("Content-Disposition")
		p.fault(w, r, http.StatusNotFound)
		return
	}
	if err != nil {
		// Half a file must not look like a whole one.
		panic(http.ErrAbortHandler)
	}
}
