package point_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"log"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var payout = point.Payout{Orderer: "1234567890", Name: "あおばし ざいせいか", Month: 12, Day: 25,
	From: point.BankAccount{BankName: "ﾐﾎﾝ", BankCode: "9999", BranchName: "本店", BranchCode: "001", Type: point.Current, Number: "0000123", Holder: "アオバシ"}}

func payee(number, holder string) point.BankAccount {
	return point.BankAccount{BankName: "見本銀行", BankCode: "9998", BranchName: "アオバ", BranchCode: "002", Type: point.Ordinary, Number: number, Holder: holder}
}

var transfers = []point.Transfer{
	{To: payee("0000001", "カ）アオバショウテン"), Yen: 12_345, First: true, References: [2]string{"42"}},
	{To: payee("7654321", "ﾐﾎﾝ ﾊﾅｺ"), Yen: 1},
}

func record(s string) string { return s + strings.Repeat(" ", 120-len([]rune(s))) }

// sjis is half-width kana as the bytes of the file.
func sjis(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r >= '｡' {
			r += 0xA1 - '｡'
		}
		b.WriteByte(byte(r))
	}
	return b.String()
}

// The file is that of the banks' form, to the byte, and comes back.
func TestTransfers(t *testing.T) {
	var out bytes.Buffer
	sum, err := point.WriteTransfers(&out, payout, listed(transfers...))
	require.NoError(t, err)
	assert.Equal(t, point.Total{Count: 2, Points: 12_346}, sum)
	pad := func(s string, n int) string { return s + strings.Repeat(" ", n-len([]rune(s))) }
	want := sjis(strings.Join([]string{
		record("1210" + "1234567890" + pad("ｱｵﾊﾞｼ ｻﾞｲｾｲｶ", 40) + "1225" + "9999" + pad("ﾐﾎﾝ", 15) + "001" + pad("", 15) + "2" + "0000123"),
		record("2" + "9998" + pad("", 15) + "002" + pad("ｱｵﾊﾞ", 15) + "    " + "1" + "0000001" + pad("ｶ)ｱｵﾊﾞｼﾖｳﾃﾝ", 30) + "0000012345" + "1" + "0000000042" + pad("", 10) + "7"),
		record("2" + "9998" + pad("", 15) + "002" + pad("ｱｵﾊﾞ", 15) + "    " + "1" + "7654321" + pad("ﾐﾎﾝ ﾊﾅｺ", 30) + "0000000001" + "0" + pad("", 20) + "7"),
		record("8" + "000002" + "000000012346"),
		record("9"), ""}, "\r\n"))
	require.Equal(t, want, out.String())
	require.Len(t, out.Bytes(), 5*122)

	for name, file := range map[string]string{"CRLF": want, "LF": strings.ReplaceAll(want, "\r", ""), "none": strings.ReplaceAll(want, "\r\n", ""),
		"Ctrl-Z": want + "\x1a", "none, Ctrl-Z": strings.ReplaceAll(want, "\r\n", "") + "\x1a", "no last end": strings.TrimSuffix(want, "\r\n")} {
		p, seq, err := point.ReadTransfers(iotest.OneByteReader(strings.NewReader(file)))
		require.NoError(t, err, name)
		assert.Equal(t, "ｱｵﾊﾞｼ ｻﾞｲｾｲｶ", p.Name)
		assert.Equal(t, payout.Orderer, p.Orderer)
		assert.Equal(t, payout.From.Number, p.From.Number)
		back := full(t, seq)
		require.Len(t, back, 2, name)
		assert.Equal(t, "ｶ)ｱｵﾊﾞｼﾖｳﾃﾝ", back[0].To.Holder)
		assert.Equal(t, [2]string{"0000000042", ""}, back[0].References)
		assert.True(t, back[0].First)
		var again bytes.Buffer
		_, err = point.WriteTransfers(&again, p, listed(back...))
		require.NoError(t, err)
		assert.Equal(t, want, again.String(), name)
	}

	// Every byte that is changed to one of another kind is found, but where names
	// and numbers can be anything of their kind.
	file := strings.ReplaceAll(want, "\r\n", "")
	for i := range file {
		for _, c := range []byte{'\n', 0x80, 0xFF, 'a', ','} {
			_, _, err := readAll(strings.NewReader(file[:i] + string([]byte{c}) + file[i+1:]))
			require.ErrorIs(t, err, point.ErrTransfer, "byte %d becomes %#x", i, c)
		}
		_, _, err := readAll(strings.NewReader(file[:i]))
		require.ErrorIs(t, err, point.ErrTransfer, "cut at %d", i)
	}
	for name, bad := range map[string]string{
		"sum":              strings.Replace(want, "000000012346", "000000012347", 1),
		"count":            strings.Replace(want, "8000002", "8000003", 1),
		"amount":           strings.Replace(want, "00000000010", "00000000000", 1),
		"day":              strings.Replace(want, "1225", "0230", 1),
		"savings":          strings.Replace(want, "20000123", "40000123", 1),
		"type":             strings.Replace(want, "17654321", "37654321", 1),
		"two ends":         strings.Replace(want, "\r\n", "\n", 1),
		"behind the end":   want + "9",
		"behind Ctrl-Z":    want + "\x1a\x1a",
		"a second header":  want[:122] + want,
		"no trailer":       want[:122*3] + want[122*4:],
		"another order":    strings.Replace(want, "1210", "1710", 1),
		"empty":            "",
		"EDI":              strings.Replace(want, "7        \r", "7Y       \r", 1),
		"no payee's name":  strings.Replace(want, sjis("ﾐﾎﾝ ﾊﾅｺ"), "       ", 1),
		"no orderer":       strings.Replace(want, sjis("ｱｵﾊﾞｼ ｻﾞｲｾｲｶ"), strings.Repeat(" ", 12), 1),
		"no first or none": strings.Replace(want, "00000123451", "00000123459", 1),
	} {
		require.NotEqual(t, want, bad, name)
		_, _, err := readAll(strings.NewReader(bad))
		assert.ErrorIs(t, err, point.ErrTransfer, name)
	}
	broken := errors.New("broken")
	_, _, err = readAll(iotest.TimeoutReader(strings.NewReader(want)))
	assert.NoError(t, err, "one read is enough")
	_, _, err = readAll(iotest.ErrReader(broken))
	assert.ErrorIs(t, err, broken)
	assert.NotErrorIs(t, err, point.ErrTransfer)
}

func readAll(r interface{ Read([]byte) (int, error) }) (point.Payout, []point.Transfer, error) {
	p, seq, err := point.ReadTransfers(r)
	if err != nil {
		return p, nil, err
	}
	var all []point.Transfer
	for v, err := range seq {
		if err != nil {
			return p, nil, err
		}
		all = append(all, v)
	}
	return p, all, nil
}

// What a record cannot hold is not written.
func TestTransfersRefused(t *testing.T) {
	broken := errors.New("broken")
	for name, tc := range map[string]struct {
		change func(p *point.Payout, v *point.Transfer)
		err    error
	}{
		"code":        {func(p *point.Payout, _ *point.Transfer) { p.Orderer = "123" }, point.ErrTransfer},
		"no name":     {func(p *point.Payout, _ *point.Transfer) { p.Name = " " }, point.ErrTransfer},
		"long name":   {func(p *point.Payout, _ *point.Transfer) { p.Name = strings.Repeat("ｱ", 41) }, point.ErrTransfer},
		"kanji":       {func(p *point.Payout, _ *point.Transfer) { p.Name = "青葉市" }, mykey.ErrForm},
		"day":         {func(p *point.Payout, _ *point.Transfer) { p.Month, p.Day = 11, 31 }, point.ErrTransfer},
		"month":       {func(p *point.Payout, _ *point.Transfer) { p.Month = 13 }, point.ErrTransfer},
		"savings":     {func(p *point.Payout, _ *point.Transfer) { p.From.Type = point.Savings }, point.ErrTransfer},
		"from":        {func(p *point.Payout, _ *point.Transfer) { p.From.BankCode = "1" }, point.ErrTransfer},
		"to":          {func(_ *point.Payout, v *point.Transfer) { v.To.Number = "123456" }, point.ErrTransfer},
		"payee":       {func(_ *point.Payout, v *point.Transfer) { v.To.Holder = "株式会社" }, mykey.ErrForm},
		"nothing":     {func(_ *point.Payout, v *point.Transfer) { v.Yen = 0 }, point.ErrTransfer},
		"negative":    {func(_ *point.Payout, v *point.Transfer) { v.Yen = -5 }, point.ErrTransfer},
		"too much":    {func(_ *point.Payout, v *point.Transfer) { v.Yen = 10_000_000_000 }, point.ErrTransfer},
		"long code":   {func(_ *point.Payout, v *point.Transfer) { v.References[1] = "12345678901" }, point.ErrTransfer},
		"code's kind": {func(_ *point.Payout, v *point.Transfer) { v.References[0] = "A" }, point.ErrTransfer},
	} {
		p, v := payout, transfers[0]
		tc.change(&p, &v)
		_, err := point.WriteTransfers(&bytes.Buffer{}, p, listed(v))
		assert.ErrorIs(t, err, tc.err, name)
	}
	_, err := point.WriteTransfers(&bytes.Buffer{}, payout, func(yield func(point.Transfer, error) bool) { yield(point.Transfer{}, broken) })
	assert.ErrorIs(t, err, broken)
	most := transfers[0]
	most.Yen = 9_999_999_999
	_, err = point.WriteTransfers(&bytes.Buffer{}, payout, repeated(most, 101))
	assert.ErrorIs(t, err, point.ErrTransfer, "the sum")
}

func repeated(v point.Transfer, n int) iter.Seq2[point.Transfer, error] {
	return func(yield func(point.Transfer, error) bool) {
		for range n {
			if !yield(v, nil) {
				return
			}
		}
	}
}

func FuzzReadTransfers(f *testing.F) {
	var out bytes.Buffer
	_, err := point.WriteTransfers(&out, payout, listed(transfers...))
	require.NoError(f, err)
	f.Add(out.Bytes())
	f.Add(bytes.ReplaceAll(out.Bytes(), []byte("\r\n"), nil))
	f.Add(append(bytes.ReplaceAll(out.Bytes(), []byte("\r"), nil), 0x1A))
	f.Add(out.Bytes()[:244])
	f.Fuzz(func(t *testing.T, file []byte) {
		p, all, err := readAll(bytes.NewReader(file))
		if err != nil {
			require.ErrorIs(t, err, point.ErrTransfer)
			return
		}
		// What is read is written, and reads the same.
		var again bytes.Buffer
		sum, err := point.WriteTransfers(&again, p, listed(all...))
		require.NoError(t, err)
		require.EqualValues(t, len(all), sum.Count)
		p2, all2, err := readAll(&again)
		require.NoError(t, err)
		require.Equal(t, p, p2)
		require.Equal(t, all, all2)
	})
}

// A settlement is paid place by place, when it is final.
func TestSettlementTransfers(t *testing.T) {
	line := func(place string, account point.Account, uses, refunds int64) point.Line {
		return point.Line{Terminal: "T", Place: place, Account: account, Uses: point.Total{Count: 1, Points: uses}, Refunds: point.Total{Count: 1, Points: refunds}}
	}
	s := point.Settlement{Final: true, Lines: []point.Line{line("A", "aoba", 100, 1), line("A", "matsuri", 50, 0), line("B", "aoba", 5, 5), line("C", "aoba", 7, 0), line("D", "aoba", 10_000_000_000, 0)}}
	find := func(place string) (point.BankAccount, bool) { return payee("0000001", place), place != "C" }
	pay, unpaid, err := s.Transfers(find)
	require.NoError(t, err)
	assert.Equal(t, []point.Transfer{{To: payee("0000001", "A"), Yen: 149}}, pay)
	require.Len(t, unpaid, 3)
	assert.Equal(t, "B", unpaid[0].Place)
	assert.Equal(t, "C", unpaid[1].Place)
	assert.Equal(t, "D", unpaid[2].Place)
	s.Training = true
	_, _, err = s.Transfers(find)
	assert.ErrorIs(t, err, point.ErrNotPayable)
	_, _, err = point.Settlement{}.Transfers(find)
	assert.ErrorIs(t, err, point.ErrNotPayable)
}

// A month is settled, and what is to be paid goes to the bank.
func ExampleWriteTransfers() {
	ctx := context.Background()
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	points, _, period := november(ctx, db)
	s, err := points.Settle(ctx, period)
	if err != nil {
		log.Fatal(err)
	}
	museum := point.BankAccount{BankCode: "9998", BranchCode: "002", Type: point.Ordinary, Number: "0000001", Holder: "アオバビジュツカン"}
	pay, unpaid, err := s.Transfers(func(place string) (point.BankAccount, bool) { return museum, place == "あおば美術館" })
	if err != nil || len(unpaid) > 0 {
		log.Fatal(unpaid, err)
	}
	city := point.BankAccount{BankCode: "9999", BranchCode: "001", Type: point.Current, Number: "0000123", Holder: "アオバシ"}
	var file bytes.Buffer
	sum, err := point.WriteTransfers(&file, point.Payout{Orderer: "1234567890", Name: "アオバシ", From: city, Month: 12, Day: 25}, func(yield func(point.Transfer, error) bool) {
		for _, t := range pay {
			if !yield(t, nil) {
				return
			}
		}
	})
	fmt.Println(sum.Count, "transfers,", sum.Points, "yen,", file.Len()/122, "records", err)
	// Output: 1 transfers, 1001 yen, 4 records <nil>
}
