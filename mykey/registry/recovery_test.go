package registry_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// told is what a holder is told of recoveries.
type told struct{ notices []registry.Recovery }

func (n *told) config(c *registry.Config) {
	c.Notice = func(_ context.Context, _ *sql.Tx, r registry.Recovery) error {
		n.notices = append(n.notices, r)
		return nil
	}
}

func grounds(t testing.TB, member string) registry.Grounds {
	return registry.Grounds{Member: service(t, member), Clerk: "clerk 1", Second: "clerk 2"}
}

// holder enrols the n-th person, with a library card.
func (w *world) holder(n int, name, member string) {
	w.Helper()
	_, err := w.enrolled(n, name).RegisterService(w.Context(), tap(n), service(w, member))
	require.NoError(w, err)
}

// A holder whose card is gone gets the ID on a new card after a waiting period,
// and nothing before.
func TestRecover(t *testing.T) {
	n := new(told)
	conform(t, func(w *world) {
		ctx := w.Context()
		n.notices = nil
		w.holder(1, "MY123456", "000001:1")
		w.holder(5, "KEY34567", "000001:5")
		s := w.begin(tap(2))
		_, err := s.Recover(ctx, tap(2), grounds(w, "000001:1"))
		assert.ErrorIs(w, err, registry.ErrInForce, "an ID whose certificate is in force is not taken over")
		w.lost(1)
		_, err = s.Recover(ctx, withoutPIN(tap(2)), grounds(w, "000001:1"))
		assert.ErrorIs(w, err, registry.ErrPINRequired)
		_, err = s.Recover(ctx, tap(2), grounds(w, "000001:404"))
		assert.ErrorIs(w, err, registry.ErrNotFound)
		alone := grounds(w, "000001:1")
		alone.Second = alone.Clerk
		_, err = s.Recover(ctx, tap(2), alone)
		assert.ErrorIs(w, err, registry.ErrOneClerk)
		alone.Second = ""
		_, err = s.Recover(ctx, tap(2), alone)
		assert.ErrorIs(w, err, mykey.ErrForm)
		phone := w.begin(tapOf(102, registry.DeviceAndroid))
		_, err = phone.Recover(ctx, tapOf(102, registry.DeviceAndroid), grounds(w, "000001:1"))
		assert.ErrorIs(w, err, registry.ErrWrongDevice)
		assert.Empty(w, n.notices)

		r, err := s.Recover(ctx, tap(2), grounds(w, "000001:1"))
		require.NoError(w, err)
		assert.Equal(w, registry.RecoveryWaiting, r.State)
		assert.True(w, r.Ready.Equal(epoch.Add(7*24*time.Hour)))
		require.Len(w, n.notices, 1)
		assert.Equal(w, r, n.notices[0], "the holder is told")
		_, err = s.Recover(ctx, tap(2), grounds(w, "000001:1"))
		assert.ErrorIs(w, err, registry.ErrRecoveryOpen)
		other := w.begin(tap(3))
		_, err = other.Recover(ctx, tap(3), grounds(w, "000001:1"))
		assert.ErrorIs(w, err, registry.ErrRecoveryOpen, "one for a holder")

		w.pass(7*24*time.Hour - time.Millisecond)
		s = w.begin(tap(2))
		assert.True(w, s.ID().IsZero(), "nothing of it can be spent")
		_, err = s.Confirm(ctx, tap(2))
		assert.ErrorIs(w, err, registry.ErrNotEnrolled)
		w.pass(time.Millisecond)
		assert.True(w, w.begin(withoutPIN(tap(2))).ID().IsZero(), "a copy completes nothing")
		s = w.begin(tap(2))
		assert.Equal(w, "MY123456", s.ID().String())
		p, err := s.Confirm(ctx, tap(2))
		require.NoError(w, err)
		assert.Equal(w, []string{"000001:1"}, names(p.Services))
		_, err = w.reg.Begin(ctx, tap(1))
		assert.ErrorIs(w, err, registry.ErrSuperseded)
		list, err := w.reg.Recoveries(ctx, id(w, "MY123456"))
		require.NoError(w, err)
		require.Len(w, list, 1)
		assert.Equal(w, registry.RecoveryDone, list[0].State)
		assert.Equal(w, grounds(w, "000001:1"), list[0].Grounds, "who did it stays on record")

		// It was a mistake: the binding is as it was.
		for range 2 {
			u, err := w.reg.UndoRecovery(ctx, r.Number, "the manager")
			require.NoError(w, err)
			assert.Equal(w, registry.Undone{ID: id(w, "MY123456")}, u)
		}
		assert.Equal(w, "MY123456", w.lookup(1))
		assert.True(w, w.begin(tap(2)).ID().IsZero())
		_, err = w.reg.UndoRecovery(ctx, 404, "the manager")
		assert.ErrorIs(w, err, registry.ErrNotFound)
		_, err = w.reg.UndoRecovery(ctx, r.Number, "")
		assert.ErrorIs(w, err, mykey.ErrForm)
	}, n.config)
}

// The card that was thought lost is shown, the holder objects, or another
// certificate has come: then nothing is taken over.
func TestRecoveryIsCancelled(t *testing.T) {
	for name, stop := range map[string]func(w *world, r registry.Recovery){
		"the card is there": func(w *world, r registry.Recovery) { w.begin(tap(1)) },
		"the holder says no": func(w *world, r registry.Recovery) {
			require.NoError(w, w.reg.CancelRecovery(w.Context(), r.Number, "the manager"))
			assert.ErrorIs(w, w.reg.CancelRecovery(w.Context(), r.Number, "the manager"), registry.ErrNotFound)
		},
		"the ID is revoked": func(w *world, r registry.Recovery) { require.NoError(w, w.reg.Revoke(w.Context(), r.ID)) },
	} {
		t.Run(name, func(t *testing.T) {
			n := new(told)
			conform(t, func(w *world) {
				w.holder(1, "MY123456", "000001:1")
				w.lost(1)
				r, err := w.begin(tap(2)).Recover(w.Context(), tap(2), grounds(w, "000001:1"))
				require.NoError(w, err)
				stop(w, r)
				w.pass(8 * 24 * time.Hour)
				assert.True(w, w.begin(tap(2)).ID().IsZero())
				s, err := w.begin(tap(2)).Enrol(w.Context())
				require.NoError(w, err)
				_, err = s.Offer(w.Context(), tap(2))
				assert.NoError(w, err, "the card is free for an ID of its own")
			}, n.config)
		})
	}
}

// Whoever got an ID by a recovery keeps nothing of it when it is undone: not by a
// second ID that was joined to it. A phone that was bound meanwhile is for people
// to settle.
func TestUndoRecovery(t *testing.T) {
	for _, phone := range []bool{false, true} {
		t.Run(fmt.Sprint("a phone ", phone), func(t *testing.T) {
			n := new(told)
			conform(t, func(w *world) {
				ctx := w.Context()
				w.holder(1, "MY123456", "000001:1")
				w.holder(3, "HJS23456", "000001:3")
				w.lost(1)
				r, err := w.begin(tap(2)).Recover(ctx, tap(2), grounds(w, "000001:1"))
				require.NoError(w, err)
				w.pass(7 * 24 * time.Hour)
				w.begin(tap(2))
				w.pass(time.Hour)
				s := w.begin(tap(2))
				require.NoError(w, s.Join(ctx, tap(2), tap(3)))
				if phone {
					require.NoError(w, s.AddCertificate(ctx, tap(2), tapOf(102, registry.DeviceAndroid)))
					_, err = w.reg.UndoRecovery(ctx, r.Number, "the manager")
					assert.ErrorIs(w, err, registry.ErrIDReplaced)
					assert.Equal(w, "MY123456", w.lookup(2))
					return
				}
				_, err = w.reg.UndoRecovery(ctx, r.Number, "the manager")
				require.NoError(w, err)
				assert.Equal(w, "MY123456", w.lookup(1))
				for _, card := range []int{2, 3} {
					_, err := w.reg.Lookup(ctx, serial(card))
					assert.Error(w, err, "card %d", card)
				}
			}, n.config)
		})
	}
}

// An expired certificate is enough; somebody else's card in force is not.
func TestRecoverExpired(t *testing.T) {
	n := new(told)
	conform(t, func(w *world) {
		ctx := w.Context()
		short := tap(1)
		short.Certificate.NotAfter = epoch.Add(time.Hour)
		require.NoError(w, w.reg.Import(ctx, []registry.ImportRow{{ID: id(w, "MY123456"),
			Certificates: []registry.Certificate{short.Certificate}, Services: []mykey.ServiceID{service(w, "000001:1")}}}))
		_, err := w.begin(tap(2)).Recover(ctx, tap(2), grounds(w, "000001:1"))
		assert.ErrorIs(w, err, registry.ErrInForce)
		w.pass(2 * time.Hour)
		_, err = w.begin(tap(2)).Recover(ctx, tap(2), grounds(w, "000001:1"))
		require.NoError(w, err)
		w.pass(7 * 24 * time.Hour)
		assert.Equal(w, "MY123456", w.begin(tap(2)).ID().String())
	}, n.config)
}

func TestRecoveryRate(t *testing.T) {
	n := new(told)
	conform(t, func(w *world) {
		ctx := w.Context()
		ask := func(i int) error {
			_, err := w.begin(tap(100+i)).Recover(ctx, tap(100+i), grounds(w, fmt.Sprintf("000001:%d", i)))
			return err
		}
		for i := range 4 {
			w.holder(i, fmt.Sprintf("HOLDER%02d", i), fmt.Sprintf("000001:%d", i))
			w.lost(i)
		}
		require.NoError(w, ask(0))
		require.NoError(w, ask(1))
		assert.ErrorIs(w, ask(2), registry.ErrRecoveryRate)
		w.pass(24 * time.Hour)
		require.NoError(w, ask(2))
	}, n.config, func(c *registry.Config) { c.RecoveryRate = 2 })
	t.Run("nobody to tell", func(t *testing.T) {
		conform(t, func(w *world) {
			w.holder(1, "MY123456", "000001:1")
			w.lost(1)
			_, err := w.begin(tap(2)).Recover(w.Context(), tap(2), grounds(w, "000001:1"))
			assert.ErrorIs(w, err, registry.ErrNoNotice)
		})
	})
	t.Run("not told", func(t *testing.T) {
		fail := errors.New("the outbox is full")
		conform(t, func(w *world) {
			w.holder(1, "MY123456", "000001:1")
			w.lost(1)
			_, err := w.begin(tap(2)).Recover(w.Context(), tap(2), grounds(w, "000001:1"))
			assert.ErrorIs(w, err, fail)
			list, err := w.reg.Recoveries(w.Context(), id(w, "MY123456"))
			require.NoError(w, err)
			assert.Empty(w, list)
		}, func(c *registry.Config) {
			c.Notice = func(context.Context, *sql.Tx, registry.Recovery) error { return fail }
		})
	})
}

// Two IDs of one person become one: by both cards, or by a recovery for a card
// that had an ID made by mistake.
func TestJoin(t *testing.T) {
	for name, join := range map[string]func(w *world){
		"both there": func(w *world) {
			s := w.begin(tap(2))
			assert.ErrorIs(w, s.Join(w.Context(), tap(2), withoutPIN(tap(1))), registry.ErrPINRequired)
			assert.ErrorIs(w, s.Join(w.Context(), tap(2), tap(2)), registry.ErrSameID)
			assert.ErrorIs(w, s.Join(w.Context(), tap(2), tap(9)), registry.ErrNotEnrolled)
			require.NoError(w, s.Join(w.Context(), tap(2), tap(1)))
		},
		"recovered": func(w *world) {
			w.lost(1)
			_, err := w.begin(tap(2)).Recover(w.Context(), tap(2), grounds(w, "000001:1"))
			require.NoError(w, err)
			w.pass(7 * 24 * time.Hour)
			w.begin(tap(2))
			list, err := w.reg.Recoveries(w.Context(), id(w, "NEW22222"))
			require.NoError(w, err)
			assert.Len(w, list, 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := new(told)
			var changes []mykey.Change
			conform(t, func(w *world) {
				ctx := w.Context()
				changes = nil
				w.holder(1, "OLD22222", "000001:1")
				_, err := w.begin(tap(1)).RegisterService(ctx, tap(1), service(w, "000002:1"))
				require.NoError(w, err)
				require.NoError(w, w.begin(tap(1)).Apply(ctx, tap(1), rules, application("waon", "55")))
				w.holder(2, "NEW22222", "000002:2")
				join(w)
				require.Len(w, changes, 1)
				changes[0].At = time.Time{}
				assert.Equal(w, mykey.Change{Kind: mykey.ChangeJoined, Old: id(w, "OLD22222"), New: id(w, "NEW22222")}, changes[0])
				p := w.find(id(w, "NEW22222"))
				assert.Equal(w, []string{"000001:1", "000002:2"}, names(p.Services))
				require.NotNil(w, applied(p))
				assert.Equal(w, "55", applied(p).ID)
				now, err := w.reg.Successor(ctx, id(w, "OLD22222"))
				require.NoError(w, err)
				assert.Equal(w, "NEW22222", now.String())
				assert.Equal(w, "NEW22222", w.lookup(2))
				_, err = w.reg.Lookup(ctx, serial(1))
				assert.ErrorIs(w, err, registry.ErrSuperseded)
				_, err = w.reg.Find(ctx, service(w, "000002:1"))
				assert.ErrorIs(w, err, registry.ErrNotFound, "given up, and free")
			}, n.config, func(c *registry.Config) {
				c.Changed = func(_ context.Context, _ *sql.Tx, c mykey.Change) error {
					changes = append(changes, c)
					return nil
				}
			})
		})
	}
}

// A recovery that joined two IDs is undone wholly: each person has what was
// theirs, and the card that got the ID has its own alone.
func TestUndoJoin(t *testing.T) {
	n := new(told)
	var changes []mykey.Change
	conform(t, func(w *world) {
		ctx := w.Context()
		changes = nil
		w.holder(1, "OLD22222", "000001:1")
		s := w.begin(tap(1))
		for _, number := range []string{"000002:1", "000003:1"} {
			_, err := s.RegisterService(ctx, tap(1), service(w, number))
			require.NoError(w, err)
		}
		require.NoError(w, s.Apply(ctx, tap(1), rules, application("waon", "55")))
		require.NoError(w, s.ConsentToNotice(ctx, tap(1), tap(901).Certificate, "v1"))
		w.change(1, "OLD33333")
		before := w.find(id(w, "OLD33333"))
		w.holder(2, "NEW22222", "000002:2")
		w.lost(1)
		r, err := w.begin(tap(2)).Recover(ctx, tap(2), grounds(w, "000001:1"))
		require.NoError(w, err)
		w.pass(7 * 24 * time.Hour)
		s = w.begin(tap(2))
		require.Equal(w, []string{"000001:1", "000002:2", "000003:1"}, names(w.find(id(w, "NEW22222")).Services))

		// Whoever has the card goes on: another ID, a phone, a number of the
		// holder's given up; and somebody gets another of the holder's numbers.
		require.NoError(w, s.AddCertificate(ctx, tap(2), tapOf(102, registry.DeviceAndroid)))
		_, err = s.ReplaceService(ctx, tap(2), service(w, "000003:2"))
		require.NoError(w, err)
		w.change(2, "NEW33333")
		w.holder(4, "SOMEBODY", "000002:1")
		changes = nil
		u, err := w.reg.UndoRecovery(ctx, r.Number, "the manager")
		require.NoError(w, err)
		assert.Equal(w, registry.Undone{ID: id(w, "OLD33333"), From: id(w, "NEW33333"), Lost: []mykey.Identifier{service(w, "000002:1")}}, u)
		require.Len(w, changes, 1)
		changes[0].At = time.Time{}
		assert.Equal(w, mykey.Change{Kind: mykey.ChangeParted, Old: id(w, "OLD33333"), New: id(w, "NEW33333")}, changes[0])
		_, err = w.reg.UndoRecovery(ctx, r.Number, "the manager")
		require.NoError(w, err)
		assert.Len(w, changes, 1, "undone once")

		after := w.find(id(w, "OLD33333"))
		assert.Equal(w, []string{"000001:1", "000003:1"}, names(after.Services))
		assert.Equal(w, before.Payments, after.Payments)
		require.Len(w, after.Certificates, 1)
		assert.Equal(w, before.Certificates[0].Bound, after.Certificates[0].Bound)
		require.NotNil(w, after.Notice)
		assert.Equal(w, before.Notice.Explanation, after.Notice.Explanation)
		assert.Equal(w, before.Notice.Consented, after.Notice.Consented)
		other := w.find(id(w, "NEW33333"))
		assert.Equal(w, []string{"000002:2", "000003:2"}, names(other.Services))
		assert.Empty(w, other.Payments)
		assert.Nil(w, other.Notice)
		assert.Equal(w, "OLD33333", w.lookup(1))
		assert.Equal(w, "NEW33333", w.lookup(2))
		assert.Equal(w, "NEW33333", w.lookup(102))
		for old, now := range map[string]string{"OLD22222": "OLD33333", "OLD33333": "OLD33333", "NEW22222": "NEW33333"} {
			next, err := w.reg.Successor(ctx, id(w, old))
			require.NoError(w, err)
			assert.Equal(w, now, next.String())
		}
		list, err := w.reg.Recoveries(ctx, id(w, "OLD33333"))
		require.NoError(w, err)
		require.Len(w, list, 1)
		assert.Equal(w, registry.RecoveryUndone, list[0].State)

		// The holder gets the ID on a card of one's own.
		_, err = w.begin(tap(3)).Recover(ctx, tap(3), grounds(w, "000001:1"))
		require.NoError(w, err)
		w.pass(7 * 24 * time.Hour)
		assert.Equal(w, "OLD33333", w.begin(tap(3)).ID().String())
	}, n.config, func(c *registry.Config) {
		c.Changed = func(_ context.Context, _ *sql.Tx, c mykey.Change) error {
			changes = append(changes, c)
			return nil
		}
	})
}

// Two joins by recoveries are undone in the reverse order. One whose ID has been
// revoked since, or joined with both cards there, is not undone, and says so.
func TestUndoJoins(t *testing.T) {
	n := new(told)
	conform(t, func(w *world) {
		ctx := w.Context()
		for i, name := range []string{"AAAA2222", "BBBB2222", "CCCC2222"} {
			w.holder(i+1, name, fmt.Sprint("000001:", i+1))
		}
		var done []registry.Recovery
		for card := 2; card <= 3; card++ {
			w.lost(card - 1)
			r, err := w.begin(tap(card)).Recover(ctx, tap(card), grounds(w, fmt.Sprint("000001:", card-1)))
			require.NoError(w, err)
			done = append(done, r)
			w.pass(7 * 24 * time.Hour)
			w.begin(tap(card))
		}
		_, err := w.reg.UndoRecovery(ctx, done[0].Number, "the manager")
		assert.ErrorIs(w, err, registry.ErrJoined)
		for _, r := range []registry.Recovery{done[1], done[0]} {
			_, err := w.reg.UndoRecovery(ctx, r.Number, "the manager")
			require.NoError(w, err)
		}
		for i, name := range []string{"AAAA2222", "BBBB2222", "CCCC2222"} {
			p := w.find(id(w, name))
			assert.Equal(w, []string{fmt.Sprint("000001:", i+1)}, names(p.Services))
		}

		w.holder(6, "DDDD2222", "000001:6")
		r, err := w.begin(tap(6)).Recover(ctx, tap(6), grounds(w, "000001:1"))
		require.NoError(w, err)
		w.pass(7 * 24 * time.Hour)
		w.begin(tap(6))
		require.NoError(w, w.reg.Revoke(ctx, id(w, "DDDD2222")))
		_, err = w.reg.UndoRecovery(ctx, r.Number, "the manager")
		assert.ErrorIs(w, err, registry.ErrJoined)
	}, n.config)
}
