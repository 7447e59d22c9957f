package shop

import (
	"context"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey/registry"
)

// Noticed returns the name of the explanation that the visit's holder agreed to
// for the notice of address changes (住所変更の自動通知), "" without consent. The
// errors are those of [registry.Session.Person].
func (v *Visit) Noticed(ctx context.Context) (explanation string, err error) {
	p, err := v.session.Person(ctx)
	if err != nil || p.Notice == nil {
		return "", err
	}
	return p.Notice.Explanation, nil
}

// ConsentToNotice records that the holder wants the notice of address changes.
// The explanation must have been shown before (システム設計書 II.9②); explanation
// names it. sign is the PIN for the certificate for digital signature, whose
// serial number is read and kept for the notice; it is the caller's to clear. The
// PIN for user authentication was verified before.
//
// The errors are those of [registry.Prove], [jpki.Card.Verify],
// [jpki.Card.Certificate], [jpki.Verifier.Verify] and
// [registry.Session.ConsentToNotice].
func (v *Visit) ConsentToNotice(ctx context.Context, card *jpki.Card, sign jpki.PIN, explanation string) error {
	p, err := v.prove(ctx, card)
	if err != nil {
		return err
	}
	if err := card.Verify(ctx, sign); err != nil {
		return err
	}
	cert, err := card.Certificate(ctx, jpki.Sign)
	if err != nil {
		return err
	}
	verified, err := v.shop.cfg.Verifier.Verify(ctx, cert, jpki.Sign)
	if err != nil {
		return err
	}
	kind, err := card.Kind(ctx)
	if err != nil {
		return err
	}
	kept, err := registry.CertificateOf(verified, kind)
	if err != nil {
		return err
	}
	return v.session.ConsentToNotice(ctx, p, kept, explanation)
}

// WithdrawConsent takes the consent back. The errors are those of
// [registry.Prove] and [registry.Session.WithdrawConsent].
func (v *Visit) WithdrawConsent(ctx context.Context, card *jpki.Card) error {
	p, err := v.prove(ctx, card)
	if err != nil {
		return err
	}
	return v.session.WithdrawConsent(ctx, p)
}
