package point_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A mall keeps its own points by its members' numbers.
func TestMallLedger(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		b, ctx := open(t, db, point.Config{Prefix: "mall_point_"}), t.Context()
		mall := point.Programme{Account: "mall", Kind: point.Mall, Name: "あおば商店街ポイント"}
		require.NoError(t, b.SetProgramme(ctx, mall))
		bad := mall
		bad.Municipality = city(t).Municipality
		assert.ErrorIs(t, b.SetProgramme(ctx, bad), mykey.ErrForm)
		member, err := mykey.ParseServiceID("000002:520625")
		require.NoError(t, err)
		give := point.Credit{Request: b.request(), Holder: member, Account: "mall", Points: 300, Kind: point.OpGrant}
		_, err = b.Credit(ctx, give)
		assert.ErrorIs(t, err, point.ErrNoHolder)
		assert.ErrorIs(t, b.Enrol(ctx, member, point.Profile{Base: "mall"}), point.ErrBaseKind)
		assert.ErrorIs(t, b.Enrol(ctx, mykey.ServiceID{}, point.Profile{}), point.ErrNoHolder)
		assert.ErrorIs(t, b.Enrol(ctx, nil, point.Profile{}), point.ErrNoHolder)
		require.NoError(t, b.Enrol(ctx, member, point.Profile{}))
		_, err = b.Credit(ctx, give)
		require.NoError(t, err)
		r, err := b.Use(ctx, point.Use{Request: b.request(), Holder: member, Account: "mall", Points: 120, Proved: true})
		require.NoError(t, err)
		assert.EqualValues(t, 180, r.Balance)
		list, err := b.Balances(ctx, member)
		require.NoError(t, err)
		assert.Equal(t, []point.Balance{{Account: "mall", Kind: point.Mall, Name: mall.Name, Points: 180}}, list)
		b.reserve(t, 10)
		_, err = b.Steer(ctx, point.Steer{Request: b.request(), Holder: id(t, hanako), From: "reserved", To: "mall", Points: 1})
		assert.ErrorIs(t, err, point.ErrKind, "a mall takes no reserved points")
		assert.Equal(t, map[point.Op]int64{point.OpUse: 120}, b.whole(t).Spent)
	})
}

// What was granted once under an ID that was joined to another is not granted
// under that again, and an opening of no points takes over such a grant.
func TestOnceAfterJoin(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		b, ctx := open(t, db, point.Config{}), t.Context()
		require.NoError(t, b.Enrol(ctx, id(t, taro), point.Profile{}))
		once := func(holder, scope string, points int64, kind point.Op) (point.Receipt, error) {
			return b.Credit(ctx, point.Credit{Request: point.Request{Scope: scope}, Once: true, Holder: id(t, holder), Account: "aoba", Points: points, Kind: kind})
		}
		first, err := once(taro, "course-1", 500, point.OpGrant)
		require.NoError(t, err)
		_, err = once(taro, "course-2", 0, point.OpGrant)
		assert.ErrorIs(t, err, point.ErrPoints)
		_, err = once(taro, "course-2", 0, point.OpOpening)
		require.NoError(t, err)
		_, err = once(taro, "course-2", 500, point.OpGrant)
		assert.ErrorIs(t, err, point.ErrRequestReused)
		_, err = b.Join(ctx, id(t, taro), id(t, hanako))
		require.NoError(t, err)
		for range 2 {
			again, err := once(hanako, "course-1", 500, point.OpGrant)
			require.NoError(t, err)
			assert.True(t, again.Repeated)
			assert.Equal(t, first.Operation, again.Operation)
		}
		_, err = once(hanako, "course-3", 30, point.OpGrant)
		require.NoError(t, err)
		assert.EqualValues(t, 530, b.balance(t, "aoba"))
		b.whole(t)
	})
}

// A ledger in training joins no live one, and its operations say what they are.
func TestTrainingIsApart(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		live, drill := open(t, db, point.Config{}), open(t, db, point.Config{Training: true})
		ctx := t.Context()
		drill.grant(t, "aoba", 100)
		drill.clock.Add(time.Second)
		live.grant(t, "aoba", 100)
		for _, pair := range [][2]*bench{{live, drill}, {drill, live}} {
			err := pair[0].Do(ctx, func(ctx context.Context, tx *sql.Tx) error {
				_, err := pair[1].In(tx).Use(ctx, pair[1].use(t, 1))
				return err
			})
			assert.ErrorIs(t, err, point.ErrTraining)
		}
		r, err := drill.Use(ctx, drill.use(t, 1))
		require.NoError(t, err)
		assert.Regexp(t, "^training:[0-9a-f]{16}$", r.Operation)
		page, err := drill.History(ctx, id(t, hanako), "", 1)
		require.NoError(t, err)
		assert.Equal(t, r.Operation, page[0].Operation)
		page, err = drill.History(ctx, id(t, hanako), r.Operation, 5)
		require.NoError(t, err)
		assert.Len(t, page, 1)
		_, err = live.History(ctx, id(t, hanako), r.Operation, 5)
		assert.ErrorIs(t, err, point.ErrNoRequest)
		live.whole(t)
		drill.whole(t)
	})
}
