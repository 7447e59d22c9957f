package jpki

// A Language is the language of a text for a screen.
type Language uint8

// The languages of texts. Any other value means English.
const (
	English Language = iota + 1
	Japanese
)

// Label returns the name of a PIN as its holder knows it, for a screen.
func (k PINKind) Label(l Language) string {
	ja, en := "", ""
	switch k {
	case AuthPIN:
		ja, en = "利用者証明用電子証明書の暗証番号（数字4桁）", "PIN for user authentication (4 digits)"
	case SignPIN:
		ja, en = "署名用電子証明書の暗証番号（英数字6〜16桁）", "password for digital signature (6 to 16 letters and digits)"
	case TextPIN:
		ja, en = "券面事項入力補助用の暗証番号（数字4桁）", "PIN for card-face data entry (4 digits)"
	case JukiPIN, CommonPIN:
		ja, en = "住民基本台帳用の暗証番号（数字4桁）", "PIN for the resident register (4 digits)"
	case TextNumberA, VisualNumberA:
		ja, en = "照合番号A（個人番号）", "verification number A (My Number)"
	case TextNumberB, VisualNumberB:
		ja, en = "照合番号B（生年月日・有効期限・セキュリティコード）", "verification number B (birth date, expiry, security code)"
	case BirthDateKey:
		ja, en = "生年月日", "birth date"
	default:
		return k.String()
	}
	if l == Japanese {
		return ja
	}
	return en
}
