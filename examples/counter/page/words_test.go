package page_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/examples/counter/page"
	"github.com/mynakit/mynakit/internal/errorlist"
)

// never are words that another word stands for: one thing has one name. What
// follows a colon are words that may stand around it.
var never = map[string]string{
	// The card.
	"マイナカード": "マイナンバーカード", "読み取り機": "カードリーダー", "スマホ": "スマートフォン", "お客様": "利用者", "この方": "利用者", "所有者": "利用者; 所有者だけ",
	"係員": "担当者", "店員": "担当者", "管理者": "システム担当者", "アプレット": "カードアプリケーション", "仮想カード": "ソフトウェアカード", "ダミー": "ソフトウェアカード",
	"やりとり": "送受信", "マイナンバー番号": "個人番号", "四属性": "基本4情報", "置き直": "セットし直", "置きなお": "セットし直",
	"タップして": "セットして", "カードをかざ": "カードをセット", "カードが離れ": "カードが外れ",
	// PINs.
	"暗証コード": "暗証番号", "間違えられる": "残り回数", "あと1回": "残り1回", "あと%d回": "残り%d回", "閉塞": "ロック", "役所": "市区町村の窓口; 市区町村役所", "住所地": "お住まい",
	"コンビニ端末": "キオスク端末", "形が違": "形式が正しくありません", "4桁のパスワード": "暗証番号",
	// Certificates.
	"利用者照明用": "利用者証明用", "証明書番号": "発行番号",
	// MyKey.
	"候補の番号": "マイキーID候補", "抽選": "自動生成", "かぶる": "重複", "エンロール": "マイキーIDの作成・登録", "会員番号": "利用カード番号", "利用者番号": "利用カード番号",
	"レジストリ": "利用者テーブル", "市町村コード": "全国地方公共団体コード", "市ポイント": "自治体ポイント; あおば市ポイント", "残ポイント": "ポイント残高", "市のクラウド": "自治体ポイント管理クラウド",
	// Tickets.
	"チケット": "ポイント券", "クーポン券": "ポイント券", "発券する": "発行", "券番号": "発券番号; 発券番号", "償還": "消込", "引き換え": "消込", "使用処理": "消込",
	"消込済。": "消込済み", "取消し": "取消", "期限切れの券": "失効したポイント券", "券は使えません": "利用できません", "券: 使えません": "利用できません", "清算": "精算",
	// Merge files.
	"マージ": "合算", "連携ファイル": "合算ポイントファイル", "取引番号": "取引済番号", "シークレット": "特定の文字列", "改竄": "改ざん", "復号化": "復号", "受取済": "合算済み", "衝突": "内容の不一致",
	"検疫": "隔離", "レッジャー": "台帳", "お店の鍵": "鍵ファイル", "送信元": "自治体の担当者; この文書は受け付けないでください。送信元",
}

// neverOnScreens are words that no text for clerks and customers has.
var neverOnScreens = map[string]string{
	"下さい": "ください", "出来": "できる; 出来事", "確かめ": "確認", "はじめから": "最初から", "しなお": "し直", "しなおす": "し直す", "お試しください": "やり直してください",
	"お持ちいただいて": "ご案内ください", "予期しない不具合": "予期しないエラー", "リーダに": "リーダーに", "サーバを": "サーバーを", "フォルダを": "フォルダーを", "ユーザが": "ユーザーが", "ブラウザを": "ブラウザーを", "プリンタを": "プリンターを",
	"置いてください": "セットしてください", "抜かれ": "取り外され", "呼び出す": "照会",
}

var japaneseText = regexp.MustCompile(`[\p{Hiragana}\p{Katakana}\p{Han}]`)

// texts calls f with each line of Japanese that a clerk or a customer reads: the
// templates, the texts of the programs and of the advice, what is on paper.
func texts(t *testing.T, f func(where, line string)) {
	t.Helper()
	const root = "../../.."
	literal := regexp.MustCompile("\"(?:[^\"\\\\]|\\\\.)*\"|`[^`]*`")
	n := 0
	for _, dir := range []string{"examples/counter", "examples/counter/page", "examples/counter/page/templates", "examples/shop", "mykey/advice", "mykey", "jpki/unlock", "ticket/paper"} {
		files, err := os.ReadDir(filepath.Join(root, dir))
		require.NoError(t, err)
		for _, file := range files {
			html := strings.HasSuffix(file.Name(), ".html")
			if !html && (!strings.HasSuffix(file.Name(), ".go") || strings.HasSuffix(file.Name(), "_test.go")) {
				continue
			}
			content, err := fs.ReadFile(os.DirFS(filepath.Join(root, dir)), file.Name())
			require.NoError(t, err)
			for line := range strings.Lines(string(content)) {
				if !html {
					code, _, _ := strings.Cut(line, "//") // comments quote the documents
					line = strings.Join(literal.FindAllString(code, -1), " ")
				}
				if japaneseText.MatchString(line) {
					n++
					f(dir+"/"+file.Name(), line)
				}
			}
		}
	}
	require.Greater(t, n, 200, "texts were found")
}

// guides calls f with each line of the guides in Japanese.
func guides(t *testing.T, f func(where, line string)) {
	t.Helper()
	const root = "../../.."
	names, err := filepath.Glob(filepath.Join(root, "docs", "ja", "*.md"))
	require.NoError(t, err)
	require.NotEmpty(t, names)
	for _, name := range append(names, filepath.Join(root, "README.ja.md")) {
		if filepath.Base(name) == "rules.md" {
			continue // it quotes the platform's documents
		}
		content, err := os.ReadFile(name)
		require.NoError(t, err)
		for line := range strings.Lines(string(content)) {
			if japaneseText.MatchString(line) {
				f(filepath.Base(name), line)
			}
		}
	}
}

// One thing has one word, and the words that are not its name stand in no text.
func TestWords(t *testing.T) {
	look := func(where, line string, words map[string]string) {
		for word, better := range words {
			better, around, _ := strings.Cut(better, "; ")
			if around != "" {
				line = strings.ReplaceAll(line, around, "")
			}
			assert.False(t, strings.Contains(line, word), "%s: not %s but %s: %s", where, word, better, strings.TrimSpace(line))
		}
	}
	texts(t, func(where, line string) {
		look(where, line, never)
		look(where, line, neverOnScreens)
	})
	guides(t, func(where, line string) { look(where, line, never) })
}

// Japanese text has full-width brackets and colons, and no blank between a figure
// and its unit.
func TestPunctuation(t *testing.T) {
	half := regexp.MustCompile(`[\p{Hiragana}\p{Katakana}\p{Han}][(:]|[):][\p{Hiragana}\p{Katakana}\p{Han}]|\d (?:枚|件|回|ポイント|桁)`)
	texts(t, func(where, line string) {
		assert.Empty(t, half.FindString(line), "%s: %s", where, strings.TrimSpace(line))
	})
}

// Whatever goes wrong, the Japanese screen has no sentence in another language: the
// detail of an error is in the log.
func TestErrorsInJapanese(t *testing.T) {
	counter, err := page.New(page.Config{Shop: newShop(t), Reader: new(page.Slot), Terminal: "T-01"})
	require.NoError(t, err)
	tag := regexp.MustCompile(`(?s)<!--.*?-->|<(?:script|style).*?</(?:script|style)>|<[^>]*>`)
	sentence := regexp.MustCompile(`[A-Za-z]+[,;:.]? +[A-Za-z]+[,;:.]? +[A-Za-z]+`)
	errs := errorlist.All()
	errs["none that is known"] = errorlist.ErrCause
	require.Greater(t, len(errs), 200)
	for name, err := range errs {
		html, failed := counter.Told(page.Japanese, fmt.Errorf("at the counter: %w", err))
		require.NoError(t, failed)
		assert.Regexp(t, `class="what">[^<]*[\p{Hiragana}]`, html, name)
		assert.Empty(t, sentence.FindString(tag.ReplaceAllString(html, "\n")), name)
		assert.NotContains(t, html, "at the counter", name)
	}
}

// What the screen leaves out is in the log.
func TestErrorsAreLogged(t *testing.T) {
	term := serve(t, newShop(t))
	p := term.open(t).put(sample(1), "new")
	p.force("/issue/check", "points", "100", "until", "2026-13-45").sees("有効期限が正しくありません")
	assert.NotContains(t, p.body, "ticket:")
	assert.Regexp(t, `msg=told kind=\w+ error="`, term.log.String())
}
