package advice

import "github.com/mynakit/mynakit/mykey"

// OfCode returns the advice for a code that the platform's programs show, and
// false for one whose meaning has not been published. Show the code all the same.
func OfCode(code mykey.ErrorCode) (Advice, bool) {
	a, ok := ofCode(code)
	a.Code = code
	return a, ok
}

func ofCode(code mykey.ErrorCode) (Advice, bool) {
	switch code {
	case mykey.CodeNetwork:
		return say("platform_network", Later,
			"通信に失敗したか、処理が混み合っています。", "接続を確認し、しばらくしてからやり直してください。",
			"The network failed, or the service is too busy.", "Check the connection, wait a while and try again."), true
	case mykey.CodeCardRead:
		return say("platform_card_read", Card,
			"カードを読み取れませんでした。", "カードをセットし直し、終わるまで動かさないでください。暗証番号の残り回数が減っている可能性があります。入力の前に確認してください。",
			"The card could not be read.", "Put the card back and leave it until the end. A PIN try may have been spent: see how many are left before the PIN is typed again."), true
	case mykey.CodeCertificate:
		return say("platform_certificate", Never,
			"利用者証明用電子証明書が有効期限切れか、失効しています。", "お住まいの市区町村の窓口で、電子証明書の発行を受けてください。",
			"The certificate for user authentication has expired or is revoked.", "Have a new certificate issued at the municipal office."), true
	case mykey.CodeReserved:
		return say("platform_reserved", Never,
			"このカードのマイキーIDはすでに発行されています。", "発行済みのマイキーIDでログインしてください。",
			"This card has a MyKey ID already.", "Log in with it; do not make another."), true
	case mykey.CodeReplaced:
		return say("platform_replaced", Change,
			"同じ人に別のマイキーIDが作られ、手続き中のマイキーIDは使えなくなりました。", "最初からやり直してください。",
			"Another MyKey ID was made for the same person, and the one in hand cannot be used any more.", "Begin again from the start."), true
	case mykey.CodeHelperStart:
		return extension("ブラウザーの拡張機能が準備ソフトを起動できませんでした。",
			"The browser extension could not start the preparation software."), true
	case mykey.CodeHelperSend:
		return extension("ブラウザーの拡張機能から準備ソフトへ送れませんでした。",
			"The browser extension could not send to the preparation software."), true
	case mykey.CodeHelperReceive:
		return extension("準備ソフトからブラウザーの拡張機能へ応答がありませんでした。",
			"The browser extension got no answer from the preparation software."), true
	}
	return Advice{}, false
}

func extension(ja, en string) Advice {
	return say("platform_extension", Later,
		ja, "ブラウザーを再起動してください。直らないときは「マイキーID作成・登録準備ソフト」を再インストールしてください。",
		en, "Restart the browser. If that does not help, install the preparation software anew.")
}
