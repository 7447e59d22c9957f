package registry

import (
	"context"
	"crypto/x509"
	"database/sql"
	"iter"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
)

// ConsentToNotice records that the holder wants the address-change notice, and
// keeps the sign certificate's serial number for it, in the registry's form.
// The explanation must have been shown before (システム設計書 II.9②); explanation
// says which, such as the name and date of the text, in 1 to 200 bytes. A
// second consent replaces the first: with a reissued card, say.
//
// Errors: [ErrConsent] without an explanation; [ErrSignTaken]; [ErrExpired];
// the refusals of a session; a [*mykey.FormError]; or the database's, wrapped.
func (s *Session) ConsentToNotice(ctx context.Context, confirm Presence, sign Certificate, explanation string) error {
	if err := checkExplanation(explanation); err != nil {
		return err
	}
	if err := sign.check(); err != nil {
		return err
	}
	if s.r.now().After(sign.NotAfter) {
		return ErrExpired
	}
	n := noticeRow{stored: s.r.keyed(sign).key, notAfter: sign.expiry(), explanation: explanation}
	return s.change(ctx, "record consent", confirm, func(ctx context.Context, tx tx) error {
		if err := tx.removeNotice(ctx, s.person); err != nil {
			return err
		}
		now, err := tx.now(ctx)
		if err != nil {
			return err
		}
		n.at = now
		added, err := tx.addNotice(ctx, s.person, n)
		if err == nil && !added {
			return ErrSignTaken
		}
		return err
	})
}

func checkExplanation(s string) error {
	switch {
	case s == "":
		return ErrConsent
	case len(s) > 200:
		return &mykey.FormError{Field: "explanation", Rule: mykey.RuleLength, Pos: 200}
	case !utf8.ValidString(s) || strings.Contains(s, "\x00"):
		return &mykey.FormError{Field: "explanation", Rule: mykey.RuleCharacter, Pos: -1}
	}
	return nil
}

// UpdateSign follows the sign certificate of a holder with consent to a
// reissued one, as the platform does at first use (システム設計書 II.9③). The
// consent stays as it was. Without consent nothing is kept and the error is
// [ErrConsent]; other errors as of ConsentToNotice.
func (s *Session) UpdateSign(ctx context.Context, confirm Presence, sign Certificate) error {
	if err := sign.check(); err != nil {
		return err
	}
	if s.r.now().After(sign.NotAfter) {
		return ErrExpired
	}
	return s.change(ctx, "update sign certificate", confirm, func(ctx context.Context, tx tx) error {
		n, ok, err := tx.notice(ctx, s.person)
		if err != nil {
			return err
		}
		if !ok {
			return ErrConsent
		}
		key := s.r.keyed(sign).key
		if key != n.stored {
			n.reported = time.Time{}
		}
		n.stored, n.notAfter = key, sign.expiry()
		if err := tx.removeNotice(ctx, s.person); err != nil {
			return err
		}
		added, err := tx.addNotice(ctx, s.person, n)
		if err == nil && !added {
			return ErrSignTaken
		}
		return err
	})
}

// WithdrawConsent deletes the sign certificate's serial number and the record
// of the consent. Errors: the refusals of a session, or the database's, wrapped.
func (s *Session) WithdrawConsent(ctx context.Context, confirm Presence) error {
	return s.change(ctx, "withdraw consent", confirm, func(ctx context.Context, tx tx) error {
		return tx.removeNotice(ctx, s.person)
	})
}

// Notices yields everybody who wants the address-change notice, in the order in
// which they were registered. An error ends the sequence. Memory does not grow with
// their number. What changes meanwhile may be seen or not.
func (r *Registry) Notices(ctx context.Context) iter.Seq2[Person, error] {
	return func(yield func(Person, error) bool) {
		for after := int64(0); ; {
			var page []Person
			var last int64
			err := r.view(ctx, "list notices", func(ctx context.Context, tx tx) error {
				page = nil // the function may run again
				who, err := all(ctx, tx, scanPerson, `SELECT p.person, p.mykey_id FROM {notice} n JOIN {person} p ON p.person = n.person
					WHERE n.person > ? ORDER BY n.person LIMIT 100`, after)
				if err != nil {
					return err
				}
				for _, w := range who {
					p, err := readPerson(ctx, tx, w.number, w.id)
					if err != nil {
						return err
					}
					page = append(page, p)
					last = w.number
				}
				return nil
			})
			if err != nil {
				yield(Person{}, err)
				return
			}
			after = last
			for _, p := range page {
				if !yield(p, nil) {
					return
				}
			}
			if len(page) == 0 {
				return
			}
		}
	}
}

type personRow struct {
	number int64
	id     mykey.ID
}

func scanPerson(rows *sql.Rows) (p personRow, err error) {
	err = rows.Scan(personNumber(&p.number), text(&p.id))
	return p, err
}

// ErrRevocationList is returned by [Registry.RevokedNotices] for a revocation list
// that the authority has not signed.
var ErrRevocationList error = refusal("a revocation list that the authority has not signed")

// noticesAtOnce is how many entries of a revocation list one query looks for.
const noticesAtOnce = 200

// RevokedNotices yields those who want the address-change notice and whose sign
// certificate stands on a revocation list of its authority: a certificate for
// digital signature ends when its holder's name or address changes. The serial
// numbers are looked for in the registry's form. A consent that was recorded
// before issuers were kept is found by the serial number alone.
//
// Whoever has acted on one calls [Registry.NoticeReported]; the next list still has
// it. [Session.UpdateSign] ends it. A sign certificate is revoked for other reasons
// too, so somebody asks the holder.
//
// An error ends the sequence: [ErrRevocationList], or the database's, wrapped. The
// time of the list is the caller's to check.
func (r *Registry) RevokedNotices(ctx context.Context, list *x509.RevocationList, authority *x509.Certificate) iter.Seq2[Person, error] {
	return func(yield func(Person, error) bool) {
		if list == nil || authority == nil || list.CheckSignatureFrom(authority) != nil {
			yield(Person{}, ErrRevocationList)
			return
		}
		issuer := IssuerOf(authority)
		keys := make([]any, 0, 2*noticesAtOnce)
		look := func() bool {
			found, err := r.noticesOf(ctx, keys)
			keys = keys[:0]
			if err != nil {
				yield(Person{}, err)
				return false
			}
			for _, p := range found {
				if !yield(p, nil) {
					return false
				}
			}
			return true
		}
		for _, e := range list.RevokedCertificateEntries {
			const removeFromCRL = 8 // RFC 5280, 5.3.1
			if e.SerialNumber == nil {
				continue // of a list that was changed since it was read
			}
			serial, err := jpki.SerialFromBytes(e.SerialNumber.Bytes())
			if err != nil || e.ReasonCode == removeFromCRL {
				continue // no certificate that could have been recorded
			}
			k := r.keyed(Certificate{Serial: serial, Issuer: issuer})
			if keys = append(keys, k.key, k.serial); len(keys) == cap(keys) && !look() {
				return
			}
		}
		if len(keys) > 0 {
			look()
		}
	}
}

// noticesOf returns the persons whose sign certificates have these keys.
func (r *Registry) noticesOf(ctx context.Context, keys []any) (out []Person, err error) {
	err = r.view(ctx, "find notices", func(ctx context.Context, tx tx) error {
		out = nil
		who, err := all(ctx, tx, scanPerson, `SELECT p.person, p.mykey_id FROM {notice} n JOIN {person} p ON p.person = n.person
			WHERE n.holder IN (?`+strings.Repeat(",?", len(keys)-1)+`) ORDER BY n.person`, keys...)
		if err != nil {
			return err
		}
		for _, w := range who {
			p, err := readPerson(ctx, tx, w.number, w.id)
			if err != nil {
				return err
			}
			out = append(out, p)
		}
		return nil
	})
	return out, err
}

// NoticeReported records that somebody acted on the revocation of a holder's sign
// certificate: [Notice].Reported is set. To record it again changes nothing, and
// another sign certificate clears it. Call it through [Registry.In] in the
// transaction that puts the message into an outbox.
//
// NoticeReported returns [ErrNotFound] if nobody has the ID, [ErrRetired],
// [ErrConsent] without consent, or the database's error, wrapped.
func (r *Registry) NoticeReported(ctx context.Context, id mykey.ID) error {
	return r.update(ctx, "record that a notice was given", func(ctx context.Context, tx tx) error {
		person, _, err := tx.find(ctx, id)
		if err != nil {
			return err
		}
		if person == 0 {
			return notFound(ctx, tx, id)
		}
		now, err := tx.now(ctx)
		if err != nil {
			return err
		}
		found, err := tx.exec(ctx, "UPDATE {notice} SET reported = COALESCE(reported, ?) WHERE person = ?", millis(now), person)
		if err == nil && !found {
			return ErrConsent
		}
		return err
	})
}
