package point

import (
	"errors"

	"github.com/mynakit/mynakit/mykey"
)

// Notice is a set of the notices that a holder wants by mail (メール通知を希望する
// 情報, システム設計書 I.6⑥).
type Notice uint8

// The four notices.
const (
	NoticeGrant    Notice = 1 << iota // points were granted (行政ポイント, 地域経済応援ポイント)
	NoticeLapse                       // points lapsed
	NoticePassword                    // the password of the holder's page was changed
	NoticeID                          // the MyKey ID was registered, changed or revoked

	AllNotices = NoticeGrant | NoticeLapse | NoticePassword | NoticeID
)

// Profile is what the holder of a MyKey ID has chosen for points (システム設計書
// I.6⑥⑦, IV(7)).
type Profile struct {
	Mail    MailAddress // zero: no mail
	Notices Notice      // without a mail address none
	Base    Account     // 基本自治体ポイント口座; may be chosen later
}

// Check returns a [*mykey.FormError] if the notices are malformed or want an
// address that is missing, and the errors of [CheckBase] for a base account that is set. The
// programmes are those of the ledger.
func (p Profile) Check(programmes []Programme) error {
	if p.Notices&^AllNotices != 0 {
		return &mykey.FormError{Field: "notices", Rule: mykey.RuleUnknown, Pos: -1}
	}
	if p.Mail.IsZero() && p.Notices != 0 {
		return &mykey.FormError{Field: "mail", Rule: mykey.RuleMissing, Pos: -1}
	}
	if p.Base == "" {
		return nil
	}
	return CheckBase(p.Base, programmes)
}

var (
	// ErrBaseKind is returned for a base account that is not of a
	// municipality's points: an event is never a base account.
	ErrBaseKind = errors.New("point: a base account must be of a municipality's points")
	// ErrNoProgramme is returned for an account that no programme has, such as
	// a municipality without points.
	ErrNoProgramme = errors.New("point: no such programme")
)

// CheckBase returns nil if the account can be a holder's base account
// (基本自治体ポイント口座), to which reserved points move that nobody has steered
// (システム設計書 I.6⑦). Otherwise it returns [ErrNoProgramme] or [ErrBaseKind].
func CheckBase(a Account, programmes []Programme) error {
	for _, p := range programmes {
		if p.Account == a {
			if p.Kind != Municipal {
				return ErrBaseKind
			}
			return nil
		}
	}
	return ErrNoProgramme
}
