package registry_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/stretchr/testify/require"
)

// rounds is how often 64 goroutines race for one thing.
func rounds() int {
	if long() {
		return 1000
	}
	return 2
}

// winner gives the one that got no error; the others must have got want.
func winner(t *testing.T, errs [64]error, want error) int {
	t.Helper()
	won := -1
	for i, err := range errs {
		switch {
		case err == nil && won < 0:
			won = i
		case err == nil:
			t.Fatalf("%d and %d both won", won, i)
		case !errors.Is(err, want):
			t.Fatalf("%d: %v", i, err)
		}
	}
	if won < 0 {
		t.Fatal("nobody won")
	}
	return won
}

// Sixty-four people want one MyKey ID, one customer ID, one card's place.
func TestRaces(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			w := newWorld(t, e.make(t))
			ctx := t.Context()
			t.Run("ID", func(t *testing.T) {
				for r := range rounds() {
					want := id(t, fmt.Sprintf("ID%06d", r))
					won := winner(t, race(ctx, func(ctx context.Context, i int) error {
						card := tap(1_000_000 + r*64 + i)
						s, err := w.reg.Begin(ctx, card)
						if err != nil {
							return err
						}
						enrol, err := s.Enrol(ctx)
						if err != nil {
							return err
						}
						if _, err = enrol.Check(ctx, card, want); err != nil {
							return err
						}
						_, err = enrol.Accept(ctx, card)
						return err
					}), registry.ErrDuplicate)
					require.Equal(t, want.String(), w.lookup(1_000_000+r*64+won))
				}
			})
			t.Run("one card", func(t *testing.T) {
				// The same card at 64 terminals: one procedure, one person.
				for r := range min(rounds(), 100) {
					card := tap(8_000_000 + r)
					for _, err := range race(ctx, func(ctx context.Context, i int) error {
						s, err := w.reg.Begin(ctx, card)
						if err != nil {
							return err
						}
						enrol, err := s.Enrol(ctx)
						if errors.Is(err, registry.ErrAlreadyEnrolled) {
							return nil
						}
						if err != nil {
							return err
						}
						_, err = enrol.Offer(ctx, card)
						if errors.Is(err, registry.ErrAlreadyEnrolled) {
							return nil
						}
						return err
					}) {
						require.NoError(t, err)
					}
					got := w.lookup(8_000_000 + r)
					require.Len(t, w.find(id(t, got)).Certificates, 1)
				}
			})
			// 64 people who stay.
			var people [64]*registry.Session
			for i := range people {
				people[i] = w.enrolled(2_000_000+i, fmt.Sprintf("PERSON%02d", i))
			}
			t.Run("customer", func(t *testing.T) {
				for r := range rounds() {
					want := service(t, fmt.Sprintf("%06d:1", r+1))
					won := winner(t, race(ctx, func(ctx context.Context, i int) error {
						_, err := people[i].RegisterService(ctx, tap(2_000_000+i), want)
						return err
					}), registry.ErrCustomerTaken)
					require.Equal(t, people[won].ID(), w.find(want).ID)
				}
			})
			t.Run("rebind", func(t *testing.T) {
				for r := range rounds() {
					old := 3_000_000 + r
					name := fmt.Sprintf("RB%06d", r)
					require.NoError(t, w.reg.Import(ctx, []registry.ImportRow{{ID: id(t, name), Certificates: []registry.Certificate{tap(old).Certificate}}}))
					ref := w.find(id(t, name)).Certificates[0].Ref
					w.lost(old)
					base := 4_000_000 + r*64
					won := winner(t, race(ctx, func(ctx context.Context, i int) error {
						s, err := w.reg.Begin(ctx, tap(base+i))
						if err != nil {
							return err
						}
						return s.Rebind(ctx, tap(base+i), ref)
					}), registry.ErrSuperseded)
					require.Equal(t, name, w.lookup(base+won))
					_, err := w.reg.Lookup(ctx, serial(old))
					require.ErrorIs(t, err, registry.ErrSuperseded)
				}
			})
		})
	}
}
