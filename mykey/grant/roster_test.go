package grant_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/grant"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/japanese"
)

func TestParseDay(t *testing.T) {
	for s, want := range map[string]string{
		"1940年1月1日": "1940-01-01", "昭和15年1月1日": "1940-01-01", "1940/1/1": "1940-01-01", "1940-01-01": "1940-01-01",
		"19400101": "1940-01-01", "S15.1.1": "1940-01-01", "s15/1/1": "1940-01-01", "１９４０年１月１日": "1940-01-01",
		" 昭和 15年 1月 1日 ": "1940-01-01", "令和元年5月1日": "2019-05-01", "平成31年4月30日": "2019-04-30", "R1.5.1": "2019-05-01",
		"2000/2/29": "2000-02-29", "明治45年7月29日": "1912-07-29", "大正元年7月30日": "1912-07-30",
	} {
		d, err := grant.ParseDay(s)
		require.NoError(t, err, s)
		y, m, day := d.Year(), d.Month(), d.Day()
		assert.Equal(t, want, fmt.Sprintf("%04d-%02d-%02d", y, m, day), s)
	}
	for _, s := range []string{"", "1940", "40/1/1", "1940/13/1", "1940/2/30", "昭和65年1月1日", "平成元年1月7日", "令和0年1月1日", "S-15.1.1",
		"1940/1/1/1", "1900/2/29", "元/1/1", "+1940/1/1", "1940/1/x", strings.Repeat("1", 100), "昭和昭和15/1/1"} {
		_, err := grant.ParseDay(s)
		assert.ErrorIs(t, err, mykey.ErrForm, s)
	}
}

const header = "ポイント付与事業名,付与ポイント,マイキーID,名前,生年月日,住所,性別,電話番号,メールアドレス,備考\r\n"

func TestRoster(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		w, ctx := open(t, db, 10), t.Context()
		p := course()
		p.Items, p.Roster = grant.ItemName|grant.ItemBirth, true
		require.NoError(t, w.SetProgramme(ctx, p))
		text := header +
			"認知症サポーター養成講座,100,,山田太郎,1940年1月1日,東京都千代田区A町1-1,男性,03-1234-5678,taro@xx.example,\r\n" +
			"認知症サポーター養成講座,100,M0000001,見本 花子,昭和15/1/2,東京都千代田区Ａ町１－２,女,,,\"一行目\"\r\n" +
			",,,,,,,,,\r\n" +
			"認知症サポーター養成講座,100,,,,,,,,\r\n"
		sjis, err := japanese.ShiftJIS.NewEncoder().String(text)
		require.NoError(t, err)
		for i, tc := range []struct {
			text string
			enc  grant.Encoding
		}{{text, grant.UTF8}, {"\ufeff" + text, grant.UTF8}, {sjis, grant.ShiftJIS}} {
			q := p
			q.Code = fmt.Sprint("c", i)
			require.NoError(t, w.SetProgramme(ctx, q))
			n, err := w.Import(ctx, q.Code, grant.ReadRoster(strings.NewReader(tc.text), q, tc.enc))
			require.NoError(t, err)
			assert.Equal(t, 2, n)
			ids, err := w.IDs(ctx, q.Code)
			require.NoError(t, err)
			assert.Equal(t, []mykey.ID{id(t, 1)}, ids)
		}

		// Search and match, set the ID, and grant to who is listed.
		birth, err := grant.ParseDay("1940/1/1")
		require.NoError(t, err)
		var found []grant.Entry
		for e, err := range w.Search(ctx, "c0", mykey.ID{}, grant.Identity{Name: "山田　太郎", Birth: birth}.Hide()) {
			require.NoError(t, err)
			found = append(found, e)
		}
		require.Len(t, found, 1)
		v := found[0].Person.Reveal()
		assert.Equal(t, "東京都千代田区A町1-1", v.Address)
		assert.Equal(t, jpki.Male, v.Sex)
		assert.True(t, v.Matches(grant.Identity{Phone: "０３（１２３４）５６７８"}, grant.ItemPhone))
		assert.False(t, v.Matches(grant.Identity{Phone: "03"}, grant.ItemPhone|grant.ItemMail))
		assert.False(t, v.Matches(grant.Identity{}, 0))
		assert.NotContains(t, fmt.Sprintf("%+v %#v", found[0], found), "山田")

		verdict, err := w.Grant(ctx, "c0", "", id(t, 2), "tanaka")
		require.NoError(t, err)
		assert.Equal(t, grant.NotListed, verdict)
		require.NoError(t, w.SetID(ctx, "c0", found[0].Number, id(t, 2), true))
		require.NoError(t, w.SetID(ctx, "c0", found[0].Number, id(t, 2), true))
		assert.ErrorIs(t, w.SetID(ctx, "c0", found[0].Number, id(t, 1), true), grant.ErrIDTaken)
		assert.ErrorIs(t, w.SetID(ctx, "c0", 99, id(t, 5), true), grant.ErrNoRow)
		verdict, err = w.Grant(ctx, "c0", "", id(t, 2), "tanaka")
		require.NoError(t, err)
		assert.Equal(t, grant.Granted, verdict)

		// Without the card: all items of the programme must agree, of one row.
		e, err := w.Match(ctx, "c0", grant.Identity{Name: "山田太郎", Birth: birth, Phone: "not asked for"}.Hide())
		require.NoError(t, err)
		assert.Equal(t, id(t, 2), e.ID)
		assert.True(t, e.Declared)
		_, err = w.Match(ctx, "c0", grant.Identity{Name: "山田太郎"}.Hide())
		assert.ErrorIs(t, err, grant.ErrNoMatch, "the birth date was not said")
		_, err = w.Match(ctx, "c0", grant.Identity{Name: "山田花子", Birth: birth}.Hide())
		assert.ErrorIs(t, err, grant.ErrNoMatch)
		_, err = w.Match(ctx, "nothing", grant.Identity{}.Hide())
		assert.ErrorIs(t, err, grant.ErrNoProgramme)
		_, err = w.Match(ctx, "course", grant.Identity{Name: "山田太郎", Birth: birth}.Hide())
		assert.ErrorIs(t, err, grant.ErrNoMatch, "an empty roster")
		q := p
		q.Code = "twins"
		require.NoError(t, w.SetProgramme(ctx, q))
		for range 2 {
			_, err = w.Add(ctx, "twins", mykey.ID{}, grant.Identity{Name: "山田太郎", Birth: birth}.Hide())
			require.NoError(t, err)
		}
		_, err = w.Match(ctx, "twins", grant.Identity{Name: "山田太郎", Birth: birth}.Hide())
		assert.ErrorIs(t, err, grant.ErrNoMatch, "two rows agree")

		_, err = w.Add(ctx, "c0", id(t, 2), grant.Identity{Name: "別人", Birth: birth}.Hide())
		assert.ErrorIs(t, err, grant.ErrIDTaken)
		_, err = w.Add(ctx, "c0", id(t, 3), grant.Identity{Name: "別人"}.Hide())
		assert.ErrorIs(t, err, mykey.ErrForm, "the birth date is demanded")
		number, err := w.Add(ctx, "c0", id(t, 3), grant.Identity{Name: "別人", Birth: birth}.Hide())
		require.NoError(t, err)
		assert.EqualValues(t, 3, number)
		_, err = w.Add(ctx, "nothing", id(t, 3), grant.Identity{}.Hide())
		assert.ErrorIs(t, err, grant.ErrNoProgramme)
	})
}

// Each fault is told by line and column, and nothing is taken over.
func TestRosterFaults(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		w, ctx := open(t, db, 10), t.Context()
		p := course()
		p.Items = grant.ItemName | grant.ItemBirth
		require.NoError(t, w.SetProgramme(ctx, p))
		const n = "認知症サポーター養成講座,100,"
		text := header +
			n + ",良い人,1940/1/1,,,,,\r\n" +
			"別の事業,100,,人,1940/1/1,,,,,\r\n" +
			"認知症サポーター養成講座,200,,人,1940/1/1,,,,,\r\n" +
			n + "m0000001,人,1940/1/1,,,,,\r\n" +
			n + ",,1940/1/1,住所,,,,\r\n" +
			n + ",人,1940/13/1,,,,,\r\n" +
			n + ",人,1940/1/1,,不明,,,\r\n" +
			n + ",人,1940/1/1,,,,mail,\r\n" +
			n + ",人\x01,1940/1/1,,,,,\r\n" +
			n + ",人,1940/1/1\r\n" +
			n + "M0000001,人,1940/1/1,,,,,\r\n" +
			n + "M0000001,人,1940/1/1,,,,,\r\n" +
			n + ",\"人,1940/1/1,,,,,\r\n"
		_, err := w.Import(ctx, "course", grant.ReadRoster(strings.NewReader(text), p, grant.UTF8))
		var bad *grant.ImportError
		require.ErrorAs(t, err, &bad)
		var got []string
		for _, f := range bad.Faults {
			got = append(got, fmt.Sprint(f.Line, " ", f.Column))
			assert.NotContains(t, f.Error(), "別の")
			assert.NotContains(t, f.Error(), "1940")
		}
		assert.Equal(t, []string{"3 ポイント付与事業名", "4 付与ポイント", "5 マイキーID", "6 名前", "7 生年月日", "8 性別", "9 メールアドレス", "10 名前", "11 ", "13 マイキーID", "14 "}, got)
		for range w.Search(ctx, "course", mykey.ID{}, grant.Person{}) {
			t.Fatal("a row was taken over")
		}

		for name, text := range map[string]string{
			"no header":      strings.TrimPrefix(text, header),
			"another header": strings.Replace(header, "名前", "氏名", 1),
			"empty ID twice": header + n + "M0000001,人,1940/1/1,,,,,\r\n" + n + "M0000001,人,1940/1/1,,,,,\r\n",
		} {
			_, err := w.Import(ctx, "course", grant.ReadRoster(strings.NewReader(text), p, grant.UTF8))
			assert.ErrorAs(t, err, &bad, name)
		}
		_, err = w.Import(ctx, "course", grant.ReadRoster(strings.NewReader(header+"\""+strings.Repeat("x", 200_000)), p, grant.UTF8))
		assert.Error(t, err, "a quote that never closes")
		_, err = w.Import(ctx, "nothing", grant.ReadRoster(strings.NewReader(text), p, grant.UTF8))
		assert.ErrorIs(t, err, grant.ErrNoProgramme)
	})
}

func TestTemplate(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, grant.WriteTemplate(&b, course()))
	assert.Equal(t, "\ufeff"+header+"認知症サポーター養成講座,100,,,,,,,,\r\n", strings.ReplaceAll(strings.ReplaceAll(b.String(), "\r\n", "\n"), "\n", "\r\n"))
	for range grant.ReadRoster(&b, course(), grant.UTF8) {
		t.Fatal("the template says nothing of anybody")
	}
}

// What a programme must have, and what it has of the points behind it.
func TestProgramme(t *testing.T) {
	require.NoError(t, course().Check())
	for name, spoil := range map[string]func(*grant.Programme){
		"code":       func(p *grant.Programme) { p.Code = "A B" },
		"account":    func(p *grant.Programme) { p.Account = "" },
		"name":       func(p *grant.Programme) { p.Name = " " },
		"long name":  func(p *grant.Programme) { p.Name = strings.Repeat("長", grant.MaxText+1) },
		"department": func(p *grant.Programme) { p.Department = "" },
		"remark":     func(p *grant.Programme) { p.Remark = "a\nb" },
		"points":     func(p *grant.Programme) { p.Points = point.MaxPoints + 1 },
		"items":      func(p *grant.Programme) { p.Items = grant.AllItems + 1 },
		"period":     func(p *grant.Programme) { p.Period.From = mykey.Date{Year: 2026, Month: 1, Day: 1} },
	} {
		p := course()
		spoil(&p)
		assert.Error(t, p.Check(), name)
	}
	m, err := mykey.ParseMunicipality("131016")
	require.NoError(t, err)
	city := point.Programme{Account: "aoba", Kind: point.Municipal, Name: "あおば市ポイント", Municipality: m, Expiry: point.Expiry{Rule: point.FiscalYear}}
	got, err := course().Of([]point.Programme{{Account: "other", Kind: point.Municipal}, city})
	require.NoError(t, err)
	assert.Equal(t, city, got, "municipality and expiry are those of the points")
	city.Kind = point.Reserved
	_, err = course().Of([]point.Programme{city})
	assert.ErrorIs(t, err, grant.ErrProgramme)
}

func TestMails(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		w, ctx := open(t, db, 3), t.Context()
		mail, err := point.ParseMailAddress("hanako@example.jp")
		require.NoError(t, err)
		require.NoError(t, w.points.SetProfile(ctx, id(t, 1), point.Profile{Mail: mail, Notices: point.NoticeGrant}))
		d := w.device(t, t.TempDir())
		for n := range 3 {
			require.NoError(t, d.Tap(ctx, "course", "", serial(t, n)))
		}
		d.send(t, w)
		mails, err := w.Mails(ctx, "course", w.now().Add(-time.Hour), w.now().Add(time.Hour))
		require.NoError(t, err)
		require.Len(t, mails, 1)
		assert.Equal(t, "hanako@example.jp", mails[0].Address.Reveal())

		// By hand, and later, with other points.
		w.us.Add((24 * time.Hour).Microseconds())
		require.NoError(t, w.points.Enrol(ctx, id(t, 8), point.Profile{Mail: mail, Notices: point.NoticeGrant}))
		p := course()
		p.Points = 150
		require.NoError(t, w.SetProgramme(ctx, p))
		v, err := w.Grant(ctx, "course", "", id(t, 8), "tanaka")
		require.NoError(t, err)
		assert.Equal(t, grant.Granted, v)
		_, err = w.Grant(ctx, "course", "", id(t, 8), "")
		assert.ErrorIs(t, err, mykey.ErrForm, "nobody answers for it")
		require.NoError(t, d.Tap(ctx, "course", "", serial(t, 7)))
		d.send(t, w)
		waiting, err := w.Waiting(ctx, "course")
		require.NoError(t, err)
		require.Len(t, waiting, 1)
		w.us.Add((24 * time.Hour).Microseconds())
		require.NoError(t, w.points.Enrol(ctx, id(t, 7), point.Profile{Mail: mail, Notices: point.NoticeGrant}))
		w.cards[serial(t, 7).Serial] = id(t, 7)
		_, err = w.Judge(ctx, waiting[0].Epoch, waiting[0].Seq, time.Time{}, "tanaka")
		require.NoError(t, err)
		for _, days := range []int{0, 1} {
			from := w.now().Add(-time.Duration(days)*24*time.Hour - time.Hour)
			mails, err := w.Mails(ctx, "course", from, from.Add(2*time.Hour))
			require.NoError(t, err)
			require.Len(t, mails, 1)
			assert.EqualValues(t, 150, mails[0].Points)
		}
		assert.EqualValues(t, 100, mails[0].Points)
		mails, err = w.Mails(ctx, "course", w.now().Add(time.Hour), w.now().Add(2*time.Hour))
		require.NoError(t, err)
		assert.Empty(t, mails)
		assert.ErrorIs(t, w.CloseProgramme(ctx, "nothing"), grant.ErrNoProgramme)
		_, err = w.Programme(ctx, "nothing")
		assert.ErrorIs(t, err, grant.ErrNoProgramme)
		require.NoError(t, w.SetProgramme(ctx, course()))
		p = course()
		p.Account = "midori"
		assert.ErrorIs(t, w.SetProgramme(ctx, p), grant.ErrProgramme)
		p.Points = 0
		assert.ErrorIs(t, w.SetProgramme(ctx, p), mykey.ErrForm)
		got, err := w.Programme(ctx, "course")
		require.NoError(t, err)
		assert.Equal(t, course(), got)
	})
}

func FuzzRoster(f *testing.F) {
	f.Add([]byte(header+"認知症サポーター養成講座,100,,山田太郎,1940年1月1日,,,,,\r\n"), false)
	f.Add([]byte("\x83|\x83C"), true)
	f.Add([]byte("昭和15年1月1日"), false)
	f.Add([]byte("\ufeff"+header+"\"a\nb\",1,,,,,,,,\n"), false)
	f.Fuzz(func(t *testing.T, b []byte, sjis bool) {
		enc := grant.UTF8
		if sjis {
			enc = grant.ShiftJIS
		}
		n := 0
		for row, err := range grant.ReadRoster(bytes.NewReader(b), course(), enc) {
			if n++; n > len(b)+1 {
				t.Fatal("more rows than bytes")
			}
			if err == nil && row.Line == 0 {
				t.Fatal("a row without a line")
			}
		}
		if d, err := grant.ParseDay(string(b)); err == nil && d.IsZero() {
			t.Fatal("no day and no error")
		}
	})
}
