package point_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/mynakit/mynakit/mykey/point"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/unicode"
)

func details(t testing.TB) []point.Detail {
	t.Helper()
	at := func(s string) time.Time { return japan(t, s).In(time.FixedZone("JST", 9*60*60)) }
	return []point.Detail{
		{At: at("2026-11-01 09:05:07"), Kind: point.OpUse, Terminal: "000002", Place: "あおば美術館", Account: "aoba", Points: 1500, Operation: "0123456789012345"},
		{At: at("2026-11-01 10:00:00"), Kind: point.OpUse, Terminal: "2", Place: "=1+1", Account: "aoba", Points: 1, Operation: "000000000001e234"},
		{At: at("2026-11-02 23:59:59"), Kind: point.OpRefund, Terminal: "000002", Place: "'〜堂, \"本店\"", Account: "matsuri", Points: 1234567, Operation: "00000000000000ff", Reverses: "0123456789012345"},
		{At: at("2026-11-03 00:00:00"), Kind: point.OpTicket, Place: "00012", Account: "aoba", Points: 999_999_999_999, Operation: "9876-5432"},
	}
}

func writeDetails(t testing.TB, c point.CSV, all []point.Detail) string {
	t.Helper()
	var b strings.Builder
	require.NoError(t, c.WriteDetails(&b, listed(all...)))
	return b.String()
}

// asCP932 is what a place becomes in a file that only has code page 932.
func asCP932(all []point.Detail) []point.Detail {
	for i := range all {
		all[i].Place = strings.ReplaceAll(all[i].Place, "〜", "～")
	}
	return all
}

// What a spreadsheet does to a file is mended where the check value proves the
// text, and named where it does not.
func TestDetailsCSV(t *testing.T) {
	all := details(t)
	file := writeDetails(t, point.CSV{}, all)
	assert.Equal(t, all, full(t, point.CSV{}.ReadDetails(strings.NewReader(file))))
	assert.NotContains(t, file, ",=1")
	sjis := writeDetails(t, point.CSV{Encoding: point.ShiftJIS}, all)
	assert.Equal(t, asCP932(details(t)), full(t, point.CSV{}.ReadDetails(iotest.OneByteReader(strings.NewReader(sjis)))))

	tabs := strings.NewReplacer(",\"'〜堂, \"\"本店\"\"\",", "\t\"'〜堂, \"\"本店\"\"\"\t").Replace(file)
	tabs = strings.ReplaceAll(strings.ReplaceAll(tabs, "堂, ", "堂\x00 "), ",", "\t")
	tabs = strings.ReplaceAll(tabs, "\x00", ",")
	utf16, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String(tabs[3:])
	require.NoError(t, err)
	for name, in := range map[string]string{
		"no mark":            file[3:],
		"tabs":               tabs,
		"tabs in UTF-16":     utf16,
		"empty columns":      strings.ReplaceAll(file, "\r\n", ",,\r\n"),
		"empty rows":         file + ",,,,,,,,\r\n,,,,,,,,\r\n",
		"line feeds":         strings.ReplaceAll(file, "\r\n", "\n"),
		"zeros":              strings.ReplaceAll(strings.ReplaceAll(file, ",000002,", ",2,"), ",00012,", ",12,"),
		"hours":              strings.ReplaceAll(file, "2026/11/01 09:", "2026/11/1 9:"),
		"seconds":            strings.ReplaceAll(file, "2026/11/01 09:05:07", "2026/11/1 9:05"),
		"dashes":             strings.ReplaceAll(file, "2026/11/", "2026-11-"),
		"thousands":          strings.ReplaceAll(file, ",1234567,", ",\"1,234,567\","),
		"zeros and seconds":  strings.NewReplacer(",000002,", ",2,", "2026/11/01 09:05:07", "2026/11/1 9:05", ",1500,", ",\"1,500\",").Replace(file),
		"quotes around all":  strings.ReplaceAll(file, ",000002,", ",\"000002\","),
		"the other terminal": strings.ReplaceAll(file, ",2,'", ",\"2\",'"),
	} {
		require.NotEqual(t, file, in, name)
		assert.Equal(t, all, full(t, point.CSV{}.ReadDetails(strings.NewReader(in))), name)
	}
	_, err = japanese.ShiftJIS.NewEncoder().String(file[3:])
	require.Error(t, err, "a wave dash is no character there")

	for name, tc := range map[string]struct {
		from, to     string
		line, column int
		err          error
	}{
		"points":            {",1500,", ",1501,", 2, 9, point.ErrCSV},
		"large number":      {",999999999999,", ",1E+12,", 5, 9, point.ErrSpreadsheet},
		"terminal":          {",000002,", ",000003,", 2, 9, point.ErrCSV},
		"another zero":      {",2,'", ",02,'", 3, 9, point.ErrCSV},
		"another minute":    {"2026/11/01 09:05:07", "2026/11/1 9:06", 2, 9, point.ErrSpreadsheet},
		"no time":           {"2026/11/01 09:05:07", "46327.4", 2, 1, point.ErrCSV},
		"a question mark":   {"美術館", "?術館", 2, 9, point.ErrCSV},
		"the account":       {",matsuri,", ",aoba,", 4, 9, point.ErrCSV},
		"the check value":   {",k", ",l", 2, 9, point.ErrCSV},
		"header":            {"端末ID", "端末", 1, 3, point.ErrCSV},
		"a later version":   {"検査値1", "検査値2", 1, 9, point.ErrCSV},
		"a row cut":         {",aoba,1500,", ",aoba\r\n,1500,", 2, 0, point.ErrCSV},
		"an open quote":     {",aoba,1500,", ",\"aoba,1500,", 2, 0, point.ErrCSV},
		"a column more":     {"あおば美術館,", "あおば美術館,x,", 2, 0, point.ErrCSV},
		"an endless column": {"あおば美術館", strings.Repeat("あ", 10_000), 2, 0, point.ErrCSV},
	} {
		in := strings.Replace(file, tc.from, tc.to, 1)
		require.NotEqual(t, file, in, name)
		_, err := point.Tally(period(t, "2026-11-01", "2026-11-30"), point.CSV{}.ReadDetails(strings.NewReader(in)))
		var at *point.CSVError
		require.ErrorAs(t, err, &at, name)
		assert.ErrorIs(t, err, tc.err, name)
		assert.Equal(t, []int{tc.line, tc.column}, []int{at.Line, at.Column}, name)
		assert.NotContains(t, err.Error(), "美術館")
	}
	broken := errors.New("broken")
	for _, err := range (point.CSV{}).ReadDetails(iotest.ErrReader(broken)) {
		assert.ErrorIs(t, err, broken)
	}
	assert.ErrorIs(t, point.CSV{}.WriteDetails(&strings.Builder{}, func(yield func(point.Detail, error) bool) { yield(point.Detail{}, broken) }), broken)
	assert.Error(t, point.CSV{Encoding: 9}.WriteDetails(&strings.Builder{}, listed(all...)))
	all[0].Place = "𠮷野家"
	var at *point.CSVError
	require.ErrorAs(t, point.CSV{Encoding: point.ShiftJIS}.WriteDetails(&strings.Builder{}, listed(all...)), &at)
	assert.ErrorIs(t, at, point.ErrUnmappable)
	assert.Equal(t, []int{2, 4}, []int{at.Line, at.Column})
}

func TestSettlementCSV(t *testing.T) {
	s := point.Settlement{Period: period(t, "2026-11-01", "2026-11-30"), Final: true, Lines: []point.Line{
		{Terminal: "1", Place: "美術館", Account: "aoba", Uses: point.Total{Count: 2, Points: 700}, Refunds: point.Total{Count: 1, Points: 200}},
		{Terminal: "2", Place: "美術館", Account: "aoba", Tickets: point.Total{Count: 1, Points: 500}},
		{Terminal: "3", Place: "=x", Account: "matsuri", Uses: point.Total{Count: 1, Points: 1}},
	}}
	var b strings.Builder
	require.NoError(t, point.CSV{}.WriteSettlement(&b, s))
	assert.Equal(t, []string{
		"\ufeff端末設置場所,アカウント,利用回数,利用ポイント数,消込回数,消込ポイント数,返還回数,返還ポイント数,取引回数合計,利用ポイント数合計,開始日,終了日,状態1",
		"'=x,matsuri,1,1,0,0,0,0,1,1,2026-11-01,2026-11-30,確定",
		"美術館,aoba,2,700,1,500,1,200,3,1000,2026-11-01,2026-11-30,確定",
		"合計,,3,701,1,500,1,200,4,1001,2026-11-01,2026-11-30,確定", "",
	}, strings.Split(b.String(), "\r\n"))
	s.Training = true
	b.Reset()
	require.NoError(t, point.CSV{Encoding: point.ShiftJIS}.WriteSettlement(&b, s))
	text, err := japanese.ShiftJIS.NewDecoder().String(b.String())
	require.NoError(t, err)
	assert.Contains(t, text, ",訓練\r\n")
	p := point.PartnerSettlement{Period: s.Period, Lines: []point.PartnerLine{{Partner: "card-a", Account: "reserved", Moved: point.Total{Count: 2, Points: 120}, Back: point.Total{Count: 1, Points: 7}}}}
	b.Reset()
	require.NoError(t, point.CSV{}.WritePartners(&b, p))
	assert.Equal(t, "card-a,reserved,2,120,1,7,2026-11-01,2026-11-30,未確定", strings.Split(b.String(), "\r\n")[1])
}

func TestTransferredCSV(t *testing.T) {
	at := japan(t, "2026-11-01 09:05:07").In(time.FixedZone("JST", 9*60*60))
	all := []point.Transferred{{At: at, Kind: point.OpPartner, Partner: "card-a", Account: "reserved", Points: 120, Operation: "00000000000000ff", Request: point.Request{Scope: "card-a", Name: "000123"}},
		{At: at, Kind: point.OpClawback, Partner: "card-a", Account: "reserved", Points: 1, Operation: "00000000000000fe", Request: point.Request{Scope: "office", Name: "x"}}}
	var b bytes.Buffer
	require.NoError(t, point.CSV{}.WriteTransferred(&b, listed(all...)))
	file := b.String()
	assert.Equal(t, all, full(t, point.CSV{}.ReadTransferred(&b)))
	assert.Equal(t, all, full(t, point.CSV{}.ReadTransferred(strings.NewReader(strings.Replace(file, ",000123,", ",123,", 1)))))
	for _, err := range (point.CSV{}).ReadTransferred(strings.NewReader(strings.Replace(file, ",000123,", ",124,", 1))) {
		assert.ErrorIs(t, err, point.ErrCSV)
	}
	for _, err := range (point.CSV{}).ReadTransferred(strings.NewReader(writeDetails(t, point.CSV{}, details(t)))) {
		assert.ErrorIs(t, err, point.ErrCSV)
	}
}

func FuzzReadPointDetails(f *testing.F) {
	all := details(f)
	file := writeDetails(f, point.CSV{}, all)
	f.Add([]byte(file))
	f.Add([]byte(writeDetails(f, point.CSV{Encoding: point.ShiftJIS}, all)))
	f.Add([]byte(strings.NewReplacer(",000002,", ",2,", "2026/11/01 09:05:07", "2026/11/1 9:05").Replace(file)))
	f.Add([]byte(strings.ReplaceAll(file[:400], ",", "\t")))
	f.Fuzz(func(t *testing.T, in []byte) {
		var good []point.Detail
		for d, err := range (point.CSV{}).ReadDetails(bytes.NewReader(in)) {
			if err != nil {
				_, ok := errors.AsType[*point.CSVError](err)
				require.True(t, ok, "%v", err)
				break
			}
			good = append(good, d)
		}
		if len(good) > 0 {
			require.Equal(t, good, full(t, point.CSV{}.ReadDetails(strings.NewReader(writeDetails(t, point.CSV{}, good)))))
		}
	})
}
