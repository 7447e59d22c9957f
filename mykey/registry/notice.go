package registry

import (
	"context"
	"strings"
	"unicode/utf8"

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
	if explanation == "" {
		return ErrConsent
	}
	if len(explanation) > 200 {
		return &mykey.FormError{Field: "explanation", Rule: mykey.RuleLength, Pos: 200}
	}
	if !utf8.ValidString(explanation) || strings.Contains(explanation, "\x00") {
		return &mykey.FormError{Field: "explanation", Rule: mykey.RuleCharacter, Pos: -1}
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
		n.stored, n.notAfter = s.r.keyed(sign).key, sign.expiry()
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
