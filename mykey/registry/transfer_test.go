package registry_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"database/sql"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/payment"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// authority is a certification authority for digital signature.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t testing.TB) authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{Organization: []string{"JPKI-TEST"}}, SubjectKeyId: []byte{1, 2, 3},
		NotBefore: epoch, NotAfter: epoch.AddDate(10, 0, 0), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCRLSign | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return authority{key, cert}
}

func (a authority) list(t testing.TB, entries ...x509.RevocationListEntry) *x509.RevocationList {
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: epoch, NextUpdate: epoch.AddDate(0, 0, 2),
		RevokedCertificateEntries: entries}, a.cert, a.key)
	require.NoError(t, err)
	list, err := x509.ParseRevocationList(der)
	require.NoError(t, err)
	return list
}

func revoked(n int) x509.RevocationListEntry {
	return x509.RevocationListEntry{SerialNumber: serial(n).BigInt(), RevocationTime: epoch}
}

func TestRevokedNotices(t *testing.T) {
	ca := newAuthority(t)
	conform(t, func(w *world) {
		ctx := w.Context()
		sign := func(n int) registry.Certificate {
			c := tap(900 + n).Certificate
			c.Issuer = registry.IssuerOf(ca.cert)
			return c
		}
		for n := 1; n <= 4; n++ {
			s := w.enrolled(n, fmt.Sprintf("PERSON%02d", n))
			if n < 4 {
				require.NoError(w, s.ConsentToNotice(ctx, tap(n), sign(n), "第1版"))
			}
		}
		// The same number of another authority is another certificate.
		other := w.enrolled(5, "PERSON05")
		elsewhere := sign(9)
		elsewhere.Issuer = issuer
		require.NoError(w, other.ConsentToNotice(ctx, tap(5), elsewhere, "第1版"))

		names := func(list *x509.RevocationList) (out []string) {
			for p, err := range w.reg.RevokedNotices(ctx, list, ca.cert) {
				require.NoError(w, err)
				require.NotNil(w, p.Notice)
				out = append(out, p.ID.String())
			}
			return out
		}
		entries := []x509.RevocationListEntry{revoked(903), revoked(909), revoked(901), {SerialNumber: serial(902).BigInt(), RevocationTime: epoch, ReasonCode: 8}}
		assert.ElementsMatch(w, []string{"PERSON01", "PERSON03"}, names(ca.list(w, entries...)))
		assert.Empty(w, names(ca.list(w)))
		many := []x509.RevocationListEntry{revoked(901)}
		for n := range 450 {
			many = append(many, revoked(10_000+n))
		}
		many = append(many, revoked(903), x509.RevocationListEntry{SerialNumber: new(big.Int).Lsh(big.NewInt(1), 1000), RevocationTime: epoch})
		assert.Equal(w, []string{"PERSON01", "PERSON03"}, names(ca.list(w, many...)))
		for range w.reg.RevokedNotices(ctx, ca.list(w, many...), ca.cert) {
			break
		}
		for _, err := range w.reg.RevokedNotices(ctx, newAuthority(w).list(w, entries...), ca.cert) {
			assert.ErrorIs(w, err, registry.ErrRevocationList)
		}
		for _, err := range w.reg.RevokedNotices(ctx, nil, ca.cert) {
			assert.ErrorIs(w, err, registry.ErrRevocationList)
		}
		for _, err := range w.reg.RevokedNotices(ctx, ca.list(w, entries...), nil) {
			assert.ErrorIs(w, err, registry.ErrRevocationList)
		}
		torn := ca.list(w, entries...)
		torn.RevokedCertificateEntries[0].SerialNumber = nil
		assert.Equal(w, []string{"PERSON01"}, names(torn))
		cancelled, cancel := context.WithCancel(ctx)
		cancel()
		for _, err := range w.reg.RevokedNotices(cancelled, ca.list(w, entries...), ca.cert) {
			assert.ErrorIs(w, err, context.Canceled)
		}
		for _, err := range w.reg.Notices(cancelled) {
			assert.ErrorIs(w, err, context.Canceled)
		}

		// Somebody acted on it, and it is seen as long as the certificate is that one.
		w.pass(time.Hour)
		for range 2 {
			require.NoError(w, w.reg.NoticeReported(ctx, id(w, "PERSON01")))
			w.pass(time.Minute)
		}
		assert.True(w, w.find(id(w, "PERSON01")).Notice.Reported.Equal(epoch.Add(time.Hour)))
		assert.ErrorIs(w, w.reg.NoticeReported(ctx, id(w, "PERSON04")), registry.ErrConsent)
		assert.ErrorIs(w, w.reg.NoticeReported(ctx, id(w, "NOBODY22")), registry.ErrNotFound)
		s := w.begin(tap(1))
		require.NoError(w, s.UpdateSign(ctx, tap(1), sign(1)))
		assert.False(w, w.find(id(w, "PERSON01")).Notice.Reported.IsZero(), "the same certificate")
		require.NoError(w, s.UpdateSign(ctx, tap(1), sign(11)))
		assert.True(w, w.find(id(w, "PERSON01")).Notice.Reported.IsZero())
		assert.Equal(w, []string{"PERSON03"}, names(ca.list(w, many...)))

		var all []string
		for p, err := range w.reg.Notices(ctx) {
			require.NoError(w, err)
			all = append(all, p.ID.String())
		}
		assert.Equal(w, []string{"PERSON01", "PERSON02", "PERSON03", "PERSON05"}, all)
		for range w.reg.Notices(ctx) {
			break
		}
	})
}

// More people than one query reads.
func TestNoticesPages(t *testing.T) {
	w := newWorld(t, sqliteEngine(t))
	var rows []registry.ImportRow
	for n := range 250 {
		rows = append(rows, registry.ImportRow{ID: id(t, fmt.Sprintf("N%07d", n)),
			Notice: &registry.ImportNotice{Sign: tap(n).Certificate, Explanation: "第1版", Consented: epoch}})
	}
	require.NoError(t, w.reg.Import(t.Context(), rows))
	n := 0
	for p, err := range w.reg.Notices(t.Context()) {
		require.NoError(t, err)
		assert.Equal(t, fmt.Sprintf("N%07d", n), p.ID.String())
		n++
	}
	assert.Equal(t, 250, n)
	var out bytes.Buffer
	require.NoError(t, w.reg.Export(t.Context(), &out))
	assert.Equal(t, 252, strings.Count(out.String(), "\n"))
}

func TestApplicationOfACampaign(t *testing.T) {
	conform(t, func(w *world) {
		ctx := w.Context()
		s := w.enrolled(1, "MY123456")
		first, second := application("waon", "1"), application("pay", "2")
		second.Campaign = "第2弾"
		require.NoError(w, s.Apply(ctx, tap(1), rules, first))
		require.NoError(w, s.Apply(ctx, tap(1), rules, second))
		other := application("waon", "3")
		other.Campaign = "第2弾"
		assert.ErrorIs(w, s.Apply(ctx, tap(1), rules, other), registry.ErrAlreadyApplied)
		p := w.find(id(w, "MY123456"))
		require.Len(w, p.Payments, 2)
		l, ok := p.Payment("第2弾")
		require.True(w, ok)
		assert.Equal(w, "2", l.ID)
		assert.True(w, l.Done.IsZero())
		assert.True(w, l.Expected().Equal(epoch.Add(24*time.Hour)))
		_, ok = p.Payment("第3弾")
		assert.False(w, ok)

		w.pass(20 * time.Hour)
		for range 2 {
			require.NoError(w, w.reg.ApplicationDone(ctx, "第2弾", "pay", "2"))
			w.pass(time.Hour)
		}
		assert.ErrorIs(w, w.reg.ApplicationDone(ctx, "", "pay", "2"), registry.ErrNotFound)
		for _, odd := range []string{"\xff", "a\x00", strings.Repeat("あ", 100_000)} {
			assert.ErrorIs(w, w.reg.ApplicationDone(ctx, odd, "pay", "2"), registry.ErrNotFound)
			assert.ErrorIs(w, w.reg.ApplicationDone(ctx, "第2弾", odd, "2"), registry.ErrNotFound)
			assert.ErrorIs(w, w.reg.ApplicationDone(ctx, "第2弾", "pay", odd), registry.ErrNotFound)
		}
		p = w.find(id(w, "MY123456"))
		l, _ = p.Payment("第2弾")
		assert.True(w, l.Done.Equal(epoch.Add(20*time.Hour)))
		l, _ = p.Payment("")
		assert.True(w, l.Done.IsZero())

		// Both outlive the person.
		require.NoError(w, w.reg.Revoke(ctx, p.ID))
		w.enrolled(1, "KEY34567")
		assert.Len(w, w.find(id(w, "KEY34567")).Payments, 2)
		taken := w.enrolled(2, "OTHER222")
		assert.ErrorIs(w, taken.Apply(ctx, tap(2), rules, second), registry.ErrPaymentTaken)
		third := second
		third.Campaign = "第3弾"
		require.NoError(w, taken.Apply(ctx, tap(2), rules, third))
	})
}

func TestTermsAreKept(t *testing.T) {
	conform(t, func(w *world) {
		withTerms := rules["waon"]
		withTerms.Terms = "2026-09-01"
		table := payment.Rules{"waon": withTerms}
		s := w.enrolled(1, "MY123456")
		a := application("waon", "1")
		assert.ErrorIs(w, s.Apply(w.Context(), tap(1), table, a), mykey.ErrForm)
		a.Terms = "2026-09-01"
		require.NoError(w, s.Apply(w.Context(), tap(1), table, a))
		assert.Equal(w, "2026-09-01", w.find(id(w, "MY123456")).Payments[0].Terms)
	})
}

func TestImportOfEverything(t *testing.T) {
	conform(t, func(w *world) {
		ctx := w.Context()
		full := registry.ImportRow{ID: id(w, "MY123456"), Former: []mykey.ID{id(w, "OLD22222"), id(w, "OLD33333")},
			Notice:   &registry.ImportNotice{Sign: tap(901).Certificate, Explanation: "第1版", Consented: epoch},
			Payments: []registry.PaymentLink{{Service: "waon", ID: "1", Applied: epoch, Done: epoch}, {Campaign: "第2弾", Service: "waon", ID: "1", Terms: "x", Applied: epoch}}}
		require.NoError(w, w.reg.Import(ctx, []registry.ImportRow{full}))
		p := w.find(id(w, "MY123456"))
		assert.Equal(w, "第1版", p.Notice.Explanation)
		assert.True(w, p.Notice.Consented.Equal(epoch))
		require.Len(w, p.Payments, 2)
		assert.True(w, p.Payments[0].Done.Equal(epoch))
		for _, old := range full.Former {
			next, err := w.reg.Successor(ctx, old)
			require.NoError(w, err)
			assert.Equal(w, full.ID, next)
			_, err = w.reg.Find(ctx, old)
			assert.ErrorIs(w, err, registry.ErrRetired)
		}
		for name, tc := range map[string]struct {
			change func(*registry.ImportRow)
			want   error
		}{
			"former ID taken":   {func(r *registry.ImportRow) { r.Former = []mykey.ID{id(w, "OLD22222")} }, registry.ErrDuplicate},
			"former is present": {func(r *registry.ImportRow) { r.Former = []mykey.ID{r.ID} }, registry.ErrDuplicate},
			"no former":         {func(r *registry.ImportRow) { r.Former = make([]mykey.ID, 1) }, mykey.ErrForm},
			"sign taken":        {func(r *registry.ImportRow) { r.Notice = full.Notice }, registry.ErrSignTaken},
			"no sign":           {func(r *registry.ImportRow) { r.Notice = &registry.ImportNotice{Explanation: "a", Consented: epoch} }, mykey.ErrForm},
			"no explanation": {func(r *registry.ImportRow) {
				r.Notice = &registry.ImportNotice{Sign: tap(9).Certificate, Consented: epoch}
			}, registry.ErrConsent},
			"no time of consent": {func(r *registry.ImportRow) {
				r.Notice = &registry.ImportNotice{Sign: tap(9).Certificate, Explanation: "a"}
			}, mykey.ErrForm},
			"payment taken": {func(r *registry.ImportRow) { r.Payments = full.Payments[:1] }, registry.ErrPaymentTaken},
			"a campaign twice": {func(r *registry.ImportRow) {
				r.Payments = []registry.PaymentLink{full.Payments[0], {Service: "a", ID: "b", Applied: epoch}}
			}, registry.ErrAlreadyApplied},
			"no service": {func(r *registry.ImportRow) { r.Payments = make([]registry.PaymentLink, 1) }, mykey.ErrForm},
			"long": {func(r *registry.ImportRow) {
				r.Payments = []registry.PaymentLink{{Service: strings.Repeat("a", 201), ID: "b", Applied: epoch}}
			}, mykey.ErrForm},
			"no text": {func(r *registry.ImportRow) {
				r.Payments = []registry.PaymentLink{{Service: "a\x00", ID: "b", Applied: epoch}}
			}, mykey.ErrForm},
		} {
			bad := registry.ImportRow{ID: id(w, "GOOD3333")}
			tc.change(&bad)
			err := w.reg.Import(ctx, []registry.ImportRow{{ID: id(w, "GOOD2222")}, bad})
			require.ErrorIs(w, err, tc.want, name)
			var ie *registry.ImportError
			require.ErrorAs(w, err, &ie, name)
			assert.Equal(w, 1, ie.Index, name)
			_, err = w.reg.Find(ctx, id(w, "GOOD2222"))
			assert.ErrorIs(w, err, registry.ErrNotFound, name)
		}
	})
}

// everything fills a registry with all that there is.
func (w *world) everything() {
	ctx := w.Context()
	w.enrolled(9, "TAKEN222")
	s := w.enrolled(1, "MY123456")
	require.NoError(w, s.ConsentToNotice(ctx, tap(1), tap(901).Certificate, "第1版"))
	require.NoError(w, w.reg.NoticeReported(ctx, s.ID()))
	require.NoError(w, s.AddCertificate(ctx, tap(1), tapOf(101, registry.DeviceAndroid)))
	require.NoError(w, s.AddCertificate(ctx, tap(1), tapOf(102, registry.DeviceAndroid))) // ends 101
	w.lost(102)
	for _, v := range []string{"000001:1", "000002:2"} {
		_, err := s.RegisterService(ctx, tap(1), service(w, v))
		require.NoError(w, err)
	}
	ppid, err := mykey.ParsePPID(service(w, "000001:1").Operator, "pairwise/1+=")
	require.NoError(w, err)
	require.NoError(w, s.RegisterPPID(ctx, tap(1), ppid))
	later := application("pay", "2")
	later.Campaign = "第2弾"
	require.NoError(w, s.Apply(ctx, tap(1), rules, application("waon", "1")))
	require.NoError(w, s.Apply(ctx, tap(1), rules, later))
	require.NoError(w, w.reg.ApplicationDone(ctx, "", "waon", "1"))
	w.pass(time.Hour)
	s = w.begin(tap(1))
	e, err := s.ChangeID(ctx)
	require.NoError(w, err)
	_, err = e.Check(ctx, tap(1), id(w, "TAKEN222"))
	require.ErrorIs(w, err, registry.ErrDuplicate)
	_, err = e.Check(ctx, tap(1), id(w, "NEXT3456"))
	require.NoError(w, err)
	_, err = e.Accept(ctx, tap(1))
	require.NoError(w, err)
	// Somebody who is gone, and somebody who has only begun.
	gone := w.enrolled(4, "GONE4444")
	require.NoError(w, gone.Apply(ctx, tap(4), rules, application("waon", "44")))
	require.NoError(w, w.reg.Revoke(ctx, gone.ID()))
	w.candidate(5, "WANTED22")
}

// What was exported on either engine is on the other as it was, and goes on as it
// would have gone on.
func TestExport(t *testing.T) {
	for from, to := range map[int]int{0: 1, 1: 0} {
		t.Run(engines[from].name+" to "+engines[to].name, func(t *testing.T) {
			w := newWorld(t, engines[from].make(t))
			w.everything()
			ctx := t.Context()
			var out, again bytes.Buffer
			require.NoError(t, w.reg.Export(ctx, &out))
			text := out.String()
			assert.NotContains(t, text, serial(1).Hex())

			v := newWorld(t, engines[to].make(t))
			v.pass(time.Hour)
			require.NoError(t, v.reg.ImportExport(ctx, bytes.NewReader(out.Bytes())))
			require.NoError(t, v.reg.Export(ctx, &again))
			assert.Equal(t, text, again.String())
			want, got := w.find(id(t, "NEXT3456")), v.find(id(t, "NEXT3456"))
			for i := range want.Certificates {
				assert.True(t, want.Certificates[i].Ref.Equal(got.Certificates[i].Ref))
			}
			assert.True(t, want.Notice.Sign.Equal(got.Notice.Sign))
			assert.Equal(t, want.Payments, got.Payments)
			assert.Equal(t, want.Services, got.Services)
			assert.Equal(t, want.PPIDs, got.PPIDs)
			next, err := v.reg.Successor(ctx, id(t, "MY123456"))
			require.NoError(t, err)
			assert.Equal(t, "NEXT3456", next.String())
			_, err = v.reg.Find(ctx, id(t, "GONE4444"))
			assert.ErrorIs(t, err, registry.ErrRetired)
			_, err = v.reg.Lookup(ctx, serial(101))
			assert.ErrorIs(t, err, registry.ErrSuperseded)
			assert.Equal(t, "NEXT3456", v.lookup(1))

			e, err := v.begin(tap(5)).Enrol(ctx)
			require.NoError(t, err)
			_, err = e.Accept(ctx, tap(5))
			require.NoError(t, err, "what was begun goes on")
			back := v.enrolled(4, "BACK4444")
			assert.ErrorIs(t, back.Apply(ctx, tap(4), rules, application("pay", "45")), registry.ErrAlreadyApplied)
			e, err = v.begin(tap(1)).ChangeID(ctx)
			require.NoError(t, err)
			p, err := e.Progress(ctx)
			require.NoError(t, err)
			assert.Equal(t, 2, p.ChecksLeft, "a duplicate answer is remembered")

			// A second time everything is taken, and nothing has changed.
			again.Reset()
			require.NoError(t, v.reg.Export(ctx, &again))
			var ie *registry.ImportError
			require.ErrorAs(t, v.reg.ImportExport(ctx, strings.NewReader(text)), &ie)
			assert.ErrorIs(t, ie, registry.ErrDuplicate)
			assert.Equal(t, 1, ie.Index)
			out.Reset()
			require.NoError(t, v.reg.Export(ctx, &out))
			assert.Equal(t, again.String(), out.String())
		})
	}
}

// exported is an export in which nobody has anything that is not needed.
const exported = `{"format":"mynakit registry","version":1,"serials":"plain"}
{"person":{"id":"MY123456","created":1,"certificates":[{"serial":"030D","device":1,"notAfter":1900000000000,"bound":1}]}}
{"id":{"id":"GONE4444","state":4,"at":1}}
{"application":{"service":"waon","paymentServiceID":"1","applied":1,"holders":["030E"]}}
{"card":{"key":"030D"}}
{"end":5}
`

// What is no export, or a part of one, or says what no registry would, is refused
// with its line, and nothing of it is taken over.
func TestImportExportRefuses(t *testing.T) {
	person := func(more string) string {
		return strings.Replace(exported, `"notAfter":1900000000000,"bound":1}]`, `"notAfter":1900000000000,"bound":1}]`+more, 1)
	}
	line := func(s string) string { return strings.Replace(exported, `{"card":{"key":"030D"}}`, s, 1) }
	for name, tc := range map[string]struct {
		text  string
		line  int // -1: no *ImportError
		cause error
	}{
		"empty": {"", -1, registry.ErrExport}, "no header": {exported[strings.Index(exported, "\n")+1:], 0, registry.ErrExport},
		"newer": {strings.Replace(exported, `"version":1`, `"version":2`, 1), 0, registry.ErrExport}, "another format": {strings.Replace(exported, "mynakit registry", "x", 1), 0, registry.ErrExport},
		"another key": {strings.Replace(exported, "plain", "hmac-sha256:00", 1), -1, registry.ErrSerialForm},
		"cut off":     {exported[:strings.Index(exported, `{"end"`)], -1, registry.ErrExport}, "cut in a line": {exported[:len(exported)-4], 5, registry.ErrExport},
		"a line less": {strings.Replace(exported, "{\"card\":{\"key\":\"030D\"}}\n", "", 1), 4, registry.ErrExport}, "more after the end": {exported + "{}\n", 6, registry.ErrExport},
		"no kind": {line("{}"), 4, registry.ErrExport}, "no JSON": {line("x"), 4, registry.ErrExport}, "a long line": {line(`{"card":{"key":"` + strings.Repeat("0", 2<<20) + `"}}`), 4, registry.ErrExport},
		"an ID":         {strings.Replace(exported, "MY123456", "my123456", 1), 1, mykey.ErrForm},
		"no ID":         {strings.Replace(exported, `"id":"MY123456",`, "", 1), 1, mykey.ErrForm},
		"a device":      {strings.Replace(exported, `"device":1`, `"device":4`, 1), 1, registry.ErrExport},
		"a serial":      {strings.Replace(exported, `"030D","device"`, `"03.0D","device"`, 1), 1, registry.ErrExport},
		"no serial":     {strings.Replace(exported, `"030D","device"`, `"","device"`, 1), 1, registry.ErrExport},
		"an issuer":     {strings.Replace(exported, `"device"`, `"issuer":"x","device"`, 1), 1, registry.ErrExport},
		"twice":         {strings.Replace(exported, `"certificates":[`, `"certificates":[{"serial":"030D","issuer":"01","device":2,"notAfter":1900000000000,"bound":1},`, 1), 1, registry.ErrCertificateTaken},
		"a service":     {person(`,"services":[{"operator":"1","customer":"1","registered":1}]`), 1, mykey.ErrForm},
		"half":          {person(`,"services":[{"operator":"000001","registered":1}]`), 1, mykey.ErrForm},
		"a PPID":        {person(`,"ppids":[{"operator":"000001","ppid":" ","registered":1}]`), 1, mykey.ErrForm},
		"no words":      {person(`,"notice":{"sign":"01","notAfter":1,"consented":1}`), 1, registry.ErrConsent},
		"no sign":       {person(`,"notice":{"explanation":"a","notAfter":1,"consented":1}`), 1, registry.ErrExport},
		"a choice":      {person(`,"applications":[{"service":"a","applied":1}]`), 1, mykey.ErrForm},
		"a choice more": {person(`,"applications":[{"service":"a","paymentServiceID":"1","applied":1},{"service":"b","paymentServiceID":"1","applied":1}]`), 1, registry.ErrPaymentTaken},
		"a state":       {strings.Replace(exported, `"state":4`, `"state":2`, 1), 2, registry.ErrExport}, "an ID's ID": {strings.Replace(exported, `"id":"GONE4444",`, "", 1), 2, mykey.ErrForm},
		"a claim": {strings.Replace(exported, `"state":4`, `"state":1,"claimer":"x"`, 1), 2, registry.ErrExport}, "no claimer": {strings.Replace(exported, `"state":4`, `"state":1`, 1), 2, registry.ErrExport},
		"an ID twice": {strings.Replace(exported, `GONE4444`, `MY123456`, 1), 2, registry.ErrDuplicate},
		"a holder":    {strings.Replace(exported, `["030E"]`, `["x"]`, 1), 3, registry.ErrExport}, "a holder twice": {strings.Replace(exported, `["030E"]`, `["030E","030E"]`, 1), 3, registry.ErrPaymentTaken},
		"a gone one's": {strings.Replace(exported, `"waon"`, `""`, 1), 3, mykey.ErrForm},
		"offers":       {line(`{"card":{"key":"030D","offers":4}}`), 4, registry.ErrExport}, "a card's key": {line(`{"card":{"key":"x"}}`), 4, registry.ErrExport},
		"wrong count": {strings.Replace(exported, `"end":5`, `"end":6`, 1), 5, registry.ErrExport}, "a type": {strings.Replace(exported, `"created":1`, `"created":"a secret"`, 1), 1, registry.ErrExport},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, sqliteEngine(t), func(c *registry.Config) { c.Serials = registry.PlainSerials() })
			err := w.reg.ImportExport(t.Context(), strings.NewReader(tc.text))
			require.ErrorIs(t, err, tc.cause)
			assert.NotContains(t, err.Error(), "a secret")
			ie, ok := errors.AsType[*registry.ImportError](err)
			require.Equal(t, tc.line >= 0, ok, "%v", err)
			if ok {
				assert.Equal(t, tc.line, ie.Index)
			}
			_, err = w.reg.Find(t.Context(), id(t, "MY123456"))
			assert.ErrorIs(t, err, registry.ErrNotFound)
			require.NoError(t, w.reg.ImportExport(t.Context(), strings.NewReader(exported)), "and the table is as it was")
		})
	}
}

type unreadable struct{ seek error }

func (u unreadable) Read([]byte) (int, error)       { return 0, errInjected }
func (u unreadable) Seek(int64, int) (int64, error) { return 0, u.seek }
func (u unreadable) Write([]byte) (int, error)      { return 0, errInjected }

// An error of the caller's file comes back as it is.
func TestExportToNowhere(t *testing.T) {
	w := newWorld(t, sqliteEngine(t))
	w.enrolled(1, "MY123456")
	assert.Equal(t, errInjected, w.reg.Export(t.Context(), unreadable{}))
	assert.Equal(t, errInjected, w.reg.ImportExport(t.Context(), unreadable{}))
	assert.Equal(t, errInjected, w.reg.ImportExport(t.Context(), unreadable{errInjected}))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.ErrorIs(t, w.reg.Export(ctx, new(bytes.Buffer)), context.Canceled)
	assert.ErrorIs(t, w.reg.ImportExport(ctx, strings.NewReader("")), context.Canceled)
}

// Whatever somebody hands in as an export: it is taken or refused, and the database
// itself never fails by it.
func FuzzImportExport(f *testing.F) {
	f.Add(exported)
	f.Add(exported[:100])
	f.Add(strings.Replace(exported, "[{", `[{"serial":"030F","issuer":"01","device":2,"notAfter":1,"bound":1,"superseded":2,"revoked":1},{`, 1))
	reg, err := sqliteEngine(f).open(f, registry.Config{Serials: registry.PlainSerials()})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, text string) {
		undo := errors.New("undo")
		err := reg.Do(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
			if err := reg.In(tx).ImportExport(ctx, strings.NewReader(text)); err != nil {
				return err
			}
			return undo
		})
		if _, failed := errors.AsType[*registry.StoreError](err); failed {
			t.Fatal(err)
		}
	})
}

// A table that is busy in the middle of a list or an export is read again: nobody
// is left out of the list, and no export has a beginning twice.
func TestBusyInTheMiddle(t *testing.T) {
	ctx := t.Context()
	h := &dbtest.Hooked{DSN: dbtest.FastSQLite(t.TempDir())}
	db := sql.OpenDB(h)
	defer db.Close()
	cfg := registry.Config{Serials: registry.PlainSerials(), Clock: func() time.Time { return epoch }, RetryFor: patience}
	reg, err := registry.Open(ctx, db, cfg)
	require.NoError(t, err)
	cfg.RetryFor = 50 * time.Millisecond // all of which an export waits that has begun
	hasty, err := registry.Open(ctx, db, cfg)
	require.NoError(t, err)
	for n := 1; n <= 3; n++ {
		require.NoError(t, reg.Import(ctx, []registry.ImportRow{{ID: id(t, fmt.Sprintf("PERSON%02d", n)), Certificates: []registry.Certificate{tap(n).Certificate}}}))
		s, err := reg.Begin(ctx, tap(n))
		require.NoError(t, err)
		require.NoError(t, s.ConsentToNotice(ctx, tap(n), tap(900+n).Certificate, "第1版"))
	}
	var whole bytes.Buffer
	require.NoError(t, reg.Export(ctx, &whole))
	for at := 1; ; at++ {
		calls := 0
		arm := func() {
			calls = 0
			h.Set(func(s dbtest.Step) error {
				if !s.After && s.What != "begin" {
					if calls++; calls == at {
						return errors.New("database is locked")
					}
				}
				return nil
			})
		}
		arm()
		n := 0
		for _, err := range reg.Notices(ctx) {
			require.NoError(t, err)
			n++
		}
		require.Equal(t, 3, n, "call %d", at)
		arm()
		var out bytes.Buffer
		if err := hasty.Export(ctx, &out); err == nil {
			require.Equal(t, whole.String(), out.String(), "call %d", at)
		} else {
			require.ErrorIs(t, err, registry.ErrBusy, "call %d", at)
		}
		if h.Set(nil); calls < at {
			break
		}
	}
}
