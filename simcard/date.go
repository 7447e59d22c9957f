package simcard

import (
	"fmt"
	"time"
)

// eras are the Japanese eras (元号): the digit that the sign certificate has
// for one, and its first day. An era has no day in common with the next.
var eras = [...]struct {
	digit byte
	from  string
	year  int // the Gregorian year that is its first
}{
	{'5', "20190501", 2019}, // Reiwa 令和
	{'4', "19890108", 1989}, // Heisei 平成
	{'3', "19261225", 1926}, // Showa 昭和
	{'2', "19120730", 1912}, // Taisho 大正
	{'1', "18680125", 1868}, // Meiji 明治
}

// day writes a date as cards do, YYYYMMDD in the Gregorian calendar. A date
// that is not known, or has no four-digit year, is eight zeros.
func day(t time.Time) string {
	if s := t.Format("20060102"); !t.IsZero() && len(s) == 8 {
		return s
	}
	return "00000000"
}

// birthCode is the date of birth in the sign certificate: a digit for the era
// (1 Meiji to 5 Reiwa, 0 none) and the date in the Gregorian calendar,
// YYYYMMDD. For a foreign resident it has no era.
func (h *Holder) birthCode() string {
	d := day(h.Birth)
	if !h.Foreign {
		for _, era := range eras {
			if d >= era.from {
				return string(era.digit) + d
			}
		}
	}
	return "0" + d
}

// shortBirth is the date of birth as six digits, YYMMDD, the year as the
// card's face shows it: of the era, or for a foreign resident the last two
// digits of the Gregorian one.
func (h *Holder) shortBirth() string {
	d := day(h.Birth)
	if !h.Foreign {
		for _, era := range eras {
			if d >= era.from {
				return fmt.Sprintf("%02d%s", (h.Birth.Year()-era.year+1)%100, d[4:])
			}
		}
	}
	return d[2:]
}

// birthday is the n-th birthday after the day of issue. Who was born on 29
// February has it on the 28th in other years. Where the date of birth is not
// known the day of issue stands for it.
func (h *Holder) birthday(n int, issued time.Time) time.Time {
	year, month, day := issued.In(jst).Date()
	birthMonth, birthDay := month, day
	if !h.Birth.IsZero() {
		_, birthMonth, birthDay = h.Birth.Date()
	}
	if birthMonth > month || birthMonth == month && birthDay > day {
		year-- // the birthday of this year is the first of them
	}
	year += n
	if birthMonth == time.February && birthDay == 29 && time.Date(year, 2, 29, 0, 0, 0, 0, jst).Day() != 29 {
		birthDay = 28
	}
	return time.Date(year, birthMonth, birthDay, 23, 59, 59, 0, jst)
}

// fifthBirthday is the last day of a certificate.
func (h *Holder) fifthBirthday(issued time.Time) time.Time { return h.birthday(5, issued) }

// cardEnd is the last day of a card: the tenth birthday after its issue, or the
// fifth for one who was under 18 then.
func (h *Holder) cardEnd(issued time.Time) time.Time {
	if !h.Birth.IsZero() && h.Birth.AddDate(18, 0, 0).After(issued) {
		return h.birthday(5, issued)
	}
	return h.birthday(10, issued)
}
