package registry_test

import (
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/stretchr/testify/require"
)

// The same random visits on two engines have the same outcome at every step.
func TestEnginesAgree(t *testing.T) {
	steps, seeds := 300, 4
	if long() {
		steps, seeds = 1000, 20
	} else if raceEnabled {
		steps, seeds = 100, 1
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			sides := [2]*side{
				newSide(t, openDB(t, "sqlite", dbtest.FastSQLite(t.TempDir()))),
				newSide(t, openDB(t, "pgx", pg.DSN(t))),
			}
			rng := rand.New(rand.NewPCG(uint64(seed), 20170512))
			for n := range steps {
				v := visit{op: rng.IntN(17), card: rng.IntN(5), other: rng.IntN(5), id: rng.IntN(8), n: rng.IntN(3), wait: rng.IntN(30)}
				if rng.IntN(20) > 0 {
					v.confirm = v.card
				} else {
					v.confirm = v.other
				}
				a, b := sides[0].do(t, v), sides[1].do(t, v)
				require.Equal(t, a, b, "step %d: %+v", n, v)
			}
		})
	}
}

type visit struct{ op, card, confirm, other, id, n, wait int }

// side is a registry with its clock and its generator.
type side struct {
	reg   *registry.Registry
	clock time.Time
	draws int
	refs  []registry.CertificateRef
}

func newSide(t *testing.T, db *sql.DB) *side {
	s := &side{clock: epoch}
	reg, err := registry.Open(t.Context(), db, registry.Config{
		Serials: registry.PlainSerials(),
		Clock:   func() time.Time { return s.clock },
		// Every third card follows the one before it.
		Former: formers(func(c jpki.Serial) (jpki.Serial, error) {
			for n := range 5 {
				if c == serial(n) && n%3 == 1 {
					return serial(n - 1), nil
				}
			}
			return jpki.Serial{}, nil
		}),
	})
	require.NoError(t, err)
	registry.SetGenerate(reg, func() mykey.ID { s.draws++; return id(t, fmt.Sprintf("RANDOM%02d", s.draws%12)) })
	s.reg = reg
	return s
}

// do makes a visit and tells all there is to tell.
func (s *side) do(t *testing.T, v visit) string {
	ctx := t.Context()
	s.clock = s.clock.Add(time.Duration(v.wait) * time.Hour)
	var out strings.Builder
	card, confirm := tap(v.card), tap(v.confirm)
	want := id(t, fmt.Sprintf("RANDOM%02d", v.id))
	sid := service(t, fmt.Sprintf("%06d:%d", v.n, v.id%3))
	sess, err := s.reg.Begin(ctx, card)
	fmt.Fprintln(&out, err)
	if err == nil {
		fmt.Fprintln(&out, sess.ID(), sess.Rebound())
		var e *registry.Enrolment
		var p registry.Progress
		switch v.op {
		case 0, 1, 2, 3, 4, 5:
			if v.op%2 == 0 {
				e, err = sess.Enrol(ctx)
			} else {
				e, err = sess.ChangeID(ctx)
			}
			if err != nil {
				break
			}
			switch v.op / 2 {
			case 0:
				p, err = e.Offer(ctx, confirm)
			case 1:
				if p, err = e.Check(ctx, confirm, want); err == nil && v.n > 0 {
					p, err = e.Accept(ctx, confirm)
				}
			case 2:
				p, err = e.Accept(ctx, confirm)
			}
			fmt.Fprintln(&out, p)
		case 6:
			_, err = sess.RegisterService(ctx, confirm, sid)
		case 7:
			_, err = sess.ReplaceService(ctx, confirm, sid)
		case 8:
			var had bool
			had, err = sess.RemoveService(ctx, confirm, sid.Operator)
			fmt.Fprintln(&out, had)
		case 9:
			ppid, err2 := mykey.ParsePPID(sid.Operator, fmt.Sprint(v.id%3))
			require.NoError(t, err2)
			err = sess.RegisterPPID(ctx, confirm, ppid)
		case 10:
			err = sess.AddCertificate(ctx, confirm, tapOf(100+v.other, registry.Device(1+v.n)))
		case 11:
			err = sess.ConsentToNotice(ctx, confirm, tap(900+v.n).Certificate, "text")
		case 12:
			err = sess.UpdateSign(ctx, confirm, tap(900+v.n).Certificate)
		case 13:
			err = sess.Apply(ctx, confirm, rules, application([]string{"waon", "pay"}[v.n%2], fmt.Sprint(v.id%2)))
		case 14:
			if len(s.refs) > 0 {
				require.NoError(t, s.reg.NoteRevoked(ctx, tap(v.other).Certificate))
				err = sess.Rebind(ctx, confirm, s.refs[v.id%len(s.refs)])
			}
		case 15:
			if v.n == 0 {
				err = sess.Revoke(ctx, confirm)
			} else {
				err = sess.WithdrawConsent(ctx, confirm)
			}
		case 16:
			err = s.reg.Import(ctx, []registry.ImportRow{{ID: want, Certificates: []registry.Certificate{tap(v.other).Certificate}, Services: []mykey.ServiceID{sid}}})
		}
		var se *registry.StoreError
		if errors.As(err, &se) {
			t.Fatal(err)
		}
		fmt.Fprintln(&out, err)
	}
	for n := range 12 {
		p, err := s.reg.Find(ctx, id(t, fmt.Sprintf("RANDOM%02d", n)))
		fmt.Fprintln(&out, n, p.ID, err, p.Services, p.PPIDs, p.Notice != nil, applied(p))
		for _, c := range p.Certificates {
			fmt.Fprintln(&out, c.Device, c.NotAfter, c.Bound)
			if len(s.refs) < 8 {
				s.refs = append(s.refs, c.Ref)
			}
		}
	}
	for n := range 5 {
		got, err := s.reg.Lookup(ctx, serial(n))
		fmt.Fprintln(&out, n, got, err)
	}
	return out.String()
}
