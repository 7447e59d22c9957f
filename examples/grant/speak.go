package main

import (
	"fmt"
	"io"
	"strconv"
)

// phrase is a format of package fmt.
type phrase string

// lines are all that the day says, in one language.
type lines struct {
	Begin              phrase // people
	Course, Department phrase

	Roster    phrase
	Programme phrase // name, department, points
	Fault     phrase // line, column
	Imported  phrase // rows, with a MyKey ID
	IDsSet    phrase // by a tap, told

	Devices phrase
	Synced  phrase // terminals, MyKey IDs

	Venue    phrase
	Taps     phrase // terminal, taps
	Total    phrase // taps, refused
	OnTheAir phrase // milliseconds

	Loss    phrase // terminal
	Sent    phrase // taps
	Stopped phrase

	Upload   phrase // terminal
	Chunks   phrase // chunks, answers lost
	Verdicts phrase // granted, already, unknown

	Missing phrase
	Gap     phrase // terminal, taps, came, missing
	ByHand  phrase // people

	Found   phrase // terminal
	Refused phrase
	Held    phrase // taps, judged before, held
	Judged  phrase // already

	Books  phrase
	Tally  phrase // granted, already, unknown
	Agree  phrase // points granted, points with holders
	NoGaps phrase
	Mails  phrase // mails
}

func inEnglish() lines {
	return lines{
		Begin:  "A venue's day: %d people are invited, and two devices are carried there.",
		Course: "Health course", Department: "Welfare Division",

		Roster:    "The office registers a programme and takes over its roster",
		Programme: "%s (%s): %d points for each person, once.",
		Fault:     "A slip in the file, and nothing is taken over: line %d, column %s.",
		Imported:  "The file again, in Shift_JIS: %d rows, %d of them with a MyKey ID.",
		IDsSet:    "The others come to the counter: %d MyKey IDs are set by a tap of the card, %d as they are told.",

		Devices: "Two devices log in with their terminal IDs",
		Synced:  "%s and %s get %d MyKey IDs, and keep them as MACs under a passphrase that is never stored.",

		Venue:    "The venue has no network; people tap their cards",
		Taps:     "%s: %d taps, each on the disk before it was shown.",
		Total:    "%d taps in all. Cards that came twice to one device and were refused: %d.",
		OnTheAir: "Certificate and serial number take %.0f ms at 106 kbit/s.",

		Loss:    "%s sends, and is lost",
		Sent:    "%d taps came to the office, some of them twice, since an answer was lost.",
		Stopped: "The device is stopped. Who finds it can read neither names nor numbers.",

		Upload:   "%s sends what it has",
		Chunks:   "%d chunks; the answers to %d of them are lost, and they are sent again.",
		Verdicts: "Granted: %d. Had them already: %d. Unknown to the city: %d.",

		Missing: "What is missing",
		Gap:     "%s: it had %d taps, %d came, %d are missing.",
		ByHand:  "These people are on the paper list. Name, birth date and address agree with the roster: granted by hand: %d.",

		Found:   "%s is found",
		Refused: "Its log-in is refused. The staff send what is on it.",
		Held:    "%d taps: %d had their verdicts, %d are held, because the device was stopped.",
		Judged:  "The staff judge them: had them already: %d.",

		Books:  "The books",
		Tally:  "Granted: %d. Already: %d. Unknown: %d.",
		Agree:  "%s points were granted, and %s points are with the people who came: the books are true.",
		NoGaps: "No tap is missing.",
		Mails:  "Mails to those who want one: %d.",
	}
}

func inJapanese() lines {
	return lines{
		Begin:  "会場の一日です。名簿には%d人、会場には2台の付与機があります。",
		Course: "健康講座", Department: "福祉課",

		Roster:    "ポイント付与事業と名簿を登録します",
		Programme: "%s（%s）: 1人1回、%dポイント",
		Fault:     "名簿のファイルに誤りがあり、1件も登録していません: %d行目、%sの列",
		Imported:  "ファイル（Shift_JIS）を直して登録しました: %d件、うちマイキーIDあり%d件",
		IDsSet:    "窓口でマイキーIDを登録しました: カード読取%d件、申告%d件",

		Devices: "付与機2台が端末IDでログインします",
		Synced:  "%sと%sに%d件のマイキーIDを同期しました。保存しないパスフレーズによるMACだけが残ります。",

		Venue:    "会場に通信はありません。カードを読み取ります",
		Taps:     "%s: %d件。どれもディスクに書いてから表示しました。",
		Total:    "合計%d件。同じ付与機に2回セットされ、受付済みと表示したカード: %d枚",
		OnTheAir: "電子証明書と発行番号の読み取りは、106 kbit/sの通信で%.0fミリ秒です。",

		Loss:    "%sは途中まで送信し、紛失しました",
		Sent:    "%d件が届きました。応答が届かず、2回送信したものもあります。",
		Stopped: "この端末を停止しました。拾った人には氏名も番号も読めません。",

		Upload:   "%sが送信します",
		Chunks:   "%d回に分けて送信しました。うち%d回は応答が届かず、送信し直しました。",
		Verdicts: "付与%d件、付与済み%d件、該当なし%d件",

		Missing: "届いていないものを確認します",
		Gap:     "%s: 端末に%d件、届いたのは%d件、不足%d件",
		ByHand:  "紙の名簿から、氏名・生年月日・住所が一致する人に付与しました: %d件",

		Found:   "%sが見つかりました",
		Refused: "この端末はログインできません。担当者が中の記録を送信します。",
		Held:    "%d件のうち、%d件は判定済みです。%d件は停止した端末のため保留します。",
		Judged:  "担当者が確認しました: 付与済み%d件",

		Books:  "帳簿を照合します",
		Tally:  "付与%d件、付与済み%d件、該当なし%d件",
		Agree:  "付与%sポイント、参加者の残高%sポイント。帳簿は一致しています。",
		NoGaps: "届いていないものはありません。",
		Mails:  "メールで知らせる人: %d人",
	}
}

func linesIn(lang string) lines {
	if lang == "ja" {
		return inJapanese()
	}
	return inEnglish()
}

// commas writes a number with a comma before every three digits.
func commas(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// story tells the day.
type story struct {
	lines
	out  io.Writer
	step int
}

// title begins a numbered step.
func (s *story) title(p phrase, args ...any) {
	s.step++
	fmt.Fprintf(s.out, "\n%d. %s\n", s.step, fmt.Sprintf(string(p), args...))
}

// line says something within a step.
func (s *story) line(p phrase, args ...any) {
	fmt.Fprintf(s.out, "   %s\n", fmt.Sprintf(string(p), args...))
}

// plain says something outside the steps.
func (s *story) plain(p phrase, args ...any) {
	fmt.Fprintf(s.out, "%s\n", fmt.Sprintf(string(p), args...))
}
