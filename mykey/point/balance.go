package point

import (
	"cmp"
	"slices"
	"time"

	"github.com/mynakit/mynakit/mykey"
)

// Balance is what a holder has under one programme.
type Balance struct {
	Account Account
	Kind    Kind
	Name    string // ポイント名
	Points  int64
	// NextPoints lapse, or, of reserved points, are due to the base account,
	// at the end of NextDay. The zero Date means that no point does.
	NextDay    mykey.Date
	NextPoints int64
}

// Sort orders balances as the holder's page shows them (システム設計書 IV(4)):
// reserved points, then municipalities with the base account first and the
// others by points, greatest first, then events by points, greatest first.
// Equal balances are ordered by account.
func Sort(balances []Balance, base Account) {
	rank := func(b Balance) int {
		switch {
		case b.Kind == Reserved:
			return 0
		case b.Kind == Municipal && b.Account == base:
			return 1
		case b.Kind == Municipal:
			return 2
		}
		return 3
	}
	slices.SortFunc(balances, func(a, b Balance) int {
		return cmp.Or(
			cmp.Compare(rank(a), rank(b)),
			cmp.Compare(b.Points, a.Points),
			cmp.Compare(a.Account, b.Account))
	})
}

// Usable returns the balances, in their order, that can be spent at the
// instant at and at a terminal that takes the accounts (当該端末で利用可能なポイント
// 残高, システム設計書 II.11①). Reserved points are never among them, nor are
// balances of zero. A terminal without accounts takes none.
func Usable(balances []Balance, programmes []Programme, accounts []Account, at time.Time) []Balance {
	var out []Balance
	for _, b := range balances {
		if b.Points <= 0 || !slices.Contains(accounts, b.Account) {
			continue
		}
		i := slices.IndexFunc(programmes, func(p Programme) bool { return p.Account == b.Account })
		if i >= 0 && programmes[i].Serves(at) {
			out = append(out, b)
		}
	}
	return out
}
