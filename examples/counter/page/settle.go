package page

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"net/http"
	"net/url"

	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/mynakit/mynakit/ticket"
)

// settleView is the settlement of a period (システム設計書 VI).
type settleView struct {
	From, To string // as they were typed
	Period   ticket.Period
	Done     bool
	Closing  shop.Closing
	// Pays is whether the bank's file can be had now, for Day. Unpaid are the
	// places that are not in it.
	Pays   bool
	Day    ticket.Date
	Unpaid []point.Line
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
			d, err := mykey.ParseDate(text)
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
	if v.Done && p.cfg.Payee != nil && v.Closing.Points.Final {
		v.Day = p.cfg.Shop.Today()
		_, v.Unpaid, err = v.Closing.Points.Transfers(p.cfg.Payee)
		v.Pays = err == nil
	}
	return v, err
}

// transfers writes the bank's file of what is paid to each place (総合振込) on a day.
func (p *Page) transfers(ctx context.Context, w io.Writer, period ticket.Period, day string) error {
	if p.cfg.Payee == nil {
		return registry.ErrSessionOver
	}
	on, err := mykey.ParseDate(day)
	if err != nil {
		return inField("day", err)
	}
	c, err := p.cfg.Shop.Settle(ctx, period)
	if err != nil {
		return err
	}
	pay, _, err := c.Points.Transfers(p.cfg.Payee)
	if err != nil {
		return err
	}
	order := p.cfg.Payout
	order.Month, order.Day = on.Month, on.Day
	_, err = point.WriteTransfers(w, order, func(yield func(point.Transfer, error) bool) {
		for _, t := range pay {
			if !yield(t, nil) {
				return
			}
		}
	})
	return err
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
	// back tells on the screen why there is no file.
	back := func(err error) {
		h := w.Header()
		h.Del("Content-Disposition")
		h.Del("Content-Type")
		s.say(*p.told(ctx, s.language(), err))
		http.Redirect(w, r, "/settle?"+url.Values{"from": {period.From.String()}, "to": {period.To.String()}}.Encode(), http.StatusSeeOther)
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="`+period.From.String()+"_"+period.To.String()+"_"+name+`"`)
	switch name {
	case "settlement.csv":
		c, failed := p.cfg.Shop.Settle(ctx, period)
		if failed != nil {
			back(failed)
			return
		}
		err = point.CSV{}.WriteSettlement(w, c.Points)
	case "uses.csv":
		err = point.CSV{}.WriteDetails(w, p.cfg.Shop.Uses(ctx, period))
	case "details.csv":
		err = ticket.CSV{}.WriteDetails(w, p.cfg.Shop.Details(ctx, period))
	case "transfers.txt":
		var file bytes.Buffer // small: a line for each place
		if failed := p.transfers(ctx, &file, period, r.URL.Query().Get("day")); failed != nil {
			back(failed)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=shift_jis")
		_, err = file.WriteTo(w)
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
