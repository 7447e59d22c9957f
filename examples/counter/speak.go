package main

import (
	"fmt"
	"io"

	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/mynakit/mynakit/ticket"
)

// phrase is a format of package fmt.
type phrase string

// lines are all that the day says, in one language.
// A line that a language lacks is found by a test, and so is one whose verbs
// differ from the other language's.
type lines struct {
	// The place.
	Kept         phrase // folder
	KeptIn       phrase // folder, of a counter with a page
	NewKeys      phrase // key file
	GoesOn       phrase
	Finish       phrase // points, file
	AddressTaken phrase // address
	NoHome       phrase
	Foreign      phrase // file or folder
	NotAlone     phrase // file or folder, mode
	HowAgain     phrase
	BookedAgain  phrase // records
	Unpaid       phrase // record, points
	Differ       phrase // record

	// The names of this make-believe city.
	Library, Mall, Points phrase
	Phone                 phrase // a sample card's
	Walk                  phrase // a grant's

	// Notice is the letter about a recovery.
	Notice phrase // member's number, number of the recovery, two times

	// The steps.
	Tap      phrase
	Cost     phrase // exchanges, bytes, milliseconds
	CostReal phrase // exchanges, bytes, milliseconds
	Unknown  phrase
	PutCard  phrase
	AskPIN   phrase // name of the PIN, tries left

	Enrol     phrase
	Proved    phrase
	Candidate phrase // number, MyKey ID
	Accepted  phrase // number, MyKey ID
	Pseudonym phrase
	Granted   phrase // points

	Register   phrase
	Registered phrase // operator, number

	Again    phrase
	Known    phrase // MyKey ID
	Service  phrase // operator, number
	Balances phrase // city points, mall points

	Use        phrase // terminal
	Usable     phrase // point name, points
	Used       phrase // points, points left
	UseReceipt phrase // file
	AskedAgain phrase // points
	Undone     phrase // points, points given back, points left

	Issue   phrase // terminal
	Issued  phrase // points, last day
	Paper   phrase // file
	Receipt phrase // file

	Redeem   phrase // terminal
	Shown    phrase // points, last day
	Redeemed phrase // points
	Repeated phrase
	Refused  phrase // what the clerk is told

	Merge      phrase
	Left       phrase // points
	Merged     phrase // file, records, points
	Duplicate  phrase // file, records
	Quarantine phrase // file

	Settle   phrase // day
	Row      phrase // terminal, tickets, points
	Total    phrase // uses and tickets, points
	UseSum   phrase // uses, points, points given back
	MergeSum phrase // records, points
	Books    phrase // granted, used, on tickets, to the mall, with holders
	Mallbook phrase // merged, with members
	Torn     phrase

	End phrase
	URL phrase // address
	// SamplesURL is where the sample cards are steered.
	SamplesURL phrase // address
}

func english() lines {
	return lines{
		Kept:         "A shop's day. Everything is kept in %s",
		KeptIn:       "Everything is kept in %s",
		NewKeys:      "First run: the shop's keys were drawn and written to %s. Keep a copy.",
		GoesOn:       "The shop has been open before; the day goes on with its database.",
		Finish:       "A ticket of %d points was paid for and never printed, because the program stopped: it is in %s now.",
		NoHome:       "There is no home folder: HOME is not set. Name the folder to use with -data.",
		Foreign:      "%s belongs to another user. Name a folder of your own with -data.",
		HowAgain:     "Collect the files that the mall has merged since, put back nothing but the database, and start once with -restored FOLDER.",
		BookedAgain:  "Records booked again: %d. Points can be spent.",
		Unpaid:       "%s: %d points were taken from nobody. Settle them with the mall.",
		Differ:       "%s: the mall has it with other content. Ask the mall at once.",
		NotAlone:     "Other users can read or change %s. Give it to its owner alone (chmod %o), and tell the administrator if it may have been read or changed.",
		AddressTaken: "Cannot wait at %s.\n         If another program has the port, give another port, such as 8082.",

		Library: "Aoba Library", Mall: "Aoba Mall", Points: "Aoba city points", Phone: "A phone", Walk: "Walking class",

		Notice: "A new card is to get your MyKey ID\n\nTo the holder of the card with the number %s.\n\n" +
			"Somebody has asked at our counter that a new card get your MyKey ID.\n  number    %d\n  asked     %s\n  completed %s at the earliest\n\n" +
			"If you have not asked for it, come to the counter with your card and this letter, or call us, before that time.\n",

		Tap:      "A card is tapped",
		Cost:     "%d exchanges, %d bytes, %.1f ms on the air at 106 kbit/s",
		CostReal: "%d exchanges, %d bytes, %.1f ms",
		Unknown:  "The shop does not know this card yet.",
		PutCard:  "Put the card on the reader.",
		AskPIN:   "%s (%d tries left): ",

		Enrol:     "The holder gets a MyKey ID",
		Proved:    "The PIN is right, the certificate is genuine, and the card signed a challenge.",
		Candidate: "Candidate %d is %s. The holder would like another.",
		Accepted:  "Candidate %d is %s. It is registered: the third is final.",
		Pseudonym: "The certificate's serial number is kept as a keyed pseudonym alone.",
		Granted:   "The city grants %d points.",

		Register:   "Library card and point card are registered as Service IDs",
		Registered: "Registered: %s %s",

		Again:    "The next tap finds them",
		Known:    "MyKey ID %s",
		Service:  "%s %s",
		Balances: "%d city points, %d mall points",

		Use:        "Points are used at %s",
		Usable:     "Can be spent here: %s %d.",
		Used:       "Used: %d points off the bill; %d are left.",
		UseReceipt: "The receipt: %s",
		AskedAgain: "The till lost the answer and asks by its key, without the card: %d points were used, once.",
		Undone:     "A wrong amount of %d points is taken back by its key: %d points returned, %d are there.",

		Issue:   "A point ticket is issued at %s",
		Issued:  "%d points, good until %s.",
		Paper:   "On A4 with its QR code: %s",
		Receipt: "For the receipt printer: %s",

		Redeem:   "The ticket is redeemed at %s",
		Shown:    "The QR code is read: %d points, good until %s.",
		Redeemed: "Redeemed: %d points off the bill.",
		Repeated: "The terminal lost the answer and asks again: the same answer, and nothing is redeemed twice.",
		Refused:  "The same paper once more: refused. The clerk reads: %s",

		Merge:      "Points move to the mall's account by merge file",
		Left:       "%d city points leave the holder's account; the city's cloud sends a file.",
		Merged:     "%s: verified; new records: %d, points merged: %d.",
		Duplicate:  "%s, sent again: records skipped, because they were merged before: %d.",
		Quarantine: "%s, tampered with: not valid. Nothing is merged; it is in quarantine.",

		Settle:   "Settlement of %s",
		Row:      "%-12s %4d redeemed %8d points",
		Total:    "total        %4d in all   %8d points: what the city pays",
		UseSum:   "points used  %4d uses     %8d points, of which %d were given back",
		MergeSum: "merge files  %4d merged   %8d points",
		Books:    "Books: %d points granted = %d used + %d on tickets + %d to the mall + %d with holders.",
		Mallbook: "Books: %d points merged = %d with the mall's members. Both are exact.",
		Torn:     "The books do not balance. Stop and call whoever looks after the system.",

		End:        "Run it again: the holder is known and the ledger remembers. -lang ja, -serve 127.0.0.1:8080, -reader auto, -help.",
		URL:        "The counter is at http://%s (Ctrl+C ends it).",
		SamplesURL: "The sample cards are steered at http://%s.",
	}
}

func japanese() lines {
	return lines{
		Kept:         "店舗の一日を再現します。データの保存先：%s",
		KeptIn:       "データの保存先：%s",
		NewKeys:      "最初の起動です。暗号鍵を作成し、鍵ファイル %s に保存しました。バックアップを取ってください。",
		GoesOn:       "前回の続きから始めます。同じデータベースを使います。",
		Finish:       "前回の終了時に印刷していなかった%dポイントのポイント券があります。印刷用ファイル %s を作成しました。",
		NoHome:       "ホームフォルダーがありません（HOME が設定されていません）。使うフォルダーを -data で指定してください。",
		Foreign:      "%s は別のユーザーのものです。自分のフォルダーを -data で指定してください。",
		HowAgain:     "復元後に商店街が合算したファイルを集め、-restored フォルダー を付けて一度起動してください。データベース以外は戻さないでください。",
		BookedAgain:  "記帳し直したレコード：%d件。ポイントの利用を再開できます。",
		Unpaid:       "%s：%dポイントを差し引けませんでした。商店街と精算してください。",
		Differ:       "%s：商店街の記録と内容が異なります。至急、商店街に確認してください。",
		NotAlone:     "ほかのユーザーが %s を読み書きできます。所有者だけが使えるように変更してください（chmod %o）。読み書きされた可能性があるときは、システム担当者に連絡してください。",
		AddressTaken: "%s で待ち受けられません。\n         ほかのプログラムが使用中のときは、8082 など、別のポート番号を指定してください。",

		Library: "あおば図書館", Mall: "あおば商店街", Points: "あおば市ポイント", Phone: "スマートフォン", Walk: "ウォーキング教室",

		Notice: "マイキーIDの引き継ぎの受付のお知らせ\n\n利用カード番号 %s の利用者様\n\n" +
			"あなたのマイキーIDを新しいカードへ引き継ぐ手続きを、窓口で受け付けました。\n  受付番号：%d\n  受付日時：%s\n  引き継ぎ：%s 以降\n\n" +
			"お心当たりがないときは、その日時までに、このお知らせを窓口にお持ちいただくか、お電話ください。\n",

		Tap:      "カードを読み取ります",
		Cost:     "送受信%d回、%dバイト、%.1fミリ秒（106 kbit/s）",
		CostReal: "送受信%d回、%dバイト、%.1fミリ秒",
		Unknown:  "このカードはまだ登録されていません。",
		PutCard:  "カードをカードリーダーにセットしてください。",
		AskPIN:   "%s　残り%d回：",

		Enrol:     "マイキーIDを作成します",
		Proved:    "暗証番号を照合し、電子証明書とカードの署名を検証しました。",
		Candidate: "マイキーID候補%d：%s　別の候補を自動生成します。",
		Accepted:  "マイキーID候補%d：%s　3回目の候補のため、そのまま登録しました。",
		Pseudonym: "電子証明書の発行番号そのものは保存せず、鍵付きハッシュ値だけを保存します。",
		Granted:   "自治体から%dポイントを付与しました。",

		Register:   "図書館の利用カード番号と商店街ポイントIDを、サービスIDとして登録します",
		Registered: "登録済み：%s %s",

		Again:    "次回からは、カードをセットするだけで照会できます",
		Known:    "マイキーID %s",
		Service:  "%s %s",
		Balances: "自治体ポイント %d、商店街ポイント %d",

		Use:        "ポイントを利用します（端末 %s）",
		Usable:     "この端末で利用できるポイント残高：%s %d",
		Used:       "利用済み：%dポイントを値引きします。残高は%dポイントです。",
		UseReceipt: "控え：%s",
		AskedAgain: "応答が届かなかった端末が、カードなしで照会しました：%dポイントを1回だけ利用しています。",
		Undone:     "金額の違う%dポイントの利用を、カードなしで取り消しました：%dポイントが戻り、残高は%dポイントです。",

		Issue:   "ポイント券を発行します（端末 %s）",
		Issued:  "%dポイント、有効期限 %s",
		Paper:   "A4（QRコード付き）：%s",
		Receipt: "レシートプリンター用：%s",

		Redeem:   "ポイント券を消し込みます（端末 %s）",
		Shown:    "QRコードを読み取りました：%dポイント、有効期限 %s",
		Redeemed: "消込済み：%dポイントを値引きします。",
		Repeated: "応答が届かなかった端末が再送しました。結果は同じで、二重に消し込まれることはありません。",
		Refused:  "同じポイント券の2回目：利用できません。画面の表示：%s",

		Merge:      "合算ポイントファイルで、商店街ポイントに合算します",
		Left:       "自治体ポイントを%dポイント減算し、自治体ポイント管理クラウドが合算ポイントファイルを送付します。",
		Merged:     "%s：検証済み。新しい取引%d件、%dポイントを合算しました。",
		Duplicate:  "%s の再送：%d件は合算済みのため、合算しませんでした。",
		Quarantine: "%s（改ざん）：検証できないため、合算せずに隔離しました。",

		Settle:   "%s の集計",
		Row:      "%-12s %4d枚 %8dポイント",
		Total:    "合計         %4d件 %8dポイント（自治体が支払う額）",
		UseSum:   "ポイント利用 %4d件 %8dポイント（うち取消 %dポイント）",
		MergeSum: "合算         %4d件 %8dポイント",
		Books:    "帳簿：付与 %d = 利用 %d + ポイント券 %d + 合算 %d + 残高 %d",
		Mallbook: "帳簿：合算 %d = 商店街ポイント残高 %d。どちらも一致しています。",
		Torn:     "帳簿が一致しません。利用を中止し、システム担当者に連絡してください。",

		End:        "もう一度実行すると、続きから始まります。-lang en、-serve 127.0.0.1:8080、-reader auto、-help もあります。",
		URL:        "窓口の画面は http://%s です（Ctrl+Cで終了します）。",
		SamplesURL: "見本のカードは http://%s で操作できます。",
	}
}

func linesIn(lang string) lines {
	if lang == "ja" {
		return japanese()
	}
	return english()
}

// speaker tells the day.
type speaker struct {
	lang string
	lines
	out  io.Writer
	step int
}

// date writes a day as the language does.
func (s *speaker) date(d ticket.Date) string {
	if s.lang == "ja" {
		return d.Japanese()
	}
	return d.String()
}

// say fills a phrase in; figures have commas.
func (s *speaker) say(p phrase, args ...any) string {
	tag := language.English
	if s.lang == "ja" {
		tag = language.Japanese
	}
	return message.NewPrinter(tag).Sprintf(string(p), args...)
}

// title begins a numbered step.
func (s *speaker) title(p phrase, args ...any) {
	s.step++
	fmt.Fprintf(s.out, "\n%d. %s\n", s.step, s.say(p, args...))
}

// line says something within a step.
func (s *speaker) line(p phrase, args ...any) {
	fmt.Fprintf(s.out, "   %s\n", s.say(p, args...))
}

// plain says something outside the steps.
func (s *speaker) plain(p phrase, args ...any) {
	fmt.Fprintf(s.out, "%s\n", s.say(p, args...))
}
