package olddb

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/registry"
)

func serial(t testing.TB, n int) jpki.Serial {
	t.Helper()
	return must(jpki.ParseSerial(fmt.Sprintf("%08X", 0x030D0000+n)))(t)
}

// tap is the n-th person's card, with the PIN given.
func tap(t testing.TB, n int) registry.Presence {
	t.Helper()
	return registry.Presence{
		Certificate: registry.Certificate{Serial: serial(t, n), Issuer: must(registry.ParseIssuer("d1e5f00d"))(t), NotAfter: time.Date(2031, 4, 1, 0, 0, 0, 0, time.UTC), Device: registry.DeviceCard},
		Proved:      true,
	}
}

func TestRegistry(t *testing.T) {
	each(t, "keepers", func(t *testing.T, db *sql.DB, w want) {
		pseudonyms := func() registry.SerialForm { return registry.Pseudonyms([]byte("a key of thirty-two random bytes")) }
		t.Run("pseudonyms", func(t *testing.T) { testRegistry(t, db, "mykey_", pseudonyms(), w.Offered) })
		t.Run("plain", func(t *testing.T) { testRegistry(t, db, "plain_", registry.PlainSerials(), "") })
	})
}

func openRegistry(ctx context.Context, db *sql.DB, prefix string, form registry.SerialForm) (*registry.Registry, error) {
	return registry.Open(ctx, db, registry.Config{Prefix: prefix, Serials: form, Clock: clock})
}

func testRegistry(t *testing.T, db *sql.DB, prefix string, form registry.SerialForm, offered string) {
	ctx := t.Context()
	_, err := openRegistry(ctx, db, prefix, registry.Pseudonyms([]byte("a key that the registry is not kept under")))
	require.ErrorIs(t, err, registry.ErrSerialForm)
	r := must(openRegistry(ctx, db, prefix, form))(t)
	id := func(s string) mykey.ID { return must(mykey.ParseID(s))(t) }
	service := func(s string) mykey.ServiceID { return must(mykey.ParseServiceID(s))(t) }

	for n, name := range map[int]string{1: "MY123456", 101: "MY123456", 22: "KEY34567", 3: "NEW33333", 6: "IMPORT66"} {
		assert.Equal(t, name, must(r.Lookup(ctx, serial(t, n)))(t).String())
	}
	for n, refusal := range map[int]error{2: registry.ErrSuperseded, 4: registry.ErrNotEnrolled, 5: registry.ErrNotEnrolled} {
		_, err := r.Lookup(ctx, serial(t, n))
		assert.ErrorIs(t, err, refusal, "card %d", n)
	}
	for _, gone := range []string{"OLD33333", "GONE4444"} {
		_, err := r.Find(ctx, id(gone))
		assert.ErrorIs(t, err, registry.ErrRetired, gone)
	}
	for key, name := range map[string]string{"000001:1111111": "MY123456", "000002:520626": "KEY34567", "000001:3333333": "NEW33333", "000002:666666": "IMPORT66"} {
		assert.Equal(t, name, must(r.Find(ctx, service(key)))(t).ID.String())
	}

	p := must(r.Find(ctx, id("MY123456")))(t)
	assert.Equal(t, []mykey.ServiceID{service("000001:1111111"), service("000002:520625")}, p.Services)
	operator := must(mykey.ParseOperatorID("000001"))(t)
	assert.Equal(t, []mykey.PPID{must(mykey.ParsePPID(operator, "p/1+="))(t)}, p.PPIDs)
	require.Len(t, p.Certificates, 2)
	began := time.Date(2026, 11, 1, 1, 0, 0, 0, time.UTC)
	for i, device := range []registry.Device{registry.DeviceCard, registry.DeviceAndroid} {
		assert.Equal(t, device, p.Certificates[i].Device)
		assert.WithinDuration(t, began, p.Certificates[i].Bound, 0)
		assert.WithinDuration(t, tap(t, 1).Certificate.NotAfter, p.Certificates[i].NotAfter, 0)
	}
	require.NotNil(t, p.Notice)
	assert.Equal(t, "住所変更通知の説明 第1版", p.Notice.Explanation)
	assert.WithinDuration(t, began, p.Notice.Consented, 0)
	assert.True(t, p.Notice.Reported.IsZero())
	require.Len(t, p.Payments, 1)
	assert.Equal(t, "waon", p.Payments[0].Service)
	assert.Equal(t, "123456", p.Payments[0].ID)
	assert.WithinDuration(t, began, p.Payments[0].Applied, 0)

	// A card in the middle of its procedure goes on where it was.
	s := must(r.Begin(ctx, tap(t, 5)))(t)
	e := must(s.Enrol(ctx))(t)
	progress := must(e.Progress(ctx))(t)
	assert.Equal(t, 1, progress.OffersLeft)
	assert.Equal(t, 2, progress.ChecksLeft)
	if offered != "" {
		assert.Equal(t, offered, progress.Candidate.String())
	}
	progress = must(e.Accept(ctx, tap(t, 5)))(t)
	assert.True(t, progress.Registered)
	assert.Equal(t, progress.Candidate, must(r.Lookup(ctx, serial(t, 5)))(t))

	// Whoever revoked an ID gets another one, and has chosen already.
	s = must(r.Begin(ctx, tap(t, 4)))(t)
	e = must(s.Enrol(ctx))(t)
	for _, gone := range []string{"GONE4444", "OLD33333"} {
		_, err = e.Check(ctx, tap(t, 4), id(gone))
		assert.ErrorIs(t, err, registry.ErrDuplicate, gone)
	}
	must(e.Check(ctx, tap(t, 4), id("AGAIN444")))(t)
	must(e.Accept(ctx, tap(t, 4)))(t)
	p = must(r.Find(ctx, id("AGAIN444")))(t)
	require.Len(t, p.Payments, 1)
	assert.Equal(t, "444444", p.Payments[0].ID)
}
