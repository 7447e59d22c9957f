package shop_test

import (
	"database/sql"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/mynakit/mynakit/mykey/terminal"
	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/ticket"
	"github.com/mynakit/mynakit/ticket/paper"
)

// withMall gives the holder of a card a member number of the mall, and begins a
// visit with proof.
func withMall(t testing.TB, s *shop.Shop, card *jpki.Card, number string) *shop.Visit {
	t.Helper()
	v, err := s.Begin(t.Context(), card)
	require.NoError(t, err)
	_, err = v.RegisterService(t.Context(), card, parse(t, mykey.ParseServiceID, "000002:"+number))
	require.NoError(t, err)
	return v
}

// event is a programme of a festival, which a terminal takes beside the city's.
func event(t testing.TB, city point.Programme) point.Programme {
	t.Helper()
	e := city
	e.Account, e.Kind, e.Name = "matsuri", point.Event, "あおば祭りポイント"
	e.Service = mykey.Period{From: mykey.Date{Year: 2020, Month: time.January, Day: 1}, To: mykey.Date{Year: 2099, Month: time.December, Day: 31}}
	return e
}

// ポイント利用: read, choose, use; asked again it is the same; undone, given back in
// parts; and the key alone says what became of it.
func TestUse(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *sql.DB) {
		ctx := t.Context()
		cfg := config(t)
		cfg.Programmes = append(cfg.Programmes, event(t, cfg.Programmes[0]))
		s := open(t, db, cfg)
		card, id := enrolled(t, s, 0)
		other, _ := enrolled(t, s, 1)
		require.NoError(t, s.GrantTo(ctx, id, "matsuri", 300, "festival"))
		till := s.Terminal("TILL-1")
		till.Place = "あおば商店"
		v, err := s.Begin(ctx, card)
		require.NoError(t, err)
		list, err := v.Balances(ctx)
		require.NoError(t, err)
		require.Len(t, list, 2)
		assert.Equal(t, []point.Account{"aoba", "matsuri"}, []point.Account{list[0].Account, list[1].Account})
		assert.Equal(t, []int64{2000, 300}, []int64{list[0].Points, list[1].Points})

		order := shop.Order{Key: "sale-1", Points: 500}
		r, err := v.Use(ctx, card, till, order)
		require.NoError(t, err)
		assert.EqualValues(t, 1500, r.Balance)
		again, err := v.Use(ctx, card, till, order)
		require.NoError(t, err)
		assert.True(t, again.Repeated)
		assert.Equal(t, r.Operation, again.Operation)
		slip := s.Receipt(r, false)
		assert.Equal(t, paper.Use, slip.Kind)
		assert.Equal(t, "あおば市ポイント", slip.PointName)
		_, err = slip.SVG()
		require.NoError(t, err)

		// The key with other content, or of another holder.
		_, err = v.Use(ctx, card, till, shop.Order{Key: "sale-1", Points: 501})
		assert.ErrorIs(t, err, point.ErrRequestReused)
		_, err = v.Use(ctx, card, till, shop.Order{Key: "sale-1", Points: 500, Account: "matsuri"})
		assert.ErrorIs(t, err, point.ErrRequestReused)
		_, err = v.IssueTicket(ctx, card, till, ticket.Order{Key: "sale-1", Points: 500})
		assert.ErrorIs(t, err, point.ErrRequestReused)
		theirs, err := s.Begin(ctx, other)
		require.NoError(t, err)
		_, err = theirs.Use(ctx, other, till, order)
		assert.ErrorIs(t, err, point.ErrRequestReused)
		assert.EqualValues(t, 1500, mustFind(t, s, id).CityPoints)

		// Bad orders, before anything is taken.
		for want, o := range map[error]shop.Order{
			shop.ErrOrderKey: {Points: 1}, point.ErrPoints: {Key: "bad-1"}, point.ErrShort: {Key: "bad-2", Points: 1501},
			point.ErrNoProgramme: {Key: "bad-3", Points: 1, Account: "nowhere"}, shop.ErrNoMember: {Key: "bad-4", Points: 1, Account: shop.MallAccount},
		} {
			_, err = v.Use(ctx, card, till, o)
			assert.ErrorIs(t, err, want, "%+v", o)
		}
		library := s.Terminal("LIBRARY")
		library.Kind = terminal.Service
		_, err = v.Use(ctx, card, library, shop.Order{Key: "bad-5", Points: 1})
		assert.ErrorIs(t, err, ticket.ErrKind)

		// At most what is there; the rest is paid otherwise.
		r, err = v.Use(ctx, card, till, shop.Order{Key: "sale-2", Points: 1000, Account: "matsuri", AtMost: true})
		require.NoError(t, err)
		assert.EqualValues(t, 300, r.Points)

		// A refund in parts, never more than there was.
		for i, points := range []int64{200, 250} {
			back, err := s.Refund(ctx, till, shop.Refund{Key: fmt.Sprint("back-", i), Of: "sale-1", Points: points})
			require.NoError(t, err)
			assert.Equal(t, points, back.Points)
			assert.Equal(t, paper.Undo, s.Receipt(back, true).Kind)
		}
		_, err = s.Refund(ctx, till, shop.Refund{Key: "back-2", Of: "sale-1", Points: 51})
		assert.ErrorIs(t, err, point.ErrRefund)
		_, err = s.Refund(ctx, till, shop.Refund{Key: "back-3", Of: "nothing", Points: 1})
		assert.ErrorIs(t, err, point.ErrNoRequest)
		status, err := s.Status(ctx, till, "sale-1")
		require.NoError(t, err)
		assert.EqualValues(t, 450, status.Undone)

		// The rest of it, undone by the key; a second time changes nothing.
		for range 2 {
			_, err = s.Cancel(ctx, till, "sale-1")
			require.NoError(t, err)
		}
		assert.EqualValues(t, 2000, mustFind(t, s, id).CityPoints)
		assert.Equal(t, shop.Books{Granted: 4300, Used: 300, City: 4000}, exact(t, s))

		// レジ締め: the till's own list, and what belongs to the next one.
		day, err := s.CloseTill(ctx, till, time.Time{}, time.Now().Add(time.Minute))
		require.NoError(t, err)
		assert.Equal(t, []point.KindTotal{{Kind: point.OpRefund, Total: point.Total{Count: 3, Points: 500}},
			{Kind: point.OpUse, Total: point.Total{Count: 2, Points: 800}}}, day.City.Kinds)
		var listed int
		for d, err := range s.Acts(ctx, till, time.Time{}, time.Now().Add(time.Minute)) {
			require.NoError(t, err)
			assert.Equal(t, "あおば商店", d.Place)
			listed++
		}
		assert.Equal(t, 5, listed)
		closing, err := s.Settle(ctx, lately(s))
		require.NoError(t, err)
		assert.EqualValues(t, 300, closing.Points.Sum().Sum().Points)
	})
}

func mustFind(t testing.TB, s *shop.Shop, id mykey.ID) shop.Customer {
	t.Helper()
	c, err := s.Find(t.Context(), id)
	require.NoError(t, err)
	return c
}

// A lost answer: the key says what became of it, and a cancel is final in every
// order of arrival, whichever points it was for.
func TestLostAnswer(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *sql.DB) {
		ctx := t.Context()
		s := open(t, db, config(t))
		card, id := enrolled(t, s, 0)
		v := withMall(t, s, card, "520625")
		at := s.Terminal("T1")
		for _, account := range []point.Account{"", shop.MallAccount} {
			late := "late-" + string(account)
			_, err := s.Status(ctx, at, late)
			assert.ErrorIs(t, err, point.ErrNoRequest, "which promises nothing")
			r, err := s.Cancel(ctx, at, late)
			require.NoError(t, err)
			assert.True(t, r.Void)
			_, err = v.Use(ctx, card, at, shop.Order{Key: late, Points: 1, Account: account})
			assert.ErrorIs(t, err, point.ErrRequestVoid, "it comes late")
			_, err = s.Status(ctx, at, late)
			assert.ErrorIs(t, err, point.ErrRequestVoid)
		}
		_, err := s.Cancel(ctx, at, "late-ticket")
		require.NoError(t, err)
		_, err = v.IssueTicket(ctx, card, at, ticket.Order{Key: "late-ticket", Points: 100})
		assert.ErrorIs(t, err, point.ErrRequestVoid)
		_, err = s.Cancel(ctx, at, "late-merge")
		require.NoError(t, err)
		_, err = v.Combine(ctx, card, at, shop.Order{Key: "late-merge", Points: 100})
		assert.ErrorIs(t, err, point.ErrRequestVoid)

		// A ticket: its answer is lost, it is found by its key, and taken back.
		_, err = v.IssueTicket(ctx, card, at, ticket.Order{Key: "paper-1", Points: 400})
		require.NoError(t, err)
		r, err := s.Status(ctx, at, "paper-1")
		require.NoError(t, err)
		assert.Equal(t, point.OpTicket, r.Kind)
		_, err = s.Cancel(ctx, at, "paper-1")
		require.NoError(t, err)
		gone, err := v.IssueTicket(ctx, card, at, ticket.Order{Key: "paper-1", Points: 400})
		require.NoError(t, err)
		assert.Equal(t, ticket.Cancelled, gone.State)
		left, err := s.Unprinted(ctx, at)
		require.NoError(t, err)
		assert.Empty(t, left)

		// One that was redeemed stays so.
		used, err := v.IssueTicket(ctx, card, at, ticket.Order{Key: "paper-2", Points: 400})
		require.NoError(t, err)
		slip, err := s.Slip(used)
		require.NoError(t, err)
		_, err = s.Redeem(ctx, at, slip.QR, "press-1")
		require.NoError(t, err)
		_, err = s.Cancel(ctx, at, "paper-2")
		assert.ErrorIs(t, err, point.ErrNotUndoable)
		assert.ErrorIs(t, err, ticket.ErrState)
		_, err = s.CancelTicket(ctx, at, used.Number, "press-2")
		assert.ErrorIs(t, err, ticket.ErrState)
		assert.EqualValues(t, 1600, mustFind(t, s, id).CityPoints)
		exact(t, s)
	})
}

// Sixteen tills want the last points by uses and tickets, one of them with another
// one's key: nobody gets more than there is.
func TestLastPoints(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *sql.DB) {
		cfg := config(t)
		s := open(t, db, cfg)
		card, _ := enrolled(t, s, 0) // 2,000 points
		v, err := s.Begin(t.Context(), card)
		require.NoError(t, err)
		var wg sync.WaitGroup
		var sold, same atomic.Int64
		for n := range 16 {
			wg.Go(func() {
				at, key := s.Terminal(fmt.Sprint("T", n)), fmt.Sprint("sale-", n)
				var err error
				if n%2 == 0 {
					_, err = v.Use(t.Context(), card, at, shop.Order{Key: key, Points: 300})
				} else {
					_, err = v.IssueTicket(t.Context(), card, at, ticket.Order{Key: key, Points: 300})
				}
				if err == nil {
					sold.Add(1)
				} else {
					assert.ErrorIs(t, err, point.ErrShort)
				}
			})
			wg.Go(func() {
				if r, err := v.Use(t.Context(), card, s.Terminal("T-same"), shop.Order{Key: "same", Points: 200}); err == nil && !r.Repeated {
					same.Add(1)
				} else if err != nil {
					assert.ErrorIs(t, err, point.ErrShort)
				}
			})
		}
		wg.Wait()
		assert.LessOrEqual(t, same.Load(), int64(1), "one key is one use")
		assert.EqualValues(t, 6, sold.Load())
		assert.Equal(t, 2000-1800-200*same.Load(), exact(t, s).City)
	})
}

// Mall points: brought by files and by tickets, used by card, and apart from the
// city's.
func TestMallPoints(t *testing.T) {
	for _, byID := range []bool{false, true} {
		t.Run(fmt.Sprintf("byMyKeyID=%v", byID), func(t *testing.T) {
			eachEngine(t, func(t *testing.T, db *sql.DB) {
				ctx := t.Context()
				cfg := config(t)
				cfg.ByMyKeyID, cfg.WithoutPIN = byID, 100
				s := open(t, db, cfg)
				card, id := enrolled(t, s, 0)
				v := withMall(t, s, card, "520625")
				at := s.Terminal("T1")
				number := parse(t, mykey.ParseCustomerID, "520625")

				// By the point card alone, within the sum.
				_, err := s.CombineByNumber(ctx, at, number, shop.Order{Key: "merge-1", Points: 60})
				require.NoError(t, err)
				again, err := s.CombineByNumber(ctx, at, number, shop.Order{Key: "merge-1", Points: 60})
				require.NoError(t, err)
				assert.True(t, again.Receipt.Repeated)
				_, err = s.CombineByNumber(ctx, at, number, shop.Order{Key: "merge-2", Points: 41})
				assert.ErrorIs(t, err, point.ErrProof)
				_, err = s.CombineByNumber(ctx, at, parse(t, mykey.ParseCustomerID, "999"), shop.Order{Key: "merge-2", Points: 1})
				assert.ErrorIs(t, err, registry.ErrNotFound)
				_, err = v.Combine(ctx, card, at, shop.Order{Key: "merge-2", Points: 440})
				require.NoError(t, err)
				_, err = v.Combine(ctx, card, at, shop.Order{Key: "merge-3", Points: 1, Account: shop.MallAccount})
				assert.ErrorIs(t, err, point.ErrKind)
				_, err = v.IssueTicket(ctx, card, at, ticket.Order{Key: "merge-3", Points: 1, Account: string(shop.MallAccount)})
				assert.ErrorIs(t, err, point.ErrKind)
				deliverAll(t, s, cfg)
				assert.EqualValues(t, 500, mustFind(t, s, id).MallPoints)

				// Used by card: with the PIN as much as there is, a copy the sum.
				r, err := v.Use(ctx, card, at, shop.Order{Key: "mall-1", Points: 450, Account: shop.MallAccount})
				require.NoError(t, err)
				assert.Equal(t, paper.MallUse, s.Receipt(r, false).Kind)
				_, err = v.Use(ctx, card, at, shop.Order{Key: "mall-2", Points: 51, Account: shop.MallAccount})
				assert.ErrorIs(t, err, point.ErrShort)
				copied := tap(t, simcard.New(simcard.WithHolder(simcard.SampleHolder(0))))
				bare, err := s.Begin(ctx, copied)
				require.NoError(t, err)
				_, err = bare.Use(ctx, copied, at, shop.Order{Key: "mall-3", Points: 20, Account: shop.MallAccount})
				require.NoError(t, err)
				_, err = s.Refund(ctx, at, shop.Refund{Key: "mall-back", Of: "mall-1", Points: 100})
				require.NoError(t, err)
				_, err = s.Cancel(ctx, at, "mall-3")
				require.NoError(t, err)
				assert.EqualValues(t, 150, mustFind(t, s, id).MallPoints)

				// A ticket becomes mall points, once, with no card.
				tk, err := v.IssueTicket(ctx, card, at, ticket.Order{Key: "paper-1", Points: 250})
				require.NoError(t, err)
				typed := ticket.NewCode(tk.Number.Digits())
				d, err := s.RedeemToPoints(ctx, at, typed, "press-1", number)
				require.NoError(t, err)
				assert.False(t, d.Repeated)
				repeated, err := s.RedeemToPoints(ctx, at, typed, "press-1", number)
				require.NoError(t, err)
				assert.True(t, repeated.Repeated)
				assert.Equal(t, d.Receipt.Operation, repeated.Receipt.Operation)
				for _, code := range []ticket.Code{typed, ticket.NewCode("no code")} {
					_, err = s.RedeemToPoints(ctx, at, code, "press-2", number)
					assert.ErrorIs(t, err, ticket.ErrRefused)
				}
				c := mustFind(t, s, id)
				assert.EqualValues(t, 400, c.MallPoints)
				assert.Equal(t, shop.MallAccount, c.Balances[len(c.Balances)-1].Account)
				assert.Equal(t, shop.Books{Granted: 2000, Combined: 500, Ticketed: 250, City: 1250, Merged: 500, Papers: 250, MallUsed: 350, Mall: 400}, exact(t, s))

				// The points of a mall that knows MyKey IDs follow a new one.
				_, err = v.Change(ctx, card, parse(t, mykey.ParseID, "NEW22222"))
				require.NoError(t, err)
				assert.EqualValues(t, 400, mustFind(t, s, parse(t, mykey.ParseID, "NEW22222")).MallPoints)
			})
		})
	}
}

// A key is of one act, whichever ledger and whichever ticket it was for.
func TestKeyOfOneAct(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *sql.DB) {
		ctx := t.Context()
		s := open(t, db, config(t))
		card, _ := enrolled(t, s, 0)
		v := withMall(t, s, card, "520625")
		at, number := s.Terminal("MALL-1"), parse(t, mykey.ParseCustomerID, "520625")
		paper := func(key string) ticket.Code {
			tk, err := v.IssueTicket(ctx, card, at, ticket.Order{Key: key, Points: 250})
			require.NoError(t, err)
			return ticket.NewCode(tk.Number.Digits())
		}
		_, err := s.RedeemToPoints(ctx, at, paper("paper-1"), "press-1", number)
		require.NoError(t, err)

		// A second ticket of as many points, by the same press.
		second := paper("paper-2")
		_, err = s.RedeemToPoints(ctx, at, second, "press-1", number)
		assert.ErrorIs(t, err, point.ErrRequestReused)
		_, err = s.Inspect(ctx, at, second)
		require.NoError(t, err, "it is live")

		// A use of the city's points, and then of the mall's; and the other way round.
		mall := func(key string, points int64) shop.Order {
			return shop.Order{Key: key, Points: points, Account: shop.MallAccount}
		}
		_, err = v.Use(ctx, card, at, shop.Order{Key: "sale-1", Points: 10})
		require.NoError(t, err)
		_, err = v.Use(ctx, card, at, mall("sale-1", 10))
		assert.ErrorIs(t, err, point.ErrRequestReused)
		_, err = s.RedeemToPoints(ctx, at, second, "sale-1", number)
		assert.ErrorIs(t, err, point.ErrRequestReused)
		_, err = v.Use(ctx, card, at, mall("sale-2", 100))
		require.NoError(t, err)
		_, err = v.Use(ctx, card, at, shop.Order{Key: "sale-2", Points: 100})
		assert.ErrorIs(t, err, point.ErrRequestReused)
		_, err = v.IssueTicket(ctx, card, at, ticket.Order{Key: "press-1", Points: 10})
		assert.ErrorIs(t, err, point.ErrRequestReused)

		// Refunds.
		_, err = s.Refund(ctx, at, shop.Refund{Key: "sale-1", Of: "sale-2", Points: 1})
		assert.ErrorIs(t, err, point.ErrRequestReused)
		_, err = s.Refund(ctx, at, shop.Refund{Key: "back-1", Of: "sale-2", Points: 1})
		require.NoError(t, err)
		_, err = s.Refund(ctx, at, shop.Refund{Key: "back-1", Of: "sale-1", Points: 1})
		assert.ErrorIs(t, err, point.ErrRequestReused)

		// So each is undone by its key.
		for _, key := range []string{"sale-1", "sale-2"} {
			_, err = s.Cancel(ctx, at, key)
			require.NoError(t, err)
		}
		assert.Equal(t, shop.Books{Granted: 2000, Ticketed: 500, City: 1500, Papers: 250, Mall: 250}, exact(t, s))
	})
}

// Sixty-four acts of four kinds, in two ledgers and from two programs, want one key
// at once: those of one kind have it, as one act.
func TestKeyOfOneActAtOnce(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *sql.DB) {
		ctx := t.Context()
		db.SetMaxOpenConns(16)
		db.SetMaxIdleConns(16)
		cfg := config(t)
		s := open(t, db, cfg)
		card, _ := enrolled(t, s, 0)
		v := withMall(t, s, card, "520625")
		at := s.Terminal("MALL-1")
		_, err := v.Combine(ctx, card, at, shop.Order{Key: "merge", Points: 500})
		require.NoError(t, err)
		deliverAll(t, s, cfg)
		for of, account := range map[string]point.Account{"city": "", "mall": shop.MallAccount} {
			_, err := v.Use(ctx, card, at, shop.Order{Key: of, Points: 100, Account: account})
			require.NoError(t, err)
		}
		// What another program is doing is not known to be under way.
		other := open(t, db, cfg)
		elsewhere, err := other.Begin(ctx, card)
		require.NoError(t, err)
		for round := range 4 {
			key := fmt.Sprint("press-", round)
			acts := []func() (point.Receipt, error){
				func() (point.Receipt, error) { return v.Use(ctx, card, at, shop.Order{Key: key, Points: 2}) },
				func() (point.Receipt, error) {
					return elsewhere.Use(ctx, card, at, shop.Order{Key: key, Points: 3, Account: shop.MallAccount})
				},
				func() (point.Receipt, error) {
					return s.Refund(ctx, at, shop.Refund{Key: key, Of: "city", Points: 4})
				},
				func() (point.Receipt, error) {
					return other.Refund(ctx, at, shop.Refund{Key: key, Of: "mall", Points: 5})
				},
			}
			first := make([]atomic.Int64, len(acts))
			var start, wg sync.WaitGroup
			start.Add(1)
			for n := range 64 {
				wg.Go(func() {
					start.Wait()
					r, err := acts[n%len(acts)]()
					if err != nil {
						assert.ErrorIs(t, err, point.ErrRequestReused)
					} else if !r.Repeated {
						first[n%len(acts)].Add(1)
					}
				})
			}
			start.Done()
			wg.Wait()
			var won []int64
			for i := range first {
				won = append(won, first[i].Load())
			}
			assert.ElementsMatch(t, []int64{1, 0, 0, 0}, won, "round %d", round)
		}
		exact(t, s)
	})
}

// A shop in training keeps its tables apart, marks its papers, and what it makes is
// refused live.
func TestTraining(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *sql.DB) {
		ctx := t.Context()
		cfg := config(t)
		live := open(t, db, cfg)
		drill := cfg
		drill.Training, drill.Outbox = true, t.TempDir()
		s := open(t, db, drill)
		assert.True(t, s.Training())
		card, id := enrolled(t, s, 0)
		_, err := live.Find(ctx, id)
		assert.ErrorIs(t, err, registry.ErrNotFound, "the holder is nobody's")
		v := withMall(t, s, card, "520625")
		at := s.Terminal("T1")
		r, err := v.Use(ctx, card, at, shop.Order{Key: "sale-1", Points: 100})
		require.NoError(t, err)
		assert.True(t, r.Training)
		assert.True(t, s.Receipt(r, false).Training)

		// A ticket is taken here, and refused live, by its code and by its number.
		tk, err := v.IssueTicket(ctx, card, at, ticket.Order{Key: "paper-1", Points: 100})
		require.NoError(t, err)
		slip, err := s.Slip(tk)
		require.NoError(t, err)
		assert.True(t, slip.Training)
		svg, err := slip.SVG()
		require.NoError(t, err)
		assert.Contains(t, string(svg), "練習")
		for _, code := range []ticket.Code{slip.QR, ticket.NewCode(tk.Number.Digits())} {
			_, err = live.Inspect(ctx, at, code)
			assert.ErrorIs(t, err, ticket.ErrRefused)
			_, err = live.RedeemToPoints(ctx, at, code, "press-live", parse(t, mykey.ParseCustomerID, "520625"))
			assert.ErrorIs(t, err, ticket.ErrRefused)
		}
		_, err = s.Redeem(ctx, at, slip.QR, "press-1")
		require.NoError(t, err)

		// So is a file.
		_, err = v.Combine(ctx, card, at, shop.Order{Key: "merge-1", Points: 100})
		require.NoError(t, err)
		for _, f := range send(t, s, drill) {
			_, err = live.Receive(ctx, f.reader(), f.name)
			assert.ErrorIs(t, err, mergefile.ErrInvalid)
			report, err := s.Receive(ctx, f.reader(), f.name)
			require.NoError(t, err)
			assert.EqualValues(t, 1, report.Merged)
		}
		waiting, err := s.Unacknowledged(ctx, 10)
		require.NoError(t, err)
		assert.Empty(t, waiting)
		exact(t, s)
		assert.Equal(t, shop.Books{}, exact(t, live))
		_, err = live.Find(ctx, parse(t, mykey.ParseServiceID, "000002:520625"))
		assert.ErrorIs(t, err, registry.ErrNotFound)
	})
}

// A database that is busy is never said to be too few points.
func TestUseWhileBusy(t *testing.T) {
	cfg := config(t)
	cfg.RetryFor = time.Millisecond
	dir := t.TempDir()
	s := open(t, dbtest.Open(t, "sqlite", dbtest.ImpatientSQLite(dir)), cfg)
	card, id := enrolled(t, s, 0)
	v := withMall(t, s, card, "520625")
	hold, err := dbtest.Open(t, "sqlite", dbtest.SQLite(dir)+"&_txlock=immediate").Begin()
	require.NoError(t, err)
	at := s.Terminal("T1")
	steps := map[string]func() error{
		"use": func() error { _, err := v.Use(t.Context(), card, at, shop.Order{Key: "k-1", Points: 9999}); return err },
		"combine": func() error {
			_, err := v.Combine(t.Context(), card, at, shop.Order{Key: "k-2", Points: 9999})
			return err
		},
		"ticket": func() error {
			_, err := v.IssueTicket(t.Context(), card, at, ticket.Order{Key: "k-3", Points: 9999})
			return err
		},
		"cancel": func() error { _, err := s.Cancel(t.Context(), at, "k-4"); return err },
		"refund": func() error {
			_, err := s.Refund(t.Context(), at, shop.Refund{Key: "k-5", Of: "k-1", Points: 1})
			return err
		},
	}
	for name, step := range steps {
		err := step()
		assert.ErrorIs(t, err, point.ErrBusy, name)
		assert.NotErrorIs(t, err, point.ErrShort, name)
		assert.Equal(t, "database_busy", shop.Explain(err).Kind, name)
	}
	require.NoError(t, hold.Rollback())
	assert.EqualValues(t, 2000, mustFind(t, s, id).CityPoints)
}

// What is being carried out is told as such, and what was done is in the holder's
// history.
func TestInFlight(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *sql.DB) {
		ctx := t.Context()
		cfg := config(t)
		var s *shop.Shop
		var told []error
		watch := "" // the key that is being carried out
		cfg.Clock = func() time.Time {
			if watch != "" {
				_, err := s.Status(ctx, s.Terminal("T1"), watch)
				told = append(told, err)
			}
			return time.Now()
		}
		s = open(t, db, cfg)
		card, _ := enrolled(t, s, 0)
		v := withMall(t, s, card, "520625")
		at := s.Terminal("T1")
		for key, do := range map[string]func(key string) error{
			"use": func(key string) error { _, err := v.Use(ctx, card, at, shop.Order{Key: key, Points: 10}); return err },
			"combine": func(key string) error {
				_, err := v.Combine(ctx, card, at, shop.Order{Key: key, Points: 20})
				return err
			},
			"ticket": func(key string) error {
				_, err := v.IssueTicket(ctx, card, at, ticket.Order{Key: key, Points: 30})
				return err
			},
		} {
			watch, told = key, nil
			require.NoError(t, do(key))
			watch = ""
			require.NotEmpty(t, told, key)
			assert.ErrorIs(t, told[len(told)-1], point.ErrInFlight, key)
			_, err := s.Status(ctx, at, key)
			assert.NoError(t, err)
		}
		var kinds []point.Op
		after := ""
		for {
			page, err := v.History(ctx, "", after, 2)
			require.NoError(t, err)
			if len(page) == 0 {
				break
			}
			for _, m := range page {
				kinds = append(kinds, m.Kind)
				after = m.Operation
			}
		}
		assert.ElementsMatch(t, []point.Op{point.OpGrant, point.OpUse, point.OpMerge, point.OpTicket}, kinds)
		mall, err := v.History(ctx, shop.MallAccount, "", 10)
		require.NoError(t, err)
		assert.Empty(t, mall)
	})
}
