package jpki

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/internal/secret"
)

// Numbers that are published as examples, and one of each kind of remainder.
const sampleMyNumber = "537686677188"

func TestParseMyNumber(t *testing.T) {
	for _, s := range []string{sampleMyNumber, "614106526000", "000000000000"} {
		n, err := ParseMyNumber(s)
		require.NoError(t, err, s)
		assert.Equal(t, s, n.Digits())
		m, err := ParseMyNumber([]byte(s))
		require.NoError(t, err)
		assert.Equal(t, n, m)
		assert.True(t, n.Equal(m))
		for i := range 11 { // every single wrong digit but those of an 11 in the sum
			for d := byte('0'); d <= '9'; d++ {
				b := []byte(s)
				if b[i] == d {
					continue
				}
				b[i] = d
				if _, err := ParseMyNumber(b); err == nil {
					assert.Equal(t, byte('0'), b[11], "only the check digit 0 stands for two remainders")
				}
			}
		}
	}
	for _, s := range []string{"", "53768667718", "5376866771880", "537686677189", "53768667718A", "５３７６８６６７７１８８", "-37686677188", "537686677188\n"} {
		n, err := ParseMyNumber(s)
		require.ErrorIs(t, err, ErrMyNumber, s)
		assert.True(t, n.IsZero())
		assert.Equal(t, ErrMyNumber.Error(), err.Error())
	}
	assert.Empty(t, MyNumber{}.Digits())
	assert.True(t, MyNumber{}.Equal(MyNumber{}))
}

// The check digit against the rule as it is usually written: 11 less the
// remainder of the sum of P(n) times Q(n).
func TestMyNumberCheck(t *testing.T) {
	seen := map[byte]int{}
	for n := range 20000 {
		digits := fmt.Sprintf("%011d", int64(n)*48271%99999999977)
		sum := 0
		for i := 1; i <= 11; i++ {
			q := i + 1
			if i > 6 {
				q = i - 5
			}
			sum += q * int(digits[11-i]-'0')
		}
		want := byte('0')
		if r := sum % 11; r > 1 {
			want += byte(11 - r)
		}
		require.Equal(t, want, myNumberCheck(digits))
		seen[want]++
	}
	assert.Len(t, seen, 10)
}

func TestNumberB(t *testing.T) {
	birth, expiry := mustDate(t, "19800217"), mustDate(t, "20350217")
	for _, kind := range []PINKind{TextNumberB, VisualNumberB} {
		p, err := NewNumberB(kind, birth, expiry, "2285", JapaneseCalendar)
		require.NoError(t, err)
		assert.Equal(t, "55021720352285", string(p.text()), "measured on a card")
		assert.Equal(t, kind, p.Kind())
		p, err = NewNumberB(kind, birth, expiry, []byte("2285"), GregorianCalendar)
		require.NoError(t, err)
		assert.Equal(t, "80021720352285", string(p.text()))
	}
	for _, tt := range []struct {
		name          string
		birth, expiry string
		code          string
		calendar      Calendar
		why           FormatReason
	}{
		{"first of Heisei", "19890108", "20350108", "0000", JapaneseCalendar, 0},
		{"last of Showa", "19890107", "20350107", "0000", JapaneseCalendar, 0},
		{"no calendar", "19800217", "20350217", "2285", 0, WrongDate},
		{"before Meiji", "18600101", "20350101", "2285", JapaneseCalendar, WrongDate},
		{"expiry of another age", "19800217", "19990217", "2285", JapaneseCalendar, WrongDate},
		{"expiry far ahead", "19800217", "21000217", "2285", JapaneseCalendar, WrongDate},
		{"short code", "19800217", "20350217", "228", JapaneseCalendar, WrongLength},
		{"long code", "19800217", "20350217", "22855", JapaneseCalendar, WrongLength},
		{"very long code", "19800217", "20350217", strings.Repeat("1", 1<<16), JapaneseCalendar, WrongLength},
		{"no code", "19800217", "20350217", "", JapaneseCalendar, WrongLength},
		{"letters", "19800217", "20350217", "22A5", JapaneseCalendar, WrongCharacter},
		{"full-width code", "19800217", "20350217", "２２８５", JapaneseCalendar, FullWidth},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := NewNumberB(TextNumberB, mustDate(t, tt.birth), mustDate(t, tt.expiry), tt.code, tt.calendar)
			if tt.why == 0 {
				require.NoError(t, err)
				assert.Len(t, p.text(), 14)
				return
			}
			requireFormat(t, err, TextNumberB, tt.why)
			assert.Zero(t, p.Kind())
		})
	}
	for _, kind := range []PINKind{0, AuthPIN, TextPIN, TextNumberA, BirthDateKey} {
		_, err := NewNumberB(kind, birth, expiry, "2285", JapaneseCalendar)
		requireFormat(t, err, kind, UnknownPIN)
	}
	_, err := NewNumberB(TextNumberB, Date{}, expiry, "2285", JapaneseCalendar)
	requireFormat(t, err, TextNumberB, WrongDate)
	_, err = NewNumberB(TextNumberB, birth, Date{}, "2285", GregorianCalendar)
	requireFormat(t, err, TextNumberB, WrongDate)
}

func requireFormat(t *testing.T, err error, kind PINKind, why FormatReason) {
	t.Helper()
	var format *FormatError
	require.ErrorAs(t, err, &format)
	assert.Equal(t, FormatError{kind, why}, *format)
}

func TestNumberA(t *testing.T) {
	n, err := ParseMyNumber(sampleMyNumber)
	require.NoError(t, err)
	for _, kind := range []PINKind{TextNumberA, VisualNumberA} {
		p, err := NewNumberA(kind, n)
		require.NoError(t, err)
		assert.Equal(t, sampleMyNumber, string(p.text()))
		_, err = NewNumberA(kind, MyNumber{})
		requireFormat(t, err, kind, WrongLength)
		_, err = NewPIN(kind, "537686677189")
		requireFormat(t, err, kind, WrongCheckDigit)
	}
	_, err = NewNumberA(TextNumberB, n)
	requireFormat(t, err, TextNumberB, UnknownPIN)
}

func TestBirthDateKey(t *testing.T) {
	for _, tt := range []struct {
		birth    string
		calendar Calendar
		want     string
	}{
		{"19800217", JapaneseCalendar, "550217"}, {"19800217", GregorianCalendar, "800217"},
		{"20190501", JapaneseCalendar, "010501"}, {"20190430", JapaneseCalendar, "310430"},
		{"20050905", GregorianCalendar, "050905"}, {"19450000", JapaneseCalendar, "200000"},
	} {
		p, err := NewBirthDateKey(mustDate(t, tt.birth), tt.calendar)
		require.NoError(t, err)
		assert.Equal(t, tt.want, string(p.text()))
	}
	_, err := NewBirthDateKey(Date{}, JapaneseCalendar)
	requireFormat(t, err, BirthDateKey, WrongDate)
	for in, why := range map[string]FormatReason{
		"551317": WrongDate, "550232": WrongDate, "550017": WrongDate, "55021": WrongLength, "5502170": WrongLength, "55O217": WrongCharacter,
	} {
		_, err := NewPIN(BirthDateKey, in)
		requireFormat(t, err, BirthDateKey, why)
	}
	_, err = NewPIN(VisualNumberB, "55021719352285")
	requireFormat(t, err, VisualNumberB, WrongDate)
}

// What identifies the holder prints as [redacted], by every verb and also
// inside other people's structs.
func TestValuesAreNeverPrinted(t *testing.T) {
	n, err := ParseMyNumber(sampleMyNumber)
	require.NoError(t, err)
	attributes := Attributes{kept: secret.New(attributes{"番号　花子", "千葉県印西市大森２３６４番地２", mustDate(t, "19800217"), Female})}
	face := Face{kept: secret.New(face{birth: mustDate(t, "19800217"), name: []byte("PNGNAME"), photo: []byte("JP2PHOTO")})}
	common := CommonData{kept: secret.New(commonRecord{"012345678901234", "13221", mustDate(t, "20350217")})}
	picture := Picture{png: secret.New([]byte("PNGNUMBER"))}
	checked := Verified[Attributes]{value: secret.New(attributes)}
	number := Verified[MyNumber]{value: secret.New(n)}
	identity := Identity{value: n.digits, by: bySerial}

	values := []any{n, attributes, face, common, picture, checked, number, identity}
	type inside struct {
		number     MyNumber
		attributes Attributes
		face       *Face
		common     CommonData
		picture    Picture
		checked    Verified[Attributes]
		number2    Verified[MyNumber]
		identity   Identity
		All        []any
	}
	all := inside{n, attributes, &face, common, picture, checked, number, identity, values}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%b", "%c", "%U", "%t", "%e"} {
		for _, v := range values {
			assert.Equal(t, secret.Redacted, fmt.Sprintf(verb, v), "%T", v)
		}
		fmt.Fprintf(&out, verb+"\n"+verb+"\n", all, &all)
	}
	for _, v := range values {
		assert.Equal(t, secret.Redacted, v.(fmt.Stringer).String())
		assert.Equal(t, secret.Redacted, v.(slog.LogValuer).LogValue().String())
		b, err := json.Marshal(v)
		require.NoError(t, err)
		assert.Equal(t, `"`+secret.Redacted+`"`, string(b))
	}
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("all", "all", all, "values", values)
	}
	s := strings.ToUpper(out.String())
	for _, hidden := range []string{sampleMyNumber, "番号", "花子", "印西", "PNGNAME", "JP2PHOTO", "PNGNUMBER", "1980", "19800217", "1980-02-17", "234567", "13221"} {
		for _, form := range []string{hidden, fmt.Sprintf("%X", hidden), strings.Trim(fmt.Sprint([]byte(hidden)), "[]"), base64Of(hidden)} {
			found := strings.Contains(s, strings.ToUpper(form))
			if len(form) < 8 && strings.Trim(form, "0123456789") == "" {
				// An address that some verb prints holds any few digits.
				found = regexp.MustCompile(`\b` + form + `\b`).MatchString(s)
			}
			if found {
				t.Errorf("printed: %s", form)
			}
		}
	}

	assert.Equal(t, "番号　花子", checked.Value().Name())
	assert.Equal(t, Female, attributes.Sex())
	for _, zero := range []interface{ IsZero() bool }{Attributes{}, Face{}, CommonData{}, Verified[Date]{}, MyNumber{}} {
		assert.True(t, zero.IsZero())
	}
	assert.Empty(t, Attributes{}.Name()+Attributes{}.Address()+CommonData{}.Number()+CommonData{}.ManufacturingNumber()+CommonData{}.Municipality())
	assert.Empty(t, string(Face{}.Photo())+string(Picture{}.PNG())+string(Face{}.NamePicture()))
	assert.True(t, Verified[Attributes]{}.Value().IsZero())
}

func FuzzParseMyNumber(f *testing.F) {
	f.Add([]byte(sampleMyNumber))
	f.Add([]byte("614106526000"))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, in []byte) {
		in = in[:len(in):len(in)]
		n, err := ParseMyNumber(in)
		if (err == nil) == n.IsZero() {
			t.Fatal("number and error disagree")
		}
		if err == nil && n.Digits() != string(in) {
			t.Fatal("changed")
		}
	})
}
