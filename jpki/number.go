package jpki

// NewNumberA returns the key that is the My Number (照合番号A). The kind is
// [TextNumberA] or [VisualNumberA]. NewNumberA fails with a [*FormatError] for
// another kind and for the zero MyNumber.
func NewNumberA(kind PINKind, n MyNumber) (PIN, error) {
	if kind != TextNumberA && kind != VisualNumberA {
		return PIN{}, &FormatError{PIN: kind, Reason: UnknownPIN}
	}
	return NewPIN(kind, n.Digits())
}

// A Calendar is how the birth date is printed on a card.
type Calendar uint8

// The calendars on cards.
const (
	// JapaneseCalendar is the year of the era (和暦), as on the cards of citizens:
	// 1980-02-17 is 550217.
	JapaneseCalendar Calendar = iota + 1
	// GregorianCalendar is the last two digits of the year (西暦), as the cards of
	// foreign residents print it: 1980-02-17 is 800217. No measurement is
	// published; this package assumes that the key follows the print on those
	// cards. A wrong key uses up a try.
	GregorianCalendar
)

// NewNumberB returns the key of birth date, expiry and security code (照合番号B).
// The kind is [TextNumberB] or [VisualNumberB]. All three are printed on the card.
// Only the year of expiry is used, and code is the four digits beside it
// (セキュリティコード). calendar is how the card prints the birth date.
//
// NewNumberB fails with a [*FormatError] for what cannot be on a card. This key
// has its own tries, and resetting a PIN does not reset them.
func NewNumberB[S ~string | ~[]byte](kind PINKind, birth, expiry Date, code S, calendar Calendar) (PIN, error) {
	if kind != TextNumberB && kind != VisualNumberB {
		return PIN{}, &FormatError{PIN: kind, Reason: UnknownPIN}
	}
	digits, ok := birthDigits(birth, calendar)
	if !ok || expiry.Year() < 2000 {
		return PIN{}, &FormatError{PIN: kind, Reason: WrongDate}
	}
	text := make([]byte, 0, 32)
	defer func() { clear(text[:cap(text)]) }()
	text = append(text, digits[:]...)
	for unit := 1000; unit > 0; unit /= 10 {
		text = append(text, '0'+byte(expiry.Year()/unit%10))
	}
	// All of a text that is too long is not needed to see that it is.
	text = append(text, code[:min(len(code), 16)]...)
	return NewPIN(kind, text)
}

// NewBirthDateKey returns the [BirthDateKey], which is the birth date as the
// card prints it. It fails with a [*FormatError] for what cannot be on a card.
func NewBirthDateKey(birth Date, calendar Calendar) (PIN, error) {
	digits, ok := birthDigits(birth, calendar)
	if !ok {
		return PIN{}, &FormatError{PIN: BirthDateKey, Reason: WrongDate}
	}
	return NewPIN(BirthDateKey, digits[:])
}

// birthDigits returns YYMMDD.
func birthDigits(birth Date, calendar Calendar) (digits [6]byte, ok bool) {
	var year int
	switch calendar {
	case JapaneseCalendar:
		_, year, ok = birth.Era()
	case GregorianCalendar:
		year, ok = birth.Year()%100, birth.Year() > 0
	}
	if !ok || year > 99 {
		return digits, false
	}
	for i, n := range [3]int{year, int(birth.month), int(birth.day)} {
		digits[2*i], digits[2*i+1] = '0'+byte(n/10), '0'+byte(n%10)
	}
	return digits, true
}

// malformedNumber returns what is wrong with a key of the right length, and 0 if
// nothing is wrong or the holder chooses the PIN.
func malformedNumber(kind PINKind, text []byte) FormatReason {
	switch kind {
	case TextNumberA, VisualNumberA:
		if text[11] != myNumberCheck(text[:11]) {
			return WrongCheckDigit
		}
	case TextNumberB, VisualNumberB, BirthDateKey:
		month, day := text[2:4], text[4:6]
		if string(month) > "12" || string(day) > "31" || string(month) == "00" && string(day) != "00" {
			return WrongDate
		}
		if kind != BirthDateKey && string(text[6:8]) != "20" {
			return WrongDate
		}
	}
	return 0
}
