package mykey

// An ErrorCode is an error code as the platform's programs show it, such as
// MKCZ405E: MK, two letters of the subsystem, three digits, E. The help pages
// explain faults by these codes, so a program that shows one spares its holder a
// search. An ErrorCode may be one that this package does not know.
type ErrorCode string

// The codes whose meaning has been published.
const (
	CodeNetwork     ErrorCode = "MKCZ802E" // the network, or too many users
	CodeCardRead    ErrorCode = "MKCZ405E" // the card could not be read
	CodeCertificate ErrorCode = "MKCZ403E" // the certificate has expired or is revoked
	CodeReserved    ErrorCode = "MKCZ302E" // a MyKey ID has been issued already
	CodeReplaced    ErrorCode = "MKCZ372E" // another MyKey ID was made for the same person

	CodeHelperStart   ErrorCode = "MKEC101E" // the browser extension could not start its helper
	CodeHelperSend    ErrorCode = "MKEC102E" // … could not send it a message
	CodeHelperReceive ErrorCode = "MKEC201E" // … got no message from it
)

const fieldCode = "error code"

// ParseErrorCode parses a code of the form MK, two upper-case letters, three
// digits, E. Unknown codes are accepted. It returns a [*FormError] for any other
// text.
func ParseErrorCode(s string) (ErrorCode, error) {
	const form = "MKAA000E" // A: any letter, 0: any digit
	for i := range min(len(s), len(form)) {
		ok := s[i] == form[i]
		switch form[i] {
		case 'A':
			ok = s[i] >= 'A' && s[i] <= 'Z'
		case '0':
			ok = s[i] >= '0' && s[i] <= '9'
		}
		if !ok {
			return "", &FormError{Field: fieldCode, Rule: RuleCharacter, Pos: i}
		}
	}
	if len(s) != len(form) {
		return "", &FormError{Field: fieldCode, Rule: RuleLength, Pos: min(len(s), len(form))}
	}
	return ErrorCode(s), nil
}

// Retry represents whether, and how, doing the same again can help.
type Retry uint8

const (
	RetryUnknown Retry = iota // nobody has said
	RetryNever                // the same will fail again
	RetryLater                // after a wait, longer each time
	RetryAction               // after the holder or the staff has done what the remedy says
	RetryRestart              // not this step, but the procedure from its beginning
)

// String returns one word.
func (r Retry) String() string {
	switch r {
	case RetryNever:
		return "never"
	case RetryLater:
		return "later"
	case RetryAction:
		return "action"
	case RetryRestart:
		return "restart"
	}
	return "unknown"
}

// Text is a sentence in both languages.
type Text struct{ JA, EN string }

// Explanation is what a code means and what to do about it.
type Explanation struct {
	Meaning Text
	Remedy  Text
	Retry   Retry
}

// ErrorCodes is a table of explanations. The full list is not public; add what you
// learn.
type ErrorCodes map[ErrorCode]Explanation

// Explain returns the explanation of a code, and false for one that the table
// does not have. Show the code all the same.
func (t ErrorCodes) Explain(c ErrorCode) (Explanation, bool) {
	e, ok := t[c]
	return e, ok
}

// KnownCodes returns a new table of the codes whose meaning has been published.
func KnownCodes() ErrorCodes {
	helper := func(ja, en string) Explanation {
		return Explanation{
			Meaning: Text{ja, en},
			Remedy: Text{"ブラウザーを再起動してください。直らないときは「マイキーID作成・登録準備ソフト」を再インストールしてください。",
				"Restart the browser. If that does not help, install the preparation software anew."},
			Retry: RetryAction,
		}
	}
	return ErrorCodes{
		CodeNetwork: {
			Meaning: Text{"通信に失敗したか、処理が混み合っています。", "The network failed, or the service is too busy."},
			Remedy: Text{"接続を確認し、しばらくしてからやり直してください。",
				"Check the connection, wait a while and try again."},
			Retry: RetryLater,
		},
		CodeCardRead: {
			Meaning: Text{"カードを読み取れませんでした。", "The card could not be read."},
			Remedy: Text{"カードをセットし直し、終わるまで動かさないでください。暗証番号の残り回数が減っている可能性があります。入力の前に確認してください。",
				"Put the card back and leave it until the end. A PIN try may have been spent: look at the counter before the PIN is typed again."},
			Retry: RetryAction,
		},
		CodeCertificate: {
			Meaning: Text{"利用者証明用電子証明書が有効期限切れか、失効しています。", "The certificate for user authentication has expired or is revoked."},
			Remedy: Text{"お住まいの市区町村の窓口で、電子証明書の発行を受けてください。",
				"Have a new certificate issued at the municipal office."},
			Retry: RetryNever,
		},
		CodeReserved: {
			Meaning: Text{"このカードのマイキーIDはすでに発行されています。", "This card has a MyKey ID already."},
			Remedy: Text{"発行済みのマイキーIDでログインしてください。",
				"Log in with it; do not make another."},
			Retry: RetryNever,
		},
		CodeReplaced: {
			Meaning: Text{"同じ人に別のマイキーIDが作られ、手続き中のマイキーIDは使えなくなりました。",
				"Another MyKey ID was made for the same person, and the one in hand cannot be used any more."},
			Remedy: Text{"最初からやり直してください。", "Begin again from the start."},
			Retry:  RetryRestart,
		},
		CodeHelperStart: helper("ブラウザーの拡張機能が準備ソフトを起動できませんでした。",
			"The browser extension could not start the preparation software."),
		CodeHelperSend: helper("ブラウザーの拡張機能から準備ソフトへ送れませんでした。",
			"The browser extension could not send to the preparation software."),
		CodeHelperReceive: helper("準備ソフトからブラウザーの拡張機能へ応答がありませんでした。",
			"The browser extension got no answer from the preparation software."),
	}
}
