package point

import (
	"github.com/mynakit/mynakit/mykey"
)

// Link is how a partner's customer transfers points (システム設計書 I.6⑧).
type Link uint8

// The links.
const (
	LinkID     Link = 1 + iota // ID連携: the customer logs in at the partner
	LinkCoupon                 // クーポン連携: the partner issues a code, entered here
)

// Partner is a company whose points can be transferred here
// (地域経済応援ポイント協力会社). Its rate is applied by the partner: a transfer
// states points of this ledger.
type Partner struct {
	Code string // of the form of an [Account]
	Name string
	Link Link
}

// Check returns a [*mykey.FormError] that names the first field that is
// missing or malformed.
func (p Partner) Check() error {
	if _, err := ParseAccount(p.Code); err != nil {
		return &mykey.FormError{Field: "partner code", Rule: mykey.RuleCharacter, Pos: -1}
	}
	if err := checkName("partner name", p.Name); err != nil {
		return err
	}
	if p.Link != LinkID && p.Link != LinkCoupon {
		return &mykey.FormError{Field: "partner link", Rule: mykey.RuleUnknown, Pos: -1}
	}
	return nil
}
