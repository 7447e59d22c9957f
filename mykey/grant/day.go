package grant

import (
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/width"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
)

// firstYear is the year of the Gregorian calendar in which an era began.
func firstYear(e jpki.Era) int {
	return [...]int{jpki.Meiji: 1868, jpki.Taisho: 1912, jpki.Showa: 1926, jpki.Heisei: 1989, jpki.Reiwa: 2019}[e]
}

// ParseDay parses a date as people write it in a roster: 1940年1月1日, 昭和15年1月1日,
// 昭和15/1/1, S15.1.1, 1940/1/1, 1940-01-01, 19400101, 元 for a first year, and the
// full-width forms. A day of an era must lie in the era. The error is a
// [*mykey.FormError].
func ParseDay(s string) (jpki.Date, error) {
	bad := &mykey.FormError{Field: "date", Rule: mykey.RuleCharacter, Pos: -1}
	if len(s) > 64 {
		return jpki.Date{}, &mykey.FormError{Field: "date", Rule: mykey.RuleLength, Pos: 64}
	}
	text := strings.ReplaceAll(width.Fold.String(strings.TrimSpace(s)), " ", "")
	var era jpki.Era
	for _, e := range []jpki.Era{jpki.Meiji, jpki.Taisho, jpki.Showa, jpki.Heisei, jpki.Reiwa} {
		for _, prefix := range []string{e.Japanese(), e.String()[:1], strings.ToLower(e.String()[:1])} {
			if rest, ok := strings.CutPrefix(text, prefix); ok && era == 0 {
				era, text = e, rest
			}
		}
	}
	if len(text) == 8 && era == 0 && strings.Trim(text, "0123456789") == "" {
		text = text[:4] + "/" + text[4:6] + "/" + text[6:]
	}
	text = strings.NewReplacer("年", "/", "月", "/", ".", "/", "-", "/").Replace(strings.TrimSuffix(text, "日"))
	parts := strings.Split(text, "/")
	if len(parts) != 3 {
		return jpki.Date{}, bad
	}
	if parts[0] == "元" && era != 0 {
		parts[0] = "1"
	}
	var n [3]int
	for i, p := range parts {
		v, err := strconv.Atoi(p)
		if err != nil || v < 1 || len(p) > 4 || strings.Trim(p, "0123456789") != "" {
			return jpki.Date{}, bad
		}
		n[i] = v
	}
	if era == 0 && n[0] < 1000 {
		return jpki.Date{}, bad // two digits of which century
	}
	if era != 0 {
		n[0] += firstYear(era) - 1
	}
	d, err := jpki.NewDate(n[0], time.Month(n[1]), n[2])
	if err != nil {
		return jpki.Date{}, bad
	}
	if era != 0 {
		if got, _, ok := d.Era(); !ok || got != era {
			return jpki.Date{}, bad
		}
	}
	return d, nil
}
