package advice

import (
	"errors"
	"fmt"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/apdu/tlv"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/jpki/cms"
	"github.com/mynakit/mynakit/jpki/revoke"
	"github.com/mynakit/mynakit/jpki/unlock"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/registry"
)

// wrongPIN is the advice for a PIN that the card refused.
func wrongPIN(err error) (Advice, bool) {
	pin, ok := errors.AsType[*jpki.PINError](err)
	switch {
	case !ok:
		return Advice{}, false
	case pin.Blocked || pin.Left <= 0:
		return say("pin_blocked", Never,
			"暗証番号がロックされています。", "お住まいの市区町村の窓口で、暗証番号の初期化・再設定が必要です。",
			"The PIN is blocked.", "The holder has to have it reset at the counter of the municipality."), true
	}
	return say("pin_wrong", Holder,
		fmt.Sprintf("%sが違います。残り%d回です。", pin.PIN.Label(jpki.Japanese), pin.Left), "ご本人が番号を確認してから、もう一度入力してください。",
		fmt.Sprintf("The %s is wrong. Tries left: %d.", pin.PIN.Label(jpki.English), pin.Left), "Let the holder think again before typing it once more."), true
}

// kiosk repeats why a kiosk does not reset a PIN.
func kiosk(err error) (Advice, bool) {
	e, ok := errors.AsType[*unlock.KioskError](err)
	if !ok {
		return Advice{}, false
	}
	a := say("kiosk", Never, "", "お住まいの市区町村の窓口での初期化・再設定をご案内ください。",
		"", "Send the holder to the counter of the municipality.")
	a.What = mykey.Text{JA: e.Text(jpki.Japanese), EN: e.Text(jpki.English)}
	return a, true
}

func card() []Entry {
	return []Entry{
		ForType[*jpki.LastTryError](say("pin_last_try", Never,
			"残り1回のため、暗証番号をカードに送信しませんでした。", "番号に自信がないときは、お住まいの市区町村の窓口での初期化・再設定をご案内ください。",
			"One try is left, so the PIN was not sent to the card.", "If the holder is not sure of it, the counter of the municipality resets it.")),
		ForType[*jpki.FormatError](say("pin_format", Change,
			"暗証番号の形式が正しくありません。カードには送信していません。", "利用者証明用の暗証番号は半角数字4桁です。もう一度入力してください。",
			"That cannot be a PIN; nothing was sent to the card.", "The PIN for user authentication has four digits. Type it again.")),
		ForType[*jpki.PINRequiredError](say("pin_first", Holder,
			"暗証番号の入力が必要です。", "スマートフォンのときは、暗証番号を入力してから、もう一度かざしてください。",
			"The PIN comes first.", "With a phone, type the PIN and hold it to the reader again.")),
		For(say("pin_outcome_unknown", Card,
			"暗証番号の照合中に、カードとの通信が切れました。残り回数が減っている可能性があります。", "カードをセットし直し、残り回数を確認してから入力してください。",
			"The link to the card broke while the PIN was checked; a try may be gone.", "Put the card back; the number of tries left is read first."),
			jpki.ErrOutcomeUnknown),
		For(say("pin_change_unknown", Card,
			"暗証番号の変更中に、カードとの通信が切れました。変更されたかどうかを確認できませんでした。", "カードをセットし直し、残り回数を確認してから、新しい暗証番号を入力してください。",
			"The link to the card broke while the PIN was changed; it may be the new one.", "Put the card back, look at the tries left, and type the new PIN first."),
			jpki.ErrChangeUnknown),
		For(say("wrong_card", Card,
			"手続きを始めたときと別のカードです。手続きを中止しました。", "ご本人のカードだけをセットして、最初からやり直してください。処理は行っていません。",
			"This is not the card that the procedure began with; it has been ended.", "Put the holder's own card in and begin again. Nothing was changed."),
			registry.ErrWrongCard),
		For(say("card_changed", Card,
			"カードが一度外れたため、手続きを続けられません。", "カードをセットしたまま、最初からやり直してください。処理は行っていません。",
			"The card was lifted for a moment, or is another one.", "Leave it there and begin again. Nothing was changed."),
			jpki.ErrCardChanged),
		For(say("not_a_my_number_card", Card,
			"マイナンバーカードではありません。", "ほかのカードが重なっていないか確認して、セットし直してください。",
			"This is not an Individual Number Card.", "See that no other card lies with it, and put it in again."),
			jpki.ErrNotJPKI),
		ForType[*jpki.NoApplicationError](say("no_application", Never,
			"このカードには、必要な情報がありません。", "ほかのカードが重なっていないか確認してください。続くときは、システム担当者に連絡してください。",
			"The card does not have what is to be read.", "See that no other card lies with it. If it stays so, tell the system administrator.")),
		For(say("no_certificate", Never,
			"このカードには、必要な電子証明書がありません。", "お住まいの市区町村の窓口で発行の手続きができます。",
			"The card does not hold the certificate that is needed.", "The counter of the municipality can issue one."),
			jpki.ErrNoCertificate, jpki.ErrNoHolderData),
		// Before the holder's: an expired root comes with jpki.ErrExpired too.
		For(say("root_expired", Never,
			"この端末のルート証明書は、今日の日付では有効ではありません。", "カードの問題ではありません。端末の日付を確認し、システム担当者に連絡してください。",
			"The root certificate of this terminal is not valid today.", "The card is not at fault. See whether the terminal's date is right, and tell the system administrator."),
			jpki.ErrIssuerValidity),
		For(say("certificate_expired", Never,
			"カードの電子証明書は、この端末の日付では有効期限が切れています。", "端末の日付を確認してください。正しければ、お住まいの市区町村の窓口での更新をご案内ください。",
			"By this terminal's date the card's certificate has expired.", "See whether the date is right. If it is, the holder can renew the certificate at the counter of the municipality."),
			registry.ErrExpired, jpki.ErrExpired),
		For(say("certificate_not_yet_valid", Never,
			"カードの電子証明書は、この端末の日付ではまだ有効ではありません。", "端末の日付を確認し、システム担当者に連絡してください。",
			"By this terminal's date the card's certificate is not valid yet.", "See whether the date is right, and tell the system administrator."),
			jpki.ErrNotYetValid),
		ForType[*jpki.RevokedError](say("certificate_revoked", Never,
			"カードの電子証明書は失効しています。", "お住まいの市区町村の窓口をご案内ください。",
			"The card's certificate has been revoked.", "The counter of the municipality can help the holder.")),
		For(say("revocation_unknown", Later,
			"電子証明書の失効状況を確認できませんでした。", "通信状態を確認し、しばらくしてからやり直してください。",
			"It could not be found out whether the certificate was revoked.", "Check the network and try again in a while."),
			jpki.ErrRevocationUnknown),
		For(say("revocation_list", Later,
			"失効リストが古いか、正しくないため、電子証明書の失効状況を確認できません。", "通信状態を確認してください。続くときは、システム担当者に連絡してください。",
			"The revocation list is old or not a usable one.", "Check the network. If it stays so, tell the system administrator."),
			revoke.ErrStaleList, revoke.ErrList, revoke.ErrPartialList),
		For(say("no_roots", Never,
			"ルート証明書が正しく設定されていないため、カードを確認できません。", "システム担当者に連絡してください。",
			"The root certificates are missing or not usable, so no card can be checked.", "Tell the system administrator."),
			jpki.ErrRoot, jpki.ErrNoAnchor),
		For(say("message_signature", Never,
			"電子署名を確認できませんでした。", "この文書は受け付けないでください。送信元に再送を依頼してください。",
			"The electronic signature could not be verified.", "Do not accept this document. Ask the sender for another."),
			cms.ErrMessage, cms.ErrNotAccepted, cms.ErrContent, cms.ErrSigner, cms.ErrSignature, cms.ErrSigningTime),
		For(say("certificate_untrusted", Never,
			"カードの電子証明書を確認できませんでした。", "このカードでは手続きできません。続くときは、システム担当者に連絡してください。",
			"The card's certificate cannot be trusted.", "Do not go on with this card. If it happens again, tell the system administrator."),
			jpki.ErrIssuer, jpki.ErrIssuerSignature, jpki.ErrKeyUsage, jpki.ErrPolicy, jpki.ErrCA,
			jpki.ErrCriticalExtension, jpki.ErrAlgorithm, jpki.ErrConstraint, jpki.ErrSignature, jpki.ErrNotAuthentic),
		For(say("card_removed", Card,
			"カードが外れました。", "カードをセットし直し、終わるまで動かさないでください。同じ操作をもう一度行えます。",
			"The card was taken away.", "Put it back and leave it until the end. The step can be made again."),
			apdu.ErrCardRemoved),
		For(say("reader_shared", Later,
			"ほかのプログラムがカードを使っています。", "カードを使用中のプログラムを終了してから、やり直してください。",
			"Another program is using the card.", "Close it and try again."),
			apdu.ErrCardReset),
		For(say("reader_limit", Never,
			"このカードリーダーでは、カードの署名を読み取れません。", "別のカードリーダーを使ってください。",
			"This reader cannot carry the card's signature.", "Use another reader."),
			jpki.ErrReaderLimit),
		For(say("exchange_broken", Card,
			"カードとの通信が途切れました。", "カードをセットし直してください。続くときは、別のカードリーダーを使ってください。",
			"The exchange with the card broke.", "Put it back. If that happens again, use another reader."),
			apdu.ErrExchange),
		ForType[*jpki.UnsupportedError](say("card_unsupported", Never,
			"このカードでは、この操作はできません。", "プラスチックのマイナンバーカードで、やり直してください。",
			"This card cannot do that.", "Try again with the plastic Individual Number Card.")),
		For(program(), apdu.ErrCommandLength, apdu.ErrCommandRange),
		For(unreadable(), apdu.ErrTooManyExchanges, apdu.ErrResponseLength, jpki.ErrCertificate, jpki.ErrCardData, jpki.ErrReply,
			tlv.ErrTruncated, tlv.ErrTag, tlv.ErrLength, tlv.ErrDepth, tlv.ErrNotFound),
		ForType[*jpki.HolderDataError](unreadable()),
		For(badDate(), jpki.ErrDate),
		For(badForm(), jpki.ErrMyNumber, jpki.ErrSerial, jpki.ErrPseudonym),
	}
}

func unreadable() Advice {
	return say("card_unreadable", Card,
		"カードを読み取れませんでした。", "カードをセットし直して、もう一度行ってください。",
		"The card could not be read.", "Put it in again and repeat the step.")
}

// lastOfCard is for what no other entry knows: a step's cause comes first, which
// may be a network's.
func lastOfCard() []Entry {
	unexpected := say("card_unexpected", Card,
		"カードが予期しない応答をしました。", "カードをセットし直して、もう一度行ってください。",
		"The card answered in an unexpected way.", "Put it in again and repeat the step.")
	return []Entry{
		ForType[*apdu.StatusError](unexpected),
		ForType[apdu.Status](unexpected),
		ForType[*jpki.StepError](unreadable()),
	}
}
