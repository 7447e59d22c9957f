package point

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/mynakit/mynakit/mykey"
)

// PartnerLine is what came from one partner into one account.
type PartnerLine struct {
	Partner string
	Account Account
	Moved   Total // 移行件数, 移行ポイント数合計
	Back    Total // what was taken back of transfers by a [Clawback], by its own day
}

func (l PartnerLine) key() PartnerLine { return PartnerLine{Partner: l.Partner, Account: l.Account} }

// PartnerSettlement is what partners pay to municipalities for a period
// (地域経済応援ポイント協力会社から自治体への精算, システム設計書 VI①).
type PartnerSettlement struct {
	Period   mykey.Period
	Lines    []PartnerLine // by partner and account
	Final    bool          // whether the figures of the period can no longer change
	Training bool          // of a ledger for practice: nothing is paid
	// Received is what the accounts of municipalities and events received of
	// reserved points, steered or by the due day. Reserved points of several
	// partners are one sum: whose they were is not kept.
	Received map[Account]Total
}

// SettlePartners adds the transfers of partners up, as [Ledger.Settle] does with
// uses. The errors are the same.
func (l *Ledger) SettlePartners(ctx context.Context, period mykey.Period) (PartnerSettlement, error) {
	if err := period.Check(); err != nil {
		return PartnerSettlement{}, err
	}
	final, err := l.finish(ctx, period.To.End(), settleMargin)
	if err != nil {
		return PartnerSettlement{}, l.db.Told("settle", err)
	}
	s := PartnerSettlement{Period: period, Final: final, Training: l.cfg.Training}
	from, to := period.From.Start().UnixMicro(), period.To.End().UnixMicro()
	err = l.db.Read(ctx, "settle", func(ctx context.Context, tx *sqldb.Tx) error {
		accounts, err := accountsByID(ctx, tx)
		if err != nil {
			return err
		}
		s.Lines, s.Received = nil, map[Account]Total{} // the function may run again
		lines := map[PartnerLine]*PartnerLine{}
		line := func(partner string, programme int64) *PartnerLine {
			k := PartnerLine{Partner: partner, Account: accounts[programme]}
			if lines[k] == nil {
				lines[k] = &k
			}
			return lines[k]
		}
		err = totals(ctx, tx, func(partner string, programme int64, t Total) error { return line(partner, programme).Moved.add(t) },
			`SELECT partner, programme, count(*), CAST(sum(points) AS BIGINT) FROM {operation}
			WHERE partner IS NOT NULL AND kind = 'partner' AND at >= ? AND at < ? GROUP BY partner, programme`, from, to)
		if err == nil {
			err = totals(ctx, tx, func(partner string, programme int64, t Total) error { return line(partner, programme).Back.add(t) },
				`SELECT g.partner, o.programme, count(*), CAST(sum(o.points) AS BIGINT) FROM {operation} o
				JOIN {operation} g ON g.holder = o.holder AND g.id = o.reverses AND g.partner IS NOT NULL
				WHERE o.kind = 'clawback' AND o.points > 0 AND o.at >= ? AND o.at < ? GROUP BY g.partner, o.programme`, from, to)
		}
		if err == nil {
			err = totals(ctx, tx, func(_ string, programme int64, t Total) error {
				sum := s.Received[accounts[programme]]
				err := sum.add(t)
				s.Received[accounts[programme]] = sum
				return err
			}, `SELECT '', programme, count(*), CAST(sum(points) AS BIGINT) FROM {operation}
				WHERE kind IN ('steer', 'due') AND at >= ? AND at < ? GROUP BY programme`, from, to)
		}
		for _, l := range lines {
			s.Lines = append(s.Lines, *l)
		}
		sortPartners(s.Lines)
		return err
	})
	if err != nil {
		return PartnerSettlement{}, err
	}
	return s, nil
}

func sortPartners(lines []PartnerLine) {
	slices.SortFunc(lines, func(a, b PartnerLine) int {
		return cmp.Or(cmp.Compare(a.Partner, b.Partner), cmp.Compare(a.Account, b.Account))
	})
}

func totals(ctx context.Context, tx *sqldb.Tx, f func(partner string, programme int64, t Total) error, query string, args ...any) error {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var partner string
		var programme int64
		var t Total
		if err := rows.Scan(&partner, &programme, &t.Count, &t.Points); err != nil {
			return err
		}
		if err := f(partner, programme, t); err != nil {
			return err
		}
	}
	return rows.Err()
}

// PartnerDifference is a partner and an account for which two sides do not agree.
type PartnerDifference struct {
	Partner     string
	Account     Account
	Ours, Other PartnerLine
}

// Compare returns the partners and accounts whose totals differ. A partner's own
// side has its own lines alone: compare it with [PartnerSettlement.Only].
func (s PartnerSettlement) Compare(other PartnerSettlement) []PartnerDifference {
	both := map[PartnerLine]*PartnerDifference{}
	at := func(l PartnerLine) *PartnerDifference {
		k := l.key()
		if both[k] == nil {
			both[k] = &PartnerDifference{Partner: k.Partner, Account: k.Account, Ours: k, Other: k}
		}
		return both[k]
	}
	for _, l := range s.Lines {
		at(l).Ours = l
	}
	for _, l := range other.Lines {
		at(l).Other = l
	}
	maps.DeleteFunc(both, func(_ PartnerLine, d *PartnerDifference) bool { return d.Ours == d.Other })
	out := make([]PartnerDifference, 0, len(both))
	for _, d := range both {
		out = append(out, *d)
	}
	slices.SortFunc(out, func(a, b PartnerDifference) int {
		return cmp.Or(cmp.Compare(a.Partner, b.Partner), cmp.Compare(a.Account, b.Account))
	})
	return out
}

// Only returns the settlement of one partner. Received is empty in it.
func (s PartnerSettlement) Only(partner string) PartnerSettlement {
	s.Lines = slices.DeleteFunc(slices.Clone(s.Lines), func(l PartnerLine) bool { return l.Partner != partner })
	s.Received = nil
	return s
}

// Transferred is one transfer of a partner as a settlement lists it (明細), or
// what was taken back of one. It names no holder and no coupon.
type Transferred struct {
	At        time.Time
	Kind      Op // [OpPartner] or [OpClawback]
	Partner   string
	Account   Account
	Points    int64
	Operation string  // see [Receipt.Operation]
	Request   Request // under which the partner's transfer was asked for, or the clawback
}

// Transfers yields the transfers of a period and what was taken back of
// transfers, by time. Memory does not grow with the period. An error ends the
// sequence. For a malformed period it is a [*mykey.FormError].
func (l *Ledger) Transfers(ctx context.Context, period mykey.Period) iter.Seq2[Transferred, error] {
	if err := period.Check(); err != nil {
		return func(yield func(Transferred, error) bool) { yield(Transferred{}, err) }
	}
	return pages(ctx, l, `o.kind, coalesce(o.partner, u.partner), o.points, coalesce(o.scope, ''), coalesce(o.name, '')`,
		`(o.kind = 'partner' OR o.kind = 'clawback' AND u.partner IS NOT NULL)`, period.From.Start(), period.To.End(),
		func(t *Transferred) []any {
			return []any{&t.Kind, &t.Partner, &t.Points, &t.Request.Scope, &t.Request.Name}
		}, func(t *Transferred, at time.Time, operation string, account Account) {
			t.At, t.Operation, t.Account = at, operation, account
		})
}

// TallyPartners adds transfers up as [Ledger.SettlePartners] does, for the other
// side. Received is empty. For a transfer TallyPartners returns [ErrPeriod],
// [ErrPoints] or [ErrKind]; it returns [ErrSum], or the sequence's error.
func TallyPartners(period mykey.Period, transfers iter.Seq2[Transferred, error]) (PartnerSettlement, error) {
	if err := period.Check(); err != nil {
		return PartnerSettlement{}, err
	}
	s := PartnerSettlement{Period: period}
	lines := map[PartnerLine]*PartnerLine{}
	for t, err := range transfers {
		switch {
		case err != nil:
		case !period.Contains(t.At):
			err = ErrPeriod
		case t.Points < 1 || t.Points > MaxPoints:
			err = ErrPoints
		case t.Kind != OpPartner && t.Kind != OpClawback:
			err = ErrKind
		}
		if err != nil {
			return PartnerSettlement{}, err
		}
		k := PartnerLine{Partner: t.Partner, Account: t.Account}
		if lines[k] == nil {
			lines[k] = &k
		}
		sum := &lines[k].Moved
		if t.Kind == OpClawback {
			sum = &lines[k].Back
		}
		if err := sum.add(Total{1, t.Points}); err != nil {
			return PartnerSettlement{}, err
		}
	}
	for _, l := range lines {
		s.Lines = append(s.Lines, *l)
	}
	sortPartners(s.Lines)
	return s, nil
}
