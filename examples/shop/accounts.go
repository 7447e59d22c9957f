package shop

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/mynakit/mynakit/ticket"
)

// MallAccount is the account of the mall's points (商店街ポイント), which belong to
// a member number and are kept apart from the city's.
const MallAccount point.Account = "mall"

// mallProgramme is what the mall's ledger has.
var mallProgramme = point.Programme{Account: MallAccount, Kind: point.Mall, Name: "商店街ポイント"}

// The partners of the mall's ledger: who brings points, and by what the same
// points are known when they come again.
const partnerCity = "city-cloud" // merge files, by transaction number

// setProgrammes has both ledgers know the programmes of the configuration.
func (s *Shop) setProgrammes(ctx context.Context) error {
	for _, keep := range []struct {
		ledger *point.Ledger
		want   []point.Programme
	}{{s.city, s.cfg.Programmes}, {s.mall, []point.Programme{mallProgramme}}} {
		known, err := keep.ledger.Programmes(ctx)
		if err != nil {
			return err
		}
		there := make(map[point.Programme]bool)
		for _, p := range known {
			there[p] = true
		}
		for _, p := range keep.want {
			if there[p] {
				continue
			}
			if err := keep.ledger.SetProgramme(ctx, p); err != nil {
				return err
			}
		}
	}
	partners, err := s.mall.Partners(ctx)
	if err != nil || len(partners) > 0 {
		return err
	}
	return s.mall.SetPartner(ctx, point.Partner{Code: partnerCity, Name: "自治体ポイント管理クラウド", Link: point.LinkID})
}

// ErrOrderKey means that a call has no key, or one that is not 1 to 64 printable
// ASCII characters without spaces. Without a key a lost answer could not be asked
// for again.
var ErrOrderKey = errors.New("shop: a key of 1 to 64 characters is needed")

// request names a call in the ledgers. The keys of uses, tickets and merges are
// of one scope, that of the association: whoever has the key of an order finds
// its answer at any terminal.
func request(at ticket.Terminal, key string) (point.Request, error) {
	if !validKey(key) {
		return point.Request{}, ErrOrderKey
	}
	return point.Request{Scope: string(at.Scope), Name: key}, nil
}

func validKey(key string) bool {
	for i := range len(key) {
		if key[i] <= ' ' || key[i] >= 0x7F {
			return false
		}
	}
	return key != "" && len(key) <= point.MaxRequest
}

// grantScope is the scope of a grant's request.
const grantScope = "grant:"

// Grant gives points of the city's own programme to a holder (ポイント付与). key
// names this one grant, such as "welcome": the same for the same person changes
// nothing the second time, whatever MyKey ID the person has by then. points is at
// least 1.
//
// The errors are ErrOrderKey, [point.ErrRequestReused] for other points under the
// same key, and those of [point.Ledger.Credit].
func (s *Shop) Grant(ctx context.Context, to mykey.ID, points int64, key string) error {
	return s.GrantTo(ctx, to, s.cfg.Programmes[0].Account, points, key)
}

// GrantTo is Grant for points of any programme of [Config.Programmes].
func (s *Shop) GrantTo(ctx context.Context, to mykey.ID, account point.Account, points int64, key string) error {
	if !validKey(grantScope+key) || key == "" {
		return ErrOrderKey
	}
	return s.write(ctx, "grant points", func(ctx context.Context, tx *sql.Tx) error {
		grant := point.Credit{Request: point.Request{Scope: grantScope + key}, Once: true,
			Holder: to, Account: account, Points: points, Kind: point.OpGrant}
		_, err := s.city.In(tx).Credit(ctx, grant)
		if errors.Is(err, point.ErrNoHolder) {
			if err = s.openAccounts(ctx, tx, to); err == nil {
				_, err = s.city.In(tx).Credit(ctx, grant)
			}
		}
		return err
	})
}

// openAccounts opens a holder's accounts, if there are none yet.
func (s *Shop) openAccounts(ctx context.Context, tx *sql.Tx, id mykey.ID) error {
	return s.city.In(tx).Enrol(ctx, id, point.Profile{Base: s.cfg.Programmes[0].Account})
}

// member returns by what the mall knows a holder: the member number, or the
// MyKey ID with [Config.ByMyKeyID].
func (s *Shop) member(p registry.Person) (mykey.Identifier, error) {
	if s.cfg.ByMyKeyID {
		return p.ID, nil
	}
	number, ok := p.Service(s.cfg.Mall)
	if !ok {
		return nil, ErrNoMember
	}
	return number, nil
}

// balances returns what a holder can spend here, in the order of the platform's
// page (システム設計書 IV(4)), and the mall's points at the end.
func (s *Shop) balances(ctx context.Context, p registry.Person) ([]point.Balance, error) {
	all, err := s.city.Balances(ctx, p.ID)
	if err != nil && !errors.Is(err, point.ErrNoHolder) {
		return nil, err
	}
	var accounts []point.Account
	for _, programme := range s.cfg.Programmes {
		accounts = append(accounts, programme.Account)
	}
	out := point.Usable(all, s.cfg.Programmes, accounts, s.now())
	member, err := s.member(p)
	if err != nil {
		return out, nil // of the mall's there are none
	}
	mall, err := s.mall.Balances(ctx, member)
	if errors.Is(err, point.ErrNoHolder) {
		err = nil
	}
	return append(out, mall...), err
}

// write runs fn in a durable transaction, and again when another was in the way.
func (s *Shop) write(ctx context.Context, what string, fn func(ctx context.Context, tx *sql.Tx) error) error {
	if err := s.registry.Do(ctx, fn); err != nil {
		return fmt.Errorf("shop: %s: %w", what, err)
	}
	return nil
}

// Books are the sums of all points, at one moment. What was given back does not
// count as spent.
type Books struct {
	// The city's points.
	Opening  int64 // taken over from the tables of an earlier version
	Granted  int64 // given
	Used     int64 // used at tills
	Ticketed int64 // put on tickets
	Combined int64 // left for the mall
	Lapsed   int64 // lapsed, or taken back by the city
	City     int64 // with holders

	// The mall's points.
	MallOpening int64
	Merged      int64 // came in merge files
	Papers      int64 // came on tickets
	MallUsed    int64
	Mall        int64 // with members

	// Faults are sums that do not agree. There are none in books that are whole.
	Faults []string
}

// Exact reports whether the books balance.
func (b Books) Exact() bool {
	return len(b.Faults) == 0 &&
		b.Opening+b.Granted-b.Used-b.Ticketed-b.Combined-b.Lapsed == b.City &&
		b.MallOpening+b.Merged+b.Papers-b.MallUsed == b.Mall
}

// Books adds everything up, on one snapshot of all keepers. It reads all there
// ever was. The error is the database's.
func (s *Shop) Books(ctx context.Context) (b Books, err error) {
	opts := &sql.TxOptions{ReadOnly: true}
	if s.postgres {
		opts.Isolation = sql.LevelRepeatableRead
	}
	tx, err := s.db.BeginTx(ctx, opts)
	if err == nil {
		b, err = s.books(ctx, tx)
		err = errors.Join(err, tx.Rollback())
	}
	if err != nil {
		err = fmt.Errorf("shop: add up the books: %w", err)
	}
	return b, err
}

func (s *Shop) books(ctx context.Context, tx *sql.Tx) (Books, error) {
	city, err := s.city.In(tx).Books(ctx)
	if err != nil {
		return Books{}, err
	}
	mall, err := s.mall.In(tx).Books(ctx)
	if err != nil {
		return Books{}, err
	}
	tickets, err := s.book.In(tx).Books(ctx)
	if err != nil {
		return Books{}, err
	}
	out := func(l point.Books) int64 {
		return l.Operations[point.OpLapse] + l.Operations[point.OpClawback] - l.Operations[point.OpRestore]
	}
	b := Books{
		Opening:     city.Operations[point.OpOpening],
		Granted:     city.Operations[point.OpGrant] + city.Operations[point.OpPartner],
		Used:        city.Spent[point.OpUse],
		Ticketed:    city.Spent[point.OpTicket],
		Combined:    city.Spent[point.OpMerge],
		Lapsed:      out(city),
		MallOpening: mall.Operations[point.OpOpening],
		Merged:      mall.Operations[point.OpPartner],
		Papers:      mall.Operations[point.OpGrant],
		MallUsed:    mall.Spent[point.OpUse] + out(mall),
		Faults:      append(append(city.Faults, mall.Faults...), tickets.Faults...),
	}
	for _, points := range city.Outstanding {
		b.City += points
	}
	for _, points := range mall.Outstanding {
		b.Mall += points
	}
	var paid int64
	for _, t := range tickets.Paid {
		paid += t.Points
	}
	if paid != b.Ticketed {
		b.Faults = append(b.Faults, fmt.Sprintf("tickets are worth %d points, and %d were paid for them", paid, b.Ticketed))
	}
	if s.box == nil {
		return b, nil
	}
	sent, err := s.box.In(tx).Books(ctx)
	if err == nil && sent.Points != b.Combined {
		b.Faults = append(b.Faults, fmt.Sprintf("records are worth %d points, and %d were paid for them", sent.Points, b.Combined))
	}
	return b, err
}
